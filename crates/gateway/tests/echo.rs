//! What the gateway shows an upstream as a credential does not reach the agent, however the upstream says it back.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bartizan_gateway::config::{EnvValue, Family, Oauth, Reach, Server};
use bartizan_types::{FindingKind, ServerName};
use serde_json::{Value, json};
use support::{
    Answer, Gated, OPEN, Seen, Upstreamed,
    agent::{Client, said},
    config, hello, upstream,
};

const CHAT: &str = "/v1/chat/completions";
const MARK: &str = "[credential withheld]";

fn key(seen: &Seen) -> String {
    let shown = seen.headers["authorization"].to_str().unwrap();
    shown.trim_start_matches("Bearer ").to_owned()
}

fn chunk(delta: &Value, finish: &Value) -> String {
    let event = json!({"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",
        "choices":[{"index":0,"delta":delta,"finish_reason":finish}]});
    format!("data: {event}\n\n")
}

/// Says the key back in the way that the model's name asks for.
fn echoing(seen: &Seen) -> Answer {
    let key = key(seen);
    let asked: Value = serde_json::from_slice(&seen.body).unwrap();
    let said = |text: &str| {
        json!({"id":"c1","object":"chat.completion","created":1,"model":"m",
        "choices":[{"index":0,"message":{"role":"assistant","content":text},"finish_reason":"stop"}]})
    };
    match asked["model"].as_str().unwrap() {
        "error" => {
            let body = json!({"error":{"message":format!("Incorrect API key provided: {key}."),"type":"invalid_request_error"}});
            Answer::Whole(401, "application/json", body.to_string().into_bytes())
        }
        "page" => Answer::Whole(502, "text/html", format!("<html>{key}</html>").into_bytes()),
        "header" => {
            let headers = vec![
                ("content-type", "application/json".to_owned()),
                ("x-request-id", key.clone()),
                ("openai-debug", format!("key={key}")),
                ("openai-version", "2020-10-01".to_owned()),
            ];
            Answer::Dressed(200, headers, said("hi").to_string().into_bytes())
        }
        "stream" => {
            let mut chunks = vec![chunk(
                &json!({"role":"assistant","content":"the key is "}),
                &Value::Null,
            )];
            let letters = key
                .chars()
                .map(|one| chunk(&json!({"content":one.to_string()}), &Value::Null));
            chunks.extend(letters);
            chunks.push(chunk(&json!({"content":" now"}), &Value::Null));
            chunks.push(chunk(&json!({}), &json!("stop")));
            chunks.push("data: [DONE]\n\n".to_owned());
            let chunks = chunks.into_iter().map(String::into_bytes).collect();
            Answer::Stream(chunks, Duration::from_millis(1))
        }
        _ => Answer::Whole(
            200,
            "application/json",
            said(&format!("it is {key}")).to_string().into_bytes(),
        ),
    }
}

#[tokio::test]
async fn a_model_that_says_the_key_back_does_not_hand_it_over() {
    let provider = Upstreamed::answering(echoing).await;
    let gate = Gated::start(
        config(vec![upstream("openai", Family::Openai, provider.address)]),
        OPEN,
    )
    .await;
    for model in ["text", "error", "page", "header", "stream"] {
        let ask =
            json!({"model":model,"stream":model == "stream","messages":[{"role":"user","content":"hi"}]});
        let (_, headers, body) = gate.post(CHAT, ask.to_string()).await;
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains(gate.provider_key), "{model}: {body}");
        for (name, value) in &headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(!value.contains(gate.provider_key), "{model}: {name}");
        }
        match model {
            "header" => {
                assert!(!headers.contains_key("x-request-id") && !headers.contains_key("openai-debug"));
                assert_eq!(headers["openai-version"], "2020-10-01");
            }
            "stream" => {
                let text: String = body
                    .lines()
                    .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
                    .filter_map(|event| {
                        let content = &event["choices"][0]["delta"]["content"];
                        content.as_str().map(str::to_owned)
                    })
                    .collect();
                assert_eq!(text, format!("the key is sk-{MARK} now"));
            }
            _ => assert!(body.contains(MARK), "{model}: {body}"),
        }
        let call = headers["x-bartizan-call"].to_str().unwrap().to_owned();
        let records = gate.records().await;
        let found = records
            .iter()
            .filter_map(|stored| stored.record.as_ref())
            .filter(|record| record.call.is_some_and(|id| id.to_string() == call))
            .flat_map(|record| &record.findings)
            .any(|finding| finding.kind == FindingKind::Masked && finding.pointer == "/credential");
        assert!(found, "{model}: the record says nothing");
    }
}

#[tokio::test]
async fn a_server_that_says_its_header_back_does_not_hand_it_over() {
    let far = Upstreamed::answering(|seen| match hello(seen) {
        Answer::Whole(200, kind, body) => {
            let text = String::from_utf8(body).unwrap();
            let shown = seen.headers["x-key"].to_str().unwrap();
            let told = format!("saw {shown} of {}", seen.headers["x-team"].to_str().unwrap());
            let text = text.replace("\"text\":\"hello\"", &format!("\"text\":\"{told}\""));
            Answer::Whole(200, kind, text.into_bytes())
        }
        other => other,
    })
    .await;
    let mut config = config(Vec::new());
    config.servers = vec![Server {
        name: ServerName::new("far").unwrap(),
        reach: Reach::Http {
            url: format!("http://{}/mcp", far.address).parse().unwrap(),
            headers: BTreeMap::from([
                ("x-key".to_owned(), EnvValue::Secret("provider".to_owned())),
                ("x-team".to_owned(), EnvValue::Plain("engineering".to_owned())),
            ]),
        },
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Oauth::default(),
        sign: None,
        tools: BTreeMap::new(),
    }];
    let gate = Gated::start(config, OPEN).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let answer = client.call("hello", json!({})).await;
    assert_eq!(said(&answer), format!("saw {MARK} of engineering"));
    let records = gate.records().await;
    let noted = records
        .iter()
        .filter_map(|stored| stored.record.as_ref()?.note.as_deref())
        .any(|note| note.contains("a credential came back in an answer of `far`"));
    assert!(noted, "no record says that it came back");
}
