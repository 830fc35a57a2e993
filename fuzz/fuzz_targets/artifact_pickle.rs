//! Pickles of every protocol, several in a row, torch's legacy format, joblib's arrays between opcodes.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.pkl", "x.pt", "x.joblib", "x"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
