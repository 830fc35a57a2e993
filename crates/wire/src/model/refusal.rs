//! Refusals in each API's own error shape, so that its SDKs raise with our sentence, code and call id.

use bartizan_types::{Code, Refusal};
use serde::Serialize;

use super::Api;
use crate::sse;

#[derive(Serialize)]
struct OpenaiError<'a> {
    message: String,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Code,
    /// Ours: the id that `bartizan explain` takes.
    call: String,
    /// Ours: what to do next.
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
}

#[derive(Serialize)]
struct OpenaiBody<'a> {
    error: OpenaiError<'a>,
}

/// The responses API's `error` event carries the error's fields itself; the SDKs raise when there is an `error` too.
#[derive(Serialize)]
struct ResponsesEvent<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    sequence_number: u64,
    code: Code,
    message: String,
    param: Option<&'a str>,
    error: OpenaiError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: String,
    code: Code,
    call: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
}

#[derive(Serialize)]
struct AnthropicBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    error: AnthropicError<'a>,
    request_id: String,
}

/// The API's own error body; the HTTP status is [`Code::status`].
#[must_use]
pub fn refusal_body(api: Api, refusal: &Refusal) -> Vec<u8> {
    match api {
        Api::OpenaiChat | Api::OpenaiResponses => json(&openai(refusal)),
        Api::AnthropicMessages => json(&anthropic(refusal)),
    }
    .into_bytes()
}

/// The API's own error as a stream event, on which its SDKs raise; the stream ends after it.
#[must_use]
pub fn refusal_event(api: Api, refusal: &Refusal) -> Vec<u8> {
    match api {
        Api::OpenaiChat => sse::encode(None, &json(&openai(refusal))),
        Api::OpenaiResponses => {
            let event = ResponsesEvent {
                kind: "error",
                sequence_number: 0,
                code: refusal.code,
                message: refusal.to_string(),
                param: None,
                error: openai(refusal).error,
            };
            sse::encode(Some("error"), &json(&event))
        }
        Api::AnthropicMessages => sse::encode(Some("error"), &json(&anthropic(refusal))),
    }
}

fn openai(refusal: &Refusal) -> OpenaiBody<'static> {
    OpenaiBody {
        error: OpenaiError {
            // `Refusal` shows its sentence, its code and the call, which is all an SDK's exception prints.
            message: refusal.to_string(),
            kind: match refusal.code.status() {
                401 => "authentication_error",
                403 => "permission_error",
                429 => "rate_limit_error",
                400..=499 => "invalid_request_error",
                _ => "server_error",
            },
            param: None,
            code: refusal.code,
            call: refusal.call.to_string(),
            hint: refusal.code.hint(),
        },
    }
}

fn anthropic(refusal: &Refusal) -> AnthropicBody<'static> {
    AnthropicBody {
        kind: "error",
        error: AnthropicError {
            kind: match refusal.code.status() {
                401 => "authentication_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                503 => "overloaded_error",
                504 => "timeout_error",
                400..=499 => "invalid_request_error",
                _ => "api_error",
            },
            message: refusal.to_string(),
            code: refusal.code,
            call: refusal.call.to_string(),
            hint: refusal.code.hint(),
        },
        request_id: refusal.call.to_string(),
    }
}

/// Structs of texts and numbers always serialize; were it not so, an empty object still is an error to an SDK.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
