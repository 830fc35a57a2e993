//! Arrow is read by hand, files and streams: no bytes panic, or allocate what they ask for.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.arrow", "x.feather"];

fuzz_target!(|data: &[u8]| artifact::rows(NAMES, data));
