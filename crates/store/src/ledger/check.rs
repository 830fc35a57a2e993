//! Checking and publishing a log from its files, with no writer running: `audit verify`, and C2SP tiles.

use std::{path::Path, sync::Arc};

use bartizan_ledger::{
    Audit, LogKeys, Report, SignedCheckpoint, Succession, Verifier, VerifyFault,
    frame::{Body, SECTOR, decode},
    keys::{KEYS_MAX, statements},
    note::split_notes,
    seal::DataKey,
    tile::tiles_between,
};
use bartizan_types::RecordKind;

use super::{
    journal::{Shared, segment_file},
    keyring::{Keyring, WrappingKey, key_damage},
    medium::{Disk, Medium, OpenMode},
    words::{LedgerFault, io},
};

/// Largest segment file the verifier reads.
const SEGMENT_MAX_BYTES: u64 = 1 << 30;

/// What a verifier knows of a log before it reads it: a key, the keys that this one leads to, and heads held elsewhere.
#[derive(Debug, Clone)]
pub struct Held {
    keys: LogKeys,
    heads: Vec<SignedCheckpoint>,
    /// Records there must be, by the statements held elsewhere.
    least: u64,
}

impl Held {
    /// From the key that its caller trusts and notes held elsewhere, in a row as a witness file has them. Follows the
    /// log's keys by the statements in the notes and in the log itself, each signed by the keys that it is about.
    ///
    /// # Errors
    /// `Corrupt` when statements disagree, `Head` for the first head that does not verify, `Io`.
    pub fn gather(place: &Path, known: &Verifier, notes: &str) -> Result<Self, LedgerFault> {
        let disk = Disk::new(place).map_err(|source| io("opening the ledger", source))?;
        Self::gather_on(&disk, known, notes)
    }

    /// As [`Held::gather`], on any medium.
    ///
    /// # Errors
    /// As [`Held::gather`].
    pub fn gather_on(medium: &dyn Medium, known: &Verifier, notes: &str) -> Result<Self, LedgerFault> {
        let held = statements(notes);
        let mut stated = held.clone();
        for number in numbers(medium)? {
            stated_in(&segment(medium, number)?, &mut stated);
        }
        let keys = LogKeys::gather(known, &stated).map_err(key_damage)?;
        let mine = |change: &&Succession| keys.contains(change.from());
        let least = held
            .iter()
            .filter(mine)
            .map(|change| change.index().saturating_add(1));
        let least = least.max().unwrap_or(0);
        let mut heads = Vec::new();
        for note in split_notes(notes) {
            match keys.verify(note) {
                Ok(head) => heads.push(head),
                Err(_) if Succession::read(note).is_ok() => {}
                Err(fault) => return Err(LedgerFault::Head(fault)),
            }
        }
        Ok(Self { keys, heads, least })
    }

    /// The log's keys, as far as they are known.
    #[must_use]
    pub const fn keys(&self) -> &LogKeys {
        &self.keys
    }
}

/// Verifies the ledger in a directory against what is known of it and, given the outer key, opens every record.
///
/// Reads only. The log may have crashed, or be in use: bytes after the last head are reported, not judged.
///
/// # Errors
/// `Io`, `Keys`; what is wrong with the log is in the report, not an error.
pub fn verify_ledger(place: &Path, held: &Held, key: Option<WrappingKey>) -> Result<Report, LedgerFault> {
    let disk = Disk::new(place).map_err(|source| io("opening the ledger", source))?;
    verify_medium(&disk, held, key)
}

/// As [`verify_ledger`], on any medium.
///
/// # Errors
/// As [`verify_ledger`].
pub fn verify_medium(
    medium: &dyn Medium,
    held: &Held,
    key: Option<WrappingKey>,
) -> Result<Report, LedgerFault> {
    let numbers = numbers(medium)?;
    let keyring = key
        .map(|key| Keyring::load(medium, held.keys.origin(), key))
        .transpose()?;
    let data_keys: Vec<Option<DataKey>> = numbers
        .iter()
        .map(|number| keyring.as_ref().map(|ring| ring.data_key(*number)).transpose())
        .collect::<Result<_, _>>()?;
    let mut audit = Audit::new(&held.keys, &held.heads);
    audit.expect_records(held.least);
    for (number, key) in numbers.iter().zip(&data_keys) {
        let bytes = segment(medium, *number)?;
        audit.segment(*number, &bytes, numbers.last() == Some(number), key.as_ref());
    }
    let mut report = audit.finish();
    if !shown_head_verifies(medium, &report.keys)? {
        report.faults.push(VerifyFault::ShownHead);
        report.fault_count = report.fault_count.saturating_add(1);
    }
    Ok(report)
}

/// Whether the `checkpoint` file, the head that is shown to others, is one that the log's key signed. A log that has
/// not shown one yet has no such file.
fn shown_head_verifies(medium: &dyn Medium, keys: &LogKeys) -> Result<bool, LedgerFault> {
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
    Ok(std::str::from_utf8(&bytes).is_ok_and(|note| keys.verify(note).is_ok()))
}

/// The numbers of the segments that there are.
fn numbers(medium: &dyn Medium) -> Result<Vec<u32>, LedgerFault> {
    let names = medium
        .list("wal")
        .map_err(|source| io("listing the log", source))?;
    let number = |name: &String| name.strip_suffix(".seg")?.parse().ok();
    let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn segment(medium: &dyn Medium, number: u32) -> Result<Vec<u8>, LedgerFault> {
    let fault = |source| io("reading a segment", source);
    let file = medium
        .open(&segment_file(number), OpenMode::Read)
        .map_err(fault)?;
    let length = file.length().map_err(fault)?.min(SEGMENT_MAX_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_at(&mut bytes, 0).map_err(fault)?;
    Ok(bytes)
}

/// Adds the statements that a segment's frames hold, as far as they are frames. Each is signed by the keys that it is
/// about; whether it stands where it may is the audit's to say.
fn stated_in(bytes: &[u8], stated: &mut Vec<Succession>) {
    let mut at = 0_usize;
    while let Ok(frame) = decode(bytes.get(at..).unwrap_or_default()) {
        at = at.saturating_add(frame.bytes);
        match frame.body {
            Body::Record(record) if record.entry.kind == RecordKind::LogKey => {
                stated.extend(Succession::of_record(&record).ok());
            }
            Body::Checkpoint(_) => at = at.next_multiple_of(SECTOR),
            _ => {}
        }
        // One more than there may be is enough to be refused.
        if stated.len() > 2 * KEYS_MAX {
            return;
        }
    }
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
