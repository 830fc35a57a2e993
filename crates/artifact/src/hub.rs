//! Files that hubs of models put beside weights: which of their keys make a loader import Python, and from where.

use crate::{
    encoding,
    finding::{Verdict, shown},
    json::Json,
    names, notebook, objects,
    pickle::{self, Use},
    rule,
    scan::Scan,
    serving, values,
};

/// Configurations of models, in which no value is a command.
const MODELS: [&str; 9] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "adapter_config.json",
    "model_index.json",
    "special_tokens_map.json",
    "quantize_config.json",
];
const SHELLS: [&str; 10] = [
    "/bin/sh",
    "/bin/bash",
    "/usr/bin/",
    "sh -c",
    "bash -c",
    "cmd /c",
    "cmd.exe",
    "powershell",
    "python -c",
    "python3 -c",
];
/// Objects of a list that make it rows of a data set.
const ROWS: usize = 16;

/// A configuration in JSON.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json, last: &str) {
    if let (Some(Json::List(cells)), true) = (json.get("cells"), json.get("nbformat").is_some()) {
        return notebook::judge(scan, json, cells);
    }
    keys(scan, json);
    if last == "modules.json" {
        modules(scan, json);
    }
    operators(scan, json);
    objects::judge(scan, json);
    serving::document(scan, json, last);
    texts(scan, json, "", last, false);
    if MODELS.contains(&last) {
        json.walk("", &mut |key, value| {
            let command = value
                .text()
                .filter(|text| SHELLS.iter().any(|shell| text.trim_start().starts_with(shell)));
            if let Some(command) = command {
                let what = format!("`{key}` holds the command `{}`", shown(command.as_bytes(), 100));
                scan.find(&rule::CONFIG_CODE, Verdict::Suspicious, 0, key, what);
            }
        });
    }
}

/// Judges every text of a document. In rows of a data set a text may be anything, and nobody runs it: there only what is
/// encoded, or names what is called, counts.
fn texts(scan: &mut Scan<'_>, json: &Json, key: &str, last: &str, in_rows: bool) {
    match json {
        Json::Text(text) if is_token(last, key) || is_template(key, text) => {}
        Json::Text(text) if in_rows => {
            encoding::judge(scan, 0, key, text);
            names::value(scan, 0, key, text);
        }
        Json::Text(text) => values::judge(scan, 0, key, text),
        Json::List(items) => {
            let objects = items
                .iter()
                .filter(|item| matches!(item, Json::Object(_)))
                .count();
            let rows = items.len() >= ROWS && objects == items.len();
            if !in_rows && !is_token(last, key) {
                values::list(scan, key, items);
            }
            for item in items {
                texts(scan, item, key, last, in_rows || rows);
            }
        }
        Json::Object(items) => {
            for (key, value) in items {
                texts(scan, value, key, last, in_rows);
            }
        }
        _ => {}
    }
}

/// Whether a value is a piece of a vocabulary: any text may be one.
fn is_token(last: &str, key: &str) -> bool {
    match last {
        "vocab.json" | "added_tokens.json" | "merges.json" => true,
        "tokenizer.json" | "tokenizer_config.json" | "special_tokens_map.json" => matches!(
            key,
            "merges"
                | "vocab"
                | "content"
                | "added_tokens"
                | "additional_special_tokens"
                | "extra_special_tokens"
        ),
        _ => matches!(key, "merges" | "vocab" | "vocabulary" | "stop_words"),
    }
}

/// Whether a value was judged as a template.
fn is_template(key: &str, text: &str) -> bool {
    key.contains("template") && (text.contains("{{") || text.contains("{%"))
}

fn ask(scan: &mut Scan<'_>, key: &str, what: String) {
    scan.find(&rule::REMOTE_CODE, Verdict::Unknown, 0, key, what);
}

fn keys(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |key, value| match (key, value) {
        ("auto_map", Json::Object(items)) if !items.is_empty() => {
            let what = "`auto_map` makes loaders that trust remote code import Python files of this folder";
            ask(scan, key, what.to_owned());
        }
        ("custom_pipelines", Json::Object(items)) if !items.is_empty() => {
            ask(
                scan,
                key,
                "`custom_pipelines` names Python files of this folder".to_owned(),
            );
        }
        ("trust_remote_code", Json::Bool(true)) => {
            ask(scan, key, "asks for remote code to be trusted".to_owned());
        }
        ("trust_remote_code", Json::Text(text)) if text.eq_ignore_ascii_case("true") => {
            ask(scan, key, "asks for remote code to be trusted".to_owned());
        }
        ("custom_pipeline", Json::Text(path)) if !path.is_empty() => {
            let what = format!(
                "takes a pipeline of Python from `{}`",
                shown(path.as_bytes(), 100)
            );
            ask(scan, key, what);
        }
        // PEFT imports it to split layers over machines.
        ("megatron_core", Json::Text(module)) if module != "megatron.core" => library(scan, module),
        ("_class_name", Json::List(_)) => {
            ask(
                scan,
                key,
                "names a pipeline in a Python file of this folder".to_owned(),
            );
        }
        // PEFT imports the module by this name and takes the class out of it.
        ("parent_library", Json::Text(module)) => library(scan, module),
        _ => {}
    });
}

fn library(scan: &mut Scan<'_>, module: &str) {
    let known = [
        "transformers",
        "diffusers",
        "torch.nn",
        "timm",
        "sentence_transformers",
        "peft",
    ];
    let own = known.iter().any(|known| {
        module == *known
            || module
                .strip_prefix(known)
                .is_some_and(|rest| rest.starts_with('.'))
    });
    if own && !module.contains("__") {
        return;
    }
    let severity = match pickle::look_up(module, "x") {
        Use::Unlisted(severity) => severity.max(Verdict::Suspicious),
        _ => Verdict::Suspicious,
    };
    let module = shown(module.as_bytes(), 200);
    let what = format!("imports `{module}` when the adapter is loaded");
    scan.find(&rule::HYDRA_TARGET, severity, 0, &module, what);
}

/// sentence-transformers: each module's class, by its dotted name.
fn modules(scan: &mut Scan<'_>, json: &Json) {
    let Json::List(items) = json else { return };
    for kind in items
        .iter()
        .filter_map(|item| item.get("type").and_then(Json::text))
    {
        if !kind.starts_with("sentence_transformers.") || kind.contains("__") {
            let (module, name) = kind.rsplit_once('.').unwrap_or(("", kind));
            let severity = match pickle::look_up(module, name) {
                Use::Unlisted(severity) => severity,
                _ => Verdict::Unknown,
            };
            let kind = shown(kind.as_bytes(), 200);
            let what = format!("imports `{kind}` when it is loaded");
            scan.find(&rule::HYDRA_TARGET, severity, 0, &kind, what);
        }
    }
}

/// MXNet's symbols: an operator `Custom` is Python of the loading process.
fn operators(scan: &mut Scan<'_>, json: &Json) {
    if json.get("nodes").is_none() || json.get("arg_nodes").is_none() {
        return;
    }
    // Graphs within nodes have nodes too.
    json.walk("", &mut |_, node| {
        let operator = node.get("op").and_then(Json::text).unwrap_or_default();
        if matches!(operator, "Custom" | "_Native" | "_NDArray" | "_custom") {
            let what = format!("`{operator}` runs Python that is not in the file");
            scan.find(&rule::CUSTOM_OPERATOR, Verdict::Suspicious, 0, operator, what);
        }
    });
}

/// `MLmodel`, line by line: which module loads the model, and whether code is brought along.
pub(crate) fn mlmodel(scan: &mut Scan<'_>, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']));
        let own = value.starts_with("mlflow.") && !value.contains("__");
        if key == "loader_module" && !own {
            let severity = match pickle::look_up(value, "x") {
                _ if names::does_harm(&format!("{value}.x")) => Verdict::Malicious,
                Use::Unlisted(severity) => severity,
                _ => Verdict::Unknown,
            };
            let value = shown(value.as_bytes(), 200);
            let what = format!("imports `{value}` when the model is loaded");
            scan.find(&rule::HYDRA_TARGET, severity, 0, &value, what);
        }
        if key == "model_code_path" && !matches!(value, "" | "null" | "~") {
            let what = format!("runs `{}` to make the model", shown(value.as_bytes(), 100));
            ask(scan, "model_code_path", what);
        }
        if key == "code" && !matches!(value, "" | "null" | "~") {
            let what = format!(
                "puts the folder `{}` on Python's path",
                shown(value.as_bytes(), 100)
            );
            ask(scan, "code", what);
        }
    }
}
