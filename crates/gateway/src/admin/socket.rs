//! The admin socket: HTTP/1.1 on a unix socket of mode 0600 in the state directory.
//!
//! Whoever connects must be this process's user by the kernel's word (`SO_PEERCRED`); root passes as itself. Each request
//! carries what [`TOKEN`] holds, a file beside the socket that is made anew at every start: an MCP server that we confine
//! is this process's user too and can reach any socket, but it can't read that file. There is no TCP listener, so no web page and no other host can reach it. `GET /v1/tail` streams records as server-sent events,
//! read from the log's files: a slow reader holds nothing up.

use std::{
    convert::Infallible,
    fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{constant_time, rand};
use bartizan_types::Secret;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, Limited, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, watch},
};

use super::{BODY_BYTES_MAX, Body, Desk, records};

/// Name of the socket in the state directory.
pub const NAME: &str = "admin.sock";
/// Name of the file that holds what each request shows, as `Authorization: Bearer`.
pub const TOKEN: &str = "admin.token";
/// Open admin connections, tails included.
const CONNECTIONS: usize = 64;
/// Longest address of a unix socket on Linux, with the closing zero.
const ADDRESS_BYTES_MAX: usize = 108;

type ReplyBody = BoxBody<Bytes, Infallible>;

/// The socket, and what its callers must show.
pub struct Door {
    listener: UnixListener,
    shown: Secret<Vec<u8>>,
}

/// Binds the socket, owner-only from its first moment, and makes a new token beside it.
///
/// # Errors
/// The system's. A path too long for a unix socket is [`io::ErrorKind::InvalidInput`].
pub fn bind(directory: &Path) -> io::Result<Door> {
    let path = directory.join(NAME);
    if path.as_os_str().len() >= ADDRESS_BYTES_MAX {
        let message = format!("`{}` is too long for a unix socket", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    // Whoever holds the state's lock owns the names: what lies there is a dead gateway's.
    remove(&path)?;
    let shown = make_token(&directory.join(TOKEN))?;
    // The directory is 0700, so nobody can connect between these two steps.
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(Door { listener, shown })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

/// 256 random bits, as the whole header that shows them.
fn make_token(path: &Path) -> io::Result<Secret<Vec<u8>>> {
    let mut bits = [0_u8; 32];
    rand::fill(&mut bits).map_err(io::Error::other)?;
    let token: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    remove(path)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    Ok(Secret::new(format!("Bearer {token}").into_bytes()))
}

/// Serves the desk until `stop` turns true.
pub async fn serve(door: Door, desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let Door { listener, shown } = door;
    let shown = Arc::new(shown);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(fault) => {
                tracing::warn!(error = %fault, "accept on the admin socket failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        let Some(by) = peer(&stream) else { continue };
        let (desk, stop, shown) = (Arc::clone(&desk), stop.clone(), Arc::clone(&shown));
        tokio::spawn(async move {
            let _slot = slot;
            let service = service_fn(|request| {
                let (desk, by, stop, knows) = (
                    Arc::clone(&desk),
                    by.clone(),
                    stop.clone(),
                    knows(&request, &shown),
                );
                async move {
                    if knows {
                        one(desk, request, by, stop).await
                    } else {
                        Ok(unknown())
                    }
                }
            });
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_headers(32);
            if let Err(fault) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(error = %fault, "admin connection ended early");
            }
        });
    }
}

/// Who is at the other end, if they may be.
fn peer(stream: &UnixStream) -> Option<String> {
    let uid = stream.peer_cred().ok()?.uid();
    let own = rustix::process::geteuid().as_raw();
    if uid == own || uid == 0 {
        return Some(format!("uid {uid}"));
    }
    tracing::warn!(uid, "another user tried the admin socket");
    None
}

/// Whether a request shows the token.
fn knows(request: &Request<Incoming>, shown: &Secret<Vec<u8>>) -> bool {
    let mut said = request.headers().get_all(header::AUTHORIZATION).iter();
    match (said.next(), said.next()) {
        (Some(said), None) => constant_time::verify_slices_are_equal(said.as_bytes(), shown.expose()).is_ok(),
        _ => false,
    }
}

fn unknown() -> Response<ReplyBody> {
    let message = format!(
        "the admin socket wants `Authorization: Bearer` with what `{TOKEN}` in the state directory holds"
    );
    let error = serde_json::json!({ "error": { "kind": "refused", "message": message, "code": null } });
    tracing::warn!("a request on the admin socket did not show the token");
    plain(StatusCode::UNAUTHORIZED, "application/json", error.to_string())
}

async fn one(
    desk: Arc<Desk>,
    request: Request<Incoming>,
    by: String,
    stop: watch::Receiver<bool>,
) -> Result<Response<ReplyBody>, Infallible> {
    let (head, body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    if head.method == Method::GET && head.uri.path() == "/v1/tail" {
        return Ok(tail(&desk, head.uri.query().unwrap_or_default(), stop));
    }
    let read = tokio::time::timeout(
        Duration::from_secs(10),
        Limited::new(body, BODY_BYTES_MAX).collect(),
    )
    .await;
    let Ok(Ok(body)) = read else {
        return Ok(plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "application/json",
            "{}".to_owned(),
        ));
    };
    let reply = desk.handle(&head.method, &target, &body.to_bytes(), &by).await;
    Ok(match reply.body {
        Body::Json(value) => plain(reply.status, "application/json", value.to_string()),
        Body::Text(kind, text) => plain(reply.status, kind, text),
    })
}

fn plain(status: StatusCode, kind: &'static str, text: String) -> Response<ReplyBody> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// Records as they come; from `?from=INDEX` on, else only new ones.
fn tail(desk: &Arc<Desk>, query: &str, mut stop: watch::Receiver<bool>) -> Response<ReplyBody> {
    let from = query.strip_prefix("from=").and_then(|from| from.parse().ok());
    let mut log = desk
        .ledger
        .subscribe(from.unwrap_or_else(|| desk.ledger.stats().size));
    let (sender, receiver) = mpsc::channel::<Bytes>(16);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                next = log.next() => next,
                _ = stop.wait_for(|stop| *stop) => return,
                () = sender.closed() => return,
            };
            let text = match next {
                None => return,
                Some(Ok(stored)) => format!("id: {}\ndata: {}\n\n", stored.index, records::shape(&stored)),
                Some(Err(fault)) => {
                    format!("event: fault\ndata: {}\n\n", serde_json::json!(fault.to_string()))
                }
            };
            if sender.send(Bytes::from(text)).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Channel(receiver).boxed());
    let kind = header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

struct Channel(mpsc::Receiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
