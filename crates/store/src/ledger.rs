//! The durable ledger: one thread writes, everyone else waits for its word.
//!
//! A record is acknowledged when it is synced, part of the hash tree, and covered by a signed checkpoint that was
//! synced in the same write. A failed or short write poisons the ledger for ever: after a failed fsync nobody knows
//! what the disk holds, so nothing is retried (and the gateway refuses). INVARIANT: an acknowledged record survives
//! any crash; `sim` replays crash states against this.

mod words;

use std::path::Path;

use bartizan_types::Record;

pub use words::{
    Damage, LedgerFault, LedgerOptions, LedgerStats, OpenCall, Query, Receipt, Recovered, StoredRecord,
};

/// A 256-bit key that wraps other keys; the caller derives it from the master key.
#[derive(Clone)]
pub struct WrappingKey(zeroize::Zeroizing<[u8; 32]>);

impl WrappingKey {
    /// From 32 secret bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }
}

/// A handle to the ledger. Cheap to clone; the last one dropped lets the committer finish its queue and stop.
#[derive(Clone)]
pub struct Ledger {
    _todo: (),
}

/// Waits for a record handed in earlier.
#[derive(Debug)]
pub struct Pending(tokio::sync::oneshot::Receiver<Result<Receipt, LedgerFault>>);

impl Pending {
    /// Until the record is acknowledged.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn acknowledged(self) -> Result<Receipt, LedgerFault> {
        self.0.await.unwrap_or(Err(LedgerFault::Closed))
    }
}

impl Ledger {
    /// Opens or creates the ledger in the directory `place`, recovers it, and starts its committer.
    ///
    /// # Errors
    /// [`LedgerFault::Corrupt`] when the files disagree, [`LedgerFault::Keys`] for a wrong key, `Full`, `Io`.
    pub fn open(
        _place: &Path,
        _key: WrappingKey,
        _options: LedgerOptions,
    ) -> Result<(Self, Recovered), LedgerFault> {
        Err(LedgerFault::Closed)
    }

    /// Hands a record to the committer; the returned value waits for its acknowledgement.
    ///
    /// # Errors
    /// `Busy`, `TooLarge`, `Poisoned`, `Full`, `Closed`, at once.
    pub fn submit(&self, _record: &Record) -> Result<Pending, LedgerFault> {
        Err(LedgerFault::Closed)
    }

    /// Appends and waits until the record is durable, integrated and covered by a signed, synced checkpoint.
    ///
    /// # Errors
    /// As [`Ledger::submit`], or what happened to the batch.
    pub async fn append(&self, record: &Record) -> Result<Receipt, LedgerFault> {
        self.submit(record)?.acknowledged().await
    }

    /// Appends without waiting; the record is in the next synced write.
    ///
    /// # Errors
    /// As [`Ledger::submit`].
    pub fn append_deferred(&self, _record: &Record) -> Result<(), LedgerFault> {
        Err(LedgerFault::Closed)
    }

    /// The newest signed checkpoint, as the text of a C2SP signed note.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        String::new()
    }

    /// The verifier key of the checkpoints, as a C2SP vkey text.
    #[must_use]
    pub fn vkey(&self) -> String {
        String::new()
    }

    /// One record.
    ///
    /// # Errors
    /// `Missing`, `Corrupt`, `Io`.
    pub fn read(&self, index: u64) -> Result<StoredRecord, LedgerFault> {
        Err(LedgerFault::Missing { index, size: 0 })
    }

    /// Records that match, newest first.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn search(&self, _query: &Query) -> Result<Vec<StoredRecord>, LedgerFault> {
        Err(LedgerFault::Closed)
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn stats(&self) -> LedgerStats {
        LedgerStats::default()
    }

    /// Erases a record's payload: a tombstone first, durable, then zeroes. Returns the tombstone's receipt.
    ///
    /// # Errors
    /// `NotErasable`, `Missing`, and as [`Ledger::append`].
    pub async fn erase(&self, _index: u64, _reason: &str) -> Result<Receipt, LedgerFault> {
        Err(LedgerFault::Closed)
    }

    /// Wraps every data key under a new key; no record is rewritten.
    ///
    /// # Errors
    /// `Io`, `Poisoned`, `Closed`.
    pub async fn rotate_key(&self, _new: WrappingKey) -> Result<(), LedgerFault> {
        Err(LedgerFault::Closed)
    }

    /// Finishes the queue, syncs, sends the head to the witness, and stops.
    ///
    /// # Errors
    /// What the last write met.
    pub async fn close(&self) -> Result<(), LedgerFault> {
        Err(LedgerFault::Closed)
    }
}
