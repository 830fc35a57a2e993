//! SPIFFE ids (SPIFFE-ID specification, sections 2.1 to 2.4): one spelling, or none.

use std::fmt;

/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 2048;
/// Longest trust domain, in bytes.
const DOMAIN_BYTES_MAX: usize = 255;

/// A trust domain's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

impl Default for TrustDomain {
    /// Ours, where nobody named it.
    fn default() -> Self {
        Self("bartizan.internal".to_owned())
    }
}

/// Not a trust domain's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trust domain has 1 to 255 lower-case letters, digits, `.`, `-` or `_`")]
pub struct TrustDomainFault;

impl TrustDomain {
    /// From its name alone, without `spiffe://`.
    ///
    /// # Errors
    /// [`TrustDomainFault`].
    pub fn new(text: &str) -> Result<Self, TrustDomainFault> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if (1..=DOMAIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TrustDomainFault)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A workload's id: a trust domain and a path that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpiffeId {
    pub(crate) domain: TrustDomain,
    /// Without the first `/`.
    pub(crate) path: String,
}

/// A workload's id in its one spelling: whom an upstream has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiffeName(SpiffeId);

/// Not a SPIFFE id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SPIFFE id is `spiffe://DOMAIN/PATH`, without port, query, empty or dotted segments")]
pub struct SpiffeNameFault;

impl SpiffeName {
    /// From `spiffe://DOMAIN/PATH` (SPIFFE-ID specification, section 2).
    ///
    /// # Errors
    /// [`SpiffeNameFault`].
    pub fn new(text: &str) -> Result<Self, SpiffeNameFault> {
        parse(text).map(Self).ok_or(SpiffeNameFault)
    }

    /// Its trust domain.
    #[must_use]
    pub const fn domain(&self) -> &TrustDomain {
        &self.0.domain
    }

    pub(crate) const fn id(&self) -> &SpiffeId {
        &self.0
    }
}

impl fmt::Display for SpiffeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.0.domain, self.0.path)
    }
}

/// Reads an id. Scheme and domain in lower case, no port, no user, no query, no fragment, no percent signs, no empty
/// or dotted segment: whatever two readers could read in two ways.
pub(crate) fn parse(text: &str) -> Option<SpiffeId> {
    if text.len() > ID_BYTES_MAX {
        return None;
    }
    let (domain, path) = text.strip_prefix("spiffe://")?.split_once('/')?;
    let segment = |segment: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        !["", ".", ".."].contains(&segment) && segment.bytes().all(plain)
    };
    path.split('/').all(segment).then_some(())?;
    Some(SpiffeId {
        domain: TrustDomain::new(domain).ok()?,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        for good in [
            "spiffe://a/b",
            "spiffe://example.org/ns/prod/sa/mail_1",
            "spiffe://a-b.c/.hidden",
        ] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "spiffe://",
            "spiffe:///b",
            "spiffe://a",
            "spiffe://a/",
            "spiffe://a//b",
            "spiffe://a/b/",
            "spiffe://a/../b",
            "spiffe://a/./b",
            "spiffe://A/b",
            "SPIFFE://a/b",
            "spiffe://a:1/b",
            "spiffe://u@a/b",
            "spiffe://a/b?c",
            "spiffe://a/b#c",
            "spiffe://a/%62",
            "spiffe://a/b c",
            "spiffe://a/é",
            "https://a/b",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(parse(&format!("spiffe://a/{}", "b".repeat(2048))).is_none());
        assert!(parse(&format!("spiffe://{}/b", "a".repeat(256))).is_none());
    }
}
