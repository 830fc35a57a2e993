//! A resource that two servers lay claim to belongs to neither, also while one of them is down.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bartizan_gateway::config::{Oauth, Reach, Server};
use bartizan_types::ServerName;
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, Seen, Upstreamed, agent::Client, config};

/// A server with one note, and one of its own.
fn notes(seen: &Seen, own: &str) -> Answer {
    let Ok(message) = serde_json::from_slice::<Value>(&seen.body) else {
        return Answer::Whole(405, "text/plain", Vec::new());
    };
    let result = match message["method"].as_str() {
        Some("initialize") => json!({"protocolVersion":"2025-06-18","capabilities":{"resources":{}},
            "serverInfo":{"name":own,"version":"1"}}),
        Some("resources/list") => {
            let own = format!("note://{own}");
            json!({"resources":[{"uri":"note://1","name":"one"},{"uri":own,"name":"own"}]})
        }
        Some("resources/templates/list") => json!({"resourceTemplates":[]}),
        Some("resources/read") => {
            json!({"contents":[{"uri":message["params"]["uri"],"text":format!("of {own}")}]})
        }
        _ => return Answer::Whole(202, "text/plain", Vec::new()),
    };
    let body = json!({"jsonrpc":"2.0","id":message["id"],"result":result});
    Answer::Whole(200, "application/json", body.to_string().into_bytes())
}

fn server(name: &str, at: &Upstreamed) -> Server {
    Server {
        name: ServerName::new(name).unwrap(),
        reach: Reach::Http {
            url: format!("http://{}/mcp", at.address).parse().unwrap(),
            headers: BTreeMap::new(),
        },
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Oauth::default(),
        sign: None,
        tools: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_server_that_is_down_still_claims_what_it_listed() {
    let is_down = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_down);
    let alpha = Upstreamed::answering(move |seen| {
        if flag.load(Ordering::SeqCst) {
            Answer::Whole(500, "text/plain", b"down".to_vec())
        } else {
            notes(seen, "alpha")
        }
    })
    .await;
    let beta = Upstreamed::answering(|seen| notes(seen, "beta")).await;
    let mut config = config(Vec::new());
    config.servers = vec![server("alpha", &alpha), server("beta", &beta)];
    let gate = Gated::start(config, OPEN).await;
    let read = |uri: &str| json!({"uri":uri});
    {
        let (client, _) = Client::connect(&gate, json!({})).await;
        let answer = client.ask("resources/read", read("note://1")).await;
        assert!(answer["error"].is_object(), "both claim it: {answer}");
        let answer = client.ask("resources/read", read("note://alpha")).await;
        assert_eq!(answer["result"]["contents"][0]["text"], "of alpha", "{answer}");
    }
    is_down.store(true, Ordering::SeqCst);
    let (client, _) = Client::connect(&gate, json!({})).await;
    for uri in ["note://1", "note://alpha"] {
        let answer = client.ask("resources/read", read(uri)).await;
        assert!(answer["error"].is_object(), "{uri}: {answer}");
    }
    let answer = client.ask("resources/read", read("note://beta")).await;
    assert_eq!(answer["result"]["contents"][0]["text"], "of beta", "{answer}");
    let reads = beta
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|seen| seen.body.windows(16).any(|part| part == b"\"resources/read\""))
        .count();
    assert_eq!(reads, 1);
}
