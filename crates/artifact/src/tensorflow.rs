//! TensorFlow's graphs: operators that run Python or touch files while the graph runs.

mod assets;
mod attribute;
mod objects;
mod paths;

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use crate::{
    feed::{Feed, Stop},
    finding::{Finding, Verdict, shown},
    keras, onnx,
    protobuf::{Field, next, pass, text},
    rule,
    scan::Scan,
    source::View,
};
use paths::{Node, Paths};
pub(crate) use paths::{leads_away, path_inputs, takes_path};

/// Operators that run Python or native code that the graph names, or a graph that a text holds.
const CODE: [&str; 13] = [
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "PyCall",
    "OpaquePyFunc",
    "DatasetFromGraph",
    "MlirPassthroughOp",
    "XlaCustomCall",
    "XlaCustomCallV2",
    "TPUPartitionedCall",
    "LoadLibrary",
    "_XlaHostComputeMlir",
    "Abort",
];
/// Operators that read or write files that the graph names, or reach other machines.
const FILES: [&str; 67] = [
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "MatchingFilesDataset",
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
    "TFRecordDatasetV2",
    "FixedLengthRecordDataset",
    "FixedLengthRecordDatasetV2",
    "SaveDataset",
    "SaveDatasetV2",
    "SnapshotDataset",
    "SnapshotDatasetV2",
    "SnapshotDatasetReader",
    "SnapshotNestedDatasetReader",
    "SnapshotChunkDataset",
    "ListSnapshotChunksDataset",
    "DatasetToTFRecord",
    "DistributedSave",
    "RegisterDataset",
    "RegisterDatasetV2",
    "WriteSummary",
    "CreateSummaryFileWriter",
    "CreateSummaryDbWriter",
    "ImportEvent",
    "DebugIdentityV2",
    "DumpTensor",
    "CalibrationStatisticsSaver",
    "CSVDataset",
    "CSVDatasetV2",
    "LMDBDataset",
    "SqlDataset",
    "LoadDataset",
    "LoadDatasetV2",
    "ReaderReadV2",
    "ReaderReadUpToV2",
    "DeleteFile",
    "RenameFile",
    "CopyFile",
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
    "DataServiceDatasetV3",
    "DataServiceDatasetV4",
    "IgniteDataset",
    "RecordInput",
    "ImmutableConst",
    "Skipgram",
];
/// What operators are named like that run programs.
const WORDS: [&str; 7] = [
    "Shell",
    "Subprocess",
    "SystemC",
    "ExecuteOp",
    "PyFunc",
    "PyCall",
    "LoadLibrary",
];
const DEPTH: u32 = 16;
/// Bytes of a name, or of a text that may be a path.
const NAME: usize = 1024;
/// Inputs of an operator; functions and unknown operators of a graph.
const INPUTS: usize = 1 << 16;
const NAMES: usize = 1 << 16;

/// The operators that TensorFlow registers.
static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("tensorflow/operators.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
});

fn is_known(operator: &str) -> bool {
    KNOWN.contains(operator)
}

/// A message, as far as it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    SavedModel,
    MetaGraph,
    Graph,
    Library,
    Function,
    Signature,
    Objects,
    Node,
}

impl Message {
    fn inner(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::SavedModel, 2) => Self::MetaGraph,
            (Self::MetaGraph, 2) => Self::Graph,
            (Self::MetaGraph, 7) => Self::Objects,
            (Self::Graph, 1) | (Self::Function, 3) => Self::Node,
            (Self::Graph, 2) => Self::Library,
            (Self::Library, 1) => Self::Function,
            (Self::Function, 1) => Self::Signature,
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
    let broken = |finding: &Finding| finding.rule == &rule::PROTOBUF;
    if scan.since(mark).iter().any(broken) && scan.since(mark).iter().all(broken) {
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
    let mut walk = Walk {
        view,
        nodes: 0,
        paths: Paths::default(),
        unknown: BTreeMap::new(),
        functions: HashSet::new(),
    };
    let done = walk.message(scan, &mut feed, view.size(), kind, 0);
    let at = feed.offset();
    walk.settle(scan);
    match done {
        Ok(()) if walk.nodes > 0 => {}
        Ok(()) => scan.find(
            &rule::PROTOBUF,
            Verdict::Unknown,
            0,
            "graph",
            "is no graph: it has no nodes".to_owned(),
        ),
        Err(stop @ (Stop::Cancelled | Stop::Broken | Stop::TooMuch)) => scan.stopped(stop, at),
        Err(_) => scan.find(
            &rule::PROTOBUF,
            Verdict::Unknown,
            at,
            "message",
            "is no well formed message".to_owned(),
        ),
    }
}

/// What is known of a model while it is read.
struct Walk<'a> {
    view: View<'a>,
    nodes: u64,
    paths: Paths,
    /// Operators that TensorFlow does not have: functions of the graph, or somebody's own.
    unknown: BTreeMap<String, u64>,
    functions: HashSet<String>,
}

impl Walk<'_> {
    fn message(
        &mut self,
        scan: &mut Scan<'_>,
        feed: &mut Feed<'_>,
        end: u64,
        kind: Message,
        depth: u32,
    ) -> Result<(), Stop> {
        if depth > DEPTH {
            return Err(Stop::TooMuch);
        }
        match kind {
            Message::Node => return self.node(scan, feed, end),
            Message::Signature => return self.signature(feed, end),
            Message::Objects => return objects::read(scan, feed, end, &mut self.paths),
            Message::MetaGraph => {
                let start = feed.offset();
                let part = self.view.part(start, end.saturating_sub(start));
                self.paths.assets = assets::names(scan, part)?;
            }
            Message::Graph | Message::Function => self.paths.enter(),
            Message::SavedModel | Message::Library => {}
        }
        while let Some(field) = next(feed, end)? {
            let Field::Bytes(number, to) = field else { continue };
            match kind.inner(number) {
                Some(inner) => self.message(scan, feed, to, inner, depth + 1)?,
                None => pass(feed, to)?,
            }
        }
        match kind {
            Message::Graph | Message::Function => self.paths.leave(scan),
            Message::MetaGraph => self.settle(scan),
            _ => {}
        }
        Ok(())
    }

    /// The name and the arguments of a function.
    fn signature(&mut self, feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
        while let Some(field) = next(feed, end)? {
            match field {
                Field::Bytes(1, to) => {
                    let name = text(feed, to, NAME)?;
                    if self.functions.len() >= NAMES {
                        return Err(Stop::TooMuch);
                    }
                    self.functions.insert(name.clone());
                    self.paths.sign(Some(name), None);
                }
                Field::Bytes(2, to) => {
                    while let Some(field) = next(feed, to)? {
                        match field {
                            Field::Bytes(1, to) => {
                                let argument = text(feed, to, NAME)?;
                                self.paths.sign(None, Some(argument));
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

    fn node(&mut self, scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
        self.nodes += 1;
        let at = feed.offset();
        let mut node = Node {
            at,
            texts: Some(Vec::new()),
            ..Node::default()
        };
        while let Some(field) = next(feed, end)? {
            let Field::Bytes(number, to) = field else { continue };
            match number {
                1 => node.name = text(feed, to, NAME)?,
                2 => {
                    // A name that is cut could be taken for that of a function.
                    if to - feed.offset() > NAME as u64 {
                        return Err(Stop::TooMuch);
                    }
                    let operator = text(feed, to, NAME)?;
                    if !judge(scan, at, &operator) && !is_known(&operator) {
                        self.unknown.entry(operator.clone()).or_insert(at);
                        // One that is left out could be the one that is no function.
                        if self.unknown.len() > NAMES {
                            return Err(Stop::TooMuch);
                        }
                    }
                    node.operator = operator;
                }
                3 => {
                    if node.inputs.len() >= INPUTS {
                        return Err(Stop::TooMuch);
                    }
                    node.inputs.push(text(feed, to, NAME)?);
                }
                5 => attribute::read(feed, to, &mut node)?,
                _ => pass(feed, to)?,
            }
        }
        places(scan, &node);
        self.paths.node(node);
        Ok(())
    }

    /// The end of a model: what its functions are is known now.
    fn settle(&mut self, scan: &mut Scan<'_>) {
        std::mem::take(&mut self.paths).settle(scan);
        let functions = std::mem::take(&mut self.functions);
        for (operator, at) in std::mem::take(&mut self.unknown) {
            if functions.contains(&operator) {
                continue;
            }
            let name = shown(operator.as_bytes(), 100);
            let what =
                format!("`{name}` is no operator of TensorFlow's: a library that is not in the file has it");
            scan.find(&rule::CUSTOM_OPERATOR, Verdict::Unknown, at, &name, what);
        }
    }
}

/// Judges the places that a node's attributes name: files and other machines.
fn places(scan: &mut Scan<'_>, node: &Node) {
    let operator = node.operator.as_str();
    for place in node.places.iter().filter(|place| place.is_away(operator)) {
        let (key, value) = (place.key, shown(place.value.as_bytes(), 100));
        let what =
            format!("`{operator}` reads or writes what its `{key}` names, `{value}`, while the graph runs");
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, node.at, operator, what);
    }
    if operator == "RemoteCall" {
        let what = "`RemoteCall` runs a function on a device, or a machine, that the graph names".to_owned();
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, node.at, operator, what);
    }
}

/// Whether an operator's attributes may name a file or another machine, or a function for one.
pub(crate) fn takes_place(operator: &str) -> bool {
    operator == "RemoteCall" || attribute::takes_place(operator)
}

/// Judges the places that attributes of a graph as text name.
pub(crate) fn places_in_text(scan: &mut Scan<'_>, text: &str) {
    let places = attribute::in_text(text);
    for place in places
        .iter()
        .filter(|place| !place.is_within() && leads_away(&place.value))
    {
        let value = shown(place.value.as_bytes(), 100);
        let what = format!(
            "an operator reads or writes what its `{}` names, `{value}`",
            place.key
        );
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, 0, place.key, what);
    }
}

/// Judges the attributes of a node that lies somewhere in these bytes: what is not an attribute as writers write it, or is
/// not there, is not known.
pub(crate) fn places_within(scan: &mut Scan<'_>, at: u64, operator: &str, bytes: &[u8]) {
    let mut node = Node {
        at,
        operator: operator.to_owned(),
        ..Node::default()
    };
    if attribute::within(bytes, &mut node).is_none() {
        let what = format!("`{operator}` reads or writes what its attributes name, and they can't be read");
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, at, operator, what);
    }
    places(scan, &node);
}

/// Judges an operator that does harm by its name; whether it does.
pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, operator: &str) -> bool {
    let (severity, what) = if CODE.contains(&operator) {
        (
            Verdict::Malicious,
            format!("`{operator}` runs code of the loading process"),
        )
    } else if FILES.contains(&operator.strip_prefix("Experimental").unwrap_or(operator)) {
        (
            Verdict::Malicious,
            format!("`{operator}` reads or writes files, or reaches other machines, while the graph runs"),
        )
    } else if WORDS.iter().any(|word| operator.contains(word)) {
        (
            Verdict::Suspicious,
            format!("`{operator}` is no operator of TensorFlow's, and is named like one that runs programs"),
        )
    } else {
        return false;
    };
    scan.find(&rule::TF_OPERATOR, severity, at, operator, what);
    true
}

/// Judges an operator that stands alone, where no functions are beside it.
pub(crate) fn alone(scan: &mut Scan<'_>, at: u64, operator: &str, functions: &HashSet<&str>) {
    if !judge(scan, at, operator) && !is_known(operator) && !functions.contains(operator) {
        let name = shown(operator.as_bytes(), 100);
        let what =
            format!("`{name}` is no operator of TensorFlow's: a library that is not in the file has it");
        scan.find(&rule::CUSTOM_OPERATOR, Verdict::Unknown, at, &name, what);
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
