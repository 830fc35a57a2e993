//! A buffered, forward reader over a view or an unpacking stream, with an end that can be drawn closer for a while.

use std::io::{self, Read};

use crate::source::View;

/// Bytes buffered at a time; also the most that [`Feed::need`] can give at once.
pub(crate) const BUFFER: usize = 1 << 16;

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes end here.
    End,
    /// The storage failed.
    Broken,
    /// The user wants to stop.
    Cancelled,
    /// Unpacking gave more than the limit.
    TooMuch,
    /// The packed bytes are not what they claim to be.
    Corrupt,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionAborted => Self::Cancelled,
            io::ErrorKind::FileTooLarge => Self::TooMuch,
            io::ErrorKind::UnexpectedEof => Self::End,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => Self::Corrupt,
            _ => Self::Broken,
        }
    }
}

enum Origin<'a> {
    View(View<'a>),
    Stream(Box<dyn Read + 'a>),
}

/// See the module.
pub(crate) struct Feed<'a> {
    origin: Origin<'a>,
    buffer: Vec<u8>,
    position: usize,
    filled: usize,
    /// Offset of the first byte after the buffer.
    next: u64,
    /// No byte at or past this offset is given.
    end: u64,
    /// Place in the buffer up to which bytes may be given: the nearer of what is filled and the end.
    limit: usize,
}

impl<'a> Feed<'a> {
    /// Over a view.
    pub(crate) fn view(view: View<'a>) -> Self {
        let end = view.size();
        Self::new(Origin::View(view), end)
    }

    /// Over a stream whose length nobody knows.
    pub(crate) fn stream(stream: Box<dyn Read + 'a>) -> Self {
        Self::new(Origin::Stream(stream), u64::MAX)
    }

    fn new(origin: Origin<'a>, end: u64) -> Self {
        Self {
            origin,
            buffer: vec![0; BUFFER],
            position: 0,
            filled: 0,
            next: 0,
            end,
            limit: 0,
        }
    }

    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.next - (self.filled - self.position) as u64
    }

    /// The view below, when there is one: what can be read again.
    pub(crate) fn seekable(&self) -> Option<View<'a>> {
        match &self.origin {
            Origin::View(view) => Some(*view),
            Origin::Stream(_) => None,
        }
    }

    /// Where reading ends for now.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Draws the end closer, or puts it back; returns the old one.
    pub(crate) fn end_at(&mut self, end: u64) -> u64 {
        let old = std::mem::replace(&mut self.end, end);
        self.bound();
        old
    }

    /// Computes `limit` again, after the buffer or the end moved.
    fn bound(&mut self) {
        let room = usize::try_from(self.end.saturating_sub(self.offset())).unwrap_or(usize::MAX);
        self.limit = self.filled.min(self.position.saturating_add(room));
    }

    /// Makes at least `count` bytes available, or as many as there are. `count` is at most [`BUFFER`].
    fn fill(&mut self, count: usize) -> Result<(), Stop> {
        if self.filled - self.position >= count {
            return Ok(());
        }
        self.buffer.copy_within(self.position..self.filled, 0);
        self.filled -= self.position;
        self.position = 0;
        self.bound();
        while self.filled < count {
            let Some(space) = self.buffer.get_mut(self.filled..) else {
                break;
            };
            let read = match &mut self.origin {
                Origin::View(view) => view.read_at(self.next, space)?,
                Origin::Stream(stream) => stream.read(space)?,
            };
            if read == 0 {
                break;
            }
            self.filled += read;
            self.next += read as u64;
        }
        self.bound();
        Ok(())
    }

    /// Up to `count` bytes without taking them.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], Stop> {
        self.fill(count.min(BUFFER))?;
        let there = (self.limit - self.position).min(count);
        Ok(self
            .buffer
            .get(self.position..self.position + there)
            .unwrap_or_default())
    }

    /// Takes exactly `count` bytes, at most [`BUFFER`].
    #[inline]
    pub(crate) fn need(&mut self, count: usize) -> Result<&[u8], Stop> {
        if self.limit - self.position < count {
            self.fill(count)?;
            if self.limit - self.position < count {
                return Err(Stop::End);
            }
        }
        let from = self.position;
        self.position += count;
        self.buffer.get(from..from + count).ok_or(Stop::End)
    }

    /// Takes one byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Stop> {
        if self.position < self.limit
            && let Some(byte) = self.buffer.get(self.position)
        {
            self.position += 1;
            return Ok(*byte);
        }
        self.need(1).map(|bytes| bytes.first().copied().unwrap_or(0))
    }

    /// Takes `N` bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        array.copy_from_slice(self.need(N)?);
        Ok(array)
    }

    /// Passes over `count` bytes; in a view without reading them.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), Stop> {
        let target = self.offset().checked_add(count).ok_or(Stop::End)?;
        if target > self.end {
            return Err(Stop::End);
        }
        let buffered = (self.filled - self.position) as u64;
        if count <= buffered {
            self.position += usize::try_from(count).unwrap_or(0);
            return Ok(());
        }
        if let Origin::View(_) = self.origin {
            self.position = 0;
            self.filled = 0;
            self.limit = 0;
            self.next = target;
            return Ok(());
        }
        let mut left = count;
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
            self.need(step)?;
            left -= step as u64;
        }
        Ok(())
    }

    /// Takes a line and its newline. Keeps its first `most` bytes in `kept`; returns the length without newline.
    pub(crate) fn line(&mut self, most: usize, kept: &mut Vec<u8>) -> Result<u64, Stop> {
        kept.clear();
        let mut length = 0_u64;
        loop {
            let part = self.peek(BUFFER)?;
            if part.is_empty() {
                return Err(Stop::End);
            }
            let found = part.iter().position(|byte| *byte == b'\n');
            let text = part.get(..found.unwrap_or(part.len())).unwrap_or_default();
            let room = most.saturating_sub(kept.len());
            kept.extend_from_slice(text.get(..text.len().min(room)).unwrap_or_default());
            let count = text.len();
            length += count as u64;
            self.need(count + usize::from(found.is_some()))?;
            if found.is_some() {
                return Ok(length);
            }
        }
    }

    /// Takes what is left, at most `most` bytes; more is an error.
    pub(crate) fn rest(&mut self, most: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = Vec::new();
        loop {
            let part = self.peek(BUFFER)?;
            let count = part.len();
            if count == 0 {
                return Ok(bytes);
            }
            if bytes.len() + count > most {
                return Err(Stop::TooMuch);
            }
            bytes.extend_from_slice(part);
            self.need(count)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_drawn_closer_holds_for_every_way_of_reading() {
        let bytes = b"line\nrest of it".to_vec();
        let mut feed = Feed::view(View::all(&bytes));
        feed.end_at(7);
        let mut kept = Vec::new();
        assert_eq!(feed.line(2, &mut kept), Ok(4));
        assert_eq!(kept, b"li");
        assert_eq!(feed.peek(10), Ok(&b"re"[..]));
        assert_eq!(feed.skip(3), Err(Stop::End));
        assert_eq!(feed.need(3), Err(Stop::End));
        assert_eq!(feed.byte(), Ok(b'r'));
        assert_eq!(feed.line(9, &mut kept), Err(Stop::End));
    }

    #[test]
    fn a_stream_and_a_view_give_the_same_bytes() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let mut view = Feed::view(View::all(&bytes));
        let mut stream = Feed::stream(Box::new(&bytes[..]));
        for step in [1_u64, 70_000, 3, 65_536, 9] {
            assert_eq!(view.skip(step), stream.skip(step));
            assert_eq!(view.offset(), stream.offset());
            assert_eq!(
                view.need(5).map(<[u8]>::to_vec),
                stream.need(5).map(<[u8]>::to_vec)
            );
        }
        assert_eq!(view.skip(1 << 20), Err(Stop::End));
        assert_eq!(stream.skip(1 << 20), Err(Stop::End));
    }
}
