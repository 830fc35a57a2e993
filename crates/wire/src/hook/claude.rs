//! Claude Code and Codex: one shape of event, two sets of answers.
//!
//! Codex enforces `deny` before a tool and takes `allow` and `ask` for errors, after which the tool runs; so silence is
//! its allow, and its ask is a refusal.

use serde_json::{Value, json};

use super::{AgentKind, Fields, Happening, HookAnswer, HookEvent, said};
use crate::Fault;

pub(super) fn decode(kind: AgentKind, fields: &Fields) -> Result<HookEvent, Fault> {
    let name = fields.name("hook_event_name")?;
    let event = match name.as_str() {
        "UserPromptSubmit" => Happening::Prompt(fields.needed("prompt")?),
        "PreToolUse" => fields.before()?,
        "PostToolUse" => fields.after("tool_response", false)?,
        "PostToolUseFailure" => fields.after("error", true)?,
        _ => Happening::Other,
    };
    Ok(HookEvent {
        agent_kind: kind,
        session_hint: fields.text("session_id"),
        cwd: fields.text("cwd"),
        root: None,
        server: None,
        name,
        event,
    })
}

pub(super) fn encode(event: &HookEvent, answer: &HookAnswer) -> Option<Value> {
    let before = |decision: &str, reason: &str| {
        json!({"hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": decision,
            "permissionDecisionReason": said(reason),
        }})
    };
    match (&event.event, answer) {
        (_, HookAnswer::Allow | HookAnswer::Nothing) => {
            // Codex wants an object at the end of a turn.
            (event.name == "Stop" || event.name == "SubagentStop").then(|| json!({}))
        }
        (Happening::Before { .. }, HookAnswer::Ask(reason)) if event.agent_kind == AgentKind::Claude => {
            Some(before("ask", reason))
        }
        (Happening::Before { .. }, HookAnswer::Ask(reason) | HookAnswer::Deny(reason)) => {
            Some(before("deny", reason))
        }
        (
            Happening::Prompt(_) | Happening::After { .. },
            HookAnswer::Ask(reason) | HookAnswer::Deny(reason),
        ) => Some(json!({"decision": "block", "reason": said(reason)})),
        (Happening::Other, _) => None,
    }
}
