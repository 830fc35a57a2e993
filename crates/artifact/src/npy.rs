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
        let mut reader = Reader { rest: text };
        let (mut descr, mut order, mut shape) = (None, None, None);
        reader.take('{')?;
        while reader.take('}').is_none() {
            let Literal::Text(key) = reader.value(0)? else {
                return None;
            };
            reader.take(':')?;
            let value = reader.value(0)?;
            let place = match key.as_str() {
                "descr" => &mut descr,
                "fortran_order" => &mut order,
                "shape" => &mut shape,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
            if reader.take(',').is_none() {
                reader.take('}')?;
                break;
            }
        }
        order.filter(|order| matches!(order, Literal::Bool))?;
        let kind = descr?.kind()?;
        let count = shape?.product()?;
        (reader.rest.is_empty()).then(|| Self {
            object: kind.object,
            bytes: kind.bytes.and_then(|bytes| bytes.checked_mul(count)),
        })
    }
}

/// Values in a tuple in a list in a tuple: deeper ones nobody writes.
const DEPTH: u32 = 16;

/// The part of Python's literals that numpy writes.
enum Literal {
    Text(String),
    Number(u64),
    Bool,
    /// Brackets of either kind.
    Several(Vec<Literal>),
}

/// What an array's elements are.
struct Kind {
    object: bool,
    bytes: Option<u64>,
}

impl Literal {
    /// A code, a list of fields, or a type and the shape of what is made of it.
    fn kind(&self) -> Option<Kind> {
        let fields = match self {
            Self::Text(code) => {
                return Some(Kind {
                    object: is_object(code),
                    bytes: size_of(code),
                });
            }
            Self::Several(parts) => match parts.as_slice() {
                [kind, shape] if shape.product().is_some() => {
                    return kind.kind()?.times(shape.product()?).into();
                }
                parts => parts,
            },
            _ => return None,
        };
        let mut whole = Kind {
            object: false,
            bytes: Some(0),
        };
        for field in fields {
            let Self::Several(field) = field else { return None };
            // The name may come with a title.
            let (kind, count) = match field.as_slice() {
                [Self::Text(_) | Self::Several(_), kind] => (kind, 1),
                [Self::Text(_) | Self::Several(_), kind, shape] => (kind, shape.product()?),
                _ => return None,
            };
            let kind = kind.kind()?.times(count);
            whole.object |= kind.object;
            whole.bytes = whole
                .bytes
                .zip(kind.bytes)
                .and_then(|(sum, bytes)| sum.checked_add(bytes));
        }
        Some(whole)
    }

    /// The elements of a shape.
    fn product(&self) -> Option<u64> {
        match self {
            Self::Number(count) => Some(*count),
            Self::Several(sides) => sides.iter().try_fold(1_u64, |product, side| match side {
                Self::Number(side) => product.checked_mul(*side),
                _ => None,
            }),
            _ => None,
        }
    }
}

impl Kind {
    fn times(self, count: u64) -> Self {
        Self {
            object: self.object,
            bytes: self.bytes.and_then(|bytes| bytes.checked_mul(count)),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, letter: char) -> Option<()> {
        self.rest = self.rest.trim_start_matches([' ', '\n']).strip_prefix(letter)?;
        self.rest = self.rest.trim_start_matches([' ', '\n']);
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<Literal> {
        self.rest = self.rest.trim_start_matches([' ', '\n']);
        let first = self.rest.chars().next()?;
        for (open, close) in [('(', ')'), ('[', ']')] {
            if first == open && depth < DEPTH {
                self.take(open)?;
                let mut values = Vec::new();
                let mut comma = false;
                while self.take(close).is_none() {
                    values.push(self.value(depth + 1)?);
                    comma = self.take(',').is_some();
                    if !comma {
                        self.take(close)?;
                        break;
                    }
                }
                // Brackets around one value without a comma are only brackets.
                if open == '(' && values.len() == 1 && !comma {
                    return values.pop();
                }
                return Some(Literal::Several(values));
            }
        }
        match first {
            '\'' | '"' => {
                let (text, rest) = self.rest.get(1..)?.split_once(first)?;
                self.rest = rest;
                (!text.contains(['\\', '\n'])).then(|| Literal::Text(text.to_owned()))
            }
            '0'..='9' => {
                let end = self.rest.find(|letter: char| !letter.is_ascii_digit());
                let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest.strip_prefix('L').unwrap_or(rest);
                digits.parse().ok().map(Literal::Number)
            }
            _ => {
                let rest = self
                    .rest
                    .strip_prefix("True")
                    .or_else(|| self.rest.strip_prefix("False"))?;
                self.rest = rest;
                Some(Literal::Bool)
            }
        }
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
        let size = |descr: &str| {
            header(&format!(
                "{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}"
            ))
        };
        assert_eq!(
            size("[('a', '<i4', (2, 3)), ('b', '<f8')]"),
            Some((false, Some(64)))
        );
        assert_eq!(size("[('a', '<i4', 2)]"), Some((false, Some(16))));
        assert_eq!(
            size("[('a', [('x', '<i4'), ('y', '<i2')], (2,))]"),
            Some((false, Some(24)))
        );
        assert_eq!(
            size("[(('title', 'a'), '|O')]").map(|(object, _)| object),
            Some(true)
        );
        assert_eq!(
            size("[('a', [('b', [('c', '|O')])])]").map(|(object, _)| object),
            Some(true)
        );
        assert_eq!(
            size("[('a', ('|O', (1,)))]").map(|(object, _)| object),
            Some(true)
        );
        assert_eq!(size("('<f8', (3,))"), Some((false, Some(48))));
    }

    #[test]
    fn a_header_that_is_a_program_is_none() {
        for odd in [
            "{'descr': __import__('os').system('id'), 'fortran_order': False, 'shape': (), }",
            "{'descr': '<f8', 'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '\\x7cO', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), } or exit()",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}",
            "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }",
            "{'descr': [('a', '<f8')] + [], 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f8', 'shape': (1,), }",
            "[1]",
            "",
        ] {
            assert_eq!(header(odd), None, "{odd}");
        }
    }
}
