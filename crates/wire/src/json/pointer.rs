//! RFC 6901 pointers into a scanned text, with the exact bytes they name.

use std::{fmt, ops::Range};

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Scanned, Text};

/// What `pointer` names, as it stands in `body`, and where. `None` when it names nothing, or is no pointer.
///
/// The empty pointer names the whole value. Each step reads the value it steps into once.
#[must_use]
pub fn pointer<'a>(body: Scanned<'a>, pointer: &str) -> Option<(&'a RawValue, Range<usize>)> {
    let mut value: &'a RawValue = serde_json::from_str(body.text()).ok()?;
    if !pointer.is_empty() {
        for step in pointer.strip_prefix('/')?.split('/') {
            let key = step.replace("~1", "/").replace("~0", "~");
            let mut reader = serde_json::Deserializer::from_str(value.get());
            value = reader.deserialize_any(Find(&key)).ok()??;
        }
    }
    span_of(body, value.get()).map(|span| (value, span))
}

/// Where `part`, a slice of `body`'s text, stands in it. `None` if it is no such slice.
pub(crate) fn span_of(body: Scanned<'_>, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.text().as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (body.text().get(start..end)? == part).then_some(start..end)
}

struct Find<'k>(&'k str);

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(key)) = members.next_key()? {
            if key == self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        // RFC 6901 section 4: an index has no leading zero and no sign.
        let canonical = self.0 == "0" || (!self.0.starts_with(['0', '+']) && !self.0.is_empty());
        let wanted = self.0.parse::<usize>().ok().filter(|_| canonical);
        let mut found = None;
        let mut at = 0;
        loop {
            if wanted == Some(at) {
                match items.next_element()? {
                    Some(item) => found = Some(item),
                    None => break,
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            at += 1;
        }
        Ok(found)
    }
}
