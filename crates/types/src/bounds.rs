//! What an agent handed on to another: bounds on calls, each link of a chain with its own.
//!
//! INVARIANT: bounds only refuse. A call has to be admitted by the bounds of every link and by policy as well, so a
//! link that says less than the one before gains nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Arguments, CallFacts, Decimal, Meter, Resource, SessionId, Timestamp};

/// Most patterns, arguments or values of one link.
pub const BOUND_ENTRIES_MAX: usize = 64;
/// Longest pattern, path or value, in bytes.
pub const BOUND_BYTES_MAX: usize = 512;

/// What one link of a chain may do. Nothing said: all that the link before it may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Resources by Cedar type and id (`Tool::mail/send`, `Model::openai/*`); `*` at the end stands for any rest.
    /// What is on a server brings the server itself, so that it can be connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<BTreeSet<String>>,
    /// Arguments by dotted path, each with the values it may have. A call with arguments that lacks one of these, or is
    /// not known whole, is refused. What reads as a number, `true`, `false` or `null` is that and no text: `100` is any
    /// spelling of that number and nothing beside it. In quotes it is the text between them, as it stands; anything else
    /// is a text, where `*` at the end stands for any rest. `*` alone is any leaf.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, BTreeSet<String>>,
    /// First moment at which it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The one session it holds in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The most that all calls by this link, and by those handed on from it, may come to together while it lasts. Counted
    /// where budgets are: a call has to fit into that of every link.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budget: BTreeMap<Meter, u64>,
}

/// A bound that a call is outside of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// It is too late.
    Until,
    /// It is another session.
    Session,
    /// It is another resource.
    On,
    /// Its arguments are not known whole, and some are bound.
    Arguments,
    /// The argument at this path is not there, or has no value that it may have.
    Argument(String),
}

/// Which bound of which link refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outside {
    /// The link's place among the principal's actors.
    pub link: usize,
    /// The bound.
    pub bound: Bound,
}

impl Bounds {
    /// The first bound that a call is outside of; `None` where it is within.
    #[must_use]
    pub fn outside(&self, call: &CallFacts, session: SessionId, now: Timestamp) -> Option<Bound> {
        if self.until.is_some_and(|until| now >= until) {
            return Some(Bound::Until);
        }
        if self.session.is_some_and(|only| only != session) {
            return Some(Bound::Session);
        }
        if !self.may_reach(&call.resource) {
            return Some(Bound::On);
        }
        self.outside_arguments(call)
    }

    /// Whether some call on this resource could be within.
    #[must_use]
    pub fn may_reach(&self, resource: &Resource) -> bool {
        self.on.as_ref().is_none_or(|on| is_on(on, resource))
    }

    /// Whether the lists are as short as they must be, so that judging a call is bounded.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let short = |text: &String| (1..=BOUND_BYTES_MAX).contains(&text.len());
        let few = |set: &BTreeSet<String>| set.len() <= BOUND_ENTRIES_MAX && set.iter().all(short);
        self.on.as_ref().is_none_or(few)
            && self.arguments.len() <= BOUND_ENTRIES_MAX
            && self
                .arguments
                .iter()
                .all(|(path, values)| short(path) && values.len() <= BOUND_ENTRIES_MAX)
            && self
                .arguments
                .values()
                .flatten()
                .all(|value| value.len() <= BOUND_BYTES_MAX)
    }

    fn outside_arguments(&self, call: &CallFacts) -> Option<Bound> {
        let (first, _) = self.arguments.first_key_value()?;
        // Connecting, listing and asking a model have no arguments to bound; whatever else shows none is refused.
        let takes = !matches!(
            call.resource,
            Resource::Server { .. } | Resource::Upstream { .. } | Resource::Model { .. }
        );
        let Some(seen) = &call.arguments else {
            return takes.then(|| Bound::Argument(first.clone()));
        };
        if !seen.complete {
            return Some(Bound::Arguments);
        }
        let within = |path: &str, values: &BTreeSet<String>| {
            Leaf::at(seen, path).is_some_and(|leaf| values.iter().any(|value| leaf.has(value)))
        };
        let mut bound = self.arguments.iter();
        let (path, _) = bound.find(|(path, values)| !within(path, values))?;
        Some(Bound::Argument(path.clone()))
    }
}

/// One argument, as what it is.
enum Leaf<'a> {
    Text(&'a str),
    /// `true`, `false` or `null`.
    Word(&'a str),
    Number(Decimal),
}

impl<'a> Leaf<'a> {
    fn at(seen: &'a Arguments, path: &str) -> Option<Self> {
        let exact = seen.exact.get(path).map(String::as_str);
        match (seen.numbers.get(path), seen.texts.get(path)) {
            (Some(number), _) => {
                let whole = number.to_string();
                Decimal::parse(exact.unwrap_or(&whole)).map(Self::Number)
            }
            (None, Some(text)) => Some(exact.map_or(Self::Text(text), Self::Word)),
            (None, None) => None,
        }
    }

    /// Whether this is the value that a bound says. What could be read as two kinds of value is but one of them, so that
    /// `false` does not let the text through that a tool takes for a yes.
    fn has(&self, value: &str) -> bool {
        if value == "*" {
            return true;
        }
        let number = Decimal::parse(value);
        match self {
            Self::Word(word) => value == *word,
            Self::Number(found) => number.as_ref() == Some(found),
            Self::Text(_) if number.is_some() || matches!(value, "true" | "false" | "null") => false,
            Self::Text(text) => match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(quoted) => quoted == *text,
                None => fits(value, text),
            },
        }
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}

/// Whether one of these patterns (`Tool::mail/send`, `Model::openai/*`) names a resource, or something on this server.
#[must_use]
pub fn is_on(patterns: &BTreeSet<String>, resource: &Resource) -> bool {
    let whole = format!("{}::{}", resource.type_name(), resource.entity_id());
    let server = match resource {
        Resource::Server { server } => Some(format!("{server}/")),
        _ => None,
    };
    patterns
        .iter()
        .any(|pattern| fits(pattern, &whole) || server.as_ref().is_some_and(|server| is_of(pattern, server)))
}

/// Whether a pattern names something on this server, given as `NAME/`.
fn is_of(pattern: &str, server: &str) -> bool {
    let Some((kind, id)) = pattern.split_once("::") else {
        return false;
    };
    let whole = id.starts_with(server);
    let any = id
        .strip_suffix('*')
        .is_some_and(|start| server.starts_with(start));
    matches!(kind, "Tool" | "Prompt" | "McpResource") && (whole || any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, CallId, ServerName, Surface, ToolName};

    fn call(resource: Resource, arguments: &[(&str, &str)]) -> CallFacts {
        let mut call = CallFacts::new(
            CallId::mint(Timestamp::from_unix_seconds(1), 0),
            Action::CallTool,
            resource,
            Surface::Mcp,
        );
        call.arguments = Some(Arguments {
            texts: arguments
                .iter()
                .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
                .collect(),
            numbers: BTreeMap::from([("count".to_owned(), 3), ("amount".to_owned(), 100)]),
            exact: BTreeMap::from([
                ("amount".to_owned(), "100.9".to_owned()),
                ("all".to_owned(), "false".to_owned()),
            ]),
            complete: true,
        });
        call
    }

    fn tool(server: &str, tool: &str) -> Resource {
        Resource::Tool {
            server: ServerName::new(server).unwrap(),
            tool: ToolName::new(tool).unwrap(),
        }
    }

    fn check(bounds: &str, call: &CallFacts, expected: bool) {
        let read: Bounds = serde_json::from_str(bounds).unwrap();
        let session = SessionId::mint(Timestamp::from_unix_seconds(1), 1);
        let now = Timestamp::from_unix_seconds(100);
        assert_eq!(read.outside(call, session, now).is_none(), expected, "{bounds}");
    }

    #[test]
    fn resources_are_named_whole_or_by_their_start() {
        let send = call(tool("mail", "send"), &[]);
        check("{}", &send, true);
        check(r#"{"on":["Tool::mail/send"]}"#, &send, true);
        check(r#"{"on":["Tool::mail/*"]}"#, &send, true);
        check(r#"{"on":["Tool::mail/sen"]}"#, &send, false);
        check(r#"{"on":["Tool::mail2/*","Model::*"]}"#, &send, false);
        check(r#"{"on":[]}"#, &send, false);
        let server = |name: &str| {
            let server = ServerName::new(name).unwrap();
            call(Resource::Server { server }, &[])
        };
        check(r#"{"on":["Tool::mail/send"]}"#, &server("mail"), true);
        check(r#"{"on":["Tool::mail/send"]}"#, &server("mai"), false);
        check(r#"{"on":["Tool::m*"]}"#, &server("mail"), true);
        check(r#"{"on":["Model::mail/gpt"]}"#, &server("mail"), false);
    }

    #[test]
    fn arguments_must_be_seen_and_listed() {
        let send = call(tool("mail", "send"), &[("to", "ann@example.com")]);
        check(r#"{"arguments":{"to":["ann@example.com"]}}"#, &send, true);
        check(r#"{"arguments":{"to":["ann@*"]}}"#, &send, true);
        check(r#"{"arguments":{"count":["3"]}}"#, &send, true);
        check(r#"{"arguments":{"to":["bob@example.com"]}}"#, &send, false);
        check(r#"{"arguments":{"cc":["*"]}}"#, &send, false);
        check(r#"{"arguments":{"to":[]}}"#, &send, false);
        let mut cut = send.clone();
        cut.arguments.as_mut().unwrap().complete = false;
        check(r#"{"arguments":{"to":["*"]}}"#, &cut, false);
        let bare = CallFacts {
            arguments: None,
            ..send.clone()
        };
        check(r#"{"arguments":{"to":["*"]}}"#, &bare, false);
        let bound: Bounds = serde_json::from_str(r#"{"arguments":{"count":["3"],"to":["bob*"]}}"#).unwrap();
        let session = SessionId::mint(Timestamp::from_unix_seconds(1), 1);
        let outside = |call| bound.outside(call, session, Timestamp::from_unix_seconds(2));
        assert_eq!(outside(&send), Some(Bound::Argument("to".to_owned())));
        assert_eq!(outside(&cut), Some(Bound::Arguments));
    }

    #[test]
    fn a_value_is_one_number_one_word_or_one_text() {
        let send = call(
            tool("bank", "pay"),
            &[
                ("all", "false"),
                ("text", "3"),
                ("word", "true"),
                ("quoted", "\"x\""),
            ],
        );
        for (argument, value, expected) in [
            ("count", "3", true),
            ("count", "3.0", true),
            ("count", "0.3e1", true),
            ("count", "3.1", false),
            ("count", "3*", false),
            ("count", "\\\"3\\\"", false),
            ("count", "*", true),
            ("amount", "100", false),
            ("amount", "101", false),
            ("amount", "100.9", true),
            ("amount", "1009e-1", true),
            ("amount", "100.90000000000000001", false),
            ("all", "false", true),
            ("all", "f*", false),
            ("all", "*", true),
            ("text", "3", false),
            ("text", "3.0", false),
            ("text", "\\\"3\\\"", true),
            ("text", "*", true),
            ("word", "true", false),
            ("word", "tr*", true),
            ("word", "\\\"true\\\"", true),
            ("quoted", "\\\"x\\\"", false),
            ("quoted", "\\\"\\\"x\\\"\\\"", true),
        ] {
            check(
                &format!(r#"{{"arguments":{{"{argument}":["{value}"]}}}}"#),
                &send,
                expected,
            );
        }
    }

    #[test]
    fn time_and_session_end_it() {
        let send = call(tool("mail", "send"), &[]);
        check(r#"{"until":101000000}"#, &send, true);
        check(r#"{"until":100000000}"#, &send, false);
        let own = SessionId::mint(Timestamp::from_unix_seconds(1), 1);
        let other = SessionId::mint(Timestamp::from_unix_seconds(1), 2);
        check(&format!(r#"{{"session":"{own}"}}"#), &send, true);
        check(&format!(r#"{{"session":"{other}"}}"#), &send, false);
        assert!(serde_json::from_str::<Bounds>(r#"{"budget":{"calls":3,"micro_usd":100}}"#).is_ok());
        for amount in ["-1", "1.5", "18446744073709551616", "null", "\"1\""] {
            let text = format!(r#"{{"budget":{{"calls":{amount}}}}}"#);
            assert!(serde_json::from_str::<Bounds>(&text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Bounds>(r#"{"budget":{"wishes":3}}"#).is_err());
        assert!(serde_json::from_str::<Bounds>(r#"{"more":1}"#).is_err());
    }
}
