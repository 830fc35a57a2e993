//! Bytes on their way to an agent. Whole or streamed, they need a [`Release`]; refusals are the one thing that
//! does not, since they carry nothing but our own words.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bartizan_guard::Release;
use bartizan_types::{CallId, Code, Refusal};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::reins::{Ending, Reins};

/// The body of an answer to an agent.
pub(crate) struct AgentBody {
    kind: Kind,
    /// The call that is answered by a stream.
    call: Option<CallId>,
    hold: Option<Box<dyn Send>>,
    reined: Option<Reined>,
}

/// What may end an answer before it is whole.
struct Reined {
    reins: Arc<Reins>,
    cut: Ending,
    bytes: u64,
    tail: Tail,
}

impl Reined {
    /// These have gone.
    fn went(&mut self, data: &[u8]) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.tail.push(data);
    }
}

/// The end of what has gone.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    /// Bytes that tell whether an event has ended.
    const BYTES: usize = 3;

    fn push(&mut self, data: &[u8]) {
        let end = data.len().saturating_sub(Self::BYTES);
        self.0.extend_from_slice(data.get(end..).unwrap_or_default());
        let before = self.0.len().saturating_sub(Self::BYTES);
        self.0.drain(..before);
    }

    /// Whether a client that reads events has the last one whole: nothing has gone, or an empty line was the end of it.
    fn is_between_events(&self) -> bool {
        let ends = [&b"\n\n"[..], b"\r\r", b"\n\r\n"];
        self.0.is_empty() || ends.iter().any(|end| self.0.ends_with(end))
    }
}

enum Kind {
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = Cut> + Send>>),
}

/// The answer had to be cut off; the connection is closed, so the agent can't take it for whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut off")]
pub(crate) struct Cut;

impl AgentBody {
    /// An answer in one piece.
    pub(crate) fn whole(release: Release, bytes: Bytes) -> Self {
        tracing::trace!(call = %release.spend(), "released whole");
        Self {
            kind: Kind::Whole(Some(bytes)),
            call: None,
            hold: None,
            reined: None,
        }
    }

    /// An answer that comes in pieces; the stream itself sees to what may be in it.
    pub(crate) fn stream(
        release: Release,
        stream: impl Body<Data = Bytes, Error = Cut> + Send + 'static,
    ) -> Self {
        let call = release.spend();
        tracing::trace!(%call, "released as a stream");
        Self {
            kind: Kind::Stream(Box::pin(stream)),
            call: Some(call),
            hold: None,
            reined: None,
        }
    }

    /// Our own words: a refusal, or protocol without content.
    pub(crate) fn ours(bytes: Vec<u8>) -> Self {
        Self {
            kind: Kind::Whole(Some(Bytes::from(bytes))),
            call: None,
            hold: None,
            reined: None,
        }
    }

    /// Ends the answer where the request has to end: what streams is cut off, so that nobody takes it for whole. Where its
    /// events are whole so far, an error of the protocol's own says why; else the connection is closed.
    pub(crate) fn reined(mut self, reins: Arc<Reins>, cut: Ending) -> Self {
        if matches!(self.kind, Kind::Stream(_)) {
            self.reined = Some(Reined {
                reins,
                cut,
                bytes: 0,
                tail: Tail::default(),
            });
        }
        self
    }

    /// What has to end it now.
    fn ends(&mut self, context: &mut Context<'_>) -> Option<Code> {
        let reined = self.reined.as_mut()?;
        if reined.bytes > reined.reins.most_bytes() {
            reined.reins.spent();
            return Some(Code::BudgetExceeded);
        }
        match reined.cut.as_mut().poll(context) {
            Poll::Ready(code) => Some(code),
            Poll::Pending => None,
        }
    }

    /// What may still be told of that.
    fn last(&self, code: Code) -> Option<Bytes> {
        let (call, reined) = (self.call?, self.reined.as_ref()?);
        let asker = reined.reins.asked()?;
        let said = Refusal::new(call, code);
        reined
            .tail
            .is_between_events()
            .then(|| Bytes::from(asker.last(&said)))
    }

    /// Keeps `hold` until the body has been sent or dropped.
    pub(crate) fn holding(mut self, hold: impl Send + 'static) -> Self {
        self.hold = Some(match self.hold.take() {
            None => Box::new(hold),
            Some(before) => Box::new((before, hold)),
        });
        self
    }
}

impl fmt::Debug for AgentBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Whole(_) => "AgentBody::Whole",
            Kind::Stream(_) => "AgentBody::Stream",
        })
    }
}

impl Body for AgentBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(code) = self.ends(context) {
            let last = self.last(code);
            let is_told = last.is_some();
            // Dropping the stream closes its passage, which knows what ended it.
            self.kind = Kind::Whole(last);
            self.reined = None;
            if !is_told {
                return Poll::Ready(Some(Err(Cut)));
            }
        }
        let polled = match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(
                bytes
                    .take()
                    .filter(|bytes| !bytes.is_empty())
                    .map(|bytes| Ok(Frame::data(bytes))),
            ),
            Kind::Stream(stream) => stream.as_mut().poll_frame(context),
        };
        if let (Some(reined), Poll::Ready(Some(Ok(frame)))) = (&mut self.reined, &polled)
            && let Some(data) = frame.data_ref()
        {
            reined.went(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(
                bytes
                    .as_ref()
                    .map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            ),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

/// A body pulled from a state by an async step: each pull gives the next piece, or ends it.
pub(crate) struct Pulled<S> {
    state: State<S>,
}

type Pull<S> = Pin<Box<dyn Future<Output = Option<(S, Result<Bytes, Cut>)>> + Send>>;

enum State<S> {
    Idle(S, fn(S) -> Pull<S>),
    Working(Pull<S>, fn(S) -> Pull<S>),
    Done,
}

impl<S> Pulled<S> {
    /// Pulls `next` until it gives `None`, or an error, which is the last thing given.
    pub(crate) const fn new(state: S, next: fn(S) -> Pull<S>) -> Self {
        Self {
            state: State::Idle(state, next),
        }
    }
}

impl<S: Unpin + Send> Body for Pulled<S> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let (mut pull, next) = match std::mem::replace(&mut self.state, State::Done) {
            State::Idle(state, next) => (next(state), next),
            State::Working(pull, next) => (pull, next),
            State::Done => return Poll::Ready(None),
        };
        match pull.as_mut().poll(context) {
            Poll::Pending => {
                self.state = State::Working(pull, next);
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some((state, Ok(bytes)))) => {
                self.state = State::Idle(state, next);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some((_, Err(cut)))) => Poll::Ready(Some(Err(cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_ended_with_its_empty_line_in_whatever_pieces_it_went() {
        for (text, expected) in [
            ("", true),
            ("data: a\n\n", true),
            ("data: a\r\n\r\n", true),
            ("data: a\r\r", true),
            (":\n\n", true),
            ("data: a\n", false),
            ("data: a\r\n", false),
            ("data: a\n\ndata: b", false),
        ] {
            for size in 1..=text.len().max(1) {
                let mut tail = Tail::default();
                for piece in text.as_bytes().chunks(size) {
                    tail.push(piece);
                }
                assert_eq!(tail.is_between_events(), expected, "{text:?} by {size}");
            }
        }
    }
}
