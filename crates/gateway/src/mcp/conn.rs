//! One conversation with one server, on a pipe or over HTTP: carries the bytes that [`Link`] makes and reads, and
//! hands what comes to whoever waits for it.

use std::{
    collections::{BTreeSet, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{
    Ask, Caller, Catalog, Event, Link, ListKind, Method, Outcome, Revision,
    link::{Handshake, Input},
};
use bartizan_types::{Action, CallFacts, Code, Effects, Finding, PinState, Refusal, Resource};
use bartizan_wire::json;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    flow::Message,
    hub::{AgentSession, Owner, Served, lock},
    labels,
    notices::{self, Filter},
    way::HttpWay,
};
use crate::{
    Shared, clock, gate,
    given::Given,
    model::sha256,
    room::{Full, Room, Taken},
    upstream::{
        self,
        child::{self, Child, Line, Lines},
    },
};

/// Messages that may wait for one request's reader; the last place is kept for the answer.
const WAITING: usize = 64;
/// What may be owed to a server over HTTP at one time: answers to its pings and questions.
const OWED: usize = 16;
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

impl Delivery {
    /// What of it a server chose the size of.
    fn size(&self) -> usize {
        let of = |raw: &Option<Box<RawValue>>| raw.as_ref().map_or(0, |raw| raw.get().len());
        match self {
            Self::Notice(bytes) => bytes.len(),
            Self::Answer(Outcome::Result(result)) => result.get().len(),
            Self::Answer(Outcome::Error { message, data, .. }) => message.len() + of(data),
            Self::Inputs {
                inputs,
                state,
                result,
            } => {
                let asked: usize = inputs
                    .iter()
                    .map(|input| input.key.len() + of(&input.params))
                    .sum();
                asked + state.as_ref().map_or(0, String::len) + result.get().len()
            }
            Self::Ask { params, .. } => of(params),
            Self::Gone(_) | Self::Withdrawn => 0,
        }
    }
}

/// A delivery, with the room that it takes. On the heap, since a queue sets aside places for many before the first is
/// used.
pub(crate) type Delivered = Box<(Delivery, Taken)>;

/// How bytes go.
pub(crate) enum Way {
    /// A pipe.
    Pipe(Arc<Child>),
    /// Requests.
    Http(Box<HttpWay>),
}

/// A listing, and the room that it takes.
type KeptCatalog = (Arc<Catalog>, Taken);

/// A request that waits for its answer.
struct Waiting {
    to: mpsc::Sender<Delivered>,
    /// A stream of notices: open for as long as anybody listens, and no call in progress.
    held: bool,
}

/// What an agent with a session watches at a stateless server, through one stream of ours.
#[derive(Default)]
pub(super) struct Watched {
    /// The resources.
    pub uris: BTreeSet<String>,
    /// The task that holds the stream.
    pub stream: Option<tokio::task::AbortHandle>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.abort();
        }
    }
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
    pub(super) shared: Weak<Shared>,
    session: Option<Weak<AgentSession>>,
    waiting: Mutex<HashMap<Caller, Waiting>>,
    watched: Mutex<Watched>,
    listeners: Mutex<Vec<(Filter, mpsc::Sender<Message>)>>,
    catalogs: Mutex<[Option<KeptCatalog>; 4]>,
    /// The addresses of resources that the server named in its answers.
    pub(super) given: Given,
    /// The states of requests that the server handed out (2026-07-28, multi round-trip requests).
    pub(super) states: Given,
    hand: OnceLock<Handshake>,
    known: OnceLock<(Vec<Finding>, bool)>,
    ready: watch::Sender<Option<Result<(), Code>>>,
    alive: AtomicBool,
    born: Instant,
    used: Mutex<Instant>,
    /// Places for what is owed to the server at one time.
    owed: Arc<Semaphore>,
    /// When a message last came that can't be read, and could be anybody's answer.
    pub(super) misread: Mutex<Option<(Instant, Code)>>,
    /// What may wait here for agents, and what their requests keep.
    pub(super) room: Room,
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
        let room = shared.conversation(&caller.principal);
        Arc::new(Self {
            room,
            served,
            link: Mutex::new(link),
            way,
            caller,
            shared: Arc::downgrade(shared),
            session: session.map(Arc::downgrade),
            waiting: Mutex::new(HashMap::new()),
            watched: Mutex::new(Watched::default()),
            listeners: Mutex::new(Vec::new()),
            catalogs: Mutex::new(Default::default()),
            given: Given::default(),
            states: Given::default(),
            hand: OnceLock::new(),
            known: OnceLock::new(),
            ready,
            alive: AtomicBool::new(true),
            born: Instant::now(),
            used: Mutex::new(Instant::now()),
            owed: Arc::new(Semaphore::new(OWED)),
            misread: Mutex::new(None),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    pub(crate) fn is_busy(&self) -> bool {
        lock(&self.waiting).values().any(|waiting| !waiting.held)
            || lock(&self.listeners).iter().any(|(_, to)| !to.is_closed())
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

    /// Rules on a message that needs no answer, and in which this was seen, and sends it.
    ///
    /// # Errors
    /// The refusal to tell.
    pub(crate) async fn forward(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        caller: &gate::Caller,
        call: CallFacts,
        bytes: Vec<u8>,
        findings: Vec<Finding>,
    ) -> Result<(), Refusal> {
        let evidence = shared.evidence(caller, call, findings);
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
                way.ready(shared).await;
                let outbound = way.outbound(http::Method::POST, bytes, self.version_header());
                let (permit, mut passage) = shared.enter(evidence, outbound).await?;
                let response = match upstream::send(permit, self.served.config.timeout).await {
                    Ok(response) => response,
                    Err(fault) => return Err(passage.failed(fault.code())),
                };
                if let Some(code) = way.refused(&response) {
                    return Err(passage.failed(code));
                }
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

    pub(crate) fn register(&self, caller: Caller) -> mpsc::Receiver<Delivered> {
        *lock(&self.used) = Instant::now();
        let (to, receiver) = mpsc::channel(WAITING);
        lock(&self.waiting).insert(caller, Waiting { to, held: false });
        receiver
    }

    /// A request becomes a stream of notices, which is no call in progress.
    pub(crate) fn hold(&self, caller: Caller) {
        if let Some(waiting) = lock(&self.waiting).get_mut(&caller) {
            waiting.held = true;
        }
    }

    /// What the agent watches here.
    pub(super) fn watched(&self) -> MutexGuard<'_, Watched> {
        lock(&self.watched)
    }

    /// Whether the server speaks the stateless revision.
    pub(crate) fn is_stateless(&self) -> bool {
        lock(&self.link).revision().is_some_and(Revision::stateless)
    }

    pub(crate) fn unregister(&self, caller: Caller) {
        lock(&self.waiting).remove(&caller);
    }

    /// Adds a stream of change notices.
    pub(crate) fn listen(&self, filter: Filter, to: mpsc::Sender<Message>) -> Result<(), Code> {
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
        let slot = catalogs.get(kind as usize)?.as_ref();
        slot.map(|(catalog, _)| Arc::clone(catalog))
    }

    pub(crate) fn keep_catalog(&self, kind: ListKind, catalog: Option<Arc<Catalog>>) {
        // One that there is no room for is read again when it is needed.
        let kept = catalog.and_then(|catalog| Some((self.room.take(catalog.bytes()).ok()?, catalog)));
        if let Some(slot) = lock(&self.catalogs).get_mut(kind as usize) {
            *slot = kept.map(|(room, catalog)| (catalog, room));
        }
    }

    /// Ends the conversation; everyone who waits is told.
    pub(crate) fn close(&self, code: Code) {
        if !self.alive.swap(false, Ordering::AcqRel) {
            return;
        }
        lock(&self.link).close();
        for (_, waiting) in lock(&self.waiting).drain() {
            // A reader that has gone, or is full, finds its channel closed.
            let _told = waiting
                .to
                .try_send(Box::new((Delivery::Gone(code), self.room.nothing())));
        }
        lock(&self.listeners).clear();
        *self.watched() = Watched::default();
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
        if self.is_stateless() && matches!(self.way, Way::Http(_)) {
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
            flow: None,
            spending: None,
            proposer: None,
            bar: None,
            secrets: Default::default(),
        }
    }

    /// Reads a pipe until it ends.
    pub(crate) async fn read_pipe(self: Arc<Self>, mut lines: Lines) {
        let mut room = self.room.nothing();
        let code = loop {
            match lines.next(&mut room).await {
                Ok(Some(line)) => {
                    if let Some(shared) = self.shared.upgrade().filter(|_| lines.echoed()) {
                        shared.echoed(self.served.config.name.as_str());
                    }
                    if let Err(code) = self.take(&line, None).await {
                        self.misread(&line, code).await;
                    }
                    room.clear();
                }
                Ok(None) => break Code::ServerFailed,
                Err(code) => break code,
            }
            if !self.is_alive() {
                break Code::ServerFailed;
            }
        };
        if self.is_alive()
            && let Way::Pipe(child) = &self.way
        {
            let owner = Owner::of(&self.caller.principal);
            self.served
                .process_ended(&owner, self.born.elapsed(), child.complaints());
        }
        self.close(code);
    }

    /// Takes one message from the server.
    pub(crate) async fn take(self: &Arc<Self>, bytes: &[u8], related: Option<Caller>) -> Result<(), Code> {
        let mut events = Vec::new();
        lock(&self.link).receive(bytes, &mut events)?;
        for event in events {
            self.handle(event, related).await?;
        }
        Ok(())
    }

    /// Does what one event asks for.
    pub(super) async fn handle(self: &Arc<Self>, event: Event, related: Option<Caller>) -> Result<(), Code> {
        match event {
            Event::Write(bytes) => {
                let conn = Arc::clone(self);
                match &self.way {
                    Way::Pipe(_) => conn.say(bytes).await,
                    // The reader must go on while the server takes it.
                    Way::Http(_) => self.owe(async move { conn.say(bytes).await })?,
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
            Event::Lost { caller, code } => {
                self.served.health.misread(Some(code));
                self.gone(caller, code);
            }
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
                let notice = bartizan_wire::jsonrpc::notification(Method::Progress.as_str(), Some(&params));
                self.deliver(caller, Delivery::Notice(notice));
            }
            Event::Notice { method, params } => self.notice(method, params.as_deref(), related).await,
            Event::Asked { ask, method, params } => self.asked(ask, method, params, related)?,
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
        Ok(())
    }

    pub(super) fn deliver(&self, caller: Caller, delivery: Delivery) {
        let to = lock(&self.waiting).get(&caller).map(|waiting| waiting.to.clone());
        let Some(to) = to else { return };
        let notice = matches!(delivery, Delivery::Notice(_));
        let size = delivery.size();
        // Notices leave the last place free for the answer, so an agent that reads slowly loses progress, never it. And as
        // much room as they take: what comes next is read into it, and a stream that could not be read on would end.
        let room = self.room.take(if notice { size.saturating_mul(2) } else { size });
        let room = room.and_then(|mut room| room.resize(size).map(|()| room));
        if notice && (to.capacity() <= 2 || room.is_err()) {
            return tracing::debug!(server = %self.served.config.name, "a notice was dropped: the agent reads slowly");
        }
        // What there is no room for ends its request, which is told so.
        let delivery = match room {
            Ok(room) => (delivery, room),
            Err(Full) => (Delivery::Gone(Code::QueueFull), self.room.nothing()),
        };
        if let Err(fault) = to.try_send(Box::new(delivery)) {
            tracing::debug!(server = %self.served.config.name, %fault, "nobody takes an answer");
        }
    }

    /// Whose request a message without a number belongs to: the one it came with, or the only one there is.
    pub(super) fn relates(&self, related: Option<Caller>) -> Option<Caller> {
        related.or_else(|| {
            let waiting = lock(&self.waiting);
            let mut callers = waiting
                .iter()
                .filter(|(_, waiting)| !waiting.held)
                .map(|(caller, _)| caller);
            match (callers.next(), callers.next()) {
                (Some(only), None) => Some(*only),
                _ => None,
            }
        })
    }

    async fn notice(self: &Arc<Self>, method: Method, params: Option<&RawValue>, related: Option<Caller>) {
        let kinds: &[ListKind] = match method {
            Method::ToolsChanged => &[ListKind::Tools],
            Method::PromptsChanged => &[ListKind::Prompts],
            Method::ResourcesChanged => &[ListKind::Resources, ListKind::Templates],
            _ => &[],
        };
        for kind in kinds {
            self.keep_catalog(*kind, None);
        }
        if method == Method::Acknowledged || self.is_revoked() {
            return;
        }
        for (filter, to) in lock(&self.listeners).iter() {
            if filter.wants(method, params) {
                // A stream that is full or gone misses a hint to ask again; nothing else hangs on it.
                let hint = Message::within(&self.room, notices::stamped(method, params, &filter.id));
                let _hint = hint.map(|hint| to.try_send(hint));
            }
        }
        let message = if self.is_stateless() && related_to_lists(method) {
            // It came by the stream that we hold for the agent's session, which knows of no such streams.
            if method == Method::ResourceUpdated && !notices::names_one(params, &self.watched().uris) {
                return;
            }
            notices::unstamped(method, params)
        } else {
            bartizan_wire::jsonrpc::notification(method.as_str(), params)
        };
        let about_lists = related_to_lists(method);
        if !about_lists {
            self.caller.session.taint("");
        }
        let session = self.session.as_ref().and_then(Weak::upgrade);
        match (session, self.relates(related)) {
            (Some(session), _) if about_lists || session.listens() && related.is_none() => {
                self.tell(session, message).await;
            }
            (_, Some(caller)) if !about_lists => self.deliver(caller, Delivery::Notice(message)),
            (Some(session), None) => self.tell(session, message).await,
            (None, _) | (Some(_), Some(_)) => {}
        }
    }

    /// Whether its server was revoked: what it says unasked is then nobody's to hear. What it answers has its own ruling.
    fn is_revoked(&self) -> bool {
        let server = self.served.config.name.clone();
        let shared = self.shared.upgrade();
        shared.is_none_or(|shared| shared.revoked.ends(&Resource::Server { server }))
    }

    /// Tells an agent with a session what belongs to no request of its own. One in which something was seen is ruled on
    /// first, while the reader goes on; what policy forbids is not told.
    async fn tell(self: &Arc<Self>, session: Arc<AgentSession>, message: Vec<u8>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let facts = self.facts(Action::Notify, &message);
        let noticed = labels::noticed(&shared, &self.caller, facts.id, message).await;
        let (findings, message) = match noticed {
            Ok(noticed) => noticed,
            Err(code) => return self.refused(code),
        };
        if findings.is_empty() {
            if let Err(code) = session.post(message) {
                self.refused(code);
            }
            return;
        }
        let conn = Arc::clone(self);
        let flooded = self.owe(async move {
            // A refusal has been recorded, and the server is owed no answer to a notice.
            if super::rule_on(&shared, &conn.caller, facts, findings)
                .await
                .is_ok()
                && let Err(code) = session.post(message)
            {
                conn.refused(code);
            }
        });
        if let Err(code) = flooded {
            self.refused(code);
        }
    }

    fn asked(
        self: &Arc<Self>,
        ask: Ask,
        method: Method,
        params: Option<Box<RawValue>>,
        related: Option<Caller>,
    ) -> Result<(), Code> {
        match &self.session {
            // A stateless agent is asked through the result of the request that runs.
            None => match self.relates(related) {
                Some(caller) => {
                    self.deliver(caller, Delivery::Ask { ask, method, params });
                    Ok(())
                }
                None => {
                    let conn = Arc::clone(self);
                    self.owe(async move { conn.refuse_ask(ask, Code::MessageInvalid).await })
                }
            },
            Some(session) => {
                let (conn, session) = (Arc::clone(self), session.clone());
                let to = self.relates(related);
                self.owe(async move { conn.put(ask, method, params, session, to).await })
            }
        }
    }

    /// Does what the conversation owes its server while the reader goes on. A server that asks for more at once than
    /// it lets us finish is flooding, which ends the conversation: everyone who waits is told so.
    fn owe(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Code> {
        let place = Arc::clone(&self.owed).try_acquire_owned();
        let place = place.map_err(|_| {
            self.close(Code::QueueFull);
            Code::QueueFull
        })?;
        tokio::spawn(async move {
            work.await;
            drop(place);
        });
        Ok(())
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
        let params = match self.question(&shared, &self.caller, method, params).await {
            Ok(params) => params,
            Err(code) => return self.refuse_ask(ask, code).await,
        };
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

    /// Looks into a question of the server and rules on it. Gives the question as the agent may see it.
    ///
    /// # Errors
    /// Why it is not put: policy says so, or it can't be masked.
    pub(crate) async fn question(
        &self,
        shared: &Arc<Shared>,
        caller: &gate::Caller,
        method: Method,
        params: Option<Box<RawValue>>,
    ) -> Result<Option<Box<RawValue>>, Code> {
        let bytes = params
            .as_deref()
            .map_or(&[][..], |params| params.get().as_bytes());
        let facts = self.facts(method.action(), bytes);
        let (findings, params) = labels::questioned(shared, caller, facts.id, params).await?;
        let ruled = super::rule_on(shared, caller, facts, findings).await;
        ruled.map_err(|refusal| refusal.code)?;
        Ok(params)
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

/// Notices about what a server has, which belong to no request.
const fn related_to_lists(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsChanged | Method::PromptsChanged | Method::ResourcesChanged | Method::ResourceUpdated
    )
}
