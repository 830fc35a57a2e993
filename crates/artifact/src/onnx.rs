//! ONNX: where tensors say their data is, and which operators need a library that is not in the file.

pub(crate) mod text;

use std::{collections::HashSet, sync::LazyLock};

use crate::{
    carried::{self, Among},
    feed::{Feed, Stop},
    finding::Verdict,
    format, literal,
    protobuf::{self, Field, next, pass, text as words},
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
/// Types of elements that are bytes or texts.
const BYTES: [u64; 3] = [2, 3, 8];
/// How often a path's escapes are undone.
const ESCAPED: usize = 4;
/// Spans of a tensor's data that are looked at.
const SPANS: usize = 64;
/// Graphs within nodes within graphs.
const DEPTH: u32 = 32;
/// Bytes of a name or path.
const NAME: usize = 4096;

/// The operators of ONNX's own domain.
static OPERATORS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("onnx/operators.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
});

/// Whether a domain is ONNX's own, in which a library may register operators too.
fn is_own(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

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
    let (mut spans, mut elements) = (Vec::new(), 0);
    while let Some(field) = next(feed, end)? {
        if let (Message::Tensor, Field::Number(2, number)) = (kind, field) {
            elements = number;
        }
        let Field::Bytes(number, to) = field else { continue };
        match (kind, number) {
            (Message::Node, 4) => operator = words(feed, to, NAME)?,
            (Message::Node, 7) => domain = words(feed, to, NAME)?,
            (Message::Function, 1) => operator = words(feed, to, NAME)?,
            (Message::Function, 10) => domain = words(feed, to, NAME)?,
            (Message::Model, 6) => {
                let at = feed.offset();
                let said = words(feed, to, crate::feed::BUFFER)?;
                values::judge(scan, at, "doc_string", &said);
            }
            (Message::Model, 14) => {
                let at = feed.offset();
                let (key, value) = entry(feed, to)?;
                values::judge(scan, at, &key, &value);
                literal::judge(scan, at, &key, &value);
            }
            (Message::Tensor, 13) => external(scan, feed, to)?,
            (Message::Tensor, 6 | 9) => {
                if spans.len() < SPANS {
                    spans.push((feed.offset(), to));
                }
                pass(feed, to)?;
            }
            _ => match kind.inner(number) {
                Some(inner) => message(scan, feed, to, inner, depth + 1, state)?,
                None => pass(feed, to)?,
            },
        }
    }
    for (start, end) in spans {
        held(scan, feed, start, end, elements);
    }
    if kind == Message::Function && state.own.len() < 1000 {
        state.own.push((domain, operator));
    } else if kind == Message::Node {
        let known =
            DOMAINS.contains(&domain.as_str()) && (!is_own(&domain) || OPERATORS.contains(operator.as_str()));
        if !known && state.used.len() < 1000 {
            state.used.push((start, domain, operator));
        } else if runs_code(&operator) {
            let what = format!("`{operator}` runs code or loads a file that is not in the model");
            scan.find(&rule::ONNX_CUSTOM, Verdict::Suspicious, start, &operator, what);
        }
    }
    Ok(())
}

/// Operators that run code, or load a file, that is not in the model.
fn runs_code(operator: &str) -> bool {
    matches!(operator, "EPContext" | "PyOp" | "PythonOp" | "ATen")
}

/// Where a tensor says its data is. Some readers take the path for a part of an address, and undo its escapes.
fn located(scan: &mut Scan<'_>, at: u64, path: &str) {
    let mut read = path.to_owned();
    let mut away = path.is_empty();
    for _ in 0..ESCAPED {
        away |= format::leads_out(&read) || read.contains("://") || read.contains('\0');
        let once = unescaped(&read);
        if once == read {
            break;
        }
        read = once;
    }
    if away {
        let what = format!("reads tensor data from `{path}`");
        scan.find(&rule::ONNX_EXTERNAL, Verdict::Malicious, at, path, what);
    } else if unescaped(&read) != read {
        let what = format!("spells where tensor data is with more escapes than are undone: `{path}`");
        scan.find(&rule::ONNX_EXTERNAL, Verdict::Suspicious, at, path, what);
    } else if scan.refers.len() < 1000 && !scan.refers.iter().any(|known| known == path) {
        scan.refers.push(path.to_owned());
    }
}

/// A path whose `%2e` are dots, once.
fn unescaped(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let [first, after @ ..] = rest {
        let digit = |byte: &u8| {
            char::from(*byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        if let ([b'%', high, low, behind @ ..], true) = (rest, *first == b'%')
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            bytes.push(high << 4 | low);
            rest = behind;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a tensor holds of its own. Numbers are numbers; bytes and texts are whatever begins in them, and what begins where
/// the data begins was put there.
fn held(scan: &mut Scan<'_>, feed: &Feed<'_>, start: u64, end: u64, kind: u64) {
    let Some(view) = feed.seekable() else { return };
    let part = view.part(start, end.saturating_sub(start));
    if BYTES.contains(&kind) {
        carried::look(scan, part, Among::Bytes);
    } else {
        carried::look_at(scan, part);
    }
}

/// A key and a value.
fn entry(feed: &mut Feed<'_>, end: u64) -> Result<(String, String), Stop> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = protobuf::next(feed, end)? {
        match field {
            Field::Bytes(1, to) => key = words(feed, to, NAME)?,
            Field::Bytes(2, to) => value = words(feed, to, crate::feed::BUFFER)?,
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
    if key == "location" {
        located(scan, at, &value);
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
