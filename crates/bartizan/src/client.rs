//! A small HTTP/1.1 client over an open stream: the admin socket, and the demo's agent on loopback.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest answer read whole.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientFault {
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[from] hyper::Error),
    /// The request can't be written.
    #[error("the request can't be written")]
    Request(#[from] http::Error),
    /// The answer is too long or broke off.
    #[error("the answer is too long or broke off")]
    Answer,
    /// No connection.
    #[error("no connection")]
    Io(#[from] std::io::Error),
}

/// Sends one request and returns the answer with its body still to be read.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientFault> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended early");
        }
    });
    Ok(sender.send_request(request).await?)
}

/// Sends one request and reads the whole answer.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, http::HeaderMap, Bytes), ClientFault> {
    let (head, body) = open(stream, request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|_| ClientFault::Answer)?;
    Ok((head.status, head.headers, body.to_bytes()))
}

/// A request with a JSON body, or none.
pub(crate) fn request(
    method: &Method,
    target: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, ClientFault> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, host);
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(Full::new(body))?)
}

/// Percent-encodes one path segment or query value.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
