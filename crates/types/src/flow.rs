//! What information flow knows of a call: its effect, whether the human asked for it, where its arguments came from.
//!
//! Words and numbers only, never a value. `bartizan-flow` computes them; policy reads them; records keep them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing; it reads within a closed world.
    Read,
    /// It reads from an address that the caller picks, so its arguments leave.
    Fetch,
    /// It creates or changes something of the user's own.
    Write,
    /// It hands something to somebody.
    Send,
    /// It moves money or books at a price.
    Pay,
    /// It runs code or commands.
    Execute,
    /// It destroys.
    Delete,
    /// Nobody said.
    Unknown,
}

impl Effect {
    /// The word in policy, records and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Fetch => "fetch",
            Self::Write => "write",
            Self::Send => "send",
            Self::Pay => "pay",
            Self::Execute => "execute",
            Self::Delete => "delete",
            Self::Unknown => "unknown",
        }
    }
    /// Whether a call of it changes or reveals something.
    #[must_use]
    pub const fn consequential(self) -> bool {
        !matches!(self, Self::Read | Self::Fetch)
    }
}

/// What an argument does in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Where the effect goes: recipient, payee, URL, credential, command.
    Target,
    /// Which existing thing is meant.
    Selector,
    /// A setting or property.
    Value,
    /// What is said or stored.
    Content,
    /// When.
    Time,
    /// How much.
    Amount,
    /// Nobody said.
    Unknown,
}

impl Role {
    /// The word in policy, records and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Selector => "selector",
            Self::Value => "value",
            Self::Content => "content",
            Self::Time => "time",
            Self::Amount => "amount",
            Self::Unknown => "unknown",
        }
    }
}

/// Where an argument's value came from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// There is no value to vouch for: null, or empty.
    Empty,
    /// The human typed it.
    Prompt,
    /// A trusted id, and the very record that the human's words pick (`the largest`).
    Picked,
    /// A trusted result leaf is equal to it.
    Trusted,
    /// The directory holds it, or it is an address of the organisation itself.
    Directory,
    /// Computed from trusted values within bounds.
    Derived,
    /// Not in the human's words, but what they name: a whole field of the one record she names, or a link that a member
    /// of the directory wrote where she said to look.
    Named,
    /// A human endorsed this value in this role.
    Endorsed,
    /// A field that outsiders can set is equal to it.
    Structured,
    /// Made up from text that was read, as far as anybody knows.
    FreeText,
    /// It came from nowhere: nothing was read.
    Nowhere,
}

impl Source {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Prompt => "prompt",
            Self::Picked => "picked",
            Self::Trusted => "trusted",
            Self::Directory => "directory",
            Self::Derived => "derived",
            Self::Named => "named",
            Self::Endorsed => "endorsed",
            Self::Structured => "structured",
            Self::FreeText => "free_text",
            Self::Nowhere => "nowhere",
        }
    }
    /// Nobody outside had a hand in it, or a human took it on herself.
    #[must_use]
    pub const fn vouched(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::Prompt
                | Self::Picked
                | Self::Trusted
                | Self::Directory
                | Self::Derived
                | Self::Named
                | Self::Endorsed
        )
    }
}

/// Whether a tool is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Called {
    /// The human's words ask for it.
    Yes,
    /// The human says that what to do stands elsewhere: asking her is all that is left.
    Elsewhere,
    /// No prompt is known: MCP traffic alone.
    Unknown,
    /// No words ask for it.
    No,
}

impl Called {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
            Self::No => "no",
        }
    }
}

/// How a call was joined to what was read before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joined {
    /// It spends the one pending tool call of one conversation with a model.
    Pending,
    /// The identity has one live session.
    Only,
    /// It fits none or several of the identity's live sessions, and takes the worst of them all.
    All,
    /// No conversation with a model is known: what the human asked for is not known either.
    Alone,
}

impl Joined {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Only => "only",
            Self::All => "all",
            Self::Alone => "alone",
        }
    }
}

/// In what a value that nobody vouches for is like one that somebody does, most alike first. It explains, and no rule
/// reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same to the eye: letters of another script, or characters that do not show.
    LooksTheSame,
    /// One or two characters are others, too many, missing or swapped.
    Letters,
    /// The trusted host stands in a longer one.
    Around,
    /// The same mailbox at another host.
    OtherHost,
}

impl Likeness {
    /// In words, before the value it is like.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::LooksTheSame => "looks the same as",
            Self::Letters => "is a character or two away from",
            Self::Around => "has a longer host than",
            Self::OtherHost => "has another host than",
        }
    }
}

/// What a value that nobody vouches for is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Like {
    /// In what.
    pub how: Likeness,
    /// Who vouches for the other value.
    pub source: Source,
}

/// Where one argument came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Traced {
    /// Its dotted path, at most 128 bytes.
    pub path: String,
    /// What it does.
    pub role: Role,
    /// Where its value came from.
    pub source: Source,
    /// The trusted source spells it otherwise, and that spelling goes out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rewritten: bool,
    /// The trusted value that it is like and is not: told of calls that were not let through. Which value that is stands
    /// in no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Like>,
}

/// What information flow knows of one call. The default is what is known where nothing is: the strictest. A field that
/// a record lacks reads as the default's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flow {
    /// What the tool does.
    pub effect: Effect,
    /// Whether the human's words ask for it.
    pub called: Called,
    /// How the call was joined to a session.
    pub joined: Joined,
    /// Of a proposal: the call it leads to crosses the gateway again and is ruled on then.
    pub crosses: bool,
    /// An operator accepted the tool's manifest.
    pub reviewed: bool,
    /// Every argument was looked at.
    pub whole: bool,
    /// Something that an outsider could have written was read before.
    pub tainted: bool,
    /// A secret was read before.
    pub secret: bool,
    /// It hands something to somebody.
    pub external: bool,
    /// Every target may see all that was read.
    pub readable: bool,
    /// Every amount is vouched for, or what is there already is set to one that the human leaves to a place she names.
    pub bounded: bool,
    /// Links, addresses and accounts in its content that nobody trusted wrote.
    pub foreign_tokens: u32,
    /// The worst source by role; a role that no argument has is absent.
    pub worst: BTreeMap<Role, Source>,
    /// The arguments, worst source first, at most [`Flow::TRACED`].
    pub arguments: Vec<Traced>,
}

impl Flow {
    /// Most arguments that a record names.
    pub const TRACED: usize = 32;

    /// What stands where nothing is known of a call.
    pub const UNKNOWN: Self = Self {
        effect: Effect::Unknown,
        called: Called::Unknown,
        joined: Joined::Alone,
        crosses: false,
        reviewed: false,
        whole: false,
        tainted: true,
        secret: true,
        external: true,
        readable: false,
        bounded: false,
        foreign_tokens: u32::MAX,
        worst: BTreeMap::new(),
        arguments: Vec::new(),
    };

    /// The worst source among arguments of this role; `Empty` if there are none. Of a call that is not whole nothing
    /// is vouched for.
    #[must_use]
    pub fn worst(&self, role: Role) -> Source {
        match self.worst.get(&role) {
            Some(source) => *source,
            None if self.whole => Source::Empty,
            None => Source::Nowhere,
        }
    }

    /// What it is aimed at, or which thing is meant, is the human's own word, or what she endorsed.
    #[must_use]
    pub fn hers(&self) -> bool {
        [Role::Target, Role::Selector].into_iter().any(|role| {
            matches!(
                self.worst(role),
                Source::Prompt | Source::Picked | Source::Named | Source::Endorsed
            )
        })
    }
}

impl Default for Flow {
    fn default() -> Self {
        Self::UNKNOWN
    }
}
