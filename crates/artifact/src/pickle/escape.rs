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

/// Whether bytes are UTF-8 to CPython, which lets lone surrogates pass here.
#[inline]
pub(super) fn decodes(mut bytes: &[u8]) -> bool {
    if bytes.is_ascii() {
        return true;
    }
    loop {
        let Err(fault) = std::str::from_utf8(bytes) else {
            return true;
        };
        match bytes.get(fault.valid_up_to()..).unwrap_or_default() {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => bytes = rest,
            _ => return false,
        }
    }
}

/// Whether an INT or LONG line is a number to CPython, in any spelling that `int` or C takes.
pub(super) fn integer(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let line = line.strip_suffix(b"L").unwrap_or(line);
    let digits = match line {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        rest => (10, rest),
    };
    let digit = |byte: &u8| char::from(*byte).is_digit(radix);
    digits
        .split(|byte| *byte == b'_')
        .all(|part| !part.is_empty() && part.iter().all(digit))
}

/// Whether a FLOAT line is a number to CPython.
pub(super) fn float(line: &[u8]) -> bool {
    let text = std::str::from_utf8(line).unwrap_or_default();
    text.trim().parse::<f64>().is_ok()
}

/// Whether the escapes of a UNICODE line are whole. Lone surrogates are texts to CPython, if not to us.
pub(super) fn unescapes(line: &[u8]) -> bool {
    let mut rest = line;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        rest = rest.get(at + 1..).unwrap_or_default();
        let digits = match rest.first() {
            Some(b'u') => 4,
            Some(b'U') => 8,
            Some(b'\\') => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            _ => continue,
        };
        let number = rest
            .get(1..=digits)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let number = number.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match number.map(|digits| u32::from_str_radix(digits, 16)) {
            Some(Ok(number)) if number <= 0x10_ffff => {}
            _ => return false,
        }
    }
    true
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
        assert!(
            decodes("aé☃".as_bytes())
                && decodes(b"\xed\xa0\x80x")
                && !decodes(b"a\xff")
                && !decodes(b"\xed\xa0")
        );
        for good in [&b"12"[..], b"-12L", b" 1_000 ", b"0x1F", b"00", b"01"] {
            assert!(integer(good), "{good:?}");
        }
        for bad in [&b""[..], b"-", b"1__0", b"_1", b"1a", b"1\xc5", b"--1"] {
            assert!(!integer(bad), "{bad:?}");
        }
        assert!(float(b"1e5") && float(b"-inf") && float(b"nan") && !float(b"1,5") && !float(b""));
        assert!(
            unescapes(br"\ud800 \\u \x \U0001f600") && !unescapes(br"\u00") && !unescapes(br"\U00110000")
        );
        assert_eq!(index(b"12", true), Some(12));
        for odd in [&b"+1"[..], b" 1", b"1_0", b"", b"0x1", b"99999999999999999999"] {
            assert_eq!(index(odd, true), None);
        }
    }
}
