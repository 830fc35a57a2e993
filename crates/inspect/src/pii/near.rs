//! Words shortly before a number that say what it is.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::safe::{item, part, prior};

/// How far before a number a word may announce it.
pub(super) const ANNOUNCE: usize = 40;
/// Most digits between a word and the number that it announces.
const BETWEEN_MOST: usize = 4;

/// For [`speaks`].
pub(super) fn automaton(words: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        // Of "tel" and "telefon" the longer stands there.
        .match_kind(MatchKind::LeftmostLongest)
        .build(words)
        .ok()
}

/// Whether one of an automaton's words stands shortly before a place; a short one only as a whole word.
pub(super) fn speaks(words: &LazyLock<Option<AhoCorasick>>, text: &str, at: usize) -> bool {
    let from = text.ceil_char_boundary(at.saturating_sub(ANNOUNCE));
    let (Some(words), Some(before)) = (words.as_ref(), text.get(from..at)) else {
        return false;
    };
    words.find_iter(before).any(|hit| {
        let letter = |at: Option<usize>| {
            at.and_then(|at| before.as_bytes().get(at))
                .is_some_and(u8::is_ascii_alphabetic)
        };
        hit.len() > 4 || !(letter(hit.start().checked_sub(1)) || (hit.len() < 4 && letter(Some(hit.end()))))
    })
}

/// Whether one of the words stands shortly before a place. A word matches at its start only.
pub(super) fn announced(text: &str, at: usize, words: &[&str]) -> bool {
    let from = text.ceil_char_boundary(at.saturating_sub(ANNOUNCE));
    let Some(before) = text.get(from..at) else {
        return false;
    };
    // On the stack where that does: this is asked often.
    let mut small = [0_u8; ANNOUNCE];
    let long;
    let lower = match small.get_mut(..before.len()).filter(|_| before.is_ascii()) {
        Some(small) => {
            small.copy_from_slice(before.as_bytes());
            small.make_ascii_lowercase();
            &*small
        }
        None => {
            long = before.to_lowercase();
            long.as_bytes()
        }
    };
    // Most words have a letter that does not stand there at all.
    let mut present = [false; 256];
    for byte in lower {
        if let Some(present) = present.get_mut(usize::from(*byte)) {
            *present = true;
        }
    }
    let may = |word: &[u8]| {
        word.iter()
            .all(|byte| present.get(usize::from(*byte)) == Some(&true))
    };
    words
        .iter()
        .map(|word| word.as_bytes())
        .any(|word| may(word) && stands(lower, word))
}

/// Whether a word stands in a text: a short one only whole, a longer one also as a part, "steuer" in "Steuernummer".
fn stands(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return false };
    memchr::memchr_iter(*first, text).any(|at| {
        let left = prior(text, at);
        let right = item(text, at + word.len());
        part(text, at..).starts_with(word)
            && !(left.is_ascii_alphabetic() && word.len() < 5)
            && (word.len() >= 4 || !(right.is_ascii_alphanumeric() || right >= 0x80))
    })
}

/// The part of a text, and where it starts, whose words speak of the number at `start` and of what follows: a word speaks
/// of the number behind it, and not of one behind that.
pub(super) fn spoken(text: &str, start: usize) -> (usize, &str) {
    let mut digits = 0;
    let before = part(text.as_bytes(), ..start).iter().rev().take(ANNOUNCE);
    let reach = before.take_while(|byte| {
        digits += usize::from(byte.is_ascii_digit());
        digits <= BETWEEN_MOST
    });
    let from = text.ceil_char_boundary(start - reach.count());
    (from, text.get(from..).unwrap_or_default())
}
