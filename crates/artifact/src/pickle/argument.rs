//! Arguments of opcodes that are as long as the file says: texts, bytes, large numbers.

use super::{
    machine::{Machine, Step},
    text::LONGEST,
    value::{PAYLOAD, Value},
};
use crate::{finding::Verdict, rule};

impl Machine<'_, '_, '_, '_> {
    /// An argument that CPython can't read: it stops here. Looser readers go on, and so do we.
    pub(super) fn malformed(&mut self, what: &'static str) {
        if !self.context.probing {
            let why = format!("CPython stops at {what}; what follows was looked at all the same");
            self.scan
                .find(&rule::BREAKS, Verdict::Unknown, self.at, "argument", why);
        }
    }

    /// Reads a text of `length` bytes in UTF-8. A text beyond what the feed holds at once is not checked for it.
    #[inline]
    pub(super) fn unicode(&mut self, length: u64) -> Step {
        let count = usize::try_from(length).unwrap_or(usize::MAX);
        let ahead = self.feed.peek(count)?;
        if ahead.len() == count && !super::escape::decodes(ahead) {
            self.malformed("a text that is not UTF-8");
        }
        self.text(length)
    }

    /// Reads a text of `length` bytes.
    #[inline]
    pub(super) fn text(&mut self, length: u64) -> Step {
        if length > LONGEST as u64 {
            return self.long_text(length);
        }
        let bytes = self.feed.need(length as usize)?;
        let value = self.texts.push(bytes);
        if super::nested::may_hold(bytes) {
            let held = bytes.to_vec();
            self.look_inside_short(&held);
        }
        self.push(value)
    }

    fn long_text(&mut self, length: u64) -> Step {
        let may_be = self.watch.is_on() && length <= super::state::TEMPLATE;
        let template = may_be && super::state::is_template(self.feed.peek(length as usize)?);
        self.look_inside(length, true)?;
        self.push(if template { Value::TEMPLATE } else { Value::DATA })
    }

    pub(super) fn blob(&mut self, length: u64) -> Step {
        self.blobs = (self.blobs + 1).min(PAYLOAD);
        if self.look_inside(length, false)? && self.blobs < PAYLOAD {
            self.followed.insert(self.blobs);
        }
        self.push(Value::bytes(self.blobs))
    }

    /// A number of `length` bytes, little end first.
    pub(super) fn long(&mut self, length: u64) -> Step {
        if length > 16 {
            self.feed.skip(length)?;
            return self.push(Value::NUMBER);
        }
        let bytes = self.feed.need(length as usize)?;
        if bytes == super::MAGIC {
            self.legacy = true;
        }
        let mut number = 0_u64;
        let mut small = true;
        for (at, byte) in bytes.iter().enumerate() {
            match at {
                0..8 => number |= u64::from(*byte) << (8 * at),
                _ => small &= *byte == 0,
            }
        }
        let negative = bytes.last().is_some_and(|last| *last >= 0x80);
        self.push(if small && !negative {
            Value::int(number)
        } else {
            Value::NUMBER
        })
    }

    pub(super) fn note_magic(&mut self, line: &[u8]) {
        if line == b"119547037146038801333356L" || line == b"119547037146038801333356" {
            self.legacy = true;
        }
    }
}
