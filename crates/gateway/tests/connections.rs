//! What a refusal leaves of the connection that it went over: usable, or said to end.

#[expect(dead_code, reason = "the model and MCP tests use more of it")]
mod support;

use std::time::Duration;

use bartizan_gateway::config::Family;
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"h"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;

async fn gated(answers: usize) -> (Gated, Upstreamed) {
    let said = || Answer::Whole(200, "application/json", SAID.as_bytes().to_vec());
    let provider = Upstreamed::start((0..answers).map(|_| said()).collect()).await;
    let config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    (Gated::start(config, OPEN).await, provider)
}

fn head(gate: &Gated, key: &str, more: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{more}\r\n\r\n",
        gate.address()
    )
}

/// One answer: its status, and whether it says that the connection ends.
async fn answer(stream: &mut TcpStream) -> (u16, bool) {
    let mut said = Vec::new();
    let read = async {
        loop {
            let text = String::from_utf8_lossy(&said).to_ascii_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if body.len() >= length {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return (status, head.contains("connection: close"));
                }
            }
            assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "{text}");
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn a_small_body_that_comes_after_its_refusal_is_read_off_and_the_next_call_passes() {
    let (gate, _provider) = gated(2).await;
    let length = format!("content-length: {}", ASK.len());
    for (body, framing) in [
        (ASK.to_owned(), length.clone()),
        (
            format!("{:x}\r\n{ASK}\r\n0\r\n\r\n", ASK.len()),
            "transfer-encoding: chunked".to_owned(),
        ),
    ] {
        let mut stream = TcpStream::connect(gate.address()).await.unwrap();
        stream
            .write_all(head(&gate, "wrong", &framing).as_bytes())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (401, false), "{framing}");
        let second = head(&gate, &gate.key, &length) + ASK;
        stream.write_all(second.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (200, false), "{framing}");
    }
}

#[tokio::test]
async fn a_connection_that_can_not_go_on_after_a_refusal_is_said_to_end() {
    let (gate, _provider) = gated(0).await;
    for (framing, sent) in [
        // More than anyone reads off.
        ("content-length: 1000000", "{\"model\":"),
        // What never comes.
        ("content-length: 60", "{"),
        ("transfer-encoding: chunked", "5\r\n{\"mod\r\n"),
        // Framing that breaks.
        ("transfer-encoding: chunked", "zz\r\n"),
        // Who asks first whether to send it is not told to.
        ("content-length: 60\r\nexpect: 100-continue", ""),
    ] {
        let mut stream = TcpStream::connect(gate.address()).await.unwrap();
        let request = head(&gate, "wrong", framing) + sent;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (401, true), "{framing}: {sent}");
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok() && rest.is_empty(), "{framing}: {sent}");
    }
}

#[tokio::test]
async fn a_body_past_its_bound_ends_the_connection_that_it_came_on() {
    let provider = Upstreamed::start(Vec::new()).await;
    let mut config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    config.limits.body_bytes = 1024;
    let gate = Gated::start(config, OPEN).await;
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = head(&gate, &gate.key, "transfer-encoding: chunked") + "fffff\r\n" + &"x".repeat(200_000);
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, (413, true));
}
