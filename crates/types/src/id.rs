//! Ids: bounded names chosen by people, and 128-bit ids minted by us.

use std::{fmt, marker::PhantomData, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// Longest accepted [`Name`], in bytes. Long enough for a SPIFFE id (RFC-style URI, 2048 allowed there; ours are
/// far shorter) and for `server__tool` names, short enough that no id can flood a record.
const NAME_MAX_BYTES: usize = 256;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than the bound.
    #[error("a name has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes seen.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A byte outside the printable ASCII range, or one of `"`, `\`, `<`, `>`, `` ` ``.
    #[error("a name has a character that is not allowed at byte {at}")]
    Character {
        /// Byte offset of the first offender.
        at: usize,
    },
    /// Not 26 characters of Crockford base 32 within 128 bits.
    #[error("an id is 26 characters of Crockford base 32")]
    Ulid,
}

/// A bounded, printable-ASCII name of kind `K`. Cheap to clone.
///
/// Names are compared byte for byte; there is no folding, so two spellings are two names.
pub struct Name<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Name<K> {
    /// Accepts 1 to 256 bytes of printable ASCII without space, quotes, backslash, angle brackets or backtick.
    ///
    /// # Errors
    /// [`IdFault`] names the first thing wrong.
    pub fn new(text: &str) -> Result<Self, IdFault> {
        if text.is_empty() {
            return Err(IdFault::Empty);
        }
        if text.len() > NAME_MAX_BYTES {
            return Err(IdFault::TooLong {
                bytes: text.len(),
                limit: NAME_MAX_BYTES,
            });
        }
        let bad = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'`');
        if let Some(at) = text.bytes().position(bad) {
            return Err(IdFault::Character { at });
        }
        Ok(Self {
            text: Arc::from(text),
            kind: PhantomData,
        })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K> Clone for Name<K> {
    fn clone(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            kind: PhantomData,
        }
    }
}
impl<K> PartialEq for Name<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<K> Eq for Name<K> {}
impl<K> PartialOrd for Name<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Name<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<K> std::hash::Hash for Name<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl<K> fmt::Debug for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}
impl<K> fmt::Display for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<K> FromStr for Name<K> {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<Self, IdFault> {
        Self::new(text)
    }
}
impl<K> Serialize for Name<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
impl<'de, K> Deserialize<'de> for Name<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A 128-bit id of kind `K` in ULID form: 48 bits of milliseconds, 80 bits of randomness, 26 characters of
/// Crockford base 32. Sorts by time. Minted by us, never taken from a client.
pub struct Ulid<K> {
    bits: u128,
    kind: PhantomData<fn() -> K>,
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl<K> Ulid<K> {
    /// Builds an id from the time and 80 random bits (the lowest 80 bits of `random`).
    #[must_use]
    pub fn mint(now: Timestamp, random: u128) -> Self {
        let millis = u128::from(now.unix_millis()) & 0xFFFF_FFFF_FFFF;
        Self {
            bits: (millis << 80) | (random & ((1 << 80) - 1)),
            kind: PhantomData,
        }
    }

    /// The 128 bits.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.bits
    }
}

impl<K> Clone for Ulid<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Ulid<K> {}
impl<K> PartialEq for Ulid<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}
impl<K> Eq for Ulid<K> {}
impl<K> PartialOrd for Ulid<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Ulid<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bits.cmp(&other.bits)
    }
}
impl<K> std::hash::Hash for Ulid<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}
impl<K> Ulid<K> {
    fn letters(self) -> [u8; 26] {
        let mut text = [0_u8; 26];
        let mut rest = self.bits;
        for slot in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 31).unwrap_or(0);
            *slot = CROCKFORD.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        text
    }
}
impl<K> fmt::Display for Ulid<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).map_err(|_| fmt::Error)?)
    }
}
impl<K> fmt::Debug for Ulid<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<K> FromStr for Ulid<K> {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<Self, IdFault> {
        if text.len() != 26 {
            return Err(IdFault::Ulid);
        }
        let mut bits: u128 = 0;
        for (at, byte) in text.bytes().enumerate() {
            let upper = byte.to_ascii_uppercase();
            let digit = CROCKFORD.iter().position(|c| *c == upper).ok_or(IdFault::Ulid)?;
            if at == 0 && digit > 7 {
                return Err(IdFault::Ulid);
            }
            bits = (bits << 5) | u128::try_from(digit).map_err(|_| IdFault::Ulid)?;
        }
        Ok(Self {
            bits,
            kind: PhantomData,
        })
    }
}
impl<K> Serialize for Ulid<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let letters = self.letters();
        serializer.serialize_str(std::str::from_utf8(&letters).map_err(serde::ser::Error::custom)?)
    }
}
impl<'de, K> Deserialize<'de> for Ulid<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A SHA-256 digest (FIPS 180-4). Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    #[expect(clippy::indexing_slicing, reason = "half a byte is below 16")]
    fn hex(&self) -> [u8; 64] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            if let [high, low] = pair {
                *high = HEX[usize::from(byte >> 4)];
                *low = HEX[usize::from(byte & 15)];
            }
        }
        text
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).map_err(|_| fmt::Error)?)
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Digest {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<Self, IdFault> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(IdFault::TooLong {
                bytes: bytes.len(),
                limit: 64,
            });
        }
        let nibble = |at: usize| {
            let byte = bytes.get(at).copied().unwrap_or(b'?');
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
                .ok_or(IdFault::Character { at })
        };
        let mut digest = [0_u8; 32];
        for (at, slot) in digest.iter_mut().enumerate() {
            *slot = (nibble(at * 2)? << 4) | nibble(at * 2 + 1)?;
        }
        Ok(Self(digest))
    }
}
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = self.hex();
        serializer.serialize_str(std::str::from_utf8(&hex).map_err(serde::ser::Error::custom)?)
    }
}
impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Marks of each id kind. Never constructed.
pub mod kind {
    /// An agent.
    #[derive(Debug)]
    pub enum Agent {}
    /// A user.
    #[derive(Debug)]
    pub enum User {}
    /// A model as the agent names it.
    #[derive(Debug)]
    pub enum Model {}
    /// A model provider we forward to.
    #[derive(Debug)]
    pub enum Upstream {}
    /// An MCP server.
    #[derive(Debug)]
    pub enum Server {}
    /// A tool, within its server.
    #[derive(Debug)]
    pub enum Tool {}
    /// Another agent, reached over A2A.
    #[derive(Debug)]
    pub enum Peer {}
    /// A web site, as `host:port`.
    #[derive(Debug)]
    pub enum Site {}
    /// A policy.
    #[derive(Debug)]
    pub enum Policy {}
    /// A credential issuer.
    #[derive(Debug)]
    pub enum Issuer {}
    /// A credential, without its secret.
    #[derive(Debug)]
    pub enum Key {}
    /// A call.
    #[derive(Debug)]
    pub enum Call {}
    /// A session.
    #[derive(Debug)]
    pub enum Session {}
    /// An approval.
    #[derive(Debug)]
    pub enum Approval {}
    /// A budget.
    #[derive(Debug)]
    pub enum Budget {}
    /// A revocation.
    #[derive(Debug)]
    pub enum Revocation {}
    /// A scan of artifacts.
    #[derive(Debug)]
    pub enum Scan {}
    /// A secret of the store.
    #[derive(Debug)]
    pub enum Secret {}
}

/// An agent's name or SPIFFE id.
pub type AgentId = Name<kind::Agent>;
/// A user's name as the issuer gives it.
pub type UserId = Name<kind::User>;
/// A model as the agent names it.
pub type ModelName = Name<kind::Model>;
/// A model provider.
pub type UpstreamName = Name<kind::Upstream>;
/// An MCP server.
pub type ServerName = Name<kind::Server>;
/// A tool, resource template or prompt name within its server.
pub type ToolName = Name<kind::Tool>;
/// Another agent that is reached over A2A, as the operator named it.
pub type PeerName = Name<kind::Peer>;
/// A web site, as `host:port`.
pub type SiteName = Name<kind::Site>;
/// A policy's id.
pub type PolicyId = Name<kind::Policy>;
/// A credential issuer: a JWT `iss`, or `bartizan` for our own keys.
pub type Issuer = Name<kind::Issuer>;
/// The public part of a credential: an API key's prefix, a JWT's `jti` or `kid`.
pub type KeyId = Name<kind::Key>;
/// One mediated crossing.
pub type CallId = Ulid<kind::Call>;
/// One task of one agent.
pub type SessionId = Ulid<kind::Session>;
/// A human's recorded yes.
pub type ApprovalId = Ulid<kind::Approval>;
/// A budget of the configuration.
pub type BudgetName = Name<kind::Budget>;
/// A revocation.
pub type RevocationId = Ulid<kind::Revocation>;
/// A scan of model files or data sets.
pub type ScanId = Ulid<kind::Scan>;
/// The name under which a secret lies in the store; never its value.
pub type SecretName = Name<kind::Secret>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_bounded() {
        assert_eq!(AgentId::new(""), Err(IdFault::Empty));
        assert_eq!(AgentId::new("a b"), Err(IdFault::Character { at: 1 }));
        assert_eq!(AgentId::new("a\u{202e}"), Err(IdFault::Character { at: 1 }));
        assert_eq!(
            AgentId::new(&"x".repeat(257)),
            Err(IdFault::TooLong {
                bytes: 257,
                limit: 256
            })
        );
        assert!(AgentId::new("spiffe://example.org/agent/mail").is_ok());
    }

    #[test]
    fn ulids_beyond_128_bits_are_refused() {
        assert_eq!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<CallId>(), Err(IdFault::Ulid));
        assert_eq!("short".parse::<CallId>(), Err(IdFault::Ulid));
    }

    proptest! {
        #[test]
        fn ulids_round_trip(bits: u128, millis in 0_u64..1 << 47) {
            let id = CallId::mint(Timestamp::from_unix_millis(millis), bits);
            prop_assert_eq!(id.to_string().parse::<CallId>(), Ok(id));
        }

        #[test]
        fn digests_round_trip(bytes: [u8; 32]) {
            let digest = Digest(bytes);
            prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        }
    }
}
