//! Scans in the ledger: written there when a state directory is given, listed and told again from there.

use std::io::{self, Write};

use bartizan_artifact::{Report, output::worst, shown};
use bartizan_types::{Digest, Scan, Scanned, Scanner, Verdict};
use http::Method;
use serde_json::{Value, json};

use super::verdict;
use crate::{
    cli::{Global, Scans},
    client::encode,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
    verb::{text, time},
};

/// Findings of one file that a record has room for.
const FINDINGS: usize = 32;
/// Bytes of one record's artifacts.
const PART_BYTES: usize = 160 << 10;
/// Artifacts of one record.
const PART_ARTIFACTS: usize = 500;

/// What is to be recorded.
pub(super) struct Noted<'r> {
    pub(super) scanner: Scanner,
    pub(super) cancelled: bool,
    pub(super) reports: &'r [Report],
    /// One for each report.
    pub(super) digests: &'r [Option<Digest>],
}

/// Writes a scan into the ledger of the state directory that was named, in as many parts as it takes.
pub(super) async fn note(global: &Global, out: Output, noted: &Noted<'_>) -> Result<(), Failure> {
    let link = Link::connect(global, Absent::Make)?;
    let parts = parts(noted);
    let (mut id, mut first, mut last) = (Value::Null, Value::Null, Value::Null);
    for (part, artifacts) in parts.iter().enumerate() {
        let body = json!({
            "id": id, "scanner": noted.scanner, "version": env!("CARGO_PKG_VERSION"),
            "verdict": worst(noted.reports), "files": noted.reports.len(), "part": part,
            "cancelled": noted.cancelled, "artifacts": artifacts,
        });
        let answer = link
            .ask(&Method::POST, "/v1/scans", body.to_string().into_bytes())
            .await?;
        id = answer["id"].clone();
        last = answer["record"].clone();
        if first.is_null() {
            first = last.clone();
        }
    }
    link.close().await?;
    let records = if first == last {
        format!("record {first}")
    } else {
        format!("records {first} to {last}")
    };
    out.remark(&format!("recorded as scan {} ({records})", text(&id)));
    Ok(())
}

/// The worst first, so that what matters is in the first record.
fn parts(noted: &Noted<'_>) -> Vec<Vec<Scanned>> {
    let mut order: Vec<_> = noted.reports.iter().zip(noted.digests).collect();
    order.sort_by_key(|(report, _)| std::cmp::Reverse(report.verdict));
    let mut parts: Vec<Vec<Scanned>> = vec![Vec::new()];
    let mut bytes = 0;
    for (report, digest) in order {
        let mut told = report.told(*digest, FINDINGS);
        let mut size = serde_json::to_vec(&told).map_or(0, |text| text.len());
        while size > PART_BYTES && told.findings.pop().is_some() {
            told.more += 1;
            size = serde_json::to_vec(&told).map_or(0, |text| text.len());
        }
        let full = parts.last().is_none_or(|part| {
            part.len() >= PART_ARTIFACTS || (bytes + size > PART_BYTES && !part.is_empty())
        });
        if full {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(told);
        }
    }
    parts
}

/// `audit scans`.
pub(crate) async fn list(link: &Link, out: Output, wanted: &Scans) -> Result<(), Failure> {
    let mut query = format!("/v1/scans?limit={}", wanted.limit);
    let named = [
        ("scanner", wanted.scanner.as_deref()),
        ("verdict", wanted.verdict.as_deref()),
        ("digest", wanted.digest.as_deref()),
        ("file", wanted.file.as_deref()),
    ];
    for (key, value) in named {
        if let Some(value) = value {
            query.push_str(&format!("&{key}={}", encode(value)));
        }
    }
    if let Some(before) = wanted.before {
        query.push_str(&format!("&before={before}"));
    }
    let answer = link.read(&query).await?;
    let rows: Vec<Vec<String>> = answer["scans"]
        .as_array()
        .into_iter()
        .flatten()
        .map(row)
        .collect();
    out.emit(&answer, |out| {
        table(
            out,
            &["INDEX", "TIME", "SCAN", "VERDICT", "FILES", "WORST"],
            &rows,
        )
    })
}

fn row(scan: &Value) -> Vec<String> {
    let worst = &scan["artifacts"][0];
    let finding = &worst["findings"][0];
    let what = match finding["rule"].as_str() {
        Some(rule) => format!("{}: {rule} {}", text(&worst["file"]), text(&finding["subject"])),
        None => text(&worst["file"]),
    };
    vec![
        text(&scan["index"]),
        time(&scan["time"]),
        format!("{} {}", text(&scan["scanner"]), text(&scan["id"])),
        text(&scan["verdict"]),
        text(&scan["files"]),
        shown(what.as_bytes(), 90),
    ]
}

/// A recorded scan in words, as `scan` told it.
pub(crate) fn told(to: &mut dyn Write, scan: &Scan) -> io::Result<()> {
    let cancelled = if scan.cancelled {
        ", stopped before its end"
    } else {
        ""
    };
    writeln!(
        to,
        "  scan      {}, part {}, {} files, {}{cancelled}",
        scan.id,
        scan.part,
        scan.files,
        verdict(scan.verdict)
    )?;
    for artifact in &scan.artifacts {
        let digest = artifact
            .digest
            .map_or_else(String::new, |digest| format!(" sha256 {digest}"));
        writeln!(
            to,
            "  {} {} ({}){digest}",
            verdict(artifact.verdict),
            shown(artifact.file.as_bytes(), 4096),
            shown(artifact.format.as_bytes(), 100)
        )?;
        for finding in artifact
            .findings
            .iter()
            .filter(|finding| finding.severity > Verdict::Clean)
        {
            writeln!(
                to,
                "    {} {} @{}: {}",
                verdict(finding.severity),
                shown(finding.rule.as_bytes(), 60),
                finding.at.offset,
                shown(finding.what.as_bytes(), 400)
            )?;
            if let Some(why) = &finding.covered {
                writeln!(to, "      covered: {}", shown(why.as_bytes(), 400))?;
            }
        }
        if artifact.more > 0 {
            writeln!(
                to,
                "    and {} findings that the record has no room for",
                artifact.more
            )?;
        }
    }
    Ok(())
}
