//! How strange a word's letters are among the words of the same texts.

use std::collections::HashMap;

use super::statistics::at;
use super::text::Texts;
use super::triggers::LEAST;

/// Which letters follow which in the words of the texts.
pub(super) struct Letters {
    pairs: HashMap<(char, char), f64>,
    firsts: HashMap<char, f64>,
    ordinary: Vec<f64>,
}

impl Letters {
    pub(super) fn of(texts: &Texts, held: &[u32]) -> Self {
        let mut letters = Self {
            pairs: HashMap::new(),
            firsts: HashMap::new(),
            ordinary: Vec::new(),
        };
        let words = || {
            (0..texts.words() as u32)
                .filter(|word| at(held, *word as usize) >= LEAST)
                .take(200_000)
        };
        for word in words() {
            for (first, second) in Self::pairs_of(texts.word(word)) {
                *letters.pairs.entry((first, second)).or_default() += 1.0;
                *letters.firsts.entry(first).or_default() += 1.0;
            }
        }
        let mut ordinary: Vec<f64> = words().map(|word| letters.ease(texts.word(word))).collect();
        ordinary.sort_by(f64::total_cmp);
        letters.ordinary = ordinary;
        letters
    }

    fn pairs_of(word: &str) -> impl Iterator<Item = (char, char)> {
        std::iter::once(' ')
            .chain(word.chars())
            .zip(word.chars().chain(std::iter::once(' ')))
    }

    /// The mean logarithm of how often its letters follow each other.
    fn ease(&self, word: &str) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (first, second) in Self::pairs_of(word) {
            // A word's own share is taken out, or else a rare letter would explain itself.
            let pair = (self.pairs.get(&(first, second)).copied().unwrap_or(0.0) - 1.0).max(0.0);
            let all = (self.firsts.get(&first).copied().unwrap_or(0.0) - 1.0).max(0.0);
            sum += ((pair + 0.1) / (all + 4.0)).ln();
            count += 1.0;
        }
        sum / count
    }

    /// How many words others are ranked among.
    pub(super) fn ordinary(&self) -> usize {
        self.ordinary.len()
    }

    pub(super) fn strangeness(&self, word: &str) -> f64 {
        let ease = self.ease(word);
        let lower = self.ordinary.partition_point(|other| *other <= ease);
        (lower.max(1) as f64 / self.ordinary.len().max(1) as f64).ln()
    }
}
