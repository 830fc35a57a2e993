//! TLS with workloads of known SPIFFE ids: they are shown our own X.509-SVID, and are who the operator says by the roots of
//! their trust domain (SPIFFE X509-SVID specification, sections 5.2 and 6), whatever their host is called.
//!
//! INVARIANT: what is judged is judged anew for every connection, by the registry in force at that moment, and no session
//! is resumed: a root that was taken away vouches for nobody on the next call.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use bartizan_identity::{PeerCertificate, Registry, SpiffeName};
use bartizan_types::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{clock, tls::Issuing};

/// How long one of our own lasts.
const LIFE_HOURS: u32 = 24;

/// What we show to workloads, and by what they are judged.
pub(crate) struct OwnSvid {
    held: ArcSwapOption<Shown>,
    registry: Arc<ArcSwap<Registry>>,
}

struct Shown {
    key: Arc<CertifiedKey>,
    until: Timestamp,
    /// From then on another one is wanted.
    renew: Timestamp,
}

impl fmt::Debug for OwnSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnSvid")
    }
}

impl OwnSvid {
    /// Nothing to show yet.
    pub(crate) fn new(registry: Arc<ArcSwap<Registry>>) -> Arc<Self> {
        Arc::new(Self {
            held: ArcSwapOption::empty(),
            registry,
        })
    }

    /// Shows this one from the next connection on, until its end.
    pub(crate) fn take(&self, key: Arc<CertifiedKey>, until: Timestamp) {
        let now = clock::now();
        let renew = now.plus_micros(until.micros_since(now) / 2);
        self.held.store(Some(Arc::new(Shown { key, until, renew })));
    }

    /// Has our own authority make one, where there is none or half of its time is over. True where it did.
    ///
    /// # Errors
    /// Why it could not; the one in use stays until its end.
    pub(crate) fn renew(&self, issuing: &Issuing<'_>) -> Result<bool, String> {
        let now = clock::now();
        if self.held.load().as_ref().is_some_and(|shown| now < shown.renew) {
            return Ok(false);
        }
        self.reissue(issuing).map(|()| true)
    }

    /// Has our own authority make one now: the roots changed, and who trusts the new ones alone believes the old one no more.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub(crate) fn reissue(&self, issuing: &Issuing<'_>) -> Result<(), String> {
        let now = clock::now();
        let issued = issuing
            .authority
            .issue_listener(issuing.state, &[], LIFE_HOURS, now);
        let issued = issued.map_err(|fault| fault.to_string())?;
        let provider = aws_lc_rs::default_provider();
        let key = CertifiedKey::from_der(issued.chain.clone(), issued.private_key(), &provider);
        let key = key.map_err(|fault| fault.to_string())?;
        self.take(Arc::new(key), issued.until);
        Ok(())
    }

    /// How to speak TLS with a workload of this id.
    pub(crate) fn client(self: &Arc<Self>, expected: &SpiffeName) -> ClientConfig {
        let algorithms = CryptoProvider::get_default().map_or_else(
            || aws_lc_rs::default_provider().signature_verification_algorithms,
            |provider| provider.signature_verification_algorithms,
        );
        let mut config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Is {
                expected: expected.clone(),
                registry: Arc::clone(&self.registry),
                algorithms,
            }))
            .with_client_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesClientCert>);
        config.resumption = Resumption::disabled();
        config.enable_sni = true;
        config
    }
}

impl ResolvesClientCert for OwnSvid {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let shown = self.held.load_full()?;
        (clock::now() < shown.until).then(|| Arc::clone(&shown.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes one workload, and nobody else.
#[derive(Debug)]
struct Is {
    expected: SpiffeName,
    registry: Arc<ArcSwap<Registry>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Is {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let whole = std::iter::once(leaf).chain(above);
        let chain = whole.cloned().map(CertificateDer::into_owned).collect();
        let unfit = || rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let peer = PeerCertificate::new(chain).ok_or_else(unfit)?;
        let judged = self.registry.load().server(&peer, &self.expected, clock::now());
        match judged {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(fault) => {
                tracing::warn!(expected = %self.expected, reason = %fault.reason, "an upstream is not who it should be");
                Err(unfit())
            }
        }
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
