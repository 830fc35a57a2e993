//! What commands print: one JSON value with `--json`, else lines for a person. Colour by anstream's rules
//! (`NO_COLOR`, `CLICOLOR`, terminals only). Progress goes to standard error and only to a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{exit::Exit, failure::Failure};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Stable shapes for programs.
    pub(crate) json: bool,
    /// Nothing but answers and errors.
    pub(crate) quiet: bool,
}

impl Output {
    /// Prints the value as one JSON line, or what `human` writes.
    pub(crate) fn emit<T: Serialize + ?Sized>(
        self,
        value: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let written = if self.json {
            let text = serde_json::to_string(value).map_err(|error| {
                Failure::new(Exit::Bug, "the answer can't be written as JSON").because(error)
            })?;
            writeln!(out, "{text}")
        } else {
            human(&mut out)
        };
        written.and_then(|()| out.flush()).or_else(closed)
    }

    /// Prints text as it is, in either mode.
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).or_else(closed)
    }

    /// A remark on standard error, unless `--quiet`.
    pub(crate) fn remark(self, text: &str) {
        if !self.quiet {
            // A remark nobody can read is no failure.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Progress over `total` steps, on a terminal.
    pub(crate) fn progress(self, total: u64, what: &'static str) -> ProgressBar {
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// A reader that went away (`| head`) ends the command quietly; anything else is a failure.
fn closed(error: io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(Failure::new(Exit::Files, "writing to standard output failed").because(error))
}

/// Rows under a header, columns as wide as their widest cell.
pub(crate) fn table(out: &mut dyn Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        let head = header.get(column).map_or(0, |cell| cell.chars().count());
        cells.chain([head]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..header.len()).map(width).collect();
    let bold = anstyle::Style::new().bold();
    let head: Vec<_> = header
        .iter()
        .zip(&widths)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    writeln!(out, "{bold}{}{bold:#}", head.join("  ").trim_end())?;
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
