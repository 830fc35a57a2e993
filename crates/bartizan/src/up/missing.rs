//! What a gateway lacks to be of use: secrets that its configuration names and the store has not, and servers.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_gateway::{
    admin::Desk,
    config::{Credential, EnvValue, Reach},
};

use crate::config::resolve::Settings;

/// One sentence for each, with what to do.
pub(super) fn missing(settings: &Settings, desk: &Desk) -> Vec<String> {
    let held: BTreeSet<String> = desk
        .secrets
        .list()
        .into_iter()
        .map(|secret| secret.name)
        .collect();
    let mut notes = providers(settings, &held);
    for server in &settings.gateway.servers {
        let values = match &server.reach {
            Reach::Stdio { environment, .. } => environment,
            Reach::Http { headers, .. } | Reach::LegacySse { headers, .. } => headers,
        };
        let signing = server.sign.iter().map(|signed| signed.key.as_str());
        for secret in of(values).chain(signing).filter(|name| !held.contains(*name)) {
            notes.push(lacks("server", server.name.as_str(), secret));
        }
    }
    for peer in &settings.gateway.peers {
        for secret in of(&peer.headers).filter(|name| !held.contains(*name)) {
            notes.push(lacks("peer", peer.name.as_str(), secret));
        }
    }
    if settings.default_upstreams && settings.gateway.servers.is_empty() {
        notes.push(
            "no `[[server]]`: `/mcp` has nothing to offer yet; `bartizan import ~/.cursor/mcp.json --write \
             bartizan.toml` makes a configuration from a client's"
                .to_owned(),
        );
    }
    notes
}

fn providers(settings: &Settings, held: &BTreeSet<String>) -> Vec<String> {
    let wanted = settings.gateway.upstreams.iter().filter_map(|upstream| {
        let secret = match &upstream.credential {
            Credential::Secret(name) => name,
            Credential::Signed(signed) => &signed.key,
            Credential::Client | Credential::None => return None,
        };
        Some((upstream.name.as_str(), secret.as_str()))
    });
    let wanted: Vec<_> = wanted.collect();
    let lacking = wanted.iter().filter(|(_, secret)| !held.contains(*secret));
    if !settings.default_upstreams {
        return lacking
            .map(|(upstream, secret)| lacks("upstream", upstream, secret))
            .collect();
    }
    // Without a file both providers are there; most have a key of one.
    if lacking.count() < wanted.len() {
        return Vec::new();
    }
    let ways: Vec<_> = wanted
        .iter()
        .map(|(_, secret)| format!("`bartizan secret set {secret}`"))
        .collect();
    vec![format!("no provider's key is here yet: {}", ways.join(" or "))]
}

fn of(values: &BTreeMap<String, EnvValue>) -> impl Iterator<Item = &str> {
    values.values().filter_map(|value| match value {
        EnvValue::Secret(name) => Some(name.as_str()),
        EnvValue::Plain(_) => None,
    })
}

fn lacks(kind: &str, name: &str, secret: &str) -> String {
    format!("the {kind} `{name}` wants the secret `{secret}`: `bartizan secret set {secret}`")
}
