//! Where HDF5 keeps links and attributes that are many or long: values in a fractal heap, found by trees over them.
//!
//! A reader may go by name or by the order in which they were made, and each has a tree of its own. All trees are walked, so
//! that no tree can know of a value that another hides. What is packed by a filter, or shared with other objects, is not
//! followed.

use std::collections::{BTreeSet, HashSet};

use super::{BLOCK, Followed, Lost, NOWHERE, OBJECTS, Walk, number};
use crate::feed::Stop;

/// Bytes of a heap's header, as far as it is read; none of them depends on filters.
const HEADER: u64 = 142;
/// Bytes around a tree's node: its signature, version, type and checksum.
const NODE: u64 = 10;
/// Tables within tables of a heap.
const DEPTH: u32 = 64;
/// Levels of a tree.
const LEVELS: u64 = 16;

/// Where a value of this record type has its id, and how long that is.
fn id_in(kind: u64) -> Option<(usize, usize)> {
    Some(match kind {
        5 => (4, 7),
        6 => (8, 7),
        8 | 9 => (0, 8),
        _ => return None,
    })
}

/// Ids of all values that these trees know.
pub(super) fn ids(walk: &Walk<'_>, trees: &[u64]) -> Followed<BTreeSet<Vec<u8>>> {
    let mut found = BTreeSet::new();
    for tree in trees.iter().filter(|tree| **tree != NOWHERE) {
        records(walk, *tree, |kind, record| {
            let (from, length) = id_in(kind).ok_or(Lost::Odd(*tree, "a tree of another kind"))?;
            let id = record.get(from..from + length);
            let id = id.ok_or(Lost::Odd(*tree, "a record that is too short"))?;
            // Attributes may be kept where other objects share them.
            if kind >= 8 && number(record, 8, 1) & 2 != 0 {
                return Err(Lost::Odd(*tree, "an attribute that is shared"));
            }
            found.insert(id.to_vec());
            if found.len() > OBJECTS {
                return Err(Lost::Read(Stop::TooMuch));
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// How many bytes a number up to this one takes.
fn bytes_of(most: u64) -> u64 {
    u64::from(most.checked_ilog2().unwrap_or(0)) / 8 + 1
}

/// Hands over every record of a tree, with the tree's type.
fn records(walk: &Walk<'_>, at: u64, mut each: impl FnMut(u64, &[u8]) -> Followed) -> Followed {
    let head = walk.block(at, 34)?;
    if !head.starts_with(b"BTHD") {
        return Err(Lost::Odd(at, "a tree without a header"));
    }
    let (kind, node, size) = (number(&head, 5, 1), number(&head, 6, 4), number(&head, 10, 2));
    let (depth, root, count) = (number(&head, 12, 2), number(&head, 16, 8), number(&head, 24, 2));
    if size == 0 || node <= NODE + size || depth > LEVELS {
        return Err(Lost::Odd(at, "a tree of impossible measures"));
    }
    if root == NOWHERE || count == 0 {
        return Ok(());
    }
    // Bytes of a count of all records below a node of each level; leaves have none.
    let most = (node - NODE) / size;
    let width = bytes_of(most);
    let (mut below, mut all) = (vec![0], most);
    for _ in 0..depth {
        let pointer = 8 + width + below.last().copied().unwrap_or(0);
        let here = node.saturating_sub(NODE + pointer) / (size + pointer);
        all = all.saturating_mul(here.saturating_add(1)).saturating_add(here);
        below.push(bytes_of(all));
    }
    let mut nodes = vec![(root, count, depth)];
    let mut seen = HashSet::new();
    while let Some((at, count, level)) = nodes.pop() {
        if !seen.insert(at) || seen.len() > OBJECTS {
            return Err(Lost::Odd(at, "a tree that leads back to itself"));
        }
        let body = walk.block(at, node.min(BLOCK as u64))?;
        let mark: &[u8] = if level == 0 { b"BTLF" } else { b"BTIN" };
        if !body.starts_with(mark) || number(&body, 5, 1) != kind {
            return Err(Lost::Odd(at, "a node that is not its tree's"));
        }
        let records = body.get(6..).unwrap_or_default();
        let filled = usize::try_from(count.saturating_mul(size)).unwrap_or(usize::MAX);
        let (records, pointers) = records
            .split_at_checked(filled)
            .ok_or(Lost::Odd(at, "more records than a node has room for"))?;
        for record in records.chunks_exact(usize::try_from(size).unwrap_or(usize::MAX)) {
            each(kind, record)?;
        }
        let Some(lower) = level.checked_sub(1) else {
            continue;
        };
        let under = below
            .get(usize::try_from(lower).unwrap_or(0))
            .copied()
            .unwrap_or(0);
        let pointer = usize::try_from(8 + width + under).unwrap_or(usize::MAX);
        let mut children = pointers.chunks_exact(pointer);
        for _ in 0..=count {
            let child = children
                .next()
                .ok_or(Lost::Odd(at, "a node without its children"))?;
            let held = number(child, 8, usize::try_from(width).unwrap_or(8));
            nodes.push((number(child, 0, 8), held, lower));
        }
    }
    Ok(())
}

/// A fractal heap.
pub(super) struct Heap {
    at: u64,
    /// Bytes of an offset and of a length in an id.
    offset: usize,
    length: usize,
    /// Tree of the values that are too long for a block.
    huge: u64,
    /// The table of blocks that double: how many in a row, bytes of the first, bytes of the largest with values in it.
    columns: u64,
    first: u64,
    largest: u64,
    root: u64,
    rows: u64,
}

impl Heap {
    pub(super) fn read(walk: &Walk<'_>, at: u64) -> Followed<Self> {
        let head = walk.block(at, HEADER)?;
        if !head.starts_with(b"FRHP") {
            return Err(Lost::Odd(at, "a heap without a header"));
        }
        if number(&head, 7, 2) != 0 {
            return Err(Lost::Odd(at, "a heap that is packed by a filter"));
        }
        let (columns, first, largest) = (
            number(&head, 110, 2),
            number(&head, 112, 8),
            number(&head, 120, 8),
        );
        let bits = number(&head, 128, 2);
        let fits = columns.is_power_of_two() && first.is_power_of_two() && largest.is_power_of_two();
        if !fits || largest < first || largest > BLOCK as u64 || !(1..=64).contains(&bits) {
            return Err(Lost::Odd(at, "a heap of impossible measures"));
        }
        let length = u64::from(largest.ilog2())
            .div_ceil(8)
            .min(bytes_of(number(&head, 10, 4)));
        Ok(Self {
            at,
            offset: usize::try_from(bits.div_ceil(8)).unwrap_or(8),
            length: usize::try_from(length).unwrap_or(8),
            huge: number(&head, 22, 8),
            columns,
            first,
            largest,
            root: number(&head, 132, 8),
            rows: number(&head, 140, 2),
        })
    }

    /// Where a value lies, and its bytes.
    pub(super) fn value(&self, walk: &Walk<'_>, id: &[u8]) -> Followed<(u64, Vec<u8>)> {
        let kind = number(id, 0, 1);
        match kind >> 4 {
            0 => {
                let offset = number(id, 1, self.offset);
                let length = number(id, 1 + self.offset, self.length);
                let at = self.place(walk, offset, length)?;
                Ok((at, walk.block(at, length)?))
            }
            1 => {
                let (at, length) = self.long(walk, number(id, 1, id.len() - 1))?;
                Ok((at, walk.block(at, length)?))
            }
            2 => {
                let held = id.get(1..2 + usize::try_from(kind & 15).unwrap_or(0));
                let held = held.ok_or(Lost::Odd(self.at, "a value that is longer than its id"))?;
                Ok((self.at, held.to_vec()))
            }
            _ => Err(Lost::Odd(self.at, "an id of no kind")),
        }
    }

    /// Where in the file an offset of the heap is: blocks of a row are as long as all rows before it together.
    fn place(&self, walk: &Walk<'_>, offset: u64, length: u64) -> Followed<u64> {
        let lost = || Lost::Odd(self.at, "a value outside of its heap");
        let (mut table, mut rows, mut left) = (self.root, self.rows, offset);
        if rows == 0 {
            return self.within(table, self.first, left, length).ok_or_else(lost);
        }
        for _ in 0..DEPTH {
            let Some(row_bytes) = self.first.checked_mul(self.columns) else {
                return Err(lost());
            };
            let row = (left / row_bytes)
                .checked_ilog2()
                .map_or(0, |power| u64::from(power) + 1);
            let before = row.checked_sub(1);
            let size = self.first << before.unwrap_or(0);
            left -= before.map_or(0, |_| size * self.columns);
            let entry = row * self.columns + left / size;
            left %= size;
            if row >= rows {
                return Err(lost());
            }
            let head = walk.block(table, 5)?;
            if !head.starts_with(b"FHIB") {
                return Err(Lost::Odd(table, "a heap whose table is not there"));
            }
            let entries = table + 13 + self.offset as u64;
            let block = number(&walk.block(entries + entry * 8, 8)?, 0, 8);
            if size <= self.largest {
                return self.within(block, size, left, length).ok_or_else(lost);
            }
            table = block;
            rows = u64::from(size.ilog2())
                .saturating_sub(u64::from(row_bytes.ilog2()))
                .saturating_add(1);
        }
        Err(lost())
    }

    fn within(&self, block: u64, size: u64, offset: u64, length: u64) -> Option<u64> {
        let end = offset.checked_add(length)?;
        (end <= size && block != NOWHERE).then(|| block.checked_add(offset))?
    }

    /// Where a value is that is longer than the heap's blocks.
    fn long(&self, walk: &Walk<'_>, wanted: u64) -> Followed<(u64, u64)> {
        let mut found = None;
        records(walk, self.huge, |kind, record| {
            if kind != 1 {
                return Err(Lost::Odd(self.at, "a long value that is packed by a filter"));
            }
            if number(record, 16, 8) == wanted {
                found = Some((number(record, 0, 8), number(record, 8, 8)));
            }
            Ok(())
        })?;
        found.ok_or(Lost::Odd(self.at, "a long value that no tree knows"))
    }
}
