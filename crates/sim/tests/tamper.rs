//! Mutations of committed bytes; the bench tries ten times as many.

#[test]
fn no_mutation_passes_a_head_held_elsewhere() {
    let seed = 0x7A3;
    let report = bartizan_sim::mutations(seed, 1000);
    assert_eq!(report.failures, Vec::<String>::new(), "seed {seed:#x}");
    assert_eq!((report.undetected, report.tried), (0, 1000));
    assert_eq!(report.resigned, 500);
}
