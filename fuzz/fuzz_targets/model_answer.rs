//! Every call of a decoded answer has a name and strict arguments. The first byte picks the API.
#![no_main]

use bartizan_wire::{
    json::{Bounds, scan},
    model::{Api, decode_answer},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((api, data)) = data.split_first() else {
        return;
    };
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    let Ok(answered) = decode_answer(Api::ALL[usize::from(*api) % 3], body) else {
        return;
    };
    for (at, call) in answered.proposals.iter().enumerate() {
        assert_eq!(call.index as usize, at);
        assert!(!call.name.is_empty());
        assert!(scan(call.arguments.get().as_bytes(), &Bounds::default()).is_ok());
    }
});
