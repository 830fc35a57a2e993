//! Places that a key of the store speaks for: AWS signatures and tokens of Google service accounts, as the place itself
//! checks them, for models and for MCP servers; and what goes out when there is no key, no token, or no permission.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use bartizan_gateway::config::{Credential, Family, Google, Reach, Scheme, Server, Signed};
use bartizan_identity::AwsScope;
use bartizan_store::{Secret, Secrets};
use bartizan_types::{Action, Resource, ServerName};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64},
};
use serde_json::{Value, json};
use support::{
    Answer, Gated, OPEN, Seen, Upstreamed,
    agent::{Client, said},
    config, hello, upstream,
};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#;
const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SERVICE: &str = "https://aiplatform.googleapis.com/";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

fn aws() -> Scheme {
    Scheme::Aws(AwsScope {
        region: "eu-central-1".to_owned(),
        service: "bedrock".to_owned(),
    })
}

fn aws_key() -> String {
    json!({"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": "lent"}).to_string()
}

fn signed(by: Scheme) -> Signed {
    Signed {
        key: "speaker".to_owned(),
        by,
    }
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer::Whole(status, "application/json", body.to_string().into_bytes())
}

fn code(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap();
    value["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let mut values = seen.headers.get_all(name).iter();
    let value = values.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(values.next().is_none(), "{name} twice");
    value.to_str().unwrap()
}

/// A gateway with one model provider that `by` speaks for, and the key in its store.
async fn models(place: &Upstreamed, by: Scheme, key: Option<&str>, policy: &str) -> Gated {
    let mut provider = upstream("far", Family::Openai, place.address);
    provider.credential = Credential::Signed(signed(by));
    started(config(vec![provider]), key, policy).await
}

/// A gateway with one MCP server that `by` speaks for.
async fn servers(place: &Upstreamed, by: Scheme, key: &str) -> Gated {
    let mut config = config(Vec::new());
    config.servers = vec![Server {
        name: ServerName::new("far").unwrap(),
        reach: Reach::Http {
            url: format!("http://{}/mcp", place.address).parse().unwrap(),
            headers: BTreeMap::new(),
        },
        timeout: Duration::from_secs(20),
        spiffe_id: None,
        oauth: Default::default(),
        sign: Some(signed(by)),
        tools: BTreeMap::new(),
    }];
    started(config, Some(key), OPEN).await
}

async fn started(config: bartizan_gateway::Config, key: Option<&str>, policy: &str) -> Gated {
    let gate = Gated::start(config, policy).await;
    if let Some(key) = key {
        store(&gate)
            .set("speaker", &Secret::new(key.as_bytes().to_vec()))
            .unwrap();
    }
    gate
}

fn store(gate: &Gated) -> Arc<Secrets> {
    Arc::clone(&gate.running.shared().secrets)
}

// --- AWS ---

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The signature as AWS computes it from what arrived, written from AWS's description and not from our signer.
fn signature_of(seen: &Seen, body: &[u8], names: &str) -> String {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let moment = header(seen, "x-amz-date");
    let day = &moment[..8];
    let mut canonical = format!(
        "{}\n{}\n{query}\n",
        seen.method,
        path.replace('%', "%25").replace(':', "%3A")
    );
    for name in names.split(';') {
        canonical.push_str(&format!("{name}:{}\n", header(seen, name)));
    }
    canonical.push_str(&format!("\n{names}\n{}", sha(body)));
    let scope = format!("{day}/eu-central-1/bedrock/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        sha(canonical.as_bytes())
    );
    let mac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
            .as_ref()
            .to_vec()
    };
    let mut key = mac(format!("AWS4{SECRET_KEY}").as_bytes(), day);
    for part in ["eu-central-1", "bedrock", "aws4_request"] {
        key = mac(&key, part);
    }
    hex(&mac(&key, &to_sign))
}

/// What AWS does with a request: believes it, or not.
fn aws_believes(seen: &Seen) {
    let said = header(seen, "authorization");
    let rest = said.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap();
    let (credential, rest) = rest.split_once(", SignedHeaders=").unwrap();
    let (names, signature) = rest.split_once(", Signature=").unwrap();
    let day = &header(seen, "x-amz-date")[..8];
    assert_eq!(
        credential,
        format!("{ACCESS_KEY}/{day}/eu-central-1/bedrock/aws4_request")
    );
    assert!(names.split(';').any(|name| name == "host"), "{names}");
    assert!(
        names.split(';').any(|name| name == "x-amz-security-token"),
        "{names}"
    );
    assert_eq!(signature_of(seen, &seen.body, names), signature);
    // Of anything else it is no signature.
    assert_ne!(signature_of(seen, b"other", names), signature);
}

#[tokio::test]
async fn aws_believes_what_the_gateway_signs_and_the_agents_words_are_not_in_it() {
    let place = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
    let gate = models(&place, aws(), Some(&aws_key()), OPEN).await;
    let bearer = format!("Bearer {}", gate.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "the agent's"),
    ];
    let (status, _, _) = gate.send(CHAT, ASK, &headers).await;
    assert_eq!(status, 200);
    let seen = place.seen.lock().unwrap();
    aws_believes(&seen[0]);
    assert_eq!(header(&seen[0], "x-amz-security-token"), "lent");
    assert_eq!(header(&seen[0], "host"), place.address.to_string());
    assert_eq!(&seen[0].body[..], ASK.as_bytes());
    let sent = format!("{:?}", seen[0].headers);
    assert!(!sent.contains(&gate.key) && !sent.contains(SECRET_KEY), "{sent}");
}

#[tokio::test]
async fn every_request_to_an_mcp_server_is_signed_for_aws() {
    let place = Upstreamed::answering(hello).await;
    let gate = servers(&place, aws(), &aws_key()).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    assert_eq!(said(&client.call("hello", json!({})).await), "hello");
    let seen = place.seen.lock().unwrap();
    assert!(seen.len() >= 3, "{}", seen.len());
    for seen in seen.iter() {
        aws_believes(seen);
    }
}

#[tokio::test]
async fn without_a_key_or_with_another_nothing_goes() {
    for key in [None, Some("no key"), Some(r#"{"AccessKeyId":"AKID"}"#)] {
        for by in [
            aws(),
            Scheme::Google(Google::SelfSigned {
                audience: SERVICE.to_owned(),
            }),
        ] {
            let place = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
            let gate = models(&place, by, key, OPEN).await;
            let (status, _, body) = gate.post(CHAT, ASK).await;
            assert_eq!(
                (status.as_u16(), code(&body).as_str()),
                (502, "upstream.secret_missing")
            );
            assert_eq!(place.count(), 0);
        }
    }
}

// --- Google ---

/// A service account as Google has it.
struct Account {
    file: String,
    public: Vec<u8>,
    id: &'static str,
}

impl Account {
    fn new(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        let file = json!({"type": "service_account", "private_key_id": id, "private_key": pem,
            "client_email": "gate@example.iam.gserviceaccount.com", "token_uri": "https://evil.example/token"});
        Self {
            file: file.to_string(),
            public: pair.public_key().as_ref().to_vec(),
            id,
        }
    }

    /// The claims of a token that this account signed for `audience`, and that holds now.
    fn claims(&self, token: &str, audience: &str) -> Value {
        let (body, signature) = token.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public)
            .verify(body.as_bytes(), &B64.decode(signature).unwrap())
            .expect("the account's own signature");
        let part = |part: &str| serde_json::from_slice::<Value>(&B64.decode(part).unwrap()).unwrap();
        let (head, claims) = body.split_once('.').unwrap();
        assert_eq!(part(head), json!({"alg": "RS256", "typ": "JWT", "kid": self.id}));
        let claims = part(claims);
        assert_eq!(claims["aud"], audience);
        assert_eq!(claims["iss"], "gate@example.iam.gserviceaccount.com");
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = since.unwrap().as_secs();
        let (from, to) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!(from <= now && now < to && to - from <= 3600, "{claims}");
        claims
    }
}

fn bearer(seen: &Seen) -> &str {
    header(seen, "authorization").strip_prefix("Bearer ").unwrap()
}

fn self_signed() -> Scheme {
    Scheme::Google(Google::SelfSigned {
        audience: SERVICE.to_owned(),
    })
}

#[tokio::test]
async fn a_self_signed_token_is_kept_until_its_key_changes_or_nobody_believes_it() {
    let status = Arc::new(AtomicU64::new(200));
    let said = Arc::clone(&status);
    let place = Upstreamed::answering(move |_| {
        let status = u16::try_from(said.load(Ordering::Acquire)).unwrap();
        Answer::Whole(status, "application/json", SAID.into())
    })
    .await;
    let (one, two) = (Account::new("one"), Account::new("two"));
    let gate = models(&place, self_signed(), Some(&one.file), OPEN).await;
    for _ in 0..2 {
        assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    }
    let at = |at: usize| bearer(&place.seen.lock().unwrap()[at]).to_owned();
    let claims = one.claims(&at(0), SERVICE);
    assert_eq!(claims["sub"], claims["iss"]);
    assert_eq!(at(0), at(1));

    store(&gate)
        .rotate("speaker", &Secret::new(two.file.clone().into_bytes()))
        .unwrap();
    assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    two.claims(&at(2), SERVICE);

    // RSA signs alike in the same second, so that one has to pass.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    status.store(401, Ordering::Release);
    assert_eq!(gate.post(CHAT, ASK).await.0, 401);
    status.store(200, Ordering::Release);
    assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    assert_eq!(at(3), at(2));
    assert_ne!(at(4), at(3));
    two.claims(&at(4), SERVICE);
}

/// A model provider and the token endpoint in front of it.
struct Exchanging {
    gate: Gated,
    provider: Upstreamed,
    endpoint: Upstreamed,
    account: Account,
}

/// `answers` is what the endpoint says to the so-manieth assertion.
async fn exchanging(answers: fn(u64) -> Answer, policy: &str) -> Exchanging {
    exchanging_by(answers, policy, exchanged).await
}

/// The same, for what this asks of the endpoint.
async fn exchanging_by(
    answers: fn(u64) -> Answer,
    policy: &str,
    by: fn(&Upstreamed) -> Scheme,
) -> Exchanging {
    let provider = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
    let count = AtomicU64::new(0);
    let endpoint = Upstreamed::answering(move |_| answers(count.fetch_add(1, Ordering::AcqRel))).await;
    let account = Account::new("one");
    let gate = models(&provider, by(&endpoint), Some(&account.file), policy).await;
    Exchanging {
        gate,
        provider,
        endpoint,
        account,
    }
}

fn exchanged(endpoint: &Upstreamed) -> Scheme {
    Scheme::Google(Google::Exchanged {
        scopes: vec![SCOPE.to_owned()],
        token_endpoint: Some(format!("http://{}/token", endpoint.address).parse().unwrap()),
    })
}

impl Exchanging {
    /// What the endpoint was shown.
    fn assertion(&self, at: usize) -> Value {
        let seen = &self.endpoint.seen.lock().unwrap()[at];
        assert_eq!(header(seen, "content-type"), "application/x-www-form-urlencoded");
        assert!(!seen.headers.contains_key("authorization"));
        let text = std::str::from_utf8(&seen.body).unwrap();
        let fields: BTreeMap<&str, &str> = text.split('&').filter_map(|pair| pair.split_once('=')).collect();
        assert_eq!(
            fields["grant_type"],
            "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
        );
        let audience = format!("http://{}/token", self.endpoint.address);
        self.account.claims(fields["assertion"], &audience)
    }
}

fn token(name: &str, life: u64) -> Answer {
    answer(
        200,
        &json!({"access_token": name, "token_type": "Bearer", "expires_in": life}),
    )
}

#[tokio::test]
async fn an_access_token_is_fetched_once_recorded_and_shown_to_the_provider_alone() {
    let world = exchanging(|count| token(&format!("ya29.{count}"), 3600), OPEN).await;
    let gate = &world.gate;
    let (a, b, c) = tokio::join!(gate.post(CHAT, ASK), gate.post(CHAT, ASK), gate.post(CHAT, ASK));
    assert_eq!([a.0, b.0, c.0].map(|status| status.as_u16()), [200; 3]);
    assert_eq!(world.endpoint.count(), 1);
    assert_eq!(world.assertion(0)["scope"], SCOPE);
    for seen in world.provider.seen.lock().unwrap().iter() {
        assert_eq!(bearer(seen), "ya29.0");
    }
    let records = gate.records().await;
    let fetches = records.iter().filter(|stored| {
        let facts = stored.record.as_ref().and_then(|record| record.facts.as_ref());
        facts.is_some_and(|facts| {
            facts.action == Action::Connect
                && matches!(&facts.resource, Resource::Server { server } if server.as_str() == "token:127.0.0.1")
        })
    });
    assert_eq!(fetches.count(), 1);
    for stored in &records {
        let text = serde_json::to_string(&stored.record).unwrap();
        assert!(!text.contains("ya29.") && !text.contains("PRIVATE"), "{text}");
    }
}

/// An ID token as the endpoint makes it, for this audience.
fn id_token(audience: &str) -> Answer {
    let part = |value: &Value| B64.encode(value.to_string());
    let end = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 3600;
    let claims = json!({"iss": "https://accounts.google.com", "aud": audience, "exp": end});
    let token = format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims));
    answer(200, &json!({ "id_token": token }))
}

#[tokio::test]
async fn an_id_token_is_fetched_for_its_audience_and_one_for_another_goes_nowhere() {
    let place = "https://place-abc.run.app";
    let by: fn(&Upstreamed) -> Scheme = |endpoint| {
        Scheme::Google(Google::Identity {
            audience: "https://place-abc.run.app".to_owned(),
            token_endpoint: Some(format!("http://{}/token", endpoint.address).parse().unwrap()),
        })
    };
    let world = exchanging_by(|_| id_token("https://place-abc.run.app"), OPEN, by).await;
    for _ in 0..2 {
        assert_eq!(world.gate.post(CHAT, ASK).await.0, 200);
    }
    assert_eq!(world.endpoint.count(), 1);
    let assertion = world.assertion(0);
    assert_eq!(assertion["target_audience"], place);
    assert!(assertion.get("scope").is_none());
    for seen in world.provider.seen.lock().unwrap().iter() {
        let claims = bearer(seen).split('.').nth(1).unwrap().to_owned();
        let claims: Value = serde_json::from_slice(&B64.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["aud"], place);
    }

    let answers: [fn(u64) -> Answer; 2] = [|_| id_token("https://other.run.app"), |_| token("ya29", 3600)];
    for answers in answers {
        let world = exchanging_by(answers, OPEN, by).await;
        let (status, _, body) = world.gate.post(CHAT, ASK).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (502, "upstream.token"));
        assert_eq!(world.provider.count(), 0);
    }
}

#[tokio::test]
async fn a_token_that_ends_is_replaced_in_time() {
    let world = exchanging(
        |count| token(&format!("ya29.{count}"), if count == 0 { 2 } else { 3600 }),
        OPEN,
    )
    .await;
    assert_eq!(world.gate.post(CHAT, ASK).await.0, 200);
    // It lives two seconds, and is not used in the second half of them.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for _ in 0..2 {
        assert_eq!(world.gate.post(CHAT, ASK).await.0, 200);
    }
    let seen = world.provider.seen.lock().unwrap();
    assert_eq!(
        seen.iter().map(bearer).collect::<Vec<_>>(),
        ["ya29.0", "ya29.1", "ya29.1"]
    );
    assert_eq!(world.endpoint.count(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_goes_and_the_endpoint_is_left_alone_for_a_while() {
    let answers: [fn(u64) -> Answer; 4] = [
        |_| {
            answer(
                400,
                &json!({"error": "invalid_grant", "error_description": "Account disabled"}),
            )
        },
        // A redirect is an answer like any other.
        |_| {
            Answer::Dressed(
                302,
                vec![("location", "http://127.0.0.1:9/token".to_owned())],
                Vec::new(),
            )
        },
        |_| answer(200, &json!({"access_token": "t", "token_type": "mac"})),
        |_| answer(200, &json!({"access_token": "a b", "token_type": "Bearer"})),
    ];
    for answers in answers {
        let world = exchanging(answers, OPEN).await;
        for _ in 0..2 {
            let (status, _, body) = world.gate.post(CHAT, ASK).await;
            assert_eq!((status.as_u16(), code(&body).as_str()), (502, "upstream.token"));
        }
        assert_eq!((world.provider.count(), world.endpoint.count()), (0, 1));
    }
}

#[tokio::test]
async fn what_policy_refuses_fetches_no_token_and_what_it_lets_nobody_fetch_is_not_fetched() {
    let refused = format!(
        "{OPEN}\n@id(\"test.no\") forbid (principal, action == Bartizan::Action::\"generate\", resource);"
    );
    let world = exchanging(|_| token("ya29", 3600), &refused).await;
    let (status, _, _) = world.gate.post(CHAT, ASK).await;
    assert_eq!(status, 403);
    assert_eq!((world.provider.count(), world.endpoint.count()), (0, 0));

    let closed = format!(
        "{OPEN}\n@id(\"test.no\") forbid (principal, action == Bartizan::Action::\"connect\", resource == Bartizan::Server::\"token:127.0.0.1\");"
    );
    let world = exchanging(|_| token("ya29", 3600), &closed).await;
    let (_, _, body) = world.gate.post(CHAT, ASK).await;
    assert_eq!(code(&body), "upstream.token");
    assert_eq!((world.provider.count(), world.endpoint.count()), (0, 0));
}

#[tokio::test]
async fn an_mcp_server_is_shown_the_accounts_token_with_every_request() {
    let place = Upstreamed::answering(hello).await;
    let endpoint = Upstreamed::answering(|_| token("ya29", 3600)).await;
    let account = Account::new("one");
    let gate = servers(&place, exchanged(&endpoint), &account.file).await;
    let (client, _) = Client::connect(&gate, json!({})).await;
    assert_eq!(said(&client.call("hello", json!({})).await), "hello");
    assert_eq!(endpoint.count(), 1);
    for seen in place.seen.lock().unwrap().iter() {
        assert_eq!(bearer(seen), "ya29");
    }
}

#[tokio::test]
async fn paths_without_a_version_go_without_one() {
    let place = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
    let mut provider = upstream("far", Family::Openai, place.address);
    provider.url = format!(
        "http://{}/v1/projects/p/locations/l/endpoints/openapi",
        place.address
    )
    .parse()
    .unwrap();
    provider.v1_paths = false;
    let gate = Gated::start(config(vec![provider]), OPEN).await;
    assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    let seen = place.seen.lock().unwrap();
    assert_eq!(
        seen[0].path,
        "/v1/projects/p/locations/l/endpoints/openapi/chat/completions"
    );
}
