//! One session: what it read, what the human asked, and which tool calls its model has pending.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bartizan_flow::{Assessment, Content, Echoes, Intent, Manifest, Memory, Near, assess, typed};
use bartizan_types::{Digest, Principal, SessionId, Timestamp};
use serde_json::Value;

use super::{
    Moved,
    heard::{self, Heard, Local, Proposed},
    mint,
};
use crate::config;

/// Texts known again, at most; with more, a text counts as new, which taints once more.
const KNOWN: usize = 8192;
/// Pending tool calls of one conversation.
const PENDING: usize = 256;
/// How long a tool of the agent's own is thought to be at work.
const AT_WORK_MICROS: u64 = 10 * 60 * 1_000_000;

/// A session.
pub(super) struct Task {
    pub(super) id: SessionId,
    /// What proposed it; the base of an identity has none.
    pub(super) root: Digest,
    epoch: AtomicU64,
    seen: AtomicU64,
    state: Mutex<State>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    memory: Memory,
    /// Texts that were read, or heard, already.
    known: HashSet<u64>,
    pending: VecDeque<(Timestamp, Proposed)>,
    /// The same without what spends them: which model proposed a call is still known when it is called once more.
    proposals: VecDeque<Proposed>,
    /// What the human's words were found to say of a tool.
    intents: BTreeMap<String, Intent>,
    plan: Plan,
    /// Counts the times that the human typed something.
    turn: u64,
    local: Local,
    /// Hash of the declaration that `local` was made from.
    declared: u64,
    /// What others wrote for this identity; there where the prompt may be heard: the operator declared it, and nothing
    /// says that a model wrote it.
    echoes: Option<Arc<Mutex<Echoes>>>,
}

/// What a planner says of the human's words.
#[derive(Default)]
enum Plan {
    /// Nobody asked one since she typed something.
    #[default]
    Unasked,
    /// It was asked, in this turn.
    Asked(u64),
    /// The tools that her words call for.
    Known(BTreeSet<String>),
}

/// What a planner is asked: which of these tools do these words call for?
pub(crate) struct Question {
    /// The human's words.
    pub words: String,
    /// Names of the tools at hand, as the agent's model knows them.
    pub tools: Vec<String>,
    turn: u64,
}

/// Whether these name one tool: as a model knows it, or as its server does, without what was put in front.
fn same(a: &str, b: &str) -> bool {
    let behind = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with("__"));
    a == b || behind(a, b) || behind(b, a)
}

impl Task {
    /// Nothing read, nothing asked.
    pub(super) fn empty() -> Self {
        Self::of(Memory::new())
    }

    /// The strictest start: of a session that may have read anything.
    pub(super) fn stranger() -> Self {
        let mut memory = Memory::new();
        memory.hold_secret();
        memory.result(&Manifest::unknown(), None, Content::Error(""));
        Self::of(memory)
    }

    fn of(memory: Memory) -> Self {
        Self {
            id: SessionId::mint(Timestamp::from_unix_seconds(0), 0),
            root: Digest([0; 32]),
            epoch: AtomicU64::new(memory.epoch()),
            seen: AtomicU64::new(0),
            state: Mutex::new(State {
                memory,
                ..State::default()
            }),
        }
    }

    /// The same under a handle of its own.
    pub(super) fn minted(mut self, now: Timestamp) -> Self {
        self.id = mint(now);
        *self.seen.get_mut() = now.unix_micros();
        self
    }

    /// A conversation that begins. `echoes` is there where its prompt may be heard.
    pub(super) fn begin(
        now: Timestamp,
        root: Digest,
        config: &config::Sessions,
        principal: &Principal,
        echoes: Option<Arc<Mutex<Echoes>>>,
    ) -> Self {
        let mut memory = Memory::new();
        for domain in &config.domains {
            memory.tenant(domain);
        }
        if let Some(user) = &principal.user {
            memory.owner(user.as_str());
        }
        memory.date(&now.to_string().chars().take(10).collect::<String>());
        let mut task = Self::of(memory).minted(now);
        task.root = root;
        task.state
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .echoes = echoes;
        task
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn holds_secret(&self) -> bool {
        self.state().memory.secret()
    }

    pub(super) fn seen(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.seen.load(Ordering::Relaxed))
    }

    /// Takes over the taint of another session of the same identity.
    pub(super) fn inherit(&self, other: &Self) {
        let earlier = other.state().memory.shadow();
        self.settle(&mut self.state(), |state| state.memory.inherit(&earlier));
    }

    /// Changes the state, and shows the epoch it then has.
    fn settle<T>(&self, state: &mut State, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(state);
        self.epoch.store(state.memory.epoch(), Ordering::Release);
        out
    }

    pub(super) fn assess(&self, tool: &str, manifest: &Manifest, arguments: &Value) -> Assessment {
        let state = &mut *self.state();
        let (memory, plan, local) = (&state.memory, &state.plan, &state.local);
        let intent = state.intents.entry(tool.to_owned()).or_insert_with(|| {
            // Beside all that the agent could call: which of them her words fit best is what they say of each.
            let said = Intent::of(memory, local.keys().map(String::as_str).chain([tool]));
            match plan {
                Plan::Known(tools) => said.planned(tool, tools.iter().any(|one| same(one, tool))),
                Plan::Unasked | Plan::Asked(_) => said,
            }
        });
        assess(memory, intent, tool, manifest, arguments)
    }

    /// What a planner is to be asked, once for each time that the human typed something.
    pub(super) fn question(&self) -> Option<Question> {
        let state = &mut *self.state();
        let words = state.memory.typed_words().replace('\u{1}', "");
        if !matches!(state.plan, Plan::Unasked) || words.trim().is_empty() || state.local.is_empty() {
            return None;
        }
        state.plan = Plan::Asked(state.turn);
        Some(Question {
            words: words.trim().to_owned(),
            tools: state.local.keys().cloned().collect(),
            turn: state.turn,
        })
    }

    /// Takes a planner's answer: those of the tools it was asked about that it names. One that comes after the human
    /// typed something else is late.
    pub(super) fn plan(&self, question: &Question, named: &[String]) {
        let state = &mut *self.state();
        if matches!(state.plan, Plan::Asked(turn) if turn == question.turn) {
            let asked = question.tools.iter().filter(|tool| named.contains(tool));
            state.plan = Plan::Known(asked.cloned().collect());
            state.intents.clear();
        }
    }

    pub(super) fn read(&self, manifest: &Manifest, call: Option<&Assessment>, content: Content<'_>) {
        self.settle(&mut self.state(), |state| {
            state.memory.result(manifest, call, content)
        });
    }

    /// A call of this session was not let through.
    pub(super) fn near(&self, text: &str) -> Option<Near> {
        self.state().memory.near(text)
    }

    pub(super) fn refused(&self, call: &Assessment) {
        self.settle(&mut self.state(), |state| state.memory.refused(call));
    }

    pub(super) fn read_from(&self, manifest: &Manifest, content: Content<'_>) -> Moved {
        let mut state = self.state();
        let (before, tainted) = (state.memory.epoch(), state.memory.tainted());
        self.settle(&mut state, |state| state.memory.result(manifest, None, content));
        Moved {
            before,
            after: state.memory.epoch(),
            tainted,
        }
    }

    pub(super) fn know(&self, text: &str) {
        self.state().know(text);
    }

    pub(super) fn local(&self, tool: &str) -> Option<Arc<Manifest>> {
        self.state().local.get(tool).cloned()
    }

    /// Notes a proposed call. The oldest goes when there are too many; its call then joins them all.
    pub(super) fn propose(&self, proposed: Proposed) {
        let mut state = self.state();
        if state.pending.len() >= PENDING {
            state.pending.pop_front();
        }
        if state.proposals.len() >= PENDING {
            state.proposals.pop_front();
        }
        state.proposals.push_back(Proposed {
            found: None,
            ..proposed.clone()
        });
        state.pending.push_back((self.seen(), proposed));
    }

    /// The models that proposed this call in this conversation, spent or not.
    pub(super) fn proposers(&self, names: &[&str], arguments: Digest) -> Vec<Option<Arc<str>>> {
        let state = self.state();
        let same = state.proposals.iter().filter(|one| one.is(names, arguments));
        same.map(|one| one.by.clone()).collect()
    }

    /// Has this conversation's model proposed this call, and nobody spent it?
    pub(super) fn owes(&self, names: &[&str], arguments: Digest) -> bool {
        self.state().place(names, arguments).is_some()
    }

    /// Spends a pending call.
    pub(super) fn spend(&self, names: &[&str], arguments: Digest) {
        let mut state = self.state();
        if let Some(at) = state.place(names, arguments) {
            state.pending.remove(at);
        }
    }

    /// A tool of the agent's own has been asked for and has not answered yet.
    pub(super) fn delegates(&self, now: Timestamp) -> bool {
        let at_work = |(asked, proposed): &(Timestamp, Proposed)| {
            !proposed.crosses && now.micros_since(*asked) <= AT_WORK_MICROS
        };
        self.state().pending.iter().any(at_work)
    }

    /// Takes in a request to the model. Gives the texts of tools that were new.
    pub(super) fn hear(&self, now: Timestamp, heard: &Heard<'_>, rule: config::Prompt) -> Vec<String> {
        self.seen.store(now.unix_micros(), Ordering::Relaxed);
        let mut state = self.state();
        self.settle(&mut state, |state| {
            state.declare(heard.tools());
            state.listen(heard, rule);
            state.results(heard)
        })
    }
}

impl State {
    /// Remembers a text; true where it is new.
    fn know(&mut self, text: &str) -> bool {
        if self.known.len() >= KNOWN {
            self.known = HashSet::new();
        }
        self.known.insert(hash(text))
    }

    fn place(&self, names: &[&str], arguments: Digest) -> Option<usize> {
        let fits = |(_, proposed): &(Timestamp, Proposed)| proposed.is(names, arguments);
        self.pending.iter().position(fits)
    }

    fn declare(&mut self, tools: &str) {
        let declared = hash(tools);
        if self.declared != declared {
            self.declared = declared;
            self.local = heard::local(tools);
            self.intents.clear();
        }
    }

    /// The human's words, where the operator says that they are in her role and nothing says otherwise.
    fn listen(&mut self, heard: &Heard<'_>, rule: config::Prompt) {
        let Some(echoes) = self.echoes.clone() else {
            return;
        };
        let first_only = rule == config::Prompt::First;
        for (message, text) in heard.said() {
            if rule == config::Prompt::None || first_only && message > 0 {
                break;
            }
            if self.know(&text) {
                let mut echoes = echoes.lock().unwrap_or_else(PoisonError::into_inner);
                let hers = echoes.strip(&typed(&text));
                echoes.typed(&hers);
                self.memory.prompt(&hers);
                self.intents.clear();
                self.plan = Plan::Unasked;
                self.turn += 1;
            }
        }
    }

    /// Reads results that nobody has read yet: of tools of the agent's own, or that came by another way.
    fn results(&mut self, heard: &Heard<'_>) -> Vec<String> {
        let mut new = Vec::new();
        for (id, name, content) in heard.results() {
            let asked = |proposed: &Proposed| !id.is_empty() && proposed.id == id;
            let call = self.pending.iter().find(|(_, proposed)| asked(proposed));
            let call = call.and_then(|(_, proposed)| proposed.found.clone());
            self.pending.retain(|(_, proposed)| !asked(proposed));
            let unknown = Arc::new(Manifest::unknown());
            let manifest = name
                .and_then(|name| self.local.get(name).cloned())
                .unwrap_or(unknown);
            for text in heard::texts(content) {
                if self.know(&text) {
                    self.memory
                        .result(&manifest, call.as_deref(), Content::Text(&text));
                    new.push(Cow::into_owned(text));
                }
            }
        }
        new
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
