//! Dates behind a word about birth: in numbers, and with the name of their month.

use std::ops::Range;

use super::near::{ANNOUNCE, announced};
use super::scan::plain;
use super::{Kind, Personal};

/// How far before a year its month and day may stand.
const REACH: usize = 28;
/// Names of months, in small letters.
const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "januar",
    "jänner",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "setiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "janeiro",
    "fevereiro",
    "março",
    "maio",
    "junho",
    "julho",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
    "gennaio",
    "febbraio",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "januari",
    "februari",
    "maart",
    "mei",
    "augustus",
    "stycznia",
    "lutego",
    "marca",
    "kwietnia",
    "maja",
    "czerwca",
    "lipca",
    "sierpnia",
    "września",
    "października",
    "listopada",
    "grudnia",
    "maj",
    "augusti",
    "januara",
    "ocak",
    "şubat",
    "mart",
    "nisan",
    "mayıs",
    "haziran",
    "temmuz",
    "ağustos",
    "eylül",
    "ekim",
    "kasım",
    "aralık",
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];
/// Fewest letters of a short form, and most.
const SHORT: std::ops::RangeInclusive<usize> = 3..=4;

/// Words that announce a date of birth.
const BIRTHS: &[&str] = &[
    "born",
    "birth",
    "dob",
    "d.o.b",
    "birthday",
    "geboren",
    "geburtsdatum",
    "geb.",
    "né le",
    "née le",
    "naissance",
    "nacido",
    "nacida",
    "nacimiento",
    "nascimento",
    "nato il",
    "nata il",
    "nascita",
    "geboortedatum",
    "urodzon",
    "data urodzenia",
    "född",
    "født",
    "syntynyt",
    "рожд",
    "родил",
    "生年月日",
    "出生",
    "생년월일",
    "doğum",
    "bday",
    "(b.",
    "ميلاد",
    "تولد",
    "תאריך לידה",
    "γέννησ",
    "जन्म",
    "วันเกิด",
    "ngày sinh",
    "народж",
];
/// What is born without being a person.
const THINGS: &[&str] = &[
    "bug",
    "issue",
    "idea",
    "project",
    "company",
    "language",
    "startup",
    "tradition",
    "movement",
    "feature",
];

/// A date with a word about birth before it.
pub(super) fn birth(text: &str, range: Range<usize>, found: &mut Vec<Personal>) {
    let spelt = text.get(range.clone()).unwrap_or_default();
    let date = spelt
        .get(..spelt.find(' ').unwrap_or(spelt.len()))
        .unwrap_or(spelt);
    let groups: Vec<&str> = date.split(['-', '/', '.']).collect();
    let number = |at: usize| {
        groups
            .get(at)
            .and_then(|group| group.parse::<u32>().ok())
            .unwrap_or(u32::MAX)
    };
    let date_like = match groups.as_slice() {
        [year, _, _] if year.len() == 4 => {
            matches!(number(0), 1890..=2030) && matches!(number(1), 1..=12) && matches!(number(2), 1..=31)
        }
        [whole] if whole.len() == 8 => {
            let part = |from, to| {
                whole
                    .get(from..to)
                    .and_then(|part| part.parse().ok())
                    .unwrap_or(0)
            };
            matches!(part(0, 4), 1890..=2030) && matches!(part(4, 6), 1..=12) && matches!(part(6, 8), 1..=31)
        }
        [_, _, year] => {
            matches!(year.len(), 2 | 4)
                && matches!(number(0), 1..=31)
                && matches!(number(1), 1..=31)
                && (number(0) <= 12 || number(1) <= 12)
                && (year.len() == 2 || matches!(number(2), 1890..=2030))
        }
        _ => false,
    };
    if date_like && is_birth(text, range.start) {
        found.push(plain(Kind::BirthDate, range.start..range.start + date.len(), 900));
    }
}

/// Whether a word about birth stands before a date. A number in between belongs to something else.
fn is_birth(text: &str, start: usize) -> bool {
    let before = text.as_bytes().iter().take(start).rev().take(ANNOUNCE);
    let near = before.take_while(|byte| !byte.is_ascii_digit()).count();
    let from = text.ceil_char_boundary(start - near);
    let words = text.get(from..start).unwrap_or_default();
    announced(words, start - from, BIRTHS) && !announced(words, start - from, THINGS)
}

/// A date that ends with this year, or starts with it where years come first.
pub(super) fn written(text: &str, year: Range<usize>, found: &mut Vec<Personal>) {
    let number: u32 = text
        .get(year.clone())
        .and_then(|year| year.parse().ok())
        .unwrap_or(0);
    if !(1890..=2030).contains(&number) {
        return;
    }
    let range = european(text, &year).or_else(|| eastern(text, &year));
    if let Some(range) = range.filter(|range| is_birth(text, range.start)) {
        found.push(plain(Kind::BirthDate, range, 900));
    }
}

/// A number of a day or a month at the end of a text: where it starts.
fn number_at_end(text: &str, most: u32) -> Option<usize> {
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let start = text.len() - digits;
    let number: u32 = text.get(start..)?.parse().ok()?;
    ((1..=2).contains(&digits) && (1..=most).contains(&number)).then_some(start)
}

/// The name of a month at the end of a text: where it starts.
fn month_at_end(text: &str) -> Option<usize> {
    let start = text.rfind(|c: char| !c.is_alphabetic()).map_or(0, |at| {
        at + text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8)
    });
    let word = text.get(start..)?.to_lowercase();
    let is_short = SHORT.contains(&word.chars().count());
    let is_month = |name: &&str| **name == word || is_short && name.starts_with(&word);
    MONTHS.iter().any(is_month).then_some(start)
}

/// Without the ends that a number of a day may have, and words of one letter or two before a month.
fn trimmed(text: &str) -> &str {
    let mut text = text.trim_end_matches([' ', ',', '.']);
    for word in [" de", " of", " d'"] {
        text = text.strip_suffix(word).unwrap_or(text);
    }
    for end in ["st", "nd", "rd", "th", "er", "º", "°"] {
        // Of a number, and not of a word.
        let number = text.strip_suffix(end);
        text = number
            .filter(|text| text.ends_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(text);
    }
    text.trim_end_matches([' ', ',', '.'])
}

/// `12. March 1985` and `March 12, 1985`.
fn european(text: &str, year: &Range<usize>) -> Option<Range<usize>> {
    let from = text.ceil_char_boundary(year.start.saturating_sub(REACH));
    let before = trimmed(text.get(from..year.start)?);
    let start = match number_at_end(before, 31) {
        Some(day) => month_at_end(trimmed(before.get(..day)?))?,
        None => number_at_end(trimmed(before.get(..month_at_end(before)?)?), 31)?,
    };
    Some(from + start..year.end)
}

/// `1985年3月12日` and the same in Korean.
fn eastern(text: &str, year: &Range<usize>) -> Option<Range<usize>> {
    let mut rest = text.get(year.end..)?;
    let mut end = year.end;
    for (sign, other) in [('年', '년'), ('月', '월'), ('日', '일')] {
        let trimmed = rest.trim_start_matches(' ');
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let is_number = (sign == '年') == (digits == 0) && digits <= 2;
        let behind = trimmed.get(digits..)?;
        let c = behind
            .chars()
            .next()
            .filter(|c| is_number && (*c == sign || *c == other))?;
        end += rest.len() - trimmed.len() + digits + c.len_utf8();
        rest = behind.get(c.len_utf8()..)?;
    }
    Some(year.start..end)
}
