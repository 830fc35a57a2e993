//! The walk over a text.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::ids::{self, Needs};
use super::near::{announced, automaton, speaks, spoken};
use super::{Kind, Personal, cards, dates, mails, money, names, phone, places, streets};
use crate::bits::Bits;
use crate::safe::{item, part, prior};

/// Longest run of digits and separators that is looked at.
const RUN_MOST: usize = 48;
/// Most findings of one text: more than there is room for in a window of `stream`.
const FOUND_MOST: usize = 16_384;

/// Finds personal data. Of overlapping findings the surer stays, and of equally sure ones the longer.
#[must_use]
pub fn find(text: &str) -> Vec<Personal> {
    let mut found = Vec::new();
    mails::mails(text, &mut found);
    mails::spelt_out(text, &mut found);
    numbers(text, &mut found);
    colons(text, &mut found);
    dots(text, &mut found);
    places::degrees(text, &mut found);
    words(text, &mut found);
    let mut people = Vec::new();
    names::people(text, &mut people);
    let name = |(range, score)| Personal {
        kind: Kind::Name,
        what: Kind::Name.as_str(),
        range,
        score,
    };
    found.extend(people.into_iter().map(name));
    settle(found)
}

fn settle(mut found: Vec<Personal>) -> Vec<Personal> {
    if found.len() > 1 {
        found.sort_by(|one, two| {
            let length = two.range.len().cmp(&one.range.len());
            two.score
                .cmp(&one.score)
                .then(length)
                .then(one.range.start.cmp(&two.range.start))
        });
    }
    let mut kept = std::collections::BTreeMap::<usize, Personal>::new();
    for personal in found.into_iter().take(4 * FOUND_MOST) {
        let before = kept.range(..personal.range.end).next_back();
        if before.is_none_or(|(_, before)| before.range.end <= personal.range.start) {
            kept.insert(personal.range.start, personal);
        }
    }
    kept.into_values().take(FOUND_MOST).collect()
}

static PHONES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| automaton(phone::WORDS));

pub(super) fn plain(kind: Kind, range: Range<usize>, score: u16) -> Personal {
    Personal {
        kind,
        what: kind.as_str(),
        range,
        score,
    }
}

/// A run of digits and what stands between them.
struct Run<'a> {
    text: &'a str,
    range: Range<usize>,
}

impl<'a> Run<'a> {
    fn spelt(&self) -> &'a str {
        self.text.get(self.range.clone()).unwrap_or_default()
    }
}

fn numbers(text: &str, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    let all = Bits::of(bytes, |byte| byte.is_ascii_digit());
    let mut next = 0;
    while let Some(at) = all.next(next) {
        let mut end = at + 1;
        let (mut digits, mut gap) = (1, 0);
        let mut last = at + 1;
        // Digits go on over single separators, and over a bracket or a dash with a space.
        while end < bytes.len() && end - at < RUN_MOST {
            match item(bytes, end) {
                b'0'..=b'9' => {
                    digits += 1;
                    gap = 0;
                    last = end + 1;
                }
                b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b':' if gap < 2 => gap += 1,
                _ => break,
            }
            end += 1;
        }
        let range = at..last;
        if lettered(text, at, found) {
            // It was a part of something with letters.
        } else if digits >= 3 {
            number(text, range.clone(), digits, found);
        } else if let Some(street) = street(text, range.clone()) {
            found.push(plain(Kind::Address, street, 600));
        }
        next = last;
    }
}

/// The line of an address that this is a house number of.
fn street(text: &str, number: Range<usize>) -> Option<Range<usize>> {
    streets::french(text, &number)
        .or_else(|| streets::japanese(text, &number))
        .or_else(|| names::street(text, number))
}

/// Accounts and identity numbers whose letters stand before their first digit.
fn lettered(text: &str, start: usize, found: &mut Vec<Personal>) -> bool {
    let bytes = text.as_bytes();
    let before = |back: usize| start.checked_sub(back).and_then(|at| bytes.get(at));
    if !before(1).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'-')) {
        return false;
    }
    if before(1).is_some_and(u8::is_ascii_alphabetic)
        && before(2).is_some_and(u8::is_ascii_alphabetic)
        && !before(3).is_some_and(u8::is_ascii_alphanumeric)
        && let Some(length) = text.get(start - 2..).and_then(money::iban)
    {
        found.push(plain(Kind::Iban, start - 2..start - 2 + length, 1000));
        return true;
    }
    let count = found.len();
    if before(1).is_some_and(|byte| !byte.is_ascii_lowercase()) {
        shaped_from(text, start, true, found);
    }
    found.len() > count
}

/// Everything a run of digits may be.
fn number(text: &str, range: Range<usize>, digits: usize, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    let start = range.start;
    let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let run = Run {
        text,
        range: range.clone(),
    };
    shaped(text, start, found);
    let glued = before.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let goes_on = bytes
        .get(range.end)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if (glued && !(digits == 4 && range.len() == 4)) || goes_on {
        return;
    }
    if glued {
        // `14MAR1985`.
        dates::written(text, range, found);
        return;
    }
    if digits == 4 && range.len() == 4 {
        dates::written(text, range.clone(), found);
    }
    if digits <= 5
        && let Some(street) = street(
            text,
            start..start + run.spelt().bytes().take_while(u8::is_ascii_digit).count(),
        )
    {
        found.push(plain(Kind::Address, street, 600));
    }
    if digits == 7
        && let Some(address) = streets::postal(text, &range)
    {
        found.push(plain(Kind::Address, address, 800));
    }
    let dots = run.spelt().bytes().filter(|byte| *byte == b'.').count();
    if (dots == 0 || !coordinates(text, &run, before, found) && (dots < 3 || !ip4(&run, found)))
        && digits >= 5
    {
        dates::birth(text, range.clone(), found);
        // Behind a plus stands a telephone number, whatever its digits add up to.
        if digits >= cards::LEAST && before != Some(b'+') {
            cards::cards(text, range.clone(), found);
        }
        phones(text, &run, before, digits, found);
    }
}

fn phones(text: &str, run: &Run<'_>, before: Option<u8>, digits: usize, found: &mut Vec<Personal>) {
    if !(6..=17).contains(&digits) || looks_like_time(run.spelt()) {
        return;
    }
    let start = match before {
        Some(b'+' | b'(') => run.range.start - 1,
        _ => run.range.start,
    };
    let start = if start > 0 && before == Some(b'(') && prior(text.as_bytes(), start) == b'+' {
        start - 1
    } else {
        start
    };
    let sign = start
        .checked_sub(1)
        .and_then(|at| text.as_bytes().get(at))
        .copied();
    // A comma stands between fields, unless digits before it make it a part of one number.
    let goes_on = sign == Some(b',')
        && before != Some(b'+')
        && prior(text.as_bytes(), start.saturating_sub(1)).is_ascii_digit();
    if goes_on || matches!(sign, Some(b'.' | b'-' | b'/' | b'#' | b'$' | b'_')) {
        return;
    }
    let Some(spelt) = text.get(start..run.range.end) else {
        return;
    };
    if spelt.contains([':']) {
        return;
    }
    // The words before it are read only where they would settle it.
    let most = phone::judge(spelt, true);
    if most < 400 {
        return;
    }
    let score = if speaks(&PHONES, text, start) {
        most
    } else {
        phone::judge(spelt, false)
    };
    if score >= 400 && !announced(text, start, &["port"]) && !is_zip_or_years(text, start, spelt) {
        let kind = plain(Kind::Phone, start..extension(text, run.range.end), score);
        found.push(kind);
    }
}

/// Whether digits are a code of places in the United States, behind its state (`MA 02110-1301`), or two years.
fn is_zip_or_years(text: &str, start: usize, spelt: &str) -> bool {
    const GAP: usize = 12;
    let Some((first, second)) = spelt.split_once('-') else {
        return false;
    };
    let year = |year: &str| year.len() == 4 && matches!(year.as_bytes(), [b'1', b'9', ..] | [b'2', b'0', ..]);
    // A line may end between them, and a sign of a comment begin the next.
    let gap = |byte: &&u8| byte.is_ascii_whitespace() || matches!(byte, b'*' | b'#' | b'/' | b';');
    let before = part(text.as_bytes(), ..start);
    let gap = before.iter().rev().take(GAP).take_while(gap).count();
    let state = matches!(part(before, ..start - gap), [.., lead, first, second]
        if !lead.is_ascii_alphanumeric() && first.is_ascii_uppercase() && second.is_ascii_uppercase());
    year(first) && year(second) || state && gap > 0 && first.len() == 5 && second.len() == 4
}

/// An extension that follows a telephone number belongs to it.
fn extension(text: &str, end: usize) -> usize {
    let rest = text.get(end..).unwrap_or_default();
    let tail = rest.trim_start_matches(' ');
    let after = ["ext. ", "ext ", "ext.", "ext", "x"]
        .iter()
        .find_map(|word| tail.strip_prefix(word));
    let digits = after.map_or(0, |after| after.bytes().take_while(u8::is_ascii_digit).count());
    match after {
        Some(after) if (1..=6).contains(&digits) => end + (rest.len() - after.len()) + digits,
        _ => end,
    }
}

/// A date or a time of day, in one of the usual spellings.
fn looks_like_time(spelt: &str) -> bool {
    let groups: Vec<&str> = spelt
        .split(|c: char| !c.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .collect();
    let number = |at: usize| {
        groups
            .get(at)
            .and_then(|group| group.parse::<u32>().ok())
            .unwrap_or(u32::MAX)
    };
    match groups.as_slice() {
        [year, ..] if year.len() == 4 && groups.len() >= 3 => {
            matches!(number(0), 1800..=2200) && matches!(number(1), 1..=12) && matches!(number(2), 1..=31)
        }
        [_, _, year, ..] if year.len() == 4 => {
            matches!(number(2), 1800..=2200) && number(0) <= 31 && number(1) <= 31
        }
        _ => false,
    }
}

/// Most signs of a national number; a longer shape would never be found.
const DENSE_MOST: usize = 24;

/// National numbers whose first sign is this digit.
fn shaped(text: &str, digit: usize, found: &mut Vec<Personal>) {
    shaped_from(text, digit, false, found);
}

/// Where the letters begin that stand before a digit.
fn letters_before(bytes: &[u8], digit: usize) -> Option<usize> {
    let mut start = digit;
    // One space or hyphen may stand between the letters and the digits.
    if start > 1 && matches!(prior(bytes, start), b' ' | b'-') {
        start -= 1;
    }
    while start > 0 && digit - start < 7 && prior(bytes, start).is_ascii_uppercase() {
        start -= 1;
    }
    item(bytes, start).is_ascii_uppercase().then_some(start)
}

/// National numbers with this first digit, and with letters before it or none.
fn shaped_from(text: &str, digit: usize, letters: bool, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    let start = if letters {
        letters_before(bytes, digit)
    } else {
        Some(digit)
    };
    let Some(start) = start else { return };
    if start > 0
        && (prior(bytes, start).is_ascii_alphanumeric()
            || matches!(prior(bytes, start), b'_' | b'+' | b'.' | b'-' | b'$'))
    {
        return;
    }
    // What stands before it is read only where the number itself fits.
    let mut before = None;
    for id in ids::may(part(bytes, start..), letters) {
        let styled = !id.style.is_empty();
        let hit = if styled {
            fit(bytes, start, id.style).map(|end| (end, true))
        } else {
            None
        };
        let Some((end, in_style)) = hit.or_else(|| fit(bytes, start, id.shape).map(|end| (end, false)))
        else {
            continue;
        };
        // In one kind the sign tells the century and counts as one. Letters between digits alone are a word for them.
        let with_letters = id.shape.contains(['A', '*']);
        let counts = |byte: &u8| {
            byte.is_ascii_digit() || with_letters && byte.is_ascii_alphabetic() || id.name == "fi_hetu"
        };
        let spelt = part(bytes, start..end).iter().filter(|byte| counts(byte));
        let (mut dense, mut length) = ([0_u8; DENSE_MOST], 0);
        for (to, byte) in dense.iter_mut().zip(spelt) {
            *to = byte.to_ascii_uppercase();
            length += 1;
        }
        let dense = part(&dense, ..length);
        if length != id.shape.len() || !(id.check)(dense) {
            continue;
        }
        // Digits alone are in style only with all of their signs: one left out makes two numbers that stand side by side.
        // Where either may stand, a digit says nothing.
        let letter = id.shape.contains('*') && !dense.iter().all(u8::is_ascii_digit);
        let signs = (in_style && end - start == id.style.len()) || id.shape.contains('A') || letter;
        let (from, near) = *before.get_or_insert_with(|| spoken(text, start));
        let said = announced(near, start - from, id.words);
        if !said && in_style && goes_on_in_groups(bytes, end, id.style) {
            continue;
        }
        let score = match (id.needs, signs, said) {
            (_, _, true) => 950,
            (Needs::Nothing, true, _) => 800,
            (Needs::Nothing, false, _) => 550,
            (Needs::Style, true, _) => 700,
            _ => continue,
        };
        found.push(Personal {
            kind: Kind::NationalId,
            what: id.name,
            range: start..end,
            score,
        });
    }
}

/// Whether another group of the same length follows one that a style ends with: then it is a part of a longer number.
fn goes_on_in_groups(bytes: &[u8], end: usize, style: &str) -> bool {
    let Some((_, last)) = style.rsplit_once(' ') else {
        return false;
    };
    let rest = part(bytes, end..);
    let digits = part(rest, 1..).iter().take_while(|byte| byte.is_ascii_digit());
    rest.first() == Some(&b' ') && digits.count() == last.len()
}

/// Where a shape that starts here ends: `0` a digit, `A` a letter, `*` either, other signs themselves.
fn fit(bytes: &[u8], start: usize, shape: &str) -> Option<usize> {
    let mut at = start;
    for sign in shape.bytes() {
        let byte = *bytes.get(at)?;
        let fits = match sign {
            b'0' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'*' => {
                byte.is_ascii_digit()
                    || byte.is_ascii_uppercase()
                    || matches!(byte, b'-' | b'+' | b'x' | b'k')
            }
            b'-' => {
                // A hyphen is often left out, or a space.
                if matches!(byte, b'-' | b' ') {
                    true
                } else if byte.is_ascii_alphanumeric() {
                    continue;
                } else {
                    false
                }
            }
            other => byte == other,
        };
        if !fits {
            return None;
        }
        at += 1;
    }
    let next = bytes.get(at);
    let digits_follow =
        matches!(next, Some(b'-' | b'.')) && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    (!next.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && !digits_follow).then_some(at)
}

fn ip4(run: &Run<'_>, found: &mut Vec<Personal>) -> bool {
    let spelt = run.spelt();
    let length = spelt
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let part = spelt.get(..length).unwrap_or_default().trim_end_matches('.');
    if part.bytes().filter(|byte| *byte == b'.').count() != 3 {
        return false;
    }
    let bytes = run.text.as_bytes();
    let dotted = run.range.start > 0 && matches!(prior(bytes, run.range.start), b'.' | b'v' | b'-');
    if !dotted && let Ok(address) = part.parse::<Ipv4Addr>() {
        // Masks of networks, and the machine itself, are nobody's.
        if address.is_unspecified() || address.is_loopback() || address.octets()[0] == 255 {
            return true;
        }
        let dull = address.octets()[3] == 0 && address.octets()[2] == 0 && address.octets()[1] == 0;
        // Four small numbers are as often a version.
        let version = announced(run.text, run.range.start, &["version", "release", "ver."]);
        if !version && !dull {
            found.push(plain(
                Kind::Ip,
                run.range.start..run.range.start + part.len(),
                900,
            ));
        } else if !version {
            found.push(plain(
                Kind::Ip,
                run.range.start..run.range.start + part.len(),
                500,
            ));
        }
        return true;
    }
    false
}

/// Two decimal numbers in range with at least four digits behind the point, or two fields named so.
fn coordinates(text: &str, run: &Run<'_>, before: Option<u8>, found: &mut Vec<Personal>) -> bool {
    let start = if before == Some(b'-') {
        run.range.start - 1
    } else {
        run.range.start
    };
    let decimal = |from: usize| -> Option<(f64, usize)> {
        let rest = text.get(from..text.floor_char_boundary(from.saturating_add(16)))?;
        let length = rest
            .bytes()
            .enumerate()
            .take_while(|(at, byte)| {
                byte.is_ascii_digit() || *byte == b'.' || (*at == 0 && matches!(byte, b'-' | b'+'))
            })
            .count();
        let part = rest.get(..length)?;
        let (_, fraction) = part.split_once('.')?;
        let fine = fraction.len() >= 4 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        fine.then(|| part.parse().ok().map(|value| (value, from + length)))
            .flatten()
    };
    let Some((latitude, end)) = decimal(start).filter(|(value, _)| value.abs() <= 90.0) else {
        return false;
    };
    let rest = text
        .get(end..text.floor_char_boundary(end.saturating_add(40)))
        .unwrap_or_default();
    let gap = rest
        .bytes()
        .take(32)
        .take_while(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'+'))
        .count();
    let between = rest.get(..gap).unwrap_or_default().to_ascii_lowercase();
    let tight = matches!(between.trim(), "," | ";")
        || between.trim_matches(['°', ' ', ',']).eq_ignore_ascii_case("n");
    let named = between.contains("lon") || between.contains("lng");
    if !(tight || named) {
        return false;
    }
    // Nothing speaks for them but how exact they are.
    let digits = |from: usize| text.get(from..).unwrap_or_default().bytes();
    let fine = [start, end + gap].into_iter().all(|from| {
        let fraction = digits(from).skip_while(|byte| *byte != b'.').skip(1);
        fraction.take_while(u8::is_ascii_digit).count() >= 5
    }) || between.contains('°');
    match decimal(end + gap).filter(|(value, _)| value.abs() <= 180.0) {
        Some((longitude, last))
            if latitude != 0.0
                && (named
                    || announced(
                        text,
                        start,
                        &["lat", "coord", "gps", "geo", "location", "position", "at "],
                    )
                    || tight
                        && fine
                        && latitude.abs().min(f64::abs(longitude)) >= 1.0
                        && stand_alone(text, start, last)) =>
        {
            found.push(plain(
                Kind::Coordinates,
                start..last,
                if named { 900 } else { 700 },
            ));
            true
        }
        _ => false,
    }
}

/// Whether two decimal numbers are a pair of their own: no arguments of a function, no part of a list, and no measure.
fn stand_alone(text: &str, start: usize, end: usize) -> bool {
    const UNITS: &[&str] = &[
        "ms", "s", "sec", "seconds", "us", "ns", "px", "em", "pt", "mm", "cm", "m", "kg", "g", "kb", "mb",
        "gb", "hz", "v", "w", "a", "usd", "eur",
    ];
    let before = text.get(..start).unwrap_or_default().trim_end_matches(' ');
    let called = before
        .strip_suffix('(')
        .is_some_and(|name| name.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    let listed = before
        .strip_suffix([',', ';'])
        .is_some_and(|number| number.ends_with(|c: char| c.is_ascii_digit()));
    let after = text.get(end..).unwrap_or_default().trim_start_matches(' ');
    let unit = after
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let measured = after.starts_with('%') || UNITS.iter().any(|known| unit.eq_ignore_ascii_case(known));
    let goes_on = after.strip_prefix([',', ';']).is_some_and(|rest| {
        rest.trim_start()
            .starts_with(|c: char| c.is_ascii_digit() || c == '-')
    });
    !(called || listed || measured || goes_on)
}

/// Hardware addresses and IPv6, both of hexadecimal digits and colons.
fn colons(text: &str, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    let part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    let mut done = 0;
    for at in Bits::of(bytes, |byte| byte == b':').places() {
        let near = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(part);
        if at < done || !near(at.checked_sub(1)) && !near(Some(at + 1)) {
            continue;
        }
        let mut start = at;
        while start > done && at - start < 5 && part(&prior(bytes, start)) {
            start -= 1;
        }
        let mut end = at + 1;
        while end < bytes.len()
            && end - start < 46
            && (part(&item(bytes, end))
                || (item(bytes, end) == b'.' && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)))
        {
            end += 1;
        }
        done = end;
        let word = |at: Option<&u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if word(start.checked_sub(1).and_then(|at| bytes.get(at))) || word(bytes.get(end)) {
            continue;
        }
        let Some(spelt) = text.get(start..end) else {
            continue;
        };
        if mac(spelt, ':') {
            found.push(plain(Kind::Mac, start..end, 950));
        } else if spelt.bytes().filter(|byte| *byte == b':').count() >= 2
            && let Ok(address) = spelt.trim_end_matches(':').parse::<Ipv6Addr>()
            && spelt.len() > 4
            && !spelt.ends_with(':')
        {
            let dull = address.is_unspecified();
            found.push(plain(Kind::Ip, start..end, if dull { 400 } else { 950 }));
        } else if let Ok(address) = spelt.parse::<Ipv6Addr>()
            && spelt.len() >= 3
            && (address.is_loopback() || spelt.ends_with("::"))
            && spelt != "::"
        {
            found.push(plain(Kind::Ip, start..end, 600));
        }
    }
}

/// Hardware addresses in three parts with dots.
fn dots(text: &str, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    for at in Bits::of(bytes, |byte| byte == b'.').places() {
        // The first of two dots, each with four digits before it and behind it.
        if bytes.get(at + 5) != Some(&b'.') || at < 4 {
            continue;
        }
        let whole = part(bytes, at - 4..at + 10);
        let fits = whole.len() == 14
            && whole.iter().enumerate().all(|(at, byte)| match at {
                4 | 9 => *byte == b'.',
                _ => byte.is_ascii_hexdigit(),
            });
        let letters = whole.iter().any(u8::is_ascii_alphabetic);
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        let ends = !word(prior(bytes, at - 4)) && !item(bytes, at + 10).is_ascii_alphanumeric();
        if fits && letters && ends {
            found.push(plain(Kind::Mac, at - 4..at + 10, 900));
        }
    }
}

fn mac(spelt: &str, sign: char) -> bool {
    let mut count = 0;
    let fine = spelt.split(sign).all(|pair| {
        count += 1;
        pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let zero = spelt.bytes().all(|byte| matches!(byte, b'0' | b':' | b'-'));
    fine && count == 6 && !zero
}

/// Words that carry their kind in their characters: wallets, hardware addresses with hyphens, identity numbers that
/// start with many letters.
fn words(text: &str, found: &mut Vec<Personal>) {
    let bytes = text.as_bytes();
    let signs = Bits::of(bytes, |byte| {
        (byte | 0x20).is_ascii_lowercase() | byte.is_ascii_digit() | (byte == b'-')
    });
    for Range { start, end } in signs.runs(16) {
        if (16..=125).contains(&(end - start))
            && let Some(spelt) = text.get(start..end)
        {
            if spelt.len() == 17 && mac(spelt, '-') {
                found.push(plain(Kind::Mac, start..end, 950));
            } else if let Some(chain) = money::wallet(spelt) {
                found.push(Personal {
                    kind: Kind::Wallet,
                    what: chain,
                    range: start..end,
                    score: 950,
                });
            }
        }
    }
}
