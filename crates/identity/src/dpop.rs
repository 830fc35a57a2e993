//! Proofs of possession (DPoP, RFC 9449 section 4.3): one JWT for each request, by the key that the token names.
//!
//! Checked in the order form, key, signature, request, token, time, and last that it was not seen before; so only who
//! holds a bound token and its key can take room in [`Replays`]. A proof is good for 60 s around
//! its `iat` and once in them; with nonces (section 9) it can't have been made before its nonce was given, either.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest;
use bartizan_types::{Digest, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{Reason, binding::equal, keyset, strict, svid::hashed, token::Parts};

/// Longest proof, in bytes.
const PROOF_BYTES_MAX: usize = 8 << 10;
/// How far `iat` may be from now, in microseconds.
const WINDOW_MICROS: u64 = 60_000_000;
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;
const SHARDS: usize = 16;

/// A proof, and the request it must be of.
#[derive(Clone, Copy)]
pub struct ProofOf<'a> {
    /// The one `DPoP` header; empty where there were several, or one that is no text.
    pub proof: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The request's address without query: authority as the client sent it, and path.
    pub authority: &'a str,
    /// The path.
    pub path: &'a str,
    /// Schemes by which we can be reached: `https`, and `http` where the listener is in clear.
    pub schemes: &'a [&'a str],
    /// Nonces of ours, one of which the proof must have (RFC 9449 section 9); `None` asks for none.
    pub nonces: Option<&'a [String]>,
}

impl fmt::Debug for ProofOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofOf({} {}{})", self.method, self.authority, self.path)
    }
}

/// Checks a proof for this token, by the key of this thumbprint. What is returned must still be unseen.
pub(crate) fn verify(
    of: &ProofOf<'_>,
    token: &str,
    thumbprint: &Digest,
    now: Timestamp,
) -> Result<Seen, Reason> {
    let shape = Reason::ProofShape;
    if of.proof.len() > PROOF_BYTES_MAX {
        return Err(shape);
    }
    let parts = Parts::split(of.proof).map_err(|_| shape)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| shape);
    let header = strict::object(&decode(parts.header)?).map_err(|_| shape)?;
    let claims = strict::object(&decode(parts.claims)?).map_err(|_| shape)?;
    let signature = decode(parts.signature)?;
    if header.get("typ").and_then(Value::as_str) != Some("dpop+jwt")
        || header
            .keys()
            .any(|key| !["typ", "alg", "jwk"].contains(&key.as_str()))
    {
        return Err(shape);
    }
    let algorithm = header.get("alg").and_then(Value::as_str);
    let algorithm = algorithm.and_then(|text| text.parse().ok()).ok_or(shape)?;
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(shape)?;
    // A private or symmetric key in a proof gives away what it should prove.
    if ["d", "k"].iter().any(|member| jwk.contains_key(*member)) {
        return Err(shape);
    }
    let key = keyset::public(jwk, algorithm).map_err(|_| shape)?;
    if !equal(&jwk_thumbprint(jwk).ok_or(shape)?, thumbprint) {
        return Err(Reason::BindingKey);
    }
    key.verify_sig(parts.signed.as_bytes(), &signature)
        .map_err(|_| Reason::ProofSignature)?;

    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    if text("htm") != Some(of.method) {
        return Err(Reason::ProofMethod);
    }
    if !text("htu").is_some_and(|htu| is_address(htu, of)) {
        return Err(Reason::ProofAddress);
    }
    let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()));
    if text("ath") != Some(hash.as_str()) {
        return Err(Reason::ProofToken);
    }
    if of
        .nonces
        .is_some_and(|ours| !ours.iter().any(|one| text("nonce") == Some(one)))
    {
        return Err(Reason::ProofNonce);
    }
    let issued = issued_at(&claims, now)?;
    let jti = text("jti").filter(|jti| (1..=JTI_BYTES_MAX).contains(&jti.len()));
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&thumbprint.0);
    context.update(jti.ok_or(shape)?.as_bytes());
    Ok(Seen {
        id: hashed(context.finish()),
        key: *thumbprint,
        issued,
        until: issued.plus_micros(WINDOW_MICROS + 1),
    })
}

/// When a proof was made; it must not be far from now.
fn issued_at(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, Reason> {
    let seconds = claims.get("iat").and_then(Value::as_u64);
    // A later date than the year 9999 is a mistake.
    let seconds = seconds.filter(|seconds| *seconds <= 253_402_300_799);
    let issued = Timestamp::from_unix_seconds(seconds.ok_or(Reason::ProofTime)?);
    if now.micros_since(issued) > WINDOW_MICROS || issued.micros_since(now) > WINDOW_MICROS {
        return Err(Reason::ProofTime);
    }
    Ok(issued)
}

/// A proof as it is remembered.
pub(crate) struct Seen {
    id: Digest,
    /// Whose it is.
    key: Digest,
    issued: Timestamp,
    /// First moment at which its `iat` alone refuses it.
    until: Timestamp,
}

/// The SHA-256 thumbprint of a public key (RFC 7638): its required members alone, in order.
pub(crate) fn jwk_thumbprint(jwk: &Map<String, Value>) -> Option<Digest> {
    let text = |member: &str| jwk.get(member).and_then(Value::as_str);
    // `json!` keeps the order of keys, which is that of the alphabet either way.
    let required = match text("kty")? {
        "EC" => json!({"crv": text("crv")?, "kty": "EC", "x": text("x")?, "y": text("y")?}),
        "OKP" => json!({"crv": text("crv")?, "kty": "OKP", "x": text("x")?}),
        "RSA" => json!({"e": text("e")?, "kty": "RSA", "n": text("n")?}),
        _ => return None,
    };
    Some(hashed(digest::digest(
        &digest::SHA256,
        required.to_string().as_bytes(),
    )))
}

/// `htu` without query and fragment, scheme and host without case, and no default port.
fn is_address(htu: &str, of: &ProofOf<'_>) -> bool {
    let htu = htu.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = htu.split_once("://") else {
        return false;
    };
    let scheme = scheme.to_ascii_lowercase();
    if !of.schemes.contains(&scheme.as_str()) {
        return false;
    }
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at_checked(at).unwrap_or((rest, "/")),
        None => (rest, "/"),
    };
    let port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_suffix(port).map_or(text.clone(), str::to_owned)
    };
    plain(authority) == plain(of.authority) && path == of.path
}

/// Proofs that were used, each until its time is over. Bounded: a full shard refuses, it never forgets early; and one key
/// has an eighth of a shard at most, so that who floods refuses itself.
pub struct Replays {
    shards: Vec<Mutex<Shard>>,
    /// Most proofs of one shard.
    limit: usize,
    /// Nothing is known of proofs that were made before.
    since: Timestamp,
}

#[derive(Default)]
struct Shard {
    /// Each proof's key.
    seen: BTreeMap<Digest, Digest>,
    by_end: BTreeSet<(Timestamp, Digest)>,
    /// How many each key has.
    of_key: BTreeMap<Digest, usize>,
}

/// Part of a shard that one key may take, and how many proofs it may have in any case.
const SHARE: usize = 8;
const SHARE_LEAST: usize = 16;

impl Shard {
    fn forget(&mut self, id: &Digest) {
        let Some(key) = self.seen.remove(id) else { return };
        if let Some(count) = self.of_key.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_key.remove(&key);
            }
        }
    }
}

impl Replays {
    /// Room for this many, rounded up to a multiple of 16.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            limit: entries.div_ceil(SHARDS),
            since: Timestamp::default(),
        }
    }

    /// Of a run that begins now: what was used in the one before is not known, so what was made before is not taken.
    #[must_use]
    pub fn begun(entries: usize, now: Timestamp) -> Self {
        Self {
            since: now,
            ..Self::new(entries)
        }
    }

    pub(crate) fn take(&self, seen: &Seen, now: Timestamp) -> Result<(), Reason> {
        // `iat` counts whole seconds.
        if seen.issued.plus_micros(1_000_000) <= self.since {
            return Err(Reason::ProofTime);
        }
        let [first, ..] = seen.id.0;
        let shard = self
            .shards
            .get(usize::from(first) % SHARDS)
            .ok_or(Reason::ProofRoom)?;
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that jumps back finds proofs that were dropped after their end: their `iat` is then in the future
        // by less than the window, so that they could come again. Ends are therefore kept one window longer.
        while let Some((end, id)) = shard.by_end.pop_first() {
            if now < end.plus_micros(WINDOW_MICROS) {
                shard.by_end.insert((end, id));
                break;
            }
            shard.forget(&id);
        }
        if shard.seen.contains_key(&seen.id) {
            return Err(Reason::ProofSeen);
        }
        let own = shard.of_key.get(&seen.key).copied().unwrap_or(0);
        if shard.seen.len() >= self.limit || own >= (self.limit / SHARE).max(SHARE_LEAST) {
            return Err(Reason::ProofRoom);
        }
        shard.seen.insert(seen.id, seen.key);
        shard.by_end.insert((seen.until, seen.id));
        *shard.of_key.entry(seen.key).or_default() += 1;
        Ok(())
    }

    /// Proofs remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).seen.len();
        self.shards.iter().map(count).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replays").field("entries", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn seen(key: u8, number: u32, issued: u64) -> Seen {
        let mut id = [0; 32];
        // All in one shard.
        let (front, _) = id.split_at_mut(5);
        let [b, c, d, e] = number.to_be_bytes();
        front.copy_from_slice(&[0, b, c, d, e]);
        let issued = Timestamp::from_unix_seconds(issued);
        Seen {
            id: Digest(id),
            key: Digest([key; 32]),
            issued,
            until: issued.plus_micros(WINDOW_MICROS + 1),
        }
    }

    #[test]
    fn who_floods_takes_its_own_room_and_no_other() {
        let replays = Replays::new(SHARDS * 1024);
        let now = Timestamp::from_unix_seconds(NOW);
        let mut number = 0;
        let mut take = |key, now: Timestamp| {
            number += 1;
            replays.take(&seen(key, number, now.unix_seconds()), now)
        };
        for _ in 0..128 {
            assert_eq!(take(1, now), Ok(()));
        }
        assert_eq!(take(1, now), Err(Reason::ProofRoom));
        assert_eq!(take(2, now), Ok(()), "others go on");
        let later = now.plus_micros(3 * WINDOW_MICROS);
        assert_eq!(take(1, later), Ok(()), "and so does it, once its proofs are over");
        assert_eq!(replays.len(), 1);
    }

    #[test]
    fn what_a_run_before_may_have_seen_is_not_taken() {
        let now = Timestamp::from_unix_seconds(NOW);
        let replays = Replays::begun(1024, now);
        assert_eq!(replays.take(&seen(1, 1, NOW - 1), now), Err(Reason::ProofTime));
        assert_eq!(replays.take(&seen(1, 1, NOW), now), Ok(()));
        assert_eq!(replays.take(&seen(1, 1, NOW), now), Err(Reason::ProofSeen));
        assert_eq!(Replays::new(1024).take(&seen(1, 1, NOW - 1), now), Ok(()));
    }
}
