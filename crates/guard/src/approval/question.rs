//! What a human is shown before she answers, and how far an answer goes.

use std::fmt::Write as _;

use bartizan_types::{
    AgentId, ApprovalId, CallId, Digest, Flow, MatchedPolicy, Principal, ServerName, SessionId, Timestamp,
    ToolName, UserId,
    flow::{Called, Effect, Like, Role, Source},
};
use serde::{Deserialize, Serialize};

use super::Binding;

/// Who asks: one identity in one session. An answer is good for no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asker {
    /// The agent.
    pub agent: AgentId,
    /// The user it acts for.
    pub user: Option<UserId>,
    /// Its session.
    pub session: SessionId,
}

impl Asker {
    /// The asker of a call.
    #[must_use]
    pub fn new(principal: &Principal, session: SessionId) -> Self {
        Self {
            agent: principal.agent.clone(),
            user: principal.user.clone(),
            session,
        }
    }
}

/// One argument as a human sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its dotted path, at most 128 bytes, escaped.
    pub path: String,
    /// What it does.
    pub role: Role,
    /// Where its value came from.
    pub source: Source,
    /// The value, escaped and cut at [`Shown::VALUE_BYTES`].
    pub value: String,
    /// Bytes of the whole value.
    pub bytes: u64,
    /// What stands for the whole value in endorsements and records.
    pub digest: Digest,
    /// The spelling that goes out in its place, if it is another; escaped and cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_out: Option<String>,
    /// The trusted value that it is like, and is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Resembles>,
}

/// A trusted value that one which nobody vouches for is like. It is told and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resembles {
    /// In what, and who vouches for it.
    pub like: Like,
    /// It, escaped and cut at [`Shown::VALUE_BYTES`].
    pub value: String,
}

impl Shown {
    /// Most bytes of a value that are shown.
    pub const VALUE_BYTES: usize = 512;
}

/// A call that a ruling asks about. Bounded by whoever makes it: see [`Draft::ARGUMENTS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Who.
    pub asker: Asker,
    /// On which server.
    pub server: ServerName,
    /// Which tool.
    pub tool: ToolName,
    /// What an answer is bound to.
    pub binding: Binding,
    /// The call that was refused with the question.
    pub call: CallId,
    /// Its arguments as they go out, as canonical JSON: escaped and cut at [`Draft::WIRE_BYTES`].
    pub wire: String,
    /// Bytes of them in all.
    pub bytes: u64,
    /// What goes out beside them and belongs to the call, as JSON: escaped and cut likewise. Empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub beside: String,
    /// Its arguments, worst source first.
    pub arguments: Vec<Shown>,
    /// Arguments that are not shown.
    pub more: u32,
    /// What the call carries, as endorsements for one task are bound to it.
    pub content: Digest,
    /// What information flow knows of it.
    pub flow: Flow,
    /// The policies that asked, and those that a yes would make permit.
    pub because: Vec<MatchedPolicy>,
    /// How many different people must say yes: 1 or 2.
    pub needs: u8,
}

impl Draft {
    /// Most arguments shown.
    pub const ARGUMENTS: usize = 32;
    /// Most bytes of the whole call that are shown.
    pub const WIRE_BYTES: usize = 4096;
    /// Most policies named.
    pub const POLICIES: usize = 16;
}

/// Through what an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The admin channel, which no agent's credential opens.
    Admin,
    /// The agent's own client, which may have answered by itself: weak.
    Elicitation,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Answerer {
    /// A name that the channel vouches for, at most 128 bytes.
    pub name: String,
    /// The channel.
    pub channel: Channel,
}

/// How far a yes goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This one call.
    Once,
    /// This call, and these roles' values in this session for as long as the content stays what it is.
    Task {
        /// Which roles; none: every gated one that nobody vouches for.
        roles: Vec<Role>,
    },
    /// This call, and these roles' values in this tool for this agent until then.
    Until {
        /// Which roles; none: every gated one that nobody vouches for.
        roles: Vec<Role>,
        /// The end.
        until: Timestamp,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes, so far.
    Allow(Scope),
    /// No.
    Deny,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody answered, or not yet enough people.
    Waiting,
    /// Yes: the call may be made once, until the question expires.
    Allowed,
    /// No: the same call is refused without a new question, until the question expires.
    Denied,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its id.
    pub id: ApprovalId,
    /// When it was first asked.
    pub asked: Timestamp,
    /// When it was asked last.
    pub last: Timestamp,
    /// When it, or the answer to it, is over.
    pub expires: Timestamp,
    /// How often the same call was asked about.
    pub count: u32,
    /// The call.
    pub draft: Draft,
    /// Who said yes so far, or who said no.
    pub by: Vec<Answerer>,
    /// How far the first yes went.
    pub scope: Option<Scope>,
    /// Where it stands.
    pub standing: Standing,
}

/// What sets a call apart from what the human can be expected to have meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unusual {
    /// No words of the human ask for it.
    NotCalledFor,
    /// The human said that what to do stands elsewhere.
    CalledForElsewhere,
    /// Nobody knows what the human asked for.
    PromptUnknown,
    /// A value is like a trusted one and is not it: a slip, or made to be overlooked.
    LooksTrusted,
    /// Where it goes was chosen by text that outsiders can write.
    TargetUnvouched,
    /// What it acts on was chosen so.
    SelectorUnvouched,
    /// When it happens was chosen so.
    TimeUnvouched,
    /// How much was chosen so, and is far from anything trusted.
    AmountUnbounded,
    /// Some argument's part is not known, and its value was chosen so.
    UnknownUnvouched,
    /// The content holds links, addresses or accounts that nobody trusted wrote.
    ForeignTokens,
    /// A secret was read, and this hands something to somebody.
    SecretLeaves,
    /// The recipient may not see all that was read.
    ReadersDiffer,
    /// Outsiders' text was read before.
    Tainted,
    /// Nobody reviewed what the tool does.
    Unreviewed,
    /// It has more arguments than were looked at.
    NotWhole,
}

impl Unusual {
    /// In one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotCalledFor => "no words of the user ask for this call, or not to where it goes",
            Self::CalledForElsewhere => "the user said that what to do stands in something the agent read",
            Self::PromptUnknown => "what the user asked for is not known",
            Self::LooksTrusted => "a value is almost one that is trusted, and is not it",
            Self::TargetUnvouched => "where it goes comes from text that outsiders can write",
            Self::SelectorUnvouched => "what it acts on comes from text that outsiders can write",
            Self::TimeUnvouched => "when it happens comes from text that outsiders can write",
            Self::AmountUnbounded => "the amount is far from any that somebody trusted gave",
            Self::UnknownUnvouched => {
                "an argument of unknown purpose comes from text that outsiders can write"
            }
            Self::ForeignTokens => "the content has links, addresses or accounts that nobody trusted wrote",
            Self::SecretLeaves => "a secret was read in this session, and this hands something out",
            Self::ReadersDiffer => "the recipient may not be allowed to see all that was read",
            Self::Tainted => "text that outsiders can write was read in this session",
            Self::Unreviewed => "nobody has reviewed what this tool does",
            Self::NotWhole => "the call has more arguments than were looked at",
        }
    }

    /// All that is unusual about a call, worst first.
    #[must_use]
    pub fn of(flow: &Flow) -> Vec<Self> {
        let unvouched = |role| !flow.worst(role).vouched();
        let checks = [
            (Self::NotCalledFor, flow.called == Called::No),
            (Self::SecretLeaves, flow.secret && flow.external),
            (
                Self::LooksTrusted,
                flow.arguments.iter().any(|one| one.like.is_some()),
            ),
            (Self::TargetUnvouched, unvouched(Role::Target)),
            (Self::SelectorUnvouched, unvouched(Role::Selector)),
            (Self::AmountUnbounded, !flow.bounded),
            (Self::ForeignTokens, flow.foreign_tokens > 0),
            (Self::TimeUnvouched, unvouched(Role::Time)),
            (Self::UnknownUnvouched, unvouched(Role::Unknown)),
            (Self::ReadersDiffer, flow.external && !flow.readable),
            (Self::CalledForElsewhere, flow.called == Called::Elsewhere),
            (Self::PromptUnknown, flow.called == Called::Unknown),
            (Self::NotWhole, !flow.whole),
            (Self::Unreviewed, !flow.reviewed),
            (Self::Tainted, flow.tainted),
        ];
        checks
            .into_iter()
            .filter(|(_, holds)| *holds)
            .map(|(what, _)| what)
            .collect()
    }
}

impl Question {
    /// What is unusual about the call.
    #[must_use]
    pub fn unusual(&self) -> Vec<Unusual> {
        Unusual::of(&self.draft.flow)
    }

    /// The effect of the tool.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.draft.flow.effect
    }

    /// A question like another one: the same tool, asked for by the same identity in the same session.
    #[must_use]
    pub fn like(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.draft, &other.draft);
        mine.asker == theirs.asker && mine.server == theirs.server && mine.tool == theirs.tool
    }
}

/// Text as a terminal or a web page may safely show it: control, invisible and direction-changing characters are
/// written as escapes, and what is longer than `bytes` is cut with a mark.
#[must_use]
pub fn escaped(text: &str, bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(bytes).saturating_add(8));
    for char in text.chars() {
        let before = out.len();
        match char {
            // These need no escape to be safe, and are easier to read without.
            '"' | '\'' => out.push(char),
            // Looks like an ordinary space, and is none; fillers look like nothing.
            '\u{a0}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => {
                // Writing to a `String` does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
            }
            _ => out.extend(char.escape_debug()),
        }
        if out.len() > bytes {
            out.truncate(before);
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_drives_no_terminal_and_hides_nothing() {
        let hostile = "a\u{1b}[2Jb\u{202e}c\u{200b}d\r\ne\u{a0}f\u{feff}g\u{3164}";
        let shown = escaped(hostile, 512);
        assert!(shown.chars().all(|char| char.is_ascii_graphic()), "{shown}");
        for mark in ["1b", "202e", "200b", "\\r", "\\n", "a0", "feff", "3164"] {
            assert!(shown.contains(mark), "{mark} in {shown}");
        }
        assert_eq!(escaped("it's \"fine\" for Zoë", 512), "it's \"fine\" for Zoë");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        let shown = escaped(&"é".repeat(1000), 33);
        assert!(
            shown.len() <= 33 + '…'.len_utf8() && shown.ends_with('…'),
            "{shown}"
        );
        assert_eq!(escaped("abc", 3), "abc");
        // An escape is kept whole or left out.
        assert_eq!(escaped("ab\u{202e}", 5), "ab…");
    }

    #[test]
    fn what_is_not_known_is_unusual() {
        let all = Unusual::of(&Flow::UNKNOWN);
        for one in [
            Unusual::PromptUnknown,
            Unusual::TargetUnvouched,
            Unusual::SecretLeaves,
            Unusual::NotWhole,
        ] {
            assert!(all.contains(&one), "{one:?}");
        }
    }
}
