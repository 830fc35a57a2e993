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

use aws_lc_rs::digest;
use bartizan_gateway::{
    admin::Body as Told,
    config::{Config, Egress},
};
use bartizan_types::{Action, FindingKind, Record, RecordKind, RulingWord};
use bartizan_wire::{
    site::SitePattern,
    websocket::{self, Reader, Said, Side},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
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
        let mut tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
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
                        let is_grpc = request.headers().get("te").is_some_and(|te| te == "trailers");
                        let answering = there(Arc::clone(&log), request);
                        async move {
                            let mut answer = answering.await?;
                            if !is_grpc {
                                return Ok::<_, Infallible>(answer.map(|body| body.boxed_unsync()));
                            }
                            let kind = "application/grpc".parse().unwrap();
                            answer.headers_mut().insert("content-type", kind);
                            let mut status = http::HeaderMap::new();
                            status.insert("grpc-status", "0".parse().unwrap());
                            let trailers = async move { Some(Ok(status)) };
                            Ok(answer.map(|body| body.with_trailers(trailers).boxed_unsync()))
                        }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(stream), service)
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

/// What the site answers: a WebSocket that says everything back, or a text.
async fn there(
    log: Arc<Mutex<Vec<String>>>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key("upgrade") {
        let key = request.headers()["sec-websocket-key"].clone();
        assert!(request.headers().get("sec-websocket-extensions").is_none());
        let upgrade = hyper::upgrade::on(&mut request);
        log.lock().unwrap().push(format!("WEBSOCKET {}", request.uri()));
        tokio::spawn(says_back(log, upgrade));
        let accept = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            &[key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat(),
        );
        return Ok(Response::builder()
            .status(101)
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-accept", STANDARD.encode(accept))
            .body(Full::default())
            .unwrap());
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let host = head
        .headers
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    let host = host.unwrap_or_else(|| head.uri.authority().unwrap().to_string());
    let path = head.uri.path_and_query().unwrap();
    log.lock()
        .unwrap()
        .push(format!("{} {host} {path} {text}", head.method));
    Ok(Response::builder()
        .header("content-type", "text/plain")
        .header("x-version", format!("{:?}", head.version))
        .body(Full::new(Bytes::from("what is there")))
        .unwrap())
}

async fn says_back(log: Arc<Mutex<Vec<String>>>, upgrade: OnUpgrade) {
    let mut stream = TokioIo::new(upgrade.await.unwrap());
    let mut reader = Reader::new(Side::Client, 1 << 20);
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        if count == 0 {
            return log.lock().unwrap().push("gone".to_owned());
        }
        reader.push(&chunk[..count]);
        while let Some(said) = reader.read().unwrap() {
            log.lock().unwrap().push(format!("{said:?}"));
            stream.write_all(&websocket::frame(&said, None)).await.unwrap();
        }
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

    /// A tunnel to the site, and TLS in it with this name, for HTTP/1.1.
    async fn tunnel(
        &self,
        root: &CertificateDer<'static>,
        name: &str,
    ) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = self.line(root, name, "http/1.1").await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Ok(sender)
    }

    /// The same for a protocol of this name.
    async fn line(
        &self,
        root: &CertificateDer<'static>,
        name: &str,
        protocol: &str,
    ) -> Result<Inside, String> {
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
        let mut tls = ClientConfig::builder()
            .with_root_certificates(store)
            .with_no_client_auth();
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
        let stream = stream.map_err(|fault| fault.to_string())?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        Ok(stream)
    }

    /// A WebSocket to the site; what was answered instead where there is none.
    async fn socket(&self, path: &str) -> Result<Socket, String> {
        let root = self.root().await.unwrap();
        let mut stream = self.line(&root, "localhost", "http/1.1").await?;
        let asked = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-extensions: permessage-deflate\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.far.site()
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\n") {
            said.push(stream.read_u8().await.map_err(|fault| fault.to_string())?);
        }
        let said = String::from_utf8(said).unwrap();
        if !said.starts_with("HTTP/1.1 101") {
            return Err(said);
        }
        assert!(said.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{said}");
        assert!(!said.contains("deflate"), "{said}");
        Ok(Socket {
            stream,
            reader: Reader::new(Side::Server, 1 << 20),
        })
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

type Inside = tokio_rustls::client::TlsStream<TcpStream>;

/// A WebSocket, as an agent has it.
struct Socket {
    stream: Inside,
    reader: Reader,
}

impl Socket {
    async fn say(&mut self, said: &Said) {
        let bytes = websocket::frame(said, Some([1, 2, 3, 4]));
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Said> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(said) = self.reader.read().unwrap() {
                return Some(said);
            }
            let reading = tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut chunk));
            let count = reading.await.expect("something is said").unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.reader.push(&chunk[..count]);
        }
    }
}

fn text(text: &str) -> Said {
    Said::Text(text.to_owned())
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
    // Another spelling of a path is the same path, and one that servers read in two ways is none.
    for path in ["//admin/keys", "/%61dmin/keys"] {
        let (status, body) = ask(&mut sender, "GET", path, &site, "").await;
        assert!(status == 403 && body.contains("policy.denied"), "{path}: {body}");
    }
    for path in [
        "/zen/../admin/keys",
        "/zen/%2e%2E/admin/keys",
        "/zen/..;/admin/keys",
        "/zen%2f..%2fadmin",
    ] {
        let (status, body) = ask(&mut sender, "GET", path, &site, "").await;
        assert!(status == 400 && body.contains("egress.target"), "{path}: {body}");
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
    assert_eq!(words.iter().filter(|word| **word == RulingWord::Deny).count(), 5);
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

#[tokio::test]
async fn http_2_in_a_tunnel_is_ruled_on_request_by_request() {
    let world = World::start(&format!("{OPEN}\n{RULES}"), |_, _| {}).await;
    let root = world.root().await.unwrap();
    let stream = world.line(&root, "localhost", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let site = world.far.site();
    let mut ask = async |method: &str, to: &str| {
        let request = Request::builder()
            .method(method)
            .uri(to)
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(Full::new(Bytes::from("x")))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let version = answer.headers().get("x-version").cloned();
        (answer.status().as_u16(), version)
    };
    // The site speaks it, too.
    let (status, version) = ask("GET", &format!("https://{site}/page?a=b")).await;
    assert_eq!((status, version.unwrap().to_str().unwrap()), (200, "HTTP/2.0"));
    assert_eq!(ask("POST", &format!("https://{site}/page")).await.0, 403);
    assert_eq!(ask("GET", &format!("https://{site}/admin/users")).await.0, 403);
    assert_eq!(ask("GET", "https://other.example/page").await.0, 403);
    assert_eq!(world.far.seen(), [format!("GET {site} /page?a=b x")]);
}

#[tokio::test]
async fn a_websocket_is_ruled_on_message_by_message() {
    let rules = r#"
@id("test.secret") @reason("nobody says that")
forbid (principal, action == Bartizan::Action::"fetch_web", resource)
when {
  context.args.hasTag("upgrade") && context.args.getTag("upgrade") == "websocket" &&
  context.args.hasTag("method") && context.args.getTag("method") == "CONNECT" &&
  context.args.hasTag("body") && context.args.getTag("body") like "*the plan*"
};
"#;
    let world = World::start(&format!("{OPEN}\n{rules}"), |_, _| {}).await;
    let mut socket = world.socket("/chat?room=1").await.unwrap();
    let binary = || Said::Binary(vec![0xff, 0xfe]);
    for said in [text("hello"), binary(), binary(), text("")] {
        socket.say(&said).await;
        assert_eq!(socket.hear().await, Some(said));
    }
    // Signs of life are answered here, and are nobody's words.
    socket.say(&Said::Ping(b"secret".to_vec())).await;
    assert_eq!(socket.hear().await, Some(Said::Pong));
    socket.say(&text("this is the plan")).await;
    assert_eq!(socket.hear().await, Some(Said::Close(Some(1008))));
    assert_eq!(socket.hear().await, None);
    let seen = world.far.seen();
    assert_eq!(seen[0], "WEBSOCKET /chat?room=1");
    assert!(
        !seen
            .iter()
            .any(|one| one.contains("plan") || one.contains("Ping")),
        "{seen:?}"
    );

    let rulings = world.rulings().await;
    let fetches: Vec<&Record> = rulings
        .iter()
        .filter(|record| {
            record
                .facts
                .as_ref()
                .is_some_and(|facts| facts.action == Action::FetchWeb)
        })
        .collect();
    let words: Vec<RulingWord> = fetches.iter().filter_map(|record| record.ruling).collect();
    let mut expected = vec![RulingWord::Allow; 5];
    expected.push(RulingWord::Deny);
    assert_eq!(words, expected);
    let texts = |at: usize| {
        fetches[at]
            .facts
            .as_ref()
            .unwrap()
            .arguments
            .clone()
            .unwrap()
            .texts
    };
    assert_eq!(texts(0)["method"], "CONNECT");
    assert_eq!(texts(0)["upgrade"], "websocket");
    assert_eq!(texts(1)["body"], "hello");
    // What is no text is not there to be ruled on, and the facts say so.
    assert!(
        !fetches[2]
            .facts
            .as_ref()
            .unwrap()
            .arguments
            .as_ref()
            .unwrap()
            .complete
    );
    // And that nobody looked into it: what was sent each time, what came once.
    let unread = |record: &Record| {
        let seen = record.findings.iter();
        seen.filter(|one| one.kind == FindingKind::Unseen && one.pointer == "/body")
            .count()
    };
    let sent: Vec<usize> = fetches.iter().map(|record| unread(record)).collect();
    assert_eq!(sent, [0, 0, 1, 1, 0, 0]);
    for _ in 0..200 {
        let all = world.gate.records().await.into_iter();
        let closed = all
            .filter_map(|stored| stored.record)
            .filter(|record| record.kind == RecordKind::Closing);
        let came: Vec<usize> = closed
            .map(|record| unread(&record))
            .filter(|count| *count > 0)
            .collect();
        if !came.is_empty() {
            assert_eq!(came, [1]);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody told that what came was unread");
}

#[tokio::test]
async fn a_rule_that_lets_an_agent_read_opens_no_websocket() {
    let world = World::start(&format!("{OPEN}\n{RULES}"), |_, _| {}).await;
    let said = world.socket("/chat").await.err().unwrap();
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    assert!(world.far.seen().is_empty());
}

#[tokio::test]
async fn a_websocket_ends_when_its_site_is_revoked_or_its_bytes_are_spent() {
    let world = World::start(OPEN, |egress, _| egress.tunnel_bytes = 5000).await;
    let mut socket = world.socket("/chat").await.unwrap();
    socket.say(&text("hello")).await;
    assert_eq!(socket.hear().await, Some(text("hello")));
    let desk = world.gate.desk();
    let what = format!(r#"{{"what":"site:{}"}}"#, world.far.site());
    let began = std::time::Instant::now();
    let reply = desk.handle(&Method::POST, "/v1/revocations", what.as_bytes(), "test");
    let Told::Json(answer) = reply.await.body else {
        panic!("text")
    };
    assert_eq!(socket.hear().await, Some(Said::Close(Some(1008))));
    assert_eq!(socket.hear().await, None);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(world.socket("/chat").await.is_err());
    let path = format!("/v1/revocations/{}", answer["id"].as_str().unwrap());
    desk.handle(&Method::DELETE, &path, b"", "test").await;

    let mut socket = world.socket("/chat").await.unwrap();
    socket.say(&text(&"x".repeat(6000))).await;
    assert_eq!(socket.hear().await, Some(Said::Close(Some(1008))));
    assert!(!world.far.seen().iter().any(|one| one.contains("xxx")));
}

#[tokio::test]
async fn frames_that_nobody_may_send_end_a_websocket_unseen() {
    let world = World::start(OPEN, |_, _| {}).await;
    for bytes in [
        &websocket::frame(&text("unmasked"), None)[..],
        &[0xc1, 0x80, 0, 0, 0, 0],
        &[0x81, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0],
    ] {
        let mut socket = world.socket("/chat").await.unwrap();
        socket.stream.write_all(bytes).await.unwrap();
        assert_eq!(socket.hear().await, Some(Said::Close(Some(1008))), "{bytes:x?}");
    }
    assert!(
        world
            .far
            .seen()
            .iter()
            .all(|one| one.starts_with("WEBSOCKET") || one == "gone" || one.starts_with("Close"))
    );
}

/// What was opened with a key does not outlive it: not the tunnel, not a WebSocket in one, not a request on its way.
#[tokio::test]
async fn an_ended_key_ends_what_was_opened_with_it() {
    let world = World::start(OPEN, |_, _| {}).await;
    let (root, site) = (world.root().await.unwrap(), world.far.site());
    let mut sender = world.tunnel(&root, "localhost").await.unwrap();
    assert_eq!(ask(&mut sender, "GET", "/zen", &site, "").await.0, 200);
    let mut socket = world.socket("/talk").await.unwrap();
    let reply = world
        .gate
        .desk()
        .handle(&Method::DELETE, "/v1/agents/tester", b"", "test")
        .await;
    assert_eq!(reply.status, 200);
    while let Some(said) = socket.hear().await {
        assert!(matches!(said, Said::Close(..)), "{said:?}");
    }
    let request = Request::builder()
        .uri("/zen")
        .header("host", &site)
        .body(Full::new(Bytes::new()))
        .unwrap();
    let refused = match sender.ready().await {
        Ok(()) => match sender.send_request(request).await {
            Ok(response) => response.status() != 200,
            Err(_) => true,
        },
        Err(_) => true,
    };
    assert!(refused);
    let asked = world
        .far
        .seen()
        .into_iter()
        .filter(|said| said.starts_with("GET"));
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn how_a_grpc_call_ended_stands_behind_its_answer() {
    let world = World::start(OPEN, |_, _| {}).await;
    let root = world.root().await.unwrap();
    let stream = world.line(&root, "localhost", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method("POST")
        .uri(format!("https://{}/pack.Service/Call", world.far.site()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from("\0\0\0\0\x01x")))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let whole = answer.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(whole.to_bytes(), "what is there");
}
