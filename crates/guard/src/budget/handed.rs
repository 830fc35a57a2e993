//! What links of delegations may spend: each says so itself, and no operator has to configure it.
//!
//! A call goes on the counter of every link of its chain, so what a child spends its parents have spent, and no link's
//! number makes another's larger. INVARIANT: a counter stays until nothing that goes on it can be accepted any more, so
//! nobody gets a second one by waiting; and one agent's chains have [`MOST_OF_ONE`] of them at most.

use std::collections::BTreeMap;

use bartizan_types::{BudgetName, Evidence, Meter, Principal, Timestamp};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Counting, Key, Window, window::Counter};

/// How the names begin under which these are counted. No configured budget may be called so.
pub const RESERVED: &str = "delegation/";
/// Counters of one agent's chains at one time, of each meter.
pub(super) const MOST_OF_ONE: usize = 1024;
/// How much longer than its link a counter stays: clocks jump back.
const GRACE_MICROS: u64 = 24 * 3600 * 1_000_000;

/// Whether a link of the caller's chain bounds what may be spent.
#[must_use]
pub fn is_counted(principal: &Principal) -> bool {
    budgets(principal).any(|budget| !budget.is_empty())
}

/// Whether one bounds tokens or money, so that usage has to be known.
#[must_use]
pub fn counts_tokens(principal: &Principal) -> bool {
    let tokens = [
        Meter::Tokens,
        Meter::InputTokens,
        Meter::OutputTokens,
        Meter::MicroUsd,
    ];
    budgets(principal).any(|budget| tokens.iter().any(|meter| budget.contains_key(meter)))
}

fn budgets(principal: &Principal) -> impl Iterator<Item = &BTreeMap<Meter, u64>> {
    let bounds = principal.act.iter().filter_map(|actor| actor.bounds.as_deref());
    bounds.map(|bounds| &bounds.budget)
}

/// What a counter of this name counts, where it is a delegation's.
pub(super) fn meter(name: &BudgetName) -> Option<Meter> {
    let word = name.as_str().strip_prefix(RESERVED)?;
    Meter::ALL.into_iter().find(|meter| meter.as_str() == word)
}

/// Every counter of a call's chain.
pub(super) fn counting(evidence: &Evidence) -> Vec<Counting> {
    if !COUNTED.contains(&evidence.call.action) {
        return Vec::new();
    }
    of_chain(&evidence.principal)
}

/// Every counter of a chain.
pub(super) fn of_chain(principal: &Principal) -> Vec<Counting> {
    let mut all = Vec::new();
    let mut until: Option<Timestamp> = None;
    // Whom it was handed to first stands last. A link lasts no longer than those before it.
    for actor in principal.act.iter().rev() {
        let (Some(bounds), Some(key)) = (&actor.bounds, &actor.key) else {
            continue;
        };
        until = match (until, bounds.until) {
            (Some(before), Some(own)) => Some(before.min(own)),
            (before, own) => before.or(own),
        };
        for (meter, limit) in &bounds.budget {
            let Ok(name) = BudgetName::new(&format!("{RESERVED}{}", meter.as_str())) else {
                continue;
            };
            all.push(Counting {
                key: (name, format!("agent={} link={key}", principal.agent)),
                meter: *meter,
                window: Window::Total,
                limit: *limit,
                enforce: true,
                until: Some(until.unwrap_or(Timestamp::from_unix_micros(u64::MAX))),
            });
        }
    }
    all
}

/// One link's counter of one meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Handed {
    pub(super) counter: Counter,
    pub(super) limit: u64,
    until: Timestamp,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters(BTreeMap<Key, Handed>);

impl Counters {
    pub(super) fn get(&self, key: &Key) -> Option<&Counter> {
        self.0.get(key).map(|handed| &handed.counter)
    }

    pub(super) fn counter_mut(&mut self, key: &Key) -> Option<&mut Counter> {
        self.0.get_mut(key).map(|handed| &mut handed.counter)
    }

    /// The counter, made where there is none. It stays as long as the longest-lived link that names it.
    pub(super) fn made(&mut self, counting: &Counting, until: Timestamp) -> &mut Counter {
        let handed = self.0.entry(counting.key.clone()).or_insert_with(|| Handed {
            counter: Counter::default(),
            limit: counting.limit,
            until,
        });
        handed.until = handed.until.max(until);
        &mut handed.counter
    }

    /// Whether there is no room for this one; what has ended makes room first.
    pub(super) fn is_full(&mut self, key: &Key, now: Timestamp) -> bool {
        if self.0.contains_key(key) || self.of_its_agent(key) < MOST_OF_ONE {
            return false;
        }
        self.0
            .retain(|_, handed| now <= handed.until.plus_micros(GRACE_MICROS));
        self.of_its_agent(key) >= MOST_OF_ONE
    }

    fn of_its_agent(&self, key: &Key) -> usize {
        // An agent's name has no space, so this begins the counters of that one alone.
        let agent = key.1.split_inclusive(' ').next().unwrap_or_default();
        let from = (key.0.clone(), agent.to_owned());
        let ours = self.0.range(from..);
        ours.take_while(|((name, of), _)| *name == key.0 && of.starts_with(agent))
            .take(MOST_OF_ONE)
            .count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Handed)> {
        self.0.iter()
    }

    /// Takes up what was kept.
    pub(super) fn restore(&mut self, kept: Vec<(BudgetName, String, Handed)>) {
        let all = kept.into_iter().map(|(name, of, handed)| ((name, of), handed));
        self.0.extend(all);
    }

    /// What to keep: all that can still matter.
    pub(super) fn keep(&self, now: Timestamp) -> Vec<(BudgetName, String, Handed)> {
        let lasting = self
            .0
            .iter()
            .filter(|(_, handed)| now <= handed.until.plus_micros(GRACE_MICROS));
        lasting
            .map(|((name, of), handed)| (name.clone(), of.clone(), handed.clone()))
            .collect()
    }
}
