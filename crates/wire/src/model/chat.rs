//! OpenAI chat completions: the answer, and the stream of chunks.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Fault, ProposalKind, Usage,
    answer::{Read, shaped},
    mentions,
    proposal::{Whole, malformed},
    stream::{Found, Limits, event_json},
};
use crate::json::{Object, Text};

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    choices: Vec<Object<Choice<'a>>>,
    usage: Option<Object<Counts>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    message: Option<Object<Message<'a>>>,
    #[serde(borrow)]
    delta: Option<Object<Message<'a>>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

impl Choice<'_> {
    /// How many members of it hold calls.
    fn lists(&self) -> usize {
        let messages = [&self.message, &self.delta].into_iter().flatten();
        messages
            .map(|Object(message)| {
                usize::from(message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()))
                    + usize::from(message.function_call.is_some())
            })
            .sum()
    }
}

/// A message, or a chunk of one.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    tool_calls: Option<Vec<Object<Call<'a>>>>,
    #[serde(borrow)]
    function_call: Option<Object<Function<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Object<Function<'a>>>,
    #[serde(borrow)]
    custom: Option<Object<Function<'a>>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
    /// Of custom tools.
    #[serde(borrow)]
    input: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Object<Details>>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

impl Counts {
    fn usage(self) -> Usage {
        Usage {
            input_tokens: self.prompt_tokens,
            output_tokens: self.completion_tokens,
            cache_written_tokens: None,
            cached_tokens: self
                .prompt_tokens_details
                .and_then(|Object(details)| details.cached_tokens),
        }
    }
}

/// What one `tool_calls` element, or `function_call`, says.
struct Piece<'a> {
    kind: Option<ProposalKind>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    text: Option<Text<'a>>,
}

impl<'a> Call<'a> {
    fn piece(self) -> Result<Piece<'a>, Fault> {
        let (kind, said) = match (self.function, self.custom) {
            (Some(Object(function)), None) => (
                Some(ProposalKind::Function),
                Some((function.name, function.arguments)),
            ),
            (None, Some(Object(custom))) => (Some(ProposalKind::Custom), Some((custom.name, custom.input))),
            (None, None) => (None, None),
            (Some(_), Some(_)) => return Err(malformed()),
        };
        let typed = match self.kind.as_ref().map(|Text(kind)| &**kind) {
            Some("function") => Some(ProposalKind::Function),
            Some("custom") => Some(ProposalKind::Custom),
            None | Some("") => None,
            Some(_) => return Err(malformed()),
        };
        if kind.is_some() && typed.is_some() && kind != typed {
            return Err(malformed());
        }
        let (name, text) = said.unwrap_or_default();
        Ok(Piece {
            kind: kind.or(typed),
            id: self.id,
            name,
            text,
        })
    }
}

impl<'a> From<Function<'a>> for Piece<'a> {
    fn from(function: Function<'a>) -> Self {
        Self {
            kind: Some(ProposalKind::Function),
            id: None,
            name: function.name,
            text: function.arguments,
        }
    }
}

impl Piece<'_> {
    fn whole(self, choice: u32) -> Result<Whole, Fault> {
        let owned = |text: Option<Text<'_>>| text.map_or(String::new(), |Text(text)| text.into_owned());
        Ok(Whole {
            choice,
            kind: self.kind.ok_or(malformed())?,
            id: owned(self.id),
            name: owned(self.name),
            arguments: owned(self.text),
        })
    }
}

pub(super) fn answer(text: &str) -> Result<Read, Fault> {
    let Object(completion) = shaped::<Object<Completion<'_>>>(text)?;
    let choices = completion.choices.iter();
    let said: usize = choices.map(|Object(choice)| choice.lists()).sum();
    if mentions::of_calls(text)? != said {
        return Err(malformed());
    }
    let mut calls = Vec::new();
    let mut finish = None;
    for (at, Object(choice)) in completion.choices.into_iter().enumerate() {
        let index = choice.index.or(u32::try_from(at).ok()).unwrap_or(u32::MAX);
        // A `delta` in a unary answer is nothing the API has; a client might still read it.
        for Object(message) in [choice.message, choice.delta].into_iter().flatten() {
            for Object(call) in message.tool_calls.into_iter().flatten() {
                calls.push(call.piece()?.whole(index)?);
            }
            if let Some(Object(function)) = message.function_call {
                calls.push(Piece::from(function).whole(index)?);
            }
        }
        finish = finish.or(choice.finish_reason.map(|Text(reason)| reason.into_owned()));
    }
    let usage = completion
        .usage
        .map_or(Usage::default(), |Object(counts)| counts.usage());
    Ok(Read { calls, usage, finish })
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Object<Choice<'a>>>>,
    usage: Option<Object<Counts>>,
    error: Option<IgnoredAny>,
}

/// Most choices in one streamed answer; OpenAI allows 128.
const MOST_CHOICES: usize = 128;

/// Where a call stands among those of its choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// By the index that all its pieces have.
    Indexed(u32),
    /// The deprecated `function_call`, which has no index.
    Legacy,
    /// The n-th that came in one piece, without the index that the API has.
    Whole(usize),
}

/// The calls of one choice while they stream in.
#[derive(Debug, Default)]
struct Streaming {
    calls: BTreeMap<Place, Whole>,
    finished: bool,
}

/// Follows a stream of chunks.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    choices: BTreeMap<u32, Streaming>,
}

impl Tracker {
    pub(super) fn open(&self) -> bool {
        self.choices.values().any(|choice| !choice.calls.is_empty())
    }

    /// Some upstreams close without `[DONE]`; every choice having finished says the same.
    pub(super) fn complete(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|choice| choice.finished)
    }

    /// Takes one event. True when it belongs to a call.
    pub(super) fn observe(
        &mut self,
        data: &str,
        limits: &mut Limits,
        found: &mut Found,
    ) -> Result<bool, Fault> {
        if data == "[DONE]" {
            found.ended = true;
            return Ok(false);
        }
        let Object(chunk) = event_json::<Object<Chunk<'_>>>(data)?;
        let choices = chunk.choices.iter().flatten();
        let said: usize = choices.map(|Object(choice)| choice.lists()).sum();
        // A call anywhere else is one that some framework finds and we would not: LangChain reads `chunk.choices`.
        if mentions::of_calls(data)? != said {
            return Err(malformed());
        }
        if let Some(Object(counts)) = chunk.usage {
            found.usage.update(counts.usage());
        }
        found.ended |= chunk.error.is_some();
        let mut touched = false;
        for Object(choice) in chunk.choices.into_iter().flatten() {
            touched |= self.choice(choice, limits, found)?;
        }
        Ok(touched)
    }

    fn choice(&mut self, choice: Choice<'_>, limits: &mut Limits, found: &mut Found) -> Result<bool, Fault> {
        let index = choice.index.unwrap_or(0);
        if self.choices.len() >= MOST_CHOICES && !self.choices.contains_key(&index) {
            return Err(limits.exceeded());
        }
        let streaming = self.choices.entry(index).or_default();
        let mut touched = false;
        // A whole `message` in a chunk is nothing the API has; with calls in it, it contradicts the stream.
        if choice.message.is_some_and(|Object(message)| {
            message.function_call.is_some() || message.tool_calls.is_some_and(|calls| !calls.is_empty())
        }) {
            return Err(malformed());
        }
        if let Some(Object(delta)) = choice.delta {
            for Object(call) in delta.tool_calls.into_iter().flatten() {
                match call.index {
                    Some(at) => streaming.add(Place::Indexed(at), index, call.piece()?, limits)?,
                    None => streaming.add_whole(index, call.piece()?, limits)?,
                }
                touched = true;
            }
            if let Some(Object(function)) = delta.function_call {
                streaming.add(Place::Legacy, index, function.into(), limits)?;
                touched = true;
            }
        }
        // Some upstreams send an empty reason with every chunk.
        if let Some(Text(reason)) = choice.finish_reason.filter(|Text(reason)| !reason.is_empty()) {
            // An answer cut short has a cut call, even where its JSON happens to be whole.
            if !streaming.calls.is_empty() && matches!(&*reason, "length" | "content_filter") {
                return Err(malformed());
            }
            streaming.finished = true;
            found
                .ready
                .extend(std::mem::take(&mut streaming.calls).into_values());
        }
        Ok(touched)
    }
}

impl Streaming {
    fn add(&mut self, at: Place, choice: u32, piece: Piece<'_>, limits: &mut Limits) -> Result<(), Fault> {
        if self.finished || self.calls.keys().any(|at| matches!(at, Place::Whole(_))) {
            return Err(malformed());
        }
        let Some(call) = self.calls.get_mut(&at) else {
            let call = piece.whole(choice)?;
            limits.opening(&call)?;
            self.calls.insert(at, call);
            return Ok(());
        };
        let said = |text: &Option<Text<'_>>| text.as_ref().is_some_and(|Text(text)| !text.is_empty());
        let other_id = said(&piece.id) && piece.id.as_ref().is_some_and(|Text(id)| *id != call.id);
        // SDKs append pieces of a name, so even the same name twice is another name to them.
        if said(&piece.name) || other_id || piece.kind.is_some_and(|kind| kind != call.kind) {
            return Err(malformed());
        }
        if let Some(Text(text)) = piece.text {
            limits.arguments(call.arguments.len() + text.len())?;
            call.arguments.push_str(&text);
        }
        Ok(())
    }

    /// A call without an index. Many upstreams leave it out and send each call in one piece. Clients then differ: some
    /// take each for a call, some append all to one. So each must be whole in itself, and what appending would make of
    /// several must be no call at all: two objects in a row are not JSON.
    fn add_whole(&mut self, choice: u32, piece: Piece<'_>, limits: &mut Limits) -> Result<(), Fault> {
        let call = piece.whole(choice)?;
        limits.opening(&call)?;
        let object = |call: &Whole| {
            let text = call.arguments.trim_ascii();
            call.kind == ProposalKind::Function
                && text.starts_with('{')
                && serde_json::from_str::<IgnoredAny>(text).is_ok()
        };
        let alone = self.calls.is_empty() && call.arguments.trim_ascii().is_empty();
        let apart = object(&call)
            && (self.calls.iter()).all(|(at, other)| matches!(at, Place::Whole(_)) && object(other));
        if self.finished || !(alone || apart) {
            return Err(malformed());
        }
        self.calls.insert(Place::Whole(self.calls.len()), call);
        Ok(())
    }
}
