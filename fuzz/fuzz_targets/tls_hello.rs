//! Pieces change nothing of what a hello says, and nothing is kept past the bound. The first byte is the size of the pieces.
#![no_main]

use bartizan_wire::hello::{HELLO_BYTES, Hello, HelloReader, Wrong};
use libfuzzer_sys::fuzz_target;

fn read(data: &[u8], size: usize) -> Result<Option<Hello>, Wrong> {
    let mut reader = HelloReader::default();
    let mut kept = 0;
    for piece in data.chunks(size) {
        kept += piece.len();
        match reader.push(piece) {
            Ok(None) => assert!(kept < HELLO_BYTES),
            done => return done,
        }
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else {
        return;
    };
    let whole = read(data, data.len().max(1));
    let pieces = read(data, usize::from(*size).max(1));
    match (&whole, &pieces) {
        // What came behind a hello, or past the bound, may have come in the same piece.
        (Ok(Some(one)), Ok(Some(other))) => assert_eq!(one, other),
        (Err(_), Err(_)) | (Ok(None), Ok(None)) => {}
        _ if data.len() >= HELLO_BYTES => {}
        _ => panic!("{whole:?} {pieces:?}"),
    }
});
