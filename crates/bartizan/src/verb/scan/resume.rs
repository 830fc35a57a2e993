//! What a long scan has finished, kept beside it so that the next one does not judge it again.
//!
//! One JSON line for each file, appended when it is done. A file counts as the same only while device, inode, size and
//! both times are: the time of change is the kernel's, and who sets a file's date back does not set that one back. Another
//! version of the scanner begins anew.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use bartizan_artifact::Report;
use bartizan_types::{Digest, Scanned};
use serde::{Deserialize, Serialize};

use super::files::Stamp;
use crate::{
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// Longest line that is read back, in bytes.
const LINE_MAX: usize = 16 << 20;

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Head {
    resume: u32,
    scanner: String,
}

impl Head {
    fn ours() -> Self {
        Self {
            resume: 1,
            scanner: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: String,
    stamp: [u64; 4],
    members: u64,
    opcodes: u64,
    refers: Vec<String>,
    scanned: Scanned,
}

/// A file that was judged.
pub(super) struct Finished {
    /// What was found.
    pub(super) report: Report,
    /// SHA-256 of what was judged.
    pub(super) digest: Option<Digest>,
}

/// See the module.
pub(super) struct Resume {
    path: PathBuf,
    file: File,
    known: HashMap<String, Line>,
}

impl Resume {
    /// Reads what is there and is of this version; the file is made where it is not.
    pub(super) fn open(path: &Path, out: Output) -> Result<Self, Failure> {
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(file("opening", path))?;
        let mut lines = BufReader::new(&opened);
        let mut line = String::new();
        let mut known = HashMap::new();
        let mut next = |line: &mut String| {
            line.clear();
            lines.read_line(line).map_err(file("reading", path))
        };
        let empty = next(&mut line)? == 0;
        let head: Option<Head> = serde_json::from_str(&line).ok();
        if !empty && head.is_none() {
            // Whatever it is, it is not ours to write into.
            let message = format!("`{}` holds no earlier scan", path.display());
            return Err(Failure::new(Exit::Config, message));
        }
        let same = head.is_some_and(|head| head == Head::ours());
        while same && next(&mut line)? > 0 {
            // The last line may be cut off; what does not read is judged again.
            if line.len() <= LINE_MAX
                && let Ok(read) = serde_json::from_str::<Line>(&line)
            {
                known.insert(read.path.clone(), read);
            }
        }
        let torn = same && !line.is_empty() && !line.ends_with('\n');
        let mut resume = Self {
            path: path.to_owned(),
            file: opened,
            known,
        };
        if torn {
            resume.write(b"\n")?;
        }
        if !same {
            resume.file.set_len(0).map_err(file("writing", path))?;
            let head = serde_json::to_string(&Head::ours()).unwrap_or_default();
            resume.write(format!("{head}\n").as_bytes())?;
            if !empty {
                out.remark("the earlier scan was another version's, so everything is judged again");
            }
        }
        Ok(resume)
    }

    /// What is known of a file that has not changed since. `hashed`: only with its digest.
    pub(super) fn known(&mut self, path: &Path, hashed: bool) -> Option<Finished> {
        let line = self.known.remove(&*path.to_string_lossy())?;
        let stamp = Stamp::of(&std::fs::metadata(path).ok()?);
        if Stamp(line.stamp) != stamp || (hashed && line.scanned.digest.is_none()) {
            return None;
        }
        let digest = line.scanned.digest;
        let report = Report::from_told(line.scanned, line.members, line.opcodes, line.refers)?;
        Some(Finished { report, digest })
    }

    /// Keeps a file that was judged.
    pub(super) fn keep(&mut self, path: &Path, stamp: &Stamp, finished: &Finished) -> Result<(), Failure> {
        let report = &finished.report;
        let line = Line {
            path: path.to_string_lossy().into_owned(),
            stamp: stamp.0,
            members: report.members,
            opcodes: report.opcodes,
            refers: report.refers.clone(),
            scanned: report.told(finished.digest, usize::MAX),
        };
        let mut text = serde_json::to_string(&line)
            .map_err(|error| Failure::new(Exit::Bug, "a report can't be written as JSON").because(error))?;
        text.push('\n');
        self.write(text.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(file("writing", &self.path))
    }
}
