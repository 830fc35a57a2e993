//! Cards, accounts and wallets: numbers with check sums of their own.

use aws_lc_rs::digest;

use super::ids::luhn;

/// Whether these digits are a card number (ISO/IEC 7812): 12 to 19 digits, a number range that is issued, and the check.
pub(super) fn card(digits: &[u8]) -> bool {
    let issued = match digits {
        [b'4', ..] => matches!(digits.len(), 13 | 16 | 18 | 19),
        [b'5', b'1'..=b'5', ..] => digits.len() == 16,
        [b'2', b'2'..=b'7', ..] => digits.len() == 16,
        [b'3', b'4' | b'7', ..] => digits.len() == 15,
        [b'3', b'0' | b'6' | b'8' | b'9', ..] => (14..=19).contains(&digits.len()),
        [b'3', b'5', ..] => (15..=19).contains(&digits.len()),
        [b'1' | b'2', b'8' | b'1', b'0' | b'3', b'0' | b'1', ..] => digits.len() == 15,
        [b'6', b'2', ..] => (16..=19).contains(&digits.len()),
        [b'6', ..] | [b'5', b'0' | b'6'..=b'9', ..] => (12..=19).contains(&digits.len()),
        [b'8' | b'9', ..] => matches!(digits.len(), 16 | 19),
        _ => false,
    };
    let repeated = digits
        .windows(2)
        .all(|two| matches!(two, [one, other] if one == other));
    issued && !repeated && luhn(digits)
}

/// How the digits of a card are grouped.
pub(super) fn card_groups(groups: &[usize]) -> bool {
    match groups {
        [_] => true,
        [4, rest @ ..] => match rest {
            [6, 4 | 5] => true,
            _ => {
                let (last, middle) = rest.split_last().unwrap_or((&0, &[]));
                middle.iter().all(|group| *group == 4) && (1..=4).contains(last)
            }
        },
        [6, 13] => true,
        _ => false,
    }
}

/// Lengths of account numbers by country (ISO 13616 registry).
const IBANS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// Length in `text` of the account number that starts it, spaces included.
pub(super) fn iban(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let country = text.get(..2)?.to_ascii_uppercase();
    let (_, wanted) = IBANS.iter().find(|(code, _)| *code == country)?;
    let (mut dense, mut end) = (Vec::with_capacity(*wanted), 0);
    for (at, byte) in bytes.iter().enumerate().take(wanted + 12) {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => dense.push(byte.to_ascii_uppercase()),
            b' ' | b'-' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => continue,
            _ => break,
        }
        end = at + 1;
        if dense.len() == *wanted {
            break;
        }
    }
    if dense.len() != *wanted || bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    dense.rotate_left(4);
    let rest = dense.iter().fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    (rest == 1).then_some(end)
}

/// Name of the chain whose address this is.
pub(super) fn wallet(word: &str) -> Option<&'static str> {
    let bytes = word.as_bytes();
    match bytes {
        [b'0', b'x', hex @ ..] if hex.len() == 40 && hex.iter().all(u8::is_ascii_hexdigit) => {
            Some("ethereum")
        }
        [b'1' | b'3', ..] if (26..=35).contains(&bytes.len()) => base58check(word, 25)
            .filter(|version| matches!(version, 0 | 5))
            .map(|_| "bitcoin"),
        [b'L' | b'M', ..] if (26..=35).contains(&bytes.len()) => base58check(word, 25)
            .filter(|version| matches!(version, 48 | 50))
            .map(|_| "litecoin"),
        [b'D' | b'A' | b'9', ..] if bytes.len() == 34 => base58check(word, 25)
            .filter(|version| matches!(version, 30 | 22))
            .map(|_| "dogecoin"),
        [b'T', ..] if bytes.len() == 34 => base58check(word, 25)
            .filter(|version| *version == 65)
            .map(|_| "tron"),
        _ => {
            let lower = word.to_ascii_lowercase();
            let one_case = lower == word || word.to_ascii_uppercase() == word;
            let known = [
                ("bc1", "bitcoin"),
                ("ltc1", "litecoin"),
                ("addr1", "cardano"),
                ("cosmos1", "cosmos"),
                ("osmo1", "cosmos"),
            ];
            known
                .iter()
                .find(|(prefix, _)| lower.starts_with(prefix))
                .filter(|_| one_case && bech32(&lower))
                .map(|(_, chain)| *chain)
        }
    }
}

/// Whether this is a private key in Bitcoin's wallet import format, of a main or a test network, by its check sum.
pub(crate) fn is_wif(word: &str) -> bool {
    let version = |length| base58check(word, length).is_some_and(|version| matches!(version, 0x80 | 0xef));
    version(37) || version(38)
}

/// The version byte of a base58 address whose four check bytes are right.
fn base58check(word: &str, length: usize) -> Option<u8> {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = vec![0_u8; length];
    for digit in word.bytes() {
        let mut carry = DIGITS.iter().position(|one| *one == digit)? as u32;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let (body, sum) = bytes.split_at_checked(length - 4)?;
    let once = digest::digest(&digest::SHA256, body);
    let twice = digest::digest(&digest::SHA256, once.as_ref());
    (twice.as_ref().get(..4) == Some(sum))
        .then(|| body.first().copied())
        .flatten()
}

/// Bech32 and Bech32m (BIP 173 and 350).
fn bech32(word: &str) -> bool {
    const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let Some(split) = word.rfind('1').filter(|at| *at > 0 && word.len() <= 120) else {
        return false;
    };
    let (prefix, data) = (&word[..split], &word[split + 1..]);
    let mut values: Vec<u32> = prefix.bytes().map(|byte| u32::from(byte >> 5)).collect();
    values.push(0);
    values.extend(prefix.bytes().map(|byte| u32::from(byte & 31)));
    for byte in data.bytes() {
        match DIGITS.iter().position(|digit| *digit == byte) {
            Some(at) => values.push(at as u32),
            None => return false,
        }
    }
    let mut check = 1_u32;
    for value in values {
        let top = check >> 25;
        check = (check & 0x1ff_ffff) << 5 ^ value;
        for (bit, part) in [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
            .into_iter()
            .enumerate()
        {
            if top >> bit & 1 == 1 {
                check ^= part;
            }
        }
    }
    data.len() >= 6 && matches!(check, 1 | 0x2bc8_30a3)
}
