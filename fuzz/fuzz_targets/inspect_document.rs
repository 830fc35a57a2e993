//! Documents: any bytes behind the first ones of a PDF or an archive end within their bounds.
#![no_main]

use bartizan_inspect::document::{TEXT_MOST, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (kind, rest) = input;
    let head: &[u8] = match kind % 3 {
        0 => b"%PDF-1.7\n",
        1 => b"PK\x03\x04",
        _ => b"",
    };
    if let Some(document) = read(&[head, rest.as_slice()].concat()) {
        assert!(document.text.len() <= TEXT_MOST + 4);
    }
});
