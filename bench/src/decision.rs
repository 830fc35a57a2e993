//! What one decision costs in process: credential to permit, record included, no IO.
//!
//! 100 policies, 60 of which match by scope and run to their end. Every call has a token, arguments and digest of its
//! own, so nothing is remembered from the one before but what the product itself remembers. Durability is granted
//! at once: the ledger has figures of its own. Beside it runs `cedar-policy` on the same policies, with its request
//! and entities built beforehand, which is less than it would have to do.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use bartizan_guard::{Crossing, Effect, Input};
use bartizan_identity::{Credential, IssuerConfig, IssuerKeys, KeySet, Pepper, Registry, Secret, TokenCache};
use bartizan_policy::{Policy, Source};
use bartizan_types::{
    Action, AgentId, Arguments, AuthMethod, CallFacts, CallId, Digest, Effects, Evidence, Issuer, KeyId,
    PinState, Principal, Resource, ServerName, SessionId, Surface, Timestamp, ToolName,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::figure::{Figure, median};

pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_790_000_000);
const ROUNDS: usize = 5;

/// Takes the figures; `quick` takes a tenth of the samples.
pub(crate) fn run(quick: bool) -> Vec<Figure> {
    match figures(if quick { 1_000 } else { 10_000 }) {
        Ok(mut figures) => {
            figures.iter_mut().for_each(|figure| figure.quick = quick);
            figures
        }
        Err(why) => ["decision_warm_p99_us", "decision_cold_p99_us"]
            .map(|name| Figure::missing(name, "us", why.clone()))
            .into(),
    }
}

fn figures(samples: usize) -> Result<Vec<Figure>, String> {
    let text = policies();
    let source = Source {
        name: "bench.cedar",
        text: &text,
    };
    let policy = Policy::load(None, &[source]).map_err(|found| format!("{found:?}"))?;
    let policy = Arc::new(policy);
    let identity = Identity::new()?;
    let cache = TokenCache::new(1 << 16);

    let known: Vec<String> = (0..64).map(|at| identity.token(at)).collect::<Result<_, _>>()?;
    for token in &known {
        pass(&policy, &identity, &cache, token, evidence(0)?)?;
    }
    let warm = rounds(
        samples,
        |at| {
            Ok((
                known.get(at % known.len()).cloned().unwrap_or_default(),
                evidence(at)?,
            ))
        },
        |(token, evidence)| pass(&policy, &identity, &cache, &token, evidence),
    )?;
    let mut number = 1_000;
    let fresh = |at: usize| {
        number += 1;
        Ok((identity.token(number)?, evidence(at)?))
    };
    let cold = rounds(samples / 5, fresh, |(token, evidence)| {
        pass(&policy, &identity, &cache, &token, evidence)
    })?;
    let ours = rounds(samples, evidence, |evidence| {
        let _ = black_box(policy.evaluate(&evidence));
        Ok(())
    })?;
    let cedar = Cedar::new(&text)?;
    let theirs = rounds(samples / 5, |_| Ok(()), |()| cedar.allow())?;

    let ratio = theirs.p50 / ours.p50;
    Ok(vec![
        warm.p99("decision_warm_p99_us"),
        warm.p50("decision_warm_p50_us"),
        cold.p99("decision_cold_p99_us"),
        cold.p50("decision_cold_p50_us"),
        ours.p50("decision_policy_p50_us"),
        theirs.p50("decision_cedar_p50_us"),
        Figure::of("decision_speed_ratio_cedar", ratio, "ratio", ours.n)
            .peer("cedar-policy evaluator, request and entities prebuilt"),
    ])
}

/// 60 policies that match the benched call by scope, 40 that do not. Two permit it, and every condition is read.
pub(crate) fn policies() -> String {
    let mut text = String::new();
    for at in 0..60 {
        let scope =
            "principal, action == Bartizan::Action::\"call_tool\", resource in Bartizan::Server::\"bank\"";
        let (effect, condition) = match at % 6 {
            0 => ("forbid", format!("context.worst >= {}", 3 + at)),
            1 => (
                "forbid",
                format!(
                    "context.numbers.hasTag(\"amount\") && context.numbers.getTag(\"amount\") > {}",
                    100_000 + at
                ),
            ),
            2 => (
                "forbid",
                format!(
                    "context.args.hasTag(\"to\") && context.args.getTag(\"to\") like \"*@bad{at}.example\""
                ),
            ),
            3 => (
                "forbid",
                format!("[\"changed\", \"unlisted\"].contains(context.pin) || context.act_depth > {at}"),
            ),
            4 => (
                "permit",
                format!("principal.name == \"agent-{at}\" && context.args_complete"),
            ),
            _ => (
                "forbid",
                format!("context has user && context.user == \"intern{at}\" && !context.approved"),
            ),
        };
        let _ = writeln!(
            text,
            "@id(\"in{at}\") @reason(\"rule {at}\")\n{effect} ({scope}) when {{ {condition} }};"
        );
    }
    for at in 0..40 {
        let _ = writeln!(
            text,
            "@id(\"out{at}\")\npermit (principal, action, resource == Bartizan::Tool::\"bank/other{at}\") when {{ context.worst < 3 }};"
        );
    }
    text.push_str("@id(\"go\")\npermit (principal in Bartizan::Group::\"payers\", action, resource) when { context.pin == \"same\" };\n");
    text.push_str("@id(\"go2\")\npermit (principal, action, resource is Bartizan::Tool in Bartizan::Server::\"bank\") when { context.args_complete };\n");
    text
}

fn name_fault(fault: bartizan_types::IdFault) -> String {
    fault.to_string()
}

/// An agent's call as decoded, every one different.
pub(crate) fn evidence(at: usize) -> Result<Evidence, String> {
    let number = u64::try_from(at).unwrap_or(0);
    let time = NOW.plus_micros(number);
    let mut arguments = Arguments {
        complete: true,
        ..Arguments::default()
    };
    arguments
        .texts
        .insert("to".to_owned(), format!("payee{at}@corp.example"));
    arguments.texts.insert(
        "note".to_owned(),
        format!("invoice {at} of this month, as agreed"),
    );
    arguments
        .numbers
        .insert("amount".to_owned(), i64::try_from(at % 90_000).unwrap_or(0));
    Ok(Evidence {
        now: time,
        principal: Principal {
            agent: AgentId::new("agent").map_err(name_fault)?,
            user: None,
            act: Vec::new(),
            groups: BTreeSet::from(["payers".to_owned()]),
            scopes: BTreeSet::new(),
            issuer: Issuer::new("https://idp.example").map_err(name_fault)?,
            credential: KeyId::new("k").map_err(name_fault)?,
            rests: Default::default(),
            method: AuthMethod::Jwt,
            root: None,
            anchor: None,
            expires: None,
        },
        session: SessionId::mint(time, 1),
        epoch: number,
        call: CallFacts {
            id: CallId::mint(time, u128::from(number)),
            action: Action::CallTool,
            resource: Resource::Tool {
                server: ServerName::new("bank").map_err(name_fault)?,
                tool: ToolName::new(&format!("pay{}", at % 50)).map_err(name_fault)?,
            },
            surface: Surface::Mcp,
            streaming: false,
            bytes: 300 + number % 700,
            digest: Digest([u8::try_from(at % 251).unwrap_or(0); 32]),
            pin: PinState::Same,
            effects: Effects::default(),
            arguments: Some(arguments),
            flow: None,
            spending: None,
            proposer: None,
            bar: None,
            secrets: Default::default(),
        },
        findings: Vec::new(),
        answering: false,
        approved: None,
    })
}

/// The measured thing: credential to permit.
fn pass(
    policy: &Arc<Policy>,
    identity: &Identity,
    cache: &TokenCache,
    token: &str,
    mut evidence: Evidence,
) -> Result<(), String> {
    let principal = cache
        .authenticate(&identity.registry, &Credential::Bearer(token), evidence.now)
        .map_err(|fault| fault.to_string())?;
    evidence.principal = (*principal).clone();
    let (now, epoch) = (evidence.now, evidence.epoch);
    let mut out = Vec::with_capacity(4);
    let mut crossing = Crossing::begin(Arc::clone(policy), evidence, (), &mut out);
    black_box(&out);
    out.clear();
    let durable = Input::Durable { receipt: 1, epoch };
    crossing
        .step(now, durable, &mut out)
        .map_err(|misuse| misuse.to_string())?;
    match out.first() {
        Some(Effect::Forward(permit)) => {
            black_box(permit.call());
            Ok(())
        }
        _ => Err("the benched call was not allowed".to_owned()),
    }
}

/// An issuer with a P-256 key, and a registry that trusts it.
struct Identity {
    pair: EcdsaKeyPair,
    registry: Registry,
}

impl Identity {
    fn new() -> Result<Self, String> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|fault| fault.to_string())?;
        let point = pair.public_key().as_ref();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
            return Err("the public key is no uncompressed point".to_owned());
        };
        let jwks = serde_json::json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }]});
        let keys = KeySet::parse(jwks.to_string().as_bytes()).map_err(|fault| fault.to_string())?;
        let issuer = Issuer::new("https://idp.example").map_err(name_fault)?;
        let mut config = IssuerConfig::new(issuer, vec!["bartizan".to_owned()]);
        config.groups_claim = Some("groups".to_owned());
        let issuers = vec![IssuerKeys {
            config,
            keys: Some(Arc::new(keys)),
        }];
        let pepper = Pepper::new(&Secret::new([7; 32]));
        let registry = Registry::new(1, Vec::new(), pepper, issuers).map_err(|fault| fault.to_string())?;
        Ok(Self { pair, registry })
    }

    fn token(&self, number: u64) -> Result<String, String> {
        let header = serde_json::json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" });
        let now = NOW.unix_seconds();
        let claims = serde_json::json!({
            "iss": "https://idp.example", "aud": "bartizan", "sub": format!("agent{number}"),
            "iat": now, "exp": now + 3_600, "groups": ["payers"], "jti": number.to_string(),
        });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|fault| fault.to_string())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The peer: Cedar's evaluator over the whole set.
struct Cedar {
    policies: cedar_policy::PolicySet,
    entities: cedar_policy::Entities,
    request: cedar_policy::Request,
}

impl Cedar {
    fn new(text: &str) -> Result<Self, String> {
        fn shown(fault: impl std::fmt::Display) -> String {
            fault.to_string()
        }
        let entity =
            |kind: &str, id: &str| serde_json::json!({ "type": format!("Bartizan::{kind}"), "id": id });
        let entities = serde_json::json!([
            { "uid": entity("Agent", "agent"), "attrs": { "name": "agent", "issuer": "i", "method": "jwt" },
              "parents": [entity("Group", "payers")] },
            { "uid": entity("Tool", "bank/pay1"), "attrs": { "name": "pay1", "server": "bank" },
              "parents": [entity("Server", "bank")] },
            { "uid": entity("Arguments", "call"), "attrs": {}, "parents": [], "tags": { "to": "payee@corp.example" } },
            { "uid": entity("Quantities", "call"), "attrs": {}, "parents": [], "tags": { "amount": 900 } },
        ]);
        let context = serde_json::json!({
            "approved": false, "surface": "mcp", "streaming": false, "bytes": 400, "pin": "same", "findings": [],
            "worst": -1, "args": { "__entity": entity("Arguments", "call") },
            "numbers": { "__entity": entity("Quantities", "call") }, "args_complete": true, "act_depth": 0,
            "issuer": "i", "method": "jwt",
        });
        let uid = |text: &str| text.parse::<cedar_policy::EntityUid>().map_err(shown);
        Ok(Self {
            policies: text.parse().map_err(shown)?,
            entities: cedar_policy::Entities::from_json_value(entities, None).map_err(shown)?,
            request: cedar_policy::Request::new(
                uid("Bartizan::Agent::\"agent\"")?,
                uid("Bartizan::Action::\"call_tool\"")?,
                uid("Bartizan::Tool::\"bank/pay1\"")?,
                cedar_policy::Context::from_json_value(context, None).map_err(shown)?,
                None,
            )
            .map_err(shown)?,
        })
    }

    fn allow(&self) -> Result<(), String> {
        let response =
            cedar_policy::Authorizer::new().is_authorized(&self.request, &self.policies, &self.entities);
        if response.decision() == cedar_policy::Decision::Allow {
            return Ok(());
        }
        Err("Cedar did not allow the benched call".to_owned())
    }
}

/// Quantiles in microseconds: the median over rounds, and each round's p99.
pub(crate) struct Measured {
    p50: f64,
    p50s: Vec<f64>,
    p99s: Vec<f64>,
    n: u64,
}

impl Measured {
    pub(crate) fn p99(&self, name: &str) -> Figure {
        self.figure(name, &self.p99s)
    }

    pub(crate) fn p50(&self, name: &str) -> Figure {
        self.figure(name, &self.p50s)
    }

    /// The median round, with the spread over rounds; `n` counts events.
    fn figure(&self, name: &str, rounds: &[f64]) -> Figure {
        let mut figure = Figure::median_of(name, "us", rounds);
        figure.n = self.n;
        figure
    }
}

/// Times `measured` on what `prepare` makes, one by one; preparing and dropping the result stay outside.
pub(crate) fn rounds<T>(
    samples: usize,
    mut prepare: impl FnMut(usize) -> Result<T, String>,
    mut measured: impl FnMut(T) -> Result<(), String>,
) -> Result<Measured, String> {
    let mut all = Measured {
        p50: f64::NAN,
        p50s: Vec::new(),
        p99s: Vec::new(),
        n: 0,
    };
    for at in 0..samples / 10 {
        measured(prepare(at)?)?;
    }
    for round in 0..ROUNDS {
        let mut times = Vec::with_capacity(samples);
        for at in 0..samples {
            let made = prepare(round * samples + at)?;
            let start = Instant::now();
            measured(made)?;
            times.push(start.elapsed().as_nanos());
        }
        times.sort_unstable();
        let quantile = |of: usize| {
            times
                .get(times.len() * of / 100)
                .map_or(f64::NAN, |&nanos| nanos as f64 / 1e3)
        };
        all.p50s.push(quantile(50));
        all.p99s.push(quantile(99));
        all.n += u64::try_from(samples).unwrap_or(0);
    }
    all.p50 = median(&all.p50s).unwrap_or(f64::NAN);
    Ok(all)
}
