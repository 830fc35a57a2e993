//! `tools review`: an operator accepts what the tools are labelled as.
//!
//! What is accepted is named by the digests that were shown, so a server that changes in between gets no yes.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
};

use glob::Pattern;
use http::Method;
use serde_json::{Value, json};

use super::{
    array,
    show::{joined, manifest},
};
use crate::{cli::Review, exit::Exit, failure::Failure, link::Link, output::Output, verb::text};

/// Tools accepted in one request.
const AT_ONCE: usize = 1000;

/// What a person says to one tool.
enum Said {
    Yes,
    No,
    All,
    Quit,
}

/// Runs the verb.
pub(crate) async fn run(out: Output, link: &Link, review: &Review) -> Result<Exit, Failure> {
    let pattern = review.only.as_deref().map(Pattern::new).transpose();
    let pattern = pattern
        .map_err(|error| Failure::new(Exit::Usage, "the pattern of `--only` is not one").because(error))?;
    let listed = link.read("/v1/manifests").await?;
    let fits = |one: &&Value| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches(&joined(one, "tool")))
    };
    let all: Vec<&Value> = array(&listed["manifests"]).filter(fits).collect();
    let standing = |words: &[&str]| -> Vec<&Value> {
        let is = |one: &&Value| words.iter().any(|word| one["standing"] == *word);
        all.iter().copied().filter(is).collect()
    };
    if review.withdraw {
        return withdraw(out, link, &standing(&["reviewed", "tampered"]), review.yes).await;
    }
    let (pending, drifted) = (standing(&["inferred", "tampered"]), standing(&["drifted"]));
    let chosen = match review.accept_all {
        _ if pending.is_empty() => Vec::new(),
        true => wholesale(out, &pending, review.yes)?,
        // A program that did not say to accept is told what waits.
        false if out.json => Vec::new(),
        false => one_by_one(out, &pending)?,
    };
    let accepted = change(
        link,
        ["accept", "accepted", "items"],
        &chosen,
        |one| json!({ "tool": one["tool"], "definition": one["definition"], "manifest": one["manifest"] }),
    )
    .await?;
    let names = |tools: &[&Value]| tools.iter().map(|one| joined(one, "tool")).collect::<Vec<_>>();
    let left: Vec<_> = names(&pending)
        .into_iter()
        .filter(|name| !accepted.contains(name))
        .collect();
    let drifted = names(&drifted);
    let answer = json!({ "accepted": accepted, "waiting": left, "drifted": drifted });
    out.emit(&answer, |out| {
        for name in &accepted {
            writeln!(out, "accepted {name}")?;
        }
        if !left.is_empty() {
            writeln!(out, "{} of the tools wait for a review", left.len())?;
        }
        for name in &drifted {
            writeln!(out, "{name} differs from its pin: `bartizan tools diff`")?;
        }
        if all.is_empty() {
            writeln!(
                out,
                "no such tool is pinned yet; a server's tools are when it is first used"
            )?;
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Everything that waits, after one question.
fn wholesale<'v>(out: Output, pending: &[&'v Value], yes: bool) -> Result<Vec<&'v Value>, Failure> {
    if yes {
        return Ok(pending.to_vec());
    }
    terminal(out)?;
    for one in pending {
        shown(one)?;
    }
    let question = format!("accept these {} manifests? [y/N] ", pending.len());
    Ok(match asked(&question)? {
        Said::Yes => pending.to_vec(),
        Said::No | Said::All | Said::Quit => Vec::new(),
    })
}

fn one_by_one<'v>(out: Output, pending: &[&'v Value]) -> Result<Vec<&'v Value>, Failure> {
    terminal(out)?;
    let mut chosen = Vec::new();
    for (at, one) in pending.iter().enumerate() {
        shown(one)?;
        let question = format!(
            "({} of {}) accept? [y]es, [N]o, [a]ll the rest, [q]uit ",
            at + 1,
            pending.len()
        );
        match asked(&question)? {
            Said::Yes => chosen.push(*one),
            Said::No => {}
            Said::All => {
                chosen.extend(pending.iter().skip(at));
                break;
            }
            Said::Quit => break,
        }
    }
    Ok(chosen)
}

/// A review is a person's: without a terminal it needs both flags.
fn terminal(out: Output) -> Result<(), Failure> {
    if !out.json && io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        "a review needs a terminal, or both `--accept-all` and `--yes`",
    )
    .hint("`bartizan tools show` shows what waits"))
}

fn shown(one: &Value) -> Result<(), Failure> {
    manifest(&mut anstream::stderr().lock(), one)
        .map_err(|error| Failure::new(Exit::Files, "writing to the terminal failed").because(error))
}

fn asked(question: &str) -> Result<Said, Failure> {
    let fault = |error| Failure::new(Exit::Files, "the answer can't be read").because(error);
    let mut error = io::stderr();
    write!(error, "{question}")
        .and_then(|()| error.flush())
        .map_err(fault)?;
    let mut line = String::new();
    // The end of input is no yes.
    if io::stdin().read_line(&mut line).map_err(fault)? == 0 {
        return Ok(Said::Quit);
    }
    Ok(match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Said::Yes,
        "a" | "all" => Said::All,
        "q" | "quit" => Said::Quit,
        _ => Said::No,
    })
}

async fn withdraw(out: Output, link: &Link, reviewed: &[&Value], yes: bool) -> Result<Exit, Failure> {
    if !reviewed.is_empty() && !yes {
        terminal(out)?;
        let names: Vec<_> = reviewed.iter().map(|one| joined(one, "tool")).collect();
        let question = format!("take back the reviews of {}? [y/N] ", names.join(", "));
        if !matches!(asked(&question)?, Said::Yes) {
            return Ok(Exit::Done);
        }
    }
    let words = ["withdraw", "withdrawn", "tools"];
    let gone = change(link, words, reviewed, |one| one["tool"].clone()).await?;
    out.emit(&json!({ "withdrawn": gone }), |out| {
        for name in &gone {
            writeln!(out, "withdrawn {name}")?;
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Asks for a change, server by server; gives the names of what was changed. The words are those of the request, of
/// its answer and of its list.
async fn change(
    link: &Link,
    [verb, done, key]: [&str; 3],
    chosen: &[&Value],
    item: impl Fn(&Value) -> Value,
) -> Result<Vec<String>, Failure> {
    let mut by_server: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in chosen {
        by_server.entry(text(&one["server"])).or_default().push(item(one));
    }
    let path = format!("/v1/manifests/{verb}");
    let mut changed = Vec::new();
    for (server, items) in &by_server {
        for some in items.chunks(AT_ONCE) {
            let body = json!({ "server": server, key: some }).to_string().into_bytes();
            let answer = link.ask(&Method::POST, &path, body).await?;
            changed.extend(array(&answer[done]).map(|tool| format!("{server}__{}", text(tool))));
        }
    }
    Ok(changed)
}
