//! The way to a server over HTTP: what every request carries, and how answers and streams are read.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use bartizan_guard::AnswerFacts;
use bartizan_mcp::Caller;
use bartizan_types::{Action, Code, SecretName, UpstreamName};
use bartizan_wire::{
    json,
    jsonrpc::{self, Message},
    sse,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{
    SESSION,
    conn::{Conn, Way},
    hub::lock,
};
use crate::{
    Shared,
    edge::{self, BodyBounds},
    oauth::Wallet,
    room::Full,
    upstream::{self, Names, Outbound, Pool, echo::Told, sign::Signer},
};

/// The way over HTTP.
pub(crate) struct HttpWay {
    pub(crate) pool: Arc<Pool>,
    pub(crate) uri: Mutex<Uri>,
    pub(crate) headers: HeaderMap,
    /// Secrets of the store among them.
    secrets: Names,
    /// The same and what the user granted, for requests that go with it.
    granted: Names,
    /// What the caller's user granted at this server.
    pub(crate) wallet: Option<Arc<Wallet>>,
    /// What speaks for requests to it, where a key of the store does.
    signer: Option<Box<Signer>>,
    session: Mutex<Option<HeaderValue>>,
    upstream: UpstreamName,
    /// Answers come on the one stream, not on the request's own (2024-11-05).
    legacy: bool,
    /// The old transport has told where to post.
    told: AtomicBool,
}

impl HttpWay {
    /// The way to an address with these headers.
    pub(crate) fn new(
        pool: Arc<Pool>,
        uri: Uri,
        (headers, secrets): (HeaderMap, Names),
        (wallet, signer): (Option<Arc<Wallet>>, Option<Box<Signer>>),
        upstream: UpstreamName,
        legacy: bool,
    ) -> Self {
        let grant = wallet.as_ref().map(|wallet| wallet.name());
        let all = secrets.iter().map(SecretName::as_str).chain(grant.as_deref());
        Self {
            granted: upstream::names(all),
            pool,
            uri: Mutex::new(uri),
            headers,
            secrets,
            wallet,
            signer,
            session: Mutex::new(None),
            upstream,
            legacy,
            told: AtomicBool::new(false),
        }
    }

    /// Renews the token of the next request, where it ends soon.
    pub(crate) async fn ready(&self, shared: &Arc<Shared>) {
        if let Some(wallet) = &self.wallet {
            wallet.freshen(shared).await;
        }
    }

    /// What an answer says about the token: missing, ended or not enough.
    pub(crate) fn refused<B>(&self, response: &Response<B>) -> Option<Code> {
        self.wallet.as_ref().and_then(|wallet| wallet.refused(response))
    }

    /// Whether a request that was refused so should be sent once more.
    pub(crate) async fn recovers(&self, shared: &Arc<Shared>, code: Code) -> bool {
        match &self.wallet {
            Some(wallet) => wallet.recover(shared, code).await,
            None => false,
        }
    }

    /// Whether answers come on another stream than the request's own.
    pub(crate) const fn answers_elsewhere(&self) -> bool {
        self.legacy
    }

    /// A request with this body and these headers beside the standing ones.
    pub(crate) fn outbound(&self, method: http::Method, body: Vec<u8>, extra: HeaderMap) -> Outbound {
        let mut headers = self.headers.clone();
        if method == http::Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(
                header::ACCEPT,
                HeaderValue::from_static("application/json, text/event-stream"),
            );
        } else {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        }
        if let Some(session) = &*lock(&self.session) {
            headers.insert(SESSION, session.clone());
        }
        headers.extend(extra);
        // Last, so that nothing else stands in its place.
        let granted = self
            .wallet
            .as_ref()
            .is_some_and(|wallet| wallet.dress(&mut headers));
        Outbound {
            upstream: self.upstream.clone(),
            pool: Arc::clone(&self.pool),
            method,
            uri: lock(&self.uri).clone(),
            headers,
            body: Bytes::from(body),
            secrets: Arc::clone(if granted { &self.granted } else { &self.secrets }),
            sign: self.signer.clone(),
        }
    }
}

impl Conn {
    pub(super) async fn say_http(self: &Arc<Self>, way: &HttpWay, bytes: Vec<u8>) -> Result<(), Code> {
        let shared = self.shared.upgrade().ok_or(Code::Draining)?;
        let facts = self.facts(Action::Notify, &bytes);
        way.ready(&shared).await;
        let outbound = way.outbound(http::Method::POST, bytes, self.version_header());
        let evidence = shared.evidence(&self.caller, facts, Vec::new());
        let (permit, mut passage) = shared
            .enter(evidence, outbound)
            .await
            .map_err(|refusal| refusal.code)?;
        match upstream::send(permit, self.served.config.timeout).await {
            Ok(response) => {
                if let Some(code) = way.refused(&response) {
                    // A handshake that can't go on without a token ends here, not when its time is up.
                    if self.handshake().is_none() {
                        self.close(code);
                    }
                    return Err(passage.failed(code).code);
                }
                let facts = AnswerFacts {
                    status: Some(response.status().as_u16()),
                    findings: Vec::new(),
                };
                let _call = passage.answered(facts).map_err(|refusal| refusal.code)?.spend();
                passage.finish();
                self.absorb(response, None).await
            }
            Err(fault) => Err(passage.failed(fault.code()).code),
        }
    }

    /// The header that names the revision, once agreed.
    pub(crate) fn version_header(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(revision) = lock(&self.link).revision() {
            headers.insert(
                HeaderName::from_static("mcp-protocol-version"),
                HeaderValue::from_static(revision.as_str()),
            );
        }
        headers
    }

    /// Reads what an HTTP server answers; `related` is whose request it answers.
    pub(crate) async fn absorb(
        self: &Arc<Self>,
        response: Response<Incoming>,
        related: Option<Caller>,
    ) -> Result<(), Code> {
        let (head, body) = response.into_parts();
        let Way::Http(way) = &self.way else {
            return Err(Code::Bug);
        };
        if let Some(session) = head.headers.get(&SESSION) {
            let mut known = lock(&way.session);
            if known.is_none() && session.len() <= 1024 {
                *known = Some(session.clone());
            }
        }
        let Some(shared) = self.shared.upgrade() else {
            return Err(Code::Draining);
        };
        let limits = &shared.config.limits;
        if head.status.is_success() && edge::is_event_stream(&head.headers) {
            let events = (body, limits.event_bytes);
            return self
                .absorb_stream(&shared, events, &head.extensions, related)
                .await;
        }
        let (well, readable) = (head.status.is_success(), edge::is_json(&head.headers));
        if well || readable {
            let mut room = self.room.nothing();
            let bounds = BodyBounds {
                full: Code::QueueFull,
                ..BodyBounds::answer(limits)
            };
            let (mut bytes, _) = edge::read(&head.headers, body, bounds, Some(&mut room)).await?;
            if Told::clean(&head.extensions, &mut bytes).is_some() {
                shared.echoed(self.served.config.name.as_str());
            }
            if well && (bytes.is_empty() || !readable) {
                return Ok(());
            }
            if well {
                return self.take(&bytes, related).await;
            }
            // A failing status may carry an error. A result under one is an answer to some readers and none to others.
            let error = json::scan(&bytes, &Conn::bounds(&shared)).and_then(jsonrpc::decode);
            if matches!(error, Ok(Message::Failure { .. })) && self.take(&bytes, related).await.is_ok() {
                return Ok(());
            }
        }
        match head.status {
            StatusCode::NOT_FOUND if lock(&way.session).is_some() => {
                self.close(Code::ServerFailed);
                Err(Code::ServerFailed)
            }
            _ => Err(Code::ServerFailed),
        }
    }

    async fn absorb_stream(
        self: &Arc<Self>,
        shared: &Shared,
        (mut body, event_bytes): (Incoming, usize),
        extensions: &http::Extensions,
        related: Option<Caller>,
    ) -> Result<(), Code> {
        let mut splitter = sse::Splitter::new(event_bytes);
        let mut room = self.room.nothing();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Code::UpstreamUnreachable)?.into_data() else {
                continue;
            };
            let mut messages: Vec<(bool, String)> = Vec::new();
            splitter
                .push(&data, &mut |event: sse::Event<'_>| {
                    let endpoint = event.name == Some("endpoint");
                    if let Some(data) = event.data
                        && !data.is_empty()
                    {
                        messages.push((endpoint, data.into_owned()));
                    }
                    Ok(())
                })
                .map_err(|fault| fault.of_upstream().code)?;
            room.resize(splitter.kept_bytes())
                .map_err(|Full| Code::QueueFull)?;
            for (endpoint, message) in messages {
                let clean = Told::without(extensions, message.as_bytes());
                if clean.is_some() {
                    shared.echoed(self.served.config.name.as_str());
                }
                let bytes = clean.as_deref().unwrap_or(message.as_bytes());
                if endpoint {
                    self.endpoint(&message).await?;
                } else if let Err(code) = self.take(bytes, related).await {
                    self.refused(code);
                }
            }
            if !self.is_alive() {
                return Err(Code::ServerFailed);
            }
        }
        Ok(())
    }

    /// The old transport tells where to post. It must be on the same host: a credential goes nowhere else.
    async fn endpoint(self: &Arc<Self>, told: &str) -> Result<(), Code> {
        let Way::Http(way) = &self.way else {
            return Err(Code::Bug);
        };
        // Told once: a server that moved it later would have us post what one place was ruled on for to another.
        if !way.legacy || way.told.swap(true, Ordering::AcqRel) {
            return Err(Code::SseMalformed);
        }
        {
            let mut uri = lock(&way.uri);
            let next: Uri = told.trim().parse().map_err(|_| Code::UpstreamMalformed)?;
            let mut parts = uri.clone().into_parts();
            if let Some(authority) = next.authority()
                && (Some(authority) != uri.authority() || next.scheme() != uri.scheme())
            {
                return Err(Code::UpstreamMalformed);
            }
            parts.path_and_query = Some(next.path_and_query().cloned().ok_or(Code::UpstreamMalformed)?);
            *uri = Uri::from_parts(parts).map_err(|_| Code::UpstreamMalformed)?;
        }
        let opening = lock(&self.link).open(false);
        // Answers to it come on this very stream, so it is sent by a task of its own.
        let conn = Arc::clone(self);
        tokio::spawn(async move { conn.say(opening).await });
        Ok(())
    }
}
