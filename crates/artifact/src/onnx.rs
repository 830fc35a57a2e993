//! ONNX: where tensors say their data is, and which operators need a library that is not in the file.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    format,
    protobuf::{self, Field, next, pass, text},
    rule,
    scan::Scan,
    source::View,
    values,
};

/// Operators' domains that runtimes bring with them.
const DOMAINS: [&str; 10] = [
    "",
    "ai.onnx",
    "ai.onnx.ml",
    "ai.onnx.training",
    "ai.onnx.preview",
    "ai.onnx.preview.training",
    "com.microsoft",
    "com.microsoft.nchwc",
    "com.ms.internal.nhwc",
    "org.pytorch.aten",
];
/// Graphs within nodes within graphs.
const DEPTH: u32 = 32;
/// Bytes of a name or path.
const NAME: usize = 4096;

/// A message of the format, as far as it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Function,
    Training,
}

impl Message {
    /// What field `number` holds, if it is followed.
    fn inner(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Training, 1 | 2) => Self::Graph,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Graph, 15) => Self::Sparse,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Attribute, 22 | 23) => Self::Sparse,
            (Self::Sparse, 1 | 2) => Self::Tensor,
            _ => return None,
        })
    }
}

/// Looks into a model. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    let mut state = State {
        graphs: 0,
        own: Vec::new(),
        used: Vec::new(),
    };
    if let Err(stop) = message(scan, &mut feed, view.size(), Message::Model, 0, &mut state) {
        let at = feed.offset();
        match stop {
            Stop::Cancelled | Stop::Broken => scan.stopped(stop, at),
            _ => scan.find(
                &rule::PROTOBUF,
                Verdict::Unknown,
                at,
                "message",
                "is no well formed message, or nested too deep".to_owned(),
            ),
        }
    } else if state.graphs == 0 {
        scan.find(
            &rule::PROTOBUF,
            Verdict::Unknown,
            0,
            "graph",
            "is no model: it has no graph".to_owned(),
        );
    }
    for (at, domain, kind) in state.used {
        // A function that the model brings along needs nobody's library.
        if !state
            .own
            .iter()
            .any(|(own, name)| *own == domain && *name == kind)
        {
            let severity = if domain.contains("contrib") || kind.starts_with("Py") {
                Verdict::Suspicious
            } else {
                Verdict::Unknown
            };
            let what = format!("`{domain}.{kind}` runs native code that is not in the file");
            scan.find(
                &rule::ONNX_CUSTOM,
                severity,
                at,
                &format!("{domain}.{kind}"),
                what,
            );
        }
    }
    "onnx".to_owned()
}

/// Reads a tensor, or a list of some, that was written by itself; `false` where it is none, and then nothing was found.
pub(crate) fn tensor(scan: &mut Scan<'_>, view: View<'_>) -> bool {
    let (mut feed, mut typed, mut odd) = (Feed::view(view), false, false);
    while !odd {
        match next(&mut feed, view.size()) {
            Ok(None) => break,
            // The type of the elements is a number that both kinds have in their second field.
            Ok(Some(Field::Number(2, kind))) => typed = (1..=32).contains(&kind),
            Ok(Some(Field::Number(1 | 14, _) | Field::Fixed)) => {}
            Ok(Some(Field::Bytes(1 | 3..=13 | 16, end))) => odd = pass(&mut feed, end).is_err(),
            Ok(_) | Err(_) => odd = true,
        }
    }
    if odd || !typed {
        return false;
    }
    let mut state = State {
        graphs: 0,
        own: Vec::new(),
        used: Vec::new(),
    };
    let mut feed = Feed::view(view);
    message(scan, &mut feed, view.size(), Message::Tensor, 0, &mut state).is_ok()
}

struct State {
    graphs: u64,
    /// The model's own functions: domain and name.
    own: Vec<(String, String)>,
    /// Operators of unknown domains: offset, domain, type.
    used: Vec<(u64, String, String)>,
}

fn message(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    kind: Message,
    depth: u32,
    state: &mut State,
) -> Result<(), Stop> {
    if depth > DEPTH {
        return Err(Stop::TooMuch);
    }
    let start = feed.offset();
    let (mut operator, mut domain) = (String::new(), String::new());
    if kind == Message::Graph {
        state.graphs += 1;
    }
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(number, to) = field else { continue };
        match (kind, number) {
            (Message::Node, 4) => operator = text(feed, to, NAME)?,
            (Message::Node, 7) => domain = text(feed, to, NAME)?,
            (Message::Function, 1) => operator = text(feed, to, NAME)?,
            (Message::Function, 10) => domain = text(feed, to, NAME)?,
            (Message::Model, 6) => {
                let at = feed.offset();
                let words = text(feed, to, crate::feed::BUFFER)?;
                values::judge(scan, at, "doc_string", &words);
            }
            (Message::Model, 14) => {
                let at = feed.offset();
                let (key, value) = entry(feed, to)?;
                values::judge(scan, at, &key, &value);
            }
            (Message::Tensor, 13) => external(scan, feed, to)?,
            _ => match kind.inner(number) {
                Some(inner) => message(scan, feed, to, inner, depth + 1, state)?,
                None => pass(feed, to)?,
            },
        }
    }
    if kind == Message::Function && state.own.len() < 1000 {
        state.own.push((domain, operator));
    } else if kind == Message::Node {
        let known = DOMAINS.contains(&domain.as_str());
        if !known && state.used.len() < 1000 {
            state.used.push((start, domain, operator));
        } else if operator == "EPContext"
            || operator == "PyOp"
            || operator == "PythonOp"
            || operator == "ATen"
        {
            let what = format!("`{operator}` runs code or loads a file that is not in the model");
            scan.find(&rule::ONNX_CUSTOM, Verdict::Suspicious, start, &operator, what);
        }
    }
    Ok(())
}

/// A key and a value.
fn entry(feed: &mut Feed<'_>, end: u64) -> Result<(String, String), Stop> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = protobuf::next(feed, end)? {
        match field {
            Field::Bytes(1, to) => key = text(feed, to, NAME)?,
            Field::Bytes(2, to) => value = text(feed, to, crate::feed::BUFFER)?,
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// An entry of a tensor's external data.
fn external(scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
    let at = feed.offset();
    let (key, value) = entry(feed, end)?;
    if key == "location"
        && (format::leads_out(&value) || value.contains("://") || value.contains('\0') || value.is_empty())
    {
        let what = format!("reads tensor data from `{value}`");
        scan.find(&rule::ONNX_EXTERNAL, Verdict::Malicious, at, &value, what);
    } else if key == "location" {
        if scan.refers.len() < 1000 && !scan.refers.contains(&value) {
            scan.refers.push(value);
        }
    } else if !matches!(
        key.as_str(),
        "location" | "offset" | "length" | "checksum" | "basepath"
    ) {
        // The Python loader once set any attribute that a key named.
        let what = format!("describes external data by `{key}`, which the format does not know");
        scan.find(&rule::ONNX_EXTERNAL, Verdict::Suspicious, at, &key, what);
    }
    Ok(())
}
