//! One holder's grant at one server, in use: the token for the next request, what the server wants instead, renewal.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bartizan_identity::oauth::{Challenge, token_answer};
use bartizan_types::{AgentId, Code, Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{ConnectFault, Holder, Place, Wallets, grant::Grant, is_stale, lock, wire::challenge_of};
use crate::{Shared, clock, gate::Caller};

/// Grants for the same wish within [`VAIN_FOR`] after which another one is not asked for.
const VAIN: u8 = 2;
const VAIN_FOR: Duration = Duration::from_secs(600);
/// A renewal that failed is tried again after this long at the earliest.
const REST: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Wallet {
    pub(super) place: Arc<Place>,
    pub(super) holder: Holder,
    held: Mutex<Held>,
    /// Whoever holds it renews; the others wait and find the new token.
    renewing: AsyncMutex<()>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Held {
    grant: Option<Arc<Grant>>,
    /// What the server answered instead, since when, and whether more rights were wanted.
    wanted: Option<(Challenge, Timestamp, bool)>,
    /// The agent that called last.
    agent: Option<AgentId>,
    /// A wish that was granted, how often, and when last.
    granted: Option<(Option<String>, u8, Instant)>,
    rested: Option<Instant>,
    /// What the last caller showed of itself, where that is exchanged.
    shown: Option<Arc<Secret<String>>>,
}

impl Wallet {
    pub(super) fn new(place: Arc<Place>, holder: Holder, grant: Option<Grant>) -> Self {
        let (changed, _) = watch::channel(0);
        let held = Held {
            grant: grant.map(Arc::new),
            ..Held::default()
        };
        Self {
            place,
            holder,
            held: Mutex::new(held),
            renewing: AsyncMutex::new(()),
            changed,
        }
    }

    /// A caller is about to use it.
    pub(crate) fn seen(&self, caller: &Caller) {
        let agent = &caller.principal.agent;
        let mut held = lock(&self.held);
        if held.agent.as_ref() != Some(agent) {
            held.agent = Some(agent.clone());
        }
        if let Some(shown) = &caller.shown {
            held.shown = Some(Arc::clone(shown));
        }
    }

    /// What the last caller showed of itself.
    pub(super) fn shown(&self) -> Option<Arc<Secret<String>>> {
        lock(&self.held).shown.clone()
    }

    /// The token for the next request, as a header.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let held = lock(&self.held);
        let grant = held.grant.as_ref()?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", grant.access.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether an answer says that the token is missing, ended or not enough; notes what is wanted.
    pub(crate) fn refused<B>(&self, response: &Response<B>) -> Option<Code> {
        let challenge = || challenge_of(response.headers());
        let (challenge, more) = match response.status() {
            StatusCode::UNAUTHORIZED => (challenge().unwrap_or_default(), false),
            StatusCode::FORBIDDEN => {
                let challenge = challenge()?;
                if challenge.error.as_deref() != Some("insufficient_scope") {
                    return None;
                }
                (challenge, true)
            }
            _ => return None,
        };
        let mut held = lock(&self.held);
        let since = held
            .wanted
            .as_ref()
            .map_or_else(clock::now, |(_, since, _)| *since);
        held.wanted = Some((challenge, since, more));
        Some(if more {
            Code::ScopeMissing
        } else {
            Code::ConnectFirst
        })
    }

    /// What the server wants, and whether it is more than was granted.
    pub(super) fn wanted(&self) -> Option<(Challenge, bool)> {
        lock(&self.held)
            .wanted
            .as_ref()
            .map(|(challenge, _, more)| (challenge.clone(), *more))
    }

    /// What is granted now.
    pub(super) fn scopes(&self) -> Vec<String> {
        lock(&self.held)
            .grant
            .as_ref()
            .map(|grant| grant.scopes.clone())
            .unwrap_or_default()
    }

    /// For whoever may connect: who waits, for what, since when.
    pub(super) fn waits(&self) -> Option<Value> {
        let held = lock(&self.held);
        let (challenge, since, more) = held.wanted.as_ref()?;
        Some(json!({
            "server": self.place.name, "holder": self.holder.shown(), "agent": held.agent, "since": since,
            "scope": challenge.scope, "more": more,
        }))
    }

    /// Whether asking once more for this is in vain: it was granted again and again, and did not help.
    pub(super) fn in_vain(&self) -> bool {
        let held = lock(&self.held);
        let Some((challenge, _, _)) = &held.wanted else {
            return false;
        };
        let wish = challenge.scope.clone();
        held.granted
            .as_ref()
            .is_some_and(|(what, times, last)| *what == wish && *times >= VAIN && !is_stale(*last, VAIN_FOR))
    }

    /// Keeps a grant, on disk first.
    pub(super) fn take(&self, wallets: &Wallets, grant: Grant) -> Result<(), ConnectFault> {
        let bytes = grant.write(&self.place, &self.holder);
        wallets.store.put(&self.holder.key(&self.place.name), &bytes)?;
        let mut held = lock(&self.held);
        held.grant = Some(Arc::new(grant));
        held.rested = None;
        drop(held);
        self.changed.send_modify(|times| *times = times.wrapping_add(1));
        Ok(())
    }

    /// Notes that what was wanted is granted.
    pub(super) fn satisfied(&self) {
        let mut held = lock(&self.held);
        let Some((challenge, _, _)) = held.wanted.take() else {
            return;
        };
        let wish = challenge.scope;
        let times = match &held.granted {
            Some((what, times, last)) if *what == wish && !is_stale(*last, VAIN_FOR) => {
                times.saturating_add(1)
            }
            _ => 1,
        };
        held.granted = Some((wish, times, Instant::now()));
    }

    /// Forgets the grant, on disk, too. Gives it, to be given back.
    pub(super) fn forget(&self, wallets: &Wallets) -> Result<Option<Arc<Grant>>, ConnectFault> {
        let grant = lock(&self.held).grant.take();
        wallets.store.remove(&self.holder.key(&self.place.name))?;
        Ok(grant)
    }

    fn grant(&self) -> Option<Arc<Grant>> {
        lock(&self.held).grant.clone()
    }

    /// Renews a token that ends soon, before it is used. What fails here shows when the server refuses the old one.
    pub(crate) async fn freshen(self: &Arc<Self>, shared: &Arc<Shared>) {
        let now = clock::now();
        let ending = self.grant().is_some_and(|grant| grant.is_ending(now));
        if !ending || self.rests() {
            return;
        }
        let renewed = if self.place.oauth.is_automatic() {
            self.obtain(shared).await
        } else {
            self.renew(shared, None).await
        };
        if let Err(fault) = renewed {
            tracing::warn!(server = %self.place.name, error = %fault, "a token could not be renewed");
        }
    }

    fn rests(&self) -> bool {
        lock(&self.held)
            .rested
            .is_some_and(|since| !is_stale(since, REST))
    }

    /// After a refusal: whether the request should be sent once more, because the token was renewed, a machine fetched
    /// one, or the user has signed in meanwhile, for whom the call waits as long as the configuration says.
    pub(crate) async fn recover(self: &Arc<Self>, shared: &Arc<Shared>, code: Code) -> bool {
        if !matches!(code, Code::ConnectFirst | Code::ScopeMissing) {
            return false;
        }
        let mut changes = self.changed.subscribe();
        let refused = self.grant().map(|grant| grant.since);
        let helped = if self.place.oauth.is_automatic() {
            let _one = self.renewing.lock().await;
            // Whoever held it before may have fetched one.
            match self.grant() {
                Some(grant) if Some(grant.since) != refused => Ok(true),
                _ => self.obtain(shared).await,
            }
        } else if code == Code::ConnectFirst && !self.rests() {
            self.renew(shared, refused).await
        } else {
            Ok(false)
        };
        match helped {
            Ok(true) => return true,
            Ok(false) => {}
            Err(fault) => {
                tracing::warn!(server = %self.place.name, error = %fault, "no token could be fetched");
            }
        }
        let wait = self.place.oauth.wait;
        if wait.is_zero() || self.place.oauth.is_automatic() {
            return false;
        }
        let Ok(_place) = shared.wallets.waiters.try_acquire() else {
            return false;
        };
        let granted = changes.changed();
        matches!(tokio::time::timeout(wait, granted).await, Ok(Ok(())))
    }

    /// Renews the token; `true` if there is a newer one now. `refused` is since when the grant that a server refused is
    /// held: if somebody has renewed it meanwhile, that will do.
    async fn renew(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        refused: Option<Timestamp>,
    ) -> Result<bool, ConnectFault> {
        let _one = self.renewing.lock().await;
        let Some(grant) = self.grant() else {
            return Ok(false);
        };
        let done = match refused {
            Some(since) => grant.since != since,
            None => !grant.is_ending(clock::now()),
        };
        if done {
            return Ok(true);
        }
        let Some(refresh) = &grant.refresh else {
            return Ok(false);
        };
        let wallets = &shared.wallets;
        let pairs = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose().as_str()),
            ("resource", &grant.resource),
        ];
        let at = (&grant.token_endpoint, grant.issuer.as_str());
        let answer = wallets
            .post_form(shared, &self.place, at, &grant.client, &pairs)
            .await;
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(fault) => {
                self.not_renewed(wallets, &fault);
                return Err(fault);
            }
        };
        let now = clock::now();
        let token = token_answer(bytes.expose(), now)?;
        let copy = |secret: &Secret<String>| Secret::new(secret.expose().clone());
        let client = bartizan_identity::oauth::Client {
            id: grant.client.id.clone(),
            secret: grant.client.secret.as_ref().map(copy),
            method: grant.client.method,
        };
        self.take(
            wallets,
            Grant {
                issuer: grant.issuer.clone(),
                token_endpoint: grant.token_endpoint.clone(),
                revocation_endpoint: grant.revocation_endpoint.clone(),
                resource: grant.resource.clone(),
                client,
                access: token.access,
                // A server that rotates gives a new one; one that does not lets the old one stand.
                refresh: token.refresh.or_else(|| Some(copy(refresh))),
                expires: token.expires,
                scopes: token.scopes.unwrap_or_else(|| grant.scopes.clone()),
                since: now,
            },
        )?;
        Ok(true)
    }

    /// A renewal that the server will never grant ends the grant; another failure is tried again later.
    fn not_renewed(&self, wallets: &Wallets, fault: &ConnectFault) {
        lock(&self.held).rested = Some(Instant::now());
        let ended =
            matches!(fault, ConnectFault::Refused { error: Some(error), .. } if error == "invalid_grant");
        if ended && let Err(fault) = self.forget(wallets) {
            tracing::warn!(server = %self.place.name, error = %fault, "an ended grant is still kept");
        }
    }

    /// Adds the header of a token. Whether there is one.
    pub(crate) fn dress(&self, headers: &mut HeaderMap) -> bool {
        match self.bearer() {
            Some(bearer) => {
                headers.insert(http::header::AUTHORIZATION, bearer);
                true
            }
            None => false,
        }
    }

    /// What its token is called in records: no secret of the store can be called so.
    pub(crate) fn name(&self) -> String {
        format!("connect/{}", self.place.name)
    }
}
