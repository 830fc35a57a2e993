//! Workload identity through a real gateway: client certificates, delegations, tokens bound to a key, and what an MCP
//! client is told when it has none.

#[expect(dead_code, reason = "the MCP tests use more of it")]
mod support;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use bartizan_gateway::{
    Config, IssuerSource, KeysAt,
    authority::Authority,
    config::{ClientCertificates, Family, TlsKey, TlsListen},
};
use bartizan_identity::{DelegationKey, IssuerConfig, TrustDomain, narrow};
use bartizan_store::Purpose;
use bartizan_types::{AgentId, AuthMethod, Bounds, Issuer, RecordKind, Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use support::{Answer, Gated, OPEN, Upstreamed, config, signing::Signing, upstream};
use tokio_rustls::TlsConnector;

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"h"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;

fn answers(count: usize) -> Vec<Answer> {
    (0..count)
        .map(|_| Answer::Whole(200, "application/json", SAID.as_bytes().to_vec()))
        .collect()
}

async fn started(
    clients: Option<(TlsKey, ClientCertificates)>,
    issuers: Vec<IssuerSource>,
) -> (Gated, Upstreamed) {
    let provider = Upstreamed::start(answers(8)).await;
    let mut config: Config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    config.listen.tls = clients.map(|(key, clients)| TlsListen { key, clients });
    let gate = Gated::start_whole(config, None, OPEN, None, issuers).await;
    (gate, provider)
}

fn authority(gate: &Gated) -> Authority {
    let seed = gate.keyring.derive(Purpose::Authority).unwrap();
    Authority::new(TrustDomain::default(), &seed)
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_unix_micros(u64::try_from(since.as_micros()).unwrap())
}

type Own = Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>;

/// A connection that trusts these roots and shows this certificate.
async fn connect(
    gate: &Gated,
    roots: &[CertificateDer<'static>],
    own: Own,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let builder = ClientConfig::builder().with_root_certificates(store);
    let tls = match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let stream = tokio::net::TcpStream::connect(gate.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .map_err(|fault| fault.to_string())?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|fault| fault.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(gate: &Gated, sender: &mut SendRequest<Full<Bytes>>) -> Result<(StatusCode, String), String> {
    let (status, body) = ask_with(gate, sender, CHAT, ASK.to_owned(), None).await?;
    Ok((status, code(&body)))
}

async fn ask_with(
    gate: &Gated,
    sender: &mut SendRequest<Full<Bytes>>,
    path: &str,
    body: String,
    token: Option<&str>,
) -> Result<(StatusCode, Bytes), String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", format!("localhost:{}", gate.address().port()))
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let said = |fault: hyper::Error| fault.to_string();
    sender.ready().await.map_err(said)?;
    let response = sender.send_request(request).await.map_err(said)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(said)?.to_bytes();
    Ok((status, body))
}

fn code(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap();
    value["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_certificate_of_ours_names_its_agent_until_its_root_goes() {
    let tls = (TlsKey::Issued, ClientCertificates::Optional);
    let (gate, _provider) = started(Some(tls), Vec::new()).await;
    let (authority, state) = (authority(&gate), Arc::clone(&gate.running.shared().state));
    let bundle = authority.bundle(&state, now()).unwrap();
    let agent = AgentId::new("worker").unwrap();
    let issued = authority.issue(&state, &agent, 1, now()).unwrap();
    let own = || Some((issued.chain.clone(), issued.private_key()));
    let mut sender = connect(&gate, &bundle, own()).await.unwrap();
    assert_eq!(ask(&gate, &mut sender).await.unwrap().0, 200);
    let records = gate.records().await;
    let ruling = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .find(|record| record.kind == RecordKind::Ruling)
        .unwrap();
    let principal = ruling.principal.as_ref().unwrap();
    assert_eq!(principal.agent.as_str(), "worker");
    assert_eq!(principal.method, AuthMethod::Certificate);
    assert_eq!(principal.issuer.as_str(), "spiffe://bartizan.internal");

    // Nothing shown, and a stranger's.
    let mut bare = connect(&gate, &bundle, None).await.unwrap();
    let refused = ask(&gate, &mut bare).await.unwrap();
    assert_eq!(
        (refused.0.as_u16(), refused.1.as_str()),
        (401, "identity.credential_missing")
    );
    let other = Authority::new(TrustDomain::default(), &Secret::new([5; 32]));
    let elsewhere = bartizan_store::State::open(
        &bartizan_store::StateDir::open(&tempfile::tempdir().unwrap().path().join("s")).unwrap(),
    )
    .unwrap();
    let forged = other.issue(&elsewhere, &agent, 1, now()).unwrap();
    let shown = Some((forged.chain.clone(), forged.private_key()));
    let mut stranger = connect(&gate, &bundle, shown).await.unwrap();
    let refused = ask(&gate, &mut stranger).await.unwrap();
    assert_eq!(refused.1, "identity.certificate_untrusted");

    // A rotation with overlap leaves it in force; one at once ends it on the next call of the same connection.
    authority.rotate(&state, now(), false).unwrap();
    gate.running.shared().reload_registry().unwrap();
    assert_eq!(authority.bundle(&state, now()).unwrap().len(), 2);
    assert_eq!(ask(&gate, &mut sender).await.unwrap().0, 200);
    authority.rotate(&state, now(), true).unwrap();
    gate.running.shared().reload_registry().unwrap();
    assert_eq!(authority.bundle(&state, now()).unwrap().len(), 1);
    let refused = ask(&gate, &mut sender).await.unwrap();
    assert_eq!(refused.1, "identity.certificate_untrusted");
    // What the new root signs is good at once.
    let again = authority.issue(&state, &agent, 1, now()).unwrap();
    let shown = Some((again.chain.clone(), again.private_key()));
    let newest = authority.bundle(&state, now()).unwrap();
    let both = [bundle, newest.clone()].concat();
    let mut sender = connect(&gate, &both, shown).await.unwrap();
    assert_eq!(ask(&gate, &mut sender).await.unwrap().0, 200);
    // Within seconds the listener itself shows what who trusts the new root alone believes.
    for _ in 0..60 {
        if connect(&gate, &newest, None).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the listener shows a certificate of a root that ended");
}

/// Who came with a certificate hands on what only somebody with a certificate can use.
#[tokio::test]
async fn what_hangs_on_a_certificate_is_used_with_one() {
    let tls = (TlsKey::Issued, ClientCertificates::Optional);
    let (gate, _provider) = started(Some(tls), Vec::new()).await;
    let (authority, state) = (authority(&gate), Arc::clone(&gate.running.shared().state));
    let bundle = authority.bundle(&state, now()).unwrap();
    let shown = |agent: &str| {
        let issued = authority
            .issue(&state, &AgentId::new(agent).unwrap(), 1, now())
            .unwrap();
        Some((issued.chain.clone(), issued.private_key()))
    };
    let mut parent = connect(&gate, &bundle, shown("worker")).await.unwrap();
    let wanted = json!({"to": "helper", "bounds": {"on": ["Model::openai/*"]}}).to_string();
    let (status, body) = ask_with(&gate, &mut parent, "/v1/delegations", wanted, None)
        .await
        .unwrap();
    assert_eq!(status, 200, "{body:?}");
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let child = answer["delegation"].as_str().unwrap();
    let mut outcome = Vec::new();
    for own in [None, shown("stranger"), shown("helper"), shown("worker")] {
        let mut sender = connect(&gate, &bundle, own).await.unwrap();
        let (status, body) = ask_with(&gate, &mut sender, CHAT, ASK.to_owned(), Some(child))
            .await
            .unwrap();
        let refused = if status == 200 { String::new() } else { code(&body) };
        outcome.push((status.as_u16(), refused));
    }
    let refused = || (401, "identity.token_binding".to_owned());
    assert_eq!(
        outcome,
        [refused(), refused(), (200, String::new()), (200, String::new())]
    );
}

#[tokio::test]
async fn where_certificates_are_required_nobody_comes_without() {
    let tls = (TlsKey::Issued, ClientCertificates::Required);
    let (gate, provider) = started(Some(tls), Vec::new()).await;
    let state = Arc::clone(&gate.running.shared().state);
    let bundle = authority(&gate).bundle(&state, now()).unwrap();
    // TLS 1.3 tells the client with the first thing that it reads.
    let outcome = match connect(&gate, &bundle, None).await {
        Ok(mut sender) => ask(&gate, &mut sender).await.map(|_| ()),
        Err(fault) => Err(fault),
    };
    assert!(outcome.is_err());
    assert!(provider.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_changed_certificate_is_served_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let mut roots = Vec::new();
    let mut put = || {
        let made = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let der = params.self_signed(&made).unwrap().der().clone();
        let pem = bartizan_gateway::authority::pem;
        std::fs::write(&key, pem("PRIVATE KEY", made.serialized_der())).unwrap();
        std::fs::write(&chain, pem("CERTIFICATE", &der)).unwrap();
        roots.push(der);
        roots.clone()
    };
    let first = put();
    let files = TlsKey::Files {
        certificates: chain.clone(),
        key: key.clone(),
    };
    let (gate, _provider) = started(Some((files, ClientCertificates::None)), Vec::new()).await;
    assert!(connect(&gate, &first, None).await.is_ok());
    let both = put();
    for _ in 0..120 {
        if connect(&gate, &both[1..], None).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the old certificate is still served");
}

#[tokio::test]
async fn an_agent_hands_on_less_and_its_child_less_again() {
    let (gate, provider) = started(None, Vec::new()).await;
    let wanted = json!({"to": "child", "bounds": {"on": ["Model::openai/*"]}, "minutes": 5});
    let (status, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
    assert_eq!(status, 200, "{body:?}");
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let first = answer["delegation"].as_str().unwrap().to_owned();
    let send = |text: String| {
        let gate = &gate;
        async move {
            let bearer = format!("Bearer {text}");
            gate.send(CHAT, ASK, &[("authorization", &bearer)]).await
        }
    };
    assert_eq!(send(first.clone()).await.0, 200);
    let next = DelegationKey::new(Secret::new([3; 32])).unwrap();
    let bounds: Bounds = serde_json::from_value(json!({"on": ["Tool::mail/*"]})).unwrap();
    let narrower = narrow(&first, "grandchild", bounds, &next).unwrap();
    let seen = provider.seen.lock().unwrap().len();
    let (status, _, body) = send(narrower.expose().clone()).await;
    assert_eq!(
        (status.as_u16(), code(&body).as_str()),
        (403, "policy.delegation")
    );
    assert_eq!(provider.seen.lock().unwrap().len(), seen);
    // Nobody begins a chain on a chain.
    let bearer = format!("Bearer {first}");
    let again = gate
        .send(
            "/v1/delegations",
            wanted.to_string(),
            &[("authorization", &bearer)],
        )
        .await;
    assert_eq!(again.0, 403);
    let records = gate.records().await;
    let refused = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .find(|record| {
            record
                .code
                .is_some_and(|code| code.as_str() == "policy.delegation")
        })
        .unwrap();
    let chain: Vec<_> = refused.principal.iter().flat_map(|one| &one.act).collect();
    assert_eq!(
        chain.iter().map(|one| one.sub.as_str()).collect::<Vec<_>>(),
        ["grandchild", "child"]
    );
}

#[tokio::test]
async fn a_wrong_request_for_a_delegation_is_told_its_field_and_limit() {
    let (gate, _provider) = started(None, Vec::new()).await;
    for (wanted, expected) in [
        (json!({"to": "child", "minutes": 43_201}), "43200 minutes"),
        (json!({"to": "child", "minutes": 0}), "43200 minutes"),
        (json!({"to": "child", "minutes": -1}), "`minutes`"),
        (json!({"to": "", "minutes": 1}), "`to`"),
        (
            json!({"to": "child", "bounds": {"budget": {"wishes": 1}}}),
            "`bounds.budget`",
        ),
    ] {
        let (status, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
        let said = String::from_utf8_lossy(&body);
        assert_eq!(status, 400, "{wanted}: {said}");
        assert!(said.contains(expected), "{wanted}: {said}");
    }
}

#[tokio::test]
async fn who_acts_for_itself_again_and_again_reaches_no_model() {
    let (gate, provider) = started(None, Vec::new()).await;
    let wanted = json!({"to": "loop", "minutes": 5});
    let (_, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let mut text = answer["delegation"].as_str().unwrap().to_owned();
    for (number, expected) in [(4, 200), (5, 403)] {
        let next = DelegationKey::new(Secret::new([number; 32])).unwrap();
        let narrower = narrow(&text, "loop", Bounds::default(), &next).unwrap();
        narrower.expose().clone_into(&mut text);
        let before = provider.seen.lock().unwrap().len();
        let bearer = format!("Bearer {text}");
        let (status, _, body) = gate.send(CHAT, ASK, &[("authorization", &bearer)]).await;
        assert_eq!(status, expected, "{}", String::from_utf8_lossy(&body));
        let forwarded = provider.seen.lock().unwrap().len() > before;
        assert_eq!(forwarded, expected == 200);
        if expected != 200 {
            assert_eq!(code(&body), "limit.recursion");
        }
    }
}

#[tokio::test]
async fn a_token_bound_to_a_key_is_good_with_a_proof_once() {
    let folder = tempfile::tempdir().unwrap();
    let (issuer, client) = (Signing::new(), Signing::new());
    let keys = folder.path().join("jwks.json");
    std::fs::write(&keys, json!({"keys": [issuer.jwk]}).to_string()).unwrap();
    let name = "https://issuer.example";
    let source = IssuerSource::new(
        IssuerConfig::new(Issuer::new(name).unwrap(), vec!["us".to_owned()]),
        KeysAt::File(keys),
    );
    let (gate, _provider) = started(None, vec![source]).await;
    let seconds = now().unix_seconds();
    let token = issuer.token(
        &json!({"alg": "ES256"}),
        &json!({"iss": name, "aud": "us", "sub": "app", "exp": seconds + 60, "cnf": {"jkt": client.thumbprint()}}),
    );
    let proof = |jti: &str| {
        client.token(
            &json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": client.jwk}),
            &json!({
                "htm": "POST", "htu": format!("http://{}{CHAT}", gate.address()), "iat": seconds, "jti": jti,
                "ath": B64.encode(digest::digest(&digest::SHA256, token.as_bytes())),
            }),
        )
    };
    let (bound, plain) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let first = proof("1");
    let sent = gate
        .send(CHAT, ASK, &[("authorization", &bound), ("dpop", &first)])
        .await;
    assert_eq!(sent.0, 200, "{:?}", sent.2);
    let cases = [
        (bound.as_str(), Some(first.clone()), "identity.proof_replayed"),
        (bound.as_str(), None, "identity.proof"),
        (plain.as_str(), Some(proof("2")), "identity.token_binding"),
    ];
    for (authorization, proof, expected) in cases {
        let mut headers = vec![("authorization", authorization)];
        headers.extend(proof.as_deref().map(|proof| ("dpop", proof)));
        let (status, headers, body) = gate.send(CHAT, ASK, &headers).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (401, expected));
        let challenges = headers.get_all("www-authenticate").iter();
        assert!(
            challenges
                .into_iter()
                .any(|one| one.as_bytes().starts_with(b"DPoP ")),
            "{expected}"
        );
    }
    let twice = [
        ("authorization", bound.as_str()),
        ("dpop", &first),
        ("dpop", &first),
    ];
    assert_eq!(code(&gate.send(CHAT, ASK, &twice).await.2), "identity.proof");

    // What an MCP client is told: where tokens come from.
    let (status, headers, _) = gate.send("/mcp", "{}", &[]).await;
    assert_eq!(status, 401);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    let place = format!(
        "http://{}/.well-known/oauth-protected-resource/mcp",
        gate.address()
    );
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{place}\""));
    let path = "/.well-known/oauth-protected-resource/mcp";
    let response = gate.request(Method::GET, path, "", &[]).await;
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["resource"], format!("http://{}/mcp", gate.address()));
    assert_eq!(told["authorization_servers"], json!([name]));
    let response = gate
        .request(Method::GET, "/.well-known/oauth-protected-resource/v1", "", &[])
        .await;
    assert_eq!(response.status(), 404);
}

/// What a child may spend, it was told; and its parent's number holds both.
#[tokio::test]
async fn a_child_spends_what_it_was_given_and_no_more() {
    let (gate, provider) = started(None, Vec::new()).await;
    let wanted = json!({"to": "child", "bounds": {"budget": {"calls": 2}}, "minutes": 5});
    let (_, _, body) = gate.post("/v1/delegations", wanted.to_string()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let first = answer["delegation"].as_str().unwrap().to_owned();
    let next = DelegationKey::new(Secret::new([3; 32])).unwrap();
    let more: Bounds = serde_json::from_value(json!({"budget": {"calls": 100}})).unwrap();
    let child = narrow(&first, "grandchild", more, &next)
        .unwrap()
        .expose()
        .clone();
    let send = |text: &str| {
        let (gate, bearer) = (&gate, format!("Bearer {text}"));
        async move { gate.send(CHAT, ASK, &[("authorization", &bearer)]).await }
    };
    assert_eq!(send(&child).await.0, 200);
    assert_eq!(send(&first).await.0, 200);
    for text in [&child, &first] {
        let (status, _, body) = send(text).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (429, "budget.exceeded"));
    }
    assert_eq!(provider.seen.lock().unwrap().len(), 2);
    // Its own key is bound by nothing of that.
    assert_eq!(gate.post(CHAT, ASK).await.0, 200);
    let lines = gate.running.shared().budgets.show(now()).1;
    let line = lines.iter().find(|line| line.limit == 2).unwrap();
    assert_eq!((line.budget.as_str(), line.used), ("delegation/calls", 2));
    assert_eq!(
        line.of,
        format!("agent=tester link={}", answer["credential"].as_str().unwrap())
    );
}
