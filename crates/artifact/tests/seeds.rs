//! The committed corpora of the fuzz targets, read in every run and changed a little in fixed ways: nothing panics, and no
//! change of an attack that leaves it an attack for the reader makes two runs differ.

#![expect(
    clippy::disallowed_methods,
    reason = "a test reads the corpora; the crate reads nothing"
)]

use std::path::{Path, PathBuf};

use bartizan_artifact::{
    Limits, Source, Verdict,
    data::{Beside, Chosen, Course, Inspected, folder, table},
    model,
};

/// Changes of each seed.
const CHANGES: usize = 24;

fn seeds() -> Vec<(String, PathBuf, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(corpus).expect("the corpora are committed") {
        let folder = folder.expect("readable").path();
        let target = folder.file_name().expect("named").to_string_lossy().into_owned();
        if !target.starts_with("artifact_") {
            continue;
        }
        for seed in std::fs::read_dir(&folder).expect("readable") {
            let path = seed.expect("readable").path();
            let bytes = std::fs::read(&path).expect("readable");
            found.push((target.clone(), path, bytes));
        }
    }
    found.sort();
    found
}

/// The names that a target picks from by the first byte, as its source has them.
fn names(target: &str) -> Vec<String> {
    let path = format!(
        "{}/../../fuzz/fuzz_targets/{target}.rs",
        env!("CARGO_MANIFEST_DIR")
    );
    let source = std::fs::read_to_string(path).expect("every corpus has a target");
    let (_, list) = source.split_once("const NAMES").expect("a target has names");
    let (list, _) = list.split_once("];").expect("the list ends");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn limits() -> Limits {
    Limits {
        unpacked_bytes: 1 << 22,
        held_bytes: 1 << 20,
        document_bytes: 1 << 20,
        members: 1 << 10,
        depth: 6,
        findings: 100,
    }
}

/// Equal input, equal answer; the answer itself.
fn judged(target: &str, name: &str, bytes: &[u8]) -> Verdict {
    let bytes = bytes.to_vec();
    if target == "artifact_pictures" {
        let source: Box<dyn Source> = Box::new(bytes);
        let mut course = Course {
            before: Inspected::default(),
            keep: &mut |_| {},
            stopped: &|| false,
        };
        let files = [(name.to_owned(), source)].into_iter();
        let outcome = folder("x", files, Beside::default(), &Chosen::default(), &mut course);
        return outcome.expect("nothing beside is asked for").report.verdict;
    }
    if matches!(target, "artifact_rows" | "artifact_parquet" | "artifact_arrow") {
        let chosen = Chosen {
            contents: false,
            ..Chosen::default()
        };
        let outcome = table(name, &bytes, Beside::default(), &chosen).expect("nothing beside is asked for");
        return outcome.report.verdict;
    }
    let first = model(name, &bytes, &limits());
    let again = model(name, &bytes, &limits());
    assert_eq!(
        (first.verdict, first.findings.len()),
        (again.verdict, again.findings.len())
    );
    first.verdict
}

#[test]
fn every_reader_has_a_target_with_seeds() {
    let mut targets: Vec<_> = seeds().into_iter().map(|(target, ..)| target).collect();
    targets.dedup();
    for reader in [
        "pickle",
        "zip",
        "tar",
        "packed",
        "numpy",
        "safetensors",
        "gguf",
        "onnx",
        "tensorflow",
        "keras",
        "hdf5",
        "documents",
        "texts",
        "numbers",
        "rows",
        "parquet",
        "arrow",
        "pictures",
    ] {
        assert!(targets.contains(&format!("artifact_{reader}")), "{reader}");
    }
}

#[test]
fn seeds_and_their_changes_are_judged() {
    let mut random = 0x5eed_u64;
    let mut next = move |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    for (target, path, bytes) in seeds() {
        let names = names(&target);
        let Some((pick, whole)) = bytes.split_first() else {
            continue;
        };
        let name = &names[usize::from(*pick) % names.len()];
        judged(&target, name, whole);
        for change in 0..CHANGES {
            let mut changed = whole.to_vec();
            if changed.is_empty() {
                continue;
            }
            let at = next(changed.len());
            match change % 4 {
                0 => changed[at] = next(256) as u8,
                1 => changed.truncate(at),
                2 => _ = changed.remove(at),
                _ => changed.insert(at, next(256) as u8),
            }
            let verdict = judged(&target, name, &changed);
            assert!(verdict <= Verdict::Malicious, "{}", path.display());
        }
    }
}
