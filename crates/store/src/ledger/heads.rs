//! Sends signed heads to where they are remembered: the `checkpoint` file beside the log, and the witness file in
//! a second place. A thread of its own, so that a slow second place never holds up a commit.
//!
//! Only heads that were acknowledged are shown. The witness file is notes in a row, oldest first, bounded; among them,
//! and never cut away, are the statements by which each key of the log named the next.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use bartizan_ledger::{
    LogKeys, SignedCheckpoint, Succession,
    note::{split_notes, whole_notes},
};

use super::medium::{Medium, OpenMode};

/// A witness file beyond this is cut to its newest half.
const WITNESS_MAX_BYTES: usize = 1 << 20;
/// No note is longer than this.
const NOTE_MAX_BYTES: usize = 16 << 10;

#[derive(Default)]
struct State {
    head: Option<Arc<SignedCheckpoint>>,
    /// Every statement of the log.
    statements: Arc<Vec<String>>,
    finished: bool,
    gone: bool,
}

/// What the witness is known to hold.
struct Told {
    statements: usize,
    /// It may end in part of a note.
    torn: bool,
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
        // Statements that the witness is known to have, and whether it may end in part of a note.
        let mut told = Told {
            statements: 0,
            torn: true,
        };
        loop {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            while state.head.is_none() && !state.finished {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let (head, finished) = (state.head.take(), state.finished);
            let statements = Arc::clone(&state.statements);
            drop(state);
            if let Some(head) = head {
                send(medium, witness, &statements, &mut told, &head);
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
    statements: &[String],
    told: &mut Told,
    head: &SignedCheckpoint,
) {
    if let Err(fault) = publish(medium, head) {
        tracing::warn!(%fault, "the checkpoint file can't be written");
    }
    if let Some(witness) = witness {
        let is_known = statements.len() <= told.statements;
        let due = if is_known { &[] } else { statements };
        match shorten(witness).and_then(|()| remember(witness, due, head.note(), told.torn)) {
            Ok(()) => {
                told.statements = statements.len();
                told.torn = false;
            }
            Err(fault) => {
                told.torn = true;
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

/// Appends a head, and before it those of the statements due that the file does not have. `torn` says that the file may end
/// in part of a note.
fn remember(witness: &Path, due: &[String], head: &str, torn: bool) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(witness)?;
    if torn {
        mend(&file, witness, head)?;
    }
    let mut text = String::new();
    if !due.is_empty() {
        let there = std::fs::read_to_string(witness)?;
        let missing = due.iter().filter(|note| !there.contains(note.as_str()));
        text.extend(missing.map(String::as_str));
    }
    text.push_str(head);
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Appends a log's head to a file of notes in a row, as the ledger's own witness file is one: after those of the log's
/// statements about its keys that the file does not have, and after what a crash left of a last note is cut off.
///
/// # Errors
/// The file's; [`std::io::ErrorKind::InvalidData`] where it holds something else than notes.
pub fn append_notes(witness: &Path, statements: &[String], head: &str) -> std::io::Result<()> {
    remember(witness, statements, head, true)
}

/// Cuts off what a crash left of a last note: the next one would be read together with it, and neither could be verified.
fn mend(file: &File, witness: &Path, head: &str) -> std::io::Result<()> {
    let bytes = std::fs::read(witness)?;
    let text = begun(&bytes)?;
    let whole = whole_notes(text);
    let rest = text.get(whole.len()..).unwrap_or_default();
    if whole.len() == bytes.len() {
        return Ok(());
    }
    let origin = head.lines().next().unwrap_or_default();
    let is_ours = !whole.is_empty() || rest.starts_with(origin) || origin.starts_with(rest);
    if !is_ours || bytes.len() - whole.len() > NOTE_MAX_BYTES {
        let what = format!("`{}` holds something else than notes", witness.display());
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
    }
    file.set_len(whole.len() as u64)?;
    file.sync_data()
}

/// What a witness holds, without what a crash left of a last note. What no crash leaves stays, for whoever reads it to
/// refuse.
fn held(bytes: &[u8]) -> std::io::Result<&str> {
    let text = begun(bytes)?;
    let whole = whole_notes(text);
    let is_torn = !whole.is_empty() && bytes.len() - whole.len() <= NOTE_MAX_BYTES;
    Ok(if is_torn { whole } else { text })
}

/// The text of these bytes, of which the last character may be half there.
fn begun(bytes: &[u8]) -> std::io::Result<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(fault) if fault.error_len().is_none() => {
            Ok(std::str::from_utf8(bytes.get(..fault.valid_up_to()).unwrap_or_default()).unwrap_or_default())
        }
        Err(fault) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, fault)),
    }
}

/// Cuts the ledger's own witness file, once it is long, to its newest half, statements aside: without them its heads could
/// not be verified.
fn shorten(witness: &Path) -> std::io::Result<()> {
    match std::fs::metadata(witness) {
        Ok(found) if found.len() > WITNESS_MAX_BYTES as u64 => {}
        Ok(_) => return Ok(()),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(fault),
    }
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
    match witness.map(std::fs::read) {
        Some(Ok(bytes)) => notes.push_str(held(&bytes)?),
        Some(Err(fault)) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "bartizan.example/log";

    fn note(size: u32) -> String {
        format!(
            "{ORIGIN}\n{size}\nRG9uJ3Q=\n\n\u{2014} {ORIGIN} c2lnbmF0dXJl\n\u{2014} {ORIGIN}+next YW5vdGhlcg==\n"
        )
    }

    /// Wherever a crash cuts it, the notes before the cut and those after are read, each by itself.
    #[test]
    fn what_a_crash_left_of_a_note_swallows_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("witness");
        let (statement, notes) = (note(900), [note(1), note(22)]);
        let whole = notes.concat();
        for cut in 0..=whole.len() {
            std::fs::write(&file, &whole.as_bytes()[..cut]).unwrap();
            append_notes(&file, std::slice::from_ref(&statement), &note(333)).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            let found = split_notes(&text);
            let (old, new) = found.split_at(found.len() - 2);
            assert_eq!(new, [statement.as_str(), &note(333)], "cut at {cut}");
            let kept = whole_notes(begun(&whole.as_bytes()[..cut]).unwrap());
            assert_eq!(old.concat(), kept, "cut at {cut}");
            let full = notes.iter().filter(|note| kept.contains(note.as_str())).count();
            assert_eq!(
                full,
                usize::from(cut >= notes[0].len()) + usize::from(cut == whole.len())
            );
        }
    }

    #[test]
    fn only_what_a_crash_can_leave_is_passed_over() {
        let whole = note(1);
        let torn = whole.clone() + "bartizan.example/log\n2\nRG9u";
        assert_eq!(held(torn.as_bytes()).unwrap(), whole);
        let half = [torn.as_bytes(), b"\n\n\xe2\x80"].concat();
        assert_eq!(held(&half).unwrap(), whole);
        for other in [
            "shopping list\n".to_owned(),
            whole + &"x".repeat(NOTE_MAX_BYTES + 1),
        ] {
            assert_eq!(held(other.as_bytes()).unwrap(), other);
        }
        assert!(held(b"a\xffb").is_err());
    }

    #[test]
    fn a_file_that_holds_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.txt");
        let torn = |text: &str| note(1) + &text.repeat(NOTE_MAX_BYTES + 1);
        for bytes in [
            b"shopping list\n".to_vec(),
            b"a\xffb".to_vec(),
            torn("x").into_bytes(),
        ] {
            std::fs::write(&file, &bytes).unwrap();
            let fault = append_notes(&file, &[], &note(1)).unwrap_err();
            assert_eq!(fault.kind(), std::io::ErrorKind::InvalidData);
            assert_eq!(std::fs::read(&file).unwrap(), bytes);
        }
    }
}
