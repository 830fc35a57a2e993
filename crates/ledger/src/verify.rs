//! The offline verifier: recomputes everything from the files and compares it with signed heads.
//!
//! Needs no secret: the tree, its heads and the digests of the sealed bytes are public. With data keys it also
//! opens every record and checks its commitment. Heads held elsewhere are what make it more than self-consistent:
//! whoever holds the log's key can rewrite a log that nobody else remembers, and [`Report::self_only`] says so.
//! INVARIANT: `faults` is empty only if every byte under the last head is the one that was committed, or was
//! erased under a tombstone that is itself committed.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::{Digest, Record, RecordKind};

use crate::{
    entry::digest,
    frame::{Payload, RecordFrame},
    keys::LogKeys,
    note::SignedCheckpoint,
    scan::{Expect, ScanFault, Visit, scan},
    seal::{DataKey, Place},
    tree::Tree,
};

/// Faults kept in a report; the rest are counted.
pub const FAULTS_MAX: usize = 100;

/// One thing wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFault {
    /// A segment's bytes are not what a ledger writes there.
    #[error("segment {segment} {fault}")]
    Segment {
        /// Which.
        segment: u32,
        /// What and where.
        #[source]
        fault: ScanFault,
    },
    /// A segment is not there.
    #[error("segment {expected} is missing, {found} is there instead")]
    Gap {
        /// The number that must come.
        expected: u32,
        /// The number that came.
        found: u32,
    },
    /// There are no segments at all.
    #[error("there are no segments")]
    Empty,
    /// A record's sealed bytes are not those committed to.
    #[error("record {0} was modified")]
    Modified(u64),
    /// A payload is gone and no committed tombstone says so.
    #[error("record {0} is erased and no tombstone says so")]
    UnrecordedAbsence(u64),
    /// A tombstone erases what it may not.
    #[error("tombstone {0} is about a record that it may not erase")]
    Tombstone(u64),
    /// A record does not open to what it commits to, or says another kind or time inside than outside.
    #[error("record {0} does not open to what it commits to")]
    Commitment(u64),
    /// The segment's key is another one than its header names.
    #[error("the key of segment {0} is not the one it was sealed with")]
    Key(u32),
    /// A head held elsewhere covers more records than there are: truncation or rollback.
    #[error("a head held elsewhere covers {held} records, the log has {found}")]
    Rollback {
        /// Records under the held head.
        held: u64,
        /// Records found.
        found: u64,
    },
    /// A head held elsewhere has another root at its size: modification, removal, reordering or a fork.
    #[error("a head held elsewhere at {0} records has another root")]
    Fork(u64),
    /// A change of the log's key that is known elsewhere is not among the records.
    #[error("record {0} is not the change of the log's key that is known elsewhere")]
    KeyChange(u64),
    /// The file that shows the newest head to others holds something else.
    #[error("the `checkpoint` file is not a head that the log's key signed")]
    ShownHead,
}

/// What the verifier found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, first things first, at most [`FAULTS_MAX`].
    pub faults: Vec<VerifyFault>,
    /// How many things are wrong.
    pub fault_count: u64,
    /// The log's own last head that verifies.
    pub head: Option<SignedCheckpoint>,
    /// Heads held elsewhere that were compared.
    pub held: usize,
    /// The log's keys, as far as they are known now.
    pub keys: LogKeys,
    /// Records read.
    pub records: u64,
    /// Records opened with a data key.
    pub opened: u64,
    /// Payloads erased under a tombstone.
    pub erased: u64,
    /// Payloads that a tombstone names and that are still there, whole or in part: an erasure to be finished.
    pub unfinished: u64,
    /// Bytes of an unacknowledged write after the last head.
    pub torn: u64,
}

/// The verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything fits, and so do heads held elsewhere.
    Consistent,
    /// Everything fits itself; nobody else was asked.
    SelfConsistentOnly,
    /// Something is wrong.
    Damaged,
}

impl Report {
    /// Whether no head held elsewhere was compared.
    #[must_use]
    pub const fn self_only(&self) -> bool {
        self.held == 0
    }

    /// The verdict.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match (self.fault_count, self.held) {
            (0, 0) => Verdict::SelfConsistentOnly,
            (0, _) => Verdict::Consistent,
            _ => Verdict::Damaged,
        }
    }
}

/// A verification in progress: segments in order, then [`Audit::finish`].
pub struct Audit<'a> {
    keys: LogKeys,
    held_count: usize,
    /// Records that there must be, by what is known elsewhere.
    least: u64,
    next: Option<(u32, Tree, u64)>,
    broken: bool,
    notes: Notes<'a>,
    head: Option<SignedCheckpoint>,
    torn: u64,
}

/// What the records said so far.
struct Notes<'a> {
    origin: &'a str,
    key: Option<&'a DataKey>,
    held: BTreeMap<u64, BTreeSet<Digest>>,
    faults: Vec<VerifyFault>,
    fault_count: u64,
    records: u64,
    opened: u64,
    /// Payloads that are not there.
    absent: BTreeSet<u64>,
    /// Payloads that are there in part.
    broken: BTreeSet<u64>,
    /// What tombstones are about, and the tombstone.
    tombs: BTreeMap<u64, u64>,
    /// What can't be erased: tombstones themselves, and changes of the log's key.
    lasting: BTreeSet<u64>,
    /// Where the log's key changed.
    changes: BTreeSet<u64>,
}

impl<'a> Audit<'a> {
    /// Against the log's keys, as far as they are known, and heads held elsewhere, each verified by them.
    #[must_use]
    pub fn new(keys: &'a LogKeys, held: &[SignedCheckpoint]) -> Self {
        let mut heads: BTreeMap<u64, BTreeSet<Digest>> = BTreeMap::new();
        for head in held {
            heads
                .entry(head.checkpoint().size)
                .or_default()
                .insert(head.checkpoint().root);
        }
        let notes = Notes {
            origin: keys.origin(),
            key: None,
            held: heads,
            faults: Vec::new(),
            fault_count: 0,
            records: 0,
            opened: 0,
            absent: BTreeSet::new(),
            broken: BTreeSet::new(),
            tombs: BTreeMap::new(),
            lasting: BTreeSet::new(),
            changes: BTreeSet::new(),
        };
        Self {
            keys: keys.clone(),
            held_count: held.len(),
            least: held.iter().map(|head| head.checkpoint().size).max().unwrap_or(0),
            next: None,
            broken: false,
            notes,
            head: None,
            torn: 0,
        }
    }

    /// That the log must have at least so many records: a statement held elsewhere says where it stands.
    pub fn expect_records(&mut self, least: u64) {
        self.least = self.least.max(least);
    }

    /// The next segment, its number, whether it is the last, and its data key if one is at hand.
    pub fn segment(&mut self, number: u32, bytes: &[u8], last: bool, key: Option<&'a DataKey>) {
        if self.broken {
            return;
        }
        let expected = self.next.as_ref().map_or(1, |(number, ..)| *number);
        if number != expected {
            self.broken = true;
            return self.notes.fault(VerifyFault::Gap {
                expected,
                found: number,
            });
        }
        let empty = Tree::default();
        let follows = match &self.next {
            Some((_, tree, batch)) => (tree, *batch),
            None => {
                self.notes.compare(&empty);
                (&empty, 0)
            }
        };
        let expect = Expect {
            keys: &self.keys,
            follows: Some(follows),
            last,
            every_signature: true,
        };
        self.notes.key = key;
        match scan(bytes, &expect, &mut self.notes) {
            Ok(found) => {
                if key.is_some_and(|key| key.check() != found.header.key_check) {
                    self.notes.fault(VerifyFault::Key(number));
                }
                self.next = Some((number.saturating_add(1), found.tree, found.next_batch));
                self.keys = found.keys;
                self.head = Some(found.checkpoint);
                self.torn = found.torn as u64;
            }
            // A last segment torn while it was made holds nothing; the one before it is the end.
            Err(_) if last && number > 1 && crate::scan::never_began(bytes, follows.1) => {
                self.torn = bytes.len() as u64;
            }
            Err(fault) => {
                self.broken = true;
                self.notes.fault(VerifyFault::Segment {
                    segment: number,
                    fault,
                });
            }
        }
    }

    /// The report.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let found = self.next.as_ref().map_or(0, |(_, tree, _)| tree.size());
        if self.next.is_none() && !self.broken {
            self.notes.fault(VerifyFault::Empty);
        }
        if self.least > found {
            let held = self.least;
            self.notes.fault(VerifyFault::Rollback { held, found });
        }
        let mut notes = self.notes;
        let known = self.keys.changes().iter().map(|change| change.index());
        let missing: Vec<u64> = known
            .filter(|index| *index < found && !notes.changes.contains(index))
            .collect();
        missing
            .into_iter()
            .for_each(|index| notes.fault(VerifyFault::KeyChange(index)));
        let wrong: Vec<u64> = notes
            .tombs
            .keys()
            .filter(|about| notes.lasting.contains(about))
            .copied()
            .collect();
        wrong
            .into_iter()
            .for_each(|index| notes.fault(VerifyFault::Tombstone(index)));
        let absent = std::mem::take(&mut notes.absent);
        let broken = std::mem::take(&mut notes.broken);
        let mut erased = 0;
        for index in absent {
            match notes.tombs.contains_key(&index) {
                true => erased += 1,
                false => notes.fault(VerifyFault::UnrecordedAbsence(index)),
            }
        }
        // A crash may cut an erasure short, but nothing is committed before it is finished: only the last
        // tombstone (which a note on the clock may follow) excuses a payload that is neither whole nor gone.
        for index in broken {
            let excused = notes
                .tombs
                .get(&index)
                .is_some_and(|tomb| tomb.saturating_add(2) >= found);
            if !excused {
                notes.fault(VerifyFault::Modified(index));
            }
        }
        Report {
            unfinished: (notes.tombs.len() as u64).saturating_sub(erased),
            faults: notes.faults,
            fault_count: notes.fault_count,
            head: self.head,
            keys: self.keys.until(found),
            held: self.held_count,
            records: notes.records,
            opened: notes.opened,
            erased,
            torn: self.torn,
        }
    }
}

impl Notes<'_> {
    fn fault(&mut self, fault: VerifyFault) {
        self.fault_count = self.fault_count.saturating_add(1);
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    fn compare(&mut self, tree: &Tree) {
        let size = tree.size();
        if let Some(roots) = self.held.get(&size)
            && roots.iter().any(|root| *root != tree.root())
        {
            self.fault(VerifyFault::Fork(size));
        }
    }

    fn open(&mut self, key: &DataKey, record: &RecordFrame<'_>, sealed: &[u8]) {
        let place = Place {
            origin: self.origin,
            index: record.index,
            kind: record.entry.kind,
        };
        let said = key.open(&place, sealed, &record.entry.commitment).ok();
        let said = said.and_then(|body| serde_json::from_slice::<Record>(&body).ok());
        self.opened = self.opened.saturating_add(1);
        if said.is_none_or(|said| said.kind != record.entry.kind || said.time != record.entry.time) {
            self.fault(VerifyFault::Commitment(record.index));
        }
    }
}

impl Visit for Notes<'_> {
    fn record(&mut self, record: &RecordFrame<'_>, _at: usize, tree: &Tree) {
        let index = record.index;
        self.records = self.records.saturating_add(1);
        match record.payload {
            Payload::Present(sealed) if digest(sealed) == record.entry.sealed => {
                if let Some(key) = self.key.filter(|_| record.entry.kind != RecordKind::LogKey) {
                    self.open(key, record, sealed);
                }
            }
            Payload::Present(_) | Payload::Broken => {
                self.broken.insert(index);
            }
            Payload::Erased => {
                self.absent.insert(index);
            }
        }
        if record.entry.kind == RecordKind::LogKey {
            self.lasting.insert(index);
            self.changes.insert(index);
        }
        match (record.entry.kind, record.entry.about) {
            (RecordKind::Tombstone, Some(about)) if about < index => {
                self.tombs.entry(about).or_insert(index);
                self.lasting.insert(index);
            }
            (RecordKind::Tombstone, _) | (_, Some(_)) => self.fault(VerifyFault::Tombstone(index)),
            (_, None) => {}
        }
        self.compare(tree);
    }
}
