//! The escapes of protocol 0's lines, as CPython undoes them.

/// The number of a GET, PUT, INT or LONG line. CPython takes more spellings; those are not written by any pickler.
pub(super) fn index(line: &[u8], whole: bool) -> Option<u64> {
    if !whole || line.is_empty() || line.len() > 19 || !line.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// The text of a STRING line: in quotes, with the escapes of Python 2's `str`.
pub(super) fn string(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii();
    let (first, inner) = line.split_first()?;
    let (last, inner) = inner.split_last()?;
    if first != last || !matches!(first, b'\'' | b'"') {
        return None;
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match bytes.next()? {
            b'\n' => {}
            b'n' => text.push(b'\n'),
            b't' => text.push(b'\t'),
            b'r' => text.push(b'\r'),
            b'a' => text.push(7),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'v' => text.push(11),
            b'x' => {
                let high = hex(bytes.next()?)?;
                text.push((high << 4 | hex(bytes.next()?)?) as u8);
            }
            digit @ b'0'..=b'7' => {
                let mut number = u32::from(digit - b'0');
                for _ in 0..2 {
                    match bytes.peek() {
                        Some(next @ b'0'..=b'7') => number = number * 8 + u32::from(*next - b'0'),
                        _ => break,
                    }
                    bytes.next();
                }
                text.push(number as u8);
            }
            other @ (b'\\' | b'\'' | b'"') => text.push(other),
            other => text.extend_from_slice(&[b'\\', other]),
        }
    }
    Some(text)
}

/// The text of a UNICODE line: Latin-1 with `\u` and `\U`.
pub(super) fn unicode(line: &[u8]) -> Option<Vec<u8>> {
    let mut text = String::with_capacity(line.len());
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let digits = match (byte, bytes.peek()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            (b'\\', Some(b'\\')) => {
                // An even run of backslashes escapes nothing: each stays.
                text.push_str("\\\\");
                bytes.next();
                continue;
            }
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        bytes.next();
        let mut number = 0_u32;
        for _ in 0..digits {
            number = number.checked_mul(16)? | hex(bytes.next()?)?;
        }
        text.push(char::from_u32(number)?);
    }
    Some(text.into_bytes())
}

fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_hide_a_name() {
        assert_eq!(string(br"'\x6f\163'").as_deref(), Some(&b"os"[..]));
        assert_eq!(string(br#" "a\"\q\\" "#).as_deref(), Some(&br#"a"\q\"#[..]));
        assert_eq!(string(b"'no end"), None);
        assert_eq!(unicode(br"\u006f\U00000073").as_deref(), Some(&b"os"[..]));
        assert_eq!(unicode(br"\\u006f").as_deref(), Some(&br"\\u006f"[..]));
        assert_eq!(unicode(br"\u00"), None);
        assert_eq!(index(b"12", true), Some(12));
        for odd in [&b"+1"[..], b" 1", b"1_0", b"", b"0x1", b"99999999999999999999"] {
            assert_eq!(index(odd, true), None);
        }
    }
}
