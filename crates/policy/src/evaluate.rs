//! From evidence to a decision: slice, run, combine, explain.

use bartizan_types::{Because, Evidence, Fact, MatchedPolicy, PolicyEffect, PolicyId, RulingWord};

use crate::cedar::CedarRequest;
use crate::explain::{self, Consulted};
use crate::load::{Body, Rule};
use crate::request::Request;
use crate::run::{Trace, holds};
use crate::{Decision, Policy};

/// A policy that is satisfied, and what it read.
struct Hit<'a> {
    rule: &'a Rule,
    consulted: Consulted<'a>,
}

/// What the policies in scope say of one request.
#[derive(Default)]
struct Pass<'a> {
    permits: Vec<Hit<'a>>,
    forbids: Vec<Hit<'a>>,
    errors: Vec<(PolicyId, String)>,
    /// What permits read that were not satisfied: the explanation of a refusal no policy speaks of.
    unmet: Consulted<'a>,
    /// Some policy reads `context.approved`.
    approvable: bool,
    unknown: bool,
}

impl Pass<'_> {
    /// INVARIANT: an error denies, a forbid denies, and nothing permits by default.
    fn allows(&self) -> bool {
        !self.permits.is_empty() && self.forbids.is_empty() && self.errors.is_empty()
    }
}

fn matched(hits: &[Hit<'_>]) -> Vec<MatchedPolicy> {
    let mut policies: Vec<MatchedPolicy> = hits
        .iter()
        .map(|hit| MatchedPolicy {
            id: hit.rule.id.clone(),
            effect: hit.rule.effect,
            reason: hit.rule.reason.clone(),
        })
        .collect();
    policies.sort_unstable();
    policies
}

fn facts(hits: &[Hit<'_>], request: &Request<'_>) -> Vec<Fact> {
    let mut all = Consulted::default();
    for hit in hits {
        all.join(&hit.consulted);
    }
    explain::facts(&all, request)
}

impl Policy {
    /// Rules on a call. Total: whatever is wrong is a denial that says what.
    pub fn evaluate(&self, evidence: &Evidence) -> Decision {
        let decision = self.rule(evidence);
        if decision.ruling == RulingWord::Allow || !self.observes() {
            return decision;
        }
        let mut because = decision.because;
        because.would_deny = true;
        Decision {
            ruling: RulingWord::Allow,
            because,
            durable: true,
            would_deny: true,
        }
    }

    /// The ruling before `observe` lets it through. A number between two whole ones is ruled on as either, and the
    /// stricter ruling holds: policies compare whole numbers, and rounding to one side alone would let `100.9` pass for
    /// `100` under `<=`, or for `101` under `>=`.
    pub(crate) fn rule(&self, evidence: &Evidence) -> Decision {
        let below = self.rule_as_seen(evidence);
        let Some(above) = rounded_up(evidence) else {
            return below;
        };
        let above = self.rule_as_seen(&above);
        if above.ruling > below.ruling {
            return above;
        }
        Decision {
            durable: below.durable || above.durable,
            ..below
        }
    }

    fn rule_as_seen(&self, evidence: &Evidence) -> Decision {
        let denied = |because| Decision {
            ruling: RulingWord::Deny,
            because,
            durable: true,
            would_deny: false,
        };
        let plain = match Request::new(evidence) {
            Ok(plain) => plain,
            Err(unfit) => {
                return denied(Because {
                    errors: vec![(self.request_id.clone(), unfit.to_string())],
                    ..Because::default()
                });
            }
        };
        let first = self.pass(&plain);
        if first.allows() {
            return allowed(&first, &plain);
        }
        let mut because = refused(&first, &plain);
        if !because.errors.is_empty() || !first.approvable {
            return denied(because);
        }
        let mut approved = plain.clone();
        approved.approved = true;
        let second = self.pass(&approved);
        if !second.allows() {
            because.errors = second.errors;
            return denied(because);
        }
        if evidence.approved.is_some() {
            return allowed(&second, &approved);
        }
        because.would_permit = matched(&second.permits);
        Decision {
            ruling: RulingWord::Ask,
            because,
            durable: true,
            would_deny: false,
        }
    }

    /// Runs every policy whose head matches.
    fn pass<'a>(&'a self, request: &'a Request<'_>) -> Pass<'a> {
        let mut pass = Pass::default();
        let mut trace = Trace::default();
        // Built only when a policy in scope needs Cedar's evaluator.
        let mut cedar = None;
        for rule in self.in_scope(request) {
            pass.approvable |= rule.reads.approved;
            trace.clear();
            let outcome = match &rule.body {
                Body::Compiled(node) => holds(node, request, &mut trace).map_err(|fail| fail.to_string()),
                Body::Cedar(_) if request.partial => Ok(None),
                Body::Cedar(single) => {
                    trace.slots = rule.reads.slots;
                    let cedar = cedar.get_or_insert_with(|| CedarRequest::new(request));
                    match cedar {
                        Ok(cedar) => match cedar.satisfies(single) {
                            Ok(satisfied) => Ok(Some(satisfied)),
                            Err(()) => Err("evaluation failed".to_owned()),
                        },
                        Err(fault) => Err(fault.to_string()),
                    }
                }
            };
            match (outcome, rule.effect) {
                (Ok(Some(true)), effect) => {
                    let hit = Hit {
                        rule,
                        consulted: Consulted::from_trace(&trace),
                    };
                    match effect {
                        PolicyEffect::Permit => pass.permits.push(hit),
                        PolicyEffect::Forbid => pass.forbids.push(hit),
                    }
                }
                (Ok(Some(false)), PolicyEffect::Permit) => pass.unmet.add(&trace),
                (Ok(Some(false)), PolicyEffect::Forbid) => {}
                (Ok(None), PolicyEffect::Permit) => pass.unknown = true,
                (Ok(None), PolicyEffect::Forbid) => {}
                (Err(fail), _) => pass.errors.push((rule.id.clone(), fail)),
            }
        }
        pass.errors.sort_unstable();
        pass
    }

    /// Whether some context could allow this call: false only when surely denied whatever the arguments, findings,
    /// pins and approvals are. For filtering lists, so it must never hide what could be called.
    #[must_use]
    pub fn may_ever_allow(&self, evidence: &Evidence) -> bool {
        if self.observes() {
            return true;
        }
        let Ok(mut request) = Request::new(evidence) else {
            return false;
        };
        request.partial = true;
        let pass = self.pass(&request);
        pass.errors.is_empty() && pass.forbids.is_empty() && (pass.unknown || !pass.permits.is_empty())
    }

    pub(crate) fn in_scope<'a, 'r, 'e>(
        &'a self,
        request: &'r Request<'e>,
    ) -> impl Iterator<Item = &'a Rule> + use<'a, 'r, 'e> {
        let candidates = self.index.candidates(request).filter_map(|at| self.rules.get(at));
        candidates.filter(|rule| rule.scope.fits(request))
    }
}

/// The same call with the whole numbers above its decimals in the place of those below; none where it has no decimals.
fn rounded_up(evidence: &Evidence) -> Option<Evidence> {
    let seen = evidence.call.arguments.as_ref()?;
    if !seen.numbers.keys().any(|path| seen.exact.contains_key(path)) {
        return None;
    }
    let mut above = evidence.clone();
    let arguments = above.call.arguments.as_mut()?;
    for (path, number) in &mut arguments.numbers {
        if arguments.exact.contains_key(path) {
            *number = number.saturating_add(1);
        }
    }
    Some(above)
}

fn allowed(pass: &Pass<'_>, request: &Request<'_>) -> Decision {
    Decision {
        ruling: RulingWord::Allow,
        // One permit that is not deferred makes the call consequential.
        durable: !pass.permits.iter().all(|hit| hit.rule.deferred),
        because: Because {
            policies: matched(&pass.permits),
            facts: facts(&pass.permits, request),
            ..Because::default()
        },
        would_deny: false,
    }
}

fn refused(pass: &Pass<'_>, request: &Request<'_>) -> Because {
    Because {
        policies: matched(&pass.forbids),
        errors: pass.errors.clone(),
        facts: if pass.forbids.is_empty() {
            explain::facts(&pass.unmet, request)
        } else {
            facts(&pass.forbids, request)
        },
        ..Because::default()
    }
}
