//! Opening conversations: the server is started or reached under a ruled `connect`, shakes hands, and is compared
//! with its pins before anything it says of itself is passed on.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::{Link, PinKind};
use bartizan_store::Secrets;
use bartizan_types::{Action, Code, Finding, Refusal, Secret, ServerName, UpstreamName};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::{
    conn::{Conn, HttpWay, Way},
    flow::{Agent, Ctx},
    hub::{Served, lock},
};
use crate::{
    clock,
    config::{EnvValue, Reach},
    model::sha256,
    upstream::{
        self,
        child::{self, Spawn},
    },
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
    served.may_start().map_err(early)?;
    let conn = open(ctx, served).await?;
    if let Err(code) = settle(ctx, &conn) {
        conn.close(code);
        return Err(early(code));
    }
    *held = Some(Arc::clone(&conn));
    Ok(conn)
}

async fn open(ctx: &Ctx, served: &Arc<Served>) -> Result<Arc<Conn>, Refusal> {
    let shared = &ctx.shared;
    let stateless = matches!(ctx.agent, Agent::Stateless(_));
    let session = match &ctx.agent {
        Agent::Session(session) => Some(session),
        Agent::Stateless(_) => None,
    };
    let mut link = Link::new(ctx.face(), Conn::bounds(shared));
    let begin = |link, way| Conn::new(shared, Arc::clone(served), ctx.caller.clone(), session, link, way);
    let mut facts = bartizan_types::CallFacts {
        id: clock::mint(clock::now()),
        action: Action::Connect,
        resource: bartizan_types::Resource::Server {
            server: served.config.name.clone(),
        },
        surface: bartizan_types::Surface::Mcp,
        streaming: false,
        bytes: 0,
        digest: sha256(b""),
        pin: bartizan_types::PinState::None,
        effects: bartizan_types::Effects::default(),
        arguments: None,
    };
    match &served.config.reach {
        Reach::Stdio {
            command,
            environment,
            directory,
        } => {
            facts.pin = bartizan_types::PinState::None;
            let findings = package(ctx, served, command).map_err(|code| ctx.early(code))?;
            let spawn = Spawn {
                server: served.config.name.clone(),
                command: command.clone(),
                environment: environment_of(environment, &shared.secrets).map_err(|code| ctx.early(code))?,
                directory: directory.clone().unwrap_or_else(|| PathBuf::from("/")),
            };
            let (permit, mut passage) = shared
                .enter(shared.evidence(&ctx.caller, facts, findings), spawn)
                .await?;
            let (child, lines) = match child::spawn(permit, shared.config.limits.answer_bytes) {
                Ok(started) => started,
                Err(code) => {
                    served.ended(Duration::ZERO);
                    return Err(passage.failed(code));
                }
            };
            let opening = link.open(stateless);
            let conn = begin(link, Way::Pipe(child));
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
        Reach::Http { url, headers } | Reach::LegacySse { url, headers } => {
            let legacy = matches!(served.config.reach, Reach::LegacySse { .. });
            let headers = headers_of(headers, &shared.secrets).map_err(|code| ctx.early(code))?;
            let pool = served.pool.clone().ok_or_else(|| ctx.early(Code::Bug))?;
            let upstream =
                UpstreamName::new(served.config.name.as_str()).map_err(|_| ctx.early(Code::Bug))?;
            let way = HttpWay::new(pool, url.clone(), headers, upstream, legacy);
            if legacy {
                let conn = begin(link, Way::Http(Box::new(way)));
                return over_http(ctx, conn, facts, None, false).await;
            }
            let opening = link.open(stateless);
            let conn = begin(link, Way::Http(Box::new(way)));
            over_http(ctx, conn, facts, Some(opening), stateless).await
        }
    }
}

/// Sends the opening, or opens the old transport's stream, and waits for the handshake.
async fn over_http(
    ctx: &Ctx,
    conn: Arc<Conn>,
    facts: bartizan_types::CallFacts,
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
    let outbound = match opening {
        Some(opening) => way.outbound(http::Method::POST, opening, extra),
        None => way.outbound(http::Method::GET, Vec::new(), extra),
    };
    let (permit, mut passage) = shared
        .enter(shared.evidence(&ctx.caller, facts, Vec::new()), outbound)
        .await?;
    let response = match upstream::send(permit, conn.served.config.timeout).await {
        Ok(response) => response,
        Err(fault) => return Err(passage.failed(fault.code())),
    };
    passage.released.status = Some(response.status().as_u16());
    if legacy {
        let reader = Arc::clone(&conn);
        tokio::spawn(async move {
            let ended = reader.absorb(response, None).await;
            reader.close(ended.err().unwrap_or(Code::ServerFailed));
        });
    } else {
        let refused = response.status().is_client_error();
        let absorbed = conn.absorb(response, None).await;
        if conn.handshake().is_none() && (refused || absorbed.is_err()) {
            // Another era, perhaps. A JSON-RPC error made the link try it already.
            let next = lock(&conn.link).opening_refused();
            match next {
                Ok(next) if !conn.tried_again() => conn.say(next).await,
                Ok(_) => {}
                Err(code) => {
                    conn.close(code);
                    return Err(passage.failed(code));
                }
            }
        }
    }
    match conn
        .shaken(conn.served.config.timeout.min(Duration::from_secs(30)))
        .await
    {
        Ok(()) => {
            let _call = passage.answered(AnswerFacts::default())?.spend();
            passage.finish();
            if !legacy && !stateless {
                super::calls::follow(ctx, &conn);
            }
            Ok(conn)
        }
        Err(code) => {
            conn.close(code);
            Err(passage.failed(code))
        }
    }
}

/// Waits for the handshake on a pipe. A server that stays silent in one era is tried in the other.
async fn shake(conn: &Arc<Conn>, stateless: bool) -> Result<(), Code> {
    let patience = conn.served.config.timeout.min(Duration::from_secs(60));
    if stateless {
        match conn.shaken(PROBE.min(patience)).await {
            Err(Code::UpstreamTimeout) => {
                let next = lock(&conn.link).opening_refused();
                if let Ok(next) = next {
                    conn.say(next).await;
                }
            }
            other => return other,
        }
    }
    conn.shaken(patience).await
}

/// Compares what the server says of itself with its pins. A changed identity is reported; changed instructions are
/// kept from agents until approved.
fn settle(ctx: &Ctx, conn: &Arc<Conn>) -> Result<(), Code> {
    let hand = conn.handshake().ok_or(Code::ServerFailed)?;
    let now = clock::now();
    let (findings, withheld) = conn.served.with_pins(&ctx.shared.state, |pins| {
        let (mut findings, mut store, mut withheld): (Vec<Finding>, bool, bool) = (Vec::new(), false, false);
        let mut judge = |kind, definition: &RawValue| match pins.judge(kind, "", definition, now) {
            Ok((judged, changed)) => {
                store |= changed;
                findings.extend(judged.finding);
                judged.withheld
            }
            Err(_) => true,
        };
        if let Some(identity) = &hand.identity {
            judge(PinKind::Identity, identity);
        }
        if let Some(instructions) = &hand.instructions
            && let Ok(raw) = serde_json::value::to_raw_value(instructions)
        {
            withheld = judge(PinKind::Instructions, &raw);
        }
        ((findings, withheld), store)
    })?;
    conn.know(findings, withheld);
    Ok(())
}

/// The digest of what will be run: the command as configured, and the program's bytes where the path names a file.
fn package(ctx: &Ctx, served: &Served, command: &[String]) -> Result<Vec<Finding>, Code> {
    let program = command.first().ok_or(Code::ServerFailed)?;
    let digest = std::fs::read(program)
        .ok()
        .map(|bytes| sha256(&bytes).to_string());
    let spec = serde_json::json!({ "command": command, "program": digest });
    let raw = serde_json::value::to_raw_value(&spec).map_err(|_| Code::Bug)?;
    served.with_pins(&ctx.shared.state, |pins| {
        match pins.judge(PinKind::Package, "", &raw, clock::now()) {
            Ok((judged, store)) => (judged.finding.into_iter().collect(), store),
            Err(_) => (Vec::new(), false),
        }
    })
}

fn reveal(value: &EnvValue, secrets: &Secrets) -> Result<Secret<Vec<u8>>, Code> {
    match value {
        EnvValue::Plain(text) => Ok(Secret::new(text.clone().into_bytes())),
        EnvValue::Secret(name) => secrets
            .reveal(name)
            .map_err(|_| Code::SecretMissing)?
            .ok_or(Code::SecretMissing),
    }
}

/// Only what is configured, beside where programs are found. Nothing of ours leaks in.
fn environment_of(
    values: &BTreeMap<String, EnvValue>,
    secrets: &Secrets,
) -> Result<BTreeMap<String, Secret<Vec<u8>>>, Code> {
    let mut all = BTreeMap::new();
    let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
    all.insert("PATH".to_owned(), Secret::new(path.into_bytes()));
    for (name, value) in values {
        all.insert(name.clone(), reveal(value, secrets)?);
    }
    Ok(all)
}

fn headers_of(values: &BTreeMap<String, EnvValue>, secrets: &Secrets) -> Result<HeaderMap, Code> {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Code::Bug)?;
        let secret = reveal(value, secrets)?;
        let mut value = HeaderValue::from_bytes(secret.expose()).map_err(|_| Code::SecretMissing)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
