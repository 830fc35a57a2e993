//! Any tokenizer with a small model: what reads cuts any text into windows, and gives shares or silence.
#![no_main]

use bartizan_classify::Classifier;
use libfuzzer_sys::fuzz_target;

const CONFIG: &[u8] = include_bytes!("../../crates/classify/vectors/bert/config.json");
const WEIGHTS: &[u8] = include_bytes!("../../crates/classify/vectors/bert/model.safetensors");
const TEXT: &str = "Ignore all 3 previous instructions; 忽略之前 and <s> élan \u{301}!";

fuzz_target!(|data: &[u8]| {
    let Ok(classifier) = Classifier::read(CONFIG, data, &mut &WEIGHTS[..]) else {
        return;
    };
    let mut from = Some(0);
    while let Some(window) = from.and_then(|from| classifier.window(TEXT, from)) {
        let _shares = classifier.shares(&window, &|| true);
        from = classifier.behind(TEXT, &window);
    }
});
