//! How a token is written, and how it is found in text.
//!
//! `bz-KIND-` and twenty characters of base 32 (RFC 4648, lower case), with `@token.invalid` behind it where it stands
//! for a mail address (`.invalid` is reserved, RFC 2606, so such mail goes nowhere). Plain ASCII without quotes, so it
//! survives JSON, shells, Markdown and tokenizers. Another shape is an account number of the user-assigned country `ZZ`
//! whose bank is `BZ`: no bank has it. Both carry at least 100 bits.
//!
//! Models write both as they write such things: in capitals or as a title, and account numbers in groups of four. That
//! names the same token: [`name`] gives how it is kept. INVARIANT: what is restored and what is escaped is found by one
//! function, [`look`], so that no spelling is restored that is not escaped where it comes from outside.

use std::{borrow::Cow, collections::BTreeSet};

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
/// Characters of a group, where an account number is written in groups (ISO 13616, print format).
const GROUP: usize = 4;
/// What stands between groups: a space, one that breaks no line, a narrow or a thin one, a hyphen, one that breaks no line.
const BETWEEN: [&str; 7] = [" ", "\u{a0}", "\u{202f}", "\u{2009}", "-", "\u{2010}", "\u{2011}"];
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
        Some(b'b' | b'B') => marked(text, last),
        Some(b'z' | b'Z') => account(text, last),
        _ => Look::No,
    }
}

/// The name of the token that these bytes of a text name, as a vault keeps it.
pub(crate) fn name(core: &str) -> Cow<'_, str> {
    let is_kept = |byte: u8| match core.starts_with('b') {
        true => byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
        false => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
    };
    if core.bytes().all(is_kept) {
        return Cow::Borrowed(core);
    }
    Cow::Owned(if core.starts_with(['b', 'B']) {
        core.to_ascii_lowercase()
    } else {
        together(core).to_ascii_uppercase()
    })
}

/// A number without what stands between its groups.
pub(crate) fn together(text: &str) -> String {
    text.chars()
        .filter(|c| !BETWEEN.iter().any(|between| between.starts_with(*c)))
        .collect()
}

const fn is_body(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'2'..=b'7')
}

/// Whether a text begins as another does, or is the beginning of it, in whichever case.
fn begins(text: &[u8], mark: &str) -> bool {
    let length = text.len().min(mark.len());
    let (text, mark) = (text.get(..length), mark.as_bytes().get(..length));
    text.zip(mark)
        .is_some_and(|(text, mark)| text.eq_ignore_ascii_case(mark))
}

fn marked(text: &[u8], last: bool) -> Look {
    if !begins(text, MARK) {
        return Look::No;
    }
    let open = !last && text.len() < LONGEST + 1;
    let Some(rest) = text.get(MARK.len()..) else {
        return if open { Look::More } else { Look::No };
    };
    let run = rest
        .iter()
        .take(LONGEST)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
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
        if tail.len() >= MAIL.len() && begins(tail, MAIL) {
            return Look::Token {
                core,
                whole: core + MAIL.len(),
            };
        }
        if open && !tail.is_empty() && tail.len() < MAIL.len() && begins(tail, MAIL) {
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

/// Together, or in groups of four.
fn account(text: &[u8], last: bool) -> Look {
    let mut at = 0;
    for place in 0..ACCOUNT {
        if place > 0 && place % GROUP == 0 {
            at += between(text.get(at..).unwrap_or_default());
        }
        match text.get(at) {
            None if last => return Look::No,
            None => return Look::More,
            Some(byte) if fits(place, *byte) => at += 1,
            Some(_) => return Look::No,
        }
    }
    match text.get(at) {
        Some(next) if next.is_ascii_alphanumeric() => Look::No,
        None if !last => Look::More,
        _ => Look::Token { core: at, whole: at },
    }
}

/// Whether a byte may stand at a place of an account number of ours.
const fn fits(place: usize, byte: u8) -> bool {
    match (place, byte.to_ascii_uppercase()) {
        (0 | 1 | 5, upper) => upper == b'Z',
        (2 | 3, upper) => upper.is_ascii_digit(),
        (4, upper) => upper == b'B',
        (_, upper) => matches!(upper, b'A'..=b'Z' | b'2'..=b'7'),
    }
}

/// How many bytes at the start of a text stand between groups: those of one character, or none.
fn between(text: &[u8]) -> usize {
    BETWEEN
        .iter()
        .find(|between| text.starts_with(between.as_bytes()))
        .map_or(0, |between| between.len())
}

/// Whether the whole of a text is written like a token of 96 bits or more. Whose it is, only a vault knows.
#[must_use]
pub fn is_token(text: &str) -> bool {
    matches!(look(text.as_bytes(), None, true), Look::Token { whole, .. } if whole == text.len())
}

/// Where a text holds what is written like a token. One may stand in another, as behind a kind that has the mark in it.
#[must_use]
pub fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut before = None;
    for (at, c) in text.char_indices() {
        if let Some(rest) = text.as_bytes().get(at..)
            && let Look::Token { whole, .. } = look(rest, before, true)
        {
            found.push(at..at + whole);
        }
        before = Some(c);
    }
    found
}

/// The names of what a text holds that is written like a token, each once: what vaults know tokens by.
#[must_use]
pub fn names(text: &str) -> BTreeSet<String> {
    let named = |range: std::ops::Range<usize>| {
        let token = text.get(range)?;
        match look(token.as_bytes(), None, true) {
            Look::Token { core, .. } => Some(name(token.get(..core)?).into_owned()),
            Look::No | Look::More => None,
        }
    };
    tokens(text).into_iter().filter_map(named).collect()
}

/// Takes from whatever is written like a token what makes it one, so that nothing from outside is ever restored: a
/// tilde stands in it. What was escaped is not escaped again.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for found in tokens(text) {
        // `bz~-card-…`, `Z~Z…`: where no token can end that stands before it, or the tilde would part the two.
        let is_marked = text
            .get(found.start..)
            .is_some_and(|token| token.starts_with(['b', 'B']));
        let at = found.start + if is_marked { 2 } else { 1 };
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
    fn a_token_is_one_however_it_is_written() {
        let token = write("national-id", BODY20);
        for written in [
            token.to_ascii_uppercase(),
            "Bz-National-Id-Abcdefghijklmnopqr27".to_owned(),
        ] {
            assert!(is_token(&written), "{written}");
            assert!(is_token(&format!("{written}@Token.Invalid")), "{written}");
            assert_eq!(name(&written), token);
        }
        let account = format!("ZZ71BZ{}", "AB27".repeat(6));
        for between in BETWEEN.into_iter().chain([""]) {
            let groups: Vec<&str> = (0..8).map(|at| &account[at * 4..(at * 4 + 4).min(30)]).collect();
            let written = groups.join(between);
            for written in [written.to_ascii_lowercase(), written] {
                assert!(is_token(&written), "{written}");
                assert_eq!(name(&written), account);
                let names = names(&format!("to {written}, now"));
                assert_eq!(names.into_iter().collect::<Vec<_>>(), [account.as_str()]);
                assert!(tokens(&format!("to {written}5")).is_empty());
                assert!(tokens(&escape(&written)).is_empty());
            }
        }
        // Groups of another length are no way to write one, nor are two signs between groups.
        for bad in [
            account.replacen("AB", "A B", 1),
            account.replacen("ZZ71", "ZZ71  ", 1),
            format!("{}\n{}", &account[..4], &account[4..]),
        ] {
            assert!(!is_token(&bad), "{bad}");
        }
    }

    #[test]
    fn one_token_in_another_is_escaped_as_well() {
        let account = format!("ZZ71BZ{}", "A".repeat(24));
        for text in [
            format!("bz-x-bz-card-{BODY20}"),
            "bz-card-zz22bzaaaaaaaaaaaaaa-aaaa-aaaa-aa".to_owned(),
            // The first is none, since a digit follows its last two letters.
            format!("ZZ71 BZAA {} ZZ{}", ["AAAA"; 5].join(" "), &account[2..]),
        ] {
            assert!(!tokens(&text).is_empty(), "{text}");
            assert!(tokens(&escape(&text)).is_empty(), "{}", escape(&text));
        }
        // Marks alone are looked at in no more than a token's length each.
        assert!(tokens(&"bz-".repeat(200_000)).is_empty());
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
                let account = body.to_ascii_uppercase() + "ABCD";
                text = format!("{text} {text} ZZ12BZ{account} {}", text.to_ascii_uppercase());
                text = format!("{text} zz12 bz{} {}", &account[..2], account[2..].to_ascii_lowercase());
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
        fn more_is_said_only_of_what_may_become_a_token(
            text in "(bz-|Bz-|ZZ12BZ|zz12 bz|ZZ)?([a-z2-7A-Z@.-]{0,70}|([A-Z2-7]{2}([A-Z2-7]{4}[ \u{a0}-]){0,6}[A-Z2-7]{0,3}))",
        ) {
            // Whatever is added, what is known stays known.
            let now = look(text.as_bytes(), None, false);
            for tail in ["", " ", "a", "A", "-", "\u{202f}", "@token.invalid ", "@TOKEN.invalid"] {
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
