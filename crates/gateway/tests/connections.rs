//! What a refusal leaves of the connection that it went over: usable, or said to end. And what is remembered of what is no
//! HTTP.

#[expect(dead_code, reason = "the model and MCP tests use more of it")]
mod support;

use std::time::Duration;

use bartizan_gateway::config::{Family, Limits};
use bartizan_types::{Code, Record, RecordKind};
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

/// Rejections of these codes, once there are so many of them.
async fn rejected(gate: &Gated, codes: &[Code], count: usize) -> Vec<Record> {
    for _ in 0..250 {
        let mut found: Vec<Record> = gate
            .records()
            .await
            .into_iter()
            .filter_map(|one| one.record)
            .collect();
        found.retain(|record| record.code.is_some_and(|code| codes.contains(&code)));
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("fewer than {count} of {codes:?}");
}

#[tokio::test]
async fn what_is_no_http_is_recorded() {
    let (gate, _provider) = gated(0).await;
    let host = gate.address();
    // Small enough to be read at once: what is left unread may reset the connection before its answer is seen.
    let many = "x: y\r\n".repeat(Limits::default().headers + 1);
    let large = format!("GET / HTTP/1.1\r\n{many}\r\n");
    for (sent, status) in [
        (
            format!("GET / HTTP/1.1\r\nhost: {host}\r\nx: a\r\n b\r\n\r\n"),
            400,
        ),
        (
            format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"),
            400,
        ),
        ("G@T ( HTTP/1.1\r\n\r\n".to_owned(), 400),
        (large, 431),
    ] {
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (status, true), "{sent:.40}");
    }
    let found = rejected(&gate, &[Code::HttpMalformed, Code::HeadersTooLarge], 4).await;
    assert!(found.iter().all(|record| record.kind == RecordKind::Rejection));
    assert!(found.iter().all(|record| record.note.is_some()));
    let large = found
        .iter()
        .filter(|record| record.code == Some(Code::HeadersTooLarge));
    assert_eq!((found.len(), large.count()), (4, 1));
}

#[tokio::test]
async fn nothing_follows_a_request_that_servers_end_in_two_places() {
    let (gate, _provider) = gated(0).await;
    for (framing, expected) in [
        // The HTTP library takes the length away, and closes.
        ("content-length: 90\r\ntransfer-encoding: chunked", 404),
        ("transfer-encoding: chunked\r\ncontent-length: 90", 404),
        // These reach us.
        ("transfer-encoding: gzip, chunked", 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", 400),
    ] {
        let mut stream = TcpStream::connect(gate.address()).await.unwrap();
        let first = head(&gate, &gate.key, framing).replace("/v1/chat/completions", "/nothing");
        let request = format!("{first}0\r\n\r\n{}", head(&gate, &gate.key, "content-length: 0"));
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (expected, true), "{framing}");
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        // Closing with unread bytes may reset it; what matters is that there was no second answer.
        assert!(ended.is_ok() && rest.is_empty(), "{framing}");
    }
    assert_eq!(rejected(&gate, &[Code::HttpMalformed], 2).await.len(), 2);
}
