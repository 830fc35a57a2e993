//! The durable ledger: one thread writes, everyone else waits for its word.
//!
//! A record is acknowledged when it is synced, part of the hash tree, and covered by a signed checkpoint that was
//! synced in the same write. A failed or short write poisons the ledger for ever: after a failed fsync nobody knows
//! what the disk holds, so nothing is retried (and the gateway refuses). INVARIANT: an acknowledged record survives
//! any crash; `sim` replays crash states against this.

mod check;
mod committer;
mod derived;
mod heads;
mod journal;
mod keyring;
mod medium;
mod reader;
mod words;

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use bartizan_ledger::{InclusionProof, LogKeys, SignedCheckpoint, Verifier};
use bartizan_types::{Digest, Record};
use tokio::sync::{oneshot, watch};

use committer::{Job, Queue};
use heads::Heads;
pub use heads::append_notes;
use journal::{Item, Shared};
use words::io;

pub use check::{Held, verify_ledger, verify_medium};
pub use journal::Journal;
pub use keyring::WrappingKey;
pub use medium::{Disk, Medium, MediumFile, OpenMode};
pub use words::{
    ChangeKey, Damage, KeyChanged, LedgerFault, LedgerOptions, LedgerStats, OpenCall, Query, Receipt,
    Recovered, StoredRecord,
};

/// A handle to the ledger. Cheap to clone; the last one dropped lets the committer finish its queue and stop.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    size: watch::Receiver<u64>,
    /// Held while the log's key changes, and while the files are copied one after another.
    files: tokio::sync::Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Waits for a record handed in earlier.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Receipt, LedgerFault>>);

impl Pending {
    /// Until the record is acknowledged.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn acknowledged(self) -> Result<Receipt, LedgerFault> {
        self.0.await.unwrap_or(Err(LedgerFault::Closed))
    }

    /// As [`Pending::acknowledged`], for a thread outside any runtime.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn wait(self) -> Result<Receipt, LedgerFault> {
        self.0.blocking_recv().unwrap_or(Err(LedgerFault::Closed))
    }
}

/// Follows the log, record by record. Reads from the files, so it needs no buffer and misses nothing however slow.
pub struct Tail {
    shared: Arc<Shared>,
    size: watch::Receiver<u64>,
    next: u64,
}

impl Tail {
    /// The next record, once it is acknowledged. `None` when the ledger is closed and everything was read.
    ///
    /// # Errors
    /// As [`Ledger::read`]; the record is then skipped.
    pub async fn next(&mut self) -> Option<Result<StoredRecord, LedgerFault>> {
        let next = self.next;
        if self.shared.size() <= next && self.size.wait_for(|size| *size > next).await.is_err() {
            // Closed; what was acknowledged before that is still to be read.
            if self.shared.size() <= next {
                return None;
            }
        }
        self.next += 1;
        Some(self.shared.read(next))
    }
}

impl Ledger {
    /// Opens or creates the ledger in the directory `place`, recovers it, and starts its committer.
    ///
    /// # Errors
    /// [`LedgerFault::Corrupt`] when the files disagree, [`LedgerFault::Keys`] for a wrong key, `Full`, `Io`.
    pub fn open(
        place: &Path,
        key: WrappingKey,
        options: LedgerOptions,
    ) -> Result<(Self, Recovered), LedgerFault> {
        let disk = Disk::new(place).map_err(|source| io("opening the ledger's directory", source))?;
        Self::open_on(Arc::new(disk), key, options)
    }

    /// As [`Ledger::open`], on any medium.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(
        medium: Arc<dyn Medium>,
        key: WrappingKey,
        options: LedgerOptions,
    ) -> Result<(Self, Recovered), LedgerFault> {
        let held = heads::remembered(medium.as_ref(), options.witness.as_deref());
        let held = held.map_err(|source| io("reading remembered heads", source))?;
        let (journal, recovered) = Journal::open(Arc::clone(&medium), key, options.clone(), &held)?;
        let shared = Arc::clone(&journal.shared);
        let queue = Arc::new(Queue::new(&options, journal.batch_bytes()));
        let (size_out, size) = watch::channel(recovered.size);
        let heads = Arc::new(Heads::default());
        heads.tell(&journal.keys());
        heads.show(&shared.head());
        let sender = Arc::clone(&heads);
        let every = Duration::from_millis(options.witness_every_millis.max(1));
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned()).stack_size(512 << 10);
        let witness = options.witness;
        spawn("ledger-heads")
            .spawn(move || sender.run(medium.as_ref(), witness.as_deref(), every))
            .map_err(|source| io("starting a thread", source))?;
        let mine = Arc::clone(&queue);
        spawn("ledger-commit")
            .spawn(move || committer::run(journal, &mine, &size_out, &heads))
            .map_err(|source| io("starting a thread", source))?;
        Ok((
            Self {
                inner: Arc::new(Inner {
                    shared,
                    queue,
                    size,
                    files: tokio::sync::Mutex::new(()),
                }),
            },
            recovered,
        ))
    }

    fn push(&self, job: Job) -> Result<(), LedgerFault> {
        if self.inner.shared.poisoned.load(Ordering::Acquire) {
            let closed = matches!(self.inner.queue.push(job), Err(LedgerFault::Closed));
            return Err(if closed {
                LedgerFault::Closed
            } else {
                LedgerFault::Poisoned
            });
        }
        self.inner.queue.push(job)
    }

    /// Hands a record to the committer; the returned value waits for its acknowledgement.
    ///
    /// # Errors
    /// `Busy`, `TooLarge`, `Poisoned`, `Closed`, at once.
    pub fn submit(&self, record: &Record) -> Result<Pending, LedgerFault> {
        let item = Item::new(record, &self.inner.shared.index_key)?;
        let (done, waits) = oneshot::channel();
        self.push(Job::Append {
            item,
            done: Some(done),
        })?;
        Ok(Pending(waits))
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
    pub fn append_deferred(&self, record: &Record) -> Result<(), LedgerFault> {
        let item = Item::new(record, &self.inner.shared.index_key)?;
        self.push(Job::Append { item, done: None })
    }

    /// The newest signed head that was synced.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        self.inner.shared.head()
    }

    /// The key that checks this log's newest heads; [`Verifier::vkey`] is its text.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.inner.shared.signers().keys().newest().clone()
    }

    /// All keys of this log, and how each named the next.
    #[must_use]
    pub fn keys(&self) -> LogKeys {
        self.inner.shared.signers().keys().clone()
    }

    /// One record.
    ///
    /// # Errors
    /// `Missing`, `Corrupt`, `Io`.
    pub fn read(&self, index: u64) -> Result<StoredRecord, LedgerFault> {
        self.inner.shared.read(index)
    }

    /// Records that match, newest first.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn search(&self, query: &Query) -> Result<Vec<StoredRecord>, LedgerFault> {
        self.inner.shared.search(query)
    }

    /// Proof that a record is in the log, under the newest head.
    ///
    /// # Errors
    /// `Missing`, `Corrupt`, `Io`.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, LedgerFault> {
        self.inner.shared.prove(index)
    }

    /// Proof that the log grew from an older head by appending only (RFC 6962 section 2.1.2).
    ///
    /// # Errors
    /// `Corrupt` with [`Damage::Rollback`] or [`Damage::Fork`] when it did not.
    pub fn prove_consistency(&self, old: &SignedCheckpoint) -> Result<Vec<Digest>, LedgerFault> {
        self.inner.shared.prove_consistency(old)
    }

    /// Records from an index on, oldest first, as far as the log reaches now: for exports.
    pub fn records(&self, from: u64) -> impl Iterator<Item = Result<StoredRecord, LedgerFault>> + '_ {
        (from..self.inner.shared.size()).map(|index| self.inner.shared.read(index))
    }

    /// Follows the log from an index on.
    #[must_use]
    pub fn subscribe(&self, from: u64) -> Tail {
        Tail {
            shared: Arc::clone(&self.inner.shared),
            size: self.inner.size.clone(),
            next: from,
        }
    }

    /// Writes C2SP tiles of what is new since `since` records under a directory; returns the size published.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn publish_tiles(&self, place: &Path, since: u64) -> Result<u64, LedgerFault> {
        check::publish_tiles(&self.inner.shared, place, since)
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn stats(&self) -> LedgerStats {
        let shared = &self.inner.shared;
        LedgerStats {
            size: shared.size(),
            disk_bytes: shared.disk_bytes.load(Ordering::Relaxed),
            queued: self.inner.queue.len() as u64,
            commits: shared.commits.load(Ordering::Relaxed),
            full: shared.full.load(Ordering::Acquire),
            poisoned: shared.poisoned.load(Ordering::Acquire),
            paused: shared.paused.load(Ordering::Acquire),
        }
    }

    /// Erases a record's payload: a tombstone first, durable, then zeroes. Returns the tombstone's receipt.
    ///
    /// # Errors
    /// `NotErasable`, `Missing`, and as [`Ledger::append`].
    pub async fn erase(&self, index: u64, reason: &str) -> Result<Receipt, LedgerFault> {
        let (done, waits) = oneshot::channel();
        self.push(Job::Erase {
            index,
            reason: reason.to_owned(),
            done,
        })?;
        waits.await.unwrap_or(Err(LedgerFault::Closed))
    }

    /// Wraps every data key under a new key; no record is rewritten.
    ///
    /// # Errors
    /// `Keys`, `Io`, `Poisoned`, `Closed`.
    pub async fn rotate_key(&self, under: WrappingKey) -> Result<(), LedgerFault> {
        let (done, waits) = oneshot::channel();
        self.push(Job::RotateKey { under, done })?;
        waits.await.unwrap_or(Err(LedgerFault::Closed))
    }

    /// Brings in another key to sign heads, recorded under both; see [`Journal::change_key`].
    ///
    /// # Errors
    /// `KeyChange`, `Unkept`, `Full`, `Io`, `Poisoned`, `Closed`, `Busy`.
    pub async fn change_key(&self, wanted: ChangeKey) -> Result<KeyChanged, LedgerFault> {
        let _copied_by_nobody = self.inner.files.lock().await;
        let (done, waits) = oneshot::channel();
        self.push(Job::ChangeKey { wanted, done })?;
        waits.await.unwrap_or(Err(LedgerFault::Closed))
    }

    /// While what it returns is held, the log's key does not change: a copy of the files, one after another, then has a
    /// key file and segments that know the same keys.
    pub async fn hold_key(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.files.lock().await
    }

    /// Finishes the queue, sends the head to the witness, and stops. Later appends are refused.
    ///
    /// # Errors
    /// What the last write met; `Closed` if it was closed before.
    pub async fn close(&self) -> Result<(), LedgerFault> {
        let (done, waits) = oneshot::channel();
        self.inner.queue.push(Job::Close { done })?;
        waits.await.unwrap_or(Err(LedgerFault::Closed))
    }
}

#[cfg(test)]
mod tests;
