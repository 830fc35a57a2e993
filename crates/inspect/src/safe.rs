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

/// The item before a place; the default one at the start.
pub(crate) fn prior<T: Copy + Default>(items: &[T], at: usize) -> T {
    at.checked_sub(1).map(|at| item(items, at)).unwrap_or_default()
}
