//! Drives the guard: performs its effects in order and feeds the results back. Decides nothing.
//!
//! INVARIANT 2: a permit comes out of here only after the guard minted it, and the guard mints it only once the
//! record is durable where policy asks for that.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use bartizan_flow::Assessment;
use bartizan_guard::{AnswerFacts, Crossing, Effect, Input, Permit, Release, budget::Bound};
use bartizan_types::{
    Action, Answer, ApprovalId, CallFacts, CallId, Code, Evidence, Finding, Principal, Record, RecordKind,
    Refusal, RulingWord, Surface, Timestamp,
};

use crate::{
    Shared,
    approvals::Held,
    clock,
    egress::Badge,
    reins::Reins,
    rejections::{limit_of_answer, limit_of_stream},
    sessions::{Likes, Session, Traced},
    spending::{Billed, End, Reserved},
    upstream::Carries,
};

/// Who calls, as checked at the edge.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The identity.
    pub principal: Arc<Principal>,
    /// Its session.
    pub session: Session,
    /// What may end its request early.
    pub reins: Arc<Reins>,
    /// The token that it showed, where tokens are exchanged; never passed on.
    pub shown: Option<Arc<bartizan_types::Secret<String>>>,
    /// What was shown to the proxy, for what is opened there and stays open.
    pub badge: Option<Badge>,
}

/// A call as the guard is asked about it, with what is needed to ask again. On the heap, as a [`Passage`] is.
pub(crate) struct Asking {
    evidence: Evidence,
    session: Session,
    traced: Option<Traced>,
    bound: Bound,
    reins: Arc<Reins>,
}

impl Asking {
    /// With the most that it may come to.
    #[must_use]
    pub(crate) fn bounded(mut self: Box<Self>, bound: Bound) -> Box<Self> {
        self.bound = bound;
        self
    }

    /// What the guard is asked about.
    pub(crate) const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Where its arguments came from.
    pub(crate) const fn trace(&self) -> Option<&Traced> {
        self.traced.as_ref()
    }

    /// Takes in what humans said of it: other sources for its arguments, and a yes to exactly this call.
    pub(crate) fn answered(&mut self, found: Option<Assessment>, approved: Option<ApprovalId>) {
        if let (Some(traced), Some(found)) = (&mut self.traced, found) {
            traced.found = Arc::new(found);
            traced.mark(&mut self.evidence.call);
        }
        self.evidence.approved = approved;
    }

    /// With where its arguments came from.
    #[must_use]
    pub(crate) fn traced(mut self: Box<Self>, traced: Option<Traced>) -> Box<Self> {
        if let Some(traced) = &traced {
            traced.mark(&mut self.evidence.call);
        }
        self.traced = traced;
        self
    }
}

/// One finished call, for telemetry: names and numbers, never content.
#[derive(Debug, Clone)]
pub struct CallSpan {
    /// The call.
    pub call: CallId,
    /// Who.
    pub agent: bartizan_types::AgentId,
    /// What.
    pub action: Action,
    /// Where it arrived.
    pub surface: Surface,
    /// On what, as Cedar entity type and id.
    pub resource: (&'static str, String),
    /// The ruling.
    pub ruling: RulingWord,
    /// The code, if refused or failed.
    pub code: Option<Code>,
    /// Start.
    pub began: Timestamp,
    /// End.
    pub ended: Timestamp,
    /// What was answered.
    pub answer: Answer,
}

/// A call that has its permit, until its answer has gone back. Dropped unfinished, it is recorded as abandoned.
///
/// Kept on the heap: it is handed on many times on its way, and each time only its address moves.
pub(crate) struct Passage<R>(Box<Passing<R>>);

/// What a [`Passage`] holds.
pub(crate) struct Passing<R> {
    shared: Arc<Shared>,
    crossing: Crossing<R>,
    span: CallSpan,
    /// What has been released so far; kept up to date by whoever releases.
    pub released: Answer,
    open: bool,
    reins: Arc<Reins>,
    /// What is set aside for it.
    reserved: Option<Reserved>,
    /// Nothing of it left.
    unsent: bool,
    /// Tokens in as they are paid for, where the provider said.
    pub billed: Option<Billed>,
}

impl<R> Deref for Passage<R> {
    type Target = Passing<R>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<R> DerefMut for Passage<R> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Shared {
    /// The evidence of a call by this caller.
    pub(crate) fn evidence(&self, caller: &Caller, call: CallFacts, findings: Vec<Finding>) -> Box<Asking> {
        let evidence = Evidence {
            now: clock::now(),
            principal: Principal::clone(&caller.principal),
            session: caller.session.id,
            epoch: caller.session.epoch(),
            call,
            findings,
            answering: false,
            approved: None,
        };
        Box::new(Asking {
            evidence,
            session: caller.session.clone(),
            traced: None,
            bound: Bound::NO_MODEL,
            reins: Arc::clone(&caller.reins),
        })
    }

    /// Rules on a call and records the ruling, with the names of the secrets that go out with it. The permit it gives
    /// forwards the call, the passage brings the answer back. What humans endorsed and approved is part of the evidence;
    /// what a ruling asks of them becomes a question, whose id the refusal names.
    ///
    /// # Errors
    /// The refusal to tell the caller. It is already recorded, or the ledger is what failed.
    pub(crate) async fn enter<R: Carries>(
        self: &Arc<Self>,
        mut asking: Box<Asking>,
        outbound: R,
    ) -> Result<(Permit<R>, Passage<R>), Refusal> {
        let mut held = self.approvals.consult(&mut asking);
        let (mut asked, mut counted) = (None, None);
        let Asking {
            mut evidence,
            session,
            traced,
            bound,
            reins,
        } = *asking;
        evidence.call.secrets = outbound.secrets();
        let (seen, reserved) = self.admit(&mut evidence, bound, &reins);
        let span = span_of(&evidence);
        let mut effects = Vec::with_capacity(3);
        let crossing = Crossing::begin(self.policy.load_full(), evidence, outbound, &mut effects);
        let mut passage = Passage::new(Arc::clone(self), crossing, span, reins, reserved);
        loop {
            let (mut next, mut permit) = (None, None);
            for effect in effects.drain(..) {
                match effect {
                    Effect::Append { mut record, wait } => {
                        passage.note(&record);
                        passage.reins.yields();
                        // What takes back an allowance that is on record is on record as well.
                        if asked.is_none()
                            && let Some(summary) = self.rejections.deny(&record, clock::now())
                        {
                            counted = Some(summary);
                            continue;
                        }
                        let likes = Likes::explain(&mut record, traced.as_ref());
                        match self.put(&record, wait, &mut held).await {
                            Ok(Some(receipt)) => next = Some(passage.durable(receipt, &session, seen)),
                            Ok(None) => {}
                            Err(code) => {
                                next = Some(Input::LedgerFailed(code));
                                break;
                            }
                        }
                        asked = Some((record, likes));
                    }
                    Effect::Reassess(mut evidence) => {
                        self.look_again(&mut evidence, &session, traced.as_ref());
                        next = Some(Input::Reassessed(evidence));
                    }
                    Effect::Forward(minted) => permit = Some(minted),
                    Effect::Refuse(mut refusal) => {
                        refusal.call = counted.unwrap_or(refusal.call);
                        session.refused(traced.as_ref());
                        refusal.approval = Box::pin(self.approvals.question_of(asked, traced.as_ref())).await;
                        return Err(passage.refused(refusal));
                    }
                    Effect::Release(_) | Effect::Withhold(_) | Effect::Done => {}
                }
            }
            if let Some(permit) = permit {
                return passage.leaves(seen).map(|passage| (permit, passage));
            }
            let Some(input) = next else {
                return Err(passage.refused(Refusal::new(passage.span.call, Code::Bug)));
            };
            if let Err(misuse) = passage.crossing.step(clock::now(), input, &mut effects) {
                tracing::error!(call = %passage.span.call, %misuse, "the guard was driven wrongly");
            }
        }
    }

    /// The evidence as it is now.
    fn look_again(&self, evidence: &mut Evidence, session: &Session, traced: Option<&Traced>) {
        evidence.now = clock::now();
        evidence.epoch = session.epoch();
        if let Some(bar) = self.revoked.bar(evidence) {
            evidence.call.bar = Some(Box::new(bar));
        }
        if let Some(traced) = traced {
            self.approvals.again(traced, evidence);
        }
    }

    /// What stands in a call's way, and what budgets set aside for it. Gives the revocations' version that it saw.
    fn admit(&self, evidence: &mut Evidence, bound: Bound, reins: &Reins) -> (u64, Option<Reserved>) {
        reins.touch(evidence);
        let seen = self.revoked.version();
        if let Some(bar) = self.revoked.bar(evidence) {
            evidence.call.bar = Some(Box::new(bar));
        }
        if evidence.call.bar.is_none() {
            let bar = self
                .config
                .scopes
                .bar(&evidence.principal, &evidence.call.resource)
                .or_else(|| self.config.limits.loops.recursion(&evidence.principal));
            evidence.call.bar = bar.map(Box::new);
        }
        let reserved = match evidence.call.bar {
            None => self.budgets.reserve(evidence, bound),
            Some(_) => None,
        };
        (seen, reserved)
    }

    /// Appends a record, and with one that allows uses up the yes it rests on: before the session's epoch is compared, so
    /// that forwarding is what comes next.
    async fn put(&self, record: &Record, wait: bool, held: &mut Option<Held>) -> Result<Option<u64>, Code> {
        let receipt = self.write(record, wait).await?;
        if record.ruling == Some(RulingWord::Allow)
            && let Some(held) = held.take()
        {
            held.spend().await?;
        }
        Ok(receipt)
    }

    /// Appends a record, waiting until it is durable if asked to; then its index is returned.
    async fn write(&self, record: &Record, wait: bool) -> Result<Option<u64>, Code> {
        if wait {
            let receipt = self.ledger.append(record).await.map_err(|fault| fault.code())?;
            return Ok(Some(receipt.index));
        }
        self.ledger
            .append_deferred(record)
            .map_err(|fault| fault.code())?;
        Ok(None)
    }
}

/// The span of a call that has just begun: denied until something else is known.
fn span_of(evidence: &Evidence) -> CallSpan {
    CallSpan {
        call: evidence.call.id,
        agent: evidence.principal.agent.clone(),
        action: evidence.call.action,
        surface: evidence.call.surface,
        resource: (
            evidence.call.resource.type_name(),
            evidence.call.resource.entity_id(),
        ),
        ruling: RulingWord::Deny,
        code: None,
        began: evidence.now,
        ended: evidence.now,
        answer: Answer::default(),
    }
}

impl<R> Passage<R> {
    fn new(
        shared: Arc<Shared>,
        crossing: Crossing<R>,
        span: CallSpan,
        reins: Arc<Reins>,
        reserved: Option<Reserved>,
    ) -> Self {
        Self(Box::new(Passing {
            shared,
            crossing,
            span,
            released: Answer::default(),
            open: false,
            reins,
            reserved,
            unsent: false,
            billed: None,
        }))
    }

    /// The record is safe: the permit may be minted, unless something that the call rests on was revoked meanwhile.
    fn durable(&self, receipt: u64, session: &Session, seen: u64) -> Input {
        let epoch = session.epoch();
        match self.shared.revoked.bar_since(seen, &self.reins) {
            Some(bar) => Input::Barred(bar),
            None => Input::Durable { receipt, epoch },
        }
    }

    /// The call.
    pub(crate) fn call(&self) -> CallId {
        self.span.call
    }

    /// The upstream answered: the release lets its bytes go back.
    ///
    /// # Errors
    /// The refusal to tell the caller instead.
    pub(crate) fn answered(&mut self, facts: AnswerFacts) -> Result<Release, Refusal> {
        self.released.status = facts.status.or(self.released.status);
        let mut release = None;
        let mut refusal = None;
        for effect in self.step(Input::Answered(facts)) {
            match effect {
                Effect::Release(minted) => release = Some(minted),
                Effect::Refuse(said) => refusal = Some(said),
                Effect::Withhold(said) => {
                    self.withhold(said.code);
                    return Err(said);
                }
                _ => {}
            }
        }
        match (release, refusal) {
            (Some(release), None) => Ok(release),
            (_, refusal) => {
                Err(self.refused(refusal.unwrap_or_else(|| Refusal::new(self.span.call, Code::Bug))))
            }
        }
    }

    /// Something was seen in an answer that is on its way already, in what has not gone out yet: its closing record says
    /// so.
    ///
    /// # Errors
    /// Policy withholds it: the refusal to tell. [`Self::withheld`] is owed.
    pub(crate) fn found(&mut self, findings: Vec<Finding>) -> Result<(), Refusal> {
        if findings.is_empty() {
            return Ok(());
        }
        for effect in self.step(Input::Found(findings)) {
            if let Effect::Withhold(refusal) = effect {
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Whether policy would withhold the answer for such findings.
    pub(crate) fn would_withhold(&self, findings: &[Finding]) -> bool {
        self.crossing.would_withhold(findings)
    }

    /// It has its permit, and goes unless it was revoked meanwhile: a record that was not waited for leaves no time for
    /// more than this look.
    fn leaves(mut self, seen: u64) -> Result<Self, Refusal> {
        self.open = true;
        if let Some(bar) = self.shared.revoked.bar_since(seen, &self.reins) {
            self.unsent = true;
            let call = self.span.call;
            self.reins.ended_by(bar.what);
            self.withheld(bar.code);
            return Err(Refusal::new(call, bar.code));
        }
        if let Some(reserved) = &self.reserved {
            self.reins.bound(reserved.millis, reserved.bytes);
        }
        Ok(self)
    }

    /// The upstream was not reached, so nothing of it was spent.
    pub(crate) fn unsent(&mut self) {
        self.unsent = true;
    }

    /// Settles what was set aside, and notes it for the closing record.
    fn settle(&mut self, end: End) -> Answer {
        if let Some(reserved) = self.reserved.take() {
            let end = if self.unsent { End::Unsent } else { end };
            let settled = self
                .shared
                .budgets
                .settle(&reserved, (end, self.billed), &self.released);
            self.released.settled = Some(settled);
        }
        self.released.clone()
    }

    /// The whole answer went back.
    pub(crate) fn finish(mut self) {
        let answer = self.settle(End::Whole);
        self.end(Input::Finished(answer), None);
    }

    /// The upstream failed. Gives what to tell the caller, if it can still be told.
    pub(crate) fn failed(mut self, code: Code) -> Refusal {
        let answer = self.settle(End::Cut);
        self.end(Input::Failed(code, answer), Some(code));
        Refusal::new(self.span.call, code)
    }

    /// The upstream's answer could not be read whole, or did not come in time. Where that met a limit, it is told.
    pub(crate) fn unread(self, code: Code) -> Refusal {
        let limit = limit_of_answer(&self.shared.config.limits, code);
        saying(self.failed(code), limit)
    }

    /// The same of a stream.
    pub(crate) fn cut_off(self, code: Code) -> Refusal {
        let limit = limit_of_stream(&self.shared.config.limits, code);
        saying(self.failed(code), limit)
    }

    /// The upstream's answer was read and is not what it must be. How deep it may be is told.
    pub(crate) fn misread(self, fault: bartizan_wire::Fault) -> Refusal {
        let depth = self.shared.config.limits.json_depth;
        let limit = (fault.code == Code::JsonDepth)
            .then(|| format!("it is nested deeper than {depth} levels (`[limits] json_depth`)"));
        saying(self.failed(fault.of_upstream().code), limit)
    }

    /// The answer, or the rest of it, is withheld.
    pub(crate) fn withheld(mut self, code: Code) {
        self.withhold(code);
    }

    fn withhold(&mut self, code: Code) {
        let answer = self.settle(End::Cut);
        self.end(Input::Withheld(code, answer), Some(code));
    }

    fn end(&mut self, input: Input, code: Option<Code>) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.step(input);
        if let Some(code) = code {
            self.shared.meters.refused(code);
        }
        self.span.code = code;
        self.report();
    }

    /// Feeds one input of the way back; the records it asks for are appended without waiting.
    fn step(&mut self, input: Input) -> Vec<Effect<R>> {
        let mut effects = Vec::with_capacity(2);
        if let Err(misuse) = self.crossing.step(clock::now(), input, &mut effects) {
            tracing::error!(call = %self.span.call, %misuse, "the guard was driven wrongly");
        }
        for effect in &mut effects {
            if let Effect::Append { record, .. } = effect {
                if record.kind == RecordKind::Closing && record.code == Some(Code::Revoked) {
                    record.note = self.reins.revoked_by();
                }
                self.note(record);
                if let Err(fault) = self.shared.ledger.append_deferred(record) {
                    // The opening record is durable; recovery closes the call as interrupted.
                    tracing::error!(call = %self.span.call, error = %fault, "a record of the way back could not be queued");
                }
            }
        }
        effects
    }

    fn note(&mut self, record: &Record) {
        if let Some(ruling) = record.ruling {
            self.span.ruling = ruling;
            self.shared
                .meters
                .ruled(self.span.action, ruling, self.span.surface);
        }
    }

    fn refused(&mut self, refusal: Refusal) -> Refusal {
        self.open = false;
        if let Some(reserved) = self.reserved.take() {
            self.shared.budgets.cancel(&reserved);
        }
        self.shared.meters.refused(refusal.code);
        self.span.code = Some(refusal.code);
        self.report();
        refusal
    }

    fn report(&mut self) {
        self.span.ended = clock::now();
        self.span.answer = self.released.clone();
        self.shared
            .meters
            .took(self.span.ended.micros_since(self.span.began));
        self.shared
            .meters
            .released_bytes
            .fetch_add(self.released.bytes, std::sync::atomic::Ordering::Relaxed);
        self.shared.report(&self.span);
    }
}

impl<R> Drop for Passage<R> {
    fn drop(&mut self) {
        if !self.open {
            // Refused, or left while the record was on its way: nothing of it reached anybody.
            self.unsent = true;
        }
        let answer = self.settle(End::Cut);
        match self.reins.ended() {
            // The agent did not go away: its request was ended.
            Some(code) if self.open => self.end(Input::Withheld(code, answer), Some(code)),
            _ => self.end(Input::Abandoned(answer), None),
        }
    }
}

/// A refusal that tells the limit it is about, where there is one.
fn saying(refusal: Refusal, limit: Option<String>) -> Refusal {
    match limit {
        Some(limit) => refusal.saying(&limit),
        None => refusal,
    }
}
