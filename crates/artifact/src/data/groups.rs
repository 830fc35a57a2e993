//! Backdoors in numbers and pixels: rows that share a mark and a label, though without each other they would be taken
//! for other classes.
//!
//! Candidates come cheaply (a value at a place that one class has far too often, grown to all that its rows share; the
//! two sides of a class along its strongest directions). Each is then put to one test: how many of the group do rows
//! outside of it contradict? Honest groups are contradicted about as often as any row of their class, which gives the
//! p-value. Who is asked must not follow from how the group was chosen: rows of other classes that have the mark too are
//! not asked about it. A group along a direction takes all of its class's rows out of where it lies, and where classes
//! meet the others are left: it has to lie as deep among those who contradict it as they do, not where the classes meet.
//! And it has to be as varied as the classes it seems to come from: an island of its own class is not. Classes that do
//! not follow from the rows contradict nobody, and nobody them.

use std::collections::{BTreeMap, BTreeSet};

use super::across::{LN_TURNED, Side, following};
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
/// Multiplications spent on neighbours outside of groups whose rows have only each other in their lists.
const OUTSIDE_WORK: u64 = 6_000_000_000;
/// Rows outside that one row is compared with.
const OUTSIDE: usize = 20_000;
/// Neighbours outside that are asked.
const ASKED: usize = 7;
/// Rows of a group that are asked first; the rest only where most of these are contradicted.
const FIRST: usize = 24;
/// How much less a group may vary than the classes it seems to come from.
const VARIED: f64 = 0.9;
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
    /// Those who are not asked: its rows, and all others that have its mark.
    aside: Vec<u32>,
}

/// One way to measure how near rows are. A mark at a place that hardly ever changes is all that a metric sees which gives
/// every place the same weight, and one that does not may see nothing but the largest: so a group is put to both.
pub(crate) struct View<'d> {
    pub(crate) metric: &'d Matrix,
    /// Computed on it.
    pub(crate) near: &'d Neighbours,
    /// How often rows outside contradict an honest row.
    base: f64,
    /// Rows of each class that the others contradict one by one, and whether each row is one.
    alone: Vec<u32>,
    is_alone: Vec<bool>,
}

impl<'d> View<'d> {
    pub(crate) fn of(metric: &'d Matrix, near: &'d Neighbours) -> Self {
        Self {
            metric,
            near,
            base: 0.5,
            alone: Vec::new(),
            is_alone: Vec::new(),
        }
    }
}

struct Trial<'d> {
    /// The better one first, and another where it tells classes nearly as well.
    views: Vec<View<'d>>,
    /// The one that is asked.
    asked: usize,
    /// Multiplications that are left.
    left: u64,
    labels: &'d [u32],
    classes: usize,
    /// Rows of each class.
    sizes: Vec<u32>,
    /// Classes that follow from the rows, by one of the views.
    follows: Vec<bool>,
    tried: u64,
    inside: Vec<bool>,
    /// Rows of groups that were found already: they speak for nobody.
    taken: Vec<bool>,
}

/// Finds groups in rows of numbers, and says how few rows could have been told. The first view is the better one.
pub(crate) fn find(
    matrix: &Matrix,
    views: Vec<View<'_>>,
    labels: &[u32],
    classes: usize,
) -> (Vec<Group>, Option<u64>) {
    let mut trial = Trial {
        views,
        asked: 0,
        left: OUTSIDE_WORK,
        labels,
        classes,
        sizes: vec![0; classes],
        follows: vec![true; classes],
        tried: 0,
        inside: vec![false; labels.len()],
        taken: vec![false; labels.len()],
    };
    trial.learn();
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
    groups.retain_mut(|group| trial.stands(group, all));
    let most = (labels.len() / 2) as u64;
    let base = trial.views.iter().map(|view| view.base).fold(1.0, f64::min);
    let told = |count: u64| count as f64 * base.ln() + all < LN_ALPHA;
    (groups, super::looked::least(LEAST as u64, most, told))
}

impl Trial<'_> {
    /// Learns from all rows how often honest ones are contradicted, and which classes follow from the rows.
    fn learn(&mut self) {
        let (labels, classes) = (self.labels, self.classes);
        for view in 0..self.views.len() {
            self.asked = view;
            let rows = 0..labels.len() as u32;
            let is_alone: Vec<bool> = rows.map(|row| self.listed(row) == Some(true)).collect();
            let mut alone = vec![0; classes];
            for (_, label) in is_alone.iter().zip(labels).filter(|(alone, _)| **alone) {
                if let Some(count) = alone.get_mut(*label as usize) {
                    *count += 1;
                }
            }
            let all: u32 = alone.iter().sum();
            let base = ((f64::from(all) + 1.0) / (labels.len() as f64 + 1.0) * 2.0).clamp(0.02, 0.5);
            if let Some(view) = self.views.get_mut(view) {
                (view.base, view.alone, view.is_alone) = (base, alone, is_alone);
            }
        }
        self.asked = 0;
        for label in labels {
            if let Some(size) = self.sizes.get_mut(*label as usize) {
                *size += 1;
            }
        }
        let mut follows = vec![false; classes];
        for view in &self.views {
            let seems = view.near.seems(labels, classes);
            let here = following(&seems, labels, classes);
            for (all, here) in follows.iter_mut().zip(here) {
                *all |= here;
            }
        }
        self.follows = follows;
    }

    /// Whether what a group has beyond those before it stands alone; its rows are taken then. `tried` is `ln` of how many
    /// were tried.
    fn stands(&mut self, group: &mut Group, tried: f64) -> bool {
        group.rows.retain(|row| !at(&self.taken, *row as usize));
        let (ln_p, against) = self.contradicted(&group.rows, &group.aside);
        if ln_p + tried >= LN_ALPHA {
            return false;
        }
        group.contradicted = against.len() as f64 / group.rows.len().max(1) as f64;
        // A mark is the reason by itself; along a direction only what others doubt is.
        if group.shares.is_empty() {
            group.rows = self.doubted(&group.rows);
        }
        for row in &group.rows {
            if let Some(flag) = self.taken.get_mut(*row as usize) {
                *flag = true;
            }
        }
        true
    }

    fn metric(&self) -> Option<&Matrix> {
        self.views.get(self.asked).map(|view| view.metric)
    }

    fn neighbours(&self, row: u32) -> &[(u32, f32)] {
        let view = self.views.get(self.asked);
        view.map_or(&[], |view| view.near.of_row(row as usize))
    }

    /// `ln p` that rows outside contradict so many of `rows`, all of one class, and which they are, by the view that they
    /// contradict more in. Rows `aside`, among them all of `rows`, are not asked.
    fn contradicted(&mut self, rows: &[u32], aside: &[u32]) -> (f64, Vec<u32>) {
        let mut best = (0.0, Vec::new());
        self.mark(aside, true);
        for view in 0..self.views.len() {
            self.tried += 1;
            self.asked = view;
            let against = self.against(rows);
            let asked = rows.len() as u64;
            let share = against.len() as f64 / asked.max(1) as f64;
            let ln_p = if share < 0.6 || asked < LEAST as u64 {
                0.0
            } else {
                ln_binomial_tail(against.len() as u64, asked, self.base(rows))
            };
            if view == 0 || ln_p < best.0 {
                best = (ln_p, against);
            }
        }
        self.asked = 0;
        self.mark(aside, false);
        best
    }

    /// How often rows outside contradict an honest row of the class that `rows` are of: a small class among another's rows
    /// is contradicted more than most. What the rest of the class says of it, and all rows.
    fn base(&self, rows: &[u32]) -> f64 {
        let Some(view) = self.views.get(self.asked) else {
            return 1.0;
        };
        let label = rows.first().map_or(0, |row| at(self.labels, *row as usize)) as usize;
        let own = rows
            .iter()
            .filter(|row| at(&view.is_alone, **row as usize))
            .count();
        let alone = (at(&view.alone, label) as usize).saturating_sub(own) as f64;
        let rest = (at(&self.sizes, label) as usize).saturating_sub(rows.len()) as f64;
        (alone / (rest + 1.0) * 2.0).clamp(view.base, 0.95)
    }

    /// `ln p` that rows which others contradict lie where their class meets the others', as honest ones do. The best view
    /// of it. Rows `aside`, among them all of the group, are not asked.
    fn across(&mut self, against: &[u32], aside: &[u32]) -> f64 {
        let mut best = 0.0_f64;
        self.mark(aside, true);
        for view in 0..self.views.len() {
            self.tried += 1;
            self.asked = view;
            let mut claimed: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for row in against {
                if let Some(class) = self.claimed(*row) {
                    claimed.entry(class).or_default().push(*row);
                }
            }
            let sides = claimed.iter().map(|(class, rows)| self.side(rows, *class));
            best = best.min(sides.fold(Side::default(), Side::with).ln_p());
        }
        self.asked = 0;
        self.mark(aside, false);
        best
    }

    /// The other class that most rows outside have around a row.
    fn claimed(&mut self, row: u32) -> Option<u32> {
        let outside = self.list(row).unwrap_or_else(|| self.search(row));
        let votes = self.votes(&outside);
        let class = most(&votes) as u32;
        (!outside.is_empty() && class != at(self.labels, row as usize)).then_some(class)
    }

    /// The side of a class along the line to its middle from that of the rest of the class that `rows` are of: who is at
    /// home there, and who of the other is across: the rest of it that is, and all of `rows`.
    fn side(&self, rows: &[u32], class: u32) -> Side {
        let Some(metric) = self.metric() else {
            return Side::default();
        };
        let label = rows.first().map_or(0, |row| at(self.labels, *row as usize));
        let (from, to) = (self.outside(label), self.outside(class));
        let (start, end) = (middle(metric, &from), middle(metric, &to));
        let axis: Vec<f32> = end.iter().zip(&start).map(|(end, start)| end - start).collect();
        let border = f64::from((dot(&axis, &start) + dot(&axis, &end)) / 2.0);
        let depth = |row: &u32| f64::from(dot(&axis, metric.row(*row as usize))) - border;
        let mut home: Vec<f64> = to.iter().map(depth).filter(|depth| *depth > 0.0).collect();
        let mut across: Vec<f64> = from.iter().map(depth).filter(|depth| *depth > 0.0).collect();
        across.extend(rows.iter().map(depth));
        Side::of(&mut home, &across)
    }

    /// Rows of a class that are not inside.
    fn outside(&self, class: u32) -> Vec<u32> {
        (0..self.labels.len() as u32)
            .filter(|row| at(self.labels, *row as usize) == class && !at(&self.inside, *row as usize))
            .collect()
    }

    /// Those of `rows`, which are marked as inside, that rows outside take for another class.
    fn against(&mut self, rows: &[u32]) -> Vec<u32> {
        let mut against = Vec::new();
        let mut alone = Vec::new();
        for row in rows {
            match self.listed(*row) {
                Some(true) => against.push(*row),
                Some(false) => {}
                None => alone.push(*row),
            }
        }
        // What the lists say must not rule the group out already.
        if rows.len() < LEAST || (against.len() + alone.len()) * 10 < rows.len() * 6 {
            return against;
        }
        let (first, rest) = alone.split_at(alone.len().min(FIRST));
        let found = first.iter().filter(|row| self.searched(**row)).copied();
        let found: Vec<u32> = found.collect();
        let most = found.len() * 10 >= first.len() * 6;
        against.extend(found);
        if most {
            against.extend(rest.iter().filter(|row| self.searched(**row)));
        }
        against.sort_unstable();
        against
    }

    /// Whether rows outside of the group plainly take a row for one other class, by its list of neighbours: nearly all of
    /// the nearest are of it, and none has the row's own label. A part of a class that only stands apart still has some of
    /// its own nearby. Nothing where the list ends in the group: rows with a strong mark are nearest to each other.
    fn listed(&self, row: u32) -> Option<bool> {
        self.list(row).map(|outside| self.elsewhere(row, &outside))
    }

    /// The nearest outside by the row's list, unless it ends before there are enough.
    fn list(&self, row: u32) -> Option<Vec<u32>> {
        let list = self.neighbours(row);
        let outside = list.iter().map(|(other, _)| *other);
        let outside: Vec<u32> = outside.filter(|other| self.speaks(*other)).take(ASKED).collect();
        (outside.len() == ASKED || list.len() < super::vectors::NEAREST).then_some(outside)
    }

    /// The same as [`Self::listed`] by search.
    fn searched(&mut self, row: u32) -> bool {
        let outside = self.search(row);
        self.elsewhere(row, &outside)
    }

    /// Those of a group that rows outside would hardly give their label: two of seven at most have it.
    fn doubted(&mut self, rows: &[u32]) -> Vec<u32> {
        self.mark(rows, true);
        let mut doubted = Vec::with_capacity(rows.len());
        for row in rows {
            let outside = self.list(*row).unwrap_or_else(|| self.search(*row));
            let own = at(self.labels, *row as usize);
            let same = outside
                .iter()
                .filter(|other| at(self.labels, **other as usize) == own)
                .count();
            if same * 3 < outside.len() {
                doubted.push(*row);
            }
        }
        self.mark(rows, false);
        doubted
    }

    fn mark(&mut self, rows: &[u32], inside: bool) {
        for row in rows {
            if let Some(flag) = self.inside.get_mut(*row as usize) {
                *flag = inside;
            }
        }
    }

    /// The nearest rows outside, among all of them or a sample; none when no work is left for it.
    fn search(&mut self, row: u32) -> Vec<u32> {
        let rows = self.labels.len();
        let step = rows.div_ceil(OUTSIDE).max(1);
        let work = (rows / step * self.metric().map_or(0, |metric| metric.width)) as u64;
        let Some(left) = self.left.checked_sub(work) else {
            return Vec::new();
        };
        self.left = left;
        let Some(metric) = self.metric() else {
            return Vec::new();
        };
        let own = metric.row(row as usize);
        let mut nearest: Vec<(f32, u32)> = Vec::with_capacity(ASKED + 1);
        // Where not all are compared with, which are depends on the row.
        for other in (row as usize % step..rows)
            .step_by(step)
            .map(|other| other as u32)
        {
            if !self.speaks(other) {
                continue;
            }
            let there = metric.row(other as usize);
            let distance: f32 = own.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum();
            if nearest.len() < ASKED || nearest.last().is_some_and(|(most, _)| distance < *most) {
                let place = nearest.partition_point(|(near, _)| *near <= distance);
                nearest.insert(place, (distance, other));
                nearest.truncate(ASKED);
            }
        }
        nearest.into_iter().map(|(_, other)| other).collect()
    }

    fn speaks(&self, row: u32) -> bool {
        !at(&self.inside, row as usize) && !at(&self.taken, row as usize)
    }

    fn elsewhere(&self, row: u32, outside: &[u32]) -> bool {
        let own = at(self.labels, row as usize) as usize;
        let votes = self.votes(outside);
        let class = most(&votes);
        at(&votes, own) == 0
            && at(&votes, class) as usize + 1 >= ASKED
            && at(&self.follows, own)
            && at(&self.follows, class)
    }

    fn votes(&self, outside: &[u32]) -> Vec<u32> {
        let mut votes = vec![0_u32; self.classes];
        for other in outside {
            if let Some(vote) = votes.get_mut(at(self.labels, *other as usize) as usize) {
                *vote += 1;
            }
        }
        votes
    }

    /// Whether rows differ from each other as much as those of the classes that their neighbours are of.
    fn varied(&self, rows: &[u32]) -> bool {
        let mut claimed = vec![0.0_f64; self.classes];
        for row in rows {
            let own = at(self.labels, *row as usize);
            for (other, _) in self.neighbours(*row) {
                let label = at(self.labels, *other as usize);
                if let Some(share) = claimed.get_mut(label as usize).filter(|_| label != own) {
                    *share += 1.0;
                }
            }
        }
        let (mut expected, mut all) = (0.0, 0.0);
        for (label, share) in claimed.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let class: Vec<u32> = (0..self.labels.len() as u32)
                .filter(|row| at(self.labels, *row as usize) as usize == label)
                .collect();
            expected += share * self.metric().map_or(0.0, |metric| spread(metric, &class));
            all += share;
        }
        all <= 0.0 || self.metric().map_or(0.0, |metric| spread(metric, rows)) >= VARIED * expected / all
    }

    /// Keeps a group that others contradict. One that shares nothing but a direction must not lie where classes meet.
    fn judge(&mut self, mut group: Group, groups: &mut Vec<Group>) {
        let (ln_p, against) = self.contradicted(&group.rows, &group.aside);
        group.ln_p = ln_p;
        group.contradicted = against.len() as f64 / group.rows.len().max(1) as f64;
        let marked = !group.shares.is_empty();
        if ln_p < LN_ALPHA
            && (marked || (self.varied(&group.rows) && self.across(&against, &group.aside) < LN_TURNED))
        {
            groups.push(group);
        }
    }
}

/// The middle of rows.
fn middle(matrix: &Matrix, rows: &[u32]) -> Vec<f32> {
    let count = rows.len().max(1) as f32;
    let mut middle = vec![0.0_f32; matrix.width];
    for row in rows {
        for (sum, value) in middle.iter_mut().zip(matrix.row(*row as usize)) {
            *sum += value / count;
        }
    }
    middle
}

/// How far rows are from their middle.
fn spread(matrix: &Matrix, rows: &[u32]) -> f64 {
    let count = rows.len().max(1) as f64;
    let (mut sums, mut squares) = (vec![0.0_f64; matrix.width], 0.0);
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(matrix.row(*row as usize)) {
            *sum += f64::from(*value);
            squares += f64::from(*value).powi(2);
        }
    }
    let middle: f64 = sums.iter().map(|sum| (sum / count).powi(2)).sum();
    (squares / count - middle).max(0.0).sqrt()
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

/// How many rows of each class have each value at each place, and how many each class has.
fn counted(values: &[u8], width: usize, levels: usize, trial: &Trial<'_>) -> (Vec<u32>, Vec<u32>) {
    let classes = trial.classes;
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
    (counts, sizes)
}

/// Groups that share values at places.
fn marks(matrix: &Matrix, trial: &mut Trial<'_>, levels: usize, groups: &mut Vec<Group>) {
    let (width, classes) = (matrix.width, trial.classes);
    if width == 0 || width.saturating_mul(levels).saturating_mul(classes) > CELLS {
        return;
    }
    let values = rounded(matrix, levels);
    let (counts, sizes) = counted(&values, width, levels, trial);
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
                let has = |row: &&[u8]| {
                    shared
                        .iter()
                        .all(|(place, value)| at(row, *place as usize) == *value)
                };
                let holders = values.chunks_exact(width).enumerate().filter(|(_, row)| has(row));
                let group = Group {
                    aside: holders.map(|(row, _)| row as u32).collect(),
                    rows,
                    label: label as u32,
                    ln_p: 0.0,
                    contradicted: 0.0,
                    shares,
                };
                trial.judge(group, &mut best);
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
        let middle = middle(matrix, &rows);
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
                    let group = Group {
                        aside: rows.clone(),
                        rows,
                        label,
                        ln_p: 0.0,
                        contradicted: 0.0,
                        shares: Vec::new(),
                    };
                    trial.judge(group, groups);
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
