//! Rows of Parquet: the description, pages, packings, encodings.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.parquet"];

fuzz_target!(|data: &[u8]| artifact::rows(NAMES, data));
