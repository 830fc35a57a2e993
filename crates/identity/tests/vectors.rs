//! The negative corpus: every bad token is refused for the stated reason, and its twin, the smallest change that mends
//! it, is accepted. A refusal without an accepted twin could come from anything.

#[expect(
    clippy::disallowed_methods,
    reason = "test keys are made from the system's randomness"
)]
mod forge;

use std::{collections::BTreeSet, sync::Arc};

use bartizan_identity::{
    Algorithm, Credential, IssuerConfig, IssuerKeys, KeySet, Pepper, Reason, Registry, Secret, TokenCache,
    TrustDomain,
};
use bartizan_types::{Issuer, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use forge::{Keys, NOW};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    profile: String,
    expected: String,
    bad: Token,
    twin: Token,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Token {
    #[serde(default)]
    header: Option<Value>,
    #[serde(default)]
    claims: Option<Value>,
    header_text: Option<String>,
    claims_text: Option<String>,
    sign: Option<String>,
    edit: Option<String>,
    profile: Option<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../vectors/tokens.json")).unwrap()
}

fn registry(profile: &str, keys: &Keys) -> Registry {
    let mut config = IssuerConfig::new(
        Issuer::new("https://issuer.example").unwrap(),
        vec!["bartizan".to_owned(), "https://gateway.example/mcp".to_owned()],
    );
    config.algorithms = Algorithm::ALL.to_vec();
    config.groups_claim = Some("groups".to_owned());
    let set = |jwks: &Value| Some(Arc::new(KeySet::parse(jwks.to_string().as_bytes()).unwrap()));
    let mut found = set(&keys.jwks());
    let mut more = Vec::new();
    match profile {
        "plain" => {}
        "es256-only" => config.algorithms = vec![Algorithm::Es256],
        "typed" => config.types = vec!["at+jwt".to_owned()],
        "max-age" => config.max_age_seconds = Some(3600),
        "user" => config.user_claim = Some("email".to_owned()),
        "delegated" => config.agent_claim = "/act/sub".to_owned(),
        "no-keys" => found = None,
        "one-key" => found = set(&json!({"keys": [forge::ec_jwk("ec", &keys.ec)]})),
        "svid" => {
            let domain = TrustDomain::new("svids.example").unwrap();
            config = IssuerConfig::svids(domain, config.audience).unwrap();
            // As a trust domain's bundle is written.
            let mut bundle = keys.jwks();
            for key in bundle["keys"].as_array_mut().unwrap() {
                if key.get("use").is_none_or(|usage| usage == "sig") {
                    key["use"] = json!("jwt-svid");
                }
            }
            let x509 = forge::with(forge::ec_jwk("gone", &keys.ec), &json!({"use": "x509-svid"}));
            bundle["keys"].as_array_mut().unwrap().push(x509);
            found = set(&bundle);
        }
        "two-issuers" => {
            config.namespace = Some("first".to_owned());
            let second = IssuerConfig {
                issuer: Issuer::new("https://second.example").unwrap(),
                namespace: Some("second".to_owned()),
                ..config.clone()
            };
            more.push(IssuerKeys {
                config: second,
                keys: set(&json!({"keys": [forge::ec_jwk("second", &keys.other), forge::ec_jwk("spare", &keys.ec)]})),
            });
        }
        other => panic!("profile {other}"),
    }
    more.push(IssuerKeys { config, keys: found });
    Registry::new(1, Vec::new(), Pepper::new(&Secret::new([1; 32])), more).unwrap()
}

fn build(token: &Token, keys: &Keys) -> String {
    let other = forge::ec_jwk("other", &keys.other);
    let fill = |value: Value| -> String {
        let text = value.to_string();
        text.replace("{other.x}", other["x"].as_str().unwrap())
            .replace("{other.y}", other["y"].as_str().unwrap())
    };
    let part = |base: Value, changes: &Option<Value>, text: &Option<String>| {
        text.clone()
            .unwrap_or_else(|| fill(forge::with(base, changes.as_ref().unwrap_or(&json!({})))))
    };
    let header = part(forge::header(), &token.header, &token.header_text);
    let claims = part(forge::claims(), &token.claims, &token.claims_text);
    let algorithm = serde_json::from_str::<Value>(&header).ok();
    let algorithm = algorithm.and_then(|header| header["alg"].as_str().map(str::to_owned));
    let how = token.sign.clone().or(algorithm).unwrap_or_default();
    edit(&keys.token(&header, &claims, &how), token.edit.as_deref(), keys)
}

fn edit(token: &str, how: Option<&str>, keys: &Keys) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    match how {
        None => token.to_owned(),
        Some("flip-signature") => {
            let mut bytes = B64.decode(signature).unwrap();
            bytes[0] ^= 1;
            format!("{header}.{claims}.{}", B64.encode(bytes))
        }
        Some("short-signature") => {
            let bytes = B64.decode(signature).unwrap();
            format!("{header}.{claims}.{}", B64.encode(&bytes[..bytes.len() - 1]))
        }
        Some("swap-claims") => {
            let admin = forge::with(forge::claims(), &json!({"sub": "admin"}));
            format!("{header}.{}.{signature}", B64.encode(admin.to_string()))
        }
        Some("swap-header") => {
            let quiet = forge::with(forge::header(), &json!({"typ": null}));
            format!("{}.{claims}.{signature}", B64.encode(quiet.to_string()))
        }
        Some("two-parts") => format!("{header}.{claims}"),
        Some("four-parts") => format!("{token}.x"),
        Some("five-parts") => format!("{token}.x.y"),
        Some("empty-claims") => format!("{header}..{signature}"),
        Some("pad") => format!("{header}.{claims}.{signature}=="),
        Some("newline") => format!("{header}\n.{claims}.{signature}"),
        Some("space") => format!(" {token}"),
        Some("standard-alphabet") => {
            // Signed anew until the signature has a digit that the two alphabets spell differently.
            let signed = format!("{header}.{claims}");
            let found = (0..1000)
                .map(|_| B64.encode(keys.sign("ES256", signed.as_bytes())))
                .find(|text| text.contains('-') || text.contains('_'));
            format!("{signed}.{}", found.unwrap().replace('-', "+").replace('_', "/"))
        }
        Some("trailing-bits") => {
            // 64 bytes end in a digit of which only the two upper bits count.
            let (front, last) = signature.split_at(signature.len() - 1);
            let next = char::from(last.as_bytes()[0] + 1);
            format!("{header}.{claims}.{front}{next}")
        }
        Some(other) => panic!("edit {other}"),
    }
}

#[test]
fn every_bad_token_is_refused_for_its_reason_and_its_twin_accepted() {
    let keys = Keys::new();
    let vectors = vectors();
    assert!(vectors.len() >= 120);
    let now = Timestamp::from_unix_seconds(NOW);
    let mut wrong = Vec::new();
    for vector in &vectors {
        let bad = build(&vector.bad, &keys);
        let registry_bad = registry(&vector.profile, &keys);
        let twin_profile = vector.twin.profile.as_ref().unwrap_or(&vector.profile);
        let registry_twin = registry(twin_profile, &keys);
        let twin = build(&vector.twin, &keys);
        let cache = TokenCache::new(64);
        // Twice through the cache: a refusal is never remembered as anything else.
        for _ in 0..2 {
            match cache.authenticate(&registry_bad, &Credential::Bearer(&bad), now) {
                Ok(_) => wrong.push(format!("{}: accepted", vector.name)),
                Err(fault) if fault.reason.name() == vector.expected => {
                    assert_eq!(fault.code, fault.reason.code());
                }
                Err(fault) => wrong.push(format!("{}: {:?}", vector.name, fault.reason)),
            }
        }
        assert!(cache.is_empty(), "{}", vector.name);
        if let Err(fault) = registry_twin.authenticate(&Credential::Bearer(&twin), now) {
            wrong.push(format!("{}: twin refused, {:?}", vector.name, fault.reason));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A reason without a vector is a check that nobody would miss.
#[test]
fn every_reason_of_tokens_has_a_vector() {
    let seen: BTreeSet<String> = vectors().into_iter().map(|vector| vector.expected).collect();
    let elsewhere = [
        Reason::Missing,
        Reason::Several,
        Reason::KeyShape,
        Reason::KeyChecksum,
        Reason::KeyPrefix,
        Reason::KeySecret,
        Reason::KeyRevoked,
        Reason::KeyExpired,
    ];
    // Those of certificates, bindings, proofs and delegations are in `workload.json`.
    let workload = ["Binding", "Proof", "Certificate", "Delegation"];
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !workload.iter().any(|start| reason.name().starts_with(start)))
        .filter(|reason| !elsewhere.contains(reason) && !seen.contains(reason.name()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A workload is one agent, whether it shows a JWT-SVID or its certificate.
#[test]
fn a_jwt_svid_names_whom_its_path_names() {
    let keys = Keys::new();
    let token = Token {
        claims: Some(json!({"iss": null, "sub": "spiffe://svids.example/ns/prod/sa/mail"})),
        ..Token::default()
    };
    let registry = registry("svid", &keys);
    let now = Timestamp::from_unix_seconds(NOW);
    let principal = registry
        .authenticate(&Credential::Bearer(&build(&token, &keys)), now)
        .unwrap();
    assert_eq!(principal.agent.as_str(), "svids.example/ns/prod/sa/mail");
    assert_eq!(principal.issuer.as_str(), "spiffe://svids.example");
    assert_eq!(principal.user, None);
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA,
    0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

/// ECDSA lets whoever sees a signature make a second good one, (r, n - s). Whoever holds a token that was revoked must not
/// walk out of that with it.
#[test]
fn a_second_spelling_of_a_signature_is_the_same_credential() {
    let keys = Keys::new();
    let registry = registry("plain", &keys);
    let now = Timestamp::from_unix_seconds(NOW);
    let plain = Token {
        claims: Some(json!({"jti": null})),
        ..Token::default()
    };
    let token = build(&plain, &keys);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = B64.decode(signature).unwrap();
    let mut borrow = 0;
    for (digit, order) in bytes[32..].iter_mut().zip(ORDER).rev() {
        let left = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(left < 0);
        *digit = u8::try_from(left + 256 * borrow).unwrap();
    }
    let second = format!("{signed}.{}", B64.encode(bytes));
    assert_ne!(second, token);
    let named = |text: &str| {
        let credential = Credential::Bearer(text);
        registry.authenticate(&credential, now).unwrap().credential
    };
    assert!(named(&token).as_str().starts_with("sha256:"), "it has no jti");
    assert_eq!(named(&token), named(&second));
}
