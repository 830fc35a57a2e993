//! TFLite: a FlatBuffer whose operators go by number. Those of TensorFlow itself, and those of somebody's own, go by name:
//! the first are judged as in a graph, the second are native code that the file does not hold.

mod flex;

use std::collections::HashSet;

use crate::{finding::Verdict, finding::shown, inert, rule, scan::Scan, source::View, tensorflow};

/// Operators that are looked at.
const OPERATORS: u32 = 1 << 14;
/// Custom operators of Google's own libraries.
const KNOWN: [&str; 13] = [
    "TFLite_Detection_PostProcess",
    "Convolution2DTransposeBias",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "Landmarks2TransformMatrix",
    "TransformLandmarks",
    "TransformTensorBilinear",
    "edgetpu-custom-op",
    "ethos-u",
    "AudioSpectrogram",
    "Mfcc",
    "NumericVerify",
    "DISPATCH_OP",
];
/// Operators of TensorFlow that do harm, wherever their names stand.
const WORDS: [&str; 8] = [
    "FlexReadFile",
    "FlexWriteFile",
    "FlexMatchingFiles",
    "FlexPyFunc",
    "FlexEagerPyFunc",
    "FlexWholeFileReader",
    "FlexTextLine",
    "FlexDeleteFile",
];

/// Looks at the operators. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    if let Err(stop) = inert::search(scan, view, &WORDS, |scan, at, word| {
        let what = format!("`{word}` runs code or touches files while the graph runs");
        scan.find(&rule::TF_OPERATOR, Verdict::Malicious, at, word, what);
    }) {
        scan.stopped(stop, 0);
    }
    let names = custom(view).unwrap_or_else(|| {
        let what = "its operators can't be followed".to_owned();
        scan.find(&rule::UNREADABLE, Verdict::Unknown, 0, "operators", what);
        Vec::new()
    });
    let mut followed = Vec::new();
    for (number, at, name) in names {
        if let Some(operator) = name.strip_prefix("Flex") {
            tensorflow::alone(scan, at, operator, &HashSet::new());
            if tensorflow::takes_path(operator) || tensorflow::takes_place(operator) {
                followed.push((number, operator.to_owned()));
            }
        } else if !KNOWN.contains(&name.as_str()) {
            let name = shown(name.as_bytes(), 100);
            let what = format!("`{name}` is an operator of a library that is not in the file");
            scan.find(&rule::CUSTOM_OPERATOR, Verdict::Unknown, at, &name, what);
        }
    }
    if !followed.is_empty() && flex::judge(scan, view, &followed).is_none() {
        let what = "its graphs can't be followed, and an operator in them reads or writes files".to_owned();
        scan.find(&rule::UNREADABLE, Verdict::Unknown, 0, "graphs", what);
    }
    "tflite".to_owned()
}

fn word(view: View<'_>, at: u64) -> Option<u32> {
    let bytes: [u8; 4] = view.bytes(at, 4).ok()?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// Where a table's field lies; `None` where it has its default.
fn field(view: View<'_>, table: u64, number: u64) -> Option<u64> {
    let back = i64::from(word(view, table)? as i32);
    let listed = u64::try_from(i64::try_from(table).ok()?.checked_sub(back)?).ok()?;
    let half = |at: u64| {
        let bytes: Option<[u8; 2]> = view.bytes(at, 2).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| u64::from(u16::from_le_bytes(bytes)))
    };
    let place = 4 + 2 * number;
    if place + 2 > half(listed)? {
        return None;
    }
    half(listed + place)
        .filter(|offset| *offset > 0)
        .map(|offset| table + offset)
}

/// What an offset at this place points to.
fn follow(view: View<'_>, at: u64) -> Option<u64> {
    Some(at + u64::from(word(view, at)?))
}

/// How many members a list has.
fn count(view: View<'_>, list: u64) -> Option<u32> {
    word(view, list).filter(|count| u64::from(*count) <= view.size() / 4)
}

/// Tables of a list that a field names.
fn list(view: View<'_>, table: u64, number: u64) -> Option<Vec<u64>> {
    let at = follow(view, field(view, table, number)?)?;
    (0..count(view, at)?)
        .map(|index| follow(view, at + 4 + 4 * u64::from(index)))
        .collect()
}

/// Names of custom operators, with their numbers and places.
fn custom(view: View<'_>) -> Option<Vec<(u32, u64, String)>> {
    let model = follow(view, 0)?;
    let list = follow(view, field(view, model, 1)?)?;
    let count = word(view, list).filter(|count| *count <= OPERATORS)?;
    let mut names = Vec::new();
    for index in 0..count {
        let operator = follow(view, list + 4 + 4 * u64::from(index))?;
        let Some(name) = field(view, operator, 1).and_then(|at| follow(view, at)) else {
            continue;
        };
        let length = word(view, name)?.min(1 << 10) as usize;
        let bytes = view.bytes(name + 4, length).ok()?;
        if !bytes.is_empty() {
            names.push((index, name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Some(names)
}
