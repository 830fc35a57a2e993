//! How a long scan ends early and goes on later. Inspecting texts takes longest by far, and what an inspector sees of a
//! row depends on the row alone: so it is handed out as the scan goes, and a later scan of the same data takes it back
//! and inspects only what is left. Everything else is done anew, so that the answer is the same whether the scan was
//! stopped or not.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::gather::Contents;

/// Bytes of text after which what was seen is handed out.
const HANDED: u64 = 4 << 20;

/// What inspectors saw in some of the rows, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspected {
    /// Rows from the first up to the end of these.
    rows: u64,
    /// Texts that were inspected.
    texts: u64,
    /// Rows that read as instructions, each with how far (the bits of a 32-bit number).
    instructions: Vec<(u32, u32)>,
    /// Rows with a canary.
    canaries: Vec<u32>,
    /// Group, kind, first row, how often.
    kinds: Vec<(String, String, u64, u64)>,
}

impl Inspected {
    /// Rows from the first that need no further inspection.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds what was seen in the rows that follow.
    pub fn add(&mut self, later: Self) {
        self.rows = self.rows.max(later.rows);
        self.texts += later.texts;
        self.instructions.extend(later.instructions);
        self.canaries.extend(later.canaries);
        for (group, kind, first, count) in later.kinds {
            match self.kinds.iter_mut().find(|one| one.0 == group && one.1 == kind) {
                Some(known) => known.3 += count,
                None => self.kinds.push((group, kind, first, count)),
            }
        }
    }
}

/// The way of one scan.
pub struct Course<'c> {
    /// What an earlier scan of the same data saw, with the same choices.
    pub before: Inspected,
    /// Takes what was seen since it was called last.
    pub keep: &'c mut dyn FnMut(Inspected),
    /// Whether the scan is to end.
    pub stopped: &'c dyn Fn() -> bool,
}

impl Contents {
    /// Goes on from an earlier scan.
    pub(super) fn after(before: Inspected) -> Self {
        let mut contents = Self {
            known: before.rows,
            inspected: before.texts,
            ..Self::default()
        };
        let bits = |(row, bits): (u32, u32)| (row, f32::from_bits(bits));
        contents.instructions = before.instructions.into_iter().map(bits).collect();
        contents.canaries = before.canaries;
        for (group, kind, first, count) in before.kinds {
            contents
                .kinds
                .insert((Cow::Owned(group), Cow::Owned(kind)), (first, count));
        }
        contents.since = Since {
            inspected: contents.inspected,
            instructions: contents.instructions.len(),
            canaries: contents.canaries.len(),
            counts: contents.kinds.clone(),
            bytes: 0,
        };
        contents
    }

    /// Whether it is time to hand out what was seen.
    pub(super) fn due(&self) -> bool {
        self.since.bytes >= HANDED
    }

    /// What was seen since this was asked last, in rows below `rows`.
    pub(super) fn taken(&mut self, rows: u64) -> Inspected {
        let since = std::mem::take(&mut self.since);
        let part = self.instructions.get(since.instructions..).unwrap_or_default();
        let mut kinds: Vec<(String, String, u64, u64)> = self
            .kinds
            .iter()
            .filter_map(|(key, (first, count))| {
                let before = since.counts.get(key).map_or(0, |(_, count)| *count);
                let more = count - before;
                (more > 0).then(|| (key.0.to_string(), key.1.to_string(), *first, more))
            })
            .collect();
        kinds.sort();
        let taken = Inspected {
            rows,
            texts: self.inspected - since.inspected,
            instructions: part.iter().map(|(row, above)| (*row, above.to_bits())).collect(),
            canaries: self.canaries.get(since.canaries..).unwrap_or_default().to_vec(),
            kinds,
        };
        self.since = Since {
            inspected: self.inspected,
            instructions: self.instructions.len(),
            canaries: self.canaries.len(),
            counts: self.kinds.clone(),
            bytes: 0,
        };
        taken
    }
}

/// How much had been seen when it was handed out last.
#[derive(Debug, Default)]
pub(super) struct Since {
    inspected: u64,
    instructions: usize,
    canaries: usize,
    counts: super::gather::Kinds,
    /// Bytes of text inspected since.
    pub(super) bytes: u64,
}
