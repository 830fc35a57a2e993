//! An Office file with some of its words replaced, everything else as it was.
//!
//! A word that is cut into runs is replaced in its first one and taken out of the others. INVARIANT: either all changes are
//! made, or there is no file: what stands where it can't be changed makes the whole `None`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::Range;

use super::super::{Out, Place, Places, image};
use super::{Entry, Holds, content, entries, read, unpacked};
use crate::safe::part;

/// A stretch of a document's text, and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Bytes of [`super::super::Document::text`].
    pub range: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// Bytes of one part, and what takes their place.
type Edits = BTreeMap<usize, Vec<(Range<usize>, String)>>;

/// Writes the file anew. `changes` are in order and apart. With `words_alone`, pictures become empty ones, and other
/// parts that are no words become empty.
#[must_use]
pub fn rewrite(bytes: &[u8], changes: &[Change], words_alone: bool) -> Option<Vec<u8>> {
    let mut out = Out {
        places: Some(Places::default()),
        ..Out::default()
    };
    read(bytes, &mut out, 0)?;
    let places = out.places.take()?;
    let entries = entries(bytes, &mut Out::default())?;
    // What could not be read may not go on, unless it is taken out.
    let unread = |held: &(Holds, bool)| held.1 && (held.0 == Holds::Words || !words_alone);
    if places.is_cut || places.parts.values().any(unread) {
        return None;
    }
    let emptied = |index: usize| {
        let held = places.parts.get(&index).map(|(held, _)| *held);
        words_alone && matches!(held, Some(Holds::Picture | Holds::Other | Holds::Document))
    };
    let edits = edits(&out.text, &places.all, changes, &emptied)?;
    let mut archive = Archive::default();
    let mut names = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        // A name that is there twice is one thing to one reader and another to the next.
        if !names.insert(entry.name) {
            return None;
        }
        let changed = match edits.get(&index) {
            _ if emptied(index) => {
                let plain = unpacked(bytes, entry, &mut Out::default())?;
                Some(image::blank(&plain).to_vec())
            }
            Some(edits) => {
                let plain = unpacked(bytes, entry, &mut Out::default())?;
                Some(applied(str::from_utf8(&plain).ok()?, edits).into_bytes())
            }
            None => None,
        };
        match changed {
            Some(plain) => archive.add(entry.name, &plain)?,
            None => archive.copy(entry, content(bytes, entry)?)?,
        }
    }
    archive.end()
}

/// What changes in which part. `None`: some of it has no place.
fn edits(text: &str, places: &[Place], changes: &[Change], emptied: &dyn Fn(usize) -> bool) -> Option<Edits> {
    let mut edits = Edits::new();
    for change in changes {
        let (mut at, mut written) = (change.range.start, false);
        let first = places.partition_point(|place| place.end <= change.range.start);
        for place in places.iter().skip(first) {
            if place.start >= change.range.end {
                break;
            }
            let (start, end) = (place.start.max(at), place.end.min(change.range.end));
            if !is_gap(text.get(at..start)?) {
                return None;
            }
            at = end;
            if emptied(place.part) {
                continue;
            }
            let new = match written {
                true => String::new(),
                false => escaped(&change.text),
            };
            written = true;
            edits
                .entry(place.part)
                .or_default()
                .push((place.bytes_of(start..end)?, new));
        }
        if !is_gap(text.get(at..change.range.end)?) {
            return None;
        }
    }
    Some(edits)
}

impl Place {
    /// The bytes of the part that a stretch of the text was read from. `None`: nobody knows.
    fn bytes_of(&self, range: Range<usize>) -> Option<Range<usize>> {
        if self.to == usize::MAX {
            return None;
        }
        // A code stands for one character, and goes whole.
        let is_plain = self.end - self.start == self.to - self.from;
        let moved = |at: usize| self.from + (at - self.start);
        Some(if is_plain {
            moved(range.start)..moved(range.end)
        } else {
            self.from..self.to
        })
    }
}

/// What stands between words of the text and is of no part.
fn is_gap(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\n' | b' '))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn applied(part: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut all: Vec<(Range<usize>, String)> = edits.to_vec();
    let cells: Vec<_> = all
        .iter()
        .filter_map(|(range, _)| cell(part, range.start))
        .collect();
    all.extend(cells);
    all.sort_by_key(|(range, _)| (range.start, range.end));
    all.dedup_by(|two, one| two.0 == one.0);
    let (mut out, mut at) = (String::with_capacity(part.len()), 0);
    for (range, new) in &all {
        out.push_str(part.get(at..range.start).unwrap_or_default());
        out.push_str(new);
        at = range.end.max(at);
    }
    out.push_str(part.get(at..).unwrap_or_default());
    out
}

/// A cell of a sheet whose value is a number holds a text now, and has to say so (ECMA-376, 18.18.11).
fn cell(part: &str, at: usize) -> Option<(Range<usize>, String)> {
    let before = part.get(..at)?;
    let inner = before.get(before.rfind('<')? + 1..)?;
    let name = inner.split(['>', ' ']).next()?;
    let prefix = name
        .strip_suffix('v')
        .filter(|prefix| prefix.is_empty() || prefix.ends_with(':'))?;
    let start = format!("<{prefix}c");
    let open = before
        .rfind(&format!("{start} "))
        .or_else(|| before.rfind(&format!("{start}>")))?;
    let tag = part.get(open..open + part.get(open..)?.find('>')?)?;
    match tag.find(" t=") {
        None => {
            let at = open + start.len();
            Some((at..at, " t=\"str\"".to_owned()))
        }
        Some(kind) => {
            let value = tag.get(kind + 4..)?;
            let length = value.find(['"', '\''])?;
            let is_text = matches!(value.get(..length), Some("str" | "inlineStr" | "s"));
            let from = open + kind + 4;
            (!is_text).then(|| (from..from + length, "str".to_owned()))
        }
    }
}

/// An archive as it is put together.
#[derive(Default)]
struct Archive {
    out: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

/// What the archive says of a part.
struct Facts<'a> {
    name: &'a [u8],
    method: u16,
    sum: u32,
    packed: u32,
    unpacked: u32,
}

impl Archive {
    fn add(&mut self, name: &[u8], plain: &[u8]) -> Option<()> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).ok()?;
        let packed = encoder.finish().ok()?;
        let facts = Facts {
            name,
            method: 8,
            sum: crc32fast::hash(plain),
            packed: u32::try_from(packed.len()).ok()?,
            unpacked: u32::try_from(plain.len()).ok()?,
        };
        self.put(&facts, &packed)
    }

    fn copy(&mut self, entry: &Entry<'_>, packed: &[u8]) -> Option<()> {
        let facts = Facts {
            name: entry.name,
            method: u16::try_from(entry.method).ok()?,
            sum: u32::try_from(entry.sum).ok()?,
            packed: u32::try_from(entry.packed).ok()?,
            unpacked: u32::try_from(entry.unpacked).ok()?,
        };
        self.put(&facts, packed)
    }

    /// A part, and its entry of the directory (APPNOTE.TXT 4.3.7, 4.3.12). Its time is the first that there is.
    fn put(&mut self, facts: &Facts<'_>, packed: &[u8]) -> Option<()> {
        let at = u32::try_from(self.out.len()).ok()?;
        let mut head = Vec::new();
        // Version 2.0, names in UTF-8.
        head.extend([20, 0, 0, 8]);
        head.extend(facts.method.to_le_bytes());
        head.extend([0, 0, 0x21, 0]);
        for number in [facts.sum, facts.packed, facts.unpacked] {
            head.extend(number.to_le_bytes());
        }
        head.extend(u16::try_from(facts.name.len()).ok()?.to_le_bytes());
        head.extend([0, 0]);
        self.out.extend(b"PK\x03\x04");
        self.out.extend(&head);
        self.out.extend(facts.name);
        self.out.extend(packed);
        self.directory.extend(b"PK\x01\x02\x14\0");
        self.directory.extend(&head);
        self.directory.extend([0; 10]);
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(facts.name);
        self.count = self.count.checked_add(1)?;
        Some(())
    }

    fn end(mut self) -> Option<Vec<u8>> {
        let at = u32::try_from(self.out.len()).ok()?;
        let length = u32::try_from(self.directory.len()).ok()?;
        self.out.extend(part(&self.directory, ..));
        self.out.extend(b"PK\x05\x06\0\0\0\0");
        self.out.extend(self.count.to_le_bytes());
        self.out.extend(self.count.to_le_bytes());
        self.out.extend(length.to_le_bytes());
        self.out.extend(at.to_le_bytes());
        self.out.extend([0, 0]);
        Some(self.out)
    }
}
