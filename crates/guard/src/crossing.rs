//! One call's way through. Placeholder bodies: replaced within the hour.

use std::{marker::PhantomData, sync::Arc};

use bartizan_policy::Policy;
use bartizan_types::{Answer, Code, Evidence, Finding, Record, Refusal, Timestamp};

use crate::{Permit, Release};

/// What is known of an answer before its first byte may go to the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Upstream's HTTP status, where there was one.
    pub status: Option<u16>,
    /// What inspectors saw in it; kept for the closing record.
    pub findings: Vec<Finding>,
}

/// What the shell tells the guard.
#[derive(Debug)]
pub enum Input {
    /// The last `Append` with `wait` is durable at this ledger index; `epoch` is the session's label epoch now.
    Durable {
        /// Ledger index.
        receipt: u64,
        /// The session's label epoch, read after the record became durable.
        epoch: u64,
    },
    /// An `Append` failed, or could not be queued.
    LedgerFailed(Code),
    /// Answer to [`Effect::Reassess`]: the evidence as it is now.
    Reassessed(Box<Evidence>),
    /// The upstream answered; nothing of it has gone to the agent yet.
    Answered(AnswerFacts),
    /// The upstream failed, after releasing this much.
    Failed(Code, Answer),
    /// The answer was withheld or cut, after releasing this much.
    Withheld(Code, Answer),
    /// The agent went away, after receiving this much.
    Abandoned(Answer),
    /// The whole answer was released.
    Finished(Answer),
}

/// What the guard asks of the shell, to be done in order. When an `Append` fails, the shell drops the effects after
/// it undone and feeds [`Input::LedgerFailed`].
#[must_use]
pub enum Effect<R> {
    /// Append this record; with `wait`, answer with [`Input::Durable`].
    Append {
        /// The record.
        record: Box<Record>,
        /// Whether to wait until it is durable.
        wait: bool,
    },
    /// Read the evidence again and answer with [`Input::Reassessed`].
    Reassess,
    /// Forward the call.
    Forward(Permit<R>),
    /// Let the answer go back.
    Release(Release),
    /// Tell the caller.
    Refuse(Refusal),
    /// Nothing more will come.
    Done,
}

/// An input that does not fit the state. The call is refused if that is still possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input `{input}` does not fit state `{state}`")]
pub struct Misuse {
    /// What came.
    pub input: &'static str,
    /// The state it came in.
    pub state: &'static str,
}

/// One call.
pub struct Crossing<R> {
    outbound: PhantomData<R>,
}

impl<R> Crossing<R> {
    /// Rules on a call.
    pub fn begin(_policy: Arc<Policy>, _evidence: Evidence, _outbound: R, out: &mut Vec<Effect<R>>) -> Self {
        out.push(Effect::Done);
        Self { outbound: PhantomData }
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`Misuse`] where the input does not fit; `out` then holds what is owed all the same.
    pub fn step(&mut self, _now: Timestamp, _input: Input, _out: &mut Vec<Effect<R>>) -> Result<(), Misuse> {
        Ok(())
    }
}
