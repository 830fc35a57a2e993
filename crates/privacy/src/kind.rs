//! The kind of a value: a short word that its token carries.

use std::fmt;

/// Longest kind, in bytes.
pub(crate) const KIND_MAX: usize = 24;

/// A kind of value, such as `email` or `card`: lower-case letters, digits and hyphens, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(String);

/// Why a word is no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kind has 1 to 24 lower-case letters, digits or hyphens, a letter first and no hyphen last")]
pub struct KindFault;

impl Kind {
    /// Takes a word. An underscore reads as a hyphen, since detectors name kinds so.
    ///
    /// # Errors
    /// [`KindFault`].
    pub fn new(word: &str) -> Result<Self, KindFault> {
        let word = word.replace('_', "-");
        let fits = word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let edges = word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.ends_with('-');
        if word.len() > KIND_MAX || !fits || !edges {
            return Err(KindFault);
        }
        Ok(Self(word))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_kinds_and_words_that_are_none() {
        assert_eq!(Kind::new("national_id").unwrap().as_str(), "national-id");
        for bad in [
            "",
            "Email",
            "a b",
            "-a",
            "a-",
            "9a",
            "abcdefghijklmnopqrstuvwxyz",
            "é",
        ] {
            assert!(Kind::new(bad).is_err(), "{bad}");
        }
    }
}
