//! TensorFlow's graphs: operators that run Python or touch files while the graph runs.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    keras, onnx,
    protobuf::{Field, next, pass, text},
    rule,
    scan::Scan,
    source::View,
};

/// Operators that run Python or native code that the graph names.
const CODE: [&str; 9] = [
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "PyCall",
    "OpaquePyFunc",
    "DatasetFromGraph",
    "XlaCustomCallV2",
    "TPUPartitionedCall",
    "LoadLibrary",
];
/// Operators that read or write files that the graph names, or reach other machines.
const FILES: [&str; 45] = [
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "WholeFileReader",
    "WholeFileReaderV2",
    "TextLineReader",
    "TextLineReaderV2",
    "FixedLengthRecordReader",
    "FixedLengthRecordReaderV2",
    "TFRecordReader",
    "TFRecordReaderV2",
    "LMDBReader",
    "TextLineDataset",
    "TFRecordDataset",
    "FixedLengthRecordDataset",
    "SaveDataset",
    "SaveDatasetV2",
    "SnapshotDataset",
    "WriteSummary",
    "CreateSummaryFileWriter",
    "ImportEvent",
    "DebugIdentityV2",
    "CSVDataset",
    "CSVDatasetV2",
    "LMDBDataset",
    "SqlDataset",
    "LoadDataset",
    "LoadDatasetV2",
    "ReaderReadV2",
    "ReaderReadUpToV2",
    "DeleteFile",
    "FileSystemSetConfiguration",
    "BigQueryReader",
    "BigtableClient",
    "CloudBigtableClient",
    "Rpc",
    "TryRpc",
    "RpcCall",
    "RpcClient",
    "RpcServer",
    "RpcServerStart",
    "RpcServerRegister",
    "DataServiceDataset",
    "DataServiceDatasetV2",
    "IgniteDataset",
];
const DEPTH: u32 = 16;
/// Bytes of an attribute that is looked at.
const ATTRIBUTE: u64 = 4096;

/// A message, as far as it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    SavedModel,
    MetaGraph,
    Graph,
    Library,
    Function,
    Node,
}

impl Message {
    fn inner(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::SavedModel, 2) => Self::MetaGraph,
            (Self::MetaGraph, 2) => Self::Graph,
            (Self::Graph, 1) | (Self::Function, 3) => Self::Node,
            (Self::Graph, 2) => Self::Library,
            (Self::Library, 1) => Self::Function,
            _ => return None,
        })
    }
}

/// `saved_model.pb`.
pub(crate) fn saved_model(scan: &mut Scan<'_>, view: View<'_>) -> String {
    walk(scan, view, Message::SavedModel);
    "tensorflow saved model".to_owned()
}

/// The graph beside a checkpoint of TensorFlow 1.
pub(crate) fn meta_graph(scan: &mut Scan<'_>, view: View<'_>) -> String {
    walk(scan, view, Message::MetaGraph);
    "tensorflow graph".to_owned()
}

/// A frozen graph, or something else under its ending.
pub(crate) fn graph(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let head = view.bytes(0, 8).unwrap_or_default();
    let kind = if head.first() == Some(&8) {
        Message::SavedModel
    } else {
        Message::Graph
    };
    let mark = scan.mark();
    walk(scan, view, kind);
    // A field that a graph does not know makes no tensor of it: only what is no graph at all may be one.
    if scan.worst_since(mark) == Verdict::Unknown {
        let found = scan.forget(mark);
        if onnx::tensor(scan, view) {
            return "onnx tensor".to_owned();
        }
        for finding in found {
            scan.find(
                finding.rule,
                finding.severity,
                finding.place.offset,
                &finding.subject,
                finding.what,
            );
        }
    }
    "tensorflow graph".to_owned()
}

fn walk(scan: &mut Scan<'_>, view: View<'_>, kind: Message) {
    let mut feed = Feed::view(view);
    let mut nodes = 0;
    let done = message(scan, &mut feed, view.size(), kind, 0, &mut nodes);
    let at = feed.offset();
    match done {
        Ok(()) if nodes > 0 => {}
        Ok(()) => scan.find(
            &rule::PROTOBUF,
            Verdict::Unknown,
            0,
            "graph",
            "is no graph: it has no nodes".to_owned(),
        ),
        Err(stop @ (Stop::Cancelled | Stop::Broken)) => scan.stopped(stop, at),
        Err(_) => scan.find(
            &rule::PROTOBUF,
            Verdict::Unknown,
            at,
            "message",
            "is no well formed message".to_owned(),
        ),
    }
}

fn message(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    kind: Message,
    depth: u32,
    nodes: &mut u64,
) -> Result<(), Stop> {
    if depth > DEPTH {
        return Err(Stop::TooMuch);
    }
    let start = feed.offset();
    *nodes += u64::from(kind == Message::Node);
    let (mut prints, mut outside) = (None, false);
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(number, to) = field else { continue };
        match (kind, number) {
            (Message::Node, 2) => {
                let operator = text(feed, to, 256)?;
                judge(scan, start, &operator);
                if operator == "PrintV2" || operator.starts_with("Debug") {
                    prints = Some(operator);
                }
            }
            // What it prints into is an attribute, and may be a file or another machine.
            (Message::Node, 5) if to.saturating_sub(feed.offset()) <= ATTRIBUTE => {
                let outer = feed.end_at(to);
                let entry = feed.rest(ATTRIBUTE as usize);
                feed.end_at(outer);
                outside |= entry?
                    .windows(7)
                    .any(|part| matches!(part, b"file://" | b"grpc://"));
            }
            _ => match kind.inner(number) {
                Some(inner) => message(scan, feed, to, inner, depth + 1, nodes)?,
                None => pass(feed, to)?,
            },
        }
    }
    if let Some(operator) = prints.filter(|_| outside) {
        let what = format!("`{operator}` writes into a file, or to another machine, while the graph runs");
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, start, &operator, what);
    }
    Ok(())
}

pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, operator: &str) {
    if CODE.contains(&operator) {
        let what = format!("`{operator}` runs code of the loading process");
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, at, operator, what);
    } else if FILES.contains(&operator.strip_prefix("Experimental").unwrap_or(operator)) {
        let what = format!("`{operator}` reads or writes files while the graph runs");
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, at, operator, what);
    } else if [
        "Shell",
        "Subprocess",
        "SystemC",
        "ExecuteOp",
        "PyFunc",
        "PyCall",
        "LoadLibrary",
    ]
    .iter()
    .any(|word| operator.contains(word))
    {
        let what =
            format!("`{operator}` is no operator of TensorFlow's, and is named like one that runs programs");
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, at, operator, what);
    }
}

/// `keras_metadata.pb`: a configuration in JSON for each object.
pub(crate) fn keras_metadata(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    if let Err(stop) = metadata(scan, &mut feed, view.size()) {
        scan.stopped(stop, feed.offset());
    }
    "keras metadata".to_owned()
}

fn metadata(scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => {
                while let Some(inner) = next(feed, to)? {
                    match inner {
                        Field::Bytes(5, to) => {
                            let outer = feed.end_at(to);
                            let json = feed.rest(scan.limits.document_bytes);
                            feed.end_at(outer);
                            keras::config(scan, &json?);
                        }
                        Field::Bytes(_, to) => pass(feed, to)?,
                        _ => {}
                    }
                }
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}
