//! ZIP by both of its stories, and what is read out of one.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.pt", "x.keras", "x.npz", "x.skops", "x.zip"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
