//! What the ledger does when its disk fails: it never acknowledges what may be lost, and never starts to again.

mod failing;

use bartizan_store::{ChangeKey, Ledger, LedgerFault, LedgerOptions, Query, WrappingKey};
use bartizan_types::{Code, Record, RecordKind, Timestamp};
use failing::{Failing, Fails};

fn record(second: u64) -> Record {
    Record::new(
        RecordKind::Lifecycle,
        Timestamp::from_unix_seconds(1_000_000 + second),
    )
}

fn options() -> LedgerOptions {
    LedgerOptions {
        segment_bytes: 1 << 20,
        ..LedgerOptions::default()
    }
}

/// One failure, then the disk is well again: every later append fails, until the ledger is opened anew.
async fn poisons(fails: Fails) {
    let place = tempfile::tempdir().expect("a directory");
    let (medium, switch) = Failing::on(place.path());
    let (ledger, _) = Ledger::open_on(medium, WrappingKey::new([1; 32]), options()).expect("opens");
    let kept = ledger.append(&record(0)).await.expect("acknowledged");
    switch.set(fails);
    let fault = ledger.append(&record(1)).await.expect_err("not acknowledged");
    assert_eq!(fault.code(), Code::LedgerPoisoned, "{fails:?}: {fault}");
    switch.set(Fails::Nothing);
    for second in 2..10 {
        let fault = ledger.append(&record(second)).await.expect_err("for ever");
        assert_eq!(fault.code(), Code::LedgerPoisoned, "{fails:?}: {fault}");
        assert!(ledger.append_deferred(&record(second)).is_err());
    }
    assert!(ledger.stats().poisoned);
    // The head that was told covers what was acknowledged and nothing of what failed.
    assert_eq!(ledger.checkpoint().checkpoint().size, kept.size);
    // Waits until the writer let go of its files; whether it could end them well does not matter here.
    let _ = ledger.close().await;
    let (ledger, recovered) = reopen(place.path()).await;
    assert!(recovered >= kept.size, "{fails:?}: {recovered}");
    assert_eq!(ledger.read(kept.index).expect("there").entry.time, record(0).time);
    ledger.append(&record(20)).await.expect("healed by opening");
}

async fn reopen(place: &std::path::Path) -> (Ledger, u64) {
    let (ledger, recovered) =
        Ledger::open(place, WrappingKey::new([1; 32]), options()).expect("opens on a disk that is well");
    (ledger, recovered.size)
}

#[tokio::test]
async fn a_failed_write_poisons_for_ever() {
    poisons(Fails::Write).await;
}

#[tokio::test]
async fn a_failed_sync_poisons_for_ever() {
    poisons(Fails::Sync).await;
}

#[tokio::test]
async fn a_next_key_that_can_not_be_kept_changes_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let (medium, switch) = Failing::on(place.path());
    let (ledger, _) = Ledger::open_on(medium, WrappingKey::new([1; 32]), options()).expect("opens");
    ledger.append(&record(0)).await.expect("acknowledged");
    let before = ledger.verifier();
    let wanted = || ChangeKey {
        now: Timestamp::from_unix_seconds(1_000_001),
        overlap_micros: 0,
        by: "test".to_owned(),
    };
    switch.set(Fails::Keys);
    let fault = ledger.change_key(wanted()).await.expect_err("no room");
    assert!(matches!(fault, LedgerFault::Unkept(_)), "{fault:?}");
    assert_eq!(fault.code(), Code::StateUnwritable);
    // Records are written as before, so nothing says that they are not.
    assert!(!ledger.stats().poisoned);
    ledger.append(&record(2)).await.expect("acknowledged");
    assert_eq!(ledger.verifier(), before);
    switch.set(Fails::Nothing);
    ledger.change_key(wanted()).await.expect("changes");
    assert_ne!(ledger.verifier(), before);
    ledger.append(&record(3)).await.expect("acknowledged");
    ledger.close().await.expect("closes");
    let (_, recovered) = reopen(place.path()).await;
    assert_eq!(recovered, 4);
}

#[tokio::test]
async fn no_room_at_the_start_is_said_and_loses_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let (ledger, _) = reopen(place.path()).await;
    let kept = ledger.append(&record(0)).await.expect("acknowledged");
    ledger.close().await.expect("closes");
    let (medium, switch) = Failing::on(place.path());
    switch.set(Fails::Allocate);
    let Err(fault) = Ledger::open_on(medium, WrappingKey::new([1; 32]), options()) else {
        panic!("a ledger without room to write must not open");
    };
    assert!(matches!(fault, LedgerFault::Full), "{fault:?}");
    assert_eq!(fault.code(), Code::LedgerFull);
    let (ledger, recovered) = reopen(place.path()).await;
    assert!(recovered >= kept.size);
    ledger.append(&record(1)).await.expect("room again");
}

/// More than a tile, so that hashes of whole tiles wait, too.
const MANY: u64 = 300;

#[tokio::test]
async fn search_and_proofs_pause_without_room_and_go_on_by_themselves() {
    let place = tempfile::tempdir().expect("a directory");
    let (medium, switch) = Failing::on(place.path());
    let (ledger, _) = Ledger::open_on(medium, WrappingKey::new([1; 32]), options()).expect("opens");
    let first = ledger.append(&record(0)).await.expect("acknowledged");
    switch.set(Fails::Derived);
    let mut last = first;
    for second in 1..MANY {
        last = ledger.append(&record(second)).await.expect("the log goes on");
    }
    assert!(ledger.stats().paused && !ledger.stats().poisoned);
    let search = || ledger.search(&Query::default());
    for fault in [
        ledger.read(last.index).expect_err("not found"),
        search().expect_err("not found"),
        ledger.prove(last.index).expect_err("not proved"),
    ] {
        assert!(matches!(fault, LedgerFault::Paused), "{fault:?}");
        assert_eq!(fault.code(), Code::LedgerFull);
    }
    ledger
        .read(first.index)
        .expect("what was written before is there");
    switch.set(Fails::Nothing);
    // Nothing is appended: the writer tries by itself.
    for _ in 0..100 {
        if !ledger.stats().paused {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!ledger.stats().paused);
    assert_eq!(
        search().expect("found").first().map(|found| found.index),
        Some(last.index)
    );
    for index in [first.index, last.index] {
        ledger.prove(index).expect("proved");
    }
    ledger.close().await.expect("closes");
    let (_, recovered) = reopen(place.path()).await;
    assert_eq!(recovered, last.size);
}

#[tokio::test]
async fn what_found_no_room_until_the_end_is_rebuilt() {
    let place = tempfile::tempdir().expect("a directory");
    let (medium, switch) = Failing::on(place.path());
    let (ledger, _) = Ledger::open_on(medium, WrappingKey::new([1; 32]), options()).expect("opens");
    switch.set(Fails::Derived);
    let last = ledger.append(&record(0)).await.expect("acknowledged");
    ledger.close().await.expect("closes");
    let (ledger, _) = reopen(place.path()).await;
    ledger.prove(last.index).expect("proved");
}
