//! `budget list|show|reset`.

use http::Method;
use serde_json::{Value, json};

use super::text;
use crate::{
    cli::{Budget, Global},
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, budget: &Budget) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    match budget {
        Budget::List => {
            let answer = link.read("/v1/budgets").await?;
            let rows: Vec<_> = answer["budgets"]
                .as_array()
                .into_iter()
                .flatten()
                .map(row)
                .collect();
            let head = [
                "BUDGET",
                "COUNTS",
                "LIMIT",
                "WINDOW",
                "PER",
                "ONLY",
                "USED MOST",
                "COUNTERS",
            ];
            out.emit(&answer, |out| table(out, &head, &rows))?;
        }
        Budget::Show { name } => {
            let answer = link.read(&format!("/v1/budgets/{}", encode(name))).await?;
            let rows: Vec<_> = answer["counters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|line| {
                    let of = line["of"].as_str().filter(|of| !of.is_empty()).unwrap_or("all");
                    vec![
                        of.to_owned(),
                        text(&line["used"]),
                        text(&line["reserved"]),
                        text(&line["limit"]),
                    ]
                })
                .collect();
            out.emit(&answer, |out| {
                table(out, &["WHOSE", "USED", "OF THAT SET ASIDE", "LIMIT"], &rows)
            })?;
        }
        Budget::Reset { name, of } => {
            let body = json!({ "of": of }).to_string().into_bytes();
            let path = format!("/v1/budgets/{}/reset", encode(name));
            let answer = link.ask(&Method::POST, &path, body).await?;
            out.emit(&answer, |out| {
                writeln!(out, "{} counters of `{name}` begin anew", text(&answer["reset"]))
            })?;
        }
    }
    link.close().await?;
    Ok(Exit::Done)
}

fn row(budget: &Value) -> Vec<String> {
    let list = |value: &Value| {
        let words: Vec<String> = value.as_array().into_iter().flatten().map(text).collect();
        if words.is_empty() {
            "–".to_owned()
        } else {
            words.join(",")
        }
    };
    let window = match budget["window_seconds"].as_u64() {
        Some(seconds) => format!("{} {seconds} s", text(&budget["window"])),
        None => text(&budget["window"]),
    };
    let enforced = if budget["enforce"] == json!(false) {
        " (watches)"
    } else {
        ""
    };
    vec![
        text(&budget["name"]),
        format!("{}{enforced}", text(&budget["meter"])),
        text(&budget["limit"]),
        window,
        list(&budget["per"]),
        list(&budget["only"]),
        text(&budget["used_most"]),
        text(&budget["counters"]),
    ]
}
