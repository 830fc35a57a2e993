//! `scan data`: finds the files of a data set, hands them to the detectors, prints what they say and writes the rows
//! that are left. Judges nothing.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bartizan_artifact::{
    Report, Source, Verdict,
    data::{Beside, Chosen, Course, Expected, Outcome, Wrong, folder, table_along, uncopied},
    output::{data_html, data_json, junit, sarif, worst},
    shown,
};
use bartizan_types::{Digest, Scanner};
use indicatif::ProgressBar;
use serde::Deserialize;

use super::{
    Known,
    files::{Found, OpenFile, Stamp, hashed, stop_when_told, stopped, walk},
    ledger, people,
    progress::{Asked, Progress},
    read_list,
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
    if let (Some(_), [Set::Table(path)]) = (&scan.quarantine, sets.as_slice()) {
        can_be_copied(path)?;
    }
    let stamps: Vec<_> = sets.iter().map(Set::stamps).collect();
    // The task watches; the scan itself keeps this thread busy.
    let watch = tokio::spawn(stop_when_told());
    let judged = all(&sets, &stamps, scan, &chosen, out);
    watch.abort();
    let (mut outcomes, cancelled) = judged?;
    let mut reports: Vec<Report> = outcomes.iter().map(|outcome| outcome.report.clone()).collect();
    known.cover(&mut reports, scan.write_baseline.as_deref(), out)?;
    for (outcome, report) in outcomes.iter_mut().zip(&reports) {
        outcome.report = report.clone();
    }
    if let (Some(target), [set], [outcome], false) =
        (&scan.quarantine, sets.as_slice(), outcomes.as_slice(), cancelled)
    {
        quarantine(target, set, outcome)?;
    }
    print(out, scan, &outcomes, &reports)?;
    if global.state.is_some() {
        let digests = sets.iter().zip(&stamps).take(outcomes.len());
        let digests: Vec<_> = digests.map(|(set, stamps)| digest_of(set, stamps)).collect();
        let noted = ledger::Noted {
            scanner: Scanner::Data,
            cancelled,
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
    for expected in &read.column {
        if let Err((field, why)) = expected.checked() {
            let message = format!(
                "`{}`: `{field}` of column `{}` {why}",
                path.display(),
                shown(expected.name.as_bytes(), 100)
            );
            return Err(Failure::new(Exit::Config, message));
        }
    }
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

impl Set {
    fn name(&self) -> String {
        let (Self::Table(path) | Self::Folder(path, _)) = self;
        path.to_string_lossy().into_owned()
    }

    /// What its files are now, one after the other; nothing where one of them can't be asked.
    fn stamps(&self) -> Option<Vec<Stamp>> {
        let files = match self {
            Self::Table(path) => std::slice::from_ref(path),
            Self::Folder(_, files) => files.as_slice(),
        };
        stamps(files.iter())
    }
}

fn stamps<'p>(files: impl Iterator<Item = &'p PathBuf>) -> Option<Vec<Stamp>> {
    files
        .map(|path| std::fs::metadata(path).ok().map(|there| Stamp::of(&there)))
        .collect()
}

/// SHA-256 of a table that has not changed since it had this stamp; a folder has none.
fn digest_of(set: &Set, before: &Option<Vec<Stamp>>) -> Option<Digest> {
    let Set::Table(path) = set else { return None };
    let digest = hashed(&OpenFile::open(path, &ProgressBar::hidden()).ok()?)?;
    (set.stamps() == *before).then_some(digest)
}

/// Everything that the answer for a set depends on, as one name; nothing where that can't be said.
fn asked(set: &Set, now: Option<&Vec<Stamp>>, scan: &ScanData, chosen: &Chosen) -> Option<String> {
    let beside = [&scan.probabilities, &scan.embeddings, &scan.baseline_data];
    let mut asked = Asked::new();
    asked.on(&set.name());
    if let Set::Folder(_, files) = set {
        for file in files {
            asked.on(&file.to_string_lossy());
        }
    }
    let there = stamps(beside.into_iter().flatten())?;
    for stamp in now?.iter().chain(&there) {
        asked.on(&format!("{:?}", stamp.0));
    }
    asked.on(&format!("{beside:?} {chosen:?}"));
    Some(asked.key())
}

/// Judges the sets one after the other, from where an earlier scan was; whether the user ended it before the end.
fn all(
    sets: &[Set],
    stamps: &[Option<Vec<Stamp>>],
    scan: &ScanData,
    chosen: &Chosen,
    out: Output,
) -> Result<(Vec<Outcome>, bool), Failure> {
    let mut progress = Progress::open(scan.resume.as_deref(), out)?;
    let mut outcomes = Vec::with_capacity(sets.len());
    for (done, (set, stamps)) in sets.iter().zip(stamps).enumerate() {
        if stopped() {
            let more = sets.len() - done - 1;
            let what = format!("the scan was stopped; this data set and {more} more were not looked at");
            outcomes.push(Outcome::unjudged(&set.name(), true, &what));
            break;
        }
        let key = asked(set, stamps.as_ref(), scan, chosen).unwrap_or_default();
        // Which bytes a row has is not kept, and only quarantine asks for it.
        let finished = scan
            .quarantine
            .is_none()
            .then(|| progress.finished(&key))
            .flatten();
        if let Some(outcome) = finished {
            outcomes.push(outcome);
            continue;
        }
        let seen = progress.seen(&key);
        let mut course = Course {
            before: seen,
            keep: &mut |seen| progress.inspected(&key, seen),
            stopped: &stopped,
        };
        let mut outcome = judged(set, scan, chosen, &mut course, out)?;
        progress.failed()?;
        if set.stamps() != *stamps || stamps.is_none() {
            outcome.unsure("changed while it was read");
        } else if !stopped() && !key.is_empty() {
            progress.keep(&key, &outcome);
            progress.failed()?;
        }
        outcomes.push(outcome);
    }
    Ok((outcomes, stopped()))
}

fn judged(
    set: &Set,
    scan: &ScanData,
    chosen: &Chosen,
    course: &mut Course<'_>,
    out: Output,
) -> Result<Outcome, Failure> {
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
            let name = path.to_string_lossy();
            let outcome = table_along(&name, &OpenFile::open(path, &bar)?, beside, chosen, course);
            bar.finish_and_clear();
            outcome
        }
        Set::Folder(path, files) => pictures_or_texts(path, files, beside, chosen, course, out)?,
    };
    // What a scan that was stopped can't read any more is no fault of what it was given.
    match outcome {
        Err(Wrong::Beside(_)) if stopped() => Ok(Outcome::unjudged(
            &set.name(),
            true,
            "the scan was stopped before the end",
        )),
        other => other.map_err(wrong),
    }
}

fn pictures_or_texts(
    path: &Path,
    files: &[PathBuf],
    beside: Beside<'_>,
    chosen: &Chosen,
    course: &mut Course<'_>,
    out: Output,
) -> Result<Result<Outcome, Wrong>, Failure> {
    let hidden = ProgressBar::hidden();
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
    let outcome = folder(&path.to_string_lossy(), sources, beside, chosen, course);
    bar.finish_and_clear();
    match failed {
        Some(failure) => Err(failure),
        None => Ok(outcome),
    }
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

/// Refuses before the scan what would be refused after it: rows that have no bytes of their own.
fn can_be_copied(path: &Path) -> Result<(), Failure> {
    let name = path.to_string_lossy();
    let Some(format) = uncopied(&name, &OpenFile::open(path, &ProgressBar::hidden())?) else {
        return Ok(());
    };
    let message = format!(
        "`{}` is {format}; --quarantine copies rows of CSV, TSV, JSON lines and text, and files of folders; convert it first",
        shown(name.as_bytes(), 400)
    );
    Err(Failure::new(Exit::Usage, message))
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
        let mut before = None;
        for suspect in outcome.suspects.iter().take(ROWS_TOLD) {
            let place = suspect.file.as_deref().map_or_else(
                || format!("row {}", suspect.row),
                |file| shown(file.as_bytes(), 400),
            );
            let why = (suspect.rule.as_ref(), suspect.reason.as_str());
            let reason = match before.replace(why) {
                Some(told) if told == why => "the same".to_owned(),
                _ => shown(suspect.reason.as_bytes(), 400),
            };
            writeln!(to, "  {place} p {:.1e} {}: {reason}", suspect.p, suspect.rule)?;
        }
        if outcome.suspects.len() > ROWS_TOLD {
            writeln!(
                to,
                "  and {} more; --json has all",
                outcome.suspects.len() - ROWS_TOLD
            )?;
        }
        for looked in &outcome.looked {
            writeln!(to, "  {}: {}", looked.rule, looked.told())?;
        }
    }
    Ok(())
}
