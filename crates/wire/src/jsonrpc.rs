//! JSON-RPC 2.0 as MCP uses it: one message, strict ids, no batches.
//!
//! Refused: batches (MCP dropped them in 2025-06-18), a missing or other `jsonrpc`, null and fractional ids, messages
//! that are two kinds at once, and keys that differ from JSON-RPC's only in letter case.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bartizan_types::{Code, Refusal};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

pub use crate::Fault;
use crate::json::{Object, Scanned, Text};

/// Longest method or text id, in bytes.
const MOST_NAME_BYTES: usize = 1024;

/// A request's id: a text or an integer within 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id<'a> {
    /// An integer.
    Number(i64),
    /// A text of at most 1024 bytes.
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

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
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
        /// An object.
        params: Option<&'a RawValue>,
    },
    /// A notification.
    Notification {
        /// The method.
        method: Cow<'a, str>,
        /// An object.
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

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Text<'a>,
    // `default` keeps apart what `Option` alone would merge: an absent id, and a null one.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<Object<ErrorObject<'a>>>,
}

#[derive(Deserialize)]
struct ErrorObject<'a> {
    code: i64,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Decodes one message.
///
/// # Errors
/// [`Code::MessageInvalid`].
pub fn decode<'a>(body: Scanned<'a>) -> Result<Message<'a>, Fault> {
    let invalid = || Fault::new(Code::MessageInvalid, 0);
    let Object(read) = serde_json::from_str::<Object<Envelope<'a>>>(body.text()).map_err(|_| invalid())?;
    if read.jsonrpc.0 != "2.0" {
        return Err(invalid());
    }
    let null = |raw: &RawValue| raw.get() == "null";
    let id = match read.id {
        // JSON-RPC allows a null id only in an error whose request could not be read.
        Some(raw) if null(raw) && read.error.is_some() => None,
        Some(raw) => Some(read_id(raw).ok_or_else(invalid)?),
        None => None,
    };
    match (read.method, read.result, read.error) {
        (Some(Text(method)), None, None) => {
            let object = read.params.is_none_or(|params| params.get().starts_with('{'));
            if !object || method.is_empty() || method.len() > MOST_NAME_BYTES {
                return Err(invalid());
            }
            Ok(match id {
                Some(id) => Message::Request {
                    id,
                    method,
                    params: read.params,
                },
                None => Message::Notification {
                    method,
                    params: read.params,
                },
            })
        }
        (None, Some(result), None) if read.params.is_none() => Ok(Message::Response {
            id: id.ok_or_else(invalid)?,
            result,
        }),
        (None, None, Some(Object(error))) if read.params.is_none() => Ok(Message::Failure {
            id,
            error: RpcError {
                code: error.code,
                message: error.message.0,
                data: error.data,
            },
        }),
        _ => Err(invalid()),
    }
}

fn read_id(raw: &RawValue) -> Option<Id<'_>> {
    if raw.get().starts_with('"') {
        let Text(text) = serde_json::from_str(raw.get()).ok()?;
        return (text.len() <= MOST_NAME_BYTES).then_some(Id::Text(text));
    }
    let number: i64 = raw.get().parse().ok()?;
    // Echoed as it was sent: `-0` would come back as `0`.
    (number.to_string() == raw.get()).then_some(Id::Number(number))
}

#[derive(Serialize)]
struct Outgoing<'a, E: Serialize> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Option<&'a Id<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<E>,
}

const BLANK: Outgoing<'_, OutgoingError<'_, ()>> = Outgoing {
    jsonrpc: "2.0",
    id: None,
    method: None,
    params: None,
    result: None,
    error: None,
};

#[derive(Serialize)]
struct OutgoingError<'a, D: Serialize> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<D>,
}

/// Encodes a request.
#[must_use]
pub fn request(id: &Id<'_>, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    encode(&Outgoing {
        id: Some(Some(id)),
        method: Some(method),
        params,
        ..BLANK
    })
}

/// Encodes a notification.
#[must_use]
pub fn notification(method: &str, params: Option<&RawValue>) -> Vec<u8> {
    encode(&Outgoing {
        method: Some(method),
        params,
        ..BLANK
    })
}

/// Encodes a successful answer.
#[must_use]
pub fn result(id: &Id<'_>, result: &RawValue) -> Vec<u8> {
    encode(&Outgoing {
        id: Some(Some(id)),
        result: Some(result),
        ..BLANK
    })
}

/// Encodes a failed answer; no id becomes a null one.
#[must_use]
pub fn error(id: Option<&Id<'_>>, error: &RpcError<'_>) -> Vec<u8> {
    failure(id, error.code, &error.message, error.data)
}

#[derive(Serialize)]
struct RefusalData<'a> {
    code: Code,
    call: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

/// Encodes a refusal as a failed answer with `data` = `{code, call, hint, retryAfterSeconds}`.
#[must_use]
pub fn refusal_error(id: Option<&Id<'_>>, refusal: &Refusal) -> Vec<u8> {
    let data = RefusalData {
        code: refusal.code,
        call: refusal.call.to_string(),
        hint: refusal.code.hint(),
        retry_after_seconds: refusal.retry_after_seconds,
    };
    failure(id, error_code(refusal.code), &refusal.to_string(), Some(data))
}

fn failure<D: Serialize>(id: Option<&Id<'_>>, code: i64, message: &str, data: Option<D>) -> Vec<u8> {
    encode(&Outgoing {
        jsonrpc: "2.0",
        id: Some(id),
        method: None,
        params: None,
        result: None,
        error: Some(OutgoingError { code, message, data }),
    })
}

/// Texts, integers and raw JSON always serialize; were it not so, nothing would be sent that parses.
fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// The JSON-RPC error code that a refusal of this code carries.
///
/// JSON-RPC's own: -32700 the bytes are not JSON, -32600 not a message, -32601 no such method, -32602 wrong
/// params, -32603 our mistake. MCP's (2026-07-28): -32020 header and body disagree, -32022 revision not supported.
/// Ours, in the range JSON-RPC leaves to servers: -32001 policy or identity says no, -32003 a limit, -32004 an
/// upstream failed.
#[must_use]
pub fn error_code(code: Code) -> i64 {
    use bartizan_types::Fault as Whose;
    match code {
        Code::JsonSyntax
        | Code::JsonUtf8
        | Code::JsonDuplicateKey
        | Code::JsonSurrogate
        | Code::JsonNumber => -32_700,
        Code::JsonDepth | Code::MessageInvalid | Code::RequestShape => -32_600,
        Code::Method | Code::NotFound | Code::MethodUnknown => -32_601,
        Code::ArgumentsInvalid
        | Code::JsonDigits
        | Code::ToolUnknown
        | Code::ServerUnknown
        | Code::SessionUnknown => -32_602,
        Code::HeaderMismatch => -32_020,
        Code::RevisionUnsupported => -32_022,
        _ => match code.fault() {
            Whose::Policy => -32_001,
            Whose::Caller if matches!(code.status(), 401 | 403) => -32_001,
            Whose::Caller if code.status() == 413 => -32_003,
            Whose::Caller => -32_600,
            Whose::Limit => -32_003,
            Whose::Peer | Whose::Upstream => -32_004,
            Whose::Bug => -32_603,
        },
    }
}
