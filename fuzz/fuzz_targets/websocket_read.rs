//! Pieces change nothing: the same words, the same fault, within bounds; and what was said is read back from what it is
//! framed as. The first byte is the size of the pieces, and by its lowest bit whose frames they are.
#![no_main]

use bartizan_wire::websocket::{Reader, Said, Side, Wrong, frame};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 1 << 12;

fn run(from: Side, data: &[u8], size: usize) -> (Vec<Said>, Option<Wrong>) {
    let mut reader = Reader::new(from, MOST);
    let mut said = Vec::new();
    for piece in data.chunks(size) {
        reader.push(piece);
        loop {
            match reader.read() {
                Ok(Some(one)) => said.push(one),
                Ok(None) => break,
                Err(wrong) => return (said, Some(wrong)),
            }
        }
        // A message, the bytes last given, and a control frame with its head.
        assert!(reader.held() <= MOST + size + 125 + 14);
    }
    (said, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let from = if first & 1 == 0 { Side::Client } else { Side::Server };
    let whole = run(from, data, data.len().max(1));
    assert_eq!(run(from, data, usize::from(*first).max(1)), whole);
    for one in whole.0 {
        let bytes = frame(&one, None);
        let (again, wrong) = run(Side::Server, &bytes, bytes.len());
        assert_eq!((again, wrong), (vec![one], None));
    }
});
