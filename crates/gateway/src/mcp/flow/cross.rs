//! The way out of one request: ruled on, waited for where a human is asked or a token is missing, and written.

use std::sync::Arc;

use bartizan_mcp::{Method, Params, message};
use bartizan_types::{Code, Refusal};
use bartizan_wire::json;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{Flight, Passed};
use crate::{
    clock, edge,
    mcp::{conn::Way, exchange::timed, hub::lock},
    upstream::{
        self,
        child::{self, Line},
    },
};

/// What belongs to a call beside its arguments, and goes out with it: how it is to be run, and answers to the server.
fn extra(params: &Params<'_>, input: Option<(&str, Option<&str>)>) -> Option<Value> {
    let mut extra = serde_json::Map::new();
    let mut put = |key: &str, json: &str| {
        let value = json::unrounded(json).unwrap_or_default();
        extra.insert(key.to_owned(), value);
    };
    for key in ["task", "inputResponses", "requestState"] {
        if let Some(said) = params.find(key) {
            put(key, said.get());
        }
    }
    if let Some((responses, state)) = input {
        put("inputResponses", responses);
        if let Some(state) = state {
            extra.insert("requestState".to_owned(), Value::from(state));
        }
    }
    (!extra.is_empty()).then_some(Value::Object(extra))
}

impl Flight {
    /// Rules on what goes to the server, and writes it. Where a human is asked, and the configuration says so, it waits
    /// for her and is ruled on once more.
    pub(super) async fn pass(
        &mut self,
        bytes: Vec<u8>,
        headers: HeaderMap,
        number: Option<u64>,
    ) -> Result<Passed, Refusal> {
        let shared = Arc::clone(&self.ctx.shared);
        let asked = shared.approvals.waits() || shared.approvals.asks_clients();
        if self.request.traced.is_none() || !asked || self.question.is_some() {
            return self.cross(bytes, headers, number).await;
        }
        let refusal = match self.cross(bytes.clone(), headers.clone(), number).await {
            Ok(passed) => return Ok(passed),
            Err(refusal) => refusal,
        };
        match refusal.approval {
            // What has more in it than she was shown is written anew.
            Some(id) if Box::pin(self.said_yes(id)).await && !self.is_laden() => {
                self.cross(bytes, headers, number).await
            }
            _ => Err(refusal),
        }
    }

    /// Notes what the request has beside its arguments: what a human is shown with them, and whether there is more. What
    /// rests on a yes goes without that, since she did not see it, and so does whatever a session sends that read a secret:
    /// no ruling covers it, and it could be told there. `true`: so this one goes.
    ///
    /// Clients put something new there for each call (ids of their own), so a yes bound to it would be good for none.
    pub(super) fn unburden(&mut self, input: Option<(&str, Option<&str>)>) -> Result<bool, Code> {
        let request = &mut self.request;
        let params = Params::read(request.params.as_deref())?;
        let laden = params.is_laden(message::needed(Method::parse(&request.name)));
        let (caller, approvals) = (&self.ctx.caller, &self.ctx.shared.approvals);
        let may_tell = laden && caller.session.holds_secret();
        let Some(traced) = &mut request.traced else {
            return Ok(may_tell);
        };
        traced.extra = extra(&params, input).map(Arc::new);
        traced.laden = laden;
        let bare = may_tell || laden && approvals.stands(caller, &request.facts, traced);
        traced.laden &= !bare;
        Ok(bare)
    }

    fn is_laden(&self) -> bool {
        let traced = self.request.traced.as_ref();
        traced.is_some_and(|traced| traced.laden)
    }

    /// Whether it went with more than a human was shown, and one said yes to it without that.
    pub(super) fn has_yes(&self) -> bool {
        let (ctx, facts) = (&self.ctx, &self.request.facts);
        let traced = self.request.traced.as_ref().filter(|traced| traced.laden);
        traced.is_some_and(|traced| ctx.shared.approvals.stands(&ctx.caller, facts, traced))
    }

    /// Rules on what goes to the server, and writes it; once more, where the server wanted another token and there is
    /// one now.
    async fn cross(
        &mut self,
        bytes: Vec<u8>,
        headers: HeaderMap,
        number: Option<u64>,
    ) -> Result<Passed, Refusal> {
        let conn = Arc::clone(&self.conn);
        let Way::Http(way) = &conn.way else {
            return self.cross_once(bytes, headers, number).await;
        };
        let Some(wallet) = &way.wallet else {
            return self.cross_once(bytes, headers, number).await;
        };
        wallet.seen(&self.ctx.caller);
        let shared = Arc::clone(&self.ctx.shared);
        way.ready(&shared).await;
        match self.cross_once(bytes.clone(), headers.clone(), number).await {
            Err(refusal) if way.recovers(&shared, refusal.code).await => {
                self.cross_once(bytes, headers, number).await
            }
            other => other,
        }
    }

    /// As [`Self::cross`], once. `number` is ours for it, where an answer is expected.
    async fn cross_once(
        &mut self,
        bytes: Vec<u8>,
        headers: HeaderMap,
        number: Option<u64>,
    ) -> Result<Passed, Refusal> {
        let shared = Arc::clone(&self.ctx.shared);
        let mut facts = self.request.facts.clone();
        facts.id = clock::mint(clock::now());
        let evidence = shared
            .evidence(&self.ctx.caller, facts, self.request.findings.clone())
            .traced(self.request.traced.clone());
        match &self.conn.way {
            Way::Pipe(child) => {
                let line = Line {
                    child: Arc::clone(child),
                    bytes,
                };
                let (permit, passage) = shared.enter(evidence, line).await?;
                match child::write(permit).await {
                    Ok(()) => Ok(Passed::by_pipe(passage)),
                    Err(code) => {
                        self.conn.close(code);
                        Err(passage.failed(code))
                    }
                }
            }
            Way::Http(way) => {
                let served = &self.conn.served;
                self.ctx.spared(served)?;
                let outbound = way.outbound(http::Method::POST, bytes, headers);
                let (permit, mut passage) = shared.enter(evidence, outbound).await?;
                let response = match upstream::send(permit, served.config.timeout).await {
                    Ok(response) => response,
                    Err(fault) => {
                        served.broke();
                        return Err(timed(passage.failed(fault.code()), &served.config));
                    }
                };
                served.answered(response.status());
                passage.released.status = Some(response.status().as_u16());
                if let Some(code) = way.refused(&response) {
                    return Err(passage.failed(code));
                }
                let related = number.map(|_| self.me);
                if response.status().is_success() && edge::is_event_stream(response.headers()) {
                    let (conn, me) = (Arc::clone(&self.conn), self.me);
                    let reading = tokio::spawn(async move {
                        // Once the stream is over, an answer that was not on it is nowhere.
                        let ended = conn.absorb(response, related).await;
                        conn.gone(me, ended.err().unwrap_or(Code::UpstreamMalformed));
                    });
                    self.reader = Some(reading.abort_handle());
                } else {
                    let absorbed = self.conn.absorb(response, related).await;
                    let open = number.is_some_and(|number| lock(&self.conn.link).waits_for(number));
                    let code = match absorbed {
                        Err(code) => Some(code),
                        // On the old transport the answer comes on the one stream.
                        Ok(()) if open && !way.answers_elsewhere() => Some(Code::UpstreamMalformed),
                        Ok(()) => None,
                    };
                    if let Some(code) = code {
                        return Err(Passed::by_http(passage).unread(code, &served.config));
                    }
                }
                Ok(Passed::by_http(passage))
            }
        }
    }

    pub(super) fn headers(&self, stateless: bool) -> HeaderMap {
        let mut headers = self.conn.version_header();
        if !stateless {
            return headers;
        }
        let mut put = |name: &str, value: &str| {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.insert(name, value);
            }
        };
        put("mcp-method", &self.request.name);
        let named = match (&self.request.own, self.method().named_by()) {
            (Some(own), Some(_)) => Some(own.clone()),
            (None, Some(key)) => Params::read(self.request.params.as_deref())
                .and_then(|params| params.text(key))
                .ok()
                .flatten()
                .map(std::borrow::Cow::into_owned),
            (_, None) => None,
        };
        if let Some(named) = named {
            put("mcp-name", &bartizan_mcp::header::encode(&named));
        }
        for (name, value) in &self.request.mirrored {
            put(name, value);
        }
        headers
    }
}
