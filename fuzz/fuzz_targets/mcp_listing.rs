//! Pages of a hostile server's listing, one a line: what is offered has a name that policy can say, once, and the same
//! pages judged again change no pin. The first byte picks what is listed.
#![no_main]

use bartizan_mcp::{
    ListKind, ServerPins,
    listing::{Reader, fits},
};
use bartizan_types::{ServerName, Timestamp};
use bartizan_wire::json::{Bounds, scan};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fn read(kind: ListKind, data: &[u8]) -> Option<Reader> {
    let mut reader = Reader::new(kind);
    for page in data.split(|byte| *byte == b'\n') {
        let scanned = scan(page, &Bounds::default()).ok()?;
        let raw: &RawValue = serde_json::from_str(scanned.text()).ok()?;
        reader.page(raw).ok()?;
    }
    Some(reader)
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let kind = ListKind::ALL[usize::from(*first) % ListKind::ALL.len()];
    let mut pins = ServerPins::new(ServerName::new("s").expect("a name"));
    let now = Timestamp::from_unix_micros(1);
    let Some(reader) = read(kind, data) else { return };
    let (catalog, _) = reader.finish(&mut pins, None, now);
    let before = pins.clone();
    let again = read(kind, data).expect("read before");
    // A thing listed twice with two definitions moves what waits, and never what is held.
    let (again, _) = again.finish(&mut pins, Some(&catalog), now);
    for (one, other) in catalog.iter().zip(again.iter()) {
        assert!(!one.name.is_empty() && one.name == other.name);
        assert!(fits(&one.name, &one.name) || one.name.contains('{'));
    }
    for (key, pin) in &before.pins {
        assert_eq!(pins.pins.get(key).map(|pin| &pin.held), Some(&pin.held));
    }
});
