//! Formats that hold numbers and no code, and that only their own libraries read: known by what they begin with, or by the
//! name that their library gives them. That a file is taken for one never hides what is in it: pickles, archives and
//! programs are looked for first.

use crate::{
    feed::{BUFFER, Feed, Stop},
    finding::Verdict,
    format,
    protobuf::{self, Field},
    rule,
    scan::Scan,
    source::View,
};

/// The last bytes of a table of LevelDB, in which TensorFlow keeps where its variables are.
const TABLE: [u8; 8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];

/// Bytes at either end of a table in which its schema is looked for.
const SCHEMA: u64 = 4 << 20;

/// By first bytes.
pub(crate) fn of(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [b'C', b'B', b'M', b'1', ..] => "catboost",
        [0xba, 0x16, 0x4f, 0x2f, ..] => "fasttext",
        _ if head.starts_with(b"MATLAB 5.0 MAT-file") => "matlab",
        // Weights of the ggml that was before GGUF.
        [b'l' | b'f' | b't' | b'a', b'm' | b'j', b'g', b'g', ..] => "ggml",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "video",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "video",
        [b'I', b'D', b'3', 2..=4, ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => "sound",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "tiff",
        [0, 0, 1, 0, 1..=32, 0, ..] => "icon",
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] if matches!(head.get(14), Some(40 | 12 | 108 | 124)) => {
            "bmp"
        }
        [b'w', b'O', b'F', b'F' | b'2', ..] | [b'O', b'T', b'T', b'O', ..] | [0, 1, 0, 0, 0, 4..=64, ..] => {
            "font"
        }
        [
            b'I',
            b'x' | b'H' | b'w' | b'v',
            b'A'..=b'z',
            b'A'..=b'z' | b'0'..=b'9',
            _,
            _,
            0,
            0,
            ..,
        ] => "faiss",
        _ if head.starts_with(b"SQLite format 3\0") => "sqlite",
        _ if head.get(8..12) == Some(b"DUCK") => "duckdb",
        // Its first page, and the file of its locks.
        [0xde, 0xc0, 0xef, 0xbe, _, _, _, 0, ..] => "lmdb",
        [0, 0, 0, 0, 0, 0, 0, 0, ..] if head.get(16..20) == Some(&[0xde, 0xc0, 0xef, 0xbe]) => "lmdb",
        [b'C', b'D', b'F', 1 | 2 | 5, 0, ..] => "netcdf",
        [b'O', b'b', b'j', 1, ..] => "avro",
        [b'l', b'C', b'R', b'F', ..] => "crfsuite",
        // TensorStore's key-value store, in which Orbax keeps arrays: manifest, then nodes.
        [0x0c, 0xdb, b':', b'*', ..] | [0x0c, 0xdb, b' ', 0xde, ..] => "tensorstore",
        // Core ML's numbers: a count, a version, and a mark where the first of them is described.
        [_, _, _, _, 2, 0, 0, 0, ..] if head.get(64..68) == Some(&[0xef, 0xbe, 0xad, 0xde]) => {
            "core ml weights"
        }
        // MXNet's list of arrays.
        [0x12, 1, 0, 0, 0, 0, 0, 0, ..] => "mxnet arrays",
        [0, 0, 0, 1, b'B', b'u', b'd', b'1', ..] => "folder view",
        // What macOS writes beside a file for which the place has no room: icons, and where it came from.
        [0, 5, 0x16, 7, 0, 2, 0, 0, ..] => "apple double",
        [_, _, _, _, b'E', b'T', b'0'..=b'9', b'0'..=b'9', ..] => "executorch",
        _ => return None,
    })
}

/// By name, once it is no pickle and no archive.
pub(crate) fn named(view: View<'_>, name: &str) -> Option<&'static str> {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default();
    if last.ends_with(".index") || last == "checkpoint.index" {
        let end = view.bytes(view.size().saturating_sub(8), 8).unwrap_or_default();
        return (end == TABLE).then_some("tensorflow index");
    }
    if let Some((_, shard)) = last.rsplit_once(".data-") {
        let mut parts = shard.split("-of-");
        let numbers = parts.all(|part| part.len() == 5 && part.bytes().all(|byte| byte.is_ascii_digit()));
        return (numbers && shard.len() == 14).then_some("tensorflow variables");
    }
    if last.ends_with(".pdiparams") {
        let head = view.bytes(0, 16).unwrap_or_default();
        return (head == [0; 16]).then_some("paddle tensors");
    }
    if last.contains(".tfevents.") || last.ends_with(".tfrecord") || last.ends_with(".tfrecords") {
        // Framed: a length, its checksum, the record, its checksum.
        let head = view.bytes(0, 8).unwrap_or_default();
        let length: [u8; 8] = head.try_into().ok()?;
        let fits = u64::from_le_bytes(length)
            .checked_add(16)
            .is_some_and(|end| end <= view.size());
        return fits.then_some("tensorflow records");
    }
    None
}

/// word2vec's own binary: how many words and numbers, then each word and its numbers, up to the end and no further.
pub(crate) fn word2vec(view: View<'_>) -> bool {
    let mut feed = Feed::view(view);
    let mut line = Vec::new();
    if feed.line(64, &mut line).is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let mut counts = text.split_ascii_whitespace().map(str::parse::<u64>);
    let (Some(Ok(words)), Some(Ok(width)), None) = (counts.next(), counts.next(), counts.next()) else {
        return false;
    };
    if words == 0 || !(1..=1 << 16).contains(&width) {
        return false;
    }
    for _ in 0..words {
        // A word, a space, numbers; older writers put a line break after them.
        let mut letters = 0;
        loop {
            match feed.byte() {
                Ok(b' ') if letters > 0 => break,
                Ok(b'\n') if letters == 0 => {}
                Ok(0..=31) | Err(_) => return false,
                Ok(_) => letters += 1,
            }
            if letters > 1_000 {
                return false;
            }
        }
        if feed.skip(width * 4).is_err() {
            return false;
        }
    }
    while feed.offset() < view.size() {
        if !matches!(feed.byte(), Ok(b'\n')) {
            return false;
        }
    }
    true
}

/// UBJSON, in which xgboost keeps a booster: an object whose first key has a length of one byte or eight.
pub(crate) fn is_ubjson(head: &[u8]) -> bool {
    let (length, key) = match head {
        [b'{', b'L', 0, 0, 0, 0, 0, 0, 0, length, key @ ..] => (*length, key),
        [b'{', b'i' | b'U', length, key @ ..] => (*length, key),
        [b'{', b'I', 0, length, key @ ..] | [b'{', b'l', 0, 0, 0, length, key @ ..] => (*length, key),
        _ => return false,
    };
    let name = key.get(..usize::from(length)).unwrap_or_default();
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && matches!(
            key.get(usize::from(length)),
            Some(
                b'{' | b'['
                    | b'S'
                    | b'L'
                    | b'i'
                    | b'U'
                    | b'I'
                    | b'l'
                    | b'D'
                    | b'd'
                    | b'T'
                    | b'F'
                    | b'Z'
                    | b'C'
            )
        )
}

/// TensorFlow's `fingerprint.pb`: numbers.
pub(crate) fn fingerprint(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    let mut odd = view.size() > 1024;
    while !odd {
        match protobuf::next(&mut feed, view.size()) {
            Ok(None) => break,
            Ok(Some(Field::Number(1..=7, _) | Field::Fixed)) => {}
            Ok(Some(Field::Bytes(1..=7, end))) => odd = protobuf::pass(&mut feed, end).is_err(),
            Ok(_) | Err(_) => odd = true,
        }
    }
    if odd {
        let what = "is no fingerprint of a saved model".to_owned();
        scan.find(
            &rule::PROTOBUF,
            Verdict::Unknown,
            feed.offset(),
            "fingerprint",
            what,
        );
    }
    "tensorflow fingerprint".to_owned()
}

/// A document for people, which a reader of such opens: what it would run there.
pub(crate) fn pdf(scan: &mut Scan<'_>, view: View<'_>) -> String {
    const RUNS: [&str; 3] = ["/JavaScript", "/Launch", "/EmbeddedFile"];
    let done = search(scan, view, &RUNS, |scan, at, word| {
        let what = format!("`{word}` runs something, or holds a file, in the document");
        scan.find(&rule::PAGE, Verdict::Suspicious, at, word, what);
    });
    if let Err(stop) = done {
        scan.stopped(stop, 0);
    }
    "pdf".to_owned()
}

/// Looks at what a format can carry beside its own.
pub(crate) fn look(scan: &mut Scan<'_>, view: View<'_>, word: &str) {
    match word {
        "png" => behind_picture(scan, view),
        "arrow" | "parquet" => extensions(scan, view),
        _ => {}
    }
}

/// What follows the end of a PNG: no viewer shows it, and who put a program there has a use for it.
fn behind_picture(scan: &mut Scan<'_>, view: View<'_>) {
    let mut at = 8_u64;
    loop {
        let head = view.bytes(at, 8).unwrap_or_default();
        let Some((length, kind)) = head.split_at_checked(4).filter(|(_, kind)| kind.len() == 4) else {
            return;
        };
        let length = length.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        at = at.saturating_add(length + 12);
        if at >= view.size() {
            return;
        }
        if kind == b"IEND" {
            break;
        }
    }
    let rest = view.part(at, view.size() - at);
    let mark = scan.mark();
    scan.inside("behind the picture", |scan| format::whole(scan, rest, "behind"));
    if scan.worst_since(mark) < Verdict::Suspicious {
        scan.forget(mark);
    }
}

/// A type of pyarrow that unpickles itself, in the schema at either end of the file.
fn extensions(scan: &mut Scan<'_>, view: View<'_>) {
    // The second to fourth are how base64 writes the first, by its place.
    const WORDS: [&str; 4] = [
        "arrow.py_extension_type",
        "YXJyb3cucHlfZXh0ZW5zaW9uX3R5",
        "Fycm93LnB5X2V4dGVuc2lvbl90eXBl",
        "hcnJvdy5weV9leHRlbnNpb25fdHlw",
    ];
    let end = view.part(view.size().saturating_sub(SCHEMA), SCHEMA);
    for part in [view.part(0, SCHEMA), end] {
        let done = search(scan, part, &WORDS, |scan, at, _| {
            let what = "a column has a type that pyarrow unpickles when the file is read".to_owned();
            scan.find(
                &rule::NESTED_PICKLE,
                Verdict::Malicious,
                at,
                "arrow.py_extension_type",
                what,
            );
        });
        if let Err(stop) = done {
            scan.stopped(stop, 0);
        }
    }
}

/// Finds words anywhere in a file, in pieces that overlap by the longest of them.
pub(crate) fn search(
    scan: &mut Scan<'_>,
    view: View<'_>,
    words: &[&'static str],
    mut found: impl FnMut(&mut Scan<'_>, u64, &'static str),
) -> Result<(), Stop> {
    let longest = words.iter().map(|word| word.len()).max().unwrap_or(0);
    let mut at = 0_u64;
    while at < view.size() {
        let piece = view.bytes(at, BUFFER).map_err(Stop::from)?;
        if piece.is_empty() {
            return Err(Stop::End);
        }
        let begins = |byte: u8| words.iter().any(|word| word.as_bytes().first() == Some(&byte));
        for (place, _) in piece.iter().enumerate().filter(|(_, byte)| begins(**byte)) {
            let rest = piece.get(place..).unwrap_or_default();
            if let Some(word) = words.iter().find(|word| rest.starts_with(word.as_bytes())) {
                found(scan, at + place as u64, word);
            }
        }
        let step = if piece.len() < BUFFER {
            piece.len()
        } else {
            piece.len() - longest
        };
        at += step as u64;
    }
    Ok(())
}
