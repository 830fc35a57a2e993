//! `POST /v1/delegations`: an agent begins a chain, to hand on part of what it may. Further links are made offline, by
//! whoever holds one; see `docs/guides/delegation.md`.

use std::sync::Arc;

use bartizan_identity::{ApiKeyRecord, DelegationFault, DelegationKey, delegate};
use bartizan_types::{AuthMethod, Bounds, Code, Record, RecordKind, Refusal, Secret, Timestamp};
use http::{HeaderValue, Response, header, request::Parts};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Shared,
    answer::AgentBody,
    clock,
    edge::{self, BodyBounds},
    gate::Caller,
};

const MINUTE_MICROS: u64 = 60 * 1_000_000;
/// How long a delegation lasts that does not say.
const MINUTES: u64 = 60;
/// How long one may last.
const MINUTES_MAX: u64 = 30 * 24 * 60;
/// Largest request body, in bytes.
const BODY_BYTES: usize = 64 << 10;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The one handed to.
    pub(crate) to: String,
    /// What it may; `until` is set from `minutes` where it is missing.
    #[serde(default)]
    pub(crate) bounds: Bounds,
    /// Minutes until it ends.
    #[serde(default)]
    pub(crate) minutes: Option<u64>,
}

/// A chain that was begun.
pub(crate) struct Begun {
    /// The delegation.
    pub(crate) text: Secret<String>,
    /// When it ends.
    pub(crate) until: Timestamp,
    /// What records call it, and what it is revoked by.
    pub(crate) name: String,
}

/// Begins a chain that rests on an API key. It always ends: by `until`, `minutes`, or after an hour.
pub(crate) fn begin(
    ours: &DelegationKey,
    record: &ApiKeyRecord,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Begun, DelegationFault> {
    let last = now.plus_micros(MINUTES_MAX * MINUTE_MICROS);
    let minutes = wanted.minutes.unwrap_or(MINUTES).min(MINUTES_MAX);
    let mut bounds = wanted.bounds;
    let asked = match (bounds.until, wanted.minutes) {
        (Some(until), None) => until,
        (Some(until), Some(_)) => until.min(now.plus_micros(minutes * MINUTE_MICROS)),
        (None, _) => now.plus_micros(minutes * MINUTE_MICROS),
    };
    let until = asked.min(last);
    bounds.until = Some(until);
    let next = DelegationKey::new(Secret::new(clock::random::<32>()))?;
    Ok(Begun {
        text: delegate(ours, record, &wanted.to, bounds, &next)?,
        until,
        name: next.name(),
    })
}

/// Serves the request. Only who has an API key begins a chain: with a delegation one goes on offline.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    head: &Parts,
    body: edge::Arriving,
) -> Result<Response<AgentBody>, Refusal> {
    let late = |code| shared.reject(code, Some(&caller.principal));
    if caller.principal.method != AuthMethod::ApiKey {
        return Err(late(Code::PolicyDenied));
    }
    if !edge::is_json(&head.headers) {
        return Err(late(Code::ContentType));
    }
    let bounds = BodyBounds {
        bytes: BODY_BYTES,
        ..BodyBounds::request(&shared.config.limits)
    };
    let (bytes, _) = edge::read(&head.headers, body, bounds, None)
        .await
        .map_err(late)?;
    let wanted: Wanted = serde_json::from_slice(&bytes).map_err(|_| late(Code::RequestShape))?;
    let keys: Vec<ApiKeyRecord> = shared.state.keys().map_err(|_| late(Code::Bug))?;
    let record = keys
        .iter()
        .find(|key| key.prefix == caller.principal.credential)
        .ok_or_else(|| late(Code::KeyUnknown))?;
    let note = note(record, &wanted.to);
    let begun = begin(shared.directory.delegations(), record, wanted, clock::now())
        .map_err(|_| late(Code::RequestShape))?;
    let mut operation = Record::new(RecordKind::Operation, clock::now());
    operation.note = Some(format!("{note}, by itself, as {}", begun.name));
    operation.principal = Some((*caller.principal).clone());
    shared
        .ledger
        .append(&operation)
        .await
        .map_err(|fault| late(fault.code()))?;
    let answer = json!({
        "delegation": begun.text.expose(), "until": begun.until, "credential": begun.name,
    });
    let mut response = Response::new(AgentBody::ours(answer.to_string().into_bytes()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What the log says of it.
pub(crate) fn note(record: &ApiKeyRecord, to: &str) -> String {
    let to: String = to
        .chars()
        .filter(|letter| !letter.is_control())
        .take(128)
        .collect();
    format!(
        "`{}` handed on to `{to}`, resting on key {}",
        record.agent, record.prefix
    )
}
