//! Where an answer speaks of calls at all, wherever that is in it.
//!
//! Decoders read the places that an API has for calls. A client may read others: a framework that unwraps what its
//! SDK passes on, a wrapper of some proxy. So whoever decodes counts what it read and compares; more is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Fault, answer::shaped};
use crate::json::{Text, poses_as};

/// The members that hold calls in chat completions.
const CALLS: [&str; 2] = ["tool_calls", "function_call"];

/// How many members named as those that hold calls there are in a JSON text, at any depth, empty ones left out.
///
/// # Errors
/// [`bartizan_types::Code::UpstreamMalformed`] for what is no JSON, or nested deeper than `serde_json` reads.
pub(super) fn of_calls(text: &str) -> Result<usize, Fault> {
    // Both names have `_call` in them, in whatever case; escapes may spell it, too. Most chunks have neither.
    let bytes = text.as_bytes();
    let spelled = |at: usize| {
        let word = bytes.get(at..at + b"_call".len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(b"_call"))
    };
    if !memchr::memchr_iter(b'_', bytes).any(spelled) && memchr::memmem::find(bytes, br"\u").is_none() {
        return Ok(0);
    }
    shaped::<Seen>(text).map(|seen| seen.calls)
}

/// What was seen in a value.
#[derive(Default)]
struct Seen {
    /// It is `null`, or has nothing in it.
    empty: bool,
    calls: usize,
}

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
        Ok(Seen::default())
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen {
            empty: true,
            calls: 0,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        let mut seen = Seen {
            empty: true,
            calls: 0,
        };
        while let Some(item) = items.next_element::<Seen>()? {
            seen.empty = false;
            seen.calls += item.calls;
        }
        Ok(seen)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let mut seen = Seen::default();
        while let Some(Text(key)) = members.next_key::<Text<'de>>()? {
            let value: Seen = members.next_value()?;
            seen.calls += value.calls + usize::from(!value.empty && names_calls(&key));
        }
        Ok(seen)
    }
}

fn names_calls(key: &str) -> bool {
    CALLS.iter().any(|name| key == *name || poses_as(key, name))
}

#[cfg(test)]
mod tests {
    use super::of_calls;

    #[test]
    fn calls_are_counted_wherever_they_are() {
        let count = |text: &str| of_calls(text).expect("JSON");
        assert_eq!(
            count(r#"{"a":[{"tool_calls":[{}]},{"b":{"function_call":{}}}]}"#),
            2
        );
        assert_eq!(
            count(r#"{"tool_call\u0073":[1],"Function_Call":"x","tool_call\u017f":1}"#),
            3
        );
        assert_eq!(
            count(r#"{"tool_calls":[],"function_call":null,"finish_reason":"tool_calls"}"#),
            0
        );
        // What a call's arguments say is a text, and no member.
        assert_eq!(
            count(r#"{"tool_calls":[{"arguments":"{\"tool_calls\":[1]}"}]}"#),
            1
        );
        assert!(of_calls(r#"{"tool_calls":"#).is_err());
    }
}
