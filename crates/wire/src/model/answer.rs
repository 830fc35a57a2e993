//! Unary answers.

use std::{borrow::Cow, collections::BTreeMap};

use bartizan_types::Code;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Api, Fault, Proposal, anthropic, chat, proposal::Whole, responses};
use crate::json::{self, Scanned};

/// Tokens as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens in. Anthropic does not count those read from or written to its cache here.
    pub input_tokens: Option<u64>,
    /// Tokens out.
    pub output_tokens: Option<u64>,
    /// Tokens read from the provider's cache.
    pub cached_tokens: Option<u64>,
    /// Tokens written to the provider's cache, where that is counted apart from tokens in (Anthropic).
    pub cache_written_tokens: Option<u64>,
}

impl Usage {
    /// Later counts replace earlier ones; what a later report leaves out stays.
    pub(super) fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cached_tokens = later.cached_tokens.or(self.cached_tokens);
        self.cache_written_tokens = later.cache_written_tokens.or(self.cache_written_tokens);
    }
}

/// A unary answer.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// Every call in it, in order.
    pub proposals: Vec<Proposal>,
    /// Usage.
    pub usage: Usage,
    /// Why it ended, in the provider's word; of the first choice, where there are several.
    pub finish: Option<String>,
}

/// What a decoder of one API reads.
pub(super) struct Read {
    pub(super) calls: Vec<Whole>,
    pub(super) usage: Usage,
    pub(super) finish: Option<String>,
}

/// Most calls in one unary answer, and the longest arguments of one in bytes.
const MOST_CALLS: usize = 1024;
const MOST_ARGUMENT_BYTES: usize = 8 << 20;

/// Decodes a unary answer of a successful status.
///
/// # Errors
/// [`Code::UpstreamMalformed`] when it is no answer of this API or a call in it can't be read;
/// [`Code::UpstreamTooLarge`] above 1024 calls or 8 MiB of arguments.
pub fn decode_answer(api: Api, body: Scanned<'_>) -> Result<Answered, Fault> {
    let read = match api {
        Api::OpenaiChat => chat::answer(body.text()),
        Api::OpenaiResponses => responses::answer(body.text()),
        Api::AnthropicMessages => anthropic::answer(body.text()),
    }?;
    if read.calls.len() > MOST_CALLS {
        return Err(Fault::new(Code::UpstreamTooLarge, 0));
    }
    let number = |(index, call): (usize, Whole)| {
        call.propose(u32::try_from(index).unwrap_or(u32::MAX), MOST_ARGUMENT_BYTES)
    };
    Ok(Answered {
        proposals: read
            .calls
            .into_iter()
            .enumerate()
            .map(number)
            .collect::<Result<_, _>>()?,
        usage: read.usage,
        finish: read.finish,
    })
}

/// Whether a client of some API could find an answer in a body that is none of ours: it is a list, or has something in
/// a member that holds answers, however that is spelled.
#[must_use]
pub fn poses_as_answer(body: Scanned<'_>) -> bool {
    const HOLD: [&str; 4] = ["choices", "output", "content", "message"];
    let text = body.text().trim_ascii_start();
    if !text.starts_with('{') {
        return text.starts_with('[');
    }
    let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else {
        return true;
    };
    members.iter().any(|(key, value)| {
        let empty = matches!(value.get(), "null" | "[]" | "{}") || value.get().starts_with('"');
        !empty && HOLD.contains(&&*json::folded(key))
    })
}

/// Reads upstream text as a `T`.
pub(super) fn shaped<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::new(Code::UpstreamMalformed, super::offset(text, &error)))
}
