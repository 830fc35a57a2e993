//! API keys of ours: `bz_PREFIX_SECRET_CHECK`.
//!
//! PREFIX (8 base-62 digits) is public and names the key. SECRET (43 digits) carries 256 bits. CHECK is the CRC-32 of
//! all before it, so that a typing mistake and a secret scanner's false hit are told apart without a lookup. Stored is
//! HMAC-SHA-256 of the whole key under the pepper: a stolen state file is no list of keys, and without the pepper it
//! can't even be tested against guesses. INVARIANT: whether a key is revoked or expired is told only to who has it.

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::hmac;
use bartizan_types::{AgentId, Digest, IdFault, KeyId, Secret, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Fault, Reason, base62,
    claims::{GROUPS_MAX, is_group},
};

const PREFIX_DIGITS: usize = 8;
const SECRET_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;
const KEY_BYTES: usize = 3 + PREFIX_DIGITS + 1 + SECRET_DIGITS + 1 + CHECK_DIGITS;
/// Separates this use of the pepper from any other.
const HASH_DOMAIN: &[u8] = b"bartizan api key v1\0";

/// What is kept of an API key. Holds nothing that lets anyone in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// The public part, with `bz_`.
    pub prefix: KeyId,
    /// HMAC-SHA-256 of the whole key under the pepper.
    pub hash: Digest,
    /// Whom it makes the caller.
    pub agent: AgentId,
    /// For whom the agent acts, if always for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Groups of the agent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// When it was made.
    pub created: Timestamp,
    /// First moment at which it no longer works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Since when it no longer works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// The secret that keys are hashed under; the shell derives it from the master key.
pub struct Pepper(hmac::Key);

impl Pepper {
    /// From 256 secret bits.
    #[must_use]
    pub fn new(bytes: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()))
    }

    fn context(&self, key: &str) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(HASH_DOMAIN);
        context.update(key.as_bytes());
        context
    }

    fn hash(&self, key: &str) -> Digest {
        let mut hash = [0; 32];
        for (slot, byte) in hash.iter_mut().zip(self.context(key).sign().as_ref()) {
            *slot = *byte;
        }
        Digest(hash)
    }

    /// Compares in constant time.
    fn fits(&self, key: &str, hash: &Digest) -> bool {
        let found = self.context(key).sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(found.as_ref(), &hash.0).is_ok()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(***)")
    }
}

/// A new key: the record to keep, and the text to show once.
#[derive(Debug)]
pub struct NewKey {
    /// To be stored.
    pub record: ApiKeyRecord,
    /// To be shown to the operator, once.
    pub shown_once: Secret<String>,
}

/// Why a key can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintFault {
    /// Too many groups, or one that is no name.
    #[error("an agent has at most 64 groups, each of 1 to 256 printable ASCII characters")]
    Groups,
    /// The gateway's own name.
    #[error("`bartizan` is the gateway's own name; an agent needs another")]
    Reserved,
    /// Never seen: `bz_` and 8 digits are a name.
    #[error(transparent)]
    Prefix(#[from] IdFault),
}

/// The gateway's own name among agents. The policy packs permit its housekeeping, so no credential may carry it.
pub const RESERVED_AGENT: &str = "bartizan";

/// Makes a key. `random` is 256 fresh bits of a cryptographic generator; prefix and secret are derived from it by
/// HMAC-SHA-256 under different labels, so the public prefix tells nothing of the secret.
///
/// # Errors
/// [`MintFault`] when the groups exceed their bounds, or the agent is [`RESERVED_AGENT`].
pub fn mint_key(
    agent: AgentId,
    user: Option<UserId>,
    groups: BTreeSet<String>,
    now: Timestamp,
    expires: Option<Timestamp>,
    random: &Secret<[u8; 32]>,
    pepper: &Pepper,
) -> Result<NewKey, MintFault> {
    if groups.len() > GROUPS_MAX || groups.iter().any(|group| !is_group(group)) {
        return Err(MintFault::Groups);
    }
    if agent.as_str() == RESERVED_AGENT {
        return Err(MintFault::Reserved);
    }
    let source = hmac::Key::new(hmac::HMAC_SHA256, random.expose());
    // Whole capacity at once: growing would leave parts of the key in freed memory.
    let mut text = String::with_capacity(KEY_BYTES);
    text.push_str("bz_");
    base62::append(&mut text, hmac::sign(&source, b"prefix").as_ref(), PREFIX_DIGITS);
    let prefix = KeyId::new(&text)?;
    text.push('_');
    base62::append(&mut text, hmac::sign(&source, b"secret").as_ref(), SECRET_DIGITS);
    let check = crc32fast::hash(text.as_bytes());
    text.push('_');
    base62::append(&mut text, &check.to_be_bytes(), CHECK_DIGITS);
    Ok(NewKey {
        record: ApiKeyRecord {
            prefix,
            hash: pepper.hash(&text),
            agent,
            user,
            groups,
            created: now,
            expires,
            revoked: None,
        },
        shown_once: Secret::new(text),
    })
}

/// Whether a text looks like one of our keys, whole or not. A JWT never does: its first part has no `_` before `{"`.
#[must_use]
pub fn is_api_key(text: &str) -> bool {
    text.starts_with("bz_")
}

/// A key's public part, once its form and check digits are right.
pub(crate) fn prefix(text: &str) -> Result<&str, Fault> {
    let shape = || Fault::from(Reason::KeyShape);
    if text.len() != KEY_BYTES {
        return Err(shape());
    }
    let (body, check) = text.rsplit_once('_').ok_or_else(shape)?;
    let (prefix, secret) = body.rsplit_once('_').ok_or_else(shape)?;
    let digits = prefix.strip_prefix("bz_").ok_or_else(shape)?;
    let parts = [
        (digits, PREFIX_DIGITS),
        (secret, SECRET_DIGITS),
        (check, CHECK_DIGITS),
    ];
    if parts
        .into_iter()
        .any(|(part, width)| part.len() != width || !base62::is_base62(part))
    {
        return Err(shape());
    }
    let mut expected = String::with_capacity(CHECK_DIGITS);
    base62::append(
        &mut expected,
        &crc32fast::hash(body.as_bytes()).to_be_bytes(),
        CHECK_DIGITS,
    );
    if expected != check {
        return Err(Reason::KeyChecksum.into());
    }
    Ok(prefix)
}

/// Judges a key against the record of its prefix.
pub(crate) fn judge(text: &str, record: &ApiKeyRecord, pepper: &Pepper, now: Timestamp) -> Result<(), Fault> {
    if !pepper.fits(text, &record.hash) {
        return Err(Reason::KeySecret.into());
    }
    if record.revoked.is_some() {
        return Err(Reason::KeyRevoked.into());
    }
    if record.expires.is_some_and(|expires| now >= expires) {
        return Err(Reason::KeyExpired.into());
    }
    Ok(())
}
