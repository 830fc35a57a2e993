//! Tunnels that the operator has opened: rules on method and path hold inside `CONNECT`, what comes back is read, the site is
//! verified, and nothing of it happens where it is not configured.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bartizan_gateway::{
    admin::Body as Told,
    config::{Config, Egress},
};
use bartizan_types::{Action, Record, RecordKind, RulingWord};
use bartizan_wire::site::SitePattern;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use support::{Gated, OPEN, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A site with TLS and a root of its own, that remembers what reached it.
struct Far {
    address: SocketAddr,
    /// Its root, PEM.
    root: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Far {
    async fn start() -> Self {
        let mut above = CertificateParams::default();
        above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        above.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root_key = KeyPair::generate().unwrap();
        let root = above.self_signed(&root_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(above, &root_key)).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request: Request<Incoming>| {
                        let log = Arc::clone(&log);
                        async move {
                            let (head, body) = request.into_parts();
                            let body = body.collect().await.unwrap().to_bytes();
                            let text = String::from_utf8_lossy(&body).into_owned();
                            let host = head.headers["host"].to_str().unwrap().to_owned();
                            log.lock()
                                .unwrap()
                                .push(format!("{} {host} {} {text}", head.method, head.uri));
                            Ok::<_, Infallible>(
                                Response::builder()
                                    .header("content-type", "text/plain")
                                    .body(Full::new(Bytes::from("what is there")))
                                    .unwrap(),
                            )
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            root: bartizan_gateway::authority::pem("CERTIFICATE", root.der()),
            seen,
        }
    }

    fn site(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

struct World {
    gate: Gated,
    far: Far,
    _place: tempfile::TempDir,
}

impl World {
    async fn start(policy: &str, change: impl FnOnce(&mut Egress, &str)) -> Self {
        let far = Far::start().await;
        let place = tempfile::tempdir().unwrap();
        let roots = place.path().join("roots.pem");
        std::fs::write(&roots, &far.root).unwrap();
        let mut egress = Egress::at("127.0.0.1:0".parse().unwrap());
        let site = far.site();
        egress.inside = vec![SitePattern::parse(&site).unwrap()];
        egress.intercept = egress.inside.clone();
        egress.roots = Some(roots);
        change(&mut egress, &site);
        let mut config: Config = config(Vec::new());
        config.egress = Some(egress);
        config.limits.header_timeout = Duration::from_secs(2);
        let gate = Gated::start(config, policy).await;
        Self {
            gate,
            far,
            _place: place,
        }
    }

    /// The root that agents are given to trust.
    async fn root(&self) -> Option<CertificateDer<'static>> {
        let reply = self
            .gate
            .desk()
            .handle(&Method::GET, "/v1/egress/ca", b"", "test")
            .await;
        let Told::Json(answer) = reply.body else {
            panic!("text")
        };
        let pem = answer["certificate"].as_str()?;
        Some(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
    }

    /// A tunnel to the site, and TLS in it with this name.
    async fn tunnel(
        &self,
        root: &CertificateDer<'static>,
        name: &str,
    ) -> Result<SendRequest<Full<Bytes>>, String> {
        let site = self.far.site();
        let shown = STANDARD.encode(format!("agent:{}", self.gate.key));
        let web = self.gate.running.shared().web_address().unwrap();
        let mut stream = TcpStream::connect(web).await.unwrap();
        let asked =
            format!("CONNECT {site} HTTP/1.1\r\nHost: {site}\r\nProxy-Authorization: Basic {shown}\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\n") {
            said.push(stream.read_u8().await.map_err(|fault| fault.to_string())?);
        }
        let said = String::from_utf8(said).unwrap();
        if !said.starts_with("HTTP/1.1 200") {
            return Err(said);
        }
        let mut store = RootCertStore::empty();
        store.add(root.clone()).unwrap();
        let tls = ClientConfig::builder()
            .with_root_certificates(store)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
        let stream = stream.map_err(|fault| fault.to_string())?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn rulings(&self) -> Vec<Record> {
        let records = self.gate.records().await;
        records
            .into_iter()
            .filter_map(|stored| stored.record)
            .filter(|record| record.kind == RecordKind::Ruling && !record.answering)
            .collect()
    }
}

/// The status and the body of a request in a tunnel.
async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    host: &str,
    body: &str,
) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("content-type", "text/plain")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads alone, and nothing below `/admin`.
const RULES: &str = r#"
@id("test.reads") @reason("nothing is changed there")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
unless { context.args.hasTag("method") && ["GET", "HEAD"].contains(context.args.getTag("method")) };
@id("test.admin") @reason("admin pages are not for agents")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when { context.args.hasTag("path") && context.args.getTag("path") like "/admin*" };
"#;

#[tokio::test]
async fn rules_on_method_and_path_hold_inside_a_tunnel() {
    let world = World::start(&format!("{OPEN}{RULES}"), |_, _| {}).await;
    let (root, site) = (world.root().await.unwrap(), world.far.site());
    let mut sender = world.tunnel(&root, "localhost").await.unwrap();
    let (status, body) = ask(&mut sender, "GET", "/zen?a=b", &site, "").await;
    assert_eq!((status, body.as_str()), (200, "what is there"));
    for (method, path) in [("POST", "/zen"), ("GET", "/admin/keys"), ("DELETE", "/")] {
        let (status, body) = ask(&mut sender, method, path, &site, "x").await;
        assert_eq!(status, 403, "{method} {path}: {body}");
        assert!(body.contains("policy.denied"), "{body}");
    }
    // Another host behind the listed one is another site.
    let (_, body) = ask(&mut sender, "GET", "/zen", "evil.example", "").await;
    assert!(body.contains("wire.host"), "{body}");
    let (status, _) = ask(&mut sender, "GET", "/again", &site, "").await;
    assert_eq!(status, 200);
    assert_eq!(
        world.far.seen(),
        [format!("GET {site} /zen?a=b "), format!("GET {site} /again ")]
    );

    let rulings = world.rulings().await;
    let of = |action| {
        rulings
            .iter()
            .filter(move |record| record.facts.as_ref().is_some_and(|facts| facts.action == action))
    };
    assert_eq!(of(Action::OpenTunnel).count(), 1);
    let fetches: Vec<&Record> = of(Action::FetchWeb).collect();
    let words: Vec<RulingWord> = fetches.iter().filter_map(|record| record.ruling).collect();
    assert_eq!(words.iter().filter(|word| **word == RulingWord::Allow).count(), 2);
    assert_eq!(words.iter().filter(|word| **word == RulingWord::Deny).count(), 3);
    let facts = fetches[0].facts.as_ref().unwrap();
    assert_eq!(facts.resource.entity_id(), site);
    assert_eq!(facts.arguments.as_ref().unwrap().texts["method"], "GET");
}

#[tokio::test]
async fn the_name_in_the_hello_is_the_tunnels_or_there_is_no_handshake() {
    let world = World::start(OPEN, |_, _| {}).await;
    let root = world.root().await.unwrap();
    assert!(world.tunnel(&root, "other.example").await.is_err());
    assert!(world.tunnel(&root, "127.0.0.1").await.is_err());
    world.tunnel(&root, "localhost").await.unwrap();
    assert!(world.far.seen().is_empty());
}

#[tokio::test]
async fn a_site_that_is_not_verified_gets_nothing() {
    // By the built-in roots it is nobody.
    let world = World::start(OPEN, |egress, _| egress.roots = None).await;
    let root = world.root().await.unwrap();
    let mut sender = world.tunnel(&root, "localhost").await.unwrap();
    let site = world.far.site();
    let (status, body) = ask(&mut sender, "GET", "/", &site, "").await;
    assert_eq!(status, 502, "{body}");
    assert!(body.contains("upstream.unreachable"), "{body}");
    assert!(world.far.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_named_is_not_opened_and_without_names_there_is_no_root() {
    let world = World::start(OPEN, |egress, _| egress.intercept = Vec::new()).await;
    assert!(world.root().await.is_none());
    // The site's own certificate comes through, and what is asked there nobody sees.
    let own = CertificateDer::from_pem_slice(world.far.root.as_bytes()).unwrap();
    let mut sender = world.tunnel(&own, "localhost").await.unwrap();
    let site = world.far.site();
    assert_eq!(ask(&mut sender, "POST", "/admin", &site, "x").await.0, 200);
    let rulings = world.rulings().await;
    assert!(
        rulings
            .iter()
            .all(|record| record.facts.as_ref().unwrap().action != Action::FetchWeb)
    );
}

#[tokio::test]
async fn a_new_root_takes_the_old_ones_place_and_names_no_agent() {
    let world = World::start(OPEN, |_, _| {}).await;
    let old = world.root().await.unwrap();
    world.tunnel(&old, "localhost").await.unwrap();
    let reply = world
        .gate
        .desk()
        .handle(&Method::POST, "/v1/egress/ca", b"", "test")
        .await;
    let Told::Json(answer) = reply.body else {
        panic!("text")
    };
    assert_eq!(answer["number"], 2);
    let new = world.root().await.unwrap();
    assert_ne!(old, new);
    assert!(world.tunnel(&old, "localhost").await.is_err());
    world.tunnel(&new, "localhost").await.unwrap();
    // It is none of the roots that certify agents.
    let reply = world
        .gate
        .desk()
        .handle(&Method::GET, "/v1/identities", b"", "test")
        .await;
    let Told::Json(identities) = reply.body else {
        panic!("text")
    };
    let bundle = identities["bundle"].as_str().unwrap();
    assert!(!bundle.contains(answer["certificate"].as_str().unwrap()));
    let notes: Vec<Value> = world
        .gate
        .records()
        .await
        .into_iter()
        .filter_map(|stored| Some(stored.record?.note?.into()))
        .collect();
    assert!(
        notes
            .iter()
            .any(|note| note.as_str().unwrap().contains("web interception: root 1 made")),
        "{notes:?}"
    );
}
