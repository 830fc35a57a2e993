//! Texts that come in pieces, and texts that come again.
//!
//! A long text is inspected in windows at fixed places of it, each with some of what stands before and after, so memory
//! is bounded and a finding depends on the text alone: however a stream is split, the findings are the same, and the same
//! as [`crate::inspect`] gives for the whole (`tests::every_split_of_a_stream_gives_the_same_findings`).
//!
//! [`Memo`] is for histories: agents send their whole conversation at each turn, and what was inspected once is known by
//! its digest. A turn that adds 2 KiB to 1 MiB inspects 2 KiB.
//!
//! What a window costs: an encoding, an element of markup or a secret that reaches further than [`AFTER`] beyond the
//! [`BLOCK`] it starts in is seen in parts.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};

use crate::canary::Canaries;
use crate::safe::{item, part};
use crate::{Channel, Report, Wanted, settle, window};

/// Bytes whose findings one window decides.
pub const BLOCK: usize = 64 << 10;
/// Bytes before them that a window also reads.
pub const BEFORE: usize = 2 << 10;
/// Bytes after them that a window also reads.
pub const AFTER: usize = 16 << 10;

/// Inspects one text that comes in pieces.
///
/// ```
/// use bartizan_inspect::{Channel, Wanted, canary::Canaries, stream::Inspector};
///
/// let mut inspector = Inspector::new(Channel::Tool, Wanted::ALL, Canaries::default());
/// inspector.push(b"the key is AKIA");
/// inspector.push(b"QYLPMN5HHHFPZAM2 ");
/// assert_eq!(inspector.so_far().seen.len(), 1);
/// assert_eq!(inspector.finish().seen.len(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct Inspector {
    channel: Channel,
    wanted: Wanted,
    canaries: Canaries,
    /// The text from `start` on.
    held: Vec<u8>,
    /// Place in the text of the first held byte.
    start: usize,
    /// Place in the text from which on findings are undecided.
    decided: usize,
    report: Report,
}

impl Inspector {
    /// For one text.
    #[must_use]
    pub const fn new(channel: Channel, wanted: Wanted, canaries: Canaries) -> Self {
        Self {
            channel,
            wanted,
            canaries,
            held: Vec::new(),
            start: 0,
            decided: 0,
            report: Report {
                seen: Vec::new(),
                cut: false,
                first_cut: None,
                injection: None,
            },
        }
    }

    /// Takes the next piece. Memory stays below that of one window and the piece.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        // A large piece goes in by parts, so that it is not held whole a second time.
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK));
            self.held.extend_from_slice(now);
            rest = later;
            while self.start + self.held.len() > self.decided + BLOCK + AFTER {
                let mut report = std::mem::take(&mut self.report);
                let end = decide(self, Some(BLOCK), &mut report);
                self.report = report;
                self.decided = end;
                let gone = end.saturating_sub(BEFORE).saturating_sub(self.start);
                self.held.drain(..gone.min(self.held.len()));
                self.start += gone;
            }
        }
    }

    /// How much of the text is decided: no later piece changes the findings that start before this place.
    #[must_use]
    pub const fn decided(&self) -> usize {
        self.decided
    }

    /// How much of the text came.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.start + self.held.len()
    }

    /// What was seen, as if the text ended here. It may go on after: only the undecided end is read, less than
    /// [`BEFORE`], [`BLOCK`] and [`AFTER`] together.
    #[must_use]
    pub fn so_far(&self) -> Report {
        let mut report = self.report.clone();
        if self.length() > self.decided || self.decided == 0 {
            decide(self, None, &mut report);
        }
        settle(&mut report.seen);
        report
    }

    /// What was seen in the whole text.
    #[must_use]
    pub fn finish(self) -> Report {
        self.so_far()
    }
}

/// Adds the findings of the block that starts at `from.decided`, and returns where it ends.
fn decide(from: &Inspector, block: Option<usize>, report: &mut Report) -> usize {
    let first = from.decided - from.start;
    let last = match block {
        Some(block) => whole(&from.held, first + block),
        None => from.held.len(),
    };
    // The start of a text is its start, also where it is inside of a character.
    let low = match first.checked_sub(BEFORE) {
        Some(low) if from.start + low > 0 => whole(&from.held, low).min(first),
        _ => 0,
    };
    let high = whole(&from.held, last.saturating_add(AFTER));
    // The last block decides all that is left.
    let keep = first - low..if block.is_some() { last - low } else { usize::MAX };
    window(
        from.channel,
        part(&from.held, low..high),
        from.wanted,
        &from.canaries,
        from.start + low,
        keep,
        report,
    );
    from.start + last
}

/// The next place that is not inside a character.
fn whole(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    (at..bytes.len().min(at + 3))
        .find(|at| !matches!(item(bytes, *at), 0x80..=0xbf))
        .unwrap_or_else(|| bytes.len().min(at + 3))
}

/// Reports of texts that were inspected before, by digest. Bounded: the ones that were asked for longest ago go first.
///
/// One memo belongs to one set of canaries; make a new one when they change.
#[derive(Debug, Clone)]
pub struct Memo {
    wanted: Wanted,
    canaries: Canaries,
    most: usize,
    turn: u64,
    known: BTreeMap<[u8; 32], (u64, Report)>,
    inspected: u64,
}

impl Memo {
    /// Keeps the reports of at most this many texts.
    #[must_use]
    pub const fn new(wanted: Wanted, canaries: Canaries, most: usize) -> Self {
        Self {
            wanted,
            canaries,
            most,
            turn: 0,
            known: BTreeMap::new(),
            inspected: 0,
        }
    }

    /// Inspects a text, unless it was inspected before.
    pub fn inspect(&mut self, channel: Channel, bytes: &[u8]) -> &Report {
        self.turn += 1;
        let mut context = Context::new(&SHA256);
        context.update(channel.as_str().as_bytes());
        context.update(&[0]);
        context.update(bytes);
        let mut key = [0; 32];
        for (out, byte) in key.iter_mut().zip(context.finish().as_ref()) {
            *out = *byte;
        }
        if !self.known.contains_key(&key) {
            self.forget();
            self.inspected += bytes.len() as u64;
        }
        let entry = self
            .known
            .entry(key)
            .or_insert_with(|| (0, crate::inspect(channel, bytes, self.wanted, &self.canaries)));
        entry.0 = self.turn;
        &entry.1
    }

    /// Bytes that had to be inspected so far.
    #[must_use]
    pub const fn inspected(&self) -> u64 {
        self.inspected
    }

    /// Makes room for one: half goes at once, so that it does not cost a search each time.
    fn forget(&mut self) {
        if self.known.len() < self.most.max(1) {
            return;
        }
        let mut turns: Vec<u64> = self.known.values().map(|(turn, _)| *turn).collect();
        turns.sort_unstable();
        let middle = item(&turns, turns.len() / 2);
        self.known.retain(|_, (turn, _)| *turn > middle);
    }
}

#[cfg(test)]
mod tests;
