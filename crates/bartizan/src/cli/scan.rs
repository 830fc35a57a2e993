//! `scan` and `audit scans`: what they take on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `scan data`.
#[derive(Debug, Args)]
pub(crate) struct ScanData {
    /// CSV, TSV, JSON lines, JSON, Parquet, Arrow, text, numpy; or a folder of such files, or of pictures or texts in a folder for each class
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The column of labels; otherwise found by its name and values
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label: Option<String>,
    /// A column of text, may be repeated; otherwise found
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text: Vec<String>,
    /// Probabilities of the classes for each row, from a model that was not trained on it (`.npy`)
    #[arg(long, value_name = "FILE")]
    pub(crate) probabilities: Option<PathBuf>,
    /// A vector for each row (`.npy`)
    #[arg(long, value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// A TOML file of `[[column]]` tables: name, and what is expected of it
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// An older version of the data, to see what drifted
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline_data: Option<PathBuf>,
    /// A text that must not be in the data; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) canary: Vec<String>,
    /// Do not look for instructions, secrets and personal data in texts
    #[arg(long)]
    pub(crate) skip_contents: bool,
    /// Write the data without its suspect rows here; must not exist
    #[arg(long, value_name = "OUT")]
    pub(crate) quarantine: Option<PathBuf>,
    /// Shape of the answer; `--json` is short for `json`
    #[arg(long, value_enum, default_value_t = ScanFormat::Text, value_name = "FORMAT")]
    pub(crate) format: ScanFormat,
    /// Into this file instead of standard output; it is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Answer 1 from this verdict on
    #[arg(long, value_enum, default_value_t = FailOn::Unknown, value_name = "VERDICT")]
    pub(crate) fail_on: FailOn,
    /// Findings in this file are known and count for nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the findings of this scan as a baseline
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// A TOML file of `[[suppress]]` tables: rule, reason, until, and perhaps subject and file
    #[arg(long, value_name = "FILE")]
    pub(crate) suppress: Option<PathBuf>,
    /// Name clean files too
    #[arg(long)]
    pub(crate) all: bool,
    /// Keep in this file what is finished, and go on from there when the data has not changed since
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
}

/// `audit scans`.
#[derive(Debug, Args)]
pub(crate) struct Scans {
    /// Only `model` or `data`
    #[arg(long, value_parser = ["model", "data"])]
    pub(crate) scanner: Option<String>,
    /// Only files of this verdict
    #[arg(long, value_parser = ["clean", "unknown", "suspicious", "malicious"])]
    pub(crate) verdict: Option<String>,
    /// Only files of this SHA-256
    #[arg(long, value_name = "HEX")]
    pub(crate) digest: Option<String>,
    /// Only this file: its name, or the end of its path
    #[arg(long, value_name = "NAME")]
    pub(crate) file: Option<String>,
    /// Only below this index: the last one of the page before
    #[arg(long)]
    pub(crate) before: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
}

/// `scan`.
#[derive(Debug, Subcommand)]
pub(crate) enum Scan {
    /// Look for code, tampering and lies in model files
    Model(ScanModel),
    /// Look for wrong labels, triggers, floods and planted texts in data sets
    Data(ScanData),
}

/// `scan model`.
#[derive(Debug, Args)]
pub(crate) struct ScanModel {
    /// Files and folders; links to files are followed, links to folders are named and answer `unknown`
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Shape of the answer; `--json` is short for `json`
    #[arg(long, value_enum, default_value_t = ScanFormat::Text, value_name = "FORMAT")]
    pub(crate) format: ScanFormat,
    /// Into this file instead of standard output; it is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Answer 1 from this verdict on
    #[arg(long, value_enum, default_value_t = FailOn::Unknown, value_name = "VERDICT")]
    pub(crate) fail_on: FailOn,
    /// Findings in this file are known and count for nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the findings of this scan as a baseline
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// A TOML file of `[[suppress]]` tables: rule, reason, until, and perhaps subject and file
    #[arg(long, value_name = "FILE")]
    pub(crate) suppress: Option<PathBuf>,
    /// Name clean files too
    #[arg(long)]
    pub(crate) all: bool,
    /// Keep in this file what is finished, and do not judge again what it has and has not changed since
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
}

/// Shape of a scan's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    /// For a person
    Text,
    /// One value, in a stable shape
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// JUnit's XML
    Junit,
    /// One page with plots that needs nothing else
    Html,
}

/// From which verdict on a scan answers no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Anything but clean
    Unknown,
    /// Suspicious or malicious
    Suspicious,
    /// Malicious
    Malicious,
}
