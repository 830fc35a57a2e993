//! The header of safetensors.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.safetensors"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
