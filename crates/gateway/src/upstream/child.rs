//! Servers that are child processes of ours: started, written to, read from and ended here, and nowhere else.
//!
//! A child gets only the environment it is given, a process group of its own, and pipes. What it says is read in
//! lines of bounded length; what it says on stderr is kept bounded and never believed. INVARIANT 1: a child is
//! started by a permit and agents' messages reach it by a permit; what the conversation itself owes it (handshake
//! steps, answers to pings, cancellations) goes under the permit that started it, through [`Child::say`].

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bartizan_guard::Permit;
use bartizan_types::{Code, Secret, ServerName};
use bartizan_wire::echo::Echo;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::{Mutex as AsyncMutex, watch},
};

use super::confine::{self, Fence, Standing};
use crate::room::Taken;

/// Lines of stderr kept.
const STDERR_LINES: usize = 64;
/// Longest line of stderr kept, bytes.
const STDERR_LINE_BYTES: usize = 1024;
/// From closing stdin to SIGTERM, and from there to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// A write that takes longer means that the server does not read: it has failed.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// What to start.
pub(crate) struct Spawn {
    /// The server.
    pub server: ServerName,
    /// The file to run.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, Secret<Vec<u8>>>,
    /// Secrets of the store that are in it.
    pub secrets: super::Names,
    /// The variables that hold them.
    pub hidden: Vec<String>,
    /// Working directory.
    pub directory: PathBuf,
    /// What it may reach; none only where the operator loosened it.
    pub fence: Option<Fence>,
}

/// One message for a child: a line.
pub(crate) struct Line {
    /// Who it is for.
    pub child: Arc<Child>,
    /// The message, without line ending.
    pub bytes: Vec<u8>,
}

/// A running server.
pub(crate) struct Child {
    server: ServerName,
    stdin: AsyncMutex<Option<ChildStdin>>,
    stderr: Mutex<VecDeque<String>>,
    end: watch::Sender<bool>,
}

impl Child {
    /// The last lines it wrote to stderr, for an operator's eyes.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// What the conversation itself owes the server; nothing of an agent's goes this way.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] when the server is gone or does not read.
    pub(crate) async fn say(&self, bytes: &[u8]) -> Result<(), Code> {
        self.write(bytes).await
    }

    /// Begins to end the server: stdin is closed, then SIGTERM, then SIGKILL, to its whole process group.
    pub(crate) fn end(&self) {
        self.end.send_replace(true);
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), Code> {
        // A message is one line; JSON that passed the scan has no raw line break in a string.
        let mut line = Vec::with_capacity(bytes.len() + 1);
        line.extend(bytes.iter().map(|byte| {
            if matches!(byte, b'\n' | b'\r') {
                b' '
            } else {
                *byte
            }
        }));
        line.push(b'\n');
        let mut stdin = self.stdin.lock().await;
        let pipe = stdin.as_mut().ok_or(Code::ServerFailed)?;
        let written = tokio::time::timeout(WRITE_PATIENCE, async {
            pipe.write_all(&line).await?;
            pipe.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            _ => {
                // Half a line may have gone: nothing that follows could be understood.
                *stdin = None;
                self.end();
                Err(Code::ServerFailed)
            }
        }
    }
}

/// Spends the permit: writes the message.
///
/// # Errors
/// [`Code::ServerFailed`] when the server is gone or does not read.
pub(crate) async fn write(permit: Permit<Line>) -> Result<(), Code> {
    let Line { child, bytes } = permit.spend();
    child.write(&bytes).await
}

/// The messages of a child.
pub(crate) struct Lines {
    stdout: BufReader<ChildStdout>,
    limit: usize,
    /// The secrets that it was started with, which are none of what it says.
    shown: Option<Echo>,
    echoed: bool,
}

impl Lines {
    /// The next line, without its ending; `room` grows with it. `None` when the server closed its side.
    ///
    /// # Errors
    /// [`Code::UpstreamTooLarge`] for a line past the bound, [`Code::QueueFull`] where there is no room for it, [`Code::ServerFailed`] when the pipe breaks.
    pub(crate) async fn next(&mut self, room: &mut Taken) -> Result<Option<Vec<u8>>, Code> {
        let line = bounded_line(&mut self.stdout, self.limit, Some(room)).await?;
        let clean = self
            .shown
            .as_ref()
            .zip(line.as_deref())
            .and_then(|(shown, line)| shown.without(line));
        self.echoed |= clean.is_some();
        Ok(clean.or(line))
    }

    /// Whether a secret was taken out of a line since this was last asked.
    pub(crate) fn echoed(&mut self) -> bool {
        std::mem::take(&mut self.echoed)
    }
}

/// Reads one line of at most `limit` bytes; empty lines are skipped. `room`, where given, is made as large as the line.
///
/// # Errors
/// [`Code::UpstreamTooLarge`] past the bound, [`Code::QueueFull`] where there is no room, [`Code::ServerFailed`] when reading fails.
pub(crate) async fn bounded_line<R: AsyncBufRead + Unpin>(
    from: &mut R,
    limit: usize,
    mut room: Option<&mut Taken>,
) -> Result<Option<Vec<u8>>, Code> {
    let mut line = Vec::new();
    loop {
        let chunk = from.fill_buf().await.map_err(|_| Code::ServerFailed)?;
        if chunk.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let (part, ended) = match chunk.iter().position(|byte| *byte == b'\n') {
            Some(at) => (chunk.get(..at).unwrap_or_default(), true),
            None => (chunk, false),
        };
        if line.len().saturating_add(part.len()) > limit {
            return Err(Code::UpstreamTooLarge);
        }
        if let Some(room) = &mut room {
            let grown = room.resize(line.len() + part.len());
            grown.map_err(|_| Code::QueueFull)?;
        }
        line.extend_from_slice(part);
        let taken = part.len() + usize::from(ended);
        from.consume(taken);
        if ended {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

/// Spends the permit: starts the server.
///
/// # Errors
/// [`Code::ServerFailed`] when the program can't be started; the reason is logged, not told.
pub(crate) fn spawn(permit: Permit<Spawn>, line_bytes: usize) -> Result<(Arc<Child>, Lines), Code> {
    let Spawn {
        server,
        program,
        arguments,
        environment,
        secrets: _,
        hidden,
        directory,
        fence,
    } = permit.spend();
    let values = hidden.iter().filter_map(|name| environment.get(name));
    let shown = Echo::new(values.map(|value| value.expose().as_slice()));
    let mut builder = Command::new(&program);
    builder
        .args(arguments)
        .env_clear()
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (name, value) in &environment {
        use std::os::unix::ffi::OsStrExt as _;
        builder.env(name, std::ffi::OsStr::from_bytes(value.expose()));
    }
    let mut process = start(&server, fence.as_ref(), &mut builder).map_err(|fault| {
        tracing::warn!(%server, program = %program.display(), error = %fault, "the server can't be started");
        Code::ServerFailed
    })?;
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let stdout = stdout.ok_or(Code::ServerFailed)?;
    let (end, ended) = watch::channel(false);
    let child = Arc::new(Child {
        server,
        stdin: AsyncMutex::new(stdin),
        stderr: Mutex::new(VecDeque::new()),
        end,
    });
    if let Some(stderr) = stderr {
        tokio::spawn(listen(Arc::downgrade(&child), BufReader::new(stderr)));
    }
    tokio::spawn(watch_over(Arc::downgrade(&child), process, ended));
    Ok((
        child,
        Lines {
            stdout: BufReader::with_capacity(64 << 10, stdout),
            limit: line_bytes,
            shown,
            echoed: false,
        },
    ))
}

/// Starts the process inside its fence, and says where there is none.
fn start(
    server: &ServerName,
    fence: Option<&Fence>,
    command: &mut Command,
) -> std::io::Result<tokio::process::Child> {
    let Some(fence) = fence else {
        tracing::warn!(%server, "runs unconfined, as configured: it can read the state directory");
        return command.spawn();
    };
    let (process, standing) = confine::start(fence, command)?;
    match standing {
        Standing::Whole => tracing::debug!(%server, "runs confined"),
        Standing::Partly => tracing::debug!(%server, "runs confined as far as this kernel can"),
        Standing::Nothing => {
            tracing::warn!(%server, "runs unconfined: this system has no Landlock, so it can read the state directory");
        }
    }
    Ok(process)
}

async fn listen<R: AsyncBufRead + Unpin>(child: std::sync::Weak<Child>, mut stderr: R) {
    loop {
        let line = match bounded_line(&mut stderr, 64 << 10, None).await {
            Ok(Some(line)) => line,
            // Too long a line is cut, not a reason to stop reading: a full pipe would stop the server.
            Err(Code::UpstreamTooLarge) => continue,
            Ok(None) | Err(_) => return,
        };
        let Some(child) = child.upgrade() else { return };
        let cut = line.get(..STDERR_LINE_BYTES).unwrap_or(&line);
        let text: String = String::from_utf8_lossy(cut)
            .chars()
            .map(|one| match one {
                // They drive no terminal, and complaints of programs are full of them.
                '"' | '\'' => one.to_string(),
                other => other.escape_debug().to_string(),
            })
            .collect();
        tracing::debug!(server = %child.server, %text, "stderr");
        let mut kept = child.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= STDERR_LINES {
            kept.pop_front();
        }
        kept.push_back(text);
    }
}

/// Waits for the process, and ends it when asked to or when nobody holds it any more.
async fn watch_over(
    child: std::sync::Weak<Child>,
    mut process: tokio::process::Child,
    mut ended: watch::Receiver<bool>,
) {
    let group = process
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    let exited = tokio::select! {
        status = process.wait() => Some(status),
        // An error means that the last holder is gone, which closes stdin as well.
        _ = ended.wait_for(|ended| *ended) => None,
    };
    if exited.is_none() {
        if let Some(child) = child.upgrade() {
            *child.stdin.lock().await = None;
        }
        if tokio::time::timeout(GRACE, process.wait()).await.is_err() {
            signal(group, rustix::process::Signal::TERM);
            if tokio::time::timeout(GRACE, process.wait()).await.is_err() {
                tracing::warn!("a server had to be killed");
            }
        }
    }
    // Whatever it started goes with it.
    signal(group, rustix::process::Signal::KILL);
    if let Err(fault) = process.wait().await {
        tracing::debug!(error = %fault, "a server could not be waited for");
    }
}

fn signal(group: Option<rustix::process::Pid>, signal: rustix::process::Signal) {
    if let Some(group) = group
        && let Err(fault) = rustix::process::kill_process_group(group, signal)
        && fault != rustix::io::Errno::SRCH
    {
        tracing::debug!(error = %fault, "a server could not be signalled");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded_and_blank_ones_skipped() {
        let mut input = &b"one\r\n\n\ntwo\nthree"[..];
        assert_eq!(bounded_line(&mut input, 5, None).await, Ok(Some(b"one".to_vec())));
        assert_eq!(bounded_line(&mut input, 5, None).await, Ok(Some(b"two".to_vec())));
        assert_eq!(
            bounded_line(&mut input, 5, None).await,
            Ok(Some(b"three".to_vec()))
        );
        assert_eq!(bounded_line(&mut input, 5, None).await, Ok(None));
        let mut long = &b"123456\n"[..];
        assert_eq!(
            bounded_line(&mut long, 5, None).await,
            Err(Code::UpstreamTooLarge)
        );
    }
}
