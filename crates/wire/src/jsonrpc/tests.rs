use bartizan_types::{CallId, Code, Refusal, Timestamp};
use serde_json::value::RawValue;

use super::{Id, Message, RpcError, decode, error, error_code, notification, refusal_error, request, result};
use crate::json::{Bounds, scan};

fn read(bytes: &[u8]) -> String {
    let body = scan(bytes, &Bounds::default()).expect("strict");
    format!("{:?}", decode(body).expect("a message"))
}

#[test]
fn what_is_encoded_is_decoded() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let params = raw(r#"{"a": 1.0}"#);
    for id in [Id::Number(-3), Id::Text("\"é\n".into()), Id::Number(i64::MAX)] {
        let bytes = request(&id, "tools/call", Some(&params));
        let body = scan(&bytes, &Bounds::default()).expect("strict");
        match decode(body).expect("a message") {
            Message::Request {
                id: seen,
                method,
                params,
            } => {
                assert_eq!((seen.into_owned(), &*method), (id.clone(), "tools/call"));
                assert_eq!(params.map(RawValue::get), Some(r#"{"a": 1.0}"#));
            }
            other => panic!("{other:?}"),
        }
        assert!(read(&result(&id, &raw("null"))).starts_with("Response"));
    }
    assert!(read(&notification("notifications/initialized", None)).starts_with("Notification"));
    let failed = RpcError {
        code: -1,
        message: "no".into(),
        data: None,
    };
    assert_eq!(
        String::from_utf8(error(None, &failed)).as_deref(),
        Ok(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#)
    );
    assert!(read(&error(None, &failed)).starts_with("Failure { id: None"));
    assert!(read(br#"{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}"#).starts_with("Failure { id: None"));
}

#[test]
fn refusals_carry_code_call_and_hint() {
    let mut refusal = Refusal::new(
        CallId::mint(Timestamp::from_unix_seconds(0), 1),
        Code::PolicyDenied,
    );
    refusal.retry_after_seconds = Some(3);
    let bytes = refusal_error(Some(&Id::Number(7)), &refusal);
    assert_eq!(
        String::from_utf8(bytes).as_deref(),
        Ok(concat!(
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32001,"message":"policy does not allow this call "#,
            r#"[policy.denied, call 00000000000000000000000001]","data":{"code":"policy.denied","#,
            r#""call":"00000000000000000000000001","hint":"`bartizan explain ID` shows the rules that decided","#,
            r#""retryAfterSeconds":3}}}"#
        ))
    );
}

/// No code falls outside what JSON-RPC defines or leaves to servers.
#[test]
fn every_code_has_a_number() {
    for code in Code::all() {
        let number = error_code(code);
        assert!(
            (-32_700..=-32_600).contains(&number) || (-32_099..=-32_000).contains(&number),
            "{code}"
        );
    }
    assert_eq!(error_code(Code::TokenExpired), -32_001);
    assert_eq!(error_code(Code::HeaderMismatch), -32_020);
    assert_eq!(error_code(Code::RevisionUnsupported), -32_022);
    assert_eq!(error_code(Code::Saturated), -32_003);
    assert_eq!(error_code(Code::ServerFailed), -32_004);
}
