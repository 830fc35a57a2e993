//! The packs say in Cedar what `bartizan_flow::decide` says in Rust, over every combination of the facts it reads.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_flow::{Called, Decision, Effect, Joined, Role, Source, decide};
use bartizan_policy::{Pack, Policy, Source as Text};
use bartizan_types::{
    Action, AgentId, AuthMethod, CallFacts, CallId, Digest, Effects, Evidence, Flow, Issuer, KeyId, PinState,
    Principal, Resource, RulingWord, ServerName, SessionId, Surface, Timestamp, ToolName,
};

fn evidence() -> Evidence {
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    Evidence {
        now,
        principal: Principal {
            agent: AgentId::new("a").unwrap(),
            user: None,
            act: Vec::new(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new("local").unwrap(),
            credential: KeyId::new("k").unwrap(),
            rests: Default::default(),
            method: AuthMethod::ApiKey,
            root: None,
            anchor: None,
            expires: None,
        },
        session: SessionId::mint(now, 1),
        epoch: 0,
        call: CallFacts {
            id: CallId::mint(now, 2),
            action: Action::CallTool,
            resource: Resource::Tool {
                server: ServerName::new("s").unwrap(),
                tool: ToolName::new("t").unwrap(),
            },
            surface: Surface::Mcp,
            streaming: false,
            bytes: 1,
            digest: Digest([7; 32]),
            pin: PinState::Same,
            effects: Effects::default(),
            arguments: None,
            flow: None,
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

/// Every combination of effect, call, flags, and of the sources that rules tell apart, in each role but one that is
/// varied at a time.
fn worlds() -> Vec<Flow> {
    const EFFECTS: [Effect; 8] = [
        Effect::Read,
        Effect::Fetch,
        Effect::Write,
        Effect::Send,
        Effect::Pay,
        Effect::Execute,
        Effect::Delete,
        Effect::Unknown,
    ];
    const ROLES: [Role; 7] = [
        Role::Target,
        Role::Selector,
        Role::Value,
        Role::Content,
        Role::Time,
        Role::Amount,
        Role::Unknown,
    ];
    const SOURCES: [Source; 11] = [
        Source::Empty,
        Source::Prompt,
        Source::Picked,
        Source::Trusted,
        Source::Directory,
        Source::Derived,
        Source::Named,
        Source::Endorsed,
        Source::Structured,
        Source::FreeText,
        Source::Nowhere,
    ];
    let mut all = Vec::new();
    for effect in EFFECTS {
        for called in [Called::Yes, Called::Elsewhere, Called::Unknown, Called::No] {
            for flags in 0_u32..64 {
                let yes = |bit: u32| flags & (1 << bit) != 0;
                for role in ROLES {
                    for source in SOURCES {
                        all.push(Flow {
                            effect,
                            called,
                            joined: Joined::Only,
                            crosses: false,
                            reviewed: yes(0),
                            whole: yes(1),
                            tainted: yes(2),
                            secret: yes(3),
                            external: matches!(effect, Effect::Send | Effect::Pay),
                            readable: true,
                            bounded: yes(4),
                            foreign_tokens: u32::from(yes(5)),
                            worst: BTreeMap::from([(role, source)]),
                            arguments: Vec::new(),
                        });
                    }
                }
            }
        }
    }
    all
}

fn of(decision: Decision) -> RulingWord {
    match decision {
        Decision::Allow => RulingWord::Allow,
        Decision::Ask(_) => RulingWord::Ask,
        Decision::Deny(_) => RulingWord::Deny,
    }
}

#[test]
fn balanced_rules_as_flow_decides() {
    let policy = Policy::load(Some(Pack::Balanced), &[]).unwrap();
    let mut evidence = evidence();
    let mut seen = BTreeSet::new();
    for flow in worlds() {
        let expected = of(decide(&flow));
        // Without a prompt `balanced` lets what is untainted change things; nothing else differs.
        let unprompted = flow.called == Called::Unknown && !flow.tainted && !flow.secret;
        evidence.call.flow = Some(Box::new(flow.clone()));
        for action in [Action::CallTool, Action::ProposeTool] {
            if action == Action::ProposeTool && flow.called == Called::Unknown {
                continue;
            }
            evidence.call.action = action;
            let ruling = policy.evaluate(&evidence).ruling;
            if unprompted && expected == RulingWord::Ask {
                assert!(ruling != RulingWord::Deny, "{flow:?}");
            } else {
                assert_eq!(ruling, expected, "{flow:?}");
            }
            seen.insert(ruling);
        }
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn strict_is_never_milder_whatever_its_operator_permits() {
    let own = [Text {
        name: "own",
        text: r#"@id("own") permit (principal, action, resource);"#,
    }];
    let policy = Policy::load(Some(Pack::Strict), &own).unwrap();
    let mut evidence = evidence();
    let mut allowed = 0;
    for flow in worlds() {
        let expected = of(decide(&flow));
        evidence.call.flow = Some(Box::new(flow.clone()));
        for action in [Action::CallTool, Action::ProposeTool] {
            evidence.call.action = action;
            let ruling = policy.evaluate(&evidence).ruling;
            assert!(ruling >= expected.min(RulingWord::Ask), "{action:?} {flow:?}");
            allowed += u32::from(ruling == RulingWord::Allow);
        }
        if flow.external && flow.effect != Effect::Read {
            let mut unreadable = flow;
            unreadable.readable = false;
            evidence.call.flow = Some(Box::new(unreadable));
            assert!(policy.evaluate(&evidence).ruling >= RulingWord::Ask);
        }
    }
    assert!(allowed > 100);
}

#[test]
fn a_call_without_facts_of_flow_is_never_simply_allowed() {
    for pack in [Pack::Balanced, Pack::Strict] {
        let own = [Text {
            name: "own",
            text: r#"@id("own") permit (principal, action, resource) when { context.approved };"#,
        }];
        let policy = Policy::load(Some(pack), &own).unwrap();
        assert_eq!(policy.evaluate(&evidence()).ruling, RulingWord::Ask);
    }
}
