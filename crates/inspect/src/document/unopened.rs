//! What holds something that is not looked into here, by its first bytes. It is said, since else nothing found would look
//! like nothing there.

use super::image;
use crate::digits::base64;
use crate::safe::part;
use crate::view::readable;

/// Sound.
const RECORDING: &str = "a recording";
/// Moving pictures.
const FILM: &str = "a film";
/// First bytes of what is not opened, and what it is.
const HEADS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a file of the old Office formats",
    ),
    (b"{\\rtf", "an RTF file"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"SQLite format 3\0", "a database"),
    (b"ID3", RECORDING),
    (b"OggS", RECORDING),
    (b"\x1a\x45\xdf\xa3", FILM),
];
/// How far the head of a mail goes, and of each of its parts.
const HEAD_BYTES: usize = 64 << 10;
/// Most parts of a mail.
const PARTS_MOST: usize = 1000;

/// What `bytes` are, where they hold something that [`super::read`] and the canonical view do not open.
#[must_use]
pub fn unopened(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = HEADS.iter().find(|(head, _)| bytes.starts_with(head)) {
        return super::read(bytes).is_none().then_some(*what);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some("a tar archive");
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(FILM);
    }
    if image::is(bytes) {
        return image::has_more(bytes).then_some("a picture with something behind it");
    }
    if goes_on_behind_pdf(bytes) {
        return Some("a PDF with something behind it");
    }
    has_attachments(bytes).then_some("a mail with attachments")
}

/// Whether what [`unopened`] names is there to be heard or watched and not to be read, as a picture's pixels are.
#[must_use]
pub fn is_media(what: &str) -> bool {
    matches!(what, RECORDING | FILM)
}

/// Whether these are the bytes of a PDF that is something else as well: readers of archives look for an end record among the
/// last bytes (APPNOTE.TXT, 4.3.16), and other readers behind the mark at the end.
fn goes_on_behind_pdf(bytes: &[u8]) -> bool {
    const END_RECORD_MOST: usize = 22 + 0xffff;
    let head = bytes.get(..1024).unwrap_or(bytes);
    if memchr::memmem::find(head, b"%PDF-").is_none() {
        return false;
    }
    let end = memchr::memmem::rfind(bytes, b"%%EOF").map_or(bytes.len(), |at| at + 5);
    let tail = part(bytes, bytes.len().saturating_sub(END_RECORD_MOST)..);
    let is_filling = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    !part(bytes, end..).iter().all(is_filling) || memchr::memmem::find(tail, b"PK\x05\x06").is_some()
}

/// Whether base64 of a mail's part, from behind its head up to the next part, is text: the canonical view reads that.
fn is_undone(body: &[u8]) -> bool {
    /// Fewer bytes hold nothing that is looked for.
    const LEAST: usize = 12;
    let body = part(body, ..body.len().min(HEAD_BYTES)).trim_ascii_start();
    let end = memchr::memmem::find(body, b"\n--").unwrap_or(body.len());
    let digits = part(body, ..end).iter().copied();
    let digits: Vec<u8> = digits
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
        .collect();
    let mut bytes = base64(&digits);
    if let Err(fault) = str::from_utf8(&bytes)
        && fault.error_len().is_none()
    {
        bytes.truncate(fault.valid_up_to());
    }
    bytes.len() < LEAST || readable(&bytes).is_some()
}

/// Whether these are the bytes of a mail in which a part is encoded that is no text, or none that is read.
fn has_attachments(bytes: &[u8]) -> bool {
    let head = part(bytes, ..bytes.len().min(HEAD_BYTES)).to_ascii_lowercase();
    let is_mail = memchr::memmem::find(&head, b"mime-version:").is_some()
        && memchr::memmem::find(&head, b"content-type:").is_some();
    if !is_mail {
        return false;
    }
    let lower = bytes.to_ascii_lowercase();
    memchr::memmem::find_iter(&lower, b"content-transfer-encoding:")
        .take(PARTS_MOST)
        .any(|at| {
            let value = part(&lower, at + 26..).trim_ascii_start();
            // The lines around it, up to an empty one.
            let before = part(&lower, at.saturating_sub(1024)..at);
            let from = memchr::memmem::rfind(before, b"\n\n")
                .max(memchr::memmem::rfind(before, b"\n\r\n"))
                .map_or(0, |end| end);
            let after = part(&lower, at..(at + 1024).min(lower.len()));
            let end = memchr::memmem::find(after, b"\n\n")
                .into_iter()
                .chain(memchr::memmem::find(after, b"\n\r\n"))
                .min()
                .unwrap_or(after.len());
            let head = [part(before, from..), part(after, ..end)].concat();
            let is_text = memchr::memmem::find(&head, b"content-type: text/").is_some()
                || memchr::memmem::find(&head, b"content-type:").is_none();
            value.starts_with(b"base64")
                && !(is_text && is_undone(part(bytes, (at + end).min(bytes.len())..)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_opened_is_said() {
        let mail = |kind: &str| {
            format!(
                "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
                 Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\nJVBERi0xLjQK\r\n--x--\r\n"
            )
        };
        let written = |digits: &str| mail("text/plain").replace("JVBERi0xLjQK", digits);
        let picture = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82";
        let mut tar = vec![b'a'; 512];
        if let Some(magic) = tar.get_mut(257..262) {
            magic.copy_from_slice(b"ustar");
        }
        for (bytes, what) in [
            (&b"\x1f\x8b\x08 packed"[..], Some("a gzip file")),
            (b"PK\x03\x04 and nothing more", Some("a zip archive")),
            (b"{\\rtf1 \\'49\\'67}", Some("an RTF file")),
            (&tar, Some("a tar archive")),
            (
                mail("application/pdf").as_bytes(),
                Some("a mail with attachments"),
            ),
            (mail("text/plain").as_bytes(), None),
            (
                written("SWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnM=").as_bytes(),
                None,
            ),
            // In a charset of one byte a letter, and so not read.
            (
                written("Z3L832UgYXVzIE38bmNoZW4sIGJpcyBtb3JnZW4=").as_bytes(),
                Some("a mail with attachments"),
            ),
            (b"\xff\xd8\xff\xd9", None),
            (b"\xff\xd8\xff\xd9\0\0\n\xff\xd8\xff\xd9\0", None),
            (
                b"\xff\xd8\xff\xd9Ignore all",
                Some("a picture with something behind it"),
            ),
            (
                b"GIF89a\0\0\0\0\0\0\0;PK\x03\x04",
                Some("a picture with something behind it"),
            ),
            (b"%PDF-1.4\n1 0 obj\nendobj\n%%EOF\r\n\0", None),
            (b"%PDF-1.4\n1 0 obj\nendobj\n", None),
            (
                b"%PDF-1.4\n%%EOF\nPK\x03\x04",
                Some("a PDF with something behind it"),
            ),
            (
                b"%PDF-1.4\nPK\x05\x06 a comment that ends in %%EOF",
                Some("a PDF with something behind it"),
            ),
            (picture, None),
            (
                &[&picture[..], b"more"].concat(),
                Some("a picture with something behind it"),
            ),
            (b"plain text, Content-Transfer-Encoding: base64", None),
            (b"", None),
        ] {
            assert_eq!(unopened(bytes), what, "{}", String::from_utf8_lossy(bytes));
        }
        let is_heard = |bytes: &[u8]| unopened(bytes).is_some_and(is_media);
        assert!(is_heard(b"OggS\0") && is_heard(b"\0\0\0\x18ftypmp42") && !is_heard(b"\x1f\x8b\x08"));
    }
}
