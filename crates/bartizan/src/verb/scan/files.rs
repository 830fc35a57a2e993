//! The files of a scan: found, opened, read where the scanner asks, and given up when the user says stop.

use std::{
    cell::Cell,
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::digest::{Context, SHA256};
use bartizan_artifact::{Limits, Report, Source, model, settle};
use bartizan_types::Digest;
use indicatif::ProgressBar;

use super::resume::{Finished, Resume};
use crate::{
    cli::ScanModel,
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// Files of one scan.
const FILES_MAX: usize = 1_000_000;
/// Folders within folders.
const DEPTH_MAX: usize = 64;
/// Bytes hashed at once.
const PIECE: usize = 1 << 18;

/// Set once, when the user wants the scan to end.
static STOP: AtomicBool = AtomicBool::new(false);

/// Waits for SIGINT or SIGTERM and has every read fail from then on; a second one ends the process at once.
pub(super) async fn stop_when_told() {
    if crate::up::told_to_stop().await.is_ok() {
        STOP.store(true, Ordering::Relaxed);
        if crate::up::told_to_stop().await.is_ok() {
            std::process::exit(i32::from(Exit::Refused.number()));
        }
    }
}

/// Whether the user wants the scan to end.
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// A file, read where the scanner asks. Reading moves the bar to the furthest byte.
pub(super) struct OpenFile<'b> {
    file: File,
    size: u64,
    furthest: Cell<u64>,
    bar: &'b ProgressBar,
}

impl<'b> OpenFile<'b> {
    /// Opens a plain file.
    pub(super) fn open(path: &Path, bar: &'b ProgressBar) -> Result<Self, Failure> {
        // The kind is asked first: opening a pipe would wait for its other end.
        let plain = |there: &Metadata| {
            there
                .is_file()
                .then_some(())
                .ok_or_else(|| Failure::new(Exit::Files, format!("`{}` is no plain file", path.display())))
        };
        plain(&std::fs::metadata(path).map_err(file("reading", path))?)?;
        let opened = File::open(path).map_err(file("opening", path))?;
        let there = opened.metadata().map_err(file("reading", path))?;
        plain(&there)?;
        Ok(Self {
            file: opened,
            size: there.len(),
            furthest: Cell::new(0),
            bar,
        })
    }
}

impl Source for OpenFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        if stopped() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let read = loop {
            match self.file.read_at(into, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let end = at.saturating_add(read as u64);
        if let Some(new) = end.checked_sub(self.furthest.get()) {
            self.bar.inc(new);
            self.furthest.set(end);
        }
        Ok(read)
    }
}

/// What is below a folder.
#[derive(Default)]
pub(super) struct Found {
    /// Plain files, and links to some.
    pub(super) plain: Vec<PathBuf>,
    /// What a loader may follow and a scan does not, and why.
    pub(super) odd: Vec<(PathBuf, &'static str)>,
}

/// Everything below a folder. A link to a plain file counts as one, since loaders follow it (caches of hubs are made of
/// such links); a link to a folder could lead anywhere, or round in circles.
pub(super) fn walk(folder: &Path, depth: usize, found: &mut Found) -> Result<(), Failure> {
    if depth > DEPTH_MAX || found.plain.len() > FILES_MAX {
        let message = format!(
            "`{}` holds more folders or files than one scan takes",
            folder.display()
        );
        return Err(Failure::new(Exit::Files, message));
    }
    for entry in std::fs::read_dir(folder).map_err(file("reading", folder))? {
        let entry = entry.map_err(file("reading", folder))?;
        let kind = entry.file_type().map_err(file("reading", folder))?;
        let path = entry.path();
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                walk(&path, depth + 1, found)?;
                continue;
            }
            // Of a clone only what git runs commands of: the rest is git's own.
            let settings = path.join("config");
            if std::fs::symlink_metadata(&settings).is_ok_and(|there| there.is_file()) {
                found.plain.push(settings);
            }
        } else if kind.is_file() {
            found.plain.push(path);
        } else if kind.is_symlink() {
            match std::fs::metadata(&path) {
                Ok(there) if there.is_file() => match std::fs::canonicalize(&path) {
                    Ok(target) if of_the_system(&target) => {
                        found
                            .odd
                            .push((path, "is a link to a file of the system, which is no model's"));
                    }
                    _ => found.plain.push(path),
                },
                Ok(there) if there.is_dir() => {
                    found
                        .odd
                        .push((path, "is a link to a folder, which is not followed"));
                }
                Ok(_) => found.odd.push((path, "is a link to what is no plain file")),
                Err(_) => found.odd.push((path, "is a link that leads nowhere")),
            }
        } else {
            found.odd.push((path, "is no plain file"));
        }
    }
    Ok(())
}

/// Whether a path is of what no model has: secrets of users, and the system's own files.
fn of_the_system(path: &Path) -> bool {
    let path = path.to_string_lossy();
    ["/etc/", "/proc/", "/sys/", "/dev/", "/boot/", "/run/"]
        .iter()
        .any(|start| path.starts_with(start))
        || [
            "/.ssh/",
            "/.aws/",
            "/.azure/",
            "/.docker/",
            "/.gnupg/",
            "/.kube/",
            "/.netrc",
            "/.git-credentials",
            "/.config/gcloud/",
        ]
        .iter()
        .any(|part| path.contains(part))
}

/// The files of the command line, judged.
pub(super) struct Judged {
    /// In the order of their names.
    pub(super) reports: Vec<Report>,
    /// SHA-256 of each, where wanted.
    pub(super) digests: Vec<Option<Digest>>,
    /// Whether the user stopped it.
    pub(super) cancelled: bool,
}

fn files_of(scan: &ScanModel) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in &scan.paths {
        let there = std::fs::metadata(path).map_err(file("reading", path))?;
        if there.is_dir() {
            walk(path, 0, &mut found)?;
        } else {
            found.plain.push(path.clone());
        }
    }
    if found.plain.is_empty() && found.odd.is_empty() {
        return Err(Failure::new(Exit::Files, "there is no file to scan"));
    }
    found.plain.sort();
    found.plain.dedup();
    Ok(found)
}

/// Scans what the command line names.
pub(super) fn models(scan: &ScanModel, hash: bool, out: Output) -> Result<Judged, Failure> {
    let found = files_of(scan)?;
    let mut resume = scan
        .resume
        .as_deref()
        .map(|path| Resume::open(path, out))
        .transpose()?;
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |there| there.len());
    let bar = out.progress(found.plain.iter().map(size).sum(), "scanning");
    let mut judged = Judged {
        reports: Vec::with_capacity(found.plain.len()),
        digests: Vec::with_capacity(found.plain.len()),
        cancelled: false,
    };
    for (done, path) in found.plain.iter().enumerate() {
        if stopped() {
            let left = found.plain.len() - done;
            let what = format!(
                "the scan was stopped; this file and {} more were not looked at",
                left - 1
            );
            judged.add(Report::unjudged(&path.to_string_lossy(), true, &what), None);
            judged.cancelled = true;
            break;
        }
        let (report, digest) = match resume.as_mut().and_then(|resume| resume.known(path, hash)) {
            Some(finished) => {
                bar.inc(finished.report.bytes);
                (finished.report, finished.digest)
            }
            None => {
                let one = one(path, hash, &bar);
                if let (Some(resume), Some(stamp), false) = (&mut resume, &one.stamp, stopped()) {
                    resume.keep(path, stamp, &one.finished)?;
                }
                (one.finished.report, one.finished.digest)
            }
        };
        judged.cancelled |= stopped();
        judged.add(report, digest);
    }
    for (path, why) in &found.odd {
        judged.add(Report::unjudged(&path.to_string_lossy(), false, why), None);
    }
    bar.finish_and_clear();
    settle(&mut judged.reports);
    Ok(judged)
}

impl Judged {
    fn add(&mut self, report: Report, digest: Option<Digest>) {
        self.reports.push(report);
        self.digests.push(digest);
    }
}

struct One {
    finished: Finished,
    /// What the file was while it was read; none where it changed or could not be read.
    stamp: Option<Stamp>,
}

/// What tells that a file is the one that was judged: the kernel sets the last of these on every change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) [u64; 4]);

impl Stamp {
    pub(super) fn of(there: &Metadata) -> Self {
        let changed = there.ctime() as u64;
        Self([
            there.dev() ^ there.ino().rotate_left(32),
            there.len(),
            (there.mtime() as u64).wrapping_mul(1_000_000_000) ^ there.mtime_nsec() as u64,
            changed.wrapping_mul(1_000_000_000) ^ there.ctime_nsec() as u64,
        ])
    }
}

/// Judges one file. What can't be read is a finding of that file and no end of the scan.
fn one(path: &Path, hash: bool, bar: &ProgressBar) -> One {
    let name = path.to_string_lossy();
    let unread = |why: &str| One {
        finished: Finished {
            report: Report::unjudged(&name, false, why),
            digest: None,
        },
        stamp: None,
    };
    let Ok(open) = OpenFile::open(path, bar) else {
        return unread("could not be opened");
    };
    let Ok(before) = open.file.metadata() else {
        return unread("could not be read");
    };
    let mut report = model(&name, &open, &Limits::default());
    let digest = if hash { hashed(&open) } else { None };
    bar.inc(open.size.saturating_sub(open.furthest.get()));
    let stamp = Stamp::of(&before);
    let same = open.file.metadata().is_ok_and(|after| Stamp::of(&after) == stamp);
    if !same || (hash && digest.is_none()) {
        let why = if same {
            "was not read to its end again for its digest"
        } else {
            "changed while it was read"
        };
        report
            .findings
            .extend(Report::unjudged(&name, same && stopped(), why).findings);
        report.judge();
    }
    let whole = same && !(hash && digest.is_none());
    One {
        finished: Finished { report, digest },
        stamp: whole.then_some(stamp),
    }
}

/// SHA-256 of a file; none where it can't be read to its end.
pub(super) fn hashed(open: &OpenFile<'_>) -> Option<Digest> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < open.size {
        let read = open.read_at(at, &mut piece).ok().filter(|read| *read > 0)?;
        context.update(piece.get(..read)?);
        at += read as u64;
    }
    context.finish().as_ref().try_into().ok().map(Digest)
}
