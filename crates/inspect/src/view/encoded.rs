//! Encodings inside a text. What decodes to readable text becomes a layer.

use std::io::Read as _;
use std::ops::Range;

use super::map::Map;
use super::{Form, Found};

/// Shortest run of base64 that is tried.
const BASE64_LEAST: usize = 16;
/// Shortest run of hexadecimal digits that is tried.
const HEX_LEAST: usize = 16;
/// Shortest run of base32 that is tried.
const BASE32_LEAST: usize = 24;
/// Most runs that are tried in one text.
const RUNS_MOST: usize = 4096;
/// Most bytes that one compressed run yields.
const UNPACKED_MOST: u64 = 64 << 10;
/// Most layers that one text yields.
const FOUND_MOST: usize = 24;

/// Finds encodings in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let least = found.len();
    runs(text, found, least);
    percent(text, found);
    escapes(text, found);
}

/// Characters of both kinds of base64, a bit each.
const BASE64: u128 = {
    let (mut bits, mut byte) = (0, 0_u8);
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_') {
            bits |= 1 << byte;
        }
        byte += 1;
    }
    bits
};

const fn is_base64(byte: u8) -> bool {
    byte < 128 && BASE64 >> byte & 1 == 1
}

/// Long runs of characters that encodings are made of. Steps over the text: a long run has a byte at every step.
fn runs(text: &str, found: &mut Vec<Found>, already: usize) {
    let bytes = text.as_bytes();
    let step = BASE64_LEAST - 1;
    let is = |at: usize| bytes.get(at).is_some_and(|byte| is_base64(*byte));
    let mut tried = 0;
    let mut at = step;
    while at < bytes.len() && tried < RUNS_MOST && found.len() < already + FOUND_MOST {
        if !is(at) {
            at += step;
            continue;
        }
        let mut start = at;
        while start > 0 && is(start - 1) {
            start -= 1;
        }
        let mut end = at + 1;
        while is(end) {
            end += 1;
        }
        // Lines of an encoding that was wrapped belong together.
        while end - start >= 56 {
            let gap = bytes
                .get(end..)
                .unwrap_or_default()
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            if gap == 0 || gap > 2 || !is(end + gap) {
                break;
            }
            end += gap;
            while is(end) {
                end += 1;
            }
        }
        if end - start >= BASE64_LEAST {
            tried += 1;
            if let Some(run) = text.get(start..end) {
                decode(run, start..end, found);
            }
        }
        at = end + step;
    }
}

fn decode(run: &str, range: Range<usize>, found: &mut Vec<Found>) {
    let dense: Vec<u8> = run
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let hex = dense.strip_prefix(b"0x").unwrap_or(&dense);
    if hex.len() >= HEX_LEAST && hex.len().is_multiple_of(2) && hex.iter().all(u8::is_ascii_hexdigit) {
        let bytes: Vec<u8> = hex
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[high, low]| nibble(*high) << 4 | nibble(*low))
            .collect();
        if adopt(&bytes, Form::Hex, &range, found) {
            return;
        }
    }
    let upper = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
    if dense.len() >= BASE32_LEAST
        && dense.iter().all(upper)
        && adopt(&base32(&dense), Form::Base32, &range, found)
    {
        return;
    }
    // A path or a word is base64 by its letters alone; text encoded so has both cases.
    let mixed = dense.iter().any(u8::is_ascii_uppercase) && dense.iter().any(u8::is_ascii_lowercase);
    if mixed {
        // What stands before an encoding without a gap, such as a path or a key, moves it: try from each part too.
        for part in parts(&dense) {
            if part.len() >= BASE64_LEAST && adopt(&base64(part), Form::Base64, &range, found) {
                return;
            }
        }
    }
}

/// The whole, and what follows the last sign that is seldom part of an encoding.
fn parts(dense: &[u8]) -> Vec<&[u8]> {
    let mut parts = vec![dense];
    if let Some(at) = dense.iter().rposition(|byte| matches!(byte, b'/' | b'-' | b'_')) {
        parts.extend(dense.get(at + 1..));
    }
    parts
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn base64(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(value(*digit)))
            << (6 * (4 - group.len()));
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend([first, second, third].iter().take(group.len().saturating_sub(1)));
    }
    bytes
}

fn base32(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| {
        if digit >= b'A' {
            digit - b'A'
        } else {
            digit - b'2' + 26
        }
    };
    let mut bytes = Vec::with_capacity(digits.len() / 8 * 5 + 5);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits {
        bits = (bits << 5 | u32::from(value(*digit))) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Adds a layer where the bytes are text or unpack to text. Says whether they did.
fn adopt(bytes: &[u8], form: Form, range: &Range<usize>, found: &mut Vec<Found>) -> bool {
    let unpacked = match bytes {
        [0x1f, 0x8b, 8, ..] => unpack(flate2::read::GzDecoder::new(bytes)),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => unpack(flate2::read::ZlibDecoder::new(bytes)),
        _ => None,
    };
    let (bytes, form) = match &unpacked {
        Some(unpacked) => (unpacked.as_slice(), Form::Compressed),
        None => (bytes, form),
    };
    match readable(bytes) {
        Some(text) => {
            found.push(Found {
                text: text.to_owned(),
                form,
                map: Map::whole(range.clone()),
            });
            true
        }
        None => false,
    }
}

/// What could be unpacked within the bound; a stream that breaks off still gives its start.
fn unpack(reader: impl std::io::Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = reader.take(UNPACKED_MOST);
    let mut block = [0; 4096];
    while let Ok(read @ 1..) = reader.read(&mut block) {
        out.extend(block.iter().take(read));
    }
    (!out.is_empty()).then_some(out)
}

/// So many printable characters in a row are no chance, whatever they are.
const PRINTABLE_LEAST: usize = 32;
/// So many unseen characters spell something.
const UNSEEN_LEAST: usize = 8;

/// Bytes as text, where they are text: UTF-8 that is all printable, and short only where it is mostly letters and spaces.
fn readable(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < 8 {
        return None;
    }
    let text = str::from_utf8(bytes).ok()?;
    let (mut all, mut fine, mut letters, mut unseen) = (0_usize, 0_usize, 0_usize, 0_usize);
    for c in text.chars() {
        // What nobody sees says nothing for or against; what it hides is the next layer's to read.
        if super::unicode::is_unseen(c) {
            unseen += 1;
            continue;
        }
        all += 1;
        fine += usize::from(!c.is_control() || matches!(c, '\n' | '\t' | '\r' | '\u{1b}'));
        letters += usize::from(c.is_alphanumeric() || c == ' ');
    }
    let long = all >= PRINTABLE_LEAST || unseen >= UNSEEN_LEAST;
    (fine == all && (long || letters * 10 >= all * 7)).then_some(text)
}

/// Percent encoding, over the whole text once it holds enough of it.
fn percent(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let coded = |at: usize| matches!(bytes.get(at..at + 3), Some([b'%', high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    if memchr::memchr_iter(b'%', bytes)
        .filter(|at| coded(*at))
        .take(3)
        .count()
        < 3
    {
        return;
    }
    rewrite(text, b'%', Form::Percent, found, |at| {
        let hex = bytes.get(at + 1..at + 3).filter(|_| coded(at))?;
        let [high, low] = *hex else { return None };
        Some((3, Unit::Byte(nibble(high) << 4 | nibble(low))))
    });
}

/// Backslash escapes: `\u0041`, `\x41`, `\n`.
fn escapes(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| {
        let hex = bytes.get(from..from + count)?;
        hex.iter().all(u8::is_ascii_hexdigit).then(|| {
            hex.iter()
                .fold(0_u32, |code, digit| code << 4 | u32::from(nibble(*digit)))
        })
    };
    let coded = |at: usize| match bytes.get(at + 1).filter(|_| bytes.get(at) == Some(&b'\\')) {
        Some(b'u') => digits(at + 2, 4).map(|code| (6, Unit::Code(code))),
        Some(b'x') => digits(at + 2, 2).map(|code| (4, Unit::Byte(code as u8))),
        Some(b'n' | b't' | b'r') => Some((2, Unit::Byte(b'\n'))),
        Some(quote @ (b'"' | b'\\' | b'/')) => Some((2, Unit::Byte(*quote))),
        _ => None,
    };
    let worth = |at: &usize| matches!(coded(*at), Some((4 | 6, _)));
    if memchr::memchr_iter(b'\\', bytes).filter(worth).take(3).count() < 3 {
        return;
    }
    rewrite(text, b'\\', Form::Escapes, found, coded);
}

enum Unit {
    Byte(u8),
    Code(u32),
}

/// The text with each coded unit replaced. Runs of coded bytes are read as UTF-8.
fn rewrite(
    text: &str,
    sign: u8,
    form: Form,
    found: &mut Vec<Found>,
    coded: impl Fn(usize) -> Option<(usize, Unit)>,
) {
    let mut out = String::with_capacity(text.len());
    let mut map = Map::default();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let next = memchr::memchr(sign, rest.as_bytes()).unwrap_or(rest.len());
        map.copied(out.len(), at, next);
        out.push_str(rest.get(..next).unwrap_or_default());
        at += next;
        let start = at;
        let mut run = Vec::new();
        let mut high = None;
        while let Some((length, unit)) = coded(at) {
            at += length;
            match unit {
                Unit::Byte(byte) => run.push(byte),
                Unit::Code(code @ 0xd800..=0xdbff) => high = Some(code),
                Unit::Code(code) => {
                    let joined = match (high.take(), code) {
                        (Some(high), 0xdc00..=0xdfff) => 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00),
                        _ => code,
                    };
                    let c = char::from_u32(joined).unwrap_or('\u{fffd}');
                    run.extend(c.encode_utf8(&mut [0; 4]).bytes());
                }
            }
        }
        if at > start {
            if !run.is_empty() {
                map.made(out.len(), start..at);
                out.push_str(&String::from_utf8_lossy(&run));
            }
        } else if at < text.len() {
            map.copied(out.len(), at, 1);
            out.push(char::from(sign));
            at += 1;
        }
    }
    found.push(Found { text: out, form, map });
}
