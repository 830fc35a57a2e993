//! Checking and publishing a log from its files, with no writer running: `audit verify`, and C2SP tiles.

use std::{path::Path, sync::Arc};

use bartizan_ledger::{
    Audit, Report, SignedCheckpoint, Verifier, VerifyFault,
    note::{NoteFault, verify_all},
    seal::DataKey,
    tile::tiles_between,
};

use super::{
    journal::{Shared, segment_file},
    keyring::{Keyring, WrappingKey},
    medium::{Disk, Medium, OpenMode},
    words::{LedgerFault, io},
};

/// Largest segment file the verifier reads.
const SEGMENT_MAX_BYTES: u64 = 1 << 30;

/// Verifies the ledger in a directory against heads held elsewhere and, given the outer key, opens every record.
///
/// Reads only. The log may have crashed, or be in use: bytes after the last head are reported, not judged.
///
/// # Errors
/// `Io`, `Keys`; what is wrong with the log is in the report, not an error.
pub fn verify_ledger(
    place: &Path,
    verifier: &Verifier,
    held: &[SignedCheckpoint],
    key: Option<WrappingKey>,
) -> Result<Report, LedgerFault> {
    let disk = Disk::new(place).map_err(|source| io("opening the ledger", source))?;
    verify_medium(&disk, verifier, held, key)
}

/// As [`verify_ledger`], on any medium.
///
/// # Errors
/// As [`verify_ledger`].
pub fn verify_medium(
    medium: &dyn Medium,
    verifier: &Verifier,
    held: &[SignedCheckpoint],
    key: Option<WrappingKey>,
) -> Result<Report, LedgerFault> {
    let names = medium
        .list("wal")
        .map_err(|source| io("listing the log", source))?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".seg")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let keyring = key
        .map(|key| Keyring::load(medium, verifier.origin(), key))
        .transpose()?;
    let data_keys: Vec<Option<DataKey>> = numbers
        .iter()
        .map(|number| keyring.as_ref().map(|ring| ring.data_key(*number)).transpose())
        .collect::<Result<_, _>>()?;
    let mut audit = Audit::new(verifier, held);
    for (number, key) in numbers.iter().zip(&data_keys) {
        let fault = |source| io("reading a segment", source);
        let file = medium
            .open(&segment_file(*number), OpenMode::Read)
            .map_err(fault)?;
        let length = file.length().map_err(fault)?.min(SEGMENT_MAX_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_at(&mut bytes, 0).map_err(fault)?;
        audit.segment(*number, &bytes, numbers.last() == Some(number), key.as_ref());
    }
    let mut report = audit.finish();
    if !shown_head_verifies(medium, verifier)? {
        report.faults.push(VerifyFault::ShownHead);
        report.fault_count = report.fault_count.saturating_add(1);
    }
    Ok(report)
}

/// Whether the `checkpoint` file, the head that is shown to others, is one that the log's key signed. A log that has
/// not shown one yet has no such file.
fn shown_head_verifies(medium: &dyn Medium, verifier: &Verifier) -> Result<bool, LedgerFault> {
    /// A signed note is some hundred bytes.
    const SHOWN_BYTES: u64 = 64 << 10;
    let fault = |source| io("reading the shown head", source);
    let file = match medium.open("checkpoint", OpenMode::Read) {
        Ok(file) => file,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(other) => return Err(fault(other)),
    };
    let length = file.length().map_err(fault)?.min(SHOWN_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_at(&mut bytes, 0).map_err(fault)?;
    Ok(std::str::from_utf8(&bytes).is_ok_and(|note| verifier.verify(note).is_ok()))
}

/// Reads notes in a row, as the witness file has them, each verified by the log's key.
///
/// # Errors
/// [`NoteFault`] for the first note that does not verify.
pub fn read_heads(verifier: &Verifier, notes: &str) -> Result<Vec<SignedCheckpoint>, NoteFault> {
    verify_all(verifier, notes)
}

/// Writes the tiles, entry bundles and checkpoint of a log of more than `since` records under `place`, in the
/// layout of C2SP tlog-tiles, for any web server. Returns the size published.
pub(super) fn publish_tiles(shared: &Arc<Shared>, place: &Path, since: u64) -> Result<u64, LedgerFault> {
    let head = shared.head();
    let size = head.checkpoint().size;
    let fault = |source| io("writing tiles", source);
    for tile in tiles_between(since, size) {
        let path = place.join(tile.path());
        let bytes = shared.tile(&tile)?;
        std::fs::create_dir_all(path.parent().unwrap_or(place)).map_err(fault)?;
        std::fs::write(&path, bytes).map_err(fault)?;
    }
    // Last, so that whoever sees the head finds its tiles.
    std::fs::write(place.join("checkpoint"), head.note()).map_err(fault)?;
    Ok(size)
}
