//! The answer as SARIF 2.1.0: a result for each finding, and a notification for each file of which some went unseen, so
//! that a run without results is no clean one.

use std::collections::BTreeMap;

use bartizan_inspect::{Seen, taxonomy};
use bartizan_types::{FindingKind, Severity};
use serde_json::{Map, Value, json};

use super::{Looked, place};

/// All files as one run.
pub(super) fn sarif(looked: &[Looked]) -> Value {
    let results: Vec<Value> = looked
        .iter()
        .flat_map(|looked| looked.report.seen.iter().map(|seen| result(looked, seen)))
        .collect();
    let rules: BTreeMap<String, FindingKind> = looked
        .iter()
        .flat_map(|looked| &looked.report.seen)
        .map(|seen| (id(seen), seen.kind))
        .collect();
    let rules: Vec<Value> = rules.into_iter().map(|(id, kind)| rule(&id, kind)).collect();
    let notes: Vec<Value> = looked.iter().filter_map(note).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "bartizan inspect", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "invocations": [{ "executionSuccessful": notes.is_empty(), "toolExecutionNotifications": notes }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn id(seen: &Seen) -> String {
    format!("{}/{}", seen.kind.as_str(), seen.what)
}

fn uri(looked: &Looked) -> String {
    looked.path.display().to_string()
}

fn result(looked: &Looked, seen: &Seen) -> Value {
    let level = match seen.severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        _ => "note",
    };
    let mut location = json!({ "artifactLocation": { "uri": uri(looked) } });
    // Places of a document are those of its text, and no places of the file.
    if let Some(location) = location.as_object_mut().filter(|_| looked.document.is_none()) {
        location.insert("region".to_owned(), region(&looked.bytes, &seen.span));
    }
    let mut properties = Map::new();
    properties.insert("score".to_owned(), json!(seen.score));
    properties.insert("form".to_owned(), json!(seen.form.as_str()));
    if let Some(above) = seen.above {
        properties.insert("above_threshold".to_owned(), json!(above));
    }
    let mut message = format!("{}: {}", about(seen.kind), seen.what);
    if looked.document.is_some() {
        let (line, column) = place(&looked.bytes, seen.span.start);
        message.push_str(&format!(", at {line}:{column} of the text in the document"));
    }
    json!({
        "ruleId": id(seen),
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": location }],
        "properties": properties,
    })
}

fn region(bytes: &[u8], span: &std::ops::Range<usize>) -> Value {
    let (line, column) = place(bytes, span.start);
    let (last_line, last_column) = place(bytes, span.end);
    json!({
        "startLine": line, "startColumn": column, "endLine": last_line, "endColumn": last_column,
        "byteOffset": span.start, "byteLength": span.len(),
    })
}

fn rule(id: &str, kind: FindingKind) -> Value {
    let tags = taxonomy(kind);
    let mut rule = json!({
        "id": id,
        "shortDescription": { "text": about(kind) },
        "properties": { "tags": tags },
    });
    let technique = tags.iter().find(|tag| tag.starts_with("AML."));
    if let (Some(rule), Some(technique)) = (rule.as_object_mut(), technique) {
        let at = format!("https://atlas.mitre.org/techniques/{technique}");
        rule.insert("helpUri".to_owned(), json!(at));
    }
    rule
}

/// What a finding of a kind is, for whoever reads it first there.
const fn about(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Injection => "Text that gives orders to whoever reads it",
        FindingKind::HiddenText => "Text written so that people do not see it",
        FindingKind::Secret => "A key, a token or a password",
        FindingKind::PersonalData => "Personal data",
        FindingKind::ExfiltrationAddress => "An address that would carry data away",
        FindingKind::Canary => "A planted value",
        _ => "A finding",
    }
}

/// What is said of a file of which some went unseen.
fn note(looked: &Looked) -> Option<Value> {
    let text = looked.unseen()?;
    Some(json!({
        "level": "warning",
        "message": { "text": text },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(looked) } } }],
        "descriptor": { "id": "incomplete" },
    }))
}
