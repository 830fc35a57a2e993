//! The keyring: one random root key, wrapped by the master key, from which every other key is derived.
//!
//! So the master key can be replaced by rewriting one small file, at once for secrets, ledger and API keys, and
//! without a moment in which half of the state is under the old key. What a rotation can't do: whoever had both the
//! old master key and a copy of the old keyring file knows the root key; then a fresh state directory is the answer.

use std::{fmt, path::Path};

use bartizan_types::Secret;
use zeroize::Zeroizing;

use crate::{
    Fault, MasterKey, StateDir, files, master,
    seal::{Sealer, random},
};

pub(crate) const FILE: &str = "keyring.sealed";
/// The next `master.key` while a rotation is under way.
const NEXT: &str = "master.key.next";
/// Version, nonce, 32 bytes, tag.
const FILE_BYTES: usize = 1 + 12 + 32 + 16;
const VERSION: u8 = 1;

/// What a key is for. Each purpose has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The pepper that API keys are hashed under.
    ApiKeys,
    /// Wraps the ledger's data keys.
    Ledger,
    /// The seed of the key that signs the ledger's checkpoints.
    Checkpoints,
    /// Seals secrets.
    Secrets,
    /// Authenticates the list of secrets.
    SecretsList,
    /// Authenticates backups.
    Backup,
    /// The admin interface's token.
    Admin,
    /// The seed of the key that signs tool manifests which an operator accepted.
    Manifests,
    /// Seals questions to humans and what they answered.
    Approvals,
    /// The seed that the keys of our own certificate authority are derived from, one for each root.
    Authority,
    /// The seed of the key that begins chains of delegation.
    Delegations,
    /// Seals vaults of values behind tokens.
    Vaults,
    /// Seals what users granted us at upstream servers.
    Grants,
    /// The seed that the keys of the roots which opened tunnels are certified under are derived from.
    Interception,
}

impl Purpose {
    /// Written into every derivation; never to be changed or used again.
    const fn label(self) -> &'static str {
        match self {
            Self::ApiKeys => "api keys",
            Self::Ledger => "ledger wrapping",
            Self::Checkpoints => "checkpoint signing",
            Self::Secrets => "secrets sealing",
            Self::SecretsList => "secrets list",
            Self::Backup => "backup",
            Self::Admin => "admin",
            Self::Manifests => "tool manifests",
            Self::Approvals => "approvals",
            Self::Authority => "certificate authority",
            Self::Delegations => "delegations",
            Self::Vaults => "vaults",
            Self::Grants => "upstream grants",
            Self::Interception => "web interception",
        }
    }
}

/// The open keyring.
pub struct Keyring {
    root: Secret<[u8; 32]>,
}

impl Keyring {
    /// Opens the keyring with the master key, and makes it where there is none. Finishes or undoes a rotation that a
    /// crash interrupted.
    ///
    /// # Errors
    /// [`Fault::MasterKeyWrong`], [`Fault::Damaged`], [`Fault::Insecure`], [`Fault::Io`].
    pub fn open(directory: &StateDir, master: &MasterKey) -> Result<Self, Fault> {
        let path = directory.path();
        let Some(sealed) = read(path)? else {
            let ring = Self {
                root: Secret::new(random()?),
            };
            ring.write(path, master)?;
            return Ok(ring);
        };
        if let Some(ring) = Self::unwrap(&sealed, master)? {
            // A next key that was never put to use.
            files::remove(&path.join(NEXT))?;
            return Ok(ring);
        }
        if let Some(next) = MasterKey::from_file_named(path, NEXT)?
            && let Some(ring) = Self::unwrap(&sealed, &next)?
        {
            promote(path)?;
            return Ok(ring);
        }
        Err(Fault::MasterKeyWrong(path.join(FILE)))
    }

    /// The key for one purpose.
    ///
    /// # Errors
    /// [`Fault::Crypto`].
    pub fn derive(&self, purpose: Purpose) -> Result<Secret<[u8; 32]>, Fault> {
        master::derive(&self.root, purpose.label())
    }

    /// Wraps the keyring under a key that the operator keeps (environment or systemd credential). From the return on
    /// only the new key opens this state; `master.key`, if any, is removed.
    ///
    /// # Errors
    /// [`Fault::Io`]; the old key then still works, or the new one does, never neither.
    pub fn rotate_to(&self, directory: &StateDir, new: &MasterKey) -> Result<(), Fault> {
        self.write(directory.path(), new)?;
        files::remove(&directory.path().join(master::FILE))?;
        files::sync_directory(directory.path())
    }

    /// Makes a new `master.key` and wraps the keyring under it.
    ///
    /// # Errors
    /// As [`Keyring::rotate_to`].
    pub fn rotate_file(&self, directory: &StateDir) -> Result<(), Fault> {
        let path = directory.path();
        files::remove(&path.join(NEXT))?;
        let new = MasterKey::generate()?;
        new.write_file(path, NEXT)?;
        self.write(path, &new)?;
        promote(path)
    }

    /// `None`: this is not the master key.
    pub(crate) fn unwrap(sealed: &[u8], master: &MasterKey) -> Result<Option<Self>, Fault> {
        let Some((_, sealed)) = sealed.split_first() else {
            return Ok(None);
        };
        let sealer = Sealer::new(&master.derive("keyring")?)?;
        let Some(root) = sealer.open(b"bartizan keyring v1", sealed) else {
            return Ok(None);
        };
        let root = <[u8; 32]>::try_from(root.expose().as_slice()).map_err(|_| Fault::Crypto)?;
        Ok(Some(Self {
            root: Secret::new(root),
        }))
    }

    fn write(&self, directory: &Path, master: &MasterKey) -> Result<(), Fault> {
        let sealer = Sealer::new(&master.derive("keyring")?)?;
        let plain = Secret::new(self.root.expose().to_vec());
        let sealed = Zeroizing::new(sealer.seal(b"bartizan keyring v1", &plain)?);
        files::replace(directory, FILE, &[&[VERSION], sealed.as_slice()].concat())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(***)")
    }
}

pub(crate) fn read(directory: &Path) -> Result<Option<Vec<u8>>, Fault> {
    let path = directory.join(FILE);
    let Some(bytes) = files::read(&path, 1024)? else {
        return Ok(None);
    };
    match bytes.first() {
        Some(&VERSION) if bytes.len() == FILE_BYTES => Ok(Some(bytes)),
        Some(&found) if found > VERSION => Err(Fault::Newer {
            path,
            found: found.into(),
            known: VERSION.into(),
        }),
        _ => Err(Fault::Damaged {
            path,
            why: "it is not a keyring",
        }),
    }
}

fn promote(directory: &Path) -> Result<(), Fault> {
    let next = directory.join(NEXT);
    std::fs::rename(&next, directory.join(master::FILE)).map_err(files::io("rename", &next))?;
    files::sync_directory(directory)
}
