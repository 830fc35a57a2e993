//! The ruling: what policy says, and what refuses a call whatever policy says.

use bartizan_policy::{Decision, Policy};
use bartizan_types::{Because, Code, Evidence, RulingWord};

/// Rules on evidence. A revocation and a budget that would be crossed deny what policy would allow or ask about;
/// they never turn a denial into anything else. A revocation speaks before policy does: what is revoked is told so.
pub fn decide(policy: &Policy, evidence: &Evidence) -> Decision {
    let decision = policy.evaluate(evidence);
    let Some((code, _)) = evidence.call.barred() else {
        return decision;
    };
    if decision.ruling == RulingWord::Deny && code != Code::Revoked {
        return decision;
    }
    Decision {
        ruling: RulingWord::Deny,
        because: Because {
            barred: Some(code),
            ..Because::default()
        },
        durable: false,
        would_deny: false,
    }
}
