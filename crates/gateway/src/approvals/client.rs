//! A question put to the agent's user in the agent's own client, and what came back.
//!
//! What it refuses: agents that the operator did not list, effects that are not among those listed, calls that two people
//! must allow, more than a yes to this one call. The answer comes through the agent's client, which may have given it
//! by itself: it is recorded as such, and the guard ranks it below one of the admin channel.

use std::time::{Duration, Instant};

use bartizan_guard::approval::{Answerer, Channel, Question, Scope, Shown, Standing, Verdict, escaped};
use bartizan_types::{AgentId, ApprovalId};
use serde_json::{Value, json, value::RawValue};

use super::Approvals;

/// Most arguments that a client shows.
const ARGUMENTS: usize = 12;
/// Most bytes of one value that a client shows.
const VALUE: usize = 160;
/// The one field of the form.
const FIELD: &str = "allow";
/// How long a client is waited for, where calls are not held open longer anyway.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Yes, to this one call.
    Yes,
    /// No.
    No,
    /// Nothing that can be made sense of, or that the user does not want to say now: the question stays open.
    Nothing,
}

impl Said {
    /// From the result of `elicitation/create`. Only a plain yes is one.
    pub(crate) fn read(result: &RawValue) -> Self {
        let Ok(value) = serde_json::from_str::<Value>(result.get()) else {
            return Self::Nothing;
        };
        let field = value.get("content").and_then(|content| content.get(FIELD));
        match (value.get("action").and_then(Value::as_str), field) {
            (Some("accept"), Some(Value::Bool(true))) => Self::Yes,
            (Some("accept"), Some(Value::Bool(false))) | (Some("decline"), _) => Self::No,
            _ => Self::Nothing,
        }
    }
}

impl Approvals {
    /// The params of `elicitation/create` for a question that this agent's client may put; none where it may not.
    pub(crate) fn form(&self, id: ApprovalId, agent: &AgentId) -> Option<Box<RawValue>> {
        if !self.settings.client_agents.contains(agent) {
            return None;
        }
        let question = self.book().question(id).cloned()?;
        let open = question.standing == Standing::Waiting && question.draft.needs == 1;
        if !open || !self.settings.client_effects.contains(&question.effect()) {
            return None;
        }
        let params = json!({
            "message": message(&question),
            "requestedSchema": {
                "type": "object",
                "properties": {FIELD: {"type": "boolean", "title": "Allow this one call", "default": false}},
                "required": [FIELD],
            },
        });
        serde_json::value::to_raw_value(&params).ok()
    }

    /// Takes what this agent's client said. `true`: the call may be tried again.
    pub(crate) async fn client_said(&self, id: ApprovalId, agent: &AgentId, said: Said) -> bool {
        let verdict = match said {
            Said::Yes => Verdict::Allow(Scope::Once),
            Said::No => Verdict::Deny,
            Said::Nothing => return false,
        };
        let by = Answerer {
            name: escaped(&format!("the client of `{agent}`"), 120),
            channel: Channel::Elicitation,
        };
        match self.answer(id, &verdict, &by).await {
            Ok(_) => said == Said::Yes && self.book().standing(id) == Some(Standing::Allowed),
            Err(fault) => {
                tracing::warn!(approval = %id, error = %fault, "an answer of an agent's client did not take effect");
                false
            }
        }
    }

    /// Whether any agent's client may be asked at all.
    pub(crate) fn asks_clients(&self) -> bool {
        !self.settings.client_agents.is_empty()
    }

    /// Waits for whoever answers first while a client shows the question. `true`: the call may be tried again.
    pub(crate) async fn settled(&self, id: ApprovalId) -> bool {
        let Ok(_place) = self.waiters.try_acquire() else {
            return false;
        };
        self.standing(id, Instant::now() + self.patience()).await
    }

    /// How long a client is waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.settings.wait.max(PATIENCE)
    }
}

/// The question in a client's words: plain lines, values escaped, nothing of a model's.
fn message(question: &Question) -> String {
    let draft = &question.draft;
    let mut out = format!(
        "Your agent wants to call `{}` of `{}` ({}), and Bartizan asks you first.\n",
        draft.tool,
        draft.server,
        question.effect().as_str()
    );
    for shown in draft.arguments.iter().take(ARGUMENTS) {
        out.push_str(&line(shown));
    }
    let more =
        draft.arguments.len().saturating_sub(ARGUMENTS) + usize::try_from(draft.more).unwrap_or(usize::MAX);
    if more > 0 {
        out.push_str(&format!("- and {more} more\n"));
    }
    if !draft.beside.is_empty() {
        out.push_str(&format!("- and beside them: {}\n", draft.beside));
    }
    for unusual in question.unusual().iter().take(4) {
        out.push_str(&format!("! {}\n", unusual.sentence()));
    }
    out.push_str(&format!(
        "Say yes only if you want exactly this. Question {}.",
        question.id
    ));
    out
}

fn line(shown: &Shown) -> String {
    let value = shown.goes_out.as_deref().unwrap_or(&shown.value);
    let like = shown.like.as_ref().map_or_else(String::new, |other| {
        let (how, whose) = (other.like.how.says(), origin(other.like.source.as_str()));
        format!("; it {how} {} [{whose}]", escaped(&other.value, VALUE))
    });
    format!(
        "- {} ({}): {} [{}]{like}\n",
        shown.path,
        shown.role.as_str(),
        escaped(value, VALUE),
        origin(shown.source.as_str())
    )
}

/// Where a value came from, for somebody who has not read the reference.
fn origin(source: &str) -> &'static str {
    match source {
        "prompt" => "your words",
        "picked" | "named" => "what your words name",
        "trusted" => "a trusted result",
        "directory" => "the directory",
        "derived" => "computed from trusted values",
        "endorsed" => "allowed before",
        "structured" => "a field that outsiders can set",
        "free_text" => "made up from text that outsiders can write",
        "empty" => "empty",
        _ => "nothing that was read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said::read(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn only_a_plain_yes_is_one() {
        assert_eq!(said(r#"{"action":"accept","content":{"allow":true}}"#), Said::Yes);
        assert_eq!(said(r#"{"action":"accept","content":{"allow":false}}"#), Said::No);
        assert_eq!(said(r#"{"action":"decline"}"#), Said::No);
        assert_eq!(said(r#"{"action":"decline","content":{"allow":true}}"#), Said::No);
        for nothing in [
            r#"{"action":"accept"}"#,
            r#"{"action":"accept","content":{}}"#,
            r#"{"action":"accept","content":{"allow":"true"}}"#,
            r#"{"action":"accept","content":{"allow":1}}"#,
            r#"{"action":"ACCEPT","content":{"allow":true}}"#,
            r#"{"action":"cancel","content":{"allow":true}}"#,
            r#"{"content":{"allow":true}}"#,
            r#"[true]"#,
            "null",
        ] {
            assert_eq!(said(nothing), Said::Nothing, "{nothing}");
        }
    }
}
