//! What the gateway sends out by itself to services of the operator's, each as a ruled and recorded call of its own:
//! texts for guards, news of questions. The answer is the errand's alone; no agent sees any of it.

use std::{sync::Arc, time::Duration};

use bartizan_guard::AnswerFacts;
use bartizan_types::{Action, CallFacts, Code, Resource, ServerName, Surface, UpstreamName};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use crate::{
    Shared, clock,
    directory::housekeeper,
    edge::{self, BodyBounds},
    model::sha256,
    upstream::{self, Names, Outbound, Pool},
};

/// One errand.
pub(crate) struct Errand<'a> {
    /// What the service is called in policy and records, as `guard:NAME`.
    pub server: &'a str,
    /// The connections to go by.
    pub pool: &'a Arc<Pool>,
    /// Where to.
    pub uri: &'a Uri,
    /// Headers beside those of JSON, or the type of what is none.
    pub headers: HeaderMap,
    /// What is posted: JSON where the headers say nothing else.
    pub body: Vec<u8>,
    /// Secrets of the store that are in it.
    pub secrets: Names,
    /// Most bytes of an answer.
    pub answer_bytes: usize,
    /// How long the answer may take, to its head and once more to its end.
    pub time: Duration,
}

/// Posts it, and reads what comes back. Redirects are answers like any other.
///
/// # Errors
/// Why there is no answer: policy says so, or the service failed.
pub(crate) async fn post(shared: &Arc<Shared>, errand: Errand<'_>) -> Result<(StatusCode, Bytes), Code> {
    let server = ServerName::new(errand.server).map_err(|_| Code::Bug)?;
    let facts = CallFacts {
        bytes: u64::try_from(errand.body.len()).unwrap_or(u64::MAX),
        digest: sha256(&errand.body),
        ..CallFacts::new(
            clock::mint(clock::now()),
            Action::Connect,
            Resource::Server { server },
            Surface::Mcp,
        )
    };
    let mut headers = errand.headers;
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let outbound = Outbound {
        upstream: UpstreamName::new("errand").map_err(|_| Code::Bug)?,
        pool: Arc::clone(errand.pool),
        method: Method::POST,
        uri: errand.uri.clone(),
        headers,
        body: Bytes::from(errand.body),
        secrets: errand.secrets,
        sign: None,
    };
    let evidence = shared.evidence(&housekeeper(shared)?, facts, Vec::new());
    let entered = shared.enter(evidence, outbound).await;
    let (permit, mut passage) = entered.map_err(|refusal| refusal.code)?;
    let response = match upstream::send(permit, errand.time).await {
        Ok(response) => response,
        Err(fault) => return Err(passage.failed(fault.code()).code),
    };
    let (head, body) = response.into_parts();
    let bounds = BodyBounds {
        bytes: errand.answer_bytes,
        time: errand.time,
        ..BodyBounds::answer(&shared.config.limits)
    };
    match edge::read(&head.headers, body, bounds, None).await {
        Err(code) => Err(passage.failed(code).code),
        Ok((bytes, _)) => {
            let _call = passage.answered(AnswerFacts {
                status: Some(head.status.as_u16()),
                findings: Vec::new(),
            });
            passage.released.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            passage.finish();
            Ok((head.status, bytes))
        }
    }
}
