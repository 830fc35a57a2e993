//! The proof that travels: what `bartizan audit prove --json` prints and any verifier can check by itself.

use bartizan_types::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Entry, EntryFault, leaf_hash},
    keys::{KEYS_MAX, KeyFault, LogKeys, Succession},
    note::{NoteFault, SignedCheckpoint, Verifier},
    tree::{ProofFault, verify_inclusion},
};

/// That one entry is in a log, under one signed head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Format version: 1, or 2 with statements.
    pub version: u8,
    /// Where the entry is.
    pub index: u64,
    /// The entry's public bytes, base64.
    pub entry: String,
    /// Hashes from the leaf's sibling to the root (RFC 6962 section 2.1.1).
    pub path: Vec<Digest>,
    /// The signed note of the head.
    pub checkpoint: String,
    /// The log's key. A verifier compares it with the one it knows; it is here for convenience.
    pub vkey: String,
    /// Where the log's key has changed: the statements that lead from the first key to `vkey`, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub succession: Vec<String>,
}

/// What a proof proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The entry.
    pub entry: Entry,
    /// The head it is under.
    pub head: SignedCheckpoint,
    /// The log's keys, as far as the proof and its checker know them; [`LogKeys::at`] tells which signed the head.
    pub keys: LogKeys,
}

/// Why the proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InclusionFault {
    /// Another version.
    #[error("proof version {0} is not known here")]
    Version(u8),
    /// The head.
    #[error(transparent)]
    Note(#[from] NoteFault),
    /// A statement, or what they say together.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The path.
    #[error(transparent)]
    Path(#[from] ProofFault),
    /// The entry.
    #[error(transparent)]
    Entry(#[from] EntryFault),
    /// The entry is not base64.
    #[error("the entry is not base64")]
    Base64,
}

impl InclusionProof {
    /// From its parts.
    #[must_use]
    pub fn new(
        index: u64,
        entry: &Entry,
        path: Vec<Digest>,
        head: &SignedCheckpoint,
        keys: &LogKeys,
    ) -> Self {
        let statements = keys.changes().iter().map(|change| change.note().to_owned());
        Self {
            version: if keys.changes().is_empty() { 1 } else { 2 },
            index,
            entry: STANDARD.encode(entry.encode()),
            path,
            checkpoint: head.note().to_owned(),
            vkey: keys.newest().vkey(),
            succession: statements.collect(),
        }
    }

    /// Checks everything under a key the caller knows, follows the log's keys from it, and returns what is proven.
    /// `stated` are statements that the caller has from elsewhere.
    ///
    /// # Errors
    /// [`InclusionFault`] names the first thing wrong.
    pub fn verify(&self, known: &Verifier, stated: &[Succession]) -> Result<Proven, InclusionFault> {
        let fits = matches!((self.version, self.succession.is_empty()), (1, true) | (2, _));
        if !fits {
            return Err(InclusionFault::Version(self.version));
        }
        if self.succession.len() > KEYS_MAX {
            return Err(KeyFault::TooMany.into());
        }
        let mut all = stated.to_vec();
        for note in &self.succession {
            all.push(Succession::read(note).map_err(KeyFault::Statement)?);
        }
        let keys = LogKeys::gather(known, &all)?;
        let head = keys.verify(&self.checkpoint)?;
        let bytes = STANDARD.decode(&self.entry).map_err(|_| InclusionFault::Base64)?;
        let entry = Entry::decode(&bytes)?;
        let (size, root) = (head.checkpoint().size, head.checkpoint().root);
        verify_inclusion(&leaf_hash(&bytes), self.index, size, &self.path, &root)?;
        Ok(Proven { entry, head, keys })
    }
}
