//! The canonical view of any bytes: every place of every layer maps into the input, and the layers stay bounded.
#![no_main]

use bartizan_inspect::view::{DECODED_MOST, LAYERS_MOST, View};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let view = View::new(data);
    assert!(view.layers().len() <= LAYERS_MOST);
    let total: usize = view.layers().iter().map(|layer| layer.text.len()).sum();
    // An unreadable byte reads as three, and a sign may stand for eighteen others.
    assert!(total <= 20 * (data.len() * 5 + DECODED_MOST));
    for (index, layer) in view.layers().iter().enumerate() {
        for (at, c) in layer.text.char_indices().take(2000) {
            let origin = view.origin(index, at..at + c.len_utf8());
            assert!(origin.start <= origin.end && origin.end <= data.len());
        }
    }
    assert!(view.marks.iter().all(|mark| mark.origin.end <= data.len()));
});
