//! How a refusal looks to an MCP client.
//!
//! A refused `tools/call` is answered with a *result* that has `isError: true`: frameworks hand such a result to the
//! model, which can say why and go on, while a JSON-RPC error is raised as an exception that ends most agent loops.
//! The specification draws the same line: protocol errors for malformed requests and unknown tools, tool errors for a
//! call that was understood and did not succeed. Everything else is refused with a JSON-RPC error. Both carry
//! `{code, call, hint}`.

use bartizan_types::{Code, Refusal};
use bartizan_wire::jsonrpc::Id;

use crate::{
    Method, Revision,
    link::push_id,
    message::{Object, push_text},
};

/// `_meta` key of a refusal inside a tool result.
pub const META_REFUSAL: &str = "bartizan/refusal";

/// Whether this refusal means the message itself was wrong, rather than the call.
const fn is_protocol(code: Code) -> bool {
    matches!(
        code,
        Code::HeaderMismatch
            | Code::MessageInvalid
            | Code::RequestShape
            | Code::JsonSyntax
            | Code::JsonUtf8
            | Code::JsonDuplicateKey
            | Code::JsonSurrogate
            | Code::JsonDepth
            | Code::JsonNumber
            | Code::RevisionUnsupported
            | Code::SessionUnknown
            | Code::ToolUnknown
            | Code::ServerUnknown
            | Code::MethodUnknown
            | Code::BodyTooLarge
            // Only a client that gets HTTP's 403 asks for more scopes (MCP authorization).
            | Code::ScopeInsufficient
    )
}

/// The HTTP status and the JSON-RPC message that tell an agent of a refusal. `detail`, where given, follows the
/// sentence: a place in the arguments, never a value.
#[must_use]
pub fn encode(
    id: Option<&Id<'_>>,
    method: Method,
    revision: Revision,
    refusal: &Refusal,
    detail: Option<&str>,
) -> (u16, Vec<u8>) {
    if let (Method::ToolsCall, Some(id), false) = (method, id, is_protocol(refusal.code)) {
        return (200, tool_result(id, revision, refusal, detail));
    }
    let status = match refusal.code {
        // The revisions with sessions tell of it in the message alone; the stateless one by the status, too.
        Code::MethodUnknown if !revision.stateless() => 200,
        code if method == Method::Unknown && code.fault() == bartizan_types::Fault::Policy => 404,
        code => code.status(),
    };
    let mut bytes = match (method, refusal.code) {
        (_, Code::RevisionUnsupported) => unsupported(id, refusal),
        (Method::Unknown, code) if code.fault() == bartizan_types::Fault::Policy => {
            failed(id, -32601, refusal, detail)
        }
        (_, code) => failed(id, error_code(code), refusal, detail),
    };
    bytes.shrink_to_fit();
    (status, bytes)
}

/// The JSON-RPC error code of a refusal. What the specification names has its number; the rest stays out of the range
/// it reserves and repeats the HTTP status, negated.
fn error_code(code: Code) -> i64 {
    match code {
        Code::HeaderMismatch => -32020,
        Code::RevisionUnsupported => -32022,
        Code::JsonSyntax | Code::JsonUtf8 => -32700,
        Code::MessageInvalid
        | Code::RequestShape
        | Code::JsonDuplicateKey
        | Code::JsonSurrogate
        | Code::JsonDepth
        | Code::JsonNumber => -32600,
        Code::MethodUnknown => -32601,
        Code::ToolUnknown | Code::ServerUnknown | Code::ArgumentsInvalid | Code::JsonDigits => -32602,
        Code::Bug => -32603,
        other => -i64::from(other.status()),
    }
}

fn sentence(refusal: &Refusal, detail: Option<&str>) -> String {
    let mut text = refusal.sentence.clone();
    if let Some(detail) = detail {
        text.push_str(": ");
        text.push_str(detail);
    }
    text.push(' ');
    text.push_str(&refusal.mark());
    text
}

fn data(refusal: &Refusal) -> Object {
    let mut data = Object::default();
    data.text("code", refusal.code.as_str())
        .text("call", &refusal.call.to_string());
    if !refusal.code.hint().is_empty() {
        data.text("hint", refusal.code.hint());
    }
    if let Some(approval) = refusal.approval {
        data.text("approval", &approval.to_string());
    }
    if let Some(seconds) = refusal.retry_after_seconds {
        data.json("retryAfterSeconds", &seconds.to_string());
    }
    data
}

fn envelope(id: Option<&Id<'_>>, key: &str, value: &str) -> Vec<u8> {
    let mut text = String::from("null");
    if let Some(id) = id {
        text.clear();
        push_id(&mut text, id);
    }
    let mut out = Object::with_capacity(value.len() + 48);
    out.text("jsonrpc", "2.0").json("id", &text).json(key, value);
    out.finish().into_bytes()
}

fn failed(id: Option<&Id<'_>>, code: i64, refusal: &Refusal, detail: Option<&str>) -> Vec<u8> {
    let mut error = Object::default();
    error
        .json("code", &code.to_string())
        .text("message", &sentence(refusal, detail))
        .json("data", &data(refusal).finish());
    envelope(id, "error", &error.finish())
}

fn unsupported(id: Option<&Id<'_>>, refusal: &Refusal) -> Vec<u8> {
    let mut data = data(refusal);
    let versions: Vec<String> = Revision::ALL
        .iter()
        .rev()
        .map(|revision| format!("\"{revision}\""))
        .collect();
    data.json("supported", &format!("[{}]", versions.join(",")));
    let mut error = Object::default();
    error
        .json("code", "-32022")
        .text("message", &sentence(refusal, None))
        .json("data", &data.finish());
    envelope(id, "error", &error.finish())
}

fn tool_result(id: &Id<'_>, revision: Revision, refusal: &Refusal, detail: Option<&str>) -> Vec<u8> {
    let mut text = sentence(refusal, detail);
    if !refusal.code.hint().is_empty() {
        text.push_str(". ");
        text.push_str(refusal.code.hint());
    }
    let mut content = String::from(r#"[{"type":"text","text":"#);
    push_text(&mut content, &text);
    content.push_str("}]");
    let mut meta = Object::default();
    meta.json(META_REFUSAL, &data(refusal).finish());
    let mut result = Object::with_capacity(content.len() + 256);
    if revision.stateless() {
        result.text("resultType", "complete");
    }
    result
        .json("content", &content)
        .json("isError", "true")
        .json("_meta", &meta.finish());
    envelope(Some(id), "result", &result.finish())
}

/// The body of an answer of ours: `result` is JSON that we built or copied.
#[must_use]
pub fn result(id: &Id<'_>, result: &str) -> Vec<u8> {
    envelope(Some(id), "result", result)
}

/// A refusal under a JSON-RPC number that the specification asks for in this place, and not the one of its code.
#[must_use]
pub fn numbered(id: &Id<'_>, number: i64, refusal: &Refusal, detail: &str) -> Vec<u8> {
    failed(Some(id), number, refusal, Some(detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_types::{CallId, Timestamp};
    use serde_json::Value;

    fn refusal(code: Code) -> Refusal {
        Refusal::new(CallId::mint(Timestamp::from_unix_seconds(1), 7), code)
    }

    fn shape(code: Code, method: Method, revision: Revision) -> (u16, Value) {
        let (status, bytes) = encode(Some(&Id::Number(4)), method, revision, &refusal(code), None);
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn a_denied_tool_call_reaches_the_model_as_a_tool_error() {
        let (status, body) = shape(Code::PolicyDenied, Method::ToolsCall, Revision::V2026_07_28);
        assert_eq!(status, 200);
        assert_eq!(body["id"], 4);
        assert_eq!(body["result"]["isError"], true);
        assert_eq!(body["result"]["resultType"], "complete");
        assert_eq!(body["result"]["_meta"][META_REFUSAL]["code"], "policy.denied");
        let text = body["result"]["content"][0]["text"].as_str().unwrap();
        assert!(
            text.starts_with(Code::PolicyDenied.sentence()) && text.contains("policy.denied, call "),
            "{text}"
        );
    }

    #[test]
    fn protocol_faults_have_the_numbers_of_the_specification() {
        let table = [
            (Code::HeaderMismatch, Method::ToolsCall, 400, -32020),
            (Code::RevisionUnsupported, Method::ToolsCall, 400, -32022),
            (
                Code::ToolUnknown,
                Method::ToolsCall,
                Code::ToolUnknown.status(),
                -32602,
            ),
            (Code::PolicyDenied, Method::Unknown, 404, -32601),
            (Code::MethodUnknown, Method::Unknown, 404, -32601),
            (Code::MethodUnknown, Method::Ping, 404, -32601),
            (Code::PolicyDenied, Method::PromptsGet, 403, -403),
        ];
        for (code, method, status, number) in table {
            let (got, body) = shape(code, method, Revision::V2026_07_28);
            assert_eq!(
                (got, body["error"]["code"].as_i64()),
                (status, Some(number)),
                "{code}"
            );
            assert_eq!(body["error"]["data"]["code"], code.as_str());
        }
        // A session's client looks for the number in the message, under HTTP's 200.
        let (status, body) = shape(Code::MethodUnknown, Method::Unknown, Revision::V2025_11_25);
        assert_eq!((status, body["error"]["code"].as_i64()), (200, Some(-32601)));
        assert_eq!(body["error"]["data"]["code"], "mcp.method");
        let (_, body) = shape(Code::RevisionUnsupported, Method::Discover, Revision::V2026_07_28);
        assert_eq!(body["error"]["data"]["supported"][0], "2026-07-28");
    }

    #[test]
    fn no_code_of_ours_falls_into_the_range_mcp_reserves() {
        for code in Code::all() {
            let number = error_code(code);
            let reserved = (-32099..=-32000).contains(&number);
            assert!(!reserved || matches!(number, -32020 | -32022), "{code} {number}");
        }
    }
}
