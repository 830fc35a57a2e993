//! A value as others encode it: what would come back where an upstream logs, quotes or wraps what it was shown.

use super::{SHORTEST, escaped};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// A value in base64 (RFC 4648, both alphabets, behind any number of other bytes), in hexadecimal, and as a part of an
/// address (RFC 3986 section 2.1), the longest first.
pub(super) fn spellings(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![hexadecimal(value, LOWER), hexadecimal(value, UPPER)];
    for digits in [LOWER, UPPER] {
        all.push(percent(value, b"", digits));
        all.push(percent(value, b"/", digits));
    }
    for before in 0..3 {
        let standard = base64(value, before, STANDARD);
        all.push(escaped(&standard, b"/"));
        all.push(standard);
        all.push(base64(value, before, URL_SAFE));
    }
    all.retain(|one| one.len() >= SHORTEST && one != value);
    all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    all.dedup();
    all
}

/// What `Basic` (RFC 7617) says: `user:secret`, and the secret alone. `None`: the value is no such thing.
pub(super) fn basic(value: &[u8]) -> Option<[Vec<u8>; 2]> {
    let whole = decoded(value)?;
    let colon = memchr::memchr(b':', &whole)?;
    let is_text = whole.iter().all(|byte| (b' '..=b'~').contains(byte));
    let (user, secret) = (whole.get(..colon)?, whole.get(colon + 1..)?);
    // Some providers take the key as the user, and no password.
    let secret = if secret.is_empty() { user } else { secret }.to_vec();
    is_text.then_some([whole, secret])
}

/// The characters that are the value's alone where so many bytes stand before it in its group of three. What it shares a
/// character with, at either end, has at most four bits of it.
fn base64(value: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value);
    let from = (8 * before).div_ceil(6);
    let to = 8 * bytes.len() / 6;
    let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or_default());
    let character = |at: usize| {
        let bit = 6 * at;
        let two = (byte(bit / 8) << 8) | byte(bit / 8 + 1);
        let six = usize::from((two >> (10 - bit % 8)) & 63);
        alphabet.get(six).copied().unwrap_or_default()
    };
    (from..to).map(character).collect()
}

/// The bytes of some base64, in either alphabet, padded or not.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let (text, padding) = text.split_at_checked(end)?;
    if padding.len() > 2 || padding.iter().any(|byte| *byte != b'=') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for character in text {
        let place = |alphabet: &[u8; 64]| alphabet.iter().position(|one| one == character);
        let six = place(STANDARD).or_else(|| place(URL_SAFE))?;
        held = ((held << 6) | u32::try_from(six).ok()?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(out)
}

fn hexadecimal(value: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    value.iter().flat_map(|byte| two(*byte, digits)).collect()
}

fn percent(value: &[u8], kept: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.contains(byte) {
            out.push(*byte);
        } else {
            out.push(b'%');
            out.extend_from_slice(&two(*byte, digits));
        }
    }
    out
}

fn two(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|four| digits.get(usize::from(four)).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[&str]) {
        let all = spellings(value.as_bytes());
        let all: Vec<&str> = all.iter().map(|one| std::str::from_utf8(one).unwrap()).collect();
        for one in expected {
            assert!(all.contains(one), "{value}: {one} in {all:?}");
        }
        assert!(!all.contains(&value));
    }

    #[test]
    fn a_value_is_spelled_as_encoders_do() {
        // By `printf … | base64`, `xxd -p`, and JavaScript's `encodeURIComponent`.
        check(
            "secret-0",
            &["c2VjcmV0LT", "7365637265742d30", "7365637265742D30"],
        );
        check("ab/c+d=e", &["ab%2Fc%2Bd%3De", "ab%2fc%2bd%3de", "ab/c%2Bd%3De"]);
        // `>>>???>>` is `Pj4+Pz8/Pj4=`, the last character of which is not all its own.
        check(">>>???>>", &["Pj4+Pz8/Pj", "Pj4-Pz8_Pj", "Pj4+Pz8\\/Pj"]);
        let lengths: Vec<usize> = spellings(b"secret-0").iter().map(Vec::len).collect();
        assert!(lengths.is_sorted_by(|one, other| one >= other), "{lengths:?}");
        assert!(lengths.iter().all(|length| *length >= SHORTEST));
    }

    #[test]
    fn basic_is_read_and_nothing_else_is_taken_for_it() {
        let read =
            |text: &str| basic(text.as_bytes()).map(|both| both.map(|one| String::from_utf8(one).unwrap()));
        let both = |whole: &str, secret: &str| Some([whole.to_owned(), secret.to_owned()]);
        assert_eq!(read("dXNlcjpwYXNzd29yZA=="), both("user:password", "password"));
        assert_eq!(read("dXNlcjpwYXNzd29yZA"), both("user:password", "password"));
        assert_eq!(read("a2V5LTEyMzQ6"), both("key-1234:", "key-1234"));
        assert_eq!(read("Og=="), both(":", ""));
        for other in [
            "",
            "dXNlcg==",
            "sk-proj-9f8Q2mZ7LxT4vB6nR1wY3cD5",
            "a b",
            "dXNlcjpw=x",
            "dXNlcjpw===",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
