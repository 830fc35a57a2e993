//! SARIF 2.1.0, as code scanning takes it.

use serde_json::{Value, json};

use crate::{
    finding::{Finding, Report, Verdict},
    rule,
};

/// The reports as one run.
#[must_use]
pub fn sarif(reports: &[Report]) -> Value {
    let rules: Vec<Value> = rule::ALL
        .iter()
        .map(|rule| {
            let tags = rule
                .cwe
                .iter()
                .map(|number| format!("external/cwe/cwe-{number}"))
                .chain(rule.cve.iter().map(|cve| (*cve).to_owned()))
                .chain(
                    rule.atlas
                        .iter()
                        .map(|technique| format!("external/atlas/{technique}")),
                );
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "help": { "text": rule.remedy },
                "properties": { "tags": tags.collect::<Vec<_>>() },
            })
        })
        .collect();
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|report| &report.findings)
        .map(result)
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "bartizan", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.severity {
        Verdict::Malicious => "error",
        Verdict::Suspicious | Verdict::Unknown => "warning",
        Verdict::Clean => "note",
    };
    let inside = match finding.place.member.as_str() {
        "" => String::new(),
        member => format!(" (in `{member}`)"),
    };
    // Code scanning shows nothing without a line; files that have none are one line.
    let mut region = json!({ "startLine": 1, "byteOffset": finding.place.offset });
    if let (Some(length), Some(region)) = (finding.place.length, region.as_object_mut()) {
        region.insert("byteLength".to_owned(), json!(length));
    }
    let mut value = json!({
        "ruleId": finding.rule.id,
        "level": level,
        "message": { "text": format!("{}{inside}", finding.what) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(&finding.place.file) }, "region": region },
            "logicalLocations": [{ "fullyQualifiedName": finding.place.path() }],
        }],
        "partialFingerprints": { "bartizan/v1": finding.fingerprint() },
        "occurrenceCount": finding.count,
        "properties": { "severity": finding.severity, "subject": finding.subject, "cwe": finding.told().cwe },
    });
    if let (Some(why), Some(value)) = (&finding.covered, value.as_object_mut()) {
        value.insert(
            "suppressions".to_owned(),
            json!([{ "kind": "external", "justification": why }]),
        );
    }
    value
}

/// A path as a relative reference: what a URI can't hold is encoded.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
