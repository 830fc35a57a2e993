//! What a number says, whatever its spelling and however many digits it has.

/// The exact value of a JSON number: `100`, `100.0` and `1e2` are one, and nothing is ever rounded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal {
    negative: bool,
    /// Without zeros at either end; none for zero.
    digits: String,
    /// The value is `0.DIGITS` times ten to the power of this.
    point: i64,
}

impl Decimal {
    /// Reads a number as RFC 8259 section 6 spells it. `None` for any other text, and for an exponent beyond 64 bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let leads = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leads || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let all = [whole, fraction].concat();
        let from_first = all.trim_start_matches('0');
        let zeros = i64::try_from(all.len() - from_first.len()).ok()?;
        let digits = from_first.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                point: 0,
            });
        }
        let point = i64::try_from(whole.len()).ok()?.checked_sub(zeros)?;
        Some(Self {
            negative: text.starts_with('-'),
            digits: digits.to_owned(),
            point: point.checked_add(exponent)?,
        })
    }
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !are_digits(digits) {
        return None;
    }
    let value: i64 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_value_and_no_other_has_it() {
        for (left, right) in [
            ("100", "100.0"),
            ("100", "1e2"),
            ("100", "1E+2"),
            ("100", "0.1e3"),
            ("100", "10000e-2"),
            ("0", "-0"),
            ("0", "0.00e99"),
            ("0.001", "1e-3"),
            ("-2.50", "-25e-1"),
            ("20000000000000000001", "2000000000000000000.1e1"),
        ] {
            assert!(Decimal::parse(left).is_some(), "{left}");
            assert_eq!(Decimal::parse(left), Decimal::parse(right), "{left} {right}");
        }
        for (left, right) in [
            ("100", "100.9"),
            ("100", "-100"),
            ("100", "10"),
            ("0", "0.99"),
            ("20000000000000000001", "20000000000000000000"),
            ("0.1", "0.10000000000000000999"),
        ] {
            assert_ne!(Decimal::parse(left), Decimal::parse(right), "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_number_has_none() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1e1.5",
            "0x1",
            " 1",
            "1 ",
            "NaN",
            "inf",
            "true",
            "١",
            "1e99999999999999999999",
            "1_000",
            "--1",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
