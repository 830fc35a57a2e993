//! What the database stands on: its file, opened again after an error of the disk, and since when and why it can't be
//! written.
//!
//! redb takes nothing any more once a read or a write of its file failed: it has to be closed and opened again, which also
//! takes back what the failed change left half done. What this refuses to do: make a new file in the place of one that is
//! gone, since that would be state without its revocations.

use std::{
    fmt, io,
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bartizan_types::Timestamp;
use redb::{BackendError, Database, StorageBackend, backends::FileBackend};

use super::{CACHE_BYTES, db};
use crate::{Fault, chain, files};

/// What is about to be done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskChange {
    /// Its length is set.
    Length,
    /// Bytes are written from here on.
    Write(u64),
    /// What was written is made durable.
    Sync,
}

/// Asked before each change of the file: an error is what a disk says that does not take it. Tests alone give one.
pub type Refusing = Arc<dyn Fn(DiskChange) -> io::Result<()> + Send + Sync>;

/// Since when the state can't be written, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When it was seen first.
    pub since: Timestamp,
    /// What the disk said, in one line.
    pub why: String,
}

/// What is wrong with the disk, as far as anybody tried.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<Trouble>>);

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().clone()
    }

    /// The first reason stays: what follows it is mostly that there was one.
    pub(super) fn failed(&self, fault: &Fault) {
        let mut standing = self.lock();
        if standing.is_none() {
            let why = chain(fault);
            tracing::error!(%why, "the state can't be written");
            *standing = Some(Trouble { since: now(), why });
        }
    }

    pub(super) fn written(&self) {
        if let Some(before) = self.lock().take() {
            tracing::info!(since = %before.since, "the state can be written again");
        }
    }
}

/// The file, and what tests say in the disk's place.
pub(super) struct Disk {
    file: FileBackend,
    refusing: Option<Refusing>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn new(file: std::fs::File, refusing: Option<Refusing>) -> Result<Self, Fault> {
        let file = FileBackend::new(file).map_err(db("open"))?;
        Ok(Self { file, refusing })
    }

    fn takes(&self, change: DiskChange) -> io::Result<()> {
        self.refusing.as_ref().map_or(Ok(()), |refusing| refusing(change))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.takes(DiskChange::Length)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.takes(DiskChange::Sync)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.takes(DiskChange::Write(offset))?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// The database on this disk, made where the file is empty.
pub(super) fn database(disk: Disk) -> Result<Database, Fault> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(disk)
        .map_err(db("open"))
}

/// The database that was here before.
pub(super) fn again(path: &Path, refusing: Option<&Refusing>) -> Result<Database, Fault> {
    let file = files::open_existing(path)?;
    let found = file.metadata().map_err(files::io("inspect", path))?;
    if found.len() == 0 {
        return Err(Fault::Missing(path.to_owned()));
    }
    database(Disk::new(file, refusing.cloned())?)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
