//! Recomputing a ruling from its record: what was ruled, or what another policy would have ruled.
//!
//! A record holds every input of its ruling but the arguments that no policy in scope could read, so under its own
//! policy the recomputed decision equals the recorded one.

use bartizan_policy::{Decision, Policy};
use bartizan_types::{Code, Evidence, Record, RecordKind, RulingWord};

/// A recomputed ruling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// What this policy says of the recorded evidence.
    pub decision: Decision,
    /// False where this policy may read arguments that the record left out; the decision is then a guess.
    pub exact: bool,
}

/// Why a record can't be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayFault {
    /// Only rulings can be recomputed.
    #[error("the record is not a ruling")]
    NotARuling,
    /// The record lacks a field that a ruling has.
    #[error("the record has no `{field}`")]
    Missing {
        /// Which.
        field: &'static str,
    },
}

/// Recomputes the ruling of a stored record under a policy.
///
/// # Errors
/// [`ReplayFault`] where the record is not a whole ruling.
pub fn replay(policy: &Policy, record: &Record) -> Result<Replay, ReplayFault> {
    if record.kind != RecordKind::Ruling {
        return Err(ReplayFault::NotARuling);
    }
    let missing = |field| ReplayFault::Missing { field };
    let evidence = Evidence {
        now: record.time,
        principal: record.principal.clone().ok_or(missing("principal"))?,
        session: record.session.ok_or(missing("session"))?,
        epoch: record.epoch.ok_or(missing("epoch"))?,
        call: record.facts.clone().ok_or(missing("facts"))?,
        findings: record.findings.clone(),
        answering: record.answering,
        approved: record.approved,
    };
    let own = record.policy == Some(policy.digest());
    let mut decision = crate::decide(policy, &evidence);
    // What was handed on refused it, whatever a policy says; that stands in the record, arguments or not.
    if record.code == Some(Code::DelegationExceeded) {
        decision.ruling = RulingWord::Deny;
        if let Some(because) = record
            .because
            .as_ref()
            .filter(|because| because.outside.is_some())
        {
            decision.because = because.clone();
        }
    }
    Ok(Replay {
        decision,
        exact: own || !record.pruned || !policy.may_miss(&evidence),
    })
}
