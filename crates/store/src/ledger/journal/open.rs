//! Opening: recover what was committed, finish what a crash interrupted, start a fresh segment.
//!
//! Reads the last segment whole, and of the others only the headers, unless the derived files must be rebuilt.
//! Refuses a log with damage before its last head, one that a remembered head knows to be longer or different, and
//! keys that do not open. INVARIANT: no byte of the log is
//! touched before it was found consistent; derived files may be.

use std::sync::{
    Arc, Mutex, RwLock,
    atomic::{AtomicBool, AtomicU64},
};

use bartizan_ledger::{
    SignedCheckpoint, Signer, Succession, Tree,
    frame::{Body, Payload, RecordFrame, decode},
    keys::{read_public, statements},
    note::{NoteFault, split_notes},
    scan::{Expect, Flaw, Scan, ScanFault, Visit, never_began, scan},
    seal::{DataKey, Place},
    tree::root_at,
};
use bartizan_types::{Record, RecordKind, Timestamp};
use std::collections::BTreeMap;

use super::{
    super::{
        derived::{Derived, Nodes, Row, Rows},
        keyring::{Keyring, SIGNER, Signing, WrappingKey},
        medium::{Medium, OpenMode},
        words::{Damage, LedgerFault, LedgerOptions, OpenCall, Recovered, io},
    },
    Journal, Room, SegmentRef, Shared, View, batch_bytes, begin, segment_file,
};

/// Longest header frame: 64 edge digests, a 200-byte origin, and its checkpoint fit well.
const HEADER_ROOM: u64 = 4096;

impl Journal {
    /// Opens or creates the ledger on a medium. `held` are heads remembered elsewhere, as notes in a row.
    ///
    /// # Errors
    /// `Corrupt`, `Keys`, `Full`, `Option`, `Io`.
    pub fn open(
        medium: Arc<dyn Medium>,
        key: WrappingKey,
        options: LedgerOptions,
        held: &str,
    ) -> Result<(Self, Recovered), LedgerFault> {
        check(&options)?;
        let mut keyring = Keyring::load(medium.as_ref(), &options.origin, key)?;
        medium
            .make_directory("wal")
            .map_err(|source| io("making the log's directory", source))?;
        let names = medium
            .list("wal")
            .map_err(|source| io("listing the log", source))?;
        if !keyring.has(SIGNER) {
            if !names.is_empty() {
                return Err(LedgerFault::Keys);
            }
            keyring.mint(SIGNER)?;
            keyring.mint("index")?;
            keyring
                .save(medium.as_ref())
                .map_err(|source| io("saving the key file", source))?;
        }
        let Signing { signers, next } = keyring.signing()?;
        let index_key = keyring.open("index")?;
        let first_head = signers.sign(0, Tree::default().root());
        let shared = Arc::new(Shared {
            origin: options.origin.clone(),
            index_key,
            keyring: Mutex::new(keyring),
            view: RwLock::new(View {
                head: Arc::new(first_head),
                signers: Arc::new(signers),
                segments: Vec::new(),
            }),
            commits: AtomicU64::new(0),
            disk_bytes: AtomicU64::new(0),
            full: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            medium,
        });
        let mut opening = Opening {
            shared,
            options,
            segments: numbers(&names)?,
            dropped: 0,
        };
        let last = opening.last_segment()?;
        opening.settle_signer(last.as_ref(), next)?;
        let held = opening.remembered(held, last.as_ref())?;
        opening.finish(last, &held)
    }
}

fn check(options: &LedgerOptions) -> Result<(), LedgerFault> {
    let fits = |name, fits: bool| {
        if fits {
            Ok(())
        } else {
            Err(LedgerFault::Option(name))
        }
    };
    fits(
        "origin",
        bartizan_ledger::note::check_origin(&options.origin).is_ok(),
    )?;
    fits(
        "segment_bytes",
        (64 << 10..=1 << 30).contains(&options.segment_bytes),
    )?;
    fits(
        "reserve_bytes",
        options.reserve_bytes <= options.segment_bytes / 2,
    )?;
    fits("queue_records", options.queue_records > 0)?;
    fits("batch_records", (1..=65_536).contains(&options.batch_records))?;
    fits("queue_bytes", options.queue_bytes >= batch_bytes(options))
}

/// Segment numbers from file names; they start at 1 and have no gaps.
fn numbers(names: &[String]) -> Result<Vec<u32>, LedgerFault> {
    let number = |name: &String| name.strip_suffix(".seg")?.parse().ok();
    let numbers: Vec<u32> = names.iter().filter_map(number).collect();
    for (number, expected) in numbers.iter().zip(1_u32..) {
        if *number != expected {
            return Err(segment_damage(expected, 0, "the segment is missing"));
        }
    }
    Ok(numbers)
}

fn segment_damage(segment: u32, at: usize, what: &'static str) -> LedgerFault {
    LedgerFault::Corrupt(Damage::Segment {
        segment: u64::from(segment),
        at: at as u64,
        what,
    })
}

fn flaw(segment: u32, fault: &ScanFault) -> LedgerFault {
    let what = match fault.what {
        Flaw::Frame(_) => "not a frame where one must be",
        Flaw::Header => "the header is not there",
        Flaw::Follows => "it does not follow the segment before it",
        Flaw::Batch => "a write is missing or out of order",
        Flaw::Index => "a record is missing or out of order",
        Flaw::Root => "a checkpoint is not over the records before it",
        Flaw::Note(_) => "a checkpoint does not verify",
        Flaw::Key(_) => "a change of the log's key is wrong",
        Flaw::Padding => "padding is not zero",
    };
    segment_damage(segment, fault.at, what)
}

/// The last segment that began, read whole.
struct Last {
    number: u32,
    scan: Scan,
    bytes: Vec<u8>,
}

impl Last {
    /// Its first record, the tree before it, and the oldest call open then.
    fn begins(&self) -> (u64, Tree, u64) {
        let header = &self.scan.header;
        let tree = Tree::from_edge(header.first, header.edge.clone()).unwrap_or_default();
        (header.first, tree, header.oldest_open)
    }
}

/// What reading segments again found besides their records.
struct Refilled {
    /// Records that tombstones name.
    tombs: Vec<u64>,
    last_time: Option<Timestamp>,
}

struct Opening {
    shared: Arc<Shared>,
    options: LedgerOptions,
    segments: Vec<u32>,
    dropped: u64,
}

struct Ignore;
impl Visit for Ignore {
    fn record(&mut self, _: &RecordFrame<'_>, _: usize, _: &Tree) {}
}

impl Opening {
    fn bytes(&self, number: u32) -> Result<Vec<u8>, LedgerFault> {
        let fault = |source| io("reading a segment", source);
        let file = self
            .shared
            .medium
            .open(&segment_file(number), OpenMode::Read)
            .map_err(fault)?;
        let length = file.length().map_err(fault)?.min(1 << 30);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_at(&mut bytes, 0).map_err(fault)?;
        Ok(bytes)
    }

    fn scan(&self, number: u32, bytes: &[u8], visit: &mut dyn Visit) -> Result<Scan, ScanFault> {
        let last = self.segments.last() == Some(&number);
        let signers = self.shared.signers();
        scan(
            bytes,
            &Expect {
                keys: signers.keys(),
                follows: None,
                last,
                every_signature: false,
            },
            visit,
        )
    }

    /// Finds the last segment that began; removes one after it whose making was torn.
    fn last_segment(&mut self) -> Result<Option<Last>, LedgerFault> {
        let Some(number) = self.segments.last().copied() else {
            return Ok(None);
        };
        let bytes = self.bytes(number)?;
        match self.scan(number, &bytes, &mut Ignore) {
            Ok(scan) => Ok(Some(Last { number, scan, bytes })),
            Err(fault) if fault.what == Flaw::Header => {
                self.segments.pop();
                let before = self.last_segment()?;
                let batch = before.as_ref().map_or(0, |last| last.scan.next_batch);
                if !never_began(&bytes, batch)
                    || before.as_ref().map(|l| l.number + 1) != number_after(number)
                {
                    return Err(flaw(number, &fault));
                }
                let removed = self.shared.medium.remove(&segment_file(number));
                removed.map_err(|source| io("removing a torn segment", source))?;
                Ok(before)
            }
            Err(fault) => Err(flaw(number, &fault)),
        }
    }

    /// Decides by the log whether a change of key that was begun took place. The key file says so with the next segment,
    /// before anything is signed.
    fn settle_signer(&self, last: Option<&Last>, next: Option<Arc<Signer>>) -> Result<(), LedgerFault> {
        let signers = self.shared.signers();
        let known = signers.keys().changes().len();
        let found = last.map_or_else(|| signers.keys().clone(), |last| last.scan.keys.clone());
        let mut ring = self.shared.ring();
        match (found.changes().get(known..).unwrap_or_default(), next) {
            ([], None) => Ok(()),
            ([], Some(_)) => {
                ring.forget_prepared();
                Ok(())
            }
            ([change], Some(next)) if change.to() == next.verifier() => {
                ring.promote_signer(change)?;
                let promoted = ring.signing()?.signers;
                drop(ring);
                self.shared.set_signers(promoted);
                Ok(())
            }
            // The log goes on under a key that is not here.
            _ => Err(LedgerFault::Keys),
        }
    }

    /// The remembered heads that verify; refuses a log shorter than what somebody remembers, or continued under a key
    /// that was retired, before anything is touched. A note that does not verify proves nothing either way, and a crash
    /// may leave the last one cut.
    fn remembered(&self, notes: &str, last: Option<&Last>) -> Result<Vec<SignedCheckpoint>, LedgerFault> {
        let found = last.map_or(0, |last| last.scan.tree.size());
        let rollback = |held| LedgerFault::Corrupt(Damage::Rollback { held, found });
        let signers = self.shared.signers();
        let disputed = |change: &Succession| signers.keys().disputes(change);
        if let Some(change) = statements(notes).into_iter().find(disputed) {
            let later = change.index() >= found && change.from() == signers.keys().newest();
            return Err(if later {
                rollback(change.index().saturating_add(1))
            } else {
                LedgerFault::Corrupt(Damage::Fork(change.index()))
            });
        }
        let mut heads = Vec::new();
        for note in split_notes(notes) {
            match signers.keys().verify(note) {
                Ok(head) => heads.push(head),
                Err(NoteFault::Retired) => {
                    let size = bartizan_ledger::note::peek(note).map_or(0, |head| head.size);
                    return Err(LedgerFault::Corrupt(Damage::Fork(size)));
                }
                Err(_) if Succession::read(note).is_ok() => {}
                Err(fault) => tracing::warn!(%fault, "a remembered head is ignored"),
            }
        }
        let longest = heads.iter().map(|head| head.checkpoint().size).max();
        match longest.filter(|longest| *longest > found) {
            Some(longest) => Err(rollback(longest)),
            None => Ok(heads),
        }
    }

    fn finish(
        mut self,
        last: Option<Last>,
        held: &[SignedCheckpoint],
    ) -> Result<(Journal, Recovered), LedgerFault> {
        let mut segments = self.headers()?;
        let (first, base, oldest) = last.as_ref().map_or_else(Default::default, Last::begins);
        let mut derived = Derived::open(&self.shared.medium, first, base.root())?;
        let rebuild_from = if derived.size() < first {
            1
        } else {
            last.as_ref().map_or(1, |last| last.number)
        };
        let Refilled { tombs, last_time } = self.refill(&mut derived, rebuild_from, last.as_ref())?;
        let tree = last
            .as_ref()
            .map_or_else(Tree::default, |last| last.scan.tree.clone());
        self.compare_roots(held, &tree)?;
        let (open_calls, open_list) = self.open_calls(oldest, tree.size())?;
        if let Some(last) = &last {
            self.cut(last)?;
        }
        derived
            .sync()
            .map_err(|source| io("syncing derived files", source))?;
        // Before a new segment: the next opening reads only the newest one, and would not see these tombstones.
        let erasures_finished = self.finish_erasures(tombs)?;
        let disk = self.shared.disk_bytes.load(std::sync::atomic::Ordering::Relaxed);
        let number = last.as_ref().map_or(1, |last| last.number.saturating_add(1));
        let batch = last.as_ref().map_or(0, |last| last.scan.next_batch);
        let room = Room {
            number,
            disk,
            oldest: open_calls.values().min().copied().unwrap_or(tree.size()),
        };
        let begun = begin(&self.shared, &self.options, &tree, batch, &room)?;
        let first = tree.size();
        segments.push(SegmentRef { number, first });
        self.show(segments, begun.head);
        let size = tree.size();
        let journal = Journal {
            shared: self.shared,
            options: self.options,
            segment: begun.segment,
            tree,
            batch: batch + 1,
            derived,
            derived_failed: false,
            behind_since: None,
            open_calls,
            buffer: Vec::new(),
            salts: Vec::new(),
            last_time: last_time.unwrap_or_default(),
            no_room_since: None,
        };
        let dropped_bytes = self.dropped;
        Ok((
            journal,
            Recovered {
                size,
                open_calls: open_list,
                dropped_bytes,
                erasures_finished,
                last_time,
            },
        ))
    }

    /// What readers see from now on.
    fn show(&self, segments: Vec<SegmentRef>, head: SignedCheckpoint) {
        let view = self.shared.view.write();
        let mut view = view.unwrap_or_else(std::sync::PoisonError::into_inner);
        view.segments = segments;
        view.head = Arc::new(head);
    }

    /// Reads the segments from `from` to the last again, and fills the derived files from them.
    fn refill(&self, derived: &mut Derived, from: u32, last: Option<&Last>) -> Result<Refilled, LedgerFault> {
        let mut tombs = Vec::new();
        let mut broken = Vec::new();
        let mut last_time = None;
        for number in from..=last.map_or(0, |last| last.number) {
            let read;
            let bytes = match last {
                Some(last) if last.number == number => &last.bytes,
                _ => {
                    read = self.bytes(number)?;
                    &read
                }
            };
            let key = self.shared.ring().data_key(number)?;
            let mut fill = Fill::new(self, derived, &key);
            let scanned = self
                .scan(number, bytes, &mut fill)
                .map_err(|fault| flaw(number, &fault))?;
            if scanned.header.key_check != key.check() {
                return Err(LedgerFault::Keys);
            }
            if let Some(fault) = fill.fault {
                return Err(fault);
            }
            last_time = last_time.max(fill.last_time);
            tombs.extend(fill.tombs);
            broken.extend(fill.broken);
            derived
                .flush()
                .map_err(|source| io("writing derived files", source))?;
        }
        match broken.into_iter().find(|index| !tombs.contains(index)) {
            Some(index) => Err(LedgerFault::Corrupt(Damage::Record(index))),
            None => Ok(Refilled { tombs, last_time }),
        }
    }

    /// Zeroes what a tombstone names and a crash left; says how many.
    fn finish_erasures(&self, tombs: Vec<u64>) -> Result<u64, LedgerFault> {
        let mut finished = 0;
        for about in tombs {
            if self.shared.read(about)?.erased_by.is_none() {
                self.shared.zero(about)?;
                finished += 1;
            }
        }
        Ok(finished)
    }

    /// Where each segment begins; also counts their bytes.
    fn headers(&self) -> Result<Vec<SegmentRef>, LedgerFault> {
        let mut found: Vec<SegmentRef> = Vec::new();
        let mut disk = 0;
        for number in self.segments.iter().copied() {
            let fault = |source| io("reading a segment header", source);
            let file = self
                .shared
                .medium
                .open(&segment_file(number), OpenMode::Read)
                .map_err(fault)?;
            let length = file.length().map_err(fault)?;
            disk += length;
            let mut bytes = vec![0; usize::try_from(length.min(HEADER_ROOM)).unwrap_or(0)];
            file.read_at(&mut bytes, 0).map_err(fault)?;
            let Ok(Body::Segment(header)) = decode(&bytes).map(|frame| frame.body) else {
                return Err(segment_damage(number, 0, "the header is not there"));
            };
            if found.last().is_some_and(|before| before.first > header.first) {
                return Err(segment_damage(
                    number,
                    0,
                    "it does not follow the segment before it",
                ));
            }
            found.push(SegmentRef {
                number,
                first: header.first,
            });
        }
        self.shared
            .disk_bytes
            .store(disk, std::sync::atomic::Ordering::Relaxed);
        Ok(found)
    }

    /// Refuses a log with another root at the size of a remembered head.
    fn compare_roots(&self, held: &[SignedCheckpoint], tree: &Tree) -> Result<(), LedgerFault> {
        let nodes = Nodes::open(&self.shared.medium, tree.size());
        for head in held.iter().rev().take(64) {
            let size = head.checkpoint().size;
            let root = root_at(size, &mut |level, index| nodes.node(level, index));
            if root.map_err(|_| LedgerFault::Corrupt(Damage::Derived(size)))? != head.checkpoint().root {
                return Err(LedgerFault::Corrupt(Damage::Fork(size)));
            }
        }
        Ok(())
    }

    /// Calls allowed and never closed, from the search rows.
    fn open_calls(&self, oldest: u64, size: u64) -> Result<(BTreeMap<u64, u64>, Vec<OpenCall>), LedgerFault> {
        let mut open = BTreeMap::new();
        if size == 0 {
            return Ok((open, Vec::new()));
        }
        let rows = Rows::open(&self.shared.medium)?;
        let mut at = oldest.min(size);
        while at < size {
            let count = usize::try_from((size - at).min(1024)).unwrap_or(1024);
            for (row, index) in rows.rows(at, count)?.iter().zip(at..) {
                if row.opens() {
                    open.insert(row.call, index);
                } else if row.closes() {
                    open.remove(&row.call);
                }
            }
            at += count as u64;
        }
        let head = self.shared.signers().sign(size, self.root(size)?);
        self.show(self.headers()?, head);
        let mut list = Vec::new();
        let mut indices: Vec<u64> = open.values().copied().collect();
        indices.sort_unstable();
        for index in indices {
            // An erased ruling can't tell its call any more; it stays open in the log, and closed in effect.
            if let Some(Record {
                call: Some(call),
                session,
                time,
                ..
            }) = self.shared.read(index)?.record
            {
                list.push(OpenCall {
                    index,
                    call,
                    session,
                    time,
                });
            }
        }
        Ok((open, list))
    }

    fn root(&self, size: u64) -> Result<bartizan_types::Digest, LedgerFault> {
        let nodes = Nodes::open(&self.shared.medium, size);
        let root = root_at(size, &mut |level, index| nodes.node(level, index));
        root.map_err(|_| LedgerFault::Corrupt(Damage::Derived(size)))
    }

    /// Cuts the last segment to what was committed, durably, so that no torn byte is ever read again.
    fn cut(&mut self, last: &Last) -> Result<(), LedgerFault> {
        self.dropped = last.scan.torn as u64;
        if last.scan.end == last.bytes.len() {
            return Ok(());
        }
        let fault = |source| io("cutting the last segment", source);
        let file = self
            .shared
            .medium
            .open(&segment_file(last.number), OpenMode::Write)
            .map_err(fault)?;
        file.set_length(last.scan.end as u64).map_err(fault)?;
        file.sync().map_err(fault)?;
        let unused = (last.bytes.len() - last.scan.end) as u64;
        self.shared
            .disk_bytes
            .fetch_sub(unused, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

const fn number_after(number: u32) -> Option<u32> {
    // The first segment has none before it.
    if number == 1 { None } else { Some(number) }
}

/// Writes derived files from committed records.
struct Fill<'a> {
    shared: &'a Shared,
    origin: &'a str,
    derived: &'a mut Derived,
    key: &'a DataKey,
    tombs: Vec<u64>,
    /// Payloads that are neither there nor gone: damage, unless a tombstone names them.
    broken: Vec<u64>,
    last_time: Option<Timestamp>,
    fault: Option<LedgerFault>,
}

impl<'a> Fill<'a> {
    fn new(opening: &'a Opening, derived: &'a mut Derived, key: &'a DataKey) -> Self {
        Self {
            shared: &opening.shared,
            origin: &opening.options.origin,
            derived,
            key,
            tombs: Vec::new(),
            broken: Vec::new(),
            last_time: None,
            fault: None,
        }
    }

    /// The search row of a record; of an erased one only what is public.
    fn row(&mut self, record: &RecordFrame<'_>, at: usize) -> Result<Row, LedgerFault> {
        let entry = &record.entry;
        let mut row = match record.payload {
            Payload::Present(sealed) => {
                let place = Place {
                    origin: self.origin,
                    index: record.index,
                    kind: entry.kind,
                };
                let damaged = || LedgerFault::Corrupt(Damage::Record(record.index));
                let body = if entry.kind == RecordKind::LogKey {
                    read_public(entry, sealed).ok_or_else(damaged)?.to_vec()
                } else {
                    let opened = self.key.open(&place, sealed, &entry.commitment);
                    opened.map_err(|_| damaged())?
                };
                let body: Record = serde_json::from_slice(&body).map_err(|_| damaged())?;
                Row::of(&body, &self.shared.index_key)
            }
            gone => {
                if gone == Payload::Broken {
                    self.broken.push(record.index);
                }
                Row {
                    time: entry.time.unix_micros(),
                    kind: entry.kind.tag(),
                    ..Row::default()
                }
            }
        };
        if let (RecordKind::Tombstone, Some(about)) = (entry.kind, entry.about) {
            self.tombs.push(about);
            row.call = about.saturating_add(1);
        }
        row.offset = u32::try_from(at).unwrap_or(u32::MAX);
        Ok(row)
    }
}

impl Visit for Fill<'_> {
    fn record(&mut self, record: &RecordFrame<'_>, at: usize, _tree: &Tree) {
        self.last_time = self.last_time.max(Some(record.entry.time));
        if self.fault.is_some() {
            return;
        }
        match self.row(record, at) {
            Ok(row) => self.derived.push(record.entry.leaf_hash(), &row),
            Err(fault) => self.fault = Some(fault),
        }
    }
}
