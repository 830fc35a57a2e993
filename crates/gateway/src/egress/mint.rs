//! Certificates for sites whose tunnels the operator has opened: a root of this installation alone, and short-lived leaves
//! under it, one for each host, made when first wanted.
//!
//! The root is none of workload identity's: another key, another name, no SPIFFE id, so nothing that it signs names an
//! agent. As theirs, its key is on no disk: it is derived from the master key and the root's number.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::hmac;
use bartizan_store::State;
use bartizan_types::{Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs as provider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::authority::{AuthorityFault, PKCS8_ED25519, Root, der, ia5, organization, params};

/// Where the root is kept among the settings.
const SETTING: &str = "interception_authority";
const HOUR_MICROS: u64 = 3600 * 1_000_000;
/// How long a root lasts: everybody has to be told of each.
const ROOT_MICROS: u64 = 2 * 365 * 24 * HOUR_MICROS;
/// How long a leaf lasts; another is made when half of that is over.
const LEAF_MICROS: u64 = 24 * HOUR_MICROS;
/// Hosts whose leaves are kept.
const HELD_MAX: usize = 1024;

/// See the module.
pub(crate) struct Mint {
    seed: hmac::Key,
    held: Mutex<BTreeMap<String, Held>>,
}

#[derive(Clone)]
struct Held {
    config: Arc<ServerConfig>,
    renew: Timestamp,
}

impl Mint {
    /// From [`bartizan_store::Purpose::Interception`].
    pub(crate) fn new(seed: &Secret<[u8; 32]>) -> Self {
        Self {
            seed: hmac::Key::new(hmac::HMAC_SHA256, seed.expose()),
            held: Mutex::default(),
        }
    }

    /// The root, where one was made and holds at `now`.
    ///
    /// # Errors
    /// [`AuthorityFault::State`].
    pub(crate) fn root(&self, state: &State, now: Timestamp) -> Result<Option<Root>, AuthorityFault> {
        Ok(kept(state)?.filter(|root| now < root.until))
    }

    /// Makes a new root in the place of the one before, which signs nothing any more.
    ///
    /// # Errors
    /// [`AuthorityFault`]; nothing changed.
    pub(crate) fn make(&self, state: &State, now: Timestamp) -> Result<Root, AuthorityFault> {
        let number = kept(state)?.map_or(1, |root| root.number.saturating_add(1));
        let until = now.plus_micros(ROOT_MICROS);
        let certificate = self
            .root_params(number, now, until)?
            .self_signed(&self.key(number)?)?;
        let root = Root {
            number,
            certificate: STANDARD.encode(certificate.der()),
            made: now,
            signs: now,
            until,
        };
        state.put_setting(SETTING, &root)?;
        self.forget();
        Ok(root)
    }

    /// Forgets the leaves: there is another root.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    /// What a tunnel to this host speaks TLS with.
    ///
    /// # Errors
    /// [`AuthorityFault::Root`] without a root that holds.
    pub(crate) fn serving(
        &self,
        state: &State,
        host: &str,
        now: Timestamp,
    ) -> Result<Arc<ServerConfig>, AuthorityFault> {
        if let Some(held) = self.lock().get(host).filter(|held| now < held.renew) {
            return Ok(Arc::clone(&held.config));
        }
        let root = self.root(state, now)?.ok_or(AuthorityFault::Root(0))?;
        let until = now.plus_micros(LEAF_MICROS).min(root.until);
        let config = Arc::new(self.config(&root, host, now, until)?);
        let held = Held {
            config: Arc::clone(&config),
            renew: now.plus_micros(until.micros_since(now) / 2),
        };
        let mut all = self.lock();
        if all.len() >= HELD_MAX {
            all.retain(|_, held| now < held.renew);
        }
        if all.len() >= HELD_MAX {
            all.clear();
        }
        all.insert(host.to_owned(), held);
        Ok(config)
    }

    fn config(
        &self,
        root: &Root,
        host: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ServerConfig, AuthorityFault> {
        let mut leaf = params(now, until)?;
        leaf.distinguished_name = organization();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.subject_alt_names = vec![match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(ia5(host)?),
        }];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let above = self.root_params(root.number, root.made, root.until)?;
        let issuer = Issuer::new(above, self.key(root.number)?);
        let chain = vec![leaf.signed_by(&key, &issuer)?.der().clone(), der(root)?];
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let unfit = |_| AuthorityFault::Host(host.to_owned());
        let key = CertifiedKey::from_der(chain, private, &provider::default_provider()).map_err(unfit)?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(One {
                host: host.to_owned(),
                key: Arc::new(key),
            }));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn key(&self, number: u32) -> Result<KeyPair, AuthorityFault> {
        let seed = hmac::sign(&self.seed, format!("interception root {number}").as_bytes());
        let pkcs8 = [&PKCS8_ED25519, seed.as_ref()].concat();
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ED25519);
        Ok(key?)
    }

    fn root_params(
        &self,
        number: u32,
        made: Timestamp,
        until: Timestamp,
    ) -> Result<CertificateParams, AuthorityFault> {
        let mut params = params(made, until)?;
        // So that two installations' roots are told apart where both are trusted.
        let mark = hmac::sign(&self.seed, b"installation");
        let mark: String = mark
            .as_ref()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut name = organization();
        name.push(
            DnType::CommonName,
            format!("web interception {mark} root {number}"),
        );
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(params)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kept(state: &State) -> Result<Option<Root>, AuthorityFault> {
    Ok(state.setting::<Root>(SETTING)?)
}

/// Serves one host, and nobody who asks for another.
#[derive(Debug)]
struct One {
    host: String,
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for One {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = match hello.server_name() {
            Some(name) => name.eq_ignore_ascii_case(&self.host),
            // Clients that go to an address say no name (RFC 6066 section 3).
            None => self.host.parse::<IpAddr>().is_ok(),
        };
        fits.then(|| Arc::clone(&self.key))
    }
}
