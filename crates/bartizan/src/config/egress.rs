//! The proxy to the web in the configuration: as it is written, and as the gateway takes it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bartizan_gateway::config as gateway;
use bartizan_wire::site::SitePattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{file::ConfigFile, resolve::Wrong};

/// The proxy through which agents reach the web: point `HTTPS_PROXY` and `HTTP_PROXY` at `http://agent:KEY@ADDRESS`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// Address and port. Port 0 takes a free one. Off loopback it needs the TLS of `[listen]`, whose key and rules for
    /// client certificates it shares.
    pub(crate) address: SocketAddr,
    /// Sites that policies read as listed (`context.reviewed`); the packs let agents go to no other. `api.example.com`, or
    /// `*.example.com` for all below it; without a port, 443 and 80.
    pub(crate) hosts: Vec<String>,
    /// Sites that are listed and may lead to private addresses. All others lead to public ones or are refused, and none
    /// leads to link-local or metadata addresses.
    pub(crate) inside: Vec<String>,
    /// Listed or not, sites through whose tunnels anything may go. Tunnels to all others begin with a TLS hello that names,
    /// readably, the host that the tunnel was opened to.
    pub(crate) danger_opaque: Vec<String>,
    /// Sites whose tunnels are opened here: their TLS ends in the gateway, by a certificate of this installation's own root,
    /// so that method, path and content are ruled on and looked into as in clear. Whoever trusts that root (`bartizan egress
    /// ca`) trusts this gateway to be any site. None: no tunnel is opened.
    pub(crate) danger_intercept: Vec<String>,
    /// A PEM file of roots that those sites are verified by, instead of the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roots: Option<PathBuf>,
    /// Take a hello that has an encrypted one inside (ECH) at its outer word. The site then is whatever the inner one says,
    /// which nobody here can read.
    pub(crate) danger_encrypted_hello: bool,
    /// A tunnel through which nothing goes for this long is ended.
    pub(crate) idle_seconds: u64,
    /// Bytes of one tunnel, both ways together, and of one answer that is passed on without being read.
    pub(crate) tunnel_bytes: u64,
    /// Tunnels at one time.
    pub(crate) tunnels: usize,
}

impl Default for Egress {
    fn default() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 4481));
        let built_in = gateway::Egress::at(address);
        Self {
            address,
            hosts: Vec::new(),
            inside: Vec::new(),
            danger_opaque: Vec::new(),
            danger_intercept: Vec::new(),
            roots: None,
            danger_encrypted_hello: false,
            idle_seconds: built_in.idle.as_secs(),
            tunnel_bytes: built_in.tunnel_bytes,
            tunnels: built_in.tunnels,
        }
    }
}

/// Resolves `[egress]`; what is wrong is collected.
pub(super) fn egress(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Option<gateway::Egress> {
    let egress = file.egress.as_ref()?;
    let mut patterns = |key: &str, texts: &[String]| -> Vec<SitePattern> {
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            match SitePattern::parse(text) {
                Some(pattern) => all.push(pattern),
                None => {
                    let message = format!("`{text}` is no site");
                    let help = "write `api.example.com`, `*.example.com`, `10.0.0.7:8443` or `[fd00::7]:8443`, without a scheme";
                    wrong.add(key, text, message, help);
                }
            }
        }
        all
    };
    let hosts = patterns("egress.hosts", &egress.hosts);
    let inside = patterns("egress.inside", &egress.inside);
    let opaque = patterns("egress.danger_opaque", &egress.danger_opaque);
    let intercept = patterns("egress.danger_intercept", &egress.danger_intercept);
    for both in egress
        .danger_intercept
        .iter()
        .filter(|one| egress.danger_opaque.contains(one))
    {
        let message = format!("`{both}` can't be opened and be opaque");
        wrong.add("egress.danger_intercept", both, message, "");
    }
    for (key, is_zero) in [
        ("idle_seconds", egress.idle_seconds == 0),
        ("tunnel_bytes", egress.tunnel_bytes == 0),
        ("tunnels", egress.tunnels == 0),
    ] {
        if is_zero {
            let message = format!("`{key}` must not be 0");
            wrong.add(
                &format!("egress.{key}"),
                key,
                message,
                "leave the table out, and there is no proxy",
            );
        }
    }
    if egress.address.port() != 0 && egress.address == file.listen.address {
        let message = "the proxy needs an address of its own".to_owned();
        wrong.add(
            "egress.address",
            "address",
            message,
            "agents reach the gateway itself at `[listen] address`",
        );
    }
    Some(gateway::Egress {
        address: egress.address,
        hosts,
        inside,
        opaque,
        intercept,
        roots: egress.roots.as_ref().map(|roots| base.join(roots)),
        encrypted_hello: egress.danger_encrypted_hello,
        idle: Duration::from_secs(egress.idle_seconds),
        tunnel_bytes: egress.tunnel_bytes,
        tunnels: egress.tunnels,
    })
}
