//! A decoded message says the same after it is encoded and decoded again.
#![no_main]

use bartizan_wire::{
    json::{Bounds, scan},
    jsonrpc::{Message, decode, error, notification, request, result},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = scan(data, &Bounds::default()) else {
        return;
    };
    let Ok(message) = decode(body) else { return };
    let encoded = match &message {
        Message::Request { id, method, params } => request(id, method, *params),
        Message::Notification { method, params } => notification(method, *params),
        Message::Response { id, result: value } => result(id, value),
        Message::Failure { id, error: failed } => error(id.as_ref(), failed),
    };
    let again = decode(scan(&encoded, &Bounds::default()).expect("strict")).expect("a message");
    assert_eq!(format!("{message:?}"), format!("{again:?}"));
});
