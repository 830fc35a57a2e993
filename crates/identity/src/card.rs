//! Signatures of agent cards (A2A 1.0, section 8.4): JWS over the canonical card, detached, checked against keys that the
//! operator holds.
//!
//! A card never says where its key is: `jku`, `jwk`, `x5u` and `x5c` are not read. HMAC and `none` have no key in a
//! [`KeySet`], so they are never accepted.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    Algorithm, KeySet, Reason, strict,
    token::{decode, read_header},
};

/// Longest protected header, base64url bytes.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// Checks one signature over a card. `payloads` are the canonical forms that it may have been made over.
///
/// # Errors
/// The first [`Reason`] to refuse it.
pub fn verify_card(
    keys: &KeySet,
    algorithms: &[Algorithm],
    protected: &str,
    signature: &str,
    payloads: &[Vec<u8>],
) -> Result<(), Reason> {
    if protected.len() > HEADER_BYTES_MAX {
        return Err(Reason::TooLong);
    }
    let header = strict::object(&decode(protected)?)?;
    let (algorithm, kid) = read_header(&header)?;
    if !algorithms.contains(&algorithm) {
        return Err(Reason::AlgorithmNotAllowed);
    }
    let signature = decode(signature)?;
    let (key, _) = keys.find(kid, algorithm)?;
    let holds = payloads.iter().any(|payload| {
        let signed = [protected, ".", &URL_SAFE_NO_PAD.encode(payload)].concat();
        key.verify_sig(signed.as_bytes(), &signature).is_ok()
    });
    if holds { Ok(()) } else { Err(Reason::Signature) }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn keys(seed: u8) -> KeySet {
        let x = URL_SAFE_NO_PAD.encode(pair(seed).public_key().as_ref());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]});
        KeySet::parse(set.to_string().as_bytes()).unwrap()
    }

    /// Header and signature over `payload`.
    fn sign(seed: u8, header: &serde_json::Value, payload: &[u8]) -> (String, String) {
        let protected = URL_SAFE_NO_PAD.encode(header.to_string());
        let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = pair(seed).sign(signed.as_bytes());
        (protected, URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn check(seed: u8, header: &serde_json::Value, signed: &[u8], payloads: &[&[u8]]) -> Result<(), Reason> {
        let (protected, signature) = sign(seed, header, signed);
        let payloads: Vec<Vec<u8>> = payloads.iter().map(|one| one.to_vec()).collect();
        verify_card(
            &keys(1),
            &[Algorithm::EdDsa, Algorithm::Es256],
            &protected,
            &signature,
            &payloads,
        )
    }

    #[test]
    fn a_signature_over_either_form_holds() {
        let header = json!({"alg": "EdDSA", "kid": "k", "typ": "JOSE"});
        assert_eq!(check(1, &header, b"{\"a\":1}", &[b"{\"a\":1}"]), Ok(()));
        assert_eq!(check(1, &header, b"{}", &[b"{\"a\":\"\"}", b"{}"]), Ok(()));
    }

    #[test]
    fn what_does_not_hold() {
        let header = json!({"alg": "EdDSA", "kid": "k"});
        let card: &[u8] = b"{\"a\":1}";
        let alter: &[u8] = b"{\"a\":2}";
        // Altered, signed by another, and over bytes that are not in canonical form.
        assert_eq!(check(1, &header, card, &[alter]), Err(Reason::Signature));
        assert_eq!(check(2, &header, card, &[card]), Err(Reason::Signature));
        assert_eq!(
            check(1, &header, b"{ \"a\": 1 }", &[card]),
            Err(Reason::Signature)
        );
        let with = |key: &str, value: serde_json::Value| {
            let mut header = header.clone();
            header[key] = value;
            check(1, &header, card, &[card])
        };
        assert_eq!(with("kid", json!("other")), Err(Reason::KidUnknown));
        assert_eq!(with("alg", json!("none")), Err(Reason::AlgorithmUnknown));
        assert_eq!(with("alg", json!("HS256")), Err(Reason::AlgorithmUnknown));
        assert_eq!(with("alg", json!("RS256")), Err(Reason::AlgorithmNotAllowed));
        assert_eq!(with("alg", json!("ES256")), Err(Reason::KidUnknown));
        assert_eq!(with("crit", json!(["exp"])), Err(Reason::Critical));
        assert_eq!(with("b64", json!(false)), Err(Reason::Encoding));
        // The key that a header brings along is not looked at.
        let own = URL_SAFE_NO_PAD.encode(pair(2).public_key().as_ref());
        let brought = json!({"alg": "EdDSA", "kid": "k", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": own}});
        assert_eq!(check(2, &brought, card, &[card]), Err(Reason::Signature));
    }
}
