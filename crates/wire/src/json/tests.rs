use std::collections::BTreeMap;

use bartizan_types::{Code, Decimal};
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Bounds, arguments, canonical, number, object::poses_as, place, pointer, scan, unrounded};

fn code(text: &str) -> Result<(), Code> {
    scan(text.as_bytes(), &Bounds::default())
        .map(|_| ())
        .map_err(|fault| fault.code)
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("valid JSON")
}

fn canon(text: &str) -> Result<String, Code> {
    let bytes = canonical(&raw(text)).map_err(|fault| fault.code)?;
    Ok(String::from_utf8(bytes).expect("UTF-8"))
}

#[test]
fn faults_name_their_byte() {
    let fault = |text: &[u8]| {
        scan(text, &Bounds::default())
            .map(|_| ())
            .map_err(|f| (f.code, f.at))
    };
    assert_eq!(fault(br#"{"a":1,"a":2}"#), Err((Code::JsonDuplicateKey, 8)));
    assert_eq!(fault(br#"{"a":[1,2,}"#), Err((Code::JsonSyntax, 10)));
    assert_eq!(fault(b"[\"\xC0\"]"), Err((Code::JsonUtf8, 2)));
    assert_eq!(fault(br#"["x\udc00"]"#), Err((Code::JsonSurrogate, 3)));
    assert_eq!(fault(b"[1, 1e999]"), Err((Code::JsonNumber, 4)));
}

#[test]
fn depth_and_size_are_bounded() {
    let bounds = Bounds {
        depth: 3,
        bytes: 16,
        ..Bounds::default()
    };
    let code = |text: &str| {
        scan(text.as_bytes(), &bounds)
            .map(|_| ())
            .map_err(|fault| fault.code)
    };
    assert_eq!(code("[[[1]]]"), Ok(()));
    assert_eq!(code("[[[[1]]]]"), Err(Code::JsonDepth));
    assert_eq!(code("[[[{}]]]"), Err(Code::JsonDepth));
    assert_eq!(code("[[[0,1,2,3,4,5]]]"), Err(Code::BodyTooLarge));
}

/// Ten million open brackets must neither recurse nor allocate past the bound.
#[test]
fn a_deep_bomb_is_refused_at_the_bound() {
    let bomb = vec![b'['; 10 << 20];
    let fault = scan(&bomb, &Bounds::default()).expect_err("too deep");
    assert_eq!((fault.code, fault.at), (Code::JsonDepth, 128));
}

#[test]
fn duplicates_are_found_among_many_keys_and_through_escapes() {
    for count in [2_usize, 16, 17, 18, 1000] {
        let keys: Vec<String> = (0..count).map(|at| format!("\"key{at}\":{at}")).collect();
        assert_eq!(code(&format!("{{{}}}", keys.join(","))), Ok(()), "{count}");
        for (twin, last) in [("key0", 0), (r"k\u0065y1", 1)] {
            let text = format!("{{{},\"{twin}\":0}}", keys.join(","));
            assert_eq!(code(&text), Err(Code::JsonDuplicateKey), "{count} {last}");
        }
    }
    // Siblings of other objects are no duplicates, before, inside or after.
    assert_eq!(
        code(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}],"c":{"b":1}}"#),
        Ok(())
    );
    assert_eq!(
        code(r#"{"\u0061b":1,"c":{"\u0061b":1,"\u0061c":2},"\u0061c":1}"#),
        Ok(())
    );
    assert_eq!(
        code(r#"{"c":{"\u0061":2},"\ud83d\ude00":1,"😀":1}"#),
        Err(Code::JsonDuplicateKey)
    );
}

/// A million keys in one object, all distinct, and all of one length: a quadratic search would never end.
#[test]
fn a_million_keys_are_no_trouble() {
    let mut text = String::from("{");
    for at in 0..1_000_000 {
        text.push_str(&format!("\"{at:07}\":0,"));
    }
    assert_eq!(code(&format!("{text}\"x\":0}}")), Ok(()));
    assert_eq!(
        code(&format!("{text}\"0123456\":0}}")),
        Err(Code::JsonDuplicateKey)
    );
}

#[test]
fn rfc_8785_numbers() {
    // RFC 8785 appendix B: IEEE 754 bits and their ECMAScript text.
    for (bits, expected) in [
        (0x0000_0000_0000_0000_u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let text = format!("{:e}", f64::from_bits(bits));
        assert_eq!(canon(&text).as_deref(), Ok(expected), "{bits:x}");
    }
}

#[test]
fn rfc_8785_members_and_strings() {
    // Section 3.2.3's sorting example, and 3.2.2.2's string.
    let sorted = canon(
        r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
    )
    .expect("canonical");
    let order: Vec<usize> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
        .iter()
        .map(|word| sorted.find(word).expect("kept"))
        .collect();
    assert!(order.is_sorted(), "{sorted}");
    assert_eq!(
        canon(r#"{ "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true , false] }"#).as_deref(),
        Ok(r#"{"literals":[null,true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}"#)
    );
    assert_eq!(canon(r#"{"b":[],"a":{ }}"#).as_deref(), Ok(r#"{"a":{},"b":[]}"#));
}

#[test]
fn canonical_never_rounds_an_integer() {
    assert_eq!(canon("9007199254740993"), Err(Code::JsonNumber));
    assert_eq!(
        canon("18446744073709551616").as_deref(),
        Ok("18446744073709552000")
    );
    assert_eq!(canon("18446744073709551617"), Err(Code::JsonNumber));
    assert_eq!(canon("1.0").as_deref(), Ok("1"));
    assert_eq!(canon(r#"{"a":1,"a":2}"#), Err(Code::JsonDuplicateKey));
}

#[test]
fn a_call_holds_no_number_that_readers_round() {
    let exact = |text: &str| {
        let scanned = scan(text.as_bytes(), &Bounds::default()).expect("strict");
        scanned
            .exact()
            .map(|_| ())
            .map_err(|fault| (fault.code, place(text.as_bytes(), fault.at)))
    };
    for held in [
        "0",
        "-0",
        "0.1",
        "1e2",
        "100.0",
        "1E+2",
        "1.50",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "9007199254740993",
        "1234567890123456.8",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "1e23",
        "100000000000000000000",
        "18446744073709552000",
        "1722510000.123456",
        "0.000000000000000000000000000001",
        r#"{"a":"20000000000000000001"}"#,
    ] {
        assert_eq!(exact(held), Ok(()), "{held}");
    }
    for rounded in [
        "20000000000000000001",
        "-9223372036854775809",
        "18446744073709551616",
        "1234567890123456.78",
        "0.10000000000000000999",
        "0.10000000000000001",
        "2000000000000000000.1e1",
        "1e-400",
        "1.2345e-320",
        "1.0000000000000000000000001",
    ] {
        let text = format!(r#"{{"a":[1,{{"b":{rounded},"c":2e19}}]}}"#);
        assert_eq!(
            exact(&text),
            Err((Code::JsonDigits, "at `/a/1/b`, byte 13".to_owned())),
            "{rounded}"
        );
    }
    // The first is told.
    assert_eq!(
        exact("[1, 20000000000000000001, 1e-400]"),
        Err((Code::JsonDigits, "at `/1`, byte 4".to_owned()))
    );
}

#[test]
fn what_was_answered_is_not_rounded() {
    let read = |text: &str| unrounded(text).ok();
    assert_eq!(
        read(r#"{"a": 20000000000000000001, "b":[0.10000000000000000999, 1.5, "x"], "1e-400":2}"#),
        Some(serde_json::json!({
            "a": "20000000000000000001", "b": ["0.10000000000000000999", 1.5, "x"], "1e-400": 2
        }))
    );
    // What is no JSON does not become some.
    for broken in [
        "[1-2]",
        "[01234567890123456789]",
        "[1e]",
        "1 2",
        "[1.2.3.4.5.6.7.8.9]",
        "",
    ] {
        assert_eq!(read(broken), None, "{broken}");
    }
}

#[test]
fn leaves_are_bounded_and_say_so() {
    let leaves = arguments(&raw(
        r#"{"to":["a","b"],"n":{"x":1.9,"y":-1.9},"ok":true,"no":null,"e":{}}"#,
    ));
    assert!(leaves.complete);
    let texts: Vec<_> = leaves
        .texts
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        texts,
        [("no", "null"), ("ok", "true"), ("to.0", "a"), ("to.1", "b")]
    );
    assert_eq!(
        leaves.numbers,
        BTreeMap::from([("n.x".to_owned(), 1), ("n.y".to_owned(), -2)])
    );
    let exact = [("n.x", "1.9"), ("n.y", "-1.9"), ("no", "null"), ("ok", "true")];
    assert_eq!(
        leaves.exact,
        exact
            .map(|(path, json)| (path.to_owned(), json.to_owned()))
            .into()
    );
    let whole = arguments(&raw(r#"{"a":100.0,"b":1e2,"c":-0.0,"d":"true","e":"1.5"}"#));
    assert!(whole.complete && whole.exact.is_empty());
    let small = arguments(&raw("{\"a\":-1e-7}"));
    assert_eq!(small.numbers.get("a"), Some(&-1));
    assert_eq!(small.exact.get("a").map(String::as_str), Some("-0.0000001"));
    for incomplete in [
        format!("[{}0]", "1,".repeat(256)),
        format!("{{\"a\":\"{}\"}}", "é".repeat(2049)),
        format!("{{\"{}\":1}}", "k".repeat(1100)),
        "{\"a\":18446744073709551615}".to_owned(),
        "{\"a\":1e300}".to_owned(),
        "{\"a\":1,\"a\":2}".to_owned(),
        "{\"a\":\"1\",\"a\":\"2\"}".to_owned(),
        format!("{}1{}", "[".repeat(120), "]".repeat(120)),
    ] {
        let leaves = arguments(&raw(&incomplete));
        assert!(
            !leaves.complete,
            "{}",
            incomplete.get(..40).unwrap_or(&incomplete)
        );
        assert!(leaves.texts.len() + leaves.numbers.len() <= 256);
        assert!(leaves.texts.values().all(|text| text.len() <= 4096));
    }
}

/// A key with a dot must not pose as a nested leaf.
#[test]
fn dotted_keys_are_escaped() {
    let leaves = arguments(&raw(
        r#"{"to.0":"friend","to":["foe"],"a\\":{"b":"1"},"a\\.b":"2"}"#,
    ));
    assert!(leaves.complete);
    let keys: Vec<_> = leaves.texts.keys().map(String::as_str).collect();
    assert_eq!(keys, [r"a\\.b", r"a\\\.b", "to.0", r"to\.0"]);
    assert_eq!(leaves.texts.get("to.0").map(String::as_str), Some("foe"));
}

#[test]
fn pointers_give_the_exact_bytes() {
    let text = r#" {"a": [ {"m~n/o": 1.50 } , "x"], "":{"":7}} "#;
    let body = scan(text.as_bytes(), &Bounds::default()).expect("valid");
    let at = |pointed: &str| {
        pointer(body, pointed).map(|(value, span)| {
            assert_eq!(text.get(span), Some(value.get()));
            value.get()
        })
    };
    assert_eq!(at("/a/0/m~0n~1o"), Some("1.50"));
    assert_eq!(at("/a/1"), Some("\"x\""));
    assert_eq!(at("//"), Some("7"));
    assert_eq!(at("").map(str::len), Some(text.len() - 2));
    for nothing in ["a", "/a/01", "/a/2", "/a/+1", "/a/-", "/b", "/a/1/x"] {
        assert_eq!(at(nothing), None, "{nothing}");
    }
}

#[test]
fn poses_are_seen_through() {
    for key in ["Tools", "TOOLS", "tool\u{17F}"] {
        assert!(poses_as(key, "tools"), "{key}");
    }
    assert!(poses_as("\u{212A}ey", "key"));
    for key in ["tool", "toolss", "tøols", "to ols"] {
        assert!(!poses_as(key, "tools"), "{key}");
    }
}

/// JSON texts without duplicate keys.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        // Not so large that the shortest spelling is an integer literal that is not exact.
        (-1e15..1e15).prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map(".{0,4}", inner, 0..24)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_accepted(value in json(), seed: u64) {
        let bounds = Bounds { seed, ..Bounds::default() };
        for text in [value.to_string(), format!("{value:#}")] {
            prop_assert!(scan(text.as_bytes(), &bounds).is_ok(), "{}", text);
        }
    }

    /// Mutated texts: we accept nothing that serde_json refuses, and refuse nothing it accepts but for our reasons.
    #[test]
    fn the_grammar_is_that_of_an_independent_parser(value in json(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        if cut { text.remove(at); } else { text[at] = byte; }
        let ours = scan(&text, &Bounds::default()).map(|_| ()).map_err(|fault| fault.code);
        let theirs = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
        match ours {
            Ok(()) => prop_assert!(theirs),
            Err(Code::JsonDuplicateKey) => {}
            Err(_) => prop_assert!(!theirs, "{}", String::from_utf8_lossy(&text)),
        }
    }

    #[test]
    fn canonical_is_a_fixed_point_that_means_the_same(value in json()) {
        let text = value.to_string();
        let once = canon(&text).expect("canonical");
        prop_assert_eq!(canon(&once), Ok(once.clone()));
        prop_assert_eq!(canon(&format!("{value:#}")), Ok(once));
    }

    /// Whatever a double is, its shortest spelling is held, and reads as that double.
    #[test]
    fn a_double_is_held(bits: u64) {
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let text = canon(&format!("{value:e}")).expect("a double");
            prop_assert!(number::is_held(&text), "{}", text);
            let read: f64 = serde_json::from_str(&text).expect("a number");
            prop_assert!(read == value, "{} reads as {}", text, read);
        }
    }

    /// What is held is written again as the same number.
    #[test]
    fn what_is_held_is_written_as_what_it_is(text in "-?(0|[1-9][0-9]{0,24})([.][0-9]{1,24})?(e-?[0-9]{1,2})?") {
        if number::is_held(&text) {
            let value: serde_json::Value = serde_json::from_str(&text).expect("a number");
            let again = Decimal::parse(&value.to_string());
            prop_assert!(again.is_some() && again == Decimal::parse(&text), "{} is {}", text, value);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = scan(&bytes, &Bounds::default());
    }
}
