//! The gateway's own SVID and others' roots from a SPIFFE Workload API: a stub on a unix socket that speaks its gRPC and its
//! protobuf, SVIDs and roots that rotate, a socket that goes, and updates that don't hold.

#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bartizan_gateway::{
    admin::Body as Said,
    config::{BundleAt, ClientCertificates, Family, Foreign, TlsKey, TlsListen, WorkloadApi},
};
use bartizan_identity::TrustDomain;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http1::SendRequest,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::Value;
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};
use tokio::{net::UnixListener, sync::watch, task::JoinHandle};
use tokio_rustls::TlsConnector;

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#;
const OWN: &str = "spiffe://example.org/bartizan/gateway";

// --- Certificates, as SPIRE makes them ---

struct Root {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

impl Root {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { params, key, der }
    }

    /// A leaf of this id, which ends in so many seconds.
    fn leaf(&self, id: &str, seconds: i64) -> Svid {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.subject_alt_names = vec![
            SanType::URI(id.try_into().unwrap()),
            SanType::DnsName("localhost".try_into().unwrap()),
        ];
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::minutes(1);
        params.not_after = now + time::Duration::seconds(seconds);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(self.params.clone(), &self.key);
        Svid {
            id: id.to_owned(),
            chain: vec![params.signed_by(&key, &issuer).unwrap().der().clone()],
            key: key.serialize_der(),
        }
    }
}

#[derive(Clone)]
struct Svid {
    id: String,
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Svid {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

// --- The stub ---

/// A field of wire type 2 (protobuf.dev, "Encoding").
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(content);
    out
}

/// An `X509SVIDResponse` of `workload.proto`.
fn message(svid: &Svid, roots: &[&Root], federated: &[(&str, &Root)]) -> Vec<u8> {
    let chain: Vec<u8> = svid.chain.iter().flat_map(|one| one.to_vec()).collect();
    let bundle: Vec<u8> = roots.iter().flat_map(|one| one.der.to_vec()).collect();
    let content = [
        field(1, svid.id.as_bytes()),
        field(2, &chain),
        field(3, &svid.key),
        field(4, &bundle),
        field(5, b"internal"),
    ];
    let mut out = field(1, &content.concat());
    for (domain, root) in federated {
        let entry = [
            field(1, format!("spiffe://{domain}").as_bytes()),
            field(2, &root.der),
        ];
        out.extend(field(3, &entry.concat()));
    }
    out
}

/// What the stub says now.
#[derive(Clone)]
enum Now {
    /// Updates: each as it comes.
    Message(Vec<u8>),
    /// A refusal by gRPC status.
    Refusal(&'static str),
}

/// A request: method, path, headers, body.
type Asked = (Method, String, HeaderMap, Bytes);

struct Stub {
    say: watch::Sender<Now>,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
    path: PathBuf,
}

impl Stub {
    fn start(path: &Path, first: Now) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (say, _) = watch::channel(first);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (said, log) = (say.clone(), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            // Dropped with this task, so a stub that stops hangs up.
            let mut all = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (said, log) = (said.clone(), Arc::clone(&log));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (said, log) = (said.subscribe(), Arc::clone(&log));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let path = head.uri.path().to_owned();
                        log.lock().unwrap().push((head.method, path, head.headers, body));
                        Ok::<_, Infallible>(answer(said))
                    }
                });
                all.spawn(async move {
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            say,
            asked,
            serving,
            path: path.to_owned(),
        }
    }

    fn say(&self, now: Now) {
        self.say.send_replace(now);
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn stop(self) {
        self.serving.abort();
        let _ = self.serving.await;
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn answer(mut said: watch::Receiver<Now>) -> Response<BoxBody<Bytes, Infallible>> {
    let now = said.borrow_and_update().clone();
    let Now::Message(first) = now else {
        let Now::Refusal(status) = now else { unreachable!() };
        // Trailers alone, as servers answer what fails at once.
        return Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", status)
            .body(Full::new(Bytes::new()).boxed())
            .unwrap();
    };
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        let mut next = Some(first);
        loop {
            if let Some(message) = next.take() {
                let length = u32::try_from(message.len()).unwrap();
                let frame = [&[0], &length.to_be_bytes()[..], &message].concat();
                // In two pieces, as a network may cut it.
                let (one, two) = frame.split_at(frame.len() / 2);
                for piece in [one, two] {
                    let piece = Frame::data(Bytes::copy_from_slice(piece));
                    if sender.send(piece).await.is_err() {
                        return;
                    }
                }
            }
            if said.changed().await.is_err() {
                return;
            }
            let now = said.borrow_and_update().clone();
            match now {
                Now::Message(message) => next = Some(message),
                Now::Refusal(status) => {
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", status.parse().unwrap());
                    let _ = sender.send(Frame::trailers(trailers)).await;
                    return;
                }
            }
        }
    });
    let stream = Polled(move |context: &mut std::task::Context<'_>| receiver.poll_recv(context));
    Response::builder()
        .header("content-type", "application/grpc")
        .body(StreamBody::new(stream).boxed())
        .unwrap()
}

struct Polled<F>(F);

impl<F> futures_core::Stream for Polled<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Frame<Bytes>>> + Unpin,
{
    type Item = Result<Frame<Bytes>, Infallible>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        (self.0)(context).map(|item| item.map(Ok))
    }
}

// --- The gateway ---

struct World {
    gate: Gated,
    socket: PathBuf,
    _provider: Upstreamed,
    _place: tempfile::TempDir,
}

impl World {
    /// Its listener's certificate, and the roots of two domains, are the Workload API's to say.
    async fn start(stub: impl FnOnce(&Path) -> Option<Stub>) -> (Self, Option<Stub>) {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("api.sock");
        let stub = stub(&socket);
        let provider = Upstreamed::answering(|_| Answer::Whole(200, "application/json", SAID.into())).await;
        let mut config = config(vec![upstream("openai", Family::Openai, provider.address)]);
        config.listen.tls = Some(TlsListen {
            key: TlsKey::WorkloadApi,
            clients: ClientCertificates::Optional,
        });
        config.workload_api = Some(WorkloadApi {
            socket: socket.clone(),
            user: None,
        });
        let foreign = ["example.org", "partner.example"].map(|name| Foreign {
            domain: TrustDomain::new(name).unwrap(),
            namespace: name.to_owned(),
            bundle: BundleAt::WorkloadApi,
        });
        let gate = Gated::start_among(config, OPEN, foreign.to_vec()).await;
        let world = Self {
            gate,
            socket,
            _provider: provider,
            _place: place,
        };
        (world, stub)
    }

    /// A connection that trusts this root and shows this certificate; none where there is no handshake.
    async fn connect(&self, root: &Root, own: Option<&Svid>) -> Option<Line> {
        let mut store = RootCertStore::empty();
        store.add(root.der.clone()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(store);
        let tls = match own {
            Some(svid) => builder
                .with_client_auth_cert(svid.chain.clone(), svid.key())
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = tokio::net::TcpStream::connect(self.gate.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await
            .ok()?;
        let leaf = stream
            .get_ref()
            .1
            .peer_certificates()?
            .first()?
            .clone()
            .into_owned();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(connection);
        Some(Line { sender, leaf })
    }

    /// The same, as soon as there is one.
    async fn connected(&self, root: &Root, own: Option<&Svid>) -> Line {
        for _ in 0..200 {
            if let Some(line) = self.connect(root, own).await {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no handshake")
    }

    async fn status(&self) -> Value {
        let reply = self
            .gate
            .desk()
            .handle(&Method::GET, "/v1/status", b"", "test")
            .await;
        let Said::Json(status) = reply.body else {
            panic!("text")
        };
        status
    }

    /// The alarms, once they are so many.
    async fn alarms(&self, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..200 {
            let status = self.status().await;
            let alarms = status["alarms"].as_array().unwrap();
            found = alarms
                .iter()
                .map(|one| one.as_str().unwrap().to_owned())
                .collect();
            if found.len() == count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{found:?}")
    }

    async fn notes(&self) -> Vec<String> {
        let records = self.gate.records().await;
        let notes = records.into_iter().filter_map(|stored| stored.record?.note);
        notes.collect()
    }
}

struct Line {
    sender: SendRequest<Full<Bytes>>,
    leaf: CertificateDer<'static>,
}

impl Line {
    /// A call by the client's certificate alone: its status, and the code of a refusal.
    async fn call(&mut self, gate: &Gated) -> (u16, String) {
        let request = Request::post(CHAT)
            .header("host", gate.address().to_string())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(ASK)))
            .unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let code = value["error"]["code"].as_str().unwrap_or_default();
        (status.as_u16(), code.to_owned())
    }
}

fn ok() -> (u16, String) {
    (StatusCode::OK.as_u16(), String::new())
}

fn untrusted() -> (u16, String) {
    (401, "identity.certificate_untrusted".to_owned())
}

#[tokio::test]
async fn svids_and_roots_come_from_the_socket_and_rotate_while_serving() {
    let (old, new, partner) = (Root::new("old"), Root::new("new"), Root::new("partner"));
    let first = old.leaf(OWN, 3600);
    let (world, _) = World::start(|_| None).await;
    // Nobody said yet who we are.
    assert!(world.connect(&old, None).await.is_none());
    let alarms = world.alarms(1).await;
    assert!(alarms[0].contains("can't be connected to"), "{alarms:?}");

    let said = message(&first, &[&old], &[("partner.example", &partner)]);
    let stub = Stub::start(&world.socket, Now::Message(said));
    let client = old.leaf("spiffe://example.org/mail", 3600);
    let mut line = world.connected(&old, Some(&client)).await;
    assert_eq!(line.leaf, first.chain[0]);
    assert_eq!(line.call(&world.gate).await, ok());
    let theirs = partner.leaf("spiffe://partner.example/agent", 3600);
    assert_eq!(
        world.connected(&old, Some(&theirs)).await.call(&world.gate).await,
        ok()
    );
    // A bundle vouches for its own domain alone.
    let posing = partner.leaf("spiffe://example.org/mail", 3600);
    assert_eq!(
        world.connected(&old, Some(&posing)).await.call(&world.gate).await,
        untrusted()
    );
    world.alarms(0).await;
    let status = world.status().await;
    assert_eq!(status["svid"]["id"], OWN);
    {
        let asked = stub.asked.lock().unwrap();
        let (method, path, headers, body) = &asked[0];
        assert_eq!(
            (method, path.as_str()),
            (&Method::POST, "/SpiffeWorkloadAPI/FetchX509SVID")
        );
        assert_eq!(headers["workload.spiffe.io"], "true");
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(body.as_ref(), [0; 5]);
    }

    // A new SVID under a new root; the partner is gone.
    let second = new.leaf(OWN, 3600);
    stub.say(Now::Message(message(&second, &[&new], &[])));
    let mut next = world
        .connected(&new, Some(&new.leaf("spiffe://example.org/mail", 3600)))
        .await;
    assert_eq!(next.leaf, second.chain[0]);
    assert_eq!(next.call(&world.gate).await, ok());
    // On a connection that is long open, too.
    assert_eq!(line.call(&world.gate).await, untrusted());
    assert_eq!(
        world.connected(&new, Some(&theirs)).await.call(&world.gate).await,
        untrusted()
    );
    assert_eq!(stub.count(), 1);
    let agents: Vec<String> = world
        .gate
        .records()
        .await
        .into_iter()
        .filter_map(|stored| Some(stored.record?.principal?.agent.to_string()))
        .collect();
    assert!(agents.contains(&"example.org/mail".to_owned()), "{agents:?}");
    assert!(agents.contains(&"partner.example/agent".to_owned()), "{agents:?}");
    let first_key = &first.key;
    for stored in world.gate.records().await {
        let text = serde_json::to_vec(&stored.record).unwrap();
        assert!(!text.windows(first_key.len()).any(|part| part == first_key));
    }
}

#[tokio::test]
async fn a_socket_that_goes_leaves_what_it_said_until_that_ends_and_then_nobody_comes_in() {
    let root = Root::new("root");
    let short = root.leaf(OWN, 6);
    let said = message(&short, &[&root], &[]);
    let (world, stub) = World::start(|path| Some(Stub::start(path, Now::Message(said)))).await;
    let client = root.leaf("spiffe://example.org/mail", 3600);
    let mut line = world.connected(&root, Some(&client)).await;
    assert_eq!(line.call(&world.gate).await, ok());
    stub.unwrap().stop().await;

    // Told of, and served on.
    let alarms = world.alarms(1).await;
    assert!(!alarms[0].contains("nobody is let in"), "{alarms:?}");
    assert_eq!(
        world
            .connected(&root, Some(&client))
            .await
            .call(&world.gate)
            .await,
        ok()
    );
    assert_eq!(line.call(&world.gate).await, ok());

    // It ends: no handshake, and what is open is refused.
    let mut ended = false;
    for _ in 0..100 {
        ended = world.connect(&root, Some(&client)).await.is_none();
        if ended && line.call(&world.gate).await == untrusted() {
            break;
        }
        ended = false;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(ended, "it goes on");
    let alarms = world.alarms(1).await;
    assert!(alarms[0].contains("nobody is let in by it"), "{alarms:?}");

    // And it comes back.
    let long = root.leaf(OWN, 3600);
    let _stub = Stub::start(&world.socket, Now::Message(message(&long, &[&root], &[])));
    let mut line = None;
    for _ in 0..20 {
        line = world.connect(&root, Some(&client)).await;
        if line.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(line.unwrap().call(&world.gate).await, ok());
    world.alarms(0).await;
    let notes = world.notes().await;
    for part in ["alarm: ", "nobody is let in by it", "is heard again"] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:?}");
    }
}

#[tokio::test]
async fn an_update_that_does_not_hold_leaves_what_is_in_force() {
    let root = Root::new("root");
    let good = root.leaf(OWN, 3600);
    let said = message(&good, &[&root], &[]);
    let (world, stub) = World::start(|path| Some(Stub::start(path, Now::Message(said.clone())))).await;
    let stub = stub.unwrap();
    let client = root.leaf("spiffe://example.org/mail", 3600);
    world.connected(&root, Some(&client)).await;
    let other = root.leaf(OWN, 3600);
    let mixed = Svid {
        key: other.key.clone(),
        ..good.clone()
    };
    let posing = Svid {
        id: "spiffe://example.org/other".to_owned(),
        ..other.clone()
    };
    for (bad, told) in [
        (message(&mixed, &[&root], &[]), "key is not its certificate's"),
        (message(&posing, &[&root], &[]), "not that of its certificate"),
        (message(&root.leaf(OWN, -5), &[&root], &[]), "is over already"),
        (message(&other, &[], &[]), "a bundle can't be read"),
        (b"\x0a\xff".to_vec(), "malformed"),
        (Vec::new(), "it has no SVID"),
    ] {
        stub.say(Now::Message(bad));
        let mut alarms = world.alarms(1).await;
        for _ in 0..100 {
            if alarms.first().is_some_and(|alarm| alarm.contains(told)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            alarms = world.alarms(1).await;
        }
        assert!(alarms[0].contains(told), "{told}: {alarms:?}");
        let mut line = world.connected(&root, Some(&client)).await;
        assert_eq!(line.leaf, good.chain[0]);
        assert_eq!(line.call(&world.gate).await, ok());
    }
    // The next good one is taken, on the same stream.
    stub.say(Now::Message(message(&other, &[&root], &[])));
    world.alarms(0).await;
    assert_eq!(world.connected(&root, None).await.leaf, other.chain[0]);
    assert_eq!(stub.count(), 1);
    // A stream that is refused is asked for again.
    stub.say(Now::Refusal("7"));
    let alarms = world.alarms(1).await;
    assert!(
        alarms[0].contains("this workload is not registered"),
        "{alarms:?}"
    );
    stub.say(Now::Message(said));
    for _ in 0..200 {
        if world.connected(&root, None).await.leaf == good.chain[0] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not asked again");
}
