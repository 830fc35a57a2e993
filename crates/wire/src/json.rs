//! Strict JSON: the scan that everything passes first, and what is built on its proof.
//!
//! RFC 8259 leaves some texts open to two readings: duplicate keys, lone surrogates, numbers beyond a double. A
//! reader that skips what it does not know never looks at them, so no typed parse is a check. [`scan`] refuses all
//! of them, at any depth, and [`Scanned`] is the proof that the decoders ask for.
//!
//! INVARIANT: a `Scanned` is only made by [`scan`]; its text has one reading.

mod canonical;
mod keys;
mod leaves;
mod number;
mod object;
mod place;
mod pointer;
mod scanner;
mod string;
mod strings;
#[cfg(test)]
mod tests;
mod twins;

use bartizan_types::{Code, Decimal};
use serde_json::Value;

pub use crate::Fault;
pub use canonical::canonical;
pub use leaves::arguments;
pub(crate) use object::{Object, Text, poses_as};
pub use place::place;
pub use pointer::pointer;
pub(crate) use pointer::span_of;
pub use strings::{EachScalar, Scalar, Step, pointer_of, replace, scalars, strings, text_of};
pub use twins::{folded, twins};

/// Lengths and offsets are kept in 31 bits while scanning.
const MOST_BYTES: usize = (1 << 31) - 1;

/// Limits of one scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Deepest nesting of objects and arrays; a scalar has depth 0.
    pub depth: u16,
    /// Longest input, in bytes; values above 2^31 - 1 mean that.
    pub bytes: usize,
    /// Key of the hash that finds duplicate keys. Neither the answer nor the order of the worst case depends on it;
    /// a secret one keeps crafted keys from reaching the worst case.
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
    /// Where the first number stands that readers round.
    unheld: Option<usize>,
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

    /// The same, where every number in it is what readers hold of it: an integer within 64 bits, or a double in a
    /// spelling of its shortest one. Asked of every call, since whoever is called gets the text: a number that is
    /// rounded first would be traced, shown and permitted as another than the one that goes out.
    ///
    /// # Errors
    /// [`Code::JsonDigits`], at the first number that is not.
    pub const fn exact(self) -> Result<Self, Fault> {
        match self.unheld {
            None => Ok(self),
            Some(at) => Err(Fault::new(Code::JsonDigits, at)),
        }
    }
}

/// The value of a text that somebody answered. Numbers that readers round are texts in it, as they are written: equal to
/// the same digits and to nothing that rounds to them.
///
/// Answers are not refused for such numbers, as calls are: they are the upstream's, and nothing is done by them.
///
/// # Errors
/// The text is no JSON.
pub fn unrounded(text: &str) -> Result<Value, serde_json::Error> {
    let mut edits = Vec::new();
    strings::walk(text, &mut |_, span, scalar| {
        let token = text.get(span.clone()).unwrap_or_default();
        // What is no number is left for the reader to refuse.
        if scalar == Scalar::Number && !number::is_held(token) && Decimal::parse(token).is_some() {
            edits.push((span, format!("\"{token}\"")));
        }
    });
    if edits.is_empty() {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(&replace(text, &edits))
    }
}

/// Accepts exactly one unambiguous JSON value (RFC 8259, UTF-8, no byte order mark, nothing after it but white
/// space). One pass; time grows with the input, and with n log n for n keys in one object.
///
/// # Errors
/// The first thing wrong, with its byte: [`Code::BodyTooLarge`], [`Code::JsonUtf8`], [`Code::JsonSyntax`],
/// [`Code::JsonDuplicateKey`], [`Code::JsonSurrogate`], [`Code::JsonDepth`], [`Code::JsonNumber`]. Duplicates in an
/// object of more than 16 keys are found when it closes.
pub fn scan<'a>(bytes: &'a [u8], bounds: &Bounds) -> Result<Scanned<'a>, Fault> {
    let most = bounds.bytes.min(MOST_BYTES);
    if bytes.len() > most {
        return Err(Fault::new(Code::BodyTooLarge, most));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| Fault::new(Code::JsonUtf8, e.valid_up_to()))?;
    let unheld = scanner::run(bytes, bounds)?;
    Ok(Scanned { text, unheld })
}
