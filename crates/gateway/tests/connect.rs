//! Users' own tokens at an MCP server that wants OAuth: whose token goes where, renewal, waiting, and what hostile servers,
//! authorization servers and browsers try.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bartizan_gateway::{
    IssuerSource, KeysAt,
    admin::{Body, Desk},
    config::{Exchange, Oauth, Reach, Server, Subject},
};
use bartizan_identity::IssuerConfig;
use bartizan_types::{Issuer, ServerName};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use http::Method;
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, Seen, Upstreamed, config};

const REDIRECT: &str = "http://127.0.0.1:4489/connected";

/// How the world behind the gateway behaves.
#[derive(Clone, Default)]
struct World {
    /// Said of the resource, in the place of the truth.
    resource: Option<String>,
    /// Said of who issues tokens.
    issuer: Option<String>,
    /// A token's life in seconds.
    life: Option<u64>,
    /// Whether renewing is refused.
    ended: bool,
    /// Metadata answers with a redirect to this.
    moved: Option<String>,
    /// The scope that a call wants.
    wants: Option<&'static str>,
}

struct Connected {
    gate: Gated,
    desk: Desk,
    far: Arc<Upstreamed>,
    renewals: Arc<AtomicUsize>,
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer::Whole(status, "application/json", body.to_string().into_bytes())
}

fn form(seen: &Seen) -> BTreeMap<String, String> {
    let text = String::from_utf8(seen.body.to_vec()).unwrap();
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn bearer(seen: &Seen) -> Option<String> {
    let value = seen.headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

/// The server, and its authorization server, on one port.
fn serve(world: &World, origin: &str, renewals: &AtomicUsize, seen: &Seen) -> Answer {
    let path = seen.path.split('?').next().unwrap_or_default();
    if let Some(to) = &world.moved
        && path.starts_with("/.well-known")
    {
        return Answer::Dressed(302, vec![("location", to.clone())], Vec::new());
    }
    match path {
        "/.well-known/oauth-protected-resource/mcp" => {
            let resource = world.resource.clone().unwrap_or_else(|| format!("{origin}/mcp"));
            let issuer = world.issuer.clone().unwrap_or_else(|| origin.to_owned());
            answer(
                200,
                &json!({"resource": resource, "authorization_servers": [issuer]}),
            )
        }
        "/.well-known/oauth-authorization-server" => answer(
            200,
            &json!({"issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": format!("{origin}/token"), "registration_endpoint": format!("{origin}/register"),
                "revocation_endpoint": format!("{origin}/revoke"), "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": true}),
        ),
        "/register" => answer(
            201,
            &json!({"client_id": "registered", "token_endpoint_auth_method": "none"}),
        ),
        "/revoke" => answer(200, &json!({})),
        "/token" => token(world, renewals, &form(seen)),
        "/mcp" => mcp(world, origin, seen),
        _ => answer(404, &json!({})),
    }
}

fn token(world: &World, renewals: &AtomicUsize, form: &BTreeMap<String, String>) -> Answer {
    let name = match form["grant_type"].as_str() {
        "authorization_code" => form["code"].clone(),
        _ if world.ended => return answer(400, &json!({"error": "invalid_grant"})),
        _ => format!("renewed{}", renewals.fetch_add(1, Ordering::AcqRel)),
    };
    let mut token = json!({"access_token": format!("token-of-{name}"), "token_type": "Bearer",
        "refresh_token": format!("refresh-of-{name}")});
    if let Some(life) = world.life {
        // The first one ends at once, those that renew it do not.
        let life = if name.starts_with("renewed") { 3600 } else { life };
        token["expires_in"] = json!(life);
    }
    answer(200, &token)
}

fn mcp(world: &World, origin: &str, seen: &Seen) -> Answer {
    let Some(token) = bearer(seen).filter(|token| token.starts_with("token-of-")) else {
        let challenge =
            format!("Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\"");
        return Answer::Dressed(401, vec![("www-authenticate", challenge)], Vec::new());
    };
    if seen.method != Method::POST {
        return Answer::Whole(405, "text/plain", Vec::new());
    }
    let message: Value = serde_json::from_slice(&seen.body).unwrap();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({"protocolVersion":"2025-06-18","capabilities":{"tools":{}},
            "serverInfo":{"name":"far","version":"1"}}),
        Some("tools/list") => json!({"tools":[{"name":"whoami","inputSchema":{"type":"object"}}]}),
        Some("tools/call") => {
            if let Some(scope) = world.wants {
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
                return Answer::Dressed(403, vec![("www-authenticate", challenge)], Vec::new());
            }
            // Spelled otherwise: a token itself does not come back to an agent.
            json!({"content":[{"type":"text","text":token.replace('-', "_")}]})
        }
        _ => return Answer::Whole(202, "text/plain", Vec::new()),
    };
    answer(200, &json!({"jsonrpc":"2.0","id":message["id"],"result":result}))
}

impl Connected {
    async fn start(world: World) -> Self {
        Self::with(world, Oauth::default()).await
    }

    async fn with(world: World, oauth: Oauth) -> Self {
        let renewals = Arc::new(AtomicUsize::new(0));
        let origin = Arc::new(Mutex::new(String::new()));
        let (counted, known) = (Arc::clone(&renewals), Arc::clone(&origin));
        let far = Upstreamed::answering(move |seen| {
            let origin = known.lock().unwrap().clone();
            serve(&world, &origin, &counted, seen)
        })
        .await;
        *origin.lock().unwrap() = format!("http://{}", far.address);
        let mut config = config(Vec::new());
        config.servers = vec![Server {
            name: ServerName::new("far").unwrap(),
            reach: Reach::Http {
                url: format!("http://{}/mcp", far.address).parse().unwrap(),
                headers: BTreeMap::new(),
            },
            timeout: Duration::from_secs(20),
            spiffe_id: None,
            oauth,
            sign: None,
            tools: BTreeMap::new(),
        }];
        let gate = Gated::start(config, OPEN).await;
        let desk = gate.desk();
        Self {
            gate,
            desk,
            far: Arc::new(far),
            renewals,
        }
    }

    async fn admin(&self, path: &str, body: &Value) -> (u16, Value) {
        let text = body.to_string();
        let reply = self
            .desk
            .handle(&Method::POST, path, text.as_bytes(), "test")
            .await;
        match reply.body {
            Body::Json(value) => (reply.status.as_u16(), value),
            Body::Text(..) => panic!("text"),
        }
    }

    async fn begin(&self, agent: &str) -> (u16, Value) {
        let body = json!({"server": "far", "agent": agent, "redirect": REDIRECT});
        self.admin("/v1/connections", &body).await
    }

    /// An authorization that the user grants; her code is her name.
    async fn connect(&self, agent: &str) -> (u16, Value) {
        let (status, begun) = self.begin(agent).await;
        assert_eq!(status, 200, "{begun}");
        let iss = format!("http://{}", self.far.address);
        let body = json!({"state": begun["state"], "code": agent, "iss": iss});
        self.admin("/v1/connections/finish", &body).await
    }

    /// What the tool says to whoever has this key, or the code of the refusal.
    async fn whoami(&self, key: &str) -> String {
        let post = |session: Option<String>, body: Value| async move {
            let bearer = format!("Bearer {key}");
            let mut headers = vec![
                ("authorization", bearer.as_str()),
                ("accept", "application/json, text/event-stream"),
            ];
            if let Some(session) = &session {
                headers.push(("mcp-session-id", session));
            }
            let (_, headers, bytes) = self.gate.send("/mcp", body.to_string(), &headers).await;
            (
                headers,
                serde_json::from_slice::<Value>(&bytes).unwrap_or_default(),
            )
        };
        let opening = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{
            "protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}});
        let (headers, opened) = post(None, opening).await;
        let Some(session) = headers.get("mcp-session-id") else {
            return opened["error"]["data"]["code"].as_str().unwrap().to_owned();
        };
        let session = Some(session.to_str().unwrap().to_owned());
        post(
            session.clone(),
            json!({"jsonrpc":"2.0","method":"notifications/initialized"}),
        )
        .await;
        let call =
            json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}});
        let (_, answered) = post(session, call).await;
        let result = &answered["result"];
        let code = result["_meta"]["bartizan/refusal"]["code"].as_str();
        let text = result["content"][0]["text"].as_str();
        let text = text.map(|text| text.replace('_', "-"));
        let said = code.map(str::to_owned).or(text);
        said.unwrap_or_else(|| panic!("{answered}"))
    }

    fn paths(&self) -> Vec<String> {
        let seen = self.far.seen.lock().unwrap();
        seen.iter().map(|seen| seen.path.clone()).collect()
    }
}

#[tokio::test]
async fn each_users_calls_go_with_her_own_token_and_nobody_elses() {
    let world = Connected::start(World::default()).await;
    let (tester, other) = (world.gate.key.clone(), world.gate.others[0].clone());
    assert_eq!(world.whoami(&tester).await, "upstream.connect");
    let reply = world
        .desk
        .handle(&Method::GET, "/v1/connections", b"", "test")
        .await;
    let Body::Json(listed) = reply.body else { panic!() };
    assert_eq!(listed["waiting"][0]["holder"]["agent"], "tester", "{listed}");
    let (status, done) = world.connect("tester").await;
    assert_eq!(
        (status, done["for"].as_str()),
        (200, Some("agent `tester`")),
        "{done}"
    );
    assert_eq!(world.whoami(&tester).await, "token-of-tester");
    assert_eq!(world.whoami(&other).await, "upstream.connect");
    // What a user granted is used by name, by her agent alone, and never by its value.
    world.gate.records().await;
    let usage = "/v1/secrets/usage?name=connect/far";
    let reply = world.desk.handle(&Method::GET, usage, b"", "test").await;
    let Body::Json(used) = reply.body else { panic!() };
    let uses = used["uses"].as_array().unwrap();
    assert!(uses.iter().any(|one| one["action"] == "call_tool"), "{used}");
    assert!(uses.iter().all(|one| one["agent"] == "tester"), "{used}");
    assert!(!used.to_string().contains("token-of"), "{used}");
    assert_eq!(world.connect("other").await.0, 200);
    assert_eq!(world.whoami(&other).await, "token-of-other");
    assert_eq!(world.whoami(&tester).await, "token-of-tester");
    // No credential of an agent's own was passed on, and no token went to where tokens are issued.
    for seen in world.far.seen.lock().unwrap().iter() {
        let sent = format!("{:?}", seen.headers);
        assert!(!sent.contains(&tester) && !sent.contains(&other), "{}", seen.path);
        assert!(seen.path == "/mcp" || bearer(seen).is_none(), "{}", seen.path);
    }
    let (status, gone) = world
        .admin(
            "/v1/connections/forget",
            &json!({"server": "far", "agent": "tester"}),
        )
        .await;
    assert_eq!((status, &gone["given_back"]), (200, &json!(true)), "{gone}");
    assert_eq!(world.whoami(&tester).await, "upstream.connect");
    assert_eq!(world.whoami(&other).await, "token-of-other");
}

#[tokio::test]
async fn many_calls_renew_a_token_once() {
    let life = World {
        life: Some(1),
        ..World::default()
    };
    let world = Connected::start(life).await;
    assert_eq!(world.connect("tester").await.0, 200);
    let key = world.gate.key.clone();
    let (a, b, c, d) = tokio::join!(
        world.whoami(&key),
        world.whoami(&key),
        world.whoami(&key),
        world.whoami(&key)
    );
    for said in [a, b, c, d] {
        assert_eq!(said, "token-of-renewed0");
    }
    assert_eq!(world.renewals.load(Ordering::Acquire), 1);
}

#[tokio::test]
async fn a_grant_that_was_ended_elsewhere_is_told_of() {
    let ended = World {
        life: Some(1),
        ended: true,
        ..World::default()
    };
    let world = Connected::start(ended).await;
    assert_eq!(world.connect("tester").await.0, 200);
    assert_eq!(world.whoami(&world.gate.key).await, "upstream.connect");
    let reply = world
        .desk
        .handle(&Method::GET, "/v1/connections", b"", "test")
        .await;
    let Body::Json(listed) = reply.body else { panic!() };
    assert_eq!(listed["granted"], json!([]), "{listed}");
}

#[tokio::test]
async fn a_call_waits_for_its_user_and_goes_on() {
    let oauth = Oauth {
        wait: Duration::from_secs(20),
        ..Oauth::default()
    };
    let world = Connected::with(World::default(), oauth).await;
    let key = world.gate.key.clone();
    let connecting = async {
        // Once it waits.
        while world.far.count() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.connect("tester").await
    };
    let (said, connected) = tokio::join!(world.whoami(&key), connecting);
    assert_eq!((said.as_str(), connected.0), ("token-of-tester", 200));
}

#[tokio::test]
async fn an_answer_counts_once_under_its_own_state_and_of_its_own_issuer() {
    let world = Connected::start(World::default()).await;
    let own = format!("http://{}", world.far.address);
    let finish = |state: Value, iss: Option<String>| {
        let body = json!({"state": state, "code": "tester", "iss": iss});
        let world = &world;
        async move { world.admin("/v1/connections/finish", &body).await }
    };
    for iss in [Some("http://evil.example".to_owned()), None] {
        let (_, begun) = world.begin("tester").await;
        let (status, said) = finish(begun["state"].clone(), iss.clone()).await;
        assert_eq!(status, 409, "{iss:?} {said}");
        // Nor can the right one come after it.
        assert_eq!(finish(begun["state"].clone(), Some(own.clone())).await.0, 409);
    }
    assert_eq!(finish(json!("made-up"), Some(own.clone())).await.0, 409);
    assert!(!world.paths().contains(&"/token".to_owned()));
    let (_, begun) = world.begin("tester").await;
    assert_eq!(finish(begun["state"].clone(), Some(own.clone())).await.0, 200);
    assert_eq!(finish(begun["state"].clone(), Some(own)).await.0, 409);
    assert_eq!(world.whoami(&world.gate.key).await, "token-of-tester");
}

#[tokio::test]
async fn an_answer_may_end_on_this_machine_alone() {
    let world = Connected::start(World::default()).await;
    for redirect in [
        "http://evil.example/connected",
        "https://evil.example/connected",
        "http://127.0.0.1.evil.example/",
        "",
    ] {
        let body = json!({"server": "far", "agent": "tester", "redirect": redirect});
        assert_eq!(world.admin("/v1/connections", &body).await.0, 400, "{redirect}");
    }
    assert_eq!(world.far.count(), 0);
}

#[tokio::test]
async fn metadata_leads_nowhere_it_should_not() {
    let inside = Upstreamed::answering(|_| answer(200, &json!({}))).await;
    let trap = format!("http://localhost:{}", inside.address.port());
    let worlds = [
        World {
            resource: Some("https://evil.example/mcp".to_owned()),
            ..World::default()
        },
        World {
            issuer: Some(trap.clone()),
            ..World::default()
        },
        World {
            issuer: Some("http://169.254.169.254".to_owned()),
            ..World::default()
        },
        World {
            issuer: Some("https://10.0.0.1".to_owned()),
            ..World::default()
        },
        World {
            issuer: Some(format!("https://localhost:{}", inside.address.port())),
            ..World::default()
        },
        World {
            moved: Some(format!("{trap}/.well-known/oauth-protected-resource/mcp")),
            ..World::default()
        },
    ];
    for world in worlds {
        let said = format!("{:?} {:?} {:?}", world.resource, world.issuer, world.moved);
        let connected = Connected::start(world).await;
        // So that the server has said where its metadata is.
        assert_eq!(connected.whoami(&connected.gate.key).await, "upstream.connect");
        let (status, refused) = connected.begin("tester").await;
        assert_eq!(status, 409, "{said}: {refused}");
    }
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn asking_in_vain_ends() {
    let greedy = World {
        wants: Some("never:enough"),
        ..World::default()
    };
    let world = Connected::start(greedy).await;
    assert_eq!(world.connect("tester").await.0, 200);
    for _ in 0..2 {
        assert_eq!(world.whoami(&world.gate.key).await, "upstream.scope");
        let (status, begun) = world.begin("tester").await;
        assert_eq!(status, 200, "{begun}");
        assert_eq!(begun["scopes"], json!(["never:enough"]));
        let iss = format!("http://{}", world.far.address);
        let body = json!({"state": begun["state"], "code": "tester", "iss": iss});
        assert_eq!(world.admin("/v1/connections/finish", &body).await.0, 200);
    }
    assert_eq!(world.whoami(&world.gate.key).await, "upstream.scope");
    let (status, refused) = world.begin("tester").await;
    assert_eq!(status, 409, "{refused}");
}

#[tokio::test]
async fn no_token_shows_in_records_or_in_the_state() {
    let world = Connected::start(World::default()).await;
    assert_eq!(world.connect("tester").await.0, 200);
    assert_eq!(world.whoami(&world.gate.key).await, "token-of-tester");
    for record in world.gate.records().await {
        let text = serde_json::to_string(&record.record).unwrap();
        assert!(
            !text.contains("token-of-") && !text.contains("refresh-of-"),
            "{text}"
        );
    }
    let mut folders = vec![world.gate.state().path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            for planted in [&b"token-of-"[..], b"refresh-of-"] {
                let found = bytes.windows(planted.len()).any(|part| part == planted);
                assert!(!found, "{}", path.display());
            }
        }
    }
}

/// Signs tokens of an issuer that the gateway knows.
struct Signing {
    pair: aws_lc_rs::signature::EcdsaKeyPair,
    _folder: tempfile::TempDir,
    keys: std::path::PathBuf,
}

const IDP: &str = "https://issuer.example";

impl Signing {
    fn new() -> Self {
        use aws_lc_rs::{
            rand::SystemRandom,
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
        };
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("jwks.json");
        let point = &pair.public_key().as_ref()[1..];
        let jwk = json!({"crv": "P-256", "kty": "EC", "x": B64.encode(&point[..32]), "y": B64.encode(&point[32..])});
        std::fs::write(&keys, json!({"keys": [jwk]}).to_string()).unwrap();
        Self {
            pair,
            _folder: folder,
            keys,
        }
    }

    fn token(&self, user: &str) -> String {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = json!({"iss": IDP, "aud": "us", "sub": user, "exp": now + 60});
        let parts = [json!({"alg": "ES256"}), claims].map(|part| B64.encode(part.to_string()));
        let body = parts.join(".");
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.pair.sign(&random, body.as_bytes()).unwrap();
        format!("{body}.{}", B64.encode(signature))
    }
}

/// The user that a token names.
fn subject(token: &str) -> String {
    let claims = B64.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_caller_showed_is_exchanged_for_a_token_of_this_server_alone() {
    let signing = Signing::new();
    let known = Arc::new(Mutex::new(String::new()));
    let origin = Arc::clone(&known);
    let far = Upstreamed::answering(move |seen| {
        let origin = origin.lock().unwrap().clone();
        if seen.path != "/exchange" {
            return serve(&World::default(), &origin, &AtomicUsize::new(0), seen);
        }
        let form = form(seen);
        let audience = format!("{origin}/mcp").replace(':', "%3A").replace('/', "%2F");
        assert_eq!(
            (form["audience"].as_str(), form["resource"].as_str()),
            (&*audience, &*audience)
        );
        let user = subject(&form["subject_token"]);
        // One user's is refused, and one is answered with something else than what was asked for.
        match user.as_str() {
            "eve" => answer(400, &json!({"error": "invalid_target"})),
            "mallory" => answer(
                200,
                &json!({"access_token": "token-of-mallory", "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
            ),
            user => answer(
                200,
                &json!({"access_token": format!("token-of-{user}"), "token_type": "Bearer",
                "expires_in": 300, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}),
            ),
        }
    })
    .await;
    *known.lock().unwrap() = format!("http://{}", far.address);
    let mut config = config(Vec::new());
    config.servers = vec![Server {
        name: ServerName::new("far").unwrap(),
        reach: Reach::Http {
            url: format!("http://{}/mcp", far.address).parse().unwrap(),
            headers: BTreeMap::new(),
        },
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Oauth {
            exchange: Some(Exchange {
                token_endpoint: format!("http://{}/exchange", far.address).parse().unwrap(),
                subject: None,
                kind: Subject::AccessToken,
                client_id: Some("us".to_owned()),
                client_secret: None,
                assertion: false,
            }),
            ..Oauth::default()
        },
        sign: None,
        tools: BTreeMap::new(),
    }];
    let source = IssuerSource::new(
        IssuerConfig::new(Issuer::new(IDP).unwrap(), vec!["us".to_owned()]),
        KeysAt::File(signing.keys.clone()),
    );
    let gate = Gated::start_whole(config, None, OPEN, None, vec![source]).await;
    let desk = gate.desk();
    let world = Connected {
        gate,
        desk,
        far: Arc::new(far),
        renewals: Arc::default(),
    };
    let (ada, bob) = (signing.token("ada"), signing.token("bob"));
    assert_eq!(world.whoami(&ada).await, "token-of-ada");
    assert_eq!(world.whoami(&bob).await, "token-of-bob");
    assert_eq!(world.whoami(&ada).await, "token-of-ada");
    for refused in ["eve", "mallory"] {
        assert_eq!(
            world.whoami(&signing.token(refused)).await,
            "upstream.connect",
            "{refused}"
        );
    }
    // An agent with a key of ours has nothing to exchange.
    assert_eq!(world.whoami(&world.gate.key).await, "upstream.connect");
    for seen in world
        .far
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|seen| seen.path == "/mcp")
    {
        let sent = bearer(seen).unwrap_or_default();
        assert!(
            sent.is_empty() || sent.starts_with("token-of-"),
            "what was shown was passed on: {sent}"
        );
    }
}
