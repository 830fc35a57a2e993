//! A disk that works until it is told to fail, as a failing drive or a full one does.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bartizan_store::{Disk, Medium, MediumFile, OpenMode};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fails {
    Nothing,
    Write,
    /// The write is taken, and what becomes of it is unknown.
    Sync,
    /// A write of what can be rebuilt finds no room.
    Derived,
    /// Room for a file is refused.
    Allocate,
    /// A write of the key file finds no room.
    Keys,
}

/// Turns faults on and off, from outside.
#[derive(Clone)]
pub(crate) struct Switch(Arc<AtomicU8>);

impl Switch {
    pub(crate) fn set(&self, fails: Fails) {
        self.0.store(fails as u8, Ordering::SeqCst);
    }

    fn pass(&self, what: Fails, fault: io::ErrorKind) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) == what as u8 {
            Err(fault.into())
        } else {
            Ok(())
        }
    }
}

pub(crate) struct Failing {
    disk: Disk,
    switch: Switch,
}

impl Failing {
    pub(crate) fn on(place: &Path) -> (Arc<dyn Medium>, Switch) {
        let switch = Switch(Arc::new(AtomicU8::new(Fails::Nothing as u8)));
        let disk = Disk::new(place).expect("a directory");
        let failing = Self {
            disk,
            switch: switch.clone(),
        };
        (Arc::new(failing), switch)
    }
}

impl Medium for Failing {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn MediumFile>> {
        let file = self.disk.open(name, mode)?;
        Ok(Arc::new(FailingFile {
            file,
            switch: self.switch.clone(),
            derived: name.starts_with("derived/"),
            keys: name.starts_with("keys"),
        }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        self.disk.make_directory(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self, name: &str) -> io::Result<()> {
        self.disk.sync_directory(name)
    }
}

struct FailingFile {
    file: Arc<dyn MediumFile>,
    switch: Switch,
    derived: bool,
    keys: bool,
}

impl MediumFile for FailingFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.switch.pass(Fails::Write, io::ErrorKind::WriteZero)?;
        if self.derived {
            self.switch.pass(Fails::Derived, io::ErrorKind::StorageFull)?;
        }
        if self.keys {
            self.switch.pass(Fails::Keys, io::ErrorKind::StorageFull)?;
        }
        self.file.write_at(bytes, at)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.switch.pass(Fails::Allocate, io::ErrorKind::StorageFull)?;
        self.file.allocate(length)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.switch.pass(Fails::Sync, io::ErrorKind::Other)?;
        self.file.sync()
    }
}
