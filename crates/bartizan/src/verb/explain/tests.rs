use bartizan_types::{
    Action, Actor, AgentId, Answer, AuthMethod, Because, CallFacts, CallId, Code, Digest, Effects, Ending,
    Fact, Finding, FindingKind, Issuer, KeyId, PinState, PolicyId, Resource, ServerName, SessionId, Severity,
    Span, Surface, Timestamp, ToolName, UserId,
    flow::{Effect, Role, Traced},
};

use super::*;

fn time(micros: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_795_370_000_000_000 + micros)
}

fn policy(id: &str, effect: PolicyEffect, reason: &str) -> MatchedPolicy {
    MatchedPolicy {
        id: PolicyId::new(id).unwrap(),
        effect,
        reason: reason.to_owned(),
    }
}

fn ruling(word: RulingWord) -> Record {
    let mut record = Record::new(RecordKind::Ruling, time(0));
    let id = CallId::mint(time(0), 7);
    record.call = Some(id);
    record.session = Some(SessionId::mint(time(0), 9));
    record.epoch = Some(2);
    record.principal = Some(Principal {
        agent: AgentId::new("mailer").unwrap(),
        user: Some(UserId::new("ada").unwrap()),
        act: vec![Actor {
            sub: "planner".to_owned(),
            iss: None,
            bounds: None,
            key: None,
        }],
        groups: std::collections::BTreeSet::new(),
        scopes: std::collections::BTreeSet::new(),
        issuer: Issuer::new("https://id.example").unwrap(),
        credential: KeyId::new("kid-1").unwrap(),
        rests: Default::default(),
        method: AuthMethod::Jwt,
        root: None,
        anchor: None,
        expires: None,
    });
    record.facts = Some(CallFacts {
        id,
        action: Action::CallTool,
        resource: Resource::Tool {
            server: ServerName::new("office").unwrap(),
            tool: ToolName::new("payments_send").unwrap(),
        },
        surface: Surface::Mcp,
        streaming: false,
        bytes: 120,
        digest: Digest([3; 32]),
        pin: PinState::Same,
        effects: Effects::default(),
        arguments: None,
        flow: None,
        spending: None,
        proposer: None,
        bar: None,
        secrets: Default::default(),
    });
    record.ruling = Some(word);
    record.policy = Some(Digest([1; 32]));
    record
}

fn traced(path: &str, role: Role, source: Source) -> Traced {
    Traced {
        path: path.to_owned(),
        role,
        source,
        rewritten: false,
        like: None,
    }
}

fn text(records: &[Stored]) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    render(&mut out, records).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

fn stored(index: u64, record: Record) -> Stored {
    Stored {
        index,
        record: Some(record),
        erased_by: None,
    }
}

#[test]
fn a_denial_tells_rules_facts_findings_and_the_chain() {
    let mut record = ruling(RulingWord::Deny);
    record.code = Some(Code::PolicyDenied);
    record.because = Some(Because {
        policies: vec![policy(
            "balanced.hijack",
            PolicyEffect::Forbid,
            "payments go only to payees the operator knows",
        )],
        facts: vec![Fact {
            path: "context.args.payee".to_owned(),
            value: "sha256:2f…".to_owned(),
        }],
        ..Because::default()
    });
    record.findings = vec![
        Finding {
            kind: FindingKind::Secret,
            what: "github_token".into(),
            severity: Severity::High,
            score: 950,
            span: Some(Span { start: 0, end: 40 }),
            pointer: "/params/arguments/note".to_owned(),
            taxonomy: Vec::new(),
        },
        Finding {
            kind: FindingKind::PinChanged,
            what: "".into(),
            severity: Severity::High,
            score: 1000,
            span: Some(Span { start: 4, end: 19 }),
            pointer: "/params/name".to_owned(),
            taxonomy: vec!["AML.T0051".to_owned()],
        },
    ];
    insta::assert_snapshot!(text(&[stored(41, record)]));
}

#[test]
fn a_question_tells_what_a_human_would_be_asked() {
    let mut record = ruling(RulingWord::Ask);
    record.code = Some(Code::PolicyAsk);
    record.facts.as_mut().unwrap().flow = Some(Box::new(Flow {
        effect: Effect::Pay,
        called: Called::Elsewhere,
        joined: Joined::Pending,
        whole: true,
        tainted: true,
        secret: false,
        arguments: vec![
            traced("payee", Role::Target, Source::FreeText),
            traced("amount", Role::Amount, Source::Prompt),
        ],
        ..Flow::UNKNOWN
    }));
    record.because = Some(Because {
        would_permit: vec![policy(
            "balanced.approved",
            PolicyEffect::Permit,
            "a human has to say yes to this call",
        )],
        ..Because::default()
    });
    insta::assert_snapshot!(text(&[stored(7, record)]));
}

#[test]
fn what_was_handed_on_is_shown_and_which_link_the_call_is_outside_of() {
    let mut record = ruling(RulingWord::Deny);
    record.code = Some(Code::DelegationExceeded);
    let link = |sub: &str, on: &str| Actor {
        sub: sub.to_owned(),
        iss: None,
        bounds: Some(Box::new(bartizan_types::Bounds {
            on: Some([on.to_owned()].into()),
            arguments: [("folder".to_owned(), ["in*".to_owned()].into())].into(),
            budget: [(bartizan_types::Meter::Calls, 9)].into(),
            ..Default::default()
        })),
        key: None,
    };
    let principal = record.principal.as_mut().unwrap();
    principal.act = vec![link("reader", "Tool::mail/*"), link("clerk", "Tool::office/*")];
    let shown = text(&[stored(0, record)]);
    let reader =
        "handed    to reader: on Tool::mail/*, with folder=in*, at most 9 calls; this call is outside\n";
    let clerk = "handed    to clerk: on Tool::office/*, with folder=in*, at most 9 calls\n";
    assert!(shown.contains(reader) && shown.contains(clerk), "{shown}");
}

#[test]
fn a_call_outside_of_a_bound_tells_which_one_and_no_policy() {
    let mut record = ruling(RulingWord::Deny);
    record.code = Some(Code::DelegationExceeded);
    record.because = Some(Because {
        outside: Some(Outside {
            link: 0,
            bound: Bound::Argument("folder".to_owned()),
        }),
        ..Because::default()
    });
    record.principal.as_mut().unwrap().act[0].bounds = Some(Box::default());
    let shown = text(&[stored(0, record)]);
    let expected = "because   the call is outside of what was handed to planner: argument `folder` is missing or has \
                    no allowed value\n";
    assert!(shown.contains(expected), "{shown}");
    assert!(
        shown.contains("; this call is outside\n") && !shown.contains("no policy"),
        "{shown}"
    );
}

#[test]
fn what_refuses_whatever_policy_says_is_the_reason() {
    let barred = |code: Code, mut change: Box<dyn FnMut(&mut CallFacts)>| {
        let mut record = ruling(RulingWord::Deny);
        record.code = Some(code);
        record.because = Some(Because {
            barred: Some(code),
            ..Because::default()
        });
        change(record.facts.as_mut().unwrap());
        text(&[stored(0, record)])
    };
    let budget = barred(
        Code::BudgetExceeded,
        Box::new(|facts| {
            facts.spending = Some(Box::new(bartizan_types::Spending {
                over: Some(bartizan_types::Over {
                    budget: bartizan_types::BudgetName::new("calls").unwrap(),
                    of: String::new(),
                    code: Code::BudgetExceeded,
                    retry_after_seconds: None,
                }),
                ..Default::default()
            }));
        }),
    );
    assert!(
        budget.contains("because   it would cross budget `calls`, whatever policy says\n"),
        "{budget}"
    );
    let revoked = barred(
        Code::Revoked,
        Box::new(|facts| {
            facts.bar = Some(Box::new(bartizan_types::Bar {
                code: Code::Revoked,
                what: "revocation 01X of tool office/payments_send".to_owned(),
                retry_after_seconds: None,
                scopes: Default::default(),
            }));
        }),
    );
    let expected = "because   revocation 01X of tool office/payments_send [revoked], whatever policy says\n";
    assert!(revoked.contains(expected), "{revoked}");
    assert!(!budget.contains("no policy permits") && !revoked.contains("no policy permits"));
}

#[test]
fn an_allowed_call_tells_how_it_ended_and_an_error_is_shown() {
    let mut record = ruling(RulingWord::Allow);
    record.because = Some(Because {
        policies: vec![policy("balanced.asked_for", PolicyEffect::Permit, "")],
        errors: vec![(
            PolicyId::new("team.cedar#2").unwrap(),
            "attribute `x` not found".to_owned(),
        )],
        would_deny: true,
        ..Because::default()
    });
    let mut closing = Record::new(RecordKind::Closing, time(1_500_000));
    closing.ending = Some(Ending::Complete);
    closing.answer = Some(Answer {
        status: Some(200),
        bytes: 512,
        transcript: Some(Digest([2; 32])),
        input_tokens: Some(10),
        output_tokens: Some(4),
        settled: None,
    });
    let erased = Stored {
        index: 3,
        record: None,
        erased_by: Some(9),
    };
    insta::assert_snapshot!(text(&[stored(1, record), stored(2, closing), erased]));
}

#[test]
fn what_was_only_observed_says_what_it_would_have_been() {
    let mut record = ruling(RulingWord::Allow);
    let mut because = Because {
        would_deny: true,
        ..Because::default()
    };
    record.because = Some(because.clone());
    let refused = text(&[stored(1, record.clone())]);
    assert!(refused.contains("would have refused this call"), "{refused}");
    because.would_permit = vec![policy("balanced.reads", PolicyEffect::Permit, "")];
    record.because = Some(because);
    let asked = text(&[stored(1, record)]);
    assert!(
        asked.contains("would have asked a human about this call"),
        "{asked}"
    );
}

#[test]
fn text_from_outside_cannot_drive_the_terminal() {
    let mut record = Record::new(RecordKind::Operation, time(0));
    record.note = Some("\u{1b}[2Jcleared\nall good".to_owned());
    let shown = text(&[stored(0, record)]);
    assert!(shown.contains("\\u{1b}[2Jcleared\\nall good"), "{shown}");
}
