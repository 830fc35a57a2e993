//! The ledger's bytes as a crash or an attacker leaves them: frames, entries, bundles, tiles, notes.
#![no_main]

use bartizan_ledger::{Entry, frame, keys, note, tile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = frame::decode(data);
    let _ = frame::highest_batch(data);
    if let Ok(entry) = Entry::decode(data) {
        assert_eq!(entry.encode().as_slice(), data);
    }
    let width = u16::from(data.first().copied().unwrap_or(0));
    let _ = tile::decode_bundle(data, width);
    let _ = tile::decode_tile(data, width);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = note::peek(text);
        let _ = note::split_notes(text);
        let _ = keys::statements(text);
    }
});
