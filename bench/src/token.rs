//! An issuer of our own: an ES256 key, its key set, and one token.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// The issuer's name.
pub(crate) const ISSUER: &str = "https://issuer.bench.invalid";
/// The audience its tokens are for.
pub(crate) const AUDIENCE: &str = "bartizan-bench";
/// The claim that names the agent.
pub(crate) const AGENT_CLAIM: &str = "agent";

/// A key set and a token it verifies.
pub(crate) struct Issued {
    /// The JWKS document.
    pub(crate) key_set: String,
    /// A token of an hour.
    pub(crate) token: String,
}

/// Makes a key, its set, and a token valid from a minute before `now` (seconds since 1970). `chain`: who acts for whom,
/// as `act` (RFC 8693 section 4.1), the outermost first.
pub(crate) fn issue(now: u64, chain: &[&str]) -> Result<Issued, String> {
    let key =
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| "no ES256 key could be made")?;
    // Uncompressed: 4, then the coordinates (SEC 1, 2.3.3).
    let point = key.public_key().as_ref();
    let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
        return Err("the public key has an unknown form".to_owned());
    };
    let key_set = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "bench-1",
        "x": BASE64.encode(x), "y": BASE64.encode(y),
    }]});
    let head = part(&json!({ "alg": "ES256", "typ": "JWT", "kid": "bench-1" }));
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-7", AGENT_CLAIM: "bench-agent",
        "iat": now.saturating_sub(60), "nbf": now.saturating_sub(60), "exp": now + 3540,
    });
    let act = chain.iter().rev().fold(None, |inner: Option<Value>, name| {
        let mut act = json!({ "sub": name });
        if let Some(inner) = inner {
            act["act"] = inner;
        }
        Some(act)
    });
    if let Some(act) = act {
        claims["act"] = act;
    }
    let claims = part(&claims);
    let signed = format!("{head}.{claims}");
    let signature = key
        .sign(&SystemRandom::new(), signed.as_bytes())
        .map_err(|_| "the token could not be signed")?;
    Ok(Issued {
        key_set: key_set.to_string(),
        token: format!("{signed}.{}", BASE64.encode(signature.as_ref())),
    })
}

fn part(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn the_key_set_verifies_the_token() {
        let issued = issue(1_700_000_000, &["a", "b"]).expect("issues");
        let set: Value = serde_json::from_str(&issued.key_set).expect("json");
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            let text = set["keys"][0][coordinate].as_str().expect("a coordinate");
            point.extend(BASE64.decode(text).expect("base64"));
        }
        let (signed, signature) = issued.token.rsplit_once('.').expect("three parts");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &BASE64.decode(signature).expect("base64"))
            .expect("verifies");
    }
}
