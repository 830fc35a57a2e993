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
    let mut weir = Weir::new(&inspector(), owner(), &Arc::default(), 1 << 20, holds);
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
    let mut weir = Weir::new(&inspector(), owner(), &Arc::default(), 1 << 20, Holds::Nothing);
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
