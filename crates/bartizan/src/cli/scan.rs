//! `scan data`: what it takes on the command line.

use std::path::PathBuf;

use clap::Args;

use super::{FailOn, ScanFormat};

/// `scan data`.
#[derive(Debug, Args)]
pub(crate) struct ScanData {
    /// CSV, TSV, JSON lines, JSON, text, numpy; or a folder of such files, or of pictures or texts in a folder for each class
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
}
