//! Joins calls to sessions by what a caller can't choose: the authenticated identity.
//!
//! Every live call of one (agent, user) shares that identity's session; a new session starts only after an idle
//! spell. A client can't pick, split or rotate it, so nothing is laundered by a fresh id.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bartizan_types::{AgentId, Principal, SessionId, Timestamp, UserId};

use crate::clock;

/// Identities remembered at most; beyond it, idle ones are dropped first, then the least recently seen.
const IDENTITIES: usize = 65_536;

/// A session as a call sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    /// The handle we minted.
    pub id: SessionId,
    /// How many tainting reads it has had. Rulings are compared with it before a permit is minted.
    pub epoch: u64,
}

#[derive(Debug)]
struct Live {
    session: Session,
    seen: Timestamp,
}

/// The live sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    live: Mutex<HashMap<(AgentId, Option<UserId>), Live>>,
}

impl Sessions {
    /// Sessions that end after `idle` without a call.
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            live: Mutex::new(HashMap::new()),
        }
    }

    /// The session of this identity's call at `now`.
    pub(crate) fn join(&self, principal: &Principal, now: Timestamp) -> Session {
        let idle = u64::try_from(self.idle.as_micros()).unwrap_or(u64::MAX);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (principal.agent.clone(), principal.user.clone());
        if let Some(entry) = live.get_mut(&key)
            && now.micros_since(entry.seen) <= idle
        {
            entry.seen = entry.seen.max(now);
            return entry.session;
        }
        if live.len() >= IDENTITIES {
            live.retain(|_, entry| now.micros_since(entry.seen) <= idle);
            while live.len() >= IDENTITIES {
                let Some(oldest) = live
                    .iter()
                    .min_by_key(|(_, entry)| entry.seen)
                    .map(|(key, _)| key.clone())
                else {
                    break;
                };
                live.remove(&oldest);
            }
        }
        let session = Session {
            id: clock::mint(now),
            epoch: 0,
        };
        live.insert(key, Live { session, seen: now });
        session
    }

    /// The epoch the identity's session stands at now.
    pub(crate) fn epoch(&self, principal: &Principal) -> u64 {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&(principal.agent.clone(), principal.user.clone()))
            .map_or(0, |entry| entry.session.epoch)
    }

    /// How many sessions are remembered.
    pub(crate) fn len(&self) -> usize {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use bartizan_types::{AuthMethod, Issuer, KeyId};

    use super::*;

    fn principal(agent: &str) -> Principal {
        Principal {
            agent: AgentId::new(agent).unwrap(),
            user: None,
            act: Vec::new(),
            groups: std::collections::BTreeSet::new(),
            issuer: Issuer::new("bartizan").unwrap(),
            credential: KeyId::new("k").unwrap(),
            method: AuthMethod::ApiKey,
            expires: None,
        }
    }

    #[test]
    fn an_identity_keeps_its_session_until_idle() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let at = Timestamp::from_unix_seconds;
        let first = sessions.join(&principal("a"), at(100));
        assert_eq!(sessions.join(&principal("a"), at(160)), first);
        assert_ne!(sessions.join(&principal("b"), at(160)), first);
        assert_ne!(sessions.join(&principal("a"), at(221)), first);
    }

    #[test]
    fn a_clock_that_jumps_back_sheds_nothing() {
        let sessions = Sessions::new(Duration::from_secs(60));
        let first = sessions.join(&principal("a"), Timestamp::from_unix_seconds(100));
        assert_eq!(
            sessions.join(&principal("a"), Timestamp::from_unix_seconds(5)),
            first
        );
        assert_eq!(
            sessions.join(&principal("a"), Timestamp::from_unix_seconds(150)),
            first
        );
    }
}
