//! Databases of SQLite, as far as values lie in pieces: one that is larger than its page goes on in others, which may lie
//! anywhere. Such values are put together and searched; all others lie whole where the file is searched as it is.

use crate::{
    carried::{self, Among},
    feed::Stop,
    scan::Scan,
    source::View,
};

/// Bytes of one value that are put together.
const VALUE: usize = 1 << 20;
/// Bytes of a page that its size may be, at least and at most.
const PAGE: std::ops::RangeInclusive<u64> = 512..=65_536;
/// Bytes of the header of the file, which stand in its first page.
const HEADER: usize = 100;

/// What every page has.
struct Shape {
    /// Bytes of a page.
    page: u64,
    /// Bytes of it that are used.
    usable: u64,
}

/// Searches what lies in pieces.
pub(crate) fn look(scan: &mut Scan<'_>, view: View<'_>) {
    let head = view.bytes(0, HEADER).unwrap_or_default();
    let Some(shape) = Shape::of(&head) else { return };
    // Each page belongs to one value, so what is put together is no more than twice what is there.
    let mut left = view.size().saturating_mul(2);
    for number in 0..view.size() / shape.page {
        let page = match view.bytes(number * shape.page, shape.page as usize) {
            Ok(page) => page,
            Err(fault) => return scan.stopped(Stop::from(fault), number * shape.page),
        };
        for (at, first) in shape.values(&page, number == 0) {
            let value = shape.whole(view, first, &page, at);
            left = left.saturating_sub(value.len() as u64);
            if left == 0 {
                return;
            }
            let mark = scan.mark();
            carried::look(scan, View::all(&value), Among::Bytes);
            let place = number * shape.page + at as u64;
            for finding in scan.forget(mark) {
                scan.find(
                    finding.rule,
                    finding.severity,
                    place,
                    &finding.subject,
                    finding.what,
                );
            }
        }
    }
}

/// Where a value lies in its page: bytes that are there, and all it has.
#[derive(Clone, Copy)]
struct Local {
    here: usize,
    all: u64,
}

impl Shape {
    fn of(head: &[u8]) -> Option<Self> {
        let size = u64::from(u16::from_be_bytes(*head.get(16..)?.first_chunk()?));
        let page = if size == 1 { 65_536 } else { size };
        let usable = page.checked_sub(u64::from(*head.get(20)?))?;
        (PAGE.contains(&page) && page.is_power_of_two() && usable >= 480).then_some(Self { page, usable })
    }

    /// The values of a page that go on elsewhere, with their offsets.
    fn values(&self, page: &[u8], first: bool) -> Vec<(usize, Local)> {
        let start = if first { HEADER } else { 0 };
        let (leaf, header) = match page.get(start) {
            // A table's leaf, an index's leaf, an index's inner page: these hold values.
            Some(0x0d) => (true, 8),
            Some(0x0a) => (false, 8),
            Some(0x02) => (false, 12),
            _ => return Vec::new(),
        };
        let two = |at: usize| {
            let bytes = page.get(at..)?.first_chunk()?;
            Some(usize::from(u16::from_be_bytes(*bytes)))
        };
        let count = two(start + 3).unwrap_or(0).min(page.len() / 2);
        let cells = (0..count).filter_map(|cell| two(start + header + 2 * cell));
        cells
            .filter_map(|cell| self.value(page, cell, leaf, header == 12))
            .collect()
    }

    /// The value of a cell, if it goes on elsewhere.
    fn value(&self, page: &[u8], cell: usize, table: bool, inner: bool) -> Option<(usize, Local)> {
        let mut at = if inner { cell + 4 } else { cell };
        let all = varint(page, &mut at)?;
        if table {
            varint(page, &mut at)?;
        }
        let most = if table {
            self.usable - 35
        } else {
            (self.usable - 12) * 64 / 255 - 23
        };
        if all <= most {
            return None;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let here = least + (all - least) % (self.usable - 4);
        let here = if here <= most { here } else { least };
        Some((
            at,
            Local {
                here: usize::try_from(here).ok()?,
                all,
            },
        ))
    }

    /// The value put together, as far as its pages are there and it is not too large.
    fn whole(&self, view: View<'_>, local: Local, page: &[u8], at: usize) -> Vec<u8> {
        let mut value = page.get(at..at + local.here).unwrap_or_default().to_vec();
        let most = usize::try_from(local.all).unwrap_or(usize::MAX).min(VALUE);
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |next| u32::from_be_bytes(*next));
        let mut next = number(page.get(at + local.here..).unwrap_or_default());
        // A chain that bites its tail ends where the value is full.
        while value.len() < most && next > 0 {
            let piece = view
                .bytes((u64::from(next) - 1) * self.page, self.usable as usize)
                .unwrap_or_default();
            let Some((link, rest)) = piece.split_at_checked(4).filter(|(_, rest)| !rest.is_empty()) else {
                break;
            };
            value.extend_from_slice(rest.get(..rest.len().min(most - value.len())).unwrap_or_default());
            next = number(link);
        }
        value
    }
}

/// SQLite's numbers of one to nine bytes, high end first.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if place == 8 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
