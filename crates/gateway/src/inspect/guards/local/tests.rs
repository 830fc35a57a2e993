use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use super::*;
use crate::inspect::{Piece, Source};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../classify/vectors")
        .join(name)
}

fn config(name: &str, labels: &[&str]) -> Config {
    Config {
        name: "near".to_owned(),
        folder: folder(name),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        at_percent: 60,
        kind: FindingKind::Injection,
        channels: vec!["user", "tool"],
        time: Duration::from_secs(20),
        bytes: 64 << 10,
        at_once: 1,
    }
}

fn owner() -> Owner {
    let principal = bartizan_identity::local_principal(
        bartizan_types::AgentId::new("a").unwrap(),
        None,
        bartizan_types::Issuer::new("local").unwrap(),
        bartizan_types::KeyId::new("k").unwrap(),
    );
    Owner::of(&principal)
}

fn piece(text: &str) -> Piece<'_> {
    Piece::of_text(Source::Tool, text, "/x")
}

async fn asked(judge: &Judge, pieces: &[Piece<'_>]) -> Vec<(usize, crate::inspect::Mark)> {
    let shown: Vec<Shown<'_>> = pieces.iter().map(Shown::of).collect();
    judge.ask(&owner(), &shown).await
}

/// Texts with the share of their second label, as the reference says.
fn expected() -> Vec<(String, f64)> {
    let bytes = std::fs::read(folder("deberta").join("expected.json")).unwrap();
    let all: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    all.iter()
        .map(|one| {
            let text = one["text"].as_str().unwrap().to_owned();
            (text, one["probabilities"][1].as_f64().unwrap())
        })
        .filter(|(text, _)| !text.is_empty())
        .collect()
}

#[tokio::test]
async fn what_it_is_sure_of_is_a_finding() {
    let judge = Judge::new(&config("deberta", &["MALICIOUS"])).unwrap();
    let all = expected();
    let plain = |text: &str| text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let (mut above, mut below) = (0, 0);
    for (text, share) in all.iter().filter(|(text, _)| plain(text)) {
        let said = asked(&judge, &[piece(text)]).await;
        if *share >= 0.6 {
            let mark = &said[0].1;
            assert_eq!((mark.kind, mark.what), (FindingKind::Injection, "classifier"));
            assert!((f64::from(mark.score) / 1000.0 - share).abs() < 2e-3, "{text}");
            assert_eq!(
                mark.severity,
                if *share >= 0.9 {
                    Severity::High
                } else {
                    Severity::Medium
                }
            );
            assert_eq!(mark.range, 0..text.len());
            above += 1;
        } else {
            assert!(said.is_empty(), "{text} {said:?}");
            below += 1;
        }
    }
    assert!(above > 0 && below > 0, "{above} {below}");
}

#[tokio::test]
async fn a_disguise_changes_nothing_that_it_says() {
    let judge = Judge::new(&config("deberta", &["MALICIOUS"])).unwrap();
    let (text, _) = expected()
        .into_iter()
        .find(|(text, share)| *share >= 0.7 && text.is_ascii() && text.len() > 20)
        .unwrap();
    let score = |said: Vec<(usize, Mark)>| said.first().map(|(_, mark)| mark.score);
    let plain = score(asked(&judge, &[piece(&text)]).await);
    let disguised: String = text.chars().flat_map(|c| [c, '\u{200b}']).collect();
    let said = asked(&judge, &[piece(&disguised)]).await;
    assert_eq!(said[0].1.range, 0..disguised.len() - '\u{200b}'.len_utf8());
    assert_eq!(score(said), plain);
}

#[tokio::test]
async fn what_it_did_not_read_in_time_is_not_answered() {
    let mut short = config("deberta", &["MALICIOUS"]);
    short.time = Duration::ZERO;
    let judge = Judge::new(&short).unwrap();
    let said = asked(&judge, &[piece("a text of some words")]).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].1.kind, FindingKind::GuardUnanswered);
    // Nothing of it was kept as known.
    let said = asked(&judge, &[piece("a text of some words")]).await;
    assert_eq!(said[0].1.kind, FindingKind::GuardUnanswered);
}

#[tokio::test]
async fn whoever_waits_for_a_place_waits_within_the_box() {
    let mut short = config("deberta", &["MALICIOUS"]);
    short.time = Duration::from_millis(200);
    let judge = Judge::new(&short).unwrap();
    let taken = Arc::clone(&judge.places).acquire_owned().await.unwrap();
    let began = Instant::now();
    let said = asked(&judge, &[piece("a text of some words")]).await;
    assert_eq!(said[0].1.kind, FindingKind::GuardUnanswered);
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(taken);
    let said = asked(&judge, &[piece("a text of some words")]).await;
    assert!(
        said.iter()
            .all(|(_, mark)| mark.kind != FindingKind::GuardUnanswered)
    );
}

#[tokio::test]
async fn more_than_it_is_shown_is_not_answered() {
    let mut small = config("deberta", &["MALICIOUS"]);
    small.bytes = 1024;
    let judge = Judge::new(&small).unwrap();
    let long = "word ".repeat(400);
    let said = asked(&judge, &[piece(&long), piece("short")]).await;
    let silent: Vec<usize> = said
        .iter()
        .filter(|(_, mark)| mark.kind == FindingKind::GuardUnanswered)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(silent, [0]);
    let other = Piece::of_text(Source::System, &long, "/x");
    assert!(asked(&judge, &[other]).await.is_empty(), "another channel");
}

#[test]
fn what_can_not_start_says_why() {
    let said = |config: &Config| Judge::new(config).err().unwrap().to_string();
    assert!(said(&config("none", &["x"])).contains("`config.json` of the classifier `near`"));
    let label = said(&config("deberta", &["INJECTION"]));
    assert!(
        label.contains("no label `INJECTION`; it has BENIGN, MALICIOUS"),
        "{label}"
    );
}
