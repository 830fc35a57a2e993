//! Generated files: the code registry's page, clippy's rules, and what the binary prints of its configuration.
//!
//! `--check` compares and never writes. What the binary prints needs the binary: without one those files are
//! left as they are and the gap is printed, since tidy must run before a build.

use std::path::{Path, PathBuf};
use std::process::Command;

use bartizan_types::Code;

use crate::workspace::{self, PLACES, Ring};
use crate::{Outcome, outcome};

/// Whether to write or to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write what changed.
    Write,
    /// Fail on drift.
    Check,
}

/// What the binary prints, and where that is kept.
const PRINTED: &[(&[&str], &str)] = &[
    (&["config", "schema"], "docs/reference/config.schema.json"),
    (&["config", "reference"], "docs/reference/config.md"),
    (&["config", "example"], "docs/reference/config.example.toml"),
];

/// All generated files.
pub(crate) fn run(mode: Mode) -> Outcome {
    let mut problems = run_static(mode).err().unwrap_or_default();
    problems.extend(run_printed(mode).err().unwrap_or_default());
    outcome(problems)
}

/// The files that need no binary.
pub(crate) fn run_static(mode: Mode) -> Outcome {
    let mut files = vec![
        ("docs/reference/codes.md".to_owned(), codes_page()),
        ("clippy.toml".to_owned(), clippy_rules(Ring::Shell)),
    ];
    for place in PLACES.iter().filter(|place| place.ring == Ring::Core) {
        if let Some(folder) = workspace::folder_of(place) {
            files.push((format!("{folder}/clippy.toml"), clippy_rules(Ring::Core)));
        }
    }
    let problems = files
        .iter()
        .filter_map(|(path, text)| settle(mode, path, text))
        .collect();
    outcome(problems)
}

/// The files that the built binary prints. Without a binary nothing is compared, and that is said.
pub(crate) fn run_printed(mode: Mode) -> Outcome {
    let Some(binary) = built() else {
        println!("codegen: no built `bartizan`, so what it prints was not compared");
        return Ok(());
    };
    let mut problems = Vec::new();
    for (words, path) in PRINTED {
        match Command::new(&binary).args(*words).output() {
            Ok(output) if output.status.success() && !output.stdout.is_empty() => {
                let text = String::from_utf8_lossy(&output.stdout);
                problems.extend(settle(mode, path, &text));
            }
            // A file that is committed has a command that prints it.
            _ if workspace::root().join(path).exists() => {
                problems.push(format!(
                    "{path}: `bartizan {}` no longer prints it",
                    words.join(" ")
                ));
            }
            _ => println!("codegen: this binary has no `bartizan {}`", words.join(" ")),
        }
    }
    outcome(problems)
}

fn built() -> Option<PathBuf> {
    let binary = workspace::target()
        .join("debug")
        .join(format!("bartizan{}", std::env::consts::EXE_SUFFIX));
    binary.is_file().then_some(binary)
}

fn settle(mode: Mode, path: &str, text: &str) -> Option<String> {
    let file = workspace::root().join(path);
    let there = std::fs::read_to_string(&file).ok();
    if there.as_deref() == Some(text) {
        return None;
    }
    match mode {
        Mode::Check => Some(format!("{path} has drifted: run `cargo xtask codegen`")),
        Mode::Write => write(&file, text).err().map(|fault| format!("{path}: {fault}")),
    }
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text)?;
    println!("wrote {}", workspace::shown(file));
    Ok(())
}

fn codes_page() -> String {
    let mut text = String::from(
        "# Codes\n\n<!-- Written by `cargo xtask codegen` from crates/types/src/code.rs. -->\n\n\
         Every refusal carries one of these codes, one sentence and the call's id. A code never changes its \
         meaning; the sentence may get clearer. *Fault* says who can mend it: the `caller`, the `peer` \
         (the upstream broke its protocol), the `upstream` (it is not there or not well), `policy`, a `limit`, \
         or a `bug` of ours.\n",
    );
    let mut group = "";
    for code in Code::all() {
        let prefix = code.as_str().split('.').next().unwrap_or_default();
        if prefix != group {
            group = prefix;
            text.push_str(&format!(
                "\n## {group}\n\n| code | status | fault | sentence | what to do |\n|---|---|---|---|---|\n"
            ));
        }
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            code.as_str(),
            code.status(),
            code.fault().as_str(),
            cell(code.sentence()),
            cell(code.hint())
        ));
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Calls that no crate makes: queues without a bound, and the process's environment as a variable.
const EVERYWHERE: &[(&str, &str)] = &[
    ("std::env::set_var", "the environment is read once, at the edge"),
    (
        "std::env::remove_var",
        "the environment is read once, at the edge",
    ),
    (
        "std::sync::mpsc::channel",
        "every queue has a bound: use sync_channel",
    ),
    (
        "tokio::sync::mpsc::unbounded_channel",
        "every queue has a bound: use channel",
    ),
];

/// Calls that no core crate makes.
const NOT_IN_CORE: &[(&str, &str)] = &[
    ("std::time::Instant::now", "time comes in as a value"),
    ("std::time::SystemTime::now", "time comes in as a value"),
    ("jiff::Timestamp::now", "time comes in as a value"),
    ("jiff::Zoned::now", "time comes in as a value"),
    ("std::env::var", "core reads no environment"),
    ("std::env::var_os", "core reads no environment"),
    ("std::env::vars", "core reads no environment"),
    ("std::env::vars_os", "core reads no environment"),
    ("std::env::args", "core reads no environment"),
    ("std::env::args_os", "core reads no environment"),
    ("std::env::current_dir", "core reads no environment"),
    ("std::env::current_exe", "core reads no environment"),
    ("std::env::temp_dir", "core reads no environment"),
    ("std::fs::canonicalize", "core touches no file"),
    ("std::fs::copy", "core touches no file"),
    ("std::fs::create_dir", "core touches no file"),
    ("std::fs::create_dir_all", "core touches no file"),
    ("std::fs::exists", "core touches no file"),
    ("std::fs::hard_link", "core touches no file"),
    ("std::fs::metadata", "core touches no file"),
    ("std::fs::read", "core touches no file"),
    ("std::fs::read_dir", "core touches no file"),
    ("std::fs::read_link", "core touches no file"),
    ("std::fs::read_to_string", "core touches no file"),
    ("std::fs::remove_dir", "core touches no file"),
    ("std::fs::remove_dir_all", "core touches no file"),
    ("std::fs::remove_file", "core touches no file"),
    ("std::fs::rename", "core touches no file"),
    ("std::fs::set_permissions", "core touches no file"),
    ("std::fs::symlink_metadata", "core touches no file"),
    ("std::fs::write", "core touches no file"),
    ("std::io::stderr", "core prints nothing"),
    ("std::io::stdin", "core reads nothing"),
    ("std::io::stdout", "core prints nothing"),
    ("std::process::abort", "core ends no process"),
    ("std::process::exit", "core ends no process"),
    ("std::process::id", "core knows no process"),
    ("std::thread::current", "core knows no thread"),
    ("std::thread::park", "core knows no thread"),
    ("std::thread::scope", "core starts no thread"),
    ("std::thread::sleep", "core waits for nothing"),
    ("std::thread::spawn", "core starts no thread"),
    ("std::thread::yield_now", "core knows no thread"),
    ("aws_lc_rs::rand::fill", "randomness comes in as a seed"),
    (
        "aws_lc_rs::rand::SystemRandom::new",
        "randomness comes in as a seed",
    ),
    ("tokio::spawn", "core starts no task"),
    ("tokio::task::spawn_blocking", "core starts no task"),
];

const TYPES_NOT_IN_CORE: &[(&str, &str)] = &[
    ("std::fs::DirBuilder", "core touches no file"),
    ("std::fs::File", "core touches no file"),
    ("std::fs::OpenOptions", "core touches no file"),
    ("std::net::TcpListener", "core opens no socket"),
    ("std::net::TcpStream", "core opens no socket"),
    ("std::net::UdpSocket", "core opens no socket"),
    ("std::os::unix::net::UnixDatagram", "core opens no socket"),
    ("std::os::unix::net::UnixListener", "core opens no socket"),
    ("std::os::unix::net::UnixStream", "core opens no socket"),
    ("std::process::Child", "core starts no process"),
    ("std::process::Command", "core starts no process"),
    ("std::thread::Builder", "core starts no thread"),
    ("std::thread::JoinHandle", "core starts no thread"),
    ("std::time::Instant", "time comes in as a value, as `Timestamp`"),
    (
        "std::time::SystemTime",
        "time comes in as a value, as `Timestamp`",
    ),
];

const MACROS_NOT_IN_CORE: &[(&str, &str)] = &[
    ("std::eprint", "core prints nothing"),
    ("std::eprintln", "core prints nothing"),
    ("std::print", "core prints nothing"),
    ("std::println", "core prints nothing"),
];

fn clippy_rules(ring: Ring) -> String {
    let mut text = String::from("# Written by `cargo xtask codegen`; a crate's file replaces the root's.\n");
    if ring == Ring::Core {
        text.push_str(
            "# A core crate: bytes, values, `now` and a seed in, values out.\nallow-expect-in-tests = true\n\
             allow-indexing-slicing-in-tests = true\nallow-panic-in-tests = true\nallow-unwrap-in-tests = true\n",
        );
    }
    let core = ring == Ring::Core;
    let methods = EVERYWHERE.iter().chain(if core { NOT_IN_CORE } else { &[] });
    text.push_str(&rules("disallowed-methods", methods));
    if core {
        text.push_str(&rules("disallowed-types", TYPES_NOT_IN_CORE.iter()));
        text.push_str(&rules("disallowed-macros", MACROS_NOT_IN_CORE.iter()));
    }
    text
}

fn rules<'a>(key: &str, paths: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    let mut text = format!("{key} = [\n");
    for (path, reason) in paths {
        // Most crates don't link most of these, and a path that can't be reached is no mistake here.
        text.push_str(&format!(
            "  {{ path = \"{path}\", reason = \"{reason}\", allow-invalid = true }},\n"
        ));
    }
    text.push_str("]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_on_the_page() {
        let page = codes_page();
        for code in Code::all() {
            assert!(page.contains(&format!("| `{code}` |")), "{code}");
        }
    }

    #[test]
    fn clippy_rules_are_toml_and_core_bans_the_clock() {
        for ring in [Ring::Core, Ring::Shell] {
            let table: toml::Table = clippy_rules(ring).parse().expect("parses");
            let methods = table["disallowed-methods"].as_array().expect("a list");
            let clock = methods
                .iter()
                .any(|method| method["path"].as_str() == Some("std::time::SystemTime::now"));
            assert_eq!(clock, ring == Ring::Core);
        }
    }
}
