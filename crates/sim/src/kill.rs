//! A process that writes to a real ledger and is killed with SIGKILL, again and again.
//!
//! The child prints the index and number of each record once it is acknowledged; the parent kills it at a random
//! moment, opens the ledger itself, and looks for every line it read. Proves recovery from a dead process; that
//! synced means synced is for the crash states to show.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use bartizan_store::{Ledger, LedgerOptions};
use bartizan_types::{Record, RecordKind, Timestamp};

use crate::{
    random::Random,
    workload::{ORIGIN, key},
};

/// Names the ledger's directory to the child; a process with it set must call [`run_child`] and do nothing else.
pub const CHILD_VARIABLE: &str = "BARTIZAN_SIM_CHILD";
const WRITERS: u64 = 4;

/// What the kills showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KillReport {
    /// Processes killed.
    pub rounds: u64,
    /// Acknowledgements read from them.
    pub acknowledged: u64,
    /// Acknowledged records that were not there, or another.
    pub lost: u64,
    /// The first things that went wrong, at most 10.
    pub failures: Vec<String>,
}

fn options() -> LedgerOptions {
    LedgerOptions {
        origin: ORIGIN.to_owned(),
        segment_bytes: 1 << 20,
        ..LedgerOptions::default()
    }
}

fn record(number: u64) -> Record {
    let mut record = Record::new(
        RecordKind::Operation,
        Timestamp::from_unix_micros(1_700_000_000_000_000 + number),
    );
    record.note = Some(format!(
        "number {number} {}",
        "x".repeat(usize::try_from(number % 700).unwrap_or(0))
    ));
    record
}

/// Writes until killed. Call first in `main` (or in a test) when [`CHILD_VARIABLE`] is set.
///
/// # Panics
/// When the ledger does not open or refuses a record: the parent then reads no acknowledgement.
pub fn run_child(place: &Path) {
    let (ledger, recovered) = Ledger::open(place, key(), options()).expect("the ledger opens");
    let next = AtomicU64::new(recovered.size);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let receipt = ledger
                        .submit(&record(number))
                        .and_then(bartizan_store::Pending::wait);
                    let receipt = receipt.expect("the record is acknowledged");
                    let mut out = std::io::stdout().lock();
                    let line = format!("acked {} {number}\n", receipt.index);
                    // The parent may be gone; then there is nothing left to tell.
                    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Runs and kills `command`, which must reach [`run_child`], `rounds` times over one ledger.
pub fn kill_rounds(
    seed: u64,
    rounds: u64,
    place: &Path,
    command: &mut dyn FnMut() -> Command,
) -> std::io::Result<KillReport> {
    let mut random = Random::new(seed);
    let mut report = KillReport::default();
    let mut known: BTreeMap<u64, u64> = BTreeMap::new();
    while report.rounds < rounds {
        let mut child = command()
            .env(CHILD_VARIABLE, place)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let Some(out) = child.stdout.take() else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let (began, begins) = mpsc::sync_channel(1);
        let reader = thread::spawn(move || {
            let mut acked: Vec<(u64, u64)> = Vec::new();
            let mut out = BufReader::new(out);
            let mut line = String::new();
            // A line that the kill cut has no newline, and was not said.
            while out.read_line(&mut line).is_ok_and(|_| line.ends_with('\n')) {
                let mut words = line.trim_end().split(' ');
                let parsed = (
                    words.next(),
                    words.next().map(str::parse),
                    words.next().map(str::parse),
                );
                if let (Some("acked"), Some(Ok(index)), Some(Ok(number))) = parsed {
                    acked.push((index, number));
                    // Nobody listens after the first; that is fine.
                    let _ = began.try_send(());
                }
                line.clear();
            }
            acked
        });
        // Some are killed while they still open the ledger, most while they write.
        if !random.one_in(8) {
            let _ = begins.recv_timeout(Duration::from_secs(10));
        }
        thread::sleep(Duration::from_millis(random.below(60) as u64));
        child.kill()?;
        child.wait()?;
        let acked = reader.join().unwrap_or_default();
        report.rounds += 1;
        report.acknowledged += acked.len() as u64;
        let fresh: BTreeMap<u64, u64> = acked.into_iter().collect();
        check(place, &fresh, &mut report);
        known.extend(fresh);
        if report.failures.len() >= 10 {
            break;
        }
    }
    check(place, &known, &mut report);
    Ok(report)
}

fn check(place: &Path, known: &BTreeMap<u64, u64>, report: &mut KillReport) {
    let fail = |report: &mut KillReport, lost: u64, what: String| {
        report.lost += lost;
        if report.failures.len() < 10 {
            report.failures.push(format!("round {}: {what}", report.rounds));
        }
    };
    let ledger = match Ledger::open(place, key(), options()) {
        Ok((ledger, _)) => ledger,
        Err(fault) => return fail(report, known.len() as u64, format!("{fault:?}")),
    };
    for (index, number) in known {
        let found = ledger.read(*index);
        if !matches!(&found, Ok(stored) if stored.record.as_ref() == Some(&record(*number))) {
            fail(report, 1, format!("record {index}: {found:?}"));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    match runtime.map(|runtime| runtime.block_on(ledger.close())) {
        Ok(Ok(())) => {}
        other => fail(report, 0, format!("closing: {other:?}")),
    }
}
