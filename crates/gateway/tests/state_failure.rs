//! A state that can't be written: what is taken away is in force, what would be given is refused, an operator is told, and
//! what is owed is written once it can be.

#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bartizan_gateway::{
    Revoked,
    admin::{Body, Desk},
    config::Family,
};
use bartizan_store::{DiskChange, Refusing};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;

/// As on a full disk: what is in its place can be overwritten, as the header is, and nothing is added.
fn filled() -> (Arc<AtomicBool>, Refusing) {
    let full = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&full);
    let refusing: Refusing = Arc::new(move |change: DiskChange| match change {
        // ENOSPC
        DiskChange::Write(4096..) if ours.load(Ordering::SeqCst) => Err(io::Error::from_raw_os_error(28)),
        _ => Ok(()),
    });
    (full, refusing)
}

async fn asked(desk: &Desk, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let bytes = match &body {
        Value::Null => Vec::new(),
        body => serde_json::to_vec(body).unwrap(),
    };
    let reply = desk.handle(&method, path, &bytes, "uid 1").await;
    match reply.body {
        Body::Json(said) => (reply.status, said),
        Body::Text(_, text) => (reply.status, Value::String(text)),
    }
}

async fn chat(gate: &Gated, key: &str) -> StatusCode {
    let bearer = format!("Bearer {key}");
    let (status, ..) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
    status
}

/// In force, and says that a restart loses it.
fn not_durable((status, said): (StatusCode, Value)) {
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{said}");
    assert_eq!(said["error"]["code"], "state.unwritable", "{said}");
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("in force, and not durable"), "{message}");
    assert!(message.contains("No space left"), "{message}");
}

fn refused((status, said): (StatusCode, Value)) {
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{said}");
    assert_eq!(said["error"]["code"], "state.unwritable", "{said}");
}

#[tokio::test]
async fn what_is_taken_away_is_in_force_on_a_full_disk_and_kept_once_there_is_room() {
    let answers = (0..3).map(|_| Answer::Whole(200, "application/json", SAID.as_bytes().to_vec()));
    let up = Upstreamed::start(answers.collect()).await;
    let (full, refusing) = filled();
    let config = config(vec![upstream("up", Family::Openai, up.address)]);
    let gate = Gated::start_refusing(config, OPEN, refusing).await;
    let (desk, shared) = (gate.desk(), gate.running.shared());
    let (key, other, third) = (&gate.key, &gate.others[0], &gate.others[1]);
    for key in [key, other, third] {
        assert_eq!(chat(&gate, key).await, StatusCode::OK);
    }
    full.store(true, Ordering::SeqCst);

    // What is taken away holds from the next call on, by a revocation and by a key's end.
    let what = json!({ "what": "agent:tester" });
    not_durable(asked(&desk, Method::POST, "/v1/revocations", what).await);
    assert_eq!(chat(&gate, key).await, StatusCode::FORBIDDEN);
    not_durable(asked(&desk, Method::DELETE, "/v1/agents/other", Value::Null).await);
    assert_eq!(chat(&gate, other).await, StatusCode::FORBIDDEN);
    not_durable(
        asked(
            &desk,
            Method::POST,
            "/v1/revocations",
            json!({ "what": "everything" }),
        )
        .await,
    );
    assert_eq!(chat(&gate, third).await, StatusCode::FORBIDDEN);
    assert_eq!(up.count(), 3);
    let (_, listed) = asked(&desk, Method::GET, "/v1/agents", Value::Null).await;
    let keys = listed["keys"].as_array().unwrap();
    let ended = keys.iter().find(|key| key["agent"] == "other").unwrap();
    assert_eq!(ended["state"], "revoked", "{ended}");

    // What would be given is refused, lifting included.
    refused(asked(&desk, Method::POST, "/v1/agents", json!({ "name": "new" })).await);
    refused(
        asked(
            &desk,
            Method::POST,
            "/v1/agents/third/delegate",
            json!({ "to": "x" }),
        )
        .await,
    );
    let (_, listed) = asked(&desk, Method::GET, "/v1/revocations", Value::Null).await;
    let all = listed["revocations"].as_array().unwrap();
    assert_eq!(all.len(), 3, "{listed}");
    let everything = all.iter().find(|one| one["what"] == "everything").unwrap();
    let lift = format!("/v1/revocations/{}", everything["id"].as_str().unwrap());
    refused(asked(&desk, Method::DELETE, &lift, Value::Null).await);
    assert_eq!(chat(&gate, third).await, StatusCode::FORBIDDEN);

    // And somebody hears of it.
    let (_, status) = asked(&desk, Method::GET, "/v1/status", Value::Null).await;
    let why = status["unwritable"]["why"].as_str().unwrap();
    assert!(why.contains("No space left"), "{status}");
    assert!(
        status["alarms"][0]
            .as_str()
            .unwrap()
            .contains("can't be written since"),
        "{status}"
    );
    // Three revocations, one of them the key's, and the key's end.
    assert_eq!(shared.revoked.unwritten(), 4);
    let (_, metrics) = asked(&desk, Method::GET, "/metrics", Value::Null).await;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("bartizan_state_writable 0\n"), "{metrics}");
    assert!(
        metrics.contains("bartizan_revocations_unwritten 4\n"),
        "{metrics}"
    );

    // With room again it is written by itself, and a next start finds it.
    full.store(false, Ordering::SeqCst);
    while shared.revoked.unwritten() > 0 || shared.state.trouble().is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kept = Revoked::open(&shared.state).unwrap();
    assert_eq!(kept.count(), 3);
    let keys: Vec<bartizan_identity::ApiKeyRecord> = shared.state.keys().unwrap();
    let ended = keys.iter().find(|key| key.agent.as_str() == "other").unwrap();
    assert!(ended.revoked.is_some());
    let (_, status) = asked(&desk, Method::GET, "/v1/status", Value::Null).await;
    assert_eq!(status["unwritable"], Value::Null);
    assert_eq!(status["alarms"], json!([]));
    let (done, said) = asked(&desk, Method::DELETE, &lift, Value::Null).await;
    assert_eq!(done, StatusCode::OK, "{said}");
    assert_eq!(chat(&gate, key).await, StatusCode::FORBIDDEN);
    let (done, said) = asked(&desk, Method::POST, "/v1/agents", json!({ "name": "new" })).await;
    assert_eq!(done, StatusCode::OK, "{said}");
}

#[tokio::test]
async fn giving_is_tried_again_where_the_disk_may_have_mended() {
    let up = Upstreamed::start(Vec::new()).await;
    let (full, refusing) = filled();
    let config = config(vec![upstream("up", Family::Openai, up.address)]);
    let gate = Gated::start_refusing(config, OPEN, refusing).await;
    let desk = gate.desk();
    full.store(true, Ordering::SeqCst);
    refused(asked(&desk, Method::POST, "/v1/agents", json!({ "name": "new" })).await);
    full.store(false, Ordering::SeqCst);
    let (done, said) = asked(&desk, Method::POST, "/v1/agents", json!({ "name": "new" })).await;
    assert_eq!(done, StatusCode::OK, "{said}");
}
