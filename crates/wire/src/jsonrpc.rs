//! JSON-RPC 2.0 as MCP uses it: one message, strict ids, no batches.

use std::borrow::Cow;

use bartizan_types::{Code, Refusal};
use serde_json::value::RawValue;

pub use crate::Fault;
use crate::json::Scanned;

/// A request's id: a text or an integer within 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id<'a> {
    /// An integer.
    Number(i64),
    /// A text.
    Text(Cow<'a, str>),
}

impl Id<'_> {
    /// The same id, owning its text.
    #[must_use]
    pub fn into_owned(self) -> Id<'static> {
        match self {
            Self::Number(number) => Id::Number(number),
            Self::Text(text) => Id::Text(Cow::Owned(text.into_owned())),
        }
    }
}

/// A JSON-RPC error object.
#[derive(Debug, Clone)]
pub struct RpcError<'a> {
    /// The code.
    pub code: i64,
    /// The message.
    pub message: Cow<'a, str>,
    /// Data, if any.
    pub data: Option<&'a RawValue>,
}

/// One message.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// A request.
    Request {
        /// Its id.
        id: Id<'a>,
        /// The method.
        method: Cow<'a, str>,
        /// An object or array.
        params: Option<&'a RawValue>,
    },
    /// A notification.
    Notification {
        /// The method.
        method: Cow<'a, str>,
        /// An object or array.
        params: Option<&'a RawValue>,
    },
    /// A successful answer.
    Response {
        /// The request's id.
        id: Id<'a>,
        /// The result.
        result: &'a RawValue,
    },
    /// A failed answer.
    Failure {
        /// The request's id, if the other side could read it.
        id: Option<Id<'a>>,
        /// What went wrong.
        error: RpcError<'a>,
    },
}

/// Decodes one message.
///
/// # Errors
/// [`Code::MessageInvalid`].
pub fn decode<'a>(body: Scanned<'a>) -> Result<Message<'a>, Fault> {
    let _ = body;
    Err(Fault::new(Code::Bug, 0))
}

/// Encodes a request.
#[must_use]
pub fn request(id: &Id<'_>, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let _ = (id, method, params);
    Vec::new()
}

/// Encodes a notification.
#[must_use]
pub fn notification(method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let _ = (method, params);
    Vec::new()
}

/// Encodes a successful answer.
#[must_use]
pub fn result(id: &Id<'_>, result: &RawValue) -> Vec<u8> {
    let _ = (id, result);
    Vec::new()
}

/// Encodes a failed answer; `None` becomes a null id.
#[must_use]
pub fn error(id: Option<&Id<'_>>, error: &RpcError<'_>) -> Vec<u8> {
    let _ = (id, error);
    Vec::new()
}

/// Encodes a refusal as a failed answer with `data` = `{code, call, hint}`.
#[must_use]
pub fn refusal_error(id: Option<&Id<'_>>, refusal: &Refusal) -> Vec<u8> {
    let _ = (id, refusal);
    Vec::new()
}

/// The JSON-RPC error code that a refusal of this code carries.
#[must_use]
pub fn error_code(code: Code) -> i64 {
    let _ = code;
    -32_001
}
