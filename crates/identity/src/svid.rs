//! Client certificates as X.509-SVIDs (SPIFFE X509-SVID specification, sections 2 to 5).
//!
//! The handshake proved the leaf's key; here is judged whom the leaf names and who vouches: exactly one URI name, a
//! SPIFFE id with a path; no CA bit; key usage for signatures and not for certificates; a path to the trust bundle of
//! the very domain the id names, whole within its time at `now`. A bundle never vouches for another domain's ids.

use std::{collections::BTreeMap, collections::BTreeSet, fmt, time::Duration};

use aws_lc_rs::digest;
use bartizan_types::{AgentId, AuthMethod, Digest, Issuer, KeyId, Name, Principal, Timestamp};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::{
    Fault, RESERVED_AGENT, Reason, TrustDomain,
    der::{self, SIGNS, SIGNS_CERTIFICATES},
    spiffe::{self, SpiffeId, SpiffeName},
    token::Verified,
};

/// Most certificates a peer may show.
const CHAIN_MAX: usize = 8;
/// Largest certificate, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
/// Most roots of a bundle: a root in use, and what rotation brings.
const ROOTS_MAX: usize = 64;
/// Where agents of our own domain are.
const OWN_PATH: &str = "agent/";

/// What a client showed in the handshake, leaf first. Its key was proven there.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    chain: Vec<CertificateDer<'static>>,
    fingerprint: Digest,
    /// SHA-256 of what the leaf's issuer signed.
    signed: Digest,
    whole: Digest,
}

impl PeerCertificate {
    /// Of the chain the handshake saw; `None` for an empty one.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let leaf = chain.first()?;
        let fingerprint = fingerprint(leaf);
        let signed = der::signed(leaf).map_or(fingerprint, self::fingerprint);
        // Whether it is trusted rests on all that was shown, so that is what a verdict is remembered by.
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"bartizan certificate chain v1\0");
        for der in &chain {
            context.update(&der.len().to_be_bytes());
            context.update(der);
        }
        let whole = hashed(context.finish());
        Some(Self {
            chain,
            fingerprint,
            signed,
            whole,
        })
    }

    /// What records call it, and by what a revocation ends it: the hash of what its issuer signed. Its fingerprint would not
    /// do: whoever shows it may spell the ECDSA signature on it in a second way, (r, n - s), which makes another fingerprint.
    #[must_use]
    pub fn name(&self) -> Option<KeyId> {
        KeyId::new(&format!("x509:{}", self.signed)).ok()
    }

    /// Everything that it may be revoked by: its name, and the fingerprint that other tools print.
    pub(crate) fn names(&self) -> impl Iterator<Item = KeyId> {
        let printed = KeyId::new(&format!("x509:{}", self.fingerprint)).ok();
        self.name().into_iter().chain(printed)
    }

    pub(crate) const fn whole(&self) -> &Digest {
        &self.whole
    }

    /// SHA-256 of the leaf (`x5t#S256`, RFC 8705 section 3.1).
    #[must_use]
    pub const fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerCertificate({})", self.fingerprint)
    }
}

fn fingerprint(der: &[u8]) -> Digest {
    hashed(digest::digest(&digest::SHA256, der))
}

pub(crate) fn hashed(found: digest::Digest) -> Digest {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(found.as_ref()) {
        *slot = *byte;
    }
    Digest(bytes)
}

/// How agents of a trust domain are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// Our own domain: `spiffe://DOMAIN/agent/NAME` is the agent `NAME`.
    Own,
    /// Another's: the path with this in front (`NAMESPACE/ns/prod/sa/mail`).
    Under(String),
}

/// A trust domain and the roots that vouch for it.
#[derive(Debug, Clone)]
pub struct TrustBundle {
    domain: TrustDomain,
    naming: Naming,
    roots: Vec<Root>,
}

#[derive(Debug, Clone)]
struct Root {
    anchor: TrustAnchor<'static>,
    until: Timestamp,
}

/// Why a trust bundle can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleFault {
    /// No root, or too many.
    #[error("a trust bundle has 1 to 64 root certificates")]
    Count,
    /// A root can't be read, or is no CA's.
    #[error("certificate {0} of the trust bundle is no CA certificate")]
    Root(usize),
    /// The namespace's form.
    #[error("a namespace has 1 to 64 letters, digits, `-`, `_` or `.`")]
    Namespace,
}

impl TrustBundle {
    /// From root certificates.
    ///
    /// # Errors
    /// [`BundleFault`]; the caller keeps the bundle it had.
    pub fn new(
        domain: TrustDomain,
        naming: Naming,
        roots: &[CertificateDer<'_>],
    ) -> Result<Self, BundleFault> {
        if roots.is_empty() || roots.len() > ROOTS_MAX {
            return Err(BundleFault::Count);
        }
        if let Naming::Under(space) = &naming {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if !(1..=64).contains(&space.len()) || !space.bytes().all(plain) {
                return Err(BundleFault::Namespace);
            }
        }
        let root = |(at, der): (usize, &CertificateDer<'_>)| {
            let said = der::read(der).ok_or(BundleFault::Root(at))?;
            let anchor = anchor_from_trusted_cert(der).map_err(|_| BundleFault::Root(at))?;
            if !said.is_ca {
                return Err(BundleFault::Root(at));
            }
            Ok(Root {
                anchor: anchor.to_owned(),
                until: said.not_after,
            })
        };
        Ok(Self {
            domain,
            naming,
            roots: roots.iter().enumerate().map(root).collect::<Result<_, _>>()?,
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// Whether the root of this public key still vouches here for an agent of this name.
    pub(crate) fn vouches(&self, anchor: &Digest, agent: &AgentId, now: Timestamp) -> bool {
        let mut roots = self.roots.iter().filter(|root| now < root.until);
        let named = match &self.naming {
            Naming::Own => !agent.as_str().contains('/'),
            Naming::Under(space) => is_under(agent.as_str(), space),
        };
        named && roots.any(|root| spki(&root.anchor) == *anchor)
    }

    fn agent(&self, path: &str) -> Result<AgentId, Reason> {
        let name = match &self.naming {
            Naming::Own => {
                let name = path.strip_prefix(OWN_PATH).ok_or(Reason::CertificateAgent)?;
                if name.contains('/') {
                    return Err(Reason::CertificateAgent);
                }
                name.to_owned()
            }
            Naming::Under(space) => format!("{space}/{path}"),
        };
        if name == RESERVED_AGENT {
            return Err(Reason::AgentReserved);
        }
        Name::new(&name).map_err(|_| Reason::CertificateAgent)
    }
}

/// Whether a name is one of this namespace.
pub(crate) fn is_under(name: &str, space: &str) -> bool {
    name.strip_prefix(space).is_some_and(|rest| rest.starts_with('/'))
}

/// The bundles in force, by domain. Two for one domain, or two that could name the same agent, do not go together.
pub(crate) fn by_domain(bundles: Vec<TrustBundle>) -> Option<BTreeMap<String, TrustBundle>> {
    let mut spaces = BTreeSet::new();
    let mut found = BTreeMap::new();
    for bundle in bundles {
        let space = match &bundle.naming {
            Naming::Own => String::new(),
            Naming::Under(space) => space.clone(),
        };
        if !spaces.insert(space) {
            return None;
        }
        if found.insert(bundle.domain.as_str().to_owned(), bundle).is_some() {
            return None;
        }
    }
    Some(found)
}

/// What a chain says, once it holds.
struct Held<'a> {
    id: SpiffeId,
    bundle: &'a TrustBundle,
    /// The root's public key, hashed.
    anchor: Digest,
    /// When the first of all that vouch for it ends.
    expires: Timestamp,
    /// First moment at which it must be refused.
    until: Timestamp,
}

/// Judges what a client showed, at `now`.
pub(crate) fn verify(
    bundles: &BTreeMap<String, TrustBundle>,
    peer: &PeerCertificate,
    now: Timestamp,
) -> Result<Verified, Fault> {
    let held = hold(bundles, peer, KeyUsage::client_auth(), now)?;
    let unnamed = |_| Reason::CertificateShape;
    Ok(Verified {
        principal: Principal {
            agent: held.bundle.agent(&held.id.path)?,
            user: None,
            act: Vec::new(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new(&format!("spiffe://{}", held.id.domain)).map_err(unnamed)?,
            credential: peer.name().ok_or(Reason::CertificateShape)?,
            rests: peer.names().skip(1).collect(),
            method: AuthMethod::Certificate,
            root: None,
            anchor: Some(held.anchor),
            expires: Some(held.expires),
        },
        until: held.until,
        binding: None,
    })
}

/// Judges what a server showed, at `now`: it is the one expected, and no other of its domain.
pub(crate) fn verify_server(
    bundles: &BTreeMap<String, TrustBundle>,
    peer: &PeerCertificate,
    expected: &SpiffeName,
    now: Timestamp,
) -> Result<(), Fault> {
    let held = hold(bundles, peer, KeyUsage::server_auth(), now)?;
    if held.id == *expected.id() {
        Ok(())
    } else {
        Err(Reason::CertificateId.into())
    }
}

fn spki(anchor: &TrustAnchor<'_>) -> Digest {
    hashed(digest::digest(&digest::SHA256, &anchor.subject_public_key_info))
}

fn hold<'a>(
    bundles: &'a BTreeMap<String, TrustBundle>,
    peer: &PeerCertificate,
    for_what: KeyUsage,
    now: Timestamp,
) -> Result<Held<'a>, Fault> {
    let (leaf, above) = peer.chain.split_first().ok_or(Reason::CertificateShape)?;
    let sized = |der: &CertificateDer<'_>| der.len() <= CERTIFICATE_BYTES_MAX;
    if above.len() >= CHAIN_MAX || !peer.chain.iter().all(sized) {
        return Err(Reason::CertificateShape.into());
    }
    let parsed = EndEntityCert::try_from(leaf).map_err(|_| Reason::CertificateShape)?;
    let said = der::read(leaf).ok_or(Reason::CertificateShape)?;
    let [uri] = said.uris.as_slice() else {
        return Err(Reason::CertificateName.into());
    };
    let uri = std::str::from_utf8(uri).map_err(|_| Reason::CertificateId)?;
    let id = spiffe::parse(uri).ok_or(Reason::CertificateId)?;
    let usage = said.usage.ok_or(Reason::CertificateUsage)?;
    if said.is_ca || usage & SIGNS == 0 || usage & SIGNS_CERTIFICATES != 0 {
        return Err(Reason::CertificateUsage.into());
    }
    let bundle = bundles.get(id.domain.as_str()).ok_or(Reason::CertificateDomain)?;
    let anchors: Vec<TrustAnchor<'_>> = bundle
        .roots
        .iter()
        .filter(|root| now < root.until)
        .map(|root| root.anchor.clone())
        .collect();
    let path = parsed
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            above,
            UnixTime::since_unix_epoch(Duration::from_micros(now.unix_micros())),
            for_what,
            None,
            None,
        )
        .map_err(path_reason)?;
    let mut until = said.not_after;
    for middle in path.intermediate_certificates() {
        let der = middle.der();
        let ends = der::read(&der).ok_or(Reason::CertificateShape)?.not_after;
        until = until.min(ends);
    }
    if now < said.not_before {
        return Err(Reason::CertificateBefore.into());
    }
    let anchor = spki(path.anchor());
    let root = bundle.roots.iter().filter(|root| spki(&root.anchor) == anchor);
    let root = root.map(|root| root.until).max().unwrap_or(until);
    Ok(Held {
        id,
        bundle,
        anchor,
        expires: until.min(root),
        // Both ends of the validity count as within (RFC 5280 section 4.1.2.5).
        until: until.plus_micros(1_000_000),
    })
}

fn path_reason(error: webpki::Error) -> Reason {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => Reason::CertificateOver,
        Error::CertNotValidYet { .. } => Reason::CertificateBefore,
        Error::CaUsedAsEndEntity | Error::RequiredEkuNotFoundContext(_) => Reason::CertificateUsage,
        _ => Reason::CertificatePath,
    }
}
