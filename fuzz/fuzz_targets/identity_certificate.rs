//! A chain that a client shows: nobody comes in by bytes that our root did not sign. The first byte is how many
//! certificates the rest is cut into.
#![no_main]

use std::sync::LazyLock;

use bartizan_identity::{
    Credential, Naming, PeerCertificate, Pepper, Presented, Registry, Replays, Secret, TokenCache,
    TrustBundle, TrustDomain,
};
use bartizan_types::Timestamp;
use libfuzzer_sys::fuzz_target;

/// Trusts one root, whose key was thrown away.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let domain = TrustDomain::new("example.org").expect("a trust domain");
    let root = include_bytes!("../root.der").to_vec().into();
    let bundle = TrustBundle::new(domain, Naming::Under("org".to_owned()), &[root]).expect("a bundle");
    let pepper = Pepper::new(&Secret::new([7; 32]));
    let registry = Registry::new(1, Vec::new(), pepper, Vec::new()).expect("a registry");
    registry.with_bundles(vec![bundle]).expect("one domain")
});

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let size = data.len() / (usize::from(*first % 4) + 1);
    let chain = data
        .chunks(size.max(1))
        .take(8)
        .map(|der| der.to_vec().into())
        .collect();
    let Some(peer) = PeerCertificate::new(chain) else {
        return;
    };
    let presented = Presented {
        credential: Credential::None,
        certificate: Some(&peer),
        proof: None,
    };
    let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
    let judged = TokenCache::new(4).judge(&REGISTRY, &presented, &Replays::new(4), now);
    assert!(judged.is_err());
});
