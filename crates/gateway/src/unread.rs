//! Requests that the HTTP library can't read, or won't since they could be read in two ways (two lengths, folded headers), and
//! heads past their bounds. The library answers them by itself, with a bare status, and nothing that serves requests hears
//! of them. Here each is counted and recorded as any other refusal is, within `[limits] rejections_per_minute`.
//!
//! INVARIANT: on a connection that has not asked for anything, what is written first is the library's own answer. That one is
//! put in our words, with the code and the id of its record. On a later request it may stand in one write with the end of
//! the answer before, so there it goes as it is.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bartizan_types::{CallId, Code, Principal};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Shared, serve};

/// What has been heard on one connection. Cheap to clone: its stream and what serves its requests share it.
#[derive(Clone)]
pub(crate) struct Heard {
    shared: Arc<Shared>,
    so_far: Arc<SoFar>,
}

#[derive(Default)]
struct SoFar {
    /// A request was read.
    asked: AtomicBool,
    /// What could not be read was told, and its record waits for what was wrong with it.
    told: Mutex<Option<Told>>,
}

/// A refusal that was told. It is recorded when this is dropped, which is at the end of its connection.
struct Told {
    shared: Arc<Shared>,
    code: Code,
    /// The record's id; `None` where a summary counts it.
    call: Option<CallId>,
    who: Option<Principal>,
    note: Option<String>,
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            let (who, note) = (self.who.take(), self.note.take());
            self.shared.record_rejection(call, self.code, who, note);
        }
    }
}

/// What to say instead of this status.
type Words = Box<dyn FnMut(u16) -> Vec<u8> + Send>;

/// A connection's stream, as the HTTP library has it.
pub(crate) struct Unread<S> {
    inner: S,
    so_far: Arc<SoFar>,
    words: Words,
    /// Of our words, what is still to be written.
    rest: Vec<u8>,
}

impl Heard {
    /// Nothing yet.
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            so_far: Arc::default(),
        }
    }

    /// The connection's stream.
    pub(crate) fn over<S>(&self, inner: S) -> Unread<S> {
        let heard = self.clone();
        Unread::new(
            inner,
            Arc::clone(&self.so_far),
            Box::new(move |status| heard.says(status)),
        )
    }

    /// A request was read, and is served.
    pub(crate) fn asked(&self) {
        self.so_far.asked.store(true, Relaxed);
    }

    /// The connection ended since what came could not be read; `note` says what was wrong with it.
    pub(crate) fn ended(&self, code: Code, who: Option<&Principal>, note: String) {
        let told = self
            .so_far
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match told {
            Some(mut told) => {
                told.who = who.cloned();
                told.note = Some(note);
            }
            None => self.shared.reject_unread(code, who, note),
        }
    }

    /// Refuses what could not be read. Gives the whole answer, as it is written.
    fn says(&self, status: u16) -> Vec<u8> {
        let code = match status {
            414 | 431 => Code::HeadersTooLarge,
            _ => Code::HttpMalformed,
        };
        let (refusal, is_recorded) = self.shared.refuse_unread(code);
        let told = Told {
            shared: Arc::clone(&self.shared),
            code,
            call: is_recorded.then_some(refusal.call),
            who: None,
            note: None,
        };
        *self.so_far.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        let body = serve::plain(&refusal);
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\nx-bartizan-call: {}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default(),
            refusal.call,
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(&body);
        answer
    }
}

/// The status of an answer of HTTP/1, from its first bytes.
fn status(bytes: &[u8]) -> Option<u16> {
    let code = bytes.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

impl<S> Unread<S> {
    fn new(inner: S, so_far: Arc<SoFar>, words: Words) -> Self {
        Self {
            inner,
            so_far,
            words,
            rest: Vec::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.so_far.asked.load(Relaxed) {
            return Pin::new(&mut this.inner).poll_write(context, bytes);
        }
        if this.rest.is_empty() {
            match status(bytes) {
                Some(status) if status >= 400 => this.rest = (this.words)(status),
                // Settings of HTTP/2.
                _ => return Pin::new(&mut this.inner).poll_write(context, bytes),
            }
        }
        while !this.rest.is_empty() {
            let wrote = ready!(Pin::new(&mut this.inner).poll_write(context, &this.rest))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.rest.drain(..wrote.min(this.rest.len()));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.so_far.asked.load(Relaxed) {
            return Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(context, first.map_or(&[][..], |slice| &**slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LONG: &[u8] = b"HTTP/1.1 400 our words, longer than what the other side takes at once";
    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

    /// What arrives of these writes, over a pipe that takes four bytes at once.
    async fn arrives(asked: bool, writes: &[&[u8]]) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(4);
        let so_far = Arc::new(SoFar::default());
        so_far.asked.store(asked, Relaxed);
        let mut stream = Unread::new(near, so_far, Box::new(|_| LONG.to_vec()));
        let writing = async move {
            for bytes in writes {
                stream.write_all(bytes).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        };
        let mut out = Vec::new();
        let (read, ()) = tokio::join!(far.read_to_end(&mut out), writing);
        read.unwrap();
        out
    }

    #[tokio::test]
    async fn the_librarys_own_answer_is_put_in_our_words() {
        assert_eq!(arrives(false, &[BARE]).await, LONG);
    }

    #[tokio::test]
    async fn all_else_goes_as_it_is() {
        // Settings of HTTP/2, and an answer to a request that was read.
        let settings: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x80";
        assert_eq!(
            arrives(false, &[settings, settings]).await,
            [settings, settings].concat()
        );
        assert_eq!(arrives(true, &[BARE]).await, BARE);
        assert!(arrives(true, &[b""]).await.is_empty());
    }

    #[test]
    fn an_answer_is_known_by_its_first_line() {
        assert_eq!(status(BARE), Some(400));
        assert_eq!(status(b"HTTP/1.0 431 x"), Some(431));
        for none in [&b"HTTP/1.1"[..], b"HTTP/2 400 x", b"HTTP/1.1 4x0", b""] {
            assert_eq!(status(none), None);
        }
    }
}
