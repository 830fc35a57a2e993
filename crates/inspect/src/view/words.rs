//! Words written so that a filter does not see them: letters moved by thirteen, backwards, kept apart, cut into literals, or
//! with digits and signs for letters. A layer is made only where a word that matters would appear.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};

use super::chains;
use super::map::Map;
use super::{Form, Found};
use crate::bits::Bits;
use crate::safe::{item, part, prior};

/// Words whose disguise makes a text worth a second reading.
const TELLING: &[&str] = &[
    "ignor",
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
/// Small words that most texts of a language have, and that are no words when disguised.
const COMMON: &[&str] = &[
    " the ", " you ", " your ", " and ", " this ", " with ", " und ", " alle ", " que ", " todas ", " vous ",
    " les ",
];
/// Of these, ones that are words backwards as well.
const BOTH_WAYS: &[&str] = &[" and ", " les ", " que "];
/// Letters in a row that must be kept apart.
const SPACED_LEAST: usize = 6;
/// Words with digits for letters that make a text worth rewriting.
const LEET_LEAST: usize = 2;

/// Telling words moved by thirteen, then backwards.
fn disguised() -> impl Iterator<Item = String> {
    let rot = TELLING
        .iter()
        .chain(COMMON)
        .map(|word| word.chars().map(rot13).collect());
    let common = COMMON.iter().filter(|word| !BOTH_WAYS.contains(word));
    let back = TELLING.iter().map(|word| word.trim()).chain(common.copied());
    rot.chain(back.map(|word| word.chars().rev().collect()))
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
    turned(text, found);
    spaced(text, found);
    chains::find(text, found);
    joined(text, found);
    leet(text, found);
}

/// Seams of a text that was cut into literals, from the end of one to the beginning of the next, and fewest of them.
const SEAM_MOST: usize = 32;
const SEAMS_LEAST: usize = 2;

/// Literals that a program would put together: `"ig" + "nore"`, and one after the other.
fn joined(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let mut seams: Vec<(usize, usize)> = Vec::new();
    // Lua and SQL put together by two signs, and PHP by one of the first.
    let is_of_two = |byte: u8| (byte == b'.') | (byte == b'|');
    // What stands in a seam is rarer than quotes.
    for at in Bits::of(bytes, |byte| {
        (byte == b'+') | (byte == b'&') | (byte == b'\n') | is_of_two(byte)
    })
    .places()
    {
        if !matches!(
            prior(bytes, at),
            b'"' | b'\'' | b' ' | b'\t' | b'\r' | b'\n' | b'\x0c'
        ) {
            continue;
        }
        let space = |byte: &&u8| byte.is_ascii_whitespace();
        let before = part(bytes, at.saturating_sub(SEAM_MOST)..at);
        let start = at - before.iter().rev().take_while(space).count();
        let is_twice = is_of_two(item(bytes, at)) && item(bytes, at + 1) == item(bytes, at);
        // One alone is another sign, or the end of a sentence, which has no space before it.
        let stands = |at: u8| at.is_ascii_whitespace();
        let is_alike = stands(prior(bytes, at)) == stands(item(bytes, at + 1));
        match item(bytes, at) {
            b'|' if !is_twice => continue,
            b'.' if !is_twice && !is_alike => continue,
            _ => {}
        }
        let next = at + 1 + usize::from(is_twice);
        let behind = part(bytes, next..(next + SEAM_MOST).min(bytes.len()));
        let end = next + behind.iter().take_while(space).count();
        let quote = prior(bytes, start);
        // In a literal that holds them quotes have a backslash each, and more the deeper it lies.
        let slashes = |bytes: &mut dyn Iterator<Item = &u8>| {
            bytes.take(SEAM_MOST).take_while(|byte| **byte == b'\\').count()
        };
        let escaped = slashes(&mut part(bytes, end..).iter());
        let is_seam = matches!(quote, b'"' | b'\'')
            && item(bytes, end + escaped) == quote
            && slashes(&mut part(bytes, ..start - 1).iter().rev()) == escaped;
        let (start, end) = (start.saturating_sub(1 + escaped), end + escaped + 1);
        if is_seam && seams.last().is_none_or(|(_, last)| start >= *last) {
            seams.push((start, end));
        }
    }
    // Spreadsheets put literals together so, and nothing else has that sign between two.
    let is_of_sheet = |(start, end): &(usize, usize)| part(bytes, *start..*end).contains(&b'&');
    if seams.len() < SEAMS_LEAST && !seams.iter().any(is_of_sheet) {
        return;
    }
    let (mut out, mut map, mut from) = (String::with_capacity(text.len()), Map::default(), 0);
    for (start, end) in seams.into_iter().chain([(text.len(), text.len())]) {
        map.copied(out.len(), from, start - from);
        out.push_str(text.get(from..start).unwrap_or_default());
        from = end;
    }
    found.push(Found {
        text: out,
        form: Form::Joined,
        map,
    });
}

/// Letters that look like plain ones turned upside down, and those.
const TURNED: &[(char, char)] = &[
    ('ɐ', 'a'),
    ('ɔ', 'c'),
    ('ǝ', 'e'),
    ('ɟ', 'f'),
    ('ƃ', 'g'),
    ('ɓ', 'g'),
    ('ɥ', 'h'),
    ('ᴉ', 'i'),
    ('ı', 'i'),
    ('ɾ', 'j'),
    ('ʞ', 'k'),
    ('ʃ', 'l'),
    ('ɯ', 'm'),
    ('ɹ', 'r'),
    ('ʇ', 't'),
    ('ʌ', 'v'),
    ('ʍ', 'w'),
    ('ʎ', 'y'),
    ('q', 'b'),
    ('b', 'q'),
    ('p', 'd'),
    ('d', 'p'),
    ('u', 'n'),
    ('n', 'u'),
    ('˙', '.'),
    ('\'', ','),
    ('¡', '!'),
    ('¿', '?'),
];

/// Text turned upside down, which is also written backwards. `ǝ` stands in no language of wide use.
fn turned(text: &str, found: &mut Vec<Found>) {
    const LEAST: usize = 2;
    if memchr::memmem::find_iter(text.as_bytes(), "ǝ")
        .take(LEAST)
        .count()
        < LEAST
    {
        return;
    }
    let mut back = reversed(text);
    // Letters change and lengths with them, so places are kept one by one.
    let (mut out, mut map) = (String::with_capacity(text.len()), Map::default());
    for (at, c) in back.text.char_indices() {
        let plain = TURNED
            .iter()
            .find(|(turned, _)| *turned == c)
            .map_or(c, |(_, plain)| *plain);
        map.made(out.len(), back.map.origin(at..at + c.len_utf8()));
        out.push(plain);
    }
    (back.text, back.map) = (out, map);
    found.push(back);
}

/// How many telling words stand in a text moved by thirteen, and how many backwards. At most some are counted, so that a
/// text of nothing else costs no more.
fn told(text: &str) -> (usize, usize) {
    const HITS_MOST: usize = 64;
    // In small letters once, so that both searches need not know of capitals.
    let lower = text.as_bytes().to_ascii_lowercase();
    let (mut rot, mut back) = (0, 0);
    let mut count = |hit: aho_corasick::Match| {
        if hit.pattern().as_usize() < TELLING.len() + COMMON.len() {
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

/// Signs that keep letters apart.
const fn is_separator(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'.' | b'-' | b'_' | b'*' | b'|' | b'/' | b',' | b'\n'
    )
}

/// The letters kept apart from `start` on: their places, with `usize::MAX` for a space between words; how many; the end.
fn run_of(bytes: &[u8], start: usize) -> (Vec<usize>, usize, usize) {
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let alone = |at: usize| letter(at) && !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
    let sign = item(bytes, start + 1);
    // A digit, and what stands in words and addresses, may be kept apart as letters are.
    let mark = |at: usize| {
        let byte = item(bytes, at);
        (byte.is_ascii_digit() && sign != b' ' || matches!(byte, b'\'' | b'@' | b':' | b'!' | b'?' | b'"'))
            && byte != sign
            && sign != b'\n'
            && item(bytes, at + 1) == sign
            && prior(bytes, at) == sign
            && !item(bytes, at + 2).is_ascii_whitespace()
    };
    let (mut end, mut letters, mut word) = (start + 1, 1, vec![start]);
    loop {
        let gap = part(bytes, end..)
            .iter()
            .take(4)
            .take_while(|byte| **byte == sign)
            .count();
        // Between words there may be another sign, alone or with the usual one on its sides.
        let other = item(bytes, end + gap);
        let behind = gap + 1 + usize::from(gap > 0);
        let word_ends = gap <= 1
            && !other.is_ascii_alphanumeric()
            && (is_separator(other) || other == b'\r')
            && (gap == 0 || item(bytes, end + 2) == sign)
            && alone(end + behind);
        if word_ends {
            word.extend([usize::MAX, end + behind]);
            end += behind + 1;
        } else if gap == 1 && mark(end + gap) {
            word.push(end + gap);
            end += gap + 1;
            continue;
        } else if gap == 0 || gap > 3 || !alone(end + gap) {
            return (word, letters, end);
        } else {
            // A wider gap is a space between words.
            if gap > 1 {
                word.push(usize::MAX);
            }
            word.push(end + gap);
            end += gap + 1;
        }
        letters += 1;
    }
}

/// Runs of single letters with the same one or two separators between them: the letters as [`run_of`] has them, and the run.
fn kept_apart(bytes: &[u8]) -> Vec<(Vec<usize>, Range<usize>)> {
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let separator = |at: usize| is_separator(item(bytes, at));
    let mut runs = Vec::new();
    // In such a run no letter stands before another, which is rare for so long.
    let apart = Bits::of(bytes, |byte| {
        (byte | 0x20).is_ascii_lowercase() | byte.is_ascii_digit()
    })
    .apart();
    for stretch in apart.runs(2 * SPACED_LEAST - 1) {
        let mut at = stretch.start;
        while at < stretch.end {
            let starts = letter(at)
                && separator(at + 1)
                && letter(at + 2)
                && separator(at + 3)
                && (at == 0 || !prior(bytes, at).is_ascii_alphanumeric());
            if !starts {
                at += 1;
                continue;
            }
            let (word, letters, end) = run_of(bytes, at);
            if letters >= SPACED_LEAST {
                runs.push((word, at..end));
            }
            at = end;
        }
    }
    runs
}

/// Single letters put together again.
fn spaced(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let runs = kept_apart(bytes);
    if runs.is_empty() {
        return;
    }
    let (mut out, mut map, mut copied) = (String::with_capacity(text.len()), Map::default(), 0);
    for (word, run) in runs {
        map.copied(out.len(), copied, run.start - copied);
        out.push_str(text.get(copied..run.start).unwrap_or_default());
        let mut before = run.start;
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
        copied = run.end;
    }
    map.copied(out.len(), copied, text.len() - copied);
    out.push_str(text.get(copied..).unwrap_or_default());
    found.push(Found {
        text: out,
        form: Form::Spaced,
        map,
    });
}

/// Longest word that is looked at for digits that stand for letters.
const LEET_MOST: usize = 24;

/// Beginnings of telling words in other languages; digits take the place of the same letters there.
const TELLING_ELSEWHERE: &[&str] = &[
    "anweisung",
    "passw",
    "vorherig",
    "vergiss",
    "instruc",
    "instruz",
    "contrase",
    "anterior",
    "olvida",
    "preceden",
    "dimentica",
    "oublie",
    "senha",
];

/// Telling words as they are.
static PLAIN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .prefilter(false)
        .build(TELLING.iter().chain(TELLING_ELSEWHERE).map(|word| word.trim()))
        .ok()
});

/// How many telling words stand in a text.
pub(super) fn telling(text: &str) -> usize {
    PLAIN.as_ref().map_or(0, |words| {
        words.find_iter(text.to_ascii_lowercase().as_bytes()).count()
    })
}

/// Whether a telling word stands in a text.
pub(super) fn is_telling(text: &str) -> bool {
    PLAIN
        .as_ref()
        .is_some_and(|words| words.is_match(text.to_ascii_lowercase().as_bytes()))
}

/// Words in which digits or signs stand for letters, rewritten where at least two become telling.
fn leet(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let Some(words) = PLAIN.as_ref() else { return };
    let (mut telling, mut read) = (0, 0);
    let digits = Bits::of(bytes, |byte| (byte == b'0') | (byte == b'3') | (byte == b'1'));
    for at in digits.places().take(4096) {
        let letters = |from: usize| part(bytes, from..from + 2).iter().all(u8::is_ascii_alphabetic);
        let beside =
            at > 0 && prior(bytes, at).is_ascii_alphabetic() || letters(at + 1) && at + 2 < bytes.len();
        if !beside || at < read {
            continue;
        }
        let before = part(bytes, at.saturating_sub(LEET_MOST / 2)..at);
        let start = before
            .iter()
            .rev()
            .take_while(|byte| !byte.is_ascii_whitespace())
            .count();
        let mut word = [0; LEET_MOST];
        let mut length = 0;
        for (to, byte) in word.iter_mut().zip(part(bytes, at - start..)) {
            if byte.is_ascii_whitespace() {
                break;
            }
            *to = plain(*byte).to_ascii_lowercase();
            length += 1;
        }
        read = at - start + length;
        telling += usize::from(words.is_match(part(&word, ..length)));
        if telling >= LEET_LEAST {
            break;
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
        b'1' | b'!' | b'|' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' | b'+' => b't',
        b'8' => b'b',
        b'6' | b'9' => b'g',
        other => other,
    }
}
