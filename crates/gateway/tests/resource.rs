//! What the gateway, as a resource server, asks of tokens beyond that they hold: scopes, nonces in proofs, and an issuer
//! whose keys are where its own metadata says.

#[expect(dead_code, reason = "the model and MCP tests use more of it")]
mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::digest;
use bartizan_gateway::{Config, IssuerSource, KeysAt, config::Family};
use bartizan_guard::{
    revoke::{Revocation, Subject},
    scope::{ScopeRule, Scopes},
};
use bartizan_identity::IssuerConfig;
use bartizan_policy::Pack;
use bartizan_types::{AuthMethod, Issuer, RecordKind, RevocationId, RulingWord, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, Upstreamed, config, signing::Signing, upstream};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"h"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;

fn seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn code(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap();
    let error = &answer["error"];
    let found = [
        &error["code"],
        &error["data"]["code"],
        &error["data"]["bartizan"]["code"],
    ];
    found
        .iter()
        .find_map(|one| one.as_str())
        .unwrap_or_default()
        .to_owned()
}

/// An issuer with a key set in a file, and tokens of it.
struct Known {
    signing: Signing,
    _folder: tempfile::TempDir,
    source: IssuerSource,
}

impl Known {
    fn new() -> Self {
        let (signing, folder) = (Signing::new(), tempfile::tempdir().unwrap());
        let keys = folder.path().join("jwks.json");
        std::fs::write(&keys, json!({"keys": [signing.jwk]}).to_string()).unwrap();
        let issuer = Issuer::new("https://issuer.example").unwrap();
        let config = IssuerConfig::new(issuer, vec!["us".to_owned()]);
        let source = IssuerSource::new(config, KeysAt::File(keys));
        Self {
            signing,
            _folder: folder,
            source,
        }
    }

    fn token(&self, more: &Value) -> String {
        let mut claims =
            json!({"iss": "https://issuer.example", "aud": "us", "sub": "app", "exp": seconds() + 60});
        for (claim, value) in more.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        self.signing.token(&json!({"alg": "ES256"}), &claims)
    }
}

async fn started(
    change: impl FnOnce(&mut Config),
    source: IssuerSource,
    policy: &str,
) -> (Gated, Upstreamed) {
    let provider =
        Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.as_bytes().to_vec())).await;
    let mut settings = config(vec![upstream("openai", Family::Openai, provider.address)]);
    change(&mut settings);
    let gate = Gated::start_whole(settings, None::<Pack>, policy, None, vec![source]).await;
    (gate, provider)
}

fn scopes(rules: &[(&str, &str)]) -> Scopes {
    let rule = |(name, on): &(&str, &str)| ScopeRule {
        name: (*name).to_owned(),
        on: [(*on).to_owned()].into(),
    };
    Scopes::new(rules.iter().map(rule).collect())
}

#[tokio::test]
async fn a_token_without_a_scope_is_told_which_ones_it_needs() {
    let known = Known::new();
    let rules = scopes(&[
        ("chat", "Model::openai/*"),
        ("chat:m", "Model::openai/m"),
        ("mail", "Tool::mail/*"),
    ]);
    let (gate, provider) = started(|config| config.scopes = rules, known.source.clone(), OPEN).await;
    let send = |claims: Value| {
        let (gate, token) = (&gate, known.token(&claims));
        async move {
            gate.send(CHAT, ASK, &[("authorization", &format!("Bearer {token}"))])
                .await
        }
    };
    for claims in [
        json!({}),
        json!({"scope": "chat"}),
        json!({"scope": 7}),
        json!({"scope": "CHAT chat:m"}),
    ] {
        let (status, headers, body) = send(claims.clone()).await;
        assert_eq!(
            (status.as_u16(), code(&body).as_str()),
            (403, "identity.scope"),
            "{claims}"
        );
        let challenge = headers["www-authenticate"].to_str().unwrap();
        assert_eq!(
            challenge,
            "Bearer error=\"insufficient_scope\", scope=\"chat chat:m\""
        );
    }
    assert_eq!(provider.count(), 0);
    for claims in [
        json!({"scope": "chat:m x chat"}),
        json!({"scp": ["chat", "chat:m"]}),
    ] {
        assert_eq!(send(claims.clone()).await.0, 200, "{claims}");
    }
    // Who shows no token has no scope to lack.
    assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    let response = gate
        .request(Method::GET, "/.well-known/oauth-protected-resource/mcp", "", &[])
        .await;
    let told = response.into_body().collect().await.unwrap().to_bytes();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["scopes_supported"], json!(["chat", "chat:m", "mail"]));
    let records = gate.records().await;
    let denied = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .find(|record| record.kind == RecordKind::Ruling && record.ruling == Some(RulingWord::Deny));
    let bar = denied.unwrap().facts.as_ref().unwrap().bar.clone().unwrap();
    assert_eq!(bar.what, "the token lacks chat, chat:m");
}

fn revocation(what: &str, number: u128) -> Revocation {
    Revocation {
        id: RevocationId::mint(Timestamp::from_unix_seconds(1), number),
        subject: Subject::parse(what).unwrap(),
        since: Timestamp::from_unix_seconds(1),
        until: None,
        reason: "test".to_owned(),
        by: "test".to_owned(),
    }
}

/// A chain on a token is no way out of what the token lacks, of its tenant, or of what ends it.
#[tokio::test]
async fn what_hangs_on_a_token_has_its_scopes_and_ends_with_it() {
    const DELEGATIONS: &str = "/v1/delegations";
    let known = Known::new();
    let rules = scopes(&[("chat", "Model::openai/*")]);
    let (gate, _provider) = started(|config| config.scopes = rules, known.source.clone(), OPEN).await;
    let send = async |path: &str, body: &str, token: &str, more: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let headers = [&[("authorization", bearer.as_str())], more].concat();
        gate.send(path, body.to_owned(), &headers).await
    };
    let begun = async |claims: Value| {
        let (status, _, body) = send(
            DELEGATIONS,
            r#"{"to": "child", "minutes": 600}"#,
            &known.token(&claims),
            &[],
        )
        .await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let answer = begun(json!({"scope": "chat", "jti": "token-1"})).await;
    // It ends when the token does, whatever was asked for.
    assert!(answer["until"].as_u64().unwrap() <= (seconds() + 61) * 1_000_000);
    let child = answer["delegation"].as_str().unwrap();
    assert_eq!(send(CHAT, ASK, child, &[]).await.0, 200);
    let lacking = begun(json!({"scope": "mail"})).await;
    let (status, _, body) = send(CHAT, ASK, lacking["delegation"].as_str().unwrap(), &[]).await;
    assert_eq!((status.as_u16(), code(&body).as_str()), (403, "identity.scope"));
    // Nobody begins a chain on a chain.
    assert_eq!(send(DELEGATIONS, r#"{"to": "child"}"#, child, &[]).await.0, 403);

    let shared = gate.running.shared();
    for (number, what) in ["credential:token-1", "tenant:https://issuer.example", "agent:app"]
        .iter()
        .enumerate()
    {
        let one = revocation(what, number as u128);
        let id = one.id;
        shared.revoked.add(&shared.state, one).unwrap();
        let (_, _, body) = send(CHAT, ASK, child, &[]).await;
        assert_eq!(code(&body), "revoked", "{what}");
        shared.revoked.lift(&shared.state, id).unwrap().unwrap();
        assert_eq!(send(CHAT, ASK, child, &[]).await.0, 200, "{what}");
    }
    let records = gate.records().await;
    let chained = records
        .iter()
        .filter_map(|stored| stored.record.as_ref()?.principal.as_ref())
        .find(|principal| principal.method == AuthMethod::Delegated)
        .unwrap();
    assert_eq!(chained.root, Some(AuthMethod::Jwt));
    assert_eq!(chained.issuer.as_str(), "https://issuer.example");
}

#[tokio::test]
async fn a_token_bound_to_a_key_is_not_handed_on() {
    let (known, client) = (Known::new(), Signing::new());
    let (gate, _provider) = started(|_| {}, known.source.clone(), OPEN).await;
    let token = known.token(&json!({"cnf": {"jkt": client.thumbprint()}}));
    let proof = client.token(
        &json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": client.jwk}),
        &json!({
            "htm": "POST", "htu": format!("http://{}/v1/delegations", gate.address()), "iat": seconds(), "jti": "1",
            "ath": B64.encode(digest::digest(&digest::SHA256, token.as_bytes())),
        }),
    );
    let bound = format!("DPoP {token}");
    let headers = [("authorization", bound.as_str()), ("dpop", &proof)];
    let (status, _, body) = gate.send("/v1/delegations", r#"{"to": "child"}"#, &headers).await;
    assert_eq!((status.as_u16(), code(&body).as_str()), (403, "policy.denied"));
}

#[tokio::test]
async fn a_scope_adds_nothing_to_what_policy_denies() {
    let known = Known::new();
    let rules = scopes(&[("chat", "Model::openai/*")]);
    let policy = "forbid (principal, action, resource);";
    let (gate, _provider) = started(|config| config.scopes = rules, known.source.clone(), policy).await;
    for scope in ["chat", "other"] {
        let bearer = format!("Bearer {}", known.token(&json!({"scope": scope})));
        let (status, headers, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (403, "policy.denied"));
        // More scopes would not help, so nobody is sent to get them.
        assert!(!headers.contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn a_proof_has_to_have_the_nonce_that_was_given() {
    let (known, client) = (Known::new(), Signing::new());
    let (gate, provider) = started(
        |config| config.listen.dpop_nonces = true,
        known.source.clone(),
        OPEN,
    )
    .await;
    let token = known.token(&json!({"cnf": {"jkt": client.thumbprint()}}));
    let proof = |jti: &str, nonce: Option<&str>| {
        let mut claims = json!({
            "htm": "POST", "htu": format!("http://{}{CHAT}", gate.address()), "iat": seconds(), "jti": jti,
            "ath": B64.encode(digest::digest(&digest::SHA256, token.as_bytes())),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        client.token(
            &json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": client.jwk}),
            &claims,
        )
    };
    let bound = format!("DPoP {token}");
    let send = |proof: String| {
        let (gate, bound) = (&gate, &bound);
        async move {
            gate.send(CHAT, ASK, &[("authorization", bound), ("dpop", &proof)])
                .await
        }
    };
    let nonce = |headers: &HeaderMap| headers["dpop-nonce"].to_str().unwrap().to_owned();
    let challenged = |headers: &HeaderMap| {
        let mut all = headers.get_all("www-authenticate").iter();
        all.any(|one| one.to_str().unwrap().starts_with("DPoP error=\"use_dpop_nonce\""))
    };
    let (status, headers, body) = send(proof("1", None)).await;
    assert_eq!(
        (status.as_u16(), code(&body).as_str()),
        (401, "identity.proof_nonce")
    );
    assert!(challenged(&headers), "{headers:?}");
    let given = nonce(&headers);
    let (status, _, body) = send(proof("2", Some("made-up"))).await;
    assert_eq!(
        (status.as_u16(), code(&body).as_str()),
        (401, "identity.proof_nonce")
    );
    assert_eq!(provider.count(), 0);
    let (status, headers, _) = send(proof("3", Some(&given))).await;
    assert_eq!(status, 200);
    // The next one comes with the answer; one that holds is used again, with another proof.
    let (status, _, _) = send(proof("4", Some(&nonce(&headers)))).await;
    assert_eq!(status, 200);
    let (status, _, body) = send(proof("4", Some(&nonce(&headers)))).await;
    assert_eq!(
        (status.as_u16(), code(&body).as_str()),
        (401, "identity.proof_replayed")
    );
}

/// An issuer on this machine that says this of itself, and where its keys are.
async fn issuer(
    metadata: impl Fn(&str) -> Value + Send + Sync + 'static,
    signing: &Signing,
) -> (String, Upstreamed) {
    let keys = json!({"keys": [signing.jwk]}).to_string();
    let own = Arc::new(Mutex::new(String::new()));
    let known = Arc::clone(&own);
    let up = Upstreamed::answering(move |seen| {
        let own = known.lock().unwrap().clone();
        let json = |text: String| Answer::Whole(200, "application/json", text.into_bytes());
        match seen.path.as_str() {
            "/tenant/.well-known/openid-configuration" => json(metadata(&own).to_string()),
            "/keys" => json(keys.clone()),
            "/moved" => Answer::Dressed(302, vec![("location", format!("{own}/../keys"))], Vec::new()),
            _ => Answer::Whole(404, "text/plain", Vec::new()),
        }
    })
    .await;
    let name = format!("http://{}/tenant", up.address);
    own.lock().unwrap().clone_from(&name);
    (name, up)
}

#[tokio::test]
async fn an_issuers_keys_are_where_its_own_metadata_says_and_nowhere_else() {
    fn at(own: &str, path: &str) -> String {
        own.replace("/tenant", path)
    }
    type Metadata = fn(&str) -> Value;
    let cases: [(&str, Metadata, bool); 7] = [
        (
            "its own",
            |own| json!({"issuer": own, "jwks_uri": at(own, "/keys")}),
            true,
        ),
        (
            "another issuer",
            |own| json!({"issuer": format!("{own}/"), "jwks_uri": at(own, "/keys")}),
            false,
        ),
        ("no issuer", |own| json!({"jwks_uri": at(own, "/keys")}), false),
        ("no keys", |own| json!({"issuer": own}), false),
        (
            "plain http elsewhere",
            |own| json!({"issuer": own, "jwks_uri": "http://keys.example/keys"}),
            false,
        ),
        // Another name of this very machine: not the issuer's host, so it must be public, and it is not.
        (
            "inside",
            |own| json!({"issuer": own, "jwks_uri": at(own, "/keys").replace("127.0.0.1", "localhost")}),
            false,
        ),
        (
            "a redirect",
            |own| json!({"issuer": own, "jwks_uri": at(own, "/moved")}),
            false,
        ),
    ];
    for (what, metadata, passes) in cases {
        let signing = Signing::new();
        let (name, up) = issuer(metadata, &signing).await;
        let source = IssuerSource::new(
            IssuerConfig::new(Issuer::new(&name).unwrap(), vec!["us".to_owned()]),
            KeysAt::Discovered,
        );
        let (gate, _provider) = started(|_| (), source, OPEN).await;
        let claims = json!({"iss": name, "aud": "us", "sub": "app", "exp": seconds() + 60});
        let bearer = format!("Bearer {}", signing.token(&json!({"alg": "ES256"}), &claims));
        // Keys are fetched beside serving: wait until it is through with this issuer.
        let mut last = (0, String::new());
        for _ in 0..100 {
            let (status, _, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
            last = (
                status.as_u16(),
                if status == 200 { String::new() } else { code(&body) },
            );
            if status == 200 || (up.count() > 0 && !passes) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if passes {
            assert_eq!(last, (200, String::new()), "{what}");
            continue;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (status, _, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
        assert_eq!(
            (status.as_u16(), code(&body).as_str()),
            (503, "identity.key_set_unavailable"),
            "{what}"
        );
        let fetched = up
            .seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| seen.path == "/keys")
            .count();
        assert_eq!(fetched, 0, "{what}");
    }
}
