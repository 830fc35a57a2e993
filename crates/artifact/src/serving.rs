//! Files by which servers of models are told what to load: TorchServe, Triton, BentoML, MLflow, spaCy, Rasa. What they name
//! beside numbers is a program of the folder or of the machine.

use crate::{
    finding::{Verdict, shown},
    format::leads_out,
    json::Json,
    lines::{self, Style},
    names, program, rule,
    scan::Scan,
    values,
};

/// TorchServe's own handlers.
const HANDLERS: [&str; 6] = [
    "image_classifier",
    "image_segmenter",
    "object_detector",
    "text_classifier",
    "text_to_speech_synthesizer",
    "question_answering",
];
/// Triton's own backends, and those that read a closed format.
const BACKENDS: [&str; 18] = [
    "onnxruntime",
    "onnxruntime_onnx",
    "tensorrt",
    "tensorrt_plan",
    "tensorrtllm",
    "pytorch",
    "pytorch_libtorch",
    "tensorflow",
    "tensorflow_savedmodel",
    "tensorflow_graphdef",
    "openvino",
    "fil",
    "vllm",
    "ensemble",
    "identity",
    "repeat",
    "square",
    "dali",
];

fn ask(scan: &mut Scan<'_>, at: u64, key: &str, what: String) {
    scan.find(&rule::REMOTE_CODE, Verdict::Unknown, at, key, what);
}

fn outside(scan: &mut Scan<'_>, at: u64, key: &str, path: &str) {
    let what = format!(
        "`{key}` names `{}`, outside of the folder",
        shown(path.as_bytes(), 200)
    );
    scan.find(&rule::TRAVERSAL, Verdict::Suspicious, at, key, what);
}

/// Documents in JSON that a server or a loader follows, by their name and keys.
pub(crate) fn document(scan: &mut Scan<'_>, json: &Json, last: &str) {
    if last == "MANIFEST.json" || json.get("archiverVersion").is_some() {
        torchserve(scan, json);
    }
    if let Some(Json::List(groups)) = json.get("weightsManifest") {
        for group in groups {
            if let Some(Json::List(paths)) = group.get("paths") {
                for path in paths.iter().filter_map(Json::text) {
                    shard(scan, "weightsManifest", path);
                }
            }
        }
    }
    if let Some(Json::Object(items)) = json.get("weight_map") {
        for path in items.iter().filter_map(|(_, value)| value.text()) {
            if leads_out(path) || path.contains("://") {
                outside(scan, 0, "weight_map", path);
            }
        }
    }
    if last == "package.json" {
        crate::packages::npm(scan, json);
    }
    json.walk("", &mut |key, value| match (key, value) {
        ("runOn", Json::Text(when)) if when == "folderOpen" => {
            let what = "a task runs as soon as the folder is opened".to_owned();
            scan.find(&rule::COMMAND, Verdict::Suspicious, 0, key, what);
        }
        (key, value) if is_kernel(key) => kernels(scan, key, value),
        (_, Json::Text(path)) if is_library(key, path) => {
            let what = format!(
                "`{key}` has the native library `{}` loaded",
                shown(path.as_bytes(), 100)
            );
            ask(scan, 0, key, what);
        }
        _ => {}
    });
}

/// Whether a key names code of a hub that transformers or diffusers fetch and run: its private spellings are read too.
fn is_kernel(key: &str) -> bool {
    let key = key.trim_start_matches('_').trim_end_matches("_internal");
    matches!(
        key,
        "attn_implementation"
            | "experts_implementation"
            | "custom_generate"
            | "kernel_mapping"
            | "attention_backend"
    )
}

/// A repository's name, as a text or as one for each part of a model.
fn kernels(scan: &mut Scan<'_>, key: &str, value: &Json) {
    value.walk("", &mut |_, value| {
        if let Some(name) = value.text().filter(|name| name.contains('/')) {
            let what = format!("`{key}` has `{}` of a hub run", shown(name.as_bytes(), 100));
            ask(scan, 0, key, what);
        }
    });
}

/// Numbers that a model in JSON keeps in files beside it.
fn shard(scan: &mut Scan<'_>, key: &str, path: &str) {
    if leads_out(path) || path.contains("://") {
        outside(scan, 0, key, path);
    } else if !path.contains('/') && scan.refers.len() < 10_000 {
        scan.refers.push(path.to_owned());
    }
}

/// Whether a value names a native library that its key has loaded.
pub(crate) fn is_library(key: &str, path: &str) -> bool {
    let key = key.to_lowercase();
    let keyed = ["librar", "plugin", "extension", "op_lib", "so_path", "custom_op"]
        .iter()
        .any(|word| key.contains(word));
    let path = path.to_lowercase();
    keyed
        && [".so", ".dll", ".dylib", ".pyd"]
            .iter()
            .any(|end| path.ends_with(end) || path.contains(&format!("{end}.")))
}

/// The manifest of a TorchServe archive.
fn torchserve(scan: &mut Scan<'_>, json: &Json) {
    let Some(model) = json.get("model") else { return };
    for key in [
        "handler",
        "serializedFile",
        "modelFile",
        "requirementsFile",
        "extraFiles",
        "configFile",
    ] {
        let Some(value) = model
            .get(key)
            .and_then(Json::text)
            .filter(|value| !value.is_empty())
        else {
            continue;
        };
        if leads_out(value) || value.contains("://") {
            outside(scan, 0, key, value);
        }
        let named = value
            .split(':')
            .next()
            .unwrap_or(value)
            .rsplit('/')
            .next()
            .unwrap_or(value);
        let code = key == "handler" && !HANDLERS.contains(&named) || key == "modelFile";
        if code {
            let what = format!(
                "`{key}` has `{}` run for every request",
                shown(value.as_bytes(), 100)
            );
            ask(scan, 0, key, what);
        }
    }
}

/// Triton's `config.pbtxt`.
pub(crate) fn triton(scan: &mut Scan<'_>, text: &str) {
    for (at, key, value) in fields(text) {
        match key {
            "backend" | "platform" if !value.is_empty() && !BACKENDS.contains(&value) => {
                let value = shown(value.as_bytes(), 100);
                ask(
                    scan,
                    at,
                    key,
                    format!("`{value}` runs code that is not in the file"),
                );
            }
            "default_model_filename" | "filename" | "input_data_file" if leads_out(value) => {
                outside(scan, at, key, value)
            }
            "string_value" if is_library("library", value) => {
                let value = shown(value.as_bytes(), 100);
                ask(
                    scan,
                    at,
                    key,
                    format!("`{value}` is a native library that is loaded"),
                );
            }
            "string_value" if value.contains("://") || value.contains("../") => outside(scan, at, key, value),
            _ => {}
        }
        values::judge(scan, at, key, value);
    }
}

/// Texts of a message that is written out, each with its key and place.
fn fields(text: &str) -> Vec<(u64, &str, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text
        .get(from..)
        .and_then(|rest| rest.find(['"', '\'']).map(|at| from + at))
    {
        let quote = text.get(open..open + 1).unwrap_or("\"");
        let rest = text.get(open + 1..).unwrap_or_default();
        let end = rest.find(quote).unwrap_or(rest.len());
        let before = text
            .get(from..open)
            .unwrap_or_default()
            .trim_end()
            .trim_end_matches([':', '['])
            .trim_end();
        let key = before
            .rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next()
            .unwrap_or_default();
        found.push((open as u64, key, rest.get(..end).unwrap_or_default()));
        from = open + 1 + end + 1;
    }
    found
}

/// Whether a file of this name says what a server loads, line by line.
pub(crate) fn lines_of(scan: &mut Scan<'_>, last: &str, text: &str) {
    match last {
        "bentofile.yaml" | "bentofile.yml" | "bento.yaml" => {
            each(scan, text, Style::Colons, |scan, at, key, value| match key {
                "service" if !value.is_empty() => {
                    let what = format!("`service` has `{}` imported", shown(value.as_bytes(), 100));
                    ask(scan, at, key, what);
                }
                "setup_script" | "dockerfile_template" => {
                    let what = format!(
                        "`{key}` has `{}` run when it is built",
                        shown(value.as_bytes(), 100)
                    );
                    ask(scan, at, key, what);
                }
                _ => {}
            });
        }
        "mlproject" => each(scan, text, Style::Colons, |scan, at, key, value| {
            if key == "command" {
                entry(scan, at, value);
            }
        }),
        "config.cfg" | "base_config.cfg" | "project.yml" | "meta.cfg" => {
            each(scan, text, Style::Equals, spacy)
        }
        "config.yml" | "config.yaml" if is_rasa(text) => each(scan, text, Style::Colons, rasa),
        _ => {}
    }
}

/// Whether a configuration is one of Rasa's.
fn is_rasa(text: &str) -> bool {
    let lines = |key: &str| text.lines().any(|line| line.starts_with(key));
    lines("pipeline:") && ["policies:", "recipe:", "language:"].iter().any(|key| lines(key))
}

/// The same of a tree, where keys and values may be spelt in any way.
pub(crate) fn tree(scan: &mut Scan<'_>, last: &str, json: &Json) {
    let bento = matches!(last, "bentofile.yaml" | "bentofile.yml" | "bento.yaml");
    if !bento && last != "mlproject" {
        return;
    }
    json.walk("", &mut |key, value| match (key, value) {
        ("service" | "setup_script" | "dockerfile_template", Json::Text(value))
            if bento && !value.is_empty() =>
        {
            let what = format!("`{key}` has `{}` imported or run", shown(value.as_bytes(), 100));
            ask(scan, 0, key, what);
        }
        ("command", Json::Text(value)) if !bento => entry(scan, 0, value),
        _ => {}
    });
}

fn each(
    scan: &mut Scan<'_>,
    text: &str,
    style: Style,
    mut visit: impl FnMut(&mut Scan<'_>, u64, &str, &str),
) {
    let mut at = 0_u64;
    for line in text.split('\n') {
        for pair in lines::pairs(line, style) {
            visit(scan, at, pair.key, pair.value);
        }
        at += line.len() as u64 + 1;
    }
}

/// The command of an entry point of an MLflow project: a file of the folder run by Python is that file's own matter.
fn entry(scan: &mut Scan<'_>, at: u64, command: &str) {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let script = words.find(|word| !word.starts_with('-')).unwrap_or_default();
    let plain =
        matches!(program, "python" | "python3" | "{python}") && script.ends_with(".py") && !leads_out(script)
            || command.is_empty()
            || matches!(program, ">" | "|" | ">-" | "|-");
    if !plain && program::within(command).is_none() {
        let what = format!("an entry point runs `{}`", shown(command.as_bytes(), 100));
        ask(scan, at, "command", what);
    }
}

/// spaCy's registries: functions of its own and of its plugins go by a name and a version.
fn spacy(scan: &mut Scan<'_>, at: u64, key: &str, value: &str) {
    if key == "code" && !value.is_empty() && value != "null" {
        let what = format!("`code` has `{}` imported", shown(value.as_bytes(), 100));
        return ask(scan, at, key, what);
    }
    let Some(registry) = key.strip_prefix('@') else {
        return;
    };
    let (front, version) = value.rsplit_once('.').unwrap_or((value, ""));
    let versioned = version
        .strip_prefix('v')
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let own = front.starts_with("spacy")
        || front.starts_with("thinc")
        || front.starts_with("curated")
        || !front.contains('.');
    if !versioned || !own {
        let what = format!(
            "`{}` of `{registry}` is no function of spaCy's",
            shown(value.as_bytes(), 100)
        );
        ask(scan, at, key, what);
    }
}

/// Rasa's components, by name or by class.
fn rasa(scan: &mut Scan<'_>, at: u64, key: &str, value: &str) {
    if key == "name" && value.contains('.') && !value.starts_with("rasa") && !names::does_harm(value) {
        let what = format!("the component `{}` is imported", shown(value.as_bytes(), 100));
        ask(scan, at, key, what);
    }
}
