//! A backup of the state, at rest or while the gateway serves.
//!
//! Of the ledger the head is read first, then how long each segment is, then the keys: a segment holds at least what an
//! earlier head covers and has its key in the later file, and what a write tore is dropped by recovery as never
//! acknowledged. What is derived is left out and
//! built again. The file is made owner-only and must not exist; half a backup is removed.

use std::{
    fs::{self, OpenOptions},
    io::BufWriter,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use bartizan_store::{Extent, KeepKey, LedgerFiles, Manifest};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Ask, Desk, No};
use crate::clock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    out: PathBuf,
    /// The master key goes into the file too.
    #[serde(default)]
    with_key: bool,
}

impl Desk {
    pub(super) async fn backup(&self, ask: &Ask<'_>) -> Answer {
        let wanted: Wanted = ask.json()?;
        if !wanted.out.is_absolute() {
            return Err(No::usage("the backup's path must be absolute"));
        }
        let with = if wanted.with_key { "with" } else { "without" };
        let index = self
            .operation(
                format!("backup into `{}`, {with} the master key", wanted.out.display()),
                ask,
            )
            .await?;
        let _steady = self.ledger.hold_key().await;
        // Copies files; the runtime's other threads go on serving.
        let manifest = tokio::task::block_in_place(|| self.copy(&wanted))?;
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        Ok(json!({
            "out": wanted.out, "files": manifest.files.len(), "bytes": bytes,
            "with_key": manifest.with_key, "created": manifest.created, "record": index,
        }))
    }

    fn copy(&self, wanted: &Wanted) -> Result<Manifest, No> {
        let path = &wanted.out;
        let said = |what: &str, fault: std::io::Error| {
            let message = format!("{what} `{}` failed: {fault}", path.display());
            No {
                kind: "files",
                ..No::state(message)
            }
        };
        let files = self
            .ledger_files()
            .map_err(|fault| said("listing the ledger for", fault))?;
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let made = made.map_err(|fault| said("making", fault))?;
        let keep = if wanted.with_key {
            KeepKey::InBackup
        } else {
            KeepKey::Elsewhere
        };
        let mut out = BufWriter::with_capacity(1 << 20, &made);
        let list = LedgerFiles::UpTo(&files);
        let written = self
            .dir
            .backup(&self.state, &self.keyring, list, keep, clock::now(), &mut out);
        let written = written.map_err(No::from).and_then(|manifest| {
            drop(out);
            made.sync_all()
                .map_err(|fault| said("writing", fault))
                .map(|()| manifest)
        });
        if written.is_err()
            && let Err(fault) = fs::remove_file(path)
        {
            tracing::warn!(%fault, path = %path.display(), "half a backup could not be removed");
        }
        written
    }

    /// The ledger's files as they are now: no segment is shorter than what the head read before it covers, and the keys
    /// are copied after the list of segments is made, so that none of these is without its key.
    fn ledger_files(&self) -> std::io::Result<Vec<(PathBuf, Extent)>> {
        let root = self.dir.ledger_path();
        let mut files = Vec::new();
        match fs::read(root.join("checkpoint")) {
            Ok(head) => files.push((PathBuf::from("checkpoint"), Extent::Read(head))),
            // A log without a head yet has no checkpoint file.
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
            Err(fault) => return Err(fault),
        }
        files.push((PathBuf::from("keys"), Extent::Whole));
        let mut segments = Vec::new();
        for entry in fs::read_dir(root.join("wal"))? {
            let entry = entry?;
            let name = PathBuf::from("wal").join(entry.file_name());
            segments.push((name, Extent::First(entry.metadata()?.len())));
        }
        segments.sort_by(|one, other| one.0.cmp(&other.0));
        files.extend(segments);
        Ok(files)
    }
}
