//! The leaves of a call's arguments, as policy sees them.

use std::fmt;

use bartizan_types::Arguments;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Text, twins};

const MOST_LEAVES: usize = 256;
const MOST_TEXT_BYTES: usize = 4096;
const MOST_PATH_BYTES: usize = 1024;
/// Below the parser's own limit of 127, so that depth is reported by us.
const MOST_DEPTH: usize = 100;

/// Leaves by dotted path: at most 256, paths up to 1024 bytes, text up to 4096, 100 levels. Whatever is cut, left
/// out, out of the range of an `i64`, or said twice makes `complete` false. Decimals are rounded down, and `exact` says
/// which.
///
/// Keys of one object that differ in letter case alone make it false, too: some readers take them for one.
///
/// A `.` or `\` inside a key is written `\.` or `\\`, so `{"to.0": 1}` can't pose as `{"to": [1]}`.
#[must_use]
pub fn arguments(value: &RawValue) -> Arguments {
    let mut leaves = Leaves {
        path: String::new(),
        depth: 0,
        found: Arguments {
            complete: !twins(value),
            ..Arguments::default()
        },
    };
    let mut reader = serde_json::Deserializer::from_str(value.get());
    if Node(&mut leaves).deserialize(&mut reader).is_err() || reader.end().is_err() {
        leaves.found.complete = false;
    }
    leaves.found
}

struct Leaves {
    path: String,
    depth: usize,
    found: Arguments,
}

impl Leaves {
    fn full(&mut self) -> bool {
        let full = self.found.texts.len() + self.found.numbers.len() >= MOST_LEAVES
            || self.path.len() > MOST_PATH_BYTES
            || self.depth > MOST_DEPTH;
        if full {
            self.found.complete = false;
        }
        full
    }

    fn text(&mut self, text: &str) {
        if self.full() {
            return;
        }
        let cut = text.floor_char_boundary(MOST_TEXT_BYTES);
        if cut < text.len() {
            self.found.complete = false;
        }
        let kept = text.get(..cut).unwrap_or_default().to_owned();
        if self.found.texts.insert(self.path.clone(), kept).is_some() {
            self.found.complete = false;
        }
    }

    fn number(&mut self, number: i64) {
        if !self.full() && self.found.numbers.insert(self.path.clone(), number).is_some() {
            self.found.complete = false;
        }
    }

    /// A boolean or null: a text to policy, and said to be none.
    fn word(&mut self, word: &str) {
        self.text(word);
        if self.found.texts.contains_key(&self.path) {
            self.found.exact.insert(self.path.clone(), word.to_owned());
        }
    }

    /// A double: the whole number below it, and its own digits where it is none.
    fn decimal(&mut self, number: f64) {
        let below = number.floor();
        // `as` saturates; beyond 2^53 a double no longer says which integer was meant.
        self.found.complete &= number.abs() < 9_007_199_254_740_992.0;
        self.number(below as i64);
        if below != number && self.found.numbers.contains_key(&self.path) {
            self.found.exact.insert(self.path.clone(), number.to_string());
        }
    }

    /// Runs `inner` one level down, below `key`.
    fn within<T>(&mut self, key: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if self.depth > 1 {
            self.path.push('.');
        }
        for char in key.chars() {
            if matches!(char, '.' | '\\') {
                self.path.push('\\');
            }
            self.path.push(char);
        }
        let result = inner(self);
        self.path.truncate(before);
        result
    }
}

struct Node<'l>(&'l mut Leaves);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.full() {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.word(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.word("null");
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.number(number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        let fits = i64::try_from(number);
        self.0.found.complete &= fits.is_ok();
        self.0.number(fits.unwrap_or(i64::MAX));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.0.decimal(number);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.depth += 1;
        let mut at = 0_usize;
        while self
            .0
            .within(&at.to_string(), |leaves| items.next_element_seed(Node(leaves)))?
            .is_some()
        {
            at += 1;
        }
        self.0.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.depth += 1;
        while let Some(Text(key)) = members.next_key()? {
            self.0
                .within(&key, |leaves| members.next_value_seed(Node(leaves)))?;
        }
        self.0.depth -= 1;
        Ok(())
    }
}
