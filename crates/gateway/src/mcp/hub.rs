//! What outlives one request: configured servers with their pins, agents' sessions, conversations with servers, and
//! calls parked until an agent has answered a question.
//!
//! INVARIANT: a session, a conversation and a parked call belong to one identity; whoever else presents their id is
//! told that there is no such thing. All three are bounded in number and end when idle.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bartizan_guard::breaker::Breaker;
use bartizan_mcp::{Ask, Caller, Catalog, ListKind, Names, Outcome, ServerPins, session::Session};
use bartizan_store::State;
use bartizan_types::{AgentId, Code, Issuer, Principal, ServerName, ToolName, UserId};
use http::StatusCode;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use super::{
    conn::Conn,
    flow::{Flight, Message},
    health::{Health, ServerStatus},
    manifests::{Manifests, accepted::Signer},
    program::Known,
    rests::Rests,
};
use crate::{
    clock,
    config::{self, Config, Reach},
    room::Room,
    upstream::{Pool, SigningFault, sign::Signing, svid::OwnSvid},
};

/// Agents' sessions at most.
const SESSIONS: usize = 4096;
/// Sessions of one identity at most.
const SESSIONS_EACH: usize = 64;
/// Conversations with servers at most; for stdio each is a process.
const CONNS: usize = 512;
/// Conversations of one identity with one server at most.
const CONNS_EACH: usize = 16;
/// Parked calls at most.
const PARKED: usize = 256;
/// How long a call waits for an agent's answer.
const PARKED_FOR: Duration = Duration::from_secs(600);
/// Messages kept for an agent that has no stream open.
const KEPT: usize = 64;

/// Locks; a panic elsewhere leaves values that are whole between statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose something is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(super) agent: AgentId,
    pub(super) user: Option<UserId>,
    pub(super) issuer: Issuer,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "{} for {user}", self.agent),
            None => write!(f, "{}", self.agent),
        }
    }
}

impl Owner {
    /// The identity of a caller.
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            agent: principal.agent.clone(),
            user: principal.user.clone(),
            issuer: principal.issuer.clone(),
        }
    }
}

/// A configured server.
pub(crate) struct Served {
    /// Its configuration.
    pub config: config::Server,
    /// Connections to it, where it is reached over HTTP.
    pub pool: Option<Arc<Pool>>,
    /// What speaks for requests to it, where a key of the store does.
    pub signing: Option<Arc<Signing>>,
    pins: Mutex<Option<ServerPins>>,
    catalogs: Mutex<[Option<Arc<Catalog>>; 4]>,
    /// Who may not start it for a while.
    pub(super) rests: Rests,
    breaker: Mutex<Breaker>,
    manifests: Arc<Manifests>,
    /// The program that ran last.
    pub(super) program: Known,
    /// How it does.
    pub(super) health: Health,
}

impl Served {
    /// Whether a request may go to it over HTTP; else after how many seconds trying again may help.
    ///
    /// # Errors
    /// The seconds.
    pub(crate) fn admit(&self) -> Result<(), u32> {
        lock(&self.breaker).admit(clock::now())
    }

    /// It answered a request. One that says that it can't serve has failed all the same.
    pub(crate) fn answered(&self, status: StatusCode) {
        let mut breaker = lock(&self.breaker);
        if matches!(status.as_u16(), 502..=504) {
            breaker.failed(clock::now());
        } else {
            breaker.answered();
        }
    }

    /// A request to it failed on the way.
    pub(crate) fn broke(&self) {
        lock(&self.breaker).failed(clock::now());
    }

    /// Works on its pins and stores them when `work` says that they changed. A pin that can't be stored would be
    /// forgotten by a restart, so then nothing is given out.
    ///
    /// # Errors
    /// [`Code::Bug`] when the state can't be read or written.
    pub(crate) fn with_pins<T>(
        &self,
        state: &State,
        work: impl FnOnce(&mut ServerPins) -> (T, bool),
    ) -> Result<T, Code> {
        let mut slot = lock(&self.pins);
        let mut pins = match slot.take() {
            Some(pins) => pins,
            None => super::pins::load(state, &self.config.name)?,
        };
        let before = pins.clone();
        let (done, changed) = work(&mut pins);
        if changed {
            super::pins::save(state, &before, &pins)?;
            // Before anyone can call by what was listed.
            self.manifests.refresh(&pins);
        }
        *slot = Some(pins);
        Ok(done)
    }

    /// What this server listed last, to whomever: lends its compiled schemas to the next listing.
    pub(crate) fn last_catalog(&self, kind: ListKind) -> Option<Arc<Catalog>> {
        lock(&self.catalogs).get(kind as usize).and_then(Clone::clone)
    }

    /// Remembers a listing.
    pub(crate) fn keep_catalog(&self, kind: ListKind, catalog: &Arc<Catalog>) {
        if let Some(slot) = lock(&self.catalogs).get_mut(kind as usize) {
            *slot = Some(Arc::clone(catalog));
        }
    }

    /// Reads the pins again: they were changed in the state.
    ///
    /// # Errors
    /// [`Code::Bug`] when the state can't be read; then nothing of this server is labelled.
    pub(crate) fn reread_pins(&self, state: &State) -> Result<(), Code> {
        let mut slot = lock(&self.pins);
        *slot = None;
        self.manifests.forget(&self.config.name);
        let pins = super::pins::load(state, &self.config.name)?;
        self.manifests.refresh(&pins);
        *slot = Some(pins);
        Ok(())
    }
}

/// An agent's session (2025 revisions, and pipes).
pub(crate) struct AgentSession {
    /// Its id, minted by us.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// The protocol's side of it.
    pub state: Mutex<Session>,
    stream: Mutex<Outbox>,
    /// What may wait for the agent.
    room: Room,
    seen: Mutex<Instant>,
}

#[derive(Default)]
struct Outbox {
    open: Option<mpsc::Sender<Message>>,
    kept: VecDeque<Message>,
}

impl AgentSession {
    /// Puts a message on the agent's own stream, or keeps it until one is open.
    ///
    /// # Errors
    /// [`Code::QueueFull`] when too many wait, or too much.
    pub(crate) fn post(&self, message: Vec<u8>) -> Result<(), Code> {
        let message = Message::within(&self.room, message)?;
        let mut outbox = lock(&self.stream);
        let message = match &outbox.open {
            None => message,
            Some(open) => match open.try_send(message) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => return Err(Code::QueueFull),
                Err(mpsc::error::TrySendError::Closed(message)) => {
                    outbox.open = None;
                    message
                }
            },
        };
        if outbox.kept.len() >= KEPT {
            return Err(Code::QueueFull);
        }
        outbox.kept.push_back(message);
        Ok(())
    }

    /// Whether the agent listens.
    pub(crate) fn listens(&self) -> bool {
        lock(&self.stream)
            .open
            .as_ref()
            .is_some_and(|open| !open.is_closed())
    }

    /// Opens the agent's stream; a former one ends.
    pub(crate) fn listen(&self) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(KEPT * 2);
        let mut outbox = lock(&self.stream);
        for message in outbox.kept.drain(..) {
            // There is room for all: twice as many fit as are kept.
            let _fits = sender.try_send(message);
        }
        outbox.open = Some(sender);
        receiver
    }
}

/// A call of a stateless agent that waits for the agent's answers.
pub(crate) struct Parked {
    /// Whose it is.
    pub owner: Owner,
    /// The call, as it was made: the retry must be the same.
    pub digest: bartizan_types::Digest,
    /// The questions of the server, by the key the agent knows them by.
    pub asks: Vec<(String, Ask)>,
    /// The call itself.
    pub flight: Box<Flight>,
    since: Instant,
}

type Key = (ServerName, Owner, String);
/// Where one conversation is, or will be. Whoever holds the lock may open it.
type Slot = Arc<AsyncMutex<Option<Arc<Conn>>>>;

/// See the module.
pub(crate) struct Hub {
    servers: Vec<Arc<Served>>,
    sessions: Mutex<HashMap<String, Arc<AgentSession>>>,
    conns: Mutex<HashMap<Key, Slot>>,
    parked: Mutex<HashMap<String, Parked>>,
    collecting: Mutex<HashMap<Ask, oneshot::Sender<Outcome>>>,
    next: AtomicU64,
    idle: Duration,
    /// What each tool does, and what its arguments and results are.
    pub manifests: Arc<Manifests>,
}

impl Hub {
    /// The configured servers, none of them started.
    ///
    /// # Errors
    /// [`SigningFault`] where nothing can be signed for a server, or the trust roots can't be used.
    pub(crate) fn new(
        config: &Config,
        state: &State,
        signer: Option<Signer>,
        own: &Arc<OwnSvid>,
    ) -> Result<Self, SigningFault> {
        let mut servers = Vec::new();
        let manifests = Arc::new(Manifests::new(&config.servers, state, signer));
        for server in &config.servers {
            let patience = config.limits.connect_timeout;
            let (pool, signing) = match &server.reach {
                Reach::Stdio { .. } => (None, None),
                Reach::Http { url, .. } | Reach::LegacySse { url, .. } => {
                    let signing = server.sign.as_ref();
                    let signing = signing
                        .map(|signed| Signing::new(signed, url, patience))
                        .transpose()?;
                    let workload = server.spiffe_id.as_ref().map(|id| (own, id));
                    let pool = Pool::operators(workload, None, patience)?;
                    (Some(Arc::new(pool)), signing.map(Arc::new))
                }
            };
            servers.push(Arc::new(Served {
                config: server.clone(),
                pool,
                signing,
                pins: Mutex::new(None),
                catalogs: Mutex::new(Default::default()),
                rests: Rests::default(),
                breaker: Mutex::default(),
                manifests: Arc::clone(&manifests),
                program: Known::default(),
                health: Health::default(),
            }));
        }
        for served in &servers {
            // What can't be read now fails again, and aloud, when the server is first used.
            let _unlabelled = served.reread_pins(state);
        }
        Ok(Self {
            servers,
            sessions: Mutex::new(HashMap::new()),
            conns: Mutex::new(HashMap::new()),
            parked: Mutex::new(HashMap::new()),
            collecting: Mutex::new(HashMap::new()),
            // Numbers below are the links' own.
            next: AtomicU64::new(1 << 48),
            idle: config.sessions.idle,
            manifests,
        })
    }

    /// The servers behind one endpoint: all, or the one named.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`] when there is none.
    pub(crate) fn scope(&self, only: Option<&ServerName>) -> Result<Names, Code> {
        let names: Vec<ServerName> = self
            .servers
            .iter()
            .map(|served| served.config.name.clone())
            .filter(|name| only.is_none_or(|only| only == name))
            .collect();
        if names.is_empty() {
            return Err(Code::ServerUnknown);
        }
        Names::new(names).map_err(|fault| {
            tracing::error!(%fault, "the names of the servers can't be published together");
            Code::ServerUnknown
        })
    }

    /// The tool over MCP that an agent's name for a tool means: the tool's own, or with its server before it, as
    /// agents' frameworks write it.
    pub(crate) fn tool_named(&self, name: &str) -> Option<(ServerName, ToolName)> {
        self.servers.iter().find_map(|served| {
            let server = &served.config.name;
            let prefixed = name.strip_prefix("mcp__").unwrap_or(name);
            let bare = prefixed
                .strip_prefix(server.as_str())
                .and_then(|rest| rest.strip_prefix("__"));
            [Some(name), bare].into_iter().flatten().find_map(|own| {
                let tool = ToolName::new(own).ok()?;
                self.manifests.find(server, &tool)?;
                Some((server.clone(), tool))
            })
        })
    }

    /// A server by name.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`].
    pub(crate) fn served(&self, name: &ServerName) -> Result<&Arc<Served>, Code> {
        self.servers
            .iter()
            .find(|served| served.config.name == *name)
            .ok_or(Code::ServerUnknown)
    }

    /// Every server but one.
    pub(crate) fn others(&self, name: &ServerName) -> impl Iterator<Item = &Arc<Served>> {
        self.servers
            .iter()
            .filter(move |served| served.config.name != *name)
    }

    /// A number never used before.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A caller never used before.
    pub(crate) fn caller(&self) -> Caller {
        Caller(self.number())
    }

    /// Opens a session. At the bounds, the identity's own longest unused one makes room: many clients end without a
    /// word, and must not lock themselves out.
    ///
    /// # Errors
    /// [`Code::QueueFull`] at the bounds, when none of its own is quiet.
    pub(crate) fn open_session(
        &self,
        owner: Owner,
        state: Session,
        room: Room,
    ) -> Result<Arc<AgentSession>, Code> {
        self.sweep();
        let full = |sessions: &HashMap<String, Arc<AgentSession>>| {
            let own = sessions.values().filter(|session| session.owner == owner).count();
            sessions.len() >= SESSIONS || own >= SESSIONS_EACH
        };
        let over = full(&lock(&self.sessions));
        if over && let Some(quiet) = self.quietest(&owner, |_| true) {
            self.close_session(&quiet);
        }
        let mut sessions = lock(&self.sessions);
        if full(&sessions) {
            return Err(Code::QueueFull);
        }
        let session = Arc::new(AgentSession {
            id: handle(),
            owner,
            state: Mutex::new(state),
            stream: Mutex::new(Outbox::default()),
            room,
            seen: Mutex::new(Instant::now()),
        });
        sessions.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// The session of that id, if it is this owner's.
    ///
    /// # Errors
    /// [`Code::SessionUnknown`], the same whether it never was, has ended, or is somebody else's.
    pub(crate) fn session(&self, id: &str, owner: &Owner) -> Result<Arc<AgentSession>, Code> {
        let sessions = lock(&self.sessions);
        let session = sessions
            .get(id)
            .filter(|session| session.owner == *owner)
            .ok_or(Code::SessionUnknown)?;
        *lock(&session.seen) = Instant::now();
        Ok(Arc::clone(session))
    }

    /// The longest unused session of an identity that nobody listens on and that has no request in flight.
    fn quietest(&self, owner: &Owner, also: impl Fn(&AgentSession) -> bool) -> Option<Arc<AgentSession>> {
        lock(&self.sessions)
            .values()
            .filter(|session| session.owner == *owner && !session.listens() && also(session))
            .filter(|session| lock(&session.state).is_quiet())
            .min_by_key(|session| *lock(&session.seen))
            .map(Arc::clone)
    }

    /// Ends a session and its conversations.
    pub(crate) fn close_session(&self, session: &AgentSession) {
        lock(&self.sessions).remove(&session.id);
        self.close_scope(&session.id);
    }

    fn close_scope(&self, scope: &str) {
        self.close_where(|(_, _, of)| of == scope, Code::SessionUnknown);
    }

    /// Ends all conversations with a server, so that the next call greets it anew: what it says of itself is held against
    /// its pins in the greeting, and an operator changed those.
    pub(crate) fn greet_anew(&self, server: &ServerName) {
        self.close_where(|(of, _, _)| of == server, Code::ServerFailed);
    }

    fn close_where(&self, ends: impl Fn(&Key) -> bool, code: Code) {
        let mut gone = Vec::new();
        lock(&self.conns).retain(|key, slot| {
            let keep = !ends(key);
            if !keep {
                gone.push(Arc::clone(slot));
            }
            keep
        });
        for slot in gone {
            tokio::spawn(async move {
                if let Some(conn) = slot.lock().await.take() {
                    conn.close(code);
                }
            });
        }
    }

    /// The place of one conversation. Whoever locks it may open it. At the bounds, the longest unused of the same
    /// identity makes room, and its session ends with it.
    ///
    /// # Errors
    /// [`Code::QueueFull`] at the bounds, when all of its own are in use.
    pub(crate) fn slot(&self, server: &ServerName, owner: &Owner, scope: &str) -> Result<Slot, Code> {
        let key = (server.clone(), owner.clone(), scope.to_owned());
        if let Some(slot) = lock(&self.conns).get(&key) {
            return Ok(Arc::clone(slot));
        }
        self.sweep();
        let full = |conns: &HashMap<Key, Slot>| {
            let own = conns
                .keys()
                .filter(|(of, whose, _)| of == server && whose == owner);
            conns.len() >= CONNS || own.count() >= CONNS_EACH
        };
        let over = full(&lock(&self.conns));
        if over {
            self.make_room(server, owner, scope);
        }
        let mut conns = lock(&self.conns);
        if full(&conns) {
            return Err(Code::QueueFull);
        }
        Ok(Arc::clone(conns.entry(key).or_default()))
    }

    /// Ends the longest unused conversation of an identity with a server: a session's first, a stateless one's if no
    /// session is quiet. `but` is the scope that wants the room.
    fn make_room(&self, server: &ServerName, owner: &Owner, but: &str) {
        let scopes: Vec<String> = lock(&self.conns)
            .keys()
            .filter(|(of, whose, scope)| of == server && whose == owner && scope != but)
            .map(|(_, _, scope)| scope.clone())
            .collect();
        if let Some(session) = self.quietest(owner, |session| scopes.contains(&session.id)) {
            return self.close_session(&session);
        }
        let sessions: Vec<String> = lock(&self.sessions).keys().cloned().collect();
        let mut conns = lock(&self.conns);
        let quiet = |slot: &Slot| {
            let slot = slot.try_lock().ok()?;
            match &*slot {
                Some(conn) if conn.is_busy() => None,
                Some(conn) => Some(conn.idle()),
                None => Some(Duration::MAX),
            }
        };
        let oldest = conns
            .iter()
            .filter(|((of, whose, scope), _)| {
                of == server && whose == owner && scope != but && !sessions.contains(scope)
            })
            .filter_map(|(key, slot)| Some((quiet(slot)?, key.clone())))
            .max_by_key(|(idle, _)| *idle);
        if let Some((_, key)) = oldest
            && let Some(slot) = conns.remove(&key)
            && let Ok(mut slot) = slot.try_lock()
            && let Some(conn) = slot.take()
        {
            conn.close(Code::ServerFailed);
        }
    }

    /// Visits the open conversations of a session.
    pub(crate) fn each_conn(&self, owner: &Owner, scope: &str, mut visit: impl FnMut(&Arc<Conn>)) {
        let slots: Vec<_> = lock(&self.conns)
            .iter()
            .filter(|((_, whose, of), _)| whose == owner && of == scope)
            .map(|(_, slot)| Arc::clone(slot))
            .collect();
        for slot in slots {
            // One that is being opened has nothing in flight yet.
            if let Ok(held) = slot.try_lock()
                && let Some(conn) = held.as_ref().filter(|conn| conn.is_alive())
            {
                visit(conn);
            }
        }
    }

    /// How each server does.
    pub(crate) fn status(&self) -> Vec<ServerStatus> {
        let conns = lock(&self.conns);
        let alive = |slot: &Slot| match slot.try_lock() {
            Ok(held) => held.as_ref().is_some_and(|conn| conn.is_alive()),
            // Someone is opening it.
            Err(_) => true,
        };
        let open = |name: &ServerName| {
            let own = conns.iter().filter(|((of, _, _), _)| of == name);
            own.filter(|(_, slot)| alive(slot)).count()
        };
        let one = |served: &Arc<Served>| {
            let (last_failure, stderr) = served.health.last();
            ServerStatus {
                name: served.config.name.clone(),
                reach: match served.config.reach {
                    Reach::Stdio { .. } => "stdio",
                    Reach::Http { .. } => "http",
                    Reach::LegacySse { .. } => "sse",
                },
                conversations: open(&served.config.name),
                last_failure,
                stderr,
                unread: served.health.unread(),
                resting: served.rests.shown(Instant::now()),
            }
        };
        self.servers.iter().map(one).collect()
    }

    /// Every conversation forgets its listings: pins were changed by an operator.
    pub(crate) fn forget_listings(&self, server: &ServerName) {
        let slots: Vec<_> = lock(&self.conns)
            .iter()
            .filter(|((of, _, _), _)| of == server)
            .map(|(_, slot)| Arc::clone(slot))
            .collect();
        for slot in slots {
            if let Ok(held) = slot.try_lock()
                && let Some(conn) = held.as_ref()
            {
                for kind in ListKind::ALL {
                    conn.keep_catalog(kind, None);
                }
            }
        }
    }

    /// Ends what has been idle for too long.
    pub(crate) fn sweep(&self) {
        let mut ended = Vec::new();
        lock(&self.sessions).retain(|id, session| {
            let keep = lock(&session.seen).elapsed() < self.idle || session.listens();
            if !keep {
                ended.push(id.clone());
            }
            keep
        });
        for id in ended {
            self.close_scope(&id);
        }
        lock(&self.parked).retain(|_, parked| parked.since.elapsed() < PARKED_FOR);
        lock(&self.collecting).retain(|_, waiting| !waiting.is_closed());
        lock(&self.conns).retain(|_, slot| match slot.try_lock() {
            Ok(mut slot) => match &*slot {
                Some(conn) if conn.is_alive() && (conn.is_busy() || conn.idle() < self.idle) => true,
                Some(conn) => {
                    conn.close(Code::ServerFailed);
                    *slot = None;
                    false
                }
                None => false,
            },
            // Someone is opening it.
            Err(_) => true,
        });
    }

    /// Ends every conversation: the gateway stops.
    pub(crate) fn close(&self) {
        lock(&self.sessions).clear();
        lock(&self.parked).clear();
        for (_, slot) in lock(&self.conns).drain() {
            if let Ok(mut slot) = slot.try_lock()
                && let Some(conn) = slot.take()
            {
                conn.close(Code::Draining);
            }
        }
    }

    /// Parks a call; gives the handle to ask for it by.
    ///
    /// # Errors
    /// [`Code::QueueFull`] at the bound.
    pub(crate) fn park(
        &self,
        owner: Owner,
        digest: bartizan_types::Digest,
        asks: Vec<(String, Ask)>,
        flight: Box<Flight>,
    ) -> Result<String, Code> {
        self.sweep();
        let mut parked = lock(&self.parked);
        if parked.len() >= PARKED {
            return Err(Code::QueueFull);
        }
        let handle = format!("bz1.{}", handle());
        parked.insert(
            handle.clone(),
            Parked {
                owner,
                digest,
                asks,
                flight,
                since: Instant::now(),
            },
        );
        Ok(handle)
    }

    /// Takes a parked call back, once, for its owner and for the very call it was.
    ///
    /// # Errors
    /// [`Code::MessageInvalid`], whatever of these is wrong.
    pub(crate) fn unpark(
        &self,
        handle: &str,
        owner: &Owner,
        digest: bartizan_types::Digest,
    ) -> Result<Parked, Code> {
        let mut parked = lock(&self.parked);
        let fits = parked.get(handle).is_some_and(|parked| {
            parked.owner == *owner && parked.digest == digest && parked.since.elapsed() < PARKED_FOR
        });
        if !fits {
            return Err(Code::MessageInvalid);
        }
        parked.remove(handle).ok_or(Code::MessageInvalid)
    }

    /// Waits for an agent's answer to a question that we put to it ourselves.
    pub(crate) fn collect(&self) -> (Ask, oneshot::Receiver<Outcome>) {
        let ask = Ask(self.number());
        let (sender, receiver) = oneshot::channel();
        lock(&self.collecting).insert(ask, sender);
        (ask, receiver)
    }

    /// Hands an answer to whoever collects it. Gives it back if nobody does: then it is a server's.
    pub(crate) fn collected(&self, ask: Ask, outcome: Outcome) -> Option<Outcome> {
        match lock(&self.collecting).remove(&ask) {
            None => Some(outcome),
            Some(waiting) => {
                // Whoever waited has gone away: the answer is for nobody.
                let _unheard = waiting.send(outcome);
                None
            }
        }
    }
}

/// 128 random bits as hex: never chosen by a client, never guessed.
fn handle() -> String {
    clock::random::<16>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
