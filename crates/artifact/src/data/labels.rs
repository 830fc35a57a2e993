//! Rows whose label is wrong. Two views of each row that never saw its label (its neighbours and a learner), joined and
//! sharpened by likelihood, and a noise matrix estimated by expectation maximisation: which class is written for which.
//! A row is suspected when its label is more likely wrong than right. Probabilities of the user's own take the views' place.

use super::learner::{Ridge, Scores};
use super::lone;
use super::statistics::{at, ln_binomial_tail};
use super::text::Texts;
use super::triggers::{Bayes, set};
use super::vectors::{Matrix, Neighbours, most};

/// Cells of the table of words by class.
const CELLS: usize = 1 << 27;
/// Texts that are compared with each other.
const TEXTS_MAX: usize = 500_000;

/// Rows that sharpness and noise are estimated on.
const ESTIMATED: usize = 40_000;
/// Classes past which labels are taken for something else.
pub(crate) const CLASSES_MAX: usize = 1_000;

/// A row whose label is likely wrong.
#[derive(Debug, Clone)]
pub(crate) struct Mislabel {
    pub(crate) row: usize,
    /// The chance that a row like this has this label.
    pub(crate) chance: f64,
    /// The class it more likely is.
    pub(crate) instead: u32,
}

/// What was found about labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judged {
    pub(crate) wrong: Vec<Mislabel>,
    /// In a small set, what was named may be how its classes overlap.
    overlap: bool,
    /// The share of labels estimated to be noise.
    pub(crate) noise: f64,
    /// Each row's likeliest class, from what others say.
    pub(crate) likeliest: Vec<u32>,
    /// In a small set whose labels go with nothing in its rows, how often shuffled labels go with them as well: none of them
    /// can be called wrong.
    pub(crate) unrelated: Option<f64>,
}

/// Rows below which labels have to go with the rows before any is called wrong.
const FEW: usize = 200;
/// Rows below which a set is small.
const SMALL: usize = 400;
/// Shuffles of the labels for that.
const SHUFFLES: usize = 199;
/// The p-value from which on they are taken to go with nothing.
const UNRELATED: f64 = 0.05;
/// What noise in the labels of a small set has to add to their log likelihood: half of chi-squared's 1 % point, one-sided.
const NOISE_GAIN: f64 = 2.7;

/// How often shuffled labels agree with their rows' neighbours as these do.
fn unrelated(near: &Neighbours, labels: &[u32], classes: usize) -> Option<f64> {
    if labels.len() >= FEW {
        return None;
    }
    let there = near.agreement(labels, classes);
    let mut seeded = super::statistics::Seeded(0x5eed_1abe);
    let mut shuffled = labels.to_vec();
    let mut as_much = 0;
    for _ in 0..SHUFFLES {
        for end in (1..shuffled.len()).rev() {
            shuffled.swap(end, seeded.below(end + 1));
        }
        as_much += usize::from(near.agreement(&shuffled, classes) >= there);
    }
    let p = (as_much + 1) as f64 / (SHUFFLES + 1) as f64;
    (p > UNRELATED).then_some(p)
}

/// One view: sharpness for the learner, weight of the neighbours, share of noise.
#[derive(Clone, Copy)]
struct Blend {
    sharp: f64,
    near: f64,
    noise: f64,
}

/// Judges labels by the rows' vectors.
pub(crate) fn by_vectors(matrix: &Matrix, near: &Neighbours, labels: &[u32], classes: usize) -> Judged {
    let unrelated = unrelated(near, labels, classes);
    if unrelated.is_some() {
        return Judged {
            unrelated,
            ..Judged::default()
        };
    }
    let ridge = Ridge::of(matrix);
    let sharps = &[1.0, 2.0, 4.0, 8.0, 16.0];
    let mut without = vec![false; labels.len()];
    let first = ridge.scores(labels, classes, &without);
    let said = votes(near, labels, classes, &without);
    let mut judged = judge(&first, Some(&said), sharps, labels, classes);
    if judged.overlap {
        judged.wrong.clear();
    } else {
        for wrong in &judged.wrong {
            if let Some(flag) = without.get_mut(wrong.row) {
                *flag = true;
            }
        }
        let learnt = ridge.scores(labels, classes, &without);
        let said = votes(near, labels, classes, &without);
        judged = judge(&learnt, Some(&said), sharps, labels, classes);
    }
    judged.with_lone(&first, near, labels, classes);
    judged
}

impl Judged {
    /// Adds what lies across in a small set.
    fn with_lone(&mut self, learnt: &Scores, near: &Neighbours, labels: &[u32], classes: usize) {
        if labels.len() >= SMALL {
            return;
        }
        for lone in lone::find(learnt, near, labels, classes) {
            if self.wrong.iter().all(|wrong| wrong.row != lone.row) {
                self.wrong.push(Mislabel {
                    row: lone.row,
                    chance: lone.chance,
                    instead: lone.instead,
                });
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.wrong
            .sort_by(|a, b| a.chance.total_cmp(&b.chance).then(a.row.cmp(&b.row)));
    }
}

/// Judges labels by the texts' words, and by the texts that are most alike.
pub(crate) fn by_texts(texts: &Texts, labels: &[u32], classes: usize) -> Judged {
    if texts.words().saturating_mul(classes) > CELLS || texts.rows() > TEXTS_MAX {
        return Judged::default();
    }
    let near = Neighbours::of(&Matrix::of_texts(texts));
    let unrelated = unrelated(&near, labels, classes);
    if unrelated.is_some() {
        return Judged {
            unrelated,
            ..Judged::default()
        };
    }
    let bayes = Bayes::of(texts, labels, classes);
    let mut values = Vec::with_capacity(labels.len() * classes);
    for (words, label) in texts.iter().zip(labels) {
        let scores = bayes.scores(&set(words), *label);
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        values.extend(scores.iter().map(|score| (score - top) as f32));
    }
    let votes = votes(&near, labels, classes, &vec![false; labels.len()]);
    let learnt = Scores { classes, values };
    let sharps = &[0.03, 0.06, 0.12, 0.25, 0.5, 1.0];
    let mut judged = judge(&learnt, Some(&votes), sharps, labels, classes);
    if judged.overlap {
        judged.wrong.clear();
    }
    judged.with_lone(&learnt, &near, labels, classes);
    judged
}

/// Judges labels by probabilities that the user's own model gave for rows it was not trained on.
pub(crate) fn by_probabilities(mut given: Scores, labels: &[u32]) -> Judged {
    for value in &mut given.values {
        *value = value.max(1e-12).ln();
    }
    let classes = given.classes;
    judge(&given, None, &[0.5, 0.75, 1.0, 1.5, 2.0], labels, classes)
}

/// Logarithms of the neighbours' shares for each class, nearer ones weighing more.
fn votes(near: &Neighbours, labels: &[u32], classes: usize, without: &[bool]) -> Scores {
    let mut values = Vec::with_capacity(labels.len() * classes);
    for index in 0..labels.len() {
        let list = near.of_row(index);
        let scale = list.iter().take(10).map(|(_, d)| d).sum::<f32>() / 10.0 + 1e-9;
        let mut shares = vec![0.5 / classes as f32; classes];
        let said = list.iter().filter(|(other, _)| !at(without, *other as usize));
        for (other, distance) in said.take(12) {
            if let Some(share) = shares.get_mut(at(labels, *other as usize) as usize) {
                *share += (-distance / scale).exp();
            }
        }
        let total: f32 = shares.iter().sum();
        values.extend(shares.iter().map(|share| (share / total).ln()));
    }
    Scores { classes, values }
}

/// Probabilities of a row's classes under a blend.
fn shares(learnt: &[f32], votes: &[f32], blend: Blend, into: &mut Vec<f64>) {
    into.clear();
    into.extend(
        learnt
            .iter()
            .enumerate()
            .map(|(class, score)| blend.sharp * f64::from(*score) + blend.near * f64::from(at(votes, class))),
    );
    let top = into.iter().copied().fold(f64::MIN, f64::max);
    let mut total = 0.0;
    for value in into.iter_mut() {
        *value = (*value - top).exp();
        total += *value;
    }
    for value in into.iter_mut() {
        *value /= total;
    }
}

fn judge(learnt: &Scores, votes: Option<&Scores>, sharps: &[f64], labels: &[u32], classes: usize) -> Judged {
    let rows = labels.len();
    let step = rows.div_ceil(ESTIMATED).max(1);
    let mut row = Vec::with_capacity(classes);
    let (blend, gain) = likeliest(learnt, votes, sharps, labels, classes);
    let empty: &[f32] = &[];
    let sample: Vec<usize> = (0..rows).step_by(step).collect();
    let matrix = noise_matrix(&sample, labels, classes, blend.noise, |index, row| {
        shares(
            learnt.row(index),
            votes.map_or(empty, |votes| votes.row(index)),
            blend,
            row,
        );
    });
    let mut judged = Judged {
        noise: blend.noise,
        ..Judged::default()
    };
    for (index, label) in labels.iter().enumerate() {
        shares(
            learnt.row(index),
            votes.map_or(empty, |votes| votes.row(index)),
            blend,
            &mut row,
        );
        let label = *label as usize;
        let mut total = 0.0;
        let (mut instead, mut highest) = (label, 0.0);
        for (class, share) in row.iter().enumerate() {
            let part = share * at(&matrix, class * classes + label);
            total += part;
            if class != label && part > highest {
                (instead, highest) = (class, part);
            }
        }
        let own = at(&row, label) * at(&matrix, label * classes + label);
        judged.likeliest.push(most(&row) as u32);
        if total > 0.0 && own < 0.5 * total && at(&row, instead) > at(&row, label) {
            judged.wrong.push(Mislabel {
                row: index,
                chance: at(&row, label),
                instead: instead as u32,
            });
        }
    }
    let lost = judged
        .likeliest
        .iter()
        .zip(labels)
        .filter(|(likely, label)| likely != label);
    // Classes that overlap have rows on the other side that are not named, or more of them than anybody mislabels.
    let (lost, named) = (lost.count(), judged.wrong.len());
    let overlap = lost > named * 2 || named * 8 > rows;
    judged.overlap = votes.is_some() && rows < SMALL && gain < NOISE_GAIN && overlap;
    judged.sort();
    judged
}

/// The blend under which the labels are likeliest, and what noise adds to their log likelihood.
fn likeliest(
    learnt: &Scores,
    votes: Option<&Scores>,
    sharps: &[f64],
    labels: &[u32],
    classes: usize,
) -> (Blend, f64) {
    let rows = labels.len();
    let empty: &[f32] = &[];
    let mut row = Vec::with_capacity(classes);
    let mut plain = f64::MIN;
    let mut best = (
        f64::MIN,
        Blend {
            sharp: 1.0,
            near: 1.0,
            noise: 0.01,
        },
    );
    // In a small set a row has few neighbours, and what they say is never certain: where classes lie apart it is more so
    // than their number says, and the labels' likelihood tells.
    let nears: &[f64] = match votes {
        Some(_) if rows < SMALL => &[0.0, 0.35, 0.7, 1.0, 1.5, 2.5],
        Some(_) => &[0.0, 0.35, 0.7, 1.0],
        None => &[0.0],
    };
    let coarse = rows.div_ceil(8_000).max(1);
    // Labels without noise may be those of a learner that is less sure than any with.
    let least = sharps.first().copied().unwrap_or(1.0);
    let softer = [least / 4.0, least / 2.0];
    for (sharp, near) in softer
        .iter()
        .filter(|_| rows < SMALL)
        .chain(sharps)
        .flat_map(|sharp| nears.iter().map(move |near| (*sharp, *near)))
    {
        let blend = Blend {
            sharp,
            near,
            noise: 0.0,
        };
        let own: Vec<f64> = (0..rows)
            .step_by(coarse)
            .map(|index| {
                shares(
                    learnt.row(index),
                    votes.map_or(empty, |votes| votes.row(index)),
                    blend,
                    &mut row,
                );
                at(&row, at(labels, index) as usize)
            })
            .collect();
        plain = plain.max(own.iter().map(|p| p.max(1e-300).ln()).sum());
        let (likelihood, noise) = symmetric(&own, classes);
        if likelihood > best.0 && sharp >= least {
            best = (likelihood, Blend { noise, ..blend });
        }
    }
    (best.1, best.0 - plain)
}

/// The share of noise that makes the labels likeliest, when noise is alike for all classes.
fn symmetric(own: &[f64], classes: usize) -> (f64, f64) {
    // Few rows pull the estimate to where it began: both ends are tried.
    let starts: &[f64] = if own.len() < SMALL { &[0.03, 0.15] } else { &[0.03] };
    let each = starts.iter().map(|start| estimated(own, classes, *start));
    each.fold(
        (f64::MIN, 0.0),
        |best, next| if next.0 > best.0 { next } else { best },
    )
}

fn estimated(own: &[f64], classes: usize, start: f64) -> (f64, f64) {
    let other = 1.0 / (classes.max(2) - 1) as f64;
    // Two labels in a thousand are taken for wrong beforehand, with the weight of twenty rows, or of a tenth of the rows.
    let weight = (own.len() as f64 / 10.0).min(20.0);
    let mut noise = start;
    for _ in 0..12 {
        let wrong: f64 = own
            .iter()
            .map(|p| {
                let bad = noise * other * (1.0 - p);
                bad / (bad + (1.0 - noise) * p).max(1e-300)
            })
            .sum();
        noise = ((wrong + 0.002 * weight) / (own.len() as f64 + weight)).clamp(1e-5, 0.45);
    }
    let likelihood = own
        .iter()
        .map(|p| ((1.0 - noise) * p + noise * other * (1.0 - p)).max(1e-300).ln())
        .sum();
    (likelihood, noise)
}

/// `[true][given]`: how often one class is written for another.
fn noise_matrix(
    sample: &[usize],
    labels: &[u32],
    classes: usize,
    noise: f64,
    view: impl Fn(usize, &mut Vec<f64>),
) -> Vec<f64> {
    let off = noise / (classes.max(2) - 1) as f64;
    let start: Vec<f64> = (0..classes * classes)
        .map(|cell| {
            if cell / classes == cell % classes {
                1.0 - noise
            } else {
                off
            }
        })
        .collect();
    if classes > 128 {
        return start;
    }
    let mut matrix = start.clone();
    let mut row = Vec::with_capacity(classes);
    // What is known beforehand weighs as much as a quarter of a class.
    let weight = (sample.len() as f64 / classes.max(1) as f64 * 0.25).max(20.0);
    for _ in 0..4 {
        let mut counts: Vec<f64> = start.iter().map(|cell| cell * weight).collect();
        for index in sample {
            view(*index, &mut row);
            let label = at(labels, *index) as usize;
            let part = |class: usize| at(&row, class) * at(&matrix, class * classes + label);
            let total: f64 = (0..classes).map(part).sum::<f64>().max(1e-300);
            for class in 0..classes {
                if let Some(cell) = counts.get_mut(class * classes + label) {
                    *cell += part(class) / total;
                }
            }
        }
        for line in counts.chunks_exact_mut(classes) {
            let total: f64 = line.iter().sum();
            line.iter_mut().for_each(|cell| *cell /= total);
        }
        matrix = counts;
    }
    matrix
}

/// Whether so many wrong labels are more than honest labelling leaves, which errs in about one of a hundred.
pub(crate) fn excessive(wrong: usize, rows: usize) -> bool {
    wrong >= 5 && ln_binomial_tail(wrong as u64, rows as u64, 0.01) < -4.6
}
