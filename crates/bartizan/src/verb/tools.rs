//! `tools list|show|review|diff|approve`.

mod review;
mod show;

use anstyle::AnsiColor;
use http::Method;
use serde_json::{Value, json};

use super::{text, time};
use crate::{
    cli::{Global, Tools},
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, tools: &Tools) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let exit = match tools {
        Tools::List => {
            let (tools, labels) = (link.read("/v1/tools").await?, link.read("/v1/manifests").await?);
            list(out, &tools, &labels)?;
            Exit::Done
        }
        Tools::Show { tool } => {
            show::run(out, &link, tool.as_deref()).await?;
            Exit::Done
        }
        Tools::Review(review) => review::run(out, &link, review).await?,
        Tools::Diff { server } => {
            let mut answer = link.read("/v1/tools/diff").await?;
            if let (Some(server), Some(changes)) = (server, answer["changes"].as_array_mut()) {
                changes.retain(|change| change["server"] == server.as_str());
            }
            if array(&answer["changes"]).next().is_none() {
                out.remark("nothing differs from its pin");
            }
            out.emit(&answer, |out| {
                let yellow = AnsiColor::Yellow.on_default();
                for change in array(&answer["changes"]) {
                    writeln!(
                        out,
                        "{yellow}{}/{}{yellow:#}",
                        text(&change["server"]),
                        text(&change["item"])
                    )?;
                    for line in array(&change["changes"]) {
                        writeln!(out, "  {}", text(line))?;
                    }
                }
                Ok(())
            })?;
            Exit::Done
        }
        Tools::Approve { server, items } => {
            let answer = approve(&link, server, items).await?;
            out.emit(&answer, |out| {
                for item in array(&answer["approved"]) {
                    writeln!(out, "approved {server}/{}", text(item))?;
                }
                Ok(())
            })?;
            Exit::Done
        }
    };
    link.close().await?;
    Ok(exit)
}

/// What is pinned, and how the labels of each tool stand: approving a definition and accepting its labels are two acts.
fn list(out: Output, answer: &Value, labels: &Value) -> Result<(), Failure> {
    let standing = |pinned: &Value| {
        let mut all = array(&labels["manifests"]);
        let of = all.find(|one| one["server"] == pinned["server"] && one["tool"] == pinned["name"]);
        of.filter(|_| pinned["kind"] == "tool")
            .map_or_else(|| "–".to_owned(), |one| text(&one["standing"]))
    };
    let rows: Vec<_> = array(&answer["tools"])
        .map(|tool| {
            vec![
                text(&tool["server"]),
                text(&tool["item"]),
                text(&tool["state"]),
                standing(tool),
                time(&tool["first_seen"]),
            ]
        })
        .collect();
    out.emit(answer, |out| {
        table(out, &["SERVER", "ITEM", "PIN", "LABELS", "FIRST SEEN"], &rows)
    })
}

/// Approves what the listing shows now; a server that changes its mind in between is not approved.
async fn approve(link: &Link, server: &str, items: &[String]) -> Result<Value, Failure> {
    let listed = link.read("/v1/tools").await?;
    let changes = link.read("/v1/tools/diff").await?;
    let mut wanted = Vec::new();
    for tool in array(&listed["tools"]).filter(|tool| tool["server"] == server) {
        let item = text(&tool["item"]);
        let named = items.is_empty()
            || items
                .iter()
                .any(|name| *name == item || tool["name"] == name.as_str());
        if !named || (items.is_empty() && tool["state"] == "approved") {
            continue;
        }
        let change = array(&changes["changes"])
            .find(|change| change["server"] == server && change["item"] == tool["item"]);
        let digest = change.map_or(&tool["digest"], |change| &change["digest"]);
        wanted.push(json!({ "item": item, "digest": digest }));
    }
    if wanted.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("`{server}` has nothing of that name to approve"),
        )
        .hint("`bartizan tools list` shows what is pinned"));
    }
    let body = json!({ "server": server, "items": wanted });
    link.ask(&Method::POST, "/v1/tools/approve", body.to_string().into_bytes())
        .await
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is(tool: &Value, name: &str) -> bool {
    let (server, item) = (text(&tool["server"]), text(&tool["item"]));
    format!("{server}/{item}") == name || format!("{server}/{}", text(&tool["name"])) == name
}
