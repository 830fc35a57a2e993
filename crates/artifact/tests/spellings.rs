//! The same deed in other words: archives that are several things, programs with blanks in their names, graphs whose
//! attributes are places, pickles without their mark; and beside each what is honest.

use bartizan_artifact::{Limits, Report, Verdict, model};

const PICKLE: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";
/// The same without its mark.
const BARE: &[u8] = b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";
const EMPTY: &[u8] = b"\x80\x02}.";

fn scan(name: &str, bytes: &[u8]) -> Report {
    model(name, &bytes.to_vec(), &Limits::default())
}

fn check(what: &str, name: &str, bytes: &[u8], verdict: Verdict) {
    let report = scan(name, bytes);
    assert_eq!(report.verdict, verdict, "{what}: {:#?}", report.findings);
}

fn evil(what: &str, name: &str, bytes: &[u8]) {
    let report = scan(name, bytes);
    assert!(
        report.verdict >= Verdict::Suspicious,
        "{what}: {:#?}",
        report.findings
    );
}

fn sum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// An archive that packs nothing.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut whole, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let size = (bytes.len() as u32).to_le_bytes();
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &sum(bytes).to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let at = (whole.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &at, name.as_bytes()].concat());
        whole.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let (from, size) = (whole.len() as u32, directory.len() as u32);
    let end = [
        b"PK\x05\x06\0\0\0\0",
        &count[..],
        &count,
        &size.to_le_bytes(),
        &from.to_le_bytes(),
        &[0, 0],
    ];
    [whole, directory, end.concat()].concat()
}

/// A program of `torch.export` whose first weight is this, and how its configuration says that it is read.
fn exported(weight: &[u8], pickled: &str, graph: &str) -> Vec<u8> {
    let weights = format!(
        r#"{{"config": {{"w": {{"path_name": "weight_0", "is_param": true, "use_pickle": {pickled}, "tensor_meta": null}}}}}}"#
    );
    archive(&[
        ("m/data/weights/weight_0", weight),
        ("m/data/weights/model_weights_config.json", weights.as_bytes()),
        ("m/models/model.json", graph.as_bytes()),
        ("m/archive_format", b"pt2"),
        ("m/archive_version", b"0"),
    ])
}

#[test]
fn weights_that_are_unpickled() {
    let torch = archive(&[("archive/data.pkl", PICKLE), ("archive/version", b"3\n")]);
    let honest = archive(&[("archive/data.pkl", EMPTY), ("archive/version", b"3\n")]);
    let legacy = [
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        PICKLE,
    ]
    .concat();
    for weight in [&torch[..], PICKLE, BARE, b"cos\nsystem\n(S'true'\ntR.", &legacy] {
        evil("pickled", "m.pt2", &exported(weight, "true", "{}"));
        evil("pickled", "m.pt2", &exported(weight, "1", "{}"));
    }
    check(
        "a tensor",
        "m.pt2",
        &exported(&honest, "true", "{}"),
        Verdict::Clean,
    );
    check(
        "no tensor",
        "m.pt2",
        &exported(&[7; 64], "true", "{}"),
        Verdict::Unknown,
    );
    for numbers in [&[0; 64][..], &[0x2e; 64], b"cos\nof numbers", b"\x80\x02and more"] {
        check(
            "numbers",
            "m.pt2",
            &exported(numbers, "false", "{}"),
            Verdict::Clean,
        );
    }
}

#[test]
fn texts_that_torch_export_evaluates() {
    let graph = |expression: &str, guard: &str, target: &str| {
        let graph = format!(
            r#"{{"graph_module": {{"graph": {{"nodes": [{{"target": "{target}", "inputs": [], "outputs": []}}], "sizes": [{{"as_expr": {{"expr_str": "{expression}"}}}}]}}}}, "guards_code": ["{guard}"]}}"#
        );
        exported(&[0; 16], "false", &graph)
    };
    let (size, guard, target) = (
        "Symbol('s77', positive=True, integer=True)",
        "L['x'].size()[0] >= 2",
        "torch.ops.aten.relu.default",
    );
    check("honest", "m.pt2", &graph(size, guard, target), Verdict::Clean);
    for text in [
        "sympify('x')",
        "open('/tmp/x','w').write('x')",
        "(1).__class__",
        "lambdify(x, 'y')",
    ] {
        check("a size", "m.pt2", &graph(text, guard, target), Verdict::Malicious);
        check("a guard", "m.pt2", &graph(size, text, target), Verdict::Malicious);
    }
    check(
        "a class",
        "m.pt2",
        &graph("NewDiv(s0, 2)", guard, target),
        Verdict::Unknown,
    );
    check(
        "an operator",
        "m.pt2",
        &graph(size, guard, "torch.ops.evil.run"),
        Verdict::Unknown,
    );
}

#[test]
fn an_archive_is_judged_as_all_that_it_may_be() {
    let node = br#"{"__class__": "run", "__module__": "payload", "__loader__": "MethodNode", "content": {}}"#;
    let layers =
        br#"{"class_name": "Sequential", "config": {"layers": [{"class_name": "Mine", "config": {}}]}}"#;
    let more: [&[(&str, &[u8])]; 5] = [
        &[],
        &[("data.pkl", EMPTY)],
        &[("x/data.pkl", EMPTY), ("x/constants.pkl", EMPTY)],
        &[("config.json", b"{}"), ("metadata.json", b"{}")],
        &[("archive_format", b"pt2"), ("archive_version", b"0")],
    ];
    for more in more {
        let schema = [&[("schema.json", &node[..])], more].concat();
        evil("skops", "m.skops", &archive(&schema));
        if more.iter().all(|(name, _)| *name != "config.json") {
            let keras = [&[("config.json", &layers[..])], more].concat();
            check("keras", "m.keras", &archive(&keras), Verdict::Unknown);
        }
    }
    let plain = archive(&[
        ("schema.json", br#"{"type": "object", "properties": {}}"#),
        ("config.json", b"{}"),
    ]);
    check("somebody's", "m.zip", &plain, Verdict::Clean);
}

#[test]
fn torchscript_is_read_by_its_pieces() {
    let script = |code: &str| {
        let code = format!(
            "class M(Module):\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{code}    return x\n"
        );
        archive(&[
            ("m/data.pkl", EMPTY),
            ("m/constants.pkl", EMPTY),
            ("m/code/__torch__.py", code.as_bytes()),
        ])
    };
    for code in [
        "    torch. from_file('/tmp/x', True, 10)\n",
        "    torch . save (x, '/tmp/x')\n",
        "    _0 = (torch.\n      save)(x, '/tmp/x')\n",
        "    _0 = (torch. # a word\n      save)(x, '/tmp/x')\n",
        "    torch.\\\n      save(x, '/tmp/x')\n",
        "    torch.autograd.save(x, '/tmp/x')\n",
        "    t = torch\n",
        "    _0 = (torch).save(x, '/tmp/x')\n",
        "    f = getattr(torch, 'sa' 've')\n",
        "    ops.aten. from_file('/tmp/x')\n",
        "    o = ops\n",
        "    a = ops.aten\n",
        "    _0 = 'it\\'s'; t = torch\n",
        "    s = __new__(__torch__.torch.classes.dist_c10d.TCPStore)\n",
        "    _0 = ops.prim.rpc_async('w', x)\n",
    ] {
        evil(code, "m.pt", &script(code));
    }
    for code in [
        "    _0 = ops . evil . run('true')\n",
        "    _0 = ops.aten.add(x, ops.evil.run('true'))\n",
        "    s = __new__(__torch__.torch.classes.evil.Loader)\n",
    ] {
        check(code, "m.pt", &script(code), Verdict::Unknown);
    }
    for code in [
        "    _0 = __torch__.torchvision.ops.misc.___torch_mangle_1.Conv2dNormActivation\n",
        "    _0 = torch.add(x, 1); _1 = ops.prim.data(x)\n",
        "    _0 = (self.save).forward(x)  # hands torch on, says who writes this\n",
        "    ops.prim.RaiseException('Expected torch, got ops')\n",
        "    s = __torch__.torch.classes.quantized.Conv2dPackedParamsBase\n",
        "    _0 = torch.conv2d(x, self.weight, None, [1, 1], [0, 0], [1, 1], 1)\n",
    ] {
        check(code, "m.pt", &script(code), Verdict::Clean);
    }
}

#[test]
fn operators_of_a_lite_interpreter() {
    let program = |operator: &str| {
        let length = (operator.len() as u32).to_le_bytes();
        let text = [b"X", &length[..], operator.as_bytes()].concat();
        let code = [
            b"\x80\x02((X\x09\0\0\0operators(",
            &text[..],
            b"q\x01X\0\0\0\0ttt.",
        ]
        .concat();
        archive(&[
            ("m/data.pkl", EMPTY),
            ("m/bytecode.pkl", &code),
            ("m/constants.pkl", EMPTY),
        ])
    };
    check("honest", "m.ptl", &program("aten::conv2d"), Verdict::Clean);
    check("file", "m.ptl", &program("aten::from_file"), Verdict::Malicious);
    check("file", "m.ptl", &program("aten::save"), Verdict::Malicious);
    check("library", "m.ptl", &program("evil::run"), Verdict::Unknown);
}

#[test]
fn layers_that_call_tensorflow() {
    let layer = |class: &str, config: &str| {
        format!(
            r#"{{"class_name": "Functional", "config": {{"layers": [{{"class_name": "{class}", "config": {config}}}]}}}}"#
        )
    };
    let honest = [
        ("SlicingOpLambda", r#"{"function": "__operators__.getitem"}"#),
        ("TFOpLambda", r#"{"function": "math.add"}"#),
        (
            "TensorFlowOpLayer",
            r#"{"node_def": "{\"op\": \"AddV2\"}", "constants": {}}"#,
        ),
        ("TensorFlowOpLayer", r#"{"node_def": {"op": "Mul"}}"#),
        ("TensorFlowOpLayer", r#"{"node_def": "\n\u0001m\u0012\u0003Mul"}"#),
        (
            "ClassMethod",
            r#"{"cls_symbol": "RaggedTensor", "method_name": "from_row_splits"}"#,
        ),
    ];
    for (class, config) in honest {
        check(config, "m.json", layer(class, config).as_bytes(), Verdict::Clean);
    }
    let hostile = [
        ("SlicingOpLambda", r#"{"function": "io.write_file"}"#),
        ("TFOpLambda", r#"{"function": "py_function"}"#),
        ("Addons>SlicingOpLambda", r#"{"function": "py_function"}"#),
        ("TensorFlowOpLayer", r#"{"node_def": "{\"op\": \"WriteFile\"}"}"#),
        ("TensorFlowOpLayer", r#"{"node_def": {"op": "ReadFile"}}"#),
        ("TensorFlowOpLayer", r#"{"node_def": {"op": "PrintV2"}}"#),
        ("TensorFlowOpLayer", r#"{"node_def": {"op": "SaveV2"}}"#),
        (
            "TensorFlowOpLayer",
            r#"{"node_def": "\n\u0001m\u0012\u0006PyFunc"}"#,
        ),
        ("TensorFlowOpLayer", r#"{"node_def": 1}"#),
        (
            "ClassMethod",
            r#"{"cls_symbol": "io.gfile.GFile", "method_name": "write"}"#,
        ),
        ("InstanceProperty", r#"{"attr_name": "__class__"}"#),
    ];
    for (class, config) in hostile {
        let text = layer(class, config);
        check(config, "m.json", text.as_bytes(), Verdict::Malicious);
        let held = archive(&[("config.json", text.as_bytes())]);
        check(config, "m.keras", &held, Verdict::Malicious);
    }
    evil(
        "yaml",
        "m.yaml",
        b"class_name: Functional\nconfig:\n  layers:\n  - class_name: SlicingOpLambda\n    config: {function: io.write_file}\n",
    );
}

#[test]
fn pickles_without_their_mark_in_letters() {
    let text = |letters: &str| format!(r#"{{"state": "{letters}"}}"#);
    // `os.system` without the opcode of a protocol, and arrays that begin with the same letter.
    check(
        "bare",
        "m.json",
        text("jAJvc4wGc3lzdGVtk4wEdHJ1ZYVSLg==").as_bytes(),
        Verdict::Malicious,
    );
    for letters in ["jAJvcAAAAAAAAAAAAAAAAAAAAAAAAAAA", "WAAAAD8AAAA/AAAAPwAAAD8AAAA/"] {
        check("numbers", "m.json", text(letters).as_bytes(), Verdict::Clean);
    }
}

#[test]
fn pickles_that_call_somebodys_function_in_other_bytes() {
    let begin = b"\x89HDF\r\n\x1a\n";
    let within = |held: &[u8]| [b"IxFI", &[0; 40][..], held, &[0; 9]].concat();
    assert_eq!(begin.len(), 8);
    let own = b"\x80\x04\x8c\x07payload\x8c\x03run\x93\x8c\x01x\x85R.";
    evil("somebody's", "x.index", &within(own));
    evil("without its mark", "x.index", &within(&own[2..]));
    evil("by lines", "x.index", &within(b"cpayload\nrun\n(S'x'\ntR."));
    check(
        "a class",
        "x.index",
        &within(b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R."),
        Verdict::Clean,
    );
    check(
        "no pickle",
        "x.index",
        &within(b"\x80\x04\x8c\x07payload\x8c\x03run\x93 and words"),
        Verdict::Clean,
    );
}

#[test]
fn functions_that_settings_make_and_call() {
    // What cloudpickle makes of a function is honest in these settings; that the pickle calls it is not.
    let made = b"\x80\x04X\x17\0\0\0cloudpickle.cloudpickleX\x0e\0\0\0_make_function\x93(NNNNtR";
    let settings = |pickle: &[u8]| {
        let letters = encoded(pickle);
        format!(r#"{{"lr_schedule": {{":type:": "<class 'function'>", ":serialized:": "{letters}"}}}}"#)
    };
    let plain = [&made[..], b"."].concat();
    check("made", "data", settings(&plain).as_bytes(), Verdict::Clean);
    let called = [&made[..], b")R."].concat();
    evil("called", "data", settings(&called).as_bytes());
    let named = [&made[..], b"0X\x06\0\0\0system."].concat();
    evil("named", "data", settings(&named).as_bytes());
    let asked = [
        &made[..],
        b"0X\x05\0\0\0sympyX\x07\0\0\0sympify\x93X\x01\0\0\x001\x85R.",
    ]
    .concat();
    evil("asked", "data", settings(&asked).as_bytes());
}

/// Base64.
fn encoded(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0, |sum, at| {
            sum << 8 | u32::from(three.get(at).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

#[test]
fn attributes_of_xml_whatever_stands_between() {
    for tag in [
        "<layer\nid='1' type='X'\nversion='evil'/>",
        "<layer id='1' version ='evil' type='X'/>",
        "<layer id='1'\tversion= \"evil\"/>",
        "<layer id='1' type='Python'/>",
    ] {
        let text = format!("<net name='m' version='11'><layers>{tag}</layers></net>");
        check(tag, "m.xml", text.as_bytes(), Verdict::Unknown);
    }
    for tag in ["<data\nlibrary='x.so'/>", "<data implementation = 'x.so'/>"] {
        let text = format!(
            "<net\nname='m' version='11'><layers><layer id='1' type='Add'>{tag}</layer></layers></net>"
        );
        check(tag, "m.xml", text.as_bytes(), Verdict::Suspicious);
    }
    let honest = "<net name='m'\n version='11'><layers><layer id='1' type='Add'\nversion='opset1'><data conversion='evil'/></layer></layers></net>";
    check("honest", "m.xml", honest.as_bytes(), Verdict::Clean);
    let apply = |function: &str| format!("<PMML version='4.4'><Apply function='{function}'/></PMML>");
    check("own", "m.pmml", apply("uppercase").as_bytes(), Verdict::Clean);
    check(
        "class",
        "m.pmml",
        apply("com.evil.Run").as_bytes(),
        Verdict::Unknown,
    );
}
