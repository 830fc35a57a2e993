//! Configurations of Keras.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.json", "x.keras", "x.yaml"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
