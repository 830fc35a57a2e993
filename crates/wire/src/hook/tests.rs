use proptest::prelude::{any, prop_assert, proptest};
use serde_json::{Value, json};

use super::*;
use crate::json::{Bounds, scan};

fn read(kind: AgentKind, event: &Value) -> Result<HookEvent, Fault> {
    let text = event.to_string();
    decode(kind, scan(text.as_bytes(), &Bounds::default())?)
}

fn kind(word: &str) -> AgentKind {
    *AgentKind::ALL
        .iter()
        .find(|kind| kind.as_str() == word)
        .expect("a kind")
}

fn printed(event: &HookEvent, answer: &HookAnswer) -> Value {
    let printed = encode(event, answer);
    assert_eq!(printed.status, 0);
    assert!(printed.stderr.is_empty());
    if printed.stdout.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&printed.stdout).expect("one JSON value")
    }
}

/// Each vector: an event as its agent writes it, what it comes to, and what each answer is spelled as.
#[test]
fn events_of_every_protocol_are_read_and_answered_in_its_words() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../vectors/hooks.json")).expect("vectors");
    for vector in &vectors {
        let name = &vector["name"];
        let event = read(kind(vector["agent"].as_str().expect("agent")), &vector["event"]).expect("an event");
        assert_eq!(
            serde_json::to_value(&event.event).expect("serializes"),
            vector["happening"],
            "{name}"
        );
        for (answer, word) in [
            (HookAnswer::Allow, "allow"),
            (HookAnswer::Ask("why".into()), "ask"),
            (HookAnswer::Deny("why".into()), "deny"),
            (HookAnswer::Nothing, "nothing"),
        ] {
            assert_eq!(
                printed(&event, &answer),
                vector["answers"][word],
                "{name}: {word}"
            );
        }
        let neutral = serde_json::to_string(&event).expect("serializes");
        let again =
            decode_neutral(scan(neutral.as_bytes(), &Bounds::default()).expect("sound")).expect("reads");
        assert_eq!(again, event, "{name}");
    }
    assert!(vectors.len() >= 20, "vectors were lost: {}", vectors.len());
}

#[test]
fn what_is_ruled_on_is_never_passed_over() {
    for (agent, event) in [
        ("claude", json!({"hook_event_name": "PreToolUse"})),
        (
            "claude",
            json!({"hook_event_name": "PreToolUse", "tool_name": 3, "tool_input": {}}),
        ),
        (
            "claude",
            json!({"hook_event_name": "PreToolUse", "tool_name": "", "tool_input": {}}),
        ),
        (
            "claude",
            json!({"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": "rm"}),
        ),
        (
            "claude",
            json!({"hook_event_name": ["PreToolUse"], "tool_name": "Bash"}),
        ),
        ("claude", json!({"tool_name": "Bash", "tool_input": {}})),
        ("claude", json!({"hook_event_name": "UserPromptSubmit"})),
        (
            "codex",
            json!({"hook_event_name": "PreToolUse", "tool_input": {}}),
        ),
        (
            "gemini",
            json!({"hook_event_name": "BeforeTool", "tool_name": "x", "tool_input": [1]}),
        ),
        (
            "gemini",
            json!({"hook_event_name": "BeforeAgent", "prompt": {"text": "x"}}),
        ),
        (
            "cursor",
            json!({"hook_event_name": "beforeShellExecution", "command": ["rm"]}),
        ),
        (
            "cursor",
            json!({"hook_event_name": "beforeMCPExecution", "tool_name": "x", "tool_input": "not json"}),
        ),
        (
            "cursor",
            json!({"hook_event_name": "beforeMCPExecution", "tool_name": "x", "tool_input": "{\"a\":1,\"a\":2}"}),
        ),
        ("cursor", json!({"hook_event_name": "beforeReadFile"})),
        ("cursor", json!([])),
    ] {
        assert!(read(kind(agent), &event).is_err(), "{agent} {event}");
    }
}

#[test]
fn a_refusal_is_never_without_a_reason() {
    for kind in AgentKind::ALL {
        let event = HookEvent {
            agent_kind: kind,
            name: "preToolUse".into(),
            session_hint: None,
            cwd: None,
            root: None,
            server: None,
            event: Happening::Before {
                tool: "Bash".into(),
                arguments: json!({}),
            },
        };
        for answer in [HookAnswer::Ask(" ".into()), HookAnswer::Deny(String::new())] {
            assert!(
                printed(&event, &answer).to_string().contains("refused by policy"),
                "{kind:?}"
            );
        }
    }
    let lost = unreadable("no event");
    assert_eq!((lost.status, lost.stdout.as_str()), (2, ""));
}

proptest! {
    /// A reason is text in every protocol, whatever it holds: it can't become an answer.
    #[test]
    fn a_reason_stays_a_reason(reason in any::<String>()) {
        for kind in AgentKind::ALL {
            let event = HookEvent {
                agent_kind: kind,
                name: "beforeShellExecution".into(),
                session_hint: None,
                cwd: None,
                root: None,
                server: None,
                event: Happening::Before { tool: "Bash".into(), arguments: json!({}) },
            };
            let out = printed(&event, &HookAnswer::Deny(reason.clone())).to_string();
            prop_assert!(out.contains("\"deny\""));
        }
    }

    #[test]
    fn no_event_panics(text in any::<String>(), name in "[a-zA-Z]{0,20}") {
        for kind in AgentKind::ALL {
            let event = json!({"hook_event_name": name, "tool_name": text, "tool_input": {"command": text}, "prompt": text});
            if let Ok(event) = read(kind, &event) {
                prop_assert!(encode(&event, &HookAnswer::Nothing).status == 0);
            }
        }
    }
}

#[test]
fn a_call_about_to_run_has_no_number_that_readers_round() {
    let code = |agent: &str, text: &str| {
        let kind = AgentKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == agent)
            .expect("known");
        decode(kind, scan(text.as_bytes(), &Bounds::default()).expect("strict")).map_err(|fault| fault.code)
    };
    for (agent, text) in [
        (
            "claude",
            r#"{"hook_event_name":"PreToolUse","tool_name":"x","tool_input":{"a":20000000000000000001}}"#,
        ),
        (
            "gemini",
            r#"{"hook_event_name":"BeforeTool","tool_name":"x","tool_input":{"a":0.10000000000000000999}}"#,
        ),
        (
            "cursor",
            r#"{"hook_event_name":"beforeMCPExecution","tool_name":"x","tool_input":"{\"a\":20000000000000000001}"}"#,
        ),
    ] {
        assert_eq!(code(agent, text), Err(Code::JsonDigits), "{text}");
        assert!(
            code(agent, &text.replace("000000000000000", "")).is_ok(),
            "{text}"
        );
    }
    // What came of one is kept, as it is written.
    let after = r#"{"hook_event_name":"PostToolUse","tool_name":"x","tool_input":{},"tool_response":[20000000000000000001]}"#;
    let event = code("claude", after).expect("read");
    let neutral = serde_json::to_string(&event).expect("written");
    let Happening::After { result, .. } = event.event else {
        panic!("another event");
    };
    assert_eq!(result, json!(["20000000000000000001"]));
    let read = |text: &str| decode_neutral(scan(text.as_bytes(), &Bounds::default()).expect("strict"));
    let rounded = neutral.replace("\"20000000000000000001\"", "20000000000000000001");
    assert_eq!(
        read(&rounded).expect("reads").event,
        read(&neutral).expect("reads").event
    );
    let before = r#"{"agent_kind":"claude","name":"x","event":{"before":{"tool":"x","arguments":{"a":20000000000000000001}}}}"#;
    assert_eq!(read(before).map_err(|fault| fault.code), Err(Code::JsonDigits));
}
