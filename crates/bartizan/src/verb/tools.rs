//! `tools list|show|review|diff|approve`.

mod diff;
mod review;
mod show;

use http::Method;
use serde_json::{Value, json};

use self::show::joined;
use super::{safe, text, time};
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
            diff::run(out, &link, server.as_deref()).await?;
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
    let of: Vec<&Value> = array(&listed["tools"])
        .filter(|tool| tool["server"] == server)
        .collect();
    let mut chosen: Vec<&Value> = Vec::new();
    if items.is_empty() {
        chosen.extend(of.iter().copied().filter(|tool| tool["state"] != "approved"));
    }
    for name in items {
        let one = meant(&of, server, name)?;
        if !chosen.iter().any(|chosen| chosen["item"] == one["item"]) {
            chosen.push(one);
        }
    }
    if chosen.is_empty() {
        return Err(nothing(server));
    }
    let wanted: Vec<Value> = chosen
        .into_iter()
        .map(|tool| {
            let change = array(&changes["changes"])
                .find(|change| change["server"] == server && change["item"] == tool["item"]);
            let digest = change.map_or(&tool["digest"], |change| &change["digest"]);
            json!({ "item": tool["item"], "digest": digest })
        })
        .collect();
    let body = json!({ "server": server, "items": wanted });
    link.ask(&Method::POST, "/v1/tools/approve", body.to_string().into_bytes())
        .await
}

/// The one pinned thing of a server that a name means: as `tools list` shows it, with its server before it, or by its
/// own name. What has none of its own is called by its kind: `identity`, `instructions`, `package`.
fn meant<'v>(of: &[&'v Value], server: &str, name: &str) -> Result<&'v Value, Failure> {
    if let Some(exact) = of.iter().copied().find(|tool| tool["item"] == name) {
        return Ok(exact);
    }
    let fits = |tool: &&Value| is(tool, name) || joined(tool, "name") == name || own(tool) == name;
    let mut found = of.iter().copied().filter(fits);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(Failure::new(
            Exit::Usage,
            format!(
                "`{server}` has more than one thing that is called `{}`",
                safe(name)
            ),
        )
        .hint(format!(
            "name one as `bartizan tools list` does: `{}`, `{}`",
            safe(&text(&one["item"])),
            safe(&text(&other["item"]))
        ))),
        (None, _) => Err(nothing(server)),
    }
}

fn nothing(server: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("`{server}` has nothing of that name to approve"),
    )
    .hint("`bartizan tools list` shows what is pinned")
}

/// The name of a pinned thing, or its kind where a server has only one of it.
fn own(tool: &Value) -> String {
    match text(&tool["name"]) {
        none if none.is_empty() => text(&tool["kind"]),
        name => name,
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is(tool: &Value, name: &str) -> bool {
    let (server, item) = (text(&tool["server"]), text(&tool["item"]));
    format!("{server}/{item}") == name || format!("{server}/{}", text(&tool["name"])) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thing_is_named_as_it_is_shown_or_by_what_is_natural() {
        let pinned = |kind: &str, name: &str| json!({ "server": "alpha", "item": format!("{kind}:{name}"), "kind": kind, "name": name });
        let all = [
            pinned("identity", ""),
            pinned("package", ""),
            pinned("tool", "pay"),
            pinned("prompt", "pay"),
            pinned("tool", "wipe"),
            pinned("tool", "package"),
        ];
        let of: Vec<&Value> = all.iter().collect();
        for (name, item) in [
            ("identity", "identity:"),
            ("identity:", "identity:"),
            ("alpha/identity:", "identity:"),
            ("package:", "package:"),
            ("wipe", "tool:wipe"),
            ("alpha__wipe", "tool:wipe"),
            ("alpha/wipe", "tool:wipe"),
            ("prompt:pay", "prompt:pay"),
        ] {
            assert_eq!(meant(&of, "alpha", name).unwrap()["item"], item, "{name}");
        }
        // A yes is never to more than was meant, and never to a tool that calls itself like something else.
        for name in ["pay", "package"] {
            assert_eq!(
                meant(&of, "alpha", name).unwrap_err().exit(),
                Exit::Usage,
                "{name}"
            );
        }
        assert_eq!(meant(&of, "alpha", "nobody").unwrap_err().exit(), Exit::NotFound);
    }
}
