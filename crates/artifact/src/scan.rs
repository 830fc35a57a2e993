//! One scan: limits, what was found so far, and where in the nest of members we are.

use std::{cell::Cell, collections::HashMap, io::Read, rc::Rc};

use crate::{
    feed::Stop,
    finding::{Finding, Place, Report, Verdict},
    format,
    rule::{self, Rule},
    source::{Source, View},
};

/// Opcodes followed on suspicion, all probes together.
const PROBED: u64 = 1 << 26;

/// How much a scan may do. Counted in bytes, members and steps, never in time: equal input, equal verdict.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes that unpacking may give, all members together.
    pub unpacked_bytes: u64,
    /// Bytes of one packed member that are held in memory, where a format needs to be read out of order.
    pub held_bytes: usize,
    /// Bytes of one configuration, header or template.
    pub document_bytes: usize,
    /// Members, all archives together.
    pub members: u64,
    /// Archives within archives, pickles within pickles.
    pub depth: u32,
    /// Findings kept; more are counted.
    pub findings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 8 << 30,
            held_bytes: 64 << 20,
            document_bytes: 32 << 20,
            members: 500_000,
            depth: 12,
            findings: 1_000,
        }
    }
}

/// Judges one file.
///
/// `name` is how findings call it; its ending is a hint and no more. Nothing in the file is run. Whatever can't be read
/// to its end is a finding, so that the verdict of a file that was not understood is never clean.
#[must_use]
pub fn model(name: &str, source: &dyn Source, limits: &Limits) -> Report {
    let mut scan = Scan::new(name, limits);
    let view = View::all(source);
    let format = format::whole(&mut scan, view, name);
    scan.report(view.size(), format)
}

/// Looks at what one file says about another: numbers that a model keeps beside itself have no format of their own.
pub fn settle(reports: &mut [Report]) {
    let folder = |file: &str| file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut known = std::collections::HashMap::new();
    for report in reports.iter() {
        for name in &report.refers {
            known.insert(format!("{}/{name}", folder(&report.file)), report.file.clone());
        }
    }
    for report in reports {
        let key = format!(
            "{}/{}",
            folder(&report.file),
            report.file.rsplit('/').next().unwrap_or_default()
        );
        let Some(owner) = known.get(&key) else { continue };
        for finding in &mut report.findings {
            if finding.rule == &rule::UNRECOGNISED {
                finding.covered = Some(format!("numbers of `{owner}`"));
            }
        }
        report.judge();
    }
}

/// See the module.
pub(crate) struct Scan<'l> {
    /// What may be done.
    pub(crate) limits: &'l Limits,
    /// Opcodes followed.
    pub(crate) opcodes: u64,
    /// Files beside this one that hold its numbers.
    pub(crate) refers: Vec<String>,
    /// Storages of torch's, and the bytes that pickles say they have.
    pub(crate) storages: Vec<(String, u64)>,
    /// Encoded texts that we are in.
    pub(crate) decoding: u32,
    file: String,
    path: Vec<String>,
    findings: Vec<Finding>,
    seen: HashMap<(&'static str, String, String), usize>,
    dropped: Option<Verdict>,
    members: u64,
    unpacked: Rc<Cell<u64>>,
    probed: u64,
}

impl<'l> Scan<'l> {
    pub(crate) fn new(file: &str, limits: &'l Limits) -> Self {
        Self {
            limits,
            opcodes: 0,
            refers: Vec::new(),
            storages: Vec::new(),
            decoding: 0,
            file: file.to_owned(),
            path: Vec::new(),
            findings: Vec::new(),
            seen: HashMap::new(),
            dropped: None,
            members: 1,
            unpacked: Rc::new(Cell::new(0)),
            probed: 0,
        }
    }

    /// Adds a finding; the same rule and subject in the same member are counted.
    pub(crate) fn find(
        &mut self,
        rule: &'static Rule,
        severity: Verdict,
        offset: u64,
        subject: &str,
        what: String,
    ) {
        let member = self.path.join("!");
        let subject: String = subject.chars().take(300).collect();
        let key = (rule.id, member.clone(), subject.clone());
        if let Some(finding) = self.seen.get(&key).and_then(|at| self.findings.get_mut(*at)) {
            finding.count += 1;
            if severity > finding.severity {
                finding.severity = severity;
                finding.what = what;
            }
            return;
        }
        if self.findings.len() >= self.limits.findings {
            self.dropped = self.dropped.max(Some(severity));
            return;
        }
        self.seen.insert(key, self.findings.len());
        self.findings.push(Finding {
            rule,
            severity,
            place: Place {
                file: self.file.clone(),
                member,
                offset,
                length: None,
                row: None,
            },
            subject,
            what,
            count: 1,
            covered: None,
        });
    }

    /// Says that the numbers of this file are in the file of the same name with another ending.
    pub(crate) fn refer_beside(&mut self, ending: &str) {
        let last = self.file.rsplit('/').next().unwrap_or_default();
        if let (Some((stem, _)), true) = (last.rsplit_once('.'), self.path.is_empty()) {
            let beside = format!("{stem}.{ending}");
            if !self.refers.contains(&beside) {
                self.refers.push(beside);
            }
        }
    }

    /// Says that reading ended before the end.
    pub(crate) fn stopped(&mut self, stop: Stop, offset: u64) {
        let (rule, subject, what) = match stop {
            Stop::End => (&rule::UNREADABLE, "truncated", "ends in the middle of something"),
            Stop::Broken => (&rule::UNREADABLE, "read error", "the storage could not be read"),
            Stop::Cancelled => (&rule::LIMIT, "cancelled", "the scan was stopped before the end"),
            Stop::TooMuch => (&rule::LIMIT, "size", "is larger than what is looked into"),
            Stop::Corrupt => (&rule::UNREADABLE, "corrupt", "the packed data is damaged"),
        };
        self.find(rule, Verdict::Unknown, offset, subject, what.to_owned());
    }

    /// Runs `work` inside a member, unless that is too deep or one too many.
    pub(crate) fn inside<T>(&mut self, member: &str, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.path.len() >= self.limits.depth as usize || self.members >= self.limits.members {
            self.find(
                &rule::LIMIT,
                Verdict::Unknown,
                0,
                "nesting",
                "holds more members, or deeper ones, than are looked into".to_owned(),
            );
            return None;
        }
        self.members += 1;
        self.path.push(crate::finding::shown(member.as_bytes(), 200));
        let result = work(self);
        self.path.pop();
        Some(result)
    }

    /// A reader that counts what it gives against the limit on unpacked bytes.
    pub(crate) fn metered<'a>(&self, inner: impl Read + 'a) -> Box<dyn Read + 'a> {
        Box::new(Metered {
            inner,
            spent: Rc::clone(&self.unpacked),
            most: self.limits.unpacked_bytes,
        })
    }

    /// Says more of a finding that is already there, or adds it.
    pub(crate) fn restate(&mut self, rule: &'static Rule, severity: Verdict, subject: &str, what: String) {
        let short: String = subject.chars().take(300).collect();
        let key = (rule.id, self.path.join("!"), short);
        match self.seen.get(&key).and_then(|at| self.findings.get_mut(*at)) {
            Some(finding) => {
                if finding.what.starts_with("imports") {
                    finding.what = what;
                }
                finding.severity = finding.severity.max(severity);
            }
            None => self.find(rule, severity, 0, subject, what),
        }
    }

    /// Counts an opcode that is followed on suspicion; `true` when there were enough of those.
    pub(crate) fn probe_spent(&mut self) -> bool {
        self.probed += 1;
        if self.probed > PROBED {
            self.find(
                &rule::LIMIT,
                Verdict::Unknown,
                0,
                "probes",
                "holds more bytes that could be read as opcodes than are followed".to_owned(),
            );
        }
        self.probed > PROBED
    }

    /// How many findings there are, to be given to [`Self::worst_since`].
    pub(crate) fn mark(&self) -> usize {
        self.findings.len()
    }

    /// The worst of the findings made since `mark`.
    pub(crate) fn worst_since(&self, mark: usize) -> Verdict {
        let found = self
            .findings
            .iter()
            .skip(mark)
            .map(|finding| finding.severity)
            .max();
        found.unwrap_or(Verdict::Clean)
    }

    /// The findings made since `mark`.
    pub(crate) fn since(&self, mark: usize) -> &[Finding] {
        self.findings.get(mark..).unwrap_or_default()
    }

    /// Takes back the findings made since `mark`, as for a reading that turned out not to be one.
    pub(crate) fn forget(&mut self, mark: usize) -> Vec<Finding> {
        let taken = self.findings.split_off(mark.min(self.findings.len()));
        self.seen.retain(|_, at| *at < mark);
        taken
    }

    /// Does something that leaves no finding; the worst that it met.
    pub(crate) fn tries<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Verdict {
        let mark = self.mark();
        work(self);
        let worst = self.worst_since(mark);
        self.forget(mark);
        worst
    }

    fn report(mut self, bytes: u64, format: String) -> Report {
        if let Some(severity) = self.dropped {
            self.findings.push(Finding {
                rule: &rule::LIMIT,
                severity,
                place: Place {
                    file: self.file.clone(),
                    member: String::new(),
                    offset: 0,
                    length: None,
                    row: None,
                },
                subject: "findings".to_owned(),
                what: "holds more findings than are kept".to_owned(),
                count: 1,
                covered: None,
            });
        }
        self.findings
            .sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.place.cmp(&b.place)));
        let mut report = Report {
            file: self.file,
            bytes,
            format,
            verdict: Verdict::Clean,
            members: self.members,
            opcodes: self.opcodes,
            refers: self.refers,
            findings: self.findings,
        };
        report.judge();
        report
    }
}

struct Metered<R> {
    inner: R,
    spent: Rc<Cell<u64>>,
    most: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        let spent = self.spent.get().saturating_add(read as u64);
        self.spent.set(spent);
        if spent > self.most {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(read)
    }
}
