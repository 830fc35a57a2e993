//! What a scan of data looked for, and how few rows of it would have been told at the size that the data has. A set of
//! eighty rows can't say of three that they are poisoned: that is said here, instead of nothing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::rule::Rule;

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
    use super::least;

    #[test]
    fn the_least_is_the_first_that_counts() {
        for first in 5..40 {
            assert_eq!(least(5, 40, |count| count >= first), Some(first));
        }
        assert_eq!(least(5, 40, |_| false), None);
        assert_eq!(least(5, 4, |_| true), None);
    }
}
