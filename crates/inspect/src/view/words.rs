//! Words written so that a filter does not see them: letters moved by thirteen, backwards, kept apart, or with digits
//! and signs for letters. A layer is made only where a word that matters would appear.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};

use super::map::Map;
use super::{Form, Found};
use crate::safe::{item, part, prior};

/// Words whose disguise makes a text worth a second reading.
const TELLING: &[&str] = &[
    "ignore",
    "disregard",
    "instruction",
    "previous",
    "prompt",
    "system",
    "password",
    "secret",
    "override",
    "execute",
    "assistant",
    "reveal",
    "send ",
    "email",
    "forget",
    "credential",
    "delete",
    "transfer",
];
/// Letters in a row that must be kept apart.
const SPACED_LEAST: usize = 6;
/// Words with digits for letters that make a text worth rewriting.
const LEET_LEAST: usize = 2;

/// Telling words moved by thirteen, then backwards.
fn disguised() -> impl Iterator<Item = String> {
    let rot = TELLING.iter().map(|word| word.chars().map(rot13).collect());
    let back = TELLING.iter().map(|word| word.trim().chars().rev().collect());
    rot.chain(back)
}

/// Reads many bytes at once, where the processor can.
static WIDE: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| packed::Searcher::new(disguised()));
/// Reads byte by byte.
static NARROW: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .prefilter(false)
        .build(disguised())
        .ok()
});

/// Finds disguised words in `text`.
pub(super) fn find(text: &str, last: Form, found: &mut Vec<Found>) {
    if matches!(last, Form::Rot13 | Form::Reversed | Form::Spaced | Form::Leet) {
        return;
    }
    let (rot, back) = told(text);
    if rot >= 2 {
        let turned: String = text.chars().map(rot13).collect();
        let mut map = Map::default();
        map.copied(0, 0, turned.len());
        found.push(Found {
            text: turned,
            form: Form::Rot13,
            map,
        });
    }
    if back >= 2 {
        found.push(reversed(text));
    }
    spaced(text, found);
    leet(text, found);
}

/// How many telling words stand in a text moved by thirteen, and how many backwards. At most some are counted, so that a
/// text of nothing else costs no more.
fn told(text: &str) -> (usize, usize) {
    const HITS_MOST: usize = 64;
    // In small letters once, so that both searches need not know of capitals.
    let lower = text.as_bytes().to_ascii_lowercase();
    let (mut rot, mut back) = (0, 0);
    let mut count = |hit: aho_corasick::Match| {
        if hit.pattern().as_usize() < TELLING.len() {
            rot += 1;
        } else {
            back += 1;
        }
    };
    if let Some(wide) = WIDE.as_ref() {
        wide.find_iter(&lower).take(HITS_MOST).for_each(&mut count);
    } else if let Some(narrow) = NARROW.as_ref() {
        narrow.find_iter(&lower).take(HITS_MOST).for_each(&mut count);
    }
    (rot, back)
}

const fn rot13(c: char) -> char {
    match c {
        'a'..='m' | 'A'..='M' => (c as u8 + 13) as char,
        'n'..='z' | 'N'..='Z' => (c as u8 - 13) as char,
        _ => c,
    }
}

fn reversed(text: &str) -> Found {
    let mut out = String::with_capacity(text.len());
    let mut map = Map::default();
    for (at, c) in text.char_indices().rev() {
        map.copied(out.len(), at, c.len_utf8());
        out.push(c);
    }
    Found {
        text: out,
        form: Form::Reversed,
        map,
    }
}

/// The letters kept apart from `start` on: their places, with `usize::MAX` for a space between words; how many; the end.
fn run_of(bytes: &[u8], start: usize) -> (Vec<usize>, usize, usize) {
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let sign = item(bytes, start + 1);
    let (mut end, mut letters, mut word) = (start + 1, 1, vec![start]);
    loop {
        let gap = part(bytes, end..)
            .iter()
            .take(4)
            .take_while(|byte| **byte == sign)
            .count();
        if gap == 0 || gap > 3 || !letter(end + gap) || letter(end + gap + 1) {
            return (word, letters, end);
        }
        // A wider gap is a space between words.
        if gap > 1 {
            word.push(usize::MAX);
        }
        word.push(end + gap);
        letters += 1;
        end += gap + 1;
    }
}

/// Single letters with the same one or two separators between them.
fn spaced(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    // Letter, separator, letter, separator at a stride: cheap to rule out.
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let mut out = String::new();
    let mut map = Map::default();
    let (mut copied, mut at, mut any) = (0, 0, false);
    while at + 2 * SPACED_LEAST <= bytes.len() {
        // In a run of kept-apart letters every other byte of these is a separator.
        let probe = at + SPACED_LEAST;
        let separator = |at: usize| {
            matches!(
                bytes.get(at),
                Some(b' ' | b'.' | b'-' | b'_' | b'*' | b'|' | b'/')
            )
        };
        if !(separator(probe) || separator(probe + 1)) || !(separator(probe + 2) || separator(probe + 3)) {
            at = probe + 1;
            continue;
        }
        let Some(start) = (at..=probe + 1).find(|start| {
            letter(*start)
                && separator(start + 1)
                && letter(start + 2)
                && separator(start + 3)
                && (*start == 0 || !prior(bytes, *start).is_ascii_alphanumeric())
        }) else {
            at = probe + 1;
            continue;
        };
        let (word, letters, end) = run_of(bytes, start);
        if letters >= SPACED_LEAST {
            any = true;
            map.copied(out.len(), copied, start - copied);
            out.push_str(text.get(copied..start).unwrap_or_default());
            let mut before = start;
            for place in word {
                if place == usize::MAX {
                    map.made(out.len(), before..before + 1);
                    out.push(' ');
                } else {
                    map.copied(out.len(), place, 1);
                    out.push(char::from(item(bytes, place)));
                    before = place;
                }
            }
            copied = end;
        }
        at = end.max(at + 1);
    }
    if any {
        map.copied(out.len(), copied, text.len() - copied);
        out.push_str(text.get(copied..).unwrap_or_default());
        found.push(Found {
            text: out,
            form: Form::Spaced,
            map,
        });
    }
}

/// Words in which digits or signs stand between letters, rewritten where at least two become telling.
fn leet(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let mut telling = 0;
    for at in memchr::memchr3_iter(b'0', b'3', b'1', bytes).take(4096) {
        let before = at > 0 && prior(bytes, at).is_ascii_alphabetic();
        let after = bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic);
        if before && after {
            let start = (at.saturating_sub(12)..at)
                .rev()
                .find(|at| item(bytes, *at).is_ascii_whitespace())
                .map_or(at.saturating_sub(12), |at| at + 1);
            let word: String = part(bytes, start..)
                .iter()
                .take(20)
                .take_while(|byte| !byte.is_ascii_whitespace())
                .map(|byte| char::from(plain(*byte).to_ascii_lowercase()))
                .collect();
            telling += usize::from(TELLING.iter().any(|telling| word.contains(telling.trim())));
            if telling >= LEET_LEAST {
                break;
            }
        }
    }
    if telling < LEET_LEAST {
        return;
    }
    let turned: String = text
        .chars()
        .map(|c| {
            if c.is_ascii() {
                char::from(plain(c as u8))
            } else {
                c
            }
        })
        .collect();
    let mut map = Map::default();
    map.copied(0, 0, turned.len());
    found.push(Found {
        text: turned,
        form: Form::Leet,
        map,
    });
}

const fn plain(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' | b'!' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        other => other,
    }
}
