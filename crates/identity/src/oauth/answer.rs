//! What comes back: by the user's browser, and from the token endpoint.

use bartizan_types::{Secret, Timestamp};
use serde_json::Value;

use crate::{
    strict,
    token::{Parts, decode},
};

use super::{
    AuthorizationServer, OauthFault,
    metadata::{malformed, read, required},
    shown,
};

/// Longest token, in bytes; it has to fit into a header.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Life of a token at most, as far as we plan by it.
const LIFE_SECONDS_MAX: u64 = 366 * 24 * 60 * 60;

/// What the browser brought.
#[derive(Debug, Clone, Copy, Default)]
pub struct Callback<'a> {
    /// The code.
    pub code: Option<&'a str>,
    /// Who answers.
    pub iss: Option<&'a str>,
    /// Why there is no code.
    pub error: Option<&'a str>,
}

/// Whether the answer is of the server that was asked (RFC 9207), and its code. Who answers is looked at before what.
///
/// # Errors
/// [`OauthFault::Issuer`], [`OauthFault::IssuerMissing`], [`OauthFault::Denied`], [`OauthFault::Malformed`].
pub fn check_callback<'a>(
    server: &AuthorizationServer,
    callback: &Callback<'a>,
) -> Result<&'a str, OauthFault> {
    match callback.iss {
        Some(iss) if iss == server.issuer => {}
        Some(iss) => {
            return Err(OauthFault::Issuer {
                found: shown(iss),
                expected: server.issuer.clone(),
            });
        }
        None if server.iss_in_answers => return Err(OauthFault::IssuerMissing(server.issuer.clone())),
        None => {}
    }
    if let Some(error) = callback.error {
        return Err(OauthFault::Denied(shown(error)));
    }
    callback
        .code
        .filter(|code| !code.is_empty())
        .ok_or_else(|| malformed("the answer to the authorization", "it has no code"))
}

/// A token as it was given.
pub struct TokenAnswer {
    /// The token.
    pub access: Secret<String>,
    /// What renews it.
    pub refresh: Option<Secret<String>>,
    /// When it ends, if that was said.
    pub expires: Option<Timestamp>,
    /// What it is good for, if that differs from what was asked.
    pub scopes: Option<Vec<String>>,
}

/// Reads a good answer of a token endpoint.
///
/// # Errors
/// [`OauthFault::Malformed`].
pub fn token_answer(bytes: &[u8], now: Timestamp) -> Result<TokenAnswer, OauthFault> {
    const WHAT: &str = "the token endpoint's answer";
    let object = read(bytes, WHAT)?;
    let kind = required(&object, "token_type", WHAT)?;
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(malformed(WHAT, "its token is no bearer token"));
    }
    let access = required(&object, "access_token", WHAT)?;
    let refresh = object.get("refresh_token").and_then(Value::as_str);
    let refresh = refresh.filter(|token| !token.is_empty()).map(str::to_owned);
    let fits = |token: &String| {
        token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|byte| (0x21..0x7F).contains(&byte))
    };
    if !fits(&access) || !refresh.as_ref().is_none_or(fits) {
        return Err(malformed(
            WHAT,
            "a token of it is too long or has bytes that no token has",
        ));
    }
    // Some servers write the number as text.
    let seconds = object.get("expires_in").and_then(|value| {
        value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
    });
    let expires = seconds.map(|seconds| {
        let micros = seconds.min(LIFE_SECONDS_MAX).saturating_mul(1_000_000);
        Timestamp::from_unix_micros(now.unix_micros().saturating_add(micros))
    });
    let scopes = object.get("scope").and_then(Value::as_str);
    Ok(TokenAnswer {
        access: Secret::new(access),
        refresh: refresh.map(Secret::new),
        expires,
        scopes: scopes.map(|text| text.split_ascii_whitespace().map(str::to_owned).collect()),
    })
}

/// Reads an answer that holds an ID token (OpenID Connect Core section 2), asked for one audience. Its signature is for
/// whom it is shown to; here counts that it is meant for that one alone, and until when.
///
/// # Errors
/// [`OauthFault::Malformed`]: none is there, it is meant for somebody else too, or it is over.
pub fn id_token_answer(
    bytes: &[u8],
    audience: &str,
    now: Timestamp,
) -> Result<(Secret<String>, Timestamp), OauthFault> {
    const WHAT: &str = "the token endpoint's answer";
    let object = read(bytes, WHAT)?;
    let token = Secret::new(required(&object, "id_token", WHAT)?);
    let unfit = || malformed(WHAT, "its ID token can't be read");
    if token.expose().len() > TOKEN_BYTES_MAX {
        return Err(unfit());
    }
    let parts = Parts::split(token.expose()).map_err(|_| unfit())?;
    decode(parts.header).map_err(|_| unfit())?;
    decode(parts.signature).map_err(|_| unfit())?;
    let claims = decode(parts.claims).map_err(|_| unfit())?;
    let claims = strict::object(&claims).map_err(|_| unfit())?;
    if claims.get("aud").and_then(Value::as_str) != Some(audience) {
        return Err(malformed(WHAT, "its ID token is meant for another audience"));
    }
    let expires = claims.get("exp").and_then(Value::as_u64).ok_or_else(unfit)?;
    let last = now.unix_seconds().saturating_add(LIFE_SECONDS_MAX);
    let expires = Timestamp::from_unix_seconds(expires.min(last));
    if expires <= now {
        return Err(malformed(WHAT, "its ID token is over"));
    }
    Ok((token, expires))
}

/// Reads the answer to an exchange (RFC 8693 section 2.2): what was issued must be what was asked for.
///
/// # Errors
/// [`OauthFault::Malformed`].
pub fn exchanged(bytes: &[u8], wanted: &str) -> Result<Secret<String>, OauthFault> {
    const WHAT: &str = "the answer to the exchange";
    let object = read(bytes, WHAT)?;
    if required(&object, "issued_token_type", WHAT)? != wanted {
        return Err(malformed(
            WHAT,
            "what was issued is of another type than was asked for",
        ));
    }
    let token = required(&object, "access_token", WHAT)?;
    if token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| (0x21..0x7F).contains(&byte)) {
        return Err(malformed(
            WHAT,
            "its token is too long or has bytes that no token has",
        ));
    }
    Ok(Secret::new(token))
}

/// The `error` of a token endpoint's refusal.
#[must_use]
pub fn token_error(bytes: &[u8]) -> Option<String> {
    let object = read(bytes, "").ok()?;
    object.get("error").and_then(Value::as_str).map(shown)
}
