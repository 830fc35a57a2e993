//! Secrets and personal data beside Presidio's pattern recognisers and detect-secrets, on texts that a script labels.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bartizan_inspect::{pii, secrets};
use serde::Deserialize;

use crate::figure::Figure;

/// The peers and their versions.
const PINNED: &[&str] = &["presidio-analyzer==2.2.366", "detect-secrets==1.5.0"];
const RATIOS: [&str; 3] = [
    "pii_types_below_presidio",
    "speed_ratio_presidio",
    "speed_ratio_detect_secrets",
];

/// A labelled text: values with their types.
#[derive(Deserialize)]
struct Labelled {
    text: String,
    /// Type, first and last byte.
    values: Vec<(String, usize, usize)>,
}

/// What the peers' script prints.
#[derive(Deserialize)]
struct Answer {
    /// For each type: right, wrong, missed.
    types: BTreeMap<String, [u64; 3]>,
    presidio_s: f64,
    detect_secrets_s: f64,
    secrets: [u64; 3],
    detect_secrets_bytes: usize,
    presidio_bytes: usize,
}

/// Measures beside the peers.
pub(super) fn run(cache: &Path) -> Vec<Figure> {
    measure(cache).unwrap_or_else(|reason| {
        RATIOS
            .iter()
            .map(|name| Figure::missing(name, "ratio", reason.clone()))
            .collect()
    })
}

fn measure(cache: &Path) -> Result<Vec<Figure>, String> {
    let python = installed(cache)?;
    let data = cache.join("inspect-labelled.jsonl");
    told(Command::new(&python).arg("bench/inspect/labelled.py").arg(&data))?;
    let answer = told(Command::new(&python).arg("bench/inspect/peers.py").arg(&data))?;
    let answer: Answer = serde_json::from_str(answer.lines().last().unwrap_or_default())
        .map_err(|fault| format!("the peers' answer: {fault}"))?;
    let lines = std::fs::read_to_string(&data).map_err(|fault| format!("{}: {fault}", data.display()))?;
    let texts: Vec<Labelled> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|fault| format!("the labelled texts: {fault}"))?;
    let ours = types(&texts);
    let mut below = 0;
    let mut figures = Vec::new();
    for (name, theirs) in &answer.types {
        let mine = ours.get(name).copied().unwrap_or_default();
        let ((p, r), (peer_p, peer_r)) = (quality(mine), quality(*theirs));
        below += u64::from(p < peer_p || r < peer_r);
        let all = mine[0] + mine[2];
        for (what, value, peer) in [("precision", p, peer_p), ("recall", r, peer_r)] {
            let mut figure = Figure::of(&format!("pii_{name}_{what}"), value, "share", all);
            figure.peer = Some(format!("{} has {peer:.3}", PINNED[0]));
            figures.push(figure);
        }
    }
    let mine = ours.get("secret").copied().unwrap_or_default();
    for (what, value, peer) in [
        ("precision", quality(mine).0, quality(answer.secrets).0),
        ("recall", quality(mine).1, quality(answer.secrets).1),
    ] {
        let mut figure = Figure::of(&format!("secrets_{what}"), value, "share", mine[0] + mine[2]);
        figure.peer = Some(format!("{} has {peer:.3}", PINNED[1]));
        figures.push(figure);
    }
    figures.push(Figure::of(
        RATIOS[0],
        below as f64,
        "count",
        answer.types.len() as u64,
    ));
    let bytes: usize = texts.iter().map(|text| text.text.len()).sum();
    let pii_rate = rate(&texts, bytes, |text| pii::find(text).len());
    let secrets_rate = rate(&texts, bytes, |text| secrets::find(text).len());
    let peers = [
        (
            RATIOS[1],
            pii_rate,
            answer.presidio_bytes as f64 / answer.presidio_s,
            PINNED[0],
        ),
        (
            RATIOS[2],
            secrets_rate,
            answer.detect_secrets_bytes as f64 / answer.detect_secrets_s,
            PINNED[1],
        ),
    ];
    for (name, ours, theirs, peer) in peers {
        let mut figure = Figure::of(name, ours / theirs, "ratio", texts.len() as u64);
        figure.peer = Some(peer.to_owned());
        figures.push(figure);
    }
    Ok(figures)
}

/// Bytes per second, the best of five.
fn rate(texts: &[Labelled], bytes: usize, work: impl Fn(&str) -> usize) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            let found: usize = texts.iter().map(|text| work(&text.text)).sum();
            std::hint::black_box(found);
            bytes as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// Right, wrong and missed of each type; a finding is right where it overlaps a value of its type.
fn types(texts: &[Labelled]) -> BTreeMap<String, [u64; 3]> {
    let mut counts: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for text in texts {
        let mut found: Vec<(&str, usize, usize)> = pii::find(&text.text)
            .into_iter()
            .filter_map(|one| Some((label(&one)?, one.range.start, one.range.end)))
            .collect();
        found.extend(
            secrets::find(&text.text)
                .into_iter()
                .map(|one| ("secret", one.range.start, one.range.end)),
        );
        for (name, start, end) in &text.values {
            let hit = found
                .iter()
                .any(|(other, from, to)| other == name && from < end && start < to);
            counts.entry(name.clone()).or_default()[if hit { 0 } else { 2 }] += 1;
        }
        for (name, from, to) in found {
            let right = text
                .values
                .iter()
                .any(|(other, start, end)| other == name && from < *end && *start < to);
            counts.entry(name.to_owned()).or_default()[1] += u64::from(!right);
        }
    }
    counts
}

/// The labelled set's name of a kind.
fn label(one: &pii::Personal) -> Option<&'static str> {
    Some(match (one.kind, one.what) {
        (pii::Kind::Email, _) => "email",
        (pii::Kind::Phone, _) => "phone",
        (pii::Kind::Iban, _) => "iban",
        (pii::Kind::Card, _) => "card",
        (pii::Kind::Ip, _) => "ip",
        (pii::Kind::Mac, _) => "mac",
        (pii::Kind::Wallet, _) => "wallet",
        (pii::Kind::NationalId, name) => name,
        _ => return None,
    })
}

fn quality([right, wrong, missed]: [u64; 3]) -> (f64, f64) {
    let share = |all: u64| if all == 0 { 1.0 } else { right as f64 / all as f64 };
    (share(right + wrong), share(right + missed))
}

/// A virtual environment with the peers.
fn installed(cache: &Path) -> Result<std::path::PathBuf, String> {
    let folder = cache.join("inspect-peers");
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

fn told(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|fault| format!("{command:?}: {fault}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{command:?}: {}",
            said.lines().last().unwrap_or("failed")
        ))
    }
}
