//! Masking and restoring: however a text is cut, the bytes are the same; what is escaped is no token.
#![no_main]

use bartizan_privacy::{Bounds, Found, Kind, Masker, Restorer, Shape, Vault, escape};
use bartizan_types::{Secret, Timestamp};
use libfuzzer_sys::fuzz_target;

fn detect(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('<').map(|at| from + at) {
        let Some(end) = text[start..].find('>').map(|at| start + at + 1) else {
            break;
        };
        let kind = Kind::new("secret").expect("a kind");
        found.push(Found { range: start..end, kind, shape: Shape::Token });
        from = end;
    }
    found
}

fuzz_target!(|data: (u8, String)| {
    let (step, text) = data;
    let now = Timestamp::from_unix_micros(1);
    let mut vault = Vault::new("s", Secret::new([1; 32]), Bounds::default());
    let kind = Kind::new("email").expect("a kind");
    let token = vault.token(&kind, Shape::Email, "a@b.example", now).expect("room");
    let text = text.replace('\u{1}', &token);
    let pieces = |step: usize| {
        let mut rest = text.as_str();
        std::iter::from_fn(move || {
            let at = rest.ceil_char_boundary(step.min(rest.len()));
            let (piece, left) = rest.split_at(at);
            rest = left;
            (!piece.is_empty()).then_some(piece)
        })
    };
    let restored = |step| {
        let (mut restorer, mut out) = (Restorer::default(), String::new());
        pieces(step).for_each(|piece| restorer.push(&vault, piece, now, &mut |_| true, &mut out));
        restorer.finish(&vault, now, &mut |_| true, &mut out);
        out
    };
    let masked = |step| {
        let (mut masker, mut out) = (Masker::default(), String::new());
        let mut replace = |_: &Found, value: &str| format!("[{}]", value.len());
        pieces(step).for_each(|piece| masker.push(piece, &mut |window| detect(window.text), &mut replace, &mut out));
        masker.finish(&mut |window| detect(window.text), &mut replace, &mut out);
        out
    };
    let step = usize::from(step).max(1);
    assert_eq!(restored(step), restored(usize::MAX));
    assert_eq!(masked(step), masked(usize::MAX));
    let escaped = escape(&text);
    assert_eq!(vault.restore(&escaped, now, |_| true), escaped);
});
