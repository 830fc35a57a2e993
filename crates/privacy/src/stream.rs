//! Masking and restoring of text that comes in pieces.
//!
//! Both decide at places that the text alone determines, and hold back what is not decided yet; so the bytes they give
//! do not depend on how the text was cut. A restorer holds back less than one token. A masker works on stretches that
//! end at a line or a space, and looks at each with what stands before it and with its neighbour, so that a value over their
//! border is still found, and one that a word before it gives away; a value longer than a stretch and the next is found
//! only if its detector finds a part. It holds back two stretches: about two hundred bytes of prose.

use std::ops::Range;

use bartizan_types::Timestamp;

use crate::{
    Kind, Shape, Vault,
    token::{Look, look, name},
};

/// A value that a detector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// Its kind.
    pub kind: Kind,
    /// What it is to be stood in for by.
    pub shape: Shape,
}

/// A text with each value that was found replaced by what `replace` gives for it. Ranges that overlap are taken as one,
/// under the kind of the first; what is out of bounds or cuts a character is widened to whole characters.
pub fn mask(text: &str, found: &[Found], mut replace: impl FnMut(&Found, &str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for found in joined(text, found) {
        out.push_str(text.get(at..found.range.start).unwrap_or_default());
        out.push_str(&replace(
            &found,
            text.get(found.range.clone()).unwrap_or_default(),
        ));
        at = found.range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

fn joined(text: &str, found: &[Found]) -> Vec<Found> {
    let mut all: Vec<Found> = found
        .iter()
        .filter_map(|found| {
            let start = text.floor_char_boundary(found.range.start.min(text.len()));
            let end = text.ceil_char_boundary(found.range.end.clamp(start, text.len()));
            (start < end).then(|| Found {
                range: start..end,
                ..found.clone()
            })
        })
        .collect();
    all.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut out: Vec<Found> = Vec::with_capacity(all.len());
    for next in all {
        match out.last_mut() {
            Some(last) if next.range.start < last.range.end => {
                last.range.end = last.range.end.max(next.range.end);
            }
            _ => out.push(next),
        }
    }
    out
}

/// Restores tokens in text that comes in pieces.
#[derive(Debug, Default)]
pub struct Restorer {
    held: String,
    before: Option<char>,
    /// What the text up to here says of addresses; `None` where they are of no matter.
    address: Option<Address>,
}

/// Whether a text stands in an address. What shows an answer to people fetches the addresses of images by itself, and people
/// follow links: a value that is put into one goes wherever the address leads, and the model that wrote it there need not
/// have seen it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Address {
    within: bool,
    /// The last two signs were a slash, or a bracket and a parenthesis.
    opening: Option<char>,
}

impl Address {
    fn take(&mut self, c: char) {
        if c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`') {
            self.within = false;
        }
        self.within |= matches!((self.opening, c), (Some('/'), '/') | (Some(']'), '('));
        self.opening = Some(c);
    }

    /// Whether a token here is part of an address: behind its beginning, or as the first labels of a host.
    fn holds(self, follows: &[u8]) -> bool {
        let label = follows.first() == Some(&b'.') && follows.get(1).copied().is_some_and(begins_label);
        self.within || label
    }
}

impl Restorer {
    /// One for what people are shown: a token that is part of an address stays one.
    #[must_use]
    pub fn for_people() -> Self {
        Self {
            address: Some(Address::default()),
            ..Self::default()
        }
    }

    /// Takes the next piece, and appends to `out` what is decided. `may` rules on each token's kind; one that it refuses
    /// stays as it is.
    pub fn push(
        &mut self,
        vault: &Vault,
        piece: &str,
        now: Timestamp,
        may: &mut dyn FnMut(&Kind) -> bool,
        out: &mut String,
    ) {
        self.held.push_str(piece);
        self.run(vault, now, may, out, false);
    }

    /// Nothing follows: gives what is left.
    pub fn finish(
        &mut self,
        vault: &Vault,
        now: Timestamp,
        may: &mut dyn FnMut(&Kind) -> bool,
        out: &mut String,
    ) {
        self.run(vault, now, may, out, true);
        self.before = None;
        self.address = self.address.map(|_| Address::default());
    }

    /// Bytes held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn run(
        &mut self,
        vault: &Vault,
        now: Timestamp,
        may: &mut dyn FnMut(&Kind) -> bool,
        out: &mut String,
        last: bool,
    ) {
        let held = std::mem::take(&mut self.held);
        let (mut copied, mut skip) = (0, 0);
        for (at, c) in held.char_indices() {
            if at < skip {
                self.passed(c);
                continue;
            }
            let rest = held.as_bytes().get(at..).unwrap_or_default();
            let seen = look(rest, self.before, last);
            match self.wants_more(seen, rest, last) {
                Look::No => {}
                Look::More => {
                    out.push_str(held.get(copied..at).unwrap_or_default());
                    self.held = held.get(at..).unwrap_or_default().to_owned();
                    return;
                }
                Look::Token { core, whole } => {
                    skip = at + whole;
                    let name = name(held.get(at..at + core).unwrap_or_default());
                    let follows = rest.get(whole..).unwrap_or_default();
                    let addressed = self.address.is_some_and(|address| address.holds(follows));
                    let elsewhere = |kind: &Kind| match whole > core {
                        true => goes_on(follows),
                        // A mail address's name without its domain, at another.
                        false => kind.as_str() == "email" && follows.first() == Some(&b'@'),
                    };
                    let found = vault
                        .named(&name, now)
                        .filter(|found| !addressed && !elsewhere(found.kind));
                    if let Some(found) = found.filter(|found| may(found.kind)) {
                        out.push_str(held.get(copied..at).unwrap_or_default());
                        out.push_str(found.value);
                        copied = skip;
                    }
                }
            }
            self.passed(c);
        }
        out.push_str(held.get(copied..).unwrap_or_default());
    }

    fn passed(&mut self, c: char) {
        self.before = Some(c);
        if let Some(address) = &mut self.address {
            address.take(c);
        }
    }

    /// A token at the end of what came so far may still turn out to be a host's first label.
    fn wants_more(&self, seen: Look, rest: &[u8], last: bool) -> Look {
        match seen {
            // Only a mail address has something behind the name.
            Look::Token { core, whole } if !last && (self.address.is_some() || whole > core) => {
                match rest.get(whole..).unwrap_or_default() {
                    [] | [b'.'] => Look::More,
                    _ => seen,
                }
            }
            seen => seen,
        }
    }
}

/// Whether a token of a mail address is the beginning of a longer one: `…@token.invalid.evil.example` restored would be an
/// address of another domain, with the value in it.
fn goes_on(follows: &[u8]) -> bool {
    match follows {
        [b'.', next, ..] => begins_label(*next),
        [next, ..] => next.is_ascii_alphanumeric() || matches!(next, b'-' | b'_' | b'@'),
        [] => false,
    }
}

/// Whether a byte behind a dot begins one more label of a host. Of names in other scripts (RFC 5890) every byte may.
const fn begins_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// A stretch ends at the first line end behind so many bytes, or the first space behind more.
const LINE: usize = 48;
const SPACE: usize = 96;
/// Where neither comes, it ends here all the same.
const HARD: usize = 4096;
/// A key block is not cut before so many bytes.
const BLOCK: usize = 16 << 10;
/// Of what was given, so many bytes are looked at again with what follows: a word before a value tells what it is.
const CONTEXT: usize = 128;

/// What a detector looks at.
#[derive(Debug, Clone, Copy)]
pub struct Window<'t> {
    /// Some of what was given, and what is to be decided.
    pub text: &'t str,
    /// Where it starts in the whole text.
    pub start: usize,
    /// Where in `text` it begins what was not given yet. What ends before that was decided before.
    pub fresh: usize,
}

/// Finds values in a stretch of text.
pub type Detect<'d> = dyn FnMut(Window<'_>) -> Vec<Found> + 'd;

/// Masks values in text that comes in pieces. With a `replace` that gives back what it is given, it only tells how much of
/// a text has been looked at.
#[derive(Debug, Default)]
pub struct Masker {
    /// Some of what was given, and what is not given yet: the stretch in question, and what follows it.
    held: String,
    /// Where in `held` it begins what is not given yet.
    fresh: usize,
    /// Where the first stretch in `held` ends, once that is known.
    first: Option<usize>,
    /// Values behind the first stretch that were found with what stands before them.
    known: Vec<Found>,
    /// Where `held` starts in the whole text.
    start: usize,
}

impl Masker {
    /// Takes the next piece, and appends to `out` what is decided. `detect` finds values in a text; `replace` gives what
    /// stands in for one.
    pub fn push(
        &mut self,
        piece: &str,
        detect: &mut Detect<'_>,
        replace: &mut dyn FnMut(&Found, &str) -> String,
        out: &mut String,
    ) {
        self.held.push_str(piece);
        loop {
            let from = self.first.unwrap_or(self.fresh);
            let Some(end) = self.held.get(from..).and_then(cut).map(|length| from + length) else {
                return;
            };
            match self.first {
                None => self.first = Some(end),
                Some(first) => {
                    // Two stretches are whole: the first can be given, with whatever reaches over its end.
                    let found = self.look(end, detect);
                    let window = self.held.get(..end).unwrap_or_default();
                    let upto = give(window, self.fresh..first, &found, replace, out);
                    self.passed(upto, end, found);
                }
            }
        }
    }

    /// Nothing follows: gives what is left.
    pub fn finish(
        &mut self,
        detect: &mut Detect<'_>,
        replace: &mut dyn FnMut(&Found, &str) -> String,
        out: &mut String,
    ) {
        let end = self.held.len();
        if end > self.fresh {
            let found = self.look(end, detect);
            give(&self.held, self.fresh..end, &found, replace, out);
        }
        *self = Self::default();
    }

    /// Bytes held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len() - self.fresh
    }

    /// Values in what is held up to `end`, and not given yet.
    fn look(&mut self, end: usize, detect: &mut Detect<'_>) -> Vec<Found> {
        let text = self.held.get(..end).unwrap_or_default();
        let mut found = detect(Window {
            text,
            start: self.start,
            fresh: self.fresh,
        });
        found.append(&mut self.known);
        found.retain_mut(|found| {
            found.range.start = found.range.start.max(self.fresh);
            found.range.start < found.range.end
        });
        joined(text, &found)
    }

    /// What is held up to `upto` was given; up to `end` it was looked at.
    fn passed(&mut self, upto: usize, end: usize, found: Vec<Found>) {
        let gone = self.held.floor_char_boundary(upto.saturating_sub(CONTEXT));
        self.held.drain(..gone);
        self.start += gone;
        self.fresh = upto - gone;
        self.first = (end > upto).then_some(end - gone);
        self.known = found
            .into_iter()
            .filter(|found| found.range.start >= upto)
            .map(|found| Found {
                range: found.range.start - gone..found.range.end - gone,
                ..found
            })
            .collect();
    }
}

/// Gives what a window holds in `part`, or up to the end of a value that reaches over it. Gives where that is.
fn give(
    window: &str,
    part: Range<usize>,
    found: &[Found],
    replace: &mut dyn FnMut(&Found, &str) -> String,
    out: &mut String,
) -> usize {
    let mut at = part.start;
    for found in found.iter().filter(|found| found.range.start < part.end) {
        out.push_str(window.get(at..found.range.start).unwrap_or_default());
        out.push_str(&replace(
            found,
            window.get(found.range.clone()).unwrap_or_default(),
        ));
        at = found.range.end;
    }
    if at < part.end {
        out.push_str(window.get(at..part.end).unwrap_or_default());
        at = part.end;
    }
    at
}

/// Where the stretch at the start of a text ends, if the text shows that already. It depends on no byte behind.
fn cut(text: &str) -> Option<usize> {
    let block = block(text);
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let ends = match c {
            '\n' => end >= LINE,
            ' ' | '\t' => end >= SPACE,
            _ => end >= HARD,
        };
        if ends
            && !block
                .as_ref()
                .is_some_and(|block| end > block.start && end < block.end)
        {
            return Some(end);
        }
    }
    None
}

/// The key block that begins in a text's first stretch, as far as it goes.
fn block(text: &str) -> Option<Range<usize>> {
    const FIRST: &str = "-----BEGIN ";
    let start = text
        .get(..text.floor_char_boundary(HARD))
        .and_then(|head| head.find(FIRST))?;
    let most = start + BLOCK;
    let rest = text.get(start..).unwrap_or_default();
    let end = rest
        .find("-----END ")
        .and_then(|last| Some(last + rest.get(last..)?.find('\n')?))
        .map_or(most, |line| start + line + 1);
    Some(start..end.min(most))
}

#[cfg(test)]
mod tests;
