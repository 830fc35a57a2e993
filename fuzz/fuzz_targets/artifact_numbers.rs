//! Formats of numbers: MessagePack, Core ML, TensorFlow's tables.
#![no_main]

mod artifact;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.msgpack", "x.mlmodel", "x.index", "x.data-00000-of-00001", "x.tfevents.1", "x.bin"];

fuzz_target!(|data: &[u8]| artifact::judged(NAMES, data));
