//! What an agent says of itself, and what it puts beside messages that carry nothing of its own, reaches no server: no
//! ruling is asked about those words.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bartizan_gateway::config::{Reach, Server};
use bartizan_types::ServerName;
use http::Method;
use serde_json::{Value, json};
use support::{
    Answer, Gated, OPEN, Seen, Upstreamed,
    agent::{Client, raw},
    config,
};

/// What must not arrive.
const WORD: &str = "hunter2";

fn far(seen: &Seen) -> Answer {
    if seen.method != Method::POST {
        return Answer::Whole(405, "text/plain", Vec::new());
    }
    let message: Value = serde_json::from_slice(&seen.body).unwrap();
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion":"2025-06-18","serverInfo":{"name":"far","version":"1"},
            "capabilities":{"logging":{},"resources":{"subscribe":true}}}),
        "resources/list" => json!({"resources":[{"uri":"note://a","name":"a"}]}),
        "resources/templates/list" => json!({"resourceTemplates":[]}),
        notice if notice.starts_with("notifications/") => {
            return Answer::Whole(202, "text/plain", Vec::new());
        }
        _ => json!({}),
    };
    let body = json!({"jsonrpc":"2.0","id":message["id"],"result":result});
    Answer::Whole(200, "application/json", body.to_string().into_bytes())
}

/// What reached the server: params by method.
fn told(far: &Upstreamed) -> BTreeMap<String, Value> {
    let seen = far.seen.lock().unwrap();
    let messages = seen.iter().filter(|seen| seen.method == Method::POST);
    let messages = messages.map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
    messages
        .filter_map(|message| Some((message["method"].as_str()?.to_owned(), message["params"].clone())))
        .collect()
}

#[tokio::test]
async fn an_agents_words_of_itself_and_beside_its_notices_reach_no_server() {
    let far = Upstreamed::answering(far).await;
    let mut config = config(Vec::new());
    config.servers = vec![Server {
        name: ServerName::new("far").unwrap(),
        reach: Reach::Http {
            url: format!("http://{}/mcp", far.address).parse().unwrap(),
            headers: BTreeMap::new(),
        },
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Default::default(),
        sign: None,
        tools: BTreeMap::new(),
    }];
    let gate = Gated::start(config, OPEN).await;
    let params = json!({"protocolVersion":"2025-06-18","x":WORD,"_meta":{"x":WORD},
        "capabilities":{"roots":{"listChanged":true,"x":WORD},"experimental":{WORD:{}},"extensions":{WORD:{}},WORD:{}},
        "clientInfo":{"name":WORD,"version":WORD,"title":WORD}});
    let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":params});
    let (status, headers, messages) = raw(&gate, &[], &opening).await;
    assert_eq!(status, 200, "{messages:?}");
    let session = headers["mcp-session-id"].to_str().unwrap().to_owned();
    let client = Client { gate: &gate, session };
    for method in ["initialized", "roots/list_changed"] {
        let method = format!("notifications/{method}");
        let notice = json!({"jsonrpc":"2.0","method":method,"params":{"x":WORD,"_meta":{"x":WORD}}});
        assert_eq!(client.send(&notice).await.0, 202);
    }
    for (method, key, value) in [
        ("logging/setLevel", "level", "error"),
        ("resources/subscribe", "uri", "note://a"),
        ("resources/unsubscribe", "uri", "note://a"),
    ] {
        let params = json!({key:value,"x":WORD,"_meta":{"x":WORD}});
        let answer = client.ask(method, params).await;
        assert!(answer.get("result").is_some(), "{method}: {answer}");
    }
    let told = told(&far);
    assert_eq!(told["initialize"]["clientInfo"]["name"], "bartizan", "{told:?}");
    assert_eq!(
        told["initialize"]["capabilities"],
        json!({"roots":{"listChanged":true}})
    );
    assert_eq!(told["notifications/roots/list_changed"], Value::Null);
    assert_eq!(told["logging/setLevel"], json!({"level":"error"}));
    assert_eq!(told["resources/subscribe"], json!({"uri":"note://a"}));
    assert_eq!(told["resources/unsubscribe"], json!({"uri":"note://a"}));
    assert!(!format!("{told:?}").contains(WORD), "{told:?}");
}
