//! A2A 1.0 over JSON-RPC (specification v1.0, sections 5 and 9): requests, answers, and the events of streams.
//!
//! Messages are protobuf JSON, whose readers take a field by two names (`taskId` and `task_id`), and some in any letter
//! case. A check that knows only one of them would be blind to the others, so only the fields that the protocol defines are
//! taken, by their JSON names (`shape`).
//!
//! INVARIANT: what goes to a peer is written here from what was read ([`request`]), under an id of ours; nothing that was
//! not read goes along. Its answer goes to the agent under the agent's own id.

pub mod card;
mod shape;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bartizan_types::{Action, Code, Fault as Whose, Refusal};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

pub use crate::Fault;
use crate::{
    json::{self, Scanned},
    jsonrpc::{self, Id, Message},
    sse,
};

/// The header that names the protocol's version.
pub const VERSION_HEADER: &str = "a2a-version";
/// The version spoken here; a patch number behind it means the same.
pub const VERSION: &str = "1.0";
/// The id under which every request goes to a peer. Each has an HTTP exchange of its own, so nothing more has to be told
/// apart, and an id of the agent's own choice could say anything.
pub const ASKED_AS: Id<'static> = Id::Text(Cow::Borrowed("1"));

/// Whether a version header names 1.0. A request without one speaks 0.3 (section 3.6.2), which has other shapes.
#[must_use]
pub fn speaks(version: Option<&str>) -> bool {
    let Some(version) = version.map(str::trim) else {
        return false;
    };
    let rest = version.strip_prefix(VERSION);
    rest.is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('.')
                .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// A method (section 9.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `SendMessage`.
    SendMessage,
    /// `SendStreamingMessage`.
    SendStreamingMessage,
    /// `GetTask`.
    GetTask,
    /// `ListTasks`.
    ListTasks,
    /// `CancelTask`.
    CancelTask,
    /// `SubscribeToTask`.
    SubscribeToTask,
    /// `CreateTaskPushNotificationConfig`.
    CreatePush,
    /// `GetTaskPushNotificationConfig`.
    GetPush,
    /// `ListTaskPushNotificationConfigs`.
    ListPushes,
    /// `DeleteTaskPushNotificationConfig`.
    DeletePush,
    /// `GetExtendedAgentCard`.
    GetExtendedCard,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 11] = [
        Self::SendMessage,
        Self::SendStreamingMessage,
        Self::GetTask,
        Self::ListTasks,
        Self::CancelTask,
        Self::SubscribeToTask,
        Self::CreatePush,
        Self::GetPush,
        Self::ListPushes,
        Self::DeletePush,
        Self::GetExtendedCard,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendMessage => "SendMessage",
            Self::SendStreamingMessage => "SendStreamingMessage",
            Self::GetTask => "GetTask",
            Self::ListTasks => "ListTasks",
            Self::CancelTask => "CancelTask",
            Self::SubscribeToTask => "SubscribeToTask",
            Self::CreatePush => "CreateTaskPushNotificationConfig",
            Self::GetPush => "GetTaskPushNotificationConfig",
            Self::ListPushes => "ListTaskPushNotificationConfigs",
            Self::DeletePush => "DeleteTaskPushNotificationConfig",
            Self::GetExtendedCard => "GetExtendedAgentCard",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// What a call of it does.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::SendMessage | Self::SendStreamingMessage => Action::SendMessage,
            Self::GetTask | Self::ListTasks | Self::SubscribeToTask | Self::GetPush | Self::ListPushes => {
                Action::ReadTask
            }
            Self::CancelTask => Action::CancelTask,
            Self::CreatePush | Self::DeletePush => Action::SetPush,
            Self::GetExtendedCard => Action::ReadCard,
        }
    }

    /// Whether the answer is a stream of events.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(self, Self::SendStreamingMessage | Self::SubscribeToTask)
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The caller's id for it.
    pub id: Id<'a>,
    /// What is asked.
    pub method: Method,
    /// Its params as they go on, an object; empty where there were none.
    pub params: Value,
    /// Addresses that the peer is to call when the task moves.
    pub pushes: Vec<String>,
    /// What in the params is the agents' own (`metadata`, `data`), each as one JSON text: names and booleans say something,
    /// too. What is a single text or number is left out.
    pub free: Vec<String>,
}

/// Decodes a request.
///
/// # Errors
/// [`Code::MessageInvalid`] for what is no JSON-RPC request, [`Code::Method`] for a method that A2A 1.0 has not,
/// [`Code::RequestShape`], with its place, for a member that is not defined where it stands, or holds what it may not.
pub fn decode_request(body: Scanned<'_>) -> Result<Request<'_>, Fault> {
    let Message::Request { id, method, params } = jsonrpc::decode(body)? else {
        return Err(Fault::new(Code::MessageInvalid, 0));
    };
    let method = Method::parse(&method).ok_or(Fault::new(Code::Method, 0))?;
    let read = shape::read(body, method, params)?;
    Ok(Request {
        id,
        method,
        params: read.params,
        pushes: read.pushes,
        free: read.free,
    })
}

/// A request as its peer gets it, of the params of a [`Request`].
#[must_use]
pub fn request(method: Method, params: &RawValue) -> Vec<u8> {
    jsonrpc::request(&ASKED_AS, method.as_str(), Some(params))
}

/// What a peer answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// A result: a task, a message, a list, an event.
    Result(Value),
    /// An error, with all that it says.
    Failed(Value),
}

impl Answered {
    /// Whether it ends a stream: the peer failed, or the task has come to its end or waits (section 3.1.2).
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it says.
    pub said: Answered,
    /// Its bytes for the agent, which knows its request by an id of its own. The result stands as it came.
    pub told: Vec<u8>,
}

/// Decodes an answer to a request that [`request`] wrote, for the agent that asked with the id `agents`. An error may leave
/// the id out, where the peer could not read it.
///
/// # Errors
/// [`Code::MessageInvalid`]: no answer, or one to something else.
pub fn decode_answer(body: Scanned<'_>, agents: &Id<'_>) -> Result<Answer, Fault> {
    let invalid = Fault::new(Code::MessageInvalid, 0);
    match jsonrpc::decode(body)? {
        Message::Response { id, result } if id == ASKED_AS => {
            let told = jsonrpc::result(agents, result);
            let result = json::unrounded(result.get()).map_err(|_| invalid)?;
            Ok(Answer {
                said: Answered::Result(result),
                told,
            })
        }
        Message::Failure { id, error } if id.is_none() || id == Some(ASKED_AS) => {
            let told = jsonrpc::error(Some(agents), &error);
            let data = error
                .data
                .map(|data| json::unrounded(data.get()))
                .transpose()
                .map_err(|_| invalid)?;
            let mut said = serde_json::Map::new();
            said.insert("message".to_owned(), Value::String(error.message.into_owned()));
            said.insert("data".to_owned(), data.unwrap_or_default());
            Ok(Answer {
                said: Answered::Failed(Value::Object(said)),
                told,
            })
        }
        _ => Err(invalid),
    }
}

/// The JSON-RPC code that a refusal of this code carries. A2A's own (section 5.4): -32009 version, -32003 push
/// notifications.
#[must_use]
pub fn error_code(code: Code) -> i64 {
    match code {
        Code::RevisionUnsupported => -32_009,
        Code::PushHost => -32_003,
        Code::Method | Code::NotFound => -32_601,
        _ => match code.fault() {
            Whose::Policy | Whose::Limit | Whose::Upstream | Whose::Peer => -32_000,
            Whose::Caller if matches!(code.status(), 401 | 403) => -32_000,
            _ => jsonrpc::error_code(code),
        },
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    jsonrpc: &'static str,
    id: Option<&'a Id<'a>>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i64,
    message: Cow<'a, str>,
    data: [ErrorInfo<'a>; 1],
}

/// `google.rpc.ErrorInfo`, which A2A's errors carry (section 9.5).
#[derive(Serialize)]
struct ErrorInfo<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    reason: String,
    domain: &'static str,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    code: &'a str,
    call: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<String>,
}

/// A refusal as A2A's error.
#[must_use]
pub fn refusal_error(id: Option<&Id<'_>>, refusal: &Refusal) -> Vec<u8> {
    let code = refusal.code.as_str();
    let body = ErrorBody {
        jsonrpc: "2.0",
        id,
        error: ErrorObject {
            code: error_code(refusal.code),
            message: Cow::Owned(refusal.to_string()),
            data: [ErrorInfo {
                kind: "type.googleapis.com/google.rpc.ErrorInfo",
                reason: code.replace('.', "_").to_ascii_uppercase(),
                domain: "bartizan",
                metadata: Metadata {
                    code,
                    call: refusal.call.to_string(),
                    hint: refusal.code.hint(),
                    retry_after_seconds: refusal.retry_after_seconds.map(|seconds| seconds.to_string()),
                },
            }],
        },
    };
    // Texts and integers always serialize; were it not so, nothing would be sent that parses.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// A refusal as the last event of a stream.
#[must_use]
pub fn refusal_event(id: &Id<'_>, refusal: &Refusal) -> Vec<u8> {
    sse::encode(None, &String::from_utf8_lossy(&refusal_error(Some(id), refusal)))
}
