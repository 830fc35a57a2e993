use bartizan_types::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;

const CARD: &str = "4111111111111111";

fn vault() -> Vault {
    Vault::new("s", Secret::new([7; 32]), bartizan_privacy::Bounds::default())
}

pub(super) fn owner() -> crate::mcp::Owner {
    let principal = bartizan_identity::local_principal(
        bartizan_types::AgentId::new("a").unwrap(),
        None,
        bartizan_types::Issuer::new("local").unwrap(),
        bartizan_types::KeyId::new("k").unwrap(),
    );
    crate::mcp::Owner::of(&principal)
}

/// Masks the pieces of a call's arguments on their way to a tool, with the rule for cards and mail addresses.
fn masked(vault: &mut Vault, act: MaskAct, arguments: &str) -> Value {
    let rule = MaskRule {
        kinds: ["card", "email"].map(str::to_owned).into(),
        act,
        models: Vec::new(),
        tools: vec!["*".to_owned()],
        results: false,
        answers: false,
    };
    let config = config::Privacy {
        rules: vec![rule],
        ..config::Privacy::default()
    };
    let privacy = Privacy::new(&config, None);
    let inspector = Inspector::new(&config::Inspect::default(), []).unwrap();
    let pieces = of_value(arguments, Source::Data, "");
    let looked = inspector.look(&owner(), &pieces);
    let edits = privacy.edits_in(
        vault,
        (Some(&inspector), None),
        Towards::Tool("s/t"),
        &pieces,
        &looked,
    );
    let text = bartizan_wire::json::replace(arguments, &edits.unwrap().changes);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn numbers_and_keys_are_masked_and_come_back() {
    let mut vault = vault();
    let before = json!({"card": 4_111_111_111_111_111_i64, "all": [[4_111_111_111_111_111_i64]], "n": 12,
        "by": {"ana.lopez@corp.example": {"iban": 1}, "card": CARD}});
    let after = masked(&mut vault, MaskAct::Tokenise, &before.to_string());
    let told = after.to_string();
    assert!(!told.contains(CARD) && !told.contains("ana.lopez"), "{told}");
    assert_eq!(after.get("card"), after.pointer("/all/0/0"));
    assert!(
        after
            .get("card")
            .is_some_and(|card| card.is_u64() && card.to_string().len() == 16)
    );
    assert_eq!(after.get("n"), Some(&json!(12)));
    // What is masked once is not masked twice.
    let twice = masked(&mut vault, MaskAct::Tokenise, &told);
    assert_eq!(twice, after);
    let back = restored(&vault, &after, clock::now(), Keys::Restored, &mut |_| true);
    assert_eq!(back, before);
}

#[test]
fn a_number_with_an_empty_fraction_is_the_same_value() {
    let told = masked(
        &mut vault(),
        MaskAct::Tokenise,
        r#"{"card": 4111111111111111.0, "x": 4.111111111111111e15, "y": 4111111111111111.5, "z": -4111111111111111}"#,
    );
    assert!(told.get("card").is_some_and(Value::is_u64), "{told}");
    assert_eq!(told.get("card"), told.get("x"));
    assert_eq!(told.get("card"), told.get("z"));
    assert_eq!(told.get("y"), Some(&json!(4_111_111_111_111_111.5)));
}

#[test]
fn a_short_file_in_base64_stays_one() {
    let digits = STANDARD.encode("n,m\nKim,kim.lee@north-bay.net\n");
    let told = masked(
        &mut vault(),
        MaskAct::Tokenise,
        &json!({"blob": digits}).to_string(),
    );
    let blob = told.get("blob").and_then(Value::as_str).unwrap();
    let text = String::from_utf8(STANDARD.decode(blob).unwrap()).unwrap();
    assert!(
        text.starts_with("n,m\nKim,bz-email-") && text.ends_with('\n'),
        "{text}"
    );
}

#[test]
fn one_escape_or_a_soft_break_in_a_value_hides_it_from_nobody() {
    for text in [
        r"to maria.santos\u0040blue-harbor.org now",
        r"to maria.santos\x40blue-harbor.org now",
        "to maria.santos=40blue-harbor.org now",
        "to maria.santos@blue-har=\nbor.org now",
    ] {
        let mut vault = vault();
        let before = json!({"note": text});
        let told = masked(&mut vault, MaskAct::Tokenise, &before.to_string());
        let note = told.get("note").and_then(Value::as_str).unwrap();
        assert!(
            note.starts_with("to bz-email-") && note.ends_with(" now"),
            "{note}"
        );
        assert!(!note.contains("maria") && !note.contains("bor.org"), "{note}");
        assert_eq!(
            restored(&vault, &told, clock::now(), Keys::Restored, &mut |_| true),
            before
        );
    }
}

#[test]
fn what_stands_behind_a_picture_does_not_go_with_it() {
    let picture = b"\xff\xd8\xff\xd9".as_slice();
    let more = [
        picture,
        b"Kim Lee has the address kim.lee@north-bay.net and no other",
    ]
    .concat();
    let sent = json!({"blob": STANDARD.encode(more)}).to_string();
    let told = masked(&mut vault(), MaskAct::Tokenise, &sent);
    assert_eq!(told, json!({"blob": STANDARD.encode(picture)}));
}

#[test]
fn an_encoded_value_in_a_sentence_goes_with_what_fills_it_up() {
    let digits = STANDARD.encode("mail kim.lee@north-bay.net now");
    for digits in [digits, STANDARD.encode("mail kim.lee@north-bay.net now!!")] {
        let before = json!({"note": format!("see {digits} there")});
        let mut vault = vault();
        let told = masked(&mut vault, MaskAct::Tokenise, &before.to_string());
        let note = told.get("note").and_then(Value::as_str).unwrap();
        assert!(note.starts_with("see bz-email-") && !note.contains('='), "{note}");
        assert_eq!(
            restored(&vault, &told, clock::now(), Keys::Restored, &mut |_| true),
            before
        );
    }
}

#[test]
fn keys_that_are_redacted_stay_apart() {
    let arguments = r#"{"ana@corp.example": 1, "[email]": 2, "bob@corp.example": 3}"#;
    let told = masked(&mut vault(), MaskAct::Redact, arguments);
    assert_eq!(told, json!({"[email] 2": 1, "[email]": 2, "[email] 3": 3}));
}

#[test]
fn a_number_among_the_arguments_of_a_call_becomes_another() {
    let text = format!(r#"{{"card": {CARD}, "text": "{CARD}"}}"#);
    let body = json!({"arguments": text}).to_string();
    let mut vault = vault();
    let told = masked(&mut vault, MaskAct::Tokenise, &body);
    let told: Value = serde_json::from_str(told.get("arguments").and_then(Value::as_str).unwrap()).unwrap();
    assert!(told.get("card").is_some_and(Value::is_u64), "{told}");
    let back = restored(&vault, &told, clock::now(), Keys::Restored, &mut |_| true);
    assert_eq!(back, json!({"card": 4_111_111_111_111_111_i64, "text": CARD}));
    let other = json!({"answer": text}).to_string();
    let told = masked(&mut vault, MaskAct::Tokenise, &other).to_string();
    assert_eq!(told.matches("bz-card-").count(), 2, "{told}");
}

#[test]
fn a_number_of_a_json_text_is_one() {
    let card = CARD;
    for (text, yes) in [
        (format!("{{\"card\": {card}}}"), true),
        (format!("[1, {card} , 2]"), true),
        (format!("{{\"card\": \"{card}\"}}"), false),
        (format!("card: {card}, due"), false),
    ] {
        let at = text.find(card).unwrap();
        assert_eq!(is_bare_number(&text, &(at..at + card.len())), yes, "{text}");
    }
}

#[test]
fn patterns_are_like_names() {
    for (pattern, name, yes) in [
        ("*", "openai/gpt", true),
        ("openai/*", "openai/gpt", true),
        ("openai/*", "other/gpt", false),
        ("*/mini*", "openai/mini-2", true),
        ("openai/gpt", "openai/gpt-2", false),
        ("é*", "éa", true),
    ] {
        assert_eq!(like(pattern, name), yes, "{pattern} {name}");
    }
}
