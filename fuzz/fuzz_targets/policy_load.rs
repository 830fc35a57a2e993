//! A policy file of any text loads whole or is refused with diagnostics whose spans lie in it.
#![no_main]

use bartizan_policy::{Policy, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Source {
        name: "fuzz.cedar",
        text,
    };
    if let Err(diagnostics) = Policy::load(None, &[source]) {
        assert!(!diagnostics.is_empty());
        for diagnostic in diagnostics {
            assert!(diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end <= text.len());
        }
    }
});
