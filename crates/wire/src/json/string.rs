//! String tokens: where they end, and what they say.

use bartizan_types::Code;

use super::Fault;

/// The end of a string token.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// Byte of the closing quote.
    pub(super) at: usize,
    /// There are escapes in it.
    pub(super) escaped: bool,
}

/// Finds the end of the string whose first byte after the quote is at `start`. The bytes are UTF-8.
#[inline]
pub(super) fn end(bytes: &[u8], start: usize) -> Result<End, Fault> {
    let mut at = start;
    let mut escaped = false;
    loop {
        at += plain(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            Some(b'"') => return Ok(End { at, escaped }),
            Some(b'\\') => {
                escaped = true;
                at = escape(bytes, at)?;
            }
            // A bare control character, or the end of the input.
            _ => return Err(Fault::new(Code::JsonSyntax, at)),
        }
    }
}

const fn special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes at the front need no attention. Keys and short values end within the first 16; longer text goes
/// 32 bytes at a time through a loop the compiler turns into vector code.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let head = bytes.get(..16).unwrap_or(bytes);
    for (at, byte) in head.iter().enumerate() {
        if special(*byte) {
            return at;
        }
    }
    let rest = bytes.get(head.len()..).unwrap_or_default();
    let mut at = head.len();
    for chunk in rest.as_chunks::<32>().0 {
        if chunk.iter().fold(false, |found, byte| found | special(*byte)) {
            break;
        }
        at += 32;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|byte| special(*byte)).unwrap_or(tail.len())
}

/// Checks the escape at `at`; returns where it ends.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let unit = hex(bytes, at + 2).ok_or(Fault::new(Code::JsonSyntax, at))?;
            match unit {
                0xD800..=0xDBFF => {
                    let low = match bytes.get(at + 6..at + 8) {
                        Some(b"\\u") => hex(bytes, at + 8).ok_or(Fault::new(Code::JsonSyntax, at + 6))?,
                        _ => 0,
                    };
                    if (0xDC00..=0xDFFF).contains(&low) {
                        Ok(at + 12)
                    } else {
                        Err(Fault::new(Code::JsonSurrogate, at))
                    }
                }
                0xDC00..=0xDFFF => Err(Fault::new(Code::JsonSurrogate, at)),
                _ => Ok(at + 6),
            }
        }
        _ => Err(Fault::new(Code::JsonSyntax, at)),
    }
}

fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0_u32, |unit, digit| {
        Some((unit << 4) | char::from(*digit).to_digit(16)?)
    })
}

/// Appends what the inside of a checked string token says, as UTF-8.
///
/// INVARIANT: the token passed [`end`], so an escape that can't be read does not occur; if one did it would be kept
/// as it stands.
pub(super) fn unescape(token: &[u8], out: &mut Vec<u8>) {
    let mut rest = token;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let (used, char) = match rest.get(at + 1) {
            Some(b'b') => (2, '\u{8}'),
            Some(b'f') => (2, '\u{c}'),
            Some(b'n') => (2, '\n'),
            Some(b'r') => (2, '\r'),
            Some(b't') => (2, '\t'),
            Some(b'u') => unit(rest, at),
            Some(other) => (2, char::from(*other)),
            None => (1, '\\'),
        };
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(at + used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn unit(bytes: &[u8], at: usize) -> (usize, char) {
    let Some(high) = hex(bytes, at + 2) else {
        return (1, '\\');
    };
    if let Some(char) = char::from_u32(high) {
        return (6, char);
    }
    let low = hex(bytes, at + 8).unwrap_or(0);
    let code = 0x1_0000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
    (12, char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
}
