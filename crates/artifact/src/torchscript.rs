//! TorchScript's programs: a closed language, but for the operators that it calls. Read by its own pieces, as its compiler
//! reads them, so that blanks, breaks and brackets hide no name; and what holds all operators is not handed on.

use crate::{encoding, finding::Verdict, program, rule, scan::Scan};

/// Operators of torch's that read or write a file that the program names, or reach another machine.
const FILES: [&str; 7] = [
    "from_file",
    "save",
    "load",
    "PythonOp",
    "rpc_async",
    "rpc_sync",
    "rpc_remote",
];
/// Where torch's own operators are.
const OWN: [&str; 35] = [
    "prim",
    "torchvision",
    "aten",
    "quantized",
    "inductor",
    "inductor_prims",
    "_caffe2",
    "profiler",
    "sparse",
    "prims",
    "rngprims",
    "quantized_decomposed",
    "higher_order",
    "_quantized",
    "mkl",
    "mkldnn",
    "mkldnn_prepacked",
    "onednn",
    "onnx",
    "cuda",
    "export",
    "static_runtime",
    "symm_mem",
    "_c10d_functional",
    "_c10d_functional_autograd",
    "c10d",
    "c10d_functional",
    "_dtensor",
    "fsdp",
    "quantization",
    "prepacked",
    "xnnpack",
    "vulkan_prepack",
    "metal_prepack",
    "_native",
];
/// Libraries of classes of native code that torch brings along, and those that reach files and other machines.
const BOUND: [&str; 16] = [
    "quantized",
    "quantization",
    "xnnpack",
    "sparse",
    "mkldnn",
    "mkldnn_prepacked",
    "onednn",
    "rnn",
    "metal",
    "vulkan",
    "vulkan_prepack",
    "_nnapi",
    "cuda",
    "cudnn",
    "profiling",
    "prepacked",
];
const REACHING: [&str; 3] = ["dist_c10d", "dist_rpc", "c10d"];
/// Pieces of a name that are kept.
const PARTS: usize = 32;
/// Operators of a lite interpreter's program that are told.
const TOLD: usize = 100;

/// Whether an operator, behind its `torch.ops.`, is one of torch's.
pub(crate) fn is_of_torch(operator: &str) -> bool {
    let space = operator.split('.').next().unwrap_or_default();
    OWN.contains(&space)
}

/// How bad a class of native code is, of this library within `torch.classes`; `None` where torch brings it along.
pub(crate) fn bound(library: &str) -> Option<Verdict> {
    let library = library.split('.').next().unwrap_or_default();
    match library {
        _ if REACHING.contains(&library) => Some(Verdict::Suspicious),
        _ if BOUND.contains(&library) => None,
        _ => Some(Verdict::Unknown),
    }
}

/// Judges the source of a module.
pub(crate) fn source(scan: &mut Scan<'_>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for (line, code) in text.lines().enumerate() {
        if let Some((word, severity)) = program::within(code) {
            let what = format!("line {}: `{word}` is no TorchScript", line + 1);
            scan.find(&rule::SCRIPT, severity, line as u64, word, what);
        }
    }
    // Within texts and comments too: what is one there is what the compiler says, and it may be another.
    names(&text, Quotes::Passed, &mut |line, name| reaches(scan, line, name));
    names(&text, Quotes::Read, &mut |line, name| {
        reaches(scan, line, name);
        held(scan, line, name);
    });
}

/// Whether texts and comments are passed over as what they are, or read as if they were code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Read,
    Passed,
}

/// A name with what is asked of it: `torch.ops.aten`, and what comes next.
struct Name<'t> {
    parts: Vec<&'t str>,
    next: char,
}

/// Every name that is asked of nothing before it, with its line.
fn names<'t>(text: &'t str, quotes: Quotes, visit: &mut dyn FnMut(usize, &Name<'t>)) {
    let bytes = text.as_bytes();
    let (mut at, mut line) = (0, 0);
    let mut open: Option<(usize, Name<'t>)> = None;
    // Whether a `.` came last, and whether it was asked of a name that is open.
    let (mut dotted, mut asked) = (false, false);
    while let Some(byte) = bytes.get(at).copied() {
        let length = match byte {
            b'\n' => {
                line += 1;
                1
            }
            b' ' | b'\t' | b'\r' | 0x0b | 0x0c | b'\\' => 1,
            b'#' if quotes == Quotes::Read => before_break(bytes, at),
            b'\'' | b'"' if quotes == Quotes::Read && literal(bytes, at).is_some() => {
                let length = literal(bytes, at).unwrap_or(1);
                let held = bytes.get(at..at + length).unwrap_or_default();
                line += held.iter().filter(|byte| **byte == b'\n').count();
                finish(&mut open, '"', visit);
                (dotted, asked) = (false, false);
                length
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                let rest = text.get(at..).unwrap_or_default();
                let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
                let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                match &mut open {
                    Some((_, name)) if dotted && asked => name.parts.push(word),
                    _ => {
                        finish(&mut open, 'a', visit);
                        // Of a value that has no name: only its last part is one.
                        let parts = if dotted { vec!["", word] } else { vec![word] };
                        open = Some((line, Name { parts, next: ' ' }));
                    }
                }
                (dotted, asked) = (false, true);
                word.len().max(1)
            }
            b'.' => {
                asked = asked && !dotted;
                dotted = true;
                1
            }
            _ => {
                finish(&mut open, char::from(byte), visit);
                (dotted, asked) = (false, false);
                1
            }
        };
        if open.as_ref().is_some_and(|(_, name)| name.parts.len() > PARTS) {
            finish(&mut open, '.', visit);
        }
        at += length;
    }
    finish(&mut open, ' ', visit);
}

fn finish<'t>(open: &mut Option<(usize, Name<'t>)>, next: char, visit: &mut dyn FnMut(usize, &Name<'t>)) {
    if let Some((line, mut name)) = open.take() {
        name.next = next;
        visit(line, &name);
    }
}

/// Bytes of a comment.
fn before_break(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
        .max(1)
}

/// Bytes of a text with its quotes, as the compiler measures them; `None` where it has no end.
fn literal(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes.get(at)?;
    let is_end = |at: usize, count: usize| {
        bytes
            .get(at..at + count)
            .is_some_and(|part| part.iter().all(|byte| byte == quote))
    };
    let count = if is_end(at, 3) { 3 } else { 1 };
    let mut end = at + count;
    while end < bytes.len() && !is_end(end, count) {
        match bytes.get(end) {
            Some(b'\n') if count == 1 => return None,
            Some(b'\\') => end += 2,
            _ => end += 1,
        }
    }
    (end < bytes.len()).then_some(end + count - at)
}

/// An operator that reads or writes files, or that is not torch's.
fn reaches(scan: &mut Scan<'_>, line: usize, name: &Name<'_>) {
    let [root, rest @ ..] = name.parts.as_slice() else {
        return;
    };
    let spaces = ["torch", "ops", "aten", "prim"];
    let file = rest.iter().find(|part| FILES.contains(part));
    // `aten::save` is a name and two colons.
    if let Some(file) = file.filter(|file| spaces.contains(root) || **file == "from_file" && *root != "self")
    {
        let word = format!("{root}.{file}");
        let word = word.trim_start_matches('.');
        let what = format!("line {}: `{word}` reads or writes files", line + 1);
        scan.find(&rule::SCRIPT, Verdict::Malicious, line as u64, word, what);
    }
    if *root == "from_file" {
        let what = format!("line {}: `from_file` reads or writes files", line + 1);
        scan.find(&rule::SCRIPT, Verdict::Malicious, line as u64, root, what);
    }
}

/// What holds all operators, handed on as a value; and an operator of somebody's own.
fn held(scan: &mut Scan<'_>, line: usize, name: &Name<'_>) {
    // An argument of this name is one: `torch=`, and its type behind a colon.
    let argument = matches!(name.next, ':' | '=');
    let operators = match name.parts.as_slice() {
        ["torch"] | ["ops"] if !argument => "all operators",
        ["ops", _] => "a library's operators",
        ["__torch__", "torch", "classes", library, class, ..] => {
            if let Some(severity) = bound(library) {
                let named = format!("{library}.{class}");
                let what = format!(
                    "line {}: makes a `{named}`, a class of native code that is not in the file",
                    line + 1
                );
                scan.find(&rule::SCRIPT, severity, line as u64, &named, what);
            }
            return;
        }
        ["ops", space, operator, ..] | ["torch", "ops", space, operator, ..] if !OWN.contains(space) => {
            let named = format!("{space}.{operator}");
            let what = format!(
                "line {}: `ops.{named}` is an operator of a library that is not in the file",
                line + 1
            );
            scan.find(&rule::SCRIPT, Verdict::Unknown, line as u64, &named, what);
            return;
        }
        _ => return,
    };
    let word = name.parts.join(".");
    let what = format!("line {}: hands `{word}` on, which holds {operators}", line + 1);
    scan.find(&rule::SCRIPT, Verdict::Suspicious, line as u64, &word, what);
}

/// Judges the operators that a lite interpreter's program names, wherever their names stand in it.
pub(crate) fn bytecode(scan: &mut Scan<'_>, bytes: &[u8]) {
    let mut told = 0;
    let texts = (0..bytes.len()).filter_map(|at| Some((at, encoding::held_at(bytes, at)?)));
    for (at, text) in texts {
        let named = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.split_once("::"));
        let is_name = |name: &str| {
            let mut letters = name.bytes();
            !name.is_empty()
                && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        };
        let Some((space, operator)) = named.filter(|(space, name)| is_name(space) && is_name(name)) else {
            continue;
        };
        let own = OWN.contains(&space);
        let operator = operator.split('.').next().unwrap_or_default();
        let word = format!("{space}::{operator}");
        if own && FILES.contains(&operator) {
            let what = format!("`{word}` reads or writes files");
            scan.find(&rule::SCRIPT, Verdict::Malicious, at as u64, &word, what);
        } else if !own && told < TOLD {
            told += 1;
            let what = format!("`{word}` is an operator of a library that is not in the file");
            scan.find(&rule::SCRIPT, Verdict::Unknown, at as u64, &word, what);
        }
    }
}
