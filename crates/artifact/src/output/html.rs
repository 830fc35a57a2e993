//! One HTML page that needs nothing else: verdicts and rules as plots, then every finding.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{escaped, worst};
use crate::finding::{Report, Verdict};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;\
vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d8dee4}code{font-size:.9em;overflow-wrap:anywhere}\
.v{display:inline-block;padding:0 .5rem;border-radius:.6rem;color:#fff;font-weight:600}.clean{background:#1a7f37}\
.unknown{background:#57606a}.suspicious{background:#9a6700}.malicious{background:#cf222e}.covered{opacity:.55}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}td,th{border-color:#30363d}text{fill:#e6edf3}}";

const VERDICTS: [(Verdict, &str); 4] = [
    (Verdict::Malicious, "#cf222e"),
    (Verdict::Suspicious, "#bf8700"),
    (Verdict::Unknown, "#6e7781"),
    (Verdict::Clean, "#1a7f37"),
];

/// The reports as a page.
#[must_use]
pub fn html(reports: &[Report]) -> String {
    page(reports, "")
}

/// The page, with more of it before the list of files.
pub(super) fn page(reports: &[Report], more: &str) -> String {
    let verdict = worst(reports).word();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>bartizan scan</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>Scan of {} files: <span class=\"v {verdict}\">{verdict}</span></h1>\n",
        reports.len()
    );
    let verdicts: Vec<(String, u64, &str)> = VERDICTS
        .iter()
        .map(|(verdict, colour)| {
            let count = reports.iter().filter(|report| report.verdict == *verdict).count();
            (verdict.word().to_owned(), count as u64, *colour)
        })
        .collect();
    out.push_str("<h2>Files by verdict</h2>\n");
    out.push_str(&bars(&verdicts));
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in reports.iter().flat_map(|report| &report.findings) {
        *rules.entry(finding.rule.id).or_default() += finding.count;
    }
    let mut rules: Vec<(String, u64, &str)> = rules
        .into_iter()
        .map(|(rule, count)| (rule.to_owned(), count, "#0969da"))
        .collect();
    rules.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    rules.truncate(20);
    if !rules.is_empty() {
        out.push_str("<h2>Findings by rule</h2>\n");
        out.push_str(&bars(&rules));
    }
    findings(&mut out, reports);
    out.push_str(more);
    files(&mut out, reports);
    out.push_str("</body></html>\n");
    out
}

/// Horizontal bars with their names and numbers, as inline SVG.
pub(super) fn bars(rows: &[(String, u64, &str)]) -> String {
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let height = rows.len() * 24 + 4;
    let mut out =
        format!("<svg role=\"img\" width=\"760\" height=\"{height}\" viewBox=\"0 0 760 {height}\">\n");
    for (at, (name, count, colour)) in rows.iter().enumerate() {
        let (top, width) = (at * 24 + 2, count.saturating_mul(440) / most);
        let _ = writeln!(
            out,
            "<text x=\"0\" y=\"{}\" font-size=\"13\">{}</text><rect x=\"250\" y=\"{top}\" width=\"{width}\" height=\"18\" \
             rx=\"2\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\" font-size=\"13\">{count}</text>",
            top + 14,
            escaped(name),
            width + 258,
            top + 14
        );
    }
    out.push_str("</svg>\n");
    out
}

fn findings(out: &mut String, reports: &[Report]) {
    out.push_str("<h2>Findings</h2>\n<table><tr><th>Severity</th><th>Where</th><th>What</th><th>Rule and remedy</th></tr>\n");
    for finding in reports.iter().flat_map(|report| &report.findings) {
        let rule = finding.rule;
        let ids: Vec<String> = rule
            .cve
            .iter()
            .map(|cve| (*cve).to_owned())
            .chain(rule.cwe.iter().map(|number| format!("CWE-{number}")))
            .chain(rule.atlas.iter().map(|technique| (*technique).to_owned()))
            .collect();
        let (class, why) = match &finding.covered {
            Some(why) => (" class=\"covered\"", format!("<br>covered: {}", escaped(why))),
            None => ("", String::new()),
        };
        let severity = finding.severity.word();
        let _ = writeln!(
            out,
            "<tr{class}><td><span class=\"v {severity}\">{severity}</span></td><td><code>{}</code><br>{}, {} times</td>\
             <td>{}{why}</td><td><code>{}</code><br>{}<br><small>{}</small></td></tr>",
            escaped(&finding.place.path()),
            finding.place.row.map_or_else(
                || format!("offset {}", finding.place.offset),
                |row| format!("row {row}")
            ),
            finding.count,
            escaped(&finding.what),
            rule.id,
            escaped(rule.remedy),
            ids.join(" ")
        );
    }
    out.push_str("</table>\n");
}

fn files(out: &mut String, reports: &[Report]) {
    out.push_str(
        "<h2>Files</h2>\n<table><tr><th>Verdict</th><th>File</th><th>Format</th><th>Bytes</th></tr>\n",
    );
    for report in reports {
        let verdict = report.verdict.word();
        let _ = writeln!(
            out,
            "<tr><td><span class=\"v {verdict}\">{verdict}</span></td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escaped(&report.file),
            escaped(&report.format),
            report.bytes
        );
    }
    out.push_str("</table>\n");
}
