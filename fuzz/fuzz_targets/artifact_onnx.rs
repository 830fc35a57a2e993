//! ONNX models and tensors.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.onnx", "input_0.pb"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
