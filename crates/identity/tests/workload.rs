//! The negative corpus of certificates, bindings, proofs of possession and delegations: every bad one is refused for the
//! stated reason, and its twin, the smallest change that mends it, is accepted. And: a child can never widen.

mod corpus;
#[expect(
    clippy::disallowed_methods,
    reason = "test keys are made from the system's randomness"
)]
mod forge;

use std::collections::{BTreeMap, BTreeSet};

use bartizan_identity::{
    ChainRoot, Credential, DelegationFault, DelegationKey, Reason, Registry, Secret, delegate, mint_key,
    narrow, seal,
};
use bartizan_types::{
    Action, AgentId, Arguments, Bounds, CallFacts, CallId, Resource, ServerName, SessionId, Surface,
    Timestamp, ToolName,
};
use corpus::{World, vectors, wrong_answers};
use proptest::prelude::*;

#[test]
fn every_bad_one_is_refused_for_its_reason_and_its_twin_accepted() {
    let world = World::new();
    let vectors = vectors();
    assert!(vectors.len() >= 100, "{}", vectors.len());
    let (accepted, misread, refused) = wrong_answers(&world, &vectors);
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
    assert!(misread.is_empty(), "for another reason: {misread:#?}");
    assert!(refused.is_empty(), "twins refused: {refused:#?}");
}

/// A reason without a vector is a check that nobody would miss.
#[test]
fn every_reason_of_workloads_has_a_vector() {
    let seen: BTreeSet<String> = vectors().into_iter().map(|vector| vector.expected).collect();
    let ours = ["Binding", "Proof", "Certificate", "Delegation"];
    let missing: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| reason.name())
        .filter(|name| ours.iter().any(|start| name.starts_with(start)) && !seen.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_is_named_by_each_kind() {
    let world = World::new();
    let judge = |spec| world.judge(&spec).unwrap();
    let own = judge(serde_json::json!({"certificate": {}}));
    assert_eq!(
        (own.agent.as_str(), own.issuer.as_str()),
        ("mail-agent", "spiffe://own.example")
    );
    let other = judge(serde_json::json!({
        "certificate": {"uris": ["spiffe://second.example/ns/prod/sa/mail"], "root": "second"}
    }));
    assert_eq!(other.agent.as_str(), "second/ns/prod/sa/mail");
    let handed = judge(serde_json::json!({"delegation": {}}));
    let names: Vec<_> = handed.act.iter().map(|actor| actor.sub.as_str()).collect();
    // Who acts now stands in front.
    assert_eq!(
        (handed.agent.as_str(), names.as_slice()),
        ("mail-agent", ["child-1", "child-0"].as_slice())
    );
}

/// What ends what: a revocation of the key beneath, of any link, of the certificate that was shown.
#[test]
fn what_a_credential_rests_on_is_known() {
    let world = World::new();
    let judge = |spec| world.judge(&spec).unwrap();
    let handed = judge(serde_json::json!({"delegation": {}}));
    let links: Vec<_> = handed
        .act
        .iter()
        .map(|actor| actor.key.clone().unwrap())
        .collect();
    assert_eq!(links.first(), Some(&handed.credential));
    assert_ne!(links[0], links[1]);
    let rests: Vec<_> = handed.rests.iter().map(|name| name.as_str()).collect();
    assert!(
        matches!(rests.as_slice(), [key] if key.starts_with("bz_")),
        "{rests:?}"
    );
    // Another link makes another name, and keeps the ones before.
    let links_of = |links: serde_json::Value| judge(serde_json::json!({"delegation": {"links": links}}));
    let (parent, child) = (
        links_of(serde_json::json!([{}])),
        links_of(serde_json::json!([{}, {}])),
    );
    assert_ne!(parent.credential, child.credential);
    assert!(
        child
            .act
            .iter()
            .any(|actor| actor.key.as_ref() == Some(&parent.credential))
    );
    let shown = judge(serde_json::json!({"certificate": {}}));
    let beside = judge(serde_json::json!({"key": 1, "certificate": {}}));
    assert!(shown.credential.as_str().starts_with("x509:") && shown.rests.len() == 1);
    assert_eq!(
        beside.rests.len(),
        2,
        "its name, and the fingerprint that tools print"
    );
    assert!(beside.credential.as_str().starts_with("bz_"));
}

/// The bytes of the certificate's own signature may be spelled in a second way by whoever shows it.
#[test]
fn a_second_spelling_of_a_certificates_signature_is_the_same_certificate() {
    let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let der = params
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec();
    let mut other = der.clone();
    // Whatever the signature is: what was signed names it.
    *other.last_mut().unwrap() ^= 1;
    let shown = |der: Vec<u8>| bartizan_identity::PeerCertificate::new(vec![der.into()]).unwrap();
    let (first, second) = (shown(der.clone()), shown(other));
    assert_ne!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.name(), second.name());
    let next = params
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec();
    assert_ne!(shown(next).name(), first.name());
}

fn key(seed: u8) -> DelegationKey {
    DelegationKey::new(Secret::new([seed; 32])).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(forge::NOW)
}

/// A registry with one agent, and its first link.
fn begun(bounds: Bounds) -> (Registry, String) {
    let pepper = bartizan_identity::Pepper::new(&Secret::new([1; 32]));
    let agent = AgentId::new("mail-agent").unwrap();
    let minted = mint_key(
        agent,
        None,
        BTreeSet::new(),
        now(),
        None,
        &Secret::new([5; 32]),
        &pepper,
    )
    .unwrap();
    let first = delegate(&key(1), ChainRoot::Key(&minted.record), "a", bounds, &key(2)).unwrap();
    let registry = Registry::new(1, vec![minted.record], pepper, Vec::new())
        .unwrap()
        .with_delegations(&key(1).public())
        .unwrap();
    (registry, first.expose().clone())
}

#[test]
fn what_is_sealed_goes_no_further() {
    let (registry, first) = begun(Bounds::default());
    let sealed = seal(&first).unwrap();
    assert!(
        registry
            .authenticate(&Credential::Bearer(sealed.expose()), now())
            .is_ok()
    );
    let again = narrow(sealed.expose(), "b", Bounds::default(), &key(3));
    assert_eq!(again.map(|_| ()), Err(DelegationFault::Sealed));
    assert_eq!(seal(sealed.expose()).map(|_| ()), Err(DelegationFault::Sealed));
    let mut long = first;
    for at in 0..7 {
        long = narrow(&long, "b", Bounds::default(), &key(10 + at))
            .unwrap()
            .expose()
            .clone();
    }
    assert!(registry.authenticate(&Credential::Bearer(&long), now()).is_ok());
    assert_eq!(
        narrow(&long, "b", Bounds::default(), &key(30)).map(|_| ()),
        Err(DelegationFault::Depth)
    );
}

fn some_bounds() -> impl Strategy<Value = Bounds> {
    let pattern = prop::sample::select(vec![
        "*",
        "Tool::*",
        "Tool::mail/*",
        "Tool::mail/send",
        "Tool::mail/read",
        "Tool::files/read",
        "Model::*",
    ]);
    let on = prop::option::of(prop::collection::btree_set(pattern.prop_map(str::to_owned), 0..4));
    let value = prop::sample::select(vec!["ann", "bob", "a*", "*"]).prop_map(str::to_owned);
    let path = prop::sample::select(vec!["to", "body"]).prop_map(str::to_owned);
    let arguments = prop::collection::btree_map(path, prop::collection::btree_set(value, 0..3), 0..2);
    let until = prop::option::of(1_u64..200)
        .prop_map(|left| left.map(|left| Timestamp::from_unix_seconds(forge::NOW + left)));
    let session = prop::option::of(0_u128..2).prop_map(|id| id.map(|id| SessionId::mint(now(), id)));
    (on, arguments, until, session).prop_map(|(on, arguments, until, session)| Bounds {
        on,
        arguments,
        until,
        session,
        budget: BTreeMap::new(),
    })
}

fn some_call() -> impl Strategy<Value = CallFacts> {
    let names = prop::sample::select(vec![("mail", "send"), ("mail", "read"), ("files", "read")]);
    let to = prop::sample::select(vec!["ann", "bob", "carl"]);
    (names, to, any::<bool>(), any::<bool>()).prop_map(|((server, tool), to, seen, complete)| {
        let mut call = CallFacts::new(
            CallId::mint(now(), 1),
            Action::CallTool,
            Resource::Tool {
                server: ServerName::new(server).unwrap(),
                tool: ToolName::new(tool).unwrap(),
            },
            Surface::Mcp,
        );
        call.arguments = seen.then(|| Arguments {
            texts: BTreeMap::from([("to".to_owned(), to.to_owned())]),
            complete,
            ..Arguments::default()
        });
        call
    })
}

proptest! {
    /// Whatever the links of a chain say, a child may do nothing that any of its forebears may not.
    #[test]
    fn a_child_never_widens(
        chain in prop::collection::vec(some_bounds(), 1..7),
        calls in prop::collection::vec(some_call(), 1..20),
        session in 0_u128..2,
        later in 0_u64..220,
    ) {
        let (registry, first) = begun(chain[0].clone());
        let mut steps = vec![first];
        for (at, bounds) in chain.iter().enumerate().skip(1) {
            let next = key(20 + u8::try_from(at).unwrap());
            let narrowed = narrow(steps.last().unwrap(), "b", bounds.clone(), &next).unwrap();
            steps.push(narrowed.expose().clone());
        }
        let then = Timestamp::from_unix_seconds(forge::NOW + later);
        let session = SessionId::mint(now(), session);
        let may = |text: &str, call: &CallFacts| {
            registry
                .authenticate(&Credential::Bearer(text), then)
                .is_ok_and(|principal| principal.outside(call, session, then).is_none())
        };
        for call in &calls {
            let mut before = true;
            for (at, step) in steps.iter().enumerate() {
                let now_may = may(step, call);
                prop_assert!(before || !now_may, "link {at} may what an earlier one may not");
                // And the chain is no stricter than its links: what all of them admit, it admits.
                let all = chain[..=at].iter().all(|bounds| bounds.outside(call, session, then).is_none());
                prop_assert_eq!(now_may, all);
                before = now_may;
            }
        }
    }

    /// No byte of a chain can be changed.
    #[test]
    fn a_changed_byte_is_refused(at in 0_usize..10_000, with in 33_u8..127, sealed: bool) {
        let (registry, first) = begun(Bounds::default());
        let mut text = narrow(&first, "b", Bounds::default(), &key(3)).unwrap().expose().clone();
        if sealed {
            text = seal(&text).unwrap().expose().clone();
        }
        let mut bytes = text.into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != with);
        bytes[at] = with;
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(registry.authenticate(&Credential::Bearer(&text), now()).is_err());
    }

    #[test]
    fn hostile_text_never_panics(text in "bzd[.a-zA-Z0-9_=-]{0,200}") {
        let (registry, _) = begun(Bounds::default());
        prop_assert!(registry.authenticate(&Credential::Bearer(&text), now()).is_err());
    }

    #[test]
    fn hostile_certificates_never_panic(cut in 0_usize..2000, at in 0_usize..2000, with: u8) {
        let (registry, _) = begun(Bounds::default());
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let mut der = der[..der.len() - cut % der.len()].to_vec();
        let place = at % der.len();
        der[place] = with;
        let peer = bartizan_identity::PeerCertificate::new(vec![der.into()]).unwrap();
        let presented = bartizan_identity::Presented {
            credential: Credential::None,
            certificate: Some(&peer),
            proof: None,
        };
        let cache = bartizan_identity::TokenCache::new(0);
        let replays = bartizan_identity::Replays::new(0);
        prop_assert!(cache.judge(&registry, &presented, &replays, now()).is_err());
    }
}
