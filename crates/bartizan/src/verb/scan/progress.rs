//! What a long scan of data has finished. A data set counts as the same only while its files are (as those of models are)
//! and the scan was asked for the same: then its outcome is told again, or what was inspected of its texts is taken back
//! and the rest done. Only what is inspected can take long without end; what follows is bounded, and done anew.

use std::{cell::RefCell, collections::HashMap, path::Path};

use aws_lc_rs::digest::{Context, SHA256};
use bartizan_artifact::data::{Inspected, Kept, Outcome};
use bartizan_types::Digest;
use serde::{Deserialize, Serialize};

use super::resume::Lines;
use crate::{failure::Failure, output::Output};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// What was scanned and how: see [`Asked`].
    key: String,
    /// Rows that were inspected after those of the lines before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Inspected>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<Kept>,
}

#[derive(Default)]
struct Known {
    seen: Inspected,
    done: Option<Kept>,
}

/// Everything that an answer depends on, as one name.
pub(super) struct Asked(Context);

impl Asked {
    /// Of nothing yet.
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// One more thing that it depends on.
    pub(super) fn on(&mut self, what: &str) {
        self.0.update(&(what.len() as u64).to_le_bytes());
        self.0.update(what.as_bytes());
    }

    /// The name.
    pub(super) fn key(self) -> String {
        let digest = self.0.finish();
        digest
            .as_ref()
            .try_into()
            .map_or_else(|_| String::new(), |bytes| Digest(bytes).to_string())
    }
}

/// See the module. Without a file, nothing is known and nothing kept.
pub(super) struct Progress {
    lines: Option<RefCell<Lines>>,
    known: HashMap<String, Known>,
    failed: RefCell<Option<Failure>>,
}

impl Progress {
    /// Reads what is there.
    pub(super) fn open(path: Option<&Path>, out: Output) -> Result<Self, Failure> {
        let mut known: HashMap<String, Known> = HashMap::new();
        let mut each = |line: Line| {
            let there = known.entry(line.key).or_default();
            if let Some(seen) = line.seen {
                there.seen.add(seen);
            }
            there.done = line.done.or_else(|| there.done.take());
        };
        let lines = path
            .map(|path| Lines::open(path, "data", out, &mut each))
            .transpose()?;
        Ok(Self {
            lines: lines.map(RefCell::new),
            known,
            failed: RefCell::default(),
        })
    }

    /// What an earlier scan found in all of it.
    pub(super) fn finished(&mut self, key: &str) -> Option<Outcome> {
        self.known.get_mut(key)?.done.take()?.outcome()
    }

    /// What an earlier scan inspected of it.
    pub(super) fn seen(&mut self, key: &str) -> Inspected {
        self.known
            .get_mut(key)
            .map(|known| std::mem::take(&mut known.seen))
            .unwrap_or_default()
    }

    /// Keeps what was inspected. That it can't be written is said by [`Self::failed`].
    pub(super) fn inspected(&self, key: &str, seen: Inspected) {
        self.add(&Line {
            key: key.to_owned(),
            seen: Some(seen),
            done: None,
        });
    }

    /// Keeps what was found.
    pub(super) fn keep(&self, key: &str, outcome: &Outcome) {
        self.add(&Line {
            key: key.to_owned(),
            seen: None,
            done: Kept::of(outcome),
        });
    }

    /// Whether something could not be kept: then a scan that is to go on later must not say that it can.
    pub(super) fn failed(&self) -> Result<(), Failure> {
        self.failed.borrow_mut().take().map_or(Ok(()), Err)
    }

    fn add(&self, line: &Line) {
        let Some(lines) = &self.lines else { return };
        if let Err(failure) = lines.borrow_mut().add(line) {
            self.failed.borrow_mut().get_or_insert(failure);
        }
    }
}
