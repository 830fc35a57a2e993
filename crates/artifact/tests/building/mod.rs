//! Objects on a pickle's stack.

use crate::pickling::text;

/// What is made by calling.
pub(crate) fn call(function: &[u8], arguments: &[&[u8]]) -> Vec<u8> {
    [function, b"(", &arguments.concat(), b"tR"].concat()
}

/// A dictionary of names.
pub(crate) fn dict(items: &[(&str, &[u8])]) -> Vec<u8> {
    let items: Vec<u8> = items
        .iter()
        .flat_map(|(key, value)| [&text(key)[..], value].concat())
        .collect();
    [b"}(", &items[..], b"u"].concat()
}

/// An object made by `__new__`, with a state.
pub(crate) fn built(class: &[u8], state: &[u8]) -> Vec<u8> {
    [class, b")\x81", state, b"b"].concat()
}
