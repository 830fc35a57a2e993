//! Graphs of TensorFlow: which operators are known, and where a path comes from that one of them reads or writes.

use bartizan_artifact::{Limits, Report, Verdict, model};

fn scan(name: &str, bytes: &[u8]) -> Report {
    model(name, &bytes.to_vec(), &Limits::default())
}

fn check(bytes: &[u8], verdict: Verdict) {
    let report = scan("saved_model.pb", bytes);
    assert_eq!(report.verdict, verdict, "{:#?}", report.findings);
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn field(number: usize, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [varint(number << 3 | 2), varint(body.len()), body.to_vec()].concat()
}

fn node(name: &str, operator: &str, inputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|input| field(3, input));
    let attributes = attributes.iter().flat_map(|attribute| field(5, attribute));
    let named = [field(1, name), field(2, operator)].concat();
    named.into_iter().chain(inputs).chain(attributes).collect()
}

/// A constant that is this text.
fn text(name: &str, value: &str) -> Vec<u8> {
    let tensor = [b"\x08\x07".to_vec(), field(8, value)].concat();
    node(
        name,
        "Const",
        &[],
        &[[field(1, "value"), field(2, field(8, tensor))].concat()],
    )
}

/// An attribute that names a function.
fn calls(function: &str) -> Vec<u8> {
    [field(1, "f"), field(2, field(10, field(1, function)))].concat()
}

fn function(name: &str, arguments: &[&str], nodes: &[Vec<u8>]) -> Vec<u8> {
    let arguments = arguments.iter().flat_map(|argument| field(2, field(1, argument)));
    let signature: Vec<u8> = field(1, name).into_iter().chain(arguments).collect();
    let nodes = nodes.iter().flat_map(|node| field(3, node));
    field(1, signature).into_iter().chain(nodes).collect()
}

/// A saved model of these nodes and functions, and more of its own fields.
fn saved(nodes: &[Vec<u8>], functions: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
    let nodes = nodes.iter().flat_map(|node| field(1, node));
    let library: Vec<u8> = functions.iter().flat_map(|function| field(1, function)).collect();
    let graph: Vec<u8> = nodes.chain(field(2, library)).collect();
    let model = [field(2, graph), more.concat()].concat();
    [b"\x08\x01".to_vec(), field(2, model)].concat()
}

fn placeholder(name: &str) -> Vec<u8> {
    node(name, "Placeholder", &[], &[])
}

#[test]
fn operators_that_nobody_knows_are_not_clean() {
    check(&saved(&[node("a", "MatMul", &[], &[])], &[], &[]), Verdict::Clean);
    check(
        &saved(&[node("a", "SomebodysOwn", &[], &[])], &[], &[]),
        Verdict::Unknown,
    );
    check(
        &saved(&[node("a", "RunShellCommand", &[], &[])], &[], &[]),
        Verdict::Suspicious,
    );
    let named = function("__inference_f_1", &["x"], &[node("y", "Identity", &["x"], &[])]);
    check(
        &saved(&[node("a", "__inference_f_1", &[], &[])], &[named], &[]),
        Verdict::Clean,
    );
    for operator in [
        "ImmutableConst",
        "DumpTensor",
        "RegisterDatasetV2",
        "DatasetToTFRecord",
        "XlaCustomCall",
        "Abort",
    ] {
        check(
            &saved(&[node("a", operator, &[], &[])], &[], &[]),
            Verdict::Malicious,
        );
    }
    let vocabulary = |path: &str| [field(1, "vocab_file"), field(2, field(2, path))].concat();
    let sampler = |path| node("a", "FixedUnigramCandidateSampler", &[], &[vocabulary(path)]);
    check(&saved(&[sampler("")], &[], &[]), Verdict::Clean);
    check(&saved(&[sampler("/etc/passwd")], &[], &[]), Verdict::Malicious);
}

#[test]
fn a_path_of_the_graphs_own_is_not_written_or_read() {
    let given = |path: Vec<u8>, operator: &str| {
        saved(&[path, node("s", operator, &["p:0", "p", "d"], &[])], &[], &[])
    };
    for operator in [
        "Save",
        "SaveV2",
        "SaveSlices",
        "MergeV2Checkpoints",
        "Restore",
        "RestoreV2",
        "LoadAndRemapMatrix",
    ] {
        check(&given(placeholder("p"), operator), Verdict::Clean);
        check(
            &given(text("p", "/home/x/.ssh/authorized_keys"), operator),
            Verdict::Malicious,
        );
        check(&given(text("p", "../x"), operator), Verdict::Malicious);
        check(&given(text("p", "s3://bucket/x"), operator), Verdict::Malicious);
        check(&given(text("p", "setup.py"), operator), Verdict::Suspicious);
        check(
            &given(node("p", "DecodeBase64", &["q"], &[]), operator),
            Verdict::Suspicious,
        );
    }
    // How TensorFlow 1 saves: a name that whoever saves may replace, and parts of it in a folder.
    let saver = [
        text("name", "model"),
        node("p", "PlaceholderWithDefault", &["name"], &[]),
        text("part", "_temp_1/part"),
        node("joined", "StringJoin", &["p", "part"], &[]),
        node("shard", "ShardedFilename", &["joined", "n", "m"], &[]),
        node("s", "SaveV2", &["shard", "t"], &[]),
    ];
    check(&saved(&saver, &[], &[]), Verdict::Clean);
    let away = [
        text("name", "/etc/x"),
        saver[1].clone(),
        saver[5].clone(),
        node("shard", "ShardedFilename", &["p"], &[]),
    ];
    check(&saved(&away, &[], &[]), Verdict::Malicious);
    let joined = [
        text("a", "/"),
        text("b", "etc/x"),
        node("p", "StringJoin", &["a", "b"], &[]),
        node("s", "Save", &["p"], &[]),
    ];
    check(&saved(&joined, &[], &[]), Verdict::Malicious);
}

#[test]
fn a_path_is_followed_through_functions() {
    let saves = function(
        "save",
        &["prefix", "x"],
        &[node("s", "SaveV2", &["prefix", "x"], &[])],
    );
    let hands_on = function(
        "outer",
        &["y", "path"],
        &[node(
            "c",
            "StatefulPartitionedCall",
            &["path", "y"],
            &[calls("save")],
        )],
    );
    let functions = [hands_on, saves];
    let call = |from: &str| node("c", "StatefulPartitionedCall", &["n", from], &[calls("outer")]);
    check(
        &saved(&[placeholder("p"), call("p")], &functions, &[]),
        Verdict::Clean,
    );
    check(
        &saved(&[text("p", "/etc/x"), call("p")], &functions, &[]),
        Verdict::Malicious,
    );
    check(
        &saved(
            &[text("p", "/etc/x"), placeholder("q"), call("q")],
            &functions,
            &[],
        ),
        Verdict::Clean,
    );
    let branch = node("c", "If", &["when", "n", "p"], &[calls("outer")]);
    check(
        &saved(&[text("p", "/etc/x"), branch], &functions, &[]),
        Verdict::Malicious,
    );
    let by_name = node("c", "outer", &["n", "p"], &[]);
    check(
        &saved(&[text("p", "/etc/x"), by_name], &functions, &[]),
        Verdict::Malicious,
    );
    let mapped = node("c", "MapDataset", &["p", "n"], &[calls("outer")]);
    check(
        &saved(&[text("p", "/etc/x"), mapped], &functions, &[]),
        Verdict::Malicious,
    );
    // A function that calls itself ends too.
    let own = function(
        "outer",
        &["y", "path"],
        &[node("c", "PartitionedCall", &["y", "path"], &[calls("outer")])],
    );
    check(
        &saved(&[call("p"), placeholder("p")], &[own], &[]),
        Verdict::Clean,
    );
    // What the model binds to a function's last arguments: object 1 is the constant `p` of the graph.
    let constant = field(1, field(9, field(1, "p")));
    let bound = field(2, [field(1, "save"), field(2, b"\x10\x01")].concat());
    let objects = |bound: Vec<u8>| field(7, [field(1, b""), constant.clone(), bound].concat());
    let bound_last = function(
        "save",
        &["x", "prefix"],
        &[node("s", "SaveV2", &["prefix", "x"], &[])],
    );
    check(
        &saved(
            &[text("p", "/etc/x")],
            std::slice::from_ref(&bound_last),
            &[objects(bound)],
        ),
        Verdict::Malicious,
    );
    check(
        &saved(&[text("p", "/etc/x")], &[bound_last], &[objects(Vec::new())]),
        Verdict::Clean,
    );
}

#[test]
fn an_asset_is_a_file_of_the_models_own() {
    let table = |path: Vec<u8>, more: &[Vec<u8>]| {
        saved(
            &[path, node("t", "InitializeTableFromTextFileV2", &["h", "p"], &[])],
            &[],
            more,
        )
    };
    let asset = |name: &str| [field(1, field(1, "p:0")), field(2, name)].concat();
    let listed = |name: &str| field(6, asset(name));
    let older = |name: &str| {
        let any = field(5, field(1, [field(1, "type"), field(2, asset(name))].concat()));
        field(4, [field(1, "saved_model_assets"), field(2, any)].concat())
    };
    let path = || text("p", "/home/maker/vocab.txt");
    check(&table(path(), &[]), Verdict::Malicious);
    check(&table(path(), &[listed("vocab.txt")]), Verdict::Clean);
    check(&table(path(), &[older("vocab.txt")]), Verdict::Clean);
    check(
        &table(path(), &[listed("../../../etc/passwd")]),
        Verdict::Malicious,
    );
    check(&table(path(), &[older("/etc/passwd")]), Verdict::Malicious);
    check(&table(placeholder("p"), &[]), Verdict::Clean);
    // A variable holds what is assigned to it, and nobody knows what where a function could assign more.
    let kept = |more: Vec<u8>| {
        let nodes = [
            placeholder("asset"),
            node("v", "VarHandleOp", &[], &[]),
            node("w", "AssignVariableOp", &["v", "asset"], &[]),
            node("p", "ReadVariableOp", &["v"], &[]),
            node("t", "InitializeTableFromTextFileV2", &["h", "p"], &[]),
            more,
        ];
        let other = function("f", &["x"], &[]);
        saved(&nodes, &[other], &[])
    };
    check(&kept(node("n", "NoOp", &[], &[])), Verdict::Clean);
    check(
        &kept(node("c", "PartitionedCall", &["v"], &[calls("f")])),
        Verdict::Suspicious,
    );
}

#[test]
fn configurations_of_keras_that_older_models_keep_among_their_objects() {
    let object = |config: &str| {
        field(
            7,
            field(
                1,
                field(4, [field(1, "_tf_keras_layer"), field(3, config)].concat()),
            ),
        )
    };
    let graph = [node("a", "MatMul", &[], &[])];
    check(
        &saved(
            &graph,
            &[],
            &[object(r#"{"class_name": "Dense", "config": {"units": 3}}"#)],
        ),
        Verdict::Clean,
    );
    check(
        &saved(
            &graph,
            &[],
            &[object(r#"{"class_name": "Lambda", "config": {}}"#)],
        ),
        Verdict::Malicious,
    );
}

#[test]
fn a_large_graph_of_calls_ends() {
    // Each function calls the next with its argument: the path is at the far end.
    let many = 100;
    let functions: Vec<_> = (0..many)
        .map(|at| {
            let next = format!("f{}", at + 1);
            function(
                &format!("f{at}"),
                &["x"],
                &[node("c", "PartitionedCall", &["x"], &[calls(&next)])],
            )
        })
        .chain([function(
            &format!("f{many}"),
            &["x"],
            &[node("s", "Save", &["x"], &[])],
        )])
        .collect();
    let report = scan(
        "saved_model.pb",
        &saved(
            &[
                text("p", "/etc/x"),
                node("c", "PartitionedCall", &["p"], &[calls("f0")]),
            ],
            &functions,
            &[],
        ),
    );
    assert!(report.verdict > Verdict::Clean, "{:#?}", report.findings);
}

#[test]
fn graphs_that_are_written_as_text() {
    let graph = |path: &str, operator: &str| {
        format!(
            "node {{ name: \"p\" op: \"Const\" attr {{ key: \"value\" value {{ tensor {{ string_val: {path} }} }} }} }}\n\
             node {{ name: \"s\" op: \"{operator}\" input: \"p\" }}\n"
        )
    };
    for (path, operator, verdict) in [
        ("\"model\"", "SaveV2", Verdict::Clean),
        ("\"_temp_1/part\"", "SaveV2", Verdict::Clean),
        ("\"/etc/x\"", "AsString", Verdict::Clean),
        ("\"/etc/x\"", "SaveV2", Verdict::Suspicious),
        ("'/etc/x'", "RestoreV2", Verdict::Suspicious),
        ("\"\\057etc\"", "Save", Verdict::Suspicious),
        ("\"\\x2fetc\"", "Save", Verdict::Suspicious),
        ("[\"a\", \".\" './x']", "MergeV2Checkpoints", Verdict::Suspicious),
        ("\"a\"", "SomebodysOwn", Verdict::Unknown),
    ] {
        let report = scan("saved_model.pbtxt", graph(path, operator).as_bytes());
        assert_eq!(
            report.verdict, verdict,
            "{path} {operator}: {:#?}",
            report.findings
        );
    }
    let named = "library { function { signature { name: \"f\" } } } node { name: \"c\" op: \"f\" }\n";
    assert_eq!(scan("x.pbtxt", named.as_bytes()).verdict, Verdict::Clean);
}

/// An attribute that is a text, or a list of them.
fn attribute(key: &str, value: &str) -> Vec<u8> {
    [field(1, key), field(2, field(2, value))].concat()
}

#[test]
fn attributes_that_name_a_place_are_none_of_the_graphs_own() {
    let long = format!("file:///tmp/{}x", "./".repeat(4000));
    let many: Vec<u8> = (0..400)
        .flat_map(|at| field(2, format!("memcbk:///{at}")))
        .collect();
    let urls = |last: &str| {
        [
            field(1, "debug_urls"),
            field(2, field(1, [many.clone(), field(2, last)].concat())),
        ]
        .concat()
    };
    for (operator, attribute, verdict) in [
        ("PrintV2", attribute("output_stream", "stderr"), Verdict::Clean),
        ("PrintV2", attribute("output_stream", "log(info)"), Verdict::Clean),
        (
            "PrintV2",
            attribute("output_stream", "file:///tmp/x"),
            Verdict::Malicious,
        ),
        ("PrintV2", attribute("output_stream", &long), Verdict::Malicious),
        ("DebugIdentity", urls("memcbk:///x"), Verdict::Clean),
        ("DebugIdentity", urls("file:///tmp/x"), Verdict::Malicious),
        (
            "DecodeProtoV2",
            attribute("descriptor_source", "local://"),
            Verdict::Clean,
        ),
        (
            "DecodeProtoV2",
            attribute("descriptor_source", "/etc/passwd"),
            Verdict::Malicious,
        ),
        (
            "EncodeProto",
            attribute("descriptor_source", "x.pb"),
            Verdict::Malicious,
        ),
        ("RemoteCall", calls("f"), Verdict::Suspicious),
        // The key behind its value is another's.
        (
            "PrintV2",
            [field(2, field(2, "file:///tmp/x")), field(1, "output_stream")].concat(),
            Verdict::Unknown,
        ),
    ] {
        let nodes = [text("c", "x"), node("p", operator, &["c"], &[attribute])];
        check(&saved(&nodes, &[], &[]), verdict);
    }
}

#[test]
fn what_joins_a_path_is_a_part_of_it() {
    let joined = |separator: &str, part: &str| {
        saved(
            &[
                placeholder("p"),
                text("t", part),
                node(
                    "j",
                    "StringJoin",
                    &["p", "t"],
                    &[attribute("separator", separator)],
                ),
                node("s", "SaveV2", &["j", "t", "t"], &[]),
            ],
            &[],
            &[],
        )
    };
    check(&joined("/", "model"), Verdict::Clean);
    check(&joined("", "_temp/part.0"), Verdict::Clean);
    check(&joined("/../../tmp/", "model"), Verdict::Malicious);
    check(&joined("", "x/."), Verdict::Malicious);
}

#[test]
fn places_in_a_graph_that_is_a_text() {
    let graph = |value: &str| {
        let text = format!(
            "node {{ name: \"p\" op: \"PrintV2\" attr {{ key: \"output_stream\" value {{ s: {value} }} }} attr {{ key: \"end\" value {{ s: \"/\" }} }} }}\n"
        );
        scan("graph.pbtxt", text.as_bytes()).verdict
    };
    assert_eq!(graph("\"stderr\""), Verdict::Clean);
    assert_eq!(graph("\"log(info)\""), Verdict::Clean);
    for value in [
        "\"file:///tmp/x\"",
        "\"file\" ':///tmp/x'",
        "# \"stderr\"\n \"fi\\x6ce:///tmp/x\"",
    ] {
        assert_eq!(graph(value), Verdict::Malicious, "{value}");
    }
}
