//! AES-256-GCM (NIST SP 800-38D) with a fresh random 96-bit nonce in front of the ciphertext. A key here seals far
//! fewer than the 2^32 messages that random nonces are good for.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use bartizan_types::Secret;
use zeroize::Zeroize as _;

use crate::Fault;

/// Seals and opens under one key.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    pub(crate) fn new(key: &Secret<[u8; 32]>) -> Result<Self, Fault> {
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| Fault::Crypto)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Nonce, ciphertext, tag. `about` is bound to the ciphertext and not kept in it.
    pub(crate) fn seal(&self, about: &[u8], plain: &Secret<Vec<u8>>) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE_LEN] = random()?;
        // Encrypted in place, with room for the tag: growing would leave plain text in freed memory.
        let mut buffer = Vec::with_capacity(plain.expose().len() + 16);
        buffer.extend_from_slice(plain.expose());
        let sealed = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(about),
            &mut buffer,
        );
        if sealed.is_err() {
            buffer.zeroize();
            return Err(Fault::Crypto);
        }
        Ok([&nonce[..], &buffer[..]].concat())
    }

    /// `None`: altered, bound to something else, or sealed under another key.
    pub(crate) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut buffer = rest.to_vec();
        let length = match self.0.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(about),
            &mut buffer,
        ) {
            Ok(plain) => plain.len(),
            Err(_) => {
                buffer.zeroize();
                return None;
            }
        };
        buffer.truncate(length);
        Some(Secret::new(buffer))
    }
}

/// Fresh bytes of the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Fault::Crypto)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_to_key_subject_and_bytes() {
        let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
        let sealed = sealer.seal(b"name", &Secret::new(b"value".to_vec())).unwrap();
        assert_eq!(sealer.open(b"name", &sealed).unwrap().expose(), b"value");
        assert!(sealer.open(b"other", &sealed).is_none());
        assert!(
            Sealer::new(&Secret::new([8; 32]))
                .unwrap()
                .open(b"name", &sealed)
                .is_none()
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(b"name", &changed).is_none(), "byte {at}");
            assert!(sealer.open(b"name", &sealed[..at]).is_none(), "cut at {at}");
        }
        let again = sealer.seal(b"name", &Secret::new(b"value".to_vec())).unwrap();
        assert_ne!(sealed, again, "a nonce was used twice");
    }
}
