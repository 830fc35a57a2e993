//! The proof that travels: what `bartizan audit prove --json` prints and any verifier can check by itself.

use bartizan_types::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Entry, EntryFault, leaf_hash},
    note::{NoteFault, SignedCheckpoint, Verifier},
    tree::{ProofFault, verify_inclusion},
};

/// That one entry is in a log, under one signed head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Format version, 1.
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
        verifier: &Verifier,
    ) -> Self {
        Self {
            version: 1,
            index,
            entry: STANDARD.encode(entry.encode()),
            path,
            checkpoint: head.note().to_owned(),
            vkey: verifier.vkey(),
        }
    }

    /// Checks everything under a key the caller knows, and returns what is proven.
    ///
    /// # Errors
    /// [`InclusionFault`] names the first thing wrong.
    pub fn verify(&self, verifier: &Verifier) -> Result<(Entry, SignedCheckpoint), InclusionFault> {
        if self.version != 1 {
            return Err(InclusionFault::Version(self.version));
        }
        let head = verifier.verify(&self.checkpoint)?;
        let bytes = STANDARD.decode(&self.entry).map_err(|_| InclusionFault::Base64)?;
        let entry = Entry::decode(&bytes)?;
        let (size, root) = (head.checkpoint().size, head.checkpoint().root);
        verify_inclusion(&leaf_hash(&bytes), self.index, size, &self.path, &root)?;
        Ok((entry, head))
    }
}
