//! An agent that speaks MCP over HTTP.

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::Gated;

/// An agent of the 2025 revisions.
pub(crate) struct Client<'g> {
    pub(crate) gate: &'g Gated,
    pub(crate) session: String,
}

pub(crate) async fn raw(
    gate: &Gated,
    extra: &[(&str, &str)],
    body: &Value,
) -> (StatusCode, HeaderMap, Vec<Value>) {
    let bearer = format!("Bearer {}", gate.key);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
    ];
    headers.extend_from_slice(extra);
    let response = gate.open("/mcp", body.to_string(), &headers).await;
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    let messages = if text.starts_with("event:") || text.starts_with(':') {
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    } else if text.is_empty() {
        Vec::new()
    } else {
        vec![serde_json::from_str(text).unwrap()]
    };
    (head.status, head.headers, messages)
}

impl<'g> Client<'g> {
    pub(crate) async fn connect(gate: &'g Gated, capabilities: Value) -> (Self, Value) {
        let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{
            "protocolVersion":"2025-06-18","capabilities":capabilities,"clientInfo":{"name":"t","version":"1"}}});
        let (status, headers, messages) = raw(gate, &[], &opening).await;
        assert_eq!(status, 200, "{messages:?}");
        let session = headers["mcp-session-id"].to_str().unwrap().to_owned();
        let client = Self { gate, session };
        client
            .send(&json!({"jsonrpc":"2.0","method":"notifications/initialized"}))
            .await;
        (client, messages[0]["result"].clone())
    }

    pub(crate) async fn send(&self, body: &Value) -> (StatusCode, HeaderMap, Vec<Value>) {
        raw(self.gate, &[("mcp-session-id", &self.session)], body).await
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc":"2.0","id":7,"method":method,"params":params});
        let (_, _, mut messages) = self.send(&body).await;
        messages.pop().unwrap()
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name":tool,"arguments":arguments}))
            .await
    }
}

pub(crate) fn said(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
}
