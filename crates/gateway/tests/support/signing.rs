//! A P-256 key that signs tokens and proofs.

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};

pub(crate) struct Signing {
    pair: EcdsaKeyPair,
    pub(crate) jwk: Value,
}

impl Signing {
    pub(crate) fn new() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = &pair.public_key().as_ref()[1..];
        let jwk = json!({"crv": "P-256", "kty": "EC", "x": B64.encode(&point[..32]), "y": B64.encode(&point[32..])});
        Self { pair, jwk }
    }

    pub(crate) fn thumbprint(&self) -> String {
        let text = format!(
            r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
            self.jwk["x"], self.jwk["y"]
        );
        B64.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            B64.encode(header.to_string()),
            B64.encode(claims.to_string())
        );
        format!("{signed}.{}", self.signature(signed.as_bytes()))
    }

    /// A signature, as tokens carry it.
    pub(crate) fn signature(&self, signed: &[u8]) -> String {
        B64.encode(self.pair.sign(&SystemRandom::new(), signed).unwrap())
    }
}
