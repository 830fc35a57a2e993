//! `scan model`: opens files, hands their bytes to the scanner a piece at a time, prints what it found. Judges nothing.

pub(super) mod data;
mod files;
mod ledger;
mod progress;
mod resume;

use std::{
    io::{self, Write},
    path::Path,
    time::SystemTime,
};

use anstyle::{AnsiColor, Style};
use bartizan_artifact::{
    Baseline, Report, Suppression, Verdict, cover,
    output::{html, json, junit, sarif, worst},
    shown,
};
use bartizan_types::{Scanner, Timestamp};
use serde::Deserialize;

pub(crate) use ledger::{list, told};

use crate::{
    cli::{FailOn, Global, ScanFormat, ScanModel},
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// Bytes of a baseline or a file of suppressions.
const LIST_BYTES_MAX: u64 = 64 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppressions {
    #[serde(default)]
    suppress: Vec<Suppression>,
}

/// What earlier scans and people have said of findings.
struct Known {
    baseline: Baseline,
    suppressions: Vec<Suppression>,
}

impl Known {
    fn read(baseline: Option<&Path>, suppress: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self {
            baseline: baseline.map(read_baseline).transpose()?.unwrap_or_default(),
            suppressions: suppress.map(read_suppressions).transpose()?.unwrap_or_default(),
        })
    }

    /// Covers what is known, says which suppressions have ended, and writes the baseline of this scan where one is wanted.
    fn cover(&self, reports: &mut [Report], write: Option<&Path>, out: Output) -> Result<(), Failure> {
        for ended in cover(reports, &self.baseline, &self.suppressions, &today()) {
            out.remark(&format!(
                "the suppression of `{}` ended on {} and covers nothing",
                ended.rule, ended.until
            ));
        }
        let Some(path) = write else { return Ok(()) };
        let text = serde_json::to_vec_pretty(&Baseline::of(reports)).map_err(|error| {
            Failure::new(Exit::Bug, "the baseline can't be written as JSON").because(error)
        })?;
        std::fs::write(path, text).map_err(file("writing", path))
    }
}

/// Runs the verb.
pub(crate) async fn model_verb(global: &Global, out: Output, scan: &ScanModel) -> Result<Exit, Failure> {
    let known = Known::read(scan.baseline.as_deref(), scan.suppress.as_deref())?;
    // The task watches; the scan itself keeps this thread busy.
    let watch = tokio::spawn(files::stop_when_told());
    let judged = files::models(scan, global.state.is_some(), out)?;
    watch.abort();
    let files::Judged {
        mut reports,
        digests,
        cancelled,
    } = judged;
    known.cover(&mut reports, scan.write_baseline.as_deref(), out)?;
    print(out, scan, &reports)?;
    if global.state.is_some() {
        let noted = ledger::Noted {
            scanner: Scanner::Model,
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

/// The day in UTC.
fn today() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let text = Timestamp::from_unix_seconds(now.map_or(0, |since| since.as_secs())).to_string();
    text.get(..10).unwrap_or_default().to_owned()
}

fn read_list(path: &Path) -> Result<String, Failure> {
    let size = std::fs::metadata(path).map_err(file("reading", path))?.len();
    if size > LIST_BYTES_MAX {
        let message = format!(
            "`{}` has {size} bytes, the limit is {LIST_BYTES_MAX}",
            path.display()
        );
        return Err(Failure::new(Exit::Files, message));
    }
    std::fs::read_to_string(path).map_err(file("reading", path))
}

fn read_baseline(path: &Path) -> Result<Baseline, Failure> {
    let wrong = || Failure::new(Exit::Config, format!("`{}` is no baseline", path.display()));
    let baseline: Baseline =
        serde_json::from_str(&read_list(path)?).map_err(|error| wrong().because(error))?;
    if baseline.version == 1 {
        Ok(baseline)
    } else {
        Err(wrong())
    }
}

fn read_suppressions(path: &Path) -> Result<Vec<Suppression>, Failure> {
    let wrong = || {
        Failure::new(
            Exit::Config,
            format!("`{}` holds no suppressions", path.display()),
        )
    };
    let read: Suppressions = toml::from_str(&read_list(path)?).map_err(|error| wrong().because(error))?;
    for suppression in &read.suppress {
        if let Some(fault) = suppression.fault() {
            let message = format!(
                "suppression of `{}` in `{}`: {fault}",
                suppression.rule,
                path.display()
            );
            return Err(Failure::new(Exit::Config, message));
        }
    }
    Ok(read.suppress)
}

fn print(out: Output, scan: &ScanModel, reports: &[Report]) -> Result<(), Failure> {
    let format = match scan.format {
        ScanFormat::Text if out.json => ScanFormat::Json,
        other => other,
    };
    let text = match format {
        ScanFormat::Json => format!("{}\n", json(reports)),
        ScanFormat::Sarif => format!("{}\n", sarif(reports)),
        ScanFormat::Junit => junit(reports),
        ScanFormat::Html => html(reports),
        ScanFormat::Text if scan.out.is_none() => {
            let lines = Output { json: false, ..out };
            return lines.emit(&(), |to| people(to, scan.all, reports));
        }
        ScanFormat::Text => {
            let mut plain = anstream::StripStream::new(Vec::new());
            people(&mut plain, scan.all, reports)
                .map_err(|error| Failure::new(Exit::Bug, "the answer can't be written").because(error))?;
            String::from_utf8_lossy(&plain.into_inner()).into_owned()
        }
    };
    match &scan.out {
        Some(path) => std::fs::write(path, text).map_err(file("writing", path)),
        None => out.raw(text.as_bytes()),
    }
}

fn people(to: &mut dyn Write, all: bool, reports: &[Report]) -> io::Result<()> {
    for report in reports {
        if report.verdict == Verdict::Clean && report.findings.is_empty() && !all {
            continue;
        }
        let name = shown(report.file.as_bytes(), 4096);
        writeln!(to, "{} {name} ({})", verdict(report.verdict), report.format)?;
        for finding in &report.findings {
            let member = match finding.place.member.as_str() {
                "" => String::new(),
                member => format!("{member} "),
            };
            let times = if finding.count > 1 {
                format!(", {} times", finding.count)
            } else {
                String::new()
            };
            let what = shown(finding.what.as_bytes(), 400);
            writeln!(
                to,
                "  {} {member}@{}{times}: {what}",
                verdict(finding.severity),
                finding.place.offset
            )?;
            let known: Vec<&str> = finding
                .rule
                .cve
                .iter()
                .chain(finding.rule.atlas)
                .copied()
                .collect();
            writeln!(
                to,
                "    {}: {}; {}. {}",
                finding.rule.id,
                finding.rule.title,
                finding.rule.remedy,
                known.join(" ")
            )?;
            if let Some(why) = &finding.covered {
                writeln!(to, "    covered: {}", shown(why.as_bytes(), 400))?;
            }
        }
    }
    let count = |wanted: Verdict| reports.iter().filter(|report| report.verdict == wanted).count();
    writeln!(
        to,
        "{} files: {} malicious, {} suspicious, {} unknown, {} clean",
        reports.len(),
        count(Verdict::Malicious),
        count(Verdict::Suspicious),
        count(Verdict::Unknown),
        count(Verdict::Clean)
    )
}

fn verdict(verdict: Verdict) -> String {
    let colour = match verdict {
        Verdict::Clean => AnsiColor::Green,
        Verdict::Unknown => AnsiColor::Cyan,
        Verdict::Suspicious => AnsiColor::Yellow,
        Verdict::Malicious => AnsiColor::Red,
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{}{style:#}", verdict.word())
}
