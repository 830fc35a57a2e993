//! Tier 4: what an unvouched value is like, told to humans and to records. Nothing that is allowed rests on it.

mod desk;

use bartizan_flow::{Decision, Memory, Source};
use bartizan_types::flow::Likeness;
use serde_json::{Value, json};

use self::desk::Desk;

fn asked(prompt: &str) -> Memory {
    let mut memory = Memory::new();
    memory.prompt(prompt);
    memory
}

fn near(memory: &Memory, text: &str) -> Option<(Likeness, Source, String)> {
    memory
        .near(text)
        .map(|near| (near.like.how, near.like.source, near.value))
}

#[test]
fn what_looks_like_her_word_is_told_from_it() {
    let memory = asked("Send the plan to ada@corp.example and to Mario Rossini, please.");
    let hers = |how| Some((how, Source::Prompt, "ada@corp.example".to_owned()));
    for (text, how) in [
        ("\u{430}da@corp.example", Likeness::LooksTheSame),
        ("ada@c\u{200b}orp.example", Likeness::LooksTheSame),
        ("ada@c0rp.example", Likeness::LooksTheSame),
        ("ada@cirp.example", Likeness::Letters),
        ("dada@corp.example", Likeness::Letters),
        ("ada@corp.example.mail.test", Likeness::Around),
        ("ada@evil.test", Likeness::OtherHost),
    ] {
        assert_eq!(near(&memory, text), hers(how), "{text}");
    }
    assert_eq!(
        near(&memory, "Mario Rosini"),
        Some((Likeness::Letters, Source::Prompt, "Mario Rossini".to_owned()))
    );
    let memory = asked("Pay the bill at https://example-farm.test/pay.");
    let seen = near(&memory, "https://example-farrn.test/pay");
    assert_eq!(seen.map(|(how, ..)| how), Some(Likeness::LooksTheSame));
}

#[test]
fn what_is_not_alike_is_like_nothing() {
    let memory = asked("Cancel INV-1041 of bob@corp.example by 2026-03-04, 120 of it.");
    let long = "a".repeat(4000);
    for text in [
        "INV-1042",
        "121",
        "2026-03-05",
        "eve@evil.test",
        "corp",
        "",
        "bob",
        &long,
    ] {
        assert_eq!(near(&memory, text), None, "{text}");
    }
}

fn bank() -> Value {
    json!({
        "list_payees": {"effect": "read", "results": [["*.iban", "trusted"], ["*.note", "structured"]]},
        "send_money": {"effect": "pay", "arguments": [["iban", "target"], ["amount", "amount"]]},
    })
}

#[test]
fn trusted_results_and_own_domains_count_and_outsiders_fields_do_not() {
    let mut desk = Desk::new("Pay 120 to the plumber.", bank());
    desk.memory.tenant("corp.example");
    let told = json!([{"iban": "DE89370400440532013000", "note": "GB82WEST12345698765432"}]);
    desk.read("list_payees", json!({}), told);
    let seen = near(&desk.memory, "DE89370400440532013010").map(|(how, source, _)| (how, source));
    assert_eq!(seen, Some((Likeness::Letters, Source::Trusted)));
    assert_eq!(near(&desk.memory, "GB82WEST12345698765423"), None);
    assert_eq!(
        near(&desk.memory, "boss@cirp.example"),
        Some((Likeness::Letters, Source::Directory, "corp.example".to_owned()))
    );
    // However much it is like one of hers, it is nobody's.
    let pays = json!({"iban": "DE89370400440532013010", "amount": 120});
    assert!(matches!(
        desk.rule("send_money", pays),
        Decision::Ask(_) | Decision::Deny(_)
    ));
}

#[test]
fn a_session_full_of_values_is_looked_through_in_part() {
    let mut desk = Desk::new("Pay 120 to the plumber.", bank());
    let payees: Vec<Value> = (0..400)
        .map(|at| json!({"iban": format!("payee number {at}"), "note": ""}))
        .collect();
    for _ in 0..20 {
        desk.read("list_payees", json!({}), json!(payees));
    }
    assert_eq!(
        near(&desk.memory, "paye numberr 399").map(|(how, ..)| how),
        Some(Likeness::Letters)
    );
}
