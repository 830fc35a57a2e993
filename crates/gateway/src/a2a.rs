//! Other agents, over A2A 1.0: each message is a call, each answer is read as text that an outsider wrote before our agent
//! sees it. Unary here, streamed in `stream`; who the peers are, and whether their cards hold, in `peers`.
//!
//! Our agents reach a peer at `/a2a/NAME`, and find its card below it.
//!
//! INVARIANT: a peer gets what `wire` wrote from the params that flow traced, and headers of ours. Whatever an agent can
//! choose in a request is an argument to the ruling, or is one of few words of the protocol.

mod peers;
mod stream;

use std::sync::Arc;

use bartizan_flow::{Content, Effect, Manifest, PathPattern, Role};
use bartizan_guard::{AnswerFacts, Release};
use bartizan_types::{
    Action, CallFacts, CallId, Code, Finding, PeerName, PinState, Refusal, Resource, Surface,
};
use bartizan_wire::{
    a2a::{self as wire, Answer, Answered, Method, Request, VERSION_HEADER, card::WELL_KNOWN},
    json::{self, Bounds},
    jsonrpc::{self, Id},
};
use bytes::Bytes;
use http::{HeaderValue, Method as Verb, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use peers::Peer;
pub use peers::PeerStatus;
pub(crate) use peers::Peers;

use crate::{
    Shared,
    answer::AgentBody,
    clock,
    edge::{self, BodyBounds},
    gate::{Caller, Passage},
    inspect::{Source, of_value},
    model::sha256,
    serve::Asker,
    sessions::Traced,
    upstream::{self, Outbound, echo::Told},
};

/// Members that name a task, a conversation, a page or a place for notifications.
const IDS: [&str; 4] = ["id", "taskId", "contextId", "pageToken"];
/// Largest count that says no more than how much is wanted.
const MOST_COUNTED: i64 = 100;
/// The member under which flow is told what stands in objects of the agents' own. No params have one of this name.
const FREE: &str = "asJson";

/// What is asked of a peer, and what is there to be called.
pub(crate) struct Target {
    peer: PeerName,
    card: bool,
}

/// The peer that a path names, and whether its card is asked for.
///
/// # Errors
/// [`Code::PeerUnknown`], [`Code::NotFound`], [`Code::Method`].
pub(crate) fn target(rest: &str, verb: &Verb) -> Result<Target, Code> {
    let (name, below) = match rest.split_once('/') {
        None => (rest, ""),
        Some((name, below)) => (name, below),
    };
    let peer = PeerName::new(name).map_err(|_| Code::PeerUnknown)?;
    let card = match below {
        "" => false,
        below if below == WELL_KNOWN.trim_start_matches('/') => true,
        _ => return Err(Code::NotFound),
    };
    let wanted = if card { Verb::GET } else { Verb::POST };
    if *verb != wanted {
        return Err(Code::Method);
    }
    Ok(Target { peer, card })
}

/// One request of an agent to a peer.
#[derive(Clone)]
struct Asked {
    shared: Arc<Shared>,
    caller: Caller,
    peer: Arc<Peer>,
    id: Id<'static>,
    method: Method,
    manifest: Arc<Manifest>,
    /// The address at which the agent reached us for this peer.
    own: Arc<str>,
}

/// Serves one request.
///
/// # Errors
/// The refusal to tell, already recorded, while the request's id is not known. Later ones are answers in A2A's own shape.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    target: Target,
    head: &Parts,
    body: edge::Arriving,
) -> Result<Response<AgentBody>, Refusal> {
    let early = |code| shared.reject(code, Some(&caller.principal));
    let peer = shared
        .peers
        .named(&target.peer)
        .ok_or_else(|| early(Code::PeerUnknown))?;
    let own = own_address(head, &peer).ok_or_else(|| early(Code::HostMismatch))?;
    if target.card {
        return peers::show(shared, caller, &peer, &own).await;
    }
    if !edge::is_json(&head.headers) {
        return Err(early(Code::ContentType));
    }
    let bounds = BodyBounds::request(&shared.config.limits);
    let (bytes, _) = edge::read(&head.headers, body, bounds, None)
        .await
        .map_err(early)?;
    caller.reins.takes_turn(bytes.len()).await;
    let misread = |fault| shared.misread(fault, &bytes, &caller.principal);
    let scanned = json::scan(&bytes, &strict(shared, bytes.len())).map_err(misread)?;
    let request = wire::decode_request(scanned).map_err(misread)?;
    let asked = Asked {
        shared: Arc::clone(shared),
        caller: caller.clone(),
        peer,
        id: request.id.clone().into_owned(),
        method: request.method,
        manifest: Arc::new(manifest(request.method)),
        own: own.into(),
    };
    caller.reins.asked_by(Asker::A2a {
        id: asked.id.clone(),
        streams: asked.method.streams(),
    });
    // Before anything of it is read: the peer gets what the agent wrote, to the last digit.
    if let Err(fault) = scanned.exact() {
        return Ok(told(&asked.id, asked.method.streams(), &misread(fault)));
    }
    let version = head
        .headers
        .get(VERSION_HEADER)
        .map(|value| value.to_str().unwrap_or_default());
    let answer = if wire::speaks(version) {
        asked.pass(request, &bytes).await
    } else {
        Err(early(Code::RevisionUnsupported).saying("A2A 1.0 is spoken; ask for it with `A2A-Version: 1.0`"))
    };
    Ok(answer.unwrap_or_else(|refusal| told(&asked.id, asked.method.streams(), &refusal)))
}

/// The address at which the agent reached us for this peer.
fn own_address(head: &Parts, peer: &Peer) -> Option<String> {
    let named = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or(named)?;
    let scheme = if peer.tls { "https" } else { "http" };
    Some(format!("{scheme}://{host}/a2a/{}", peer.config.name))
}

fn strict(shared: &Shared, bytes: usize) -> Bounds {
    Bounds {
        depth: shared.config.limits.json_depth,
        bytes,
        ..Bounds::default()
    }
}

/// What each method does, and what its params are. Where a message goes is no argument: the operator named the peer.
fn manifest(method: Method) -> Manifest {
    let role = |path, role| (PathPattern::new(path), role);
    let effect = match method.action() {
        Action::SendMessage => Effect::Send,
        Action::CancelTask | Action::SetPush => Effect::Write,
        _ => Effect::Read,
    };
    Manifest {
        effect,
        arguments: vec![
            role("message.parts.**", Role::Content),
            role("message.metadata.**", Role::Content),
            role("metadata.**", Role::Content),
            role("asJson.**", Role::Content),
            // Ids are the peer's, addresses for notifications are held to the operator's list.
            role("**", Role::Value),
        ],
        results: Vec::new(),
        reviewed: true,
        public: false,
        json_text: false,
        searches: false,
        codes_from: Vec::new(),
        codes: Vec::new(),
    }
}

/// The params as flow traces them: names and words that stand in what is the agents' own are said, too.
fn traceable(mut params: Value, free: Vec<String>) -> Value {
    if let Value::Object(members) = &mut params
        && !free.is_empty()
    {
        members.insert(FREE.to_owned(), Value::from(free));
    }
    params
}

/// A request as it came, and what of it goes on.
struct Outgoing {
    came: Bytes,
    params: Box<RawValue>,
}

impl Asked {
    /// What this request does. A message may say anything, and is ruled on as one. Any other request says something, too,
    /// where it names a task by what the peer did not hand out, or holds words, times or high numbers.
    fn declared(&self, params: &Value) -> Arc<Manifest> {
        if self.method.action() == Action::SendMessage {
            return Arc::clone(&self.manifest);
        }
        let role = |path: &str, role| (PathPattern::new(path), role);
        let mut arguments = vec![
            role("metadata.**", Role::Content),
            role("asJson.**", Role::Content),
            role("url", Role::Content),
            role("token", Role::Content),
            role("authentication.**", Role::Content),
            role("statusTimestampAfter", Role::Content),
        ];
        for (key, value) in params.as_object().into_iter().flatten() {
            match value {
                Value::String(text) if IDS.contains(&key.as_str()) && !self.peer.gave(text) => {
                    arguments.push(role(key.as_str(), Role::Target));
                }
                Value::Number(count) if count.as_i64().is_none_or(|count| count > MOST_COUNTED) => {
                    arguments.push(role(key.as_str(), Role::Content));
                }
                _ => {}
            }
        }
        arguments.push(role("**", Role::Value));
        Arc::new(Manifest {
            arguments,
            ..Manifest::clone(&self.manifest)
        })
    }

    fn early(&self, code: Code) -> Refusal {
        self.shared.reject(code, Some(&self.caller.principal))
    }

    /// Rules on the request and sends it. Where a human is asked, and the configuration says so, it waits for her and is
    /// ruled on once more.
    async fn pass(&self, request: Request<'_>, bytes: &Bytes) -> Result<Response<AgentBody>, Refusal> {
        for url in &request.pushes {
            if !self.peer.may_push(url) {
                return Err(self.early(Code::PushHost));
            }
        }
        let pin = peers::standing(&self.shared, &self.peer)
            .await
            .map_err(|code| self.early(code))?;
        let tenant = request.params.get("tenant").and_then(Value::as_str);
        if tenant.is_some_and(|tenant| !self.peer.serves(tenant)) {
            let refusal = self.early(Code::RequestShape);
            return Err(refusal.saying("`tenant` is none that the peer's card names"));
        }
        let outgoing = Outgoing {
            came: bytes.clone(),
            params: to_raw_value(&request.params).map_err(|_| self.early(Code::Bug))?,
        };
        let before = self.caller.session.epoch();
        let tool = self.peer.spoken();
        let declared = self.declared(&request.params);
        let arguments = traceable(request.params, request.free);
        let mut traced = Traced::new(&self.caller.session, &tool, declared, arguments);
        traced.fixed = true;
        traced.readable = Some(self.peer.is_sole(&self.caller, before, traced.found.tainted));
        let first = self.cross(pin, &traced, &outgoing).await;
        match first {
            Err(refusal) if self.shared.approvals.waits() => match refusal.approval {
                Some(id) if self.shared.approvals.allowed(id).await => {
                    self.cross(pin, &traced, &outgoing).await
                }
                _ => Err(refusal),
            },
            done => done,
        }
    }

    async fn cross(
        &self,
        pin: PinState,
        traced: &Traced,
        outgoing: &Outgoing,
    ) -> Result<Response<AgentBody>, Refusal> {
        let resource = Resource::Peer {
            peer: self.peer.config.name.clone(),
        };
        let id = clock::mint(clock::now());
        let Outgoing { came, params } = outgoing;
        let facts = CallFacts {
            streaming: self.method.streams(),
            bytes: u64::try_from(came.len()).unwrap_or(u64::MAX),
            digest: sha256(came),
            pin,
            arguments: Some(json::arguments(params)),
            bar: self.shared.circles(&self.caller, sha256(came)),
            ..CallFacts::new(id, self.method.action(), resource, Surface::A2a)
        };
        let body = Bytes::from(wire::request(self.method, params));
        let outbound = self
            .peer
            .outbound(&self.shared, body, id)
            .map_err(|code| self.early(code))?;
        let mut findings = self.shared.look_at_arguments(&self.caller, &facts, params).await;
        findings.extend(self.shared.unrestored_for_peer(params));
        let evidence = self
            .shared
            .evidence(&self.caller, facts, findings)
            .traced(Some(traced.clone()));
        let (permit, passage) = self.shared.enter(evidence, outbound).await?;
        match upstream::send(permit, self.peer.config.timeout).await {
            Ok(response) => self.come_back(passage, response).await,
            Err(fault) => {
                self.peer.failed(&fault);
                Err(passage.unread(fault.code()))
            }
        }
    }

    async fn come_back(
        &self,
        mut passage: Passage<Outbound>,
        response: Response<Incoming>,
    ) -> Result<Response<AgentBody>, Refusal> {
        let (head, body) = response.into_parts();
        passage.released.status = Some(head.status.as_u16());
        if edge::says_event_stream(&head.headers) {
            let plain = !head.headers.contains_key(header::CONTENT_ENCODING);
            if !plain || !self.method.streams() || !edge::is_event_stream(&head.headers) {
                return Err(passage.failed(Code::UpstreamMalformed));
            }
            return stream::release(self.clone(), passage, &head, body);
        }
        let limits = &self.shared.config.limits;
        let mut room = self.shared.answers.of(&self.caller.principal).nothing();
        let read = edge::read(&head.headers, body, BodyBounds::answer(limits), Some(&mut room));
        let (mut bytes, _) = match read.await {
            Ok(read) => read,
            Err(code) => return Err(passage.unread(code)),
        };
        let echoed = Told::clean(&head.extensions, &mut bytes);
        // What is no A2A answer, error pages included, tells the agent nothing that it could act on.
        let answer = match self.read(&bytes) {
            Ok(answer) => answer,
            Err(code) => return Err(passage.failed(code)),
        };
        let Some(bytes) = self.shown(answer) else {
            return Err(passage.failed(Code::PeerCard));
        };
        let mut findings = self.look(passage.call(), &bytes).await;
        findings.extend(echoed);
        let release = passage.answered(AnswerFacts {
            status: Some(head.status.as_u16()),
            findings,
        })?;
        Ok(whole(release, passage, bytes, "application/json", room))
    }

    /// What is seen in one answer or event.
    async fn look(&self, call: CallId, bytes: &[u8]) -> Vec<Finding> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if self.shared.inspector.is_none() {
            return Vec::new();
        }
        let pieces = of_value(text, Source::Tool, "");
        self.shared.look(&self.caller, Some(call), &pieces).await.findings
    }

    /// Decodes one answer or event, and has the session read it.
    fn read(&self, bytes: &[u8]) -> Result<Answer, Code> {
        let scanned = json::scan(bytes, &strict(&self.shared, bytes.len()));
        let answer = scanned
            .and_then(|scanned| wire::decode_answer(scanned, &self.id))
            .map_err(|fault| fault.of_upstream().code)?;
        let (Answered::Result(value) | Answered::Failed(value)) = &answer.said;
        let moved = self
            .caller
            .session
            .read_from(&self.manifest, Content::Json(value));
        self.peer.heard(&self.caller, moved);
        self.peer.names(value);
        Ok(answer)
    }

    /// The answer as agents are shown it: a card with our own address in it, anything else as it came.
    fn shown(&self, answer: Answer) -> Option<Bytes> {
        match (self.method, answer.said) {
            (Method::GetExtendedCard, Answered::Result(card)) => {
                let card = self.peer.extended(card, &self.own)?;
                Some(Bytes::from(jsonrpc::result(&self.id, &card)))
            }
            _ => Some(Bytes::from(answer.told)),
        }
    }
}

/// A refusal as an answer. With status 200, since the SDKs look at no body of another.
pub(crate) fn told(id: &Id<'_>, streams: bool, refusal: &Refusal) -> Response<AgentBody> {
    let (body, kind) = if streams {
        (wire::refusal_event(id, refusal), "text/event-stream")
    } else {
        (wire::refusal_error(Some(id), refusal), "application/json")
    };
    let mut response = Response::new(AgentBody::ours(body));
    dress(response.headers_mut(), kind, &refusal.call.to_string());
    response
}

/// An answer in one piece, and the end of its passage.
fn whole(
    release: Release,
    mut passage: Passage<Outbound>,
    bytes: Bytes,
    kind: &'static str,
    hold: impl Send + 'static,
) -> Response<AgentBody> {
    passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    passage.released.transcript = Some(sha256(&bytes));
    let mut response = Response::new(AgentBody::whole(release, bytes).holding(hold));
    *response.status_mut() = StatusCode::OK;
    dress(response.headers_mut(), kind, &passage.call().to_string());
    passage.finish();
    response
}

fn dress(headers: &mut http::HeaderMap, kind: &'static str, call: &str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(call) = HeaderValue::from_str(call) {
        headers.insert("x-bartizan-call", call);
    }
}

/// The value, for what is read and sent again.
fn raw(bytes: Vec<u8>) -> Option<Box<RawValue>> {
    let text = String::from_utf8(bytes).ok()?;
    RawValue::from_string(text).ok()
}
