//! The public part of a record: fixed size, the leaf of the tree, and all an auditor without keys ever sees.
//!
//! It says what kind of thing was recorded, when, and commits to the rest twice: to the plain body under a salt
//! that is sealed with the body (so an erased body can't be guessed from its commitment), and to the sealed bytes
//! as they lie on disk (so they can be checked without any key). INVARIANT: decode(encode(e)) = e, and no two
//! encodings decode to the same entry; the leaf hash is therefore a commitment to every field.

use aws_lc_rs::digest::{SHA256, digest as sha256};
use bartizan_types::{Digest, RecordKind, Timestamp};

/// Encoded size of an [`Entry`].
pub const ENTRY_BYTES: usize = 88;
/// The only version so far.
const VERSION: u8 = 1;
/// Separates our commitments from every other use of SHA-256 over a salt and bytes.
const COMMIT_DOMAIN: &[u8] = b"bartizan/ledger/commitment/v1\0";

/// One leaf of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What sort of record.
    pub kind: RecordKind,
    /// When the record says it happened. Producers' clocks: not necessarily in order.
    pub time: Timestamp,
    /// For a tombstone, the index it erases; public, so that absence can be judged without keys.
    pub about: Option<u64>,
    /// [`commit`] over the sealed salt and the body.
    pub commitment: Digest,
    /// SHA-256 of the sealed bytes, nonce-free ciphertext and tag.
    pub sealed: Digest,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Not [`ENTRY_BYTES`] long.
    #[error("an entry has {ENTRY_BYTES} bytes, this has {0}")]
    Length(usize),
    /// Written by a newer version.
    #[error("entry version {0} is not known here")]
    Version(u8),
    /// No record kind has this tag.
    #[error("record kind {0} is not known here")]
    Kind(u8),
    /// Reserved bytes are not zero, or only a tombstone's subject is half set.
    #[error("reserved bytes of an entry are set")]
    Reserved,
}

impl Entry {
    /// The canonical bytes: version, kind, subject flag, five zeros, time, subject (big endian), both digests.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0_u8; ENTRY_BYTES];
        let (flag, about) = self.about.map_or((0, 0), |index| (1, index));
        let head = [VERSION, self.kind.tag(), flag, 0, 0, 0, 0, 0];
        let parts: [&[u8]; 5] = [
            &head,
            &self.time.unix_micros().to_be_bytes(),
            &about.to_be_bytes(),
            &self.commitment.0,
            &self.sealed.0,
        ];
        let mut rest = out.as_mut_slice();
        for part in parts {
            let (now, later) = rest.split_at_mut(part.len());
            now.copy_from_slice(part);
            rest = later;
        }
        out
    }

    /// Reads what [`Entry::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`EntryFault`] names the first thing wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryFault> {
        let fixed: &[u8; ENTRY_BYTES] = bytes.try_into().map_err(|_| EntryFault::Length(bytes.len()))?;
        let (head, rest) = fixed.split_at(8);
        let (time, rest) = rest.split_at(8);
        let (about, rest) = rest.split_at(8);
        let (commitment, sealed) = rest.split_at(32);
        let &[version, tag, flag, a, b, c, d, e] = head else {
            return Err(EntryFault::Length(bytes.len()));
        };
        if version != VERSION {
            return Err(EntryFault::Version(version));
        }
        let kind = RecordKind::from_tag(tag).ok_or(EntryFault::Kind(tag))?;
        let about = word(about);
        let about = match (flag, about) {
            (0, 0) => None,
            (1, index) => Some(index),
            _ => return Err(EntryFault::Reserved),
        };
        if [a, b, c, d, e] != [0; 5] {
            return Err(EntryFault::Reserved);
        }
        Ok(Self {
            kind,
            time: Timestamp::from_unix_micros(word(time)),
            about,
            commitment: digest_of(commitment),
            sealed: digest_of(sealed),
        })
    }

    /// RFC 6962 section 2.1: SHA-256(0x00 || entry).
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }
}

/// RFC 6962 leaf hash of encoded entry bytes.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    hash(&[&[0], entry])
}

/// The commitment to a body under a salt of 32 random bytes.
#[must_use]
pub fn commit(salt: &[u8; 32], body: &[u8]) -> Digest {
    hash(&[COMMIT_DOMAIN, salt, body])
}

/// SHA-256 of bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    hash(&[bytes])
}

/// SHA-256 of the parts, one after another. Callers see to it that the split can't be ambiguous.
pub(crate) fn hash(parts: &[&[u8]]) -> Digest {
    // In one go: for parts as short as a ledger's, setting up a streaming hash costs more than a copy.
    let whole = match parts {
        [one] => sha256(&SHA256, one),
        parts => sha256(&SHA256, &parts.concat()),
    };
    digest_of(whole.as_ref())
}

/// 32 bytes as a digest; the callers' slices always have 32.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(bytes.try_into().unwrap_or_default())
}

/// Up to 8 bytes, big endian.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn encoding_is_a_bijection(tag in 1_u8..=7, time: u64, about: Option<u64>, a: [u8; 32], b: [u8; 32]) {
            let kind = RecordKind::from_tag(tag).expect("a known tag");
            let entry = Entry { kind, time: Timestamp::from_unix_micros(time), about, commitment: Digest(a), sealed: Digest(b) };
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }

        #[test]
        fn every_accepted_encoding_is_canonical(bytes in prop::collection::vec(0_u8..4, ENTRY_BYTES)) {
            if let Ok(entry) = Entry::decode(&bytes) {
                prop_assert_eq!(entry.encode().to_vec(), bytes);
            }
        }
    }

    #[test]
    fn salts_and_bodies_do_not_run_together() {
        assert_ne!(commit(&[1; 32], b"ab"), commit(&[1; 32], b"abc"));
        assert_ne!(commit(&[1; 32], b"ab"), commit(&[2; 32], b"ab"));
    }
}
