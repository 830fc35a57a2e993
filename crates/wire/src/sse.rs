//! Server-sent events: an incremental splitter that keeps the exact bytes, and an encoder.

use std::borrow::Cow;

use bartizan_types::Code;

pub use crate::Fault;

/// One dispatched event, or a block without data (comments, a lone `retry`), as it stood in the stream.
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
    /// The exact bytes of the block, its final blank line included.
    pub raw: &'a [u8],
}

/// Splits a stream into events, whatever the chunks.
#[derive(Debug)]
pub struct Splitter {
    event_bytes: usize,
}

/// Where events go; an error stops the splitter.
pub type Each<'e> = dyn FnMut(Event<'_>) -> Result<(), Fault> + 'e;

impl Splitter {
    /// A splitter that refuses events above `event_bytes` bytes.
    #[must_use]
    pub fn new(event_bytes: usize) -> Self {
        Self { event_bytes }
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`Code::EventTooLarge`], [`Code::SseMalformed`], or what `each` returns.
    pub fn push(&mut self, chunk: &[u8], each: &mut Each<'_>) -> Result<(), Fault> {
        let _ = (chunk, each, self.event_bytes);
        Err(Fault::new(Code::Bug, 0))
    }

    /// The stream ended.
    ///
    /// # Errors
    /// [`Code::SseMalformed`] when it ended inside an event, or what `each` returns.
    pub fn finish(self, each: &mut Each<'_>) -> Result<(), Fault> {
        let _ = each;
        Err(Fault::new(Code::Bug, 0))
    }
}

/// Encodes one event.
#[must_use]
pub fn encode(name: Option<&str>, data: &str) -> Vec<u8> {
    let _ = (name, data);
    Vec::new()
}
