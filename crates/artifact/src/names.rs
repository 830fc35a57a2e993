//! Dotted names in configurations: what a loader imports and calls because a value says so.
//!
//! Under a key that is there to be called (`_target_`, `class_path`), what is no known class of a known library is told.
//! Under any other key only names are told that run code, open files or sockets whatever they are called for.

use crate::{
    config,
    finding::{Verdict, shown},
    json::Json,
    pickle::{self, Use},
    rule,
    scan::Scan,
    yaml,
};

/// Beginnings of names that do harm when a document chooses what is called.
const HARM: &[&str] = &[
    "os.system",
    "os.popen",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.startfile",
    "os.remove",
    "os.unlink",
    "os.rmdir",
    "os.rename",
    "os.kill",
    "os.fork",
    "os.putenv",
    "os.chmod",
    "os.dup2",
    "os.symlink",
    "os.replace",
    "posix.",
    "nt.system",
    "nt.popen",
    "nt.exec",
    "nt.spawn",
    "subprocess.",
    "_posixsubprocess.",
    "commands.get",
    "popen2.",
    "builtins.eval",
    "builtins.exec",
    "builtins.compile",
    "builtins.__import__",
    "builtins.open",
    "builtins.getattr",
    "builtins.setattr",
    "__builtin__.",
    "__builtins__.",
    "__main__.__",
    "runpy.",
    "pty.spawn",
    "importlib.import_module",
    "importlib.__import__",
    "importlib.util",
    "importlib.reload",
    "importlib.machinery",
    "timeit.timeit",
    "imp.load_",
    "pkgutil.resolve_name",
    "pydoc.locate",
    "pydoc.pipepager",
    "shutil.rmtree",
    "shutil.move",
    "shutil.copy",
    "socket.socket",
    "socket.create_",
    "ctypes.",
    "webbrowser.",
    "pickle.load",
    "pickle.Unpickler",
    "_pickle.",
    "cPickle.",
    "marshal.load",
    "dill.load",
    "cloudpickle.",
    "jsonpickle.",
    "shelve.open",
    "code.interact",
    "code.Interactive",
    "codeop.",
    "pip.main",
    "pip._internal",
    "ensurepip.",
    "torch.hub.",
    "torch.load",
    "torch.serialization.load",
    "torch.ops.load_library",
    "torch.classes.load_library",
    "torch.utils.cpp_extension.",
    "torch.utils.collect_env.",
    "joblib.load",
    "numpy.load",
    "pandas.read_pickle",
    "pandas.eval",
    "yaml.load",
    "yaml.unsafe_load",
    "urllib.request.",
    "urllib.urlopen",
    "requests.get",
    "requests.post",
    "requests.put",
    "httpx.get",
    "httpx.post",
    "http.client.",
    "smtplib.",
    "ftplib.",
    "telnetlib.",
    "asyncio.create_subprocess",
    "multiprocessing.Process",
    "cProfile.run",
    "trace.Trace",
    "pdb.run",
    "pdb.set_trace",
    "pdb.Pdb",
    "bdb.Bdb",
    "doctest.",
    "operator.attrgetter",
    "operator.methodcaller",
    "types.FunctionType",
    "types.CodeType",
    "idlelib.",
    "logging.config.",
    "zipimport.",
    "sys.modules",
    "sys.settrace",
    "sys.exit",
    "threading.Thread",
    "mlflow.pyfunc.load",
    "transformers.dynamic_module",
    "java.lang.Runtime",
    "java.lang.ProcessBuilder",
    "java.lang.Class",
    "java.net.",
    "java.io.",
    "javax.script.",
    "javax.naming.",
    "javax.management.",
    "com.sun.",
    "sun.misc.",
    "sun.rmi.",
    "org.springframework.context.",
    "org.springframework.beans.factory.",
    "org.apache.commons.collections.functors.",
    "org.apache.xalan.",
    "org.codehaus.groovy.",
    "groovy.",
    "bsh.Interpreter",
    "ognl.",
    "com.mchange.",
    "org.yaml.snakeyaml.",
    "System.Diagnostics.Process",
    "System.Windows.Data.ObjectDataProvider",
    "System.Reflection.",
    "child_process.",
    "keras.layers.TFSMLayer",
    "tensorflow.keras.layers.TFSMLayer",
];
/// The same behind any module that has imported it: a name is looked up part by part.
const BEHIND: &[&str] = &[
    ".os.",
    ".subprocess.",
    ".builtins.",
    ".importlib.",
    ".shutil.",
    ".ctypes.",
    ".runpy.",
    ".pty.",
    ".sys.modules",
    ".sys.exit",
    ".pickle.",
    ".socket.",
    ".webbrowser.",
    ".urllib.request.",
    ".__",
];
/// Parts of a name, behind the first, that make it another library's.
const FOREIGN: &[&str] = &[
    "builtins",
    "codecs",
    "ctypes",
    "dill",
    "fsspec",
    "glob",
    "imp",
    "importlib",
    "inspect",
    "io",
    "joblib",
    "json",
    "logging",
    "marshal",
    "np",
    "numpy",
    "os",
    "pandas",
    "pathlib",
    "pd",
    "pickle",
    "pkgutil",
    "posix",
    "pty",
    "requests",
    "runpy",
    "shutil",
    "site",
    "socket",
    "subprocess",
    "sys",
    "tarfile",
    "tempfile",
    "threading",
    "tokenize",
    "torch",
    "types",
    "urllib",
    "warnings",
    "webbrowser",
    "yaml",
    "zipfile",
];
/// Packages whose classes configurations name.
const CLASSES: &[&str] = &[
    "accelerate.",
    "datasets.",
    "diffusers.",
    "einops.",
    "flax.",
    "hydra.utils.",
    "jax.",
    "keras.layers.",
    "kornia.",
    "lightning.",
    "monai.",
    "nemo.",
    "omegaconf.",
    "optax.",
    "peft.",
    "pytorch_lightning.",
    "sklearn.",
    "speechbrain.",
    "tensorflow.keras.",
    "timm.",
    "tokenizers.",
    "torch.nn.",
    "torch.optim.",
    "torch.utils.data.",
    "torch.utils.tensorboard.",
    "torchaudio.transforms.",
    "torchmetrics.",
    "torchtune.",
    "torchvision.transforms.",
    "torchvision.models.",
    "torchvision.datasets.",
    "transformers.",
    "trl.",
    "xgboost.",
    "lightgbm.",
    "catboost.",
    "allennlp.",
    "allennlp_models.",
    "rasa.",
    "spacy.",
    "thinc.",
    "ldm.",
    "sgm.",
    "gluonts.",
    "darts.",
    "sktime.",
    "mmdet.",
    "mmcv.",
    "mmengine.",
    "fairseq.",
    "espnet.",
    "espnet2.",
    "ultralytics.",
    "detectron2.",
    "sentence_transformers.",
    "stable_baselines3.",
    "gymnasium.",
    "haystack.",
    "haystack_integrations.",
    "taming.",
    "cldm.",
    "lvdm.",
    "pymatgen.",
    "monty.",
    "matgl.",
    "axolotl.integrations.",
    "kedro_datasets.",
    "mmpretrain.",
    "mmseg.",
    "mmpose.",
    "mlserver",
    "anomalib.",
    "torchrl.",
    "torch_geometric.",
    "bitsandbytes.",
    "pyannote.",
    "sb3_contrib.",
    "rl_zoo3.",
    "gym.",
];
/// Packages whose functions configurations name too: they make models and data, and take no commands.
const FUNCTIONS: &[&str] = &[
    "torchtune.models.",
    "torchtune.datasets.",
    "torchtune.modules.",
    "torchtune.training.",
    "torchtune.data.",
    "torchvision.models.",
    "torchmetrics.",
    "optax.",
    "timm.create_model",
    "torch.nn.init.",
    "torch.manual_seed",
    "torch.nn.functional.",
    "transformers.get_",
    "numpy.random.seed",
    "random.seed",
    "torch.randn",
    "torch.zeros",
    "torch.ones",
    "torch.tensor",
    "math.log",
    "math.sqrt",
    "hydra.utils.get_method",
    "tsfel.",
];

/// Whether a key is there to name what is called.
pub(crate) fn is_target(key: &str) -> bool {
    matches!(
        key,
        "_target_"
            | "__target__"
            | "_target"
            | "class_path"
            | "_component_"
            | "_callable_"
            | "$target"
            | "__call__"
    )
}

/// A dotted name, if the text is one and no more: `os.system`, `os:system`, `@os.system`, `os.system()`.
fn dotted(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix(['@', '$', '%']).unwrap_or(text);
    let text = text.strip_suffix("()").unwrap_or(text);
    if text.len() > 200 || text.contains("::") {
        return None;
    }
    let name = text.replace([':', '#'], ".");
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'));
    let whole = name.contains('.') && !name.starts_with('.') && !name.ends_with('.');
    (plain && whole).then_some(name)
}

/// Whether a dotted name does harm whatever it is called for.
pub(crate) fn does_harm(text: &str) -> bool {
    dotted(text).is_some_and(|name| {
        HARM.iter().any(|known| name.starts_with(known)) || BEHIND.iter().any(|part| name.contains(part))
    })
}

/// Under any key.
pub(crate) fn value(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    if ["169.254.169.254", "metadata.google.internal"]
        .iter()
        .any(|host| text.contains(host))
    {
        let what = format!(
            "`{}` names the service that gives a machine its keys",
            shown(key.as_bytes(), 100)
        );
        scan.find(
            &rule::TRAVERSAL,
            Verdict::Suspicious,
            at,
            "metadata service",
            what,
        );
    }
    let path = text.trim();
    let path = path.strip_prefix("file://").unwrap_or(path);
    let secret = ["/etc/passwd", "/etc/shadow", "/proc/self/"]
        .iter()
        .any(|start| path.starts_with(start))
        || (path.starts_with(['/', '~'])
            && ["/.ssh/", "/.aws/", "/.kube/", "/.gnupg/"]
                .iter()
                .any(|part| path.contains(part)));
    if secret && !path.contains(' ') {
        let path = shown(path.as_bytes(), 200);
        let what = format!(
            "`{}` names `{path}`, which is no model's",
            shown(key.as_bytes(), 100)
        );
        scan.find(&rule::TRAVERSAL, Verdict::Suspicious, at, &path, what);
    }
    written(scan, text);
    if does_harm(text) {
        let name = shown(text.trim().as_bytes(), 200);
        let what = format!(
            "`{}` names `{name}`, which a loader may call",
            shown(key.as_bytes(), 100)
        );
        scan.find(&rule::HYDRA_TARGET, Verdict::Suspicious, at, &name, what);
    }
}

/// A document within a text, as JSON or as Python writes it, that names what is called.
fn written(scan: &mut Scan<'_>, text: &str) {
    const LONGEST: usize = 1 << 20;
    let keys = [
        "_target_",
        "class_path",
        "_component_",
        "__target__",
        "_callable_",
    ];
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) && text.len() < LONGEST && keys.iter().any(|key| text.contains(key)) {
        for json in yaml::read(text).documents {
            config::targets(scan, &json);
        }
    }
}

/// Under a key that names what is called.
pub(crate) fn target(scan: &mut Scan<'_>, at: u64, target: &str) {
    let target = target.trim();
    if target.is_empty() {
        return;
    }
    let (module, name) = target.rsplit_once('.').unwrap_or(("", target));
    let a_class = name.starts_with(|first: char| first.is_ascii_uppercase());
    let plain = target
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let harm = does_harm(target);
    let under = |known: &[&str]| known.iter().any(|known| target.starts_with(known));
    // What a library has imported is reached through it: `torchmetrics.os.system`.
    let own = !target
        .split('.')
        .skip(1)
        .any(|part| part.starts_with("__") || FOREIGN.contains(&part));
    // `AutoModel.from_pretrained` belongs to the class before it.
    let made = module.rsplit('.').next().is_some_and(|class| {
        class.starts_with(|first: char| first.is_ascii_uppercase())
            && matches!(name, "from_pretrained" | "from_config")
    });
    if plain
        && !harm
        && !target.contains("__")
        && ((a_class || made) && under(CLASSES) || own && under(FUNCTIONS))
    {
        return;
    }
    // A short name is looked up in a registry of the library.
    if plain && !target.contains('.') && a_class {
        return;
    }
    let severity = match pickle::look_up(module, name) {
        _ if harm => Verdict::Malicious,
        Use::Unlisted(severity) if a_class && plain => severity,
        Use::Unlisted(severity) => severity.max(Verdict::Suspicious),
        Use::Value | Use::New | Use::Call(..) => return,
        Use::Check(_) => Verdict::Malicious,
    };
    let target = shown(target.as_bytes(), 200);
    let what = format!("calls `{target}` when the configuration is made into objects");
    scan.find(&rule::HYDRA_TARGET, severity, at, &target, what);
}

/// A module and a name in it, under two keys of one object: `{"module": "os", "function": "system"}`.
pub(crate) fn pair(scan: &mut Scan<'_>, object: &Json) {
    let text = |keys: &[&str]| keys.iter().find_map(|key| object.get(key).and_then(Json::text));
    let module = text(&[
        "module",
        "module_name",
        "library",
        "package",
        "__module__",
        "pkg",
        "_module_",
        "import",
    ]);
    let name = text(&[
        "function",
        "function_name",
        "func",
        "fn",
        "callable",
        "class",
        "class_name",
        "name",
        "attr",
        "method",
        "__class__",
        "__name__",
        "qualname",
        "object",
        "entry",
    ]);
    if let (Some(module), Some(name)) = (module, name) {
        value(scan, 0, "module", &format!("{module}.{name}"));
    }
}

/// A list of a library and a class in it, as diffusers has them: `["os", "system"]`.
pub(crate) fn couple(scan: &mut Scan<'_>, key: &str, values: &[Json]) {
    if let [Json::Text(module), Json::Text(name)] = values {
        value(scan, 0, key, &format!("{module}.{name}"));
    }
}
