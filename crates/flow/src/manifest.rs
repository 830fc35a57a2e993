//! What is declared of one tool: its effect, its arguments' roles, its results' classes.
//!
//! A manifest is data: it comes from an operator's review (after [`infer`](crate::infer()) proposed it) and is bound by
//! the shell to the server's identity and the pinned schema hash. What it does not mention is treated as hostile: an
//! argument without a role is [`Role::Unknown`], a result leaf without a class is [`Class::FreeText`].

use bartizan_types::flow::{Effect, Role};
use serde::{Deserialize, Serialize};

/// Who stands behind a result leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The service itself: its ids, clocks, sizes, catalogue, the user's own account.
    Trusted,
    /// The organisation's or the user's own directory.
    Directory,
    /// One typed field that an outsider can set: a sender, a participant.
    Structured,
    /// As [`Structured`](Self::Structured): the address that a message came from, as the mail service authenticated it (RFC
    /// 7489). One-time codes of that message are its domain's. Said by an operator alone.
    Sender,
    /// Text that a member of the directory wrote, as the service authenticated her. It vouches for nothing, but for its
    /// links to be fetched where the human said to look there.
    Member,
    /// Anything an outsider can write.
    FreeText,
    /// As free text, and the session now holds a secret.
    Secret,
}

/// Where leaves are: dotted keys, `*` for one key or index, `**` for any number of them. The empty pattern is the root.
///
/// Split once, when it is read: every leaf of every result is held against every pattern of its tool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    /// `None`: it matches nothing.
    parts: Option<Box<[Part]>>,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    /// `**`.
    Any,
    /// A key as it stands.
    Key(Box<str>),
    /// `*` in front of the end of a key; alone, any key.
    Ends(Box<str>),
    /// `*` behind the start of one.
    Starts(Box<str>),
}

impl Part {
    fn of(text: &str) -> Self {
        if text == "**" {
            return Self::Any;
        }
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => Self::Ends(end.into()),
            (None, Some(start)) => Self::Starts(start.into()),
            (None, None) => Self::Key(text.into()),
        }
    }

    fn is(&self, key: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Key(own) => **own == *key,
            Self::Ends(end) => key.ends_with(&**end),
            Self::Starts(start) => key.starts_with(&**start),
        }
    }
}

impl From<String> for PathPattern {
    fn from(text: String) -> Self {
        let split = || -> Box<[Part]> {
            let parts = (!text.is_empty()).then(|| text.split('.').map(Part::of));
            parts.into_iter().flatten().collect()
        };
        // Each `**` may be tried at every key: bounded, so that matching takes bounded steps.
        let parts = (text.len() <= 256)
            .then(split)
            .filter(|parts| parts.iter().filter(|part| **part == Part::Any).count() <= 2);
        Self { text, parts }
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text
    }
}

impl PathPattern {
    /// From its text; 256 bytes and two `**` at most, a longer one matches nothing.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::from(text.to_owned())
    }
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// Does it name this path?
    #[must_use]
    pub fn matches(&self, path: &[&str]) -> bool {
        self.parts.as_deref().is_some_and(|parts| Self::fits(parts, path))
    }

    fn fits(mut parts: &[Part], mut path: &[&str]) -> bool {
        // Most patterns differ from most paths in the first key: only a `**` needs a call.
        loop {
            match (parts.split_first(), path.split_first()) {
                (None, None) => return true,
                (Some((Part::Any, rest)), None) => parts = rest,
                (Some((Part::Any, rest)), Some((_, tail))) => {
                    if Self::fits(rest, path) {
                        return true;
                    }
                    path = tail;
                }
                (Some((part, rest)), Some((key, tail))) if part.is(key) => (parts, path) = (rest, tail),
                _ => return false,
            }
        }
    }
}

/// What is declared of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it does.
    pub effect: Effect,
    /// Roles by argument path; the first that matches holds.
    #[serde(default)]
    pub arguments: Vec<(PathPattern, Role)>,
    /// Classes by result path; the first that matches holds.
    #[serde(default)]
    pub results: Vec<(PathPattern, Class)>,
    /// An operator has read and accepted it. Until then nothing here loosens: reads are egress, ids are third-party.
    #[serde(default)]
    pub reviewed: bool,
    /// What it returns anybody may see.
    #[serde(default)]
    pub public: bool,
    /// Its text results are JSON that the service itself writes: each is read leaf by leaf. Said by an operator alone.
    #[serde(default)]
    pub json_text: bool,
    /// It searches the open web: the links in its fields are what was found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub searches: bool,
    /// Domains whose message brings the one-time code that completes a call of this tool. Said by an operator alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes_from: Vec<Box<str>>,
    /// Arguments that take such a code. Said by an operator alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<PathPattern>,
}

impl Manifest {
    /// The manifest of a tool that has none, or whose definition drifted from its pin.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            effect: Effect::Unknown,
            arguments: Vec::new(),
            results: Vec::new(),
            reviewed: false,
            public: false,
            json_text: false,
            searches: false,
            codes_from: Vec::new(),
            codes: Vec::new(),
        }
    }
    /// Whether a text of it may be read as the JSON it is. Never of what anybody fetches: whoever wrote that page wrote
    /// its leaves' paths as well.
    #[must_use]
    pub const fn reads_json(&self) -> bool {
        self.json_text && self.reviewed && !matches!(self.effect, Effect::Fetch | Effect::Unknown)
    }

    /// The role of the argument at this path.
    #[must_use]
    pub fn role(&self, path: &[&str]) -> Role {
        self.arguments
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
            .map_or(Role::Unknown, |(_, role)| *role)
    }
    /// Does the argument at this path take a one-time code?
    #[must_use]
    pub fn takes_code(&self, path: &[&str]) -> bool {
        self.reviewed && self.codes.iter().any(|pattern| pattern.matches(path))
    }
    /// The class of the result leaf at this path. An unreviewed manifest vouches for nothing.
    #[must_use]
    pub fn class(&self, path: &[&str]) -> Class {
        let class = self
            .results
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
            .map_or(Class::FreeText, |(_, class)| *class);
        match class {
            Class::Trusted | Class::Directory | Class::Sender if !self.reviewed => Class::Structured,
            Class::Member if !self.reviewed => Class::FreeText,
            other => other,
        }
    }
}
