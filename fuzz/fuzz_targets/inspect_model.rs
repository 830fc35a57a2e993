//! A model file of any bytes is refused or read, and a read one gives finite scores.
#![no_main]

use bartizan_inspect::Channel;
use bartizan_inspect::injection::{embedded, model::Model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u32, u8)>, String)| {
    let (changes, text) = input;
    let Some(mut bytes) = embedded().map(Model::to_bytes) else { return };
    for (at, byte) in changes {
        let at = at as usize % bytes.len();
        bytes[at] = byte;
    }
    if let Ok(model) = Model::from_bytes(&bytes) {
        for scored in model.score(Channel::Tool, &text) {
            assert!(scored.start <= scored.end && scored.end <= text.len());
        }
    }
});
