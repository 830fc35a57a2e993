//! Backdoors in numbers and pixels: rows that share a mark and a label, though without each other they would be taken
//! for other classes.
//!
//! Candidates come cheaply (a value at a place that one class has far too often, grown to all that its rows share; the
//! two sides of a class along its strongest directions). Each is then put to one test: how many of the group do rows
//! outside of it contradict? Honest groups are contradicted about as often as any row, which gives the p-value.

use std::collections::BTreeSet;

use super::statistics::{at, ln_binomial_tail};
use super::vectors::{Matrix, Neighbours, dot, most};

/// Rows that a group has to have.
const LEAST: usize = 5;
/// Places tried for each class and each way to round.
const SEEDS: usize = 256;
/// Values looked at for one class.
const WORK: u64 = 1 << 31;
/// Cells of the table of values by place and class.
const CELLS: usize = 1 << 27;
/// The p-value below which a group counts, over all candidates: one in a million.
const LN_ALPHA: f64 = -13.8;

/// Rows that carry a mark.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) rows: Vec<u32>,
    pub(crate) label: u32,
    /// `ln` of the p-value, counting every candidate that was tried.
    pub(crate) ln_p: f64,
    /// The share that rows outside contradict.
    pub(crate) contradicted: f64,
    /// Columns and values they share; empty when they share a direction.
    pub(crate) shares: Vec<(u32, f32)>,
}

struct Trial<'d> {
    near: &'d Neighbours,
    labels: &'d [u32],
    classes: usize,
    base: f64,
    tried: u64,
    inside: Vec<bool>,
    /// Rows of groups that were found already: they speak for nobody.
    taken: Vec<bool>,
}

/// Finds groups in rows of numbers. `metric` is what `near` was computed on.
pub(crate) fn find(matrix: &Matrix, near: &Neighbours, labels: &[u32], classes: usize) -> Vec<Group> {
    let mut trial = Trial {
        near,
        labels,
        classes,
        base: 0.0,
        tried: 0,
        inside: vec![false; labels.len()],
        taken: vec![false; labels.len()],
    };
    let alone = (0..labels.len() as u32)
        .filter(|row| trial.elsewhere(*row))
        .count();
    trial.base = ((alone as f64 + 1.0) / (labels.len() as f64 + 1.0) * 2.0).clamp(0.02, 0.5);
    let mut groups = Vec::new();
    for levels in [256_usize, 16] {
        marks(matrix, &mut trial, levels, &mut groups);
    }
    directions(matrix, &mut trial, &mut groups);
    let all = (trial.tried.max(1) as f64).ln();
    for group in &mut groups {
        group.ln_p = (group.ln_p + all).min(0.0);
    }
    groups.retain(|group| group.ln_p < LN_ALPHA);
    groups.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p));
    // What a group has beyond those before it has to stand alone.
    groups.retain_mut(|group| {
        group.rows.retain(|row| !at(&trial.taken, *row as usize));
        let (ln_p, against) = trial.contradicted(&group.rows);
        let stands = ln_p + all < LN_ALPHA;
        if stands {
            group.contradicted = against.len() as f64 / group.rows.len().max(1) as f64;
            group.rows.iter().for_each(|row| {
                if let Some(flag) = trial.taken.get_mut(*row as usize) {
                    *flag = true;
                }
            });
        }
        stands
    });
    groups
}

impl Trial<'_> {
    /// `ln p` that rows outside contradict so many of `rows`, all of one class, and which they are.
    fn contradicted(&mut self, rows: &[u32]) -> (f64, Vec<u32>) {
        self.tried += 1;
        for row in rows {
            if let Some(flag) = self.inside.get_mut(*row as usize) {
                *flag = true;
            }
        }
        let against: Vec<u32> = rows.iter().copied().filter(|row| self.elsewhere(*row)).collect();
        let asked = rows.len() as u64;
        for row in rows {
            if let Some(flag) = self.inside.get_mut(*row as usize) {
                *flag = false;
            }
        }
        let share = against.len() as f64 / asked.max(1) as f64;
        if share < 0.6 || asked < LEAST as u64 {
            return (0.0, against);
        }
        (ln_binomial_tail(against.len() as u64, asked, self.base), against)
    }

    /// Whether rows outside of the group plainly take a row for one other class: nearly all of the nearest are of it, and
    /// none has the row's own label. A part of a class that only stands apart still has some of its own nearby.
    fn elsewhere(&self, row: u32) -> bool {
        let own = at(self.labels, row as usize);
        let mut votes = vec![0_u32; self.classes];
        let outside = self.near.of_row(row as usize).iter();
        for (other, _) in outside
            .filter(|(other, _)| !at(&self.inside, *other as usize) && !at(&self.taken, *other as usize))
            .take(7)
        {
            if let Some(vote) = votes.get_mut(at(self.labels, *other as usize) as usize) {
                *vote += 1;
            }
        }
        at(&votes, own as usize) == 0 && votes.iter().any(|vote| *vote >= 6)
    }

    fn judge(&mut self, rows: Vec<u32>, label: u32, shares: Vec<(u32, f32)>, groups: &mut Vec<Group>) {
        let (ln_p, against) = self.contradicted(&rows);
        if ln_p < LN_ALPHA {
            let contradicted = against.len() as f64 / rows.len().max(1) as f64;
            // A mark is the reason by itself; along a direction only what is contradicted is.
            let rows = if shares.is_empty() { against } else { rows };
            groups.push(Group {
                rows,
                label,
                ln_p,
                contradicted,
                shares,
            });
        }
    }
}

/// Values rounded to `levels` steps between the least and the greatest of all, or of their column where those differ.
fn rounded(matrix: &Matrix, levels: usize) -> Vec<u8> {
    let ranges = matrix.ranges();
    let scales: Vec<(f32, f32)> = ranges
        .iter()
        .map(|(low, high)| {
            (
                *low,
                if high > low {
                    (levels - 1) as f32 / (high - low)
                } else {
                    0.0
                },
            )
        })
        .collect();
    let mut out = Vec::with_capacity(matrix.values.len());
    for row in matrix.iter() {
        out.extend(
            row.iter()
                .zip(&scales)
                .map(|(value, (low, scale))| ((value - low) * scale).round() as u8),
        );
    }
    out
}

/// Groups that share values at places.
fn marks(matrix: &Matrix, trial: &mut Trial<'_>, levels: usize, groups: &mut Vec<Group>) {
    let (width, classes) = (matrix.width, trial.classes);
    if width == 0 || width.saturating_mul(levels).saturating_mul(classes) > CELLS {
        return;
    }
    let values = rounded(matrix, levels);
    let mut counts = vec![0_u32; width * levels * classes];
    let mut sizes = vec![0_u32; classes];
    for (row, label) in values.chunks_exact(width).zip(trial.labels) {
        for (place, value) in row.iter().enumerate() {
            if let Some(cell) = counts.get_mut((place * levels + *value as usize) * classes + *label as usize)
            {
                *cell += 1;
            }
        }
        if let Some(size) = sizes.get_mut(*label as usize) {
            *size += 1;
        }
    }
    let total = trial.labels.len() as f64;
    for label in 0..classes {
        let share = f64::from(at(&sizes, label)) / total;
        let mut seeds: Vec<(f64, usize)> = counts
            .chunks_exact(classes)
            .enumerate()
            .filter_map(|(cell, by_class)| {
                let here = u64::from(at(by_class, label));
                let all: u64 = by_class.iter().map(|count| u64::from(*count)).sum();
                let dense = here as f64 > share * all as f64 * 1.5;
                // A mark is on few: what half of a class has is what the class looks like.
                let few = here * 2 <= u64::from(at(&sizes, label));
                (here >= LEAST as u64 && dense && few).then(|| (ln_binomial_tail(here, all, share), cell))
            })
            .collect();
        seeds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let work = u64::from(at(&sizes, label)) * width as u64 * 8;
        let most = usize::try_from(WORK / work.max(1))
            .unwrap_or(SEEDS)
            .clamp(8, SEEDS);
        let mut tried: BTreeSet<Vec<u32>> = BTreeSet::new();
        for (_, cell) in seeds.into_iter().take(most) {
            let seed = ((cell / levels) as u32, (cell % levels) as u8);
            let mut best: Vec<Group> = Vec::new();
            for (rows, shared) in grown(&values, width, levels, trial.labels, label as u32, seed) {
                if rows.len() < LEAST || !tried.insert(rows.clone()) {
                    continue;
                }
                let first = at(&rows, 0) as usize;
                let shares = shared
                    .iter()
                    .map(|(place, _)| (*place, at(matrix.row(first), *place as usize)))
                    .collect();
                trial.judge(rows, label as u32, shares, &mut best);
            }
            groups.extend(best.into_iter().min_by(|a, b| a.ln_p.total_cmp(&b.ln_p)));
        }
    }
}

/// Rows, and the places and rounded values that they share.
type Stage = (Vec<u32>, Vec<(u32, u8)>);

/// The rows of a class that have the seed's value at its place, and then, step by step, whatever else most of those
/// share and others lack.
fn grown(
    values: &[u8],
    width: usize,
    levels: usize,
    labels: &[u32],
    label: u32,
    seed: (u32, u8),
) -> Vec<Stage> {
    let value = |row: u32, place: u32| at(values, row as usize * width + place as usize);
    let class: Vec<u32> = (0..labels.len() as u32)
        .filter(|row| at(labels, *row as usize) == label)
        .collect();
    let mut rows: Vec<u32> = class
        .iter()
        .copied()
        .filter(|row| value(*row, seed.0) == seed.1)
        .collect();
    let mut shared = vec![seed];
    let mut stages = vec![(rows.clone(), shared.clone())];
    for _ in 0..7 {
        let mut best: Option<(f64, (u32, u8), usize)> = None;
        let mut histogram = vec![0_u32; levels];
        for place in 0..width as u32 {
            if shared.iter().any(|(there, _)| *there == place) {
                continue;
            }
            histogram.fill(0);
            for row in &rows {
                if let Some(cell) = histogram.get_mut(value(*row, place) as usize) {
                    *cell += 1;
                }
            }
            let common = most(&histogram);
            let inside = at(&histogram, common) as usize;
            if inside * 10 < rows.len() * 4 || inside < LEAST {
                continue;
            }
            let having = class
                .iter()
                .filter(|row| usize::from(value(**row, place)) == common)
                .count();
            let outside = (having - inside) as f64 / (class.len() - rows.len()).max(1) as f64;
            let lift = inside as f64 / rows.len() as f64 - outside;
            if lift > 0.35 && best.as_ref().is_none_or(|(most, ..)| lift > *most) {
                best = Some((lift, (place, common as u8), inside));
            }
        }
        let Some((_, next, _)) = best else { break };
        rows.retain(|row| value(*row, next.0) == next.1);
        shared.push(next);
        stages.push((rows.clone(), shared.clone()));
    }
    stages
}

/// Groups at either end of a class's strongest directions.
fn directions(matrix: &Matrix, trial: &mut Trial<'_>, groups: &mut Vec<Group>) {
    for label in 0..trial.classes as u32 {
        let rows: Vec<u32> = (0..trial.labels.len() as u32)
            .filter(|row| at(trial.labels, *row as usize) == label)
            .collect();
        if rows.len() < 4 * LEAST || matrix.width < 2 {
            continue;
        }
        let mut middle = vec![0.0_f32; matrix.width];
        for row in &rows {
            for (sum, value) in middle.iter_mut().zip(matrix.row(*row as usize)) {
                *sum += value / rows.len() as f32;
            }
        }
        let mut found: Vec<Vec<f32>> = Vec::new();
        for turn in 0..4 {
            let axis = strongest(matrix, &rows, &middle, &found, turn);
            let base = dot(&axis, &middle);
            let mut along: Vec<(f32, u32)> = rows
                .iter()
                .map(|row| (dot(&axis, matrix.row(*row as usize)) - base, *row))
                .collect();
            along.sort_by(|a, b| a.0.total_cmp(&b.0));
            let cut = split(&along);
            let (low, high) = along.split_at(cut);
            for side in [low, high] {
                if side.len() >= LEAST && side.len() * 5 <= rows.len() * 3 {
                    let mut rows: Vec<u32> = side.iter().map(|(_, row)| *row).collect();
                    rows.sort_unstable();
                    trial.judge(rows, label, Vec::new(), groups);
                }
            }
            found.push(axis);
        }
    }
}

/// The direction in which rows differ most, once those already found are taken out.
fn strongest(matrix: &Matrix, rows: &[u32], middle: &[f32], found: &[Vec<f32>], turn: u64) -> Vec<f32> {
    let mut seeded = super::statistics::Seeded(turn + 77);
    let mut axis: Vec<f32> = middle.iter().map(|_| seeded.normal()).collect();
    let mut centred = vec![0.0_f32; middle.len()];
    for _ in 0..24 {
        for other in found {
            let part = dot(&axis, other);
            axis.iter_mut()
                .zip(other)
                .for_each(|(value, there)| *value -= part * there);
        }
        let mut next = vec![0.0_f32; middle.len()];
        for row in rows {
            for ((cell, value), mean) in centred.iter_mut().zip(matrix.row(*row as usize)).zip(middle) {
                *cell = value - mean;
            }
            let part = dot(&axis, &centred);
            next.iter_mut()
                .zip(&centred)
                .for_each(|(cell, value)| *cell += part * value);
        }
        let length = dot(&next, &next).sqrt();
        if length <= f32::MIN_POSITIVE {
            break;
        }
        axis = next.iter().map(|value| value / length).collect();
    }
    axis
}

/// Where a sorted list falls into two with the least spread within each.
fn split(along: &[(f32, u32)]) -> usize {
    let total: f64 = along.iter().map(|(value, _)| f64::from(*value)).sum();
    let (mut left, mut best) = (0.0_f64, (f64::MIN, 0));
    for (index, (value, _)) in along.iter().enumerate().take(along.len().saturating_sub(1)) {
        left += f64::from(*value);
        let (n, m) = ((index + 1) as f64, (along.len() - index - 1) as f64);
        let between = left * left / n + (total - left) * (total - left) / m;
        if between > best.0 {
            best = (between, index + 1);
        }
    }
    best.1
}
