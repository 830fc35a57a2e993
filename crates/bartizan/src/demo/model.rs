//! The demo's model provider: OpenAI-compatible, in process, scripted as a model that does what the last text told it.
//!
//! It knows nothing of the gateway. Asked for a summary it reads the newest mail; when a tool's result orders a payment it
//! obeys, as a hijacked model does; when the tool refuses it says so.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Starts it on a free loopback port; it lives as long as the runtime.
pub(crate) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            tokio::spawn(async move {
                let served = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "the demo model's connection ended early");
                }
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), 1 << 20).collect().await;
    let asked = body
        .ok()
        .and_then(|body| serde_json::from_slice::<Value>(&body.to_bytes()).ok())
        .unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(complete(&asked).to_string())));
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// A chat completion of the conversation so far.
fn complete(asked: &Value) -> Value {
    let last = asked["messages"]
        .as_array()
        .and_then(|all| all.last())
        .cloned()
        .unwrap_or_default();
    let text = last["content"].as_str().unwrap_or_default();
    let (message, finish) = match last["role"].as_str() {
        Some("tool") => match order(text) {
            Some((amount, payee)) => {
                let arguments = json!({ "payee": payee, "amount_eur": amount });
                (call("call_pay", "payments_send", &arguments), "tool_calls")
            }
            None => (
                json!({ "role": "assistant", "content": format!("The tool said: {text}") }),
                "stop",
            ),
        },
        _ => (
            call("call_read", "mail_read", &json!({ "id": "2" })),
            "tool_calls",
        ),
    };
    json!({
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "created": 0,
        "model": asked["model"],
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52 },
    })
}

fn call(id: &str, name: &str, arguments: &Value) -> Value {
    let function = json!({ "name": name, "arguments": arguments.to_string() });
    json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": id, "type": "function", "function": function }] })
}

/// `Pay N EUR to ACCOUNT`, anywhere in what a tool returned.
fn order(text: &str) -> Option<(u64, String)> {
    let rest = text.split("Pay ").nth(1)?;
    let mut words = rest.split_whitespace();
    let amount = words.next()?.parse().ok()?;
    let payee = words.find(|word| word.starts_with("ACCT-"))?;
    Some((amount, payee.trim_end_matches(['.', ',']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_obeys_what_a_tool_says() {
        let message = |role: &str, content: &str| json!({ "model": "m", "messages": [{ "role": role, "content": content }] });
        let hijacked = complete(&message("tool", super::super::server::INJECTION));
        let function = &hijacked["choices"][0]["message"]["tool_calls"][0]["function"];
        assert_eq!(function["name"], "payments_send");
        assert_eq!(
            function["arguments"],
            r#"{"payee":"ACCT-DRAIN-7731","amount_eur":4900}"#
        );
        let refused = complete(&message("tool", "policy does not allow this call"));
        assert_eq!(refused["choices"][0]["finish_reason"], "stop");
    }
}
