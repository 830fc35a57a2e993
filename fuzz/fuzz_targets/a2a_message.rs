//! Requests, answers and cards of A2A, and the canonical form that cards are signed in: read in bounds, and canonical once
//! is canonical for good. The first byte picks what it is.
#![no_main]

use bartizan_wire::{
    a2a::{card::Card, decode_answer, decode_request},
    json::{Bounds, canonical, scan},
    jsonrpc::Id,
};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    match kind % 4 {
        0 => {
            let _ = decode_request(body);
        }
        1 => {
            let _ = decode_answer(body, &Id::Text("q1".into()));
        }
        2 => {
            let Ok(card) = Card::read(body) else { return };
            let shown = card.shown("https://gate.example/a2a/x", false);
            let shown = scan(&shown, &Bounds::default()).expect("strict");
            let shown = Card::read(shown).expect("what agents are shown is a card");
            assert_eq!(shown.name(), card.name());
            assert!(shown.signatures().is_empty());
            assert_eq!(shown.address(), Some("https://gate.example/a2a/x"));
        }
        _ => {
            let raw = RawValue::from_string(body.text().to_owned()).expect("it was scanned");
            let Ok(once) = canonical(&raw) else { return };
            let text = String::from_utf8(once.clone()).expect("text");
            let again = canonical(&RawValue::from_string(text).expect("JSON")).expect("canonical");
            assert_eq!(again, once);
        }
    }
});
