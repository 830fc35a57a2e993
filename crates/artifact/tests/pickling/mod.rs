//! Pickles written opcode by opcode, and what has to be said of them.

use bartizan_artifact::{Limits, Report, Verdict, model};

/// A pickle of protocol 4 with this between its first opcode and its last.
pub(crate) fn scan(body: &[u8]) -> Report {
    let whole = [b"\x80\x04", body, b"."].concat();
    model("x.pkl", &whole, &Limits::default())
}

/// Nothing is said of it.
pub(crate) fn clean(what: &str, body: &[u8]) {
    let report = scan(body);
    assert_eq!(report.verdict, Verdict::Clean, "{what}: {:#?}", report.findings);
}

/// It is suspicious at least.
pub(crate) fn evil(what: &str, body: &[u8]) {
    let report = scan(body);
    assert!(
        report.verdict >= Verdict::Suspicious,
        "{what}: {:#?}",
        report.findings
    );
}

/// A text on the stack.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// What a module names, on the stack.
pub(crate) fn import(module: &str, name: &str) -> Vec<u8> {
    [text(module), text(name), vec![0x93]].concat()
}
