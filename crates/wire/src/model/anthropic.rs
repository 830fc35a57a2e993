//! Anthropic messages: the answer, and the stream of content blocks.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Fault, ProposalKind, Usage,
    answer::{Read, shaped},
    proposal::{Whole, malformed},
    stream::{Found, Limits, event_json},
};
use crate::json::{Object, Text};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    usage: Option<Object<Counts>>,
}

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl Counts {
    fn usage(self) -> Usage {
        Usage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cached_tokens: self.cache_read_input_tokens,
            cache_written_tokens: self.cache_creation_input_tokens,
        }
    }
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Blocks that carry the model's words, or the results of calls that have blocks of their own.
fn words(kind: &str) -> bool {
    matches!(
        kind,
        "text" | "thinking" | "redacted_thinking" | "compaction" | "container_upload"
    ) || kind.ends_with("_tool_result")
}

/// Reads a block. `None` when it is no call; every type that we do not know is a call of the provider's.
fn call(raw: &RawValue) -> Result<Option<Whole>, Fault> {
    let Object(block) = shaped::<Object<Block<'_>>>(raw.get())?;
    let Text(kind) = block.kind;
    if words(&kind) {
        return Ok(None);
    }
    let agents = kind == "tool_use";
    let input = block.input.map_or("", RawValue::get);
    let name = block.name.map(|Text(name)| name.into_owned());
    Ok(Some(Whole {
        choice: 0,
        kind: if agents {
            ProposalKind::Function
        } else {
            ProposalKind::Hosted
        },
        id: block.id.map_or(String::new(), |Text(id)| id.into_owned()),
        name: if agents {
            name.unwrap_or_default()
        } else {
            name.unwrap_or(kind.into_owned())
        },
        arguments: input.to_owned(),
    }))
}

pub(super) fn answer(text: &str) -> Result<Read, Fault> {
    let Object(message) = shaped::<Object<Message<'_>>>(text)?;
    let mut calls = Vec::new();
    for block in message.content.ok_or(malformed())? {
        calls.extend(call(block)?.map(|mut call| {
            if call.arguments.is_empty() {
                call.arguments.push_str("{}");
            }
            call
        }));
    }
    Ok(Read {
        calls,
        usage: message
            .usage
            .map_or(Usage::default(), |Object(counts)| counts.usage()),
        finish: message.stop_reason.map(|Text(reason)| reason.into_owned()),
    })
}

#[derive(Deserialize)]
struct Happened<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    index: Option<u32>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<Object<Delta<'a>>>,
    #[serde(borrow)]
    message: Option<Object<Message<'a>>>,
    usage: Option<Object<Counts>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

/// Whether an event is a ping by its name, if it has one, and by its data.
pub(super) fn is_ping(name: Option<&str>, data: &str) -> bool {
    name.is_none_or(|name| name == "ping")
        && event_json::<Object<Typed<'_>>>(data).is_ok_and(|Object(typed)| typed.kind.0 == "ping")
}

/// The call whose block is open.
#[derive(Debug)]
struct Open {
    index: u32,
    /// Its `arguments` grow with the deltas.
    call: Whole,
    /// The input that `content_block_start` said, where that was more than `{}`.
    input: String,
}

/// Follows a stream of events. Blocks come one after the other.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    open: Option<Open>,
    /// The last block that began: an index comes once, and they rise.
    last: Option<u32>,
}

impl Tracker {
    pub(super) fn open(&self) -> bool {
        self.open.is_some()
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
        let Text(kind) = event.kind;
        // SDKs go by the event's name, other clients by the data's type.
        if name.is_some_and(|name| name != kind) {
            return Err(malformed());
        }
        if let Some(Object(counts)) = event.usage {
            found.usage.update(counts.usage());
        }
        match &*kind {
            "message_start" => {
                let Object(message) = event.message.ok_or(malformed())?;
                // Blocks have events of their own; a client might still read these.
                if message.content.is_some_and(|content| !content.is_empty()) {
                    return Err(malformed());
                }
                found.usage.update(
                    message
                        .usage
                        .map_or(Usage::default(), |Object(counts)| counts.usage()),
                );
                Ok(false)
            }
            "content_block_start" => {
                let index = event.index.ok_or(malformed())?;
                self.start(index, event.content_block.ok_or(malformed())?, limits)
            }
            "content_block_delta" => {
                let Object(delta) = event.delta.ok_or(malformed())?;
                self.delta(event.index.ok_or(malformed())?, &delta, limits)
            }
            "content_block_stop" => self.stop(event.index.ok_or(malformed())?, found),
            "message_delta" => {
                let stopped = event
                    .delta
                    .is_some_and(|Object(delta)| delta.stop_reason.is_some());
                if stopped && self.open() {
                    Err(malformed())
                } else {
                    Ok(false)
                }
            }
            "message_stop" | "error" => {
                found.ended = true;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn start(&mut self, index: u32, block: &RawValue, limits: &mut Limits) -> Result<bool, Fault> {
        if self.open() || self.last.is_some_and(|last| index <= last) {
            return Err(malformed());
        }
        self.last = Some(index);
        let Some(mut call) = call(block)? else {
            return Ok(false);
        };
        limits.opening(&call)?;
        let input = std::mem::take(&mut call.arguments);
        let bare: String = input.split_ascii_whitespace().collect();
        let input = if bare == "{}" || bare == "null" {
            String::new()
        } else {
            input
        };
        self.open = Some(Open { index, call, input });
        Ok(true)
    }

    fn delta(&mut self, index: u32, delta: &Delta<'_>, limits: &mut Limits) -> Result<bool, Fault> {
        let json = delta
            .kind
            .as_ref()
            .is_some_and(|Text(kind)| kind == "input_json_delta");
        let Some(open) = &mut self.open else {
            return if json || delta.partial_json.is_some() {
                Err(malformed())
            } else {
                Ok(false)
            };
        };
        let Some(Text(text)) = delta
            .partial_json
            .as_ref()
            .filter(|_| json && index == open.index)
        else {
            return Err(malformed());
        };
        limits.arguments(open.call.arguments.len() + text.len())?;
        open.call.arguments.push_str(text);
        Ok(true)
    }

    fn stop(&mut self, index: u32, found: &mut Found) -> Result<bool, Fault> {
        let Some(open) = self.open.take() else {
            return Ok(false);
        };
        let mut call = open.call;
        if index != open.index || (!open.input.is_empty() && !call.arguments.is_empty()) {
            return Err(malformed());
        }
        if !open.input.is_empty() {
            call.arguments = open.input;
        }
        if call.arguments.trim_ascii().is_empty() {
            call.arguments = "{}".to_owned();
        }
        found.ready.push(call);
        Ok(true)
    }
}
