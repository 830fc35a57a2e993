//! A JSON Web Key Set (RFC 7517), as public keys ready to verify with.
//!
//! A set is taken whole or not at all: two keys under one `kid` for one algorithm, or a private key where a public one
//! belongs, refuse the set. Keys of kinds we do not use (symmetric, encryption, unknown curves, RSA below 2048 bits)
//! are skipped and listed, so that an operator sees why a token of theirs finds no key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use bartizan_types::Digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{Algorithm, Reason, dpop::jwk_thumbprint, strict};

/// Largest key set, in bytes.
const SET_BYTES_MAX: usize = 256 << 10;
/// Most keys of a set.
const KEYS_MAX: usize = 128;
/// Longest `kid`, in bytes.
pub(crate) const KID_BYTES_MAX: usize = 256;

/// Public keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    named: usize,
    skipped: Vec<SkippedKey>,
}

/// One public key, prepared for one algorithm.
#[derive(Debug)]
struct Key {
    /// Of the JWK (RFC 7638): one name for it, whatever its `kid` is.
    thumbprint: Digest,
    kid: Option<String>,
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

/// Why a key set is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// Too many bytes.
    #[error("the key set is larger than 262144 bytes")]
    TooLarge,
    /// Not the JSON of a key set.
    #[error("the key set is not one JSON object with a list `keys`: {0}")]
    Shape(Reason),
    /// Too many keys.
    #[error("the key set has more than 128 keys")]
    TooMany,
    /// A key has a private part.
    #[error("key {0} of the set has a private part, which its issuer should replace at once")]
    Private(usize),
    /// Two keys answer to the same `kid` and algorithm.
    #[error("key {0} of the set has the `kid` and algorithm of an earlier one")]
    Twice(usize),
    /// No key of the set can be used.
    #[error("no key of the set can verify a token")]
    Empty,
}

/// A key that no token can be checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Position in the set, from 0.
    pub index: usize,
    /// Why.
    pub reason: SkipReason,
}

/// Why a key is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// `kty` or `crv` that we do not use, symmetric keys among them.
    #[error("its kind is not used for tokens here")]
    Kind,
    /// `use` or `key_ops` exclude verifying.
    #[error("its `use` or `key_ops` exclude verifying signatures")]
    Use,
    /// `alg` does not belong to the key's kind, or is unknown.
    #[error("its `alg` is unknown or does not fit its kind")]
    Algorithm,
    /// RSA below 2048 or above 8192 bits, or an even or tiny exponent.
    #[error("an RSA key must have 2048 to 8192 bits and an odd exponent of at least 65537")]
    Weak,
    /// Members missing, malformed or not a point of the curve.
    #[error("its members are missing or malformed")]
    Malformed,
}

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// [`KeySetFault`]; the caller keeps the set it had.
    pub fn parse(jwks: &[u8]) -> Result<Self, KeySetFault> {
        if jwks.len() > SET_BYTES_MAX {
            return Err(KeySetFault::TooLarge);
        }
        let set = strict::object(jwks).map_err(KeySetFault::Shape)?;
        let Some(Value::Array(list)) = set.get("keys") else {
            return Err(KeySetFault::Shape(Reason::Json));
        };
        if list.len() > KEYS_MAX {
            return Err(KeySetFault::TooMany);
        }
        let mut found = Self {
            keys: Vec::new(),
            named: 0,
            skipped: Vec::new(),
        };
        for (index, entry) in list.iter().enumerate() {
            let key = entry.as_object().ok_or(KeySetFault::Shape(Reason::Json))?;
            // `d` is the private part of RSA (RFC 7518 section 6.3.2), EC and OKP keys alike.
            if key.contains_key("d") {
                return Err(KeySetFault::Private(index));
            }
            match prepare(key) {
                Err(reason) => found.skipped.push(SkippedKey { index, reason }),
                Ok(prepared) => {
                    found.named += 1;
                    for key in prepared {
                        if found
                            .keys
                            .iter()
                            .any(|old| old.kid == key.kid && old.algorithm == key.algorithm)
                        {
                            return Err(KeySetFault::Twice(index));
                        }
                        found.keys.push(key);
                    }
                }
            }
        }
        if found.keys.is_empty() {
            return Err(KeySetFault::Empty);
        }
        Ok(found)
    }

    /// Usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.named
    }

    /// Never true: a set without usable keys is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named == 0
    }

    /// Keys that were left out, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The one key for `kid` and `algorithm`. Without a `kid` only a set of one key has an answer: trying keys in turn
    /// would let a token choose.
    pub(crate) fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(&ParsedPublicKey, Digest), Reason> {
        if kid.is_none() && self.named > 1 {
            return Err(Reason::KidMissing);
        }
        self.keys
            .iter()
            .find(|key| key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid))
            .map(|key| (&key.public, key.thumbprint))
            .ok_or(Reason::KidUnknown)
    }

    /// Whether the key of this thumbprint is one of these.
    pub(crate) fn has(&self, thumbprint: &Digest) -> bool {
        self.keys.iter().any(|key| key.thumbprint == *thumbprint)
    }
}

/// One prepared key per algorithm it may be used with.
fn prepare(key: &Map<String, Value>) -> Result<Vec<Key>, SkipReason> {
    // A trust domain's bundle says of each key which SVIDs it signs (SPIFFE JWT-SVID specification, section 4).
    if key
        .get("use")
        .is_some_and(|usage| usage != "sig" && usage != "jwt-svid")
    {
        return Err(SkipReason::Use);
    }
    match key.get("key_ops") {
        None => {}
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
        Some(_) => return Err(SkipReason::Use),
    }
    let kid = match key.get("kid") {
        None => None,
        Some(Value::String(kid)) if (1..=KID_BYTES_MAX).contains(&kid.len()) => Some(kid.clone()),
        Some(_) => return Err(SkipReason::Malformed),
    };
    let kind = (text(key, "kty")?, key.get("crv").and_then(Value::as_str));
    let mut algorithms: Vec<Algorithm> = match kind {
        ("RSA", _) => Algorithm::ALL
            .into_iter()
            .filter(|algorithm| rsa(*algorithm).is_some())
            .collect(),
        ("EC", Some("P-256")) => vec![Algorithm::Es256],
        ("EC", Some("P-384")) => vec![Algorithm::Es384],
        ("OKP", Some("Ed25519")) => vec![Algorithm::EdDsa],
        _ => return Err(SkipReason::Kind),
    };
    if let Some(named) = key.get("alg") {
        let named: Option<Algorithm> = named.as_str().and_then(|text| text.parse().ok());
        algorithms.retain(|algorithm| Some(*algorithm) == named);
        if algorithms.is_empty() {
            return Err(SkipReason::Algorithm);
        }
    }
    let thumbprint = jwk_thumbprint(key).ok_or(SkipReason::Malformed)?;
    algorithms
        .into_iter()
        .map(|algorithm| {
            Ok(Key {
                thumbprint,
                kid: kid.clone(),
                algorithm,
                public: public(key, algorithm)?,
            })
        })
        .collect()
}

pub(crate) fn public(key: &Map<String, Value>, algorithm: Algorithm) -> Result<ParsedPublicKey, SkipReason> {
    if let Some(parameters) = rsa(algorithm) {
        let (n, e) = (bytes(key, "n")?, bytes(key, "e")?);
        let bits = n.len().saturating_mul(8) - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let odd = e.last().is_some_and(|byte| byte & 1 == 1) && n.last().is_some_and(|byte| byte & 1 == 1);
        // RFC 7518 section 6.3.1: no leading zero octets. Exponents of 3 to 8 bytes are all at least 65536.
        let exponent = (3..=8).contains(&e.len()) && e.first() != Some(&0);
        if !(2048..=8192).contains(&bits) || n.first() == Some(&0) || !odd || !exponent {
            return Err(SkipReason::Weak);
        }
        return RsaPublicKeyComponents { n, e }
            .to_parsed_public_key(parameters)
            .map_err(|_| SkipReason::Malformed);
    }
    let parsed = match algorithm {
        Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(key, 32)?),
        Algorithm::Es384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(key, 48)?),
        _ => ParsedPublicKey::new(&ED25519, bytes(key, "x")?),
    };
    parsed.map_err(|_| SkipReason::Malformed)
}

/// SEC 1 uncompressed point; both coordinates have full length (RFC 7518 section 6.2.1.2).
fn point(key: &Map<String, Value>, width: usize) -> Result<Vec<u8>, SkipReason> {
    let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
    if x.len() != width || y.len() != width {
        return Err(SkipReason::Malformed);
    }
    Ok([vec![4], x, y].concat())
}

fn text<'a>(key: &'a Map<String, Value>, member: &str) -> Result<&'a str, SkipReason> {
    key.get(member)
        .and_then(Value::as_str)
        .ok_or(SkipReason::Malformed)
}

fn bytes(key: &Map<String, Value>, member: &str) -> Result<Vec<u8>, SkipReason> {
    URL_SAFE_NO_PAD
        .decode(text(key, member)?)
        .map_err(|_| SkipReason::Malformed)
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}
