//! `secret set|list|usage|rotate|rm`. A value comes from standard input or a hidden prompt, never from the command line,
//! where every user of the machine could read it.

use std::io::{self, IsTerminal, Read, Write};

use bartizan_types::Secret as Hidden;
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{audit::since_micros, text, time};
use crate::{
    cli::{Global, Secret, SecretUsage},
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

/// Largest value read, in bytes; the store's own bound is lower or equal.
const VALUE_BYTES_MAX: u64 = 64 << 10;

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, secret: &Secret) -> Result<Exit, Failure> {
    let link = Link::connect(
        global,
        if matches!(secret, Secret::Set { .. }) {
            Absent::Make
        } else {
            Absent::Fail
        },
    )?;
    let (method, path, body, done) = match secret {
        Secret::Usage(wanted) => {
            usage(&link, out, wanted).await?;
            link.close().await?;
            return Ok(Exit::Done);
        }
        Secret::List => {
            let answer = link.read("/v1/secrets").await?;
            let row = |secret: &serde_json::Value| {
                vec![
                    text(&secret["name"]),
                    time(&secret["created"]),
                    time(&secret["rotated"]),
                    time(&secret["last_used"]),
                    text(&secret["uses"]),
                ]
            };
            let rows: Vec<_> = answer["secrets"]
                .as_array()
                .into_iter()
                .flatten()
                .map(row)
                .collect();
            out.emit(&answer, |out| {
                table(out, &["NAME", "CREATED", "ROTATED", "LAST USED", "USES"], &rows)
            })?;
            link.close().await?;
            return Ok(Exit::Done);
        }
        Secret::Set { name } => (
            Method::PUT,
            format!("/v1/secrets/{}", encode(name)),
            Some(value(name)?),
            "set",
        ),
        Secret::Rotate { name } => (
            Method::POST,
            format!("/v1/secrets/{}/rotate", encode(name)),
            Some(value(name)?),
            "rotated",
        ),
        Secret::Rm { name } => (
            Method::DELETE,
            format!("/v1/secrets/{}", encode(name)),
            None,
            "removed",
        ),
    };
    let bytes = body
        .as_ref()
        .map_or_else(Vec::new, |value| value.expose().clone());
    let answer = link.ask(&method, &path, bytes).await?;
    out.emit(&answer, |out| writeln!(out, "{done} `{}`", text(&answer["name"])))?;
    link.close().await?;
    Ok(Exit::Done)
}

/// Who used which secret.
async fn usage(link: &Link, out: Output, wanted: &SecretUsage) -> Result<(), Failure> {
    let mut query = format!("/v1/secrets/usage?limit={}", wanted.limit);
    if let Some(name) = &wanted.name {
        query.push_str(&format!("&name={}", encode(name)));
    }
    if let Some(since) = &wanted.since {
        query.push_str(&format!("&since={}", since_micros(since)?));
    }
    if let Some(before) = wanted.before {
        query.push_str(&format!("&before={before}"));
    }
    let answer = link.read(&query).await?;
    let row = |one: &serde_json::Value| {
        vec![
            time(&one["time"]),
            text(&one["secret"]),
            text(&one["action"]),
            format!(
                "{} {}",
                text(&one["resource"]["type"]),
                text(&one["resource"]["id"])
            ),
            text(&one["agent"]),
            text(&one["user"]),
            text(&one["call"]),
            text(&one["record"]),
        ]
    };
    let rows: Vec<_> = answer["uses"].as_array().into_iter().flatten().map(row).collect();
    let header = [
        "TIME", "SECRET", "ACTION", "ON", "AGENT", "USER", "CALL", "RECORD",
    ];
    out.emit(&answer, |out| table(out, &header, &rows))?;
    if answer["erased"].as_u64().is_some_and(|erased| erased > 0) {
        out.remark(&format!(
            "{} records of this time were erased; what they used is not known",
            text(&answer["erased"])
        ));
    }
    if let Some(more) = answer["more"].as_u64() {
        out.remark(&format!("there may be more: `--before {more}`"));
    }
    Ok(())
}

/// The value: a hidden prompt on a terminal, else all of standard input without one final line feed.
fn value(name: &str) -> Result<Hidden<Vec<u8>>, Failure> {
    let input = io::stdin();
    let fault =
        |error| Failure::new(Exit::Files, "the value can't be read from standard input").because(error);
    let mut bytes = Vec::with_capacity(256);
    if input.is_terminal() {
        let normal = tcgetattr(&input).map_err(|errno| fault(errno.into()))?;
        let mut hidden = normal.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // A prompt that can't be written is no reason to stop.
        let _ = write!(io::stderr(), "value of `{name}` (not shown): ");
        tcsetattr(&input, OptionalActions::Flush, &hidden).map_err(|errno| fault(errno.into()))?;
        let mut line = String::new();
        let read = input.read_line(&mut line);
        let shown = tcsetattr(&input, OptionalActions::Flush, &normal);
        let _ = writeln!(io::stderr());
        read.map_err(fault)?;
        shown.map_err(|errno| fault(errno.into()))?;
        bytes = line.into_bytes();
    } else {
        input
            .lock()
            .take(VALUE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(fault)?;
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() || bytes.len() as u64 > VALUE_BYTES_MAX {
        let message = format!("a secret has 1 to {VALUE_BYTES_MAX} bytes");
        return Err(Failure::new(Exit::Usage, message)
            .hint("pipe it in: `printf %s \"$KEY\" | bartizan secret set NAME`"));
    }
    Ok(Hidden::new(bytes))
}
