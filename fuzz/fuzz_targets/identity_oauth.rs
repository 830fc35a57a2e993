//! What authorization servers and resources say: read in bounds, and what is believed names who was asked. The first byte
//! picks what it is.
#![no_main]

use bartizan_identity::oauth::{
    Address, Strictness, authorization_server, bearer_challenge, exchanged, id_token_answer, key_set_place,
    registered, resource_metadata, token_answer, token_error,
};
use bartizan_types::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    let server = Address::parse("https://mcp.example/a/b").expect("an address");
    let issuer = Address::parse("https://as.example").expect("an address");
    let text = String::from_utf8_lossy(data);
    match kind % 7 {
        0 => {
            if let Ok(found) = resource_metadata(data, &server) {
                let named = Address::parse(&found.resource).expect("it was read");
                assert!(named.covers(&server) && !found.issuers.is_empty());
            }
        }
        1 => {
            if let Ok(found) = authorization_server(data, &issuer, Strictness::Exact) {
                assert_eq!(found.issuer, issuer.as_str());
                let _ = registered(data, &found);
            }
            if let Ok(found) = authorization_server(data, &issuer, Strictness::SameOrigin) {
                let named = Address::parse(&found.issuer).expect("it was read");
                assert_eq!(named.origin(), issuer.origin());
            }
        }
        2 => {
            if let Ok(place) = key_set_place(data, &issuer) {
                assert!(place.is_https());
            }
        }
        3 => {
            let _ = bearer_challenge(&text);
        }
        4 => {
            if let Ok(token) = token_answer(data, now) {
                assert!(token.access.expose().bytes().all(|byte| (0x21..0x7F).contains(&byte)));
            }
            let _ = (exchanged(data, "urn:x"), token_error(data));
        }
        5 => {
            if let Ok((_, until)) = id_token_answer(data, "us", now) {
                assert!(until > now);
            }
        }
        _ => {
            if let Ok(address) = Address::parse(&text) {
                assert_eq!(address.as_str(), text);
                let again = Address::parse(&address.origin()).expect("an origin is an address");
                assert_eq!(again.origin(), address.origin());
                assert_eq!(again.host(), address.host());
            }
        }
    }
});
