//! Files that can be rebuilt from the log: tree hashes by tile level, and one search row per record.
//!
//! `derived/hashes.L` holds the hashes of tile level L in order, so a C2SP tile is a slice of it. `derived/rows`
//! holds 48 bytes per record: where it is, and keyed digests of what it is about, so that a search reads rows and
//! opens only candidates, and the disk learns no name. Nothing here is trusted: proofs are verified before they
//! are handed out, candidates are compared after they are opened, and a row has a checksum.

use std::{hash::Hasher as _, sync::Arc};

use bartizan_ledger::tree::node_hash;
use bartizan_types::{Digest, Record, RecordKind, RulingWord, Timestamp};
use siphasher::sip::SipHasher24;

use super::{
    medium::{Medium, MediumFile, OpenMode},
    words::{Damage, LedgerFault, Query, io},
};

/// Bytes of a row.
pub(super) const ROW_BYTES: usize = 48;
const WIDTH: u64 = 256;
/// Mixed into each row's checksum: a row of zeros, or one of an earlier version (whose tokens nobody finds any more),
/// does not look whole, and is written anew from the log.
const ROWS_VERSION: u8 = 0xFE;
const OPENS: u8 = 1;
const CLOSES: u8 = 2;

/// What a search can tell without opening a record. Tokens are zero where the record says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Row {
    pub(super) time: u64,
    /// Of the call; of a tombstone, the index it erases plus one.
    pub(super) call: u64,
    pub(super) session: u64,
    pub(super) agent: u64,
    pub(super) action: u16,
    pub(super) ruling: u16,
    pub(super) code: u16,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// Of the frame in its segment.
    pub(super) offset: u32,
}

impl Row {
    /// Of a record, before it has a place.
    pub(super) fn of(record: &Record, key: &[u8; 32]) -> Self {
        let allows = record.kind == RecordKind::Ruling && record.ruling == Some(RulingWord::Allow);
        let flags = match (record.kind, record.call) {
            (_, None) => 0,
            // On an answer: its closing record is what closes the call.
            (RecordKind::Ruling, Some(_)) if record.answering => 0,
            (RecordKind::Ruling, Some(_)) if allows => OPENS,
            (RecordKind::Ruling | RecordKind::Closing, Some(_)) => CLOSES,
            _ => 0,
        };
        let action = record.facts.as_ref().map(|facts| facts.action.as_str());
        Self {
            time: record.time.unix_micros(),
            call: record
                .call
                .map_or(0, |call| token(key, 1, call.to_string().as_bytes())),
            session: record
                .session
                .map_or(0, |session| token(key, 2, session.to_string().as_bytes())),
            agent: record
                .principal
                .as_ref()
                .map_or(0, |who| token(key, 3, who.agent.as_str().as_bytes())),
            action: action.map_or(0, word_token),
            ruling: record.ruling.map_or(0, ruling_token),
            code: record.code.map_or(0, |code| word_token(code.as_str())),
            kind: record.kind.tag(),
            flags,
            offset: 0,
        }
    }

    pub(super) fn opens(&self) -> bool {
        self.flags & OPENS != 0
    }

    pub(super) fn closes(&self) -> bool {
        self.flags & CLOSES != 0
    }

    pub(super) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut out = Vec::with_capacity(ROW_BYTES);
        for word in [self.time, self.call, self.session, self.agent] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        for word in [self.action, self.ruling, self.code] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.offset.to_be_bytes());
        let mut check = crc32fast::hash(&out).to_be_bytes();
        check[0] ^= ROWS_VERSION;
        out.extend_from_slice(&check);
        // Always of that length: what stands above is 44 bytes, and its check 4.
        out.as_slice().try_into().unwrap_or([0; ROW_BYTES])
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize, len: usize| {
            let part = bytes.get(at..at + len)?;
            Some(part.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)))
        };
        let small = |at| word(at, 2).and_then(|w| u16::try_from(w).ok());
        let row = Self {
            time: word(0, 8)?,
            call: word(8, 8)?,
            session: word(16, 8)?,
            agent: word(24, 8)?,
            action: small(32)?,
            ruling: small(34)?,
            code: small(36)?,
            kind: *bytes.get(38)?,
            flags: *bytes.get(39)?,
            offset: u32::try_from(word(40, 4)?).ok()?,
        };
        (row.encode() == bytes).then_some(row)
    }

    /// Whether a record with this row may match.
    pub(super) fn may_match(&self, query: &Query, key: &[u8; 32]) -> bool {
        let is = |wanted: Option<u64>, have: u64| wanted.is_none_or(|wanted| wanted == have);
        let time = Timestamp::from_unix_micros(self.time);
        query.since.is_none_or(|since| time >= since)
            && query.until.is_none_or(|until| time <= until)
            && query.kind.is_none_or(|kind| kind.tag() == self.kind)
            && query
                .action
                .is_none_or(|action| word_token(action.as_str()) == self.action)
            && query
                .ruling
                .is_none_or(|ruling| ruling_token(ruling) == self.ruling)
            && query
                .code
                .is_none_or(|code| word_token(code.as_str()) == self.code)
            && is(
                query.call.map(|call| token(key, 1, call.to_string().as_bytes())),
                self.call,
            )
            && is(
                query.session.map(|s| token(key, 2, s.to_string().as_bytes())),
                self.session,
            )
            && is(
                query.agent.as_ref().map(|a| token(key, 3, a.as_str().as_bytes())),
                self.agent,
            )
    }
}

/// A name as 64 bits that say nothing without the key, never zero: SipHash-2-4 (Aumasson and Bernstein, 2012), which is
/// made for short texts. Two names that share a token cost a search one record more.
fn token(key: &[u8; 32], field: u8, value: &[u8]) -> u64 {
    let mut half = [0; 16];
    half.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut hasher = SipHasher24::new_with_key(&half);
    hasher.write_u8(field);
    hasher.write(value);
    hasher.finish().max(1)
}

/// A word of ours as 16 bits, never zero; the same in every version, whatever the order of declaration.
fn word_token(word: &str) -> u16 {
    u16::try_from(crc32fast::hash(word.as_bytes()) & 0xFFFF)
        .unwrap_or(1)
        .max(1)
}

const fn ruling_token(ruling: RulingWord) -> u16 {
    match ruling {
        RulingWord::Allow => 1,
        RulingWord::Ask => 2,
        RulingWord::Deny => 3,
    }
}

fn hashes_file(level: usize) -> String {
    format!("derived/hashes.{level}")
}

/// The derived files, as the writer keeps them.
pub(super) struct Derived {
    medium: Arc<dyn Medium>,
    rows: Arc<dyn MediumFile>,
    levels: Vec<Arc<dyn MediumFile>>,
    /// Hashes of each level's tile in progress.
    pending: Vec<Vec<Digest>>,
    /// Hashes of whole tiles that are not written yet: their level, and where they stand there.
    folded: Vec<(usize, u64, Digest)>,
    size: u64,
    row_buffer: Vec<u8>,
    leaf_buffer: Vec<u8>,
}

impl Derived {
    /// Opens the files to go on after `size` records, or after none if what is there does not reach so far.
    pub(super) fn open(medium: &Arc<dyn Medium>, size: u64, root: Digest) -> Result<Self, LedgerFault> {
        let fault = |source| io("opening derived files", source);
        medium.make_directory("derived").map_err(fault)?;
        let rows = medium.open("derived/rows", OpenMode::Keep).map_err(fault)?;
        let mut derived = Self {
            medium: Arc::clone(medium),
            rows,
            levels: Vec::new(),
            pending: Vec::new(),
            folded: Vec::new(),
            size: 0,
            row_buffer: Vec::new(),
            leaf_buffer: Vec::new(),
        };
        if size > 0 && derived.restore(size, root).is_none() {
            derived.levels.clear();
            derived.pending.clear();
            derived.size = 0;
        }
        Ok(derived)
    }

    fn restore(&mut self, size: u64, root: Digest) -> Option<()> {
        let reaches = self.rows.length().ok()? >= size.checked_mul(ROW_BYTES as u64)?;
        let nodes = Nodes::open(&self.medium, size);
        let found =
            bartizan_ledger::tree::root_at(size, &mut |level, index| nodes.node(level, index)).ok()?;
        if !reaches || found != root {
            return None;
        }
        Rows(Arc::clone(&self.rows)).row(size.checked_sub(1)?).ok()?;
        let mut count = size;
        for level in 0.. {
            self.level(level).ok()?;
            let full = count / WIDTH * WIDTH;
            let tail = (full..count)
                .map(|index| nodes.hash(level, index))
                .collect::<Option<_>>()?;
            *self.pending.get_mut(level)? = tail;
            count /= WIDTH;
            if count == 0 {
                break;
            }
        }
        self.size = size;
        Some(())
    }

    /// Records already in the files.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    fn level(&mut self, level: usize) -> std::io::Result<()> {
        while self.levels.len() <= level {
            let file = self
                .medium
                .open(&hashes_file(self.levels.len()), OpenMode::Keep)?;
            self.levels.push(file);
        }
        while self.pending.len() <= level {
            self.pending.push(Vec::new());
        }
        Ok(())
    }

    /// Adds a record; [`Derived::flush`] writes.
    pub(super) fn push(&mut self, leaf: Digest, row: &Row) {
        self.row_buffer.extend_from_slice(&row.encode());
        self.leaf_buffer.extend_from_slice(&leaf.0);
        self.size += 1;
        let mut node = leaf;
        for level in 0.. {
            if self.pending.len() <= level {
                self.pending.push(Vec::new());
            }
            let Some(pending) = self.pending.get_mut(level) else {
                break;
            };
            pending.push(node);
            if pending.len() < 256 {
                break;
            }
            node = fold(std::mem::take(pending));
            // The position of this hash on the next level, counted in whole tiles.
            let at = (self.size >> (8 * (level + 1))).saturating_sub(1) * 32;
            self.folded.push((level + 1, at, node));
        }
    }

    /// Records that were pushed and are not in the files.
    pub(super) const fn behind(&self) -> usize {
        self.leaf_buffer.len() / 32
    }

    /// Writes what was pushed. Not synced: what is lost is rebuilt. What could not be written is kept, to be tried again.
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        let count = self.behind() as u64;
        if count == 0 {
            return Ok(());
        }
        let first = self.size - count;
        let deepest = self.folded.iter().map(|(level, ..)| *level).max();
        self.level(deepest.unwrap_or(0))?;
        self.rows.write_at(&self.row_buffer, first * ROW_BYTES as u64)?;
        if let Some(file) = self.levels.first() {
            file.write_at(&self.leaf_buffer, first * 32)?;
        }
        for (level, at, node) in &self.folded {
            if let Some(file) = self.levels.get(*level) {
                file.write_at(&node.0, *at)?;
            }
        }
        self.row_buffer.clear();
        self.leaf_buffer.clear();
        self.folded.clear();
        Ok(())
    }

    /// Makes everything so far durable, so that opening may trust it and read the last segment only.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        self.flush()?;
        self.rows.sync()?;
        self.levels.iter().try_for_each(|file| file.sync())?;
        self.medium.sync_directory("derived")
    }
}

/// The root of a full power of two of hashes.
fn fold(mut row: Vec<Digest>) -> Digest {
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [one] => *one,
                _ => Digest([0; 32]),
            })
            .collect();
    }
    row.first().copied().unwrap_or(Digest([0; 32]))
}

/// Reads tree nodes from the derived files.
pub(super) struct Nodes {
    levels: Vec<Arc<dyn MediumFile>>,
}

impl Nodes {
    pub(super) fn open(medium: &Arc<dyn Medium>, size: u64) -> Self {
        let mut levels = Vec::new();
        let mut count = size;
        while count > 0 {
            match medium.open(&hashes_file(levels.len()), OpenMode::Read) {
                Ok(file) => levels.push(file),
                Err(_) => break,
            }
            count /= WIDTH;
        }
        Self { levels }
    }

    fn hash(&self, level: usize, index: u64) -> Option<Digest> {
        let mut out = [0; 32];
        self.levels
            .get(level)?
            .read_at(&mut out, index.checked_mul(32)?)
            .ok()?;
        Some(Digest(out))
    }

    /// The bytes of a tile: `width` hashes of a level from tile `index`.
    pub(super) fn tile(&self, level: usize, index: u64, width: u16) -> Option<Vec<u8>> {
        let mut out = vec![0; usize::from(width) * 32];
        let at = index.checked_mul(WIDTH * 32)?;
        self.levels.get(level)?.read_at(&mut out, at).ok()?;
        Some(out)
    }

    /// The root of the complete subtree of `2^level` leaves at `index`.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let (tile, inner) = (usize::try_from(level / 8).ok()?, level % 8);
        let count = 1_u64 << inner;
        let first = index.checked_mul(count)?;
        let mut bytes = vec![0; usize::try_from(count).ok()? * 32];
        self.levels
            .get(tile)?
            .read_at(&mut bytes, first.checked_mul(32)?)
            .ok()?;
        let row = bytes
            .chunks_exact(32)
            .filter_map(|hash| hash.try_into().ok())
            .map(Digest)
            .collect();
        Some(fold(row))
    }
}

/// Reads search rows.
pub(super) struct Rows(Arc<dyn MediumFile>);

impl Rows {
    pub(super) fn open(medium: &Arc<dyn Medium>) -> Result<Self, LedgerFault> {
        let file = medium.open("derived/rows", OpenMode::Read);
        file.map(Self)
            .map_err(|source| io("opening the search rows", source))
    }

    pub(super) fn row(&self, index: u64) -> Result<Row, LedgerFault> {
        self.rows(index, 1)?
            .pop()
            .ok_or(LedgerFault::Corrupt(Damage::Derived(index)))
    }

    /// `count` rows from `first`.
    pub(super) fn rows(&self, first: u64, count: usize) -> Result<Vec<Row>, LedgerFault> {
        let mut bytes = vec![0; count * ROW_BYTES];
        let damaged = |index| LedgerFault::Corrupt(Damage::Derived(index));
        let read = self.0.read_at(&mut bytes, first * ROW_BYTES as u64);
        read.map_err(|_| damaged(first))?;
        let rows = bytes.chunks_exact(ROW_BYTES).zip(first..);
        rows.map(|(row, index)| Row::decode(row).ok_or_else(|| damaged(index)))
            .collect()
    }
}
