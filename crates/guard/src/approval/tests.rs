use bartizan_types::{CallId, Digest, Flow, SessionId, flow::Source};
use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3600 * SECOND;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

fn id(number: u128) -> ApprovalId {
    ApprovalId::mint(at(0), number)
}

fn session(number: u128) -> SessionId {
    SessionId::mint(at(0), number)
}

fn asker(number: u128) -> Asker {
    Asker {
        agent: AgentId::new("a").unwrap(),
        user: None,
        session: session(number),
    }
}

fn who(name: &str) -> Answerer {
    Answerer {
        name: name.to_owned(),
        channel: Channel::Admin,
    }
}

fn shown(path: &str, role: Role, source: Source, value: &str) -> Shown {
    Shown {
        path: path.to_owned(),
        role,
        source,
        value: value.to_owned(),
        bytes: value.len().try_into().unwrap(),
        digest: value_digest(value.as_bytes()),
        goes_out: None,
        like: None,
    }
}

fn draft(asker: Asker, tool: &str, arguments: &str) -> Draft {
    let (server, tool) = (ServerName::new("s").unwrap(), ToolName::new(tool).unwrap());
    Draft {
        binding: Binding::of(asker.session, &server, &tool, arguments.as_bytes()),
        asker,
        server,
        tool,
        call: CallId::mint(at(0), 9),
        wire: arguments.to_owned(),
        bytes: 2,
        beside: String::new(),
        arguments: vec![
            shown("to.0", Role::Target, Source::FreeText, "\"x@y.example\""),
            shown("body", Role::Content, Source::FreeText, "\"hi\""),
            shown("cc.0", Role::Target, Source::Prompt, "\"she@own.example\""),
        ],
        more: 0,
        content: content_digest([("body", value_digest(b"\"hi\""))]),
        flow: Flow {
            effect: Effect::Send,
            ..Flow::UNKNOWN
        },
        because: Vec::new(),
        needs: 1,
    }
}

fn once() -> Verdict {
    Verdict::Allow(Scope::Once)
}

fn none() -> ApprovalId {
    unreachable!("no endorsement was asked for")
}

fn asked(limits: Limits) -> (Approvals, Draft) {
    let mut approvals = Approvals::new(limits);
    let draft = draft(asker(1), "send", "{}");
    assert_eq!(approvals.ask(at(0), id(1), draft.clone()), Asked::New(id(1)));
    (approvals, draft)
}

#[test]
fn a_yes_is_good_once_and_for_this_call_alone() {
    let (mut approvals, question) = asked(Limits::default());
    assert_eq!(
        approvals.hold(at(1), question.binding, &question.asker),
        None,
        "before any answer"
    );
    let said = approvals.answer(at(1), id(1), &once(), &who("ann"), none);
    assert_eq!(said, Ok(Answered::Allowed(Vec::new())));
    for other in [
        draft(asker(2), "send", "{}"),
        draft(asker(1), "pay", "{}"),
        draft(asker(1), "send", "{\"a\":1}"),
    ] {
        assert_eq!(approvals.hold(at(2), other.binding, &other.asker), None);
    }
    // The binding alone is not enough either.
    assert_eq!(approvals.hold(at(2), question.binding, &asker(2)), None);
    let mut stranger = question.asker.clone();
    stranger.agent = AgentId::new("b").unwrap();
    assert_eq!(approvals.hold(at(2), question.binding, &stranger), None);

    assert_eq!(
        approvals.hold(at(2), question.binding, &question.asker),
        Some(id(1))
    );
    assert_eq!(
        approvals.hold(at(2), question.binding, &question.asker),
        None,
        "held by one call"
    );
    approvals.release(id(1));
    assert_eq!(
        approvals.hold(at(3), question.binding, &question.asker),
        Some(id(1))
    );
    assert!(approvals.spend(id(1)));
    assert!(!approvals.spend(id(1)));
    assert_eq!(approvals.hold(at(4), question.binding, &question.asker), None);
    let again = approvals.answer(at(4), id(1), &once(), &who("bob"), none);
    assert_eq!(again, Err(AnswerFault::Unknown), "a spent id is nothing");
}

#[test]
fn what_is_not_held_is_not_spent() {
    let (mut approvals, _) = asked(Limits::default());
    approvals
        .answer(at(1), id(1), &once(), &who("ann"), none)
        .unwrap();
    assert!(!approvals.spend(id(1)));
    assert!(!approvals.spend(id(2)));
}

#[test]
fn questions_and_answers_expire() {
    let (mut approvals, question) = asked(Limits::default());
    let late = approvals.answer(at(900), id(1), &once(), &who("ann"), none);
    assert_eq!(late, Err(AnswerFault::Unknown));
    assert_eq!(approvals.ask(at(901), id(2), question.clone()), Asked::New(id(2)));
    approvals
        .answer(at(902), id(2), &once(), &who("ann"), none)
        .unwrap();
    assert_eq!(
        approvals.hold(at(902 + 900), question.binding, &question.asker),
        None
    );
    // And a clock that goes back revives nothing.
    assert_eq!(approvals.hold(at(903), question.binding, &question.asker), None);
}

#[test]
fn a_no_sticks_to_the_call_until_it_expires() {
    let (mut approvals, question) = asked(Limits::default());
    assert_eq!(
        approvals.answer(at(10), id(1), &Verdict::Deny, &who("ann"), none),
        Ok(Answered::Denied)
    );
    assert_eq!(
        approvals.ask(at(11), id(2), question.clone()),
        Asked::Denied(id(1))
    );
    assert_eq!(approvals.hold(at(11), question.binding, &question.asker), None);
    let yes = approvals.answer(at(11), id(1), &once(), &who("bob"), none);
    assert_eq!(yes, Err(AnswerFault::Answered), "a no is not turned round");
    assert_eq!(
        approvals.ask(at(909), id(2), question.clone()),
        Asked::Denied(id(1))
    );
    assert_eq!(approvals.ask(at(911), id(2), question), Asked::New(id(2)));
}

#[test]
fn two_people_are_two_people_who_say_the_same() {
    let mut approvals = Approvals::new(Limits::default());
    let mut pay = draft(asker(1), "pay", "{}");
    pay.needs = 2;
    approvals.ask(at(0), id(1), pay.clone());
    let mut say = |scope: Verdict, by: &str| approvals.answer(at(1), id(1), &scope, &who(by), || id(50));
    assert_eq!(say(once(), "ann"), Ok(Answered::More));
    assert_eq!(say(once(), "ann"), Err(AnswerFault::SamePerson));
    let wider = Verdict::Allow(Scope::Task { roles: Vec::new() });
    assert_eq!(say(wider, "bob"), Err(AnswerFault::OtherScope));
    assert_eq!(approvals.hold(at(1), pay.binding, &pay.asker), None);
    approvals
        .answer(at(1), id(1), &once(), &who("bob"), none)
        .unwrap();
    assert_eq!(approvals.hold(at(1), pay.binding, &pay.asker), Some(id(1)));
}

#[test]
fn one_of_two_can_say_no() {
    let mut approvals = Approvals::new(Limits::default());
    let mut pay = draft(asker(1), "pay", "{}");
    pay.needs = 2;
    approvals.ask(at(0), id(1), pay.clone());
    approvals
        .answer(at(1), id(1), &once(), &who("ann"), none)
        .unwrap();
    approvals
        .answer(at(1), id(1), &Verdict::Deny, &who("ann"), none)
        .unwrap();
    assert_eq!(approvals.ask(at(2), id(2), pay), Asked::Denied(id(1)));
}

#[test]
fn the_agents_own_client_answers_only_what_is_listed_and_alone() {
    let client = Answerer {
        name: "the agent's client".to_owned(),
        channel: Channel::Elicitation,
    };
    let (mut approvals, _) = asked(Limits::default());
    assert_eq!(
        approvals.answer(at(1), id(1), &once(), &client, none),
        Err(AnswerFault::Weak)
    );
    let limits = Limits {
        elicited: BTreeSet::from([Effect::Send]),
        ..Limits::default()
    };
    let (mut approvals, _) = asked(limits.clone());
    let task = Verdict::Allow(Scope::Task { roles: Vec::new() });
    assert_eq!(
        approvals.answer(at(1), id(1), &task, &client, || id(50)),
        Err(AnswerFault::Weak)
    );
    assert!(approvals.answer(at(1), id(1), &once(), &client, none).is_ok());
    let mut approvals = Approvals::new(limits);
    let mut two = draft(asker(1), "send", "{}");
    two.needs = 2;
    approvals.ask(at(0), id(1), two);
    assert_eq!(
        approvals.answer(at(1), id(1), &once(), &client, none),
        Err(AnswerFault::Weak)
    );
}

#[test]
fn the_same_call_is_one_question_with_a_count() {
    let (mut approvals, question) = asked(Limits::default());
    for second in 1..100 {
        assert_eq!(
            approvals.ask(at(second), id(100), question.clone()),
            Asked::Again(id(1))
        );
    }
    assert_eq!(approvals.question(id(1)).unwrap().count, 100);
    assert_eq!(approvals.questions().count(), 1);
}

#[test]
fn a_flood_of_questions_is_counted_and_starves_nobody() {
    let mut approvals = Approvals::new(Limits::default());
    let mut dropped = 0;
    for number in 0..10_000_u64 {
        let draft = draft(asker(1), "send", &format!("{{\"n\":{number}}}"));
        if let Asked::Flood { dropped: so_far } = approvals.ask(at(1), id(number.into()), draft) {
            dropped = so_far;
        }
    }
    assert_eq!(approvals.questions().count(), 16);
    assert_eq!(dropped, 10_000 - 16);
    assert_eq!(
        approvals.dropped().map(|(_, _, count)| count).sum::<u64>(),
        10_000 - 16
    );
    let mut other = draft(asker(2), "send", "{}");
    other.asker.agent = AgentId::new("b").unwrap();
    assert_eq!(approvals.ask(at(1), id(20_000), other), Asked::New(id(20_000)));
}

#[test]
fn answering_everything_at_once_does_not_lift_the_rate() {
    let mut approvals = Approvals::new(Limits::default());
    let mut new = 0;
    for number in 0..200_u64 {
        let draft = draft(asker(1), "send", &format!("{{\"n\":{number}}}"));
        if let Asked::New(id) = approvals.ask(at(1), id(number.into()), draft) {
            new += 1;
            approvals.answer(at(1), id, &once(), &who("ann"), none).unwrap();
        }
    }
    assert_eq!(new, 30);
}

fn claim<'a>(
    asker: &'a Asker,
    parts: &'a (ServerName, ToolName),
    path: &'a str,
    value: &str,
    content: Digest,
) -> Claim<'a> {
    Claim {
        asker,
        server: &parts.0,
        tool: &parts.1,
        role: Role::Target,
        path,
        value: value_digest(value.as_bytes()),
        content,
    }
}

#[test]
fn an_endorsement_covers_its_value_in_its_place_and_nothing_else() {
    let (mut approvals, question) = asked(Limits::default());
    let until = at(0).plus_micros(24 * HOUR);
    let verdict = Verdict::Allow(Scope::Until {
        roles: Vec::new(),
        until,
    });
    let Ok(Answered::Allowed(given)) = approvals.answer(at(1), id(1), &verdict, &who("ann"), || id(50))
    else {
        panic!("not allowed");
    };
    // Neither what is vouched for already, nor content.
    assert_eq!(given.len(), 1);
    assert_eq!(given[0].place, "to.*");
    let send = (question.server.clone(), question.tool.clone());
    let pay = (question.server.clone(), ToolName::new("pay").unwrap());
    let (own, value, content) = (question.asker.clone(), "\"x@y.example\"", Digest([0; 32]));
    let later = asker(7);
    let good = |claim: &Claim<'_>, now| approvals.covers(now, claim);
    assert_eq!(
        good(&claim(&own, &send, "to.0", value, content), at(2)),
        Some(id(50))
    );
    // Another session of the same agent, another place in the list: the same value in the same argument.
    assert_eq!(
        good(&claim(&later, &send, "to.3", value, content), at(2)),
        Some(id(50))
    );
    let mut stranger = own.clone();
    stranger.agent = AgentId::new("b").unwrap();
    let mut deputy = own.clone();
    deputy.user = Some(UserId::new("u").unwrap());
    for (bad, now) in [
        (claim(&own, &pay, "to.0", value, content), at(2)),
        (claim(&own, &send, "bcc.0", value, content), at(2)),
        (claim(&own, &send, "to.0", "\"z@y.example\"", content), at(2)),
        (claim(&stranger, &send, "to.0", value, content), at(2)),
        (claim(&deputy, &send, "to.0", value, content), at(2)),
        (claim(&own, &send, "to.0", value, content), until),
        (
            Claim {
                role: Role::Selector,
                ..claim(&own, &send, "to.0", value, content)
            },
            at(2),
        ),
    ] {
        assert_eq!(good(&bad, now), None, "{bad:?} at {now}");
    }
    assert!(approvals.revoke(id(50)) && !approvals.revoke(id(50)));
    assert_eq!(
        approvals.covers(at(2), &claim(&own, &send, "to.0", value, content)),
        None
    );
}

#[test]
fn for_one_task_the_content_counts_too() {
    let (mut approvals, question) = asked(Limits::default());
    let verdict = Verdict::Allow(Scope::Task {
        roles: vec![Role::Target],
    });
    approvals
        .answer(at(1), id(1), &verdict, &who("ann"), || id(50))
        .unwrap();
    let send = (question.server.clone(), question.tool.clone());
    let value = "\"x@y.example\"";
    let covers = |asker: &Asker, content, now| {
        approvals
            .covers(now, &claim(asker, &send, "to.0", value, content))
            .is_some()
    };
    assert!(covers(&question.asker, question.content, at(2)));
    assert!(!covers(
        &question.asker,
        content_digest([("body", value_digest(b"\"the secret\""))]),
        at(2)
    ));
    assert!(!covers(&asker(2), question.content, at(2)));
    assert!(!covers(&question.asker, question.content, at(8 * 3600 + 2)));
}

#[test]
fn an_endorsement_has_an_end_and_something_to_be_about() {
    let (mut approvals, _) = asked(Limits::default());
    let mut say = |roles: Vec<Role>, until| {
        let verdict = Verdict::Allow(Scope::Until { roles, until });
        approvals.answer(at(1), id(1), &verdict, &who("ann"), || id(50))
    };
    assert_eq!(say(Vec::new(), at(1)), Err(AnswerFault::Date));
    assert_eq!(say(Vec::new(), at(400 * 86_400)), Err(AnswerFault::Date));
    assert_eq!(say(vec![Role::Time], at(9)), Err(AnswerFault::Nothing));
    assert_eq!(say(vec![Role::Content], at(9)), Err(AnswerFault::Nothing));
    assert_eq!(approvals.question(id(1)).unwrap().standing, Standing::Waiting);
}

#[test]
fn what_is_restored_is_no_more_than_what_was_kept() {
    let (mut approvals, question) = asked(Limits::default());
    approvals
        .answer(at(1), id(1), &once(), &who("ann"), none)
        .unwrap();
    let kept: Vec<Question> = approvals.questions().cloned().collect();
    let text = serde_json::to_string(&kept).unwrap();
    let kept: Vec<Question> = serde_json::from_str(&text).unwrap();
    let mut again = Approvals::new(Limits::default());
    again.restore(at(2), kept.clone(), []);
    assert_eq!(again.hold(at(2), question.binding, &question.asker), Some(id(1)));
    let mut late = Approvals::new(Limits::default());
    late.restore(at(5000), kept.clone(), []);
    assert_eq!(late.questions().count(), 0);
    // One whose end was moved out of reach is not ours.
    let mut longer = kept;
    longer[0].expires = at(10_000_000);
    let mut odd = Approvals::new(Limits::default());
    odd.restore(at(2), longer, []);
    assert_eq!(odd.questions().count(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Ask { session: u128, tool: u8, arguments: u8 },
    Answer { which: usize, yes: bool, by: u8 },
    Hold { session: u128, tool: u8, arguments: u8 },
    Release { which: usize },
    Spend { which: usize },
    Forget { which: usize },
    Pass { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (session, tool, arguments) = (1..3_u128, 0..2_u8, 0..2_u8);
    let call = (session, tool, arguments);
    let step = prop_oneof![
        3 => call.clone().prop_map(|(session, tool, arguments)| Step::Ask { session, tool, arguments }),
        3 => (0..12_usize, proptest::bool::weighted(0.8), 0..3_u8).prop_map(|(which, yes, by)| Step::Answer { which, yes, by }),
        4 => call.prop_map(|(session, tool, arguments)| Step::Hold { session, tool, arguments }),
        1 => (0..12_usize).prop_map(|which| Step::Release { which }),
        3 => (0..12_usize).prop_map(|which| Step::Spend { which }),
        1 => (0..12_usize).prop_map(|which| Step::Forget { which }),
        1 => (0..600_u64).prop_map(|seconds| Step::Pass { seconds }),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What a suspicious reader writes down beside it: each id, its call, who said what, when, and whether it was used.
#[derive(Debug, Default)]
struct Notebook {
    asked: Vec<(ApprovalId, (u128, u8, u8))>,
    yes: BTreeMap<ApprovalId, BTreeSet<u8>>,
    decided: BTreeMap<ApprovalId, u64>,
    denied: BTreeSet<ApprovalId>,
    used: BTreeSet<ApprovalId>,
    gone: BTreeSet<ApprovalId>,
}

fn call_of((session, tool, arguments): (u128, u8, u8)) -> Draft {
    let mut draft = draft(
        asker(session),
        ["send", "pay"][usize::from(tool)],
        &format!("{{\"n\":{arguments}}}"),
    );
    draft.needs = if tool == 1 { 2 } else { 1 };
    draft
}

/// Runs the steps; gives every (time, id) for which a hold was given. `forget` leaves `Step::Forget` out or in.
fn run(steps: &[Step], forget: bool) -> Vec<(usize, ApprovalId)> {
    let mut approvals = Approvals::new(Limits::default());
    let mut book = Notebook::default();
    let mut given = Vec::new();
    let mut clock = 0;
    for (number, step) in steps.iter().enumerate() {
        let pick = |which: &usize| book.asked.get(*which).map_or(id(999), |(id, _)| *id);
        match step {
            Step::Ask {
                session,
                tool,
                arguments,
            } => {
                let call = (*session, *tool, *arguments);
                let fresh = id(u128::try_from(number).unwrap() + 1);
                match approvals.ask(at(clock), fresh, call_of(call)) {
                    Asked::New(id) => book.asked.push((id, call)),
                    Asked::Again(id) => assert!(book.asked.contains(&(id, call))),
                    Asked::Denied(id) => {
                        assert!(book.denied.contains(&id) && book.asked.contains(&(id, call)))
                    }
                    Asked::Flood { .. } => {}
                }
            }
            Step::Answer { which, yes, by } => {
                let (id, verdict) = (pick(which), if *yes { once() } else { Verdict::Deny });
                match approvals.answer(at(clock), id, &verdict, &who(&by.to_string()), none) {
                    Ok(Answered::Denied) => {
                        book.denied.insert(id);
                    }
                    Ok(done) => {
                        assert!(
                            !book.used.contains(&id)
                                && !book.denied.contains(&id)
                                && !book.gone.contains(&id)
                        );
                        assert!(book.yes.entry(id).or_default().insert(*by), "one person twice");
                        if matches!(done, Answered::Allowed(_)) {
                            book.decided.insert(id, clock);
                        }
                    }
                    Err(_) => {}
                }
            }
            Step::Hold {
                session,
                tool,
                arguments,
            } => {
                let call = (*session, *tool, *arguments);
                let draft = call_of(call);
                if let Some(id) = approvals.hold(at(clock), draft.binding, &draft.asker) {
                    assert!(book.asked.contains(&(id, call)), "another call's yes");
                    assert!(
                        !book.used.contains(&id) && !book.denied.contains(&id) && !book.gone.contains(&id)
                    );
                    assert!(book.yes[&id].len() >= usize::from(draft.needs), "too few people");
                    assert!(clock < book.decided[&id] + 900, "an old yes");
                    given.push((number, id));
                }
            }
            Step::Release { which } => approvals.release(pick(which)),
            Step::Spend { which } => {
                let id = pick(which);
                if approvals.spend(id) {
                    assert!(book.used.insert(id), "used twice");
                }
            }
            Step::Forget { which } if forget => {
                let id = pick(which);
                approvals.forget(id);
                book.gone.insert(id);
            }
            Step::Forget { .. } => {}
            Step::Pass { seconds } => clock += seconds,
        }
    }
    given
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Single use, expiry, no other session, tool or arguments, two people where two are wanted, no after a no.
    #[test]
    fn nothing_is_given_that_the_notebook_does_not_allow(steps in steps()) {
        run(&steps, true);
    }

    /// Forgetting everything at any point leaves no yes to be had without a new question and a new answer.
    #[test]
    fn forgetting_only_tightens(steps in steps(), at_step in 0..60_usize) {
        let cut = at_step.min(steps.len());
        let (before, after) = steps.split_at(cut);
        let mut all: Vec<Step> = before.to_vec();
        all.extend((0..12).map(|which| Step::Forget { which }));
        all.extend(after.iter().filter(|step| !matches!(step, Step::Ask { .. })).cloned());
        let given = run(&all, true);
        prop_assert!(given.iter().all(|(number, _)| *number < cut), "{given:?}");
    }
}

#[test]
fn the_notebook_sees_yeses_given() {
    // The properties above would hold of a machine that never gives anything.
    let call = |tool| Step::Hold {
        session: 1,
        tool,
        arguments: 0,
    };
    let steps = [
        Step::Ask {
            session: 1,
            tool: 1,
            arguments: 0,
        },
        Step::Answer {
            which: 0,
            yes: true,
            by: 0,
        },
        Step::Answer {
            which: 0,
            yes: true,
            by: 1,
        },
        call(1),
        Step::Spend { which: 0 },
        call(1),
    ];
    assert_eq!(run(&steps, true).len(), 1);
}
