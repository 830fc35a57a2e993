//! The negative corpus of what only a serving gateway judges: each entry is a file of `vectors/identity` with the code that
//! the bad one is refused under, and a twin, the smallest change that mends it, which passes.

#[expect(dead_code, reason = "the model and MCP tests use more of it")]
mod support;

use std::{collections::BTreeMap, time::Duration};

use bartizan_gateway::{
    IssuerSource, KeysAt,
    config::{Config, Egress, Family, Peer},
};
use bartizan_identity::{DelegationKey, IssuerConfig, Secret, narrow};
use bartizan_types::{Bounds, Issuer, PeerName};
use bartizan_wire::{json as strict, site::SitePattern};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use support::{Answer, Gated, OPEN, Upstreamed, config, signing::Signing, upstream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"h"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;
const HELLO: &str = r#"{"jsonrpc":"2.0","id":"q1","method":"SendMessage","params":{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"hello"}]}}}"#;
const SPOKE: &str = r#"{"jsonrpc":"2.0","id":"1","result":{"message":{"messageId":"a1","role":"ROLE_AGENT","parts":[{"text":"hello"}]}}}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    what: String,
    kind: String,
    expected: String,
    bad: Value,
    twin: Value,
}

fn entries() -> BTreeMap<String, Entry> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/identity");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|path| {
            let entry = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), entry)
        })
        .collect()
}

#[tokio::test]
async fn every_bad_one_is_refused_for_its_reason_and_its_twin_passes() {
    let all = entries();
    assert!(all.len() >= 20, "{}", all.len());
    for (name, entry) in &all {
        let (bad, twin) = (
            judged(&entry.kind, &entry.bad).await,
            judged(&entry.kind, &entry.twin).await,
        );
        assert_eq!(bad, Err(entry.expected.clone()), "{name}: {}", entry.what);
        assert_eq!(twin, Ok(()), "{name}: the twin");
    }
}

/// The code that a case is refused under.
async fn judged(kind: &str, case: &Value) -> Result<(), String> {
    match kind {
        "card" => card(case).await,
        "keys" => keys(case).await,
        "site" => site(case).await,
        "path" => path(case).await,
        "handed" => handed(case).await,
        "token" => token(case).await,
        other => panic!("kind {other}"),
    }
}

/// The code anywhere in an error of any API.
fn outcome(status: http::StatusCode, body: &[u8]) -> Result<(), String> {
    fn find(value: &Value) -> Option<String> {
        match value {
            Value::Object(object) => match object.get("code").and_then(Value::as_str) {
                Some(code) => Some(code.to_owned()),
                None => object.values().find_map(find),
            },
            Value::Array(list) => list.iter().find_map(find),
            _ => None,
        }
    }
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match find(&answer["error"]) {
        Some(code) => Err(code),
        None if status == 200 => Ok(()),
        None => Err(format!("{status}: {}", String::from_utf8_lossy(body))),
    }
}

async fn card(case: &Value) -> Result<(), String> {
    let (trusted, stranger) = (Signing::new(), Signing::new());
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("keys.json");
    let mut jwk = trusted.jwk.clone();
    jwk["kid"] = json!("k");
    std::fs::write(&set, json!({"keys": [jwk]}).to_string()).unwrap();
    let mut card = json!({
        "name": "Billing", "description": "knows invoices", "version": "1",
        "supportedInterfaces": [{"url": "https://billing.example/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "capabilities": {"streaming": true},
        "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
        "skills": [{"id": "s", "name": "s", "description": "s", "tags": ["t"]}],
    });
    let written = serde_json::to_string_pretty(&card).unwrap();
    let payload = if case["canonical"] == false {
        written.clone().into_bytes()
    } else {
        strict::canonical(&RawValue::from_string(written).unwrap()).unwrap()
    };
    let by = if case["by"] == "stranger" {
        &stranger
    } else {
        &trusted
    };
    let protected = B64.encode(json!({"alg": "ES256", "kid": "k"}).to_string());
    let signature = by.signature(format!("{protected}.{}", B64.encode(payload)).as_bytes());
    card["signatures"] = json!([{"protected": protected, "signature": signature}]);
    if case["altered"] == true {
        card["description"] = json!("knows everything");
    }
    let mut shown = card.to_string();
    if let Some(before) = case["before"].as_str() {
        // A second reading for whoever takes the first of two.
        shown = shown.replacen('{', &format!("{{{before},"), 1);
    }
    let peer = Upstreamed::answering(move |seen| {
        let text = if seen.method == Method::GET {
            shown.clone()
        } else {
            SPOKE.to_owned()
        };
        Answer::Whole(200, "application/json", text.into_bytes())
    })
    .await;
    let mut settings = config(Vec::new());
    settings.peers = vec![Peer {
        name: PeerName::new("billing").unwrap(),
        url: format!("http://{}/rpc", peer.address).parse().unwrap(),
        card: None,
        headers: BTreeMap::new(),
        card_keys: Some(set),
        spiffe_id: None,
        push_hosts: Vec::new(),
        roots: None,
        timeout: Duration::from_secs(5),
    }];
    let gate = Gated::start(settings, OPEN).await;
    let bearer = format!("Bearer {}", gate.key);
    let headers = [("authorization", bearer.as_str()), ("a2a-version", "1.0")];
    let (status, _, body) = gate.send("/a2a/billing", HELLO, &headers).await;
    let messages = peer
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|seen| seen.path == "/rpc")
        .count();
    let outcome = outcome(status, &body);
    assert_eq!(
        messages,
        usize::from(outcome.is_ok()),
        "nothing is said to a peer that is refused"
    );
    outcome
}

fn seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

async fn with_issuer(source: IssuerSource) -> Gated {
    let provider =
        Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.as_bytes().to_vec())).await;
    let settings: Config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    Gated::start_whole(settings, None, OPEN, None, vec![source]).await
}

/// An issuer that is found by its own metadata, whose key set is where that says, or redirected from there.
async fn keys(case: &Value) -> Result<(), String> {
    let signing = Signing::new();
    let set = json!({"keys": [signing.jwk]}).to_string();
    let inside = Upstreamed::answering({
        let set = set.clone();
        move |_| Answer::Whole(200, "application/json", set.clone().into_bytes())
    })
    .await;
    let (elsewhere, redirects) = (inside.address, case["redirect"] == true);
    let up = Upstreamed::answering(move |seen| {
        let host = seen.headers["host"].to_str().unwrap().to_owned();
        let json = |text: String| Answer::Whole(200, "application/json", text.into_bytes());
        match seen.path.as_str() {
            "/.well-known/oauth-authorization-server" => json(
                json!({"issuer": format!("http://{host}"), "jwks_uri": format!("http://{host}/keys")})
                    .to_string(),
            ),
            "/keys" if redirects => Answer::Dressed(
                302,
                vec![("location", format!("http://{elsewhere}/keys"))],
                Vec::new(),
            ),
            "/keys" => json(set.clone()),
            _ => Answer::Whole(404, "text/plain", Vec::new()),
        }
    })
    .await;
    let name = format!("http://{}", up.address);
    let gate = with_issuer(IssuerSource::new(
        IssuerConfig::new(Issuer::new(&name).unwrap(), vec!["us".to_owned()]),
        KeysAt::Discovered,
    ))
    .await;
    let claims = json!({"iss": name, "aud": "us", "sub": "app", "exp": seconds() + 60});
    let bearer = format!("Bearer {}", signing.token(&json!({"alg": "ES256"}), &claims));
    let fetched = |path: &str| up.seen.lock().unwrap().iter().any(|seen| seen.path == path);
    for _ in 0..100 {
        if fetched("/keys") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (status, _, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
    assert_eq!(inside.count(), 0, "redirects are not followed");
    outcome(status, &body)
}

/// A site whose name the machine's resolver leads inside.
async fn site(case: &Value) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = format!("localhost:{}", listener.local_addr().unwrap().port());
    let mut settings = config(Vec::new());
    let mut egress = Egress::at("127.0.0.1:0".parse().unwrap());
    let pattern = vec![SitePattern::parse(&site).unwrap()];
    if case["inside"] == true {
        egress.inside = pattern;
    } else {
        egress.hosts = pattern;
    }
    settings.egress = Some(egress);
    let gate = Gated::start(settings, OPEN).await;
    let web = gate.running.shared().web_address().unwrap();
    let mut stream = TcpStream::connect(web).await.unwrap();
    let request = format!(
        "CONNECT {site} HTTP/1.1\r\nHost: {site}\r\nProxy-Authorization: Bearer {}\r\n\r\n",
        gate.key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = vec![0; 512];
    let count = stream.read(&mut said).await.unwrap();
    let said = String::from_utf8_lossy(&said[..count]).into_owned();
    let first = said.lines().next().unwrap_or_default().to_owned();
    match first.strip_prefix("HTTP/1.1 200") {
        Some(_) => Ok(()),
        None => Err(first.split(' ').nth(2).unwrap_or_default().to_owned()),
    }
}

/// A request in clear to an address behind the proxy, where rules keep agents from `/admin`, and one site may be revoked.
async fn path(case: &Value) -> Result<(), String> {
    const RULES: &str = r#"
@id("test.admin") @reason("not for agents")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when { context.args.hasTag("path") && context.args.getTag("path") like "/admin*" };
"#;
    let far = Upstreamed::answering(|_| Answer::Whole(200, "text/plain", b"there".to_vec())).await;
    let port = far.address.port();
    let mut settings = config(Vec::new());
    let mut egress = Egress::at("127.0.0.1:0".parse().unwrap());
    egress.inside = ["127.0.0.1", "localhost"]
        .map(|host| SitePattern::parse(&format!("{host}:{port}")).unwrap())
        .to_vec();
    settings.egress = Some(egress);
    let gate = Gated::start(settings, &format!("{OPEN}{RULES}")).await;
    if let Some(what) = case["revoked"].as_str() {
        let body = json!({ "what": what }).to_string();
        let reply = gate
            .desk()
            .handle(&Method::POST, "/v1/revocations", body.as_bytes(), "test")
            .await;
        assert_eq!(reply.status, 200, "{what}");
    }
    let host = case["host"].as_str().unwrap_or("127.0.0.1");
    let path = case["path"].as_str().unwrap_or("/open");
    let web = gate.running.shared().web_address().unwrap();
    let mut stream = TcpStream::connect(web).await.unwrap();
    let request = format!(
        "GET http://{host}:{port}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nProxy-Authorization: Bearer {}\r\n\r\n",
        gate.key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    let first = said.lines().next().unwrap_or_default().to_owned();
    let came = far.count();
    match first.strip_prefix("HTTP/1.1 200") {
        Some(_) => {
            assert_eq!(came, 1);
            Ok(())
        }
        None => {
            assert_eq!(came, 0, "nothing went there: {said}");
            Err(first.split(' ').nth(2).unwrap_or_default().to_owned())
        }
    }
}

/// A delegation that was narrowed after something that it rests on was ended: the key beneath, or a link.
async fn handed(case: &Value) -> Result<(), String> {
    let provider =
        Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.as_bytes().to_vec())).await;
    let gate = Gated::start(
        config(vec![upstream("openai", Family::Openai, provider.address)]),
        OPEN,
    )
    .await;
    let (_, _, body) = gate.post("/v1/delegations", r#"{"to":"child"}"#).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let first = answer["delegation"].as_str().unwrap();
    let next = DelegationKey::new(Secret::new([3; 32])).unwrap();
    let text = narrow(first, "grandchild", Bounds::default(), &next).unwrap();
    let what = match case["ended"].as_str() {
        Some("key") => format!("key:{}", gate.key),
        Some("first") => format!("token:{}", answer["credential"].as_str().unwrap()),
        Some("last") => format!("token:{}", next.name()),
        Some("actor") => "actor:child".to_owned(),
        // Somebody else's.
        Some("other-key") => format!("key:{}", gate.others[0]),
        _ => "token:bzd:AAAA".to_owned(),
    };
    let body = json!({ "what": what }).to_string();
    let reply = gate
        .desk()
        .handle(&Method::POST, "/v1/revocations", body.as_bytes(), "test")
        .await;
    assert_eq!(reply.status, 200, "{what}");
    let bearer = format!("Bearer {}", text.expose());
    let (status, _, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
    let outcome = outcome(status, &body);
    assert_eq!(provider.count(), usize::from(outcome.is_ok()));
    outcome
}

async fn token(case: &Value) -> Result<(), String> {
    let (signing, folder) = (Signing::new(), tempfile::tempdir().unwrap());
    let set = folder.path().join("jwks.json");
    std::fs::write(&set, json!({"keys": [signing.jwk]}).to_string()).unwrap();
    let name = "https://issuer.example";
    let gate = with_issuer(IssuerSource::new(
        IssuerConfig::new(Issuer::new(name).unwrap(), vec!["us".to_owned()]),
        KeysAt::File(set),
    ))
    .await;
    let claims = json!({"iss": name, "aud": case["aud"], "sub": "app", "exp": seconds() + 60});
    let bearer = format!("Bearer {}", signing.token(&json!({"alg": "ES256"}), &claims));
    let (status, _, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
    outcome(status, &body)
}
