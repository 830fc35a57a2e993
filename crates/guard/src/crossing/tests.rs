//! Invariants 1 and 2 over every short input sequence and many long ones.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use bartizan_policy::{Pack, Source};
use bartizan_types::{
    AgentId, ApprovalId, AuthMethod, CallFacts, Digest, Effects, Flow, Issuer, KeyId, Principal, Resource,
    ServerName, Surface, ToolName, flow,
};
use proptest::prelude::*;

use super::*;
use crate::{ReplayFault, rejection, replay};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_790_000_000);

fn evidence() -> Evidence {
    Evidence {
        now: NOW,
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
        session: SessionId::mint(NOW, 1),
        epoch: 3,
        call: CallFacts {
            id: CallId::mint(NOW, 2),
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
            flow: Some(Box::new(Flow {
                effect: flow::Effect::Read,
                reviewed: true,
                whole: true,
                ..Flow::UNKNOWN
            })),
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

/// What `balanced` lets go nowhere.
fn canary() -> Finding {
    Finding {
        kind: bartizan_types::FindingKind::Canary,
        severity: bartizan_types::Severity::Critical,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: "/a".to_owned(),
        taxonomy: Vec::new(),
    }
}

fn balanced() -> Arc<Policy> {
    static POLICY: OnceLock<Arc<Policy>> = OnceLock::new();
    Arc::clone(POLICY.get_or_init(|| Arc::new(Policy::load(Some(Pack::Balanced), &[]).unwrap())))
}

fn deferred() -> Arc<Policy> {
    static POLICY: OnceLock<Arc<Policy>> = OnceLock::new();
    let text =
        r#"@durability("deferred") permit (principal, action, resource) when { context.pin == "same" };"#;
    let load = || Arc::new(Policy::load(None, &[Source { name: "t", text }]).unwrap());
    Arc::clone(POLICY.get_or_init(load))
}

/// Watches a call from outside and fails on anything that breaks an invariant.
#[derive(Default)]
struct Monitor {
    last_ruling: Option<(RulingWord, u64)>,
    awaiting: bool,
    forwards: u32,
    releases: u32,
    refusals: u32,
    closings: u32,
    withheld: u32,
    done: bool,
}

impl Monitor {
    fn watch(&mut self, fed: Option<&Fed>, deferring: bool, out: Vec<Effect<&'static str>>) {
        let mut appended_now = false;
        for effect in out {
            assert!(!self.done, "an effect after Done");
            match effect {
                Effect::Append { record, wait } if record.answering => {
                    assert_eq!((self.forwards, wait), (1, false));
                    assert_eq!(record.ruling, Some(RulingWord::Deny));
                    assert_eq!(record.code, Some(Code::AnswerWithheld));
                }
                Effect::Append { record, wait } if record.kind == RecordKind::Ruling => {
                    assert_eq!(self.forwards, 0, "a ruling after forwarding");
                    self.last_ruling = Some((record.ruling.unwrap(), record.epoch.unwrap()));
                    (self.awaiting, appended_now) = (wait, true);
                }
                Effect::Append { record, wait } => {
                    assert_eq!(record.kind, RecordKind::Closing);
                    assert!(!wait && record.ending.is_some() && record.call.is_some());
                    self.closings += 1;
                }
                Effect::Reassess(stale) => {
                    assert_eq!(self.forwards, 0);
                    assert_eq!(stale.call.id, evidence().call.id);
                }
                Effect::Forward(permit) => {
                    let (ruling, epoch) = self.last_ruling.expect("forwarded without a record");
                    assert_eq!(ruling, RulingWord::Allow, "forwarded what was not allowed");
                    if deferring && appended_now {
                        assert_eq!(permit.receipt(), None);
                    } else {
                        let Some(Fed::Durable(at)) = fed else {
                            panic!("forwarded before durable")
                        };
                        assert_eq!(*at, epoch, "forwarded under another epoch");
                        assert!(self.awaiting && permit.receipt().is_some());
                    }
                    assert_eq!(permit.call(), evidence().call.id);
                    assert_eq!(permit.spend(), "bytes");
                    self.forwards += 1;
                }
                Effect::Release(release) => {
                    assert_eq!((self.forwards, self.refusals), (1, 0));
                    // What a policy without such a rule does not mind, it lets pass.
                    let minds = matches!(fed, Some(Fed::Answered)) || deferring;
                    assert!(minds && matches!(fed, Some(Fed::Answered | Fed::AnsweredBad)));
                    assert_eq!(self.withheld, 0, "released after withholding");
                    assert_eq!(release.spend(), evidence().call.id);
                    self.releases += 1;
                }
                Effect::Refuse(_) => {
                    assert_eq!(self.releases, 0, "refused after releasing");
                    self.refusals += 1;
                }
                Effect::Withhold(refusal) => {
                    assert!(matches!(fed, Some(Fed::AnsweredBad | Fed::FoundBad)));
                    assert_eq!(refusal.code, Code::AnswerWithheld);
                    self.withheld += 1;
                }
                Effect::Done => self.done = true,
            }
        }
        assert!(self.forwards <= 1 && self.releases <= 1 && self.refusals <= 1 && self.closings <= 1);
        assert!(self.withheld <= 1);
    }

    fn end(&self, ended: bool) {
        assert_eq!(self.done, ended);
        if self.done && self.forwards == 1 && self.refusals == 0 {
            assert_eq!(
                self.closings, 1,
                "a forwarded call ended without its closing record"
            );
        }
        if self.done && self.forwards == 0 {
            assert!(
                self.refusals == 1 || self.closings == 1,
                "a call ended without a word"
            );
        }
    }
}

/// An input, made anew each time it is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fed {
    Durable(u64),
    LedgerFailed,
    Reassessed(u64),
    Tainted,
    AnotherCall,
    Answered,
    AnsweredBad,
    Found,
    FoundBad,
    Failed,
    Withheld,
    Abandoned,
    Finished,
}

const FEEDS: [Fed; 15] = [
    Fed::Durable(3),
    Fed::Durable(4),
    Fed::LedgerFailed,
    Fed::Reassessed(3),
    Fed::Reassessed(4),
    Fed::Tainted,
    Fed::AnotherCall,
    Fed::Answered,
    Fed::AnsweredBad,
    Fed::Found,
    Fed::FoundBad,
    Fed::Failed,
    Fed::Withheld,
    Fed::Abandoned,
    Fed::Finished,
];

impl Fed {
    fn input(self) -> Input {
        let mut now = evidence();
        now.epoch = 4;
        match self {
            Self::Durable(epoch) => Input::Durable { receipt: 11, epoch },
            Self::LedgerFailed => Input::LedgerFailed(Code::LedgerPoisoned),
            Self::Reassessed(epoch) => {
                now.epoch = epoch;
                Input::Reassessed(Box::new(now))
            }
            Self::Tainted => {
                now.call.pin = PinState::Changed;
                Input::Reassessed(Box::new(now))
            }
            Self::AnotherCall => {
                now.call.id = CallId::mint(NOW, 99);
                Input::Reassessed(Box::new(now))
            }
            Self::Answered => Input::Answered(AnswerFacts::default()),
            Self::AnsweredBad => Input::Answered(AnswerFacts {
                status: None,
                findings: vec![canary()],
            }),
            Self::Found => Input::Found(Vec::new()),
            Self::FoundBad => Input::Found(vec![canary()]),
            Self::Failed => Input::Failed(Code::UpstreamUnreachable, Answer::default()),
            Self::Withheld => Input::Withheld(Code::ProposalRefused, Answer::default()),
            Self::Abandoned => Input::Abandoned(Answer::default()),
            Self::Finished => Input::Finished(Answer::default()),
        }
    }
}

fn play(policy: &Arc<Policy>, evidence: Evidence, deferring: bool, feeds: &[Fed]) -> Monitor {
    let mut out = Vec::new();
    let mut crossing = Crossing::begin(Arc::clone(policy), evidence, "bytes", &mut out);
    let mut monitor = Monitor::default();
    monitor.watch(None, deferring, out);
    for feed in feeds {
        let mut out = Vec::new();
        let before = crossing.ended();
        let result = crossing.step(NOW, feed.input(), &mut out);
        if before {
            assert!(result.is_err() && out.is_empty(), "an ended call acted");
        }
        if result.is_err() {
            assert!(crossing.ended(), "misuse must end the call");
        }
        monitor.watch(Some(feed), deferring, out);
    }
    monitor.end(crossing.ended());
    monitor
}

fn starts() -> [(Arc<Policy>, Evidence, bool); 4] {
    let (allow, mut deny, mut ask) = (evidence(), evidence(), evidence());
    deny.call.pin = PinState::Changed;
    ask.call.flow = None;
    [
        (balanced(), allow.clone(), false),
        (deferred(), allow, true),
        (balanced(), deny, false),
        (balanced(), ask, false),
    ]
}

#[test]
fn every_sequence_of_four_inputs_keeps_the_invariants() {
    let mut forwarded = 0;
    for (policy, evidence, deferring) in starts() {
        let total = FEEDS.len().pow(4);
        for number in 0..total {
            let mut rest = number;
            let feeds = [(); 4].map(|()| {
                let feed = FEEDS[rest % FEEDS.len()];
                rest /= FEEDS.len();
                feed
            });
            forwarded += play(&policy, evidence.clone(), deferring, &feeds).forwards;
        }
    }
    assert!(forwarded > 1_000, "{forwarded}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn long_sequences_keep_the_invariants(
        start in 0..4_usize,
        feeds in prop::collection::vec(0..FEEDS.len(), 0..40),
    ) {
        let (policy, evidence, deferring) = starts()[start].clone();
        // Mostly fitting inputs, so that sequences get far: epochs that keep moving, then an answer.
        let feeds: Vec<Fed> = feeds.into_iter().map(|at| FEEDS[at]).collect();
        play(&policy, evidence, deferring, &feeds);
    }

    #[test]
    fn moving_epochs_end_in_a_refusal_or_a_permit(moves in prop::collection::vec(3..5_u64, 1..40)) {
        let (mut feeds, mut at, mut expected) = (Vec::new(), 3, None);
        for (reassessed, epoch) in moves.into_iter().enumerate() {
            feeds.push(Fed::Durable(epoch));
            if epoch == at || reassessed == usize::from(REASSESSMENTS_MAX) {
                expected = Some(epoch == at);
                break;
            }
            feeds.push(Fed::Reassessed(epoch));
            at = epoch;
        }
        let monitor = play(&balanced(), evidence(), false, &feeds);
        prop_assert_eq!(monitor.forwards, u32::from(expected == Some(true)));
        prop_assert_eq!(monitor.refusals, u32::from(expected == Some(false)));
    }
}

fn begin(policy: Arc<Policy>, evidence: Evidence) -> (Crossing<&'static str>, Vec<Effect<&'static str>>) {
    let mut out = Vec::new();
    let crossing = Crossing::begin(policy, evidence, "bytes", &mut out);
    (crossing, out)
}

fn step(crossing: &mut Crossing<&'static str>, input: Input) -> Vec<Effect<&'static str>> {
    let mut out = Vec::new();
    crossing.step(NOW, input, &mut out).unwrap();
    out
}

fn shape(out: &[Effect<&'static str>]) -> String {
    let word = |effect: &Effect<&'static str>| match effect {
        Effect::Append { record, wait } => {
            let what = record.ruling.map_or("closing", |ruling| match ruling {
                RulingWord::Allow => "allow",
                RulingWord::Ask => "ask",
                RulingWord::Deny => "deny",
            });
            format!("append({what}{})", if *wait { ", wait" } else { "" })
        }
        Effect::Reassess(_) => "reassess".to_owned(),
        Effect::Forward(_) => "forward".to_owned(),
        Effect::Release(_) => "release".to_owned(),
        Effect::Withhold(refusal) => format!("withhold({})", refusal.code),
        Effect::Refuse(refusal) => format!("refuse({})", refusal.code),
        Effect::Done => "done".to_owned(),
    };
    out.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_call_goes_through() {
    let (mut crossing, out) = begin(balanced(), evidence());
    assert_eq!(shape(&out), "append(allow, wait)");
    assert_eq!(shape(&step(&mut crossing, Fed::Durable(3).input())), "forward");
    let facts = AnswerFacts {
        status: Some(200),
        findings: Vec::new(),
    };
    assert_eq!(shape(&step(&mut crossing, Input::Answered(facts))), "release");
    let out = step(
        &mut crossing,
        Input::Finished(Answer {
            bytes: 12,
            ..Answer::default()
        }),
    );
    assert_eq!(shape(&out), "append(closing) done");
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    assert_eq!(record.ending, Some(Ending::Complete));
    assert_eq!(record.answer.as_ref().unwrap().status, Some(200));
}

#[test]
fn a_tainting_read_in_between_is_ruled_on_again() {
    let (mut crossing, _) = begin(balanced(), evidence());
    assert_eq!(shape(&step(&mut crossing, Fed::Durable(4).input())), "reassess");
    let out = step(&mut crossing, Fed::Tainted.input());
    assert_eq!(shape(&out), "append(deny) refuse(mcp.tool_withheld) done");

    let (mut crossing, _) = begin(balanced(), evidence());
    let _ = step(&mut crossing, Fed::Durable(4).input());
    // Allowed again: a superseding record, durable before the permit.
    assert_eq!(
        shape(&step(&mut crossing, Fed::Reassessed(4).input())),
        "append(allow, wait)"
    );
    assert_eq!(shape(&step(&mut crossing, Fed::Durable(4).input())), "forward");
}

#[test]
fn epochs_that_never_rest_are_refused_and_closed() {
    let (mut crossing, _) = begin(balanced(), evidence());
    for _ in 0..REASSESSMENTS_MAX {
        assert_eq!(shape(&step(&mut crossing, Fed::Durable(9).input())), "reassess");
        let _ = step(&mut crossing, Fed::Reassessed(4).input());
    }
    let out = step(&mut crossing, Fed::Durable(9).input());
    assert_eq!(shape(&out), "refuse(limit.saturated) append(closing) done");
}

#[test]
fn a_ledger_that_fails_refuses() {
    for code in [Code::LedgerPoisoned, Code::LedgerFull] {
        let (mut crossing, _) = begin(balanced(), evidence());
        let out = step(&mut crossing, Input::LedgerFailed(code));
        assert_eq!(shape(&out), format!("refuse({code}) done"));
    }
    let (mut crossing, out) = begin(deferred(), evidence());
    assert_eq!(shape(&out), "append(allow) forward");
    assert_eq!(
        shape(&step(&mut crossing, Fed::LedgerFailed.input())),
        "refuse(ledger.poisoned) done"
    );
}

#[test]
fn each_cause_has_its_code() {
    let upstream = bartizan_types::UpstreamName::new("u").unwrap();
    let on = |action, resource: Resource| {
        let mut evidence = evidence();
        (evidence.call.action, evidence.call.resource) = (action, resource);
        shape(&begin(balanced(), evidence).1)
    };
    let upstream = || Resource::Upstream {
        upstream: upstream.clone(),
    };
    assert_eq!(
        on(Action::UseHostedTool, upstream()),
        "append(deny) refuse(policy.hosted_tool) done"
    );
    assert_eq!(
        on(Action::UseServerHistory, upstream()),
        "append(deny) refuse(policy.server_history) done"
    );
    assert_eq!(
        on(Action::Other, upstream()),
        "append(deny) refuse(policy.denied) done"
    );
    assert_eq!(
        on(Action::CallTool, upstream()),
        "append(deny) refuse(policy.error) done"
    );
    let mut changed = evidence();
    for (pin, code) in [
        (PinState::Changed, "mcp.tool_withheld"),
        (PinState::Unlisted, "mcp.tool_unusable"),
    ] {
        changed.call.pin = pin;
        assert_eq!(
            shape(&begin(balanced(), changed.clone()).1),
            format!("append(deny) refuse({code}) done")
        );
    }
    changed.call.pin = PinState::Same;
    let found = |kind| Finding {
        kind,
        what: "".into(),
        severity: Severity::High,
        score: 1000,
        span: None,
        pointer: String::new(),
        taxonomy: Vec::new(),
    };
    changed.findings = vec![found(FindingKind::PinChanged)];
    assert_eq!(
        shape(&begin(balanced(), changed.clone()).1),
        "append(deny) refuse(mcp.server_changed) done"
    );
    // An approval of the change would not be enough here.
    changed.findings.push(found(FindingKind::KnownThreat));
    assert_eq!(
        shape(&begin(balanced(), changed.clone()).1),
        "append(deny) refuse(policy.denied) done"
    );
    changed.findings.clear();
    changed.call.pin = PinState::Unlisted;
    changed.call.action = Action::ProposeTool;
    assert_eq!(
        shape(&begin(balanced(), changed).1),
        "append(deny) refuse(policy.proposal) done"
    );
}

#[test]
fn a_question_carries_its_reason_and_an_approval_answers_it() {
    let mut asked = evidence();
    asked.call.flow = None;
    let (_, out) = begin(balanced(), asked.clone());
    assert_eq!(shape(&out), "append(ask) refuse(policy.ask) done");
    let Effect::Refuse(refusal) = &out[1] else {
        panic!()
    };
    assert_eq!(refusal.sentence, "a human has to say yes to this call");
    asked.approved = Some(ApprovalId::mint(NOW, 5));
    let (_, out) = begin(balanced(), asked.clone());
    assert_eq!(shape(&out), "append(allow, wait)");
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    assert_eq!(record.approved, asked.approved);
}

#[test]
fn observed_calls_say_so_in_their_record() {
    let mut evidence = evidence();
    evidence.call.pin = PinState::Changed;
    let policy = Arc::new(Policy::load(Some(Pack::Observe), &[]).unwrap());
    let (_, out) = begin(policy, evidence);
    assert_eq!(shape(&out), "append(allow, wait)");
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    assert!(record.because.as_ref().unwrap().would_deny);
}

#[test]
fn a_record_keeps_what_was_read_and_replays_exactly() {
    let text = r#"@id("pay") permit (principal, action, resource)
when { context.args.hasTag("to") && context.args.getTag("to") == "alice" && context.args_complete };"#;
    let policy = Arc::new(Policy::load(None, &[Source { name: "t", text }]).unwrap());
    let mut evidence = evidence();
    let mut arguments = Arguments {
        complete: true,
        ..Arguments::default()
    };
    arguments.texts.insert("to".to_owned(), "alice".to_owned());
    arguments
        .texts
        .insert("body".to_owned(), "planted secret".to_owned());
    evidence.call.arguments = Some(arguments);
    let (_, out) = begin(Arc::clone(&policy), evidence.clone());
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    let stored = serde_json::to_string(record).unwrap();
    assert!(!stored.contains("planted secret") && record.pruned);
    let read: Record = serde_json::from_str(&stored).unwrap();
    let again = replay(&policy, &read).unwrap();
    assert!(again.exact);
    assert_eq!(again.decision, policy.evaluate(&evidence));
    assert_eq!(Some(&again.decision.because), read.because.as_ref());

    let other = r#"permit (principal, action, resource) when { context.args.hasTag("body") };"#;
    let other = Policy::load(
        None,
        &[Source {
            name: "o",
            text: other,
        }],
    )
    .unwrap();
    assert!(!replay(&other, &read).unwrap().exact);
    let blind = Policy::load(Some(Pack::Balanced), &[]).unwrap();
    assert!(replay(&blind, &read).unwrap().exact);
}

#[test]
fn what_is_seen_while_an_answer_flows_is_in_its_closing_record() {
    let seen = |pointer: &str| Finding {
        kind: bartizan_types::FindingKind::ResultMismatch,
        severity: bartizan_types::Severity::Low,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: pointer.to_owned(),
        taxonomy: Vec::new(),
    };
    let (mut crossing, _) = begin(balanced(), evidence());
    step(
        &mut crossing,
        Input::Durable {
            receipt: 11,
            epoch: 3,
        },
    );
    step(
        &mut crossing,
        Input::Answered(AnswerFacts {
            status: None,
            findings: vec![seen("/a")],
        }),
    );
    assert!(step(&mut crossing, Input::Found(vec![seen("/b")])).is_empty());
    let out = step(&mut crossing, Input::Finished(Answer::default()));
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    assert_eq!(record.findings, [seen("/a"), seen("/b")]);
}

#[test]
fn what_is_seen_in_an_answer_can_withhold_it_and_that_replays() {
    let durable = || Input::Durable {
        receipt: 11,
        epoch: 3,
    };
    let bad = || AnswerFacts {
        status: Some(200),
        findings: vec![canary()],
    };
    // Whole: nothing goes back.
    let (mut crossing, _) = begin(balanced(), evidence());
    step(&mut crossing, durable());
    assert!(crossing.would_withhold(&[canary()]) && !crossing.would_withhold(&[]));
    let out = step(&mut crossing, Input::Answered(bad()));
    assert_eq!(shape(&out), "append(deny) withhold(policy.answer)");
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    assert!(record.answering);
    let again = replay(&balanced(), record).unwrap();
    assert!(again.exact && again.decision.ruling == RulingWord::Deny);
    let out = step(
        &mut crossing,
        Input::Withheld(Code::AnswerWithheld, Answer::default()),
    );
    assert_eq!(shape(&out), "append(closing) done");
    let Effect::Append { record, .. } = &out[0] else {
        panic!()
    };
    assert_eq!(record.ending, Some(Ending::Withheld));
    assert_eq!(record.findings, [canary()]);
    assert_eq!(record.answer.as_ref().unwrap().status, Some(200));
    // Midway: nothing more.
    let (mut crossing, _) = begin(balanced(), evidence());
    step(&mut crossing, durable());
    step(&mut crossing, Input::Answered(AnswerFacts::default()));
    let out = step(&mut crossing, Input::Found(vec![canary()]));
    assert_eq!(shape(&out), "append(deny) withhold(policy.answer)");
    assert!(
        crossing
            .step(NOW, Input::Finished(Answer::default()), &mut Vec::new())
            .is_err()
    );
    assert!(crossing.ended());
}

#[test]
fn a_policy_can_tell_an_answer_from_a_call() {
    let text = r#"permit (principal, action, resource);
forbid (principal, action, resource) when { context.answering && context.findings.contains("canary") };"#;
    let policy = Arc::new(Policy::load(None, &[Source { name: "t", text }]).unwrap());
    let mut seen_before = evidence();
    seen_before.findings.push(canary());
    let (mut crossing, out) = begin(policy, seen_before);
    assert_eq!(shape(&out), "append(allow, wait)");
    step(
        &mut crossing,
        Input::Durable {
            receipt: 11,
            epoch: 3,
        },
    );
    // Nothing was seen in the answer, so it needs no ruling of its own.
    assert_eq!(
        shape(&step(&mut crossing, Input::Answered(AnswerFacts::default()))),
        "release"
    );
    let harmless = Finding {
        kind: bartizan_types::FindingKind::PersonalData,
        severity: bartizan_types::Severity::Info,
        ..canary()
    };
    let out = step(&mut crossing, Input::Found(vec![harmless]));
    assert_eq!(shape(&out), "append(deny) withhold(policy.answer)");
}

#[test]
fn an_observed_answer_passes_and_its_record_says_so_once() {
    let policy = Arc::new(Policy::load(Some(Pack::Observe), &[]).unwrap());
    let (mut crossing, _) = begin(policy, evidence());
    step(
        &mut crossing,
        Input::Durable {
            receipt: 11,
            epoch: 3,
        },
    );
    let answered = Input::Answered(AnswerFacts {
        status: None,
        findings: vec![canary()],
    });
    assert_eq!(shape(&step(&mut crossing, answered)), "append(allow) release");
    assert_eq!(shape(&step(&mut crossing, Input::Found(vec![canary()]))), "");
}

#[test]
fn only_whole_rulings_replay() {
    let policy = balanced();
    let told = CallId::mint(NOW, 7);
    let refused = rejection(NOW, told, Code::KeyUnknown, None);
    assert_eq!((refused.kind, refused.call), (RecordKind::Rejection, Some(told)));
    assert_eq!(replay(&policy, &refused), Err(ReplayFault::NotARuling));
    let bare = Record::new(RecordKind::Ruling, NOW);
    assert_eq!(
        replay(&policy, &bare),
        Err(ReplayFault::Missing { field: "principal" })
    );
}

#[test]
fn what_was_handed_on_bounds_a_call_whatever_policy_says() {
    let handed = |on: &str| {
        let mut evidence = evidence();
        evidence.principal.act = vec![bartizan_types::Actor {
            sub: "child".to_owned(),
            iss: None,
            bounds: Some(Box::new(bartizan_types::Bounds {
                on: Some(BTreeSet::from([on.to_owned()])),
                ..bartizan_types::Bounds::default()
            })),
            key: None,
        }];
        evidence
    };
    let (_, out) = begin(balanced(), handed("Tool::s/t"));
    assert!(!shape(&out).contains("refuse"), "{}", shape(&out));
    let observe = Arc::new(Policy::load(Some(Pack::Observe), &[]).unwrap());
    for policy in [balanced(), deferred(), observe] {
        let (crossing, out) = begin(Arc::clone(&policy), handed("Tool::s/other"));
        assert!(crossing.ended());
        let [
            Effect::Append { record, wait: false },
            Effect::Refuse(refusal),
            Effect::Done,
        ] = out.as_slice()
        else {
            panic!("{}", shape(&out))
        };
        assert_eq!(refusal.code, Code::DelegationExceeded);
        assert_eq!(record.ruling, Some(RulingWord::Deny));
        let outside = record
            .because
            .as_ref()
            .and_then(|because| because.outside.clone());
        let expected = bartizan_types::Outside {
            link: 0,
            bound: bartizan_types::Bound::On,
        };
        assert_eq!(outside, Some(expected));
        assert_eq!(replay(&policy, record).unwrap().decision.ruling, RulingWord::Deny);
    }
}
