//! The text inside of documents: Office files (OOXML, OpenDocument, EPUB), PDF, and what pictures say beside their pixels
//! (Exif, XMP, comments). What a person reads on their pages, and what only a program does: notes, comments, alternative
//! texts, links, titles.
//!
//! It refuses to be a renderer. Not read: documents that are encrypted, pixels (no OCR), macros, PDF filters of
//! pictures, rows of differences, fonts of PDF whose codes only the font itself explains, XFA forms, the old binary formats of Office, and attributes of XML
//! that nobody reads and that hold one word. A text whose letters are placed one by one comes out as separate lines.
//!
//! INVARIANT: time and memory are linear in the input and [`TEXT_MOST`]; nothing is unpacked past [`UNPACKED_MOST`], all
//! parts together. [`Document::cut`] says that a bound was reached, or that some part could not be read, and
//! [`Document::pictures`] that there is something to look at.

mod image;
mod office;
mod pdf;
mod unopened;
mod write;
mod xml;

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

pub use image::bare as bare_image;
pub use office::{Change, rewrite as rewrite_office};
pub use unopened::{is_media, unopened};
pub use write::pdf as as_pdf;

/// Most bytes of text that one document gives.
pub const TEXT_MOST: usize = 1 << 20;
/// Most bytes that are unpacked of one document.
pub const UNPACKED_MOST: usize = 16 << 20;

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A zip of XML parts: OOXML, OpenDocument, EPUB.
    Office,
    /// PDF.
    Pdf,
    /// PNG, JPEG, GIF, WebP or TIFF: what stands beside the pixels.
    Image,
}

/// A document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its text, in the order of its parts.
    pub text: String,
    /// Something was not read.
    pub cut: bool,
    /// Pictures, or other things to look at, stand in it, whose own text nobody has read.
    pub pictures: bool,
    /// Something in it runs: a script, or a program that it starts. Its words are read, and what it does is not judged.
    pub runs: bool,
}

/// Reads a document, where the bytes start like one.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Document> {
    let mut out = Out::default();
    let kind = if bytes.starts_with(b"PK\x03\x04") {
        office::read(bytes, &mut out, 0)?;
        Kind::Office
    } else if image::is(bytes) {
        image::read(bytes, &mut out);
        Kind::Image
    } else {
        // A few bytes may stand before the head (ISO 32000-1, annex H, note 13).
        let head = bytes.get(..1024).unwrap_or(bytes);
        memchr::memmem::find(head, b"%PDF-")?;
        pdf::read(bytes, &mut out);
        Kind::Pdf
    };
    Some(Document {
        kind,
        text: out.text,
        cut: out.cut,
        pictures: out.pictures,
        runs: out.runs,
    })
}

/// Letters of the codes 0x80 to 0x9f in WinAnsi (ISO 32000-1, annex D.2), which the other codes share with Unicode; a space
/// where there is none.
const ANSI: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

/// A letter of WinAnsi.
fn ansi(code: u8) -> char {
    match code.checked_sub(0x80) {
        Some(at @ 0..0x20) => ANSI.chars().nth(usize::from(at)).unwrap_or(' '),
        _ => char::from(code),
    }
}

/// Text as it is put together, within the bounds of one document.
#[derive(Debug)]
struct Out {
    text: String,
    cut: bool,
    pictures: bool,
    runs: bool,
    /// Bytes that may still be unpacked.
    left: usize,
    /// Where the text came from, where somebody wants to know.
    places: Option<Places>,
}

/// Where a text came from.
#[derive(Debug, Default)]
struct Places {
    /// The part that is being read.
    part: usize,
    /// In the order of the text. What was read of a part as a whole goes up to `usize::MAX` in it.
    all: Vec<Place>,
    /// What each part holds, and whether some of it was not read.
    parts: BTreeMap<usize, (office::Holds, bool)>,
    /// Not all parts are known.
    is_cut: bool,
}

/// A stretch of the text, and what of a part it was read from.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Bytes of the text.
    start: usize,
    end: usize,
    part: usize,
    /// Bytes of the part. Where a code stands for a character, they are more than those of the text.
    from: usize,
    to: usize,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            text: String::new(),
            cut: false,
            pictures: false,
            runs: false,
            left: UNPACKED_MOST,
            places: None,
        }
    }
}

impl Out {
    fn push(&mut self, c: char) {
        if self.text.len() < TEXT_MOST {
            self.text.push(c);
        } else {
            self.cut = true;
        }
    }

    fn push_str(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    /// Adds what bytes of a part say.
    fn push_from(&mut self, text: &str, from: Range<usize>) {
        let start = self.text.len();
        self.push_str(text);
        let end = self.text.len();
        if let Some(places) = &mut self.places {
            let part = places.part;
            places.all.push(Place {
                start,
                end,
                part,
                from: from.start,
                to: from.end,
            });
        }
    }

    /// Ends a line, if one was begun.
    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.push('\n');
        }
    }

    /// Unpacks, as far as the bounds go. A stream that breaks off gives its start.
    fn unpack(&mut self, mut reader: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut block = [0; 8192];
        loop {
            match reader.read(&mut block) {
                Ok(0) => return bytes,
                Ok(read) if read <= self.left => {
                    self.left -= read;
                    bytes.extend(block.iter().take(read));
                }
                _ => {
                    self.cut = true;
                    return bytes;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
