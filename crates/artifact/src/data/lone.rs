//! Wrong labels of a small set whose classes lie apart. Likelihood can't tell a few wrong labels among few rows from a
//! learner that is less sure than it could be; distance can: where nearly no row lies between two classes, one that lies
//! among the other's and as far from its own as none of them has no business there.
//!
//! A row is named where its neighbours are another class's, its margin lies outside its own class's by Student's t for every
//! row that is tried (Bonferroni's 5 % of the whole set), and it is no stranger to the other class. It is named only where
//! rows that lie between classes are fewer: where classes overlap, across is where honest rows are too.

use super::learner::Scores;
use super::statistics::{at, student_tail};
use super::vectors::Neighbours;

/// Neighbours that are asked.
const ASKED: usize = 7;
/// Of these, how many may have the row's own label.
const OWN: usize = 1;
/// Of these, how many have to have the other.
const OTHER: usize = 5;
/// Rows of a class that lie among their own, at least.
const CORE: usize = 8;
/// The chance that any row of an honest set is named.
const ALPHA: f64 = 0.05;
/// How far out of the other class a row may be, two-sided.
const STRANGE: f64 = 0.02;

/// A row that lies across.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lone {
    pub(super) row: usize,
    /// How often a row of its label lies so far out.
    pub(super) chance: f64,
    pub(super) instead: u32,
}

/// Where the margins of a class lie.
struct Spread {
    middle: f64,
    scale: f64,
    rows: usize,
}

/// Finds them. `learnt` never saw a row's own label.
pub(super) fn find(learnt: &Scores, near: &Neighbours, labels: &[u32], classes: usize) -> Vec<Lone> {
    let held: Vec<Vec<usize>> = (0..labels.len())
        .map(|row| {
            let mut counts = vec![0; classes];
            for (other, _) in near.of_row(row).iter().take(ASKED) {
                if let Some(count) = counts.get_mut(at(labels, *other as usize) as usize) {
                    *count += 1;
                }
            }
            counts
        })
        .collect();
    let own = |row: usize| {
        held.get(row)
            .map_or(0, |counts| at(counts, at(labels, row) as usize))
    };
    let core: Vec<bool> = (0..labels.len()).map(|row| own(row) * 2 > ASKED).collect();
    let mut lone = Vec::new();
    for (row, counts) in held.iter().enumerate().filter(|(row, _)| own(*row) <= OWN) {
        let label = at(labels, row);
        let instead = super::vectors::most(counts) as u32;
        if instead == label || at(counts, instead as usize) < OTHER {
            continue;
        }
        let margin = |row: usize| {
            let scores = learnt.row(row);
            f64::from(at(scores, label as usize)) - f64::from(at(scores, instead as usize))
        };
        let spread = |class: u32| spread(&margin, class, labels, &core);
        let (Some(from), Some(to)) = (spread(label), spread(instead)) else {
            continue;
        };
        let chance = from.below(margin(row));
        // Deeper in the other class than its middle is no stranger to it.
        let strange = margin(row) > to.middle && 2.0 * to.above(margin(row)) <= STRANGE;
        if chance * (labels.len() as f64) < ALPHA && !strange {
            lone.push(Lone { row, chance, instead });
        }
    }
    let between = core.iter().filter(|among| !**among).count() - lone.len();
    if between > lone.len() {
        lone.clear();
    }
    lone
}

/// The margins of a class's rows that lie among their own; those of the others count by their middle half.
fn spread(margin: &impl Fn(usize) -> f64, class: u32, labels: &[u32], core: &[bool]) -> Option<Spread> {
    let all: Vec<usize> = (0..labels.len())
        .filter(|row| at(labels, *row) == class)
        .collect();
    let inner = all.iter().filter(|row| at(core, **row));
    let inner: Vec<f64> = inner.map(|row| margin(*row)).collect();
    if inner.len() < CORE {
        return None;
    }
    let mean = inner.iter().sum::<f64>() / inner.len() as f64;
    let squares: f64 = inner.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (inner.len() - 1) as f64).sqrt();
    let whole = median(all.iter().map(|row| margin(*row)).collect());
    let off = median(all.iter().map(|row| (margin(*row) - whole).abs()).collect());
    Some(Spread {
        middle: median(inner.clone()),
        // What the middle half of a normal distribution says of its deviation.
        scale: deviation.max(1.4826 * off).max(1e-9),
        rows: inner.len(),
    })
}

impl Spread {
    /// The chance of a margin this low or lower.
    fn below(&self, margin: f64) -> f64 {
        self.above(2.0 * self.middle - margin)
    }

    fn above(&self, margin: f64) -> f64 {
        let rows = self.rows as f64;
        let off = (margin - self.middle) / (self.scale * (1.0 + 1.0 / rows).sqrt());
        student_tail(off, rows - 1.0)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count.is_multiple_of(2) => (at(&values, half) + at(&values, half - 1)) / 2.0,
        _ => at(&values, half),
    }
}
