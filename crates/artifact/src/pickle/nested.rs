//! Bytes and texts in a pickle that are pickles themselves: raw, in base64, in hexadecimal, in an archive.

use super::{
    Ending,
    machine::{Machine, Step},
};
use crate::{
    feed::{BUFFER, Feed},
    finding::Verdict,
    format,
    pack::Packing,
    source::View,
    tar,
};

/// Bytes of an encoded text that are decoded.
const DECODED: usize = 1 << 15;
/// Packed bytes that are unpacked.
const PACKED: usize = BUFFER;
/// How packed bytes begin in base64: gzip, zlib, bzip2, xz.
const PACKED_BASE64: [&[u8]; 6] = [b"H4sI", b"eJ", b"eN", b"eA", b"Qlpo", b"/Td6"];

impl Machine<'_, '_, '_, '_> {
    /// Passes over `length` bytes, and follows them where they look like a pickle. `true`: they were followed to STOP.
    pub(super) fn look_inside(&mut self, length: u64, text: bool) -> Step<bool> {
        let end = self
            .feed
            .offset()
            .checked_add(length)
            .ok_or(crate::feed::Stop::End)?;
        if end > self.feed.end() {
            return Err(crate::feed::Stop::End.into());
        }
        let mut followed = false;
        if length >= 4 && !self.context.probing {
            let head = self.feed.peek(most_of(length, 64))?.to_vec();
            followed = match head.as_slice() {
                [0x80, 0..=5, ..] if !text => self.follow(end)?,
                [b'c' | b'(' | b']' | b'}', ..] if head.contains(&b'\n') => self.follow(end)?,
                [b'P', b'K', 3, 4, ..] if !text => self.follow_archive(length)?,
                _ if !text && Packing::of(&head).is_some() => {
                    let bytes = self.feed.peek(most_of(length, PACKED))?.to_vec();
                    self.follow_held(&bytes);
                    false
                }
                // How older protocols write bytes: as a text whose letters they are.
                [0xc2, 0x80, 2..=5, ..] if text => {
                    let bytes = narrowed(self.feed.peek(most_of(length, BUFFER))?);
                    self.follow_held(&bytes);
                    false
                }
                _ if !text && length >= 512 && tar::is_header(self.feed.peek(512)?) => {
                    self.follow_archive(length)?
                }
                _ if encoded(&head) => {
                    self.follow_decoded(length)?;
                    false
                }
                _ => false,
            };
        }
        let left = end.saturating_sub(self.feed.offset());
        self.feed.skip(left)?;
        Ok(followed)
    }

    fn follow(&mut self, end: u64) -> Step<bool> {
        let outer = self.feed.end_at(end);
        let mark = self.scan.mark();
        let member = format!("bytes@{}", self.feed.offset());
        let (feed, depth) = (&mut *self.feed, self.depth + 1);
        let ending = self
            .scan
            .inside(&member, |scan| {
                let (ending, legacy) = super::one_noting(feed, scan, self.context, depth);
                if legacy && ending.is_whole() {
                    super::legacy_torch(feed, scan);
                }
                ending
            })
            .unwrap_or(Ending::Limit(0));
        self.feed.end_at(outer);
        let whole = ending.is_whole();
        if matches!(ending, Ending::Limit(_)) {
            super::tell(self.scan, &ending);
        } else if !whole && self.scan.worst_since(mark) < Verdict::Malicious {
            self.scan.forget(mark);
        }
        Ok(whole)
    }

    fn follow_archive(&mut self, length: u64) -> Step<bool> {
        let member = format!("bytes@{}", self.feed.offset());
        let view = self
            .feed
            .seekable()
            .map(|view| view.part(self.feed.offset(), length));
        let held;
        let view = match view {
            Some(view) => view,
            None => {
                if length > self.scan.limits.held_bytes as u64 {
                    return Ok(false);
                }
                let mut bytes = Vec::new();
                let mut left = length;
                while left > 0 {
                    let step = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
                    bytes.extend_from_slice(self.feed.need(step)?);
                    left -= step as u64;
                }
                held = bytes;
                View::all(&held)
            }
        };
        self.scan
            .inside(&member, |scan| format::whole(scan, view, &member));
        Ok(true)
    }

    fn follow_decoded(&mut self, length: u64) -> Step {
        let decoded = decode(self.feed.peek(most_of(length, BUFFER))?);
        self.follow_held(&decoded);
        Ok(())
    }

    /// The same for a text short enough to have been read already.
    pub(super) fn look_inside_short(&mut self, text: &[u8]) {
        if self.context.probing {
            return;
        }
        if encoded(text) {
            let decoded = decode(text);
            self.follow_held(&decoded);
        } else if text.starts_with(&[0xc2, 0x80]) {
            self.follow_held(&narrowed(text));
        } else if text.contains(&b'\n') {
            self.follow_held(text);
        }
    }

    /// Follows bytes that are at hand, and keeps what is found only if it runs code.
    fn follow_held(&mut self, bytes: &[u8]) {
        let held = bytes.to_vec();
        let member = format!("text@{}", self.at);
        let depth = self.depth + 1;
        let mark = self.scan.mark();
        self.scan.inside(&member, |scan| {
            if Packing::of(&held).is_some() {
                format::whole(scan, View::all(&held), "bytes");
                return;
            }
            let mut feed = Feed::view(View::all(&held));
            super::one(&mut feed, scan, &super::Context::default(), depth);
        });
        if self.scan.worst_since(mark) < Verdict::Malicious {
            self.scan.forget(mark);
        }
    }
}

fn most_of(length: u64, most: usize) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX).min(most)
}

/// The bytes that are a text's letters, as far as they are.
fn narrowed(text: &[u8]) -> Vec<u8> {
    let whole = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(fault) => {
            std::str::from_utf8(text.get(..fault.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
    };
    whole
        .chars()
        .map_while(|letter| u8::try_from(u32::from(letter)).ok())
        .take(DECODED)
        .collect()
}

/// Whether a text's first byte is one that an encoded pickle, or one of protocol 0, begins with.
pub(super) fn may_hold(text: &[u8]) -> bool {
    text.len() >= 16
        && matches!(
            text,
            [
                b'g' | b'Y'
                    | b'K'
                    | b'8'
                    | b'6'
                    | b'2'
                    | b'c'
                    | b'('
                    | b']'
                    | b'}'
                    | b'H'
                    | b'e'
                    | b'Q'
                    | b'/'
                    | 0xc2,
                ..
            ]
        )
}

/// Whether it begins as an encoded pickle does.
fn encoded(head: &[u8]) -> bool {
    let base64 = head.len() >= 12
        && (head.starts_with(b"gA")
            || head.starts_with(b"Y2")
            || head.starts_with(b"KG")
            || head.starts_with(b"Y3")
            || PACKED_BASE64.iter().any(|start| head.starts_with(start)))
        && head.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\n' | b'\r')
        });
    let hex = head.len() >= 12
        && (head.starts_with(b"800") || head.starts_with(b"63") || head.starts_with(b"28"))
        && head.iter().all(u8::is_ascii_hexdigit);
    base64 || hex
}

fn decode(text: &[u8]) -> Vec<u8> {
    let hex = text.iter().take(64).all(u8::is_ascii_hexdigit);
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text {
        let (digit, width) = match (hex, *byte) {
            (true, byte) => match char::from(byte).to_digit(16) {
                Some(digit) => (digit, 4),
                None => break,
            },
            (false, byte @ b'A'..=b'Z') => (u32::from(byte - b'A'), 6),
            (false, byte @ b'a'..=b'z') => (u32::from(byte - b'a') + 26, 6),
            (false, byte @ b'0'..=b'9') => (u32::from(byte - b'0') + 52, 6),
            (false, b'+' | b'-') => (62, 6),
            (false, b'/' | b'_') => (63, 6),
            (false, b'\n' | b'\r') => continue,
            _ => break,
        };
        held = held << width | digit;
        bits += width;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
        if bytes.len() >= DECODED {
            break;
        }
    }
    bytes
}
