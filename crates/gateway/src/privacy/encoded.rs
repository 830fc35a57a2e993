//! Values as addresses spell them: with signs as `%40` (RFC 3986 section 2.1).
//!
//! A mail address in a link is as much of a value as one in a sentence, and is masked where it stands: what takes its place
//! needs no encoding.

use std::{borrow::Cow, ops::Range};

use bartizan_privacy::{Kind, Shape, Vault};
use bartizan_types::Timestamp;

use super::KNOWN;
use crate::inspect::{Inspector, Mark, Source};

/// Longest word that is decoded.
const WORD: usize = 512;
/// Most words of a text that are decoded.
const WORDS: usize = 256;

/// Where a text holds values of a vault: plain, percent-encoded, or with the escapes that JSON in ASCII has.
pub(super) fn places<'v>(
    text: &str,
    vault: &'v Vault,
    now: Timestamp,
) -> Vec<(Range<usize>, &'v Kind, Shape)> {
    let mut out = vault.places(text, KNOWN, now);
    let mut inside = |word: &Word| {
        let within = vault.places(&word.text, KNOWN, now).into_iter();
        out.extend(within.filter_map(|(range, kind, shape)| Some((word.source(range)?, kind, shape))));
    };
    if text.contains('%') {
        words(text).for_each(|word| inside(&word));
    }
    if text.contains("\\u") {
        inside(&unescaped(text));
    }
    out
}

/// A text with the escapes of JSON for units of UTF-16 undone (RFC 8259, section 7). Half of a pair stays as it is written.
fn unescaped(text: &str) -> Word {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let (mut plain, mut from, mut at) = (String::with_capacity(text.len()), Vec::new(), 0);
    while let Some(written) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let units = unit(at)
            .into_iter()
            .flat_map(|first| std::iter::once(first).chain(unit(at + 6)));
        let (c, length) = match char::decode_utf16(units).next() {
            Some(Ok(c)) => (c, 6 * c.len_utf16()),
            Some(Err(_)) | None => (written, written.len_utf8()),
        };
        from.resize(from.len() + c.len_utf8(), at);
        plain.push(c);
        at += length;
    }
    Word {
        text: plain,
        from,
        end: text.len(),
    }
}

/// A range with what fills its last group up, where it is digits of base64 that lack it: alone that would be no text.
pub(super) fn filled(text: &str, range: Range<usize>) -> Range<usize> {
    /// Fewest digits of an encoding that are found in a text.
    const LEAST: usize = 16;
    let digits = text.get(range.clone()).unwrap_or_default();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let behind = text.get(range.end..).unwrap_or_default().bytes();
    let filling = behind.take_while(|byte| *byte == b'=').count();
    let lacks = (4 - digits.len() % 4) % 4;
    let is_encoded = digits.len() >= LEAST && filling == lacks && digits.bytes().all(is_digit);
    if is_encoded {
        range.start..range.end + filling
    } else {
        range
    }
}

/// What was seen in a text, with what is seen in its encoded words.
pub(super) fn with<'m>(inspector: Option<&Inspector>, text: &str, marks: &'m [Mark]) -> Cow<'m, [Mark]> {
    let Some(inspector) = inspector.filter(|_| text.contains('%')) else {
        return Cow::Borrowed(marks);
    };
    let mut out = Cow::Borrowed(marks);
    for word in words(text) {
        for mark in inspector.examine(Source::Data, &word.text).iter() {
            if let Some(range) = word.source(mark.range.clone()) {
                let mut moved = mark.clone();
                moved.range = range;
                out.to_mut().push(moved);
            }
        }
    }
    out
}

/// A word that is encoded, decoded, and where each of its bytes came from.
struct Word {
    text: String,
    from: Vec<usize>,
    end: usize,
}

impl Word {
    fn source(&self, range: Range<usize>) -> Option<Range<usize>> {
        let start = *self.from.get(range.start)?;
        let end = self.from.get(range.end).copied().unwrap_or(self.end);
        (start < end).then_some(start..end)
    }
}

/// The words of a text that hold an encoded sign: what stands between the signs that part an address.
fn words(text: &str) -> impl Iterator<Item = Word> + '_ {
    let parts = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '/' | '?' | '#' | '&' | '=' | ';' | ',' | '"' | '\'' | '<' | '>' | '(' | ')' | '[' | ']'
            )
    };
    let mut at = 0;
    let spelt = text.split(parts).map(move |word| {
        let start = at;
        at += word.len();
        // The sign behind it.
        at += text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        (start, word)
    });
    spelt
        .filter(|(_, word)| word.len() <= WORD && word.contains('%'))
        .take(WORDS)
        .filter_map(|(start, word)| decoded(start, word))
}

fn decoded(start: usize, word: &str) -> Option<Word> {
    let bytes = word.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut from, mut at, mut changed) = (Vec::new(), Vec::new(), 0, false);
    while let Some(byte) = bytes.get(at) {
        from.push(start + at);
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
                changed = true;
            }
            _ => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    let text = String::from_utf8(plain).ok().filter(|_| changed)?;
    Some(Word {
        text,
        from,
        end: start + word.len(),
    })
}

#[cfg(test)]
mod tests {
    use bartizan_types::Secret;

    use super::*;

    #[test]
    fn what_fills_an_encoding_up_is_part_of_it() {
        let ends = |text: &str, end: usize| filled(text, 2..end).end;
        assert_eq!(ends("a YW5uLm1pbGxlcjc3QGM= b", 21), 22);
        assert_eq!(ends("a YW5uLm1pbGxlcjc3QG== b", 20), 22);
        // Not where it is no filling: a name's sign, or one too many.
        assert_eq!(ends("a YW5uLm1pbGxlcjc3QGM== b", 21), 21);
        assert_eq!(ends("a key=value", 5), 5);
        assert_eq!(ends("a ann.miller77@c=", 16), 16);
    }

    /// Where a text holds this value.
    fn ranges(text: &str, value: &str) -> Vec<(usize, usize)> {
        let mut vault = Vault::new("s", Secret::new([7; 32]), bartizan_privacy::Bounds::default());
        let now = Timestamp::from_unix_seconds(1);
        let kind = Kind::new("email").unwrap();
        vault.token(&kind, Shape::Token, value, now).unwrap();
        let places = places(text, &vault, now).into_iter();
        places.map(|(range, ..)| (range.start, range.end)).collect()
    }

    #[test]
    fn a_value_is_found_as_addresses_spell_it() {
        let text = "see https://x.example/?m=ann.miller77%40corp-mail.example&x=%zz or ann.miller77@corp-mail.example";
        let value = "ann.miller77@corp-mail.example";
        let found: Vec<&str> = ranges(text, value)
            .into_iter()
            .filter_map(|(start, end)| text.get(start..end))
            .collect();
        assert_eq!(found, [value, "ann.miller77%40corp-mail.example"]);
        assert_eq!(ranges("1000000% of %", "1000000"), [(0, 7)]);
        for text in [r#"{"n":"J\u00f6rg M"}"#, r#"{"n":"J\u00F6rg M"}"#] {
            assert_eq!(ranges(text, "J\u{f6}rg M"), [(6, 17)], "{text}");
        }
        assert_eq!(ranges(r"a \ud83d\ude00 rg M", "\u{1f600} rg M"), [(2, 19)]);
        for other in [r"J\u00e4rg M", r"J\u00f rg M", r"J\u+0f6rg M", r"\ud83d J\u00"] {
            assert!(ranges(other, "J\u{f6}rg M").is_empty(), "{other}");
        }
        let found = ranges("n=J%C3%B6rg%20M&x", "J\u{f6}rg M");
        assert_eq!(found, [(2, 15)]);
    }
}
