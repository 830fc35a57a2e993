//! Numbers that can be compared and derived exactly: millionths, no floats.

/// A decimal in millionths, within ±10¹⁸ units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

const UNIT: i128 = 1_000_000;
const CENT: i128 = UNIT / 100;
/// Most shares, and most of a kind, that people reckon with.
const COUNT: i128 = 12;

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
    /// percentages, `known` those of trusted results, in any order. At least one of hers takes part, and the result is
    /// above zero and at most ten times the largest number that took part.
    ///
    /// Looks each partner up instead of trying them all: a session may hold hundreds of both.
    #[must_use]
    pub fn derivable(self, told: &[Self], percents: &[Self], known: &[Self]) -> bool {
        if self.0 <= 0 {
            return false;
        }
        let mut hers = told.to_vec();
        hers.sort_unstable();
        let mut all = [told, known].concat();
        all.sort_unstable();
        told.contains(&self)
            || hers.iter().any(|count| self.shared(*count, &hers))
            || told.iter().any(|a| self.sum_with(*a, &all))
            || percents.iter().any(|k| self.part_of(*k, &all, &hers))
    }

    /// A sum or difference of `a` and one of `all`, either of which may be a half, a third or a quarter.
    fn sum_with(self, a: Self, all: &[Self]) -> bool {
        let small = |b: Self| self.0 <= 10 * a.0.max(b.0);
        let gap = self.0 - a.0;
        // Halfway between two of hers, or one of hers and one that is known.
        let between = last_near(all, 2 * self.0 - a.0, |b| b.0).is_some_and(|b| b.0 > 0 && a.0 > 0);
        between
            || (1..=4).any(|k| {
                // Shares of a sorted list are sorted. The largest that fits is the one that bounds least.
                let part = |share: i128| last_near(all, share, |b| b.share(k)).is_some_and(small);
                let whole = |value: i128| last_near(all, value, |b| b.0).is_some_and(small);
                part(gap) || part(-gap) || whole(self.0 - a.share(k)) || whole(self.0 + a.share(k))
            })
    }

    /// One of so many equal shares of one of hers, to the cent: `split 87.60 by 4`.
    fn shared(self, count: Self, hers: &[Self]) -> bool {
        let whole = count.0 % UNIT == 0 && (2 * UNIT..=COUNT * UNIT).contains(&count.0);
        whole && hers.iter().any(|b| b.0 > 0 && self.near(b.0 / (count.0 / UNIT)))
    }

    /// `k` percent of one of `all`, or that one with them added or taken off, or any of these and one of `hers`.
    fn part_of(self, k: Self, all: &[Self], hers: &[Self]) -> bool {
        all.iter().any(|b| {
            let Some(part) = b.0.checked_mul(k.0).map(|whole| whole / (100 * UNIT)) else {
                return false;
            };
            let near =
                |value: i128| self.near(value) || last_near(hers, self.0 - value, |fee| fee.0).is_some();
            self.0 <= 10 * b.0.max(part) && (near(part) || near(b.0 + part) || near(b.0 - part))
        })
    }

    /// One of so many equal parts of `whole`, to the cent.
    #[must_use]
    pub fn part(self, whole: Self, count: u8) -> bool {
        count > 1 && self.0 > 0 && self.near(whole.0 / i128::from(count))
    }

    /// Above zero, and within a tenth of `known`.
    #[must_use]
    pub fn near_tenth(self, known: Self) -> bool {
        self.0 > 0 && (self.0 - known.0).abs() * 10 <= known.0
    }

    /// One of `k` equal shares.
    fn share(self, k: i64) -> i128 {
        // Nearly all sums fit 64 bits, where dividing costs a tenth.
        i64::try_from(self.0).map_or_else(|_| self.0 / i128::from(k), |whole| i128::from(whole / k))
    }

    /// Equal to the cent, since people round.
    fn near(self, value: i128) -> bool {
        (self.0 - value).abs() < CENT / 2
    }
}

/// The largest of a sorted list that, seen through `of`, which keeps the order, equals `value` to the cent.
fn last_near(sorted: &[Amount], value: i128, of: impl Fn(Amount) -> i128) -> Option<Amount> {
    let end = sorted.partition_point(|one| of(*one) < value + CENT / 2);
    let last = *sorted.get(end.checked_sub(1)?)?;
    (of(last) > value - CENT / 2).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert!(derivable("21.9", &["87.60", "4"], &[], &[]));
        assert!(derivable("33.33", &["3", "100"], &[], &[]));
    }

    /// What [`Amount::derivable`] says, by trying every pair.
    fn by_trying_all(value: Amount, told: &[Amount], percents: &[Amount], known: &[Amount]) -> bool {
        let all: Vec<Amount> = [told, known].concat();
        let fits = |x: i128, largest: i128| value.near(x) && value.0 > 0 && value.0 <= 10 * largest;
        let pair = |a: Amount, b: Amount| {
            let between = value.0 > 0 && a.0 > 0 && b.0 > 0;
            between && Amount(2 * value.0 - a.0).near(b.0)
                || (1..=4).any(|k| {
                    let largest = a.0.max(b.0);
                    fits(a.0 + b.0 / k, largest) || fits(a.0 - b.0 / k, largest)
                })
        };
        let part = |b: Amount, k: Amount| {
            let part = b.0 * k.0 / (100 * UNIT);
            let fees = || std::iter::once(0).chain(told.iter().map(|fee| fee.0));
            [part, b.0 + part, b.0 - part]
                .iter()
                .any(|x| fees().any(|fee| fits(x + fee, b.0.max(part))))
        };
        let shared = |count: Amount, b: Amount| {
            let whole = count.0 % UNIT == 0 && (2..=COUNT).contains(&(count.0 / UNIT));
            whole && b.0 > 0 && value.near(b.0 / (count.0 / UNIT))
        };
        value.0 > 0 && told.contains(&value)
            || told.iter().any(|k| told.iter().any(|b| shared(*k, *b)))
            || told
                .iter()
                .any(|a| all.iter().any(|b| pair(*a, *b) || pair(*b, *a)))
            || percents.iter().any(|k| all.iter().any(|b| part(*b, *k)))
    }

    fn amounts(most: usize) -> impl Strategy<Value = Vec<Amount>> {
        // Few values to the cent, so that a good part of all pairs fit.
        let one =
            prop_oneof![-40_i64..400, 0_i64..40_000].prop_map(|cents| Amount(i128::from(cents) * CENT / 3));
        proptest::collection::vec(one, 0..most)
    }

    proptest! {
        #[test]
        fn looking_up_finds_what_trying_all_does(
            value in -10_i64..2_000,
            told in amounts(6),
            percents in amounts(3),
            known in amounts(8),
        ) {
            let value = Amount(i128::from(value) * CENT / 2);
            prop_assert_eq!(
                value.derivable(&told, &percents, &known),
                by_trying_all(value, &told, &percents, &known)
            );
        }
    }

    #[test]
    fn sums_beyond_all_bounds_are_nobodys() {
        let vast = Amount(10_i128.pow(24) - 1);
        assert!(!Amount(UNIT).derivable(&[vast], &[vast], &[vast]));
    }

    #[test]
    fn what_nobody_said() {
        assert!(!derivable("10000", &["12"], &["10"], &["50"]));
        assert!(
            !derivable("60", &[], &[], &["50", "10"]),
            "no number of the human takes part"
        );
        assert!(!derivable("0", &["12"], &[], &["12"]));
        assert!(
            !derivable("120", &["12"], &[], &["10"]),
            "how many is hers to say, and what one costs as well"
        );
        assert!(
            !derivable("1000", &["20"], &[], &["50"]),
            "twenty times is no sum that people ask for in passing"
        );
        assert!(!derivable("-3", &["12"], &[], &["15"]));
    }
}
