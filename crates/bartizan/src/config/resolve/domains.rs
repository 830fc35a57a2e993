//! Trust domains: our own and others'.

use std::path::Path;

use bartizan_gateway::{Domains, IssuerSource, KeysAt, config as gateway};
use bartizan_identity::{IssuerConfig, TrustDomain};

use super::Wrong;
use crate::config::file::{ClientCertificates, ConfigFile, IssuedBy};

fn name(key: &str, text: &str, wrong: &mut Wrong<'_>) -> Option<TrustDomain> {
    match TrustDomain::new(text) {
        Ok(domain) => Some(domain),
        Err(fault) => {
            wrong.add(key, text, fault.to_string(), "");
            None
        }
    }
}

/// What `[identity]` and `[[spiffe]]` say.
pub(super) fn domains(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Option<Domains> {
    let own = name("identity.trust_domain", &file.identity.trust_domain, wrong);
    let mut foreign: Vec<gateway::Foreign> = Vec::new();
    for spiffe in &file.spiffe {
        let Some(domain) = name("spiffe.trust_domain", &spiffe.trust_domain, wrong) else {
            continue;
        };
        let namespace = spiffe.namespace.clone().unwrap_or_else(|| domain.to_string());
        let bundle = match &spiffe.bundle {
            Some(bundle) => gateway::BundleAt::File(base.join(bundle)),
            None => gateway::BundleAt::WorkloadApi,
        };
        if bundle == gateway::BundleAt::WorkloadApi && file.identity.workload_api.is_none() {
            let text =
                format!("the trust domain `{domain}` has no `bundle`, and there is no Workload API to ask");
            let help = "set `bundle`, or `[identity] workload_api`";
            wrong.add("spiffe.bundle", &spiffe.trust_domain, text, help);
        }
        foreign.push(gateway::Foreign {
            domain,
            namespace,
            bundle,
        });
    }
    for (at, one) in foreign.iter().enumerate() {
        let earlier = foreign.iter().take(at);
        let mut taken = earlier.clone().any(|other| other.domain == one.domain);
        taken |= Some(&one.domain) == own.as_ref();
        if taken {
            let text = "a trust domain has one trust bundle, and ours has our own".to_owned();
            wrong.add("spiffe.trust_domain", one.domain.as_str(), text, "");
        }
        let issuers = file.jwt.iter().filter_map(|jwt| jwt.namespace.as_ref());
        let mut spaces = earlier.map(|other| &other.namespace).chain(issuers);
        if spaces.any(|space| *space == one.namespace) {
            let text = format!("the namespace `{}` is another's already", one.namespace);
            wrong.add(
                "spiffe.namespace",
                &one.namespace,
                text,
                "set `[[spiffe]] namespace`",
            );
        }
    }
    Some(Domains { own: own?, foreign })
}

/// Trust domains whose JWT-SVIDs are taken; what is wrong is collected.
pub(super) fn issuers(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Vec<IssuerSource> {
    let mut all = Vec::new();
    for spiffe in &file.spiffe {
        let Some(keys) = &spiffe.jwt_keys else {
            if !spiffe.jwt_audience.is_empty() {
                let message = "`jwt_audience` goes with `jwt_keys`".to_owned();
                wrong.add("spiffe.jwt_audience", &spiffe.trust_domain, message, "");
            }
            continue;
        };
        // Whoever changes keys on the way names agents.
        let source = if keys.contains("://") {
            wrong
                .url("spiffe.jwt_keys", keys, &["https"])
                .map(KeysAt::Address)
        } else {
            Some(KeysAt::File(base.join(keys)))
        };
        let domain = TrustDomain::new(&spiffe.trust_domain).ok();
        let config = domain.map(|domain| IssuerConfig::svids(domain, spiffe.jwt_audience.clone()));
        let Some((source, Ok(mut config))) = source.zip(config) else {
            continue;
        };
        if let Some(namespace) = &spiffe.namespace {
            config.namespace = Some(namespace.clone());
        }
        if let Err(fault) = config.check() {
            wrong.add(
                "spiffe",
                &spiffe.trust_domain,
                fault.to_string(),
                "set `jwt_audience`",
            );
        }
        all.push(IssuerSource::new(config, source));
    }
    all
}

/// The Workload API: a unix socket, since whoever can change what it says on the way says who we are.
fn workload_api(file: &ConfigFile, wrong: &mut Wrong<'_>) -> Option<gateway::WorkloadApi> {
    let identity = &file.identity;
    let Some(text) = &identity.workload_api else {
        if identity.workload_api_uid.is_some() {
            let message = "`workload_api_uid` goes with `workload_api`".to_owned();
            wrong.add("identity.workload_api_uid", "workload_api_uid", message, "");
        }
        return None;
    };
    let path = text.strip_prefix("unix://").filter(|path| path.starts_with('/'));
    let Some(path) = path else {
        let message = format!("`{text}` is no unix socket with its whole path");
        let help = "write it as `unix:///run/spire/agent/public/api.sock`";
        wrong.add("identity.workload_api", text, message, help);
        return None;
    };
    Some(gateway::WorkloadApi {
        socket: path.into(),
        user: identity.workload_api_uid,
    })
}

/// TLS of the listener, and the Workload API that may issue for it.
pub(super) fn listening(
    file: &ConfigFile,
    base: &Path,
    wrong: &mut Wrong<'_>,
) -> (Option<gateway::TlsListen>, Option<gateway::WorkloadApi>) {
    (tls(file, base, wrong), workload_api(file, wrong))
}

/// TLS of the listener: both files or neither.
fn tls(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Option<gateway::TlsListen> {
    let tls = file.listen.tls.as_ref()?;
    let by_workload_api = tls.issued_by == IssuedBy::WorkloadApi;
    let key = match (&tls.certificates, &tls.key) {
        (None, None) if by_workload_api => {
            if file.identity.workload_api.is_none() {
                let text = "there is no Workload API that could issue it".to_owned();
                wrong.add(
                    "listen.tls.issued_by",
                    "issued_by",
                    text,
                    "set `[identity] workload_api`",
                );
            }
            gateway::TlsKey::WorkloadApi
        }
        (_, _) if by_workload_api => {
            let text = "`issued_by` goes without `certificates` and `key`".to_owned();
            wrong.add("listen.tls.issued_by", "issued_by", text, "");
            return None;
        }
        (Some(certificates), Some(key)) => gateway::TlsKey::Files {
            certificates: base.join(certificates),
            key: base.join(key),
        },
        (None, None) => gateway::TlsKey::Issued,
        _ => {
            let text = "`certificates` and `key` go together".to_owned();
            wrong.add(
                "listen.tls",
                "tls",
                text,
                "leave both out for a certificate of our own authority",
            );
            return None;
        }
    };
    Some(gateway::TlsListen {
        key,
        clients: match tls.clients {
            ClientCertificates::None => gateway::ClientCertificates::None,
            ClientCertificates::Optional => gateway::ClientCertificates::Optional,
            ClientCertificates::Required => gateway::ClientCertificates::Required,
        },
    })
}
