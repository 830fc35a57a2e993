//! Places in a text back to places in the text it was made from.

use std::ops::Range;

/// One stretch of a made text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// Where it starts in the made text.
    at: usize,
    /// Where it came from.
    from: usize,
    /// How much it came from; of a literal piece as much as it is long.
    taken: usize,
    /// Copied byte for byte.
    literal: bool,
}

impl Piece {
    /// Where the part of it that lies in `range` of the made text came from.
    fn part(&self, range: Range<usize>) -> Range<usize> {
        if !self.literal {
            return self.from..self.from + self.taken;
        }
        let source = |at: usize| self.from + at.saturating_sub(self.at).min(self.taken);
        source(range.start)..source(range.end)
    }
}

/// Pieces in order, covering the made text. No pieces: the texts are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    pieces: Vec<Piece>,
}

impl Map {
    /// Every place came from the same range.
    #[must_use]
    pub fn whole(from: Range<usize>) -> Self {
        Self {
            pieces: vec![Piece {
                at: 0,
                from: from.start,
                taken: from.len(),
                literal: false,
            }],
        }
    }

    /// Bytes from `at` on were copied from `from` on, until the next piece.
    pub(super) fn copied(&mut self, at: usize, from: usize, length: usize) {
        if length == 0 {
            return;
        }
        if let Some(last) = self.pieces.last_mut()
            && last.literal
            && last.from + last.taken == from
            && last.at + last.taken == at
        {
            last.taken += length;
            return;
        }
        self.pieces.push(Piece {
            at,
            from,
            taken: length,
            literal: true,
        });
    }

    /// Bytes from `at` on stand for the range `from`, until the next piece.
    pub(super) fn made(&mut self, at: usize, from: Range<usize>) {
        self.pieces.push(Piece {
            at,
            from: from.start,
            taken: from.len(),
            literal: false,
        });
    }

    /// Where a range came from. An empty range has an empty origin.
    #[must_use]
    pub fn origin(&self, range: Range<usize>) -> Range<usize> {
        if self.pieces.is_empty() {
            return range;
        }
        if range.start >= range.end {
            let at = self.place(range.start);
            return at..at;
        }
        // A text may be turned around, or have words moved to its end, so any piece may come from the earliest place.
        let first = self.index(range.start);
        let parts = self.pieces.iter().skip(first);
        let parts = parts.take_while(|piece| piece.at < range.end);
        let hull = parts
            .map(|piece| piece.part(range.clone()))
            .reduce(|hull, part| hull.start.min(part.start)..hull.end.max(part.end));
        hull.unwrap_or(range)
    }

    /// Which piece covers this place.
    fn index(&self, at: usize) -> usize {
        self.pieces
            .partition_point(|piece| piece.at <= at)
            .saturating_sub(1)
    }

    /// First byte that the byte at this place came from.
    fn place(&self, at: usize) -> usize {
        self.pieces
            .get(self.index(at))
            .map_or(at, |piece| piece.part(at..at).start)
    }

    /// This map, of a text made from a text that `outer` maps further back.
    pub(super) fn onto(self, outer: &Self) -> Self {
        if outer.pieces.is_empty() {
            return self;
        }
        if self.pieces.is_empty() {
            return outer.clone();
        }
        let mut joined = Self::default();
        for piece in self.pieces {
            if !piece.literal {
                joined.made(piece.at, outer.origin(piece.from..piece.from + piece.taken));
                continue;
            }
            // A literal piece is cut wherever a piece of the outer map ends.
            let end = piece.from + piece.taken;
            let mut from = piece.from;
            while from < end {
                let index = outer.pieces.partition_point(|outer| outer.at <= from);
                let until = outer.pieces.get(index).map_or(end, |next| next.at.min(end));
                let at = piece.at + (from - piece.from);
                match outer.pieces.get(index.saturating_sub(1)) {
                    Some(source) if source.literal => {
                        joined.copied(at, source.from + (from - source.at), until - from);
                    }
                    _ => joined.made(at, outer.origin(from..until)),
                }
                from = until.max(from + 1);
            }
        }
        joined
    }
}
