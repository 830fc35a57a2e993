//! Places in slices without a panic: what lies beyond the end is the default, or nothing.
//!
//! A detector reads hostile bytes, so nothing here is indexed. The byte 0 is no digit, letter or sign that any detector
//! looks for.

use std::slice::SliceIndex;

/// The item at a place; the default one beyond the end.
pub(crate) fn item<T: Copy + Default>(items: &[T], at: usize) -> T {
    items.get(at).copied().unwrap_or_default()
}

/// The items of a range; none where it does not lie within.
pub(crate) fn part<T>(items: &[T], range: impl SliceIndex<[T], Output = [T]>) -> &[T] {
    items.get(range).unwrap_or_default()
}

/// Bytes that are looked at as one.
const BLOCK: usize = 32;

/// Places of certain bytes, asked for one after the other. Blocks first: without an early end the compiler makes them wide.
/// A block that has some is gone through byte by byte, and not looked at again for each.
pub(crate) struct Places<'b, F> {
    bytes: &'b [u8],
    is: F,
    /// Where the block ends that is known to have some.
    has: usize,
}

impl<'b, F: Fn(u8) -> bool> Places<'b, F> {
    pub(crate) const fn new(bytes: &'b [u8], is: F) -> Self {
        Self { bytes, is, has: 0 }
    }

    /// The next place from `at` on; the end where there is none.
    pub(crate) fn next(&mut self, at: usize) -> usize {
        let mut from = at;
        if from < self.has {
            let inside = part(self.bytes, from..self.has);
            if let Some(place) = inside.iter().position(|byte| (self.is)(*byte)) {
                return from + place;
            }
            from = self.has;
        }
        for block in part(self.bytes, from..).chunks(BLOCK) {
            if block.iter().fold(false, |any, byte| any | (self.is)(*byte)) {
                self.has = from + block.len();
                let inside = block.iter().position(|byte| (self.is)(*byte));
                return from + inside.unwrap_or(block.len());
            }
            from += block.len();
        }
        self.bytes.len()
    }
}

/// The item before a place; the default one at the start.
pub(crate) fn prior<T: Copy + Default>(items: &[T], at: usize) -> T {
    at.checked_sub(1).map(|at| item(items, at)).unwrap_or_default()
}
