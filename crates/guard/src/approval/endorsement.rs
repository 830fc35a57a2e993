//! A human's dated word that one value may stand in one argument of one tool.

use bartizan_types::{
    AgentId, ApprovalId, Digest, ServerName, SessionId, Timestamp, ToolName, UserId, flow::Role,
};
use serde::{Deserialize, Serialize};

use super::{Answerer, Asker};

/// Roles that an endorsement may be about. Content is not among them: what is said is looked at each time.
pub const ENDORSABLE: [Role; 5] = [
    Role::Target,
    Role::Selector,
    Role::Time,
    Role::Amount,
    Role::Unknown,
];

/// One endorsement. Revocable, dated, and never given by a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// Its id.
    pub id: ApprovalId,
    /// The question it was an answer to.
    pub question: ApprovalId,
    /// For this agent.
    pub agent: AgentId,
    /// Acting for this user.
    pub user: Option<UserId>,
    /// On this server.
    pub server: ServerName,
    /// In this tool.
    pub tool: ToolName,
    /// In this role.
    pub role: Role,
    /// In this argument, as [`place`] gives it.
    pub place: String,
    /// This value.
    pub value: Digest,
    /// In this session only, with this content only.
    pub task: Option<(SessionId, Digest)>,
    /// From then.
    pub since: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// Who gave it.
    pub by: Vec<Answerer>,
}

/// An argument that wants to be covered.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who calls.
    pub asker: &'a Asker,
    /// Which server.
    pub server: &'a ServerName,
    /// Which tool.
    pub tool: &'a ToolName,
    /// What the argument does.
    pub role: Role,
    /// Its dotted path.
    pub path: &'a str,
    /// Its value.
    pub value: Digest,
    /// What the call carries.
    pub content: Digest,
}

impl Endorsement {
    /// Whether it covers the claim at `now`.
    #[must_use]
    pub fn covers(&self, now: Timestamp, claim: &Claim<'_>) -> bool {
        now >= self.since
            && now < self.until
            && self.agent == claim.asker.agent
            && self.user == claim.asker.user
            && self.server == *claim.server
            && self.tool == *claim.tool
            && self.role == claim.role
            && self.value == claim.value
            && self.place == place(claim.path)
            && self
                .task
                .is_none_or(|(session, content)| session == claim.asker.session && content == claim.content)
    }
}

/// The argument that a path lies in: places in lists are not told apart, so that the second recipient of a list is
/// endorsed as the first would be.
#[must_use]
pub fn place(path: &str) -> String {
    let segment = |part: &str| {
        // Flow names places past the sixteenth `16+`.
        let digits = part.strip_suffix('+').unwrap_or(part);
        let index = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if index { "*".to_owned() } else { part.to_owned() }
    };
    path.split('.').map(segment).collect::<Vec<_>>().join(".")
}
