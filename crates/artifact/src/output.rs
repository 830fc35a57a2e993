//! Findings as others read them: JSON, SARIF 2.1.0, JUnit, HTML. Every text of a file is escaped: it is an attacker's.

mod data;
mod html;
mod junit;
mod sarif;

use serde_json::{Value, json};

pub use data::{data_html, data_json};
pub use html::html;
pub use junit::junit;
pub use sarif::sarif;

use crate::finding::{Finding, Report, Verdict};

/// The worst verdict of several files.
#[must_use]
pub fn worst(reports: &[Report]) -> Verdict {
    reports
        .iter()
        .map(|report| report.verdict)
        .max()
        .unwrap_or(Verdict::Clean)
}

/// One value: verdict, files, findings with their rule's ids.
#[must_use]
pub fn json(reports: &[Report]) -> Value {
    let files: Vec<Value> = reports
        .iter()
        .map(|report| {
            let findings: Vec<Value> = report.findings.iter().map(finding).collect();
            json!({
                "file": report.file, "bytes": report.bytes, "format": report.format, "verdict": report.verdict,
                "members": report.members, "opcodes": report.opcodes, "findings": findings,
            })
        })
        .collect();
    json!({ "version": 1, "verdict": worst(reports), "files": files })
}

fn finding(finding: &Finding) -> Value {
    serde_json::to_value(finding.told()).unwrap_or(Value::Null)
}

/// Text for XML and HTML. What neither can hold becomes a mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            letter
                if letter.is_control()
                    || matches!(letter, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.push('\u{fffd}');
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Baseline, Limits, Suppression, cover, model};

    fn reports() -> Vec<Report> {
        let evil = b"\x80\x04cos\nsystem\n(X\x1b\x00\x00\x00<script>alert(\"&\")</script>tR.".to_vec();
        vec![
            model("dir/<b>.pkl", &evil, &Limits::default()),
            model("good.pkl", &b"\x80\x04N.".to_vec(), &Limits::default()),
        ]
    }

    #[test]
    fn no_output_holds_markup_of_the_file() {
        let reports = reports();
        for text in [html(&reports), junit(&reports)] {
            assert!(
                !text.contains("<script>alert") && !text.contains("<b>.pkl"),
                "{text}"
            );
            assert!(text.contains("&lt;b&gt;.pkl"));
        }
    }

    #[test]
    fn outputs_say_rule_place_and_taxonomy() {
        let reports = reports();
        let value = json(&reports);
        let finding = &value["files"][0]["findings"][0];
        assert_eq!(finding["rule"], "pickle/dangerous-import");
        assert_eq!(finding["at"]["offset"], 2);
        assert_eq!(finding["cwe"][0], "CWE-502");
        assert_eq!(value["verdict"], "malicious");
        assert_eq!(value["files"][1]["verdict"], "clean");
        let log = sarif(&reports);
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "pickle/dangerous-import");
        assert_eq!(result["level"], "error");
        assert_eq!(
            result["locations"][0]["physicalLocation"]["region"]["byteOffset"],
            2
        );
        assert!(junit(&reports).contains("tests=\"2\" failures=\"1\""));
    }

    /// What the schema of SARIF 2.1.0 requires and allows of the parts that we write.
    #[test]
    fn sarif_is_of_its_schema() {
        let mut reports = reports();
        let baseline = Baseline::of(&reports);
        cover(&mut reports, &baseline, &[], "2026-01-01");
        reports.extend(self::reports());
        let log = sarif(&reports);
        let only = |value: &serde_json::Value, allowed: &[&str]| {
            let keys = value.as_object().expect("an object").keys();
            for key in keys {
                assert!(allowed.contains(&key.as_str()), "`{key}` is no property there");
            }
        };
        only(&log, &["$schema", "version", "runs"]);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        only(run, &["tool", "results", "columnKind"]);
        let driver = &run["tool"]["driver"];
        only(driver, &["name", "version", "rules"]);
        let rules = driver["rules"].as_array().expect("rules");
        let ids: std::collections::HashSet<_> = rules.iter().map(|rule| rule["id"].as_str()).collect();
        assert_eq!(ids.len(), rules.len());
        for rule in rules {
            only(rule, &["id", "shortDescription", "help", "properties"]);
            assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
        }
        let results = run["results"].as_array().expect("results");
        assert!(results.iter().any(|result| result.get("suppressions").is_some()));
        for result in results {
            let known = [
                "ruleId",
                "level",
                "message",
                "locations",
                "partialFingerprints",
                "occurrenceCount",
                "properties",
                "suppressions",
            ];
            only(result, &known);
            assert!(ids.contains(&result["ruleId"].as_str()));
            assert!(
                ["none", "note", "warning", "error"].contains(&result["level"].as_str().expect("a level"))
            );
            assert!(
                result["message"]["text"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            assert!(result["occurrenceCount"].as_u64().is_some_and(|count| count >= 1));
            let place = &result["locations"][0]["physicalLocation"];
            only(place, &["artifactLocation", "region"]);
            let uri = place["artifactLocation"]["uri"].as_str().expect("a place");
            assert!(
                uri.bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte)),
                "{uri}"
            );
            assert!(place["region"]["byteOffset"].is_u64());
            assert_eq!(place["region"]["startLine"], 1, "what code scanning requires");
            for print in result["partialFingerprints"]
                .as_object()
                .expect("prints")
                .values()
            {
                assert!(print.is_string());
            }
            for cover in result
                .get("suppressions")
                .and_then(|all| all.as_array())
                .into_iter()
                .flatten()
            {
                assert!(["inSource", "external"].contains(&cover["kind"].as_str().expect("a kind")));
            }
        }
    }

    #[test]
    fn what_is_covered_counts_for_nothing_until_it_ends() {
        let mut known = reports();
        let baseline = Baseline::of(&known);
        cover(&mut known, &baseline, &[], "2026-01-01");
        assert_eq!(worst(&known), Verdict::Clean);
        assert!(!known.iter().all(|report| report.findings.is_empty()));
        let suppression = Suppression {
            rule: "pickle/dangerous-import".to_owned(),
            subject: Some("os.system".to_owned()),
            file: Some("<b>.pkl".to_owned()),
            reason: "a sample of the training course".to_owned(),
            until: "2026-06-30".to_owned(),
        };
        assert_eq!(suppression.fault(), None);
        let mut live = reports();
        assert!(
            cover(
                &mut live,
                &Baseline::default(),
                std::slice::from_ref(&suppression),
                "2026-06-30"
            )
            .is_empty()
        );
        assert_eq!(worst(&live), Verdict::Clean);
        let mut ended = reports();
        assert_eq!(
            cover(
                &mut ended,
                &Baseline::default(),
                std::slice::from_ref(&suppression),
                "2026-07-01"
            )
            .len(),
            1
        );
        assert_eq!(worst(&ended), Verdict::Malicious);
        let lazy = Suppression {
            reason: "ok".to_owned(),
            ..suppression
        };
        assert!(lazy.fault().is_some());
    }
}
