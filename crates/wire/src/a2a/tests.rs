//! Requests, answers and cards, as an attacker would write them.

use serde_json::json;

use super::{card::Card, *};
use crate::json::{Bounds, scan};

fn request(text: &str) -> Result<(Method, Vec<String>), Code> {
    let scanned = scan(text.as_bytes(), &Bounds::default()).map_err(|fault| fault.code)?;
    let request = decode_request(scanned).map_err(|fault| fault.code)?;
    Ok((request.method, request.pushes))
}

fn message(configuration: &str, more: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"1","method":"SendMessage","params":{{"message":{{"messageId":"m","role":"ROLE_USER","parts":[{{"text":"hi"}}]{more}}},"configuration":{configuration}}}}}"#
    )
}

#[test]
fn methods_are_those_of_the_specification() {
    for method in Method::ALL {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{{}}}}"#,
            method.as_str()
        );
        assert_eq!(request(&text), Ok((method, Vec::new())));
        assert_eq!(
            method.streams(),
            method.as_str().contains("Stream") || method.as_str().contains("Subscribe")
        );
    }
    for other in ["message/send", "sendMessage", "tasks/get", "SendMessage "] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{other}"}}"#);
        assert_eq!(request(&text), Err(Code::Method), "{other}");
    }
    assert_eq!(
        request(r#"{"jsonrpc":"2.0","method":"SendMessage"}"#),
        Err(Code::MessageInvalid)
    );
}

#[test]
fn every_address_for_notifications_is_found() {
    let push = r#"{"taskPushNotificationConfig":{"url":"https://a.example/x"}}"#;
    assert_eq!(request(&message(push, "")).unwrap().1, ["https://a.example/x"]);
    let create = r#"{"jsonrpc":"2.0","id":1,"method":"CreateTaskPushNotificationConfig","params":{"taskId":"t","\u0075rl":"http://169.254.169.254/"}}"#;
    assert_eq!(request(create).unwrap().1, ["http://169.254.169.254/"]);
    // Older and made-up nestings, and what some readers take for the same name.
    for other in [
        r#"{"pushNotificationConfig":{"url":"https://b.example"}}"#,
        r#"{"taskPushNotificationConfig":{"url":7}}"#,
        r#"{"taskPushNotificationConfig":{"Url":"https://evil.example"}}"#,
        r#"{"taskPushNotificationConfig":{"URL":"https://evil.example"}}"#,
        r#"{"TaskPushNotificationConfig":{"url":"https://evil.example"}}"#,
    ] {
        assert_eq!(request(&message(other, "")), Err(Code::RequestShape), "{other}");
    }
    for name in ["Url", "URL", "uri", "pushUrl", "ur\u{17F}"] {
        let other = create.replace(r"\u0075rl", name);
        assert_eq!(request(&other), Err(Code::RequestShape), "{name}");
    }
}

#[test]
fn a_field_under_its_second_name_is_refused() {
    for smuggled in [
        r#"{"task_push_notification_config":{"url":"https://evil.example"}}"#,
        r#"{"taskPushNotificationConfig":{"authentication":{"x_y":1}}}"#,
    ] {
        assert_eq!(
            request(&message(smuggled, "")),
            Err(Code::RequestShape),
            "{smuggled}"
        );
    }
    for twin in [r#","task_id":"t""#, r#","TaskId":"t""#] {
        assert_eq!(request(&message("{}", twin)), Err(Code::RequestShape), "{twin}");
    }
    // The agents' own words may be spelled as they like.
    assert!(request(&message("{}", r#","metadata":{"my_key":{"a_b":1}}"#)).is_ok());
}

/// `method` with these params, and what is wrong with it.
fn asked(method: &str, params: &str) -> Result<Value, String> {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
    let place = |fault: Fault| crate::json::place(text.as_bytes(), fault.at);
    decode_request(scanned)
        .map(|request| request.params)
        .map_err(place)
}

#[test]
fn only_what_the_protocol_defines_is_taken_and_the_place_of_the_rest_is_told() {
    for (method, params, place) in [
        (
            "GetTask",
            r#"{"id":"t","the password is x":true}"#,
            "/params/the?password?is?x",
        ),
        ("GetTask", r#"{"id":"t","metadata":{}}"#, "/params/metadata"),
        (
            "GetTask",
            r#"{"id":"t","historyLength":411111111111111}"#,
            "/params/historyLength",
        ),
        (
            "GetTask",
            r#"{"id":"t","historyLength":-1}"#,
            "/params/historyLength",
        ),
        (
            "GetTask",
            r#"{"id":"t","historyLength":1.5}"#,
            "/params/historyLength",
        ),
        (
            "GetTask",
            r#"{"id":"t","historyLength":"5"}"#,
            "/params/historyLength",
        ),
        ("GetTask", r#"{"id":["t"]}"#, "/params/id"),
        ("ListTasks", r#"{"status":"the password is x"}"#, "/params/status"),
        ("ListTasks", r#"{"status":3}"#, "/params/status"),
        ("ListTasks", r#"{"pageSize":101}"#, "/params/pageSize"),
        (
            "ListTasks",
            r#"{"statusTimestampAfter":"the password"}"#,
            "/params/statusTimestampAfter",
        ),
        (
            "ListTasks",
            r#"{"includeArtifacts":"yes"}"#,
            "/params/includeArtifacts",
        ),
        ("CancelTask", r#"{"id":"t","metadata":"x"}"#, "/params/metadata"),
        ("GetExtendedAgentCard", r#"{"x":"the password"}"#, "/params/x"),
        (
            "SendMessage",
            r#"{"message":{"role":"user"}}"#,
            "/params/message/role",
        ),
        (
            "SendMessage",
            r#"{"message":{"parts":[{"text":"a"},{"text":"a","Text":"b"}]}}"#,
            "/params/message/parts/1/Text",
        ),
        (
            "SendMessage",
            r#"{"message":{"parts":[null]}}"#,
            "/params/message/parts/0",
        ),
        (
            "SendMessage",
            r#"{"message":{"extensions":["a",1]}}"#,
            "/params/message/extensions",
        ),
    ] {
        let found = asked(method, params);
        assert!(
            found
                .as_ref()
                .is_err_and(|found| found.starts_with(&format!("at `{place}`"))),
            "{params}: {found:?}"
        );
    }
    // Beside the params, too.
    for (stray, code) in [
        (r#""extra":"the password","#, Code::RequestShape),
        (r#""Method":"SendMessage","#, Code::MessageInvalid),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0",{stray}"id":1,"method":"GetTask","params":{{"id":"t"}}}}"#);
        assert_eq!(request(&text), Err(code), "{stray}");
    }
}

#[test]
fn what_goes_to_a_peer_is_written_from_what_was_read() {
    // As both SDKs write it, and with all that they may set.
    let full = json!({
        "tenant": "", "metadata": {"https://ext.example/v1": {"on": true}},
        "message": {
            "messageId": "m", "contextId": "c", "taskId": "t", "role": "ROLE_USER", "extensions": ["https://ext.example/v1"],
            "referenceTaskIds": ["t0"], "metadata": {"a_b": 1},
            "parts": [
                {"text": "hi", "mediaType": "text/plain"}, {"raw": "aGk=", "filename": "f"}, {"url": "https://a.example"},
                {"data": {"n": [1, null]}, "metadata": {}}, {"data": null}, {"data": "text"},
            ],
        },
        "configuration": {
            "acceptedOutputModes": ["text/plain"], "historyLength": 10, "returnImmediately": true,
            "taskPushNotificationConfig": {
                "tenant": "", "id": "p", "taskId": "t", "url": "https://hooks.example.com", "token": "k",
                "authentication": {"scheme": "Bearer", "credentials": "c"},
            },
        },
    });
    assert_eq!(asked("SendStreamingMessage", &full.to_string()), Ok(full.clone()));
    let listed = json!({
        "tenant": "", "contextId": "c", "status": "TASK_STATE_WORKING", "pageSize": 50, "pageToken": "p", "historyLength": 0,
        "statusTimestampAfter": "2026-12-01T10:00:00.123456789+01:00", "includeArtifacts": false,
    });
    assert_eq!(asked("ListTasks", &listed.to_string()), Ok(listed));
    // A null is what is not there.
    assert_eq!(
        asked("GetTask", r#"{"historyLength":null,"id":"t"}"#),
        Ok(json!({"id": "t"}))
    );
    let text =
        format!(r#"{{ "method":"SendMessage", "params":{full},"id":"the password is x","jsonrpc":"2.0" }}"#);
    let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
    let read = decode_request(scanned).unwrap();
    assert_eq!(read.free.len(), 4, "{:?}", read.free);
    assert!(
        read.free
            .contains(&r#"{"https://ext.example/v1":{"on":true}}"#.to_owned())
    );
    let params = serde_json::value::to_raw_value(&read.params).unwrap();
    let written: Value = serde_json::from_slice(&super::request(read.method, &params)).unwrap();
    assert_eq!(
        written,
        json!({"jsonrpc": "2.0", "id": "1", "method": "SendMessage", "params": full})
    );
}

#[test]
fn answers_are_to_what_was_asked_and_go_on_under_the_agents_id() {
    let answer = |text: &str| {
        let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
        decode_answer(scanned, &Id::Number(7)).map_err(|fault| fault.code)
    };
    let told = |answer: Answer| String::from_utf8(answer.told).unwrap();
    let good = answer(r#"{"jsonrpc":"2.0","id":"1","result":{ "task":{"id":"t"}},"more":1}"#).unwrap();
    assert_eq!(good.said, Answered::Result(json!({"task": {"id": "t"}})));
    assert_eq!(
        told(good),
        r#"{"jsonrpc":"2.0","id":7,"result":{ "task":{"id":"t"}}}"#
    );
    for id in ["null", "\"1\""] {
        let failed = answer(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32700,"message":"no"}}}}"#
        ))
        .unwrap();
        assert!(failed.said.is_failure());
        assert_eq!(
            told(failed),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32700,"message":"no"}}"#
        );
    }
    for other in [
        r#"{"jsonrpc":"2.0","id":"2","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"2","error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":"1","method":"SendMessage","params":{}}"#,
    ] {
        assert_eq!(answer(other), Err(Code::MessageInvalid), "{other}");
    }
}

#[test]
fn versions() {
    for good in ["1.0", "1.0.1", " 1.0 "] {
        assert!(speaks(Some(good)), "{good}");
    }
    for bad in ["0.3", "1", "1.1", "1.0.", "1.0.x", "1.01", "11.0", ""] {
        assert!(!speaks(Some(bad)), "{bad}");
    }
    assert!(!speaks(None));
}

fn card(value: Value) -> Result<Card, Code> {
    Card::of(value).map_err(|fault| fault.code)
}

fn plain() -> Value {
    json!({
        "name": "billing", "description": "", "version": "1",
        "supportedInterfaces": [
            {"url": "https://grpc.example", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
            {"url": "https://billing.example/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        ],
        "capabilities": {"pushNotifications": true, "streaming": false},
        "skills": [],
    })
}

#[test]
fn a_card_is_read_pinned_and_shown() {
    let mut signed = plain();
    signed["signatures"] = json!([{"protected": "e30", "signature": "AA", "header": {"kid": "x"}}]);
    let one = card(signed).unwrap();
    assert_eq!(one.definition(), plain());
    assert_eq!(one.address(), Some("https://billing.example/a2a"));
    assert_eq!(one.signatures().len(), 1);
    assert_eq!(one.payloads().len(), 2, "with and without what is empty");
    let short = String::from_utf8(one.payloads()[1].clone()).unwrap();
    assert!(
        !short.contains("skills") && short.contains(r#""streaming":false"#),
        "{short}"
    );
    let shown: Value = serde_json::from_slice(&one.shown("http://127.0.0.1:1/a2a/billing", false)).unwrap();
    assert_eq!(shown["supportedInterfaces"].as_array().unwrap().len(), 1);
    assert_eq!(shown["capabilities"]["pushNotifications"], json!(false));
    assert!(shown.get("signatures").is_none());
    assert!(!shown.to_string().contains("billing.example"));
}

#[test]
fn cards_that_are_none() {
    let without = |key: &str| {
        let mut value = plain();
        value.as_object_mut().unwrap().remove(key);
        value
    };
    let with = |key: &str, value: Value| {
        let mut all = plain();
        all[key] = value;
        all
    };
    for bad in [
        json!([]),
        without("name"),
        without("supportedInterfaces"),
        with("supportedInterfaces", json!([])),
        with("supported_interfaces", json!([{"url": "https://evil.example"}])),
        with("signatures", json!({})),
        with("signatures", json!([{"protected": 1}])),
        with(
            "signatures",
            json!(vec![json!({"protected": "a", "signature": "b"}); 17]),
        ),
    ] {
        assert_eq!(card(bad.clone()), Err(Code::RequestShape), "{bad}");
    }
}
