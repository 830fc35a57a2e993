//! Passages that were written to be found for one question: they carry the question, so that a search for it finds
//! them, and agree on what they answer, against everything else in the collection (PoisonedRAG: five short passages for
//! a question are enough).
//!
//! Candidates are passages that carry nearly the same question, wherever it stands in them, and say it with different
//! words around it: copies of one text count once. Two things are tested. *Repetition*: how often a sentence of this
//! collection that is no question comes back in as many passages. *Agreement*: whether a word that is rare elsewhere is in
//! most of them, the question's own words aside. Fisher's way joins the two, Bonferroni's counts the questions.
//! A collection that is made of questions and answers repeats its questions throughout: there it is only a note.

use std::collections::{HashMap, HashSet};

use super::clusters::{Cluster, opening};
use super::looked;
use super::statistics::{at, ln_binomial_tail, ln_fisher};
use super::text::{Texts, gram};
use super::triggers::set;

/// Passages that carry one question, at least.
const LEAST: usize = 3;
/// And at most: a question that everybody asks is a heading.
const MOST: usize = 200;
/// Words of a question, at least and at most.
const WORDS: std::ops::RangeInclusive<usize> = 4..=40;
/// Words of a question without an end by which it is told from others.
const PREFIX: usize = 6;
/// How alike two ways to put a question are, at least.
const ALIKE: f64 = 0.6;
/// How alike two passages are that count as one.
const COPY: f64 = 0.8;
/// Sentences that are looked at in one passage.
const SENTENCES: usize = 256;
/// Questions of a bucket that are compared with each other.
const BUCKET: usize = 2_000;
/// `ln` of the p-value that counts.
const LN_ALPHA: f64 = -9.2;

const ASKING: &[&str] = &[
    "who", "what", "when", "where", "which", "why", "how", "whose", "whom", "is", "are", "was", "were", "do",
    "does", "did", "can", "could", "will", "would", "should", "has", "have", "had", "may", "name",
];
const COMMON: &[&str] = &[
    "a", "an", "the", "of", "to", "in", "is", "are", "was", "were", "be", "been", "and", "or", "for", "on",
    "at", "by", "with", "from", "that", "this", "it", "its", "as", "do", "does", "did", "has", "have", "had",
    "not", "what", "who", "when", "where", "which", "why", "how", "there", "s",
];

/// What was found.
pub(crate) struct Planted {
    pub(crate) clusters: Vec<Cluster>,
    /// Questions are repeated throughout, so that what is planted can't be told from what was gathered.
    pub(crate) throughout: bool,
    /// The fewest passages that could have been told.
    pub(crate) least: Option<u64>,
}

/// A sentence that asks: where it is, and the words that say what it asks for.
struct Question {
    row: u32,
    content: Vec<u32>,
}

/// The words of a collection that are told apart.
struct Words<'t> {
    texts: &'t Texts,
    /// Passages that hold each.
    held: Vec<u32>,
    asking: HashSet<u32>,
    common: HashSet<u32>,
}

/// Finds them.
pub(crate) fn planted(texts: &Texts) -> Planted {
    let words = Words::of(texts);
    let (questions, sentences) = words.read();
    let tested = questions.len().max(1) as f64;
    let mut groups = groups(&words, questions);
    for rows in &mut groups {
        words.without_copies(rows);
    }
    groups.retain(|rows| (LEAST..=MOST).contains(&rows.len()));
    let asked: HashSet<u32> = groups.iter().flatten().copied().collect();
    let half = |count: usize| count * 2 > texts.rows();
    let throughout = half(asked.len()) || half(same_opening(texts, &asked));
    let ln_of = |count: usize, ln_agree: f64| {
        let repeated = sentences
            .values()
            .filter(|there| **there as usize >= count)
            .count();
        let ln_repeated = ((1 + repeated) as f64 / (1 + sentences.len()) as f64).ln();
        (ln_fisher(ln_repeated + ln_agree, 2) + tested.ln()).min(0.0)
    };
    let mut clusters = Vec::new();
    for rows in groups {
        let (word, ln_agree) = words.agreement(&rows);
        let ln_p = ln_of(rows.len(), ln_agree);
        if ln_p < LN_ALPHA {
            let answer = word.map_or("", |word| texts.word(word));
            let subject = format!("{} ... {answer}", opening(texts, at(&rows, 0)));
            clusters.push(Cluster { subject, rows, ln_p });
        }
    }
    clusters.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p).then(a.rows.cmp(&b.rows)));
    let rare = (1.0 / (texts.rows() as f64 + 1.0)).ln();
    let best = |count: u64| ln_of(count as usize, count as f64 * rare + 40_f64.ln());
    let most = MOST.min(texts.rows()) as u64;
    Planted {
        clusters,
        throughout,
        least: looked::least(LEAST as u64, most, |count| best(count) < LN_ALPHA),
    }
}

impl<'t> Words<'t> {
    fn of(texts: &'t Texts) -> Self {
        let mut held = vec![0_u32; texts.words()];
        for words in texts.iter() {
            for word in set(words) {
                if let Some(count) = held.get_mut(word as usize) {
                    *count += 1;
                }
            }
        }
        let named = |list: &[&str]| list.iter().filter_map(|word| texts.number(word)).collect();
        Self {
            texts,
            held,
            asking: named(ASKING),
            common: named(COMMON),
        }
    }

    /// What of a sentence says what it is about: its rarer words, in an order that does not matter.
    fn content(&self, words: &[u32]) -> Vec<u32> {
        let mut content: Vec<u32> = words
            .iter()
            .copied()
            .filter(|word| !self.common.contains(word) && self.is_word(*word))
            .collect();
        content.sort_unstable();
        content.dedup();
        content
    }

    fn is_word(&self, word: u32) -> bool {
        self.texts
            .word(word)
            .starts_with(|letter: char| letter.is_alphanumeric())
    }

    /// The questions of all passages, and of each other sentence how many passages have it.
    fn read(&self) -> (Vec<Question>, HashMap<u64, u32>) {
        let (mut questions, mut sentences) = (Vec::new(), HashMap::new());
        for (row, words) in self.texts.iter().enumerate() {
            let row = row as u32;
            let mut here = HashSet::new();
            let ends = |word: &u32| is_end(self.texts.word(*word));
            for (place, part) in words.split_inclusive(ends).take(SENTENCES).enumerate() {
                let asked = part.last().is_some_and(|word| is_asked(self.texts.word(*word)));
                let begins = part.first().is_some_and(|word| self.asking.contains(word));
                let whole = WORDS.contains(&part.len());
                let content = self.content(part);
                if whole && content.len() >= 2 && (asked || begins) {
                    questions.push(Question { row, content });
                } else if place == 0 && begins && part.len() > *WORDS.end() {
                    // A question that runs on into its answer: its first words stand for it.
                    let content = self.content(part.get(..PREFIX).unwrap_or_default());
                    if content.len() >= 2 {
                        questions.push(Question { row, content });
                    }
                } else if whole && content.len() >= 3 && here.insert(gram(&content)) {
                    *sentences.entry(gram(&content)).or_default() += 1;
                }
            }
        }
        (questions, sentences)
    }

    /// Leaves one of those that are the same text but for a few words.
    fn without_copies(&self, rows: &mut Vec<u32>) {
        let mut kept: Vec<(u32, Vec<u32>)> = Vec::new();
        for row in rows.iter().take(BUCKET) {
            let words = set(self.texts.row(*row as usize));
            if !kept.iter().any(|(_, other)| jaccard(other, &words) >= COPY) {
                kept.push((*row, words));
            }
        }
        *rows = kept.into_iter().map(|(row, _)| row).collect();
    }

    /// The sentences of a passage that ask nothing, by what they say.
    fn told(&self, row: u32) -> Vec<Vec<u32>> {
        let words = self.texts.row(row as usize);
        let ends = |word: &u32| is_end(self.texts.word(*word));
        let mut told = Vec::new();
        for part in words.split_inclusive(ends).take(SENTENCES) {
            let asks = part.last().is_some_and(|word| is_asked(self.texts.word(*word)));
            let begins = part.first().is_some_and(|word| self.asking.contains(word));
            let rest = match (asks, begins) {
                (true, _) => continue,
                // It may run on into its answer.
                (_, true) if part.len() > *WORDS.end() => part.get(PREFIX..).unwrap_or_default(),
                (_, true) => continue,
                _ => part,
            };
            told.push(self.content(rest));
        }
        told
    }

    /// The word that passages agree on in sentences of their own, and `ln p` that as many hold it. What several say in the
    /// same words is a heading or a footer; what all their questions say is what they are asked.
    fn agreement(&self, rows: &[u32]) -> (Option<u32>, f64) {
        let told: Vec<Vec<Vec<u32>>> = rows.iter().map(|row| self.told(*row)).collect();
        let mut same: HashMap<u64, u32> = HashMap::new();
        for sentence in told.iter().flatten() {
            *same.entry(gram(sentence)).or_default() += 1;
        }
        let mut counts: HashMap<u32, u32> = HashMap::new();
        for sentences in &told {
            let own = sentences
                .iter()
                .filter(|sentence| same.get(&gram(sentence)).is_some_and(|count| *count == 1));
            let own: HashSet<u32> = own.flatten().copied().collect();
            for word in own {
                *counts.entry(word).or_default() += 1;
            }
        }
        let asked = self.asked(rows);
        counts.retain(|word, _| !asked.contains(word));
        let tried = (counts.len().max(1) as f64).ln();
        let outside = (self.texts.rows() - rows.len()) as f64 + 1.0;
        let mut best = (None, 0.0_f64);
        let mut agreed: Vec<(u32, u32)> = counts.into_iter().collect();
        agreed.sort_unstable();
        for (word, here) in agreed {
            if here as usize * 5 < rows.len() * 3 || here < 2 {
                continue;
            }
            let elsewhere = f64::from(at(&self.held, word as usize).saturating_sub(here)) + 1.0;
            let chance = (elsewhere / outside).min(1.0);
            let ln_p = (ln_binomial_tail(u64::from(here), rows.len() as u64, chance) + tried).min(0.0);
            if ln_p < best.1 {
                best = (Some(word), ln_p);
            }
        }
        best
    }

    /// The words of all questions that passages carry.
    fn asked(&self, rows: &[u32]) -> HashSet<u32> {
        let mut asked = HashSet::new();
        for row in rows {
            let words = self.texts.row(*row as usize);
            let ends = |word: &u32| is_end(self.texts.word(*word));
            for part in words.split_inclusive(ends).take(SENTENCES) {
                let asks = part.last().is_some_and(|word| is_asked(self.texts.word(*word)));
                let begins = part.first().is_some_and(|word| self.asking.contains(word));
                if asks || begins {
                    let end = if part.len() > *WORDS.end() {
                        PREFIX
                    } else {
                        part.len()
                    };
                    asked.extend(part.get(..end).unwrap_or_default());
                }
            }
        }
        asked
    }
}

/// Groups of passages that carry nearly the same question.
fn groups(words: &Words<'_>, questions: Vec<Question>) -> Vec<Vec<u32>> {
    let mut buckets: HashMap<u64, Vec<Question>> = HashMap::new();
    for question in questions {
        // What fewer passages hold is not what they share.
        let mut rarest = question.content.clone();
        rarest.retain(|word| at(&words.held, *word as usize) as usize >= LEAST);
        rarest.sort_by_key(|word| (at(&words.held, *word as usize), *word));
        rarest.truncate(2);
        rarest.sort_unstable();
        buckets.entry(gram(&rarest)).or_default().push(question);
    }
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for bucket in buckets.into_values().filter(|bucket| bucket.len() >= LEAST) {
        let mut leaders: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
        for question in bucket.into_iter().take(BUCKET) {
            let like = leaders
                .iter_mut()
                .find(|(content, _)| jaccard(content, &question.content) >= ALIKE);
            match like {
                Some((_, rows)) if rows.last() == Some(&question.row) => {}
                Some((_, rows)) => rows.push(question.row),
                None => leaders.push((question.content, vec![question.row])),
            }
        }
        groups.extend(leaders.into_iter().map(|(_, rows)| rows));
    }
    groups.retain(|rows| rows.len() >= LEAST);
    groups.sort();
    groups.dedup();
    groups
}

/// Passages, those of `without` aside, that begin as two others do: then it is how they are written.
fn same_opening(texts: &Texts, without: &HashSet<u32>) -> usize {
    let mut firsts: HashMap<u64, usize> = HashMap::new();
    for (row, words) in texts.iter().enumerate() {
        if let Some(first) = words.get(..4).filter(|_| !without.contains(&(row as u32))) {
            *firsts.entry(gram(first)).or_default() += 1;
        }
    }
    firsts.values().filter(|count| **count >= LEAST).sum()
}

fn is_asked(word: &str) -> bool {
    matches!(word, "?" | "\u{ff1f}" | "\u{61f}")
}

fn is_end(word: &str) -> bool {
    is_asked(word) || matches!(word, "." | "!" | "\u{3002}" | "\u{ff01}" | "\u{964}")
}

/// How alike two sorted sets are.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut left, mut right, mut both) = (0, 0, 0_usize);
    while let (Some(x), Some(y)) = (a.get(left), b.get(right)) {
        both += usize::from(x == y);
        left += usize::from(x <= y);
        right += usize::from(y <= x);
    }
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}
