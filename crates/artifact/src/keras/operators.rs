//! Layers of tf.keras that stand for a call of TensorFlow: which function or operator that is, and whether it only takes and
//! gives numbers. The call is made while the model is rebuilt from its configuration.

use crate::{
    feed::Feed,
    finding::{Verdict, shown},
    json::Json,
    protobuf::{Field, next, pass, text as words},
    rule,
    scan::Scan,
    source::View,
    tensorflow,
};

/// Bytes of a node that a layer holds.
const NODE: usize = 1 << 20;
/// Bytes of an operator's name.
const NAME: usize = 1024;
/// What slices a tensor.
const SLICES: [&str; 4] = [
    "__operators__.getitem",
    "__operators__.ragged_getitem",
    "boolean_mask",
    "compat.v1.boolean_mask",
];
/// Where functions are that take and give tensors.
const NUMBERS: [&str; 13] = [
    "math.",
    "nn.",
    "linalg.",
    "image.",
    "strings.",
    "signal.",
    "sets.",
    "bitwise.",
    "sparse.",
    "random.",
    "quantization.",
    "__operators__.",
    "compat.v1.math.",
];
/// The same, of TensorFlow itself.
const PLAIN: [&str; 56] = [
    "abs",
    "acos",
    "add",
    "argmax",
    "argmin",
    "argsort",
    "asin",
    "atan",
    "boolean_mask",
    "broadcast_to",
    "cast",
    "clip_by_value",
    "concat",
    "convert_to_tensor",
    "cos",
    "cumsum",
    "divide",
    "einsum",
    "equal",
    "exp",
    "expand_dims",
    "eye",
    "fill",
    "floor",
    "gather",
    "gather_nd",
    "identity",
    "matmul",
    "maximum",
    "minimum",
    "multiply",
    "norm",
    "one_hot",
    "ones",
    "ones_like",
    "pad",
    "pow",
    "range",
    "rank",
    "repeat",
    "reshape",
    "reverse",
    "round",
    "shape",
    "sigmoid",
    "size",
    "slice",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "tile",
    "transpose",
    "unstack",
    "zeros_like",
];
/// Classes whose own functions make tensors of tensors.
const MAKERS: [&str; 6] = [
    "RaggedTensor",
    "ragged.RaggedTensor",
    "SparseTensor",
    "sparse.SparseTensor",
    "Tensor",
    "TensorShape",
];

/// Judges a layer of this class; `false` where it stands for no call.
pub(super) fn judge(scan: &mut Scan<'_>, class: &str, value: &Json) -> bool {
    let config = value.get("config").unwrap_or(value);
    let text = |key: &str| config.get(key).and_then(Json::text);
    let last = class.rsplit(['.', '>']).next().unwrap_or_default();
    match last {
        "TFOpLambda" => {
            let function = text("function").unwrap_or_default();
            let plain = PLAIN.contains(&function) || NUMBERS.iter().any(|under| function.starts_with(under));
            if !plain || function.contains("__") && !function.starts_with("__operators__.") {
                calls(scan, last, function);
            }
        }
        "SlicingOpLambda" => {
            let function = text("function").unwrap_or_default();
            if !SLICES.contains(&function) {
                calls(scan, last, function);
            }
        }
        "ClassMethod" => {
            let (of, method) = (
                text("cls_symbol").or_else(|| text("cls_ref")).unwrap_or_default(),
                text("method_name").unwrap_or_default(),
            );
            if !MAKERS.contains(&of) || method.starts_with('_') || method.is_empty() {
                calls(scan, last, &format!("{of}.{method}"));
            }
        }
        "InstanceMethod" | "InstanceProperty" => {
            let asked = text("method_name")
                .or_else(|| text("attr_name"))
                .unwrap_or_default();
            if asked.starts_with('_') || asked.is_empty() {
                calls(scan, last, asked);
            }
        }
        "TensorFlowOpLayer" => node(scan, config.get("node_def")),
        _ => return false,
    }
    true
}

fn calls(scan: &mut Scan<'_>, class: &str, function: &str) {
    let function = shown(function.as_bytes(), 100);
    let what = format!("a `{class}` layer calls `{function}` of TensorFlow when the model is loaded");
    scan.find(&rule::KERAS_CODE, Verdict::Malicious, 0, class, what);
}

/// The node that a layer runs: a dictionary, or the text of one, or a message whose bytes are letters.
fn node(scan: &mut Scan<'_>, held: Option<&Json>) {
    let operators = match held {
        Some(Json::Object(_)) => held.and_then(named).into_iter().collect(),
        Some(Json::Text(text)) => match serde_json::from_str::<Json>(text) {
            Ok(json) => named(&json).into_iter().collect(),
            Err(_) => of_message(text.as_bytes()).unwrap_or_default(),
        },
        _ => Vec::new(),
    };
    if operators.is_empty() {
        calls(scan, "TensorFlowOpLayer", "an operator that can't be read");
    }
    for operator in operators {
        if tensorflow::takes_path(&operator) || tensorflow::takes_place(&operator) {
            calls(scan, "TensorFlowOpLayer", &operator);
        } else {
            tensorflow::alone(scan, 0, &operator, &std::collections::HashSet::new());
        }
    }
}

fn named(json: &Json) -> Option<String> {
    json.get("op").and_then(Json::text).map(str::to_owned)
}

/// Every operator that a message names: the last one counts, and readers may differ.
fn of_message(bytes: &[u8]) -> Option<Vec<String>> {
    let held = bytes.get(..bytes.len().min(NODE)).unwrap_or_default().to_vec();
    let view = View::all(&held);
    let (mut feed, mut operators) = (Feed::view(view), Vec::new());
    while let Some(field) = next(&mut feed, view.size()).ok()? {
        match field {
            Field::Bytes(2, to) => operators.push(words(&mut feed, to, NAME).ok()?),
            Field::Bytes(_, to) => pass(&mut feed, to).ok()?,
            _ => {}
        }
    }
    Some(operators)
}
