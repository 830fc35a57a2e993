//! Requests, answers and cards of A2A: one spelling of each field, what is written for a peer is what was read, and a card
//! that is shown says our address alone.
#![no_main]

use bartizan_wire::{
    a2a::{card::Card, decode_answer, decode_request, request},
    json::{Bounds, scan},
    jsonrpc::Id,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::to_raw_value};

fuzz_target!(|data: &[u8]| {
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    if let Ok(asked) = decode_request(body) {
        assert!(asked.pushes.len() <= 1 && asked.params.get("push_notification_config").is_none());
        // What is written for the peer is read as what was read.
        let params = to_raw_value(&asked.params).expect("JSON");
        let written = request(asked.method, &params);
        let again = scan(&written, &Bounds::default()).expect("strict");
        let again = decode_request(again).expect("a request");
        assert!(again.pushes == asked.pushes && again.free.len() == asked.free.len());
    }
    let _ = decode_answer(body, &Id::Number(1));
    let Ok(card) = Card::read(body) else { return };
    assert!(
        !card.name().is_empty()
            && !card.payloads().is_empty()
            && card.definition().get("signatures").is_none()
    );
    let shown: Value = serde_json::from_slice(&card.shown("https://ours.example", false)).expect("JSON");
    let all = shown["supportedInterfaces"].as_array().expect("a list");
    assert!(all.len() == 1 && all[0]["url"] == "https://ours.example");
});
