//! A spliced request is the same request of another model. The first byte picks the API.
#![no_main]

use bartizan_wire::{
    json::{Bounds, scan},
    model::{Api, decode_request, with_model},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((api, data)) = data.split_first() else {
        return;
    };
    let api = Api::ALL[usize::from(*api) % 3];
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    let Ok(request) = decode_request(api, body) else {
        return;
    };
    let spliced = with_model(data, request.model_span.clone(), "other \"model\"\\");
    let body = scan(&spliced, &Bounds::default()).expect("still strict");
    let after = decode_request(api, body).expect("still a request");
    assert_eq!(after.model, "other \"model\"\\");
    assert_eq!(after.tools, request.tools);
    assert_eq!(after.hosted, request.hosted);
    assert_eq!(after.history, request.history);
    assert_eq!(after.tool_results.len(), request.tool_results.len());
});
