//! Keras' configurations, of v3 archives, H5 files and JSON: which classes they name, from where, and which hold code.

mod operators;

use std::{collections::HashSet, sync::LazyLock};

use crate::{
    finding::Verdict,
    json::{self, Json},
    program, rule,
    scan::Scan,
};

/// Modules whose classes are Keras' own.
const OWN: [&str; 17] = [
    "layers",
    "initializers",
    "optimizers",
    "losses",
    "metrics",
    "regularizers",
    "constraints",
    "activations",
    "models",
    "dtype_policies",
    "random",
    "quantizers",
    "engine",
    "legacy",
    "backend",
    "distribution",
    "ops",
];
/// Classes that hold code or load it from somewhere.
pub(crate) const CODE: [&str; 7] = [
    "Lambda",
    "TorchModuleWrapper",
    "TFSMLayer",
    "JaxLayer",
    "FlaxLayer",
    "FunctionLayer",
    "ExternalLayer",
];
/// Keys under which layers keep a path or an address that they read when they are made.
const PATHS: [&str; 5] = [
    "vocabulary",
    "filepath",
    "vocabulary_file",
    "vocab_file",
    "file_path",
];

/// Keys under which words are data.
const WORDS: [&str; 3] = ["vocabulary", "idf_weights", "tokens"];

/// Keras' own classes, by name alone.
static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("keras_names.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
});

/// `config.json` of an archive, or the attribute of an H5 file: a document that is Keras' and nothing else.
pub(crate) fn config(scan: &mut Scan<'_>, text: &[u8]) {
    let Some(json) = json::parse(scan, text) else {
        return;
    };
    judge(scan, &json);
    json.walk("", &mut |key, value| match value {
        Json::Text(text) if !WORDS.contains(&key) => program::judge(scan, 0, key, text),
        // A class without a module, and not one of Keras': whoever loads the model has to have it.
        Json::Object(_) if value.get("module").is_none() && value.get("config").is_some() => {
            let class = value.get("class_name").and_then(Json::text);
            let plain = class.filter(|class| !class.contains(['>', '.', '/']));
            if let Some(class) = plain.filter(|class| !NAMES.contains(class) && *class != "function") {
                let known = CODE.contains(&class) || class == "__lambda__";
                if !known {
                    custom(scan, class);
                }
            }
        }
        _ => {}
    });
}

/// Whether a document is the configuration of a model.
pub(crate) fn is_one(text: &[u8]) -> bool {
    serde_json::from_slice::<Json>(text)
        .is_ok_and(|json| json.get("class_name").is_some() && json.get("config").is_some())
}

/// Judges a model's configuration in YAML, which only older versions read: the classes that hold code are named in it as
/// in JSON.
pub(crate) fn yaml(scan: &mut Scan<'_>, text: &str) {
    const CALLS: [&str; 4] = [
        "TFOpLambda",
        "SlicingOpLambda",
        "TensorFlowOpLayer",
        "ClassMethod",
    ];
    for (at, _) in text.match_indices("class_name") {
        let rest = text.get(at + "class_name".len()..).unwrap_or_default();
        let rest = rest.trim_start_matches(['"', '\'']).trim_start();
        let Some(value) = rest.strip_prefix(':') else {
            continue;
        };
        let value =
            value.trim_start_matches(|letter: char| letter.is_whitespace() || "\"'!>|-".contains(letter));
        let end = value.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.>".contains(letter)));
        let class = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
        let last = class.rsplit(['.', '>']).next().unwrap_or_default();
        if CODE.contains(&last) || CALLS.contains(&last) || class == "__lambda__" {
            let what = format!("a `{last}` layer runs what the configuration says when the model is loaded");
            scan.find(&rule::KERAS_CODE, Verdict::Suspicious, at as u64, last, what);
        }
    }
}

/// Judges a configuration that was parsed.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |_, value| {
        if let Json::Object(_) = value {
            object(scan, value);
        }
    });
}

fn object(scan: &mut Scan<'_>, value: &Json) {
    let class = value.get("class_name").and_then(Json::text);
    let module = value.get("module").and_then(Json::text);
    for key in PATHS {
        if let Some(path) = value
            .get(key)
            .and_then(Json::text)
            .filter(|path| !path.is_empty())
        {
            let what = format!("reads `{path}` when it is loaded");
            scan.find(&rule::KERAS_PATH, Verdict::Suspicious, 0, key, what);
        }
    }
    let Some(class) = class else { return };
    if CODE.contains(&class)
        || class
            .rsplit(['.', '>'])
            .next()
            .is_some_and(|last| CODE.contains(&last))
    {
        let what = match class {
            "TFSMLayer" => "a `TFSMLayer` loads another model, from anywhere".to_owned(),
            _ => format!("a `{class}` layer holds code that runs with the model"),
        };
        scan.find(&rule::KERAS_CODE, Verdict::Malicious, 0, class, what);
        return;
    }
    if class == "__lambda__" {
        let what = "holds the byte code of a Python function".to_owned();
        scan.find(&rule::KERAS_CODE, Verdict::Malicious, 0, class, what);
        return;
    }
    if operators::judge(scan, class, value) {
        return;
    }
    match module {
        Some("builtins") => builtin(scan, class, value),
        None if class == "function" => builtin(scan, class, value),
        Some(module) if is_own(module) => own(scan, module, class),
        Some(module) => {
            let severity = match crate::pickle::look_up(module, class) {
                crate::pickle::Use::Unlisted(Verdict::Malicious) => Verdict::Malicious,
                crate::pickle::Use::Unlisted(_) => Verdict::Suspicious,
                _ => Verdict::Unknown,
            };
            let dotted = format!("{module}.{class}");
            let what = format!("imports `{dotted}` when it is loaded");
            scan.find(&rule::KERAS_MODULE, severity, 0, &dotted, what);
        }
        None => {
            // Older files name no module; a registered class of somebody else has its package before a `>`.
            let registered = value
                .get("registered_name")
                .and_then(Json::text)
                .unwrap_or_default();
            if class.contains(['>', '.', '/']) || registered.contains('>') && !registered.starts_with("keras")
            {
                custom(scan, class);
            }
        }
    }
}

fn is_own(module: &str) -> bool {
    let mut parts = module.split('.');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts
        .filter(|part| !matches!(*part, "src" | "_tf_keras" | "keras" | "api"))
        .collect();
    let keras = matches!(first, "keras" | "tf_keras")
        || first == "tensorflow" && module.starts_with("tensorflow.keras");
    keras
        && (rest.is_empty() || rest.first().is_some_and(|part| OWN.contains(part)))
        && !module.contains("utils")
        && !module.contains("saving")
        && !module.contains("config")
        // Of the operations, those that take numbers; `core` has loops over functions.
        && (rest.first() != Some(&"ops")
            || matches!(rest.get(1..), Some(["numpy" | "nn" | "math" | "linalg" | "image" | "einops"])))
}

fn own(scan: &mut Scan<'_>, module: &str, class: &str) {
    let plain = class
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let a_class = class.starts_with(|first: char| first.is_ascii_uppercase());
    // Activations and losses are functions; they take numbers and give numbers.
    let a_function =
        module.contains("activations") || module.contains("losses") || module.contains("metrics");
    if !plain || class.starts_with('_') || !(a_class || a_function) {
        let dotted = format!("{module}.{class}");
        let what = format!("calls `{dotted}` when it is loaded, which is no class of a model");
        scan.find(&rule::KERAS_MODULE, Verdict::Malicious, 0, &dotted, what);
    }
}

/// `builtins` is where Keras puts functions by name, and what attackers name.
fn builtin(scan: &mut Scan<'_>, class: &str, value: &Json) {
    let name = value.get("config").and_then(Json::text).unwrap_or_default();
    if class != "function" {
        if !matches!(
            class,
            "NoneType" | "slice" | "bool" | "int" | "float" | "str" | "tuple" | "list" | "dict"
        ) {
            let what = format!("calls the built-in `{class}` when it is loaded");
            scan.find(&rule::KERAS_MODULE, Verdict::Malicious, 0, class, what);
        }
        return;
    }
    const KNOWN: [&str; 24] = [
        "relu",
        "relu6",
        "gelu",
        "silu",
        "swish",
        "sigmoid",
        "hard_sigmoid",
        "tanh",
        "softmax",
        "log_softmax",
        "softplus",
        "softsign",
        "selu",
        "elu",
        "celu",
        "linear",
        "exponential",
        "leaky_relu",
        "mish",
        "hard_silu",
        "mean_squared_error",
        "binary_crossentropy",
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
    ];
    if KNOWN.contains(&name) {
        return;
    }
    match crate::pickle::look_up("builtins", name) {
        crate::pickle::Use::Unlisted(Verdict::Malicious) => {
            let what = format!("refers to the built-in `{name}`");
            scan.find(&rule::KERAS_MODULE, Verdict::Malicious, 0, name, what);
        }
        _ => custom(scan, name),
    }
}

fn custom(scan: &mut Scan<'_>, class: &str) {
    let what = format!("needs `{class}`, which its maker has to supply");
    scan.find(&rule::KERAS_CUSTOM, Verdict::Unknown, 0, class, what);
}
