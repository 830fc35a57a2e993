//! What holds something that is not looked into here, by its first bytes. It is said, since else nothing found would look
//! like nothing there.

use crate::safe::part;

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
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        // Behind the last piece and its sum.
        let end = memchr::memmem::rfind(bytes, b"IEND")? + 8;
        return (end < bytes.len()).then_some("a picture with something behind it");
    }
    has_attachments(bytes).then_some("a mail with attachments")
}

/// Whether what [`unopened`] names is there to be heard or watched and not to be read, as a picture's pixels are.
#[must_use]
pub fn is_media(what: &str) -> bool {
    matches!(what, RECORDING | FILM)
}

/// Whether these are the bytes of a mail in which a part that is no text is encoded.
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
            value.starts_with(b"base64") && !is_text
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
