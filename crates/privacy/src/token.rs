//! How a token is written, and how it is found in text.
//!
//! `bz-KIND-` and twenty characters of base 32 (RFC 4648, lower case), with `@token.invalid` behind it where it stands
//! for a mail address (`.invalid` is reserved, RFC 2606, so such mail goes nowhere). Plain ASCII without quotes, so it
//! survives JSON, shells, Markdown and tokenizers. Another shape is an account number of the user-assigned country `ZZ`
//! whose bank is `BZ`: no bank has it. Both carry at least 100 bits.

use std::borrow::Cow;

use crate::kind::KIND_MAX;

/// Characters of the keyed hash in a token: 100 bits.
pub(crate) const BODY: usize = 20;
/// Behind a token that stands for a mail address.
pub(crate) const MAIL: &str = "@token.invalid";
const MARK: &str = "bz-";
/// How an account number of ours begins, its check digits left out, and how it goes on.
pub(crate) const ACCOUNT_COUNTRY: &str = "ZZ";
pub(crate) const ACCOUNT_BANK: &str = "BZ";
pub(crate) const ACCOUNT_BODY: usize = 24;
const ACCOUNT: usize = 2 + 2 + 2 + ACCOUNT_BODY;
/// No token is longer. What may still become one is held back up to this.
pub(crate) const LONGEST: usize = MARK.len() + KIND_MAX + 1 + BODY + MAIL.len();

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The first `count` characters of base 32 of `bytes`, five bits each.
pub(crate) fn base32(bytes: &[u8], count: usize) -> String {
    let mut out = String::with_capacity(count);
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut bytes = bytes.iter();
    while out.len() < count {
        if held < 5 {
            let Some(byte) = bytes.next() else { break };
            bits = (bits << 8 | u32::from(*byte)) & 0xFFFF;
            held += 8;
        }
        held -= 5;
        let at = usize::try_from(bits >> held & 31).unwrap_or(0);
        out.push(ALPHABET.get(at).copied().map_or('a', char::from));
    }
    out
}

/// The token of a kind and a body.
pub(crate) fn write(kind: &str, body: &str) -> String {
    format!("{MARK}{kind}-{body}")
}

/// What stands at a place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// A token: so many bytes name it, and so many bytes it takes in the text.
    Token { core: usize, whole: usize },
    /// None.
    No,
    /// The text ends before that is known.
    More,
}

/// Looks for a token at the start of `text`. `before` is the character in front; `last` says that nothing follows.
pub(crate) fn look(text: &[u8], before: Option<char>, last: bool) -> Look {
    if before.is_some_and(char::is_alphanumeric) {
        return Look::No;
    }
    match text.first() {
        Some(b'b') => marked(text, last),
        Some(b'Z') => account(text, last),
        _ => Look::No,
    }
}

const fn is_body(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

fn marked(text: &[u8], last: bool) -> Look {
    let head = text.get(..text.len().min(MARK.len())).unwrap_or_default();
    if !MARK.as_bytes().starts_with(head) {
        return Look::No;
    }
    let open = !last && text.len() < LONGEST + 1;
    let Some(rest) = text.get(MARK.len()..) else {
        return if open { Look::More } else { Look::No };
    };
    let run = rest
        .iter()
        .take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-')
        .count();
    for at in 1..=KIND_MAX.min(run) {
        if rest.get(at) != Some(&b'-') {
            continue;
        }
        let Some(body) = rest.get(at + 1..at + 1 + BODY) else {
            break;
        };
        let after = rest.get(at + 1 + BODY);
        if !body.iter().all(|byte| is_body(*byte)) || after.is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        if after.is_none() && open {
            return Look::More;
        }
        let core = MARK.len() + at + 1 + BODY;
        let tail = text.get(core..).unwrap_or_default();
        if tail.starts_with(MAIL.as_bytes()) {
            return Look::Token {
                core,
                whole: core + MAIL.len(),
            };
        }
        if open && !tail.is_empty() && MAIL.as_bytes().starts_with(tail) {
            return Look::More;
        }
        return Look::Token { core, whole: core };
    }
    if open && run == rest.len() {
        Look::More
    } else {
        Look::No
    }
}

fn account(text: &[u8], last: bool) -> Look {
    let shape = |(at, byte): (usize, &u8)| match at {
        0 | 1 => *byte == b'Z',
        2 | 3 => byte.is_ascii_digit(),
        4 => *byte == b'B',
        5 => *byte == b'Z',
        _ => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
    };
    let fits = text.iter().take(ACCOUNT).enumerate().all(shape);
    match text.get(ACCOUNT) {
        _ if !fits => Look::No,
        Some(next) if next.is_ascii_alphanumeric() => Look::No,
        None if !last => Look::More,
        None if text.len() < ACCOUNT => Look::No,
        _ => Look::Token {
            core: ACCOUNT,
            whole: ACCOUNT,
        },
    }
}

/// Whether the whole of a text is written like a token of 96 bits or more. Whose it is, only a vault knows.
#[must_use]
pub fn is_token(text: &str) -> bool {
    matches!(look(text.as_bytes(), None, true), Look::Token { whole, .. } if whole == text.len())
}

/// Where a text holds what is written like a token.
#[must_use]
pub fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let (mut before, mut skip) = (None, 0);
    for (at, c) in text.char_indices() {
        if at >= skip
            && let Some(rest) = text.as_bytes().get(at..)
            && let Look::Token { whole, .. } = look(rest, before, true)
        {
            skip = at + whole;
            found.push(at..skip);
        }
        before = Some(c);
    }
    found
}

/// Takes from whatever is written like a token what makes it one, so that nothing from outside is ever restored: a
/// tilde stands in it. What was escaped is not escaped again.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for found in tokens(text) {
        // Behind the first two characters: `bz~-card-…`, `ZZ~…`.
        let at = found.start + 2;
        out.push_str(text.get(copied..at).unwrap_or_default());
        out.push('~');
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY20: &str = "abcdefghijklmnopqr27";

    #[test]
    fn tokens_are_found_where_they_end() {
        let token = write("national-id", BODY20);
        assert!(is_token(&token));
        assert!(is_token(&format!("{token}{MAIL}")));
        for bad in [
            format!("{token}a"),
            format!("{token}A"),
            format!("x{token}"),
            format!("bz--{BODY20}"),
            format!("Bz-card-{BODY20}"),
            "bz-card-short".to_owned(),
            format!("bz-card-{}", BODY20.replace('2', "8")),
        ] {
            assert!(!is_token(&bad), "{bad}");
        }
        // Behind it a hyphen, a stop or another script may follow.
        for tail in ["-x", ".", ",", " ", "\u{e9}", "@example.com"] {
            let text = format!("{token}{tail}");
            assert!(
                matches!(look(text.as_bytes(), None, true), Look::Token { whole, .. } if whole == token.len()),
                "{tail}"
            );
        }
    }

    #[test]
    fn base32_carries_five_bits_each() {
        assert_eq!(base32(&[0xFF; 20], 20), "7".repeat(20));
        assert_eq!(base32(b"foobar", 8), "mzxw6ytb");
    }

    proptest! {
        #[test]
        fn nothing_escaped_is_a_token(before in "[ a-z.]{0,6}", body in "[a-z2-7]{20}", after in "[ -~]{0,20}", twice in any::<bool>()) {
            let mut text = format!("{before} bz-card-{body}{after}");
            if twice {
                text = format!("{text} {text} ZZ12BZ{}", body.to_ascii_uppercase() + "ABCD");
            }
            let escaped = escape(&text).into_owned();
            let mut previous = None;
            for (at, c) in escaped.char_indices() {
                let found = look(&escaped.as_bytes()[at..], previous, true);
                prop_assert!(!matches!(found, Look::Token { .. }), "{escaped}");
                previous = Some(c);
            }
            prop_assert_eq!(escape(&escaped), escaped.as_str());
            prop_assert_eq!(escaped.replace('~', ""), text.replace('~', ""));
        }

        #[test]
        fn more_is_said_only_of_what_may_become_a_token(text in "(bz-|ZZ12BZ|ZZ)?[a-z2-7A-Z@.-]{0,70}") {
            // Whatever is added, what is known stays known.
            let now = look(text.as_bytes(), None, false);
            for tail in ["", " ", "a", "-", "@token.invalid "] {
                let all = format!("{text}{tail}");
                let then = look(all.as_bytes(), None, true);
                match now {
                    Look::More => {}
                    known => prop_assert_eq!(known, then, "{} + {}", text, tail),
                }
            }
        }
    }
}
