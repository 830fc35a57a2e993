//! Characters that people do not see, or see as others.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, compose};

use super::map::Map;
use super::{Disguise, Mark};
use crate::safe::{item, part, prior};

/// Most combining marks kept on one letter.
const COMBINING_MOST: usize = 3;
/// So many marks that no letter takes are there to disguise a word.
const ODD_LEAST: usize = 2;
/// A run of variation selectors this long spells something.
const SELECTORS_LEAST: usize = 3;
/// A run of zero-width characters this long spells something.
const ZERO_WIDTH_LEAST: usize = 16;

/// The text without disguises, where it came from, and what was disguised. Borrowed, with an empty map, where nothing
/// had to change.
pub(super) fn plain(bytes: &[u8]) -> (Cow<'_, str>, Map, Vec<Mark>) {
    let odd = |byte: &u8| {
        !byte.is_ascii() || (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || *byte == 0x7f
    };
    // Blocks first: without an early end the compiler makes this wide.
    let clean = bytes
        .chunks(256)
        .all(|block| block.iter().fold(true, |clean, byte| clean & !odd(byte)));
    if clean && let Ok(text) = str::from_utf8(bytes) {
        return (Cow::Borrowed(text), Map::default(), Vec::new());
    }
    let mut cleaner = Cleaner {
        out: String::with_capacity(bytes.len()),
        map: Map::default(),
        marks: Vec::new(),
        hid: false,
    };
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        cleaner.text(chunk.valid(), at);
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            cleaner.make("\u{fffd}", at..at + chunk.invalid().len());
            at += chunk.invalid().len();
        }
    }
    let Cleaner {
        out,
        map,
        mut marks,
        hid,
    } = cleaner;
    // What stood inside of words hid what the words are, and what was spelt invisibly may be disguised itself.
    if out.is_ascii() || !hid {
        return (Cow::Owned(out), map, marks);
    }
    let mut second = Cleaner {
        out: String::with_capacity(out.len()),
        map: Map::default(),
        marks: Vec::new(),
        hid: false,
    };
    second.text(&out, 0);
    marks.extend(second.marks.into_iter().map(|mark| Mark {
        disguise: mark.disguise,
        origin: map.origin(mark.origin),
    }));
    (Cow::Owned(second.out), second.map.onto(&map), marks)
}

struct Cleaner {
    out: String,
    map: Map,
    marks: Vec<Mark>,
    /// Something that nobody sees was taken away or read.
    hid: bool,
}

impl Cleaner {
    fn copy(&mut self, text: &str, from: usize) {
        self.map.copied(self.out.len(), from, text.len());
        self.out.push_str(text);
    }

    fn make(&mut self, text: &str, from: Range<usize>) {
        if !text.is_empty() {
            self.map.made(self.out.len(), from);
            self.out.push_str(text);
        }
    }

    fn mark(&mut self, disguise: Disguise, origin: Range<usize>) {
        if let Some(last) = self.marks.last_mut()
            && last.disguise == disguise
            && last.origin.end + 8 >= origin.start
        {
            last.origin.end = origin.end;
            return;
        }
        self.marks.push(Mark { disguise, origin });
    }

    /// One valid stretch, `base` bytes into the input.
    fn text(&mut self, text: &str, base: usize) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let ascii = rest
                .bytes()
                .take_while(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e))
                .count();
            if ascii > 0 {
                // A word of look-alikes may end in plain letters, so the last word waits for what follows it.
                let whole = ascii == rest.len();
                let word = part(rest.as_bytes(), ..ascii)
                    .iter()
                    .rev()
                    .take_while(|byte| byte.is_ascii_alphanumeric())
                    .count();
                let safe = if whole { ascii } else { ascii - word };
                if safe > 0 {
                    self.copy(rest.get(..safe).unwrap_or_default(), base + at);
                    at += safe;
                    continue;
                }
            }
            at += self.odd(rest, base + at);
        }
    }

    /// Takes at least one character of `rest`, which starts with something that is not plain, or with the start of a
    /// word that has such in it. Returns how many bytes it took.
    fn odd(&mut self, rest: &str, base: usize) -> usize {
        let Some(first) = rest.chars().next() else {
            return 1;
        };
        let run = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        self.hid |= is_unseen(first);
        if is_tag(first) {
            let length = run(|c| is_tag(c) || is_between(c));
            self.tags(rest.get(..length).unwrap_or_default(), base);
            return length;
        }
        if is_selector(first) {
            let length = run(|c| is_selector(c) || is_between(c));
            self.selectors(rest.get(..length).unwrap_or_default(), base);
            return length;
        }
        if is_zero_width(first) {
            let length = run(is_zero_width);
            self.zero_width(rest.get(..length).unwrap_or_default(), base);
            return length;
        }
        if is_direction(first) {
            let length = run(is_direction);
            if rest
                .get(..length)
                .unwrap_or_default()
                .chars()
                .any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            {
                self.mark(Disguise::Direction, base..base + length);
            }
            return length;
        }
        if first == '\u{1b}' {
            let length = escape(rest);
            self.mark(Disguise::Control, base..base + length);
            return length;
        }
        if first.is_control() && !matches!(first, '\t' | '\n' | '\r') {
            // Next line and others that are only space.
            if first == '\u{85}' || first == '\u{b}' || first == '\u{c}' {
                self.make("\n", base..base + first.len_utf8());
            } else {
                self.mark(Disguise::Control, base..base + first.len_utf8());
            }
            return first.len_utf8();
        }
        if let Some(plain) = digit(first).filter(|_| !self.out.ends_with(|c: char| c.is_ascii_alphabetic())) {
            self.make(plain.encode_utf8(&mut [0; 4]), base..base + first.len_utf8());
            return first.len_utf8();
        }
        self.word(rest, base)
    }

    fn tags(&mut self, run: &str, base: usize) {
        let spelt: String = run
            .chars()
            .filter_map(|c| char::from_u32((c as u32).wrapping_sub(0xe0000)))
            .filter(|c| matches!(c, ' '..='~' | '\n' | '\r' | '\t'))
            .collect();
        // The flags of England, Scotland and Wales, and of regions, are spelt so.
        let flag = self.out.ends_with('\u{1f3f4}') && spelt.len() <= 6 && run.ends_with('\u{e007f}');
        if !flag {
            self.mark(Disguise::Tags, base..base + run.len());
            self.make(&spelt, base..base + run.len());
        }
    }

    fn selectors(&mut self, run: &str, base: usize) {
        let bytes: Vec<u8> = run
            .chars()
            .filter(|c| is_selector(*c))
            .map(|c| match c as u32 {
                code @ 0xfe00..=0xfe0f => (code - 0xfe00) as u8,
                code => (code.wrapping_sub(0xe0100) as u8).wrapping_add(16),
            })
            .collect();
        if bytes.len() >= SELECTORS_LEAST {
            self.mark(Disguise::Selectors, base..base + run.len());
            if let Some(text) = readable(&bytes) {
                self.make(text, base..base + run.len());
            }
        }
    }

    fn zero_width(&mut self, run: &str, base: usize) {
        let origin = base..base + run.len();
        let count = run.chars().count();
        if count >= ZERO_WIDTH_LEAST {
            let text = bits(run);
            let disguise = match text {
                Some(_) => Disguise::ZeroWidthText,
                None => Disguise::ZeroWidth,
            };
            self.mark(disguise, origin.clone());
            self.make(&text.unwrap_or_default(), origin);
            return;
        }
        // Between letters of scripts that need it a joiner is spelling; a mark at the start of a text is ordinary.
        if self.out.ends_with(|c: char| c.is_ascii_alphanumeric()) || count > 2 {
            self.mark(Disguise::ZeroWidth, origin);
        }
    }

    /// A word with at least one character outside ASCII, or a single sign.
    fn word(&mut self, rest: &str, base: usize) -> usize {
        let (mut end, mut last) = (0, 'a');
        for c in rest.chars() {
            let part =
                c.is_alphanumeric() || canonical_combining_class(c) != 0 || is_stroke(c) || is_letter_sign(c);
            // Fillers of Hangul are letters that nobody sees; digits of other scripts are numbers of their own.
            let own = is_unseen(c) || !last.is_ascii() && digit(c).is_some();
            last = c;
            if !part || own && end > 0 {
                break;
            }
            end += c.len_utf8();
            if end >= 256 {
                break;
            }
        }
        if end == 0 {
            let sign = rest.chars().next().map_or(1, char::len_utf8);
            let text = rest.get(..sign).unwrap_or_default();
            let normal: String = text.nfkc().collect();
            if normal == text {
                self.copy(text, base);
            } else {
                self.make(&normal, base..base + sign);
            }
            return sign;
        }
        let word = rest.get(..end).unwrap_or_default();
        let normal = normal(word, self.out.chars().next_back());
        let before = self.out.chars().rev().find(|c| c.is_alphanumeric());
        let folded = fold(&normal, before, is_apart(self.out.as_bytes()));
        if let Some(folded) = folded {
            self.mark(Disguise::LookAlike, base..base + end);
            self.make(&folded, base..base + end);
        } else if normal == word {
            self.copy(word, base);
        } else {
            self.make(&normal, base..base + end);
        }
        end
    }
}

/// What may stand between characters that spell, and says nothing itself.
const fn is_between(c: char) -> bool {
    is_zero_width(c) || is_direction(c) || is_stroke(c)
}

/// Whether nobody sees a character: it is taken away, or read as what it spells.
pub(super) const fn is_unseen(c: char) -> bool {
    is_tag(c) || is_selector(c) || is_zero_width(c) || is_direction(c)
}

/// The digit that one of another script is. What looks like a letter inside of a plain word is read as that.
fn digit(c: char) -> Option<char> {
    /// Where the ten digits of each script begin.
    const ZEROS: &[u32] = &[
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
        0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
        0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x104a0, 0x10d30, 0x11066, 0x110f0,
        0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50,
        0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e950,
    ];
    let code = c as u32;
    if code < 0x660 {
        return None;
    }
    let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let value = code.checked_sub(*ZEROS.get(at)?)?;
    char::from_digit(value, 10)
}

const fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

const fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

const fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0080}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

const fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Signs that stand for letters: enclosed ones, regional indicators and Braille.
const fn is_letter_sign(c: char) -> bool {
    matches!(c, '\u{2801}'..='\u{283f}' | '\u{24b6}'..='\u{24e9}' | '\u{1f110}'..='\u{1f189}' | '\u{1f1e6}'..='\u{1f1ff}')
}

/// Length of a terminal escape sequence at the start of `rest`.
fn escape(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    match bytes.get(1) {
        Some(b'[') => {
            let body = bytes
                .iter()
                .skip(2)
                .take(32)
                .take_while(|byte| matches!(byte, 0x20..=0x3f))
                .count();
            let last = bytes
                .get(2 + body)
                .is_some_and(|byte| matches!(byte, 0x40..=0x7e));
            2 + body + usize::from(last)
        }
        Some(0x40..=0x5f) => 2,
        _ => 1,
    }
}

/// Bytes as text, where that is what they are.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    let fine = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r'))
        .count();
    (fine * 10 >= text.chars().count() * 9).then_some(text)
}

/// Two zero-width characters used as bits, the earlier one in code order first taken as 0, then as 1.
fn bits(run: &str) -> Option<String> {
    let mut kinds: Vec<char> = run.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let [zero, one] = kinds.get(..2).and_then(|two| <[char; 2]>::try_from(two).ok())?;
    [(zero, one), (one, zero)].into_iter().find_map(|(zero, one)| {
        let bits: Vec<u8> = run
            .chars()
            .filter(|c| *c == zero || *c == one)
            .map(|c| u8::from(c == one))
            .collect();
        let bytes: Vec<u8> = bits
            .chunks_exact(8)
            .map(|eight| eight.iter().fold(0, |byte, bit| byte << 1 | bit))
            .collect();
        readable(&bytes).filter(|text| text.len() >= 2).map(str::to_owned)
    })
}

/// NFKC, with the letters that it leaves alone, with no towers of marks, and without marks that no language needs:
/// strokes through letters, and what composes with no plain letter or sign. `before` is what the word follows.
fn normal(word: &str, before: Option<char>) -> String {
    let flags = word.chars().all(|c| matches!(c, '\u{1f1e6}'..='\u{1f1ff}')) && word.chars().count() <= 2;
    let (mut marks, mut below, mut odd) = (0, before.unwrap_or('a'), 0);
    let text: String = word
        .nfkc()
        .filter(|c| {
            if canonical_combining_class(*c) == 0 && !is_stroke(*c) {
                (marks, below) = (0, *c);
                return true;
            }
            marks += 1;
            // What composes is composed by now.
            let stays = marks <= COMBINING_MOST && !below.is_ascii() && !is_latin(below) && !is_stroke(*c);
            odd += usize::from(!stays);
            stays
        })
        .map(|c| {
            let code = c as u32;
            let letter = match code {
                0x1f150..=0x1f169 => code - 0x1f150,
                0x1f170..=0x1f189 => code - 0x1f170,
                0x1f1e6..=0x1f1ff if !flags => code - 0x1f1e6,
                _ => return small_capital(braille(c).unwrap_or(c)),
            };
            char::from_u32(u32::from(b'A') + letter).unwrap_or(c)
        })
        .collect();
    // A word with marks that no letter takes has its other marks for the same reason.
    if odd >= ODD_LEAST || accented(&text) {
        text.nfd()
            .filter(|c| canonical_combining_class(*c) == 0)
            .collect()
    } else {
        text
    }
}

/// The letter that dots stand for (Braille of six dots, the alphabet alone).
fn braille(c: char) -> Option<char> {
    const LETTERS: &str = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵";
    if !matches!(c, '\u{2801}'..='\u{283f}') {
        return None;
    }
    let at = LETTERS.chars().position(|letter| letter == c)?;
    char::from_u32(u32::from(b'a') + at as u32)
}

/// Marks over, through and around letters.
const fn is_stroke(c: char) -> bool {
    matches!(c, '\u{334}'..='\u{338}' | '\u{488}' | '\u{489}' | '\u{20d0}'..='\u{20f0}')
}

/// Whether letters have marks to disguise: in most of a word, as no language has; or one mark on every letter that there
/// is with it.
fn accented(word: &str) -> bool {
    let marked = word.chars().filter(|c| is_latin(*c)).count();
    if marked >= 4 && marked * 2 > word.chars().count() {
        return true;
    }
    let mark_of = |c: char| std::iter::once(c).nfd().nth(1);
    let mut marks = word.chars().filter(|c| is_latin(*c)).map(mark_of);
    let Some(Some(first)) = marks.next() else {
        return false;
    };
    let bare = |c: char| c.is_ascii() && compose(c, first).is_some();
    marked >= 2 && marks.all(|mark| mark == Some(first)) && !word.contains(bare)
}

/// Small capitals, which normalization keeps.
fn small_capital(c: char) -> char {
    const SMALL: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ";
    if (c as u32) < 0x250 {
        return c;
    }
    match SMALL.chars().position(|small| small == c) {
        Some(at) => char::from(b'a' + at as u8),
        None => c,
    }
}

/// Letters of other scripts that are put in the place of plain ones, and are known to be confused only in other ways.
const NEAR: &[(char, char)] = &[
    ('ε', 'e'),
    ('η', 'n'),
    ('κ', 'k'),
    ('μ', 'u'),
    ('π', 'n'),
    ('τ', 't'),
    ('χ', 'x'),
    ('ω', 'w'),
    ('β', 'b'),
    ('в', 'b'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('т', 't'),
    ('г', 'r'),
    ('п', 'n'),
    ('и', 'u'),
    ('ш', 'w'),
    ('ь', 'b'),
    ('ё', 'e'),
    ('э', 'e'),
    ('я', 'r'),
    ('л', 'n'),
    ('ц', 'u'),
    ('Я', 'R'),
    ('И', 'N'),
    ('Г', 'L'),
];
/// Fewest plain letters of a word that may have such. With fewer it is a unit or a symbol.
const NEAR_LEAST: usize = 2;

/// Whether a text ends in a single plain letter and a sign: letters are kept apart there.
fn is_apart(out: &[u8]) -> bool {
    let sign = item(out, out.len().saturating_sub(1));
    // A wider gap stands between words.
    let gap = out.iter().rev().take(3).take_while(|byte| **byte == sign).count();
    let letters = part(out, ..out.len() - gap);
    !sign.is_ascii_alphanumeric()
        && prior(letters, letters.len()).is_ascii_alphabetic()
        && !prior(letters, letters.len().saturating_sub(1)).is_ascii_alphanumeric()
}

/// The plain letters that a word of look-alikes is read as. `None` where the word is an ordinary one: all of one
/// script, unless it stands in Latin text and every letter of it looks Latin.
fn fold(word: &str, before: Option<char>, apart: bool) -> Option<String> {
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    let foreign = letters().filter(|c| !c.is_ascii() && !is_latin(*c)).count();
    if foreign == 0 {
        return None;
    }
    let ascii = letters().filter(char::is_ascii).count();
    let near = ascii >= NEAR_LEAST;
    let near = |c: char| {
        NEAR.iter()
            .find(|(one, _)| near && *one == c)
            .map(|(_, plain)| *plain)
    };
    let mut folded = String::with_capacity(word.len());
    let mut buffer = [0; 4];
    for c in word.chars().filter(|c| canonical_combining_class(*c) == 0) {
        if c.is_ascii() || is_latin(c) {
            folded.push(c);
            continue;
        }
        let mut skeleton = unicode_security::skeleton(c.encode_utf8(&mut buffer));
        match (skeleton.next(), skeleton.next()) {
            // The skeleton of a letter that looks like `m` is `rn`.
            (Some('r'), Some('n')) => folded.push('m'),
            (Some(one), None) if one.is_ascii_alphanumeric() => {
                folded.push(if c.is_lowercase() {
                    one.to_ascii_lowercase()
                } else {
                    one
                });
            }
            _ => folded.push(near(c)?),
        }
    }
    let latin_before = before.is_some_and(|c| c.is_ascii_alphabetic());
    // Digits of a number that is written in letters, too.
    let digits =
        word.contains(|c: char| c.is_ascii_digit()) && before.is_some_and(|c| c.is_ascii_alphanumeric());
    let alone = apart && latin_before && foreign == 1;
    (ascii > 0 || digits || (latin_before && foreign >= 2) || alone).then_some(folded)
}

const fn is_latin(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}')
}
