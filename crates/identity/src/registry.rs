//! Who may call: an immutable snapshot of API keys and issuers. A change builds a new one with a higher epoch, and
//! the shell swaps it in whole; a token cache drops what it learned under another epoch.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bartizan_types::{AgentId, AuthMethod, Issuer, KeyId, Principal, Timestamp, UserId};

use crate::{
    ApiKeyRecord, ConfigFault, Credential, Fault, IssuerKeys, Pepper, Reason, is_api_key, key,
    token::{self, Verified},
};

/// A snapshot of who may call.
pub struct Registry {
    epoch: u64,
    keys: BTreeMap<KeyId, Known>,
    issuers: BTreeMap<String, IssuerKeys>,
    pepper: Pepper,
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
                issuer: own.clone(),
                credential: record.prefix.clone(),
                method: AuthMethod::ApiKey,
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

    /// This snapshot's number.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Judges a credential without any cache.
    ///
    /// # Errors
    /// [`Fault`] with the code for the caller and the reason for the record.
    pub fn authenticate(&self, credential: &Credential<'_>, now: Timestamp) -> Result<Principal, Fault> {
        let text = present(credential)?;
        if is_api_key(text) {
            return self.key(text, now).map(|principal| (*principal).clone());
        }
        self.token(text, now).map(|verified| verified.principal)
    }

    pub(crate) fn key(&self, text: &str, now: Timestamp) -> Result<Arc<Principal>, Fault> {
        let prefix = key::prefix(text)?;
        let prefix = KeyId::new(prefix).map_err(|_| Reason::KeyShape)?;
        let known = self.keys.get(&prefix).ok_or(Reason::KeyPrefix)?;
        key::judge(text, &known.record, &self.pepper, now)?;
        Ok(Arc::clone(&known.principal))
    }

    pub(crate) fn token(&self, text: &str, now: Timestamp) -> Result<Verified, Fault> {
        token::verify(text, |iss| self.issuers.get(iss), now)
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
        issuer,
        credential,
        method: AuthMethod::Local,
        expires: None,
    }
}
