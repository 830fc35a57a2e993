//! Pieces change nothing of what a hello says, and all that came is kept, to be sent on. The first byte is the size of
//! the pieces.
#![no_main]

use bartizan_wire::hello::{HELLO_BYTES, Hello, HelloReader, Wrong};
use libfuzzer_sys::fuzz_target;

fn run(data: &[u8], size: usize) -> (Result<Option<Hello>, Wrong>, Vec<u8>) {
    let mut reader = HelloReader::default();
    let mut read = Ok(None);
    for piece in data.chunks(size) {
        read = reader.push(piece);
        if !matches!(read, Ok(None)) {
            break;
        }
    }
    (read, reader.into_bytes())
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let data = &data[..data.len().min(HELLO_BYTES - 1)];
    let (whole, kept) = run(data, data.len().max(1));
    let (parts, part) = run(data, usize::from(*first).max(1));
    assert_eq!(whole, parts);
    assert!(data.starts_with(&kept) && kept.starts_with(&part));
    if let Ok(Some(Hello { name: Some(name), .. })) = whole {
        assert!(!name.is_empty() && name == name.to_lowercase());
    }
});
