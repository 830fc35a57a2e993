//! `audit verify` and `audit prove --check`: offline, from files and a key, trusting nothing that runs.
//!
//! The verifier key decides what "this log" is. Given with `--vkey` it comes from elsewhere; else it is the state's own,
//! and the verdict says that nobody else was asked.

use std::path::{Path, PathBuf};

use anstyle::AnsiColor;
use bartizan_ledger::{InclusionProof, Report, SignedCheckpoint, Verdict, Verifier};
use bartizan_store::{Fault, LedgerFault, StateDir, read_heads, verify_ledger};
use serde_json::json;

use crate::{
    cli::Global,
    config::{Loaded, resolve},
    exit::Exit,
    failure::{Failure, file},
    link::{self, Absent, Link},
    output::Output,
};

/// Largest proof or head file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// `audit verify`.
pub(crate) async fn log(
    global: &Global,
    out: Output,
    checkpoints: &[PathBuf],
    vkey: Option<&str>,
    dir: Option<&Path>,
) -> Result<Exit, Failure> {
    let loaded = Loaded::find(global)?;
    let place = match dir {
        Some(dir) => dir.to_owned(),
        None => {
            let state = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
            StateDir::peek(&state).map_err(link::state)?.ledger_path()
        }
    };
    let verifier = match key(global, vkey, dir.is_some()).await? {
        Found::Key(verifier) => verifier,
        Found::Damaged(fault) => return damaged(out, &fault),
    };
    let held = heads(&loaded, checkpoints, &verifier)?;
    let bar = out.progress(1, "verifying");
    let report = verify_ledger(&place, &verifier, &held, None).map_err(link::ledger)?;
    bar.finish_and_clear();
    show(out, &report, &verifier)?;
    Ok(if report.verdict() == Verdict::Damaged {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// The heads held elsewhere: those named, and the witness file of the configuration.
fn heads(
    loaded: &Loaded,
    checkpoints: &[PathBuf],
    verifier: &Verifier,
) -> Result<Vec<SignedCheckpoint>, Failure> {
    let configured = loaded
        .file
        .ledger
        .witness
        .as_ref()
        .map(|path| loaded.base().join(path))
        .filter(|path| path.exists());
    let mut held = Vec::new();
    for path in checkpoints.iter().chain(&configured) {
        let text = small(path)?;
        let heads = read_heads(verifier, &text).map_err(|fault| {
            let message = format!(
                "`{}` holds a head that this log's key did not sign",
                path.display()
            );
            Failure::new(Exit::Refused, message).because(fault)
        })?;
        held.extend(heads);
    }
    Ok(held)
}

fn show(out: Output, report: &Report, verifier: &Verifier) -> Result<(), Failure> {
    let verdict = match report.verdict() {
        Verdict::Consistent => "consistent",
        Verdict::SelfConsistentOnly => "self_consistent_only",
        Verdict::Damaged => "damaged",
    };
    let faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
    let head = report.head.as_ref().map(SignedCheckpoint::checkpoint);
    let value = json!({
        "verdict": verdict, "records": report.records, "held": report.held, "erased": report.erased,
        "unacknowledged_bytes": report.torn, "faults": faults, "fault_count": report.fault_count,
        "size": head.map(|head| head.size), "root": head.map(|head| head.root), "vkey": verifier.vkey(),
    });
    out.emit(&value, |out| {
        let (green, yellow, red) = (
            AnsiColor::Green.on_default(),
            AnsiColor::Yellow.on_default(),
            AnsiColor::Red.on_default().bold(),
        );
        match report.verdict() {
            Verdict::Consistent => {
                writeln!(
                    out,
                    "{green}consistent{green:#} with itself and with {} heads held elsewhere",
                    report.held
                )?;
            }
            Verdict::SelfConsistentOnly => {
                writeln!(
                    out,
                    "{yellow}self-consistent only{yellow:#}: no head held elsewhere was compared, and whoever"
                )?;
                writeln!(
                    out,
                    "holds the key can rewrite a log that nobody else remembers (`--checkpoint FILE`)"
                )?;
            }
            Verdict::Damaged => writeln!(out, "{red}damaged{red:#}: {} faults", report.fault_count)?,
        }
        for fault in &faults {
            writeln!(out, "  {fault}")?;
        }
        writeln!(out, "{} records, {} erased", report.records, report.erased)?;
        if let Some(head) = head {
            writeln!(out, "root {} at {}", head.root, head.size)?;
        }
        Ok(())
    })
}

/// `audit prove --check`.
pub(crate) async fn proof(
    global: &Global,
    out: Output,
    path: &Path,
    vkey: Option<&str>,
) -> Result<Exit, Failure> {
    let text = small(path)?;
    let wrong = |message: &str| Failure::new(Exit::Refused, message.to_owned());
    let proof: InclusionProof = serde_json::from_str(&text)
        .map_err(|fault| wrong("the file is no inclusion proof").because(fault))?;
    let verifier = match key(global, vkey, false).await? {
        Found::Key(verifier) => verifier,
        Found::Damaged(fault) => return damaged(out, &fault),
    };
    let (entry, head) = proof
        .verify(&verifier)
        .map_err(|fault| wrong("the proof does not hold").because(fault))?;
    let head = head.checkpoint();
    let value = json!({
        "proven": true, "index": proof.index, "kind": entry.kind, "time": entry.time,
        "commitment": entry.commitment, "size": head.size, "root": head.root, "vkey": verifier.vkey(),
    });
    out.emit(&value, |out| {
        let green = AnsiColor::Green.on_default();
        writeln!(
            out,
            "{green}proven{green:#}: record {} of {} is in the log under root {}",
            proof.index, head.size, head.root
        )?;
        writeln!(
            out,
            "it is from {} and commits to {}",
            entry.time, entry.commitment
        )
    })?;
    Ok(Exit::Done)
}

enum Found {
    Key(Verifier),
    Damaged(LedgerFault),
}

/// The log's key: the caller's, else the state's own.
async fn key(global: &Global, vkey: Option<&str>, foreign: bool) -> Result<Found, Failure> {
    let parse = |text: &str| {
        Verifier::parse(text)
            .map(Found::Key)
            .map_err(|fault| Failure::new(Exit::Usage, format!("`{text}` is no verifier key")).because(fault))
    };
    if let Some(vkey) = vkey {
        return parse(vkey);
    }
    if foreign {
        return Err(Failure::new(Exit::Usage, "a log elsewhere needs `--vkey`")
            .hint("`bartizan audit witness` prints it where the log is kept"));
    }
    let loaded = Loaded::find(global)?;
    let state = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
    StateDir::peek(&state).map_err(|fault| match fault {
        Fault::Absent(_) => link::state(fault).hint(
            "without a state, say whose log it is with `--vkey`: the last line of `bartizan audit witness` there",
        ),
        fault => link::state(fault),
    })?;
    match link::open(&state, link::options(&loaded)) {
        Ok(opened) => {
            let vkey = opened.desk.ledger.verifier().vkey();
            opened.desk.ledger.close().await.map_err(link::ledger)?;
            parse(&vkey)
        }
        Err(link::OpenFault::Ledger(fault @ LedgerFault::Corrupt(_))) => Ok(Found::Damaged(fault)),
        Err(link::OpenFault::State(Fault::Locked { .. })) => {
            let link = Link::connect(global, Absent::Fail)?;
            let head = link.read("/v1/checkpoint").await?;
            parse(head["vkey"].as_str().unwrap_or_default())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// A log so damaged that not even its key could be read through it.
fn damaged(out: Output, fault: &LedgerFault) -> Result<Exit, Failure> {
    let cause = std::error::Error::source(fault).map_or_else(|| fault.to_string(), ToString::to_string);
    let value = json!({ "verdict": "damaged", "faults": [cause], "fault_count": 1 });
    out.emit(&value, |out| {
        let red = AnsiColor::Red.on_default().bold();
        writeln!(out, "{red}damaged{red:#}: {cause}")
    })?;
    Ok(Exit::Refused)
}

fn small(path: &Path) -> Result<String, Failure> {
    let size = std::fs::metadata(path).map_err(file("reading", path))?.len();
    if size > FILE_BYTES_MAX {
        let message = format!(
            "`{}` has {size} bytes, the limit is {FILE_BYTES_MAX}",
            path.display()
        );
        return Err(Failure::new(Exit::Files, message));
    }
    std::fs::read_to_string(path).map_err(file("reading", path))
}
