//! Documents that say of which classes their objects are: jsonpickle, LangChain, Jackson, Json.NET, node-serialize. A reader
//! of that kind imports what is named and calls it.

use crate::{
    finding::{Verdict, shown},
    json::Json,
    names,
    pickle::{self, Use},
    rule,
    scan::Scan,
};

/// Classes of LangChain that run programs, queries or requests, or load pickles.
const LANGCHAIN: &[&str] = &[
    "python",
    "pal_chain",
    "palchain",
    "bash",
    "shell",
    "terminal",
    "sql",
    "cypher",
    "requests",
    "filesystem",
    "file_management",
    "faiss",
    "llmmath",
    "llm_math",
    "jinja",
    "runnablelambda",
    "spark",
    "pandas",
    "playwright",
    "zapier",
    "apichain",
    "api_chain",
    ".tools.",
    "huggingfacepipeline",
];
/// Java's packages whose classes describe models.
const JAVA: &[&str] = &[
    "org.deeplearning4j.",
    "org.nd4j.",
    "org.datavec.",
    "org.apache.spark.ml.",
    "org.apache.spark.mllib.",
    "org.jpmml.",
    "org.dmg.pmml.",
    "hex.",
    "water.",
    "weka.",
    "smile.",
    "ai.djl.",
    "ml.dmlc.",
    "com.johnsnowlabs.",
    "com.microsoft.azure.synapse.ml.",
    "ml.combust.",
    "java.util.",
    "java.lang.String",
    "java.lang.Integer",
    "java.lang.Double",
    "java.lang.Long",
    "java.lang.Float",
    "java.lang.Boolean",
];

/// Judges every object of a document.
pub(crate) fn judge(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |key, value| match value {
        Json::Object(items) => object(scan, value, items),
        Json::List(values) => names::couple(scan, key, values),
        _ => {}
    });
}

fn object(scan: &mut Scan<'_>, whole: &Json, items: &[(String, Json)]) {
    for (key, value) in items {
        match (key.as_str(), value) {
            (
                "py/object" | "py/function" | "py/type" | "py/class" | "py/newobj" | "py/property"
                | "py/error",
                Json::Text(name),
            ) => {
                python(scan, key, name);
            }
            ("py/repr", Json::Text(code)) => {
                let what = format!("`py/repr` has `{}` evaluated", shown(code.as_bytes(), 100));
                scan.find(&rule::OBJECT, Verdict::Malicious, 0, key, what);
            }
            ("py/reduce" | "py/newargs" | "py/newargsex" | "py/initargs", Json::List(values)) => {
                for name in values
                    .iter()
                    .filter_map(Json::text)
                    .take(1)
                    .filter(|name| name.contains('.'))
                {
                    python(scan, key, name);
                }
            }
            (
                "__reduce__" | "__reduce_ex__" | "__setstate__" | "__proto__" | "__globals__"
                | "__builtins__" | "__import__",
                _,
            ) => {
                let what = format!("`{key}` changes what objects are made of it");
                scan.find(&rule::OBJECT, Verdict::Suspicious, 0, key, what);
            }
            (
                "@class" | "@type" | "$type" | "javaClass" | "@javaClass" | "class" | "_class",
                Json::Text(name),
            ) => {
                foreign(scan, key, name);
            }
            ("filters" | "compressor" | "codecs", codecs) => unpickles(scan, key, codecs),
            ("_type", Json::Text(name)) if name.ends_with("_chain") || name.ends_with("_agent") => {
                langchain(scan, name);
            }
            ("lc", Json::Number(_)) => serialized(scan, whole),
            _ => {}
        }
    }
    names::pair(scan, whole);
    command(scan, whole);
}

/// Zarr's way to say that pieces of an array are pickles.
fn unpickles(scan: &mut Scan<'_>, key: &str, codecs: &Json) {
    codecs.walk("", &mut |_, value| {
        let named = ["id", "name"]
            .iter()
            .find_map(|name| value.get(name))
            .and_then(Json::text);
        if let Some(codec) = named.filter(|name| matches!(*name, "pickle" | "numcodecs.pickle")) {
            let what = format!("`{key}` has the pieces of the array unpickled");
            scan.find(&rule::OBJECT, Verdict::Suspicious, 0, codec, what);
        }
    });
}

/// A name that jsonpickle imports.
fn python(scan: &mut Scan<'_>, key: &str, name: &str) {
    let (module, last) = name.rsplit_once('.').unwrap_or(("builtins", name));
    let severity = match pickle::look_up(module, last) {
        _ if names::does_harm(name) => Verdict::Malicious,
        Use::Unlisted(severity) => severity,
        Use::Check(_) => Verdict::Suspicious,
        Use::Value | Use::New | Use::Call(..) => return,
    };
    let name = shown(name.as_bytes(), 200);
    let what = format!("`{key}` has `{name}` imported when the document is read");
    scan.find(&rule::OBJECT, severity, 0, &name, what);
}

/// A class of Java or .NET.
fn foreign(scan: &mut Scan<'_>, key: &str, name: &str) {
    let plain = name.len() < 300 && !name.contains(['/', ' ']) || key == "$type";
    let parts: Vec<&str> = name
        .split([',', '`'])
        .next()
        .unwrap_or_default()
        .split('.')
        .collect();
    let class = parts.len() >= 3
        && plain
        && parts
            .last()
            .is_some_and(|last| last.starts_with(|first: char| first.is_ascii_uppercase()));
    if !class || JAVA.iter().any(|known| name.starts_with(known)) && !names::does_harm(name) {
        return;
    }
    let named = key == "class" || key == "_class";
    let severity = match names::does_harm(name.split(',').next().unwrap_or(name)) {
        true => Verdict::Malicious,
        false if named => return,
        false => Verdict::Unknown,
    };
    let name = shown(name.as_bytes(), 200);
    let what = format!("`{key}` has an object of `{name}` made when the document is read");
    scan.find(&rule::OBJECT, severity, 0, &name, what);
}

/// `{"lc": 1, "type": "constructor", "id": [...]}`, as LangChain's `dumps` writes and its `loads` makes.
fn serialized(scan: &mut Scan<'_>, object: &Json) {
    let id = match object.get("id") {
        Some(Json::List(parts)) => parts.iter().filter_map(Json::text).collect::<Vec<_>>().join("."),
        _ => return,
    };
    match object.get("type").and_then(Json::text) {
        Some("constructor" | "not_implemented") => langchain(scan, &id),
        // Keys of services are written so by honest dumps; anything else of the environment is asked for on purpose.
        Some("secret") if !id.to_lowercase().ends_with("api_key") => {
            let id = shown(id.as_bytes(), 100);
            let what = format!("reads `{id}` of the environment when the document is loaded");
            scan.find(&rule::OBJECT, Verdict::Suspicious, 0, &id, what);
        }
        _ => {}
    }
}

fn langchain(scan: &mut Scan<'_>, id: &str) {
    let lower = id.to_lowercase();
    let own = lower.starts_with("langchain") || !id.contains('.');
    let runs = LANGCHAIN.iter().any(|word| lower.contains(word))
        && !lower.contains("toolmessage")
        && !lower.contains("prompts.");
    let severity = match (own, runs) {
        _ if names::does_harm(id) => Verdict::Malicious,
        (true, false) => return,
        (true, true) => Verdict::Suspicious,
        (false, _) => match id
            .rsplit_once('.')
            .map(|(module, name)| pickle::look_up(module, name))
        {
            Some(Use::Unlisted(severity)) => severity.max(Verdict::Suspicious),
            _ => Verdict::Suspicious,
        },
    };
    let id = shown(id.as_bytes(), 200);
    let what = format!("makes `{id}` when the document is loaded");
    scan.find(&rule::OBJECT, severity, 0, &id, what);
}

/// A program and its arguments under two keys: `{"command": "nc", "args": ["-e", "/bin/sh"]}`.
fn command(scan: &mut Scan<'_>, object: &Json) {
    let text = |keys: &[&str]| keys.iter().find_map(|key| object.get(key).and_then(Json::text));
    let Some(program) = text(&["command", "cmd", "program", "executable", "exec", "path", "run"]) else {
        return;
    };
    let arguments = ["args", "arguments", "argv", "params"]
        .iter()
        .find_map(|key| object.get(key));
    let line = match arguments {
        Some(Json::Text(text)) => format!("{program} {text}"),
        Some(Json::List(values)) => {
            let words = values.iter().filter_map(Json::text);
            std::iter::once(program)
                .chain(words)
                .collect::<Vec<_>>()
                .join(" ")
        }
        _ => return,
    };
    crate::program::judge(scan, 0, "command", &line);
}
