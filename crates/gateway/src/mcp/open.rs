//! Opening conversations: the server is started or reached under a ruled `connect`, shakes hands, and is compared
//! with its pins before anything it says of itself is passed on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{Link, PinKind};
use bartizan_types::{CallFacts, Code, Finding, PinState, Refusal, ServerName, Severity, UpstreamName};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::body::Incoming;
use serde_json::value::RawValue;

use super::{
    calls,
    conn::{Conn, Way},
    flow::{Agent, Ctx},
    hub::{Served, lock},
    notices, program,
    way::HttpWay,
};
use crate::{
    clock,
    config::Reach,
    gate::Passage,
    model::sha256,
    upstream::{self, Outbound, child},
};

/// How long a server may take to say which era it speaks before the other is tried.
const PROBE: Duration = Duration::from_secs(5);

/// The conversation of this agent with this server, opened if there is none.
///
/// # Errors
/// The refusal to tell.
pub(crate) async fn conn(ctx: &Ctx, server: &ServerName) -> Result<Arc<Conn>, Refusal> {
    let hub = &ctx.shared.mcp;
    let early = |code| ctx.early(code);
    let served = hub.served(server).map_err(early)?;
    let owner = ctx.owner();
    let scope = match &ctx.agent {
        Agent::Session(session) => session.id.clone(),
        Agent::Stateless(face) => format!("stateless {}", sha256(face.capabilities().as_bytes())),
    };
    let slot = hub.slot(server, &owner, &scope).map_err(early)?;
    let mut held = slot.lock().await;
    if let Some(conn) = held.as_ref().filter(|conn| conn.is_alive()) {
        return Ok(Arc::clone(conn));
    }
    *held = None;
    ctx.rested(served)?;
    let began = clock::now();
    let opened = Box::pin(open(ctx, served)).await;
    let conn = opened.inspect_err(|refusal| served.health.refused(began, refusal.code))?;
    if let Err(code) = settle(ctx, &conn) {
        conn.close(code);
        return Err(early(code));
    }
    if conn.is_stateless() && matches!(ctx.agent, Agent::Session(_)) {
        notices::keep(ctx, &conn);
    }
    *held = Some(Arc::clone(&conn));
    Ok(conn)
}

async fn open(ctx: &Ctx, served: &Arc<Served>) -> Result<Arc<Conn>, Refusal> {
    let early = |code| ctx.early(code);
    let mut link = Link::new(ctx.face(), Conn::bounds(&ctx.shared));
    let facts = calls::connecting(&served.config.name);
    let (url, headers, legacy) = match &served.config.reach {
        Reach::Stdio { .. } => return on_pipe(ctx, served, link, facts).await,
        Reach::Http { url, headers } => (url, headers, false),
        Reach::LegacySse { url, headers } => (url, headers, true),
    };
    let secrets = upstream::names_of(headers);
    let headers = program::headers_of(headers, &ctx.shared.secrets, &served.health).map_err(early)?;
    let pool = served.pool.clone().ok_or_else(|| early(Code::Bug))?;
    let upstream = UpstreamName::new(served.config.name.as_str()).map_err(|_| early(Code::Bug))?;
    let wallet = ctx.shared.wallets.of(&served.config.name, &ctx.caller);
    // Kept with the conversation, which the gateway keeps.
    let weak = || Arc::downgrade(&ctx.shared);
    let signer = served.signing.as_ref().map(|signing| signing.signer_of(weak()));
    let way = HttpWay::new(
        pool,
        url.clone(),
        (headers, secrets),
        (wallet, signer),
        upstream,
        legacy,
    );
    let stateless = ctx.is_stateless() && !legacy;
    let opening = (!legacy).then(|| link.open(stateless));
    let conn = begin(ctx, served, link, Way::Http(Box::new(way)));
    over_http(ctx, conn, facts, opening, stateless).await
}

fn begin(ctx: &Ctx, served: &Arc<Served>, link: Link, way: Way) -> Arc<Conn> {
    let session = match &ctx.agent {
        Agent::Session(session) => Some(session),
        Agent::Stateless(_) => None,
    };
    Conn::new(
        &ctx.shared,
        Arc::clone(served),
        ctx.caller.clone(),
        session,
        link,
        way,
    )
}

/// Starts a server and shakes hands with it.
async fn on_pipe(
    ctx: &Ctx,
    served: &Arc<Served>,
    mut link: Link,
    facts: CallFacts,
) -> Result<Arc<Conn>, Refusal> {
    let shared = &ctx.shared;
    let stateless = ctx.is_stateless();
    let (spawn, findings) = match program::prepare(ctx, served).await {
        Ok(ready) => ready,
        Err(code) => {
            served.rests.stuck(Instant::now());
            return Err(ctx.early(code));
        }
    };
    let evidence = shared.evidence(&ctx.caller, facts, findings);
    let (permit, mut passage) = shared.enter(evidence, spawn).await?;
    let (child, lines) = match child::spawn(permit, shared.config.limits.answer_bytes) {
        Ok(started) => started,
        Err(code) => {
            served.rests.stuck(Instant::now());
            return Err(passage.failed(code));
        }
    };
    served.rests.started();
    let opening = link.open(stateless);
    let conn = begin(ctx, served, link, Way::Pipe(child));
    tokio::spawn(Arc::clone(&conn).read_pipe(lines));
    conn.say(opening).await;
    match shake(&conn, stateless).await {
        Ok(()) => {
            let _call = passage.answered(AnswerFacts::default())?.spend();
            passage.finish();
            Ok(conn)
        }
        Err(code) => {
            conn.close(code);
            Err(passage.failed(code))
        }
    }
}

/// Sends the opening, or opens the old transport's stream, and waits for the handshake.
async fn over_http(
    ctx: &Ctx,
    conn: Arc<Conn>,
    facts: CallFacts,
    opening: Option<Vec<u8>>,
    stateless: bool,
) -> Result<Arc<Conn>, Refusal> {
    let shared = &ctx.shared;
    let Way::Http(way) = &conn.way else {
        return Err(ctx.early(Code::Bug));
    };
    let mut extra = HeaderMap::new();
    if stateless {
        extra.insert(
            HeaderName::from_static("mcp-protocol-version"),
            HeaderValue::from_static(bartizan_mcp::Revision::LATEST.as_str()),
        );
        extra.insert(
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static("server/discover"),
        );
    }
    let legacy = opening.is_none();
    way.ready(shared).await;
    let opened = knock(ctx, &conn, way, (opening.clone(), extra.clone()), facts.clone()).await;
    let (response, mut passage) = match opened {
        Err(refusal) if way.recovers(shared, refusal.code).await => {
            let facts = CallFacts {
                id: clock::mint(clock::now()),
                ..facts
            };
            knock(ctx, &conn, way, (opening, extra), facts).await?
        }
        opened => opened?,
    };
    if legacy {
        let reader = Arc::clone(&conn);
        tokio::spawn(async move {
            let ended = reader.absorb(response, None).await;
            reader.close(ended.err().unwrap_or(Code::ServerFailed));
        });
    } else if let Err(code) = first_answer(&conn, response).await {
        conn.close(code);
        return Err(passage.failed(code));
    }
    match conn
        .shaken(conn.served.config.timeout.min(Duration::from_secs(30)))
        .await
    {
        Ok(()) => {
            let _call = passage.answered(AnswerFacts::default())?.spend();
            passage.finish();
            if !legacy && !stateless {
                notices::follow(ctx, &conn);
            }
            Ok(conn)
        }
        Err(code) => {
            conn.close(code);
            Err(passage.failed(code))
        }
    }
}

/// Sends the opening; an answer that wants another token is a refusal.
async fn knock(
    ctx: &Ctx,
    conn: &Arc<Conn>,
    way: &HttpWay,
    (opening, extra): (Option<Vec<u8>>, HeaderMap),
    facts: CallFacts,
) -> Result<(Response<Incoming>, Passage<Outbound>), Refusal> {
    let outbound = match opening {
        Some(opening) => way.outbound(http::Method::POST, opening, extra),
        None => way.outbound(http::Method::GET, Vec::new(), extra),
    };
    let served = &conn.served;
    ctx.spared(served)?;
    let evidence = ctx.shared.evidence(&ctx.caller, facts, Vec::new());
    let (permit, mut passage) = ctx.shared.enter(evidence, outbound).await?;
    let response = match upstream::send(permit, served.config.timeout).await {
        Ok(response) => response,
        Err(fault) => {
            served.broke();
            return Err(passage.failed(fault.code()));
        }
    };
    served.answered(response.status());
    passage.released.status = Some(response.status().as_u16());
    match way.refused(&response) {
        Some(code) => Err(passage.failed(code)),
        None => Ok((response, passage)),
    }
}

/// Reads the answer to the opening. A refusal may mean another era, which is then tried, once.
async fn first_answer(conn: &Arc<Conn>, response: Response<Incoming>) -> Result<(), Code> {
    let refused = response.status().is_client_error();
    let opening = lock(&conn.link).opening();
    let absorbed = conn.absorb(response, None).await;
    if conn.handshake().is_none() && (refused || absorbed.is_err()) {
        let next = {
            let mut link = lock(&conn.link);
            // A JSON-RPC error made the link try it already.
            let untried = link.opening() == opening;
            untried.then(|| link.opening_refused()).transpose()?
        };
        if let Some(next) = next {
            conn.say(next).await;
        }
    }
    Ok(())
}

/// Waits for the handshake on a pipe. A server that stays silent in one era is tried in the other.
async fn shake(conn: &Arc<Conn>, stateless: bool) -> Result<(), Code> {
    let patience = conn.served.config.timeout.min(Duration::from_secs(60));
    if stateless {
        let opening = lock(&conn.link).opening();
        match conn.shaken(PROBE.min(patience)).await {
            Err(Code::UpstreamTimeout) => {
                let next = {
                    let mut link = lock(&conn.link);
                    // One that said no is in the other era already, and only slow.
                    let untried = link.opening() == opening;
                    untried.then(|| link.opening_refused()).transpose()?
                };
                if let Some(next) = next {
                    conn.say(next).await;
                }
            }
            other => return other,
        }
    }
    conn.shaken(patience).await
}

/// Compares what the server says of itself with its pins. A changed identity is reported; changed instructions, and ones
/// that give orders of the kind that attackers give, are kept from agents until approved.
fn settle(ctx: &Ctx, conn: &Arc<Conn>) -> Result<(), Code> {
    let hand = conn.handshake().ok_or(Code::ServerFailed)?;
    let now = clock::now();
    let (mut findings, mut withheld, state) = conn.served.with_pins(&ctx.shared.state, |pins| {
        let (mut findings, mut store): (Vec<Finding>, bool) = (Vec::new(), false);
        let (mut withheld, mut state) = (false, PinState::None);
        let mut judge = |kind, definition: &RawValue| match pins.judge(kind, "", definition, now) {
            Ok((judged, changed)) => {
                store |= changed;
                findings.extend(judged.finding);
                (judged.withheld, judged.state)
            }
            Err(_) => (true, PinState::None),
        };
        if let Some(identity) = &hand.identity {
            judge(PinKind::Identity, identity);
        }
        if let Some(instructions) = &hand.instructions
            && let Ok(raw) = serde_json::value::to_raw_value(instructions)
        {
            (withheld, state) = judge(PinKind::Instructions, &raw);
        }
        ((findings, withheld, state), store)
    })?;
    if let (Some(inspector), Some(instructions)) = (&ctx.shared.inspector, &hand.instructions) {
        let seen = inspector.instructions(instructions);
        // An operator who approved these very words has read them.
        withheld |= state != PinState::Same && seen.iter().any(|finding| finding.severity >= Severity::High);
        findings.extend(seen);
    }
    conn.know(findings, withheld);
    Ok(())
}
