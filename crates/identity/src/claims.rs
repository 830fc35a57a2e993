//! Claims that were signed, turned into a principal: bounded, and refused whole where a part does not fit. A groups
//! claim that is cut short could hide the very group that a policy forbids, so nothing is cut.

use std::collections::BTreeSet;

use bartizan_types::{Actor, AgentId, Name, Timestamp, UserId};
use serde_json::{Map, Value};

use crate::{Fault, IssuerConfig, RESERVED_AGENT, Reason, TrustDomain, spiffe};

/// Longest `act` chain (RFC 8693 section 4.1).
const ACT_DEPTH_MAX: usize = 8;
/// Most groups of a principal.
pub(crate) const GROUPS_MAX: usize = 64;
/// Most scopes of a token that are looked at.
const SCOPES_MAX: usize = 128;
/// Longest text of an actor or group, in bytes; that of an id.
const TEXT_BYTES_MAX: usize = 256;
/// Most entries of `aud`.
const AUDIENCES_MAX: usize = 32;
/// 9999-12-31T23:59:59Z; a later date is a mistake, and a larger number would overflow.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// Whom the claims name.
pub(crate) struct Named {
    pub(crate) agent: AgentId,
    pub(crate) user: Option<UserId>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) act: Vec<Actor>,
}

/// Reads agent, user, groups and actors.
pub(crate) fn named(claims: &Map<String, Value>, config: &IssuerConfig) -> Result<Named, Fault> {
    let agent: AgentId = match &config.svids_of {
        None => name(find(claims, &config.agent_claim), config).ok_or(Reason::Agent)?,
        Some(domain) => workload(claims, domain, config)?,
    };
    if agent.as_str() == RESERVED_AGENT {
        return Err(Reason::AgentReserved.into());
    }
    let user = match &config.user_claim {
        None => None,
        Some(claim) => Some(name(find(claims, claim), config).ok_or(Reason::User)?),
    };
    let groups = match &config.groups_claim {
        None => BTreeSet::new(),
        Some(claim) => groups(find(claims, claim), config)?,
    };
    Ok(Named {
        agent,
        user,
        groups,
        act: actors(claims.get("act"))?,
    })
}

/// Whom a JWT-SVID names (SPIFFE JWT-SVID specification, section 3.1): as the certificates of its domain do.
fn workload(
    claims: &Map<String, Value>,
    domain: &TrustDomain,
    config: &IssuerConfig,
) -> Result<AgentId, Reason> {
    let sub = claims.get("sub").and_then(Value::as_str);
    let id = sub.and_then(spiffe::parse).filter(|id| id.domain == *domain);
    let id = id.ok_or(Reason::SubjectSpiffe)?;
    AgentId::new(&spaced(&id.path, config)).map_err(|_| Reason::Agent)
}

/// The validity window of signed claims: refused now, or good until the returned moment. INVARIANT: at that moment
/// and later `within` would refuse, at any moment from `now` to it accept; a cached verdict rests on this.
pub(crate) fn within(
    claims: &Map<String, Value>,
    config: &IssuerConfig,
    now: Timestamp,
) -> Result<Window, Fault> {
    let leeway = u64::from(config.leeway_seconds).saturating_mul(1_000_000);
    let exp = date(claims, "exp")
        .map_err(|()| Reason::ExpiryMissing)?
        .ok_or(Reason::ExpiryMissing)?;
    let (mut expires, mut until) = (exp, exp.plus_micros(leeway));
    if now >= until {
        return Err(Reason::Expired.into());
    }
    if let Some(nbf) = date(claims, "nbf").map_err(|()| Reason::NotBeforeShape)?
        && now.plus_micros(leeway) < nbf
    {
        return Err(Reason::NotBefore.into());
    }
    let iat = date(claims, "iat").map_err(|()| Reason::IssuedShape)?;
    if iat.is_some_and(|iat| now.plus_micros(leeway) < iat) {
        return Err(Reason::IssuedLater.into());
    }
    if let Some(age) = config.max_age_seconds {
        let iat = iat.ok_or(Reason::IssuedMissing)?;
        let old = iat.plus_micros(u64::from(age).saturating_mul(1_000_000));
        expires = expires.min(old);
        let end = old.plus_micros(leeway);
        if now >= end {
            return Err(Reason::TooOld.into());
        }
        until = until.min(end);
    }
    Ok(Window { expires, until })
}

/// What the token was given: `scope` as one text (RFC 9068 section 2.2.3), or as a list, which some call `scp`. What can't
/// be read gives nothing: a scope only ever adds.
pub(crate) fn scopes(claims: &Map<String, Value>) -> BTreeSet<String> {
    let found = claims.get("scope").or_else(|| claims.get("scp"));
    let texts: Vec<&str> = match found {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => return BTreeSet::new(),
    };
    // RFC 6749 section 3.3: printable, without quotes and backslashes.
    let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    let fits = |text: &&str| (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
    texts
        .into_iter()
        .filter(fits)
        .take(SCOPES_MAX)
        .map(str::to_owned)
        .collect()
}

/// When a token ends.
pub(crate) struct Window {
    /// `exp`.
    pub(crate) expires: Timestamp,
    /// First moment at which it is refused: the earlier of `exp` and the maximum age, plus leeway.
    pub(crate) until: Timestamp,
}

/// `aud` (RFC 7519 section 4.1.3): a text or a list of texts, one of which is ours.
pub(crate) fn audience(claims: &Map<String, Value>, ours: &[String]) -> Result<(), Fault> {
    let is_ours = |text: &String| ours.contains(text);
    let fits = match claims.get("aud") {
        Some(Value::String(text)) => is_ours(text),
        Some(Value::Array(list)) if list.len() <= AUDIENCES_MAX => {
            let mut fits = false;
            for entry in list {
                let Value::String(text) = entry else {
                    return Err(Reason::AudienceMissing.into());
                };
                fits |= is_ours(text);
            }
            fits
        }
        _ => return Err(Reason::AudienceMissing.into()),
    };
    if fits {
        Ok(())
    } else {
        Err(Reason::AudienceForeign.into())
    }
}

/// A `NumericDate` (RFC 7519 section 2): seconds, possibly with a fraction. Rounded down to microseconds.
fn date(claims: &Map<String, Value>, claim: &str) -> Result<Option<Timestamp>, ()> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    if let Some(seconds) = value.as_u64() {
        // Past the year 9999 the exact branch is as wrong as the other.
        return if seconds <= 253_402_300_799 {
            Ok(Some(Timestamp::from_unix_seconds(seconds)))
        } else {
            Err(())
        };
    }
    let seconds = value.as_f64().ok_or(())?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 2.6e17, checked above"
    )]
    let micros = (seconds * 1e6) as u64;
    Ok(Some(Timestamp::from_unix_micros(micros)))
}

fn find<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a Value> {
    let Some(path) = claim.strip_prefix('/') else {
        return claims.get(claim);
    };
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let value = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    if rest.is_empty() {
        Some(value)
    } else {
        value.pointer(&format!("/{rest}"))
    }
}

fn spaced(text: &str, config: &IssuerConfig) -> String {
    config
        .namespace
        .as_ref()
        .map_or_else(|| text.to_owned(), |space| format!("{space}/{text}"))
}

fn name<K>(value: Option<&Value>, config: &IssuerConfig) -> Option<Name<K>> {
    let text = value?.as_str()?;
    // An empty claim must not become the bare namespace.
    Name::<K>::new(text).ok()?;
    Name::new(&spaced(text, config)).ok()
}

/// A group is an id like any other: policies name it.
pub(crate) fn is_group(text: &str) -> bool {
    AgentId::new(text).is_ok()
}

fn groups(value: Option<&Value>, config: &IssuerConfig) -> Result<BTreeSet<String>, Fault> {
    let one = |text: &str| {
        let spaced = spaced(text, config);
        (is_group(text) && is_group(&spaced))
            .then_some(spaced)
            .ok_or(Fault::from(Reason::Groups))
    };
    match value {
        None => Ok(BTreeSet::new()),
        Some(Value::String(text)) => Ok(BTreeSet::from([one(text)?])),
        Some(Value::Array(list)) if list.len() <= GROUPS_MAX => list
            .iter()
            .map(|entry| one(entry.as_str().ok_or(Reason::Groups)?))
            .collect(),
        Some(_) => Err(Reason::Groups.into()),
    }
}

fn actors(mut next: Option<&Value>) -> Result<Vec<Actor>, Fault> {
    let mut chain = Vec::new();
    while let Some(value) = next {
        if chain.len() >= ACT_DEPTH_MAX {
            return Err(Reason::ActorDepth.into());
        }
        let link = value.as_object().ok_or(Reason::ActorShape)?;
        let text = |claim: &str| match link.get(claim) {
            None => Ok(None),
            Some(Value::String(text))
                if (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) =>
            {
                Ok(Some(text.clone()))
            }
            Some(_) => Err(Reason::ActorShape),
        };
        chain.push(Actor {
            sub: text("sub")?.ok_or(Reason::ActorShape)?,
            iss: text("iss")?,
            bounds: None,
            key: None,
        });
        next = link.get("act");
    }
    Ok(chain)
}
