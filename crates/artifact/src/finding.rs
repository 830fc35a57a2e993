//! What a scanner found, where, and what follows from it. One shape for every scanner, so that findings travel.
//!
//! A finding is evidence. The verdict of a file is the worst severity among its findings that no suppression covers.

use bartizan_types::{Digest, ScanFinding, Scanned};
pub use bartizan_types::{Place, Verdict};
use serde::{Serialize, Serializer};

use crate::rule::{self, Rule};

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

    fn from_told(told: ScanFinding) -> Option<Self> {
        Some(Self {
            rule: rule::of(&told.rule)?,
            severity: told.severity,
            place: told.at,
            subject: told.subject,
            what: told.what,
            count: told.count,
            covered: told.covered,
        })
    }

    /// The finding with what its rule says, as every output and record has it.
    #[must_use]
    pub fn told(&self) -> ScanFinding {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        ScanFinding {
            rule: self.rule.id.to_owned(),
            severity: self.severity,
            at: self.place.clone(),
            subject: self.subject.clone(),
            what: self.what.clone(),
            count: self.count,
            covered: self.covered.clone(),
            title: self.rule.title.to_owned(),
            remedy: self.rule.remedy.to_owned(),
            cve: owned(self.rule.cve),
            cwe: self
                .rule
                .cwe
                .iter()
                .map(|number| format!("CWE-{number}"))
                .collect(),
            atlas: owned(self.rule.atlas),
            fingerprint: self.fingerprint(),
        }
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

    /// What is said of a file that was not looked at: nobody knows what it does.
    #[must_use]
    pub fn unjudged(file: &str, cancelled: bool, what: &str) -> Self {
        let (rule, subject) = if cancelled {
            (&rule::LIMIT, "cancelled")
        } else {
            (&rule::UNREADABLE, "unread")
        };
        Self {
            file: file.to_owned(),
            bytes: 0,
            format: "unread".to_owned(),
            verdict: Verdict::Unknown,
            members: 0,
            opcodes: 0,
            refers: Vec::new(),
            findings: vec![Finding {
                rule,
                severity: Verdict::Unknown,
                place: Place {
                    file: file.to_owned(),
                    member: String::new(),
                    offset: 0,
                    length: None,
                    row: None,
                },
                subject: subject.to_owned(),
                what: what.to_owned(),
                count: 1,
                covered: None,
            }],
        }
    }

    /// The report that [`Self::told`] gave with all its findings; `None` if a rule is not known or a finding was left out.
    #[must_use]
    pub fn from_told(told: Scanned, members: u64, opcodes: u64, refers: Vec<String>) -> Option<Self> {
        let findings: Option<Vec<Finding>> = told.findings.into_iter().map(Finding::from_told).collect();
        let mut report = Self {
            file: told.file,
            bytes: told.bytes,
            format: told.format,
            verdict: Verdict::Unknown,
            members,
            opcodes,
            refers,
            findings: findings.filter(|_| told.more == 0)?,
        };
        report.judge();
        Some(report)
    }

    /// The report as a record keeps it: its worst `most` findings, and how many more there are.
    #[must_use]
    pub fn told(&self, digest: Option<Digest>, most: usize) -> Scanned {
        Scanned {
            file: self.file.clone(),
            digest,
            bytes: self.bytes,
            format: self.format.clone(),
            verdict: self.verdict,
            findings: self.findings.iter().take(most).map(Finding::told).collect(),
            more: self.findings.len().saturating_sub(most) as u64,
        }
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
