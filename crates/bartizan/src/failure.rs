//! How a command fails: a lower-case fragment, a hint apart from it, an exit code, and diagnostics with places.

use std::{error::Error, fmt, io::Write};

use anstyle::{AnsiColor, Style};
use bartizan_types::Code;
use serde_json::json;

use crate::exit::Exit;

/// Diagnostics told in one line, at most; a file that is no policy at all may have as many as it has words.
const TOLD_MAX: usize = 8;

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
    code: Option<Code>,
    source: Option<Box<dyn Error + Send + Sync>>,
    reports: Vec<miette::Report>,
}

impl Failure {
    /// A failure with this sentence: a lower-case fragment, input in backticks.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
            code: None,
            source: None,
            reports: Vec::new(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.hint = (!hint.is_empty()).then_some(hint);
        self
    }

    /// The stable code behind it, with its hint where none was given.
    #[must_use]
    pub(crate) fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        if self.hint.is_none() && !code.hint().is_empty() {
            self.hint = Some(code.hint().to_owned());
        }
        self
    }

    /// What caused it.
    #[must_use]
    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Diagnostics with places, shown before the sentence.
    #[must_use]
    pub(crate) fn reports(mut self, reports: Vec<miette::Report>) -> Self {
        self.reports = reports;
        self
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Shows it on standard error: as one JSON object, or for a person.
    pub(crate) fn show(&self, json: bool) {
        let mut err = anstream::stderr();
        // Nobody is left to tell when standard error is gone.
        let _ = if json {
            self.show_json(&mut err)
        } else {
            self.show_human(&mut err)
        };
    }

    /// Everything in one line, for logs and records: each fault under its place, as compilers write it.
    pub(crate) fn in_words(&self) -> String {
        let mut parts = vec![self.message.clone()];
        let more = self.reports.len().saturating_sub(TOLD_MAX);
        let mut reports: Vec<_> = self.reports.iter().take(TOLD_MAX).map(placed).collect();
        if more > 0 {
            reports.push(format!("and {more} more"));
        }
        parts.extend((!reports.is_empty()).then(|| reports.join("; ")));
        parts.extend(self.causes());
        parts.join(": ")
    }

    /// As a person sees it, without colour.
    #[cfg(test)]
    pub(crate) fn drawn(&self) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        self.show_human(&mut out).expect("writing to memory works");
        String::from_utf8(out.into_inner()).expect("text")
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    fn show_json(&self, err: &mut dyn Write) -> std::io::Result<()> {
        let reports: Vec<_> = self.reports.iter().map(|report| report.to_string()).collect();
        let places: Vec<_> = self.reports.iter().map(place).collect();
        let error = json!({ "error": {
            "exit": self.exit.number(),
            "kind": self.exit.word(),
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "causes": self.causes(),
            "diagnostics": reports,
            "places": places,
        } });
        writeln!(err, "{error}")
    }

    fn show_human(&self, err: &mut dyn Write) -> std::io::Result<()> {
        let red = AnsiColor::Red.on_default().bold();
        let dim = Style::new().dimmed();
        for report in &self.reports {
            writeln!(err, "{report:?}")?;
        }
        let code = self
            .code
            .map_or_else(String::new, |code| format!(" {dim}[{code}]{dim:#}"));
        writeln!(err, "{red}error{red:#}: {}{code}", self.message)?;
        for cause in self.causes() {
            writeln!(err, "  {dim}because{dim:#} {cause}")?;
        }
        if let Some(hint) = &self.hint {
            let green = AnsiColor::Green.on_default();
            writeln!(err, "{green}hint{green:#}: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Where a diagnostic points: file, line and column from 1.
fn at(report: &miette::Report) -> Option<(Option<String>, usize, usize)> {
    let label = report.labels()?.next()?;
    let read = report.source_code()?.read_span(label.inner(), 0, 0).ok()?;
    let file = read.name().map(str::to_owned);
    Some((file, read.line() + 1, read.column() + 1))
}

/// The same for programs; `null` where it names no place.
fn place(report: &miette::Report) -> serde_json::Value {
    at(report).map_or(
        serde_json::Value::Null,
        |(file, line, column)| json!({ "file": file, "line": line, "column": column }),
    )
}

/// A diagnostic in one line, behind its place and before its help.
fn placed(report: &miette::Report) -> String {
    let help = report
        .help()
        .map_or_else(String::new, |help| format!(" ({help})"));
    match at(report) {
        Some((file, line, column)) => {
            let file = file.unwrap_or_default();
            format!("{file}:{line}:{column} {report}{help}")
        }
        None => format!("{report}{help}"),
    }
}

/// Turns a failed read or write of the caller's own file into a failure that names it.
pub(crate) fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::new(Exit::Files, format!("{what} `{path}` failed")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::diagnose,
        policy_files::{Text, load},
    };

    #[test]
    fn a_fault_in_one_line_names_file_line_and_column() {
        let text = "\n  permit (principal, action == Bartizan::Action::\"generat\", resource);\n";
        let one = Text {
            name: "team.cedar".to_owned(),
            text: text.to_owned(),
        };
        let words = load(None, &[one]).err().unwrap().in_words();
        assert!(words.contains("team.cedar:2:"), "{words}");
        let words = diagnose::parse("bartizan.toml", "[policy]\npak = \"strict\"\n")
            .err()
            .unwrap()
            .in_words();
        assert!(
            words.contains("bartizan.toml:2:1 unknown key `pak` (did you mean `pack`?)"),
            "{words}"
        );
    }

    #[test]
    fn many_faults_are_counted() {
        let reports = (0..20)
            .map(|at| miette::Report::msg(format!("fault {at}")))
            .collect();
        let words = Failure::new(Exit::Config, "no").reports(reports).in_words();
        assert!(words.starts_with("no: fault 0; fault 1"), "{words}");
        assert!(words.ends_with("; fault 7; and 12 more"), "{words}");
    }
}
