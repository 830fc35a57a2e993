//! Small durable state: API keys, tool pins, accepted tool manifests, settings. One redb file, typed tables, JSON values with a version.
//!
//! Calls block for a synced write (under a millisecond on a quiet disk) and belong off the async threads; nothing on
//! the path of a call reads them, the gateway keeps snapshots. Values are opaque here: the crate that owns a type gives
//! it, so that this crate needs no word of identity or MCP. A value that no longer reads is a fault, never skipped: a
//! revocation that can't be read must not look like none. An error of the disk fails the change that met it and no later
//! one: the database is opened again at once, and before each use for as long as that fails.

mod disk;

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Once, PoisonError, RwLock, RwLockReadGuard},
};

use bartizan_types::{KeyId, ServerName};
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::disk::{Disk, Standing};
pub use self::disk::{DiskChange, Refusing, Trouble};
use crate::{Fault, StateDir, files};

const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
const PINS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("pins");
const SETTINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("settings");
const MANIFESTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("manifests");
const APPROVALS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("approvals");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const KEPT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("kept");
const KEYS_EPOCH: &str = "keys_epoch";
/// How often it was tried whether the state can be written.
const TRIED: &str = "tried";

pub(crate) const FILE: &str = "state.redb";
/// The data is small and snapshots are held elsewhere; redb's own default is 1 GiB.
const CACHE_BYTES: usize = 2 << 20;
/// Largest API key record or setting, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Largest row of what the gateway keeps over a restart.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Largest pin, in bytes: a tool definition with its schemas.
const PIN_BYTES_MAX: usize = 1 << 20;
/// Version of a value's form; an older one is read, a newer one refused.
const VALUE_VERSION: u32 = 1;

/// API keys, pins and settings.
pub struct State {
    /// None from an error of the disk until it opens again. Nothing outlives the guard, so that it closes when told to.
    database: RwLock<Option<Database>>,
    path: PathBuf,
    refusing: Option<Refusing>,
    standing: Standing,
    /// Keeps the lock for as long as the database is open.
    directory: Option<StateDir>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("path", &self.path)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Stored<'a, T> {
    v: u32,
    value: &'a T,
}

#[derive(Deserialize)]
struct Loaded<T> {
    v: u32,
    value: T,
}

impl State {
    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// [`Fault::Database`], [`Fault::Insecure`], [`Fault::Io`].
    pub fn open(directory: &StateDir) -> Result<Self, Fault> {
        Self::open_at(directory.path(), Some(directory.clone()), None)
    }

    /// The same on a disk that takes a change only where `refusing` says so: for tests of what a full or a broken one does.
    ///
    /// # Errors
    /// As [`State::open`].
    pub fn open_refusing(directory: &StateDir, refusing: Refusing) -> Result<Self, Fault> {
        Self::open_at(directory.path(), Some(directory.clone()), Some(refusing))
    }

    fn open_at(place: &Path, directory: Option<StateDir>, refusing: Option<Refusing>) -> Result<Self, Fault> {
        let path = place.join(FILE);
        let file = files::open_or_create(&path)?;
        guarded(&path, || {
            let database = disk::database(Disk::new(file, refusing.clone())?)?;
            let state = Self {
                database: RwLock::new(Some(database)),
                path: path.clone(),
                refusing,
                standing: Standing::default(),
                directory,
            };
            state.furnish()?;
            state.read(walk)?;
            Ok(state)
        })
    }

    /// Readers then find every table.
    fn furnish(&self) -> Result<(), Fault> {
        self.write(|transaction| {
            transaction.open_table(KEYS)?;
            transaction.open_table(PINS)?;
            transaction.open_table(SETTINGS)?;
            transaction.open_table(MANIFESTS)?;
            transaction.open_table(APPROVALS)?;
            transaction.open_table(META)?;
            transaction.open_table(KEPT)?;
            Ok(())
        })
    }

    /// Since when the state can't be written, and why; `None` where the last attempt went well.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.standing.trouble()
    }

    /// Tries whether the state can be written: something is, and synced on return.
    ///
    /// # Errors
    /// [`Fault::Database`], [`Fault::Closed`].
    pub fn try_write(&self) -> Result<(), Fault> {
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            let times = meta.get(TRIED)?.map_or(0, |times| times.value());
            meta.insert(TRIED, times.wrapping_add(1))?;
            Ok(())
        })
    }

    /// The state directory that this lies in.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(StateDir::path)
    }

    /// Every API key record, by prefix.
    ///
    /// # Errors
    /// [`Fault::Value`] for one that does not read as `T`, [`Fault::Database`].
    pub fn keys<T: DeserializeOwned>(&self) -> Result<Vec<T>, Fault> {
        self.keys_with_epoch().map(|(keys, _)| keys)
    }

    /// Every API key record together with the number of the last change, from one snapshot: what a registry is built
    /// from. The number starts at 0 and grows with every change.
    ///
    /// # Errors
    /// As [`State::keys`].
    pub fn keys_with_epoch<T: DeserializeOwned>(&self) -> Result<(Vec<T>, u64), Fault> {
        self.read(|transaction| {
            let table = transaction.open_table(KEYS).map_err(db("read"))?;
            let mut keys = Vec::new();
            for entry in table.iter().map_err(db("read"))? {
                let (prefix, bytes) = entry.map_err(db("read"))?;
                keys.push(load("keys", prefix.value(), bytes.value())?);
            }
            let meta = transaction.open_table(META).map_err(db("read"))?;
            Ok((keys, epoch(&meta)?))
        })
    }

    /// Adds an API key record.
    ///
    /// # Errors
    /// [`Fault::KeyTaken`] where the prefix is taken: a record is never overwritten.
    pub fn put_key<T: Serialize>(&self, prefix: &KeyId, record: &T) -> Result<(), Fault> {
        let bytes = store("keys", prefix.as_str(), record, VALUE_BYTES_MAX)?;
        self.write_checked(|transaction| {
            let mut table = transaction.open_table(KEYS).map_err(db("write"))?;
            if table.get(prefix.as_str()).map_err(db("read"))?.is_some() {
                return Err(Fault::KeyTaken(prefix.to_string()));
            }
            table
                .insert(prefix.as_str(), bytes.as_slice())
                .map_err(db("write"))?;
            bump(transaction)
        })
    }

    /// Changes an API key record in one transaction, as for revoking it, and returns it as it is now.
    ///
    /// # Errors
    /// [`Fault::KeyAbsent`], [`Fault::Value`], [`Fault::Database`].
    pub fn revise_key<T: Serialize + DeserializeOwned>(
        &self,
        prefix: &KeyId,
        change: impl FnOnce(&mut T),
    ) -> Result<T, Fault> {
        self.write_checked(|transaction| {
            let mut table = transaction.open_table(KEYS).map_err(db("write"))?;
            let mut record: T = match table.get(prefix.as_str()).map_err(db("read"))? {
                None => return Err(Fault::KeyAbsent(prefix.to_string())),
                Some(bytes) => load("keys", prefix.as_str(), bytes.value())?,
            };
            change(&mut record);
            let bytes = store("keys", prefix.as_str(), &record, VALUE_BYTES_MAX)?;
            table
                .insert(prefix.as_str(), bytes.as_slice())
                .map_err(db("write"))?;
            bump(transaction)?;
            Ok(record)
        })
    }

    /// The pins of one server: item (`tool/NAME`, `server`, …) and what the MCP side stored for it.
    ///
    /// # Errors
    /// [`Fault::Database`].
    pub fn pins(&self, server: &ServerName) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        self.of_server(PINS, server)
    }

    /// The tool manifests of one server that an operator accepted: tool, and what was stored for it.
    ///
    /// # Errors
    /// [`Fault::Database`].
    pub fn manifests(&self, server: &ServerName) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        self.of_server(MANIFESTS, server)
    }

    fn of_server(
        &self,
        table: TableDefinition<'_, (&str, &str), &[u8]>,
        server: &ServerName,
    ) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        self.read(|transaction| {
            let table = transaction.open_table(table).map_err(db("read"))?;
            let mut items = Vec::new();
            for entry in table.range((server.as_str(), "")..).map_err(db("read"))? {
                let (key, bytes) = entry.map_err(db("read"))?;
                let (found, item) = key.value();
                if found != server.as_str() {
                    break;
                }
                items.push((item.to_owned(), bytes.value().to_vec()));
            }
            Ok(items)
        })
    }

    /// Sets and removes manifests of one server, all or none; `None` removes.
    ///
    /// # Errors
    /// [`Fault::ValueTooLarge`], [`Fault::Database`].
    pub fn put_manifests(&self, server: &ServerName, changes: &[(&str, Option<&[u8]>)]) -> Result<(), Fault> {
        let bytes = |body: &Option<&[u8]>| body.map_or(0, <[u8]>::len);
        if changes
            .iter()
            .any(|(tool, body)| tool.len() > 1024 || bytes(body) > PIN_BYTES_MAX)
        {
            return Err(Fault::ValueTooLarge {
                table: "manifests",
                limit: PIN_BYTES_MAX,
            });
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(MANIFESTS)?;
            for (tool, body) in changes {
                match body {
                    Some(body) => drop(table.insert((server.as_str(), *tool), *body)?),
                    None => drop(table.remove((server.as_str(), *tool))?),
                }
            }
            Ok(())
        })
    }

    /// Servers that have pins.
    ///
    /// # Errors
    /// [`Fault::Database`].
    pub fn pinned_servers(&self) -> Result<Vec<String>, Fault> {
        self.read(|transaction| {
            let mut servers: Vec<String> = Vec::new();
            let table = transaction.open_table(PINS).map_err(db("read"))?;
            for entry in table.iter().map_err(db("read"))? {
                let (key, _) = entry.map_err(db("read"))?;
                let (server, _) = key.value();
                if servers.last().is_none_or(|last| last != server) {
                    servers.push(server.to_owned());
                }
            }
            Ok(servers)
        })
    }

    /// Sets a pin.
    ///
    /// # Errors
    /// [`Fault::ValueTooLarge`], [`Fault::Database`].
    pub fn put_pin(&self, server: &ServerName, item: &str, body: &[u8]) -> Result<(), Fault> {
        self.put_pins(server, &[(item, body)])
    }

    /// Sets several pins of one server, all or none.
    ///
    /// # Errors
    /// As [`State::put_pin`].
    pub fn put_pins(&self, server: &ServerName, pins: &[(&str, &[u8])]) -> Result<(), Fault> {
        if pins
            .iter()
            .any(|(item, body)| item.len() > 1024 || body.len() > PIN_BYTES_MAX)
        {
            return Err(Fault::ValueTooLarge {
                table: "pins",
                limit: PIN_BYTES_MAX,
            });
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(PINS)?;
            for (item, body) in pins {
                table.insert((server.as_str(), *item), *body)?;
            }
            Ok(())
        })
    }

    /// Removes a pin; tells whether there was one.
    ///
    /// # Errors
    /// [`Fault::Database`].
    pub fn remove_pin(&self, server: &ServerName, item: &str) -> Result<bool, Fault> {
        self.write(|transaction| {
            let mut table = transaction.open_table(PINS)?;
            let removed = table.remove((server.as_str(), item))?.is_some();
            Ok(removed)
        })
    }

    /// A setting, if it was ever put.
    ///
    /// # Errors
    /// [`Fault::Value`], [`Fault::Database`].
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.read(|transaction| {
            let table = transaction.open_table(SETTINGS).map_err(db("read"))?;
            table
                .get(name)
                .map_err(db("read"))?
                .map(|bytes| load("settings", name, bytes.value()))
                .transpose()
        })
    }

    /// Puts a setting.
    ///
    /// # Errors
    /// [`Fault::ValueTooLarge`], [`Fault::Database`].
    pub fn put_setting<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Fault> {
        let bytes = store("settings", name, value, VALUE_BYTES_MAX)?;
        self.write(|transaction| {
            transaction.open_table(SETTINGS)?.insert(name, bytes.as_slice())?;
            Ok(())
        })
    }

    /// A row of what the gateway keeps over a restart, if there is one.
    ///
    /// # Errors
    /// [`Fault::Value`], [`Fault::Database`].
    pub fn kept<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.read(|transaction| {
            let table = transaction.open_table(KEPT).map_err(db("read"))?;
            table
                .get(name)
                .map_err(db("read"))?
                .map(|bytes| load("kept", name, bytes.value()))
                .transpose()
        })
    }

    /// Every row whose name begins so, in order of name.
    ///
    /// # Errors
    /// [`Fault::Value`] for one that does not read: it is never skipped. [`Fault::Database`].
    pub fn kept_under<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>, Fault> {
        self.read(|transaction| {
            let table = transaction.open_table(KEPT).map_err(db("read"))?;
            let mut rows = Vec::new();
            for entry in table.range(prefix..).map_err(db("read"))? {
                let (name, bytes) = entry.map_err(db("read"))?;
                if !name.value().starts_with(prefix) {
                    break;
                }
                rows.push(load("kept", name.value(), bytes.value())?);
            }
            Ok(rows)
        })
    }

    /// Puts a row, synced on return.
    ///
    /// # Errors
    /// [`Fault::ValueTooLarge`], [`Fault::Database`].
    pub fn keep<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Fault> {
        let bytes = store("kept", name, value, KEPT_BYTES_MAX)?;
        self.write(|transaction| {
            transaction.open_table(KEPT)?.insert(name, bytes.as_slice())?;
            Ok(())
        })
    }

    /// Removes a row; tells whether there was one.
    ///
    /// # Errors
    /// [`Fault::Database`].
    pub fn drop_kept(&self, name: &str) -> Result<bool, Fault> {
        self.write(|transaction| {
            let mut table = transaction.open_table(KEPT)?;
            let dropped = table.remove(name)?.is_some();
            Ok(dropped)
        })
    }

    /// Every sealed row of approvals, by name.
    pub(crate) fn approvals(&self) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        self.read(approvals_of)
    }

    /// Puts and removes rows of approvals, all or none.
    pub(crate) fn change_approvals(&self, puts: &[(String, Vec<u8>)], drops: &[String]) -> Result<(), Fault> {
        self.write(|transaction| {
            let mut table = transaction.open_table(APPROVALS)?;
            for (name, bytes) in puts {
                table.insert(name.as_str(), bytes.as_slice())?;
            }
            for name in drops {
                table.remove(name.as_str())?;
            }
            Ok(())
        })
    }

    /// Everything, from one snapshot.
    pub(crate) fn export(&self) -> Result<Exported, Fault> {
        self.read(|transaction| {
            let mut all = Exported::default();
            let table = transaction.open_table(KEYS).map_err(db("read"))?;
            for entry in table.iter().map_err(db("read"))? {
                let (key, bytes) = entry.map_err(db("read"))?;
                let value = load("keys", key.value(), bytes.value())?;
                all.keys.insert(key.value().to_owned(), value);
            }
            let table = transaction.open_table(SETTINGS).map_err(db("read"))?;
            for entry in table.iter().map_err(db("read"))? {
                let (key, bytes) = entry.map_err(db("read"))?;
                let value = load("settings", key.value(), bytes.value())?;
                all.settings.insert(key.value().to_owned(), value);
            }
            for (from, to) in [(PINS, &mut all.pins), (MANIFESTS, &mut all.manifests)] {
                let table = transaction.open_table(from).map_err(db("read"))?;
                for entry in table.iter().map_err(db("read"))? {
                    let (key, bytes) = entry.map_err(db("read"))?;
                    let (server, item) = key.value();
                    to.push(ExportedPin {
                        server: server.to_owned(),
                        item: item.to_owned(),
                        body: bytes.value().to_vec(),
                    });
                }
            }
            let table = transaction.open_table(KEPT).map_err(db("read"))?;
            for entry in table.iter().map_err(db("read"))? {
                let (name, bytes) = entry.map_err(db("read"))?;
                let value = load("kept", name.value(), bytes.value())?;
                all.kept.insert(name.value().to_owned(), value);
            }
            all.approvals = approvals_of(transaction)?.into_iter().collect();
            let meta = transaction.open_table(META).map_err(db("read"))?;
            all.keys_epoch = epoch(&meta)?;
            Ok(all)
        })
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Fault> {
        self.write_checked(|transaction| change(transaction).map_err(db("write")))
    }

    /// Commits, synced, when `change` succeeds; drops every part of it otherwise.
    fn write_checked<T>(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.opened().and_then(|held| {
            guarded(&self.path, || {
                let database = held.as_ref().ok_or_else(closed)?;
                let transaction = database.begin_write().map_err(db("write"))?;
                match change(&transaction) {
                    Ok(value) => {
                        transaction.commit().map_err(db("commit"))?;
                        Ok(value)
                    }
                    Err(fault) => {
                        let aborted = transaction.abort();
                        // After an error of the disk this says no more than that there was one.
                        if !fault.is_of_disk() {
                            aborted.map_err(db("abort"))?;
                        }
                        Err(fault)
                    }
                }
            })
        });
        match &done {
            Ok(_) => self.standing.written(),
            Err(fault) => self.look_into(fault),
        }
        done
    }

    /// Reads one snapshot.
    fn read<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, Fault> {
        let done = self.opened().and_then(|held| {
            let database = held.as_ref().ok_or_else(closed)?;
            let transaction = database.begin_read().map_err(db("read"))?;
            work(&transaction)
        });
        if let Err(fault) = &done {
            self.look_into(fault);
        }
        done
    }

    /// The database, opened again where an error closed it.
    ///
    /// INVARIANT: nobody who holds it asks for it once more, which would wait for itself where another reopens it.
    fn opened(&self) -> Result<RwLockReadGuard<'_, Option<Database>>, Fault> {
        let held = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(held);
        }
        drop(held);
        self.reopen()?;
        Ok(self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// After an error of the disk: it is remembered, and the database opened again, once.
    fn look_into(&self, fault: &Fault) {
        if !fault.is_of_disk() {
            return;
        }
        self.standing.failed(fault);
        let is_closed = matches!(fault, Fault::Closed(_));
        if !is_closed && let Err(fault) = self.reopen() {
            tracing::error!(error = %fault, "the state database is closed; it is opened again before its next use");
        }
    }

    fn reopen(&self) -> Result<(), Fault> {
        let mut held = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let opened = guarded(&self.path, || {
            // Closed first: what it still holds belongs to a change that failed.
            drop(held.take());
            disk::again(&self.path, self.refusing.as_ref())
        });
        *held = Some(opened.map_err(|fault| Fault::Closed(Box::new(fault)))?);
        Ok(())
    }
}

fn closed() -> Fault {
    Fault::Database {
        doing: "use",
        source: Box::new(redb::Error::DatabaseClosed),
    }
}

thread_local! {
    /// Whether a panic on this thread is one that becomes a fault.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Works on the database; where redb panics, as it does over some damaged pages, that is a fault, and nothing is printed.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            if !GUARDED.get() {
                before(what);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    // What a panic leaves half done is never seen: a database that is being opened is dropped, a transaction not committed.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.unwrap_or_else(|_| {
        Err(Fault::Damaged {
            path: path.to_owned(),
            why: "its pages do not read as a database",
        })
    })
}

/// Touches every row, so that what is damaged shows when the database is opened, and not when a row is needed.
fn walk(transaction: &ReadTransaction) -> Result<(), Fault> {
    for table in [KEYS, SETTINGS, APPROVALS, KEPT] {
        let table = transaction.open_table(table).map_err(db("read"))?;
        for entry in table.iter().map_err(db("read"))? {
            let (key, value) = entry.map_err(db("read"))?;
            let _ = (key.value().len(), value.value().len());
        }
    }
    for table in [PINS, MANIFESTS] {
        let table = transaction.open_table(table).map_err(db("read"))?;
        for entry in table.iter().map_err(db("read"))? {
            let (key, value) = entry.map_err(db("read"))?;
            let _ = (key.value().0.len(), value.value().len());
        }
    }
    let meta = transaction.open_table(META).map_err(db("read"))?;
    epoch(&meta).map(drop)
}

fn approvals_of(transaction: &ReadTransaction) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let table = transaction.open_table(APPROVALS).map_err(db("read"))?;
    let mut rows = Vec::new();
    for entry in table.iter().map_err(db("read"))? {
        let (name, bytes) = entry.map_err(db("read"))?;
        rows.push((name.value().to_owned(), bytes.value().to_vec()));
    }
    Ok(rows)
}

/// All tables as plain data: what a backup holds, and what a migration puts in.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) keys: BTreeMap<String, Value>,
    pub(crate) pins: Vec<ExportedPin>,
    /// Backups from before tools had manifests hold none.
    #[serde(default)]
    pub(crate) manifests: Vec<ExportedPin>,
    pub(crate) settings: BTreeMap<String, Value>,
    /// Sealed rows; a backup of an earlier release has none.
    #[serde(default)]
    pub(crate) approvals: BTreeMap<String, Vec<u8>>,
    /// What the gateway keeps over a restart; a backup of an earlier release has none.
    #[serde(default)]
    pub(crate) kept: BTreeMap<String, Value>,
    pub(crate) keys_epoch: u64,
}

/// One pin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportedPin {
    pub(crate) server: String,
    pub(crate) item: String,
    pub(crate) body: Vec<u8>,
}

/// Writes plain data into the database of `directory`, made where there is none. Safe to repeat.
pub(crate) fn import(directory: &Path, all: &Exported) -> Result<(), Fault> {
    let state = State::open_at(directory, None, None)?;
    state.write_checked(|transaction| {
        let mut table = transaction.open_table(KEYS).map_err(db("write"))?;
        for (prefix, record) in &all.keys {
            let bytes = store("keys", prefix, record, VALUE_BYTES_MAX)?;
            table
                .insert(prefix.as_str(), bytes.as_slice())
                .map_err(db("write"))?;
        }
        let mut table = transaction.open_table(SETTINGS).map_err(db("write"))?;
        for (name, value) in &all.settings {
            let bytes = store("settings", name, value, VALUE_BYTES_MAX)?;
            table
                .insert(name.as_str(), bytes.as_slice())
                .map_err(db("write"))?;
        }
        for (into, from) in [(PINS, &all.pins), (MANIFESTS, &all.manifests)] {
            let mut table = transaction.open_table(into).map_err(db("write"))?;
            for item in from {
                let key = (item.server.as_str(), item.item.as_str());
                table.insert(key, item.body.as_slice()).map_err(db("write"))?;
            }
        }
        let mut table = transaction.open_table(APPROVALS).map_err(db("write"))?;
        for (name, bytes) in &all.approvals {
            table
                .insert(name.as_str(), bytes.as_slice())
                .map_err(db("write"))?;
        }
        let mut table = transaction.open_table(KEPT).map_err(db("write"))?;
        for (name, value) in &all.kept {
            let bytes = store("kept", name, value, KEPT_BYTES_MAX)?;
            table
                .insert(name.as_str(), bytes.as_slice())
                .map_err(db("write"))?;
        }
        let mut meta = transaction.open_table(META).map_err(db("write"))?;
        meta.insert(KEYS_EPOCH, all.keys_epoch).map_err(db("write"))?;
        Ok(())
    })
}

fn epoch(meta: &impl ReadableTable<&'static str, u64>) -> Result<u64, Fault> {
    Ok(meta
        .get(KEYS_EPOCH)
        .map_err(db("read"))?
        .map_or(0, |number| number.value()))
}

fn bump(transaction: &redb::WriteTransaction) -> Result<(), Fault> {
    let mut meta = transaction.open_table(META).map_err(db("write"))?;
    let next = epoch(&meta)?.saturating_add(1);
    meta.insert(KEYS_EPOCH, next).map_err(db("write"))?;
    Ok(())
}

fn store<T: Serialize>(table: &'static str, key: &str, value: &T, limit: usize) -> Result<Vec<u8>, Fault> {
    let stored = Stored {
        v: VALUE_VERSION,
        value,
    };
    let bytes = serde_json::to_vec(&stored).map_err(|source| Fault::Value {
        table,
        key: key.to_owned(),
        source,
    })?;
    if bytes.len() > limit || key.len() > 1024 {
        return Err(Fault::ValueTooLarge { table, limit });
    }
    Ok(bytes)
}

fn load<T: DeserializeOwned>(table: &'static str, key: &str, bytes: &[u8]) -> Result<T, Fault> {
    let unreadable = |source| Fault::Value {
        table,
        key: key.to_owned(),
        source,
    };
    let loaded: Loaded<T> = serde_json::from_slice(bytes).map_err(unreadable)?;
    if loaded.v > VALUE_VERSION {
        let newer = <serde_json::Error as serde::de::Error>::custom("it was written by a newer release");
        return Err(unreadable(newer));
    }
    Ok(loaded.value)
}

fn db<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> Fault {
    move |source| Fault::Database {
        doing,
        source: Box::new(source.into()),
    }
}

#[cfg(test)]
mod tests;
