//! How long a server on a pipe rests after it failed: for the identity whose own process ended, and for everybody where
//! it could not be started at all.
//!
//! INVARIANT: what one identity's process does keeps nobody else from starting one of its own. Only what happens before
//! a process runs, and so before any agent was heard, is shared.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::hub::{Owner, Served, lock};

/// A process that ends sooner than this after its start has failed.
const STEADY: Duration = Duration::from_secs(10);
/// Half of the first rest; each failure in a row doubles it.
const HALF: Duration = Duration::from_millis(250);
/// Longest rest.
const LONGEST: Duration = Duration::from_secs(60);
/// Identities remembered at most, for one server. Past that the one whose rest ends first is forgotten: its next failure
/// counts as its first.
const REMEMBERED: usize = 1024;
/// Rests shown at most.
const SHOWN: usize = 8;

/// Who has to wait, for `bartizan status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// For whom the server rests; nobody may start it where this is missing.
    pub whom: Option<String>,
    /// How often it failed in a row.
    pub failures: u32,
    /// For how long still, seconds.
    pub seconds: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Rests(Mutex<Held>);

#[derive(Default)]
struct Held {
    all: Rest,
    each: HashMap<Owner, Rest>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Rest {
    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let rest = HALF.saturating_mul(1 << self.failures.min(8)).min(LONGEST);
        self.until = now.checked_add(rest);
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn shown(&self, whom: Option<String>, now: Instant) -> Option<Resting> {
        Some(Resting {
            whom,
            failures: self.failures,
            seconds: self.left(now)?.as_secs().saturating_add(1),
        })
    }
}

impl Rests {
    /// For how long this identity may start no process yet.
    pub(crate) fn left(&self, owner: &Owner, now: Instant) -> Option<Duration> {
        let held = lock(&self.0);
        let own = held.each.get(owner).and_then(|rest| rest.left(now));
        held.all.left(now).max(own)
    }

    /// No process could be started, whoever asked for one.
    pub(crate) fn stuck(&self, now: Instant) {
        lock(&self.0).all.failed(now);
    }

    /// A process could be started.
    pub(crate) fn started(&self) {
        lock(&self.0).all = Rest::default();
    }

    /// The process of this identity ended by itself, after it ran for so long. Gives how often in a row it ended early.
    pub(crate) fn ended(&self, owner: &Owner, lived: Duration, now: Instant) -> u32 {
        let mut held = lock(&self.0);
        let each = &mut held.each;
        if lived >= STEADY {
            each.remove(owner);
            return 0;
        }
        if each.len() >= REMEMBERED && !each.contains_key(owner) {
            let first = each.iter().min_by_key(|(_, rest)| rest.until);
            if let Some(first) = first.map(|(owner, _)| owner.clone()) {
                each.remove(&first);
            }
        }
        let rest = each.entry(owner.clone()).or_default();
        rest.failed(now);
        rest.failures
    }

    /// Who has to wait now: everybody first, then who failed most.
    pub(crate) fn shown(&self, now: Instant) -> Vec<Resting> {
        let held = lock(&self.0);
        let mut shown: Vec<Resting> = held
            .each
            .iter()
            .filter_map(|(owner, rest)| rest.shown(Some(owner.to_string()), now))
            .collect();
        shown.sort_by(|a, b| b.failures.cmp(&a.failures).then_with(|| a.whom.cmp(&b.whom)));
        shown.truncate(SHOWN);
        held.all.shown(None, now).into_iter().chain(shown).collect()
    }
}

impl Served {
    /// A process of it ended by itself, after it served this identity for so long: operators are told, and that identity
    /// waits before another is started for it.
    pub(super) fn process_ended(&self, owner: &Owner, lived: Duration, complaints: Vec<String>) {
        let failures = self.rests.ended(owner, lived, Instant::now());
        let server = &self.config.name;
        tracing::warn!(%server, agent = %owner, failures, stderr = ?complaints.last(), "the server ended");
        let again = match failures {
            0 | 1 => String::new(),
            more => format!(", {more} times in a row"),
        };
        let what = format!(
            "it ended after {} s, while it served `{owner}`{again}",
            lived.as_secs()
        );
        self.health.ended(what, complaints);
    }
}

#[cfg(test)]
mod tests {
    use bartizan_types::{AgentId, Issuer};

    use super::*;

    fn owner(agent: &str) -> Owner {
        Owner {
            agent: AgentId::new(agent).unwrap(),
            user: None,
            issuer: Issuer::new("test").unwrap(),
        }
    }

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn who_crashes_its_own_process_waits_and_nobody_else() {
        let (rests, start) = (Rests::default(), Instant::now());
        let (loud, quiet) = (owner("loud"), owner("quiet"));
        for failure in 1..=20 {
            assert_eq!(rests.ended(&loud, Duration::ZERO, start), failure);
        }
        assert_eq!(rests.left(&loud, start), Some(LONGEST));
        assert_eq!(rests.left(&quiet, start), None);
        assert_eq!(
            rests.shown(start),
            [Resting {
                whom: Some("loud".to_owned()),
                failures: 20,
                seconds: 61
            }]
        );
        assert_eq!(rests.left(&loud, at(start, 60_000)), None);
        assert!(rests.shown(at(start, 60_000)).is_empty());
    }

    #[test]
    fn each_rest_is_twice_as_long_until_one_runs_for_a_while() {
        let (rests, start) = (Rests::default(), Instant::now());
        let one = owner("one");
        for millis in [500, 1000, 2000] {
            rests.ended(&one, Duration::ZERO, start);
            assert_eq!(rests.left(&one, start), Some(Duration::from_millis(millis)));
        }
        assert_eq!(rests.ended(&one, STEADY, start), 0);
        assert_eq!(rests.left(&one, start), None);
        assert_eq!(rests.ended(&one, Duration::ZERO, start), 1);
    }

    #[test]
    fn what_cannot_be_started_rests_for_everybody_until_it_can() {
        let (rests, start) = (Rests::default(), Instant::now());
        rests.stuck(start);
        for agent in ["one", "other"] {
            assert_eq!(rests.left(&owner(agent), start), Some(HALF * 2));
        }
        assert_eq!(rests.shown(start).first().map(|one| one.whom.clone()), Some(None));
        rests.started();
        assert_eq!(rests.left(&owner("one"), start), None);
    }

    #[test]
    fn many_identities_take_a_bounded_place_and_push_out_whose_rest_ends_first() {
        let (rests, start) = (Rests::default(), Instant::now());
        let steady = owner("keeps-crashing");
        for _ in 0..8 {
            rests.ended(&steady, Duration::ZERO, start);
        }
        for number in 0..REMEMBERED * 2 {
            rests.ended(&owner(&format!("minted-{number}")), Duration::ZERO, start);
        }
        assert_eq!(lock(&rests.0).each.len(), REMEMBERED);
        assert_eq!(rests.left(&steady, start), Some(LONGEST));
        assert_eq!(rests.shown(start).len(), SHOWN);
    }
}
