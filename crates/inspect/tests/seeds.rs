//! The committed corpora of the fuzz targets, read in every run and changed a little in fixed ways: nothing panics, every
//! place lies in the input, and bounds hold.

#![expect(
    clippy::disallowed_methods,
    reason = "a test reads the corpora; the crate reads nothing"
)]

use std::path::Path;

use bartizan_inspect::{
    Channel, Wanted,
    canary::Canaries,
    document, inspect,
    view::{LAYERS_MOST, View},
};

/// Changes of each seed.
const CHANGES: usize = 24;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(corpus).expect("the corpora are committed") {
        let folder = folder.expect("readable").path();
        let target = folder.file_name().expect("named").to_string_lossy().into_owned();
        if !target.starts_with("inspect_") {
            continue;
        }
        for seed in std::fs::read_dir(&folder).expect("readable") {
            let path = seed.expect("readable").path();
            found.push((
                path.display().to_string(),
                std::fs::read(&path).expect("readable"),
            ));
        }
    }
    found.sort();
    found
}

/// The seed, and changes of it: bytes turned over, pieces cut and said twice.
fn changed(seed: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![seed.to_vec()];
    for change in 0..CHANGES {
        let mut bytes = seed.to_vec();
        if bytes.is_empty() {
            break;
        }
        let at = (change * 7919 + 13) % bytes.len();
        match change % 4 {
            0 => bytes[at] ^= 1 << (change % 8),
            1 => bytes.truncate(at),
            2 => bytes = [&bytes[..at], &bytes[at / 2..]].concat(),
            _ => bytes[at] = [0, 0xff, b'<', b'='][change / 4 % 4],
        }
        all.push(bytes);
    }
    all
}

#[test]
fn no_seed_and_no_change_of_it_breaks_a_bound() {
    let seeds = seeds();
    assert!(seeds.len() >= 8, "{}", seeds.len());
    let mut documents = 0;
    for (path, seed) in seeds {
        for bytes in changed(&seed) {
            let view = View::new(&bytes);
            assert!(view.layers().len() <= LAYERS_MOST, "{path}");
            let report = inspect(Channel::Tool, &bytes, Wanted::ALL, &Canaries::default());
            assert!(
                report.seen.iter().all(|seen| seen.span.end <= bytes.len()),
                "{path}"
            );
            if let Some(document) = document::read(&bytes) {
                documents += 1;
                assert!(document.text.len() <= document::TEXT_MOST + 4, "{path}");
            }
            if let Some(new) = document::rewrite_office(&bytes, &[], true) {
                assert!(document::read(&new).is_some(), "{path}");
            }
            if let Some(bare) = document::bare_image(&bytes) {
                assert_eq!(document::bare_image(&bare).as_ref(), Some(&bare), "{path}");
            }
        }
    }
    assert!(documents >= 30, "{documents}");
}
