//! `cargo xtask dist`: what a release hands out, under `target/dist`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::said;
use crate::{Outcome, outcome, sbom, shipped, workspace};

const SHELLS: &[(&str, &str)] = &[
    ("bash", "bartizan.bash"),
    ("zsh", "_bartizan"),
    ("fish", "bartizan.fish"),
    ("powershell", "bartizan.ps1"),
];
const PAPERS: &[&str] = &["LICENSE", "README.md", "CHANGELOG.md", "THREATS.md"];

/// Builds and gathers everything, and prints where it lies.
pub(crate) fn run() -> Outcome {
    let binary = shipped::build(&["bartizan"])?.join("bartizan");
    let folder = workspace::target()
        .join("dist")
        .join(format!("bartizan-{}", env!("CARGO_PKG_VERSION")));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|fault| vec![format!("{}: {fault}", folder.display())])?;
    }
    gather(&folder, &binary)?;
    checksums(&folder)?;
    println!("{}", folder.display());
    Ok(())
}

fn gather(folder: &Path, binary: &Path) -> Outcome {
    let mut problems = Vec::new();
    for part in ["man", "completions"] {
        std::fs::create_dir_all(folder.join(part)).map_err(|fault| vec![format!("{part}: {fault}")])?;
    }
    let mut copy = |from: PathBuf, name: &str| {
        if let Err(fault) = std::fs::copy(&from, folder.join(name)) {
            problems.push(format!("{}: {fault}", from.display()));
        }
    };
    copy(binary.to_path_buf(), "bartizan");
    for paper in PAPERS {
        copy(workspace::root().join(paper), paper);
    }
    match sbom::document() {
        Ok(text) => problems.extend(write(&folder.join("bartizan.cdx.json"), text.as_bytes())),
        Err(faults) => problems.extend(faults),
    }
    for (shell, name) in SHELLS {
        match printed(binary, &["completions", shell]) {
            Ok(text) => problems.extend(write(&folder.join("completions").join(name), &text)),
            Err(fault) => problems.push(fault),
        }
    }
    let pages = folder.join("man").to_string_lossy().into_owned();
    if let Err(fault) = printed(binary, &["man", &pages]) {
        problems.push(fault);
    }
    outcome(problems)
}

fn printed(binary: &Path, words: &[&str]) -> Result<Vec<u8>, String> {
    let shown = format!("`bartizan {}`", words.join(" "));
    let output = Command::new(binary)
        .args(words)
        .output()
        .map_err(|fault| format!("{shown}: {fault}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!(
            "{shown}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

fn write(file: &Path, bytes: &[u8]) -> Option<String> {
    std::fs::write(file, bytes)
        .err()
        .map(|fault| format!("{}: {fault}", file.display()))
}

/// `SHA256SUMS` in the form that `sha256sum --check` reads.
fn checksums(folder: &Path) -> Outcome {
    let mut files = Vec::new();
    walk(folder, &mut files).map_err(|fault| vec![format!("{}: {fault}", folder.display())])?;
    files.sort();
    let mut text = String::new();
    for file in &files {
        let path = file.to_string_lossy();
        let line = [("sha256sum", vec![&*path]), ("shasum", vec!["-a", "256", &*path])]
            .into_iter()
            .map(|(program, words)| said(program, &words))
            .find(|line| line.len() > 64)
            .ok_or_else(|| vec!["neither `sha256sum` nor `shasum` is here".to_owned()])?;
        let name = file.strip_prefix(folder).unwrap_or(file);
        text.push_str(&format!("{}  {}\n", &line[..64], name.display()));
    }
    outcome(
        write(&folder.join("SHA256SUMS"), text.as_bytes())
            .into_iter()
            .collect(),
    )
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?
        } else {
            files.push(path)
        }
    }
    Ok(())
}
