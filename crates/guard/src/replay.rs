//! Recomputing a ruling from its record. Placeholder bodies: replaced within the hour.

use bartizan_policy::{Decision, Policy};
use bartizan_types::Record;

/// A recomputed ruling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// What this policy says of the recorded evidence.
    pub decision: Decision,
    /// False where this policy reads arguments that the record may have left out.
    pub exact: bool,
}

/// Why a record can't be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
pub fn replay(_policy: &Policy, _record: &Record) -> Result<Replay, ReplayFault> {
    Err(ReplayFault::NotARuling)
}
