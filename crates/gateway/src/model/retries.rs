//! The keys by which a provider knows a repeated request. A provider keeps them by account, and the account is shared
//! by every agent behind one provider key: what one agent says as its key must never find the answer of another.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use bartizan_types::Principal;
use http::{HeaderName, HeaderValue};

/// The header of a repeated request.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Keeps these hashes apart from every other one of ours.
const DOMAIN: &[u8] = b"bartizan idempotency key v1";

/// The key as a provider sees it: of whoever calls, and of what it said. The same caller with the same key gets the
/// same again, so that its retries still work; nobody can say a key that comes out as another's.
pub(super) fn of(principal: &Principal, said: &HeaderValue) -> Option<HeaderValue> {
    let mut hash = digest::Context::new(&digest::SHA256);
    // With its length before each part, no two lists of parts are the same bytes.
    let mut part = |bytes: &[u8]| {
        hash.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    // A party that may be absent is a list of none or one, told by its count.
    let list = |there: usize| u64::try_from(there).unwrap_or(u64::MAX).to_be_bytes();
    part(DOMAIN);
    part(principal.issuer.as_str().as_bytes());
    part(principal.agent.as_str().as_bytes());
    part(&list(principal.user.iter().count()));
    if let Some(user) = &principal.user {
        part(user.as_str().as_bytes());
    }
    part(&list(principal.act.len()));
    for actor in &principal.act {
        part(actor.sub.as_bytes());
        part(&list(actor.iss.iter().count()));
        if let Some(issuer) = &actor.iss {
            part(issuer.as_bytes());
        }
    }
    part(said.as_bytes());
    let mut text = String::with_capacity(3 + 64);
    text.push_str("bz-");
    for byte in hash.finish().as_ref() {
        write!(text, "{byte:02x}").ok()?;
    }
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use bartizan_types::{Actor, AgentId, AuthMethod, Issuer, KeyId, UserId};

    use super::*;

    fn caller(issuer: &str, agent: &str, user: Option<&str>, act: &[(&str, Option<&str>)]) -> Principal {
        Principal {
            agent: AgentId::new(agent).unwrap(),
            user: user.map(|user| UserId::new(user).unwrap()),
            act: act
                .iter()
                .map(|(sub, iss)| Actor {
                    sub: (*sub).to_owned(),
                    iss: iss.map(str::to_owned),
                    bounds: None,
                    key: None,
                })
                .collect(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new(issuer).unwrap(),
            credential: KeyId::new("k1").unwrap(),
            rests: Default::default(),
            method: AuthMethod::Jwt,
            root: None,
            anchor: None,
            expires: None,
        }
    }

    #[test]
    fn every_part_of_an_identity_and_the_key_itself_tell_keys_apart() {
        let callers = [
            caller("i", "a", None, &[]),
            caller("j", "a", None, &[]),
            caller("i", "ab", None, &[]),
            caller("i", "a", Some("b"), &[]),
            caller("i", "a", Some("c"), &[]),
            caller("i", "a", None, &[("b", None)]),
            caller("i", "a", None, &[("b", Some("c"))]),
            caller("i", "a", None, &[("b", None), ("c", None)]),
            caller("i", "a", Some("b"), &[("c", None)]),
        ];
        let mut seen = BTreeMap::new();
        for who in &callers {
            for said in ["", "b", "k", "kk"] {
                let key = of(who, &HeaderValue::from_static(said)).unwrap();
                let before = seen.insert(key.to_str().unwrap().to_owned(), (who, said));
                assert_eq!(before, None, "{who:?} {said}");
            }
        }
    }

    #[test]
    fn a_retry_with_another_credential_of_the_same_identity_is_the_same_key() {
        let first = caller("i", "a", Some("u"), &[]);
        let renewed = Principal {
            credential: KeyId::new("k2").unwrap(),
            groups: BTreeSet::from(["g".to_owned()]),
            ..first.clone()
        };
        let said = HeaderValue::from_static("retry-1");
        assert_eq!(of(&first, &said), of(&renewed, &said));
    }

    #[test]
    fn what_comes_out_said_again_comes_out_as_another_key() {
        let said = HeaderValue::from_static("retry-1");
        let victim = of(&caller("i", "a", None, &[]), &said).unwrap();
        assert_ne!(of(&caller("i", "b", None, &[]), &victim), Some(victim.clone()));
        assert_ne!(of(&caller("i", "a", None, &[]), &victim), Some(victim));
    }
}
