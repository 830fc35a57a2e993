//! Runs a command with its output in a log, a line now and then while it runs, and the log's end if it fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::workspace;

const BEAT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
const TAIL_LINES: usize = 120;

/// How a command ended.
pub(crate) struct Ended {
    /// Whether it exited with 0.
    pub(crate) ok: bool,
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Everything it printed.
    pub(crate) output: String,
    /// Where that is kept.
    pub(crate) log: PathBuf,
}

/// Runs `command`, logging as `name`; prints that it is still alive every half minute.
pub(crate) fn logged(name: &str, command: &mut Command) -> Result<Ended, String> {
    let folder = workspace::target().join("xtask");
    std::fs::create_dir_all(&folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    let log = folder.join(format!("{}.log", name.replace([' ', '/'], "-")));
    let out = File::create(&log).map_err(|fault| format!("{}: {fault}", log.display()))?;
    let both = out
        .try_clone()
        .map_err(|fault| format!("{}: {fault}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(both)
        .spawn()
        .map_err(|fault| {
            format!(
                "`{}` does not start: {fault}",
                command.get_program().to_string_lossy()
            )
        })?;
    let started = Instant::now();
    let mut beats = 1;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(POLL),
            Err(fault) => return Err(format!("{name}: {fault}")),
        }
        if started.elapsed() > BEAT * beats {
            println!(
                "      … {name} still runs after {} s",
                started.elapsed().as_secs()
            );
            beats += 1;
        }
    };
    let output = std::fs::read(&log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    Ok(Ended {
        ok: status.success(),
        code: status.code(),
        output,
        log,
    })
}

/// The last lines of a log, indented.
pub(crate) fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines
        .iter()
        .skip(from)
        .map(|line| format!("      {line}\n"))
        .collect()
}

/// Whether a program answers `arguments` with success.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a program prints on standard output, trimmed; empty if it fails.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace::root())
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => String::new(),
    }
}

/// The file at `path` from the root, if there.
pub(crate) fn present(path: &str) -> Option<PathBuf> {
    let file = workspace::root().join(Path::new(path));
    file.exists().then_some(file)
}
