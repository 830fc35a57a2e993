//! Events of coding agents: what is read of one is read again from its neutral shape, and an answer to it that refuses
//! never prints as nothing.
#![no_main]

use bartizan_wire::{
    hook::{AgentKind, Happening, HookAnswer, decode, decode_neutral, encode},
    json::{Bounds, scan},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    for kind in AgentKind::ALL {
        let Ok(event) = decode(kind, body) else { continue };
        let neutral = serde_json::to_vec(&event).expect("JSON");
        // Numbers that a double does not hold come back as what it does hold; the shape is the same.
        let again = decode_neutral(scan(&neutral, &Bounds::default()).expect("strict")).expect("an event");
        assert_eq!((event.agent_kind, &event.name), (again.agent_kind, &again.name));
        if let Happening::Before { .. } = event.event {
            let printed = encode(&event, &HookAnswer::Deny(String::new()));
            assert!(!printed.stdout.is_empty() || printed.status == 2);
        }
    }
    let _ = decode_neutral(body);
});
