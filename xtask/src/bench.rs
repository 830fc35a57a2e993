//! `cargo xtask bench NAME`: builds what is shipped and hands over to the bench binary.

use std::process::Command;

use crate::Outcome;
use crate::run::said;
use crate::{shipped, workspace};

/// Builds what is measured and what measures, then runs it; its last line on standard output is the JSON.
pub(crate) fn run(name: &str, rest: &[&str]) -> Outcome {
    let release = shipped::build(&["bartizan", "bartizan-bench"])?;
    let measured = Command::new(release.join("bartizan-bench"))
        .current_dir(workspace::root())
        .arg(name)
        .args(rest)
        .arg("--bin")
        .arg(release.join("bartizan"))
        .arg("--commit")
        .arg(commit())
        .status()
        .map_err(|fault| vec![format!("the bench does not start: {fault}")])?;
    if measured.success() {
        Ok(())
    } else {
        Err(vec![format!("bench `{name}` failed")])
    }
}

/// The commit, `+dirty` when tracked files differ from it.
fn commit() -> String {
    let commit = said("git", &["rev-parse", "HEAD"]);
    let clean = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    match (commit.is_empty(), clean) {
        (true, _) => "unknown".to_owned(),
        (false, true) => commit,
        (false, false) => format!("{commit}+dirty"),
    }
}
