//! Which places the human's words point at, and which addresses and accounts stand there.
//!
//! A question is worth her time if what it asks about may be what she means. A destination that nobody vouches for may
//! be, where it stands whole in text that was read from a place her words name: the bill she wants paid, the page that
//! has her friend's address. One that stands nowhere of the kind was brought in by what else was read, and is denied.
//!
//! INVARIANT: what is kept here decides between a question and a refusal. It never allows, and forgetting only asks.

use std::collections::BTreeSet;

use bartizan_types::flow::{Role, Source};

use crate::{assess::Argument, canon, prompt};

/// Most addresses and accounts that one session keeps.
const KEYS: usize = 1024;
/// Most words of one text that are looked at, and most different ones that one session keeps.
const WORDS: usize = 1 << 16;
const DIFFERENT: usize = 8192;

/// How a read was pointed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pointing {
    /// What was looked for is the human's word, or the id of a record.
    Place,
    /// Nothing in particular was looked for, in things of a kind that the human speaks of.
    Kind,
    /// Neither.
    Away,
}

impl Pointing {
    /// Of a call with these arguments; `spoken`: the human speaks of what the tool is about.
    pub(crate) fn of(seen: &[Argument], spoken: bool) -> Self {
        let looked: Vec<Source> = seen
            .iter()
            .filter(|a| {
                matches!(
                    a.role,
                    Role::Target | Role::Selector | Role::Content | Role::Unknown
                )
            })
            .map(|a| a.source)
            .filter(|source| *source != Source::Empty)
            .collect();
        let vouched = looked.iter().all(|source| source.vouched());
        // A name out of a directory is not the human's choice, and an id may stand for what she named.
        let chosen = looked.iter().any(|source| *source != Source::Directory);
        match (vouched && chosen, vouched && spoken) {
            (true, _) => Self::Place,
            (_, true) => Self::Kind,
            _ => Self::Away,
        }
    }
}

/// What stands where the human pointed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointed {
    keys: BTreeSet<Box<str>>,
    /// Hashes of words, for names. Two words of one hash only make a question of a refusal.
    words: BTreeSet<u32>,
    read: bool,
    /// More addresses were read than are kept, or anything may be meant.
    full: bool,
    /// More words were read than are kept.
    crowded: bool,
    bytes: usize,
}

impl Pointed {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Something was read where she pointed.
    pub(crate) fn begin(&mut self, pointing: Pointing) {
        self.read |= pointing == Pointing::Place;
    }

    /// What reads look for is not known here: anything read may be meant.
    pub(crate) const fn anywhere(&mut self) {
        self.read = true;
        self.full = true;
    }

    /// Was a place read that she pointed at?
    pub(crate) const fn reached(&self) -> bool {
        self.read
    }

    /// Takes in text that was read there. `told`: the types of address that the same answer has fields for, which are
    /// where such a service tells them.
    pub(crate) fn text(&mut self, text: &str, told: &BTreeSet<u8>) {
        let words: Vec<&str> = text.split_whitespace().take(WORDS + 1).collect();
        self.full |= words.len() > WORDS;
        for (at, word) in words.iter().take(WORDS).enumerate() {
            self.word(word);
            let active = active(word);
            if active {
                self.keep(prompt::trim(word), told);
            }
            if active && word.contains(AROUND) {
                for part in word.split(AROUND) {
                    self.keep(prompt::trim(part), told);
                }
            }
            // An account or a phone number in groups.
            let account = |bytes: &[u8]| {
                matches!(bytes, [a, b, c, d] if [a, b].iter().all(|b| b.is_ascii_alphabetic())
                    && [c, d].iter().all(|b| b.is_ascii_digit()))
            };
            let spaced = word.starts_with('+') || account(word.as_bytes());
            if spaced {
                for count in 2..=9 {
                    if let Some(group) = words.get(at..at + count) {
                        self.keep(prompt::trim(&group.join(" ")), told);
                    }
                }
            }
        }
    }

    fn word(&mut self, word: &str) {
        let Some(hash) = hash(word) else { return };
        if self.words.len() >= DIFFERENT {
            self.crowded |= !self.words.contains(&hash);
        } else if self.words.insert(hash) {
            self.bytes += 12;
        }
    }

    fn keep(&mut self, spelling: &str, told: &BTreeSet<u8>) {
        if spelling.len() < 4 {
            return;
        }
        let Ok(value) = canon::canonical(spelling) else {
            return;
        };
        if prompt::shape(&value.key).is_none_or(|letter| told.contains(&letter)) {
            return;
        }
        if self.keys.len() >= KEYS {
            self.full = true;
            return;
        }
        let cost = value.key.len() + 64;
        if self.keys.insert(value.key) {
            self.bytes += cost;
        }
    }

    /// May this be what she means? Where more was read than is kept, anything may.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.full || self.keys.contains(key)
    }

    /// Does every word of this name stand there?
    pub(crate) fn says(&self, name: &str) -> bool {
        let known = |word: &str| hash(word).is_some_and(|hash| self.words.contains(&hash));
        self.full || self.crowded || name.split_whitespace().all(known)
    }
}

/// What stands around addresses in text.
const AROUND: &[char] = &[
    '"', '\'', '`', '<', '>', '(', ')', '[', ']', '{', '}', '|', ',', ';', '*', '\\', '=',
];

/// May this hold an address or an account?
fn active(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    word.len() >= 4 && (digits >= 8 || !word.is_ascii() || word.contains(['@', '.', ':']))
}

/// FNV-1a of the folded word, 32 bits; none of what has no safe form.
fn hash(word: &str) -> Option<u32> {
    let word = prompt::trim(word);
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    if word.bytes().all(|byte| byte.is_ascii_graphic()) {
        let lower = word.bytes().map(|byte| byte.to_ascii_lowercase());
        return Some(lower.fold(0x811c_9dc5, step));
    }
    Some(canon::fold(word).ok()?.bytes().fold(0x811c_9dc5, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_accounts_of_a_text_are_kept_whole() {
        let mut pointed = Pointed::default();
        pointed.text(
            "Pay DE89 3704 0044 0532 0130 00 (Ann <ann@shop.example>), see https://shop.example/bill?n=4.",
            &BTreeSet::new(),
        );
        for key in ["b:de89370400440532013000", "e:ann@shop.example"] {
            assert!(pointed.holds(key), "{key} {pointed:?}");
        }
        assert!(!pointed.holds("e:nn@shop.example") && !pointed.holds("e:eve@else.example"));
        assert!(pointed.says("Ann") && !pointed.says("Ann Lee"));
        assert!(pointed.bytes() > 0 && !pointed.reached());
    }

    #[test]
    fn a_type_that_has_fields_of_its_own_is_told_there() {
        let mut pointed = Pointed::default();
        pointed.text(
            "pay DE89370400440532013000, write to ann@shop.example",
            &BTreeSet::from([b'b']),
        );
        assert!(pointed.holds("e:ann@shop.example") && !pointed.holds("b:de89370400440532013000"));
    }

    #[test]
    fn past_the_bound_anything_may_be_meant() {
        let mut pointed = Pointed::default();
        let many: Vec<String> = (0..=KEYS).map(|n| format!("a{n}@shop.example")).collect();
        pointed.text(&many.join(" "), &BTreeSet::new());
        assert!(pointed.holds("e:eve@else.example"));
        assert!(pointed.says("anybody") && pointed.bytes() < 256 << 10);
    }
}
