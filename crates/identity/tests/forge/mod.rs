//! Test keys, key sets and tokens. Keys are made when a test starts; none is committed.

use aws_lc_rs::{
    encoding::AsDer as _,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};

/// The moment at which every vector is judged, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) struct Keys {
    pub(crate) rsa: RsaKeyPair,
    pub(crate) ec: Vec<u8>,
    pub(crate) other: Vec<u8>,
    pub(crate) ec384: Vec<u8>,
    pub(crate) ed: Vec<u8>,
    pub(crate) ed_other: Vec<u8>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let ec = |algorithm| {
            EcdsaKeyPair::generate_pkcs8(algorithm, &random)
                .unwrap()
                .as_ref()
                .to_vec()
        };
        let ed = || Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec();
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            other: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            ec384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed: ed(),
            ed_other: ed(),
        }
    }

    /// The main issuer's set: usable keys beside every kind that must be skipped.
    pub(crate) fn jwks(&self) -> Value {
        let rsa = self.rsa_jwk("rsa");
        json!({"keys": [
            rsa,
            with(self.rsa_jwk("rsa-rs256"), &json!({"alg": "RS256", "use": "sig"})),
            with(self.rsa_jwk("rsa-enc"), &json!({"use": "enc"})),
            with(self.rsa_jwk("rsa-weak"), &json!({"n": B64.encode([0xff; 128])})),
            with(ec_jwk("ec", &self.ec), &json!({"use": "sig", "key_ops": ["verify"]})),
            with(ec_jwk("ec-sign", &self.ec), &json!({"key_ops": ["sign"]})),
            ec_jwk("ec384", &self.ec384),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": B64.encode(ed_pair(&self.ed).public_key())},
            {"kty": "oct", "kid": "oct", "k": B64.encode([7; 32])},
        ]})
    }

    pub(crate) fn rsa_jwk(&self, kid: &str) -> Value {
        let der = self.rsa.public_key().as_ref();
        let (n, e) = rsa_parts(der);
        json!({"kty": "RSA", "kid": kid, "n": B64.encode(n), "e": B64.encode(e)})
    }

    /// Signs `message` as `how` says.
    pub(crate) fn sign(&self, how: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn aws_lc_rs::signature::RsaEncoding| {
            let mut out = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, message, &mut out).unwrap();
            out
        };
        let ec = |algorithm: &'static EcdsaSigningAlgorithm, pkcs8: &[u8]| {
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).unwrap();
            pair.sign(&random, message).unwrap().as_ref().to_vec()
        };
        match how {
            "RS256" | "rsa" | "rsa-pkcs1-256" => rsa(&RSA_PKCS1_SHA256),
            "RS384" => rsa(&RSA_PKCS1_SHA384),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384),
            "PS512" => rsa(&RSA_PSS_SHA512),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.ec384),
            "EdDSA" | "Ed25519" => ed_pair(&self.ed).sign(message).as_ref().to_vec(),
            "ed-other" => ed_pair(&self.ed_other).sign(message).as_ref().to_vec(),
            "other" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.other),
            "ec-der" => ec(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.ec),
            "hmac-rsa-public" => {
                let der = self.rsa.public_key().as_der().unwrap();
                let key = hmac::Key::new(hmac::HMAC_SHA256, der.as_ref());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            "nothing" => Vec::new(),
            "zeros" => vec![0; 64],
            _ => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.ec),
        }
    }

    /// A token in compact form.
    pub(crate) fn token(&self, header: &str, claims: &str, how: &str) -> String {
        let signed = format!("{}.{}", B64.encode(header), B64.encode(claims));
        let signature = self.sign(how, signed.as_bytes());
        format!("{signed}.{}", B64.encode(signature))
    }
}

pub(crate) fn header() -> Value {
    json!({"alg": "ES256", "kid": "ec", "typ": "JWT"})
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "bartizan", "sub": "mail-agent", "jti": "t1",
        "exp": NOW + 600, "iat": NOW - 10,
    })
}

/// `base` with the members of `changes`; `null` removes.
pub(crate) fn with(mut base: Value, changes: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(key);
        } else {
            members.insert(key.clone(), value.clone());
        }
    }
    base
}

pub(crate) fn ec_jwk(kid: &str, pkcs8: &[u8]) -> Value {
    let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
    let (curve, pair) = match p256 {
        Ok(pair) => ("P-256", pair),
        Err(_) => (
            "P-384",
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8).unwrap(),
        ),
    };
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({"kty": "EC", "crv": curve, "kid": kid, "x": B64.encode(x), "y": B64.encode(y)})
}

fn ed_pair(pkcs8: &[u8]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(pkcs8).unwrap()
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1), without leading zeros.
fn rsa_parts(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    fn take(der: &[u8], tag: u8) -> (&[u8], &[u8]) {
        assert_eq!(der[0], tag);
        let (length, start) = match der[1] {
            short @ 0..=127 => (usize::from(short), 2),
            0x81 => (usize::from(der[2]), 3),
            _ => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        };
        der[start..].split_at(length)
    }
    let plain = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let (body, _) = take(der, 0x30);
    let (n, rest) = take(body, 0x02);
    let (e, _) = take(rest, 0x02);
    (plain(n), plain(e))
}
