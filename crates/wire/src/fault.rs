//! What is wrong with some bytes, and where.

use bartizan_types::Code;

/// Why bytes were refused. Carries no text from the bytes, so it may be shown to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{} at byte {at}", code.sentence())]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// Byte offset into what was given to the decoder; for a stream, into the event's data.
    pub at: usize,
}

impl Fault {
    /// A fault of this code at this byte.
    #[must_use]
    pub const fn new(code: Code, at: usize) -> Self {
        Self { code, at }
    }

    /// The same fault when the bytes came from an upstream: what is a caller's 400 in a request is the upstream's
    /// 502 in an answer.
    #[must_use]
    pub const fn of_upstream(self) -> Self {
        let code = match self.code {
            Code::JsonSyntax
            | Code::JsonUtf8
            | Code::JsonDuplicateKey
            | Code::JsonSurrogate
            | Code::JsonDepth
            | Code::JsonNumber
            | Code::JsonDigits
            | Code::RequestShape
            | Code::MessageInvalid => Code::UpstreamMalformed,
            Code::BodyTooLarge => Code::UpstreamTooLarge,
            other => other,
        };
        Self { code, at: self.at }
    }
}
