//! A request in clear, or in a tunnel that is opened here: read whole, ruled on, sent; the answer is read as text that an outsider wrote, and then goes back.
//!
//! Redirects are the agent's to follow, and then cross again. Media and archives are passed on unread, within a bound.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use aws_lc_rs::digest;
use bartizan_flow::{Content, Effect};
use bartizan_guard::AnswerFacts;
use bartizan_types::{Action, Code, Digest, Refusal, UpstreamName};
use bartizan_wire::{
    json::{self, Bounds},
    site::{self, Site},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts,
    response,
};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use serde_json::{Value, json};

use super::{Wish, heads, socket};
use crate::{
    Shared,
    answer::{AgentBody, Cut, Pulled},
    edge::{self, BodyBounds},
    gate::{Caller, Passage},
    inspect::{Piece, Source, unread},
    meters::Gauge,
    model::sha256,
    serve,
    upstream::{self, Outbound, line},
};

/// Headers of one connection, which are never passed on (RFC 9110 section 7.6.1), and what is meant for us alone.
const OURS: [HeaderName; 11] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    edge::OWN_KEY,
];

/// Rules on a request and sends it.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    site: Site,
    head: &Parts,
    (body, upgrade): (edge::Arriving, OnUpgrade),
) -> Result<Response<AgentBody>, Refusal> {
    let late = |code| shared.reject(code, Some(&caller.principal));
    if let Some(opening) = socket::opening(head, &body) {
        let opening = opening.map_err(late)?;
        return Box::pin(socket::serve(shared, caller, site, head, (opening, upgrade))).await;
    }
    let effect = match head.method {
        Method::GET | Method::HEAD | Method::OPTIONS => Effect::Fetch,
        _ => Effect::Send,
    };
    let _room = serve::room(shared, &caller.principal, head, &body).map_err(late)?;
    let bounds = BodyBounds::request(&shared.config.limits);
    let (bytes, unpacked) = edge::read(&head.headers, body, bounds, None)
        .await
        .map_err(late)?;
    caller.reins.takes_turn(bytes.len()).await;
    let mut wish =
        Wish::new(shared, caller, site, Action::FetchWeb, effect).ok_or_else(|| late(Code::Bug))?;
    let (seen, whole) = seen_body(shared, edge::is_json(&head.headers), &bytes);
    wish.arguments = arguments(&wish.site, head, head.method.as_str()).map_err(late)?;
    wish.headers = heads::seen(&head.headers);
    if let Some(seen) = seen {
        wish.arguments["body"] = seen;
    }
    wish.complete = whole;
    wish.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    wish.digest = sha256(&bytes);
    let (_, Some(pool)) = wish.reach() else {
        return Err(late(Code::Bug));
    };
    let upstream = UpstreamName::new(&wish.site.to_string()).map_err(|_| late(Code::EgressTarget))?;
    let headers = outgoing(head, unpacked);
    let outbound = || Outbound {
        upstream: upstream.clone(),
        pool: Arc::clone(&pool),
        method: head.method.clone(),
        uri: head.uri.clone(),
        headers: headers.clone(),
        body: bytes.clone(),
        secrets: Default::default(),
        sign: None,
    };
    let (permit, passage) = wish.ruled(outbound).await?;
    match upstream::send(permit, shared.config.limits.upstream_timeout).await {
        Ok(answer) => come_back(wish, passage, &head.method, answer).await,
        Err(fault) if line::leads_outside(&fault) => Err(passage.failed(Code::EgressInside)),
        Err(fault) => Err(passage.failed(fault.code())),
    }
}

/// What policy and flow see of a request's head. The path in its one spelling: the site would take the others for it.
///
/// # Errors
/// [`Code::EgressTarget`]: a path that servers read in two ways; [`Code::EgressOverride`]: a header that would make it
/// another request.
pub(super) fn arguments(site: &Site, head: &Parts, method: &str) -> Result<Value, Code> {
    heads::stands(site, head)?;
    let path = site::path(head.uri.path()).ok_or(Code::EgressTarget)?;
    let mut arguments = json!({
        "scheme": head.uri.scheme_str().unwrap_or("http"),
        "host": site.host(),
        "port": site.port(),
        "method": method,
        "path": path,
    });
    if let Some(query) = head.uri.query() {
        arguments["query"] = json!(query);
    }
    Ok(arguments)
}

/// A body as policy and flow see it, and whether that is all of it: JSON by its leaves, where it may be that, text as one.
pub(super) fn seen_body(shared: &Shared, may_be_json: bool, bytes: &[u8]) -> (Option<Value>, bool) {
    if bytes.is_empty() {
        return (None, true);
    }
    let bounds = Bounds {
        depth: shared.config.limits.json_depth,
        bytes: bytes.len(),
        ..Bounds::default()
    };
    if may_be_json
        && let Ok(scanned) = json::scan(bytes, &bounds)
        && let Ok(value) = json::unrounded(scanned.text())
    {
        // The site gets every digit. Where a number has more than policy could be shown, not all is seen.
        return (Some(value), scanned.exact().is_ok());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(Value::from(text)), true),
        Err(_) => (None, false),
    }
}

/// What goes on of the request's headers. Answers are wanted as they are, to be read.
pub(super) fn outgoing(head: &Parts, unpacked: bool) -> HeaderMap {
    let mut out = passed_on(&head.headers);
    // Whom it is for was compared and stands in the address, from which it is written anew.
    out.remove(header::HOST);
    heads::plain(&mut out);
    join_cookies(&mut out);
    if unpacked {
        out.remove(header::CONTENT_ENCODING);
    }
    // The body is sent whole, so its length is known to the client that sends it.
    out.remove(header::CONTENT_LENGTH);
    out.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // Its servers want to hear that trailers are taken.
    if is_grpc(&head.headers) {
        out.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    out.append(header::VIA, via(head.version));
    out
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// By which protocol it came (RFC 9110 section 7.6.3).
pub(super) fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2 bartizan",
        _ => "1.1 bartizan",
    })
}

/// In HTTP/2 a cookie may come in crumbs; elsewhere it is one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, whole);
    }
}

/// All headers but those of the connection, named in `Connection` or known.
pub(super) fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut out = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        if !OURS.contains(name) && !named.iter().any(|one| one == name.as_str()) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

/// Reads an answer and passes it on.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(super) async fn come_back(
    wish: Wish,
    mut passage: Passage<Outbound>,
    method: &Method,
    answer: Response<Incoming>,
) -> Result<Response<AgentBody>, Refusal> {
    let (head, body) = answer.into_parts();
    passage.released.status = Some(head.status.as_u16());
    if head.status.is_informational() {
        return Err(passage.failed(Code::UpstreamMalformed));
    }
    let bare =
        *method == Method::HEAD || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bare && !is_text(&head.headers) {
        return stream(wish, passage, &head, body);
    }
    let limits = &wish.shared.config.limits;
    let mut room = wish.shared.answers.of(&wish.caller.principal).nothing();
    let read = edge::read(&head.headers, body, BodyBounds::answer(limits), Some(&mut room));
    let (bytes, unpacked) = match read.await {
        Ok(read) => read,
        Err(code) => return Err(passage.failed(code)),
    };
    let text = String::from_utf8_lossy(&bytes);
    wish.caller
        .session
        .read_from(&wish.manifest, Content::Text(&text));
    let pieces = [Piece::of_text(Source::Document, &text, "/body")];
    let looked = wish
        .shared
        .look(&wish.caller, Some(passage.call()), &pieces)
        .await;
    let release = passage.answered(AnswerFacts {
        status: Some(head.status.as_u16()),
        findings: looked.findings,
    })?;
    passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    passage.released.transcript = Some(sha256(&bytes));
    let body = AgentBody::whole(release, bytes).holding(room);
    let response = dressed(body, &head, &passage, unpacked, bare);
    passage.finish();
    Ok(response)
}

/// Whether an answer is read: what says that it is text, and what says nothing.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let texts = [
        "json",
        "xml",
        "javascript",
        "ecmascript",
        "yaml",
        "x-www-form-urlencoded",
    ];
    essence != "text/event-stream"
        && !is_grpc(headers)
        && (essence.starts_with("text/") || texts.iter().any(|text| essence.ends_with(text)))
}

/// Whether an answer says that it is there to be looked at or heard, and so holds no more to read than any picture.
fn is_media(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    // Such a picture is text.
    let is_drawn = kind.starts_with(b"image/svg");
    let families: [&[u8]; 4] = [b"image/", b"audio/", b"video/", b"font/"];
    !is_drawn && families.iter().any(|family| kind.starts_with(family))
}

fn dressed(
    body: AgentBody,
    head: &response::Parts,
    passage: &Passage<Outbound>,
    unpacked: bool,
    bare: bool,
) -> Response<AgentBody> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    let headers = response.headers_mut();
    *headers = passed_on(&head.headers);
    if unpacked {
        headers.remove(header::CONTENT_ENCODING);
    }
    if !bare {
        headers.remove(header::CONTENT_LENGTH);
    }
    headers.append(header::VIA, via(head.version));
    if let Ok(call) = HeaderValue::from_str(&passage.call().to_string()) {
        headers.insert("x-bartizan-call", call);
    }
    response
}

/// An answer that is passed on unread, between pulls.
struct Flow {
    passage: Option<Passage<Outbound>>,
    body: Incoming,
    hash: digest::Context,
    bytes: u64,
    most: u64,
    patience: Duration,
    trailers: Trailers,
}

/// What stands behind an answer, once it has come: of gRPC, how the call ended.
type Trailers = Arc<Mutex<Option<HeaderMap>>>;

/// An answer in pieces, and what stands behind it.
struct Trailed {
    pieces: Pulled<Box<Flow>>,
    trailers: Trailers,
    is_over: bool,
}

impl Body for Trailed {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = Pin::new(&mut self.pieces).poll_frame(context);
        if !matches!(polled, Poll::Ready(None)) || self.is_over {
            return polled;
        }
        self.is_over = true;
        let trailers = self
            .trailers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

/// Passes an answer on in pieces. It is nothing that anybody reads as text, but the agent may.
fn stream(
    wish: Wish,
    mut passage: Passage<Outbound>,
    head: &response::Parts,
    body: Incoming,
) -> Result<Response<AgentBody>, Refusal> {
    wish.caller.session.read_from(&wish.manifest, Content::Error(""));
    let shared = &wish.shared;
    let is_told = shared.inspector.is_some() && !is_media(&head.headers);
    let release = passage.answered(AnswerFacts {
        status: Some(head.status.as_u16()),
        findings: is_told.then(|| unread("/body")).into_iter().collect(),
    })?;
    let open = Gauge::raise(Arc::clone(&shared.meters), |meters| &meters.streams);
    let template = dressed(AgentBody::ours(Vec::new()), head, &passage, false, false);
    let trailers = Trailers::default();
    let flow = Flow {
        trailers: Arc::clone(&trailers),
        passage: Some(passage),
        body,
        hash: digest::Context::new(&digest::SHA256),
        bytes: 0,
        most: shared
            .egress
            .as_ref()
            .map_or(0, |proxy| proxy.config.tunnel_bytes),
        patience: shared.config.limits.upstream_timeout,
    };
    let trailed = Trailed {
        pieces: Pulled::new(Box::new(flow), |flow| Box::pin(next(flow))),
        trailers,
        is_over: false,
    };
    Ok(template.map(|_| AgentBody::stream(release, trailed).holding(open)))
}

/// The next piece for the agent.
async fn next(mut flow: Box<Flow>) -> Option<(Box<Flow>, Result<Bytes, Cut>)> {
    loop {
        let chunk = match tokio::time::timeout(flow.patience, flow.body.frame()).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) if chunk.is_empty() => continue,
                Ok(chunk) => chunk,
                Err(frame) => {
                    flow.keep(frame);
                    continue;
                }
            },
            Ok(None) => {
                flow.sealed()?.finish();
                return None;
            }
            Ok(Some(Err(_))) => return flow.cut_off(Code::UpstreamUnreachable),
            Err(_) => return flow.cut_off(Code::UpstreamTimeout),
        };
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if flow.bytes.saturating_add(bytes) > flow.most {
            return flow.cut_off(Code::TunnelBound);
        }
        flow.bytes += bytes;
        flow.hash.update(&chunk);
        return Some((flow, Ok(chunk)));
    }
}

impl Flow {
    /// Keeps trailers until all else has gone. They count as what was carried.
    fn keep(&mut self, frame: Frame<Bytes>) {
        let Ok(trailers) = frame.into_trailers() else {
            return;
        };
        let bytes = trailers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.sum::<usize>()).unwrap_or(u64::MAX));
        let kept = passed_on(&trailers);
        *self.trailers.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
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

    fn cut_off(mut self: Box<Self>, code: Code) -> Option<(Box<Self>, Result<Bytes, Cut>)> {
        let passage = self.sealed()?;
        match code {
            Code::TunnelBound => passage.withheld(code),
            _ => drop(passage.failed(code)),
        }
        Some((self, Err(Cut)))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Still here means the agent went away: the passage records that as it is dropped.
        drop(self.sealed());
    }
}
