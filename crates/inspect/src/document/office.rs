//! Zip archives of XML parts. Entries are taken from the central directory, as Office itself does (APPNOTE.TXT 4.3.12).
//!
//! What a part is, its first bytes say and not its name: which part is the document, another part decides, and that one is
//! the attacker's as well.

mod write;

use std::io::Read as _;

pub use write::{Change, rewrite};

use super::{Out, Place, image, xml};
use crate::safe::part;

/// Most entries that are looked at.
const ENTRIES_MOST: usize = 4096;
/// The end record, and the longest comment behind it.
const END_BYTES: usize = 22 + 65_535;
/// Deepest nesting of documents in documents that is read.
const DEPTH_MOST: u8 = 2;
/// Bytes that tell what a part holds.
const HEAD_BYTES: u64 = 256;

/// One entry of the directory.
struct Entry<'a> {
    name: &'a [u8],
    method: usize,
    is_encrypted: bool,
    sum: usize,
    packed: usize,
    unpacked: usize,
    at: usize,
}

/// What a part holds, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Words, in XML or plain.
    Words,
    /// Another document.
    Document,
    /// A picture whose metadata can be read.
    Picture,
    /// Nothing of the author's: the state of a printer, fonts.
    Nothing,
    /// What nobody reads here.
    Other,
}

impl Holds {
    fn of(name: &[u8], bytes: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name);
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let head = bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(bytes)
            .trim_ascii_start();
        let is_xml = matches!(head, [b'<', ..])
            || matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, b'<', ..]);
        if bytes.is_empty() {
            Self::Nothing
        } else if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"%PDF-") {
            Self::Document
        } else if image::is(bytes) {
            Self::Picture
        } else if is_xml {
            Self::Words
        } else if name.contains("/printerSettings/") || ends(&[".odttf", ".fntdata", ".ttf", ".otf"]) {
            Self::Nothing
        } else if ends(&[".xml", ".rels", ".txt", ".css", ".json"]) || &*name == "mimetype" {
            Self::Words
        } else {
            Self::Other
        }
    }
}

/// Reads all parts. `None`: it is no archive of documents.
pub(super) fn read(bytes: &[u8], out: &mut Out, depth: u8) -> Option<()> {
    let entries = entries(bytes, out)?;
    if let Some(places) = &mut out.places {
        places.is_cut = out.cut;
    }
    for (index, entry) in entries.iter().enumerate() {
        let before = std::mem::take(&mut out.cut);
        if let Some(places) = &mut out.places {
            places.part = index;
        }
        let held = holds(bytes, entry, out, depth);
        if let Some(places) = &mut out.places {
            places.parts.insert(index, (held, out.cut));
        }
        out.cut |= before;
        out.line();
    }
    Some(())
}

/// Reads one part, and says what it holds.
fn holds(bytes: &[u8], entry: &Entry<'_>, out: &mut Out, depth: u8) -> Holds {
    let Some(head) = head(bytes, entry) else {
        out.cut = true;
        return Holds::Words;
    };
    let held = Holds::of(entry.name, &head);
    match held {
        Holds::Nothing => return held,
        // What is to be looked at is not unpacked further than its own words may stand.
        Holds::Other => {
            out.pictures = true;
            return held;
        }
        Holds::Picture => out.pictures = true,
        Holds::Words | Holds::Document => {}
    }
    let Some(plain) = unpacked(bytes, entry, out) else {
        out.cut = true;
        return held;
    };
    match held {
        Holds::Words => {
            let text = xml::text_of(&plain, out);
            xml::words(&text, out);
        }
        Holds::Document => whole(out, |out| inner(&plain, out, depth)),
        _ => whole(out, |out| image::read(&plain, out)),
    }
    held
}

/// What is read so has no places of its own: all of it is of the whole part.
fn whole(out: &mut Out, read: impl FnOnce(&mut Out)) {
    let (places, start) = (out.places.take(), out.text.len());
    read(out);
    out.places = places;
    let end = out.text.len();
    if let Some(places) = &mut out.places {
        let part = places.part;
        places.all.push(Place {
            start,
            end,
            part,
            from: 0,
            to: usize::MAX,
        });
    }
}

/// A document inside of one.
fn inner(bytes: &[u8], out: &mut Out, depth: u8) {
    let read = if bytes.starts_with(b"%PDF-") {
        super::pdf::read(bytes, out);
        Some(())
    } else if depth < DEPTH_MOST {
        read(bytes, out, depth + 1)
    } else {
        None
    };
    out.cut |= read.is_none();
}

/// The entries of an archive that is a document.
fn entries<'a>(bytes: &'a [u8], out: &mut Out) -> Option<Vec<Entry<'a>>> {
    let from = bytes.len().saturating_sub(END_BYTES);
    let end = from + memchr::memmem::rfind(part(bytes, from..), b"PK\x05\x06")?;
    let count = number(bytes, end + 10, 2)?;
    let mut at = number(bytes, end + 16, 4)?;
    let mut entries = Vec::new();
    for _ in 0..count.min(ENTRIES_MOST) {
        let Some(entry) = entry(bytes, &mut at) else {
            out.cut = true;
            break;
        };
        entries.push(entry);
    }
    out.cut |= count > ENTRIES_MOST;
    let is_document = |name: &[u8]| {
        matches!(
            name,
            b"[Content_Types].xml" | b"mimetype" | b"META-INF/container.xml" | b"content.xml"
        )
    };
    entries
        .iter()
        .any(|entry| is_document(entry.name))
        .then_some(entries)
}

/// A part, as far as the bounds go. `None`: it can't be read.
fn unpacked(bytes: &[u8], entry: &Entry<'_>, out: &mut Out) -> Option<Vec<u8>> {
    let packed = content(bytes, entry).filter(|_| !entry.is_encrypted)?;
    match entry.method {
        0 => {
            let length = packed.len().min(out.left);
            out.cut |= packed.len() > length;
            out.left -= length;
            Some(part(packed, ..length).to_vec())
        }
        8 => Some(out.unpack(flate2::read::DeflateDecoder::new(packed))),
        _ => None,
    }
}

/// The first bytes of a part.
fn head(bytes: &[u8], entry: &Entry<'_>) -> Option<Vec<u8>> {
    let packed = content(bytes, entry).filter(|_| !entry.is_encrypted)?;
    let mut head = Vec::new();
    let read = match entry.method {
        0 => packed.take(HEAD_BYTES).read_to_end(&mut head),
        8 => flate2::read::DeflateDecoder::new(packed)
            .take(HEAD_BYTES)
            .read_to_end(&mut head),
        _ => return None,
    };
    // What breaks off is told when it is read whole.
    (read.is_ok() || !head.is_empty()).then_some(head)
}

/// A number of at most four bytes, the low one first.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)),
    )
}

fn entry<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Entry<'a>> {
    let from = *at;
    if bytes.get(from..from.checked_add(4)?)? != b"PK\x01\x02" {
        return None;
    }
    let [name, extra, comment] =
        [28, 30, 32].map(|offset| number(bytes, from + offset, 2).unwrap_or_default());
    *at = from + 46 + name + extra + comment;
    Some(Entry {
        name: bytes.get(from + 46..from + 46 + name)?,
        method: number(bytes, from + 10, 2)?,
        is_encrypted: number(bytes, from + 8, 2)? & 1 == 1,
        sum: number(bytes, from + 16, 4)?,
        packed: number(bytes, from + 20, 4)?,
        unpacked: number(bytes, from + 24, 4)?,
        at: number(bytes, from + 42, 4)?,
    })
}

fn content<'a>(bytes: &'a [u8], entry: &Entry<'_>) -> Option<&'a [u8]> {
    let head = bytes.get(entry.at..)?;
    if !head.starts_with(b"PK\x03\x04") {
        return None;
    }
    let from = 30 + number(head, 26, 2)? + number(head, 28, 2)?;
    head.get(from..from.checked_add(entry.packed)?)
}

#[cfg(test)]
mod tests;
