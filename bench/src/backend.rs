//! The upstream under every peer: the same bytes for every request, fast.
//!
//! `bartizan-bench backend` runs it as a process of its own. Chat completions answer about 1 KiB of JSON, or a
//! stream whose events carry the time they were written; `/mcp` is a small MCP server over streamable HTTP that
//! answers in JSON. A model's name chooses the stream: `ticks` sends [`TICKS`] events, one each [`TICK`]; `hold`
//! sends one and stays open.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Interval;

/// Events of a `ticks` stream.
pub(crate) const TICKS: u32 = 200;
/// Time between them.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// What stands before the time in an event's content.
pub(crate) const STAMP: &str = "t=";

const HOLD: Duration = Duration::from_secs(15);

/// Serves on `port` until it is killed.
pub(crate) async fn serve(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let unary = Bytes::from(unary_answer().to_string());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let unary = unary.clone();
        let service = hyper::service::service_fn(move |request| answer(request, unary.clone()));
        tokio::task::spawn_local(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

type Out = Either<Full<Bytes>, Events>;

async fn answer(request: Request<Incoming>, unary: Bytes) -> Result<Response<Out>, Infallible> {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let Ok(body) = request.into_body().collect().await else {
        return Ok(plain(StatusCode::BAD_REQUEST, Bytes::new()));
    };
    let body = body.to_bytes();
    Ok(match (method, path.as_str()) {
        (Method::POST, "/v1/chat/completions" | "/chat/completions") => chat(&body, unary),
        (Method::POST, "/mcp") => mcp(&body),
        (Method::DELETE, "/mcp") => plain(StatusCode::OK, Bytes::new()),
        (Method::GET, "/mcp") => plain(StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        _ => plain(StatusCode::NOT_FOUND, Bytes::new()),
    })
}

fn plain(status: StatusCode, body: Bytes) -> Response<Out> {
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn chat(body: &[u8], unary: Bytes) -> Response<Out> {
    let contains = |needle: &[u8]| body.windows(needle.len()).any(|window| window == needle);
    if !contains(b"\"stream\":true") {
        return plain(StatusCode::OK, unary);
    }
    let events = if contains(b"\"hold\"") {
        Events::hold()
    } else {
        Events::ticks()
    };
    let mut response = Response::new(Either::Right(events));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/event-stream"),
    );
    response
}

/// About 1 KiB as a chat completion.
fn unary_answer() -> Value {
    json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_700_000_000, "model": "bench",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "lorem ipsum ".repeat(60) },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 200, "completion_tokens": 150, "total_tokens": 350 },
    })
}

/// Nanoseconds since 1970; comparable between processes of one machine.
pub(crate) fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A stream of server-sent events.
pub(crate) struct Events {
    interval: Interval,
    left: u32,
    ended: bool,
}

impl Events {
    fn ticks() -> Self {
        Self {
            interval: tokio::time::interval(TICK),
            left: TICKS,
            ended: false,
        }
    }

    fn hold() -> Self {
        Self {
            interval: tokio::time::interval(HOLD),
            left: u32::MAX,
            ended: false,
        }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        ready!(self.interval.poll_tick(context));
        let text = if self.left > 0 {
            self.left -= 1;
            event(
                &json!({ "content": format!("{STAMP}{:020}", nanos()) }),
                Value::Null,
            )
        } else {
            self.ended = true;
            event(&json!({}), json!("stop")) + "data: [DONE]\n\n"
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
    }
}

fn event(delta: &Value, finish: Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    format!("data: {chunk}\n\n")
}

fn mcp(body: &[u8]) -> Response<Out> {
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return plain(StatusCode::BAD_REQUEST, Bytes::new());
    };
    let Some(id) = message.get("id").filter(|id| !id.is_null()) else {
        return plain(StatusCode::ACCEPTED, Bytes::new());
    };
    let method = message["method"].as_str().unwrap_or_default();
    let outcome = match method {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench", "version": "1" },
        }),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": [tool()] }),
        "tools/call" => json!({
            "content": [{ "type": "text", "text": "the parcel is in transit, expected on Thursday ".repeat(8) }],
            "isError": false,
        }),
        _ => {
            let refusal = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no such method" } });
            return plain(StatusCode::OK, Bytes::from(refusal.to_string()));
        }
    };
    let reply = json!({ "jsonrpc": "2.0", "id": id, "result": outcome });
    let mut response = plain(StatusCode::OK, Bytes::from(reply.to_string()));
    if method == "initialize" {
        response.headers_mut().insert(
            "mcp-session-id",
            header::HeaderValue::from_static("bench-session"),
        );
    }
    response
}

fn tool() -> Value {
    json!({
        "name": "track_parcel",
        "description": "Where a parcel is.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "number": { "type": "string", "maxLength": 40 },
                "carrier": { "type": "string", "enum": ["north", "south"] },
                "history": { "type": "boolean" },
            },
            "required": ["number"],
            "additionalProperties": false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unary_answer_is_about_one_kib() {
        let length = unary_answer().to_string().len();
        assert!((960..1088).contains(&length), "{length}");
    }

    #[test]
    fn mcp_answers_what_is_asked_and_refuses_the_rest() {
        let status = |body: &str| mcp(body.as_bytes()).status();
        assert_eq!(status(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), 200);
        assert_eq!(
            status(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            202
        );
        assert_eq!(status("{"), 400);
    }
}
