//! The body of a request on its way to us, and what becomes of one that nobody read. A refusal may be ready before the
//! body came: the rest of it still stands before the connection's next request (RFC 9112, section 9.3).

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, Version, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Bytes of an unread body that are taken off the connection so that it can be used again.
const READ_OFF: u64 = 64 * 1024;
/// Time for it; an honest client's small body is there at once.
const PATIENCE: Duration = Duration::from_millis(250);

/// A request's body. One that is let go before its end is put back where [`Left`] finds it.
pub(crate) struct Arriving {
    body: Option<Incoming>,
    left: Option<Rest>,
}

type Rest = Arc<Mutex<Option<Incoming>>>;

/// What is left of a body that nobody wants, and of the connection that it comes on.
pub(crate) struct Left {
    rest: Rest,
    /// The client waits for our word (`100-continue`), which reading would give.
    waits: bool,
    /// Requests follow each other on the connection: a later one stands behind the rest of this one.
    in_line: bool,
}

impl Arriving {
    /// The body of the request with this head, and what will be left of it.
    pub(crate) fn new(head: &Parts, body: Incoming) -> (Self, Left) {
        let rest = Rest::default();
        let left = Left {
            rest: Arc::clone(&rest),
            waits: head.headers.contains_key(header::EXPECT),
            in_line: head.version <= Version::HTTP_11,
        };
        let body = (!body.is_end_stream()).then_some(body);
        // On a connection of streams nothing stands behind it: what is let go there is gone at once, with its memory.
        let rest = left.in_line.then_some(rest);
        (Self { body, left: rest }, left)
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        if frame.is_none() {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(left)) = (body, &self.left) {
            *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl Left {
    /// Makes an answer's connection ready for another request, or the answer say that there will be none.
    pub(crate) async fn settle<B>(self, mut answer: Response<B>) -> Response<B> {
        if self.in_line && !self.read_off().await {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        answer
    }

    /// Takes a small unread body off the connection. Answers whether nothing of it is left there.
    async fn read_off(self) -> bool {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = rest else { return true };
        if self.waits || body.size_hint().lower() > READ_OFF {
            return false;
        }
        let rest = async {
            let mut taken = 0_u64;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                taken = taken.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
                if taken > READ_OFF {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, rest).await.unwrap_or(false)
    }
}
