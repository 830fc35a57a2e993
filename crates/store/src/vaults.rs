//! Vaults of values behind tokens: one sealed file for each scope that is kept.
//!
//! A file's name is a hash of its scope, its content is sealed (AES-256-GCM) and bound to the scope and to when it
//! expires. The date stands in front in clear, so that what has expired is removed at the next start by whoever opens
//! the directory, without a key of its own; one that was set back or forward does not open. Backups hold no vault:
//! erasing a value would not reach them. What this can't do: take a value back from a copy of the directory, or from
//! blocks of a disk that a removed file stood on.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use bartizan_types::{Secret, Timestamp};

use crate::{Fault, Keyring, Purpose, StateDir, files, seal::Sealer};

/// The directory's name.
const FOLDER: &str = "vaults";
const SUFFIX: &str = ".sealed";
/// Largest vault, in bytes.
const BYTES_MAX: usize = 16 << 20;

/// The sealed vaults.
pub struct VaultStore {
    folder: PathBuf,
    sealer: Sealer,
}

impl fmt::Debug for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultStore(***)")
    }
}

impl VaultStore {
    /// Opens the directory, and makes it where there is none.
    ///
    /// # Errors
    /// [`Fault::Insecure`], [`Fault::Io`], [`Fault::Crypto`].
    pub fn open(directory: &StateDir, keys: &Keyring) -> Result<Self, Fault> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = directory.path().join(FOLDER);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        match made {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(files::io("create", &folder)(source));
            }
            _ => {}
        }
        let found = std::fs::symlink_metadata(&folder).map_err(files::io("inspect", &folder))?;
        files::check_owned(&found, &folder, true)?;
        Ok(Self {
            folder,
            sealer: Sealer::new(&keys.derive(Purpose::Vaults)?)?,
        })
    }

    /// Puts a scope's vault in the place of the one before; synced on return. A group's vaults are erased together.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], [`Fault::Crypto`], [`Fault::Io`].
    pub fn put(
        &self,
        group: &str,
        scope: &str,
        vault: &Secret<Vec<u8>>,
        expires: Timestamp,
    ) -> Result<(), Fault> {
        let name = name(group, scope);
        if vault.expose().len() > BYTES_MAX {
            return Err(Fault::TooLarge {
                path: self.folder.join(name),
                limit: u64::try_from(BYTES_MAX).unwrap_or(u64::MAX),
            });
        }
        let sealed = self.sealer.seal(&about(scope, expires), vault)?;
        let bytes = [&expires.unix_micros().to_be_bytes()[..], &sealed].concat();
        files::replace(&self.folder, &name, &bytes)
    }

    /// A scope's vault, unless it has expired.
    ///
    /// # Errors
    /// [`Fault::Damaged`]: it was altered, or is another scope's or keyring's. [`Fault::Io`].
    pub fn get(&self, group: &str, scope: &str, now: Timestamp) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        let path = self.folder.join(name(group, scope));
        let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(64);
        let Some(bytes) = files::read(&path, most)? else {
            return Ok(None);
        };
        let damaged = || Fault::Damaged {
            path: path.clone(),
            why: "it was altered, or is another's",
        };
        let (front, sealed) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        let expires = Timestamp::from_unix_micros(u64::from_be_bytes(*front));
        let plain = self.sealer.open(&about(scope, expires), sealed);
        let plain = plain.ok_or_else(damaged)?;
        if expires <= now {
            files::remove(&path)?;
            return Ok(None);
        }
        Ok(Some(plain))
    }

    /// Erases a group's vaults, or all; synced on return. Gives how many went.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn erase(&self, group: Option<&str>) -> Result<usize, Fault> {
        let front = group.map(|group| hash(group, 16) + "-");
        self.remove(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let meant = front.as_ref().is_none_or(|front| name.starts_with(front));
            Ok(meant && name.ends_with(SUFFIX))
        })
    }

    /// Removes what has expired. Gives how many went.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn expire(&self, now: Timestamp) -> Result<usize, Fault> {
        self.remove(|path| expired(path, now))
    }

    fn remove(&self, which: impl Fn(&Path) -> Result<bool, Fault>) -> Result<usize, Fault> {
        let entries = std::fs::read_dir(&self.folder).map_err(files::io("list", &self.folder))?;
        let mut gone = 0;
        for entry in entries {
            let path = entry.map_err(files::io("list", &self.folder))?.path();
            if which(&path)? {
                files::remove(&path)?;
                gone += 1;
            }
        }
        files::sync_directory(&self.folder)?;
        Ok(gone)
    }
}

/// Whether a file is a vault that has expired, as its front says.
fn expired(path: &Path, now: Timestamp) -> Result<bool, Fault> {
    use std::io::Read as _;
    let ours = path.file_name().and_then(|name| name.to_str());
    if !ours.is_some_and(|name| name.ends_with(SUFFIX)) {
        return Ok(false);
    }
    let mut front = [0; 8];
    match files::open_owned(path)?.read_exact(&mut front) {
        Ok(()) => Ok(Timestamp::from_unix_micros(u64::from_be_bytes(front)) <= now),
        // Too short for a date: it opens for nobody.
        Err(_) => Ok(true),
    }
}

fn name(group: &str, scope: &str) -> String {
    format!("{}-{}{SUFFIX}", hash(group, 16), hash(scope, 32))
}

/// The first bytes of a name's SHA-256, in hexadecimal.
fn hash(name: &str, bytes: usize) -> String {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    hash.as_ref()
        .iter()
        .take(bytes)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn about(scope: &str, expires: Timestamp) -> Vec<u8> {
    format!("bartizan vault v1\0{}\0{scope}", expires.unix_micros()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_unix_micros(micros)
    }

    fn open(directory: &StateDir) -> VaultStore {
        let (master, _) = MasterKey::load(directory).unwrap();
        VaultStore::open(directory, &Keyring::open(directory, &master).unwrap()).unwrap()
    }

    fn plain() -> Secret<Vec<u8>> {
        Secret::new(b"planted-value-4111111111111111".to_vec())
    }

    #[test]
    fn a_vault_comes_back_to_its_own_scope_and_is_not_readable_at_rest() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let store = open(&directory);
        store.put("g", "agent/ana", &plain(), at(100)).unwrap();
        assert_eq!(
            store.get("g", "agent/ana", at(99)).unwrap().unwrap().expose(),
            plain().expose()
        );
        assert!(store.get("g", "agent/bob", at(99)).unwrap().is_none());
        let file = directory.path().join(FOLDER).join(name("g", "agent/ana"));
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"planted"));
        assert!(!file.to_string_lossy().contains("ana"));
        // Put under another scope's name it opens for nobody.
        std::fs::copy(&file, directory.path().join(FOLDER).join(name("g", "agent/bob"))).unwrap();
        assert!(matches!(
            store.get("g", "agent/bob", at(99)),
            Err(Fault::Damaged { .. })
        ));
    }

    #[test]
    fn a_vault_ends_when_it_expires_and_its_date_can_not_be_moved() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let store = open(&directory);
        for scope in ["one", "two"] {
            store.put("g", scope, &plain(), at(100)).unwrap();
        }
        store.put("g", "three", &plain(), at(1000)).unwrap();
        assert!(store.get("g", "one", at(100)).unwrap().is_none());
        assert_eq!(store.expire(at(100)).unwrap(), 1);
        assert!(store.get("g", "three", at(100)).unwrap().is_some());
        let file = directory.path().join(FOLDER).join(name("g", "three"));
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[0] = 0x7F;
        std::fs::write(&file, bytes).unwrap();
        assert!(matches!(
            store.get("g", "three", at(2000)),
            Err(Fault::Damaged { .. })
        ));
    }

    #[test]
    fn what_is_erased_is_gone() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let store = open(&directory);
        store.put("g", "one", &plain(), at(100)).unwrap();
        store.put("h", "two", &plain(), at(100)).unwrap();
        assert_eq!(store.erase(Some("g")).unwrap(), 1);
        assert!(store.get("g", "one", at(1)).unwrap().is_none());
        assert!(store.get("h", "two", at(1)).unwrap().is_some());
        assert_eq!(store.erase(None).unwrap(), 1);
        assert_eq!(
            std::fs::read_dir(directory.path().join(FOLDER)).unwrap().count(),
            0
        );
    }
}
