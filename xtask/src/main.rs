//! Workspace tasks: tidy, codegen, test, bench, sbom, dist, changelog.
//!
//! `cargo xtask test` is what CI runs, and nothing else. Every check prints what it found by file and line, and
//! a check that could not run says so and why; none passes by being absent.

mod bench;
mod changelog;
mod codegen;
mod dist;
mod run;
mod sbom;
mod shipped;
mod source;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  tidy                         arrows, sizes, names, egress, invariants, links, fragments
  codegen [--check]            write generated files, or fail when they have drifted
  test [--quick]               everything CI runs; --quick leaves out the slow end-to-end part
  bench NAME [--quick] [--json]   measure what is shipped against peers; NAME is `crossing`, `identity`, `flow`,
                               `inspect` or `artifacts`
  sbom [--out FILE]            CycloneDX 1.6 of what the `bartizan` binary links
  dist                         shipped build, SBOM, man pages, completions and checksums under target/dist
  profile                      record the run that leads the compiler in shipped builds for this host
  changelog VERSION DATE       fold changelog.d/ into CHANGELOG.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["codegen"] => codegen::run(codegen::Mode::Write),
        ["codegen", "--check"] => codegen::run(codegen::Mode::Check),
        ["test"] => test::run(test::Depth::Full),
        ["test", "--quick"] => test::run(test::Depth::Quick),
        ["bench", name, rest @ ..] => bench::run(name, rest),
        ["sbom"] => sbom::run(None),
        ["sbom", "--out", file] => sbom::run(Some(file)),
        ["dist"] => dist::run(),
        ["profile"] => shipped::record(),
        ["changelog", version, date] => changelog::release(version, date),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

/// What is wrong, one line each; never empty in an `Err`.
type Outcome = Result<(), Vec<String>>;

/// `Ok` when nothing was found.
fn outcome(problems: Vec<String>) -> Outcome {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
