//! Translation validation on load: each compiled policy runs beside Cedar's evaluator on requests made from its own
//! head and literals, and any disagreement refuses the whole set. The differential tests are the broad net; this
//! one is made of the very policies that are about to rule.

use std::collections::BTreeSet;

use bartizan_types::{
    Action, AgentId, Arguments, AuthMethod, CallFacts, CallId, Digest, Effects, Evidence, Finding,
    FindingKind, Flow, Issuer, KeyId, ModelName, PeerName, PinState, Principal, Resource, ServerName,
    SessionId, Severity, SiteName, Surface, Timestamp, ToolName, UpstreamName, UserId,
    flow::{Called, Effect, Joined, Role, Source},
};
use cedar_policy::PolicySet;

use crate::cedar::CedarRequest;
use crate::load::{Body, Rule};
use crate::request::{Request, applies};
use crate::run::{Trace, holds};
use crate::scope::Target;
use crate::value::Kind;

/// Requests tried per policy.
const SAMPLES: u64 = 12;

/// The compiled form and Cedar disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the compiled form of this policy disagrees with Cedar's evaluator")]
pub(crate) struct Disagrees;

/// Compares a compiled rule with Cedar.
pub(crate) fn agrees(rule: &Rule, policy: &cedar_policy::Policy) -> Result<(), Disagrees> {
    let Body::Compiled(node) = &rule.body else {
        return Ok(());
    };
    let single = PolicySet::from_policies([policy.clone()]).map_err(|_| Disagrees)?;
    for seed in 0..SAMPLES {
        let Some(evidence) = sample(rule, seed) else {
            continue;
        };
        let Ok(mut request) = Request::new(&evidence) else {
            continue;
        };
        request.approved = seed % 2 == 1;
        let ours = if rule.scope.matches(&request) {
            holds(node, &request, &mut Trace::default()).map_err(|_| ())
        } else {
            Ok(Some(false))
        };
        let theirs = CedarRequest::new(&request)
            .map_err(|_| Disagrees)?
            .satisfies(&single);
        if ours != theirs.map(Some) {
            return Err(Disagrees);
        }
    }
    Ok(())
}

/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Copy)]
struct Draw(u64);

impl Draw {
    /// One of `0..of`; another `salt` gives an independent one.
    fn turn(self, salt: u64, of: usize) -> usize {
        let mixed = self.0.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let of = u64::try_from(of.max(1)).unwrap_or(1);
        usize::try_from((mixed ^ (mixed >> 29)) % of).unwrap_or(0)
    }

    /// A text that the rule names, or one that it does not.
    fn word(self, salt: u64, rule: &Rule) -> &str {
        let literals = &rule.reads.literals;
        let turn = self.turn(salt, literals.len().saturating_add(1));
        literals.iter().nth(turn).map_or("x", |text| text.as_str())
    }

    fn one_of<T: Copy>(self, salt: u64, of: &[T]) -> Option<T> {
        of.get(self.turn(salt, of.len())).copied()
    }

    fn hint(self, salt: u64) -> Option<bool> {
        self.one_of(salt, &[None, Some(true), Some(false)]).flatten()
    }
}

/// A request that this rule's head speaks of, varied by `seed`. `None` where a name of its own is no name of ours.
fn sample(rule: &Rule, seed: u64) -> Option<Evidence> {
    let draw = Draw(seed);
    let (resource, kind) = resource(&rule.scope.resource, draw.turn(1, Kind::ALL.len()))?;
    let fitting: Vec<Action> = Action::ALL
        .into_iter()
        .filter(|action| rule.scope.speaks_of(*action) && applies(*action, kind))
        .collect();
    let pins = [
        PinState::Same,
        PinState::First,
        PinState::Changed,
        PinState::Unlisted,
        PinState::None,
    ];
    let time = Timestamp::from_unix_seconds(1_700_000_000);
    Some(Evidence {
        now: time.plus_micros(seed.wrapping_mul(3_600_000_000)),
        principal: principal(rule, draw)?,
        session: SessionId::mint(time, 1),
        epoch: 0,
        call: CallFacts {
            id: CallId::mint(time, 1),
            action: draw.one_of(2, &fitting)?,
            resource,
            surface: Surface::Mcp,
            streaming: draw.turn(9, 2) == 0,
            bytes: seed.wrapping_mul(997),
            digest: Digest([0; 32]),
            pin: draw.one_of(7, &pins)?,
            effects: Effects {
                read_only: draw.hint(10),
                destructive: draw.hint(11),
                open_world: draw.hint(12),
            },
            arguments: Some(arguments(rule, draw)),
            flow: flow(draw).map(Box::new),
            spending: None,
            proposer: None,
            bar: None,
            secrets: Default::default(),
        },
        findings: finding(draw).into_iter().collect(),
        answering: draw.turn(13, 3) == 0,
        approved: None,
    })
}

/// Facts of flow, or none of them.
fn flow(draw: Draw) -> Option<Flow> {
    let yes = |turn| draw.turn(turn, 2) == 0;
    let effects = [
        Effect::Read,
        Effect::Fetch,
        Effect::Write,
        Effect::Send,
        Effect::Delete,
        Effect::Unknown,
    ];
    let called = [Called::Yes, Called::Elsewhere, Called::Unknown, Called::No];
    let sources = [
        Source::Prompt,
        Source::Trusted,
        Source::Named,
        Source::Endorsed,
        Source::Structured,
        Source::FreeText,
    ];
    let joined = [Joined::Pending, Joined::Only, Joined::All, Joined::Alone];
    let roles = [Role::Target, Role::Selector, Role::Content];
    let worst = roles
        .into_iter()
        .zip(40..)
        .filter_map(|(role, turn)| Some((role, draw.one_of(turn, &sources)?)));
    (draw.turn(30, 4) != 0).then(|| Flow {
        effect: draw.one_of(31, &effects).unwrap_or(Effect::Unknown),
        called: draw.one_of(32, &called).unwrap_or(Called::No),
        joined: draw.one_of(33, &joined).unwrap_or(Joined::All),
        crosses: yes(34),
        reviewed: yes(35),
        whole: draw.turn(36, 5) != 0,
        tainted: yes(37),
        secret: yes(38),
        external: yes(39),
        readable: yes(43),
        bounded: yes(44),
        foreign_tokens: u32::try_from(draw.turn(45, 3)).unwrap_or(0),
        worst: worst.collect(),
        arguments: Vec::new(),
    })
}

fn principal(rule: &Rule, draw: Draw) -> Option<Principal> {
    let (agent, groups) = match &rule.scope.principal {
        Target::Equal(_, id) => (AgentId::new(id).ok()?, BTreeSet::new()),
        Target::In(_, id) | Target::IsIn(_, _, id) => {
            (AgentId::new("agent").ok()?, BTreeSet::from([id.to_string()]))
        }
        _ => (
            AgentId::new("agent").ok()?,
            BTreeSet::from([draw.word(3, rule).to_owned()]),
        ),
    };
    Some(Principal {
        agent,
        user: UserId::new(draw.word(5, rule))
            .ok()
            .filter(|_| draw.turn(6, 3) != 0),
        act: Vec::new(),
        groups,
        scopes: BTreeSet::new(),
        issuer: Issuer::new("local").ok()?,
        credential: KeyId::new("key").ok()?,
        rests: Default::default(),
        method: AuthMethod::Local,
        root: None,
        anchor: None,
        expires: None,
    })
}

fn arguments(rule: &Rule, draw: Draw) -> Arguments {
    let mut arguments = Arguments {
        complete: draw.turn(4, 2) == 0,
        ..Arguments::default()
    };
    for (salt, key) in (20..).zip(&rule.reads.keys) {
        if draw.turn(salt, 4) != 0 {
            arguments
                .texts
                .insert(key.clone(), draw.word(salt, rule).to_owned());
        }
        if draw.turn(salt, 3) != 0 {
            let number = i64::try_from(draw.turn(salt, 2000)).unwrap_or(0);
            arguments.numbers.insert(key.clone(), number);
        }
    }
    arguments
}

/// A finding, five times in seven.
fn finding(draw: Draw) -> Option<Finding> {
    let severities = [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let severity = *severities.get(draw.turn(13, severities.len().saturating_add(2)))?;
    Some(Finding {
        kind: if draw.turn(8, 2) == 0 {
            FindingKind::SchemaMismatch
        } else {
            FindingKind::PinChanged
        },
        severity,
        what: "".into(),
        score: 500,
        span: None,
        pointer: String::new(),
        taxonomy: Vec::new(),
    })
}

/// A resource that fits a rule's head.
fn resource(target: &Target, turn: usize) -> Option<(Resource, Kind)> {
    let (kind, id) = match target {
        Target::Never => return None,
        Target::Equal(kind, id) => (*kind, id.to_string()),
        Target::Is(kind) => (*kind, "one/two".to_owned()),
        Target::IsIn(kind, _, owner) => (*kind, format!("{owner}/two")),
        Target::In(Kind::Server, owner) => (Kind::Tool, format!("{owner}/two")),
        Target::In(Kind::Upstream, owner) => (Kind::Model, format!("{owner}/two")),
        Target::In(kind, id) => (*kind, id.to_string()),
        Target::Any => (*Kind::ALL.get(turn)?, "one/two".to_owned()),
    };
    let (owner, name) = id.split_once('/').unwrap_or((&id, "x"));
    let (server, upstream) = (ServerName::new(owner).ok(), UpstreamName::new(owner).ok());
    let tool = ToolName::new(name).ok();
    let resource = match kind {
        Kind::Model => Resource::Model {
            model: ModelName::new(name).ok()?,
            upstream: upstream?,
        },
        Kind::Upstream => Resource::Upstream { upstream: upstream? },
        Kind::Tool => Resource::Tool {
            server: server?,
            tool: tool?,
        },
        Kind::AgentTool => Resource::AgentTool {
            tool: ToolName::new(&id).ok()?,
        },
        Kind::HostedTool => Resource::HostedTool {
            upstream: upstream?,
            tool: tool?,
        },
        Kind::Server => Resource::Server { server: server? },
        Kind::McpResource => Resource::McpResource {
            server: server?,
            uri: name.to_owned(),
        },
        Kind::Prompt => Resource::Prompt {
            server: server?,
            prompt: tool?,
        },
        Kind::Peer => Resource::Peer {
            peer: PeerName::new(&id).ok()?,
        },
        Kind::Site => Resource::Site {
            site: SiteName::new(&id).ok()?,
        },
        _ => return None,
    };
    Some((resource, kind))
}
