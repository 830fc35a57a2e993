//! Base 62 (`0-9A-Za-z`), the alphabet of our API keys: a double click selects the whole key.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Appends `bytes`, read as one big-endian number, as exactly `width` digits. Higher digits that do not fit are
/// dropped, so `width` must be wide enough: 6 for 4 bytes, 43 for 32.
pub(crate) fn append(out: &mut String, bytes: &[u8], width: usize) {
    let mut rest = bytes.to_vec();
    let mut digits = Vec::with_capacity(width);
    for _ in 0..width {
        let mut carry = 0_u32;
        for byte in &mut rest {
            let part = (carry << 8) | u32::from(*byte);
            *byte = u8::try_from(part / 62).unwrap_or(0);
            carry = part % 62;
        }
        let digit = usize::try_from(carry).unwrap_or(0);
        digits.push(ALPHABET.get(digit).copied().unwrap_or(b'0'));
    }
    out.extend(digits.iter().rev().map(|digit| char::from(*digit)));
    zeroize::Zeroize::zeroize(&mut rest);
    zeroize::Zeroize::zeroize(&mut digits);
}

/// Whether every byte is a digit.
pub(crate) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let show = |bytes: &[u8], width| {
            let mut out = String::new();
            append(&mut out, bytes, width);
            out
        };
        assert_eq!(show(&[0, 0, 0, 61], 6), "00000z");
        assert_eq!(show(&[0, 0, 0, 62], 6), "000010");
        assert_eq!(show(&[255; 4], 6), "4gfFC3");
        assert_eq!(show(&[255; 32], 43).len(), 43);
        assert_ne!(show(&[255; 32], 43), show(&[254; 32], 43));
    }
}
