//! Notebooks. Opening one shows its outputs and its words; running one is up to a reader, who reads it first. A tutorial is
//! harmless; code that hides what it runs, and scripts in what is shown, are not.

use crate::{
    encoding,
    finding::{Verdict, shown},
    json::Json,
    packages, page, python, rule,
    scan::Scan,
    shell, values,
};

/// Judges a notebook.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json, cells: &[Json]) {
    for (number, cell) in cells.iter().enumerate() {
        let source = joined(cell.get("source").or_else(|| cell.get("input")));
        match cell.get("cell_type").and_then(Json::text) {
            Some("code") => code(scan, number, &source),
            _ => shows(scan, number, "text/markdown", &source),
        }
        let Some(Json::List(outputs)) = cell.get("outputs") else {
            continue;
        };
        for output in outputs {
            if let Some(Json::Object(kinds)) = output.get("data") {
                for (kind, value) in kinds {
                    shows(scan, number, kind, &joined(Some(value)));
                }
            }
        }
    }
    if let Some(metadata) = json.get("metadata") {
        metadata.walk("metadata", &mut |key, value| {
            if let Some(text) = value.text() {
                values::judge(scan, 0, key, text);
            }
        });
    }
}

/// A text that may be a list of its lines.
fn joined(value: Option<&Json>) -> String {
    match value {
        Some(Json::Text(text)) => text.clone(),
        Some(Json::List(lines)) => lines.iter().filter_map(Json::text).collect(),
        _ => String::new(),
    }
}

fn tell(scan: &mut Scan<'_>, cell: usize, severity: Verdict, text: &str, why: &str) {
    let subject = format!("cell {cell}");
    let what = format!("{subject} {why}: `{}`", shown(text.trim().as_bytes(), 100));
    scan.find(&rule::NOTEBOOK, severity, 0, &subject, what);
}

fn code(scan: &mut Scan<'_>, number: usize, source: &str) {
    let magic = source.lines().next().unwrap_or_default();
    let page_magic = ["%%html", "%%javascript", "%%js", "%%svg"]
        .iter()
        .any(|word| magic.starts_with(word));
    if page_magic {
        let body = source.split_once('\n').map_or("", |(_, body)| body);
        return match magic.starts_with("%%html") || magic.starts_with("%%svg") {
            true => shows(scan, number, "text/html", body),
            false => shows(scan, number, "application/javascript", body),
        };
    }
    for (line, (why, severity)) in python::within(source) {
        let text = source.lines().nth(line).unwrap_or_default();
        tell(scan, number, severity, text, why);
    }
    let whole = [
        "%%bash",
        "%%sh",
        "%%script",
        "%%cmd",
        "%%perl",
        "%%ruby",
        "%%powershell",
    ]
    .iter()
    .any(|word| magic.starts_with(word));
    let mut commands = String::new();
    for line in source.lines() {
        let trimmed = line.trim_start();
        let command = trimmed
            .strip_prefix(['!', '%'])
            .filter(|_| !trimmed.starts_with("%%"))
            .map(|rest| rest.trim_start_matches(['!', '%', ' ']))
            .map(|rest| {
                rest.strip_prefix("sx ")
                    .or_else(|| rest.strip_prefix("system "))
                    .unwrap_or(rest)
            });
        if let Some(command) = command.or_else(|| whole.then_some(trimmed)) {
            commands.push_str(command);
            packages::command(scan, number as u64, command);
        }
        commands.push('\n');
    }
    for (at, (why, severity)) in shell::all(&commands) {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let text = commands
            .get(from..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        tell(scan, number, severity, text, why);
    }
    encoding::judge(scan, number as u64, &format!("cell {number}"), source);
}

/// Words or an output, by what it is shown as.
fn shows(scan: &mut Scan<'_>, number: usize, kind: &str, text: &str) {
    let cell = format!("cell {number} ({})", shown(kind.as_bytes(), 60));
    match kind {
        "application/javascript" | "text/javascript" => page::script(scan, &cell, text),
        "text/html" | "image/svg+xml" | "text/markdown" | "text/latex" => page::value(scan, 0, &cell, text),
        _ => {}
    }
}
