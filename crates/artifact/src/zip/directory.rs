//! A ZIP's two stories: the central directory and the headers before each member. Whatever they tell differently, some
//! loader believes the one and some the other.

use std::collections::HashSet;

use crate::{
    feed::{Feed, Stop},
    finding::{Verdict, shown},
    format, rule,
    scan::Scan,
    source::View,
};

/// Bytes at the end in which the end record is looked for: its own and the longest comment.
const TAIL: u64 = 22 + 65_535;

/// A member, as both stories tell it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) method: u16,
    pub(super) encrypted: bool,
    pub(super) checksum: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    /// Offset of the data; `None` where the member's own header can't be found.
    pub(super) data: Option<u64>,
    local: u64,
    flags: u16,
    raw: Vec<u8>,
}

struct End {
    entries: u64,
    size: u64,
    offset: u64,
    /// Where the directory has to end.
    at: u64,
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    let mut word = [0; 2];
    word.copy_from_slice(bytes.get(at..at + 2).unwrap_or(&[0; 2]));
    u16::from_le_bytes(word)
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(bytes.get(at..at + 4).unwrap_or(&[0; 4]));
    u32::from_le_bytes(word)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(bytes.get(at..at + 8).unwrap_or(&[0; 8]));
    u64::from_le_bytes(word)
}

fn disagrees(scan: &mut Scan<'_>, at: u64, subject: &str, what: String) {
    scan.find(&rule::ARCHIVE_DISAGREES, Verdict::Suspicious, at, subject, what);
}

fn hidden(scan: &mut Scan<'_>, at: u64, subject: &str, what: String) {
    scan.find(&rule::ARCHIVE_HIDDEN, Verdict::Suspicious, at, subject, what);
}

/// Whether an end record is near the end: what Python's `zipfile` calls a ZIP, whatever the first bytes are.
pub(crate) fn has_end(view: View<'_>) -> bool {
    let from = view.size().saturating_sub(TAIL);
    let tail = view.bytes(from, TAIL as usize).unwrap_or_default();
    all_ends(&tail).last().is_some_and(|at| {
        let at = *at;
        let start = u64::from(le32(&tail, at + 16));
        let signature = view.bytes(start, 4).unwrap_or_default();
        le16(&tail, at + 10) == 0xffff || start == u64::from(u32::MAX) || signature == b"PK\x01\x02" || {
            // A prefix moves everything: the directory lies before the end record by its size.
            let size = u64::from(le32(&tail, at + 12));
            let moved = (from + at as u64).saturating_sub(size);
            size > 0 && view.bytes(moved, 4).unwrap_or_default() == b"PK\x01\x02"
        }
    })
}

fn end(scan: &mut Scan<'_>, view: View<'_>) -> Result<Option<End>, Stop> {
    let from = view.size().saturating_sub(TAIL);
    let tail = view.bytes(from, TAIL as usize)?;
    let found = all_ends(&tail);
    let Some(last) = found.last().copied() else {
        return Ok(None);
    };
    let at = from + last as u64;
    let comment = u64::from(le16(&tail, last + 20));
    if at + 22 + comment != view.size() {
        hidden(
            scan,
            at,
            "after the end",
            "bytes follow the end record, or its comment is cut off".to_owned(),
        );
    }
    let mut end = End {
        entries: u64::from(le16(&tail, last + 10)),
        size: u64::from(le32(&tail, last + 12)),
        offset: u64::from(le32(&tail, last + 16)),
        at,
    };
    if le16(&tail, last + 4) != 0
        || le16(&tail, last + 6) != 0
        || le16(&tail, last + 8) != le16(&tail, last + 10)
    {
        disagrees(scan, at, "disks", "claims to be one of several disks".to_owned());
    }
    if let Some(locator) = at.checked_sub(20) {
        let bytes = view.bytes(locator, 20)?;
        if bytes.starts_with(b"PK\x06\x07") {
            wide(scan, view, &bytes, &mut end)?;
        }
    }
    let earlier = found.iter().rev().skip(1).map(|position| from + *position as u64);
    if earlier
        .into_iter()
        .any(|position| position >= end.at.saturating_sub(4))
    {
        hidden(scan, at, "end records", "has more than one end record".to_owned());
    }
    Ok(Some(end))
}

fn all_ends(tail: &[u8]) -> Vec<usize> {
    let fits = tail.len().saturating_sub(21);
    (0..fits)
        .filter(|at| tail.get(*at..at + 4) == Some(b"PK\x05\x06"))
        .collect()
}

/// The end record of ZIP64.
fn wide(scan: &mut Scan<'_>, view: View<'_>, locator: &[u8], end: &mut End) -> Result<(), Stop> {
    let at = le64(locator, 8);
    let record = view.bytes(at, 56)?;
    if !record.starts_with(b"PK\x06\x06") || record.len() < 56 {
        disagrees(
            scan,
            at,
            "zip64",
            "the ZIP64 end record is not where its locator says".to_owned(),
        );
        return Ok(());
    }
    let (entries, size, offset) = (le64(&record, 32), le64(&record, 40), le64(&record, 48));
    let differs = |short: u64, long: u64, full: u64| short != full && short != long;
    if differs(end.entries, entries, 0xffff)
        || differs(end.size, size, 0xffff_ffff)
        || differs(end.offset, offset, 0xffff_ffff)
    {
        disagrees(
            scan,
            at,
            "zip64",
            "the two end records tell different stories".to_owned(),
        );
    }
    if at
        .checked_add(12)
        .and_then(|start| start.checked_add(le64(&record, 4)))
        != Some(end.at - 20)
    {
        hidden(scan, at, "zip64", "bytes lie between the end records".to_owned());
    }
    *end = End {
        entries,
        size,
        offset,
        at,
    };
    Ok(())
}

/// Reads both stories. Everything that differs is a finding.
pub(super) fn read(scan: &mut Scan<'_>, view: View<'_>) -> Result<Vec<Entry>, Stop> {
    let Some(end) = end(scan, view)? else {
        scan.find(
            &rule::UNREADABLE,
            Verdict::Unknown,
            0,
            "end record",
            "has no end record".to_owned(),
        );
        return Ok(Vec::new());
    };
    let start = end.at.saturating_sub(end.size);
    if end.size > end.at || start != end.offset {
        hidden(
            scan,
            0,
            "directory",
            "the directory is not where the end record says".to_owned(),
        );
    }
    // Readers that go by the offset, and readers that go back from the end: followed is the second, as Python does.
    let shift = start.saturating_sub(end.offset);
    let mut feed = Feed::view(view.part(start, end.size.min(end.at)));
    let mut entries = Vec::new();
    while !feed.peek(1)?.is_empty() {
        if entries.len() as u64 >= scan.limits.members {
            scan.find(
                &rule::LIMIT,
                Verdict::Unknown,
                0,
                "members",
                "holds more members than are looked into".to_owned(),
            );
            break;
        }
        match central(scan, &mut feed, shift, start)? {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    if entries.len() as u64 != end.entries {
        let what = format!(
            "the end record counts {}, the directory {}",
            end.entries,
            entries.len()
        );
        disagrees(scan, end.at, "count", what);
    }
    let mut seen = HashSet::new();
    for entry in &mut entries {
        local(scan, view, entry)?;
        let plain = entry.name.replace('\\', "/").to_lowercase();
        if !seen.insert(plain.trim_start_matches("./").to_owned()) {
            disagrees(
                scan,
                entry.local,
                &entry.name,
                format!("`{}` is there twice; loaders pick either", entry.name),
            );
        }
    }
    spans(scan, view, &entries, start)?;
    Ok(entries)
}

fn central(scan: &mut Scan<'_>, feed: &mut Feed<'_>, shift: u64, start: u64) -> Result<Option<Entry>, Stop> {
    let at = start + feed.offset();
    let fixed: [u8; 46] = match feed.array() {
        Ok(fixed) => fixed,
        Err(Stop::End) => {
            hidden(
                scan,
                at,
                "directory",
                "the directory ends in the middle of an entry".to_owned(),
            );
            return Ok(None);
        }
        Err(stop) => return Err(stop),
    };
    if !fixed.starts_with(b"PK\x01\x02") {
        hidden(
            scan,
            at,
            "directory",
            "the directory holds bytes that are no entry".to_owned(),
        );
        return Ok(None);
    }
    let raw = feed.need(usize::from(le16(&fixed, 28)))?.to_vec();
    let extra = feed.need(usize::from(le16(&fixed, 30)))?.to_vec();
    feed.skip(u64::from(le16(&fixed, 32)))?;
    let mut entry = Entry {
        name: shown(&raw, 1000),
        method: le16(&fixed, 10),
        encrypted: le16(&fixed, 8) & 0x2041 != 0,
        checksum: le32(&fixed, 16),
        packed: u64::from(le32(&fixed, 20)),
        size: u64::from(le32(&fixed, 24)),
        data: None,
        local: u64::from(le32(&fixed, 42)),
        flags: le16(&fixed, 8),
        raw,
    };
    widen(scan, at, &extra, &mut entry);
    if entry.local != u64::MAX {
        entry.local = entry.local.saturating_add(shift);
    }
    names(scan, at, &extra, &entry);
    let mode = le32(&fixed, 38) >> 16;
    if mode & 0xf000 == 0xa000 {
        let what = format!("`{}` is a link", entry.name);
        scan.find(&rule::LINK, Verdict::Suspicious, at, &entry.name, what);
    }
    Ok(Some(entry))
}

/// The ZIP64 extra field: the sizes that did not fit.
fn widen(scan: &mut Scan<'_>, at: u64, extra: &[u8], entry: &mut Entry) {
    let mut fields = field(extra, 1);
    let mut take = |value: &mut u64| {
        if *value == 0xffff_ffff {
            if fields.len() < 8 {
                return false;
            }
            *value = le64(&fields, 0);
            fields.drain(..8);
        }
        true
    };
    let whole = take(&mut entry.size) && take(&mut entry.packed) && take(&mut entry.local);
    if !whole && !field(extra, 1).is_empty() {
        disagrees(
            scan,
            at,
            &entry.name,
            format!("`{}` has sizes that are cut off", entry.name),
        );
    }
}

/// An extra field's bytes; empty: it is not there.
fn field(extra: &[u8], id: u16) -> Vec<u8> {
    let mut rest = extra;
    while rest.len() >= 4 {
        let length = usize::from(le16(rest, 2));
        let Some(body) = rest.get(4..4 + length) else {
            break;
        };
        if le16(rest, 0) == id {
            return body.to_vec();
        }
        rest = rest.get(4 + length..).unwrap_or_default();
    }
    Vec::new()
}

fn names(scan: &mut Scan<'_>, at: u64, extra: &[u8], entry: &Entry) {
    if entry.raw.contains(&0) || entry.raw.contains(&b'\\') {
        let what = format!("`{}` is cut or turned by some loaders", entry.name);
        disagrees(scan, at, &entry.name, what);
    }
    let other = field(extra, 0x7075);
    if other.get(5..).is_some_and(|name| name != entry.raw) {
        let what = format!(
            "`{}` has a second name, `{}`",
            entry.name,
            shown(other.get(5..).unwrap_or_default(), 200)
        );
        disagrees(scan, at, &entry.name, what);
    }
    if format::leads_out(&String::from_utf8_lossy(&entry.raw)) {
        let what = format!("unpacking writes `{}`, outside the folder", entry.name);
        scan.find(&rule::TRAVERSAL, Verdict::Malicious, at, &entry.name, what);
    }
}

/// The member's own header, compared.
fn local(scan: &mut Scan<'_>, view: View<'_>, entry: &mut Entry) -> Result<(), Stop> {
    let fixed = view.bytes(entry.local, 30)?;
    if fixed.len() < 30 || !fixed.starts_with(b"PK\x03\x04") {
        let what = format!("`{}` has no header where the directory says", entry.name);
        disagrees(scan, entry.local, &entry.name, what);
        return Ok(());
    }
    let (length, extra) = (usize::from(le16(&fixed, 26)), usize::from(le16(&fixed, 28)));
    let name = view.bytes(entry.local + 30, length)?;
    let extra = view.bytes(entry.local + 30 + length as u64, extra)?;
    let described = entry.flags & 8 != 0;
    let (mut packed, mut size) = (u64::from(le32(&fixed, 18)), u64::from(le32(&fixed, 22)));
    let wide = field(&extra, 1);
    if size == 0xffff_ffff && wide.len() >= 8 {
        size = le64(&wide, 0);
        if packed == 0xffff_ffff && wide.len() >= 16 {
            packed = le64(&wide, 8);
        }
    }
    let mut told = Vec::new();
    if name != entry.raw {
        told.push(format!("name `{}`", shown(&name, 200)));
    }
    if le16(&fixed, 6) != entry.flags {
        told.push(format!(
            "flags {:#06x} and not {:#06x}",
            le16(&fixed, 6),
            entry.flags
        ));
    }
    if le16(&fixed, 8) != entry.method {
        told.push(format!("method {} and not {}", le16(&fixed, 8), entry.method));
    }
    let unset = described && packed == 0 && size == 0;
    if (packed, size) != (entry.packed, entry.size) && !unset {
        told.push("other sizes".to_owned());
    }
    if le32(&fixed, 14) != entry.checksum && !(described && le32(&fixed, 14) == 0) {
        told.push("another checksum".to_owned());
    }
    if entry.method == 0 && entry.packed != entry.size {
        told.push("two sizes of what is not packed".to_owned());
    }
    if !told.is_empty() {
        let what = format!("`{}`: its own header says {}", entry.name, told.join(", "));
        disagrees(scan, entry.local, &entry.name, what);
    }
    entry.data = Some(entry.local + 30 + length as u64 + extra.len() as u64);
    Ok(())
}

/// Members have to lie side by side, from the first byte to the directory.
fn spans(scan: &mut Scan<'_>, view: View<'_>, entries: &[Entry], directory: u64) -> Result<(), Stop> {
    let mut spans: Vec<(u64, u64, bool, &str)> = entries
        .iter()
        .filter_map(|entry| {
            let end = entry.data?.saturating_add(entry.packed);
            Some((entry.local, end, entry.flags & 8 != 0, entry.name.as_str()))
        })
        .collect();
    spans.sort_unstable();
    let mut next = 0_u64;
    let mut described = false;
    for (start, end, describes, name) in spans
        .into_iter()
        .chain([(directory, directory, false, "directory")])
    {
        if start < next {
            hidden(
                scan,
                start,
                name,
                format!("`{name}` lies over the member before it"),
            );
        } else {
            let gap = start - next;
            let fits = gap == 0
                || described && (matches!(gap, 12 | 16 | 20 | 24)) && {
                    let bytes = view.bytes(next, 4)?;
                    matches!(gap, 12 | 20) || bytes == b"PK\x07\x08"
                };
            if !fits {
                hidden(
                    scan,
                    next,
                    name,
                    format!("{gap} bytes before `{name}` belong to no member"),
                );
                let part = view.part(next, gap);
                scan.inside("hidden bytes", |scan| format::whole(scan, part, ""));
            }
        }
        next = next.max(end);
        described = describes;
    }
    Ok(())
}
