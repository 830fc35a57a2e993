//! A hostile server's schema and a hostile agent's arguments, apart by the first line feed: both end, whatever they agree
//! on, and headers made from arguments agree with them.
#![no_main]

use bartizan_mcp::Schema;
use bartizan_wire::json::{Bounds, scan};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fn raw(bytes: &[u8]) -> Option<Box<RawValue>> {
    let scanned = scan(bytes, &Bounds::default()).ok()?;
    RawValue::from_string(scanned.text().to_owned()).ok()
}

fuzz_target!(|data: &[u8]| {
    let mut halves = data.splitn(2, |byte| *byte == b'\n');
    let Some(schema) = halves.next().and_then(raw) else {
        return;
    };
    let Ok(schema) = Schema::compile(&schema) else {
        return;
    };
    let arguments = halves.next().and_then(raw);
    match schema.check_arguments(arguments.as_deref()) {
        Ok(value) => {
            let sent = schema.headers().emit(&value);
            let lookup = |name: &str| {
                sent.iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.as_str())
            };
            schema
                .headers()
                .check(&value, false, lookup)
                .expect("they were made from it");
        }
        Err(mismatch) => assert!(mismatch.pointer.len() <= 512 && !mismatch.keyword.is_empty()),
    }
});
