//! Passports and driving licences. Few of them have arithmetic, so each counts only behind a word that says what it is.

use super::check::{d, month_day, number, same};
use super::{Id, Needs, id};
use crate::safe::{item, part};

/// Words that announce a passport. Short ones of many meanings, such as the German `Pass`, are none of them.
const PASSPORT: &[&str] = &[
    "passport",
    "passeport",
    "pasaporte",
    "passaporte",
    "passaporto",
    "reisepass",
    "paspoort",
    "pasaport",
    "paszport",
    "paşaport",
    "паспорт",
    "διαβατηρί",
    "护照",
    "護照",
    "パスポート",
    "旅券",
    "여권",
    "جواز",
];

/// Words that announce a passport of Russia, which is named by its series as well.
const SERIES: &[&str] = &["паспорт", "серия", "серии"];

/// Words that announce a driving licence.
const LICENCE: &[&str] = &[
    "driver's lic",
    "driver’s lic",
    "drivers lic",
    "driver lic",
    "driving lic",
    "führerschein",
    "permis de conduire",
    "patente di guida",
    "rijbewijs",
    "licencia de conducir",
    "permiso de conducir",
    "carta de condução",
    "carteira de motorista",
    "prawo jazdy",
    "водительск",
    "運転免許",
    "驾驶证",
    "운전면허",
];

const fn passport(shape: &'static str, style: &'static str) -> Id {
    id("passport", shape, style, PASSPORT, passport_like, Needs::Word)
}

const fn russian(style: &'static str) -> Id {
    id(
        "ru_passport",
        "0000000000",
        style,
        SERIES,
        ru_passport,
        Needs::Word,
    )
}

const fn licence(shape: &'static str, style: &'static str) -> Id {
    id(
        "driving_licence",
        shape,
        style,
        LICENCE,
        licence_like,
        Needs::Word,
    )
}

/// The shapes of what most travellers carry; ICAO Doc 9303 leaves them to each state.
pub(super) const PAPERS: &[Id] = &[
    // United States, United Kingdom, Russia abroad.
    passport("000000000", "00 0000000"),
    // United States from 2021 on, China, South Korea; India.
    passport("A00000000", ""),
    passport("A0000000", ""),
    // Canada, Brazil; Italy, Japan, Poland; Spain.
    passport("AA000000", ""),
    passport("AA0000000", ""),
    passport("AAA000000", ""),
    id("de_passport", "A********", "", PASSPORT, de_passport, Needs::Word),
    russian("0000 000000"),
    russian("00 00 000000"),
    russian("0000 № 000000"),
    russian("00 00 № 000000"),
    // As the canonical view writes the sign.
    russian("0000 No 000000"),
    russian("00 00 No 000000"),
    // States of the United States.
    licence("00000000", ""),
    licence("000000000", "000 000 000"),
    licence("A0000000", ""),
    licence("A00000000", ""),
    licence("A00000000000", "A000-0000-0000"),
    licence("A000000000000", "A000-000-00-000-0"),
    id(
        "gb_driving_licence",
        "A****000000A**AA",
        "",
        LICENCE,
        gb_licence,
        Needs::Word,
    ),
];

fn digits(b: &[u8]) -> Vec<u8> {
    b.iter().copied().filter(u8::is_ascii_digit).collect()
}

/// Not one digit over and over, and not what forms are filled in with.
fn passport_like(b: &[u8]) -> bool {
    let digits = digits(b);
    let counts = |two: &[u8]| matches!(two, [one, other] if one + 1 == *other);
    !same(&digits) && !digits.windows(2).all(counts)
}

/// Licences of manuals count upwards, and so do some real ones. Eight digits may be the day until which one is valid.
fn licence_like(b: &[u8]) -> bool {
    let century = |at: usize| matches!(part(b, at..at + 2), b"19" | b"20");
    let date = b.len() == 8 && item(b, 0).is_ascii_digit() && (century(0) || century(4));
    !date && !same(&digits(b))
}

/// Letters and digits that are not taken for others, the first of an issuing office.
fn de_passport(b: &[u8]) -> bool {
    const LETTERS: &[u8] = b"CFGHJKLMNPRTVWXYZ";
    let known = b
        .iter()
        .all(|byte| byte.is_ascii_digit() || LETTERS.contains(byte));
    known && matches!(item(b, 0), b'C' | b'F' | b'G' | b'H' | b'J' | b'K') && digits(b).len() >= 3
}

/// A region, the year in which the form was printed, from 1997 on, and a number.
fn ru_passport(b: &[u8]) -> bool {
    let year = d(b, 2) * 10 + d(b, 3);
    part(b, ..2) != b"00" && (year <= 40 || year >= 97) && number(part(b, 4..)) != 0
}

/// Five letters of a name, filled up with `9`, and a date of birth: its decade, month, day and year. A woman's month has 50
/// added.
fn gb_licence(b: &[u8]) -> bool {
    let name = part(b, 1..5)
        .iter()
        .all(|byte| byte.is_ascii_uppercase() || *byte == b'9');
    let month = number(part(b, 6..8));
    let month = if month > 50 { month - 50 } else { month };
    name && month_day(month, number(part(b, 8..10)))
}
