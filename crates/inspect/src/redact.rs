//! What to put in the place of a secret or of personal data.
//!
//! Tokens that can be turned back are the vault's work and not done here.

use std::ops::Range;

use aws_lc_rs::hmac;

/// What is done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// `[what]` stands in its place.
    Redact,
    /// Its letters and digits become stars, except the last four of a long one.
    Mask,
    /// A keyed hash stands in its place: equal values stay equal, and nobody without the key can try values.
    Hash,
    /// Less exact: the year of a date, the network of an address, the domain of a mail.
    Generalise,
}

/// A key for [`Transform::Hash`].
pub struct HashKey(hmac::Key);

impl HashKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

/// Replaces ranges of a text. Ranges that overlap are taken as one, under the name of the first; what is out of bounds
/// or cuts a character is widened to whole characters, so that nothing of a value stays.
#[must_use]
pub fn apply(text: &str, ranges: &[(Range<usize>, &str)], transform: Transform, key: &HashKey) -> String {
    let mut ranges: Vec<(Range<usize>, &str)> = ranges
        .iter()
        .map(|(range, what)| {
            let start = text.floor_char_boundary(range.start.min(text.len()));
            (
                start..text.ceil_char_boundary(range.end.clamp(start, text.len())),
                *what,
            )
        })
        .collect();
    ranges.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut ranges = ranges.into_iter().peekable();
    while let Some((mut range, what)) = ranges.next() {
        while let Some((next, _)) = ranges.peek().filter(|(next, _)| next.start < range.end) {
            range.end = range.end.max(next.end);
            ranges.next();
        }
        out.push_str(text.get(at..range.start).unwrap_or_default());
        let value = text.get(range.clone()).unwrap_or_default();
        if !value.is_empty() {
            out.push_str(&replaced(value, what, transform, key));
        }
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

fn replaced(value: &str, what: &str, transform: Transform, key: &HashKey) -> String {
    match transform {
        Transform::Redact => format!("[{what}]"),
        Transform::Mask => mask(value),
        Transform::Hash => {
            let tag = hmac::sign(&key.0, value.as_bytes());
            let hex: String = tag
                .as_ref()
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("[{what}:{hex}]")
        }
        Transform::Generalise => general(value, what),
    }
}

fn mask(value: &str) -> String {
    let all = value.chars().filter(|c| c.is_alphanumeric()).count();
    // Four of a short value would be most of it.
    let shown = if all >= 12 { 4 } else { 0 };
    let mut at = 0;
    value
        .chars()
        .map(|c| {
            at += usize::from(c.is_alphanumeric());
            if c.is_alphanumeric() && at + shown <= all {
                '*'
            } else {
                c
            }
        })
        .collect()
}

fn general(value: &str, what: &str) -> String {
    let kept = match what {
        "email" => value.rsplit_once('@').map(|(_, domain)| format!("…@{domain}")),
        "birth_date" => value
            .split(|c: char| !c.is_ascii_digit())
            .find(|part| part.len() == 4)
            .map(str::to_owned),
        "ip_address" => value.parse::<std::net::Ipv4Addr>().ok().map(|address| {
            let [first, second, ..] = address.octets();
            format!("{first}.{second}.0.0/16")
        }),
        "coordinates" => {
            let parts: Vec<&str> = value
                .split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')))
                .filter(|part| part.contains('.'))
                .collect();
            let short = |part: &str| {
                part.split_once('.')
                    .map(|(whole, fraction)| format!("{whole}.{}", fraction.get(..1).unwrap_or_default()))
            };
            match parts.as_slice() {
                [first, second] => short(first)
                    .zip(short(second))
                    .map(|(first, second)| format!("{first}, {second}")),
                _ => None,
            }
        }
        _ => None,
    };
    kept.unwrap_or_else(|| format!("[{what}]"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(text: &str, ranges: &[(Range<usize>, &str)], transform: Transform) -> String {
        apply(text, ranges, transform, &HashKey::new(&[7; 32]))
    }

    #[test]
    fn each_transform_does_its_work() {
        let text = "mail ana@example.com, card 4111 1111 1111 1111, born 1980-05-17, from 203.0.113.9";
        assert_eq!(
            run(text, &[(5..20, "email")], Transform::Redact).get(..13),
            Some("mail [email],")
        );
        assert_eq!(
            run("4111 1111 1111 1111", &[(0..19, "card")], Transform::Mask),
            "**** **** **** 1111"
        );
        assert_eq!(run("hunter7", &[(0..7, "password")], Transform::Mask), "*******");
        assert_eq!(
            run("ana@example.com", &[(0..15, "email")], Transform::Generalise),
            "…@example.com"
        );
        assert_eq!(
            run("17.05.1980", &[(0..10, "birth_date")], Transform::Generalise),
            "1980"
        );
        assert_eq!(
            run("203.0.113.9", &[(0..11, "ip_address")], Transform::Generalise),
            "203.0.0.0/16"
        );
        assert_eq!(
            run(
                "48.85837, 2.29448",
                &[(0..17, "coordinates")],
                Transform::Generalise
            ),
            "48.8, 2.2"
        );
        let hash = run("a@b.example", &[(0..11, "email")], Transform::Hash);
        assert_eq!(hash, run("a@b.example", &[(0..11, "email")], Transform::Hash));
        assert_ne!(
            hash,
            apply(
                "a@b.example",
                &[(0..11, "email")],
                Transform::Hash,
                &HashKey::new(&[8; 32])
            )
        );
    }

    proptest! {
        #[test]
        fn no_byte_of_a_redacted_value_stays(
            before in "[a-z ]{0,20}", value in "[A-Z0-9é]{4,30}", after in "[a-z ]{0,20}", shift in 0_usize..3,
        ) {
            let text = format!("{before}{value}{after}");
            let (start, end) = (before.len(), before.len() + value.len());
            let ranges = [(start..end, "secret"), (start + shift..end, "inner")];
            for transform in [Transform::Redact, Transform::Hash, Transform::Generalise] {
                let out = run(&text, &ranges, transform);
                prop_assert!(!out.contains(&value));
                prop_assert!(out.starts_with(&before) && out.ends_with(&after));
            }
        }
    }
}
