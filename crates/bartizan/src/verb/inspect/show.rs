//! The answer for a person: a line for each finding, and the text around it with what was found in colour. Values that
//! nobody should see are never shown, in whichever finding's text they stand.

use std::io::{self, Write};
use std::ops::Range;

use anstyle::{AnsiColor, Style};
use bartizan_inspect::{Report, Seen};
use bartizan_types::{FindingKind, Severity};

use super::{Looked, place};

/// Most bytes of a finding that are shown, and of the line around it on each side.
const SHOWN: usize = 160;
const AROUND: usize = 32;

/// Prints what was seen in one file.
pub(super) fn show(to: &mut dyn Write, looked: &Looked) -> io::Result<()> {
    let report = &looked.report;
    let masks = masks(report);
    for seen in &report.seen {
        let (line, column) = place(&looked.bytes, seen.span.start);
        let style = match seen.severity {
            Severity::Critical | Severity::High => Style::new().fg_color(Some(AnsiColor::Red.into())),
            Severity::Medium => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            _ => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
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
        excerpt(to, &looked.bytes, seen, &masks, style)?;
    }
    if report.seen.is_empty() {
        writeln!(to, "nothing found; that is no proof that nothing is there")?;
    }
    match looked.unseen() {
        Some(unseen) => writeln!(to, "incomplete: {unseen}"),
        None => Ok(()),
    }
}

/// Places of values that are not shown, in order, and what stands there instead.
fn masks(report: &Report) -> Vec<(Range<usize>, &'static str)> {
    let hidden = |seen: &&Seen| {
        matches!(
            seen.kind,
            FindingKind::Secret | FindingKind::PersonalData | FindingKind::Canary
        )
    };
    let mut masks: Vec<(Range<usize>, &'static str)> = Vec::new();
    // What was seen is in order of place.
    for seen in report.seen.iter().filter(hidden) {
        match masks.last_mut() {
            Some((last, _)) if seen.span.start < last.end => last.end = last.end.max(seen.span.end),
            _ => masks.push((seen.span.clone(), seen.what)),
        }
    }
    masks
}

/// The part of its line in which a finding stands, on one line; of a longer one the first part. What was found is in
/// colour, what speaks most for it bold. Control characters are shown as `·`.
fn excerpt(
    to: &mut dyn Write,
    bytes: &[u8],
    seen: &Seen,
    masks: &[(Range<usize>, &'static str)],
    style: Style,
) -> io::Result<()> {
    let stop = seen.span.end.min(seen.span.start + SHOWN);
    let shown = around(bytes, seen.span.start..stop);
    write!(to, "    ")?;
    // A value that begins before what is shown is not shown either.
    let first = masks.partition_point(|(range, _)| range.end <= shown.start);
    let mut masks = masks.iter().skip(first).peekable();
    let mut at = shown.start;
    while at < shown.end {
        let inside = seen.span.contains(&at);
        if let Some((range, what)) = masks.next_if(|(range, _)| range.start <= at) {
            let own = *range == seen.span || inside;
            paint(to, &format!("[{what}]"), if own { style } else { Style::new() })?;
            at = range.end.max(at + 1);
            continue;
        }
        let bold = seen.because.iter().any(|(range, _)| range.contains(&at));
        let edges = [seen.span.start, seen.span.end]
            .into_iter()
            .chain(
                seen.because
                    .iter()
                    .flat_map(|(range, _)| [range.start, range.end]),
            )
            .chain(masks.peek().map(|(range, _)| range.start));
        let stop = edges.filter(|edge| *edge > at).min().unwrap_or(shown.end);
        let stop = stop.min(shown.end);
        let text = String::from_utf8_lossy(bytes.get(at..stop).unwrap_or_default());
        let style = match (inside, bold) {
            (false, _) => Style::new(),
            (true, false) => style,
            (true, true) => style.bold(),
        };
        paint(to, &text, style)?;
        at = stop;
    }
    writeln!(to, "{}", if stop < seen.span.end { "…" } else { "" })
}

/// A finding, and the rest of its line on both sides as far as it is near, in whole characters.
fn around(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let before = bytes
        .get(span.start.saturating_sub(AROUND)..span.start)
        .unwrap_or_default();
    let mut start = span.start - before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let after = bytes.get(span.end..).unwrap_or_default();
    let mut end = span.end
        + after
            .iter()
            .take(AROUND)
            .take_while(|byte| **byte != b'\n')
            .count();
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    while start < span.start && is_inside(start) {
        start += 1;
    }
    while end > span.end && is_inside(end) {
        end -= 1;
    }
    start..end
}

fn paint(to: &mut dyn Write, text: &str, style: Style) -> io::Result<()> {
    let safe: String = text
        .chars()
        .map(|c| if c.is_control() || is_unseen(c) { '·' } else { c })
        .collect();
    write!(to, "{style}{safe}{style:#}")
}

/// Characters that a terminal would act on or not show.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}')
}
