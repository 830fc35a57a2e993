//! The approval question in the agent's own client: over a session as `elicitation/create`, to a stateless agent as an
//! `input_required` result that it comes back with.
//!
//! The question is about one pending call. Its answer is taken once, for that call, from the identity that made it; what
//! was answered is then ruled on again like any other call.

use std::sync::Arc;

use bartizan_mcp::{Method, Outcome, link::Input, message, refusal, session};
use bartizan_types::{ApprovalId, Code, Refusal};
use bartizan_wire::jsonrpc::Id;
use serde_json::value::RawValue;

use super::{
    exchange::{Agent, Ctx, Refused, Reply},
    flow::Flight,
    hub::{AgentSession, lock},
};
use crate::approvals::client::Said;

/// The key of our question among those of servers.
const KEY: &str = "bartizan_approval";

impl Flight {
    /// The form of a question that this agent's client may put.
    fn form(&self, question: ApprovalId) -> Option<Box<RawValue>> {
        let ctx = &self.ctx;
        let able = ctx.face().answers(Method::Elicit);
        let agent = &ctx.caller.principal.agent;
        able.then(|| ctx.shared.approvals.form(question, agent)).flatten()
    }

    /// Whether a human said yes to this while the call was held open: in the agent's client, or elsewhere.
    pub(super) async fn said_yes(&self, question: ApprovalId) -> bool {
        let approvals = &self.ctx.shared.approvals;
        if let (Agent::Session(session), Some(form)) = (&self.ctx.agent, self.form(question)) {
            let put = self.put(session, question, &form);
            let settled = tokio::select! {
                settled = approvals.settled(question) => Some(settled),
                said = put => said,
            };
            if let Some(settled) = settled {
                return settled;
            }
        }
        approvals.waits() && approvals.allowed(question).await
    }

    /// Puts the question to the agent's user. None: she could not be asked, or did not say.
    async fn put(&self, session: &Arc<AgentSession>, question: ApprovalId, form: &RawValue) -> Option<bool> {
        let (shared, server) = (&self.ctx.shared, &self.conn.served.config.name);
        let (ask, answer) = shared.mcp.collect();
        let _withdraws = Withdraws(session, server, ask);
        lock(&session.state)
            .ask(server, ask, Method::Elicit, Some(form))
            .and_then(|message| session.post(message))
            .ok()?;
        let answer = tokio::time::timeout(shared.approvals.patience(), answer).await;
        let Ok(Ok(Outcome::Result(result))) = answer else {
            return None;
        };
        let said = Said::read(&result);
        let agent = &self.ctx.caller.principal.agent;
        match said {
            Said::Nothing => None,
            said => Some(shared.approvals.client_said(question, agent, said).await),
        }
    }

    /// A refused call of a stateless agent whose client may put the question: it gets the question, and a handle to
    /// come back with. Everybody else gets the refusal.
    pub(super) fn put_aside(mut self: Box<Self>, refusal: Refusal) -> Result<Reply, Refused> {
        let form = match (&self.ctx.agent, refusal.approval) {
            (Agent::Stateless(_), Some(question)) => self.form(question).map(|form| (question, form)),
            _ => None,
        };
        let Some((question, form)) = form else {
            return Err(refusal.into());
        };
        let Some(id) = self.id.take() else {
            return Err(refusal.into());
        };
        let input = Input {
            key: KEY.to_owned(),
            method: Method::Elicit,
            params: Some(form),
        };
        self.question = Some(question);
        let (ctx, digest) = (self.ctx.clone(), self.likeness());
        let handle = ctx.shared.mcp.park(ctx.owner(), digest, Vec::new(), self);
        let handle = handle.map_err(|code| ctx.early(code))?;
        let result = session::input_required(&[input], Some(&handle));
        Ok(Reply::ours(refusal::result(&id, &result)))
    }

    /// The agent came back with its user's answer to our question: the call is ruled on again.
    pub(super) async fn reconsidered(
        mut self: Box<Self>,
        ctx: &Ctx,
        id: Id<'static>,
        question: ApprovalId,
        responses: &RawValue,
    ) -> Result<Reply, Refused> {
        self.ctx = ctx.clone();
        self.id = Some(id);
        let answers = message::Members::read(responses).map_err(|code| ctx.early(code))?;
        let said = answers.find(KEY).map_or(Said::Nothing, Said::read);
        // The client is asked what it declares now, not what it once did.
        if !ctx.face().answers(Method::Elicit) {
            return Err(ctx.early(Code::MessageInvalid).into());
        }
        let agent = &ctx.caller.principal.agent;
        // What it said may be no yes, or come too late: the ruling knows.
        let _said = ctx.shared.approvals.client_said(question, agent, said).await;
        let passed = self.send(None).await?;
        self.wait(passed).await
    }
}

/// Takes a question back when nobody waits for its answer any more.
struct Withdraws<'a>(
    &'a AgentSession,
    &'a bartizan_types::ServerName,
    bartizan_mcp::Ask,
);

impl Drop for Withdraws<'_> {
    fn drop(&mut self) {
        let Self(session, server, ask) = self;
        let told = lock(&session.state).withdraw(server, *ask);
        if let Some(message) = told {
            // A client that does not listen shows nothing either.
            let _posted = session.post(message);
        }
    }
}
