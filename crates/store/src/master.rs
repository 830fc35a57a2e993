//! The master key: 32 bytes that open the keyring and nothing else.
//!
//! Looked for in `BARTIZAN_MASTER_KEY`, then in the systemd credential `bartizan-master-key`, then in `master.key` of
//! the state directory, which is made on first start. A source that is there and unusable is a fault: falling through
//! to the next one would start with another key and look like lost secrets.

use std::{
    env,
    ffi::OsString,
    fmt,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::hkdf;
use bartizan_types::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{Fault, StateDir, fault::Insecure, files, seal::random};

/// The variable with the key in hexadecimal or base64.
pub(crate) const VARIABLE: &str = "BARTIZAN_MASTER_KEY";
const CREDENTIAL: &str = "bartizan-master-key";
pub(crate) const FILE: &str = "master.key";
const FILE_BYTES_MAX: u64 = 1024;

/// Opens the keyring.
pub struct MasterKey(Secret<[u8; 32]>);

/// Where the master key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKeySource {
    /// `BARTIZAN_MASTER_KEY`.
    Environment,
    /// `$CREDENTIALS_DIRECTORY/bartizan-master-key` (systemd `LoadCredential=`).
    Credential,
    /// `master.key` of the state directory.
    File,
    /// `master.key`, made just now.
    Created,
}

/// What the environment offers; separate, so that tests need not change the process.
#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) key: Option<OsString>,
    pub(crate) credentials: Option<PathBuf>,
}

impl Surroundings {
    fn here() -> Self {
        Self {
            key: env::var_os(VARIABLE),
            credentials: env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

impl MasterKey {
    /// Finds the key, or makes one where there is no sealed state yet.
    ///
    /// # Errors
    /// [`Fault::MasterKeyForm`], [`Fault::MasterKeyMissing`], [`Fault::Insecure`], [`Fault::Io`].
    pub fn load(directory: &StateDir) -> Result<(Self, MasterKeySource), Fault> {
        Self::load_with(directory, &Surroundings::here())
    }

    /// Finds the key outside the state directory only: what restoring a backup without its key needs.
    ///
    /// # Errors
    /// As [`MasterKey::load`]; `None` where neither environment nor systemd has one.
    pub fn from_surroundings() -> Result<Option<Self>, Fault> {
        Self::from_outside(&Surroundings::here()).map(|found| found.map(|(key, _)| key))
    }

    pub(crate) fn load_with(
        directory: &StateDir,
        around: &Surroundings,
    ) -> Result<(Self, MasterKeySource), Fault> {
        if let Some(found) = Self::from_outside(around)? {
            return Ok(found);
        }
        if let Some(key) = Self::from_file(directory.path())? {
            return Ok((key, MasterKeySource::File));
        }
        // A new key beside sealed state could open none of it.
        if directory.path().join(crate::keyring::FILE).exists() {
            return Err(Fault::MasterKeyMissing(directory.path().to_owned()));
        }
        let key = Self::generate()?;
        key.write_file(directory.path(), FILE)?;
        Ok((key, MasterKeySource::Created))
    }

    fn from_outside(around: &Surroundings) -> Result<Option<(Self, MasterKeySource)>, Fault> {
        if let Some(text) = &around.key {
            let text = text.to_str().ok_or(Fault::MasterKeyForm(VARIABLE))?;
            let key = Self::parse(text.as_bytes()).ok_or(Fault::MasterKeyForm(VARIABLE))?;
            return Ok(Some((key, MasterKeySource::Environment)));
        }
        let Some(place) = &around.credentials else {
            return Ok(None);
        };
        let path = place.join(CREDENTIAL);
        if !path.exists() {
            return Ok(None);
        }
        let file = std::fs::File::open(&path).map_err(files::io("open", &path))?;
        let found = file.metadata().map_err(files::io("inspect", &path))?;
        // systemd hands credentials out as root's or the service's, read-only; anyone else's access is a mistake.
        if !found.is_file() || found.mode() & 0o037 != 0 {
            let why = if found.is_file() {
                Insecure::Mode(found.mode() & 0o7777)
            } else {
                Insecure::Kind
            };
            return Err(Fault::Insecure { path, why });
        }
        let bytes = Zeroizing::new(files::read_open(&file, &path, FILE_BYTES_MAX)?);
        let key = Self::parse(&bytes).ok_or(Fault::MasterKeyForm("the systemd credential"))?;
        Ok(Some((key, MasterKeySource::Credential)))
    }

    /// The key of `master.key`, if there is one.
    pub(crate) fn from_file(directory: &Path) -> Result<Option<Self>, Fault> {
        Self::from_file_named(directory, FILE)
    }

    pub(crate) fn from_file_named(directory: &Path, name: &str) -> Result<Option<Self>, Fault> {
        let Some(bytes) = files::read(&directory.join(name), FILE_BYTES_MAX)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        Self::parse(&bytes).map(Some).ok_or(Fault::MasterKeyForm(FILE))
    }

    /// A key from 32 fresh bytes.
    ///
    /// # Errors
    /// [`Fault::Crypto`] when the system's generator fails.
    pub fn generate() -> Result<Self, Fault> {
        Ok(Self(Secret::new(random()?)))
    }

    /// From hexadecimal (64 digits), base64 with or without padding, or 32 raw bytes; space around text is ignored.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = bytes.trim_ascii();
        if text.len() == 64 {
            let mut key = Zeroizing::new([0_u8; 32]);
            for (slot, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
                let digit = |at: usize| {
                    char::from(*pair.get(at)?)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                *slot = digit(0)? << 4 | digit(1)?;
            }
            return Some(Self(Secret::new(*key)));
        }
        if (43..=44).contains(&text.len()) {
            let decoded = STANDARD
                .decode(text)
                .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(text))
                .or_else(|_| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text));
            let decoded = Zeroizing::new(decoded.ok()?);
            return Some(Self(Secret::new(<[u8; 32]>::try_from(decoded.as_slice()).ok()?)));
        }
        let raw = <[u8; 32]>::try_from(bytes).ok()?;
        Some(Self(Secret::new(raw)))
    }

    /// The key as `BARTIZAN_MASTER_KEY` takes it, for an operator who moves it into a vault.
    #[must_use]
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(STANDARD.encode(self.0.expose()))
    }

    /// Writes a key file; one that exists is a fault.
    pub(crate) fn write_file(&self, directory: &Path, name: &str) -> Result<(), Fault> {
        let path = directory.join(name);
        let mut text = self.to_text().expose().clone().into_bytes();
        text.push(b'\n');
        let text = Zeroizing::new(text);
        let mut file = files::create_new(&path)?;
        file.write_all(&text).map_err(files::io("write", &path))?;
        file.sync_all().map_err(files::io("sync", &path))?;
        files::sync_directory(directory)
    }

    /// A key for one purpose (HKDF-SHA-256, RFC 5869): no purpose tells anything of another's key, or of this one.
    pub(crate) fn derive(&self, purpose: &str) -> Result<Secret<[u8; 32]>, Fault> {
        derive(&self.0, purpose)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// HKDF-SHA-256 of `source` for `purpose`.
pub(crate) fn derive(source: &Secret<[u8; 32]>, purpose: &str) -> Result<Secret<[u8; 32]>, Fault> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"bartizan v1")
        .extract(source.expose())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut *key))
        .map_err(|_| Fault::Crypto)?;
    Ok(Secret::new(*key))
}
