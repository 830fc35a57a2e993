//! The proxy's listener: HTTP/1.1, bounded as the agents' other one, with connections that may become tunnels.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;

use super::request;
use crate::{
    Shared,
    answer::AgentBody,
    listener::{CatchPanic, Watched, bounded, ended_early, next, shown},
    serve,
    tls::Shown,
    unread::Heard,
};

/// Accepts until `stop` turns true, then drains: finishes what is in progress, at most `drain_timeout`.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    // Nothing is ever sent: the receiver hears when the last sender is gone.
    let (open, mut ended) = mpsc::channel::<()>(1);
    while let Some((stream, counted)) = next(&listener, &shared, &mut stop).await {
        let (shared, tls, stop, open) = (Arc::clone(&shared), tls.clone(), stop.clone(), open.clone());
        tokio::spawn(async move {
            connection(stream, tls, shared, stop).await;
            drop((counted, open));
        });
    }
    drop((listener, open));
    let limit = shared.config.limits.drain_timeout;
    let drained = async {
        ended.recv().await;
        // Tunnels watch `stop` themselves, and end by the same limit.
        if let Some(proxy) = &shared.egress {
            let all = u32::try_from(proxy.config.tunnels).unwrap_or(u32::MAX);
            drop(proxy.tunnels.acquire_many(all).await);
        }
    };
    if tokio::time::timeout(limit + Duration::from_secs(1), drained)
        .await
        .is_err()
    {
        tracing::warn!(seconds = limit.as_secs(), "draining the proxy took too long");
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
) {
    let stream = Watched::new(stream, shared.config.limits.write_timeout);
    let Some(acceptor) = tls else {
        return serving(stream, None, shared, stop).await;
    };
    let patience = shared.config.limits.header_timeout;
    match tokio::time::timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = shown(stream.get_ref().1);
            serving(stream, shown, shared, stop).await;
        }
        Ok(Err(fault)) => tracing::debug!(error = %fault, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn serving<S>(stream: S, shown: Option<Shown>, shared: Arc<Shared>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = bounded(&shared.config.limits);
    let (ours, heard) = (Arc::clone(&shared), Heard::new(&shared));
    let stream = TokioIo::new(heard.over(stream));
    let hears = heard.clone();
    let service = service_fn(move |mut asked: Request<Incoming>| {
        hears.asked();
        if let Some(shown) = &shown {
            asked.extensions_mut().insert(shown.clone());
        }
        one(Arc::clone(&ours), asked)
    });
    let mut serving = pin!(builder.serve_connection(stream, service).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(fault) = ended {
        ended_early(&heard, &fault, None);
    }
}

async fn one(shared: Arc<Shared>, asked: Request<Incoming>) -> Result<Response<AgentBody>, Infallible> {
    let caught = CatchPanic(Box::pin(request(Arc::clone(&shared), asked))).await;
    Ok(caught.unwrap_or_else(|| serve::after_panic(&shared)))
}
