use std::collections::BTreeSet;

use bartizan_types::{
    AgentId, AuthMethod, CallFacts, Digest, Issuer, KeyId, ModelName, Principal, ServerName, SessionId,
    Surface, ToolName, UpstreamName, UserId,
};
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

fn call(number: u128) -> CallId {
    CallId::mint(at(0), number)
}

fn generate(number: u128, agent: &str) -> Evidence {
    let resource = Resource::Model {
        model: ModelName::new("m").unwrap(),
        upstream: UpstreamName::new("up").unwrap(),
    };
    Evidence {
        now: at(0),
        principal: Principal {
            agent: AgentId::new(agent).unwrap(),
            user: None,
            act: Vec::new(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new("bartizan").unwrap(),
            credential: KeyId::new("k").unwrap(),
            rests: Default::default(),
            method: AuthMethod::ApiKey,
            root: None,
            anchor: None,
            expires: None,
        },
        session: SessionId::mint(at(0), 1),
        epoch: 0,
        call: CallFacts {
            digest: Digest([0; 32]),
            ..CallFacts::new(call(number), Action::Generate, resource, Surface::OpenaiChat)
        },
        findings: Vec::new(),
        answering: false,
        approved: None,
    }
}

fn budget(name: &str, meter: Meter, limit: u64, window: Window, per: &[Dimension]) -> Budget {
    Budget {
        name: BudgetName::new(name).unwrap(),
        meter,
        limit,
        window,
        per: per.iter().copied().collect(),
        only: BTreeMap::new(),
        enforce: true,
    }
}

fn tokens(input: u64, output: u64) -> Bound {
    Bound {
        input_tokens: Some(input),
        output_tokens: Some(output),
        micro_usd: Some(0),
        bytes: Some(0),
        millis: Some(0),
    }
}

fn came_to(input: u64, output: u64) -> Amounts {
    Amounts {
        calls: 1,
        input_tokens: input,
        output_tokens: output,
        ..Amounts::default()
    }
}

fn used(books: &Books, now: Timestamp) -> u64 {
    books.lines(now).first().map_or(0, |line| line.used)
}

#[test]
fn the_call_that_would_cross_is_refused_and_nothing_is_set_aside_for_it() {
    let mut books = Books::new(vec![budget("t", Meter::Tokens, 100, Window::Day, &[])]);
    let first = books.reserve(at(0), &generate(1, "a"), tokens(30, 50)).unwrap();
    assert_eq!((first.over.clone(), first.shares[0].used), (None, 80));
    assert_eq!(
        (first.used_permille(), first.left(Meter::Tokens)),
        (800, Some(20))
    );
    let second = books.reserve(at(0), &generate(2, "b"), tokens(10, 11)).unwrap();
    let over = second.over.unwrap();
    assert_eq!(over.code, Code::BudgetExceeded);
    assert!(over.retry_after_seconds.is_some());
    assert_eq!(used(&books, at(0)), 80);
    // Settled at what it came to, the rest is free again.
    books.settle(at(1), call(1), came_to(30, 5));
    assert_eq!(used(&books, at(1)), 35);
    assert_eq!(
        books
            .reserve(at(1), &generate(3, "b"), tokens(10, 11))
            .unwrap()
            .over,
        None
    );
}

#[test]
fn a_call_without_a_bound_is_refused_where_a_budget_counts_it() {
    let mut books = Books::new(vec![budget("t", Meter::MicroUsd, 100, Window::Total, &[])]);
    let bound = Bound {
        micro_usd: None,
        ..tokens(1, 1)
    };
    let over = books
        .reserve(at(0), &generate(1, "a"), bound)
        .unwrap()
        .over
        .unwrap();
    assert_eq!(over.code, Code::BudgetUnbounded);
    let mut counting_calls = Books::new(vec![budget("c", Meter::Calls, 1, Window::Total, &[])]);
    assert_eq!(
        counting_calls
            .reserve(at(0), &generate(1, "a"), bound)
            .unwrap()
            .over,
        None
    );
}

#[test]
fn budgets_are_kept_per_what_they_say() {
    let mut books = Books::new(vec![budget(
        "c",
        Meter::Calls,
        1,
        Window::Day,
        &[Dimension::Agent],
    )]);
    assert_eq!(
        books
            .reserve(at(0), &generate(1, "a"), tokens(1, 1))
            .unwrap()
            .over,
        None
    );
    assert_eq!(
        books
            .reserve(at(0), &generate(2, "b"), tokens(1, 1))
            .unwrap()
            .over,
        None
    );
    let over = books
        .reserve(at(0), &generate(3, "a"), tokens(1, 1))
        .unwrap()
        .over
        .unwrap();
    assert_eq!(over.of, "agent=a");
    // A user's own budget: whoever has none shares one.
    let mut books = Books::new(vec![budget(
        "u",
        Meter::Calls,
        1,
        Window::Day,
        &[Dimension::User],
    )]);
    assert_eq!(
        books
            .reserve(at(0), &generate(1, "a"), tokens(1, 1))
            .unwrap()
            .over,
        None
    );
    assert!(
        books
            .reserve(at(0), &generate(2, "b"), tokens(1, 1))
            .unwrap()
            .over
            .is_some()
    );
    let mut hers = generate(3, "b");
    hers.principal.user = Some(UserId::new("emma").unwrap());
    assert_eq!(books.reserve(at(0), &hers, tokens(1, 1)).unwrap().over, None);
}

#[test]
fn a_budget_of_models_does_not_count_tools() {
    let mut books = Books::new(vec![budget(
        "m",
        Meter::Calls,
        1,
        Window::Day,
        &[Dimension::Model],
    )]);
    let mut tool = generate(1, "a");
    tool.call.action = Action::CallTool;
    tool.call.resource = Resource::Tool {
        server: ServerName::new("s").unwrap(),
        tool: ToolName::new("t").unwrap(),
    };
    assert_eq!(books.reserve(at(0), &tool, Bound::NO_MODEL), None);
    let mut listing = generate(2, "a");
    listing.call.action = Action::ListModels;
    assert_eq!(books.reserve(at(0), &listing, Bound::NO_MODEL), None);
}

/// What each model may have a tool do; a call that none is known to have proposed does not pass beside them.
#[test]
fn tool_calls_are_counted_by_the_model_that_proposed_them() {
    let mut books = Books::new(vec![budget(
        "p",
        Meter::Calls,
        1,
        Window::Day,
        &[Dimension::Proposer, Dimension::Tool],
    )]);
    let tool = |number, proposer: Option<&str>| {
        let mut tool = generate(number, "a");
        tool.call.action = Action::CallTool;
        tool.call.resource = Resource::Tool {
            server: ServerName::new("s").unwrap(),
            tool: ToolName::new("t").unwrap(),
        };
        tool.call.proposer = proposer.map(Into::into);
        tool
    };
    for (number, proposer, passes) in [
        (1, Some("up/small"), true),
        (2, Some("up/large"), true),
        (3, Some("up/small"), false),
        (4, None, true),
        (5, None, false),
    ] {
        let reserved = books.reserve(at(0), &tool(number, proposer), Bound::NO_MODEL);
        assert_eq!(reserved.unwrap().over.is_none(), passes, "{number}");
    }
    assert_eq!(books.reserve(at(0), &generate(6, "a"), tokens(1, 1)), None);
}

#[test]
fn all_budgets_are_taken_or_none() {
    let mut books = Books::new(vec![
        budget("a", Meter::Calls, 10, Window::Day, &[]),
        budget("b", Meter::Calls, 1, Window::Day, &[]),
    ]);
    books.reserve(at(0), &generate(1, "a"), tokens(1, 1));
    assert!(
        books
            .reserve(at(0), &generate(2, "a"), tokens(1, 1))
            .unwrap()
            .over
            .is_some()
    );
    let line = books.lines(at(0));
    assert_eq!((line[0].used, line[1].used), (1, 1));
}

#[test]
fn what_is_in_progress_ends_with_the_call() {
    let mut books = Books::new(vec![budget(
        "n",
        Meter::Concurrent,
        2,
        Window::Now,
        &[Dimension::Agent],
    )]);
    for number in 1..3 {
        assert_eq!(
            books
                .reserve(at(0), &generate(number, "a"), tokens(1, 1))
                .unwrap()
                .over,
            None
        );
    }
    let over = books
        .reserve(at(0), &generate(3, "a"), tokens(1, 1))
        .unwrap()
        .over
        .unwrap();
    assert_eq!(over.retry_after_seconds, Some(1));
    books.settle(at(1), call(1), came_to(1, 1));
    assert_eq!(
        books
            .reserve(at(1), &generate(3, "a"), tokens(1, 1))
            .unwrap()
            .over,
        None
    );
}

#[test]
fn a_reset_keeps_what_is_set_aside() {
    let mut books = Books::new(vec![budget("t", Meter::Tokens, 100, Window::Total, &[])]);
    books.reserve(at(0), &generate(1, "a"), tokens(40, 0));
    books.settle(at(0), call(1), came_to(40, 0));
    books.reserve(at(0), &generate(2, "a"), tokens(30, 0));
    assert_eq!(books.reset(at(1), &BudgetName::new("t").unwrap(), None), 1);
    assert_eq!(used(&books, at(1)), 30);
    books.settle(at(2), call(2), came_to(10, 0));
    assert_eq!(used(&books, at(2)), 10);
}

fn ruling(evidence: &Evidence, spending: &Spending) -> Record {
    let mut record = Record::new(RecordKind::Ruling, at(0));
    record.call = Some(evidence.call.id);
    record.ruling = Some(RulingWord::Allow);
    let mut facts = evidence.call.clone();
    facts.spending = Some(Box::new(spending.clone()));
    record.facts = Some(facts);
    record
}

fn closing(number: u128, settled: Option<Amounts>) -> Record {
    let mut record = Record::new(RecordKind::Closing, at(1));
    record.call = Some(call(number));
    record.answer = Some(bartizan_types::Answer {
        settled,
        ..Default::default()
    });
    record
}

/// Whatever instant a crash takes, what is restored is never less than what was set aside or settled, and exactly that
/// once every record is read.
#[test]
fn a_restart_finds_what_was_settled_and_settles_what_was_open() {
    let budgets = || vec![budget("t", Meter::Tokens, 1000, Window::Total, &[])];
    let mut books = Books::new(budgets());
    let mut log = Vec::new();
    let mut kept = vec![(0, books.keep(at(0), 0))];
    for number in 1..=4_u128 {
        let evidence = generate(number, "a");
        let spending = books.reserve(at(0), &evidence, tokens(100, 0)).unwrap();
        log.push(ruling(&evidence, &spending));
        kept.push((log.len(), books.keep(at(0), log.len() as u64)));
    }
    for (number, settled) in [(1, 10), (2, 20)] {
        books.settle(at(1), call(number), came_to(settled, 0));
        // Settled first, recorded after: books kept in between know more than the log.
        kept.push((log.len(), books.keep(at(1), log.len() as u64)));
        log.push(closing(number, Some(came_to(settled, 0))));
    }
    // One that recovery closed itself says nothing of what it came to.
    log.push(closing(3, None));
    for (upto, kept) in kept {
        let text = serde_json::to_string(&kept).unwrap();
        let mut again = Books::new(budgets());
        again.restore(serde_json::from_str(&text).unwrap()).unwrap();
        for record in &log[upto..] {
            again.recover(record);
        }
        let open = again.close_open(at(2));
        assert!(open >= 1, "the fourth was open");
        assert_eq!(used(&again, at(2)), 10 + 20 + 100 + 100, "kept at {upto}");
    }
}

#[test]
fn a_budget_that_only_watches_counts_past_its_limit() {
    let mut watching = budget("t", Meter::Calls, 1, Window::Total, &[]);
    watching.enforce = false;
    let mut books = Books::new(vec![watching]);
    for number in 1..4 {
        assert_eq!(
            books
                .reserve(at(0), &generate(number, "a"), tokens(1, 1))
                .unwrap()
                .over,
            None
        );
    }
    assert_eq!(used(&books, at(0)), 3);
}

#[derive(Debug, Clone)]
enum Step {
    Reserve { agent: u8, input: u64, output: u64 },
    Settle { which: usize, part: u64 },
    Cancel { which: usize },
    Wait { millis: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 0_u64..40, 0_u64..40).prop_map(|(agent, input, output)| Step::Reserve { agent, input, output }),
        3 => (any::<usize>(), 0_u64..=100).prop_map(|(which, part)| Step::Settle { which, part }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        1 => (0_u64..30_000).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Restart),
    ]
}

fn windows() -> [Window; 6] {
    [
        Window::Total,
        Window::Hour,
        Window::Day,
        Window::Month,
        Window::Sliding { seconds: 60 },
        Window::Bucket { seconds: 60 },
    ]
}

proptest! {
    /// INVARIANT: whatever is reserved, settled, cancelled and restarted in whatever order, no counter is ever past its
    /// limit, and what was truly spent within a window is never more than the counter says.
    #[test]
    fn no_interleaving_crosses_a_limit(steps in proptest::collection::vec(step(), 1..60), limit in 20_u64..200) {
        let all: Vec<Budget> = windows()
            .into_iter()
            .enumerate()
            .flat_map(|(at, window)| {
                [Vec::new(), vec![Dimension::Agent]].into_iter().map(move |per| {
                    budget(&format!("b{at}{}", per.len()), Meter::Tokens, limit, window, &per)
                })
            })
            .collect();
        let mut books = Books::new(all.clone());
        let (mut now, mut number, mut open, mut spent) = (at(0), 0_u128, Vec::new(), 0_u64);
        for step in steps {
            match step {
                Step::Reserve { agent, input, output } => {
                    number += 1;
                    let evidence = generate(number, &format!("agent{agent}"));
                    let spending = books.reserve(now, &evidence, tokens(input, output)).unwrap();
                    if spending.over.is_none() {
                        open.push((call(number), input, output));
                    }
                }
                Step::Settle { which, part } if !open.is_empty() => {
                    let (id, input, output) = open.swap_remove(which % open.len());
                    let (input, output) = (input * part / 100, output * part / 100);
                    prop_assert!(!books.settle(now, id, came_to(input, output)).unwrap().overrun);
                    spent += input + output;
                }
                Step::Cancel { which } if !open.is_empty() => {
                    let (id, ..) = open.swap_remove(which % open.len());
                    books.cancel(now, id);
                }
                Step::Wait { millis } => now = now.plus_micros(millis * 1000),
                Step::Restart => {
                    let kept = books.keep(now, 0);
                    books = Books::new(all.clone());
                    books.restore(kept).unwrap();
                    books.close_open(now);
                    spent += open.drain(..).map(|(_, input, output)| input + output).sum::<u64>();
                }
                Step::Settle { .. } | Step::Cancel { .. } => {}
            }
            for line in books.lines(now) {
                prop_assert!(line.used <= line.limit, "{line:?}");
            }
            let pending: u64 = open.iter().map(|(_, input, output)| input + output).sum();
            let total = books.lines(now).into_iter().find(|line| line.budget.as_str() == "b00");
            prop_assert_eq!(total.map_or(0, |line| line.used), spent + pending);
        }
    }

    #[test]
    fn what_waiting_is_told_is_enough(
        takes in proptest::collection::vec((0_u64..90, 1_u64..30), 1..12),
        amount in 1_u64..50,
    ) {
        for window in windows().into_iter().filter(|window| *window != Window::Total) {
            let mut books = Books::new(vec![budget("w", Meter::InputTokens, 50, window, &[])]);
            let mut now = at(0);
            for (number, (wait, input)) in takes.iter().enumerate() {
                now = now.plus_micros(wait * SECOND);
                books.reserve(now, &generate(number as u128, "a"), tokens(*input, 0));
            }
            let refused = books.reserve(now, &generate(900, "a"), tokens(amount, 0)).unwrap();
            if let Some(over) = refused.over {
                let seconds = u64::from(over.retry_after_seconds.unwrap());
                let then = now.plus_micros(seconds * SECOND);
                let again = books.reserve(then, &generate(901, "a"), tokens(amount, 0)).unwrap();
                prop_assert_eq!(again.over, None, "{:?} after {} s", window, seconds);
            }
        }
    }
}

/// A call by a chain of links, the one that began it first: each its key, its budget of calls, and when it ends.
fn handed(number: u128, agent: &str, links: &[(&str, Option<u64>, u64)]) -> Evidence {
    let mut evidence = generate(number, agent);
    evidence.principal.method = AuthMethod::Delegated;
    let link = |(key, calls, until): &(&str, Option<u64>, u64)| bartizan_types::Actor {
        sub: (*key).to_owned(),
        iss: None,
        bounds: Some(Box::new(bartizan_types::Bounds {
            until: Some(at(*until)),
            budget: calls.map(|calls| (Meter::Calls, calls)).into_iter().collect(),
            ..Default::default()
        })),
        key: Some(KeyId::new(&format!("bzd:{key}")).unwrap()),
    };
    evidence.principal.act = links.iter().rev().map(link).collect();
    evidence
}

/// Whether a call was let through, and if so settled.
fn goes(books: &mut Books, now: Timestamp, evidence: &Evidence) -> bool {
    let spending = books.reserve(now, evidence, tokens(1, 1)).unwrap();
    if spending.over.is_none() {
        books.settle(now, evidence.call.id, came_to(1, 1));
    }
    spending.over.is_none()
}

#[test]
fn what_a_link_may_spend_bounds_it_and_all_after_it() {
    let mut books = Books::default();
    let parent = ("p", Some(3), 100);
    let (first, second) = (("a", Some(2), 100), ("b", Some(900), 100));
    let mut number = 0;
    let mut call = |books: &mut Books, links: &[(&str, Option<u64>, u64)]| {
        number += 1;
        goes(books, at(0), &handed(number, "mail", links))
    };
    assert!(call(&mut books, &[parent, first]));
    assert!(call(&mut books, &[parent, first]));
    assert!(!call(&mut books, &[parent, first]), "its own are spent");
    assert!(
        call(&mut books, &[parent, second]),
        "the other child has what is left"
    );
    // A larger number further on, and a link without any, gain nothing.
    assert!(!call(&mut books, &[parent, second]));
    assert!(!call(&mut books, &[parent, ("c", None, 100)]));
    assert!(!call(&mut books, &[parent, second, ("d", Some(5), 100)]));
    assert!(!call(&mut books, &[parent]));
    // Without a budget nothing is counted.
    let free = handed(99, "mail", &[("x", None, 100)]);
    assert_eq!(books.reserve(at(0), &free, tokens(1, 1)), None);
    let line = books.lines(at(0));
    let of_parent = line
        .iter()
        .find(|line| line.of == "agent=mail link=bzd:p")
        .unwrap();
    assert_eq!((of_parent.used, of_parent.limit), (3, 3));
}

#[test]
fn what_a_link_has_spent_is_known_after_a_restart_and_a_crash() {
    let mut books = Books::default();
    let link = [("p", Some(3), 100)];
    assert!(goes(&mut books, at(0), &handed(1, "mail", &link)));
    let kept: Kept = serde_json::from_str(&serde_json::to_string(&books.keep(at(0), 1)).unwrap()).unwrap();
    let mut again = Books::default();
    again.restore(kept).unwrap();
    // A call that was let through after that, and that a crash cut off: its record is all there is.
    let mut evidence = handed(2, "mail", &link);
    evidence.call.spending = books.reserve(at(1), &evidence, tokens(1, 1)).map(Box::new);
    let mut record = Record::new(RecordKind::Ruling, at(1));
    record.call = Some(evidence.call.id);
    record.ruling = Some(RulingWord::Allow);
    record.principal = Some(evidence.principal.clone());
    record.facts = Some(evidence.call.clone());
    again.recover(&record);
    assert_eq!(again.close_open(at(2)), 1);
    assert!(goes(&mut again, at(3), &handed(3, "mail", &link)));
    assert!(!goes(&mut again, at(3), &handed(4, "mail", &link)));
}

#[test]
fn one_agents_chains_take_no_room_from_others_and_what_ended_makes_room() {
    let mut books = Books::new(vec![budget(
        "t",
        Meter::Calls,
        9,
        Window::Total,
        &[Dimension::Agent],
    )]);
    let mut number = 0;
    let mut call = |books: &mut Books, now: u64, agent: &str, key: &str, until: u64| {
        number += 1;
        let evidence = handed(number, agent, &[(key, Some(9), until)]);
        let spending = books.reserve(at(now), &evidence, tokens(1, 1)).unwrap();
        books.cancel(at(now), evidence.call.id);
        spending.over.map(|over| over.code)
    };
    for at_most in 0..handed::MOST_OF_ONE {
        assert_eq!(call(&mut books, 0, "a", &format!("k{at_most}"), 50), None);
    }
    assert_eq!(call(&mut books, 0, "a", "more", 200_000), Some(Code::Saturated));
    assert_eq!(
        call(&mut books, 0, "a", "k0", 50),
        None,
        "one that is known goes on"
    );
    assert_eq!(
        call(&mut books, 0, "ab", "k", 50),
        None,
        "another agent has its own"
    );
    assert_eq!(call(&mut books, 0, "b", "k", 50), None);
    assert_eq!(
        call(&mut books, 60, "a", "more", 200_000),
        Some(Code::Saturated),
        "a clock may jump back"
    );
    assert_eq!(call(&mut books, 90_000, "a", "more", 200_000), None);
}
