//! How users connect to MCP servers, in the configuration: as it is written, and as the gateway takes it.

use std::time::Duration;

use bartizan_gateway::config as gateway;
use bartizan_identity::oauth::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{file, resolve::Wrong};

/// Longest wait for a user, in milliseconds.
const WAIT_MS_MAX: u64 = 600_000;

/// How users connect to a server that wants OAuth. A server whose `headers` have `Authorization` takes no users' grants:
/// that credential stands for everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Oauth {
    /// Our name at its authorization server, where we were registered there by hand. None: a client document where the
    /// server takes one, else we register ourselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The secret that goes with `client_id`, as `secret:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    /// A P-256 key in PKCS#8 PEM that signs in the place of a secret, as `secret:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_key: Option<String>,
    /// The address of a public document about us, which is our name where servers take such (client id metadata
    /// document). `bartizan connect --document URL` prints what it must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_document: Option<String>,
    /// The authorization server, where the MCP server names several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// Scopes to ask for beside those that the server wants.
    pub(crate) scopes: Vec<String>,
    /// Hosts of authorization servers that may lie inside, without port. Others must be `https` on the public internet,
    /// or on the server's own host.
    pub(crate) hosts: Vec<String>,
    /// The server knows the gateway as a machine (`client_credentials`): no user signs in, and one grant serves everyone.
    pub(crate) machine: bool,
    /// Tokens are got in exchange for what the calling agent showed, or for a secret; no user signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<Exchange>,
    /// How long a call waits for its user to sign in. 0: it is refused at once, and says what to run.
    pub(crate) wait_ms: u64,
}

/// An exchange of tokens (RFC 8693).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// Where tokens are exchanged.
    pub(crate) token_endpoint: String,
    /// What is exchanged, as `secret:NAME`; everyone then goes by one token. None: the JWT that the calling agent showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// What that is.
    #[serde(default)]
    pub(crate) kind: Subject,
    /// Our name where tokens are exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The secret that goes with it, as `secret:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    /// What comes back is an assertion for the server's own authorization server (identity assertion grant), where
    /// `oauth.client_id` and `oauth.client_secret` say who we are.
    #[serde(default)]
    pub(crate) assertion: bool,
}

/// What is exchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// An access token.
    #[default]
    AccessToken,
    /// An ID token.
    IdToken,
    /// Any JWT.
    Jwt,
}

fn exchange(said: &Exchange, wrong: &mut Wrong<'_>) -> Option<gateway::Exchange> {
    let mut add = |what: &str, message: String| wrong.add("server.oauth.exchange", what, message, "");
    let mut named =
        |key: &str, value: &Option<String>| match value.as_ref().map(|text| text.strip_prefix("secret:")) {
            None => None,
            Some(Some(name)) => Some(name.to_owned()),
            Some(None) => {
                let message =
                    format!("`{key}` is written as `secret:NAME`, after `bartizan secret set NAME`");
                add(key, message);
                None
            }
        };
    let (subject, client_secret) = (
        named("subject", &said.subject),
        named("client_secret", &said.client_secret),
    );
    let endpoint = Address::parse(&said.token_endpoint).ok();
    let endpoint = endpoint.filter(|address| address.is_https() || address.is_loopback());
    let Some(uri) = endpoint.and_then(|address| address.as_str().parse().ok()) else {
        let message = "`token_endpoint` is no `https` address, nor one of this machine's".to_owned();
        add(&said.token_endpoint, message);
        return None;
    };
    Some(gateway::Exchange {
        token_endpoint: uri,
        subject,
        kind: match said.kind {
            Subject::AccessToken => gateway::Subject::AccessToken,
            Subject::IdToken => gateway::Subject::IdToken,
            Subject::Jwt => gateway::Subject::Jwt,
        },
        client_id: said.client_id.clone(),
        client_secret,
        assertion: said.assertion,
    })
}

/// Resolves it; what is wrong is collected.
pub(super) fn oauth(server: &file::Server, wrong: &mut Wrong<'_>) -> gateway::Oauth {
    let said = &server.oauth;
    if *said != Oauth::default() {
        check(server, wrong);
        check_places(server, wrong);
    }
    let named = |value: &Option<String>| {
        let name = value.as_ref().and_then(|text| text.strip_prefix("secret:"));
        name.map(str::to_owned)
    };
    gateway::Oauth {
        client_id: said.client_id.clone(),
        client_secret: named(&said.client_secret),
        client_key: named(&said.client_key),
        client_document: said.client_document.clone(),
        issuer: said.issuer.clone(),
        scopes: said.scopes.clone(),
        hosts: said.hosts.clone(),
        machine: said.machine,
        exchange: said.exchange.as_ref().and_then(|said| exchange(said, wrong)),
        wait: Duration::from_millis(said.wait_ms),
    }
}

fn check(server: &file::Server, wrong: &mut Wrong<'_>) {
    let said = &server.oauth;
    let mut add = |key: &str, what: &str, message: String| wrong.add(key, what, message, "");
    let sent = server
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("authorization"));
    if server.url.is_none() || sent {
        let message = format!(
            "`{}` takes no users' grants: it needs a `url`, and no `Authorization` in `headers`",
            server.name
        );
        add("server.oauth", &server.name, message);
    }
    for (key, value) in [
        ("client_secret", &said.client_secret),
        ("client_key", &said.client_key),
    ] {
        let plain = value.as_ref().filter(|text| !text.starts_with("secret:"));
        if plain.is_some() {
            // The value itself is not repeated.
            let message = format!("`{key}` is written as `secret:NAME`, after `bartizan secret set NAME`");
            add("server.oauth", key, message);
        }
        if value.is_some() && said.client_id.is_none() {
            add("server.oauth", key, format!("`{key}` needs a `client_id`"));
        }
    }
    let assertion = said.exchange.as_ref().is_some_and(|exchange| exchange.assertion);
    if said.machine && said.exchange.is_some() {
        add(
            "server.oauth",
            "machine",
            "`machine` and `exchange` contradict each other".to_owned(),
        );
    }
    if (said.machine || assertion) && said.client_id.is_none() {
        add(
            "server.oauth.machine",
            "machine",
            "`machine`, or an `exchange` for an assertion, needs a `client_id`".to_owned(),
        );
    }
}

/// Addresses and bounds.
fn check_places(server: &file::Server, wrong: &mut Wrong<'_>) {
    let said = &server.oauth;
    let mut add = |key: &str, what: &str, message: String| wrong.add(key, what, message, "");
    for (key, value) in [
        ("issuer", &said.issuer),
        ("client_document", &said.client_document),
    ] {
        let Some(text) = value else { continue };
        let good = Address::parse(text).is_ok_and(|address| {
            key != "client_document" || (address.is_https() && !address.path().is_empty())
        });
        if !good {
            add(
                "server.oauth",
                text,
                format!("`{key}` is no address that can be one"),
            );
        }
    }
    for host in &said.hosts {
        if host.is_empty()
            || host.contains(['/', '@', '*', ' '])
            || (host.contains(':') && !host.starts_with('['))
        {
            let message =
                format!("`{host}` is no host; write it as `sso.corp.example`, without scheme and port");
            add("server.oauth.hosts", host, message);
        }
    }
    if said.wait_ms > WAIT_MS_MAX {
        add(
            "server.oauth.wait_ms",
            "wait_ms",
            format!("a call waits for {WAIT_MS_MAX} ms at most"),
        );
    }
}
