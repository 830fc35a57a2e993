use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config;

const CANARY: &str = "bzk_planted_value_17";
const KEY: &str = "AKIAQYLPMN5HHHFPZAM2";

fn inspector() -> Arc<Inspector> {
    Arc::new(Inspector::new(&config::Inspect::default(), [CANARY]).unwrap())
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

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn says(text: &str, piece: usize) -> String {
    let mut rest = text;
    let mut out = String::new();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.ceil_char_boundary(piece.min(rest.len())));
        out.push_str(&event(&json!({"choices":[{"index":0,"delta":{"content":now}}]})));
        rest = later;
    }
    out + &event(&json!({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})) + "data: [DONE]\n\n"
}

/// What goes, what was seen of which kinds, and the most that was held.
fn run(stream: &str, size: usize, holds: Holds, denies: &[FindingKind]) -> (String, Vec<Finding>, usize) {
    let mut weir = Weir::new(&inspector(), owner(), &Arc::default(), 1 << 20, holds, None);
    let mut seen = Vec::new();
    let mut most = 0;
    let mut out = BytesMut::new();
    let mut rule = |findings: Vec<Finding>| {
        let passes = findings.iter().all(|one| !denies.contains(&one.kind));
        seen.extend(findings);
        passes
    };
    for chunk in stream.as_bytes().chunks(size) {
        weir.push(chunk, &mut rule, &mut out).unwrap();
        most = most.max(weir.held_bytes());
    }
    weir.finish(&mut rule, &mut out);
    (String::from_utf8(out.to_vec()).unwrap(), seen, most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_split_of_the_bytes_gives_the_same_bytes_and_findings(
        front in 0_usize..400, back in 0_usize..200, piece in 1_usize..60, size in 1_usize..300,
        value in 0_usize..4, denies in any::<bool>(),
    ) {
        let value = [KEY, CANARY, "ana.lopez@example.com", "nothing at all"][value];
        let text = format!("{}{value} {}", "ab cde ".repeat(front / 7), "fgh ij\n".repeat(back / 7));
        let stream = says(&text, piece);
        let denied: &[FindingKind] = if denies { &[FindingKind::Secret, FindingKind::Canary] } else { &[] };
        let whole = run(&stream, usize::MAX, Holds::Stretches, denied);
        let split = run(&stream, size, Holds::Stretches, denied);
        prop_assert_eq!(&whole.0, &split.0);
        prop_assert_eq!(&whole.1, &split.1);
        let stops = denies && (value == KEY || value == CANARY);
        if stops {
            prop_assert!(!whole.0.contains(&value[..4]));
        } else {
            prop_assert_eq!(&whole.0, &stream);
        }
        let found = match value {
            KEY => Some(FindingKind::Secret),
            CANARY => Some(FindingKind::Canary),
            "nothing at all" => None,
            _ => Some(FindingKind::PersonalData),
        };
        if let Some(found) = found {
            let times = whole.1.iter().filter(|one| one.kind == found).count();
            prop_assert_eq!(times, 1, "{:?}", whole.1);
        }
        // Holding changes when events go, and neither what is seen nor, where nothing is denied, what goes.
        let free = run(&stream, size, Holds::Nothing, &[]);
        prop_assert_eq!(&free.0, &stream);
        let kinds = |found: &[Finding]| found.iter().map(|one| (one.kind, one.span)).collect::<BTreeSet<_>>();
        if !stops {
            prop_assert_eq!(kinds(&free.1), kinds(&whole.1));
        }
    }
}

#[test]
fn little_is_held_and_nothing_where_nothing_is_acted_on() {
    let stream = says(&"some words of an answer ".repeat(400), 6);
    let per_event = stream.len() / (24 * 400 / 6);
    let (out, _, most) = run(&stream, 1 << 10, Holds::Stretches, &[]);
    assert_eq!(out, stream);
    // Two stretches, of at most 96 bytes and a word each, in events of six bytes.
    assert!(most <= 45 * per_event, "{most} of {per_event}");
    let mut weir = Weir::new(
        &inspector(),
        owner(),
        &Arc::default(),
        1 << 20,
        Holds::Nothing,
        None,
    );
    let mut out = BytesMut::new();
    for event in stream.split_inclusive("\n\n") {
        let before = out.len();
        weir.push(event.as_bytes(), &mut |_| true, &mut out).unwrap();
        assert_eq!(out.len(), before + event.len(), "an event goes at once");
    }
}

#[test]
fn what_shows_only_at_the_end_holds_the_whole_text() {
    let text = format!(
        "{}\n```sh\nrm -rf / --no-preserve-root\n```\n",
        "words ".repeat(200)
    );
    let (out, seen, _) = run(&says(&text, 9), 64, Holds::Whole, &[FindingKind::DangerousCode]);
    assert_eq!(out, "");
    assert!(seen.iter().any(|one| one.kind == FindingKind::DangerousCode));
}

#[test]
fn texts_of_several_choices_wait_each_for_its_own() {
    let one = |index: u64, text: &str| event(&json!({"choices":[{"index":index,"delta":{"content":text}}]}));
    let mut stream = String::new();
    for at in 0..60 {
        stream.push_str(&one(at % 2, "some words "));
    }
    stream.push_str(&one(1, KEY));
    for at in 0..60 {
        stream.push_str(&one(at % 2, " and others"));
    }
    let (out, seen, _) = run(&stream, 50, Holds::Stretches, &[FindingKind::Secret]);
    assert!(!out.contains("AKIA") && out.contains("some words"));
    assert_eq!(seen.first().map(|one| one.pointer.as_str()), Some("/stream/1/0"));
}

#[test]
fn a_flood_of_text_is_bounded_and_said() {
    let stream = says(&"x".repeat(3000).repeat(200), 3000);
    let (out, seen, most) = run(&stream, 1 << 16, Holds::Stretches, &[]);
    assert_eq!(out.len(), stream.len());
    assert!(most < 64 << 10, "{most}");
    assert!(seen.iter().any(|one| one.kind == FindingKind::Unseen));
}

/// A guard that minds a word, and never answers about another.
fn minds(pieces: &[Piece<'_>], shown: &mut Vec<String>) -> Vec<Finding> {
    pieces
        .iter()
        .filter_map(|piece| {
            shown.push(piece.text.to_string());
            let kind = match &*piece.text {
                text if text.contains("mutiny") => FindingKind::Flagged,
                text if text.contains("silence") => FindingKind::GuardUnanswered,
                _ => return None,
            };
            Some(Finding {
                kind,
                ..unseen_at(&piece.pointer)
            })
        })
        .collect()
}

/// What events say.
fn text_of(stream: &str) -> String {
    stream
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|value| Some(value.pointer("/choices/0/delta/content")?.as_str()?.to_owned()))
        .collect()
}

struct Judged {
    out: String,
    seen: Vec<Finding>,
    shown: Vec<String>,
    most: usize,
}

/// The same with a guard that is asked whenever there is something to ask.
fn judged(stream: &str, size: usize, waits: bool, denies: &[FindingKind]) -> Judged {
    let mut weir = Weir::new(
        &inspector(),
        owner(),
        &Arc::default(),
        1 << 20,
        Holds::Nothing,
        Some(waits),
    );
    let (mut seen, mut shown, mut most) = (Vec::new(), Vec::new(), 0);
    let mut out = BytesMut::new();
    let mut rule = |findings: Vec<Finding>| {
        let passes = findings.iter().all(|one| !denies.contains(&one.kind));
        seen.extend(findings);
        passes
    };
    let mut ask = |weir: &mut Weir, rule: &mut Rule<'_>, out: &mut BytesMut| {
        most = most.max(weir.held_bytes());
        while let Some(pieces) = weir.question() {
            let said = minds(&pieces, &mut shown);
            weir.judged(said, rule, out);
        }
    };
    for chunk in stream.as_bytes().chunks(size) {
        weir.push(chunk, &mut rule, &mut out).unwrap();
        ask(&mut weir, &mut rule, &mut out);
    }
    weir.finish(&mut rule, &mut out);
    ask(&mut weir, &mut rule, &mut out);
    weir.unjudged(&mut rule);
    let out = String::from_utf8(out.to_vec()).unwrap();
    Judged {
        out,
        seen,
        shown,
        most,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn guards_hold_an_answer_alike_however_its_bytes_are_cut(
        front in 0_usize..6000, middle in 0_usize..3000, piece in 1_usize..200, size in 1_usize..900,
        word in 0_usize..3, key in any::<bool>(),
    ) {
        let word = ["mutiny", "silence", "calm"][word];
        let key = if key { KEY } else { "none" };
        let text = format!(
            "{}{word} {}{key} {}", "ab cde ".repeat(front / 7), "fgh ij\n".repeat(middle / 7), "k ".repeat(900)
        );
        let stream = says(&text, piece);
        let denies = [FindingKind::Flagged, FindingKind::GuardUnanswered, FindingKind::Secret];
        let whole = judged(&stream, usize::MAX, true, &denies);
        let split = judged(&stream, size, true, &denies);
        prop_assert_eq!(&whole.out, &split.out);
        prop_assert_eq!(&whole.seen, &split.seen);
        prop_assert_eq!(&whole.shown, &split.shown);
        prop_assert!(stream.starts_with(&whole.out));
        // What was minded, and what was not judged, never goes; what stands well before it does.
        let went = text_of(&whole.out);
        prop_assert!(text.starts_with(&went));
        if word != "calm" || key != "none" {
            prop_assert!(!went.contains("mutiny") && !went.contains("silence") && !went.contains(KEY));
            prop_assert!(went.len() + (4 << 10) + 2 * piece > front, "{} of {}", went.len(), front);
        } else {
            prop_assert_eq!(&whole.out, &stream);
        }
        prop_assert!(!whole.shown.iter().any(|shown| shown.contains(KEY)));
        // Where policy acts on none of it, nothing waits, and guards are shown all of it.
        let free = judged(&stream, size, false, &[]);
        prop_assert_eq!(&free.out, &stream);
        prop_assert!(!free.shown.iter().any(|shown| shown.contains(KEY)));
        let told = free.seen.iter().any(|one| one.kind == FindingKind::Flagged);
        prop_assert_eq!(told, word == "mutiny");
    }
}

#[test]
fn what_waits_for_guards_is_bounded() {
    let stream = says(&"some words of an answer ".repeat(4000), 40);
    let calm = judged(&stream, 500, true, &[FindingKind::Flagged]);
    assert_eq!(calm.out, stream);
    // A part and what is looked at with it, in events of forty bytes, and the same once more as text.
    let per_event = stream.len() / (24 * 4000 / 40);
    assert!(calm.most < 2 * per_event * (2 << 10) / 40, "{}", calm.most);
    assert!(calm.shown.len() > 60 && calm.shown.iter().all(|shown| shown.len() < 3 << 10));
    let all: usize = calm.shown.iter().map(String::len).sum();
    assert!(all >= 24 * 4000, "every byte was shown");
}

#[test]
fn a_part_without_white_space_does_not_wait_for_some() {
    let stream = says(&format!("{}mutiny", "x".repeat(20_000)), 100);
    let minded = judged(&stream, 777, true, &[FindingKind::Flagged]);
    assert!(!minded.out.contains("mutiny") && minded.out.len() < stream.len());
    assert!(minded.seen.iter().any(|one| one.kind == FindingKind::Flagged));
}

#[test]
fn strings_beside_the_texts_are_shown_too() {
    let cited =
        event(&json!({"choices":[{"index":0,"delta":{"annotations":[{"note":"a mutiny is planned"}]}}]}));
    let stream = says("fine ", 10).replacen("data: ", &format!("{cited}data: "), 1);
    let minded = judged(&stream, 64, true, &[FindingKind::Flagged]);
    assert_eq!(minded.out, "");
    assert!(
        judged(&stream, 64, false, &[])
            .shown
            .iter()
            .any(|shown| shown.contains("mutiny"))
    );
}

#[test]
fn what_guards_were_not_asked_about_is_told() {
    let stream = says(&"words ".repeat(100), 30);
    let mut weir = Weir::new(
        &inspector(),
        owner(),
        &Arc::default(),
        1 << 20,
        Holds::Nothing,
        Some(true),
    );
    let (mut seen, mut out) = (Vec::new(), BytesMut::new());
    let mut rule = |findings: Vec<Finding>| {
        seen.extend(findings);
        true
    };
    // The agent goes away, or the upstream breaks off.
    weir.push(&stream.as_bytes()[..400], &mut rule, &mut out).unwrap();
    weir.finish(&mut rule, &mut out);
    weir.unjudged(&mut rule);
    assert!(out.is_empty(), "what nobody judged does not go");
    assert_eq!(
        seen.iter().map(|one| one.kind).collect::<Vec<_>>(),
        [FindingKind::GuardUnanswered]
    );
}

/// What does not end as JSON is named as that, and what had no room is no mismatch.
#[test]
fn a_stream_that_breaks_off_is_incomplete() {
    let request = r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","required":["n"]}}}}"#;
    let expected = Arc::new(Expected::new(request, &[]));
    let seen = |stream: &str| -> Vec<String> {
        let mut weir = Weir::new(&inspector(), owner(), &expected, 1 << 20, Holds::Nothing, None);
        let mut found = Vec::new();
        let mut rule = |findings: Vec<Finding>| {
            found.extend(findings);
            true
        };
        let mut out = BytesMut::new();
        weir.push(stream.as_bytes(), &mut rule, &mut out).unwrap();
        weir.finish(&mut rule, &mut out);
        let mismatches = found.iter().filter(|one| one.kind == FindingKind::OutputMismatch);
        mismatches.map(|one| one.what.to_string()).collect()
    };
    assert!(seen(&says(r#"{"n": 12345}"#, 4)).is_empty());
    assert_eq!(seen(&says(r#"{"m": 12345}"#, 4)), ["schema"]);
    assert_eq!(seen(&says("I would rather not say.", 4)), ["no_json"]);
    let whole = says(r#"{"n": 12345}"#, 4);
    let cut = whole.find("345").unwrap();
    let cut = whole[..cut].rfind("data:").unwrap();
    assert_eq!(seen(&whole[..cut]), ["incomplete"]);
    // The model calls a tool, and says nothing.
    let silent = event(&json!({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}))
        + &event(&json!({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}));
    assert!(seen(&silent).is_empty());
    let long = format!(r#"{{"n": "{}"}}"#, "ab ".repeat(BYTES / 3 + 10));
    assert!(seen(&says(&long, 4096)).is_empty());
}
