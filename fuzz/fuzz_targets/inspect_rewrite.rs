//! Documents written anew: what was to be replaced is replaced, in a file that reads; a picture without what stands beside
//! its pixels is no larger, and has nothing beside them.
#![no_main]

use bartizan_inspect::document::{Change, Kind, bare_image, read, rewrite_office};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(document) = read(bytes) else { return };
    match document.kind {
        Kind::Office => {
            let words = document.text.match_indices(char::is_alphabetic).step_by(7).take(64);
            let changes: Vec<Change> = words
                .map(|(at, word)| Change { range: at..at + word.len(), text: "~<&>~".to_owned() })
                .collect();
            for words_alone in [false, true] {
                if let Some(new) = rewrite_office(bytes, &changes, words_alone) {
                    let again = read(&new).expect("still a document");
                    assert!(words_alone || again.text.matches("~<&>~").count() >= changes.len());
                }
            }
        }
        Kind::Image => {
            if let Some(bare) = bare_image(bytes) {
                assert!(bare.len() <= bytes.len());
                assert_eq!(bare_image(&bare), Some(bare.clone()), "there is nothing more to leave out");
            }
        }
        Kind::Pdf => {}
    }
});
