//! `inspect FILE|-` and `inspect train`.

mod train;

use std::io::{self, Read as _, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use bartizan_inspect::canary::Canaries;
use bartizan_inspect::{Channel, Report, Seen, Wanted, document, inspect};
use bartizan_types::{FindingKind, Severity};
use serde_json::{Value, json};

use crate::{
    cli::{ChannelName, Grade, Inspect, InspectVerb},
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// Most bytes that are looked into; a longer input is refused, since what is left out would go unseen.
const MOST: u64 = 64 << 20;

/// Runs the verb.
pub(crate) fn run(out: Output, asked: &Inspect) -> Result<Exit, Failure> {
    if let Some(InspectVerb::Train {
        data,
        out: path,
        seed,
    }) = &asked.verb
    {
        return train::run(out, data, path, *seed);
    }
    let path = asked.file.as_deref().unwrap_or_else(|| Path::new("-"));
    let bytes = read(path)?;
    // Of a document the text in it is looked into, and places are in that text.
    let document = document::read(&bytes);
    let bytes = match &document {
        Some(document) => document.text.as_bytes(),
        None => &bytes,
    };
    let mut report = inspect(channel(asked.channel), bytes, Wanted::ALL, &Canaries::default());
    report.cut |= document.as_ref().is_some_and(|document| document.cut);
    if asked.sarif {
        let text = serde_json::to_string_pretty(&sarif(path, bytes, &report, document.is_none())).map_err(
            |error| Failure::new(Exit::Bug, "the answer can't be written as SARIF").because(error),
        )?;
        out.raw(format!("{text}\n").as_bytes())?;
    } else {
        let mut value = value(bytes, &report);
        if let (Some(document), Some(value)) = (&document, value.as_object_mut()) {
            value.insert(
                "document".to_owned(),
                json!({ "kind": word(document.kind), "pictures": document.pictures, "incomplete": document.cut }),
            );
        }
        out.emit(&value, |to| {
            if let Some(document) = &document {
                let pictures = if document.pictures {
                    ", pictures in it unread"
                } else {
                    ""
                };
                writeln!(
                    to,
                    "the text in {}{pictures}; places are in that text",
                    word(document.kind)
                )?;
            }
            show(to, bytes, &report)
        })?;
    }
    let least = severity(asked.fail_on);
    let refused = report.cut || report.seen.iter().any(|seen| seen.severity >= least);
    Ok(if refused { Exit::Refused } else { Exit::Done })
}

const fn word(kind: document::Kind) -> &'static str {
    match kind {
        document::Kind::Office => "an office file",
        document::Kind::Pdf => "a PDF",
        document::Kind::Image => "a picture's metadata",
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
    };
    read.map_err(file("reading", path))?;
    if bytes.len() as u64 > MOST {
        return Err(
            Failure::new(Exit::Files, format!("`{}` is longer than 64 MiB", path.display()))
                .hint("split it; what is cut off would go unseen"),
        );
    }
    Ok(bytes)
}

const fn channel(name: ChannelName) -> Channel {
    match name {
        ChannelName::User => Channel::User,
        ChannelName::Tool => Channel::Tool,
        ChannelName::Document => Channel::Document,
        ChannelName::Mail => Channel::Mail,
        ChannelName::Description => Channel::Description,
        ChannelName::System => Channel::System,
    }
}

const fn severity(grade: Grade) -> Severity {
    match grade {
        Grade::Info => Severity::Info,
        Grade::Low => Severity::Low,
        Grade::Medium => Severity::Medium,
        Grade::High => Severity::High,
        Grade::Critical => Severity::Critical,
    }
}

/// Line and column, from 1, in characters.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default())
        .chars()
        .count();
    (line + 1, column + 1)
}

/// What JSON holds of a finding: where, never the text itself.
fn value(bytes: &[u8], report: &Report) -> Value {
    let findings: Vec<Value> = report
        .seen
        .iter()
        .map(|seen| {
            let (line, column) = place(bytes, seen.span.start);
            let because: Vec<Value> = seen
                .because
                .iter()
                .map(|(range, weight)| json!({ "start": range.start, "end": range.end, "weight": weight }))
                .collect();
            json!({
                "kind": seen.kind.as_str(), "what": seen.what, "severity": seen.severity, "score": seen.score,
                "start": seen.span.start, "end": seen.span.end, "line": line, "column": column,
                "form": seen.form.as_str(), "above_threshold": seen.above, "because": because,
                "taxonomy": bartizan_inspect::taxonomy(seen.kind),
            })
        })
        .collect();
    let injection = report
        .injection
        .map(|(score, threshold)| json!({ "score": score, "threshold": threshold }));
    json!({ "bytes": bytes.len(), "findings": findings, "injection": injection, "incomplete": report.cut })
}

/// Whether a finding's own text may be shown: never that of a secret or of personal data.
fn showable(seen: &Seen) -> bool {
    !matches!(
        seen.kind,
        FindingKind::Secret | FindingKind::PersonalData | FindingKind::Canary
    )
}

fn show(to: &mut dyn Write, bytes: &[u8], report: &Report) -> io::Result<()> {
    for seen in &report.seen {
        let (line, column) = place(bytes, seen.span.start);
        let style = match seen.severity {
            Severity::Critical | Severity::High => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
            Severity::Medium => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            _ => Style::new().dimmed(),
        };
        let severity = format!("{:?}", seen.severity).to_lowercase();
        write!(
            to,
            "{line}:{column} {style}{severity}{style:#} {} {}",
            seen.kind.as_str(),
            seen.what
        )?;
        if seen.form.as_str() != "plain" {
            write!(to, " in {}", seen.form.as_str())?;
        }
        if let Some(above) = seen.above {
            write!(to, ", {above:.1} above the threshold")?;
        }
        writeln!(to, ", {} of 1000", seen.score)?;
        if showable(seen) {
            excerpt(to, bytes, seen, style)?;
        }
    }
    if report.seen.is_empty() {
        writeln!(to, "nothing found; that is no proof that nothing is there")?;
    }
    if report.cut {
        writeln!(
            to,
            "incomplete: too many or too long encodings, or parts of a document that can't be read; some went unseen"
        )?;
    }
    Ok(())
}

/// The finding's text on one line, what speaks for it in colour. Control characters are shown as `·`.
fn excerpt(to: &mut dyn Write, bytes: &[u8], seen: &Seen, style: Style) -> io::Result<()> {
    const SHOWN: usize = 160;
    write!(to, "    ")?;
    let end = seen.span.end.min(seen.span.start + SHOWN);
    let mut at = seen.span.start;
    while at < end {
        let marked = seen.because.iter().any(|(range, _)| range.contains(&at));
        let same = |next: usize| seen.because.iter().any(|(range, _)| range.contains(&next)) == marked;
        let stop = (at..end).find(|next| !same(*next)).unwrap_or(end);
        let text = String::from_utf8_lossy(bytes.get(at..stop).unwrap_or_default());
        let safe: String = text
            .chars()
            .map(|c| if c.is_control() || is_unseen(c) { '·' } else { c })
            .collect();
        if marked {
            write!(to, "{style}{safe}{style:#}")?;
        } else {
            write!(to, "{safe}")?;
        }
        at = stop;
    }
    writeln!(to, "{}", if end < seen.span.end { "…" } else { "" })
}

/// Characters that a terminal would act on or not show.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}')
}

/// `places`: that of a finding is one of the file.
fn sarif(path: &Path, bytes: &[u8], report: &Report, places: bool) -> Value {
    let results: Vec<Value> = report
        .seen
        .iter()
        .map(|seen| {
            let (line, column) = place(bytes, seen.span.start);
            let level = match seen.severity {
                Severity::Critical | Severity::High => "error",
                Severity::Medium => "warning",
                _ => "note",
            };
            let mut place = json!({ "artifactLocation": { "uri": path.display().to_string() } });
            if let Some(place) = place.as_object_mut().filter(|_| places) {
                place.insert(
                    "region".to_owned(),
                    json!({ "startLine": line, "startColumn": column, "byteOffset": seen.span.start, "byteLength": seen.span.len() }),
                );
            }
            json!({
                "ruleId": format!("{}/{}", seen.kind.as_str(), seen.what),
                "level": level,
                "message": { "text": format!("{}: {}", seen.kind.as_str(), seen.what) },
                "locations": [{ "physicalLocation": place }],
            })
        })
        .collect();
    let mut rules: Vec<(String, &[&str])> = report
        .seen
        .iter()
        .map(|seen| {
            (
                format!("{}/{}", seen.kind.as_str(), seen.what),
                bartizan_inspect::taxonomy(seen.kind),
            )
        })
        .collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|(id, tags)| json!({ "id": id, "shortDescription": { "text": id }, "properties": { "tags": tags } }))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "bartizan inspect", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_places_and_no_secret() {
        let text = b"first line\nkey ghp_0123456789abcdefghijABCDEFGHIJabcdef and ana@example.com\n";
        let report = inspect(Channel::Tool, text, Wanted::ALL, &Canaries::default());
        let json = value(text, &report).to_string();
        let found = sarif(Path::new("x"), text, &report, true).to_string();
        let mut shown = Vec::new();
        show(&mut shown, text, &report).expect("memory");
        let shown = String::from_utf8(shown).expect("text");
        for answer in [&json, &found, &shown] {
            assert!(answer.contains("github_token"), "{answer}");
            assert!(!answer.contains("ghp_") && !answer.contains("ana@"), "{answer}");
        }
        assert!(shown.starts_with("2:5 "), "{shown}");
    }
}
