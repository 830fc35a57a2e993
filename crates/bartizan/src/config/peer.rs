//! Other agents in the configuration: as they are written, and as the gateway takes them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bartizan_gateway::config as gateway;
use bartizan_types::PeerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    file::{ConfigFile, default_server_timeout_ms},
    resolve::{Wrong, values, workload},
};

/// Another agent, reached over A2A 1.0 (JSON-RPC). Agents write to it at `/a2a/NAME`, where its card is, too.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// Its name in policy, in records and in the path.
    pub(crate) name: String,
    /// Where its JSON-RPC interface is. Messages go there, whatever its card says.
    pub(crate) url: String,
    /// Where its card is. None: `/.well-known/agent-card.json` at the interface's origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<String>,
    /// Headers sent to it, as `Authorization`. A value `secret:NAME` is the secret of that name.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// A file with a JSON Web Key Set. Given, the card must be signed by a key in it, or nothing is sent to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card_keys: Option<PathBuf>,
    /// Hosts that agents may have the peer call when a task moves, with the port where it is not 443. None are allowed
    /// unless they are listed; the addresses must be `https`.
    #[serde(default)]
    pub(crate) push_hosts: Vec<String>,
    /// The SPIFFE id that it has to have, as `spiffe://example.org/mcp`: it is then known by the roots of that trust domain (our
    /// own, or one of `[[spiffe]]`) in the place of its host's name, and is shown the gateway's own X.509-SVID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spiffe_id: Option<String>,
    /// A PEM file of roots to trust instead of the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roots: Option<PathBuf>,
    /// How long a request may take to the first byte of its answer.
    #[serde(default = "default_server_timeout_ms")]
    pub(crate) timeout_ms: u64,
}

/// Resolves the peers; what is wrong is collected.
pub(super) fn peers(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Vec<gateway::Peer> {
    let mut all: Vec<gateway::Peer> = Vec::new();
    for peer in &file.peer {
        let Some(name): Option<PeerName> = wrong.name("peer.name", &peer.name) else {
            continue;
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.as_str().bytes().all(plain) {
            let message = format!("`{name}` is a part of a path: letters, digits, `-`, `_` and `.`");
            wrong.add("peer.name", &peer.name, message, "");
        }
        if all.iter().any(|earlier| earlier.name == name) {
            wrong.add(
                "peer.name",
                &peer.name,
                format!("two peers are called `{name}`"),
                "",
            );
        }
        let url = wrong.url("peer.url", &peer.url, &["http", "https"]);
        let card = match &peer.card {
            None => None,
            Some(text) => match wrong.url("peer.card", text, &["http", "https"]) {
                Some(card) => Some(card),
                None => continue,
            },
        };
        if peer.timeout_ms == 0 {
            let message = "`timeout_ms` must not be 0".to_owned();
            wrong.add("peer.timeout_ms", "timeout_ms", message, "");
        }
        for host in &peer.push_hosts {
            if host.is_empty() || host.contains(['/', '@', '*']) {
                let message = format!(
                    "`{host}` is no host; write it as `hooks.example.com` or `hooks.example.com:8443`"
                );
                wrong.add("peer.push_hosts", host, message, "");
            }
        }
        let Some(url) = url else { continue };
        all.push(gateway::Peer {
            name,
            url,
            card,
            headers: values(&peer.headers),
            card_keys: peer.card_keys.as_ref().map(|path| base.join(path)),
            push_hosts: peer.push_hosts.clone(),
            spiffe_id: workload(
                ("peer", &peer.url),
                (peer.spiffe_id.as_deref(), peer.roots.is_some()),
                file,
                wrong,
            ),
            roots: peer.roots.as_ref().map(|path| base.join(path)),
            timeout: Duration::from_millis(peer.timeout_ms),
        });
    }
    all
}
