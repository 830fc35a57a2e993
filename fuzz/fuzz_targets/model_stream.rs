//! What a stream releases is always a prefix of what came; a refused call is its end; chunks change nothing.
//! The first byte picks the API and the ruling, the second the chunk size.
#![no_main]

use bartizan_wire::model::{Api, Step, Stream, StreamBounds};
use libfuzzer_sys::fuzz_target;

struct Run {
    released: Vec<u8>,
    calls: Vec<(String, String)>,
    ok: bool,
}

fn run(api: Api, data: &[u8], size: usize, allow: bool) -> Run {
    let mut released = Vec::new();
    let mut calls = Vec::new();
    let mut refused = false;
    let mut each = |step: Step<'_>| match step {
        Step::Release(bytes) => released.extend_from_slice(bytes),
        Step::Proposal(call) => calls.push((call.name, call.arguments.get().to_owned())),
        Step::Hold | Step::End(_) => {}
    };
    let bounds = StreamBounds {
        event_bytes: 1 << 16,
        held_bytes: 1 << 16,
        proposals: 8,
        argument_bytes: 1 << 12,
    };
    let mut stream = Stream::new(api, bounds);
    let mut result = Ok(());
    for chunk in data.chunks(size) {
        result = stream.push(chunk, &mut each);
        while result.is_ok() && stream.owes_ruling() {
            refused |= !allow;
            result = stream.settle(allow, &mut each);
        }
    }
    let finished = stream.finish(&mut each);
    let ok = result.is_ok() && finished.is_ok();
    assert!(!refused || calls.len() <= 8);
    Run { released, calls, ok }
}

fuzz_target!(|data: &[u8]| {
    let [pick, size, data @ ..] = data else { return };
    let api = Api::ALL[usize::from(*pick) % 3];
    let allow = pick & 0x80 == 0;
    let parts = run(api, data, usize::from(*size).max(1), allow);
    let whole = run(api, data, data.len().max(1), allow);
    assert!(data.starts_with(&parts.released) && data.starts_with(&whole.released));
    if parts.ok && whole.ok && allow {
        assert_eq!(parts.released, data);
        assert_eq!(parts.calls, whole.calls);
    }
    if allow {
        assert_eq!(parts.ok, whole.ok);
    }
});
