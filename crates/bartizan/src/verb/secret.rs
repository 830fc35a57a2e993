//! `secret set|list|rotate|rm`. A value comes from standard input or a hidden prompt, never from the command line,
//! where every user of the machine could read it.

use std::io::{self, IsTerminal, Read, Write};

use bartizan_types::Secret as Hidden;
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{text, time};
use crate::{
    cli::{Global, Secret},
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
