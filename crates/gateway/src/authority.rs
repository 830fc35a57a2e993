//! Our own certificate authority: short-lived X.509-SVIDs for agents and for the listener, under roots that rotate with
//! overlap.
//!
//! A root's key is on no disk: it is derived from the master key and the root's number. Kept are the roots'
//! certificates and their times. A new root is trusted at once and signs only after the overlap, when everybody had the
//! time to fetch it; an old one is trusted for one overlap more, when all it signed has ended.

use std::net::IpAddr;

use aws_lc_rs::hmac;
use bartizan_identity::TrustDomain;
use bartizan_store::{Fault, State};
use bartizan_types::{AgentId, Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::clock;

/// Where the roots are kept among the settings.
const SETTING: &str = "certificate_authority";
const HOUR_MICROS: u64 = 3600 * 1_000_000;
/// How long a root lasts.
const ROOT_MICROS: u64 = 400 * 24 * HOUR_MICROS;
/// How long before a root's end the next one is made by itself.
const ROOT_SPARE_MICROS: u64 = 90 * 24 * HOUR_MICROS;
/// Longest life of what is issued, and how long roots overlap: whatever an old root signed ends within it.
pub const LIFE_HOURS_MAX: u32 = 72;
const OVERLAP_MICROS: u64 = LIFE_HOURS_MAX as u64 * HOUR_MICROS;
/// Clocks of others may be this much behind.
const BACKDATE_MICROS: u64 = 60 * 1_000_000;
/// RFC 8410 section 7: a PKCS#8 Ed25519 key is this and the seed.
pub(crate) const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// A root, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Root {
    /// Its number; its key is derived from it.
    pub number: u32,
    /// Its certificate, DER in base64.
    pub certificate: String,
    /// When it began to be trusted.
    pub made: Timestamp,
    /// From when it signs.
    pub signs: Timestamp,
    /// First moment at which it is no longer trusted.
    pub until: Timestamp,
}

/// Why something can't be issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFault {
    /// The state.
    #[error(transparent)]
    State(#[from] Fault),
    /// The certificate can't be made.
    #[error("the certificate can't be made")]
    Certificate(#[from] rcgen::Error),
    /// A root that was kept can't be read.
    #[error("root {0} can't be read")]
    Root(u32),
    /// The name has no place in a SPIFFE id.
    #[error("`{0}` can't stand in a SPIFFE id: letters, digits, `.`, `-` and `_` can")]
    Name(String),
    /// Longer than what is issued may last.
    #[error("a certificate lasts 1 to {LIFE_HOURS_MAX} hours")]
    Life,
    /// The listener's own name can't be put into a certificate.
    #[error("`{0}` is no host name")]
    Host(String),
}

/// What was issued.
pub struct Issued {
    /// The id.
    pub id: String,
    /// Certificate, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key, PKCS#8.
    pub key: Secret<Vec<u8>>,
    /// Its end.
    pub until: Timestamp,
    /// The number of the root that signed it.
    pub root: u32,
}

/// The authority: a trust domain, and the seed its roots' keys come from.
pub struct Authority {
    domain: TrustDomain,
    seed: hmac::Key,
}

impl Authority {
    /// From [`bartizan_store::Purpose::Authority`].
    #[must_use]
    pub fn new(domain: TrustDomain, seed: &Secret<[u8; 32]>) -> Self {
        Self {
            domain,
            seed: hmac::Key::new(hmac::HMAC_SHA256, seed.expose()),
        }
    }

    /// Whose ids it issues.
    #[must_use]
    pub const fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The roots trusted at `now`, oldest first; empty where nothing was ever issued.
    ///
    /// # Errors
    /// [`AuthorityFault::State`].
    pub fn roots(&self, state: &State, now: Timestamp) -> Result<Vec<Root>, AuthorityFault> {
        let mut roots = self.kept(state)?;
        roots.retain(|root| now < root.until);
        Ok(roots)
    }

    /// The same as certificates.
    ///
    /// # Errors
    /// [`AuthorityFault`].
    pub fn bundle(
        &self,
        state: &State,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityFault> {
        self.roots(state, now)?.iter().map(der).collect()
    }

    /// The number of the root that signs at `now`; `None` where nothing was ever issued.
    ///
    /// # Errors
    /// [`AuthorityFault::State`].
    pub fn signing(&self, state: &State, now: Timestamp) -> Result<Option<u32>, AuthorityFault> {
        let roots = self.roots(state, now)?;
        let signing = roots.iter().rev().find(|root| root.signs <= now);
        Ok(signing.map(|root| root.number))
    }

    fn kept(&self, state: &State) -> Result<Vec<Root>, AuthorityFault> {
        Ok(state
            .setting::<Vec<Root>>(&format!("{SETTING}/{}", self.domain))?
            .unwrap_or_default())
    }

    fn keep(&self, state: &State, roots: &[Root]) -> Result<(), AuthorityFault> {
        Ok(state.put_setting(&format!("{SETTING}/{}", self.domain), &roots)?)
    }

    fn key(&self, number: u32) -> Result<KeyPair, AuthorityFault> {
        let seed = hmac::sign(&self.seed, format!("root {number}").as_bytes());
        let pkcs8 = [&PKCS8_ED25519, seed.as_ref()].concat();
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ED25519);
        Ok(key?)
    }

    fn root(&self, number: u32, now: Timestamp, signs: Timestamp) -> Result<Root, AuthorityFault> {
        let until = now.plus_micros(ROOT_MICROS);
        let params = self.root_params(number, now, until)?;
        let certificate = params.self_signed(&self.key(number)?)?;
        Ok(Root {
            number,
            certificate: STANDARD.encode(certificate.der()),
            made: now,
            signs,
            until,
        })
    }

    fn root_params(
        &self,
        number: u32,
        made: Timestamp,
        until: Timestamp,
    ) -> Result<CertificateParams, AuthorityFault> {
        let mut params = params(made, until)?;
        let mut name = organization();
        name.push(DnType::CommonName, format!("{} root {number}", self.domain));
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![SanType::URI(ia5(&format!("spiffe://{}", self.domain))?)];
        Ok(params)
    }

    /// Brings in a new root. `at_once`: it signs now and the old ones are trusted no more; what they signed is refused
    /// from the next call on.
    ///
    /// # Errors
    /// [`AuthorityFault`]; nothing changed.
    pub fn rotate(&self, state: &State, now: Timestamp, at_once: bool) -> Result<Root, AuthorityFault> {
        let mut roots = self.kept(state)?;
        let number = roots.last().map_or(1, |root| root.number.saturating_add(1));
        let lone = !roots.iter().any(|root| now < root.until);
        let signs = if at_once || lone {
            now
        } else {
            now.plus_micros(OVERLAP_MICROS)
        };
        for root in &mut roots {
            let end = if at_once {
                now
            } else {
                signs.plus_micros(OVERLAP_MICROS)
            };
            root.until = root.until.min(end);
        }
        let root = self.root(number, now, signs)?;
        // The numbers of those that are gone are not used again, so the last always stays.
        roots.retain(|root| now < root.until);
        roots.push(root.clone());
        self.keep(state, &roots)?;
        Ok(root)
    }

    /// The root that signs at `now`; made where there is none, and followed by another where it ends soon.
    fn signer(&self, state: &State, now: Timestamp) -> Result<Root, AuthorityFault> {
        let newest = self.kept(state)?.pop();
        if newest.is_none_or(|root| root.until <= now.plus_micros(ROOT_SPARE_MICROS)) {
            self.rotate(state, now, false)?;
        }
        let mut roots = self.roots(state, now)?;
        roots.retain(|root| root.signs <= now);
        roots.pop().ok_or(AuthorityFault::Root(0))
    }

    /// Issues an agent's SVID, for `hours`.
    ///
    /// # Errors
    /// [`AuthorityFault`].
    pub fn issue(
        &self,
        state: &State,
        agent: &AgentId,
        hours: u32,
        now: Timestamp,
    ) -> Result<Issued, AuthorityFault> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let name = agent.as_str();
        if !name.bytes().all(plain) || [".", "..", "bartizan"].contains(&name) {
            return Err(AuthorityFault::Name(name.to_owned()));
        }
        self.svid(state, &format!("agent/{name}"), Vec::new(), hours, now)
    }

    /// Issues the listener's own certificate, for these hosts.
    ///
    /// # Errors
    /// [`AuthorityFault`].
    pub fn issue_listener(
        &self,
        state: &State,
        hosts: &[String],
        hours: u32,
        now: Timestamp,
    ) -> Result<Issued, AuthorityFault> {
        let name = |host: &String| match host.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => ia5(host)
                .map(SanType::DnsName)
                .map_err(|_| AuthorityFault::Host(host.clone())),
        };
        let names = hosts.iter().map(name).collect::<Result<_, _>>()?;
        self.svid(state, "gateway", names, hours, now)
    }

    fn svid(
        &self,
        state: &State,
        path: &str,
        names: Vec<SanType>,
        hours: u32,
        now: Timestamp,
    ) -> Result<Issued, AuthorityFault> {
        if !(1..=LIFE_HOURS_MAX).contains(&hours) {
            return Err(AuthorityFault::Life);
        }
        let root = self.signer(state, now)?;
        let until = now.plus_micros(u64::from(hours) * HOUR_MICROS).min(root.until);
        let id = format!("spiffe://{}/{path}", self.domain);
        let mut leaf = params(now, until)?;
        // Not empty: strict clients want the names critical beside an empty subject.
        leaf.distinguished_name = organization();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        leaf.use_authority_key_identifier_extension = true;
        leaf.subject_alt_names = vec![SanType::URI(ia5(&id)?)];
        leaf.subject_alt_names.extend(names);
        // ECDSA for leaves, which every TLS library has.
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let above = self.root_params(root.number, root.made, root.until)?;
        let issuer = Issuer::new(above, self.key(root.number)?);
        let certificate = leaf.signed_by(&key, &issuer)?;
        Ok(Issued {
            id,
            chain: vec![certificate.der().clone()],
            key: Secret::new(key.serialize_der()),
            until,
            root: root.number,
        })
    }
}

impl Issued {
    /// The key as rustls takes it.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.expose().clone()))
    }
}

pub(crate) fn organization() -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Bartizan");
    name
}

pub(crate) fn params(made: Timestamp, until: Timestamp) -> Result<CertificateParams, AuthorityFault> {
    let date = |at: Timestamp| {
        let seconds = i64::try_from(at.unix_seconds()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| AuthorityFault::Life)
    };
    let mut params = CertificateParams::default();
    let from = made.unix_micros().saturating_sub(BACKDATE_MICROS);
    params.not_before = date(Timestamp::from_unix_micros(from))?;
    params.not_after = date(until)?;
    // 127 bits and never negative (RFC 5280 section 4.1.2.2).
    let mut serial = clock::random::<16>();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

pub(crate) fn ia5(text: &str) -> Result<rcgen::string::Ia5String, AuthorityFault> {
    text.try_into().map_err(|_| AuthorityFault::Name(text.to_owned()))
}

pub(crate) fn der(root: &Root) -> Result<CertificateDer<'static>, AuthorityFault> {
    STANDARD
        .decode(&root.certificate)
        .map(CertificateDer::from)
        .map_err(|_| AuthorityFault::Root(root.number))
}

/// PEM (RFC 7468) of something in DER.
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let encoded = STANDARD.encode(der);
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
