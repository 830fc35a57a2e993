//! RFC 8785, the JSON Canonicalization Scheme: equal values, equal bytes.

use bartizan_types::Code;
use serde_json::value::RawValue;

use super::{Bounds, Fault, number, scan, string};

/// The RFC 8785 form of a value: no white space, members sorted by UTF-16 code units, ECMAScript numbers.
///
/// One step stricter than the RFC: an integer literal that a double can't hold exactly is refused, since rounding it
/// would give two different calls one hash.
///
/// # Errors
/// As [`scan`] with default bounds, so duplicates and lone surrogates too, and [`Code::JsonNumber`] for such integers.
pub fn canonical(value: &RawValue) -> Result<Vec<u8>, Fault> {
    let text = scan(value.get().as_bytes(), &Bounds::default())?.bytes();
    let mut out = Vec::with_capacity(text.len());
    Walk { text, at: 0 }.value(&mut out)?;
    Ok(out)
}

/// Recursion is bounded by the scan's depth.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
}

struct Member {
    /// RFC 8785 section 3.2.3 sorts by UTF-16 code units, which is not the order of UTF-8 bytes.
    units: Vec<u16>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Walk<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(out),
            Some(b'[') => self.array(out),
            Some(b'"') => {
                let text = self.string()?;
                write_string(&text, out);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.at = number::end(self.text, start)?.at;
                let token = self.text.get(start..self.at).unwrap_or_default();
                let token = std::str::from_utf8(token).unwrap_or_default();
                number::canonical(token, out).map_err(|code| Fault::new(code, start))
            }
            Some(word) => {
                let word: &[u8] = match word {
                    b't' => b"true",
                    b'f' => b"false",
                    _ => b"null",
                };
                self.at += word.len();
                out.extend_from_slice(word);
                Ok(())
            }
            None => Err(Fault::new(Code::JsonSyntax, self.at)),
        }
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.at += 1;
        let mut members = Vec::new();
        while !self.take(b'}') {
            if self.peek() == Some(b',') {
                self.at += 1;
                self.peek();
            }
            let key = self.string()?;
            if !self.take(b':') {
                return Err(Fault::new(Code::JsonSyntax, self.at));
            }
            let mut value = Vec::new();
            self.value(&mut value)?;
            let units = std::str::from_utf8(&key)
                .unwrap_or_default()
                .encode_utf16()
                .collect();
            members.push(Member { units, key, value });
        }
        members.sort_unstable_by(|a, b| a.units.cmp(&b.units));
        out.push(b'{');
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(&member.key, out);
            out.push(b':');
            out.extend_from_slice(&member.value);
        }
        out.push(b'}');
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.at += 1;
        out.push(b'[');
        while !self.take(b']') {
            if self.take(b',') {
                out.push(b',');
            }
            self.value(out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn string(&mut self) -> Result<Vec<u8>, Fault> {
        let start = self.at + 1;
        let end = string::end(self.text, start)?.at;
        self.at = end + 1;
        let mut said = Vec::with_capacity(end - start);
        string::unescape(self.text.get(start..end).unwrap_or_default(), &mut said);
        Ok(said)
    }
}

/// RFC 8785 section 3.2.2.2: the two-letter escapes where JSON has them, `\u00xx` in lower case for other controls,
/// everything else as it is.
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in text {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x09 => b't',
            0x0A => b'n',
            0x0C => b'f',
            0x0D => b'r',
            0x00..0x20 => {
                let low = HEX.get(usize::from(byte & 15)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
                continue;
            }
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
}
