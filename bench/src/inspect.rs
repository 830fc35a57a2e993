//! How well and how fast content is inspected. What each figure means is in docs/design/inspect.md.

mod classifier;
mod hand;
mod learning;
mod peers;
mod speed;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bartizan_inspect::Channel;
use bartizan_inspect::injection::train::Row;

use crate::figure::Figure;

/// A labelled text of the shared data.
pub(crate) struct Text {
    /// As the trainer takes it.
    row: Row,
    /// Families are held out whole.
    family: String,
}

/// Runs the bench. Without data or peers their figures are listed as missing.
pub(crate) fn run(cache: &Path, quick: bool, wants: &dyn Fn(&str) -> bool) -> Vec<Figure> {
    let mut figures = Vec::new();
    match texts() {
        Ok(texts) => {
            if wants("mb_s") || wants("message_1k_all_p99_us") {
                figures.extend(speed::run(&texts, quick));
            }
            if ["lofo_", "twin_", "hard_benign_fpr", "tool_output_fpr"]
                .iter()
                .any(|name| wants(name))
            {
                figures.extend(learning::run(&texts, quick));
            }
        }
        Err(reason) => {
            let names = learning::NAMES.iter().chain(speed::NAMES);
            figures.extend(names.map(|(name, unit)| Figure::missing(name, unit, reason.clone())));
        }
    }
    if hand::SETS.iter().any(|(name, _)| wants(name)) {
        figures.extend(hand::run());
    }
    if wants("classifier_22m") || wants("classifier_86m") {
        figures.extend(classifier::run(quick));
    }
    if wants("pii_") || wants("speed_ratio") || wants("secrets_") {
        figures.extend(peers::run(cache));
    }
    figures
}

/// The shared data: `$BARTIZAN_DATA`, or `../shared/data`.
fn texts() -> Result<Vec<Text>, String> {
    let folder =
        std::env::var_os("BARTIZAN_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let path = folder.join("injection/train.jsonl.gz");
    let packed = std::fs::File::open(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let mut all = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut all)
        .map_err(|fault| format!("{}: {fault}", path.display()))?;
    all.lines().map(text).collect()
}

fn text(line: &str) -> Result<Text, String> {
    let value: serde_json::Value =
        serde_json::from_str(line).map_err(|fault| format!("the data: {fault}"))?;
    let field = |name: &str| {
        value
            .get(name)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .unwrap_or_default()
    };
    let row = Row {
        text: field("text"),
        attack: field("label") != "benign",
        channel: channel(&field("channel")),
        source: field("source"),
        group: field("dup_group"),
    };
    Ok(Text {
        row,
        family: field("family"),
    })
}

/// A channel by its name in the data.
fn channel(name: &str) -> Channel {
    match name {
        "user" => Channel::User,
        "tool" => Channel::Tool,
        "email" | "mail" => Channel::Mail,
        "mcp" => Channel::Description,
        "system" => Channel::System,
        _ => Channel::Document,
    }
}
