//! Who used which secret: every way that a secret of the store goes out by is in the records under its name, with who had
//! it sent and on what; what was refused is not, and no value is anywhere.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bartizan_gateway::{
    admin::Body,
    config::{EnvValue, Family, Grants, Oauth, Reach, Server},
};
use bartizan_types::ServerName;
use http::Method;
use serde_json::{Value, json};
use support::{
    Answer, Gated, OPEN, Upstreamed,
    agent::{Client, said},
    config, hello, upstream,
};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#;

fn server(name: &str, reach: Reach) -> Server {
    Server {
        name: ServerName::new(name).unwrap(),
        reach,
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Oauth::default(),
        sign: None,
        tools: BTreeMap::new(),
    }
}

/// What the desk answers to a question about uses.
async fn asked(gate: &Gated, query: &str) -> (u16, Value) {
    // What was queued before it is written before it.
    gate.records().await;
    let path = format!("/v1/secrets/usage?{query}");
    let reply = gate.desk().handle(&Method::GET, &path, b"", "test").await;
    let Body::Json(value) = reply.body else {
        panic!("text")
    };
    (reply.status.as_u16(), value)
}

async fn uses(gate: &Gated, query: &str) -> Vec<Value> {
    let (status, answer) = asked(gate, query).await;
    assert_eq!(status, 200, "{answer}");
    assert!(!answer.to_string().contains(gate.provider_key), "{answer}");
    answer["uses"].as_array().unwrap().clone()
}

fn brief(one: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} {} {}",
        text(&one["secret"]),
        text(&one["agent"]),
        text(&one["action"]),
        text(&one["resource"]["type"]),
        text(&one["resource"]["id"])
    )
}

#[tokio::test]
async fn a_models_secret_is_put_down_to_whoever_called_and_to_nobody_who_was_refused() {
    let policy = format!(
        "{OPEN}\n@id(\"test.third\") forbid (principal == Bartizan::Agent::\"third\", action == Bartizan::Action::\"generate\", resource);"
    );
    let provider = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
    let gate = Gated::start(
        config(vec![upstream("openai", Family::Openai, provider.address)]),
        &policy,
    )
    .await;
    let (_, headers, _) = gate.post(CHAT, ASK).await;
    let call = headers["x-bartizan-call"].to_str().unwrap().to_owned();
    for (key, status) in [(&gate.others[0], 200), (&gate.others[1], 403)] {
        let bearer = format!("Bearer {key}");
        let answered = gate.send(CHAT, ASK, &[("authorization", bearer.as_str())]).await;
        assert_eq!(answered.0, status);
    }
    let all = uses(&gate, "name=provider").await;
    let lines: Vec<String> = all.iter().map(brief).collect();
    assert_eq!(
        lines,
        [
            "provider other generate Model openai/m",
            "provider tester generate Model openai/m"
        ]
    );
    assert_eq!(all[1]["call"], call);
    let record = all[1]["record"].as_u64().unwrap();
    let stored = gate.ledger.read(record).unwrap().record.unwrap();
    assert_eq!(stored.call.unwrap().to_string(), call);
    assert_eq!(all[1]["time"], json!(stored.time));

    // By pages, by time, by a name that nobody used.
    let (_, page) = asked(&gate, "limit=1").await;
    assert_eq!(brief(&page["uses"][0]), lines[0]);
    let rest = uses(&gate, &format!("before={}", page["more"])).await;
    assert_eq!(rest.iter().map(brief).collect::<Vec<_>>(), lines[1..]);
    let later = stored.time.unix_micros() + 3_600_000_000;
    assert!(uses(&gate, &format!("since={later}")).await.is_empty());
    assert!(uses(&gate, "name=other").await.is_empty());
    for bad in ["name=a%20b", "since=yesterday", "before=-1", "limit=x"] {
        assert_eq!(asked(&gate, bad).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_servers_header_is_a_use_with_every_request_and_a_plain_one_is_none() {
    let far = Upstreamed::answering(hello).await;
    let mut config = config(Vec::new());
    config.servers = vec![server(
        "far",
        Reach::Http {
            url: format!("http://{}/mcp", far.address).parse().unwrap(),
            headers: BTreeMap::from([
                ("x-key".to_owned(), EnvValue::Secret("provider".to_owned())),
                ("x-plain".to_owned(), EnvValue::Plain("plain".to_owned())),
            ]),
        },
    )];
    let gate = Gated::start(config, OPEN).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    assert_eq!(said(&client.call("hello", json!({})).await), "hello");
    let sent = far
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|seen| seen.headers.contains_key("x-key"))
        .count();
    let lines: Vec<String> = uses(&gate, "").await.iter().map(brief).collect();
    assert_eq!(lines.len(), sent, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with("provider tester ")),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"provider tester connect Server far".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"provider tester call_tool Tool far/hello".to_owned()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_programs_environment_is_a_use_when_it_is_started() {
    let script = format!("{}/tests/mcp/server.py", env!("CARGO_MANIFEST_DIR"));
    let mut config = config(Vec::new());
    config.servers = vec![server(
        "fake",
        Reach::Stdio {
            command: vec!["python3".to_owned(), script],
            environment: BTreeMap::from([("SEALED".to_owned(), EnvValue::Secret("provider".to_owned()))]),
            directory: None,
            grants: Grants::default(),
        },
    )];
    let gate = Gated::start(config, OPEN).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    client.ask("tools/list", json!({})).await;
    let lines: Vec<String> = uses(&gate, "").await.iter().map(brief).collect();
    assert_eq!(lines, ["provider tester connect Server fake"]);
}
