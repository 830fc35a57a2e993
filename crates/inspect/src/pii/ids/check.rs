//! The arithmetic of each kind of number, over its digits and letters alone.

use crate::safe::{item, part};

/// Value of a digit.
pub(in crate::pii) fn d(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at).map_or(0, |byte| u32::from(byte.wrapping_sub(b'0')))
}

/// Digits times weights.
pub(in crate::pii) fn sum(bytes: &[u8], weights: &[u32]) -> u32 {
    weights
        .iter()
        .enumerate()
        .map(|(at, weight)| d(bytes, at) * weight)
        .sum()
}

pub(in crate::pii) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0_u64, |number, byte| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(byte.wrapping_sub(b'0')))
    })
}

/// The check of ISO/IEC 7812.
pub(in crate::pii) fn luhn(bytes: &[u8]) -> bool {
    let sum: u32 = bytes
        .iter()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            if at % 2 == 0 {
                digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

pub(in crate::pii) fn same(bytes: &[u8]) -> bool {
    bytes
        .windows(2)
        .all(|two| matches!(two, [one, other] if one == other))
}

/// A month and a day, two digits each.
pub(in crate::pii) fn month_day(month: u64, day: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

pub(in crate::pii) fn yymmdd(bytes: &[u8]) -> bool {
    month_day(number(part(bytes, 2..4)), number(part(bytes, 4..6)))
}

pub(in crate::pii) fn ddmmyy(bytes: &[u8]) -> bool {
    month_day(number(part(bytes, 2..4)), number(part(bytes, ..2)))
}

pub(in crate::pii) fn us_ssn(b: &[u8]) -> bool {
    let (area, group, serial) = (number(part(b, ..3)), number(part(b, 3..5)), number(part(b, 5..)));
    area != 0
        && area != 666
        && area < 900
        && group != 0
        && serial != 0
        && !same(b)
        && b != b"123456789"
        && b != b"078051120"
}

pub(in crate::pii) fn us_itin(b: &[u8]) -> bool {
    item(b, 0) == b'9' && matches!(number(part(b, 3..5)), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

pub(in crate::pii) fn gb_nhs(b: &[u8]) -> bool {
    let check = 11 - sum(b, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    !same(b) && check != 10 && check % 11 == d(b, 9)
}

pub(in crate::pii) fn gb_nino(b: &[u8]) -> bool {
    let bad = |byte: &u8| b"DFIQUV".contains(byte);
    !bad(&item(b, 0))
        && !bad(&item(b, 1))
        && item(b, 1) != b'O'
        && !matches!(
            part(b, ..2),
            b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ"
        )
        && matches!(item(b, 8), b'A'..=b'D')
}

/// ISO 7064, MOD 11,10.
pub(in crate::pii) fn iso7064_11_10(b: &[u8]) -> bool {
    let Some((last, digits)) = b.split_last() else {
        return false;
    };
    let product = digits.iter().fold(10, |product, byte| {
        let sum = (u32::from(byte.wrapping_sub(b'0')) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(last.wrapping_sub(b'0')) && !same(b)
}

pub(in crate::pii) fn de_tax(b: &[u8]) -> bool {
    let mut counts = [0; 10];
    for byte in part(b, ..10) {
        if let Some(count) = counts.get_mut(usize::from(byte.wrapping_sub(b'0'))) {
            *count += 1;
        }
    }
    item(b, 0) != b'0'
        && counts.iter().any(|count| matches!(count, 2 | 3))
        && counts.iter().all(|count| *count <= 3)
        && iso7064_11_10(b)
}

pub(in crate::pii) fn de_pension(b: &[u8]) -> bool {
    let letter = u32::from(item(b, 8).wrapping_sub(b'A')) + 1;
    let mut digits = part(b, ..8).to_vec();
    digits.extend([
        b'0' + (letter / 10) as u8,
        b'0' + (letter % 10) as u8,
        item(b, 9),
        item(b, 10),
    ]);
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| d(&digits, at) * weight)
        .map(|part| part / 10 + part % 10)
        .sum();
    let day = number(part(b, 2..4));
    let plausible = (1..=31).contains(&day) || (51..=81).contains(&day);
    plausible && (1..=12).contains(&number(part(b, 4..6))) && sum % 10 == d(b, 11)
}

pub(in crate::pii) fn fr_nir(b: &[u8]) -> bool {
    let month = number(part(b, 3..5));
    let fits = matches!(item(b, 0), b'1' | b'2' | b'3' | b'4' | b'7' | b'8')
        && (matches!(month, 1..=12 | 20..=42 | 50..));
    // The departments of Corsica have a letter.
    let mut digits = part(b, ..13).to_vec();
    let less = match item(b, 6) {
        b'A' => 1_000_000,
        b'B' => 2_000_000,
        byte if byte.is_ascii_digit() => 0,
        _ => return false,
    };
    if less > 0
        && let Some(letter) = digits.get_mut(6)
    {
        *letter = b'0';
    }
    fits && 97 - (number(&digits).wrapping_sub(less)) % 97 == number(part(b, 13..))
}

const DNI: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

pub(in crate::pii) fn es_dni(b: &[u8]) -> bool {
    item(DNI, (number(part(b, ..8)) % 23) as usize) == item(b, 8) && !same(part(b, ..8))
}

pub(in crate::pii) fn es_nie(b: &[u8]) -> bool {
    let first = match item(b, 0) {
        b'X' => 0,
        b'Y' => 10_000_000,
        b'Z' => 20_000_000,
        _ => return false,
    };
    item(DNI, ((first + number(part(b, 1..8))) % 23) as usize) == item(b, 8)
}

pub(in crate::pii) fn it_fiscal(b: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    let value = |byte: u8| {
        usize::from(if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte.wrapping_sub(b'A')
        })
    };
    let sum: u32 = part(b, ..15)
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if at % 2 == 0 {
                ODD.get(value(*byte)).copied().unwrap_or(0)
            } else {
                value(*byte) as u32
            }
        })
        .sum();
    let day = number(part(b, 9..11));
    b"ABCDEHLMPRST".contains(&item(b, 8))
        && (matches!(day, 1..=31 | 41..=71))
        && (sum % 26) as u8 + b'A' == item(b, 15)
}

pub(in crate::pii) fn mod11(b: &[u8], weights: &[u32]) -> u32 {
    sum(b, weights) % 11
}

pub(in crate::pii) fn pt_nif(b: &[u8]) -> bool {
    let rest = mod11(b, &[9, 8, 7, 6, 5, 4, 3, 2]);
    matches!(item(b, 0), b'1'..=b'3' | b'5' | b'6' | b'8' | b'9')
        && (if rest < 2 { 0 } else { 11 - rest }) == d(b, 8)
}

pub(in crate::pii) fn nl_bsn(b: &[u8]) -> bool {
    let sum = i64::from(sum(b, &[9, 8, 7, 6, 5, 4, 3, 2])) - i64::from(d(b, 8));
    sum.rem_euclid(11) == 0 && !same(b)
}

pub(in crate::pii) fn be_national(b: &[u8]) -> bool {
    let check = number(part(b, 9..));
    let base = number(part(b, ..9));
    yymmdd_loose(b) && (97 - base % 97 == check || 97 - (base + 2_000_000_000) % 97 == check)
}

pub(in crate::pii) fn yymmdd_loose(b: &[u8]) -> bool {
    number(part(b, 2..4)) <= 12 && number(part(b, 4..6)) <= 31
}

pub(in crate::pii) fn pl_pesel(b: &[u8]) -> bool {
    let month = number(part(b, 2..4)) % 20;
    month_day(month, number(part(b, 4..6)))
        && (10 - sum(b, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10 == d(b, 10)
}

pub(in crate::pii) fn se_person(b: &[u8]) -> bool {
    let day = number(part(b, 4..6));
    month_day(number(part(b, 2..4)), if day > 60 { day - 60 } else { day }) && luhn(b)
}

pub(in crate::pii) fn se_person_long(b: &[u8]) -> bool {
    matches!(part(b, ..2), b"18" | b"19" | b"20") && se_person(part(b, 2..))
}

pub(in crate::pii) fn no_birth(b: &[u8]) -> bool {
    let day = number(part(b, ..2));
    let first = (11 - mod11(b, &[3, 7, 6, 1, 8, 9, 4, 5, 2])) % 11;
    let second = (11 - mod11(b, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2])) % 11;
    month_day(number(part(b, 2..4)) % 40, if day > 40 { day - 40 } else { day })
        && first == d(b, 9)
        && second == d(b, 10)
}

pub(in crate::pii) fn dk_cpr(b: &[u8]) -> bool {
    // Since 2007 the check digit is no longer kept to.
    ddmmyy(b)
}

pub(in crate::pii) fn fi_hetu(b: &[u8]) -> bool {
    const SIGNS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let digits = [part(b, ..6), part(b, 7..10)].concat();
    ddmmyy(b)
        && digits.iter().all(u8::is_ascii_digit)
        && item(SIGNS, (number(&digits) % 31) as usize) == item(b, 10)
}

pub(in crate::pii) fn baltic(b: &[u8]) -> bool {
    let first = mod11(b, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]);
    let check = if first == 10 {
        mod11(b, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 10
    } else {
        first
    };
    matches!(item(b, 0), b'1'..=b'6')
        && month_day(number(part(b, 3..5)), number(part(b, 5..7)))
        && check == d(b, 10)
}

pub(in crate::pii) fn lv_code(b: &[u8]) -> bool {
    let check = (1 + sum(b, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])) % 11;
    b.starts_with(b"32") || (ddmmyy(b) && check % 10 == d(b, 10))
}

pub(in crate::pii) fn cz_birth(b: &[u8]) -> bool {
    let month = number(part(b, 2..4));
    let month = [0, 20, 50, 70]
        .into_iter()
        .filter_map(|more| month.checked_sub(more))
        .any(|month| (1..=12).contains(&month));
    month
        && (1..=31).contains(&number(part(b, 4..6)))
        && (number(b).is_multiple_of(11) || number(part(b, ..9)) % 11 == 10 && item(b, 9) == b'0')
}

pub(in crate::pii) fn bg_egn(b: &[u8]) -> bool {
    month_day(number(part(b, 2..4)) % 20, number(part(b, 4..6)))
        && mod11(b, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 10 == d(b, 9)
}

pub(in crate::pii) fn ro_cnp(b: &[u8]) -> bool {
    let rest = mod11(b, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]);
    matches!(item(b, 0), b'1'..=b'9')
        && month_day(number(part(b, 3..5)), number(part(b, 5..7)))
        && number(part(b, 7..9)) <= 52
        && (if rest == 10 { 1 } else { rest }) == d(b, 12)
}

pub(in crate::pii) fn si_emso(b: &[u8]) -> bool {
    let check = (11 - mod11(b, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])) % 11;
    ddmmyy(b) && matches!(item(b, 4), b'9' | b'0') && check == d(b, 12)
}

pub(in crate::pii) fn hu_taj(b: &[u8]) -> bool {
    sum(b, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == d(b, 8) && !same(b)
}

pub(in crate::pii) fn gr_afm(b: &[u8]) -> bool {
    mod11(b, &[256, 128, 64, 32, 16, 8, 4, 2]) % 10 == d(b, 8) && !same(b)
}

/// A date of birth, and the check of ISO/IEC 7812.
pub(in crate::pii) fn gr_amka(b: &[u8]) -> bool {
    ddmmyy(b) && luhn(b)
}

/// A date, two digits, a check, and the century.
pub(in crate::pii) fn is_kennitala(b: &[u8]) -> bool {
    let check = 11 - sum(b, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    ddmmyy(b) && check != 10 && check % 11 == d(b, 8) && matches!(item(b, 9), b'0' | b'8' | b'9')
}

/// A province, the third digit of a person, and the check of ISO/IEC 7812.
pub(in crate::pii) fn ec_cedula(b: &[u8]) -> bool {
    matches!(number(part(b, ..2)), 1..=24 | 30) && item(b, 2) < b'6' && luhn(b)
}

pub(in crate::pii) fn at_social(b: &[u8]) -> bool {
    let check = (d(b, 0) * 3 + d(b, 1) * 7 + d(b, 2) * 9 + sum(part(b, 4..), &[5, 8, 4, 2, 1, 6])) % 11;
    item(b, 0) != b'0' && ddmmyy(part(b, 4..)) && check == d(b, 3)
}

pub(in crate::pii) fn ch_ahv(b: &[u8]) -> bool {
    b.starts_with(b"756") && (10 - sum(b, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) % 10) % 10 == d(b, 12)
}

pub(in crate::pii) fn ie_pps(b: &[u8]) -> bool {
    let second = b.get(8).map_or(0, |byte| u32::from(byte.wrapping_sub(b'A')) + 1);
    let rest = (sum(b, &[8, 7, 6, 5, 4, 3, 2]) + second * 9) % 23;
    item(b, 7) == if rest == 0 { b'W' } else { b'A' + rest as u8 - 1 }
}

pub(in crate::pii) fn tr_id(b: &[u8]) -> bool {
    let odd: u32 = (0..9).step_by(2).map(|at| d(b, at)).sum();
    let even: u32 = (1..8).step_by(2).map(|at| d(b, at)).sum();
    let first = (odd * 7 + 10 * 9 - even) % 10;
    let all: u32 = (0..10).map(|at| d(b, at)).sum();
    item(b, 0) != b'0' && first == d(b, 9) && all % 10 == d(b, 10) && !same(part(b, ..9))
}

pub(in crate::pii) fn ru_snils(b: &[u8]) -> bool {
    let check = sum(b, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101;
    u64::from(if check == 100 { 0 } else { check }) == number(part(b, 9..))
}

pub(in crate::pii) fn ru_inn(b: &[u8]) -> bool {
    mod11(b, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 10 == d(b, 10)
        && mod11(b, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 10 == d(b, 11)
        && !same(b)
}

pub(in crate::pii) fn ua_tax(b: &[u8]) -> bool {
    // Weights of the Ukrainian tax office; the first is minus one, so eleven is added.
    (sum(b, &[10, 5, 7, 9, 4, 6, 10, 5, 7])) % 11 % 10 == d(b, 9) && !same(b)
}

pub(in crate::pii) fn il_id(b: &[u8]) -> bool {
    luhn(b) && !same(b)
}

pub(in crate::pii) fn za_id(b: &[u8]) -> bool {
    yymmdd(b) && matches!(item(b, 10), b'0' | b'1') && luhn(b)
}

/// Verhoeff's check.
pub(in crate::pii) fn in_aadhaar(b: &[u8]) -> bool {
    const D: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const P: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let check = b.iter().rev().enumerate().fold(0_u8, |check, (at, byte)| {
        item(
            &item(&D, usize::from(check)),
            usize::from(item(&item(&P, at % 8), usize::from(byte.wrapping_sub(b'0')))),
        )
    });
    check == 0 && item(b, 0) > b'1'
}

pub(in crate::pii) fn in_pan(b: &[u8]) -> bool {
    b"ABCFGHLJPTK".contains(&item(b, 3))
}

pub(in crate::pii) fn cn_resident(b: &[u8]) -> bool {
    const SIGNS: &[u8; 11] = b"10X98765432";
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    matches!(part(b, 6..8), b"18" | b"19" | b"20")
        && month_day(number(part(b, 10..12)), number(part(b, 12..14)))
        && item(SIGNS, mod11(b, &weights) as usize) == item(b, 17)
}

pub(in crate::pii) fn tw_id(b: &[u8]) -> bool {
    const LETTERS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(at) = LETTERS.iter().position(|letter| *letter == item(b, 0)) else {
        return false;
    };
    let code = at as u32 + 10;
    let sum = code / 10 + code % 10 * 9 + sum(part(b, 1..), &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(item(b, 1), b'1' | b'2' | b'8' | b'9') && sum.is_multiple_of(10)
}

pub(in crate::pii) fn hk_id(b: &[u8]) -> bool {
    let letter = u32::from(item(b, 0).wrapping_sub(b'A')) + 10;
    let last = if item(b, 7) == b'A' {
        10
    } else if item(b, 7).is_ascii_digit() {
        d(b, 7)
    } else {
        return false;
    };
    (36 * 9 + letter * 8 + sum(part(b, 1..), &[7, 6, 5, 4, 3, 2]) + last).is_multiple_of(11)
}

pub(in crate::pii) fn kr_rrn(b: &[u8]) -> bool {
    let check = (11 - mod11(b, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])) % 10;
    yymmdd(b) && item(b, 6).is_ascii_digit() && check == d(b, 12)
}

pub(in crate::pii) fn jp_my_number(b: &[u8]) -> bool {
    let rest = mod11(b, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    (if rest < 2 { 0 } else { 11 - rest }) == d(b, 11) && !same(b)
}

pub(in crate::pii) fn sg_nric(b: &[u8]) -> bool {
    let sum = sum(part(b, 1..), &[2, 7, 6, 5, 4, 3, 2]) as usize;
    match item(b, 0) {
        b'S' => item(b"JZIHGFEDCBA", sum % 11) == item(b, 8),
        b'T' => item(b"JZIHGFEDCBA", (sum + 4) % 11) == item(b, 8),
        b'F' => item(b"XWUTRQPNMLK", sum % 11) == item(b, 8),
        b'G' => item(b"XWUTRQPNMLK", (sum + 4) % 11) == item(b, 8),
        _ => false,
    }
}

pub(in crate::pii) fn th_id(b: &[u8]) -> bool {
    item(b, 0) != b'0' && (11 - sum(b, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10 == d(b, 12)
}

pub(in crate::pii) fn my_nric(b: &[u8]) -> bool {
    yymmdd(b) && number(part(b, 6..8)) != 0
}

pub(in crate::pii) fn au_tfn(b: &[u8]) -> bool {
    sum(b, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !same(b)
}

pub(in crate::pii) fn au_medicare(b: &[u8]) -> bool {
    matches!(item(b, 0), b'2'..=b'6') && sum(b, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == d(b, 8)
}

pub(in crate::pii) fn nz_ird(b: &[u8]) -> bool {
    let check = |weights: &[u32]| (11 - mod11(b, weights)) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    (if first == 10 {
        check(&[7, 4, 3, 2, 5, 2, 7, 6])
    } else {
        first
    }) == d(b, 8)
}

/// The older ones have a digit less.
pub(in crate::pii) fn nz_ird_short(b: &[u8]) -> bool {
    nz_ird(&[b"0", b].concat())
}

pub(in crate::pii) fn ca_sin(b: &[u8]) -> bool {
    !matches!(item(b, 0), b'0' | b'8') && luhn(b)
}

pub(in crate::pii) fn two_checks(b: &[u8], first: &[u32], second: &[u32]) -> bool {
    let check = |weights: &[u32]| {
        let rest = mod11(b, weights);
        if rest < 2 { 0 } else { 11 - rest }
    };
    check(first) == d(b, first.len()) && check(second) == d(b, second.len()) && !same(b)
}

pub(in crate::pii) fn br_cpf(b: &[u8]) -> bool {
    two_checks(
        b,
        &[10, 9, 8, 7, 6, 5, 4, 3, 2],
        &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2],
    )
}

pub(in crate::pii) fn br_cnpj(b: &[u8]) -> bool {
    two_checks(
        b,
        &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2],
        &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2],
    )
}

/// Of seven digits or eight, and a check.
pub(in crate::pii) fn cl_rut(b: &[u8]) -> bool {
    const WEIGHTS: [u32; 8] = [3, 2, 7, 6, 5, 4, 3, 2];
    let Some((last, digits)) = b.split_last() else {
        return false;
    };
    let check = 11
        - mod11(
            digits,
            part(&WEIGHTS, WEIGHTS.len().saturating_sub(digits.len())..),
        );
    *last
        == match check {
            11 => b'0',
            10 => b'K',
            digit => b'0' + digit as u8,
        }
}

pub(in crate::pii) fn ar_cuit(b: &[u8]) -> bool {
    let check = 11 - mod11(b, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    matches!(
        part(b, ..2),
        b"20" | b"23" | b"24" | b"25" | b"26" | b"27" | b"30" | b"33" | b"34"
    ) && check % 11 == d(b, 10)
}

pub(in crate::pii) fn mx_curp(b: &[u8]) -> bool {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte.wrapping_sub(b'A')) + 11,
    };
    let sum: u32 = part(b, ..17)
        .iter()
        .enumerate()
        .map(|(at, byte)| value(*byte) * (18 - at as u32))
        .sum();
    yymmdd(part(b, 4..)) && matches!(item(b, 10), b'H' | b'M' | b'X') && (10 - sum % 10) % 10 == d(b, 17)
}

pub(in crate::pii) fn co_nit(b: &[u8]) -> bool {
    let rest = mod11(b, &[41, 37, 29, 23, 19, 17, 13, 7, 3]);
    (if rest < 2 { rest } else { 11 - rest }) == d(b, 9)
}
