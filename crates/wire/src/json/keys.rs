//! Duplicate keys, found without a tree and without a quadratic case.
//!
//! Up to [`LINEAR`] keys of an object are compared with each other as they come; beyond that the object's keys are
//! sorted by (hash, bytes) when it closes and neighbours compared. Equal hashes only make the sort compare bytes, so
//! crafted collisions cost a log factor at most, whatever they know of the seed.

use std::cmp::Ordering;

use bartizan_types::Code;

use super::{Fault, string};

const LINEAR: usize = 16;
/// Set in [`Key::length`] when the unescaped key lies in the arena.
const IN_ARENA: u32 = 1 << 31;

/// 12 bytes per key in an open object: at the default bound of 32 MiB that is at most 64 MiB.
#[derive(Clone, Copy)]
struct Key {
    hash: u32,
    start: u32,
    length: u32,
}

/// Where an object's keys begin.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    first: u32,
    arena: u32,
}

/// The keys of all open objects.
pub(super) struct Keys<'a> {
    bytes: &'a [u8],
    open: Vec<Key>,
    /// Keys that had escapes, unescaped; never longer than the input.
    arena: Vec<u8>,
    seed: u64,
}

impl<'a> Keys<'a> {
    pub(super) fn new(bytes: &'a [u8], seed: u64) -> Self {
        Self {
            bytes,
            open: Vec::with_capacity(32),
            arena: Vec::new(),
            seed,
        }
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark {
            first: short(self.open.len()),
            arena: short(self.arena.len()),
        }
    }

    /// Takes the key at `start..end` of the object that began at `mark`.
    #[inline]
    pub(super) fn add(&mut self, mark: Mark, start: usize, end: usize, escaped: bool) -> Result<(), Fault> {
        let key = if escaped {
            let from = self.arena.len();
            string::unescape(self.bytes.get(start..end).unwrap_or_default(), &mut self.arena);
            let text = self.arena.get(from..).unwrap_or_default();
            Key {
                hash: hash(self.seed, text),
                start: short(from),
                length: short(text.len()) | IN_ARENA,
            }
        } else {
            Key {
                hash: hash(self.seed, self.bytes.get(start..end).unwrap_or_default()),
                start: short(start),
                length: short(end - start),
            }
        };
        let siblings = self.open.get(mark.first as usize..).unwrap_or_default();
        if siblings.len() < LINEAR {
            let twin = |other: &Key| other.hash == key.hash && self.text(*other) == self.text(key);
            if siblings.iter().any(twin) {
                return Err(Fault::new(Code::JsonDuplicateKey, start));
            }
        }
        self.open.push(key);
        Ok(())
    }

    /// The object that began at `mark` ends at byte `at`.
    #[inline]
    pub(super) fn close(&mut self, mark: Mark, at: usize) -> Result<(), Fault> {
        let first = mark.first as usize;
        if self.open.len() - first > LINEAR {
            self.sort(first, at)?;
        }
        self.open.truncate(first);
        self.arena.truncate(mark.arena as usize);
        Ok(())
    }

    fn sort(&mut self, first: usize, at: usize) -> Result<(), Fault> {
        // Taken out so that the comparison may read the arena; put back for its capacity.
        let mut open = std::mem::take(&mut self.open);
        let siblings = open.get_mut(first..).unwrap_or_default();
        siblings.sort_unstable_by(|a, b| match a.hash.cmp(&b.hash) {
            Ordering::Equal => self.text(*a).cmp(self.text(*b)),
            order => order,
        });
        let twin = siblings.windows(2).find_map(|pair| match pair {
            [a, b] if a.hash == b.hash && self.text(*a) == self.text(*b) => Some(a.start.max(b.start)),
            _ => None,
        });
        let in_arena = siblings.iter().any(|key| key.length & IN_ARENA != 0);
        self.open = open;
        match twin {
            // With escaped keys about, `start` may be an arena offset: name the object's end instead.
            Some(start) => {
                let at = if in_arena { at } else { start as usize };
                Err(Fault::new(Code::JsonDuplicateKey, at))
            }
            None => Ok(()),
        }
    }

    #[inline]
    fn text(&self, key: Key) -> &[u8] {
        let (source, length) = if key.length & IN_ARENA == 0 {
            (self.bytes, key.length)
        } else {
            (self.arena.as_slice(), key.length & !IN_ARENA)
        };
        let start = key.start as usize;
        source.get(start..start + length as usize).unwrap_or_default()
    }
}

/// INVARIANT: scanned input is at most 2^31 - 1 bytes, and no counter or offset here is larger than it.
#[inline]
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX >> 1)
}

/// A keyed hash by folded multiplication, 8 bytes a step. Quality matters only for speed.
#[inline]
fn hash(seed: u64, text: &[u8]) -> u32 {
    const MULTIPLIER: u64 = 0xA076_1D64_78BD_642F;
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let mut state = seed ^ (text.len() as u64);
    let (words, tail) = text.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), MULTIPLIER);
    }
    let mut last = 0_u64;
    for byte in tail {
        last = (last << 8) | u64::from(*byte);
    }
    (fold(state ^ last, MULTIPLIER ^ seed) >> 16) as u32
}
