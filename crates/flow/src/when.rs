//! Dates, times of day and durations as people and tools write them. No time zone is guessed and no clock is read.

/// A date, a time of day, or both. A date may lack its year (`May 15`), which the memory fills from years it trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct When {
    /// Year, 1900 to 2199.
    pub year: Option<u16>,
    /// Month and day.
    pub day: Option<(u8, u8)>,
    /// Minutes since midnight.
    pub minute: Option<u16>,
    /// Minutes east of UTC, where it says so in numbers (RFC 3339 section 4.2).
    pub zone: Option<i16>,
}

impl When {
    /// Its canonical spelling, such as `2024-05-15t0600` with the minutes last.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = String::new();
        if let Some((month, day)) = self.day {
            match self.year {
                Some(year) => key.push_str(&format!("{year:04}-{month:02}-{day:02}")),
                None => key.push_str(&format!("--{month:02}-{day:02}")),
            }
        }
        if let Some(minute) = self.minute {
            key.push_str(&format!("t{minute:04}"));
        }
        if let Some(zone) = self.zone {
            key.push_str(&format!("{zone:+04}"));
        }
        key
    }
    /// Days since 0000-03-01 of the proleptic Gregorian calendar, if the whole date is known.
    #[must_use]
    pub fn days(&self) -> Option<i64> {
        let (month, day) = self.day?;
        let year = i64::from(self.year?) - i64::from(month < 3);
        let month = (i64::from(month) + 9) % 12;
        Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + i64::from(day) - 1)
    }

    /// The day that is so many days after 1 March of the year 0, the other way round than [`Self::days`].
    #[must_use]
    pub(crate) fn of_days(days: i64) -> Option<Self> {
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + era * 400 + i64::from(month < 3);
        Some(Self {
            year: Some(u16::try_from(year).ok()?),
            day: Some((
                u8::try_from(month).ok()?,
                u8::try_from(day_of_year - (153 * from_march + 2) / 5 + 1).ok()?,
            )),
            minute: None,
            zone: None,
        })
    }
}

/// Minutes since 1 March of the year 0, of what tells a day and a time.
pub(crate) fn moment(when: &When) -> Option<i64> {
    Some(when.days()? * 1440 + i64::from(when.minute?))
}

const MONTHS: [&str; 12] = [
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
];

/// The same in a few other languages, where they are spelt otherwise.
const ELSEWHERE: [&[&str]; 12] = [
    &["januar", "janvier", "enero", "gennaio", "januari", "janeiro"],
    &[
        "februar",
        "février",
        "febrero",
        "febbraio",
        "februari",
        "fevereiro",
    ],
    &["märz", "mars", "marzo", "maart", "março"],
    &["avril", "abril", "aprile"],
    &["mai", "mayo", "maggio", "mei", "maio"],
    &["juni", "juin", "junio", "giugno", "junho"],
    &["juli", "juillet", "julio", "luglio", "julho"],
    &["août", "agosto", "augustus"],
    &["septembre", "septiembre", "settembre", "setembro"],
    &["oktober", "octobre", "octubre", "ottobre", "outubro"],
    &["novembre", "noviembre", "novembro"],
    &["dezember", "décembre", "diciembre", "dicembre", "dezembro"],
];

/// The month a whole word names, in full or by three letters (`sept` too).
#[must_use]
pub fn month(word: &str) -> Option<u8> {
    let word = word.trim_end_matches('.');
    let at = MONTHS.iter().position(|name| {
        *name == word
            || (word.len() == 3 && name.starts_with(word))
            || (word == "sept" && *name == "september")
    });
    let at = at.or_else(|| ELSEWHERE.iter().position(|names| names.contains(&word)))?;
    u8::try_from(at + 1).ok()
}

fn ordinal(word: &str) -> Option<u8> {
    let digits = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|end| word.strip_suffix(end))
        .unwrap_or(word);
    let day: u8 = digits.parse().ok()?;
    (1..=31).contains(&day).then_some(day)
}

fn year(word: &str) -> Option<u16> {
    (word.len() == 4)
        .then(|| word.parse().ok())
        .flatten()
        .filter(|year| (1900..2200).contains(year))
}

/// Reads one whole folded value: ISO 8601 dates and date-times, `May 15th, 2024`, `15 May`, `10:30`, `10 am`.
#[must_use]
pub fn parse(folded: &str) -> Option<When> {
    if folded.len() > 40 {
        return None;
    }
    let spaced = folded.replace(',', " ");
    let mut words: Vec<&str> = spaced.split_whitespace().filter(|word| *word != "at").collect();
    let mut zone = None;
    if let [first, ..] = words.as_slice()
        && let Some((date, clock)) = first.split_once('t')
        && let (clock, east) = zoned(clock)
        && let (Some(_), Some(_)) = (iso(date), clock_of(clock))
    {
        let rest = words.split_off(1);
        words = vec![date, clock];
        words.extend(rest);
        zone = east;
    }
    let (when, used) = leading(&words)?;
    (used == words.len()).then_some(When { zone, ..when })
}

/// A time of day, and the offset behind it: `14:00:00+01:00`, `14:00-0800`.
fn zoned(clock: &str) -> (&str, Option<i16>) {
    let Some(at) = clock.rfind(['+', '-']) else {
        return (clock, None);
    };
    let (bare, offset) = clock.split_at(at);
    let digits: String = offset.chars().skip(1).filter(|c| *c != ':').collect();
    let east = || {
        let hours: i16 = digits.get(..2)?.parse().ok()?;
        let minutes: i16 = digits.get(2..)?.parse().ok()?;
        (digits.len() == 4 && hours < 15 && minutes < 60).then_some(hours * 60 + minutes)
    };
    match east() {
        Some(east) if offset.starts_with('-') => (bare, Some(-east)),
        Some(east) => (bare, Some(east)),
        None => (clock, None),
    }
}

/// The date, time or both at the start of these words, and how many words it takes.
#[must_use]
pub fn leading(words: &[&str]) -> Option<(When, usize)> {
    if let Some((year, day, used)) = date(words) {
        let rest = words.get(used..).unwrap_or_default();
        let (minute, more) = match time(rest) {
            Some((minute, more)) => (Some(minute), more),
            None => (None, 0),
        };
        return Some((
            When {
                year,
                day: Some(day),
                minute,
                zone: None,
            },
            used + more,
        ));
    }
    let (minute, used) = time(words)?;
    Some((
        When {
            year: None,
            day: None,
            minute: Some(minute),
            zone: None,
        },
        used,
    ))
}

fn date(words: &[&str]) -> Option<(Option<u16>, (u8, u8), usize)> {
    let first = *words.first()?;
    if let Some((year, day)) = iso(first) {
        return Some((Some(year), day, 1));
    }
    let second = *words.get(1)?;
    let third = words.get(2).copied();
    let (month, day, used) = if let (Some(month), Some(day)) = (month(first), ordinal(second)) {
        (month, day, 2)
    } else if let (Some(day), Some(month)) = (ordinal(first), month(second)) {
        (month, day, 2)
    } else if let (Some(day), "of", Some(month)) = (ordinal(first), second, third.and_then(month)) {
        (month, day, 3)
    } else {
        return None;
    };
    let named = words.get(used).and_then(|word| year(word));
    Some((named, (month, day), used + usize::from(named.is_some())))
}

fn iso(word: &str) -> Option<(u16, (u8, u8))> {
    let mut parts = word.splitn(3, ['-', '/']);
    let year = year(parts.next()?)?;
    let month: u8 = two(parts.next()?)?;
    let day: u8 = two(parts.next()?)?;
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some((year, (month, day)))
}

fn two(word: &str) -> Option<u8> {
    (matches!(word.len(), 1 | 2) && word.bytes().all(|b| b.is_ascii_digit()))
        .then(|| word.parse().ok())
        .flatten()
}

/// Minutes since midnight at the start of these words.
fn time(words: &[&str]) -> Option<(u16, usize)> {
    let first = *words.first()?;
    let noon = match words.get(1).copied() {
        Some("am" | "a.m.") => Some(false),
        Some("pm" | "p.m.") => Some(true),
        _ => None,
    };
    if let (Some(noon), Some(minute)) = (noon, clock_of(first).or_else(|| hour(first))) {
        return Some((twelve(minute, noon)?, 2));
    }
    if let Some(minute) = clock_of(first) {
        return Some((minute, 1));
    }
    let (noon, digits) = match first.strip_suffix("pm") {
        Some(digits) => (true, digits),
        None => (false, first.strip_suffix("am")?),
    };
    Some((twelve(clock_of(digits).or_else(|| hour(digits))?, noon)?, 1))
}

fn hour(word: &str) -> Option<u16> {
    two(word)
        .filter(|hour| *hour <= 12)
        .map(|hour| u16::from(hour) * 60)
}

fn twelve(minute: u16, afternoon: bool) -> Option<u16> {
    (minute < 13 * 60).then(|| minute % 720 + if afternoon { 720 } else { 0 })
}

/// `10:30`, `10:30:00`, with an optional `z`.
fn clock_of(word: &str) -> Option<u16> {
    let mut parts = word.trim_end_matches('z').splitn(3, ':');
    let hour = two(parts.next()?)?;
    let minute = parts.next().filter(|part| part.len() == 2).and_then(two)?;
    let second = parts
        .next()
        .map_or(Some(0), |part| two(part.split('.').next().unwrap_or(part)))?;
    (hour < 24 && minute < 60 && second < 60).then(|| u16::from(hour) * 60 + u16::from(minute))
}

/// The duration at the start of these words in minutes: `one hour`, `30 minutes`, `1-hour`, `2 days`. At most 366 days.
#[must_use]
pub fn duration(words: &[&str]) -> Option<u32> {
    let first = *words.first()?;
    // `half an hour`, `une demi-heure`, `eine halbe Stunde`, `media hora`.
    let half = match words {
        ["half", "an", "hour", ..] => true,
        [first, ..] if first.starts_with("demi-heure") || first.starts_with("half-hour") => true,
        ["halbe" | "halben", "stunde" | "stunden", ..] | ["media", "hora", ..] | ["mezz'ora", ..] => true,
        _ => false,
    };
    if half {
        return Some(30);
    }
    let (count, unit) = match first.split_once('-') {
        Some(pair) => pair,
        None => (first, *words.get(1)?),
    };
    let count: u32 = match count {
        "a" | "an" | "one" | "ein" | "eine" | "einer" | "une" | "un" | "una" | "een" | "en" => 1,
        "two" | "zwei" | "deux" | "dos" | "due" | "twee" | "to" => 2,
        "three" | "drei" | "trois" | "tres" | "tre" | "drie" => 3,
        "four" | "vier" | "quatre" | "cuatro" | "quattro" => 4,
        "five" => 5,
        "six" => 6,
        "seven" => 7,
        "eight" => 8,
        "nine" => 9,
        "ten" => 10,
        digits if digits.len() <= 4 => digits.parse().ok()?,
        _ => return None,
    };
    let unit = match unit.trim_end_matches(|c: char| !c.is_alphabetic()) {
        "minute" | "minutes" | "min" | "mins" | "minuten" | "minutos" | "minuti" | "minutter" => 1,
        "hour" | "hours" | "hr" | "hrs" | "h" | "stunde" | "stunden" | "heure" | "heures" | "hora"
        | "horas" | "ora" | "ore" | "uur" | "time" | "timer" => 60,
        "day" | "days" | "night" | "nights" | "tag" | "tage" | "tagen" | "jour" | "jours" | "día"
        | "días" | "giorno" | "giorni" | "dagen" | "dage" | "dager" => 1440,
        "week" | "weeks" | "woche" | "wochen" | "semaine" | "semaines" | "semana" | "semanas"
        | "settimana" | "settimane" | "weken" | "uge" | "uker" => 10080,
        _ => return None,
    };
    count
        .checked_mul(unit)
        .filter(|minutes| *minutes > 0 && *minutes <= 366 * 1440)
}

/// What clocks call their hands.
pub(crate) const TODAY: [&str; 10] = [
    "now",
    "date",
    "today",
    "current_date",
    "current_time",
    "currentDate",
    "datetime",
    "current_datetime",
    "server_time",
    "serverTime",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        let check =
            |text: &str, key: &str| assert_eq!(parse(text).map(|w| w.key()).as_deref(), Some(key), "{text}");
        check("2024-05-15", "2024-05-15");
        check("may 15th, 2024", "2024-05-15");
        check("15 may", "--05-15");
        check("3rd of june 2025", "2025-06-03");
        check("2024-05-15t10:00:00z", "2024-05-15t0600");
        check("2024-05-15 at 4 pm", "2024-05-15t0960");
        check("2024-05-15t10:00:00+01:00", "2024-05-15t0600+060");
        check("2024-05-15t10:00-0730", "2024-05-15t0600-450");
        check("12 am", "t0000");
        check("7:30pm", "t1170");
    }

    #[test]
    fn near_misses_are_not() {
        for text in [
            "2024-13-01",
            "2024-05-32",
            "25:00",
            "10:5",
            "may",
            "15",
            "2024-05-15 x",
            "2024-05-15t10:00+99:00",
            "2024-05-15t10:00+1",
            "13 pm",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(duration(&["one", "hour"]), Some(60));
        assert_eq!(duration(&["1-hour", "long"]), Some(60));
        assert_eq!(duration(&["2", "nights."]), Some(2880));
        assert_eq!(duration(&["half", "an", "hour"]), Some(30));
        assert_eq!(duration(&["demi-heure,"]), Some(30));
        assert_eq!(duration(&["zwei", "wochen"]), Some(20160));
        assert_eq!(duration(&["9999", "weeks"]), None);
        assert_eq!(duration(&["0", "days"]), None);
    }

    #[test]
    fn days_count_both_ways() {
        for days in (693_900..776_000).step_by(7) {
            let when = When::of_days(days).unwrap();
            assert_eq!(when.days(), Some(days), "{when:?}");
        }
        assert_eq!(
            When::of_days(parse("2024-02-29").unwrap().days().unwrap())
                .unwrap()
                .day,
            Some((2, 29))
        );
    }
}
