//! The agents' listener: connections in, bounded in number, header size and time; requests to `serve`.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    io,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, Sleep},
};
use tokio_rustls::TlsAcceptor;

use bartizan_identity::PeerCertificate;
use bartizan_types::{Code, Principal};
use rustls_pki_types::CertificateDer;

use crate::{
    Shared,
    answer::AgentBody,
    config::Limits,
    meters::{Gauge, Meters},
    pinned::pinned,
    serve,
    tls::Shown,
    unread::Heard,
};

/// Said to connections past the limit, before any of their bytes are read.
const SATURATED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 80\r\n\r\n{\"error\":{\"code\":\"limit.saturated\",\"message\":\"too many connections, try later\"}}";

/// Accepts until `stop` turns true, then drains: finishes what is in progress, at most `drain_timeout`.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    while let Some((stream, open)) = next(&listener, &shared, &mut stop).await {
        let (shared, tls, watcher) = (Arc::clone(&shared), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _open = open;
            connection(stream, tls, shared, watcher).await;
        });
    }
    drop(listener);
    let limit = shared.config.limits.drain_timeout;
    if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            seconds = limit.as_secs(),
            "draining took too long, closing what is left"
        );
    }
}

/// A connection that counts as open for as long as it is held.
pub(crate) type Open = Gauge<fn(&Meters) -> &AtomicI64>;

/// The next connection of a listener, within the bound on all of them; `None` once `stop` turns true. One past the bound
/// is told so and closed.
pub(crate) async fn next(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    stop: &mut watch::Receiver<bool>,
) -> Option<(TcpStream, Open)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return None,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(fault) => {
                // Out of file descriptors, mostly: waiting is all that helps, and the ones that close free some.
                tracing::warn!(error = %fault, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let limit = i64::try_from(shared.config.limits.connections).unwrap_or(i64::MAX);
        if shared.meters.connections.load(Relaxed) >= limit {
            tokio::spawn(turn_away(stream));
            continue;
        }
        if let Err(fault) = stream.set_nodelay(true) {
            tracing::debug!(error = %fault, "no TCP_NODELAY");
        }
        let count: fn(&Meters) -> &AtomicI64 = |meters| &meters.connections;
        return Some((stream, Gauge::raise(Arc::clone(&shared.meters), count)));
    }
}

async fn turn_away(mut stream: TcpStream) {
    let said = tokio::time::timeout(Duration::from_secs(1), stream.write_all(SATURATED)).await;
    if !matches!(said, Ok(Ok(()))) {
        tracing::debug!("a connection past the limit did not wait for its refusal");
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let limits = &shared.config.limits;
    let stream = Watched::new(stream, limits.write_timeout);
    let heard = Heard::new(&shared);
    let service = |shown: Option<Shown>| {
        let (shared, heard) = (Arc::clone(&shared), heard.clone());
        service_fn(move |mut request: Request<Incoming>| {
            heard.asked();
            if let Some(shown) = &shown {
                request.extensions_mut().insert(shown.clone());
            }
            one(Arc::clone(&shared), request)
        })
    };
    let ended: Result<(), Box<dyn Error + Send + Sync>> = match tls {
        None => {
            let builder = bounded(limits);
            let stream = TokioIo::new(heard.over(stream));
            let serving = watcher.watch(builder.serve_connection(stream, service(None)));
            serving.await.map_err(Into::into)
        }
        Some(acceptor) => {
            let shaken = tokio::time::timeout(limits.header_timeout, acceptor.accept(stream)).await;
            let stream = match shaken {
                Ok(Ok(stream)) => stream,
                Ok(Err(fault)) => return tracing::debug!(error = %fault, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake took too long"),
            };
            let shown = shown(stream.get_ref().1);
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_headers(limits.headers)
                .max_buf_size(limits.header_bytes.max(8192));
            builder
                .http2()
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
                .max_concurrent_streams(128)
                .keep_alive_interval(Duration::from_secs(20));
            let serving = watcher.watch(
                builder
                    .serve_connection(TokioIo::new(heard.over(stream)), service(shown))
                    .into_owned(),
            );
            serving.await
        }
    };
    if let Err(fault) = ended {
        ended_early(&heard, &*fault, None);
    }
}

/// Remembers a connection that ended with an error. Where that is because what came was no HTTP, it is a refusal: the HTTP
/// library has refused it by itself, and the operator is told here.
pub(crate) fn ended_early(heard: &Heard, fault: &(dyn Error + 'static), who: Option<&Principal>) {
    tracing::debug!(error = %fault, "connection ended early");
    let Some(fault) = fault.downcast_ref::<hyper::Error>() else {
        return;
    };
    if fault.is_parse() {
        let code = if fault.is_parse_too_large() {
            Code::HeadersTooLarge
        } else {
            Code::HttpMalformed
        };
        // Its text is one of a few fixed ones, and holds nothing of what came.
        heard.ended(code, who, fault.to_string());
    }
}

/// The certificate that a client showed.
pub(crate) fn shown(session: &rustls::ServerConnection) -> Option<Shown> {
    let chain = session.peer_certificates()?;
    let chain = chain.iter().cloned().map(CertificateDer::into_owned).collect();
    PeerCertificate::new(chain).map(|peer| Shown(Arc::new(peer)))
}

async fn one(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<AgentBody>, Infallible> {
    let caught = CatchPanic(pinned(|| serve::request(Arc::clone(&shared), request))).await;
    Ok(caught.unwrap_or_else(|| serve::after_panic(&shared)))
}

/// What speaks HTTP/1.1 with whoever connects, within the bounds of a request's head.
pub(crate) fn bounded(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192));
    builder
}

/// Turns a panic inside the future into `None`, so that the caller is refused instead of cut off.
pub(crate) struct CatchPanic<F>(pub(crate) Pin<Box<F>>);

impl<F: Future> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Unwind safety: the future is never polled again after a panic.
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// A stream whose writes fail when the other side has taken nothing for a while: slow readers can't hold memory.
pub(crate) struct Watched<S> {
    inner: S,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(crate) const fn new(inner: S, patience: Duration) -> Self {
        Self {
            inner,
            patience,
            stalled: None,
        }
    }

    /// What is watched.
    pub(crate) const fn watched(&self) -> &S {
        &self.inner
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let patience = self.patience;
        let sleep = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes nothing",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
