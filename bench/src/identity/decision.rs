//! What one whole decision costs in process: a client certificate, a delegation of four links and 100 policies, to the
//! permit; the same with a DPoP-bound token; and both with nothing remembered.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use bartizan_guard::{Crossing, Effect, Input};
use bartizan_identity::{
    ChainRoot, Credential, DelegationKey, IssuerConfig, IssuerKeys, KeySet, Naming, PeerCertificate, Pepper,
    Presented, ProofOf, Registry, Replays, Secret, TokenCache, TrustBundle, TrustDomain, delegate, mint_key,
    narrow,
};
use bartizan_policy::{Policy, Source};
use bartizan_types::{AgentId, Bounds, Evidence, Issuer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use crate::decision::{NOW, evidence, policies, rounds};
use crate::figure::Figure;

/// Takes the figures; `quick` takes a tenth of the samples.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    match figures(if quick { 1_000 } else { 10_000 }) {
        Ok(figures) => figures,
        Err(why) => ["decision_warm_full_p99_us", "decision_cold_full_p99_us"]
            .map(|name| Figure::missing(name, "us", why.clone()))
            .into(),
    }
}

fn shown(fault: impl std::fmt::Display) -> String {
    fault.to_string()
}

fn figures(samples: usize) -> Result<Vec<Figure>, String> {
    // The chain is four deep, which one of the policies of the other bench forbids.
    let text = policies().replace("context.act_depth > 3 }", "context.act_depth > 5 }");
    let source = Source {
        name: "bench.cedar",
        text: &text,
    };
    let policy = Arc::new(Policy::load(None, &[source]).map_err(|found| format!("{found:?}"))?);
    let world = World::new()?;
    let replays = Replays::new(1 << 20);

    let warm_cache = TokenCache::new(1 << 16);
    let cold_cache = TokenCache::new(0);
    let certified = Presented {
        credential: Credential::Bearer(world.delegation.expose()),
        certificate: Some(&world.peer),
        proof: None,
    };
    let full = |cache: &TokenCache, evidence: Evidence| {
        pass(&policy, &world.registry, cache, &replays, &certified, evidence)
    };
    let warm = rounds(samples, evidence, |evidence| full(&warm_cache, evidence))?;
    let cold = rounds(samples / 5, evidence, |evidence| full(&cold_cache, evidence))?;

    let mut number = 0_u64;
    let fresh = |at: usize| {
        number += 1;
        Ok((world.proof(number)?, evidence(at)?))
    };
    let bound = rounds(samples / 5, fresh, |(proof, evidence)| {
        let presented = Presented {
            credential: Credential::Bearer(&world.token),
            certificate: None,
            proof: Some(of(&proof)),
        };
        pass(
            &policy,
            &world.registry,
            &warm_cache,
            &replays,
            &presented,
            evidence,
        )
    })?;
    let signature = rounds(samples / 5, |_| Ok(()), |()| world.check_signature())?;
    Ok(vec![
        warm.p99("decision_warm_full_p99_us"),
        warm.p50("decision_warm_full_p50_us"),
        cold.p99("decision_cold_full_p99_us"),
        cold.p50("decision_cold_full_p50_us"),
        bound.p99("decision_warm_dpop_p99_us"),
        bound.p50("decision_warm_dpop_p50_us"),
        signature.p50("dpop_signature_p50_us"),
    ])
}

/// The measured thing: what a request shows, to the permit.
fn pass(
    policy: &Arc<Policy>,
    registry: &Registry,
    cache: &TokenCache,
    replays: &Replays,
    presented: &Presented<'_>,
    mut evidence: Evidence,
) -> Result<(), String> {
    let principal = cache.judge(registry, presented, replays, NOW).map_err(shown)?;
    evidence.principal = (*principal).clone();
    let (now, epoch) = (evidence.now, evidence.epoch);
    let mut out = Vec::with_capacity(4);
    let mut crossing = Crossing::begin(Arc::clone(policy), evidence, (), &mut out);
    black_box(&out);
    out.clear();
    let durable = Input::Durable { receipt: 1, epoch };
    crossing.step(now, durable, &mut out).map_err(shown)?;
    match out.first() {
        Some(Effect::Forward(permit)) => {
            black_box(permit.call());
            Ok(())
        }
        _ => Err("the benched call was not allowed".to_owned()),
    }
}

fn of(proof: &str) -> ProofOf<'_> {
    ProofOf {
        proof,
        method: "POST",
        authority: "gate.example",
        path: "/mcp",
        schemes: &["https"],
        nonces: None,
    }
}

struct World {
    registry: Registry,
    peer: PeerCertificate,
    delegation: Secret<String>,
    token: String,
    holder: EcdsaKeyPair,
    jwk: serde_json::Value,
}

impl World {
    fn new() -> Result<Self, String> {
        let pepper = Pepper::new(&Secret::new([1; 32]));
        let agent = AgentId::new("agent").map_err(shown)?;
        let groups = BTreeSet::from(["payers".to_owned()]);
        let key = mint_key(agent, None, groups, NOW, None, &Secret::new([5; 32]), &pepper).map_err(shown)?;
        let seed = |seed: u8| DelegationKey::new(Secret::new([seed; 32])).map_err(shown);
        let bounds = |on: &str| Bounds {
            on: Some(BTreeSet::from([on.to_owned(), "Model::*".to_owned()])),
            until: Some(NOW.plus_micros(3_600_000_000)),
            ..Bounds::default()
        };
        let ours = seed(1)?;
        let mut chain =
            delegate(&ours, ChainRoot::Key(&key.record), "one", bounds("*"), &seed(2)?).map_err(shown)?;
        for (at, (to, on)) in [
            ("two", "Tool::*"),
            ("three", "Tool::bank/*"),
            ("four", "Tool::bank/pay*"),
        ]
        .into_iter()
        .enumerate()
        {
            let next = seed(u8::try_from(at).map_err(shown)? + 3)?;
            chain = narrow(chain.expose(), to, bounds(on), &next).map_err(shown)?;
        }
        let (issuer, issuer_jwk) = signer()?;
        let (holder, jwk) = signer()?;
        let keys = serde_json::json!({ "keys": [issuer_jwk] });
        let keys = KeySet::parse(keys.to_string().as_bytes()).map_err(shown)?;
        let name = "https://idp.example";
        let mut config = IssuerConfig::new(Issuer::new(name).map_err(shown)?, vec!["us".to_owned()]);
        config.groups_claim = Some("groups".to_owned());
        let issuers = vec![IssuerKeys {
            config,
            keys: Some(Arc::new(keys)),
        }];
        let thumb = format!(
            r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
            jwk["x"], jwk["y"]
        );
        let jkt = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, thumb.as_bytes()));
        let now = NOW.unix_seconds();
        let claims = serde_json::json!({
            "iss": name, "aud": "us", "sub": "agent", "exp": now + 3_600, "groups": ["payers"], "cnf": { "jkt": jkt },
        });
        let token = sign(&issuer, &serde_json::json!({ "alg": "ES256" }), &claims)?;
        let (peer, root) = certificates()?;
        let domain = TrustDomain::default();
        let bundle = TrustBundle::new(domain, Naming::Own, &[root]).map_err(shown)?;
        let registry = Registry::new(1, vec![key.record], pepper, issuers)
            .and_then(|registry| registry.with_bundles(vec![bundle]))
            .and_then(|registry| registry.with_delegations(&ours.public()))
            .map_err(shown)?;
        Ok(Self {
            registry,
            peer,
            delegation: chain,
            token,
            holder,
            jwk,
        })
    }

    fn proof(&self, number: u64) -> Result<String, String> {
        let header = serde_json::json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let claims = serde_json::json!({
            "htm": "POST", "htu": "https://gate.example/mcp", "iat": NOW.unix_seconds(), "jti": number.to_string(),
            "ath": URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.token.as_bytes())),
        });
        sign(&self.holder, &header, &claims)
    }

    /// One P-256 check with a key as a proof brings it, for comparison.
    fn check_signature(&self) -> Result<(), String> {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
        thread_local! {
            static SIGNED: std::cell::RefCell<Option<Vec<u8>>> = const { std::cell::RefCell::new(None) };
        }
        SIGNED.with_borrow_mut(|held| {
            let message = [7_u8; 512];
            if held.is_none() {
                let signature = self.holder.sign(&SystemRandom::new(), &message).map_err(shown)?;
                *held = Some(signature.as_ref().to_vec());
            }
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.holder.public_key().as_ref());
            key.verify(&message, held.as_deref().unwrap_or_default())
                .map_err(shown)
        })
    }
}

fn signer() -> Result<(EcdsaKeyPair, serde_json::Value), String> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(shown)?;
    let point = pair.public_key().as_ref();
    let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
        return Err("the public key is no uncompressed point".to_owned());
    };
    let jwk = serde_json::json!({
        "crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    Ok((pair, jwk))
}

fn sign(
    pair: &EcdsaKeyPair,
    header: &serde_json::Value,
    claims: &serde_json::Value,
) -> Result<String, String> {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let signature = pair
        .sign(&SystemRandom::new(), signed.as_bytes())
        .map_err(shown)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A leaf for the last link's name, and the root above it.
fn certificates() -> Result<(PeerCertificate, rustls_pki_types::CertificateDer<'static>), String> {
    let date = |seconds: i64| {
        let now = i64::try_from(NOW.unix_seconds()).map_err(shown)?;
        OffsetDateTime::from_unix_timestamp(now + seconds).map_err(shown)
    };
    let mut above = CertificateParams::default();
    (above.not_before, above.not_after) = (date(-3_600)?, date(86_400)?);
    above.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    above.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root_key = KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(shown)?;
    let root = above.self_signed(&root_key).map_err(shown)?.der().clone();
    let mut leaf = CertificateParams::default();
    (leaf.not_before, leaf.not_after) = (date(-60)?, date(7_200)?);
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let id = format!("spiffe://{}/agent/four", TrustDomain::default());
    leaf.subject_alt_names = vec![SanType::URI(id.try_into().map_err(shown)?)];
    let key = KeyPair::generate().map_err(shown)?;
    let issuer = rcgen::Issuer::new(above, root_key);
    let der = leaf.signed_by(&key, &issuer).map_err(shown)?.der().clone();
    let peer = PeerCertificate::new(vec![der]).ok_or("the chain is empty")?;
    Ok((peer, root))
}
