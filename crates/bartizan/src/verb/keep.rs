//! `key rotate`, `backup`, `restore`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use bartizan_store::{KeepKey, LedgerFiles, MasterKey};
use http::Method;
use indicatif::ProgressBar;
use serde_json::json;

use super::text;
use crate::{
    cli::Global,
    config::{Loaded, resolve},
    exit::Exit,
    failure::{Failure, file},
    link::{self, Absent, Link},
    output::Output,
};

/// `key rotate`.
pub(crate) async fn rotate(global: &Global, out: Output) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let answer = link.ask(&Method::POST, "/v1/key/rotate", Vec::new()).await?;
    out.emit(&answer, |out| {
        writeln!(
            out,
            "rotated; the old master key opens nothing any more (record {})",
            text(&answer["record"])
        )
    })?;
    link.close().await?;
    Ok(Exit::Done)
}

/// `backup`: the state at rest, without the master key, which is kept elsewhere.
pub(crate) async fn backup(global: &Global, out: Output, path: &Path) -> Result<Exit, Failure> {
    let Link::Rest(desk) = Link::connect(global, Absent::Fail)? else {
        return Err(Failure::new(
            Exit::NotRunning,
            "a gateway runs on this state, and a backup needs it at rest",
        )
        .hint("stop the gateway, back up, and start it again"));
    };
    desk.ledger.close().await.map_err(link::ledger)?;
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(file("making", path))?;
    let bar = out.progress(desk.ledger.stats().disk_bytes, "backing up");
    let mut counted = Counted {
        inner: &made,
        bar: &bar,
    };
    let now = crate::up::now();
    let result = desk.dir.backup(
        &desk.state,
        &desk.keyring,
        LedgerFiles::Quiet,
        KeepKey::Elsewhere,
        now,
        &mut counted,
    );
    bar.finish_and_clear();
    let manifest = match result {
        Ok(manifest) => manifest,
        Err(fault) => {
            // Half a backup is worse than none.
            let _ = std::fs::remove_file(path);
            return Err(link::state(fault));
        }
    };
    made.sync_all().map_err(file("writing", path))?;
    let bytes: u64 = manifest.files.iter().map(|one| one.bytes).sum();
    let value =
        json!({ "out": path, "files": manifest.files.len(), "bytes": bytes, "with_key": manifest.with_key });
    out.emit(&value, |out| {
        writeln!(
            out,
            "{} files, {bytes} bytes in {}",
            manifest.files.len(),
            path.display()
        )?;
        writeln!(
            out,
            "the master key is not in it: keep `master.key`, BARTIZAN_MASTER_KEY or the credential elsewhere"
        )
    })?;
    Ok(Exit::Done)
}

/// `restore`.
pub(crate) fn restore(global: &Global, out: Output, from: &Path) -> Result<Exit, Failure> {
    let loaded = Loaded::find(global)?;
    let target = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
    let mut input = File::open(from).map_err(file("reading", from))?;
    let master = MasterKey::from_surroundings().map_err(link::state)?;
    let manifest = bartizan_store::restore(&mut input, &target, master.as_ref()).map_err(|fault| {
        Failure::new(Exit::Refused, format!("`{}` can't be restored", from.display()))
            .hint(
                "the master key of the backed-up state is needed in BARTIZAN_MASTER_KEY, and an empty target",
            )
            .because(fault)
    })?;
    let value = json!({ "state": target, "files": manifest.files.len(), "created": manifest.created });
    out.emit(&value, |out| {
        writeln!(
            out,
            "{} files of {} restored into {}",
            manifest.files.len(),
            manifest.created,
            target.display()
        )
    })?;
    Ok(Exit::Done)
}

struct Counted<'a> {
    inner: &'a File,
    bar: &'a ProgressBar,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bar.inc(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
