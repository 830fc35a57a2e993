//! Budgets and revocations at a gateway that serves: what is refused, what is settled, what is cut off, what is kept.

#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bartizan_gateway::config::{Budgets, Family};
use bartizan_guard::{
    budget::{Budget, Dimension, Price, Window},
    revoke::{Revocation, Subject},
};
use bartizan_types::{
    BudgetName, Code, Ending, Meter, RecordKind, RevocationId, RulingWord, SessionId, Timestamp,
};
use http::StatusCode;
use http_body_util::BodyExt as _;
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};

const CHAT: &str = "/v1/chat/completions";

fn asking(max_tokens: u64, stream: bool) -> String {
    format!(
        r#"{{"model":"m","max_tokens":{max_tokens},"stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    )
}

fn answer(input: u64, output: u64) -> Answer {
    let text = format!(
        r#"{{"id":"c","object":"chat.completion","choices":[{{"index":0,"message":{{"role":"assistant","content":"ok"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":0}}}}"#
    );
    Answer::Whole(200, "application/json", text.into_bytes())
}

fn budget(meter: Meter, limit: u64, per: &[Dimension]) -> Budget {
    Budget {
        name: BudgetName::new("test").unwrap(),
        meter,
        limit,
        window: Window::Total,
        per: per.iter().copied().collect(),
        only: Default::default(),
        enforce: true,
    }
}

async fn gated(up: &Upstreamed, budgets: Vec<Budget>) -> Gated {
    gated_for(up, budgets, Duration::from_secs(20)).await
}

/// One that reads on for so long what its agents left.
async fn gated_for(up: &Upstreamed, budgets: Vec<Budget>, usage_wait: Duration) -> Gated {
    let mut config = config(vec![upstream("up", Family::Openai, up.address)]);
    let price = Price {
        input: 1_000_000,
        output: 2_000_000,
        most_input_tokens: None,
        most_output_tokens: None,
        ..Price::default()
    };
    config.budgets = Budgets {
        all: budgets,
        prices: [("*".to_owned(), price)].into_iter().collect(),
        most_millis: 1_000,
        usage_wait,
    };
    Gated::start(config, OPEN).await
}

fn used(gated: &Gated) -> u64 {
    let (_, lines) = gated
        .running
        .shared()
        .budgets
        .show(Timestamp::from_unix_seconds(2_000_000_000));
    lines.first().map_or(0, |line| line.used)
}

#[tokio::test]
async fn the_call_that_would_cross_never_leaves() {
    let up = Upstreamed::start(vec![answer(10, 5), answer(10, 5)]).await;
    let gated = gated(&up, vec![budget(Meter::OutputTokens, 100, &[])]).await;
    let (status, ..) = gated.post(CHAT, asking(90, false)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(used(&gated), 5, "settled at what it came to");
    let (status, _, body) = gated.post(CHAT, asking(96, false)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        String::from_utf8_lossy(&body).contains("budget.exceeded"),
        "{body:?}"
    );
    assert_eq!(up.count(), 1, "the refused call stayed here");
    let (status, ..) = gated.post(CHAT, asking(95, false)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(used(&gated), 10);
    let records = gated.records().await;
    let refused = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .find(|record| record.code == Some(Code::BudgetExceeded))
        .unwrap();
    assert_eq!(refused.ruling, Some(RulingWord::Deny));
    let spending = refused.facts.as_ref().unwrap().spending.as_ref().unwrap();
    assert_eq!(spending.over.as_ref().unwrap().budget.as_str(), "test");
    assert_eq!((spending.shares[0].used, spending.shares[0].limit), (5, 100));
    let settled: Vec<u64> = records
        .iter()
        .filter_map(|stored| stored.record.as_ref()?.answer.as_ref()?.settled)
        .map(|settled| settled.output_tokens)
        .collect();
    assert_eq!(settled, [5, 5]);
}

#[tokio::test]
async fn a_window_says_when_to_try_again_and_a_call_without_a_bound_is_told_so() {
    let up = Upstreamed::start(vec![answer(10, 5)]).await;
    let mut hourly = budget(Meter::MicroUsd, 300, &[Dimension::Agent]);
    hourly.window = Window::Hour;
    let gated = gated(&up, vec![hourly]).await;
    let (status, _, body) = gated
        .post(
            CHAT,
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        String::from_utf8_lossy(&body).contains("budget.unbounded"),
        "{body:?}"
    );
    // A field of another API bounds nothing.
    let sly = r#"{"model":"m","max_output_tokens":1,"messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(gated.post(CHAT, sly).await.0, StatusCode::BAD_REQUEST);
    // Neither do bytes that only point at what is counted.
    let image = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://cdn.example/a.png"}}]}]}"#;
    assert_eq!(gated.post(CHAT, image).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(up.count(), 0);
    assert_eq!(gated.post(CHAT, asking(5, false)).await.0, StatusCode::OK);
    let (status, headers, _) = gated.post(CHAT, asking(100, false)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");
    // More than the whole limit never fits, so waiting is no help.
    let (status, headers, _) = gated.post(CHAT, asking(200, false)).await;
    assert_eq!(
        (status, headers.get("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, None)
    );
    // 10 tokens in at 1, 5 out at 2 micro-USD.
    let (_, lines) = gated.running.shared().budgets.show(now());
    assert_eq!(lines[0].used, 20);
}

fn now() -> Timestamp {
    let micros = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros();
    Timestamp::from_unix_micros(u64::try_from(micros).unwrap())
}

const CHUNK: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const SEEN: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const LAST_SEEN: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn usage_is_asked_for_and_kept_from_the_agent() {
    let chunks = || {
        [CHUNK, LAST, USAGE, DONE]
            .map(|chunk| chunk.as_bytes().to_vec())
            .to_vec()
    };
    let up = Upstreamed::start(vec![
        Answer::Stream(chunks(), Duration::ZERO),
        Answer::Stream(chunks(), Duration::ZERO),
    ])
    .await;
    let gated = gated(&up, vec![budget(Meter::Tokens, 1000, &[])]).await;
    let (status, _, body) = gated.post(CHAT, asking(50, true)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, [SEEN, LAST_SEEN, DONE].concat());
    assert_eq!(used(&gated), 10);
    let sent = String::from_utf8(up.seen.lock().unwrap()[0].body.to_vec()).unwrap();
    assert!(
        sent.contains(r#""stream_options":{"include_usage":true}"#),
        "{sent}"
    );
    // Who asks for it itself sees it, and what is sent is what came.
    let own = asking(50, true).replace(
        "\"model\"",
        "\"stream_options\":{\"include_usage\":true},\"model\"",
    );
    let (_, _, body) = gated.post(CHAT, own.clone()).await;
    assert_eq!(body, [CHUNK, LAST, USAGE, DONE].concat());
    assert_eq!(up.seen.lock().unwrap()[1].body, own);
    assert_eq!(used(&gated), 20);
}

/// The provider goes on when the agent does not, and bills what it has made: the books say the same.
#[tokio::test]
async fn who_hangs_up_pays_what_the_answer_came_to() {
    let chunks = || {
        [CHUNK, LAST, USAGE, DONE]
            .map(|chunk| chunk.as_bytes().to_vec())
            .to_vec()
    };
    let pause = Duration::from_millis(100);
    let up = Upstreamed::start(vec![
        Answer::Stream(chunks(), pause),
        Answer::Stream(chunks(), pause),
    ])
    .await;
    let gated = gated(&up, vec![budget(Meter::Tokens, 1000, &[])]).await;
    let key = format!("Bearer {}", gated.key);
    // Before anything came, and in the middle.
    for (number, frames) in [(1, 0), (2, 1)] {
        let mut response = gated
            .open(CHAT, asking(60, true), &[("authorization", &key)])
            .await;
        for _ in 0..frames {
            response.body_mut().frame().await.unwrap().unwrap();
        }
        assert!(used(&gated) > 60, "set aside while it streams");
        drop(response);
        until(|| used(&gated) == 10 * number).await;
    }
    let records = gated.records().await;
    let closings: Vec<_> = records
        .iter()
        .filter_map(|stored| stored.record.as_ref())
        .filter(|record| record.kind == RecordKind::Closing)
        .collect();
    let settled: Vec<_> = closings
        .iter()
        .filter_map(|record| record.answer.as_ref()?.settled)
        .map(|settled| (settled.input_tokens, settled.output_tokens))
        .collect();
    assert_eq!(settled, [(7, 3), (7, 3)]);
    assert!(
        closings
            .iter()
            .all(|record| record.ending == Some(Ending::Abandoned))
    );
}

#[tokio::test]
async fn a_revocation_ends_what_is_read_on_for_its_usage() {
    let closed = Arc::new(AtomicBool::new(false));
    let up = Upstreamed::start(vec![Answer::Open(
        vec![CHUNK.as_bytes().to_vec()],
        Arc::clone(&closed),
    )])
    .await;
    let gated = gated(&up, vec![budget(Meter::OutputTokens, 100, &[])]).await;
    let key = format!("Bearer {}", gated.key);
    let mut response = gated
        .open(CHAT, asking(60, true), &[("authorization", &key)])
        .await;
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    let shared = gated.running.shared();
    shared
        .revoked
        .add(&shared.state, revocation("upstream:up", 1))
        .unwrap();
    until(|| closed.load(std::sync::atomic::Ordering::Acquire)).await;
    assert_eq!(used(&gated), 60, "settled at what was set aside");
}

#[tokio::test]
async fn where_nothing_is_read_on_who_hangs_up_pays_what_was_set_aside() {
    let closed = Arc::new(AtomicBool::new(false));
    let up = Upstreamed::start(vec![Answer::Open(
        vec![CHUNK.as_bytes().to_vec()],
        Arc::clone(&closed),
    )])
    .await;
    let gated = gated_for(&up, vec![budget(Meter::OutputTokens, 100, &[])], Duration::ZERO).await;
    let key = format!("Bearer {}", gated.key);
    let mut response = gated
        .open(CHAT, asking(60, true), &[("authorization", &key)])
        .await;
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(used(&gated), 60, "set aside while it streams");
    let (status, ..) = gated.post(CHAT, asking(41, false)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    drop(response);
    until(|| closed.load(std::sync::atomic::Ordering::Acquire)).await;
    assert_eq!(used(&gated), 60, "settled at that, since nobody knows better");
}

#[tokio::test]
async fn what_never_left_costs_nothing_and_an_upstreams_error_has_no_tokens() {
    let up = Upstreamed::start(vec![Answer::Whole(
        429,
        "application/json",
        br#"{"error":{"message":"slow down"}}"#.to_vec(),
    )])
    .await;
    let gated = gated(&up, vec![budget(Meter::Tokens, 1000, &[])]).await;
    assert_eq!(
        gated.post(CHAT, asking(50, false)).await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(used(&gated), 0);
    // Nothing listens there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut nobody = Upstreamed::start(Vec::new()).await;
    nobody.address = gone;
    let gated = self::gated(&nobody, vec![budget(Meter::Calls, 1, &[])]).await;
    for _ in 0..3 {
        assert_eq!(
            gated.post(CHAT, asking(50, false)).await.0,
            StatusCode::BAD_GATEWAY
        );
    }
    assert_eq!(used(&gated), 0);
}

#[tokio::test]
async fn an_upstream_that_keeps_failing_is_left_alone() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut nobody = Upstreamed::start(Vec::new()).await;
    nobody.address = gone;
    let gated = gated(&nobody, Vec::new()).await;
    for _ in 0..5 {
        assert_eq!(
            gated.post(CHAT, asking(50, false)).await.0,
            StatusCode::BAD_GATEWAY
        );
    }
    let (status, headers, body) = gated.post(CHAT, asking(50, false)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        String::from_utf8_lossy(&body).contains("upstream.circuit_open"),
        "{body:?}"
    );
    // It is said which, to the caller and in the record.
    assert!(
        String::from_utf8_lossy(&body).contains("model `m` at `up`"),
        "{body:?}"
    );
    let records = gated.records().await;
    let mut notes = records
        .iter()
        .filter_map(|stored| stored.record.as_ref()?.note.as_deref());
    assert!(notes.any(|note| note == "model `m` at `up`"));
    assert!(headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_model_that_is_down_takes_no_other_from_anybody() {
    let up = Upstreamed::answering(|seen| {
        let is_down = seen.body.windows(6).any(|part| part == b"\"down\"");
        if is_down {
            Answer::Whole(503, "application/json", b"{}".to_vec())
        } else {
            answer(1, 1)
        }
    })
    .await;
    let gated = gated(&up, Vec::new()).await;
    let down = asking(50, false).replace("\"m\"", "\"down\"");
    for _ in 0..6 {
        gated.post(CHAT, down.clone()).await;
    }
    let (_, _, body) = gated.post(CHAT, down).await;
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("upstream.circuit_open"), "{body}");
    assert_eq!(gated.post(CHAT, asking(50, false)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_call_past_its_time_is_cut_off() {
    let closed = Arc::new(AtomicBool::new(false));
    let up = Upstreamed::start(vec![Answer::Open(
        vec![CHUNK.as_bytes().to_vec()],
        Arc::clone(&closed),
    )])
    .await;
    let gated = gated(&up, vec![budget(Meter::Millis, 10_000, &[])]).await;
    let (_, _, body) = gated.post(CHAT, asking(60, true)).await;
    let body = String::from_utf8_lossy(&body);
    let (came, last) = body.split_at(body.rfind("data: ").unwrap());
    assert!([SEEN, CHUNK].contains(&came), "what came before the cut: {came}");
    assert!(last.contains("\"budget.exceeded\""), "{last}");
    until(|| closed.load(std::sync::atomic::Ordering::Acquire)).await;
    assert!((900..=1000).contains(&used(&gated)), "{}", used(&gated));
    let records = gated.records().await;
    let last = records.iter().rev().find_map(|stored| {
        stored
            .record
            .as_ref()
            .filter(|record| record.kind == RecordKind::Closing)
    });
    let last = last.unwrap();
    assert_eq!(
        (last.ending, last.code),
        (Some(Ending::Withheld), Some(Code::BudgetExceeded))
    );
}

async fn until(done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened");
}

fn revocation(what: &str, number: u128) -> Revocation {
    Revocation {
        id: RevocationId::mint(now(), number),
        subject: Subject::parse(what).unwrap(),
        since: now(),
        until: None,
        reason: String::new(),
        by: "test".to_owned(),
    }
}

#[tokio::test]
async fn a_revocation_refuses_the_next_call_and_lifting_it_lets_pass() {
    let up = Upstreamed::answering(|_| answer(1, 1)).await;
    let gated = gated(&up, Vec::new()).await;
    let shared = gated.running.shared();
    let prefix = gated.key.split('_').take(2).collect::<Vec<_>>().join("_");
    for (number, what) in [
        "everything".to_owned(),
        "agent:tester".to_owned(),
        "model:up/m".to_owned(),
        "upstream:up".to_owned(),
        "tenant:bartizan".to_owned(),
        format!("key:{prefix}"),
    ]
    .iter()
    .enumerate()
    {
        let before = up.count();
        assert_eq!(
            gated.post(CHAT, asking(5, false)).await.0,
            StatusCode::OK,
            "before {what}"
        );
        let one = revocation(what, number as u128);
        let id = one.id;
        shared.revoked.add(&shared.state, one).unwrap();
        let (status, _, body) = gated.post(CHAT, asking(5, false)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
        assert!(String::from_utf8_lossy(&body).contains("\"revoked\""), "{body:?}");
        assert_eq!(up.count(), before + 1, "{what}");
        // The record names it, whether it is one of a call or of a caller that came no further.
        let records = gated.records().await;
        let mut records = records.iter().filter_map(|stored| stored.record.as_ref());
        let named = records.any(|record| {
            let bar = record.facts.as_ref().and_then(|facts| facts.bar.as_ref());
            let said = record.note.as_deref().or(bar.map(|bar| bar.what.as_str()));
            said.is_some_and(|said| said.contains(&id.to_string()))
        });
        assert!(named, "{what}");
        // It outlives the process: another reader of the state sees it.
        let again = bartizan_gateway::Revoked::open(&shared.state).unwrap();
        assert_eq!(again.all().len(), 1);
        shared.revoked.lift(&shared.state, id).unwrap().unwrap();
        assert_eq!(
            gated.post(CHAT, asking(5, false)).await.0,
            StatusCode::OK,
            "after {what}"
        );
    }
    // Others are not touched.
    shared
        .revoked
        .add(&shared.state, revocation("agent:tester", 90))
        .unwrap();
    let other = format!("Bearer {}", gated.others[0]);
    let (status, ..) = gated
        .send(CHAT, asking(5, false), &[("authorization", &other)])
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_revocation_ends_what_is_in_progress() {
    for (what, silent) in [
        ("agent:tester", false),
        ("model:up/m", false),
        ("everything", true),
    ] {
        let closed = Arc::new(AtomicBool::new(false));
        let said = if silent {
            Answer::Silence
        } else {
            Answer::Open(vec![CHUNK.as_bytes().to_vec()], Arc::clone(&closed))
        };
        let up = Upstreamed::start(vec![said]).await;
        let gated = Arc::new(gated(&up, vec![budget(Meter::OutputTokens, 100, &[])]).await);
        let asker = Arc::clone(&gated);
        let call = tokio::spawn(async move {
            let key = format!("Bearer {}", asker.key);
            let mut response = asker
                .open(CHAT, asking(60, !silent), &[("authorization", &key)])
                .await;
            let status = response.status();
            let mut text = Vec::new();
            while let Some(Ok(frame)) = response.body_mut().frame().await {
                text.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
            (status, String::from_utf8(text).unwrap())
        });
        until(|| up.count() == 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!call.is_finished(), "{what}");
        let shared = gated.running.shared();
        shared.revoked.add(&shared.state, revocation(what, 1)).unwrap();
        let (status, text) = tokio::time::timeout(Duration::from_secs(5), call)
            .await
            .unwrap()
            .unwrap();
        // Whole or as the last event of a stream, it is said by its code.
        assert!(text.contains("\"revoked\""), "{what}: {text}");
        let expected = if silent {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::OK
        };
        assert_eq!(status, expected, "{what}");
        if !silent {
            until(|| closed.load(std::sync::atomic::Ordering::Acquire)).await;
        }
        assert_eq!(used(&gated), 60, "settled at what was set aside");
        let records = gated.records().await;
        let closing = records
            .iter()
            .filter_map(|stored| stored.record.as_ref())
            .find(|record| record.kind == RecordKind::Closing)
            .unwrap();
        assert_eq!(
            (closing.ending, closing.code),
            (Some(Ending::Withheld), Some(Code::Revoked)),
            "{what}"
        );
        let note = closing.note.as_deref().unwrap_or_default();
        assert!(note.starts_with("revocation "), "{what}: {note}");
    }
}

#[tokio::test]
async fn a_session_can_be_revoked_by_the_handle_in_its_records() {
    let up = Upstreamed::answering(|_| answer(1, 1)).await;
    let gated = gated(&up, Vec::new()).await;
    assert_eq!(gated.post(CHAT, asking(5, false)).await.0, StatusCode::OK);
    let session: SessionId = gated
        .records()
        .await
        .iter()
        .find_map(|stored| stored.record.as_ref()?.session)
        .unwrap();
    let shared = gated.running.shared();
    let one = revocation(&format!("session:{session}"), 1);
    shared.revoked.add(&shared.state, one).unwrap();
    assert_eq!(gated.post(CHAT, asking(5, false)).await.0, StatusCode::FORBIDDEN);
}
