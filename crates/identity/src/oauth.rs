//! OAuth as a client of somebody else: what an authorization server and a protected resource say, read strictly, and
//! what is said to them. No socket: bytes in, values or bytes out.
//!
//! The steps are those that MCP's authorization asks of a client: a challenge (RFC 6750, RFC 9728 section 5.1) leads to
//! the resource's metadata ([`resource_metadata`]), that to the authorization server's ([`authorization_server`]), and
//! that to an authorization request with PKCE S256, `resource` (RFC 8707) and `state`. The answer is believed only if
//! its `iss` is the issuer that was asked (RFC 9207).
//!
//! What it refuses: metadata of another resource or issuer than was asked for, addresses with a user, a fragment or
//! bytes that two parsers read differently, servers that don't say that they check PKCE S256, and tokens that are not
//! bearer tokens or would not fit a header.

mod address;
mod answer;
mod challenge;
mod metadata;
mod request;

pub use address::Address;
pub use answer::{
    Callback, TokenAnswer, check_callback, exchanged, id_token_answer, token_answer, token_error,
};
pub use challenge::{Challenge, bearer_challenge};
pub use metadata::{
    AuthorizationServer, ResourceMetadata, Strictness, authorization_server, key_set_place, legacy_server,
    resource_metadata, resource_places, server_places,
};
pub use request::{
    Client, ClientAuth, Method, Pkce, Registered, Sign, assertion, authenticate, authorization_url, form,
    method_for, registered, registration, scopes_for,
};

/// Why something of OAuth is not believed or can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OauthFault {
    /// An address that is none, or that two parsers may read differently.
    #[error("`{0}` is no plain http(s) address")]
    Address(String),
    /// Metadata that is no JSON object, or lacks what it must have.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// Which answer.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The metadata is of another resource.
    #[error("the metadata is of the resource `{found}`, and not of `{expected}`")]
    Resource {
        /// What it says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The metadata, or the answer of an authorization, is of another issuer.
    #[error("it is of the issuer `{found}`, and not of `{expected}`")]
    Issuer {
        /// What it says.
        found: String,
        /// Who was asked.
        expected: String,
    },
    /// The server does not say that it checks PKCE with S256.
    #[error("the authorization server does not say that it supports PKCE with S256")]
    Pkce,
    /// Users would sign in at somebody else's page, and nothing in the answer would tell whose it is.
    #[error(
        "users would sign in at `{page}`, which is not `{issuer}`'s own, and the answers there name no issuer: list its host in \
         `hosts` of the server's `oauth` if that is right"
    )]
    Page {
        /// Where.
        page: String,
        /// Who says so.
        issuer: String,
    },
    /// The answer of an authorization names no issuer, and this server's must.
    #[error("the answer names no issuer, and answers of `{0}` must")]
    IssuerMissing(String),
    /// The user or the server said no.
    #[error("the authorization server answered `{0}`")]
    Denied(String),
    /// A key that can't sign.
    #[error("the client's key can't be used: it must be a P-256 key in PKCS#8 PEM")]
    Key,
}

/// A short word of theirs that may be shown: printable, bounded.
fn shown(text: &str) -> String {
    text.chars().filter(|one| !one.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
