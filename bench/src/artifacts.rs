//! Figures of the scanners of artifacts. Data sets are made, poisoned and scanned by `bench/artifacts/data.py`, with
//! cleanlab beside it in the same run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::figure::Figure;

/// The peers, in a virtual environment of their own.
const PINNED: &[&str] = &["cleanlab==2.9.0", "scikit-learn==1.9.1"];

/// The figures whose names are fixed, with their units.
const NAMED: &[(&str, &str)] = &[
    ("flips_5pct_f1_minus_cleanlab", "fraction"),
    ("flips_10pct_f1_minus_cleanlab", "fraction"),
    ("patch_backdoor_recall_at_1pct_fpr", "fraction"),
    ("text_trigger_1pct_recall", "fraction"),
    ("text_trigger_1pct_precision", "fraction"),
    ("text_trigger_50docs_recall", "fraction"),
    ("rows_1m_s", "s"),
];

/// Measures the scan of data sets; what can't be measured says why.
pub(crate) fn data(binary: &Path, cache: &Path, quick: bool) -> Vec<Figure> {
    match measured(binary, cache, quick) {
        Ok(figures) => figures,
        Err(fault) => NAMED
            .iter()
            .map(|(name, unit)| Figure::missing(name, unit, fault.clone()))
            .collect(),
    }
}

fn measured(binary: &Path, cache: &Path, quick: bool) -> Result<Vec<Figure>, String> {
    let python = installed(cache)?;
    let mut command = Command::new(python);
    command
        .arg("bench/artifacts/data.py")
        .arg(binary)
        .arg(cache.join("data-sets"));
    command.arg(if quick { "--quick" } else { "--curves" });
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|fault| format!("{command:?}: {fault}"))?;
    if !output.status.success() {
        return Err("bench/artifacts/data.py failed".to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let values: Vec<Value> =
        serde_json::from_str(last).map_err(|fault| format!("bench/artifacts/data.py: {fault}"))?;
    let mut figures: Vec<Figure> = values.iter().filter_map(figure).collect();
    for (name, unit) in NAMED {
        if !figures.iter().any(|figure| figure.name == *name) {
            figures.push(Figure::missing(
                name,
                unit,
                "bench/artifacts/data.py did not give it",
            ));
        }
    }
    Ok(figures)
}

fn figure(value: &Value) -> Option<Figure> {
    let name = value["name"].as_str()?;
    let mut figure = Figure::of(
        name,
        value["value"].as_f64()?,
        value["unit"].as_str()?,
        value["n"].as_u64()?,
    );
    if let (Some(low), Some(high)) = (value["spread"][0].as_f64(), value["spread"][1].as_f64()) {
        figure = figure.spread(low, high);
    }
    figure.peer = value["peer"].as_str().map(str::to_owned);
    figure.quick = value["quick"].as_bool().unwrap_or(false);
    Some(figure)
}

fn installed(cache: &Path) -> Result<PathBuf, String> {
    let folder = cache.join("data-peers");
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.exists() {
        std::fs::create_dir_all(cache).map_err(|fault| format!("{}: {fault}", cache.display()))?;
        told(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        told(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(PINNED),
        )?;
        std::fs::write(&ready, "").map_err(|fault| format!("{}: {fault}", ready.display()))?;
    }
    Ok(python)
}

fn told(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|fault| format!("{command:?}: {fault}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?}: {}",
        said.lines().last().unwrap_or("failed")
    ))
}
