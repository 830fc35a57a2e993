//! Server-sent events (WHATWG HTML, section 9.2.6): an incremental splitter that keeps the exact bytes, and an encoder.
//!
//! Where the standard lets a reader guess, this one refuses: bytes that are not UTF-8, a stream that ends inside an
//! event, and control characters or Unicode line separators on any line but a data line, since some clients break
//! lines there and would see an event that we did not. A line of an unknown field is refused too: the standard
//! skips it, but clients that trim lines, fold their case or read JSON lines find ` data:`, `DATA:` or `{…}` in it.
//! Comments pass.
//!
//! INVARIANT: the `raw` bytes of all events, in order, are the bytes pushed.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bartizan_types::Code;

pub use crate::Fault;

/// One block of the stream up to its blank line: a dispatched event, or comments and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field, if it was there.
    pub name: Option<&'a str>,
    /// The `data` lines joined by line feeds; `None` when the block has no data line, so nothing is dispatched.
    pub data: Option<Cow<'a, str>>,
    /// The `id` field, if it was there.
    pub id: Option<&'a str>,
    /// The `retry` field in milliseconds, if it was there and only digits.
    pub retry: Option<u64>,
    /// The exact bytes of the block, its final blank line included. (Where a chunk ends between the CR and the LF
    /// of that line, the LF opens the next block's bytes.)
    pub raw: &'a [u8],
}

/// Where events go; an error stops the splitter.
pub type Each<'e> = dyn FnMut(Event<'_>) -> Result<(), Fault> + 'e;

/// Splits a stream into events, whatever the chunks. Holds at most one event's bytes and one chunk.
#[derive(Debug)]
pub struct Splitter {
    event_bytes: usize,
    /// The start of a block whose end has not come.
    pending: Vec<u8>,
    /// Where in `pending` the search goes on, and where the line it is in began.
    searched: usize,
    line: usize,
    /// The last byte searched was a CR, so an LF that follows belongs to it.
    after_cr: bool,
    /// No block has been split off yet, so a byte order mark may stand first.
    first: bool,
    /// What stopped the splitter.
    stopped: Option<Fault>,
}

impl Splitter {
    /// A splitter that refuses events above `event_bytes` bytes, field names and line ends included.
    #[must_use]
    pub fn new(event_bytes: usize) -> Self {
        Self {
            event_bytes,
            pending: Vec::new(),
            searched: 0,
            line: 0,
            after_cr: false,
            first: true,
            stopped: None,
        }
    }

    /// Takes the next chunk and hands every block that is now whole to `each`, in order.
    ///
    /// # Errors
    /// [`Code::EventTooLarge`], [`Code::SseMalformed`], or what `each` returns. Every later call returns it again.
    pub fn push(&mut self, chunk: &[u8], each: &mut Each<'_>) -> Result<(), Fault> {
        if let Some(fault) = self.stopped {
            return Err(fault);
        }
        let result = if self.pending.is_empty() {
            // Whole events in one chunk, the common case, are read in place.
            self.split(chunk, each).map(|used| {
                self.pending
                    .extend_from_slice(chunk.get(used..).unwrap_or_default());
            })
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(chunk);
            self.split(&pending, each).map(|used| {
                pending.drain(..used);
                self.pending = pending;
            })
        };
        result.inspect_err(|fault| self.stopped = Some(*fault))
    }

    /// Bytes kept of a block whose end has not come.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.pending.len()
    }

    /// The stream ended. A last block without data that lacks its blank line is handed over too.
    ///
    /// # Errors
    /// [`Code::SseMalformed`] when it ended inside an event with data, or what `each` returns.
    pub fn finish(self, each: &mut Each<'_>) -> Result<(), Fault> {
        if let Some(fault) = self.stopped {
            return Err(fault);
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let event = parse(&self.pending, self.first)?;
        // The standard discards such an event; a client that does not would see what we never checked.
        if event.data.is_some() || event.name.is_some() {
            return Err(Fault::new(Code::SseMalformed, self.pending.len()));
        }
        each(event)
    }

    /// Hands over every whole block at the front of `bytes`; returns how many bytes they took.
    fn split(&mut self, bytes: &[u8], each: &mut Each<'_>) -> Result<usize, Fault> {
        let mut start = 0;
        let (mut at, mut line) = (self.searched, self.line);
        if self.after_cr
            && let Some(byte) = bytes.get(at)
        {
            if *byte == b'\n' {
                at += 1;
                line = at;
            }
            self.after_cr = false;
        }
        while let Some(found) = memchr::memchr2(b'\n', b'\r', bytes.get(at..).unwrap_or_default()) {
            let end = at + found;
            let cr = bytes.get(end) == Some(&b'\r');
            at = end + 1 + usize::from(cr && bytes.get(end + 1) == Some(&b'\n'));
            self.after_cr = cr && at == bytes.len() && at == end + 1;
            if end == line || (self.first && bytes.get(line..end) == Some(BOM.as_bytes()) && line == start) {
                let raw = bytes.get(start..at).unwrap_or_default();
                self.within_bound(raw.len())?;
                let event = parse(raw, self.first)?;
                self.first = false;
                each(event)?;
                start = at;
            }
            line = at;
        }
        self.within_bound(bytes.len() - start)?;
        self.searched = bytes.len() - start;
        self.line = line - start;
        Ok(start)
    }

    fn within_bound(&self, bytes: usize) -> Result<(), Fault> {
        if bytes > self.event_bytes {
            return Err(Fault::new(Code::EventTooLarge, self.event_bytes));
        }
        Ok(())
    }
}

/// Reads one whole block that a splitter gave out before; never the stream's first.
pub(crate) fn block(raw: &[u8]) -> Result<Event<'_>, Fault> {
    parse(raw, false)
}

const BOM: &str = "\u{FEFF}";
/// The fields there are.
const FIELDS: [&str; 4] = ["data", "event", "id", "retry"];

/// Reads the fields of one block.
fn parse(raw: &[u8], first: bool) -> Result<Event<'_>, Fault> {
    let text = std::str::from_utf8(raw).map_err(|e| Fault::new(Code::SseMalformed, e.valid_up_to()))?;
    let mut rest = text;
    if first {
        rest = rest.strip_prefix(BOM).unwrap_or(rest);
    }
    let mut event = Event {
        name: None,
        data: None,
        id: None,
        retry: None,
        raw,
    };
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix("\r\n").or(after.get(1..)).unwrap_or_default();
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let known = line.is_empty() || line.starts_with(':') || FIELDS.contains(&field);
        if !known || field != "data" && line.chars().any(breaks_lines_somewhere) {
            return Err(Fault::new(
                Code::SseMalformed,
                text.len() - after.len() - line.len(),
            ));
        }
        match field {
            "data" => {
                event.data = Some(match event.data.take() {
                    None => Cow::Borrowed(value),
                    Some(before) => {
                        let mut all = before.into_owned();
                        all.push('\n');
                        all.push_str(value);
                        Cow::Owned(all)
                    }
                });
            }
            "event" => event.name = Some(value),
            "id" => event.id = Some(value),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => event.retry = value.parse().ok(),
            _ => {}
        }
    }
    Ok(event)
}

fn breaks_lines_somewhere(char: char) -> bool {
    (char.is_control() && char != '\t') || matches!(char, '\u{2028}' | '\u{2029}')
}

/// Encodes one event with LF line ends. Line breaks in `data` become several data lines; `name` is cut at its first.
#[must_use]
pub fn encode(name: Option<&str>, data: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 32);
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.split(['\r', '\n']).next().unwrap_or_default().as_bytes());
        out.push(b'\n');
    }
    let mut rest = data;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes());
        out.extend_from_slice(b"data: ");
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        if end.is_none() {
            break;
        }
        rest = after.strip_prefix("\r\n").or(after.get(1..)).unwrap_or_default();
    }
    out.push(b'\n');
    out
}
