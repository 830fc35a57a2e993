//! Invariants 3 and 5, packs, loading, explanations.

use bartizan_types::{
    Action, AgentId, ApprovalId, Arguments, Evidence, FindingKind, PinState, Resource, RulingWord,
    ServerName, Severity, UpstreamName, flow::Called,
};

use crate::fixture::{Seeded, evidence, finding, random_evidence, random_policy, resources, tool};
use crate::{Pack, Policy, Source, Weight, load, run_tests};

fn policy(text: &str) -> Policy {
    Policy::load(
        None,
        &[Source {
            name: "t.cedar",
            text,
        }],
    )
    .unwrap()
}

fn check(policy: &Policy, evidence: &Evidence, expected: RulingWord, reasons: &[&str]) {
    let decision = policy.evaluate(evidence);
    let ids: Vec<&str> = decision
        .because
        .policies
        .iter()
        .map(|policy| policy.id.as_str())
        .collect();
    assert_eq!(
        (decision.ruling, ids.as_slice()),
        (expected, reasons),
        "{:#?}",
        decision.because
    );
}

#[test]
fn an_empty_policy_denies_everything() {
    let policy = Policy::load(None, &[]).unwrap();
    for action in Action::ALL {
        for resource in resources("s1", "t1") {
            let mut evidence = evidence();
            evidence.call.action = action;
            evidence.call.resource = resource;
            evidence.approved = Some(ApprovalId::mint(evidence.now, 1));
            assert_eq!(policy.evaluate(&evidence).ruling, RulingWord::Deny);
            assert!(!policy.may_ever_allow(&evidence));
        }
    }
}

#[test]
fn an_erring_forbid_denies_where_cedar_would_allow() {
    // Overflow passes validation; plain Cedar skips the forbid and allows.
    let policy = policy(
        r#"@id("all") permit (principal, action, resource) when { true };
@id("sum") forbid (principal, action, resource) when { context.bytes + 9223372036854775807 > 0 && false };"#,
    );
    let evidence = evidence();
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Deny);
    assert_eq!(decision.because.errors.len(), 1);
    assert_eq!(decision.because.errors[0].0.as_str(), "sum");
    assert_eq!(decision.because.errors[0].1, "integer overflow");
}

#[test]
fn an_erring_policy_denies_an_approved_call_too() {
    let policy = policy(
        r#"@id("ok") permit (principal, action, resource) when { context.approved };
@id("sum") permit (principal, action, resource) when { context.approved && context.bytes + 9223372036854775807 > 0 };"#,
    );
    let mut evidence = evidence();
    evidence.approved = Some(ApprovalId::mint(evidence.now, 1));
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Deny);
    assert_eq!(decision.because.errors[0].0.as_str(), "sum");
}

#[test]
fn an_added_forbid_or_erring_policy_never_allows() {
    let mut random = Seeded(77);
    let (mut pairs, mut denied) = (0, 0);
    while pairs < 8_000 {
        let base: String = (0..4).map(|at| random_policy(&mut random, at)).collect();
        let forbid = random_policy(&mut random, 9).replace("permit (", "forbid (");
        let errs = "@id(\"e\") permit (principal, action, resource) when { context.gone };";
        if load::unvalidated(&base).is_err() || load::unvalidated(&forbid).is_err() {
            continue;
        }
        let before = Policy::unvalidated(&base);
        let more = Policy::unvalidated(&format!("{base}{forbid}"));
        let erring = Policy::unvalidated(&format!("{base}{errs}"));
        for _ in 0..8 {
            let mut evidence = random_evidence(&mut random);
            if random.one_in(2) {
                evidence.approved = Some(ApprovalId::mint(evidence.now, 1));
            }
            let (first, second) = (before.evaluate(&evidence).ruling, more.evaluate(&evidence).ruling);
            assert!(second >= first, "{first:?} became {second:?} by {forbid}");
            assert_eq!(erring.evaluate(&evidence).ruling, RulingWord::Deny);
            denied += u32::from(second > first);
            pairs += 1;
        }
    }
    assert!(denied > 20, "only {denied} tightened");
}

/// A grave finding that is evidence alone and a slight one of a kind that denies are two findings.
#[test]
fn severities_of_one_kind_are_not_those_of_another() {
    let policy = Policy::load(
        Some(Pack::Balanced),
        &[Source {
            name: "own",
            text: r#"@id("own") permit (principal, action == Bartizan::Action::"call_tool", resource);"#,
        }],
    )
    .unwrap();
    let seen = |kinds: &[(FindingKind, Severity)]| {
        let mut evidence = evidence();
        for (kind, severity) in kinds {
            let mut found = finding(*severity);
            found.kind = *kind;
            evidence.findings.push(found);
        }
        policy.evaluate(&evidence).ruling
    };
    let slight = (FindingKind::LookAlikeName, Severity::Low);
    let grave = (FindingKind::Injection, Severity::High);
    assert_eq!(seen(&[slight, grave]), seen(&[grave]));
    assert_eq!(seen(&[slight, grave]), seen(&[]));
    assert_eq!(seen(&[(slight.0, Severity::High), grave]), RulingWord::Deny);
}

#[test]
fn findings_and_missing_pins_never_loosen_a_pack() {
    let mut random = Seeded(78);
    for pack in [Pack::Balanced, Pack::Strict] {
        let files = [Source {
            name: "own",
            text: r#"@id("own") permit (principal, action == Bartizan::Action::"call_tool", resource);"#,
        }];
        let policy = Policy::load(Some(pack), &files).unwrap();
        for _ in 0..2_000 {
            let evidence = random_evidence(&mut random);
            let first = policy.evaluate(&evidence).ruling;
            let mut worse = evidence.clone();
            worse.findings.push(finding(Severity::Critical));
            assert!(policy.evaluate(&worse).ruling >= first);
            // Of all states of a pin, `same` is the only one that may be the loosest.
            for pin in [
                PinState::None,
                PinState::First,
                PinState::Changed,
                PinState::Unlisted,
            ] {
                let (mut worse, mut same) = (evidence.clone(), evidence.clone());
                worse.call.pin = pin;
                same.call.pin = PinState::Same;
                assert!(policy.evaluate(&worse).ruling >= policy.evaluate(&same).ruling);
            }
            // A hint may tighten, never loosen.
            let (mut hinted, mut bare) = (evidence.clone(), evidence);
            bare.call.effects = bartizan_types::Effects::default();
            hinted.call.effects.read_only = Some(true);
            assert!(policy.evaluate(&hinted).ruling >= policy.evaluate(&bare).ruling);
        }
    }
}

#[test]
fn ask_needs_approval_and_nothing_else() {
    let policy = Policy::load(Some(Pack::Balanced), &[]).unwrap();
    let mut evidence = evidence();
    check(&policy, &evidence, RulingWord::Allow, &["balanced.asked_for"]);
    evidence.call.flow.as_mut().unwrap().called = Called::Elsewhere;
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Ask);
    assert_eq!(decision.because.would_permit[0].id.as_str(), "balanced.approved");
    evidence.approved = Some(ApprovalId::mint(evidence.now, 1));
    check(&policy, &evidence, RulingWord::Allow, &["balanced.approved"]);
    evidence.call.pin = PinState::Changed;
    check(&policy, &evidence, RulingWord::Deny, &["balanced.withheld"]);
}

#[test]
fn observe_lets_through_what_it_would_deny_and_says_so() {
    let policy = Policy::load(Some(Pack::Observe), &[]).unwrap();
    let mut evidence = evidence();
    evidence.call.pin = PinState::Changed;
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Allow);
    assert!(decision.would_deny && decision.because.would_deny && decision.durable);
    assert_eq!(decision.because.policies[0].id.as_str(), "balanced.withheld");
    assert!(policy.may_ever_allow(&evidence));
    let balanced = Policy::load(Some(Pack::Balanced), &[]).unwrap();
    assert_ne!(policy.digest(), balanced.digest());
}

#[test]
fn durability_is_deferred_only_if_every_permit_says_so() {
    let text = r#"@id("a") @durability("deferred") permit (principal, action, resource) when { true };
@id("b") permit (principal, action == Bartizan::Action::"call_tool", resource);"#;
    let policy = policy(text);
    let mut evidence = evidence();
    assert!(policy.evaluate(&evidence).durable);
    evidence.call.action = Action::ListTools;
    evidence.call.resource = Resource::Server {
        server: ServerName::new("s1").unwrap(),
    };
    assert!(!policy.evaluate(&evidence).durable);
}

#[test]
fn ids_that_could_be_read_two_ways_are_denied() {
    let policy = policy(r#"permit (principal, action, resource == Bartizan::Tool::"a/b/c");"#);
    let mut evidence = evidence();
    evidence.call.resource = tool("a", "b/c");
    assert_eq!(policy.evaluate(&evidence).ruling, RulingWord::Allow);
    evidence.call.resource = tool("a/b", "c");
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Deny);
    assert_eq!(decision.because.errors[0].0.as_str(), "bartizan.request");
}

#[test]
fn actions_on_the_wrong_kind_of_resource_are_denied() {
    let policy = policy("permit (principal, action, resource) when { true };");
    let mut evidence = evidence();
    evidence.call.resource = Resource::Upstream {
        upstream: UpstreamName::new("u").unwrap(),
    };
    assert_eq!(policy.evaluate(&evidence).because.errors.len(), 1);
}

#[test]
fn facts_show_what_was_read_and_no_content() {
    let policy = policy(
        r#"@id("pay") forbid (principal, action == Bartizan::Action::"call_tool", resource)
when { context.numbers.hasTag("amount") && context.numbers.getTag("amount") > 100 }
when { context.args.hasTag("to") && context.args.getTag("to") like "*@evil.example" };"#,
    );
    let mut evidence = evidence();
    let mut arguments = Arguments {
        complete: true,
        ..Arguments::default()
    };
    arguments
        .texts
        .insert("to".to_owned(), "secret-name@evil.example".to_owned());
    arguments
        .texts
        .insert("body".to_owned(), "other secret".to_owned());
    arguments.numbers.insert("amount".to_owned(), 900);
    evidence.call.arguments = Some(arguments);
    let decision = policy.evaluate(&evidence);
    insta::assert_debug_snapshot!(decision.because.facts, @r#"
    [
        Fact {
            path: "context.args[\"to\"]",
            value: "text of 24 bytes",
        },
        Fact {
            path: "context.numbers[\"amount\"]",
            value: "900",
        },
    ]
    "#);
    let kept = policy.keep(&evidence);
    assert!(kept.pruned);
    assert_eq!(kept.arguments.unwrap().texts.keys().collect::<Vec<_>>(), ["to"]);
    assert!(policy.needs_arguments(Action::CallTool) && !policy.needs_arguments(Action::Generate));
}

#[test]
fn pruned_arguments_give_the_same_decision() {
    let mut random = Seeded(79);
    let mut pruned = 0;
    for round in 0..500_u64 {
        let text: String = (0..3)
            .map(|at| random_policy(&mut random, round * 10 + at))
            .collect();
        if load::unvalidated(&text).is_err() {
            continue;
        }
        let policy = Policy::unvalidated(&text);
        for _ in 0..6 {
            let evidence = random_evidence(&mut random);
            let kept = policy.keep(&evidence);
            pruned += u32::from(kept.pruned);
            let mut again = evidence.clone();
            again.call.arguments = kept.arguments;
            assert_eq!(policy.evaluate(&again), policy.evaluate(&evidence), "{text}");
        }
    }
    assert!(pruned > 100, "{pruned}");
}

#[test]
fn a_refusal_nobody_spoke_of_shows_what_the_permits_read() {
    let policy = policy(r#"permit (principal, action, resource) when { context.surface == "openai_chat" };"#);
    let decision = policy.evaluate(&evidence());
    assert!(decision.because.policies.is_empty());
    assert_eq!(decision.because.facts[0].path, "context.surface");
    assert_eq!(decision.because.facts[0].value, "\"mcp\"");
}

#[test]
fn lists_hide_only_what_is_surely_denied() {
    let own = r#"@id("own") permit (principal in Bartizan::Group::"mail", action == Bartizan::Action::"call_tool", resource == Bartizan::Tool::"s1/t1") when { context.args.hasTag("to") };"#;
    let policy = Policy::load(
        Some(Pack::Strict),
        &[Source {
            name: "own",
            text: own,
        }],
    )
    .unwrap();
    let mut evidence = evidence();
    assert!(!policy.may_ever_allow(&evidence));
    evidence.principal.groups.insert("mail".to_owned());
    assert!(policy.may_ever_allow(&evidence));
    evidence.call.resource = tool("s1", "t2");
    assert!(!policy.may_ever_allow(&evidence));
}

#[test]
fn the_gateways_housekeeping_is_permitted_in_each_pack() {
    for pack in Pack::ALL {
        let policy = Policy::load(Some(pack), &[]).unwrap();
        for action in [
            Action::Connect,
            Action::ListTools,
            Action::ListResources,
            Action::ListPrompts,
            Action::Notify,
        ] {
            let mut evidence = evidence();
            evidence.principal.agent = AgentId::new("bartizan").unwrap();
            evidence.call.action = action;
            evidence.call.pin = PinState::None;
            evidence.call.resource = Resource::Server {
                server: ServerName::new("s1").unwrap(),
            };
            let decision = policy.evaluate(&evidence);
            assert_eq!(
                (decision.ruling, decision.durable),
                (RulingWord::Allow, false),
                "{pack} {action:?}"
            );
            assert!(
                decision
                    .because
                    .policies
                    .iter()
                    .any(|policy| policy.id.as_str() == "bartizan.housekeeping")
            );
        }
    }
}

fn faults(text: &str) -> String {
    let found = Policy::load(
        None,
        &[Source {
            name: "t.cedar",
            text,
        }],
    )
    .unwrap_err();
    let show = |fault: &crate::Diagnostic| {
        assert_eq!(fault.weight, Weight::Error);
        let place = text
            .get(fault.span.clone())
            .unwrap_or("?")
            .lines()
            .next()
            .unwrap_or_default();
        format!("{} at `{place}`", fault.message)
    };
    found.iter().map(show).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let texts = [
        "permit (principal, action, resource",
        "@owner(\"x\") permit (principal, action, resource);",
        "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
        "permit (principal, action, resource) when { context.user == \"a\" };",
        "permit (principal, action, resource) when { context.colour == \"a\" };",
        "permit (principal == ?principal, action, resource);",
        "@durability(\"never\") permit (principal, action, resource);",
        "@id(\"a b\") permit (principal, action, resource);",
        "permit (principal, action == Bartizan::Action::\"fly\", resource);",
        "permit (principal, action, resource) when { context.args.getTag(\"to\") == \"a\" };",
    ];
    let all: Vec<String> = texts
        .iter()
        .map(|text| format!("{text}\n    {}", faults(text).replace('\n', "\n    ")))
        .collect();
    insta::assert_snapshot!("load_faults", all.join("\n\n"));
}

#[test]
fn traps_are_linted() {
    let text = r#"permit (principal, action, resource);
permit (principal, action, resource is Bartizan::McpResource) when { resource.uri like "https://*.corp.example/*" };
permit (principal, action, resource is Bartizan::McpResource) when { resource.uri like "https://corp.example/*" };
forbid (principal, action, resource) when { context.args.hasTag("to") };
forbid (principal, action, resource) when { context.args.hasTag("to") || !context.args_complete };"#;
    let policy = policy(text);
    let found: Vec<String> = policy.lints().iter().map(|lint| lint.message.clone()).collect();
    assert_eq!(
        found,
        [
            "this permits every call of every agent",
            "`like \"https://*.corp.example/*\"` lets `*` run past the host: it matches slashes too",
            "this reads arguments without asking whether all of them are there",
        ]
    );
    assert!(policy.lints().iter().all(|lint| lint.weight == Weight::Lint));
}

#[test]
fn a_test_without_flow_is_told_why_it_is_ruled_on_more_strictly() {
    let policy = Policy::load(Some(Pack::Balanced), &[]).unwrap();
    let case = |expect: &str| {
        let text = format!(
            "[[test]]\nname = \"it\"\naction = \"call_tool\"\nresource = 'Tool::\"mail/send\"'\nexpect = \"{expect}\"\n"
        );
        run_tests(&policy, "t.toml", &text).unwrap().remove(0).differences
    };
    let told = case("allow");
    assert_eq!(told[0], "expected `allow`, got `ask`");
    assert!(told[1].contains("no `flow` is given"), "{told:?}");
    assert_eq!(case("ask"), Vec::<String>::new());
    assert_eq!(case("deny"), ["expected `deny`, got `ask`"]);
}

#[test]
fn what_the_checker_does_not_follow_is_told_with_the_way_to_write_it() {
    let text = r#"
@id("t.limit")
forbid (principal, action == Bartizan::Action::"call_tool", resource)
when { !context.numbers.hasTag("amount") || context.numbers.getTag("amount") > 500 };
"#;
    let faults = Policy::load(
        None,
        &[Source {
            name: "t.cedar",
            text,
        }],
    )
    .unwrap_err();
    let help = faults[0].help.as_deref().unwrap_or_default();
    assert!(help.contains("write `unless { a && b }`"), "{faults:?}");
}

#[test]
fn policy_tests_run_from_files() {
    let policy = Policy::load(Some(Pack::Balanced), &[]).unwrap();
    let text = r#"
[[test]]
name = "what the human asked for may be done"
action = "call_tool"
resource = 'Tool::"mail/send"'
args = { to = "a@b.example" }
expect = "allow"
reasons = ["balanced.asked_for"]
[test.flow]
effect = "send"
called = "yes"
whole = true
bounded = true
secret = false
foreign_tokens = 0
worst = { target = "prompt" }

[[test]]
name = "what nobody labelled asks"
action = "call_tool"
resource = 'Bartizan::Tool::"mail/delete"'
now = 2026-02-01T10:00:00Z
expect = "ask"

[[test]]
name = "a wrong expectation"
action = "use_hosted_tool"
resource = 'HostedTool::"openai/web_search"'
findings = [{ kind = "hosted_tool", severity = "info" }]
expect = "allow"
reasons = ["balanced.models"]
"#;
    let outcomes = run_tests(&policy, "t.toml", text).unwrap();
    assert!(outcomes[0].passed() && outcomes[1].passed(), "{outcomes:?}");
    assert_eq!(
        outcomes[2].differences,
        [
            "expected `allow`, got `deny`",
            "policy `balanced.models` did not decide"
        ]
    );
    let wrong = run_tests(&policy, "t.toml", "[[test]]\nname = 'x'\ncolour = 1\n").unwrap_err();
    assert!(
        wrong.message.contains("colour") && wrong.span.start > 0,
        "{wrong:?}"
    );
    let text = "[[test]]\nname = 'x'\naction = 'call_tool'\nresource = 'Server::\"s\"'\nexpect = 'deny'\n";
    let wrong = run_tests(&policy, "t.toml", text).unwrap_err();
    assert_eq!(
        wrong.message,
        "in test `x`: `call_tool` does not apply to a Server"
    );
}

/// Who, what, which resource, in which state: the whole matrix, in words.
#[test]
fn golden_matrix() {
    for pack in Pack::ALL {
        let policy = Policy::load(Some(pack), &[]).unwrap();
        let mut lines = Vec::new();
        for action in Action::ALL {
            for resource in resources("srv", "name") {
                if !crate::request::applies(action, crate::request::parts(&resource).0) {
                    continue;
                }
                for agent in ["agent", "bartizan"] {
                    lines.push(row(&policy, agent, action, &resource));
                }
            }
        }
        insta::assert_snapshot!(format!("matrix_{pack}"), lines.join("\n"));
    }
}

fn row(policy: &Policy, agent: &str, action: Action, resource: &Resource) -> String {
    let mut base = evidence();
    base.principal.agent = AgentId::new(agent).unwrap();
    base.call.action = action;
    base.call.resource = resource.clone();
    base.call.pin = PinState::None;
    let pin = |pin| {
        let mut evidence = base.clone();
        evidence.call.pin = pin;
        evidence
    };
    let mut destructive = pin(PinState::Same);
    destructive.call.effects.destructive = Some(true);
    let found = |severity| {
        let mut evidence = pin(PinState::Same);
        evidence.findings.push(finding(severity));
        evidence.findings[0].kind = FindingKind::SchemaMismatch;
        evidence
    };
    let variants = [
        ("no pin", base.clone()),
        ("first", pin(PinState::First)),
        ("same", pin(PinState::Same)),
        ("changed", pin(PinState::Changed)),
        ("unlisted", pin(PinState::Unlisted)),
        ("destructive", destructive),
        ("medium finding", found(Severity::Medium)),
        ("high finding", found(Severity::High)),
    ];
    let say = |evidence: &Evidence| {
        let decision = policy.evaluate(evidence);
        let word = match (decision.ruling, decision.would_deny) {
            (RulingWord::Allow, true) => "observed",
            (RulingWord::Allow, false) if !decision.durable => "allow-deferred",
            (RulingWord::Allow, false) => "allow",
            (RulingWord::Ask, _) => "ask",
            (RulingWord::Deny, _) => "deny",
        };
        let because = &decision.because;
        let ids: Vec<&str> = because
            .policies
            .iter()
            .chain(&because.would_permit)
            .map(|policy| policy.id.as_str())
            .collect();
        format!("{word} [{}]", ids.join(" "))
    };
    // Variants that get the same answer share a line.
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, evidence) in &variants {
        let answer = say(evidence);
        match answers.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, names)) => names.push(name),
            None => answers.push((answer, vec![name])),
        }
    }
    let lines: Vec<String> = answers
        .iter()
        .map(|(answer, names)| format!("    {answer}  when {}", names.join(", ")))
        .collect();
    format!(
        "{agent} {} {}\n{}",
        action.as_str(),
        resource.type_name(),
        lines.join("\n")
    )
}

#[test]
fn names_in_packs_stay_for_ever() {
    // Records and operators' tests refer to these.
    let ids = |pack| -> Vec<String> {
        let policy = Policy::load(Some(pack), &[]).unwrap();
        policy
            .statements()
            .iter()
            .map(|statement| statement.id.to_string())
            .collect()
    };
    insta::assert_snapshot!(
        "pack_ids",
        [ids(Pack::Balanced), ids(Pack::Strict)].concat().join("\n")
    );
}

#[test]
fn no_rule_is_met_by_rounding() {
    let ruled = |condition: &str, (below, exact): (i64, Option<&str>)| {
        let policy = policy(&format!(
            r#"@id("t") permit (principal, action == Bartizan::Action::"call_tool", resource)
when {{ context.args_complete && context.numbers.hasTag("n") && context.numbers.getTag("n") {condition} }};"#
        ));
        let mut evidence = evidence();
        let mut arguments = Arguments {
            complete: true,
            ..Arguments::default()
        };
        arguments.numbers.insert("n".to_owned(), below);
        arguments
            .exact
            .extend(exact.map(|digits| ("n".to_owned(), digits.to_owned())));
        evidence.call.arguments = Some(arguments);
        policy.evaluate(&evidence).ruling == RulingWord::Allow
    };
    let (hundred, more, less) = ((100, None), (100, Some("100.9")), (-1, Some("-0.9")));
    for (condition, seen, expected) in [
        ("<= 100", hundred, true),
        ("<= 100", more, false),
        ("<= 101", more, true),
        (">= 101", more, false),
        (">= 100", more, true),
        ("== 100", more, false),
        ("== 101", more, false),
        (">= 0", less, false),
        ("<= -1", less, false),
        (">= -1", less, true),
    ] {
        assert_eq!(ruled(condition, seen), expected, "{condition} of {seen:?}");
    }
    // A forbid is met by either.
    let policy = policy(
        r#"@id("p") permit (principal, action, resource);
@id("f") @reason("too much") forbid (principal, action == Bartizan::Action::"call_tool", resource)
when { context.numbers.hasTag("n") && context.numbers.getTag("n") > 100 };"#,
    );
    let mut evidence = evidence();
    let mut arguments = Arguments {
        complete: true,
        ..Arguments::default()
    };
    arguments.numbers.insert("n".to_owned(), 100);
    evidence.call.arguments = Some(arguments.clone());
    assert_eq!(policy.evaluate(&evidence).ruling, RulingWord::Allow);
    arguments.exact.insert("n".to_owned(), "100.9".to_owned());
    evidence.call.arguments = Some(arguments);
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Deny);
    assert_eq!(decision.because.policies.len(), 1);
    // What a record keeps of it is enough to rule the same again.
    let mut again = evidence.clone();
    again.call.arguments = policy.keep(&evidence).arguments;
    assert_eq!(policy.evaluate(&again), decision);
}
