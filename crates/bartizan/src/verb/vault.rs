//! `vault erase`.

use http::Method;

use super::text;
use crate::{
    cli::{Global, Vault},
    client::encode,
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::Output,
};

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, vault: &Vault) -> Result<Exit, Failure> {
    let Vault::Erase { agent } = vault;
    let link = Link::connect(global, Absent::Fail)?;
    let path = match agent {
        Some(agent) => format!("/v1/vaults?agent={}", encode(agent)),
        None => "/v1/vaults".to_owned(),
    };
    let answer = link.ask(&Method::DELETE, &path, Vec::new()).await?;
    out.emit(&answer, |out| {
        writeln!(
            out,
            "erased {} values from memory, and {} vaults that were kept",
            text(&answer["values"]),
            text(&answer["kept"])
        )
    })?;
    link.close().await?;
    Ok(Exit::Done)
}
