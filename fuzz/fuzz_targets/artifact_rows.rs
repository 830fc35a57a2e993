//! Rows of data sets: delimited, JSON, text, numpy.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.csv", "x.tsv", "x.jsonl", "x.json", "x.txt", "x.npy"];

fuzz_target!(|data: &[u8]| artifact::rows(NAMES, data));
