//! Texts in which single characters are written as codes: percent encoding, backslash escapes, quoted-printable.

use super::map::Map;
use super::{Form, Found};

/// So many coded characters make a text worth a second reading.
const UNITS_LEAST: usize = 3;

/// Finds coded characters in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    percent(text, found);
    escapes(text, found);
    quoted(text, found);
}

/// Whether coded characters are enough. A letter that needs no code counts for all of them: honest writers code none.
fn is_enough(units: impl Iterator<Item = Unit>) -> bool {
    let mut weight = 0;
    for unit in units {
        weight += if unit.is_letter() { UNITS_LEAST } else { 1 };
        if weight >= UNITS_LEAST {
            return true;
        }
    }
    false
}

/// Percent encoding, over the whole text once it holds enough of it (RFC 3986, section 2.1).
fn percent(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let coded = |at: usize| {
        hex(bytes, at + 1, 2)
            .filter(|_| bytes.get(at) == Some(&b'%'))
            .map(|code| (3, Unit::Byte(code as u8)))
    };
    if is_enough(
        memchr::memchr_iter(b'%', bytes)
            .filter_map(coded)
            .map(|(_, unit)| unit),
    ) {
        rewrite(text, b'%', Form::Percent, found, coded);
    }
}

/// Digits of one base at a place, as a number.
fn digits(bytes: &[u8], from: usize, count: usize, base: u32) -> Option<u32> {
    let digits = bytes.get(from..from + count)?;
    digits.iter().try_fold(0_u32, |code, digit| {
        Some(
            code.wrapping_mul(base)
                .wrapping_add(char::from(*digit).to_digit(base)?),
        )
    })
}

fn hex(bytes: &[u8], from: usize, count: usize) -> Option<u32> {
    digits(bytes, from, count, 16)
}

/// Backslash escapes: `\u0041`, `\u{41}`, `\U00000041`, `\x41`, `\101`, `\n`.
fn escapes(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let coded = |at: usize| match bytes.get(at + 1).filter(|_| bytes.get(at) == Some(&b'\\')) {
        Some(b'u') if bytes.get(at + 2) == Some(&b'{') => {
            let count = bytes
                .get(at + 3..)?
                .iter()
                .take(7)
                .position(|byte| *byte == b'}')?;
            hex(bytes, at + 3, count)
                .filter(|_| count > 0)
                .map(|code| (count + 4, Unit::Code(code)))
        }
        Some(b'u') => hex(bytes, at + 2, 4).map(|code| (6, Unit::Code(code))),
        Some(b'U') => hex(bytes, at + 2, 8).map(|code| (10, Unit::Code(code))),
        Some(b'x') => hex(bytes, at + 2, 2).map(|code| (4, Unit::Byte(code as u8))),
        Some(b'0'..=b'3') => digits(bytes, at + 1, 3, 8).map(|code| (4, Unit::Byte(code as u8))),
        Some(b'n' | b't' | b'r') => Some((2, Unit::Byte(b'\n'))),
        Some(quote @ (b'"' | b'\\' | b'/')) => Some((2, Unit::Byte(*quote))),
        _ => None,
    };
    let worth = memchr::memchr_iter(b'\\', bytes)
        .filter_map(&coded)
        .filter(|(length, _)| *length > 2);
    if is_enough(worth.map(|(_, unit)| unit)) {
        rewrite(text, b'\\', Form::Escapes, found, coded);
    }
}

/// Quoted-printable (RFC 2045, section 6.7): codes of bytes, and lines that go on behind a sign at their end. A sign of
/// equality is common in honest text, so what counts is a code inside of a word, or beside another, and a word that goes
/// on in the next line.
fn quoted(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let is = |at: usize| bytes.get(at) == Some(&b'=');
    let coded = |at: usize| {
        if !is(at) {
            return None;
        }
        match bytes.get(at + 1..)? {
            [b'\n', ..] => Some((2, Unit::Nothing)),
            [b'\r', b'\n', ..] => Some((3, Unit::Nothing)),
            _ => hex(bytes, at + 1, 2).map(|code| (3, Unit::Byte(code as u8))),
        }
    };
    let stands = |at: Option<usize>, is: fn(&u8) -> bool| at.and_then(|at| bytes.get(at)).is_some_and(is);
    let worth = |at: &usize| {
        let (before, after) = (at.checked_sub(1), Some(at + 3));
        match coded(*at) {
            Some((length, Unit::Nothing)) => {
                // Behind a space it is as common: writers of mail cut lines where they are full.
                let written = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
                stands(before, written) && stands(Some(at + length), u8::is_ascii_graphic)
            }
            Some((_, Unit::Byte(0x20..=0x7e | 0x80..))) => {
                is(at + 3)
                    || stands(before, u8::is_ascii_alphabetic) && stands(after, u8::is_ascii_alphabetic)
            }
            _ => false,
        }
    };
    if memchr::memchr_iter(b'=', bytes)
        .filter(worth)
        .take(UNITS_LEAST)
        .count()
        >= UNITS_LEAST
    {
        rewrite(text, b'=', Form::Quoted, found, coded);
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Byte(u8),
    Code(u32),
    /// A line that goes on.
    Nothing,
}

impl Unit {
    const fn is_letter(self) -> bool {
        match self {
            Self::Byte(byte) => byte.is_ascii_alphabetic(),
            Self::Code(code) => code < 0x80 && (code as u8).is_ascii_alphabetic(),
            Self::Nothing => false,
        }
    }
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
                Unit::Nothing => {}
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
