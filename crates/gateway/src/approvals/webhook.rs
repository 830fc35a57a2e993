//! Tells a service of the operator's that a question waits: signed, a bounded number of times, with nothing in it that an
//! agent wrote. It tells and never asks: what comes back is thrown away, and answers are taken on the admin channel alone.
//!
//! Signed as Standard Webhooks 1.0 has it: HMAC-SHA256 over `ID.SECONDS.BODY`, so that a receiver can tell an old or a
//! changed message from a new one.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use bartizan_guard::approval::{Question, Standing};
use bartizan_types::{ApprovalId, Secret, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    Shared, clock, config,
    errand::{self, Errand},
    upstream::{self, Pool, Reach},
};

/// Questions that wait to be told of; more are not told of, and stand in `bartizan approvals list` all the same.
pub(crate) const QUEUE: usize = 256;
/// Before each further attempt. What has failed after the last is given up.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages on their way at one time.
const AT_ONCE: usize = 8;
/// Most bytes of an answer that are read before it is thrown away.
const ANSWER_BYTES: usize = 64 << 10;

/// Tells of questions as they come, until `stop`.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    mut asked: mpsc::Receiver<ApprovalId>,
    mut stop: watch::Receiver<bool>,
) {
    let Some(settings) = shared.config.approvals.webhook.clone() else {
        return;
    };
    let pool = match Pool::within(Reach::Named, None, shared.config.limits.connect_timeout) {
        Ok(pool) => Arc::new(pool),
        Err(fault) => return tracing::error!(error = %fault, "no connections for the webhook"),
    };
    let mut telling = tokio::task::JoinSet::new();
    loop {
        let id = tokio::select! {
            Some(_) = telling.join_next(), if !telling.is_empty() => continue,
            id = asked.recv(), if telling.len() < AT_ONCE => id,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(id) = id else { return };
        let (shared, settings, pool) = (Arc::clone(&shared), settings.clone(), Arc::clone(&pool));
        telling.spawn(async move { tell(&shared, &settings, &pool, id).await });
    }
}

/// Tells of one question, for as long as it waits.
async fn tell(shared: &Arc<Shared>, settings: &config::Webhook, pool: &Arc<Pool>, id: ApprovalId) {
    let mut pauses = PAUSES.iter();
    loop {
        let question = shared.approvals.question(id);
        let Some(question) = question.filter(|question| question.standing == Standing::Waiting) else {
            return;
        };
        let said = match once(shared, settings, pool, &question).await {
            Ok(()) => return,
            Err(reason) => reason,
        };
        let Some(pause) = pauses.next() else {
            return tracing::error!(approval = %id, reason = said, "the webhook was not told of a question");
        };
        tracing::warn!(approval = %id, reason = said, "the webhook could not be told of a question yet");
        tokio::time::sleep(*pause).await;
    }
}

async fn once(
    shared: &Arc<Shared>,
    settings: &config::Webhook,
    pool: &Arc<Pool>,
    question: &Question,
) -> Result<(), &'static str> {
    let key = shared.secrets.reveal(&settings.secret).ok().flatten();
    let key = key.ok_or("its secret is not in the store")?;
    let body = message(question).to_string();
    let headers = signed(&key, question.id, clock::now(), body.as_bytes()).ok_or("its secret is no key")?;
    let errand = Errand {
        server: "webhook:approvals",
        pool,
        uri: &settings.url,
        headers,
        body: body.into_bytes(),
        secrets: upstream::names([settings.secret.as_str()]),
        answer_bytes: ANSWER_BYTES,
        time: PATIENCE,
    };
    match errand::post(shared, errand).await {
        // Whatever it says, it answers nothing.
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok(_) => Err("it answered with a failing status"),
        Err(code) => Err(code.as_str()),
    }
}

/// What is told. No argument, path or text of an agent or a tool: who asks, what for by its configured names, and what is
/// unusual in words of ours. Whoever wants to see the call looks at it on the admin channel.
fn message(question: &Question) -> Value {
    let draft = &question.draft;
    let count = |gated: bool| {
        draft
            .arguments
            .iter()
            .filter(|one| one.source.vouched() != gated)
            .count()
    };
    json!({
        "type": "approval.asked",
        "timestamp": question.asked.to_string(),
        "data": {
            "id": question.id.to_string(),
            "agent": draft.asker.agent.to_string(),
            "user": draft.asker.user.as_ref().map(ToString::to_string),
            "session": draft.asker.session.to_string(),
            "call": draft.call.to_string(),
            "server": draft.server.to_string(),
            "tool": draft.tool.to_string(),
            "effect": question.effect().as_str(),
            "needs": draft.needs,
            "expires": question.expires.to_string(),
            "arguments": {"bytes": draft.bytes, "unvouched": count(true), "vouched": count(false)},
            "unusual": question.unusual().iter().map(|one| one.sentence()).collect::<Vec<_>>(),
            "policies": draft.because.iter().map(|one| one.id.to_string()).collect::<Vec<_>>(),
            "answer_with": format!("bartizan approvals show {}", question.id),
        },
    })
}

/// The headers that say when it was sent, and prove by whom. A secret written as `whsec_` and base64 is the bytes that
/// stands for; any other is its own bytes, of which there must be at least 16.
fn signed(secret: &Secret<Vec<u8>>, id: ApprovalId, now: Timestamp, body: &[u8]) -> Option<HeaderMap> {
    let text = secret.expose().trim_ascii();
    let key = match text.strip_prefix(b"whsec_") {
        Some(digits) => Secret::new(STANDARD.decode(digits).ok()?),
        None => Secret::new(text.to_vec()),
    };
    if key.expose().len() < KEY_LEAST {
        return None;
    }
    let seconds = now.unix_seconds().to_string();
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    let signature = format!("v1,{}", STANDARD.encode(context.sign()));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("webhook-id", id.to_string()),
        ("webhook-timestamp", seconds),
        ("webhook-signature", signature),
    ] {
        headers.insert(name, HeaderValue::from_str(&value).ok()?);
    }
    Some(headers)
}

/// Fewest bytes of a key.
const KEY_LEAST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standard_has_it() {
        // Made with Python's hmac and base64 over `ID.SECONDS.BODY`.
        let id: ApprovalId = clock::mint(Timestamp::from_unix_seconds(1_614_265_330));
        let key = Secret::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec());
        let now = Timestamp::from_unix_seconds(1_614_265_330);
        let body = br#"{"test": 2432232314}"#;
        let headers = signed(&key, id, now, body).unwrap();
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        let raw = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let told = headers["webhook-signature"]
            .to_str()
            .unwrap()
            .strip_prefix("v1,")
            .unwrap();
        let said = [format!("{id}.1614265330.").as_bytes(), body].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &raw);
        hmac::verify(&key, &said, &STANDARD.decode(told).unwrap()).unwrap();
        // Another time, another body, another question: another signature.
        let later = Timestamp::from_unix_seconds(1_614_265_331);
        let again = Secret::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec());
        for other in [signed(&again, id, later, body), signed(&again, id, now, b"{}")] {
            assert_ne!(other.unwrap()["webhook-signature"], headers["webhook-signature"]);
        }
        assert!(signed(&Secret::new(b"short".to_vec()), id, now, body).is_none());
        assert!(signed(&Secret::new(b"whsec_no base64!".to_vec()), id, now, body).is_none());
    }
}
