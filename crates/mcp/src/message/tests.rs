use super::*;
use crate::Method;
use proptest::prelude::*;

fn rewrite<'a>(face: &'a Face, revision: Revision) -> Rewrite<'a> {
    Rewrite::new(revision, face)
}

#[test]
fn arguments_pass_byte_for_byte() {
    let body = r#"{"name":"mail__send","arguments":{"to" : "a\u0062","n":1.50e0},"_meta":{"progressToken":"x","k":1}}"#;
    let raw: &RawValue = serde_json::from_str(body).unwrap();
    let params = Params::read(Some(raw)).unwrap();
    let face = Face::default();
    let mut change = rewrite(&face, Revision::V2025_11_25);
    change.shape.name = Some("send");
    assert_eq!(
        params.rewritten(&change, Some(7)),
        r#"{"arguments":{"to" : "a\u0062","n":1.50e0},"name":"send","_meta":{"k":1,"progressToken":7}}"#
    );
}

#[test]
fn what_is_beside_a_call_can_be_left_behind() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let needed = needed(Method::ToolsCall);
    let face = Face::default();
    let bare = |body: &str, revision| {
        let raw: &RawValue = serde_json::from_str(body).unwrap();
        let params = Params::read(Some(raw)).unwrap();
        let mut change = rewrite(&face, revision);
        change.shape.keep_input = true;
        change.shape.bare = Some(needed);
        (params.is_laden(needed), params.rewritten(&change, Some(7)))
    };
    let old = Revision::V2025_11_25;
    let body = format!(
        r#"{{"name":"t","arguments":{{"a":1}},"extra":{{"amount":999}},"uri":"x","cursor":"c","task":{{"ttl":1}},"_meta":{{"progressToken":"x","k":1,"traceparent":"{trace}"}}}}"#
    );
    let meta = r#""_meta":{"progressToken":7}"#;
    assert_eq!(
        bare(&body, old),
        (
            true,
            format!(r#"{{"name":"t","arguments":{{"a":1}},"task":{{"ttl":1}},{meta}}}"#)
        )
    );
    let plain = format!(r#"{{"name":"t","arguments":{{"a":1}},{meta}}}"#);
    assert_eq!(bare(&plain, old), (false, plain));
    for words in ["00-hunter2XYZ-evil", "pay-mallory", &format!("{trace}-more")] {
        let body = format!(r#"{{"name":"t","_meta":{{"traceparent":"{words}"}}}}"#);
        assert_eq!(bare(&body, old), (true, r#"{"name":"t"}"#.to_owned()), "{words}");
    }
    let body = format!(r#"{{"name":"t","_meta":{{"{META_LOG_LEVEL}":"words of its own"}}}}"#);
    let (laden, sent) = bare(&body, Revision::V2026_07_28);
    assert!(!laden && !sent.contains("words of its own"), "{sent}");
}

#[test]
fn the_stateless_envelope_is_ours_and_never_the_callers() {
    let body = format!(
        r#"{{"_meta":{{"{META_VERSION}":"2026-07-28","{META_CAPABILITIES}":{{"sampling":{{}}}},"{META_CLIENT}":{{"name":"evil"}}}}}}"#
    );
    let raw: &RawValue = serde_json::from_str(&body).unwrap();
    let params = Params::read(Some(raw)).unwrap();
    let face = Face::default();
    assert_eq!(
        params.rewritten(&rewrite(&face, Revision::V2025_06_18), Some(1)),
        "{}"
    );
    let modern = params.rewritten(&rewrite(&face, Revision::V2026_07_28), Some(1));
    assert!(
        !modern.contains("evil") && !modern.contains("sampling"),
        "{modern}"
    );
    assert!(modern.contains("bartizan"));
}

#[test]
fn a_caller_cannot_hand_in_answers_that_nobody_asked_for() {
    let raw: &RawValue =
        serde_json::from_str(r#"{"name":"t","inputResponses":{"a":{}},"requestState":"s","cursor":"c"}"#)
            .unwrap();
    let params = Params::read(Some(raw)).unwrap();
    let face = Face::default();
    assert_eq!(
        params.rewritten(&rewrite(&face, Revision::V2025_11_25), None),
        r#"{"name":"t"}"#
    );
}

fn face_of(capabilities: &str) -> Face {
    let raw = RawValue::from_string(capabilities.to_owned()).unwrap();
    let info = r#"{"name":"hunter2","version":"hunter2","title":"hunter2"}"#;
    let info = RawValue::from_string(info.to_owned()).unwrap();
    Face::read(Some(&info), Some(&raw)).unwrap()
}

#[test]
fn servers_are_promised_known_flags_and_nothing_that_could_say_something() {
    let face = face_of(
        r#"{"experimental":{"hunter2":{}},"hunter2":{},"tasks":{"list":{}},
            "sampling":{"tools":{"hunter2":1},"hunter2":{}},"roots":{"listChanged":true,"x":"hunter2"},
            "elicitation":{"form":{"applyDefaults":true},"url":"hunter2"},
            "extensions":{"io.modelcontextprotocol/tasks":{},"hunter2/c":{},
                "io.modelcontextprotocol/ui":{"mimeTypes":["hunter2","text/html;profile=mcp-app"],"x":"hunter2"}}}"#,
    );
    assert_eq!(
        face.capabilities(),
        r#"{"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}}}"#
    );
    for method in [Method::Sample, Method::Elicit, Method::Roots] {
        assert!(face.answers(method), "{method:?}");
    }
    let params = face.own_params(Revision::V2026_07_28).finish();
    assert!(
        !params.contains("hunter2") && params.contains("bartizan"),
        "{params}"
    );
    let face = face_of(r#"{"sampling":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#);
    assert_eq!(face.capabilities(), r#"{"sampling":{}}"#);
    assert!(!face.answers(Method::Elicit) && !face.answers(Method::Roots));
}

#[test]
fn a_log_level_is_a_level_and_sessions_get_no_answers_of_an_era_without() {
    let body = format!(
        r#"{{"name":"t","inputResponses":{{"a":{{}}}},"requestState":"s","_meta":{{"{META_LOG_LEVEL}":"hunter2"}}}}"#
    );
    let raw: &RawValue = serde_json::from_str(&body).unwrap();
    let params = Params::read(Some(raw)).unwrap();
    let face = Face::default();
    let mut change = rewrite(&face, Revision::V2025_11_25);
    change.shape.keep_input = true;
    assert_eq!(params.rewritten(&change, None), r#"{"name":"t"}"#);
    change.revision = Revision::V2026_07_28;
    let modern = params.rewritten(&change, None);
    assert!(modern.contains(r#""requestState":"s""#), "{modern}");
    assert!(!modern.contains("hunter2"), "{modern}");
    change.shape.log_level = Some("error");
    let modern = params.rewritten(&change, None);
    assert!(
        modern.contains(&format!(r#""{META_LOG_LEVEL}":"error""#)),
        "{modern}"
    );
}

#[test]
fn old_results_gain_what_the_stateless_revision_requires() {
    let raw: &RawValue = serde_json::from_str(r#" {"tools":[]}"#).unwrap();
    let new = result_for(raw, Revision::V2026_07_28, Method::ToolsList).unwrap();
    assert_eq!(
        new,
        r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[]}"#
    );
    let empty: &RawValue = serde_json::from_str("{}").unwrap();
    assert_eq!(
        result_for(empty, Revision::V2026_07_28, Method::Complete).unwrap(),
        r#"{"resultType":"complete"}"#
    );
    let old = result_for(raw, Revision::V2025_06_18, Method::ToolsList).unwrap();
    assert!(matches!(old, Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn texts_survive_being_written(text in any::<String>(), key in any::<String>()) {
        let mut object = Object::default();
        object.text(&key, &text);
        let json = object.finish();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(value.get(&key).and_then(serde_json::Value::as_str), Some(text.as_str()));
    }
}

#[test]
fn params_that_two_readers_read_differently_are_refused() {
    let strict = |text: &str| {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        Params::strict(Some(&raw)).map(drop)
    };
    for text in [
        r#"{"name":"a","arguments":{"to":1},"Arguments":{"to":2}}"#,
        r#"{"name":"a","arguments":{"to":"x","To":"y"}}"#,
    ] {
        assert_eq!(strict(text), Err(Code::JsonDuplicateKey), "{text}");
    }
    for text in [
        r#"{"name":"a","Arguments":{"to":2}}"#,
        r#"{"Name":"a"}"#,
        r#"{"name":"a","_META":{}}"#,
        r#"{"name":"a","_meta":{"progresstoken":1}}"#,
        r#"{"name":"a","tas\u212A":{}}"#,
    ] {
        assert_eq!(strict(text), Err(Code::MessageInvalid), "{text}");
    }
    assert_eq!(
        strict(r#"{"name":"A","arguments":{"To":1,"x":{"A":1}},"_meta":{"vendor/X":1}}"#),
        Ok(())
    );
}

fn beside(method: Method, text: &str) -> Vec<String> {
    let raw = RawValue::from_string(text.to_owned()).unwrap();
    let params = Params::strict(Some(&raw)).unwrap();
    params.beside(method).map(|(key, _)| key.to_owned()).collect()
}

#[test]
fn what_goes_beside_a_call_is_told() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let text = format!(
        r#"{{"name":"a","arguments":{{"x":1}},"note":"n","_meta":{{"progressToken":1,"traceparent":"{trace}","vendor/id":"i"}}}}"#
    );
    assert_eq!(beside(Method::ToolsCall, &text), ["note", "vendor/id"]);
    let text = r#"{"name":"a","_meta":{"traceparent":"00-hunter2","tracestate":"x=y","baggage":"b=c"}}"#;
    let told = beside(Method::ToolsCall, text);
    assert_eq!(told, ["traceparent", "tracestate", "baggage"]);
}

#[test]
fn what_another_request_is_for_is_beside_this_one() {
    let text = r#"{"name":"a","arguments":{},"uri":"u","ref":{},"argument":{},"context":{},"level":"l","task":{},
        "progressToken":"p","_meta":{"name":"n"}}"#;
    assert_eq!(
        beside(Method::ToolsCall, text),
        [
            "uri",
            "ref",
            "argument",
            "context",
            "level",
            "task",
            "progressToken",
            "name"
        ]
    );
}

#[test]
fn what_a_client_says_of_itself_is_bounded() {
    let info = RawValue::from_string(format!(r#"{{"name":"{}"}}"#, "x".repeat(FACE_BYTES))).unwrap();
    assert_eq!(Face::read(Some(&info), None).err(), Some(Code::MessageInvalid));
}
