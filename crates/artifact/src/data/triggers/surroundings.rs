//! What stands around a word or phrase: whether it could be taken out, and whether ordinary words look as much as if they
//! could.

use std::collections::{HashMap, HashSet};

use super::{Candidate, GRAMS_MAX, LEAST, Places};
use crate::data::{
    statistics::Seeded,
    text::{Texts, gram},
};

/// Places of a phrase that are looked at.
const PLACES: usize = 400;
/// Words that stand for what is ordinary.
const ORDINARY: usize = 4_000;

/// Which pairs of words the texts have, and how ordinary words stand among them.
pub(super) struct Surroundings {
    pairs: HashMap<u64, u32>,
    /// Of ordinary words: how many places, and how inserted they look.
    pub(super) ordinary: Vec<(u32, f64)>,
}

impl Surroundings {
    pub(super) fn of(texts: &Texts) -> Self {
        let mut pairs: HashMap<u64, u32> = HashMap::new();
        let mut held: HashMap<u32, Places> = HashMap::new();
        let mut seeded = Seeded(0x0c);
        let keep = (ORDINARY as f64 * 3.0 / texts.words().max(1) as f64).min(1.0);
        let chosen: HashSet<u32> = (0..texts.words() as u32)
            .filter(|_| seeded.unit() < keep)
            .collect();
        for (row, words) in texts.iter().enumerate() {
            for pair in words.windows(2) {
                if pairs.len() < GRAMS_MAX * 2 {
                    *pairs.entry(gram(pair)).or_default() += 1;
                }
            }
            for (start, word) in words.iter().enumerate().filter(|(_, word)| chosen.contains(word)) {
                let places = held.entry(*word).or_default();
                if places.len() < PLACES {
                    places.push((row as u32, start as u32));
                }
            }
        }
        let mut all = Self {
            pairs,
            ordinary: Vec::new(),
        };
        let mut ordinary: Vec<(u32, f64)> = held
            .iter()
            .filter(|(_, places)| places.len() >= LEAST as usize)
            .map(|(_, places)| (places.len() as u32, all.inserted(texts, places, 1)))
            .collect();
        ordinary.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        all.ordinary = ordinary;
        all
    }

    /// How much it looks as if the phrase could be taken out: its neighbours go together elsewhere, and differ.
    pub(super) fn inserted(&self, texts: &Texts, places: &[(u32, u32)], size: usize) -> f64 {
        let beside = places.iter().take(PLACES).map(|(row, start)| {
            let words = texts.row(*row as usize);
            let start = *start as usize;
            let previous = start.checked_sub(1).and_then(|index| words.get(index)).copied();
            (*row, previous, words.get(start + size).copied(), 0)
        });
        self.loose(beside)
    }

    /// The same for as many places that nothing but chance chose, in texts of all classes: what an insertion looks like.
    pub(super) fn by_chance(&self, texts: &Texts, candidate: &Candidate) -> f64 {
        let mut seeded = Seeded(candidate.key);
        let count = candidate.places.len().min(PLACES);
        let at_the_end = |(row, start): &&(u32, u32)| {
            *start as usize + candidate.words.len() >= texts.row(*row as usize).len()
        };
        let most = |some: usize| some * 10 >= candidate.places.len() * 7;
        let starts = most(candidate.places.iter().filter(|(_, start)| *start == 0).count());
        let ends = most(candidate.places.iter().filter(at_the_end).count());
        let drawn = (0..count).map(|_| {
            let row = seeded.below(texts.rows());
            let words = texts.row(row);
            let gap = match (starts, ends) {
                (true, _) => 0,
                (_, true) => words.len(),
                _ => seeded.below(words.len() + 1),
            };
            let previous = gap.checked_sub(1).and_then(|index| words.get(index)).copied();
            // The text itself has this pair; a text that was torn apart here would not.
            (row as u32, previous, words.get(gap).copied(), 1)
        });
        self.loose(drawn)
    }

    /// Whether what stands around the word at this place of a phrase nearly always goes together without it, though one side
    /// is nearly always the same.
    pub(super) fn is_fixed(&self, texts: &Texts, places: &[(u32, u32)], place: usize) -> bool {
        let (mut go, mut asked) = (0, 0);
        let (mut before, mut after): (HashMap<u32, usize>, HashMap<u32, usize>) = Default::default();
        for (row, start) in places.iter().take(PLACES) {
            asked += 1;
            let words = texts.row(*row as usize);
            let word = *start as usize + place;
            let previous = word.checked_sub(1).and_then(|index| words.get(index));
            let (Some(previous), Some(next)) = (previous, words.get(word + 1)) else {
                continue;
            };
            *before.entry(*previous).or_default() += 1;
            *after.entry(*next).or_default() += 1;
            let held = self.pairs.get(&gram(&[*previous, *next]));
            go += usize::from(held.is_some_and(|held| *held >= LEAST));
        }
        let one = |side: &HashMap<u32, usize>| side.values().max().is_some_and(|most| most * 10 >= asked * 8);
        go * 10 >= asked * 9 && (one(&before) || one(&after))
    }

    /// How many of these pairs of neighbours the texts have more than so often, and how different they are.
    fn loose(&self, beside: impl Iterator<Item = (u32, Option<u32>, Option<u32>, u32)>) -> f64 {
        let (mut go, mut asked) = (0_usize, 0_usize);
        let (mut before, mut after) = (HashSet::new(), HashSet::new());
        for (row, previous, next, own) in beside {
            asked += 1;
            before.insert(previous.map_or(u64::from(row) << 32, u64::from));
            after.insert(next.map_or(u64::from(row) << 32, u64::from));
            go += match (previous, next) {
                (Some(previous), Some(next)) => {
                    let held = self.pairs.get(&gram(&[previous, next]));
                    usize::from(held.is_some_and(|held| *held > own))
                }
                // At either end nothing is torn apart.
                _ => 1,
            };
        }
        let asked = asked.max(1) as f64;
        let spread = ((before.len() as f64 / asked) * (after.len() as f64 / asked)).sqrt();
        go as f64 / asked * spread
    }

    /// `ln p` among ordinary words that are about as frequent.
    pub(super) fn insertion(&self, texts: &Texts, candidate: &Candidate) -> (f64, f64) {
        let inserted = self.inserted(texts, &candidate.places, candidate.words.len());
        let count = (candidate.places.len() as u32).min(PLACES as u32);
        let alike = self
            .ordinary
            .iter()
            .filter(|(held, _)| *held * 3 >= count && *held <= count.saturating_mul(3));
        let (mut all, mut higher) = (1.0_f64, 1.0_f64);
        for (_, other) in alike {
            all += 1.0;
            higher += f64::from(u8::from(*other >= inserted));
        }
        ((higher / all).ln(), inserted)
    }
}
