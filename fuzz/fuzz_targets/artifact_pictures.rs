//! Pictures are decoded: no bytes panic, or make one larger than is allowed.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["a/x.png", "a/x.jpg"];

fuzz_target!(|data: &[u8]| artifact::pictures(NAMES, data));
