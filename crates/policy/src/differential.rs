//! The compiled, sliced evaluator against `cedar-policy` over the whole set: same outcome of every policy, errors
//! included, on random policies and requests.

use std::collections::BTreeSet;

use bartizan_types::RulingWord;
use cedar_policy::PolicySet;

use crate::Policy;
use crate::cedar::CedarRequest;
use crate::fixture::{Seeded, random_evidence, random_policy};
use crate::load::{self, Body};
use crate::request::Request;
use crate::run::{Trace, holds};
use crate::{Pack, Source};

const SEED: u64 = 0xBA27_12A4;

#[test]
fn compiled_policies_agree_with_cedar_on_100_000_pairs() {
    let mut random = Seeded(SEED);
    let all: Vec<_> = (0..400).map(|_| random_evidence(&mut random)).collect();
    let requests: Vec<Request<'_>> = all
        .iter()
        .enumerate()
        .map(|(at, evidence)| {
            let mut request = Request::new(evidence).unwrap();
            request.approved = at % 2 == 0;
            request
        })
        .collect();
    let cedar: Vec<CedarRequest> = requests
        .iter()
        .map(|request| CedarRequest::new(request).unwrap())
        .collect();
    let (mut pairs, mut satisfied, mut unsatisfied, mut errors, mut fallbacks) =
        (0_u32, 0_u32, 0_u32, 0_u32, 0);
    let mut number = 0;
    while pairs < 100_000 {
        number += 1;
        let text = random_policy(&mut random, number);
        // Cedar's parser refuses some ill-typed literals outright.
        let Ok(rules) = load::unvalidated(&text) else {
            continue;
        };
        let (rule, policy) = &rules[0];
        let Body::Compiled(node) = &rule.body else {
            fallbacks += 1;
            continue;
        };
        let single = PolicySet::from_policies([policy.clone()]).unwrap();
        for (request, cedar) in requests.iter().zip(&cedar).skip(number as usize % 4).step_by(4) {
            let theirs = cedar.satisfies(&single).map(Some);
            if !rule.scope.matches(request) {
                assert_eq!(
                    theirs,
                    Ok(Some(false)),
                    "policy {text} on {:#?}",
                    request.evidence
                );
                continue;
            }
            let ours = holds(node, request, &mut Trace::default()).map_err(|_| ());
            assert_eq!(ours, theirs, "policy {text} on {:#?}", request.evidence);
            pairs += 1;
            match ours {
                Ok(Some(true)) => satisfied += 1,
                Ok(_) => unsatisfied += 1,
                Err(()) => errors += 1,
            }
        }
    }
    // The generator must reach every outcome, or the agreement means little.
    assert!(
        satisfied > 5_000 && errors > 5_000 && unsatisfied > 5_000,
        "{satisfied} {unsatisfied} {errors}"
    );
    assert!(fallbacks < number / 10, "{fallbacks} of {number} not compiled");
}

#[test]
fn sliced_sets_agree_with_cedar_over_the_whole_set() {
    let mut random = Seeded(SEED ^ 1);
    let mut allowed = 0;
    for round in 0..300_u64 {
        let mut text = String::new();
        let mut number = 0;
        while number < 12 {
            let one = random_policy(&mut random, round * 100 + number);
            if load::unvalidated(&one).is_ok() {
                text.push_str(&one);
                number += 1;
            }
        }
        let set: PolicySet = text.parse().unwrap();
        let policy = Policy::unvalidated(&text);
        for _ in 0..10 {
            let evidence = random_evidence(&mut random);
            let request = Request::new(&evidence).unwrap();
            let response = CedarRequest::new(&request).unwrap().authorize(&set);
            let named = |id: &cedar_policy::PolicyId| set.annotation(id, "id").unwrap().to_owned();
            let errors: BTreeSet<String> = response
                .diagnostics()
                .errors()
                .map(|error| match error {
                    cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                        named(error.policy_id())
                    }
                })
                .collect();
            let reasons: BTreeSet<String> = response.diagnostics().reason().map(named).collect();
            let decision = policy.evaluate(&evidence);
            let ours: BTreeSet<String> = decision
                .because
                .errors
                .iter()
                .map(|(id, _)| id.to_string())
                .collect();
            if decision.ruling == RulingWord::Allow {
                allowed += 1;
                assert_eq!(response.decision(), cedar_policy::Decision::Allow);
                assert!(errors.is_empty(), "an erring policy must deny");
            }
            if errors.is_empty() {
                let expected = response.decision() == cedar_policy::Decision::Allow;
                assert_eq!(
                    decision.ruling == RulingWord::Allow,
                    expected,
                    "{text} {evidence:#?}"
                );
                let ids: BTreeSet<String> = decision
                    .because
                    .policies
                    .iter()
                    .map(|policy| policy.id.to_string())
                    .collect();
                assert_eq!(ids, reasons, "{text} {evidence:#?}");
            } else {
                assert_eq!(ours, errors, "{text} {evidence:#?}");
            }
        }
    }
    assert!(allowed > 20, "only {allowed} allowed");
}

#[test]
fn what_may_never_be_allowed_never_is() {
    let mut random = Seeded(SEED ^ 2);
    let (mut hidden, mut shown) = (0, 0);
    for round in 0..2_000_u64 {
        let text: String = (0..6)
            .map(|at| random_policy(&mut random, round * 10 + at))
            .collect();
        if load::unvalidated(&text).is_err() {
            continue;
        }
        let policy = Policy::unvalidated(&text);
        let mut evidence = random_evidence(&mut random);
        if policy.may_ever_allow(&evidence) {
            shown += 1;
            continue;
        }
        hidden += 1;
        let call = (evidence.call.action, evidence.call.resource.clone());
        let principal = evidence.principal.clone();
        for _ in 0..20 {
            evidence = random_evidence(&mut random);
            (evidence.call.action, evidence.call.resource) = call.clone();
            let user = principal.user.clone();
            evidence.principal = principal.clone();
            evidence.principal.user = user;
            evidence.approved = Some(bartizan_types::ApprovalId::mint(evidence.now, 1));
            let ruling = policy.evaluate(&evidence).ruling;
            assert_eq!(ruling, RulingWord::Deny, "{text} {evidence:#?}");
        }
    }
    assert!(hidden > 100 && shown > 100, "{hidden} hidden, {shown} shown");
}

#[test]
fn requests_conform_to_the_schema() {
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(crate::SCHEMA).unwrap();
    let mut random = Seeded(SEED ^ 3);
    for _ in 0..2_000 {
        let evidence = random_evidence(&mut random);
        let request = Request::new(&evidence).unwrap();
        assert!(
            CedarRequest::against(&request, Some(&schema)).is_ok(),
            "{evidence:#?}"
        );
    }
}

#[test]
fn applies_is_the_schemas_own_table() {
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(crate::SCHEMA).unwrap();
    let mut theirs = BTreeSet::new();
    for env in schema.request_envs() {
        theirs.insert((
            env.action().id().unescaped().to_owned(),
            env.resource().to_string(),
        ));
    }
    let mut ours = BTreeSet::new();
    for action in bartizan_types::Action::ALL {
        for kind in crate::value::Kind::ALL {
            if crate::request::applies(action, kind) {
                ours.insert((action.as_str().to_owned(), kind.type_name().to_owned()));
            }
        }
    }
    assert_eq!(ours, theirs);
}

#[test]
fn packs_validate_and_run_compiled() {
    for pack in Pack::ALL {
        let policy = Policy::load(Some(pack), &[]).unwrap();
        assert!(
            policy.statements().iter().all(|statement| statement.compiled),
            "{pack}"
        );
        assert!(policy.lints().is_empty(), "{:?}", policy.lints());
        assert!(
            policy
                .statements()
                .iter()
                .all(|statement| !statement.reason.is_empty()),
            "{pack}"
        );
    }
}

#[test]
fn policies_beyond_the_compiled_form_run_in_cedar() {
    let text = r#"@id("late") forbid (principal, action, resource)
when { context.now.toTime() > duration("12h") };
@id("rest") permit (principal, action, resource);"#;
    let policy = Policy::load(None, &[Source { name: "t", text }]).unwrap();
    assert!(!policy.statements()[0].compiled);
    let mut evidence = crate::fixture::evidence();
    evidence.now = bartizan_types::Timestamp::from_unix_seconds(86_400 * 20_000 + 3_600);
    assert_eq!(policy.evaluate(&evidence).ruling, RulingWord::Allow);
    evidence.now = evidence.now.plus_micros(13 * 3_600 * 1_000_000);
    let decision = policy.evaluate(&evidence);
    assert_eq!(decision.ruling, RulingWord::Deny);
    assert_eq!(decision.because.facts[0].path, "context.now");
}
