//! Keys that some readers take for one another.
//!
//! Decoders that ignore letter case (Go's `encoding/json`, and more) read `To` as `to`. Where both stand in one object
//! they take the last of them; whoever keeps them apart sees another value than they do.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Text;

/// A key without what such readers overlook: letter case, simple folding included.
#[must_use]
pub fn folded(key: &str) -> Cow<'_, str> {
    if key
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return Cow::Borrowed(key);
    }
    let fold = |char: char| match char {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        other => other,
    };
    Cow::Owned(key.chars().map(fold).flat_map(char::to_lowercase).collect())
}

/// Whether some object in a value has two keys that differ in letter case alone. A value that is nested deeper than it
/// can be read counts as one that does.
#[must_use]
pub fn twins(value: &RawValue) -> bool {
    // Keys in lower-case letters, which is nearly all of them, have no twin that the scan did not refuse.
    let bytes = value.get().as_bytes();
    let plain = |byte: &u8| byte.is_ascii() && !byte.is_ascii_uppercase() && *byte != b'\\';
    if bytes.iter().all(plain) {
        return false;
    }
    serde_json::from_str::<Seen>(value.get()).is_err()
}

/// A value without twins; what has some does not deserialize.
struct Seen;

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        while let Some(Seen) = items.next_element()? {}
        Ok(Seen)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(Text(key)) = members.next_key::<Text<'de>>()? {
            let folded = match key {
                Cow::Borrowed(key) => folded(key),
                Cow::Owned(key) => Cow::Owned(folded(&key).into_owned()),
            };
            if !keys.insert(folded) {
                return Err(A::Error::custom("two keys differ in letter case alone"));
            }
            let Seen = members.next_value()?;
        }
        Ok(Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_at_any_depth_and_nothing_else_is() {
        let twins = |text: &str| twins(&RawValue::from_string(text.to_owned()).unwrap());
        for text in [
            r#"{"to":"a","To":"b"}"#,
            r#"{"a":[{"b":{"list":1,"LIST":2}}]}"#,
            r#"{"task":1,"ta\u017fk":2}"#,
            r#"{"kind":1,"\u212Aind":2}"#,
            r#"{"é":1,"É":2}"#,
            r#"{"x":1,"\u0058":2}"#,
        ] {
            assert!(twins(text), "{text}");
        }
        for text in [
            r#"{"to":"To","a":{"to":1},"b":["A","a"]}"#,
            r#"{"To":1,"too":2}"#,
            r#""text""#,
            "[1,null,true,1.5]",
        ] {
            assert!(!twins(text), "{text}");
        }
        assert!(twins(&format!("{}\"A\"{}", "[".repeat(500), "]".repeat(500))));
    }
}
