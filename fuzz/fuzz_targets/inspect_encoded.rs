//! Decoders: a readable text in an encoding is read again, and broken encodings stay bounded.
#![no_main]

use bartizan_inspect::view::{LAYERS_MOST, View};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<u8>, String, String)| {
    let (kind, raw, before, after) = input;
    let coded: String = match kind % 5 {
        0 => raw.iter().map(|byte| format!("{byte:02x}")).collect(),
        1 => raw.iter().map(|byte| format!("%{byte:02X}")).collect(),
        2 => raw.iter().map(|byte| format!("\\x{byte:02x}")).collect(),
        3 => base64(&raw),
        _ => {
            // A compressed stream's first bytes, and anything behind them.
            let packed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], raw.as_slice()].concat();
            base64(&packed)
        }
    };
    let text = format!("{before} {coded} {after}");
    let view = View::new(text.as_bytes());
    assert!(view.layers().len() <= LAYERS_MOST);
    let words = raw.len() >= 24 && raw.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b' ');
    if words && kind % 5 == 0 && before.is_empty() && after.is_empty() {
        let wanted = str::from_utf8(&raw).unwrap_or_default();
        assert!(view.layers().iter().any(|layer| layer.text.contains(wanted)), "{wanted}");
    }
});

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..=part.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}
