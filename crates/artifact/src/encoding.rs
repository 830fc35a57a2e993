//! Texts that are something else in base64 or hexadecimal: decoded, and judged as a file would be. A text counts only if
//! what is in it does harm, so that pictures, digests and weights in texts say nothing.

use bartizan_inspect::digits::{base32, base64, hexadecimal};

use crate::{
    carried,
    finding::{Finding, Verdict, shown},
    format,
    json::Json,
    pickle, rule,
    scan::Scan,
    source::View,
};

/// Letters of the shortest text that is decoded.
const SHORTEST: usize = 20;
/// Letters of a line that may go on in the next one.
const WRAPPED: usize = 40;
/// Texts in texts.
const DEPTH: u32 = 5;
/// Fewest numbers of a list that could be bytes.
const BYTES: usize = 12;

/// Judges every encoded run of a text.
pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    if text.len() < SHORTEST {
        return;
    }
    for (place, run) in runs(text) {
        one(scan, at + place as u64, key, &run);
    }
    if text.contains("\\x") {
        decoded(scan, at, key, "escapes", &mixed(text));
    }
    if ["\\x", "\\u00", "0x", "%"].iter().any(|mark| text.contains(mark)) || text.contains(' ') {
        for (place, bytes) in spelt(text) {
            decoded(scan, at + place as u64, key, "hexadecimal", &bytes);
        }
    }
}

/// What a text spells whose letters stand beside escapes: `\x80\x05posix`.
fn mixed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in text.split("\\x").skip(1) {
        let (pair, rest) = part.split_at_checked(2).unwrap_or_default();
        if run_is_hex(pair) && !pair.is_empty() {
            bytes.extend(hexadecimal(pair.as_bytes()));
            bytes.extend(
                rest.bytes()
                    .take_while(|byte| !matches!(byte, b'\\' | b'"' | b'\'')),
            );
        }
    }
    bytes
}

/// A whole value: one text, which may be a pickle as it is or in the letters of base85.
pub(crate) fn value(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    judge(scan, at, key, text);
    let trimmed = text.trim();
    let bytes = trimmed.as_bytes();
    if bytes.len() < SHORTEST {
        return;
    }
    if matches!(bytes.first(), Some(b'c' | b'(' | b']' | b'}'))
        && bytes.contains(&b'\n')
        && bytes.ends_with(b".")
    {
        decoded(scan, at, key, "plain letters", bytes);
    } else if !bytes.contains(&b' ') {
        decoded(scan, at, key, "base85", &base85(bytes));
    }
}

/// Parts of one text in a list: read as one.
pub(crate) fn parts(scan: &mut Scan<'_>, key: &str, texts: &[&str]) {
    let plain = |text: &&str| text.len() >= 4 && !text.contains(' ');
    if texts.len() > 1 && texts.iter().all(plain) {
        judge(scan, 0, key, &texts.concat());
    }
}

/// One run of letters, in every writing that it may be.
fn one(scan: &mut Scan<'_>, at: u64, key: &str, run: &str) {
    let digits = run.strip_prefix("0x").unwrap_or(run);
    if run_is_hex(digits) {
        decoded(scan, at, key, "hexadecimal", &hexadecimal(digits.as_bytes()));
    }
    if run.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')) {
        decoded(scan, at, key, "base32", &base32(run.as_bytes()));
    }
    let whole = base64(run.as_bytes());
    if promises(&whole) {
        decoded(scan, at, key, "base64", &whole);
        return;
    }
    let turned: String = run.chars().rev().collect();
    decoded(scan, at, key, "base64 from its end", &base64(turned.as_bytes()));
    let parts = run.split(['-', '_', '/']);
    for part in parts.filter(|part| part.len() >= SHORTEST && part.len() < run.len()) {
        decoded(scan, at, key, "base64", &base64(part.as_bytes()));
    }
}

/// Judges a list of numbers that could be bytes.
pub(crate) fn numbers(scan: &mut Scan<'_>, key: &str, values: &[Json]) {
    if values.len() < BYTES
        || !values
            .iter()
            .take(BYTES)
            .all(|value| value.whole().is_some_and(|byte| byte < 256))
    {
        return;
    }
    let bytes: Option<Vec<u8>> = values
        .iter()
        .map(|value| value.whole().and_then(|byte| u8::try_from(byte).ok()))
        .collect();
    if let Some(bytes) = bytes {
        decoded(scan, 0, key, "numbers", &bytes);
    }
}

/// Runs of letters of base64, joined where a line is full, with their offsets.
fn runs(text: &str) -> Vec<(usize, String)> {
    let bytes = text.as_bytes();
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut found = Vec::new();
    let (mut run, mut from, mut width) = (String::new(), 0, 0);
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if is_one(byte) {
            if run.is_empty() {
                from = at;
            }
            run.push(char::from(byte));
            width += 1;
            at += 1;
            continue;
        }
        let broken = match bytes.get(at..).unwrap_or_default() {
            [b'\\', b'n', ..] => 2,
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
        if broken > 0 && width >= WRAPPED {
            let rest = bytes.get(at + broken..).unwrap_or_default();
            let indent = rest
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t'))
                .count();
            if rest.get(indent).is_some_and(|byte| is_one(*byte)) {
                at += broken + indent;
                width = 0;
                continue;
            }
        }
        if run.len() >= SHORTEST {
            found.push((from, std::mem::take(&mut run)));
        }
        run.clear();
        width = 0;
        at += 1;
    }
    if run.len() >= SHORTEST {
        found.push((from, run));
    }
    found
}

fn run_is_hex(run: &str) -> bool {
    run.len().is_multiple_of(2) && run.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Python's `b85decode`; empty where a letter is none of its.
fn base85(text: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let mut bytes = Vec::new();
    for group in text.chunks(5) {
        let mut number = 0_u64;
        for place in 0..5 {
            let letter = group.get(place).copied().unwrap_or(b'~');
            let Some(digit) = LETTERS.iter().position(|known| *known == letter) else {
                return Vec::new();
            };
            number = number * 85 + digit as u64;
        }
        let Ok(word) = u32::try_from(number) else {
            return Vec::new();
        };
        let kept = group.len().saturating_sub(1);
        bytes.extend(word.to_be_bytes().iter().take(kept));
    }
    bytes
}

/// Bytes that are written one by one: `\x80\x04`, `0x80, 0x04`, `80 04`, `%80%04`, `\u0063`.
fn spelt(text: &str) -> Vec<(usize, Vec<u8>)> {
    let letters = text.as_bytes();
    let digit = |at: usize| letters.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut found, mut bytes, mut from, mut at) = (Vec::new(), Vec::new(), 0, 0);
    while at < letters.len() {
        let rest = letters.get(at..).unwrap_or_default();
        let mark = [&b"\\x"[..], b"0x", b"\\u00", b"%"]
            .iter()
            .find(|mark| rest.starts_with(mark))
            .map_or(0, |mark| mark.len());
        let apart = mark > 0 || digit(at + 2).is_none();
        if let (Some(high), Some(low), true) = (digit(at + mark), digit(at + mark + 1), apart) {
            if bytes.is_empty() {
                from = at;
            }
            bytes.push((high << 4 | low) as u8);
            at += mark + 2;
            let gap = letters
                .get(at..at + 2)
                .or_else(|| letters.get(at..))
                .unwrap_or_default();
            at += gap
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b',' | b':' | b'-' | b';'))
                .count();
            continue;
        }
        if bytes.len() >= BYTES {
            found.push((from, std::mem::take(&mut bytes)));
        }
        bytes.clear();
        at += 1;
    }
    if bytes.len() >= BYTES {
        found.push((from, bytes));
    }
    found
}

/// Whether these first bytes are of something that runs, unpacks or reads as text.
fn promises(bytes: &[u8]) -> bool {
    let head = bytes.get(..64).unwrap_or(bytes);
    match head {
        [0x80, 0..=5, ..]
        | [b'P', b'K', 3, 4, ..]
        | [0x1f, 0x8b, 8, ..]
        | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]
        | [b'B', b'Z', b'h', ..]
        | [0xfd, b'7', b'z', b'X', ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..]
        | [0x7f, b'E', b'L', b'F', ..]
        | [b'M', b'Z', ..]
        | [0xca, 0xfe, 0xba, 0xbe, ..]
        | [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..]
        | [0xac, 0xed, 0, 5, ..] => true,
        _ => {
            is_code_object(bytes)
                || pickle::may_begin(head) && carried::begins(bytes, bytes.len() as u64)
                || !head.is_empty()
                    && head
                        .iter()
                        .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
        }
    }
}

/// Python's `marshal` of a code object: the type with its mark, then small counts.
fn is_code_object(bytes: &[u8]) -> bool {
    let small = |at: usize| matches!(bytes.get(at..at + 4), Some([0..=64, 0, 0, 0]));
    matches!(bytes.first(), Some(0xe3 | 0x63)) && bytes.len() > 40 && small(1) && small(5) && small(9)
}

/// Judges bytes that a text stood for. `true` where they do harm; only then is anything said.
fn decoded(scan: &mut Scan<'_>, at: u64, key: &str, how: &'static str, bytes: &[u8]) -> bool {
    if bytes.len() < BYTES || !promises(bytes) {
        return false;
    }
    let mark = scan.mark();
    if scan.decoding >= DEPTH {
        let what = "is encoded more often than is looked into".to_owned();
        scan.find(&rule::ENCODED, Verdict::Suspicious, at, "nesting", what);
        return true;
    }
    scan.decoding += 1;
    let member = format!("{how}@{at}");
    let held = bytes.to_vec();
    scan.inside(&member, |scan| {
        let subject = match bytes {
            [0xac, 0xed, 0, 5, ..] => "Java's serialized objects",
            _ if is_code_object(bytes) => "compiled Python",
            _ => {
                format::whole(scan, View::all(&held), "decoded");
                return;
            }
        };
        let what = format!("`{}` carries {subject}", shown(key.as_bytes(), 100));
        scan.find(&rule::ENCODED, Verdict::Suspicious, at, subject, what);
    });
    scan.decoding -= 1;
    // Stable Baselines keeps its settings as pickled classes and functions; the names in them tell honest ones.
    let lenient = key == ":serialized:" && !names_harm(bytes);
    let counts = |finding: &Finding| {
        let named = finding.severity < Verdict::Malicious && finding.what.starts_with("imports");
        finding.severity >= Verdict::Suspicious && !(lenient && (named || of_cloudpickle(finding)))
    };
    if !scan.since(mark).iter().any(counts) {
        scan.forget(mark);
        return false;
    }
    let severity = scan.worst_since(mark);
    let key = shown(key.as_bytes(), 100);
    let what = format!("`{key}` holds in {how} what runs code");
    scan.find(&rule::ENCODED, severity, at, &key, what);
    true
}

/// What cloudpickle makes of any function: its maker is no harm by itself.
fn of_cloudpickle(finding: &Finding) -> bool {
    finding.subject.starts_with("cloudpickle.")
        || [&rule::PATCHES_IMPORT, &rule::ARITY].contains(&finding.rule)
}

/// Whether a pickle holds, as a whole text, a name by which code does harm.
fn names_harm(bytes: &[u8]) -> bool {
    const NAMES: [&[u8]; 22] = [
        b"system",
        b"popen",
        b"Popen",
        b"subprocess",
        b"__import__",
        b"import_module",
        b"eval",
        b"exec",
        b"compile",
        b"socket",
        b"urllib",
        b"urlopen",
        b"requests",
        b"posix",
        b"nt",
        b"ctypes",
        b"os",
        b"getattr",
        b"open",
        b"loads",
        b"marshal",
        b"__builtins__",
    ];
    (0..bytes.len()).any(|at| held_at(bytes, at).is_some_and(|text| NAMES.contains(&text)))
}

/// A text of a pickle that begins with this opcode, in whatever form.
pub(crate) fn held_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (code, rest) = bytes.get(at..)?.split_first()?;
    let counted = |width: usize| {
        let (length, text) = rest.split_at_checked(width)?;
        let length = length
            .iter()
            .rev()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        text.get(..length)
    };
    match code {
        0x8c | b'U' | b'C' => counted(1),
        b'X' | b'T' | b'B' => counted(4),
        0x8d | 0x8e => counted(8),
        b'V' | b'S' | b'c' | b'i' | b'\n' => {
            let line = rest.split(|byte| *byte == b'\n').next()?;
            Some(unquoted(line.trim_ascii()))
        }
        _ => None,
    }
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Limits;

    fn verdict(text: &str) -> Verdict {
        let limits = Limits::default();
        let mut scan = Scan::new("x.json", &limits);
        let mark = scan.mark();
        judge(&mut scan, 0, "key", text);
        scan.worst_since(mark)
    }

    #[test]
    fn a_pickle_is_found_however_it_is_written() {
        for text in [
            "gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg==",
            "data:application/octet-stream;base64,gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg==",
            "8004951c000000000000008c05706f736978948c0673797374656d9493948c02696494859452942e",
            "\\x80\\x04\\x8c\\x05posix\\x8c\\x06system\\x93\\x8c\\x02id\\x85R.",
            "Y3Vyb CBodHRw aW1wb3J0IG9zOyBvcy5zeXN0ZW0oImN1cmwgaHR0cDovL2UveCB8IHNoIik=",
            "YmFzaCAtaSA+JiAvZGV2L3RjcC8xMC4wLjAuMS80NDQ0IDA+JjE=",
            "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
        ] {
            assert!(verdict(text) >= Verdict::Suspicious, "{text}");
        }
    }

    #[test]
    fn what_is_only_data_says_nothing() {
        for text in [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
            "model-00001-of-00002/pytorch_model.safetensors.index",
            "gAN9cQBYAQAAAGFxAUsBcy4AAAAAAAAA",
            "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw==",
            "\\x1b[31mred\\x1b[0m",
        ] {
            assert_eq!(verdict(text), Verdict::Clean, "{text}");
        }
    }
}
