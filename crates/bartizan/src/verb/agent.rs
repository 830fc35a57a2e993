//! `agent add|list|revoke`.

use anstyle::{AnsiColor, Style};
use http::Method;
use serde_json::json;

use super::{text, time};
use crate::{
    cli::{Agent, Global},
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, agent: &Agent) -> Result<Exit, Failure> {
    let link = Link::connect(
        global,
        if matches!(agent, Agent::Add { .. }) {
            Absent::Make
        } else {
            Absent::Fail
        },
    )?;
    match agent {
        Agent::Add {
            name,
            user,
            groups,
            expires_days,
        } => {
            let body = json!({ "name": name, "user": user, "groups": groups, "expires_days": expires_days });
            let answer = link
                .ask(&Method::POST, "/v1/agents", body.to_string().into_bytes())
                .await?;
            out.emit(&answer, |out| {
                let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
                writeln!(out, "{bold}{}{bold:#}", text(&answer["key"]))?;
                writeln!(
                    out,
                    "{dim}the key of `{}`, shown this once and kept nowhere{dim:#}",
                    text(&answer["agent"])
                )
            })?;
        }
        // Has a file of its own; it may need no state at all.
        Agent::Delegate(_) => {}
        Agent::List => {
            let answer = link.read("/v1/agents").await?;
            let rows: Vec<_> = answer["keys"].as_array().into_iter().flatten().map(row).collect();
            out.emit(&answer, |out| {
                table(
                    out,
                    &["AGENT", "KEY", "STATE", "USER", "GROUPS", "CREATED", "EXPIRES"],
                    &rows,
                )
            })?;
        }
        Agent::Revoke { key } => {
            let answer = link
                .ask(
                    &Method::DELETE,
                    &format!("/v1/agents/{}", encode(key)),
                    Vec::new(),
                )
                .await?;
            let green = AnsiColor::Green.on_default();
            out.emit(&answer, |out| {
                for key in answer["revoked"].as_array().into_iter().flatten() {
                    writeln!(out, "{green}revoked{green:#} {}", text(key))?;
                }
                Ok(())
            })?;
        }
    }
    link.close().await?;
    Ok(Exit::Done)
}

fn row(key: &serde_json::Value) -> Vec<String> {
    let groups: Vec<_> = key["groups"].as_array().into_iter().flatten().map(text).collect();
    vec![
        text(&key["agent"]),
        text(&key["prefix"]),
        text(&key["state"]),
        text(&key["user"]),
        if groups.is_empty() {
            "–".to_owned()
        } else {
            groups.join(",")
        },
        time(&key["created"]),
        time(&key["expires"]),
    ]
}
