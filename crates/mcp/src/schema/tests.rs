use proptest::prelude::*;
use serde_json::json;

use super::*;

fn compile(value: &Value) -> Result<Schema, SchemaFault> {
    Schema::compile(&RawValue::from_string(value.to_string()).unwrap())
}

#[test]
fn the_first_failing_place_is_named_and_its_value_is_not() {
    let schema = compile(&json!({"type":"object","properties":{
        "to":{"type":"array","items":{"type":"string","pattern":"^[a-z]+@example\\.com$"}}},"required":["to"]}))
    .unwrap();
    let check = |arguments: Value| schema.check_arguments(&arguments);
    assert!(check(json!({"to":["a@example.com"]})).is_ok());
    let fault = check(json!({"to":["a@example.com","secret-token-123"]})).unwrap_err();
    assert_eq!(
        (fault.pointer.as_str(), fault.keyword.as_str()),
        ("/to/1", "pattern")
    );
    assert!(!fault.to_string().contains("secret"));
    let none = Schema::read_arguments(None).unwrap();
    assert_eq!(check(none).unwrap_err().keyword, "required");
    assert_eq!(check(json!([])).unwrap_err().keyword, "type");
    // Well formed, and no number that can be kept.
    let huge = RawValue::from_string(r#"{"to":1e999}"#.to_owned()).unwrap();
    assert_eq!(Schema::read_arguments(Some(&huge)).unwrap_err().keyword, "type");
}

#[test]
fn what_does_not_fit_is_told_with_the_limit_and_no_text_of_the_server() {
    let schema = compile(
        &json!({"type":"object","additionalProperties":false,"required":["n"],"properties":{
        "n":{"type":"integer","maximum":5,"minimum":1},
        "word":{"type":["string","null"],"maxLength":3,"enum":["yes","no","obey me",null]},
        "list":{"type":"array","maxItems":2},"share":{"type":"number","multipleOf":0.5}}}),
    )
    .unwrap();
    for (arguments, said) in [
        (json!({"n":7}), "`maximum` (5) is not met at `/n`"),
        (json!({"n":0}), "`minimum` (1) is not met at `/n`"),
        (json!({"n":"x"}), "`type` (integer) is not met at `/n`"),
        (json!({}), "`required` is not met at `/n`"),
        (
            json!({"n":1,"a/b":1}),
            "`additionalProperties` is not met at `/a~1b`",
        ),
        (json!({"n":1,"word":"ye"}), "`enum` is not met at `/word`"),
        (
            json!({"n":1,"list":[1,2,3]}),
            "`maxItems` (2) is not met at `/list`",
        ),
        (
            json!({"n":1,"share":0.3}),
            "`multipleOf` (0.5) is not met at `/share`",
        ),
        (json!([]), "`type` is not met by the whole"),
    ] {
        let fault = schema.check_arguments(&arguments).unwrap_err();
        assert_eq!(fault.to_string(), said, "{arguments}");
    }
}

#[test]
fn references_stay_inside_the_document() {
    for reference in [
        "http://127.0.0.1/schema.json",
        "https://json-schema.org/draft/2020-12/schema",
        "file:///etc/passwd",
        "other.json",
        "#anchor",
        "#/nowhere",
        "#/%24defs/a",
        "",
    ] {
        let schema = json!({"$defs":{"a":{}},"properties":{"x":{"$ref":reference}}});
        assert_eq!(
            compile(&schema).err(),
            Some(SchemaFault::Reference),
            "{reference}"
        );
    }
    assert_eq!(
        compile(&json!({"$dynamicRef":"#x"})).err(),
        Some(SchemaFault::Reference)
    );
    assert_eq!(
        compile(&json!({"properties":{"x":{"$id":"http://a/b","$ref":"#"}}})).err(),
        Some(SchemaFault::Reference)
    );
    // What looks like a reference inside data is none.
    assert!(compile(&json!({"const":{"$ref":"http://a"},"default":{"$ref":7}})).is_ok());
    assert!(
        compile(&json!({"$id":"https://a/b","$defs":{"a":{"type":"string"}},"$ref":"#/$defs/a"})).is_ok()
    );
}

#[test]
fn work_that_doubles_with_every_step_is_refused() {
    // 2^40 paths through definitions that each name the next one twice.
    let mut defs = serde_json::Map::new();
    for at in 0..40 {
        let next = format!("#/$defs/d{}", at + 1);
        defs.insert(format!("d{at}"), json!({"anyOf":[{"$ref":next},{"$ref":next}]}));
    }
    defs.insert("d40".to_owned(), json!({"type":"string"}));
    assert_eq!(
        compile(&json!({"$defs":defs,"$ref":"#/$defs/d0"})).err(),
        Some(SchemaFault::Work)
    );
    // The same through the instance: each level of nesting doubles.
    let doubling = json!({"allOf":[{"properties":{"x":{"$ref":"#"}}},{"properties":{"x":{"$ref":"#"}}}]});
    assert_eq!(compile(&doubling).err(), Some(SchemaFault::Work));
    // A schema that is its own condition never ends.
    assert_eq!(compile(&json!({"$ref":"#"})).err(), Some(SchemaFault::Work));
    assert_eq!(
        compile(&json!({"allOf":[{"not":{"$ref":"#"}}]})).err(),
        Some(SchemaFault::Work)
    );
}

#[test]
fn ordinary_recursion_is_accepted() {
    let tree = json!({"type":"object","properties":{
        "left":{"$ref":"#"},"right":{"$ref":"#"},"children":{"type":"array","items":{"$ref":"#"}}}});
    let schema = compile(&tree).unwrap();
    assert!(schema.check(&json!({"left":{"children":[{"right":{}}]}})).is_ok());
    assert_eq!(
        schema
            .check(&json!({"left":{"children":[3]}}))
            .unwrap_err()
            .pointer,
        "/left/children/0"
    );
}

#[test]
fn patterns_run_in_linear_time_or_not_at_all() {
    let schema = compile(&json!({"type":"object","properties":{"x":{"pattern":"^(a+)+$"}}})).unwrap();
    let hostile = json!({"x": format!("{}!", "a".repeat(100_000))});
    assert_eq!(schema.check(&hostile).unwrap_err().keyword, "pattern");
    let back = json!({"properties":{"x":{"pattern":"^(a)\\1$"}}});
    assert_eq!(compile(&back).err(), Some(SchemaFault::Compile));
    let huge = json!({"properties":{"x":{"pattern":"(a{1000}){1000}"}}});
    assert_eq!(compile(&huge).err(), Some(SchemaFault::Compile));
}

#[test]
fn size_and_shape_are_bounded() {
    assert_eq!(compile(&json!([])).err(), Some(SchemaFault::Shape));
    assert_eq!(
        compile(&json!({"description":"x".repeat(MAX_BYTES)})).err(),
        Some(SchemaFault::TooLarge)
    );
    let many: Vec<Value> = (0..MAX_NODES).map(|_| json!({})).collect();
    assert_eq!(
        compile(&json!({"prefixItems":many})).err(),
        Some(SchemaFault::TooManyNodes)
    );
    assert_eq!(
        compile(&json!({"type":"no such type"})).err(),
        Some(SchemaFault::Compile)
    );
    assert_eq!(
        compile(&json!({"$schema":"https://example.com/own-dialect"})).err(),
        Some(SchemaFault::Compile)
    );
    assert!(compile(&json!({"$schema":"http://json-schema.org/draft-07/schema#","type":"object"})).is_ok());
}

#[test]
fn arguments_deeper_than_schemas_are_followed_are_refused() {
    let schema = compile(&json!({"properties":{"x":{"$ref":"#"}}})).unwrap();
    let mut deep = json!({});
    for _ in 0..MAX_DEPTH {
        deep = json!({"x":deep});
    }
    assert_eq!(schema.check_arguments(&deep).unwrap_err().keyword, "maxDepth");
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({"type":"string"})),
        Just(json!({"$ref":"#"})),
        Just(json!({"$ref":"#/$defs/a"})),
        Just(json!({"enum":[1,"x"]})),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|list| json!({"anyOf":list})),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|list| json!({"allOf":list})),
            inner.clone().prop_map(|inner| json!({"properties":{"x":inner}})),
            inner.clone().prop_map(|inner| json!({"items":inner})),
            inner.prop_map(|inner| json!({"$defs":{"a":inner},"not":{"type":"number"}})),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_compiles_also_ends(schema in any_schema(), width in 1_usize..4) {
        if let Ok(schema) = compile(&schema) {
            let mut instance = json!({"x":"leaf"});
            for _ in 0..24 {
                instance = json!({"x": vec![instance; width.min(1)], "y": 1});
            }
            let _ = schema.check(&instance);
        }
    }
}

#[test]
fn arguments_that_pose_as_others_by_letter_case_are_refused() {
    let schema = r#"{"type":"object","properties":{"to":{"type":"string"},"inner":{"type":"object","properties":
        {"kind":{}}},"list":{"type":"array","items":{"type":"object","properties":{"id":{}}}},"env":{"type":"object"},
        "A":{},"a":{}}}"#;
    let schema = Schema::compile(&RawValue::from_string(schema.to_owned()).unwrap()).unwrap();
    let check = |text: &str| {
        let arguments: Value = serde_json::from_str(text).unwrap();
        schema.check_arguments(&arguments).map_err(|at| at.pointer)
    };
    for (arguments, at) in [
        (r#"{"To":"x"}"#, "/To"),
        (r#"{"inner":{"\u212Aind":1}}"#, "/\u{212A}ind"),
        (r#"{"list":[{"id":1},{"ID":1}]}"#, "/ID"),
    ] {
        assert_eq!(check(arguments), Err(at.to_owned()), "{arguments}");
    }
    for arguments in [
        r#"{"to":"x","other":1,"inner":{"kind":1},"list":[{"id":1}]}"#,
        r#"{"env":{"TO":"x","Kind":1},"a":1,"A":2}"#,
    ] {
        assert_eq!(check(arguments), Ok(()), "{arguments}");
    }
}
