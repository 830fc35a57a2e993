//! Model providers and the names of models.

use std::{collections::BTreeSet, path::Path};

use bartizan_gateway::config as gateway;
use bartizan_types::{ModelName, UpstreamName};

use super::Wrong;
use crate::config::{
    file::{self, ConfigFile},
    signing,
};

/// A name of its own, without what separates it from a model's, and one way to the credential.
fn upstream_rules(
    upstream: &file::Upstream,
    name: &UpstreamName,
    seen: &mut BTreeSet<UpstreamName>,
    wrong: &mut Wrong<'_>,
) {
    if upstream.name.contains('/') {
        wrong.add(
            "upstream.name",
            &upstream.name,
            "a `/` can't be in an upstream's name".to_owned(),
            "",
        );
    }
    if !seen.insert(name.clone()) {
        wrong.add(
            "upstream.name",
            &upstream.name,
            format!("two upstreams are called `{name}`"),
            "",
        );
    }
    let unused = matches!(
        upstream.credential,
        file::Credential::Client | file::Credential::None
    );
    if upstream.secret.is_some() && unused {
        let hint = "leave `credential` out to send the secret";
        wrong.add(
            "upstream.secret",
            "secret",
            "`secret` and `credential` contradict each other".to_owned(),
            hint,
        );
    }
}

/// Every provider; what is wrong is collected.
pub(super) fn upstreams(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Vec<gateway::Upstream> {
    let built_in = |name: &str, api, url: &str| file::Upstream {
        name: name.to_owned(),
        api,
        url: url.to_owned(),
        secret: None,
        credential: file::Credential::Secret,
        aws: None,
        google: None,
        v1_paths: true,
        spiffe_id: None,
        roots: None,
    };
    let defaults = [
        built_in("openai", file::Api::Openai, "https://api.openai.com"),
        built_in("anthropic", file::Api::Anthropic, "https://api.anthropic.com"),
    ];
    let listed: &[file::Upstream] = if file.upstream.is_empty() {
        &defaults
    } else {
        &file.upstream
    };
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for upstream in listed {
        let name = wrong.name("upstream.name", &upstream.name);
        let url = wrong.url("upstream.url", &upstream.url, &["http", "https"]);
        let (Some(name), Some(url)): (Option<UpstreamName>, _) = (name, url) else {
            continue;
        };
        upstream_rules(upstream, &name, &mut seen, wrong);
        let Some(credential) = credential(upstream, wrong) else {
            continue;
        };
        let family = match upstream.api {
            file::Api::Openai => gateway::Family::Openai,
            file::Api::Anthropic => gateway::Family::Anthropic,
        };
        let spiffe_id = super::workload(
            ("upstream", &upstream.url),
            (upstream.spiffe_id.as_deref(), upstream.roots.is_some()),
            file,
            wrong,
        );
        let roots = upstream.roots.as_ref().map(|roots| base.join(roots));
        all.push(gateway::Upstream {
            name,
            family,
            url,
            credential,
            roots,
            spiffe_id,
            v1_paths: upstream.v1_paths,
        });
    }
    all
}

/// Whose credential an upstream is shown; what is wrong is collected.
fn credential(upstream: &file::Upstream, wrong: &mut Wrong<'_>) -> Option<gateway::Credential> {
    let at = signing::At {
        table: "upstream",
        name: &upstream.name,
        url: &upstream.url,
        secret: upstream.secret.as_ref(),
        aws: upstream.aws.as_ref(),
        google: upstream.google.as_ref(),
    };
    let is = |credential| upstream.credential == credential;
    at.unused([is(file::Credential::Aws), is(file::Credential::Google)], wrong);
    Some(match upstream.credential {
        file::Credential::Secret => {
            gateway::Credential::Secret(upstream.secret.clone().unwrap_or_else(|| upstream.name.clone()))
        }
        file::Credential::Aws | file::Credential::Google => {
            let signed = if is(file::Credential::Aws) {
                at.aws(wrong)
            } else {
                at.google(wrong)
            };
            gateway::Credential::Signed(signed?)
        }
        file::Credential::Client => gateway::Credential::Client,
        file::Credential::None => gateway::Credential::None,
    })
}

/// Every name of a model; what is wrong is collected.
pub(super) fn models(
    file: &ConfigFile,
    upstreams: &[gateway::Upstream],
    wrong: &mut Wrong<'_>,
) -> Vec<gateway::ModelRoute> {
    let mut all: Vec<gateway::ModelRoute> = Vec::new();
    for model in &file.model {
        let Some(name): Option<ModelName> = wrong.name("model.name", &model.name) else {
            continue;
        };
        let single = model.upstream.as_ref().map(|upstream| file::Target {
            upstream: upstream.clone(),
            model: model.model.clone(),
        });
        if single.is_some() != model.targets.is_empty() || (single.is_none() && model.model.is_some()) {
            let message = format!("`{name}` needs either `upstream` (and `model`) or `targets`");
            wrong.add("model", &model.name, message, "");
            continue;
        }
        if all.iter().any(|earlier| earlier.name == name) {
            wrong.add(
                "model.name",
                &model.name,
                format!("two models are called `{name}`"),
                "",
            );
        }
        let mut targets = Vec::new();
        for target in single.iter().chain(&model.targets) {
            let known = upstreams
                .iter()
                .find(|upstream| upstream.name.as_str() == target.upstream);
            let Some(known) = known else {
                let message = format!("there is no upstream `{}`", target.upstream);
                wrong.add(
                    "model.upstream",
                    &target.upstream,
                    message,
                    "add it with `[[upstream]]`",
                );
                continue;
            };
            let model: Option<ModelName> = match &target.model {
                Some(model) => wrong.name("model.model", model),
                None => Some(name.clone()),
            };
            targets.extend(model.map(|model| gateway::ModelTarget {
                upstream: known.name.clone(),
                model,
            }));
        }
        all.push(gateway::ModelRoute { name, targets });
    }
    all
}
