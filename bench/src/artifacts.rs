//! Figures of the scanners of artifacts. Model files, hostile and honest, are made and scanned by
//! `bench/artifacts/models.py`, data sets are poisoned and scanned by `bench/artifacts/data.py`; their peers look at the
//! same files in the same run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::crossing::Bench;
use crate::figure::Figure;

/// One driver: a script, its libraries in a virtual environment of their own, and the figures whose names are fixed.
struct Driver {
    script: &'static str,
    /// Folder of its environment and its files, below the cache.
    place: &'static str,
    /// What it can't do without.
    pinned: &'static [&'static str],
    /// Libraries whose files are wanted; one that can't be had is left out, and the script says so.
    wanted: &'static [&'static str],
    /// The argument of a run that is not quick.
    whole: Option<&'static str>,
    named: &'static [(&'static str, &'static str)],
}

const MODELS: Driver = Driver {
    script: "bench/artifacts/models.py",
    place: "models",
    pinned: &[
        "picklescan==1.0.5",
        "modelscan==0.8.8",
        "fickling==0.1.12",
        "modelaudit-picklescan==0.1.12",
    ],
    wanted: &[
        "scikit-learn",
        "joblib",
        "dill",
        "cloudpickle",
        "lz4",
        "lightgbm",
        "xgboost",
        "onnx",
        "skops",
        "h5py",
        "safetensors",
        "pandas",
        "gguf",
        "jax",
        "keras",
        "torch",
        "torchvision",
        "catboost",
        "nltk",
        "imbalanced-learn",
        "hmmlearn",
        "category-encoders",
        "lifelines",
        "networkx",
        "optuna",
        "gensim",
        "transformers",
        "orbax-checkpoint",
        "statsmodels",
        "sympy",
        "prophet",
    ],
    whole: None,
    named: &[
        ("pickle_dense_mb_s", "MB/s of CPU"),
        ("pickle_dense_rss_mib", "MiB"),
        ("torch_zip_512mb_s", "s"),
        ("model_corpus_missed", "files"),
        ("model_corpus_bypass_classes", "classes"),
        ("benign_library_files_flagged", "files"),
        ("benign_library_files", "files"),
    ],
};

const DATA: Driver = Driver {
    script: "bench/artifacts/data.py",
    place: "data",
    pinned: &["cleanlab==2.9.0", "scikit-learn==1.9.1"],
    wanted: &[],
    whole: Some("--curves"),
    named: &[
        ("flips_5pct_f1_minus_cleanlab", "fraction"),
        ("flips_10pct_f1_minus_cleanlab", "fraction"),
        ("patch_backdoor_recall_at_1pct_fpr", "fraction"),
        ("text_trigger_1pct_recall", "fraction"),
        ("text_trigger_1pct_precision", "fraction"),
        ("text_trigger_50docs_recall", "fraction"),
        ("rows_1m_s", "s"),
    ],
};

/// Measures both scanners, or the one whose figures are asked for; what can't be measured says why.
pub(crate) fn run(bench: &Bench) -> Vec<Figure> {
    let drivers = [MODELS, DATA].into_iter().filter(|driver| {
        let names: Vec<&str> = driver.named.iter().map(|(name, _)| *name).collect();
        bench.wants(&names)
    });
    drivers.flat_map(|driver| driver.figures(bench)).collect()
}

impl Driver {
    fn figures(&self, bench: &Bench) -> Vec<Figure> {
        let missing = |fault: &str| {
            let each = self.named.iter();
            each.map(|(name, unit)| Figure::missing(name, unit, fault.to_owned()))
                .collect()
        };
        self.measured(bench).unwrap_or_else(|fault| missing(&fault))
    }

    fn measured(&self, bench: &Bench) -> Result<Vec<Figure>, String> {
        let python = self.installed(&bench.cache)?;
        let mut command = Command::new(python);
        command
            .arg(self.script)
            .arg(&bench.binary)
            .arg(bench.cache.join(format!("{}-files", self.place)));
        command.args(if bench.quick { Some("--quick") } else { self.whole });
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|fault| format!("{command:?}: {fault}"))?;
        if !output.status.success() {
            return Err(format!("{} failed", self.script));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let values: Vec<Value> =
            serde_json::from_str(last).map_err(|fault| format!("{}: {fault}", self.script))?;
        let mut figures: Vec<Figure> = values.iter().filter_map(figure).collect();
        for (name, unit) in self.named {
            if !figures.iter().any(|figure| figure.name == *name) {
                figures.push(Figure::missing(
                    name,
                    unit,
                    format!("{} did not give it", self.script),
                ));
            }
        }
        Ok(figures)
    }

    fn installed(&self, cache: &Path) -> Result<PathBuf, String> {
        let folder = cache.join(format!("{}-peers", self.place));
        let python = folder.join("bin/python");
        let ready = folder.join("ready");
        if ready.exists() {
            return Ok(python);
        }
        let write = |fault: std::io::Error| format!("{}: {fault}", folder.display());
        std::fs::create_dir_all(cache).map_err(write)?;
        told(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        told(pip(&python).args(self.pinned))?;
        for library in self.wanted {
            if let Err(fault) = told(pip(&python).arg(library)) {
                eprintln!("{library}: {fault}");
            }
        }
        std::fs::write(&ready, "").map_err(write)?;
        Ok(python)
    }
}

fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

fn figure(value: &Value) -> Option<Figure> {
    let (name, unit) = (value["name"].as_str()?, value["unit"].as_str()?);
    let Some(taken) = value["value"].as_f64() else {
        return Some(Figure::missing(name, unit, value["reason"].as_str()?.to_owned()));
    };
    let mut figure = Figure::of(name, taken, unit, value["n"].as_u64()?);
    if let (Some(low), Some(high)) = (value["spread"][0].as_f64(), value["spread"][1].as_f64()) {
        figure = figure.spread(low, high);
    }
    figure.peer = value["peer"].as_str().map(str::to_owned);
    figure.quick = value["quick"].as_bool().unwrap_or(false);
    Some(figure)
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
