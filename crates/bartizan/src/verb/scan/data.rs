//! `scan data`: finds the files of a data set, hands them to the detectors, prints what they say and writes the rows
//! that are left. Judges nothing.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bartizan_artifact::{
    Report, Source, Verdict,
    data::{Beside, Chosen, Expected, Outcome, Wrong, folder, table},
    output::{data_html, data_json, junit, sarif, worst},
    shown,
};
use bartizan_types::{Digest, Scanner};
use indicatif::ProgressBar;
use serde::Deserialize;

use super::{
    Known,
    files::{Found, OpenFile, Stamp, hashed, walk},
    ledger, people, read_list,
};
use crate::{
    cli::{FailOn, Global, ScanData, ScanFormat},
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    #[serde(default)]
    column: Vec<Expected>,
}

/// A data set: a file of rows, or a folder whose files are its rows.
enum Set {
    Table(PathBuf),
    Folder(PathBuf, Vec<PathBuf>),
}

const TABLES: &[&str] = &[
    "csv", "tsv", "json", "jsonl", "ndjson", "npy", "parquet", "arrow", "feather",
];
const PICTURES: &[&str] = &["png", "jpg", "jpeg"];

/// Runs the verb.
pub(crate) async fn verb(global: &Global, out: Output, scan: &ScanData) -> Result<Exit, Failure> {
    let chosen = Chosen {
        label: scan.label.clone(),
        texts: scan.text.clone(),
        expected: expectations(scan.expect.as_deref())?,
        canaries: scan.canary.clone(),
        contents: !scan.skip_contents,
    };
    let known = Known::read(scan.baseline.as_deref(), scan.suppress.as_deref())?;
    let sets = sets(scan)?;
    if sets.len() != 1
        && (scan.quarantine.is_some() || scan.probabilities.is_some() || scan.embeddings.is_some())
    {
        let message =
            "--quarantine, --probabilities and --embeddings belong to one data set, and more are named";
        return Err(Failure::new(Exit::Usage, message));
    }
    let stamps: Vec<_> = sets.iter().map(stamp_of).collect();
    let mut outcomes = Vec::with_capacity(sets.len());
    for set in &sets {
        outcomes.push(judged(set, scan, &chosen, out)?);
    }
    let mut reports: Vec<Report> = outcomes.iter().map(|outcome| outcome.report.clone()).collect();
    known.cover(&mut reports, scan.write_baseline.as_deref(), out)?;
    for (outcome, report) in outcomes.iter_mut().zip(&reports) {
        outcome.report = report.clone();
    }
    if let (Some(target), [set], [outcome]) = (&scan.quarantine, sets.as_slice(), outcomes.as_slice()) {
        quarantine(target, set, outcome)?;
    }
    print(out, scan, &outcomes, &reports)?;
    if global.state.is_some() {
        let digests = sets.iter().zip(&stamps);
        let digests: Vec<_> = digests
            .map(|(set, stamp)| digest_of(set, stamp.as_ref()))
            .collect();
        let noted = ledger::Noted {
            scanner: Scanner::Data,
            cancelled: false,
            reports: &reports,
            digests: &digests,
        };
        ledger::note(global, out, &noted).await?;
    }
    let limit = match scan.fail_on {
        FailOn::Unknown => Verdict::Unknown,
        FailOn::Suspicious => Verdict::Suspicious,
        FailOn::Malicious => Verdict::Malicious,
    };
    Ok(if worst(&reports) >= limit {
        Exit::Refused
    } else {
        Exit::Done
    })
}

fn expectations(path: Option<&Path>) -> Result<Vec<Expected>, Failure> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let read: Expectations = toml::from_str(&read_list(path)?).map_err(|error| {
        Failure::new(
            Exit::Config,
            format!("`{}` holds no expectations", path.display()),
        )
        .because(error)
    })?;
    Ok(read.column)
}

fn ends(path: &Path, with: &[&str]) -> bool {
    let end = path
        .extension()
        .map(|end| end.to_string_lossy().to_ascii_lowercase());
    end.is_some_and(|end| with.contains(&end.as_str()))
}

/// What the command line names, as data sets.
fn sets(scan: &ScanData) -> Result<Vec<Set>, Failure> {
    let mut sets = Vec::new();
    for path in &scan.paths {
        if !std::fs::metadata(path).map_err(file("reading", path))?.is_dir() {
            sets.push(Set::Table(path.clone()));
            continue;
        }
        let mut found = Found::default();
        walk(path, 0, &mut found)?;
        let mut files = found.plain;
        files.sort();
        let (tables, rest): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| ends(file, TABLES));
        let (pictures, texts): (Vec<_>, Vec<_>) = rest.into_iter().partition(|file| ends(file, PICTURES));
        let texts: Vec<_> = texts
            .into_iter()
            .filter(|file| ends(file, &["txt", "md"]))
            .collect();
        let none = tables.is_empty() && pictures.is_empty() && texts.is_empty();
        sets.extend(tables.into_iter().map(Set::Table));
        if !pictures.is_empty() {
            sets.push(Set::Folder(path.clone(), pictures));
        }
        if !texts.is_empty() {
            sets.push(Set::Folder(path.clone(), texts));
        }
        if none {
            return Err(Failure::new(
                Exit::Files,
                format!("`{}` holds no data that is known", path.display()),
            ));
        }
    }
    Ok(sets)
}

/// What a table is now; a folder has no such thing.
fn stamp_of(set: &Set) -> Option<Stamp> {
    let Set::Table(path) = set else { return None };
    std::fs::metadata(path).ok().map(|there| Stamp::of(&there))
}

/// SHA-256 of a table that has not changed since it had this stamp.
fn digest_of(set: &Set, before: Option<&Stamp>) -> Option<Digest> {
    let Set::Table(path) = set else { return None };
    let digest = hashed(&OpenFile::open(path, &ProgressBar::hidden()).ok()?)?;
    (stamp_of(set).as_ref() == before).then_some(digest)
}

fn judged(set: &Set, scan: &ScanData, chosen: &Chosen, out: Output) -> Result<Outcome, Failure> {
    let hidden = ProgressBar::hidden();
    let beside = |path: &Option<PathBuf>| {
        path.as_deref()
            .map(|path| OpenFile::open(path, &hidden))
            .transpose()
    };
    let (probabilities, embeddings, older) = (
        beside(&scan.probabilities)?,
        beside(&scan.embeddings)?,
        beside(&scan.baseline_data)?,
    );
    let older_name = scan
        .baseline_data
        .as_ref()
        .map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default();
    let beside = Beside {
        probabilities: probabilities.as_ref().map(|file| file as &dyn Source),
        embeddings: embeddings.as_ref().map(|file| file as &dyn Source),
        older: older
            .as_ref()
            .map(|file| (older_name.as_str(), file as &dyn Source)),
    };
    let outcome = match set {
        Set::Table(path) => {
            let size = std::fs::metadata(path).map_or(0, |there| there.len());
            let bar = out.progress(size, "scanning");
            let outcome = table(
                &path.to_string_lossy(),
                &OpenFile::open(path, &bar)?,
                beside,
                chosen,
            );
            bar.finish_and_clear();
            outcome
        }
        Set::Folder(path, files) => {
            let bar = out.progress(files.len() as u64, "scanning");
            let mut failed = None;
            let sources = files
                .iter()
                .map_while(|file| match OpenFile::open(file, &hidden) {
                    Ok(open) => {
                        bar.inc(1);
                        let boxed: Box<dyn Source> = Box::new(open);
                        Some((file.to_string_lossy().into_owned(), boxed))
                    }
                    Err(failure) => {
                        failed = Some(failure);
                        None
                    }
                });
            let outcome = folder(&path.to_string_lossy(), sources, beside, chosen);
            bar.finish_and_clear();
            if let Some(failure) = failed {
                return Err(failure);
            }
            outcome
        }
    };
    outcome.map_err(wrong)
}

fn wrong(wrong: Wrong) -> Failure {
    let message = match wrong {
        Wrong::NoColumn(name) => format!("there is no column `{}`", shown(name.as_bytes(), 200)),
        Wrong::Beside(what) => {
            format!("the {what} are no array of numbers (.npy, C order) with a row for each row of the data")
        }
        Wrong::Canary => "a canary is too short to be told from ordinary text".to_owned(),
    };
    Failure::new(Exit::Usage, message)
}

/// Writes the data without its suspect rows: bytes of the rows that are left are copied as they are.
fn quarantine(target: &Path, set: &Set, outcome: &Outcome) -> Result<(), Failure> {
    let suspect: std::collections::HashSet<u64> =
        outcome.suspects.iter().map(|suspect| suspect.row).collect();
    let left = |row: usize| !suspect.contains(&(row as u64));
    match set {
        Set::Folder(root, _) => {
            std::fs::create_dir(target).map_err(file("making", target))?;
            for (_, path) in outcome.files.iter().enumerate().filter(|(row, _)| left(*row)) {
                let path = Path::new(path);
                let into = target.join(path.strip_prefix(root).unwrap_or(path));
                if let Some(above) = into.parent() {
                    std::fs::create_dir_all(above).map_err(file("making", above))?;
                }
                std::fs::copy(path, &into).map_err(file("writing", &into))?;
            }
        }
        Set::Table(path) => {
            if outcome.spans.iter().any(|(_, length)| *length == 0)
                || outcome.spans.len() as u64 != outcome.rows
            {
                return Err(Failure::new(
                    Exit::Usage,
                    "rows of this format or number can't be copied one by one; convert it to CSV or JSON lines",
                ));
            }
            let mut from = File::open(path).map_err(file("opening", path))?;
            let into = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(target);
            let mut into = BufWriter::new(into.map_err(file("making", target))?);
            let header = std::iter::once((0, outcome.header));
            let rows = outcome
                .spans
                .iter()
                .enumerate()
                .filter(|(row, _)| left(*row))
                .map(|(_, span)| *span);
            let mut at = 0;
            let mut piece = Vec::new();
            for (offset, length) in header.chain(rows) {
                if offset != at {
                    from.seek(SeekFrom::Start(offset))
                        .map_err(file("reading", path))?;
                }
                piece.clear();
                Read::by_ref(&mut from)
                    .take(length)
                    .read_to_end(&mut piece)
                    .map_err(file("reading", path))?;
                into.write_all(&piece).map_err(file("writing", target))?;
                at = offset + piece.len() as u64;
            }
            into.flush().map_err(file("writing", target))?;
        }
    }
    Ok(())
}

fn print(out: Output, scan: &ScanData, outcomes: &[Outcome], reports: &[Report]) -> Result<(), Failure> {
    let format = match scan.format {
        ScanFormat::Text if out.json => ScanFormat::Json,
        other => other,
    };
    let text = match format {
        ScanFormat::Json => format!("{}\n", data_json(outcomes)),
        ScanFormat::Sarif => format!("{}\n", sarif(reports)),
        ScanFormat::Junit => junit(reports),
        ScanFormat::Html => data_html(outcomes),
        ScanFormat::Text if scan.out.is_none() => {
            let lines = Output { json: false, ..out };
            return lines.emit(&(), |to| told(to, scan.all, outcomes, reports));
        }
        ScanFormat::Text => {
            let mut plain = anstream::StripStream::new(Vec::new());
            told(&mut plain, scan.all, outcomes, reports)
                .map_err(|error| Failure::new(Exit::Bug, "the answer can't be written").because(error))?;
            String::from_utf8_lossy(&plain.into_inner()).into_owned()
        }
    };
    match &scan.out {
        Some(path) => std::fs::write(path, text).map_err(file("writing", path)),
        None => out.raw(text.as_bytes()),
    }
}

/// Rows told to a person; `--json` has all.
const ROWS_TOLD: usize = 20;

fn told(to: &mut dyn Write, all: bool, outcomes: &[Outcome], reports: &[Report]) -> std::io::Result<()> {
    people(to, all, reports)?;
    for outcome in outcomes {
        let label = outcome.columns.iter().find(|column| column.role == "label");
        let label = label.map_or_else(String::new, |column| {
            format!(", labels in `{}`", shown(column.name.as_bytes(), 100))
        });
        writeln!(
            to,
            "{}: {} rows{label}, {} suspect",
            shown(outcome.report.file.as_bytes(), 4096),
            outcome.rows,
            outcome.suspects.len()
        )?;
        for suspect in outcome.suspects.iter().take(ROWS_TOLD) {
            let place = suspect.file.as_deref().map_or_else(
                || format!("row {}", suspect.row),
                |file| shown(file.as_bytes(), 400),
            );
            writeln!(
                to,
                "  {place} p {:.1e} {}: {}",
                suspect.p,
                suspect.rule,
                shown(suspect.reason.as_bytes(), 400)
            )?;
        }
        if outcome.suspects.len() > ROWS_TOLD {
            writeln!(
                to,
                "  and {} more; --json has all",
                outcome.suspects.len() - ROWS_TOLD
            )?;
        }
    }
    Ok(())
}
