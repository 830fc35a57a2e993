//! What is known when a call is decided, and what decided it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{ApprovalId, CallFacts, Code, Outside, PolicyId, Principal, SessionId, Timestamp};

/// A byte range of the inspected text, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// How bad it would be if the finding is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a note.
    Info,
    /// Suspicious in company.
    Low,
    /// Suspicious alone.
    Medium,
    /// Harmful if right.
    High,
    /// Harmful, and surely right.
    Critical,
}

impl Severity {
    /// 0 (info) to 4 (critical), the order policy compares by.
    #[must_use]
    pub const fn rank(self) -> i64 {
        match self {
            Self::Info => 0,
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
            Self::Critical => 4,
        }
    }
}

/// What an inspector saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A pinned definition changed.
    PinChanged,
    /// Something appeared in a server's listing after the first whole one.
    PinAdded,
    /// A tool was called that no listing ever showed.
    ToolUnlisted,
    /// Arguments do not fit the pinned input schema.
    SchemaMismatch,
    /// A result does not fit the pinned output schema.
    ResultMismatch,
    /// The request relies on a tool that the provider runs.
    HostedTool,
    /// The request relies on history that the provider keeps.
    ServerHistory,
    /// Text that instructs whoever reads it, where no instruction belongs.
    Injection,
    /// Text written so that people do not see it.
    HiddenText,
    /// A key, a token or a password.
    Secret,
    /// Personal data.
    PersonalData,
    /// An address that would carry data away.
    ExfiltrationAddress,
    /// A tool's description that instructs its reader.
    PoisonedDescription,
    /// A tool's name that looks like another's.
    LookAlikeName,
    /// A planted value surfaced.
    Canary,
    /// An address, a domain or content that a threat list names.
    KnownThreat,
    /// What a model was told stands word for word in its answer.
    PromptLeak,
    /// Code in an answer that is dangerous to run.
    DangerousCode,
    /// An answer does not fit the schema that the request gave for it.
    OutputMismatch,
    /// Something was too large to be looked at whole.
    Unseen,
    /// Values were replaced by tokens before it went on.
    Masked,
    /// A guard elsewhere flagged it.
    Flagged,
    /// A guard elsewhere was to be asked of it, and gave no answer in time.
    GuardUnanswered,
    /// What is written like a token of ours went on as it is: another session's, one that ended, nobody's, or to where none
    /// is restored.
    Unrestored,
}

impl FindingKind {
    /// The word in policy and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PinChanged => "pin_changed",
            Self::PinAdded => "pin_added",
            Self::ToolUnlisted => "tool_unlisted",
            Self::SchemaMismatch => "schema_mismatch",
            Self::ResultMismatch => "result_mismatch",
            Self::HostedTool => "hosted_tool",
            Self::ServerHistory => "server_history",
            Self::Injection => "injection",
            Self::HiddenText => "hidden_text",
            Self::Secret => "secret",
            Self::PersonalData => "personal_data",
            Self::ExfiltrationAddress => "exfiltration_address",
            Self::PoisonedDescription => "poisoned_description",
            Self::LookAlikeName => "look_alike_name",
            Self::Canary => "canary",
            Self::KnownThreat => "known_threat",
            Self::PromptLeak => "prompt_leak",
            Self::DangerousCode => "dangerous_code",
            Self::OutputMismatch => "output_mismatch",
            Self::Unseen => "unseen",
            Self::Masked => "masked",
            Self::Flagged => "flagged",
            Self::GuardUnanswered => "guard_unanswered",
            Self::Unrestored => "unrestored",
        }
    }
}

/// Evidence, never a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// More exactly: a secret's format, a kind of personal data, a disguise. A name of the detector's, never the value.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub what: Cow<'static, str>,
    /// How bad.
    pub severity: Severity,
    /// Confidence in thousandths, 0 to 1000.
    pub score: u16,
    /// Where in the inspected bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// JSON pointer (RFC 6901) into the call's body, where that is how the place is named. At most 256 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// MITRE ATLAS and OWASP ASI ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxonomy: Vec<String>,
}

/// Everything known of a call when it is decided. Equal evidence under an equal policy gives an equal ruling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// When it is decided.
    pub now: Timestamp,
    /// Who.
    pub principal: Principal,
    /// In which session.
    pub session: SessionId,
    /// The session's label epoch this evidence was read under; a tainting read raises it.
    pub epoch: u64,
    /// What.
    pub call: CallFacts,
    /// What inspectors saw.
    pub findings: Vec<Finding>,
    /// The call was forwarded, and this is about its answer: findings are of it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answering: bool,
    /// A human's yes to exactly this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<ApprovalId>,
}

/// Permit or forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEffect {
    /// It allows.
    Permit,
    /// It refuses.
    Forbid,
}

/// A policy that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatchedPolicy {
    /// Its id (`@id`, or the file and its position).
    pub id: PolicyId,
    /// What it says.
    pub effect: PolicyEffect,
    /// Its `@reason`: one sentence, written by the operator, safe to show.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A fact the deciding policies read, as it was when they read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// The Cedar path, such as `context.pin`.
    pub path: String,
    /// Its value, at most 256 bytes. Argument values are shown as digests, never as they are.
    pub value: String,
}

/// Why a ruling is what it is. Explanations render this value and never evaluate again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Because {
    /// The policies that decided, in order of id. Empty means nothing permitted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<MatchedPolicy>,
    /// Policies whose evaluation failed, with the failure. Any entry denies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<(PolicyId, String)>,
    /// The facts the deciding policies consulted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// What would have to be approved for this to be allowed; set on `ask`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_permit: Vec<MatchedPolicy>,
    /// An observing policy set let through what it would have denied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub would_deny: bool,
    /// No policy decided: a revocation or a budget stood in the way. The call's facts say which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barred: Option<Code>,
    /// No policy decided: the call is outside of what was handed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}
