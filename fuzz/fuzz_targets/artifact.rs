//! What the targets of artifacts share: any bytes are judged within bounds, twice the same.

use bartizan_artifact::{
    Limits, Source, Verdict,
    data::{Beside, Chosen, Course, Inspected, folder, table},
    model,
};

/// The first byte picks the name, and with it the reader of formats that have no first bytes of their own.
#[allow(dead_code, reason = "each target uses one of them")]
pub fn judged(names: &[&str], data: &[u8]) {
    let [pick, data @ ..] = data else { return };
    let name = names[usize::from(*pick) % names.len()];
    let limits = Limits {
        unpacked_bytes: 1 << 22,
        held_bytes: 1 << 20,
        document_bytes: 1 << 20,
        members: 1 << 10,
        depth: 6,
        findings: 100,
    };
    let bytes = data.to_vec();
    let first = model(name, &bytes, &limits);
    let again = model(name, &bytes, &limits);
    assert_eq!(first.verdict, again.verdict);
    assert_eq!(first.findings.len(), again.findings.len());
    assert!(first.findings.len() <= 101);
    let honest = first.findings.iter().all(|finding| finding.severity == Verdict::Clean);
    assert_eq!(first.verdict == Verdict::Clean, honest);
}

/// The same for data sets.
#[allow(dead_code, reason = "each target uses one of them")]
pub fn rows(names: &[&str], data: &[u8]) {
    let [pick, data @ ..] = data else { return };
    let name = names[usize::from(*pick) % names.len()];
    let bytes = data.to_vec();
    let chosen = Chosen {
        contents: false,
        ..Chosen::default()
    };
    let scan = || table(name, &bytes, Beside::default(), &chosen).expect("nothing beside is asked for");
    let (first, again) = (scan(), scan());
    assert_eq!(first.report.verdict, again.report.verdict);
    assert_eq!(first.rows, again.rows);
    assert_eq!(first.suspects.len(), again.suspects.len());
    assert!(first.suspects.iter().all(|suspect| suspect.row < first.rows && suspect.p.is_finite()));
}

/// The same for a folder of pictures, of which there are two like this.
#[allow(dead_code, reason = "each target uses one of them")]
pub fn pictures(names: &[&str], data: &[u8]) {
    let [pick, data @ ..] = data else { return };
    let name = names[usize::from(*pick) % names.len()];
    let scan = || {
        let files = ["1/", "2/"].into_iter().map(|front| {
            let source: Box<dyn Source> = Box::new(data.to_vec());
            (format!("{front}{name}"), source)
        });
        let mut course = Course {
            before: Inspected::default(),
            keep: &mut |_| {},
            stopped: &|| false,
        };
        folder("x", files, Beside::default(), &Chosen::default(), &mut course).expect("nothing beside is asked for")
    };
    let (first, again) = (scan(), scan());
    assert_eq!(first.report.verdict, again.report.verdict);
    assert_eq!(first.rows, again.rows);
}
