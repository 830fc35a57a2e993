//! MessagePack, as Flax writes its weights: maps of maps whose leaves are arrays. Walked to its end, nothing kept.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    pickle, rule,
    scan::Scan,
    source::View,
};

/// Containers in containers.
const DEPTH: u32 = 64;
/// Bytes of a value that are looked at for a pickle.
const HELD: u64 = 1 << 20;

/// Whether a file of this name and these first bytes is one.
pub(crate) fn is_one(head: &[u8], ending: &str) -> bool {
    matches!(ending, "msgpack" | "flax" | "msgp") && matches!(head.first(), Some(0x81..=0x8f | 0xde | 0xdf))
}

/// Whether these first bytes could be of a map or a list.
pub(crate) fn may_be(head: &[u8]) -> bool {
    matches!(head.first(), Some(0x81..=0x8f | 0x91..=0x9f | 0xdc..=0xdf))
}

/// Looks into a file. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    let done = value(scan, view, &mut feed, 0);
    let at = feed.offset();
    match done {
        Ok(()) if at == view.size() => {}
        Ok(()) => {
            let what = "bytes follow the end of the value".to_owned();
            scan.find(&rule::TRAILING, Verdict::Unknown, at, "after value", what);
        }
        Err(Stop::Corrupt) => {
            let what = "is no well formed value, or nested too deep".to_owned();
            scan.find(&rule::UNREADABLE, Verdict::Unknown, at, "msgpack", what);
        }
        Err(stop) => scan.stopped(stop, at),
    }
    "msgpack".to_owned()
}

fn wide(feed: &mut Feed<'_>, bytes: u8) -> Result<u64, Stop> {
    let mut number = 0;
    for _ in 0..bytes {
        number = number << 8 | u64::from(feed.byte()?);
    }
    Ok(number)
}

fn value(scan: &mut Scan<'_>, view: View<'_>, feed: &mut Feed<'_>, depth: u32) -> Result<(), Stop> {
    if depth > DEPTH {
        return Err(Stop::Corrupt);
    }
    let first = feed.byte()?;
    // How many values follow, or how many bytes.
    let (values, bytes) = match first {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, 0),
        0x80..=0x8f => (u64::from(first & 15) * 2, 0),
        0x90..=0x9f => (u64::from(first & 15), 0),
        0xa0..=0xbf => (0, u64::from(first & 31)),
        0xc4..=0xc6 => return binary(scan, view, feed, first - 0xc4),
        0xc7..=0xc9 => {
            let length = wide(feed, 1 << (first - 0xc7))?;
            return extension(scan, feed, length);
        }
        0xd4..=0xd8 => return extension(scan, feed, 1 << (first - 0xd4)),
        0xca | 0xce | 0xd2 => (0, 4),
        0xcb | 0xcf | 0xd3 => (0, 8),
        0xcc | 0xd0 => (0, 1),
        0xcd | 0xd1 => (0, 2),
        0xd9..=0xdb => (0, wide(feed, 1 << (first - 0xd9))?),
        0xdc => (wide(feed, 2)?, 0),
        0xdd => (wide(feed, 4)?, 0),
        0xde => (wide(feed, 2)?.saturating_mul(2), 0),
        0xdf => (wide(feed, 4)?.saturating_mul(2), 0),
        0xc1 => return Err(Stop::Corrupt),
    };
    for _ in 0..values {
        value(scan, view, feed, depth + 1)?;
    }
    feed.skip(bytes)
}

/// Bytes of somebody's own: a pickle there is for whoever loads it.
fn binary(scan: &mut Scan<'_>, view: View<'_>, feed: &mut Feed<'_>, width: u8) -> Result<(), Stop> {
    let length = wide(feed, 1 << width)?;
    let at = feed.offset();
    let head = feed.peek(2)?;
    if matches!(head, [0x80, 0..=5]) || pickle::may_begin(head) {
        let part = view.part(at, length.min(HELD));
        if pickle::sound(scan, part) >= Verdict::Suspicious {
            let what = "carries a pickle that runs code".to_owned();
            scan.find(&rule::NESTED_PICKLE, Verdict::Malicious, at, "binary", what);
        }
    }
    feed.skip(length)
}

/// Flax knows arrays (1), complex numbers (2) and scalars (3).
fn extension(scan: &mut Scan<'_>, feed: &mut Feed<'_>, length: u64) -> Result<(), Stop> {
    let at = feed.offset();
    let kind = feed.byte()?;
    if !matches!(kind, 1..=3 | 0xff) {
        let what = format!("holds a value of the private kind {kind}, which only its maker's code reads");
        scan.find(
            &rule::CUSTOM_OPERATOR,
            Verdict::Unknown,
            at,
            &kind.to_string(),
            what,
        );
    }
    feed.skip(length)
}
