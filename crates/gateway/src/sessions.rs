//! Joins calls to sessions by what a caller can't choose, and keeps what each session has read.
//!
//! An identity (agent and user) has one session without a conversation, and one for each live conversation with a
//! model. A call over MCP joins the conversation whose pending tool call it spends; where none or several fit, it is
//! judged by the worst of all of them. A new conversation begins with the taint of the identity's others, so a fresh
//! handle sheds nothing.
//!
//! INVARIANT: forgetting only tightens. A session dropped for want of room leaves its taint with its identity, an
//! identity dropped leaves the strictest start to all that begin within the idle time.

mod heard;
mod likes;
mod task;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bartizan_flow::{Assessment, Content, Echoes, Joined, Manifest, Near};
use bartizan_types::{AgentId, CallFacts, Digest, Flow, Principal, SessionId, Timestamp, UserId};
use serde_json::Value;

pub(crate) use heard::{Heard, Proposed, WORDLESS, words};
pub(crate) use likes::Likes;
pub(crate) use task::Question;
use task::Task;

use crate::{clock, config};

/// Identities remembered at most; beyond it, idle ones are dropped first, then the least recently seen.
const IDENTITIES: usize = 65_536;
/// Conversations of one identity; beyond it, the least recently seen goes.
const TASKS: usize = 32;
/// Conversations in all; beyond it, no identity keeps more than one.
const TASKS_IN_ALL: usize = 16_384;

/// A session as a call sees it: one conversation, or all those that it may belong to.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The handle we minted.
    pub id: SessionId,
    /// How the call was joined.
    pub joined: Joined,
    /// The model whose pending call this is, as `upstream/model`.
    pub proposer: Option<Arc<str>>,
    tasks: Arc<[Arc<Task>]>,
}

impl Session {
    fn one(task: &Arc<Task>, joined: Joined) -> Self {
        Self {
            id: task.id,
            joined,
            proposer: None,
            tasks: Arc::new([Arc::clone(task)]),
        }
    }

    /// How many tainting reads it has had. Rulings are compared with it before a permit is minted.
    pub(crate) fn epoch(&self) -> u64 {
        self.tasks
            .iter()
            .fold(0, |sum, task| sum.wrapping_add(task.epoch()))
    }

    /// Whether it has read a secret.
    pub(crate) fn holds_secret(&self) -> bool {
        self.tasks.iter().any(|task| task.holds_secret())
    }

    /// What a planner is to be asked about this conversation, once for each time that the human typed something.
    pub(crate) fn question(&self) -> Option<Question> {
        match &*self.tasks {
            [task] => task.question(),
            _ => None,
        }
    }

    /// Takes a planner's answer.
    pub(crate) fn plan(&self, question: &Question, named: &[String]) {
        for task in self.tasks.iter() {
            task.plan(question, named);
        }
    }

    /// Traces the arguments of a call of `tool`: the worst of what each conversation knows of them.
    pub(crate) fn assess(&self, tool: &str, manifest: &Manifest, arguments: &Value) -> Assessment {
        let each = self
            .tasks
            .iter()
            .map(|task| task.assess(tool, manifest, arguments));
        let worst = each.reduce(|worst, next| worst.join(&next));
        worst.unwrap_or_else(|| Task::stranger().assess(tool, manifest, arguments))
    }

    /// The vouched value that this text is like and is not, in the conversation where it is most alike.
    pub(crate) fn near(&self, text: &str) -> Option<Near> {
        let all = self.tasks.iter().filter_map(|task| task.near(text));
        all.min_by_key(|near| (near.like.how, near.like.source))
    }

    /// Takes in what a tool answered.
    pub(crate) fn read(&self, manifest: &Manifest, call: Option<&Assessment>, content: Content<'_>) {
        for task in self.tasks.iter() {
            task.read(manifest, call, content);
        }
    }

    /// Takes in what somebody answered, and tells how that moved the session; `None` where it is several.
    pub(crate) fn read_from(&self, manifest: &Manifest, content: Content<'_>) -> Option<Moved> {
        if let [task] = &*self.tasks {
            return Some(task.read_from(manifest, content));
        }
        self.read(manifest, None, content);
        None
    }

    /// Takes in that a call was not let through, if it is one that is traced.
    pub(crate) fn refused(&self, call: Option<&Traced>) {
        if let Some(call) = call {
            self.tasks.iter().for_each(|task| task.refused(&call.found));
        }
    }

    /// Takes in text from outside that no manifest speaks of.
    pub(crate) fn taint(&self, text: &str) {
        self.read(&Manifest::unknown(), None, Content::Text(text));
    }

    /// Remembers a text that goes to the agent and has been read, so that it is known again in the model's request.
    pub(crate) fn know(&self, text: &str) {
        for task in self.tasks.iter() {
            task.know(text);
        }
    }

    /// Notes the tool calls of a model's answer, for the calls that will spend them.
    pub(crate) fn propose(&self, proposed: Proposed) {
        for task in self.tasks.iter() {
            task.propose(proposed.clone());
        }
    }

    /// The manifest of a tool of the agent's own, from what the request to the model said of it.
    pub(crate) fn local(&self, tool: &str) -> Option<Arc<Manifest>> {
        self.tasks.iter().find_map(|task| task.local(tool))
    }
}

/// How one reading moved a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The epoch before.
    pub before: u64,
    /// The epoch after.
    pub after: u64,
    /// Something from outside had been read before.
    pub tainted: bool,
}

/// The facts of flow of a call that was traced, to be traced again when the session read something in between.
#[derive(Clone)]
pub(crate) struct Traced {
    /// The session.
    pub session: Session,
    /// The tool, by the name that the human's words are compared with.
    pub tool: String,
    /// What is declared of it.
    pub manifest: Arc<Manifest>,
    /// What it is called with.
    pub arguments: Arc<Value>,
    /// Of a proposal: the call crosses again.
    pub crosses: bool,
    /// The arguments go out as they are: nothing can be spelled otherwise on the way.
    pub fixed: bool,
    /// More goes out beside the arguments than was looked at.
    pub beside: bool,
    /// Something goes out beside the arguments that a human is not shown, so no yes of hers is good for it.
    pub laden: bool,
    /// What goes out beside the arguments and a human is shown with them.
    pub extra: Option<Arc<Value>>,
    /// Whether whom it goes to may see all that was read, where that is no argument of the call.
    pub readable: Option<bool>,
    /// What was found.
    pub found: Arc<Assessment>,
}

impl Traced {
    /// Traces a call.
    pub(crate) fn new(session: &Session, tool: &str, manifest: Arc<Manifest>, arguments: Value) -> Self {
        let found = Arc::new(session.assess(tool, &manifest, &arguments));
        Self {
            session: session.clone(),
            tool: tool.to_owned(),
            manifest,
            arguments: Arc::new(arguments),
            crosses: false,
            fixed: false,
            beside: false,
            laden: false,
            extra: None,
            readable: None,
            found,
        }
    }

    /// Puts the facts into a call.
    pub(crate) fn mark(&self, call: &mut CallFacts) {
        call.flow = Some(Box::new(self.facts(&self.found)));
        call.proposer = call.proposer.take().or_else(|| self.session.proposer.clone());
    }

    /// The arguments as they go out.
    pub(crate) fn outgoing(&self) -> Cow<'_, Value> {
        let respelled = self.found.rewritten(&self.arguments).filter(|_| !self.fixed);
        respelled.map_or(Cow::Borrowed(&*self.arguments), Cow::Owned)
    }

    fn facts(&self, found: &Assessment) -> Flow {
        let mut flow = found.flow(self.session.joined);
        flow.crosses = self.crosses;
        flow.readable = self.readable.unwrap_or(flow.readable);
        flow.whole &= !self.beside && (!self.fixed || found.rewritten(&self.arguments).is_none());
        flow
    }

    /// Traces it again. A spelling that was to go out and is no longer vouched for can't be taken back, so then the
    /// call is not whole and asks.
    pub(crate) fn again(&self, call: &mut CallFacts, endorse: impl FnOnce(&mut Assessment)) {
        let mut now = self.session.assess(&self.tool, &self.manifest, &self.arguments);
        endorse(&mut now);
        let mut flow = self.facts(&now);
        // Something was read in between, and by whom it was written is not known.
        flow.readable &= self.readable.is_none();
        flow.whole &= now.rewritten(&self.arguments) == self.found.rewritten(&self.arguments);
        call.flow = Some(Box::new(flow));
    }
}

type Identity = (AgentId, Option<UserId>);

struct Live {
    /// The session of what no conversation claims.
    base: Arc<Task>,
    tasks: Vec<Arc<Task>>,
    /// What models and tools wrote for this identity.
    echoes: Arc<Mutex<Echoes>>,
    seen: Timestamp,
}

impl Live {
    fn new(now: Timestamp, strict: bool) -> Self {
        let base = if strict { Task::stranger() } else { Task::empty() };
        Self {
            base: Arc::new(base.minted(now)),
            tasks: Vec::new(),
            echoes: Arc::default(),
            seen: now,
        }
    }

    /// The one model that proposed this call, in whichever conversation and however often it was called since.
    fn proposer(&self, names: &[&str], arguments: Digest) -> Option<Arc<str>> {
        let all = self
            .tasks
            .iter()
            .flat_map(|task| task.proposers(names, arguments));
        let mut all = all.fuse();
        let first = all.next().flatten();
        first.filter(|first| all.all(|other| other.as_ref() == Some(first)))
    }

    /// Everything live, or the base where no conversation is.
    fn all(&self) -> Session {
        match self.tasks.as_slice() {
            [] => Session::one(&self.base, Joined::Alone),
            [only] => Session::one(only, Joined::Only),
            several => Session {
                id: self.base.id,
                joined: Joined::All,
                proposer: None,
                tasks: several.into(),
            },
        }
    }
}

#[derive(Default)]
struct Table {
    live: HashMap<Identity, Live>,
    /// When a live identity was last dropped for want of room.
    forgot: Option<Timestamp>,
    tasks: usize,
}

/// The live sessions.
pub(crate) struct Sessions {
    config: config::Sessions,
    table: Mutex<Table>,
}

impl Sessions {
    /// No sessions yet.
    pub(crate) fn new(config: &config::Sessions) -> Self {
        Self {
            config: config.clone(),
            table: Mutex::new(Table::default()),
        }
    }

    fn idle(&self) -> u64 {
        u64::try_from(self.config.idle.as_micros()).unwrap_or(u64::MAX)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identity's live sessions at `now`, idle conversations dropped.
    fn with<T>(
        &self,
        principal: &Principal,
        now: Timestamp,
        take: impl FnOnce(&mut Table, &Identity) -> T,
    ) -> T {
        let idle = self.idle();
        let key = (principal.agent.clone(), principal.user.clone());
        let mut table = self.table();
        let fresh = match table.live.get_mut(&key) {
            Some(live) if now.micros_since(live.seen) <= idle => {
                live.seen = live.seen.max(now);
                let before = live.tasks.len();
                live.tasks.retain(|task| now.micros_since(task.seen()) <= idle);
                let gone = before - live.tasks.len();
                table.tasks = table.tasks.saturating_sub(gone);
                false
            }
            _ => true,
        };
        if fresh {
            table.room(now, idle);
            let strict = table.forgot.is_some_and(|at| now.micros_since(at) <= idle);
            if let Some(old) = table.live.insert(key.clone(), Live::new(now, strict)) {
                table.tasks = table.tasks.saturating_sub(old.tasks.len());
            }
        }
        take(&mut table, &key)
    }

    /// The session of a call that is no conversation's own.
    pub(crate) fn join(&self, principal: &Principal, now: Timestamp) -> Session {
        self.with(principal, now, |table, key| table.live.get(key).map(Live::all))
            .unwrap_or_else(|| Session::one(&Arc::new(Task::stranger().minted(now)), Joined::Alone))
    }

    /// The session of an identity that has no conversation.
    pub(crate) fn alone(&self, principal: &Principal, now: Timestamp) -> Option<Session> {
        self.with(principal, now, |table, key| {
            let live = table.live.get(key)?;
            live.tasks.is_empty().then(|| live.all())
        })
    }

    /// The conversation that a request to a model goes on with, or begins: what stands in the human's role is taken
    /// as the operator declared it for this agent, and the results of tools are read.
    pub(crate) fn converse(&self, principal: &Principal, now: Timestamp, heard: &Heard<'_>) -> Session {
        let rule = self.config.prompt_of(&principal.agent);
        let root = heard.root();
        let begun = self.with(principal, now, |table, key| {
            let crowded = table.tasks >= TASKS_IN_ALL;
            let live = table.live.get_mut(key)?;
            if let Some(task) = live.tasks.iter().find(|task| task.root == root) {
                return Some(Arc::clone(task));
            }
            // A conversation that begins while a tool of the agent's own is at work may be that tool's: its prompt
            // is then what a model wrote.
            let delegated = live.tasks.iter().any(|other| other.delegates(now));
            let may_hear = !delegated && rule != config::Prompt::None;
            let echoes = may_hear.then(|| Arc::clone(&live.echoes));
            let task = Arc::new(Task::begin(now, root, &self.config, principal, echoes));
            for other in live.tasks.iter().chain([&live.base]) {
                task.inherit(other);
            }
            let most = if crowded { 1 } else { TASKS };
            let mut gone = 0;
            while live.tasks.len() >= most {
                let oldest =
                    (0..live.tasks.len()).min_by_key(|at| live.tasks.get(*at).map(|task| task.seen()));
                let Some(oldest) = oldest else { break };
                live.base.inherit(&live.tasks.swap_remove(oldest));
                gone += 1;
            }
            live.tasks.push(Arc::clone(&task));
            table.tasks = (table.tasks + 1).saturating_sub(gone);
            Some(task)
        });
        let Some(task) = begun else {
            return self.join(principal, now);
        };
        let texts = task.hear(now, heard, rule);
        if rule != config::Prompt::None && !texts.is_empty() {
            self.wrote(principal, now, texts.iter().map(String::as_str));
        }
        Session::one(&task, Joined::Only)
    }

    /// Remembers what models put into calls and tools returned for this identity.
    pub(crate) fn wrote<'a>(
        &self,
        principal: &Principal,
        now: Timestamp,
        texts: impl Iterator<Item = &'a str>,
    ) {
        self.remember(principal, now, |echoes| texts.for_each(|text| echoes.wrote(text)));
    }

    /// Remembers what models answered it.
    pub(crate) fn answered<'a>(
        &self,
        principal: &Principal,
        now: Timestamp,
        texts: impl Iterator<Item = &'a str>,
    ) {
        self.remember(principal, now, |echoes| {
            texts.for_each(|text| echoes.answered(text))
        });
    }

    fn remember(&self, principal: &Principal, now: Timestamp, take: impl FnOnce(&mut Echoes)) {
        if self.config.prompt_of(&principal.agent) == config::Prompt::None {
            return;
        }
        let echoes = self.with(principal, now, |table, key| {
            table.live.get(key).map(|live| Arc::clone(&live.echoes))
        });
        if let Some(echoes) = echoes {
            take(&mut echoes.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The session of a call to a tool: the conversation whose pending call this is, spent by it.
    pub(crate) fn spend(
        &self,
        principal: &Principal,
        now: Timestamp,
        names: &[&str],
        arguments: Digest,
    ) -> Session {
        let spent = self.with(principal, now, |table, key| {
            let live = table.live.get(key)?;
            let mut fit = live.tasks.iter().filter(|task| task.owes(names, arguments));
            let (first, more) = (fit.next(), fit.next());
            let session = match (first, more) {
                (Some(task), None) => {
                    task.spend(names, arguments);
                    Session::one(task, Joined::Pending)
                }
                _ => live.all(),
            };
            Some(Session {
                proposer: live.proposer(names, arguments),
                ..session
            })
        });
        spent.unwrap_or_else(|| self.join(principal, now))
    }

    /// How many sessions are remembered: one for each identity, and one for each conversation.
    pub(crate) fn len(&self) -> usize {
        let table = self.table();
        table.live.len() + table.tasks
    }
}

impl Table {
    /// Makes room for one more identity.
    fn room(&mut self, now: Timestamp, idle: u64) {
        if self.live.len() < IDENTITIES {
            return;
        }
        self.live.retain(|_, entry| now.micros_since(entry.seen) <= idle);
        while self.live.len() >= IDENTITIES {
            let oldest = self
                .live
                .iter()
                .min_by_key(|(_, entry)| entry.seen)
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            self.live.remove(&oldest);
            self.forgot = Some(now);
        }
        self.tasks = self.live.values().map(|live| live.tasks.len()).sum();
    }
}

/// A handle of ours.
fn mint(now: Timestamp) -> SessionId {
    clock::mint(now)
}

#[cfg(test)]
mod tests;
