//! Rows whose label is wrong. Two views of each row that never saw its label (its neighbours and a learner), joined and
//! sharpened by likelihood, and a noise matrix estimated by expectation maximisation: which class is written for which.
//! A row is suspected when its label is more likely wrong than right. Where that begins is not left to likelihood, which
//! can't tell labels that were turned from classes that overlap, or that are turned one way from a learner that is less
//! sure of one class: [`Across`] says among which classes labels were turned, and how often. In small sets, and of
//! probabilities of the user's own, which take the views' place, likelihood says it.

use super::across::Across;
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
/// Rows that a blend is chosen by.
const COARSE: usize = 8_000;
/// Weights of the neighbours that are tried. In a small set, or where labels are known to be turned, what a row's few
/// neighbours say may be more certain than their number says: where classes lie apart, and the labels' likelihood tells.
const NEARS: [f64; 6] = [0.0, 0.35, 0.7, 1.0, 1.5, 2.5];
const NEARS_OF_MANY: [f64; 4] = [0.0, 0.35, 0.7, 1.0];
/// What is begun with.
const PLAIN: Blend = Blend {
    sharp: 1.0,
    near: 1.0,
    noise: 0.01,
};
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
    /// What would be named may be how the classes overlap.
    overlap: bool,
    /// The share of labels estimated to be noise.
    pub(crate) noise: f64,
    /// Each row's likeliest class, from what others say.
    pub(crate) likeliest: Vec<u32>,
    /// In a small set whose labels go with nothing in its rows, how often shuffled labels go with them as well: none of them
    /// can be called wrong.
    pub(crate) unrelated: Option<f64>,
    /// In a set that is not so small, no two classes follow from the rows: none of its labels can be called wrong.
    pub(crate) unfollowed: bool,
    /// Among which classes labels were turned, while every row was judged without its own label alone.
    across: Option<Across>,
}

/// Rows below which shuffled labels say whether labels go with the rows, and from which on the rows do.
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

/// What a learner says of the rows, and what their neighbours do.
#[derive(Clone, Copy)]
struct Views<'s> {
    learnt: &'s Scores,
    votes: Option<&'s Scores>,
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
    let mut judged = judge(&first, Some(&said), sharps, labels, classes, None);
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
        // Rows that are left out are judged by others than those that are not: how deep they are is known from before.
        let across = judged.across.take();
        judged = judge(&learnt, Some(&said), sharps, labels, classes, across);
    }
    judged.with_lone(&first, near, labels, classes);
    judged
}

impl Judged {
    /// Adds what lies across in a small set.
    fn with_lone(&mut self, learnt: &Scores, near: &Neighbours, labels: &[u32], classes: usize) {
        if labels.len() >= SMALL || self.unfollowed {
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

    /// Whether classes of a small set overlap: they have rows on the other side that are not named, or more of them than
    /// anybody mislabels, and noise makes the labels hardly likelier.
    fn overlaps(&self, labels: &[u32], gain: f64) -> bool {
        let pairs = self.likeliest.iter().zip(labels);
        let (lost, named) = (
            pairs.filter(|(likely, label)| likely != label).count(),
            self.wrong.len(),
        );
        labels.len() < SMALL && gain < NOISE_GAIN && (lost > named * 2 || named * 8 > labels.len())
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
    let mut judged = judge(&learnt, Some(&votes), sharps, labels, classes, None);
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
    judge(&given, None, &[0.5, 0.75, 1.0, 1.5, 2.0], labels, classes, None)
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

impl Views<'_> {
    /// A row's classes under a blend, as logarithms that lack their common part.
    fn joined(&self, index: usize, blend: Blend, into: &mut Vec<f64>) {
        let empty: &[f32] = &[];
        let votes = self.votes.map_or(empty, |votes| votes.row(index));
        into.clear();
        into.extend(self.learnt.row(index).iter().enumerate().map(|(class, score)| {
            blend.sharp * f64::from(*score) + blend.near * f64::from(at(votes, class))
        }));
    }

    /// Probabilities of a row's classes under a blend.
    fn shares(&self, index: usize, blend: Blend, into: &mut Vec<f64>) {
        self.joined(index, blend, into);
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

    /// What rows on the wrong side of a border say of the labels.
    fn across(&self, blend: Blend, sample: &[usize], labels: &[u32], classes: usize) -> Across {
        let mut row = Vec::with_capacity(classes);
        let (mut seems, mut depths) = (Vec::with_capacity(sample.len()), Vec::with_capacity(sample.len()));
        for index in sample {
            self.joined(*index, blend, &mut row);
            let seem = most(&row);
            let others = row.iter().enumerate().filter(|(class, _)| *class != seem);
            let next = others.map(|(_, score)| *score).fold(f64::MIN, f64::max);
            seems.push(seem as u32);
            depths.push(at(&row, seem) - next);
        }
        let labels: Vec<u32> = sample.iter().map(|index| at(labels, *index)).collect();
        Across::of(&seems, &depths, &labels, classes)
    }

    /// The blend under which the labels are likeliest when so many of each class were turned.
    fn turned(&self, sharps: &[f64], labels: &[u32], classes: usize, rates: &[f64]) -> Blend {
        let step = labels.len().div_ceil(COARSE).max(1);
        let other = 1.0 / (classes.max(2) - 1) as f64;
        let mut row = Vec::with_capacity(classes);
        let mut best = (f64::MIN, PLAIN);
        let nears: &[f64] = &NEARS;
        for (sharp, near) in sharps
            .iter()
            .flat_map(|sharp| nears.iter().map(move |near| (*sharp, *near)))
        {
            let blend = Blend { sharp, near, ..PLAIN };
            let mut likelihood = 0.0;
            for index in (0..labels.len()).step_by(step) {
                self.shares(index, blend, &mut row);
                let label = at(labels, index) as usize;
                let (own, rate) = (at(&row, label), at(rates, label));
                let from_all: f64 = row
                    .iter()
                    .zip(rates)
                    .map(|(share, rate)| share * rate * other)
                    .sum();
                let given = from_all + own * (1.0 - rate - rate * other);
                likelihood += given.max(1e-300).ln();
            }
            if likelihood > best.0 {
                best = (likelihood, blend);
            }
        }
        best.1
    }
}

/// Judges by a learner and the neighbours' votes, or by the learner alone. What is known of turned labels is not asked
/// again.
fn judge(
    learnt: &Scores,
    votes: Option<&Scores>,
    sharps: &[f64],
    labels: &[u32],
    classes: usize,
    known: Option<Across>,
) -> Judged {
    let rows = labels.len();
    let step = rows.div_ceil(ESTIMATED).max(1);
    let views = Views { learnt, votes };
    let (mut blend, gain) = likeliest(views, sharps, labels, classes);
    let sample: Vec<usize> = (0..rows).step_by(step).collect();
    let asked = votes.filter(|_| rows >= FEW);
    let across = known.or_else(|| asked.map(|_| views.across(blend, &sample, labels, classes)));
    let turned = across.as_ref().filter(|across| across.any());
    let mut judged = Judged {
        noise: blend.noise,
        unfollowed: across.as_ref().is_some_and(Across::nothing),
        ..Judged::default()
    };
    let rates = match turned {
        Some(across) => {
            blend = views.turned(sharps, labels, classes, &across.rates);
            across.rates.clone()
        }
        None => vec![blend.noise; classes],
    };
    let matrix = noise_matrix(&sample, labels, &rates, |index, row| {
        views.shares(index, blend, row);
    });
    let unsaid = rows >= SMALL && votes.is_some() && turned.is_none();
    let may = |label, instead| !unsaid && turned.is_none_or(|across| across.may(label, instead));
    let (mut row, mut doubt) = (Vec::with_capacity(classes), 0.0);
    for (index, label) in labels.iter().enumerate() {
        views.shares(index, blend, &mut row);
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
        doubt += (total - own).max(0.0) / total.max(1e-300);
        if total > 0.0 && own < 0.5 * total && at(&row, instead) > at(&row, label) && may(label, instead) {
            judged.wrong.push(Mislabel {
                row: index,
                chance: at(&row, label),
                instead: instead as u32,
            });
        }
    }
    if turned.is_some() {
        judged.noise = doubt / rows.max(1) as f64;
    } else if unsaid {
        judged.noise = 0.0;
    }
    judged.overlap =
        unsaid || judged.unfollowed || (votes.is_some() && turned.is_none() && judged.overlaps(labels, gain));
    judged.across = across;
    judged.sort();
    judged
}

/// The blend under which the labels are likeliest, and what noise adds to their log likelihood.
fn likeliest(views: Views<'_>, sharps: &[f64], labels: &[u32], classes: usize) -> (Blend, f64) {
    let rows = labels.len();
    let mut row = Vec::with_capacity(classes);
    let mut plain = f64::MIN;
    let mut best = (f64::MIN, PLAIN);
    let nears: &[f64] = match views.votes {
        Some(_) if rows < SMALL => &NEARS,
        Some(_) => &NEARS_OF_MANY,
        None => &[0.0],
    };
    let coarse = rows.div_ceil(COARSE).max(1);
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
                views.shares(index, blend, &mut row);
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

/// `[true][given]`: how often one class is written for another, begun with how often each is for any.
fn noise_matrix(
    sample: &[usize],
    labels: &[u32],
    rates: &[f64],
    view: impl Fn(usize, &mut Vec<f64>),
) -> Vec<f64> {
    let classes = rates.len();
    let start: Vec<f64> = (0..classes * classes)
        .map(|cell| {
            let rate = at(rates, cell / classes);
            if cell / classes == cell % classes {
                1.0 - rate
            } else {
                rate / (classes.max(2) - 1) as f64
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
