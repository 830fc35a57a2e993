//! Google service accounts: a key file becomes a JWT that one service believes at once, or one that Google's token
//! endpoint takes in exchange for an access token.
//!
//! Claims and header as AIP-4111 (self-signed) and AIP-4112 (RFC 7523 section 2.1) have them, RS256 (RFC 7518 section
//! 3.3). Of the file, account, key id and key are read, and nothing of where to go: a file says `token_uri`, and whoever
//! wrote it would have us send there. Other kinds of credential file (`external_account` and the like) name addresses and
//! programs to run, and are refused.

use std::fmt;

use aws_lc_rs::{
    digest,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use bartizan_types::{Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where Google gives access tokens for assertions, unless the operator names another place.
pub const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// Life of what is signed, in seconds: the most that Google takes.
const LIFE_SECONDS: u64 = 3600;
/// Longest account name and key id, in bytes.
const NAME_BYTES_MAX: usize = 320;

/// A service account's key, as the file that Google gives out holds it.
pub struct GoogleKey {
    account: String,
    id: String,
    pair: RsaKeyPair,
}

impl fmt::Debug for GoogleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GoogleKey({} {})", self.account, self.id)
    }
}

/// The text is no key of a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no Google service account's key: JSON of `type` `service_account` with `client_email`, `private_key_id` and an RSA \
     `private_key` in PKCS#8 PEM"
)]
pub struct NoGoogleKey;

/// A token that its account signed itself.
pub struct SelfSigned {
    /// What goes after `Bearer`.
    pub token: Secret<String>,
    /// When it ends.
    pub expires: Timestamp,
}

impl GoogleKey {
    /// Reads a key file.
    ///
    /// # Errors
    /// [`NoGoogleKey`], which says nothing of what was read.
    pub fn parse(text: &[u8]) -> Result<Self, NoGoogleKey> {
        #[derive(Deserialize)]
        struct Written {
            r#type: String,
            client_email: String,
            private_key_id: String,
            private_key: String,
        }
        let written: Written = serde_json::from_slice(text).map_err(|_| NoGoogleKey)?;
        let pem = Secret::new(written.private_key);
        let fits = |name: &str| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let names = fits(&written.client_email) && fits(&written.private_key_id);
        if written.r#type != "service_account" || !names || !written.client_email.contains('@') {
            return Err(NoGoogleKey);
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| NoGoogleKey)?;
        Ok(Self {
            account: written.client_email,
            id: written.private_key_id,
            pair: RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| NoGoogleKey)?,
        })
    }

    /// A token for one service, as `https://aiplatform.googleapis.com/` (AIP-4111). Good for an hour from `now`.
    ///
    /// # Errors
    /// [`NoGoogleKey`] where the key can't sign.
    pub fn self_signed(&self, audience: &str, now: Timestamp) -> Result<SelfSigned, NoGoogleKey> {
        let at = now.unix_seconds();
        let end = at.saturating_add(LIFE_SECONDS);
        let account = &self.account;
        let claims = json!({ "iss": account, "sub": account, "aud": audience, "iat": at, "exp": end });
        Ok(SelfSigned {
            token: self.signed(&claims)?,
            expires: Timestamp::from_unix_seconds(end),
        })
    }

    /// What a token endpoint takes in exchange for an access token with these scopes (AIP-4112, RFC 7523 section 2.1). Good
    /// for an hour from `now`, at that endpoint alone.
    ///
    /// # Errors
    /// [`NoGoogleKey`] where the key can't sign.
    pub fn assertion(
        &self,
        endpoint: &str,
        scopes: &[String],
        now: Timestamp,
    ) -> Result<Secret<String>, NoGoogleKey> {
        let at = now.unix_seconds();
        self.signed(&json!({
            "iss": self.account, "scope": scopes.join(" "), "aud": endpoint, "iat": at,
            "exp": at.saturating_add(LIFE_SECONDS),
        }))
    }

    /// What a token endpoint takes in exchange for an ID token for one audience, as Cloud Run and Identity-Aware Proxy want
    /// it (RFC 7523 section 2.1, with Google's `target_audience`). Good for an hour from `now`, at that endpoint alone.
    ///
    /// # Errors
    /// [`NoGoogleKey`] where the key can't sign.
    pub fn identity_assertion(
        &self,
        endpoint: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Secret<String>, NoGoogleKey> {
        let at = now.unix_seconds();
        self.signed(&json!({
            "iss": self.account, "sub": self.account, "target_audience": audience, "aud": endpoint, "iat": at,
            "exp": at.saturating_add(LIFE_SECONDS),
        }))
    }

    fn signed(&self, claims: &Value) -> Result<Secret<String>, NoGoogleKey> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let body = format!("{}.{}", part(&header), part(claims));
        let hash = digest::digest(&digest::SHA256, body.as_bytes());
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign_digest(&RSA_PKCS1_SHA256, &hash, &mut signature)
            .map_err(|_| NoGoogleKey)?;
        Ok(Secret::new(format!(
            "{body}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::KeySize,
        signature::KeyPair as _,
    };
    use base64::engine::general_purpose::STANDARD;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    use super::*;

    const ACCOUNT: &str = "gate@example.iam.gserviceaccount.com";

    /// A key file, and the public key (RFC 8017 `RSAPublicKey`) that checks what it signs.
    fn file() -> (Value, Vec<u8>) {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let lines: Vec<String> = STANDARD
            .encode(der.as_ref())
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        let file = json!({
            "type": "service_account", "project_id": "example", "private_key_id": "key-1", "private_key": pem,
            "client_email": ACCOUNT, "client_id": "1", "token_uri": "https://evil.example/token",
        });
        (file, pair.public_key().as_ref().to_vec())
    }

    fn parse(file: &Value) -> Result<GoogleKey, NoGoogleKey> {
        GoogleKey::parse(file.to_string().as_bytes())
    }

    /// What an independent reader makes of a token, with its signature checked.
    fn read(token: &str, public: &[u8], audience: &str, now: u64) -> Value {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[audience]);
        rules.validate_exp = false;
        let token = decode::<Value>(token, &DecodingKey::from_rsa_der(public), &rules).unwrap();
        assert_eq!(token.header.kid.as_deref(), Some("key-1"));
        assert_eq!(token.claims["iat"], now);
        assert_eq!(token.claims["exp"], now + 3600);
        assert_eq!(token.claims["iss"], ACCOUNT);
        token.claims
    }

    #[test]
    fn what_it_signs_another_reader_believes() {
        let (file, public) = file();
        let key = parse(&file).unwrap();
        let now = 1_800_000_000;
        let at = Timestamp::from_unix_seconds(now);
        let service = "https://aiplatform.googleapis.com/";
        let own = key.self_signed(service, at).unwrap();
        assert_eq!(own.expires, Timestamp::from_unix_seconds(now + 3600));
        let claims = read(own.token.expose(), &public, service, now);
        assert_eq!(claims["sub"], ACCOUNT);
        assert!(claims.get("scope").is_none());

        let scopes = ["https://www.googleapis.com/auth/cloud-platform", "openid"].map(str::to_owned);
        let assertion = key.assertion(TOKEN_ENDPOINT, &scopes, at).unwrap();
        let claims = read(assertion.expose(), &public, TOKEN_ENDPOINT, now);
        assert_eq!(claims["scope"], scopes.join(" "));
        assert!(claims.get("sub").is_none());

        let place = "https://place.example";
        let assertion = key.identity_assertion(TOKEN_ENDPOINT, place, at).unwrap();
        let claims = read(assertion.expose(), &public, TOKEN_ENDPOINT, now);
        assert_eq!(claims["target_audience"], place);
        assert_eq!(claims["sub"], ACCOUNT);
        assert!(claims.get("scope").is_none());
    }

    #[test]
    fn a_key_shows_neither_itself_nor_where_its_file_leads() {
        let (file, _) = file();
        let key = parse(&file).unwrap();
        assert_eq!(format!("{key:?}"), format!("GoogleKey({ACCOUNT} key-1)"));
        let signed = key.assertion(TOKEN_ENDPOINT, &[], Timestamp::from_unix_seconds(1));
        let body = signed.unwrap().expose().split('.').nth(1).unwrap().to_owned();
        let body = String::from_utf8(URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        assert!(!body.contains("evil.example"), "{body}");
    }

    #[test]
    fn what_is_no_service_account_is_refused() {
        let (good, _) = file();
        parse(&good).unwrap();
        let with = |key: &str, value: Value| {
            let mut file = good.clone();
            file[key] = value;
            file
        };
        let short = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for bad in [
            with("type", json!("external_account")),
            with("type", json!("authorized_user")),
            with("client_email", json!("nobody")),
            with("client_email", json!("a@b \u{7f}")),
            with("private_key_id", json!("")),
            with("private_key", json!(short)),
            with("private_key", json!("not PEM")),
            with("private_key", Value::Null),
            json!([]),
        ] {
            assert_eq!(parse(&bad).unwrap_err(), NoGoogleKey, "{}", bad["type"]);
        }
        let twice = good.to_string().replacen('{', "{\"client_email\":\"a@b.c\",", 1);
        assert_eq!(GoogleKey::parse(twice.as_bytes()).unwrap_err(), NoGoogleKey);
    }
}
