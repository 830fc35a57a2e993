//! Telephone numbers: international ones by calling code, national ones by their country's plan.

use crate::safe::part;

/// A country's plan, as far as telling its numbers from other digits needs it (ITU-T E.164 and the national plans).
struct Plan {
    /// Calling code.
    code: &'static str,
    /// What is dialled before a national number; empty where nothing is.
    trunk: &'static str,
    /// Lengths of the national number without it.
    least: usize,
    most: usize,
    /// First digits of numbers that exist, without the trunk prefix.
    lead: &'static str,
}

const fn plan(
    code: &'static str,
    trunk: &'static str,
    least: usize,
    most: usize,
    lead: &'static str,
) -> Plan {
    Plan {
        code,
        trunk,
        least,
        most,
        lead,
    }
}

/// Plans of 56 countries and areas.
const PLANS: &[Plan] = &[
    plan("1", "1", 10, 10, "23456789"),   // North America
    plan("7", "8", 10, 10, "3456789"),    // Russia, Kazakhstan
    plan("20", "0", 8, 10, "123456789"),  // Egypt
    plan("27", "0", 9, 9, "12345678"),    // South Africa
    plan("30", "", 10, 10, "26"),         // Greece
    plan("31", "0", 9, 9, "12345678"),    // Netherlands
    plan("32", "0", 8, 9, "123456789"),   // Belgium
    plan("33", "0", 9, 9, "123456789"),   // France
    plan("34", "", 9, 9, "6789"),         // Spain
    plan("36", "06", 8, 9, "123456789"),  // Hungary
    plan("39", "", 6, 11, "03"),          // Italy
    plan("40", "0", 9, 9, "237"),         // Romania
    plan("41", "0", 9, 9, "23456789"),    // Switzerland
    plan("43", "0", 7, 13, "123456789"),  // Austria
    plan("44", "0", 9, 10, "1235678"),    // United Kingdom
    plan("45", "", 8, 8, "23456789"),     // Denmark
    plan("46", "0", 7, 10, "123456789"),  // Sweden
    plan("47", "", 8, 8, "2345679"),      // Norway
    plan("48", "", 9, 9, "12345678"),     // Poland
    plan("49", "0", 7, 12, "123456789"),  // Germany
    plan("51", "0", 8, 9, "145678 9"),    // Peru
    plan("52", "", 10, 10, "23456789"),   // Mexico
    plan("54", "0", 10, 11, "1239"),      // Argentina
    plan("55", "0", 10, 11, "123456789"), // Brazil
    plan("56", "", 9, 9, "2345679"),      // Chile
    plan("57", "", 10, 10, "36"),         // Colombia
    plan("58", "0", 10, 10, "24"),        // Venezuela
    plan("60", "0", 8, 10, "13456789"),   // Malaysia
    plan("61", "0", 9, 9, "23478"),       // Australia
    plan("62", "0", 8, 12, "23456789"),   // Indonesia
    plan("63", "0", 8, 10, "23456789"),   // Philippines
    plan("64", "0", 8, 10, "234679"),     // New Zealand
    plan("65", "", 8, 8, "3689"),         // Singapore
    plan("66", "0", 8, 9, "2345689"),     // Thailand
    plan("81", "0", 9, 10, "123456789"),  // Japan
    plan("82", "0", 8, 10, "123456"),     // South Korea
    plan("84", "0", 9, 10, "23456789"),   // Vietnam
    plan("86", "0", 10, 11, "123456789"), // China
    plan("90", "0", 10, 10, "2345"),      // Türkiye
    plan("91", "0", 10, 10, "123456789"), // India
    plan("92", "0", 9, 10, "23456789"),   // Pakistan
    plan("94", "0", 9, 9, "123456789"),   // Sri Lanka
    plan("98", "0", 10, 10, "123456789"), // Iran
    plan("212", "0", 9, 9, "5678"),       // Morocco
    plan("234", "0", 8, 10, "123456789"), // Nigeria
    plan("254", "0", 9, 9, "1245678"),    // Kenya
    plan("351", "", 9, 9, "239"),         // Portugal
    plan("353", "0", 7, 9, "12456789"),   // Ireland
    plan("358", "0", 6, 10, "123456789"), // Finland
    plan("380", "0", 9, 9, "3456789"),    // Ukraine
    plan("385", "0", 8, 9, "123456789"),  // Croatia
    plan("420", "", 9, 9, "2345679"),     // Czechia
    plan("421", "0", 9, 9, "2345679"),    // Slovakia
    plan("852", "", 8, 8, "235689"),      // Hong Kong
    plan("886", "0", 8, 9, "23456789"),   // Taiwan
    plan("966", "0", 9, 9, "15"),         // Saudi Arabia
    plan("971", "0", 8, 9, "234567"),     // United Arab Emirates
    plan("972", "0", 8, 9, "234578 9"),   // Israel
];

/// Two-digit calling codes; all others have three, except 1 and 7 (ITU-T E.164 list of assigned codes).
const TWO: &[&str] = &[
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81",
    "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// Words that announce a number, in lower case.
pub(super) const WORDS: &[&str] = &[
    "phone",
    "tel",
    "mobile",
    "cell",
    "fax",
    "whatsapp",
    "sms",
    "call me",
    "call us",
    "call at",
    "dial",
    "telefon",
    "teléfono",
    "telefono",
    "téléphone",
    "telefone",
    "handy",
    "mobil",
    "celular",
    "móvil",
    "puhelin",
    // Without their first letters, which may be capitals.
    "елефон",
    "ел.",
    "ηλέφωνο",
    "ηλ.",
    "טלפון",
    "נייד",
    "โทร",
    "फोन",
    "मोबाइल",
    "điện thoại",
    "携帯",
    "电话",
    "手机",
    "電話",
    "전화",
    "هاتف",
    "telefoon",
    "hotline",
    "voicemail",
];

/// Most digits that are told; a longer number is no telephone's.
const DIGITS_MOST: usize = 17;

/// How sure it is that this is a telephone number, in thousandths; 0 where it is none.
///
/// `text` starts with `+`, `(` or a digit and holds digits and separators alone; `announced` tells that a word before
/// it speaks of telephones.
pub(super) fn judge(text: &str, announced: bool) -> u16 {
    // On the stack: this is asked of every long number.
    let (mut held, mut sizes) = ([0_u8; DIGITS_MOST], [0_usize; DIGITS_MOST]);
    let (mut length, mut count, mut inside) = (0, 0, false);
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let Some(digit) = held.get_mut(length) else {
                return 0;
            };
            *digit = byte;
            length += 1;
            count += usize::from(!inside);
            if let Some(size) = sizes.get_mut(count - 1) {
                *size += 1;
            }
        }
        inside = byte.is_ascii_digit();
    }
    let digits = str::from_utf8(part(&held, ..length)).unwrap_or_default();
    let groups = sizes.get(..count).unwrap_or_default();
    if let Some(rest) = text.strip_prefix('+') {
        return international(rest, digits, announced);
    }
    if digits.starts_with("00") && groups.len() >= 2 && digits.len() >= 11 {
        let rest = digits.get(2..).unwrap_or_default();
        return international(rest, rest, announced).saturating_sub(150);
    }
    let groups_like_a_number = groups.len() >= 2
        && groups.len() <= 6
        && groups.iter().all(|group| *group <= 8)
        && groups.iter().skip(1).all(|group| *group >= 2);
    if north_american(text, digits, groups) {
        return if announced { 900 } else { 750 };
    }
    let trunk = PLANS.iter().any(|plan| {
        !plan.trunk.is_empty()
            && plan.code != "1"
            && digits
                .strip_prefix(plan.trunk)
                .is_some_and(|rest| fits(plan, rest))
    });
    let bare = PLANS.iter().any(|plan| {
        (plan.trunk.is_empty()
            || plan.code == "55"
            || plan.code == "91"
            || plan.code == "86"
            || plan.code == "1")
            && fits(plan, digits)
    });
    let parens = text.starts_with('(') && text.contains(')');
    let uniform = uniform_separators(text);
    match (announced, trunk, bare) {
        (true, true, _) | (true, _, true) if digits.len() >= 7 => 850,
        (false, true, _) if groups_like_a_number && digits.len() >= 9 && (parens || uniform) => 600,
        (false, _, true)
            if groups.len() >= 3
                && uniform
                && digits.len() == 9
                && matches!(digits.as_bytes().first(), Some(b'2'..=b'9'))
                && groups.iter().all(|group| *group >= 2 && *group <= 3)
                // Thousands are set apart so.
                && !(groups == [3, 3, 3] && text.contains([' ', '.'])) =>
        {
            450
        }
        (false, _, true) if parens && groups_like_a_number => 600,
        _ => 0,
    }
}

fn fits(plan: &Plan, digits: &str) -> bool {
    (plan.least..=plan.most).contains(&digits.len())
        && digits
            .chars()
            .next()
            .is_some_and(|first| plan.lead.contains(first))
}

/// One kind of separator, apart from what an area code stands in.
fn uniform_separators(text: &str) -> bool {
    let mut signs = text
        .chars()
        .filter(|c| !c.is_ascii_digit() && !matches!(c, '(' | ')'));
    let Some(first) = signs.next() else { return true };
    signs.all(|sign| sign == first || sign == ' ')
}

fn international(rest: &str, digits: &str, announced: bool) -> u16 {
    if !(8..=15).contains(&digits.len()) || digits.starts_with('0') || rest.starts_with(' ') {
        return 0;
    }
    let three = digits.get(..3).unwrap_or_default();
    let code = if matches!(digits.as_bytes().first(), Some(b'1' | b'7')) {
        1
    } else if TWO.contains(&digits.get(..2).unwrap_or_default()) {
        2
    } else {
        3
    };
    let Some((code, national)) = digits.split_at_checked(code) else {
        return 0;
    };
    let known = PLANS.iter().find(|plan| plan.code == code);
    // The zero of a national number is often written in brackets.
    let national = known
        .filter(|plan| !plan.trunk.is_empty())
        .and_then(|plan| national.strip_prefix(plan.trunk))
        .unwrap_or(national);
    match known {
        Some(plan) if fits(plan, national) => 950,
        Some(plan) if (plan.least..=plan.most).contains(&national.len()) => {
            if announced {
                800
            } else {
                500
            }
        }
        Some(_) if announced => 500,
        Some(_) => 0,
        None if matches!(three.as_bytes().first(), Some(b'2'..=b'9')) && national.len() >= 5 => 850,
        None => 0,
    }
}

/// Ten digits as North America writes them: area and exchange do not start with 0 or 1.
fn north_american(text: &str, digits: &str, groups: &[usize]) -> bool {
    let (digits, groups) = match digits.strip_prefix('1') {
        Some(rest) if rest.len() == 10 && groups.first() == Some(&1) => (rest, part(groups, 1..)),
        _ => (digits, groups),
    };
    let bytes = digits.as_bytes();
    digits.len() == 10
        && (groups == [3, 3, 4] || (groups == [3, 7] && text.starts_with('(')))
        && matches!(bytes.first(), Some(b'2'..=b'9'))
        && matches!(bytes.get(3), Some(b'2'..=b'9'))
        && (uniform_separators(text) || text.starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_many_countries() {
        for text in [
            "+1 212-736-5000",
            "+44 20 7946 0958",
            "+44 (0)20 7946 0958",
            "+49 30 901820",
            "+33 1 42 68 53 00",
            "+34 912 345 678",
            "+39 06 6982",
            "+81 3-3224-5000",
            "+86 138 0013 8000",
            "+91 98765 43210",
            "+55 11 91234-5678",
            "+61 2 9374 4000",
            "+7 495 123-45-67",
            "+354 512 3456",
            "+972 3-123-4567",
            "+380 44 123 4567",
            "(212) 736-5000",
            "212-736-5000",
            "212.736.5000",
            "1-212-736-5000",
            "020 7946 0958",
            "030 901820",
            "01 42 68 53 00",
            "0412 345 678",
        ] {
            assert!(judge(text, false) >= 450, "{text}: {}", judge(text, false));
        }
        for text in [
            "612345678",
            "91234567",
            "06 12345678",
            "98765 43210",
            "11 91234-5678",
        ] {
            assert!(judge(text, true) >= 450, "{text}");
        }
    }

    #[test]
    fn other_digits_are_none() {
        for text in [
            "1234567890",
            "20240102",
            "123-456-7890",
            "1700000000",
            "192 168 1 1",
            "123456",
            "+0 123 456",
            "10 20 30",
            "1.234.567",
            "978 3 16 148410 0",
            "100-200-300",
        ] {
            assert!(judge(text, false) < 450, "{text}: {}", judge(text, false));
        }
    }
}
