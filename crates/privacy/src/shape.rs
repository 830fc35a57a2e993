//! Stand-ins that keep a value's format, where a schema or a form wants one.
//!
//! A stand-in is made of a keyed hash, so it is stable, and of a range that nobody has: the unassigned country code
//! 999, cards of the digit 9 that no network issues, dates a thousand years ahead. A date or a small integer has few
//! bits, and so can be guessed: whatever has less than 96 is restored only where it is the whole of an argument.

use crate::token::{ACCOUNT_BANK, ACCOUNT_BODY, ACCOUNT_COUNTRY, BODY, MAIL, base32, write};

/// The format that stands in for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Shape {
    /// The token itself.
    #[default]
    Token,
    /// A mail address.
    Email,
    /// A number as E.164 has it, of the unassigned country code 999.
    Phone,
    /// An account number with a right check sum, of the user-assigned country `ZZ`.
    Iban,
    /// Nineteen digits with a right check digit (Luhn).
    Card,
    /// A day as RFC 3339 has it, of the years 2900 to 2999.
    Date,
    /// A UUID of version 8 (RFC 9562).
    Uuid,
    /// A whole number from `least` to `most`.
    Integer {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
}

impl Shape {
    /// Whether its stand-ins have the bits of a token, and are found in the midst of a text.
    #[must_use]
    pub const fn is_unguessable(self) -> bool {
        matches!(self, Self::Token | Self::Email | Self::Iban)
    }

    /// What a kind of value is best stood in for by: its format where that costs no bits, else the token.
    #[must_use]
    pub fn of_kind(kind: &str) -> Self {
        match kind {
            "email" => Self::Email,
            "iban" => Self::Iban,
            _ => Self::Token,
        }
    }

    /// The shape that a JSON schema's `format` word asks for.
    #[must_use]
    pub fn of_format(format: &str) -> Option<Self> {
        Some(match format {
            "email" | "idn-email" => Self::Email,
            "date" => Self::Date,
            "uuid" => Self::Uuid,
            "phone" | "tel" => Self::Phone,
            "iban" => Self::Iban,
            "credit-card" | "card" => Self::Card,
            _ => return None,
        })
    }

    /// What one of its stand-ins looks like, to try whether it fits somewhere. It stands for nothing.
    #[must_use]
    pub fn sample(self) -> String {
        self.write("value", &[0x5a; 32]).1
    }

    /// What goes into the hash of a stand-in. Never to be changed: kept vaults would give other tokens.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Token => "token".to_owned(),
            Self::Email => "email".to_owned(),
            Self::Phone => "phone".to_owned(),
            Self::Iban => "iban".to_owned(),
            Self::Card => "card".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Uuid => "uuid".to_owned(),
            Self::Integer { least, most } => format!("integer {least} {most}"),
        }
    }

    /// The stand-in that a hash gives: the name it is kept under, and what is written.
    pub(crate) fn write(self, kind: &str, hash: &[u8; 32]) -> (String, String) {
        let token = || write(kind, &base32(hash, BODY));
        let same = |text: String| (text.clone(), text);
        match self {
            Self::Token => same(token()),
            Self::Email => (token(), token() + MAIL),
            Self::Phone => same(format!("+999{:011}", number(hash) % 100_000_000_000)),
            Self::Iban => same(account(hash)),
            Self::Card => same(card(hash)),
            Self::Date => same(date(hash)),
            Self::Uuid => same(uuid(hash)),
            Self::Integer { least, most } => same(integer(hash, least, most).to_string()),
        }
    }
}

/// A number below 2^120 from a hash.
fn number(hash: &[u8; 32]) -> u128 {
    hash.iter()
        .take(15)
        .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn account(hash: &[u8; 32]) -> String {
    let body = base32(hash, ACCOUNT_BODY).to_ascii_uppercase();
    let bban = format!("{ACCOUNT_BANK}{body}");
    // ISO 13616: the number with its country moved behind and letters as 10 to 35 is 1 modulo 97.
    let moved = format!("{bban}{ACCOUNT_COUNTRY}00");
    let rest = moved.bytes().fold(0_u32, |rest, byte| {
        let digit = char::from(byte).to_digit(36).unwrap_or(0);
        let shift = if digit > 9 { 100 } else { 10 };
        (rest * shift + digit) % 97
    });
    format!("{ACCOUNT_COUNTRY}{:02}{bban}", 98 - rest)
}

fn card(hash: &[u8; 32]) -> String {
    let front = format!("999{:015}", number(hash) % 1_000_000_000_000_000);
    // Luhn: from the right, every other digit doubled, the check digit itself not.
    let sum: u32 = front
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(at, digit)| match (at.is_multiple_of(2), digit * 2) {
            (true, double) if double > 9 => double - 9,
            (true, double) => double,
            _ => digit,
        })
        .sum();
    format!("{front}{}", (10 - sum % 10) % 10)
}

fn date(hash: &[u8; 32]) -> String {
    let number = number(hash);
    let (year, month, day) = (number % 100, number / 100 % 12 + 1, number / 1200 % 28 + 1);
    format!("29{year:02}-{month:02}-{day:02}")
}

fn uuid(hash: &[u8; 32]) -> String {
    let bits = number(hash) << 8 | u128::from(hash.get(15).copied().unwrap_or(0));
    let bits = bits & !(0xF << 76) | 8 << 76;
    let bits = bits & !(3 << 62) | 2 << 62;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

fn integer(hash: &[u8; 32], least: i64, most: i64) -> i128 {
    let (least, most) = (i128::from(least.min(most)), i128::from(least.max(most)));
    let span = u128::try_from(most - least).unwrap_or(0) + 1;
    least + i128::try_from(number(hash) % span).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn luhn(digits: &str) -> bool {
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(at, byte)| {
                let digit = u32::from(byte - b'0') * (1 + u32::from(at % 2 == 1));
                digit / 10 + digit % 10
            })
            .sum();
        sum.is_multiple_of(10)
    }

    fn mod97(iban: &str) -> u32 {
        let moved = format!("{}{}", &iban[4..], &iban[..4]);
        moved.chars().fold(0, |rest, c| {
            let digit = c.to_digit(36).unwrap();
            (rest * if digit > 9 { 100 } else { 10 } + digit) % 97
        })
    }

    #[test]
    fn check_sums_of_known_numbers_agree_with_these_checks() {
        assert!(luhn("4111111111111111") && !luhn("4111111111111112"));
        assert_eq!(mod97("GB82WEST12345698765432"), 1);
    }

    proptest! {
        #[test]
        fn every_stand_in_has_its_format(hash in any::<[u8; 32]>(), least in any::<i64>(), most in any::<i64>()) {
            let written = |shape: Shape| shape.write("kind", &hash).1;
            prop_assert!(luhn(&written(Shape::Card)) && written(Shape::Card).len() == 19);
            prop_assert_eq!(mod97(&written(Shape::Iban)), 1);
            prop_assert!(crate::is_token(&written(Shape::Iban)));
            prop_assert!(crate::is_token(&written(Shape::Email)));
            let phone = written(Shape::Phone);
            prop_assert!(phone.len() == 15 && phone[1..].bytes().all(|byte| byte.is_ascii_digit()));
            let date = written(Shape::Date);
            prop_assert!(date.len() == 10 && date.starts_with("29"));
            let uuid = written(Shape::Uuid);
            prop_assert!(uuid.len() == 36 && &uuid[14..15] == "8" && "89ab".contains(&uuid[19..20]));
            let integer: i64 = written(Shape::Integer { least, most }).parse().unwrap();
            prop_assert!(least.min(most) <= integer && integer <= least.max(most));
        }
    }
}
