//! A streamed answer of a peer: each event is read whole, by us and by the session, before our agent gets it.
//!
//! INVARIANT: bytes reach the agent only event by event, each one decoded, read, looked at and ruled on. What is no answer to this request ends
//! the stream. An event with an answer is written anew, under the agent's own id of the request.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use bartizan_guard::AnswerFacts;
use bartizan_types::{Code, Digest, Refusal};
use bartizan_wire::{
    Fault, a2a as wire,
    echo::Strainer,
    sse::{self, Splitter},
};
use bytes::{Bytes, BytesMut};
use http::{Response, response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{Asked, dress};
use crate::{
    answer::{AgentBody, Cut, Pulled},
    gate::Passage,
    meters::Gauge,
    room::Taken,
    upstream::{
        Outbound,
        echo::{self, Told},
    },
};

/// The stream's state between pulls.
struct Flow {
    asked: Asked,
    passage: Option<Passage<Outbound>>,
    body: Incoming,
    splitter: Option<Splitter>,
    /// Takes out what the peer was shown as a credential.
    strainer: Option<Strainer>,
    hash: digest::Context,
    bytes: u64,
    patience: Duration,
    /// Room for an event whose end has not come.
    room: Taken,
    /// The peer failed the request: nothing comes after.
    over: bool,
}

/// An event's bytes, and its data.
type Event = (Vec<u8>, Option<String>);

/// Why a stream does not go on.
enum Stop {
    Code(Code),
    Refused(Refusal),
}

/// Begins to release a streamed answer.
///
/// # Errors
/// The refusal to tell instead, while nothing has gone out yet.
pub(super) fn release(
    asked: Asked,
    mut passage: Passage<Outbound>,
    head: &response::Parts,
    body: Incoming,
) -> Result<Response<AgentBody>, Refusal> {
    let limits = &asked.shared.config.limits;
    let splitter = Some(Splitter::new(limits.event_bytes));
    let patience = limits.upstream_timeout;
    let release = passage.answered(AnswerFacts {
        status: Some(200),
        findings: Told::of_headers(&head.extensions).into_iter().collect(),
    })?;
    let open = Gauge::raise(Arc::clone(&asked.shared.meters), |meters| &meters.streams);
    let call = passage.call().to_string();
    let room = asked.shared.answers.of(&asked.caller.principal).nothing();
    let flow = Flow {
        asked,
        passage: Some(passage),
        body,
        splitter,
        strainer: Told::strainer(&head.extensions),
        hash: digest::Context::new(&digest::SHA256),
        bytes: 0,
        patience,
        room,
        over: false,
    };
    let stream = Pulled::new(Box::new(flow), |flow| Box::pin(next(flow)));
    let mut response = Response::new(AgentBody::stream(release, stream).holding(open));
    dress(response.headers_mut(), "text/event-stream", &call);
    Ok(response)
}

/// The next events for the agent.
async fn next(mut flow: Box<Flow>) -> Option<(Box<Flow>, Result<Bytes, Cut>)> {
    if flow.over {
        let mut out = BytesMut::new();
        flow.drain(&mut out);
        flow.account(&out);
        flow.sealed()?.finish();
        return (!out.is_empty()).then(|| (flow, Ok(out.freeze())));
    }
    loop {
        flow.splitter.as_ref()?;
        let chunk = match tokio::time::timeout(flow.patience, flow.body.frame()).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) => chunk,
                Err(_) => continue,
            },
            Ok(None) => return flow.close(),
            Ok(Some(Err(_))) => return flow.cut_off(Code::UpstreamUnreachable, BytesMut::new()),
            Err(_) => return flow.cut_off(Code::UpstreamTimeout, BytesMut::new()),
        };
        let mut out = BytesMut::new();
        match flow.take(&chunk, &mut out).await {
            Ok(()) => {}
            Err(Stop::Code(code)) => return flow.cut_off(code, out),
            Err(Stop::Refused(refusal)) => return flow.refuse(&refusal, out),
        }
        if !out.is_empty() {
            flow.account(&out);
            return Some((flow, Ok(out.freeze())));
        }
    }
}

impl Flow {
    /// Reads the events that are now whole into `out`, each one ruled on by what is seen in it.
    async fn take(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), Stop> {
        let mut events = Vec::new();
        let split = self.split(chunk, &mut events);
        for (raw, data) in events {
            let asked = &self.asked;
            if let (Some(data), Some(passage)) = (data, &mut self.passage) {
                let findings = asked.look(passage.call(), data.as_bytes()).await;
                passage.found(findings).map_err(Stop::Refused)?;
            }
            match self.strainer.as_mut().and_then(|strainer| strainer.push(&raw)) {
                Some(clean) => out.extend_from_slice(&clean),
                None => out.extend_from_slice(&raw),
            }
            let took = self.strainer.as_mut().is_some_and(Strainer::took);
            if let Some(passage) = self.passage.as_mut().filter(|_| took) {
                passage.found(vec![echo::finding()]).map_err(Stop::Refused)?;
            }
        }
        split.map_err(Stop::Code)
    }

    /// Nothing follows: what waits goes.
    fn drain(&mut self, out: &mut BytesMut) {
        if let Some(strainer) = &mut self.strainer {
            out.extend_from_slice(&strainer.finish());
        }
    }

    fn split(&mut self, chunk: &[u8], out: &mut Vec<Event>) -> Result<(), Code> {
        let asked = &self.asked;
        let over = &mut self.over;
        let splitter = self.splitter.as_mut().ok_or(Code::Bug)?;
        let split = splitter.push(chunk, &mut |event| {
            if *over {
                return Err(Fault::new(Code::UpstreamMalformed, 0));
            }
            if let Some(data) = &event.data {
                let answer = asked.read(data.as_bytes()).map_err(|code| Fault::new(code, 0))?;
                *over = answer.said.is_failure();
                let told = String::from_utf8(answer.told).map_err(|_| Fault::new(Code::Bug, 0))?;
                out.push((sse::encode(event.name, &told), Some(told)));
                return Ok(());
            }
            if event.name.is_some() {
                // Some clients dispatch events without data.
                return Err(Fault::new(Code::UpstreamMalformed, 0));
            }
            out.push((event.raw.to_vec(), None));
            Ok(())
        });
        split.map_err(|fault| fault.of_upstream().code)?;
        let kept = splitter.kept_bytes();
        self.room.resize(kept).map_err(|_| Code::Saturated)
    }

    fn account(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// The passage, knowing what was released.
    fn sealed(&mut self) -> Option<Passage<Outbound>> {
        let mut passage = self.passage.take()?;
        let mut transcript = [0_u8; 32];
        transcript.copy_from_slice(self.hash.clone().finish().as_ref());
        passage.released.bytes = self.bytes;
        passage.released.transcript = Some(Digest(transcript));
        Some(passage)
    }

    /// The peer ended the stream.
    fn close(mut self: Box<Self>) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        let splitter = self.splitter.take()?;
        let mut out = BytesMut::new();
        let ended = splitter.finish(&mut |event| {
            if event.data.is_none() {
                out.extend_from_slice(event.raw);
                return Ok(());
            }
            Err(Fault::new(Code::UpstreamMalformed, 0))
        });
        if ended.is_ok() {
            let behind = out.split();
            self.drain(&mut out);
            out.extend_from_slice(&behind);
        }
        match ended {
            Err(fault) => self.cut_off(fault.of_upstream().code, BytesMut::new()),
            Ok(()) => {
                self.account(&out);
                self.sealed()?.finish();
                (!out.is_empty()).then(|| (self, Ok(out.freeze())))
            }
        }
    }

    /// Policy withholds what comes next: the agent is told by an error event, and the stream ends.
    fn refuse(
        mut self: Box<Self>,
        refusal: &Refusal,
        mut out: BytesMut,
    ) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        self.splitter = None;
        self.drain(&mut out);
        self.account(&out);
        self.sealed()?.withheld(refusal.code);
        out.extend_from_slice(&wire::refusal_event(&self.asked.id, refusal));
        Some((self, Ok(out.freeze())))
    }

    /// The peer failed midway: the agent is told by an error event, and the stream ends.
    fn cut_off(
        mut self: Box<Self>,
        code: Code,
        mut out: BytesMut,
    ) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        self.splitter = None;
        self.drain(&mut out);
        self.account(&out);
        let refusal = self.sealed()?.cut_off(code);
        out.extend_from_slice(&wire::refusal_event(&self.asked.id, &refusal));
        Some((self, Ok(out.freeze())))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Still here means the agent went away: the passage records that as it is dropped.
        drop(self.sealed());
    }
}
