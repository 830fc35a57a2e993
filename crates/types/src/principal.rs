//! Who calls: an agent, for a user, through a chain of actors.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{AgentId, Bounds, CallFacts, Issuer, KeyId, Outside, SessionId, Timestamp, UserId};

/// How a credential was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// One of our own API keys.
    ApiKey,
    /// A JWT checked against a configured issuer's key set.
    Jwt,
    /// A client certificate with a SPIFFE id (X.509-SVID), its key proven in the TLS handshake.
    Certificate,
    /// What an agent handed on: a chain of links that begins with one of ours.
    Delegated,
    /// The peer credentials of an owner-only unix socket or the pipe of a wrapped server.
    Local,
}

/// One link of the `act` chain (RFC 8693 section 4.1): a party that acts for the one before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The actor's `sub`.
    pub sub: String,
    /// The actor's `iss`, where the token names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// What the actor was handed, where it was handed something narrower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Box<Bounds>>,
    /// The credential by which it was handed that: a link's key, which its holder can't choose anew. Ended, it ends all
    /// that was handed on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

impl Principal {
    /// The first bound of a link of the chain that a call is outside of; `None` where every link admits it.
    #[must_use]
    pub fn outside(&self, call: &CallFacts, session: SessionId, now: Timestamp) -> Option<Outside> {
        self.act.iter().enumerate().find_map(|(link, actor)| {
            let bound = actor.bounds.as_deref()?.outside(call, session, now)?;
            Some(Outside { link, bound })
        })
    }

    /// Whether a link of the chain bounds arguments: then a call's are read whatever policy reads.
    #[must_use]
    pub fn bounds_arguments(&self) -> bool {
        let mut bounds = self.act.iter().filter_map(|actor| actor.bounds.as_deref());
        bounds.any(|bounds| !bounds.arguments.is_empty())
    }
}

/// An authenticated caller. Built by `identity` alone; everyone else only reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The workload.
    pub agent: AgentId,
    /// Whom it acts for, if anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Who acts for whom, outermost first, at most 8 links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub act: Vec<Actor>,
    /// Groups the issuer or our own registry puts the agent in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Scopes that its token was given (RFC 6749 section 3.3). They matter where the operator asks for one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// Who vouches.
    pub issuer: Issuer,
    /// Which credential, without its secret.
    pub credential: KeyId,
    /// Other credentials that it rests on: the key beneath a delegation, the certificate shown beside a token. Where one
    /// of them is ended, so is this.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rests: BTreeSet<KeyId>,
    /// How it was checked.
    pub method: AuthMethod,
    /// How that was checked which a delegation rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<AuthMethod>,
    /// The key of its issuer, or the root of its trust domain, that vouched for it: a thumbprint, for what will rest on it.
    /// Not in records.
    #[serde(skip)]
    pub anchor: Option<crate::Digest>,
    /// When the credential ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Principal {
    /// Whose agents it belongs to: what stands before the first `/` of the agent's name, which the configuration of its
    /// issuer puts there (`namespace`); without one, the issuer itself. Nothing that a client chooses.
    #[must_use]
    pub fn tenant(&self) -> &str {
        let namespace = self
            .agent
            .as_str()
            .split_once('/')
            .map(|(namespace, _)| namespace);
        match namespace {
            // A SPIFFE id has its trust domain after the scheme.
            Some(scheme) if scheme.ends_with(':') => {
                let rest = self
                    .agent
                    .as_str()
                    .trim_start_matches(scheme)
                    .trim_start_matches('/');
                rest.split('/').next().unwrap_or(rest)
            }
            Some(namespace) => namespace,
            None => self.issuer.as_str(),
        }
    }
}
