//! A text in any pieces: the findings of the whole, and never more held than a window.
#![no_main]

use bartizan_inspect::canary::Canaries;
use bartizan_inspect::stream::Inspector;
use bartizan_inspect::{Channel, Wanted, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u16>, Vec<u8>, u8)| {
    let (lengths, unit, times) = input;
    // Repeated, so that small inputs reach over the end of a block.
    let data = unit.repeat(1 + usize::from(times) * 8);
    let data = data.get(..300_000).unwrap_or(&data);
    let mut inspector = Inspector::new(Channel::Document, Wanted::DATA, Canaries::default());
    let (mut rest, mut turn) = (data, 0);
    while !rest.is_empty() {
        let length = lengths.get(turn % lengths.len().max(1)).map_or(1000, |length| usize::from(*length) + 1);
        let (now, later) = rest.split_at(length.min(rest.len()));
        inspector.push(now);
        assert!(inspector.decided() <= inspector.length());
        (rest, turn) = (later, turn + 1);
    }
    assert_eq!(
        inspector.finish(),
        inspect(Channel::Document, data, Wanted::DATA, &Canaries::default())
    );
});
