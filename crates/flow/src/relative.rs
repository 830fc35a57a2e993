//! Days as people count them from today: `tomorrow`, `in 30 days`, `next Tuesday`; and hours as they say them.

use std::collections::BTreeSet;

use crate::when::{self, When};

/// How far ahead a day of the week may lie: `next Tuesday` is this one to some and the one after it to others.
const AHEAD: i64 = 13;
/// And such a day of a month.
const YEAR: i64 = 366;
/// How far ahead a day of a month lies whose month she leaves out.
const MONTH: i64 = 31;
const MOST: usize = 64;

/// Names of the days, Monday first, in a few languages.
const WEEK: [&[&str]; 7] = [
    &["monday", "mon", "montag", "lundi", "lunes", "lunedì"],
    &["tuesday", "tue", "tues", "dienstag", "mardi", "martes", "martedì"],
    &[
        "wednesday",
        "wed",
        "mittwoch",
        "mercredi",
        "miércoles",
        "mercoledì",
    ],
    &[
        "thursday",
        "thu",
        "thurs",
        "donnerstag",
        "jeudi",
        "jueves",
        "giovedì",
    ],
    &["friday", "fri", "freitag", "vendredi", "viernes", "venerdì"],
    &["saturday", "samstag", "sonnabend", "samedi", "sábado", "sabato"],
    &["sunday", "sonntag", "dimanche", "domingo", "domenica"],
];

/// The days that the human counts from today.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relative {
    /// Days from today.
    ahead: BTreeSet<i16>,
    /// Days of the week, Monday is 0.
    week: BTreeSet<u8>,
    /// Which day of a week in which month: `the first Monday in May`.
    nth: BTreeSet<(Nth, u8, u8)>,
    /// Days of a month, which she leaves out: `on the 20th`.
    dates: BTreeSet<u8>,
    /// Months whose last day she means.
    ends: BTreeSet<u8>,
}

/// Which of the four or five such days of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nth {
    /// From the first on, which is 0.
    From(u8),
    Last,
}

impl Nth {
    fn said(word: &str) -> Option<Self> {
        const NAMES: [&[&str]; 4] = [
            &["first", "1st", "ersten", "premier", "primer"],
            &["second", "2nd", "zweiten", "deuxième", "segundo"],
            &["third", "3rd", "dritten", "troisième", "tercer"],
            &["fourth", "4th", "vierten", "quatrième", "cuarto"],
        ];
        if ["last", "letzten", "dernier", "último"].contains(&word) {
            return Some(Self::Last);
        }
        let at = NAMES.iter().position(|names| names.contains(&word))?;
        u8::try_from(at).ok().map(Self::From)
    }
}

impl Relative {
    /// Takes in what begins with these folded words.
    pub(crate) fn hear(&mut self, words: &[&str]) {
        let first = words.first().copied().unwrap_or_default();
        let bare = first.strip_suffix("'s").unwrap_or(first);
        let ahead: Option<i16> = match bare {
            "today" | "tonight" | "heute" | "hoy" | "aujourd'hui" | "oggi" => Some(0),
            "tomorrow" | "morgen" | "mañana" | "demain" | "domani" => Some(1),
            "übermorgen" => Some(2),
            "yesterday" | "gestern" | "ayer" | "hier" | "ieri" => Some(-1),
            "in" | "within" | "for" | "dans" | "für" | "pendant" | "binnen" | "dentro" => {
                words.get(1..).and_then(days)
            }
            _ => days(words).filter(|_| {
                let after = words.get(2).copied().unwrap_or_default();
                ["from", "later", "ahead"].contains(&after)
            }),
        };
        if self.ahead.len() < MOST {
            self.ahead.extend(ahead);
        }
        self.week.extend(weekday(bare));
        if let [first, second, of, third, ..] = words
            && ["in", "of", "im", "de"].contains(of)
            && let (Some(nth), Some(day)) = (Nth::said(first), weekday(second))
            && let Some(month) = when::month(crate::prompt::trim(third))
            && self.nth.len() < MOST
        {
            self.nth.insert((nth, day, month));
        }
        let ordinal = ["st", "nd", "rd", "th"]
            .iter()
            .find_map(|end| bare.strip_suffix(end));
        let dotted = match words {
            ["am" | "zum" | "bis" | "vom" | "den", second, ..] => second.strip_suffix('.'),
            ["le", second, ..] => Some(*second),
            _ => None,
        };
        let date = ordinal.or(dotted).and_then(|digits| digits.parse::<u8>().ok());
        self.dates.extend(date.filter(|date| (1..=31).contains(date)));
        let month = match words {
            ["end" | "close", "of", third, ..] | ["fin", "de", third, ..] => Some(*third),
            ["ende" | "fine" | "eind" | "fin", second, ..] => Some(*second),
            _ => None,
        };
        self.ends
            .extend(month.and_then(|word| when::month(crate::prompt::trim(word))));
    }

    /// She counts no day.
    pub(crate) fn none(&self) -> bool {
        self.ahead.is_empty()
            && self.week.is_empty()
            && self.nth.is_empty()
            && self.dates.is_empty()
            && self.ends.is_empty()
    }

    /// Is this a day that she means, counted from `today`?
    pub(crate) fn means(&self, today: &When, day: &When) -> bool {
        let (Some(from), Some(to)) = (today.days(), day.days()) else {
            return false;
        };
        let ahead = to - from;
        // Day 0 of the count, 1 March of the year 0, is a Wednesday.
        let weekday = u8::try_from((to + 2).rem_euclid(7)).unwrap_or_default();
        self.ahead.iter().any(|days| i64::from(*days) == ahead)
            || (0..=AHEAD).contains(&ahead) && self.week.contains(&weekday)
            || (0..=YEAR).contains(&ahead) && self.nth_is(day, to, weekday)
            || (0..=MONTH).contains(&ahead) && day.day.is_some_and(|(_, date)| self.dates.contains(&date))
    }

    /// Is this one of the days of a month that she counts?
    fn nth_is(&self, day: &When, days: i64, weekday: u8) -> bool {
        let Some((month, date)) = day.day else {
            return false;
        };
        let next = When {
            day: Some((month % 12 + 1, 1)),
            year: day.year.map(|year| year + u16::from(month == 12)),
            ..*day
        };
        let left = next.days().map(|next| next - days);
        let last = left.is_some_and(|left| (1..=7).contains(&left));
        if left == Some(1) && self.ends.contains(&month) {
            return true;
        }
        self.nth.iter().any(|(nth, of_week, of_month)| {
            let counts = match nth {
                Nth::From(weeks) => date.saturating_sub(1) / 7 == *weeks,
                Nth::Last => last,
            };
            counts && *of_week == weekday && *of_month == month
        })
    }
}

fn weekday(word: &str) -> Option<u8> {
    let bare = word.trim_end_matches(['.', ',']);
    let at = WEEK.iter().position(|names| names.contains(&bare))?;
    u8::try_from(at).ok()
}

/// Whole days, as a duration says them.
fn days(words: &[&str]) -> Option<i16> {
    let minutes = when::duration(words)?;
    (minutes % 1440 == 0)
        .then(|| i16::try_from(minutes / 1440).ok())
        .flatten()
}

/// An hour said alone, after a word that hours follow: `at 10`, `between 10 and 12`, `15h30`, `9 Uhr`, `noon`. By the
/// clock of twelve hours it is either of two.
pub(crate) fn hours(before: &str, words: &[&str]) -> Vec<u16> {
    const LEADS: [&str; 16] = [
        "at", "from", "between", "and", "to", "until", "till", "by", "before", "after", "um", "ab", "bis",
        "às", "las", "à",
    ];
    let first = words.first().copied().unwrap_or_default();
    if let Some(both) = first
        .split_once(['-', '–'])
        .and_then(|(from, to)| range(from, to, words).or_else(|| on_a_day(before, from, to)))
    {
        return both.to_vec();
    }
    if let [_, to, end, ..] = words
        && ["to", "till", "until", "bis", "à", "a", "tot", "til", "-", "–"].contains(to)
        && let Some(both) = on_a_day(before, first, end).or_else(|| until(first, to, words))
    {
        return both.to_vec();
    }
    let number = |text: &str, below: u16| text.parse::<u16>().ok().filter(|n| text.len() <= 2 && *n < below);
    match first {
        "noon" | "midday" | "mittags" => return vec![720],
        "midnight" => return vec![0],
        _ => {}
    }
    if let Some((hour, minute)) = first.split_once('h')
        && let (Some(hour), Some(minute)) = (
            number(hour, 24),
            number(if minute.is_empty() { "0" } else { minute }, 60),
        )
    {
        return vec![hour * 60 + minute];
    }
    let clock = words
        .get(1)
        .is_some_and(|word| matches!(*word, "uhr" | "o'clock"));
    match number(first, 24) {
        Some(hour) if clock || LEADS.contains(&before) => {
            let mut minutes = vec![hour * 60];
            if (1..12).contains(&hour) {
                minutes.push((hour + 12) * 60);
            }
            minutes
        }
        _ => Vec::new(),
    }
}

/// From one hour to another, after the name of a day: `tomorrow 10 to 14`.
fn on_a_day(before: &str, from: &str, to: &str) -> Option<[u16; 2]> {
    const DAYS: [&str; 13] = [
        "today", "tomorrow", "tonight", "heute", "morgen", "demain", "mañana", "hoy", "domani", "oggi",
        "amanhã", "hoje", "imorgen",
    ];
    let hour = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|hour| text.len() <= 2 && *hour <= 24)
    };
    let day = DAYS.contains(&before) || WEEK.iter().any(|names| names.contains(&before));
    let (from, to) = (hour(from)?, hour(to)?);
    (day && from < to).then_some([from * 60, to * 60])
}

/// From one hour to another, by a word that is said of times alone, and of no count of things: `10 till 12`.
fn until(from: &str, to: &str, words: &[&str]) -> Option<[u16; 2]> {
    let hour = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|hour| text.len() <= 2 && *hour <= 24)
    };
    let (from, end) = (hour(from)?, hour(words.get(2)?)?);
    let counts = words.get(3).is_some_and(|word| word.ends_with('s'));
    (["till", "until", "tot", "til"].contains(&to) && from < end && !counts).then_some([from * 60, end * 60])
}

/// From one hour to another, said at once: `14-16h`, `17h-19h`, `9–11 Uhr`.
fn range(from: &str, to: &str, words: &[&str]) -> Option<[u16; 2]> {
    let named = words
        .get(1)
        .is_some_and(|word| matches!(*word, "uhr" | "o'clock" | "h"));
    let hour = |text: &str| {
        let bare = text.strip_suffix('h').unwrap_or(text);
        bare.parse::<u16>()
            .ok()
            .filter(|hour| bare.len() <= 2 && *hour <= 24)
    };
    // `6-8pm` is both in the evening.
    for (half, after) in [("pm", 12), ("am", 0)] {
        let end = to
            .strip_suffix(half)
            .or((words.get(1) == Some(&half)).then_some(to));
        if let Some(end) = end.and_then(hour).filter(|end| (1..=12).contains(end)) {
            let begin = hour(from).filter(|begin| (1..=12).contains(begin))?;
            let clock = |hour: u16| (hour % 12 + after) * 60;
            return Some([clock(begin), clock(end)]);
        }
    }
    (named || to.ends_with('h')).then_some([hour(from)? * 60, hour(to)? * 60])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(said: &str, today: &str, day: &str) -> bool {
        let words: Vec<&str> = said.split(' ').collect();
        let mut relative = Relative::default();
        for at in 0..words.len() {
            relative.hear(&words[at..]);
        }
        relative.means(&when::parse(today).unwrap(), &when::parse(day).unwrap())
    }

    #[test]
    fn days_are_counted_from_today() {
        let wednesday = "2026-03-11";
        for (said, day) in [
            ("see you next tuesday then", "2026-03-17"),
            ("tuesday", "2026-03-24"),
            ("due in 30 days", "2026-04-10"),
            ("in two weeks", "2026-03-25"),
            ("3 days from now", "2026-03-14"),
            ("yesterday's", "2026-03-10"),
            ("on the 20th then", "2026-03-20"),
            ("zum 5.", "2026-04-05"),
            ("am freitag", "2026-03-13"),
            ("demain", "2026-03-12"),
            ("the first monday in may", "2026-05-04"),
            ("last friday of march", "2026-03-27"),
            ("until the end of november", "2026-11-30"),
            ("bis ende februar", "2027-02-28"),
            ("the second tuesday of january", "2027-01-12"),
        ] {
            assert!(means(said, wednesday, day), "{said} is {day}");
        }
        for (said, day) in [
            ("tuesday", "2026-03-18"),
            ("tuesday", "2026-03-10"),
            ("tuesday", "2026-03-31"),
            ("in 30 days", "2026-04-11"),
            ("on the 20th then", "2026-05-20"),
            ("on the 20th then", "2026-03-21"),
            ("30 days", "2026-04-10"),
            ("the first monday in may", "2026-05-11"),
            ("last friday of march", "2026-04-24"),
            ("until the end of november", "2026-11-29"),
            ("the second tuesday of january", "2026-01-13"),
            ("", "2026-03-11"),
        ] {
            assert!(!means(said, wednesday, day), "{said} is not {day}");
        }
    }

    #[test]
    fn hours_are_said_in_many_ways() {
        assert_eq!(hours("between", &["10", "and"]), [600, 1320]);
        assert_eq!(hours("", &["15h30"]), [930]);
        assert_eq!(hours("", &["9", "uhr"]), [540, 1260]);
        assert_eq!(hours("until", &["noon"]), [720]);
        assert_eq!(hours("", &["14-16h"]), [840, 960]);
        assert_eq!(hours("", &["9-11", "uhr"]), [540, 660]);
        assert_eq!(hours("", &["6-8pm"]), [1080, 1200]);
        assert_eq!(hours("", &["9-11", "am"]), [540, 660]);
        assert_eq!(hours("tomorrow", &["10", "to", "14", "for"]), [600, 840]);
        assert_eq!(hours("friday", &["9-11"]), [540, 660]);
        assert!(hours("takes", &["5", "to", "7", "days"]).is_empty());
        assert!(hours("rooms", &["14-16"]).is_empty());
        assert!(hours("flat", &["3"]).is_empty());
        assert!(hours("at", &["250"]).is_empty());
    }
}
