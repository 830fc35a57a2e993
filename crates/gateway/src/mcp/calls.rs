//! What each method of an agent becomes: a call to one server, a listing over all of them, or an answer of ours.

use std::{borrow::Cow, sync::Arc};

use bartizan_guard::Permit;
use bartizan_mcp::{
    ListKind, Listed, Method, Mismatch, Outcome, Params, PinKind, Schema, listing,
    message::{self, Object},
    refusal,
};
use bartizan_types::{
    Action, CallFacts, Code, Finding, FindingKind, PinState, Refusal, Resource, ServerName, Severity,
    Surface, ToolName,
};
use bartizan_wire::{json, jsonrpc::Id};
use http::header::HeaderMap;
use serde_json::{Value, value::RawValue};

use super::{
    conn::Conn,
    flow::{Agent, Ctx, Flight, Refused, Reply, Request, likeness},
    handed::{self, Referred},
    hub::lock,
    labels,
    listings::{catalog, introduce, known, list, told},
    notices::{self, listen},
    open,
};
use crate::{
    clock,
    gate::{Asking, Passage},
    model::sha256,
    pinned::pinned,
    sessions::Traced,
};

/// A request of an agent.
pub(crate) struct Asked<'a> {
    pub id: Id<'a>,
    pub name: Cow<'a, str>,
    pub raw: Option<&'a RawValue>,
    pub params: Params<'a>,
}

/// Facts of a call with no arguments.
pub(crate) fn facts(ctx: &Ctx, action: Action, resource: Resource) -> CallFacts {
    CallFacts {
        bytes: ctx.body.0,
        digest: ctx.body.1,
        ..CallFacts::new(clock::mint(clock::now()), action, resource, Surface::Mcp)
    }
}

/// Facts of opening a conversation.
pub(crate) fn connecting(server: &ServerName) -> CallFacts {
    CallFacts {
        digest: sha256(b""),
        ..CallFacts::new(
            clock::mint(clock::now()),
            Action::Connect,
            on_server(server),
            Surface::Mcp,
        )
    }
}

/// A server as a whole.
pub(crate) fn on_server(server: &ServerName) -> Resource {
    Resource::Server {
        server: server.clone(),
    }
}

/// A request of our own making.
pub(crate) fn own_request(method: Method, params: Option<Box<RawValue>>, facts: CallFacts) -> Request {
    Request {
        name: method.as_str().to_owned(),
        params,
        own: None,
        reference: None,
        cursor: None,
        keep_input: false,
        facts,
        findings: Vec::new(),
        mirrored: Vec::new(),
        listed: None,
        traced: None,
    }
}

/// A request of our own on behalf of an agent, ruled on like any other.
pub(crate) async fn ask_server(ctx: &Ctx, conn: &Arc<Conn>, request: Request) -> Result<Outcome, Refusal> {
    Flight::new(ctx, conn, request, None)?.alone().await
}

/// Params of one member, and nothing that an agent put beside it.
fn only(key: &str, value: &str) -> Result<Box<RawValue>, Code> {
    let mut params = Object::default();
    params.text(key, value);
    message::raw(params.finish())
}

fn plain(asked: &Asked<'_>, facts: CallFacts) -> Request {
    Request {
        name: asked.name.as_ref().to_owned(),
        params: asked.raw.map(ToOwned::to_owned),
        own: None,
        reference: None,
        cursor: None,
        keep_input: false,
        facts,
        findings: Vec::new(),
        mirrored: Vec::new(),
        listed: None,
        traced: None,
    }
}

/// Serves one request.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn request(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let method = Method::parse(&asked.name);
    let revision = ctx.revision();
    if method != Method::Unknown
        && (!method.exists_in(revision) || method.is_ask() || method.is_notification())
    {
        return Err(ctx.early(Code::MethodUnknown).into());
    }
    // A future is moved with all that it may come to hold, at each level above it: those of a call are kept apart.
    match method {
        Method::Ping => Ok(Reply::ours(refusal::result(&asked.id, "{}"))),
        Method::Discover => {
            let (result, reached) = Box::pin(introduce(ctx)).await?;
            let bytes = refusal::result(&asked.id, &result);
            Ok(Box::pin(released(ctx, &reached, Action::Connect, (bytes, Vec::new()))).await?)
        }
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::TemplatesList => {
            Box::pin(list(ctx, method, &asked)).await
        }
        Method::ToolsCall => pinned(|| call_tool(ctx, asked)).await,
        Method::PromptsGet => Box::pin(get_prompt(ctx, asked)).await,
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => {
            Box::pin(on_resource(ctx, method, asked)).await
        }
        Method::Complete => Box::pin(complete(ctx, asked)).await,
        Method::SetLevel => Box::pin(set_level(ctx, asked)).await,
        Method::Listen => Box::pin(listen(ctx, asked)).await,
        _ => Box::pin(unknown(ctx, asked)).await,
    }
}

/// An answer that we put together from what these servers said: ruled on and released as one call on the first of them
/// that admits it. Who may not reach one server is not kept from the others.
///
/// # Errors
/// The refusal to tell.
pub(crate) async fn released(
    ctx: &Ctx,
    servers: &[ServerName],
    action: Action,
    (bytes, findings): (Vec<u8>, Vec<Finding>),
) -> Result<Reply, Refusal> {
    let asking = |server: &ServerName| {
        let call = facts(ctx, action, on_server(server));
        ctx.shared.evidence(&ctx.caller, call, Vec::new())
    };
    let (permit, passage) = enter_first(ctx, servers, asking).await?;
    sent(permit, passage, bytes, findings)
}

/// Rules on a call that is about several servers: on each in turn, until one admits it.
///
/// # Errors
/// The refusal to tell: of the last, where none admits it.
pub(super) async fn enter_first(
    ctx: &Ctx,
    servers: &[ServerName],
    asking: impl Fn(&ServerName) -> Box<Asking> + Send + Sync,
) -> Result<(Permit<()>, Passage<()>), Refusal> {
    let mut refused = None;
    for server in servers {
        match ctx.shared.enter(asking(server), ()).await {
            // Refused for what is asked of this server; who asks, and how much, is the same at every other.
            Err(refusal)
                if matches!(
                    refusal.code,
                    Code::PolicyDenied | Code::ServerChanged | Code::DelegationExceeded | Code::Revoked
                ) =>
            {
                refused = Some(refusal);
            }
            entered => return entered,
        }
    }
    Err(refused.unwrap_or_else(|| ctx.early(Code::ServerUnknown)))
}

/// An answer of ours to one call of which more is known, with what was seen in it.
///
/// # Errors
/// The refusal to tell.
pub(super) async fn put_together(
    ctx: &Ctx,
    asking: Box<Asking>,
    bytes: Vec<u8>,
    findings: Vec<Finding>,
) -> Result<Reply, Refusal> {
    let (permit, passage) = ctx.shared.enter(asking, ()).await?;
    sent(permit, passage, bytes, findings)
}

fn sent(
    permit: Permit<()>,
    mut passage: Passage<()>,
    bytes: Vec<u8>,
    findings: Vec<Finding>,
) -> Result<Reply, Refusal> {
    let () = permit.spend();
    let release = passage.answered(bartizan_guard::AnswerFacts {
        status: None,
        findings,
    })?;
    passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    passage.released.transcript = Some(crate::model::sha256(&bytes));
    passage.finish();
    Ok(Reply::Whole {
        status: 200,
        bytes,
        release: Some(release),
        session: None,
        room: None,
    })
}

/// A member of the params that must be there, as text.
fn required<'a>(ctx: &Ctx, asked: &Asked<'a>, key: &str) -> Result<Cow<'a, str>, Refusal> {
    let text = asked
        .params
        .text(key)
        .and_then(|text| text.ok_or(Code::MessageInvalid));
    text.map_err(|code| ctx.early(code))
}

/// The server and the tool or prompt that a request names, and the conversation with that server.
async fn named<'c>(
    ctx: &'c Ctx,
    asked: &Asked<'_>,
) -> Result<(&'c ServerName, ToolName, Arc<Conn>), Refusal> {
    let name = required(ctx, asked, "name")?;
    let (server, own) = ctx.names.resolve(&name).map_err(|code| ctx.early(code))?;
    Ok((server, own, open::conn(ctx, server).await?))
}

async fn call_tool(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let (server, tool, conn) = named(ctx, &asked).await?;
    let listed = match known(ctx, &conn, ListKind::Tools).await?.find(tool.as_str()) {
        Some(listed) => Some(Arc::clone(listed)),
        // It may have appeared since.
        None => Box::pin(catalog(ctx, &conn, ListKind::Tools))
            .await?
            .unwrap_or_default()
            .find(tool.as_str())
            .cloned(),
    };
    let Some(listed) = listed else {
        return Err(ctx.early(Code::ToolUnknown).into());
    };
    let arguments = asked.params.find("arguments");
    let mut call = facts(
        ctx,
        Action::CallTool,
        Resource::Tool {
            server: server.clone(),
            tool: tool.clone(),
        },
    );
    call.effects = listed.effects;
    call.pin = listed.state;
    if listed.withheld && listed.state != PinState::Changed {
        // Its schema can't be used, or its name stands twice: as good as never listed.
        call.pin = PinState::Unlisted;
    }
    if ctx.caller.principal.bounds_arguments() || ctx.shared.policy.load().needs_arguments(Action::CallTool) {
        call.arguments = arguments.map(json::arguments);
    }
    let called = asked.params.text("name").ok().flatten().unwrap_or_default();
    let names = labels::Names {
        asked: &called,
        server,
        tool: &tool,
    };
    let (mirrored, mut labelled) = prepared(ctx, &names, &listed, arguments, asked.raw).await?;
    let mut findings = conn.findings();
    findings.extend(listed.findings.iter().cloned());
    if let Some(arguments) = arguments {
        let caller = &labelled.ctx.caller;
        findings.extend(ctx.shared.look_at_arguments(caller, &call, arguments).await);
        findings.extend(ctx.shared.unrestored(caller, arguments));
    }
    let going = (Method::ToolsCall, &asked.params);
    let (seen, beside) = labels::beside(&labelled.ctx, call.id, &conn, going).await;
    findings.extend(seen);
    if let Some(traced) = &mut labelled.traced {
        traced.beside = beside;
    }
    let mut request = Request {
        own: Some(tool.as_str().to_owned()),
        keep_input: true,
        findings,
        mirrored,
        listed: Some(listed),
        params: labelled.params(asked.raw),
        traced: labelled.traced,
        ..plain(&asked, call)
    };
    request.facts.bar = ctx
        .shared
        .circles(&labelled.ctx.caller, likeness(&request, &conn));
    fly(&labelled.ctx, conn, request, asked).await
}

/// A call as it goes out: joined to its session, tokens in its arguments restored where that is permitted, checked,
/// traced, and what the tool may not read masked. With the headers that must repeat some of it.
///
/// # Errors
/// The refusal to tell.
async fn prepared(
    ctx: &Ctx,
    names: &labels::Names<'_>,
    listed: &Listed,
    arguments: Option<&RawValue>,
    params: Option<&RawValue>,
) -> Result<(Vec<(String, String)>, labels::Call), Refused> {
    let given = Schema::read_arguments(arguments).map_err(|mismatch| unfit(ctx, &mismatch))?;
    let mut ctx = ctx.clone();
    ctx.caller.session = labels::session(&ctx, names, &given);
    let shared = Arc::clone(&ctx.shared);
    let caller = ctx.caller.clone();
    let arrived = match listed.withheld {
        // What it became nobody has read: tokens stay tokens.
        true => None,
        false => shared.arrive(&caller, names.server, names.tool, &given).await,
    };
    // A token need not fit the schema where the value that it becomes does.
    let outgoing = arrived.as_ref().map_or(&given, |arrived| &arrived.outgoing);
    let mirrored = checked(&ctx, listed, outgoing, &given)?;
    let mut labelled = labels::Call::trace(ctx, names, &given, arrived.as_ref(), params);
    let leaving = labelled.outgoing().unwrap_or(&given);
    let departed = shared
        .depart(&caller, names.server, names.tool, leaving, &listed.definition)
        .await?;
    if let Some(departed) = departed {
        labelled.replace(departed, params);
    }
    // In another spelling it is still to fit, and what headers repeat is repeated anew.
    let mirrored = match &labelled.respelled {
        Some(respelled) if !listed.withheld => {
            respelled.check(listed).map_err(|code| labelled.ctx.early(code))?
        }
        _ => mirrored,
    };
    Ok((mirrored, labelled))
}

/// Checks arguments as they go out against the tool's pinned schema. Gives the headers that must repeat some of them.
///
/// # Errors
/// The refusal, with the place that does not fit.
fn checked(
    ctx: &Ctx,
    listed: &Listed,
    outgoing: &Value,
    written: &Value,
) -> Result<Vec<(String, String)>, Refused> {
    // What is withheld is ruled on as such, whatever its new schema says: where policy lets it pass, it is traced and masked
    // like any other.
    if listed.withheld {
        return Ok(Vec::new());
    }
    let early = |code| ctx.early(code);
    let schema = listed.input.as_ref().ok_or_else(|| early(Code::ToolUnusable))?;
    schema
        .check_arguments(outgoing)
        .map_err(|mismatch| unfit(ctx, &mismatch))?;
    if schema.headers().is_empty() {
        return Ok(Vec::new());
    }
    if let Some(head) = &ctx.head {
        let required = ctx.revision().stateless();
        // Headers repeat what the agent wrote, tokens and all.
        schema
            .headers()
            .check(written, required, |name| one(&head.headers, name))
            .map_err(early)?;
    }
    Ok(schema.headers().emit(outgoing))
}

/// Arguments that don't fit what the tool says it takes.
fn unfit(ctx: &Ctx, mismatch: &Mismatch) -> Refused {
    Refused {
        refusal: ctx.early(Code::ArgumentsInvalid),
        detail: Some(mismatch.to_string().into()),
    }
}

/// The one value of a header; a header that is there twice has none.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        // No value can agree with a header that is there twice.
        (Some(_), Some(_)) => Some("\u{0}"),
        (None, _) => None,
    }
}

/// Sends a request, or goes on with one that waits for these answers.
async fn fly(ctx: &Ctx, conn: Arc<Conn>, request: Request, asked: Asked<'_>) -> Result<Reply, Refused> {
    let id = asked.id.clone().into_owned();
    if ctx.revision().stateless()
        && let Ok(Some(state)) = asked.params.text("requestState")
        && state.starts_with("bz1.")
    {
        let parked = ctx
            .shared
            .mcp
            .unpark(&state, &ctx.owner(), likeness(&request, &conn))
            .map_err(|code| ctx.early(code))?;
        let empty = message::raw("{}".to_owned()).map_err(|code| ctx.early(code))?;
        let responses = asked.params.find("inputResponses").unwrap_or(&empty);
        return Box::pin(parked.flight.resume(ctx, id, parked.asks, responses)).await;
    }
    Box::new(Flight::new(ctx, &conn, request, Some(id))?).run().await
}

async fn get_prompt(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let (server, prompt, conn) = named(ctx, &asked).await?;
    let listed = known(ctx, &conn, ListKind::Prompts)
        .await?
        .find(prompt.as_str())
        .cloned();
    let mut call = facts(
        ctx,
        Action::GetPrompt,
        Resource::Prompt {
            server: server.clone(),
            prompt: prompt.clone(),
        },
    );
    call.pin = listed.as_ref().map_or(PinState::Unlisted, |listed| listed.state);
    if ctx.caller.principal.bounds_arguments() || ctx.shared.policy.load().needs_arguments(Action::GetPrompt)
    {
        call.arguments = asked.params.find("arguments").map(json::arguments);
    }
    let mut findings = conn.findings();
    findings.extend(listed.iter().flat_map(|listed| listed.findings.iter().cloned()));
    if listed.is_none() {
        findings.push(unlisted());
    }
    findings.extend(labels::leaving(ctx, call.id, &asked.params).await);
    let going = (Method::PromptsGet, &asked.params);
    let (seen, beside) = labels::beside(ctx, call.id, &conn, going).await;
    findings.extend(seen);
    let mut traced = handed::prompt(ctx, listed.as_deref(), &asked.params);
    traced.beside = beside;
    let request = Request {
        own: Some(prompt.as_str().to_owned()),
        keep_input: true,
        findings,
        traced: Some(traced),
        ..plain(&asked, call)
    };
    fly(ctx, conn, request, asked).await
}

fn unlisted() -> Finding {
    Finding {
        kind: FindingKind::ToolUnlisted,
        severity: Severity::Low,
        what: "".into(),
        score: 1000,
        span: None,
        pointer: String::new(),
        taxonomy: vec!["ASI02".to_owned()],
    }
}

/// The server a URI belongs to: the only one there is, or the only one that lists it or has a template for it. One that
/// two servers lay claim to belongs to neither: the second might be there to be taken for the first. A server that can't be
/// asked claims what it is remembered for.
pub(crate) async fn whose(ctx: &Ctx, uri: &str) -> Result<(ServerName, Arc<Conn>), Refusal> {
    if let [only] = ctx.names.servers() {
        return Ok((only.clone(), open::conn(ctx, only).await?));
    }
    let mut owner = None;
    for server in ctx.names.servers() {
        let conn = open::conn(ctx, server).await.ok();
        let (mut claims, mut is_silent) = (false, conn.is_none());
        if let Some(conn) = &conn {
            for kind in [ListKind::Resources, ListKind::Templates] {
                match known(ctx, conn, kind).await {
                    Ok(catalog) => claims |= catalog.serves(uri),
                    Err(_) => is_silent = true,
                }
            }
        }
        claims |= is_silent && remembered(ctx, server, uri);
        if claims && owner.replace((server.clone(), conn)).is_some() {
            return Err(ctx.early(Code::ToolUnknown));
        }
    }
    match owner {
        Some((server, Some(conn))) => Ok((server, conn)),
        Some((_, None)) => Err(ctx.early(Code::ServerFailed)),
        None => Err(ctx.early(Code::ToolUnknown)),
    }
}

/// Whether a server that can't be asked now has listed this URI, or a template for it, before.
fn remembered(ctx: &Ctx, server: &ServerName, uri: &str) -> bool {
    let Ok(served) = ctx.shared.mcp.served(server) else {
        return false;
    };
    let pinned = served.with_pins(&ctx.shared.state, |pins| {
        let claims = pins.pins.values().any(|pin| {
            matches!(pin.kind, PinKind::Resource | PinKind::Template) && listing::fits(&pin.name, uri)
        });
        (claims, false)
    });
    // Pins that can't be read may hold anything.
    pinned.unwrap_or(true)
}

/// A call on a resource: what policy is asked, what was seen, and where the address came from.
pub(super) struct Addressed {
    pub(super) call: CallFacts,
    pub(super) findings: Vec<Finding>,
    pub(super) traced: Traced,
}

impl Addressed {
    /// As the guard is asked about it.
    pub(super) fn asking(self, ctx: &Ctx) -> Box<Asking> {
        let asking = ctx.shared.evidence(&ctx.caller, self.call, self.findings);
        asking.traced(Some(self.traced))
    }
}

/// Looks at the address of a resource on its way to a server.
///
/// # Errors
/// The refusal to tell.
pub(super) async fn addressed(
    ctx: &Ctx,
    conn: &Arc<Conn>,
    action: Action,
    uri: &str,
) -> Result<Addressed, Refusal> {
    // What is listed has a pin, and is held to it: so the listing is read first, whoever forgot it.
    let state = known(ctx, conn, ListKind::Resources).await?.find(uri).cloned();
    let resource = Resource::McpResource {
        server: conn.served.config.name.clone(),
        uri: uri.to_owned(),
    };
    let mut call = facts(ctx, action, resource);
    call.pin = state.as_ref().map_or(PinState::None, |listed| listed.state);
    let mut findings = conn.findings();
    findings.extend(state.iter().flat_map(|listed| listed.findings.iter().cloned()));
    findings.extend(labels::in_address(ctx, call.id, uri).await);
    let given = state.is_some() || conn.given.knows(uri);
    let traced = labels::address(ctx, action, uri, given);
    Ok(Addressed {
        call,
        findings,
        traced,
    })
}

async fn on_resource(ctx: &Ctx, method: Method, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let uri = required(ctx, &asked, "uri")?;
    if uri.is_empty() || uri.len() > listing::MAX_URI {
        return Err(early(Code::MessageInvalid).into());
    }
    let (_, conn) = whose(ctx, &uri).await?;
    let mut addressed = addressed(ctx, &conn, method.action(), &uri).await?;
    addressed.findings.extend(ctx.shared.unrestored_in_address(&uri));
    if method == Method::ResourcesRead {
        let going = (method, &asked.params);
        let (seen, beside) = labels::beside(ctx, addressed.call.id, &conn, going).await;
        addressed.findings.extend(seen);
        addressed.traced.beside = beside;
    }
    if conn.is_stateless() && method != Method::ResourcesRead {
        return notices::subscribe(ctx, &conn, method, &asked, addressed, &uri).await;
    }
    let mut request = Request {
        keep_input: method.may_need_input(),
        findings: addressed.findings,
        traced: Some(addressed.traced),
        ..plain(&asked, addressed.call)
    };
    // Who watches an address needs no more than that.
    if method != Method::ResourcesRead {
        request.params = Some(only("uri", &uri).map_err(early)?);
    }
    fly(ctx, conn, request, asked).await
}

async fn complete(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let raw = asked
        .params
        .find("ref")
        .ok_or_else(|| early(Code::MessageInvalid))?;
    let reference = message::Members::read(raw).map_err(early)?;
    let kind = reference.text("type").map_err(early)?;
    let (server, resource, rewritten) = match kind.as_deref() {
        Some("ref/prompt") => {
            let name = reference
                .text("name")
                .map_err(early)?
                .ok_or_else(|| early(Code::MessageInvalid))?;
            let (server, prompt) = ctx.names.resolve(&name).map_err(early)?;
            let mut out = Object::default();
            out.text("name", prompt.as_str());
            for (key, value) in reference.iter() {
                if key != "name" {
                    out.json(key, value.get());
                }
            }
            (
                server.clone(),
                Resource::Prompt {
                    server: server.clone(),
                    prompt,
                },
                out.finish(),
            )
        }
        Some("ref/resource") => {
            let uri = reference
                .text("uri")
                .map_err(early)?
                .ok_or_else(|| early(Code::MessageInvalid))?;
            if uri.len() > listing::MAX_URI {
                return Err(early(Code::MessageInvalid).into());
            }
            let (server, _) = whose(ctx, &uri).await?;
            (
                server.clone(),
                Resource::McpResource {
                    server,
                    uri: uri.into_owned(),
                },
                raw.get().to_owned(),
            )
        }
        _ => return Err(early(Code::MessageInvalid).into()),
    };
    let conn = open::conn(ctx, &server).await?;
    let mut traced = completing(ctx, &conn, &resource, raw, &asked).await?;
    let call = facts(ctx, Action::Complete, resource);
    let mut findings = conn.findings();
    findings.extend(labels::leaving(ctx, call.id, &asked.params).await);
    let going = (Method::Complete, &asked.params);
    let (seen, beside) = labels::beside(ctx, call.id, &conn, going).await;
    findings.extend(seen);
    traced.beside = beside;
    let request = Request {
        reference: Some(rewritten),
        findings,
        traced: Some(traced),
        ..plain(&asked, call)
    };
    fly(ctx, conn, request, asked).await
}

/// Where what a completion hands over came from. What the server listed itself gives nothing away, so its lists are read
/// first.
async fn completing(
    ctx: &Ctx,
    conn: &Arc<Conn>,
    resource: &Resource,
    reference: &RawValue,
    asked: &Asked<'_>,
) -> Result<Traced, Refusal> {
    // A list that can't be had names nothing.
    let of = |referred: &Referred<'_>| handed::completion(ctx, referred, reference, &asked.params);
    match resource {
        Resource::McpResource { uri, .. } => {
            let mut catalogs = Vec::new();
            for kind in [ListKind::Resources, ListKind::Templates] {
                catalogs.extend(known(ctx, conn, kind).await);
            }
            let given = handed::lists(&catalogs, uri) || conn.given.knows(uri);
            Ok(of(&Referred::Address(uri, given)))
        }
        Resource::Prompt { prompt, .. } => {
            let prompts = known(ctx, conn, ListKind::Prompts).await.ok();
            let listed = prompts.as_ref().and_then(|prompts| prompts.find(prompt.as_str()));
            let listed = listed.map(|listed| &**listed);
            Ok(of(&Referred::Prompt(listed, prompt.as_str())))
        }
        _ => Err(ctx.early(Code::MessageInvalid)),
    }
}

async fn set_level(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let level = required(ctx, &asked, "level")?;
    let Agent::Session(session) = &ctx.agent else {
        return Err(early(Code::MessageInvalid).into());
    };
    lock(&session.state).set_log_level(&level).map_err(early)?;
    for server in ctx.names.servers() {
        let conn = match open::conn(ctx, server).await {
            Ok(conn) => conn,
            Err(refusal) if !ctx.names.prefixed() => return Err(refusal.into()),
            Err(_) => continue,
        };
        // A stateless server is told with each request.
        if conn.is_stateless() {
            continue;
        }
        let params = only("level", &level).map_err(early)?;
        let call = facts(ctx, Action::SetLogLevel, on_server(server));
        let request = own_request(Method::SetLevel, Some(params), call);
        match ask_server(ctx, &conn, request).await {
            Ok(outcome) if !ctx.names.prefixed() => {
                return Ok(told(ctx, Method::SetLevel, &asked.id, &outcome).await?);
            }
            Ok(_) => {}
            Err(refusal) if !ctx.names.prefixed() => return Err(refusal.into()),
            Err(refusal) => tracing::debug!(%server, code = %refusal.code, "a log level was not set"),
        }
    }
    Ok(Reply::ours(refusal::result(&asked.id, "{}")))
}

/// A method we don't know, ruled on as what it is. Of several servers none can be meant.
async fn unknown(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let [only] = ctx.names.servers() else {
        return Err(ctx.early(Code::MethodUnknown).into());
    };
    let resource = on_server(only);
    // Ruled on before the server is bothered, so that a denied method starts nothing.
    super::rule(
        &ctx.shared,
        &ctx.caller,
        facts(ctx, Action::Other, resource.clone()),
    )
    .await?;
    let conn = open::conn(ctx, only).await?;
    let call = facts(ctx, Action::Other, resource);
    let findings = labels::going(ctx, call.id, asked.raw).await;
    let request = Request {
        findings,
        ..plain(&asked, call)
    };
    fly(ctx, conn, request, asked).await
}
