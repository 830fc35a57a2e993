//! What users granted us at upstream MCP servers, one by one: who granted what, the tokens, and how a grant is asked for.
//!
//! An MCP server that wants OAuth answers 401 and says where tokens for it are issued. What an agent then calls there
//! goes with the token of **its own user** (of the agent, where it acts for nobody), or not at all: no token is shared
//! between users, none of an agent's own credentials is passed on, and a token goes to the address that it was granted
//! for and nowhere else. `bartizan connect` has the user sign in; tokens lie sealed ([`GrantStore`]) and are renewed here.
//!
//! INVARIANT: everything that is fetched here is fetched under a permit of the gateway's own, through `reach`: what a
//! server names may lead to the public internet, to the server's own host, or to hosts that the operator listed.

mod connect;
mod exchange;
mod grant;
mod machine;
mod wallet;
mod wire;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bartizan_identity::oauth::{Address, OauthFault};
use bartizan_store::{Fault as StoreFault, GrantStore};
use bartizan_types::{AgentId, Code, Issuer, Principal, ServerName, UserId};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub(crate) use connect::Wish;
pub(crate) use wallet::Wallet;

use crate::{
    config::{Config, Exchange, Oauth, Reach as ServerReach, Server},
    gate::Caller,
    upstream::{Pool, Reach, RootsFault},
};
use connect::{Pending, Registrations};
use grant::Grant;

/// Wallets in memory at most; those in use are never put away.
const WALLETS: usize = 16_384;
/// Authorizations that wait for their user at one time.
const PENDING: usize = 256;
/// How long a user may take.
const PENDING_FOR: Duration = Duration::from_secs(600);
/// Calls that wait for a user at one time.
const WAITERS: usize = 64;

/// Why there is no grant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFault {
    /// What was read is not believed.
    #[error(transparent)]
    Oauth(#[from] OauthFault),
    /// An address that nothing may be fetched from.
    #[error("`{0}` is neither https, nor the server's own host, nor listed in `hosts` of its `oauth`")]
    Address(String),
    /// Nothing was found where it had to be.
    #[error("{what} was found at none of: {places}")]
    Nowhere {
        /// What.
        what: &'static str,
        /// Where.
        places: String,
    },
    /// A fetch failed, or was refused by policy.
    #[error("`{address}` can't be asked: {code}")]
    Fetch {
        /// Whom.
        address: String,
        /// Why.
        code: Code,
    },
    /// The token endpoint or the registration said no.
    #[error("{what} answered {status}{}", error.as_ref().map_or_else(String::new, |error| format!(" `{error}`")))]
    Refused {
        /// Who.
        what: &'static str,
        /// Its status.
        status: u16,
        /// Its word for it.
        error: Option<String>,
    },
    /// No such server, or one that takes no grants.
    #[error(
        "there is no MCP server `{0}` that users can connect to: it must be reached by `url`, without `Authorization` in its `headers`"
    )]
    Server(String),
    /// There is no way to be a client there.
    #[error("`{0}` takes no registrations and no client documents: set `client_id` in the server's `oauth`")]
    NoClient(String),
    /// The server keeps refusing what was granted.
    #[error(
        "connecting again does not help: `{0}` was granted what it asked for twice within ten minutes, and still refuses"
    )]
    InVain(String),
    /// A server without a page for users.
    #[error("`{0}` has no page where users sign in")]
    NoPage(String),
    /// Nobody waits under this state, or not any more.
    #[error(
        "no authorization waits for this answer: it was answered already, or began more than ten minutes ago"
    )]
    Unknown,
    /// Too many wait.
    #[error("too many authorizations wait for their users")]
    Full,
    /// The caller showed nothing that can be exchanged.
    #[error("the caller showed no token of its issuer, so there is nothing to exchange")]
    NoSubject,
    /// A secret of the configuration is not there.
    #[error("the secret `{0}` is not in the store")]
    Secret(String),
    /// The store.
    #[error("the grant can't be kept")]
    Store(#[from] StoreFault),
}

/// Whose a grant is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// A user's, for every agent that acts for her.
    User(Issuer, UserId),
    /// An agent's that acts for nobody.
    Agent(Issuer, AgentId),
    /// The gateway's own, at a server that knows it as a machine.
    Gateway,
}

impl Holder {
    /// Whose grant a caller's calls go by.
    pub(crate) fn of(principal: &Principal) -> Self {
        match &principal.user {
            Some(user) => Self::User(principal.issuer.clone(), user.clone()),
            None => Self::Agent(principal.issuer.clone(), principal.agent.clone()),
        }
    }

    /// For records and answers.
    pub(crate) fn shown(&self) -> Value {
        match self {
            Self::User(issuer, user) => json!({ "user": user, "issuer": issuer }),
            Self::Agent(issuer, agent) => json!({ "agent": agent, "issuer": issuer }),
            Self::Gateway => json!({ "gateway": true }),
        }
    }

    /// For sentences.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::User(_, user) => format!("user `{user}`"),
            Self::Agent(_, agent) => format!("agent `{agent}`"),
            Self::Gateway => "the gateway".to_owned(),
        }
    }

    /// One text for one holder and server: what a grant is sealed under.
    fn key(&self, server: &ServerName) -> String {
        json!([server, self.shown()]).to_string()
    }
}

/// A server that users can connect to.
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: ServerName,
    /// Where it is.
    pub(crate) address: Address,
    /// What the operator says of it.
    pub(crate) oauth: Oauth,
}

impl Place {
    /// How far a fetch from this address may go.
    ///
    /// # Errors
    /// [`ConnectFault::Address`].
    pub(crate) fn reach(&self, address: &Address) -> Result<Reach, ConnectFault> {
        let own = address.host() == self.address.host();
        let listed = || {
            self.oauth
                .hosts
                .iter()
                .any(|host| host.eq_ignore_ascii_case(address.host()))
        };
        let exchanges = place_host(self.oauth.exchange.as_ref());
        let named =
            own || listed() || exchanges.is_some_and(|host| host.eq_ignore_ascii_case(address.host()));
        // In clear only on this machine, or where the operator reaches the server itself in clear.
        let clear = address.is_loopback() || (own && !self.address.is_https());
        if !(address.is_https() || named && clear) {
            return Err(ConnectFault::Address(address.as_str().to_owned()));
        }
        Ok(if named { Reach::Named } else { Reach::Public })
    }

    fn of(server: &Server) -> Option<Self> {
        let (ServerReach::Http { url, headers } | ServerReach::LegacySse { url, headers }) = &server.reach
        else {
            return None;
        };
        // The operator's own credential stands for everyone.
        if server.sign.is_some() {
            return None;
        }
        if headers
            .keys()
            .any(|name| name.eq_ignore_ascii_case("authorization"))
        {
            return None;
        }
        Some(Self {
            name: server.name.clone(),
            address: Address::parse(&url.to_string()).ok()?,
            oauth: server.oauth.clone(),
        })
    }
}

/// The host at which tokens are exchanged: the operator named it.
fn place_host(exchange: Option<&Exchange>) -> Option<&str> {
    exchange.and_then(|exchange| exchange.token_endpoint.host())
}

/// Everything about grants.
pub(crate) struct Wallets {
    places: BTreeMap<ServerName, Arc<Place>>,
    store: GrantStore,
    open: Mutex<HashMap<(ServerName, Holder), Arc<Wallet>>>,
    pending: Mutex<HashMap<String, Pending>>,
    registered: Registrations,
    /// To hosts that the operator named, which may lie inside.
    named: Arc<Pool>,
    /// To hosts that a server named.
    public: Arc<Pool>,
    waiters: Arc<Semaphore>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wallets {
    /// Of a configuration.
    ///
    /// # Errors
    /// [`RootsFault`], which built-in roots can't meet.
    pub(crate) fn new(config: &Config, store: GrantStore) -> Result<Self, RootsFault> {
        let places = config.servers.iter().filter_map(Place::of);
        let patience = config.limits.connect_timeout;
        Ok(Self {
            places: places
                .map(|place| (place.name.clone(), Arc::new(place)))
                .collect(),
            store,
            open: Mutex::default(),
            pending: Mutex::default(),
            registered: Registrations::default(),
            named: Arc::new(Pool::within(Reach::Named, None, patience)?),
            public: Arc::new(Pool::within(Reach::Public, None, patience)?),
            waiters: Arc::new(Semaphore::new(WAITERS)),
        })
    }

    /// The wallet that this caller's calls to a server go by; none where the server takes no grants.
    pub(crate) fn of(&self, server: &ServerName, caller: &Caller) -> Option<Arc<Wallet>> {
        let principal = &caller.principal;
        let place = self.places.get(server)?;
        let holder = if place.oauth.is_shared() {
            Holder::Gateway
        } else {
            Holder::of(principal)
        };
        let wallet = self.wallet(place, holder);
        wallet.seen(caller);
        Some(wallet)
    }

    fn wallet(&self, place: &Arc<Place>, holder: Holder) -> Arc<Wallet> {
        let key = (place.name.clone(), holder.clone());
        let mut open = lock(&self.open);
        if let Some(wallet) = open.get(&key) {
            return Arc::clone(wallet);
        }
        if open.len() >= WALLETS {
            open.retain(|_, wallet| Arc::strong_count(wallet) > 1);
        }
        let grant = match self.store.get(&holder.key(&place.name)) {
            Ok(Some(bytes)) => Grant::read(&bytes, place, &holder),
            Ok(None) => None,
            Err(fault) => {
                tracing::warn!(server = %place.name, error = %fault, "a grant does not open; its user must connect again");
                None
            }
        };
        let wallet = Arc::new(Wallet::new(Arc::clone(place), holder, grant));
        open.insert(key, Arc::clone(&wallet));
        wallet
    }

    /// Whether what callers show is exchanged anywhere, so that it has to be kept for as long as their call lasts.
    pub(crate) fn exchanges(&self) -> bool {
        self.places
            .values()
            .any(|place| place.oauth.exchange.is_some() && !place.oauth.is_shared())
    }

    /// Every server that takes grants.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &ServerName> {
        self.places.keys()
    }

    fn place(&self, server: &str) -> Result<&Arc<Place>, ConnectFault> {
        let none = || ConnectFault::Server(server.to_owned());
        let name = ServerName::new(server).map_err(|_| none())?;
        self.places.get(&name).ok_or_else(none)
    }

    /// Whose calls wait for a grant at a server, or for more rights.
    pub(crate) fn waiting(&self) -> Vec<Value> {
        let mut all: Vec<Value> = lock(&self.open)
            .values()
            .filter_map(|wallet| wallet.waits())
            .collect();
        all.sort_by_key(ToString::to_string);
        all
    }

    /// The holders who wait for this server.
    fn waiting_for(&self, server: &ServerName) -> Vec<Holder> {
        let open = lock(&self.open);
        let waits = open
            .iter()
            .filter(|((of, _), wallet)| of == server && wallet.waits().is_some());
        waits.map(|((_, holder), _)| holder.clone()).collect()
    }

    /// Every grant that is kept, without its tokens.
    ///
    /// # Errors
    /// [`StoreFault::Io`].
    pub(crate) fn granted(&self) -> Result<Vec<Value>, StoreFault> {
        let mut all: Vec<Value> = self.store.all()?.iter().filter_map(grant::shown).collect();
        all.sort_by_key(ToString::to_string);
        Ok(all)
    }
}

/// Whether something began too long ago.
fn is_stale(since: Instant, life: Duration) -> bool {
    since.elapsed() >= life
}

#[cfg(test)]
mod tests;
