use proptest::prelude::*;
use serde_json::json;

use super::*;

const NEW: Revision = Revision::V2026_07_28;

#[test]
fn examples_of_the_specification_encode_as_printed() {
    assert_eq!(encode("us-west1"), "us-west1");
    assert_eq!(encode("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
    assert_eq!(encode(" padded "), "=?base64?IHBhZGRlZCA=?=");
    assert_eq!(encode("line1\nline2"), "=?base64?bGluZTEKbGluZTI=?=");
    assert_eq!(
        encode("=?base64?literal?="),
        "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="
    );
}

#[test]
fn headers_that_disagree_are_refused() {
    let ok = Headers {
        version: Some("2026-07-28"),
        method: Some("tools/call"),
        name: Some("send"),
    };
    assert_eq!(check(ok, NEW, "tools/call", Some("send")), Ok(()));
    let cases = [
        (
            Headers {
                version: Some("2025-11-25"),
                ..ok
            },
            "tools/call",
            Some("send"),
        ),
        (Headers { version: None, ..ok }, "tools/call", Some("send")),
        (
            Headers {
                method: Some("tools/list"),
                ..ok
            },
            "tools/call",
            Some("send"),
        ),
        (
            Headers {
                method: Some("Tools/Call"),
                ..ok
            },
            "tools/call",
            Some("send"),
        ),
        (Headers { method: None, ..ok }, "tools/call", Some("send")),
        (
            Headers {
                name: Some("read"),
                ..ok
            },
            "tools/call",
            Some("send"),
        ),
        (Headers { name: None, ..ok }, "tools/call", Some("send")),
        (ok, "tools/call", None),
        (
            Headers {
                name: Some("=?base64?c2VuZA?="),
                ..ok
            },
            "tools/call",
            Some("send"),
        ),
        (
            Headers {
                name: Some("=?base64?/w==?="),
                ..ok
            },
            "tools/call",
            Some("\u{fffd}"),
        ),
    ];
    for (headers, method, named) in cases {
        assert_eq!(
            check(headers, NEW, method, named),
            Err(Code::HeaderMismatch),
            "{headers:?}"
        );
    }
    // Encoded or not, the same name is the same name.
    let encoded = Headers {
        name: Some("=?base64?c2VuZA==?="),
        ..ok
    };
    assert_eq!(check(encoded, NEW, "tools/call", Some("send")), Ok(()));
}

#[test]
fn older_revisions_may_leave_headers_out_but_not_lie() {
    let old = Revision::V2025_06_18;
    assert_eq!(check(Headers::default(), old, "tools/call", Some("send")), Ok(()));
    let lying = Headers {
        method: Some("tools/list"),
        ..Headers::default()
    };
    assert_eq!(
        check(lying, old, "tools/call", Some("send")),
        Err(Code::HeaderMismatch)
    );
}

fn region() -> ParamHeaders {
    ParamHeaders::read(&json!({"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
        "on":{"type":"boolean","x-mcp-header":"On"}}}))
    .unwrap()
}

#[test]
fn mirrored_arguments_must_agree() {
    let headers = region();
    let arguments = json!({"region":"eu","deep":{"n":42.0},"on":true});
    let with = |region: &'static str, n: &'static str| {
        move |name: &str| match name {
            "mcp-param-region" => Some(region),
            "mcp-param-n" => Some(n),
            "mcp-param-on" => Some("true"),
            _ => None,
        }
    };
    assert_eq!(headers.check(&arguments, true, with("eu", "42")), Ok(()));
    assert_eq!(
        headers.check(&arguments, true, with("us", "42")),
        Err(Code::HeaderMismatch)
    );
    assert_eq!(
        headers.check(&arguments, true, with("eu", "43")),
        Err(Code::HeaderMismatch)
    );
    assert_eq!(
        headers.check(&arguments, true, with("eu", "x")),
        Err(Code::HeaderMismatch)
    );
    assert_eq!(
        headers.check(&arguments, true, |_| None),
        Err(Code::HeaderMismatch)
    );
    assert_eq!(headers.check(&json!({"region":null}), true, |_| None), Ok(()));
    // A header for an argument that is not there would route a call that is not made.
    assert_eq!(
        headers.check(&json!({}), false, with("eu", "1")),
        Err(Code::HeaderMismatch)
    );
    assert_eq!(headers.emit(&arguments).len(), 3);
}

#[test]
fn annotations_that_break_the_rules_make_the_tool_invalid() {
    for schema in [
        json!({"x-mcp-header":"Root","type":"string"}),
        json!({"properties":{"a":{"type":"number","x-mcp-header":"A"}}}),
        json!({"properties":{"a":{"type":"string","x-mcp-header":""}}}),
        json!({"properties":{"a":{"type":"string","x-mcp-header":"A B"}}}),
        json!({"properties":{"a":{"type":"string","x-mcp-header":"A\r\nX"}}}),
        json!({"properties":{"a":{"type":"string","x-mcp-header":7}}}),
        json!({"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}),
        json!({"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}}),
        json!({"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}),
        json!({"$defs":{"d":{"type":"string","x-mcp-header":"A"}}}),
    ] {
        assert_eq!(
            ParamHeaders::read(&schema).err(),
            Some(AnnotationFault),
            "{schema}"
        );
    }
    // Data that only looks like an annotation is none.
    assert!(
        ParamHeaders::read(&json!({"default":{"x-mcp-header":"A"}}))
            .unwrap()
            .is_empty()
    );
}

proptest! {
    #[test]
    fn values_come_back(value in any::<String>()) {
        let encoded = encode(&value).into_owned();
        prop_assert!(encoded.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
        prop_assert_eq!(decode(&encoded).unwrap(), value.as_str());
    }

    #[test]
    fn no_header_ever_passes_for_another_name(header in "[ -~]{0,40}", named in any::<String>()) {
        let headers = Headers { version: Some("2026-07-28"), method: Some("tools/call"), name: Some(&header) };
        if check(headers, NEW, "tools/call", Some(&named)).is_ok() {
            prop_assert_eq!(decode(&header).unwrap(), named.as_str());
        }
    }
}
