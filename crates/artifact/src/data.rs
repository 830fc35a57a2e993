//! Judges data sets before something learns from them: columns that are not as expected, labels that are wrong, triggers,
//! floods, texts written to be found.
//!
//! Rows are read forward and once; what is kept of them are numbers, within counted bounds. Each suspect row has a
//! p-value and a reason. Statistics can't prove malice: what is found here is at most suspicious.

mod across;
mod arrow;
mod clusters;
mod course;
mod drift;
mod encoded;
mod flat;
mod gather;
mod groups;
mod image;
mod json;
mod judge;
mod kept;
mod labels;
mod learner;
mod letters;
mod lone;
mod looked;
mod parquet;
mod questions;
mod read;
mod schema;
mod snappy;
mod statistics;
mod text;
mod thrift;
mod triggers;
mod vectors;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use course::{Course, Inspected};
pub use kept::Kept;
pub use looked::Looked;
pub use schema::{Column, Drift, Expected};

use crate::{
    finding::{Finding, Place, Report, Verdict},
    rule::{self, Rule},
    source::Source,
};
use gather::{Content, Gathered, Gatherer};
use read::Stop;

/// Bytes of one text file in a folder.
const TEXT_FILE_MAX: u64 = 16 << 20;

/// What the user chose.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// The column of labels; found by name and shape otherwise.
    pub label: Option<String>,
    /// The columns of text; found otherwise.
    pub texts: Vec<String>,
    /// What is expected of columns.
    pub expected: Vec<Expected>,
    /// Texts that must not be in the data.
    pub canaries: Vec<String>,
    /// Look for instructions, secrets, personal data and hidden text in texts.
    pub contents: bool,
}

/// Files beside the data.
#[derive(Default, Clone, Copy)]
pub struct Beside<'s> {
    /// Probabilities of classes, a row for each row of data, from a model that was not trained on the row: `.npy`.
    pub probabilities: Option<&'s dyn Source>,
    /// A vector for each row: `.npy`.
    pub embeddings: Option<&'s dyn Source>,
    /// An older version of the data, with its name.
    pub older: Option<(&'s str, &'s dyn Source)>,
}

/// Why a scan can't start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// A column that was asked for is not there.
    NoColumn(String),
    /// A file beside the data is no array of numbers with a row for each row.
    Beside(&'static str),
    /// A canary is too short to be told from ordinary text.
    Canary,
}

/// A row that may be poisoned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suspect {
    /// Counted from 0, without the header.
    pub row: u64,
    /// The file, in folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The rule's id.
    pub rule: Cow<'static, str>,
    /// How likely this is in honest data.
    pub p: f64,
    /// Why, in one sentence.
    pub reason: String,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The label it more likely should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// What a scan of data found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Findings and verdict, as of every artifact.
    pub report: Report,
    /// Rows, the least likely first.
    pub suspects: Vec<Suspect>,
    /// Rows that were read.
    pub rows: u64,
    /// What the columns hold.
    pub columns: Vec<Column>,
    /// How far each is from the older version.
    pub drift: Vec<Drift>,
    /// What was looked for, and how few rows of it would have been told at this size.
    pub looked: Vec<Looked>,
    /// The estimated share of wrong labels.
    pub noise: Option<f64>,
    /// First byte and length of each row; a length of 0 where rows have none of their own.
    pub spans: Vec<(u64, u64)>,
    /// Bytes before the first row.
    pub header: u64,
    /// Files of a folder, in the order of rows.
    pub files: Vec<String>,
}

impl Outcome {
    /// What is said of data that was not looked at.
    #[must_use]
    pub fn unjudged(name: &str, cancelled: bool, what: &str) -> Self {
        Self {
            report: Report::unjudged(name, cancelled, what),
            suspects: Vec::new(),
            rows: 0,
            columns: Vec::new(),
            drift: Vec::new(),
            looked: Vec::new(),
            noise: None,
            spans: Vec::new(),
            header: 0,
            files: Vec::new(),
        }
    }

    /// Adds that what was read may not be what is there.
    pub fn unsure(&mut self, what: &str) {
        let said = Report::unjudged(&self.report.file, false, what);
        self.report.findings.extend(said.findings);
        self.report.judge();
    }
}

/// Findings on their way into a report.
pub(crate) struct Notes {
    file: String,
    findings: Vec<Finding>,
}

impl Notes {
    fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding; a severity of clean is a note, which changes no verdict.
    pub(crate) fn add(
        &mut self,
        rule: &'static Rule,
        severity: Verdict,
        row: Option<u64>,
        subject: &str,
        what: String,
        count: u64,
    ) {
        self.findings.push(Finding {
            rule,
            severity,
            place: Place {
                file: self.file.clone(),
                member: String::new(),
                offset: 0,
                length: None,
                row,
            },
            subject: crate::finding::shown(subject.as_bytes(), 200),
            what,
            count,
            covered: None,
        });
    }

    /// Says what of the rows is not as the format has it.
    fn faults(&mut self, read: &read::Read) {
        if let Some(row) = read.first_broken {
            let what = format!("{} rows are not as wide as the first, or no JSON", read.broken);
            let severity = Verdict::Unknown;
            self.add(
                &rule::DATA_SCHEMA,
                severity,
                Some(row),
                "broken rows",
                what,
                read.broken,
            );
        }
        if let Some(what) = &read.unshaped {
            let rule = &rule::DATA_SCHEMA;
            self.add(rule, Verdict::Unknown, None, "rows", what.clone(), 1);
        }
        if read.not_utf8 > 0 {
            let what = "holds text that is not UTF-8".to_owned();
            let count = read.not_utf8;
            self.add(
                &rule::DATA_SCHEMA,
                Verdict::Unknown,
                None,
                "encoding",
                what,
                count,
            );
        }
    }

    pub(crate) fn stopped(&mut self, stop: Stop) {
        let (rule, subject, what) = match stop {
            Stop::Broken => (&rule::UNREADABLE, "read error", "could not be read to its end"),
            Stop::Cancelled => (&rule::LIMIT, "cancelled", "the scan was stopped before the end"),
            Stop::TooMuch => (
                &rule::LIMIT,
                "size",
                "has a row or document that is larger than what is held at once",
            ),
            Stop::Unknown => (
                &rule::UNRECOGNISED,
                "format",
                "is no CSV, TSV, JSON, JSON lines, text or array of numbers that this build reads; Parquet and Arrow have to be converted",
            ),
        };
        self.add(rule, Verdict::Unknown, None, subject, what.to_owned(), 1);
    }
}

/// The format of a file whose rows have no bytes of their own, so that none can be left out of a copy; nothing of one whose
/// rows can be copied.
pub fn uncopied(name: &str, source: &dyn Source) -> Option<&'static str> {
    let mut own = true;
    let (read, _) = read::rows(name, source, &mut |_, row| {
        own = row.length > 0;
        Err(Stop::Cancelled)
    });
    (!own).then_some(read.format)
}

/// Judges one file of rows.
///
/// # Errors
///
/// When what the user named beside or in the data is not there or does not fit.
pub fn table(name: &str, source: &dyn Source, beside: Beside<'_>, chosen: &Chosen) -> Result<Outcome, Wrong> {
    let mut course = Course {
        before: Inspected::default(),
        keep: &mut |_| {},
        stopped: &|| false,
    };
    table_along(name, source, beside, chosen, &mut course)
}

/// The same, that may be stopped and go on from where an earlier one was.
///
/// # Errors
///
/// As [`table`].
pub fn table_along(
    name: &str,
    source: &dyn Source,
    beside: Beside<'_>,
    chosen: &Chosen,
    course: &mut Course<'_>,
) -> Result<Outcome, Wrong> {
    let mut gatherer = Gatherer::after(chosen, std::mem::take(&mut course.before));
    let (read, ended) = read::rows(name, source, &mut |read, row| {
        gatherer.row(&read.columns, row)?;
        gatherer.advance(course)
    });
    if let Some(wrong) = gatherer.wrong.take() {
        return Err(wrong);
    }
    let ended = ended.and(gatherer.ended(course));
    let mut got = finished(gatherer)?;
    let mut notes = Notes::new(name);
    if let Err(stop) = ended {
        notes.stopped(stop);
    }
    notes.faults(&read);
    let mut found = Found::default();
    if ended != Err(Stop::Cancelled) {
        if let Some((older_name, older)) = beside.older {
            found.drift = drift::against(older_name, older, &got, chosen, &mut notes);
        }
        found.judged = judge::all(&mut got, beside, chosen, course.stopped, &mut notes)?;
    }
    found.format = read.format;
    found.header = read.header;
    Ok(found.outcome(name, source.size(), got, notes))
}

fn finished(mut gatherer: Gatherer<'_>) -> Result<Gathered, Wrong> {
    match gatherer.wrong.take() {
        Some(wrong) => Err(wrong),
        None => Ok(gatherer.finish()),
    }
}

/// Judges the files of a folder, each a row: pictures, or texts, whose class is the folder they lie in.
///
/// # Errors
///
/// When what the user named does not fit.
pub fn folder<'s>(
    name: &str,
    files: impl Iterator<Item = (String, Box<dyn Source + 's>)>,
    beside: Beside<'_>,
    chosen: &Chosen,
    course: &mut Course<'_>,
) -> Result<Outcome, Wrong> {
    let mut gatherer = Gatherer::after(chosen, std::mem::take(&mut course.before));
    let mut notes = Notes::new(name);
    let (mut found, mut bytes, mut shape, mut pictures) = (Found::default(), 0, None, false);
    for (file, source) in files {
        bytes += source.size();
        pictures |= image::named(&file);
        match file_row(&mut gatherer, &file, source.as_ref(), &mut shape) {
            Some(()) => found.files.push(file),
            None => {
                let what = format!(
                    "`{}` can't be read as what its name says",
                    crate::finding::shown(file.as_bytes(), 200)
                );
                notes.add(&rule::UNREADABLE, Verdict::Unknown, None, &file, what, 1);
            }
        }
        if gatherer.advance(course).is_err() {
            break;
        }
    }
    let ended = gatherer.ended(course);
    let mut got = finished(gatherer)?;
    if got.classes.len() < 2 {
        got.labels.clear();
        got.roles.label = None;
    }
    if let Err(stop) = ended {
        notes.stopped(stop);
    } else {
        found.judged = judge::all(&mut got, beside, chosen, course.stopped, &mut notes)?;
    }
    found.format = if pictures {
        "folder of pictures"
    } else {
        "folder of texts"
    };
    Ok(found.outcome(name, bytes, got, notes))
}

/// Takes in a file of a folder; nothing where it is not what its name says.
fn file_row(
    gatherer: &mut Gatherer<'_>,
    file: &str,
    source: &dyn Source,
    shape: &mut Option<image::Shape>,
) -> Option<()> {
    let class = file.rsplit('/').nth(1).unwrap_or_default();
    if image::named(file) {
        let numbers = image::numbers(source, shape)?;
        gatherer.file(class, Content::Numbers(&numbers));
        return Some(());
    }
    if source.size() > TEXT_FILE_MAX {
        return None;
    }
    let whole = crate::source::View::all(source);
    let bytes = whole.bytes(0, source.size() as usize).ok()?;
    gatherer.file(class, Content::Text(&String::from_utf8_lossy(&bytes)));
    Some(())
}

/// What is put together in the end.
#[derive(Default)]
struct Found {
    format: &'static str,
    header: u64,
    judged: judge::Judged,
    drift: Vec<Drift>,
    files: Vec<String>,
}

impl Found {
    fn outcome(self, name: &str, bytes: u64, got: Gathered, mut notes: Notes) -> Outcome {
        if got.cut || got.texts.cut {
            let what =
                "has more rows, words or numbers than are kept, and the rest was only counted".to_owned();
            notes.add(&rule::LIMIT, Verdict::Unknown, None, "rows", what, 1);
        }
        if got.rows == 0 && notes.findings.is_empty() {
            let what = "holds no rows".to_owned();
            notes.add(&rule::UNRECOGNISED, Verdict::Unknown, None, "empty", what, 1);
        }
        let columns = columns(&got);
        let mut suspects = self.judged.suspects;
        for suspect in &mut suspects {
            suspect.file = self.files.get(suspect.row as usize).cloned();
        }
        notes
            .findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let mut report = Report {
            file: name.to_owned(),
            bytes,
            format: self.format.to_owned(),
            verdict: Verdict::Clean,
            members: 1,
            opcodes: 0,
            refers: Vec::new(),
            findings: notes.findings,
        };
        report.judge();
        Outcome {
            report,
            suspects,
            rows: got.rows,
            columns,
            drift: self.drift,
            looked: self.judged.looked,
            noise: self.judged.noise,
            spans: got.spans,
            header: self.header,
            files: self.files,
        }
    }
}

fn columns(got: &Gathered) -> Vec<Column> {
    let role = |place: usize| match place {
        _ if got.roles.label == Some(place) => "label",
        _ if got.roles.output == Some(place) => "output",
        _ if got.roles.texts.contains(&place) => "text",
        _ if got.roles.numbers.contains(&place) => "number",
        _ => "",
    };
    let named = got.names.iter().zip(&got.tallies).enumerate();
    named
        .map(|(place, (name, tally))| tally.column(name, role(place)))
        .collect()
}
