//! Packed streams and what is in them.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.gz", "x.z", "x.bz2", "x.xz", "x.lzma", "x.lz4", "x.zst"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
