//! `egress ca`.

use http::Method;

use super::{identity::put, text, time};
use crate::{
    cli::{Egress, Global},
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::Output,
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, egress: &Egress) -> Result<Exit, Failure> {
    let Egress::Ca { out: path, new } = egress;
    let link = Link::connect(global, if *new { Absent::Make } else { Absent::Fail })?;
    let asked = if *new {
        link.ask(&Method::POST, "/v1/egress/ca", Vec::new()).await
    } else {
        link.read("/v1/egress/ca").await
    };
    let answer = asked.map_err(|failure| {
        failure.hint("it is made when a gateway starts with `[egress] danger_intercept`, or by `--new`")
    })?;
    link.close().await?;
    let certificate = answer["certificate"].as_str().unwrap_or_default();
    match path {
        Some(path) => put(path, certificate, 0o644)?,
        None => out.emit(&answer, |out| write!(out, "{certificate}"))?,
    }
    out.remark(&format!(
        "root {} until {}, SHA-256 {}",
        text(&answer["number"]),
        time(&answer["until"]),
        text(&answer["sha256"])
    ));
    out.remark(
        "agents trust it by a file: SSL_CERT_FILE (OpenSSL, Go, Ruby; it replaces the system's roots), REQUESTS_CA_BUNDLE \
         (Python requests), CURL_CA_BUNDLE, NODE_EXTRA_CA_CERTS (added), GIT_SSL_CAINFO. Give it to the agents' environment \
         and to no browser",
    );
    Ok(Exit::Done)
}
