//! Whatever is shown as a credential, nobody gets in without a key: the one that signs here is known to nobody, and no
//! API key was given out.
#![no_main]

use std::sync::{Arc, LazyLock};

use bartizan_identity::{
    Credential, IssuerConfig, IssuerKeys, KeySet, Pepper, Presented, ProofOf, Registry, Replays, Secret,
    TokenCache, is_delegation, seal,
};
use bartizan_types::{Issuer, Timestamp};
use libfuzzer_sys::fuzz_target;

/// The public halves of the keys that RFC 7517 and RFC 8037 publish; tokens that they signed name other audiences.
const KEYS: &[u8] = br#"{"keys":[
{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
{"kty":"OKP","crv":"Ed25519","kid":"2","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let issuer = Issuer::new("https://issuer.example").expect("an issuer");
    let config = IssuerConfig::new(issuer, vec!["us".to_owned()]);
    let keys = Some(Arc::new(KeySet::parse(KEYS).expect("a key set")));
    let pepper = Pepper::new(&Secret::new([7; 32]));
    let registry =
        Registry::new(1, Vec::new(), pepper, vec![IssuerKeys { config, keys }]).expect("a registry");
    registry
        .with_delegations("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        .expect("a key")
});

fuzz_target!(|text: &str| {
    let (token, proof) = text.split_once('\n').unwrap_or((text, ""));
    let now = Timestamp::from_unix_micros(1_700_000_000_000_000);
    assert!(REGISTRY.authenticate(&Credential::Bearer(token), now).is_err());
    let presented = Presented {
        credential: Credential::Bearer(token),
        certificate: None,
        proof: Some(ProofOf {
            proof,
            method: "POST",
            authority: "us.example",
            path: "/mcp",
            schemes: &["https"],
            nonces: None,
        }),
    };
    let cache = TokenCache::new(16);
    assert!(
        cache
            .judge(&REGISTRY, &presented, &Replays::new(16), now)
            .is_err()
    );
    if is_delegation(token) {
        let _ = seal(token);
    }
});
