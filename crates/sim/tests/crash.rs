//! Crash states of the ledger; the bench tries ten times as many.

#[test]
fn no_crash_state_loses_an_acknowledged_record() {
    let seed = 0xB0A7;
    let report = bartizan_sim::crash_states(seed, 1800);
    assert_eq!(report.failures, Vec::<String>::new(), "seed {seed:#x}");
    assert_eq!(report.lost, 0);
    assert!(report.states >= 1800 && report.torn > 50, "{report:?}");
    assert!(report.changed > 200 && report.settled > 20, "{report:?}");
}
