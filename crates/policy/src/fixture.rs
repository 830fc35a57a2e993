//! Evidence and policies made by the dozen, for tests.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::{
    Action, Actor, AgentId, Arguments, AuthMethod, BudgetName, CallFacts, CallId, Digest, Effects, Evidence,
    Finding, FindingKind, Flow, Issuer, KeyId, Meter, ModelName, PeerName, PinState, Principal, Resource,
    ServerName, SessionId, Severity, Share, SiteName, Spending, Surface, Timestamp, ToolName, UpstreamName,
    UserId,
    flow::{Called, Effect, Joined, Role, Source},
};

use crate::request::applies;

/// A small seeded generator (splitmix64): the same seed gives the same policies for ever.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()].clone()
    }
}

/// An ordinary tool call of agent `a` on `s1/t1`.
pub(crate) fn evidence() -> Evidence {
    let time = Timestamp::from_unix_seconds(1_790_000_000);
    Evidence {
        now: time,
        principal: Principal {
            agent: AgentId::new("a").unwrap(),
            user: None,
            act: Vec::new(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new("local").unwrap(),
            credential: KeyId::new("k1").unwrap(),
            rests: Default::default(),
            method: AuthMethod::ApiKey,
            root: None,
            anchor: None,
            expires: None,
        },
        session: SessionId::mint(time, 7),
        epoch: 0,
        call: CallFacts {
            id: CallId::mint(time, 9),
            action: Action::CallTool,
            resource: tool("s1", "t1"),
            surface: Surface::Mcp,
            streaming: false,
            bytes: 100,
            digest: Digest([0; 32]),
            pin: PinState::Same,
            effects: Effects::default(),
            arguments: None,
            flow: Some(Box::new(asked_for())),
            spending: None,
            proposer: None,
            bar: None,
            secrets: Default::default(),
        },
        findings: Vec::new(),
        answering: false,
        approved: None,
    }
}

/// Flow of a call that the human asked for, with every argument hers.
pub(crate) fn asked_for() -> Flow {
    Flow {
        effect: Effect::Write,
        called: Called::Yes,
        joined: Joined::Only,
        crosses: false,
        reviewed: true,
        whole: true,
        tainted: true,
        secret: false,
        external: false,
        readable: true,
        bounded: true,
        foreign_tokens: 0,
        worst: BTreeMap::from([(Role::Target, Source::Prompt)]),
        arguments: Vec::new(),
    }
}

pub(crate) fn tool(server: &str, tool: &str) -> Resource {
    Resource::Tool {
        server: ServerName::new(server).unwrap(),
        tool: ToolName::new(tool).unwrap(),
    }
}

/// A resource of each kind, with small names so that policies meet them.
pub(crate) fn resources(server: &str, name: &str) -> Vec<Resource> {
    let upstream = UpstreamName::new(server).unwrap();
    let at = ServerName::new(server).unwrap();
    let named = ToolName::new(name).unwrap();
    vec![
        Resource::Model {
            model: ModelName::new(name).unwrap(),
            upstream: upstream.clone(),
        },
        Resource::Upstream {
            upstream: upstream.clone(),
        },
        tool(server, name),
        Resource::AgentTool { tool: named.clone() },
        Resource::HostedTool {
            upstream,
            tool: named.clone(),
        },
        Resource::Server { server: at.clone() },
        Resource::McpResource {
            server: at.clone(),
            uri: format!("file:///{name}"),
        },
        Resource::Prompt {
            server: at,
            prompt: named,
        },
        Resource::Peer {
            peer: PeerName::new(name).unwrap(),
        },
        Resource::Site {
            site: SiteName::new(name).unwrap(),
        },
    ]
}

pub(crate) fn finding(severity: Severity) -> Finding {
    Finding {
        kind: FindingKind::SchemaMismatch,
        severity,
        what: "".into(),
        score: 900,
        span: None,
        pointer: String::new(),
        taxonomy: Vec::new(),
    }
}

const WORDS: [&str; 9] = [
    "a",
    "b",
    "g1",
    "same",
    "x@corp.example",
    "",
    "é*",
    "true",
    "https://corp.example/x",
];

/// Random evidence that the schema admits.
pub(crate) fn random_evidence(random: &mut Seeded) -> Evidence {
    let mut evidence = evidence();
    evidence.principal.agent = AgentId::new(random.pick(&["a", "b", "bartizan"])).unwrap();
    evidence.principal.user =
        (!random.one_in(3)).then(|| UserId::new(random.pick(&["alice", "bob"])).unwrap());
    evidence.principal.method = random.pick(&[
        AuthMethod::ApiKey,
        AuthMethod::Jwt,
        AuthMethod::Local,
        AuthMethod::Certificate,
        AuthMethod::Delegated,
    ]);
    for group in ["g1", "g2"] {
        if random.one_in(2) {
            evidence.principal.groups.insert(group.to_owned());
        }
    }
    for _ in 0..random.below(3) {
        evidence.principal.act.push(Actor {
            sub: "x".to_owned(),
            iss: None,
            bounds: None,
            key: None,
        });
    }
    let all = resources(random.pick(&["s1", "s2"]), random.pick(&["t1", "t2/x"]));
    loop {
        let action = random.pick(&Action::ALL);
        let resource = random.pick(&all);
        if applies(action, crate::request::parts(&resource).0) {
            evidence.call.action = action;
            evidence.call.resource = resource;
            break;
        }
    }
    evidence.call.surface = random.pick(&[Surface::Mcp, Surface::OpenaiChat]);
    evidence.call.streaming = random.one_in(2);
    evidence.answering = random.one_in(3);
    evidence.call.bytes = random.pick(&[0, 100, 5000, u64::MAX]);
    evidence.call.pin = random.pick(&[
        PinState::None,
        PinState::First,
        PinState::Same,
        PinState::Changed,
        PinState::Unlisted,
    ]);
    let hint = |random: &mut Seeded| random.pick(&[None, Some(true), Some(false)]);
    evidence.call.effects = Effects {
        read_only: hint(random),
        destructive: hint(random),
        open_world: hint(random),
    };
    if !random.one_in(4) {
        let mut texts = BTreeMap::new();
        let mut numbers = BTreeMap::new();
        for key in ["to", "to.0", "amount"] {
            if random.one_in(2) {
                texts.insert(key.to_owned(), (random.pick(&WORDS)).to_owned());
            }
            if random.one_in(2) {
                numbers.insert(key.to_owned(), random.pick(&[0, -1, 50, i64::MAX, i64::MIN]));
            }
        }
        evidence.call.arguments = Some(Arguments {
            texts,
            numbers,
            complete: !random.one_in(3),
            ..Arguments::default()
        });
    }
    if !random.one_in(4) {
        evidence.call.flow = Some(Box::new(random_flow(random)));
    }
    if random.one_in(2) {
        evidence.call.spending = Some(Box::new(random_spending(random)));
    }
    for _ in 0..random.below(3) {
        let mut found = finding(random.pick(&[Severity::Info, Severity::Medium, Severity::High]));
        found.kind = random.pick(&[FindingKind::PinChanged, FindingKind::SchemaMismatch]);
        evidence.findings.push(found);
    }
    evidence.now = evidence.now.plus_micros(random.below(1 << 40));
    evidence
}

fn random_spending(random: &mut Seeded) -> Spending {
    let share = |meter, limit, used| Share {
        budget: BudgetName::new("b").unwrap(),
        of: String::new(),
        meter,
        limit,
        used,
    };
    let meter = random.pick(&[Meter::Calls, Meter::MicroUsd]);
    let limit = random.pick(&[0, 1, 100, u64::MAX]);
    Spending {
        shares: vec![
            share(meter, limit, random.pick(&[0, 1, 50, u64::MAX])),
            share(Meter::Tokens, 1000, random.below(1001)),
        ],
        ..Spending::default()
    }
}

fn random_flow(random: &mut Seeded) -> Flow {
    let sources = [
        Source::Prompt,
        Source::Picked,
        Source::Trusted,
        Source::Named,
        Source::Endorsed,
        Source::Structured,
        Source::FreeText,
    ];
    let mut worst = BTreeMap::new();
    for role in [
        Role::Target,
        Role::Selector,
        Role::Time,
        Role::Content,
        Role::Unknown,
    ] {
        if random.one_in(2) {
            worst.insert(role, random.pick(&sources));
        }
    }
    Flow {
        effect: random.pick(&[
            Effect::Read,
            Effect::Fetch,
            Effect::Write,
            Effect::Send,
            Effect::Delete,
            Effect::Unknown,
        ]),
        called: random.pick(&[Called::Yes, Called::Elsewhere, Called::Unknown, Called::No]),
        joined: random.pick(&[Joined::Pending, Joined::Only, Joined::All, Joined::Alone]),
        crosses: random.one_in(2),
        reviewed: random.one_in(2),
        whole: !random.one_in(4),
        tainted: random.one_in(2),
        secret: random.one_in(3),
        external: random.one_in(2),
        readable: random.one_in(2),
        bounded: random.one_in(2),
        foreign_tokens: random.pick(&[0, 1, u32::MAX]),
        worst,
        arguments: Vec::new(),
    }
}

fn entity_text(random: &mut Seeded) -> String {
    let all = [
        "Agent::\"a\"",
        "Agent::\"b\"",
        "Agent::\"c\"",
        "Group::\"g1\"",
        "Group::\"g2\"",
        "User::\"alice\"",
        "Server::\"s1\"",
        "Upstream::\"s1\"",
        "Tool::\"s1/t1\"",
        "Tool::\"s2/t2/x\"",
        "Model::\"s1/t1\"",
        "Action::\"call_tool\"",
        "Action::\"generate\"",
        "Arguments::\"call\"",
        "Arguments::\"other\"",
    ];
    format!("Bartizan::{}", random.pick(&all))
}

/// A random expression, mostly of the type asked for (`b`ool, `l`ong, `t`ext, `e`ntity, `s`et, `r`ecord, `d`atetime).
pub(crate) fn random_expression(random: &mut Seeded, kind: char, depth: u32) -> String {
    let kind = if random.one_in(14) {
        random.pick(&['b', 'l', 't', 'e', 's', 'r', 'd'])
    } else {
        kind
    };
    if depth > 0 && random.one_in(12) {
        let condition = random_expression(random, 'b', depth - 1);
        let (a, b) = (
            random_expression(random, kind, depth - 1),
            random_expression(random, kind, depth - 1),
        );
        return format!("(if {condition} then {a} else {b})");
    }
    if depth > 0 && random.one_in(12) {
        let inner = random_expression(random, kind, depth - 1);
        let other = random_expression(random, 'l', depth - 1);
        return format!(
            "{{\"k\": {inner}, \"n\": {other}}}.{}",
            random.pick(&["k", "k", "k", "n", "gone"])
        );
    }
    let mut sub = |random: &mut Seeded, kind| random_expression(random, kind, depth.saturating_sub(1));
    match kind {
        'b' if depth > 0 => {
            let pair = |random: &mut Seeded, sub: &mut dyn FnMut(&mut Seeded, char) -> String, a, b| {
                (sub(random, a), sub(random, b))
            };
            match random.below(17) {
                0 | 1 => {
                    let (a, b) = pair(random, &mut sub, 'b', 'b');
                    format!("({a} && {b})")
                }
                2 | 3 => {
                    let (a, b) = pair(random, &mut sub, 'b', 'b');
                    format!("({a} || {b})")
                }
                4 => format!("(!{})", sub(random, 'b')),
                5 => {
                    let kind = random.pick(&['l', 't', 'e', 's', 'r', 'd', 'b']);
                    let (a, b) = pair(random, &mut sub, kind, kind);
                    format!("({a} {} {b})", random.pick(&["==", "!="]))
                }
                6 | 7 => {
                    let kind = random.pick(&['l', 'l', 'd']);
                    let (a, b) = pair(random, &mut sub, kind, kind);
                    format!("({a} {} {b})", random.pick(&["<", "<=", ">", ">="]))
                }
                8 => {
                    let (a, b) = pair(random, &mut sub, 'e', 'e');
                    format!("({a} in {b})")
                }
                9 => {
                    let (a, b, c) = (sub(random, 'e'), sub(random, 'e'), entity_text(random));
                    format!("({a} in [{b}, {c}])")
                }
                10 => {
                    let kind = random.pick(&["Agent", "Group", "Tool", "Server", "Model"]);
                    let a = sub(random, 'e');
                    if random.one_in(2) {
                        format!("({a} is Bartizan::{kind})")
                    } else {
                        format!("({a} is Bartizan::{kind} in {})", entity_text(random))
                    }
                }
                11 => {
                    let (a, b) = pair(random, &mut sub, 's', 't');
                    format!("{a}.contains({b})")
                }
                12 => {
                    let (a, b) = pair(random, &mut sub, 's', 's');
                    format!("{a}.{}({b})", random.pick(&["containsAll", "containsAny"]))
                }
                13 => format!("{}.isEmpty()", sub(random, 's')),
                14 => {
                    let pattern = random.pick(&[
                        "*",
                        "a*",
                        "*corp*",
                        "*.example",
                        "x@*.example",
                        "",
                        "é\\*",
                        "*a*b*",
                    ]);
                    format!("({} like \"{pattern}\")", sub(random, 't'))
                }
                15 => {
                    let key = sub(random, 't');
                    format!(
                        "{}.hasTag({key})",
                        random.pick(&[
                            "context.args",
                            "context.numbers",
                            "principal",
                            "Bartizan::Arguments::\"no\""
                        ])
                    )
                }
                _ => {
                    let of = random.pick(&[
                        "context",
                        "principal",
                        "resource",
                        "context.args",
                        "Bartizan::Agent::\"zz\"",
                    ]);
                    let path = random.pick(&[
                        "user",
                        "destructive",
                        "name",
                        "uri",
                        "server",
                        "gone",
                        "user.name",
                        "pin.x",
                        "args.x",
                    ]);
                    format!("({of} has {path})")
                }
            }
        }
        'b' => random
            .pick(&[
                "true",
                "false",
                "context.approved",
                "context.streaming",
                "context.answering",
                "context.args_complete",
                "context.destructive",
                "context.read_only",
                "context.tainted",
                "context.whole",
                "context.crosses",
            ])
            .to_string(),
        'l' if depth > 0 && random.one_in(2) => {
            let (a, b) = (sub(random, 'l'), sub(random, 'l'));
            match random.below(3) {
                0 => format!("({a} {} {b})", random.pick(&["+", "-", "*"])),
                1 => format!("(-{a})"),
                _ => format!("context.numbers.getTag({})", sub(random, 't')),
            }
        }
        'l' => random
            .pick(&[
                "0",
                "1",
                "-7",
                "50",
                "9223372036854775807",
                "context.bytes",
                "context.worst",
                "context.budget_used",
                "context.budget_left",
                "context.act_depth",
                "context.foreign_tokens",
                "context.numbers.getTag(\"amount\")",
            ])
            .to_string(),
        't' => random
            .pick(&[
                "\"a\"",
                "\"to\"",
                "\"amount\"",
                "\"same\"",
                "\"x@corp.example\"",
                "context.pin",
                "context.effect",
                "context.called",
                "context.target",
                "context.surface",
                "context.user",
                "context.proposer",
                "context.root",
                "context.issuer",
                "context.method",
                "principal.name",
                "resource.name",
                "resource.uri",
                "resource.server",
                "principal.user.name",
                "context.gone",
                "context.args.getTag(\"to\")",
                "context.args.getTag(\"to.0\")",
            ])
            .to_string(),
        'e' => match random.below(6) {
            0 => "principal".to_owned(),
            1 => "resource".to_owned(),
            2 => "action".to_owned(),
            3 => "principal.user".to_owned(),
            4 => "context.args".to_owned(),
            _ => entity_text(random),
        },
        's' => match random.below(5) {
            0 => random
                .pick(&["context.findings", "context.suspicious", "context.harmful"])
                .to_string(),
            3 => "context.unvouched".to_owned(),
            1 => "[\"same\", \"a\", 1]".to_owned(),
            2 => format!("[{}, {}]", sub(random, 't'), sub(random, 't')),
            _ => format!("[{}, [1, 2]]", sub(random, 'l')),
        },
        'r' => format!("{{\"k\": {}, \"n\": 1}}", sub(random, 't')),
        _ => random
            .pick(&[
                "context.now",
                "datetime(\"2026-09-21\")",
                "datetime(\"2026-10-01T00:00:00Z\")",
            ])
            .to_string(),
    }
}

/// A random policy, often one that errs.
pub(crate) fn random_policy(random: &mut Seeded, id: u64) -> String {
    let effect = if random.one_in(3) { "forbid" } else { "permit" };
    let principal = random.pick(&[
        "principal",
        "principal",
        "principal",
        "principal == Bartizan::Agent::\"a\"",
        "principal in Bartizan::Group::\"g1\"",
        "principal is Bartizan::Agent",
        "principal is Bartizan::Agent in Bartizan::Group::\"g2\"",
        "principal == Bartizan::User::\"alice\"",
    ]);
    let action = random.pick(&[
        "action",
        "action",
        "action == Bartizan::Action::\"call_tool\"",
        "action in [Bartizan::Action::\"call_tool\", Bartizan::Action::\"generate\"]",
        "action in Bartizan::Action::\"read_resource\"",
    ]);
    let resource = random.pick(&[
        "resource",
        "resource",
        "resource",
        "resource == Bartizan::Tool::\"s1/t1\"",
        "resource in Bartizan::Server::\"s1\"",
        "resource is Bartizan::Tool",
        "resource is Bartizan::Tool in Bartizan::Server::\"s2\"",
        "resource == Bartizan::Server::\"s1\"",
        "resource in Bartizan::Upstream::\"s1\"",
    ]);
    let mut text = format!("@id(\"p{id}\")\n{effect} ({principal}, {action}, {resource})");
    for _ in 0..random.below(3) {
        let word = if random.one_in(3) { "unless" } else { "when" };
        let depth = 1 + u32::try_from(random.below(4)).unwrap();
        text.push_str(&format!(
            "\n{word} {{ {} }}",
            random_expression(random, 'b', depth)
        ));
    }
    text.push_str(";\n");
    text
}
