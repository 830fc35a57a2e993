//! What an agent hands on to another without calling home: a chain of signed links, each narrower than the one before.
//!
//! ```text
//! bzd.LINK.SIGNATURE[.LINK.SIGNATURE]….END
//! ```
//!
//! The first link is ours: it names the agent, the credential it rests on, and the public key whose holder may add the
//! next link. An API key is looked up at each use. A token or a certificate can't be, so the link says what it showed, and
//! ends when it does; where it was shown by whoever holds a certificate, so must all be that hangs on it. Each further link names another key and is signed by the key named before it, over all that stands in
//! front; so a link can't be moved, dropped or put elsewhere. The end is the last key's seed (then its holder may add
//! links) or its signature over everything (then nobody may). What a link says can only refuse:
//! [`Bounds`](bartizan_types::Bounds) of every link must admit a call, and policy after them.
//!
//! No clock and no rules language: judging is one signature for each link, at most 8.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use bartizan_types::{
    Actor, AgentId, AuthMethod, Bounds, Digest, Issuer, KeyId, Name, Principal, Secret, Timestamp, UserId,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ApiKeyRecord, Fault, Reason, Registry, binding::Binding, strict, token::Verified};

/// What a delegation begins with.
pub(crate) const PREFIX: &str = "bzd.";
/// What a link's name begins with.
const NAME: &str = "bzd:";
/// Most links.
pub const LINKS_MAX: usize = 8;
/// Longest delegation, in bytes.
const BYTES_MAX: usize = 16 << 10;
/// Separates these signatures from any other.
const LINK_DOMAIN: &[u8] = b"bartizan delegation link v1\0";
const END_DOMAIN: &[u8] = b"bartizan delegation end v1\0";

/// Whether a text looks like a delegation, whole or not.
#[must_use]
pub fn is_delegation(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The first link: who hands on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    agent: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    /// The credential it rests on; when that ends, so does all that hangs on it.
    rests: KeyId,
    /// What that credential showed, where it is none of our API keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vouched: Option<Vouched>,
    link: Link,
}

/// What a token or a certificate showed when a chain began with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vouched {
    method: AuthMethod,
    issuer: Issuer,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    act: Vec<Actor>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    groups: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    scopes: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    rests: BTreeSet<KeyId>,
    until: Timestamp,
    /// The issuer's key or the root that vouched for it, by its thumbprint: when that is taken out of use, this ends.
    anchor: Digest,
    /// A certificate was shown, alone or beside the token.
    certified: bool,
}

/// What a chain begins with.
#[derive(Debug, Clone, Copy)]
pub enum ChainRoot<'a> {
    /// One of our API keys.
    Key(&'a ApiKeyRecord),
    /// A caller that showed a token or a certificate. A token bound to a key (DPoP) is none to begin with: nothing would
    /// bind what is handed on.
    Judged(&'a Principal),
}

impl ChainRoot<'_> {
    /// What is known of it in the first link.
    fn first(self, link: Link) -> Result<First, DelegationFault> {
        let judged = match self {
            ChainRoot::Key(record) => {
                return Ok(First {
                    agent: record.agent.clone(),
                    user: record.user.clone(),
                    rests: record.prefix.clone(),
                    vouched: None,
                    link,
                });
            }
            ChainRoot::Judged(principal) => principal,
        };
        if judged.act.len() >= LINKS_MAX {
            return Err(DelegationFault::Depth);
        }
        let ends = judged
            .expires
            .filter(|_| matches!(judged.method, AuthMethod::Jwt | AuthMethod::Certificate));
        let certified = judged.method == AuthMethod::Certificate || !judged.rests.is_empty();
        Ok(First {
            agent: judged.agent.clone(),
            user: judged.user.clone(),
            rests: judged.credential.clone(),
            vouched: Some(Vouched {
                method: judged.method,
                issuer: judged.issuer.clone(),
                act: judged.act.clone(),
                groups: judged.groups.clone(),
                scopes: judged.scopes.clone(),
                rests: judged.rests.clone(),
                until: ends.ok_or(DelegationFault::Root)?,
                anchor: judged.anchor.ok_or(DelegationFault::Root)?,
                certified,
            }),
            link,
        })
    }
}

/// A link: to whom, what, and who may go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    /// The one handed to, as the one before calls it.
    to: String,
    /// Ed25519, base64url.
    key: String,
    #[serde(default)]
    bounds: Bounds,
}

/// Longest name of one handed to, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A key whose public half a link may name. The seed is 256 fresh bits of a cryptographic generator.
pub struct DelegationKey {
    seed: Secret<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl DelegationKey {
    /// From its seed.
    ///
    /// # Errors
    /// [`DelegationFault::Seed`], which no seed is known to cause.
    pub fn new(seed: Secret<[u8; 32]>) -> Result<Self, DelegationFault> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| DelegationFault::Seed)?;
        Ok(Self { seed, pair })
    }

    /// The public half, as links name it.
    #[must_use]
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    /// What records call the link that names it, and what that link is revoked by.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{NAME}{}", self.public())
    }

    fn sign(&self, domain: &[u8], text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(&[domain, text.as_bytes()].concat()))
    }
}

impl std::fmt::Debug for DelegationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DelegationKey({})", self.public())
    }
}

/// Why a delegation can't be made or narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegationFault {
    /// The seed makes no key.
    #[error("the seed makes no key")]
    Seed,
    /// The name of the one handed to.
    #[error("a name has 1 to 128 printable ASCII characters")]
    To,
    /// The bounds are too large.
    #[error("bounds have at most 64 entries of 1 to 512 bytes")]
    Bounds,
    /// There are as many links as may be.
    #[error("a chain has at most 8 links")]
    Depth,
    /// Sealed: nobody may add a link.
    #[error("this delegation is sealed, so nothing can be handed on from it")]
    Sealed,
    /// Not a delegation.
    #[error("this is no delegation")]
    Shape,
    /// It would last no time, or longer than one may.
    #[error("a delegation lasts 1 to 43200 minutes (30 days)")]
    Life,
    /// Nothing that a chain can begin with.
    #[error("a chain begins with an API key, a token or a certificate that ends")]
    Root,
    /// More groups, scopes or bounds than fit.
    #[error("a delegation has at most 16 KiB")]
    Long,
}

/// Begins a chain: what `root` may, or less, for `to`. Signed by `ours`; `next` is the key that may go on.
///
/// # Errors
/// [`DelegationFault`].
pub fn delegate(
    ours: &DelegationKey,
    root: ChainRoot<'_>,
    to: &str,
    bounds: Bounds,
    next: &DelegationKey,
) -> Result<Secret<String>, DelegationFault> {
    let first = root.first(link(to, bounds, next)?)?;
    let text = serde_json::to_string(&first).map_err(|_| DelegationFault::Shape)?;
    extend(PREFIX.trim_end_matches('.'), &text, ours, next)
}

/// Adds a narrower link, offline: whoever holds the delegation can.
///
/// # Errors
/// [`DelegationFault`].
pub fn narrow(
    delegation: &str,
    to: &str,
    bounds: Bounds,
    next: &DelegationKey,
) -> Result<Secret<String>, DelegationFault> {
    let chain = Chain::split(delegation).map_err(|_| DelegationFault::Shape)?;
    if chain.links.len() >= LINKS_MAX {
        return Err(DelegationFault::Depth);
    }
    let End::Seed(seed) = chain.end else {
        return Err(DelegationFault::Sealed);
    };
    let holder = DelegationKey::new(seed)?;
    let text = serde_json::to_string(&link(to, bounds, next)?).map_err(|_| DelegationFault::Shape)?;
    extend(chain.body, &text, &holder, next)
}

/// Ends a chain: what is returned can be used, and not handed on.
///
/// # Errors
/// [`DelegationFault`].
pub fn seal(delegation: &str) -> Result<Secret<String>, DelegationFault> {
    let chain = Chain::split(delegation).map_err(|_| DelegationFault::Shape)?;
    let End::Seed(seed) = chain.end else {
        return Err(DelegationFault::Sealed);
    };
    let end = DelegationKey::new(seed)?.sign(END_DOMAIN, chain.body);
    Ok(Secret::new(format!("{}.f{end}", chain.body)))
}

fn link(to: &str, bounds: Bounds, next: &DelegationKey) -> Result<Link, DelegationFault> {
    if !is_name(to) {
        return Err(DelegationFault::To);
    }
    if !bounds.is_small() {
        return Err(DelegationFault::Bounds);
    }
    Ok(Link {
        to: to.to_owned(),
        key: next.public(),
        bounds,
    })
}

fn extend(
    body: &str,
    link: &str,
    by: &DelegationKey,
    next: &DelegationKey,
) -> Result<Secret<String>, DelegationFault> {
    let signed = format!("{body}.{}", URL_SAFE_NO_PAD.encode(link));
    let signature = by.sign(LINK_DOMAIN, &signed);
    let seed = URL_SAFE_NO_PAD.encode(next.seed.expose());
    let whole = Secret::new(format!("{signed}.{signature}.s{seed}"));
    // The end of a sealed one is longer than a seed.
    if whole.expose().len().saturating_add(64) > BYTES_MAX {
        return Err(DelegationFault::Long);
    }
    Ok(whole)
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && Name::<bartizan_types::kind::Agent>::new(text).is_ok()
}

enum End {
    /// The holder may go on.
    Seed(Secret<[u8; 32]>),
    /// Nobody may.
    Sealed(Vec<u8>),
}

/// A delegation, taken apart and not believed.
struct Chain<'a> {
    /// Everything before the end.
    body: &'a str,
    /// Each link: all up to it, the link itself, its signature.
    links: Vec<(&'a str, Vec<u8>, Vec<u8>)>,
    end: End,
}

impl<'a> Chain<'a> {
    fn split(text: &'a str) -> Result<Self, Reason> {
        let shape = Reason::DelegationShape;
        if text.len() > BYTES_MAX || !is_delegation(text) {
            return Err(shape);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| shape);
        let (body, end) = text.rsplit_once('.').ok_or(shape)?;
        let end = match end.split_at_checked(1).ok_or(shape)? {
            ("s", seed) => {
                let seed = decode(seed)?.try_into().map_err(|_| shape)?;
                End::Seed(Secret::new(seed))
            }
            ("f", signature) => End::Sealed(decode(signature)?),
            _ => return Err(shape),
        };
        let mut links = Vec::new();
        // From the start of the text to the end of each link, so that every signature covers all before it.
        let mut at = PREFIX.len();
        while at <= body.len() {
            if links.len() >= LINKS_MAX {
                return Err(Reason::DelegationLong);
            }
            let rest = body.get(at..).ok_or(shape)?;
            let (link, rest) = rest.split_once('.').ok_or(shape)?;
            let signature = rest.split('.').next().unwrap_or_default();
            let to = at.saturating_add(link.len());
            let signed = body.get(..to).ok_or(shape)?;
            links.push((signed, decode(link)?, decode(signature)?));
            at = to
                .saturating_add(1)
                .saturating_add(signature.len())
                .saturating_add(1);
        }
        Ok(Self { body, links, end })
    }

    /// Whether who shows it holds the last link's key.
    fn is_held_by(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Seed(seed) => Ed25519KeyPair::from_seed_and_public_key(seed.expose(), key).is_ok(),
            End::Sealed(signature) => check(key, END_DOMAIN, self.body, signature).is_some(),
        }
    }
}

/// Who acts by a link, and whose signature comes next.
fn acts(link: Link, now: Timestamp) -> Result<(Actor, Vec<u8>), Reason> {
    if !is_name(&link.to) || !link.bounds.is_small() {
        return Err(Reason::DelegationShape);
    }
    let key = URL_SAFE_NO_PAD.decode(&link.key);
    let key = key.map_err(|_| Reason::DelegationShape)?;
    if link.bounds.until.is_some_and(|until| now >= until) {
        return Err(Reason::DelegationOver);
    }
    let actor = Actor {
        sub: link.to,
        iss: None,
        bounds: Some(Box::new(link.bounds)),
        key: Some(name(&key).ok_or(Reason::DelegationShape)?),
    };
    Ok((actor, key))
}

impl First {
    /// Who begins the chain, as far as the credential beneath it is still in force.
    fn begins(&self, registry: &Registry, now: Timestamp) -> Result<Principal, Reason> {
        let Some(vouched) = &self.vouched else {
            let known = registry.in_force(&self.rests, now);
            let same = |known: &&Principal| known.agent == self.agent && known.user == self.user;
            return known.filter(same).cloned().ok_or(Reason::DelegationRoot);
        };
        let caller = Principal {
            agent: self.agent.clone(),
            user: self.user.clone(),
            act: vouched.act.clone(),
            groups: vouched.groups.clone(),
            scopes: vouched.scopes.clone(),
            issuer: vouched.issuer.clone(),
            credential: self.rests.clone(),
            rests: vouched.rests.clone(),
            method: vouched.method,
            root: None,
            anchor: Some(vouched.anchor),
            expires: Some(vouched.until),
        };
        if now >= vouched.until || !registry.vouches(&caller, &vouched.anchor, now) {
            return Err(Reason::DelegationRoot);
        }
        Ok(caller)
    }
}

/// Judges a delegation, at `now`. `ours` is the public half of the key that begins chains; `registry` says what the
/// credential beneath may, and whether it is in force.
pub(crate) fn verify(
    text: &str,
    ours: &[u8],
    registry: &Registry,
    now: Timestamp,
) -> Result<Verified, Fault> {
    let chain = Chain::split(text)?;
    let mut key = ours.to_vec();
    let mut first = None;
    let mut act = Vec::new();
    for (at, (signed, json, signature)) in chain.links.iter().enumerate() {
        check(&key, LINK_DOMAIN, signed, signature).ok_or(Reason::DelegationSignature)?;
        let shape = |_| Reason::DelegationShape;
        let object = strict::object(json).map_err(shape)?;
        check_objects(&object, at == 0)?;
        let object = Value::Object(object);
        let link = if at == 0 {
            let found: First = serde_json::from_value(object).map_err(|_| Reason::DelegationShape)?;
            let link = found.link.clone();
            first = Some(found);
            link
        } else {
            serde_json::from_value(object).map_err(|_| Reason::DelegationShape)?
        };
        let actor;
        (actor, key) = acts(link, now)?;
        act.push(actor);
    }
    if !chain.is_held_by(&key) {
        return Err(Reason::DelegationProof.into());
    }
    let first = first.ok_or(Reason::DelegationShape)?;
    let under = first.begins(registry, now)?;
    // Whom it was handed to last stands in front: the one that acts now (RFC 8693 section 4.1).
    act.reverse();
    let ends = act.iter().filter_map(|actor| actor.bounds.as_ref()?.until);
    let expires = ends.chain(under.expires).min();
    let last = act.first().and_then(|actor| actor.key.clone());
    act.extend(under.act);
    if act.len() > LINKS_MAX {
        return Err(Reason::DelegationLong.into());
    }
    let is_certified = first.vouched.is_some_and(|vouched| vouched.certified);
    Ok(Verified {
        until: expires.unwrap_or(Timestamp::from_unix_micros(u64::MAX)),
        principal: Principal {
            agent: under.agent,
            user: under.user,
            act,
            groups: under.groups,
            scopes: under.scopes,
            issuer: under.issuer,
            credential: last.ok_or(Reason::DelegationShape)?,
            rests: under.rests.into_iter().chain([first.rests]).collect(),
            method: AuthMethod::Delegated,
            root: Some(under.method),
            anchor: None,
            expires,
        },
        binding: is_certified.then(Binding::to_first_holder),
    })
}

/// That what has names is read by its names: serde would take a list for a struct, in the order of its fields, and no other
/// reader would.
fn check_objects(link: &Map<String, Value>, is_first: bool) -> Result<(), Reason> {
    let named = |member: Option<&Value>| member.is_none_or(Value::is_object);
    let (link, vouched) = match (is_first, link.get("link")) {
        (true, found) => {
            let found = found.and_then(Value::as_object).ok_or(Reason::DelegationShape)?;
            (found, link.get("vouched"))
        }
        (false, _) => (link, None),
    };
    if named(link.get("bounds")) && named(vouched) {
        Ok(())
    } else {
        Err(Reason::DelegationShape)
    }
}

/// What a link is called in records and revocations: by its key, which the one before signed. Whoever holds it can add
/// links, and not call it something else.
fn name(key: &[u8]) -> Option<KeyId> {
    KeyId::new(&format!("{NAME}{}", URL_SAFE_NO_PAD.encode(key))).ok()
}

fn check(key: &[u8], domain: &[u8], text: &str, signature: &[u8]) -> Option<()> {
    let message = [domain, text.as_bytes()].concat();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&message, signature)
        .ok()
}
