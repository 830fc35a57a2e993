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
    // Older and made-up nestings: whatever reads them, the address was seen.
    let nested =
        r#"{"pushNotificationConfig":{"url":"https://b.example"},"x":[{"url":"https://c.example"}]}"#;
    assert_eq!(request(&message(nested, "")).unwrap().1.len(), 2);
    assert_eq!(
        request(&message(r#"{"taskPushNotificationConfig":{"url":7}}"#, "")),
        Err(Code::RequestShape)
    );
    let create = r#"{"jsonrpc":"2.0","id":1,"method":"CreateTaskPushNotificationConfig","params":{"taskId":"t","url":"http://169.254.169.254/"}}"#;
    assert_eq!(request(create).unwrap().1, ["http://169.254.169.254/"]);
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
    assert_eq!(
        request(&message("{}", r#","task_id":"t""#)),
        Err(Code::RequestShape)
    );
    // The agents' own words may be spelled as they like.
    assert!(request(&message("{}", r#","metadata":{"my_key":{"a_b":1}}"#)).is_ok());
}

#[test]
fn answers_are_to_what_was_asked() {
    let id = Id::Text("1".into());
    let answer = |text: &str| {
        let scanned = scan(text.as_bytes(), &Bounds::default()).unwrap();
        decode_answer(scanned, &id).map_err(|fault| fault.code)
    };
    let task = json!({"task": {"id": "t"}});
    assert_eq!(
        answer(r#"{"jsonrpc":"2.0","id":"1","result":{"task":{"id":"t"}}}"#),
        Ok(Answered::Result(task))
    );
    assert!(
        answer(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#)
            .unwrap()
            .is_failure()
    );
    for other in [
        r#"{"jsonrpc":"2.0","id":"2","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
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
