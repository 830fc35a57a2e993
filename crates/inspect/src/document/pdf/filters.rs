//! What is undone of a stream before it is read: the filters of PDF that pack words (ISO 32000-1, 7.4), in their order.
//!
//! It refuses those of pictures, and encryption. INVARIANT: all steps together give no more bytes than may still be unpacked.

use super::super::Out;
use super::value;
use crate::safe::{item, part};

/// Most filters of one stream. Writers use two.
const FILTERS_MOST: usize = 8;

/// A stream's bytes without its filters. `None`: some of them is not undone here.
pub(super) fn undone(dictionary: &[u8], data: &[u8], out: &mut Out) -> Option<Vec<u8>> {
    let dictionary = unescaped(dictionary);
    let mut plain: Option<Vec<u8>> = None;
    for filter in filters(&dictionary)? {
        let packed = plain.as_deref().unwrap_or(data);
        let next = match filter.as_slice() {
            b"FlateDecode" | b"Fl" => out.unpack(flate2::read::ZlibDecoder::new(packed)),
            b"ASCII85Decode" | b"A85" => ascii85(packed, out),
            b"ASCIIHexDecode" | b"AHx" => hexadecimal(packed, out),
            b"RunLengthDecode" | b"RL" => run_length(packed, out),
            b"LZWDecode" | b"LZW" => lzw(packed, value(&dictionary, b"/EarlyChange") != Some(0), out),
            _ => return None,
        };
        plain = Some(next);
    }
    // Rows of differences are no words (7.4.4.4); a table of places has none to begin with.
    let differs = value(&dictionary, b"/Predictor").is_some_and(|kind| kind > 1);
    out.cut |= differs && memchr::memmem::find(&dictionary, b"/XRef").is_none();
    Some(plain.unwrap_or_else(|| {
        let length = data.len().min(out.left);
        out.cut |= data.len() > length;
        out.left -= length;
        part(data, ..length).to_vec()
    }))
}

/// Names may have their letters as codes (7.3.5).
fn unescaped(dictionary: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(dictionary.len());
    let mut rest = dictionary;
    while let [first, after @ ..] = rest {
        rest = after;
        let digit = |at: usize| char::from(item(after, at)).to_digit(16).map(|digit| digit as u8);
        match (*first, digit(0), digit(1)) {
            (b'#', Some(high), Some(low)) => {
                plain.push(high << 4 | low);
                rest = part(after, 2..);
            }
            _ => plain.push(*first),
        }
    }
    plain
}

/// The filters that a dictionary names, in their order. `None`: they are not to be told from it.
fn filters(dictionary: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut named = None;
    for at in memchr::memmem::find_iter(dictionary, b"/Filter") {
        let rest = part(dictionary, at + b"/Filter".len()..);
        if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let rest = rest.trim_ascii_start();
        let names = match rest {
            [b'[', list @ ..] => part(list, ..memchr::memchr(b']', list)?),
            [b'/', name @ ..] => {
                let end = name
                    .iter()
                    .position(|byte| byte.is_ascii_whitespace() || b"/<>[](".contains(byte));
                part(rest, ..end.map_or(rest.len(), |end| end + 1))
            }
            [b'n', ..] => b"",
            // Another object says it.
            _ => return None,
        };
        let names: Vec<Vec<u8>> = names
            .split(|byte| byte.is_ascii_whitespace() || *byte == b'/')
            .filter(|name| !name.is_empty() && *name != b"null")
            .map(<[u8]>::to_vec)
            .collect();
        // One reader takes the first of two, another the last.
        if names.len() > FILTERS_MOST || named.as_ref().is_some_and(|before| *before != names) {
            return None;
        }
        named = Some(names);
    }
    Some(named.unwrap_or_default())
}

/// Adds a byte, where there is room. Says whether there was.
fn add(plain: &mut Vec<u8>, bytes: &[u8], out: &mut Out) -> bool {
    let fits = bytes.len() <= out.left;
    if fits {
        out.left -= bytes.len();
        plain.extend(bytes);
    } else {
        out.cut = true;
    }
    fits
}

/// Four bytes are five digits of base 85, four zeros are `z` (7.4.3).
fn ascii85(packed: &[u8], out: &mut Out) -> Vec<u8> {
    let packed = packed.trim_ascii_start();
    let packed = packed.strip_prefix(b"<~").unwrap_or(packed);
    let (mut plain, mut group, mut count) = (Vec::new(), 0_u64, 0_usize);
    for byte in packed {
        let digit = match byte {
            b'!'..=b'u' => u64::from(byte - b'!'),
            b'z' if count == 0 => {
                if !add(&mut plain, &[0; 4], out) {
                    return plain;
                }
                continue;
            }
            b'~' => break,
            _ => continue,
        };
        group = group * 85 + digit;
        count += 1;
        if count == 5 {
            if !add(&mut plain, &(group as u32).to_be_bytes(), out) {
                return plain;
            }
            (group, count) = (0, 0);
        }
    }
    if count > 1 {
        // A group that ends early is filled up with the highest digit.
        let whole = (count..5).fold(group, |group, _| group * 85 + 84) as u32;
        add(&mut plain, part(&whole.to_be_bytes(), ..count - 1), out);
    }
    plain
}

/// Two digits a byte, up to `>` (7.4.2).
fn hexadecimal(packed: &[u8], out: &mut Out) -> Vec<u8> {
    let end = memchr::memchr(b'>', packed).unwrap_or(packed.len());
    let (mut plain, mut high) = (Vec::new(), None);
    let digits = part(packed, ..end)
        .iter()
        .filter_map(|byte| char::from(*byte).to_digit(16));
    for digit in digits {
        let digit = digit as u8;
        match high.take() {
            None => high = Some(digit),
            Some(high) => {
                if !add(&mut plain, &[high << 4 | digit], out) {
                    return plain;
                }
            }
        }
    }
    if let Some(high) = high {
        add(&mut plain, &[high << 4], out);
    }
    plain
}

/// A length, then so many bytes, or one byte so many times (7.4.5).
fn run_length(packed: &[u8], out: &mut Out) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), packed);
    while let [length, after @ ..] = rest {
        let length = usize::from(*length);
        let fits = match length {
            0..128 => {
                rest = part(after, length + 1..);
                add(&mut plain, part(after, ..after.len().min(length + 1)), out)
            }
            128 => break,
            _ => {
                rest = part(after, 1..);
                let repeated = [item(after, 0); 128];
                add(&mut plain, part(&repeated, ..257 - length), out)
            }
        };
        if !fits {
            break;
        }
    }
    plain
}

/// Codes of nine to twelve bits for what was read before (7.4.4).
fn lzw(packed: &[u8], early: bool, out: &mut Out) -> Vec<u8> {
    const CLEAR: usize = 256;
    const END: usize = 257;
    let mut plain: Vec<u8> = Vec::new();
    // Where in `plain` each code beyond the bytes stands.
    let mut table: Vec<(usize, usize)> = Vec::new();
    let (mut bits, mut held, mut width) = (0_u32, 0_u32, 9_u32);
    let mut last: Option<(usize, usize)> = None;
    for byte in packed {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        if held < width {
            continue;
        }
        held -= width;
        let code = (bits >> held) as usize & ((1 << width) - 1);
        bits &= (1 << held) - 1;
        if code == END {
            break;
        } else if code == CLEAR {
            table.clear();
            (width, last) = (9, None);
            continue;
        }
        let start = plain.len();
        let said: Vec<u8> = match (code, table.get(code.wrapping_sub(END + 1)), last) {
            (0..CLEAR, ..) => vec![code as u8],
            (_, Some((from, to)), _) => part(&plain, *from..*to).to_vec(),
            // The code that is just being made: what was last, and its first byte again.
            (_, None, Some((from, to))) if code == END + 1 + table.len() => {
                let before = part(&plain, from..to);
                [before, part(before, ..1)].concat()
            }
            _ => {
                out.cut = true;
                break;
            }
        };
        if !add(&mut plain, &said, out) {
            break;
        }
        if let Some((from, to)) = last
            && table.len() < 4096 - (END + 1)
        {
            // It goes on with the first byte of what follows, which stands right behind it.
            table.push((from, to + 1));
        }
        last = Some((start, plain.len()));
        let next = END + 1 + table.len() + usize::from(early);
        width = match next {
            0..512 => 9,
            512..1024 => 10,
            1024..2048 => 11,
            _ => 12,
        };
    }
    plain
}

#[cfg(test)]
mod tests;
