//! A quick learner whose view of a row never saw that row: kernel ridge regression over random Fourier features, with
//! leave-one-out answers in closed form. It is exact for what it is, needs one pass, and has no step size to tune.

use super::statistics::{Seeded, at};
use super::vectors::{Matrix, dot};

/// Rows the regression is fitted on; the rest are answered by it without having been seen.
const FITTED: usize = 12_000;
/// What the features' weights are held down by.
const RIDGES: [f64; 3] = [0.1, 1.0, 10.0];

/// Scores of every row for every class, of a learner that did not see the row's own label.
pub(crate) struct Scores {
    pub(crate) classes: usize,
    pub(crate) values: Vec<f32>,
}

impl Scores {
    pub(crate) fn row(&self, index: usize) -> &[f32] {
        let start = index.saturating_mul(self.classes);
        self.values.get(start..start + self.classes).unwrap_or(&[])
    }
}

/// Features of the rows, made once and fitted as often as labels are left out.
pub(crate) struct Ridge {
    features: Matrix,
}

impl Ridge {
    pub(crate) fn of(matrix: &Matrix) -> Self {
        let rows = matrix.rows();
        let width = match rows {
            0..=400 => 256,
            401..=6_000 => 768,
            _ => 512,
        };
        let mut seeded = Seeded(0xfea7);
        let mut distances: Vec<f32> = (0..2_000)
            .map(|_| {
                let (a, b) = (matrix.row(seeded.below(rows)), matrix.row(seeded.below(rows)));
                a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
            })
            .filter(|distance: &f32| *distance > 0.0)
            .collect();
        distances.sort_by(f32::total_cmp);
        let middle = at(&distances, distances.len() / 2).max(1e-12);
        let scale = (4.0 / middle).sqrt();
        let directions = Matrix {
            width: matrix.width,
            values: (0..width * matrix.width)
                .map(|_| seeded.normal() * scale)
                .collect(),
        };
        let phases: Vec<f32> = (0..width)
            .map(|_| (seeded.unit() * std::f64::consts::TAU) as f32)
            .collect();
        let height = (2.0 / width as f32).sqrt();
        let mut values = Vec::with_capacity(rows * (width + 1));
        for row in matrix.iter() {
            values.push(1.0);
            values.extend(
                directions
                    .iter()
                    .zip(&phases)
                    .map(|(direction, phase)| height * (dot(row, direction) + phase).cos()),
            );
        }
        Self {
            features: Matrix {
                width: width + 1,
                values,
            },
        }
    }

    /// The scores when rows in `without` have no say.
    pub(crate) fn scores(&self, labels: &[u32], classes: usize, without: &[bool]) -> Scores {
        let rows = self.features.rows();
        let step = rows.div_ceil(FITTED).max(1);
        let fitted = |index: usize| index.is_multiple_of(step) && !at(without, index);
        let width = self.features.width;
        let mut gram = vec![0.0_f64; width * width];
        let mut sums = vec![0.0_f64; width * classes];
        for index in (0..rows).filter(|index| fitted(*index)) {
            let row = self.features.row(index);
            let label = at(labels, index) as usize;
            for ((value, line), sum) in row
                .iter()
                .zip(gram.chunks_exact_mut(width))
                .zip(sums.chunks_exact_mut(classes))
            {
                let value = f64::from(*value);
                for (cell, other) in line.iter_mut().zip(row) {
                    *cell += value * f64::from(*other);
                }
                if let Some(cell) = sum.get_mut(label) {
                    *cell += value;
                }
            }
        }
        let mut best: Option<(f64, Scores)> = None;
        for ridge in RIDGES {
            let Some(factor) = Factor::of(&gram, width, ridge) else {
                continue;
            };
            let weights = factor.solve(&sums, classes);
            let scores = self.answer(&factor, &weights, labels, classes, &fitted);
            let loss: f64 = (0..rows)
                .filter(|index| fitted(*index))
                .map(|index| {
                    let own = at(scores.row(index), at(labels, index) as usize);
                    let rival = scores
                        .row(index)
                        .iter()
                        .enumerate()
                        .filter(|(class, _)| *class != at(labels, index) as usize);
                    let rival = rival.map(|(_, score)| *score).fold(f32::MIN, f32::max);
                    f64::from((1.0 - own + rival).clamp(0.0, 2.0))
                })
                .sum();
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, scores));
            }
        }
        best.map_or_else(
            || Scores {
                classes,
                values: vec![0.0; rows * classes],
            },
            |(_, scores)| scores,
        )
    }

    fn answer(
        &self,
        factor: &Factor,
        weights: &[f64],
        labels: &[u32],
        classes: usize,
        fitted: &impl Fn(usize) -> bool,
    ) -> Scores {
        let mut values = Vec::with_capacity(self.features.rows() * classes);
        for (index, row) in self.features.iter().enumerate() {
            let mut scores = vec![0.0_f64; classes];
            for (value, line) in row.iter().zip(weights.chunks_exact(classes)) {
                for (score, weight) in scores.iter_mut().zip(line) {
                    *score += f64::from(*value) * weight;
                }
            }
            if fitted(index) {
                let hat = factor.leverage(row).min(0.999);
                for (class, score) in scores.iter_mut().enumerate() {
                    let own = if class == at(labels, index) as usize {
                        hat
                    } else {
                        0.0
                    };
                    *score = (*score - own) / (1.0 - hat);
                }
            }
            values.extend(scores.iter().map(|score| *score as f32));
        }
        Scores { classes, values }
    }
}

/// A matrix as a triangle times itself turned over.
struct Factor {
    width: usize,
    lower: Vec<f64>,
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0_f64; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left
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
    lanes.iter().sum::<f64>() + rest
}

impl Factor {
    fn of(gram: &[f64], width: usize, ridge: f64) -> Option<Self> {
        let mut lower = vec![0.0_f64; width * width];
        for i in 0..width {
            let (done, rest) = lower.split_at_mut(i * width);
            let line = rest.get_mut(..width)?;
            for j in 0..=i {
                let given = at(gram, i * width + j) + if i == j { ridge } else { 0.0 };
                if i == j {
                    let left = given - line.get(..i).map_or(0.0, |part| inner(part, part));
                    *line.get_mut(i)? = (left > 0.0).then(|| left.sqrt())?;
                } else {
                    let other = done.get(j * width..j * width + j)?;
                    let sum = given - inner(line.get(..j)?, other);
                    *line.get_mut(j)? = sum / at(done, j * width + j);
                }
            }
        }
        Some(Self { width, lower })
    }

    /// The solution for each column of `sums`.
    fn solve(&self, sums: &[f64], columns: usize) -> Vec<f64> {
        let mut out = vec![0.0; sums.len()];
        for column in 0..columns {
            let right: Vec<f64> = (0..self.width).map(|i| at(sums, i * columns + column)).collect();
            let mut half = self.forward(right.iter().copied());
            for i in (0..self.width).rev() {
                let value = at(&half, i) / at(&self.lower, i * self.width + i);
                if let Some(cell) = half.get_mut(i) {
                    *cell = value;
                }
                let line = self.lower.get(i * self.width..i * self.width + i).unwrap_or(&[]);
                for (cell, weight) in half.iter_mut().zip(line) {
                    *cell -= weight * value;
                }
            }
            for (i, value) in half.iter().enumerate() {
                if let Some(cell) = out.get_mut(i * columns + column) {
                    *cell = *value;
                }
            }
        }
        out
    }

    fn forward(&self, right: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::with_capacity(self.width);
        for (i, value) in right.enumerate() {
            let line = self.lower.get(i * self.width..i * self.width + i).unwrap_or(&[]);
            out.push((value - inner(line, &out)) / at(&self.lower, i * self.width + i));
        }
        out
    }

    /// How much a row's own label weighs in its answer.
    fn leverage(&self, row: &[f32]) -> f64 {
        let half = self.forward(row.iter().map(|value| f64::from(*value)));
        inner(&half, &half)
    }
}
