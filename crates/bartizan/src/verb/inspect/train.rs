//! `inspect train`: reads labelled text, trains, writes the model.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use bartizan_inspect::Channel;
use bartizan_inspect::injection::train::{FOLDS, Options, Row, ship};
use serde::Deserialize;
use serde_json::json;

use crate::{
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// One line of the data.
#[derive(Debug, Deserialize)]
struct Line {
    text: String,
    label: String,
    source: String,
    channel: String,
    dup_group: serde_json::Value,
}

/// Trains and writes.
pub(super) fn run(out: Output, data: &Path, path: &Path, seed: u64) -> Result<Exit, Failure> {
    let rows = rows(&data.join("injection").join("train.jsonl.gz"))?;
    out.remark(&format!(
        "{} texts; {} models are trained, which takes minutes",
        rows.len(),
        FOLDS + 1
    ));
    let (model, calibrated) = ship(
        &rows,
        &Options {
            seed,
            ..Options::default()
        },
    );
    let bytes = model.to_bytes();
    std::fs::write(path, &bytes).map_err(file("writing", path))?;
    let thresholds: Vec<_> = calibrated
        .iter()
        .map(|one| {
            let (low, high) = (one.threshold.low, one.threshold.high);
            json!({ "channel": one.channel.as_str(), "texts": one.texts, "low": low, "high": high })
        })
        .collect();
    let value = json!({ "rows": rows.len(), "seed": seed, "bytes": bytes.len(), "thresholds": thresholds });
    out.emit(&value, |to| {
        writeln!(
            to,
            "{}: {} bytes from {} texts, seed {seed}",
            path.display(),
            bytes.len(),
            rows.len()
        )?;
        calibrated.iter().try_for_each(|one| {
            let (low, high) = (one.threshold.low, one.threshold.high);
            writeln!(
                to,
                "  {}: {low:.2} and {high:.2}, from {} texts",
                one.channel.as_str(),
                one.texts
            )
        })
    })?;
    Ok(Exit::Done)
}

fn rows(path: &Path) -> Result<Vec<Row>, Failure> {
    let packed = std::fs::File::open(path).map_err(file("reading", path))?;
    let lines = BufReader::new(flate2::read::GzDecoder::new(packed)).lines();
    lines
        .enumerate()
        .map(|(at, line)| {
            let line = line.map_err(file("reading", path))?;
            let line: Line = serde_json::from_str(&line).map_err(|error| {
                Failure::new(
                    Exit::Files,
                    format!("line {} of `{}` is no labelled text", at + 1, path.display()),
                )
                .because(error)
            })?;
            let channel = match line.channel.as_str() {
                "user" => Channel::User,
                "tool" => Channel::Tool,
                "email" | "mail" => Channel::Mail,
                "mcp" | "description" => Channel::Description,
                "system" => Channel::System,
                _ => Channel::Document,
            };
            Ok(Row {
                text: line.text,
                attack: line.label != "benign",
                channel,
                source: line.source,
                group: line.dup_group.to_string(),
            })
        })
        .collect()
}
