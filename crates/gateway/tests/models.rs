//! Model calls through a real gateway: what passes untouched, what is refused, and what reaches the upstream.

#[path = "models/statuses.rs"]
mod statuses;
#[expect(dead_code, reason = "the MCP tests use more of it")]
mod support;

use std::time::Duration;

use bartizan_gateway::config::{Family, ModelRoute, ModelTarget};
use bartizan_types::{Action, Code, Ending, ModelName, RecordKind, RulingWord, UpstreamName};
use http_body_util::BodyExt as _;
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const ASK_STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
/// Odd spacing on purpose: it must come back as it is.
const SAID: &str = r#"{ "id":"c1","object":"chat.completion","created":1,"model":"m",
 "choices":[{"index":0,"message":{"role":"assistant","content":"h\u00e9"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8} }"#;
const CALLED: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"pay","arguments":"{\"to\":\"x\"}"}}]},"finish_reason":"tool_calls"}]}"#;
const NO_PAY: &str = r#"
@id("test.open")
permit (principal, action, resource);
@id("test.no_pay") @reason("payments are not for agents")
forbid (principal, action == Bartizan::Action::"propose_tool", resource == Bartizan::AgentTool::"pay");
"#;

fn json(text: &str) -> Answer {
    Answer::Whole(200, "application/json", text.as_bytes().to_vec())
}

async fn gated(answers: Vec<Answer>, policy: &str) -> (Gated, Upstreamed) {
    let provider = Upstreamed::start(answers).await;
    let gate = Gated::start(
        config(vec![upstream("openai", Family::Openai, provider.address)]),
        policy,
    )
    .await;
    (gate, provider)
}

fn code(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap();
    value["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_answer_comes_back_byte_for_byte_and_is_recorded() {
    let (gate, provider) = gated(vec![json(SAID)], OPEN).await;
    let (status, headers, body) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), &body[..]), (200, SAID.as_bytes()));
    assert_eq!(provider.seen.lock().unwrap()[0].body, ASK.as_bytes());
    let call = headers["x-bartizan-call"].to_str().unwrap().to_owned();
    let records = gate.records().await;
    let of_call: Vec<_> = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .filter(|record| record.call.is_some_and(|id| id.to_string() == call))
        .collect();
    assert_eq!(of_call.len(), 2);
    assert_eq!(
        (of_call[0].kind, of_call[0].ruling),
        (RecordKind::Ruling, Some(RulingWord::Allow))
    );
    assert_eq!(
        (of_call[1].kind, of_call[1].ending),
        (RecordKind::Closing, Some(Ending::Complete))
    );
    let answer = of_call[1].answer.clone().unwrap();
    assert_eq!(answer.bytes, SAID.len() as u64);
    assert_eq!((answer.input_tokens, answer.output_tokens), (Some(3), Some(5)));
}

#[tokio::test]
async fn the_provider_sees_its_own_key_and_never_the_agents() {
    let (gate, provider) = gated(vec![json(SAID)], OPEN).await;
    let bearer = format!("Bearer {}", gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        // Whose account pays is the operator's to say, whose key it is.
        ("openai-organization", "org"),
        ("openai-project", "project"),
    ];
    gate.send(CHAT, ASK, &headers).await;
    let seen = provider.seen.lock().unwrap();
    assert_eq!(
        seen[0].headers["authorization"],
        format!("Bearer {}", gate.provider_key)
    );
    let all = format!("{:?}", seen[0].headers);
    assert!(
        !all.contains(&gate.key)
            && !all.contains("cookie")
            && !all.contains("forwarded")
            && !all.contains("openai-"),
        "{all}"
    );
}

#[tokio::test]
async fn a_retrys_key_is_the_agents_own_at_a_provider_that_all_share() {
    let (gate, provider) = gated((0..5).map(|_| json(SAID)).collect(), OPEN).await;
    let [own, other] = [&gate.key, &gate.others[0]].map(|key| format!("Bearer {key}"));
    for (bearer, said) in [
        (&own, "retry-1"),
        (&own, "retry-1"),
        (&other, "retry-1"),
        (&own, "retry-2"),
    ] {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", said)];
        assert_eq!(gate.send(CHAT, ASK, &headers).await.0, 200);
    }
    // Whoever learns what the provider was shown still can't say it.
    let keys = || -> Vec<String> {
        let seen = provider.seen.lock().unwrap();
        let one = |name: &http::HeaderMap| name["idempotency-key"].to_str().unwrap().to_owned();
        seen.iter().map(|seen| one(&seen.headers)).collect()
    };
    let learnt = keys()[0].clone();
    let headers = [
        ("authorization", other.as_str()),
        ("idempotency-key", learnt.as_str()),
    ];
    assert_eq!(gate.send(CHAT, ASK, &headers).await.0, 200);
    let keys = keys();
    assert_eq!(keys[0], keys[1], "a retry is to be known as one");
    let apart: std::collections::BTreeSet<_> = keys[1..].iter().collect();
    assert_eq!(apart.len(), 4, "{keys:?}");
    assert!(keys.iter().all(|key| !key.contains("retry")), "{keys:?}");
}

#[tokio::test]
async fn an_empty_policy_forwards_nothing() {
    let (gate, provider) = gated(vec![json(SAID)], "").await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), code(&body)), (403, "policy.denied".to_owned()));
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn an_erring_forbid_denies() {
    let policy = r#"
permit (principal, action, resource);
@id("test.errs") forbid (principal, action, resource) when { context.bytes * 9223372036854775807 > 5 };
"#;
    let (gate, provider) = gated(vec![json(SAID)], policy).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), code(&body)), (403, "policy.error".to_owned()));
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn a_refused_tool_call_withholds_the_whole_answer() {
    let (gate, _provider) = gated(vec![json(CALLED)], NO_PAY).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    let text = String::from_utf8_lossy(&body);
    assert_eq!(status.as_u16(), 403);
    assert!(text.contains("payments are not for agents"), "{text}");
    assert!(!text.contains("tool_calls"), "{text}");
    let records = gate.records().await;
    let withheld = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .any(|record| record.kind == RecordKind::Closing && record.ending == Some(Ending::Withheld));
    assert!(withheld);
}

#[tokio::test]
async fn a_proposed_number_that_would_be_rounded_is_never_released() {
    let with = |number: &str| CALLED.replace(r#"\"x\""#, number);
    assert_ne!(with("7"), CALLED);
    let answers = vec![
        json(&with("20000000000000000001")),
        json(&with("20000000000000000000")),
    ];
    let (gate, _provider) = gated(answers, OPEN).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    let text = String::from_utf8_lossy(&body);
    assert_eq!((status.as_u16(), code(&body).as_str()), (400, "wire.json_digits"));
    assert!(
        text.contains("at `/to`") && !text.contains("tool_calls"),
        "{text}"
    );
    let (status, _, _) = gate.post(CHAT, ASK).await;
    assert_eq!(status.as_u16(), 200);
}

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn chat_delta(delta: &str) -> String {
    event(&format!(
        r#"{{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    ))
}

fn chat_end(reason: &str) -> String {
    let end = format!(
        r#"{{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    );
    event(&end) + &event("[DONE]")
}

/// The stream cut into pieces of `size` bytes.
fn cut(text: &str, size: usize) -> Answer {
    Answer::Stream(
        text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect(),
        Duration::ZERO,
    )
}

fn spoken_then_called() -> String {
    [
        chat_delta(r#"{"role":"assistant","content":"let me "}"#),
        chat_delta(r#"{"content":"pay"}"#),
        chat_delta(r#"{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"pay","arguments":""}}]}"#),
        chat_delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"to\":"}}]}"#),
        chat_delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"x\"}"}}]}"#),
        chat_end("tool_calls"),
    ]
    .concat()
}

#[tokio::test]
async fn a_stream_comes_back_byte_for_byte_however_it_is_cut() {
    for size in [1, 7, 64, 100_000] {
        let whole = spoken_then_called();
        let (gate, _provider) = gated(vec![cut(&whole, size)], OPEN).await;
        let (status, headers, body) = gate.post(CHAT, ASK_STREAM).await;
        assert_eq!(status.as_u16(), 200);
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(String::from_utf8_lossy(&body), whole, "cut at {size}");
    }
}

#[tokio::test]
async fn a_refused_tool_call_in_a_stream_is_never_released() {
    for size in [1, 13, 100_000] {
        let (gate, _provider) = gated(vec![cut(&spoken_then_called(), size)], NO_PAY).await;
        let (_, _, body) = gate.post(CHAT, ASK_STREAM).await;
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("let me "), "{text}");
        assert!(!text.contains("tool_calls") && !text.contains("\"x"), "{text}");
        assert!(text.contains("payments are not for agents"), "{text}");
        assert!(!text.contains("[DONE]"), "{text}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_in_a_tool_call_releases_none_of_it() {
    let whole = spoken_then_called();
    let inside = whole.find("{\\\"to\\\":").unwrap();
    let between = whole[inside..].find("\n\n").unwrap() + inside + 2;
    for (until, expected) in [(inside, "wire.sse_malformed"), (between, "upstream.malformed")] {
        let (gate, _provider) = gated(vec![cut(&whole[..until], 50)], OPEN).await;
        let (_, _, body) = gate.post(CHAT, ASK_STREAM).await;
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("let me ") && !text.contains("tool_calls"), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn hosted_tools_and_server_history_are_refused_unless_permitted() {
    let policy = r#"permit (principal, action == Bartizan::Action::"generate", resource);"#;
    let hosted = r#"{"model":"m","input":"x","tools":[{"type":"web_search"}]}"#;
    let history = r#"{"model":"m","input":"x","previous_response_id":"resp_1"}"#;
    let (gate, provider) = gated(Vec::new(), policy).await;
    for (body, expected) in [(hosted, "policy.hosted_tool"), (history, "policy.server_history")] {
        let (status, _, answer) = gate.post("/v1/responses", body).await;
        assert_eq!((status.as_u16(), code(&answer).as_str()), (403, expected));
    }
    // A developer is told which member it was, and what to do instead.
    let background = r#"{"model":"m","input":"x","background":true,"previous_response_id":"resp_1"}"#;
    let (_, _, answer) = gate.post("/v1/responses", background).await;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(
        said.contains(": `previous_response_id`, `background` ["),
        "{said}"
    );
    assert_eq!(answer["error"]["hint"], Code::ServerHistoryRefused.hint());
    assert_eq!(provider.count(), 0);
}

fn two_routes() -> Vec<ModelRoute> {
    let to = |upstream: &str, model: &str| ModelTarget {
        upstream: UpstreamName::new(upstream).unwrap(),
        model: ModelName::new(model).unwrap(),
    };
    vec![ModelRoute {
        name: ModelName::new("m").unwrap(),
        targets: vec![to("first", "m-1"), to("second", "m-2")],
    }]
}

#[tokio::test]
async fn another_upstream_is_tried_only_when_nothing_was_sent() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let second = Upstreamed::start(vec![json(SAID), json(SAID)]).await;
    let mut settings = config(vec![
        upstream("first", Family::Openai, dead),
        upstream("second", Family::Openai, second.address),
    ]);
    settings.models = two_routes();
    let gate = Gated::start(settings, OPEN).await;
    let (status, _, _) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), second.count()), (200, 1));
    assert!(String::from_utf8_lossy(&second.seen.lock().unwrap()[0].body).contains(r#""model":"m-2""#));

    let first = Upstreamed::start(vec![Answer::HangUp]).await;
    let mut settings = config(vec![
        upstream("first", Family::Openai, first.address),
        upstream("second", Family::Openai, second.address),
    ]);
    settings.models = two_routes();
    let gate = Gated::start(settings, OPEN).await;
    let (status, _, body) = gate.post(CHAT, ASK).await;
    assert_eq!(
        (status.as_u16(), code(&body).as_str()),
        (502, "upstream.unreachable")
    );
    assert_eq!((first.count(), second.count()), (1, 1));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Upstreamed::start(vec![json(SAID)]).await;
    let location = format!("http://{}/v1/chat/completions", elsewhere.address);
    let moved = Answer::Dressed(307, vec![("location", location)], Vec::new());
    let (gate, provider) = gated(vec![moved], OPEN).await;
    let (status, headers, _) = gate.post(CHAT, ASK).await;
    assert_eq!(
        (status.as_u16(), provider.count(), elsewhere.count()),
        (307, 1, 0)
    );
    assert!(!headers.contains_key("location"));
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_withheld() {
    let duplicate = r#"{"id":"a","id":"b","choices":[]}"#;
    let deep = format!(r#"{{"id":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let cases: Vec<(Answer, Code, &str)> = vec![
        (json(duplicate), Code::UpstreamMalformed, ""),
        (json("not json"), Code::UpstreamMalformed, ""),
        (
            json(&deep),
            Code::UpstreamMalformed,
            "128 levels (`[limits] json_depth`)",
        ),
        (
            Answer::Silence,
            Code::UpstreamTimeout,
            "2 s (`[limits] upstream_timeout_ms`)",
        ),
        (
            Answer::Whole(200, "text/html", b"<p>hi".to_vec()),
            Code::UpstreamMalformed,
            "",
        ),
        (
            Answer::Dressed(
                200,
                vec![
                    ("content-type", "application/json".into()),
                    ("content-encoding", "br".into()),
                ],
                b"x".to_vec(),
            ),
            Code::UpstreamMalformed,
            "",
        ),
        (
            json(&format!(r#"{{"id":"{}"}}"#, "x".repeat(2 << 20))),
            Code::UpstreamTooLarge,
            "1048576 bytes (`[limits] answer_bytes`)",
        ),
    ];
    for (answer, expected, limit) in cases {
        let provider = Upstreamed::start(vec![answer]).await;
        let mut settings = config(vec![upstream("openai", Family::Openai, provider.address)]);
        settings.limits.answer_bytes = 1 << 20;
        settings.limits.upstream_timeout = Duration::from_secs(2);
        let gate = Gated::start(settings, OPEN).await;
        let (status, _, body) = gate.post(CHAT, ASK).await;
        assert_eq!(
            (status.as_u16(), code(&body)),
            (expected.status(), expected.to_string())
        );
        // A limit that was met is told, with the setting that moves it; nothing else speaks of limits.
        let said = String::from_utf8_lossy(&body);
        assert_eq!(said.contains("[limits]"), !limit.is_empty(), "{said}");
        assert!(said.contains(limit), "{said}");
    }
}

#[tokio::test]
async fn past_its_slots_the_gateway_sheds() {
    let slow = Answer::Stream(vec![event("{}").into_bytes(); 20], Duration::from_millis(100));
    let provider = Upstreamed::start(vec![slow, json(SAID)]).await;
    let mut settings = config(vec![upstream("openai", Family::Openai, provider.address)]);
    settings.limits.concurrent_calls = 1;
    let gate = Gated::start(settings, OPEN).await;
    let bearer = format!("Bearer {}", gate.key);
    let open = gate.open(CHAT, ASK_STREAM, &[("authorization", &bearer)]).await;
    let (status, headers, body) = gate.post(CHAT, ASK).await;
    assert_eq!((status.as_u16(), code(&body).as_str()), (503, "limit.saturated"));
    assert_eq!(headers["retry-after"], "1");
    drop(open);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (status, _, _) = gate.post(CHAT, ASK).await;
        if status.as_u16() == 200 {
            return;
        }
    }
    panic!("the slot never came free");
}

#[tokio::test]
async fn an_agent_that_goes_away_leaves_a_closing_record() {
    let slow = Answer::Stream(
        vec![chat_delta(r#"{"content":"a"}"#).into_bytes(); 50],
        Duration::from_millis(50),
    );
    let (gate, _provider) = gated(vec![slow], OPEN).await;
    let bearer = format!("Bearer {}", gate.key);
    let mut open = gate.open(CHAT, ASK_STREAM, &[("authorization", &bearer)]).await;
    let _first = open.body_mut().frame().await;
    drop(open);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let records = gate.records().await;
        let mut closings = records.iter().filter_map(|stored| stored.record.as_ref());
        if closings.any(|record| record.ending == Some(Ending::Abandoned)) {
            return;
        }
    }
    panic!("no closing record says `abandoned`");
}

#[tokio::test]
async fn bad_credentials_and_bodies_never_reach_the_upstream() {
    let (gate, provider) = gated(Vec::new(), OPEN).await;
    let wrong = "Bearer bz_00000000_0000000000000000000000000000000000000000000_000000".to_owned();
    let good = format!("Bearer {}", gate.key);
    type Headers<'a> = Vec<(&'a str, &'a str)>;
    let cases: Vec<(Headers<'_>, &str, u16)> = vec![
        (vec![], ASK, 401),
        (vec![("authorization", &wrong)], ASK, 401),
        (vec![("authorization", &good), ("x-api-key", &gate.key)], ASK, 401),
        (
            vec![("authorization", &good), ("origin", "https://evil.example")],
            ASK,
            403,
        ),
        (
            vec![("authorization", &good)],
            r#"{"model":"a","model":"b"}"#,
            400,
        ),
        (
            vec![("authorization", &good)],
            r#"{"model":"a","messages":["\ud800"]}"#,
            400,
        ),
        (vec![("authorization", &good)], "", 400),
        (
            vec![("authorization", &good), ("content-encoding", "br")],
            ASK,
            415,
        ),
    ];
    for (headers, body, expected) in cases {
        let (status, _, answer) = gate.send(CHAT, body, &headers).await;
        assert_eq!(
            status.as_u16(),
            expected,
            "{headers:?} {body} {}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(provider.count(), 0);
    let records = gate.records().await;
    let rejected = records.iter().filter(|stored| {
        stored
            .record
            .as_ref()
            .is_some_and(|record| record.kind == RecordKind::Rejection)
    });
    assert_eq!(rejected.count(), 8);
}

#[tokio::test]
async fn every_action_in_the_records_is_a_ruled_one() {
    let (gate, _provider) = gated(vec![json(CALLED)], OPEN).await;
    gate.post(CHAT, ASK).await;
    let records = gate.records().await;
    let actions: Vec<_> = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .filter(|record| record.kind == RecordKind::Ruling)
        .filter_map(|record| record.facts.as_ref().map(|facts| facts.action))
        .collect();
    assert_eq!(actions, [Action::Generate, Action::ProposeTool]);
}

#[tokio::test]
async fn our_own_key_is_never_shown_to_a_provider() {
    let provider = Upstreamed::start(vec![json(SAID), json(SAID)]).await;
    let mut upstream = upstream("openai", Family::Openai, provider.address);
    upstream.credential = bartizan_gateway::config::Credential::Client;
    let gate = Gated::start(config(vec![upstream]), OPEN).await;
    let own = format!("Bearer {}", gate.key);
    for theirs in [
        own.as_str(),
        gate.key.as_str(),
        "Bearer bz_another",
        "bearer  bz_another",
    ] {
        let headers = [("x-bartizan-key", gate.key.as_str()), ("authorization", theirs)];
        let (status, _, body) = gate.send(CHAT, ASK, &headers).await;
        let code = code(&body);
        assert_eq!(
            (status.as_u16(), code.as_str()),
            (401, "identity.credential_ambiguous")
        );
    }
    let twice = [
        ("x-bartizan-key", gate.key.as_str()),
        ("authorization", "Bearer sk-1"),
        ("authorization", "Bearer sk-2"),
    ];
    assert_eq!(gate.send(CHAT, ASK, &twice).await.0, 401);
    assert_eq!(provider.count(), 0);
    let headers = [
        ("x-bartizan-key", gate.key.as_str()),
        ("authorization", "Bearer sk-1"),
        ("openai-project", "the agent's own"),
    ];
    assert_eq!(gate.send(CHAT, ASK, &headers).await.0, 200);
    let seen = provider.seen.lock().unwrap();
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-1");
    assert_eq!(seen[0].headers["openai-project"], "the agent's own");
}

#[tokio::test]
async fn an_agents_own_anthropic_key_goes_in_its_own_header_and_alone() {
    const MESSAGES: &str = "/v1/messages";
    const SAID: &str = r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}"#;
    let provider = Upstreamed::start(vec![json(SAID)]).await;
    let mut upstream = upstream("anthropic", Family::Anthropic, provider.address);
    upstream.credential = bartizan_gateway::config::Credential::Client;
    let gate = Gated::start(config(vec![upstream]), OPEN).await;
    let own = ("x-bartizan-key", gate.key.as_str());
    for (theirs, expected) in [
        (
            vec![("x-api-key", gate.key.as_str())],
            "identity.credential_ambiguous",
        ),
        (
            vec![("x-api-key", "a"), ("x-api-key", "b")],
            "identity.credential_ambiguous",
        ),
        (
            vec![("x-api-key", "a"), ("authorization", "Bearer b")],
            "identity.credential_ambiguous",
        ),
        (vec![], "upstream.secret_missing"),
    ] {
        let headers = [vec![own], theirs].concat();
        let (_, _, body) = gate.send(MESSAGES, ASK, &headers).await;
        assert_eq!(code(&body), expected, "{headers:?}");
    }
    assert_eq!(provider.count(), 0);
    let (status, _, body) = gate.send(MESSAGES, ASK, &[own, ("x-api-key", "sk-ant-1")]).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let seen = provider.seen.lock().unwrap();
    assert_eq!(seen[0].headers["x-api-key"], "sk-ant-1");
    assert!(!seen[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn nothing_rides_along_in_the_query_or_the_charset() {
    let (gate, provider) = gated(vec![json(SAID), json(SAID)], OPEN).await;
    for query in [
        "model=other",
        "beta=true&tools=x",
        "beta=true&&x",
        "%62eta=true",
        "key",
    ] {
        let (status, _, body) = gate.post(&format!("{CHAT}?{query}"), ASK).await;
        assert_eq!(
            (status.as_u16(), code(&body)),
            (400, "wire.request_shape".to_owned()),
            "{query}"
        );
    }
    assert_eq!(provider.count(), 0);
    assert_eq!(gate.post(&format!("{CHAT}?beta=true"), ASK).await.0, 200);
    let bearer = format!("Bearer {}", gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json; charset=utf-7"),
    ];
    let _either = gate.send(CHAT, ASK, &headers).await;
    for seen in provider.seen.lock().unwrap().iter() {
        assert_eq!(seen.headers["content-type"], "application/json");
    }
    assert_eq!(
        provider.seen.lock().unwrap()[0].path,
        "/v1/chat/completions?beta=true"
    );
}

#[tokio::test]
async fn an_answer_is_told_in_the_charset_it_was_read_in() {
    for (said, told) in [
        ("application/json; charset=utf-7", "application/json"),
        ("application/json; x=y; charset=\"UTF-16\"", "application/json"),
        (
            "application/json; charset=UTF-8",
            "application/json; charset=UTF-8",
        ),
        ("application/json", "application/json"),
    ] {
        let (gate, _provider) = gated(vec![Answer::Whole(200, said, SAID.into())], OPEN).await;
        let (status, headers, _) = gate.post(CHAT, ASK).await;
        assert_eq!(
            (status.as_u16(), headers["content-type"].to_str().unwrap()),
            (200, told)
        );
    }
}

#[tokio::test]
async fn what_a_provider_ran_is_ruled_on_as_that_providers() {
    const SEARCHED: &str = r#"{"id":"r","object":"response","status":"completed","output":[{"type":"web_search_call","id":"w","status":"completed"}]}"#;
    const ONLY_FIRST: &str = r#"
permit (principal, action in [Bartizan::Action::"generate"], resource);
permit (principal, action == Bartizan::Action::"use_hosted_tool", resource == Bartizan::HostedTool::"first/web_search");
"#;
    for (name, status) in [("of-first", 200), ("of-second", 403)] {
        let provider = Upstreamed::start(vec![json(SEARCHED)]).await;
        let mut config = config(vec![
            upstream("first", Family::Openai, provider.address),
            upstream("second", Family::Openai, provider.address),
        ]);
        for at in ["first", "second"] {
            config.models.push(ModelRoute {
                name: ModelName::new(&format!("of-{at}")).unwrap(),
                targets: vec![ModelTarget {
                    upstream: UpstreamName::new(at).unwrap(),
                    model: ModelName::new("m").unwrap(),
                }],
            });
        }
        let gate = Gated::start(config, ONLY_FIRST).await;
        let ask = format!(r#"{{"model":"{name}","input":"hi","store":false}}"#);
        let (said, _, body) = gate.post("/v1/responses", ask).await;
        assert_eq!(said.as_u16(), status, "{}", String::from_utf8_lossy(&body));
    }
}

/// The room for bodies is what all of them may take together, said or not, and no identity has all of it. It is given
/// back.
#[tokio::test]
async fn bodies_that_do_not_end_fill_no_more_than_their_room_and_one_agents_leave_room_for_others() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    const LARGE: usize = 400 << 20;
    let provider = Upstreamed::start(vec![json(SAID), json(SAID), json(SAID)]).await;
    let mut config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    config.limits.body_bytes = LARGE;
    let gate = Gated::start(config, OPEN).await;
    let open = async |key: &str, length: &str| {
        let mut stream = tokio::net::TcpStream::connect(gate.address()).await.unwrap();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{length}\r\n\r\n",
            gate.address(),
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream
    };
    let (said, chunked) = (format!("content-length: {LARGE}"), "transfer-encoding: chunked");
    let turned_away = async |mut stream: tokio::net::TcpStream| {
        let mut said = [0; 12];
        let read = tokio::time::timeout(Duration::from_millis(500), stream.read_exact(&mut said)).await;
        let refused = read.is_ok_and(|read| read.is_ok());
        assert!(
            !refused || &said == b"HTTP/1.1 503",
            "{}",
            String::from_utf8_lossy(&said)
        );
        refused
    };
    // None of these sends a byte of what it announced: the first takes all that its agent may have.
    let first = open(&gate.key, &said).await;
    assert!(
        turned_away(open(&gate.key, chunked).await).await,
        "one agent has no more than its share"
    );
    let second = open(&gate.others[0], chunked).await;
    assert!(
        turned_away(open(&gate.others[1], &said).await).await,
        "all of them have no more than there is"
    );
    // What is small still passes for whoever has a share left, and room that is given back is there again.
    let bearer = format!("Bearer {}", gate.others[1]);
    assert_eq!(gate.send(CHAT, ASK, &[("authorization", &bearer)]).await.0, 200);
    assert_eq!(gate.post(CHAT, ASK).await.0, 503);
    drop((first, second));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        !turned_away(open(&gate.key, &said).await).await,
        "it waits for its body"
    );
}
