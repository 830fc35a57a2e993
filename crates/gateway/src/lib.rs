//! The gateway: owns sockets, processes and clocks, and decides nothing. It turns bytes into calls, has the guard
//! rule on them, and moves bytes only where a permit or a release says so.
//!
//! Entry points: [`Gateway::start`] and the [`Running`] it gives. The way of one call is in `gate`; the only way out
//! is `upstream`.

mod a2a;
mod answer;
mod approvals;
mod clock;
mod directory;
mod edge;
mod egress;
mod errand;
mod gate;
mod given;
mod handing;
mod hook;
mod inspect;
mod listener;
mod mcp;
mod model;
mod nonces;
mod oauth;
mod pinned;
mod privacy;
mod reins;
mod rejections;
mod resource;
mod room;
mod serve;
mod sessions;
mod spending;
mod tls;
mod turns;
mod unread;
mod unwritten;
mod upstream;
mod workload;

pub mod admin;
pub mod authority;
pub mod config;
pub mod meters;
pub mod telemetry;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use bartizan_guard::loops::Loops;
use bartizan_identity::{Presented, Registry, Replays, TokenCache};
use bartizan_policy::Policy;
use bartizan_store::{ApprovalStore, GrantStore, Ledger, Secrets, State, VaultStore};
use bartizan_types::{Code, Principal, Record, RecordKind, Secret, Timestamp};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

pub use a2a::PeerStatus;
pub use approvals::{ApprovalFault, Approvals};
pub use config::Config;
pub use directory::{Directory, DirectoryKeys, Domains, IssuerSource, KeysAt, ReloadFault};
pub use gate::CallSpan;
pub use inspect::{ClassifierFault, InspectFault};
pub use mcp::{Labelled, Looked, Manifests, Resting, ReviewFault, ServerStatus, Standing, StdioFault, pins};
pub use meters::Meters;
pub use model::UpstreamStatus;
pub use reins::Revoked;
pub use spending::{BooksFault, Budgets};
pub use upstream::{RootsFault, SigningFault};

use crate::{
    mcp::Signer, rejections::Rejections, room::Rooms, sessions::Sessions, turns::Turns,
    upstream::svid::OwnSvid,
};

/// Verified tokens remembered.
const TOKENS: usize = 16_384;
/// DPoP proofs remembered, about 150 bytes each: 1,000 calls/s of one proof each for the time that one is good.
const PROOFS: usize = 262_144;

/// What the gateway is given to work with.
pub struct Parts {
    /// The policy to start with.
    pub policy: Arc<Policy>,
    /// Who may call: issuers and the pepper; the keys themselves are in the state.
    pub directory: Directory,
    /// The log.
    pub ledger: Ledger,
    /// Upstreams' credentials.
    pub secrets: Arc<Secrets>,
    /// Agents, pins, settings.
    pub state: Arc<State>,
    /// Signs the tool manifests that an operator accepts: [`bartizan_store::Purpose::Manifests`].
    pub manifest_seed: Secret<[u8; 32]>,
    /// What the roots of opened tunnels are derived from: [`bartizan_store::Purpose::Interception`].
    pub interception_seed: Secret<[u8; 32]>,
    /// Questions to humans, sealed.
    pub approvals: ApprovalStore,
    /// What users granted us at MCP servers, sealed.
    pub grants: GrantStore,
    /// Vaults of identities, sealed; needed where `[privacy]` keeps them.
    pub vaults: Option<VaultStore>,
    /// Where finished calls are reported, if anywhere. Full queue: the span is dropped and counted by its reader.
    pub spans: Option<telemetry::Outlet>,
}

/// Why the gateway can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The address can't be bound.
    #[error("can't listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Off loopback without TLS.
    #[error("`{address}` is not loopback, so it needs `[listen] tls`")]
    Plaintext {
        /// The address.
        address: SocketAddr,
    },
    /// The certificate or key can't be used.
    #[error("the TLS certificate or key can't be used: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// An upstream's trust roots can't be used.
    #[error(transparent)]
    Roots(#[from] RootsFault),
    /// Nothing can be signed for a place.
    #[error(transparent)]
    Signing(#[from] SigningFault),
    /// The root of opened tunnels can't be made.
    #[error("the root of opened tunnels can't be made")]
    Interception(#[from] authority::AuthorityFault),
    /// Agents or issuers can't be read, or contradict each other.
    #[error(transparent)]
    Directory(#[from] ReloadFault),
    /// Questions and answers that were kept can't be taken up.
    #[error("what was kept of approvals can't be taken up")]
    Approvals(#[from] ApprovalFault),
    /// The keys that a peer's card must be signed with can't be used.
    #[error("the key set `{path}` can't be used: {reason}")]
    CardKeys {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// A peer's address has no place for a card.
    #[error("the address of the peer `{peer}` leads to no card; name it with `card`")]
    PeerAddress {
        /// Which.
        peer: String,
    },
    /// Inspection can't start.
    #[error(transparent)]
    Inspect(#[from] inspect::InspectFault),
    /// What budgets used can't be taken up.
    #[error(transparent)]
    Budgets(#[from] BooksFault),
    /// Revocations that were kept can't be taken up.
    #[error("the revocations that were kept can't be read")]
    Revocations(#[source] bartizan_store::Fault),
    /// A name in the configuration points nowhere.
    #[error("`{from}` names the upstream `{to}`, which is not configured")]
    UnknownUpstream {
        /// Who points.
        from: String,
        /// Where to.
        to: String,
    },
}

/// Everything that serves calls, shared by all connections.
pub struct Shared {
    /// The configuration it started with.
    pub config: Config,
    /// The policy in force; swapped whole.
    pub policy: ArcSwap<Policy>,
    /// Who may call; swapped whole.
    pub registry: Arc<ArcSwap<Registry>>,
    /// Counts those swaps, for whoever was let in for longer than a request.
    registered: watch::Sender<u64>,
    /// What workloads are shown that we call.
    pub(crate) own: Arc<OwnSvid>,
    directory: Directory,
    /// The log.
    pub ledger: Ledger,
    /// Upstreams' credentials.
    pub secrets: Arc<Secrets>,
    /// Agents, pins, settings.
    pub state: Arc<State>,
    /// Questions to humans.
    pub approvals: Arc<Approvals>,
    /// Counters.
    pub meters: Arc<Meters>,
    /// What may be spent, and what is.
    pub budgets: Budgets,
    /// What is revoked.
    pub revoked: Arc<Revoked>,
    address: SocketAddr,
    tokens: TokenCache,
    /// DPoP proofs that were used.
    replays: Replays,
    /// What proofs have to have in them, where that is asked for.
    nonces: Option<nonces::Nonces>,
    sessions: Sessions,
    rejections: Rejections,
    slots: Arc<Semaphore>,
    /// Whose work is done next.
    turns: Arc<Turns>,
    /// What request bodies may take in memory.
    bodies: Rooms,
    /// What answers, and what waits for agents, may take in memory.
    answers: Rooms,
    /// Who goes round in circles.
    loops: Mutex<Loops>,
    routes: model::Routes,
    mcp: mcp::Hub,
    /// What users granted us at MCP servers.
    wallets: oauth::Wallets,
    peers: a2a::Peers,
    /// The way to the web, where there is one.
    egress: Option<egress::Proxy>,
    /// Who says who we are, where somebody does.
    workload: Option<Arc<workload::Workload>>,
    hooks: hook::Hooks,
    inspector: Option<Arc<inspect::Inspector>>,
    privacy: Option<Arc<privacy::Privacy>>,
    spans: Option<telemetry::Outlet>,
    stop: watch::Sender<bool>,
}

impl Shared {
    /// The address agents reach.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address at which agents reach the web, where there is one.
    #[must_use]
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.egress.as_ref().map(egress::Proxy::address)
    }

    /// Sessions alive.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether draining has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.stop.borrow()
    }

    /// Upstreams by name, with the last failure of each.
    #[must_use]
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        self.routes.status()
    }

    /// MCP servers by name, with the last failure of each.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.mcp.status()
    }

    /// Peers by name, with how their cards stand and the last failure of each.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.peers.status()
    }

    fn authenticate(&self, presented: &Presented<'_>, now: Timestamp) -> Result<Arc<Principal>, Code> {
        let judged = self
            .tokens
            .judge(&self.registry.load(), presented, &self.replays, now);
        judged.map_err(|fault| {
            if fault.code() == Code::TokenKey {
                self.directory.want();
            }
            fault.code()
        })
    }

    /// Counts a call of a tool or to a peer; gives what stands in its way if its agent goes round in circles.
    fn circles(
        &self,
        caller: &gate::Caller,
        likeness: bartizan_types::Digest,
    ) -> Option<Box<bartizan_types::Bar>> {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let session = caller.session.id;
        let bar = loops.count(session, &caller.principal, likeness, clock::now());
        bar.map(Box::new)
    }

    fn report(&self, span: &CallSpan) {
        if let Some(spans) = &self.spans {
            spans.offer(span);
        }
    }
}

/// Starts gateways.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Binds the listener and serves until [`Running::drain`].
    ///
    /// # Errors
    /// [`StartFault`], before anything is served.
    pub async fn start(config: Config, parts: Parts) -> Result<Running, StartFault> {
        let wanted = secured(&config.listen)?;
        let issuing = tls::Issuing {
            authority: parts.directory.authority(),
            state: &parts.state,
        };
        let (listener_key, tls) = tls::open(&config.listen, &issuing)?.unzip();
        let mint = egress::Mint::new(&parts.interception_seed);
        let (egress, web) = egress::Proxy::bind(&config, mint).await?.unzip();
        parts.directory.check_roots(config.limits.connect_timeout)?;
        parts.directory.read_files(clock::now());
        let registry = Arc::new(ArcSwap::from_pointee(parts.directory.registry(&parts.state)?));
        let own = OwnSvid::new(Arc::clone(&registry));
        let routes = model::Routes::new(&config, &own)?;
        let mcp = mcp::Hub::new(&config, &parts.state, Signer::new(&parts.manifest_seed), &own)?;
        let peers = a2a::Peers::new(&config, &own)?;
        let (listener, address) = bind(wanted).await?;
        let approvals = Approvals::open(config.approvals.clone(), parts.approvals, parts.ledger.clone())?;
        let inspector = inspector(&config.inspect, &parts.secrets)?;
        let budgets = spending(&config, &parts.state, &parts.ledger)?;
        let privacy = masking(&config.privacy, parts.vaults);
        let revoked = Arc::new(Revoked::open(&parts.state).map_err(StartFault::Revocations)?);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            policy: ArcSwap::new(parts.policy),
            registry,
            registered: watch::Sender::new(0),
            own,
            directory: parts.directory,
            ledger: parts.ledger,
            secrets: parts.secrets,
            state: parts.state,
            approvals,
            meters: Arc::new(Meters::default()),
            budgets,
            revoked,
            address,
            tokens: TokenCache::new(TOKENS),
            replays: Replays::begun(PROOFS, clock::now()),
            nonces: config.listen.dpop_nonces.then(nonces::Nonces::new),
            sessions: Sessions::new(&config.sessions),
            rejections: Rejections::new(&config.limits),
            slots: Arc::new(Semaphore::new(config.limits.concurrent_calls)),
            turns: Turns::new(config.limits.calls_per_identity, turns_at_once()),
            bodies: Rooms::new(config.limits.body_bytes),
            answers: Rooms::new(config.limits.answer_bytes),
            loops: Mutex::new(Loops::new(config.limits.loops)),
            routes,
            mcp,
            wallets: oauth::Wallets::new(&config, parts.grants)?,
            peers,
            egress,
            workload: workload::Workload::of(&config),
            hooks: hook::Hooks::new(&config),
            inspector,
            privacy,
            spans: parts.spans,
            stop,
            config,
        });
        introduce(&shared)?;
        ready(&shared).await?;
        let tasks = housekeeping(&shared, &stopped, listener_key, web);
        let serving = tokio::spawn(listener::run(listener, tls, Arc::clone(&shared), stopped));
        Ok(Running {
            shared,
            serving,
            tasks,
        })
    }
}

/// The budgets, as far as they are used.
fn spending(config: &Config, state: &Arc<State>, ledger: &Ledger) -> Result<Budgets, StartFault> {
    let budgets = Budgets::open(&config.budgets, &config.limits, state, ledger)?;
    // From here on a start finds where to read on from, whatever ends this run.
    if let Err(error) = budgets.keep(state, ledger) {
        tracing::error!(%error, "what budgets used was not kept; the log has it");
    }
    Ok(budgets)
}

/// The agents' listener, and where it came to be.
async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), StartFault> {
    let listen = |source| StartFault::Listen {
        address: wanted,
        source,
    };
    let listener = TcpListener::bind(wanted).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    Ok((listener, address))
}

/// Has something to show to the workloads that are called, where our own authority makes it.
fn introduce(shared: &Shared) -> Result<(), StartFault> {
    if shared.config.calls_workloads() && shared.config.workload_api.is_none() {
        let issuing = tls::Issuing {
            authority: shared.directory.authority(),
            state: &shared.state,
        };
        shared
            .own
            .renew(&issuing)
            .map_err(|reason| StartFault::Tls { reason })?;
        // It may have made the first root.
        shared.reload_registry()?;
    }
    Ok(())
}

/// The vaults, where there are rules that fill them.
fn masking(config: &config::Privacy, vaults: Option<VaultStore>) -> Option<Arc<privacy::Privacy>> {
    (!config.rules.is_empty()).then(|| Arc::new(privacy::Privacy::new(config, vaults)))
}

/// What is done beside calls, until `stopped`: the web's listener among it, where there is one.
fn housekeeping(
    shared: &Arc<Shared>,
    stopped: &watch::Receiver<bool>,
    key: Option<Arc<tls::ListenerKey>>,
    web: Option<TcpListener>,
) -> Vec<JoinHandle<()>> {
    let told = shared.approvals.tell().map(|asked| {
        let telling = approvals::webhook::keep(Arc::clone(shared), asked, stopped.clone());
        tokio::spawn(telling)
    });
    let web_tls = key.as_ref().map(|key| tls::of_proxy(key, &shared.config.listen));
    let web = web.map(|web| egress::run(web, web_tls, Arc::clone(shared), stopped.clone()));
    let mut tasks = vec![
        tokio::spawn(rejections::summarise(Arc::clone(shared), stopped.clone())),
        tokio::spawn(directory::keep(Arc::clone(shared), stopped.clone())),
        tokio::spawn(spending::keep(Arc::clone(shared), stopped.clone())),
        tokio::spawn(unwritten::keep(Arc::clone(shared), stopped.clone())),
        tokio::spawn(tls::keep(Arc::clone(shared), key.clone(), stopped.clone())),
        tokio::spawn(workload::keep(Arc::clone(shared), key, stopped.clone())),
    ];
    tasks.extend(told);
    tasks.extend(web.map(tokio::spawn));
    tasks
}

/// The address to listen on, if what crosses there is kept from others.
fn secured(listen: &config::Listen) -> Result<SocketAddr, StartFault> {
    let address = listen.address;
    if !address.ip().is_loopback() && listen.tls.is_none() && !listen.danger_plaintext {
        return Err(StartFault::Plaintext { address });
    }
    Ok(address)
}

/// The inspector, with the planted values revealed.
fn inspector(
    config: &config::Inspect,
    secrets: &Secrets,
) -> Result<Option<Arc<inspect::Inspector>>, StartFault> {
    if !config.enabled {
        return Ok(None);
    }
    let mut planted = Vec::new();
    for name in &config.canaries {
        let missing = || inspect::InspectFault::Missing(name.clone());
        let value = secrets.reveal(name).ok().flatten().ok_or_else(missing)?;
        let text = String::from_utf8(value.expose().clone()).map_err(|_| missing())?;
        planted.push(Secret::new(text));
    }
    let values = planted.iter().map(|value| value.expose().as_str());
    Ok(Some(Arc::new(inspect::Inspector::new(config, values)?)))
}

/// Turns at one time: enough to keep every core at work, few enough that nobody waits long behind them.
fn turns_at_once() -> usize {
    std::thread::available_parallelism().map_or(8, |cores| cores.get().saturating_mul(4).max(8))
}

/// Makes what has to be there, and records what is wrong with the state it starts from.
async fn ready(shared: &Shared) -> Result<(), StartFault> {
    egress::ready(shared).await?;
    for alarm in shared.manifests().alarms() {
        let mut record = Record::new(RecordKind::Operation, clock::now());
        record.note = Some(format!("alarm: {alarm}"));
        if let Err(error) = shared.ledger.append(&record).await {
            tracing::error!(%error, %alarm, "an alarm was not recorded");
        }
    }
    Ok(())
}

/// A gateway that serves.
pub struct Running {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// What it works with.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops accepting, finishes what is in progress within the drain timeout, and flushes the ledger's queue.
    pub async fn drain(self) {
        self.shared.stop.send_replace(true);
        for task in std::iter::once(self.serving).chain(self.tasks) {
            if let Err(fault) = task.await {
                tracing::error!(error = %fault, "a task of the gateway ended badly");
            }
        }
        self.shared.mcp.close();
        self.shared.summarise_rejections();
        if let Err(error) = self.shared.budgets.keep(&self.shared.state, &self.shared.ledger) {
            tracing::error!(%error, "what budgets used was not kept; the log has it");
        }
        if let Err(error) = unwritten::settle(&self.shared) {
            let count = unwritten::count(&self.shared);
            tracing::error!(%error, count, "revocations end with this process: they could not be written");
        }
    }
}
