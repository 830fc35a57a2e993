//! Numbers that can be compared and derived exactly: millionths, no floats.

/// A decimal in millionths, within ±10¹⁸ units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

const UNIT: i128 = 1_000_000;

impl Amount {
    /// Reads a canonical number of at most six decimals; more can't be an amount.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = crate::canon::number(text)?;
        let (sign, digits) = number
            .strip_prefix('-')
            .map_or((1, number.as_str()), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if fraction.len() > 6 {
            return None;
        }
        let scale = 10_i128.checked_pow(u32::try_from(6 - fraction.len()).ok()?)?;
        let fraction = if fraction.is_empty() {
            0
        } else {
            fraction.parse::<i128>().ok()?
        };
        let whole = whole.parse::<i128>().ok()?;
        Some(Self(
            sign * (whole.checked_mul(UNIT)? + fraction.checked_mul(scale)?),
        ))
    }

    /// Is this what a person would compute from the numbers at hand? `told` are the human's numbers, `percents` her
    /// percentages, `known` those of trusted results. At least one of hers takes part, and the result is above zero
    /// and at most ten times the largest number that took part.
    #[must_use]
    pub fn derivable(self, told: &[Self], percents: &[Self], known: &[Self]) -> bool {
        if self.0 <= 0 {
            return false;
        }
        let all = || told.iter().chain(known);
        let near = |x: i128, shares: [i128; 4]| {
            let mut shares = shares.into_iter();
            shares.any(|share| self.near(x - share) || self.near(x + share))
        };
        let sums = told.iter().any(|a| {
            let of_a = a.shares();
            all().any(|b| {
                let found = near(a.0, b.shares()) || near(b.0, of_a);
                found && self.0 <= 10 * a.0.max(b.0)
            })
        });
        sums || percents.iter().any(|k| {
            all().any(|b| {
                let part = b.0 * k.0 / (100 * UNIT);
                let near = |value: i128| self.near(value) || told.iter().any(|fee| self.near(value + fee.0));
                (near(part) || near(b.0 + part) || near(b.0 - part)) && self.0 <= 10 * b.0.max(part)
            })
        })
    }

    /// Above zero, and within a tenth of `known`.
    #[must_use]
    pub fn near_tenth(self, known: Self) -> bool {
        self.0 > 0 && (self.0 - known.0).abs() * 10 <= known.0
    }

    /// The whole, a half, a third, a quarter. Nearly all sums fit 64 bits, where dividing costs a tenth: this is done for
    /// each pair of numbers at hand.
    fn shares(self) -> [i128; 4] {
        match i64::try_from(self.0) {
            Ok(whole) => [whole, whole / 2, whole / 3, whole / 4].map(i128::from),
            Err(_) => [self.0, self.0 / 2, self.0 / 3, self.0 / 4],
        }
    }

    /// Equal to the cent, since people round.
    fn near(self, value: i128) -> bool {
        (self.0 - value).abs() < UNIT / 200
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivable(value: &str, told: &[&str], percents: &[&str], known: &[&str]) -> bool {
        let read = |list: &[&str]| list.iter().filter_map(|t| Amount::parse(t)).collect::<Vec<_>>();
        Amount::parse(value).is_some_and(|v| v.derivable(&read(told), &read(percents), &read(known)))
    }

    #[test]
    fn what_people_compute() {
        assert!(derivable("88", &["100", "12"], &[], &[]));
        assert!(derivable("4", &["12"], &[], &["10"]));
        assert!(derivable("5", &[], &["10"], &["50"]));
        assert!(derivable("60.5", &["0.5"], &["20"], &["50"]));
    }

    #[test]
    fn what_nobody_said() {
        assert!(!derivable("10000", &["12"], &["10"], &["50"]));
        assert!(
            !derivable("60", &[], &[], &["50", "10"]),
            "no number of the human takes part"
        );
        assert!(!derivable("0", &["12"], &[], &["12"]));
        assert!(!derivable("-3", &["12"], &[], &["15"]));
    }
}
