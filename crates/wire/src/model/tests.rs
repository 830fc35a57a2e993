//! Answers, streams, refusals and the splice. Requests and faults have their vectors in `vectors/`.

use bartizan_types::{CallId, Code, Refusal, Timestamp};
use proptest::prelude::*;

use super::{
    Api, Fault, ProposalKind, Said, Step, Stream, StreamBounds, Usage, decode_answer, decode_request,
    refusal_body, refusal_event, with_model,
};
use crate::{
    json::{Bounds, scan},
    sse,
};

/// What a stream gave, put together.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Given {
    released: String,
    /// Kind, id, name, arguments; and how many bytes were out when it was given.
    proposals: Vec<(ProposalKind, String, String, String, usize)>,
    holds: u32,
    ended: Option<Usage>,
}

impl Given {
    fn take(&mut self, step: Step<'_>) {
        match step {
            Step::Release(bytes) => self.released.push_str(std::str::from_utf8(bytes).expect("UTF-8")),
            Step::Hold => self.holds += 1,
            Step::Proposal(call) => self.proposals.push((
                call.kind,
                call.id,
                call.name,
                call.arguments.get().to_owned(),
                self.released.len(),
            )),
            Step::End(usage) => self.ended = Some(usage),
        }
    }
}

/// Runs a stream, ruling `rule` on each group of calls as soon as it is owed.
fn run(api: Api, chunks: &[&[u8]], bounds: StreamBounds, rule: bool) -> (Given, Result<Usage, Fault>) {
    let mut given = Given::default();
    let mut stream = Stream::new(api, bounds);
    for chunk in chunks {
        let mut result = stream.push(chunk, &mut |step| given.take(step));
        while result.is_ok() && stream.owes_ruling() {
            result = stream.settle(rule, &mut |step| given.take(step));
        }
        if let Err(fault) = result {
            assert_eq!(
                stream.push(b"data: {}\n\n", &mut |_| panic!("released after a fault")),
                Err(fault)
            );
            return (given, Err(fault));
        }
    }
    let result = stream.finish(&mut |step| given.take(step));
    (given, result)
}

fn allow(api: Api, stream: &str) -> (Given, Result<Usage, Fault>) {
    run(api, &[stream.as_bytes()], StreamBounds::default(), true)
}

fn chat(datas: &[&str]) -> String {
    datas.iter().map(|data| format!("data: {data}\n\n")).collect()
}

/// Events with a name, as Anthropic and the responses API send them: the name is the data's type.
fn named(datas: &[&str]) -> String {
    let event = |data: &&str| {
        let kind = serde_json::from_str::<serde_json::Value>(data).expect("JSON")["type"].clone();
        format!("event: {}\ndata: {data}\n\n", kind.as_str().expect("typed"))
    };
    datas.iter().map(event).collect()
}

fn chat_two_calls() -> String {
    chat(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Let me "},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"see."}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"read","arguments":""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"path\":"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"/etc\"}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"now","arguments":""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":3}}}"#,
        "[DONE]",
    ])
}

fn responses_call() -> String {
    named(&[
        r#"{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m","role":"assistant","content":[]}}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"item_id":"m","delta":"Hi"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"f","call_id":"c1","name":"pay","arguments":"","status":"in_progress"}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"f","delta":"{\"to\":"}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"f","delta":"1}"}"#,
        r#"{"type":"response.function_call_arguments.done","output_index":1,"item_id":"f","name":"pay","arguments":"{\"to\":1}"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"f","call_id":"c1","name":"pay","arguments":"{\"to\":1}","status":"completed"}}"#,
        r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[{"type":"message","id":"m"},{"type":"function_call","id":"f","call_id":"c1","name":"pay","arguments":"{\"to\":1}","status":"completed"}],"usage":{"input_tokens":5,"output_tokens":6}}}"#,
    ])
}

fn anthropic_two_calls() -> String {
    named(&[
        r#"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":9,"output_tokens":1,"cache_read_input_tokens":4}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Well"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"read","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"p\":"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" 1}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t2","name":"now","input":{}}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":20}}"#,
        r#"{"type":"message_stop"}"#,
    ])
}

fn streams() -> [(Api, String, usize); 3] {
    [
        (Api::OpenaiChat, chat_two_calls(), 2),
        (Api::OpenaiResponses, responses_call(), 1),
        (Api::AnthropicMessages, anthropic_two_calls(), 2),
    ]
}

#[test]
fn allowed_streams_arrive_byte_for_byte() {
    for (api, stream, calls) in streams() {
        let (given, result) = allow(api, &stream);
        let usage = result.expect("well formed");
        assert_eq!(given.released, stream, "{api:?}");
        assert_eq!(given.proposals.len(), calls, "{api:?}");
        assert_eq!(given.ended, Some(usage));
        assert!(usage.input_tokens.is_some() && usage.output_tokens.is_some());
        // When a call is given out, nothing of it is out yet.
        for (_, id, name, _, out) in &given.proposals {
            let sent = stream.get(..*out).expect("prefix");
            assert!(
                !sent.contains(&format!("\"{id}\"")) && !sent.contains(&format!("\"{name}\"")),
                "{api:?}"
            );
        }
    }
}

#[test]
fn calls_come_whole() {
    let (given, _) = allow(Api::OpenaiChat, &chat_two_calls());
    let calls: Vec<_> = given
        .proposals
        .iter()
        .map(|(_, id, name, args, _)| (&**id, &**name, &**args))
        .collect();
    assert_eq!(calls, [("c1", "read", r#"{"path":"/etc"}"#), ("c2", "now", "{}")]);
    assert_eq!(given.holds, 1);
    let (given, _) = allow(Api::AnthropicMessages, &anthropic_two_calls());
    let calls: Vec<_> = given
        .proposals
        .iter()
        .map(|(_, id, name, args, _)| (&**id, &**name, &**args))
        .collect();
    assert_eq!(calls, [("t1", "read", r#"{"p": 1}"#), ("t2", "now", "{}")]);
    assert_eq!(given.holds, 2);
}

/// An event that we do not know may hold an item that a client knows.
#[test]
fn calls_in_unknown_events_are_ruled_on() {
    let call = r#"{"type":"function_call","id":"f","call_id":"c1","name":"pay","arguments":"{\"to\":1}"}"#;
    let whole = |event: &str| {
        named(&[
            r#"{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}"#,
            event,
            r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}"#,
        ])
    };
    for held in [
        format!(r#""item":{call}"#),
        format!(r#""output":[{{"type":"message","id":"m"}},{call}]"#),
        format!(r#""output":{call}"#),
    ] {
        let event = format!(r#"{{"type":"response.future.done","output_index":0,{held}}}"#);
        let (given, result) = allow(Api::OpenaiResponses, &whole(&event));
        assert!(result.is_ok(), "{held}: {result:?}");
        let names: Vec<&str> = given.proposals.iter().map(|call| call.2.as_str()).collect();
        assert_eq!(names, ["pay"], "{held}");
    }
    let words = r#"{"type":"response.future.note","item":"words","output":"more"}"#;
    let (given, result) = allow(Api::OpenaiResponses, &whole(words));
    assert!(result.is_ok() && given.proposals.is_empty(), "{result:?}");
    let untyped = r#"{"type":"response.future.note","item":{"name":"pay"}}"#;
    assert!(allow(Api::OpenaiResponses, &whole(untyped)).1.is_err());
}

#[test]
fn a_refused_call_and_all_that_follows_is_dropped() {
    for (api, stream, _) in streams() {
        let (given, result) = run(api, &[stream.as_bytes()], StreamBounds::default(), false);
        assert!(result.is_ok());
        let first = given.proposals.first().expect("a call");
        assert_eq!(given.released.len(), first.4, "{api:?}: nothing after the ruling");
        assert!(stream.starts_with(&given.released) && !given.released.contains(&format!("\"{}\"", first.2)));
        assert_eq!(given.ended, None);
    }
}

#[test]
fn nothing_moves_while_a_ruling_is_owed() {
    for (api, text, _) in streams() {
        let mut given = Given::default();
        let mut stream = Stream::new(api, StreamBounds::default());
        stream
            .push(text.as_bytes(), &mut |step| given.take(step))
            .expect("well formed");
        assert!(stream.owes_ruling());
        let before = given.clone();
        stream
            .push(b": ping\n\n", &mut |step| given.take(step))
            .expect("waits");
        assert_eq!(given, before);
        // Closing without a ruling is no way round it.
        let fault = stream.finish(&mut |step| given.take(step)).expect_err("unruled");
        assert_eq!(fault.code, Code::UpstreamMalformed);
        assert_eq!(given, before);
    }
    let mut stream = Stream::new(Api::OpenaiChat, StreamBounds::default());
    let fault = stream.settle(true, &mut |_| ()).expect_err("nothing owed");
    assert_eq!(fault.code, Code::Bug);
}

/// Cut anywhere, a stream never gets a byte of an unruled or incomplete call out, and never ends well.
#[test]
fn every_truncation_is_noticed() {
    for (api, stream, _) in streams() {
        let whole = allow(api, &stream).0;
        for end in 0..stream.len() - 1 {
            let cut = stream.get(..end).expect("ASCII");
            let (given, result) = run(api, &[cut.as_bytes()], StreamBounds::default(), true);
            assert!(stream.starts_with(&given.released));
            // Chat may end without `[DONE]`, once every choice has finished.
            let finished = api == Api::OpenaiChat && cut.contains("\"finish_reason\":\"tool_calls\"}]}\n\n");
            assert!(result.is_err() || finished, "{api:?} cut at {end}");
            assert!(given.proposals.len() <= whole.proposals.len());
        }
    }
}

#[test]
fn bounds_hold() {
    let default = StreamBounds::default();
    let tight = [
        StreamBounds {
            event_bytes: 64,
            ..default
        },
        StreamBounds {
            held_bytes: 100,
            ..default
        },
        StreamBounds {
            proposals: 0,
            ..default
        },
        StreamBounds {
            argument_bytes: 3,
            ..default
        },
    ];
    for (api, stream, _) in streams() {
        for bounds in tight {
            let (given, result) = run(api, &[stream.as_bytes()], bounds, true);
            let code = result.expect_err("over the bound").code;
            assert!(
                matches!(code, Code::EventTooLarge | Code::UpstreamTooLarge),
                "{api:?} {bounds:?} {code}"
            );
            assert!(given.proposals.is_empty());
        }
    }
    // What waits for a ruling counts too.
    let mut stream = Stream::new(
        Api::OpenaiChat,
        StreamBounds {
            held_bytes: 4096,
            ..default
        },
    );
    let calls = chat_two_calls();
    stream.push(calls.as_bytes(), &mut |_| ()).expect("fits");
    let flood = ": keep-alive\n\n".repeat(400);
    let fault = stream.push(flood.as_bytes(), &mut |_| ()).expect_err("too much");
    assert_eq!(fault.code, Code::UpstreamTooLarge);
    assert!(
        stream
            .settle(true, &mut |_| panic!("released after a fault"))
            .is_err()
    );
}

#[test]
fn several_choices_and_legacy_calls() {
    let stream = chat(&[
        r#"{"choices":[{"index":0,"delta":{"function_call":{"name":"old","arguments":""}}},{"index":1,"delta":{"content":"a"}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"id":"x","type":"custom","custom":{"name":"run","input":"ls"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"function_call":{"arguments":"{}"}},"finish_reason":"function_call"}]}"#,
        r#"{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"custom":{"input":" -l"}}]},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    let (given, result) = allow(Api::OpenaiChat, &stream);
    result.expect("well formed");
    let calls: Vec<_> = given
        .proposals
        .iter()
        .map(|(kind, id, name, args, out)| (*kind, &**id, &**name, &**args, *out))
        .collect();
    assert_eq!(
        calls,
        [
            (ProposalKind::Function, "", "old", "{}", 0),
            (ProposalKind::Custom, "x", "run", "\"ls -l\"", 0),
        ]
    );
    assert_eq!(given.released, stream);
}

#[test]
fn answers_give_every_call() {
    let answer = |api, text: &str| {
        let body = scan(text.as_bytes(), &Bounds::default()).expect("strict");
        let answered = decode_answer(api, body).expect("an answer");
        let calls: Vec<_> = answered
            .proposals
            .into_iter()
            .map(|call| {
                (
                    call.choice,
                    call.kind,
                    call.id,
                    call.name,
                    call.arguments.get().to_owned(),
                )
            })
            .collect();
        (calls, answered.usage, answered.finish)
    };
    insta::assert_debug_snapshot!(answer(
        Api::OpenaiChat,
        r#"{"choices":[
        {"index":0,"message":{"role":"assistant","content":null,"tool_calls":[
            {"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
            {"id":"b","type":"custom","custom":{"name":"g","input":"free \"text\""}}]},"finish_reason":"tool_calls"},
        {"index":1,"message":{"function_call":{"name":"h","arguments":""}},"finish_reason":"function_call"}],
        "usage":{"prompt_tokens":1,"completion_tokens":2}}"#
    ));
    insta::assert_debug_snapshot!(answer(
        Api::OpenaiResponses,
        r#"{"status":"completed","output":[
        {"type":"reasoning","id":"r"},{"type":"message","id":"m","content":[]},
        {"type":"function_call","call_id":"a","name":"f","arguments":"{}"},
        {"type":"custom_tool_call","call_id":"b","name":"g","input":"x"},
        {"type":"local_shell_call","call_id":"c","action":{"command":["ls"]}},
        {"type":"computer_call","call_id":"d","action":{"type":"click"}},
        {"type":"mcp_call","id":"e","name":"pay","arguments":"{}"},
        {"type":"web_search_call","id":"w","action":{"query":"q"}},
        {"type":"brand_new_call","id":"n"}],"usage":{"input_tokens":1,"output_tokens":2,"input_tokens_details":{"cached_tokens":1}}}"#
    ));
    insta::assert_debug_snapshot!(answer(
        Api::AnthropicMessages,
        r#"{"content":[
        {"type":"thinking","thinking":"..","signature":"s"},{"type":"text","text":"t"},
        {"type":"tool_use","id":"a","name":"f","input":{"x": 1}},
        {"type":"server_tool_use","id":"b","name":"web_search","input":{"query":"q"}},
        {"type":"web_search_tool_result","tool_use_id":"b","content":[]},
        {"type":"mcp_tool_use","id":"c","name":"pay","server_name":"s","input":{}}],
        "stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#
    ));
}

fn refusal() -> Refusal {
    Refusal::new(
        CallId::mint(Timestamp::from_unix_seconds(1_795_370_000), 7),
        Code::ProposalRefused,
    )
}

#[test]
fn refusals_have_each_apis_shape() {
    let mut shown = String::new();
    for api in Api::ALL {
        for bytes in [refusal_body(api, &refusal()), refusal_event(api, &refusal())] {
            shown.push_str(&format!(
                "{api:?}: {}\n",
                String::from_utf8(bytes).expect("UTF-8")
            ));
        }
    }
    insta::assert_snapshot!(shown);
}

/// What we send as an error event must be the end of a stream to our own decoder too.
#[test]
fn refusal_events_end_a_stream() {
    for api in Api::ALL {
        let mut stream = chat(&[]).into_bytes();
        stream.extend(refusal_event(api, &refusal()));
        let (given, result) = run(api, &[&stream], StreamBounds::default(), true);
        assert!(result.is_ok() && given.ended.is_some(), "{api:?}");
    }
}

#[test]
fn the_splice_changes_the_model_and_nothing_else() {
    let text = "{ \"messages\":[{\"role\":\"user\",\"content\":\"\\\"model\\\":\\\"x\\\"\"}],\n \"metadata\":{\"model\":\"no\"}, \"mod\\u0065l\" : \"gpt\\u002d4o\" ,\"n\":1}";
    let body = scan(text.as_bytes(), &Bounds::default()).expect("strict");
    let request = decode_request(Api::OpenaiChat, body).expect("a request");
    assert_eq!(request.model, "gpt-4o");
    let spliced = with_model(text.as_bytes(), request.model_span, "q\"\\\n");
    let expected = text.replace("\"gpt\\u002d4o\"", r#""q\"\\\n""#);
    assert_eq!(String::from_utf8(spliced).as_deref(), Ok(&*expected));
    assert_eq!(with_model(b"{}", 1..9, "m"), b"{}");
}

fn cuts(length: usize, cuts: &[prop::sample::Index]) -> Vec<usize> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    at.push(length);
    at.sort_unstable();
    at
}

proptest! {
    /// Any chunking gives the same bytes and the same calls.
    #[test]
    fn chunks_do_not_matter(which in 0_usize..3, marks in prop::collection::vec(any::<prop::sample::Index>(), 0..20), crlf: bool) {
        let (api, stream, _) = streams()[which].clone();
        let stream = if crlf { stream.replace('\n', "\r\n") } else { stream };
        let mut from = 0;
        let mut chunks: Vec<&[u8]> = Vec::new();
        for to in cuts(stream.len(), &marks) {
            chunks.push(&stream.as_bytes()[from..to]);
            from = to;
        }
        let (parted, result) = run(api, &chunks, StreamBounds::default(), true);
        let (whole, _) = allow(api, &stream);
        prop_assert!(result.is_ok());
        prop_assert_eq!(&parted.released, &stream);
        let calls = |given: &Given| given.proposals.iter().map(|call| (call.1.clone(), call.2.clone(), call.3.clone())).collect::<Vec<_>>();
        prop_assert_eq!(calls(&parted), calls(&whole));
        prop_assert_eq!(parted.ended, whole.ended);
    }

    /// Events dropped, doubled or swapped: whatever comes of it, no call's bytes get out before the call is given out.
    #[test]
    fn mangled_streams_never_leak_a_call(which in 0_usize..3, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..3), 1..6)) {
        let (api, stream, _) = streams()[which].clone();
        let mut events: Vec<String> = stream.split_inclusive("\n\n").map(str::to_owned).collect();
        for (a, b, edit) in edits {
            if events.is_empty() { break; }
            let (a, b) = (a.index(events.len()), b.index(events.len()));
            match edit {
                0 => { events.remove(a); }
                1 => { let twin = events[a].clone(); events.insert(b, twin); }
                _ => events.swap(a, b),
            }
        }
        let mangled = events.concat();
        let (given, _) = run(api, &[mangled.as_bytes()], StreamBounds::default(), false);
        // Nothing was allowed, so nothing that names a tool may be out.
        for word in ["\"read\"", "\"now\"", "\"pay\"", "partial_json\":\"{", "/etc"] {
            prop_assert!(!given.released.contains(word), "{word} in {}", given.released);
        }
    }

    #[test]
    fn no_stream_makes_it_panic(which in 0_usize..3, datas in prop::collection::vec(".{0,40}", 0..8)) {
        let (api, _, _) = streams()[which].clone();
        let bytes: Vec<u8> = datas.iter().flat_map(|data| sse::encode(None, data)).collect();
        let _ = run(api, &[&bytes], StreamBounds::default(), true);
    }
}

/// Many upstreams leave the index out and send each call in one piece. What clients could put together differently is
/// refused.
#[test]
fn calls_without_an_index_pass_where_every_client_reads_them_alike() {
    let piece = |call: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{call}]}}}}]}}"#);
    let call = |name: &str, arguments: &str| {
        let function = serde_json::json!({"name": name, "arguments": arguments});
        format!(r#"{{"id":"i-{name}","type":"function","function":{function}}}"#)
    };
    let ended = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
    let run = |pieces: &[String]| {
        let mut datas: Vec<&str> = pieces.iter().map(String::as_str).collect();
        datas.extend([ended, "[DONE]"]);
        let stream = chat(&datas);
        let (given, result) = allow(Api::OpenaiChat, &stream);
        let calls: Vec<_> = given
            .proposals
            .iter()
            .map(|(_, _, name, args, _)| format!("{name}{args}"))
            .collect();
        assert_eq!(given.released.is_empty(), result.is_err());
        result.map(|_| calls).map_err(|fault| fault.code)
    };
    let (pay, look) = (call("pay", r#"{"to":"x"}"#), call("look", "{}"));
    assert_eq!(run(&[piece(&pay)]), Ok(vec![r#"pay{"to":"x"}"#.to_owned()]));
    assert_eq!(run(&[piece(&call("look", ""))]), Ok(vec!["look{}".to_owned()]));
    let both = vec![r#"pay{"to":"x"}"#.to_owned(), "look{}".to_owned()];
    assert_eq!(run(&[piece(&pay), piece(&look)]), Ok(both.clone()));
    assert_eq!(run(&[piece(&format!("{pay},{look}"))]), Ok(both));
    let indexed = |at: u8, call: &str| call.replacen('{', &format!(r#"{{"index":{at},"#), 1);
    let more = r#"{"function":{"arguments":"{}"}}"#;
    for pieces in [
        // Joined, these are `look` with the arguments of `pay`.
        vec![piece(&call("look", "")), piece(&pay)],
        vec![piece(&pay), piece(&call("look", ""))],
        // Not whole: a client that reads on and one that does not see two calls.
        vec![
            piece(&call("pay", r#"{"to":"#)),
            piece(r#"{"function":{"arguments":"\"x\"}"}}"#),
        ],
        vec![piece(&call("pay", "")), piece(more)],
        vec![piece(more)],
        vec![piece(&call("pay", "1"))],
        // With and without an index.
        vec![piece(&indexed(0, &pay)), piece(&look)],
        vec![piece(&look), piece(&indexed(0, &pay))],
        vec![piece(&look), piece(&indexed(1, more))],
    ] {
        assert_eq!(run(&pieces), Err(Code::UpstreamMalformed), "{pieces:?}");
    }
}

#[test]
fn texts_in_the_humans_role_are_found_and_no_others() {
    let said = |api, body: &str| -> Vec<(u32, String)> {
        let scanned = scan(body.as_bytes(), &Bounds::default()).unwrap();
        let request = decode_request(api, scanned).unwrap();
        let text = |said: &Said| serde_json::from_str(&body[said.span.clone()]).unwrap();
        request
            .said
            .iter()
            .map(|said| (said.message, text(said)))
            .collect()
    };
    let own = |at: u32, text: &str| (at, text.to_owned());
    let chat = r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a \u0062"},
        {"role":"assistant","content":"x"},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"t"}]},
        {"role":"user","tool_call_id":"2","content":"no"},
        {"role":"user","content":[{"type":"text","text":"c"},{"type":"image_url","image_url":{"url":"data:,"}}]}]}"#;
    assert_eq!(said(Api::OpenaiChat, chat), [own(0, "a b"), own(1, "c")]);
    let anthropic = r#"{"model":"m","max_tokens":1,"system":"s","messages":[{"role":"user","content":[
        {"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"t"}]},
        {"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"title":"x"},
        {"type":"text","text":"typed"}]}]}"#;
    assert_eq!(said(Api::AnthropicMessages, anthropic), [own(0, "typed")]);
    let items = r#"{"model":"m","input":[{"role":"user","content":"a"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"b"},{"type":"input_file","filename":"f"}]},
        {"type":"function_call_output","call_id":"1","output":[{"type":"input_text","text":"o"}]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"x"}]}]}"#;
    assert_eq!(said(Api::OpenaiResponses, items), [own(0, "a"), own(1, "b")]);
    assert_eq!(
        said(Api::OpenaiResponses, r#"{"model":"m","input":"hello"}"#),
        [own(0, "hello")]
    );
}

#[test]
fn a_switch_in_a_models_name_is_a_tool_of_the_provider() {
    for (model, hosted) in [
        ("m", 0),
        ("vendor/m:online", 1),
        ("vendor/m:ONLINE", 1),
        ("m:online:free", 1),
        ("m-online", 0),
    ] {
        let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
        let scanned = scan(body.as_bytes(), &Bounds::default()).expect("strict");
        let request = decode_request(Api::OpenaiChat, scanned).expect("a request");
        assert_eq!(request.hosted.len(), hosted, "{model}");
    }
}

#[test]
fn what_a_request_relies_on_is_named_once() {
    let body = r#"{"model":"m","background":true,"input":[{"type":"item_reference","id":"a"},
        {"role":"user","content":[{"type":"input_file","file_id":"f"}]},{"type":"item_reference","id":"b"}]}"#;
    let scanned = scan(body.as_bytes(), &Bounds::default()).expect("strict");
    let request = decode_request(Api::OpenaiResponses, scanned).expect("a request");
    assert_eq!(request.history.len(), 3);
    assert_eq!(request.relied_on(), ["file_id", "item_reference", "background"]);
}
