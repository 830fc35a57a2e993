use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn face() -> Face {
    let capabilities = RawValue::from_string(r#"{"sampling":{},"elicitation":{}}"#.to_owned()).unwrap();
    Face::read(None, Some(&capabilities)).unwrap()
}

fn link() -> Link {
    Link::new(face(), json::Bounds::default())
}

fn feed(link: &mut Link, message: &Value) -> Vec<Event> {
    let mut out = Vec::new();
    link.receive(message.to_string().as_bytes(), &mut out).unwrap();
    out
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn old() -> Link {
    let mut link = link();
    let opening = value(&link.open(false));
    assert_eq!(opening["method"], "initialize");
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":opening["id"],"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},
            "serverInfo":{"name":"s","version":"1"},"instructions":"be kind"}}),
    );
    assert!(
        matches!(&events[0], Event::Write(bytes) if value(bytes)["method"] == "notifications/initialized")
    );
    assert!(matches!(&events[1], Event::Ready(hand) if hand.instructions.as_deref() == Some("be kind")));
    link
}

fn new() -> Link {
    let mut link = link();
    let opening = value(&link.open(true));
    assert_eq!(opening["method"], "server/discover");
    assert_eq!(
        opening["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":opening["id"],"result":{"resultType":"complete","capabilities":{},
            "supportedVersions":["2026-07-28"],"ttlMs":0,"cacheScope":"private"}}),
    );
    assert!(matches!(&events[0], Event::Ready(hand) if hand.revision.stateless()));
    link
}

fn call(link: &mut Link, caller: u64, params: &Value) -> (u64, Value) {
    let raw = RawValue::from_string(params.to_string()).unwrap();
    let params = Params::read(Some(&raw)).unwrap();
    let sent = link
        .request(Caller(caller), "tools/call", &params, Shape::default())
        .unwrap();
    (sent.id, value(&sent.bytes))
}

#[test]
fn eras_are_tried_one_after_the_other() {
    let mut link = link();
    let first = value(&link.open(false));
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":first["id"],"error":{"code":-32601,"message":"no"}}),
    );
    let Event::Write(next) = &events[0] else {
        panic!("{events:?}")
    };
    let next = value(next);
    assert_eq!(next["method"], "server/discover");
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":next["id"],"error":{"code":-1,"message":"no"}}),
    );
    assert!(matches!(events[0], Event::Failed(Code::ServerFailed)));
    let params = Params::default();
    assert_eq!(
        link.request(Caller(1), "tools/list", &params, Shape::default())
            .err(),
        Some(Code::ServerFailed)
    );
}

#[test]
fn a_server_that_picks_an_unknown_revision_is_left() {
    for version in ["1999-01-01", "2026-07-28", ""] {
        let mut link = link();
        let first = value(&link.open(false));
        let events = feed(
            &mut link,
            &json!({"jsonrpc":"2.0","id":first["id"],"result":{"protocolVersion":version,"capabilities":{}}}),
        );
        assert!(
            matches!(events[0], Event::Failed(Code::RevisionUnsupported)),
            "{version}"
        );
    }
}

#[test]
fn client_ids_and_tokens_never_reach_the_server_and_answers_find_their_caller() {
    let mut link = old();
    let (one, sent) = call(
        &mut link,
        71,
        &json!({"name":"t","_meta":{"progressToken":"mine"}}),
    );
    assert_eq!(sent["id"], one);
    assert_eq!(sent["params"]["_meta"]["progressToken"], one);
    let (two, _) = call(&mut link, 72, &json!({"name":"t"}));
    assert_ne!(one, two);
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":one,"progress":1}}),
    );
    let Event::Progress { caller, params } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (*caller, params.get()),
        (Caller(71), r#"{"progressToken":"mine","progress":1}"#)
    );
    // Nobody asked for progress of the second one.
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":two,"progress":1}}),
    );
    assert!(matches!(events[0], Event::Refused(_)));
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":two,"result":{"content":[]}}),
    );
    let Event::Answer { caller, outcome, .. } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(*caller, Caller(72));
    assert_eq!(value(&outcome.encode(&Id::Text("mine".into())))["id"], "mine");
    // The same answer twice is a stray. One with a text that looks like our number is no answer, and none comes any more.
    let events = feed(&mut link, &json!({"jsonrpc":"2.0","id":two,"result":{}}));
    assert!(matches!(events[0], Event::Refused(_)));
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":one.to_string(),"result":{}}),
    );
    let code = Code::UpstreamMalformed;
    assert!(
        matches!(&events[..], [Event::Lost { caller: Caller(71), code: found }] if *found == code),
        "{events:?}"
    );
    assert_eq!(link.in_flight(), 0);
}

/// Whose request an unreadable message ends, with requests 71 and, where `both`, 72 in flight.
fn lost(message: &str, both: bool) -> Option<u64> {
    let mut link = old();
    let (one, _) = call(&mut link, 71, &json!({"name":"t"}));
    let only = if both {
        call(&mut link, 72, &json!({"name":"t"}));
        None
    } else {
        Some(Caller(71))
    };
    let bytes: Vec<u8> = message
        .replace("ONE", &one.to_string())
        .replace("TWO", &(one + 1).to_string())
        .bytes()
        // A byte that no UTF-8 has.
        .map(|byte| if byte == b'~' { 0xFF } else { byte })
        .collect();
    let before = link.in_flight();
    let refused = link.receive(&bytes, &mut Vec::new());
    assert_eq!(refused, Err(Code::UpstreamMalformed), "{message}");
    match link.unread(&bytes, Code::UpstreamMalformed, only) {
        Some(Event::Lost { caller, code }) => {
            assert_eq!(code, Code::UpstreamMalformed);
            assert_eq!(link.in_flight(), before - 1);
            Some(caller.0)
        }
        Some(other) => panic!("{other:?}"),
        None => {
            assert_eq!(link.in_flight(), before);
            None
        }
    }
}

#[test]
fn an_answer_that_can_not_be_read_ends_its_request_and_no_other() {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","result":{},"id":TWO}}"#,
        "[".repeat(300) + &"]".repeat(300)
    );
    for (message, both, whose) in [
        (
            r#"{"jsonrpc":"2.0","id":TWO,"result":{"text":"~"}}"#,
            true,
            Some(72),
        ),
        (
            r#"{"jsonrpc":"2.0","id":ONE,"result":1,"result":2}"#,
            true,
            Some(71),
        ),
        (
            r#" {"id" : "ONE" , "jsonrpc":"2.0","error":{"code":1,"message":"~"}}"#,
            true,
            Some(71),
        ),
        (deep.as_str(), true, Some(72)),
        // Cut short.
        (r#"{"jsonrpc":"2.0","id":TWO,"result":{"text":"a"#, true, Some(72)),
        // An id inside of something else is none, nor is one in a text.
        (r#"{"jsonrpc":"2.0","result":{"id":ONE,"text":"~"}}"#, true, None),
        (r#"{"jsonrpc":"2.0","result":"\",\"id\":ONE~"}"#, true, None),
        // By its id it is nobody's, or not to be told whose: then it is the only one's, if there is an only one.
        (r#"{"jsonrpc":"2.0","id":900,"result":"~"}"#, true, None),
        (r#"{"jsonrpc":"2.0","id":900,"result":"~"}"#, false, None),
        (r#"{"jsonrpc":"2.0","id":ONE.0,"result":{}}"#, true, None),
        (r#"{"jsonrpc":"2.0","id":ONE.0,"result":{}}"#, false, Some(71)),
        (r#"{"jsonrpc":"2.0","id":ONE,"id":TWO,"result":{}}"#, true, None),
        (
            r#"{"jsonrpc":"2.0","id":ONE,"id":TWO,"result":{}}"#,
            false,
            Some(71),
        ),
        (r#"{"jsonrpc":"2.0","result":{}}"#, false, Some(71)),
        // What programs print is no answer.
        ("started on port ONE", false, None),
        (r#"{"level":"info","id":ONE,"result":"~"}"#, false, None),
        (r#"[{"jsonrpc":"2.0","id":ONE,"result":{}}]"#, false, None),
        (
            r#"{"jsonrpc":"2.0","id":ONE,"method":"x","result":"~"}"#,
            false,
            None,
        ),
    ] {
        assert_eq!(lost(message, both), whose, "{message} {both}");
    }
}

#[test]
fn an_opening_whose_answer_can_not_be_read_is_refused() {
    let mut link = link();
    let first = value(&link.open(false))["id"].clone();
    let bytes = format!(r#"{{"jsonrpc":"2.0","id":{first},"result":1,"result":2}}"#);
    let next = link.unread(bytes.as_bytes(), Code::UpstreamMalformed, None);
    assert!(
        matches!(&next, Some(Event::Write(bytes)) if value(bytes)["method"] == "server/discover"),
        "{next:?}"
    );
    let last = link.unread(br#"{"jsonrpc":"2.0","result":1}"#, Code::UpstreamMalformed, None);
    assert!(
        matches!(last, Some(Event::Failed(Code::UpstreamMalformed))),
        "{last:?}"
    );
}

#[test]
fn questions_of_a_server_are_events_and_answered_once() {
    let mut link = old();
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[]}}),
    );
    let Event::Asked { ask, method, .. } = events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(method, Method::Sample);
    // The id is in use.
    let again = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":"q","method":"elicitation/create"}),
    );
    assert!(matches!(&again[0], Event::Write(bytes) if value(bytes)["error"]["code"] == -32600));
    let outcome = Outcome::Error {
        code: -1,
        message: "no".into(),
        data: None,
    };
    assert_eq!(value(&link.answer(ask, &outcome).unwrap())["id"], "q");
    assert_eq!(link.answer(ask, &outcome), Err(Code::MessageInvalid));
}

#[test]
fn a_server_gets_no_answer_to_what_the_agent_never_offered() {
    let mut link = old();
    for method in ["roots/list", "tools/call", "no/such", "initialize"] {
        let events = feed(&mut link, &json!({"jsonrpc":"2.0","id":5,"method":method}));
        assert!(
            matches!(&events[0], Event::Write(bytes) if value(bytes)["error"]["code"] == -32601),
            "{method}"
        );
        assert!(matches!(events[1], Event::Refused(_)));
    }
    let events = feed(&mut link, &json!({"jsonrpc":"2.0","id":6,"method":"ping"}));
    assert!(
        matches!(&events[0], Event::Write(bytes) if value(bytes) == json!({"jsonrpc":"2.0","id":6,"result":{}}))
    );
    // A stateless server has no way to ask at all.
    let mut link = new();
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":5,"method":"elicitation/create"}),
    );
    assert!(matches!(&events[0], Event::Write(bytes) if value(bytes)["error"]["code"] == -32601));
}

#[test]
fn questions_and_requests_are_bounded() {
    let mut link = old();
    for number in 0..MAX_ASKS {
        let events = feed(
            &mut link,
            &json!({"jsonrpc":"2.0","id":number,"method":"elicitation/create"}),
        );
        assert!(matches!(events[0], Event::Asked { .. }));
    }
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":999,"method":"elicitation/create"}),
    );
    assert!(matches!(events[0], Event::Write(_)));
    let params = Params::default();
    for number in 0..MAX_PENDING as u64 {
        link.request(Caller(number), "tools/call", &params, Shape::default())
            .unwrap();
    }
    assert_eq!(
        link.request(Caller(0), "tools/call", &params, Shape::default())
            .err(),
        Some(Code::QueueFull)
    );
    assert_eq!(link.close().len(), MAX_PENDING);
}

#[test]
fn input_required_is_only_taken_where_it_may_stand() {
    let ask = |method: &str| {
        json!({"resultType":"input_required","requestState":"st",
            "inputRequests":{"k":{"method":method,"params":{"message":"m"}}}})
    };
    let mut link = new();
    let (id, sent) = call(&mut link, 5, &json!({"name":"t"}));
    assert_eq!(
        sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["sampling"],
        json!({})
    );
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":id,"result":ask("elicitation/create")}),
    );
    let Event::InputRequired {
        caller,
        inputs,
        state,
        ..
    } = &events[0]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (*caller, inputs[0].key.as_str(), state.as_deref()),
        (Caller(5), "k", Some("st"))
    );
    // Questions the agent did not offer to answer, or that are none; result types we don't know.
    for result in [
        ask("roots/list"),
        ask("tools/call"),
        json!({"resultType":"input_required"}),
        json!({"resultType":"task"}),
    ] {
        let (id, _) = call(&mut link, 6, &json!({"name":"t"}));
        let events = feed(&mut link, &json!({"jsonrpc":"2.0","id":id,"result":result}));
        assert!(
            matches!(
                &events[0],
                Event::Answer {
                    outcome: Outcome::Error { .. },
                    ..
                }
            ),
            "{result}"
        );
    }
    let mut link = old();
    let (id, _) = call(&mut link, 6, &json!({"name":"t"}));
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":id,"result":ask("elicitation/create")}),
    );
    assert!(matches!(
        &events[0],
        Event::Answer {
            outcome: Outcome::Error { .. },
            ..
        }
    ));
}

#[test]
fn cancelling_uses_our_number_and_withdrawals_find_the_question() {
    let mut link = old();
    let (id, _) = call(&mut link, 9, &json!({"name":"t"}));
    let told = link.cancel(Caller(9));
    assert_eq!(value(&told[0])["params"]["requestId"], id);
    assert!(link.cancel(Caller(9)).is_empty());
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":7,"method":"elicitation/create"}),
    );
    let Event::Asked { ask, .. } = events[0] else {
        panic!("{events:?}")
    };
    let gone = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}});
    assert!(matches!(feed(&mut link, &gone)[0], Event::Withdrawn(which) if which == ask));
    assert!(matches!(feed(&mut link, &gone)[0], Event::Refused(_)));
}

#[test]
fn ambiguous_bytes_are_refused_whole() {
    let mut link = old();
    let mut out = Vec::new();
    let twice = br#"{"jsonrpc":"2.0","id":2,"id":3,"result":{}}"#;
    assert_eq!(link.receive(twice, &mut out), Err(Code::UpstreamMalformed));
    assert!(link.receive(b"[]", &mut out).is_err());
    assert!(link.receive(b"", &mut out).is_err());
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn no_bytes_from_a_server_ever_answer_someone_elses_call(
        steps in proptest::collection::vec((0_u64..12, prop::bool::ANY), 1..40),
    ) {
        let mut link = old();
        let mut owners = BTreeMap::new();
        for caller in 0..6_u64 {
            let (id, _) = call(&mut link, caller, &json!({"name":"t"}));
            owners.insert(id, caller);
        }
        for (id, good) in steps {
            let message = if good { json!({"jsonrpc":"2.0","id":id,"result":{}}) }
                else { json!({"jsonrpc":"2.0","id":id,"error":{"code":1,"message":"m"}}) };
            match feed(&mut link, &message).as_slice() {
                [Event::Answer { caller, .. }] => prop_assert_eq!(owners.remove(&id), Some(caller.0)),
                [Event::Refused(_)] => prop_assert!(!owners.contains_key(&id)),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut out = Vec::new();
        let _ = old().receive(&bytes, &mut out);
        let _ = old().unread(&bytes, Code::UpstreamMalformed, None);
        let begun = [&b"{\"jsonrpc\":\"2.0\",\"result\":"[..], &bytes[..]].concat();
        let _ = old().unread(&begun, Code::UpstreamMalformed, Some(Caller(1)));
    }
}

#[test]
fn who_waits_can_tell_whether_the_opening_is_still_the_first() {
    let mut link = link();
    let first = value(&link.open(false));
    assert_eq!(link.opening(), first["id"].as_u64());
    feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":first["id"],"error":{"code":-32601,"message":"no"}}),
    );
    assert!(link.opening().is_some() && link.opening() != first["id"].as_u64());
    assert_eq!(old().opening(), None);
}

#[test]
fn a_handshake_is_bounded() {
    let mut link = link();
    let first = value(&link.open(false));
    let instructions = "x".repeat(MAX_HANDSHAKE_BYTES);
    let events = feed(
        &mut link,
        &json!({"jsonrpc":"2.0","id":first["id"],"result":{"protocolVersion":"2025-06-18","capabilities":{},
            "instructions":instructions}}),
    );
    assert!(matches!(&events[..], [Event::Failed(Code::UpstreamTooLarge)]));
}
