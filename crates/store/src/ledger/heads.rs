//! Sends signed heads to where they are remembered: the `checkpoint` file beside the log, and the witness file in
//! a second place. A thread of its own, so that a slow second place never holds up a commit.
//!
//! Only heads that were acknowledged are shown. The witness file is notes in a row, oldest first, bounded; among them,
//! and never cut away, are the statements by which each key of the log named the next.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use bartizan_ledger::{LogKeys, SignedCheckpoint, Succession, note::split_notes};

use super::medium::{Medium, OpenMode};

/// A witness file beyond this is cut to its newest half.
const WITNESS_MAX_BYTES: usize = 1 << 20;

#[derive(Default)]
struct State {
    head: Option<Arc<SignedCheckpoint>>,
    /// Every statement of the log.
    statements: Arc<Vec<String>>,
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

    /// The log's keys, for the witness to know them with the next head.
    pub(super) fn tell(&self, keys: &LogKeys) {
        let statements = keys.changes().iter().map(|change| change.note().to_owned());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.statements = Arc::new(statements.collect());
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
        // Statements that the witness is known to have.
        let mut told = 0;
        loop {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            while state.head.is_none() && !state.finished {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let (head, finished) = (state.head.take(), state.finished);
            let statements = Arc::clone(&state.statements);
            drop(state);
            if let Some(head) = head {
                send(medium, witness, (&statements, &mut told), &head);
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

fn send(
    medium: &dyn Medium,
    witness: Option<&Path>,
    (statements, told): (&[String], &mut usize),
    head: &SignedCheckpoint,
) {
    if let Err(fault) = publish(medium, head) {
        tracing::warn!(%fault, "the checkpoint file can't be written");
    }
    if let Some(witness) = witness {
        let due = if statements.len() > *told { statements } else { &[] };
        match remember(witness, due, head) {
            Ok(()) => *told = statements.len(),
            Err(fault) => {
                tracing::error!(%fault, "the witness can't be written; a rewritten log may go unnoticed");
            }
        }
    }
}

fn publish(medium: &dyn Medium, head: &SignedCheckpoint) -> std::io::Result<()> {
    let file = medium.open("checkpoint.new", OpenMode::Create)?;
    file.write_at(head.note().as_bytes(), 0)?;
    medium.rename("checkpoint.new", "checkpoint")
}

/// Appends a head, and before it those of the statements due that the file does not have.
fn remember(witness: &Path, due: &[String], head: &SignedCheckpoint) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(witness)?;
    if file.metadata()?.len() > WITNESS_MAX_BYTES as u64 {
        shorten(witness)?;
        file = OpenOptions::new().append(true).open(witness)?;
    }
    let mut text = String::new();
    if !due.is_empty() {
        let there = std::fs::read_to_string(witness)?;
        let missing = due.iter().filter(|note| !there.contains(note.as_str()));
        text.extend(missing.map(String::as_str));
    }
    text.push_str(head.note());
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Cuts a witness file to its newest half, statements aside: without them its heads could not be verified.
fn shorten(witness: &Path) -> std::io::Result<()> {
    let text = std::fs::read_to_string(witness)?;
    let notes = split_notes(&text);
    let (older, kept) = notes.split_at(notes.len() / 2);
    let statements = older.iter().filter(|note| Succession::read(note).is_ok());
    let kept: String = statements.chain(kept).copied().collect();
    let beside = PathBuf::from(format!("{}.new", witness.display()));
    let mut shorter = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    shorter.write_all(kept.as_bytes())?;
    shorter.sync_data()?;
    std::fs::rename(&beside, witness)
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
