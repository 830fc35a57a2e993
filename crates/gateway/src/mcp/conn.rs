//! One conversation with one server, on a pipe or over HTTP: carries the bytes that [`Link`] makes and reads, and
//! hands what comes to whoever waits for it.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{
    Ask, Caller, Catalog, Event, Link, ListKind, Method, Outcome,
    link::{Handshake, Input},
};
use bartizan_types::{Action, CallFacts, Code, Effects, Finding, PinState, Refusal, Resource, UpstreamName};
use bartizan_wire::{json, sse};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};

use super::hub::{AgentSession, Served, lock};
use crate::{
    Shared, clock,
    edge::{self, BodyBounds},
    gate,
    model::sha256,
    upstream::{
        self, Outbound, Pool,
        child::{self, Child, Line, Lines},
    },
};

/// Messages that may wait for one request's reader; the last place is kept for the answer.
const WAITING: usize = 64;
/// Streams of change notices on one conversation.
const LISTENERS: usize = 16;

/// What comes for one request.
pub(crate) enum Delivery {
    /// A notice for the agent, whole.
    Notice(Vec<u8>),
    /// The end.
    Answer(Outcome),
    /// The server wants answers, and then the request again.
    Inputs {
        /// The questions.
        inputs: Vec<Input>,
        /// The server's state.
        state: Option<String>,
        /// The result as it came.
        result: Box<RawValue>,
    },
    /// The server asks while the request runs, and the agent is stateless.
    Ask {
        /// The question's number.
        ask: Ask,
        /// What it asks.
        method: Method,
        /// With what.
        params: Option<Box<RawValue>>,
    },
    /// The server is gone.
    Gone(Code),
    /// The agent withdrew the request: there is no answer, and none is wanted.
    Withdrawn,
}

/// The way over HTTP.
pub(crate) struct HttpWay {
    pub(crate) pool: Arc<Pool>,
    pub(crate) uri: Mutex<Uri>,
    pub(crate) headers: HeaderMap,
    session: Mutex<Option<HeaderValue>>,
    upstream: UpstreamName,
    /// Answers come on the one stream, not on the request's own (2024-11-05).
    legacy: bool,
}

/// How bytes go.
pub(crate) enum Way {
    /// A pipe.
    Pipe(Arc<Child>),
    /// Requests.
    Http(Box<HttpWay>),
}

/// See the module.
pub(crate) struct Conn {
    /// The server.
    pub served: Arc<Served>,
    /// The protocol.
    pub link: Mutex<Link>,
    /// The way.
    pub way: Way,
    /// Who opened it: what the conversation itself sends over HTTP is ruled on as theirs.
    pub caller: gate::Caller,
    shared: Weak<Shared>,
    session: Option<Weak<AgentSession>>,
    waiting: Mutex<HashMap<Caller, mpsc::Sender<Delivery>>>,
    listeners: Mutex<Vec<(Filter, mpsc::Sender<Vec<u8>>)>>,
    catalogs: Mutex<[Option<Arc<Catalog>>; 4]>,
    hand: OnceLock<Handshake>,
    known: OnceLock<(Vec<Finding>, bool)>,
    tried: AtomicBool,
    ready: watch::Sender<Option<Result<(), Code>>>,
    alive: AtomicBool,
    born: Instant,
    used: Mutex<Instant>,
}

/// Which notices a stream wants, and the id its notices carry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// The id of the agent's request, as JSON.
    pub id: String,
    /// `notifications/tools/list_changed`.
    pub tools: bool,
    /// `notifications/prompts/list_changed`.
    pub prompts: bool,
    /// `notifications/resources/list_changed`.
    pub resources: bool,
    /// `notifications/resources/updated` of these.
    pub uris: Vec<String>,
}

impl Filter {
    fn wants(&self, method: Method, params: Option<&RawValue>) -> bool {
        match method {
            Method::ToolsChanged => self.tools,
            Method::PromptsChanged => self.prompts,
            Method::ResourcesChanged => self.resources,
            Method::ResourceUpdated => bartizan_mcp::Params::read(params)
                .and_then(|params| {
                    params
                        .text("uri")
                        .map(|uri| uri.is_some_and(|uri| self.uris.iter().any(|it| *it == uri)))
                })
                .unwrap_or(false),
            _ => false,
        }
    }
}

impl HttpWay {
    /// The way to an address with these headers.
    pub(crate) fn new(
        pool: Arc<Pool>,
        uri: Uri,
        headers: HeaderMap,
        upstream: UpstreamName,
        legacy: bool,
    ) -> Self {
        Self {
            pool,
            uri: Mutex::new(uri),
            headers,
            session: Mutex::new(None),
            upstream,
            legacy,
        }
    }

    /// Whether answers come on another stream than the request's own.
    pub(crate) const fn answers_elsewhere(&self) -> bool {
        self.legacy
    }

    /// A request with this body and these headers beside the standing ones.
    pub(crate) fn outbound(&self, method: http::Method, body: Vec<u8>, extra: HeaderMap) -> Outbound {
        let mut headers = self.headers.clone();
        if method == http::Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_static("application/json, text/event-stream"),
            );
        } else {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        }
        if let Some(session) = &*lock(&self.session) {
            headers.insert(HeaderName::from_static("mcp-session-id"), session.clone());
        }
        headers.extend(extra);
        Outbound {
            upstream: self.upstream.clone(),
            pool: Arc::clone(&self.pool),
            method,
            uri: lock(&self.uri).clone(),
            headers,
            body: Bytes::from(body),
        }
    }
}

impl Conn {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        served: Arc<Served>,
        caller: gate::Caller,
        session: Option<&Arc<AgentSession>>,
        link: Link,
        way: Way,
    ) -> Arc<Self> {
        let (ready, _) = watch::channel(None);
        Arc::new(Self {
            served,
            link: Mutex::new(link),
            way,
            caller,
            shared: Arc::downgrade(shared),
            session: session.map(Arc::downgrade),
            waiting: Mutex::new(HashMap::new()),
            listeners: Mutex::new(Vec::new()),
            catalogs: Mutex::new(Default::default()),
            hand: OnceLock::new(),
            known: OnceLock::new(),
            tried: AtomicBool::new(false),
            ready,
            alive: AtomicBool::new(true),
            born: Instant::now(),
            used: Mutex::new(Instant::now()),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    pub(crate) fn is_busy(&self) -> bool {
        !lock(&self.waiting).is_empty() || lock(&self.listeners).iter().any(|(_, to)| !to.is_closed())
    }

    pub(crate) fn idle(&self) -> Duration {
        lock(&self.used).elapsed()
    }

    /// What was agreed, once it was.
    pub(crate) fn handshake(&self) -> Option<&Handshake> {
        self.hand.get()
    }

    /// Notes how what the server says of itself stands against its pins.
    pub(crate) fn know(&self, findings: Vec<Finding>, instructions_withheld: bool) {
        // Settled once, right after the handshake.
        let _first = self.known.set((findings, instructions_withheld));
    }

    /// Findings about the server as a whole; part of the evidence of each call.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.known
            .get()
            .map(|(findings, _)| findings.clone())
            .unwrap_or_default()
    }

    /// Whether its instructions are kept from agents.
    pub(crate) fn instructions_withheld(&self) -> bool {
        self.known.get().is_none_or(|(_, withheld)| *withheld)
    }

    /// Whether the other era was tried; says yes from the second time on.
    pub(crate) fn tried_again(&self) -> bool {
        self.tried.swap(true, Ordering::AcqRel)
    }

    /// Rules on a message that needs no answer, and sends it.
    ///
    /// # Errors
    /// The refusal to tell.
    pub(crate) async fn forward(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        caller: &gate::Caller,
        call: CallFacts,
        bytes: Vec<u8>,
    ) -> Result<(), Refusal> {
        let evidence = shared.evidence(caller, call, Vec::new());
        match &self.way {
            Way::Pipe(child) => {
                let line = Line {
                    child: Arc::clone(child),
                    bytes,
                };
                let (permit, mut passage) = shared.enter(evidence, line).await?;
                if let Err(code) = child::write(permit).await {
                    return Err(passage.failed(code));
                }
                let _call = passage.answered(AnswerFacts::default())?.spend();
                passage.finish();
            }
            Way::Http(way) => {
                let outbound = way.outbound(http::Method::POST, bytes, self.version_header());
                let (permit, mut passage) = shared.enter(evidence, outbound).await?;
                let response = match upstream::send(permit, self.served.config.timeout).await {
                    Ok(response) => response,
                    Err(fault) => return Err(passage.failed(fault.code())),
                };
                if let Err(code) = self.absorb(response, None).await {
                    return Err(passage.failed(code));
                }
                let _call = passage.answered(AnswerFacts::default())?.spend();
                passage.finish();
            }
        }
        Ok(())
    }

    /// Waits for the handshake.
    pub(crate) async fn shaken(&self, patience: Duration) -> Result<(), Code> {
        let mut ready = self.ready.subscribe();
        let outcome = match tokio::time::timeout(patience, ready.wait_for(Option::is_some)).await {
            Err(_) => return Err(Code::UpstreamTimeout),
            Ok(Err(_)) => return Err(Code::ServerFailed),
            Ok(Ok(outcome)) => *outcome,
        };
        outcome.unwrap_or(Err(Code::ServerFailed))
    }

    pub(crate) fn register(&self, caller: Caller) -> mpsc::Receiver<Delivery> {
        *lock(&self.used) = Instant::now();
        let (sender, receiver) = mpsc::channel(WAITING);
        lock(&self.waiting).insert(caller, sender);
        receiver
    }

    pub(crate) fn unregister(&self, caller: Caller) {
        lock(&self.waiting).remove(&caller);
    }

    /// Adds a stream of change notices.
    pub(crate) fn listen(&self, filter: Filter, to: mpsc::Sender<Vec<u8>>) -> Result<(), Code> {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|(_, to)| !to.is_closed());
        if listeners.len() >= LISTENERS {
            return Err(Code::QueueFull);
        }
        listeners.push((filter, to));
        Ok(())
    }

    pub(crate) fn catalog(&self, kind: ListKind) -> Option<Arc<Catalog>> {
        let catalogs = lock(&self.catalogs);
        catalogs.get(kind as usize).and_then(Clone::clone)
    }

    pub(crate) fn keep_catalog(&self, kind: ListKind, catalog: Option<Arc<Catalog>>) {
        if let Some(slot) = lock(&self.catalogs).get_mut(kind as usize) {
            *slot = catalog;
        }
    }

    /// Ends the conversation; everyone who waits is told.
    pub(crate) fn close(&self, code: Code) {
        if !self.alive.swap(false, Ordering::AcqRel) {
            return;
        }
        lock(&self.link).close();
        for (_, to) in lock(&self.waiting).drain() {
            // A reader that has gone, or is full, finds its channel closed.
            let _told = to.try_send(Delivery::Gone(code));
        }
        lock(&self.listeners).clear();
        self.ready.send_if_modified(|ready| {
            let first = ready.is_none();
            if first {
                *ready = Some(Err(code));
            }
            first
        });
        if let Way::Pipe(child) = &self.way {
            child.end();
        }
    }

    /// The agent withdrew a request: the server is told, and whoever waits for the answer stops.
    pub(crate) fn withdraw(self: &Arc<Self>, caller: Caller) {
        self.deliver(caller, Delivery::Withdrawn);
        self.cancel(caller);
    }

    /// Gives up a caller's requests, telling the server.
    pub(crate) fn cancel(self: &Arc<Self>, caller: Caller) {
        let told = lock(&self.link).cancel(caller);
        if told.is_empty() || !self.is_alive() {
            return;
        }
        // Over HTTP in the stateless revision, closing the stream says it.
        let stateless = lock(&self.link)
            .revision()
            .is_some_and(bartizan_mcp::Revision::stateless);
        if stateless && matches!(self.way, Way::Http(_)) {
            return;
        }
        let conn = Arc::clone(self);
        tokio::spawn(async move {
            for bytes in told {
                conn.say(bytes).await;
            }
        });
    }

    /// Sends what the conversation itself owes: on a pipe under the permit that started it, over HTTP as a ruled
    /// notice of whoever opened it.
    pub(crate) fn say(self: &Arc<Self>, bytes: Vec<u8>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let conn = Arc::clone(self);
        // Boxed: what a server answers to it may make the conversation say more.
        Box::pin(async move {
            let said = match &conn.way {
                Way::Pipe(child) => child.say(&bytes).await,
                Way::Http(way) => conn.say_http(way, bytes).await,
            };
            if let Err(code) = said {
                let server = &conn.served.config.name;
                tracing::debug!(%server, %code, "a protocol message did not reach its server");
            }
        })
    }

    async fn say_http(self: &Arc<Self>, way: &HttpWay, bytes: Vec<u8>) -> Result<(), Code> {
        let shared = self.shared.upgrade().ok_or(Code::Draining)?;
        let facts = self.facts(Action::Notify, &bytes);
        let outbound = way.outbound(http::Method::POST, bytes, self.version_header());
        let evidence = shared.evidence(&self.caller, facts, Vec::new());
        let (permit, mut passage) = shared
            .enter(evidence, outbound)
            .await
            .map_err(|refusal| refusal.code)?;
        match upstream::send(permit, self.served.config.timeout).await {
            Ok(response) => {
                let facts = AnswerFacts {
                    status: Some(response.status().as_u16()),
                    findings: Vec::new(),
                };
                let _call = passage.answered(facts).map_err(|refusal| refusal.code)?.spend();
                passage.finish();
                self.absorb(response, None).await
            }
            Err(fault) => Err(passage.failed(fault.code()).code),
        }
    }

    /// Facts of a message about the server as a whole.
    pub(crate) fn facts(&self, action: Action, bytes: &[u8]) -> CallFacts {
        CallFacts {
            id: clock::mint(clock::now()),
            action,
            resource: Resource::Server {
                server: self.served.config.name.clone(),
            },
            surface: bartizan_types::Surface::Mcp,
            streaming: false,
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            digest: sha256(bytes),
            pin: PinState::None,
            effects: Effects::default(),
            arguments: None,
        }
    }

    /// The header that names the revision, once agreed.
    pub(crate) fn version_header(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(revision) = lock(&self.link).revision() {
            headers.insert(
                HeaderName::from_static("mcp-protocol-version"),
                HeaderValue::from_static(revision.as_str()),
            );
        }
        headers
    }

    /// Reads a pipe until it ends.
    pub(crate) async fn read_pipe(self: Arc<Self>, mut lines: Lines) {
        let code = loop {
            match lines.next().await {
                Ok(Some(line)) => {
                    if let Err(code) = self.take(&line, None).await {
                        // Servers print banners; what is no message is refused, recorded, and survived.
                        self.refused(code);
                    }
                }
                Ok(None) => break Code::ServerFailed,
                Err(code) => break code,
            }
            if !self.is_alive() {
                break Code::ServerFailed;
            }
        };
        if self.is_alive() {
            self.served.ended(self.born.elapsed());
            if let Way::Pipe(child) = &self.way {
                tracing::warn!(server = %child.server(), stderr = ?child.complaints().last(), "the server ended");
            }
        }
        self.close(code);
    }

    fn refused(&self, code: Code) {
        if let Some(shared) = self.shared.upgrade() {
            shared.reject(code, Some(&self.caller.principal));
        }
    }

    /// Reads what an HTTP server answers; `related` is whose request it answers.
    pub(crate) async fn absorb(
        self: &Arc<Self>,
        response: Response<Incoming>,
        related: Option<Caller>,
    ) -> Result<(), Code> {
        let (head, body) = response.into_parts();
        let Way::Http(way) = &self.way else {
            return Err(Code::Bug);
        };
        if let Some(session) = head.headers.get("mcp-session-id") {
            let mut known = lock(&way.session);
            if known.is_none() && session.len() <= 1024 {
                *known = Some(session.clone());
            }
        }
        let Some(shared) = self.shared.upgrade() else {
            return Err(Code::Draining);
        };
        let limits = &shared.config.limits;
        if head.status.is_success() && edge::is_event_stream(&head.headers) {
            return self.absorb_stream(body, related, limits.event_bytes).await;
        }
        let bounds = BodyBounds::answer(limits);
        let (bytes, _) = edge::read(&head.headers, body, bounds).await?;
        if edge::is_json(&head.headers) && !bytes.is_empty() {
            let taken = self.take(&bytes, related).await;
            if head.status.is_success() || taken.is_ok() {
                return taken;
            }
        }
        match head.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND if lock(&way.session).is_some() => {
                self.close(Code::ServerFailed);
                Err(Code::ServerFailed)
            }
            _ => Err(Code::ServerFailed),
        }
    }

    async fn absorb_stream(
        self: &Arc<Self>,
        mut body: Incoming,
        related: Option<Caller>,
        event_bytes: usize,
    ) -> Result<(), Code> {
        let mut splitter = sse::Splitter::new(event_bytes);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Code::UpstreamUnreachable)?.into_data() else {
                continue;
            };
            let mut messages: Vec<(bool, String)> = Vec::new();
            splitter
                .push(&data, &mut |event: sse::Event<'_>| {
                    let endpoint = event.name == Some("endpoint");
                    if let Some(data) = event.data
                        && !data.is_empty()
                    {
                        messages.push((endpoint, data.into_owned()));
                    }
                    Ok(())
                })
                .map_err(|fault| fault.of_upstream().code)?;
            for (endpoint, message) in messages {
                if endpoint {
                    self.endpoint(&message).await?;
                } else if let Err(code) = self.take(message.as_bytes(), related).await {
                    self.refused(code);
                }
            }
            if !self.is_alive() {
                return Err(Code::ServerFailed);
            }
        }
        Ok(())
    }

    /// The old transport tells where to post. It must be on the same host: a credential goes nowhere else.
    async fn endpoint(self: &Arc<Self>, told: &str) -> Result<(), Code> {
        let Way::Http(way) = &self.way else {
            return Err(Code::Bug);
        };
        if !way.legacy {
            return Err(Code::SseMalformed);
        }
        {
            let mut uri = lock(&way.uri);
            let next: Uri = told.trim().parse().map_err(|_| Code::UpstreamMalformed)?;
            let mut parts = uri.clone().into_parts();
            if let Some(authority) = next.authority()
                && (Some(authority) != uri.authority() || next.scheme() != uri.scheme())
            {
                return Err(Code::UpstreamMalformed);
            }
            parts.path_and_query = Some(next.path_and_query().cloned().ok_or(Code::UpstreamMalformed)?);
            *uri = Uri::from_parts(parts).map_err(|_| Code::UpstreamMalformed)?;
        }
        let opening = lock(&self.link).open(false);
        // Answers to it come on this very stream, so it is sent by a task of its own.
        let conn = Arc::clone(self);
        tokio::spawn(async move { conn.say(opening).await });
        Ok(())
    }

    /// Takes one message from the server.
    pub(crate) async fn take(self: &Arc<Self>, bytes: &[u8], related: Option<Caller>) -> Result<(), Code> {
        let mut events = Vec::new();
        lock(&self.link).receive(bytes, &mut events)?;
        for event in events {
            match event {
                Event::Write(bytes) => {
                    let conn = Arc::clone(self);
                    match &self.way {
                        Way::Pipe(_) => conn.say(bytes).await,
                        // The reader must go on while the server takes it.
                        Way::Http(_) => drop(tokio::spawn(async move { conn.say(bytes).await })),
                    }
                }
                Event::Ready(hand) => {
                    let _only_once = self.hand.set(*hand);
                    self.ready.send_replace(Some(Ok(())));
                }
                Event::Failed(code) => {
                    self.ready.send_replace(Some(Err(code)));
                }
                Event::Answer { caller, outcome, .. } => self.deliver(caller, Delivery::Answer(outcome)),
                Event::InputRequired {
                    caller,
                    inputs,
                    state,
                    result,
                    ..
                } => {
                    self.deliver(
                        caller,
                        Delivery::Inputs {
                            inputs,
                            state,
                            result,
                        },
                    );
                }
                Event::Progress { caller, params } => {
                    let notice =
                        bartizan_wire::jsonrpc::notification(Method::Progress.as_str(), Some(&params));
                    self.deliver(caller, Delivery::Notice(notice));
                }
                Event::Notice { method, params } => self.notice(method, params.as_deref(), related),
                Event::Asked { ask, method, params } => self.asked(ask, method, params, related),
                Event::Withdrawn(ask) => {
                    if let Some(session) = self.session.as_ref().and_then(Weak::upgrade) {
                        let told = lock(&session.state).withdraw(&self.served.config.name, ask);
                        if let Some(told) = told
                            && let Err(code) = session.post(told)
                        {
                            self.refused(code);
                        }
                    }
                }
                Event::Refused(code) => self.refused(code),
            }
        }
        Ok(())
    }

    /// Tells a request that nothing more comes.
    pub(crate) fn gone(&self, caller: Caller, code: Code) {
        self.deliver(caller, Delivery::Gone(code));
    }

    fn deliver(&self, caller: Caller, delivery: Delivery) {
        let to = lock(&self.waiting).get(&caller).cloned();
        let Some(to) = to else { return };
        let last = matches!(delivery, Delivery::Notice(_));
        // Notices leave the last place free for the answer, so an agent that reads slowly loses progress, never it.
        if last && to.capacity() <= 2 {
            return tracing::debug!(server = %self.served.config.name, "a notice was dropped: the agent reads slowly");
        }
        if let Err(fault) = to.try_send(delivery) {
            tracing::debug!(server = %self.served.config.name, %fault, "nobody takes an answer");
        }
    }

    /// Whose request a message without a number belongs to: the one it came with, or the only one there is.
    fn relates(&self, related: Option<Caller>) -> Option<Caller> {
        related.or_else(|| {
            let waiting = lock(&self.waiting);
            let mut callers = waiting.keys();
            match (callers.next(), callers.next()) {
                (Some(only), None) => Some(*only),
                _ => None,
            }
        })
    }

    fn notice(&self, method: Method, params: Option<&RawValue>, related: Option<Caller>) {
        let kinds: &[ListKind] = match method {
            Method::ToolsChanged => &[ListKind::Tools],
            Method::PromptsChanged => &[ListKind::Prompts],
            Method::ResourcesChanged => &[ListKind::Resources, ListKind::Templates],
            _ => &[],
        };
        for kind in kinds {
            self.keep_catalog(*kind, None);
        }
        if method == Method::Acknowledged {
            return;
        }
        for (filter, to) in lock(&self.listeners).iter() {
            if filter.wants(method, params) {
                // A stream that is full or gone misses a hint to ask again; nothing else hangs on it.
                let _hint = to.try_send(stamped(method, params, &filter.id));
            }
        }
        let message = bartizan_wire::jsonrpc::notification(method.as_str(), params);
        let about_lists = !kinds.is_empty() || method == Method::ResourceUpdated;
        let session = self.session.as_ref().and_then(Weak::upgrade);
        match (session, self.relates(related)) {
            (Some(session), _) if about_lists || session.listens() && related.is_none() => {
                if let Err(code) = session.post(message) {
                    self.refused(code);
                }
            }
            (_, Some(caller)) if !about_lists => self.deliver(caller, Delivery::Notice(message)),
            (Some(session), None) => {
                if let Err(code) = session.post(message) {
                    self.refused(code);
                }
            }
            (None, _) | (Some(_), Some(_)) => {}
        }
    }

    fn asked(
        self: &Arc<Self>,
        ask: Ask,
        method: Method,
        params: Option<Box<RawValue>>,
        related: Option<Caller>,
    ) {
        match &self.session {
            // A stateless agent is asked through the result of the request that runs.
            None => match self.relates(related) {
                Some(caller) => self.deliver(caller, Delivery::Ask { ask, method, params }),
                None => {
                    let conn = Arc::clone(self);
                    tokio::spawn(async move { conn.refuse_ask(ask, Code::MessageInvalid).await });
                }
            },
            Some(session) => {
                let (conn, session) = (Arc::clone(self), session.clone());
                let to = self.relates(related);
                tokio::spawn(async move { conn.put(ask, method, params, session, to).await });
            }
        }
    }

    /// Rules on a question of the server, and puts it to the agent.
    async fn put(
        self: Arc<Self>,
        ask: Ask,
        method: Method,
        params: Option<Box<RawValue>>,
        session: Weak<AgentSession>,
        to: Option<Caller>,
    ) {
        let (Some(shared), Some(session)) = (self.shared.upgrade(), session.upgrade()) else {
            return;
        };
        let bytes = params
            .as_deref()
            .map_or(&[][..], |params| params.get().as_bytes());
        let facts = self.facts(method.action(), bytes);
        if let Err(refusal) = super::rule(&shared, &self.caller, facts).await {
            return self.refuse_ask(ask, refusal.code).await;
        }
        let made = lock(&session.state).ask(&self.served.config.name, ask, method, params.as_deref());
        let posted = made.and_then(|message| match to {
            Some(caller) if !session.listens() => {
                self.deliver(caller, Delivery::Notice(message));
                Ok(())
            }
            _ => session.post(message),
        });
        if let Err(code) = posted {
            self.refuse_ask(ask, code).await;
        }
    }

    /// Tells the server that its question is not put.
    pub(crate) async fn refuse_ask(self: &Arc<Self>, ask: Ask, code: Code) {
        let outcome = Outcome::Error {
            code: -i64::from(code.status()),
            message: format!("{} [{code}]", code.sentence()),
            data: None,
        };
        let answer = lock(&self.link).answer(ask, &outcome);
        if let Ok(bytes) = answer {
            self.say(bytes).await;
        }
        self.refused(code);
    }

    /// Bounds of a message from this server.
    pub(crate) fn bounds(shared: &Shared) -> json::Bounds {
        json::Bounds {
            depth: shared.config.limits.json_depth,
            bytes: shared.config.limits.answer_bytes,
            ..json::Bounds::default()
        }
    }
}

/// A change notice as a stateless agent wants it: with the id of its stream.
fn stamped(method: Method, params: Option<&RawValue>, id: &str) -> Vec<u8> {
    let mut out = bartizan_mcp::message::Object::default();
    if let Some(params) = params
        && let Ok(members) = bartizan_mcp::message::Members::read(params)
    {
        for (key, value) in members.iter() {
            if key != "_meta" {
                out.json(key, value.get());
            }
        }
    }
    let mut meta = bartizan_mcp::message::Object::default();
    meta.json(bartizan_mcp::message::META_SUBSCRIPTION, id);
    out.json("_meta", &meta.finish());
    let mut message = bartizan_mcp::message::Object::default();
    message
        .text("jsonrpc", "2.0")
        .text("method", method.as_str())
        .json("params", &out.finish());
    message.finish().into_bytes()
}
