//! What a scan of data found, as JSON and as a page.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::{escaped, html};
use crate::{data::Outcome, finding::Report};

/// Rows on the page; JSON has all.
const ROWS: usize = 1_000;

fn reports(outcomes: &[Outcome]) -> Vec<Report> {
    outcomes.iter().map(|outcome| outcome.report.clone()).collect()
}

/// One value, as of a scan of models, and for each file its rows, columns, drift and suspects.
#[must_use]
pub fn data_json(outcomes: &[Outcome]) -> Value {
    let mut value = super::json(&reports(outcomes));
    if let Some(files) = value.get_mut("files").and_then(Value::as_array_mut) {
        for (file, outcome) in files.iter_mut().zip(outcomes) {
            let Some(file) = file.as_object_mut() else {
                continue;
            };
            file.remove("opcodes");
            file.insert("rows".to_owned(), json!(outcome.rows));
            file.insert("columns".to_owned(), json!(outcome.columns));
            file.insert("drift".to_owned(), json!(outcome.drift));
            file.insert("looked_for".to_owned(), json!(outcome.looked));
            file.insert("label_noise".to_owned(), json!(outcome.noise));
            file.insert("suspects".to_owned(), json!(outcome.suspects));
        }
    }
    value
}

/// One page with plots that needs nothing else.
#[must_use]
pub fn data_html(outcomes: &[Outcome]) -> String {
    let mut more = String::new();
    for outcome in outcomes {
        let _ = writeln!(
            more,
            "<h2>{}: {} rows, {} suspect</h2>",
            escaped(&outcome.report.file),
            outcome.rows,
            outcome.suspects.len()
        );
        plots(&mut more, outcome);
        looked(&mut more, outcome);
        rows(&mut more, outcome);
    }
    html::page(&reports(outcomes), &more)
}

fn plots(out: &mut String, outcome: &Outcome) {
    if let Some(label) = outcome.columns.iter().find(|column| column.role == "label") {
        let bars: Vec<_> = label
            .values
            .iter()
            .map(|(name, count)| (name.chars().take(30).collect(), *count, "#0969da"))
            .collect();
        out.push_str("<h3>Labels</h3>\n");
        out.push_str(&html::bars(&bars));
    }
    if outcome.suspects.is_empty() {
        return;
    }
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    let mut tens: BTreeMap<i32, u64> = BTreeMap::new();
    for suspect in &outcome.suspects {
        *rules.entry(&*suspect.rule).or_default() += 1;
        *tens
            .entry((suspect.p.max(1e-20).log10().floor() as i32).min(-1))
            .or_default() += 1;
    }
    out.push_str("<h3>Suspect rows by rule</h3>\n");
    let bars: Vec<_> = rules
        .into_iter()
        .map(|(rule, count)| (rule.to_owned(), count, "#bf8700"))
        .collect();
    out.push_str(&html::bars(&bars));
    out.push_str("<h3>Suspect rows by p-value</h3>\n");
    let bars: Vec<_> = tens
        .into_iter()
        .map(|(ten, count)| {
            (
                if ten <= -20 {
                    "below 1e-19".to_owned()
                } else {
                    format!("1e{ten} to 1e{}", ten + 1)
                },
                count,
                "#8250df",
            )
        })
        .collect();
    out.push_str(&html::bars(&bars));
    let size = 24_usize;
    let mut along = vec![0_u64; size];
    for suspect in &outcome.suspects {
        let place = suspect.row.saturating_mul(size as u64) / outcome.rows.max(1);
        if let Some(count) = along.get_mut(place as usize) {
            *count += 1;
        }
    }
    out.push_str("<h3>Suspect rows along the file</h3>\n");
    let bars: Vec<_> = along
        .into_iter()
        .enumerate()
        .map(|(place, count)| {
            (
                format!("from row {}", place as u64 * outcome.rows / size as u64),
                count,
                "#cf222e",
            )
        })
        .collect();
    out.push_str(&html::bars(&bars));
}

/// What was looked for, so that a page without suspects says what it means.
fn looked(out: &mut String, outcome: &Outcome) {
    out.push_str("<h3>What was looked for</h3>\n<table><tr><th>Rule</th><th>How</th></tr>\n");
    for looked in &outcome.looked {
        let (rule, how) = (escaped(&looked.rule), escaped(&looked.told()));
        let _ = writeln!(out, "<tr><td><code>{rule}</code></td><td>{how}</td></tr>");
    }
    out.push_str("</table>\n");
    for looked in &outcome.looked {
        let power = looked.power();
        if power.is_empty() {
            continue;
        }
        let bars: Vec<_> = power
            .into_iter()
            .map(|(rows, chance)| (format!("{rows} rows"), (chance * 100.0).round() as u64, "#1a7f37"))
            .collect();
        let rule = escaped(&looked.rule);
        let _ = writeln!(
            out,
            "<h3>Power of <code>{rule}</code></h3>\n<p>How often, of 100, so many poisoned rows would be told in data of this size, if four of five show it.</p>"
        );
        out.push_str(&html::bars(&bars));
    }
}

fn rows(out: &mut String, outcome: &Outcome) {
    out.push_str("<table><tr><th>Row</th><th>p</th><th>Label</th><th>Why</th></tr>\n");
    for suspect in outcome.suspects.iter().take(ROWS) {
        let place = suspect
            .file
            .as_deref()
            .map_or_else(|| suspect.row.to_string(), escaped);
        let label = suspect.label.as_deref().map_or_else(String::new, escaped);
        let instead = suspect
            .instead
            .as_deref()
            .map_or_else(String::new, |instead| format!(" (rather {})", escaped(instead)));
        let _ = writeln!(
            out,
            "<tr><td>{place}</td><td>{:.1e}</td><td>{label}{instead}</td><td>{}<br><code>{}</code></td></tr>",
            suspect.p,
            escaped(&suspect.reason),
            suspect.rule
        );
    }
    out.push_str("</table>\n");
    if outcome.suspects.len() > ROWS {
        let _ = writeln!(
            out,
            "<p>{} more rows; JSON has all.</p>",
            outcome.suspects.len() - ROWS
        );
    }
}
