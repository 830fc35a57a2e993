//! The text inside of documents: Office files (OOXML, OpenDocument, EPUB) and PDF. What a person reads on their pages,
//! and what only a program does: notes, comments, alternative texts, links, titles.
//!
//! It refuses to be a renderer. Not read: documents that are encrypted, pictures (no OCR), macros and embedded files, PDF
//! filters but Flate, fonts of PDF whose codes only the font itself explains, XFA forms, the old binary formats of Office.
//! A text whose letters are placed one by one comes out as separate lines.
//!
//! INVARIANT: time and memory are linear in the input and [`TEXT_MOST`]; nothing is unpacked past [`UNPACKED_MOST`], all
//! parts together. [`Document::cut`] says that a bound was reached, or that some part could not be read.

mod office;
mod pdf;
mod write;

use std::io::Read;

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
}

/// Reads a document, where the bytes start like one.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Document> {
    let mut out = Out::default();
    let kind = if bytes.starts_with(b"PK\x03\x04") {
        office::read(bytes, &mut out)?;
        Kind::Office
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
    /// Bytes that may still be unpacked.
    left: usize,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            text: String::new(),
            cut: false,
            left: UNPACKED_MOST,
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
