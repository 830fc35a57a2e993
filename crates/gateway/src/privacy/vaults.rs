//! The vaults in use, by session or by identity.
//!
//! A session's vault lives in memory alone: sessions end with the process, and a token of an ended session restores
//! nothing. An identity's vault is kept sealed, and comes back. Both are bounded in number; the one used least goes, and
//! its tokens stay tokens.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bartizan_privacy::{Bounds, Vault};
use bartizan_store::{Fault, VaultStore};
use bartizan_types::{AgentId, Secret, Timestamp};

use crate::{clock, config, gate::Caller, mcp::Owner};

/// Vaults in memory.
const VAULTS: usize = 16_384;
/// Other sessions of an identity that are asked for a token: those seen last.
const OTHERS: usize = 64;

/// One vault.
pub(crate) struct Held(Mutex<Vault>);

impl Held {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Used {
    held: Arc<Held>,
    agent: AgentId,
    owner: Owner,
    seen: Timestamp,
}

pub(super) struct Vaults {
    bounds: Bounds,
    per_identity: bool,
    store: Option<VaultStore>,
    open: Mutex<HashMap<String, Used>>,
}

impl Vaults {
    pub(super) fn new(config: &config::Privacy, store: Option<VaultStore>) -> Self {
        if let Some(store) = &store
            && let Err(error) = store.expire(clock::now())
        {
            tracing::error!(%error, "expired vaults were not removed");
        }
        Self {
            bounds: Bounds {
                life: u64::try_from(config.life.as_micros()).unwrap_or(u64::MAX),
                ..Bounds::default()
            },
            per_identity: config.per_identity,
            store: store.filter(|_| config.per_identity),
            open: Mutex::default(),
        }
    }

    fn scope(&self, caller: &Caller) -> String {
        if self.per_identity {
            format!("identity {:?}", Owner::of(&caller.principal))
        } else {
            format!("session {}", caller.session.id)
        }
    }

    pub(super) fn of(&self, caller: &Caller) -> Arc<Held> {
        let scope = self.scope(caller);
        let now = clock::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = open.get_mut(&scope) {
            used.seen = now;
            return Arc::clone(&used.held);
        }
        if open.len() >= VAULTS {
            let life = self.bounds.life;
            open.retain(|_, used| now.micros_since(used.seen) <= life);
        }
        if open.len() >= VAULTS {
            let oldest = open
                .iter()
                .min_by_key(|(_, used)| used.seen)
                .map(|(scope, _)| scope.clone());
            oldest.map(|oldest| open.remove(&oldest));
        }
        let vault = self
            .kept(&caller.principal.agent, &scope, now)
            .unwrap_or_else(|| Vault::new(&scope, Secret::new(clock::random()), self.bounds));
        let held = Arc::new(Held(Mutex::new(vault)));
        let used = Used {
            held: Arc::clone(&held),
            agent: caller.principal.agent.clone(),
            owner: Owner::of(&caller.principal),
            seen: now,
        };
        open.insert(scope, used);
        held
    }

    /// The vaults of the same identity's other sessions.
    pub(super) fn others(&self, caller: &Caller, own: &Arc<Held>) -> Vec<Arc<Held>> {
        let owner = Owner::of(&caller.principal);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let same = open.values().filter(|used| used.owner == owner);
        let mut others: Vec<&Used> = same.filter(|used| !Arc::ptr_eq(&used.held, own)).collect();
        others.sort_by_key(|used| Reverse(used.seen));
        let last = others.into_iter().take(OTHERS);
        last.map(|used| Arc::clone(&used.held)).collect()
    }

    /// The vault that was kept. One that does not open is as good as none: its tokens stay tokens.
    fn kept(&self, agent: &AgentId, scope: &str, now: Timestamp) -> Option<Vault> {
        let store = self.store.as_ref()?;
        let bytes = match store.get(agent.as_str(), scope, now) {
            Ok(bytes) => bytes?,
            Err(error) => {
                tracing::error!(%error, "a kept vault was not opened; its tokens will not be restored");
                return None;
            }
        };
        match Vault::from_kept(scope, &bytes, self.bounds, now) {
            Ok(vault) => Some(vault),
            Err(error) => {
                tracing::error!(%error, "a kept vault was not opened; its tokens will not be restored");
                None
            }
        }
    }

    /// Keeps a vault that has changed, where vaults are kept.
    pub(super) fn keep(&self, caller: &Caller, held: &Arc<Held>) {
        let Some(store) = &self.store else { return };
        let (scope, agent) = (self.scope(caller), caller.principal.agent.as_str());
        let mut vault = held.lock();
        if !vault.take_changed() {
            return;
        }
        let expires = clock::now().unix_micros().saturating_add(self.bounds.life);
        let kept = vault.keep().map_err(|fault| fault.to_string()).and_then(|bytes| {
            let expires = Timestamp::from_unix_micros(expires);
            store
                .put(agent, &scope, &bytes, expires)
                .map_err(|fault| fault.to_string())
        });
        if let Err(error) = kept {
            tracing::error!(%error, "a vault was not kept; its tokens end with this process");
        }
    }

    /// Erases the vaults of an agent, or all, in memory and as they are kept; gives how many values went from memory, and
    /// how many kept vaults.
    pub(super) fn erase(&self, agent: Option<&str>) -> Result<(usize, usize), Fault> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = 0;
        open.retain(|_, used| {
            let meant = agent.is_none_or(|agent| agent == used.agent.as_str());
            if meant {
                values += used.held.lock().erase();
            }
            !meant
        });
        let kept = self.store.as_ref().map_or(Ok(0), |store| store.erase(agent))?;
        Ok((values, kept))
    }
}

/// A vault for tests.
#[cfg(test)]
pub(super) fn held(vault: Vault) -> Arc<Held> {
    Arc::new(Held(Mutex::new(vault)))
}
