//! What a scan of data looked for, and how few rows of it would have been told at the size that the data has. A set of
//! eighty rows can't say of three that they are poisoned: that is said here, instead of nothing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::statistics::ln_binomial_tail;
use crate::rule::Rule;

/// How often a poisoned row shows what it is looked for by, for [`Looked::power`].
const SHOWN: f64 = 0.8;
/// Sizes of which a curve of power says something.
const SIZES: [u64; 16] = [1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 130, 200, 300, 500, 800, 1_300];

/// One thing that was looked for, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// The rule's id.
    pub rule: Cow<'static, str>,
    /// Rows that were looked at for it; 0 where it could not be looked for.
    pub rows: u64,
    /// The fewest rows that could have been told at this size, by the test's own p-value; none where no number could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<u64>,
    /// Why not, or what to know of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Looked {
    /// It was looked for, and so many rows would have been enough.
    pub(crate) fn at(rule: &'static Rule, rows: usize, least: Option<u64>) -> Self {
        let why = match least {
            Some(_) => String::new(),
            None => "no number of rows could be told from chance at this size".to_owned(),
        };
        Self {
            rule: rule.id.into(),
            rows: rows as u64,
            least,
            why,
        }
    }

    /// It could not be looked for.
    pub(crate) fn not(rule: &'static Rule, why: impl Into<String>) -> Self {
        Self {
            rule: rule.id.into(),
            rows: 0,
            least: None,
            why: why.into(),
        }
    }

    /// How often so many poisoned rows would be told at this size of the data, if four of five show it, from where that is
    /// hardly ever to where it is nearly always. Empty where no number could be told.
    #[must_use]
    pub fn power(&self) -> Vec<(u64, f64)> {
        let Some(least) = self.least else {
            return Vec::new();
        };
        let chance = |rows: u64| (rows, ln_binomial_tail(least, rows, SHOWN).exp());
        let after = SIZES.iter().position(|rows| chance(*rows).1 > 0.995);
        let sizes = SIZES
            .get(..after.map_or(SIZES.len(), |after| after + 1))
            .unwrap_or_default();
        let from = sizes
            .iter()
            .rposition(|rows| chance(*rows).1 < 0.005)
            .unwrap_or(0);
        sizes.iter().skip(from).map(|rows| chance(*rows)).collect()
    }

    /// In a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        let why = match self.why.as_str() {
            "" => String::new(),
            why => format!("; {why}"),
        };
        match (self.rows, self.least) {
            (0, _) => format!("not looked for: {}", self.why),
            (rows, Some(least)) => format!("looked for in {rows} rows, told from {least} on{why}"),
            (rows, None) => format!("looked for in {rows} rows{why}"),
        }
    }
}

/// The least count from `from` to `to` that `counts`, which holds for all larger ones if for one.
pub(crate) fn least(from: u64, to: u64, counts: impl Fn(u64) -> bool) -> Option<u64> {
    (from <= to && counts(to)).then(|| {
        let (mut low, mut high) = (from, to);
        while low < high {
            let middle = low + (high - low) / 2;
            if counts(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    })
}

#[cfg(test)]
mod tests {
    use super::{Looked, least};
    use crate::rule;

    #[test]
    fn power_grows_with_the_rows_from_nothing_to_all() {
        for least in [3, 5, 20, 150] {
            let power = Looked::at(&rule::DATA_MARK, 1_000, Some(least)).power();
            assert!(
                power
                    .first()
                    .is_some_and(|(rows, chance)| *rows < least && *chance < 0.005)
            );
            assert!(
                power.last().is_some_and(|(_, chance)| *chance > 0.995),
                "{power:?}"
            );
            assert!(power.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{power:?}");
        }
        // Of thirteen rows of which four in five show it, nine or more do in 90 of 100 cases.
        let thirteen = Looked::at(&rule::DATA_MARK, 1_000, Some(9)).power();
        let at = thirteen
            .iter()
            .find(|(rows, _)| *rows == 13)
            .map(|(_, chance)| *chance);
        assert!(
            at.is_some_and(|chance| (chance - 0.901).abs() < 0.005),
            "{thirteen:?}"
        );
        assert!(Looked::at(&rule::DATA_MARK, 30, None).power().is_empty());
        assert!(Looked::not(&rule::DATA_MARK, "why").power().is_empty());
    }

    #[test]
    fn the_least_is_the_first_that_counts() {
        for first in 5..40 {
            assert_eq!(least(5, 40, |count| count >= first), Some(first));
        }
        assert_eq!(least(5, 40, |_| false), None);
        assert_eq!(least(5, 4, |_| true), None);
    }
}
