//! JUnit's XML: a test for each file, failed unless it is clean.

use std::fmt::Write as _;

use super::escaped;
use crate::finding::{Report, Verdict};

/// The reports as one test suite.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    let failed = reports
        .iter()
        .filter(|report| report.verdict != Verdict::Clean)
        .count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"bartizan scan\" tests=\"{}\" failures=\"{failed}\">\n",
        reports.len()
    );
    for report in reports {
        let _ = write!(
            out,
            "  <testcase classname=\"{}\" name=\"{}\"",
            escaped(&report.format),
            escaped(&report.file)
        );
        if report.verdict == Verdict::Clean {
            out.push_str("/>\n");
            continue;
        }
        let _ = write!(
            out,
            ">\n    <failure type=\"{0}\" message=\"{0}\">",
            report.verdict.word()
        );
        for finding in report.findings.iter().filter(|finding| finding.covered.is_none()) {
            let line = format!(
                "{} {} at {} offset {}: {}",
                finding.severity.word(),
                finding.rule.id,
                finding.place.path(),
                finding.place.offset,
                finding.what
            );
            let _ = writeln!(out, "{}", escaped(&line));
        }
        out.push_str("</failure>\n  </testcase>\n");
    }
    out.push_str("</testsuite>\n");
    out
}
