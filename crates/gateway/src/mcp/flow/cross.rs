//! The way out of one request: ruled on, waited for where a human is asked or a token is missing, and written.

use std::sync::Arc;

use bartizan_mcp::Params;
use bartizan_types::{Code, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Flight, Passed};
use crate::{
    clock, edge,
    mcp::{conn::Way, exchange::timed, hub::lock},
    upstream::{
        self,
        child::{self, Line},
    },
};

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
            Some(id) if Box::pin(self.said_yes(id)).await => self.cross(bytes, headers, number).await,
            _ => Err(refusal),
        }
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
