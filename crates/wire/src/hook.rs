//! The hooks of coding agents: Claude Code, Cursor, Gemini CLI and Codex, behind one shape.
//!
//! An agent runs a program at points of its loop, writes an event to its standard input and obeys what it prints. Their
//! protocols fail open where they are not understood, so an answer is only ever spelled in words that the protocol is
//! known to enforce: where it has none for a question, a question is a refusal. An allowed call is left to the agent's
//! own rules; a hook only tightens.

mod claude;
mod cursor;
mod gemini;
#[cfg(test)]
mod tests;

use bartizan_types::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Fault,
    json::{self, Scanned},
};

/// Whose protocol it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Claude Code.
    Claude,
    /// Cursor.
    Cursor,
    /// Gemini CLI.
    Gemini,
    /// Codex.
    Codex,
}

impl AgentKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Claude, Self::Cursor, Self::Gemini, Self::Codex];

    /// Its word on the command line and in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Cursor => "cursor",
            Self::Gemini => "gemini",
            Self::Codex => "codex",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookEvent {
    /// Whose.
    pub agent_kind: AgentKind,
    /// The event's name in its protocol, at most 64 bytes.
    pub name: String,
    /// The agent's own word for its session: it proposes and never decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_hint: Option<String>,
    /// The folder the agent is in now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The folder of the project, where the protocol tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The address of the MCP server whose tool it is, where the protocol tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What happens.
    pub event: Happening,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Happening {
    /// The human typed this. Attachments are not in it.
    Prompt(String),
    /// A tool is about to run.
    Before {
        /// Its name.
        tool: String,
        /// Its arguments, an object.
        arguments: Value,
    },
    /// A tool has run.
    After {
        /// Its name.
        tool: String,
        /// Its arguments, an object.
        arguments: Value,
        /// What it gave.
        result: Value,
        /// It failed.
        failed: bool,
    },
    /// Anything else: nothing to rule on.
    Other,
}

/// The answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", content = "reason")]
pub enum HookAnswer {
    /// It was ruled on and may go, as far as the agent's own rules let it.
    Allow,
    /// A human has to say yes; the reason is shown to her.
    Ask(String),
    /// It must not; the reason may be shown to the model.
    Deny(String),
    /// No opinion.
    Nothing,
}

/// What the hook's process does with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit status.
    pub status: u8,
}

/// Longest name of an event or tool, in bytes.
const NAME: usize = 256;

/// Reads an event of this agent.
///
/// # Errors
/// [`Code::RequestShape`]: it is no object, has no event name, or an event that is ruled on lacks what it is about;
/// [`Code::JsonDigits`]: a number in a call about to run has more digits than can be held.
pub fn decode(kind: AgentKind, body: Scanned<'_>) -> Result<HookEvent, Fault> {
    let fields = Fields::of(body)?;
    match kind {
        AgentKind::Claude | AgentKind::Codex => claude::decode(kind, &fields),
        AgentKind::Cursor => cursor::decode(&fields),
        AgentKind::Gemini => gemini::decode(&fields),
    }
}

/// Reads an event in the neutral shape.
///
/// # Errors
/// As [`decode`].
pub fn decode_neutral(body: Scanned<'_>) -> Result<HookEvent, Fault> {
    let exact = body.exact();
    let event: HookEvent = match exact {
        Ok(_) => serde_json::from_str(body.text()),
        Err(_) => json::unrounded(body.text()).and_then(serde_json::from_value),
    }
    .map_err(|_| shape())?;
    if matches!(event.event, Happening::Before { .. }) {
        exact?;
    }
    let named = |name: &str| !name.is_empty() && name.len() <= NAME;
    let sound = match &event.event {
        Happening::Before { tool, arguments } | Happening::After { tool, arguments, .. } => {
            named(tool) && arguments.is_object()
        }
        Happening::Prompt(_) | Happening::Other => true,
    };
    if sound && named(&event.name) {
        Ok(event)
    } else {
        Err(shape())
    }
}

/// Spells an answer in the agent's protocol.
#[must_use]
pub fn encode(event: &HookEvent, answer: &HookAnswer) -> Printed {
    let stdout = match event.agent_kind {
        AgentKind::Claude | AgentKind::Codex => claude::encode(event, answer),
        AgentKind::Cursor => cursor::encode(event, answer),
        AgentKind::Gemini => gemini::encode(event, answer),
    };
    Printed {
        stdout: stdout.map_or_else(String::new, |value| format!("{value}\n")),
        stderr: String::new(),
        status: 0,
    }
}

/// What to do where not even the event could be read: in each protocol, exit status 2 blocks what was about to happen.
#[must_use]
pub fn unreadable(reason: &str) -> Printed {
    Printed {
        stdout: String::new(),
        stderr: format!("{reason}\n"),
        status: 2,
    }
}

const fn shape() -> Fault {
    Fault::new(Code::RequestShape, 0)
}

/// An answer's reason; protocols take a refusal without one for no refusal.
fn said(reason: &str) -> &str {
    if reason.trim().is_empty() {
        "refused by policy"
    } else {
        reason
    }
}

/// The fields of one event.
struct Fields {
    /// Numbers that readers round are texts in it.
    said: Map<String, Value>,
    /// There are none of those.
    exact: Result<(), Fault>,
}

impl Fields {
    fn of(body: Scanned<'_>) -> Result<Self, Fault> {
        match json::unrounded(body.text()) {
            Ok(Value::Object(said)) => Ok(Self {
                said,
                exact: body.exact().map(|_| ()),
            }),
            _ => Err(shape()),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.said.get(name)?.as_str().map(str::to_owned)
    }

    fn needed(&self, name: &str) -> Result<String, Fault> {
        self.text(name).ok_or_else(shape)
    }

    /// A name: of the event, of a tool.
    fn name(&self, field: &str) -> Result<String, Fault> {
        let name = self.needed(field)?;
        if name.is_empty() || name.len() > NAME {
            return Err(shape());
        }
        Ok(name)
    }

    /// Arguments: an object, or none at all.
    fn arguments(&self, name: &str) -> Result<Value, Fault> {
        match self.said.get(name) {
            None | Some(Value::Null) => Ok(Value::Object(Map::new())),
            Some(object @ Value::Object(_)) => Ok(object.clone()),
            Some(_) => Err(shape()),
        }
    }

    fn value(&self, name: &str) -> Value {
        self.said.get(name).cloned().unwrap_or(Value::Null)
    }

    /// What is about to run is what the agent wrote, to the last digit: it is ruled on as nothing else.
    fn before(&self) -> Result<Happening, Fault> {
        self.exact?;
        Ok(Happening::Before {
            tool: self.name("tool_name")?,
            arguments: self.arguments("tool_input")?,
        })
    }

    fn after(&self, result: &str, failed: bool) -> Result<Happening, Fault> {
        Ok(Happening::After {
            tool: self.name("tool_name")?,
            arguments: self.arguments("tool_input")?,
            result: self.value(result),
            failed,
        })
    }
}
