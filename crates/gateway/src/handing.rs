//! `POST /v1/delegations`: an agent begins a chain, to hand on part of what it may. Further links are made offline, by
//! whoever holds one; see `docs/guides/delegation.md`.

use std::sync::Arc;

use bartizan_identity::{ApiKeyRecord, ChainRoot, DelegationFault, DelegationKey, delegate};
use bartizan_types::{AuthMethod, Bounds, Code, Principal, Record, RecordKind, Refusal, Secret, Timestamp};
use http::{HeaderValue, Response, header, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

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

/// Begins a chain. It always ends: by `until`, `minutes`, or after an hour, and with what it rests on. One that is to last
/// longer than one may is refused, so that nobody counts on what was cut.
pub(crate) fn begin(
    ours: &DelegationKey,
    root: ChainRoot<'_>,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Begun, DelegationFault> {
    let last = now.plus_micros(MINUTES_MAX * MINUTE_MICROS);
    let unfit = |minutes: u64| !(1..=MINUTES_MAX).contains(&minutes);
    if wanted.minutes.is_some_and(unfit) || wanted.bounds.until.is_some_and(|until| until > last) {
        return Err(DelegationFault::Life);
    }
    let ends = match root {
        ChainRoot::Key(record) => record.expires,
        ChainRoot::Judged(principal) => principal.expires,
    };
    let last = ends.map_or(last, |ends| ends.min(last));
    let minutes = wanted.minutes.unwrap_or(MINUTES);
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
        text: delegate(ours, root, &wanted.to, bounds, &next)?,
        until,
        name: next.name(),
    })
}

/// Serves the request. With a delegation nobody begins a chain: one goes on offline.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    caller: &Caller,
    head: &Parts,
    body: edge::Arriving,
) -> Result<Response<AgentBody>, Refusal> {
    let late = |code| shared.reject(code, Some(&caller.principal));
    // What is bound to a key that proofs show is not handed on: the child could prove nothing, so whoever finds the
    // delegation could use it.
    let may = match caller.principal.method {
        AuthMethod::ApiKey | AuthMethod::Certificate => true,
        AuthMethod::Jwt => !head.headers.contains_key("dpop"),
        AuthMethod::Delegated | AuthMethod::Local => false,
    };
    if !may {
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
    let unfit = |what: &str| late(Code::RequestShape).saying(what);
    let wanted: Wanted = serde_json::from_slice(&bytes).map_err(|_| unfit(wrong(&bytes)))?;
    let key = match caller.principal.method {
        AuthMethod::ApiKey => Some(key(shared, &caller.principal).map_err(late)?),
        _ => None,
    };
    let root = key
        .as_ref()
        .map_or(ChainRoot::Judged(&caller.principal), ChainRoot::Key);
    let note = note(root, &wanted.to);
    let begun = begin(shared.directory.delegations(), root, wanted, clock::now())
        .map_err(|fault| unfit(&format!("{}{fault}", field(fault))))?;
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

/// What is wrong with a body that is no [`Wanted`]: which field, and what it takes. In words of ours alone.
fn wrong(body: &[u8]) -> &'static str {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return "it is a JSON object with `to`, and may have `bounds` and `minutes`";
    };
    let known = ["to", "bounds", "minutes"];
    if !members.keys().all(|name| known.contains(&name.as_str())) {
        return "there are the fields `to`, `bounds` and `minutes`, and no others";
    }
    if !members.get("to").is_some_and(Value::is_string) {
        return "`to` is a name of 1 to 128 printable ASCII characters";
    }
    let minutes = members.get("minutes").unwrap_or(&Value::Null);
    if !minutes.is_null() && !minutes.is_u64() {
        return "`minutes` is a whole number, 1 to 43200";
    }
    let Some(Value::Object(bounds)) = members.get("bounds") else {
        return "`bounds` is an object, and every field is there once";
    };
    let fits = |(name, value): (&String, &Value)| {
        let one = serde_json::Map::from_iter([(name.clone(), value.clone())]);
        serde_json::from_value::<Bounds>(Value::Object(one)).is_ok()
    };
    let unfit = bounds.iter().find(|bound| !fits(*bound));
    match unfit.map(|(name, _)| name.as_str()) {
        Some("on") => "`bounds.on` is a list of resources such as `Tool::mail/send` or `Model::openai/*`",
        Some("arguments") => "`bounds.arguments` has a list of texts for each argument's path",
        Some("until") => "`bounds.until` is a moment in whole microseconds since 1970",
        Some("session") => "`bounds.session` is the id of a session",
        Some("budget") => "`bounds.budget` has a whole number, 0 or more, for each meter, such as `calls`",
        Some(_) => "`bounds` has `on`, `arguments`, `until`, `session` and `budget`, and no others",
        None => "every field is there once",
    }
}

/// The field that a fault is about.
const fn field(fault: DelegationFault) -> &'static str {
    match fault {
        DelegationFault::To => "`to`: ",
        DelegationFault::Bounds | DelegationFault::Long => "`bounds`: ",
        DelegationFault::Life => "`minutes`, or `bounds.until`: ",
        _ => "",
    }
}

/// The key that an agent showed.
fn key(shared: &Shared, principal: &Principal) -> Result<ApiKeyRecord, Code> {
    let keys: Vec<ApiKeyRecord> = shared.state.keys().map_err(|_| Code::Bug)?;
    let mut shown = keys.into_iter().filter(|key| key.prefix == principal.credential);
    shown.next().ok_or(Code::KeyUnknown)
}

/// What the log says of it.
pub(crate) fn note(root: ChainRoot<'_>, to: &str) -> String {
    let to: String = to
        .chars()
        .filter(|letter| !letter.is_control())
        .take(128)
        .collect();
    let (agent, what, credential) = match root {
        ChainRoot::Key(record) => (&record.agent, "key", &record.prefix),
        ChainRoot::Judged(principal) if principal.method == AuthMethod::Certificate => {
            (&principal.agent, "certificate", &principal.credential)
        }
        ChainRoot::Judged(principal) => (&principal.agent, "token", &principal.credential),
    };
    format!("`{agent}` handed on to `{to}`, resting on {what} {credential}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_request_is_named_by_its_field() {
        let check = |body: &str, expected: &str| {
            assert!(serde_json::from_str::<Wanted>(body).is_err(), "{body}");
            let said = wrong(body.as_bytes());
            assert!(said.contains(expected), "{body}: {said}");
        };
        check("[]", "JSON object");
        check(r#"{"to":"x","more":1}"#, "no others");
        check(r#"{"minutes":1}"#, "`to`");
        check(r#"{"to":"x","minutes":-5}"#, "`minutes`");
        check(r#"{"to":"x","bounds":7}"#, "`bounds`");
        check(r#"{"to":"x","bounds":{"wishes":3}}"#, "`bounds` has");
        check(r#"{"to":"x","bounds":{"on":"Tool::a/b"}}"#, "`bounds.on`");
        check(
            r#"{"to":"x","bounds":{"budget":{"calls":-1}}}"#,
            "`bounds.budget`",
        );
        check(r#"{"to":"x","bounds":{"until":"soon"}}"#, "`bounds.until`");
    }
}
