//! Sealing: AES-256-GCM (NIST SP 800-38D) with one data key per segment, each wrapped by the master key.
//!
//! The nonce is the record's index, so a data key must never seal two bodies at one index: the store gives every
//! opening and every segment a fresh key, so that an index reused after a dropped write meets another key.
//! The salt is sealed with the body; what binds them to their place (log, index, kind) is authenticated.
//! Refuses, without saying why, whatever does not open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bartizan_types::{Digest, RecordKind};
use zeroize::Zeroizing;

use crate::entry::{commit, hash};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 32;
/// How much longer a sealed body is: salt and tag.
pub const SEAL_OVERHEAD: usize = SALT_BYTES + 16;
const RECORD_DOMAIN: &[u8] = b"bartizan/ledger/record/v1\0";
const WRAP_DOMAIN: &[u8] = b"bartizan/ledger/wrap/v1\0";
const CHECK_DOMAIN: &[u8] = b"bartizan/ledger/key-check/v1\0";

/// It did not open: wrong key, wrong place, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open")]
pub struct SealFault;

/// Where a body belongs; authenticated with it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The log.
    pub origin: &'a str,
    /// The record's index.
    pub index: u64,
    /// The record's kind.
    pub kind: RecordKind,
}

impl Place<'_> {
    fn aad(&self) -> Vec<u8> {
        let mut aad = Vec::with_capacity(RECORD_DOMAIN.len() + self.origin.len() + 10);
        aad.extend_from_slice(RECORD_DOMAIN);
        aad.extend_from_slice(&self.index.to_be_bytes());
        aad.push(self.kind.tag());
        // Last and alone of variable length, so that no two places share an encoding.
        aad.extend_from_slice(self.origin.as_bytes());
        aad
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0_u8; 12];
        for (to, from) in nonce.iter_mut().skip(4).zip(self.index.to_be_bytes()) {
            *to = from;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals and opens the records of one segment.
pub struct DataKey {
    key: LessSafeKey,
    bytes: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(***)")
    }
}

impl DataKey {
    /// From 32 random bytes.
    ///
    /// # Errors
    /// [`SealFault`] should the library refuse them.
    pub fn new(bytes: [u8; 32]) -> Result<Self, SealFault> {
        let bytes = Zeroizing::new(bytes);
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| SealFault)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            bytes,
        })
    }

    /// Names the key without telling it: the segment's header carries this, so a swapped key is noticed.
    #[must_use]
    pub fn check(&self) -> [u8; 16] {
        let Digest(full) = hash(&[CHECK_DOMAIN, self.bytes.as_slice()]);
        let mut out = [0; 16];
        out.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        out
    }

    /// Appends the sealed salt and body to `out`. The commitment is the caller's to make, with the same salt.
    ///
    /// # Errors
    /// [`SealFault`] for a body beyond the cipher's limit.
    pub fn seal(
        &self,
        place: &Place<'_>,
        salt: &[u8; SALT_BYTES],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let start = out.len();
        out.extend_from_slice(salt);
        out.extend_from_slice(body);
        let plain = out.get_mut(start..).ok_or(SealFault)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(place.nonce(), Aad::from(place.aad()), plain)
            .map_err(|_| SealFault)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens sealed bytes and checks that they are what the entry commits to.
    ///
    /// # Errors
    /// [`SealFault`], without a reason.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8], commitment: &Digest) -> Result<Vec<u8>, SealFault> {
        let mut bytes = sealed.to_vec();
        let plain = self
            .key
            .open_in_place(place.nonce(), Aad::from(place.aad()), &mut bytes)
            .map_err(|_| SealFault)?;
        let (salt, body) = plain.split_first_chunk::<SALT_BYTES>().ok_or(SealFault)?;
        if commit(salt, body) != *commitment {
            return Err(SealFault);
        }
        Ok(body.to_vec())
    }

    /// Wraps this key under another, as `nonce || ciphertext || tag`. `nonce` is random and never used again.
    ///
    /// # Errors
    /// [`SealFault`] should the library refuse the key.
    pub fn wrap(&self, under: &[u8; 32], name: &str, nonce: [u8; 12]) -> Result<Vec<u8>, SealFault> {
        wrap(under, name, nonce, &self.bytes)
    }

    /// Unwraps what [`DataKey::wrap`] made under the same name.
    ///
    /// # Errors
    /// [`SealFault`], without a reason.
    pub fn unwrap_from(under: &[u8; 32], name: &str, wrapped: &[u8]) -> Result<Self, SealFault> {
        Self::new(*unwrap_secret(under, name, wrapped)?)
    }
}

/// Wraps any 32 secret bytes under a name.
///
/// # Errors
/// [`SealFault`] should the library refuse the key.
pub fn wrap(under: &[u8; 32], name: &str, nonce: [u8; 12], secret: &[u8; 32]) -> Result<Vec<u8>, SealFault> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, under).map_err(|_| SealFault)?);
    let mut bytes = secret.to_vec();
    let aad = [WRAP_DOMAIN, name.as_bytes()].concat();
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bytes)
        .map_err(|_| SealFault)?;
    Ok([nonce.as_slice(), &bytes, tag.as_ref()].concat())
}

/// Opens what [`wrap`] made under the same name.
///
/// # Errors
/// [`SealFault`], without a reason.
pub fn unwrap_secret(under: &[u8; 32], name: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealFault> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, under).map_err(|_| SealFault)?);
    let (nonce, sealed) = wrapped.split_first_chunk::<12>().ok_or(SealFault)?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let aad = [WRAP_DOMAIN, name.as_bytes()].concat();
    let plain = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut bytes)
        .map_err(|_| SealFault)?;
    let plain: &[u8; 32] = (&*plain).try_into().map_err(|_| SealFault)?;
    Ok(Zeroizing::new(*plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        origin: "o",
        index: 3,
        kind: RecordKind::Ruling,
    };

    #[test]
    fn opens_only_in_its_own_place() {
        let key = DataKey::new([1; 32]).expect("a key");
        let mut sealed = Vec::new();
        key.seal(&PLACE, &[2; 32], b"body", &mut sealed).expect("seals");
        assert_eq!(sealed.len(), 4 + SEAL_OVERHEAD);
        let held = commit(&[2; 32], b"body");
        assert_eq!(key.open(&PLACE, &sealed, &held), Ok(b"body".to_vec()));
        for wrong in [
            Place { index: 4, ..PLACE },
            Place { origin: "p", ..PLACE },
            Place {
                kind: RecordKind::Closing,
                ..PLACE
            },
        ] {
            assert_eq!(key.open(&wrong, &sealed, &held), Err(SealFault));
        }
        assert_eq!(
            key.open(&PLACE, &sealed, &commit(&[2; 32], b"bodz")),
            Err(SealFault)
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(&PLACE, &changed, &held), Err(SealFault));
        }
    }

    #[test]
    fn wrapping_binds_the_name_and_rewraps() {
        let key = DataKey::new([1; 32]).expect("a key");
        let wrapped = key.wrap(&[5; 32], "segment 1", [6; 12]).expect("wraps");
        let again = DataKey::unwrap_from(&[5; 32], "segment 1", &wrapped).expect("unwraps");
        assert_eq!(again.check(), key.check());
        assert!(DataKey::unwrap_from(&[5; 32], "segment 2", &wrapped).is_err());
        assert!(DataKey::unwrap_from(&[4; 32], "segment 1", &wrapped).is_err());
        assert!(DataKey::unwrap_from(&[5; 32], "segment 1", &wrapped[..11]).is_err());
    }
}
