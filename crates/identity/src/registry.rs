//! Who may call: an immutable snapshot of API keys and issuers. A change builds a new one with a higher epoch, and
//! the shell swaps it in whole; a token cache drops what it learned under another epoch.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bartizan_types::{AgentId, AuthMethod, Digest, Issuer, KeyId, Principal, Timestamp, UserId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    ApiKeyRecord, ConfigFault, Credential, Fault, IssuerKeys, PeerCertificate, Pepper, Presented, Reason,
    Replays, SpiffeName, TokenCache, TrustBundle, delegation, is_delegation, key, spiffe, svid,
    token::{self, Verified},
};

/// A snapshot of who may call.
pub struct Registry {
    epoch: u64,
    keys: BTreeMap<KeyId, Known>,
    issuers: BTreeMap<String, IssuerKeys>,
    pepper: Pepper,
    bundles: BTreeMap<String, TrustBundle>,
    /// The public half of the key that begins chains of delegation; without it there are none.
    delegations: Option<Vec<u8>>,
}

struct Known {
    record: ApiKeyRecord,
    principal: Arc<Principal>,
}

impl Registry {
    /// Builds a snapshot. `epoch` must grow with every change of keys, issuers or key sets.
    ///
    /// # Errors
    /// [`ConfigFault`]: an issuer out of bounds, two issuers that could name the same agent, two keys of one prefix.
    pub fn new(
        epoch: u64,
        keys: Vec<ApiKeyRecord>,
        pepper: Pepper,
        issuers: Vec<IssuerKeys>,
    ) -> Result<Self, ConfigFault> {
        let mut registry = Self {
            epoch,
            keys: BTreeMap::new(),
            issuers: BTreeMap::new(),
            pepper,
            bundles: BTreeMap::new(),
            delegations: None,
        };
        let several = issuers.len() > 1;
        let mut namespaces = BTreeSet::new();
        for issuer in issuers {
            issuer.config.check()?;
            if several {
                let namespace = issuer
                    .config
                    .namespace
                    .clone()
                    .ok_or(ConfigFault::NamespaceShared)?;
                if !namespaces.insert(namespace) {
                    return Err(ConfigFault::NamespaceShared);
                }
            }
            let name = issuer.config.issuer.to_string();
            if registry.issuers.insert(name, issuer).is_some() {
                return Err(ConfigFault::IssuerTwice);
            }
        }
        let own = Issuer::new("bartizan").map_err(|_| ConfigFault::IssuerTwice)?;
        for record in keys {
            let principal = Arc::new(Principal {
                agent: record.agent.clone(),
                user: record.user.clone(),
                act: Vec::new(),
                groups: record.groups.clone(),
                scopes: BTreeSet::new(),
                issuer: own.clone(),
                credential: record.prefix.clone(),
                rests: Default::default(),
                method: AuthMethod::ApiKey,
                root: None,
                anchor: None,
                expires: record.expires,
            });
            let prefix = record.prefix.clone();
            if registry
                .keys
                .insert(prefix, Known { record, principal })
                .is_some()
            {
                return Err(ConfigFault::PrefixTwice);
            }
        }
        Ok(registry)
    }

    /// With these trust bundles for client certificates.
    ///
    /// # Errors
    /// [`ConfigFault::Bundles`] for two of one domain, or two that could name the same agent.
    pub fn with_bundles(mut self, bundles: Vec<TrustBundle>) -> Result<Self, ConfigFault> {
        self.bundles = svid::by_domain(bundles).ok_or(ConfigFault::Bundles)?;
        Ok(self)
    }

    /// With delegations that begin with this public key ([`DelegationKey::public`](crate::DelegationKey::public)).
    ///
    /// # Errors
    /// [`ConfigFault::Delegations`] where it is no such key.
    pub fn with_delegations(mut self, public: &str) -> Result<Self, ConfigFault> {
        let key = URL_SAFE_NO_PAD.decode(public).ok().filter(|key| key.len() == 32);
        self.delegations = Some(key.ok_or(ConfigFault::Delegations)?);
        Ok(self)
    }

    /// This snapshot's number.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Judges a credential alone, without any cache.
    ///
    /// # Errors
    /// [`Fault`] with the code for the caller and the reason for the record.
    pub fn authenticate(&self, credential: &Credential<'_>, now: Timestamp) -> Result<Principal, Fault> {
        let cache = TokenCache::new(0);
        let presented = Presented::bare(*credential);
        let judged = cache.judge(self, &presented, &Replays::new(0), now)?;
        Ok((*judged).clone())
    }

    pub(crate) fn key(&self, text: &str, now: Timestamp) -> Result<Arc<Principal>, Fault> {
        let prefix = key::prefix(text)?;
        let prefix = KeyId::new(prefix).map_err(|_| Reason::KeyShape)?;
        let known = self.keys.get(&prefix).ok_or(Reason::KeyPrefix)?;
        key::judge(text, &known.record, &self.pepper, now)?;
        Ok(Arc::clone(&known.principal))
    }

    /// Whose keys a token has to be signed with: those of its `iss`, or where that is nobody's, of the trust domain in `sub`.
    fn issuer(&self, claims: &Map<String, Value>) -> Result<&IssuerKeys, Reason> {
        let iss = match claims.get("iss") {
            None => None,
            Some(Value::String(iss)) => Some(iss),
            Some(_) => return Err(Reason::IssuerMissing),
        };
        if let Some(known) = iss.and_then(|iss| self.issuers.get(iss)) {
            return Ok(known);
        }
        let sub = claims.get("sub").and_then(Value::as_str).and_then(spiffe::parse);
        let domain = sub.map(|id| format!("spiffe://{}", id.domain));
        let keys = domain.and_then(|domain| self.issuers.get(&domain));
        let keys = keys.filter(|keys| keys.config.svids_of.is_some());
        keys.ok_or(match iss {
            None => Reason::IssuerMissing,
            Some(_) => Reason::IssuerUnknown,
        })
    }

    /// A token or a delegation.
    pub(crate) fn token(&self, text: &str, now: Timestamp) -> Result<Verified, Fault> {
        if !is_delegation(text) {
            return token::verify(text, |claims| self.issuer(claims), now);
        }
        let ours = self.delegations.as_ref().ok_or(Reason::DelegationSignature)?;
        delegation::verify(text, ours, self, now)
    }

    /// What an API key of this prefix may, while it is in force.
    pub(crate) fn in_force(&self, prefix: &KeyId, now: Timestamp) -> Option<&Principal> {
        let known = self.keys.get(prefix)?;
        let is_over = known.record.expires.is_some_and(|expires| now >= expires);
        (known.record.revoked.is_none() && !is_over).then_some(&*known.principal)
    }

    /// Whether the key or root that vouched for a caller is still one of its issuer's, and would still name it so.
    pub(crate) fn vouches(&self, caller: &Principal, anchor: &Digest, now: Timestamp) -> bool {
        match caller.method {
            AuthMethod::Jwt => self.issuers.get(caller.issuer.as_str()).is_some_and(|known| {
                let named = known.config.namespace.as_deref().is_none_or(|space| {
                    let names = [
                        Some(caller.agent.as_str()),
                        caller.user.as_ref().map(|user| user.as_str()),
                    ];
                    let mut names = names
                        .into_iter()
                        .flatten()
                        .chain(caller.groups.iter().map(String::as_str));
                    names.all(|name| svid::is_under(name, space))
                });
                named && known.keys.as_ref().is_some_and(|keys| keys.has(anchor))
            }),
            AuthMethod::Certificate => {
                let domain = caller.issuer.as_str().strip_prefix("spiffe://");
                let bundle = domain.and_then(|domain| self.bundles.get(domain));
                bundle.is_some_and(|bundle| bundle.vouches(anchor, &caller.agent, now))
            }
            AuthMethod::ApiKey | AuthMethod::Delegated | AuthMethod::Local => false,
        }
    }

    /// Judges what an upstream showed in the handshake: whether it is the workload `expected`, by the roots of that one's
    /// trust domain (SPIFFE X509-SVID specification, section 5).
    ///
    /// # Errors
    /// [`Fault`]: it is not, or nothing says that it is.
    pub fn server(&self, peer: &PeerCertificate, expected: &SpiffeName, now: Timestamp) -> Result<(), Fault> {
        svid::verify_server(&self.bundles, peer, expected, now)
    }

    pub(crate) fn certificate(&self, peer: &PeerCertificate, now: Timestamp) -> Result<Verified, Fault> {
        svid::verify(&self.bundles, peer, now)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("epoch", &self.epoch)
            .field("keys", &self.keys.len())
            .field("issuers", &self.issuers.keys())
            .finish_non_exhaustive()
    }
}

pub(crate) fn present<'a>(credential: &Credential<'a>) -> Result<&'a str, Fault> {
    match *credential {
        Credential::Bearer(text) => Ok(text),
        Credential::None => Err(Reason::Missing.into()),
        Credential::Ambiguous => Err(Reason::Several.into()),
    }
}

/// The principal behind an owner-only socket or the pipe of a wrapped server: the operating system vouches.
#[must_use]
pub fn local_principal(agent: AgentId, user: Option<UserId>, issuer: Issuer, credential: KeyId) -> Principal {
    Principal {
        agent,
        user,
        act: Vec::new(),
        groups: BTreeSet::new(),
        scopes: BTreeSet::new(),
        issuer,
        credential,
        rests: Default::default(),
        method: AuthMethod::Local,
        root: None,
        anchor: None,
        expires: None,
    }
}
