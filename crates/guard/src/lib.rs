//! The guard: joins evidence and policy into a ruling, writes its record, and mints what lets a call pass.
//!
//! Pure: inputs in, ordered effects out. It refuses to forward anything that policy did not allow, and anything
//! whose record is not durable where policy calls it consequential.

pub mod approval;
pub mod breaker;
pub mod budget;
mod crossing;
mod decide;
pub mod loops;
mod permit;
mod replay;
pub mod revoke;
pub mod scope;

pub use crossing::{AnswerFacts, Crossing, Effect, Input, Misuse};
pub use decide::decide;
pub use permit::{Permit, Release};
pub use replay::{Replay, ReplayFault, replay};

use bartizan_types::{CallId, Code, Principal, Record, RecordKind, Timestamp};

/// The record of a bearer or message that was refused before it became a call, under the id that its sender was told.
#[must_use]
pub fn rejection(now: Timestamp, call: CallId, code: Code, principal: Option<Principal>) -> Record {
    let mut record = Record::new(RecordKind::Rejection, now);
    record.call = Some(call);
    record.code = Some(code);
    record.principal = principal;
    record
}
