//! Any bytes as `model.safetensors`: they are refused, or read as far as they say and no further.
#![no_main]

use bartizan_classify::Classifier;
use libfuzzer_sys::fuzz_target;

const CONFIG: &[u8] = include_bytes!("../../crates/classify/vectors/bert/config.json");
const TOKENIZER: &[u8] = include_bytes!("../../crates/classify/vectors/bert/tokenizer.json");

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let _read = Classifier::read(CONFIG, TOKENIZER, &mut data);
});
