//! Where addresses stand in a text, and what a browser makes of how they are spelled.
//!
//! Browsers take a backslash for a slash, as many of either as there are, and read entities in attributes; whoever passes
//! an address on without its being followed writes `hxxp` and `[.]`.
//!
//! INVARIANT: work is linear in the text times [`super::URL_MOST`] at most, and a range lies on letters' bounds.

use std::borrow::Cow;
use std::ops::Range;

use super::URL_MOST;
use crate::safe::{item, part, prior};
use crate::view::entity;

/// An address in a text.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Bytes of the text, from the scheme on where there is one.
    pub range: Range<usize>,
    /// What follows the slashes, as a browser reads it.
    pub rest: Cow<'a, str>,
    /// It has no scheme, and so the page's own.
    pub is_relative: bool,
}

/// Longest scheme.
const SCHEME_MOST: usize = 12;
/// Schemes in which browsers read any run of slashes and backslashes as two slashes.
const WEB: &[&str] = &["http", "https", "ws", "wss", "ftp"];
/// Longest name of a host.
const NAME_MOST: usize = 253;
/// Longest word that is looked at for entities.
const CODED_MOST: usize = 512;

/// Finds them, in order but for those that are spelled in entities, which come last.
pub(super) fn find(text: &str, most: usize) -> Vec<Place<'_>> {
    let bytes = text.as_bytes();
    let mut places = Vec::new();
    let mut done = 0;
    for at in memchr::memchr2_iter(b'/', b'\\', bytes) {
        if at < done || !is_slash(item(bytes, at + 1)) && prior(bytes, at) != b':' {
            continue;
        }
        let run = part(bytes, at..)
            .iter()
            .take_while(|byte| is_slash(**byte))
            .count();
        done = at + run;
        places.extend(starting(text, at, run));
        if places.len() >= most {
            return places;
        }
    }
    let left = most - places.len();
    coded(text, left, &mut places);
    places
}

/// The address whose slashes are the `run` at `at`, if they are an address's.
fn starting(text: &str, at: usize, run: usize) -> Option<Place<'_>> {
    let bytes = text.as_bytes();
    let before = prior(bytes, at);
    let plain = part(bytes, at..at + run)
        .iter()
        .take(2)
        .filter(|byte| **byte == b'/')
        .count();
    let (start, slashes) = if before == b':' {
        let letters = part(bytes, ..at - 1).iter().rev().take(SCHEME_MOST);
        let length = letters.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let scheme = text.get(at - 1 - length..at - 1)?;
        let slashes = if WEB.iter().any(|web| web.eq_ignore_ascii_case(scheme)) {
            run
        } else if plain == 2 && length > 0 {
            2
        } else {
            return None;
        };
        (at - 1 - length, slashes)
    } else {
        let opens = at == 0 || matches!(before, b'"' | b'\'' | b'(' | b'=' | b'<');
        let named = item(bytes, at + run).is_ascii_alphanumeric();
        if run < 2 || !opens || !named {
            return None;
        }
        (at, run)
    };
    let end = end(text, at + slashes);
    let rest = text.get(at + slashes..end).filter(|rest| !rest.is_empty())?;
    Some(Place {
        range: start..end,
        rest: if rest.contains('\\') {
            Cow::Owned(rest.replace('\\', "/"))
        } else {
            Cow::Borrowed(rest)
        },
        is_relative: before != b':',
    })
}

/// Where the address that goes on at `from` ends.
fn end(text: &str, from: usize) -> usize {
    let rest = part(text.as_bytes(), from..);
    let ends = |byte: &u8| super::ends(byte) && *byte != b'\\';
    let length = rest.iter().take(URL_MOST).take_while(|byte| !ends(byte)).count();
    // Behind a backslash at the end there is a sign that it takes back.
    let told = part(rest, ..length)
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    text.floor_char_boundary(from + length - told)
}

const fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Addresses whose scheme, slashes or host's name are spelled in entities, as attributes of elements may.
fn coded<'a>(text: &'a str, most: usize, places: &mut Vec<Place<'a>>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    let all = places.len() + most;
    for at in memchr::memchr_iter(b'&', bytes) {
        if at < done || places.len() >= all {
            continue;
        }
        let telling =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '\\' | '.' | '\t' | '\n');
        if !text.get(at..).and_then(entity).is_some_and(|(_, c)| telling(c)) {
            continue;
        }
        let open = |byte: &u8| super::ends(byte) && *byte != b'\\' || *byte == b'(' || *byte == b'=';
        let back = part(bytes, done..at)
            .iter()
            .rev()
            .take(CODED_MOST)
            .take_while(|byte| !open(byte))
            .count();
        let (start, end) = (text.ceil_char_boundary(at - back), end(text, at));
        done = end;
        let mut plain = String::new();
        let mut from = start;
        while let Some(rest) = text.get(from..end).filter(|rest| !rest.is_empty()) {
            let (length, c) = entity(rest).unwrap_or_else(|| {
                let c = rest.chars().next().unwrap_or_default();
                (c.len_utf8(), c)
            });
            // Browsers drop them wherever in an address they stand.
            if !matches!(c, '\t' | '\n' | '\r') {
                plain.push(c);
            }
            from += length;
        }
        let slashes = plain.find(['/', '\\']).unwrap_or(plain.len());
        let run = plain
            .bytes()
            .skip(slashes)
            .take_while(|byte| is_slash(*byte))
            .count();
        // Without a scheme the quote that opened it is missing here.
        let (lead, at) = if slashes == 0 { ("\"", 1) } else { ("", slashes) };
        let whole = format!("{lead}{plain}");
        if let Some(place) = starting(&whole, at, run).filter(|place| place.range.start <= lead.len()) {
            places.push(Place {
                range: start..end,
                rest: Cow::Owned(place.rest.into_owned()),
                is_relative: place.is_relative,
            });
        }
    }
}

/// The host in what follows an address's slashes: lower case, without user and port, and where it ends.
pub(super) fn host(rest: &str) -> Option<(usize, String)> {
    let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'<>()`\\|".contains(c));
    let authority = rest.get(..end.unwrap_or(rest.len()))?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let bare = match (host.strip_prefix('['), host.rsplit_once(':')) {
        (Some(inner), _) => inner.split(']').next()?,
        (None, Some((host, port))) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        (None, _) => host,
    };
    let bare = bare.trim_end_matches(['.', ',', ';']).to_ascii_lowercase();
    (!bare.is_empty()).then_some((authority.len(), bare))
}

/// Calls `found` with each name of a host that a text may hold, in an address or alone: where, in lower case, and
/// whether its dots were written so that nobody follows it. Words with a dot that are no names come, too.
pub(super) fn names(text: &str, mut found: impl FnMut(Range<usize>, &str, bool)) {
    let bytes = text.as_bytes();
    let mut name = String::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_of_label(item(bytes, at)) {
            at += 1;
            continue;
        }
        let (start, mut dotted, mut defanged) = (at, false, false);
        let mut end = at;
        name.clear();
        loop {
            let byte = item(bytes, at);
            if is_of_label(byte) {
                name.push(char::from(byte.to_ascii_lowercase()));
                at += 1;
                end = at;
                continue;
            }
            match dot(part(bytes, at..)) {
                // Between two labels, or what follows is the end of a sentence.
                Some((length, plain)) if is_of_label(item(bytes, at + length)) && !name.ends_with('.') => {
                    name.push('.');
                    dotted = true;
                    defanged |= !plain;
                    at += length;
                }
                _ => break,
            }
        }
        if dotted {
            // No name is longer, and what is above the end of this one counts.
            let tail = name.len().saturating_sub(NAME_MOST);
            found(start..end, name.get(tail..).unwrap_or_default(), defanged);
        }
        at = at.max(end).max(start + 1);
    }
}

const fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Ways to write the dot of a name, the longer ones first.
const DOTS: &[&[u8]] = &[
    b" [dot] ",
    b" (dot) ",
    b" [.] ",
    b" (.) ",
    b"[dot]",
    b"(dot)",
    b"{dot}",
    b"[.]",
    b"(.)",
    b"{.}",
    b"[.",
    b"\\.",
    b"%2e",
    b"%2E",
    "\u{3002}".as_bytes(),
    "\u{ff0e}".as_bytes(),
    "\u{ff61}".as_bytes(),
];

/// How long the dot is that `bytes` start with, and whether it is an ordinary one.
fn dot(bytes: &[u8]) -> Option<(usize, bool)> {
    let first = bytes.first().copied()?;
    if first == b'.' {
        return Some((1, true));
    }
    if !matches!(first, b' ' | b'[' | b'(' | b'{' | b'\\' | b'%' | 0xe3 | 0xef) {
        return None;
    }
    let is = |way: &&&[u8]| {
        bytes
            .get(..way.len())
            .is_some_and(|bytes| bytes.eq_ignore_ascii_case(way))
    };
    DOTS.iter().find(is).map(|way| (way.len(), false))
}
