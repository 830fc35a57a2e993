//! Cursor. Its general `preToolUse` does not enforce `ask`, the ones for shells and MCP do.

use serde_json::{Map, Value, json};

use super::{AgentKind, Fields, Happening, HookAnswer, HookEvent, said, shape};
use crate::{
    Fault,
    json::{Bounds, scan, unrounded},
};

pub(super) fn decode(fields: &Fields) -> Result<HookEvent, Fault> {
    let name = fields.name("hook_event_name")?;
    let root = fields
        .value("workspace_roots")
        .get(0)
        .and_then(Value::as_str)
        .map(str::to_owned);
    let event = match name.as_str() {
        "beforeSubmitPrompt" => Happening::Prompt(fields.needed("prompt")?),
        "preToolUse" => fields.before()?,
        "postToolUse" => fields.after("tool_output", false)?,
        "postToolUseFailure" => fields.after("error_message", true)?,
        "beforeShellExecution" => Happening::Before {
            tool: "Shell".into(),
            arguments: shell(fields)?,
        },
        "afterShellExecution" => Happening::After {
            tool: "Shell".into(),
            arguments: shell(fields)?,
            result: fields.value("output"),
            failed: false,
        },
        "beforeMCPExecution" => Happening::Before {
            tool: mcp(fields)?,
            arguments: spelled_exactly(fields)?,
        },
        "afterMCPExecution" => Happening::After {
            tool: mcp(fields)?,
            arguments: spelled(fields)?,
            result: fields.value("result_json"),
            failed: false,
        },
        "beforeReadFile" | "beforeTabFileRead" => Happening::Before {
            tool: "Read".into(),
            arguments: json!({"file_path": fields.needed("file_path")?}),
        },
        "afterFileEdit" | "afterTabFileEdit" => Happening::After {
            tool: "Write".into(),
            arguments: json!({"file_path": fields.needed("file_path")?}),
            result: Value::Null,
            failed: false,
        },
        _ => Happening::Other,
    };
    Ok(HookEvent {
        agent_kind: AgentKind::Cursor,
        session_hint: fields.text("conversation_id"),
        cwd: fields
            .text("cwd")
            .filter(|cwd| !cwd.is_empty())
            .or_else(|| root.clone()),
        root,
        server: fields.text("url"),
        name,
        event,
    })
}

fn shell(fields: &Fields) -> Result<Value, Fault> {
    let mut arguments = Map::new();
    arguments.insert("command".into(), fields.needed("command")?.into());
    Ok(Value::Object(arguments))
}

/// As `preToolUse` names a tool of MCP.
fn mcp(fields: &Fields) -> Result<String, Fault> {
    let name = fields.name("tool_name")?;
    Ok(if name.starts_with("MCP:") {
        name
    } else {
        format!("MCP:{name}")
    })
}

/// The arguments of a tool of MCP come as JSON in a text, which is scanned like any other.
fn spelled(fields: &Fields) -> Result<Value, Fault> {
    let Value::String(text) = fields.value("tool_input") else {
        return fields.arguments("tool_input");
    };
    let scanned = scan(text.as_bytes(), &Bounds::default())?;
    match unrounded(scanned.text()) {
        Ok(object @ Value::Object(_)) => Ok(object),
        _ => Err(shape()),
    }
}

/// The same of a call that is about to run.
fn spelled_exactly(fields: &Fields) -> Result<Value, Fault> {
    fields.exact?;
    if let Value::String(text) = fields.value("tool_input") {
        scan(text.as_bytes(), &Bounds::default())?.exact()?;
    }
    spelled(fields)
}

pub(super) fn encode(event: &HookEvent, answer: &HookAnswer) -> Option<Value> {
    let permission = |word: &str, reason: &str| json!({"permission": word, "user_message": said(reason), "agent_message": said(reason)});
    Some(match (&event.event, answer) {
        (Happening::Prompt(_), HookAnswer::Allow | HookAnswer::Nothing) => json!({"continue": true}),
        (Happening::Prompt(_), HookAnswer::Ask(reason) | HookAnswer::Deny(reason)) => {
            json!({"continue": false, "user_message": said(reason)})
        }
        (Happening::Before { .. }, HookAnswer::Allow) => json!({"permission": "allow"}),
        (Happening::Before { .. }, HookAnswer::Ask(reason))
            if matches!(event.name.as_str(), "beforeShellExecution" | "beforeMCPExecution") =>
        {
            permission("ask", reason)
        }
        (Happening::Before { .. }, HookAnswer::Ask(reason) | HookAnswer::Deny(reason)) => {
            permission("deny", reason)
        }
        _ => json!({}),
    })
}
