//! Who makes its own process of a server end locks itself out, and nobody else.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bartizan_gateway::{
    admin::Body,
    config::{Grants, Reach, Server},
};
use bartizan_types::{Code, ServerName};
use http::Method;
use serde_json::{Value, json};
use support::{Gated, OPEN, agent::Client, config};

/// What a refusal says while a server rests.
const RESTS: &str = "rests after it failed";

fn server(command: Vec<String>) -> Server {
    Server {
        name: ServerName::new("fake").unwrap(),
        reach: Reach::Stdio {
            command,
            environment: BTreeMap::new(),
            directory: None,
            grants: Grants::default(),
        },
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Default::default(),
        sign: None,
        tools: BTreeMap::new(),
    }
}

async fn gated(command: Vec<String>) -> Gated {
    let mut config = config(Vec::new());
    config.servers = vec![server(command)];
    Gated::start(config, OPEN).await
}

fn refusal(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["bartizan/refusal"]
}

/// Makes the agent's own process end; a rest before that is waited for.
async fn crash(client: &Client<'_>) {
    for _ in 0..200 {
        let answer = client.call("die", json!({})).await;
        assert_eq!(refusal(&answer)["code"], Code::ServerFailed.as_str(), "{answer}");
        if !answer.to_string().contains(RESTS) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it rests for ever");
}

async fn known(gate: &Gated) -> Value {
    let reply = gate.desk().handle(&Method::GET, "/v1/status", b"", "test").await;
    let Body::Json(status) = reply.body else { panic!() };
    status["servers"][0].clone()
}

/// What another agent is told when it opens a session.
async fn other_opens(gate: &Gated) -> (u16, String) {
    let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{
        "protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"o","version":"1"}}});
    let bearer = format!("Bearer {}", gate.others[0]);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
    ];
    let (status, _, body) = gate.send("/mcp", opening.to_string(), &headers).await;
    (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn an_agent_that_crashes_its_own_process_keeps_no_other_out() {
    let script = format!("{}/tests/mcp/server.py", env!("CARGO_MANIFEST_DIR"));
    let gate = gated(vec!["python3".to_owned(), script]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    for _ in 0..3 {
        crash(&client).await;
    }
    // It waits itself, and is told so; the operator is told for whom, and how often it happened.
    let known = known(&gate).await;
    let what = known["last_failure"]["what"].as_str().unwrap();
    let told = "while it served `tester`, 3 times in a row";
    assert!(what.ends_with(told), "{what}");
    assert_eq!(known["resting"][0]["whom"], "tester", "{known}");
    assert_eq!(known["resting"][0]["failures"], 3, "{known}");
    let resting = client.call("echo", json!({"word":"hi"})).await;
    assert!(resting.to_string().contains(RESTS), "{resting}");
    assert!(refusal(&resting)["retryAfterSeconds"].is_u64(), "{resting}");
    let (status, said) = other_opens(&gate).await;
    assert_eq!(status, 200, "{said}");
}

#[tokio::test]
async fn what_cannot_be_started_at_all_rests_for_everybody() {
    let gate = gated(vec!["bartizan-test-no-such-program".to_owned()]).await;
    for _ in 0..20 {
        let (status, said) = other_opens(&gate).await;
        assert_eq!(status, Code::ServerFailed.status(), "{said}");
        // Each rest is twice as long as the last, so one of them is met.
        let known = known(&gate).await;
        if let Some(rest) = known["resting"].get(0) {
            assert!(rest["whom"].is_null(), "{known}");
            return;
        }
    }
    panic!("it never rested");
}
