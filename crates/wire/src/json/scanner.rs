//! The scan itself: an explicit stack instead of recursion, so depth costs 12 bytes a level and no call frame.

use bartizan_types::Code;

use super::{Bounds, Fault, keys::Keys, number, string};

/// One open object or array.
struct Frame {
    object: bool,
    /// Where this object's keys start.
    mark: super::keys::Mark,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    frames: Vec<Frame>,
    keys: Keys<'a>,
    depth: usize,
    /// Where the first number stands that nobody holds as it is.
    unheld: Option<usize>,
}

/// Checks `bytes`, which are UTF-8 and at most 2^31 - 1 long. Gives where the first number stands that readers round.
pub(super) fn run(bytes: &[u8], bounds: &Bounds) -> Result<Option<usize>, Fault> {
    let mut scanner = Scanner {
        bytes,
        at: 0,
        frames: Vec::with_capacity(16),
        keys: Keys::new(bytes, bounds.seed),
        depth: usize::from(bounds.depth),
        unheld: None,
    };
    scanner.skip_space();
    loop {
        // A value starts here. An opening bracket leads to the next value or, if it closes at once, ends one.
        let ended = match scanner.peek() {
            Some(b'{') => scanner.open(true)?,
            Some(b'[') => scanner.open(false)?,
            _ => {
                scanner.scalar()?;
                true
            }
        };
        if ended && scanner.climb()? {
            return Ok(scanner.unheld);
        }
    }
}

impl Scanner<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self) -> Fault {
        Fault::new(Code::JsonSyntax, self.at)
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Opens an object or array. True when it closed at once; else the next value's first byte is at hand.
    #[inline]
    fn open(&mut self, object: bool) -> Result<bool, Fault> {
        if self.frames.len() >= self.depth {
            return Err(Fault::new(Code::JsonDepth, self.at));
        }
        self.at += 1;
        self.skip_space();
        let close = if object { b'}' } else { b']' };
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(true);
        }
        let mark = self.keys.mark();
        self.frames.push(Frame { object, mark });
        if object {
            self.key(mark)?;
        }
        Ok(false)
    }

    /// A value ended: closes what closes here. True when the whole text ended.
    #[inline]
    fn climb(&mut self) -> Result<bool, Fault> {
        loop {
            self.skip_space();
            let Some(frame) = self.frames.last() else {
                return if self.at == self.bytes.len() {
                    Ok(true)
                } else {
                    Err(self.wrong())
                };
            };
            let (object, mark) = (frame.object, frame.mark);
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    if object {
                        self.key(mark)?;
                    }
                    return Ok(false);
                }
                Some(b'}') if object => {
                    self.keys.close(mark, self.at)?;
                    self.frames.pop();
                }
                Some(b']') if !object => {
                    self.frames.pop();
                }
                _ => return Err(self.wrong()),
            }
            self.at += 1;
        }
    }

    /// A key, its colon, and the white space up to the value.
    #[inline]
    fn key(&mut self, mark: super::keys::Mark) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong());
        }
        let start = self.at + 1;
        let end = string::end(self.bytes, start)?;
        self.keys.add(mark, start, end.at, end.escaped)?;
        self.at = end.at + 1;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.wrong());
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    #[inline]
    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.at = string::end(self.bytes, self.at + 1)?.at + 1,
            Some(b'-' | b'0'..=b'9') => {
                let end = number::end(self.bytes, self.at)?;
                if !end.held {
                    self.unheld = self.unheld.or(Some(self.at));
                }
                self.at = end.at;
            }
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return Err(self.wrong());
        }
        self.at = end;
        Ok(())
    }
}
