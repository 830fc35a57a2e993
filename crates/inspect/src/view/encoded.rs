//! Encodings inside a text. What decodes to readable text becomes a layer.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::Range;

use super::map::Map;
use super::{Form, Found};
use crate::bits::Bits;
use crate::digits::{base32, base64, hexadecimal, nibble};
use crate::safe::{item, part};

/// Shortest run of base64 that is tried.
const BASE64_LEAST: usize = 16;
/// Shortest run of hexadecimal digits that is tried.
const HEX_LEAST: usize = 16;
/// Shortest run of base32 that is tried.
const BASE32_LEAST: usize = 24;
/// Most runs that are tried in one text.
const RUNS_MOST: usize = 4096;
/// Shortest line of an encoding that goes on in the next one.
const LINE_LEAST: usize = 56;
/// How many times over the digits of a text may be read over several lines.
const WRAPPED_MOST: usize = 4;
/// Most bytes that one compressed run yields.
const UNPACKED_MOST: u64 = 64 << 10;
/// Shortest run of base64 that is tried turned round and moved by thirteen.
const MOVED_LEAST: usize = 24;
/// Most runs of a text that are tried so.
const MOVED_MOST: usize = 256;
/// Fewest bytes that are tried as a deflate stream without a head.
const BARE_LEAST: usize = 24;
/// Most runs of a text that are tried so: setting one up costs more than decoding the run.
const BARE_MOST: usize = 16;
/// Most layers that one text yields.
const FOUND_MOST: usize = 24;

/// Finds encodings in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let least = found.len();
    runs(text, found, least);
    groups(text, found);
}

/// Fewest and most digits of a group, fewest groups, and most rows of groups that are tried in one text.
const GROUP: std::ops::RangeInclusive<usize> = 4..=14;
const GROUPS_LEAST: usize = 5;
const ROWS_MOST: usize = 64;

/// Base64 in groups of equally many digits with a space between, shorter than what is found as a run.
fn groups(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let dense = |from: usize, to: usize| part(bytes, from..to).iter().all(|byte| is_base64(*byte));
    // Spaces at equal distances are a sign of it, and cheap to see.
    let (mut last, mut size, mut equal, mut rows, mut done) = (0, 0, 0, 0, 0);
    for space in Bits::of(bytes, |byte| byte == b' ').places() {
        let gap = space - last;
        (size, equal) = (gap, if gap == size { equal + 1 } else { 1 });
        last = space + 1;
        if equal < GROUPS_LEAST - 2 || !GROUP.contains(&gap) || space < done {
            continue;
        }
        let mut start = space - gap;
        if !dense(start, space) {
            continue;
        }
        while start > gap && item(bytes, start - 1) == b' ' && dense(start - 1 - gap, start - 1) {
            start -= 1 + gap;
        }
        if start > 0 && is_base64(item(bytes, start - 1)) {
            continue;
        }
        // The last one may be shorter, or a word that only follows.
        let (mut end, mut full) = (space, space);
        while item(bytes, end) == b' ' && end == full {
            let rest = part(bytes, end + 1..);
            let next = rest
                .iter()
                .take(gap + 1)
                .take_while(|byte| is_base64(**byte))
                .count();
            if next == 0 || next > gap {
                break;
            }
            end += 1 + next;
            if next == gap {
                full = end;
            }
        }
        done = end;
        rows += 1;
        if rows > ROWS_MOST {
            return;
        }
        // So may the first ones.
        let starts = (0..3).map(|skipped| start + skipped * (gap + 1));
        let ranges = starts.flat_map(|start| [start..end, start..full]);
        for range in ranges.filter(|range| range.len() + 1 >= GROUPS_LEAST * (gap + 1)) {
            if row(bytes, range, found) {
                break;
            }
        }
    }
}

/// Adds a layer where the groups of a range are text.
fn row(bytes: &[u8], range: Range<usize>, found: &mut Vec<Found>) -> bool {
    let digits = part(bytes, range.clone()).iter().copied();
    let digits: Vec<u8> = digits.filter(|byte| *byte != b' ').collect();
    let mixed = digits.iter().any(u8::is_ascii_uppercase) && digits.iter().any(u8::is_ascii_lowercase);
    let mut tries = Tries {
        moved: 0,
        bare: 0,
        wrapped: 0,
    };
    mixed && adopt(&base64(&digits), Form::Base64, &range, &mut tries, found)
}

/// Characters of both kinds of base64.
const fn is_base64(byte: u8) -> bool {
    // Slash and digits are neighbours, and so are letters of either case but for one bit.
    (byte | 0x20).is_ascii_lowercase()
        | matches!(byte, b'/'..=b'9')
        | ((byte == b'+') | (byte == b'-') | (byte == b'_'))
}

/// Long runs of characters that encodings are made of.
fn runs(text: &str, found: &mut Vec<Found>, already: usize) {
    let bytes = text.as_bytes();
    let digits = Bits::of(bytes, is_base64);
    let mut tries = Tries {
        moved: MOVED_MOST,
        bare: BARE_MOST,
        wrapped: bytes.len().saturating_mul(WRAPPED_MOST),
    };
    // The lines that the current run goes on in, and where the next one may start.
    let (mut lines, mut done): (Vec<Range<usize>>, _) = (Vec::new(), 0);
    for (tried, run) in digits.runs(BASE64_LEAST).enumerate() {
        if tried >= RUNS_MOST || found.len() >= already + FOUND_MOST {
            return;
        }
        if run.start < done {
            continue;
        }
        // A line of lines that gave nothing together may be where an encoding starts.
        let known = lines.partition_point(|line| line.start < run.start);
        let is_new = lines.get(known).is_none_or(|line| line.start != run.start);
        if is_new {
            lines.clear();
            lines.push(run.clone());
            if run.len() >= LINE_LEAST {
                go_on(bytes, &digits, &mut lines);
            }
        }
        let from = if is_new { 0 } else { known };
        let rest = part(&lines, from..);
        let read = match rest {
            [first, .., last] if first.len() >= LINE_LEAST => {
                let all = first.start..last.end;
                wrapped(bytes, rest, &mut tries, found).or_else(|| {
                    // Once for all the lines, what else an encoding may be: turned round, moved, behind a path.
                    let is_other = is_new && decode(part(bytes, all.clone()), all.clone(), &mut tries, found);
                    is_other.then_some(all.end)
                })
            }
            _ => None,
        };
        done = read.unwrap_or_else(|| {
            decode(part(bytes, run.clone()), run.clone(), &mut tries, found);
            run.end
        });
    }
}

/// Adds the lines behind the one that is there: those of an encoding that was wrapped belong together.
fn go_on(bytes: &[u8], digits: &Bits, lines: &mut Vec<Range<usize>>) {
    while let Some(end) = lines.last().map(|last| last.end) {
        let gap = part(bytes, end..)
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let start = end + gap;
        if gap == 0 || gap > 2 || !is_base64(item(bytes, start)) {
            break;
        }
        lines.push(start..digits.end(start));
    }
}

/// How an encoding that was wrapped may be written: its digits, how they are read, and how many bits one has.
struct Wrapped {
    form: Form,
    is_digit: fn(&u8) -> bool,
    read: fn(&[u8]) -> Vec<u8>,
    bits: usize,
}

const WRAPPED: [Wrapped; 4] = [
    Wrapped {
        form: Form::Hex,
        is_digit: u8::is_ascii_hexdigit,
        read: hexadecimal,
        bits: 4,
    },
    Wrapped {
        form: Form::Base32,
        is_digit: |byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
        read: base32,
        bits: 5,
    },
    Wrapped {
        form: Form::Base32,
        is_digit: |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'),
        read: |digits| base32(&digits.to_ascii_uppercase()),
        bits: 5,
    },
    Wrapped {
        form: Form::Base64,
        is_digit: |byte| is_base64(*byte),
        read: base64,
        bits: 6,
    },
];

/// Reads an encoding that goes on in further lines, as far as what it holds is text: the first words of what stands behind
/// it look like digits of it too. Says where to go on; nothing where the first line has to be tried alone.
fn wrapped(bytes: &[u8], lines: &[Range<usize>], tries: &mut Tries, found: &mut Vec<Found>) -> Option<usize> {
    let first = lines.first()?;
    for how in &WRAPPED {
        let line = part(bytes, first.clone());
        let head = line.get(..HEAD_WRAPPED).unwrap_or(line);
        if !line.iter().all(how.is_digit) || !may_be_adopted(&(how.read)(head)) {
            continue;
        }
        let (mut dense, mut ends) = (Vec::new(), Vec::new());
        for line in lines {
            let digits = part(bytes, line.clone());
            // A sign alone is the bullet of a list, or a rule.
            if !digits.iter().all(how.is_digit) || !digits.iter().any(u8::is_ascii_alphanumeric) {
                break;
            }
            // Before they are copied: what is left bounds all that any line copies behind itself.
            let Some(left) = tries.wrapped.checked_sub(digits.len()) else {
                tries.wrapped = 0;
                return None;
            };
            tries.wrapped = left;
            dense.extend_from_slice(digits);
            ends.push((dense.len(), line.end));
        }
        let mixed = dense.iter().any(u8::is_ascii_uppercase) && dense.iter().any(u8::is_ascii_lowercase);
        if how.form == Form::Base64 && !mixed {
            continue;
        }
        let whole = (how.read)(&dense);
        let end = ends.last().map_or(first.end, |(_, end)| *end);
        if adopt(&whole, how.form, &(first.start..end), tries, found) {
            let other = if readable(&whole).is_some() {
                None
            } else {
                other_start(bytes, lines, how)
            };
            return Some(other.unwrap_or(end));
        }
        let fine = text_length(&whole);
        let last = ends
            .iter()
            .rev()
            .find(|(digits, _)| digits * how.bits / 8 <= fine);
        if let Some((digits, end)) = last
            && adopt(
                &(how.read)(part(&dense, ..*digits)),
                how.form,
                &(first.start..*end),
                tries,
                found,
            )
        {
            return Some(*end);
        }
    }
    None
}

/// Where the lines end that are no text by themselves, such as a stream with its end in the midst of them: before the next
/// one that looks like the start of something else.
fn other_start(bytes: &[u8], lines: &[Range<usize>], how: &Wrapped) -> Option<usize> {
    let starts = |line: &Range<usize>| {
        let line = part(bytes, line.clone());
        let head = (how.read)(line.get(..HEAD_WRAPPED).unwrap_or(line));
        may_be_adopted(&head) && width(&head).is_none()
    };
    let mut pairs = lines.iter().zip(lines.iter().skip(1));
    pairs.find(|(_, line)| starts(line)).map(|(before, _)| before.end)
}

/// How many of the first bytes are text as [`readable`] has it.
fn text_length(bytes: &[u8]) -> usize {
    let valid = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => str::from_utf8(part(bytes, ..error.valid_up_to())).unwrap_or_default(),
    };
    valid.find(|c: char| !is_printed(c)).unwrap_or(valid.len())
}

/// What is left to try in one text of what costs more than it often finds.
struct Tries {
    /// Runs that may have been turned round, or moved by thirteen.
    moved: usize,
    /// Runs that may be a deflate stream without a head.
    bare: usize,
    /// Digits that may be read over several lines.
    wrapped: usize,
}

/// Adds a layer where a run is an encoding, and says whether it is.
fn decode(run: &[u8], range: Range<usize>, tries: &mut Tries, found: &mut Vec<Found>) -> bool {
    let broken = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let dense = match run {
        whole if !whole.iter().any(broken) => Cow::Borrowed(whole),
        lines => Cow::Owned(lines.iter().copied().filter(|byte| !broken(byte)).collect()),
    };
    let mut adopt = |bytes: &[u8], form, tries: &mut Tries| adopt(bytes, form, &range, tries, found);
    let digits = dense.strip_prefix(b"0x").unwrap_or(&dense);
    if digits.len() >= HEX_LEAST
        && digits.len().is_multiple_of(2)
        && digits.iter().all(u8::is_ascii_hexdigit)
        && digits_of_hex(digits).any(|bytes| adopt(&bytes, Form::Hex, tries))
    {
        return true;
    }
    let upper = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
    let lower = |byte: &u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    if dense.len() >= BASE32_LEAST
        && (dense.iter().all(upper) || dense.iter().all(lower))
        && adopt(&base32(&dense.to_ascii_uppercase()), Form::Base32, tries)
    {
        return true;
    }
    // A path or a word is base64 by its letters alone; text encoded so has both cases.
    let mixed = dense.iter().any(u8::is_ascii_uppercase) && dense.iter().any(u8::is_ascii_lowercase);
    if !mixed {
        return false;
    }
    // What stands before an encoding without a gap, such as a path or a key, moves it: try from each part too.
    for part in parts(&dense) {
        if part.len() >= BASE64_LEAST
            && may_be_adopted(&base64(head(part)))
            && adopt(&base64(part), Form::Base64, tries)
        {
            return true;
        }
    }
    // Turned round it starts with what filled it up, so its first digits may not be whole.
    if dense.len() < MOVED_LEAST || tries.moved == 0 {
        return false;
    }
    tries.moved -= 1;
    let back = |most: usize| dense.iter().rev().take(most).copied().collect::<Vec<u8>>();
    let moved = |most: usize| dense.iter().take(most).map(|digit| rot13(*digit)).collect();
    for digits in [&back as &dyn Fn(usize) -> Vec<u8>, &moved] {
        if may_be_adopted(&base64(&digits(HEAD_DIGITS)))
            && adopt(&base64(&digits(usize::MAX)), Form::Base64, tries)
        {
            return true;
        }
    }
    false
}

/// Bytes that tell whether the whole may become a layer, and digits of base64 that hold as many.
const HEAD: usize = 18;
const HEAD_DIGITS: usize = HEAD / 3 * 4;
/// Digits of any base that hold about as many.
const HEAD_WRAPPED: usize = 40;

fn head(digits: &[u8]) -> &[u8] {
    digits.get(..HEAD_DIGITS).unwrap_or(digits)
}

/// Whether bytes that start so may become a layer: most runs are names and paths, and need not be decoded whole.
fn may_be_adopted(head: &[u8]) -> bool {
    let packed = matches!(head, [0x1f, 0x8b, 8, ..] | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]);
    let bare = head.first().is_some_and(|first| is_block(*first, head));
    packed || bare || may_be_text(head) || width(head).is_some()
}

/// The bytes that hexadecimal digits stand for, forwards and turned round, as far as they may be text.
fn digits_of_hex(digits: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let pairs = digits.as_chunks::<2>().0;
    let forwards = move |most: usize| {
        let bytes = pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low));
        bytes.take(most).collect::<Vec<u8>>()
    };
    let back = move |most: usize| {
        let bytes = pairs
            .iter()
            .rev()
            .map(|[low, high]| nibble(*high) << 4 | nibble(*low));
        bytes.take(most).collect::<Vec<u8>>()
    };
    // Of eight digits each one bit: binary digits read as hexadecimal are no text.
    let bits = move |most: usize| {
        let all = digits.iter().all(|digit| matches!(digit, b'0' | b'1'));
        let eights = digits.as_chunks::<8>().0.iter().take(if all { most } else { 0 });
        let bytes = eights.map(|eight| eight.iter().fold(0, |byte, bit| byte << 1 | (bit & 1)));
        bytes.collect::<Vec<u8>>()
    };
    let may = |read: &dyn Fn(usize) -> Vec<u8>| {
        let head = read(HEAD);
        (!head.is_empty() && may_be_adopted(&head)).then(|| read(usize::MAX))
    };
    [may(&forwards), may(&back), may(&bits)].into_iter().flatten()
}

const fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        other => other,
    }
}

/// The whole, and what follows the last sign that is seldom part of an encoding.
fn parts(dense: &[u8]) -> impl Iterator<Item = &[u8]> {
    let sign = dense.iter().rposition(|byte| matches!(byte, b'/' | b'-' | b'_'));
    let last = sign.and_then(|at| dense.get(at + 1..));
    std::iter::once(dense).chain(last)
}

/// Adds a layer where the bytes are text or unpack to text. Says whether they did.
fn adopt(bytes: &[u8], form: Form, range: &Range<usize>, tries: &mut Tries, found: &mut Vec<Found>) -> bool {
    let fits = may_be_text(bytes);
    let unpacked = match bytes {
        [0x1f, 0x8b, 8, ..] => unpack(flate2::read::GzDecoder::new(bytes)),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => unpack(flate2::read::ZlibDecoder::new(bytes)),
        // Without a head: the kind of the first block is all there is to go by, and of one that was only stored its
        // length, which is there twice (RFC 1951, 3.2.3).
        [first, ..] if !fits && is_block(*first, bytes) && bytes.len() >= BARE_LEAST && tries.bare > 0 => {
            tries.bare -= 1;
            unpack(flate2::read::DeflateDecoder::new(bytes))
        }
        _ => None,
    };
    // What begins like a bare stream may unpack to anything, and be text in UTF-16 all the same.
    let unpacked = unpacked.as_deref().and_then(readable);
    let wide = if unpacked.is_none() { wide(bytes) } else { None };
    let (text, form) = match (unpacked, &wide) {
        (Some(unpacked), _) => (Some(unpacked), Form::Compressed),
        (None, Some(wide)) => (readable(wide.as_bytes()), form),
        (None, None) if !fits => (None, form),
        (None, None) => (readable(bytes), form),
    };
    let Some(text) = text else {
        return false;
    };
    found.push(Found {
        text: text.to_owned(),
        form,
        map: Map::whole(range.clone()),
    });
    true
}

/// Whether the first bytes are those of text in UTF-16, and which of each two comes first: true for the lower. One of
/// each two bytes tells: it is of few kinds.
fn width(bytes: &[u8]) -> Option<bool> {
    const LEAST: usize = 8;
    // Latin letters, those that look like them, characters that nobody sees, and halves of those beyond.
    let tells = |byte: u8| matches!(byte, 0..=5 | 0x11 | 0x1d | 0x1e | 0x20 | 0x21 | 0x24 | 0x28 | 0x31 | 0xd8..=0xdf | 0xfe | 0xff);
    let head = unmarked(bytes).get(..2 * LEAST)?.as_chunks::<2>().0.iter();
    let (low, high) = head.fold((0, 0), |(low, high), [first, second]| {
        (
            low + usize::from(tells(*second)),
            high + usize::from(tells(*first)),
        )
    });
    (low.max(high) * 8 >= LEAST * 7).then_some(low >= high)
}

/// Without the mark that says which byte comes first.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes
        .strip_prefix(b"\xff\xfe")
        .or_else(|| bytes.strip_prefix(b"\xfe\xff"))
        .unwrap_or(bytes)
}

/// Text in UTF-16, as programs of Windows pass it in base64.
fn wide(bytes: &[u8]) -> Option<String> {
    let low_first = width(bytes)?;
    let units = unmarked(bytes)
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| match low_first {
            true => u16::from_le_bytes(*pair),
            false => u16::from_be_bytes(*pair),
        });
    char::decode_utf16(units).collect::<Result<String, _>>().ok()
}

/// Whether bytes may start a deflate stream: random ones seldom may, and setting a reader up costs more than this.
pub(super) fn is_block(first: u8, bytes: &[u8]) -> bool {
    match (first >> 1 & 3, bytes) {
        (0, [_, low, high, not_low, not_high, ..]) => *low == !*not_low && *high == !*not_high,
        (1, _) => begins_with_text(bytes),
        (2, _) => has_whole_code(bytes),
        _ => false,
    }
}

/// Bits of a stream from one on, the first lowest (RFC 1951, 3.1.1).
fn bits(bytes: &[u8], from: usize, count: usize) -> usize {
    let bit = |at: usize| usize::from(item(bytes, at / 8) >> (at % 8) & 1);
    (0..count).fold(0, |sum, at| sum | bit(from + at) << at)
}

/// A block of the fixed code that holds text starts with a byte of it, since there is nothing before it to repeat, and
/// goes on with text until it repeats something (RFC 1951, 3.2.6).
fn begins_with_text(bytes: &[u8]) -> bool {
    let mut head = [0; 8];
    let (mut at, mut length) = (3, 0);
    for byte in &mut head {
        // Codes are packed from their highest bit on: seven bits repeat or end, eight are a byte below 144, nine another.
        let code = (bits(bytes, at, 8) as u8).reverse_bits();
        (at, *byte) = match code {
            0..=0x2f | 0xc0..=0xc7 => break,
            0x30..=0xbf => (at + 8, code - 0x30),
            0xc8.. => (at + 9, (code - 0xc8) * 2 + bits(bytes, at + 8, 1) as u8 + 144),
        };
        length += 1;
    }
    length > 0 && may_be_text(head.get(..length).unwrap_or(&head))
}

/// A block of its own codes says how long these are, by a code that has to leave no place unused (RFC 1951, 3.2.7).
fn has_whole_code(bytes: &[u8]) -> bool {
    let (literals, distances, lengths) = (bits(bytes, 3, 5), bits(bytes, 8, 5), bits(bytes, 13, 4) + 4);
    let places: usize = (0..lengths)
        .map(|at| bits(bytes, 17 + 3 * at, 3))
        .filter(|length| *length > 0)
        .map(|length| 128 >> length)
        .sum();
    literals < 30 && distances < 30 && places == 128
}

/// Whether the first bytes are text, as far as they tell.
fn may_be_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..12).unwrap_or(bytes);
    let valid = match str::from_utf8(head) {
        Ok(_) => head.len(),
        // What is cut off in the middle of a character is none yet.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    head.iter()
        .take(valid)
        .all(|byte| *byte >= 0x20 && *byte != 0x7f || matches!(byte, b'\n' | b'\t' | b'\r' | 0x1b))
}

/// What could be unpacked within the bound; a stream that breaks off still gives its start.
fn unpack(reader: impl std::io::Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = reader.take(UNPACKED_MOST);
    let mut block = [0; 4096];
    while let Ok(read @ 1..) = reader.read(&mut block) {
        out.extend_from_slice(block.get(..read).unwrap_or_default());
    }
    (!out.is_empty()).then_some(out)
}

/// Whether a character stands in texts: any but those that control a device.
fn is_printed(c: char) -> bool {
    !c.is_control() || matches!(c, '\n' | '\t' | '\r' | '\u{1b}')
}

/// So many printable characters in a row are no chance, whatever they are.
const PRINTABLE_LEAST: usize = 32;
/// So many unseen characters spell something.
const UNSEEN_LEAST: usize = 8;

/// Bytes as text, where they are text: UTF-8 that is all printable, and short only where it is mostly letters and spaces.
pub(crate) fn readable(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < 8 {
        return None;
    }
    let text = str::from_utf8(bytes).ok()?;
    let (mut all, mut fine, mut letters, mut unseen) = (0_usize, 0_usize, 0_usize, 0_usize);
    for c in text.chars() {
        // What nobody sees says nothing for or against; what it hides is the next layer's to read.
        if super::unicode::is_unseen(c) {
            unseen += 1;
            continue;
        }
        all += 1;
        fine += usize::from(is_printed(c));
        letters += usize::from(c.is_alphanumeric() || c == ' ');
    }
    let long = all >= PRINTABLE_LEAST || unseen >= UNSEEN_LEAST;
    (fine == all && (long || letters * 10 >= all * 7)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line may be where an encoding starts, so what all of them read behind themselves has to end.
    #[test]
    fn digits_are_read_over_lines_as_often_as_is_left_and_no_more() {
        let line = "SWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnMhSWdub3JlIGFsbCBwcmV2";
        let text = format!("{line}\n{line}\n{line}\n");
        let lines: Vec<Range<usize>> = (0..3)
            .map(|at| at * (line.len() + 1)..at * (line.len() + 1) + line.len())
            .collect();
        let read = |left: usize| {
            let mut tries = Tries {
                moved: 0,
                bare: 0,
                wrapped: left,
            };
            let mut found = Vec::new();
            let end = wrapped(text.as_bytes(), &lines, &mut tries, &mut found);
            (end, found.len(), tries.wrapped)
        };
        assert_eq!(read(1_000), (Some(text.len() - 1), 1, 1_000 - 3 * line.len()));
        // What does not suffice is spent.
        assert_eq!(read(2 * line.len() + 1), (None, 0, 0));
        assert_eq!(read(0), (None, 0, 0));
    }
}
