//! Wrong answers over the negative corpus, which is the one the tests of `identity` judge: certificates, bindings,
//! proofs of possession and delegations, each with a twin that must pass.

#[path = "../../../crates/identity/tests/forge/mod.rs"]
pub(crate) mod forge;
#[path = "../../../crates/identity/tests/corpus/mod.rs"]
mod vectors;

use crate::figure::Figure;

/// Judges every entry.
pub(crate) fn run() -> Vec<Figure> {
    let vectors = vectors::vectors();
    let world = vectors::World::new();
    let (accepted, misread, refused) = vectors::wrong_answers(&world, &vectors);
    for name in accepted.iter().chain(&misread).chain(&refused) {
        eprintln!("negative corpus: {name}");
    }
    let entries = vectors.len();
    let count = |name: &str, value: usize| Figure::of(name, value as f64, "count", entries as u64);
    vec![
        count("negative_corpus_entries", entries),
        count("negative_corpus_accepted", accepted.len()),
        count("negative_corpus_other_reason", misread.len()),
        count("positive_twins_refused", refused.len()),
    ]
}
