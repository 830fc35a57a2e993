//! What the characters of a secret must satisfy beyond their shape.

use crate::digits::base64;

/// A check of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// None.
    None,
    /// None, and what is in this form is less sure to be of use.
    Weak,
    /// The last six characters are the CRC-32 of the rest after the prefix, in base 62.
    Crc62,
    /// The last six are the CRC-32 of all that precedes the last `_`, in base 62.
    Bartizan,
    /// The last eight are the CRC-32 of what precedes the last `=`, in hexadecimal.
    CrcHex,
    /// The last eight are the CRC-32 of what precedes the last `_`, in hexadecimal.
    GrafanaCrc,
    /// The first part is a JSON object that names an algorithm.
    Jwt,
    /// Base64 of a name, a colon and a password.
    Basic,
    /// A key in Bitcoin's wallet import format, with the four bytes of its check sum.
    Wif,
    /// A password and no placeholder.
    Password,
    /// A password where its name alone does not say so: with digits and letters.
    Made,
    /// A token: digits and letters, and no word, path or call.
    Token,
}

/// How sure a value is, in thousandths, or `None` where it is no secret.
pub(super) fn judge(check: Check, value: &str) -> Option<u16> {
    match check {
        Check::None => Some(950),
        Check::Weak => Some(700),
        Check::Crc62 => Some(sure(crc62(value))),
        Check::Bartizan => Some(sure(bartizan(value))),
        Check::CrcHex => Some(sure(crc_hex(value, '='))),
        Check::GrafanaCrc => Some(sure(crc_hex(value, '_'))),
        Check::Jwt => jwt(value).then_some(900),
        Check::Basic => basic(value).then_some(900),
        Check::Wif => Some(sure(crate::pii::is_wif(value))),
        Check::Password => (!placeholder(value) && !code(value)).then_some(700),
        Check::Made => (made(value) && !placeholder(value) && !code(value)).then_some(650),
        Check::Token => token(value).then_some(750),
    }
}

/// A wrong check sum lowers how sure it is and no more: a typing error does not make a key harmless.
const fn sure(right: bool) -> u16 {
    if right { 1000 } else { 600 }
}

fn crc62(value: &str) -> bool {
    let Some((_, rest)) = value.split_once('_') else {
        return false;
    };
    let Some((body, sum)) = rest.len().checked_sub(6).and_then(|at| rest.split_at_checked(at)) else {
        return false;
    };
    sum.as_bytes() == sum62(body)
}

fn bartizan(value: &str) -> bool {
    value
        .rsplit_once('_')
        .is_some_and(|(body, sum)| sum.as_bytes() == sum62(body))
}

/// The CRC-32 of a text in base 62.
fn sum62(body: &str) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = crate::safe::item(DIGITS, (number % 62) as usize);
        number /= 62;
    }
    digits
}

fn crc_hex(value: &str, sign: char) -> bool {
    value.rsplit_once(sign).is_some_and(|(body, sum)| {
        u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == crc32fast::hash(body.as_bytes()))
    })
}

fn jwt(value: &str) -> bool {
    let header = value.split('.').next().unwrap_or_default();
    let header = decode(header);
    header.starts_with(b"{") && memchr::memmem::find(&header, b"\"alg\"").is_some()
}

fn basic(value: &str) -> bool {
    let bytes = decode(value);
    str::from_utf8(&bytes).is_ok_and(|text| {
        text.split_once(':')
            .is_some_and(|(_, password)| !password.is_empty() && !placeholder(password))
            && !text.contains(char::is_control)
    })
}

fn decode(text: &str) -> Vec<u8> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_');
    let digits = text.bytes().take_while(is_digit);
    base64(&digits.collect::<Vec<u8>>())
}

/// Stand-ins of manuals and templates.
pub(super) fn placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let word = [
        "example",
        "xxxx",
        "your",
        "changeme",
        "change_me",
        "placeholder",
        "redacted",
        "dummy",
        "sample",
        "insert",
        "replace",
        "todo",
        "<",
        "${",
        "{{",
        "****",
        "....",
        "____",
        "----",
        "1234567890",
        "abcdefgh",
        "foobar",
        "password",
        "passwd",
        "secret",
        "process.env",
        "os.environ",
        "getenv",
        "not_set",
        "undefined",
        "none",
        "null",
        "true",
        "false",
        "string",
        "required",
        "optional",
        "disabled",
        "enabled",
        // Names of what is done with them.
        "argon2",
        "bcrypt",
        "pbkdf2",
        "sha256",
        "sha512",
    ];
    if word.iter().any(|word| lower.contains(word)) {
        // A long one that merely holds such a word may be real.
        return value.len() < 24
            || lower.contains("example")
            || lower.contains("your")
            || lower.contains("xxxx");
    }
    matches!(
        lower.as_str(),
        "admin" | "root" | "user" | "test" | "pass" | "token" | "key" | "value" | "hidden"
    )
}

/// Source code rather than a value: calls, members, paths.
fn code(value: &str) -> bool {
    value.contains("()")
        || value.starts_with("arn:")
        || value.contains("->")
        || value.contains("::")
        || value.starts_with(['/', '.', '$', '@', '%', '&', '<', '*'])
        || value.starts_with("http")
        || value.ends_with([':', ';']) && value.len() < 12
        || (value.contains('.')
            && value.split('.').all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            }))
        || words(value)
}

/// Words joined by signs, or one word; of several, some may be short numbers.
fn words(value: &str) -> bool {
    let mut parts = value.split(['-', '_', '.', '/', ':']);
    let first_is_word = value.starts_with(|first: char| first.is_ascii_alphabetic());
    parts.all(|part| {
        let inner = part.get(1..).unwrap_or_default();
        let number = first_is_word && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        number
            || part.bytes().all(|byte| byte.is_ascii_alphabetic())
                && (inner.bytes().all(|byte| byte.is_ascii_lowercase())
                    || part.bytes().all(|byte| byte.is_ascii_uppercase()))
    })
}

fn made(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit()) && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn token(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    value.len() >= 12 && digits >= 2 && letters >= 3 && !placeholder(value) && !code(value)
}
