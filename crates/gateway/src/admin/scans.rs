//! Scans of artifacts: recorded by whoever ran them, found again by verdict, digest or name.
//!
//! A scan says what a scanner saw and nobody's decision: letting an artifact in is another act.

use bartizan_store::{Query, StoredRecord};
use bartizan_types::{Digest, Record, RecordKind, Scan, ScanId, Scanned, Scanner, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Desk, No};
use crate::clock;

/// Artifacts of one record; a larger scan comes in parts.
const ARTIFACTS_MAX: usize = 1_000;
/// Longest text of a finding, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;
/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 8_192;
/// Records looked through in one request.
const LOOKED_THROUGH: u64 = 100_000;
/// Records read at once.
const PAGE: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    /// Of the first part's answer; none: this is the first.
    #[serde(default)]
    id: Option<ScanId>,
    scanner: Scanner,
    version: String,
    verdict: Verdict,
    files: u64,
    #[serde(default)]
    part: u64,
    #[serde(default)]
    cancelled: bool,
    artifacts: Vec<Scanned>,
}

impl Desk {
    /// Records a scan, or a part of one; durable on return.
    pub(super) async fn add_scan(&self, ask: &Ask<'_>) -> Answer {
        let posted: Posted = ask.json()?;
        if posted.artifacts.len() > ARTIFACTS_MAX || posted.artifacts.iter().any(too_long) {
            return Err(No::usage(format!(
                "a record holds at most {ARTIFACTS_MAX} artifacts, names of {NAME_BYTES_MAX} bytes and texts of {TEXT_BYTES_MAX}"
            )));
        }
        let worst = posted.artifacts.iter().map(|artifact| artifact.verdict).max();
        if worst.is_some_and(|worst| worst > posted.verdict) {
            return Err(No::usage("an artifact is worse than its scan"));
        }
        let now = clock::now();
        let scan = Scan {
            id: posted.id.unwrap_or_else(|| clock::mint(now)),
            scanner: posted.scanner,
            version: posted.version,
            verdict: posted.verdict,
            files: posted.files,
            part: posted.part,
            cancelled: posted.cancelled,
            artifacts: posted.artifacts,
        };
        let id = scan.id;
        let kind = match scan.scanner {
            Scanner::Model => "models",
            Scanner::Data => "data",
        };
        let mut record = Record::new(RecordKind::Scan, now);
        record.note = Some(format!(
            "scan of {kind}: {} of {} files, {}, by {}",
            scan.artifacts.len(),
            scan.files,
            scan.verdict.word(),
            ask.by
        ));
        record.scan = Some(Box::new(scan));
        let index = self.ledger.append(&record).await?.index;
        Ok(json!({ "id": id, "record": index }))
    }

    /// Scans, newest first, whose artifacts have what is asked for. Artifacts that have not are left out.
    pub(super) fn scans(&self, ask: &Ask<'_>) -> Answer {
        let wanted = Wanted::of(ask)?;
        let limit = number(ask, "limit")?.unwrap_or(100).clamp(1, 1_000) as usize;
        let mut found = Vec::new();
        self.pages(number(ask, "before")?, |page| {
            for stored in page {
                let scan = stored.record.and_then(|record| record.scan);
                let Some(scan) = scan.and_then(|scan| wanted.part_of(*scan)) else {
                    continue;
                };
                if found.len() < limit {
                    found.push(shape(stored.index, stored.entry.time.unix_micros(), &scan));
                }
            }
            found.len() >= limit
        })?;
        Ok(json!({ "scans": found, "size": self.ledger.stats().size }))
    }

    /// Pages of scans' records below an index, newest first, until `enough` says so or as many were looked through as one
    /// question may cost.
    fn pages(
        &self,
        mut before: Option<u64>,
        mut enough: impl FnMut(Vec<StoredRecord>) -> bool,
    ) -> Result<(), No> {
        let mut looked = 0_u64;
        while looked < LOOKED_THROUGH {
            let query = Query {
                kind: Some(RecordKind::Scan),
                before,
                limit: PAGE,
                ..Query::default()
            };
            let page = self.ledger.search(&query)?;
            let Some(last) = page.last() else { break };
            before = Some(last.index);
            looked += page.len() as u64;
            if enough(page) {
                break;
            }
        }
        Ok(())
    }

    /// One scan, all parts of it, by its id.
    pub(super) fn scan(&self, id: &str) -> Answer {
        let id: ScanId = id.parse().map_err(|_| {
            No::usage("a scan's id is 26 characters of Crockford base 32; `bartizan audit scans` shows them")
        })?;
        let mut parts = Vec::new();
        self.pages(None, |page| {
            let met = parts.len();
            for stored in page {
                if let Some(scan) = stored.record.and_then(|record| record.scan)
                    && scan.id == id
                {
                    parts.push(shape(stored.index, stored.entry.time.unix_micros(), &scan));
                }
            }
            // Parts are written one after the other: a page without any ends the search once some were met.
            met > 0 && parts.len() == met
        })?;
        if parts.is_empty() {
            return Err(No::not_found(format!("there is no scan `{id}` in the log")));
        }
        parts.reverse();
        Ok(json!({ "id": id, "parts": parts }))
    }
}

/// What a request wants of scans.
struct Wanted {
    scanner: Option<Scanner>,
    verdict: Option<Verdict>,
    digest: Option<Digest>,
    file: Option<String>,
}

impl Wanted {
    fn of(ask: &Ask<'_>) -> Result<Self, No> {
        let scanner = match ask.value("scanner") {
            None => None,
            Some("model") => Some(Scanner::Model),
            Some("data") => Some(Scanner::Data),
            Some(_) => return Err(No::usage("`scanner` is `model` or `data`")),
        };
        let verdict = ask
            .value("verdict")
            .map(|word| Verdict::of(word).ok_or_else(|| No::usage(format!("`{word}` is no verdict"))));
        let digest = ask.value("digest").map(|text| {
            text.parse()
                .map_err(|_| No::usage("`digest` is 64 hexadecimal digits"))
        });
        Ok(Self {
            scanner,
            verdict: verdict.transpose()?,
            digest: digest.transpose()?,
            file: ask.value("file").map(str::to_owned),
        })
    }

    /// The scan with the artifacts that fit; `None` where none does.
    fn part_of(&self, mut scan: Scan) -> Option<Scan> {
        if self.scanner.is_some_and(|scanner| scanner != scan.scanner) {
            return None;
        }
        if self.verdict.is_none() && self.digest.is_none() && self.file.is_none() {
            return Some(scan);
        }
        scan.artifacts.retain(|artifact| {
            self.verdict.is_none_or(|verdict| verdict == artifact.verdict)
                && self.digest.is_none_or(|digest| artifact.digest == Some(digest))
                && self
                    .file
                    .as_ref()
                    .is_none_or(|file| artifact.file == *file || artifact.file.ends_with(&format!("/{file}")))
        });
        (!scan.artifacts.is_empty()).then_some(scan)
    }
}

fn shape(index: u64, micros: u64, scan: &Scan) -> Value {
    let mut value = json!(scan);
    value["index"] = json!(index);
    value["time"] = json!(micros);
    value
}

fn too_long(artifact: &Scanned) -> bool {
    artifact.file.len() > NAME_BYTES_MAX
        || artifact.findings.iter().any(|finding| {
            finding.what.len().max(finding.subject.len()) > TEXT_BYTES_MAX
                || finding.at.file.len().max(finding.at.member.len()) > NAME_BYTES_MAX
        })
}

fn number(ask: &Ask<'_>, name: &str) -> Result<Option<u64>, No> {
    let wrong = |text: &str| No::usage(format!("`{text}` is no {name}"));
    ask.value(name)
        .map(|text| text.parse().map_err(|_| wrong(text)))
        .transpose()
}
