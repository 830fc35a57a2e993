//! The single writer: batches in, synced bytes out. No thread, no queue; `committer` drives it, and `sim` too.
//!
//! A batch is one write: its records, then a freshly signed checkpoint over them; then one sync. Only when that
//! sync has returned is anything told. Refuses everything after a failed write or sync. INVARIANTS: a data key seals
//! at most one body at each index (every opening and every segment has a fresh key, and a failed write is never
//! tried again); a batch starts on a sector of its own; derived files are synced before the segment that trusts them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use bartizan_ledger::{
    Entry, KeyFault, LogKeys, SignedCheckpoint, Signers, Tree, commit, digest,
    frame::{
        BLOB_AT, ERASED, FrameFault, HEADER_BYTES, RECORD_FIXED, SECTOR, STATE_AT, SegmentHeader,
        put_checkpoint, put_record, put_segment,
    },
    keys::{RETIRING_MAX, put_public},
    seal::{DataKey, Place, SALT_BYTES, SEAL_OVERHEAD},
};
use bartizan_types::{Digest, Record, RecordKind, Timestamp};
use zeroize::Zeroizing;

use super::{
    derived::{Derived, Row, Rows},
    keyring::{Keyring, WrappingKey, segment_row},
    medium::{Medium, MediumFile, OpenMode},
    words::{ChangeKey, Damage, KeyChanged, LedgerFault, LedgerOptions, Receipt, io},
};

mod open;

/// Room for a checkpoint frame of an origin of 200 bytes with four signatures, and its padding.
const CHECKPOINT_ROOM: usize = 4 * SECTOR;
/// Open calls remembered; beyond it the oldest is given up, and a note says so.
const OPEN_MAX: usize = 65_536;
/// A record this much older than one before it means that the clock went back; producers race by less.
const CLOCK_SLACK_MICROS: u64 = 2_000_000;
/// Between two attempts to find room on a full disk.
const RETRY_ROOM: Duration = Duration::from_millis(200);
/// Between two attempts to write derived files that could not be written.
pub(super) const RETRY_DERIVED: Duration = Duration::from_secs(1);
/// Records that derived files may be behind, at 80 bytes each; a full disk stops the log itself long before.
const BEHIND_MAX: usize = 1 << 18;

/// A record on its way: serialised by its producer, everything else is done by the writer.
pub(super) struct Item {
    pub(super) body: Vec<u8>,
    pub(super) kind: RecordKind,
    pub(super) time: Timestamp,
    pub(super) about: Option<u64>,
    pub(super) row: Row,
}

impl Item {
    /// Serialises a record; `key` is the index key. Changes of the log's key are the writer's own to record.
    pub(super) fn new(record: &Record, key: &[u8; 32]) -> Result<Self, LedgerFault> {
        if record.kind == RecordKind::LogKey {
            return Err(LedgerFault::KeyChange(KeyFault::Record));
        }
        Self::of(record, key)
    }

    fn of(record: &Record, key: &[u8; 32]) -> Result<Self, LedgerFault> {
        let mut body = Vec::with_capacity(640);
        serde_json::to_writer(&mut body, record)
            .map_err(|fault| io("serialising a record", std::io::Error::other(fault)))?;
        let row = Row::of(record, key);
        Ok(Self {
            body,
            kind: record.kind,
            time: record.time,
            about: None,
            row,
        })
    }

    /// Bytes it takes in a segment.
    pub(super) const fn bytes(&self) -> usize {
        BLOB_AT + SEAL_OVERHEAD + self.body.len()
    }

    /// Whether it may use the room kept for a full disk: what ends things, and erasures.
    const fn may_use_reserve(&self) -> bool {
        matches!(
            self.kind,
            RecordKind::Closing | RecordKind::Lifecycle | RecordKind::Tombstone | RecordKind::LogKey
        )
    }
}

/// A segment, as readers know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentRef {
    pub(super) number: u32,
    pub(super) first: u64,
}

pub(super) fn segment_file(number: u32) -> String {
    format!("wal/{number:08}.seg")
}

/// What readers see: always a state that was synced.
pub(super) struct View {
    pub(super) head: Arc<SignedCheckpoint>,
    pub(super) signers: Arc<Signers>,
    pub(super) segments: Vec<SegmentRef>,
}

/// What the writer shares with readers.
pub(super) struct Shared {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) origin: String,
    pub(super) index_key: Zeroizing<[u8; 32]>,
    pub(super) keyring: Mutex<Keyring>,
    pub(super) view: RwLock<View>,
    pub(super) commits: AtomicU64,
    pub(super) disk_bytes: AtomicU64,
    pub(super) full: AtomicBool,
    pub(super) poisoned: AtomicBool,
    /// Derived files lack what is in the log.
    pub(super) paused: AtomicBool,
}

impl Shared {
    /// The wrapped keys.
    pub(super) fn ring(&self) -> std::sync::MutexGuard<'_, Keyring> {
        self.keyring
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Who signs heads now.
    pub(super) fn signers(&self) -> Arc<Signers> {
        let view = self.view.read();
        Arc::clone(&view.unwrap_or_else(std::sync::PoisonError::into_inner).signers)
    }

    fn set_signers(&self, signers: Signers) {
        let view = self.view.write();
        view.unwrap_or_else(std::sync::PoisonError::into_inner).signers = Arc::new(signers);
    }

    /// Zeroes a payload in place and marks it, durably. Doing it twice is doing it once.
    fn zero(&self, index: u64) -> Result<(), LedgerFault> {
        let row = Rows::open(&self.medium)?.row(index)?;
        let missing = LedgerFault::Missing {
            index,
            size: self.size(),
        };
        let segment = self.segment_of(index).ok_or(missing)?;
        let fault = |source| io("erasing a payload", source);
        let file = self
            .medium
            .open(&segment_file(segment.number), OpenMode::Write)
            .map_err(fault)?;
        let at = u64::from(row.offset);
        let mut head = [0; HEADER_BYTES + 8];
        file.read_at(&mut head, at).map_err(fault)?;
        let (header, found) = head.split_at(HEADER_BYTES);
        let length = header
            .get(8..12)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        // The derived row says where; the frame itself must agree before anything is overwritten.
        if found != index.to_be_bytes() || header.get(..5) != Some(b"BZF1\x02".as_slice()) {
            return Err(LedgerFault::Corrupt(Damage::Derived(index)));
        }
        let blob = (length as usize).saturating_sub(RECORD_FIXED);
        file.write_at(&vec![0; blob], at + BLOB_AT as u64)
            .map_err(fault)?;
        file.write_at(&[ERASED], at + STATE_AT as u64).map_err(fault)?;
        file.sync().map_err(fault)
    }
}

struct Segment {
    number: u32,
    file: Arc<dyn MediumFile>,
    key: DataKey,
    at: usize,
    /// Up to where the file system has real blocks, zeroed by us ahead of the writes.
    warmed: u64,
}

impl Segment {
    /// Sees to it that a write that ends at `end` costs the file system no conversion of reserved blocks.
    fn warm(&mut self, end: u64, capacity: u64) -> Result<(), LedgerFault> {
        if end <= self.warmed {
            return Ok(());
        }
        let until = end.saturating_add(WARM_BYTES).min(capacity).max(end);
        let warmed = self.file.warm(self.warmed, until);
        warmed.map_err(|source| io("zeroing ahead of a batch", source))?;
        self.warmed = until;
        Ok(())
    }
}

/// How far ahead of the writes a segment's blocks are made real.
const WARM_BYTES: u64 = 1 << 20;

/// The writer.
pub struct Journal {
    pub(super) shared: Arc<Shared>,
    options: LedgerOptions,
    segment: Segment,
    tree: Tree,
    batch: u64,
    derived: Derived,
    derived_failed: bool,
    /// Since the last attempt to write what derived files lack, where they lack something.
    behind_since: Option<Instant>,
    /// Allowed calls without a closing, by call token.
    open_calls: BTreeMap<u64, u64>,
    buffer: Vec<u8>,
    salts: Vec<u8>,
    last_time: Timestamp,
    no_room_since: Option<Instant>,
}

impl Journal {
    /// The newest signed head.
    #[must_use]
    pub fn head(&self) -> Arc<SignedCheckpoint> {
        let view = self
            .shared
            .view
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(&view.head)
    }

    /// The keys that check this log's heads.
    #[must_use]
    pub fn keys(&self) -> LogKeys {
        self.shared.signers().keys().clone()
    }

    /// One record.
    ///
    /// # Errors
    /// `Missing`, `Corrupt`, `Io`.
    pub fn read(&self, index: u64) -> Result<super::StoredRecord, LedgerFault> {
        self.shared.read(index)
    }

    /// Serialises and commits records as one batch; a convenience for `sim` and tests.
    ///
    /// # Errors
    /// As the ledger's own.
    pub fn commit_records(&mut self, records: &[Record]) -> Result<Vec<Receipt>, LedgerFault> {
        let items = records
            .iter()
            .map(|record| Item::new(record, &self.shared.index_key));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let (first, size) = self.commit(&items)?;
        Ok((first..first + items.len() as u64)
            .map(|index| Receipt { index, size })
            .collect())
    }

    /// The most bytes that one batch may take.
    pub(super) fn batch_bytes(&self) -> usize {
        batch_bytes(&self.options)
    }

    /// Writes a batch and syncs it. Returns the index of its first record and the size it brought the log to.
    pub(super) fn commit(&mut self, items: &[Item]) -> Result<(u64, u64), LedgerFault> {
        let newest = items.iter().map(|item| item.time).max().unwrap_or(self.last_time);
        self.drop_ended(newest);
        let signers = self.shared.signers();
        self.commit_under(items, &signers)
    }

    fn commit_under(&mut self, items: &[Item], signers: &Signers) -> Result<(u64, u64), LedgerFault> {
        if self.shared.poisoned.load(Ordering::Acquire) {
            return Err(LedgerFault::Poisoned);
        }
        let clock_note = self.clock_note(items)?;
        let note = clock_note.as_slice();
        let need = items.iter().chain(note).map(Item::bytes).sum::<usize>() + CHECKPOINT_ROOM;
        self.make_room(need, items.iter().all(Item::may_use_reserve))?;
        let first = self.tree.size();
        let result = self.write_batch(items, note, signers);
        if result.is_err() {
            self.poison();
        }
        result.map(|()| (first, self.tree.size()))
    }

    fn poison(&self) {
        self.shared.poisoned.store(true, Ordering::Release);
    }

    /// A record that says so when the clock went back between this batch and the one before.
    fn clock_note(&mut self, items: &[Item]) -> Result<Option<Item>, LedgerFault> {
        let newest = items.iter().map(|item| item.time).max().unwrap_or(self.last_time);
        let back = self.last_time.micros_since(newest);
        self.last_time = if back > CLOCK_SLACK_MICROS {
            newest
        } else {
            self.last_time.max(newest)
        };
        if back <= CLOCK_SLACK_MICROS {
            return Ok(None);
        }
        let mut record = Record::new(RecordKind::Lifecycle, newest);
        record.note = Some(format!("the clock went back by {} ms", back / 1000));
        Item::new(&record, &self.shared.index_key).map(Some)
    }

    fn make_room(&mut self, need: usize, may_use_reserve: bool) -> Result<(), LedgerFault> {
        let capacity = self.options.segment_bytes as usize;
        let left = capacity.saturating_sub(self.segment.at);
        let reserve = self.options.reserve_bytes as usize;
        if need <= left.saturating_sub(reserve) {
            return Ok(());
        }
        let again = self
            .no_room_since
            .is_none_or(|since| since.elapsed() >= RETRY_ROOM);
        let rotated = if again {
            self.rotate()
        } else {
            Err(LedgerFault::Full)
        };
        match rotated {
            Ok(()) => {
                self.no_room_since = None;
                self.shared.full.store(false, Ordering::Release);
                Ok(())
            }
            Err(LedgerFault::Full) => {
                if again {
                    self.no_room_since = Some(Instant::now());
                }
                self.shared.full.store(true, Ordering::Release);
                if may_use_reserve && need <= left {
                    Ok(())
                } else {
                    Err(LedgerFault::Full)
                }
            }
            Err(fault) => {
                self.poison();
                Err(fault)
            }
        }
    }

    /// Seals the records of a batch into the buffer; gives the tree with them and where each stands.
    fn seal(&mut self, items: &[Item], note: &[Item]) -> Result<(Tree, Vec<Placed>), LedgerFault> {
        self.buffer.clear();
        self.salts.resize((items.len() + note.len()) * SALT_BYTES, 0);
        rand::fill(&mut self.salts).map_err(|_| LedgerFault::Keys)?;
        let mut tree = self.tree.clone();
        let mut placed = Vec::with_capacity(items.len() + note.len());
        for (item, salt) in items.iter().chain(note).zip(self.salts.chunks_exact(SALT_BYTES)) {
            let index = tree.size();
            let offset = self.segment.at + self.buffer.len();
            let salt: &[u8; SALT_BYTES] = salt.try_into().map_err(|_| LedgerFault::Keys)?;
            let place = Place {
                origin: &self.options.origin,
                index,
                kind: item.kind,
            };
            let entry = put_record(
                &mut self.buffer,
                self.batch,
                index,
                |out| {
                    if item.kind == RecordKind::LogKey {
                        put_public(out, salt, &item.body);
                        return Ok(());
                    }
                    self.segment
                        .key
                        .seal(&place, salt, &item.body, out)
                        .map_err(|_| Unsealed)
                },
                |sealed| Entry {
                    kind: item.kind,
                    time: item.time,
                    about: item.about,
                    commitment: commit(salt, &item.body),
                    sealed: digest(sealed),
                },
            );
            let leaf = entry.map_err(|Unsealed| LedgerFault::Keys)?.leaf_hash();
            tree.append(leaf);
            let row = Row {
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
                ..item.row
            };
            placed.push((leaf, row, index));
        }
        Ok((tree, placed))
    }

    fn write_batch(&mut self, items: &[Item], note: &[Item], signers: &Signers) -> Result<(), LedgerFault> {
        let (tree, placed) = self.seal(items, note)?;
        let head = signers.sign(tree.size(), tree.root());
        put_checkpoint(&mut self.buffer, self.batch, head.note());
        let at = self.segment.at as u64;
        self.segment.warm(
            at + self.buffer.len() as u64,
            u64::from(self.options.segment_bytes),
        )?;
        self.segment
            .file
            .write_at(&self.buffer, at)
            .map_err(|source| io("writing a batch", source))?;
        self.segment
            .file
            .sync()
            .map_err(|source| io("syncing a batch", source))?;

        self.segment.at += self.buffer.len();
        self.batch += 1;
        self.tree = tree;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.remember(&placed);
        {
            let mut view = self
                .shared
                .view
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            view.head = Arc::new(head);
        }
        for item in items {
            if let (RecordKind::Tombstone, Some(about)) = (item.kind, item.about) {
                self.shared.zero(about)?;
            }
        }
        Ok(())
    }

    /// Keeps the derived files and the open calls up to date. A derived file that can't be written never stops the log.
    fn remember(&mut self, placed: &[Placed]) {
        for (_, row, index) in placed {
            self.track(row, *index);
        }
        if self.derived_failed {
            return;
        }
        for (leaf, row, _) in placed {
            self.derived.push(*leaf, row);
        }
        self.catch_up();
    }

    /// Writes what derived files lack; tried again now and then where there is no room.
    pub(super) fn catch_up(&mut self) {
        let soon = |tried: Instant| tried.elapsed() < RETRY_DERIVED;
        if !self.derived_failed && !self.behind_since.is_some_and(soon) {
            match self.derived.flush() {
                Ok(()) if self.behind_since.is_none() => {}
                // Synced, since a segment may have begun meanwhile that trusts them.
                Ok(()) => match self.derived.sync() {
                    Ok(()) => {
                        self.behind_since = None;
                        self.shared.paused.store(false, Ordering::Release);
                        tracing::info!("derived files can be written again: search and proofs go on");
                    }
                    Err(fault) => self.give_up(&fault),
                },
                Err(fault) => {
                    if self.behind_since.is_none() {
                        tracing::warn!(%fault, "search and proofs pause: a derived file can't be written");
                    }
                    self.behind_since = Some(Instant::now());
                    self.shared.paused.store(true, Ordering::Release);
                }
            }
        }
        if !self.derived_failed && self.derived.behind() > BEHIND_MAX {
            self.give_up(&std::io::ErrorKind::OutOfMemory.into());
        }
    }

    /// Whether derived files lack something that is to be tried again.
    pub(super) const fn is_behind(&self) -> bool {
        self.behind_since.is_some() && !self.derived_failed
    }

    /// Derived files are left until the ledger is opened again, which rebuilds them.
    fn give_up(&mut self, fault: &std::io::Error) {
        tracing::warn!(%fault, "search and proofs stop until the gateway is started again");
        self.derived_failed = true;
        self.shared.paused.store(true, Ordering::Release);
    }

    fn track(&mut self, row: &Row, index: u64) {
        if row.opens() {
            self.open_calls.insert(row.call, index);
            if self.open_calls.len() > OPEN_MAX
                && let Some(oldest) = self
                    .open_calls
                    .iter()
                    .min_by_key(|(_, at)| **at)
                    .map(|(call, _)| *call)
            {
                self.open_calls.remove(&oldest);
                tracing::warn!("too many calls without an end; the oldest is no longer watched");
            }
        } else if row.closes() {
            self.open_calls.remove(&row.call);
        }
    }

    /// Starts the next segment: fresh key, header, checkpoint, all durable before it is used.
    fn rotate(&mut self) -> Result<(), LedgerFault> {
        if !self.derived_failed
            && self.behind_since.is_none()
            && let Err(fault) = self.derived.sync()
        {
            self.give_up(&fault);
        }
        let number = self.segment.number.saturating_add(1);
        let oldest = self
            .open_calls
            .values()
            .min()
            .copied()
            .unwrap_or(self.tree.size());
        let disk = self.shared.disk_bytes.load(Ordering::Relaxed);
        let room = Room { number, disk, oldest };
        let begun = begin(&self.shared, &self.options, &self.tree, self.batch, &room)?;
        // The room behind the last batch goes back; a crash before this leaves zeros, which readers accept.
        let old = std::mem::replace(&mut self.segment, begun.segment);
        if old.file.set_length(old.at as u64).is_ok() {
            let unused = u64::from(self.options.segment_bytes).saturating_sub(old.at as u64);
            self.shared.disk_bytes.fetch_sub(unused, Ordering::Relaxed);
        }
        self.batch += 1;
        let mut view = self
            .shared
            .view
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        view.segments.push(SegmentRef {
            number,
            first: self.tree.size(),
        });
        view.head = Arc::new(begun.head);
        Ok(())
    }

    /// Erases a payload: the tombstone is durable before a byte is zeroed.
    ///
    /// # Errors
    /// `NotErasable`, `Missing`, or as a commit.
    pub fn erase(&mut self, index: u64, reason: &str, now: Timestamp) -> Result<Receipt, LedgerFault> {
        let size = self.tree.size();
        if index >= size {
            return Err(LedgerFault::Missing { index, size });
        }
        let shared = &self.shared;
        let row = shared.unless_paused(|| Rows::open(&shared.medium)?.row(index))?;
        let stored = self.shared.read(index)?;
        let lasting = [RecordKind::Tombstone.tag(), RecordKind::LogKey.tag()];
        if lasting.contains(&row.kind) || stored.record.is_none() {
            return Err(LedgerFault::NotErasable(index));
        }
        let mut record = Record::new(RecordKind::Tombstone, now);
        let reason: String = reason.chars().take(500).collect();
        record.note = Some(format!("erased record {index}: {reason}"));
        let mut item = Item::new(&record, &self.shared.index_key)?;
        item.about = Some(index);
        item.row.call = index.saturating_add(1);
        let (first, size) = self.commit(&[item])?;
        Ok(Receipt { index: first, size })
    }

    /// Wraps every key under another; atomic, touches no record.
    ///
    /// # Errors
    /// `Keys`, `Io`.
    pub fn rotate_key(&mut self, under: WrappingKey) -> Result<(), LedgerFault> {
        let mut keyring = self.shared.ring();
        let rewrapped = keyring.rewrapped(under)?;
        rewrapped
            .save(self.shared.medium.as_ref())
            .map_err(|source| io("replacing the key file", source))?;
        *keyring = rewrapped;
        Ok(())
    }

    /// Brings in another key to sign heads: prepared in the key file, named by the old one in a record that both
    /// sign the head over, then promoted in the key file. Opening finishes or forgets what a crash cut short: the
    /// record is what decides.
    ///
    /// # Errors
    /// `KeyChange` when too many retired keys still sign; `Unkept`, the log goes on as before; `Full`, `Io`, `Poisoned`.
    pub fn change_key(&mut self, wanted: &ChangeKey) -> Result<KeyChanged, LedgerFault> {
        self.drop_ended(wanted.now);
        let signers = self.shared.signers();
        if signers.retiring().len() >= RETIRING_MAX {
            return Err(LedgerFault::KeyChange(KeyFault::Retiring));
        }
        let until = wanted.now.plus_micros(wanted.overlap_micros);
        let prepared = {
            let mut ring = self.shared.ring();
            let prepared = ring.prepare_signer()?;
            if let Err(source) = ring.save(self.shared.medium.as_ref()) {
                ring.forget_prepared();
                return Err(LedgerFault::Unkept(source));
            }
            prepared
        };
        let (next, statement) = signers
            .succeeded_by(prepared, self.tree.size(), until)
            .map_err(LedgerFault::KeyChange)?;
        let mut record = Record::new(RecordKind::LogKey, wanted.now);
        record.note = Some(format!(
            "the log's key changed to `{}`; `{}` signs beside it until {until}, by {}",
            statement.to().vkey(),
            statement.from().vkey(),
            wanted.by.chars().take(500).collect::<String>()
        ));
        record.statement = Some(statement.note().to_owned());
        let item = Item::of(&record, &self.shared.index_key)?;
        let (index, size) = match self.commit_under(&[item], &next) {
            Ok(placed) => placed,
            Err(fault) => {
                // After a failed write the record may be there, and then the key must be: opening tells.
                if !self.shared.poisoned.load(Ordering::Acquire) {
                    self.shared.ring().forget_prepared();
                }
                return Err(fault);
            }
        };
        let promoted = {
            let mut ring = self.shared.ring();
            ring.promote_signer(&statement).and_then(|()| {
                let saved = ring.save(self.shared.medium.as_ref());
                saved.map_err(|source| io("saving the key file", source))
            })
        };
        // The log says that the key changed. Should the file not: nothing more is written, and opening goes by the log.
        if let Err(fault) = promoted {
            self.poison();
            return Err(fault);
        }
        self.shared.set_signers(next);
        self.drop_ended(wanted.now);
        Ok(KeyChanged {
            receipt: Receipt { index, size },
            statement,
        })
    }

    /// Retired keys whose time is over sign no more and are destroyed.
    fn drop_ended(&mut self, now: Timestamp) {
        let Some(fewer) = self.shared.signers().without_ended(now) else {
            return;
        };
        self.shared.set_signers(fewer);
        let mut ring = self.shared.ring();
        if ring.drop_ended(now)
            && let Err(fault) = ring.save(self.shared.medium.as_ref())
        {
            // It signs no more in any case; the next change of the file leaves it out.
            tracing::warn!(%fault, "a retired signing key is still in the key file");
        }
    }

    /// Makes derived files durable and gives unused room back. The log itself needs no closing.
    ///
    /// # Errors
    /// `Io`.
    pub fn close(&mut self) -> Result<(), LedgerFault> {
        if !self.derived_failed
            && let Err(source) = self.derived.sync()
        {
            // What they lack for want of room is rebuilt by opening.
            if self.behind_since.is_none() {
                return Err(io("syncing derived files", source));
            }
            tracing::warn!(%source, "derived files lack records, and are rebuilt when the ledger is opened");
        }
        let end = self.segment.at as u64;
        self.segment
            .file
            .set_length(end)
            .map_err(|source| io("closing a segment", source))?;
        // What comes after would need room again; nothing does.
        self.poison();
        Ok(())
    }
}

/// The most bytes that one batch may take: a quarter of a segment, and at most 4 MiB.
pub(super) const fn batch_bytes(options: &LedgerOptions) -> usize {
    let quarter = (options.segment_bytes as usize).saturating_sub(options.reserve_bytes as usize) / 4;
    if quarter < 4 << 20 { quarter } else { 4 << 20 }
}

/// A record of a batch: its leaf, its row, its index.
type Placed = (Digest, Row, u64);

/// `put_record` wants one error for both of its ways to fail.
struct Unsealed;
impl From<FrameFault> for Unsealed {
    fn from(_: FrameFault) -> Self {
        Self
    }
}

struct Begun {
    segment: Segment,
    head: SignedCheckpoint,
}

/// Where a new segment stands.
struct Room {
    number: u32,
    disk: u64,
    oldest: u64,
}

/// Makes a segment file: key durable first, then room, header and checkpoint, then its name.
fn begin(
    shared: &Shared,
    options: &LedgerOptions,
    tree: &Tree,
    batch: u64,
    room: &Room,
) -> Result<Begun, LedgerFault> {
    let wanted = room.disk.saturating_add(u64::from(options.segment_bytes));
    if options.disk_limit_bytes.is_some_and(|limit| wanted > limit) {
        return Err(LedgerFault::Full);
    }
    let medium = shared.medium.as_ref();
    let full_or = |what| {
        move |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => LedgerFault::Full,
            _ => io(what, source),
        }
    };
    let name = segment_file(room.number);
    let file = medium
        .open(&name, OpenMode::Create)
        .map_err(full_or("making a segment"))?;
    if let Err(fault) = file.allocate(u64::from(options.segment_bytes)) {
        medium
            .remove(&name)
            .map_err(|source| io("removing a segment without room", source))?;
        return Err(full_or("allocating a segment")(fault));
    }
    let key = {
        let mut keyring = shared.ring();
        let secret = keyring.mint(&segment_row(room.number))?;
        keyring.save(medium).map_err(full_or("saving the key file"))?;
        DataKey::new(*secret).map_err(|_| LedgerFault::Keys)?
    };
    let header = SegmentHeader {
        origin: options.origin.clone(),
        first: tree.size(),
        oldest_open: room.oldest,
        key_check: key.check(),
        edge: tree.edge().to_vec(),
    };
    let head = shared.signers().sign(tree.size(), tree.root());
    let mut bytes = Vec::new();
    put_segment(&mut bytes, batch, &header);
    put_checkpoint(&mut bytes, batch, head.note());
    let fault = |source| io("writing a segment header", source);
    file.write_at(&bytes, 0).map_err(fault)?;
    file.sync().map_err(fault)?;
    medium.sync_directory("wal").map_err(fault)?;
    shared.disk_bytes.store(wanted, Ordering::Relaxed);
    Ok(Begun {
        segment: Segment {
            number: room.number,
            file,
            key,
            at: bytes.len(),
            warmed: bytes.len() as u64,
        },
        head,
    })
}
