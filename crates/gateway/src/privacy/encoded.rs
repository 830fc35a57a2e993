//! Values as addresses spell them: with signs as `%40` (RFC 3986 section 2.1).
//!
//! A mail address in a link is as much of a value as one in a sentence, and is masked where it stands: what takes its place
//! needs no encoding.

use std::{borrow::Cow, ops::Range};

use crate::inspect::{Inspector, Mark, Source};

/// Longest word that is decoded.
const WORD: usize = 512;
/// Most words of a text that are decoded.
const WORDS: usize = 256;

/// Where a text holds a value: plain, percent-encoded, or with the escapes that JSON in ASCII has.
pub(super) fn places(text: &str, value: &str) -> Vec<Range<usize>> {
    let plain = text.match_indices(value).map(|(at, found)| at..at + found.len());
    let mut out: Vec<Range<usize>> = plain.collect();
    if text.contains('%') {
        for word in words(text) {
            let within = word.text.match_indices(value);
            out.extend(within.filter_map(|(at, found)| word.source(at..at + found.len())));
        }
    }
    if !value.is_ascii() && text.contains("\\u") {
        for digits in [hex_lower, hex_upper] {
            let spelt = escaped(value, digits);
            out.extend(text.match_indices(&spelt).map(|(at, found)| at..at + found.len()));
        }
    }
    out
}

/// A text with an escape for every unit of UTF-16 that is not ASCII (RFC 8259, section 7).
fn escaped(text: &str, digits: fn(u16) -> String) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| out.push_str(&digits(*unit)));
        }
    }
    out
}

fn hex_lower(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

fn hex_upper(unit: u16) -> String {
    format!("\\u{unit:04X}")
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

    #[test]
    fn a_value_is_found_as_addresses_spell_it() {
        let text = "see https://x.example/?m=ann.miller77%40corp-mail.example&x=%zz or ann.miller77@corp-mail.example";
        let value = "ann.miller77@corp-mail.example";
        let found: Vec<&str> = places(text, value)
            .into_iter()
            .filter_map(|range| text.get(range))
            .collect();
        assert_eq!(found, [value, "ann.miller77%40corp-mail.example"]);
        assert!(places("100% of %", "100").len() == 1);
        for text in [r#"{"n":"J\u00f6rg M"}"#, r#"{"n":"J\u00F6rg M"}"#] {
            assert_eq!(places(text, "J\u{f6}rg M").first(), Some(&(6..17)), "{text}");
        }
        assert!(places(r"J\u00e4rg M", "J\u{f6}rg M").is_empty());
        let found = places("n=J%C3%B6rg%20M&x", "J\u{f6}rg M");
        assert_eq!((found.len(), found.first()), (1, Some(&(2..15))));
    }
}
