//! Configurations whose values are called, imported or evaluated, in every spelling, and their harmless neighbours.

use bartizan_artifact::{Limits, Verdict, model};

fn check(name: &str, text: &str, expected: Verdict) {
    let report = model(name, &text.as_bytes().to_vec(), &Limits::default());
    assert_eq!(report.verdict, expected, "{name}: {text}\n{:#?}", report.findings);
}

#[test]
fn a_target_is_found_however_yaml_spells_it() {
    for text in [
        "a:\n  _target_:\n    os.system\n  command: x\n",
        "a: {_target_: # hi\n  os.system}\n",
        "a:\n  ? _target_\n  : os.system\n",
        "a:\n  \"_t\\u0061rget_\": os.system\n",
        "x: &x {_target_: os.system}\na:\n  <<: *x\n",
        "# x\ra: !!p%79thon/object/apply:os.system ['true']\n",
        "a: !applyref:os.system [\"true\"]\n",
        "a:\n  _target_: torchmetrics.os.system\n",
        "a:\n  _target_: torch.nn.functional.importlib.import_module\n  name: payload\n",
        "model:\n  target: site.addsitedir\n  params: {}\n",
    ] {
        check("config.yaml", text, Verdict::Malicious);
    }
    check(
        "config.yaml",
        "a:\n  target: payload.evil.make\n  params: {}\n",
        Verdict::Suspicious,
    );
    check(
        "config.yaml",
        "a:\n  target: ldm.models.Diffusion\n  params: {}\n",
        Verdict::Clean,
    );
    check(
        "config.yaml",
        "build:\n  target: release\n  params: {}\n",
        Verdict::Clean,
    );
    check(
        "config.yaml",
        "a:\n  _target_: torch.nn.functional.relu\n",
        Verdict::Clean,
    );
    check(
        "config.yaml",
        "l:\n  class: logging.StreamHandler\n  level: INFO\n",
        Verdict::Clean,
    );
    check(
        "task.yaml",
        "process_docs: !function utils.process_docs\n",
        Verdict::Clean,
    );
    check(
        "task.yaml",
        "process_docs: !function os.system\n",
        Verdict::Malicious,
    );
}

#[test]
fn a_loader_of_mlflow_is_found_however_it_is_spelt() {
    for text in [
        "flavors: {python_function: {loader_module: payload, code: code}}\n",
        "flavors:\n  python_function:\n    \"loader\\x5fmodule\": payload\n",
        "flavors:\n  python_function:\n    ? loader_module\n    : payload\n",
        "{\"flavors\": {\"python_function\": {\"loader_module\": \"payload\"}}}\n",
    ] {
        let report = model("MLmodel", &text.as_bytes().to_vec(), &Limits::default());
        assert!(report.verdict >= Verdict::Unknown, "{text}");
    }
    let own = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    env: conda.yaml\n";
    check("MLmodel", own, Verdict::Clean);
}

#[test]
fn remote_code_is_told_in_every_shape() {
    for (name, text) in [
        (
            "tokenizer_config.json",
            r#"{"auto_map": ["evil/repo--x.X", null]}"#,
        ),
        ("config.json", r#"{"trust_remote_code": 1}"#),
        ("config.yaml", "model:\n  trust_remote_code: yes\n"),
        ("config.json", r#"{"_attn_implementation_internal": "evil/kern"}"#),
        ("config.json", r#"{"attn_implementation": {"": "evil/kern"}}"#),
        ("config.json", r#"{"model_file": "payload.py"}"#),
        (
            "model_index.json",
            r#"{"_class_name": "P", "unet": [["x"], "Y"]}"#,
        ),
    ] {
        check(name, text, Verdict::Unknown);
    }
    check(
        "config.json",
        r#"{"model_file": "../../x.py"}"#,
        Verdict::Suspicious,
    );
    check(
        "modules.json",
        r#"[{"path": "../../x", "type": "sentence_transformers.models.Pooling"}]"#,
        Verdict::Suspicious,
    );
    for (name, text) in [
        ("config.json", r#"{"auto_map": null, "trust_remote_code": false}"#),
        ("config.json", r#"{"_attn_implementation": "sdpa"}"#),
        (
            "model_index.json",
            r#"{"_class_name": "P", "unet": ["diffusers", "U"], "s": ["stable_diffusion", "S"], "n": [null, null]}"#,
        ),
    ] {
        check(name, text, Verdict::Clean);
    }
}

#[test]
fn factories_call_what_they_name() {
    for text in [
        r#"{"a": {"type": "payload.run", "init_parameters": {}}}"#,
        r#"{"__kind__": "instance", "class": "sympy.sympify", "args": []}"#,
        r#"{"types": {"query": "payload.run"}}"#,
    ] {
        check("config.json", text, Verdict::Suspicious);
    }
    check(
        "x.json",
        r#"{"@module": "subprocess", "@class": "Popen"}"#,
        Verdict::Malicious,
    );
    check(
        "x.json",
        r#"{"t": "{'model': {'_target_': 'os.system'}}"}"#,
        Verdict::Malicious,
    );
    check(
        "x.json",
        r#"{"a": {"type": "haystack.components.X", "init_parameters": {}}}"#,
        Verdict::Clean,
    );
    check(
        "x.json",
        r#"{"type": "object", "target": "es2020.full", "lib": ["es6"]}"#,
        Verdict::Clean,
    );
}

#[test]
fn what_bundles_evaluate_is_judged() {
    let bundle =
        |code: &str| format!("{{\"_meta_\": {{}}, \"imports\": [\"$import glob\"], \"x\": \"{code}\"}}");
    for code in [
        "$open('/tmp/x','w')",
        "$getattr(torch.os,'sys'+'tem')('x')",
        "$from os import system as s",
    ] {
        check("inference.json", &bundle(code), Verdict::Suspicious);
    }
    for code in [
        "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
        "$@network_def.to(@device)",
    ] {
        check("inference.json", &bundle(code), Verdict::Clean);
    }
    let yolo = "nc: 80\nactivation: ACT\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\nhead:\n  - [[15], 1, Detect, [nc]]\n";
    check(
        "yolo.yaml",
        &yolo.replace("ACT", "open('/tmp/x','w').write('x')"),
        Verdict::Suspicious,
    );
    check(
        "yolo.yaml",
        &yolo.replace("ACT", "nn.LeakyReLU(0.1)"),
        Verdict::Clean,
    );
}

#[test]
fn text_messages_and_gin_are_read_as_their_readers_do() {
    let layer = |kind: &str| format!("layer {{ name: \"x\" type: {kind} }}\n");
    check("a.prototxt", &layer("\"Py\" \"thon\""), Verdict::Suspicious);
    check("a.prototxt", &layer("# a\n \"Python\""), Verdict::Suspicious);
    check("a.prototxt", &layer("\"Convolution\" # Python"), Verdict::Clean);
    let head = "name: \"x\"\nplatform: \"onnxruntime_onnx\"\n";
    let key =
        |value: &str| format!("{head}parameters: {{ key: \"K\" value: {{ string_value: \"{value}\" }} }}\n");
    check("config.pbtxt", &key("/tmp/evil.so"), Verdict::Unknown);
    check("config.pbtxt", &key("yes"), Verdict::Clean);
    let gin = |line: &str| format!("{line}\nmain.rate = 0.1\n");
    check("a.gin", &gin("import payload"), Verdict::Suspicious);
    check("a.gin", &gin("import t5.models"), Verdict::Clean);
}

#[test]
fn templates_are_followed_wherever_they_are() {
    let built = "{% set u='a_b'[1] %}{{ ''[u~u~'class'~u~u] }}";
    check("chat_template.jinja", built, Verdict::Malicious);
    check("prompt.txt", &format!("Hello {built}"), Verdict::Malicious);
    check(
        "prompt.template",
        "Hello {{ cycler.__init__.__globals__ }}",
        Verdict::Malicious,
    );
    check(
        "task.yaml",
        &format!("template: |-\n  {}\n", built.replace("%}{{", "%}\n  {{")),
        Verdict::Malicious,
    );
    let chat = "{% for m in messages %}{{ '<|' ~ m['role'] ~ '|>' + m['content'] }}{% endfor %}";
    check("chat_template.jinja", chat, Verdict::Clean);
    check("prompt.txt", chat, Verdict::Clean);
}
