//! `audit verify` and `audit prove --check`: offline, from files and a key, trusting nothing that runs.
//!
//! The verifier key decides what "this log" is. Given with `--vkey` it comes from elsewhere; else it is the state's own,
//! and the verdict says that nobody else was asked. Where the log's key has changed, the keys are followed from it by what
//! both keys signed, and it is said which key is whose.

use std::path::{Path, PathBuf};

use anstyle::AnsiColor;
use bartizan_ledger::{
    InclusionProof, LogKeys, Report, SignedCheckpoint, Succession, Verdict, Verifier, keys::statements,
    note::split_notes,
};
use bartizan_store::{Damage, Fault, Held, LedgerFault, StateDir, verify_ledger};
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
    let (loaded, _) = Loaded::grasp(global)?;
    let place = match dir {
        Some(dir) => dir.to_owned(),
        None => {
            let state = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
            StateDir::peek(&state).map_err(link::state)?.ledger_path()
        }
    };
    let verifier = match key(global, vkey, dir.is_some()).await? {
        Found::Key(verifier, _) => verifier,
        Found::Damaged(fault) => return damaged(out, &fault),
    };
    let notes = notes(&loaded, checkpoints)?;
    let bar = out.progress(1, "verifying");
    let held = match Held::gather(&place, &verifier, &notes) {
        Ok(held) => held,
        Err(fault @ LedgerFault::Corrupt(Damage::KeyChange(_))) => return damaged(out, &fault),
        Err(LedgerFault::Head(fault)) => {
            let message = "a head held elsewhere is not one that this log's key signed";
            return Err(Failure::new(Exit::Refused, message).because(fault));
        }
        Err(fault) => return Err(link::ledger(fault)),
    };
    let report = verify_ledger(&place, &held, None).map_err(link::ledger)?;
    bar.finish_and_clear();
    show(out, &report, &verifier)?;
    Ok(if report.verdict() == Verdict::Damaged {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// The notes held elsewhere, in a row: those named, and the witness file of the configuration. A file without a head is an
/// error: whoever emptied it would else turn the comparison off.
fn notes(loaded: &Loaded, checkpoints: &[PathBuf]) -> Result<String, Failure> {
    let configured = loaded
        .file
        .ledger
        .witness
        .as_ref()
        .map(|path| loaded.base().join(path))
        .filter(|path| path.exists());
    let mut notes = String::new();
    for path in checkpoints.iter().chain(&configured) {
        let text = small(path)?;
        if split_notes(&text).len() <= statements(&text).len() {
            let message = format!(
                "`{}` holds no head, so nothing can be compared with it",
                path.display()
            );
            let hint = "put back the heads that were kept elsewhere, or leave the file out to see only whether the log agrees \
                        with itself";
            return Err(Failure::new(Exit::Refused, message).hint(hint));
        }
        notes.push_str(&text);
    }
    Ok(notes)
}

/// The log's keys, each with the record from which on it signs.
fn keys_of(keys: &LogKeys) -> Vec<serde_json::Value> {
    let first = json!({ "vkey": keys.first().vkey(), "after_record": null });
    let later = keys
        .changes()
        .iter()
        .map(|change| json!({ "vkey": change.to().vkey(), "after_record": change.index() }));
    std::iter::once(first).chain(later).collect()
}

/// Says where a key that its owner trusts has led.
fn show_keys(out: &mut dyn std::io::Write, keys: &LogKeys, known: &Verifier) -> std::io::Result<()> {
    for change in keys.changes() {
        writeln!(
            out,
            "the key changed at record {}: {} named {}",
            change.index(),
            change.from().vkey(),
            change.to().vkey()
        )?;
    }
    if keys.newest() != known {
        writeln!(
            out,
            "the key given was retired; followed to the newest, which is the one to pin now"
        )?;
    }
    Ok(())
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
        "keys": keys_of(&report.keys),
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
        show_keys(out, &report.keys, verifier)?;
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
    checkpoints: &[PathBuf],
) -> Result<Exit, Failure> {
    let text = small(path)?;
    let wrong = |message: &str| Failure::new(Exit::Refused, message.to_owned());
    let proof: InclusionProof = serde_json::from_str(&text)
        .map_err(|fault| wrong("the file is no inclusion proof").because(fault))?;
    let (verifier, mut stated) = match key(global, vkey, false).await? {
        Found::Key(verifier, stated) => (verifier, stated),
        Found::Damaged(fault) => return damaged(out, &fault),
    };
    for path in checkpoints {
        stated.extend(statements(&small(path)?));
    }
    let proven = proof
        .verify(&verifier, &stated)
        .map_err(|fault| wrong("the proof does not hold").because(fault))?;
    let (entry, keys) = (proven.entry, &proven.keys);
    let signer = keys.at(proven.head.checkpoint().size);
    let retired = keys.retired(signer).map(Succession::index);
    let head = &proven.head;
    let head = head.checkpoint();
    let value = json!({
        "proven": true, "index": proof.index, "kind": entry.kind, "time": entry.time,
        "commitment": entry.commitment, "size": head.size, "root": head.root, "vkey": verifier.vkey(),
        "signed_by": signer.vkey(), "retired_at_record": retired, "keys": keys_of(keys),
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
        )?;
        show_keys(out, keys, &verifier)?;
        if let Some(record) = retired {
            writeln!(
                out,
                "its head is signed by the key that was retired at record {record}, and is worth what that key's secrecy is: \
                 `bartizan audit prove {}` gives a new one",
                proof.index
            )?;
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

enum Found {
    /// The key, and the statements that the state has of it and others.
    Key(Verifier, Vec<Succession>),
    Damaged(LedgerFault),
}

/// The log's key: the caller's, else the state's own.
async fn key(global: &Global, vkey: Option<&str>, foreign: bool) -> Result<Found, Failure> {
    let parse = |text: &str, stated: Vec<Succession>| {
        // As `audit witness` prints it, too.
        let text = text.trim();
        let text = text.strip_prefix("vkey ").unwrap_or(text).trim();
        Verifier::parse(text)
            .map(|key| Found::Key(key, stated))
            .map_err(|fault| Failure::new(Exit::Usage, format!("`{text}` is no verifier key")).because(fault))
    };
    if let Some(vkey) = vkey {
        return parse(vkey, Vec::new());
    }
    if foreign {
        return Err(Failure::new(Exit::Usage, "a log elsewhere needs `--vkey`")
            .hint("`bartizan audit witness` prints it where the log is kept"));
    }
    let (loaded, _) = Loaded::grasp(global)?;
    let state = resolve::state_dir(global, Some(&loaded.file), &loaded.base())?;
    StateDir::peek(&state).map_err(|fault| match fault {
        Fault::Absent(_) => link::state(fault).hint(
            "without a state, say whose log it is with `--vkey`: the last line of `bartizan audit witness` there",
        ),
        fault => link::state(fault),
    })?;
    match link::open(&state, link::options(&loaded)) {
        Ok(opened) => {
            let keys = opened.desk.ledger.keys();
            opened.desk.ledger.close().await.map_err(link::ledger)?;
            Ok(Found::Key(keys.newest().clone(), keys.changes().to_vec()))
        }
        Err(link::OpenFault::Ledger(fault @ LedgerFault::Corrupt(_))) => Ok(Found::Damaged(fault)),
        Err(link::OpenFault::State(Fault::Locked { .. })) => {
            let link = Link::connect(global, Absent::Fail)?;
            let head = link.read("/v1/checkpoint").await?;
            let stated = head["succession"].as_array().into_iter().flatten();
            let stated = stated.filter_map(|note| Succession::read(note.as_str()?).ok());
            parse(head["vkey"].as_str().unwrap_or_default(), stated.collect())
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
