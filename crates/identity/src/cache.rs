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
    Credential, Fault, Reason, Registry, is_api_key,
    registry::present,
    token::{self, TOKEN_BYTES_MAX},
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

struct Entry {
    principal: Arc<Principal>,
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

    /// Judges a credential, with what is remembered of tokens under `registry`.
    ///
    /// # Errors
    /// As [`Registry::authenticate`]: the answer is the same with and without the cache.
    pub fn authenticate(
        &self,
        registry: &Registry,
        credential: &Credential<'_>,
        now: Timestamp,
    ) -> Result<Arc<Principal>, Fault> {
        let text = present(credential)?;
        if is_api_key(text) {
            return registry.key(text, now);
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TooLong.into());
        }
        let digest = token::fingerprint(text);
        if let Some(principal) = self
            .shard(&digest)
            .and_then(|mut shard| shard.find(&digest, registry.epoch(), now))
        {
            return Ok(principal);
        }
        let verified = registry.token(text, now)?;
        let principal = Arc::new(verified.principal);
        if let Some(mut shard) = self.shard(&digest) {
            let entry = Entry {
                principal: Arc::clone(&principal),
                since: now,
                until: verified.until,
                used: false,
            };
            shard.keep(digest, registry.epoch(), entry);
        }
        Ok(principal)
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

/// A thread that panicked inside left at worst an entry without its place in the queue; entries are whole values.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&mut self, digest: &Digest, epoch: u64, now: Timestamp) -> Option<Arc<Principal>> {
        if self.epoch != epoch {
            return None;
        }
        let entry = self.entries.get_mut(digest)?;
        if now < entry.since || now >= entry.until {
            return None;
        }
        entry.used = true;
        Some(Arc::clone(&entry.principal))
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
