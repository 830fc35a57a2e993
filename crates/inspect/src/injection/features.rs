//! Text to hashed n-grams with places, and places to units.
//!
//! A token is a word, one sign of a script without spaces, or a run of punctuation. Each token brings the buckets of
//! the n-grams that end in it, so the sum over a unit is a difference of two prefix sums.

use super::lexicon::{Kind, Look, START};

/// Buckets of the embedding table.
pub const BUCKETS: usize = 1 << 16;
/// Most n-grams that end in one token.
pub const GRAMS: usize = 13;
/// A word longer than this is an id or an encoding, and stands as its shape.
const LONG: usize = 28;
/// A unit has at least this many tokens, unless the text has fewer.
const UNIT_LEAST: usize = 5;
/// And is cut here.
const UNIT_MOST: usize = 30;

/// One token: its place in the text, and the buckets of the n-grams that end in it.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Buckets, of which `count` are set.
    grams: [u32; GRAMS],
    count: u8,
    /// How many of them, the last ones, are of kinds of words.
    kinds: u8,
    /// What the word does, if that is known.
    kind: Option<Kind>,
    ends_unit: bool,
}

impl Token {
    /// Its buckets.
    #[must_use]
    pub fn grams(&self) -> &[u32] {
        self.grams.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Its buckets of words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        self.grams
            .get(..usize::from(self.count - self.kinds))
            .unwrap_or(&[])
    }

    /// Its buckets of kinds of words.
    #[must_use]
    pub fn kinds(&self) -> &[u32] {
        self.grams
            .get(usize::from(self.count - self.kinds)..usize::from(self.count))
            .unwrap_or(&[])
    }

    /// What the word does.
    pub(super) const fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// The buckets of the word, of it and the one before, and of kinds of words.
    pub(super) fn telling(&self) -> impl Iterator<Item = u32> {
        let (words, kinds) = self
            .grams()
            .split_at_checked(usize::from(self.count - self.kinds))
            .unwrap_or_default();
        words.iter().take(2).chain(kinds).copied()
    }

    fn add(&mut self, hash: u64) {
        if let Some(slot) = self.grams.get_mut(usize::from(self.count)) {
            // The low bits of a multiplied hash are its weakest.
            *slot = (hash >> (64 - BUCKETS.trailing_zeros())) as u32;
            self.count += 1;
        }
    }
}

impl Token {
    /// Without n-grams.
    const fn at(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
            grams: [0; GRAMS],
            count: 0,
            kinds: 0,
            kind: None,
            ends_unit: false,
        }
    }

    /// The n-grams that end in this word, after the two words before it.
    fn add_all(&mut self, hashed: &Hashed, before: u64, before2: u64) {
        self.add(seal(1, hashed.whole));
        self.add(seal(2, mix(before, hashed.whole)));
        self.add(seal(3, mix(mix(before2, before), hashed.whole)));
        self.add(seal(4, mix(before2.rotate_left(9), hashed.whole)));
        if let Some(prefix) = hashed.prefix {
            self.add(seal(5, prefix));
        }
        if let Some(suffix) = hashed.suffix {
            self.add(seal(6, suffix));
        }
        if hashed.shout {
            self.add(seal(7, 1));
        }
    }
}

/// The kinds of the last words that have one, and how far back they are.
#[derive(Clone, Copy)]
struct Kinds {
    last: u64,
    before: u64,
    since: u32,
    /// Words since an assistant was named, or a program and that it reads this.
    named: u32,
    /// Words since a program was.
    machine: u32,
}

/// Words between two that speak to each other.
const REACH: u32 = 6;
/// Words after an assistant's name that may be said to it.
const NAMED: u32 = 24;

impl Kinds {
    const NONE: Self = Self {
        last: 0,
        before: 0,
        since: 0,
        named: NAMED + 1,
        machine: NAMED + 1,
    };

    /// Adds the n-grams of kinds that end in this word.
    fn step(&mut self, token: &mut Token, kind: Option<Kind>, first: bool) {
        self.since += 1;
        self.named = self.named.saturating_add(1);
        self.machine = self.machine.saturating_add(1);
        if self.since > REACH {
            (self.last, self.before) = (0, 0);
        }
        token.kind = kind;
        let Some(kind) = kind else { return };
        match kind {
            Kind::Assistant => self.named = 0,
            Kind::Machine => self.machine = 0,
            Kind::Reader | Kind::This if self.machine <= REACH => self.named = 0,
            _ => {}
        }
        let kind = kind as u64;
        let count = token.count;
        token.add(seal(8, kind));
        if first {
            token.add(seal(9, kind));
        }
        if self.last != 0 {
            token.add(seal(10, self.last << 8 | kind));
        }
        if self.before != 0 {
            token.add(seal(11, self.before << 16 | self.last << 8 | kind));
            token.add(seal(13, self.before << 8 | kind));
        }
        if (1..=NAMED).contains(&self.named) {
            token.add(seal(12, kind));
        }
        token.kinds = token.count - count;
        (self.before, self.last, self.since) = (self.last, kind, 0);
    }
}

/// Tokens `first..last` of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// First token.
    pub first: usize,
    /// One past the last token.
    pub last: usize,
}

pub(super) const fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(0x9fb2_1c65_1e98_df25);
    mixed ^ (mixed >> 29)
}

fn seal(kind: u64, hash: u64) -> u64 {
    mix(
        mix(kind.wrapping_mul(0x9e37_79b9_7f4a_7c15), hash),
        hash.rotate_left(23),
    )
    .wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// What a character is to the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Word,
    Alone,
    Sign,
}

fn class(c: char) -> Class {
    if c.is_ascii() {
        return match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '\'' => Class::Word,
            ' ' | '\t' | '\r' | '\n' => Class::Space,
            _ if c.is_ascii_control() => Class::Space,
            _ => Class::Sign,
        };
    }
    // Scripts that put no space between words: Thai to Khmer, kana, Han.
    if matches!(c as u32, 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x9fff
        | 0xf900..=0xfaff | 0x20000..=0x3ffff)
    {
        Class::Alone
    } else if c.is_alphanumeric() {
        Class::Word
    } else if c.is_whitespace() {
        Class::Space
    } else if c == '’' {
        Class::Word
    } else {
        Class::Sign
    }
}

/// Hash of a word, and of its start and its end.
struct Hashed {
    whole: u64,
    prefix: Option<u64>,
    suffix: Option<u64>,
    shout: bool,
    kind: Option<Kind>,
}

fn hash_word(word: &str) -> Hashed {
    let mut whole = START;
    if word.len() > LONG {
        return Hashed {
            whole: mix(whole, 1),
            prefix: None,
            suffix: None,
            shout: false,
            kind: None,
        };
    }
    let mut look = Look::new();
    let (mut count, mut prefix, mut digits) = (0_usize, None, false);
    let mut tail = [0_u64; 3];
    let (mut upper, mut lower) = (0_usize, 0_usize);
    let mut step = |c: u64, whole: &mut u64, prefix: &mut Option<u64>| {
        *whole = mix(*whole, c);
        count += 1;
        if count == 4 {
            *prefix = Some(*whole);
        }
        look.step(count, *whole);
        tail = [tail[1], tail[2], c];
    };
    for c in word.chars() {
        if c.is_ascii_digit() {
            // A number is how long it is, up to four digits.
            digits = true;
            step(u64::from(b'0'), &mut whole, &mut prefix);
            continue;
        }
        if c.is_ascii() {
            upper += usize::from(c.is_ascii_uppercase());
            lower += usize::from(c.is_ascii_lowercase());
            step(u64::from(c.to_ascii_lowercase()), &mut whole, &mut prefix);
        } else if c == '’' {
            step(u64::from('\''), &mut whole, &mut prefix);
        } else {
            for c in c.to_lowercase() {
                step(u64::from(c), &mut whole, &mut prefix);
            }
        }
    }
    let long = count >= 5 && !digits;
    Hashed {
        whole,
        prefix: prefix.filter(|_| long),
        suffix: long.then(|| tail.iter().fold(7, |hash, c| mix(hash, *c))),
        shout: upper >= 3 && lower == 0,
        kind: look.end(whole),
    }
}

/// Whether a sign before this character ends a unit. The dots of an address, a name of a file or a number do not.
fn ends(sign: char, next: Option<char>) -> bool {
    match sign {
        '.' | '!' | '?' => !next.is_some_and(char::is_alphanumeric),
        ';' | '。' | '！' | '？' | '…' | '|' | '}' | '"' => true,
        _ => false,
    }
}

/// Splits a text into tokens. Linear in its length.
#[must_use]
pub fn tokenize(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 4 + 1);
    let (mut before, mut before2) = (1_u64, 2_u64);
    let mut chars = text.char_indices().peekable();
    let (mut lines, mut fresh, mut alone) = (0_u32, true, None);
    let mut kinds = Kinds::NONE;
    while let Some((start, c)) = chars.next() {
        let kind = class(c);
        if kind == Class::Space {
            alone = None;
            if c == '\n' {
                fresh = true;
                lines += 1;
            }
            continue;
        }
        // A line that goes on in small letters was only wrapped.
        if (lines > 1 || lines == 1 && !c.is_lowercase())
            && let Some(last) = tokens.last_mut()
        {
            last.ends_unit = true;
        }
        lines = 0;
        let mut end = start + c.len_utf8();
        if kind != Class::Alone {
            while let Some((at, next)) = chars.peek().copied() {
                let same = match kind {
                    Class::Word => class(next) == Class::Word,
                    _ => next == c,
                };
                if !same {
                    break;
                }
                end = at + next.len_utf8();
                chars.next();
            }
        }
        let word = text.get(start..end).unwrap_or_default();
        let hashed = match kind {
            Class::Sign => {
                let count = (end - start) / c.len_utf8();
                Hashed {
                    whole: mix(mix(3, u64::from(c)), count.min(3) as u64),
                    prefix: None,
                    suffix: None,
                    shout: false,
                    kind: None,
                }
            }
            _ => hash_word(word),
        };
        let mut token = Token::at(start, end);
        token.add_all(&hashed, before, before2);
        let pair = alone
            .filter(|_| kind == Class::Alone)
            .and_then(|alone| Look::pair(alone, c));
        kinds.step(&mut token, pair.or(hashed.kind), fresh);
        alone = (kind == Class::Alone).then_some(c);
        fresh = kind == Class::Sign && !matches!(c, ',' | '-' | '\'' | '(' | '/' | '@' | '_');
        token.ends_unit = kind == Class::Sign && ends(c, chars.peek().map(|(_, next)| *next));
        (before2, before) = (before, hashed.whole);
        tokens.push(token);
    }
    tokens
}

/// Units over tokens: a sentence or a field each, merged while short and cut where long. Together they are the text,
/// and no two overlap.
#[must_use]
pub fn units(tokens: &[Token]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(tokens.len() / UNIT_LEAST + 1);
    let mut first = 0;
    for (at, token) in tokens.iter().enumerate() {
        let length = at + 1 - first;
        if (token.ends_unit && length >= UNIT_LEAST) || length >= UNIT_MOST {
            units.push(Unit { first, last: at + 1 });
            first = at + 1;
        }
    }
    if first < tokens.len() {
        match units.last_mut() {
            // A last word or two belong to what precedes them.
            Some(before) if tokens.len() - first < 3 => before.last = tokens.len(),
            _ => units.push(Unit {
                first,
                last: tokens.len(),
            }),
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_text_in_order() {
        let long = "one two three four five six seven. ".repeat(40) + &"word ".repeat(300);
        for text in ["", "a", "a b. c d", &long] {
            let tokens = tokenize(text);
            let mut next = 0;
            for unit in units(&tokens) {
                assert_eq!(unit.first, next);
                assert!(unit.last > unit.first && unit.last - unit.first <= UNIT_MOST + 2);
                next = unit.last;
            }
            assert_eq!(next, tokens.len());
        }
    }

    #[test]
    fn tokens_say_where_they_are() {
        let text = "Héllo, wörld!! 忽略 x";
        let found: Vec<&str> = tokenize(text)
            .iter()
            .filter_map(|token| text.get(token.start as usize..token.end as usize))
            .collect();
        assert_eq!(found, ["Héllo", ",", "wörld", "!!", "忽", "略", "x"]);
    }

    #[test]
    fn case_and_the_digits_of_a_number_do_not_matter() {
        let grams = |text: &str| {
            tokenize(text)
                .iter()
                .flat_map(|token| token.grams().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(grams("Pay 1234 Now"), grams("pay 9876 now"));
        assert_ne!(grams("pay 1234 now"), grams("pay 12 now"));
    }
}
