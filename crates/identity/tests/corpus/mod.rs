//! Makes what the vectors of `vectors/workload.json` describe (certificates, proofs of possession, bindings and
//! delegations) and judges it as a request. Shared with the bench, which counts wrong answers.

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::{digest, signature::Ed25519KeyPair};
use bartizan_identity::{
    ChainRoot, Credential, DelegationKey, Fault, IssuerConfig, IssuerKeys, KeySet, Naming, NewKey,
    PeerCertificate, Pepper, Presented, ProofOf, Registry, Replays, Secret, TokenCache, TrustBundle,
    TrustDomain, delegate, mint_key, narrow, seal,
};
use bartizan_types::{AgentId, Bounds, Issuer, Principal, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer as Signer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::forge::{self, Keys, NOW};

/// One entry of the corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) expected: String,
    /// What is shown: `certificate`, `token`, `proof`, `delegation`, `key`.
    pub(crate) bad: Value,
    pub(crate) twin: Value,
}

pub(crate) fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../vectors/workload.json")).unwrap()
}

struct Root {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

/// Roots, keys and a registry that trusts some of them.
pub(crate) struct World {
    keys: Keys,
    own: Root,
    second: Root,
    stranger: Root,
    pub(crate) registry: Registry,
    /// The same keys of ours, when no issuer and no domain is trusted any more.
    alone: Registry,
    /// The same issuer with another key, the same domain with another root.
    rotated: Registry,
    ours: DelegationKey,
    key: NewKey,
    revoked: NewKey,
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(NOW).unwrap() + seconds).unwrap()
}

fn root(until: i64) -> Root {
    let mut params = CertificateParams::default();
    params.not_before = at(-86_400);
    params.not_after = at(until);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    Root { params, key, der }
}

fn delegation_key(seed: u8) -> DelegationKey {
    DelegationKey::new(Secret::new([seed; 32])).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let keys = Keys::new();
        let (own, second, stranger) = (root(86_400), root(86_400), root(86_400));
        let ended = root(-60);
        let pepper = || Pepper::new(&Secret::new([1; 32]));
        let mint = |seed: u8, agent: &str| {
            let agent = AgentId::new(agent).unwrap();
            let now = Timestamp::from_unix_seconds(NOW - 100);
            mint_key(
                agent,
                None,
                BTreeSet::new(),
                now,
                None,
                &Secret::new([seed; 32]),
                &pepper(),
            )
            .unwrap()
        };
        let (key, mut revoked) = (mint(3, "mail-agent"), mint(4, "gone-agent"));
        revoked.record.revoked = Some(Timestamp::from_unix_seconds(NOW - 50));
        let config = IssuerConfig::new(
            Issuer::new("https://issuer.example").unwrap(),
            vec!["bartizan".to_owned()],
        );
        let set = KeySet::parse(keys.jwks().to_string().as_bytes()).unwrap();
        let issuers = vec![IssuerKeys {
            config,
            keys: Some(Arc::new(set)),
        }];
        let bundle = |name: &str, naming, roots: &[CertificateDer<'static>]| {
            TrustBundle::new(TrustDomain::new(name).unwrap(), naming, roots).unwrap()
        };
        let bundles = vec![
            bundle("own.example", Naming::Own, &[own.der.clone(), ended.der.clone()]),
            bundle(
                "second.example",
                Naming::Under("second".to_owned()),
                std::slice::from_ref(&second.der),
            ),
        ];
        let ours = delegation_key(9);
        let records = vec![key.record.clone(), revoked.record.clone()];
        let alone = Registry::new(1, records.clone(), pepper(), Vec::new())
            .unwrap()
            .with_delegations(&ours.public())
            .unwrap();
        let others = json!({"keys": [forge::ec_jwk("x", &keys.other)]}).to_string();
        let rotated = IssuerKeys {
            config: issuers[0].config.clone(),
            keys: Some(Arc::new(KeySet::parse(others.as_bytes()).unwrap())),
        };
        let rotated = Registry::new(1, records.clone(), pepper(), vec![rotated])
            .unwrap()
            .with_bundles(vec![bundle(
                "own.example",
                Naming::Own,
                std::slice::from_ref(&stranger.der),
            )])
            .unwrap()
            .with_delegations(&ours.public())
            .unwrap();
        let registry = Registry::new(1, records, pepper(), issuers)
            .unwrap()
            .with_bundles(bundles)
            .unwrap()
            .with_delegations(&ours.public())
            .unwrap();
        Self {
            keys,
            own,
            second,
            stranger,
            registry,
            alone,
            rotated,
            ours,
            key,
            revoked,
        }
    }

    /// Makes a request of this and judges it; `"twice": true` judges it twice and gives the second answer, `"later"`
    /// so many seconds after it was made, `"alone": true` when no issuer and no domain is trusted any more, `"rotated": true`
    /// when they have other keys and roots.
    pub(crate) fn judge(&self, spec: &Value) -> Result<Arc<Principal>, Fault> {
        let later = spec.get("later").and_then(Value::as_u64).unwrap_or(0);
        let now = Timestamp::from_unix_seconds(NOW + later);
        let registry = match spec.get("alone") {
            Some(_) => &self.alone,
            None if spec.get("rotated").is_some() => &self.rotated,
            None => &self.registry,
        };
        let peer = spec
            .get("certificate")
            .map(|certificate| self.certificate(certificate));
        let text = self.credential(spec, peer.as_ref());
        let credential = text.as_deref().map_or(Credential::None, Credential::Bearer);
        let proof = spec
            .get("proof")
            .map(|proof| self.proof(proof, text.as_deref().unwrap_or_default()));
        let nonces: Option<Vec<String>> = spec
            .get("nonces")
            .map(|list| serde_json::from_value(list.clone()).unwrap());
        let presented = Presented {
            credential,
            certificate: peer.as_ref(),
            proof: proof.as_deref().map(|proof| ProofOf {
                proof,
                method: "POST",
                authority: "gate.example",
                path: "/mcp",
                schemes: &["https"],
                nonces: nonces.as_deref(),
            }),
        };
        let room = spec.get("room").and_then(Value::as_u64).unwrap_or(64);
        let (cache, replays) = (TokenCache::new(64), Replays::new(usize::try_from(room).unwrap()));
        let first = cache.judge(registry, &presented, &replays, now);
        if spec.get("twice") == Some(&json!(true)) {
            first?;
            return cache.judge(registry, &presented, &replays, now);
        }
        first
    }

    fn credential(&self, spec: &Value, peer: Option<&PeerCertificate>) -> Option<String> {
        if let Some(token) = spec.get("token") {
            let mut claims = forge::claims();
            for (claim, value) in token.as_object().unwrap() {
                claims[claim] = value.clone();
            }
            let text = claims.to_string();
            let shown = peer.map_or([0; 32], |peer| peer.fingerprint().0);
            let text = text
                .replace("{shown}", &B64.encode(shown))
                .replace("{jkt}", &B64.encode(thumbprint(&self.keys.ec)))
                .replace("{other}", &B64.encode([7; 32]));
            return Some(self.keys.token(&forge::header().to_string(), &text, "ES256"));
        }
        if spec.get("key").is_some() {
            return Some(self.key.shown_once.expose().clone());
        }
        spec.get("delegation")
            .map(|delegation| self.delegation(delegation))
    }

    fn certificate(&self, spec: &Value) -> PeerCertificate {
        let text = |member: &str, other: &str| {
            spec.get(member)
                .and_then(Value::as_str)
                .unwrap_or(other)
                .to_owned()
        };
        let number = |member: &str, other: i64| spec.get(member).and_then(Value::as_i64).unwrap_or(other);
        let list = |member: &str, other: &[&str]| -> Vec<String> {
            match spec.get(member) {
                None => other.iter().map(|text| (*text).to_owned()).collect(),
                Some(list) => serde_json::from_value(list.clone()).unwrap(),
            }
        };
        let mut leaf = CertificateParams::default();
        leaf.not_before = at(number("from", -60));
        leaf.not_after = at(number("until", 3600));
        let uris = list("uris", &["spiffe://own.example/agent/mail-agent"]);
        leaf.subject_alt_names = uris
            .into_iter()
            .map(|uri| SanType::URI(uri.try_into().unwrap()))
            .collect();
        leaf.subject_alt_names.extend(
            list("hosts", &[])
                .into_iter()
                .map(|host| SanType::DnsName(host.try_into().unwrap())),
        );
        leaf.is_ca = match text("ca", "explicit").as_str() {
            "yes" => IsCa::Ca(BasicConstraints::Unconstrained),
            "absent" => IsCa::NoCa,
            _ => IsCa::ExplicitNoCa,
        };
        let usage = |name: String| match name.as_str() {
            "sign" => KeyUsagePurpose::DigitalSignature,
            "certificates" => KeyUsagePurpose::KeyCertSign,
            "crl" => KeyUsagePurpose::CrlSign,
            "encipher" => KeyUsagePurpose::KeyEncipherment,
            other => panic!("usage {other}"),
        };
        leaf.key_usages = list("usage", &["sign"]).into_iter().map(usage).collect();
        let purpose = |name: String| match name.as_str() {
            "client" => ExtendedKeyUsagePurpose::ClientAuth,
            "server" => ExtendedKeyUsagePurpose::ServerAuth,
            "code" => ExtendedKeyUsagePurpose::CodeSigning,
            other => panic!("purpose {other}"),
        };
        leaf.extended_key_usages = list("purposes", &["client", "server"])
            .into_iter()
            .map(purpose)
            .collect();
        let root = match text("root", "own").as_str() {
            "own" => &self.own,
            "second" => &self.second,
            _ => &self.stranger,
        };
        let key = KeyPair::generate().unwrap();
        let above = Signer::from_params(&root.params, &root.key);
        let mut chain = Vec::new();
        match spec.get("middle") {
            None => chain.push(leaf.signed_by(&key, &above).unwrap().der().clone()),
            Some(middle) => {
                let until = middle.get("until").and_then(Value::as_i64).unwrap_or(7200);
                let mut params = CertificateParams::default();
                params.not_before = at(-7200);
                params.not_after = at(until);
                let is_ca = middle.get("ca") != Some(&json!(false));
                params.is_ca = if is_ca {
                    IsCa::Ca(BasicConstraints::Constrained(0))
                } else {
                    IsCa::ExplicitNoCa
                };
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
                let middle_key = KeyPair::generate().unwrap();
                let der = params.signed_by(&middle_key, &above).unwrap().der().clone();
                let issuer = Signer::new(params, middle_key);
                chain.push(leaf.signed_by(&key, &issuer).unwrap().der().clone());
                if middle.get("shown") != Some(&json!(false)) {
                    chain.push(der);
                }
            }
        }
        match text("edit", "").as_str() {
            "" => {}
            "flip-signature" => {
                let mut der = chain[0].to_vec();
                *der.last_mut().unwrap() ^= 1;
                chain[0] = CertificateDer::from(der);
            }
            "cut" => {
                let der = chain[0].to_vec();
                chain[0] = CertificateDer::from(der[..der.len() - 9].to_vec());
            }
            "trailing" => {
                let der = [chain[0].as_ref(), &[0]].concat();
                chain[0] = CertificateDer::from(der);
            }
            "nine" => chain.extend(std::iter::repeat_n(self.own.der.clone(), 8)),
            "self-signed" => chain[0] = leaf.self_signed(&key).unwrap().der().clone(),
            other => panic!("edit {other}"),
        }
        PeerCertificate::new(chain).unwrap()
    }

    fn proof(&self, spec: &Value, token: &str) -> String {
        let own = forge::ec_jwk("x", &self.keys.ec);
        let other = forge::ec_jwk("x", &self.keys.other);
        let bare = |jwk: &Value| json!({"kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"]});
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        let mut header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": bare(&own)});
        let mut claims = json!({
            "htm": "POST", "htu": "https://gate.example/mcp", "iat": NOW, "jti": "p1", "ath": B64.encode(hash),
        });
        let apply = |base: &mut Value, changes: Option<&Value>| {
            for (member, value) in changes.and_then(Value::as_object).into_iter().flatten() {
                match value {
                    Value::Null => {
                        base.as_object_mut().unwrap().remove(member);
                    }
                    value => base[member] = value.clone(),
                }
            }
        };
        apply(&mut header, spec.get("header"));
        apply(&mut claims, spec.get("claims"));
        match spec.get("jwk").and_then(Value::as_str) {
            Some("other") => header["jwk"] = bare(&other),
            Some("private") => header["jwk"]["d"] = json!(B64.encode([1; 32])),
            Some("symmetric") => header["jwk"] = json!({"kty": "oct", "k": B64.encode([1; 32])}),
            _ => {}
        }
        let how = spec.get("sign").and_then(Value::as_str).unwrap_or("ES256");
        match spec.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => self.keys.token(&header.to_string(), &claims.to_string(), how),
        }
    }

    fn delegation(&self, spec: &Value) -> String {
        let record = match spec.get("rests").and_then(Value::as_str) {
            Some("revoked") => self.revoked.record.clone(),
            Some("unknown") => {
                let mut record = self.key.record.clone();
                record.prefix = bartizan_types::KeyId::new("bz_00000000").unwrap();
                record
            }
            Some("other-agent") => {
                let mut record = self.key.record.clone();
                record.agent = AgentId::new("admin").unwrap();
                record
            }
            _ => self.key.record.clone(),
        };
        let judged = spec.get("under").map(|under| self.judge(under).unwrap());
        let root = judged
            .as_deref()
            .map_or(ChainRoot::Key(&record), ChainRoot::Judged);
        let ours = match spec.get("by").and_then(Value::as_str) {
            Some("stranger") => delegation_key(77),
            _ => delegation_key(9),
        };
        assert_eq!(self.ours.public(), delegation_key(9).public());
        let links = spec.get("links").and_then(Value::as_array).cloned();
        let links = links.unwrap_or_else(|| vec![json!({}), json!({})]);
        let mut steps: Vec<String> = Vec::new();
        for (at, link) in links.iter().enumerate() {
            let bounds: Bounds = serde_json::from_value(link.clone()).unwrap();
            let next = delegation_key(u8::try_from(at).unwrap() + 20);
            let to = format!("child-{at}");
            let made = match steps.last() {
                None => delegate(&ours, root, &to, bounds, &next).unwrap(),
                Some(before) => narrow(before, &to, bounds, &next).unwrap(),
            };
            steps.push(made.expose().clone());
        }
        let whole = steps.last().unwrap().clone();
        let sealed = spec.get("sealed") == Some(&json!(true));
        let whole = if sealed {
            seal(&whole).unwrap().expose().clone()
        } else {
            whole
        };
        edit(&whole, &steps, spec.get("edit").and_then(Value::as_str))
    }
}

/// What a thief could make of a delegation, or of parts of two.
fn edit(whole: &str, steps: &[String], how: Option<&str>) -> String {
    let mut parts: Vec<String> = whole.split('.').map(str::to_owned).collect();
    let last = parts.len() - 1;
    match how {
        None => {}
        // The child drops its own link, and has no key for the one before.
        Some("drop-last") => {
            parts.drain(last - 2..last);
        }
        Some("drop-first") => {
            parts.drain(1..3);
        }
        Some("drop-middle") => {
            parts.drain(3..5);
        }
        Some("swap") => {
            parts.swap(3, 5);
            parts.swap(4, 6);
        }
        Some("repeat") => {
            let again: Vec<String> = parts[last - 2..last].to_vec();
            parts.splice(last..last, again);
        }
        Some("widen") => {
            let link = String::from_utf8(B64.decode(&parts[last - 2]).unwrap()).unwrap();
            let mut link: Value = serde_json::from_str(&link).unwrap();
            link["bounds"] = json!({});
            parts[last - 2] = B64.encode(link.to_string());
        }
        Some("rename") => {
            let link = String::from_utf8(B64.decode(&parts[1]).unwrap()).unwrap();
            parts[1] = B64.encode(link.replace("mail-agent", "root-agent"));
        }
        Some("flip") => {
            let mut signature = B64.decode(&parts[last - 1]).unwrap();
            signature[3] ^= 1;
            parts[last - 1] = B64.encode(signature);
        }
        Some("foreign-end") => parts[last] = format!("s{}", B64.encode([99; 32])),
        Some("flip-end") => {
            let mut end = B64.decode(&parts[last][1..]).unwrap();
            end[5] ^= 1;
            parts[last] = format!("f{}", B64.encode(end));
        }
        Some("no-end") => parts[last] = String::new(),
        Some("other-end") => parts[last] = format!("x{}", &parts[last][1..]),
        // The end of the chain before: its holder's key, which the last link does not name.
        Some("end-before") => {
            parts[last] = steps[steps.len() - 2].rsplit('.').next().unwrap().to_owned();
        }
        Some("ninth") => {
            let more: Vec<String> = parts[last - 2..last].to_vec();
            parts.splice(last..last, more);
        }
        Some("padded") => parts[last - 1].push('='),
        Some("garbage") => parts[1] = B64.encode("{\"agent\":1}"),
        Some("twin-key") => parts[1] = B64.encode("{\"agent\":\"a\",\"agent\":\"b\"}"),
        Some("only-prefix") => return "bzd.".to_owned(),
        // Whoever holds a link signs what it likes behind it.
        Some(own) if own.starts_with("own:") => {
            let link = String::from_utf8(B64.decode(&parts[last - 2]).unwrap()).unwrap();
            let link: Value = serde_json::from_str(&link).unwrap();
            let (to, key, bounds) = (&link["to"], &link["key"], &own["own:".len()..]);
            parts[last - 2] = B64.encode(format!("{{\"to\":{to},\"key\":{key},\"bounds\":{bounds}}}"));
            let signed = parts[..last - 1].join(".");
            let holder = u8::try_from(steps.len()).unwrap() + 18;
            let holder = Ed25519KeyPair::from_seed_unchecked(&[holder; 32]).unwrap();
            let message = [b"bartizan delegation link v1\0", signed.as_bytes()].concat();
            parts[last - 1] = B64.encode(holder.sign(&message));
        }
        Some(other) => panic!("edit {other}"),
    }
    parts.join(".")
}

/// RFC 7638.
fn thumbprint(pkcs8: &[u8]) -> [u8; 32] {
    let jwk = forge::ec_jwk("x", pkcs8);
    let text = format!(
        "{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}",
        jwk["x"], jwk["y"]
    );
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .try_into()
        .unwrap()
}

/// Every wrong answer over the corpus, as words.
pub(crate) fn wrong_answers(world: &World, vectors: &[Vector]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut accepted, mut misread, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for vector in vectors {
        match world.judge(&vector.bad) {
            Ok(_) => accepted.push(vector.name.clone()),
            Err(fault) if fault.reason.name() == vector.expected => {}
            Err(fault) => misread.push(format!("{}: {:?}", vector.name, fault.reason)),
        }
        if let Err(fault) = world.judge(&vector.twin) {
            refused.push(format!("{}: {:?}", vector.name, fault.reason));
        }
    }
    (accepted, misread, refused)
}
