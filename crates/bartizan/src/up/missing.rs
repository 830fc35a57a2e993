//! What a gateway lacks to be of use: secrets that its configuration names and the store has not, and servers. And what
//! it was given and does not use: providers' keys of the environment beside upstreams of a file.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_gateway::{
    admin::Desk,
    config::{Credential, EnvValue, Family, Oauth, Reach},
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
        let wanted = of(values).chain(signing).chain(signing_in(&server.oauth));
        for secret in wanted.filter(|name| !held.contains(*name)) {
            notes.push(lacks("server", server.name.as_str(), secret));
        }
    }
    for guard in &settings.gateway.inspect.guards {
        for secret in guard.secret.iter().filter(|name| !held.contains(*name)) {
            notes.push(lacks("guard", &guard.name, secret));
        }
    }
    let webhook = settings.gateway.approvals.webhook.as_ref();
    if let Some(webhook) = webhook.filter(|webhook| !held.contains(&webhook.secret)) {
        notes.push(lacks("webhook", "approvals.webhook", &webhook.secret));
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
    // Where no file names upstreams, the key may come by the environment, too.
    let ways: Vec<_> = wanted
        .iter()
        .map(|(_, secret)| {
            let variable = super::PROVIDERS.iter().find(|(_, name)| name == secret);
            let variable =
                variable.map(|(variable, _)| format!(" (or {variable} of the gateway's environment)"));
            format!("`bartizan secret set {secret}`{}", variable.unwrap_or_default())
        })
        .collect();
    vec![format!("no provider's key is here yet: {}", ways.join(" or "))]
}

/// Secrets that a server's authorization server is shown.
fn signing_in(oauth: &Oauth) -> impl Iterator<Item = &str> {
    let exchange = oauth.exchange.iter();
    let exchange = exchange.flat_map(|exchange| exchange.subject.iter().chain(&exchange.client_secret));
    let own = oauth.client_secret.iter().chain(&oauth.client_key);
    own.chain(exchange).map(String::as_str)
}

/// Providers' keys of the environment that nothing uses, since a file names the upstreams: what is used in their place.
pub(super) fn unused(settings: &Settings, environment: impl Fn(&str) -> bool) -> Vec<String> {
    if settings.default_upstreams {
        return Vec::new();
    }
    let families = [
        ("OPENAI_API_KEY", Family::Openai),
        ("ANTHROPIC_API_KEY", Family::Anthropic),
    ];
    let there = families.into_iter().filter(|(variable, _)| environment(variable));
    there
        .map(|(variable, family)| {
            let upstreams = settings.gateway.upstreams.iter();
            let used: Vec<_> = upstreams
                .filter(|upstream| upstream.family == family)
                .map(|upstream| {
                    let what = match &upstream.credential {
                        Credential::Secret(name) => format!("the secret `{name}`"),
                        Credential::Signed(signed) => format!("the signing key `{}`", signed.key),
                        Credential::Client => "what the agent itself shows".to_owned(),
                        Credential::None => "no credential".to_owned(),
                    };
                    format!("`{}` uses {what}", upstream.name)
                })
                .collect();
            let used = match used.is_empty() {
                true => "none of them is of its family".to_owned(),
                false => used.join(", "),
            };
            format!("{variable} is not used, since the configuration names the upstreams: {used}")
        })
        .collect()
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
