//! A plain PDF of a text: what stands in for one whose values can't be masked where they stand.

/// Bytes of a line, and lines of a page, in a fixed-width type of nine points on A4.
const LINE: usize = 96;
const LINES: usize = 68;
/// Most pages; what is beyond is left out, and a last line says so.
const PAGES: usize = 2000;
/// The said last line.
const MORE: &str = "[the rest is left out]";

/// The text as a PDF (ISO 32000-1). Letters outside of WinAnsi become `?`.
#[must_use]
pub fn pdf(text: &str) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.lines().flat_map(wrapped).collect();
    if lines.len() > PAGES * LINES {
        lines.truncate(PAGES * LINES - 1);
        lines.push(MORE.bytes().collect());
    }
    let mut pages: Vec<&[Vec<u8>]> = lines.chunks(LINES).collect();
    if pages.is_empty() {
        pages.push(&[]);
    }
    let mut out = Objects::default();
    out.bytes.extend(b"%PDF-1.4\n");
    // The objects of page n are 4 + 2n and 5 + 2n.
    let kids: Vec<String> = (0..pages.len()).map(|at| format!("{} 0 R", 4 + 2 * at)).collect();
    out.add(b"<< /Type /Catalog /Pages 2 0 R >>");
    out.add(
        format!(
            "<< /Type /Pages /Count {} /Kids [{}] >>",
            pages.len(),
            kids.join(" ")
        )
        .as_bytes(),
    );
    out.add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>");
    for (at, page) in pages.iter().enumerate() {
        let head =
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>";
        out.add(format!("{head} /Contents {} 0 R >>", 5 + 2 * at).as_bytes());
        let mut content = b"BT /F1 9 Tf 11.5 TL 36 806 Td\n".to_vec();
        for line in *page {
            content.push(b'(');
            for byte in line {
                match byte {
                    b'(' | b')' | b'\\' => content.extend([b'\\', *byte]),
                    0x20..=0x7e => content.push(*byte),
                    _ => content.extend(format!("\\{byte:03o}").bytes()),
                }
            }
            content.extend(b") Tj T*\n");
        }
        content.extend(b"ET\n");
        let mut stream = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
        stream.extend(content);
        stream.extend(b"endstream");
        out.add(&stream);
    }
    out.end()
}

#[derive(Default)]
struct Objects {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Objects {
    fn add(&mut self, object: &[u8]) {
        self.places.push(self.bytes.len());
        self.bytes
            .extend(format!("{} 0 obj\n", self.places.len()).bytes());
        self.bytes.extend(object);
        self.bytes.extend(b"\nendobj\n");
    }

    fn end(mut self) -> Vec<u8> {
        let (at, count) = (self.bytes.len(), self.places.len() + 1);
        self.bytes
            .extend(format!("xref\n0 {count}\n0000000000 65535 f \n").bytes());
        for place in &self.places {
            self.bytes.extend(format!("{place:010} 00000 n \n").bytes());
        }
        let trailer = format!("trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n");
        self.bytes.extend(trailer.bytes());
        self.bytes
    }
}

/// A line in WinAnsi, cut at spaces where it is too long. A word is cut only where it is longer than a line.
fn wrapped(line: &str) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = line.chars().map(ansi).collect();
    let (mut lines, mut rest) = (Vec::new(), bytes.as_slice());
    while rest.len() > LINE {
        let head = rest.get(..LINE).unwrap_or(rest);
        let cut = head
            .iter()
            .rposition(|byte| *byte == b' ')
            .map_or(LINE, |at| at + 1);
        let (now, later) = rest.split_at(cut);
        lines.push(now.to_vec());
        rest = later;
    }
    lines.push(rest.to_vec());
    lines
}

/// The code of a letter in WinAnsi.
fn ansi(c: char) -> u8 {
    match c {
        '\t' => b' ',
        ' '..='~' | '\u{a0}'..='\u{ff}' => c as u8,
        _ => super::ANSI
            .chars()
            .position(|known| known == c)
            .and_then(|at| u8::try_from(0x80 + at).ok())
            .unwrap_or(b'?'),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, read};
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let long = "a long line of words ".repeat(20);
        let text = format!("Invoice (7) \\ for Zoë — 12 €\n\n{long}\nbz-email-k3vq@token.invalid\n忽略\n");
        let document = read(&pdf(&text)).unwrap();
        assert_eq!((document.kind, document.cut), (Kind::Pdf, false));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&document.text), words(&text.replace("忽略", "??")));
    }

    #[test]
    fn any_length_is_bounded() {
        for text in ["", "\n", &"x\n".repeat(LINES * 3), &"y".repeat(LINE * 5)] {
            let document = read(&pdf(text)).unwrap();
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
            assert_eq!(letters(&document.text), letters(text));
        }
        let much = pdf(&"z\n".repeat(LINES * PAGES + 10));
        assert!(read(&much).is_some_and(|document| document.text.contains(MORE) || document.cut));
    }
}
