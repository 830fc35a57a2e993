//! Texts as numbers: words, signs and characters that do not belong, each a number of its own.

use std::collections::HashMap;

/// Different words of one scan.
const WORDS_MAX: usize = 1 << 22;
/// Words of all texts together.
pub(crate) const TOKENS_MAX: usize = 1 << 26;
/// Words of one text that are looked at.
const TEXT_MAX: usize = 1 << 16;
/// Letters of a word; the rest of it is another word.
const WORD_MAX: usize = 64;

/// Texts of the rows, as numbers of words.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    words: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
    tokens: Vec<u32>,
    ends: Vec<usize>,
    /// Something was too much, and is not in here.
    pub(crate) cut: bool,
}

impl Texts {
    pub(crate) fn rows(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn row(&self, index: usize) -> &[u32] {
        let end = self.ends.get(index).copied().unwrap_or(0);
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before).copied())
            .unwrap_or(0);
        self.tokens.get(start..end).unwrap_or(&[])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.rows()).map(|index| self.row(index))
    }

    pub(crate) fn words(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn word(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    /// The number of a word that is there.
    pub(crate) fn number(&self, word: &str) -> Option<u32> {
        self.words.get(word).copied()
    }

    pub(crate) fn add(&mut self, text: &str) {
        let from = self.tokens.len();
        let mut word = String::new();
        for letter in text.chars() {
            if letter.is_alphanumeric() || (letter == '\'' && !word.is_empty()) || letter == '_' {
                word.extend(letter.to_lowercase());
                if word.len() < WORD_MAX {
                    continue;
                }
                self.push(&word);
                word.clear();
                continue;
            }
            if !word.is_empty() {
                self.push(&word);
                word.clear();
            }
            if !letter.is_whitespace() || !letter.is_ascii() {
                let mut place = [0; 4];
                self.push(letter.encode_utf8(&mut place));
            }
            if self.tokens.len() - from >= TEXT_MAX {
                self.cut = true;
                break;
            }
        }
        if !word.is_empty() {
            self.push(&word);
        }
        self.ends.push(self.tokens.len());
    }

    fn push(&mut self, word: &str) {
        if self.tokens.len() >= TOKENS_MAX {
            self.cut = true;
            return;
        }
        let number = match self.words.get(word) {
            Some(number) => *number,
            None if self.names.len() >= WORDS_MAX => {
                self.cut = true;
                return;
            }
            None => {
                let number = self.names.len() as u32;
                self.words.insert(word.into(), number);
                self.names.push(word.into());
                number
            }
        };
        self.tokens.push(number);
    }
}

/// A sequence of words as one number.
pub(crate) fn gram(words: &[u32]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| {
        super::statistics::mix(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(*word))
    })
}
