//! The words every ring shares: ids, principals, calls, findings, evidence, rulings' reasons, refusals, records.
//!
//! Plain data only. Nothing here decides, reads a clock, or touches the outside. Every id is a newtype, parsed
//! once at the edge; a value of one of these types is already within its bounds.

mod bounds;
mod budget;
mod call;
mod code;
mod decimal;
mod evidence;
pub mod flow;
mod id;
mod principal;
mod record;
mod refusal;
mod scan;
mod secret;
mod time;

pub use bounds::{BOUND_BYTES_MAX, BOUND_ENTRIES_MAX, Bound, Bounds, Outside, is_on};
pub use budget::{Amounts, Meter, Over, Share, Spending};
pub use call::{Action, Arguments, Bar, CallFacts, Effects, PinState, Resource, Surface};
pub use code::{Code, Fault};
pub use decimal::Decimal;
pub use evidence::{
    Because, Evidence, Fact, Finding, FindingKind, MatchedPolicy, PolicyEffect, Severity, Span,
};
pub use flow::Flow;
pub use id::kind;
pub use id::{
    AgentId, ApprovalId, BudgetName, CallId, Digest, IdFault, Issuer, KeyId, ModelName, Name, PeerName,
    PolicyId, RevocationId, ScanId, SecretName, ServerName, SessionId, SiteName, ToolName, Ulid,
    UpstreamName, UserId,
};
pub use principal::{Actor, AuthMethod, Principal};
pub use record::{Answer, Ending, Record, RecordKind, RulingWord};
pub use refusal::Refusal;
pub use scan::{Place, Scan, ScanFinding, Scanned, Scanner, Verdict};
pub use secret::Secret;
pub use time::Timestamp;
