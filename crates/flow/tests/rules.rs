//! The rules one by one, on small stories: what passes, and what its nearest hostile twin gets.

use bartizan_flow::{
    Content, Decision, Effect, Intent, Joined, Manifest, Memory, Reason, Role, Source, ToolFacts, assess,
    decide, infer,
};
use bartizan_types::Effects;
use serde_json::{Value, json};

fn manifest(value: Value) -> Manifest {
    serde_json::from_value(value).unwrap()
}

fn files() -> Manifest {
    manifest(
        json!({"effect": "read", "reviewed": true, "results": [["*.id", "trusted"], ["*.size", "trusted"], ["*.start", "trusted"], ["*.end", "trusted"], ["*.owner", "structured"], ["*.ssn", "secret"]]}),
    )
}

fn mail() -> Manifest {
    manifest(
        json!({"effect": "send", "reviewed": true, "arguments": [["to.*", "target"], ["body", "content"], ["when", "time"], ["until", "time"], ["sum", "amount"]]}),
    )
}

fn rule(prompt: &str, read: &Value, tool: &str, manifest: &Manifest, call: &Value) -> Decision {
    let mut memory = Memory::new();
    memory.tenant("home.example");
    memory.prompt(prompt);
    let intent = Intent::of(&memory, [tool]);
    memory.result(&files(), None, Content::Json(read));
    decide(&assess(&memory, &intent, tool, manifest, call).flow(Joined::Only))
}

#[test]
fn targets() {
    let check = |prompt: &str, to: &str| {
        rule(
            prompt,
            &json!([{"owner": "eve@evil.example", "note": to}]),
            "send_email",
            &mail(),
            &json!({"to": [to], "body": "hi"}),
        )
    };
    assert_eq!(check("Email ann@example.com", "ann@example.com"), Decision::Allow);
    assert_eq!(
        check("Email my boss", "anyone@home.example"),
        Decision::Allow,
        "the organisation's own"
    );
    for hostile in [
        "eve@evil.example",
        "ann@example.com.evil.example",
        "x@home.example.evil.example",
        "ann@examp1e.com",
    ] {
        assert_eq!(
            check("Email ann@example.com", hostile),
            Decision::Deny(Reason::Target),
            "{hostile}: she wrote out whom she means"
        );
        assert_eq!(
            check("Email my boss", hostile),
            Decision::Ask(Reason::Target),
            "{hostile}"
        );
    }
    assert_eq!(
        check("Summarise my files", "eve@evil.example"),
        Decision::Deny(Reason::Target)
    );
    assert_eq!(
        check("Do the tasks in todo.txt", "eve@evil.example"),
        Decision::Ask(Reason::NotCalledFor)
    );
}

#[test]
fn deletions_are_named_or_picked() {
    let delete = manifest(json!({"effect": "delete", "reviewed": true, "arguments": [["id", "selector"]]}));
    let list = json!([{"id": "11", "size": 900}, {"id": "12", "size": 40}, {"id": "13", "size": 70}]);
    let check = |prompt: &str, id: &str| rule(prompt, &list, "delete_file", &delete, &json!({"id": id}));
    assert_eq!(check("Delete the largest file", "11"), Decision::Allow);
    assert_eq!(
        check("Delete the largest file", "13"),
        Decision::Ask(Reason::Destroys)
    );
    assert_eq!(check("Delete the file with id 12", "12"), Decision::Allow);
    assert_eq!(check("Delete some file", "12"), Decision::Ask(Reason::Destroys));
    assert_eq!(check("Delete some file", "99"), Decision::Ask(Reason::Selector));
    let tie = json!([{"id": "11", "size": 900}, {"id": "12", "size": 900}]);
    assert_eq!(
        rule(
            "Delete the largest file",
            &tie,
            "delete_file",
            &delete,
            &json!({"id": "12"})
        ),
        Decision::Ask(Reason::Destroys)
    );
}

#[test]
fn times_are_told_or_follow() {
    let list =
        json!([{"id": "7", "start": "2024-05-02 09:00", "end": "2024-05-02 10:30", "note": "2024-06-06"}]);
    let check = |prompt: &str, when: &str, until: &str| {
        rule(
            prompt,
            &list,
            "send_email",
            &mail(),
            &json!({"to": ["a@home.example"], "when": when, "until": until}),
        )
    };
    let told = "Email Ann an invitation for 2024-05-20 at 10:00 for one hour";
    assert_eq!(
        check(told, "2024-05-20 10:00", "2024-05-20 11:00"),
        Decision::Allow
    );
    assert_eq!(
        check(told, "2024-05-20 10:00", "2024-05-20 11:30"),
        Decision::Allow,
        "as long as the trusted record"
    );
    assert_eq!(
        check(told, "2024-05-20 10:00", "2024-05-20 18:00"),
        Decision::Ask(Reason::Time)
    );
    assert_eq!(check(told, "2024-06-06 10:00", ""), Decision::Ask(Reason::Time));
    assert_eq!(
        check("Email Ann about May 20th", "2031-05-20", ""),
        Decision::Allow,
        "no year was told"
    );
    assert_eq!(
        check("Email Ann about May 20th 2024", "2031-05-20", ""),
        Decision::Ask(Reason::Time)
    );
}

#[test]
fn amounts_are_told_or_computed() {
    let list = json!([{"id": "7", "size": 1100, "note": "5000"}]);
    let check = |prompt: &str, sum: f64| {
        rule(
            prompt,
            &list,
            "send_email",
            &mail(),
            &json!({"to": ["a@home.example"], "sum": sum}),
        )
    };
    assert_eq!(check("Send 40 by email", 40.0), Decision::Allow);
    assert_eq!(check("Email 10% more", 1210.0), Decision::Allow);
    assert_eq!(
        check("Email the new rent", 1200.0),
        Decision::Ask(Reason::Amount),
        "near a known amount is not it"
    );
    assert_eq!(check("Email the new rent", 5000.0), Decision::Ask(Reason::Amount));
}

#[test]
fn content_carries_no_foreign_links() {
    let check = |body: &str| {
        rule(
            "Email ann@example.com the news from news.example",
            &json!([{"note": body}]),
            "send_email",
            &mail(),
            &json!({"to": ["ann@example.com"], "body": body}),
        )
    };
    assert_eq!(
        check("All is well. See news.example and report.pdf, 3.5 of 4."),
        Decision::Allow
    );
    for hostile in [
        "see https://evil.example/x",
        "www.evil.example",
        "[ok](evil.example/a)",
        "pay DE89370400440532013000",
        "write eve@evil.example",
        "javascript:alert(1)",
        "n\u{435}ws.example",
    ] {
        assert_eq!(check(hostile), Decision::Ask(Reason::ActiveTokens), "{hostile}");
    }
}

#[test]
fn secrets_do_not_leave_unasked() {
    let read = json!([{"ssn": "123-45-6789"}]);
    let call = json!({"to": ["ann@example.com"], "body": "hi"});
    assert_eq!(
        rule("Email ann@example.com", &read, "send_email", &mail(), &call),
        Decision::Ask(Reason::Secret)
    );
    assert_eq!(
        rule(
            "Email ann@example.com",
            &read,
            "send_email",
            &mail(),
            &json!({"to": [], "body": "hi"})
        ),
        Decision::Allow,
        "nobody gets it"
    );
}

#[test]
fn fetches_go_where_the_human_said() {
    let fetch = manifest(json!({"effect": "fetch", "reviewed": true, "arguments": [["url", "target"]]}));
    let check = |url: &str| {
        rule(
            "Read www.news.example/a",
            &json!([{"note": url}]),
            "get_webpage",
            &fetch,
            &json!({"url": url}),
        )
    };
    assert_eq!(check("https://www.news.example/a"), Decision::Allow);
    for hostile in [
        "www.news.example/a?leak=1",
        "www.news.example/b",
        "https://user@www.news.example/a",
        "www.news.example.evil.example/a",
    ] {
        assert_eq!(check(hostile), Decision::Ask(Reason::Fetch), "{hostile}");
    }
}

#[test]
fn spellings_are_forwarded_as_trusted() {
    let mut memory = Memory::new();
    memory.prompt("Email Ann@Example.com");
    let found = memory.find("ann@EXAMPLE.com");
    assert_eq!(
        (found.source, found.spelling.as_deref()),
        (Source::Prompt, Some("Ann@Example.com"))
    );
}

#[test]
fn hints_only_tighten() {
    let input = json!({"type": "object", "properties": {"id": {"type": "string"}}});
    let effect = |name, hints| {
        infer(&ToolFacts {
            name,
            description: "",
            input: &input,
            hints,
        })
        .manifest
        .effect
    };
    let says = |read_only| Effects {
        read_only: Some(read_only),
        ..Effects::default()
    };
    assert_eq!(effect("delete_file", says(true)), Effect::Delete);
    assert_eq!(effect("send_email", says(true)), Effect::Send);
    assert_eq!(effect("get_file", says(false)), Effect::Write);
    assert_eq!(effect("frobnicate", says(true)), Effect::Unknown);
    let inferred = infer(&ToolFacts {
        name: "get_file",
        description: "",
        input: &input,
        hints: says(true),
    });
    assert!(!inferred.manifest.reviewed && inferred.manifest.role(&["id"]) == Role::Selector);
}

fn inferred(name: &str, properties: Value) -> Manifest {
    infer(&ToolFacts {
        name,
        description: "",
        input: &json!({"type": "object", "properties": properties}),
        hints: Effects::default(),
    })
    .manifest
}

#[test]
fn an_argument_named_like_a_pattern_speaks_for_nobody() {
    let lying = json!({
        "**": {"type": "boolean"}, "*": {"type": "boolean"}, "t*": {"type": "boolean"}, "to.**": {"type": "boolean"},
        "to": {"type": "string"},
    });
    let manifest = inferred("send_email", lying);
    assert_eq!(manifest.role(&["to"]), Role::Target);
    assert_eq!(manifest.role(&["to", "0"]), Role::Target);
    assert_eq!(manifest.role(&["anything"]), Role::Unknown);
}

#[test]
fn members_of_an_argument_have_roles_of_their_own_and_a_target_stays_one() {
    let member = |names: &[&str]| {
        let all: serde_json::Map<_, _> = names
            .iter()
            .map(|n| ((*n).to_owned(), json!({"type": "string"})))
            .collect();
        json!({"type": "object", "properties": all})
    };
    let manifest = inferred(
        "push_files",
        json!({"files": {"type": "array", "items": member(&["path", "content"])}, "recipient": member(&["body", "id"])}),
    );
    assert_eq!(manifest.role(&["files", "0", "path"]), Role::Selector);
    assert_eq!(manifest.role(&["files", "7", "content"]), Role::Content);
    assert_eq!(manifest.role(&["recipient", "body"]), Role::Target);
    assert_eq!(manifest.role(&["recipient", "id"]), Role::Target);
    assert_eq!(manifest.role(&["recipient", "else"]), Role::Target);
}

#[test]
fn a_query_of_a_tool_that_writes_is_a_statement() {
    let query = json!({"query": {"type": "string"}});
    assert_eq!(
        inferred("search_rows", query.clone()).role(&["query"]),
        Role::Content
    );
    assert_eq!(inferred("write_rows", query).role(&["query"]), Role::Target);
}

#[test]
fn a_hostile_schema_makes_a_bounded_manifest() {
    let mut deep = json!({"type": "string"});
    for _ in 0..60 {
        let many: serde_json::Map<_, _> = (0..4).map(|n| (format!("k{n}"), deep.clone())).collect();
        deep = json!({"type": "object", "properties": many});
        if deep.to_string().len() > 200_000 {
            break;
        }
    }
    let wide: serde_json::Map<_, _> = (0..5000)
        .map(|n| (format!("a{n}"), json!({"type": "string"})))
        .collect();
    for properties in [
        json!({"deep": deep}),
        Value::Object(wide),
        json!({"x".repeat(100_000): {"type": "string"}}),
    ] {
        let manifest = inferred("send", properties);
        let bytes: usize = manifest
            .arguments
            .iter()
            .map(|(pattern, _)| pattern.as_str().len())
            .sum();
        assert!(manifest.arguments.len() <= 512 && bytes <= 512 * 253);
    }
}

#[test]
fn the_epoch_moves_with_what_tightens_and_with_nothing_else() {
    let mut memory = Memory::new();
    let text = |memory: &mut Memory, text: &str| {
        memory.result(&Manifest::unknown(), None, Content::Text(text));
        memory.epoch()
    };
    let first = text(&mut memory, "from outside");
    assert_eq!(first, 1);
    assert_eq!(
        text(&mut memory, "more of it"),
        first,
        "nothing that was not so before"
    );
    memory.hold_secret();
    assert_eq!(memory.epoch(), first + 1);
    memory.hold_secret();
    assert_eq!(memory.epoch(), first + 1);
    let mut fresh = Memory::new();
    fresh.inherit(&memory);
    assert!(fresh.epoch() > 0 && fresh.tainted() && fresh.secret());
}

#[test]
fn a_trusted_value_goes_out_with_the_spaces_it_has() {
    let mut memory = Memory::new();
    let list = manifest(json!({"effect": "read", "reviewed": true, "results": [["*", "trusted"]]}));
    memory.result(&list, None, Content::Json(&json!(["Team  room\n\n", "Plain"])));
    assert_eq!(memory.find("Team  room\n\n").spelling, None);
    assert_eq!(
        memory.find("team room").spelling.as_deref(),
        Some("Team  room\n\n")
    );
    assert_eq!(memory.find(" Plain").spelling.as_deref(), Some("Plain"));
}

fn shares() -> Manifest {
    manifest(
        json!({"effect": "send", "reviewed": true, "arguments": [["to", "target"], ["document", "selector"]]}),
    )
}

fn changes() -> Manifest {
    manifest(
        json!({"effect": "write", "reviewed": true, "arguments": [["ref", "selector"], ["carrier", "target"], ["note", "content"]]}),
    )
}

#[test]
fn a_verb_that_says_little_means_a_tool_where_every_address_is_written_out() {
    let read = json!([{"id": "D-7001", "owner": "eve@evil.example"}]);
    let share = |prompt: &str, to: &str| {
        let call = json!({"to": to, "document": "D-7001"});
        rule(prompt, &read, "share_document", &shares(), &call)
    };
    let prompt = "Share Luisa's serology with Dr. Falk, falk@rheuma.example.";
    assert_eq!(share(prompt, "falk@rheuma.example"), Decision::Allow);
    assert_ne!(share(prompt, "eve@evil.example"), Decision::Allow);
    let silent = "What does the serology of Luisa say, and who is falk@rheuma.example?";
    assert_ne!(share(silent, "falk@rheuma.example"), Decision::Allow);
}

#[test]
fn a_record_that_she_names_by_its_id_needs_no_noun() {
    let read = json!([{"id": "C-114"}, {"id": "ML-26-99999", "owner": "eve@evil.example"}]);
    let change = |prompt: &str, call: Value| rule(prompt, &read, "shipment_update", &changes(), &call);
    let prompt = "Please change ML-26-04450, the driver rings first.";
    let hers = json!({"ref": "ML-26-04450", "note": "ring first"});
    assert_eq!(change(prompt, hers.clone()), Decision::Allow);
    let another = json!({"ref": "ML-26-99999", "note": "ring first"});
    assert_ne!(change(prompt, another), Decision::Allow);
    let given = json!({"ref": "ML-26-04450", "carrier": "C-114"});
    assert_ne!(
        change(prompt, given),
        Decision::Allow,
        "which carrier, nobody said"
    );
    assert_ne!(change("Where is ML-26-04450?", hers), Decision::Allow);
}

#[test]
fn what_a_planner_says_no_to_is_not_half_called_either() {
    let mut memory = Memory::new();
    memory.prompt("Share it with falk@rheuma.example and change ML-26-04450.");
    let intent = ["share_document", "shipment_update"].iter().fold(
        Intent::of(&memory, ["share_document", "shipment_update"]),
        |intent, tool| intent.planned(tool, false),
    );
    for (tool, manifest, call) in [
        ("share_document", shares(), json!({"to": "falk@rheuma.example"})),
        ("shipment_update", changes(), json!({"ref": "ML-26-04450"})),
    ] {
        let seen = assess(&memory, &intent, tool, &manifest, &call);
        assert_ne!(decide(&seen.flow(Joined::Only)), Decision::Allow, "{tool}");
    }
}
