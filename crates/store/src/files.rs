//! The few ways this crate touches files: bounded reads, atomic synced writes, owner-only checks. Every failure
//! carries what was tried and on which path.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

use crate::{Fault, fault::Insecure};

/// Turns an error of the operating system into a fault about `path`.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Fault {
    let path = path.to_owned();
    move |source| Fault::Io { doing, path, source }
}

fn no_follow() -> i32 {
    i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0)
}

/// Opens a file of ours for reading and checks that it is regular, ours, and closed to everyone else.
pub(crate) fn open_owned(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow())
        .open(path)
        .map_err(|source| opening(path, source))?;
    check_owned(&file.metadata().map_err(io("inspect", path))?, path, false)?;
    Ok(file)
}

/// Opens or makes a file of ours for reading and writing, mode 0600.
pub(crate) fn open_or_create(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(path)
        .map_err(|source| opening(path, source))?;
    check_owned(&file.metadata().map_err(io("inspect", path))?, path, false)?;
    Ok(file)
}

/// Opens a file of ours that is there for reading and writing.
pub(crate) fn open_existing(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_follow())
        .open(path)
        .map_err(|source| opening(path, source))?;
    check_owned(&file.metadata().map_err(io("inspect", path))?, path, false)?;
    Ok(file)
}

fn opening(path: &Path, source: io::Error) -> Fault {
    if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return Fault::Insecure {
            path: path.to_owned(),
            why: Insecure::Symlink,
        };
    }
    io("open", path)(source)
}

/// Refuses what is not ours, not of the right kind, or open to group or others.
pub(crate) fn check_owned(found: &fs::Metadata, path: &Path, directory: bool) -> Result<(), Fault> {
    let unsafe_because = |why| {
        Err(Fault::Insecure {
            path: path.to_owned(),
            why,
        })
    };
    let right_kind = if directory {
        found.is_dir()
    } else {
        found.is_file()
    };
    if !right_kind {
        return unsafe_because(Insecure::Kind);
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return unsafe_because(Insecure::Owner(found.uid()));
    }
    if found.mode() & 0o077 != 0 {
        return unsafe_because(Insecure::Mode(found.mode() & 0o7777));
    }
    Ok(())
}

/// Reads a file of ours whole, or nothing where there is none.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
    match open_owned(path) {
        Ok(file) => read_open(&file, path, limit).map(Some),
        Err(Fault::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Reads the rest of an open file, at most `limit` bytes.
pub(crate) fn read_open(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io("read", path))?;
    if u64::try_from(bytes.len()).is_ok_and(|found| found <= limit) {
        return Ok(bytes);
    }
    Err(Fault::TooLarge {
        path: path.to_owned(),
        limit,
    })
}

/// Replaces `directory/name` whole: a reader and a crash see the old bytes or the new, never a mixture.
pub(crate) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Fault> {
    let target = directory.join(name);
    let staged = directory.join(format!(".{name}.new"));
    match fs::remove_file(&staged) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io("remove", &staged)(source)),
        _ => {}
    }
    let mut file = create_new(&staged)?;
    file.write_all(bytes).map_err(io("write", &staged))?;
    file.sync_all().map_err(io("sync", &staged))?;
    drop(file);
    fs::rename(&staged, &target).map_err(io("rename", &staged))?;
    sync_directory(directory)
}

/// Makes a new file of mode 0600; one that exists is a fault.
pub(crate) fn create_new(path: &Path) -> Result<File, Fault> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(path)
        .map_err(io("create", path))
}

/// Removes a file; one that is not there is no fault.
pub(crate) fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io("remove", path)(source)),
        _ => Ok(()),
    }
}

/// Makes renames and removals in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Fault> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(io("sync", directory))
}
