//! Chunks change nothing: the same events, the same fault, and no byte lost. The first byte is the chunk size.
#![no_main]

use bartizan_wire::sse::{Event, Splitter};
use libfuzzer_sys::fuzz_target;

fn run(data: &[u8], size: usize) -> (Vec<(Option<String>, String)>, Vec<u8>, Result<(), &'static str>) {
    let mut events = Vec::new();
    let mut raw = Vec::new();
    let mut each = |event: Event<'_>| {
        raw.extend_from_slice(event.raw);
        if let Some(data) = event.data {
            events.push((event.name.map(str::to_owned), data.into_owned()));
        }
        Ok(())
    };
    let mut splitter = Splitter::new(1 << 16);
    let mut result = Ok(());
    for chunk in data.chunks(size) {
        result = splitter.push(chunk, &mut each);
        if result.is_err() {
            break;
        }
    }
    let result = result
        .and(splitter.finish(&mut each))
        .map_err(|fault| fault.code.as_str());
    (events, raw, result)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else {
        return;
    };
    let whole = run(data, data.len().max(1));
    let parts = run(data, usize::from(*size).max(1));
    assert_eq!(whole.0, parts.0);
    assert_eq!(whole.2, parts.2);
    assert!(data.starts_with(&whole.1));
    if whole.2.is_ok() {
        assert_eq!(whole.1, data);
        assert_eq!(parts.1, data);
    }
});
