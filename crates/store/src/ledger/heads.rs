//! Sends signed heads to where they are remembered: the `checkpoint` file beside the log, and the witness file in
//! a second place. A thread of its own, so that a slow second place never holds up a commit.
//!
//! Only heads that were acknowledged are shown. The witness file is notes in a row, oldest first, bounded.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use bartizan_ledger::{SignedCheckpoint, note::split_notes};

use super::medium::{Medium, OpenMode};

/// A witness file beyond this is cut to its newest half.
const WITNESS_MAX_BYTES: usize = 1 << 20;

#[derive(Default)]
struct State {
    head: Option<Arc<SignedCheckpoint>>,
    finished: bool,
    gone: bool,
}

/// The newest head, waiting to be sent.
#[derive(Default)]
pub(super) struct Heads {
    state: Mutex<State>,
    changed: Condvar,
}

impl Heads {
    /// Shows a new head; never blocks on a file.
    pub(super) fn show(&self, head: &Arc<SignedCheckpoint>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = state.head.is_none();
        state.head = Some(Arc::clone(head));
        drop(state);
        if first {
            self.changed.notify_all();
        }
    }

    /// Sends what is left and waits until it is sent, two seconds at most.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.finished = true;
        self.changed.notify_all();
        let left = self
            .changed
            .wait_timeout_while(state, Duration::from_secs(2), |state| !state.gone);
        drop(left);
    }

    /// The thread's life.
    pub(super) fn run(&self, medium: &dyn Medium, witness: Option<&Path>, every: Duration) {
        loop {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            while state.head.is_none() && !state.finished {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let (head, finished) = (state.head.take(), state.finished);
            drop(state);
            if let Some(head) = head {
                send(medium, witness, &head);
            }
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if finished {
                state.gone = true;
                self.changed.notify_all();
                return;
            }
            let wait = self
                .changed
                .wait_timeout_while(state, every, |state| !state.finished);
            drop(wait);
        }
    }
}

fn send(medium: &dyn Medium, witness: Option<&Path>, head: &SignedCheckpoint) {
    if let Err(fault) = publish(medium, head) {
        tracing::warn!(%fault, "the checkpoint file can't be written");
    }
    if let Some(witness) = witness
        && let Err(fault) = remember(witness, head)
    {
        tracing::error!(%fault, "the witness can't be written; a rewritten log may go unnoticed");
    }
}

fn publish(medium: &dyn Medium, head: &SignedCheckpoint) -> std::io::Result<()> {
    let file = medium.open("checkpoint.new", OpenMode::Create)?;
    file.write_at(head.note().as_bytes(), 0)?;
    medium.rename("checkpoint.new", "checkpoint")
}

fn remember(witness: &Path, head: &SignedCheckpoint) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(witness)?;
    if file.metadata()?.len() > WITNESS_MAX_BYTES as u64 {
        let text = std::fs::read_to_string(witness)?;
        let notes = split_notes(&text);
        let kept = notes.get(notes.len() / 2..).unwrap_or_default().concat();
        let beside = PathBuf::from(format!("{}.new", witness.display()));
        let mut shorter = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        shorter.write_all(kept.as_bytes())?;
        shorter.sync_data()?;
        std::fs::rename(&beside, witness)?;
        file = OpenOptions::new().append(true).open(witness)?;
    }
    file.write_all(head.note().as_bytes())?;
    file.sync_data()
}

/// Everything remembered: the checkpoint file and the witness file, as notes in a row.
pub(super) fn remembered(medium: &dyn Medium, witness: Option<&Path>) -> std::io::Result<String> {
    let mut notes = String::new();
    if let Ok(file) = medium.open("checkpoint", OpenMode::Read) {
        let mut bytes = vec![0; usize::try_from(file.length()?.min(16 << 10)).unwrap_or(0)];
        file.read_at(&mut bytes, 0)?;
        notes.push_str(&String::from_utf8(bytes).unwrap_or_default());
    }
    match witness.map(std::fs::read_to_string) {
        Some(Ok(text)) => notes.push_str(&text),
        Some(Err(fault)) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    Ok(notes)
}
