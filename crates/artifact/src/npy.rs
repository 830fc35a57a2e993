//! numpy's own format: a header that is a Python literal, then numbers, or a pickle when elements are objects.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    pickle, rule,
    scan::Scan,
};

/// The first six bytes.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of a header; numpy itself stops at 10,000.
const HEADER: usize = 1 << 16;

/// Looks into one or more arrays.
pub(crate) fn read(scan: &mut Scan<'_>, feed: &mut Feed<'_>) -> String {
    let mut arrays = 0_u64;
    loop {
        let at = feed.offset();
        match feed.peek(6) {
            Ok([]) if arrays > 0 => return "numpy".to_owned(),
            Ok(head) if head == MAGIC => {}
            Ok(_) if arrays > 0 => {
                let what = "bytes follow the array".to_owned();
                scan.find(&rule::TRAILING, Verdict::Unknown, at, "after the array", what);
                return "numpy".to_owned();
            }
            Ok(_) => return "numpy".to_owned(),
            Err(stop) => {
                scan.stopped(stop, at);
                return "numpy".to_owned();
            }
        }
        arrays += 1;
        match array(scan, feed) {
            Ok(true) => {}
            Ok(false) => return "numpy".to_owned(),
            Err(stop) => {
                scan.stopped(stop, at);
                return "numpy".to_owned();
            }
        }
    }
}

/// One array; `false`: what follows can't be found.
fn array(scan: &mut Scan<'_>, feed: &mut Feed<'_>) -> Result<bool, Stop> {
    let at = feed.offset();
    feed.need(6)?;
    let [major, minor] = feed.array()?;
    let length = match major {
        1 => usize::from(u16::from_le_bytes(feed.array()?)),
        2 | 3 => usize::try_from(u32::from_le_bytes(feed.array()?)).unwrap_or(usize::MAX),
        _ => return Ok(odd(scan, at, format!("is of version {major}.{minor}"))),
    };
    if length > HEADER - 8 {
        return Ok(odd(scan, at, format!("has a header of {length} bytes")));
    }
    let header = feed.need(length)?.to_vec();
    let Some(header) = Header::of(&header) else {
        let what = "has a header that is not the literal that numpy writes".to_owned();
        scan.find(&rule::NUMPY_HEADER, Verdict::Suspicious, at, "literal", what);
        return Ok(false);
    };
    if header.object {
        return Ok(pickle::single(feed, scan, &pickle::Context::default()));
    }
    match header.bytes {
        Some(bytes) => feed.skip(bytes).map(|()| true),
        None => Ok(odd(
            scan,
            at,
            "has elements of a size that can't be told".to_owned(),
        )),
    }
}

fn odd(scan: &mut Scan<'_>, at: u64, what: String) -> bool {
    scan.find(&rule::NUMPY_HEADER, Verdict::Unknown, at, "header", what);
    false
}

struct Header {
    object: bool,
    /// Bytes of all elements; `None`: not known.
    bytes: Option<u64>,
}

impl Header {
    /// Reads `{'descr': ..., 'fortran_order': ..., 'shape': (...), }`: strings, numbers, brackets and nothing else.
    fn of(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?.trim_end_matches(['\n', ' ']);
        let inner = text.strip_prefix('{')?.strip_suffix('}')?;
        let mut strings = Vec::new();
        let mut plain = String::new();
        let mut rest = inner.chars();
        while let Some(letter) = rest.next() {
            if matches!(letter, '\'' | '"') {
                let mut string = String::new();
                loop {
                    match rest.next()? {
                        '\\' => return None,
                        end if end == letter => break,
                        other => string.push(other),
                    }
                }
                plain.push('$');
                strings.push(string);
            } else {
                plain.push(letter);
            }
        }
        let allowed = |letter: char| letter.is_ascii_digit() || "${}[]():, TrueFalseL".contains(letter);
        if !plain.chars().all(allowed) {
            return None;
        }
        let shape = plain.rsplit_once("$: (")?.1.split(')').next()?;
        let mut count = 1_u64;
        for side in shape.split(',').map(str::trim).filter(|side| !side.is_empty()) {
            count = count.checked_mul(side.trim_end_matches('L').parse().ok()?)?;
        }
        let keys = ["descr", "fortran_order", "shape"];
        if keys
            .iter()
            .any(|key| strings.iter().filter(|string| string == key).count() != 1)
        {
            return None;
        }
        let codes: Vec<&String> = strings
            .iter()
            .filter(|string| !keys.contains(&string.as_str()))
            .collect();
        let object = codes.iter().any(|code| is_object(code));
        let bytes = match codes.as_slice() {
            [code] => size_of(code).and_then(|size| size.checked_mul(count)),
            // Fields: names and types in turn; nested or titled ones can't be told apart and are not measured.
            fields if !plain.contains("$, [") && !plain.contains("(($") => {
                let mut size = Some(0_u64);
                for code in fields.iter().skip(1).step_by(2) {
                    size = size
                        .zip(size_of(code))
                        .and_then(|(sum, size)| sum.checked_add(size));
                }
                // One bracket for each field, one for the shape of the whole; more are shapes of fields.
                let subarrays = plain.matches('(').count() > fields.len() / 2 + 1 || fields.len() % 2 != 0;
                size.filter(|_| !subarrays)
                    .and_then(|size| size.checked_mul(count))
            }
            _ => None,
        };
        Some(Self { object, bytes })
    }
}

fn is_object(code: &str) -> bool {
    let code = code.trim_start_matches(['<', '>', '|', '=']);
    code.strip_prefix('O')
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        || code == "object"
}

fn size_of(code: &str) -> Option<u64> {
    let code = code.trim_start_matches(['<', '>', '|', '=']);
    let (kind, rest) = code.split_at_checked(1)?;
    let number = rest
        .split('[')
        .next()
        .and_then(|digits| digits.parse::<u64>().ok());
    match kind {
        "b" | "i" | "u" | "f" | "c" | "V" | "S" | "a" | "M" | "m" => number,
        "U" => number?.checked_mul(4),
        "?" => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<(bool, Option<u64>)> {
        Header::of(text.as_bytes()).map(|header| (header.object, header.bytes))
    }

    #[test]
    fn headers_say_what_follows() {
        let plain = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }   \n";
        assert_eq!(header(plain), Some((false, Some(96))));
        let object = "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }";
        assert_eq!(header(object).map(|(object, _)| object), Some(true));
        let fields = "{'descr': [('a', '<i4'), ('b', '|O')], 'fortran_order': False, 'shape': (3,), }";
        assert_eq!(header(fields).map(|(object, _)| object), Some(true));
        let fields = "{'descr': [('a', '<i4'), ('b', '<U3')], 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(header(fields), Some((false, Some(32))));
    }

    #[test]
    fn a_header_that_is_a_program_is_none() {
        for odd in [
            "{'descr': __import__('os').system('id'), 'fortran_order': False, 'shape': (), }",
            "{'descr': '<f8', 'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '\\x7cO', 'fortran_order': False, 'shape': (1,), }",
            "[1]",
            "",
        ] {
            assert_eq!(header(odd), None, "{odd}");
        }
    }
}
