//! What the columns hold, what was expected of them, and how far they are from another version of the same data.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::read::Cell;
use super::statistics::{Seeded, at, chi2_tail, ks_chance, mix};

/// Values kept of a column to compare with.
const SAMPLE: usize = 4_000;
/// Different values counted.
const DISTINCT: usize = 1 << 16;
/// Values listed of a column that has few.
const LISTED: usize = 64;

/// What was inferred of one column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `integer`, `number`, `text`, `mixed` or `nothing`.
    pub kind: Cow<'static, str>,
    /// What the scan took it for: `label`, `text`, `output`, `number`; empty if it was only counted.
    pub role: Cow<'static, str>,
    /// Rows with a value.
    pub present: u64,
    /// Rows without.
    pub missing: u64,
    /// Different values; a least number when `distinct_more`.
    pub distinct: u64,
    /// There are more different values than are counted.
    pub distinct_more: bool,
    /// Least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Mean of the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Values and how often, where there are few.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, u64>,
}

/// What is expected of one column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The column.
    pub name: String,
    /// Its kind; `number` allows integers too.
    pub kind: Option<String>,
    /// Least number allowed.
    pub min: Option<f64>,
    /// Greatest number allowed.
    pub max: Option<f64>,
    /// The greatest share of rows, 0 to 1, that may have no value.
    pub missing_max: Option<f64>,
    /// No value may be there twice.
    #[serde(default)]
    pub unique: bool,
    /// The only values allowed.
    pub values: Option<Vec<String>>,
    /// The least share, 0 to 1, that each of the column's values has to have: the balance of classes.
    pub share_min: Option<f64>,
}

impl Expected {
    /// The field that no column could be held against, and why.
    ///
    /// # Errors
    ///
    /// When a field asks for what is nothing, or two of them for what excludes each other.
    pub fn checked(&self) -> Result<(), (&'static str, &'static str)> {
        let share = |share: Option<f64>| share.is_none_or(|share| (0.0..=1.0).contains(&share));
        let numbers = self.min.is_some() || self.max.is_some();
        let kind = self.kind.as_deref();
        if !kind.is_none_or(|kind| ["integer", "number", "text", "mixed"].contains(&kind)) {
            return Err(("kind", "is none of `integer`, `number`, `text` and `mixed`"));
        }
        if self.min.is_some_and(f64::is_nan) || self.max.is_some_and(f64::is_nan) {
            return Err(("min", "or `max` is no number"));
        }
        if matches!((self.min, self.max), (Some(min), Some(max)) if min > max) {
            return Err(("min", "is above `max`"));
        }
        if numbers && kind == Some("text") {
            return Err(("kind", "is `text`, which has no `min` and no `max`"));
        }
        if !share(self.missing_max) {
            return Err(("missing_max", "is no share of rows, 0 to 1"));
        }
        if !share(self.share_min) {
            return Err(("share_min", "is no share of rows, 0 to 1"));
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            return Err(("values", "allows nothing"));
        }
        Ok(())
    }
}

/// A column while it is read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    numbers: u64,
    whole: u64,
    texts: u64,
    missing: u64,
    min: f64,
    max: f64,
    sum: f64,
    distinct: HashSet<u64>,
    more: bool,
    values: HashMap<String, u64>,
    /// The same of numbers, by their bits.
    counted: Vec<(u64, u64)>,
    many: bool,
    sample: Vec<f64>,
    last: f64,
    /// A number was not above the one before it.
    fell: bool,
}

impl Tally {
    pub(crate) fn add(&mut self, cell: &Cell) {
        let hash = match cell {
            Cell::Nothing => {
                self.missing += 1;
                return;
            }
            Cell::Number(number) => {
                let first = self.numbers == 0;
                self.fell |= !first && *number <= self.last;
                self.last = *number;
                self.min = if first { *number } else { self.min.min(*number) };
                self.max = if first { *number } else { self.max.max(*number) };
                self.sum += number;
                self.whole += u64::from(number.fract() == 0.0);
                // Every value at first, then ever fewer, so that the sample stays spread over the file.
                let place = mix(self.numbers) as usize % (self.numbers as usize + 1);
                if self.sample.len() < SAMPLE {
                    self.sample.push(*number);
                } else if let Some(old) = self.sample.get_mut(place) {
                    *old = *number;
                }
                self.numbers += 1;
                let bits = number.to_bits();
                // In a column of few values nearly every number is one of those.
                if let Some((_, count)) = self.counted.iter_mut().find(|(there, _)| *there == bits) {
                    *count += 1;
                    return;
                }
                mix(bits)
            }
            Cell::Text(text) => {
                self.texts += 1;
                text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
            }
        };
        if self.distinct.len() < DISTINCT {
            self.distinct.insert(hash);
        } else {
            self.more |= !self.distinct.contains(&hash);
        }
        if !self.many {
            match cell {
                Cell::Number(number) => self.counted.push((number.to_bits(), 1)),
                other => {
                    let name = shown(other);
                    if name.len() <= 200 {
                        *self.values.entry(name).or_default() += 1;
                    }
                }
            }
            if self.values.len() + self.counted.len() > LISTED {
                self.many = true;
                self.values = HashMap::new();
                self.counted = Vec::new();
            }
        }
    }

    /// Whether the numbers only count rows: whole, and each above the one before it, or, in a column that is `named` so,
    /// each another.
    pub(crate) fn is_running(&self, named: bool) -> bool {
        let whole = self.numbers > 2 && self.whole == self.numbers && self.texts == 0;
        let apart = self.more || self.distinct.len() as u64 >= self.numbers;
        whole && (!self.fell || (named && apart))
    }

    /// Values and how often, where there are few.
    fn values(&self) -> HashMap<String, u64> {
        let numbers = self.counted.iter();
        let numbers = numbers.map(|(bits, count)| (f64::from_bits(*bits).to_string(), *count));
        let mut all = self.values.clone();
        for (name, count) in numbers {
            *all.entry(name).or_default() += count;
        }
        all
    }

    pub(crate) fn column(&self, name: &str, role: &'static str) -> Column {
        let kind = match (self.numbers, self.texts) {
            (0, 0) => "nothing",
            (numbers, 0) if self.whole == numbers => "integer",
            (_, 0) => "number",
            (0, _) => "text",
            _ => "mixed",
        };
        let some = |value: f64| (self.numbers > 0).then_some(value);
        Column {
            name: name.to_owned(),
            kind: Cow::Borrowed(kind),
            role: Cow::Borrowed(role),
            present: self.numbers + self.texts,
            missing: self.missing,
            distinct: self.distinct.len() as u64,
            distinct_more: self.more,
            min: some(self.min),
            max: some(self.max),
            mean: some(self.sum / self.numbers.max(1) as f64),
            values: self.values().into_iter().collect(),
        }
    }
}

/// A cell as a value's name.
pub(crate) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => text.trim().to_owned(),
    }
}

/// What a column does that was not expected, in sentences.
pub(crate) fn unexpected(expected: &Expected, columns: &[Column]) -> Vec<String> {
    let Some(column) = columns.iter().find(|column| column.name == expected.name) else {
        return vec!["is not there".to_owned()];
    };
    let mut out = Vec::new();
    if let Some(kind) = &expected.kind
        && kind.as_str() != column.kind
        && !(kind == "number" && column.kind == "integer")
    {
        out.push(format!("holds {} where {kind} is expected", column.kind));
    }
    if let (Some(least), Some(min)) = (expected.min, column.min)
        && min < least
    {
        out.push(format!("has {min}, below {least}"));
    }
    if let (Some(most), Some(max)) = (expected.max, column.max)
        && max > most
    {
        out.push(format!("has {max}, above {most}"));
    }
    // What is no number is neither below nor above one. Of a kind that was expected, that is said already.
    let limited = expected.kind.is_none() && (expected.min.is_some() || expected.max.is_some());
    if limited && matches!(&*column.kind, "text" | "mixed") {
        out.push("holds text where numbers between limits are expected".to_owned());
    }
    let rows = (column.present + column.missing).max(1) as f64;
    if let Some(most) = expected.missing_max
        && column.missing as f64 / rows > most
    {
        out.push(format!(
            "lacks a value in {} rows, more than {most} of them",
            column.missing
        ));
    }
    if expected.unique && !column.distinct_more && column.distinct < column.present {
        out.push("has a value twice".to_owned());
    }
    if let Some(allowed) = &expected.values {
        let strange: Vec<&String> = column
            .values
            .keys()
            .filter(|value| !allowed.contains(value))
            .collect();
        match strange.first() {
            Some(first) => out.push(format!(
                "has {} values that are not allowed, such as `{first}`",
                strange.len()
            )),
            None if column.values.is_empty() && column.present > 0 => {
                out.push("has more values than are allowed".to_owned())
            }
            None => {}
        }
    }
    if let Some(least) = expected.share_min {
        for (value, count) in &column.values {
            let share = *count as f64 / column.present.max(1) as f64;
            if share < least {
                out.push(format!(
                    "has `{value}` in only {share:.4} of its rows, below {least}"
                ));
            }
        }
    }
    out
}

/// How far a column is from what it was.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Drift {
    /// The column.
    pub column: String,
    /// The population stability index: above 0.25 is a change.
    pub psi: f64,
    /// The p-value of a Kolmogorov-Smirnov test, for numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks_p: Option<f64>,
    /// The p-value of a chi-squared test, for values of which there are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chi2_p: Option<f64>,
    /// The maximum mean discrepancy of whole rows, where the column stands for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmd: Option<f64>,
    /// What it is between shuffled rows, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmd_usual: Option<f64>,
    /// How often shuffled rows are as far apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmd_p: Option<f64>,
}

/// Compares a column with its older self; `None` where there is nothing to compare.
pub(crate) fn drift(name: &str, new: &Tally, old: &Tally) -> Option<Drift> {
    let (new_values, old_values) = (new.values(), old.values());
    if !new_values.is_empty() && !old_values.is_empty() {
        let names: HashSet<&String> = new_values.keys().chain(old_values.keys()).collect();
        let count =
            |values: &HashMap<String, u64>, name: &String| values.get(name).copied().unwrap_or(0) as f64;
        let pairs: Vec<(f64, f64)> = names
            .iter()
            .map(|name| (count(&new_values, name), count(&old_values, name)))
            .collect();
        return Some(Drift {
            column: name.to_owned(),
            psi: psi(&pairs),
            chi2_p: chi2_chance(&pairs),
            ..Drift::default()
        });
    }
    if new.sample.len() < 20 || old.sample.len() < 20 {
        return None;
    }
    let sorted = |tally: &Tally| {
        let mut values = tally.sample.clone();
        values.sort_by(f64::total_cmp);
        values
    };
    let (new, old) = (sorted(new), sorted(old));
    let mut edges: Vec<f64> = (1..10).map(|tenth| at(&old, old.len() * tenth / 10)).collect();
    edges.dedup();
    let below = |values: &[f64], edge: f64| values.partition_point(|value| *value <= edge) as f64;
    let counts = |values: &[f64]| -> Vec<f64> {
        let mut all: Vec<f64> = edges.iter().map(|edge| below(values, *edge)).collect();
        all.push(values.len() as f64);
        let before = std::iter::once(0.0).chain(all.iter().copied());
        all.iter()
            .zip(before)
            .map(|(here, before)| here - before)
            .collect()
    };
    let pairs: Vec<(f64, f64)> = counts(&new).into_iter().zip(counts(&old)).collect();
    let (n, m) = (new.len() as f64, old.len() as f64);
    let distance = new
        .iter()
        .chain(&old)
        .map(|edge| (below(&new, *edge) / n - below(&old, *edge) / m).abs());
    let distance = distance.fold(0.0, f64::max);
    Some(Drift {
        column: name.to_owned(),
        psi: psi(&pairs),
        ks_p: Some(ks_chance(distance, n, m)),
        ..Drift::default()
    })
}

/// Compares how many values of a column are numbers, texts and missing, and says what it compared; nothing where that is
/// as it was.
pub(crate) fn form_drift(name: &str, new: &Tally, old: &Tally) -> Option<(Drift, String)> {
    let pairs: Vec<(f64, f64)> = [
        (new.numbers, old.numbers),
        (new.texts, old.texts),
        (new.missing, old.missing),
    ]
    .map(|(new, old)| (new as f64, old as f64))
    .into_iter()
    .filter(|(new, old)| new + old > 0.0)
    .collect();
    let psi = psi(&pairs);
    if psi <= super::drift::PSI {
        return None;
    }
    let drift = Drift {
        column: format!("{name}{}", super::drift::FORM),
        psi,
        chi2_p: Some(chi2_chance(&pairs)?),
        ..Drift::default()
    };
    let told = |tally: &Tally| {
        let Tally {
            numbers,
            texts,
            missing,
            ..
        } = tally;
        format!("{numbers} numbers, {texts} texts and {missing} missing values")
    };
    let said = format!("has {}, where {} were before", told(new), told(old));
    Some((drift, said))
}

/// Rows of both samples up to which their shuffles are counted, where the approximation does not hold.
const SHUFFLED: f64 = 1_000.0;
/// Shuffles; the smallest p-value is one over one more.
const SHUFFLES: usize = 4_999;

/// The chance that two samples of one kind differ so much in how often each value is there; nothing where that can't be
/// said. Where values are too rare for the approximation, few rows are shuffled, and of many rows those are taken together.
fn chi2_chance(pairs: &[(f64, f64)]) -> Option<f64> {
    let (new, old): (f64, f64) = pairs
        .iter()
        .fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    if new < 1.0 || old < 1.0 || pairs.len() < 2 {
        return None;
    }
    let often = |(a, b): &(f64, f64)| (a + b) * new.min(old) / (new + old) >= 5.0;
    if !pairs.iter().all(often) && new + old <= SHUFFLED {
        return Some(shuffled_chance(pairs, new, old));
    }
    let (mut cells, rest): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(often);
    let rest = rest
        .iter()
        .fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    cells.extend(Some(rest).filter(often));
    (cells.len() > 1).then(|| chi2_tail(chi2(&cells, new, old), (cells.len() - 1) as f64))
}

/// How far two samples are apart, in so many cells.
fn chi2(cells: &[(f64, f64)], new: f64, old: f64) -> f64 {
    let all = new + old;
    let cell = |(a, b): &(f64, f64)| {
        let (left, right) = ((a + b) * new / all, (a + b) * old / all);
        (a - left).powi(2) / left.max(1e-9) + (b - right).powi(2) / right.max(1e-9)
    };
    cells.iter().map(cell).sum()
}

fn shuffled_chance(pairs: &[(f64, f64)], new: f64, old: f64) -> f64 {
    let there = chi2(pairs, new, old);
    // In an order of their own: that of a map is any.
    let mut sizes: Vec<usize> = pairs.iter().map(|(a, b)| (a + b) as usize).collect();
    sizes.sort_unstable();
    let values = sizes
        .iter()
        .enumerate()
        .flat_map(|(value, count)| std::iter::repeat_n(value, *count));
    let mut values: Vec<usize> = values.collect();
    let mut seeded = Seeded(0xd21f7);
    let mut as_far = 0;
    for _ in 0..SHUFFLES {
        let mut cells = vec![(0.0, 0.0); sizes.len()];
        for place in 0..values.len() {
            if place < new as usize {
                let other = place + seeded.below(values.len() - place);
                values.swap(place, other);
            }
            let Some(cell) = cells.get_mut(at(&values, place)) else {
                continue;
            };
            if place < new as usize {
                cell.0 += 1.0;
            } else {
                cell.1 += 1.0;
            }
        }
        as_far += usize::from(chi2(&cells, new, old) >= there - 1e-9);
    }
    (as_far + 1) as f64 / (SHUFFLES + 1) as f64
}

fn psi(pairs: &[(f64, f64)]) -> f64 {
    let (new, old): (f64, f64) = pairs
        .iter()
        .fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let half = 0.5;
    let share = |count: f64, all: f64| (count + half) / (all + half * pairs.len() as f64);
    pairs
        .iter()
        .map(|(a, b)| (share(*a, new) - share(*b, old)) * (share(*a, new) / share(*b, old)).ln())
        .sum()
}
