//! `audit search|show|scans|verify|prove|export|tail|erase|witness|replay`.

mod verify;

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use bartizan_types::Timestamp;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{explain, ocsf, policy, safe, scan, text, time};
use crate::{
    cli::{Audit, ExportFormat, Global, Search},
    client::encode,
    exit::Exit,
    failure::{Failure, file},
    link::{Absent, Link},
    output::{Output, table},
};

/// Records asked for at once while walking the log.
const PAGE: u64 = 1_000;
/// Longest event of the tail, in bytes: a record and its frame.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, audit: &Audit) -> Result<Exit, Failure> {
    match audit {
        Audit::Verify {
            checkpoints,
            vkey,
            dir,
        } => {
            return verify::log(global, out, checkpoints, vkey.as_deref(), dir.as_deref()).await;
        }
        Audit::Prove {
            index,
            check: true,
            vkey,
            checkpoints,
        } => {
            return verify::proof(global, out, Path::new(index), vkey.as_deref(), checkpoints).await;
        }
        _ => {}
    }
    let link = Link::connect(global, Absent::Fail)?;
    match audit {
        Audit::Search(wanted) => search(&link, out, wanted).await?,
        Audit::Show { index } => {
            let answer = link.read(&format!("/v1/records/{index}")).await?;
            let records = explain::stored(&json!([answer]))?;
            out.emit(&answer, |out| explain::render(out, &records))?;
        }
        Audit::Prove { index, .. } => {
            let proof = link.read(&format!("/v1/prove/{}", encode(index))).await?;
            let pretty = serde_json::to_string_pretty(&proof).unwrap_or_default();
            out.emit(&proof, |out| writeln!(out, "{pretty}"))?;
        }
        Audit::Export {
            format,
            out: path,
            from,
        } => export(&link, out, *format, path.as_deref(), *from).await?,
        Audit::Scans(wanted) => scan::list(&link, out, wanted).await?,
        Audit::Tail => tail(&link, out).await?,
        Audit::Erase { index, reason } => {
            let body = json!({ "reason": reason }).to_string().into_bytes();
            let answer = link
                .ask(&Method::POST, &format!("/v1/records/{index}/erase"), body)
                .await?;
            out.emit(&answer, |out| {
                writeln!(
                    out,
                    "record {index} erased under tombstone {}",
                    text(&answer["record"])
                )
            })?;
        }
        Audit::Witness { out: path } => witness(&link, out, path.as_deref()).await?,
        Audit::Replay { files, pack, limit } => {
            let (policy, _) = policy::wanted(global, files, *pack)?;
            let exit = replay(&link, out, &policy, *limit).await?;
            link.close().await?;
            return Ok(exit);
        }
        Audit::Verify { .. } => {}
    }
    link.close().await?;
    Ok(Exit::Done)
}

async fn search(link: &Link, out: Output, wanted: &Search) -> Result<(), Failure> {
    let mut query = format!("/v1/records?limit={}", wanted.limit);
    let named = [
        ("call", &wanted.call),
        ("session", &wanted.session),
        ("agent", &wanted.agent),
        ("action", &wanted.action),
        ("ruling", &wanted.ruling),
        ("kind", &wanted.kind),
        ("code", &wanted.code),
    ];
    for (key, value) in named {
        if let Some(value) = value {
            query.push_str(&format!("&{key}={}", encode(value)));
        }
    }
    if wanted.would_deny {
        query.push_str("&would_deny=true");
    }
    if let Some(since) = &wanted.since {
        query.push_str(&format!("&since={}", since_micros(since)?));
    }
    if let Some(until) = &wanted.until {
        query.push_str(&format!("&until={}", until_micros(until)?));
    }
    if let Some(before) = wanted.before {
        query.push_str(&format!("&before={before}"));
    }
    let answer = link.read(&query).await?;
    let rows: Vec<_> = array(&answer["records"]).map(row).collect();
    out.emit(&answer, |out| {
        table(
            out,
            &["INDEX", "TIME", "KIND", "RULING", "AGENT", "WHAT", "CODE"],
            &rows,
        )
    })
}

/// One line of a listing.
fn row(stored: &Value) -> Vec<String> {
    let record = &stored["record"];
    let facts = &record["facts"];
    let what = if facts.is_object() {
        let resource = &facts["resource"];
        let parts = ["server", "upstream", "tool", "prompt", "model", "uri"];
        let names: Vec<_> = parts.iter().filter_map(|part| resource[*part].as_str()).collect();
        format!("{} {}", text(&facts["action"]), names.join("/"))
    } else if record["ending"].is_string() {
        text(&record["ending"])
    } else if record.is_null() {
        "erased".to_owned()
    } else {
        text(&record["note"])
    };
    let short: String = safe(&what).chars().take(160).collect();
    vec![
        text(&stored["index"]),
        time(&stored["time"]),
        text(&stored["kind"]),
        text(&record["ruling"]) + observed(&record["because"]),
        text(&record["principal"]["agent"]),
        short,
        text(&record["code"]),
    ]
}

/// What the ruling would have been, where an observing policy let the call through.
fn observed(because: &Value) -> &'static str {
    let asks = because["would_permit"].as_array();
    match (because["would_deny"].as_bool(), asks) {
        (Some(true), Some(permits)) if !permits.is_empty() => ", would ask",
        (Some(true), _) => ", would deny",
        _ => "",
    }
}

/// Microseconds of a day: a date alone is its end.
const DAY_MICROS: u64 = 86_400_000_000;

/// A date (from its beginning, UTC), RFC 3339, seconds since 1970, or a span back from now such as `15m`, in
/// microseconds.
pub(super) fn since_micros(since: &str) -> Result<u64, Failure> {
    match Timestamp::parse(since) {
        Some(end) if since.len() == 10 => Ok(end.unix_micros().saturating_sub(DAY_MICROS)),
        Some(time) => Ok(time.unix_micros()),
        None => span_micros(since),
    }
}

/// The same, but a date is until its end.
pub(super) fn until_micros(until: &str) -> Result<u64, Failure> {
    match Timestamp::parse(until) {
        Some(time) => Ok(time.unix_micros()),
        None => span_micros(until),
    }
}

fn span_micros(since: &str) -> Result<u64, Failure> {
    let wrong = || {
        Failure::new(Exit::Usage, format!("`{since}` is no time")).hint(
            "a date such as 2026-11-28, a time such as 2026-11-28T18:00:00Z, or a span back such as 90s, 15m, 2h, 7d",
        )
    };
    let unit = match since.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        _ => {
            let seconds: u64 = since.parse().map_err(|_| wrong())?;
            return Ok(seconds.saturating_mul(1_000_000));
        }
    };
    let count: u64 = since
        .get(..since.len() - 1)
        .unwrap_or_default()
        .parse()
        .map_err(|_| wrong())?;
    let back = count.saturating_mul(unit).saturating_mul(1_000_000);
    Ok(crate::up::now().unix_micros().saturating_sub(back))
}

async fn export(
    link: &Link,
    out: Output,
    format: ExportFormat,
    path: Option<&Path>,
    from: u64,
) -> Result<(), Failure> {
    let size = link.read("/v1/checkpoint").await?["size"].as_u64().unwrap_or(0);
    let made = match path {
        Some(path) => Some(
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(file("making", path))?,
        ),
        None => None,
    };
    let mut to: Box<dyn Write> = match &made {
        Some(made) => Box::new(BufWriter::new(made)),
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let shown = path.unwrap_or_else(|| Path::new("standard output"));
    let bar = out.progress(size.saturating_sub(from), "exporting");
    let mut next = from;
    while next < size {
        let end = size.min(next.saturating_add(PAGE));
        for stored in page(link, next, end).await? {
            let line = match format {
                ExportFormat::Jsonl => stored,
                ExportFormat::Ocsf => match ocsf::event(&stored)? {
                    Some(event) => event,
                    None => continue,
                },
            };
            match writeln!(to, "{line}") {
                // A reader that went away ends the export quietly.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(file("writing", shown))?,
            }
        }
        bar.inc(end - next);
        next = end;
    }
    bar.finish_and_clear();
    match to.flush() {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
        written => written.map_err(file("writing", shown))?,
    }
    drop(to);
    if let Some(made) = made {
        made.sync_all().map_err(file("writing", shown))?;
    }
    Ok(())
}

/// The records from `from` to before `end`, all of them: what a search leaves out is read by itself.
async fn page(link: &Link, from: u64, end: u64) -> Result<Vec<Value>, Failure> {
    let mut answer = link
        .read(&format!("/v1/records?limit={}&before={end}", end - from))
        .await?;
    let mut found: std::collections::BTreeMap<u64, Value> = answer["records"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|stored| Some((stored["index"].as_u64()?, stored)))
        .collect();
    let mut all = Vec::new();
    for index in from..end {
        all.push(match found.remove(&index) {
            Some(stored) => stored,
            None => link.read(&format!("/v1/records/{index}")).await?,
        });
    }
    Ok(all)
}

async fn tail(link: &Link, out: Output) -> Result<(), Failure> {
    let mut body = link.stream("/v1/tail").await?.into_body();
    let mut buffer: Vec<u8> = Vec::new();
    let stop = crate::up::told_to_stop();
    tokio::pin!(stop);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = &mut stop => return Ok(()),
        };
        let Some(Ok(frame)) = frame else { return Ok(()) };
        buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if buffer.len() > EVENT_BYTES_MAX {
            return Err(Failure::new(Exit::Bug, "an event of the tail is too long"));
        }
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = buffer.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
                continue;
            };
            let stored: Value = serde_json::from_str(data).unwrap_or_default();
            out.emit(&stored, |out| writeln!(out, "{}", row(&stored).join("  ")))?;
        }
    }
}

async fn witness(link: &Link, out: Output, path: Option<&Path>) -> Result<(), Failure> {
    let head = link.read("/v1/checkpoint").await?;
    let note = text(&head["note"]);
    if let Some(path) = path {
        let statements: Vec<String> = array(&head["succession"]).map(text).collect();
        bartizan_store::append_notes(path, &statements, &note).map_err(file("writing", path))?;
    }
    out.emit(&head, |out| {
        write!(out, "{note}")?;
        writeln!(out, "\nvkey {}", text(&head["vkey"]))
    })
}

async fn replay(
    link: &Link,
    out: Output,
    policy: &bartizan_policy::Policy,
    limit: u64,
) -> Result<Exit, Failure> {
    let (mut before, mut seen, mut same, mut guesses, mut skipped) =
        (None::<u64>, 0_u64, 0_u64, 0_u64, 0_u64);
    let mut changed = Vec::new();
    let bar = out.progress(limit, "replaying");
    while seen < limit {
        let page = PAGE.min(limit - seen);
        let from = before.map_or_else(String::new, |before| format!("&before={before}"));
        let answer = link
            .read(&format!("/v1/records?kind=ruling&limit={page}{from}"))
            .await?;
        let records = explain::stored(&answer["records"])?;
        let Some(last) = records.last() else { break };
        before = Some(last.index);
        for stored in &records {
            seen += 1;
            bar.inc(1);
            let replayed = stored
                .record
                .as_ref()
                .map(|record| (record, bartizan_guard::replay(policy, record)));
            let Some((record, Ok(replayed))) = replayed else {
                skipped += 1;
                continue;
            };
            guesses += u64::from(!replayed.exact);
            if record.ruling == Some(replayed.decision.ruling) {
                same += 1;
                continue;
            }
            let facts = record.facts.as_ref();
            changed.push(json!({
                "index": stored.index,
                "call": record.call,
                "agent": record.principal.as_ref().map(|principal| &principal.agent),
                "action": facts.map(|facts| facts.action),
                "resource": facts.map(|facts| facts.resource.entity_id()),
                "recorded": record.ruling,
                "would_rule": replayed.decision.ruling,
                "exact": replayed.exact,
            }));
        }
    }
    bar.finish_and_clear();
    let value = json!({
        "replayed": seen - skipped, "same": same, "changed": changed, "guesses": guesses, "skipped": skipped,
        "policy": policy.digest(),
    });
    show_replay(out, &value)?;
    Ok(if changed.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn show_replay(out: Output, value: &Value) -> Result<(), Failure> {
    out.emit(value, |out| {
        let columns = ["INDEX", "AGENT", "ACTION", "RESOURCE", "RECORDED", "WOULD RULE"];
        let keys = ["index", "agent", "action", "resource", "recorded", "would_rule"];
        let rows: Vec<Vec<String>> = array(&value["changed"])
            .map(|one| keys.iter().map(|key| text(&one[*key])).collect())
            .collect();
        if !rows.is_empty() {
            table(out, &columns, &rows)?;
        }
        writeln!(
            out,
            "{} replayed: {} the same, {} would change, {} guessed, {} skipped",
            value["replayed"],
            value["same"],
            rows.len(),
            value["guesses"],
            value["skipped"]
        )
    })
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
