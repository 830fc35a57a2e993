//! `key rotate`, of the master key and of the log's, `backup`, `restore`.

use std::{fs::File, path::Path};

use bartizan_store::MasterKey;
use http::Method;
use serde_json::json;

use super::{text, time};
use crate::{
    cli::Global,
    config::{Loaded, resolve},
    exit::Exit,
    failure::{Failure, file},
    link::{self, Absent, Link},
    output::Output,
};

/// `key rotate`.
pub(crate) async fn rotate(global: &Global, out: Output) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let answer = link.ask(&Method::POST, "/v1/key/rotate", Vec::new()).await?;
    out.emit(&answer, |out| {
        writeln!(
            out,
            "rotated; the old master key opens nothing here any more (record {})",
            text(&answer["record"])
        )?;
        writeln!(
            out,
            "backups made before still need it, and it is kept nowhere: make a new one with `bartizan backup`"
        )
    })?;
    link.close().await?;
    Ok(Exit::Done)
}

/// `key rotate --log`.
pub(crate) async fn rotate_log(global: &Global, out: Output, overlap_days: u16) -> Result<Exit, Failure> {
    let link = Link::connect(global, Absent::Fail)?;
    let body = json!({ "overlap_days": overlap_days }).to_string().into_bytes();
    let answer = link.ask(&Method::POST, "/v1/key/log", body).await?;
    out.emit(&answer, |out| {
        writeln!(
            out,
            "the log's heads have a new key, named by the old one in record {}",
            text(&answer["record"])
        )?;
        writeln!(out, "vkey {}", text(&answer["vkey"]))?;
        if overlap_days == 0 {
            writeln!(out, "the old key signs no more, and is destroyed")?;
        } else {
            writeln!(
                out,
                "the old key signs beside it until {}, and is then destroyed",
                time(&answer["until"])
            )?;
        }
        writeln!(
            out,
            "whoever pinned the old one should pin this one; `bartizan audit verify` follows either"
        )
    })?;
    link.close().await?;
    Ok(Exit::Done)
}

/// `backup`, at rest or while the gateway serves. The master key stays out, or a stolen backup would be an open one;
/// with `--with-key` one that is `master.key` of the state goes in.
pub(crate) async fn backup(
    global: &Global,
    out: Output,
    path: &Path,
    with_key: bool,
) -> Result<Exit, Failure> {
    let absolute = std::path::absolute(path).map_err(file("resolving", path))?;
    let link = Link::connect(global, Absent::Fail)?;
    if with_key && !link.state().join("master.key").exists() {
        return Err(Failure::new(
            Exit::Refused,
            "the master key is not in the state, so no backup can have it",
        )
        .hint("back it up where you keep it, and leave `--with-key` out"));
    }
    let bar = out.progress(0, "backing up");
    let body = json!({ "out": absolute, "with_key": with_key })
        .to_string()
        .into_bytes();
    let answer = link.ask(&Method::POST, "/v1/backup", body).await;
    bar.finish_and_clear();
    let answer = answer?;
    out.emit(&answer, |out| {
        writeln!(
            out,
            "{} files, {} bytes in {}",
            answer["files"],
            answer["bytes"],
            path.display()
        )?;
        if with_key {
            writeln!(
                out,
                "the master key is in it: whoever reads the file can open every secret"
            )
        } else {
            writeln!(
                out,
                "the master key is not in it: keep it where it is, or nothing here opens again"
            )
        }
    })?;
    link.close().await?;
    Ok(Exit::Done)
}

/// `restore`.
pub(crate) fn restore(global: &Global, out: Output, from: &Path) -> Result<Exit, Failure> {
    let loaded = Loaded::find(global)?;
    let target = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
    let mut input = File::open(from).map_err(file("reading", from))?;
    let master = MasterKey::from_surroundings().map_err(link::state)?;
    let manifest = bartizan_store::restore(&mut input, &target, master.as_ref()).map_err(|fault| {
        Failure::new(Exit::Refused, format!("`{}` can't be restored", from.display()))
            .hint(
                "the master key of the backed-up state is needed in BARTIZAN_MASTER_KEY, and an empty target",
            )
            .because(fault)
    })?;
    let value = json!({ "state": target, "files": manifest.files.len(), "created": manifest.created });
    out.emit(&value, |out| {
        writeln!(
            out,
            "{} files of {} restored into {}",
            manifest.files.len(),
            manifest.created,
            target.display()
        )
    })?;
    Ok(Exit::Done)
}
