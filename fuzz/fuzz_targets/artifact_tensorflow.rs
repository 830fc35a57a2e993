//! Graphs of TensorFlow, binary and as text.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["saved_model.pb", "keras_metadata.pb", "fingerprint.pb", "x.pb", "x.tflite", "x.pbtxt"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
