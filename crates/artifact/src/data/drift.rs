//! Whether two versions of a data set are of one kind: their columns, what each holds, all numbers of a row taken
//! together, or the words of its texts. Of the last two it is the distance between means of random features (maximum mean discrepancy), against what shuffling the rows between the two
//! versions gives. Columns one by one miss what changed only in how they go together.

use super::{
    Chosen, Notes,
    gather::{Gathered, Gatherer},
    read,
    schema::{self, Drift},
    statistics::{Seeded, at, mix},
    text::Texts,
    vectors::{Matrix, dot},
};
use crate::{finding::Verdict, rule, source::Source};

/// Rows of each version that are compared, spread over it.
const ROWS: usize = 1_500;
/// Random features of a row.
const FEATURES: usize = 128;
/// Shuffles; the smallest p-value is one over one more.
const SHUFFLES: usize = 499;
/// Rows below which nothing is said.
const LEAST: usize = 30;
/// The population stability index above which a column has changed.
pub(crate) const PSI: f64 = 0.25;
/// How they are called among the columns.
pub(crate) const ALL_NUMBERS: &str = "(all numbers)";
pub(crate) const ALL_WORDS: &str = "(words of texts)";
/// What stands behind a column's name where its kinds of values are compared.
pub(crate) const FORM: &str = " (numbers, texts, missing)";

/// Compares with an older version: which columns there are, what each holds, and all of them together.
pub(crate) fn against(
    name: &str,
    older: &dyn Source,
    got: &Gathered,
    chosen: &Chosen,
    notes: &mut Notes,
) -> Vec<Drift> {
    let plain = Chosen {
        label: None,
        texts: Vec::new(),
        contents: false,
        ..chosen.clone()
    };
    let mut gatherer = Gatherer::new(&plain);
    let (_, ended) = read::rows(name, older, &mut |read, row| gatherer.row(&read.columns, row));
    gatherer.close();
    let old = gatherer.finish();
    if ended.is_err() {
        let what = "the older version can't be read to its end".to_owned();
        notes.add(&rule::LIMIT, Verdict::Unknown, None, "baseline data", what, 1);
    }
    for (all, others, said) in [
        (&got.names, &old.names, "was not there before"),
        (&old.names, &got.names, "was there before, and is no more"),
    ] {
        for column in all.iter().filter(|column| !others.contains(column)) {
            let what = format!("column `{}` {said}", shown(column));
            notes.add(&rule::DATA_DRIFT, Verdict::Suspicious, None, column, what, 1);
        }
    }
    let mut found = Vec::new();
    let (mut forms, mut compared) = (Vec::new(), 0_usize);
    for (column, new) in got.names.iter().zip(&got.tallies) {
        let there = old.names.iter().position(|other| other == column);
        let Some(before) = there.and_then(|there| old.tallies.get(there)) else {
            continue;
        };
        compared += 1;
        forms.extend(schema::form_drift(column, new, before));
        let named = super::gather::names_rows(column);
        // A running number is another in every version.
        if !new.is_running(named) || !before.is_running(named) {
            found.extend(schema::drift(column, new, before));
        }
    }
    let same = got.numbered() == old.numbered();
    found.extend(same.then(|| numbers(&got.numbers, &old.numbers)).flatten());
    found.extend(words(&got.texts, &old.texts));
    together(&found, notes);
    let tests = (found.len() + compared).max(1) as f64;
    for drift in &found {
        one_by_one(drift, tests, "is no longer distributed as before", notes);
    }
    for (drift, said) in forms {
        one_by_one(&drift, tests, &said, notes);
        found.push(drift);
    }
    found
}

fn shown(column: &str) -> String {
    crate::finding::shown(column.as_bytes(), 100)
}

fn one_by_one(drift: &Drift, tests: f64, said: &str, notes: &mut Notes) {
    // An index without a test is large between small samples of one kind too.
    let (test, p) = match (drift.ks_p, drift.chi2_p) {
        (Some(p), _) => ("KS", p),
        (None, Some(p)) => ("chi-squared", p),
        _ => return,
    };
    if drift.psi <= PSI || p * tests >= 0.01 {
        return;
    }
    let column = drift.column.strip_suffix(FORM).unwrap_or(&drift.column);
    let what = format!(
        "column `{}` {said}: PSI {:.3}, {test} p {p:.2e}",
        shown(column),
        drift.psi
    );
    notes.add(&rule::DATA_DRIFT, Verdict::Suspicious, None, column, what, 1);
}

/// Whole rows that are no longer of one kind with the older ones: far beyond what shuffling gives, so that a large set is
/// not suspected for what nobody would notice.
fn together(found: &[Drift], notes: &mut Notes) {
    for drift in found {
        let (Some(mmd), Some(usual), Some(p)) = (drift.mmd, drift.mmd_usual, drift.mmd_p) else {
            continue;
        };
        if p > 0.01 || mmd < 4.0 * usual {
            continue;
        }
        let whose = if drift.column == ALL_WORDS {
            "the words of the texts"
        } else {
            "the numbers, taken together,"
        };
        let what = format!(
            "{whose} are no longer distributed as before: MMD {mmd:.4}, {usual:.4} between shuffled rows, p {p:.3}"
        );
        notes.add(
            &rule::DATA_DRIFT,
            Verdict::Suspicious,
            None,
            &drift.column,
            what,
            1,
        );
    }
}

/// The rows that stand for all of them.
fn spread(rows: usize) -> impl Iterator<Item = usize> {
    let count = rows.min(ROWS);
    (0..count).map(move |place| place * rows / count.max(1))
}

/// All numbers of the rows, together. The columns have to be the same.
pub(crate) fn numbers(new: &Matrix, old: &Matrix) -> Option<Drift> {
    if new.width != old.width || new.width < 2 || new.rows() < LEAST || old.rows() < LEAST {
        return None;
    }
    let mut values = Vec::new();
    for (matrix, row) in spread(new.rows())
        .map(|row| (new, row))
        .chain(spread(old.rows()).map(|row| (old, row)))
    {
        values.extend_from_slice(matrix.row(row));
    }
    let pooled = Matrix {
        width: new.width,
        values,
    }
    .standardised();
    let mut seeded = Seeded(0xd41f7);
    let rows = pooled.rows();
    let mut distances: Vec<f32> = (0..2_000)
        .map(|_| {
            let (a, b) = (pooled.row(seeded.below(rows)), pooled.row(seeded.below(rows)));
            a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
        })
        .filter(|distance: &f32| *distance > 0.0)
        .collect();
    distances.sort_by(f32::total_cmp);
    let scale = (1.0 / at(&distances, distances.len() / 2).max(1e-12)).sqrt();
    let directions: Vec<Vec<f32>> = (0..FEATURES)
        .map(|_| (0..pooled.width).map(|_| seeded.normal() * scale).collect())
        .collect();
    let phases: Vec<f32> = (0..FEATURES)
        .map(|_| (seeded.unit() * std::f64::consts::TAU) as f32)
        .collect();
    let mut features = Vec::with_capacity(rows * FEATURES);
    for row in pooled.iter() {
        let one = |(direction, phase): (&Vec<f32>, &f32)| (dot(row, direction) + phase).cos();
        features.extend(directions.iter().zip(&phases).map(one));
    }
    Some(tested(ALL_NUMBERS, &features, spread(new.rows()).count()))
}

/// The words of the rows' texts, each thrown on one of the features.
pub(crate) fn words(new: &Texts, old: &Texts) -> Option<Drift> {
    if new.rows() < LEAST || old.rows() < LEAST {
        return None;
    }
    let mut features = Vec::new();
    for (texts, row) in spread(new.rows())
        .map(|row| (new, row))
        .chain(spread(old.rows()).map(|row| (old, row)))
    {
        let mut own = [0.0_f32; FEATURES];
        let words = texts.row(row);
        for word in words {
            let hash = texts
                .word(*word)
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                });
            let draw = mix(hash);
            if let Some(cell) = own.get_mut((draw >> 8) as usize % FEATURES) {
                *cell += if draw & 1 == 0 { 1.0 } else { -1.0 };
            }
        }
        let length = own.iter().map(|cell| cell * cell).sum::<f32>().sqrt().max(1e-6);
        features.extend(own.iter().map(|cell| cell / length));
    }
    Some(tested(ALL_WORDS, &features, spread(new.rows()).count()))
}

/// The squared distance of the means of the first `first` rows and the others, and how often shuffled rows are as far.
fn tested(name: &str, features: &[f32], first: usize) -> Drift {
    let rows: Vec<&[f32]> = features.chunks_exact(FEATURES).collect();
    let mut total = [0.0_f64; FEATURES];
    for row in &rows {
        total
            .iter_mut()
            .zip(*row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let (n, m) = (first as f64, (rows.len() - first.min(rows.len())) as f64);
    let distance = |order: &[u32]| {
        let mut own = [0.0_f64; FEATURES];
        for place in order.iter().take(first) {
            let row = rows.get(*place as usize).copied().unwrap_or_default();
            own.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
        own.iter()
            .zip(&total)
            .map(|(own, total)| {
                let apart = own / n - (total - own) / m;
                apart * apart
            })
            .sum::<f64>()
    };
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let there = distance(&order);
    let mut seeded = Seeded(0x5bff1e);
    let mut as_far = 0_usize;
    let mut usual = 0.0;
    for _ in 0..SHUFFLES {
        for place in (1..order.len()).rev() {
            order.swap(place, seeded.below(place + 1));
        }
        let shuffled = distance(&order);
        usual += shuffled / SHUFFLES as f64;
        as_far += usize::from(shuffled >= there);
    }
    Drift {
        column: name.to_owned(),
        mmd: Some(there),
        mmd_usual: Some(usual),
        mmd_p: Some((as_far + 1) as f64 / (SHUFFLES + 1) as f64),
        ..Drift::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(seed: u64, rows: usize, turn: f32) -> Matrix {
        let mut seeded = Seeded(seed);
        let mut values = Vec::new();
        for _ in 0..rows {
            let (a, b) = (seeded.normal(), seeded.normal());
            values.extend([a, turn * a + (1.0 - turn * turn).sqrt() * b, seeded.normal()]);
        }
        Matrix { width: 3, values }
    }

    #[test]
    fn equal_clouds_are_equal_and_turned_ones_are_not() {
        // Twenty pairs of one kind: about one in a hundred would be below .01.
        let below = (0..20)
            .filter_map(|seed| numbers(&cloud(seed, 400, 0.0), &cloud(seed + 100, 400, 0.0)))
            .filter(|drift| drift.mmd_p.is_some_and(|p| p <= 0.01));
        assert!(below.count() <= 1);
        // Each column is as it was; only how two of them go together is not.
        let turned = numbers(&cloud(1, 800, 0.0), &cloud(2, 800, 0.8)).expect("enough rows");
        assert!(turned.mmd_p.is_some_and(|p| p <= 0.002), "{turned:?}");
    }
}
