//! The few file operations the ledger needs, behind a trait so that `sim` can record and replay them.
//!
//! Names are relative to the ledger's directory, made by the ledger alone, never by input. A write is whole or an
//! error; nothing is retried. INVARIANT: the ledger touches its files through this module only.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{self, FallocateFlags, Mode, OFlags};

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// To read; it must be there.
    Read,
    /// To read and write; it must be there.
    Write,
    /// To read and write; made anew, and empty.
    Create,
    /// To read and write; made if it is not there.
    Keep,
}

/// A directory of files.
pub trait Medium: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn MediumFile>>;
    /// Names in a directory, in order.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    /// Makes a directory unless it is there.
    ///
    /// # Errors
    /// The system's.
    fn make_directory(&self, name: &str) -> io::Result<()>;
    /// Renames within the ledger, replacing the target.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_directory(&self, name: &str) -> io::Result<()>;
}

/// An open file.
pub trait MediumFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The system's.
    fn length(&self) -> io::Result<u64>;
    /// Fills `into` from `at`, or says `UnexpectedEof`.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;
    /// Writes all bytes at `at` in one go; a short write is an error.
    ///
    /// # Errors
    /// The system's, or `WriteZero` for a short write.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Reserves room for `length` bytes, zero where nothing was written.
    ///
    /// # Errors
    /// The system's; `StorageFull` when there is no room.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Writes zeros from `from` to `to`, where the file is allocated and already zero: nothing changes but that the
    /// file system has no reserved blocks left to convert there when it syncs, which would cost it a journal commit.
    ///
    /// # Errors
    /// The system's.
    fn warm(&self, from: u64, to: u64) -> io::Result<()> {
        let _ = (from, to);
        Ok(())
    }
    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The system's.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Makes content and length durable.
    ///
    /// # Errors
    /// The system's; what is on disk is then unknown.
    fn sync(&self) -> io::Result<()>;
}

/// A directory on a real file system.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Opens the directory, making it owner-only if it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn new(root: &Path) -> io::Result<Self> {
        make_owner_only(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(name)
        }
    }
}

fn make_owner_only(path: &Path) -> io::Result<()> {
    match fs::mkdir(path, Mode::RWXU) {
        Ok(()) => {
            // The new name must outlive a crash, or everything below it would not.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = fs::open(
                parent.unwrap_or(Path::new(".")),
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            Ok(fs::fsync(parent)?)
        }
        Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

impl Medium for Disk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn MediumFile>> {
        let flags = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::Write => OFlags::RDWR,
            OpenMode::Create => OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC,
            OpenMode::Keep => OFlags::RDWR | OFlags::CREATE,
        };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = fs::open(self.path(name), flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(self.path(directory))?;
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not UTF-8 is not ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        make_owner_only(&self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::rename(self.path(from), self.path(to))?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlink(self.path(name))?)
    }

    fn sync_directory(&self, name: &str) -> io::Result<()> {
        let directory = fs::open(self.path(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(fs::fsync(directory)?)
    }
}

struct DiskFile(OwnedFd);

impl MediumFile for DiskFile {
    fn length(&self) -> io::Result<u64> {
        let size = fs::fstat(&self.0)?.st_size;
        u64::try_from(size).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.0, rest, at.saturating_add(done as u64)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let count = rustix::io::pwrite(&self.0, bytes, at)?;
        if count == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match fs::fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            // Some file systems can't reserve; a sparse file still works, only a full disk shows later.
            Err(rustix::io::Errno::OPNOTSUPP) => self.set_length(length),
            Err(errno) => Err(errno.into()),
        }
    }

    fn warm(&self, from: u64, to: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut at = from;
        while at < to {
            let count = usize::try_from(to - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
            let written = rustix::io::pwrite(&self.0, ZEROS.get(..count).unwrap_or(&ZEROS), at)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            at += u64::try_from(written).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        Ok(fs::ftruncate(&self.0, length)?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fs::fdatasync(&self.0)?)
    }
}
