//! A gateway on a port of its own, with an upstream that answers from a script and remembers what reached it.

pub(crate) mod agent;
pub(crate) mod signing;

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bartizan_gateway::{
    Config, Directory, DirectoryKeys, Domains, Gateway, IssuerSource, Parts, Running,
    admin::{Desk, Live},
    config::{
        Approvals, Budgets, Credential, Family, Foreign, Hooks, Inspect, Limits, Listen, Privacy, Sessions,
        Upstream,
    },
};
use bartizan_identity::{Pepper, TrustDomain, mint_key};
use bartizan_policy::{Pack, Policy, Source};
use bartizan_store::{
    ApprovalStore, Keyring, Ledger, LedgerOptions, MasterKey, Medium, Purpose, Query, Refusing, Secret,
    Secrets, State, StateDir, StoredRecord, WrappingKey,
};
use bartizan_types::{AgentId, Timestamp, UpstreamName};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One scripted answer.
pub(crate) enum Answer {
    /// Status, content type, body.
    Whole(u16, &'static str, Vec<u8>),
    /// Status and headers beside a body.
    Dressed(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// An event stream in these chunks, with a pause between them.
    Stream(Vec<Vec<u8>>, Duration),
    /// The same, and then nothing; the connection stays open. The flag is raised when the other side closes it.
    Open(Vec<Vec<u8>>, Arc<AtomicBool>),
    /// An event stream in these chunks; counts those that were taken.
    Counted(Vec<Vec<u8>>, Arc<AtomicUsize>),
    /// No answer at all.
    Silence,
    /// The connection is closed once the request is read.
    HangUp,
}

/// A server of MCP 2025 with one tool, `hello`.
pub(crate) fn hello(seen: &Seen) -> Answer {
    let Ok(message) = serde_json::from_slice::<Value>(&seen.body) else {
        return Answer::Whole(405, "text/plain", Vec::new());
    };
    let result = match message["method"].as_str() {
        Some("initialize") => json!({"protocolVersion":"2025-06-18","capabilities":{"tools":{}},
            "serverInfo":{"name":"far","version":"1"}}),
        Some("tools/list") => json!({"tools":[{"name":"hello","inputSchema":{"type":"object"}}]}),
        Some("tools/call") => json!({"content":[{"type":"text","text":"hello"}]}),
        _ => return Answer::Whole(202, "text/plain", Vec::new()),
    };
    let body = json!({"jsonrpc":"2.0","id":message["id"],"result":result});
    Answer::Whole(200, "application/json", body.to_string().into_bytes())
}

/// What reached the upstream.
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Says what to answer.
type By = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

pub(crate) struct Upstreamed {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Upstreamed {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        Self::start_scripted(answers, None).await
    }

    /// Answers by what is asked, whatever comes first.
    pub(crate) async fn answering(by: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_scripted(Vec::new(), Some(Arc::new(by))).await
    }

    async fn start_scripted(answers: Vec<Answer>, by: Option<By>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let (log, script) = (Arc::clone(&seen), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script, by) = (Arc::clone(&log), Arc::clone(&script), by.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (log, script, by) = (Arc::clone(&log), Arc::clone(&script), by.clone());
                    async move { one(request, &log, &script, by.as_ref()).await }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            address,
            seen,
            answers,
        }
    }

    pub(crate) fn say(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn one(
    request: Request<Incoming>,
    log: &Mutex<Vec<Seen>>,
    script: &Mutex<VecDeque<Answer>>,
    by: Option<&By>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path_and_query().unwrap().to_string();
    let seen = Seen {
        method: head.method,
        path,
        headers: head.headers,
        body,
    };
    let answer = match by {
        Some(by) => Some(by(&seen)),
        None => script.lock().unwrap().pop_front(),
    };
    log.lock().unwrap().push(seen);
    match answer {
        None => Ok(response(
            404,
            &[("content-type", "application/json".to_owned())],
            b"{}".to_vec(),
        )),
        Some(Answer::Silence) => std::future::pending().await,
        Some(Answer::HangUp) => Err(std::io::Error::other("hang up")),
        Some(Answer::Whole(status, kind, bytes)) => {
            Ok(response(status, &[("content-type", kind.to_owned())], bytes))
        }
        Some(Answer::Dressed(status, headers, bytes)) => Ok(response(status, &headers, bytes)),
        Some(Answer::Stream(chunks, pause)) => Ok(streamed(chunks, pause, None, Arc::default())),
        Some(Answer::Open(chunks, closed)) => {
            Ok(streamed(chunks, Duration::ZERO, Some(closed), Arc::default()))
        }
        Some(Answer::Counted(chunks, taken)) => Ok(streamed(chunks, Duration::ZERO, None, taken)),
    }
}

fn streamed(
    chunks: Vec<Vec<u8>>,
    pause: Duration,
    closed: Option<Arc<AtomicBool>>,
    taken: Arc<AtomicUsize>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for chunk in chunks {
            if sender.send(Bytes::from(chunk)).await.is_err() {
                break;
            }
            taken.fetch_add(1, Ordering::AcqRel);
            tokio::time::sleep(pause).await;
        }
        if let Some(closed) = closed {
            sender.closed().await;
            closed.store(true, Ordering::Release);
        }
    });
    let stream = futures_core_stream(move |context| receiver.poll_recv(context));
    let mut response = Response::new(StreamBody::new(stream).boxed());
    response
        .headers_mut()
        .insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn response(
    status: u16,
    headers: &[(&'static str, String)],
    bytes: Vec<u8>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

struct Polled<F>(F);

impl<F> futures_core::Stream for Polled<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Bytes>> + Unpin,
{
    type Item = Result<Frame<Bytes>, Infallible>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        (self.0)(context).map(|item| item.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn futures_core_stream<F>(poll: F) -> Polled<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Bytes>> + Unpin,
{
    Polled(poll)
}

/// A gateway, its state, and a key of agent `tester`.
pub(crate) struct Gated {
    pub(crate) running: Running,
    pub(crate) key: String,
    /// Keys of two more agents.
    pub(crate) others: Vec<String>,
    pub(crate) ledger: Ledger,
    pub(crate) provider_key: &'static str,
    pub(crate) keyring: Keyring,
    _directory: tempfile::TempDir,
    _state: StateDir,
}

/// Lets everything through but what `forbids` says.
pub(crate) const OPEN: &str = r#"
@id("test.open")
permit (principal, action, resource);
"#;

pub(crate) fn upstream(name: &str, family: Family, address: SocketAddr) -> Upstream {
    Upstream {
        name: UpstreamName::new(name).unwrap(),
        family,
        url: format!("http://{address}").parse().unwrap(),
        credential: Credential::Secret("provider".to_owned()),
        roots: None,
        v1_paths: true,
        spiffe_id: None,
    }
}

pub(crate) fn config(upstreams: Vec<Upstream>) -> Config {
    Config {
        listen: Listen {
            address: "127.0.0.1:0".parse().unwrap(),
            hosts: Vec::new(),
            origins: Vec::new(),
            tls: None,
            danger_plaintext: false,
            dpop_nonces: false,
        },
        limits: Limits::default(),
        upstreams,
        models: Vec::new(),
        servers: Vec::new(),
        peers: Vec::new(),
        sessions: Sessions::default(),
        approvals: Approvals::default(),
        hooks: Hooks::default(),
        inspect: Inspect::default(),
        privacy: Privacy::default(),
        budgets: Budgets::default(),
        egress: None,
        workload_api: None,
        scopes: Default::default(),
    }
}

impl Gated {
    /// The operator's desk, as the admin socket has it.
    pub(crate) fn desk(&self) -> Desk {
        let (master, _) = MasterKey::load(self.state()).unwrap();
        let keyring = Keyring::open(self.state(), &master).unwrap();
        let shared = self.running.shared();
        let (reload, _) = tokio::sync::mpsc::channel(1);
        Desk {
            domain: TrustDomain::default(),
            dir: self.state().clone(),
            secrets: Arc::new(Secrets::open(self.state(), &keyring).unwrap()),
            keyring,
            ledger: self.ledger.clone(),
            state: Arc::clone(&shared.state),
            servers: Vec::new(),
            budgets: Default::default(),
            live: Some(Live {
                shared: Arc::clone(shared),
                projection: None,
                reload,
                alarms: Arc::new(Mutex::new(Vec::new())),
                started: Timestamp::from_unix_seconds(1),
            }),
        }
    }

    pub(crate) async fn start(config: Config, policy: &str) -> Self {
        Self::start_with(config, None, policy, None).await
    }

    /// With a ledger on a medium of the caller's.
    pub(crate) async fn start_on(config: Config, policy: &str, medium: Option<Arc<dyn Medium>>) -> Self {
        Self::start_with(config, None, policy, medium).await
    }

    /// With a pack beside the policy.
    pub(crate) async fn start_with(
        config: Config,
        pack: Option<Pack>,
        policy: &str,
        medium: Option<Arc<dyn Medium>>,
    ) -> Self {
        Self::start_whole(config, pack, policy, medium, Vec::new()).await
    }

    /// With issuers of tokens as well.
    pub(crate) async fn start_whole(
        config: Config,
        pack: Option<Pack>,
        policy: &str,
        medium: Option<Arc<dyn Medium>>,
        issuers: Vec<IssuerSource>,
    ) -> Self {
        Self::start_of(config, pack, policy, (medium, None), (issuers, Vec::new())).await
    }

    /// Among other trust domains.
    pub(crate) async fn start_among(config: Config, policy: &str, foreign: Vec<Foreign>) -> Self {
        Self::start_of(config, None, policy, (None, None), (Vec::new(), foreign)).await
    }

    /// With the state on a disk that refuses.
    pub(crate) async fn start_refusing(config: Config, policy: &str, refusing: Refusing) -> Self {
        Self::start_of(config, None, policy, (None, Some(refusing)), Default::default()).await
    }

    async fn start_of(
        config: Config,
        pack: Option<Pack>,
        policy: &str,
        (medium, refusing): (Option<Arc<dyn Medium>>, Option<Refusing>),
        (issuers, foreign): (Vec<IssuerSource>, Vec<Foreign>),
    ) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let state_dir = StateDir::open(&temporary.path().join("state")).unwrap();
        let (master, _) = MasterKey::load(&state_dir).unwrap();
        let keyring = Keyring::open(&state_dir, &master).unwrap();
        let wrapping = WrappingKey::new(*keyring.derive(Purpose::Ledger).unwrap().expose());
        let options = LedgerOptions {
            segment_bytes: 1 << 20,
            ..LedgerOptions::default()
        };
        let (ledger, _) = match medium {
            Some(medium) => Ledger::open_on(medium, wrapping, options),
            None => Ledger::open(&state_dir.ledger_path(), wrapping, options),
        }
        .unwrap();
        let secrets = Arc::new(Secrets::open(&state_dir, &keyring).unwrap());
        let provider_key = "sk-provider-never-seen-by-agents";
        secrets
            .set("provider", &Secret::new(provider_key.as_bytes().to_vec()))
            .unwrap();
        let state = Arc::new(match refusing {
            Some(refusing) => State::open_refusing(&state_dir, refusing).unwrap(),
            None => State::open(&state_dir).unwrap(),
        });
        let pepper = keyring.derive(Purpose::ApiKeys).unwrap();
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        let mut keys = Vec::new();
        for (seed, agent) in [(7, "tester"), (8, "other"), (9, "third")] {
            let agent = AgentId::new(agent).unwrap();
            let (random, pepper) = (Secret::new([seed; 32]), Pepper::new(&pepper));
            let minted = mint_key(agent, None, BTreeSet::new(), now, None, &random, &pepper).unwrap();
            state.put_key(&minted.record.prefix, &minted.record).unwrap();
            keys.push(minted.shown_once.expose().clone());
        }
        let key = keys.remove(0);
        let policy = Policy::load(
            pack,
            &[Source {
                name: "test.cedar",
                text: policy,
            }],
        )
        .unwrap();
        let parts = Parts {
            policy: Arc::new(policy),
            directory: Directory::new(
                DirectoryKeys {
                    pepper,
                    authority: keyring.derive(Purpose::Authority).unwrap(),
                    delegations: keyring.derive(Purpose::Delegations).unwrap(),
                },
                issuers,
                Domains {
                    own: TrustDomain::default(),
                    foreign,
                },
            )
            .unwrap(),
            ledger: ledger.clone(),
            secrets,
            approvals: ApprovalStore::open(Arc::clone(&state), &keyring).unwrap(),
            state,
            manifest_seed: keyring.derive(Purpose::Manifests).unwrap(),
            interception_seed: keyring.derive(Purpose::Interception).unwrap(),
            grants: bartizan_store::GrantStore::open(&state_dir, &keyring).unwrap(),
            vaults: Some(bartizan_store::VaultStore::open(&state_dir, &keyring).unwrap()),
            spans: None,
        };
        let running = Gateway::start(config, parts).await.unwrap();
        Self {
            running,
            key,
            others: keys,
            ledger,
            provider_key,
            keyring,
            _directory: temporary,
            _state: state_dir,
        }
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> &StateDir {
        &self._state
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.shared().address()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> (StatusCode, HeaderMap, Bytes) {
        self.send(path, body, &[("authorization", &format!("Bearer {}", self.key))])
            .await
    }

    pub(crate) async fn send(
        &self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Bytes) {
        let response = self.open(path, body, headers).await;
        let (head, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        (head.status, head.headers, bytes)
    }

    pub(crate) async fn open(
        &self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Response<Incoming> {
        self.request(Method::POST, path, body, headers).await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Response<Incoming> {
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address()))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client
            .request(request.body(Full::new(body.into())).unwrap())
            .await
            .unwrap()
    }

    /// Every record, oldest first, once the deferred ones have settled.
    pub(crate) async fn records(&self) -> Vec<StoredRecord> {
        // A record that waits is written after every one queued before it.
        let note = bartizan_types::Record::new(
            bartizan_types::RecordKind::Lifecycle,
            Timestamp::from_unix_seconds(1),
        );
        self.ledger.append(&note).await.unwrap();
        let mut found = self
            .ledger
            .search(&Query {
                limit: 10_000,
                ..Query::default()
            })
            .unwrap();
        found.reverse();
        found
    }
}
