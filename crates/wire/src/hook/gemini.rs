//! Gemini CLI. Releases before `ask` was read took it for an allow, so a question is a refusal here.

use serde_json::{Value, json};

use super::{AgentKind, Fields, Happening, HookAnswer, HookEvent, said};
use crate::Fault;

pub(super) fn decode(fields: &Fields) -> Result<HookEvent, Fault> {
    let name = fields.name("hook_event_name")?;
    let event = match name.as_str() {
        "BeforeAgent" => Happening::Prompt(fields.needed("prompt")?),
        "BeforeTool" => fields.before()?,
        "AfterTool" => {
            let failed = fields
                .value("tool_response")
                .get("error")
                .is_some_and(|error| !error.is_null());
            fields.after("tool_response", failed)?
        }
        _ => Happening::Other,
    };
    Ok(HookEvent {
        agent_kind: AgentKind::Gemini,
        session_hint: fields.text("session_id"),
        cwd: fields.text("cwd"),
        root: None,
        server: None,
        name,
        event,
    })
}

pub(super) fn encode(event: &HookEvent, answer: &HookAnswer) -> Option<Value> {
    match (&event.event, answer) {
        (Happening::Other, _) | (_, HookAnswer::Allow | HookAnswer::Nothing) => Some(json!({})),
        (_, HookAnswer::Ask(reason) | HookAnswer::Deny(reason)) => {
            Some(json!({"decision": "deny", "reason": said(reason)}))
        }
    }
}
