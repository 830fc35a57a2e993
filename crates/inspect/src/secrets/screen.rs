//! Where words may stand: a look at each three bytes in a row, which most text does not pass.
//!
//! Of each word the three bytes in a row that are rarest are known by their lowest five bits each, in which letter case and
//! most signs are alike. Three bytes that no word knows rule out every word there; so does the byte before them, where the
//! word has one there. For what is left each word is compared.
//! INVARIANT: whoever stands in a text, in whatever letter case, is found (`tests::the_screen_passes_every_word`).

use crate::safe::{item, part};

/// Bits that are looked at of a byte.
const BITS: usize = 5;
/// Kinds of three bytes.
const KINDS: usize = 1 << (3 * BITS);
/// Kinds of four bytes.
const FOURS: usize = 1 << 16;

/// Letters from the commonest on; where a letter stands tells how common three with it are.
const COMMON: &[u8] = b"etaoinsrhldcumfpgwybvkxjqz";

/// A word by three of its bytes.
#[derive(Debug, Clone, Copy)]
struct Hint {
    kind: u16,
    word: u16,
    /// How far from the start of the word the three end.
    end: u8,
}

/// Words to look for.
#[derive(Debug)]
pub(super) struct Screen {
    words: Vec<&'static str>,
    /// A bit for each kind of three bytes.
    known: Box<[u64; KINDS / 64]>,
    /// A bit for each kind of three bytes that start a word, so that anything may stand before them.
    open: Box<[u64; KINDS / 64]>,
    /// A bit for each kind of four bytes.
    fours: Box<[u64; FOURS / 64]>,
    /// Of each word of `known` how many kinds the words before it know.
    ranks: Vec<u16>,
    /// In order of their kinds; and where those of each known kind start, with where the last ones end.
    hints: Vec<Hint>,
    starts: Vec<u16>,
}

fn small(byte: u8) -> usize {
    usize::from(byte & 0x1f)
}

/// How common a byte is, roughly.
fn weight(byte: u8) -> usize {
    let letter = byte & 0x1f | 0x60;
    COMMON
        .iter()
        .position(|common| *common == letter)
        .map_or(COMMON.len(), |at| COMMON.len() - at)
}

fn kind(three: &[u8]) -> usize {
    three.iter().fold(0, |kind, byte| kind << BITS | small(*byte))
}

/// The kind of four bytes, in which letter case is alike.
fn four(bytes: &[u8]) -> usize {
    let all = bytes
        .iter()
        .fold(0_u32, |all, byte| all << 8 | u32::from(byte | 0x20));
    (all.wrapping_mul(0x9e37_79b1) >> (32 - FOURS.ilog2())) as usize
}

fn set(bits: &mut [u64], at: usize) {
    if let Some(bits) = bits.get_mut(at / 64) {
        *bits |= 1 << (at % 64);
    }
}

fn is_set(bits: &[u64], at: usize) -> bool {
    item(bits, at / 64) >> (at % 64) & 1 == 1
}

impl Screen {
    /// For words of at least two bytes.
    pub(super) fn new(words: Vec<&'static str>) -> Self {
        let mut hints = Vec::new();
        let mut open = Box::new([0_u64; KINDS / 64]);
        let mut fours = Box::new([0_u64; FOURS / 64]);
        for (at, word) in (0_u16..).zip(&words) {
            let bytes = word.as_bytes();
            // Not the first three, so that one more byte of the word is known.
            let skipped = usize::from(bytes.len() > 3);
            let rarest = bytes
                .windows(3)
                .enumerate()
                .skip(skipped)
                .min_by_key(|(_, three)| three.iter().map(|byte| weight(*byte)).sum::<usize>());
            match rarest {
                Some((from, three)) => {
                    match bytes.get(from.wrapping_sub(1)..from + 3) {
                        Some(bytes) => set(fours.as_mut_slice(), four(bytes)),
                        None => set(open.as_mut_slice(), kind(three)),
                    }
                    hints.push(Hint {
                        kind: kind(three) as u16,
                        word: at,
                        end: (from + 3) as u8,
                    });
                }
                // Whatever follows it: where nothing does, there is no secret either.
                None => {
                    for next in 0..1 << BITS {
                        let kind = kind(bytes) << BITS | next;
                        set(open.as_mut_slice(), kind);
                        hints.push(Hint {
                            kind: kind as u16,
                            word: at,
                            end: 3,
                        });
                    }
                }
            }
        }
        hints.sort_by_key(|hint| hint.kind);
        let mut known = Box::new([0_u64; KINDS / 64]);
        for hint in &hints {
            set(known.as_mut_slice(), usize::from(hint.kind));
        }
        let counts = known.iter().scan(0, |sum, bits| {
            let before = *sum;
            *sum += bits.count_ones() as u16;
            Some(before)
        });
        let alike = hints.chunk_by(|one, two| one.kind == two.kind);
        let mut starts: Vec<u16> = alike
            .scan(0, |sum, hints| {
                let before = *sum;
                *sum += hints.len() as u16;
                Some(before)
            })
            .collect();
        starts.push(hints.len() as u16);
        Self {
            words,
            ranks: counts.collect(),
            known,
            open,
            fours,
            hints,
            starts,
        }
    }

    /// Tells each word that stands in a text, by its number, and where it starts. Words may overlap. `tell` says whether
    /// to go on.
    pub(super) fn find(&self, bytes: &[u8], mut tell: impl FnMut(usize, std::ops::Range<usize>) -> bool) {
        let mut kind = 0;
        for (at, byte) in bytes.iter().enumerate() {
            kind = (kind << BITS | small(*byte)) & (KINDS - 1);
            if is_set(self.known.as_slice(), kind)
                && (is_set(self.open.as_slice(), kind)
                    || is_set(
                        self.fours.as_slice(),
                        four(part(bytes, at.saturating_sub(3)..=at)),
                    ))
                && !self.compare(bytes, at + 1, kind, &mut tell)
            {
                return;
            }
        }
    }

    /// The hints of a known kind.
    fn hints_of(&self, kind: usize) -> &[Hint] {
        let below = self.known.get(kind / 64).copied().unwrap_or(0) & ((1 << (kind % 64)) - 1);
        let rank = usize::from(item(&self.ranks, kind / 64)) + below.count_ones() as usize;
        let range = usize::from(item(&self.starts, rank))..usize::from(item(&self.starts, rank + 1));
        self.hints.get(range).unwrap_or_default()
    }

    /// Compares the words whose three bytes may end at `upto`.
    #[cold]
    fn compare(
        &self,
        bytes: &[u8],
        upto: usize,
        kind: usize,
        tell: &mut impl FnMut(usize, std::ops::Range<usize>) -> bool,
    ) -> bool {
        for hint in self.hints_of(kind) {
            let Some(start) = upto.checked_sub(usize::from(hint.end)) else {
                continue;
            };
            let number = usize::from(hint.word);
            let word = self.words.get(number).copied().unwrap_or_default();
            let range = start..start + word.len();
            let stands = |spelt: &[u8]| spelt.eq_ignore_ascii_case(word.as_bytes());
            if bytes.get(range.clone()).is_some_and(stands) && !tell(number, range) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<&'static str> {
        let mut words: Vec<&str> = super::super::FORMATS
            .iter()
            .flat_map(|format| format.words.iter().copied())
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// Every word that stands in a text, by looking for each.
    fn slow(words: &[&str], text: &str) -> Vec<(usize, usize)> {
        let lower = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for (number, word) in words.iter().enumerate() {
            let word = word.to_ascii_lowercase();
            found.extend(
                (0..lower.len())
                    .filter(|at| lower.as_bytes()[*at..].starts_with(word.as_bytes()))
                    .map(|at| (number, at)),
            );
        }
        found
    }

    proptest! {
        #[test]
        fn the_screen_passes_every_word(
            which in prop::collection::vec((any::<prop::sample::Index>(), "[a-zA-Z0-9_:/ .=-]{0,6}", any::<bool>()), 1..12)
        ) {
            let words = all();
            let text: String = which
                .iter()
                .map(|(index, filler, upper)| {
                    let word = words[index.index(words.len())];
                    let word = if *upper { word.to_ascii_uppercase() } else { word.to_owned() };
                    word + filler
                })
                .collect::<String>() + "!";
            let screen = Screen::new(words.clone());
            let mut found = Vec::new();
            screen.find(text.as_bytes(), |number, range| {
                found.push((number, range.start));
                true
            });
            found.sort_unstable();
            let mut slow = slow(&words, &text);
            slow.sort_unstable();
            prop_assert_eq!(found, slow);
        }
    }
}
