//! A disk in memory that records every operation, and can say what may be on it after a crash.
//!
//! The model: what was synced is there. Of what was not, any write may be there or not, whole or in part, in
//! any order; a sector ([`SECTOR`] bytes) that was being written may hold anything. A name is durable when its
//! directory was synced; unsynced names survive in order, up to some point. Directories themselves are durable.
//! Harsher than most file systems: an append may leave later sectors without earlier ones, or junk.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bartizan_ledger::frame::SECTOR;
use bartizan_store::{Medium, MediumFile, OpenMode};

use crate::random::Random;

/// File names and contents.
pub type Image = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
enum Op {
    Name { name: String, file: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncDirectory { name: String },
    Write { file: usize, at: usize, bytes: Vec<u8> },
    Length { file: usize, length: usize },
    Sync { file: usize },
}

#[derive(Default)]
struct Inner {
    base_names: BTreeMap<String, usize>,
    base_files: Vec<Vec<u8>>,
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    log: Vec<Op>,
}

/// The recording disk. Clones share it.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Inner>>);

/// How unsynced operations are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// None of them happened.
    All,
    /// All of them did: a legal prefix of the program's order.
    Nothing,
    /// Each by chance: lost, whole, in part, torn, reordered.
    Chance,
}

impl Recorder {
    /// A disk that holds this already, durably.
    #[must_use]
    pub fn from_image(image: &Image) -> Self {
        let mut inner = Inner::default();
        for (name, bytes) in image {
            inner.base_names.insert(name.clone(), inner.base_files.len());
            inner.base_files.push(bytes.clone());
        }
        inner.names.clone_from(&inner.base_names);
        inner.files.clone_from(&inner.base_files);
        Self(Arc::new(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.lock().log.len()
    }

    /// What is there now, without a crash.
    #[must_use]
    pub fn image(&self) -> Image {
        let inner = self.lock();
        inner
            .names
            .iter()
            .map(|(name, file)| (name.clone(), inner.files[*file].clone()))
            .collect()
    }

    /// What may be there after a crash right after the first `count` operations.
    pub(crate) fn crashed(&self, count: usize, loss: Loss, random: &mut Random) -> Image {
        let inner = self.lock();
        let log = &inner.log[..count];
        let mut files = inner.base_files.clone();
        files.resize(inner.files.len(), Vec::new());
        for (number, file) in files.iter_mut().enumerate() {
            let own = |op: &&Op| match op {
                Op::Write { file, .. } | Op::Length { file, .. } | Op::Sync { file } => *file == number,
                _ => false,
            };
            let own: Vec<&Op> = log.iter().filter(own).collect();
            let synced = own
                .iter()
                .rposition(|op| matches!(op, Op::Sync { .. }))
                .map_or(0, |at| at + 1);
            own[..synced].iter().for_each(|op| apply(file, op));
            let mut rest = own[synced..].to_vec();
            match loss {
                Loss::All => {}
                Loss::Nothing => rest.iter().for_each(|op| apply(file, op)),
                Loss::Chance => {
                    if random.one_in(2) {
                        random.shuffle(&mut rest);
                    }
                    rest.iter().for_each(|op| apply_by_chance(file, op, random));
                }
            }
        }
        let names = surviving_names(&inner.base_names, log, loss, random);
        names
            .into_iter()
            .map(|(name, file)| (name, files[file].clone()))
            .collect()
    }
}

fn directory(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn surviving_names(
    base: &BTreeMap<String, usize>,
    log: &[Op],
    loss: Loss,
    random: &mut Random,
) -> BTreeMap<String, usize> {
    let mut names = base.clone();
    let place = |op: &Op| match op {
        Op::Name { name, .. } | Op::Remove { name } => Some(directory(name).to_owned()),
        Op::Rename { from, .. } => Some(directory(from).to_owned()),
        _ => None,
    };
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for op in log {
        let Some(directory) = place(op) else { continue };
        kept.entry(directory.clone()).or_insert_with(|| {
            let own = |op: &&Op| place(op).as_deref() == Some(directory.as_str());
            let total = log.iter().filter(own).count();
            let is_sync = |op: &Op| matches!(op, Op::SyncDirectory { name } if *name == directory);
            let until = log.iter().rposition(is_sync).unwrap_or(0);
            let durable = log[..until].iter().filter(own).count();
            match loss {
                Loss::All => durable,
                Loss::Nothing => total,
                Loss::Chance => durable + random.below(total - durable + 1),
            }
        });
    }
    for op in log {
        let Some(directory) = place(op) else { continue };
        let Some(left) = kept.get_mut(&directory).filter(|left| **left > 0) else {
            continue;
        };
        *left -= 1;
        match op {
            Op::Name { name, file } => drop(names.insert(name.clone(), *file)),
            Op::Remove { name } => drop(names.remove(name)),
            Op::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            _ => {}
        }
    }
    names
}

fn apply(file: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write { at, bytes, .. } => {
            let end = at + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*at..end].copy_from_slice(bytes);
        }
        Op::Length { length, .. } => file.resize(*length, 0),
        _ => {}
    }
}

/// A write may be lost, whole, a part of its sectors, or leave junk in one of them.
fn apply_by_chance(file: &mut Vec<u8>, op: &Op, random: &mut Random) {
    let Op::Write {
        file: number,
        at,
        bytes,
    } = op
    else {
        if random.one_in(2) {
            apply(file, op);
        }
        return;
    };
    let style = random.below(5);
    if style == 0 {
        return;
    }
    if style == 1 {
        return apply(file, op);
    }
    let mut start = *at;
    let end = at + bytes.len();
    while start < end {
        let next = ((start / SECTOR + 1) * SECTOR).min(end);
        let mut part = bytes[start - at..next - at].to_vec();
        let keep = match style {
            2 => random.one_in(2),
            3 => !random.one_in(8),
            _ => {
                if random.one_in(3) {
                    let cut = random.below(part.len());
                    let junk = random.bits();
                    part[cut..]
                        .iter_mut()
                        .for_each(|byte| *byte ^= u8::try_from(junk & 0xFF).unwrap_or(0));
                }
                true
            }
        };
        if keep {
            apply(
                file,
                &Op::Write {
                    file: *number,
                    at: start,
                    bytes: part,
                },
            );
        }
        start = next;
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Medium for Recorder {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn MediumFile>> {
        let mut inner = self.lock();
        let known = inner.names.get(name).copied();
        let file = match (known, mode) {
            (None, OpenMode::Read | OpenMode::Write) => return Err(missing()),
            (Some(file), OpenMode::Read | OpenMode::Write | OpenMode::Keep) => file,
            (Some(file), OpenMode::Create) => {
                inner.files[file].clear();
                inner.log.push(Op::Length { file, length: 0 });
                file
            }
            (None, OpenMode::Create | OpenMode::Keep) => {
                let file = inner.files.len();
                inner.files.push(Vec::new());
                inner.names.insert(name.to_owned(), file);
                inner.log.push(Op::Name {
                    name: name.to_owned(),
                    file,
                });
                file
            }
        };
        Ok(Arc::new(RecordedFile {
            disk: self.clone(),
            file,
        }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{directory}/");
        let inner = self.lock();
        Ok(inner
            .names
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    fn make_directory(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let file = inner.names.remove(from).ok_or_else(missing)?;
        inner.names.insert(to.to_owned(), file);
        inner.log.push(Op::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.names.remove(name).ok_or_else(missing)?;
        inner.log.push(Op::Remove {
            name: name.to_owned(),
        });
        Ok(())
    }

    fn sync_directory(&self, name: &str) -> io::Result<()> {
        self.lock().log.push(Op::SyncDirectory {
            name: name.to_owned(),
        });
        Ok(())
    }
}

struct RecordedFile {
    disk: Recorder,
    file: usize,
}

impl RecordedFile {
    fn does(&self, op: Op) {
        let mut inner = self.disk.lock();
        apply(&mut inner.files[self.file], &op);
        inner.log.push(op);
    }
}

impl MediumFile for RecordedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].len() as u64)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let inner = self.disk.lock();
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let end = at.saturating_add(into.len());
        let bytes = inner.files[self.file]
            .get(at..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.does(Op::Write {
            file: self.file,
            at,
            bytes: bytes.to_vec(),
        });
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.set_length(length)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.does(Op::Length {
            file: self.file,
            length,
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.does(Op::Sync { file: self.file });
        Ok(())
    }
}
