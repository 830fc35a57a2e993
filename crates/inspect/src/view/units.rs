//! Texts in which single characters are written as codes: percent encoding, backslash escapes, quoted-printable.

use super::map::Map;
use super::{Form, Found};
use crate::safe::{part, prior};

/// So many coded characters make a text worth a second reading.
const UNITS_LEAST: usize = 3;

/// Finds coded characters in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    percent(text, found);
    escapes(text, found);
    quoted(text, found);
}

/// Whether coded characters are enough, each by whether it is telling. One that needs no code counts for all of them:
/// honest writers code none.
fn is_enough(telling: impl Iterator<Item = bool>) -> bool {
    let mut weight = 0;
    for telling in telling {
        weight += if telling { UNITS_LEAST } else { 1 };
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
            .map(|(_, unit)| unit.is_letter()),
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
    // Three digits behind a backslash are as often a number in a path.
    let is_octal = |at: usize| bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    let worth = memchr::memchr_iter(b'\\', bytes)
        .filter_map(|at| coded(at).map(|(length, unit)| (at, length, unit)))
        .filter(|(_, length, _)| *length > 2);
    if is_enough(worth.map(|(at, _, unit)| unit.is_letter() || unit.is_of_value() && !is_octal(at))) {
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
    let telling = |at: usize| match coded(at) {
        Some((length, Unit::Nothing)) => worth(&at) && is_broken_word(bytes, at, at + length),
        Some((length, Unit::Byte(b'@'))) => is_address(bytes, at, at + length),
        _ => false,
    };
    let units = memchr::memchr_iter(b'=', bytes).map(|at| (telling(at), at));
    if is_enough(
        units
            .filter(|(telling, at)| *telling || worth(at))
            .map(|(telling, _)| telling),
    ) {
        rewrite(text, b'=', Form::Quoted, found, coded);
    }
}

/// Longest part of a mail address on one side of a code.
const ADDRESS_MOST: usize = 64;

const fn is_of_address(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+')
}

/// What could be of a mail address before a place, and behind another.
fn around(bytes: &[u8], start: usize, end: usize) -> (&[u8], &[u8]) {
    let of = |byte: &&u8| is_of_address(**byte) || **byte == b'@';
    let before = part(bytes, ..start);
    let front = before.iter().rev().take(ADDRESS_MOST).take_while(of).count();
    let behind = part(bytes, end..);
    let back = behind.iter().take(ADDRESS_MOST).take_while(of).count();
    (part(before, start - front..), part(behind, ..back))
}

/// Whether a code stands for the sign of a mail address: a name before it, a host behind it. Behind a question mark or a
/// sign of equality it would be a number in a query.
fn is_address(bytes: &[u8], start: usize, end: usize) -> bool {
    let (name, host) = around(bytes, start, end);
    let before = prior(bytes, start - name.len());
    let last = host.rsplit(|byte| *byte == b'.').find(|label| !label.is_empty());
    let is_named = last.is_some_and(|last| last.len() >= 2 && last.iter().all(u8::is_ascii_alphabetic));
    !name.is_empty()
        && !name.contains(&b'@')
        && !matches!(before, b'?' | b'&' | b'=' | b'/' | b';' | b'%')
        && is_named
        && host.contains(&b'.')
}

/// Whether a line that goes on breaks a mail address or a number, or is one of prose that is full (RFC 2045 has 76 signs).
fn is_broken_word(bytes: &[u8], start: usize, end: usize) -> bool {
    /// From so many signs on a line is full.
    const LINE: std::ops::RangeInclusive<usize> = 60..=76;
    let (front, back) = around(bytes, start, end);
    let digits = |side: Option<&u8>| side.is_some_and(u8::is_ascii_digit);
    // Capitals before it are as often digits of base64, and the sign fills these up.
    let is_plain = !front.is_empty() && !front.iter().any(u8::is_ascii_uppercase);
    let line = part(bytes, ..start);
    let line = line.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    front.contains(&b'@') && !back.is_empty()
        || is_plain && back.contains(&b'@')
        || is_plain && digits(front.last()) && digits(back.first())
        || LINE.contains(&(line.len() + 1)) && line.contains(&b' ') && !front.is_empty() && !back.is_empty()
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

    /// Whether it is a digit, or a sign of mail addresses and names, which nobody has a reason to code.
    const fn is_of_value(self) -> bool {
        let code = match self {
            Self::Byte(byte) => byte as u32,
            Self::Code(code) => code,
            Self::Nothing => 0,
        };
        code < 0x80 && ((code as u8).is_ascii_digit() || matches!(code as u8, b'@' | b'.' | b'-' | b'_'))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::View;

    /// Text of the first layer in this form.
    fn undone(text: &str, form: Form) -> Option<String> {
        let view = View::new(text.as_bytes());
        let layer = view.layers().iter().find(|layer| layer.form == form);
        layer.map(|layer| layer.text.to_string())
    }

    #[test]
    fn one_code_inside_of_a_value_is_undone() {
        let full = format!("{} maria.santos@blue-har=\nbor.org", "a b".repeat(13));
        for (text, form, wanted) in [
            (
                r#"{"e":"maria.santos\u0040blue-harbor.org"}"#,
                Form::Escapes,
                "maria.santos@blue-harbor.org",
            ),
            (
                r"maria.santos\x40blue-harbor.org",
                Form::Escapes,
                "maria.santos@blue-harbor.org",
            ),
            (
                r"maria\u{2e}santos@blue-harbor.org",
                Form::Escapes,
                "maria.santos@blue-harbor.org",
            ),
            (r"card 49291234567812\x336", Form::Escapes, "4929123456781236"),
            (
                "maria.santos=40blue-harbor.org",
                Form::Quoted,
                "maria.santos@blue-harbor.org",
            ),
            (
                "to maria.santos@blue-har=\nbor.org for d=C3=A9tails",
                Form::Quoted,
                "maria.santos@blue-harbor.org",
            ),
            (
                "to maria.san=\r\ntos@blue-harbor.org",
                Form::Quoted,
                "maria.santos@blue-harbor.org",
            ),
            ("card 49291234=\n56781236.", Form::Quoted, "4929123456781236"),
            (full.as_str(), Form::Quoted, "maria.santos@blue-harbor.org"),
        ] {
            let layer = undone(text, form);
            assert!(
                layer.as_ref().is_some_and(|layer| layer.contains(wanted)),
                "{text} {layer:?}"
            );
        }
    }

    #[test]
    fn codes_that_honest_writers_have_are_no_layer() {
        for text in [
            r"see C:\dir\100file.com and D:\200",
            r#"{"a":"\u003cb\u003e"}"#,
            "set width=40px and size=40large here",
            "see https://a.example/?size=40large.png",
            "NAME=\nOTHER=\n",
            "key: WW91IGhhdmUgd29uIGEgcHJpemU=\nbob@corp.example",
            "let x =\n    bob@corp.example",
        ] {
            assert_eq!(undone(text, Form::Escapes), None, "{text}");
            assert_eq!(undone(text, Form::Quoted), None, "{text}");
        }
    }
}
