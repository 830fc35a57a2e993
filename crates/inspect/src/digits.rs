//! Digits that stand for bytes: base64, base32 and hexadecimal (RFC 4648), read for what they may hide.
//!
//! What is read was found by its looks, so nothing here refuses: a digit of another alphabet counts as some digit, and
//! bits that fill no byte are dropped. Who needs to know that a text is well-formed asks another reader.

/// The bytes of base64 digits, of either alphabet and without what fills them up.
#[must_use]
pub fn base64(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(value(*digit)))
            << (6 * (4 - group.len()));
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend([first, second, third].iter().take(group.len().saturating_sub(1)));
    }
    bytes
}

/// The bytes of base32 digits, without what fills them up.
#[must_use]
pub fn base32(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'2'..=b'7' => digit - b'2' + 26,
        _ => 31,
    };
    let mut bytes = Vec::with_capacity(digits.len() / 8 * 5 + 5);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits {
        bits = (bits << 5 | u32::from(value(*digit))) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// The bytes of pairs of hexadecimal digits; a last one alone is dropped.
#[must_use]
pub fn hexadecimal(digits: &[u8]) -> Vec<u8> {
    let pairs = digits.as_chunks::<2>().0.iter();
    pairs
        .map(|[high, low]| nibble(*high) << 4 | nibble(*low))
        .collect()
}

/// What one hexadecimal digit stands for; 0 where it is none.
#[must_use]
pub const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_rfc_4648() {
        for (plain, sixty_four, thirty_two, sixteen) in [
            ("", "", "", ""),
            ("f", "Zg", "MY", "66"),
            ("fo", "Zm8", "MZXQ", "666F"),
            ("foo", "Zm9v", "MZXW6", "666f6f"),
            ("foobar", "Zm9vYmFy", "MZXW6YTBOI", "666F6F626172"),
        ] {
            assert_eq!(base64(sixty_four.as_bytes()), plain.as_bytes());
            assert_eq!(base32(thirty_two.as_bytes()), plain.as_bytes());
            assert_eq!(hexadecimal(sixteen.as_bytes()), plain.as_bytes());
        }
        assert_eq!(base64(b"-_+/"), base64(b"+/-_"));
    }

    #[test]
    fn any_bytes_are_read() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(base64(&all).len(), 192);
        assert_eq!(base32(&all).len(), 160);
        assert_eq!(hexadecimal(&all).len(), 128);
    }
}
