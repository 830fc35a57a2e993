//! Calls to models: decoded, ruled on, forwarded, and their answers brought back with every tool call in them ruled
//! on first. Unary here, streamed in `stream`.

mod deltas;
mod outlast;
mod planner;
mod proposals;
mod retries;
mod routes;
mod stream;
mod wrote;

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest;
use bartizan_guard::{
    AnswerFacts, Permit,
    budget::{Asked as Size, Bound},
};
use bartizan_types::{
    Action, Arguments, CallFacts, CallId, Code, Digest, Finding, FindingKind, ModelName, Refusal, Resource,
    Severity, ToolName, UpstreamName,
};
use bartizan_wire::{
    json::{self, Bounds, Scanned},
    model::{self as wire, Answered, Api, Fetch},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts, response};
use hyper::body::Incoming;

pub(crate) use deltas::{Place, closes, places};
use outlast::Outlasting;
pub(crate) use routes::Routes;
pub use routes::UpstreamStatus;

use crate::{
    Shared,
    answer::AgentBody,
    clock,
    edge::{self, BodyBounds},
    gate::{Caller, Passage},
    inspect::{Expected, Looked, Piece, of_answer},
    pinned::pinned,
    privacy::{Change, Towards},
    sessions::{Heard, Traced},
    spending::Billed,
    upstream::{self, Outbound, echo::Told},
};

/// Hosted tools and history entries one request may name; each is a ruled call of its own.
const SIDE_CALLS: usize = 64;

/// What of an API is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// An answer.
    Generate,
    /// Anthropic's token count of a request: the same body, no answer.
    CountTokens,
}

impl Endpoint {
    const fn path(self, api: Api) -> &'static str {
        match (api, self) {
            (Api::OpenaiChat, _) => "/v1/chat/completions",
            (Api::OpenaiResponses, _) => "/v1/responses",
            (Api::AnthropicMessages, Self::Generate) => "/v1/messages",
            (Api::AnthropicMessages, Self::CountTokens) => "/v1/messages/count_tokens",
        }
    }
}

/// What a call needs at every step.
#[derive(Clone)]
pub(super) struct Asked {
    shared: Arc<Shared>,
    caller: Caller,
    api: Api,
    /// Who was asked, for calls in the answer that it ran itself.
    upstream: Option<UpstreamName>,
    /// The model that was asked.
    resource: Option<Resource>,
    /// What its answer is held against.
    expected: Arc<Expected>,
    /// A streamed answer says its usage because we asked for it.
    strips_usage: bool,
    /// The provider may run tools by itself while it answers.
    hosts: bool,
}

impl Asked {
    fn new(shared: &Arc<Shared>, caller: &Caller, api: Api) -> Self {
        Self {
            shared: Arc::clone(shared),
            caller: caller.clone(),
            api,
            upstream: None,
            resource: None,
            expected: Arc::default(),
            strips_usage: false,
            hosts: false,
        }
    }

    /// The most that the call may come to at this model.
    fn bound(&self, endpoint: Endpoint, (upstream, model): (&UpstreamName, &ModelName), size: Size) -> Bound {
        match endpoint {
            Endpoint::Generate => self
                .shared
                .budgets
                .of_model(upstream.as_str(), model.as_str(), size),
            Endpoint::CountTokens => Bound::NO_MODEL,
        }
    }

    /// Nobody answered: what was last told, or who is left alone for how long.
    fn nobody(&self, unreachable: Option<Refusal>, open: &[(String, u32)]) -> Refusal {
        match (unreachable, open.iter().map(|(_, seconds)| *seconds).min()) {
            (Some(refusal), _) => refusal,
            (None, Some(seconds)) => {
                let names: Vec<&str> = open.iter().map(|(name, _)| name.as_str()).collect();
                self.shared
                    .left_alone(&self.caller.principal, &names.join(", "), seconds)
            }
            (None, None) => self.early(Code::ModelUnknown),
        }
    }

    /// The upstream failed: what is told, and whether another may be tried.
    fn lost(&self, mut passage: Passage<Outbound>, name: &UpstreamName, fault: &upstream::Fault) -> Refusal {
        self.shared.routes.failed(name, self.resource.as_ref(), fault);
        if fault.sent_nothing() {
            passage.unsent();
        }
        passage.unread(fault.code())
    }

    /// Facts of a call by this request.
    fn facts(&self, action: Action, resource: Resource) -> CallFacts {
        CallFacts::new(clock::mint(clock::now()), action, resource, self.api.surface())
    }

    /// The request's texts, and what is seen in them.
    async fn look<'b>(&mut self, body: Scanned<'b>) -> (Vec<Piece<'b>>, Looked) {
        let pieces = self.shared.pieces(body);
        let mut looked = self.shared.look(&self.caller, None, &pieces).await;
        looked.findings.extend(self.shared.shown(&self.caller, &pieces));
        self.expected = Arc::new(self.shared.expected(body, &pieces));
        (pieces, looked)
    }

    /// Facts of the request as a whole.
    fn outgoing(facts: CallFacts, request: &wire::Request<'_>, body: &Bytes, digest: Digest) -> CallFacts {
        CallFacts {
            bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            streaming: request.stream,
            digest,
            ..facts
        }
    }

    fn early(&self, code: Code) -> Refusal {
        self.shared.reject(code, Some(&self.caller.principal))
    }

    fn misread(&self, fault: wire::Fault, body: &[u8]) -> Refusal {
        self.shared.misread(fault, body, &self.caller.principal)
    }

    fn bounds(&self, bytes: usize) -> Bounds {
        Bounds {
            depth: self.shared.config.limits.json_depth,
            bytes,
            ..Bounds::default()
        }
    }
}

/// Serves one model call.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn call(
    shared: &Arc<Shared>,
    caller: &Caller,
    api: Api,
    endpoint: Endpoint,
    head: &Parts,
    body: Bytes,
) -> Result<Response<AgentBody>, Refusal> {
    let mut asked = Asked::new(shared, caller, api);
    let scanned = json::scan(&body, &asked.bounds(shared.config.limits.body_bytes))
        .map_err(|fault| asked.misread(fault, &body))?;
    let request = wire::decode_request(api, scanned).map_err(|fault| asked.misread(fault, &body))?;
    let way = way(&asked, &request)?;
    let heard = Heard::new(scanned.text(), &request);
    asked.caller.session = shared.sessions.converse(&caller.principal, clock::now(), &heard);
    if endpoint == Endpoint::Generate && shared.config.sessions.planner.is_some() {
        Box::pin(planner::plan(&asked, head, &request.model)).await;
    }
    forward(asked, way, endpoint, head, (&body, scanned, &request)).await
}

/// The model that a request names, and who may be asked for it, in order.
type Way = (ModelName, Vec<routes::Target>);

fn way(asked: &Asked, request: &wire::Request<'_>) -> Result<Way, Refusal> {
    let model = ModelName::new(&request.model).map_err(|_| asked.early(Code::ModelUnknown))?;
    let targets = asked.shared.routes.targets(asked.api, &model);
    Ok((model, targets.map_err(|code| asked.early(code))?))
}

/// Rules on a request, sends it to the first upstream that can be reached, and brings its answer back.
async fn forward(
    mut asked: Asked,
    (model, targets): Way,
    endpoint: Endpoint,
    head: &Parts,
    (body, scanned, request): (&Bytes, Scanned<'_>, &wire::Request<'_>),
) -> Result<Response<AgentBody>, Refusal> {
    let (shared, api) = (Arc::clone(&asked.shared), asked.api);
    let digest = sha256(body);
    let (pieces, looked) = asked.look(scanned).await;
    let mut unreachable = None;
    let mut open = Vec::new();
    for target in targets {
        let to = target.model.as_ref().unwrap_or(&model).clone();
        if let Err(seconds) = shared.routes.admit(&target.upstream, &to) {
            open.push((format!("model `{to}` at `{}`", target.upstream), seconds));
            continue;
        }
        asked.upstream = Some(target.upstream.clone());
        side_calls(&asked, request, &target.upstream, digest).await?;
        let counts = endpoint == Endpoint::Generate && shared.budgets.counts_tokens(&asked.caller.principal);
        let (changes, findings) = masks(&asked, (&target.upstream, &to), &pieces, &looked)?;
        let sent = changed(body, request, changes, target.model.as_ref(), counts);
        asked.strips_usage = counts && request.usage_unasked.is_some();
        asked.hosts = !request.hosted.is_empty();
        let bound = asked.bound(endpoint, (&target.upstream, &to), size_of(request, body.len()));
        let outbound = shared
            .routes
            .outbound(
                &target.upstream,
                (Method::POST, endpoint.path(api)),
                (head, &asked.caller.principal),
                sent,
                &shared,
            )
            .map_err(|code| shared.routes.unsent(asked.early(code), &target.upstream))?;
        let resource = Resource::Model {
            model: to,
            upstream: target.upstream.clone(),
        };
        asked.resource = Some(resource.clone());
        let facts = Asked::outgoing(asked.facts(Action::Generate, resource), request, body, digest);
        let evidence = shared.evidence(&asked.caller, facts, findings).bounded(bound);
        let (permit, passage) = shared.enter(evidence, outbound).await?;
        let exchange = pinned(|| exchange(asked.clone(), endpoint, permit, passage));
        let exchanged = if counts {
            // What it costs is told with its end, and counts whoever still waits for that.
            Outlasting::new(&shared, &asked.caller.reins, exchange).await
        } else {
            exchange.await
        };
        match exchanged {
            Exchanged::Back(answer) => return answer,
            Exchanged::Unsent(refusal) => unreachable = Some(refusal),
        }
    }
    Err(asked.nobody(unreachable, &open))
}

/// How it went with one upstream.
enum Exchanged {
    /// There is an answer, or why there is none.
    Back(Result<Response<AgentBody>, Refusal>),
    /// Nothing reached it, so another may be tried.
    Unsent(Refusal),
}

/// Sends a request that has its permit, and brings the answer back.
async fn exchange(
    asked: Asked,
    endpoint: Endpoint,
    permit: Permit<Outbound>,
    passage: Passage<Outbound>,
) -> Exchanged {
    let (shared, Some(upstream)) = (&asked.shared, asked.upstream.clone()) else {
        return Exchanged::Back(Err(passage.failed(Code::Bug)));
    };
    match upstream::send(permit, shared.config.limits.upstream_timeout).await {
        Ok(response) => {
            shared
                .routes
                .answered(&upstream, asked.resource.as_ref(), response.status());
            Exchanged::Back(come_back(&asked, endpoint, passage, response).await)
        }
        Err(fault) => {
            let refusal = asked.lost(passage, &upstream, &fault);
            if fault.sent_nothing() {
                Exchanged::Unsent(refusal)
            } else {
                Exchanged::Back(Err(refusal))
            }
        }
    }
}

/// How large a request is, as far as tokens go. What only points at content elsewhere has no bound in its bytes.
fn size_of(request: &wire::Request<'_>, bytes: usize) -> Size {
    let elsewhere = request.images
        || !request.fetches.is_empty()
        || !request.history.is_empty()
        || !request.hosted.is_empty();
    let tools = !request.tools.is_empty() || request.legacy_functions;
    let words = u64::from(tools) * TOOL_WORDS + u64::from(request.built_in) * BUILT_IN_WORDS;
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(words);
    Size {
        bytes: (!elsewhere).then_some(bytes),
        most_output_tokens: request.max_tokens,
        choices: request.choices,
        dearer: request.dearer,
    }
}

/// Tokens of the words that a provider puts around tools, which are in no request: Anthropic's pages have said 159 to 935.
const TOOL_WORDS: u64 = 1536;
/// The same for each tool that the provider describes itself: up to 735 by that table.
const BUILT_IN_WORDS: u64 = 2048;

/// What changes because this model may not see it, and all that was seen.
///
/// # Errors
/// The refusal, where what has to be masked was not looked at.
fn masks(
    asked: &Asked,
    (upstream, model): (&UpstreamName, &ModelName),
    pieces: &[Piece<'_>],
    looked: &Looked,
) -> Result<(Vec<Change>, Vec<Finding>), Refusal> {
    let mut findings = looked.findings.clone();
    let Some(privacy) = &asked.shared.privacy else {
        return Ok((Vec::new(), findings));
    };
    let name = format!("{upstream}/{model}");
    let edits = privacy
        .edits(
            &asked.caller,
            asked.shared.inspector.as_deref(),
            Towards::Model(&name),
            pieces,
            looked,
        )
        .map_err(|code| asked.early(code))?;
    findings.extend(edits.findings);
    Ok((edits.changes, findings))
}

/// The body as it came, or with what changes: masked values, the model's name that the upstream knows, and asking for
/// usage where that has to be known.
fn changed(
    body: &Bytes,
    request: &wire::Request<'_>,
    mut changes: Vec<Change>,
    alias: Option<&ModelName>,
    counts: bool,
) -> Bytes {
    let usage = request.usage_unasked.as_ref().filter(|_| counts);
    match (changes.as_slice(), alias, usage) {
        ([], None, None) => return body.clone(),
        ([], Some(alias), None) => {
            return Bytes::from(wire::with_model(body, request.model_span.clone(), alias.as_str()));
        }
        _ => {}
    }
    if let Some(alias) = alias {
        let name = serde_json::Value::from(alias.as_str()).to_string();
        changes.push((request.model_span.clone(), name));
    }
    if let Some(usage) = usage {
        let text = String::from_utf8_lossy(usage.bytes).into_owned();
        changes.push((usage.span.clone(), text));
    }
    changes.sort_by_key(|(span, _)| span.start);
    let text = std::str::from_utf8(body).unwrap_or_default();
    Bytes::from(json::replace(text, &changes))
}

/// Something that the request would have the provider do or remember by itself.
enum Side<'a> {
    /// A tool that it runs.
    Hosted(&'a str),
    /// History that it keeps.
    History,
    /// Content that it fetches.
    Fetch(&'a Fetch),
}

/// What a fetch by the provider goes by among the tools that it runs.
const FETCH: &str = "fetch_url";

/// Rules on what the request would have the provider do or remember by itself, if anything.
async fn side_calls(
    asked: &Asked,
    request: &wire::Request<'_>,
    upstream: &UpstreamName,
    digest: Digest,
) -> Result<(), Refusal> {
    if request.hosted.is_empty() && request.fetches.is_empty() && request.relied_on().is_empty() {
        return Ok(());
    }
    Box::pin(each_side_call(asked, request, upstream, digest)).await
}

/// Each is a call; one refused refuses the request.
async fn each_side_call(
    asked: &Asked,
    request: &wire::Request<'_>,
    upstream: &UpstreamName,
    digest: Digest,
) -> Result<(), Refusal> {
    let kinds: BTreeSet<&str> = request.hosted.iter().map(|hosted| &*hosted.kind).collect();
    if kinds.len() + request.fetches.len() > SIDE_CALLS {
        return Err(asked.early(Code::RequestShape));
    }
    let relied = request.relied_on();
    let hosted = kinds.into_iter().map(Side::Hosted);
    let sides = hosted
        .chain(request.fetches.iter().map(Side::Fetch))
        .chain((!relied.is_empty()).then_some(Side::History));
    for side in sides {
        let (kind, action, resource, arguments) = side_of(asked, &side, upstream)?;
        let facts = CallFacts {
            streaming: request.stream,
            digest,
            arguments,
            ..asked.facts(action, resource)
        };
        let finding = Finding {
            kind,
            severity: Severity::Medium,
            what: "".into(),
            score: 1000,
            span: None,
            pointer: String::new(),
            taxonomy: vec!["ASI02".to_owned()],
        };
        let passed = pass(asked, facts, vec![finding], None).await;
        passed.map_err(|said| match side {
            Side::History => said.saying(&format!("`{}`", relied.join("`, `"))),
            Side::Hosted(_) | Side::Fetch(_) => said,
        })?;
    }
    Ok(())
}

type SideCall = (FindingKind, Action, Resource, Option<Arguments>);

fn side_of(asked: &Asked, side: &Side<'_>, upstream: &UpstreamName) -> Result<SideCall, Refusal> {
    let upstream = upstream.clone();
    let (name, arguments) = match side {
        Side::History => {
            let resource = Resource::Upstream { upstream };
            return Ok((
                FindingKind::ServerHistory,
                Action::UseServerHistory,
                resource,
                None,
            ));
        }
        Side::Hosted(kind) => (*kind, None),
        Side::Fetch(fetch) => (FETCH, Some(arguments_of(fetch))),
    };
    let tool = ToolName::new(name).map_err(|_| asked.early(Code::HostedToolRefused))?;
    let resource = Resource::HostedTool { upstream, tool };
    Ok((
        FindingKind::HostedTool,
        Action::UseHostedTool,
        resource,
        arguments,
    ))
}

/// A fetch as policy sees it. Without the path, which is content.
fn arguments_of(fetch: &Fetch) -> Arguments {
    let texts = [
        ("scheme", fetch.scheme.as_str()),
        ("host", &fetch.host),
        ("reach", fetch.reach.as_str()),
    ];
    let port = fetch.port.map(|port| ("port".to_owned(), i64::from(port)));
    Arguments {
        texts: texts
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        numbers: port.into_iter().collect(),
        complete: true,
        ..Arguments::default()
    }
}

/// Rules on a call that forwards nothing of its own.
async fn pass(
    asked: &Asked,
    facts: CallFacts,
    findings: Vec<Finding>,
    traced: Option<Traced>,
) -> Result<(), Refusal> {
    let evidence = asked
        .shared
        .evidence(&asked.caller, facts, findings)
        .traced(traced);
    let (permit, mut passage) = asked.shared.enter(evidence, ()).await?;
    let () = permit.spend();
    let _call = passage.answered(AnswerFacts::default())?.spend();
    passage.finish();
    Ok(())
}

async fn come_back(
    asked: &Asked,
    endpoint: Endpoint,
    mut passage: Passage<Outbound>,
    response: Response<Incoming>,
) -> Result<Response<AgentBody>, Refusal> {
    let (head, body) = response.into_parts();
    let limits = &asked.shared.config.limits;
    passage.released.status = Some(head.status.as_u16());
    // Whatever its status says: clients that read a stream read it, so a stream is looked into or not passed on.
    if edge::says_event_stream(&head.headers) {
        let plain = !head.headers.contains_key(header::CONTENT_ENCODING);
        if !plain || endpoint != Endpoint::Generate || !edge::is_event_stream(&head.headers) {
            return Err(passage.failed(Code::UpstreamMalformed));
        }
        return pinned(|| stream::release(asked.clone(), passage, head, body)).await;
    }
    let mut room = asked.shared.answers.of(&asked.caller.principal).nothing();
    let read = edge::read(&head.headers, body, BodyBounds::answer(limits), Some(&mut room));
    let (mut bytes, _) = match read.await {
        Ok(read) => read,
        Err(code) => return Err(passage.unread(code)),
    };
    let echoed = Told::clean(&head.extensions, &mut bytes);
    let mut findings = Vec::new();
    if endpoint == Endpoint::Generate {
        let decoded = json::scan(&bytes, &asked.bounds(limits.answer_bytes))
            .and_then(|scanned| wire::decode_answer(asked.api, scanned));
        let answered = match decoded {
            Ok(answered) => answered,
            // An error need be no answer; where it is one, its calls are ruled on all the same.
            Err(_) if !head.status.is_success() && !poses(asked, &head.headers, &bytes) => {
                Answered::default()
            }
            Err(fault) => return Err(passage.misread(fault)),
        };
        used(asked.api, &mut passage, answered.usage);
        if !answered.proposals.is_empty()
            && let Err(refusal) = Box::pin(proposals::rule_on(asked, &answered.proposals)).await
        {
            passage.withheld(refusal.code);
            return Err(refusal);
        }
        if asked.shared.inspector.is_some() {
            let read = Box::pin(read_answer(asked, passage.call(), &mut bytes));
            findings = match read.await {
                Ok(findings) => findings,
                Err(code) => return Err(passage.failed(code)),
            };
        }
    }
    findings.extend(echoed);
    let release = passage.answered(AnswerFacts {
        status: Some(head.status.as_u16()),
        findings,
    })?;
    if endpoint == Endpoint::Generate {
        wrote::remember(asked, &bytes);
    }
    passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    passage.released.transcript = Some(sha256(&bytes));
    let answer = dressed(&head, &passage, AgentBody::whole(release, bytes).holding(room));
    passage.finish();
    Ok(answer)
}

/// Looks into a whole answer, masks in it what a rule masks, and restores what policy permits. Gives what was seen.
///
/// # Errors
/// [`Code::PrivacyUnseen`]: what has to be masked is too large to be looked at.
async fn read_answer(asked: &Asked, call: CallId, bytes: &mut Bytes) -> Result<Vec<Finding>, Code> {
    let mut whole = bytes.clone();
    let Ok(scanned) = json::scan(&whole, &asked.bounds(whole.len())) else {
        return Ok(Vec::new());
    };
    let mut pieces = of_answer(scanned);
    let mut looked = asked.shared.look(&asked.caller, Some(call), &pieces).await;
    looked.findings.extend(asked.expected.findings(&pieces));
    looked.findings.extend(asked.expected.short(scanned));
    let masked = asked
        .shared
        .mask_answer(&asked.caller, scanned.text(), &pieces, &looked)?;
    if let Some((masked, findings)) = masked {
        looked.findings.extend(findings);
        drop(pieces);
        whole = Bytes::from(masked);
        *bytes = whole.clone();
        pieces = json::scan(&whole, &asked.bounds(whole.len())).map_or_else(|_| Vec::new(), of_answer);
    }
    if let Some(resource) = &asked.resource {
        let surface = asked.api.surface();
        let edits = asked
            .shared
            .restore_answer(&asked.caller, resource, surface, &pieces)
            .await;
        if !edits.is_empty() {
            let text = std::str::from_utf8(&whole).unwrap_or_default();
            *bytes = Bytes::from(json::replace(text, &edits));
        }
    }
    Ok(looked.findings)
}

/// Notes what an answer used. Anthropic counts what it reads from its cache and writes to it beside the tokens in, OpenAI
/// what it reads among them.
fn used<R>(api: Api, passage: &mut Passage<R>, usage: wire::Usage) {
    passage.released.input_tokens = usage.input_tokens;
    passage.released.output_tokens = usage.output_tokens;
    let cache_read = usage.cached_tokens.unwrap_or(0);
    passage.billed = usage.input_tokens.map(|tokens| match api {
        Api::AnthropicMessages => Billed {
            input: tokens,
            cache_read,
            cache_write: usage.cache_written_tokens.unwrap_or(0),
        },
        Api::OpenaiChat | Api::OpenaiResponses => Billed {
            input: tokens.saturating_sub(cache_read),
            cache_read: cache_read.min(tokens),
            cache_write: 0,
        },
    });
}

/// Whether a client could take the body of an error for an answer that we could not read.
fn poses(asked: &Asked, headers: &HeaderMap, bytes: &[u8]) -> bool {
    match json::scan(bytes, &asked.bounds(bytes.len())) {
        Ok(scanned) => wire::poses_as_answer(scanned),
        // What says that it is JSON, and is none that has one reading; and a stream under another name.
        Err(_) => edge::reads_as_events(bytes) || (edge::is_json(headers) && !bytes.is_empty()),
    }
}

/// The upstream's status and harmless headers around a body, with the call's id.
fn dressed<R>(head: &response::Parts, passage: &Passage<R>, body: AgentBody) -> Response<AgentBody> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = answer_headers(&head.headers);
    in_utf8(response.headers_mut());
    if let Ok(call) = HeaderValue::from_str(&passage.call().to_string()) {
        response.headers_mut().insert("x-bartizan-call", call);
    }
    response
}

/// Takes away the word for another charset than the one the body was read in: a client that believes it would read
/// another body.
fn in_utf8(headers: &mut HeaderMap) {
    let Some(said) = headers.get(header::CONTENT_TYPE) else {
        return;
    };
    let text = said.to_str().unwrap_or_default().to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let charset = parameters.split_once("charset").map(|(_, rest)| rest);
    let utf8 = charset.is_none_or(|rest| {
        let value = rest.trim_start_matches([' ', '=', '"']);
        value
            .split([';', '"', ' '])
            .next()
            .is_some_and(|value| value == "utf-8" || value == "utf8")
    });
    if !utf8 {
        let essence = HeaderValue::from_str(essence.trim());
        headers.insert(
            header::CONTENT_TYPE,
            essence.unwrap_or(HeaderValue::from_static("application/json")),
        );
    }
}

/// Headers of an upstream's answer that are about the answer, and not about its connection or its site.
fn answer_headers(from: &HeaderMap) -> HeaderMap {
    const KEPT: &[&str] = &[
        "content-type",
        "cache-control",
        "date",
        "retry-after",
        "request-id",
        "x-request-id",
    ];
    const KEPT_PREFIXES: &[&str] = &["openai-", "anthropic-", "x-ratelimit-", "x-should-retry"];
    let mut kept = HeaderMap::with_capacity(from.len());
    for (name, value) in from {
        let text = name.as_str();
        if KEPT.contains(&text) || KEPT_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// Lists models: the configured names, or the upstream's own list.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn list(
    shared: &Arc<Shared>,
    caller: &Caller,
    api: Api,
    head: &Parts,
) -> Result<Response<AgentBody>, Refusal> {
    let asked = Asked::new(shared, caller, api);
    let upstream = shared
        .routes
        .first(api)
        .ok_or_else(|| asked.early(Code::ModelUnknown))?
        .clone();
    let resource = Resource::Upstream {
        upstream: upstream.clone(),
    };
    let facts = CallFacts {
        digest: sha256(b""),
        ..asked.facts(Action::ListModels, resource)
    };
    let names = shared.routes.names(api);
    let evidence = shared.evidence(caller, facts, Vec::new());
    if !names.is_empty() {
        let (permit, mut passage) = shared.enter(evidence, ()).await?;
        let () = permit.spend();
        let release = passage.answered(AnswerFacts {
            status: Some(200),
            findings: Vec::new(),
        })?;
        let bytes = Bytes::from(named_models(api, &names));
        passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        passage.released.transcript = Some(sha256(&bytes));
        let mut response = Response::new(AgentBody::whole(release, bytes));
        *response.status_mut() = StatusCode::OK;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        passage.finish();
        return Ok(response);
    }
    let outbound = shared
        .routes
        .outbound(
            &upstream,
            (Method::GET, "/v1/models"),
            (head, &caller.principal),
            Bytes::new(),
            shared,
        )
        .map_err(|code| shared.routes.unsent(asked.early(code), &upstream))?;
    let (permit, passage) = shared.enter(evidence, outbound).await?;
    match upstream::send(permit, shared.config.limits.upstream_timeout).await {
        Ok(response) => come_back(&asked, Endpoint::CountTokens, passage, response).await,
        Err(fault) => {
            shared.routes.failed(&upstream, None, &fault);
            Err(passage.unread(fault.code()))
        }
    }
}

fn named_models(api: Api, names: &[&ModelName]) -> Vec<u8> {
    let data: Vec<_> = names
        .iter()
        .map(|name| match api {
            Api::AnthropicMessages => serde_json::json!({
                "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z",
            }),
            _ => serde_json::json!({"id": name, "object": "model", "created": 0, "owned_by": "bartizan"}),
        })
        .collect();
    let list = match api {
        Api::AnthropicMessages => serde_json::json!({
            "data": data, "has_more": false, "first_id": names.first(), "last_id": names.last(),
        }),
        _ => serde_json::json!({"object": "list", "data": data}),
    };
    list.to_string().into_bytes()
}

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0_u8; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Digest(out)
}
