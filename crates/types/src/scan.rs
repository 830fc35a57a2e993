//! What a scan of artifacts says, in the one shape that outputs, records and the admin API share.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Digest, ScanId};

/// How bad a finding is, and what a file is because of it. Ordered: later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was read, and nothing in it does more than hold data.
    Clean,
    /// Something could not be judged: an unlisted name, a broken or unreadable part. Not to be loaded unread.
    Unknown,
    /// It has a shape that honest files do not have.
    Suspicious,
    /// Loading it runs code, or reaches outside its folder.
    Malicious,
}

impl Verdict {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }

    /// The verdict of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Clean, Self::Unknown, Self::Suspicious, Self::Malicious]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The scanned file, as the caller named it.
    pub file: String,
    /// The members that lead to it, outermost first, joined with `!`; empty for the file itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub member: String,
    /// First byte, counted in the innermost member once it is unpacked.
    pub offset: u64,
    /// How many bytes, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The row, in data sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
}

impl Place {
    /// `file!member`, without the offset.
    #[must_use]
    pub fn path(&self) -> Cow<'_, str> {
        if self.member.is_empty() {
            Cow::Borrowed(&self.file)
        } else {
            Cow::Owned(format!("{}!{}", self.file, self.member))
        }
    }
}

/// One thing that a scanner found, with what its rule says: the same in `--json`, in records and in `GET /v1/scans`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanFinding {
    /// The rule's stable id.
    pub rule: String,
    /// How bad.
    pub severity: Verdict,
    /// Where.
    pub at: Place,
    /// What it is about, such as `os.system`.
    pub subject: String,
    /// What it would do, in one sentence.
    pub what: String,
    /// How often it was met; only the first place is told.
    pub count: u64,
    /// Why it does not count, when a suppression or a baseline covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<String>,
    /// What the rule finds, in a few words.
    pub title: String,
    /// What to do about it.
    pub remedy: String,
    /// Known vulnerabilities of this kind.
    pub cve: Vec<String>,
    /// Weaknesses, `CWE-502`.
    pub cwe: Vec<String>,
    /// MITRE ATLAS techniques.
    pub atlas: Vec<String>,
    /// What stays equal when the same thing is found again.
    pub fingerprint: String,
}

/// What a scan looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scanner {
    /// Code, tampering and lies in model files.
    Model,
    /// Poison and faults in data sets.
    Data,
}

/// One file or data set of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanned {
    /// Its name, as the caller gave it.
    pub file: String,
    /// SHA-256 of the bytes that were judged; a folder has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it turned out to be.
    pub format: String,
    /// The worst of its findings that is not covered.
    pub verdict: Verdict,
    /// Findings, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ScanFinding>,
    /// Further findings that the record has no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A scan, or one part of a scan of many files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// Names the scan; all parts of one have it.
    pub id: ScanId,
    /// What was looked for.
    pub scanner: Scanner,
    /// The scanner's version: another one may judge otherwise.
    pub version: String,
    /// The worst verdict of the whole scan.
    pub verdict: Verdict,
    /// How many files the whole scan had.
    pub files: u64,
    /// This part, counted from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u64,
    /// Whether the scan was stopped before its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// What was judged, in this part.
    pub artifacts: Vec<Scanned>,
}
