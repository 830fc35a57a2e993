//! OpenAI responses: the answer, and the stream of typed events.
//!
//! A stream says everything twice or three times: deltas, the `done` events, and the whole response at the end. SDKs
//! differ in which they read, so all must agree; what disagrees is refused.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Fault, ProposalKind, Usage,
    answer::{Read, shaped},
    proposal::{Whole, malformed},
    stream::{Found, Limits, event_json},
};
use crate::json::{self, Object, Text};

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    output: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    usage: Option<Object<Counts>>,
}

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<Object<Details>>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

impl Counts {
    fn usage(self) -> Usage {
        Usage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_written_tokens: None,
            cached_tokens: self
                .input_tokens_details
                .and_then(|Object(details)| details.cached_tokens),
        }
    }
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Items that carry the model's words and make nothing happen.
const WORDS: [&str; 3] = ["message", "reasoning", "compaction"];
/// Calls of the API's own tools that the agent runs.
const BUILTIN: [&str; 4] = [
    "computer_call",
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
];

/// Reads an output item. `None` when it is no call; every type that we do not know is a call of the provider's.
fn call(raw: &RawValue) -> Result<Option<Whole>, Fault> {
    let Object(item) = shaped::<Object<Item<'_>>>(raw.get())?;
    let Text(kind) = &item.kind;
    if WORDS.contains(&&**kind) {
        return Ok(None);
    }
    let owned = |text: Option<Text<'_>>| text.map_or(String::new(), |Text(text)| text.into_owned());
    let own_name = kind.strip_suffix("_call").unwrap_or(kind).to_owned();
    let (who, arguments) = match &**kind {
        "function_call" => (ProposalKind::Function, said(item.arguments)?),
        "custom_tool_call" => (ProposalKind::Custom, said(item.input)?),
        own if BUILTIN.contains(&own) => (ProposalKind::Builtin, raw.get().to_owned()),
        _ => (ProposalKind::Hosted, raw.get().to_owned()),
    };
    let name = match who {
        ProposalKind::Function | ProposalKind::Custom => owned(item.name),
        ProposalKind::Builtin => own_name,
        ProposalKind::Hosted => item.name.map_or(own_name, |Text(name)| name.into_owned()),
    };
    Ok(Some(Whole {
        choice: 0,
        kind: who,
        id: owned(item.call_id.or(item.id)),
        name,
        arguments,
    }))
}

/// The text that a field holds; empty when it is absent.
fn said(field: Option<&RawValue>) -> Result<String, Fault> {
    let text = field.map_or(Ok(Text(Cow::Borrowed(""))), |raw| shaped(raw.get()))?;
    Ok(text.0.into_owned())
}

/// What must not change between the times that a call is said. A status may, and so may anything of a call that
/// the provider runs but its name.
fn essence(call: &Whole) -> Result<Whole, Fault> {
    let mut essence = call.clone();
    match call.kind {
        ProposalKind::Function | ProposalKind::Custom => {}
        ProposalKind::Hosted => essence.arguments = String::new(),
        ProposalKind::Builtin => {
            let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = shaped(&call.arguments)?;
            fields.remove("status");
            let whole = serde_json::value::to_raw_value(&fields).map_err(|_| malformed())?;
            let canonical = json::canonical(&whole).map_err(Fault::of_upstream)?;
            essence.arguments = String::from_utf8(canonical).map_err(|_| malformed())?;
        }
    }
    Ok(essence)
}

pub(super) fn answer(text: &str) -> Result<Read, Fault> {
    let Object(response) = shaped::<Object<Response<'_>>>(text)?;
    let mut calls = Vec::new();
    for item in response.output.ok_or(malformed())? {
        calls.extend(call(item)?);
    }
    Ok(Read {
        calls,
        usage: response
            .usage
            .map_or(Usage::default(), |Object(counts)| counts.usage()),
        finish: response.status.map(|Text(status)| status.into_owned()),
    })
}

#[derive(Deserialize)]
struct Happened<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    output_index: Option<u32>,
    #[serde(borrow)]
    item_id: Option<Text<'a>>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<Object<Response<'a>>>,
}

/// The items that an event holds where others hold theirs.
fn held_by<'a>(event: &Happened<'a>) -> Result<Vec<&'a RawValue>, Fault> {
    let begins = |raw: &RawValue, sign: char| raw.get().trim_start().starts_with(sign);
    let mut items: Vec<&'a RawValue> = Vec::new();
    for holder in [event.item, event.output].into_iter().flatten() {
        if begins(holder, '[') {
            items.extend(shaped::<Vec<&'a RawValue>>(holder.get())?);
        } else {
            items.push(holder);
        }
    }
    items.retain(|item| begins(item, '{'));
    Ok(items)
}

/// A call between `added` and `done`.
#[derive(Debug)]
struct Open {
    item_id: String,
    /// As `added` said it; `arguments` grow with the deltas.
    call: Whole,
    /// `…arguments.done` came: the arguments are final.
    settled: bool,
}

/// Follows a stream of events.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    open: BTreeMap<u32, Open>,
    /// The essence of each call that was given out, to compare with later mentions.
    seen: Vec<Whole>,
}

impl Tracker {
    pub(super) fn open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes one event. True when it belongs to a call.
    pub(super) fn observe(
        &mut self,
        name: Option<&str>,
        data: &str,
        limits: &mut Limits,
        found: &mut Found,
    ) -> Result<bool, Fault> {
        let Object(event) = event_json::<Object<Happened<'_>>>(data)?;
        let kind = event.kind.0.clone();
        // Some clients go by the event's name, some by the data's type.
        if name.is_some_and(|name| name != kind) {
            return Err(malformed());
        }
        let touched = match &*kind {
            "response.output_item.added" => self.added(&event, limits)?,
            "response.output_item.done" => self.done(&event, limits, found)?,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.delta(&event, limits)?
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                self.arguments_done(&event, limits)?
            }
            _ => {
                // An event that nobody here knows may be one that a client acts on.
                for item in held_by(&event)? {
                    if let Some(call) = call(item)? {
                        self.mention(call, limits, found)?;
                    }
                }
                event
                    .output_index
                    .is_some_and(|index| self.open.contains_key(&index))
            }
        };
        if let Some(Object(response)) = event.response {
            for item in response.output.into_iter().flatten() {
                if let Some(call) = call(item)? {
                    self.mention(call, limits, found)?;
                }
            }
            if let Some(Object(counts)) = response.usage {
                found.usage.update(counts.usage());
            }
        }
        found.ended |= matches!(
            &*kind,
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" | "error"
        );
        Ok(touched)
    }

    fn added(&mut self, event: &Happened<'_>, limits: &mut Limits) -> Result<bool, Fault> {
        let item = event.item.ok_or(malformed())?;
        let index = event.output_index.ok_or(malformed())?;
        if self.open.contains_key(&index) {
            return Err(malformed());
        }
        let Some(call) = call(item)? else {
            return Ok(false);
        };
        limits.opening(&call)?;
        let Object(read) = shaped::<Object<Item<'_>>>(item.get())?;
        let item_id = read.id.map_or(String::new(), |Text(id)| id.into_owned());
        let open = Open {
            item_id,
            call,
            settled: false,
        };
        self.open.insert(index, open);
        Ok(true)
    }

    /// The open call that an arguments event speaks of.
    fn spoken_of(&mut self, event: &Happened<'_>) -> Result<&mut Open, Fault> {
        let index = event.output_index.ok_or(malformed())?;
        let open = self.open.get_mut(&index).ok_or(malformed())?;
        let other = event.item_id.as_ref().is_some_and(|Text(id)| *id != open.item_id);
        let renamed = event
            .name
            .as_ref()
            .is_some_and(|Text(name)| *name != open.call.name);
        let custom = event.kind.0.starts_with("response.custom");
        let fits = matches!(
            (open.call.kind, custom),
            (ProposalKind::Function, false) | (ProposalKind::Custom, true)
        );
        if other || renamed || !fits || open.settled {
            return Err(malformed());
        }
        Ok(open)
    }

    fn delta(&mut self, event: &Happened<'_>, limits: &mut Limits) -> Result<bool, Fault> {
        let text = said(event.delta)?;
        let open = self.spoken_of(event)?;
        limits.arguments(open.call.arguments.len() + text.len())?;
        open.call.arguments.push_str(&text);
        Ok(true)
    }

    fn arguments_done(&mut self, event: &Happened<'_>, limits: &mut Limits) -> Result<bool, Fault> {
        let text = said(event.arguments.or(event.input))?;
        let open = self.spoken_of(event)?;
        limits.arguments(text.len())?;
        if open.call.arguments.is_empty() {
            open.call.arguments = text;
        } else if open.call.arguments != text {
            return Err(malformed());
        }
        open.settled = true;
        Ok(true)
    }

    fn done(&mut self, event: &Happened<'_>, limits: &mut Limits, found: &mut Found) -> Result<bool, Fault> {
        let item = event.item.ok_or(malformed())?;
        let index = event.output_index.ok_or(malformed())?;
        let call = call(item)?;
        match (self.open.remove(&index), call) {
            (None, None) => Ok(false),
            (None, Some(call)) => {
                self.mention(call, limits, found)?;
                Ok(true)
            }
            (Some(_), None) => Err(malformed()),
            (Some(open), Some(call)) => {
                let was = open.call;
                let same = (was.kind, &was.id, &was.name) == (call.kind, &call.id, &call.name);
                let grew = matches!(call.kind, ProposalKind::Function | ProposalKind::Custom);
                let said_before = grew && (open.settled || !was.arguments.is_empty());
                if !same || (said_before && was.arguments != call.arguments) {
                    return Err(malformed());
                }
                limits.arguments(call.arguments.len())?;
                let essence = essence(&call)?;
                limits.remember(&essence)?;
                self.seen.push(essence);
                found.ready.push(call);
                Ok(true)
            }
        }
    }

    /// A whole call: either one that was given out and is said again unchanged, or a new one.
    fn mention(&mut self, call: Whole, limits: &mut Limits, found: &mut Found) -> Result<(), Fault> {
        let essence = essence(&call)?;
        if self.seen.contains(&essence) {
            return Ok(());
        }
        // The same id with other contents is a contradiction, and so is a call that is still open.
        let known = self
            .seen
            .iter()
            .any(|seen| seen.id == essence.id && !seen.id.is_empty());
        if known || self.open.values().any(|open| open.call.id == essence.id) {
            return Err(malformed());
        }
        limits.opening(&call)?;
        limits.remember(&essence)?;
        self.seen.push(essence);
        found.ready.push(call);
        Ok(())
    }
}
