//! MCP through a real gateway, with a real process behind it: sessions, listings, pins, questions both ways,
//! supervision, and what an attacker on either side would try.

#[path = "mcp/delegations.rs"]
mod delegations;
#[path = "mcp/pipe.rs"]
mod pipe;
#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bartizan_flow::Effect;
use bartizan_gateway::{
    Standing,
    config::{EnvValue, Grants, Reach, Server},
};
use bartizan_guard::revoke::{Revocation, Subject};
use bartizan_mcp::PinKind;
use bartizan_types::{
    Action, AgentId, AuthMethod, Code, FindingKind, Issuer, KeyId, Principal, RecordKind, RevocationId,
    ServerName, Timestamp, ToolName,
};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use support::{
    Gated, OPEN,
    agent::{Client, raw, said},
    config,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const NO_ECHO: &str = r#"
@id("test.open")
permit (principal, action, resource);
@id("test.no_echo") @reason("echoes are not for agents")
forbid (principal, action == Bartizan::Action::"call_tool", resource == Bartizan::Tool::"fake/echo");
"#;
/// As the packs have it: what changed or was never listed is not called.
const PINNED: &str = r#"
@id("test.open")
permit (principal, action, resource);
@id("test.pinned")
forbid (principal, action == Bartizan::Action::"call_tool", resource) when { ["changed", "unlisted"].contains(context.pin) };
"#;

fn server(name: &str) -> Server {
    let script = format!("{}/tests/mcp/server.py", env!("CARGO_MANIFEST_DIR"));
    Server {
        name: ServerName::new(name).unwrap(),
        reach: Reach::Stdio {
            command: vec!["python3".to_owned(), script],
            environment: BTreeMap::from([
                ("GIVEN".to_owned(), EnvValue::Plain("plain".to_owned())),
                ("SEALED".to_owned(), EnvValue::Secret("provider".to_owned())),
            ]),
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

async fn gated(policy: &str, names: &[&str]) -> Gated {
    let mut config = config(Vec::new());
    config.servers = names.iter().map(|name| server(name)).collect();
    Gated::start(config, policy).await
}

#[tokio::test]
async fn a_session_lists_and_calls_and_each_step_is_recorded() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, hello) = Client::connect(&gate, json!({})).await;
    assert_eq!(hello["protocolVersion"], "2025-06-18");
    assert_eq!(hello["instructions"], "be kind");
    let listed = client.ask("tools/list", json!({})).await;
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "echo", "ask", "slow", "promises", "die", "env", "change", "chatter"
        ],
        "what can't be checked is not offered"
    );
    let answer = client.call("echo", json!({"word":"hi"})).await;
    assert_eq!((answer["id"].as_i64(), said(&answer)), (Some(7), "hi"));
    let actions: Vec<Action> = gate
        .records()
        .await
        .iter()
        .filter_map(|stored| Some(stored.record.as_ref()?.facts.as_ref()?.action))
        .collect();
    for action in [Action::Connect, Action::ListTools, Action::CallTool] {
        assert!(actions.contains(&action), "{action:?} in {actions:?}");
    }
}

#[tokio::test]
async fn refusals_reach_the_model_with_reason_code_and_call() {
    let gate = gated(NO_ECHO, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let answer = client.call("echo", json!({"word":"hi"})).await;
    assert_eq!(answer["result"]["isError"], true);
    assert!(
        said(&answer).starts_with("echoes are not for agents [policy.denied, call "),
        "{answer}"
    );
    // What may never be called is not listed.
    let listed = client.ask("tools/list", json!({})).await;
    assert!(!listed.to_string().contains("\"echo\""));
    let unknown = client.call("no_such", json!({})).await;
    assert_eq!(unknown["error"]["data"]["code"], Code::ToolUnknown.as_str());
    let odd = client.ask("resources/frobnicate", json!({})).await;
    assert_eq!(odd["error"]["code"], -32601);
}

#[tokio::test]
async fn a_method_that_is_none_is_refused_under_a_code_and_an_id_that_the_log_has() {
    let gate = gated(OPEN, &["one", "two"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    // Of several servers none can be meant; the other two are of another revision, and a server's to ask.
    for method in [
        "resources/frobnicate",
        "server/discover",
        "sampling/createMessage",
    ] {
        let answer = client.ask(method, json!({})).await;
        let error = &answer["error"];
        assert_eq!(error["code"], -32601, "{method}: {answer}");
        assert_eq!(error["data"]["code"], Code::MethodUnknown.as_str(), "{method}");
        let id = error["data"]["call"].as_str().unwrap().to_owned();
        assert!(error["message"].as_str().unwrap().contains(&id), "{answer}");
        let records = gate.records().await;
        let mut all = records.iter().filter_map(|stored| stored.record.as_ref());
        let kept = all.find(|record| record.call.is_some_and(|call| call.to_string() == id));
        assert_eq!(kept.unwrap().code, Some(Code::MethodUnknown), "{method}");
    }
    let odd = client
        .ask("tools/list", json!({"cursor":"nobody gave this out"}))
        .await;
    assert_eq!(odd["error"]["code"], -32602, "{odd}");
    assert_eq!(odd["error"]["data"]["code"], Code::MessageInvalid.as_str());
}

#[tokio::test]
async fn arguments_that_do_not_fit_never_reach_the_server() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let answer = client.call("echo", json!({"word":"far too long a word"})).await;
    assert_eq!(answer["result"]["isError"], true);
    let text = said(&answer);
    assert!(
        text.contains("mcp.arguments") && text.contains("`maxLength`") && text.contains("/word"),
        "{text}"
    );
    assert!(
        !text.contains("far too long"),
        "the value is not repeated: {text}"
    );
    assert!(said(&client.call("echo", json!({})).await).contains("required"));
}

#[tokio::test]
async fn a_session_is_good_for_its_own_identity_and_while_it_lives() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let list = json!({"jsonrpc":"2.0","id":1,"method":"tools/list"});
    let (status, _, _) = raw(&gate, &[], &list).await;
    assert_eq!(status.as_u16(), Code::SessionUnknown.status());
    let (status, _, _) = raw(&gate, &[("mcp-session-id", "0123")], &list).await;
    assert_eq!(status.as_u16(), Code::SessionUnknown.status());
    let both = [
        ("mcp-session-id", client.session.as_str()),
        ("mcp-session-id", "x"),
    ];
    let (status, _, messages) = raw(&gate, &both, &list).await;
    assert_eq!(status, 400, "{messages:?}");
    let lie = [
        ("mcp-session-id", client.session.as_str()),
        ("mcp-method", "tools/call"),
    ];
    let (status, _, messages) = raw(&gate, &lie, &list).await;
    assert_eq!(
        (status.as_u16(), messages[0]["error"]["code"].as_i64()),
        (400, Some(-32020))
    );
}

#[tokio::test]
async fn progress_comes_as_a_stream_with_the_agents_own_token() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let body = json!({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{
        "name":"slow","arguments":{},"_meta":{"progressToken":"mine"}}});
    let (_, headers, messages) = client.send(&body).await;
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(messages[0]["params"]["progressToken"], "mine");
    assert_eq!(messages[2]["id"], "a");
    assert!(
        !said(&messages[2]).contains("mine"),
        "the agent's token stays here: {messages:?}"
    );
}

fn modern(id: u64, tool: &str, arguments: &Value, extra: &Value) -> Value {
    let mut params = json!({"name":tool,"arguments":arguments,"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}});
    for (key, value) in extra.as_object().unwrap() {
        params[key] = value.clone();
    }
    json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":params})
}

fn repeated(tool: &str) -> Vec<(&str, &str)> {
    vec![
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ]
}

#[tokio::test]
async fn a_stateless_agent_talks_to_a_server_with_sessions() {
    let gate = gated(OPEN, &["fake"]).await;
    let body = modern(1, "echo", &json!({"word":"hi"}), &json!({}));
    let (status, headers, messages) = raw(&gate, &repeated("echo"), &body).await;
    assert_eq!((status.as_u16(), said(&messages[0])), (200, "hi"));
    assert_eq!(messages[0]["result"]["resultType"], "complete");
    assert!(!headers.contains_key("mcp-session-id"));
    for (name, value) in [
        ("mcp-name", "die"),
        ("mcp-method", "tools/list"),
        ("mcp-protocol-version", "2025-06-18"),
    ] {
        let mut lie = repeated("echo");
        lie.retain(|(key, _)| *key != name);
        let (status, _, messages) = raw(&gate, &lie, &body).await;
        assert_eq!(
            (status.as_u16(), messages[0]["error"]["code"].as_i64()),
            (400, Some(-32020)),
            "no {name}"
        );
        lie.push((name, value));
        let (status, _, messages) = raw(&gate, &lie, &body).await;
        assert_eq!(
            (status.as_u16(), messages[0]["error"]["code"].as_i64()),
            (400, Some(-32020)),
            "{name}"
        );
    }
    let mut future = body.clone();
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
    let mut headers = repeated("echo");
    headers[0].1 = "2027-01-01";
    let (status, _, messages) = raw(&gate, &headers, &future).await;
    assert_eq!(
        (status.as_u16(), messages[0]["error"]["code"].as_i64()),
        (400, Some(-32022))
    );
}

#[tokio::test]
async fn a_question_of_an_old_server_reaches_a_stateless_agent_and_its_answer_goes_back() {
    let gate = gated(OPEN, &["fake"]).await;
    let (_, _, messages) = raw(&gate, &repeated("ask"), &modern(1, "ask", &json!({}), &json!({}))).await;
    let result = &messages[0]["result"];
    assert_eq!(result["resultType"], "input_required", "{messages:?}");
    let (key, question) = result["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(
        (
            question["method"].as_str(),
            question["params"]["message"].as_str()
        ),
        (Some("elicitation/create"), Some("sure?"))
    );
    let state = &result["requestState"];
    // Someone who changes the call, or makes up a handle, gets nothing; the real one still waits.
    let made_up = json!({"requestState":"bz1.0","inputResponses":{key:{}}});
    let (status, _, _) = raw(&gate, &repeated("ask"), &modern(2, "ask", &json!({}), &made_up)).await;
    assert_eq!(status, 400);
    let other = json!({"requestState":state,"inputResponses":{key:{}}});
    let (status, _, _) = raw(
        &gate,
        &repeated("ask"),
        &modern(2, "ask", &json!({"x":1}), &other),
    )
    .await;
    assert_eq!(status, 400);
    let answers = json!({"requestState":state,"inputResponses":{key:{"action":"accept","content":{}}}});
    let (_, _, messages) = raw(&gate, &repeated("ask"), &modern(3, "ask", &json!({}), &answers)).await;
    assert_eq!(messages[0]["id"], 3);
    assert!(said(&messages[0]).contains("accept"), "{messages:?}");
    // Single use.
    let (status, _, _) = raw(&gate, &repeated("ask"), &modern(4, "ask", &json!({}), &answers)).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_question_reaches_an_agent_with_a_session_under_our_number() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({"elicitation":{}})).await;
    let bearer = format!("Bearer {}", gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", client.session.as_str()),
    ];
    let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}});
    let mut stream = gate.open("/mcp", body.to_string(), &headers).await.into_body();
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&frame).unwrap();
    let question: Value =
        serde_json::from_str(text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_ne!(question["id"], "q1", "the server's number stays on its side");
    let forged = json!({"jsonrpc":"2.0","id":"q1","result":{"action":"accept"}});
    assert_eq!(client.send(&forged).await.0, 400);
    let answer = json!({"jsonrpc":"2.0","id":question["id"],"result":{"action":"decline"}});
    assert_eq!(client.send(&answer).await.0, 202);
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(std::str::from_utf8(&frame).unwrap().contains("decline"));
    assert_eq!(client.send(&answer).await.0, 400, "an answer counts once");
}

#[tokio::test]
async fn a_server_gets_only_the_environment_it_is_given() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let answer = client.call("env", json!({})).await;
    let environment: BTreeMap<String, String> = serde_json::from_str(said(&answer)).unwrap();
    assert_eq!(environment["GIVEN"], "plain");
    // It has its secret, and what it says of it does not come through.
    assert_eq!(environment["SEALED"], "[credential withheld]");
    let home = std::path::Path::new(&environment["HOME"]);
    assert!(home.ends_with("servers/fake") && home.is_dir(), "{home:?}");
    // Version managers start programs through scripts that add to what they get.
    assert!(environment["PATH"].ends_with(&std::env::var("PATH").unwrap()));
    for (name, value) in &environment {
        let given = [
            "GIVEN", "SEALED", "PATH", "HOME", "TMPDIR", "LC_CTYPE", "PWD", "SHLVL",
        ]
        .contains(&name.as_str());
        // A version manager in front of the program sets names of its own, as it does for ours.
        let ours = !name.contains("PYENV") && std::env::var(name).is_ok_and(|own| own == *value);
        assert!(given || !ours, "{name} leaked");
    }
}

#[tokio::test]
async fn an_answer_that_can_not_be_read_ends_its_call_at_once_with_what_is_wrong() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let words = ["badutf8", "dupkey", "deep", "textid", "floatid"];
    for word in words {
        let answer = client.call("echo", json!({ "word": word })).await.to_string();
        assert!(
            answer.contains(Code::UpstreamMalformed.as_str()),
            "{word}: {answer}"
        );
        // The conversation goes on.
        assert_eq!(said(&client.call("echo", json!({"word":"hi"})).await), "hi");
    }
    let servers = gate.running.shared().servers();
    // And its banner.
    assert!(servers[0].unread > words.len() as u64, "{servers:?}");
    let (_, what) = servers[0].last_failure.as_ref().unwrap();
    assert!(what.contains("can't be read [upstream.malformed]"), "{what}");
}

#[tokio::test]
async fn a_call_that_waits_in_vain_is_told_of_what_came_and_could_be_anybodys_answer() {
    let mut config = config(Vec::new());
    config.servers = vec![Server {
        timeout: Duration::from_secs(4),
        ..server("fake")
    }];
    let gate = Gated::start(config, OPEN).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let call = |id: u64| {
        let params = json!({"name":"echo","arguments":{"word":"noid"}});
        json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":params})
    };
    let (one, two) = (call(11), call(12));
    let ((_, _, one), (_, _, two)) = tokio::join!(client.send(&one), client.send(&two));
    for answer in [&one[0], &two[0]].map(Value::to_string) {
        assert!(
            answer.contains("took too long") && answer.contains("can't be read [upstream.malformed]"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_server_that_dies_is_started_again_after_a_rest() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let answer = client.call("die", json!({})).await;
    assert!(
        answer.to_string().contains(Code::ServerFailed.as_str()),
        "{answer}"
    );
    let resting = client.call("echo", json!({"word":"hi"})).await;
    assert!(
        resting.to_string().contains(Code::ServerFailed.as_str()),
        "{resting}"
    );
    let mut last = Value::Null;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = client.call("echo", json!({"word":"hi"})).await;
        if last["result"]["content"][0]["text"] == "hi" {
            return;
        }
    }
    panic!("{last}");
}

#[tokio::test]
async fn a_changed_tool_is_withheld_until_approved_and_the_pin_is_kept() {
    let gate = gated(PINNED, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    assert_eq!(said(&client.call("echo", json!({"word":"hi"})).await), "hi");
    assert_eq!(said(&client.call("change", json!({})).await), "changed");
    let listed = client.ask("tools/list", json!({})).await;
    assert!(!listed.to_string().contains("obey me"), "{listed}");
    let answer = client.call("echo", json!({"word":"hi"})).await;
    assert!(said(&answer).contains(Code::ToolWithheld.as_str()), "{answer}");
    // No approval mends a schema that can't be used, so nobody is told to give one.
    let answer = client.call("broken", json!({})).await;
    assert!(said(&answer).contains(Code::ToolUnusable.as_str()), "{answer}");
    let (shared, name) = (gate.running.shared(), ServerName::new("fake").unwrap());
    let standing = || {
        let found = shared.manifests().find(&name, &ToolName::new("echo").unwrap());
        found.map(|found| (found.standing, found.manifest.effect))
    };
    assert_eq!(standing(), Some((Standing::Drifted, Effect::Unknown)));
    let waiting = shared
        .pins(&name)
        .unwrap()
        .pin(PinKind::Tool, "echo")
        .unwrap()
        .waiting
        .clone()
        .unwrap();
    assert!(
        bartizan_mcp::pin::diff("{}", &waiting.definition)
            .iter()
            .any(|line| line.contains("obey me"))
    );
    let wrong = bartizan_types::Digest([0; 32]);
    assert_eq!(
        shared.approve_pin(&name, PinKind::Tool, "echo", wrong, "ops"),
        Err(Code::ToolUnknown)
    );
    shared
        .approve_pin(&name, PinKind::Tool, "echo", waiting.digest, "ops")
        .unwrap();
    assert_eq!(standing(), Some((Standing::Inferred, Effect::Read)));
    // What is stored is what is held to.
    shared.reread_pins(&name).unwrap();
    assert_eq!(standing(), Some((Standing::Inferred, Effect::Read)));
    assert_eq!(said(&client.call("echo", json!({"word":"hi"})).await), "hi");
}

#[tokio::test]
async fn several_servers_share_an_endpoint_without_sharing_names() {
    let gate = gated(OPEN, &["one", "two"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let listed = client.ask("tools/list", json!({})).await.to_string();
    assert!(listed.contains("one__echo") && listed.contains("two__echo"));
    assert_eq!(said(&client.call("two__echo", json!({"word":"hi"})).await), "hi");
    for name in ["echo", "three__echo", "one__", "one_echo"] {
        let answer = client.call(name, json!({"word":"hi"})).await;
        assert_eq!(answer["error"]["code"], -32602, "{name}: {answer}");
    }
}

const NOT_ONE: &str = r#"
@id("test.open")
permit (principal, action, resource);
@id("test.not_one") @reason("nobody goes there")
forbid (principal, action, resource in Bartizan::Server::"one");
"#;

#[tokio::test]
async fn a_server_that_may_not_be_reached_keeps_nobody_from_the_others() {
    let gate = gated(NOT_ONE, &["one", "two"]).await;
    let (client, hello) = Client::connect(&gate, json!({})).await;
    assert_eq!(hello["serverInfo"]["name"], "bartizan", "{hello}");
    let listed = client.ask("tools/list", json!({})).await.to_string();
    assert!(
        !listed.contains("one__echo") && listed.contains("two__echo"),
        "{listed}"
    );
    assert_eq!(said(&client.call("two__echo", json!({"word":"hi"})).await), "hi");
    let refused = client.call("one__echo", json!({"word":"hi"})).await.to_string();
    assert!(refused.contains("policy.denied"), "{refused}");
    let discover = json!({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{}}}});
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "server/discover"),
    ];
    let (status, _, messages) = raw(&gate, &headers, &discover).await;
    assert_eq!(status.as_u16(), 200, "{messages:?}");
    assert!(
        messages[0]["result"]["supportedVersions"].is_array(),
        "{messages:?}"
    );
}

/// No policy reads the argument here: that a bound names it is enough for it to be read.
#[tokio::test]
async fn who_may_reach_no_server_is_told_so() {
    let none = r#"
@id("test.none") @reason("nobody goes anywhere")
forbid (principal, action, resource);
"#;
    let gate = gated(none, &["one", "two"]).await;
    let hello = json!({"jsonrpc":"2.0","id":1,"method":"initialize","params":{
        "protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}});
    let (_, headers, messages) = raw(&gate, &[], &hello).await;
    assert_eq!(
        messages[0]["error"]["data"]["code"], "policy.denied",
        "{messages:?}"
    );
    assert!(!headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn a_client_that_forgets_its_sessions_makes_room_for_itself() {
    let gate = gated(OPEN, &["fake"]).await;
    let (first, _) = Client::connect(&gate, json!({})).await;
    let (kept, _) = Client::connect(&gate, json!({})).await;
    for _ in 0..16 {
        // Used again and again: the longest unused is another one.
        assert_eq!(said(&kept.call("echo", json!({"word":"hi"})).await), "hi");
        let _forgotten = Client::connect(&gate, json!({})).await;
    }
    let list = json!({"jsonrpc":"2.0","id":1,"method":"tools/list"});
    assert_eq!(first.send(&list).await.0.as_u16(), Code::SessionUnknown.status());
    assert_eq!(kept.send(&list).await.0, 200);
}

#[tokio::test]
async fn a_deleted_session_is_gone_and_nobody_else_can_delete_it() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    assert_eq!(said(&client.call("echo", json!({"word":"hi"})).await), "hi");
    let bearer = format!("Bearer {}", gate.key);
    let own = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", client.session.as_str()),
    ];
    let delete = async |headers: &[(&str, &str)]| {
        let answer = gate.request(http::Method::DELETE, "/mcp", "", headers).await;
        answer.status().as_u16()
    };
    assert_eq!(delete(&own[1..]).await, 401);
    assert_eq!(delete(&[own[0], ("mcp-session-id", "0123")]).await, 404);
    assert_eq!(delete(&own[..1]).await, 404);
    assert_eq!(said(&client.call("echo", json!({"word":"hi"})).await), "hi");
    assert_eq!(delete(&own).await, 204);
    assert_eq!(delete(&own).await, 404);
    let list = json!({"jsonrpc":"2.0","id":1,"method":"tools/list"});
    assert_eq!(client.send(&list).await.0.as_u16(), Code::SessionUnknown.status());
}

/// What an auditor compares is the whole answer: every message of a stream, and what was seen in the last of them.
#[tokio::test]
async fn the_closing_record_of_a_stream_covers_all_its_messages_and_what_was_seen_in_them() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let bearer = format!("Bearer {}", gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", client.session.as_str()),
    ];
    let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{
        "name":"promises","arguments":{},"_meta":{"progressToken":"mine"}}});
    let answer = gate.open("/mcp", body.to_string(), &headers).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    let messages: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(messages.len(), 3, "{text}");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, messages.concat().as_bytes());
    let records = gate.records().await;
    let records: Vec<_> = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .collect();
    let called = records.iter().find(|record| {
        record
            .facts
            .as_ref()
            .is_some_and(|facts| facts.action == Action::CallTool)
    });
    let call = called.unwrap().call;
    let closing = records
        .iter()
        .find(|record| record.kind == RecordKind::Closing && record.call == call);
    let (closing, answer) = (closing.unwrap(), closing.unwrap().answer.as_ref().unwrap());
    assert_eq!(answer.bytes, messages.concat().len() as u64);
    assert_eq!(answer.transcript.unwrap().0, hash.as_ref());
    assert!(
        closing
            .findings
            .iter()
            .any(|seen| seen.kind == FindingKind::ResultMismatch),
        "{:?}",
        closing.findings
    );
}

/// A server that ignores letter case would act on another call than the one that was ruled on.
#[tokio::test]
async fn params_that_differ_in_letter_case_alone_reach_no_server() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    for params in [
        json!({"name":"echo","arguments":{"word":"hi"},"Arguments":{"word":"evil"}}),
        json!({"name":"echo","arguments":{"word":"hi","Word":"evil"}}),
        json!({"name":"echo","arguments":{"word":"hi","x":{"a":[{"k":1,"K":2}]}}}),
    ] {
        let answer = client.ask("tools/call", params).await;
        assert_eq!(
            answer["error"]["data"]["code"],
            Code::JsonDuplicateKey.as_str(),
            "{answer}"
        );
    }
    let answer = client
        .ask("tools/call", json!({"name":"env","Arguments":{"x":1}}))
        .await;
    assert_eq!(
        answer["error"]["data"]["code"],
        Code::MessageInvalid.as_str(),
        "{answer}"
    );
    let called = gate.records().await;
    let called = called
        .iter()
        .filter_map(|stored| stored.record.as_ref()?.facts.as_ref())
        .filter(|facts| facts.action == Action::CallTool);
    assert_eq!(called.count(), 0);
}

/// The numbers that a chattering server says, as an agent's stream brings them.
struct Heard {
    stream: Incoming,
    text: String,
}

impl Heard {
    async fn open(client: &Client<'_>) -> Self {
        let bearer = format!("Bearer {}", client.gate.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("accept", "text/event-stream"),
            ("mcp-session-id", client.session.as_str()),
        ];
        let answer = client.gate.request(Method::GET, "/mcp", "", &headers).await;
        assert_eq!(answer.status(), 200);
        Self {
            stream: answer.into_body(),
            text: String::new(),
        }
    }

    /// Reads until the stream is cut off.
    async fn until_cut(&mut self) {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(10), self.stream.frame()).await;
            match frame.expect("what is in progress ends with a revocation") {
                Some(Ok(frame)) => self.take(frame.data_ref()),
                Some(Err(_)) | None => return,
            }
        }
    }

    /// The first number heard after `last`.
    async fn next(&mut self, last: u64) -> u64 {
        loop {
            if let Some(tick) = self.ticks().into_iter().find(|tick| *tick > last) {
                return tick;
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.stream.frame()).await;
            self.take(
                frame
                    .expect("news in time")
                    .expect("an open stream")
                    .unwrap()
                    .data_ref(),
            );
        }
    }

    fn take(&mut self, bytes: Option<&Bytes>) {
        let bytes = bytes.map_or(&[][..], |bytes| bytes);
        self.text.push_str(std::str::from_utf8(bytes).unwrap());
    }

    fn ticks(&self) -> Vec<u64> {
        let parts = self.text.split("tick ").skip(1);
        parts
            .filter_map(|part| part.split_once('.')?.0.parse().ok())
            .collect()
    }
}

#[tokio::test]
async fn what_a_revoked_server_says_unasked_is_nobodys_to_hear() {
    let gate = gated(OPEN, &["fake"]).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    let mut heard = Heard::open(&client).await;
    assert_eq!(said(&client.call("chatter", json!({})).await), "chattering");
    // One that is not revoked is heard, and does not fall silent.
    let third = heard.next(2).await;
    assert_eq!(third, 3);
    let shared = gate.running.shared();
    let one = Revocation {
        id: RevocationId::mint(Timestamp::from_unix_seconds(1), 1),
        subject: Subject::parse("server:fake").unwrap(),
        since: Timestamp::from_unix_seconds(1),
        until: None,
        reason: String::new(),
        by: "ops".to_owned(),
    };
    let id = one.id;
    shared.revoked.add(&shared.state, one).unwrap();
    heard.until_cut().await;
    let last = heard.ticks().last().copied().unwrap_or(0);
    // It talks on all the while, and whoever listens again finds nothing of that waiting: but for one that was on its
    // way, all that was said is a second's silence.
    tokio::time::sleep(Duration::from_secs(1)).await;
    shared.revoked.lift(&shared.state, id).unwrap().unwrap();
    let mut again = Heard::open(&client).await;
    again.next(last + 10).await;
    let ticks = again.ticks();
    let queued = ticks.iter().filter(|tick| **tick <= last + 10).count();
    assert!(queued <= 2, "{last}, then {ticks:?}");
}
