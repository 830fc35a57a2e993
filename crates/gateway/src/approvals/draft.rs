//! From a call that a ruling asks about to the question a human is shown, and from endorsements to what they cover.

use std::{cmp::Reverse, collections::BTreeMap};

use bartizan_flow::{ArgumentLeaf, Assessment, Role, leaves};
use bartizan_guard::approval::{
    Approvals, Asker, Binding, Claim, Draft, ENDORSABLE, Resembles, Shown, content_digest, escaped,
    value_digest,
};
use bartizan_types::{CallFacts, Digest, MatchedPolicy, Resource, ServerName, Timestamp, ToolName};
use bartizan_wire::json;
use serde_json::{Value, value::RawValue};

use crate::sessions::{Likes, Traced};

/// Where tools of the agent's own are said to be. No configured server can be called so.
const OWN: &str = "(agent)";

/// A call as an answer is bound to it.
pub(crate) struct Wire<'a> {
    pub(crate) asker: &'a Asker,
    pub(crate) call: &'a CallFacts,
    /// As the agent wrote them.
    pub(crate) arguments: &'a Value,
    /// As they go out.
    pub(crate) outgoing: &'a Value,
    /// What goes out beside them and belongs to the call.
    pub(crate) extra: Option<&'a Value>,
    /// More goes out than that, so nobody was asked about this very call.
    pub(crate) laden: bool,
    pub(crate) found: &'a Assessment,
}

impl<'a> Wire<'a> {
    /// Of a call that was traced.
    pub(crate) fn new(
        asker: &'a Asker,
        call: &'a CallFacts,
        traced: &'a Traced,
        outgoing: &'a Value,
    ) -> Self {
        Self {
            asker,
            call,
            arguments: &traced.arguments,
            outgoing,
            extra: traced.extra.as_deref(),
            laden: traced.laden,
            found: &traced.found,
        }
    }

    /// The tool and where it is; none where the call is of something else.
    pub(crate) fn tool(&self) -> Option<(ServerName, ToolName)> {
        match &self.call.resource {
            Resource::Tool { server, tool } => Some((server.clone(), tool.clone())),
            Resource::Peer { peer } => {
                let server = ServerName::new(&format!("peer/{peer}")).ok()?;
                Some((server, ToolName::new(self.call.action.as_str()).ok()?))
            }
            Resource::Site { site } => {
                let server = ServerName::new(&format!("site/{site}")).ok()?;
                Some((server, ToolName::new(self.call.action.as_str()).ok()?))
            }
            Resource::McpResource { server, .. } => {
                let server = ServerName::new(&format!("resource/{server}")).ok()?;
                Some((server, ToolName::new(self.call.action.as_str()).ok()?))
            }
            Resource::AgentTool { tool } => Some((ServerName::new(OWN).ok()?, tool.clone())),
            _ => None,
        }
    }

    /// The answer that lets this call through is bound to this; none where the arguments have no canonical form, or more
    /// goes out than a human is shown.
    pub(crate) fn binding(&self) -> Option<Binding> {
        self.asked().filter(|_| !self.laden)
    }

    /// What an answer to the question is bound to: the call without what she is not shown.
    pub(crate) fn asked(&self) -> Option<Binding> {
        let (server, tool) = self.tool()?;
        let mut leaving = canonical(self.outgoing)?;
        if let Some(beside) = self.beside() {
            // No canonical JSON has a line feed in it, so two calls never come to the same bytes.
            leaving.push(b'\n');
            leaving.extend(canonical(&beside)?);
        }
        Some(Binding::of(self.asker.session, &server, &tool, &leaving))
    }

    /// What belongs to the call beside its arguments: how it is to be run, answers to the server, and of a resource its
    /// address, which is no argument where the server itself gave it.
    fn beside(&self) -> Option<Value> {
        let extra = self.extra.and_then(Value::as_object);
        let mut beside = extra.cloned().unwrap_or_default();
        if let Resource::McpResource { uri, .. } = &self.call.resource
            && self.outgoing.get("uri").is_none()
        {
            beside.insert("uri".to_owned(), Value::from(uri.as_str()));
        }
        (!beside.is_empty()).then_some(Value::Object(beside))
    }

    /// The question.
    pub(crate) fn draft(&self, because: Vec<MatchedPolicy>, needs: u8, likes: &Likes) -> Option<Draft> {
        let (server, tool) = self.tool()?;
        let canonical = canonical(self.outgoing)?;
        let (asked, whole) = leaves(self.arguments);
        let mut shown: Vec<Shown> = asked
            .iter()
            .zip(&self.found.arguments)
            .filter(|(leaf, argument)| leaf.path == argument.path)
            .map(|(leaf, argument)| Shown {
                path: escaped(&leaf.path, 128),
                role: argument.role,
                source: argument.source,
                value: escaped(&leaf.text, Shown::VALUE_BYTES),
                bytes: u64::try_from(leaf.text.len()).unwrap_or(u64::MAX),
                digest: digest_of(leaf),
                goes_out: argument
                    .rewrite
                    .as_deref()
                    .map(|spelling| escaped(spelling, Shown::VALUE_BYTES)),
                like: likes.at(&leaf.path).map(|near| Resembles {
                    like: near.like,
                    value: escaped(&near.value, Shown::VALUE_BYTES),
                }),
            })
            .collect();
        shown.sort_by_key(|one| (Reverse(one.source), !ENDORSABLE.contains(&one.role)));
        let hidden = shown.len().saturating_sub(Draft::ARGUMENTS) + usize::from(!whole);
        shown.truncate(Draft::ARGUMENTS);
        let text = String::from_utf8_lossy(&canonical);
        let beside = self.beside().map(|beside| beside.to_string()).unwrap_or_default();
        Some(Draft {
            asker: self.asker.clone(),
            binding: self.asked()?,
            server,
            tool,
            call: self.call.id,
            wire: escaped(&text, Draft::WIRE_BYTES),
            bytes: u64::try_from(canonical.len()).unwrap_or(u64::MAX),
            beside: escaped(&beside, Draft::WIRE_BYTES),
            arguments: shown,
            more: u32::try_from(hidden).unwrap_or(u32::MAX),
            content: self.content()?,
            flow: self.call.flow.as_deref().cloned().unwrap_or_default(),
            because,
            needs,
        })
    }

    /// What the call carries beside the values that an endorsement can be about.
    fn content(&self) -> Option<Digest> {
        let mut roles = self.found.arguments.iter().map(|argument| argument.role);
        let rest = canonical(&carried(self.outgoing, &mut roles))?;
        Some(content_digest([("", value_digest(&rest))]))
    }

    /// The arguments' paths that a human endorsed. A path that several leaves share is covered when all of them are.
    pub(crate) fn covered(&self, book: &Approvals, now: Timestamp) -> BTreeMap<String, bool> {
        let mut covered = BTreeMap::new();
        let Some((server, tool)) = self.tool() else {
            return covered;
        };
        if !book.knows(&self.asker.agent, &server, &tool) {
            return covered;
        }
        let Some(content) = self.content() else {
            return covered;
        };
        let (asked, _) = leaves(self.arguments);
        for (leaf, argument) in asked.iter().zip(&self.found.arguments) {
            let claim = Claim {
                asker: self.asker,
                server: &server,
                tool: &tool,
                role: argument.role,
                path: &leaf.path,
                value: digest_of(leaf),
                content,
            };
            let good = leaf.path == argument.path
                && ENDORSABLE.contains(&argument.role)
                && book.covers(now, &claim).is_some();
            let all = covered.entry(leaf.path.clone()).or_insert(true);
            *all &= good;
        }
        covered
    }
}

/// A text and a number that are spelled alike are two values.
fn digest_of(leaf: &ArgumentLeaf) -> Digest {
    let kind: &[u8] = if leaf.number { b"number:" } else { b"text:" };
    value_digest(&[kind, leaf.text.as_bytes()].concat())
}

/// The arguments with nothing in the place of every leaf that an endorsement can be about. `roles` are those of the
/// leaves, in order; leaves past them stay.
fn carried(value: &Value, roles: &mut impl Iterator<Item = Role>) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, inner)| (key.clone(), carried(inner, roles)))
            .collect(),
        Value::Array(list) => list.iter().map(|inner| carried(inner, roles)).collect(),
        Value::String(_) | Value::Number(_) => match roles.next() {
            Some(role) if ENDORSABLE.contains(&role) => Value::Null,
            _ => value.clone(),
        },
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

fn canonical(value: &Value) -> Option<Vec<u8>> {
    let raw: Box<RawValue> = serde_json::value::to_raw_value(value).ok()?;
    json::canonical(&raw).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_carried_is_all_but_what_can_be_endorsed() {
        let arguments = json!({"body": "b", "flag": true, "to": ["x", "y"]});
        let roles = [Role::Content, Role::Target, Role::Target];
        let rest = carried(&arguments, &mut roles.into_iter());
        assert_eq!(rest, json!({"body": "b", "flag": true, "to": [null, null]}));
        // More recipients are another content: the list's length is carried.
        let more = json!({"body": "b", "flag": true, "to": ["x", "y", "z"]});
        let roles = [Role::Content, Role::Target, Role::Target, Role::Target];
        assert_ne!(carried(&more, &mut roles.into_iter()), rest);
    }

    #[test]
    fn a_number_is_no_text() {
        let leaf = |number| ArgumentLeaf {
            path: "a".to_owned(),
            text: "1".to_owned(),
            number,
        };
        assert_ne!(digest_of(&leaf(true)), digest_of(&leaf(false)));
    }
}
