//! What a SPIFFE Workload API says (SPIFFE Workload API specification, section 5): our own X.509-SVID and the roots of
//! trust domains, from the bytes of its stream.
//!
//! The protobuf of one message type and the framing of gRPC are read here and nothing else of either: fields that are not
//! known are skipped, as proto3 asks of readers, within bounds of bytes alone. What it refuses: an SVID whose certificate
//! names another id than the message does, or is no leaf; certificates that are not whole; a revocation list, which
//! nothing here would look at.
//!
//! INVARIANT: an update is taken whole or not at all.

mod frames;
mod protobuf;

use std::{collections::BTreeMap, fmt};

use bartizan_types::{Secret, Timestamp};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::{
    TrustDomain,
    der::{self, SIGNS, SIGNS_CERTIFICATES},
    spiffe,
};
pub use frames::{Frames, REQUEST};
use protobuf::{Field, Fields};

/// Largest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Most SVIDs of one workload.
const SVIDS_MAX: usize = 64;
/// Most trust domains of one message.
const BUNDLES_MAX: usize = 256;
/// Most certificates of a chain, and of a bundle.
const CHAIN_MAX: usize = 8;
const ROOTS_MAX: usize = 64;
/// Largest certificate, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// Why an update is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadFault {
    /// The bytes are no protobuf, or no frames of gRPC.
    #[error("it is malformed at byte {0}")]
    Malformed(usize),
    /// More than a message may have.
    #[error(
        "it is larger than {MESSAGE_BYTES_MAX} bytes, or has more SVIDs, bundles or certificates than one may"
    )]
    TooLarge,
    /// A compressed frame; no compression was offered.
    #[error("it is compressed, and was not asked to be")]
    Compressed,
    /// No SVID: this workload is not registered.
    #[error("it has no SVID")]
    Empty,
    /// The SVID's id.
    #[error("an SVID's id is none, or not that of its certificate")]
    Id,
    /// The SVID's certificate.
    #[error("an SVID's certificates can't be read, or are no leaf's that signs")]
    Certificate,
    /// The SVID's key is missing.
    #[error("an SVID has no key")]
    Key,
    /// A bundle.
    #[error("a bundle can't be read, or is of no trust domain")]
    Bundle,
    /// It revokes certificates.
    #[error("it has a revocation list, which is not supported")]
    Revocations,
}

/// An X.509-SVID with its key.
pub struct WorkloadSvid {
    /// `spiffe://DOMAIN/PATH`.
    pub id: String,
    /// The certificates, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key, PKCS#8.
    pub key: Secret<Vec<u8>>,
    /// First moment at which one of them is over.
    pub until: Timestamp,
}

impl fmt::Debug for WorkloadSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkloadSvid({} until {})", self.id, self.until)
    }
}

/// One message of the stream.
#[derive(Debug)]
pub struct WorkloadUpdate {
    /// The default identity: the first (specification, section 5.3).
    pub svid: WorkloadSvid,
    /// Roots by trust domain: the SVID's own, and those it is federated with.
    pub bundles: BTreeMap<TrustDomain, Vec<CertificateDer<'static>>>,
}

impl WorkloadUpdate {
    /// Reads an `X509SVIDResponse`.
    ///
    /// # Errors
    /// [`WorkloadFault`]; then none of it counts.
    pub fn parse(message: &[u8]) -> Result<Self, WorkloadFault> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(WorkloadFault::TooLarge);
        }
        let mut svid = None;
        let mut svids = 0;
        let mut bundles = BTreeMap::new();
        for field in Fields::of(message) {
            match field? {
                Field::Bytes(1, bytes) => {
                    svids += 1;
                    let read = Written::read(bytes)?;
                    let (read, domain, roots) = read.checked()?;
                    // Every one has to hold, and the first is the one that we are.
                    if svid.is_none() {
                        bundles.insert(domain, roots);
                        svid = Some(read);
                    }
                }
                Field::Bytes(2, list) if !list.is_empty() => return Err(WorkloadFault::Revocations),
                Field::Bytes(3, entry) => {
                    let (domain, roots) = federated(entry)?;
                    // Never in the place of what vouches for our own.
                    bundles.entry(domain).or_insert(roots);
                }
                _ => {}
            }
            if svids > SVIDS_MAX || bundles.len() > BUNDLES_MAX {
                return Err(WorkloadFault::TooLarge);
            }
        }
        let svid = svid.ok_or(WorkloadFault::Empty)?;
        Ok(Self { svid, bundles })
    }
}

/// An `X509SVID` as it is written.
#[derive(Default)]
struct Written<'a> {
    id: &'a [u8],
    chain: &'a [u8],
    key: &'a [u8],
    bundle: &'a [u8],
}

impl<'a> Written<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WorkloadFault> {
        let mut all = Self::default();
        for field in Fields::of(bytes) {
            // Of a field that comes twice the last one counts, as proto3 has it.
            match field? {
                Field::Bytes(1, id) => all.id = id,
                Field::Bytes(2, chain) => all.chain = chain,
                Field::Bytes(3, key) => all.key = key,
                Field::Bytes(4, bundle) => all.bundle = bundle,
                _ => {}
            }
        }
        Ok(all)
    }

    fn checked(&self) -> Result<(WorkloadSvid, TrustDomain, Vec<CertificateDer<'static>>), WorkloadFault> {
        let text = std::str::from_utf8(self.id).map_err(|_| WorkloadFault::Id)?;
        let id = spiffe::parse(text).ok_or(WorkloadFault::Id)?;
        let chain = certificates(self.chain, CHAIN_MAX).ok_or(WorkloadFault::Certificate)?;
        let leaf = chain.first().ok_or(WorkloadFault::Certificate)?;
        EndEntityCert::try_from(leaf).map_err(|_| WorkloadFault::Certificate)?;
        let said = der::read(leaf).ok_or(WorkloadFault::Certificate)?;
        if said.uris != [self.id] {
            return Err(WorkloadFault::Id);
        }
        let signs = said
            .usage
            .is_some_and(|usage| usage & SIGNS != 0 && usage & SIGNS_CERTIFICATES == 0);
        if said.is_ca || !signs {
            return Err(WorkloadFault::Certificate);
        }
        if self.key.is_empty() {
            return Err(WorkloadFault::Key);
        }
        let mut until = said.not_after;
        for above in chain.iter().skip(1) {
            let said = der::read(above).ok_or(WorkloadFault::Certificate)?;
            until = until.min(said.not_after);
        }
        let svid = WorkloadSvid {
            id: text.to_owned(),
            key: Secret::new(self.key.to_vec()),
            until,
            chain,
        };
        let roots = certificates(self.bundle, ROOTS_MAX).filter(|roots| !roots.is_empty());
        Ok((svid, id.domain, roots.ok_or(WorkloadFault::Bundle)?))
    }
}

/// An entry of `federated_bundles`.
fn federated(entry: &[u8]) -> Result<(TrustDomain, Vec<CertificateDer<'static>>), WorkloadFault> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::of(entry) {
        match field? {
            Field::Bytes(1, bytes) => key = bytes,
            Field::Bytes(2, bytes) => value = bytes,
            _ => {}
        }
    }
    let domain = std::str::from_utf8(key)
        .ok()
        .and_then(|text| text.strip_prefix("spiffe://"))
        .and_then(|name| TrustDomain::new(name).ok());
    let roots = certificates(value, ROOTS_MAX).filter(|roots| !roots.is_empty());
    domain.zip(roots).ok_or(WorkloadFault::Bundle)
}

/// Certificates that stand one after another in DER.
fn certificates(mut bytes: &[u8], most: usize) -> Option<Vec<CertificateDer<'static>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (one, rest) = der::first(bytes)?;
        if all.len() >= most || one.len() > CERTIFICATE_BYTES_MAX {
            return None;
        }
        der::read(one)?;
        all.push(CertificateDer::from(one.to_vec()));
        bytes = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests;
