//! A streamed answer on its way back: text goes as it comes, a tool call waits until it is whole and ruled on.
//!
//! INVARIANT: bytes reach the agent only from a `Step::Release` of the decoder, which holds every event of a tool
//! call, and everything behind it, until `settle`, and then from the weir, which holds an event until what it says has
//! been looked at and ruled on, where policy would withhold it. Nothing passes because it streamed.

use std::{pin::Pin, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use bartizan_guard::AnswerFacts;
use bartizan_types::{Code, Digest, Finding, Refusal};
use bartizan_wire::{
    echo::Strainer,
    model::{self as wire, Proposal, Step, StreamBounds, Usage},
};
use bytes::{Bytes, BytesMut};
use http::{Response, response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    Asked, dressed,
    outlast::{Rest, so_far},
    proposals::rule_on,
    used,
    wrote::Wrote,
};
use crate::{
    answer::{AgentBody, Cut, Pulled},
    gate::Passage,
    inspect::{Rule, Weir},
    mcp::Owner,
    meters::Gauge,
    privacy::Rewriter,
    room::Taken,
    upstream::{
        Outbound,
        echo::{self, Told},
    },
};

/// While a tool call is held, the agent hears at least this often that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What guards say of a part of the answer. While they are asked, nothing is read from the upstream.
type Asking = Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>;

/// The stream's state between pulls.
struct Flow {
    asked: Asked,
    passage: Option<Passage<Outbound>>,
    /// There until the answer goes on without its agent.
    body: Option<Incoming>,
    decoder: Option<wire::Stream>,
    hash: digest::Context,
    bytes: u64,
    /// How long the upstream has said nothing.
    silence: Duration,
    /// When the agent was last given something.
    given: Instant,
    /// Room for what the decoder holds back.
    room: Taken,
    /// Looks at the answer's text, and holds it back for that where policy would withhold it.
    weir: Option<Weir>,
    /// Masks values and restores tokens, where some may be.
    rewriter: Option<Rewriter>,
    /// Takes out what the upstream was shown as a credential.
    strainer: Option<Strainer>,
    asking: Option<Asking>,
    /// What the model wrote, where it may come back as a prompt.
    wrote: Option<Wrote>,
    /// The upstream ended the stream: what it used, and what may go with the end.
    ended: Option<(Usage, BytesMut)>,
}

/// What one turn of the decoder gave.
#[derive(Default)]
struct Turn {
    out: BytesMut,
    proposals: Vec<Proposal>,
    usage: Option<Usage>,
}

impl Turn {
    fn take(&mut self, step: Step<'_>) {
        match step {
            Step::Release(bytes) => self.out.extend_from_slice(bytes),
            Step::Proposal(proposal) => self.proposals.push(proposal),
            Step::End(usage) => self.usage = Some(usage),
            Step::Hold => {}
        }
    }
}

/// Begins to release a streamed answer.
///
/// # Errors
/// The refusal to tell instead, while nothing has gone out yet.
pub(super) async fn release(
    asked: Asked,
    mut passage: Passage<Outbound>,
    head: response::Parts,
    body: Incoming,
) -> Result<Response<AgentBody>, Refusal> {
    let limits = &asked.shared.config.limits;
    let bounds = StreamBounds {
        event_bytes: limits.event_bytes,
        held_bytes: limits.held_bytes,
        ..StreamBounds::default()
    };
    let decoder = wire::Stream::new(asked.api, bounds);
    let decoder = if asked.strips_usage {
        decoder.stripping_usage()
    } else {
        decoder
    };
    let weir = weir_of(&asked, &passage);
    let rewriter = match &asked.resource {
        Some(resource) => {
            let surface = asked.api.surface();
            asked.shared.rewriter(&asked.caller, resource, surface).await
        }
        None => None,
    };
    let release = passage.answered(AnswerFacts {
        status: Some(head.status.as_u16()),
        findings: Told::of_headers(&head.extensions).into_iter().collect(),
    })?;
    let open = Gauge::raise(Arc::clone(&asked.shared.meters), |meters| &meters.streams);
    let mut dressing = Response::new(());
    *dressing.headers_mut() = dressed(&head, &passage, AgentBody::ours(Vec::new()))
        .into_parts()
        .0
        .headers;
    let room = asked.shared.answers.of(&asked.caller.principal).nothing();
    let flow = Flow {
        wrote: Wrote::of(&asked),
        asked,
        passage: Some(passage),
        body: Some(body),
        decoder: Some(decoder),
        hash: digest::Context::new(&digest::SHA256),
        bytes: 0,
        silence: Duration::ZERO,
        given: Instant::now(),
        room,
        weir,
        rewriter,
        strainer: Told::strainer(&head.extensions),
        asking: None,
        ended: None,
    };
    let stream = Pulled::new(Box::new(flow), |flow| Box::pin(next(flow)));
    let mut response = Response::new(AgentBody::stream(release, stream).holding(open));
    *response.status_mut() = head.status;
    *response.headers_mut() = dressing.into_parts().0.headers;
    Ok(response)
}

/// What looks at an answer, and holds it back for what policy would withhold.
fn weir_of(asked: &Asked, passage: &Passage<Outbound>) -> Option<Weir> {
    let inspector = asked.shared.inspector.as_ref()?;
    let owner = Owner::of(&asked.caller.principal);
    let would_withhold = |findings: &[Finding]| passage.would_withhold(findings);
    let holds = inspector.holds(&asked.expected, &would_withhold);
    let judged = inspector.judges(&would_withhold);
    let event_bytes = asked.shared.config.limits.event_bytes;
    Some(Weir::new(
        inspector,
        owner,
        &asked.expected,
        event_bytes,
        holds,
        judged,
    ))
}

/// The next bytes for the agent.
async fn next(mut flow: Box<Flow>) -> Option<(Box<Flow>, Result<Bytes, Cut>)> {
    loop {
        if flow.asking.is_some() {
            match flow.judged().await {
                None => return Some(flow.give(Bytes::from_static(b": keep-alive\n\n"))),
                Some((out, Ok(()))) if out.is_empty() => {}
                Some((out, Ok(()))) => return Some(flow.give(out.freeze())),
                Some((out, Err(Stop::Refused(refusal)))) => return flow.refuse(&refusal, out),
                Some((out, Err(Stop::Malformed(code)))) => return flow.cut_off(code, out),
            }
            continue;
        }
        if flow.ended.is_some() {
            return flow.end();
        }
        let decoder = flow.decoder.as_mut()?;
        // Between held events a comment is safe; anywhere else it might fall inside one of the upstream's.
        let holding = decoder.is_holding()
            || flow.weir.as_ref().is_some_and(Weir::is_holding)
            || flow.strainer.as_ref().is_some_and(Strainer::is_holding);
        if holding && flow.given.elapsed() >= KEEP_ALIVE {
            return Some(flow.give(Bytes::from_static(b": keep-alive\n\n")));
        }
        let left = flow
            .asked
            .shared
            .config
            .limits
            .upstream_timeout
            .saturating_sub(flow.silence);
        let wait = if holding { left.min(KEEP_ALIVE) } else { left };
        let chunk = match tokio::time::timeout(wait, flow.body.as_mut()?.frame()).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) => chunk,
                Err(_) => continue,
            },
            Ok(None) => {
                let mut out = BytesMut::new();
                match flow.close(&mut out) {
                    Ok(()) => continue,
                    Err(Stop::Refused(refusal)) => return flow.refuse(&refusal, out),
                    Err(Stop::Malformed(code)) => return flow.cut_off(code, out),
                }
            }
            Ok(Some(Err(_))) => return flow.cut_off(Code::UpstreamUnreachable, BytesMut::new()),
            Err(_) if wait == left => return flow.cut_off(Code::UpstreamTimeout, BytesMut::new()),
            Err(_) => {
                flow.silence += wait;
                continue;
            }
        };
        flow.silence = Duration::ZERO;
        let mut turn = Turn::default();
        if let Err(fault) = decoder.push(&chunk, &mut |step| turn.take(step)) {
            return flow.broken(fault.of_upstream().code, turn.out);
        }
        let settled = flow.settle(&mut turn).await;
        // Also what was released before a refused call is looked at before it goes.
        let settled = flow.read(&mut turn.out).and(settled).and_then(|()| flow.keep());
        flow.ask();
        match settled {
            Ok(()) if turn.out.is_empty() => {}
            // Most chunks go as they came: no copy is kept of those.
            Ok(()) if turn.out.len() == chunk.len() && turn.out == chunk => return Some(flow.give(chunk)),
            Ok(()) => return Some(flow.give(turn.out.freeze())),
            Err(Stop::Refused(refusal)) => return flow.refuse(&refusal, turn.out),
            Err(Stop::Malformed(code)) => return flow.cut_off(code, turn.out),
        }
    }
}

enum Stop {
    Refused(Refusal),
    Malformed(Code),
}

impl Flow {
    /// Rules on what is pending until nothing is.
    async fn settle(&mut self, turn: &mut Turn) -> Result<(), Stop> {
        while !turn.proposals.is_empty() {
            let proposals = std::mem::take(&mut turn.proposals);
            rule_on(&self.asked, &proposals).await.map_err(Stop::Refused)?;
            let decoder = self.decoder.as_mut().ok_or(Stop::Malformed(Code::Bug))?;
            decoder
                .settle(true, &mut |step| turn.take(step))
                .map_err(|fault| Stop::Malformed(fault.of_upstream().code))?;
        }
        if let (Some(usage), Some(passage)) = (turn.usage.take(), self.passage.as_mut()) {
            used(self.asked.api, passage, usage);
        }
        Ok(())
    }

    /// Looks into what is about to go out, and masks and restores in it. What policy withholds ends it: `out` is then what
    /// goes before.
    fn read(&mut self, out: &mut BytesMut) -> Result<(), Stop> {
        let refused = if out.is_empty() {
            None
        } else {
            self.look(out, false)?
        };
        self.rewrite(out)?;
        refused.map_or(Ok(()), |refusal| Err(Stop::Refused(refusal)))
    }

    /// What came before the upstream failed is looked at like all else; where it can't be, nothing of it goes.
    fn before(&mut self, out: &mut BytesMut) -> Option<Refusal> {
        match self.read(out) {
            Ok(()) => None,
            Err(Stop::Refused(refusal)) => Some(refusal),
            Err(Stop::Malformed(_)) => {
                out.clear();
                None
            }
        }
    }

    fn rewrite(&mut self, out: &mut BytesMut) -> Result<(), Stop> {
        if let Some(rewriter) = self.rewriter.as_mut().filter(|_| !out.is_empty()) {
            let rewritten = rewriter.push(out).map_err(Stop::Malformed)?;
            *out = BytesMut::from(rewritten);
        }
        self.strain(out)
    }

    /// Takes out what the upstream was shown, and says so in the record.
    fn strain(&mut self, out: &mut BytesMut) -> Result<(), Stop> {
        let Some(strainer) = self.strainer.as_mut().filter(|_| !out.is_empty()) else {
            return Ok(());
        };
        if let Some(clean) = strainer.push(out) {
            *out = clean.as_slice().into();
        }
        match &mut self.passage {
            Some(passage) if strainer.took() => passage.found(vec![echo::finding()]).map_err(Stop::Refused),
            _ => Ok(()),
        }
    }

    /// Leaves in `out` what may go; gives the refusal, where policy withholds what comes then. `last`: nothing follows.
    fn look(&mut self, out: &mut BytesMut, last: bool) -> Result<Option<Refusal>, Stop> {
        if self.weir.is_none() {
            return Ok(None);
        }
        let came = out.split();
        self.weigh(out, |weir, rule, out| {
            weir.push(&came, rule, out).map_err(Stop::Malformed)?;
            if last {
                weir.finish(rule, out);
            }
            Ok(())
        })
    }

    /// Has the weir do something, and rules on what it finds.
    fn weigh(
        &mut self,
        out: &mut BytesMut,
        work: impl FnOnce(&mut Weir, &mut Rule<'_>, &mut BytesMut) -> Result<(), Stop>,
    ) -> Result<Option<Refusal>, Stop> {
        let (Some(weir), Some(passage)) = (&mut self.weir, &mut self.passage) else {
            return Ok(None);
        };
        let mut refused = None;
        let mut rule = |findings| match passage.found(findings) {
            Ok(()) => true,
            Err(refusal) => {
                refused = Some(refusal);
                false
            }
        };
        work(weir, &mut rule, out)?;
        if weir.incident() {
            let call = Some(passage.call());
            self.asked.shared.incident(&self.asked.caller, call);
        }
        Ok(refused)
    }

    /// Nothing follows: gives what waits, looked at and rewritten, unless policy withholds it.
    fn drain(&mut self, out: &mut BytesMut) {
        let mut rest = BytesMut::new();
        if !matches!(self.look(&mut rest, true), Ok(None)) || self.rewrite(&mut rest).is_err() {
            return;
        }
        out.extend_from_slice(&rest);
        let stopped = self.weir.as_ref().is_some_and(Weir::is_stopped);
        if let Some(rewriter) = self.rewriter.as_mut().filter(|_| !stopped) {
            let mut rest = BytesMut::from(rewriter.finish());
            if self.strain(&mut rest).is_ok() {
                out.extend_from_slice(&rest);
            }
        }
        if let Some(strainer) = &mut self.strainer {
            out.extend_from_slice(&strainer.finish());
        }
    }

    /// Counts what is held back.
    fn keep(&mut self) -> Result<(), Stop> {
        let kept = self.decoder.as_ref().map_or(0, wire::Stream::kept_bytes);
        let kept = kept + self.weir.as_ref().map_or(0, Weir::held_bytes);
        if kept > self.asked.shared.config.limits.held_bytes {
            return Err(Stop::Malformed(Code::UpstreamTooLarge));
        }
        self.room
            .resize(kept)
            .map_err(|_| Stop::Malformed(Code::Saturated))
    }

    fn give(mut self: Box<Self>, bytes: Bytes) -> (Box<Self>, Result<Bytes, Cut>) {
        self.account(&bytes);
        (self, Ok(bytes))
    }

    fn account(&mut self, bytes: &[u8]) {
        self.given = Instant::now();
        self.hash.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(wrote) = self.wrote.as_mut().filter(|_| !bytes.is_empty())
            && wrote.push(bytes)
        {
            wrote.flush(&self.asked);
        }
    }

    /// The passage, knowing what was released.
    fn sealed(&mut self) -> Option<Passage<Outbound>> {
        // An answer that is cut off is looked at as far as it came. Nothing of that goes any more, so nothing is withheld.
        let _refused = self.look(&mut BytesMut::new(), true);
        let _refused = self.weigh(&mut BytesMut::new(), |weir, rule, _| {
            weir.unjudged(rule);
            Ok(())
        });
        self.asking = None;
        self.weir = None;
        if let Some(mut wrote) = self.wrote.take() {
            wrote.flush(&self.asked);
        }
        self.asked.shared.keep_vault(&self.asked.caller);
        let mut passage = self.passage.take()?;
        let mut transcript = [0_u8; 32];
        transcript.copy_from_slice(self.hash.clone().finish().as_ref());
        passage.released.bytes = self.bytes;
        passage.released.transcript = Some(Digest(transcript));
        Some(passage)
    }

    /// Asks guards, where there is something to ask.
    fn ask(&mut self) {
        let Some(pieces) = self.weir.as_mut().and_then(Weir::question) else {
            return;
        };
        let shared = Arc::clone(&self.asked.shared);
        let owner = Owner::of(&self.asked.caller.principal);
        self.asking = Some(Box::pin(async move { shared.judge(&owner, &pieces).await }));
    }

    /// Waits for guards, and rules on what they say: what may go then. `None`: the agent has heard nothing for a while.
    async fn judged(&mut self) -> Option<(BytesMut, Result<(), Stop>)> {
        let wait = KEEP_ALIVE.saturating_sub(self.given.elapsed());
        let said = tokio::time::timeout(wait, self.asking.as_mut()?).await.ok()?;
        self.asking = None;
        let mut out = BytesMut::new();
        let ruled = self.weigh(&mut out, |weir, rule, out| {
            weir.judged(said, rule, out);
            Ok(())
        });
        let ruled = self
            .rewrite(&mut out)
            .and(ruled.and_then(|refused| match refused {
                None => Ok(()),
                Some(refusal) => Err(Stop::Refused(refusal)),
            }));
        let ruled = ruled.and_then(|()| self.keep());
        self.ask();
        // What comes with the end goes with it.
        if let Some((_, last)) = &mut self.ended {
            last.extend_from_slice(&out);
            out = match ruled {
                Ok(()) => BytesMut::new(),
                Err(_) => std::mem::take(last),
            };
        }
        Some((out, ruled))
    }

    /// The upstream ended the stream: looks at what is left. Where it ends badly, `out` is what goes before.
    fn close(&mut self, out: &mut BytesMut) -> Result<(), Stop> {
        let mut turn = Turn::default();
        let decoder = self.decoder.take().ok_or(Stop::Malformed(Code::Bug))?;
        let ended = decoder.finish(&mut |step| turn.take(step));
        let usage = match ended {
            Ok(usage) => usage,
            Err(fault) => {
                let refused = self.before(&mut turn.out);
                *out = turn.out;
                let malformed = Stop::Malformed(fault.of_upstream().code);
                return Err(refused.map_or(malformed, Stop::Refused));
            }
        };
        let refused = self.look(&mut turn.out, true)?;
        self.rewrite(&mut turn.out)?;
        if let Some(refusal) = refused {
            *out = turn.out;
            return Err(Stop::Refused(refusal));
        }
        self.ended = Some((usage, turn.out));
        self.ask();
        Ok(())
    }

    /// Everything was looked at and judged: gives what is left, and seals.
    fn end(mut self: Box<Self>) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        let (usage, mut out) = self.ended.take()?;
        self.drain(&mut out);
        self.account(&out);
        let mut passage = self.sealed()?;
        used(self.asked.api, &mut passage, usage);
        passage.finish();
        if out.is_empty() {
            None
        } else {
            Some((self, Ok(out.freeze())))
        }
    }

    /// A tool call was refused: what was released before it stays, the call and all behind it is dropped, and the
    /// API's own error ends the stream.
    fn refuse(
        mut self: Box<Self>,
        refusal: &Refusal,
        mut out: BytesMut,
    ) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        let decoder = self.decoder.take();
        self.drain(&mut out);
        self.account(&out);
        self.leave(decoder, Some(refusal.code))?;
        out.extend_from_slice(&wire::refusal_event(self.asked.api, refusal));
        Some((self, Ok(out.freeze())))
    }

    /// The upstream sent what it must not, behind what may go.
    fn broken(mut self: Box<Self>, code: Code, mut out: BytesMut) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        match self.before(&mut out) {
            Some(refusal) => self.refuse(&refusal, out),
            None => self.cut_off(code, out),
        }
    }

    /// The upstream failed midway: the agent is told by an error event, and the stream ends.
    fn cut_off(
        mut self: Box<Self>,
        code: Code,
        mut out: BytesMut,
    ) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        let decoder = self.decoder.take();
        self.drain(&mut out);
        self.account(&out);
        let mut passage = self.sealed()?;
        if let Some(decoder) = &decoder {
            so_far(&self.asked, &mut passage, decoder);
        }
        let refusal = passage.cut_off(code);
        out.extend_from_slice(&wire::refusal_event(self.asked.api, &refusal));
        Some((self, Ok(out.freeze())))
    }
}

impl Flow {
    /// The agent is given nothing more, and what the answer uses may still be to come.
    fn leave(&mut self, decoder: Option<wire::Stream>, withheld: Option<Code>) -> Option<()> {
        let mut passage = self.sealed()?;
        if let Some((usage, _)) = self.ended.take() {
            // It came whole, and was not given whole.
            used(self.asked.api, &mut passage, usage);
        }
        let known = passage.released.output_tokens.is_some();
        match (decoder, self.body.take()) {
            (Some(decoder), Some(body)) if !known => Rest {
                asked: self.asked.clone(),
                passage,
                body,
                decoder,
                withheld,
            }
            .settle(),
            _ => match withheld {
                Some(code) => passage.withheld(code),
                None => drop(passage),
            },
        }
        Some(())
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Still here means that the agent went away, or that its request was ended.
        let decoder = self.decoder.take();
        let _left = self.leave(decoder, None);
    }
}
