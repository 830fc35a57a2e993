//! Trust domains: our own and others'.

use std::path::Path;

use bartizan_gateway::{Domains, config as gateway};
use bartizan_identity::TrustDomain;

use super::Wrong;
use crate::config::file::{ClientCertificates, ConfigFile};

/// What `[identity]` and `[[spiffe]]` say.
pub(super) fn domains(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Option<Domains> {
    let mut name = |key: &str, text: &str| match TrustDomain::new(text) {
        Ok(domain) => Some(domain),
        Err(fault) => {
            wrong.add(key, text, fault.to_string(), "");
            None
        }
    };
    let own = name("identity.trust_domain", &file.identity.trust_domain);
    let mut foreign: Vec<gateway::Foreign> = Vec::new();
    for spiffe in &file.spiffe {
        let Some(domain) = name("spiffe.trust_domain", &spiffe.trust_domain) else {
            continue;
        };
        let namespace = spiffe.namespace.clone().unwrap_or_else(|| domain.to_string());
        foreign.push(gateway::Foreign {
            domain,
            namespace,
            bundle: base.join(&spiffe.bundle),
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

/// TLS of the listener: both files or neither.
pub(super) fn tls(file: &ConfigFile, base: &Path, wrong: &mut Wrong<'_>) -> Option<gateway::TlsListen> {
    let tls = file.listen.tls.as_ref()?;
    let key = match (&tls.certificates, &tls.key) {
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
