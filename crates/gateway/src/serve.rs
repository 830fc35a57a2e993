//! One request: checked at the edge, routed, authenticated, handed to its API. Every way out of here is either an
//! answer with its release or a refusal in the caller's own error shape.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bartizan_identity::Credential;
use bartizan_types::{AuthMethod, Code, Principal, Refusal, Secret, ServerName, Timestamp};
use bartizan_wire::{
    jsonrpc::Id,
    model::{self as wire_model, Api},
    sse,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;

use crate::{
    Shared, a2a,
    answer::AgentBody,
    clock,
    edge::{self, Arriving, BodyBounds},
    gate::Caller,
    inspect,
    meters::Gauge,
    model::{self, Endpoint},
    pinned::pinned,
    reins::{Ending, Reins},
    resource,
    room::Taken,
};

/// In whose error shape a refusal is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A model API's.
    Model(Api),
    /// JSON-RPC, with no id known.
    Mcp,
    /// A2A's, with no id known.
    A2a,
    /// Plain JSON of ours.
    Plain,
}

/// Who waits for the answer to a message that was read, and hears in its protocol's words what cuts the answer off.
#[derive(Debug, Clone)]
pub(crate) enum Asker {
    /// A client of a model API, whose messages have no ids.
    Model(Api),
    /// An MCP client, by the id of its request.
    Mcp(Id<'static>),
    /// An agent that asks another one.
    A2a {
        /// Of its request.
        id: Id<'static>,
        /// The answer is to be a stream.
        streams: bool,
    },
}

impl Asker {
    /// The whole answer, where that is more than the shape of the path's refusals.
    fn told(&self, said: &Refusal) -> Option<Response<AgentBody>> {
        match self {
            Self::Model(_) => None,
            Self::Mcp(id) => Some(refusal_of(&Shape::Mcp, Some(id), said)),
            Self::A2a { id, streams } => Some(a2a::told(id, *streams, said)),
        }
    }

    /// The last event of an answer that streams.
    pub(crate) fn last(&self, said: &Refusal) -> Vec<u8> {
        match self {
            Self::Model(api) => wire_model::refusal_event(*api, said),
            Self::Mcp(id) => {
                let error = bartizan_wire::jsonrpc::refusal_error(Some(id), said);
                sse::encode(Some("message"), &String::from_utf8_lossy(&error))
            }
            Self::A2a { id, .. } => bartizan_wire::a2a::refusal_event(id, said),
        }
    }
}

enum Route {
    Model(Api, Endpoint),
    Models(Api),
    Mcp(Option<ServerName>),
    Hook,
    A2a(a2a::Target),
    Delegations,
    Inspect(inspect::Shape),
}

/// Serves one request.
pub(crate) async fn request(shared: Arc<Shared>, request: Request<Incoming>) -> Response<AgentBody> {
    let (head, body) = request.into_parts();
    let head = Arc::new(head);
    let (body, left) = Arriving::new(&head, body);
    let shape = shape(head.uri.path());
    let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
        drop(body);
        return left.settle(refusal(&shape, &shared.shed(Code::Saturated))).await;
    };
    let busy = Gauge::raise(Arc::clone(&shared.meters), |meters| &meters.in_progress);
    let mut who = None;
    let mut answer = match routed(&shared, &head, body, &shape, &mut who).await {
        Ok(answer) => left.settle(answer.map(|body| body.holding((slot, busy)))).await,
        Err(said) => {
            drop((slot, busy));
            if let Some(late) = shared.turns.late(who.as_deref()) {
                tokio::time::sleep(late).await;
            }
            let mut answer = refusal(&shape, &said);
            resource::dress(&mut answer, &said, resource::challenge(&shared, &head).as_deref());
            if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
                answer.headers_mut().insert(header::ALLOW, allow(&head));
            }
            left.settle(answer).await
        }
    };
    resource::renew_nonce(&shared, &head, &mut answer);
    answer
}

async fn routed(
    shared: &Arc<Shared>,
    head: &Arc<Parts>,
    body: Arriving,
    shape: &Shape,
    who: &mut Option<Arc<Principal>>,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, None);
    edge::check_framing(&head.headers)
        .and_then(|()| {
            let (listen, bound) = (&shared.config.listen, shared.address);
            edge::check_host_and_origin(listen, bound, &head.uri, &head.headers)
        })
        .map_err(early)?;
    if let Some(answer) = resource::metadata(shared, head) {
        return answer.map_err(early);
    }
    let now = clock::now();
    let nonces = shared.nonces.as_ref().map(|nonces| nonces.now(now));
    let authority = edge::authority(head);
    let nonces = nonces.as_ref().map(<[String; 2]>::as_slice);
    let presented = edge::presented(&shared.config.listen, head, authority, nonces);
    let principal = shared.authenticate(&presented, now).map_err(early)?;
    *who = Some(Arc::clone(&principal));
    if shared.is_draining() {
        return Err(shared.shed(Code::Draining));
    }
    let route = route(head.uri.path(), &head.method, &head.headers)
        .map_err(|code| shared.reject(code, Some(&principal)))?;
    let shown = shown(shared, &principal, head);
    in_turn(shared, principal, now, shown, |caller| {
        served(shared, caller, route, (head, body), shape)
    })
    .await
}

/// Serves a known agent in its turn and its session, until its request has to end: by itself, or because something of it
/// is revoked.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn in_turn<S>(
    shared: &Arc<Shared>,
    principal: Arc<Principal>,
    now: Timestamp,
    shown: Option<Arc<Secret<String>>>,
    serve: impl FnOnce(Caller) -> S,
) -> Result<Response<AgentBody>, Refusal>
where
    S: Future<Output = Result<Response<AgentBody>, Refusal>>,
{
    let late = |code| shared.reject(code, Some(&principal));
    let place = shared.turns.place(&principal).map_err(|_| {
        let mut refusal = late(Code::ShareFull);
        refusal.retry_after_seconds = Some(1);
        refusal
    })?;
    let session = shared.sessions.join(&principal, now);
    // Listens before it looks, so that no revocation falls in between.
    let reins = Reins::new(&shared.revoked, &principal, session.id, Some(place));
    if let Some(bar) = shared.revoked.of_caller(&principal, session.id) {
        return Err(shared.reject_noting(bar.code, &principal, Some(bar.what)));
    }
    let caller = Caller {
        principal: Arc::clone(&principal),
        session,
        reins: Arc::clone(&reins),
        shown,
        badge: None,
    };
    let mut cut: Ending = Box::pin(Arc::clone(&reins).cut(Arc::clone(&shared.revoked)));
    let answered = tokio::select! {
        biased;
        code = &mut cut => {
            let said = shared.reject_noting(code, &principal, reins.revoked_by());
            return reins.asked().and_then(|asker| asker.told(&said)).ok_or(said);
        }
        answered = serve(caller) => answered?,
    };
    Ok(answered.map(|body| body.reined(reins, cut)))
}

/// The token that a caller showed, where some server's tokens are got in exchange for it.
fn shown(shared: &Shared, principal: &Principal, head: &Parts) -> Option<Arc<Secret<String>>> {
    if principal.method != AuthMethod::Jwt || !shared.wallets.exchanges() {
        return None;
    }
    match edge::credential(&head.headers) {
        Credential::Bearer(token) => Some(Arc::new(Secret::new(token.to_owned()))),
        Credential::None | Credential::Ambiguous => None,
    }
}

/// Hands a request to its API.
async fn served(
    shared: &Arc<Shared>,
    caller: Caller,
    route: Route,
    (head, body): (&Arc<Parts>, Arriving),
    shape: &Shape,
) -> Result<Response<AgentBody>, Refusal> {
    let late = |code| shared.reject(code, Some(&caller.principal));
    let _room = room(shared, &caller.principal, head, &body).map_err(late)?;
    match route {
        Route::Models(api) => Box::pin(model::list(shared, &caller, api, head)).await,
        Route::Model(api, endpoint) => {
            if !edge::is_json(&head.headers) {
                return Err(late(Code::ContentType));
            }
            let bounds = BodyBounds::request(&shared.config.limits);
            let (bytes, _) = edge::read(&head.headers, body, bounds, None)
                .await
                .map_err(late)?;
            debug_assert_eq!(*shape, Shape::Model(api));
            caller.reins.asked_by(Asker::Model(api));
            caller.reins.takes_turn(bytes.len()).await;
            pinned(|| model::call(shared, &caller, api, endpoint, head, bytes)).await
        }
        Route::Mcp(server) => crate::mcp::serve(shared, caller, server, head, body).await,
        Route::A2a(target) => Box::pin(a2a::serve(shared, &caller, target, head, body)).await,
        Route::Delegations => Box::pin(crate::handing::serve(shared, &caller, head, body)).await,
        Route::Hook => Box::pin(crate::hook::serve(shared, &caller, head, body)).await,
        Route::Inspect(asked) => {
            if !edge::is_json(&head.headers) {
                return Err(late(Code::ContentType));
            }
            let bounds = BodyBounds::request(&shared.config.limits);
            let (bytes, _) = edge::read(&head.headers, body, bounds, None)
                .await
                .map_err(late)?;
            Box::pin(inspect::serve(shared, &caller, asked, bytes)).await
        }
    }
}

/// Takes room for a request's body, before any of it is read and until the call is on its way back. A body that does
/// not say how large it is, or is packed, may become as large as one may be.
///
/// # Errors
/// [`Code::BodyTooLarge`], [`Code::Saturated`].
pub(crate) fn room(
    shared: &Shared,
    principal: &Principal,
    head: &Parts,
    body: &impl hyper::body::Body,
) -> Result<Option<Taken>, Code> {
    let most = shared.config.limits.body_bytes;
    let said = body.size_hint().exact().map(usize::try_from);
    let bytes = match said {
        Some(Ok(0)) => return Ok(None),
        Some(Err(_)) => return Err(Code::BodyTooLarge),
        Some(Ok(bytes)) if bytes > most => return Err(Code::BodyTooLarge),
        Some(Ok(bytes)) if !head.headers.contains_key(header::CONTENT_ENCODING) => bytes,
        Some(Ok(_)) | None => most,
    };
    let taken = shared.bodies.of(principal).take(bytes);
    taken.map(Some).map_err(|_| Code::Saturated)
}

fn shape(path: &str) -> Shape {
    match path
        .trim_start_matches("/openai")
        .trim_start_matches("/anthropic")
    {
        "/v1/chat/completions" => Shape::Model(Api::OpenaiChat),
        "/v1/responses" => Shape::Model(Api::OpenaiResponses),
        "/v1/messages" | "/v1/messages/count_tokens" => Shape::Model(Api::AnthropicMessages),
        other if other.starts_with("/a2a/") => Shape::A2a,
        other if other == "/mcp" || other.starts_with("/mcp/") => Shape::Mcp,
        _ => Shape::Plain,
    }
}

fn route(path: &str, method: &Method, headers: &HeaderMap) -> Result<Route, Code> {
    let post = |route| {
        if *method == Method::POST {
            Ok(route)
        } else {
            Err(Code::Method)
        }
    };
    match path {
        "/v1/chat/completions" | "/openai/v1/chat/completions" => {
            post(Route::Model(Api::OpenaiChat, Endpoint::Generate))
        }
        "/v1/responses" | "/openai/v1/responses" => {
            post(Route::Model(Api::OpenaiResponses, Endpoint::Generate))
        }
        "/v1/messages" | "/anthropic/v1/messages" => {
            post(Route::Model(Api::AnthropicMessages, Endpoint::Generate))
        }
        "/v1/messages/count_tokens" | "/anthropic/v1/messages/count_tokens" => {
            post(Route::Model(Api::AnthropicMessages, Endpoint::CountTokens))
        }
        "/v1/models" | "/openai/v1/models" | "/anthropic/v1/models" => {
            if *method != Method::GET {
                return Err(Code::Method);
            }
            let anthropic = path.starts_with("/anthropic/") || headers.contains_key("anthropic-version");
            Ok(Route::Models(if anthropic {
                Api::AnthropicMessages
            } else {
                Api::OpenaiChat
            }))
        }
        "/v1/hook" => post(Route::Hook),
        "/v1/delegations" => post(Route::Delegations),
        "/v1/inspect" => post(Route::Inspect(inspect::Shape::Inspect)),
        "/v1/moderations" | "/openai/v1/moderations" => post(Route::Inspect(inspect::Shape::Moderations)),
        "/mcp" => Ok(Route::Mcp(None)),
        _ if let Some(rest) = path.strip_prefix("/a2a/") => a2a::target(rest, method).map(Route::A2a),
        _ => match path.strip_prefix("/mcp/") {
            Some(name) => Ok(Route::Mcp(Some(
                ServerName::new(name).map_err(|_| Code::ServerUnknown)?,
            ))),
            // Answers kept by the provider are read at paths of their own, which would go round the guard.
            None if path.contains("/v1/responses/") || path.contains("/v1/conversations") => {
                Err(Code::ServerHistoryRefused)
            }
            None => Err(Code::NotFound),
        },
    }
}

/// What a path allows: a 405 has to say so (RFC 9110, section 15.5.6).
fn allow(head: &Parts) -> HeaderValue {
    let path = head.uri.path();
    let named = match shape(path) {
        // `GET` opens the stream of a session, where one is named.
        Shape::Mcp if head.headers.contains_key(&crate::mcp::SESSION) => "GET, POST, DELETE",
        Shape::Mcp => "POST, DELETE",
        _ if route(path, &Method::POST, &head.headers).is_ok() => "POST",
        _ => "GET",
    };
    HeaderValue::from_static(named)
}

/// A refusal in the caller's shape.
pub(crate) fn refusal(shape: &Shape, refusal: &Refusal) -> Response<AgentBody> {
    refusal_of(shape, None, refusal)
}

/// The same, of a message whose id is known.
fn refusal_of(shape: &Shape, id: Option<&Id<'_>>, refusal: &Refusal) -> Response<AgentBody> {
    let body = match shape {
        Shape::Model(api) => wire_model::refusal_body(*api, refusal),
        Shape::Mcp => bartizan_wire::jsonrpc::refusal_error(id, refusal),
        Shape::A2a => bartizan_wire::a2a::refusal_error(None, refusal),
        Shape::Plain => plain(refusal),
    };
    let mut response = Response::new(AgentBody::ours(body));
    *response.status_mut() =
        StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(call) = HeaderValue::from_str(&refusal.call.to_string()) {
        headers.insert("x-bartizan-call", call);
    }
    if let Some(seconds) = refusal.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // Where such a request ends is a matter of opinion, and nothing may follow it on its connection.
    if refusal.code == Code::HttpMalformed {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if refusal.code.status() == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A refusal in plain JSON of ours.
pub(crate) fn plain(refusal: &Refusal) -> Vec<u8> {
    let text = serde_json::json!({
        "error": {
            "code": refusal.code,
            "message": refusal.sentence,
            "hint": refusal.code.hint(),
            "call": refusal.call,
        }
    });
    text.to_string().into_bytes()
}

/// What is said when serving panicked: a deny, like any other.
pub(crate) fn after_panic(shared: &Shared) -> Response<AgentBody> {
    shared.meters.panics.fetch_add(1, Relaxed);
    refusal(&Shape::Plain, &shared.reject(Code::Bug, None))
}
