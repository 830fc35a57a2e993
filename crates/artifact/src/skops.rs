//! skops: a schema that names types and how each is made. Judged by the list that pickles are judged by.

use crate::{
    finding::Verdict,
    json::{self, Json},
    pickle, rule,
    scan::Scan,
};

/// Loaders that make data and nothing else.
const DATA: [&str; 12] = [
    "DictNode",
    "ListNode",
    "SetNode",
    "TupleNode",
    "JsonNode",
    "BytesNode",
    "BytearrayNode",
    "SliceNode",
    "NdArrayNode",
    "MaskedArrayNode",
    "SparseMatrixNode",
    "CachedNode",
];

/// `schema.json`. `false` where it is a document of somebody else's.
pub(crate) fn schema(scan: &mut Scan<'_>, text: &[u8]) -> bool {
    let Some(json) = json::parse(scan, text) else {
        return true;
    };
    let mut nodes = 0;
    json.walk("", &mut |_, value| {
        if let Json::Object(_) = value {
            nodes += u32::from(value.get("__loader__").is_some());
            node(scan, value);
        }
    });
    nodes > 0
}

fn node(scan: &mut Scan<'_>, node: &Json) {
    let text = |key: &str| node.get(key).and_then(Json::text);
    let Some(loader) = text("__loader__") else { return };
    let (module, class) = (
        text("__module__").unwrap_or_default(),
        text("__class__").unwrap_or_default(),
    );
    match loader {
        // Methods and operators are resolved by name, past the check of their type.
        "MethodNode" | "OperatorFuncNode" => {
            let what = format!("a `{loader}` resolves `{module}.{class}` past the check of trusted types");
            scan.find(
                &rule::SKOPS_TYPE,
                Verdict::Malicious,
                0,
                &format!("{module}.{class}"),
                what,
            );
            return;
        }
        "FunctionNode" | "PartialNode" | "UfuncNode" => {
            let content = node.get("content");
            let inner = |key: &str| content.and_then(|content| content.get(key)).and_then(Json::text);
            if let (Some(module), Some(function)) = (inner("module_path"), inner("function")) {
                named(scan, module, function);
            }
        }
        // The type itself is inside, without a loader of its own.
        "TypeNode" => {
            let inner = |key: &str| {
                node.get("content")
                    .and_then(|content| content.get(key))
                    .and_then(Json::text)
            };
            if let (Some(module), Some(class)) = (inner("__module__"), inner("__class__")) {
                named(scan, module, class);
            }
        }
        _ => {}
    }
    if let Some(file) = text("file").filter(|file| crate::format::leads_out(file)) {
        let what = format!("keeps numbers in `{file}`, which is not in the archive");
        scan.find(&rule::TRAVERSAL, Verdict::Suspicious, 0, file, what);
    }
    if !(DATA.contains(&loader) && matches!(module, "builtins" | "numpy" | "collections" | "")) {
        named(scan, module, class);
    }
}

fn named(scan: &mut Scan<'_>, module: &str, name: &str) {
    // skops writes `function` of `types` and the like for what its node resolves itself.
    if matches!(
        (module, name),
        ("builtins", "function" | "type" | "NoneType") | ("numpy", "ufunc") | ("functools", "partial")
    ) {
        return;
    }
    let severity = pickle::look_up(module, name).unseen();
    if severity > Verdict::Clean {
        let dotted = format!("{module}.{name}");
        scan.find(
            &rule::SKOPS_TYPE,
            severity,
            0,
            &dotted,
            format!("makes `{dotted}` when it is loaded"),
        );
    }
}
