//! Whom and which the human's words mean: what is told from what was read, and what takes it away again.

mod desk;

use bartizan_flow::{Decision, Reason};
use serde_json::{Value, json};

fn desk(prompt: &str) -> desk::Desk {
    let tools = json!({
        "search_mail": {"effect": "read", "arguments": [["query", "selector"]],
            "results": [["*.id", "trusted"], ["*.from", "structured"], ["*.name", "structured"], ["*.reply_to", "structured"]]},
        "search_guests": {"effect": "read", "arguments": [["query", "selector"]],
            "results": [["*.guest_id", "trusted"], ["*.name", "structured"], ["*.email", "structured"]]},
        "list_accounts": {"effect": "read", "results": [["*.id", "trusted"], ["*.balance", "trusted"]]},
        "list_files": {"effect": "read", "arguments": [["query", "selector"]],
            "results": [["*.id", "trusted"], ["*.day", "trusted"], ["*.name", "structured"]]},
        "send_mail": {"effect": "send", "arguments": [["to.*", "target"], ["body", "content"], ["files.*", "selector"], ["reply", "selector"]]},
        "update_guest": {"effect": "write", "arguments": [["guest_id", "selector"], ["email", "target"]]},
        "delete_file": {"effect": "delete", "arguments": [["id", "selector"]]},
        "create_event": {"effect": "write", "arguments": [["title", "content"], ["start", "time"], ["end", "time"], ["guests.*", "target"]]},
        "update_event": {"effect": "write", "arguments": [["id", "selector"], ["start", "time"]]},
    });
    desk::Desk::new(prompt, tools)
}

const ANN: &str = "ann.lee@shop.example";

fn mail(id: &str, from: &str, reply: &str) -> Value {
    json!({"id": id, "from": from, "name": "Ann Lee", "reply_to": reply, "body": "When?"})
}

fn answer(desk: &desk::Desk, to: &str) -> Decision {
    desk.rule(
        "send_mail",
        json!({"to": [to], "body": "On Monday.", "reply": "m-1"}),
    )
}

/// A desk at which her search for Ann Lee found these.
fn asked(mails: &Value) -> desk::Desk {
    let mut desk = desk("Answer Ann Lee's mail: on Monday");
    desk.read("search_mail", json!({"query": "from:ann"}), mails.clone());
    desk
}

#[test]
fn whom_she_names_has_one_address() {
    let one = asked(&json!([mail("m-1", ANN, ANN)]));
    assert_eq!(answer(&one, ANN), Decision::Allow);
    assert_ne!(answer(&one, "eve@evil.example"), Decision::Allow);
    for two in [
        json!([
            mail("m-1", ANN, ANN),
            mail("m-2", "ann.lee@shop-mail.example", "ann.lee@shop-mail.example")
        ]),
        json!([mail("m-1", ANN, "desk@elsewhere.example")]),
    ] {
        let desk = asked(&two);
        for to in [ANN, "ann.lee@shop-mail.example", "desk@elsewhere.example"] {
            assert_ne!(answer(&desk, to), Decision::Allow, "{to} of {two}");
        }
    }
}

#[test]
fn what_the_service_has_no_hand_in_names_nobody() {
    let desk = asked(&json!([{"from": ANN, "name": "Ann Lee", "reply_to": ANN, "body": "When?"}]));
    assert_ne!(answer(&desk, ANN), Decision::Allow);
}

#[test]
fn whoever_strays_knows_nobody() {
    let one = json!([mail("m-1", ANN, ANN)]);
    // Things that she does not speak of, another's record, and a call that is not let through.
    let mut desk = asked(&one);
    desk.read("list_accounts", json!({}), json!([{"id": "a-1", "balance": 7}]));
    assert_ne!(answer(&desk, ANN), Decision::Allow);
    let mut desk = asked(&one);
    desk.read(
        "search_guests",
        json!({"query": "Bo Berg"}),
        json!([{"guest_id": "g-1", "name": "Bo Berg", "email": "bo@shop.example"}]),
    );
    assert_ne!(answer(&desk, ANN), Decision::Allow);
    let mut desk = asked(&one);
    let refused = desk.assess("delete_file", &json!({"id": "f-1"}));
    desk.memory.refused(&refused);
    assert_ne!(answer(&desk, ANN), Decision::Allow);
}

#[test]
fn nothing_goes_along_but_what_is_theirs() {
    let desk = asked(&json!([mail("m-1", ANN, ANN)]));
    let with = |files: Value| {
        desk.rule(
            "send_mail",
            json!({"to": [ANN], "body": "On Monday.", "files": files}),
        )
    };
    assert_ne!(with(json!(["f-1"])), Decision::Allow);
    assert_eq!(with(json!(["m-1"])), Decision::Allow, "their own mail");
    let link = desk.rule(
        "send_mail",
        json!({"to": [ANN], "body": "https://evil.example/x"}),
    );
    assert_eq!(link, Decision::Ask(Reason::ActiveTokens));
    // Words go to her, and nothing of hers is changed to hers.
    let mut desk = desk;
    desk.read(
        "search_guests",
        json!({"query": "Ann Lee"}),
        json!([{"guest_id": "g-1", "name": "Ann Lee", "email": ANN}]),
    );
    assert_ne!(
        desk.rule("update_guest", json!({"guest_id": "g-1", "email": ANN})),
        Decision::Allow
    );
}

#[test]
fn the_record_that_more_of_her_words_fit_is_the_one() {
    let files = json!([
        {"id": "f-11", "day": "2026-03-01", "name": "harvest report draft"},
        {"id": "f-12", "day": "2026-03-02", "name": "harvest report final"},
        {"id": "f-13", "day": "2026-03-02", "name": "payroll"},
    ]);
    let mut desk = desk("Delete the draft of the harvest report, the final one stays");
    desk.read("list_files", json!({"query": "harvest"}), files);
    let delete = |id: &str| desk.rule("delete_file", json!({"id": id}));
    assert_eq!(delete("f-11"), Decision::Allow);
    for other in ["f-12", "f-13", "f-14"] {
        assert_ne!(delete(other), Decision::Allow, "{other}");
    }
}

#[test]
fn two_that_fit_alike_are_none() {
    let files = json!([
        {"id": "f-11", "day": "2026-03-01", "name": "report draft"},
        {"id": "f-12", "day": "2026-03-02", "name": "report draft"},
    ]);
    let mut desk = desk("Delete the draft of the report");
    desk.read("list_files", json!({"query": "report"}), files);
    for id in ["f-11", "f-12"] {
        assert_ne!(
            desk.rule("delete_file", json!({"id": id})),
            Decision::Allow,
            "{id}"
        );
    }
}

#[test]
fn what_she_speaks_of_for_another_reason_is_not_to_be_gone() {
    let mut desk = desk("Read the barn contract and delete the old barn plan");
    desk.read(
        "list_files",
        json!({"query": "barn contract"}),
        json!([{"id": "f-11", "day": "2026-03-01", "name": "barn contract"}]),
    );
    assert_ne!(desk.rule("delete_file", json!({"id": "f-11"})), Decision::Allow);
}

#[test]
fn a_day_is_content_only_where_it_is_only_noted() {
    let mut desk = desk("Put the date from Ann Lee's mail into my calendar, and move the review");
    desk.read(
        "search_mail",
        json!({"query": "from:ann"}),
        json!([mail("m-1", ANN, ANN)]),
    );
    let event = |more: Value| {
        let mut call = json!({"title": "Ann", "start": "2026-11-12T10:00", "end": "2026-11-12T11:00"});
        call.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        desk.rule("create_event", call)
    };
    assert_eq!(event(json!({})), Decision::Allow);
    assert_ne!(event(json!({"guests": ["eve@evil.example"]})), Decision::Allow);
    assert_ne!(
        event(json!({"title": "pay at https://evil.example"})),
        Decision::Allow
    );
    let moved = desk.rule("update_event", json!({"id": "m-1", "start": "2026-11-12T10:00"}));
    assert_ne!(moved, Decision::Allow, "what is there is moved by her word");
}
