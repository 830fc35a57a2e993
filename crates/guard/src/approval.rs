//! Questions to a human, and what the answers are good for.
//!
//! ```text
//! ask ─→ Waiting ─allow (enough people)─→ Allowed ─hold─→ held ─spend─→ gone
//!           │ └─deny─→ Denied                        └─release─→ Allowed
//!           └────────────── expires ──────────────────────────→ gone
//! ```
//!
//! Pure: the time and fresh ids are given. The shell keeps what this says, writes the records, and lets nobody answer
//! whose channel does not prove who they are.
//!
//! INVARIANT 4: a yes is good for one call (session, server, tool, canonical arguments), once, until it expires.
//! INVARIANT: an id that is spent, denied, expired or forgotten never gives anything again.
//! INVARIANT: forgetting only tightens: whatever is missing here is asked about once more.
//! INVARIANT: nothing grows without a bound, however much is asked.

mod binding;
mod endorsement;
mod question;

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::{
    AgentId, ApprovalId, ServerName, Timestamp, ToolName, UserId, flow::Effect, flow::Role,
};

pub use binding::{Binding, content_digest, value_digest};
pub use endorsement::{Claim, ENDORSABLE, Endorsement, place};
pub use question::{
    Answerer, Asker, Channel, Draft, Question, Resembles, Scope, Shown, Standing, Unusual, Verdict, escaped,
};

const SECOND: u64 = 1_000_000;

/// Every bound.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Questions that wait, of all identities together.
    pub waiting: usize,
    /// Questions that wait, of one identity.
    pub waiting_each: usize,
    /// New questions of one identity within a window.
    pub asked_each: u32,
    /// The window, in microseconds.
    pub window_micros: u64,
    /// Questions kept, answered ones included.
    pub kept: usize,
    /// How long a question may be answered, and how long an answer then holds, in microseconds.
    pub life_micros: u64,
    /// Endorsements kept.
    pub endorsements: usize,
    /// How long an endorsement for one task holds at most, in microseconds.
    pub task_micros: u64,
    /// How far ahead an endorsement may end, in microseconds.
    pub until_micros: u64,
    /// Identities whose questions are counted.
    pub identities: usize,
    /// Effects for which an answer from the agent's own client is enough.
    pub elicited: BTreeSet<Effect>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting: 256,
            waiting_each: 16,
            asked_each: 30,
            window_micros: 600 * SECOND,
            kept: 1024,
            life_micros: 900 * SECOND,
            endorsements: 4096,
            task_micros: 8 * 3600 * SECOND,
            until_micros: 366 * 24 * 3600 * SECOND,
            identities: 4096,
            elicited: BTreeSet::new(),
        }
    }
}

/// What became of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A new question.
    New(ApprovalId),
    /// The same call is asked about already, or answered with yes and not made yet.
    Again(ApprovalId),
    /// The same call was denied, and that still holds.
    Denied(ApprovalId),
    /// This identity asks too much, or everything is full: nothing was kept but this count.
    Flood {
        /// Questions of this identity that were dropped in this window, this one included.
        dropped: u64,
    },
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Another person has to say the same.
    More,
    /// Yes. These endorsements came with it.
    Allowed(Vec<Endorsement>),
    /// No.
    Denied,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// No question of this id waits: there never was one, or it is spent, expired or forgotten.
    #[error("no question of this id waits for an answer")]
    Unknown,
    /// It was answered before.
    #[error("the question was answered already")]
    Answered,
    /// The same person said yes before.
    #[error("a second person has to answer, and this one answered already")]
    SamePerson,
    /// The first person's yes went farther or less far.
    #[error("the first answer has another scope; both must say the same")]
    OtherScope,
    /// An answer from the agent's own client is not enough here.
    #[error("an answer in the agent's own client is not enough for this call")]
    Weak,
    /// The end of the endorsement has passed, or is too far ahead.
    #[error("an endorsement ends in the future, at most a year ahead")]
    Date,
    /// No argument of these roles can be endorsed.
    #[error("no argument of these roles is in need of an endorsement")]
    Nothing,
    /// No more endorsements are kept.
    #[error("too many endorsements are kept; revoke some first")]
    Full,
}

#[derive(Debug, Default)]
struct Tally {
    since: Timestamp,
    asked: u32,
    dropped: u64,
}

type Identity = (AgentId, Option<UserId>);

/// All questions and endorsements.
#[derive(Debug)]
pub struct Approvals {
    limits: Limits,
    /// The latest time seen: a clock that goes back revives nothing.
    now: Timestamp,
    questions: BTreeMap<ApprovalId, Question>,
    bound: BTreeMap<Binding, ApprovalId>,
    held: BTreeSet<ApprovalId>,
    endorsements: BTreeMap<ApprovalId, Endorsement>,
    tools: BTreeMap<(AgentId, ServerName, ToolName), BTreeSet<ApprovalId>>,
    tallies: BTreeMap<Identity, Tally>,
}

impl Approvals {
    /// Empty.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Timestamp::from_unix_micros(0),
            questions: BTreeMap::new(),
            bound: BTreeMap::new(),
            held: BTreeSet::new(),
            endorsements: BTreeMap::new(),
            tools: BTreeMap::new(),
            tallies: BTreeMap::new(),
        }
    }

    /// Takes back what was kept elsewhere. What is over, or no longer fits, is left out: that only tightens.
    pub fn restore(
        &mut self,
        now: Timestamp,
        questions: impl IntoIterator<Item = Question>,
        endorsements: impl IntoIterator<Item = Endorsement>,
    ) {
        let now = self.tick(now);
        for question in questions {
            let fits = self.questions.len() < self.limits.kept
                && question.expires > now
                && question.expires <= now.plus_micros(self.limits.life_micros)
                && !self.bound.contains_key(&question.draft.binding);
            if fits {
                self.bound.insert(question.draft.binding, question.id);
                self.questions.insert(question.id, question);
            }
        }
        for endorsement in endorsements {
            if endorsement.until > now && self.endorsements.len() < self.limits.endorsements {
                self.keep(endorsement);
            }
        }
    }

    /// Asks about a call. `id` is fresh.
    pub fn ask(&mut self, now: Timestamp, id: ApprovalId, mut draft: Draft) -> Asked {
        let now = self.tick(now);
        self.sweep(now);
        if let Some(question) = self
            .bound
            .get(&draft.binding)
            .and_then(|known| self.questions.get_mut(known))
        {
            question.count = question.count.saturating_add(1);
            question.last = now;
            return match question.standing {
                Standing::Denied => Asked::Denied(question.id),
                Standing::Waiting | Standing::Allowed => Asked::Again(question.id),
            };
        }
        if let Some(flood) = self.flooded(now, id, &draft.asker) {
            return flood;
        }
        let over = draft.arguments.len().saturating_sub(Draft::ARGUMENTS);
        draft.more = draft.more.saturating_add(u32::try_from(over).unwrap_or(u32::MAX));
        draft.arguments.truncate(Draft::ARGUMENTS);
        draft.because.truncate(Draft::POLICIES);
        let question = Question {
            id,
            asked: now,
            last: now,
            expires: now.plus_micros(self.limits.life_micros),
            count: 1,
            by: Vec::new(),
            scope: None,
            standing: Standing::Waiting,
            draft,
        };
        self.bound.insert(question.draft.binding, id);
        self.questions.insert(id, question);
        Asked::New(id)
    }

    /// Counts a new question of this identity, and says if it is one too many.
    fn flooded(&mut self, now: Timestamp, id: ApprovalId, asker: &Asker) -> Option<Asked> {
        let window = self.limits.window_micros;
        let identity = (asker.agent.clone(), asker.user.clone());
        if self.tallies.len() >= self.limits.identities && !self.tallies.contains_key(&identity) {
            self.tallies
                .retain(|_, tally| now.micros_since(tally.since) < window);
        }
        if self.tallies.len() >= self.limits.identities && !self.tallies.contains_key(&identity) {
            return Some(Asked::Flood { dropped: 1 });
        }
        let waits = |question: &&Question| question.standing == Standing::Waiting;
        let waiting = self.questions.values().filter(waits).count();
        let own = self
            .questions
            .values()
            .filter(waits)
            .filter(|one| one.draft.asker.agent == asker.agent && one.draft.asker.user == asker.user)
            .count();
        let tally = self.tallies.entry(identity).or_default();
        if now.micros_since(tally.since) >= window {
            *tally = Tally {
                since: now,
                ..Tally::default()
            };
        }
        let full = waiting >= self.limits.waiting
            || own >= self.limits.waiting_each
            || tally.asked >= self.limits.asked_each
            || self.questions.len() >= self.limits.kept
            || self.questions.contains_key(&id);
        if full {
            tally.dropped = tally.dropped.saturating_add(1);
            return Some(Asked::Flood {
                dropped: tally.dropped,
            });
        }
        tally.asked = tally.asked.saturating_add(1);
        None
    }

    /// Takes an answer. `fresh` mints ids for the endorsements that come with it.
    ///
    /// # Errors
    /// [`AnswerFault`]; the question stands as it stood.
    pub fn answer(
        &mut self,
        now: Timestamp,
        id: ApprovalId,
        verdict: &Verdict,
        by: &Answerer,
        mut fresh: impl FnMut() -> ApprovalId,
    ) -> Result<Answered, AnswerFault> {
        let now = self.tick(now);
        self.sweep(now);
        let question = self.questions.get(&id).ok_or(AnswerFault::Unknown)?;
        if question.standing != Standing::Waiting {
            return Err(AnswerFault::Answered);
        }
        let scope = match verdict {
            Verdict::Deny => {
                let life = self.limits.life_micros;
                self.settle(id, |question| {
                    question.standing = Standing::Denied;
                    question.by = vec![by.clone()];
                    question.expires = now.plus_micros(life);
                });
                return Ok(Answered::Denied);
            }
            Verdict::Allow(scope) => scope,
        };
        self.may_allow(question, scope, by)?;
        let mut everyone = question.by.clone();
        everyone.push(by.clone());
        let enough = everyone.len() >= usize::from(question.draft.needs);
        let endorsements = self.endorsed(now, question, scope, &everyone, &mut fresh)?;
        let life = self.limits.life_micros;
        self.settle(id, |question| {
            question.by = everyone;
            question.scope = Some(scope.clone());
            if enough {
                question.standing = Standing::Allowed;
                question.expires = now.plus_micros(life);
            }
        });
        if !enough {
            return Ok(Answered::More);
        }
        for endorsement in &endorsements {
            self.keep(endorsement.clone());
        }
        Ok(Answered::Allowed(endorsements))
    }

    fn settle(&mut self, id: ApprovalId, change: impl FnOnce(&mut Question)) {
        if let Some(question) = self.questions.get_mut(&id) {
            change(question);
        }
    }

    /// Whether this person may say this yes.
    fn may_allow(&self, question: &Question, scope: &Scope, by: &Answerer) -> Result<(), AnswerFault> {
        let weak = by.channel == Channel::Elicitation;
        // What the agent's own client says is good for one call of a listed effect, and is nobody's second opinion.
        if weak
            && (*scope != Scope::Once
                || question.draft.needs > 1
                || !self.limits.elicited.contains(&question.effect()))
        {
            return Err(AnswerFault::Weak);
        }
        if question.by.iter().any(|one| one.name == by.name) {
            return Err(AnswerFault::SamePerson);
        }
        if question.scope.as_ref().is_some_and(|first| first != scope) {
            return Err(AnswerFault::OtherScope);
        }
        Ok(())
    }

    /// The endorsements that a yes of this scope gives.
    fn endorsed(
        &self,
        now: Timestamp,
        question: &Question,
        scope: &Scope,
        by: &[Answerer],
        fresh: &mut impl FnMut() -> ApprovalId,
    ) -> Result<Vec<Endorsement>, AnswerFault> {
        let draft = &question.draft;
        let (roles, until, task) = match scope {
            Scope::Once => return Ok(Vec::new()),
            Scope::Task { roles } => {
                let task = Some((draft.asker.session, draft.content));
                (roles, now.plus_micros(self.limits.task_micros), task)
            }
            Scope::Until { roles, until } => {
                if *until <= now || *until > now.plus_micros(self.limits.until_micros) {
                    return Err(AnswerFault::Date);
                }
                (roles, *until, None)
            }
        };
        let wanted = |shown: &&Shown| {
            ENDORSABLE.contains(&shown.role)
                && !shown.source.vouched()
                && (roles.is_empty() || roles.contains(&shown.role))
        };
        let give = |shown: &Shown| Endorsement {
            id: fresh(),
            question: question.id,
            agent: draft.asker.agent.clone(),
            user: draft.asker.user.clone(),
            server: draft.server.clone(),
            tool: draft.tool.clone(),
            role: shown.role,
            place: place(&shown.path),
            value: shown.digest,
            task,
            since: now,
            until,
            by: by.to_vec(),
        };
        let given: Vec<_> = draft.arguments.iter().filter(wanted).map(give).collect();
        if given.is_empty() {
            return Err(AnswerFault::Nothing);
        }
        if self.endorsements.len().saturating_add(given.len()) > self.limits.endorsements {
            return Err(AnswerFault::Full);
        }
        Ok(given)
    }

    fn keep(&mut self, endorsement: Endorsement) {
        let key = (
            endorsement.agent.clone(),
            endorsement.server.clone(),
            endorsement.tool.clone(),
        );
        self.tools.entry(key).or_default().insert(endorsement.id);
        self.endorsements.insert(endorsement.id, endorsement);
    }

    /// Takes hold of the yes to exactly this call, if there is one. Nobody else gets it until it is released.
    pub fn hold(&mut self, now: Timestamp, binding: Binding, asker: &Asker) -> Option<ApprovalId> {
        let now = self.tick(now);
        let id = self.given(now, binding, asker)?.id;
        // INVARIANT: single use. An id that is held can't be held again.
        self.held.insert(id).then_some(id)
    }

    /// Whether somebody said yes to exactly this call and it was not used. Whoever asks does not hold it.
    #[must_use]
    pub fn stands(&self, now: Timestamp, binding: Binding, asker: &Asker) -> bool {
        self.given(now.max(self.now), binding, asker).is_some()
    }

    fn given(&self, now: Timestamp, binding: Binding, asker: &Asker) -> Option<&Question> {
        let question = self.questions.get(self.bound.get(&binding)?)?;
        let good = question.standing == Standing::Allowed
            && question.expires > now
            && question.draft.binding == binding
            && question.draft.asker == *asker
            && question.by.len() >= usize::from(question.draft.needs);
        good.then_some(question)
    }

    /// Where a question stands for a call that waits for it: a yes that somebody holds is not to be had yet.
    #[must_use]
    pub fn standing(&self, id: ApprovalId) -> Option<Standing> {
        let standing = self.questions.get(&id)?.standing;
        Some(if self.held.contains(&id) {
            Standing::Waiting
        } else {
            standing
        })
    }

    /// Gives a held yes back: the call was not made.
    pub fn release(&mut self, id: ApprovalId) {
        self.held.remove(&id);
    }

    /// Uses up a held yes. `false` where it is not held or no longer there: then the call must not be made.
    pub fn spend(&mut self, id: ApprovalId) -> bool {
        self.held.remove(&id) && self.forget(id)
    }

    /// The endorsement that covers an argument, if one does.
    #[must_use]
    pub fn covers(&self, now: Timestamp, claim: &Claim<'_>) -> Option<ApprovalId> {
        let now = now.max(self.now);
        let key = (
            claim.asker.agent.clone(),
            claim.server.clone(),
            claim.tool.clone(),
        );
        let ids = self.tools.get(&key)?;
        ids.iter()
            .find(|id| {
                self.endorsements
                    .get(id)
                    .is_some_and(|endorsement| endorsement.covers(now, claim))
            })
            .copied()
    }

    /// Whether nothing was asked and nothing endorsed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty() && self.endorsements.is_empty()
    }

    /// Whether any endorsement is about this tool and agent: without one there is nothing to look up.
    #[must_use]
    pub fn knows(&self, agent: &AgentId, server: &ServerName, tool: &ToolName) -> bool {
        self.tools
            .contains_key(&(agent.clone(), server.clone(), tool.clone()))
    }

    /// Ends an endorsement; tells whether there was one.
    pub fn revoke(&mut self, id: ApprovalId) -> bool {
        let Some(endorsement) = self.endorsements.remove(&id) else {
            return false;
        };
        let key = (endorsement.agent, endorsement.server, endorsement.tool);
        if let Some(ids) = self.tools.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.tools.remove(&key);
            }
        }
        true
    }

    /// Forgets a question; tells whether there was one.
    pub fn forget(&mut self, id: ApprovalId) -> bool {
        self.held.remove(&id);
        let Some(question) = self.questions.remove(&id) else {
            return false;
        };
        self.bound.remove(&question.draft.binding);
        true
    }

    /// Forgets what is over, and says what that was. What is held stays until it is spent or released.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<ApprovalId> {
        let now = self.tick(now);
        let over = |question: &&Question| question.expires <= now && !self.held.contains(&question.id);
        let mut gone: Vec<ApprovalId> = self.questions.values().filter(over).map(|one| one.id).collect();
        for id in &gone {
            self.forget(*id);
        }
        let past: Vec<ApprovalId> = self
            .endorsements
            .values()
            .filter(|endorsement| endorsement.until <= now)
            .map(|endorsement| endorsement.id)
            .collect();
        for id in &past {
            self.revoke(*id);
        }
        gone.extend(past);
        gone
    }

    /// A question.
    #[must_use]
    pub fn question(&self, id: ApprovalId) -> Option<&Question> {
        self.questions.get(&id)
    }

    /// All questions, oldest first.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.values()
    }

    /// All endorsements, oldest first.
    pub fn endorsements(&self) -> impl Iterator<Item = &Endorsement> {
        self.endorsements.values()
    }

    /// Questions that were dropped in the present window, by identity.
    pub fn dropped(&self) -> impl Iterator<Item = (&AgentId, Option<&UserId>, u64)> {
        self.tallies
            .iter()
            .filter(|(_, tally)| tally.dropped > 0)
            .map(|((agent, user), tally)| (agent, user.as_ref(), tally.dropped))
    }

    fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }
}

/// The role named by a word, for answers that come as text.
#[must_use]
pub fn role(word: &str) -> Option<Role> {
    ENDORSABLE.into_iter().find(|role| role.as_str() == word)
}

#[cfg(test)]
mod tests;
