//! Mutations of committed bytes; the bench tries ten times as many.

#[test]
fn no_mutation_passes_a_head_held_elsewhere() {
    let seed = 0x7A3;
    let report = bartizan_sim::mutations(seed, 1000);
    assert_eq!(report.failures, Vec::<String>::new(), "seed {seed:#x}");
    assert_eq!((report.undetected, report.tried), (0, 1000));
    assert_eq!(report.resigned, 500);
}

#[test]
fn no_mutation_of_a_log_whose_key_changed_passes_a_head_from_after() {
    let seed = 0x7A4;
    let report = bartizan_sim::mutations_of_changed(seed, 1500);
    assert_eq!(report.failures, Vec::<String>::new(), "seed {seed:#x}");
    assert_eq!((report.undetected, report.tried), (0, 1500));
    assert_eq!(report.resigned, 1000);
}
