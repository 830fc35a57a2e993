//! Keys, values and templates of GGUF.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.gguf"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
