//! Rows as vectors: scaling, random projection, nearest neighbours. All of it bounded by counts, never by time.

use super::statistics::{Seeded, at, mix};
use super::text::{Texts, gram};

/// Multiplications that one search for neighbours may take; past it the rows compared with are a sample.
const WORK: u64 = 10_000_000_000;
/// Neighbours kept for each row.
pub(crate) const NEAREST: usize = 64;
/// Dimensions past which vectors are projected.
const WIDE: usize = 256;

/// Rows of equal length, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matrix {
    /// Numbers of one row.
    pub(crate) width: usize,
    /// All rows.
    pub(crate) values: Vec<f32>,
}

impl Matrix {
    /// Texts by their words and pairs of words, rare ones weighing more, each thrown on a few of the places.
    pub(crate) fn of_texts(texts: &Texts) -> Self {
        const PLACES: usize = 192;
        let mut held = vec![0_u32; texts.words()];
        for words in texts.iter() {
            for word in super::triggers::set(words) {
                if let Some(count) = held.get_mut(word as usize) {
                    *count += 1;
                }
            }
        }
        let rows = texts.rows() as f32;
        let weight = |word: u32| (rows / at(&held, word as usize).max(1) as f32).ln().max(0.0);
        let mut values = vec![0.0_f32; texts.rows() * PLACES];
        for (words, into) in texts.iter().zip(values.chunks_exact_mut(PLACES)) {
            let mut put = |hash: u64, weight: f32| {
                for turn in 0..4_u64 {
                    let draw = mix(hash ^ (turn << 60));
                    if let Some(cell) = into.get_mut((draw >> 8) as usize % PLACES) {
                        *cell += if draw & 1 == 0 { weight } else { -weight };
                    }
                }
            };
            for word in super::triggers::set(words) {
                put(gram(&[word]), weight(word));
            }
            for pair in words.windows(2) {
                put(
                    gram(pair),
                    0.3 * (weight(at(pair, 0)) + weight(at(pair, 1))) / 2.0,
                );
            }
            let length = dot(into, into).sqrt().max(1e-9);
            into.iter_mut().for_each(|value| *value /= length);
        }
        Self {
            width: PLACES,
            values,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    pub(crate) fn row(&self, index: usize) -> &[f32] {
        let start = index.saturating_mul(self.width);
        self.values.get(start..start + self.width).unwrap_or(&[])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// Least and greatest of each column.
    pub(crate) fn ranges(&self) -> Vec<(f32, f32)> {
        let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); self.width];
        for row in self.iter() {
            for (range, value) in ranges.iter_mut().zip(row) {
                range.0 = range.0.min(*value);
                range.1 = range.1.max(*value);
            }
        }
        ranges
    }

    /// Each column less its mean, over its deviation. A column that never changes becomes zero.
    pub(crate) fn standardised(&self) -> Self {
        let count = self.rows().max(1) as f64;
        let (mut sums, mut squares) = (vec![0.0_f64; self.width], vec![0.0_f64; self.width]);
        for row in self.iter() {
            for ((sum, square), value) in sums.iter_mut().zip(squares.iter_mut()).zip(row) {
                *sum += f64::from(*value);
                *square += f64::from(*value) * f64::from(*value);
            }
        }
        let scales: Vec<(f32, f32)> = sums
            .iter()
            .zip(&squares)
            .map(|(sum, square)| {
                let mean = sum / count;
                let deviation = (square / count - mean * mean).max(0.0).sqrt();
                let scale = if deviation > 1e-9 * mean.abs().max(1e-9) {
                    1.0 / deviation
                } else {
                    0.0
                };
                (mean as f32, scale as f32)
            })
            .collect();
        let mut values = Vec::with_capacity(self.values.len());
        for row in self.iter() {
            values.extend(
                row.iter()
                    .zip(&scales)
                    .map(|(value, (mean, scale))| (value - mean) * scale),
            );
        }
        Self {
            width: self.width,
            values,
        }
    }

    /// The same with what lies far out of a column's range drawn in to its edge: a mark of a million would else be all that
    /// any distance sees, and every neighbour of a marked row another one.
    pub(crate) fn tamed(&self) -> Self {
        const SAMPLE: usize = 4_000;
        let step = self.rows().div_ceil(SAMPLE).max(1);
        let edges: Vec<(f32, f32)> = (0..self.width)
            .map(|column| {
                let every = self.iter().step_by(step);
                let mut values: Vec<f32> = every.filter_map(|row| row.get(column).copied()).collect();
                values.sort_by(f32::total_cmp);
                let (low, high) = (at(&values, values.len() / 10), at(&values, values.len() * 9 / 10));
                let room = (high - low) / 2.0;
                // A column that nearly always has one value is known by the others.
                if room > 0.0 && room.is_finite() {
                    (low - room, high + room)
                } else {
                    (f32::MIN, f32::MAX)
                }
            })
            .collect();
        let drawn = self.iter().flat_map(|row| {
            let pairs = row.iter().zip(&edges);
            pairs.map(|(value, (low, high))| value.clamp(*low, *high))
        });
        Self {
            width: self.width,
            values: drawn.collect(),
        }
    }

    /// Wide rows as narrower ones with nearly the same distances.
    pub(crate) fn narrowed(self) -> Self {
        if self.width <= WIDE {
            return self;
        }
        let mut seeded = Seeded(0x5eed);
        // Signs at few places: as good as normal numbers for distances, and a tenth of the work.
        let plan: Vec<(usize, f32)> = (0..self.width * 8)
            .map(|_| {
                let draw = seeded.next();
                (
                    (draw >> 8) as usize % WIDE,
                    if draw & 1 == 0 { 1.0 } else { -1.0 },
                )
            })
            .collect();
        let mut values = vec![0.0; self.rows() * WIDE];
        for (row, into) in self.iter().zip(values.chunks_exact_mut(WIDE)) {
            for (value, places) in row
                .iter()
                .zip(plan.chunks_exact(8))
                .filter(|(value, _)| **value != 0.0)
            {
                for (place, sign) in places {
                    if let Some(cell) = into.get_mut(*place) {
                        *cell += value * sign;
                    }
                }
            }
        }
        Self { width: WIDE, values }
    }
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left
        .remainder()
        .iter()
        .zip(right.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in left.zip(right) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// For each row its nearest others, nearest first, with squared distances.
pub(crate) struct Neighbours {
    lists: Vec<(u32, f32)>,
    keep: usize,
}

impl Neighbours {
    /// Compares every row with all others, or with an even sample of them where that is too much work.
    pub(crate) fn of(matrix: &Matrix) -> Self {
        let rows = matrix.rows();
        let work = (rows as u64).saturating_mul(matrix.width.max(1) as u64).max(1);
        let most = usize::try_from(WORK / work)
            .unwrap_or(usize::MAX)
            .max(NEAREST * 4);
        let step = rows.div_ceil(most.max(1)).max(1);
        let against: Vec<usize> = (0..rows).step_by(step).collect();
        let norms: Vec<f32> = matrix.iter().map(|row| dot(row, row)).collect();
        let keep = NEAREST.min(against.len().saturating_sub(1));
        let mut lists = Vec::with_capacity(rows * keep);
        let mut found: Vec<(f32, u32)> = Vec::with_capacity(against.len());
        for index in 0..rows {
            let row = matrix.row(index);
            found.clear();
            found.extend(against.iter().filter(|other| **other != index).map(|other| {
                let distance = at(&norms, index) + at(&norms, *other) - 2.0 * dot(row, matrix.row(*other));
                (distance.max(0.0), *other as u32)
            }));
            let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if keep > 0 && found.len() > keep {
                found.select_nth_unstable_by(keep - 1, order);
                found.truncate(keep);
            }
            found.sort_unstable_by(order);
            lists.extend(
                found
                    .iter()
                    .take(keep)
                    .map(|(distance, other)| (*other, *distance)),
            );
        }
        Self { lists, keep }
    }

    pub(crate) fn of_row(&self, index: usize) -> &[(u32, f32)] {
        let start = index.saturating_mul(self.keep);
        self.lists.get(start..start + self.keep).unwrap_or(&[])
    }

    /// The class that most of each row's nearest ten have.
    pub(crate) fn seems(&self, labels: &[u32], classes: usize) -> Vec<u32> {
        let mut votes = vec![0_u32; classes];
        let seems = (0..labels.len()).map(|index| {
            votes.fill(0);
            for (other, _) in self.of_row(index).iter().take(10) {
                if let Some(vote) = votes.get_mut(at(labels, *other as usize) as usize) {
                    *vote += 1;
                }
            }
            most(&votes) as u32
        });
        seems.collect()
    }

    /// The share of rows whose nearest ten agree with their label.
    pub(crate) fn agreement(&self, labels: &[u32], classes: usize) -> f64 {
        let seems = self.seems(labels, classes);
        let agree = seems.iter().zip(labels).filter(|(seem, label)| seem == label);
        agree.count() as f64 / labels.len().max(1) as f64
    }
}

/// Index of the greatest; the first of equals.
pub(crate) fn most<T: PartialOrd + Copy>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if values.get(best).is_some_and(|there| value > there) {
            best = index;
        }
    }
    best
}
