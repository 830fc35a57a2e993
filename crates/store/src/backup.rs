//! Backup and restore: one file that holds everything needed to go on elsewhere.
//!
//! ```text
//! "bartizan backup 1\n"
//! per file:  u16 length of path · path · u64 length · bytes      (big-endian)
//! u16 0 · u32 length of manifest · manifest (JSON) · 32 bytes HMAC-SHA-256 of the manifest
//! ```
//!
//! The manifest lists path, length and SHA-256 of every file, and is authenticated with a key of the keyring: whoever
//! has the file can't put an API key of theirs into it. The master key is not in it, so a stolen backup opens nothing;
//! with `master.key` lost the backup is lost too, so [`KeepKey::InBackup`] exists for those who guard the file itself.
//! The state database goes in as plain data of one snapshot; ledger files go in up to the lengths the caller gives, or
//! whole when nobody writes them. Restoring writes into an empty directory and stamps it last: half a restore is no
//! state.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Component, Path, PathBuf},
};

use aws_lc_rs::{digest, hmac};
use bartizan_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    BackupFault, Fault, Keyring, MasterKey, Purpose, State, StateDir, dir, files, keyring, layout, master,
    secrets, state,
};

const MAGIC: &[u8] = b"bartizan backup 1\n";
const STATE_EXPORT: &str = "state.export";
const LEDGER: &str = "ledger";
const PATH_BYTES_MAX: usize = 1024;
const FILES_MAX: usize = 1 << 20;
const MANIFEST_BYTES_MAX: usize = 256 << 20;
/// Largest file that is held in memory while restoring.
const SMALL_BYTES_MAX: u64 = 256 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// Whether the backup holds what opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepKey {
    /// No: the master key is needed from elsewhere to restore.
    Elsewhere,
    /// Yes: whoever reads the file can open every secret in it.
    InBackup,
}

/// Which bytes of the ledger to take.
#[derive(Debug, Clone, Copy)]
pub enum LedgerFiles<'a> {
    /// Every file, whole: nobody has the ledger open.
    Quiet,
    /// These, relative to the ledger's directory, each as far as said: what one checkpoint covers while the ledger goes on
    /// growing.
    UpTo(&'a [(PathBuf, Extent)]),
}

/// How much of a file of a growing ledger is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes from its start: of one that is appended to.
    First(u64),
    /// What was read of it when the list was made: of one that must not be newer than the others.
    Read(Vec<u8>),
    /// All of it when its turn comes: of one that is replaced whole, and must not be older than the others.
    Whole,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout that was backed up.
    pub layout: u32,
    /// When.
    pub created: Timestamp,
    /// Whether the master key is in it.
    pub with_key: bool,
    /// Every file.
    pub files: Vec<BackedUp>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Path in the state directory.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: Digest,
}

impl StateDir {
    /// Writes a backup. Safe while a gateway runs in this process, given `LedgerFiles::UpTo`.
    ///
    /// # Errors
    /// [`Fault::Io`], [`Fault::Backup`] when a ledger file is shorter than told, [`Fault::MasterKeyMissing`] when the
    /// key is wanted in it and is not `master.key`.
    pub fn backup(
        &self,
        state: &State,
        keys: &Keyring,
        ledger: LedgerFiles<'_>,
        keep: KeepKey,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> Result<Manifest, Fault> {
        let mut writer = Writer {
            out,
            files: Vec::new(),
        };
        writer.raw(MAGIC)?;
        if keep == KeepKey::InBackup {
            let path = self.path().join(master::FILE);
            let key = files::read(&path, SMALL_BYTES_MAX)?.map(Zeroizing::new);
            let key = key.ok_or_else(|| Fault::MasterKeyMissing(self.path().to_owned()))?;
            writer.small(master::FILE, &key)?;
        }
        for name in [keyring::FILE, secrets::FILE] {
            if let Some(bytes) = files::read(&self.path().join(name), SMALL_BYTES_MAX)? {
                writer.small(name, &bytes)?;
            }
        }
        let export = serde_json::to_vec(&state.export()?).map_err(|_| Fault::Crypto)?;
        writer.small(STATE_EXPORT, &export)?;
        let root = self.ledger_path();
        match ledger {
            LedgerFiles::UpTo(list) => {
                for (path, extent) in list {
                    writer.growing(&root, path, extent)?;
                }
            }
            LedgerFiles::Quiet => {
                for (path, bytes) in walk(&root)? {
                    writer.ledger_file(&root, &path, bytes)?;
                }
            }
        }
        let manifest = Manifest {
            layout: layout::CURRENT,
            created: now,
            with_key: keep == KeepKey::InBackup,
            files: writer.files.clone(),
        };
        let text = serde_json::to_vec(&manifest).map_err(|_| Fault::Crypto)?;
        writer.raw(&0_u16.to_be_bytes())?;
        writer.raw(&u32::try_from(text.len()).map_err(|_| shape())?.to_be_bytes())?;
        writer.raw(&text)?;
        writer.raw(hmac::sign(&seal_key(keys)?, &text).as_ref())?;
        writer
            .out
            .flush()
            .map_err(files::io("write", Path::new("the backup")))?;
        Ok(manifest)
    }
}

/// Restores a backup into a directory that is empty or not there. `master` is needed unless the backup holds its key.
/// The directory is state only on success; on failure what was written is removed again.
///
/// # Errors
/// [`Fault::Backup`], [`Fault::MasterKeyMissing`], [`Fault::Newer`], [`Fault::Insecure`], [`Fault::Io`].
pub fn restore(input: &mut dyn Read, target: &Path, master: Option<&MasterKey>) -> Result<Manifest, Fault> {
    let target = std::path::absolute(target).map_err(files::io("resolve", target))?;
    dir::make(&target)?;
    let mut listing = fs::read_dir(&target).map_err(files::io("list", &target))?;
    if listing.next().is_some() {
        return Err(Fault::Backup(BackupFault::NotEmpty));
    }
    let restored = restore_into(input, &target, master);
    if restored.is_err() {
        // The directory was empty; a failure to clean it leaves files without a version, which nobody opens.
        if let Ok(entries) = fs::read_dir(&target) {
            for path in entries.flatten().map(|entry| entry.path()) {
                let _ = if path.is_dir() {
                    fs::remove_dir_all(&path)
                } else {
                    fs::remove_file(&path)
                };
            }
        }
    }
    restored
}

fn restore_into(input: &mut dyn Read, target: &Path, given: Option<&MasterKey>) -> Result<Manifest, Fault> {
    let mut reader = Reader { input };
    if reader.array::<18>()?.as_slice() != MAGIC {
        return Err(Fault::Backup(BackupFault::Magic));
    }
    let mut found = Vec::new();
    while let Some(path) = reader.path()? {
        if found.len() >= FILES_MAX {
            return Err(shape());
        }
        found.push(reader.file(target, path)?);
    }
    let length = usize::try_from(u32::from_be_bytes(reader.array()?)).map_err(|_| shape())?;
    if length > MANIFEST_BYTES_MAX {
        return Err(shape());
    }
    let mut text = Vec::new();
    reader
        .input
        .take(length as u64)
        .read_to_end(&mut text)
        .map_err(reading)?;
    let mac: [u8; 32] = reader.array()?;
    if reader.input.read(&mut [0]).map_err(reading)? != 0 {
        return Err(shape());
    }

    let inside = MasterKey::from_file(target)?;
    let master = given
        .or(inside.as_ref())
        .ok_or_else(|| Fault::MasterKeyMissing(target.to_owned()))?;
    let sealed = keyring::read(target)?.ok_or_else(shape)?;
    let keys =
        Keyring::unwrap(&sealed, master)?.ok_or_else(|| Fault::MasterKeyWrong(target.join(keyring::FILE)))?;
    hmac::verify(&seal_key(&keys)?, &text, &mac).map_err(|_| Fault::Backup(BackupFault::Seal))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| shape())?;
    if manifest.layout > layout::CURRENT {
        return Err(Fault::Newer {
            path: target.to_owned(),
            found: manifest.layout,
            known: layout::CURRENT,
        });
    }
    if manifest.files != found {
        return Err(Fault::Backup(BackupFault::Digest));
    }
    let export = target.join(STATE_EXPORT);
    let bytes = files::read(&export, SMALL_BYTES_MAX)?.ok_or_else(shape)?;
    let all: state::Exported = serde_json::from_slice(&bytes).map_err(|_| shape())?;
    state::import(target, &all)?;
    files::remove(&export)?;
    layout::stamp(target)?;
    Ok(manifest)
}

fn seal_key(keys: &Keyring) -> Result<hmac::Key, Fault> {
    Ok(hmac::Key::new(
        hmac::HMAC_SHA256,
        keys.derive(Purpose::Backup)?.expose(),
    ))
}

const fn shape() -> Fault {
    Fault::Backup(BackupFault::Shape)
}

/// A file that ends early is malformed; anything else is the system's fault.
fn reading(source: io::Error) -> Fault {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        return shape();
    }
    files::io("read", Path::new("the backup"))(source)
}

/// Regular files below `root`, relative, sorted; links and other things are faults.
fn walk(root: &Path) -> Result<Vec<(PathBuf, u64)>, Fault> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(below) = todo.pop() {
        let place = root.join(&below);
        for entry in fs::read_dir(&place).map_err(files::io("list", &place))? {
            let entry = entry.map_err(files::io("list", &place))?;
            let path = below.join(entry.file_name());
            let metadata = fs::symlink_metadata(entry.path()).map_err(files::io("inspect", &entry.path()))?;
            if metadata.is_dir() {
                todo.push(path);
            } else {
                files::check_owned(&metadata, &entry.path(), false)?;
                found.push((path, metadata.len()));
            }
            if found.len() + todo.len() > FILES_MAX {
                return Err(shape());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path that stays inside the state directory and is one of the files a backup may hold.
fn is_ours(path: &str) -> bool {
    let parts: Vec<_> = Path::new(path).components().collect();
    let plain = parts.iter().all(|part| matches!(part, Component::Normal(_)))
        && !path.contains("//")
        && !path.ends_with('/')
        && !path.bytes().any(|byte| byte.is_ascii_control());
    let top = [master::FILE, keyring::FILE, secrets::FILE, STATE_EXPORT].contains(&path);
    let below_ledger = path.starts_with("ledger/") && (2..=10).contains(&parts.len());
    plain && path.len() <= PATH_BYTES_MAX && (top || below_ledger)
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    files: Vec<BackedUp>,
}

impl Writer<'_> {
    fn raw(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.out
            .write_all(bytes)
            .map_err(files::io("write", Path::new("the backup")))
    }

    fn small(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.file(name, &mut &*bytes, bytes.len() as u64)
    }

    fn growing(&mut self, root: &Path, path: &Path, extent: &Extent) -> Result<(), Fault> {
        let read;
        let bytes = match extent {
            Extent::First(bytes) => return self.ledger_file(root, path, *bytes),
            Extent::Read(bytes) => bytes,
            Extent::Whole => {
                read = files::read(&root.join(path), SMALL_BYTES_MAX)?;
                read.as_ref().ok_or(Fault::Backup(BackupFault::Moved))?
            }
        };
        self.small(&ledger_name(path)?, bytes)
    }

    fn ledger_file(&mut self, root: &Path, path: &Path, bytes: u64) -> Result<(), Fault> {
        let name = ledger_name(path)?;
        let mut file = files::open_owned(&root.join(path))?;
        self.file(&name, &mut file, bytes)
    }

    fn file(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Result<(), Fault> {
        if !is_ours(name) {
            return Err(Fault::Backup(BackupFault::Path));
        }
        let length = u16::try_from(name.len()).map_err(|_| Fault::Backup(BackupFault::Path))?;
        self.raw(&length.to_be_bytes())?;
        self.raw(name.as_bytes())?;
        self.raw(&bytes.to_be_bytes())?;
        let sha256 = copy(from, self.out, bytes).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Backup(BackupFault::Moved),
            _ => files::io("copy", Path::new(name))(source),
        })?;
        self.files.push(BackedUp {
            path: name.to_owned(),
            bytes,
            sha256,
        });
        Ok(())
    }
}

/// A ledger's file in the backup.
fn ledger_name(path: &Path) -> Result<String, Fault> {
    let name = Path::new(LEDGER).join(path);
    let name = name.to_str().ok_or(Fault::Backup(BackupFault::Path))?;
    Ok(name.to_owned())
}

struct Reader<'a> {
    input: &'a mut dyn Read,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(reading)?;
        Ok(bytes)
    }

    /// The next file's path; `None` where the manifest follows.
    fn path(&mut self) -> Result<Option<String>, Fault> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        if length == 0 {
            return Ok(None);
        }
        if length > PATH_BYTES_MAX {
            return Err(shape());
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(reading)?;
        let path = String::from_utf8(bytes).map_err(|_| shape())?;
        if is_ours(&path) {
            Ok(Some(path))
        } else {
            Err(Fault::Backup(BackupFault::Path))
        }
    }

    fn file(&mut self, target: &Path, path: String) -> Result<BackedUp, Fault> {
        let bytes = u64::from_be_bytes(self.array()?);
        let place = target.join(&path);
        if let Some(above) = place.parent() {
            use std::os::unix::fs::DirBuilderExt as _;
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(above)
                .map_err(files::io("create", above))?;
        }
        let mut file: File = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&place)
            .map_err(files::io("create", &place))?;
        let sha256 = copy(self.input, &mut file, bytes).map_err(reading)?;
        file.sync_all().map_err(files::io("sync", &place))?;
        Ok(BackedUp { path, bytes, sha256 })
    }
}

/// Copies exactly `bytes` bytes and digests them.
fn copy(from: &mut dyn Read, to: &mut dyn Write, bytes: u64) -> io::Result<Digest> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let chunk = buffer.get_mut(..want).ok_or(io::ErrorKind::InvalidInput)?;
        from.read_exact(chunk)?;
        to.write_all(chunk)?;
        context.update(chunk);
        left = left.saturating_sub(want as u64);
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(context.finish().as_ref());
    Ok(Digest(sum))
}

#[cfg(test)]
mod tests;
