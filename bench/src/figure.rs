//! A measured number and how it is printed.
//!
//! A figure that could not be measured stays in the list with `value: null` and a reason; it is never left out
//! and never guessed. Values must be finite: `of` turns a NaN or an infinity into a missing figure, since JSON
//! can't carry one.

use std::fmt::Write as _;

use serde::Serialize;

/// One figure of a bench.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// The fixed name, such as `cpu_ratio_nginx_chat_1k`.
    pub(crate) name: String,
    /// The value, or `None` when it could not be measured.
    pub(crate) value: Option<f64>,
    /// The unit: `ratio`, `us`, `ms`, `mib`, `per_s`, `count`, `pairs`, `tasks`, `per_task`,
    /// `fraction`, `bool` (1 or 0).
    pub(crate) unit: String,
    /// How many samples the value stands on (runs for medians of runs, events for quantiles).
    pub(crate) n: u64,
    /// Smallest and largest of the samples, in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<[f64; 2]>,
    /// What it is relative to, if a ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<String>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Set when `--quick` shortened the measurement.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) quick: bool,
}

impl Figure {
    /// A measured value.
    pub(crate) fn of(name: &str, value: f64, unit: &str, n: u64) -> Self {
        if !value.is_finite() {
            return Self::missing(name, unit, "the measurement gave no finite number");
        }
        Self {
            name: name.to_owned(),
            value: Some(value),
            unit: unit.to_owned(),
            n,
            spread: None,
            peer: None,
            reason: None,
            quick: false,
        }
    }

    /// A value that could not be measured, and why.
    pub(crate) fn missing(name: &str, unit: &str, reason: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: None,
            unit: unit.to_owned(),
            n: 0,
            spread: None,
            peer: None,
            reason: Some(reason.into()),
            quick: false,
        }
    }

    /// The median of `samples`, with their spread; missing when there are none.
    pub(crate) fn median_of(name: &str, unit: &str, samples: &[f64]) -> Self {
        match median(samples) {
            None => Self::missing(name, unit, "no sample was taken"),
            Some(value) => {
                let low = samples.iter().copied().fold(f64::INFINITY, f64::min);
                let high = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Self::of(name, value, unit, samples.len() as u64).spread(low, high)
            }
        }
    }

    /// Adds the smallest and largest sample.
    #[must_use]
    pub(crate) fn spread(mut self, low: f64, high: f64) -> Self {
        if low.is_finite() && high.is_finite() {
            self.spread = Some([low, high]);
        }
        self
    }

    /// Names what the ratio is relative to.
    #[must_use]
    pub(crate) fn peer(mut self, peer: impl Into<String>) -> Self {
        self.peer = Some(peer.into());
        self
    }
}

/// The middle of `samples`, or the mean of the two in the middle.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// A bench's whole answer: the last line on standard output.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The bench's name.
    pub(crate) bench: String,
    /// The commit that was measured, `+dirty` when the tree had changes.
    pub(crate) commit: String,
    /// Processor, cores, kernel.
    pub(crate) machine: String,
    /// The figures, in the order they were taken.
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let width = self
            .figures
            .iter()
            .map(|figure| figure.name.len())
            .max()
            .unwrap_or(0);
        let mut text = format!("{} at {}\n{}\n", self.bench, self.commit, self.machine);
        for figure in &self.figures {
            let _ = write!(text, "  {:width$}  ", figure.name);
            match (figure.value, &figure.reason) {
                (Some(value), _) => {
                    let _ = write!(text, "{value:>12.3} {:<6} n={}", figure.unit, figure.n);
                    if let Some([low, high]) = figure.spread {
                        let _ = write!(text, "  [{low:.3}, {high:.3}]");
                    }
                    if let Some(peer) = &figure.peer {
                        let _ = write!(text, "  of {peer}");
                    }
                }
                (None, reason) => {
                    let _ = write!(
                        text,
                        "{:>12} ({})",
                        "-",
                        reason.as_deref().unwrap_or("no reason given")
                    );
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_takes_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn what_is_not_finite_is_missing_and_says_why() {
        let figure = Figure::of("x", f64::NAN, "us", 3);
        assert_eq!(figure.value, None);
        let json = serde_json::to_value(&figure).expect("serializes");
        assert!(json["value"].is_null(), "a missing value is printed as null");
        assert!(json["reason"].is_string());
    }

    #[test]
    fn spread_is_the_range_of_the_samples() {
        let figure = Figure::median_of("x", "us", &[5.0, 1.0, 9.0]);
        assert_eq!(
            (figure.value, figure.spread, figure.n),
            (Some(5.0), Some([1.0, 9.0]), 3)
        );
    }
}
