//! What servers offer, together: their introduction, their capabilities, and their listings, judged against the pins and
//! cut to what the agent may call.

use std::{collections::BTreeMap, sync::Arc};

use bartizan_mcp::{
    Catalog, ListKind, Listed, Method, Outcome, Revision,
    listing::{self, Part, Reader},
    message::{self, Object},
    refusal,
};
use bartizan_types::{Action, Code, Refusal, Resource, ServerName};
use bartizan_wire::jsonrpc::Id;
use serde_json::{Value, value::RawValue};

use super::{
    calls::{Asked, ask_server, facts, on_server, own_request, put_together, released},
    conn::Conn,
    flow::{Ctx, Refused, Reply, Request},
    labels, open,
};
use crate::clock;

/// Servers asked at a time.
const AT_ONCE: usize = 16;

/// What the servers behind this endpoint are, together: for `initialize` and `server/discover`. With it come the servers
/// that say so; all of them, where none can be reached.
///
/// # Errors
/// The refusal of the only server. Of several, those that can't be reached are left out.
pub(crate) async fn introduce(ctx: &Ctx) -> Result<(String, Vec<ServerName>), Refusal> {
    let names = &ctx.names;
    let conns = reached(ctx).await?;
    let servers = match conns.as_slice() {
        [] => names.servers().to_vec(),
        some => some.iter().map(|conn| conn.served.config.name.clone()).collect(),
    };
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
        let told = ctx.shared.mask_introduction(told.join("\n\n"));
        out.text("instructions", &told.map_err(|code| ctx.early(code))?);
    }
    Ok((out.finish(), servers))
}

/// Conversations with the servers of the endpoint, in their order. Opened a few at a time, so that one that takes long to
/// start keeps nobody longer than itself.
async fn reached(ctx: &Ctx) -> Result<Vec<Arc<Conn>>, Refusal> {
    let alone = ctx.names.servers().len() == 1;
    let mut found = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    let mut waiting = ctx.names.servers().iter().cloned().enumerate();
    loop {
        while running.len() < AT_ONCE
            && let Some((place, server)) = waiting.next()
        {
            let ctx = ctx.clone();
            running.spawn(async move {
                let opened = open::conn(&ctx, &server).await;
                (place, server, opened)
            });
        }
        match running.join_next().await {
            Some(Ok((place, _, Ok(conn)))) => found.push((place, conn)),
            Some(Ok((_, _, Err(refusal)))) if alone => return Err(refusal),
            Some(Ok((_, server, Err(refusal)))) => {
                tracing::warn!(%server, code = %refusal.code, "a server is left out");
            }
            Some(Err(_)) => return Err(ctx.early(Code::Bug)),
            None => break,
        }
    }
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, conn)| conn).collect())
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
            cursor: cursor.take(),
            findings: conn.findings(),
            ..own_request(method, None, facts(ctx, method.action(), on_server(name)))
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
    let mut judged = judged;
    if let Some(inspector) = &ctx.shared.inspector {
        // Names are compared among tools: only those are called by what a model reads of them.
        let others: Vec<(&str, Arc<Catalog>)> = ctx
            .shared
            .mcp
            .others(name)
            .filter(|_| kind == ListKind::Tools)
            .filter_map(|served| Some((served.config.name.as_str(), served.last_catalog(kind)?)))
            .collect();
        let mut between = if kind == ListKind::Tools {
            inspector.between(name.as_str(), &judged, &others)
        } else {
            BTreeMap::new()
        };
        judged.examine(&mut |listed| {
            let mut found = inspector.description(name.as_str(), &listed.name, listed.definition.get());
            found.extend(between.remove(&listed.name).unwrap_or_default());
            found
        });
    }
    let judged = Arc::new(judged);
    conn.served.keep_catalog(kind, &judged);
    conn.keep_catalog(kind, Some(Arc::clone(&judged)));
    Ok(Ok(judged))
}

/// What a server lists, as far as it was asked already, else asked now.
///
/// # Errors
/// The refusal to tell.
pub(crate) async fn known(ctx: &Ctx, conn: &Arc<Conn>, kind: ListKind) -> Result<Arc<Catalog>, Refusal> {
    if let Some(catalog) = conn.catalog(kind) {
        return Ok(catalog);
    }
    Ok(Box::pin(catalog(ctx, conn, kind)).await?.unwrap_or_default())
}

type Listing = Vec<(ServerName, Arc<Catalog>)>;

/// Asks all servers of the endpoint, a few at a time. Those that fail are left out, unless there is no other: then its
/// outcome is the agent's. `anew`: what is known already is asked for again.
async fn gather(ctx: &Ctx, kind: ListKind, anew: bool) -> Result<Result<Listing, Outcome>, Refusal> {
    let alone = ctx.names.servers().len() == 1;
    let mut all = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    let mut waiting: Vec<ServerName> = ctx.names.servers().iter().rev().cloned().collect();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < AT_ONCE
            && let Some(server) = waiting.pop()
        {
            let ctx = ctx.clone();
            running.spawn(async move {
                let listed = async {
                    let conn = open::conn(&ctx, &server).await?;
                    match conn.catalog(kind) {
                        Some(known) if !anew => Ok(Ok(known)),
                        _ => catalog(&ctx, &conn, kind).await,
                    }
                };
                let listed = listed.await;
                (server, listed)
            });
        }
        match running.join_next().await {
            Some(Ok((server, Ok(Ok(catalog))))) => all.push((server, catalog)),
            Some(Ok((_, Ok(Err(outcome))))) if alone => return Ok(Err(outcome)),
            Some(Ok((_, Err(refusal)))) if alone => return Err(refusal),
            Some(Ok((server, _))) => tracing::warn!(%server, "a server is left out of a listing"),
            Some(Err(_)) | None => return Err(ctx.early(Code::Bug)),
        }
    }
    let place = |server: &ServerName| ctx.names.servers().iter().position(|it| it == server);
    all.sort_by_key(|(server, _)| place(server));
    Ok(Ok(all))
}

/// Answers a listing: what all the servers list, cut to what the agent may call under some circumstances.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn list(ctx: &Ctx, method: Method, asked: &Asked<'_>) -> Result<Reply, Refused> {
    let kind = ListKind::of(method).ok_or_else(|| ctx.early(Code::Bug))?;
    let cursor = asked.params.text("cursor").map_err(|code| ctx.early(code))?;
    // A page after the first is cut from what is known already.
    let catalogs = match gather(ctx, kind, cursor.is_none()).await? {
        Ok(catalogs) => catalogs,
        Err(outcome) => return Ok(told(ctx, method, &asked.id, &outcome).await?),
    };
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
    let handed = |resource: &Resource| {
        let links = ctx.caller.principal.act.iter();
        links
            .filter_map(|link| link.bounds.as_deref())
            .all(|bounds| bounds.may_reach(resource))
    };
    let mut show = |resource: &Resource, listed: &Listed| {
        // A template names no resource yet: what it leads to is ruled on when it is read.
        if kind == ListKind::Templates {
            return true;
        }
        let mut call = facts(ctx, action, resource.clone());
        call.pin = listed.state;
        call.effects = listed.effects;
        handed(resource)
            && policy.may_ever_allow(
                ctx.shared
                    .evidence(&ctx.caller, call, listed.findings.clone())
                    .evidence(),
            )
    };
    let result = match listing::page(kind, &ctx.names, &parts, cursor.as_deref(), &mut show) {
        Ok(result) => result,
        Err(Code::MessageInvalid) => {
            let said = ctx.early(Code::MessageInvalid);
            let detail = "the cursor is not one of this list";
            return Ok(Reply::ours(refusal::numbered(&asked.id, -32602, &said, detail)));
        }
        Err(code) => return Err(ctx.early(code).into()),
    };
    let masked = ctx.shared.mask_listing(&ctx.caller, &result).await;
    let (result, findings) = masked
        .map_err(|code| ctx.early(code))?
        .unwrap_or_else(|| (result, Vec::new()));
    let raw = message::raw(result).map_err(|code| ctx.early(code))?;
    let result = message::result_for(&raw, ctx.revision(), method).map_err(|code| ctx.early(code))?;
    let bytes = refusal::result(&asked.id, &result);
    let listed: Vec<ServerName> = catalogs.iter().map(|(server, _)| server.clone()).collect();
    let servers = match listed.as_slice() {
        [] => ctx.names.servers(),
        some => some,
    };
    Ok(released(ctx, servers, method.action(), (bytes, findings)).await?)
}

fn first(ctx: &Ctx) -> Result<&ServerName, Refusal> {
    let first = ctx.names.servers().first();
    first.ok_or_else(|| ctx.early(Code::ServerUnknown))
}

/// What the only server said to a request of ours that the agent asked for: its words, an error's included, go back
/// under a release like any answer.
///
/// # Errors
/// The refusal to tell.
pub(super) async fn told(
    ctx: &Ctx,
    method: Method,
    id: &Id<'_>,
    outcome: &Outcome,
) -> Result<Reply, Refusal> {
    let call = facts(ctx, method.action(), on_server(first(ctx)?));
    let findings = match outcome {
        Outcome::Result(result) => labels::said(ctx, call.id, result.get()).await,
        Outcome::Error { message, .. } => {
            labels::said(ctx, call.id, &Value::from(message.as_str()).to_string()).await
        }
    };
    let asking = ctx.shared.evidence(&ctx.caller, call, Vec::new());
    put_together(ctx, asking, outcome.encode(id), findings).await
}
