//! JSON of a token or key set, read strictly: a key named twice at any depth is refused, since two readers of such
//! bytes may see two different values. Depth is bounded; size is bounded by the caller.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::Reason;

/// Deeper than any honest token: `act` alone may nest 8.
const DEPTH_MAX: u8 = 32;

/// Reads one JSON object and nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Reason> {
    let refused = Cell::new(None);
    let seed = Strict {
        left: DEPTH_MAX,
        refused: &refused,
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = seed
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(refused.get().unwrap_or(Reason::Json)),
    }
}

/// Builds a `Value`; notes in `refused` why it gave up, which serde's error can't carry as data.
#[derive(Clone, Copy)]
struct Strict<'a> {
    left: u8,
    refused: &'a Cell<Option<Reason>>,
}

impl Strict<'_> {
    fn refuse<E: Error>(self, reason: Reason) -> E {
        self.refused.set(Some(reason));
        E::custom(reason)
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        let left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| self.refuse(Reason::Depth))?;
        Ok(Self { left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| self.refuse(Reason::Json))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(self.refuse(Reason::DuplicateKey));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), Reason>) {
        assert_eq!(object(text.as_bytes()).map(|_| ()), expected, "{text}");
    }

    #[test]
    fn one_reading_or_none() {
        check(r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}"#, Ok(()));
        check(r#"{"a":1,"a":1}"#, Err(Reason::DuplicateKey));
        check(r#"{"a":1,"\u0061":1}"#, Err(Reason::DuplicateKey));
        check(r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#, Err(Reason::DuplicateKey));
        for bad in [
            "",
            "[]",
            "1",
            "null",
            "{} {}",
            "{},",
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            "{'a':1}",
        ] {
            check(bad, Err(Reason::Json));
        }
        check(
            &format!("{{\"a\":{}1{}}}", "[".repeat(31), "]".repeat(31)),
            Ok(()),
        );
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(32), "]".repeat(32));
        check(&deep, Err(Reason::Depth));
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(Reason::Json));
    }
}
