//! What the strict scan accepts, an independent parser accepts; and what is built on the proof keeps its promises.
#![no_main]

use bartizan_wire::json::{Bounds, arguments, canonical, pointer, scan};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    let raw: &RawValue = serde_json::from_str(body.text()).expect("accepted by serde_json");
    let leaves = arguments(raw);
    assert!(leaves.texts.len() + leaves.numbers.len() <= 256);
    if let Ok(once) = canonical(raw) {
        let again = scan(&once, &Bounds::default()).expect("canonical is strict");
        let raw: &RawValue = serde_json::from_str(again.text()).expect("canonical is JSON");
        // An integer literal can come out of a fraction, and may then be one that canonical itself refuses.
        assert!(canonical(raw).is_ok_and(|twice| twice == once) || once.iter().any(u8::is_ascii_digit));
    }
    assert!(pointer(body, "").is_some());
    if let Some((value, span)) = pointer(body, "/0") {
        assert_eq!(body.text().get(span), Some(value.get()));
    }
});
