//! What coding agents' hooks tell: read in bounds, whichever agent's it is. The first byte picks that.
#![no_main]

use bartizan_wire::{
    hook::{AgentKind, decode, decode_neutral},
    json::{Bounds, scan},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    let _ = match AgentKind::ALL.get(usize::from(*kind) % 5) {
        Some(agent) => decode(*agent, body),
        None => decode_neutral(body),
    };
});
