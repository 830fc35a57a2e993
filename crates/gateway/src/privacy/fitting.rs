//! Stand-ins that fit where they go: a tool's schema says what a value may look like, and a token that it does not take
//! would make the call fail.

use bartizan_mcp::Schema;
use bartizan_privacy::Shape;
use serde_json::{Value, value::RawValue};

use crate::inspect::NUMBER_DIGITS;

/// Most references followed from one place of a schema.
const REFERENCES: usize = 8;

/// The schema of a tool's arguments.
pub(crate) struct Fitting {
    schema: Value,
}

impl Fitting {
    /// From a tool's definition.
    pub(crate) fn of(definition: &RawValue) -> Option<Self> {
        let mut definition: Value = serde_json::from_str(definition.get()).ok()?;
        let schema = definition.get_mut("inputSchema")?.take();
        schema.is_object().then_some(Self { schema })
    }

    /// Where no schema says anything.
    pub(super) const fn any() -> Self {
        Self { schema: Value::Null }
    }

    /// What stands in for a text at this place: what is best for its kind where that fits, else the first shape that does.
    /// `None`: nothing is said of the place, or nothing fits.
    pub(super) fn text(&self, pointer: &str, kind: Shape) -> Option<Shape> {
        let place = self.at(pointer)?;
        let said = place
            .get("format")
            .and_then(Value::as_str)
            .and_then(Shape::of_format);
        let any = [
            Shape::Token,
            Shape::Email,
            Shape::Phone,
            Shape::Card,
            Shape::Iban,
            Shape::Date,
            Shape::Uuid,
        ];
        let schema = self.compiled(place)?;
        said.into_iter()
            .chain([kind])
            .chain(any)
            .find(|shape| schema.check(&Value::String(shape.sample())).is_ok())
    }

    /// What stands in for a whole number at this place: another of as many digits, within the bounds that the schema names.
    pub(super) fn number(&self, pointer: &str, number: i64) -> Option<Shape> {
        let digits = number.unsigned_abs().checked_ilog10()? + 1;
        if (digits as usize) < NUMBER_DIGITS || number < 0 {
            return None;
        }
        let least = 10_i64.checked_pow(digits - 1)?;
        let most = least.checked_mul(10).map_or(i64::MAX, |most| most - 1);
        let (mut least, mut most) = (least, most);
        if let Some(place) = self.at(pointer) {
            let bound = |key: &str| place.get(key).and_then(Value::as_i64);
            least = bound("minimum").map_or(least, |bound| least.max(bound));
            least = bound("exclusiveMinimum").map_or(least, |bound| least.max(bound.saturating_add(1)));
            most = bound("maximum").map_or(most, |bound| most.min(bound));
            most = bound("exclusiveMaximum").map_or(most, |bound| most.min(bound.saturating_sub(1)));
        }
        (least < most).then_some(Shape::Integer { least, most })
    }

    fn compiled(&self, place: &Value) -> Option<Schema> {
        let mut place = place.clone();
        // What it refers to stays in reach.
        for key in ["$defs", "definitions"] {
            if let (Some(inner), Some(defs)) = (place.as_object_mut(), self.schema.get(key)) {
                inner.entry(key).or_insert_with(|| defs.clone());
            }
        }
        let raw = serde_json::value::to_raw_value(&place).ok()?;
        Schema::compile(&raw).ok()
    }

    /// The schema of the place that a JSON pointer names.
    fn at(&self, pointer: &str) -> Option<&Value> {
        let mut here = self.resolved(&self.schema);
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            here = self.resolved(self.child(here, &step, REFERENCES)?);
        }
        Some(here)
    }

    fn resolved<'v>(&'v self, mut here: &'v Value) -> &'v Value {
        for _ in 0..REFERENCES {
            let to = here
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| self.schema.pointer(to.strip_prefix('#')?));
            let Some(to) = to else { break };
            here = to;
        }
        here
    }

    fn child<'v>(&'v self, here: &'v Value, step: &str, left: usize) -> Option<&'v Value> {
        let named = here.get("properties").and_then(|all| all.get(step));
        let item = || {
            let at: usize = step.parse().ok()?;
            here.get("prefixItems")
                .and_then(|all| all.get(at))
                .or_else(|| here.get("items").filter(|items| items.is_object()))
        };
        let other = || here.get("additionalProperties").filter(|other| other.is_object());
        let among = || {
            let left = left.checked_sub(1)?;
            ["anyOf", "oneOf", "allOf"]
                .into_iter()
                .filter_map(|key| here.get(key).and_then(Value::as_array))
                .flatten()
                .find_map(|one| self.child(self.resolved(one), step, left))
        };
        named.or_else(item).or_else(among).or_else(other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fitting() -> Fitting {
        let definition = json!({"name": "t", "inputSchema": {
            "type": "object",
            "properties": {
                "free": {"type": "string"},
                "mail": {"type": "string", "format": "email"},
                "phone": {"type": "string", "pattern": "^\\+[0-9]{8,15}$"},
                "card": {"type": "string", "pattern": "^[0-9]{12,19}$"},
                "born": {"type": "string", "format": "date"},
                "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f-]{27}$"},
                "short": {"type": "string", "maxLength": 4},
                "account": {"type": "integer", "minimum": 20_000_000, "maximum": 29_999_999},
                "to": {"type": "array", "items": {"$ref": "#/$defs/person"}},
                "maybe": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/person"}]}
            },
            "$defs": {"person": {"type": "object", "properties": {"mail": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}}}}
        }});
        Fitting::of(&serde_json::value::to_raw_value(&definition).unwrap()).unwrap()
    }

    #[test]
    fn a_stand_in_fits_what_the_schema_says_of_its_place() {
        let fitting = fitting();
        for (pointer, kind, expected) in [
            ("/free", Shape::Token, Some(Shape::Token)),
            ("/free", Shape::Email, Some(Shape::Email)),
            ("/mail", Shape::Token, Some(Shape::Email)),
            ("/phone", Shape::Token, Some(Shape::Phone)),
            ("/card", Shape::Token, Some(Shape::Card)),
            ("/born", Shape::Token, Some(Shape::Date)),
            ("/id", Shape::Token, Some(Shape::Uuid)),
            ("/short", Shape::Token, None),
            ("/to/3/mail", Shape::Token, Some(Shape::Email)),
            ("/maybe/mail", Shape::Token, Some(Shape::Email)),
            ("/unheard/of", Shape::Token, None),
        ] {
            assert_eq!(fitting.text(pointer, kind), expected, "{pointer}");
        }
    }

    #[test]
    fn a_number_stands_in_for_a_number() {
        let fitting = fitting();
        let within = |least, most| Some(Shape::Integer { least, most });
        assert_eq!(
            fitting.number("/account", 21_234_567),
            within(20_000_000, 29_999_999)
        );
        assert_eq!(fitting.number("/other", 4_111_111), within(1_000_000, 9_999_999));
        assert_eq!(fitting.number("/other", 42), None);
        assert_eq!(fitting.number("/other", -4_111_111), None);
    }
}
