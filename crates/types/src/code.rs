//! The registry of codes: every refusal and error a caller can meet, with its fault, status, sentence and hint.
//!
//! The text of a code is stable for ever; `docs/reference/codes.md` is generated from this table.

use std::{fmt, str::FromStr};

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
    /// `mcp.tool_unknown`: there is no such tool here.
    ToolUnknown,
    /// `mcp.server_unknown`: there is no such MCP server here.
    ServerUnknown,
    /// `mcp.arguments`: the arguments do not fit the tool's input schema.
    ArgumentsInvalid,
    /// `mcp.revision`: this MCP revision is not supported.
    RevisionUnsupported,
    /// `mcp.session`: the MCP session is not known.
    SessionUnknown,
    /// `mcp.message`: the message is not valid JSON-RPC for MCP.
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
}

struct Row {
    code: Code,
    text: &'static str,
    fault: Fault,
    status: u16,
    sentence: &'static str,
    hint: &'static str,
}

// INVARIANT: in the order of declaration, so that a code is its own index; `rows_stand_in_order` holds it.
const ROWS: &[Row] = &[
    Row {
        code: Code::CredentialMissing,
        text: "identity.credential_missing",
        fault: Fault::Caller,
        status: 401,
        sentence: "no credential was sent",
        hint: "send `Authorization: Bearer KEY` or `x-api-key: KEY`; `bartizan agent add NAME` makes a key",
    },
    Row {
        code: Code::CredentialMalformed,
        text: "identity.credential_malformed",
        fault: Fault::Caller,
        status: 401,
        sentence: "the credential is neither one of our keys nor a JWT",
        hint: "check that the whole key was copied",
    },
    Row {
        code: Code::CredentialAmbiguous,
        text: "identity.credential_ambiguous",
        fault: Fault::Caller,
        status: 401,
        sentence: "more than one credential was sent",
        hint: "send exactly one of `Authorization` and `x-api-key`",
    },
    Row {
        code: Code::KeyUnknown,
        text: "identity.key_unknown",
        fault: Fault::Caller,
        status: 401,
        sentence: "the API key is not known",
        hint: "`bartizan agent list` shows the keys that are",
    },
    Row {
        code: Code::KeyRevoked,
        text: "identity.key_revoked",
        fault: Fault::Caller,
        status: 401,
        sentence: "the API key was revoked",
        hint: "ask the operator for a new key",
    },
    Row {
        code: Code::KeyExpired,
        text: "identity.key_expired",
        fault: Fault::Caller,
        status: 401,
        sentence: "the API key has expired",
        hint: "ask the operator for a new key",
    },
    Row {
        code: Code::TokenIssuer,
        text: "identity.token_issuer",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token's issuer is not trusted here",
        hint: "compare the token's `iss` with `[[jwt]] issuer`",
    },
    Row {
        code: Code::TokenAudience,
        text: "identity.token_audience",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token is for another audience",
        hint: "compare the token's `aud` with `[[jwt]] audience`",
    },
    Row {
        code: Code::TokenAlgorithm,
        text: "identity.token_algorithm",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token's algorithm is not allowed",
        hint: "allowed algorithms are in `[[jwt]] algorithms`; `none` and HMAC never are",
    },
    Row {
        code: Code::TokenKey,
        text: "identity.token_key",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token's key is not in the issuer's key set",
        hint: "check `kid`, and that the key set is up to date",
    },
    Row {
        code: Code::TokenSignature,
        text: "identity.token_signature",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token's signature is wrong",
        hint: "the token was altered or signed by another key",
    },
    Row {
        code: Code::TokenExpired,
        text: "identity.token_expired",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token has expired",
        hint: "get a new token",
    },
    Row {
        code: Code::TokenEarly,
        text: "identity.token_early",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token is not valid yet",
        hint: "compare the clocks of issuer and gateway",
    },
    Row {
        code: Code::TokenHeader,
        text: "identity.token_header",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token's header asks for something that is not supported here",
        hint: "`typ` must be an access token's, and `crit`, `b64`, `zip`, `enc` and a nested `cty` are refused",
    },
    Row {
        code: Code::TokenClaims,
        text: "identity.token_claims",
        fault: Fault::Caller,
        status: 401,
        sentence: "the token lacks a claim, or a claim has the wrong type",
        hint: "`exp`, `iss`, `aud`, `sub` are required; `act` may nest 8 deep",
    },
    Row {
        code: Code::KeySetUnavailable,
        text: "identity.key_set_unavailable",
        fault: Fault::Upstream,
        status: 503,
        sentence: "the issuer's key set can't be read now",
        hint: "check `[[jwt]] jwks`; calls are refused until it can be read",
    },
    Row {
        code: Code::HostMismatch,
        text: "wire.host",
        fault: Fault::Caller,
        status: 403,
        sentence: "the Host header names another host",
        hint: "reach the gateway by an address in `[listen] hosts`",
    },
    Row {
        code: Code::OriginForeign,
        text: "wire.origin",
        fault: Fault::Caller,
        status: 403,
        sentence: "requests from web pages of other origins are refused",
        hint: "list the origin in `[listen] origins` if it is yours",
    },
    Row {
        code: Code::ContentType,
        text: "wire.content_type",
        fault: Fault::Caller,
        status: 415,
        sentence: "the content type is not accepted here",
        hint: "send `Content-Type: application/json`",
    },
    Row {
        code: Code::ContentEncoding,
        text: "wire.content_encoding",
        fault: Fault::Caller,
        status: 415,
        sentence: "the content encoding is not accepted",
        hint: "send identity, gzip or deflate",
    },
    Row {
        code: Code::NotFound,
        text: "wire.not_found",
        fault: Fault::Caller,
        status: 404,
        sentence: "there is nothing at this path",
        hint: "see `docs/reference/http.md` for the paths",
    },
    Row {
        code: Code::Method,
        text: "wire.method",
        fault: Fault::Caller,
        status: 405,
        sentence: "this method is not allowed here",
        hint: "",
    },
    Row {
        code: Code::BodyCut,
        text: "wire.body_cut",
        fault: Fault::Caller,
        status: 400,
        sentence: "the body broke off, or its framing is malformed",
        hint: "",
    },
    Row {
        code: Code::JsonSyntax,
        text: "wire.json_syntax",
        fault: Fault::Caller,
        status: 400,
        sentence: "the body is not valid JSON",
        hint: "",
    },
    Row {
        code: Code::JsonUtf8,
        text: "wire.json_utf8",
        fault: Fault::Caller,
        status: 400,
        sentence: "the body is not valid UTF-8",
        hint: "",
    },
    Row {
        code: Code::JsonDuplicateKey,
        text: "wire.json_duplicate_key",
        fault: Fault::Caller,
        status: 400,
        sentence: "an object in the body has the same key twice",
        hint: "two readers of such a body may see two different calls, so it is refused",
    },
    Row {
        code: Code::JsonSurrogate,
        text: "wire.json_surrogate",
        fault: Fault::Caller,
        status: 400,
        sentence: "a string in the body has a lone surrogate",
        hint: "",
    },
    Row {
        code: Code::JsonDepth,
        text: "limit.json_depth",
        fault: Fault::Caller,
        status: 400,
        sentence: "the body is nested too deep",
        hint: "`[limits] json_depth` sets the bound",
    },
    Row {
        code: Code::JsonNumber,
        text: "wire.json_number",
        fault: Fault::Caller,
        status: 400,
        sentence: "a number in the body is out of range",
        hint: "numbers must fit an IEEE 754 double",
    },
    Row {
        code: Code::RequestShape,
        text: "wire.request_shape",
        fault: Fault::Caller,
        status: 400,
        sentence: "the body is not a request of this API",
        hint: "compare it with the provider's reference",
    },
    Row {
        code: Code::HeaderMismatch,
        text: "wire.header_mismatch",
        fault: Fault::Caller,
        status: 400,
        sentence: "a header and the body disagree",
        hint: "`Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` must repeat the body",
    },
    Row {
        code: Code::SseMalformed,
        text: "wire.sse_malformed",
        fault: Fault::Peer,
        status: 502,
        sentence: "the upstream's event stream is malformed",
        hint: "",
    },
    Row {
        code: Code::BodyTooLarge,
        text: "limit.body",
        fault: Fault::Caller,
        status: 413,
        sentence: "the body is larger than the limit",
        hint: "`[limits] body_bytes` sets the bound",
    },
    Row {
        code: Code::BodyExpansion,
        text: "limit.body_expansion",
        fault: Fault::Caller,
        status: 413,
        sentence: "the body unpacks to more than the limit",
        hint: "`[limits] body_bytes` bounds the unpacked size too",
    },
    Row {
        code: Code::HeadersTooLarge,
        text: "limit.headers",
        fault: Fault::Caller,
        status: 431,
        sentence: "the headers are larger than the limit",
        hint: "`[limits] header_bytes` sets the bound",
    },
    Row {
        code: Code::EventTooLarge,
        text: "limit.event",
        fault: Fault::Peer,
        status: 502,
        sentence: "an event of the stream is larger than the limit",
        hint: "`[limits] event_bytes` sets the bound",
    },
    Row {
        code: Code::SlowCaller,
        text: "limit.slow_caller",
        fault: Fault::Caller,
        status: 408,
        sentence: "the request took too long to arrive",
        hint: "`[limits] read_timeout_ms` sets the bound",
    },
    Row {
        code: Code::Saturated,
        text: "limit.saturated",
        fault: Fault::Limit,
        status: 503,
        sentence: "the gateway is at its limit of concurrent calls",
        hint: "try again after the time in `Retry-After`",
    },
    Row {
        code: Code::QueueFull,
        text: "limit.queue",
        fault: Fault::Limit,
        status: 503,
        sentence: "a queue inside the gateway is full",
        hint: "try again after the time in `Retry-After`",
    },
    Row {
        code: Code::Draining,
        text: "limit.draining",
        fault: Fault::Limit,
        status: 503,
        sentence: "the gateway is shutting down",
        hint: "try again after the time in `Retry-After`",
    },
    Row {
        code: Code::PolicyDenied,
        text: "policy.denied",
        fault: Fault::Policy,
        status: 403,
        sentence: "policy does not allow this call",
        hint: "`bartizan explain ID` shows the rules that decided",
    },
    Row {
        code: Code::PolicyError,
        text: "policy.error",
        fault: Fault::Policy,
        status: 403,
        sentence: "a policy could not be evaluated, so the call is refused",
        hint: "`bartizan explain ID` names the policy; fix it and reload",
    },
    Row {
        code: Code::PolicyAsk,
        text: "policy.ask",
        fault: Fault::Policy,
        status: 403,
        sentence: "this call needs a human's approval",
        hint: "the operator sees it with `bartizan explain ID`",
    },
    Row {
        code: Code::HostedToolRefused,
        text: "policy.hosted_tool",
        fault: Fault::Policy,
        status: 403,
        sentence: "tools that the model's provider runs are not allowed here",
        hint: "a policy must permit `use_hosted_tool`",
    },
    Row {
        code: Code::ServerHistoryRefused,
        text: "policy.server_history",
        fault: Fault::Policy,
        status: 403,
        sentence: "history kept by the model's provider is not allowed here",
        hint: "send the history in the request, or permit `use_server_history`",
    },
    Row {
        code: Code::ProposalRefused,
        text: "policy.proposal",
        fault: Fault::Policy,
        status: 403,
        sentence: "the model asked for a tool that policy does not allow",
        hint: "`bartizan explain ID` shows the rules that decided",
    },
    Row {
        code: Code::ToolWithheld,
        text: "mcp.tool_withheld",
        fault: Fault::Policy,
        status: 403,
        sentence: "the tool's definition changed and was not approved",
        hint: "`bartizan tools diff` shows the change, `bartizan tools approve` accepts it",
    },
    Row {
        code: Code::ToolUnknown,
        text: "mcp.tool_unknown",
        fault: Fault::Caller,
        status: 404,
        sentence: "there is no such tool here",
        hint: "list the tools first",
    },
    Row {
        code: Code::ServerUnknown,
        text: "mcp.server_unknown",
        fault: Fault::Caller,
        status: 404,
        sentence: "there is no such MCP server here",
        hint: "`bartizan status` lists the servers",
    },
    Row {
        code: Code::ArgumentsInvalid,
        text: "mcp.arguments",
        fault: Fault::Caller,
        status: 400,
        sentence: "the arguments do not fit the tool's input schema",
        hint: "the answer names the first place that does not fit",
    },
    Row {
        code: Code::RevisionUnsupported,
        text: "mcp.revision",
        fault: Fault::Caller,
        status: 400,
        sentence: "this MCP revision is not supported",
        hint: "2025-06-18, 2025-11-25 and 2026-07-28 are",
    },
    Row {
        code: Code::SessionUnknown,
        text: "mcp.session",
        fault: Fault::Caller,
        status: 404,
        sentence: "the MCP session is not known",
        hint: "start again with `initialize`",
    },
    Row {
        code: Code::MessageInvalid,
        text: "mcp.message",
        fault: Fault::Caller,
        status: 400,
        sentence: "the message is not valid JSON-RPC for MCP",
        hint: "",
    },
    Row {
        code: Code::ServerFailed,
        text: "mcp.server_failed",
        fault: Fault::Upstream,
        status: 502,
        sentence: "the MCP server failed",
        hint: "`bartizan status` shows its state and last error",
    },
    Row {
        code: Code::ModelUnknown,
        text: "upstream.model_unknown",
        fault: Fault::Caller,
        status: 404,
        sentence: "no upstream serves this model",
        hint: "`[[model]]` maps names to upstreams",
    },
    Row {
        code: Code::UpstreamUnreachable,
        text: "upstream.unreachable",
        fault: Fault::Upstream,
        status: 502,
        sentence: "the upstream can't be reached",
        hint: "`bartizan status` shows each upstream's last error",
    },
    Row {
        code: Code::UpstreamTimeout,
        text: "upstream.timeout",
        fault: Fault::Upstream,
        status: 504,
        sentence: "the upstream took too long",
        hint: "`[limits] upstream_timeout_ms` sets the bound",
    },
    Row {
        code: Code::UpstreamMalformed,
        text: "upstream.malformed",
        fault: Fault::Peer,
        status: 502,
        sentence: "the upstream's answer can't be read, so it is withheld",
        hint: "",
    },
    Row {
        code: Code::UpstreamTooLarge,
        text: "upstream.too_large",
        fault: Fault::Peer,
        status: 502,
        sentence: "the upstream's answer is larger than the limit",
        hint: "`[limits] answer_bytes` sets the bound",
    },
    Row {
        code: Code::SecretMissing,
        text: "upstream.secret_missing",
        fault: Fault::Upstream,
        status: 502,
        sentence: "the upstream's credential is not in the secret store",
        hint: "`bartizan secret set NAME` puts it there",
    },
    Row {
        code: Code::LedgerPoisoned,
        text: "ledger.poisoned",
        fault: Fault::Limit,
        status: 503,
        sentence: "the ledger can't be written, so nothing may pass",
        hint: "`bartizan status` tells why; the gateway must be restarted after the disk is mended",
    },
    Row {
        code: Code::LedgerFull,
        text: "ledger.full",
        fault: Fault::Limit,
        status: 503,
        sentence: "there is no room left for records, so nothing may pass",
        hint: "free space in the state directory",
    },
    Row {
        code: Code::LedgerCorrupt,
        text: "ledger.corrupt",
        fault: Fault::Bug,
        status: 503,
        sentence: "the ledger's files do not agree with its signed heads",
        hint: "`bartizan audit verify` names the place; restore from a backup and keep the damaged files",
    },
    Row {
        code: Code::Bug,
        text: "bug",
        fault: Fault::Bug,
        status: 500,
        sentence: "the gateway made a mistake, so the call is refused",
        hint: "please report it with the call's id",
    },
];

impl Code {
    /// Every code, in the order of the registry.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.code)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "one row per code, held by `rows_stand_in_order`"
    )]
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
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
        ROWS.iter()
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
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(row.code as usize, at, "{}", row.text);
        }
    }

    #[test]
    fn texts_are_unique_and_sentences_are_fragments() {
        let mut texts: Vec<_> = ROWS.iter().map(|row| row.text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ROWS.len());
        for row in ROWS {
            assert!(!row.sentence.ends_with('.'), "{}", row.text);
            assert!((400..600).contains(&row.status), "{}", row.text);
        }
    }
}
