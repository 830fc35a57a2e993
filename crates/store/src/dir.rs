//! The state directory: owner-only, locked by one process, versioned.
//!
//! ```text
//! state.json       version of the layout
//! lock             held by the process that uses the state
//! master.key       only where neither environment nor systemd gives the key
//! keyring.sealed   the root key, wrapped by the master key
//! secrets.sealed   secrets, each sealed with its name
//! secrets.uses     when which secret was last used; no secret in it
//! state.redb       API keys, pins, settings
//! admin.sock       the running gateway's admin socket, and
//! admin.token      what its callers must show
//! servers/         a directory for each MCP server that is started, its to write
//! ledger/          the log
//! ```
//!
//! Refuses: directories and files that group or others can reach, that belong to another user or are symbolic links;
//! a directory below one that anyone may write; a directory with other things in it; state of a newer release.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FlockOperation;

use crate::{Fault, fault::Insecure, files, keyring, layout, secrets, state};

/// The state directory, locked. Cheap to clone; the lock is free when the last clone is gone.
#[derive(Debug, Clone)]
pub struct StateDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    migrated_from: Option<u32>,
    _lock: File,
}

/// The state directory, only looked at: no lock, nothing written.
#[derive(Debug, Clone)]
pub struct Peeked {
    path: PathBuf,
}

impl StateDir {
    /// Where state lies when nobody says otherwise: `$XDG_STATE_HOME/bartizan`, else `~/.local/state/bartizan`.
    /// `None` where neither variable is an absolute path.
    #[must_use]
    pub fn default_path() -> Option<PathBuf> {
        default_path(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
    }

    /// Whether `path` lies in `directory`, symbolic links resolved as far as they exist. State inside an agent's
    /// workspace can be read by the agent, so the command warns.
    #[must_use]
    pub fn is_within(path: &Path, directory: &Path) -> bool {
        let real = |path: &Path| -> PathBuf {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let existing = absolute
                .ancestors()
                .find_map(|above| Some((above, above.canonicalize().ok()?)));
            match existing {
                Some((above, resolved)) => match absolute.strip_prefix(above) {
                    Ok(rest) if rest.as_os_str().is_empty() => resolved,
                    Ok(rest) => resolved.join(rest),
                    Err(_) => resolved,
                },
                None => absolute,
            }
        };
        real(path).starts_with(real(directory))
    }

    /// Opens the state, makes it where there is none, locks it, and migrates it from an older version.
    ///
    /// # Errors
    /// [`Fault::Insecure`], [`Fault::Locked`], [`Fault::NotState`], [`Fault::Newer`], [`Fault::Damaged`],
    /// [`Fault::Io`].
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let path = std::path::absolute(path).map_err(files::io("resolve", path))?;
        make(&path)?;
        check_parents(&path)?;
        let lock = take_lock(&path)?;
        let migrated_from = layout::bring_up_to_date(&path)?;
        let ledger = path.join("ledger");
        match DirBuilder::new().mode(0o700).create(&ledger) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(files::io("create", &ledger)(source));
            }
            _ => check_directory(&ledger)?,
        }
        Ok(Self(Arc::new(Inner {
            path,
            migrated_from,
            _lock: lock,
        })))
    }

    /// Refuses state that lost a file which the rest belongs to: made anew, it would look like a first start, without the pins
    /// and revocations that there were, or with keys that open nothing. Writes nothing.
    ///
    /// # Errors
    /// [`Fault::Missing`], [`Fault::Io`].
    pub fn check_whole(&self) -> Result<(), Fault> {
        let logged = has_segments(&self.ledger_path().join("wal"))?;
        let sealed = logged || self.path().join(secrets::FILE).exists();
        for (name, needed) in [(keyring::FILE, sealed), (state::FILE, logged)] {
            let path = self.path().join(name);
            // An empty file is what a crash of the first start leaves; after that it is no less a loss than none.
            if needed && !fs::metadata(&path).is_ok_and(|found| found.len() > 0) {
                return Err(Fault::Missing(path));
            }
        }
        Ok(())
    }

    /// Looks at state without locking, making or migrating anything, as for offline verification.
    ///
    /// # Errors
    /// [`Fault::Absent`], [`Fault::Newer`], [`Fault::Older`], [`Fault::Damaged`], [`Fault::Io`].
    pub fn peek(path: &Path) -> Result<Peeked, Fault> {
        let path = std::path::absolute(path).map_err(files::io("resolve", path))?;
        layout::check_current(&path)?;
        Ok(Peeked { path })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Where the ledger lies.
    #[must_use]
    pub fn ledger_path(&self) -> PathBuf {
        self.0.path.join("ledger")
    }

    /// The version that opening migrated from, if it did.
    #[must_use]
    pub fn migrated_from(&self) -> Option<u32> {
        self.0.migrated_from
    }

    /// Bytes that this user may still write to the file system of the state.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn free_bytes(&self) -> Result<u64, Fault> {
        let found = rustix::fs::statvfs(&self.0.path)
            .map_err(|errno| files::io("inspect the file system of", &self.0.path)(errno.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl Peeked {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the ledger lies.
    #[must_use]
    pub fn ledger_path(&self) -> PathBuf {
        self.path.join("ledger")
    }
}

/// Whether a log was begun: its segments are the last that a first start makes.
fn has_segments(wal: &Path) -> Result<bool, Fault> {
    let entries = match fs::read_dir(wal) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found.map_err(files::io("list", wal))?,
    };
    for entry in entries {
        let name = entry.map_err(files::io("list", wal))?.file_name();
        if Path::new(&name).extension().is_some_and(|end| end == "seg") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn default_path(state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // XDG base directories: a relative path in the variable is invalid and ignored.
    let absolute = |text: Option<OsString>| text.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(state_home)
        .or_else(|| absolute(home).map(|home| home.join(".local/state")))
        .map(|place| place.join("bartizan"))
}

/// Makes the directory with mode 0700 where there is none; refuses a link in its place.
pub(crate) fn make(path: &Path) -> Result<(), Fault> {
    match fs::symlink_metadata(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(files::io("create", path))?;
        }
        Err(source) => return Err(files::io("inspect", path)(source)),
        Ok(_) => {}
    }
    check_directory(path)
}

fn check_directory(path: &Path) -> Result<(), Fault> {
    let found = fs::symlink_metadata(path).map_err(files::io("inspect", path))?;
    if found.is_symlink() {
        return Err(Fault::Insecure {
            path: path.to_owned(),
            why: Insecure::Symlink,
        });
    }
    files::check_owned(&found, path, true)
}

/// Whoever may write a directory may swap what is in it, unless the sticky bit says owners only.
fn check_parents(path: &Path) -> Result<(), Fault> {
    let real = path.canonicalize().map_err(files::io("resolve", path))?;
    for above in real.ancestors().skip(1) {
        let found = fs::metadata(above).map_err(files::io("inspect", above))?;
        if found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0 {
            return Err(Fault::Insecure {
                path: above.to_owned(),
                why: Insecure::Parent,
            });
        }
    }
    Ok(())
}

fn take_lock(directory: &Path) -> Result<File, Fault> {
    let path = directory.join("lock");
    let mut file = files::open_or_create(&path)?;
    if let Err(errno) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if errno != rustix::io::Errno::WOULDBLOCK {
            return Err(files::io("lock", &path)(errno.into()));
        }
        let text = files::read_open(&file, &path, 32).unwrap_or_default();
        return Err(Fault::Locked {
            path: directory.to_owned(),
            pid: std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.trim().parse().ok()),
        });
    }
    // The number only helps people; the lock itself is what counts.
    let note = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file).map_err(files::io("write", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
