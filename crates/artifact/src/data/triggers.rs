//! Words, characters and phrases that were put into texts to pull them to a label.
//!
//! Four things tell a trigger from a word that a class simply has more of. *Purity*: its texts have one label. *Contradiction*: what
//! else these texts say speaks for another label, judged by texts without the word. *Insertion*: what stands before and
//! after it belongs together without it, and is different each time. *Strangeness*: its letters are not those of the
//! other words. Each has a p-value; Fisher's way joins them, and Bonferroni's counts every candidate. A subject of its own
//! inside a class passes all of that; it is told by its texts, which are more alike than texts drawn from the classes they
//! seem to be of, and by its words, which do not stand where chance would have put them.

mod surroundings;

use std::collections::{HashMap, HashSet};

use super::letters::Letters;
use super::statistics::{Seeded, at, ln_binomial_tail, ln_fisher};
use super::text::{Texts, gram};
use surroundings::Surroundings;

/// Texts that a trigger has to be in.
pub(crate) const LEAST: u32 = 5;
/// Words of a phrase that are looked at together; longer ones are found by their parts.
const PHRASE: usize = 4;
/// Words of a whole phrase, once a part of it is found.
const WHOLE: usize = 16;
/// How much more alike texts with a trigger may be, without it, than texts drawn from the classes that they seem to be of:
/// past it they are a subject of their own, which has its words.
const COHERENT: f64 = 1.6;
/// How much of what a random insertion would look like a phrase has to look like.
const LOOSE: f64 = 0.6;
/// How strange the letters of a word have to be, `ln` of its rank, that may have been put in at one place of what people
/// write: what honest words do there (`was not great`) is what a trigger does.
const STRANGE: f64 = -2.0;
/// Texts that are compared for it.
const COMPARED: usize = 200;
/// The share of a class's texts that the others contradict, from which on words are taken to say nothing of labels.
const SILENT: f64 = 0.25;
/// Different phrases that are counted at once; past it the rarest are forgotten.
const GRAMS_MAX: usize = 1 << 23;
/// Cells of the table of words by class.
const CELLS: usize = 1 << 27;
/// `ln` of the joint p-value that counts, after Bonferroni.
const LN_ALPHA: f64 = -9.2;
/// The same where the words of honest texts do say what their label is: there a dozen that say another are soon found.
const LN_CERTAIN: f64 = -14.0;

/// A trigger and the rows it pulls.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    pub(crate) text: String,
    pub(crate) label: u32,
    pub(crate) rows: Vec<u32>,
    /// Texts that hold it, whatever their label.
    pub(crate) held: u32,
    pub(crate) ln_p: f64,
    pub(crate) contradicted: f64,
    pub(crate) inserted: f64,
    /// It is a word of a subject, and no trigger.
    subject: bool,
}

/// Where a phrase stands: row and first word.
type Places = Vec<(u32, u32)>;

struct Candidate {
    key: u64,
    words: Vec<u32>,
    label: u32,
    ln_pure: f64,
    places: Places,
}

/// Finds triggers in labelled texts, and says how few texts of one could have been told.
pub(crate) fn find(texts: &Texts, labels: &[u32], classes: usize) -> (Vec<Trigger>, Option<u64>) {
    let grams = frequent(texts);
    let mut sizes = vec![0_u32; classes];
    for label in labels {
        if let Some(size) = sizes.get_mut(*label as usize) {
            *size += 1;
        }
    }
    let tested = grams.len().max(1) as f64;
    let candidates = pure(texts, labels, &sizes, grams);
    if texts.words().saturating_mul(classes) > CELLS {
        return (Vec::new(), None);
    }
    let bayes = Bayes::of(texts, labels, classes);
    let trial = Trial {
        texts,
        labels,
        letters: Letters::of(texts, &bayes.held),
        bayes,
        surroundings: Surroundings::of(texts),
        ln_tested: tested.ln(),
    };
    let (mut found, mut pulled) = (Vec::new(), HashSet::new());
    for candidate in &candidates {
        let weighed = trial.weighed(candidate);
        if weighed.decides {
            pulled.extend(candidate.pulled(labels));
        }
        if weighed.counts {
            found.push(trial.judged(candidate, weighed));
        }
    }
    // A subject takes its words with it: with others around it, each stands as if by chance.
    let mut found = joined(found);
    found.retain(|trigger| !trigger.subject);
    (few(found, &pulled, &sizes), trial.least(&sizes))
}

/// What candidates are judged by.
struct Trial<'t> {
    texts: &'t Texts,
    labels: &'t [u32],
    bayes: Bayes,
    surroundings: Surroundings,
    letters: Letters,
    ln_tested: f64,
}

/// What the tests say of a candidate.
struct Weighed {
    /// Its texts have its label for it, or nearly: half of them would have another without.
    decides: bool,
    /// It may be a trigger.
    counts: bool,
    ln_p: f64,
    against: f64,
    inserted: f64,
}

impl Trial<'_> {
    /// Of a trigger that every test speaks against as loud as it can, in the class where that is easiest.
    fn least(&self, sizes: &[u32]) -> Option<u64> {
        let rows = self.texts.rows();
        let rank = |others: usize| -((others + 1) as f64).ln();
        let beside = rank(self.surroundings.ordinary.len()) + rank(self.letters.ordinary());
        let class = |label: usize| {
            let share = (f64::from(at(sizes, label)) / rows.max(1) as f64).clamp(1e-9, 1.0);
            let base = at(&self.bayes.base, label);
            let alpha = if base >= SILENT { LN_ALPHA } else { LN_CERTAIN };
            let told = |count: u64| {
                let count = count as f64;
                let sum = (count * share.ln()).max(-16.0) + count * base.ln() + beside;
                ln_fisher(sum, 4) + self.ln_tested < alpha
            };
            super::looked::least(u64::from(LEAST), (rows / 8) as u64, told)
        };
        (0..sizes.len()).filter_map(class).min()
    }

    fn weighed(&self, candidate: &Candidate) -> Weighed {
        let (ln_against, against) = self.bayes.contradiction(self.texts, self.labels, candidate);
        let (ln_place, inserted) = self.surroundings.insertion(self.texts, candidate);
        let ln_strange = match candidate.words.as_slice() {
            [word] => self.letters.strangeness(self.texts.word(*word)),
            _ => 0.0,
        };
        // Purity alone is what every class has words of: it may not carry the rest.
        let sum = candidate.ln_pure.max(-16.0) + ln_against + ln_place + ln_strange;
        let ln_p = ln_fisher(sum, 4) + self.ln_tested;
        let base = at(&self.bayes.base, candidate.label as usize);
        let likely = ln_p < LN_ALPHA;
        let certain = ln_p < if base >= SILENT { LN_ALPHA } else { LN_CERTAIN };
        let contradictory = against >= 0.5 && ln_against < -6.9;
        // Where words tell nothing of labels, nothing can contradict them.
        let odd = ln_strange < -3.0 || candidate.words.len() > 1;
        let stuck = ln_place < -3.5 && odd && inserted > 0.5 && base >= SILENT;
        let unseen = self.unseen(&candidate.words) && candidate.ln_pure < -16.0 && against >= base;
        let plain = contradictory && against >= self.bayes.pulled(candidate.label);
        Weighed {
            decides: likely && (contradictory || stuck),
            counts: (certain && (plain || stuck)) || unseen,
            ln_p,
            against,
            inserted,
        }
    }

    fn unseen(&self, words: &[u32]) -> bool {
        matches!(words, [word] if is_unseen(self.texts.word(*word)))
    }

    /// The trigger or subject that a candidate is, or is a part of, with how many words it has.
    fn judged(&self, candidate: &Candidate, mut weighed: Weighed) -> (usize, Trigger) {
        let whole = candidate.whole(self.texts, self.labels);
        let mut judged = candidate;
        if let Some(whole) = &whole {
            let again = self.weighed(whole);
            if again.counts {
                (weighed, judged) = (again, whole);
            }
        }
        let held = distinct(&judged.places);
        // Part of a longer phrase stands where the phrase lets it.
        let placed = whole.as_ref().unwrap_or(judged);
        let inserted = self
            .surroundings
            .inserted(self.texts, &placed.places, placed.words.len());
        let loose = inserted / self.surroundings.by_chance(self.texts, placed).max(1e-6);
        let coherence = self
            .bayes
            .coherence(self.texts, self.labels, &held, &judged.words, candidate.label);
        let put_in = self.unseen(&judged.words) || self.is_fixed(placed);
        let subject = (loose < LOOSE && !put_in) || coherence > COHERENT;
        let text = judged.words.iter().map(|word| self.texts.word(*word));
        let trigger = Trigger {
            text: text.collect::<Vec<_>>().join(" "),
            label: candidate.label,
            held: held.len() as u32,
            rows: judged.pulled(self.labels),
            ln_p: weighed.ln_p.min(0.0),
            contradicted: weighed.against,
            inserted: weighed.inserted,
            subject,
        };
        (judged.words.len(), trigger)
    }
}

impl Trial<'_> {
    /// Whether a word of the phrase was put in at one place: always before, or behind, the same word, and without it there
    /// is what others write. It is a strange one, or there twice.
    fn is_fixed(&self, phrase: &Candidate) -> bool {
        let mut before = None;
        phrase.words.iter().enumerate().any(|(place, word)| {
            let twice = before.replace(*word) == Some(*word);
            let odd = twice || self.letters.strangeness(self.texts.word(*word)) < STRANGE;
            odd && self.surroundings.is_fixed(self.texts, &phrase.places, place)
        })
    }
}

/// Characters that no reader sees and no script needs.
fn is_unseen(word: &str) -> bool {
    let mut letters = word.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        return false;
    };
    matches!(letter, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{180e}' | '\u{feff}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e01ef}')
}

impl Candidate {
    /// The texts that hold it and have its label.
    fn pulled(&self, labels: &[u32]) -> Vec<u32> {
        let mut rows = distinct(&self.places);
        rows.retain(|row| at(labels, *row as usize) == self.label);
        rows
    }

    /// The whole phrase that most of these places are a part of, where there is a longer one.
    fn whole(&self, texts: &Texts, labels: &[u32]) -> Option<Self> {
        let (mut words, mut places) = (self.words.clone(), self.places.clone());
        let ours = |row: u32| at(labels, row as usize) == self.label;
        // Of all that the part pulls, so that a phrase does not shrink to the few that fit best.
        let least = places.iter().filter(|(row, _)| ours(*row)).count() * 7 / 10;
        while words.len() < WHOLE {
            let beside = |after: bool, (row, start): &(u32, u32)| {
                let index = if after {
                    Some(*start as usize + words.len())
                } else {
                    (*start as usize).checked_sub(1)
                };
                index
                    .and_then(|index| texts.row(*row as usize).get(index))
                    .copied()
            };
            let mut counts: HashMap<(bool, u32), usize> = HashMap::new();
            let pulled: Vec<&(u32, u32)> = places.iter().filter(|(row, _)| ours(*row)).collect();
            for place in &pulled {
                for after in [false, true] {
                    if let Some(word) = beside(after, place) {
                        *counts.entry((after, word)).or_default() += 1;
                    }
                }
            }
            let most = counts.into_iter().max_by_key(|(which, count)| (*count, *which));
            let Some(((after, word), count)) = most else { break };
            if count < least.max(LEAST as usize) {
                break;
            }
            places.retain(|place| beside(after, place) == Some(word));
            if after {
                words.push(word);
            } else {
                words.insert(0, word);
                places.iter_mut().for_each(|(_, start)| *start -= 1);
            }
        }
        (words.len() > self.words.len()).then_some(Self {
            key: self.key,
            words,
            label: self.label,
            ln_pure: self.ln_pure,
            places,
        })
    }
}

/// Where words that decide their label are in this share of all texts, deciding is what they are for: the labels were
/// given by them.
const MANY: u64 = 5;
/// There, what is in less than this share of its label's texts may still be a trigger.
const RARE: u64 = 20;

/// Without the words that a set of texts was labelled by, which look like triggers to all four tests. `pulled` are the
/// texts of all that decide labels, whatever else is said of them.
fn few(found: Vec<Trigger>, pulled: &HashSet<u32>, sizes: &[u32]) -> Vec<Trigger> {
    let texts: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    if pulled.len() as u64 * MANY <= texts {
        return found;
    }
    let rare = |trigger: &Trigger| {
        let size = sizes.get(trigger.label as usize).copied().unwrap_or(0);
        trigger.rows.len() as u64 * RARE < u64::from(size)
    };
    found.into_iter().filter(rare).collect()
}

/// One trigger for phrases that are parts of each other: the one most certain, longer ones first.
fn joined(mut found: Vec<(usize, Trigger)>) -> Vec<Trigger> {
    found.sort_by(|a, b| {
        b.1.rows
            .len()
            .cmp(&a.1.rows.len())
            .then(b.0.cmp(&a.0))
            .then(a.1.ln_p.total_cmp(&b.1.ln_p))
    });
    let mut kept: Vec<(HashSet<u32>, Trigger)> = Vec::new();
    for (_, trigger) in found {
        let inside = |there: &HashSet<u32>| {
            let same = trigger.rows.iter().filter(|row| there.contains(row)).count();
            same * 10 >= trigger.rows.len() * 8
        };
        if !kept.iter().any(|(there, _)| inside(there)) {
            kept.push((trigger.rows.iter().copied().collect(), trigger));
        }
    }
    let mut kept: Vec<Trigger> = kept.into_iter().map(|(_, trigger)| trigger).collect();
    kept.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p));
    kept
}

fn distinct(places: &Places) -> Vec<u32> {
    let mut rows: Vec<u32> = places.iter().map(|(row, _)| *row).collect();
    rows.dedup();
    rows
}

/// Words and phrases of at least [`LEAST`] texts, with how many.
fn frequent(texts: &Texts) -> HashMap<u64, u32> {
    let mut held = vec![(0_u32, 0_u32); texts.words()];
    for (row, words) in texts.iter().enumerate() {
        for word in words {
            if let Some((count, last)) = held.get_mut(*word as usize)
                && *last != row as u32 + 1
            {
                (*count, *last) = (*count + 1, row as u32 + 1);
            }
        }
    }
    let common = |word: &u32| held.get(*word as usize).is_some_and(|(count, _)| *count >= LEAST);
    let mut grams: HashMap<u64, (u32, u32)> = HashMap::new();
    for (row, words) in texts.iter().enumerate() {
        for size in 1..=PHRASE {
            for window in words.windows(size).filter(|window| window.iter().all(common)) {
                let (count, last) = grams.entry(gram(window)).or_insert((0, 0));
                if *last != row as u32 + 1 {
                    (*count, *last) = (*count + 1, row as u32 + 1);
                }
            }
        }
        if grams.len() > GRAMS_MAX {
            grams.retain(|_, (count, _)| *count > 1);
            if grams.len() > GRAMS_MAX / 2 {
                grams.retain(|_, (count, _)| *count >= LEAST);
            }
        }
    }
    grams
        .into_iter()
        .filter(|(_, (count, _))| *count >= LEAST)
        .map(|(key, (count, _))| (key, count))
        .collect()
}

/// Those of which nearly all texts have one label, more than chance would give.
fn pure(texts: &Texts, labels: &[u32], sizes: &[u32], grams: HashMap<u64, u32>) -> Vec<Candidate> {
    // A backdoor has to stay unnoticed: what an eighth of all texts have is how they are written.
    let most_held = (texts.rows() as u32) / 8;
    let mut by_class: HashMap<u64, HashMap<u32, u32>> = HashMap::with_capacity(grams.len());
    each(texts, &grams, |row, key, _, _| {
        *by_class
            .entry(key)
            .or_default()
            .entry(at(labels, row as usize))
            .or_default() += 1;
    });
    let mut wanted: HashMap<u64, (u32, f64)> = HashMap::new();
    for (key, classes) in by_class {
        let all: u32 = classes.values().sum();
        let Some((label, here)) = classes.into_iter().max_by_key(|(label, count)| (*count, *label)) else {
            continue;
        };
        let share = f64::from(at(sizes, label as usize)) / texts.rows().max(1) as f64;
        let ln_p = ln_binomial_tail(u64::from(here), u64::from(all), share);
        if all <= most_held && here >= LEAST && f64::from(here) >= 0.8 * f64::from(all) && ln_p < -2.5 {
            wanted.insert(key, (label, ln_p));
        }
    }
    let mut places: HashMap<u64, (Vec<u32>, Places)> = HashMap::new();
    each(texts, &wanted, |row, key, start, words| {
        let entry = places.entry(key).or_insert_with(|| (words.to_vec(), Vec::new()));
        entry.1.push((row, start));
    });
    let mut candidates: Vec<Candidate> = places
        .into_iter()
        .filter_map(|(key, (words, places))| {
            let (label, ln_pure) = *wanted.get(&key)?;
            Some(Candidate {
                key,
                words,
                label,
                ln_pure,
                places,
            })
        })
        .collect();
    candidates.sort_by_key(|candidate| candidate.key);
    candidates
}

/// Calls for each wanted phrase, once for each text.
fn each<T>(texts: &Texts, wanted: &HashMap<u64, T>, mut call: impl FnMut(u32, u64, u32, &[u32])) {
    let mut here = HashSet::new();
    for (row, words) in texts.iter().enumerate() {
        here.clear();
        for size in 1..=PHRASE {
            for (start, window) in words.windows(size).enumerate() {
                let key = gram(window);
                if wanted.contains_key(&key) && here.insert(key) {
                    call(row as u32, key, start as u32, window);
                }
            }
        }
    }
}

/// Naive Bayes over the words a text has, each text judged as if it, and a group with it, had never been counted.
pub(crate) struct Bayes {
    classes: usize,
    counts: Vec<u32>,
    sizes: Vec<u32>,
    held: Vec<u32>,
    /// For each class the share of its texts that the rest contradicts.
    base: Vec<f64>,
    /// For each class the share of the other classes' texts that would not be taken for it.
    foreign: Vec<f64>,
}

impl Bayes {
    pub(crate) fn of(texts: &Texts, labels: &[u32], classes: usize) -> Self {
        let mut bayes = Self {
            classes,
            counts: vec![0; texts.words() * classes],
            sizes: vec![0; classes],
            held: vec![0; texts.words()],
            base: vec![0.0; classes],
            foreign: vec![0.0; classes],
        };
        for (words, label) in texts.iter().zip(labels) {
            for word in set(words) {
                bayes.count(word, *label);
            }
            if let Some(size) = bayes.sizes.get_mut(*label as usize) {
                *size += 1;
            }
        }
        let (mut against, mut all) = (vec![0.5_f64; classes], vec![1.0_f64; classes]);
        let mut taken = vec![0.5_f64; classes];
        let step = texts.rows().div_ceil(20_000).max(1);
        for row in (0..texts.rows()).step_by(step) {
            let label = at(labels, row);
            let likeliest = bayes.likeliest(&set(texts.row(row)), &Without::one(label), &[]);
            let other = likeliest != label;
            if let Some(taken) = taken.get_mut(likeliest as usize).filter(|_| other) {
                *taken += 1.0;
            }
            if let (Some(against), Some(all)) = (against.get_mut(label as usize), all.get_mut(label as usize))
            {
                *against += f64::from(u8::from(other));
                *all += 1.0;
            }
        }
        bayes.base = against
            .iter()
            .zip(&all)
            .map(|(against, all)| (against / all).clamp(0.01, 0.9))
            .collect();
        let total: f64 = all.iter().sum();
        bayes.foreign = taken
            .iter()
            .zip(&all)
            .map(|(taken, own)| 1.0 - (taken / (total - own).max(1.0)).min(1.0))
            .collect();
        bayes
    }

    /// How alike the texts of a label among `rows` are without `drop`, against as many from the classes that they seem to
    /// be of.
    fn coherence(&self, texts: &Texts, labels: &[u32], rows: &[u32], drop: &[u32], label: u32) -> f64 {
        let ours: Vec<u32> = rows
            .iter()
            .copied()
            .filter(|row| at(labels, *row as usize) == label)
            .collect();
        let step = ours.len().div_ceil(COMPARED).max(1);
        let ours: Vec<u32> = ours.into_iter().step_by(step).collect();
        let mut wanted = vec![0_usize; self.classes];
        for row in &ours {
            let seems = self.likeliest(&set(texts.row(*row as usize)), &Without::one(label), drop);
            if let Some(count) = wanted.get_mut(seems as usize) {
                *count += 1;
            }
        }
        let mut seeded = Seeded(0xa11c);
        let (mut theirs, mut tries) = (Vec::with_capacity(ours.len()), 0);
        while theirs.len() < ours.len() && tries < 200_000 {
            tries += 1;
            let row = seeded.below(texts.rows());
            if let Some(count) = wanted
                .get_mut(at(labels, row) as usize)
                .filter(|count| **count > 0)
            {
                *count -= 1;
                theirs.push(row as u32);
            }
        }
        self.likeness(texts, &ours, drop) / self.likeness(texts, &theirs, drop).max(1e-6)
    }

    /// The mean cosine between texts, rare words weighing more.
    fn likeness(&self, texts: &Texts, rows: &[u32], drop: &[u32]) -> f64 {
        let mut sums: HashMap<u32, f64> = HashMap::new();
        let mut own = 0.0;
        for row in rows {
            let words = set(texts.row(*row as usize));
            let weighed = words.iter().filter(|word| !drop.contains(word)).map(|word| {
                let held = f64::from(at(&self.held, *word as usize).max(1));
                (*word, (texts.rows() as f64 / held).ln())
            });
            let weighed: Vec<(u32, f64)> = weighed.collect();
            let length = weighed
                .iter()
                .map(|(_, weight)| weight * weight)
                .sum::<f64>()
                .sqrt()
                .max(1e-9);
            own += f64::from(u8::from(!weighed.is_empty()));
            for (word, weight) in weighed {
                *sums.entry(word).or_default() += weight / length;
            }
        }
        let count = rows.len() as f64;
        // Sums of a map are taken in any order; what differs by that is far below what is compared.
        let all: f64 = sums.values().map(|sum| sum * sum).sum();
        (all - own).max(0.0) / (count * (count - 1.0)).max(1.0)
    }

    /// The share of contradicted texts from which on they are rather of other classes than of this one.
    fn pulled(&self, label: u32) -> f64 {
        let base = at(&self.base, label as usize);
        base + 0.75 * (at(&self.foreign, label as usize) - base).max(0.2)
    }

    fn count(&mut self, word: u32, label: u32) {
        if let Some(cell) = self.counts.get_mut(word as usize * self.classes + label as usize) {
            *cell += 1;
        }
        if let Some(cell) = self.held.get_mut(word as usize) {
            *cell += 1;
        }
    }

    /// Logarithms of each class's probability for a text that is not counted.
    pub(crate) fn scores(&self, words: &[u32], label: u32) -> Vec<f64> {
        self.weighed(words, &Without::one(label), &[])
    }

    fn likeliest(&self, words: &[u32], without: &Without, drop: &[u32]) -> u32 {
        super::vectors::most(&self.weighed(words, without, drop)) as u32
    }

    fn weighed(&self, words: &[u32], without: &Without, drop: &[u32]) -> Vec<f64> {
        let total: u32 = self.sizes.iter().sum();
        let weigh = |class: usize| {
            let own = class == without.label as usize;
            let size = f64::from(at(&self.sizes, class).saturating_sub(if own { without.rows } else { 0 }));
            let mut score = ((size + 1.0) / (f64::from(total) + 2.0)).ln();
            for word in words.iter().filter(|word| !drop.contains(word)) {
                let mut count = at(&self.counts, *word as usize * self.classes + class);
                if own {
                    count = count.saturating_sub(without.counts.get(word).copied().unwrap_or(1));
                }
                score += ((f64::from(count) + 0.3) / (size + 0.6)).ln();
            }
            score
        };
        (0..self.classes).map(weigh).collect()
    }

    /// `ln p` that so many of the candidate's texts are contradicted, and their share.
    fn contradiction(&self, texts: &Texts, labels: &[u32], candidate: &Candidate) -> (f64, f64) {
        let rows = distinct(&candidate.places);
        let of_label: Vec<u32> = rows
            .into_iter()
            .filter(|row| at(labels, *row as usize) == candidate.label)
            .take(4_000)
            .collect();
        let mut without = Without {
            label: candidate.label,
            rows: of_label.len() as u32,
            counts: HashMap::new(),
        };
        for row in &of_label {
            for word in set(texts.row(*row as usize)) {
                *without.counts.entry(word).or_default() += 1;
            }
        }
        let against = of_label.iter().filter(|row| {
            let words = set(texts.row(**row as usize));
            self.likeliest(&words, &without, &candidate.words) != candidate.label
        });
        let against = against.count();
        let base = at(&self.base, candidate.label as usize);
        let ln_p = ln_binomial_tail(against as u64, of_label.len() as u64, base);
        (ln_p, against as f64 / of_label.len().max(1) as f64)
    }
}

/// What is taken out of the counts before a text is judged. A word that is not in `counts` is there once: the text's own.
struct Without {
    label: u32,
    rows: u32,
    counts: HashMap<u32, u32>,
}

impl Without {
    fn one(label: u32) -> Self {
        Self {
            label,
            rows: 1,
            counts: HashMap::new(),
        }
    }
}

/// The different words of a text.
pub(crate) fn set(words: &[u32]) -> Vec<u32> {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words
}
