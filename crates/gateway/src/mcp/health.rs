//! How a configured server does, for operators: why it failed last, and what its program complained of.

use std::sync::Mutex;

use bartizan_types::{Code, ServerName, Timestamp};

use super::{hub::lock, rests::Resting};
use crate::clock;

/// How a server does.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// Its name.
    pub name: ServerName,
    /// How it is reached: `stdio`, `http` or `sse`.
    pub reach: &'static str,
    /// Conversations with it that are open.
    pub conversations: usize,
    /// When it failed last, and how.
    pub last_failure: Option<(Timestamp, String)>,
    /// What its program last wrote to stderr before it ended, escaped.
    pub stderr: Vec<String>,
    /// Messages of its that could not be read, since the gateway started.
    pub unread: u64,
    /// Who has to wait before a process of it is started again.
    pub resting: Vec<Resting>,
}

/// What is remembered of its failures.
#[derive(Default)]
pub(crate) struct Health(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    failure: Option<(Timestamp, String)>,
    stderr: Vec<String>,
    unread: u64,
}

impl Health {
    /// It failed, in the gateway's own words.
    pub(super) fn failed(&self, what: String) {
        lock(&self.0).failure = Some((clock::now(), what));
    }

    /// It sent what can't be read: an answer, with this code, or who knows what.
    pub(super) fn misread(&self, answer: Option<Code>) {
        let mut remembered = lock(&self.0);
        remembered.unread = remembered.unread.saturating_add(1);
        if let Some(code) = answer {
            let what = format!("an answer of its can't be read [{code}]");
            remembered.failure = Some((clock::now(), what));
        }
    }

    /// How many messages of its could not be read.
    pub(super) fn unread(&self) -> u64 {
        lock(&self.0).unread
    }

    /// Its program ended, with these last lines on stderr.
    pub(super) fn ended(&self, what: String, stderr: Vec<String>) {
        let mut remembered = lock(&self.0);
        remembered.failure = Some((clock::now(), what));
        remembered.stderr = stderr;
    }

    /// A conversation could not be opened. Nothing is said where more is known of this very attempt, or where it was no
    /// fault of the server's.
    pub(super) fn refused(&self, began: Timestamp, code: Code) {
        let mut remembered = lock(&self.0);
        let known = remembered.failure.as_ref().is_some_and(|(at, _)| *at >= began);
        if !known && code.status() >= 500 {
            remembered.failure = Some((clock::now(), format!("{} [{code}]", code.sentence())));
        }
    }

    /// When it failed last, how, and what was on stderr.
    pub(super) fn last(&self) -> (Option<(Timestamp, String)>, Vec<String>) {
        let remembered = lock(&self.0);
        (remembered.failure.clone(), remembered.stderr.clone())
    }
}
