//! Recovery: what a segment's bytes say was committed, as a pure function.
//!
//! Committed is what lies under a checkpoint that fits the tree. Bytes after the last such checkpoint are a write
//! that was never acknowledged, and may be dropped, only if they can be: the segment is the last one, and no
//! frame in them belongs to a later write (a later write exists only if the earlier one was synced). Everything
//! else is damage, and an error; only a broken payload is passed on, for the caller to look for its tombstone. INVARIANT: no record that was acknowledged is ever reported as torn.

use bartizan_types::{Digest, RecordKind};

use crate::{
    frame::{Body, FrameFault, Payload, RecordFrame, SECTOR, SegmentHeader, decode, highest_batch},
    keys::{KeyFault, LogKeys, Succession},
    note::{NoteFault, SignedCheckpoint},
    tree::Tree,
};

/// What is wrong with a segment, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct ScanFault {
    /// Byte offset in the segment.
    pub at: usize,
    /// What.
    pub what: Flaw,
}

/// Kinds of damage in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not a frame where one must be, and this is no torn tail.
    #[error("{0}")]
    Frame(#[source] FrameFault),
    /// The segment does not start with a header and its checkpoint.
    #[error("the segment's header is not there")]
    Header,
    /// The header is of another log, or does not go on where the segment before it ended.
    #[error("the segment does not follow the one before it")]
    Follows,
    /// A frame of another batch than the one that must come.
    #[error("a write is missing or out of order")]
    Batch,
    /// A record with another index than the one that must come.
    #[error("a record is missing or out of order")]
    Index,
    /// The checkpoint's size or root is not that of the records before it.
    #[error("the checkpoint is not over the records before it")]
    Root,
    /// The checkpoint's note does not verify.
    #[error("{0}")]
    Note(#[source] NoteFault),
    /// A change of the log's key is wrong, or a second one in one write.
    #[error("{0}")]
    Key(#[source] KeyFault),
    /// Bytes that must be zero are not.
    #[error("padding is not zero")]
    Padding,
}

/// What must come, and how strictly to look.
#[derive(Debug, Clone)]
pub struct Expect<'a> {
    /// The log's keys, as far as they are known; a change that the segment holds may lead on from the newest.
    pub keys: &'a LogKeys,
    /// The tree before this segment and the batch its header has, when known.
    pub follows: Option<(&'a Tree, u64)>,
    /// Whether a torn tail may be there: true for the last segment of a log that may have crashed.
    pub last: bool,
    /// Whether to verify the signature of every checkpoint, or only of the first and last.
    pub every_signature: bool,
}

/// What a segment holds.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Its header.
    pub header: SegmentHeader,
    /// The tree after it.
    pub tree: Tree,
    /// The log's keys, with the changes in it.
    pub keys: LogKeys,
    /// Its last checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// The batch that must come next.
    pub next_batch: u64,
    /// Bytes committed: the end of the last checkpoint's sector.
    pub end: usize,
    /// Bytes after `end` up to the last that is not zero: an unacknowledged write.
    pub torn: usize,
}

/// What to do with each committed thing of a segment, in order.
pub trait Visit {
    /// A committed record, the offset of its frame, and the tree with it as the last leaf.
    fn record(&mut self, record: &RecordFrame<'_>, at: usize, tree: &Tree);
}

/// Reads a segment.
///
/// # Errors
/// [`ScanFault`] for anything but a torn tail where one may be. [`Flaw::Header`] at 0 may still be a segment whose
/// creation was torn; [`never_began`] tells.
pub fn scan(bytes: &[u8], expect: &Expect<'_>, visit: &mut dyn Visit) -> Result<Scan, ScanFault> {
    let fault = |at, what| ScanFault { at, what };
    let header_flaw = |_| fault(0, Flaw::Header);
    let first = decode(bytes).map_err(header_flaw)?;
    let Body::Segment(header) = first.body else {
        return Err(fault(0, Flaw::Header));
    };
    let tree = Tree::from_edge(header.first, header.edge.clone()).ok_or(fault(0, Flaw::Follows))?;
    let fits = expect
        .follows
        .is_none_or(|(before, batch)| *before == tree && batch == first.batch);
    if !fits || header.origin != expect.keys.origin() {
        return Err(fault(0, Flaw::Follows));
    }
    let mut state = State {
        tree,
        keys: expect.keys.clone(),
        checkpoint: None,
        batch: first.batch,
        end: 0,
    };
    let mut at = first.bytes;
    let mut failed = loop {
        match state.batch_at(bytes, at, expect, visit) {
            Ok(next) => at = next,
            Err(failed) => break failed,
        }
    };
    let Some(checkpoint) = state.checkpoint else {
        return Err(if failed.at == first.bytes {
            fault(0, Flaw::Header)
        } else {
            failed
        });
    };
    let tail = bytes.get(state.end..).unwrap_or_default();
    let torn = tail
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let later =
        highest_batch(tail.get(..torn).unwrap_or_default()).is_some_and(|highest| highest > state.batch);
    if torn > 0 && (later || !expect.last) {
        failed.at = failed.at.max(state.end);
        return Err(failed);
    }
    let checkpoint = if expect.every_signature {
        checkpoint
    } else {
        let verified = state.keys.verify(checkpoint.note());
        verified.map_err(|note| fault(state.end.saturating_sub(SECTOR), Flaw::Note(note)))?
    };
    Ok(Scan {
        header,
        tree: state.tree,
        keys: state.keys,
        checkpoint,
        next_batch: state.batch,
        end: state.end,
        torn,
    })
}

/// Whether a segment without a readable header is one whose creation was never acknowledged: nothing in it
/// belongs to a write after `batch`, the one its header would have had.
#[must_use]
pub fn never_began(bytes: &[u8], batch: u64) -> bool {
    highest_batch(bytes).is_none_or(|highest| highest <= batch)
}

struct State {
    tree: Tree,
    keys: LogKeys,
    checkpoint: Option<SignedCheckpoint>,
    /// The batch that must come.
    batch: u64,
    end: usize,
}

impl State {
    /// One batch from `at`: zero or more records and the checkpoint over them. Changes nothing unless it is whole.
    fn batch_at(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        expect: &Expect<'_>,
        visit: &mut dyn Visit,
    ) -> Result<usize, ScanFault> {
        let mut tree = self.tree.clone();
        let start = at;
        let mut broken = None;
        let mut change = None;
        loop {
            let fault = |what| ScanFault { at, what };
            let frame = decode(bytes.get(at..).unwrap_or_default()).map_err(|f| fault(Flaw::Frame(f)))?;
            if frame.batch != self.batch {
                return Err(fault(Flaw::Batch));
            }
            let next = at.saturating_add(frame.bytes);
            match frame.body {
                Body::Segment(_) => return Err(fault(Flaw::Follows)),
                Body::Record(record) => {
                    if record.index != tree.size() {
                        return Err(fault(Flaw::Index));
                    }
                    if record.payload == Payload::Broken {
                        broken = broken.or(Some(at));
                    }
                    if record.entry.kind == RecordKind::LogKey {
                        let stated = Succession::of_record(&record).map_err(|key| fault(Flaw::Key(key)))?;
                        if change.replace(stated).is_some() {
                            return Err(fault(Flaw::Key(KeyFault::Order(record.index))));
                        }
                    }
                    tree.append(record.entry.leaf_hash());
                }
                Body::Checkpoint(note) => {
                    let (signed, keys) = self.head(note, &tree, change.take(), expect).map_err(fault)?;
                    let end = next.next_multiple_of(SECTOR);
                    let padding = bytes.get(next..end).ok_or(fault(Flaw::Frame(FrameFault::Cut)))?;
                    if padding.iter().any(|byte| *byte != 0) {
                        return Err(ScanFault {
                            at: next,
                            what: Flaw::Padding,
                        });
                    }
                    // A payload in the very last write can't be a half-done erasure: its tombstone would come
                    // after. So the write itself is torn.
                    let rest = bytes.get(end..).unwrap_or_default();
                    if let Some(at) = broken.filter(|_| expect.last)
                        && highest_batch(rest).is_none_or(|highest| highest <= self.batch)
                    {
                        return Err(ScanFault {
                            at,
                            what: Flaw::Frame(FrameFault::Crc),
                        });
                    }
                    self.tell(bytes, start, at, visit);
                    self.tree = tree;
                    self.keys = keys;
                    self.checkpoint = Some(signed);
                    self.batch = self.batch.saturating_add(1);
                    self.end = end;
                    return Ok(end);
                }
            }
            at = next;
        }
    }

    /// Visits the records of a batch that proved whole.
    fn tell(&self, bytes: &[u8], mut at: usize, end: usize, visit: &mut dyn Visit) {
        let mut tree = self.tree.clone();
        while at < end {
            let Ok(frame) = decode(bytes.get(at..).unwrap_or_default()) else {
                return;
            };
            if let Body::Record(record) = &frame.body {
                tree.append(record.entry.leaf_hash());
                visit.record(record, at, &tree);
            }
            at = at.saturating_add(frame.bytes);
        }
    }

    /// The head of a batch, and the keys after it.
    fn head(
        &self,
        note: &str,
        tree: &Tree,
        change: Option<Succession>,
        expect: &Expect<'_>,
    ) -> Result<(SignedCheckpoint, LogKeys), Flaw> {
        let mut keys = self.keys.clone();
        let changes = change.is_some();
        if let Some(change) = change {
            // The head over a change of key is the retired key's too: whoever knows only that one still sees it named.
            change.from().verify(note).map_err(Flaw::Note)?;
            keys.meet(change).map_err(Flaw::Key)?;
        }
        let signed = if expect.every_signature || changes || self.checkpoint.is_none() {
            keys.verify(note)
        } else {
            SignedCheckpoint::unverified(note)
        };
        let signed = signed.map_err(Flaw::Note)?;
        let (size, root): (u64, Digest) = (signed.checkpoint().size, signed.checkpoint().root);
        if size == tree.size() && root == tree.root() {
            Ok((signed, keys))
        } else {
            Err(Flaw::Root)
        }
    }
}

#[cfg(test)]
mod tests;
