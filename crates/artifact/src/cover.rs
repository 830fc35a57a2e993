//! What is known already: baselines, and suppressions with a reason and an end date.
//!
//! A covered finding stays in every output and counts for no verdict. A suppression past its date covers nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::finding::Report;

/// Findings that were there when a line was drawn.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Of the format; 1.
    pub version: u32,
    /// Fingerprints.
    pub findings: BTreeSet<String>,
}

impl Baseline {
    /// All findings of these reports.
    #[must_use]
    pub fn of(reports: &[Report]) -> Self {
        let findings = reports.iter().flat_map(|report| &report.findings);
        Self {
            version: 1,
            findings: findings.map(crate::Finding::fingerprint).collect(),
        }
    }
}

/// A finding, or a kind of finding, that somebody answers for until a date.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// A rule's id.
    pub rule: String,
    /// The subject, exactly; none: every subject.
    pub subject: Option<String>,
    /// The end of the file's name; none: every file.
    pub file: Option<String>,
    /// Why it is no harm. At least ten letters.
    pub reason: String,
    /// The last day it holds, `YYYY-MM-DD`.
    pub until: String,
}

impl Suppression {
    /// Why it can't be used.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        if crate::rule::of(&self.rule).is_none() {
            return Some("no rule has this id");
        }
        if self.reason.trim().len() < 10 {
            return Some("it gives no reason");
        }
        let digits = self.until.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        (self.until.len() != 10 || !digits).then_some("`until` is no date of the form YYYY-MM-DD")
    }

    fn covers(&self, finding: &crate::Finding) -> bool {
        finding.rule.id == self.rule
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| *subject == finding.subject)
            && self.file.as_ref().is_none_or(|file| {
                finding.place.file == *file || finding.place.file.ends_with(&format!("/{file}"))
            })
    }
}

/// Covers what is known, and judges again. `today` is `YYYY-MM-DD`. Returns the suppressions that have ended.
pub fn cover<'s>(
    reports: &mut [Report],
    baseline: &Baseline,
    suppressions: &'s [Suppression],
    today: &str,
) -> Vec<&'s Suppression> {
    let (live, ended): (Vec<_>, Vec<_>) = suppressions
        .iter()
        .partition(|suppression| suppression.until.as_str() >= today);
    for report in reports {
        for finding in &mut report.findings {
            if let Some(suppression) = live.iter().find(|suppression| suppression.covers(finding)) {
                finding.covered = Some(format!(
                    "{} (until {})",
                    suppression.reason.trim(),
                    suppression.until
                ));
            } else if baseline.findings.contains(&finding.fingerprint()) {
                finding.covered = Some("in the baseline".to_owned());
            }
        }
        report.judge();
    }
    ended
}
