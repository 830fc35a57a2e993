//! What a file is. Its first bytes decide; its name only says what somebody will try to load it as.

use crate::{
    carried::{self, Among},
    coreml, document,
    feed::Feed,
    finding::{Finding, Verdict},
    gguf, hdf5, inert, msgpack, npy, onnx,
    pack::{self, Packing},
    paddle, pickle, program, rule, safetensors,
    scan::Scan,
    source::View,
    sqlite, tar, tensorflow, tflite, zip,
};

/// First bytes that are looked at.
const HEAD: usize = 1024;

/// A kind of file, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pickle,
    Numpy,
    Packed(Packing),
    Tar,
    Zip,
    Hdf5,
    Gguf,
    Safetensors,
    Json,
    Xml,
    Onnx,
    SavedModel,
    KerasMetadata,
    Graph,
    MetaGraph,
    Fingerprint,
    TfLite,
    Pdf,
    Paddle,
    CoreMl,
    Msgpack,
    /// joblib's container before 0.10: `ZF`, a length in hexadecimal, then zlib.
    ZFile,
    /// Data that no loader runs: pictures, sound, known plain formats.
    Inert(&'static str),
    /// Archives that can't be looked into.
    Closed(&'static str),
    Program(&'static str),
    Text,
    Empty,
    Other,
}

impl Kind {
    /// Whether what is not meant to be read as opcodes is searched for some, and among what.
    fn carries(self) -> Option<Among> {
        match self {
            Self::Json | Self::Xml | Self::Text | Self::Pdf => Some(Among::Letters),
            Self::Hdf5
            | Self::TfLite
            | Self::Paddle
            | Self::CoreMl
            | Self::Msgpack
            | Self::SavedModel
            | Self::KerasMetadata
            | Self::Fingerprint
            | Self::Graph
            | Self::MetaGraph
            | Self::Inert(_)
            | Self::Other => Some(Among::Bytes),
            _ => None,
        }
    }
}

/// The ending of a name, in lower case.
fn ending(name: &str) -> String {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default();
    last.rsplit_once('.')
        .map_or_else(String::new, |(_, end)| end.to_lowercase())
}

/// A name without the ending of its packing.
pub(crate) fn strip(name: &str) -> &str {
    match ending(name).as_str() {
        "gz" | "bz2" | "xz" | "lzma" | "lz4" | "z" | "zlib" | "zst" => {
            name.rsplit_once('.').map_or(name, |(front, _)| front)
        }
        _ => name,
    }
}

/// Whether a path leads out of the folder it is unpacked into.
pub(crate) fn leads_out(path: &str) -> bool {
    let path = path.replace('\\', "/");
    let mut letters = path.chars();
    let drive =
        letters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && letters.next() == Some(':');
    path.starts_with('/') || path.starts_with('~') || drive || path.split('/').any(|part| part == "..")
}

fn sniff(head: &[u8], name: &str) -> Kind {
    if head.is_empty() {
        return Kind::Empty;
    }
    if let Some(packing) = Packing::of(head) {
        return Kind::Packed(packing);
    }
    match head {
        [0x80, 0..=5, ..] => return Kind::Pickle,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return Kind::Zip,
        [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => return Kind::Hdf5,
        [b'7', b'z', 0xbc, 0xaf, ..] => return Kind::Closed("7z"),
        [b'R', b'a', b'r', b'!', ..] => return Kind::Closed("rar"),
        [b'Z', b'F', b'0', b'x', ..] => return Kind::ZFile,
        [0x7f, b'E', b'L', b'F', ..]
        | [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..]
        | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..]
        | [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, ..]
        | [b'M', b'Z', 0x90 | 0x78 | 0x50, 0, ..] => return Kind::Program("native library"),
        // A program for every system at once, as llamafile is.
        _ if head.starts_with(b"MZqFpD") || head.starts_with(b"jartsr=") => {
            return Kind::Program("native program");
        }
        [b'M', b'Z', ..] if is_windows(head) => return Kind::Program("native library"),
        [b'd', b'e', b'x', b'\n', b'0', ..] | [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            return Kind::Program("native program");
        }
        [0xac, 0xed, 0, 5, ..] if ending(name) != "model" => return Kind::Closed("serialized Java"),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, ..] => return Kind::Closed("an Office document"),
        [0x4c, 0, 0, 0, 1, 0x14, 2, 0, ..] => return Kind::Program("link that runs a program"),
        [b'%', b'P', b'D', b'F', b'-', ..] => return Kind::Pdf,
        [0x89, b'P', b'N', b'G', ..] => return Kind::Inert("png"),
        [0xff, 0xd8, 0xff, ..] => return Kind::Inert("jpeg"),
        [b'G', b'I', b'F', b'8', ..] => return Kind::Inert("gif"),
        [b'R', b'I', b'F', b'F', ..] => return Kind::Inert("riff"),
        [b'P', b'A', b'R', b'1', ..] => return Kind::Inert("parquet"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => return Kind::Inert("arrow"),
        [b'O', b'g', b'g', b'S', ..] | [b'f', b'L', b'a', b'C', ..] => return Kind::Inert("sound"),
        _ if inert::is_ubjson(head) => return Kind::Inert("ubjson"),
        _ if head.starts_with(npy::MAGIC) => return Kind::Numpy,
        _ if head.starts_with(b"GGUF") => return Kind::Gguf,
        _ if tar::is_header(head) => return Kind::Tar,
        _ if head.get(4..8) == Some(b"TFL3") => return Kind::TfLite,
        _ if msgpack::is_one(head, &ending(name)) => return Kind::Msgpack,
        _ => {}
    }
    inert::of(head).map_or_else(|| by_name(head, name), Kind::Inert)
}

/// Whether a program of Windows begins here: its header says where the new one is.
fn is_windows(head: &[u8]) -> bool {
    let at = head
        .get(0x3c..0x40)
        .and_then(|place| <[u8; 4]>::try_from(place).ok());
    at.map(u32::from_le_bytes)
        .and_then(|at| usize::try_from(at).ok())
        .and_then(|at| head.get(at..))
        .is_some_and(|rest| rest.starts_with(b"PE\0\0"))
}

fn by_name(head: &[u8], name: &str) -> Kind {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default();
    match (last, ending(name).as_str()) {
        ("saved_model.pb", _) => return Kind::SavedModel,
        ("keras_metadata.pb", _) => return Kind::KerasMetadata,
        ("fingerprint.pb", _) => return Kind::Fingerprint,
        (_, "mlmodel") if head.first() == Some(&8) => return Kind::CoreMl,
        (_, "meta") if head.first() == Some(&0x0a) => return Kind::MetaGraph,
        (_, "pdmodel") => return Kind::Paddle,
        (_, "pb") => return Kind::Graph,
        (_, "onnx" | "ort") => return Kind::Onnx,
        (_, "safetensors") => return Kind::Safetensors,
        (_, "gguf") => return Kind::Gguf,
        (_, "h5" | "hdf5" | "keras") => return Kind::Hdf5,
        (_, "tar") => return Kind::Tar,
        (_, end) if program::is_one(end) => return Kind::Program("program"),
        _ => {}
    }
    let trimmed = head.trim_ascii_start();
    match head {
        // Length of a JSON header, then the header.
        [_, _, _, _, 0, 0, 0, 0, b'{', b'"' | b'}' | b' ' | b'\n', ..] => return Kind::Safetensors,
        [8, 1..=20, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] => return Kind::Onnx,
        _ => {}
    }
    if trimmed.starts_with(b"{") || trimmed.starts_with(b"[") && ending(name) == "json" {
        return Kind::Json;
    }
    if trimmed.starts_with(b"<") || head.starts_with(b"\xef\xbb\xbf<") {
        return Kind::Xml;
    }
    let text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(fault) => fault.error_len().is_none(),
    };
    if text && !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)) {
        return Kind::Text;
    }
    // Serialized vocabularies: a message of repeated field 1.
    if head.first() == Some(&0x0a) && matches!(ending(name).as_str(), "model" | "spm" | "vocab") {
        return Kind::Inert("vocabulary");
    }
    Kind::Other
}

/// Names that are loaded by something that runs pickles.
pub(crate) fn is_pickled(name: &str) -> bool {
    matches!(
        ending(name).as_str(),
        "pkl"
            | "pickle"
            | "pt"
            | "pth"
            | "bin"
            | "ckpt"
            | "joblib"
            | "dill"
            | "p"
            | "pk"
            | "dat"
            | "data"
            | "mar"
            | "sav"
            | "model"
            | "t7"
            | "rds"
            | "rda"
            | "rdata"
    )
}

/// Judges a file or member that can be read at any offset. Returns what it is.
pub(crate) fn whole(scan: &mut Scan<'_>, view: View<'_>, name: &str) -> String {
    let head = match view.bytes(0, HEAD) {
        Ok(head) => head,
        Err(fault) => {
            scan.stopped(fault.into(), 0);
            return "unreadable".to_owned();
        }
    };
    let kind = sniff(&head, name);
    // Protocol 0 has no first bytes: a tar whose first name is opcodes is a pickle too. (`PK` is a persistent id, at which
    // the plain loader stops.)
    let other = !matches!(
        kind,
        Kind::Pickle
            | Kind::Zip
            | Kind::Text
            | Kind::Json
            | Kind::Xml
            | Kind::Other
            | Kind::Empty
            | Kind::Msgpack
    );
    if other && pickle::poses(scan, view) {
        let what = "`pickle.load` takes the same bytes for opcodes, and they run code".to_owned();
        scan.find(&rule::TWO_READINGS, Verdict::Malicious, 0, "opcodes", what);
    }
    let mut found = by_kind(scan, view, name, kind, &head);
    if let Some(among) = kind.carries().filter(|_| found != "pickle") {
        carried::look(scan, view, among);
        if kind == Kind::Inert("sqlite") {
            sqlite::look(scan, view);
        }
    }
    // A ZIP is read from its end: whatever is before it, some loader takes the file for one.
    if kind != Kind::Zip && view.size() > 22 && zip::has_end(view) {
        let mark = scan.mark();
        let inner = zip::read(scan, view);
        // TFLite keeps its labels in a ZIP behind the model, and the last member of a tar may be one: what is before and
        // after is no member, as it should be. What is in it was looked at both ways.
        let as_it_should = |finding: &Finding| {
            [&rule::ARCHIVE_HIDDEN, &rule::ARCHIVE_DISAGREES].contains(&finding.rule)
                || finding.severity <= Verdict::Unknown && finding.place.member.ends_with("hidden bytes")
        };
        let labels = matches!(kind, Kind::TfLite | Kind::Tar) && scan.since(mark).iter().all(as_it_should);
        if labels {
            scan.forget(mark);
        } else {
            let what = format!("it begins as {found} and ends as a ZIP");
            scan.find(
                &rule::TWO_READINGS,
                Verdict::Suspicious,
                0,
                "zip at the end",
                what,
            );
        }
        found = format!("{found} and {inner}");
    }
    disguised(scan, kind, name, &found);
    found
}

/// A content that can run code, under a name that promises it can't.
fn disguised(scan: &mut Scan<'_>, kind: Kind, name: &str, found: &str) {
    let harmless = matches!(
        ending(name).as_str(),
        "safetensors"
            | "gguf"
            | "onnx"
            | "json"
            | "txt"
            | "md"
            | "png"
            | "jpg"
            | "jpeg"
            | "gif"
            | "h5"
            | "hdf5"
            | "csv"
            | "yaml"
            | "yml"
    );
    if harmless
        && (kind == Kind::Pickle || kind == Kind::Zip || matches!(kind, Kind::Packed(_) | Kind::Closed(_)))
    {
        let what = format!("is {found}, and its name says otherwise");
        scan.find(&rule::DISGUISED, Verdict::Suspicious, 0, "name", what);
    }
}

fn by_kind(scan: &mut Scan<'_>, view: View<'_>, name: &str, kind: Kind, head: &[u8]) -> String {
    match kind {
        Kind::Pickle | Kind::Numpy | Kind::Packed(_) | Kind::Tar => {
            forward(scan, &mut Feed::view(view), name, kind)
        }
        Kind::Zip => zip::read(scan, view),
        Kind::Hdf5 => hdf5::read(scan, view),
        Kind::Gguf => gguf::read(scan, view),
        Kind::Safetensors => safetensors::read(scan, view),
        Kind::Onnx => onnx::read(scan, view),
        Kind::SavedModel => tensorflow::saved_model(scan, view),
        Kind::KerasMetadata => tensorflow::keras_metadata(scan, view),
        Kind::Graph => tensorflow::graph(scan, view),
        Kind::MetaGraph => tensorflow::meta_graph(scan, view),
        Kind::Json => document::read(scan, view, name, document::Text::Json),
        Kind::Xml => document::read(scan, view, name, document::Text::Xml),
        Kind::Text => document::read(scan, view, name, document::Text::Plain),
        Kind::Fingerprint => inert::fingerprint(scan, view),
        Kind::TfLite => tflite::read(scan, view),
        Kind::Pdf => inert::pdf(scan, view),
        Kind::Paddle => paddle::read(scan, view),
        Kind::CoreMl => coreml::read(scan, view),
        Kind::Msgpack => msgpack::read(scan, view),
        Kind::ZFile => {
            let start = 21 + u64::from(head.get(21) == Some(&b' '));
            let rest = view.part(start, view.size().saturating_sub(start));
            forward(scan, &mut Feed::view(rest), name, Kind::Packed(Packing::Zlib))
        }
        Kind::Inert(word) => {
            inert::look(scan, view, word);
            word.to_owned()
        }
        Kind::Closed(word) => {
            let what = format!("is packed as {word}, which is not looked into");
            let severity = if is_pickled(name) {
                Verdict::Suspicious
            } else {
                Verdict::Unknown
            };
            scan.find(&rule::ARCHIVE_UNSUPPORTED, severity, 0, word, what);
            word.to_owned()
        }
        Kind::Program(word) => {
            let severity = if word == "program" {
                Verdict::Unknown
            } else {
                Verdict::Suspicious
            };
            scan.find(&rule::SOURCE_CODE, severity, 0, name, format!("is a {word}"));
            if severity == Verdict::Unknown {
                document::source(scan, view);
            }
            word.to_owned()
        }
        Kind::Empty => {
            if is_pickled(name) {
                scan.find(
                    &rule::UNREADABLE,
                    Verdict::Unknown,
                    0,
                    "empty",
                    "is empty".to_owned(),
                );
            }
            "empty".to_owned()
        }
        Kind::Other => other(scan, view, name, head),
    }
}

fn forward(scan: &mut Scan<'_>, feed: &mut Feed<'_>, name: &str, kind: Kind) -> String {
    match kind {
        Kind::Numpy => npy::read(scan, feed),
        Kind::Tar => tar::read(scan, feed),
        Kind::Packed(packing) => {
            let (mark, opcodes) = (scan.mark(), scan.opcodes);
            let found = pack::read(scan, feed, packing, name);
            // Two letters announce zlib, and five bytes lzma: short enough to be met by chance.
            if found.ends_with("unreadable") && scan.opcodes == opcodes && !is_pickled(name) {
                scan.forget(mark);
                scan.find(
                    &rule::UNRECOGNISED,
                    Verdict::Unknown,
                    0,
                    "format",
                    "is no known format".to_owned(),
                );
            }
            found
        }
        _ => pickle::stream(feed, scan, &pickle::Context::default()).to_owned(),
    }
}

/// Judges a member that comes out of a packed stream and can be read only forward.
pub(crate) fn streamed(scan: &mut Scan<'_>, feed: &mut Feed<'_>, name: &str) -> String {
    let head = match feed.peek(HEAD) {
        Ok(head) => head.to_vec(),
        Err(stop) => {
            scan.stopped(stop, 0);
            return "unreadable".to_owned();
        }
    };
    let kind = sniff(&head, name);
    match kind {
        Kind::Pickle | Kind::Numpy | Kind::Packed(_) | Kind::Tar => {
            let found = forward(scan, feed, name, kind);
            disguised(scan, kind, name, &found);
            found
        }
        Kind::Inert(word)
            if !matches!(
                word,
                "png"
                    | "jpeg"
                    | "gif"
                    | "riff"
                    | "bmp"
                    | "tiff"
                    | "icon"
                    | "sound"
                    | "arrow"
                    | "parquet"
                    | "apple double"
            ) =>
        {
            carried::look_along(scan, feed, Among::Bytes);
            word.to_owned()
        }
        _ => match feed.rest(scan.limits.held_bytes) {
            Ok(held) => whole(scan, View::all(&held), name),
            Err(stop) => {
                scan.stopped(stop, feed.offset());
                "unread".to_owned()
            }
        },
    }
}

/// Judges a member of an archive.
pub(crate) fn member(scan: &mut Scan<'_>, feed: &mut Feed<'_>, name: &str) -> String {
    match feed.seekable() {
        Some(view) => whole(scan, view, name),
        None => streamed(scan, feed, name),
    }
}

/// Judges a member that its loader unpickles, whatever it is called: a ZIP of torch's, or a pickle of any protocol.
pub(crate) fn unpickled(scan: &mut Scan<'_>, feed: &mut Feed<'_>, name: &str) -> String {
    match feed.peek(4) {
        Ok([b'P', b'K', 3, 4]) => member(scan, feed, name),
        Ok(_) => pickle::stream(feed, scan, &pickle::Context::TORCH).to_owned(),
        Err(stop) => {
            scan.stopped(stop, 0);
            "unreadable".to_owned()
        }
    }
}

/// Bytes without a sign of what they are: perhaps a pickle of protocol 0 or 1, which has none.
fn other(scan: &mut Scan<'_>, view: View<'_>, name: &str, head: &[u8]) -> String {
    if pickle::guessed(scan, view) {
        return "pickle".to_owned();
    }
    // HDF5 may begin later, behind a block of the user's.
    if hdf5::starts(view) > 0 {
        return hdf5::read(scan, view);
    }
    // spaCy's parts have no mark, and no ending or one that says little: only what is a value to its last byte is one.
    // What says that it is a pickle, and is none, is not let off so.
    let little = matches!(ending(name).as_str(), "bin" | "dat" | "data" | "model");
    if (little || !is_pickled(name)) && (msgpack::may_be(head) || head == [0x80]) {
        let mark = scan.mark();
        let found = msgpack::read(scan, view);
        match scan.worst_since(mark) {
            Verdict::Unknown => _ = scan.forget(mark),
            _ => return found,
        }
    }
    if let Some(word) = inert::named(view, name) {
        return word.to_owned();
    }
    if head.first().is_some_and(u8::is_ascii_digit) && inert::word2vec(view) {
        return "word2vec".to_owned();
    }
    let first = crate::finding::shown(head.get(..8).unwrap_or(head), 8);
    let what = format!("begins with `{first}`, which no known format does");
    scan.find(&rule::UNRECOGNISED, Verdict::Unknown, 0, "format", what);
    "unrecognised".to_owned()
}
