//! The rows of what is asked of tokens beyond that they hold: by us as a resource server, and for us as a client.

use super::{Code, Fault, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        code: Code::ScopeInsufficient,
        text: "identity.scope",
        fault: Fault::Policy,
        status: 403,
        sentence: "the token lacks a scope that this call needs",
        hint: "get a token with the scopes that `WWW-Authenticate` names; the operator asks for them in `[[scope]]`",
    },
    Row {
        code: Code::ProofNonce,
        text: "identity.proof_nonce",
        fault: Fault::Caller,
        status: 401,
        sentence: "the proof of possession lacks the nonce that this gateway gave",
        hint: "make the proof again with the `DPoP-Nonce` of this answer",
    },
    Row {
        code: Code::TokenUnavailable,
        text: "upstream.token",
        fault: Fault::Upstream,
        status: 502,
        sentence: "no token could be got for the upstream",
        hint: "the log says what its token endpoint answered",
    },
];
