//! What a scanner found, where, and what follows from it. One shape for every scanner, so that findings travel.
//!
//! A finding is evidence. The verdict of a file is the worst severity among its findings that no suppression covers.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::rule::Rule;

/// How bad a finding is, and what a file is because of it. Ordered: later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The scanned file, as the caller named it.
    pub file: String,
    /// The members that lead to it, outermost first, joined with `!`; empty for the file itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub member: String,
    /// First byte, counted in the innermost member once it is unpacked.
    pub offset: u64,
    /// How many bytes, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The row, in data sets.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// One thing that a scanner found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The rule, which carries title, remedy and taxonomy ids.
    #[serde(serialize_with = "rule_id")]
    pub rule: &'static Rule,
    /// How bad.
    pub severity: Verdict,
    /// Where.
    #[serde(rename = "at")]
    pub place: Place,
    /// What it is about, such as `os.system`: stable from version to version of a file.
    pub subject: String,
    /// What it would do, in one sentence.
    pub what: String,
    /// How often it was met; only the first place is told.
    pub count: u64,
    /// Why it does not count, when a suppression or a baseline covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered: Option<String>,
}

fn rule_id<S: Serializer>(rule: &&'static Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.id)
}

impl Finding {
    /// What stays equal when the same thing is found again in a later version of the file: rule, place without
    /// offset, subject. Sixteen hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Fnv::new();
        for part in [
            self.rule.id,
            self.place.file.as_str(),
            self.place.member.as_str(),
            self.subject.as_str(),
        ] {
            hash.add(part.as_bytes());
            hash.add(&[0]);
        }
        format!("{:016x}", hash.0)
    }
}

/// FNV-1a, 64 bits: a name for a finding and no proof of anything.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// What is known of one scanned file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file, as the caller named it.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it turned out to be, such as `torch zip`.
    pub format: String,
    /// The worst that is not covered.
    pub verdict: Verdict,
    /// Members that were looked into, the file included.
    pub members: u64,
    /// Pickle opcodes that were followed.
    pub opcodes: u64,
    /// Files in the same folder that hold its numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refers: Vec<String>,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Computes the verdict again, after findings were covered.
    pub fn judge(&mut self) {
        self.verdict = self
            .findings
            .iter()
            .filter(|finding| finding.covered.is_none())
            .map(|finding| finding.severity)
            .max()
            .unwrap_or(Verdict::Clean);
    }
}

/// Text of a hostile file made fit to be shown: printable ASCII and no more than `most` bytes of it.
#[must_use]
pub fn shown(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(most) {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if bytes.len() > most {
        text.push_str("...");
    }
    text
}
