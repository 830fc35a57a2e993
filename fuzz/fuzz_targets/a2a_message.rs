//! Requests, answers and cards of A2A: one spelling of each field, bounded addresses, and a card that is shown says our
//! address alone.
#![no_main]

use bartizan_wire::{
    a2a::{card::Card, decode_answer, decode_request},
    json::{Bounds, scan},
    jsonrpc::Id,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    if let Ok(request) = decode_request(body) {
        assert!(request.pushes.len() <= 16 && request.params.get("push_notification_config").is_none());
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
