//! Agents that go round in circles: the same call again and again, more calls than a task can need, and agents that act
//! for themselves through others. Counters per session, bounded in number; no clock of its own.

use std::collections::{BTreeSet, HashMap};

use bartizan_types::{Bar, Code, Digest, Principal, SessionId, Timestamp};

/// Sessions remembered. Past it, those that were quiet for longest are forgotten, which only forgets their counts.
const SESSIONS: usize = 16_384;
/// Calls are the same one again only within this long.
const AGAIN_MICROS: u64 = 600_000_000;
/// The time over which calls are counted.
const WINDOW_MICROS: u64 = 60_000_000;

/// What is too much. Zero bounds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopBounds {
    /// The same call, one right after the other, in one session.
    pub same_call: u32,
    /// Calls of one session in a minute.
    pub per_minute: u32,
    /// How often one name may stand in the chain of who acts for whom.
    pub same_actor: u32,
}

impl Default for LoopBounds {
    fn default() -> Self {
        Self {
            // Polling looks the same: how much of it is too much, only the operator knows.
            same_call: 0,
            per_minute: 0,
            same_actor: 2,
        }
    }
}

impl LoopBounds {
    /// Whether a name stands in the chain of who acts for whom more often than it may: what stands in the way of every call
    /// by it, of whatever kind.
    #[must_use]
    pub fn recursion(&self, principal: &Principal) -> Option<Bar> {
        let most = usize::try_from(self.same_actor).unwrap_or(usize::MAX);
        if most == 0 || principal.act.len() < most {
            return None;
        }
        let times = |name: &str| principal.act.iter().filter(|actor| actor.sub == name).count();
        let (name, count) = principal
            .act
            .iter()
            .map(|actor| (actor.sub.as_str(), times(&actor.sub)))
            .max_by_key(|(_, count)| *count)?;
        (count > most).then(|| Bar {
            code: Code::Recursion,
            what: format!("`{name}` acts {count} times in one chain"),
            retry_after_seconds: None,
            scopes: BTreeSet::new(),
        })
    }
}

/// The counters.
#[derive(Debug, Default)]
pub struct Loops {
    bounds: LoopBounds,
    sessions: HashMap<SessionId, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    last: Digest,
    times: u32,
    /// When that call was last let pass.
    at: Timestamp,
    /// Since when calls are counted, and how many.
    since: Timestamp,
    calls: u32,
}

impl Loops {
    /// None counted yet.
    #[must_use]
    pub fn new(bounds: LoopBounds) -> Self {
        Self {
            bounds,
            sessions: HashMap::new(),
        }
    }

    /// Counts a call, and says what stands in its way. `likeness` is equal for calls that ask for the same thing of the same
    /// tool or peer. A call that is refused is not counted, so that the way out is another call, or time.
    pub fn count(
        &mut self,
        session: SessionId,
        principal: &Principal,
        likeness: Digest,
        now: Timestamp,
    ) -> Option<Bar> {
        if let Some(bar) = self.bounds.recursion(principal) {
            return Some(bar);
        }
        if self.bounds.same_call == 0 && self.bounds.per_minute == 0 {
            return None;
        }
        self.make_room(session);
        let seen = self.sessions.entry(session).or_insert(Seen {
            last: likeness,
            times: 0,
            at: now,
            since: now,
            calls: 0,
        });
        if now.micros_since(seen.since) >= WINDOW_MICROS {
            (seen.since, seen.calls) = (now, 0);
        }
        let again = seen.last == likeness && now.micros_since(seen.at) < AGAIN_MICROS;
        let times = if again { seen.times } else { 0 };
        if self.bounds.same_call > 0 && times >= self.bounds.same_call {
            let left = AGAIN_MICROS.saturating_sub(now.micros_since(seen.at));
            return Some(bar(
                Code::SameCall,
                format!("the same call {times} times in a row"),
                left,
            ));
        }
        if self.bounds.per_minute > 0 && seen.calls >= self.bounds.per_minute {
            let left = WINDOW_MICROS.saturating_sub(now.micros_since(seen.since));
            return Some(bar(
                Code::FanOut,
                format!("{} calls in a minute", seen.calls),
                left,
            ));
        }
        (seen.last, seen.times, seen.at) = (likeness, times.saturating_add(1), now);
        seen.calls = seen.calls.saturating_add(1);
        None
    }

    /// How many sessions are remembered.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn make_room(&mut self, but: SessionId) {
        if self.sessions.len() < SESSIONS || self.sessions.contains_key(&but) {
            return;
        }
        let mut times: Vec<Timestamp> = self.sessions.values().map(|seen| seen.at).collect();
        times.sort_unstable();
        let Some(middle) = times.get(SESSIONS / 2).copied() else {
            return;
        };
        self.sessions.retain(|_, seen| seen.at > middle);
        if self.sessions.len() >= SESSIONS {
            // All at one moment: there is no quieter half.
            self.sessions.clear();
        }
    }
}

fn bar(code: Code, what: String, left_micros: u64) -> Bar {
    let seconds = left_micros.div_ceil(1_000_000).max(1);
    Bar {
        code,
        what,
        retry_after_seconds: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
        scopes: BTreeSet::new(),
    }
}
