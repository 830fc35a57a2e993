//! Hooks of coding agents: what they are about to do by themselves becomes ruled calls of a server named `hook`.
//!
//! A prompt is attested and recorded, a tool is ruled on and recorded before it runs, its answer is read afterwards. Each
//! of the agent's own sessions has a memory; its word for a session only separates, so that one session's prompt vouches
//! for nothing in another, and never sheds: a new one begins tainted, since what a coding agent finds in a project
//! outsiders may have written, and with a secret where its identity read one lately.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bartizan_flow::{
    Content, Intent, Joined, Manifest, Memory, TOOLS, result_manifest, shell::Workspace, steps_flows,
    tool_steps,
};
use bartizan_types::{
    Action, AgentId, CallFacts, CallId, Code, Effects, Flow, PinState, Principal, Refusal, Resource,
    ServerName, Surface, Timestamp, ToolName, UserId,
};
use bartizan_wire::{
    hook::{self, Happening, HookAnswer, HookEvent},
    json,
};
use http::{HeaderValue, Response, header, request::Parts};
use serde_json::Value;

use crate::{
    Shared,
    answer::AgentBody,
    clock,
    config::{Config, Hooks as Allowed},
    edge::{self, BodyBounds},
    gate::Caller,
    inspect::{Piece, Source, of_value},
    mcp,
    model::sha256,
};

/// The server that built-in tools are tools of, in policy and records.
pub(crate) const SERVER: &str = "hook";
/// Sessions remembered; beyond it, the least recently seen goes.
const TASKS: usize = 1024;
/// Identities remembered for having read a secret.
const STAINED: usize = 4096;
/// Longest word for a session that is told apart.
const HINT: usize = 128;

type Identity = (AgentId, Option<UserId>);

/// What one session of a coding agent knows.
struct Task {
    memory: Memory,
    intent: Intent,
    prompted: bool,
    /// The project's folder, as it was when the session was first seen.
    root: String,
    seen: Timestamp,
}

#[derive(Default)]
struct Table {
    tasks: HashMap<(Identity, String), Task>,
    /// Identities that read a secret, and when.
    stained: HashMap<Identity, Timestamp>,
    /// One of those was forgotten for want of room: since then, everybody may have read one.
    forgot: bool,
}

/// The sessions of coding agents.
pub(crate) struct Hooks {
    idle: u64,
    allowed: Allowed,
    table: Mutex<Table>,
}

impl Hooks {
    /// None yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            idle: micros(config.sessions.idle),
            allowed: config.hooks.clone(),
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the session that this event belongs to.
    fn with<T>(
        &self,
        principal: &Principal,
        now: Timestamp,
        event: &HookEvent,
        then: impl FnOnce(&mut Task) -> T,
    ) -> T {
        let identity = (principal.agent.clone(), principal.user.clone());
        let hint = event.session_hint.clone().filter(|hint| hint.len() <= HINT);
        let key = (identity.clone(), hint.unwrap_or_default());
        let mut table = self.table();
        let table = &mut *table;
        table
            .tasks
            .retain(|known, task| *known == key || now.micros_since(task.seen) <= self.idle);
        while table.tasks.len() >= TASKS && !table.tasks.contains_key(&key) {
            let oldest = table.tasks.iter().min_by_key(|(_, task)| task.seen);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            table.tasks.remove(&oldest);
        }
        let stained = table.forgot
            || table
                .stained
                .get(&identity)
                .is_some_and(|at| now.micros_since(*at) <= self.idle);
        let task = table
            .tasks
            .entry(key)
            .or_insert_with(|| Task::new(event, stained, now));
        task.seen = task.seen.max(now);
        let done = then(task);
        if task.memory.secret() {
            if table.stained.len() >= STAINED && !table.stained.contains_key(&identity) {
                table.stained.retain(|_, at| now.micros_since(*at) <= self.idle);
                table.forgot |= table.stained.len() >= STAINED;
            }
            if table.stained.len() < STAINED || table.stained.contains_key(&identity) {
                table.stained.insert(identity, now);
            }
        }
        done
    }

    /// Is it a tool of an MCP server that is this gateway?
    fn crosses(&self, shared: &Shared, event: &HookEvent, tool: &str) -> bool {
        let named = tool
            .strip_prefix("mcp__")
            .and_then(|rest| rest.split_once("__"))
            .is_some_and(|(server, _)| self.allowed.through.iter().any(|name| name == server));
        let here = tool.starts_with("MCP:")
            && event
                .server
                .as_deref()
                .and_then(|url| url.parse::<http::Uri>().ok())
                .and_then(|url| {
                    url.authority()
                        .map(|authority| authority.as_str() == shared.address().to_string())
                })
                .unwrap_or(false);
        named || here
    }
}

impl Task {
    fn new(event: &HookEvent, stained: bool, now: Timestamp) -> Self {
        let mut memory = Memory::new();
        memory.anywhere();
        memory.result(&Manifest::unknown(), None, Content::Error(""));
        if stained {
            memory.hold_secret();
        }
        let root = event.root.as_ref().or(event.cwd.as_ref());
        Self {
            memory,
            intent: Intent::default(),
            prompted: false,
            root: root.cloned().unwrap_or_default(),
            seen: now,
        }
    }

    fn workspace(&self, event: &HookEvent, allowed: &Allowed) -> Workspace {
        Workspace {
            root: self.root.clone(),
            cwd: event.cwd.clone().unwrap_or_default(),
            may_run: allowed.may_run.clone(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Serves `POST /v1/hook`: one event in the neutral shape, answered by `{"answer", "reason"?}`.
///
/// # Errors
/// The refusal to tell: of the request, never of what it asks about.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    head: &Parts,
    body: edge::Arriving,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    if !edge::is_json(&head.headers) {
        return Err(early(Code::ContentType));
    }
    let bounds = BodyBounds::request(&shared.config.limits);
    let (bytes, _) = edge::read(&head.headers, body, bounds, None)
        .await
        .map_err(early)?;
    caller.reins.takes_turn(bytes.len()).await;
    let limits = json::Bounds {
        depth: shared.config.limits.json_depth,
        bytes: shared.config.limits.body_bytes,
        ..json::Bounds::default()
    };
    let event = json::scan(&bytes, &limits)
        .and_then(hook::decode_neutral)
        .map_err(|fault| shared.misread(fault, &bytes, &caller.principal))?;
    let asked = Asked {
        shared,
        caller,
        event: &event,
        bytes: &bytes,
    };
    let answer = match &event.event {
        Happening::Prompt(text) => asked.prompt(text).await,
        Happening::Before { tool, arguments } => asked.before(tool, arguments).await,
        Happening::After {
            tool,
            arguments,
            result,
            failed,
        } => asked.after(tool, arguments, result, *failed).await,
        Happening::Other => HookAnswer::Nothing,
    };
    let text = serde_json::to_vec(&answer).map_err(|_| early(Code::Bug))?;
    let mut response = Response::new(AgentBody::ours(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// One event, with what it came in.
struct Asked<'a> {
    shared: &'a Arc<Shared>,
    caller: &'a Caller,
    event: &'a HookEvent,
    bytes: &'a [u8],
}

impl Asked<'_> {
    fn with<T>(&self, then: impl FnOnce(&mut Task) -> T) -> T {
        self.shared
            .hooks
            .with(&self.caller.principal, clock::now(), self.event, then)
    }

    fn facts(&self, action: Action, resource: Resource) -> CallFacts {
        CallFacts {
            id: clock::mint(clock::now()),
            action,
            resource,
            surface: Surface::Hook,
            streaming: false,
            bytes: u64::try_from(self.bytes.len()).unwrap_or(u64::MAX),
            digest: sha256(self.bytes),
            // What is known of built-in tools is part of this program, so it can't have changed since it was looked at.
            pin: PinState::Same,
            effects: Effects::default(),
            arguments: None,
            flow: None,
            spending: None,
            proposer: None,
            bar: None,
            secrets: Default::default(),
        }
    }

    /// That something was said or read goes into the log, with its digest and what was seen in it.
    async fn note(&self, pieces: Vec<Piece<'_>>) -> Result<(), Refusal> {
        let server = ServerName::new(SERVER).map_err(|_| self.refused(Code::Bug))?;
        let facts = self.facts(Action::Notify, Resource::Server { server });
        let looked = self.shared.look(self.caller, Some(facts.id), &pieces).await;
        mcp::rule_on(self.shared, self.caller, facts, looked.findings).await
    }

    /// The human typed this. Only what is recorded counts.
    async fn prompt(&self, text: &str) -> HookAnswer {
        let pieces = self.texts(|| vec![Piece::of_text(Source::User, text, "/prompt")]);
        if let Err(refusal) = self.note(pieces).await {
            return HookAnswer::Deny(told(&refusal));
        }
        self.with(|task| {
            task.memory.prompt(text);
            task.intent = Intent::of(&task.memory, TOOLS);
            task.prompted = true;
        });
        HookAnswer::Nothing
    }

    /// A tool is about to run: each effect it has is ruled on, and the strictest ruling is the answer.
    async fn before(&self, tool: &str, arguments: &Value) -> HookAnswer {
        if self.shared.hooks.crosses(self.shared, self.event, tool) {
            return HookAnswer::Nothing;
        }
        let (Ok(server), Ok(name)) = (ServerName::new(SERVER), ToolName::new(tool)) else {
            return HookAnswer::Deny(told(&self.refused(Code::ToolUnknown)));
        };
        let (flows, secret, manifest) = self.with(|task| {
            let steps = tool_steps(
                tool,
                arguments,
                &task.workspace(self.event, &self.shared.hooks.allowed),
            );
            let joined = if task.prompted {
                Joined::Only
            } else {
                Joined::Alone
            };
            let flows = steps_flows(&task.memory, &task.intent, &steps, joined);
            (
                flows,
                steps.iter().any(|step| step.secret),
                result_manifest(&steps),
            )
        });
        let arguments = serde_json::value::to_raw_value(arguments).ok();
        let mut question = None;
        for flow in flows {
            let resource = Resource::Tool {
                server: server.clone(),
                tool: name.clone(),
            };
            match self.rule(resource, flow, arguments.as_deref()).await {
                Ok(()) => {}
                Err(refusal) if refusal.code == Code::PolicyAsk => question = question.or(Some(refusal)),
                Err(refusal) => return HookAnswer::Deny(told(&refusal)),
            }
        }
        if secret {
            // Before it is read, so that nothing that happens meanwhile goes by the old label.
            self.with(|task| task.memory.hold_secret());
            self.caller.session.read(&manifest, None, Content::Text(""));
        }
        question.map_or(HookAnswer::Allow, |refusal| HookAnswer::Ask(told(&refusal)))
    }

    async fn rule(
        &self,
        resource: Resource,
        flow: Flow,
        arguments: Option<&serde_json::value::RawValue>,
    ) -> Result<(), Refusal> {
        let mut facts = self.facts(Action::CallTool, resource);
        facts.flow = Some(Box::new(flow));
        let findings = match arguments {
            Some(arguments) => {
                self.shared
                    .look_at_arguments(self.caller, &facts, arguments)
                    .await
            }
            None => Vec::new(),
        };
        if self.caller.principal.bounds_arguments()
            || self.shared.policy.load().needs_arguments(Action::CallTool)
        {
            facts.arguments = arguments.map(json::arguments);
        }
        mcp::rule_on(self.shared, self.caller, facts, findings).await
    }

    /// Texts to look at, where content is looked at.
    fn texts<'t>(&self, texts: impl FnOnce() -> Vec<Piece<'t>>) -> Vec<Piece<'t>> {
        if self.shared.inspector.is_some() {
            texts()
        } else {
            Vec::new()
        }
    }

    /// A tool has run: what it gave is read. An answer that can't be recorded is one the model must not go on with.
    async fn after(&self, tool: &str, arguments: &Value, result: &Value, failed: bool) -> HookAnswer {
        if self.shared.hooks.crosses(self.shared, self.event, tool) {
            return HookAnswer::Nothing;
        }
        let content = match result.as_str() {
            Some(text) if failed => Content::Error(text),
            Some(text) => Content::Text(text),
            None => Content::Json(result),
        };
        let manifest = self.with(|task| {
            let workspace = task.workspace(self.event, &self.shared.hooks.allowed);
            let manifest = result_manifest(&tool_steps(tool, arguments, &workspace));
            task.memory.result(&manifest, None, content);
            manifest
        });
        // What the agent reads by itself taints what it does elsewhere, too.
        self.caller.session.read(&manifest, None, content);
        let text;
        let pieces = match content {
            Content::Json(value) => {
                text = value.to_string();
                self.texts(|| of_value(&text, Source::Tool, "/result"))
            }
            Content::Text(text) | Content::Error(text) => {
                self.texts(|| vec![Piece::of_text(Source::Tool, text, "/result")])
            }
        };
        match self.note(pieces).await {
            Ok(()) => HookAnswer::Nothing,
            Err(refusal) => HookAnswer::Deny(told(&refusal)),
        }
    }

    fn refused(&self, code: Code) -> Refusal {
        self.shared.reject(code, Some(&self.caller.principal))
    }
}

/// A refusal in one line, for a human's eye or a model's: constant text and the call's id.
fn told(refusal: &Refusal) -> String {
    let call: CallId = refusal.call;
    format!(
        "{} [{}, `bartizan explain {call}` tells more]",
        refusal.sentence, refusal.code
    )
}
