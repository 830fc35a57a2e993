//! Number tokens: the grammar, the range, and the ECMAScript spelling that RFC 8785 asks for.

use std::fmt::Write;

use bartizan_types::{Code, Decimal};

use super::Fault;

/// Integers of fewer digits and without exponent can't overflow a double (its largest has 309).
const SURELY_FINITE_DIGITS: usize = 308;

/// Numbers of so many bytes, without exponent, are held: 15 digits always fit a double.
const SURELY_HELD_BYTES: usize = 15;

/// The end of a number token.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// One past its last byte.
    pub(super) at: usize,
    /// What readers make of it is what it says: see [`is_held`].
    pub(super) held: bool,
}

/// Finds the end of the number that starts at `start`.
#[inline]
pub(super) fn end(bytes: &[u8], start: usize) -> Result<End, Fault> {
    let wrong = |at: usize| Err(Fault::new(Code::JsonSyntax, at));
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = match bytes.get(first) {
        Some(b'0') => first + 1,
        Some(b'1'..=b'9') => digits(bytes, first),
        _ => return wrong(first),
    };
    let mut doubtful = at - first > SURELY_FINITE_DIGITS;
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(bytes, fraction);
        if at == fraction {
            return wrong(at);
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        doubtful = true;
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = at + 1 + sign;
        at = digits(bytes, exponent);
        if at == exponent {
            return wrong(at);
        }
    }
    if !doubtful && at - first <= SURELY_HELD_BYTES {
        return Ok(End { at, held: true });
    }
    let token = bytes
        .get(start..at)
        .and_then(|token| std::str::from_utf8(token).ok());
    if doubtful {
        let value = token.and_then(|token| token.parse::<f64>().ok());
        if !value.is_some_and(f64::is_finite) {
            return Err(Fault::new(Code::JsonNumber, start));
        }
    }
    Ok(End {
        at,
        held: token.is_some_and(is_held),
    })
}

/// Whether what readers hold of a number, an integer of 64 bits or else a double, is the number that stands there. A
/// double stands for the number that RFC 8785 writes for it: `0.1` and `1E+2` are held, `0.10000000000000000999` is not.
///
/// Whoever looked at the rounded number would look at another than the one that goes on.
pub(super) fn is_held(token: &str) -> bool {
    let short = token.len() <= SURELY_HELD_BYTES && !token.contains(['e', 'E']);
    if short || token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok() {
        return true;
    }
    let held = token.parse::<f64>().ok().filter(|value| value.is_finite());
    held.is_some_and(|value| {
        let said = Decimal::parse(token);
        said.is_some() && said == Decimal::parse(&ecmascript(value))
    })
}

#[inline]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Writes a checked number token as RFC 8785 section 3.2.2.3 wants it: ECMAScript's `Number::toString`.
///
/// An integer literal that a double can't hold exactly is refused: rounding would give two different calls one hash.
pub(super) fn canonical(token: &str, out: &mut Vec<u8>) -> Result<(), Code> {
    let value: f64 = token.parse().map_err(|_| Code::JsonSyntax)?;
    if !value.is_finite() {
        return Err(Code::JsonNumber);
    }
    let integer = !token.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    // 15 digits always fit. A double prints exactly with `.0`, so equal text means equal number.
    if integer && token.len() > 15 && format!("{value:.0}") != token {
        return Err(Code::JsonNumber);
    }
    out.extend_from_slice(ecmascript(value).as_bytes());
    Ok(())
}

/// `Number::toString(value)` with radix 10 (ECMA-262 section 6.1.6.1.20) of a finite double.
fn ecmascript(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // `{:e}` gives the fewest digits that read back to the same double. Where two such texts are equally near,
    // ECMAScript wants the even one, and rounding to that many digits ties to even.
    let shortest = format!("{:e}", value.abs());
    let precision = shortest
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let nearest = format!("{:.*e}", precision.saturating_sub(1), value.abs());
    let scientific = if nearest.parse() == Ok(value.abs()) {
        nearest
    } else {
        shortest
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // The decimal point stands after the first `point` digits; -323 to 309 for a double.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let sign = if value < 0.0 { "-" } else { "" };
    let zeros = |many: i32| "0".repeat(usize::try_from(many).unwrap_or(0));
    let mut text = String::with_capacity(32);
    text.push_str(sign);
    if count <= point && point <= 21 {
        text.push_str(&digits);
        text.push_str(&zeros(point - count));
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        text.push_str(whole);
        text.push('.');
        text.push_str(fraction);
    } else if -6 < point && point <= 0 {
        text.push_str("0.");
        text.push_str(&zeros(-point));
        text.push_str(&digits);
    } else {
        let (first, more) = digits.split_at(1);
        text.push_str(first);
        if !more.is_empty() {
            text.push('.');
            text.push_str(more);
        }
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "e{}{}",
            if point > 0 { "+" } else { "-" },
            (point - 1).abs()
        );
    }
    text
}
