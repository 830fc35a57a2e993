//! The three model APIs behind one shape: OpenAI chat completions, OpenAI responses, Anthropic messages.

use std::{borrow::Cow, ops::Range};

use bartizan_types::{Code, Refusal, Surface};
use serde_json::value::RawValue;

pub use crate::Fault;
use crate::json::Scanned;

/// Which API a body belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// `POST /v1/chat/completions`.
    OpenaiChat,
    /// `POST /v1/responses`.
    OpenaiResponses,
    /// `POST /v1/messages`.
    AnthropicMessages,
}

impl Api {
    /// The surface of records and policy.
    #[must_use]
    pub const fn surface(self) -> Surface {
        match self {
            Self::OpenaiChat => Surface::OpenaiChat,
            Self::OpenaiResponses => Surface::OpenaiResponses,
            Self::AnthropicMessages => Surface::AnthropicMessages,
        }
    }
}

/// A tool that the provider runs, or may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedTool<'a> {
    /// The provider's word for it: the tool's `type`, or the request field that switches it on.
    pub kind: Cow<'a, str>,
    /// Where it reaches, where the request says so: an MCP server's URL or a connector id.
    pub target: Option<Cow<'a, str>>,
}

/// History or state that the provider keeps and this request relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History<'a> {
    /// The request field: `previous_response_id`, `conversation`, `prompt`, `container`, `file_id`, `item_reference`.
    pub field: &'static str,
    /// The id it names, where it is a text.
    pub id: Option<Cow<'a, str>>,
}

/// A tool's result that the agent sends to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult<'a> {
    /// The call's id as the model gave it.
    pub id: Cow<'a, str>,
    /// The tool's name, where the request says it.
    pub name: Option<Cow<'a, str>>,
    /// The bytes of the whole item in the body.
    pub span: Range<usize>,
}

/// What a request asks for. The body itself is forwarded untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The API.
    pub api: Api,
    /// The top-level `model`.
    pub model: Cow<'a, str>,
    /// Its bytes in the body, quotes included.
    pub model_span: Range<usize>,
    /// `stream: true`.
    pub stream: bool,
    /// Names of the tools that the agent runs itself.
    pub tools: Vec<Cow<'a, str>>,
    /// Tools that the provider runs.
    pub hosted: Vec<HostedTool<'a>>,
    /// Server-held history.
    pub history: Vec<History<'a>>,
    /// The answer is kept by the provider on request (`store: true`).
    pub store: bool,
    /// The answer is made in the background and fetched later (`background: true`).
    pub background: bool,
    /// Results of tools among the messages.
    pub tool_results: Vec<ToolResult<'a>>,
    /// Bound on the answer, in tokens.
    pub max_tokens: Option<u64>,
    /// There are image parts.
    pub images: bool,
    /// Answers asked for (`n`), 1 when absent.
    pub choices: u64,
    /// The deprecated `functions` or `function_call` are used.
    pub legacy_functions: bool,
}

/// Tokens as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens in.
    pub input_tokens: Option<u64>,
    /// Tokens out.
    pub output_tokens: Option<u64>,
    /// Of those in, read from the provider's cache.
    pub cached_tokens: Option<u64>,
}

/// Who runs a proposed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProposalKind {
    /// A function tool that the agent declared; arguments are its JSON.
    Function,
    /// A free-text tool that the agent declared; arguments are one JSON string.
    Custom,
    /// A tool of the API's own that the agent runs (computer, local shell); arguments are the whole item.
    Builtin,
    /// A tool the provider ran or wants to run; arguments are the whole item.
    Hosted,
}

/// A tool call in a model's answer.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Position among the answer's calls, from 0.
    pub index: u32,
    /// The choice it is in.
    pub choice: u32,
    /// Who would run it.
    pub kind: ProposalKind,
    /// The call's id; empty for the legacy `function_call`.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Strictly scanned arguments.
    pub arguments: Box<RawValue>,
}

/// A unary answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Every call in it, in order.
    pub proposals: Vec<Proposal>,
    /// Usage.
    pub usage: Usage,
    /// Why it ended, in the provider's word.
    pub finish: Option<String>,
}

/// Decodes a request.
///
/// # Errors
/// [`Code::RequestShape`].
pub fn decode_request<'a>(api: Api, body: Scanned<'a>) -> Result<Request<'a>, Fault> {
    let _ = (api, body);
    Err(Fault::new(Code::Bug, 0))
}

/// Decodes a unary answer.
///
/// # Errors
/// [`Code::UpstreamMalformed`].
pub fn decode_answer(api: Api, body: Scanned<'_>) -> Result<Answered, Fault> {
    let _ = (api, body);
    Err(Fault::new(Code::Bug, 0))
}

/// Limits of one streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamBounds {
    /// Largest event, in bytes.
    pub event_bytes: usize,
    /// Most bytes held back behind a tool call.
    pub held_bytes: usize,
    /// Most tool calls in one answer.
    pub proposals: u32,
    /// Longest arguments of one call, in bytes.
    pub argument_bytes: usize,
}

impl Default for StreamBounds {
    /// 1 MiB events, 8 MiB held, 128 calls, 1 MiB arguments.
    fn default() -> Self {
        Self {
            event_bytes: 1 << 20,
            held_bytes: 8 << 20,
            proposals: 128,
            argument_bytes: 1 << 20,
        }
    }
}

/// What a stream gives back.
#[derive(Debug)]
pub enum Step<'a> {
    /// These exact bytes may go to the agent now.
    Release(&'a [u8]),
    /// Events are being held from here on; sent once per hold.
    Hold,
    /// A whole call to rule on. All calls of one hold come in one go, then [`Stream::settle`] is owed.
    Proposal(Proposal),
    /// The API's own end of the answer was seen and nothing is held.
    End(Usage),
}

/// A streamed answer: releases text at once, holds tool calls until ruled on.
#[derive(Debug)]
pub struct Stream {
    bounds: StreamBounds,
}

impl Stream {
    /// A stream of this API.
    #[must_use]
    pub fn new(api: Api, bounds: StreamBounds) -> Self {
        let _ = api;
        Self { bounds }
    }

    /// Takes the next chunk from the upstream.
    ///
    /// # Errors
    /// After any error nothing more is released.
    pub fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(Step<'_>)) -> Result<(), Fault> {
        let _ = (chunk, each, self.bounds);
        Err(Fault::new(Code::Bug, 0))
    }

    /// Whether proposals were given out and [`Stream::settle`] is owed.
    #[must_use]
    pub fn owes_ruling(&self) -> bool {
        false
    }

    /// The ruling on everything pending: `true` releases the held events unchanged and goes on with what came in
    /// since (which may give out further proposals), `false` drops them and everything after.
    ///
    /// # Errors
    /// As [`Stream::push`].
    pub fn settle(&mut self, allowed: bool, each: &mut dyn FnMut(Step<'_>)) -> Result<(), Fault> {
        let _ = (allowed, each);
        Err(Fault::new(Code::Bug, 0))
    }

    /// The upstream closed the stream.
    ///
    /// # Errors
    /// [`Code::UpstreamMalformed`] when a call is incomplete or unruled, or the API's own end is missing.
    pub fn finish(self, each: &mut dyn FnMut(Step<'_>)) -> Result<Usage, Fault> {
        let _ = each;
        Err(Fault::new(Code::Bug, 0))
    }
}

/// The API's own error body, so that its SDKs raise with our sentence, code and call id.
#[must_use]
pub fn refusal_body(api: Api, refusal: &Refusal) -> Vec<u8> {
    let _ = (api, refusal);
    Vec::new()
}

/// The API's own error as a stream event; the stream ends after it.
#[must_use]
pub fn refusal_event(api: Api, refusal: &Refusal) -> Vec<u8> {
    let _ = (api, refusal);
    Vec::new()
}

/// The body with another model name at `span` (of [`Request::model_span`]); every other byte stays. ADR 0002.
#[must_use]
pub fn with_model(body: &[u8], span: Range<usize>, model: &str) -> Vec<u8> {
    let _ = (span, model);
    body.to_vec()
}
