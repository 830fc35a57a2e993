//! Without a record there is no call: what the gateway does when its ledger's disk fails, and that nobody fills it.

#[path = "../../store/tests/failing/mod.rs"]
mod failing;
#[expect(dead_code, reason = "the model tests use more of it")]
mod support;

use std::time::Duration;

use bartizan_gateway::config::Family;
use bartizan_types::{RecordKind, RulingWord};
use failing::{Failing, Fails};
use support::{Answer, Gated, OPEN, Upstreamed, config, upstream};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const SAID: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;

async fn a_failing_disk_stops_every_call(fails: Fails) {
    let answers = (0..4).map(|_| Answer::Whole(200, "application/json", SAID.as_bytes().to_vec()));
    let provider = Upstreamed::start(answers.collect()).await;
    let place = tempfile::tempdir().unwrap();
    let (medium, switch) = Failing::on(place.path());
    let config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    let gate = Gated::start_on(config, OPEN, Some(medium)).await;
    let (status, _, _) = gate.post(CHAT, ASK).await;
    assert_eq!(status.as_u16(), 200);
    // The answer's closing record is written before the disk fails.
    gate.records().await;
    switch.set(fails);
    for _ in 0..2 {
        let (status, _, body) = gate.post(CHAT, ASK).await;
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status.as_u16(), 503, "{said}");
        assert_eq!(said["error"]["code"], "ledger.poisoned", "{said}");
    }
    // A disk that is well again proves nothing about what it lost.
    switch.set(Fails::Nothing);
    let (status, _, _) = gate.post(CHAT, ASK).await;
    assert_eq!(status.as_u16(), 503);
    assert_eq!(provider.count(), 1, "nothing unrecorded may reach the upstream");
}

#[tokio::test]
async fn a_failed_write_stops_every_call() {
    a_failing_disk_stops_every_call(Fails::Write).await;
}

#[tokio::test]
async fn a_failed_sync_stops_every_call() {
    a_failing_disk_stops_every_call(Fails::Sync).await;
}

/// Denials of an agent that does not stop: past its quota one summary counts them, and every id it was told is known.
#[tokio::test]
async fn a_flood_of_denied_calls_does_not_fill_the_log() {
    let provider = Upstreamed::start(Vec::new()).await;
    let mut config = config(vec![upstream("openai", Family::Openai, provider.address)]);
    config.limits.denials_per_minute = 50;
    let gate = Gated::start(config, "forbid (principal, action, resource);").await;
    let mut told = Vec::new();
    for _ in 0..200 {
        let (status, headers, _) = gate.post(CHAT, ASK).await;
        assert_eq!(status.as_u16(), 403);
        told.push(headers["x-bartizan-call"].to_str().unwrap().to_owned());
    }
    let ledger = gate.ledger.clone();
    gate.running.drain().await;
    ledger.close().await.unwrap();
    let all = ledger
        .search(&bartizan_store::Query {
            limit: 1000,
            ..Default::default()
        })
        .unwrap();
    let records: Vec<_> = all.iter().filter_map(|stored| stored.record.as_ref()).collect();
    let denied = records
        .iter()
        .filter(|record| record.ruling == Some(RulingWord::Deny))
        .count();
    // Two minutes of the clock, if one ended meanwhile.
    assert!(denied == 5 || denied == 10, "{denied}");
    let summaries = records
        .iter()
        .filter(|record| record.kind == RecordKind::RejectionSummary);
    let notes: Vec<_> = summaries.filter_map(|record| record.note.as_deref()).collect();
    assert!(
        notes
            .iter()
            .all(|note| note.contains("m@openai") || note.contains("openai/m")),
        "{notes:?}"
    );
    for id in told {
        let id = id.parse().unwrap();
        assert!(records.iter().any(|record| record.call == Some(id)), "{id}");
    }
    assert_eq!(provider.count(), 0);
}

/// The id that a refusal shows is that of a record: its own, or the summary that counts it.
#[tokio::test]
async fn every_refusal_shows_an_id_that_the_log_knows() {
    let provider = Upstreamed::start(Vec::new()).await;
    let mut settings = config(vec![upstream("openai", Family::Openai, provider.address)]);
    settings.limits.rejections_per_minute = 4;
    let gate = Gated::start(settings, OPEN).await;
    // The quota is that of a minute of the clock: all of this happens within one.
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let second = clock.unwrap().as_secs() % 60;
    tokio::time::sleep(Duration::from_secs(if second > 50 { 61 - second } else { 0 })).await;
    let mut told = Vec::new();
    for at in 0..12 {
        let (path, body) = [
            (CHAT, "{"),
            ("/mcp", "{}"),
            ("/nowhere", ""),
            ("/v1/messages", ASK),
        ][at % 4];
        let (_, headers, _) = gate.post(path, body).await;
        told.push(headers["x-bartizan-call"].to_str().unwrap().to_owned());
    }
    let bad = gate.send(CHAT, ASK, &[]).await;
    told.push(bad.1["x-bartizan-call"].to_str().unwrap().to_owned());
    let own: std::collections::BTreeSet<_> = told[..4].iter().collect();
    assert_eq!(own.len(), 4);
    assert!(
        told[4..].iter().all(|id| *id == told[4]),
        "one summary counts them: {told:?}"
    );
    let ledger = gate.ledger.clone();
    gate.running.drain().await;
    for (at, id) in told.iter().enumerate() {
        let query = bartizan_store::Query {
            call: Some(id.parse().unwrap()),
            limit: 10,
            ..Default::default()
        };
        // What waits for the disk is written in a moment.
        let mut found = Vec::new();
        for _ in 0..100 {
            found = ledger.search(&query).unwrap();
            if !found.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let record = found[0].record.clone().unwrap();
        let kind = if at < 4 {
            RecordKind::Rejection
        } else {
            RecordKind::RejectionSummary
        };
        assert_eq!((found.len(), record.kind), (1, kind), "{at}");
        if at >= 4 {
            let note = record.note.unwrap();
            assert!(
                note.contains("identity.credential_missing 1") && note.contains("wire.not_found 2"),
                "{note}"
            );
        }
    }
}
