//! Texts spelt out as numbers, one a character: `69 67 6e`, `0x69, 0x67`, `105, 103`, `01101001`, `U+0069`, `0o151`, and
//! `chr(105)+chr(103)`; and Morse code.

use std::ops::Range;

use super::map::Map;
use super::{Form, Found};
use crate::bits::Bits;
use crate::safe::{item, part};

/// Fewest numbers of a list.
const NUMBERS_LEAST: usize = 8;
/// Longest number, its sign of a base included.
const NUMBER_MOST: usize = 18;
/// Fewest letters of Morse code, and fewest different ones: rules and dots of tables are made of few.
const MORSE_LEAST: usize = 12;
const MORSE_KINDS: usize = 6;
/// Most numbers of a list that are read as the beginning of the next one, too.
const AGAIN_MOST: usize = 32;
/// Most lists of one text.
const FOUND_MOST: usize = 16;

/// Shortest list of numbers, each of at least two signs, and fewest digits of it.
const LIST_LEAST: usize = 3 * NUMBERS_LEAST - 1;
const DIGITS_LEAST: usize = 2 * NUMBERS_LEAST;
/// Shortest Morse code of so many letters and gaps that are of so many kinds, and fewest signs of it.
const KEYED_LEAST: usize = 16;
const SIGNS_LEAST: usize = 10;

/// Finds lists of numbers and Morse code in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let (already, bytes) = (found.len(), text.as_bytes());
    let is_of_list = |byte: u8| {
        let small = byte | 0x20;
        byte.is_ascii_digit()
            | matches!(small, b'a'..=b'f')
            | ((small == b'x') | (small == b'o'))
            | (byte == b'U')
            | matches!(byte, b'+'..=b'-')
            | ((byte == b':') | (byte == b';') | (byte == b'_'))
            | ((byte == b' ') | (byte == b'\t') | (byte == b'\n') | (byte == b'\r'))
    };
    for run in Bits::of(bytes, is_of_list).runs(LIST_LEAST) {
        let digits = part(bytes, run.clone())
            .iter()
            .filter(|byte| byte.is_ascii_hexdigit());
        if digits.count() >= DIGITS_LEAST && found.len() < already + FOUND_MOST {
            lists(text, run, found);
        }
    }
    calls(text, found);
    let is_of_code = |byte: u8| {
        matches!(byte, b'-'..=b'/') | (byte == b'|') | ((byte == b' ') | (byte == b'\n') | (byte == b'\r'))
    };
    for run in Bits::of(bytes, is_of_code).runs(KEYED_LEAST) {
        let signs = part(bytes, run.clone())
            .iter()
            .filter(|byte| matches!(byte, b'.' | b'-'));
        if signs.count() >= SIGNS_LEAST && found.len() < already + FOUND_MOST {
            morse(text, run, found);
        }
    }
}

/// Longest name of a call, and most bytes between two of them.
const NAME_MOST: usize = 24;
const BETWEEN_MOST: usize = 8;

/// Characters that a program would make one by one: `chr(105)+chr(103)`, `String.fromCharCode(105) + …`, `CHAR(105)&…`.
/// What a call is named says nothing: there are as many names as languages. That its numbers spell a text does.
fn calls(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$');
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || b"+&.,|_'\"\\".contains(byte);
    let most = found.len() + FOUND_MOST;
    let (mut list, mut name, mut origin) = (Vec::new(), part(bytes, ..0), 0..0);
    for open in memchr::memchr_iter(b'(', bytes) {
        if !item(bytes, open + 1).is_ascii_digit() {
            continue;
        }
        let inner = part(bytes, open + 1..).iter().take(NUMBER_MOST);
        let length = inner.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let close = open + 1 + length;
        let before = part(bytes, ..open).iter().rev().take(NAME_MOST);
        let start = open - before.take_while(is_name).count();
        let Some(number) = text.get(open + 1..close).filter(|_| item(bytes, close) == b')') else {
            continue;
        };
        // The sign that puts together may be the first of a name, too.
        let called = without_dots(part(bytes, start..open));
        let between = part(bytes, origin.end..open - called.len());
        let goes_on = !list.is_empty()
            && called == name
            && between.len() <= BETWEEN_MOST
            && between.iter().all(is_between);
        if !goes_on {
            told(&list, &origin, most, found);
            list.clear();
            (name, origin) = (called, open - called.len()..close + 1);
        }
        if !called.is_empty() {
            list.push(number);
            origin.end = close + 1;
        }
    }
    told(&list, &origin, most, found);
}

/// Adds what the numbers of calls spell.
fn told(list: &[&str], origin: &Range<usize>, most: usize, found: &mut Vec<Found>) {
    if list.len() < NUMBERS_LEAST || found.len() >= most {
        return;
    }
    let bases = list
        .iter()
        .fold(u8::MAX, |bases, number| bases & Base::of(number).0);
    found.extend(spelt(list, bases).map(|text| Found {
        text,
        form: Form::Numbers,
        map: Map::whole(origin.clone()),
    }));
}

/// A name without dots before it, which are what puts two calls together.
fn without_dots(name: &[u8]) -> &[u8] {
    let dots = name.iter().take_while(|byte| **byte == b'.').count();
    part(name, dots..)
}

/// How a number is written, a bit each, since some may be read in several ways.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Base(u8);

impl Base {
    const BINARY: Self = Self(1);
    const HEX: Self = Self(2);
    const DECIMAL: Self = Self(4);
    const OCTAL: Self = Self(8);
    const POINT: Self = Self(16);
    const ALL: [Self; 5] = [Self::BINARY, Self::HEX, Self::DECIMAL, Self::OCTAL, Self::POINT];

    /// All that a number may be.
    fn of(number: &str) -> Self {
        let digits = number.as_bytes();
        let all = |base: u32| digits.iter().all(|digit| char::from(*digit).is_digit(base));
        let mut bases = 0;
        if number.starts_with("U+") && matches!(digits.len(), 6..=8) {
            return Self::POINT;
        }
        if let Some(hex) = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")) {
            let fits = matches!(hex.len(), 1 | 2) && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
            return Self(if fits { Self::HEX.0 } else { 0 });
        }
        if let Some(octal) = number.strip_prefix("0o").or_else(|| number.strip_prefix("0O")) {
            let fits =
                matches!(octal.len(), 1..=3) && octal.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
            return Self(if fits { Self::OCTAL.0 } else { 0 });
        }
        if digits.len() == 8 && all(2) {
            bases |= Self::BINARY.0;
        }
        if matches!(digits.len(), 2 | 4 | 8 | 16) && all(16) {
            bases |= Self::HEX.0;
        }
        if matches!(digits.len(), 2 | 3) && all(10) {
            bases |= Self::DECIMAL.0;
        }
        // A zero before it says so in C.
        if all(8) && (matches!(digits.len(), 2 | 3) || digits.len() == 4 && number.starts_with('0')) {
            bases |= Self::OCTAL.0;
        }
        Self(bases)
    }

    /// Adds what a number stands for. `None`: for no character.
    fn read(self, number: &str, out: &mut Vec<u8>) -> Option<()> {
        let digits = number.trim_start_matches("0x").trim_start_matches("0X");
        match self {
            Self::BINARY => out.push(u8::from_str_radix(digits, 2).ok()?),
            Self::DECIMAL => out.push(digits.parse().ok().filter(u8::is_ascii)?),
            Self::OCTAL => {
                let digits = number.trim_start_matches("0o").trim_start_matches("0O");
                out.push(u8::from_str_radix(digits, 8).ok()?);
            }
            Self::POINT => {
                let code = u32::from_str_radix(number.strip_prefix("U+")?, 16).ok()?;
                out.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).bytes());
            }
            _ if digits.len() == 1 => out.push(u8::from_str_radix(digits, 16).ok()?),
            _ => {
                for pair in digits.as_bytes().as_chunks::<2>().0 {
                    out.push(u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?);
                }
            }
        }
        Some(())
    }
}

/// Reads the lists in a run: numbers next to each other that may be written in the same way.
fn lists(text: &str, run: Range<usize>, found: &mut Vec<Found>) {
    let whole = text.get(run.clone()).unwrap_or_default();
    let numbers = whole
        .split([' ', ',', ';', ':', '-', '_', '\n', '\r', '\t'])
        .filter(|number| !number.is_empty());
    // A part of `whole`, so its place follows from the addresses.
    let place = |number: &str| run.start + (number.as_ptr() as usize - whole.as_ptr() as usize);
    let (mut list, mut bases): (Vec<&str>, u8) = (Vec::new(), u8::MAX);
    for number in numbers.chain([""]) {
        let base = if number.len() > NUMBER_MOST {
            Base(0)
        } else {
            Base::of(number)
        };
        if base.0 & bases != 0 {
            bases &= base.0;
            list.push(number);
            continue;
        }
        if list.len() >= NUMBERS_LEAST
            && let (Some(first), Some(last)) = (list.first(), list.last())
        {
            let origin = place(first)..place(last) + last.len();
            found.extend(spelt(&list, bases).map(|text| Found {
                text,
                form: Form::Numbers,
                map: Map::whole(origin.clone()),
            }));
        }
        // The last ones may as well be the first of another list: `see 0151,0147,040` begins with what could be one in hex.
        bases = base.0;
        let fits = |before: &&&str| {
            let both = bases & Base::of(before).0;
            if both != 0 {
                bases = both;
            }
            both != 0
        };
        let shared = list.iter().rev().take(AGAIN_MOST).take_while(fits).count();
        list.drain(..list.len() - shared);
        if base.0 == 0 {
            bases = u8::MAX;
        } else {
            list.push(number);
        }
    }
}

/// What a list spells, in each of its bases that gives a text.
fn spelt(list: &[&str], bases: u8) -> impl Iterator<Item = String> {
    let read = |base: Base| {
        let mut bytes = Vec::with_capacity(list.len());
        list.iter().try_for_each(|number| base.read(number, &mut bytes))?;
        let text = super::encoded::readable(&bytes)?;
        // Tables are full of decimal numbers, and few of them are mostly letters.
        let letters = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ').count();
        let is_common = base == Base::DECIMAL || base == Base::OCTAL && list.iter().any(|it| it.len() < 3);
        let fits = !is_common || letters * 10 >= text.chars().count() * 6;
        fits.then(|| text.to_owned())
    };
    let readings: Vec<String> = Base::ALL
        .into_iter()
        .filter(|base| bases & base.0 != 0)
        .filter_map(read)
        .collect();
    readings.into_iter()
}

/// Letters and digits of Morse code (ITU-R M.1677-1).
const MORSE: &[(&str, char)] = &[
    (".-", 'a'),
    ("-...", 'b'),
    ("-.-.", 'c'),
    ("-..", 'd'),
    (".", 'e'),
    ("..-.", 'f'),
    ("--.", 'g'),
    ("....", 'h'),
    ("..", 'i'),
    (".---", 'j'),
    ("-.-", 'k'),
    (".-..", 'l'),
    ("--", 'm'),
    ("-.", 'n'),
    ("---", 'o'),
    (".--.", 'p'),
    ("--.-", 'q'),
    (".-.", 'r'),
    ("...", 's'),
    ("-", 't'),
    ("..-", 'u'),
    ("...-", 'v'),
    (".--", 'w'),
    ("-..-", 'x'),
    ("-.--", 'y'),
    ("--..", 'z'),
    ("-----", '0'),
    (".----", '1'),
    ("..---", '2'),
    ("...--", '3'),
    ("....-", '4'),
    (".....", '5'),
    ("-....", '6'),
    ("--...", '7'),
    ("---..", '8'),
    ("----.", '9'),
    (".-.-.-", '.'),
    ("--..--", ','),
    ("..--..", '?'),
    (".----.", '\''),
    ("-.-.--", '!'),
    (".--.-.", '@'),
    ("---...", ':'),
    ("-..-.", '/'),
    ("-....-", '-'),
];

/// How a letter is keyed.
#[cfg(test)]
pub(crate) fn morse_of(letter: char) -> Option<&'static str> {
    MORSE
        .iter()
        .find(|(_, known)| *known == letter)
        .map(|(code, _)| *code)
}

fn morse(text: &str, run: Range<usize>, found: &mut Vec<Found>) {
    let mut out = String::new();
    let mut kinds = [false; 128];
    for word in text.get(run.clone()).unwrap_or_default().split(['/', '|', '\n']) {
        // Three spaces are a gap between words, too.
        for word in word.split("   ").map(str::trim).filter(|word| !word.is_empty()) {
            if !out.is_empty() {
                out.push(' ');
            }
            for code in word.split_ascii_whitespace() {
                let Some((_, letter)) = MORSE.iter().find(|(known, _)| *known == code) else {
                    return;
                };
                if let Some(kind) = kinds.get_mut(*letter as usize) {
                    *kind = true;
                }
                out.push(*letter);
            }
        }
    }
    let kinds = kinds.iter().filter(|kind| **kind).count();
    if out.len() >= MORSE_LEAST && kinds >= MORSE_KINDS {
        found.push(Found {
            text: out,
            form: Form::Morse,
            map: Map::whole(run),
        });
    }
}
