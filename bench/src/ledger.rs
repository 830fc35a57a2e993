//! The ledger's figures: how many records a second, how late an acknowledgement, and what crashes, kills and
//! tampering cost. On the disk under the working directory, with the options a user gets.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use bartizan_store::{Ledger, LedgerOptions, Pending, WrappingKey};
use bartizan_types::{CallId, Record, RecordKind, RulingWord, Timestamp};

use crate::figure::Figure;

const PRODUCERS: usize = 64;
/// Serialised size of a record, before sealing.
const RECORD_BYTES: usize = 512;
/// Records each producer has under way where the rate is measured.
const PIPELINE: usize = 32;
/// One seed for every simulation, printed with its figures.
const SEED: u64 = 0xBA27_12A4;

/// When this process is the writer that [`run`] kills, writes until killed and never returns `false`.
pub(crate) fn child() -> bool {
    let place = std::env::var_os(bartizan_sim::CHILD_VARIABLE);
    if let Some(place) = &place {
        bartizan_sim::run_child(place.as_ref());
    }
    place.is_some()
}

/// Takes the figures; `quick` takes a tenth of the samples.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    let mut figures = speed(quick);
    figures.extend(crashes(quick));
    figures.extend(tampering(quick));
    figures.extend(kills(quick));
    figures.iter_mut().for_each(|figure| figure.quick = quick);
    figures
}

fn record(number: u64) -> Record {
    let mut record = Record::new(
        RecordKind::Ruling,
        Timestamp::from_unix_micros(1_795_000_000_000_000 + number),
    );
    record.call = Some(CallId::mint(record.time, u128::from(number)));
    record.ruling = Some(RulingWord::Deny);
    record.note = Some(String::new());
    let bare = serde_json::to_vec(&record).map_or(0, |bytes| bytes.len());
    record.note = Some("n".repeat(RECORD_BYTES.saturating_sub(bare)));
    record
}

/// A fresh directory on the disk under the working directory.
fn place() -> std::io::Result<tempfile::TempDir> {
    let target = PathBuf::from("target");
    let here = if target.is_dir() {
        target
    } else {
        PathBuf::from(".")
    };
    tempfile::Builder::new().prefix("ledger-bench-").tempdir_in(here)
}

fn speed(quick: bool) -> Vec<Figure> {
    let (runs, time) = if quick {
        (1, Duration::from_secs(2))
    } else {
        (5, Duration::from_secs(5))
    };
    let (mut rates, mut tails) = (Vec::new(), Vec::new());
    let mut samples = 0;
    let mut measure = || -> Result<(), String> {
        for _ in 0..runs {
            let place = place().map_err(|fault| fault.to_string())?;
            rates.push(rate(place.path(), time)?);
            let mut late = latencies(place.path(), time)?;
            samples += late.len() as u64;
            late.sort_unstable();
            let at = late.len().saturating_sub(1) * 99 / 100;
            let p99 = late.get(at).ok_or("no acknowledgement arrived")?;
            tails.push(p99.as_secs_f64() * 1e3);
        }
        Ok(())
    };
    match measure() {
        Ok(()) => {
            let mut tail = Figure::median_of("ledger_ack_p99_ms", "ms", &tails);
            tail.n = samples;
            vec![Figure::median_of("ledger_records_per_s", "per_s", &rates), tail]
        }
        Err(reason) => vec![
            Figure::missing("ledger_records_per_s", "per_s", reason.clone()),
            Figure::missing("ledger_ack_p99_ms", "ms", reason),
        ],
    }
}

fn open(place: &Path) -> Result<Ledger, String> {
    let key = WrappingKey::new([7; 32]);
    let opened = Ledger::open(&place.join("ledger"), key, LedgerOptions::default());
    opened
        .map(|(ledger, _)| ledger)
        .map_err(|fault| format!("{fault:?}"))
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|fault| fault.to_string())
}

/// Acknowledged records a second, 64 producers, pipelined.
fn rate(place: &Path, time: Duration) -> Result<f64, String> {
    let ledger = open(place)?;
    let start = Instant::now();
    let acknowledged = runtime()?.block_on(async {
        let producers: Vec<_> = (0..PRODUCERS as u64)
            .map(|number| tokio::spawn(pipeline(ledger.clone(), number, time)))
            .collect();
        let mut total = 0;
        for producer in producers {
            total += producer.await.map_err(|fault| fault.to_string())??;
        }
        Ok::<u64, String>(total)
    })?;
    let rate = acknowledged as f64 / start.elapsed().as_secs_f64();
    // Closed properly, so that the next opening is quick and the tail below starts clean.
    runtime()?
        .block_on(ledger.close())
        .map_err(|fault| format!("{fault:?}"))?;
    Ok(rate)
}

async fn pipeline(ledger: Ledger, number: u64, time: Duration) -> Result<u64, String> {
    let start = Instant::now();
    let record = record(number);
    let mut under_way: std::collections::VecDeque<Pending> = std::collections::VecDeque::new();
    let mut acknowledged = 0;
    while start.elapsed() < time || !under_way.is_empty() {
        while start.elapsed() < time && under_way.len() < PIPELINE {
            under_way.push_back(ledger.submit(&record).map_err(|fault| format!("{fault:?}"))?);
        }
        if let Some(pending) = under_way.pop_front() {
            pending
                .acknowledged()
                .await
                .map_err(|fault| format!("{fault:?}"))?;
            acknowledged += 1;
        }
    }
    Ok(acknowledged)
}

/// From handing in to acknowledgement, 64 producers with one record each under way.
fn latencies(place: &Path, time: Duration) -> Result<Vec<Duration>, String> {
    let ledger = open(place)?;
    let all = runtime()?.block_on(async {
        let producers: Vec<_> = (0..PRODUCERS as u64)
            .map(|number| tokio::spawn(one_by_one(ledger.clone(), number, time)))
            .collect();
        let mut all = Vec::new();
        for producer in producers {
            all.extend(producer.await.map_err(|fault| fault.to_string())??);
        }
        Ok::<_, String>(all)
    })?;
    runtime()?
        .block_on(ledger.close())
        .map_err(|fault| format!("{fault:?}"))?;
    Ok(all)
}

async fn one_by_one(ledger: Ledger, number: u64, time: Duration) -> Result<Vec<Duration>, String> {
    let start = Instant::now();
    let record = record(number);
    let mut all = Vec::new();
    while start.elapsed() < time {
        let began = Instant::now();
        ledger
            .append(&record)
            .await
            .map_err(|fault| format!("{fault:?}"))?;
        all.push(began.elapsed());
    }
    Ok(all)
}

fn crashes(quick: bool) -> [Figure; 2] {
    let report = bartizan_sim::crash_states(SEED, if quick { 1200 } else { 12_000 });
    report
        .failures
        .iter()
        .for_each(|failure| eprintln!("crash state: {failure}"));
    // A state that fails in any other way than by a lost record counts too: it must not pass as none.
    let lost = report.lost.max(report.failures.len() as u64);
    [
        Figure::of("crash_states_tried", report.states as f64, "count", report.states),
        Figure::of("crash_acked_records_lost", lost as f64, "count", report.states),
    ]
}

fn tampering(quick: bool) -> [Figure; 2] {
    let report = bartizan_sim::mutations(SEED, if quick { 1000 } else { 10_000 });
    report
        .failures
        .iter()
        .for_each(|failure| eprintln!("undetected: {failure}"));
    [
        Figure::of("log_mutations_tried", report.tried as f64, "count", report.tried),
        Figure::of(
            "log_mutations_undetected",
            report.undetected as f64,
            "count",
            report.tried,
        ),
    ]
}

fn kills(quick: bool) -> [Figure; 2] {
    let rounds = if quick { 20 } else { 200 };
    let names = ["ledger_kill9_rounds", "ledger_kill9_acked_records_lost"];
    let result = place().and_then(|place| {
        let me = std::env::current_exe()?;
        bartizan_sim::kill_rounds(SEED, rounds, place.path(), &mut || Command::new(&me))
    });
    match result {
        Ok(report) => {
            report
                .failures
                .iter()
                .for_each(|failure| eprintln!("kill -9: {failure}"));
            let lost = report.lost.max(report.failures.len() as u64);
            [
                Figure::of(names[0], report.rounds as f64, "count", report.acknowledged),
                Figure::of(names[1], lost as f64, "count", report.acknowledged),
            ]
        }
        Err(fault) => names.map(|name| Figure::missing(name, "count", fault.to_string())),
    }
}
