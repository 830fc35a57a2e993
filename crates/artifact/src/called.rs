//! Names that a document has called: factories of many libraries take a class or a function by its dotted name, under keys
//! that are ordinary words elsewhere. What makes a word a call is its shape: a path of Python's beside the arguments for it.

use crate::{
    finding::{Verdict, shown},
    format::leads_out,
    json::Json,
    names,
    pickle::{self, Use},
    rule,
    scan::Scan,
};

/// Keys beside a name that hold what it is called with.
const ARGUMENTS: [&str; 16] = [
    "params",
    "kwargs",
    "args",
    "init_args",
    "init_parameters",
    "init_params",
    "parameters",
    "arguments",
    "params_spec",
    "class_args",
    "model_params",
    "init_kwargs",
    "_args_",
    "dict_kwargs",
    "hparams",
    // kedro's catalogues.
    "filepath",
];
/// Keys whose value is called where arguments are beside it.
const FACTORIES: [&str; 9] = [
    "target", "type", "class", "cls", "factory", "func", "function", "callable", "_type",
];
/// Keys whose value is a class or function by its dotted name, or a plain word.
const CALLED: [&str; 12] = [
    "activation_function",
    "activation_fn",
    "sbert_ce_default_activation_function",
    "tokenizer_class",
    "materializer",
    "loss_function",
    "similarity_fn_name",
    "network_class_name",
    "characters_class",
    "model_class_name",
    "default_activation_function",
    "custom_function",
];
/// Endings that make a word with a dot the name of a file or a host.
const FILES: [&str; 40] = [
    "py",
    "json",
    "jsonl",
    "yaml",
    "yml",
    "txt",
    "md",
    "bin",
    "pt",
    "pth",
    "ckpt",
    "onnx",
    "h5",
    "hdf5",
    "npy",
    "npz",
    "csv",
    "tsv",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "wav",
    "mp3",
    "mp4",
    "zip",
    "gz",
    "tar",
    "model",
    "safetensors",
    "gguf",
    "com",
    "org",
    "net",
    "io",
    "html",
    "xml",
    "log",
    "parquet",
];
/// Libraries that diffusers imports for parts of a pipeline.
const PARTS: [&str; 14] = [
    "diffusers",
    "transformers",
    "tokenizers",
    "onnxruntime",
    "optimum",
    "peft",
    "timm",
    "torch",
    "flax",
    "k_diffusion",
    "sentence_transformers",
    "accelerate",
    "open_clip",
    "nemo",
];

/// Judges every object of a document, and what the file's name says of it.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json, last: &str) {
    json.walk("", &mut |key, value| match value {
        Json::Object(_) => {
            object(scan, value);
            listed(scan, key, value);
        }
        Json::Text(name) if CALLED.contains(&key) && path(name) => call(scan, name),
        Json::Text(name) if key == "class_name" && name.contains(':') && path(name) => call(scan, name),
        Json::Text(name) if key == "_class_name" && path(name) => {
            let what = format!(
                "takes `{}` out of a Python file beside it",
                shown(name.as_bytes(), 100)
            );
            scan.find(&rule::REMOTE_CODE, Verdict::Unknown, 0, key, what);
        }
        Json::Text(path) => program(scan, key, path),
        _ => {}
    });
    match last {
        "model-settings.json" => implementation(scan, json),
        "model_index.json" => pipeline(scan, json),
        "modules.json" => folders(scan, json),
        _ => {}
    }
}

/// Whether a text is a path of Python's: `package.module.Name`.
pub(crate) fn path(text: &str) -> bool {
    let text = text.trim();
    let parts: Vec<&str> = text.split(['.', ':']).collect();
    let named = |part: &&str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let file = parts
        .last()
        .is_some_and(|last| FILES.contains(&last.to_ascii_lowercase().as_str()));
    (2..=12).contains(&parts.len()) && text.len() <= 200 && !file && parts.iter().all(named)
}

/// Whether the lists of names say that this one does harm when it is called.
fn is_danger(name: &str) -> bool {
    let Some((module, last)) = name.rsplit_once('.') else {
        return false;
    };
    names::does_harm(name)
        || matches!(
            pickle::look_up(module, last),
            Use::Unlisted(Verdict::Malicious) | Use::Check(_)
        )
}

/// Whether a configuration of Python's logging names one of its own classes.
fn is_handler(name: &str) -> bool {
    let own = name.strip_prefix("logging.").unwrap_or_default();
    let own = own.strip_prefix("handlers.").unwrap_or(own);
    !own.contains('.')
        && ["Handler", "Formatter", "Filter"]
            .iter()
            .any(|end| own.ends_with(end))
}

fn call(scan: &mut Scan<'_>, name: &str) {
    names::target(scan, 0, &name.trim().replace(':', "."));
}

/// One object: a name beside what it is called with.
fn object(scan: &mut Scan<'_>, whole: &Json) {
    let text = |key: &str| whole.get(key).and_then(Json::text).filter(|text| path(text));
    let has = |keys: &[&str]| keys.iter().any(|key| whole.get(key).is_some());
    let called = has(&ARGUMENTS);
    for (key, name) in FACTORIES.iter().filter_map(|key| Some((*key, text(key)?))) {
        // A node of a graph that torch exported, and a handler of Python's logging.
        let node = key == "target" && name.starts_with("torch.ops.") && has(&["inputs", "outputs"]);
        let log = key == "class" && is_handler(name);
        if (called || is_danger(name)) && !node && !log {
            call(scan, name);
        }
    }
    let named = text("name").filter(|name| {
        let last = name.rsplit(['.', ':']).next().unwrap_or_default();
        has(&["params"]) && (last.starts_with(|first: char| first.is_ascii_uppercase()) || is_danger(name))
    });
    if let Some(name) = named {
        call(scan, name);
    }
    // gluonts decodes any class; Spark and MLeap name theirs in metadata.
    if let Some(name) = text("class")
        && (has(&["__kind__", "paramMap", "sparkVersion", "defaultParamMap"]))
        && !name.starts_with("org.apache.spark.")
    {
        call(scan, name);
    }
    if let (Some(module), Some(name)) = (
        whole.get("@module").and_then(Json::text),
        whole.get("@class").and_then(Json::text),
    ) {
        call(scan, &format!("{module}.{name}"));
    }
    // Rasa's graphs.
    if let Some(name) = text("uses").filter(|_| has(&["needs", "constructor_name", "fn"]))
        && !name.starts_with("rasa.")
    {
        call(scan, name);
    }
    if let Some(module) = whole.get("module").and_then(Json::text)
        && has(&["api_version"])
        && has(&["signatures"])
    {
        import(scan, "module", module, &["bentoml"]);
    }
    if let Some(name) = whole.get("import_path").and_then(Json::text)
        && has(&["runtime_env", "deployments", "route_prefix"])
    {
        import(
            scan,
            "import_path",
            name.split(':').next().unwrap_or(name),
            &["ray"],
        );
    }
    if let Some(Json::Object(kinds)) = whole.get("types") {
        for name in kinds
            .iter()
            .filter_map(|(_, kind)| kind.text())
            .filter(|name| path(name))
        {
            call(scan, name);
        }
    }
}

/// Modules that an object has imported: mmengine's `custom_imports`, fairseq's `user_dir`, plugins.
fn listed(scan: &mut Scan<'_>, key: &str, whole: &Json) {
    if key == "custom_imports"
        && let Some(imports) = whole.get("imports")
    {
        let known = [
            "mmdet",
            "mmcv",
            "mmengine",
            "mmpretrain",
            "mmseg",
            "mmpose",
            "mmaction",
            "mmrotate",
            "mmocr",
        ];
        for module in texts(imports) {
            import(scan, "custom_imports", module, &known);
        }
    }
    let paths = ["user_dir", "custom_modules_dir", "external_lib"];
    for (key, path) in paths
        .iter()
        .filter_map(|key| Some((*key, whole.get(key)?.text()?)))
    {
        if !path.is_empty() && !path.starts_with("${") {
            let what = format!("imports Python from `{}`", shown(path.as_bytes(), 100));
            scan.find(&rule::REMOTE_CODE, Verdict::Unknown, 0, key, what);
        }
    }
    if let Some(plugins) = whole.get("plugins") {
        let named = |name: &&str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            path(name) && last.starts_with(|first: char| first.is_ascii_uppercase())
        };
        for name in texts(plugins).into_iter().filter(named) {
            call(scan, name);
        }
    }
}

/// A text, or the texts of a list.
fn texts(value: &Json) -> Vec<&str> {
    match value {
        Json::Text(text) => vec![text],
        Json::List(values) => values.iter().filter_map(Json::text).collect(),
        _ => Vec::new(),
    }
}

/// A module that is imported by its name.
pub(crate) fn import(scan: &mut Scan<'_>, key: &str, module: &str, known: &[&str]) {
    let module = module.trim();
    let own = known.iter().any(|known| {
        let rest = module.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_']))
    });
    if module.is_empty() || own && !module.contains("__") {
        return;
    }
    let severity = match pickle::look_up(module, "x") {
        _ if names::does_harm(&format!("{module}.x")) => Verdict::Malicious,
        Use::Unlisted(severity) => severity,
        _ => Verdict::Unknown,
    };
    let module = shown(module.as_bytes(), 200);
    let what = format!("`{key}` has `{module}` imported");
    scan.find(&rule::REMOTE_CODE, severity, 0, &module, what);
}

/// MLServer imports what serves a model.
fn implementation(scan: &mut Scan<'_>, json: &Json) {
    if let Some(name) = json.get("implementation").and_then(Json::text)
        && (!name.starts_with("mlserver") || is_danger(name))
    {
        call(scan, name);
    }
}

/// diffusers imports a library for each part of a pipeline, unless it is one of its own pipelines.
fn pipeline(scan: &mut Scan<'_>, json: &Json) {
    let Json::Object(items) = json else { return };
    for (key, value) in items {
        let Json::List(couple) = value else { continue };
        let [library, Json::Text(_) | Json::List(_)] = couple.as_slice() else {
            continue;
        };
        let Json::Text(library) = library else {
            if matches!(library, Json::List(_)) {
                let what = format!("`{}` is of a Python file beside it", shown(key.as_bytes(), 100));
                scan.find(&rule::REMOTE_CODE, Verdict::Unknown, 0, key, what);
            }
            continue;
        };
        let part = library.split('.').next().unwrap_or_default();
        let own = PARTS.contains(&part) && !is_danger(&format!("{library}.x"));
        // A pipeline of diffusers' own goes by the name of its folder, and a file of this one by its name: neither is a path.
        if !own && !library.is_empty() && !is_pipeline(library) {
            import(scan, key, library, &[]);
        }
    }
}

/// A configuration's keys that name a file of Python to be run: mlx, funasr, and their like.
pub(crate) fn program(scan: &mut Scan<'_>, key: &str, path: &str) {
    let run = matches!(
        key,
        "model_file" | "remote_code" | "code_file" | "custom_code" | "code_path" | "module_file"
    );
    if !run || !path.ends_with(".py") {
        return;
    }
    let severity = if leads_out(path) {
        Verdict::Suspicious
    } else {
        Verdict::Unknown
    };
    let what = format!(
        "`{key}` has `{}` run when the model is loaded",
        shown(path.as_bytes(), 100)
    );
    scan.find(&rule::REMOTE_CODE, severity, 0, key, what);
}

/// sentence-transformers reads each module from a folder of the model's.
fn folders(scan: &mut Scan<'_>, json: &Json) {
    let Json::List(items) = json else { return };
    for path in items
        .iter()
        .filter_map(|item| item.get("path").and_then(Json::text))
    {
        if leads_out(path) || path.starts_with('/') || path.contains("://") {
            let path = shown(path.as_bytes(), 200);
            let what = format!("reads a module from `{path}`, outside of the folder");
            scan.find(&rule::TRAVERSAL, Verdict::Suspicious, 0, &path, what);
        }
    }
}

/// Whether diffusers has pipelines in a folder of this name.
fn is_pipeline(name: &str) -> bool {
    const BEGIN: &str = "ace_step allegro alt_diffusion amused animatediff anyflow audioldm audio_diffusion aura_flow blip_diffusion \
        bria chroma chronoedit cogvideo cogview consisid consistency_models controlnet cosmos dance_diffusion ddim ddpm \
        deepfloyd_if deprecated diffusion_gemma dit dreamlite easyanimate ernie_image flux free_noise glm_image helios hidream_image \
        hunyuan i2vgen_xl ideogram4 joyimage kandinsky kolors krea2 latent_consistency_models latent_diffusion latte ledits_pp llada2 \
        longcat ltx lucy lumina marigold mochi motif_video musicldm nucleusmoe omnigen ovis_image pag paint_by_example pia \
        pixart_alpha pndm prx qwenimage repaint rfd4 sana score_sde_ve semantic_stable_diffusion shap_e skyreels spectrogram_diffusion \
        stable_audio stable_cascade stable_diffusion stable_unclip stable_video_diffusion stochastic_karras_ve t2i_adapter \
        text_to_video_synthesis unclip unidiffuser versatile_diffusion visualcloze vq_diffusion wan wuerstchen z_image";
    !name.contains('.') && BEGIN.split_whitespace().any(|begin| name.starts_with(begin))
}
