//! What the ledger remembers of a call.

use serde::{Deserialize, Serialize};

use crate::{
    Amounts, ApprovalId, Because, CallFacts, CallId, Code, Digest, Finding, Principal, Scan, SessionId,
    Timestamp,
};

/// What sort of entry this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A ruling, written before anything is forwarded.
    Ruling,
    /// The end of an allowed call.
    Closing,
    /// A bearer or message was refused before it was a call: bad credential, bad bytes.
    Rejection,
    /// Many rejections in one entry, so that a flood cannot fill the log.
    RejectionSummary,
    /// A change made by an operator: an agent added, a policy loaded, a tool approved, a secret set.
    Operation,
    /// A payload was erased on purpose.
    Tombstone,
    /// The gateway started, stopped, or recovered.
    Lifecycle,
    /// Model files or data sets were scanned.
    Scan,
    /// The key that signs the log's heads changed. Its payload is public and can't be erased.
    LogKey,
}

impl RecordKind {
    /// One byte, for the public part of a ledger entry. Never renumbered.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::Ruling => 1,
            Self::Closing => 2,
            Self::Rejection => 3,
            Self::RejectionSummary => 4,
            Self::Operation => 5,
            Self::Tombstone => 6,
            Self::Lifecycle => 7,
            Self::Scan => 8,
            Self::LogKey => 9,
        }
    }

    /// The kind of a tag.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            1 => Self::Ruling,
            2 => Self::Closing,
            3 => Self::Rejection,
            4 => Self::RejectionSummary,
            5 => Self::Operation,
            6 => Self::Tombstone,
            7 => Self::Lifecycle,
            8 => Self::Scan,
            9 => Self::LogKey,
            _ => return None,
        })
    }
}

/// The ruling in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulingWord {
    /// Forward it.
    Allow,
    /// A human must say yes.
    Ask,
    /// Refuse it.
    Deny,
}

/// How an allowed call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The whole answer was released.
    Complete,
    /// The upstream failed.
    UpstreamFailed,
    /// The answer was withheld, or cut where a tool call in it was refused.
    Withheld,
    /// The agent went away.
    Abandoned,
    /// The gateway stopped in between; written by recovery.
    Interrupted,
}

/// The answer, as far as it is remembered: sizes, digests and usage, never content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Upstream's HTTP status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes released to the agent.
    pub bytes: u64,
    /// SHA-256 of the bytes released to the agent, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Digest>,
    /// Tokens in, as the provider counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens out, as the provider counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// What budgets were settled at, where one counts the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Amounts>,
}

/// One ledger entry's payload. Serialized as JSON; sealed at rest; erasable without breaking a proof.
///
/// Fields that do not apply are absent. `version` rises with any change of meaning; readers accept older ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Format version, 1 today.
    pub version: u8,
    /// What sort of entry.
    pub kind: RecordKind,
    /// When.
    pub time: Timestamp,
    /// The call it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The session's label epoch the ruling was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The call's facts. Of its arguments, the leaves that policies in scope may read, so that the ruling can be
    /// recomputed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<CallFacts>,
    /// Arguments that no policy in scope could read were left out of `facts`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pruned: bool,
    /// A ruling on the answer to a call that was allowed and forwarded before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answering: bool,
    /// The approval that the ruling rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<ApprovalId>,
    /// The ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<RulingWord>,
    /// Digest of the policy set that ruled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// What inspectors saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The code the caller was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What was scanned, and what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Box<Scan>>,
    /// Of a change of the log's key: the statement that both keys signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// For operations, lifecycle and summaries: what happened, in words and numbers of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Record {
    /// An entry of this kind with nothing else said.
    #[must_use]
    pub fn new(kind: RecordKind, time: Timestamp) -> Self {
        Self {
            version: 1,
            kind,
            time,
            call: None,
            session: None,
            epoch: None,
            principal: None,
            facts: None,
            pruned: false,
            answering: false,
            approved: None,
            ruling: None,
            policy: None,
            because: None,
            findings: Vec::new(),
            code: None,
            ending: None,
            answer: None,
            scan: None,
            statement: None,
            note: None,
        }
    }
}
