//! TLS of the agents' listener: a certificate that changes while serving, and clients' certificates.
//!
//! The handshake proves that a client holds its certificate's key. Whom the certificate names and who vouches is judged
//! by `identity` on every request, so that a rotated bundle or an expired leaf counts on the next call of a connection
//! that is already open, and a refusal has its code instead of a broken handshake.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use bartizan_identity::PeerCertificate;
use bartizan_types::Timestamp;
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    server::{
        ClientHello, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::{
    Shared, StartFault,
    authority::Authority,
    clock,
    config::{ClientCertificates, TlsKey, TlsListen},
};

/// How often files and times are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the listener's own certificate lasts; it is renewed at half of that.
const OWN_HOURS: u32 = 24;

/// The certificate a connection showed, put beside its requests.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Arc<PeerCertificate>);

/// The listener's certificate, as long as it serves.
pub(crate) struct ListenerKey {
    from: TlsKey,
    hosts: Vec<String>,
    held: ArcSwapOption<Serving>,
    /// When the files were last changed, or when the certificate must be renewed.
    due: Mutex<Due>,
}

struct Serving {
    key: Arc<CertifiedKey>,
    /// Then it is served no more; none is that it is replaced before.
    until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Somebody hands it in.
    Given,
    Changed(Option<SystemTime>, Option<SystemTime>),
    /// At that moment, or as soon as another root of ours signs.
    At(Timestamp, u32),
}

impl std::fmt::Debug for ListenerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerKey")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ListenerKey {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let serving = self.held.load_full()?;
        let over = serving.until.is_some_and(|until| until <= clock::now());
        (!over).then(|| Arc::clone(&serving.key))
    }
}

/// What makes certificates: where they are issued by us.
pub(crate) struct Issuing<'a> {
    /// The authority.
    pub(crate) authority: &'a Authority,
    /// Its state.
    pub(crate) state: &'a bartizan_store::State,
}

impl Issuing<'_> {
    /// Whether another root signs now: what this one signed may be believed no more. A state that can't be read says
    /// nothing.
    fn signs_by_another(&self, root: u32) -> bool {
        let signing = self.authority.signing(self.state, clock::now());
        matches!(signing, Ok(Some(number)) if number != root)
    }
}

impl ListenerKey {
    pub(crate) fn open(
        listen: &TlsListen,
        hosts: Vec<String>,
        issuing: &Issuing<'_>,
    ) -> Result<Arc<Self>, String> {
        let (key, due) = load(&listen.key, &hosts, issuing)?;
        Ok(Arc::new(Self {
            from: listen.key.clone(),
            hosts,
            held: ArcSwapOption::from_pointee(key.map(|key| Serving {
                key: Arc::new(key),
                until: None,
            })),
            due: Mutex::new(due),
        }))
    }

    /// Serves what was handed in, until its end. Nothing happens where the certificate comes from elsewhere.
    pub(crate) fn take(&self, key: Arc<CertifiedKey>, until: Timestamp) {
        if self.from == TlsKey::WorkloadApi {
            self.held.store(Some(Arc::new(Serving {
                key,
                until: Some(until),
            })));
        }
    }

    /// Takes up changed files, or renews what is half over or signed by a root that signs no more. True where it did.
    fn look(&self, issuing: &Issuing<'_>) -> Result<bool, String> {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = match (due, &self.from) {
            (Due::Given, _) => true,
            (Due::At(at, root), _) => clock::now() < at && !issuing.signs_by_another(root),
            (due, TlsKey::Files { certificates, key }) => stamp(certificates, key) == due,
            (_, TlsKey::Issued | TlsKey::WorkloadApi) => false,
        };
        if stays {
            return Ok(false);
        }
        let (key, next) = load(&self.from, &self.hosts, issuing)?;
        let serving = |key| {
            Arc::new(Serving {
                key: Arc::new(key),
                until: None,
            })
        };
        self.held.store(key.map(serving));
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }
}

fn stamp(certificates: &PathBuf, key: &PathBuf) -> Due {
    let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    Due::Changed(changed(certificates), changed(key))
}

/// The certificate, where there is one already, and when to look again.
type Loaded = (Option<CertifiedKey>, Due);

fn load(from: &TlsKey, hosts: &[String], issuing: &Issuing<'_>) -> Result<Loaded, String> {
    let (chain, key, due) = match from {
        TlsKey::WorkloadApi => return Ok((None, Due::Given)),
        TlsKey::Files { certificates, key } => {
            // Stamped before reading: what changes meanwhile is read again.
            let due = stamp(certificates, key);
            let chain = CertificateDer::pem_file_iter(certificates)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|fault| format!("`{}`: {fault}", certificates.display()))?;
            let key =
                PrivateKeyDer::from_pem_file(key).map_err(|fault| format!("`{}`: {fault}", key.display()))?;
            (chain, key, due)
        }
        TlsKey::Issued => {
            let now = clock::now();
            let issued = issuing
                .authority
                .issue_listener(issuing.state, hosts, OWN_HOURS, now)
                .map_err(|fault| fault.to_string())?;
            let half = now.plus_micros(issued.until.micros_since(now) / 2);
            let due = Due::At(half, issued.root);
            (issued.chain.clone(), issued.private_key(), due)
        }
    };
    // Also compares the key with the leaf's, so that half of a change is not served.
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|fault| fault.to_string())?;
    Ok((Some(key), due))
}

/// What the listener speaks TLS with.
pub(crate) fn acceptor(
    key: Arc<ListenerKey>,
    clients: ClientCertificates,
    protocols: &[&str],
) -> TlsAcceptor {
    let builder = ServerConfig::builder();
    let mut config = match clients {
        ClientCertificates::None => builder.with_no_client_auth().with_cert_resolver(key),
        ClientCertificates::Optional | ClientCertificates::Required => builder
            .with_client_cert_verifier(Arc::new(KeyProven {
                algorithms: CryptoProvider::get_default().map_or_else(
                    || aws_lc_rs::default_provider().signature_verification_algorithms,
                    |provider| provider.signature_verification_algorithms,
                ),
                required: clients == ClientCertificates::Required,
            }))
            .with_cert_resolver(key),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Takes any certificate whose key the client proves; `identity` judges it on every request.
#[derive(Debug)]
struct KeyProven {
    algorithms: WebPkiSupportedAlgorithms,
    required: bool,
}

impl ClientCertVerifier for KeyProven {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Bundles change while serving; without hints a client shows the certificate it has.
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Bundles of other trust domains, from files, each with a stamp of what was read.
pub(crate) fn read_bundle(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|fault| format!("`{}`: {fault}", path.display()))
}

/// Looks after the listener's certificate and the trust bundles until `stop`.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    key: Option<Arc<ListenerKey>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut seen = shared.directory.bundle_stamp(&shared.state, clock::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let issuing = Issuing {
            authority: shared.directory.authority(),
            state: &shared.state,
        };
        match key.as_ref().map(|key| key.look(&issuing)) {
            Some(Ok(true)) => tracing::info!("the listener's certificate was renewed"),
            Some(Err(reason)) => tracing::error!(%reason, "the listener's certificate in use stays"),
            Some(Ok(false)) | None => {}
        }
        let now = shared.directory.bundle_stamp(&shared.state, clock::now());
        if now != seen {
            match shared.reload_registry() {
                Ok(()) => tracing::info!("trust bundles were read again"),
                Err(fault) => tracing::error!(error = %fault, "the registry in force stays"),
            }
        }
        if shared.config.calls_workloads() && shared.config.workload_api.is_none() {
            let done = if now == seen {
                shared.own.renew(&issuing)
            } else {
                shared.own.reissue(&issuing).map(|()| true)
            };
            match done {
                Ok(true) => tracing::info!("the SVID that upstreams are shown was renewed"),
                Ok(false) => {}
                Err(reason) => tracing::error!(%reason, "the SVID that upstreams are shown stays"),
            }
        }
        seen = now;
    }
}

/// What the proxy speaks TLS with, by the same key: HTTP/1.1 alone, since its connections become tunnels.
pub(crate) fn of_proxy(key: &Arc<ListenerKey>, listen: &crate::config::Listen) -> TlsAcceptor {
    let clients = listen
        .tls
        .as_ref()
        .map_or(ClientCertificates::None, |tls| tls.clients);
    acceptor(Arc::clone(key), clients, &["http/1.1"])
}

/// A listener without TLS keeps no key; one whose key can't be read does not start.
pub(crate) fn open(
    listen: &crate::config::Listen,
    issuing: &Issuing<'_>,
) -> Result<Option<(Arc<ListenerKey>, TlsAcceptor)>, StartFault> {
    let Some(tls) = &listen.tls else {
        return Ok(None);
    };
    let mut hosts: Vec<String> = vec!["localhost".to_owned(), listen.address.ip().to_string()];
    let bare = |host: &String| {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        (if is_port { name } else { host })
            .trim_matches(['[', ']'])
            .to_owned()
    };
    hosts.extend(listen.hosts.iter().map(bare));
    hosts.sort();
    hosts.dedup();
    let key = ListenerKey::open(tls, hosts, issuing).map_err(|reason| StartFault::Tls { reason })?;
    let acceptor = acceptor(Arc::clone(&key), tls.clients, &["h2", "http/1.1"]);
    Ok(Some((key, acceptor)))
}

#[cfg(test)]
mod tests {
    use bartizan_identity::TrustDomain;
    use bartizan_store::{State, StateDir};
    use bartizan_types::Secret;

    use super::*;

    #[test]
    fn the_listeners_own_certificate_follows_the_root_that_signs() {
        let at = tempfile::tempdir().unwrap();
        let dir = StateDir::open(&at.path().join("s")).unwrap();
        let state = State::open(&dir).unwrap();
        let authority = Authority::new(TrustDomain::default(), &Secret::new([4; 32]));
        let issuing = Issuing {
            authority: &authority,
            state: &state,
        };
        let listen = TlsListen {
            key: TlsKey::Issued,
            clients: ClientCertificates::None,
        };
        let key = ListenerKey::open(&listen, vec!["localhost".to_owned()], &issuing).unwrap();
        assert_eq!(key.look(&issuing), Ok(false));
        // The next root is trusted and signs nothing yet.
        authority.rotate(&state, clock::now(), false).unwrap();
        assert_eq!(key.look(&issuing), Ok(false));
        authority.rotate(&state, clock::now(), true).unwrap();
        assert_eq!(key.look(&issuing), Ok(true));
        assert_eq!(key.look(&issuing), Ok(false));
    }
}
