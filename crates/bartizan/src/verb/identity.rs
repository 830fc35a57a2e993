//! `identity issue|rotate|bundle|list`.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};

use super::{text, time};
use crate::{
    cli::{Global, Identity, identity::Issue},
    exit::Exit,
    failure::{Failure, file},
    link::{Absent, Link},
    output::{Output, table},
};

/// How often `--renew` looks whether the roots changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, identity: &Identity) -> Result<Exit, Failure> {
    match identity {
        Identity::Issue(issue) => loop {
            let answer = one(global, out, issue).await?;
            if !issue.renew {
                return Ok(Exit::Done);
            }
            half_over(global, issue, &answer).await;
        },
        Identity::Rotate { at_once } => {
            let link = Link::connect(global, Absent::Make)?;
            let body = json!({ "at_once": at_once }).to_string().into_bytes();
            let answer = link.ask(&Method::POST, "/v1/identities/rotate", body).await?;
            out.emit(&answer, |out| {
                writeln!(
                    out,
                    "root {} is trusted now and signs from {} on",
                    text(&answer["number"]),
                    time(&answer["signs"])
                )
            })?;
            link.close().await?;
            Ok(Exit::Done)
        }
        Identity::Bundle { out: path } => bundle(global, out, path.as_deref()).await,
        Identity::List => {
            let link = Link::connect(global, Absent::Fail)?;
            let answer = link.read("/v1/identities").await?;
            link.close().await?;
            let row = |root: &Value| {
                vec![
                    text(&root["number"]),
                    text(&root["state"]),
                    time(&root["made"]),
                    time(&root["signs"]),
                    time(&root["until"]),
                ]
            };
            let rows: Vec<_> = answer["roots"]
                .as_array()
                .into_iter()
                .flatten()
                .map(row)
                .collect();
            out.emit(&answer, |out| {
                writeln!(out, "spiffe://{}", text(&answer["trust_domain"]))?;
                table(
                    out,
                    &["ROOT", "STATE", "TRUSTED SINCE", "SIGNS FROM", "TRUSTED UNTIL"],
                    &rows,
                )
            })?;
            Ok(Exit::Done)
        }
    }
}

/// Waits until half of a certificate's life is over, or the root that signed it signs no more, as after
/// `rotate --at-once`. What else becomes of the roots goes into the bundle's file meanwhile. A gateway that is not there
/// says nothing, and is asked again.
async fn half_over(global: &Global, issue: &Issue, answer: &Value) {
    let until = answer["until"].as_u64().unwrap_or(0);
    let left = until.saturating_sub(crate::up::now().unix_micros());
    let end = Instant::now() + Duration::from_micros(left / 2).max(Duration::from_secs(1));
    let mut bundle = answer["bundle"].clone();
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        tokio::time::sleep(rest.min(LOOK_EVERY)).await;
        if Instant::now() >= end {
            return;
        }
        let Ok(roots) = roots(global).await else { continue };
        if signs_by_another(&roots, &answer["root"]) {
            return;
        }
        if roots["bundle"] != bundle
            && let Some(text) = roots["bundle"].as_str()
            && put(&issue.out.join("bundle.pem"), text, 0o644).is_ok()
        {
            bundle = roots["bundle"].clone();
        }
    }
}

/// The roots of a running gateway.
async fn roots(global: &Global) -> Result<Value, Failure> {
    let link = Link::running(global)?;
    let answer = link.read("/v1/identities").await?;
    link.close().await?;
    Ok(answer)
}

/// Whether the root that signs now is another than this one.
fn signs_by_another(roots: &Value, root: &Value) -> bool {
    let mut all = roots["roots"].as_array().into_iter().flatten();
    let signing = all.rfind(|root| root["state"] == "in use");
    signing.is_some_and(|signing| !root.is_null() && signing["number"] != *root)
}

/// The roots that are trusted, to a file or to the terminal.
async fn bundle(global: &Global, out: Output, path: Option<&Path>) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let answer = link.read("/v1/identities").await?;
    link.close().await?;
    let bundle = answer["bundle"].as_str().unwrap_or_default();
    if bundle.is_empty() {
        return Err(Failure::new(Exit::NotFound, "there is no root yet")
            .hint("the first certificate makes it: `bartizan identity issue AGENT --out DIR`, or a listener with `[listen.tls]`"));
    }
    match path {
        Some(path) => put(path, bundle, 0o644)?,
        None => out.emit(&answer, |out| write!(out, "{bundle}"))?,
    }
    Ok(Exit::Done)
}

/// Makes one and writes its files. With `--json` the key is left out of the answer: it is in its file.
async fn one(global: &Global, out: Output, issue: &Issue) -> Result<Value, Failure> {
    let link = Link::connect(global, Absent::Make)?;
    let body = json!({ "agent": issue.agent, "hours": issue.hours });
    let asked = link.ask(&Method::POST, "/v1/identities", body.to_string().into_bytes());
    let mut answer = asked.await?;
    link.close().await?;
    std::fs::create_dir_all(&issue.out).map_err(file("making", &issue.out))?;
    // The key first: who watches the certificate then finds the key that fits it.
    for (name, member, mode) in [
        ("svid_key.pem", "key", 0o600),
        ("bundle.pem", "bundle", 0o644),
        ("svid.pem", "certificate", 0o644),
    ] {
        put(
            &issue.out.join(name),
            answer[member].as_str().unwrap_or_default(),
            mode,
        )?;
    }
    if let Some(members) = answer.as_object_mut() {
        members.remove("key");
        members.insert("directory".to_owned(), json!(issue.out));
    }
    out.emit(&answer, |out| {
        writeln!(
            out,
            "{} until {}, in {}",
            text(&answer["id"]),
            time(&answer["until"]),
            issue.out.display()
        )
    })?;
    Ok(answer)
}

/// Replaces a file whole.
pub(super) fn put(path: &Path, content: &str, mode: u32) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(new)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, path)
    };
    write().map_err(file("writing", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_anew_once_another_root_signs() {
        let root = |number: u32, state: &str| json!({ "number": number, "state": state });
        let check = |roots: &[Value], expected: bool| {
            assert_eq!(signs_by_another(&json!({ "roots": roots }), &json!(1)), expected);
        };
        check(&[], false);
        check(&[root(1, "in use")], false);
        check(&[root(1, "in use"), root(2, "next")], false);
        check(&[root(1, "in use"), root(2, "in use")], true);
        check(&[root(2, "in use")], true);
    }
}
