//! numpy's headers and object arrays.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.npy", "x.npz"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
