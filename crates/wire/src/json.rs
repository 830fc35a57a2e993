//! Strict JSON: the scan that everything passes first, and what is built on its proof.

use bartizan_types::{Arguments, Code};
use serde_json::value::RawValue;

pub use crate::Fault;

/// Limits of one scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Deepest nesting of objects and arrays.
    pub depth: u16,
    /// Longest input, in bytes; never above 2^31 - 1.
    pub bytes: usize,
    /// Key of the hash that finds duplicate keys. Correctness and the worst case do not depend on it.
    pub seed: u64,
}

impl Default for Bounds {
    /// 128 levels, 32 MiB.
    fn default() -> Self {
        Self {
            depth: 128,
            bytes: 32 << 20,
            seed: 0x9E37_79B9_7F4A_7C15,
        }
    }
}

/// Proof that a text passed [`scan`]: one JSON value, unambiguous at every depth.
#[derive(Debug, Clone, Copy)]
pub struct Scanned<'a> {
    text: &'a str,
}

impl<'a> Scanned<'a> {
    /// The exact bytes that were scanned.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The same as text.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }
}

/// Accepts exactly one unambiguous JSON value.
///
/// # Errors
/// The first thing wrong, with its byte.
pub fn scan<'a>(bytes: &'a [u8], bounds: &Bounds) -> Result<Scanned<'a>, Fault> {
    let _ = (bytes, bounds);
    Err(Fault::new(Code::Bug, 0))
}

/// Leaves of a value for policy, bounded.
#[must_use]
pub fn arguments(value: &RawValue) -> Arguments {
    let _ = value;
    Arguments::default()
}

/// RFC 8785 form, for hashing arguments.
///
/// # Errors
/// As [`scan`].
pub fn canonical(value: &RawValue) -> Result<Vec<u8>, Fault> {
    let _ = value;
    Err(Fault::new(Code::Bug, 0))
}
