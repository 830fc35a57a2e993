//! Where bytes come from. The shell owns files; this crate sees a length and reads at an offset, and never the whole.

use std::io;

/// Bytes that can be read from any offset. Reading may fail or be cancelled at any time.
pub trait Source {
    /// How many bytes there are. A file that shrinks while it is read ends early, which the readers notice.
    fn size(&self) -> u64;

    /// Reads at most `into.len()` bytes from `at`; 0 only at the end.
    ///
    /// # Errors
    ///
    /// Whatever the storage says; [`io::ErrorKind::ConnectionAborted`] is taken as the user's wish to stop.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Source for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(rest) = self.get(from..) else {
            return Ok(0);
        };
        let count = rest.len().min(into.len());
        if let (Some(target), Some(source)) = (into.get_mut(..count), rest.get(..count)) {
            target.copy_from_slice(source);
        }
        Ok(count)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(at, into)
    }
}

/// A part of a source.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    source: &'a dyn Source,
    start: u64,
    size: u64,
}

impl<'a> View<'a> {
    /// All of it.
    pub(crate) fn all(source: &'a dyn Source) -> Self {
        Self {
            source,
            start: 0,
            size: source.size(),
        }
    }

    /// `size` bytes from `start`, as far as they are there.
    pub(crate) fn part(&self, start: u64, size: u64) -> Self {
        let start = start.min(self.size);
        Self {
            source: self.source,
            start: self.start.saturating_add(start),
            size: size.min(self.size.saturating_sub(start)),
        }
    }

    /// Bytes in the view.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Reads at most `into.len()` bytes from `at`.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..most) else {
            return Ok(0);
        };
        if into.is_empty() {
            return Ok(0);
        }
        self.source.read_at(self.start.saturating_add(at), into)
    }

    /// Exactly `count` bytes from `at`, or fewer where the view ends.
    pub(crate) fn bytes(&self, at: u64, count: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(left)];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(at.saturating_add(filled as u64), rest)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

impl io::Read for Cursor<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.view.read_at(self.at, into)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A view read from its start.
pub(crate) struct Cursor<'a> {
    view: View<'a>,
    at: u64,
}

impl<'a> Cursor<'a> {
    /// At the start of `view`.
    pub(crate) fn new(view: View<'a>) -> Self {
        Self { view, at: 0 }
    }
}
