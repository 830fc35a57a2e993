//! `cargo xtask test`: everything CI runs, in an order that fails early and builds once.
//!
//! A step that can't run here is skipped by name with its reason; a step that runs and fails makes the whole
//! fail, and the later steps still run, so that one run shows everything.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::run::{self, answers, logged};
use crate::workspace::{self, PLACES, Ring, cargo};
use crate::{Outcome, codegen, tidy};

/// The exit code of e2e/run.py where no peer could be installed.
const NOTHING_RAN: i32 = 2;

/// How much to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything.
    Full,
    /// Without the end-to-end tests, which install peers and take minutes.
    Quick,
}

/// What a step came to.
enum Verdict {
    Passed(Count),
    Failed(Count, String),
    Skipped(String),
}

/// Tests counted; a step without tests of its own counts as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Count {
    const ONE: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    const FAULT: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };

    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

type Step = (&'static str, fn(Depth) -> Verdict);

const STEPS: &[Step] = &[
    ("fmt", |_| of_cargo("fmt", &["fmt", "--all", "--check"])),
    ("tidy", |_| of_outcome(tidy::run())),
    ("licences", |_| licences()),
    ("clippy", |_| {
        of_cargo(
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        )
    }),
    ("clippy core", |_| core_lints()),
    ("build", |_| {
        of_cargo(
            "build",
            &["build", "--workspace", "--bins", "--locked", "--quiet"],
        )
    }),
    ("codegen", |_| of_outcome(codegen::run(codegen::Mode::Check))),
    ("unit", |_| unit()),
    ("doc", |_| doc()),
    ("e2e", end_to_end),
];

/// Runs the steps and prints the count last.
pub(crate) fn run(depth: Depth) -> Outcome {
    let started = Instant::now();
    let mut total = Count::default();
    let mut notes = Vec::new();
    for (index, (name, step)) in STEPS.iter().enumerate() {
        println!("[{}/{}] {name} …", index + 1, STEPS.len());
        let begun = Instant::now();
        let verdict = step(depth);
        let seconds = begun.elapsed().as_secs_f64();
        match verdict {
            Verdict::Passed(count) => {
                total = total.plus(count);
                println!("      ok in {seconds:.1} s: {}", words(count));
            }
            Verdict::Failed(count, detail) => {
                total = total.plus(count);
                println!("{detail}      FAILED after {seconds:.1} s: {}", words(count));
                notes.push(format!("{name} failed"));
            }
            Verdict::Skipped(reason) => {
                total.skipped += 1;
                println!("      skipped: {reason}");
                notes.push(format!("{name} skipped: {reason}"));
            }
        }
    }
    for note in &notes {
        println!("{note}");
    }
    println!("took {:.0} s", started.elapsed().as_secs_f64());
    println!("{}", words(total));
    if total.failed == 0 {
        Ok(())
    } else {
        Err(vec![format!("{} failed", total.failed)])
    }
}

fn words(count: Count) -> String {
    format!(
        "{} passed, {} failed, {} skipped",
        count.passed, count.failed, count.skipped
    )
}

fn of_outcome(outcome: Outcome) -> Verdict {
    match outcome {
        Ok(()) => Verdict::Passed(Count::ONE),
        Err(problems) => {
            let count = Count {
                failed: problems.len().max(1) as u64,
                ..Count::default()
            };
            Verdict::Failed(
                count,
                problems
                    .iter()
                    .map(|problem| format!("      {problem}\n"))
                    .collect(),
            )
        }
    }
}

fn of_cargo(name: &str, arguments: &[&str]) -> Verdict {
    match logged(name, cargo().args(arguments)) {
        Ok(ended) if ended.ok => Verdict::Passed(Count::ONE),
        Ok(ended) => Verdict::Failed(Count::FAULT, run::tail(&ended.output)),
        Err(fault) => Verdict::Failed(Count::FAULT, format!("      {fault}\n")),
    }
}

/// What hostile input could end a process with is denied in the core ring's code; in tests it is the point.
///
/// The whole workspace is read, so that dependencies have the features they have in every other step and nothing is
/// built a second time; then only what is said of the core ring counts.
fn core_lints() -> Verdict {
    const DENIED: &[&str] = &[
        "clippy::unwrap_used",
        "clippy::expect_used",
        "clippy::panic",
        "clippy::indexing_slicing",
    ];
    let mut arguments = vec![
        "clippy",
        "--workspace",
        "--lib",
        "--locked",
        "--message-format",
        "json",
        "--",
    ];
    for lint in DENIED {
        arguments.extend(["-W", lint]);
    }
    let ended = match logged("clippy core", cargo().args(&arguments)) {
        Ok(ended) => ended,
        Err(fault) => return Verdict::Failed(Count::FAULT, format!("      {fault}\n")),
    };
    if !ended.ok {
        return Verdict::Failed(Count::FAULT, run::tail(&ended.output));
    }
    let (read, found) = said_of_core(&ended.output, DENIED);
    let core = PLACES.iter().filter(|place| place.ring == Ring::Core);
    let unread: Vec<String> = core
        .filter(|place| workspace::folder_of(place).is_some() && !read.contains(place.name))
        .map(|place| format!("`{}` was not read", place.name))
        .collect();
    of_outcome(if found.is_empty() && unread.is_empty() {
        Ok(())
    } else {
        Err(found.into_iter().chain(unread).collect())
    })
}

/// From cargo's JSON: the core crates that were read, and what `lints` say of them.
fn said_of_core(output: &str, lints: &[&str]) -> (BTreeSet<String>, Vec<String>) {
    let mut read = BTreeSet::new();
    let mut found = Vec::new();
    for line in output.lines().filter(|line| line.starts_with('{')) {
        let Ok(said) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let target = said["target"]["name"]
            .as_str()
            .unwrap_or_default()
            .replace('_', "-");
        if workspace::place_of(&target).is_none_or(|place| place.ring != Ring::Core) {
            continue;
        }
        let message = &said["message"];
        if said["reason"] == "compiler-artifact" {
            read.insert(target);
        } else if message["code"]["code"]
            .as_str()
            .is_some_and(|code| lints.contains(&code))
        {
            found.push(message["rendered"].as_str().unwrap_or(&target).to_owned());
        }
    }
    (read, found)
}

fn licences() -> Verdict {
    if !answers("cargo", &["deny", "--version"]) {
        return Verdict::Skipped(
            "cargo-deny is not installed (`cargo install --locked cargo-deny`); deny.toml was not checked"
                .to_owned(),
        );
    }
    // Advisories need a database from the network, so they are no part of this.
    of_cargo(
        "licences",
        &[
            "deny",
            "--offline",
            "--all-features",
            "check",
            "licenses",
            "bans",
            "sources",
        ],
    )
}

fn unit() -> Verdict {
    let nextest = answers("cargo", &["nextest", "--version"]);
    let arguments: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]
    } else {
        &[
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ]
    };
    counted(
        "unit",
        cargo().args(arguments),
        if nextest { of_nextest } else { of_libtest },
    )
}

fn doc() -> Verdict {
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast", "--doc"];
    counted("doc", cargo().args(arguments), of_libtest)
}

fn end_to_end(depth: Depth) -> Verdict {
    if depth == Depth::Quick {
        return Verdict::Skipped("--quick".to_owned());
    }
    if run::present("e2e/run.py").is_none() {
        return Verdict::Failed(Count::FAULT, "      e2e/run.py is missing\n".to_owned());
    }
    if !answers(
        "python3",
        &["-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
    ) {
        return Verdict::Skipped("no python3 of 3.11 or later on PATH".to_owned());
    }
    let binary = workspace::target().join("debug").join("bartizan");
    let mut command = Command::new("python3");
    command
        .current_dir(workspace::root())
        .arg("e2e/run.py")
        .arg("--bin")
        .arg(binary);
    counted("e2e", &mut command, of_summary)
}

/// Runs a test runner. Its exit code decides; what it printed only counts.
fn counted(name: &str, command: &mut Command, count: fn(&str) -> Option<Count>) -> Verdict {
    let ended = match logged(name, command) {
        Ok(ended) => ended,
        Err(fault) => return Verdict::Failed(Count::FAULT, format!("      {fault}\n")),
    };
    let counted = count(&plain(&ended.output));
    // Our end-to-end runner's word for "nothing could run here"; its last line says why.
    if ended.code == Some(NOTHING_RAN) && name == "e2e" {
        return Verdict::Skipped(
            ended
                .output
                .lines()
                .last()
                .unwrap_or("it says nothing")
                .to_owned(),
        );
    }
    for line in ended
        .output
        .lines()
        .filter(|line| line.trim_start().to_lowercase().starts_with("skip"))
    {
        println!("      {}", line.trim());
    }
    match counted {
        Some(count) if ended.ok && count.failed == 0 => Verdict::Passed(count),
        // A runner that says all is well and counts nothing has run nothing.
        None if ended.ok => Verdict::Failed(
            Count::FAULT,
            format!("      {} holds no count of tests\n", ended.log.display()),
        ),
        counted => {
            let mut count = counted.unwrap_or_default();
            count.failed = count.failed.max(1);
            Verdict::Failed(count, run::tail(&ended.output))
        }
    }
}

/// Drops terminal colours.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('\u{1b}');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    out
}

/// nextest: `Summary [ 1.2s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped`.
fn of_nextest(output: &str) -> Option<Count> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with("Summary ["))?;
    let (_, counts) = line.split_once(':')?;
    Some(Count {
        passed: before(counts, "passed")?,
        failed: before(counts, "failed").unwrap_or(0) + before(counts, "timed out").unwrap_or(0),
        skipped: before(counts, "skipped").unwrap_or(0),
    })
}

/// libtest: the sum of `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn of_libtest(output: &str) -> Option<Count> {
    let mut total = None;
    for line in output.lines().filter(|line| line.starts_with("test result:")) {
        let count = Count {
            passed: before(line, "passed")?,
            failed: before(line, "failed")?,
            skipped: before(line, "ignored")?,
        };
        total = Some(total.unwrap_or(Count::default()).plus(count));
    }
    total
}

/// Our own runners: the last line that reads `3 passed, 0 failed, 1 skipped`.
fn of_summary(output: &str) -> Option<Count> {
    output.lines().rev().find_map(|line| {
        Some(Count {
            passed: before(line, "passed")?,
            failed: before(line, "failed")?,
            skipped: before(line, "skipped").unwrap_or(0),
        })
    })
}

/// The number before a word.
fn before(text: &str, word: &str) -> Option<u64> {
    let at = text.find(word)?;
    text[..at].split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_is_counted() {
        let text = "    \u{1b}[32mSummary\u{1b}[0m [   0.3s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped\n";
        assert_eq!(
            of_nextest(&plain(text)),
            Some(Count {
                passed: 11,
                failed: 1,
                skipped: 3
            })
        );
        assert_eq!(of_nextest("nothing"), None);
    }

    #[test]
    fn only_what_is_said_of_core_counts() {
        let line = |reason: &str, name: &str, code: &str| {
            let rendered = format!("{name}: {code}");
            let message = serde_json::json!({"code": {"code": code}, "rendered": rendered});
            serde_json::json!({"reason": reason, "target": {"name": name}, "message": message}).to_string()
        };
        let text = [
            "    Checking bartizan-wire".to_owned(),
            line("compiler-message", "bartizan_wire", "clippy::panic"),
            line("compiler-message", "bartizan_wire", "dead_code"),
            line("compiler-message", "bartizan_gateway", "clippy::panic"),
            line("compiler-artifact", "bartizan_wire", ""),
            line("compiler-artifact", "bartizan_gateway", ""),
        ]
        .join("\n");
        let (read, found) = said_of_core(&text, &["clippy::panic"]);
        assert_eq!(read.into_iter().collect::<Vec<_>>(), ["bartizan-wire"]);
        assert_eq!(found, ["bartizan_wire: clippy::panic"]);
    }

    #[test]
    fn libtest_is_summed() {
        let line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        let text = format!("{line}\nx\n{line}\n");
        assert_eq!(
            of_libtest(&text),
            Some(Count {
                passed: 6,
                failed: 0,
                skipped: 2
            })
        );
        assert_eq!(of_libtest(""), None);
    }

    #[test]
    fn our_summary_is_the_last_such_line() {
        let text = "a: 1 passed, 0 failed, 0 skipped\n20 passed, 1 failed, 2 skipped\nbye\n";
        assert_eq!(
            of_summary(text),
            Some(Count {
                passed: 20,
                failed: 1,
                skipped: 2
            })
        );
    }
}
