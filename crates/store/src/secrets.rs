//! Secrets of upstreams: sealed at rest each with its name, opened one at a time and only when used.
//!
//! The file is replaced whole on every change. Each value is sealed with AES-256-GCM bound to its name and dates, so a
//! value can't be moved under another name; the list as a whole is authenticated, so an entry can't be dropped or put
//! back from an older file without the rest. When which secret was last used is counted in memory and written by
//! [`Secrets::flush`]: a lost count is no loss. What this can't do: keep a process that runs as the same user and can
//! read `master.key` from opening them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use aws_lc_rs::hmac;
use bartizan_types::{Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{Fault, Keyring, Purpose, StateDir, fault::SecretExists, files, seal::Sealer};

pub(crate) const FILE: &str = "secrets.sealed";
const USES_FILE: &str = "secrets.uses";
const FILE_BYTES_MAX: u64 = 128 << 20;
const VERSION: u32 = 1;
/// Most secrets.
const COUNT_MAX: usize = 1024;
/// Largest secret, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// The sealed secrets. Share it as `Arc<Secrets>`.
pub struct Secrets {
    directory: StateDir,
    sealer: Sealer,
    list_key: hmac::Key,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<String, Entry>,
    uses: BTreeMap<String, Uses>,
    unsaved_uses: bool,
}

/// What may be shown of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// When it was first set.
    pub created: Timestamp,
    /// When its value was last replaced, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<Timestamp>,
    /// When it was last revealed to the gateway, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    /// How often it was revealed.
    pub uses: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated: Option<Timestamp>,
    /// Base64 of nonce, ciphertext and tag.
    sealed: String,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Uses {
    last: Timestamp,
    count: u64,
}

/// `list` is the JSON of the entries as text, so that what is authenticated is these very bytes.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    mac: String,
    list: String,
}

impl Secrets {
    /// Opens the store, empty where there is none.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when the file was altered or is another keyring's, [`Fault::Newer`], [`Fault::Io`].
    pub fn open(directory: &StateDir, keys: &Keyring) -> Result<Self, Fault> {
        let list_key = keys.derive(Purpose::SecretsList)?;
        let list_key = hmac::Key::new(hmac::HMAC_SHA256, list_key.expose());
        let entries = match files::read(&directory.path().join(FILE), FILE_BYTES_MAX)? {
            None => BTreeMap::new(),
            Some(bytes) => read_list(directory, &list_key, &bytes)?,
        };
        // Counts are worth no fault: unreadable ones start again.
        let uses = files::read(&directory.path().join(USES_FILE), FILE_BYTES_MAX)?
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Ok(Self {
            directory: directory.clone(),
            sealer: Sealer::new(&keys.derive(Purpose::Secrets)?)?,
            list_key,
            inner: Mutex::new(Inner {
                entries,
                uses,
                unsaved_uses: false,
            }),
        })
    }

    /// Adds a secret; durable on return.
    ///
    /// # Errors
    /// [`Fault::SecretExists`] where the name is taken, [`Fault::SecretName`], [`Fault::SecretSize`],
    /// [`Fault::SecretCount`], [`Fault::Io`].
    pub fn set(&self, name: &str, value: &Secret<Vec<u8>>) -> Result<(), Fault> {
        check_name(name)?;
        let mut inner = self.lock();
        if inner.entries.contains_key(name) {
            return Err(Fault::SecretExists(SecretExists::Already));
        }
        if inner.entries.len() >= COUNT_MAX {
            return Err(Fault::SecretCount);
        }
        let entry = self.seal(name, value, clock(), None)?;
        self.change(&mut inner, |entries| {
            entries.insert(name.to_owned(), entry);
        })
    }

    /// Replaces the value of a secret; durable on return.
    ///
    /// # Errors
    /// As [`Secrets::set`]; [`Fault::SecretExists`] where there is none of this name.
    pub fn rotate(&self, name: &str, value: &Secret<Vec<u8>>) -> Result<(), Fault> {
        let mut inner = self.lock();
        let created = inner
            .entries
            .get(name)
            .ok_or(Fault::SecretExists(SecretExists::Not))?
            .created;
        let entry = self.seal(name, value, created, Some(clock()))?;
        self.change(&mut inner, |entries| {
            entries.insert(name.to_owned(), entry);
        })
    }

    /// Removes a secret; durable on return.
    ///
    /// # Errors
    /// [`Fault::SecretExists`] where there is none, [`Fault::Io`].
    pub fn remove(&self, name: &str) -> Result<(), Fault> {
        let mut inner = self.lock();
        if !inner.entries.contains_key(name) {
            return Err(Fault::SecretExists(SecretExists::Not));
        }
        self.change(&mut inner, |entries| {
            entries.remove(name);
        })?;
        inner.uses.remove(name);
        inner.unsaved_uses = true;
        Ok(())
    }

    /// Whether a change of this secret can be meant: [`Secrets::set`] of a new one, else of one that is there.
    ///
    /// # Errors
    /// [`Fault::SecretExists`], [`Fault::SecretName`].
    pub fn fits(&self, name: &str, new: bool) -> Result<(), Fault> {
        let known = self.lock().entries.contains_key(name);
        match (new, known) {
            (true, true) => Err(Fault::SecretExists(SecretExists::Already)),
            (false, false) => Err(Fault::SecretExists(SecretExists::Not)),
            (true, false) => check_name(name),
            (false, true) => Ok(()),
        }
    }

    /// Names and dates, by name. No value.
    #[must_use]
    pub fn list(&self) -> Vec<SecretInfo> {
        let inner = self.lock();
        let info = |(name, entry): (&String, &Entry)| {
            let uses = inner.uses.get(name).copied();
            SecretInfo {
                name: name.clone(),
                created: entry.created,
                rotated: entry.rotated,
                last_used: uses.map(|uses| uses.last),
                uses: uses.map_or(0, |uses| uses.count),
            }
        };
        inner.entries.iter().map(info).collect()
    }

    /// The value, and counts the use. `None`: there is no secret of this name.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when the entry does not open.
    pub fn reveal(&self, name: &str) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        let now = clock();
        let entry = {
            let mut inner = self.lock();
            let Some(entry) = inner.entries.get(name).cloned() else {
                return Ok(None);
            };
            let uses = inner.uses.entry(name.to_owned()).or_default();
            uses.last = now.max(uses.last);
            uses.count = uses.count.saturating_add(1);
            inner.unsaved_uses = true;
            entry
        };
        let sealed = STANDARD.decode(&entry.sealed).map_err(|_| self.damaged())?;
        let value = self
            .sealer
            .open(&about(name, entry.created, entry.rotated), &sealed)
            .ok_or_else(|| self.damaged())?;
        Ok(Some(value))
    }

    /// Writes the counts of uses, if there are new ones. For a timer and for the end.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn flush(&self) -> Result<(), Fault> {
        let mut inner = self.lock();
        if !inner.unsaved_uses {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&inner.uses).map_err(|_| Fault::Crypto)?;
        files::replace(self.directory.path(), USES_FILE, &bytes)?;
        inner.unsaved_uses = false;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // INVARIANT: `entries` is assigned whole, so a panic elsewhere leaves either list.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seal(
        &self,
        name: &str,
        value: &Secret<Vec<u8>>,
        created: Timestamp,
        rotated: Option<Timestamp>,
    ) -> Result<Entry, Fault> {
        if value.expose().is_empty() || value.expose().len() > VALUE_BYTES_MAX {
            return Err(Fault::SecretSize);
        }
        let sealed = self.sealer.seal(&about(name, created, rotated), value)?;
        Ok(Entry {
            created,
            rotated,
            sealed: STANDARD.encode(sealed),
        })
    }

    /// Writes the changed list, and only then believes it.
    fn change(
        &self,
        inner: &mut Inner,
        change: impl FnOnce(&mut BTreeMap<String, Entry>),
    ) -> Result<(), Fault> {
        let mut entries = inner.entries.clone();
        change(&mut entries);
        let list = serde_json::to_string(&entries).map_err(|_| Fault::Crypto)?;
        let stored = Stored {
            version: VERSION,
            mac: STANDARD.encode(hmac::sign(&self.list_key, list.as_bytes())),
            list,
        };
        let bytes = serde_json::to_vec(&stored).map_err(|_| Fault::Crypto)?;
        files::replace(self.directory.path(), FILE, &bytes)?;
        inner.entries = entries;
        Ok(())
    }

    fn damaged(&self) -> Fault {
        damaged(&self.directory)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("count", &self.lock().entries.len())
            .finish_non_exhaustive()
    }
}

fn read_list(directory: &StateDir, key: &hmac::Key, bytes: &[u8]) -> Result<BTreeMap<String, Entry>, Fault> {
    let stored: Stored = serde_json::from_slice(bytes).map_err(|_| damaged(directory))?;
    if stored.version > VERSION {
        return Err(Fault::Newer {
            path: directory.path().join(FILE),
            found: stored.version,
            known: VERSION,
        });
    }
    let mac = STANDARD.decode(&stored.mac).map_err(|_| damaged(directory))?;
    hmac::verify(key, stored.list.as_bytes(), &mac).map_err(|_| damaged(directory))?;
    serde_json::from_str(&stored.list).map_err(|_| damaged(directory))
}

fn damaged(directory: &StateDir) -> Fault {
    Fault::Damaged {
        path: directory.path().join(FILE),
        why: "it was altered, or sealed with other keys",
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(Fault::SecretName)
    }
}

/// What a value is bound to.
fn about(name: &str, created: Timestamp, rotated: Option<Timestamp>) -> Vec<u8> {
    let rotated = rotated.map_or(0, Timestamp::unix_micros);
    format!("bartizan secret v1\0{name}\0{}\0{rotated}", created.unix_micros()).into_bytes()
}

/// A clock before 1970 reads as 1970; the dates only inform.
fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
