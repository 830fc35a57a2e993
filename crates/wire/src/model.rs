//! The three model APIs behind one shape: OpenAI chat completions, OpenAI responses, Anthropic messages.
//!
//! Requests and answers are read for facts and forwarded as bytes; nothing is re-encoded. What can make something
//! happen outside the model (a tool call, a provider-run tool, history the provider keeps) is never skipped: a shape
//! that we can't place counts as the provider's tool, or is refused.

mod answer;
mod anthropic;
mod chat;
mod mentions;
mod proposal;
mod refusal;
mod request;
mod responses;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

use std::ops::Range;

use bartizan_types::Surface;

pub use crate::Fault;
pub use answer::{Answered, Usage, decode_answer, poses_as_answer};
pub use proposal::{Proposal, ProposalKind};
pub use refusal::{refusal_body, refusal_event};
pub use request::{Fetch, History, HostedTool, Reach, Request, Said, Splice, ToolResult, decode_request};
pub use stream::{Step, Stream, StreamBounds};

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
    /// Every API.
    pub const ALL: [Self; 3] = [Self::OpenaiChat, Self::OpenaiResponses, Self::AnthropicMessages];

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

/// The body with another model name at `span` (of [`Request::model_span`]); every other byte stays. ADR 0002.
///
/// A span outside the body, or one that ends before it starts, leaves the body as it is.
#[must_use]
pub fn with_model(body: &[u8], span: Range<usize>, model: &str) -> Vec<u8> {
    let (Some(before), Some(after), true) = (
        body.get(..span.start),
        body.get(span.end..),
        span.start <= span.end,
    ) else {
        return body.to_vec();
    };
    let name = serde_json::Value::from(model).to_string();
    [before, name.as_bytes(), after].concat()
}

/// The body with these changes, whose spans do not overlap; every other byte stays. ADR 0002.
///
/// A span outside the body leaves the body without that change.
#[must_use]
pub fn spliced(body: &[u8], mut splices: Vec<(Range<usize>, Vec<u8>)>) -> Vec<u8> {
    splices.sort_by_key(|(span, _)| span.start);
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut at = 0;
    for (span, bytes) in splices {
        if let (Some(before), true) = (
            body.get(at..span.start),
            span.start <= span.end && span.end <= body.len(),
        ) {
            out.extend_from_slice(before);
            out.extend_from_slice(&bytes);
            at = span.end;
        }
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

/// Where in `text` serde_json met its error. It counts lines from 1 and columns in bytes.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before = |line: usize| -> usize { text.split_inclusive('\n').take(line).map(str::len).sum() };
    (before(error.line().saturating_sub(1)) + error.column().saturating_sub(1)).min(text.len())
}
