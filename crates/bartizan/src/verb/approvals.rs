//! `approvals list|show|allow|deny|revoke|watch`. What an agent wrote is shown as the gateway escaped it.

use std::{collections::BTreeSet, io::Write, time::Duration};

use anstyle::{AnsiColor, Style};
use bartizan_types::Timestamp;
use http::Method;
use serde_json::{Value, json};

use super::{text, time};
use crate::{
    cli::{Allow, Approvals, Global, ScopeWord},
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

/// How often `watch` looks.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, approvals: &Approvals) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    match approvals {
        Approvals::List => {
            let answer = link.read("/v1/approvals").await?;
            out.emit(&answer, |out| list(out, &answer))?;
        }
        Approvals::Show { id } => {
            let answer = link.read(&format!("/v1/approvals/{}", encode(id))).await?;
            out.emit(&answer, |out| show(out, &answer))?;
        }
        Approvals::Allow(allow) => {
            let body = allowing(allow)?;
            answer(&link, out, &allow.id, "allow", &body).await?;
        }
        Approvals::Deny { id, all_like } => {
            answer(&link, out, id, "deny", &json!({ "all_like": all_like })).await?;
        }
        Approvals::Revoke { id } => {
            let path = format!("/v1/endorsements/{}", encode(id));
            let answer = link.ask(&Method::DELETE, &path, Vec::new()).await?;
            out.emit(&answer, |out| {
                writeln!(out, "revoked {}", text(&answer["revoked"]))
            })?;
        }
        Approvals::Watch => watch(&link, out).await?,
    }
    link.close().await?;
    Ok(Exit::Done)
}

/// The body of a yes.
fn allowing(allow: &Allow) -> Result<Value, Failure> {
    let scope = match (&allow.until, allow.scope) {
        (Some(_), _) => "until",
        (None, ScopeWord::Once) => "once",
        (None, ScopeWord::Task) => "task",
    };
    let until = match &allow.until {
        None => None,
        Some(said) => Some(Timestamp::parse(said).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{}` is no date", said.escape_debug()))
                .hint("such as `2026-12-01`, or `2026-12-01T18:00:00Z`")
        })?),
    };
    let mut body = json!({ "scope": scope, "roles": allow.roles, "all_like": allow.all_like });
    if let Some(until) = until {
        body["until"] = json!(until);
    }
    Ok(body)
}

async fn answer(link: &Link, out: Output, id: &str, word: &str, body: &Value) -> Result<(), Failure> {
    let path = format!("/v1/approvals/{}/{word}", encode(id));
    let answer = link
        .ask(&Method::POST, &path, body.to_string().into_bytes())
        .await?;
    out.emit(&answer, |out| {
        for one in array(&answer["answered"]) {
            let why = one["why"]
                .as_str()
                .map_or_else(String::new, |why| format!(": {why}"));
            writeln!(out, "{} {}{why}", text(&one["state"]), text(&one["id"]))?;
            for given in array(&one["endorsements"]) {
                writeln!(
                    out,
                    "  endorsement {} of {} `{}` until {}",
                    text(&given["id"]),
                    text(&given["role"]),
                    text(&given["argument"]),
                    time(&given["until"])
                )?;
            }
        }
        Ok(())
    })
}

fn list(out: &mut dyn Write, answer: &Value) -> std::io::Result<()> {
    let rows: Vec<_> = array(&answer["approvals"]).map(row).collect();
    table(out, HEADER, &rows)?;
    let given: Vec<_> = array(&answer["endorsements"])
        .map(|one| {
            vec![
                text(&one["id"]),
                text(&one["agent"]),
                format!("{}/{}", text(&one["server"]), text(&one["tool"])),
                format!("{} {}", text(&one["role"]), text(&one["argument"])),
                if one["session"].is_null() { "agent" } else { "task" }.to_owned(),
                time(&one["until"]),
            ]
        })
        .collect();
    if !given.is_empty() {
        writeln!(out)?;
        table(
            out,
            &["ENDORSEMENT", "AGENT", "TOOL", "ARGUMENT", "FOR", "UNTIL"],
            &given,
        )?;
    }
    for one in array(&answer["dropped"]) {
        writeln!(
            out,
            "\nagent `{}` asked too much: {} more questions were dropped",
            text(&one["agent"]),
            text(&one["count"])
        )?;
    }
    Ok(())
}

const HEADER: &[&str] = &[
    "APPROVAL", "STATE", "AGENT", "TOOL", "EFFECT", "ASKED", "TIMES", "EXPIRES",
];

fn row(one: &Value) -> Vec<String> {
    vec![
        text(&one["id"]),
        text(&one["state"]),
        text(&one["agent"]),
        format!("{}/{}", text(&one["server"]), text(&one["tool"])),
        text(&one["effect"]),
        time(&one["asked"]),
        text(&one["count"]),
        time(&one["expires"]),
    ]
}

fn show(out: &mut dyn Write, one: &Value) -> std::io::Result<()> {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let user = one["user"]
        .as_str()
        .map_or_else(String::new, |user| format!(" for user `{user}`"));
    writeln!(
        out,
        "{bold}{}/{}{bold:#}  {}, asked by agent `{}`{user}, {} time(s)",
        text(&one["server"]),
        text(&one["tool"]),
        text(&one["effect"]),
        text(&one["agent"]),
        text(&one["count"])
    )?;
    writeln!(
        out,
        "{}, {} of {} said yes, until {}",
        text(&one["state"]),
        if one["state"] == "denied" {
            0
        } else {
            array(&one["by"]).count()
        },
        text(&one["needs"]),
        time(&one["expires"])
    )?;
    arguments(out, one)?;
    writeln!(out, "\n{bold}unusual{bold:#}")?;
    for unusual in array(&one["unusual"]) {
        writeln!(out, "  {red}{}{red:#}", text(&unusual["says"]))?;
    }
    writeln!(out, "\n{bold}asked because{bold:#}")?;
    for policy in array(&one["because"]) {
        writeln!(out, "  {}: {}", text(&policy["policy"]), text(&policy["reason"]))?;
    }
    writeln!(
        out,
        "\n{dim}call {}, bound to {}{dim:#}",
        text(&one["call"]),
        text(&one["binding"])
    )?;
    if one["state"] == "waiting" {
        let id = text(&one["id"]);
        writeln!(
            out,
            "{green}bartizan approvals allow {id}{green:#}  or  {red}bartizan approvals deny {id}{red:#}"
        )?;
    }
    Ok(())
}

/// The call, and where each value came from.
fn arguments(out: &mut dyn Write, one: &Value) -> std::io::Result<()> {
    let (bold, red) = (Style::new().bold(), AnsiColor::Red.on_default());
    writeln!(
        out,
        "\n{bold}arguments{bold:#}, as they go out ({} bytes)",
        text(&one["bytes"])
    )?;
    writeln!(out, "  {}\n", text(&one["wire"]))?;
    if let Some(beside) = one["beside"].as_str().filter(|beside| !beside.is_empty()) {
        writeln!(out, "{bold}beside them{bold:#}\n  {beside}\n")?;
    }
    let mut rows = Vec::new();
    for argument in array(&one["arguments"]) {
        let mut value = text(&argument["value"]);
        if let Some(other) = argument["goes_out"].as_str() {
            value = format!("{value} → {other}");
        }
        let from = text(&argument["source"]);
        let from = if argument["vouched"] == true {
            from
        } else {
            format!("{from} !")
        };
        rows.push(vec![
            text(&argument["path"]),
            text(&argument["role"]),
            from,
            value,
        ]);
    }
    table(out, &["ARGUMENT", "ROLE", "FROM", "VALUE"], &rows)?;
    for argument in array(&one["arguments"]).filter(|argument| argument["like"].is_object()) {
        let like = &argument["like"];
        writeln!(
            out,
            "{red}{} {} {}{red:#} ({})",
            text(&argument["path"]),
            text(&like["says"]),
            text(&like["value"]),
            text(&like["source"])
        )?;
    }
    if one["more"].as_u64().is_some_and(|more| more > 0) {
        writeln!(out, "{red}{} more that are not shown{red:#}", text(&one["more"]))?;
    }
    Ok(())
}

/// Prints questions that wait, each once.
async fn watch(link: &Link, out: Output) -> Result<(), Failure> {
    if !matches!(link, Link::Live(_)) {
        return Err(Failure::new(
            Exit::NotRunning,
            "no gateway runs on this state, so nothing is asked",
        )
        .hint("start one with `bartizan up`"));
    }
    let mut seen = BTreeSet::new();
    let stop = crate::up::told_to_stop();
    tokio::pin!(stop);
    loop {
        let answer = link.read("/v1/approvals").await?;
        let waiting: Vec<&Value> = array(&answer["approvals"])
            .filter(|one| one["state"] == "waiting")
            .collect();
        // What no longer waits need not be remembered.
        seen.retain(|id: &String| waiting.iter().any(|one| text(&one["id"]) == *id));
        for one in waiting {
            if seen.insert(text(&one["id"])) {
                out.emit(one, |out| show(out, one))?;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = &mut stop => return Ok(()),
        }
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
