//! A JWT (RFC 7519) in compact form, checked against a registry's issuers.
//!
//! The order is: form, header, issuer, key, signature, then what the claims say. Nothing of the claims but `iss` is
//! looked at before the signature holds, and `iss` (for JWT-SVIDs the trust domain in `sub`) only chooses the key set. `jku`, `x5u`, `x5c` and `jwk` are not
//! even read: where a key is, the operator says.

use aws_lc_rs::digest;
use bartizan_types::{AuthMethod, Digest, KeyId, Principal, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{Algorithm, Fault, IssuerKeys, Reason, binding::Binding, claims, keyset::KID_BYTES_MAX, strict};

/// Longest token, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Types of access tokens, for an issuer that lists none: RFC 7519 section 5.1, RFC 9068 section 2.1.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A checked token.
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    /// First moment at which it must be refused.
    pub(crate) until: Timestamp,
    /// What must be shown beside it.
    pub(crate) binding: Option<Binding>,
}

/// SHA-256 of a text: of a whole token, the cache's key; of what is signed in it, its public name where it has no `jti`.
pub(crate) fn fingerprint(token: &str) -> Digest {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, token.as_bytes()).as_ref())
    {
        *slot = *byte;
    }
    Digest(bytes)
}

/// Checks a token against the issuers, at `now`. `find` looks at claims that nothing vouches for yet, and gives the one
/// whose keys have to.
pub(crate) fn verify<'a>(
    token: &str,
    find: impl FnOnce(&Map<String, Value>) -> Result<&'a IssuerKeys, Reason>,
    now: Timestamp,
) -> Result<Verified, Fault> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Reason::TooLong.into());
    }
    let parts = Parts::split(token)?;
    let header = strict::object(&decode(parts.header)?)?;
    let (algorithm, kid) = read_header(&header)?;
    let claims = strict::object(&decode(parts.claims)?)?;
    let signature = decode(parts.signature)?;

    let issuer = find(&claims)?;
    let config = &issuer.config;
    let blame = |fault: Fault| Fault {
        issuer: Some(config.issuer.clone()),
        ..fault
    };
    let refuse = |reason: Reason| blame(reason.into());

    if !config.algorithms.contains(&algorithm) {
        return Err(refuse(Reason::AlgorithmNotAllowed));
    }
    let fits = match &config.svids_of {
        None => is_type(&header, &config.types),
        Some(_) => is_svid_type(&header),
    };
    if !fits {
        return Err(refuse(Reason::Type));
    }
    let keys = issuer
        .keys
        .as_ref()
        .ok_or_else(|| refuse(Reason::KeySetUnavailable))?;
    let (key, anchor) = keys.find(kid, algorithm).map_err(refuse)?;
    key.verify_sig(parts.signed.as_bytes(), &signature)
        .map_err(|_| refuse(Reason::Signature))?;

    claims::audience(&claims, &config.audience).map_err(blame)?;
    let window = claims::within(&claims, config, now).map_err(blame)?;
    let named = claims::named(&claims, config).map_err(blame)?;
    let binding = Binding::read(&claims).map_err(refuse)?;
    let credential = match claims.get("jti").and_then(Value::as_str).map(KeyId::new) {
        Some(Ok(jti)) => jti,
        // No `jti`, or one that is no id: the digest of what is signed names it. Not the signature's as well: whoever holds
        // the token makes another good ECDSA signature of it, (r, n - s), and would walk out of a revocation with that.
        _ => KeyId::new(&format!("sha256:{}", fingerprint(parts.signed)))
            .map_err(|_| refuse(Reason::Unrecognised))?,
    };
    Ok(Verified {
        principal: Principal {
            agent: named.agent,
            user: named.user,
            act: named.act,
            groups: named.groups,
            scopes: claims::scopes(&claims),
            issuer: config.issuer.clone(),
            credential,
            rests: Default::default(),
            method: AuthMethod::Jwt,
            root: None,
            anchor: Some(anchor),
            expires: Some(window.expires),
        },
        until: window.until,
        binding,
    })
}

pub(crate) struct Parts<'a> {
    pub(crate) header: &'a str,
    pub(crate) claims: &'a str,
    pub(crate) signature: &'a str,
    /// Header and claims with the dot between them: what is signed (RFC 7515 section 5.2).
    pub(crate) signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn split(token: &'a str) -> Result<Self, Reason> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::Unrecognised)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::Unrecognised)?;
        if claims.contains('.') || [header, claims].contains(&"") {
            return Err(Reason::Unrecognised);
        }
        Ok(Self {
            header,
            claims,
            signature,
            signed,
        })
    }
}

/// Refuses padding, foreign alphabets and non-zero trailing bits, so that a token has one spelling.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Base64)
}

pub(crate) fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<&str>), Reason> {
    let algorithm = header
        .get("alg")
        .and_then(Value::as_str)
        .ok_or(Reason::AlgorithmMissing)?;
    let algorithm = algorithm.parse().map_err(|_| Reason::AlgorithmUnknown)?;
    if header.contains_key("crit") {
        return Err(Reason::Critical);
    }
    if ["b64", "zip", "enc"]
        .into_iter()
        .any(|member| header.contains_key(member))
    {
        return Err(Reason::Encoding);
    }
    if header.contains_key("cty") {
        return Err(Reason::Nested);
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if (1..=KID_BYTES_MAX).contains(&kid.len()) => Some(kid.as_str()),
        Some(_) => return Err(Reason::KidShape),
    };
    Ok((algorithm, kid))
}

/// SPIFFE JWT-SVID specification, section 2.3: in just this spelling, or not at all.
fn is_svid_type(header: &Map<String, Value>) -> bool {
    header
        .get("typ")
        .is_none_or(|found| [json!("JWT"), json!("JOSE")].contains(found))
}

fn is_type(header: &Map<String, Value>, listed: &[String]) -> bool {
    fn plain(text: &str) -> String {
        let text = text.to_ascii_lowercase();
        text.strip_prefix("application/")
            .map_or(text.clone(), str::to_owned)
    }
    match header.get("typ") {
        None => listed.is_empty(),
        Some(Value::String(found)) if listed.is_empty() => TYPES.contains(&plain(found).as_str()),
        Some(Value::String(found)) => listed.iter().any(|one| plain(one) == plain(found)),
        Some(_) => false,
    }
}
