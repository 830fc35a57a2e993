//! What an agent with a session sends that is no request: notices, and answers to servers' questions.

use std::sync::Arc;

use bartizan_mcp::{Method, Outcome, Params, Revision};
use bartizan_types::{Action, Code};
use bartizan_wire::jsonrpc::Id;
use serde_json::value::RawValue;

use super::{
    flow::{Agent, Ctx, Refused, Reply},
    hub::lock,
    labels,
};
use crate::inspect::{Piece, Source};

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
                let told = lock(&conn.link).notify(Method::RootsChanged);
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
    let conn = conn.ok_or_else(|| ctx.early(Code::ServerFailed))?;
    let bytes = lock(&conn.link)
        .answer(ask, &outcome)
        .map_err(|code| ctx.early(code))?;
    // The question was ruled on when it was put. The answer carries the agent's data out, so it is ruled on, too.
    let call = conn.facts(method.action(), &bytes);
    let findings = match &outcome {
        Outcome::Result(answer) => labels::answered(&ctx.shared, &ctx.caller, call.id, method, answer).await,
        Outcome::Error { message, .. } => {
            let message = Piece::of_text(Source::Data, message, "/error/message");
            ctx.shared
                .look(&ctx.caller, Some(call.id), &[message])
                .await
                .findings
        }
    };
    conn.forward(&ctx.shared, &ctx.caller, call, bytes, findings)
        .await?;
    Ok(Reply::Accepted)
}
