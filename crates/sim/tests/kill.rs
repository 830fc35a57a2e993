//! `kill -9` of a process that writes; the bench kills ten times as many.

use std::process::Command;

/// Not a test: the child that `killed_writers_lose_nothing` starts and kills.
#[test]
fn child() {
    if let Some(place) = std::env::var_os(bartizan_sim::CHILD_VARIABLE) {
        bartizan_sim::run_child(place.as_ref());
    }
}

#[test]
fn killed_writers_lose_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let me = std::env::current_exe().expect("this test");
    let mut command = || {
        let mut command = Command::new(&me);
        command.args(["child", "--exact", "--nocapture"]);
        command
    };
    let report = bartizan_sim::kill_rounds(7, 20, place.path(), &mut command).expect("processes start");
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!((report.rounds, report.lost), (20, 0));
    assert!(report.acknowledged > 100, "{report:?}");
}
