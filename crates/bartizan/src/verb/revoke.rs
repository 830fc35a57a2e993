//! `revoke WHAT`, `revoke list|lift`.

use anstyle::AnsiColor;
use http::Method;
use serde_json::{Value, json};

use super::{text, time};
use crate::{
    cli::{Global, Revoke, RevokeVerb},
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, revoke: &Revoke) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    match &revoke.verb {
        Some(RevokeVerb::List) => {
            let answer = link.read("/v1/revocations").await?;
            let rows: Vec<_> = answer["revocations"]
                .as_array()
                .into_iter()
                .flatten()
                .map(row)
                .collect();
            let head = ["ID", "WHAT", "STATE", "SINCE", "UNTIL", "BY", "REASON"];
            out.emit(&answer, |out| table(out, &head, &rows))?;
        }
        Some(RevokeVerb::Lift { id }) => {
            let path = format!("/v1/revocations/{}", encode(id));
            let answer = link.ask(&Method::DELETE, &path, Vec::new()).await?;
            out.emit(&answer, |out| writeln!(out, "lifted {}", text(&answer["what"])))?;
        }
        None => {
            let body = json!({
                "what": revoke.what, "until": revoke.until, "reason": revoke.reason,
            });
            let answer = link
                .ask(&Method::POST, "/v1/revocations", body.to_string().into_bytes())
                .await?;
            let red = AnsiColor::Red.on_default();
            out.emit(&answer, |out| {
                writeln!(
                    out,
                    "{red}revoked{red:#} {} ({}); `bartizan revoke lift {}` takes it back",
                    text(&answer["what"]),
                    until(&answer["until"]),
                    text(&answer["id"])
                )
            })?;
        }
    }
    link.close().await?;
    Ok(Exit::Done)
}

fn until(value: &Value) -> String {
    if value.is_null() {
        "until it is lifted".to_owned()
    } else {
        format!("until {}", time(value))
    }
}

fn row(one: &Value) -> Vec<String> {
    vec![
        text(&one["id"]),
        text(&one["what"]),
        text(&one["state"]),
        time(&one["since"]),
        time(&one["until"]),
        text(&one["by"]),
        text(&one["reason"]),
    ]
}
