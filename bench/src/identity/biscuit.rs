//! Biscuit beside our decision, in the same run: a program of its own (`bench/peers/biscuit`), since what it links is
//! forbidden in the workspace. Built before anything is measured; where it can't be, its figures say why.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use crate::figure::Figure;

const MANIFEST: &str = "bench/peers/biscuit/Cargo.toml";
const TARGET: &str = "target/peers";
const NAMES: [&str; 6] = [
    "biscuit_warm_p99_us",
    "biscuit_warm_p50_us",
    "biscuit_cold_p99_us",
    "biscuit_cold_p50_us",
    "biscuit_verify_p99_us",
    "biscuit_verify_p50_us",
];
const PEER: &str = "biscuit-auth 6.0.0: 4 blocks, the same 100 policies in Datalog; no record, no permit";

/// The program, or why there is none.
pub(crate) fn build() -> Result<PathBuf, String> {
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--locked"])
        .args(["--manifest-path", MANIFEST, "--target-dir", TARGET])
        .output()
        .map_err(|fault| format!("cargo: {fault}"))?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        let line = said
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or_default();
        return Err(format!("{MANIFEST} does not build: {line}"));
    }
    Ok(Path::new(TARGET).join("release/bartizan-peer-biscuit"))
}

/// Takes its figures, and ours in proportion to them.
pub(crate) fn run(program: Result<PathBuf, String>, samples: usize, ours: &[Figure]) -> Vec<Figure> {
    match program.and_then(|program| measured(&program, samples)) {
        Ok(found) => figures(&found, ours),
        Err(why) => NAMES.map(|name| Figure::missing(name, "us", why.clone())).into(),
    }
}

fn measured(program: &Path, samples: usize) -> Result<BTreeMap<String, f64>, String> {
    let done = Command::new(program)
        .arg(samples.to_string())
        .output()
        .map_err(|fault| format!("{}: {fault}", program.display()))?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
    }
    serde_json::from_slice(&done.stdout).map_err(|fault| format!("it printed no figures: {fault}"))
}

fn figures(found: &BTreeMap<String, f64>, ours: &[Figure]) -> Vec<Figure> {
    let n = found.get("n").map_or(0, |n| *n as u64);
    let mut all: Vec<Figure> = NAMES
        .iter()
        .map(|name| match found.get(*name) {
            Some(value) => Figure::of(name, *value, "us", n).peer(PEER),
            None => Figure::missing(name, "us", "the peer does not print it"),
        })
        .collect();
    for (name, theirs, mine) in [
        (
            "decision_warm_ratio_biscuit",
            "biscuit_warm_p50_us",
            "decision_warm_full_p50_us",
        ),
        (
            "decision_cold_ratio_biscuit",
            "biscuit_cold_p50_us",
            "decision_cold_full_p50_us",
        ),
    ] {
        let mine = ours
            .iter()
            .find(|figure| figure.name == mine)
            .and_then(|figure| figure.value);
        if let (Some(theirs), Some(mine)) = (found.get(theirs), mine) {
            // Above 1: theirs takes longer.
            all.push(Figure::of(name, theirs / mine, "ratio", n).peer(PEER));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theirs_stand_beside_ours_or_say_why_not() {
        let mut found: BTreeMap<String, f64> = NAMES.iter().map(|name| ((*name).to_owned(), 200.0)).collect();
        found.insert("n".to_owned(), 10.0);
        let ours = [Figure::of("decision_warm_full_p50_us", 20.0, "us", 10)];
        let figures = figures(&found, &ours);
        assert_eq!(figures.len(), NAMES.len() + 1);
        let ratio = figures.last().unwrap();
        assert_eq!(
            (ratio.name.as_str(), ratio.value),
            ("decision_warm_ratio_biscuit", Some(10.0))
        );
        let missing = run(Err("no compiler".to_owned()), 1, &ours);
        assert_eq!(missing.len(), NAMES.len());
        for figure in missing {
            assert_eq!(figure.reason.as_deref(), Some("no compiler"));
        }
    }
}
