//! A SPIFFE Workload API on its unix socket: one gRPC stream of updates, over the HTTP/2 that is here anyhow.
//!
//! Whoever serves that socket says who we are and whose certificates name agents, so who serves it is looked at: root,
//! this process's own user, or the one that the operator named.

use std::{collections::VecDeque, io, path::PathBuf, time::Duration};

use bartizan_guard::Permit;
use bartizan_identity::{Frames, WORKLOAD_REQUEST, WorkloadFault};
use bartizan_types::Secret;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::UnixStream, task::JoinHandle};

/// Time for connecting, and for the head of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The method (SPIFFE Workload API specification, section 5.2). Its service is in no package.
const FETCH: &str = "http://localhost/SpiffeWorkloadAPI/FetchX509SVID";
/// What every request must have (section 4.1), so that nobody is led to ask by accident.
const MARK: &str = "workload.spiffe.io";

/// Where the socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Its path.
    pub path: PathBuf,
    /// The user that may serve it beside root and ourselves.
    pub user: Option<u32>,
}

/// Why there are no updates, or no further ones.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The socket.
    #[error("`{path}` can't be connected to")]
    Connect {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another user serves it.
    #[error("`{path}` is served by the user {uid}, and not by root, ourselves or `workload_api_uid`")]
    User {
        /// Which.
        path: PathBuf,
        /// Who.
        uid: u32,
    },
    /// HTTP/2, or the connection under it.
    #[error("the connection to the Workload API failed")]
    Http(#[from] hyper::Error),
    /// The request could not be built: ours.
    #[error("the request could not be built")]
    Request(#[from] http::Error),
    /// Nothing came in time.
    #[error("the Workload API did not answer in {} s", PATIENCE.as_secs())]
    Timeout,
    /// No answer of gRPC.
    #[error("the Workload API answered with status {0}")]
    Status(u16),
    /// gRPC's own status: 7 is that we are not registered.
    #[error("the Workload API answered with gRPC status {status}{}", meaning(*status))]
    Grpc {
        /// The status.
        status: u32,
    },
    /// What came is not believed.
    #[error("an update of the Workload API is not taken: {0}")]
    Update(#[from] WorkloadFault),
    /// The stream is over.
    #[error("the Workload API ended its stream")]
    Ended,
}

/// What it means where it is met.
const fn meaning(status: u32) -> &'static str {
    match status {
        7 => ": this workload is not registered",
        _ => "",
    }
}

/// Updates as they come.
pub(crate) struct Updates {
    body: Incoming,
    frames: Frames,
    ready: VecDeque<Secret<Vec<u8>>>,
    /// Dropped, it would let the connection go.
    _sender: SendRequest<Full<Bytes>>,
    driving: JoinHandle<()>,
}

impl Drop for Updates {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// Spends the permit: connects, and asks for updates.
///
/// # Errors
/// [`Fault`].
pub(crate) async fn open(permit: Permit<Socket>) -> Result<Updates, Fault> {
    let socket = permit.spend();
    let asked = tokio::time::timeout(PATIENCE, ask(&socket));
    asked.await.unwrap_or(Err(Fault::Timeout))
}

async fn ask(socket: &Socket) -> Result<Updates, Fault> {
    let failed = |source| Fault::Connect {
        path: socket.path.clone(),
        source,
    };
    let stream = UnixStream::connect(&socket.path).await.map_err(failed)?;
    let uid = stream.peer_cred().map_err(failed)?.uid();
    if !may_serve(uid, rustix::process::geteuid().as_raw(), socket.user) {
        return Err(Fault::User {
            path: socket.path.clone(),
            uid,
        });
    }
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driving = tokio::spawn(async move {
        if let Err(fault) = connection.await {
            tracing::debug!(error = %fault, "the connection to the Workload API ended");
        }
    });
    let request = Request::post(FETCH)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(MARK, "true")
        .body(Full::new(Bytes::from_static(&WORKLOAD_REQUEST)))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let updates = Updates {
        body,
        frames: Frames::default(),
        ready: VecDeque::new(),
        _sender: sender,
        driving,
    };
    if head.status != StatusCode::OK {
        return Err(Fault::Status(head.status.as_u16()));
    }
    // What fails at once has its status in the head.
    match status_of(&head.headers) {
        Some(status) => Err(ended(status)),
        None => Ok(updates),
    }
}

const fn may_serve(uid: u32, own: u32, named: Option<u32>) -> bool {
    let is_named = match named {
        Some(named) => uid == named,
        None => false,
    };
    uid == 0 || uid == own || is_named
}

fn status_of(headers: &HeaderMap) -> Option<u32> {
    let status = headers.get("grpc-status")?;
    // One that can't be read is the one for what is unknown.
    Some(
        status
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(2),
    )
}

const fn ended(status: u32) -> Fault {
    match status {
        0 => Fault::Ended,
        status => Fault::Grpc { status },
    }
}

impl Updates {
    /// The next message. It holds a key.
    ///
    /// # Errors
    /// [`Fault`]: there is no further one.
    pub(crate) async fn next(&mut self) -> Result<Secret<Vec<u8>>, Fault> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            let frame = match self.body.frame().await {
                None => return Err(Fault::Ended),
                Some(frame) => frame?,
            };
            match frame.into_data() {
                Ok(data) => self
                    .ready
                    .extend(self.frames.push(&data)?.into_iter().map(Secret::new)),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Err(ended(status_of(&trailers).unwrap_or(2)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_serves_the_socket_is_root_ourselves_or_named() {
        for (uid, named, may) in [
            (0, None, true),
            (1000, None, true),
            (998, None, false),
            (998, Some(998), true),
            (997, Some(998), false),
        ] {
            assert_eq!(may_serve(uid, 1000, named), may, "{uid} {named:?}");
        }
    }
}
