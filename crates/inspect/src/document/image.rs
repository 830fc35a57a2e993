//! What pictures say beside their pixels: comments, Exif, XMP, IPTC. And pictures without it.
//!
//! PNG (W3C, third edition), JPEG (ITU-T T.81, Exif 2.32, XMP part 3), GIF89a, WebP (RFC 9649) and TIFF 6.0. It sees no
//! pixel.

use super::{Out, xml};
use crate::safe::{item, part};

/// Most pieces of one picture that are looked at.
const PIECES_MOST: usize = 4096;
/// Most directories of TIFF, and entries of one.
const DIRECTORIES_MOST: usize = 8;
const ENTRIES_MOST: usize = 512;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const XMP_MORE: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
const EXIF: &[u8] = b"Exif\0\0";
const IPTC: &[u8] = b"Photoshop 3.0\0";

/// A dot.
const DOT_PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\x0aIDATx\x9cc\xf8\x0f\0\x01\x01\x01\0\xb18\xf6\x14\0\0\0\0IEND\xaeB`\x82";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
    Gif,
    Webp,
    Tiff,
}

impl Format {
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some(Self::Tiff),
            _ => None,
        }
    }
}

/// Whether bytes start like a picture whose metadata is read.
pub(super) fn is(bytes: &[u8]) -> bool {
    Format::of(bytes).is_some()
}

/// Reads what stands beside the pixels, of pictures behind the first one as well: cameras put smaller ones there.
pub(super) fn read(bytes: &[u8], out: &mut Out) {
    let (mut rest, mut count) = (bytes, 0);
    while let Some(format) = Format::of(rest) {
        if format == Format::Tiff {
            tiff(rest, out);
            return;
        }
        let mut pieces = Pieces {
            bytes: rest,
            format,
            at: 0,
        };
        let mut length = 0;
        while let Some(piece) = pieces.next() {
            count += 1;
            if count > PIECES_MOST {
                out.cut = true;
                return;
            }
            length += piece.raw.len();
            said(format, &piece, out);
            out.line();
        }
        if !pieces.is_whole() {
            out.cut = true;
            return;
        }
        rest = unfilled(part(rest, length..));
    }
}

/// Whether something that is no picture stands behind a picture's end. Where one has no end, reading says that.
pub(super) fn has_more(bytes: &[u8]) -> bool {
    if Format::of(bytes) == Some(Format::Tiff) {
        return false;
    }
    let mut rest = bytes;
    while let Some(format) = Format::of(rest).filter(|format| *format != Format::Tiff) {
        let Some(length) = length(rest, format) else {
            return false;
        };
        rest = unfilled(part(rest, length..));
    }
    !rest.is_empty()
}

/// How long a picture is, up to its end.
fn length(bytes: &[u8], format: Format) -> Option<usize> {
    let mut pieces = Pieces { bytes, format, at: 0 };
    let mut length = 0;
    while let Some(piece) = pieces.next() {
        length += piece.raw.len();
    }
    pieces.is_whole().then_some(length)
}

/// Without what only fills a file up.
fn unfilled(rest: &[u8]) -> &[u8] {
    let is_filling = |byte: &&u8| **byte == 0 || byte.is_ascii_whitespace();
    part(rest, rest.iter().take_while(is_filling).count()..)
}

/// The picture without what stands beside its pixels, colours and animation apart. `None`: it can't be taken out.
#[must_use]
pub fn bare(bytes: &[u8]) -> Option<Vec<u8>> {
    let format = Format::of(bytes).filter(|format| *format != Format::Tiff)?;
    let mut pieces = Pieces { bytes, format, at: 0 };
    let mut out = Vec::with_capacity(bytes.len());
    while let Some(piece) = pieces.next() {
        if is_picture(format, &piece) {
            out.extend_from_slice(piece.raw);
        }
    }
    if !pieces.is_whole() {
        return None;
    }
    if format == Format::Webp {
        let length = u32::try_from(out.len().checked_sub(8)?).ok()?;
        out.get_mut(4..8)?.copy_from_slice(&length.to_le_bytes());
        // The head says which pieces follow: neither Exif nor XMP now.
        if let Some(flags) = out.get_mut(20).filter(|_| bytes.get(12..16) == Some(b"VP8X")) {
            *flags &= !0b1100;
        }
    }
    Some(out)
}

/// What takes the place of a picture that may not go on, or of anything else: a dot, or nothing.
pub(super) fn blank(bytes: &[u8]) -> &'static [u8] {
    if is(bytes) { DOT_PNG } else { b"" }
}

/// One piece of a picture.
struct Piece<'a> {
    /// What it is: the four letters of a chunk, the byte of a marker or a block.
    kind: &'a [u8],
    data: &'a [u8],
    /// All of its bytes.
    raw: &'a [u8],
}

/// The pieces of a picture, in their order. Together they are all of it, but for what stands behind its end.
struct Pieces<'a> {
    bytes: &'a [u8],
    format: Format,
    at: usize,
}

impl<'a> Pieces<'a> {
    fn piece(
        &mut self,
        kind: std::ops::Range<usize>,
        data: std::ops::Range<usize>,
        end: usize,
    ) -> Option<Piece<'a>> {
        let piece = Piece {
            kind: self.bytes.get(kind)?,
            data: self.bytes.get(data)?,
            raw: self.bytes.get(self.at..end)?,
        };
        self.at = end;
        Some(piece)
    }

    /// Whether the picture's end was reached.
    fn is_whole(&self) -> bool {
        self.at == usize::MAX
    }

    /// The last piece.
    fn last(&mut self, end: usize) -> Option<Piece<'a>> {
        let piece = self.piece(self.at..self.at, self.at..self.at, end)?;
        self.at = usize::MAX;
        Some(piece)
    }

    fn number(&self, at: usize, width: usize, be: bool) -> Option<usize> {
        let bytes = self.bytes.get(at..at.checked_add(width)?)?;
        let add = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
        Some(match be {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.is_whole() {
            return None;
        }
        match self.format {
            Format::Png => self.png(),
            Format::Jpeg => self.jpeg(),
            Format::Gif => self.gif(),
            Format::Webp => self.webp(),
            Format::Tiff => None,
        }
    }

    fn png(&mut self) -> Option<Piece<'a>> {
        if self.at == 0 {
            return self.piece(0..0, 0..0, PNG.len());
        }
        let at = self.at;
        let length = self.number(at, 4, true)?;
        let end = at.checked_add(12)?.checked_add(length)?;
        if self.bytes.get(at + 4..at + 8)? == b"IEND" {
            return self.last(end);
        }
        self.piece(at + 4..at + 8, at + 8..at + 8 + length, end)
    }

    fn jpeg(&mut self) -> Option<Piece<'a>> {
        let at = self.at;
        if at == 0 {
            return self.piece(0..0, 0..0, 2);
        }
        if item(self.bytes, at) != 0xff {
            // What a scan consists of, up to the next marker.
            let rest = part(self.bytes, at..);
            let marker = memchr::memchr_iter(0xff, rest)
                .find(|place| !matches!(item(rest, place + 1), 0 | 0xff | 0xd0..=0xd7))?;
            return self.piece(at..at, at..at, at + marker);
        }
        match item(self.bytes, at + 1) {
            0xff => self.piece(at..at, at..at, at + 1),
            0xd9 => self.last(at + 2),
            0x01 | 0xd0..=0xd7 => self.piece(at..at, at..at, at + 2),
            _ => {
                let length = self.number(at + 2, 2, true)?;
                let end = at + 2 + length;
                self.piece(at + 1..at + 2, at + 4..end, end)
            }
        }
    }

    fn webp(&mut self) -> Option<Piece<'a>> {
        let at = self.at;
        if at == 0 {
            return self.piece(0..0, 0..0, 12);
        }
        if at + 8 > self.bytes.len() {
            return self.last(self.bytes.len());
        }
        let length = self.number(at + 4, 4, false)?;
        let end = at.checked_add(8)?.checked_add(length)?;
        let filled = (end + (length & 1)).min(self.bytes.len()).max(end);
        self.piece(at..at + 4, at + 8..end, filled)
    }

    fn gif(&mut self) -> Option<Piece<'a>> {
        let at = self.at;
        let table = |flags: u8| {
            if flags & 0x80 == 0 {
                0
            } else {
                3 << ((flags & 7) + 1)
            }
        };
        if at == 0 {
            return self.piece(0..0, 0..0, 13 + table(item(self.bytes, 10)));
        }
        let (from, kind) = match item(self.bytes, at) {
            0x3b => return self.last(at + 1),
            0x2c => (at + 11 + table(item(self.bytes, at + 9)), at..at + 1),
            0x21 => (at + 2, at + 1..at + 2),
            _ => return None,
        };
        // Blocks of at most 255 bytes, up to one of none.
        let mut end = from;
        loop {
            let length = usize::from(*self.bytes.get(end)?);
            end += 1 + length;
            if length == 0 {
                break;
            }
        }
        self.piece(kind, from..end, end)
    }
}

/// Whether a piece is of the picture itself.
fn is_picture(format: Format, piece: &Piece<'_>) -> bool {
    match format {
        Format::Png => !matches!(piece.kind, b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf" | b"tIME"),
        // The first two bytes of a file, what says which colours there are, and Adobe's word for the same.
        Format::Jpeg => match piece.kind {
            [0xe2] => piece.data.starts_with(b"ICC_PROFILE\0"),
            [0xe1 | 0xe3..=0xed | 0xef | 0xfe] => false,
            _ => true,
        },
        Format::Gif => match piece.kind {
            [0xfe | 0x01] => false,
            [0xff] => matches!(piece.data.get(1..12), Some(b"NETSCAPE2.0" | b"ANIMEXTS1.0")),
            _ => true,
        },
        Format::Webp => !matches!(piece.kind, b"EXIF" | b"XMP "),
        Format::Tiff => true,
    }
}

/// Reads what a piece says.
fn said(format: Format, piece: &Piece<'_>, out: &mut Out) {
    let data = piece.data;
    match (format, piece.kind) {
        (Format::Png, b"tEXt" | b"zTXt" | b"iTXt") => png_text(piece.kind, data, out),
        (Format::Png, b"eXIf") => tiff(data, out),
        (Format::Webp, b"EXIF") => tiff(data.strip_prefix(EXIF).unwrap_or(data), out),
        (Format::Webp, b"XMP ") => packet(data, out),
        (Format::Jpeg, [0xfe]) => letters(data, out),
        (Format::Jpeg, [0xe1..=0xef]) => {
            if let Some(data) = data.strip_prefix(EXIF) {
                tiff(data, out);
            } else if let Some(data) = data.strip_prefix(XMP) {
                packet(data, out);
            } else if let Some(data) = data.strip_prefix(XMP_MORE) {
                packet(part(data, 40..), out);
            } else if let Some(data) = data.strip_prefix(IPTC) {
                iptc(data, out);
            }
        }
        (Format::Gif, [0xfe | 0x01 | 0xff]) => {
            let is_packet = data.get(1..12) == Some(b"XMP DataXMP");
            if is_packet {
                packet(part(data, 12..), out);
            } else {
                letters(&blocks(data), out);
            }
        }
        _ => {}
    }
}

/// The bytes of blocks, without their lengths.
fn blocks(data: &[u8]) -> Vec<u8> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(length) = data.get(at).filter(|length| **length > 0) {
        all.extend_from_slice(part(
            data,
            at + 1..(at + 1 + usize::from(*length)).min(data.len()),
        ));
        at += 1 + usize::from(*length);
    }
    all
}

/// Bytes as UTF-8, or else a letter each.
fn letters(bytes: &[u8], out: &mut Out) {
    let bytes = bytes.trim_ascii();
    match str::from_utf8(bytes) {
        Ok(text) => text.chars().filter(|c| *c != '\0').for_each(|c| out.push(c)),
        Err(_) => bytes.iter().for_each(|byte| out.push(char::from(*byte))),
    }
}

/// An XMP packet.
fn packet(bytes: &[u8], out: &mut Out) {
    let text = xml::text_of(bytes, out);
    xml::words(&text, out);
}

/// A word and its text: as it is, packed, or either with languages (11.3.3).
fn png_text(kind: &[u8], data: &[u8], out: &mut Out) {
    let mut fields = data.splitn(2, |byte| *byte == 0);
    let (word, rest) = (
        fields.next().unwrap_or_default(),
        fields.next().unwrap_or_default(),
    );
    let (is_packed, text) = match kind {
        b"tEXt" => (false, rest),
        b"zTXt" => (true, part(rest, 1..)),
        _ => {
            let mut fields = part(rest, 2..).splitn(3, |byte| *byte == 0);
            let text = fields.nth(2).unwrap_or_default();
            (item(rest, 0) == 1, text)
        }
    };
    let plain = if is_packed {
        out.unpack(flate2::read::ZlibDecoder::new(text))
    } else {
        text.to_vec()
    };
    if word == b"XML:com.adobe.xmp" {
        packet(&plain, out);
    } else {
        letters(word, out);
        out.push_str(": ");
        letters(&plain, out);
    }
}

/// Records of what Photoshop keeps, of which one is IPTC's (IIM 4.2).
fn iptc(bytes: &[u8], out: &mut Out) {
    let Some(at) = memchr::memmem::find(bytes, b"8BIM\x04\x04") else {
        return;
    };
    let mut rest = part(bytes, at..);
    for _ in 0..ENTRIES_MOST {
        // A mark, a record, a number, and a length.
        let Some(at) = memchr::memchr(0x1c, rest) else {
            return;
        };
        let length = usize::from(item(rest, at + 3)) << 8 | usize::from(item(rest, at + 4));
        let data = part(rest, at + 5..(at + 5 + length).min(rest.len()));
        letters(data, out);
        out.line();
        rest = part(rest, (at + 5 + length).min(rest.len())..);
    }
}

/// Numbers in one of two orders.
struct Tiff<'a> {
    bytes: &'a [u8],
    be: bool,
}

/// One entry of a directory.
struct Field<'a> {
    tag: usize,
    kind: usize,
    data: &'a [u8],
}

impl<'a> Tiff<'a> {
    fn number(&self, bytes: &[u8], at: usize, width: usize) -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(width)?)?;
        let add = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
        Some(match self.be {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    /// The entries of a directory.
    fn fields(&self, at: usize) -> Vec<Field<'a>> {
        let count = self.number(self.bytes, at, 2).unwrap_or(0).min(ENTRIES_MOST);
        (0..count)
            .map_while(|index| {
                let at = at.checked_add(2 + 12 * index)?;
                let entry = self.bytes.get(at..at.checked_add(12)?)?;
                let (tag, kind) = (self.number(entry, 0, 2)?, self.number(entry, 2, 2)?);
                let width = match kind {
                    1 | 2 | 6 | 7 => 1,
                    3 | 8 => 2,
                    5 | 10 | 12 => 8,
                    _ => 4,
                };
                let length = self.number(entry, 4, 4)?.checked_mul(width)?;
                let from = match length {
                    0..=4 => at + 8,
                    _ => self.number(entry, 8, 4)?,
                };
                let data = part(
                    self.bytes,
                    from.min(self.bytes.len())..from.saturating_add(length).min(self.bytes.len()),
                );
                Some(Field { tag, kind, data })
            })
            .collect()
    }

    /// Degrees, minutes and seconds as a decimal number.
    fn degrees(&self, data: &[u8]) -> Option<f64> {
        let ratio = |at: usize| {
            let (over, under) = (self.number(data, at, 4)?, self.number(data, at + 4, 4)?);
            (under > 0).then(|| over as f64 / under as f64)
        };
        Some(ratio(0)? + ratio(8).unwrap_or(0.0) / 60.0 + ratio(16).unwrap_or(0.0) / 3600.0)
    }
}

/// Reads the directories of a TIFF, as Exif has them, too: what is text in them, and where the picture was taken.
fn tiff(bytes: &[u8], out: &mut Out) {
    let tiff = Tiff {
        bytes,
        be: bytes.starts_with(b"MM"),
    };
    let first = tiff.number(bytes, 4, 4).unwrap_or(0);
    let (mut directories, mut done) = (vec![first], 0);
    while let Some(at) = directories.pop() {
        done += 1;
        if done > DIRECTORIES_MOST {
            out.cut = true;
            return;
        }
        let mut place: [Option<f64>; 2] = [None; 2];
        let mut signs = [1.0, 1.0];
        for field in tiff.fields(at) {
            match field.tag {
                // Exif, places, and what is about the file itself.
                0x8769 | 0x8825 | 0xa005 => directories.extend(tiff.number(field.data, 0, 4)),
                0x01 | 0x03 if field.kind == 2 => {
                    let away = matches!(field.data.first(), Some(b'S' | b'W'));
                    if let Some(sign) = signs.get_mut(field.tag / 2) {
                        *sign = if away { -1.0 } else { 1.0 };
                    }
                }
                0x02 | 0x04 if field.kind == 5 => {
                    if let Some(place) = place.get_mut(field.tag / 2 - 1) {
                        *place = tiff.degrees(field.data);
                    }
                }
                0x02bc => packet(field.data, out),
                0x83bb => iptc(&[b"8BIM\x04\x04", field.data].concat(), out),
                // Titles and comments of Windows are UTF-16.
                0x9c9b..=0x9c9f => wide(field.data, false, out),
                // A comment says how it is written (Exif 2.32, 4.6.5).
                0x9286 | 0x001b | 0x001c => match field.data.split_at_checked(8) {
                    Some((b"UNICODE\0", text)) => wide(text, tiff.be, out),
                    Some((_, text)) => letters(text, out),
                    None => {}
                },
                _ if field.kind == 2 => {
                    let text = field.data.split(|byte| *byte == 0).next().unwrap_or_default();
                    letters(text, out);
                }
                _ => {}
            }
            out.line();
        }
        if let [Some(latitude), Some(longitude)] = place {
            let [north, east] = signs;
            out.push_str(&format!(
                "GPS latitude {:.6}, longitude {:.6}\n",
                latitude * north,
                longitude * east
            ));
        }
    }
}

fn wide(bytes: &[u8], be: bool, out: &mut Out) {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| match be {
        true => u16::from_be_bytes(*pair),
        false => u16::from_le_bytes(*pair),
    });
    char::decode_utf16(units)
        .map(|c| c.unwrap_or('\u{fffd}'))
        .filter(|c| *c != '\0')
        .for_each(|c| out.push(c));
}

#[cfg(test)]
mod tests;
