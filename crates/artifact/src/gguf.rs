//! GGUF: keys and values, descriptions of tensors, numbers. Its chat templates are Jinja; its lengths can lie.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    rule,
    scan::Scan,
    source::View,
    template, values,
};

/// Arrays in arrays.
const NESTED: u32 = 4;
/// Bytes of a key.
const KEY: u64 = 1 << 16;

/// Looks at the header. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    if let Err(stop) = header(scan, &mut feed, view.size()) {
        let at = feed.offset();
        match stop {
            Stop::End | Stop::Corrupt => {
                lies(scan, at, "header", "a length or type in the header can't be true")
            }
            other => scan.stopped(other, at),
        }
    }
    "gguf".to_owned()
}

fn lies(scan: &mut Scan<'_>, at: u64, subject: &str, what: &str) {
    scan.find(
        &rule::GGUF_HEADER,
        Verdict::Suspicious,
        at,
        subject,
        what.to_owned(),
    );
}

fn header(scan: &mut Scan<'_>, feed: &mut Feed<'_>, size: u64) -> Result<(), Stop> {
    let magic: [u8; 4] = feed.array()?;
    let version = u32::from_le_bytes(feed.array()?);
    if &magic != b"GGUF" {
        lies(scan, 0, "magic", "does not begin as GGUF does");
        return Ok(());
    }
    if !(2..=3).contains(&version) {
        let what = format!("is of version {version}, or of the other byte order, and is not looked into");
        scan.find(&rule::GGUF_HEADER, Verdict::Unknown, 4, "version", what);
        return Ok(());
    }
    let tensors = u64::from_le_bytes(feed.array()?);
    let keys = u64::from_le_bytes(feed.array()?);
    if tensors > size / 24 || keys > size / 12 {
        return Err(Stop::Corrupt);
    }
    let alignment = pairs(scan, feed, keys)?;
    if alignment == 0 || alignment > 1 << 20 || !alignment.is_multiple_of(8) {
        lies(scan, 0, "alignment", "the alignment is none");
        return Ok(());
    }
    let (mut furthest, mut last) = (0_u64, Some(0_u64));
    for _ in 0..tensors {
        string(feed, KEY)?;
        let sides = u32::from_le_bytes(feed.array()?);
        if sides > 8 {
            return Err(Stop::Corrupt);
        }
        let mut count = 1_u64;
        for _ in 0..sides {
            count = count
                .checked_mul(u64::from_le_bytes(feed.array()?))
                .ok_or(Stop::Corrupt)?;
        }
        let kind = u32::from_le_bytes(feed.array()?);
        let offset = u64::from_le_bytes(feed.array()?);
        // Where a type is not known, nothing is said of what follows the tensors.
        last = match (last, bytes_of(kind, count)) {
            (Some(last), Some(bytes)) => Some(last.max(offset.saturating_add(bytes))),
            _ => None,
        };
        // The densest types give an element little more than a bit.
        furthest = furthest.max(offset.checked_add(count / 8).ok_or(Stop::Corrupt)?);
    }
    let start = feed.offset().next_multiple_of(alignment);
    let padding = usize::try_from(start.min(size) - feed.offset().min(size)).unwrap_or(0);
    if feed.peek(padding)?.iter().take(padding).any(|byte| *byte != 0) {
        lies(
            scan,
            feed.offset(),
            "padding",
            "bytes lie between the header and the tensors",
        );
    }
    if start
        .checked_add(furthest)
        .is_none_or(|end| end > size.max(start))
    {
        lies(scan, start, "tensors", "a tensor lies past the end of the file");
    }
    let end = last
        .and_then(|last| start.checked_add(last))
        .and_then(|end| end.checked_next_multiple_of(alignment));
    if let Some(end) = end.filter(|end| *end < size) {
        let what = format!("{} bytes follow the last tensor", size - end);
        scan.find(&rule::TRAILING, Verdict::Unknown, end, "after tensors", what);
    }
    Ok(())
}

/// Bytes that so many elements of a type take.
fn bytes_of(kind: u32, count: u64) -> Option<u64> {
    let (elements, bytes) = match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    };
    count.div_ceil(elements).checked_mul(bytes)
}

/// Keys and values. Returns how tensors are aligned.
fn pairs(scan: &mut Scan<'_>, feed: &mut Feed<'_>, keys: u64) -> Result<u64, Stop> {
    let mut alignment = 32_u64;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..keys {
        let at = feed.offset();
        let key = string(feed, KEY)?;
        let key = String::from_utf8_lossy(&key).into_owned();
        let kind = u32::from_le_bytes(feed.array()?);
        if key == "general.alignment" && kind == 4 {
            alignment = u64::from(u32::from_le_bytes(feed.array()?));
        } else if kind == 8 && key.contains("template") {
            let text = string(feed, scan.limits.document_bytes as u64)?;
            template::judge(scan, &key, &String::from_utf8_lossy(&text));
        } else if kind == 8 {
            let text = string(feed, scan.limits.document_bytes as u64)?;
            values::judge(scan, at, &key, &String::from_utf8_lossy(&text));
        } else {
            let is_template = key.contains("template");
            value(scan, feed, kind, 0, is_template.then_some(key.as_str()))?;
        }
        if !seen.insert(key) {
            lies(scan, at, "key", "a key is there twice; readers take either");
        }
    }
    Ok(alignment)
}

fn string(feed: &mut Feed<'_>, most: u64) -> Result<Vec<u8>, Stop> {
    let length = u64::from_le_bytes(feed.array()?);
    if length > most {
        return Err(Stop::Corrupt);
    }
    let end = feed
        .offset()
        .checked_add(length)
        .filter(|end| *end <= feed.end())
        .ok_or(Stop::End)?;
    let outer = feed.end_at(end);
    let text = feed.rest(usize::try_from(most).unwrap_or(usize::MAX));
    feed.end_at(outer);
    text
}

fn value(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    kind: u32,
    depth: u32,
    subject: Option<&str>,
) -> Result<(), Stop> {
    let size = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        8 => {
            if let Some(subject) = subject {
                let text = string(feed, scan.limits.document_bytes as u64)?;
                template::judge(scan, subject, &String::from_utf8_lossy(&text));
                return Ok(());
            }
            let length = u64::from_le_bytes(feed.array()?);
            return feed.skip(length);
        }
        9 if depth < NESTED => {
            if depth > 0 {
                let at = feed.offset();
                lies(scan, at, "array", "a list holds lists, which no reader takes");
            }
            let inner = u32::from_le_bytes(feed.array()?);
            let count = u64::from_le_bytes(feed.array()?);
            let fixed = match inner {
                0 | 1 | 7 => 1,
                2 | 3 => 2,
                4..=6 => 4,
                10..=12 => 8,
                _ => 0,
            };
            if fixed > 0 {
                return feed.skip(count.checked_mul(fixed).ok_or(Stop::Corrupt)?);
            }
            for _ in 0..count {
                value(scan, feed, inner, depth + 1, subject)?;
            }
            return Ok(());
        }
        _ => return Err(Stop::Corrupt),
    };
    feed.skip(size)
}
