//! What a long scan has finished, kept beside it so that the next one does not judge it again.
//!
//! One JSON line for each file, appended when it is done. A file counts as the same only while device, inode, size and
//! both times are: the time of change is the kernel's, and who sets a file's date back does not set that one back. Another
//! version of the scanner begins anew.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bartizan_artifact::Report;
use bartizan_types::{Digest, Scanned};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::files::Stamp;
use crate::{
    exit::Exit,
    failure::{Failure, file},
    output::Output,
};

/// Longest line that is read back, in bytes.
const LINE_MAX: usize = 16 << 20;

/// The first line of a file that is kept.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Head {
    resume: u32,
    scanner: String,
    /// What was scanned; models where it is not said.
    #[serde(default = "models", skip_serializing_if = "is_models")]
    of: String,
}

fn models() -> String {
    "models".to_owned()
}

fn is_models(of: &String) -> bool {
    *of == models()
}

/// A file of JSON lines that is read back once and written on.
pub(super) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Reads what is there and is of this version and scanner, line by line; the file is made where it is not.
    pub(super) fn open<T: DeserializeOwned>(
        path: &Path,
        of: &str,
        out: Output,
        mut each: impl FnMut(T),
    ) -> Result<Self, Failure> {
        let ours = Head {
            resume: 1,
            scanner: env!("CARGO_PKG_VERSION").to_owned(),
            of: of.to_owned(),
        };
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(file("opening", path))?;
        let mut lines = BufReader::new(&opened);
        let mut line = String::new();
        let mut next = |line: &mut String| {
            line.clear();
            let mut read = lines.by_ref().take(LINE_MAX as u64);
            read.read_line(line).map_err(file("reading", path))
        };
        let empty = next(&mut line)? == 0;
        let head: Option<Head> = serde_json::from_str(&line).ok();
        if !empty && head.as_ref().is_none_or(|head| head.of != of) {
            // Whatever it is, it is not ours to write into.
            let message = format!("`{}` holds no earlier scan of {of}", path.display());
            return Err(Failure::new(Exit::Config, message));
        }
        let same = head.is_some_and(|head| head == ours);
        let mut torn = same && !line.ends_with('\n');
        while same && next(&mut line)? > 0 {
            torn = !line.ends_with('\n');
            // The last line may be cut off; what does not read is judged again.
            if let Ok(read) = serde_json::from_str::<T>(&line) {
                each(read);
            }
        }
        let mut kept = Self {
            path: path.to_owned(),
            file: opened,
        };
        if torn {
            kept.write(b"\n")?;
        }
        if !same {
            kept.file.set_len(0).map_err(file("writing", path))?;
            kept.add(&ours)?;
            if !empty {
                out.remark("the earlier scan was another version's, so everything is judged again");
            }
        }
        Ok(kept)
    }

    /// Adds a line; one that is too long to be read back is left out.
    pub(super) fn add(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string(line)
            .map_err(|error| Failure::new(Exit::Bug, "a line can't be written as JSON").because(error))?;
        text.push('\n');
        if text.len() <= LINE_MAX {
            self.write(text.as_bytes())
        } else {
            Ok(())
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(file("writing", &self.path))
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
    lines: Lines,
    known: HashMap<String, Line>,
}

impl Resume {
    /// Reads what is there.
    pub(super) fn open(path: &Path, out: Output) -> Result<Self, Failure> {
        let mut known = HashMap::new();
        let lines = Lines::open(path, "models", out, |line: Line| {
            known.insert(line.path.clone(), line);
        })?;
        Ok(Self { lines, known })
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
        self.lines.add(&line)
    }
}
