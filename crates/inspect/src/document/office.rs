//! Zip archives of XML parts. Entries are taken from the central directory, as Office itself does (APPNOTE.TXT 4.3.12).

use super::Out;
use crate::safe::part;

/// Most entries that are looked at.
const ENTRIES_MOST: usize = 4096;
/// The end record, and the longest comment behind it.
const END_BYTES: usize = 22 + 65_535;

/// One entry of the directory.
struct Entry<'a> {
    name: &'a [u8],
    method: usize,
    packed: usize,
    at: usize,
}

/// Reads all parts that hold text. `None`: it is no archive of documents.
pub(super) fn read(bytes: &[u8], out: &mut Out) -> Option<()> {
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
    if !entries.iter().any(|entry| is_document(entry.name)) {
        return None;
    }
    for entry in entries.iter().filter(|entry| holds_text(entry.name)) {
        let Some(packed) = content(bytes, entry) else {
            out.cut = true;
            continue;
        };
        match entry.method {
            0 => {
                let left = out.left;
                out.cut |= packed.len() > left;
                out.left -= packed.len().min(left);
                xml(part(packed, ..packed.len().min(left)), out);
            }
            8 => {
                let plain = out.unpack(flate2::read::DeflateDecoder::new(packed));
                xml(&plain, out);
            }
            _ => out.cut = true,
        }
        out.line();
    }
    Some(())
}

/// Parts with words, and those with addresses that words lead to.
fn holds_text(name: &[u8]) -> bool {
    let ends = [".xml", ".rels", ".xhtml", ".html", ".htm", ".txt"];
    // Styles, themes and the like have no words of the author's.
    let dull = [
        "theme",
        "styles",
        "fontTable",
        "settings",
        "[Content_Types]",
        "numbering",
        "calcChain",
    ];
    let name = String::from_utf8_lossy(name);
    let file = name.rsplit('/').next().unwrap_or_default();
    ends.iter().any(|end| file.ends_with(end)) && !dull.iter().any(|dull| file.starts_with(dull))
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
        packed: number(bytes, from + 20, 4)?,
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

/// Attributes whose values somebody reads, or follows.
const SPOKEN: [&str; 6] = [
    "descr=\"",
    "title=\"",
    "Target=\"",
    "xlink:href=\"",
    "alt=\"",
    "tooltip=\"",
];
/// Elements after which a line ends. Words of one paragraph are cut into runs wherever their look changes, so nothing
/// else separates them.
const LINES: [&str; 14] = [
    "/w:p", "/a:p", "/si", "/c", "/row", "w:br", "/text:p", "/text:h", "/p", "br", "/div", "/li", "/h1",
    "/td",
];

/// The words of one XML part.
fn xml(bytes: &[u8], out: &mut Out) {
    let text = String::from_utf8_lossy(bytes);
    let mut rest: &str = &text;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        words(rest.get(..at).unwrap_or_default(), out);
        rest = rest.get(at..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("<!--") {
            let length = comment.find("-->").unwrap_or(comment.len());
            words(comment.get(..length).unwrap_or_default(), out);
            out.line();
            rest = comment
                .get(length..)
                .unwrap_or_default()
                .trim_start_matches("-->");
            continue;
        }
        let Some(end) = memchr::memchr(b'>', rest.as_bytes()) else {
            return;
        };
        let tag = rest.get(1..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        let name = tag.split([' ', '\n', '\r', '\t']).next().unwrap_or_default();
        match name.trim_end_matches('/') {
            "w:tab" | "text:s" | "text:tab" | "a:tab" => out.push(' '),
            name if LINES.contains(&name) => out.line(),
            _ => {}
        }
        for spoken in SPOKEN {
            if let Some((_, value)) = tag.split_once(spoken) {
                out.line();
                words(value.split('"').next().unwrap_or_default(), out);
                out.line();
            }
        }
    }
    words(rest, out);
}

/// Character data, with the five entities of XML and numbers resolved.
fn words(text: &str, out: &mut Out) {
    // Between elements there is only the writer's own spacing.
    if text.trim().is_empty() && text.contains('\n') {
        return;
    }
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let c = end.and_then(|end| match rest.get(1..end)? {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)
            }
        });
        match (c, end) {
            (Some(c), Some(end)) => {
                out.push(c);
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            _ => {
                out.push('&');
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
}
