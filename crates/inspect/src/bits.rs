//! Which bytes of a text are of a kind, a bit each.
//!
//! Detectors look for few places in much text. Asking each byte in turn costs more than the detector; here the question is
//! answered for 64 bytes at once, and places are read from the answers.

use std::ops::Range;

/// Bytes a word stands for.
const WORD: usize = u64::BITS as usize;

/// A bit for each byte of a text. Bits beyond its end are unset.
#[derive(Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
    length: usize,
}

impl Bits {
    /// Asks each byte. The question should be put without early ends (`|`, not `||`), so that the compiler makes it wide.
    #[inline]
    pub(crate) fn of(bytes: &[u8], is: impl Fn(u8) -> bool) -> Self {
        let (blocks, rest) = bytes.as_chunks::<WORD>();
        let mut words = Vec::with_capacity(blocks.len() + 1);
        words.extend(blocks.iter().map(|block| packed(&block.map(&is))));
        if !rest.is_empty() {
            let mut last = [false; WORD];
            last.iter_mut()
                .zip(rest)
                .for_each(|(flag, byte)| *flag = is(*byte));
            words.push(packed(&last));
        }
        Self {
            words,
            length: bytes.len(),
        }
    }

    /// Where no such byte stands before another: every place but those.
    pub(crate) fn apart(mut self) -> Self {
        for at in 0..self.words.len() {
            let next = self.word(at + 1);
            if let Some(word) = self.words.get_mut(at) {
                *word = !(*word & (*word >> 1 | next << (WORD - 1)));
            }
        }
        let over = self.words.len() * WORD - self.length;
        if let Some(last) = self.words.last_mut() {
            *last = *last << over >> over;
        }
        self
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    /// The first such place from `at` on.
    pub(crate) fn next(&self, at: usize) -> Option<usize> {
        let first = self.word(at / WORD) & u64::MAX << (at % WORD);
        let behind = self.words.iter().skip(at / WORD + 1);
        std::iter::once(&first)
            .chain(behind)
            .position(|word| *word != 0)
            .map(|words| {
                let word = if words == 0 {
                    first
                } else {
                    self.word(at / WORD + words)
                };
                (at / WORD + words) * WORD + word.trailing_zeros() as usize
            })
    }

    /// Where a run of such places that holds `at` ends; `at` itself if it is none.
    pub(crate) fn end(&self, at: usize) -> usize {
        let mut end = at;
        loop {
            let ones = (!(self.word(end / WORD) >> (end % WORD))).trailing_zeros() as usize;
            end += ones;
            // Zeros come in from above, so a run stops at the end of a word at the latest.
            if ones == 0 || !end.is_multiple_of(WORD) {
                return end;
            }
        }
    }

    /// All such places.
    pub(crate) fn places(&self) -> Places<'_> {
        Places {
            words: self.words.iter(),
            left: 0,
            base: 0usize.wrapping_sub(WORD),
        }
    }

    /// The runs of at least so many such places in a row, which may be 64 at most, each as long as it is.
    pub(crate) fn runs(&self, least: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < self.length {
                let (word, shift) = (at / WORD, at % WORD);
                let both = u128::from(self.word(word + 1)) << WORD | u128::from(self.word(word));
                let starts = starts(both >> shift, least) as u64;
                // Only starts within this word: of a later one the next word may tell more.
                let start = at + starts.trailing_zeros() as usize;
                if starts == 0 || start >= (word + 1) * WORD {
                    at = (word + 1) * WORD;
                    continue;
                }
                at = self.end(start);
                return Some(start..at);
            }
            None
        })
    }
}

/// The places of [`Bits`], in order.
pub(crate) struct Places<'a> {
    words: std::slice::Iter<'a, u64>,
    /// What is not told yet of the current word, and where that starts.
    left: u64,
    base: usize,
}

impl Iterator for Places<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.left = *self.words.next()?;
            // Before the first word it stands one word before the text.
            self.base = self.base.wrapping_add(WORD);
        }
        let place = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(self.base + place)
    }
}

/// The places from which on at least so many bits are set.
fn starts(bits: u128, least: usize) -> u128 {
    let (mut starts, mut known) = (bits, 1);
    while known < least && starts != 0 {
        let step = known.min(least - known);
        starts &= starts >> step;
        known += step;
    }
    starts
}

/// Flags as bits, the first one lowest.
#[inline]
fn packed(flags: &[bool; WORD]) -> u64 {
    // Of eight bytes that are 0 or 1 each, one product has all in its highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    flags
        .as_chunks::<8>()
        .0
        .iter()
        .map(|eight| u64::from_le_bytes(eight.map(u8::from)).wrapping_mul(GATHER) >> 56)
        .rev()
        .fold(0, |word, byte| word << 8 | byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_and_runs_are_those_of_a_slow_walk(bytes in "[ab]{0,300}|a{60,70}b{0,2}a{0,140}", least in 1_usize..=64) {
            let bytes = bytes.as_bytes();
            let bits = Bits::of(bytes, |byte| byte == b'a');
            let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'a').collect();
            prop_assert_eq!(bits.places().collect::<Vec<_>>(), places.clone());
            for at in 0..bytes.len() + 70 {
                prop_assert_eq!(bits.next(at), places.iter().copied().find(|place| *place >= at));
                let end = at + bytes.iter().skip(at).take_while(|byte| **byte == b'a').count();
                prop_assert_eq!(bits.end(at), end);
            }
            let mut runs = Vec::new();
            let mut at = 0;
            for piece in bytes.split(|byte| *byte == b'b') {
                if piece.len() >= least {
                    runs.push(at..at + piece.len());
                }
                at += piece.len() + 1;
            }
            prop_assert_eq!(bits.runs(least).collect::<Vec<_>>(), runs);
            let apart: Vec<usize> = (0..bytes.len())
                .filter(|at| !(bytes[*at] == b'a' && bytes.get(at + 1) == Some(&b'a')))
                .collect();
            prop_assert_eq!(bits.apart().places().collect::<Vec<_>>(), apart);
        }
    }
}
