//! What each method of an agent becomes: a call to one server, a listing over all of them, or an answer of ours.

use std::{borrow::Cow, sync::Arc};

use bartizan_mcp::{
    Catalog, ListKind, Listed, Method, Outcome, Params, Revision,
    listing::{self, Part, Reader},
    message::{self, Object},
    refusal,
};
use bartizan_types::{
    Action, CallFacts, Code, Effects, Finding, FindingKind, PinState, Refusal, Resource, ServerName,
    Severity, Surface,
};
use bartizan_wire::{json, jsonrpc::Id};
use http::header::HeaderMap;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{
    conn::{Conn, Filter, Way},
    flow::{Agent, Ctx, Flight, Refused, Reply, Request, likeness},
    hub::lock,
    open,
};
use crate::{clock, serve::fresh, upstream};

/// Servers asked at a time.
const AT_ONCE: usize = 16;
/// Resources one stream of change notices may watch.
const WATCHED: usize = 256;

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
        id: clock::mint(clock::now()),
        action,
        resource,
        surface: Surface::Mcp,
        streaming: false,
        bytes: ctx.body.0,
        digest: ctx.body.1,
        pin: PinState::None,
        effects: Effects::default(),
        arguments: None,
    }
}

fn on_server(server: &ServerName) -> Resource {
    Resource::Server {
        server: server.clone(),
    }
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
        return Ok(Reply::Whole {
            status: if revision.stateless() { 404 } else { 200 },
            bytes: refusal::error(Some(&asked.id), -32601, "this revision has no such method"),
            release: None,
            session: None,
        });
    }
    match method {
        Method::Ping => Ok(Reply::ours(refusal::result(&asked.id, "{}"))),
        Method::Discover => {
            let bytes = refusal::result(&asked.id, &introduce(ctx).await?);
            let server = ctx
                .names
                .servers()
                .first()
                .ok_or_else(|| ctx.early(Code::ServerUnknown))?;
            Ok(released(ctx, facts(ctx, Action::Connect, on_server(server)), bytes).await?)
        }
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::TemplatesList => {
            list(ctx, method, &asked).await
        }
        Method::ToolsCall => call_tool(ctx, asked).await,
        Method::PromptsGet => get_prompt(ctx, asked).await,
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => {
            on_resource(ctx, method, asked).await
        }
        Method::Complete => complete(ctx, asked).await,
        Method::SetLevel => set_level(ctx, asked).await,
        Method::Listen => listen(ctx, asked).await,
        _ => unknown(ctx, asked).await,
    }
}

/// An answer that we put together from what servers said: ruled on and released as one call on the first of them.
///
/// # Errors
/// The refusal to tell.
pub(crate) async fn released(ctx: &Ctx, call: CallFacts, bytes: Vec<u8>) -> Result<Reply, Refusal> {
    let (permit, mut passage) = ctx
        .shared
        .enter(ctx.shared.evidence(&ctx.caller, call, Vec::new()), ())
        .await?;
    let () = permit.spend();
    let release = passage.answered(bartizan_guard::AnswerFacts::default())?;
    passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    passage.released.transcript = Some(crate::model::sha256(&bytes));
    passage.finish();
    Ok(Reply::Whole {
        status: 200,
        bytes,
        release: Some(release),
        session: None,
    })
}

/// What the servers behind this endpoint are, together: for `initialize` and `server/discover`.
///
/// # Errors
/// The refusal of the only server. Of several, those that can't be reached are left out.
pub(crate) async fn introduce(ctx: &Ctx) -> Result<String, Refusal> {
    let names = &ctx.names;
    let mut conns = Vec::new();
    for server in names.servers() {
        match open::conn(ctx, server).await {
            Ok(conn) => conns.push(conn),
            Err(refusal) if names.servers().len() == 1 => return Err(refusal),
            Err(refusal) => tracing::warn!(%server, code = %refusal.code, "a server is left out"),
        }
    }
    let revision = ctx.revision();
    let mut out = Object::default();
    if revision.stateless() {
        let versions: Vec<String> = Revision::ALL.iter().rev().map(|it| format!("\"{it}\"")).collect();
        out.text("resultType", "complete")
            .json("supportedVersions", &format!("[{}]", versions.join(",")));
    } else {
        out.text("protocolVersion", revision.as_str());
    }
    out.json("capabilities", &capabilities(&conns));
    let identity = match conns.as_slice() {
        [only] if !names.prefixed() => only
            .handshake()
            .and_then(|hand| hand.identity.as_deref())
            .map(RawValue::get),
        _ => None,
    };
    let own = format!(
        r#"{{"name":"bartizan","version":"{}"}}"#,
        env!("CARGO_PKG_VERSION")
    );
    let identity = identity.unwrap_or(&own);
    if revision.stateless() {
        let mut meta = Object::default();
        meta.json("io.modelcontextprotocol/serverInfo", identity);
        out.json("_meta", &meta.finish())
            .json("ttlMs", "0")
            .text("cacheScope", "private");
    } else {
        out.json("serverInfo", identity);
    }
    let told: Vec<String> = conns
        .iter()
        .filter(|conn| !conn.instructions_withheld())
        .filter_map(|conn| Some((conn, conn.handshake()?.instructions.as_deref()?)))
        .map(|(conn, text)| {
            if names.prefixed() {
                format!("{}: {text}", conn.served.config.name)
            } else {
                text.to_owned()
            }
        })
        .collect();
    if !told.is_empty() {
        out.text("instructions", &told.join("\n\n"));
    }
    Ok(out.finish())
}

/// Together, servers can do what any of them can. What we can't rule on one by one is not offered.
fn capabilities(conns: &[Arc<Conn>]) -> String {
    let mut out = Object::default();
    for key in [
        "tools",
        "prompts",
        "resources",
        "completions",
        "logging",
        "experimental",
        "extensions",
    ] {
        let values: Vec<&RawValue> = conns
            .iter()
            .filter_map(|conn| {
                message::Members::read(&conn.handshake()?.capabilities)
                    .ok()?
                    .find(key)
            })
            .collect();
        match (values.as_slice(), key) {
            ([], _) => {}
            ([_, _, ..], "experimental" | "extensions") => {}
            ([only], _) => {
                out.json(key, only.get());
            }
            (many, _) => {
                let mut flags = Object::default();
                for flag in ["listChanged", "subscribe"] {
                    let any = many.iter().any(|value| {
                        message::Members::read(value)
                            .is_ok_and(|it| it.find(flag).is_some_and(|it| it.get() == "true"))
                    });
                    if any {
                        flags.json(flag, "true");
                    }
                }
                out.json(key, &flags.finish());
            }
        }
    }
    out.finish()
}

/// A request of our own on behalf of an agent, ruled on like any other.
async fn ask_server(ctx: &Ctx, conn: &Arc<Conn>, request: Request) -> Result<Outcome, Refusal> {
    Flight::new(ctx, conn, request, None)?.alone().await
}

/// Reads a server's whole listing, judged against its pins. Kept until the server says that it changed, or the agent
/// lists again.
pub(crate) async fn catalog(
    ctx: &Ctx,
    conn: &Arc<Conn>,
    kind: ListKind,
) -> Result<Result<Arc<Catalog>, Outcome>, Refusal> {
    let method = kind.method();
    let name = &conn.served.config.name;
    let mut reader = Reader::new(kind);
    let mut cursor = None;
    loop {
        let request = Request {
            name: method.as_str().to_owned(),
            params: None,
            own: None,
            reference: None,
            cursor: cursor.take(),
            keep_input: false,
            facts: facts(ctx, method.action(), on_server(name)),
            findings: conn.findings(),
            mirrored: Vec::new(),
            listed: None,
        };
        match ask_server(ctx, conn, request).await? {
            Outcome::Result(result) => match reader.page(&result) {
                Ok(Some(next)) => cursor = Some(next),
                Ok(None) => break,
                Err(code) => return Err(ctx.early(code)),
            },
            // A server without this kind of thing has none.
            Outcome::Error { code: -32601, .. } => {
                let none = Arc::new(Catalog::default());
                conn.keep_catalog(kind, Some(Arc::clone(&none)));
                return Ok(Ok(none));
            }
            failed => return Ok(Err(failed)),
        }
    }
    let earlier = conn.served.last_catalog(kind).or_else(|| conn.catalog(kind));
    let judged = conn
        .served
        .with_pins(&ctx.shared.state, |pins| {
            reader.finish(pins, earlier.as_deref(), clock::now())
        })
        .map_err(|code| ctx.early(code))?;
    let judged = Arc::new(judged);
    conn.served.keep_catalog(kind, &judged);
    conn.keep_catalog(kind, Some(Arc::clone(&judged)));
    Ok(Ok(judged))
}

async fn known(ctx: &Ctx, conn: &Arc<Conn>, kind: ListKind) -> Result<Arc<Catalog>, Refusal> {
    if let Some(catalog) = conn.catalog(kind) {
        return Ok(catalog);
    }
    Ok(catalog(ctx, conn, kind).await?.unwrap_or_default())
}

async fn list(ctx: &Ctx, method: Method, asked: &Asked<'_>) -> Result<Reply, Refused> {
    let kind = ListKind::of(method).ok_or_else(|| ctx.early(Code::Bug))?;
    let cursor = asked.params.text("cursor").map_err(|code| ctx.early(code))?;
    let mut catalogs = Vec::new();
    let alone = ctx.names.servers().len() == 1;
    let mut running = tokio::task::JoinSet::new();
    let mut waiting: Vec<ServerName> = ctx.names.servers().iter().rev().cloned().collect();
    // A page after the first is cut from what is known already.
    let fresh_list = cursor.is_none();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE
            && let Some(server) = waiting.pop()
        {
            let ctx = ctx.clone();
            running.spawn(async move {
                let listed = async {
                    let conn = open::conn(&ctx, &server).await?;
                    match conn.catalog(kind) {
                        Some(known) if !fresh_list => Ok(Ok(known)),
                        _ => catalog(&ctx, &conn, kind).await,
                    }
                };
                let listed = listed.await;
                (server, listed)
            });
        }
        match running.join_next().await {
            Some(Ok((server, Ok(Ok(catalog))))) => catalogs.push((server, catalog)),
            Some(Ok((_, Ok(Err(outcome))))) if alone => {
                return Ok(Reply::ours(outcome.encode(&asked.id)));
            }
            Some(Ok((_, Err(refusal)))) if alone => return Err(refusal.into()),
            Some(Ok((server, _))) => tracing::warn!(%server, "a server is left out of a listing"),
            Some(Err(_)) | None => return Err(ctx.early(Code::Bug).into()),
        }
    }
    let place = |server: &ServerName| ctx.names.servers().iter().position(|it| it == server);
    catalogs.sort_by_key(|(server, _)| place(server));
    let parts: Vec<Part<'_>> = catalogs
        .iter()
        .map(|(server, catalog)| Part { server, catalog })
        .collect();
    let policy = ctx.shared.policy.load_full();
    let action = match kind {
        ListKind::Tools => Action::CallTool,
        ListKind::Prompts => Action::GetPrompt,
        ListKind::Resources | ListKind::Templates => Action::ReadResource,
    };
    let mut show = |resource: &Resource, listed: &Listed| {
        // A template names no resource yet: what it leads to is ruled on when it is read.
        if kind == ListKind::Templates {
            return true;
        }
        let mut call = facts(ctx, action, resource.clone());
        call.pin = listed.state;
        call.effects = listed.effects;
        policy.may_ever_allow(&ctx.shared.evidence(&ctx.caller, call, listed.findings.clone()))
    };
    let page = listing::page(kind, &ctx.names, &parts, cursor.as_deref(), &mut show);
    let result = match page {
        Ok(result) => result,
        Err(Code::MessageInvalid) => {
            ctx.shared
                .reject(Code::MessageInvalid, Some(&ctx.caller.principal));
            return Ok(Reply::ours(refusal::error(
                Some(&asked.id),
                -32602,
                "the cursor is not valid for this list",
            )));
        }
        Err(code) => return Err(ctx.early(code).into()),
    };
    let raw = message::raw(result).map_err(|code| ctx.early(code))?;
    let result = message::result_for(&raw, ctx.revision(), method).map_err(|code| ctx.early(code))?;
    let server = ctx
        .names
        .servers()
        .first()
        .ok_or_else(|| ctx.early(Code::ServerUnknown))?;
    let bytes = refusal::result(&asked.id, &result);
    Ok(released(ctx, facts(ctx, method.action(), on_server(server)), bytes).await?)
}

async fn call_tool(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let name = asked
        .params
        .text("name")
        .and_then(|name| name.ok_or(Code::MessageInvalid))
        .map_err(early)?;
    let (server, tool) = ctx.names.resolve(&name).map_err(early)?;
    let conn = open::conn(ctx, server).await?;
    let mut listed = known(ctx, &conn, ListKind::Tools)
        .await?
        .find(tool.as_str())
        .cloned();
    if listed.is_none() {
        // It may have appeared since.
        listed = catalog(ctx, &conn, ListKind::Tools)
            .await?
            .unwrap_or_default()
            .find(tool.as_str())
            .cloned();
    }
    let Some(listed) = listed else {
        return Err(early(Code::ToolUnknown).into());
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
    if ctx.shared.policy.load().needs_arguments(Action::CallTool) {
        call.arguments = arguments.map(json::arguments);
    }
    let mut findings = conn.findings();
    findings.extend(listed.findings.iter().cloned());
    let mut mirrored = Vec::new();
    match &listed.input {
        _ if listed.withheld => {}
        None => return Err(early(Code::ToolWithheld).into()),
        Some(schema) => match schema.check_arguments(arguments) {
            Ok(value) => {
                if !schema.headers().is_empty() {
                    if let Some(headers) = &ctx.headers {
                        let required = ctx.revision().stateless();
                        schema
                            .headers()
                            .check(&value, required, |name| one(headers, name))
                            .map_err(early)?;
                    }
                    mirrored = schema.headers().emit(&value);
                }
            }
            Err(mismatch) => {
                findings.push(Finding {
                    kind: FindingKind::SchemaMismatch,
                    severity: Severity::Medium,
                    score: 1000,
                    span: None,
                    pointer: mismatch.pointer.clone(),
                    taxonomy: vec!["ASI02".to_owned()],
                });
                let refusal = early(Code::ArgumentsInvalid);
                return Err(Refused {
                    refusal,
                    detail: Some(mismatch.to_string()),
                });
            }
        },
    }
    let request = Request {
        own: Some(tool.as_str().to_owned()),
        keep_input: true,
        findings,
        mirrored,
        listed: Some(listed),
        ..plain(&asked, call)
    };
    fly(ctx, conn, request, asked).await
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
        return parked.flight.resume(ctx, id, parked.asks, responses).await;
    }
    Flight::new(ctx, &conn, request, Some(id))?.run().await
}

async fn get_prompt(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let name = asked
        .params
        .text("name")
        .and_then(|name| name.ok_or(Code::MessageInvalid))
        .map_err(early)?;
    let (server, prompt) = ctx.names.resolve(&name).map_err(early)?;
    let conn = open::conn(ctx, server).await?;
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
    if ctx.shared.policy.load().needs_arguments(Action::GetPrompt) {
        call.arguments = asked.params.find("arguments").map(json::arguments);
    }
    let mut findings = conn.findings();
    findings.extend(listed.iter().flat_map(|listed| listed.findings.iter().cloned()));
    if listed.is_none() {
        findings.push(unlisted());
    }
    let request = Request {
        own: Some(prompt.as_str().to_owned()),
        keep_input: true,
        findings,
        ..plain(&asked, call)
    };
    fly(ctx, conn, request, asked).await
}

fn unlisted() -> Finding {
    Finding {
        kind: FindingKind::ToolUnlisted,
        severity: Severity::Low,
        score: 1000,
        span: None,
        pointer: String::new(),
        taxonomy: vec!["ASI02".to_owned()],
    }
}

/// The server a URI belongs to: the one that lists it or has a template for it; the only one there is.
async fn whose(ctx: &Ctx, uri: &str) -> Result<(ServerName, Arc<Conn>), Refusal> {
    if let [only] = ctx.names.servers() {
        return Ok((only.clone(), open::conn(ctx, only).await?));
    }
    for kind in [ListKind::Resources, ListKind::Templates] {
        for server in ctx.names.servers() {
            let Ok(conn) = open::conn(ctx, server).await else {
                continue;
            };
            if known(ctx, &conn, kind)
                .await
                .is_ok_and(|catalog| catalog.serves(uri))
            {
                return Ok((server.clone(), conn));
            }
        }
    }
    Err(ctx.early(Code::ToolUnknown))
}

async fn on_resource(ctx: &Ctx, method: Method, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let uri = asked
        .params
        .text("uri")
        .and_then(|uri| uri.ok_or(Code::MessageInvalid))
        .map_err(early)?;
    if uri.is_empty() || uri.len() > listing::MAX_URI {
        return Err(early(Code::MessageInvalid).into());
    }
    let (server, conn) = whose(ctx, &uri).await?;
    let state = conn
        .catalog(ListKind::Resources)
        .and_then(|catalog| catalog.find(&uri).cloned());
    let mut call = facts(
        ctx,
        method.action(),
        Resource::McpResource {
            server,
            uri: uri.into_owned(),
        },
    );
    call.pin = state.as_ref().map_or(PinState::None, |listed| listed.state);
    let mut findings = conn.findings();
    findings.extend(state.iter().flat_map(|listed| listed.findings.iter().cloned()));
    let stateless = lock(&conn.link).revision().is_some_and(Revision::stateless);
    if stateless && method != Method::ResourcesRead {
        // That revision has one stream for all notices, opened per request, which a session of this agent can't hold.
        return Ok(Reply::ours(refusal::error(
            Some(&asked.id),
            -32601,
            "this server has no subscriptions",
        )));
    }
    let request = Request {
        keep_input: method.may_need_input(),
        findings,
        ..plain(&asked, call)
    };
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
    let request = Request {
        reference: Some(rewritten),
        ..plain(&asked, facts(ctx, Action::Complete, resource))
    };
    fly(ctx, conn, request, asked).await
}

async fn set_level(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    let level = asked
        .params
        .text("level")
        .and_then(|level| level.ok_or(Code::MessageInvalid))
        .map_err(early)?;
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
        if lock(&conn.link).revision().is_some_and(Revision::stateless) {
            continue;
        }
        let request = plain(&asked, facts(ctx, Action::SetLogLevel, on_server(server)));
        match ask_server(ctx, &conn, request).await {
            Ok(outcome) if !ctx.names.prefixed() => return Ok(Reply::ours(outcome.encode(&asked.id))),
            Ok(_) => {}
            Err(refusal) if !ctx.names.prefixed() => return Err(refusal.into()),
            Err(refusal) => tracing::debug!(%server, code = %refusal.code, "a log level was not set"),
        }
    }
    Ok(Reply::ours(refusal::result(&asked.id, "{}")))
}

/// A stream of change notices for a stateless agent, from all its servers.
async fn listen(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    if !ctx.streams {
        return Err(early(Code::ContentType).into());
    }
    let wanted = asked
        .params
        .find("notifications")
        .ok_or_else(|| early(Code::MessageInvalid))?;
    let wanted = message::Members::read(wanted).map_err(early)?;
    let flag = |key: &str| wanted.find(key).is_some_and(|value| value.get() == "true");
    let mut uris = Vec::new();
    if let Some(list) = wanted.find("resourceSubscriptions") {
        for uri in message::items(list).map_err(early)? {
            uris.push(message::text(uri).map_err(early)?.into_owned());
        }
    }
    if uris.len() > WATCHED
        || uris
            .iter()
            .any(|uri| uri.is_empty() || uri.len() > listing::MAX_URI)
    {
        return Err(early(Code::MessageInvalid).into());
    }
    let id = refusal::result(&asked.id, "0");
    let id: serde_json::Value = serde_json::from_slice(&id).map_err(|_| early(Code::Bug))?;
    let filter = Filter {
        id: id.get("id").map(ToString::to_string).unwrap_or_default(),
        tools: flag("toolsListChanged"),
        prompts: flag("promptsListChanged"),
        resources: flag("resourcesListChanged"),
        uris: uris.clone(),
    };
    let resource = on_server(
        ctx.names
            .servers()
            .first()
            .ok_or_else(|| early(Code::ServerUnknown))?,
    );
    let evidence = ctx.shared.evidence(
        &ctx.caller,
        facts(ctx, Action::SubscribeResource, resource),
        Vec::new(),
    );
    let (permit, mut passage) = ctx.shared.enter(evidence, ()).await?;
    let () = permit.spend();
    let (sender, messages) = mpsc::channel(64);
    let mut agreed = Vec::new();
    for server in ctx.names.servers() {
        let Ok(conn) = open::conn(ctx, server).await else {
            continue;
        };
        conn.listen(filter.clone(), sender.clone()).map_err(early)?;
        for uri in &uris {
            if ctx.names.prefixed() && whose(ctx, uri).await.map_or(true, |(owner, _)| owner != *server) {
                continue;
            }
            if watch(ctx, &conn, uri).await {
                agreed.push(uri.clone());
            }
        }
        if lock(&conn.link).revision().is_some_and(Revision::stateless) {
            upstream_listen(ctx, &conn, &filter);
        }
    }
    let mut honoured = Object::default();
    for (key, on) in [
        ("toolsListChanged", filter.tools),
        ("promptsListChanged", filter.prompts),
        ("resourcesListChanged", filter.resources),
    ] {
        if on {
            honoured.json(key, "true");
        }
    }
    if !agreed.is_empty() {
        honoured.json(
            "resourceSubscriptions",
            &serde_json::to_string(&agreed).unwrap_or_default(),
        );
    }
    let mut meta = Object::default();
    meta.json(message::META_SUBSCRIPTION, &filter.id);
    let mut params = Object::default();
    params
        .json("_meta", &meta.finish())
        .json("notifications", &honoured.finish());
    let mut ack = Object::default();
    ack.text("jsonrpc", "2.0")
        .text("method", Method::Acknowledged.as_str())
        .json("params", &params.finish());
    let _first = sender.try_send(ack.finish().into_bytes());
    let release = passage.answered(bartizan_guard::AnswerFacts::default())?;
    // The passage lives as long as the stream: its end is recorded when the agent goes.
    tokio::spawn(async move {
        sender.closed().await;
        passage.finish();
    });
    Ok(Reply::Stream { release, messages })
}

/// Subscribes to one resource at a server with sessions. Stateless ones are told in their own stream's filter.
async fn watch(ctx: &Ctx, conn: &Arc<Conn>, uri: &str) -> bool {
    if lock(&conn.link).revision().is_some_and(Revision::stateless) {
        return true;
    }
    let mut params = Object::default();
    params.text("uri", uri);
    let Ok(params) = message::raw(params.finish()) else {
        return false;
    };
    let resource = Resource::McpResource {
        server: conn.served.config.name.clone(),
        uri: uri.to_owned(),
    };
    let request = Request {
        name: Method::Subscribe.as_str().to_owned(),
        params: Some(params),
        own: None,
        reference: None,
        cursor: None,
        keep_input: false,
        facts: facts(ctx, Action::SubscribeResource, resource),
        findings: Vec::new(),
        mirrored: Vec::new(),
        listed: None,
    };
    matches!(ask_server(ctx, conn, request).await, Ok(Outcome::Result(_)))
}

/// Opens the server's own stream of notices; they come back through the conversation's listeners.
fn upstream_listen(ctx: &Ctx, conn: &Arc<Conn>, filter: &Filter) {
    let mut wanted = Object::default();
    wanted
        .json("toolsListChanged", if filter.tools { "true" } else { "false" })
        .json(
            "promptsListChanged",
            if filter.prompts { "true" } else { "false" },
        )
        .json(
            "resourcesListChanged",
            if filter.resources { "true" } else { "false" },
        )
        .json(
            "resourceSubscriptions",
            &serde_json::to_string(&filter.uris).unwrap_or_else(|_| "[]".to_owned()),
        );
    let mut params = Object::default();
    params.json("notifications", &wanted.finish());
    let Ok(params) = message::raw(params.finish()) else {
        return;
    };
    let request = Request {
        name: Method::Listen.as_str().to_owned(),
        params: Some(params),
        own: None,
        reference: None,
        cursor: None,
        keep_input: false,
        facts: facts(
            ctx,
            Action::SubscribeResource,
            on_server(&conn.served.config.name),
        ),
        findings: Vec::new(),
        mirrored: Vec::new(),
        listed: None,
    };
    let Ok(flight) = Flight::new(ctx, conn, request, None) else {
        return;
    };
    let conn = Arc::clone(conn);
    tokio::spawn(async move {
        // Ends when the server ends it, or when it has been quiet for as long as a request may take; then a notice is
        // missed, which costs an agent no more than listing again.
        if let Err(refusal) = flight.alone().await {
            tracing::debug!(server = %conn.served.config.name, code = %refusal.code, "a stream of notices ended");
        }
    });
}

/// Opens the stream on which a server with sessions talks unasked (GET), if it has one.
pub(crate) fn follow(ctx: &Ctx, conn: &Arc<Conn>) {
    let (ctx, conn) = (ctx.clone(), Arc::clone(conn));
    tokio::spawn(async move {
        let Way::Http(way) = &conn.way else { return };
        let outbound = way.outbound(http::Method::GET, Vec::new(), conn.version_header());
        let evidence = ctx
            .shared
            .evidence(&ctx.caller, conn.facts(Action::Notify, b""), Vec::new());
        let Ok((permit, mut passage)) = ctx.shared.enter(evidence, outbound).await else {
            return;
        };
        match upstream::send(permit, conn.served.config.timeout).await {
            Ok(response) if crate::edge::is_event_stream(&response.headers().clone()) => {
                if let Ok(release) = passage.answered(bartizan_guard::AnswerFacts::default()) {
                    let _call = release.spend();
                    if let Err(code) = conn.absorb(response, None).await {
                        tracing::debug!(server = %conn.served.config.name, %code, "the server's stream ended");
                    }
                }
                passage.finish();
            }
            // Most servers have none and say 405.
            Ok(_) => passage.finish(),
            Err(fault) => drop(passage.failed(fault.code())),
        }
    });
}

/// A method we don't know, ruled on as what it is. Of several servers none can be meant.
async fn unknown(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let [only] = ctx.names.servers() else {
        let code = ctx.early(Code::MessageInvalid);
        tracing::debug!(call = %code.call, "a method that no server can be meant by");
        return Ok(Reply::Whole {
            status: if ctx.revision().stateless() { 404 } else { 200 },
            bytes: refusal::error(Some(&asked.id), -32601, "there is no such method"),
            release: None,
            session: None,
        });
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
    let request = plain(&asked, facts(ctx, Action::Other, resource));
    fly(ctx, conn, request, asked).await
}

/// A one-way message of an agent with a session.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn notification(ctx: &Ctx, name: &str, raw: Option<&RawValue>) -> Result<Reply, Refused> {
    let params = Params::read(raw).map_err(|code| ctx.early(code))?;
    match (Method::parse(name), &ctx.agent) {
        (Method::Initialized, _) => Ok(Reply::Accepted),
        (Method::Cancelled, Agent::Session(session)) => {
            let meant = lock(&session.state).cancelled(&params);
            if let Some(caller) = meant {
                ctx.shared
                    .mcp
                    .each_conn(&ctx.owner(), &session.id, |conn| conn.withdraw(caller));
            }
            // One that has been answered already is no fault of the agent.
            Ok(Reply::Accepted)
        }
        (Method::RootsChanged, Agent::Session(session)) => {
            let mut conns = Vec::new();
            ctx.shared
                .mcp
                .each_conn(&ctx.owner(), &session.id, |conn| conns.push(Arc::clone(conn)));
            for conn in conns {
                let stateless = lock(&conn.link).revision().is_none_or(Revision::stateless);
                let told = lock(&conn.link).notify(name, &params);
                if let (false, Ok(bytes)) = (stateless, told) {
                    super::rule(&ctx.shared, &ctx.caller, conn.facts(Action::Notify, &bytes)).await?;
                    conn.say(bytes).await;
                }
            }
            Ok(Reply::Accepted)
        }
        // Progress on a server's question has no one number of ours to go by.
        _ => Err(ctx.early(Code::MessageInvalid).into()),
    }
}

/// An agent's answer to a question.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn answer(ctx: &Ctx, id: &Id<'_>, outcome: Outcome) -> Result<Reply, Refused> {
    let Agent::Session(session) = &ctx.agent else {
        return Err(ctx.early(Code::MessageInvalid).into());
    };
    let asked = lock(&session.state).answered(id);
    let (server, ask, method) = asked.map_err(|code| ctx.early(code))?;
    let Some(outcome) = ctx.shared.mcp.collected(ask, outcome) else {
        return Ok(Reply::Accepted);
    };
    let mut conn = None;
    ctx.shared.mcp.each_conn(&ctx.owner(), &session.id, |it| {
        if it.served.config.name == server {
            conn = Some(Arc::clone(it));
        }
    });
    let conn = conn.ok_or_else(|| fresh(Code::ServerFailed))?;
    let bytes = lock(&conn.link)
        .answer(ask, &outcome)
        .map_err(|code| ctx.early(code))?;
    // The question was ruled on when it was put. The answer carries the agent's data out, so it is ruled on, too.
    let call = conn.facts(method.action(), &bytes);
    conn.forward(&ctx.shared, &ctx.caller, call, bytes).await?;
    Ok(Reply::Accepted)
}
