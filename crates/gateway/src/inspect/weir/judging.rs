//! What guards are shown of a streamed answer, and what waits for their word.
//!
//! Where policy would withhold an answer for what a guard says, or for its silence, each text goes to them in parts of
//! about a kibibyte, each with what stands before it, and an event waits until the parts that its text lies in were
//! answered or the guards' time was up. Elsewhere nothing waits, and they are shown the texts when these end.
//!
//! INVARIANT: the text alone determines where a part ends; a part goes only when it was looked at here, without the
//! values that were found in it; and what is kept for them is bounded.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use bartizan_inspect::redact::{self, HashKey, Transform};

use super::super::{Mark, Piece, Source, guards::holds_value};
use crate::{clock, model::Place};

/// A part is so long, and ends at the next white space.
const PART: usize = 1 << 10;
/// Without any it ends after so many more bytes.
const MORE: usize = 1 << 10;
/// What goes with a part of what stands before it.
const BEFORE: usize = 256;
/// Bytes that go at once.
const AT_ONCE: usize = 8 << 10;
/// Where nothing waits: bytes of an answer that are shown at all, and of one part.
const FREE: usize = 64 << 10;
const FREE_PART: usize = 4 << 10;

/// How guards judge an answer.
pub(super) struct Judging {
    waits: bool,
    texts: BTreeMap<Place, Text>,
    parts: VecDeque<Part>,
    asked: Vec<Part>,
    /// Parts that are no text's own: how many were ever found, and how many were answered.
    beside: (u64, u64),
    room: usize,
    over: bool,
    key: HashKey,
}

/// One text, over all that is said in its place.
#[derive(Default)]
struct Text {
    /// What was not made a part yet, and where that starts.
    left: String,
    start: usize,
    judged: usize,
    /// Values in what is left, by their place in the text.
    values: Vec<(Range<usize>, &'static str)>,
    before: String,
}

/// What is shown as one.
struct Part {
    piece: Piece<'static>,
    /// Which text it is of, and where it ends there; `None`: it stands beside the texts.
    of: Option<(Place, usize)>,
}

impl Judging {
    /// `waits`: events wait for what is said.
    pub(super) fn new(waits: bool) -> Self {
        Self {
            waits,
            texts: BTreeMap::new(),
            parts: VecDeque::new(),
            asked: Vec::new(),
            beside: (0, 0),
            room: FREE,
            over: false,
            key: HashKey::new(&clock::random::<32>()),
        }
    }

    /// Whether events wait for what is said.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// Adds to a text; gives how long it is with it. `kept`: it will be looked at whole when it ends.
    pub(super) fn add(&mut self, place: &Place, piece: &str, kept: bool) -> usize {
        let text = self.texts.entry(place.clone()).or_default();
        if self.waits {
            text.left.push_str(piece);
        } else if kept && piece.len() <= self.room && !self.over {
            self.room -= piece.len();
            text.left.push_str(piece);
        } else {
            self.over = true;
        }
        text.start + text.left.len()
    }

    /// What was seen in a text, `base` bytes into all that was said in its place.
    pub(super) fn saw(&mut self, place: &Place, base: usize, marks: &[Mark]) {
        let Some(text) = self.texts.get_mut(place) else {
            return;
        };
        let values = marks.iter().filter(|mark| holds_value(mark.kind));
        text.values
            .extend(values.map(|mark| (mark.range.start + base..mark.range.end + base, mark.what)));
        text.values.dedup();
    }

    /// A text was looked at up to a place: makes parts of what is whole.
    pub(super) fn decided(&mut self, place: &Place, upto: usize) {
        while let Some(end) = self
            .texts
            .get(place)
            .and_then(|text| cut(&text.left, upto.saturating_sub(text.start), PART))
        {
            self.part(place, end);
        }
    }

    /// Not all values in what is left of a text are known, so it does not go.
    pub(super) fn lose(&mut self, place: &Place) {
        if let Some(text) = self.texts.get_mut(place) {
            text.start += text.left.len();
            text.left.clear();
            self.over = true;
        }
    }

    /// A text ended.
    pub(super) fn end(&mut self, place: &Place) {
        let least = if self.waits { PART } else { FREE_PART };
        loop {
            let Some(text) = self.texts.get(place).filter(|text| !text.left.is_empty()) else {
                return;
            };
            let end = cut(&text.left, text.left.len(), least).unwrap_or(text.left.len());
            self.part(place, end);
        }
    }

    /// Makes a part of the first bytes of what is left of a text.
    fn part(&mut self, place: &Place, length: usize) {
        let Some(text) = self.texts.get_mut(place) else {
            return;
        };
        let end = text.start + length;
        let own: Vec<(Range<usize>, &str)> = text
            .values
            .iter()
            .filter(|(range, _)| range.start < end && range.end > text.start)
            .map(|(range, what)| {
                (
                    range.start.max(text.start) - text.start..range.end.min(end) - text.start,
                    *what,
                )
            })
            .collect();
        let part: String = text.left.drain(..length).collect();
        let shown = redact::apply(&part, &own, Transform::Redact, &self.key);
        text.start = end;
        text.values.retain(|(range, _)| range.end > end);
        let from = shown.floor_char_boundary(shown.len().saturating_sub(BEFORE));
        let before = std::mem::replace(&mut text.before, shown.get(from..).unwrap_or_default().to_owned());
        self.parts.push_back(Part {
            piece: Piece {
                front: "".into(),
                source: Source::Model,
                text: (before + &shown).into(),
                pointer: place.pointer(),
                span: end - length..end,
                key_of: None,
            },
            of: Some((place.clone(), end)),
        });
    }

    /// Strings of an event that are part of no text; gives the number to wait for.
    pub(super) fn beside(&mut self, pieces: &[Piece<'_>], marks: &[Option<std::sync::Arc<[Mark]>>]) -> u64 {
        for (piece, marks) in pieces.iter().zip(marks) {
            let fits = self.waits || piece.text.len() <= self.room;
            let Some(marks) = marks.as_deref().filter(|_| fits) else {
                self.over = true;
                continue;
            };
            self.room = self.room.saturating_sub(piece.text.len());
            let values: Vec<_> = marks
                .iter()
                .filter(|mark| holds_value(mark.kind))
                .map(|mark| (mark.range.clone(), mark.what))
                .collect();
            self.beside.0 += 1;
            self.parts.push_back(Part {
                piece: Piece {
                    front: "".into(),
                    source: Source::Model,
                    text: redact::apply(&piece.text, &values, Transform::Redact, &self.key).into(),
                    pointer: piece.pointer.clone(),
                    span: 0..piece.text.len(),
                    key_of: None,
                },
                of: None,
            });
        }
        self.beside.0
    }

    /// Whether there is something to ask, or an answer to wait for.
    pub(super) fn is_asking(&self) -> bool {
        !self.parts.is_empty() || !self.asked.is_empty()
    }

    /// What is to be asked now; `None`: nothing.
    pub(super) fn question(&mut self) -> Option<Vec<Piece<'static>>> {
        if !self.asked.is_empty() {
            return None;
        }
        let mut bytes = 0;
        while let Some(part) = self.parts.front() {
            bytes += part.piece.text.len();
            if bytes > AT_ONCE && !self.asked.is_empty() {
                break;
            }
            self.asked.extend(self.parts.pop_front());
        }
        let pieces: Vec<_> = self.asked.iter().map(|part| part.piece.clone()).collect();
        (!pieces.is_empty()).then_some(pieces)
    }

    /// The question was answered, or its time was up.
    pub(super) fn answered(&mut self) {
        for part in std::mem::take(&mut self.asked) {
            match part.of {
                None => self.beside.1 += 1,
                Some((place, end)) => {
                    if let Some(text) = self.texts.get_mut(&place) {
                        text.judged = text.judged.max(end);
                    }
                }
            }
        }
    }

    /// Whether a text up to this place still waits.
    pub(super) fn is_open(&self, place: &Place, end: usize) -> bool {
        self.waits && self.texts.get(place).is_some_and(|text| text.judged < end)
    }

    /// Whether a string beside the texts still waits.
    pub(super) const fn is_beside_open(&self, number: u64) -> bool {
        self.waits && self.beside.1 < number
    }

    /// Something was not shown, or not answered.
    pub(super) fn is_left(&self) -> bool {
        let open = |text: &Text| !text.left.is_empty();
        self.over || self.is_asking() || self.texts.values().any(open)
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        let left: usize = self.texts.values().map(|text| text.left.len()).sum();
        let parts = self.parts.iter().chain(&self.asked);
        left + parts.map(|part| part.piece.text.len()).sum::<usize>()
    }
}

/// Where the next part of a text ends, of which `upto` bytes may go: behind the first white space behind `least` bytes, or
/// so far behind that none is waited for.
fn cut(left: &str, upto: usize, least: usize) -> Option<usize> {
    let from = left.ceil_char_boundary(least.min(left.len()));
    let last = left.floor_char_boundary((least + MORE).min(left.len()));
    let space = left
        .get(from..last.max(from))
        .unwrap_or_default()
        .char_indices()
        .find(|(_, c)| c.is_whitespace())
        .map(|(at, c)| from + at + c.len_utf8());
    let end = match space {
        Some(end) => end,
        None if left.len() >= least + MORE => last,
        None => return None,
    };
    (end <= upto).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_where_the_text_says() {
        let text = format!("{} {}", "a".repeat(PART + 10), "b ".repeat(PART));
        assert_eq!(cut(&text, text.len(), PART), Some(PART + 11));
        assert_eq!(cut(&text, PART, PART), None, "not all of it was looked at");
        assert_eq!(
            cut(text.get(..PART + 5).unwrap(), PART + 5, PART),
            None,
            "it may go on"
        );
        let long = "é".repeat(PART * 2);
        assert_eq!(cut(&long, long.len(), PART), Some(PART + MORE));
    }
}
