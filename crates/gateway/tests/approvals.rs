//! Asking a human, through a real gateway with a real MCP server behind it: what a yes lets through, what it does not,
//! and who can say it.

#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bartizan_flow::{Class, Effect, PathPattern, Role, Source};
use bartizan_gateway::{
    admin::{Body, Desk},
    config::{Approvals, EnvValue, Grants, Reach, Server, ToolOverride, Webhook},
};
use bartizan_types::{ServerName, ToolName};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{Answer, Gated, Upstreamed, config};

/// As the packs have it: what nobody vouches for is asked about.
const ASKING: &str = r#"
@id("test.others")
permit (principal, action, resource) unless { action == Bartizan::Action::"call_tool" };
@id("test.vouched")
permit (principal, action == Bartizan::Action::"call_tool", resource) when { !context.unvouched.contains("target") };
@id("test.asked") @reason("a human has to say yes to this call")
permit (principal, action == Bartizan::Action::"call_tool", resource) when { context.approved };
"#;

/// An address that a trusted result holds.
const OWN: &str = "o@own.io";

struct Asking {
    gate: Gated,
    desk: Desk,
    session: String,
}

impl Asking {
    async fn start(approvals: Approvals) -> Self {
        let mut config = config(Vec::new());
        let script = format!("{}/tests/mcp/server.py", env!("CARGO_MANIFEST_DIR"));
        let echo = ToolOverride {
            effect: Some(Effect::Send),
            arguments: vec![(PathPattern::new("word"), Role::Target)],
            reviewed: true,
            ..ToolOverride::default()
        };
        let env = ToolOverride {
            effect: Some(Effect::Read),
            results: vec![(PathPattern::new("OWN"), Class::Trusted)],
            json_text: Some(true),
            reviewed: true,
            ..ToolOverride::default()
        };
        let tools = [("echo", echo), ("env", env)].map(|(name, tool)| (ToolName::new(name).unwrap(), tool));
        config.servers = vec![Server {
            name: ServerName::new("fake").unwrap(),
            reach: Reach::Stdio {
                command: vec!["python3".to_owned(), script],
                environment: BTreeMap::from([("OWN".to_owned(), EnvValue::Plain(OWN.to_owned()))]),
                directory: None,
                grants: Grants::default(),
            },
            timeout: Duration::from_secs(20),
            spiffe_id: None,
            oauth: Default::default(),
            sign: None,
            tools: BTreeMap::from(tools),
        }];
        config.approvals = approvals;
        let gate = Gated::start(config, ASKING).await;
        let desk = gate.desk();
        let mut asking = Self {
            gate,
            desk,
            session: String::new(),
        };
        let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{
            "protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}});
        asking.session = asking.send(&opening).await.1;
        asking
            .send(&json!({"jsonrpc":"2.0","method":"notifications/initialized"}))
            .await;
        asking
    }

    async fn send(&self, body: &Value) -> (Value, String) {
        let bearer = format!("Bearer {}", self.gate.key);
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("accept", "application/json, text/event-stream"),
        ];
        if !self.session.is_empty() {
            headers.push(("mcp-session-id", self.session.as_str()));
        }
        let (head, body) = self
            .gate
            .open("/mcp", body.to_string(), &headers)
            .await
            .into_parts();
        let session = head
            .headers
            .get("mcp-session-id")
            .map_or("", |id| id.to_str().unwrap());
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        let last = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .next_back()
            .unwrap_or(text);
        (serde_json::from_str(last).unwrap_or_default(), session.to_owned())
    }

    /// What the agent is told of a call of `echo`, and whether it passed.
    async fn echo(&self, word: &str) -> (bool, String) {
        self.echo_with(word, json!({})).await
    }

    /// The same of a call with more members in its params.
    async fn echo_with(&self, word: &str, more: Value) -> (bool, String) {
        let mut params = json!({"name":"echo","arguments":{"word":word}});
        let members = params.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        let call = json!({"jsonrpc":"2.0","id":7,"method":"tools/call","params":params});
        let (answer, _) = self.send(&call).await;
        let text = answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        (answer["result"]["isError"] != true, text.to_owned())
    }

    async fn admin(&self, method: Method, path: &str, body: Value, by: &str) -> (StatusCode, Value) {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let reply = self.desk.handle(&method, path, &bytes, by).await;
        let Body::Json(value) = reply.body else {
            panic!("no JSON")
        };
        (reply.status, value)
    }

    async fn waiting(&self) -> Vec<Value> {
        let (_, all) = self
            .admin(Method::GET, "/v1/approvals", Value::Null, "uid 1")
            .await;
        let all = all["approvals"].as_array().unwrap().iter();
        all.filter(|one| one["state"] == "waiting").cloned().collect()
    }

    /// Asks with a call that is refused, and gives the question's id.
    async fn asked(&self, word: &str) -> String {
        self.asked_with(word, json!({})).await
    }

    async fn asked_with(&self, word: &str, more: Value) -> String {
        let (passed, told) = self.echo_with(word, more).await;
        assert!(!passed, "{told}");
        let id = told
            .split("approvals show ")
            .nth(1)
            .unwrap_or_else(|| panic!("{told}"));
        id.get(..26).unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    async fn say(&self, id: &str, word: &str, body: Value, by: &str) -> (StatusCode, Value) {
        self.admin(Method::POST, &format!("/v1/approvals/{id}/{word}"), body, by)
            .await
    }
}

#[tokio::test]
async fn a_yes_lets_exactly_this_call_through_and_once() {
    let asking = Asking::start(Approvals::default()).await;
    let id = asking.asked("hi").await;
    let (_, told) = asking.echo("hi").await;
    assert!(
        told.starts_with("a human has to say yes to this call [policy.ask, call ") && !told.contains("hi\""),
        "{told}"
    );
    let questions = asking.waiting().await;
    assert_eq!(questions.len(), 1, "the same call is one question");
    let question = &questions[0];
    assert_eq!(question["id"], id.as_str());
    assert_eq!(
        (&question["count"], &question["effect"]),
        (&json!(2), &json!("send"))
    );
    let shown = &question["arguments"][0];
    assert_eq!(
        (&shown["path"], &shown["role"], &shown["value"], &shown["vouched"]),
        (&json!("word"), &json!("target"), &json!("hi"), &json!(false))
    );
    assert_eq!(question["because"][0]["policy"], "test.asked");

    let (status, answer) = asking.say(&id, "allow", Value::Null, "uid 7").await;
    assert_eq!(
        (status, &answer["answered"][0]["state"]),
        (StatusCode::OK, &json!("allowed")),
        "{answer}"
    );
    assert!(!asking.echo("ho").await.0, "other arguments are another call");
    assert_eq!(asking.echo("hi").await, (true, "hi".to_owned()));
    assert!(!asking.echo("hi").await.0, "once means once");

    let records = asking.gate.records().await;
    let records: Vec<_> = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .collect();
    let allowed: Vec<_> = records
        .iter()
        .filter(|record| record.approved.is_some_and(|approved| approved.to_string() == id))
        .collect();
    assert!(
        allowed.iter().any(|record| record.ruling.is_some()),
        "the ruling names the yes it rests on"
    );
    let notes: Vec<&str> = allowed
        .iter()
        .filter_map(|record| record.note.as_deref())
        .collect();
    assert!(
        notes[0].contains(" asked: `fake/echo` (send)") && notes[1].ends_with("by uid 7"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn what_a_human_was_not_shown_stays_behind_when_a_call_rests_on_her_yes() {
    let asking = Asking::start(Approvals::default()).await;
    let extra = json!({"extra": {"amount": 999}, "_meta": {"k": "override"}});
    // What needs no yes goes as it came.
    let call = json!({"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"env","arguments":{}}});
    asking.send(&call).await;
    assert_eq!(
        asking.echo_with(OWN, extra.clone()).await,
        (true, format!("{OWN} and more"))
    );
    // Added after the yes.
    let id = asking.asked("hi").await;
    asking.say(&id, "allow", Value::Null, "uid 7").await;
    assert_eq!(
        asking.echo_with("hi", extra.clone()).await,
        (true, "hi".to_owned())
    );
    assert!(!asking.echo("hi").await.0, "once means once");
    // There with the question, and another with the call: what clients put there differs from call to call.
    let id = asking.asked_with("ho", extra).await;
    let questions = asking.waiting().await;
    let question = questions.iter().find(|one| one["id"] == id.as_str()).unwrap();
    assert_eq!(
        (&question["wire"], &question["beside"]),
        (&json!(r#"{"word":"ho"}"#), &json!(""))
    );
    asking.say(&id, "allow", Value::Null, "uid 7").await;
    let other = json!({"_meta": {"k": "something else"}});
    assert_eq!(asking.echo_with("ho", other).await, (true, "ho".to_owned()));
}

#[tokio::test]
async fn a_call_that_waits_for_a_yes_leaves_behind_what_was_not_shown() {
    let asking = Asking::start(Approvals {
        wait: Duration::from_secs(20),
        ..Approvals::default()
    })
    .await;
    let say = async {
        loop {
            let waiting = asking.waiting().await;
            if let Some(id) = waiting.first().and_then(|one| one["id"].as_str()) {
                break asking.say(id, "allow", Value::Null, "uid 7").await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (answer, _) = tokio::join!(asking.echo_with("hi", json!({"extra": 1})), say);
    assert_eq!(answer, (true, "hi".to_owned()));
}

#[tokio::test]
async fn what_belongs_to_a_call_beside_its_arguments_is_shown_and_bound() {
    let asking = Asking::start(Approvals::default()).await;
    let task = |ttl: u32| json!({"task": {"ttl": ttl}});
    let id = asking.asked_with("hi", task(60)).await;
    let questions = asking.waiting().await;
    assert_eq!(questions[0]["beside"], r#"{"task":{"ttl":60}}"#);
    asking.say(&id, "allow", Value::Null, "uid 7").await;
    assert!(!asking.echo("hi").await.0);
    assert!(!asking.echo_with("hi", task(61)).await.0);
    assert_eq!(asking.echo_with("hi", task(60)).await, (true, "hi".to_owned()));
}

#[tokio::test]
async fn a_number_that_would_be_rounded_is_refused_before_anybody_is_asked() {
    let asking = Asking::start(Approvals::default()).await;
    let bearer = format!("Bearer {}", asking.gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", asking.session.as_str()),
    ];
    for number in [
        "20000000000000000001",
        "0.10000000000000000999",
        "1234567890123456.78",
    ] {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","arguments":{{"word":{number}}}}}}}"#
        );
        let answer = asking.gate.open("/mcp", call, &headers).await;
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let told = answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default();
        assert!(
            answer["id"] == 7
                && told.contains("wire.json_digits")
                && told.contains("`/params/arguments/word`"),
            "{answer}"
        );
    }
    assert!(asking.waiting().await.is_empty());
}

#[tokio::test]
async fn who_is_asked_is_told_what_a_value_is_almost() {
    let asking = Asking::start(Approvals::default()).await;
    let call = json!({"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"env","arguments":{}}});
    let (read, _) = asking.send(&call).await;
    assert!(
        read["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains(OWN),
        "{read}"
    );
    let id = asking.asked("\u{43e}@own.io").await;
    let told = asking.asked("b@els.io").await;
    assert_ne!(id, told);
    let (_, question) = asking
        .admin(Method::GET, &format!("/v1/approvals/{id}"), Value::Null, "uid 1")
        .await;
    let like =
        json!({"how": "looks_the_same", "says": "looks the same as", "source": "trusted", "value": OWN});
    assert_eq!(question["arguments"][0]["like"], like, "{question}");
    assert_eq!(question["unusual"][0]["what"], "looks_trusted", "{question}");
    let (_, other) = asking
        .admin(
            Method::GET,
            &format!("/v1/approvals/{told}"),
            Value::Null,
            "uid 1",
        )
        .await;
    assert_eq!(other["arguments"][0]["like"], Value::Null, "{other}");

    let records = asking.gate.records().await;
    let facts = records
        .iter()
        .filter_map(|stored| stored.record.as_ref()?.facts.as_ref()?.flow.as_ref())
        .filter(|flow| flow.effect == Effect::Send);
    let kept: Vec<_> = facts
        .filter_map(|flow| Some(flow.arguments.first()?.like))
        .collect();
    assert!(
        matches!(kept.as_slice(), [Some(like), None] if like.source == Source::Trusted),
        "{kept:?}"
    );
}

#[tokio::test]
async fn a_no_sticks_and_looks_no_different_to_the_agent() {
    let asking = Asking::start(Approvals::default()).await;
    let id = asking.asked("hi").await;
    let (status, answer) = asking.say(&id, "deny", Value::Null, "uid 7").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(asking.asked("hi").await, id);
    assert!(asking.waiting().await.is_empty());
    let (status, answer) = asking.say(&id, "allow", Value::Null, "uid 8").await;
    assert_eq!(
        (status, &answer["error"]["kind"]),
        (StatusCode::CONFLICT, &json!("refused"))
    );
    assert!(!asking.echo("hi").await.0);
}

#[tokio::test]
async fn the_agent_can_not_answer_itself() {
    let asking = Asking::start(Approvals::default()).await;
    let id = asking.asked("hi").await;
    let bearer = format!("Bearer {}", asking.gate.key);
    for path in [
        format!("/v1/approvals/{id}/allow"),
        "/v1/approvals".to_owned(),
        format!("/mcp/v1/approvals/{id}/allow"),
    ] {
        let (status, _, _) = asking.gate.send(&path, "{}", &[("authorization", &bearer)]).await;
        assert_ne!(status, StatusCode::OK, "{path}");
    }
    assert_eq!(asking.waiting().await.len(), 1);
    assert!(!asking.echo("hi").await.0);
}

#[tokio::test]
async fn a_value_that_is_endorsed_passes_until_it_is_revoked() {
    let asking = Asking::start(Approvals::default()).await;
    let id = asking.asked("hi").await;
    let until = json!({"scope": "until", "until": u64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros()).unwrap() + 60_000_000});
    let (status, answer) = asking.say(&id, "allow", until, "uid 7").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let given = answer["answered"][0]["endorsements"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..3 {
        assert!(asking.echo("hi").await.0);
    }
    assert!(!asking.echo("ho").await.0);
    let path = format!("/v1/endorsements/{given}");
    let (status, _) = asking.admin(Method::DELETE, &path, Value::Null, "uid 8").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!asking.echo("hi").await.0);
    let (status, _) = asking.admin(Method::DELETE, &path, Value::Null, "uid 8").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_people_have_to_say_yes_where_the_operator_says_so() {
    let asking = Asking::start(Approvals {
        two_person: BTreeSet::from([Effect::Send]),
        ..Approvals::default()
    })
    .await;
    let id = asking.asked("hi").await;
    let (_, answer) = asking.say(&id, "allow", Value::Null, "uid 7").await;
    assert_eq!(answer["answered"][0]["state"], "waiting");
    assert!(!asking.echo("hi").await.0);
    let (status, _) = asking.say(&id, "allow", Value::Null, "uid 7").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(!asking.echo("hi").await.0);
    asking.say(&id, "allow", Value::Null, "uid 8").await;
    assert!(asking.echo("hi").await.0);
}

#[tokio::test]
async fn a_call_that_is_held_open_passes_when_the_answer_comes() {
    let asking = Asking::start(Approvals {
        wait: Duration::from_secs(20),
        ..Approvals::default()
    })
    .await;
    let answering = async {
        let question = loop {
            match asking.waiting().await.pop() {
                Some(question) => break question,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        asking
            .say(question["id"].as_str().unwrap(), "allow", Value::Null, "uid 7")
            .await
    };
    let (told, _) = tokio::join!(asking.echo("hi"), answering);
    assert_eq!(told, (true, "hi".to_owned()));
    let denying = async {
        while asking.waiting().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let question = asking.waiting().await.remove(0);
        asking
            .say(question["id"].as_str().unwrap(), "deny", Value::Null, "uid 7")
            .await
    };
    let (told, _) = tokio::join!(asking.echo("hi"), denying);
    assert!(!told.0, "used once, and then denied");
}

#[tokio::test]
async fn questions_like_one_another_are_answered_together() {
    let asking = Asking::start(Approvals::default()).await;
    let first = asking.asked("a").await;
    asking.asked("b").await;
    asking.asked("c").await;
    let (_, answer) = asking
        .say(&first, "allow", json!({"all_like": true}), "uid 7")
        .await;
    assert_eq!(answer["answered"].as_array().unwrap().len(), 3);
    for word in ["a", "b", "c"] {
        assert!(asking.echo(word).await.0);
        assert!(!asking.echo(word).await.0);
    }
}

#[tokio::test]
async fn odd_answers_are_refused_and_change_nothing() {
    let asking = Asking::start(Approvals::default()).await;
    let id = asking.asked("hi").await;
    let unknown = "01M3250V000000000000000001";
    for (id, body, wanted) in [
        (id.as_str(), json!({"scope": "always"}), StatusCode::BAD_REQUEST),
        (id.as_str(), json!({"scope": "until"}), StatusCode::BAD_REQUEST),
        (
            id.as_str(),
            json!({"scope": "until", "until": 1}),
            StatusCode::BAD_REQUEST,
        ),
        (
            id.as_str(),
            json!({"scope": "task", "roles": ["content"]}),
            StatusCode::BAD_REQUEST,
        ),
        (
            id.as_str(),
            json!({"scope": "once", "roles": ["target"]}),
            StatusCode::BAD_REQUEST,
        ),
        (
            id.as_str(),
            json!({"scope": "once", "by": "root"}),
            StatusCode::BAD_REQUEST,
        ),
        (unknown, json!({}), StatusCode::NOT_FOUND),
        ("x", json!({}), StatusCode::BAD_REQUEST),
    ] {
        let (status, answer) = asking.say(id, "allow", body.clone(), "uid 7").await;
        assert_eq!(status, wanted, "{body}: {answer}");
    }
    assert_eq!(asking.waiting().await.len(), 1);
}

#[tokio::test]
async fn a_webhook_is_told_and_nothing_that_it_says_answers() {
    let yes = br#"{"allow":true,"scope":"once","verdict":"allow"}"#;
    // It fails once, and is told again.
    let hook = Upstreamed::start(vec![
        Answer::Whole(503, "application/json", yes.to_vec()),
        Answer::Whole(200, "application/json", yes.to_vec()),
    ])
    .await;
    let asking = Asking::start(Approvals {
        webhook: Some(Webhook {
            url: format!("http://{}/hook", hook.address).parse().unwrap(),
            secret: "provider".to_owned(),
        }),
        ..Approvals::default()
    })
    .await;
    let id = asking.asked("planted!").await;
    let until = std::time::Instant::now() + Duration::from_secs(15);
    while hook.count() < 2 && std::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    {
        let seen = hook.seen.lock().unwrap();
        assert_eq!(seen.len(), 2, "told again after it failed");
        for told in seen.iter() {
            let header = |name: &str| told.headers[name].to_str().unwrap().to_owned();
            let said: Value = serde_json::from_slice(&told.body).unwrap();
            assert_eq!(said["data"]["id"], id.as_str());
            assert_eq!(
                (&said["type"], &said["data"]["tool"]),
                (&json!("approval.asked"), &json!("echo"))
            );
            let text = String::from_utf8_lossy(&told.body);
            assert!(
                !text.contains("planted") && !text.contains(asking.gate.provider_key),
                "{text}"
            );
            // The signature covers the id, the time and the body.
            assert_eq!(header("webhook-id"), id);
            let signed = format!("{id}.{}.{text}", header("webhook-timestamp"));
            let key =
                aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, asking.gate.provider_key.as_bytes());
            let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
            let expected = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
            assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
        }
    }
    assert!(!asking.echo("planted!").await.0, "a webhook's answer is no yes");
    assert_eq!(asking.waiting().await.len(), 1, "it still waits");
    // The same call is the same question, and told of once.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(hook.count(), 2);
    let (status, _) = asking.say(&id, "allow", Value::Null, "uid 7").await;
    assert_eq!(status, StatusCode::OK);
    assert!(asking.echo("planted!").await.0);
}
