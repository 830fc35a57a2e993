//! Whatever is shown, nobody is let in who holds no key, the cache changes no answer, and judging it ends. The first byte
//! picks what it is: a token, a delegation, a proof of possession beside a good token, or certificates.
#![no_main]

use std::sync::{Arc, LazyLock};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use bartizan_identity::{
    Algorithm, Credential, DelegationKey, IssuerConfig, IssuerKeys, KeySet, PeerCertificate, Pepper, Presented,
    ProofOf, Registry, Replays, Secret, TokenCache,
};
use bartizan_types::{Issuer, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use libfuzzer_sys::fuzz_target;
use rustls_pki_types::CertificateDer;

const NOW: u64 = 1_790_000_000;

struct World {
    registry: Registry,
    /// A good token that is bound to a key.
    token: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let x = B64.encode(pair.public_key().as_ref());
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let thumbprint = B64.encode(digest::digest(&digest::SHA256, jwk.as_bytes()));
    let claims = format!(
        r#"{{"iss":"https://i.example","aud":"us","sub":"a","exp":{},"cnf":{{"jkt":"{thumbprint}"}}}}"#,
        NOW + 60
    );
    let signed = format!("{}.{}", B64.encode(r#"{"alg":"EdDSA"}"#), B64.encode(claims));
    let token = format!("{signed}.{}", B64.encode(pair.sign(signed.as_bytes())));
    let mut config = IssuerConfig::new(
        Issuer::new("https://i.example").expect("a name"),
        vec!["us".to_owned()],
    );
    config.algorithms = Algorithm::ALL.to_vec();
    let set = KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).expect("a set");
    let issuers = vec![IssuerKeys {
        config,
        keys: Some(Arc::new(set)),
    }];
    let ours = DelegationKey::new(Secret::new([9; 32])).expect("a seed");
    let registry = Registry::new(1, Vec::new(), Pepper::new(&Secret::new([1; 32])), issuers)
        .and_then(|registry| registry.with_delegations(&ours.public()))
        .expect("a registry");
    World { registry, token }
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let world = &*WORLD;
    let text = String::from_utf8_lossy(data);
    let now = Timestamp::from_unix_seconds(NOW);
    let certificate = (kind % 4 == 3).then(|| {
        // Certificates one after the other, each with its length before it.
        let mut rest = data;
        let mut chain = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
            let (one, after) = after.split_at(length);
            chain.push(CertificateDer::from(one.to_vec()));
            rest = after;
        }
        PeerCertificate::new(chain)
    });
    let delegation = format!("bzd.{text}");
    let credential = match kind % 4 {
        0 => Credential::Bearer(&text),
        1 => Credential::Bearer(&delegation),
        2 => Credential::Bearer(&world.token),
        _ => Credential::None,
    };
    let presented = Presented {
        credential,
        certificate: certificate.as_ref().and_then(Option::as_ref),
        proof: (kind % 4 == 2).then_some(ProofOf {
            proof: &text,
            method: "POST",
            authority: "gate.example",
            path: "/mcp",
            schemes: &["https"],
            nonces: None,
        }),
    };
    let cache = TokenCache::new(16);
    let replays = Replays::new(16);
    let judge = |cache: &TokenCache| cache.judge(&world.registry, &presented, &replays, now).map(|_| ());
    let first = judge(&cache).expect_err("nobody has signed this");
    let again = judge(&cache).expect_err("nor this");
    let fresh = judge(&TokenCache::new(0)).expect_err("nor this");
    assert_eq!((first.reason, first.code()), (again.reason, again.code()));
    assert_eq!((first.reason, first.code()), (fresh.reason, fresh.code()));
    assert!(replays.is_empty());
});
