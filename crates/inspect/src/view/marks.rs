//! Marks that are put into words: the signs of emphasis that a page takes out again, and accents on letters of a language that
//! has none. A layer is made only where words that matter appear without them.

use unicode_normalization::UnicodeNormalization as _;

use super::map::Map;
use super::words::is_telling;
use super::{Form, Found};
use crate::bits::Bits;
use crate::safe::{item, part, prior};

/// Fewest telling words that appear.
const TELLING_LEAST: usize = 2;
/// Longest word that is looked at, in bytes.
const WORD_MOST: usize = 48;
/// Most words of one text that are looked at.
const WORDS_MOST: usize = 4096;

/// Finds marks in words of `text`.
pub(super) fn find(text: &str, last: Form, found: &mut Vec<Found>) {
    if !matches!(last, Form::Leet) {
        emphasis(text, found);
        accents(text, found);
    }
}

/// The word around a place, as far as a word goes.
fn word_at(text: &str, at: usize) -> (usize, &str) {
    let bytes = text.as_bytes();
    let is_word = |byte: &&u8| !byte.is_ascii_whitespace();
    let before = part(bytes, at.saturating_sub(WORD_MOST)..at);
    let start = at - before.iter().rev().take_while(is_word).count();
    let behind = part(bytes, at..(at + WORD_MOST).min(bytes.len()));
    let end = at + behind.iter().take_while(is_word).count();
    let (start, end) = (text.ceil_char_boundary(start), text.floor_char_boundary(end));
    (start, text.get(start..end.max(start)).unwrap_or_default())
}

/// Emphasis inside of words, as Markdown has it: `Ig**no**re`.
fn emphasis(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let (mut telling, mut read) = (0, 0);
    let signs = Bits::of(bytes, |byte| (byte == b'*') | (byte == b'`') | (byte == b'~'));
    for at in signs.places().take(WORDS_MOST) {
        let inside = at > 0 && prior(bytes, at).is_ascii_alphabetic() && at >= read;
        let run = |byte: &&u8| **byte == item(bytes, at);
        let length = part(bytes, at..).iter().take(4).take_while(run).count();
        if !inside || !item(bytes, at + length).is_ascii_alphabetic() {
            continue;
        }
        let (start, word) = word_at(text, at);
        read = start + word.len();
        let bare: String = word
            .chars()
            .filter(|c| !matches!(c, '*' | '`' | '~' | '_'))
            .collect();
        telling += usize::from(is_telling(&bare) && !is_telling(word));
        if telling >= TELLING_LEAST {
            found.push(without(text, Form::Markup, |text, at, c| match c {
                '*' | '`' | '~' => Some(String::new()),
                // Between words of a name it stays.
                '_' => {
                    let (before, after) = (prior(text, at), item(text, at + 1));
                    let stays = before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric();
                    let edge = word_at_edge(text, at);
                    (!stays || edge).then(String::new)
                }
                _ => None,
            }));
            return;
        }
    }
}

/// Whether the word in which a sign stands begins or ends with the same.
fn word_at_edge(bytes: &[u8], at: usize) -> bool {
    let of_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let before = part(bytes, at.saturating_sub(WORD_MOST)..at);
    let start = at - before.iter().rev().take_while(of_word).count();
    let behind = part(bytes, at..(at + WORD_MOST).min(bytes.len()));
    let end = at + behind.iter().take_while(of_word).count();
    item(bytes, start) == b'_' || prior(bytes, end) == b'_'
}

/// English words with accents, which English has not. Other languages have words that begin alike, so only whole ones count.
fn accents(text: &str, found: &mut Vec<Found>) {
    const WORDS: &[&str] = &[
        "ignore",
        "ignored",
        "disregard",
        "previous",
        "instruction",
        "instructions",
        "prompt",
        "system",
        "password",
        "passwords",
        "secret",
        "secrets",
        "override",
        "reveal",
        "send",
        "forget",
        "credentials",
        "delete",
        "transfer",
        "all",
        "the",
        "your",
        "you",
        "user",
        "attacker",
        "everything",
        "above",
        "prior",
        "guidelines",
        "rules",
    ];
    // Nearly all letters with marks that are written alone begin with one of these bytes.
    let bytes = text.as_bytes();
    let lead = |byte: u8| matches!(byte, 0xc3..=0xc9 | 0xe1);
    let (mut telling, mut read) = (0, 0);
    for at in Bits::of(bytes, lead).places().take(WORDS_MOST) {
        if at < read {
            continue;
        }
        let (start, word) = word_at(text, at);
        read = start + word.len();
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let plain: String = word.chars().map(bare).collect::<String>().to_ascii_lowercase();
        telling += usize::from(WORDS.contains(&plain.as_str()));
        if telling >= TELLING_LEAST {
            found.push(without(text, Form::Leet, |_, _, c| {
                (!c.is_ascii() && bare(c) != c).then(|| bare(c).to_string())
            }));
            return;
        }
    }
}

/// A Latin letter without its marks.
fn bare(c: char) -> char {
    let mut parts = std::iter::once(c).nfd();
    match (parts.next(), parts.next()) {
        (Some(letter), Some(_)) if letter.is_ascii_alphabetic() => letter,
        _ => c,
    }
}

/// The text with some characters replaced.
fn without(text: &str, form: Form, new: impl Fn(&[u8], usize, char) -> Option<String>) -> Found {
    let (mut out, mut map) = (String::with_capacity(text.len()), Map::default());
    for (at, c) in text.char_indices() {
        match new(text.as_bytes(), at, c) {
            None => {
                map.copied(out.len(), at, c.len_utf8());
                out.push(c);
            }
            Some(new) if !new.is_empty() => {
                map.made(out.len(), at..at + c.len_utf8());
                out.push_str(&new);
            }
            Some(_) => {}
        }
    }
    Found { text: out, form, map }
}
