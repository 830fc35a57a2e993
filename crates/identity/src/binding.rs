//! What a request shows, put together: a credential, the certificate of its connection, a proof of possession.
//!
//! A token that names a key (`cnf`, RFC 7800) is good for whoever shows that key and for nobody else: a certificate
//! (RFC 8705) or a DPoP proof (RFC 9449). Where several things are shown they must agree.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bartizan_types::Digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{Credential, PeerCertificate, Reason, dpop::ProofOf};

/// Everything a request shows of its sender.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// What its headers carry.
    pub credential: Credential<'a>,
    /// What its connection showed in the handshake.
    pub certificate: Option<&'a PeerCertificate>,
    /// The DPoP proof and the request it must be of; `None` without a `DPoP` header.
    pub proof: Option<ProofOf<'a>>,
}

impl<'a> Presented<'a> {
    /// A credential alone.
    #[must_use]
    pub const fn bare(credential: Credential<'a>) -> Self {
        Self {
            credential,
            certificate: None,
            proof: None,
        }
    }
}

/// What a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// SHA-256 of a certificate.
    certificate: Option<Digest>,
    /// SHA-256 thumbprint of a public key (RFC 7638).
    key: Option<Digest>,
    /// A certificate of the agent, or of whom the first link was handed to: who stands in a link that we signed.
    first_holder: bool,
}

impl Binding {
    /// From `cnf`. One of a kind we can't confirm refuses the token: it must not become an unbound one.
    pub(crate) fn read(claims: &Map<String, Value>) -> Result<Option<Self>, Reason> {
        let Some(cnf) = claims.get("cnf") else {
            return Ok(None);
        };
        let cnf = cnf.as_object().ok_or(Reason::BindingShape)?;
        let known = |member: &String| ["jkt", "x5t#S256"].contains(&member.as_str());
        if cnf.is_empty() || !cnf.keys().all(known) {
            return Err(Reason::BindingShape);
        }
        let hash = |member: &str| match cnf.get(member) {
            None => Ok(None),
            Some(value) => {
                let bytes = value.as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
                let hash = bytes.and_then(|bytes| bytes.try_into().ok());
                hash.map(|hash| Some(Digest(hash))).ok_or(Reason::BindingShape)
            }
        };
        Ok(Some(Self {
            certificate: hash("x5t#S256")?,
            key: hash("jkt")?,
            first_holder: false,
        }))
    }

    /// Of what hangs on a credential that was shown with a certificate.
    pub(crate) const fn to_first_holder() -> Self {
        Self {
            certificate: None,
            key: None,
            first_holder: true,
        }
    }

    /// Whether it names this certificate.
    pub(crate) fn is_of(&self, certificate: &PeerCertificate) -> bool {
        self.certificate
            .as_ref()
            .is_some_and(|hash| equal(hash, certificate.fingerprint()))
    }

    /// The key a proof must be by.
    pub(crate) const fn key(&self) -> Option<&Digest> {
        self.key.as_ref()
    }

    /// Whether only the one of the first link may stand in for the agent: later names were not chosen by us.
    pub(crate) const fn is_to_first_holder(&self) -> bool {
        self.first_holder
    }

    /// That the certificate it names was shown.
    pub(crate) fn check_certificate(&self, shown: Option<&PeerCertificate>) -> Result<(), Reason> {
        match (&self.certificate, shown) {
            (None, None) if self.first_holder => Err(Reason::BindingCertificate),
            (None, _) => Ok(()),
            (Some(hash), Some(shown)) if equal(hash, shown.fingerprint()) => Ok(()),
            (Some(_), _) => Err(Reason::BindingCertificate),
        }
    }
}

pub(crate) fn equal(one: &Digest, other: &Digest) -> bool {
    verify_slices_are_equal(&one.0, &other.0).is_ok()
}
