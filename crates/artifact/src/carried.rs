//! Pickles and programs somewhere in bytes that are something else: behind a picture, in a song, between numbers, after a
//! text. Whoever knows the place loads them from there, and nothing of the kind begins so by chance and names what runs code.
//!
//! What is packed among them is unpacked as far as its beginning goes. A stream that can't be read again is searched in
//! windows that overlap.
//!
//! Weights are not searched where their format says where they lie (tensors of safetensors and GGUF, storages of torch,
//! arrays): whoever reads them takes them for numbers.

use std::io::Read;

use bartizan_inspect::digits::{base64, hexadecimal};

use crate::{
    feed::{BUFFER, Feed, Stop},
    finding::Verdict,
    format,
    pack::Packing,
    pickle::{self, Use},
    rule::{self, Rule},
    scan::Scan,
    source::{Cursor, View},
};

/// Beginnings of pickles that are followed, and one more for so many bytes: chance gives fewer.
const PROBES: u64 = 4096;
const PROBE_BYTES: u64 = 1 << 16;
/// Bytes that are looked at from a beginning on.
const AHEAD: usize = 192;
/// Opcodes that have to be ones, where the first few say little.
const OPCODES: usize = 24;
/// Beginnings of packed streams that are tried, and one more for so many bytes. Two letters announce zlib: chance gives them.
const PACKED: u64 = 1 << 18;
const PACKED_BYTES: u64 = 1 << 10;
/// Bytes that are unpacked of one to see how it begins, and where it begins as something that runs.
const TASTE: usize = 512;
const UNPACKED: u64 = 1 << 22;
/// Letters of the shortest pickle that runs code.
const SHORTEST: usize = 20;
/// Bytes of a stream that are searched at once, and those at their end that are searched again with what follows.
const WINDOW: usize = 1 << 22;
const OVERLAP: usize = 1 << 16;

/// What the bytes are, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    /// Letters: a text about pickles holds those of protocol 0.
    Letters,
    /// Anything else.
    Bytes,
}

/// How often beginnings were followed.
#[derive(Default)]
struct Tried {
    pickles: u64,
    packed: u64,
}

/// Searches all of it.
pub(crate) fn look(scan: &mut Scan<'_>, view: View<'_>, among: Among) {
    let (mut at, mut tried) = (0_u64, Tried::default());
    while at < view.size() {
        let piece = match view.bytes(at, BUFFER) {
            Ok(piece) if !piece.is_empty() => piece,
            Ok(_) => return scan.stopped(Stop::End, at),
            Err(fault) => return scan.stopped(fault.into(), at),
        };
        let last = at + piece.len() as u64 >= view.size();
        let whole = if last {
            piece.len()
        } else {
            piece.len().saturating_sub(AHEAD)
        };
        let searched = piece.get(..whole).unwrap_or_default();
        for (place, _) in searched.iter().enumerate().filter(|(_, byte)| is_first(**byte)) {
            let Some(part) = piece.get(place..) else { break };
            if !begun(scan, view, at + place as u64, part, among, &mut tried) {
                return;
            }
        }
        at += whole.max(1) as u64;
    }
}

/// Looks only at how it begins.
pub(crate) fn look_at(scan: &mut Scan<'_>, view: View<'_>) {
    match view.bytes(0, BUFFER) {
        Ok(piece) if piece.first().is_some_and(|byte| is_first(*byte)) => {
            begun(scan, view, 0, &piece, Among::Bytes, &mut Tried::default());
        }
        Ok(_) => {}
        Err(fault) => scan.stopped(fault.into(), 0),
    }
}

/// Searches what can be read only once, to its end.
pub(crate) fn look_along(scan: &mut Scan<'_>, feed: &mut Feed<'_>, among: Among) {
    let mut held: Vec<u8> = Vec::new();
    loop {
        let before = held.len();
        while held.len() < WINDOW {
            let count = match feed.peek(BUFFER) {
                Ok(part) => {
                    held.extend_from_slice(part);
                    part.len()
                }
                Err(stop) => return scan.stopped(stop, feed.offset()),
            };
            if count == 0 || feed.need(count).is_err() {
                break;
            }
        }
        if held.len() == before {
            return;
        }
        look(scan, View::all(&held), among);
        held.drain(..held.len().saturating_sub(OVERLAP));
    }
}

/// Whether something may begin with this byte.
const fn is_first(byte: u8) -> bool {
    matches!(
        byte,
        0x80 | b'c'
            | b'i'
            | 0x8c
            | b'X'
            | 0x7f
            | b'M'
            | 0xcf
            | 0x1f
            | 0x78
            | b'B'
            | 0xfd
            | 0x5d
            | 0x04
            | 0x28
            | b'P'
            | b'g'
            | b'Y'
            | b'8'
    )
}

/// Looks at what may begin here. `false`: there were too many such places.
fn begun(
    scan: &mut Scan<'_>,
    view: View<'_>,
    here: u64,
    part: &[u8],
    among: Among,
    tried: &mut Tried,
) -> bool {
    if let Some((rule, what)) = signs(part, among) {
        scan.find(rule, Verdict::Suspicious, here, "inside", what.to_owned());
        return true;
    }
    match part {
        [0x80, 0..=5, rest @ ..] if begins(rest, view.size() - here) => {
            if !tried.pickle(scan, view, here) {
                return false;
            }
            probe(scan, view, here);
        }
        // In documents it is looked for as documents write it.
        _ if among == Among::Letters => {}
        [b'c' | b'i' | 0x8c | b'X', ..] if is_asked(part) => {
            if !tried.pickle(scan, view, here) {
                return false;
            }
            probe(scan, view, here);
        }
        // What base64 and hexadecimal make of the first bytes of a pickle.
        [b'g', b'A', b'I'..=b'X', ..] | [b'Y', b'2' | b'3', ..] | [b'8', b'0', b'0', b'2'..=b'5', ..] => {
            return encoded(scan, view, here, part, tried);
        }
        _ => {
            let Some((packing, skipped)) = packed(part) else {
                return true;
            };
            tried.packed += 1;
            if tried.packed > PACKED + view.size() / PACKED_BYTES {
                let what = "holds more beginnings of packed streams than are unpacked".to_owned();
                scan.find(&rule::LIMIT, Verdict::Unknown, here, "packed", what);
                return false;
            }
            let start = here + skipped;
            unpack(scan, view.part(start, view.size()), here, packing);
        }
    }
    true
}

/// What a few bytes say by themselves, and nothing says by chance.
fn signs(part: &[u8], among: Among) -> Option<(&'static Rule, &'static str)> {
    match part {
        [b'c' | b'i', rest @ ..] if among == Among::Bytes && imports(rest) => Some((
            &rule::NESTED_PICKLE,
            "carries a pickle of protocol 0 that imports what runs code",
        )),
        [0x8c | b'X', ..] if names(part) => Some((
            &rule::NESTED_PICKLE,
            "carries opcodes of a pickle that import what runs code",
        )),
        [0x7f, b'E', b'L', b'F', 1 | 2, 1, 1, ..]
        | [b'M', b'Z', 0x90, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0xff, 0xff, ..]
        | [0xcf, 0xfa, 0xed, 0xfe, 7 | 12, 0, 0, 1, ..] => {
            Some((&rule::SOURCE_CODE, "carries a native program"))
        }
        _ => None,
    }
}

/// Whether a pickle without its mark begins here with an import of what is on no list.
fn is_asked(part: &[u8]) -> bool {
    let asked = match part {
        [b'c' | b'i', rest @ ..] => lines(rest),
        _ => texts(part),
    };
    asked.is_some_and(|(module, name)| matches!(pickle::look_up(module, name), Use::Unlisted(_)))
}

/// Decodes what may be a pickle in base64 or hexadecimal, and follows it where it begins as one. `false`: there were too
/// many of these.
fn encoded(scan: &mut Scan<'_>, view: View<'_>, here: u64, part: &[u8], tried: &mut Tried) -> bool {
    let told = |scan: &mut Scan<'_>, what: &str| {
        let (rule, suspicious) = (&rule::NESTED_PICKLE, Verdict::Suspicious);
        scan.find(rule, suspicious, here, "encoded inside", what.to_owned());
    };
    match decoded(part.get(..AHEAD.min(part.len())).unwrap_or_default()).as_slice() {
        [0x80, 0..=5, rest @ ..] if begins(rest, u64::MAX) => {}
        [b'c' | b'i', rest @ ..] if imports(rest) => {
            told(
                scan,
                "carries in letters a pickle of protocol 0 that imports what runs code",
            );
            return true;
        }
        _ => return true,
    }
    if !tried.pickle(scan, view, here) {
        return false;
    }
    let held = decoded(&view.bytes(here, BUFFER).unwrap_or_default());
    if pickle::sound(scan, View::all(&held)) >= Verdict::Suspicious {
        told(scan, "carries in letters a pickle that runs code");
    }
    true
}

/// What letters of base64, or digits where the first is one, stand for.
fn decoded(letters: &[u8]) -> Vec<u8> {
    let hex = letters.first() == Some(&b'8');
    let is_letter = |byte: &u8| match hex {
        true => byte.is_ascii_hexdigit(),
        false => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'\r' | b'\n'),
    };
    let end = letters.iter().position(|byte| !is_letter(byte));
    let letters = letters.get(..end.unwrap_or(letters.len())).unwrap_or_default();
    match (letters.len() < SHORTEST, hex) {
        (true, _) => Vec::new(),
        (_, true) => hexadecimal(letters),
        (_, false) => base64(letters),
    }
}

impl Tried {
    /// Counts a pickle that is followed. `false`: there were too many.
    fn pickle(&mut self, scan: &mut Scan<'_>, view: View<'_>, here: u64) -> bool {
        self.pickles += 1;
        let over = self.pickles > PROBES + view.size() / PROBE_BYTES;
        if over {
            let what = "holds more beginnings of pickles than are followed".to_owned();
            scan.find(&rule::LIMIT, Verdict::Unknown, here, "pickles", what);
        }
        !over
    }
}

/// A packed stream that begins here, and how many bytes of it are a header of an archive.
fn packed(part: &[u8]) -> Option<(Packing, u64)> {
    if let [b'P', b'K', 3, 4, _, _, _, _, 8, 0, rest @ ..] = part {
        let two = |at: usize| {
            rest.get(at..at + 2)
                .and_then(|two| two.try_into().ok())
                .map(u16::from_le_bytes)
        };
        return Some((Packing::Deflate, 30 + u64::from(two(16)?) + u64::from(two(18)?)));
    }
    let packing = match Packing::of(part)? {
        // Two zeros and a number are too little to tell lzma by; that nobody says how long it is are eight bytes more.
        Packing::Lzma if part.get(5..13) != Some(&[0xff; 8]) => return None,
        packing => packing,
    };
    // The first block of deflate: a kind that there is, and for stored bytes their length twice.
    let plausible = match (packing, part) {
        (Packing::Zlib, [_, _, first, ..]) if first & 6 == 0 => {
            matches!(part, [_, _, _, a, b, c, d, ..] if a ^ c == 0xff && b ^ d == 0xff)
        }
        (Packing::Zlib, [_, _, first, ..]) => first & 6 != 6,
        _ => true,
    };
    // Without its frame a stream of zlib is one of deflate, whose end nobody has to be right about.
    plausible.then_some(match packing {
        Packing::Zlib => (Packing::Deflate, 2),
        _ => (packing, 0),
    })
}

/// Unpacks what begins here, and keeps what is found only where it runs code.
fn unpack(scan: &mut Scan<'_>, view: View<'_>, at: u64, packing: Packing) {
    let taste = taken(scan, view, packing, TASTE as u64);
    let runs = match taste.as_slice() {
        [0x80, 0..=5, rest @ ..] => begins(rest, u64::MAX),
        [b'c' | b'i' | b'(' | b']' | b'}', rest @ ..] => rest.contains(&b'\n'),
        [0x7f, b'E', b'L', b'F', ..] | [b'P', b'K', 3, 4, ..] => true,
        head => Packing::of(head).is_some() || pickle::may_begin(head) && begins(head, u64::MAX),
    };
    if !runs {
        return;
    }
    let held = taken(scan, view, packing, UNPACKED);
    let mark = scan.mark();
    let opcodes = scan.opcodes;
    let member = format!("{}@{at}", packing.word());
    scan.inside(&member, |scan| format::whole(scan, View::all(&held), "packed"));
    scan.opcodes = opcodes;
    let worst = scan.worst_since(mark);
    scan.forget(mark);
    if worst >= Verdict::Suspicious {
        let what = format!("carries, packed as {}, what runs code", packing.word());
        scan.find(
            &rule::NESTED_PICKLE,
            Verdict::Suspicious,
            at,
            "packed inside",
            what,
        );
    }
}

/// The first bytes of what is packed; fewer where the packing is damaged or ends.
fn taken(scan: &Scan<'_>, view: View<'_>, packing: Packing, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(unpacked) = packing.unpack(Cursor::new(view)) {
        // What came before the fault is what a loader would have had.
        _ = scan.metered(unpacked).take(most).read_to_end(&mut bytes);
    }
    bytes
}

fn probe(scan: &mut Scan<'_>, view: View<'_>, at: u64) {
    let (severity, what) = match pickle::sound(scan, view.part(at, view.size())) {
        Verdict::Clean => return,
        Verdict::Unknown => (Verdict::Unknown, "carries a pickle of a class that is on no list"),
        _ => (Verdict::Suspicious, "carries a pickle that runs code"),
    };
    scan.find(&rule::NESTED_PICKLE, severity, at, "inside", what.to_owned());
}

/// Whether what follows a protocol's number could be the opcodes of a pickle, of which `left` bytes are there.
pub(crate) fn begins(mut rest: &[u8], left: u64) -> bool {
    let mut texts = 0;
    for _ in 0..OPCODES {
        let Some((code, after)) = rest.split_first() else {
            return true;
        };
        let skipped = match code {
            // A frame that ends past the file is read by no loader.
            0x95 => {
                let length = after.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
                return length.is_none_or(|length| length <= left);
            }
            // A short text, as long as it is; an import by lines.
            0x8c => {
                let (length, text) = after.split_first().unwrap_or((&0, &[]));
                let length = usize::from(*length);
                if !named(text.get(..length).unwrap_or(text)) {
                    return false;
                }
                texts += 1;
                1 + length
            }
            b'c' | b'i' => return named(after),
            b'X' | b'T' | b'B' | 0x8b => {
                let length = after
                    .first_chunk()
                    .map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
                return length.is_none_or(|length| length <= left);
            }
            b'('
            | b')'
            | b']'
            | b'}'
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'a'
            | b'b'
            | b'd'
            | b'e'
            | b'l'
            | b's'
            | b't'
            | b'u'
            | b'R'
            | b'Q'
            | b'o'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x94 => 0,
            b'K' | b'q' | b'h' | 0x82 => 1,
            b'M' | 0x83 => 2,
            b'J' | b'r' | b'j' | 0x84 => 4,
            b'G' => 8,
            b'U' | b'C' | 0x8a => 1 + usize::from(after.first().copied().unwrap_or(0)),
            // The rest is seldom: what is there is followed.
            b'.' => return texts > 1,
            b'F' | b'I' | b'L' | b'S' | b'V' | b'g' | b'p' | b'P' => return named(after),
            0x8d | 0x8e | 0x96 => {
                let length = after.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
                return length.is_none_or(|length| length <= left);
            }
            0x97 | 0x98 => 0,
            _ => return false,
        };
        rest = after.get(skipped..).unwrap_or_default();
    }
    true
}

/// Whether letters, digits and marks are next, as in names and numbers of a pickle.
fn named(text: &[u8]) -> bool {
    text.iter()
        .take(8)
        .all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\n')
}

/// Whether two lines follow that name what runs code.
fn imports(rest: &[u8]) -> bool {
    lines(rest)
        .is_some_and(|(module, name)| pickle::look_up(module, name) == Use::Unlisted(Verdict::Malicious))
}

/// Two lines that name something. The last one has to end: what is cut off is no line.
fn lines(rest: &[u8]) -> Option<(&str, &str)> {
    let (module, rest) = line(rest)?;
    Some((module, line(rest)?.0))
}

/// A name to the end of its line, and what follows.
fn line(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text
        .iter()
        .take(AHEAD)
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')))?;
    let (name, rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let rest = rest.strip_prefix(b"\n")?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

/// Whether two texts and the opcode that imports by them follow, and name what runs code: a pickle needs no first bytes.
fn names(part: &[u8]) -> bool {
    texts(part)
        .is_some_and(|(module, name)| pickle::look_up(module, name) == Use::Unlisted(Verdict::Malicious))
}

/// Two texts and the opcode that imports by them.
fn texts(part: &[u8]) -> Option<(&str, &str)> {
    let (module, rest) = text(part)?;
    let (name, rest) = text(rest)?;
    (rest.first() == Some(&0x93)).then_some((module, name))
}

/// A text of a pickle and what is behind it, but for where the text is kept.
fn text(part: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = match part {
        [0x8c, length, rest @ ..] => (usize::from(*length), rest),
        [b'X', length, 0, 0, 0, rest @ ..] => (usize::from(*length), rest),
        _ => return None,
    };
    let (text, rest) = rest.split_at_checked(length)?;
    let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    Some((
        text,
        match rest {
            [0x94, rest @ ..] | [b'q', _, rest @ ..] | [b'r', _, _, _, _, rest @ ..] => rest,
            rest => rest,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_seldom_begins_a_pickle_and_a_pickler_always_does() {
        let mut state = 1_u64;
        let mut chance = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let bytes: Vec<u8> = (0..1 << 18).map(|_| chance()).collect();
        let begun = (0..bytes.len() - AHEAD)
            .filter(|at| begins(&bytes[*at..], 1 << 18))
            .count();
        // Two bytes before it have to be right too, which they are in one of 16,384 places.
        assert!(begun < bytes.len() / 50, "{begun} of {}", bytes.len());
        for pickle in [
            &b"\x95\x1b\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."[..],
            b"cos\nsystem\n(S'true'\ntR.",
            b"}q\x00(X\x01\0\0\0aK\x01u0cos\nsystem\n",
            b"K\x01K\x02K\x030000cos\nsystem\n",
            b"NNNNNNNNNNNNNNNNNNNNNNNNNNNNNN",
        ] {
            assert!(begins(pickle, 1000), "{pickle:?}");
        }
    }

    #[test]
    fn texts_that_name_what_runs_code_and_are_imported() {
        assert!(names(b"\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."));
        assert!(names(b"X\x02\0\0\0osq\x00X\x06\0\0\0systemq\x01\x93"));
        assert!(names(b"\x8c\x05posix\x94\x8c\x06system\x94\x93"));
        assert!(!names(b"\x8c\x05posix\x8c\x06system."));
        assert!(!names(b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93"));
    }

    #[test]
    fn lines_that_name_what_runs_code() {
        assert!(imports(b"os\nsystem\n"));
        assert!(imports(b"__builtin__\neval\n(S'x'"));
        assert!(!imports(b"os\nsystem"), "cut off");
        assert!(!imports(b"collections\nOrderedDict\n"));
        assert!(!imports(b"ancer is\nan illness\n"));
    }
}
