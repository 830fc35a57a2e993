//! The facts behind a decision, as the deciding policies read them. Nothing of the content: text arguments show as
//! their length, and only numbers, booleans and names of ours show as they are.

use std::collections::BTreeSet;

use bartizan_types::Fact;

use crate::request::{ARGUMENTS_ID, Request, Slot};
use crate::run::Trace;
use crate::value::{Entity, Kind, Value};

/// Longest rendered value, in bytes.
const VALUE_MAX_BYTES: usize = 256;
/// Most facts of one explanation.
const FACTS_MAX: usize = 32;

/// What was read, joined over policies.
#[derive(Debug, Default)]
pub(crate) struct Consulted<'a> {
    slots: u64,
    tags: BTreeSet<(Kind, &'a str)>,
}

impl<'a> Consulted<'a> {
    pub(crate) fn from_trace(trace: &Trace<'a>) -> Self {
        let mut consulted = Self::default();
        consulted.add(trace);
        consulted
    }

    pub(crate) fn add(&mut self, trace: &Trace<'a>) {
        self.slots |= trace.slots;
        self.tags.extend(trace.tags.iter().copied());
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.slots |= other.slots;
        self.tags.extend(other.tags.iter().copied());
    }
}

/// Renders what was read.
pub(crate) fn facts(consulted: &Consulted<'_>, request: &Request<'_>) -> Vec<Fact> {
    let read = |slot: &Slot| consulted.slots & slot.bit() != 0;
    // The leaves themselves follow; the handle they hang on says nothing.
    let shown = |slot: &Slot| !matches!(slot, Slot::Args | Slot::Numbers);
    let slots = Slot::ALL.into_iter().filter(read).filter(shown).map(|slot| Fact {
        path: slot.path().to_owned(),
        value: request
            .read(slot)
            .map_or_else(|| "absent".to_owned(), |value| render(&value, request)),
    });
    let tags = consulted.tags.iter().map(|(kind, key)| {
        let name = if *kind == Kind::Quantities {
            "numbers"
        } else {
            "args"
        };
        let entity = Entity {
            kind: *kind,
            id: ARGUMENTS_ID,
        };
        Fact {
            path: cut(format!("context.{name}[\"{key}\"]")),
            value: match request.tag(entity, key) {
                Ok(Some(Value::Text(text @ ("true" | "false" | "null")))) => text.to_owned(),
                Ok(Some(Value::Text(text))) => format!("text of {} bytes", text.len()),
                Ok(Some(value)) => render(&value, request),
                _ => "absent".to_owned(),
            },
        }
    });
    slots.chain(tags).take(FACTS_MAX).collect()
}

fn render(value: &Value<'_>, request: &Request<'_>) -> String {
    cut(match value {
        Value::Bool(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Entity(entity) => {
            let name = entity.kind.type_name();
            format!(
                "{}::\"{}\"",
                name.strip_prefix("Bartizan::").unwrap_or(name),
                entity.id
            )
        }
        // `now` is the only time there is.
        Value::Time(_) => request.evidence.now.to_string(),
        Value::Set(items) => {
            let items: Vec<String> = items.iter().map(|item| render(item, request)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Record(_) | Value::Unknown => "unknown".to_owned(),
    })
}

/// Cuts at a character boundary.
fn cut(mut text: String) -> String {
    if text.len() > VALUE_MAX_BYTES {
        let mut end = VALUE_MAX_BYTES.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
