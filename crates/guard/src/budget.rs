//! Budgets that stop: what a call may come to is set aside before it leaves, and settled when it is known what it came to.
//!
//! A call that would cross a limit is refused, so no call ever completes past one. What is set aside is an upper bound;
//! where none is known the call is refused. What stays unknown at the end is settled at what was set aside, and so is
//! what a crash leaves open.
//!
//! INVARIANT: settled and reserved together never exceed a limit that is enforced, under any interleaving, as long as
//! what is settled is not more than what was reserved; `no_interleaving_crosses_a_limit` holds it.

mod handed;
mod price;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::{
    Action, Amounts, BudgetName, CallId, Code, Evidence, Meter, Over, Principal, Record, RecordKind,
    Resource, RulingWord, Share, Spending, Timestamp,
};
use serde::{Deserialize, Serialize};

pub use handed::{RESERVED, counts_tokens, is_counted};
pub use price::{Asked, Price, Prices, Used};
use window::Counter;
pub use window::Window;

/// Counters kept at most. Those that no longer hold anything make room first.
const MOST_COUNTERS: usize = 65_536;
/// Version of what is kept of the books.
const VERSION: u32 = 1;

/// What a budget may be kept per, or restricted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The agent.
    Agent,
    /// The user whom it acts for.
    User,
    /// What stands before the first `/` of the agent's name, which is its issuer's namespace; without one, the issuer.
    Tenant,
    /// The session.
    Session,
    /// The tool, as `server/tool`.
    Tool,
    /// The MCP server.
    Server,
    /// The model, as `upstream/model`.
    Model,
    /// The model provider.
    Upstream,
    /// Of a tool call: the model whose answer it is from, as `upstream/model`.
    Proposer,
}

impl Dimension {
    /// The word in the configuration and in [`Share::of`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Session => "session",
            Self::Tool => "tool",
            Self::Server => "server",
            Self::Model => "model",
            Self::Upstream => "upstream",
            Self::Proposer => "proposer",
        }
    }

    /// Its value in a call; `None` where the call has none.
    #[must_use]
    pub fn of(self, evidence: &Evidence) -> Option<String> {
        let (principal, resource) = (&evidence.principal, &evidence.call.resource);
        match (self, resource) {
            (Self::Agent, _) => Some(principal.agent.to_string()),
            (Self::User, _) => principal.user.as_ref().map(ToString::to_string),
            (Self::Tenant, _) => Some(principal.tenant().to_owned()),
            (Self::Session, _) => Some(evidence.session.to_string()),
            (Self::Proposer, _) => evidence.call.proposer.as_deref().map(str::to_owned),
            (
                Self::Tool,
                Resource::Tool { .. } | Resource::HostedTool { .. } | Resource::AgentTool { .. },
            )
            | (Self::Model, Resource::Model { .. }) => Some(resource.entity_id()),
            (Self::Server, _) => resource.server().map(ToString::to_string),
            (
                Self::Upstream,
                Resource::Model { upstream, .. }
                | Resource::Upstream { upstream }
                | Resource::HostedTool { upstream, .. },
            ) => Some(upstream.to_string()),
            _ => None,
        }
    }
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: BudgetName,
    /// What it counts.
    pub meter: Meter,
    /// How much of it.
    pub limit: u64,
    /// Over which time.
    pub window: Window,
    /// Kept apart for every combination of these. A call without one of them counts among those without.
    pub per: BTreeSet<Dimension>,
    /// Only calls whose value is one of these, `*` at the end for any rest; a dimension that is not named takes any.
    pub only: BTreeMap<Dimension, BTreeSet<String>>,
    /// Whether it refuses; one that does not counts and is seen by policy.
    pub enforce: bool,
}

/// Actions that budgets count: what reaches a model, a server, a provider's tool or the web on an agent's behalf.
const COUNTED: [Action; 10] = [
    Action::Generate,
    Action::SendMessage,
    Action::UseHostedTool,
    Action::CallTool,
    Action::ReadResource,
    Action::GetPrompt,
    Action::Complete,
    Action::SubscribeResource,
    Action::FetchWeb,
    Action::OpenTunnel,
];

impl Budget {
    /// Whose counter a call goes on; `None` where this budget does not count it.
    fn counts(&self, evidence: &Evidence) -> Option<String> {
        if !COUNTED.contains(&evidence.call.action) {
            return None;
        }
        let is_tool = matches!(
            evidence.call.resource,
            Resource::Tool { .. } | Resource::AgentTool { .. }
        );
        for (dimension, values) in &self.only {
            let value = match dimension.of(evidence) {
                Some(value) => value,
                // It may be any model's.
                None if *dimension == Dimension::Proposer && is_tool => continue,
                None => return None,
            };
            let meant = |one: &String| match one.strip_suffix('*') {
                Some(start) => value.starts_with(start),
                None => *one == value,
            };
            if !values.iter().any(meant) {
                return None;
            }
        }
        // Without what it is about, a budget of models would count tools among those without a model. What no model is known
        // to have proposed is counted as one proposer's: a call must not pass by a budget for want of a conversation.
        let about = |dimension: &Dimension| {
            matches!(
                dimension,
                Dimension::Tool | Dimension::Server | Dimension::Model | Dimension::Upstream
            )
        };
        let mut of = String::new();
        for dimension in &self.per {
            let value = dimension.of(evidence);
            let meant = !about(dimension) && (*dimension != Dimension::Proposer || is_tool);
            if value.is_none() && !meant {
                return None;
            }
            if !of.is_empty() {
                of.push(' ');
            }
            of.push_str(dimension.as_str());
            of.push('=');
            of.push_str(value.as_deref().unwrap_or("-"));
        }
        Some(of)
    }
}

/// The most that a call may come to. `None`: nobody knows, so a budget that counts it refuses the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bound {
    /// Tokens in.
    pub input_tokens: Option<u64>,
    /// Tokens out.
    pub output_tokens: Option<u64>,
    /// Millionths of a US dollar.
    pub micro_usd: Option<u64>,
    /// Bytes of request and answer.
    pub bytes: Option<u64>,
    /// Milliseconds.
    pub millis: Option<u64>,
}

impl Bound {
    /// Of a call that asks no model: no tokens and no cost.
    pub const NO_MODEL: Self = Self {
        input_tokens: Some(0),
        output_tokens: Some(0),
        micro_usd: Some(0),
        bytes: None,
        millis: None,
    };

    fn of(self, meter: Meter) -> Option<u64> {
        match meter {
            Meter::Calls | Meter::Concurrent => Some(1),
            Meter::InputTokens => self.input_tokens,
            Meter::OutputTokens => self.output_tokens,
            Meter::Tokens => self.input_tokens?.checked_add(self.output_tokens?),
            Meter::MicroUsd => self.micro_usd,
            Meter::Bytes => self.bytes,
            Meter::Millis => self.millis,
        }
    }

    fn amounts(self) -> Amounts {
        Amounts {
            calls: 1,
            input_tokens: self.input_tokens.unwrap_or(0),
            output_tokens: self.output_tokens.unwrap_or(0),
            micro_usd: self.micro_usd.unwrap_or(0),
            bytes: self.bytes.unwrap_or(0),
            millis: self.millis.unwrap_or(0),
        }
    }
}

/// A budget, and whose counter of it.
type Key = (BudgetName, String);

/// A counter that counts a call, and by which rules.
#[derive(Debug, Clone)]
struct Counting {
    key: Key,
    meter: Meter,
    window: Window,
    limit: u64,
    enforce: bool,
    /// Of a delegation's: when its link ends.
    until: Option<Timestamp>,
}

/// Where a reservation was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    budget: BudgetName,
    of: String,
    cell: u64,
}

/// A reservation that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    reserved: Amounts,
    since: Timestamp,
    taken: Vec<Taken>,
}

/// How a call's reservation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What had been set aside.
    pub reserved: Amounts,
    /// What it came to.
    pub settled: Amounts,
    /// It came to more than was set aside: the bound was wrong, or the provider did not keep to it.
    pub overrun: bool,
}

/// One counter, to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The budget.
    pub budget: BudgetName,
    /// Whose.
    pub of: String,
    /// What it counts.
    pub meter: Meter,
    /// The limit.
    pub limit: u64,
    /// Settled and reserved.
    pub used: u64,
    /// Of that, what is set aside for calls in progress.
    pub reserved: u64,
}

/// What is kept of the books over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// Records before this one are in it.
    upto: u64,
    counters: Vec<(BudgetName, String, Window, Counter)>,
    open: Vec<(CallId, Open)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    handed: Vec<(BudgetName, String, handed::Handed)>,
}

impl Kept {
    /// The first record that is not in it.
    #[must_use]
    pub const fn upto(&self) -> u64 {
        self.upto
    }
}

/// All budgets and what is used of them.
#[derive(Debug, Clone, Default)]
pub struct Books {
    budgets: BTreeMap<BudgetName, Budget>,
    counters: BTreeMap<(BudgetName, String), Counter>,
    /// What links of delegations may spend, kept apart: agents make those, and must not take room from what operators count.
    handed: handed::Counters,
    open: BTreeMap<CallId, Open>,
    purged: Timestamp,
}

impl Books {
    /// Books of these budgets with nothing used.
    #[must_use]
    pub fn new(budgets: Vec<Budget>) -> Self {
        Self {
            budgets: budgets.into_iter().map(|one| (one.name.clone(), one)).collect(),
            ..Self::default()
        }
    }

    /// Whether no budget is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.budgets.is_empty()
    }

    /// By which rules a name counts: what, over which time, how much.
    fn rules(&self, name: &BudgetName) -> Option<(Meter, Window, u64)> {
        match self.budgets.get(name) {
            Some(budget) => Some((budget.meter, budget.window, budget.limit)),
            // Nothing of these ever drains, so their limits matter to who takes and to nobody else.
            None => handed::meter(name).map(|meter| (meter, Window::Total, u64::MAX)),
        }
    }

    fn counter(&self, key: &Key) -> Option<&Counter> {
        match handed::meter(&key.0) {
            Some(_) => self.handed.get(key),
            None => self.counters.get(key),
        }
    }

    /// The counter to settle on; a delegation's that has long ended has none.
    fn counter_mut(&mut self, key: Key) -> Option<&mut Counter> {
        match handed::meter(&key.0) {
            Some(_) => self.handed.counter_mut(&key),
            None => Some(self.counters.entry(key).or_default()),
        }
    }

    /// The budgets.
    pub fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.budgets.values()
    }

    /// Sets aside what a call may come to, on every budget that counts it, or on none: then [`Spending::over`] says which
    /// refused it. `None` where no budget counts it. A call whose reservation is open keeps it.
    pub fn reserve(&mut self, now: Timestamp, evidence: &Evidence, bound: Bound) -> Option<Spending> {
        let call = evidence.call.id;
        if self.open.contains_key(&call) {
            return evidence.call.spending.as_deref().cloned();
        }
        let own = |budget: &Budget| {
            Some(Counting {
                key: (budget.name.clone(), budget.counts(evidence)?),
                meter: budget.meter,
                window: budget.window,
                limit: budget.limit,
                enforce: budget.enforce,
                until: None,
            })
        };
        let mut counting: Vec<Counting> = self.budgets.values().filter_map(own).collect();
        counting.extend(handed::counting(evidence));
        if counting.is_empty() {
            return None;
        }
        let mut spending = Spending {
            reserved: Amounts::default(),
            shares: Vec::with_capacity(counting.len()),
            over: None,
        };
        for one in &counting {
            let is_full = self.is_full(now, one);
            let (share, over) = self.weigh(now, one, bound, is_full);
            spending.shares.push(share);
            spending.over = spending.over.or(over);
        }
        if spending.over.is_some() {
            return Some(spending);
        }
        spending.reserved = bound.amounts();
        let taken = self.take(now, &counting, &mut spending);
        self.open.insert(
            call,
            Open {
                reserved: spending.reserved,
                since: now,
                taken,
            },
        );
        Some(spending)
    }

    /// How one budget stands to a call that would take this much. `is_full`: there is no room for its counter.
    fn weigh(&self, now: Timestamp, one: &Counting, bound: Bound, is_full: bool) -> (Share, Option<Over>) {
        let empty = Counter::default();
        let counter = self.counter(&one.key).unwrap_or(&empty);
        let used = counter.used(one.window, one.limit, now);
        let over = |code, retry_after_seconds| {
            one.enforce.then(|| Over {
                budget: one.key.0.clone(),
                of: one.key.1.clone(),
                code,
                retry_after_seconds,
            })
        };
        let said = match bound.of(one.meter) {
            None => over(Code::BudgetUnbounded, None),
            Some(amount) if used.checked_add(amount).is_none_or(|then| then > one.limit) => over(
                Code::BudgetExceeded,
                counter.wait(one.window, one.limit, now, amount),
            ),
            Some(_) if is_full => over(Code::Saturated, Some(1)),
            Some(_) => None,
        };
        let share = Share {
            budget: one.key.0.clone(),
            of: one.key.1.clone(),
            meter: one.meter,
            limit: one.limit,
            used,
        };
        (share, said)
    }

    fn take(&mut self, now: Timestamp, counting: &[Counting], spending: &mut Spending) -> Vec<Taken> {
        let mut taken = Vec::with_capacity(counting.len());
        for (one, share) in counting.iter().zip(&mut spending.shares) {
            let counter = match one.until {
                Some(until) => self.handed.made(one, until),
                None => self.counters.entry(one.key.clone()).or_default(),
            };
            let amount = spending.reserved.of(one.meter);
            let cell = counter.take(one.window, one.limit, now, amount);
            share.used = counter.used(one.window, one.limit, now);
            let (budget, of) = one.key.clone();
            taken.push(Taken { budget, of, cell });
        }
        taken
    }

    /// Whether there is no room for a counter. What no longer holds anything makes room first, at most once a second.
    fn is_full(&mut self, now: Timestamp, one: &Counting) -> bool {
        if one.until.is_some() {
            return self.handed.is_full(&one.key, now);
        }
        let most = |counters: &BTreeMap<Key, Counter>| {
            counters.len() >= MOST_COUNTERS && !counters.contains_key(&one.key)
        };
        if !most(&self.counters) || now.micros_since(self.purged) < 1_000_000 {
            return most(&self.counters);
        }
        self.purged = now;
        let budgets = &self.budgets;
        self.counters.retain(|(name, _), counter| {
            budgets
                .get(name)
                .is_some_and(|budget| !counter.is_empty(budget.window, budget.limit, now))
        });
        most(&self.counters)
    }

    /// Settles a call at what it came to. What is given is the whole: what stayed unknown is to be what was reserved.
    pub fn settle(&mut self, now: Timestamp, call: CallId, settled: Amounts) -> Option<Settled> {
        let open = self.open.remove(&call)?;
        let mut overrun = false;
        for taken in &open.taken {
            let Some((meter, window, limit)) = self.rules(&taken.budget) else {
                continue;
            };
            let key = (taken.budget.clone(), taken.of.clone());
            let Some(counter) = self.counter_mut(key) else {
                continue;
            };
            let reserved = open.reserved.of(meter);
            // What is in progress ends with the call, whatever it came to.
            let came_to = match meter {
                Meter::Concurrent => 0,
                meter => settled.of(meter),
            };
            if came_to > reserved {
                overrun = true;
                counter.take(window, limit, now, came_to - reserved);
            } else {
                let place = (taken.cell, open.since);
                counter.give(window, limit, place, now, reserved - came_to);
            }
        }
        Some(Settled {
            reserved: open.reserved,
            settled,
            overrun,
        })
    }

    /// Gives back everything: the call was refused, or nothing of it left.
    pub fn cancel(&mut self, now: Timestamp, call: CallId) {
        self.settle(now, call, Amounts::default());
    }

    /// What was set aside for a call that is open.
    #[must_use]
    pub fn reserved(&self, call: CallId) -> Option<Amounts> {
        self.open.get(&call).map(|open| open.reserved)
    }

    /// Forgets what is used, of one budget or one counter of it; what is set aside for calls in progress stays. Gives how
    /// many counters it was.
    pub fn reset(&mut self, now: Timestamp, budget: &BudgetName, of: Option<&str>) -> usize {
        let meant = |key: &(BudgetName, String)| key.0 == *budget && of.is_none_or(|of| key.1 == of);
        let before = self.counters.len();
        self.counters.retain(|key, _| !meant(key));
        let count = before - self.counters.len();
        for open in self.open.values_mut() {
            for taken in &mut open.taken {
                let key = (taken.budget.clone(), taken.of.clone());
                if let (true, Some(budget)) = (meant(&key), self.budgets.get(&key.0)) {
                    let counter = self.counters.entry(key).or_default();
                    let amount = open.reserved.of(budget.meter);
                    taken.cell = counter.take(budget.window, budget.limit, now, amount);
                    open.since = now;
                }
            }
        }
        count
    }

    /// Every counter that holds something.
    #[must_use]
    pub fn lines(&self, now: Timestamp) -> Vec<Line> {
        let mut reserved: BTreeMap<(&BudgetName, &str), u64> = BTreeMap::new();
        for open in self.open.values() {
            for taken in &open.taken {
                if let Some((meter, ..)) = self.rules(&taken.budget) {
                    let sum = reserved.entry((&taken.budget, &taken.of)).or_default();
                    *sum = sum.saturating_add(open.reserved.of(meter));
                }
            }
        }
        let line = |((name, of), counter, limit): (&Key, &Counter, Option<u64>)| {
            let (meter, window, own) = self.rules(name)?;
            let limit = limit.unwrap_or(own);
            let used = counter.used(window, limit, now);
            (used > 0).then(|| Line {
                budget: name.clone(),
                of: of.clone(),
                meter,
                limit,
                used,
                reserved: reserved.get(&(name, of.as_str())).copied().unwrap_or(0),
            })
        };
        let own = self.counters.iter().map(|(key, counter)| (key, counter, None));
        let handed = self.handed.iter();
        let handed = handed.map(|(key, one)| (key, &one.counter, Some(one.limit)));
        own.chain(handed).filter_map(line).collect()
    }

    /// What to keep over a restart. Every record before `upto` must have been seen by these books.
    #[must_use]
    pub fn keep(&self, now: Timestamp, upto: u64) -> Kept {
        let lasting = |((name, of), counter): (&(BudgetName, String), &Counter)| {
            let budget = self.budgets.get(name)?;
            let kept = budget.window != Window::Now && !counter.is_empty(budget.window, budget.limit, now);
            kept.then(|| (name.clone(), of.clone(), budget.window, counter.clone()))
        };
        Kept {
            version: VERSION,
            upto,
            counters: self.counters.iter().filter_map(lasting).collect(),
            open: self
                .open
                .iter()
                .map(|(call, open)| (*call, open.clone()))
                .collect(),
            handed: self.handed.keep(now),
        }
    }

    /// Takes up what was kept. A counter of another window than its budget has now begins anew.
    ///
    /// # Errors
    /// [`Newer`], where another release wrote it.
    pub fn restore(&mut self, kept: Kept) -> Result<(), Newer> {
        if kept.version > VERSION {
            return Err(Newer);
        }
        for (name, of, window, counter) in kept.counters {
            if self
                .budgets
                .get(&name)
                .is_some_and(|budget| budget.window == window)
            {
                self.counters.insert((name, of), counter);
            }
        }
        self.open = kept.open.into_iter().collect();
        self.handed.restore(kept.handed);
        Ok(())
    }

    /// Takes in a record that came after what was kept, oldest first: what it says was set aside or settled.
    pub fn recover(&mut self, record: &Record) {
        let now = record.time;
        let Some(call) = record.call else { return };
        let spending = record.facts.as_ref().and_then(|facts| facts.spending.as_deref());
        match (record.kind, record.ruling, spending) {
            // On its answer: what it cost stays, and its closing record settles it.
            (RecordKind::Ruling, _, _) if record.answering => {}
            (RecordKind::Ruling, Some(RulingWord::Allow), Some(spending)) if spending.over.is_none() => {
                self.retake(now, call, spending, record.principal.as_ref());
            }
            // It took the place of one that allowed.
            (RecordKind::Ruling, Some(_), _) => self.cancel(now, call),
            (RecordKind::Closing, ..) => {
                let said = record.answer.as_ref().and_then(|answer| answer.settled);
                if let Some(settled) = said.or_else(|| self.reserved(call)) {
                    self.settle(now, call, settled);
                }
            }
            _ => {}
        }
    }

    /// Sets aside what a record says was; once, however often the call was ruled on.
    fn retake(&mut self, now: Timestamp, call: CallId, spending: &Spending, caller: Option<&Principal>) {
        if self.open.contains_key(&call) {
            return;
        }
        let handed = caller.map(handed::of_chain).unwrap_or_default();
        let mut again = spending.clone();
        // What is configured no more is counted no more.
        let known = |share: &Share| Some((self.rules(&share.budget)?, share.clone()));
        let known: Vec<_> = spending.shares.iter().filter_map(known).collect();
        again.shares = known.iter().map(|(_, share)| share.clone()).collect();
        let counting: Vec<Counting> = known
            .into_iter()
            .map(|((meter, window, limit), share)| {
                let key = (share.budget, share.of);
                let own = handed.iter().find(|one| one.key == key);
                let forever = || handed::meter(&key.0).map(|_| Timestamp::from_unix_micros(u64::MAX));
                Counting {
                    until: own.and_then(|one| one.until).or_else(forever),
                    limit: own.map_or(limit, |one| one.limit),
                    enforce: true,
                    key,
                    meter,
                    window,
                }
            })
            .collect();
        let taken = self.take(now, &counting, &mut again);
        let open = Open {
            reserved: spending.reserved,
            since: now,
            taken,
        };
        self.open.insert(call, open);
    }

    /// After the last record: what is open was cut off by a crash, and is settled at what was set aside. Gives how many.
    pub fn close_open(&mut self, now: Timestamp) -> usize {
        let calls: Vec<(CallId, Amounts)> = self
            .open
            .iter()
            .map(|(call, open)| (*call, open.reserved))
            .collect();
        for (call, reserved) in &calls {
            self.settle(now, *call, *reserved);
        }
        calls.len()
    }
}

/// What was kept is of a newer release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is kept of the budgets was written by a newer release")]
pub struct Newer;

#[cfg(test)]
mod tests;
