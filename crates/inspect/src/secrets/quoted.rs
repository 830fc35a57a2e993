//! Where the value of a password or key that is no vendor's ends: at its quotes, whatever stands in them, or before the
//! next parameter.

use std::ops::Range;

use super::formats::{Format, Rule, VALUE};

/// Longest value in quotes.
const MOST: usize = 200;
/// Shortest.
const LEAST: usize = 8;
/// Longest name of a parameter.
const NAME: usize = 48;

/// Whether values of a format may be anything that stands in quotes.
pub(super) fn may_be(format: &Format) -> bool {
    format.rule == Rule::Named && format.pattern == VALUE
}

/// Whether a word stands within the name that a cloud gives a resource, as `arn:aws:secretsmanager:...:secret:name`.
pub(super) fn is_in_resource_name(bytes: &[u8], word: usize) -> bool {
    let before = bytes.get(word.saturating_sub(MOST)..word).unwrap_or_default();
    let is_part = |byte: &&u8| !byte.is_ascii_whitespace() && !is_quote(Some(*byte));
    let length = before.iter().rev().take_while(is_part).count();
    before
        .get(before.len() - length..)
        .is_some_and(|name| name.starts_with(b"arn:"))
}

/// Whether a byte opens or closes a value.
pub(super) fn is_quote(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'"' | b'\'' | b'`'))
}

/// All of a value, of which `start` was seen, or of which only the quote `opened` was.
pub(super) fn whole(
    bytes: &[u8],
    start: Option<Range<usize>>,
    opened: Option<Range<usize>>,
) -> Option<Range<usize>> {
    let from = start
        .as_ref()
        .map(|start| start.start)
        .or(opened.map(|quote| quote.end))?;
    let closed = from.checked_sub(1).filter(|at| is_quote(bytes.get(*at)));
    let closed = closed.and_then(|at| closing(bytes, at));
    match (start, closed) {
        (Some(start), Some(end)) if end >= start.end => Some(start.start..end),
        (Some(start), _) => Some(unquoted(bytes, start)),
        (None, Some(end)) if end - from >= LEAST && is_mixed(bytes.get(from..end)?) => Some(from..end),
        (None, _) => None,
    }
}

/// Where the value that opens at this quote closes, on the same line. What is escaped closes nothing, and where the quotes
/// are escaped themselves, as in JSON within a text, only an escaped one does.
fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let quote = *bytes.get(open)?;
    let within = open.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'\\');
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate().skip(open + 1).take(MOST) {
        match byte {
            b'\n' | b'\r' => return None,
            b'\\' if !escaped => escaped = true,
            byte if *byte == quote && escaped == within => return Some(if within { at - 1 } else { at }),
            _ => escaped = false,
        }
    }
    None
}

/// A value without quotes ends where the next parameter of a connection or a form begins: `;name=`, `&name=`.
fn unquoted(bytes: &[u8], value: Range<usize>) -> Range<usize> {
    let spelt = bytes.get(value.clone()).unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ' | b'.');
    let ends = spelt.iter().enumerate().find(|(at, byte)| {
        let rest = bytes.get(value.start + at + 1..).unwrap_or_default();
        let name = rest.iter().take(NAME).take_while(|byte| is_name(byte)).count();
        matches!(byte, b';' | b'&') && name > 1 && rest.get(name) == Some(&b'=')
    });
    ends.map_or(value.clone(), |(at, _)| value.start..value.start + at)
}

/// Whether a part of this is made as passwords are, not as words of a sentence: letters and digits in one, or signs that no
/// sentence has.
fn is_mixed(value: &[u8]) -> bool {
    value.split(|byte| *byte == b' ').any(|part| {
        let has = |what: fn(&u8) -> bool| part.iter().any(what);
        let (letters, digits) = (has(u8::is_ascii_alphabetic), has(u8::is_ascii_digit));
        let signs = part
            .iter()
            .filter(|byte| b"!#$%^&*@=+~|\\\"".contains(byte))
            .count();
        part.len() >= 6 && letters && digits && (signs >= 1 || part.len() >= LEAST)
    })
}

#[cfg(test)]
mod tests {
    use super::super::find;

    fn values(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|secret| &text[secret.range]).collect()
    }

    #[test]
    fn a_value_in_quotes_ends_at_its_quote() {
        for (text, value) in [
            (r#"password: "Tr0ub4dor & 3 horses!""#, "Tr0ub4dor & 3 horses!"),
            (
                "SECRET_KEY = 'dj-insecure-8x$v!k&2n#q9z@w)e_r+t=y^u*i(o-p5a'",
                "dj-insecure-8x$v!k&2n#q9z@w)e_r+t=y^u*i(o-p5a",
            ),
            (
                "SECRET_KEY='RWI7Q*p!=My5B&k2^x#9Lq(tz-_=+)7vNw'",
                "RWI7Q*p!=My5B&k2^x#9Lq(tz-_=+)7vNw",
            ),
            (r#"PASSWORD="q8W$e;R t&y#9""#, "q8W$e;R t&y#9"),
            (r#"{"password": "aB3\"xY9zQ7!m"}"#, r#"aB3\"xY9zQ7!m"#),
            (r#"{"x":"{\"password\":\"aB3;xY9z Q7!m\"}"}"#, "aB3;xY9z Q7!m"),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
    }

    #[test]
    fn sentences_in_quotes_are_no_values() {
        for text in [
            r#""password": "Must contain at least 8 characters""#,
            r#"password: "Enter the 2FA code, please""#,
            r#"password: 'not closed Zx9!abcd"#,
            "the password: 'bitte beim Empfang, 2. Stock, erfragen'",
            r#"<input name="password" placeholder="At least 12 letters">"#,
        ] {
            assert_eq!(values(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_value_without_quotes_ends_before_the_next_parameter() {
        for (text, value) in [
            ("Server=db;Password=hG7kd9mQ2z;Encrypt=yes", "hG7kd9mQ2z"),
            ("Pwd=hG7kd9mQ2z;Trust Server Certificate=true", "hG7kd9mQ2z"),
            ("client_secret=aZ8kd03jdLq2mz7&grant_type=x", "aZ8kd03jdLq2mz7"),
            ("password=hG7;kd9&mQ2z", "hG7;kd9&mQ2z"),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
    }
}
