//! MCP towards agents and servers: HTTP in front, any way behind.
//!
//! An agent of the 2025 revisions has a session that we mint and bind to its identity; a stateless one has each
//! request checked for itself, headers against body. Whatever it asks becomes a ruled call, an answer of ours, or a
//! refusal. The protocol itself is `bartizan-mcp`; what lives here owns the sockets, pipes and tasks.

mod asking;
mod calls;
mod conn;
mod exchange;
mod fence;
mod flow;
mod handed;
mod health;
mod hub;
mod labels;
mod listings;
mod manifests;
mod meta;
mod misread;
mod notices;
mod open;
pub mod pins;
mod program;
mod replies;
mod rests;
mod stdio;
mod way;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{
    ListKind, Method, Names, Outcome, Params, PinKind, Revision, header as repeated, pin::PinFault, refusal,
    session,
};
use bartizan_types::{Action, CallFacts, Code, Digest, Finding, Principal, Refusal, ServerName, ToolName};
use bartizan_wire::{
    json,
    jsonrpc::{self, Id, Message as Rpc},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as Verb, Response, StatusCode, header, request::Parts,
};
use http_body::Frame;
use tokio::{
    sync::mpsc,
    time::{Duration, Interval, MissedTickBehavior},
};

pub use health::ServerStatus;
pub(crate) use hub::{Hub, Owner};
pub(crate) use manifests::{
    Explained, Origin,
    accepted::{Signer, digest as manifest_digest},
};
pub use manifests::{Labelled, Looked, Manifests, ReviewFault, Standing};
pub use rests::Resting;
pub use stdio::StdioFault;

use crate::{
    Shared,
    answer::{AgentBody, Cut},
    clock,
    edge::{self, BodyBounds},
    gate::Caller,
    model::sha256,
    room::Room,
    serve::Asker,
};
use calls::Asked;
use flow::{Agent, Ctx, Message, Refused, Reply};

pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// A comment on a quiet stream, so that nothing in between takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Rules on something that forwards nothing of its own.
///
/// # Errors
/// The refusal.
pub(crate) async fn rule(shared: &Arc<Shared>, caller: &Caller, facts: CallFacts) -> Result<(), Refusal> {
    rule_on(shared, caller, facts, Vec::new()).await
}

/// The same of a call in which something was seen.
///
/// # Errors
/// The refusal to tell.
pub(crate) async fn rule_on(
    shared: &Arc<Shared>,
    caller: &Caller,
    facts: CallFacts,
    findings: Vec<Finding>,
) -> Result<(), Refusal> {
    let (permit, mut passage) = shared.enter(shared.evidence(caller, facts, findings), ()).await?;
    let () = permit.spend();
    let _call = passage.answered(AnswerFacts::default())?.spend();
    passage.finish();
    Ok(())
}

/// Serves one request of an agent to `/mcp` or `/mcp/{server}`.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: Caller,
    server: Option<ServerName>,
    head: &Arc<Parts>,
    body: edge::Arriving,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    let names = Arc::new(shared.mcp.scope(server.as_ref()).map_err(early)?);
    for name in [VERSION, METHOD, NAME, SESSION] {
        if head.headers.get_all(&name).iter().nth(1).is_some() {
            return Err(early(Code::HeaderMismatch));
        }
    }
    match head.method {
        Verb::POST => post(shared, &caller, names, head, body).await,
        Verb::GET => Box::pin(stream(shared, &caller, names, head)).await,
        Verb::DELETE => {
            let session = held(shared, &caller, &head.headers).map_err(early)?;
            shared.mcp.close_session(&session);
            let mut response = Response::new(AgentBody::ours(Vec::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        _ => Err(early(Code::Method)),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Code> {
    headers
        .get(name)
        .map(|value| value.to_str().map_err(|_| Code::HeaderMismatch))
        .transpose()
}

fn held(shared: &Shared, caller: &Caller, headers: &HeaderMap) -> Result<Arc<hub::AgentSession>, Code> {
    let id = text(headers, &SESSION)?.ok_or(Code::SessionUnknown)?;
    shared.mcp.session(id, &hub::Owner::of(&caller.principal))
}

/// Whether the agent takes a type. No `Accept` takes everything (RFC 9110 section 12.5.1).
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        any = true;
        let listed = value.to_str().unwrap_or_default().split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            let group = wanted.split('/').next().unwrap_or_default();
            range.eq_ignore_ascii_case(wanted)
                || range == "*/*"
                || range.strip_suffix("/*").is_some_and(|ranged| ranged == group)
        });
        if listed {
            return true;
        }
    }
    !any
}

async fn post(
    shared: &Arc<Shared>,
    caller: &Caller,
    names: Arc<Names>,
    head: &Arc<Parts>,
    body: edge::Arriving,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    if !edge::is_json(&head.headers) || !accepts(&head.headers, "application/json") {
        return Err(early(Code::ContentType));
    }
    let bounds = BodyBounds::request(&shared.config.limits);
    let (bytes, _) = edge::read(&head.headers, body, bounds, None)
        .await
        .map_err(early)?;
    caller.reins.takes_turn(bytes.len()).await;
    let limits = json::Bounds {
        depth: shared.config.limits.json_depth,
        bytes: shared.config.limits.body_bytes,
        ..json::Bounds::default()
    };
    let misread = |fault| shared.misread(fault, &bytes, &caller.principal);
    let scanned = json::scan(&bytes, &limits).map_err(misread)?;
    let message = jsonrpc::decode(scanned).map_err(misread)?;
    let base = Base {
        shared,
        caller,
        names,
        streams: accepts(&head.headers, "text/event-stream"),
        head: Some(Arc::clone(head)),
        body: (u64::try_from(bytes.len()).unwrap_or(u64::MAX), sha256(&bytes)),
    };
    let (id, name) = match &message {
        Rpc::Request { id, method, .. } => (Some(id.clone()), Some(method.clone())),
        Rpc::Notification { method, .. } => (None, Some(method.clone())),
        Rpc::Response { .. } | Rpc::Failure { .. } => (None, None),
    };
    let method = name.as_deref().map_or(Method::Unknown, Method::parse);
    if let Some(id) = &id {
        caller.reins.asked_by(Asker::Mcp(id.clone().into_owned()));
    }
    // Before anything of it is read: servers get what the agent wrote, to the last digit.
    if let (Some(id), Err(fault)) = (&id, scanned.exact()) {
        let refusal = misread(fault);
        return Ok(told(
            Some(id),
            method,
            Revision::LAST_WITH_HANDSHAKE,
            &refusal,
            None,
        ));
    }
    match message_of(&base, &head.headers, message).await {
        Ok(reply) => Ok(answer(reply)),
        Err((refused, revision)) => {
            let detail = refused.detail.as_deref();
            let mut answer = told(id.as_ref(), method, revision, &refused.refusal, detail);
            if refused.refusal.scopes.is_some() {
                let metadata = crate::resource::challenge(shared, head);
                crate::resource::step_up(&mut answer, &refused.refusal, metadata.as_deref());
            }
            Ok(answer)
        }
    }
}

struct Base<'a> {
    shared: &'a Arc<Shared>,
    caller: &'a Caller,
    names: Arc<Names>,
    streams: bool,
    head: Option<Arc<Parts>>,
    body: (u64, Digest),
}

impl Base<'_> {
    fn ctx(&self, agent: Agent) -> Ctx {
        Ctx {
            shared: Arc::clone(self.shared),
            caller: self.caller.clone(),
            names: Arc::clone(&self.names),
            agent,
            streams: self.streams,
            head: self.head.clone(),
            body: self.body,
        }
    }

    fn early(&self, code: Code) -> Refused {
        self.shared.reject(code, Some(&self.caller.principal)).into()
    }
}

/// What the headers repeat of a message.
fn repeated_of(headers: &HeaderMap) -> Result<repeated::Headers<'_>, Code> {
    Ok(repeated::Headers {
        version: text(headers, &VERSION)?,
        method: text(headers, &METHOD)?,
        name: text(headers, &NAME)?,
    })
}

/// Serves one message that came by HTTP. With a refusal comes the revision to tell it in.
async fn message_of(
    base: &Base<'_>,
    headers: &HeaderMap,
    message: Rpc<'_>,
) -> Result<Reply, (Refused, Revision)> {
    let oldest = Revision::LAST_WITH_HANDSHAKE;
    let shaped = |revision| move |code| (base.early(code), revision);
    let repeated = repeated_of(headers).map_err(shaped(oldest))?;
    let (name, params) = match &message {
        Rpc::Request { method, params, .. } | Rpc::Notification { method, params } => (
            Some(method.as_ref()),
            Params::strict(*params).map_err(shaped(oldest))?,
        ),
        Rpc::Response { .. } | Rpc::Failure { .. } => (None, Params::default()),
    };
    let said = params.version().map_err(shaped(oldest))?;
    let stateless = said.is_some() || repeated.version == Some(Revision::LATEST.as_str());
    let named = match name.and_then(|name| Method::parse(name).named_by()) {
        Some(key) => params.text(key).map_err(shaped(oldest))?,
        None => None,
    };
    if stateless {
        let latest = Revision::LATEST;
        // A client that disagrees with itself is told that first.
        if repeated.version != said.as_deref() {
            return Err(shaped(latest)(Code::HeaderMismatch));
        }
        if said.as_deref() != Some(latest.as_str()) {
            return Err(shaped(latest)(Code::RevisionUnsupported));
        }
        repeated::check(repeated, latest, name.unwrap_or_default(), named.as_deref())
            .map_err(shaped(latest))?;
        let Rpc::Request {
            id,
            method,
            params: raw,
        } = message
        else {
            // That revision has no messages of this kind from clients over HTTP.
            return Err(shaped(latest)(Code::MessageInvalid));
        };
        let face = session::stateless_face(&params).map_err(shaped(latest))?;
        let ctx = base.ctx(Agent::Stateless(Box::new(face)));
        let (name, told) = (method, |refused| (refused, latest));
        return calls::request(
            &ctx,
            Asked {
                id,
                name,
                raw,
                params,
            },
        )
        .await
        .map_err(told);
    }
    if let (Some("initialize"), Rpc::Request { id, .. }) = (name, &message) {
        return Box::pin(initialize(base, &params, id))
            .await
            .map_err(|refused| (refused, oldest));
    }
    let session = held(base.shared, base.caller, headers).map_err(shaped(oldest))?;
    let ctx = base.ctx(Agent::Session(session));
    let revision = ctx.revision();
    repeated::check(repeated, revision, name.unwrap_or_default(), named.as_deref())
        .map_err(shaped(revision))?;
    in_session(&ctx, message, params)
        .await
        .map_err(|refused| (refused, revision))
}

async fn initialize(base: &Base<'_>, params: &Params<'_>, id: &Id<'_>) -> Result<Reply, Refused> {
    let state = session::Session::open(params).map_err(|code| base.early(code))?;
    let owner = hub::Owner::of(&base.caller.principal);
    let room = base.shared.conversation(&base.caller.principal);
    let session = base
        .shared
        .mcp
        .open_session(owner, state, room)
        .map_err(|code| base.early(code))?;
    let ctx = base.ctx(Agent::Session(Arc::clone(&session)));
    let introduced = async {
        let (result, reached) = listings::introduce(&ctx).await?;
        calls::released(
            &ctx,
            &reached,
            Action::Connect,
            (refusal::result(id, &result), Vec::new()),
        )
        .await
    };
    match introduced.await {
        Ok(Reply::Whole {
            status,
            bytes,
            release,
            room,
            ..
        }) => Ok(Reply::Whole {
            status,
            bytes,
            release,
            session: Some(session.id.clone()),
            room,
        }),
        Ok(reply) => Ok(reply),
        Err(refusal) => {
            base.shared.mcp.close_session(&session);
            Err(refusal.into())
        }
    }
}

/// One message within a session.
async fn in_session(ctx: &Ctx, message: Rpc<'_>, params: Params<'_>) -> Result<Reply, Refused> {
    match message {
        Rpc::Request {
            id,
            method,
            params: raw,
        } => {
            calls::request(
                ctx,
                Asked {
                    id,
                    name: method,
                    raw,
                    params,
                },
            )
            .await
        }
        Rpc::Notification { method, params } => Box::pin(replies::notification(ctx, &method, params)).await,
        Rpc::Response { id, result } => {
            Box::pin(replies::answer(ctx, &id, Outcome::Result(result.to_owned()))).await
        }
        Rpc::Failure { id: Some(id), error } => {
            let outcome = Outcome::Error {
                code: error.code,
                message: error.message.into_owned(),
                data: error.data.map(ToOwned::to_owned),
            };
            Box::pin(replies::answer(ctx, &id, outcome)).await
        }
        Rpc::Failure { id: None, .. } => Err(ctx.early(Code::MessageInvalid).into()),
    }
}

/// The agent's own stream: messages of its servers that belong to no request.
async fn stream(
    shared: &Arc<Shared>,
    caller: &Caller,
    names: Arc<Names>,
    head: &Parts,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    if !head.headers.contains_key(&SESSION) {
        return Err(early(Code::Method));
    }
    if !accepts(&head.headers, "text/event-stream") {
        return Err(early(Code::ContentType));
    }
    let session = held(shared, caller, &head.headers).map_err(early)?;
    let base = Base {
        shared,
        caller,
        names,
        streams: true,
        head: None,
        body: (0, sha256(b"")),
    };
    let ctx = base.ctx(Agent::Session(Arc::clone(&session)));
    let asking = |server: &ServerName| {
        let call = calls::facts(&ctx, Action::Notify, calls::on_server(server));
        shared.evidence(caller, call, Vec::new())
    };
    let (permit, mut passage) = calls::enter_first(&ctx, ctx.names.servers(), asking).await?;
    let () = permit.spend();
    let release = passage.answered(AnswerFacts::default())?;
    let messages = session.listen();
    Ok(answer(Reply::Stream {
        release,
        messages,
        open: Some(Box::new(flow::Open::new(passage, None))),
    }))
}

fn answer(reply: Reply) -> Response<AgentBody> {
    let json = HeaderValue::from_static("application/json");
    match reply {
        Reply::Accepted => {
            let mut response = Response::new(AgentBody::ours(Vec::new()));
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
        Reply::Whole {
            status,
            bytes,
            release,
            session,
            room,
        } => {
            let mut response = match release {
                Some(release) => {
                    let call = HeaderValue::from_str(&release.call().to_string());
                    let body = AgentBody::whole(release, Bytes::from(bytes)).holding(room);
                    let mut response = Response::new(body);
                    if let Ok(call) = call {
                        response.headers_mut().insert("x-bartizan-call", call);
                    }
                    response
                }
                None => Response::new(AgentBody::ours(bytes)),
            };
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            if let Some(id) = session.and_then(|id| HeaderValue::from_str(&id).ok()) {
                response.headers_mut().insert(SESSION, id);
            }
            response
        }
        Reply::Stream {
            release,
            messages,
            open,
        } => {
            let mut ticks = tokio::time::interval(KEEP_ALIVE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            let mut response = Response::new(AgentBody::stream(
                release,
                Events {
                    messages,
                    ticks,
                    open,
                },
            ));
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream"),
            );
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
    }
}

fn told(
    id: Option<&Id<'_>>,
    method: Method,
    revision: Revision,
    said: &Refusal,
    detail: Option<&str>,
) -> Response<AgentBody> {
    let (status, bytes) = refusal::encode(id, method, revision, said, detail);
    let mut response = Response::new(AgentBody::ours(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(call) = HeaderValue::from_str(&said.call.to_string()) {
        headers.insert("x-bartizan-call", call);
    }
    if let Some(seconds) = said.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Messages as an event stream.
struct Events {
    messages: mpsc::Receiver<Message>,
    ticks: Interval,
    open: Option<Box<flow::Open>>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.messages.poll_recv(context) {
            Poll::Ready(Some(message)) => {
                self.ticks.reset();
                if let Some(open) = &mut self.open {
                    open.released(&message.bytes);
                }
                return Poll::Ready(Some(Ok(Frame::data(flow::event(&message.bytes)))));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        match self.ticks.poll_tick(context) {
            Poll::Ready(_) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n"))))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Shared {
    /// What one MCP conversation or session of an identity may have waiting.
    pub(crate) fn conversation(&self, principal: &Principal) -> Room {
        self.answers
            .conversation(principal, self.config.limits.answer_bytes)
    }

    /// The pins of a server, as they are now.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`], or [`Code::Bug`] when the state can't be read.
    pub fn pins(&self, server: &ServerName) -> Result<bartizan_mcp::ServerPins, Code> {
        self.mcp
            .served(server)?
            .with_pins(&self.state, |pins| (pins.clone(), false))
    }

    /// An operator approves what a server says of one thing now; `digest` is what they looked at. Agents see it from
    /// their next listing on.
    ///
    /// # Errors
    /// [`Code::ToolUnknown`] when nothing of that name and digest waits; otherwise as [`Shared::pins`].
    pub fn approve_pin(
        &self,
        server: &ServerName,
        kind: PinKind,
        name: &str,
        digest: Digest,
        by: &str,
    ) -> Result<(), Code> {
        let approved = self.mcp.served(server)?.with_pins(&self.state, |pins| {
            let approved: Result<(), PinFault> = pins.approve(kind, name, digest, by, clock::now());
            let store = approved.is_ok();
            (approved, store)
        })?;
        approved.map_err(|_| Code::ToolUnknown)?;
        match kind {
            PinKind::Identity | PinKind::Instructions | PinKind::Package => self.mcp.greet_anew(server),
            PinKind::Tool | PinKind::Prompt | PinKind::Resource | PinKind::Template => {
                self.mcp.forget_listings(server);
            }
        }
        Ok(())
    }

    /// What of a server's last listings is kept from agents whatever an operator approves: kind, name, and why.
    pub(crate) fn unusable(&self, server: &ServerName) -> Vec<(PinKind, String, &'static str)> {
        let Ok(served) = self.mcp.served(server) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for kind in ListKind::ALL {
            let catalog = served.last_catalog(kind);
            for listed in catalog.iter().flat_map(|catalog| catalog.iter()) {
                let why = listed.unusable.filter(|_| listed.withheld);
                all.extend(why.map(|why| (kind.pin(), listed.name.clone(), why)));
            }
        }
        all
    }

    /// What every tool does, and what its arguments and results are.
    #[must_use]
    pub fn manifests(&self) -> &Manifests {
        &self.mcp.manifests
    }

    /// Takes an operator's review of manifests of one server, while its pins can't move.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`], [`Code::Bug`] when the state can't be read, or [`ReviewFault`] within.
    pub fn accept_manifests(
        &self,
        server: &ServerName,
        looked: &[Looked],
        by: &str,
    ) -> Result<Result<(), ReviewFault>, Code> {
        self.mcp.served(server)?.with_pins(&self.state, |pins| {
            let by = (by, clock::now());
            (self.mcp.manifests.accept(&self.state, pins, looked, by), false)
        })
    }

    /// Takes reviews back.
    ///
    /// # Errors
    /// As [`Shared::accept_manifests`].
    pub fn withdraw_manifests(
        &self,
        server: &ServerName,
        tools: &[ToolName],
    ) -> Result<Result<(), ReviewFault>, Code> {
        self.mcp.served(server)?.with_pins(&self.state, |pins| {
            (self.mcp.manifests.withdraw(&self.state, pins, tools), false)
        })
    }

    /// Reads the pins of a server again, after something else wrote them.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`], [`Code::Bug`] when the state can't be read.
    pub fn reread_pins(&self, server: &ServerName) -> Result<(), Code> {
        self.mcp.served(server)?.reread_pins(&self.state)?;
        self.mcp.forget_listings(server);
        Ok(())
    }
}
