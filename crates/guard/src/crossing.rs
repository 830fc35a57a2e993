//! One call's way through, as a state machine of inputs and effects.
//!
//! ```text
//! begin ─allow, durable──→ Recording ─Durable, same epoch──→ Forwarded ─Answered→ Released ─Finished→ Ended
//!   │                        │   ↑ └─Durable, epoch moved→ Reassessing ─Reassessed→ (ruled again)
//!   ├─allow, deferred → Forwarded                │
//!   └─ask, deny → Ended       └─LedgerFailed → Ended
//! Forwarded, Released ─Answered, Found: policy denies what was seen→ Denied ─how it ended→ Ended
//! ```
//!
//! INVARIANT: `Forward` is emitted at most once, after the record of the ruling it rests on became durable under
//! the session's present label epoch, or where every determining permit says that the record may be deferred.
//! INVARIANT: what is seen in an answer can only withhold it: it is ruled on with the evidence that the call was allowed
//! under and the findings added, and after a denial nothing is released.
//! INVARIANT: an input that does not fit ends the call: refused if nothing was released, closed if it was forwarded.

use std::sync::Arc;

use bartizan_policy::{Decision, Policy};
use bartizan_types::{
    Action, Amounts, Answer, Arguments, Bar, Because, CallFacts, CallId, Code, Ending, Evidence, Finding,
    FindingKind, PinState, Record, RecordKind, Refusal, RulingWord, SessionId, Severity, Timestamp,
};

use crate::{Permit, Release};

/// How often a call is ruled again because the session's label epoch keeps moving. Past it the call is refused: a
/// session that is tainted faster than its calls can be recorded is under attack, or broken.
const REASSESSMENTS_MAX: u8 = 8;

/// What is known of an answer before its first byte may go to the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Upstream's HTTP status, where there was one.
    pub status: Option<u16>,
    /// What inspectors saw in it; the closing record keeps it.
    pub findings: Vec<Finding>,
}

/// What the shell tells the guard.
#[derive(Debug)]
pub enum Input {
    /// The last `Append` with `wait` is durable.
    Durable {
        /// Its ledger index.
        receipt: u64,
        /// The session's label epoch, read after the record became durable and with forwarding as the next step.
        epoch: u64,
    },
    /// The last `Append` with `wait` is durable, and meanwhile something came to stand in the call's way.
    Barred(Bar),
    /// An `Append` failed, or could not be queued.
    LedgerFailed(Code),
    /// Answer to [`Effect::Reassess`]: its evidence as it is now, of the same call.
    Reassessed(Box<Evidence>),
    /// The upstream answered; nothing of it has gone to the agent yet.
    Answered(AnswerFacts),
    /// What inspectors saw in an answer that is being released already. Fed before what it was seen in goes out: policy may
    /// withhold that. The closing record keeps it.
    Found(Vec<Finding>),
    /// The upstream failed, after this much was released.
    Failed(Code, Answer),
    /// The answer was withheld or cut, after this much was released.
    Withheld(Code, Answer),
    /// The agent went away, after this much was released.
    Abandoned(Answer),
    /// The whole answer was released.
    Finished(Answer),
}

impl Input {
    const fn name(&self) -> &'static str {
        match self {
            Self::Durable { .. } => "durable",
            Self::Barred(_) => "barred",
            Self::LedgerFailed(_) => "ledger_failed",
            Self::Reassessed(_) => "reassessed",
            Self::Answered(_) => "answered",
            Self::Found(_) => "found",
            Self::Failed(..) => "failed",
            Self::Withheld(..) => "withheld",
            Self::Abandoned(_) => "abandoned",
            Self::Finished(_) => "finished",
        }
    }
}

/// What the guard asks of the shell, to be done in order. When an `Append` fails or can't be queued, the shell drops
/// the effects after it undone (an unspent permit forwards nothing) and feeds [`Input::LedgerFailed`].
#[derive(Debug)]
#[must_use]
pub enum Effect<R> {
    /// Append this record.
    Append {
        /// The record.
        record: Box<Record>,
        /// Whether to answer with [`Input::Durable`] once it is.
        wait: bool,
    },
    /// Bring this evidence up to date, to the session's present epoch, and answer with [`Input::Reassessed`].
    Reassess(Box<Evidence>),
    /// Forward the call.
    Forward(Permit<R>),
    /// Let the answer go back.
    Release(Release),
    /// Let nothing, or nothing more, of the answer go back, and tell the caller. How it ended is still owed:
    /// [`Input::Withheld`].
    Withhold(Refusal),
    /// Tell the caller.
    Refuse(Refusal),
    /// Nothing more will come.
    Done,
}

/// An input that does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("input `{input}` does not fit state `{state}`")]
pub struct Misuse {
    /// What came.
    pub input: &'static str,
    /// The state it came in.
    pub state: &'static str,
}

/// The ruling's record is on its way to the disk.
struct Recording<R> {
    outbound: R,
    evidence: Box<Evidence>,
    reassessments: u8,
}

/// The session's labels moved; the evidence is being read again.
struct Reassessing<R> {
    outbound: R,
    call: CallId,
    session: SessionId,
    reassessments: u8,
}

/// The permit is out. Nothing has been released.
struct Forwarded {
    evidence: Box<Evidence>,
    /// The record was not awaited, so the ledger may still refuse it.
    deferred: bool,
}

/// The release is out.
struct Released {
    /// As it was ruled on, with what was seen in the answer that policy lets pass.
    evidence: Box<Evidence>,
    facts: AnswerFacts,
    /// A policy that only observes would have withheld it, and a record says so.
    noted: bool,
}

/// Policy withholds the answer. Nothing of it goes any more; how it ended is owed.
struct Denied {
    call: CallId,
    session: SessionId,
    facts: AnswerFacts,
}

enum State<R> {
    Recording(Recording<R>),
    Reassessing(Reassessing<R>),
    Forwarded(Forwarded),
    Released(Released),
    Denied(Denied),
    Ended,
}

impl<R> State<R> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Recording(_) => "recording",
            Self::Reassessing(_) => "reassessing",
            Self::Forwarded(_) => "forwarded",
            Self::Released(_) => "released",
            Self::Denied(_) => "denied",
            Self::Ended => "ended",
        }
    }
}

/// One call, from evidence to closing record. `R` is what is forwarded; the guard never looks into it.
pub struct Crossing<R> {
    policy: Arc<Policy>,
    state: State<R>,
}

impl<R> Crossing<R> {
    /// Rules on a call. On return `out` holds everything owed to the world so far.
    pub fn begin(policy: Arc<Policy>, evidence: Evidence, outbound: R, out: &mut Vec<Effect<R>>) -> Self {
        let mut crossing = Self {
            policy,
            state: State::Ended,
        };
        crossing.state = crossing.rule(Box::new(evidence), outbound, 0, out);
        crossing
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes one input. On return `out` holds everything owed to the world for it.
    ///
    /// # Errors
    /// [`Misuse`] where the input does not fit. The call has then ended, and `out` holds the refusal or the closing
    /// record that is owed all the same; the shell performs it and reports the fault as its own.
    pub fn step(&mut self, now: Timestamp, input: Input, out: &mut Vec<Effect<R>>) -> Result<(), Misuse> {
        let misuse = Misuse {
            input: input.name(),
            state: self.state.name(),
        };
        match (std::mem::replace(&mut self.state, State::Ended), input) {
            (State::Recording(at), Input::Durable { receipt, epoch }) => {
                self.durable(now, at, receipt, epoch, out)
            }
            // The record says "allow"; the closing one says that nothing came of it.
            (State::Recording(at), Input::Barred(bar)) => {
                let (call, session) = (at.evidence.call.id, at.evidence.session);
                let mut refusal = Refusal::new(call, bar.code);
                refusal.retry_after_seconds = bar.retry_after_seconds;
                out.push(Effect::Refuse(refusal));
                let answer = Answer {
                    settled: at.evidence.call.spending.as_ref().map(|_| Amounts::default()),
                    ..Answer::default()
                };
                let (ending, findings) = (Ending::Withheld, Vec::new());
                close(now, call, session, ending, Some(bar.code), answer, findings, out);
            }
            (State::Recording(at), Input::LedgerFailed(code)) => refuse(at.evidence.call.id, code, out),
            // The agent left before anything was forwarded; the ruling stands on record, and this closes it.
            (State::Recording(at), Input::Abandoned(answer)) => {
                let (call, session) = (at.evidence.call.id, at.evidence.session);
                close(
                    now,
                    call,
                    session,
                    Ending::Abandoned,
                    None,
                    answer,
                    Vec::new(),
                    out,
                );
            }
            (State::Reassessing(at), Input::Reassessed(evidence)) => {
                if evidence.call.id != at.call || evidence.session != at.session {
                    refuse(at.call, Code::Bug, out);
                    return Err(misuse);
                }
                self.state = self.rule(evidence, at.outbound, at.reassessments, out);
            }
            (State::Reassessing(at), Input::LedgerFailed(code)) => refuse(at.call, code, out),
            (State::Reassessing(at), Input::Abandoned(answer)) => {
                close(
                    now,
                    at.call,
                    at.session,
                    Ending::Abandoned,
                    None,
                    answer,
                    Vec::new(),
                    out,
                );
            }
            (State::Forwarded(at), Input::Answered(facts)) => {
                let call = at.evidence.call.id;
                let before = Released {
                    evidence: at.evidence,
                    facts: AnswerFacts::default(),
                    noted: false,
                };
                self.state = self.answer(before, facts, out);
                if matches!(self.state, State::Released(_)) {
                    out.push(Effect::Release(Release::mint(call)));
                }
            }
            // A deferred record could not be queued, so the permit behind it was dropped unspent.
            (State::Forwarded(at), Input::LedgerFailed(code)) if at.deferred => {
                refuse(at.evidence.call.id, code, out);
            }
            (State::Forwarded(at), Input::Failed(code, answer)) => {
                out.push(Effect::Refuse(Refusal::new(at.evidence.call.id, code)));
                let ending = Ending::UpstreamFailed;
                close(
                    now,
                    at.evidence.call.id,
                    at.evidence.session,
                    ending,
                    Some(code),
                    answer,
                    Vec::new(),
                    out,
                );
            }
            (State::Forwarded(at), Input::Withheld(code, answer)) => {
                out.push(Effect::Refuse(Refusal::new(at.evidence.call.id, code)));
                close(
                    now,
                    at.evidence.call.id,
                    at.evidence.session,
                    Ending::Withheld,
                    Some(code),
                    answer,
                    Vec::new(),
                    out,
                );
            }
            (State::Forwarded(at), Input::Abandoned(answer)) => {
                close(
                    now,
                    at.evidence.call.id,
                    at.evidence.session,
                    Ending::Abandoned,
                    None,
                    answer,
                    Vec::new(),
                    out,
                );
            }
            (State::Released(at), Input::Found(findings)) => {
                let new = AnswerFacts {
                    status: None,
                    findings,
                };
                self.state = self.answer(at, new, out);
            }
            (State::Denied(mut at), Input::Found(findings)) => {
                at.facts.findings.extend(findings);
                self.state = State::Denied(at);
            }
            (State::Denied(at), input) => return denied(now, at, input, misuse, out),
            (State::Released(at), input) => return released(now, at, input, misuse, out),
            (State::Ended, _) => return Err(misuse),
            (State::Recording(at), _) => {
                refuse(at.evidence.call.id, Code::Bug, out);
                return Err(misuse);
            }
            (State::Reassessing(at), _) => {
                refuse(at.call, Code::Bug, out);
                return Err(misuse);
            }
            (State::Forwarded(at), _) => {
                out.push(Effect::Refuse(Refusal::new(at.evidence.call.id, Code::Bug)));
                let (ending, answer) = (Ending::Withheld, Answer::default());
                close(
                    now,
                    at.evidence.call.id,
                    at.evidence.session,
                    ending,
                    Some(Code::Bug),
                    answer,
                    Vec::new(),
                    out,
                );
                return Err(misuse);
            }
        }
        Ok(())
    }

    /// The record of the ruling is durable. Only here is a permit minted for a consequential call.
    fn durable(
        &mut self,
        now: Timestamp,
        at: Recording<R>,
        receipt: u64,
        epoch: u64,
        out: &mut Vec<Effect<R>>,
    ) {
        let (call, session) = (at.evidence.call.id, at.evidence.session);
        if epoch == at.evidence.epoch {
            out.push(Effect::Forward(Permit::mint(call, Some(receipt), at.outbound)));
            self.state = State::Forwarded(Forwarded {
                evidence: at.evidence,
                deferred: false,
            });
            return;
        }
        // A tainting read landed between ruling and now: that ruling spoke of a session that is no more.
        if at.reassessments >= REASSESSMENTS_MAX {
            // The last record says "allow" and is durable; the closing one says that nothing came of it.
            out.push(Effect::Refuse(Refusal::new(call, Code::Saturated)));
            let (ending, answer) = (Ending::Withheld, Answer::default());
            return close(
                now,
                call,
                session,
                ending,
                Some(Code::Saturated),
                answer,
                Vec::new(),
                out,
            );
        }
        out.push(Effect::Reassess(at.evidence));
        self.state = State::Reassessing(Reassessing {
            outbound: at.outbound,
            call,
            session,
            reassessments: at.reassessments.saturating_add(1),
        });
    }

    /// Rules, and says what follows. A ruling on reassessed evidence appends a record that supersedes the one before.
    fn rule(
        &self,
        evidence: Box<Evidence>,
        outbound: R,
        reassessments: u8,
        out: &mut Vec<Effect<R>>,
    ) -> State<R> {
        let mut decision = crate::decide(&self.policy, &evidence);
        let (call, session) = (evidence.call.id, evidence.session);
        // What was handed on bounds a call before any policy, one that only observes as well.
        let outside = evidence.principal.outside(&evidence.call, session, evidence.now);
        let exceeds = outside.is_some();
        if exceeds {
            decision.ruling = RulingWord::Deny;
            decision.because = Because {
                outside,
                ..Because::default()
            };
        }
        let refusal = match decision.ruling {
            _ if exceeds => Some(Refusal::new(call, Code::DelegationExceeded)),
            RulingWord::Allow => None,
            RulingWord::Ask | RulingWord::Deny => Some(refusal(&evidence, &decision)),
        };
        // A superseding ruling is always awaited: the record it replaces says "allow" and is durable already.
        // And a reservation has to outlive a crash, whatever policy says of the call.
        let reserved = evidence.call.spending.is_some();
        let wait = refusal.is_none() && (decision.durable || reassessments > 0 || reserved);
        let record = record(&self.policy, &evidence, decision, refusal.as_ref());
        out.push(Effect::Append {
            record: Box::new(record),
            wait,
        });
        if let Some(refusal) = refusal {
            // A refusal need not be durable before it is told: nothing has happened that a lost record could hide,
            // and waiting would let a flood of refused calls queue for the disk ahead of allowed ones.
            out.push(Effect::Refuse(refusal));
            out.push(Effect::Done);
            return State::Ended;
        }
        if wait {
            return State::Recording(Recording {
                outbound,
                evidence,
                reassessments,
            });
        }
        // Deferred: ruling and permit are one step, so no read can land in between and there is no epoch to compare.
        out.push(Effect::Forward(Permit::mint(call, None, outbound)));
        State::Forwarded(Forwarded {
            evidence,
            deferred: true,
        })
    }

    /// Rules on an answer by what was seen in it, before that goes back. An answer in which nothing was seen needs no
    /// ruling of its own; a ruling that differs from the call's is recorded.
    fn answer(&self, mut at: Released, new: AnswerFacts, out: &mut Vec<Effect<R>>) -> State<R> {
        at.facts.status = new.status.or(at.facts.status);
        if new.findings.is_empty() {
            return State::Released(at);
        }
        at.facts.findings.extend(new.findings.iter().cloned());
        at.evidence.answering = true;
        at.evidence.findings.extend(new.findings);
        let evidence = &at.evidence;
        let mut decision = crate::decide(&self.policy, evidence);
        // A question would come too late: nobody is asked about an answer.
        let denies = decision.ruling != RulingWord::Allow;
        if !denies && (at.noted || !decision.would_deny) {
            return State::Released(at);
        }
        let refusal = denies.then(|| {
            decision.ruling = RulingWord::Deny;
            let mut told = refusal(evidence, &decision);
            if told.code != Code::PolicyError {
                told.code = Code::AnswerWithheld;
            }
            told
        });
        out.push(Effect::Append {
            record: Box::new(record(&self.policy, evidence, decision, refusal.as_ref())),
            wait: false,
        });
        let Some(refusal) = refusal else {
            at.noted = true;
            return State::Released(at);
        };
        out.push(Effect::Withhold(refusal));
        State::Denied(Denied {
            call: at.evidence.call.id,
            session: at.evidence.session,
            facts: at.facts,
        })
    }

    /// Whether policy would withhold an answer for a finding like this. Asked before anything is seen, to know what an
    /// answer has to be held back for; it decides nothing.
    #[must_use]
    pub fn would_withhold(&self, findings: &[Finding]) -> bool {
        let evidence = match &self.state {
            State::Forwarded(at) => &at.evidence,
            State::Released(at) => &at.evidence,
            _ => return true,
        };
        let mut evidence = evidence.clone();
        evidence.answering = true;
        evidence.findings.extend(findings.iter().cloned());
        crate::decide(&self.policy, &evidence).ruling != RulingWord::Allow
    }
}

/// After a denial: how it ended is left to say, and it was withheld.
fn denied<R>(
    now: Timestamp,
    at: Denied,
    input: Input,
    misuse: Misuse,
    out: &mut Vec<Effect<R>>,
) -> Result<(), Misuse> {
    let (ending, code, mut answer, fits) = match input {
        Input::Withheld(code, answer) => (Ending::Withheld, code, answer, true),
        Input::Failed(code, answer) => (Ending::UpstreamFailed, code, answer, true),
        Input::Abandoned(answer) => (Ending::Abandoned, Code::AnswerWithheld, answer, true),
        _ => (Ending::Withheld, Code::Bug, Answer::default(), false),
    };
    answer.status = answer.status.or(at.facts.status);
    let (call, session, findings) = (at.call, at.session, at.facts.findings);
    close(now, call, session, ending, Some(code), answer, findings, out);
    if fits { Ok(()) } else { Err(misuse) }
}

/// After the release: only how it ended is left to say.
fn released<R>(
    now: Timestamp,
    at: Released,
    input: Input,
    misuse: Misuse,
    out: &mut Vec<Effect<R>>,
) -> Result<(), Misuse> {
    let (ending, code, mut answer, fits) = match input {
        Input::Finished(answer) => (Ending::Complete, None, answer, true),
        Input::Failed(code, answer) => (Ending::UpstreamFailed, Some(code), answer, true),
        Input::Withheld(code, answer) => (Ending::Withheld, Some(code), answer, true),
        Input::Abandoned(answer) => (Ending::Abandoned, None, answer, true),
        _ => (Ending::Withheld, Some(Code::Bug), Answer::default(), false),
    };
    answer.status = answer.status.or(at.facts.status);
    let (call, session) = (at.evidence.call.id, at.evidence.session);
    close(now, call, session, ending, code, answer, at.facts.findings, out);
    if fits { Ok(()) } else { Err(misuse) }
}

fn refuse<R>(call: CallId, code: Code, out: &mut Vec<Effect<R>>) {
    out.push(Effect::Refuse(Refusal::new(call, code)));
    out.push(Effect::Done);
}

/// The closing record. Not awaited: recovery closes what a crash leaves open as `interrupted`.
#[expect(
    clippy::too_many_arguments,
    reason = "one record's fields, named at the one place that writes them"
)]
fn close<R>(
    now: Timestamp,
    call: CallId,
    session: SessionId,
    ending: Ending,
    code: Option<Code>,
    answer: Answer,
    findings: Vec<Finding>,
    out: &mut Vec<Effect<R>>,
) {
    let mut record = Record::new(RecordKind::Closing, now);
    record.call = Some(call);
    record.session = Some(session);
    record.ending = Some(ending);
    record.code = code;
    record.answer = Some(answer);
    record.findings = findings;
    out.push(Effect::Append {
        record: Box::new(record),
        wait: false,
    });
    out.push(Effect::Done);
}

fn record(policy: &Policy, evidence: &Evidence, decision: Decision, refusal: Option<&Refusal>) -> Record {
    let kept = policy.keep(evidence);
    let mut record = Record::new(RecordKind::Ruling, evidence.now);
    record.call = Some(evidence.call.id);
    record.session = Some(evidence.session);
    record.epoch = Some(evidence.epoch);
    record.principal = Some(evidence.principal.clone());
    record.facts = Some(facts(&evidence.call, kept.arguments));
    record.pruned = kept.pruned;
    record.answering = evidence.answering;
    record.approved = evidence.approved;
    record.ruling = Some(decision.ruling);
    record.policy = Some(policy.digest());
    record.because = Some(decision.because);
    record.findings.clone_from(&evidence.findings);
    record.code = refusal.map(|refusal| refusal.code);
    record
}

/// The call's facts with these arguments for its own, which are never copied whole first.
fn facts(call: &CallFacts, arguments: Option<Arguments>) -> CallFacts {
    CallFacts {
        id: call.id,
        action: call.action,
        resource: call.resource.clone(),
        surface: call.surface,
        streaming: call.streaming,
        bytes: call.bytes,
        digest: call.digest,
        pin: call.pin,
        effects: call.effects,
        arguments,
        flow: call.flow.clone(),
        proposer: call.proposer.clone(),
        spending: call.spending.clone(),
        bar: call.bar.clone(),
        secrets: Arc::clone(&call.secrets),
    }
}

/// What the caller is told: a code by cause, and the operator's `@reason` where one policy alone gave it.
fn refusal(evidence: &Evidence, decision: &Decision) -> Refusal {
    if let Some(code) = decision.because.barred {
        let mut refusal = Refusal::new(evidence.call.id, code);
        refusal.retry_after_seconds = evidence.call.barred().and_then(|(_, seconds)| seconds);
        let bar = evidence.call.bar.as_ref().filter(|bar| bar.code == code);
        let scopes = bar.map(|bar| &bar.scopes).filter(|scopes| !scopes.is_empty());
        refusal.scopes = scopes.map(|scopes| Box::new(scopes.clone()));
        return refusal;
    }
    let because = &decision.because;
    let withheld = match evidence.call.pin {
        PinState::Changed => Some(Code::ToolWithheld),
        PinState::Unlisted => Some(Code::ToolUnusable),
        PinState::None | PinState::First | PinState::Same => None,
    };
    let code = match (decision.ruling, evidence.call.action) {
        _ if !because.errors.is_empty() => Code::PolicyError,
        (RulingWord::Ask, _) => Code::PolicyAsk,
        (_, Action::UseHostedTool) => Code::HostedToolRefused,
        (_, Action::UseServerHistory) => Code::ServerHistoryRefused,
        (_, Action::CallTool | Action::GetPrompt) if let Some(code) = withheld => code,
        (_, Action::ProposeTool) => Code::ProposalRefused,
        _ if server_changed(evidence, because) => Code::ServerChanged,
        _ => Code::PolicyDenied,
    };
    let mut refusal = Refusal::new(evidence.call.id, code);
    // An erring policy's reason would explain a rule that did not decide.
    let speaking = because.policies.iter().chain(&because.would_permit);
    let reason = speaking
        .map(|policy| policy.reason.as_str())
        .find(|reason| !reason.is_empty());
    // A withheld tool may trip several policies; what the caller needs to know is that it is withheld.
    let pinned = matches!(
        code,
        Code::ToolWithheld | Code::ToolUnusable | Code::ServerChanged
    );
    let told = because.errors.is_empty() && !pinned;
    if let (Some(reason), true) = (reason, told) {
        refusal.sentence = reason.to_owned();
    }
    refusal
}

/// Whether the rules that decided read what was seen, and nothing harmful was but that the server is not what it was.
fn server_changed(evidence: &Evidence, because: &Because) -> bool {
    let reads = |path: &str| because.facts.iter().any(|fact| fact.path == path);
    let harmful = evidence
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::High);
    let mut kinds = harmful.map(|finding| finding.kind).peekable();
    (reads("context.worst") || reads("context.harmful"))
        && kinds.peek().is_some()
        && kinds.all(|kind| kind == FindingKind::PinChanged)
}

#[cfg(test)]
mod tests;
