//! What users granted us at upstream servers: one sealed file for each user and server.
//!
//! A file's name is a hash of whose it is, its content is sealed (AES-256-GCM) and bound to that name, so the grant of
//! one user or server does not open in another's place. Backups hold no grants: a token that was given back would come
//! to life with them; users connect again instead. What this can't do: keep a process that runs as the same user and
//! can read `master.key` from opening them.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use bartizan_types::Secret;

use crate::{Fault, Keyring, Purpose, StateDir, files, seal::Sealer};

const FOLDER: &str = "grants";
const SUFFIX: &str = ".sealed";
/// Largest grant, in bytes.
const BYTES_MAX: usize = 256 << 10;
/// Most grants.
const COUNT_MAX: usize = 65_536;

/// The sealed grants.
pub struct GrantStore {
    folder: PathBuf,
    sealer: Sealer,
}

impl fmt::Debug for GrantStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantStore(***)")
    }
}

impl GrantStore {
    /// Opens the directory, and makes it where there is none.
    ///
    /// # Errors
    /// [`Fault::Insecure`], [`Fault::Io`], [`Fault::Crypto`].
    pub fn open(directory: &StateDir, keys: &Keyring) -> Result<Self, Fault> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = directory.path().join(FOLDER);
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(files::io("create", &folder)(source));
            }
            _ => {}
        }
        let found = std::fs::symlink_metadata(&folder).map_err(files::io("inspect", &folder))?;
        files::check_owned(&found, &folder, true)?;
        Ok(Self {
            folder,
            sealer: Sealer::new(&keys.derive(Purpose::Grants)?)?,
        })
    }

    /// Puts a grant in the place of the one before; synced on return. `whose` names user and server.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], [`Fault::Crypto`], [`Fault::Io`].
    pub fn put(&self, whose: &str, grant: &Secret<Vec<u8>>) -> Result<(), Fault> {
        let name = name(whose);
        let full = || self.names().is_ok_and(|all| all.len() >= COUNT_MAX);
        if grant.expose().len() > BYTES_MAX || (!self.folder.join(&name).exists() && full()) {
            return Err(Fault::TooLarge {
                path: self.folder.join(name),
                limit: u64::try_from(BYTES_MAX).unwrap_or(u64::MAX),
            });
        }
        let sealed = self.sealer.seal(&about(&name), grant)?;
        files::replace(&self.folder, &name, &sealed)
    }

    /// A grant.
    ///
    /// # Errors
    /// [`Fault::Damaged`]: it was altered, or is another's or another keyring's. [`Fault::Io`].
    pub fn get(&self, whose: &str) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        self.open_file(&name(whose))
    }

    /// Every grant that opens; what does not is another keyring's, and of no use to anyone.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn all(&self) -> Result<Vec<Secret<Vec<u8>>>, Fault> {
        let names = self.names()?;
        Ok(names
            .iter()
            .filter_map(|name| self.open_file(name).ok().flatten())
            .collect())
    }

    /// Forgets a grant; synced on return. Gives whether there was one.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn remove(&self, whose: &str) -> Result<bool, Fault> {
        let path = self.folder.join(name(whose));
        let was = path.exists();
        files::remove(&path)?;
        files::sync_directory(&self.folder)?;
        Ok(was)
    }

    fn open_file(&self, name: &str) -> Result<Option<Secret<Vec<u8>>>, Fault> {
        let path = self.folder.join(name);
        let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(64);
        let Some(sealed) = files::read(&path, most)? else {
            return Ok(None);
        };
        let plain = self.sealer.open(&about(name), &sealed);
        plain.map(Some).ok_or_else(|| Fault::Damaged {
            path: path.clone(),
            why: "it was altered, or is another's",
        })
    }

    fn names(&self) -> Result<Vec<String>, Fault> {
        let listed = std::fs::read_dir(&self.folder).map_err(files::io("list", &self.folder))?;
        let mut all = Vec::new();
        for entry in listed {
            let path = entry.map_err(files::io("list", &self.folder))?.path();
            all.extend(grant_name(&path));
        }
        Ok(all)
    }
}

fn grant_name(path: &Path) -> Option<String> {
    let name = path.file_name().and_then(|name| name.to_str())?;
    name.ends_with(SUFFIX).then(|| name.to_owned())
}

fn name(whose: &str) -> String {
    let hash = digest::digest(&digest::SHA256, whose.as_bytes());
    let mut name: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    name.push_str(SUFFIX);
    name
}

fn about(name: &str) -> Vec<u8> {
    format!("bartizan grant v1\0{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    const PLANTED: &[u8] = b"planted-token-8821";

    fn world() -> (tempfile::TempDir, StateDir) {
        let place = tempfile::tempdir().unwrap();
        let dir = StateDir::open(&place.path().join("state")).unwrap();
        (place, dir)
    }

    fn open(dir: &StateDir) -> GrantStore {
        let (master, _) = MasterKey::load(dir).unwrap();
        GrantStore::open(dir, &Keyring::open(dir, &master).unwrap()).unwrap()
    }

    #[test]
    fn a_grant_comes_back_to_its_own_user_and_server_and_to_nobody_else() {
        let (_place, dir) = world();
        open(&dir)
            .put("ada github", &Secret::new(PLANTED.to_vec()))
            .unwrap();
        let grants = open(&dir);
        assert_eq!(grants.get("ada github").unwrap().unwrap().expose(), PLANTED);
        assert!(grants.get("ada jira").unwrap().is_none());
        let (own, other) = (
            grants.folder.join(name("ada github")),
            grants.folder.join(name("bob github")),
        );
        let bytes = std::fs::read(&own).unwrap();
        assert!(!bytes.windows(PLANTED.len()).any(|part| part == PLANTED));
        // Put in another's place it does not open.
        std::fs::copy(&own, &other).unwrap();
        assert!(matches!(grants.get("bob github"), Err(Fault::Damaged { .. })));
        assert_eq!(grants.all().unwrap().len(), 1);
        assert!(grants.remove("ada github").unwrap());
        assert!(!grants.remove("ada github").unwrap());
        assert!(grants.get("ada github").unwrap().is_none());
    }

    #[test]
    fn an_altered_one_is_told_of_and_a_large_one_refused() {
        let (_place, dir) = world();
        let grants = open(&dir);
        grants.put("a", &Secret::new(PLANTED.to_vec())).unwrap();
        let path = grants.folder.join(name("a"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(grants.get("a"), Err(Fault::Damaged { .. })));
        let large = Secret::new(vec![7; BYTES_MAX + 1]);
        assert!(matches!(grants.put("b", &large), Err(Fault::TooLarge { .. })));
        assert!(!format!("{grants:?}").contains("planted"));
    }
}
