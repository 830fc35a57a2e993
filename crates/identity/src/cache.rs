//! Tokens whose signature was checked: found again by digest, so a warm call costs a hash and not a signature.
//!
//! An entry is used only under the registry epoch it was made in, and only between the moment it was checked and the
//! moment its token ends; a clock that jumped back leads to a full check. Refusals are not remembered: their number
//! is an attacker's choice. Bounded: when a shard is full, the oldest entry not used since it was last passed over
//! goes. Sixteen shards, each behind a lock that is never held while a signature is checked, so one cache serves all
//! threads. API keys pass through uncached: judging one costs a keyed hash, and revoking one then needs no cache.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bartizan_types::{Digest, Principal, Timestamp};

use crate::{
    Credential, Fault, PeerCertificate, Presented, Reason, Registry, Replays,
    binding::Binding,
    dpop, is_api_key,
    registry::present,
    token::{self, TOKEN_BYTES_MAX, Verified},
};

const SHARDS: usize = 16;

/// Verified tokens, shared by all threads.
pub struct TokenCache {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    epoch: u64,
    limit: usize,
    entries: BTreeMap<Digest, Entry>,
    order: VecDeque<Digest>,
}

/// Whom a credential names, and what must be shown beside it.
type Known = (Arc<Principal>, Option<Arc<Binding>>);

struct Entry {
    known: Known,
    since: Timestamp,
    until: Timestamp,
    used: bool,
}

impl TokenCache {
    /// At most `entries` tokens, rounded up to a multiple of 16; 0 remembers nothing.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let limit = entries.div_ceil(SHARDS);
        let shard = || {
            Mutex::new(Shard {
                limit,
                ..Shard::default()
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// Judges a credential alone, with what is remembered of tokens under `registry`.
    ///
    /// # Errors
    /// As [`Registry::authenticate`]: the answer is the same with and without the cache.
    pub fn authenticate(
        &self,
        registry: &Registry,
        credential: &Credential<'_>,
        now: Timestamp,
    ) -> Result<Arc<Principal>, Fault> {
        self.judge(registry, &Presented::bare(*credential), &Replays::new(0), now)
    }

    /// Judges everything a request shows.
    ///
    /// A certificate alone names the caller. Beside a credential it must be the one the token is bound to, or be of
    /// the same agent. A proof must come with a token that is bound to its key, and is used up last.
    ///
    /// # Errors
    /// [`Fault`] with the code for the caller and the reason for the record.
    pub fn judge(
        &self,
        registry: &Registry,
        presented: &Presented<'_>,
        replays: &Replays,
        now: Timestamp,
    ) -> Result<Arc<Principal>, Fault> {
        if let (Credential::None, Some(peer)) = (presented.credential, presented.certificate) {
            if presented.proof.is_some() {
                return Err(Reason::ProofUnbound.into());
            }
            return self.certificate(registry, peer, now);
        }
        let text = present(&presented.credential)?;
        let (principal, binding) = self.credential(registry, text, now)?;
        let bound = binding.as_deref();
        if let Some(binding) = bound {
            binding.check_certificate(presented.certificate)?;
        }
        let shown = presented
            .certificate
            .map(|peer| self.certificate(registry, peer, now));
        if let Some(peer) = presented.certificate
            && !bound.is_some_and(|binding| binding.is_of(peer))
        {
            let first_only = bound.is_some_and(Binding::is_to_first_holder);
            let shown = shown.clone().ok_or(Reason::BindingAgent)??;
            if !is_shown_by(&principal, &shown, first_only) {
                return Err(Reason::BindingAgent.into());
            }
        }
        match (bound.and_then(Binding::key), &presented.proof) {
            (None, None) => {}
            (Some(_), None) => return Err(Reason::BindingKey.into()),
            (None, Some(_)) => return Err(Reason::ProofUnbound.into()),
            (Some(key), Some(proof)) => {
                let seen = dpop::verify(proof, text, key, now)?;
                replays.take(&seen, now)?;
            }
        }
        let Some(peer) = presented.certificate else {
            return Ok(principal);
        };
        // Revoking the certificate ends what it is shown with, too, and so does its own end.
        let mut both = Arc::unwrap_or_clone(principal);
        both.rests.extend(peer.names());
        let ends = shown.and_then(Result::ok).and_then(|shown| shown.expires);
        both.expires = both.expires.into_iter().chain(ends).min();
        Ok(Arc::new(both))
    }

    fn credential(&self, registry: &Registry, text: &str, now: Timestamp) -> Result<Known, Fault> {
        if is_api_key(text) {
            return Ok((registry.key(text, now)?, None));
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TooLong.into());
        }
        self.remembered(token::fingerprint(text), registry, now, || {
            registry.token(text, now)
        })
    }

    fn certificate(
        &self,
        registry: &Registry,
        peer: &PeerCertificate,
        now: Timestamp,
    ) -> Result<Arc<Principal>, Fault> {
        let check = || registry.certificate(peer, now);
        Ok(self.remembered(*peer.whole(), registry, now, check)?.0)
    }

    fn remembered(
        &self,
        digest: Digest,
        registry: &Registry,
        now: Timestamp,
        check: impl FnOnce() -> Result<Verified, Fault>,
    ) -> Result<Known, Fault> {
        if let Some(known) = self
            .shard(&digest)
            .and_then(|mut shard| shard.find(&digest, registry.epoch(), now))
        {
            return Ok(known);
        }
        let verified = check()?;
        let known = (Arc::new(verified.principal), verified.binding.map(Arc::new));
        if let Some(mut shard) = self.shard(&digest) {
            let entry = Entry {
                known: known.clone(),
                since: now,
                until: verified.until,
                used: false,
            };
            shard.keep(digest, registry.epoch(), entry);
        }
        Ok(known)
    }

    /// Tokens remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, digest: &Digest) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = digest.0;
        self.shards.get(usize::from(first) % SHARDS).map(lock)
    }
}

/// Whether a certificate is that of whom a credential names: the agent, or whom it was handed to last; or `first_only`,
/// first, where a name that a holder chose is not enough.
fn is_shown_by(principal: &Principal, shown: &Principal, first_only: bool) -> bool {
    let mut links = principal.act.iter().filter(|actor| actor.bounds.is_some());
    let holder = if first_only {
        links.next_back()
    } else {
        links.next()
    };
    shown.agent == principal.agent || holder.is_some_and(|actor| actor.sub == shown.agent.as_str())
}

/// A thread that panicked inside left at worst an entry without its place in the queue; entries are whole values.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&mut self, digest: &Digest, epoch: u64, now: Timestamp) -> Option<Known> {
        if self.epoch != epoch {
            return None;
        }
        let entry = self.entries.get_mut(digest)?;
        if now < entry.since || now >= entry.until {
            return None;
        }
        entry.used = true;
        Some(entry.known.clone())
    }

    fn keep(&mut self, digest: Digest, epoch: u64, entry: Entry) {
        // A thread that still holds an older registry must not bring back what the newer one dropped.
        if epoch < self.epoch || self.limit == 0 {
            return;
        }
        if epoch > self.epoch {
            self.entries.clear();
            self.order.clear();
            self.epoch = epoch;
        }
        if self.entries.insert(digest, entry).is_some() {
            return;
        }
        self.order.push_back(digest);
        // Two rounds suffice: the first clears every mark.
        for _ in 0..self.limit.saturating_mul(2).saturating_add(2) {
            if self.entries.len() <= self.limit {
                break;
            }
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            match self.entries.get_mut(&oldest) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    self.entries.remove(&oldest);
                }
            }
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("entries", &self.len())
            .finish()
    }
}
