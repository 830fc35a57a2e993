//! Crash states: a journal writes on the recording disk; every state a crash could leave is opened again.
//!
//! For each state: it opens, every record acknowledged before the crash is there and equal, an acknowledged erasure
//! is done, an acknowledged change of the log's key took place, and the new head grew from the last acknowledged one,
//! for whoever knows the log's first key only. Rounds go on from a crashed state, so that
//! recovery's own writes crash too.

use std::{collections::BTreeMap, sync::Arc};

use bartizan_ledger::{KeyFault, LogKeys, SignedCheckpoint, Verdict};
use bartizan_store::{ChangeKey, Held, Journal, LedgerFault, Medium, verify_medium};
use bartizan_types::{Record, Timestamp};

use crate::{
    disk::{Image, Loss, Recorder},
    random::Random,
    workload::{START, key, options, record},
};

/// What the crashes showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// States opened.
    pub states: u64,
    /// States among them in which the crash cost an unacknowledged write.
    pub torn: u64,
    /// States of a log whose key had changed.
    pub changed: u64,
    /// States in which a change of key was in the log and not yet acknowledged: opening had to finish it.
    pub settled: u64,
    /// Acknowledged records that were not there or not equal, over all states.
    pub lost: u64,
    /// The first things that went wrong, at most 10.
    pub failures: Vec<String>,
}

#[derive(Clone, Default)]
struct Known {
    records: BTreeMap<u64, Record>,
    erased: BTreeMap<u64, ()>,
    head: Option<SignedCheckpoint>,
    keys: Option<LogKeys>,
}

/// Something acknowledged when this many operations had been done.
struct Acknowledged {
    operations: usize,
    records: Vec<(u64, Record)>,
    erased: Option<u64>,
    head: SignedCheckpoint,
    keys: LogKeys,
}

/// Opens at least `states` crash states, from a seed.
#[must_use]
pub fn crash_states(seed: u64, states: u64) -> CrashReport {
    let mut random = Random::new(seed);
    let mut report = CrashReport::default();
    let mut base = Image::new();
    let mut known = Known::default();
    let mut number = 0;
    while report.states < states {
        let disk = Recorder::from_image(&base);
        let written = write(&disk, &mut number, &mut random);
        let acknowledged = match written {
            Ok(acknowledged) => acknowledged,
            Err(fault) => {
                report.fail(seed, &format!("writing: {fault}"));
                return report;
            }
        };
        let total = disk.operations();
        for count in 0..=total {
            let now = until(&known, &acknowledged, count);
            try_state(
                &disk.crashed(count, Loss::All, &mut random),
                &now,
                seed,
                &mut report,
            );
            try_state(
                &disk.crashed(count, Loss::Nothing, &mut random),
                &now,
                seed,
                &mut report,
            );
            for _ in 0..6 {
                try_state(
                    &disk.crashed(count, Loss::Chance, &mut random),
                    &now,
                    seed,
                    &mut report,
                );
            }
            if report.states >= states || report.failures.len() >= 10 {
                return report;
            }
        }
        let count = random.below(total + 1);
        known = until(&known, &acknowledged, count);
        // Start anew now and then, so that states stay small and first openings are tried often.
        if random.one_in(4) {
            (base, known) = (Image::new(), Known::default());
        } else {
            base = disk.crashed(count, Loss::Chance, &mut random);
        }
    }
    report
}

impl CrashReport {
    fn fail(&mut self, seed: u64, what: &str) {
        if self.failures.len() < 10 {
            self.failures.push(format!("seed {seed}: {what}"));
        }
    }
}

/// What was acknowledged when `count` operations had been done.
fn until(known: &Known, acknowledged: &[Acknowledged], count: usize) -> Known {
    let mut now = known.clone();
    for one in acknowledged.iter().filter(|one| one.operations <= count) {
        now.records.extend(one.records.iter().cloned());
        now.erased.extend(one.erased.map(|index| (index, ())));
        now.head = Some(one.head.clone());
        now.keys = Some(one.keys.clone());
    }
    now
}

/// Opens, writes batches, erases now and then.
fn write(disk: &Recorder, number: &mut u64, random: &mut Random) -> Result<Vec<Acknowledged>, LedgerFault> {
    let medium: Arc<dyn Medium> = Arc::new(disk.clone());
    let (mut journal, _) = Journal::open(medium, key(), options(), "")?;
    let mut acknowledged = Vec::new();
    for _ in 0..12 + random.below(20) {
        let mut records: Vec<Record> = Vec::new();
        for _ in 0..1 + random.below(9) {
            *number += 1;
            records.push(record(*number, random));
        }
        let receipts = journal.commit_records(&records)?;
        let placed = receipts
            .iter()
            .map(|receipt| receipt.index)
            .zip(records)
            .collect();
        acknowledged.push(Acknowledged {
            operations: disk.operations(),
            records: placed,
            erased: None,
            head: (*journal.head()).clone(),
            keys: journal.keys(),
        });
        // Overlaps of none, of some records, and of all that follow.
        if random.one_in(12) {
            let changed = journal.change_key(&ChangeKey {
                now: Timestamp::from_unix_micros(START + *number),
                overlap_micros: [0, 20, 1 << 40][random.below(3)],
                by: "the simulation".to_owned(),
            });
            match changed {
                Ok(_) => acknowledged.push(Acknowledged {
                    operations: disk.operations(),
                    records: Vec::new(),
                    erased: None,
                    head: (*journal.head()).clone(),
                    keys: journal.keys(),
                }),
                Err(LedgerFault::KeyChange(KeyFault::Retiring)) => {}
                Err(fault) => return Err(fault),
            }
        }
        if random.one_in(6) {
            let target = receipts[0].index;
            let receipt = journal.erase(target, "simulated", Timestamp::from_unix_micros(START + *number))?;
            debug_assert!(receipt.size > receipt.index);
            acknowledged.push(Acknowledged {
                operations: disk.operations(),
                records: Vec::new(),
                erased: Some(target),
                head: (*journal.head()).clone(),
                keys: journal.keys(),
            });
        }
    }
    Ok(acknowledged)
}

fn try_state(image: &Image, known: &Known, seed: u64, report: &mut CrashReport) {
    report.states += 1;
    let disk = Recorder::from_image(image);
    let medium: Arc<dyn Medium> = Arc::new(disk.clone());
    let (journal, recovered) = match Journal::open(Arc::clone(&medium), key(), options(), "") {
        Ok(opened) => opened,
        Err(fault) => {
            report.lost += known.records.len() as u64;
            return report.fail(seed, &format!("state {}: {fault:?}", report.states));
        }
    };
    report.torn += u64::from(recovered.dropped_bytes > 0);
    for (index, record) in &known.records {
        let found = journal.read(*index);
        let fits = match &found {
            Ok(stored) if known.erased.contains_key(index) => stored.record.is_none(),
            // An erasure may have become durable without having been acknowledged.
            Ok(stored) => stored.record.as_ref() == Some(record) || stored.erased_by.is_some(),
            Err(_) => false,
        };
        if !fits {
            report.lost += 1;
            report.fail(
                seed,
                &format!("state {}: record {index}: {found:?}", report.states),
            );
        }
    }
    let keys = journal.keys();
    let known_keys = known.keys.as_ref().map_or(&[][..], |known| known.changes());
    if !keys.changes().starts_with(known_keys) {
        report.fail(seed, &format!("state {}: keys {keys:?}", report.states));
    }
    report.changed += u64::from(!keys.changes().is_empty());
    report.settled += u64::from(keys.changes().len() > known_keys.len());
    let notes = known.head.as_ref().map_or("", SignedCheckpoint::note);
    let held = Held::gather_on(medium.as_ref(), keys.first(), notes);
    match held.and_then(|held| verify_medium(medium.as_ref(), &held, Some(key()))) {
        Ok(found) if found.keys != keys => report.fail(seed, &format!("state {}: other keys", report.states)),
        Ok(found) if found.verdict() != Verdict::Damaged => {}
        other => report.fail(seed, &format!("state {}: {other:?}", report.states)),
    }
}
