//! The registry of codes: every refusal and error a caller can meet, with its fault, status, sentence and hint.
//!
//! The text of a code is stable for ever; `docs/reference/codes.md` is generated from this table.

use std::{fmt, str::FromStr};

mod a2a;
mod connect;
mod crossing;
mod digits;
mod egress;
mod inspect;
mod loops;
mod oauth;
mod privacy;
mod spending;
mod state;
mod workload;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The caller sent something wrong.
    Caller,
    /// The other side of an upstream connection sent something wrong.
    Peer,
    /// An upstream is not there, or not well.
    Upstream,
    /// Policy says no.
    Policy,
    /// A stated bound was reached.
    Limit,
    /// Ours.
    Bug,
}

impl Fault {
    /// The word in the generated reference.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Peer => "peer",
            Self::Upstream => "upstream",
            Self::Policy => "policy",
            Self::Limit => "limit",
            Self::Bug => "bug",
        }
    }
}

/// A stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// `identity.credential_missing`: no credential was sent.
    CredentialMissing,
    /// `identity.credential_malformed`: the credential is neither one of our keys nor a JWT.
    CredentialMalformed,
    /// `identity.credential_ambiguous`: more than one credential was sent.
    CredentialAmbiguous,
    /// `identity.key_unknown`: the API key is not known.
    KeyUnknown,
    /// `identity.key_revoked`: the API key was revoked.
    KeyRevoked,
    /// `identity.key_expired`: the API key has expired.
    KeyExpired,
    /// `identity.token_issuer`: the token's issuer is not trusted here.
    TokenIssuer,
    /// `identity.token_audience`: the token is for another audience.
    TokenAudience,
    /// `identity.token_algorithm`: the token's algorithm is not allowed.
    TokenAlgorithm,
    /// `identity.token_key`: the token's key is not in the issuer's key set.
    TokenKey,
    /// `identity.token_signature`: the token's signature is wrong.
    TokenSignature,
    /// `identity.token_expired`: the token has expired.
    TokenExpired,
    /// `identity.token_early`: the token is not valid yet.
    TokenEarly,
    /// `identity.token_header`: the token's header asks for something that is not supported here.
    TokenHeader,
    /// `identity.token_claims`: the token lacks a claim, or a claim has the wrong type.
    TokenClaims,
    /// `identity.key_set_unavailable`: the issuer's key set can't be read now.
    KeySetUnavailable,
    /// `wire.host`: the Host header names another host.
    HostMismatch,
    /// `wire.origin`: requests from web pages of other origins are refused.
    OriginForeign,
    /// `wire.content_type`: the content type is not accepted here.
    ContentType,
    /// `wire.content_encoding`: the content encoding is not accepted.
    ContentEncoding,
    /// `wire.not_found`: there is nothing at this path.
    NotFound,
    /// `wire.method`: this method is not allowed here.
    Method,
    /// `wire.body_cut`: the body broke off, or its framing is malformed.
    BodyCut,
    /// `wire.http`: the request is not well-formed HTTP, or servers may read it in two ways.
    HttpMalformed,
    /// `wire.json_syntax`: the body is not valid JSON.
    JsonSyntax,
    /// `wire.json_utf8`: the body is not valid UTF-8.
    JsonUtf8,
    /// `wire.json_duplicate_key`: an object in the body has the same key twice.
    JsonDuplicateKey,
    /// `wire.json_surrogate`: a string in the body has a lone surrogate.
    JsonSurrogate,
    /// `limit.json_depth`: the body is nested too deep.
    JsonDepth,
    /// `wire.json_number`: a number in the body is out of range.
    JsonNumber,
    /// `wire.request_shape`: the body is not a request of this API.
    RequestShape,
    /// `wire.header_mismatch`: a header and the body disagree.
    HeaderMismatch,
    /// `wire.sse_malformed`: the upstream's event stream is malformed.
    SseMalformed,
    /// `limit.body`: the body is larger than the limit.
    BodyTooLarge,
    /// `limit.body_expansion`: the body unpacks to more than the limit.
    BodyExpansion,
    /// `limit.headers`: the headers are larger than the limit.
    HeadersTooLarge,
    /// `limit.event`: an event of the stream is larger than the limit.
    EventTooLarge,
    /// `limit.slow_caller`: the request took too long to arrive.
    SlowCaller,
    /// `limit.saturated`: the gateway is at its limit of concurrent calls.
    Saturated,
    /// `limit.queue`: a queue inside the gateway is full.
    QueueFull,
    /// `limit.draining`: the gateway is shutting down.
    Draining,
    /// `policy.denied`: policy does not allow this call.
    PolicyDenied,
    /// `policy.error`: a policy could not be evaluated, so the call is refused.
    PolicyError,
    /// `policy.ask`: this call needs a human's approval.
    PolicyAsk,
    /// `policy.hosted_tool`: tools that the model's provider runs are not allowed here.
    HostedToolRefused,
    /// `policy.server_history`: history kept by the model's provider is not allowed here.
    ServerHistoryRefused,
    /// `policy.proposal`: the model asked for a tool that policy does not allow.
    ProposalRefused,
    /// `mcp.tool_withheld`: the tool's definition changed and was not approved.
    ToolWithheld,
    /// `mcp.tool_unusable`: the server lists no definition of this that can be used.
    ToolUnusable,
    /// `mcp.server_changed`: what the server says of itself changed and was not approved.
    ServerChanged,
    /// `mcp.tool_unknown`: there is no such tool here.
    ToolUnknown,
    /// `mcp.server_unknown`: there is no such MCP server here.
    ServerUnknown,
    /// `mcp.method`: this revision of MCP has no such method.
    MethodUnknown,
    /// `mcp.arguments`: the arguments do not fit the tool's input schema.
    ArgumentsInvalid,
    /// `mcp.revision`: this revision of the protocol is not supported.
    RevisionUnsupported,
    /// `mcp.session`: the MCP session is not known.
    SessionUnknown,
    /// `mcp.message`: the message is not valid JSON-RPC of MCP or A2A.
    MessageInvalid,
    /// `mcp.server_failed`: the MCP server failed.
    ServerFailed,
    /// `upstream.model_unknown`: no upstream serves this model.
    ModelUnknown,
    /// `upstream.unreachable`: the upstream can't be reached.
    UpstreamUnreachable,
    /// `upstream.timeout`: the upstream took too long.
    UpstreamTimeout,
    /// `upstream.malformed`: the upstream's answer can't be read, so it is withheld.
    UpstreamMalformed,
    /// `upstream.too_large`: the upstream's answer is larger than the limit.
    UpstreamTooLarge,
    /// `upstream.secret_missing`: the upstream's credential is not in the secret store.
    SecretMissing,
    /// `ledger.poisoned`: the ledger can't be written, so nothing may pass.
    LedgerPoisoned,
    /// `ledger.full`: there is no room left for records, so nothing may pass.
    LedgerFull,
    /// `ledger.corrupt`: the ledger's files do not agree with its signed heads.
    LedgerCorrupt,
    /// `bug`: the gateway made a mistake, so the call is refused.
    Bug,
    /// `a2a.peer_unknown`: no peer of that name is configured.
    PeerUnknown,
    /// `a2a.card`: the peer's card can't be read, or is not signed as it must be.
    PeerCard,
    /// `a2a.push_host`: the peer may not call that address.
    PushHost,
    /// `identity.certificate`: the client certificate is no X.509-SVID.
    CertificateInvalid,
    /// `identity.certificate_untrusted`: no trust bundle here leads to the client certificate.
    CertificateUntrusted,
    /// `identity.certificate_expired`: the client certificate has expired.
    CertificateExpired,
    /// `identity.certificate_early`: the client certificate is not valid yet.
    CertificateEarly,
    /// `identity.token_binding`: the token is bound to another key or certificate, or to one that was not shown.
    TokenBinding,
    /// `identity.proof`: the proof of possession is wrong or missing.
    ProofInvalid,
    /// `identity.proof_replayed`: the proof of possession was used before.
    ProofReplayed,
    /// `identity.delegation`: the delegation is malformed, or a link of it is not signed by the link before.
    DelegationInvalid,
    /// `identity.delegation_expired`: the delegation has expired, or the credential it rests on has ended.
    DelegationExpired,
    /// `identity.delegation_depth`: the delegation has more links than are allowed.
    DelegationDepth,
    /// `policy.delegation`: the call is outside of what was delegated.
    DelegationExceeded,
    /// `privacy.unseen`: what has to be masked is larger than what is looked at.
    PrivacyUnseen,
    /// `privacy.document`: a document can't be masked.
    PrivacyDocument,
    /// `budget.exceeded`: this call would cross a budget.
    BudgetExceeded,
    /// `budget.unbounded`: nobody can say what this call may come to, and a budget counts it.
    BudgetUnbounded,
    /// `revoked`: an operator revoked this.
    Revoked,
    /// `upstream.circuit_open`: the upstream failed several times, so it is left alone for a while.
    CircuitOpen,
    /// `limit.share`: this identity has as many calls in progress and waiting as it may.
    ShareFull,
    /// `upstream.connect`: the MCP server wants its user to sign in first.
    ConnectFirst,
    /// `upstream.scope`: the MCP server wants more rights than its user granted.
    ScopeMissing,
    /// `policy.answer`: something was seen in the answer that policy withholds.
    AnswerWithheld,
    /// `limit.same_call`: the same call was made too many times in a row.
    SameCall,
    /// `limit.fan_out`: this session makes more calls in a minute than it may.
    FanOut,
    /// `limit.recursion`: an agent acts for itself, through others, too many times.
    Recursion,
    /// `egress.target`: the request names no site that the proxy can reach.
    EgressTarget,
    /// `egress.inside`: the site leads to an address where agents may not go.
    EgressInside,
    /// `egress.hello`: what came through the tunnel first is no TLS that says where it goes.
    EgressHello,
    /// `egress.name`: the TLS in the tunnel asks for another host than the tunnel was opened to.
    EgressName,
    /// `egress.upgrade`: the connection would become something that the proxy can't look into.
    EgressUpgrade,
    /// `egress.override`: a header would make the request another than the one that is ruled on.
    EgressOverride,
    /// `limit.tunnel`: the tunnel carried as much, or stood still as long, as one may.
    TunnelBound,
    /// `identity.scope`: the token lacks a scope that this call needs.
    ScopeInsufficient,
    /// `identity.proof_nonce`: the proof of possession lacks the nonce that this gateway gave.
    ProofNonce,
    /// `upstream.token`: no token could be got for the upstream.
    TokenUnavailable,
    /// `state.incomplete`: a file of the state is missing, and the rest of the state belongs to it.
    StateIncomplete,
    /// `state.damaged`: a file of the state is damaged.
    StateDamaged,
    /// `state.unwritable`: the state can't be written.
    StateUnwritable,
    /// `wire.json_digits`: a number in the call has more digits than can be held.
    JsonDigits,
}

struct Row {
    code: Code,
    text: &'static str,
    fault: Fault,
    status: u16,
    sentence: &'static str,
    hint: &'static str,
}

// INVARIANT: one after the other, the groups are in the order of declaration, so that a code is its own place;
// `rows_stand_in_order` holds it.
const GROUPS: &[&[Row]] = &[
    crossing::ROWS,
    a2a::ROWS,
    workload::ROWS,
    privacy::ROWS,
    spending::ROWS,
    connect::ROWS,
    inspect::ROWS,
    loops::ROWS,
    egress::ROWS,
    oauth::ROWS,
    state::ROWS,
    digits::ROWS,
];

fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().flat_map(|group| group.iter())
}

impl Code {
    /// Every code, in the order of the registry.
    pub fn all() -> impl Iterator<Item = Self> {
        rows().map(|row| row.code)
    }

    fn row(self) -> &'static Row {
        rows().nth(self as usize).unwrap_or(&crossing::BUG)
    }

    /// The stable text, such as `policy.denied`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().text
    }

    /// Whose fault.
    #[must_use]
    pub fn fault(self) -> Fault {
        self.row().fault
    }

    /// The HTTP status it travels with.
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// One safe sentence for the caller, without a full stop.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// What to do next, or empty.
    #[must_use]
    pub fn hint(self) -> &'static str {
        self.row().hint
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No code has this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        rows()
            .find(|row| row.text == text)
            .map(|row| row.code)
            .ok_or(UnknownCode)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_order() {
        for (at, row) in rows().enumerate() {
            assert_eq!(row.code as usize, at, "{}", row.text);
        }
    }

    #[test]
    fn texts_are_unique_and_sentences_are_fragments() {
        let mut texts: Vec<_> = rows().map(|row| row.text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), rows().count());
        for row in rows() {
            assert!(!row.sentence.ends_with('.'), "{}", row.text);
            assert!((400..600).contains(&row.status), "{}", row.text);
        }
    }
}
