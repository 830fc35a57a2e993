//! Who may call, kept up to date: our own keys from the state, issuers' key sets from files and addresses. Every
//! change builds a whole new registry and swaps it; a key set that can't be read leaves the one before in force
//! until it is too old to trust.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bartizan_guard::AnswerFacts;
use bartizan_identity::oauth::{Address, key_set_place, server_places};
use bartizan_identity::{
    BundleFault, ConfigFault, DelegationFault, DelegationKey, IssuerConfig, IssuerKeys, KeySet, Naming,
    Pepper, RESERVED_AGENT, Registry, TrustBundle, TrustDomain, local_principal,
};
use bartizan_store::State;
use bartizan_types::{
    Action, AgentId, CallFacts, Code, Digest, Effects, Issuer, KeyId, PinState, Resource, Secret, ServerName,
    Surface, Timestamp, UpstreamName,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Notify, watch};

use crate::{
    Shared,
    authority::Authority,
    clock,
    config::{BundleAt, Foreign},
    edge::{self, BodyBounds},
    gate::Caller,
    model::sha256,
    reins::Reins,
    tls,
    upstream::{self, Outbound, Pool, Reach, RootsFault},
};

/// How often key sets are read again.
const REFRESH: Duration = Duration::from_secs(300);
/// How soon after a read an unknown `kid` may cause another: forged tokens must not make us hammer the issuer.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(20);
/// How long a key set is trusted after it was last read.
const STALE_AFTER_MICROS: u64 = 24 * 3600 * 1_000_000;
/// Largest key set, bytes.
const KEY_SET_BYTES: usize = 256 << 10;

/// An issuer and where its key set is.
#[derive(Debug, Clone)]
pub struct IssuerSource {
    /// How its tokens are judged.
    pub config: IssuerConfig,
    /// Where its keys are.
    pub keys: KeysAt,
    /// A PEM file of roots that its addresses are verified by, in the place of the built-in ones; read each time.
    pub roots: Option<PathBuf>,
}

impl IssuerSource {
    /// An issuer whose addresses are verified by the built-in roots.
    #[must_use]
    pub const fn new(config: IssuerConfig, keys: KeysAt) -> Self {
        Self {
            config,
            keys,
            roots: None,
        }
    }

    fn pools(&self, patience: Duration) -> Result<Pools, RootsFault> {
        let pool = |reach| Pool::within(reach, self.roots.as_deref(), patience).map(Arc::new);
        Ok(Pools {
            named: pool(Reach::Named)?,
            public: pool(Reach::Public)?,
        })
    }

    async fn read(&self, shared: &Arc<Shared>, at: usize) -> Result<Vec<u8>, String> {
        let pools = || {
            let pools = self.pools(shared.config.limits.connect_timeout);
            pools.map_err(|fault| fault.to_string())
        };
        match &self.keys {
            KeysAt::File(path) => read_file(path),
            KeysAt::Address(uri) => fetch(shared, &pools()?.named, at, uri)
                .await
                .map_err(|code| code.to_string()),
            KeysAt::Discovered => discovered(shared, &pools()?, at, self.config.issuer.as_str()).await,
        }
    }
}

/// Where a key set (RFC 7517 section 5) is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// A file of ours.
    File(PathBuf),
    /// An address of the issuer's.
    Address(Uri),
    /// Where the issuer's own metadata says (RFC 8414, OpenID Connect Discovery 1.0).
    Discovered,
}

/// Roots by trust domain.
pub(crate) type Roots = BTreeMap<TrustDomain, Vec<CertificateDer<'static>>>;

struct Held {
    keys: Arc<KeySet>,
    digest: Digest,
    read: Timestamp,
}

/// What registries are made of.
pub struct Directory {
    pepper: Secret<[u8; 32]>,
    issuers: Vec<IssuerSource>,
    held: Mutex<Vec<Option<Held>>>,
    epoch: AtomicU64,
    wanted: Notify,
    authority: Authority,
    /// Begins chains of delegation.
    delegations: DelegationKey,
    foreign: Vec<Foreign>,
    /// Foreign bundles as last read.
    bundles: Mutex<Vec<Option<TrustBundle>>>,
    /// What the Workload API says of them.
    supplied: Mutex<Roots>,
    /// One registry is built and put in force at a time: an older one must not take a newer one's place.
    building: Mutex<()>,
}

/// What a directory derives its keys from.
pub struct DirectoryKeys {
    /// [`bartizan_store::Purpose::ApiKeys`].
    pub pepper: Secret<[u8; 32]>,
    /// [`bartizan_store::Purpose::Authority`].
    pub authority: Secret<[u8; 32]>,
    /// [`bartizan_store::Purpose::Delegations`].
    pub delegations: Secret<[u8; 32]>,
}

/// Trust domains: our own and others'.
#[derive(Debug, Clone)]
pub struct Domains {
    /// Ours, for which we issue certificates.
    pub own: TrustDomain,
    /// Others'.
    pub foreign: Vec<Foreign>,
}

impl Directory {
    /// A directory of these issuers; no key set is read yet, so their tokens are refused until one is.
    ///
    /// # Errors
    /// [`DelegationFault`] where a seed makes no key, which none is known to.
    pub fn new(
        keys: DirectoryKeys,
        issuers: Vec<IssuerSource>,
        domains: Domains,
    ) -> Result<Self, DelegationFault> {
        let held = Mutex::new(issuers.iter().map(|_| None).collect());
        let bundles = Mutex::new(domains.foreign.iter().map(|_| None).collect());
        Ok(Self {
            authority: Authority::new(domains.own, &keys.authority),
            delegations: DelegationKey::new(keys.delegations)?,
            pepper: keys.pepper,
            issuers,
            held,
            epoch: AtomicU64::new(0),
            wanted: Notify::new(),
            foreign: domains.foreign,
            bundles,
            supplied: Mutex::default(),
            building: Mutex::default(),
        })
    }

    /// Looks at the roots of issuers once, so that a file that is none is told at the start.
    ///
    /// # Errors
    /// [`RootsFault`], of the first.
    pub(crate) fn check_roots(&self, patience: Duration) -> Result<(), RootsFault> {
        self.issuers
            .iter()
            .try_for_each(|source| source.pools(patience).map(drop))
    }

    /// Takes what the Workload API says now, for the next registry; gives what it said before.
    pub(crate) fn supply(&self, roots: Roots) -> Roots {
        let mut supplied = self.supplied.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *supplied, roots)
    }

    /// Issues certificates.
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Begins chains of delegation.
    pub(crate) const fn delegations(&self) -> &DelegationKey {
        &self.delegations
    }

    /// Whether tokens of issuers are taken at all, and whose.
    pub(crate) fn issuer_names(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|source| source.config.issuer.as_str())
    }

    /// A registry of what the state has and the key sets held now, with an epoch above every earlier one.
    ///
    /// # Errors
    /// [`ReloadFault`] for issuers, keys or bundles that contradict each other, or a state that can't be read.
    pub fn registry(&self, state: &State) -> Result<Registry, ReloadFault> {
        let keys = state
            .keys()
            .map_err(|fault| ReloadFault::State(fault.to_string()))?;
        let epoch = self.epoch.fetch_add(1, Relaxed) + 1;
        let bundles = self.bundles(state)?;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let issuer = |(source, held): (&IssuerSource, &Option<Held>)| IssuerKeys {
            config: source.config.clone(),
            keys: held.as_ref().map(|held| Arc::clone(&held.keys)),
        };
        let issuers = self.issuers.iter().zip(held.iter()).map(issuer).collect();
        Ok(Registry::new(epoch, keys, Pepper::new(&self.pepper), issuers)?
            .with_bundles(bundles)?
            .with_delegations(&self.delegations.public())?)
    }

    /// Our own roots, and others' as their files say. A file that can't be read leaves the bundle before in force.
    fn bundles(&self, state: &State) -> Result<Vec<TrustBundle>, ReloadFault> {
        let roots = self
            .authority
            .bundle(state, clock::now())
            .map_err(|fault| ReloadFault::State(fault.to_string()))?;
        let mut all = Vec::new();
        if !roots.is_empty() {
            all.push(TrustBundle::new(
                self.authority.domain().clone(),
                Naming::Own,
                &roots,
            )?);
        }
        let mut held = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        for (foreign, slot) in self.foreign.iter().zip(held.iter_mut()) {
            let naming = Naming::Under(foreign.namespace.clone());
            let made = |roots: &[CertificateDer<'_>]| {
                TrustBundle::new(foreign.domain.clone(), naming, roots).map_err(|fault| fault.to_string())
            };
            let read = match &foreign.bundle {
                BundleAt::File(path) => tls::read_bundle(path).and_then(|roots| made(&roots)),
                BundleAt::WorkloadApi => {
                    let supplied = self.supplied.lock().unwrap_or_else(PoisonError::into_inner);
                    // What it says no more is in force no more.
                    *slot = None;
                    match supplied.get(&foreign.domain) {
                        Some(roots) => made(roots),
                        None => continue,
                    }
                }
            };
            match read {
                Ok(bundle) => *slot = Some(bundle),
                Err(reason) => {
                    tracing::error!(domain = %foreign.domain, %reason, "the trust bundle can't be read");
                }
            }
            all.extend(slot.clone());
        }
        Ok(all)
    }

    /// Changes whenever a trust bundle may have.
    pub(crate) fn bundle_stamp(&self, state: &State, now: Timestamp) -> Vec<String> {
        let own = self.authority.roots(state, now).unwrap_or_default();
        let own = own.iter().map(|root| format!("{} {}", root.number, root.until));
        let file = |foreign: &Foreign| {
            let BundleAt::File(path) = &foreign.bundle else {
                return String::new();
            };
            let data = std::fs::metadata(path);
            format!("{:?}", data.map(|data| (data.len(), data.modified().ok())).ok())
        };
        own.chain(self.foreign.iter().map(file)).collect()
    }

    /// Reads the key sets that are files, so that tokens work from the first call on.
    pub fn read_files(&self, now: Timestamp) {
        for (at, source) in self.issuers.iter().enumerate() {
            if let KeysAt::File(path) = &source.keys {
                self.take(at, now, read_file(path));
            }
        }
    }

    /// Says that a token named a key nobody knows: perhaps the issuer rotated.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Takes what was read; true if the registry must be rebuilt.
    fn take(&self, at: usize, now: Timestamp, read: Result<Vec<u8>, String>) -> bool {
        let issuer = self
            .issuers
            .get(at)
            .map(|source| source.config.issuer.to_string())
            .unwrap_or_default();
        let parsed = read.and_then(|bytes| {
            let keys = KeySet::parse(&bytes).map_err(|fault| fault.to_string())?;
            Ok((keys, sha256(&bytes)))
        });
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = held.get_mut(at) else {
            return false;
        };
        match parsed {
            Ok((keys, digest)) => {
                for skipped in keys.skipped() {
                    tracing::warn!(%issuer, ?skipped, "a key of the set is not used");
                }
                let changed = slot.as_ref().is_none_or(|before| before.digest != digest);
                let keys = match slot.take() {
                    Some(before) if !changed => before.keys,
                    _ => Arc::new(keys),
                };
                *slot = Some(Held {
                    keys,
                    digest,
                    read: now,
                });
                changed
            }
            Err(reason) => {
                tracing::warn!(%issuer, %reason, "the issuer's key set can't be read");
                let stale = slot
                    .as_ref()
                    .is_some_and(|held| now.micros_since(held.read) > STALE_AFTER_MICROS);
                if stale {
                    *slot = None;
                }
                stale
            }
        }
    }
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|fault| format!("`{}`: {fault}", path.display()))?;
    if bytes.len() > KEY_SET_BYTES {
        return Err(format!(
            "`{}` has more than {KEY_SET_BYTES} bytes",
            path.display()
        ));
    }
    Ok(bytes)
}

/// The gateway itself, as a caller: the reserved agent that the packs let do housekeeping.
pub(crate) fn housekeeper(shared: &Shared) -> Result<Caller, Code> {
    let agent = AgentId::new(RESERVED_AGENT).map_err(|_| Code::Bug)?;
    let issuer = Issuer::new("bartizan").map_err(|_| Code::Bug)?;
    let credential = KeyId::new("gateway").map_err(|_| Code::Bug)?;
    let principal = Arc::new(local_principal(agent, None, issuer, credential));
    let session = shared.sessions.join(&principal, clock::now());
    let reins = Reins::new(&shared.revoked, &principal, session.id, None);
    Ok(Caller {
        principal,
        session,
        reins,
        shown: None,
        badge: None,
    })
}

impl Shared {
    /// Rebuilds the registry from the state's keys and the key sets held, and swaps it in whole.
    ///
    /// # Errors
    /// The reason; the registry in force stays.
    pub fn reload_registry(&self) -> Result<(), ReloadFault> {
        // INVARIANT: held from the reading of keys to the swap, so that a key whose end was written before is ended after.
        let _one = self
            .directory
            .building
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let registry = self.directory.registry(&self.state)?;
        self.registry.store(Arc::new(registry));
        self.registered
            .send_modify(|times| *times = times.wrapping_add(1));
        Ok(())
    }
}

/// Why the registry could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum ReloadFault {
    /// The state can't be read.
    #[error("the state can't be read: {0}")]
    State(String),
    /// Issuers or keys contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// Our own roots are no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleFault),
}

/// Reads key sets at the start, every few minutes, and when a token names a key nobody knows, until `stop`.
pub(crate) async fn keep(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    if shared.directory.issuers.is_empty() {
        return;
    }
    loop {
        let mut changed = false;
        for (at, source) in shared.directory.issuers.iter().enumerate() {
            let read = source.read(&shared, at).await;
            changed |= shared.directory.take(at, clock::now(), read);
        }
        if changed && let Err(fault) = shared.reload_registry() {
            tracing::error!(error = %fault, "the registry in force stays");
        }
        tokio::select! {
            () = tokio::time::sleep(REFRESH_AT_MOST_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(REFRESH) => {}
            () = shared.directory.wanted.notified() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Connections for key sets.
struct Pools {
    /// To where the operator said.
    named: Arc<Pool>,
    /// To where somebody else said.
    public: Arc<Pool>,
}

/// Asks an issuer's metadata where its keys are, and fetches them. A key set elsewhere than at the issuer's own host is
/// fetched from public addresses alone: metadata must not point the gateway at the inside.
async fn discovered(shared: &Arc<Shared>, pools: &Pools, at: usize, issuer: &str) -> Result<Vec<u8>, String> {
    let issuer = Address::parse(issuer).map_err(|fault| fault.to_string())?;
    if !issuer.is_https() && !issuer.is_loopback() {
        return Err(format!("`{issuer}` is not https"));
    }
    let uri = |text: &str| text.parse::<Uri>().map_err(|fault| fault.to_string());
    let mut last = "it has no metadata".to_owned();
    for place in server_places(&issuer) {
        match fetch(shared, &pools.named, at, &uri(&place)?).await {
            Err(code) => last = format!("`{place}`: {code}"),
            Ok(bytes) => {
                let keys = key_set_place(&bytes, &issuer).map_err(|fault| format!("`{place}`: {fault}"))?;
                let own = keys.host() == issuer.host();
                let pool = if own { &pools.named } else { &pools.public };
                let fetched = fetch(shared, pool, at, &uri(keys.as_str())?).await;
                return fetched.map_err(|code| format!("`{keys}`: {code}"));
            }
        }
    }
    Err(last)
}

/// Fetches a key set, or what says where one is, as a ruled and recorded call of the gateway's own.
async fn fetch(shared: &Arc<Shared>, pool: &Arc<Pool>, at: usize, uri: &Uri) -> Result<Vec<u8>, Code> {
    let caller = housekeeper(shared)?;
    let server =
        ServerName::new(&format!("jwks:{}", uri.host().unwrap_or_default())).map_err(|_| Code::Bug)?;
    let facts = CallFacts {
        id: clock::mint(clock::now()),
        action: Action::Connect,
        resource: Resource::Server { server },
        surface: Surface::Mcp,
        streaming: false,
        bytes: 0,
        digest: sha256(uri.to_string().as_bytes()),
        pin: PinState::None,
        effects: Effects::default(),
        arguments: None,
        flow: None,
        spending: None,
        proposer: None,
        bar: None,
        secrets: Default::default(),
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/jwk-set+json, application/json"),
    );
    let outbound = Outbound {
        upstream: UpstreamName::new(&format!("jwks-{at}")).map_err(|_| Code::Bug)?,
        pool: Arc::clone(pool),
        method: Method::GET,
        uri: uri.clone(),
        headers,
        body: Bytes::new(),
        secrets: Default::default(),
        sign: None,
    };
    let evidence = shared.evidence(&caller, facts, Vec::new());
    let (permit, mut passage) = shared
        .enter(evidence, outbound)
        .await
        .map_err(|refusal| refusal.code)?;
    let patience = Duration::from_secs(10);
    let response = match upstream::send(permit, patience).await {
        Ok(response) if response.status().is_success() => response,
        Ok(_) => return Err(passage.failed(Code::KeySetUnavailable).code),
        Err(fault) => return Err(passage.failed(fault.code()).code),
    };
    let (head, body) = response.into_parts();
    let bounds = BodyBounds {
        bytes: KEY_SET_BYTES,
        time: patience,
        ..BodyBounds::answer(&shared.config.limits)
    };
    match edge::read(&head.headers, body, bounds, None).await {
        Err(code) => Err(passage.failed(code).code),
        Ok((bytes, _)) => {
            let status = Some(head.status.as_u16());
            let _call = passage.answered(AnswerFacts {
                status,
                findings: Vec::new(),
            });
            passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            passage.finish();
            Ok(bytes.to_vec())
        }
    }
}
