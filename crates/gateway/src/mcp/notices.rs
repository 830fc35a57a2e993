//! Change notices: which stream wants which, and the streams that carry them from servers to agents of either era.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{
    Method, Outcome, Params,
    listing::MAX_URI,
    message::{self, Members, Object},
    refusal,
};
use bartizan_types::{Action, Code, Refusal, ServerName};
use bartizan_wire::jsonrpc;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{
    calls::{
        Addressed, Asked, addressed, ask_server, enter_first, facts, on_server, own_request, put_together,
        whose,
    },
    conn::{Conn, Way},
    flow::{Ctx, Flight, Message, Open, Refused, Reply, Request},
    labels, open,
};
use crate::{reins::Reins, upstream};

/// Resources one stream of change notices may watch.
const WATCHED: usize = 256;
/// Before a stream that ended is opened again.
const REST: Duration = Duration::from_secs(1);
/// A stream that ends sooner than this was not wanted; after so many in a row it is left.
const STEADY: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;

/// Which notices a stream wants, and the id its notices carry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// The id of the agent's request, as JSON.
    pub id: String,
    /// `notifications/tools/list_changed`.
    pub tools: bool,
    /// `notifications/prompts/list_changed`.
    pub prompts: bool,
    /// `notifications/resources/list_changed`.
    pub resources: bool,
    /// `notifications/resources/updated` of these.
    pub uris: BTreeSet<String>,
}

impl Filter {
    pub(super) fn wants(&self, method: Method, params: Option<&RawValue>) -> bool {
        match method {
            Method::ToolsChanged => self.tools,
            Method::PromptsChanged => self.prompts,
            Method::ResourcesChanged => self.resources,
            Method::ResourceUpdated => names_one(params, &self.uris),
            _ => false,
        }
    }
}

/// A change notice as a stateless agent wants it: with the id of its stream.
pub(super) fn stamped(method: Method, params: Option<&RawValue>, id: &str) -> Vec<u8> {
    let mut out = Object::default();
    if let Some(params) = params
        && let Ok(members) = Members::read(params)
    {
        for (key, value) in members.iter() {
            if key != "_meta" {
                out.json(key, value.get());
            }
        }
    }
    let mut meta = Object::default();
    meta.json(message::META_SUBSCRIPTION, id);
    out.json("_meta", &meta.finish());
    let mut message = Object::default();
    message
        .text("jsonrpc", "2.0")
        .text("method", method.as_str())
        .json("params", &out.finish());
    message.finish().into_bytes()
}

/// A change notice as an agent with a session knows it: without `_meta`, which names a stream of ours.
pub(super) fn unstamped(method: Method, params: Option<&RawValue>) -> Vec<u8> {
    let mut out = Object::default();
    if let Some(params) = params
        && let Ok(members) = Members::read(params)
    {
        for (key, value) in members.iter().filter(|(key, _)| *key != "_meta") {
            out.json(key, value.get());
        }
    }
    match message::raw(out.finish()) {
        Ok(params) => jsonrpc::notification(method.as_str(), Some(&params)),
        Err(_) => jsonrpc::notification(method.as_str(), None),
    }
}

/// Whether an update is about one of these.
pub(super) fn names_one(params: Option<&RawValue>, uris: &BTreeSet<String>) -> bool {
    let named = Params::read(params).and_then(|params| {
        let uri = params.text("uri")?;
        Ok(uri.is_some_and(|uri| uris.contains(uri.as_ref())))
    });
    named.unwrap_or(false)
}

/// What an agent's `subscriptions/listen` asks for.
fn wanted(asked: &Asked<'_>) -> Result<Filter, Code> {
    let wanted = asked.params.find("notifications").ok_or(Code::MessageInvalid)?;
    let wanted = Members::read(wanted)?;
    let flag = |key: &str| wanted.find(key).is_some_and(|value| value.get() == "true");
    let mut uris = BTreeSet::new();
    if let Some(list) = wanted.find("resourceSubscriptions") {
        for uri in message::items(list)? {
            let uri = message::text(uri)?;
            if uri.is_empty() || uri.len() > MAX_URI || uris.len() >= WATCHED {
                return Err(Code::MessageInvalid);
            }
            uris.insert(uri.into_owned());
        }
    }
    let id = refusal::result(&asked.id, "0");
    let id: serde_json::Value = serde_json::from_slice(&id).map_err(|_| Code::Bug)?;
    Ok(Filter {
        id: id.get("id").map(ToString::to_string).unwrap_or_default(),
        tools: flag("toolsListChanged"),
        prompts: flag("promptsListChanged"),
        resources: flag("resourcesListChanged"),
        uris,
    })
}

/// A stream of change notices for a stateless agent, from all its servers.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(crate) async fn listen(ctx: &Ctx, asked: Asked<'_>) -> Result<Reply, Refused> {
    let early = |code| ctx.early(code);
    if !ctx.streams {
        return Err(early(Code::ContentType).into());
    }
    let filter = wanted(&asked).map_err(early)?;
    let asking = |server: &ServerName| {
        let call = facts(ctx, Action::SubscribeResource, on_server(server));
        // Each resource is ruled on by itself, where it belongs.
        let none = labels::address(ctx, Action::SubscribeResource, "", true);
        ctx.shared
            .evidence(&ctx.caller, call, Vec::new())
            .traced(Some(none))
    };
    let (permit, mut passage) = enter_first(ctx, ctx.names.servers(), asking).await?;
    let () = permit.spend();
    let (sender, messages) = mpsc::channel(64);
    let mut agreed = BTreeSet::new();
    for server in ctx.names.servers() {
        agreed.extend(listen_at(ctx, server, &filter, &sender).await.map_err(early)?);
    }
    // The channel is new and has room.
    let _first = sender.try_send(Message::with(acknowledged(&filter, &agreed), None));
    let release = passage.answered(AnswerFacts::default())?;
    // The passage lives as long as the stream: its end is recorded when the agent goes.
    Ok(Reply::Stream {
        release,
        messages,
        open: Some(Box::new(Open::new(passage, Some(sender)))),
    })
}

/// Listens at one server. Gives the resources that it agreed to watch.
async fn listen_at(
    ctx: &Ctx,
    server: &ServerName,
    filter: &Filter,
    to: &mpsc::Sender<Message>,
) -> Result<BTreeSet<String>, Code> {
    let Ok(conn) = open::conn(ctx, server).await else {
        return Ok(BTreeSet::new());
    };
    // A resource is named to the server it belongs to, and to no other.
    let mut own = filter.clone();
    own.uris.clear();
    for uri in &filter.uris {
        if !ctx.names.prefixed() || whose(ctx, uri).await.is_ok_and(|(owner, _)| owner == *server) {
            own.uris.insert(uri.clone());
        }
    }
    if conn.is_stateless() {
        own.uris = allowed(ctx, &conn, own.uris).await;
        conn.listen(own.clone(), to.clone())?;
        let (ctx, to, agreed) = (ctx.clone(), to.clone(), own.uris.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = held(&ctx, &conn, &own) => {}
                () = to.closed() => {}
            }
        });
        return Ok(agreed);
    }
    conn.listen(own.clone(), to.clone())?;
    let mut agreed = BTreeSet::new();
    for uri in own.uris {
        if watch(ctx, &conn, &uri).await {
            agreed.insert(uri);
        }
    }
    Ok(agreed)
}

fn acknowledged(filter: &Filter, agreed: &BTreeSet<String>) -> Vec<u8> {
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
            &serde_json::to_string(agreed).unwrap_or_else(|_| "[]".to_owned()),
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
    ack.finish().into_bytes()
}

/// Those of these resources that the agent may watch. A stateless server is told them all with one request, on itself,
/// so each is ruled on here.
async fn allowed(ctx: &Ctx, conn: &Arc<Conn>, uris: BTreeSet<String>) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for uri in uris {
        let Ok(address) = addressed(ctx, conn, Action::SubscribeResource, &uri).await else {
            continue;
        };
        if ruled(ctx, address).await.is_ok() {
            allowed.insert(uri);
        }
    }
    allowed
}

/// Rules on watching a resource, where nothing goes out for this one alone.
///
/// # Errors
/// The refusal to tell.
async fn ruled(ctx: &Ctx, address: Addressed) -> Result<(), Refusal> {
    let (permit, mut passage) = ctx.shared.enter(address.asking(ctx), ()).await?;
    let () = permit.spend();
    let _call = passage.answered(AnswerFacts::default())?.spend();
    passage.finish();
    Ok(())
}

/// Subscribes to one resource at a server with sessions.
async fn watch(ctx: &Ctx, conn: &Arc<Conn>, uri: &str) -> bool {
    let mut params = Object::default();
    params.text("uri", uri);
    let Ok(params) = message::raw(params.finish()) else {
        return false;
    };
    let Ok(address) = addressed(ctx, conn, Action::SubscribeResource, uri).await else {
        return false;
    };
    let request = Request {
        findings: address.findings,
        traced: Some(address.traced),
        ..own_request(Method::Subscribe, Some(params), address.call)
    };
    matches!(ask_server(ctx, conn, request).await, Ok(Outcome::Result(_)))
}

/// `resources/subscribe` and `resources/unsubscribe` of an agent with a session at a stateless server, which has one
/// stream for all notices: that stream is opened again with the resource added, or taken away.
///
/// # Errors
/// The refusal to tell, already recorded.
pub(super) async fn subscribe(
    ctx: &Ctx,
    conn: &Arc<Conn>,
    method: Method,
    asked: &Asked<'_>,
    address: Addressed,
    uri: &str,
) -> Result<Reply, Refused> {
    let asking = address.asking(ctx);
    let reply = put_together(ctx, asking, refusal::result(&asked.id, "{}"), Vec::new()).await?;
    {
        let mut watched = conn.watched();
        if method == Method::Subscribe {
            if watched.uris.len() >= WATCHED {
                drop(watched);
                return Err(ctx.early(Code::QueueFull).into());
            }
            watched.uris.insert(uri.to_owned());
        } else {
            watched.uris.remove(uri);
        }
    }
    keep(ctx, conn);
    Ok(reply)
}

/// Holds the stateless server's stream of notices for an agent with a session, in place of a former one.
pub(crate) fn keep(ctx: &Ctx, conn: &Arc<Conn>) {
    let mut watched = conn.watched();
    let filter = Filter {
        id: String::new(),
        tools: true,
        prompts: true,
        resources: true,
        uris: watched.uris.clone(),
    };
    let (ctx, weak) = (ctx.clone(), Arc::downgrade(conn));
    let stream = tokio::spawn(async move {
        // Weak: the conversation may end, and takes this task with it.
        if let Some(conn) = weak.upgrade() {
            held(&ctx, &conn, &filter).await;
        }
    });
    if let Some(former) = watched.stream.replace(stream.abort_handle()) {
        former.abort();
    }
}

/// The same caller in a request of its own, which outlasts the one that began it and ends by revocations alone.
fn apart(ctx: &Ctx) -> Ctx {
    let mut ctx = ctx.clone();
    let caller = &ctx.caller;
    ctx.caller.reins = Reins::new(&ctx.shared.revoked, &caller.principal, caller.session.id, None);
    ctx
}

/// Resolves when a stream that nobody waits for has to end.
fn cut(ctx: &Ctx) -> impl Future<Output = Code> + use<> {
    Arc::clone(&ctx.caller.reins).cut(Arc::clone(&ctx.shared.revoked))
}

/// Holds a stateless server's stream of notices, and opens it again when it ends, while the server takes it.
async fn held(ctx: &Ctx, conn: &Arc<Conn>, filter: &Filter) {
    let flag = |on| if on { "true" } else { "false" };
    let mut wanted = Object::default();
    wanted
        .json("toolsListChanged", flag(filter.tools))
        .json("promptsListChanged", flag(filter.prompts))
        .json("resourcesListChanged", flag(filter.resources))
        .json(
            "resourceSubscriptions",
            &serde_json::to_string(&filter.uris).unwrap_or_else(|_| "[]".to_owned()),
        );
    let mut params = Object::default();
    params.json("notifications", &wanted.finish());
    let Ok(params) = message::raw(params.finish()) else {
        return;
    };
    let ctx = &apart(ctx);
    let mut failures = 0;
    while conn.is_alive() && failures < ATTEMPTS {
        let call = facts(
            ctx,
            Action::SubscribeResource,
            on_server(&conn.served.config.name),
        );
        let request = Request {
            // Its resources were ruled on one by one.
            traced: Some(labels::address(ctx, Action::SubscribeResource, "", true)),
            ..own_request(Method::Listen, Some(params.clone()), call)
        };
        let Ok(flight) = Flight::new(ctx, conn, request, None) else {
            return;
        };
        let since = Instant::now();
        let ended = tokio::select! {
            biased;
            _ = cut(ctx) => return,
            ended = flight.hold() => ended,
        };
        if let Err(refusal) = ended {
            tracing::debug!(server = %conn.served.config.name, code = %refusal.code, "a stream of notices ended");
        }
        failures = if since.elapsed() < STEADY { failures + 1 } else { 0 };
        tokio::time::sleep(REST).await;
    }
}

/// Follows the stream on which a server with sessions talks unasked (GET), if it has one, for as long as the
/// conversation lasts.
pub(crate) fn follow(ctx: &Ctx, conn: &Arc<Conn>) {
    let (ctx, conn) = (apart(ctx), Arc::downgrade(conn));
    tokio::spawn(async move {
        let mut failures = 0;
        while failures < ATTEMPTS
            && let Some(conn) = conn.upgrade().filter(|conn| conn.is_alive())
        {
            let since = Instant::now();
            if !follow_once(&ctx, &conn).await {
                return;
            }
            failures = if since.elapsed() < STEADY { failures + 1 } else { 0 };
            drop(conn);
            tokio::time::sleep(REST).await;
        }
    });
}

/// One such stream, to its end. Says whether another makes sense.
async fn follow_once(ctx: &Ctx, conn: &Arc<Conn>) -> bool {
    let Way::Http(way) = &conn.way else { return false };
    way.ready(&ctx.shared).await;
    let outbound = way.outbound(http::Method::GET, Vec::new(), conn.version_header());
    let evidence = ctx
        .shared
        .evidence(&ctx.caller, conn.facts(Action::Notify, b""), Vec::new());
    let Ok((permit, mut passage)) = ctx.shared.enter(evidence, outbound).await else {
        return false;
    };
    match upstream::send(permit, conn.served.config.timeout).await {
        Ok(response) if crate::edge::is_event_stream(response.headers()) => {
            let Ok(release) = passage.answered(AnswerFacts::default()) else {
                return false;
            };
            let _call = release.spend();
            let absorbed = tokio::select! {
                biased;
                code = cut(ctx) => {
                    passage.withheld(code);
                    return false;
                }
                absorbed = conn.absorb(response, None) => absorbed,
            };
            if let Err(code) = absorbed {
                tracing::debug!(server = %conn.served.config.name, %code, "the server's stream ended");
            }
            passage.finish();
            true
        }
        // Most servers have none and say 405; one that wants another token says so to the next call, too.
        Ok(response) => {
            let _wanted = way.refused(&response);
            let facts = AnswerFacts {
                status: Some(response.status().as_u16()),
                findings: Vec::new(),
            };
            if let Ok(release) = passage.answered(facts) {
                let _call = release.spend();
                passage.finish();
            }
            false
        }
        Err(fault) => {
            drop(passage.failed(fault.code()));
            false
        }
    }
}
