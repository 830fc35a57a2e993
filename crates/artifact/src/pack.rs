//! Packed streams: gzip, zlib, bzip2, xz, lzma, lz4, zstd. Unpacked as they are read, within the scan's limit.

use std::io::{self, BufRead, BufReader, Read};

use flate2::{
    bufread::ZlibDecoder,
    read::{DeflateDecoder, MultiGzDecoder},
};

use crate::{feed::Feed, finding::Verdict, format, rule, scan::Scan};

/// The dictionary that xz and lzma may ask for, in bytes.
const DICTIONARY: u32 = 128 << 20;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Raw deflate, as in ZIP.
    Deflate,
    /// gzip, of one or more members.
    Gzip,
    /// zlib.
    Zlib,
    /// bzip2, of one or more streams.
    Bzip2,
    /// The xz container.
    Xz,
    /// The older lzma container.
    Lzma,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Packing {
    /// The packing that these first bytes announce.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x5d, 0, 0, ..] => Self::Lzma,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x78, second, ..] if (0x7800 | u16::from(*second)) % 31 == 0 && second & 0x20 == 0 => Self::Zlib,
            _ => return None,
        })
    }

    /// Its name in member paths.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// A reader of what is packed in `inner`.
    pub(crate) fn unpack<'a>(self, inner: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Deflate => Box::new(DeflateDecoder::new(inner)),
            Self::Gzip => Box::new(MultiGzDecoder::new(inner)),
            Self::Zlib => Box::new(Zlib(ZlibDecoder::new(BufReader::new(inner)))),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(inner)),
            Self::Xz => Box::new(Xz::new(inner)?),
            Self::Lzma => Box::new(lzma_rust2::LzmaReader::new_mem_limit(
                inner,
                DICTIONARY >> 10,
                None,
            )?),
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(inner)),
            Self::Zstd => Box::new(
                ruzstd::decoding::StreamingDecoder::new(inner)
                    .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?,
            ),
        })
    }
}

/// One zlib stream. What follows it is read by some loaders and passed over by others, so it is a fault.
struct Zlib<R>(ZlibDecoder<BufReader<R>>);

impl<R: Read> Read for Zlib<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        if read == 0 && !into.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}

/// Looks into a packed feed. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, feed: &mut Feed<'_>, packing: Packing, name: &str) -> String {
    let inner = format::strip(name);
    let found = scan.inside(packing.word(), |scan| {
        let unpacked = match packing.unpack(Taking(feed)) {
            Ok(unpacked) => scan.metered(unpacked),
            Err(fault) => {
                scan.stopped(fault.into(), 0);
                return "unreadable".to_owned();
            }
        };
        let mut unpacked = Feed::stream(unpacked);
        let found = format::streamed(scan, &mut unpacked, inner);
        loop {
            // The rest is not looked at where a format ended early; its end still has to be sound.
            match unpacked.peek(1) {
                Ok([]) => break,
                Ok(_) => {
                    let step = unpacked.peek(crate::feed::BUFFER).map_or(1, <[u8]>::len);
                    if unpacked.need(step).is_err() {
                        break;
                    }
                }
                Err(stop) => {
                    scan.stopped(stop, unpacked.offset());
                    break;
                }
            }
        }
        found
    });
    if let Ok(rest @ [_, ..]) = feed.peek(8) {
        let what = format!("{} bytes or more follow the packed stream", rest.len());
        let at = feed.offset();
        scan.find(&rule::TRAILING, Verdict::Unknown, at, "after packed", what);
    }
    format!(
        "{} of {}",
        packing.word(),
        found.unwrap_or_else(|| "unread".to_owned())
    )
}

/// A feed as a reader.
struct Taking<'t, 'f>(&'t mut Feed<'f>);

impl Read for Taking<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(1 << 14);
        let part = self.0.peek(most).map_err(|stop| match stop {
            crate::feed::Stop::Cancelled => io::Error::from(io::ErrorKind::ConnectionAborted),
            _ => io::Error::from(io::ErrorKind::InvalidData),
        })?;
        let count = part.len();
        if let Some(into) = into.get_mut(..count) {
            into.copy_from_slice(part);
        }
        self.0.need(count).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(count)
    }
}

/// The xz container around LZMA2: blocks of one filter, as Python's `lzma` writes them. Checks are not verified: a
/// reader that verifies them has given the bytes out before it complains.
struct Xz<R: Read> {
    state: State<R>,
    check: usize,
}

enum State<R: Read> {
    Between(R),
    Block(Box<lzma_rust2::Lzma2Reader<Counted<R>>>),
    Done,
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}

impl<R: Read> Xz<R> {
    fn new(mut inner: R) -> io::Result<Self> {
        let mut header = [0; 12];
        inner.read_exact(&mut header)?;
        let check = match header {
            [0xfd, b'7', b'z', b'X', b'Z', 0, 0, kind, ..] => match kind {
                0 => 0,
                1..=3 => 4,
                4..=6 => 8,
                7..=9 => 16,
                10..=12 => 32,
                13..=15 => 64,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok(Self {
            state: State::Between(inner),
            check,
        })
    }

    /// Begins the next block; `false` at the index.
    fn begin(&mut self, mut inner: R) -> io::Result<bool> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let mut size = [0];
        inner.read_exact(&mut size)?;
        if size[0] == 0 {
            // The index and the footer; another stream after them is not followed.
            let mut rest = Vec::new();
            inner.by_ref().take(1 << 20).read_to_end(&mut rest)?;
            if rest
                .windows(6)
                .any(|part| part == [0xfd, b'7', b'z', b'X', b'Z', 0])
                || !rest.ends_with(b"YZ")
            {
                return Err(bad());
            }
            return Ok(false);
        }
        let mut header = vec![0; usize::from(size[0]) * 4 + 3];
        inner.read_exact(&mut header)?;
        let flags = *header.first().ok_or_else(bad)?;
        if flags & 0x3f != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut rest = header.iter().copied().skip(1);
        for bit in [0x40, 0x80] {
            while flags & bit != 0 && rest.next().ok_or_else(bad)? >= 0x80 {}
        }
        if (rest.next(), rest.next()) != (Some(0x21), Some(1)) {
            return Err(bad());
        }
        let bits = u32::from(rest.next().ok_or_else(bad)?);
        let dictionary = (2 | (bits & 1))
            .checked_shl(bits / 2 + 11)
            .filter(|_| bits < 40)
            .ok_or_else(bad)?;
        if dictionary > DICTIONARY {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let counted = Counted { inner, count: 0 };
        let block = lzma_rust2::Lzma2Reader::new(counted, dictionary, None);
        self.state = State::Block(Box::new(block));
        Ok(true)
    }
}

impl<R: Read> Read for Xz<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Between(inner) => {
                    if !self.begin(inner)? {
                        return Ok(0);
                    }
                }
                State::Block(mut block) => {
                    let read = block.read(into)?;
                    if read > 0 {
                        self.state = State::Block(block);
                        return Ok(read);
                    }
                    let mut counted = block.into_inner();
                    let padding = (4 - counted.count % 4) % 4 + self.check as u64;
                    let passed = io::copy(&mut (&mut counted.inner).take(padding), &mut io::sink())?;
                    if passed < padding {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.state = State::Between(counted.inner);
                }
            }
        }
    }
}
