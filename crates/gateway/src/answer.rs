//! Bytes on their way to an agent. Whole or streamed, they need a [`Release`]; refusals are the one thing that
//! does not, since they carry nothing but our own words.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bartizan_guard::Release;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::reins::{Ending, Reins};

/// The body of an answer to an agent.
pub(crate) struct AgentBody {
    kind: Kind,
    hold: Option<Box<dyn Send>>,
    reined: Option<Reined>,
}

/// What may end an answer before it is whole.
struct Reined {
    reins: Arc<Reins>,
    cut: Ending,
    bytes: u64,
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
            hold: None,
            reined: None,
        }
    }

    /// An answer that comes in pieces; the stream itself sees to what may be in it.
    pub(crate) fn stream(
        release: Release,
        stream: impl Body<Data = Bytes, Error = Cut> + Send + 'static,
    ) -> Self {
        tracing::trace!(call = %release.spend(), "released as a stream");
        Self {
            kind: Kind::Stream(Box::pin(stream)),
            hold: None,
            reined: None,
        }
    }

    /// Our own words: a refusal, or protocol without content.
    pub(crate) fn ours(bytes: Vec<u8>) -> Self {
        Self {
            kind: Kind::Whole(Some(Bytes::from(bytes))),
            hold: None,
            reined: None,
        }
    }

    /// Ends the answer where the request has to end: what streams is cut off, so that nobody takes it for whole.
    pub(crate) fn reined(mut self, reins: Arc<Reins>, cut: Ending) -> Self {
        if matches!(self.kind, Kind::Stream(_)) {
            self.reined = Some(Reined { reins, cut, bytes: 0 });
        }
        self
    }

    /// Whether it has to end now.
    fn ends(&mut self, context: &mut Context<'_>) -> bool {
        let Some(reined) = &mut self.reined else {
            return false;
        };
        let over = reined.bytes > reined.reins.most_bytes();
        if over {
            reined.reins.spent();
        }
        over || reined.cut.as_mut().poll(context).is_ready()
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
        if self.ends(context) {
            // Dropping the stream closes its passage, which knows what ended it.
            self.kind = Kind::Whole(None);
            self.reined = None;
            return Poll::Ready(Some(Err(Cut)));
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
        if let (Some(reined), Poll::Ready(Some(Ok(frame)))) = (&mut self.reined, &polled) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            reined.bytes = reined
                .bytes
                .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
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
