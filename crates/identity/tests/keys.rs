//! API keys, the registry's own refusals, the token cache, key sets, and that nothing shows a secret.

#[expect(
    clippy::disallowed_methods,
    reason = "test keys are made from the system's randomness"
)]
mod forge;

use std::{collections::BTreeSet, sync::Arc};

use bartizan_identity::{
    Algorithm, ApiKeyRecord, ConfigFault, Credential, IssuerConfig, IssuerKeys, KeySet, KeySetFault,
    MintFault, NewKey, Pepper, Reason, Registry, Secret, SkipReason, TokenCache, mint_key,
};
use bartizan_types::{AgentId, AuthMethod, Issuer, KeyId, Timestamp};
use forge::{Keys, NOW};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn pepper(byte: u8) -> Pepper {
    Pepper::new(&Secret::new([byte; 32]))
}

fn mint(random: u8, expires: Option<Timestamp>) -> NewKey {
    let agent = AgentId::new("mail-agent").unwrap();
    let groups = BTreeSet::from(["ops".to_owned()]);
    mint_key(
        agent,
        None,
        groups,
        at(NOW),
        expires,
        &Secret::new([random; 32]),
        &pepper(1),
    )
    .unwrap()
}

fn judge(records: Vec<ApiKeyRecord>, text: &str, now: u64) -> Result<AgentId, Reason> {
    let registry = Registry::new(1, records, pepper(1), Vec::new()).unwrap();
    let plain = registry
        .authenticate(&Credential::Bearer(text), at(now))
        .map(|principal| principal.agent)
        .map_err(|fault| fault.reason);
    let cached = TokenCache::new(16)
        .authenticate(&registry, &Credential::Bearer(text), at(now))
        .map(|principal| principal.agent.clone())
        .map_err(|fault| fault.reason);
    assert_eq!(plain, cached);
    plain
}

#[test]
fn a_key_lets_its_agent_in_and_nobody_else() {
    let (key, other) = (mint(1, None), mint(2, None));
    let text = key.shown_once.expose();
    assert_eq!(text.len(), 62);
    assert!(text.starts_with(key.record.prefix.as_str()));
    let records = || vec![key.record.clone(), other.record.clone()];
    assert_eq!(judge(records(), text, NOW).unwrap().as_str(), "mail-agent");
    assert_eq!(
        judge(vec![other.record.clone()], text, NOW),
        Err(Reason::KeyPrefix)
    );
    // Under another pepper, as after theft of the state file alone, the hash fits nothing.
    let stranger = Registry::new(1, records(), pepper(2), Vec::new()).unwrap();
    let fault = stranger
        .authenticate(&Credential::Bearer(text), at(NOW))
        .unwrap_err();
    assert_eq!(fault.reason, Reason::KeySecret);
}

#[test]
fn revoked_and_expired_is_told_only_to_who_has_the_key() {
    let key = mint(1, Some(at(NOW + 10)));
    let text = key.shown_once.expose();
    assert!(judge(vec![key.record.clone()], text, NOW + 9).is_ok());
    assert_eq!(
        judge(vec![key.record.clone()], text, NOW + 10),
        Err(Reason::KeyExpired)
    );
    let mut revoked = key.record.clone();
    revoked.revoked = Some(at(NOW));
    assert_eq!(judge(vec![revoked.clone()], text, NOW), Err(Reason::KeyRevoked));
    // The right prefix with another key's secret, check digits made to fit.
    let forged = mint(9, None);
    revoked.prefix = forged.record.prefix.clone();
    assert_eq!(
        judge(vec![revoked], forged.shown_once.expose(), NOW),
        Err(Reason::KeySecret)
    );
}

#[test]
fn malformed_keys_are_told_apart_from_unknown_ones() {
    let key = mint(1, None);
    let text = key.shown_once.expose();
    for bad in [
        "bz_",
        "bz_a_b_c",
        &text[..61],
        &format!("{text}x"),
        &text.replace('_', "-"),
        "bz_ä",
    ] {
        let expected = if bad.starts_with("bz_") {
            Reason::KeyShape
        } else {
            Reason::Unrecognised
        };
        assert_eq!(judge(vec![key.record.clone()], bad, NOW), Err(expected), "{bad}");
    }
    assert_eq!(judge(Vec::new(), "", NOW), Err(Reason::Unrecognised));
    assert_eq!(judge(Vec::new(), &"x".repeat(20_000), NOW), Err(Reason::TooLong));
    let registry = Registry::new(1, Vec::new(), pepper(1), Vec::new()).unwrap();
    for (credential, reason) in [
        (Credential::None, Reason::Missing),
        (Credential::Ambiguous, Reason::Several),
    ] {
        assert_eq!(
            registry.authenticate(&credential, at(NOW)).unwrap_err().reason,
            reason
        );
    }
}

proptest! {
    /// No single wrong character gets through, nor past the check digits as an "unknown key".
    #[test]
    fn one_wrong_character_is_seen(position in 3_usize..62, with in "[0-9A-Za-z_]") {
        let key = mint(3, None);
        let text = key.shown_once.expose();
        let mut changed = text.clone();
        changed.replace_range(position..=position, &with);
        prop_assume!(changed != *text);
        let found = judge(vec![key.record.clone()], &changed, NOW);
        prop_assert!(matches!(found, Err(Reason::KeyChecksum | Reason::KeyShape)), "{found:?}");
    }

    #[test]
    fn hostile_text_never_passes(text in "\\PC{0,200}") {
        let key = mint(3, None);
        prop_assert!(judge(vec![key.record.clone()], &text, NOW).is_err());
        let prefixed = format!("bz_{text}");
        prop_assert!(judge(vec![key.record], &prefixed, NOW).is_err());
    }
}

#[test]
fn groups_of_a_key_are_bounded() {
    let agent = AgentId::new("a").unwrap();
    for groups in [
        (0..65).map(|n| format!("g{n}")).collect(),
        BTreeSet::from(["a b".to_owned()]),
    ] {
        let minted = mint_key(
            agent.clone(),
            None,
            groups,
            at(NOW),
            None,
            &Secret::new([1; 32]),
            &pepper(1),
        );
        assert_eq!(minted.unwrap_err(), MintFault::Groups);
    }
}

fn issuer(name: &str, namespace: Option<&str>, keys: Option<Arc<KeySet>>) -> IssuerKeys {
    let mut config = IssuerConfig::new(Issuer::new(name).unwrap(), vec!["bartizan".to_owned()]);
    config.algorithms = Algorithm::ALL.to_vec();
    config.namespace = namespace.map(str::to_owned);
    IssuerKeys { config, keys }
}

fn set(jwks: &Value) -> Arc<KeySet> {
    Arc::new(KeySet::parse(jwks.to_string().as_bytes()).unwrap())
}

#[test]
fn a_registry_that_would_confuse_agents_is_not_built() {
    let build = |issuers| Registry::new(1, Vec::new(), pepper(1), issuers).err();
    let one = || issuer("https://a.example", None, None);
    assert_eq!(build(vec![one()]), None);
    assert_eq!(
        build(vec![one(), issuer("https://b.example", Some("b"), None)]),
        Some(ConfigFault::NamespaceShared)
    );
    let same = vec![
        issuer("https://a.example", Some("x"), None),
        issuer("https://b.example", Some("x"), None),
    ];
    assert_eq!(build(same), Some(ConfigFault::NamespaceShared));
    let twice = vec![
        issuer("https://a.example", Some("x"), None),
        issuer("https://a.example", Some("y"), None),
    ];
    assert_eq!(build(twice), Some(ConfigFault::IssuerTwice));
    let changed = |change: fn(&mut IssuerConfig)| {
        let mut found = one();
        change(&mut found.config);
        build(vec![found])
    };
    assert_eq!(
        changed(|config| config.leeway_seconds = 301),
        Some(ConfigFault::Leeway)
    );
    assert_eq!(
        changed(|config| config.audience.clear()),
        Some(ConfigFault::Audience)
    );
    assert_eq!(
        changed(|config| config.audience[0].clear()),
        Some(ConfigFault::Audience)
    );
    assert_eq!(
        changed(|config| config.algorithms.clear()),
        Some(ConfigFault::Algorithm)
    );
    assert_eq!(
        changed(|config| config.namespace = Some("a/b".to_owned())),
        Some(ConfigFault::Namespace)
    );
    assert_eq!(
        changed(|config| config.agent_claim.clear()),
        Some(ConfigFault::Claim)
    );
    let key = mint(1, None);
    let twice = Registry::new(1, vec![key.record.clone(), key.record], pepper(1), Vec::new());
    assert_eq!(twice.err(), Some(ConfigFault::PrefixTwice));
    for hmac in ["HS256", "none", "rs256", ""] {
        assert_eq!(hmac.parse::<Algorithm>(), Err(ConfigFault::Algorithm));
    }
}

#[test]
fn claims_become_the_principal_they_say() {
    let keys = Keys::new();
    let mut issuer = issuer("https://issuer.example", Some("corp"), Some(set(&keys.jwks())));
    issuer.config.agent_claim = "/act/sub".to_owned();
    issuer.config.user_claim = Some("sub".to_owned());
    issuer.config.groups_claim = Some("https://example.org/groups".to_owned());
    let registry = Registry::new(1, Vec::new(), pepper(1), vec![issuer]).unwrap();
    let claims = forge::with(
        forge::claims(),
        &json!({
            "sub": "ada", "jti": null, "https://example.org/groups": ["b", "a"],
            "act": {"sub": "mail-agent", "iss": "https://issuer.example", "act": {"sub": "planner"}},
        }),
    );
    let token = keys.token(&forge::header().to_string(), &claims.to_string(), "ES256");
    let found = registry
        .authenticate(&Credential::Bearer(&token), at(NOW))
        .unwrap();
    assert_eq!(found.agent.as_str(), "corp/mail-agent");
    assert_eq!(found.user.unwrap().as_str(), "corp/ada");
    assert_eq!(
        found.groups,
        BTreeSet::from(["corp/a".to_owned(), "corp/b".to_owned()])
    );
    let actors: Vec<_> = found
        .act
        .iter()
        .map(|actor| (actor.sub.as_str(), actor.iss.as_deref()))
        .collect();
    assert_eq!(
        actors,
        [("mail-agent", Some("https://issuer.example")), ("planner", None)]
    );
    assert_eq!(found.issuer.as_str(), "https://issuer.example");
    assert!(found.credential.as_str().starts_with("sha256:"));
    assert_eq!(
        (found.method, found.expires),
        (AuthMethod::Jwt, Some(at(NOW + 600)))
    );
}

#[test]
fn a_cached_token_ends_with_its_time_its_epoch_and_a_clock_that_went_back() {
    let keys = Keys::new();
    let jwks = set(&keys.jwks());
    let build = |epoch, keys| {
        let issuers = vec![issuer("https://issuer.example", None, Some(keys))];
        Registry::new(epoch, Vec::new(), pepper(1), issuers).unwrap()
    };
    let old = build(1, Arc::clone(&jwks));
    // The next epoch no longer has the key.
    let new = build(2, set(&json!({"keys": [forge::ec_jwk("next", &keys.other)]})));
    let token = keys.token(
        &forge::header().to_string(),
        &forge::claims().to_string(),
        "ES256",
    );
    let credential = Credential::Bearer(&token);
    let cache = TokenCache::new(16);
    let reason = |registry: &Registry, now| {
        cache
            .authenticate(registry, &credential, now)
            .map(|_| ())
            .map_err(|fault| fault.reason)
    };
    assert_eq!(reason(&old, at(NOW)), Ok(()));
    assert_eq!(cache.len(), 1);
    let first = cache.authenticate(&old, &credential, at(NOW)).unwrap();
    let again = cache.authenticate(&old, &credential, at(NOW + 1)).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the second was not from the cache");
    assert_eq!(reason(&old, at(NOW + 629)), Ok(()));
    assert_eq!(reason(&old, at(NOW + 630)), Err(Reason::Expired));
    assert_eq!(reason(&old, at(NOW - 100)), Err(Reason::IssuedLater));
    assert_eq!(reason(&new, at(NOW)), Err(Reason::KidUnknown));
    // A thread that still holds the old registry is served, and what it learns is not kept over the new epoch.
    assert_eq!(reason(&old, at(NOW)), Ok(()));
    assert_eq!(reason(&new, at(NOW)), Err(Reason::KidUnknown));
    // One character more is another token.
    let longer = format!("{token}A");
    assert!(
        cache
            .authenticate(&old, &Credential::Bearer(&longer), at(NOW))
            .is_err()
    );
}

#[test]
fn the_maximum_age_ends_a_cached_token_too() {
    let keys = Keys::new();
    let mut issuer = issuer("https://issuer.example", None, Some(set(&keys.jwks())));
    issuer.config.max_age_seconds = Some(60);
    let registry = Registry::new(1, Vec::new(), pepper(1), vec![issuer]).unwrap();
    let token = keys.token(
        &forge::header().to_string(),
        &forge::claims().to_string(),
        "ES256",
    );
    let cache = TokenCache::new(16);
    let reason = |now| {
        let found = cache.authenticate(&registry, &Credential::Bearer(&token), at(now));
        found.map(|_| ()).map_err(|fault| fault.reason)
    };
    // Issued 10 s before now, 60 s old at most, 30 s of leeway.
    assert_eq!(reason(NOW), Ok(()));
    assert_eq!(reason(NOW + 79), Ok(()));
    assert_eq!(reason(NOW + 80), Err(Reason::TooOld));
}

#[test]
fn the_cache_is_bounded_and_agrees_with_no_cache() {
    let keys = Keys::new();
    let issuers = vec![issuer("https://issuer.example", None, Some(set(&keys.jwks())))];
    let registry = Registry::new(1, Vec::new(), pepper(1), issuers).unwrap();
    let cache = TokenCache::new(32);
    for number in 0..400 {
        let claims = forge::with(
            forge::claims(),
            &json!({"jti": format!("t{number}"), "exp": NOW + number % 7}),
        );
        let token = keys.token(&forge::header().to_string(), &claims.to_string(), "ES256");
        for now in [NOW, NOW + 33, NOW + 40] {
            let credential = Credential::Bearer(&token);
            let cached = cache
                .authenticate(&registry, &credential, at(now))
                .map(|found| (*found).clone());
            assert_eq!(cached, registry.authenticate(&credential, at(now)));
        }
        assert!(cache.len() <= 32, "{}", cache.len());
    }
    assert!(!cache.is_empty());
}

#[test]
fn key_sets_are_taken_whole_or_not_at_all() {
    let keys = Keys::new();
    let found = set(&keys.jwks());
    assert_eq!(found.len(), 5);
    let skipped: Vec<_> = found
        .skipped()
        .iter()
        .map(|key| (key.index, key.reason))
        .collect();
    let expected = [
        (2, SkipReason::Use),
        (3, SkipReason::Weak),
        (5, SkipReason::Use),
        (8, SkipReason::Kind),
    ];
    assert_eq!(skipped, expected);

    let check = |jwks: &Value, expected: KeySetFault| {
        assert_eq!(
            KeySet::parse(jwks.to_string().as_bytes()).unwrap_err(),
            expected,
            "{jwks}"
        );
    };
    let ec = || forge::ec_jwk("ec", &keys.ec);
    check(&json!({"keys": []}), KeySetFault::Empty);
    check(
        &json!({"keys": [{"kty": "oct", "k": "AAAA"}]}),
        KeySetFault::Empty,
    );
    check(&json!({"keys": {}}), KeySetFault::Shape(Reason::Json));
    check(&json!([]), KeySetFault::Shape(Reason::Json));
    check(
        &json!({"keys": [ec(), forge::with(ec(), &json!({"d": "AAAA"}))]}),
        KeySetFault::Private(1),
    );
    check(&json!({"keys": [ec(), ec()]}), KeySetFault::Twice(1));
    check(&json!({"keys": vec![ec(); 129]}), KeySetFault::TooMany);
    let twice = r#"{"keys":[],"keys":[]}"#;
    assert_eq!(
        KeySet::parse(twice.as_bytes()).unwrap_err(),
        KeySetFault::Shape(Reason::DuplicateKey)
    );
    assert_eq!(
        KeySet::parse(&vec![b' '; 300_000]).unwrap_err(),
        KeySetFault::TooLarge
    );

    let rsa = || keys.rsa_jwk("rsa");
    for (key, reason) in [
        (forge::with(ec(), &json!({"x": "AAAA"})), SkipReason::Malformed),
        (forge::with(ec(), &json!({"y": ec()["x"]})), SkipReason::Malformed),
        (forge::with(ec(), &json!({"crv": "secp256k1"})), SkipReason::Kind),
        (forge::with(ec(), &json!({"crv": "P-384"})), SkipReason::Malformed),
        (forge::with(ec(), &json!({"alg": "RS256"})), SkipReason::Algorithm),
        (forge::with(ec(), &json!({"kid": 5})), SkipReason::Malformed),
        (forge::with(rsa(), &json!({"e": "Aw"})), SkipReason::Weak),
        (forge::with(rsa(), &json!({"e": "AQAA"})), SkipReason::Weak),
        (
            forge::with(
                rsa(),
                &json!({"n": format!("AA{}", rsa()["n"].as_str().unwrap())}),
            ),
            SkipReason::Weak,
        ),
        (
            forge::with(rsa(), &json!({"alg": "HS256"})),
            SkipReason::Algorithm,
        ),
    ] {
        let found = set(&json!({"keys": [forge::ec_jwk("spare", &keys.other), key]}));
        assert_eq!(
            found.skipped().first().map(|key| key.reason),
            Some(reason),
            "{key}"
        );
    }
}

/// An independent implementation agrees in both directions.
#[test]
fn jsonwebtoken_is_a_peer() {
    let keys = Keys::new();
    let issuers = vec![issuer("https://issuer.example", None, Some(set(&keys.jwks())))];
    let registry = Registry::new(1, Vec::new(), pepper(1), issuers).unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    header.kid = Some("ec".to_owned());
    let theirs = jsonwebtoken::encode(
        &header,
        &forge::claims(),
        &jsonwebtoken::EncodingKey::from_ec_der(&keys.ec),
    )
    .unwrap();
    let found = registry
        .authenticate(&Credential::Bearer(&theirs), at(NOW))
        .unwrap();
    assert_eq!(found.credential, KeyId::new("t1").unwrap());

    for (algorithm, kid) in [
        ("RS256", "rsa"),
        ("RS384", "rsa"),
        ("RS512", "rsa"),
        ("PS256", "rsa"),
        ("PS384", "rsa"),
        ("PS512", "rsa"),
        ("ES256", "ec"),
        ("ES384", "ec384"),
        ("EdDSA", "ed"),
    ] {
        let header = json!({"alg": algorithm, "kid": kid}).to_string();
        let token = keys.token(&header, &forge::claims().to_string(), algorithm);
        registry
            .authenticate(&Credential::Bearer(&token), at(NOW))
            .unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(json!({"keys": [
            keys.jwks()["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap()
        ]}))
        .unwrap();
        let mut validation = jsonwebtoken::Validation::new(algorithm.parse().unwrap());
        validation.validate_exp = false;
        validation.set_audience(&["bartizan"]);
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwks.keys[0]).unwrap();
        jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    }
}

#[test]
fn nothing_shows_a_secret() {
    let key = mint(5, None);
    let text = key.shown_once.expose();
    let secret = &text[12..55];
    let keys = Keys::new();
    let registry = Registry::new(
        1,
        vec![key.record.clone()],
        Pepper::new(&Secret::new(*b"pepper-pepper-pepper-pepper-3210")),
        vec![issuer("https://issuer.example", None, Some(set(&keys.jwks())))],
    )
    .unwrap();
    let token = keys.token(
        &forge::header().to_string(),
        &forge::claims().to_string(),
        "other",
    );
    let signature = token.rsplit('.').next().unwrap();
    let fault = registry
        .authenticate(&Credential::Bearer(&token), at(NOW))
        .unwrap_err();
    let key_fault = registry
        .authenticate(&Credential::Bearer(text), at(NOW))
        .unwrap_err();
    let outputs = [
        format!("{key:?}"),
        format!("{:?}", key.record),
        serde_json::to_string(&key.record).unwrap(),
        format!("{registry:?}"),
        format!("{:?}", pepper(b'p')),
        format!(
            "{:?}",
            Pepper::new(&Secret::new(*b"pepper-pepper-pepper-pepper-3210"))
        ),
        format!("{:?} {:?}", Credential::Bearer(text), Credential::Bearer(&token)),
        format!("{fault:?} {fault} {key_fault:?} {key_fault}"),
        format!("{:?}", TokenCache::new(1)),
    ];
    for output in outputs {
        for planted in [secret, "pepper-pepper", signature, "pppp", "112, 112", "70707070"] {
            assert!(!output.contains(planted), "{planted} in {output}");
        }
    }
}
