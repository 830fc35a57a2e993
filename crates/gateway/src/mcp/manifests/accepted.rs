//! Manifests that an operator accepted: signed with a key of this state, bound to the server and the definition they
//! are of.
//!
//! INVARIANT: what does not verify, or says another server or tool than it is kept under, is never in force: its tool
//! is unknown, and asks, until an operator accepts it anew.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use bartizan_flow::Manifest;
use bartizan_mcp::{PinKind, ServerPins};
use bartizan_store::State;
use bartizan_types::{Digest, Secret, ServerName, Timestamp, ToolName};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    config::{self, Reach},
    model::sha256,
};

/// Before every signed statement, so that no other signature of the key can be taken for one.
const DOMAIN: &[u8] = b"bartizan tool manifest v1\0";
const VERSION: u8 = 1;

/// What an operator accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    version: u8,
    server: ServerName,
    tool: ToolName,
    /// What the server was: its address or command line, and the name it gives itself.
    pub(crate) identity: Digest,
    /// The pinned definition.
    pub(crate) definition: Digest,
    /// The manifest; reviewed.
    pub(crate) manifest: Manifest,
    /// Who accepted it.
    pub(crate) by: String,
    /// When.
    pub(crate) at: Timestamp,
}

/// A statement and its signature, as stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    statement: String,
    /// Ed25519 over the domain and the statement, base64.
    signature: String,
}

/// One stored manifest, looked at.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// It verifies.
    Good(Box<Accepted>),
    /// It does not, and why.
    Refused(&'static str),
}

/// Signs and verifies statements.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// From the seed of [`bartizan_store::Purpose::Manifests`].
    #[must_use]
    pub fn new(seed: &Secret<[u8; 32]>) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok().map(Self)
    }

    fn seal(&self, accepted: &Accepted) -> Result<Vec<u8>, serde_json::Error> {
        let statement = serde_json::to_string(accepted)?;
        let signature = self.0.sign(&[DOMAIN, statement.as_bytes()].concat());
        let signature = STANDARD.encode(signature.as_ref());
        serde_json::to_vec(&Envelope { statement, signature })
    }

    fn open(&self, server: &ServerName, tool: &str, stored: &[u8]) -> Kept {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(stored) else {
            return Kept::Refused("it does not read");
        };
        let key = UnparsedPublicKey::new(&ED25519, self.0.public_key().as_ref());
        let message = [DOMAIN, envelope.statement.as_bytes()].concat();
        let genuine = STANDARD
            .decode(&envelope.signature)
            .is_ok_and(|signature| key.verify(&message, &signature).is_ok());
        if !genuine {
            return Kept::Refused("its signature is not ours");
        }
        match serde_json::from_str::<Accepted>(&envelope.statement) {
            Ok(accepted) if accepted.version != VERSION => Kept::Refused("it is of another format"),
            Ok(accepted) if accepted.server == *server && accepted.tool.as_str() == tool => {
                Kept::Good(Box::new(accepted))
            }
            Ok(_) => Kept::Refused("it was signed for another tool"),
            Err(_) => Kept::Refused("it does not read"),
        }
    }
}

/// Everything stored for a server, each verified.
///
/// # Errors
/// What the state says, when it can't be read.
pub(crate) fn load(
    state: &State,
    signer: &Signer,
    server: &ServerName,
) -> Result<BTreeMap<ToolName, Kept>, bartizan_store::Fault> {
    let mut all = BTreeMap::new();
    for (tool, stored) in state.manifests(server)? {
        let kept = signer.open(server, &tool, &stored);
        match ToolName::new(&tool) {
            Ok(name) => drop(all.insert(name, kept)),
            Err(_) => tracing::error!(%server, "a manifest is stored under what is no tool's name"),
        }
    }
    Ok(all)
}

/// What a server is, as far as its manifests are bound to it: where it is reached and what it calls itself. Headers,
/// environment and version are not part of it; a changed program or version drifts by its pin.
pub(crate) fn identity(server: &config::Server, pins: &ServerPins) -> Digest {
    let reach = match &server.reach {
        Reach::Stdio { command, .. } => serde_json::json!({ "command": command }),
        Reach::Http { url, .. } => serde_json::json!({ "url": url.to_string() }),
        Reach::LegacySse { url, .. } => serde_json::json!({ "sse": url.to_string() }),
    };
    let own: Option<serde_json::Value> = pins
        .pin(PinKind::Identity, "")
        .and_then(|pin| serde_json::from_str(&pin.held.definition).ok());
    let name = own.as_ref().and_then(|own| own.get("name")).cloned();
    let all = serde_json::json!({ "server": server.name, "reach": reach, "name": name });
    sha256(all.to_string().as_bytes())
}

/// The digest an operator looks at and accepts.
pub(crate) fn digest(manifest: &Manifest) -> Digest {
    sha256(&serde_json::to_vec(manifest).unwrap_or_default())
}

/// A change of what is stored.
pub(crate) struct Change {
    pub(crate) tool: ToolName,
    pub(crate) accepted: Option<Accepted>,
}

impl Change {
    pub(crate) fn accept(
        server: &ServerName,
        tool: &ToolName,
        (identity, definition): (Digest, Digest),
        manifest: Manifest,
        (by, at): (&str, Timestamp),
    ) -> Self {
        Self {
            tool: tool.clone(),
            accepted: Some(Accepted {
                version: VERSION,
                server: server.clone(),
                tool: tool.clone(),
                identity,
                definition,
                manifest: Manifest {
                    reviewed: true,
                    ..manifest
                },
                by: by.to_owned(),
                at,
            }),
        }
    }
}

/// Stores changes, all or none.
///
/// # Errors
/// What the state says.
pub(crate) fn store(
    state: &State,
    signer: &Signer,
    server: &ServerName,
    changes: &[Change],
) -> Result<(), String> {
    let mut sealed = Vec::new();
    for change in changes {
        let body = match &change.accepted {
            Some(accepted) => Some(signer.seal(accepted).map_err(|fault| fault.to_string())?),
            None => None,
        };
        sealed.push((change.tool.as_str(), body));
    }
    let borrowed: Vec<(&str, Option<&[u8]>)> = sealed
        .iter()
        .map(|(tool, body)| (*tool, body.as_deref()))
        .collect();
    state
        .put_manifests(server, &borrowed)
        .map_err(|fault| fault.to_string())
}
