//! What the human typed, made searchable: typed values, whole words, dates, durations, numbers.
//!
//! Only text that the shell knows the authenticated human typed may come here. A word that hides something (mixed
//! script, invisible characters) is dropped, so nothing can match it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    amount::Amount,
    canon::{self, Kind},
    relative::{self, Relative},
    when::{self, When},
    wording::Wording,
    words,
};

/// Most bytes of prompt that are kept per session; what comes after is not prompt, which only tightens.
pub(crate) const LIMIT: usize = 128 << 10;
const NUMBERS: usize = 64;

/// Words of people who want something reckoned.
const RECKONING: &[&str] = &[
    "more",
    "less",
    "plus",
    "minus",
    "difference",
    "split",
    "share",
    "shares",
    "each",
    "half",
    "third",
    "quarter",
    "percent",
    "pct",
    "prozent",
    "add",
    "added",
    "raise",
    "increase",
    "reduce",
    "decrease",
    "lower",
    "discount",
    "off",
    "than",
    "remaining",
    "remainder",
    "rest",
    "total",
    "sum",
    "together",
    "both",
    "combined",
    "twice",
    "double",
    "average",
    "between",
    "extra",
    "additional",
    "top",
    "divide",
    "teile",
    "geteilt",
    "partage",
    "overcharged",
    "overpaid",
    "underpaid",
    "owe",
    "owes",
    "missing",
    "instead",
    "excess",
    "deduct",
    "subtract",
    "without",
    "including",
    "incl",
    "net",
    "gross",
    "fee",
    "fees",
    "tax",
    "vat",
    "tip",
];

/// Words after which something is to be kept, those that say so after it, and those that say again what is not.
const BEFORE: &[&str] = &[
    "but",
    "apart",
    "other",
    "need",
    "spare",
    "save",
    "instead",
    "keep",
    "except",
    "besides",
    "not",
    "don't",
    "dont",
    "never",
    "leave",
    "without",
    "außer",
    "nicht",
    "behalte",
    "behalt",
    "verschone",
    "garde",
    "sauf",
    "excepto",
    "menos",
    "tranne",
    "behalve",
    "unless",
];
const AFTER: &[&str] = &[
    "protected",
    "untouched",
    "keep",
    "kept",
    "stay",
    "stays",
    "remain",
    "remains",
    "bleibt",
    "bleiben",
    "blijven",
    "blijft",
    "reste",
    "restent",
    "quedan",
    "queda",
];
const AGAIN: &[&str] = &[
    "delete", "remove", "cancel", "drop", "lösch", "lösche", "supprime", "borra", "elimina",
];

/// The human's words of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prompt {
    /// As typed, for the spelling that is forwarded.
    pub(crate) raw: String,
    /// Folded, with single spaces.
    pub(crate) folded: String,
    /// Typed values, with the spelling.
    keys: BTreeMap<Box<str>, Box<str>>,
    /// Short numbers that are written as ids.
    ids: BTreeSet<Box<str>>,
    /// Keys of numbers that stand before the points of a list, and of those that stand anywhere else.
    listed: BTreeSet<Box<str>>,
    plain: BTreeSet<Box<str>>,
    pub(crate) whens: BTreeSet<When>,
    pub(crate) durations: BTreeSet<u32>,
    pub(crate) numbers: BTreeSet<Amount>,
    pub(crate) percents: BTreeSet<Amount>,
    pub(crate) relative: Relative,
    /// Words that say which one is meant.
    pub(crate) wording: Wording,
    /// Sums by the word that she tells them by.
    told: BTreeMap<Box<str>, BTreeSet<Amount>>,
    /// Equal parts of which she wants one: `half of the bill`.
    pub(crate) fractions: BTreeSet<u8>,
    /// She asks for something to be reckoned.
    reckons: bool,
    /// First letters of the keys of typed values that something may go to: not those that she says it comes from.
    aims: BTreeSet<u8>,
}

impl Prompt {
    pub(crate) fn add(&mut self, text: &str) {
        let room = LIMIT.saturating_sub(self.raw.len());
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let folded: Vec<String> = words
            .iter()
            .map(|word| canon::fold(word).unwrap_or_else(|_| "\u{1}".into()))
            .collect();
        for word in &folded {
            self.folded.push(' ');
            self.folded.push_str(word);
        }
        let said: Vec<&str> = folded.iter().map(String::as_str).collect();
        self.wording.hear(&said);
        self.folded.push_str(" \u{1}");
        self.raw.push_str(text);
        self.raw.push_str("\n\u{1}\n");
        let mut first = text
            .lines()
            .flat_map(|line| line.split_whitespace().enumerate().map(|(at, _)| at == 0));
        let (mut before, mut stop) = ("", true);
        for (word, plain) in words.iter().zip(&folded) {
            self.typed(trim(word));
            self.number_of(word, first.next().unwrap_or_default() || stop);
            stop = word.ends_with(['.', ':', ';', '!', '?']);
            if !["from", "by", "of"].contains(&before) {
                self.aim(trim(word));
            }
            before = trim(plain);
            // `our.example.They` is a full stop that no space follows.
            if let Some((before, next)) = word.rsplit_once('.')
                && next.starts_with(char::is_uppercase)
                && next.chars().skip(1).all(char::is_lowercase)
                && before.ends_with(char::is_lowercase)
            {
                self.typed(trim(before));
            }
            // `a@x.org,b@y.org` and `key=value` hold more than one.
            for part in word.split([',', ';', '=', '(', ')', '<', '>', '"', '\'']) {
                self.typed(trim(part));
            }
        }
        let bare: Vec<&str> = folded.iter().map(|word| trim(word)).collect();
        let mut before = "";
        for at in 0..bare.len() {
            let rest = bare.get(at..).unwrap_or_default();
            self.at(before, rest);
            self.percent(rest);
            self.grouped(before, rest);
            self.fraction(before, rest);
            before = rest.first().copied().unwrap_or_default();
        }
        self.tell(&bare);
        self.marks(&words, &bare);
    }

    /// Values of several words that begin here: dates, durations, spaced accounts and phone numbers.
    fn at(&mut self, before: &str, words: &[&str]) {
        if let Some((when, _)) = when::leading(words)
            && self.whens.len() < NUMBERS * 4
        {
            self.whens.insert(when);
        }
        if let Some(minutes) = when::duration(words)
            && self.durations.len() < NUMBERS
        {
            self.durations.insert(minutes);
        }
        if self.whens.len() + 2 <= NUMBERS * 4 {
            self.whens.extend(between_days(words).into_iter().flatten());
        }
        self.relative.hear(words);
        for minute in relative::hours(before, words) {
            if self.whens.len() < NUMBERS * 4 {
                self.whens.insert(When {
                    year: None,
                    day: None,
                    minute: Some(minute),
                    zone: None,
                });
            }
        }
        let first = words.first().copied().unwrap_or_default();
        let spaced = first.starts_with('+')
            || first.len() == 4 && first.bytes().take(2).all(|b| b.is_ascii_alphabetic());
        if spaced {
            for count in 2..=9.min(words.len()) {
                let joined = words.get(..count).unwrap_or_default().join(" ");
                self.typed(&joined);
            }
        }
    }

    /// `to 18 500`: thousands apart, as much of Europe writes them, after a word that sums follow.
    fn grouped(&mut self, before: &str, words: &[&str]) {
        const LEADS: [&str; 14] = [
            "to", "of", "for", "is", "at", "about", "by", "pay", "send", "auf", "von", "über", "à", "de",
        ];
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let Some((head, rest)) = words.split_first().filter(|_| LEADS.contains(&before)) else {
            return;
        };
        let groups: String = rest
            .iter()
            .take(3)
            .take_while(|part| part.len() == 3 && digits(part))
            .copied()
            .collect();
        let fits =
            (1..=3).contains(&head.len()) && digits(head) && !head.starts_with('0') && !groups.is_empty();
        if let Some(number) = fits
            .then(|| format!("{head}{groups}"))
            .as_deref()
            .and_then(Amount::parse)
        {
            keep(&mut self.numbers, number);
        }
    }

    /// `Half of it`, `a third`; and not the third of something.
    fn fraction(&mut self, before: &str, words: &[&str]) {
        const HALVES: [&str; 9] = [
            "half", "hälfte", "moitié", "mitad", "metade", "metà", "helft", "hälften", "połowę",
        ];
        const PARTS: [(&[&str], u8); 2] = [
            (&["third", "drittel", "tiers", "tercio", "terzo", "derde"], 3),
            (&["quarter", "viertel", "quart", "cuarto", "quarto", "kwart"], 4),
        ];
        const ONE: [&str; 9] = ["a", "one", "ein", "un", "une", "een", "uno", "il", "his"];
        const OF: [&str; 6] = ["of", "von", "des", "du", "del", "van"];
        let Some(first) = words.first() else { return };
        if HALVES.contains(first) {
            self.fractions.insert(2);
        }
        let of = words.get(1).is_some_and(|next| OF.contains(next));
        for (names, count) in PARTS {
            if names.contains(first) && (ONE.contains(&before) && of) {
                self.fractions.insert(count);
            }
        }
    }

    /// `10%`, `10 %`, `10 percent`; and `58k`, which is a number too.
    fn percent(&mut self, words: &[&str]) {
        let first = words.first().copied().unwrap_or_default();
        let apart = words
            .get(1)
            .is_some_and(|word| matches!(*word, "%" | "percent" | "pct" | "prozent" | "pourcent"));
        let number = first.strip_suffix('%').or(apart.then_some(first));
        if let Some(percent) = number.and_then(Amount::parse) {
            keep(&mut self.percents, percent);
        }
        // Small counts are written out.
        const COUNTS: [&str; 13] = [
            "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
            "twelve",
        ];
        let count = COUNTS
            .iter()
            .position(|word| *word == first)
            .filter(|count| *count > 1);
        let count = count.or((first == "dozen").then_some(12));
        if let Some(number) = count.and_then(|count| Amount::parse(&count.to_string())) {
            keep(&mut self.numbers, number);
        }
        if let Some(thousands) = first.strip_suffix('k').filter(|digits| digits.len() < 7) {
            let whole = thousands.parse::<u32>().ok().map(|n| format!("{n}000"));
            if let Some(number) = whole.as_deref().and_then(Amount::parse) {
                keep(&mut self.numbers, number);
            }
        }
    }

    /// Keeps apart what may be the number of a list's point: `1.` and `2)` where a line or a sentence begins.
    fn number_of(&mut self, word: &str, begins: bool) {
        let Ok(value) = canon::canonical(trim(word)) else {
            return;
        };
        if value.kind != Kind::Number || self.plain.len() + self.listed.len() >= NUMBERS * 4 {
            return;
        }
        let digits = word.trim_start_matches('(').trim_end_matches(['.', ')', ':']);
        let point = begins
            && digits.len() < word.len()
            && digits.len() <= 2
            && digits.bytes().all(|b| b.is_ascii_digit());
        if point {
            self.listed.insert(value.key);
        } else {
            self.plain.insert(value.key);
        }
    }

    /// Does this number stand before points of a list and nowhere else? It is then the id of nothing.
    pub(crate) fn only_lists(&self, key: &str) -> bool {
        self.listed.contains(key) && !self.plain.contains(key)
    }

    fn typed(&mut self, spelling: &str) {
        // `1.240 €`: no money has three places.
        let bare = spelling.trim_matches(['€', '$', '£']);
        let thousands = bare.split_once('.').is_some_and(|(whole, rest)| {
            (1..=3).contains(&whole.len())
                && !whole.starts_with('0')
                && rest.split('.').all(|part| part.len() == 3)
                && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        });
        if let Some(number) = thousands.then(|| Amount::parse(&bare.replace('.', ""))).flatten() {
            keep(&mut self.numbers, number);
        }
        // `34,50` with two places is a sum: thousands come in threes.
        if let Some((whole, cents)) = spelling.trim_matches(['€', '$', '£']).rsplit_once(',')
            && cents.len() == 2
            && !whole.is_empty()
            && [whole, cents]
                .iter()
                .all(|part| part.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        {
            let number = format!("{}.{cents}", whole.replace('.', ""));
            return self.typed(&number);
        }
        let Ok(value) = canon::canonical(spelling) else {
            return;
        };
        match value.kind {
            Kind::Text | Kind::When(_) => return,
            Kind::Number => {
                if let Some(number) = Amount::parse(value.key.get(2..).unwrap_or_default()) {
                    keep(&mut self.numbers, number);
                }
            }
            Kind::Email | Kind::Url | Kind::Iban | Kind::Phone => {}
        }
        if self.keys.len() < 4096 {
            self.keys.entry(value.key).or_insert_with(|| spelling.into());
        }
    }

    fn aim(&mut self, word: &str) {
        self.aims
            .extend(canon::canonical(word).ok().and_then(|value| shape(&value.key)));
    }

    /// Does the human write out an address or account of this one's type, as what something may go to?
    pub(crate) fn aims_at(&self, key: &str) -> bool {
        shape(key).is_some_and(|letter| self.aims.contains(&letter))
    }

    /// Does the human write out this very host, alone or in an address?
    pub(crate) fn tells_host(&self, host: &str) -> bool {
        self.keys.keys().any(|key| host_of_key(key) == Some(host))
    }

    /// Does the human write out an address of this one's host?
    pub(crate) fn same_host(&self, key: &str) -> bool {
        host_of_key(key).is_some_and(|host| self.tells_host(host))
    }

    /// A short number is an id only after a word that says so, or in quotes: `1.` may be a list's first entry.
    fn marks(&mut self, words: &[&str], bare: &[&str]) {
        const MARKS: [&str; 9] = ["id", "ids", "number", "no", "nr", "issue", "pr", "pull", "ticket"];
        for (at, (word, plain)) in words.iter().zip(bare).enumerate() {
            // `owner/name` names both.
            if let Some((owner, name)) = plain.split_once('/')
                && [owner, name].iter().all(|part| {
                    part.len() > 2
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                })
                && self.ids.len() + 1 < NUMBERS * 4
            {
                self.ids.extend([owner.into(), name.into()]);
            }
            let quoted = word.trim_end_matches(['.', ',', '?', '!']);
            let quoted = quoted.len() > 2
                && quoted.starts_with(['\'', '"', '`'])
                && quoted.ends_with(['\'', '"', '`']);
            let marked = at
                .checked_sub(1)
                .and_then(|before| bare.get(before))
                .is_some_and(|w| MARKS.contains(w));
            let hash = word.starts_with('#');
            if (quoted || marked || hash) && self.ids.len() < NUMBERS * 4 {
                self.ids.insert(plain.trim_start_matches('#').into());
            }
        }
    }

    /// The spelling in the prompt of a typed value.
    pub(crate) fn typed_value(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(AsRef::as_ref)
    }

    /// Typed values, as they are spelled.
    pub(crate) fn typed_values(&self) -> impl Iterator<Item = &str> {
        self.keys.values().map(AsRef::as_ref)
    }

    /// So many words that stand side by side, of the last `most` words.
    pub(crate) fn names(&self, words: usize, most: usize) -> impl Iterator<Item = String> {
        let mut last: Vec<&str> = self.raw.split_whitespace().rev().take(most).collect();
        last.reverse();
        let windows = (0..last.len()).filter_map(move |at| Some(last.get(at..at + words)?.join(" ")));
        windows.map(|name| trim(&name).to_owned())
    }

    /// Is this short value written as an id?
    pub(crate) fn is_id(&self, folded: &str) -> bool {
        self.ids.contains(folded)
    }

    /// Does the human put this in quotes?
    pub(crate) fn quotes(&self, folded: &str) -> bool {
        const PAIRS: [(char, char); 6] = [
            ('\'', '\''),
            ('"', '"'),
            ('`', '`'),
            ('“', '”'),
            ('‘', '’'),
            ('«', '»'),
        ];
        // One search, whatever the quotes are. Where it stands twice over itself, the ends are looked at for each.
        let mut from = 0;
        while let Some(at) = self.folded.get(from..).and_then(|rest| rest.find(folded)) {
            let (begin, end) = (from + at, from + at + folded.len());
            let before = self.folded.get(..begin).and_then(|text| text.chars().next_back());
            let after = self.folded.get(end..).and_then(|text| text.chars().next());
            if PAIRS
                .iter()
                .any(|(open, close)| before == Some(*open) && after == Some(*close))
            {
                return true;
            }
            let step = self.folded.get(begin..).and_then(|text| text.chars().next());
            from = begin + step.map_or(1, char::len_utf8);
        }
        false
    }

    /// Is this what a path in the prompt ends with?
    pub(crate) fn ends_path(&self, name: &str) -> bool {
        let last = |word: &str| {
            trim(word)
                .rsplit_once(['/', '\\'])
                .is_some_and(|(_, last)| last == name)
        };
        self.raw.split_whitespace().any(last)
    }

    /// Does the human say somewhere that this is to be kept? What follows such a word is, until the sentence ends or she says
    /// again what is not; and what `stays` or the like follows in its clause. One pass over her words.
    pub(crate) fn spares(&self, folded: &str) -> bool {
        let name: Vec<&str> = folded.split(' ').collect();
        let raw: Vec<&str> = self.folded.split(' ').collect();
        let (mut kept, mut named) = (false, false);
        raw.iter().enumerate().any(|(at, word)| {
            let bare = trim(word);
            let says = |list: &[&str]| list.contains(&bare);
            let after = named && says(AFTER);
            // What is merged into it is meant, and not it.
            let into = bare == "into"
                && at
                    .checked_sub(1)
                    .and_then(|at| raw.get(at))
                    .is_some_and(|word| *word == "merged");
            if says(BEFORE) || into || says(AGAIN) {
                (kept, named) = (!says(AGAIN), false);
            }
            let run = raw.get(at..at + name.len());
            let part = || name.len() == 1 && bare.split(['-', '/']).any(|part| part == folded);
            let this =
                part() || run.is_some_and(|run| run.iter().map(|word| trim(word)).eq(name.iter().copied()));
            named |= this;
            let spared = this && kept || after;
            if *word == "\u{1}" || word.ends_with(['.', '!', '?', ';']) {
                (kept, named) = (false, false);
            } else if word.ends_with([',', ':']) {
                named = false;
            }
            spared
        })
    }

    /// How much this argument, by its last word, is to be, where she says it: `tip 3`, `a 20 euro deposit`.
    pub(crate) fn sums(&self, path: &str) -> Option<&BTreeSet<Amount>> {
        self.told.get(words::split(path).last()?.as_str())
    }

    /// Does she ask for something to be reckoned? Else a sum is one that she tells.
    pub(crate) fn reckons(&self) -> bool {
        !self.percents.is_empty() || self.reckons
    }

    /// Keeps sums by the word that they stand beside.
    fn tell(&mut self, words: &[&str]) {
        const BETWEEN: &[&str] = &[
            "of", "is", "to", "at", "a", "about", "euro", "euros", "eur", "dollar", "dollars", "usd",
            "pounds", "gbp", "",
        ];
        // A part of something is reckoned.
        const PARTS: &[&str] = &["%", "percent", "pct", "prozent", "pourcent", "times", "x"];
        let is = |at: usize, list: &[&str]| words.get(at).is_some_and(|word| list.contains(word));
        let sum = |at: usize| {
            let word = words.get(at).filter(|_| !is(at + 1, PARTS))?;
            Amount::parse(word)
        };
        for (at, name) in words.iter().enumerate() {
            let named = name.len() > 2 && *name != "amount" && name.starts_with(char::is_alphabetic);
            if !named || self.told.len() >= NUMBERS * 4 {
                continue;
            }
            // What follows is meant before what leads: `table 45, tip 3`.
            let after = sum(at + 1).or_else(|| sum(at + 2).filter(|_| is(at + 1, BETWEEN)));
            let before = || {
                let near = at.checked_sub(1).and_then(sum);
                near.or_else(|| at.checked_sub(2).filter(|_| is(at - 1, BETWEEN)).and_then(sum))
            };
            if let Some(sum) = after.or_else(before) {
                self.told.entry((*name).into()).or_default().insert(sum);
            }
        }
        self.reckons |= words.iter().any(|word| RECKONING.contains(word));
    }

    /// Does the prompt hold exactly these bytes as whole words?
    pub(crate) fn holds_raw(&self, text: &str) -> bool {
        whole_word(&self.raw, text)
    }

    /// Does the prompt hold this folded text as whole words?
    pub(crate) fn holds(&self, folded: &str) -> bool {
        whole_word(&self.folded, folded)
    }
}

/// The days between which something is, where they end in a month: `12-15 June`, `6 to 8 November`.
fn between_days(words: &[&str]) -> Option<[When; 2]> {
    let (from, to, rest) = match words {
        [both, rest @ ..] if both.contains(['-', '–']) => {
            let (from, to) = both.split_once(['-', '–'])?;
            (from, to, rest)
        }
        [from, to, last, rest @ ..]
            if ["to", "till", "until", "and", "bis", "au", "al", "tot"].contains(to) =>
        {
            (*from, *last, rest)
        }
        _ => return None,
    };
    when::month(rest.first()?)?;
    let day = |first| {
        let words: Vec<&str> = std::iter::once(first)
            .chain(rest.iter().take(2).copied())
            .collect();
        let (when, _) = when::leading(&words)?;
        when.day.is_some().then_some(when)
    };
    Some([day(from)?, day(to)?])
}

/// The type of an address or account by its key. What looks like an account number and fails the check of one (not all
/// the world's have one) is of their type, since what follows from it only tightens.
pub(crate) fn shape(key: &str) -> Option<u8> {
    let (letter, rest) = (key.as_bytes().first().copied()?, key.get(2..)?);
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let account = rest.len() >= 12 && digits >= 8 && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    match letter {
        b'e' | b'u' | b'b' | b'p' => Some(letter),
        b'w' if account => Some(b'b'),
        _ => None,
    }
}

/// The words of the prompt that fold to this.
pub(crate) fn spelling_of(raw: &str, folded: &str) -> Option<String> {
    let count = folded.split(' ').count();
    let words: Vec<&str> = raw.split_whitespace().collect();
    words.windows(count).find_map(|window| {
        let (first, rest) = window.split_first()?;
        let joined = rest
            .iter()
            .fold((*first).to_owned(), |text, word| text + " " + word);
        let bare = trim(&joined);
        (canon::fold(bare).as_deref() == Ok(folded)).then(|| bare.to_owned())
    })
}

/// The host of a link with its scheme.
pub(crate) fn host_of(link: &str) -> Option<&str> {
    link.split_once("://")?.1.split(['/', '?', '#']).next()
}

/// The host of a link by its key, which may lack the scheme.
fn host_of_key(key: &str) -> Option<&str> {
    let link = key.strip_prefix("u:")?;
    host_of(link).or_else(|| link.split(['/', '?', '#']).next())
}

fn keep(set: &mut BTreeSet<Amount>, value: Amount) {
    if set.len() < NUMBERS {
        set.insert(value);
    }
}

/// Without the punctuation that sentences put around a word.
pub(crate) fn trim(word: &str) -> &str {
    word.trim_start_matches(['(', '[', '{', '<', '"', '\'', '`', '“', '‘'])
        .trim_end_matches([
            ')', ']', '}', '>', '"', '\'', '`', '”', '’', ',', ';', ':', '!', '?', '.',
        ])
}

/// `needle` occurs in `hay` and neither end cuts a word, an address or a dotted name in two.
pub(crate) fn whole_word(hay: &str, needle: &str) -> bool {
    if needle.is_empty() {
        return false;
    }
    hay.match_indices(needle).any(|(at, _)| {
        let (before, rest) = hay.split_at(at);
        let after = rest.get(needle.len()..).unwrap_or_default();
        let mut left = before.chars().rev();
        let mut right = after.chars();
        let joins =
            |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '\u{1}'));
        let glue =
            |c: Option<char>| c.is_some_and(|c| matches!(c, '.' | '-' | '/' | '+' | ':' | '%' | '~' | '='));
        let (l, r) = (left.next(), right.next());
        !(joins(l) || joins(r) || glue(l) && joins(left.next()) || glue(r) && joins(right.next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Prompt {
        let mut prompt = Prompt::default();
        prompt.add(text);
        prompt
    }

    #[test]
    fn parts_of_words_do_not_match() {
        let prompt = of("write to ann.lee@example.com about report.txt, then ask Bo-Anne.");
        for inside in ["ann", "example.com", "report", "anne", "lee@example.com", "txt"] {
            assert!(!prompt.holds(inside), "{inside}");
        }
        for whole in [
            "report.txt",
            "write",
            "bo-anne",
            "ann.lee@example.com about report.txt",
        ] {
            assert!(prompt.holds(whole), "{whole}");
        }
    }

    #[test]
    fn list_numbers_are_no_ids() {
        let prompt = of("1. read file 2. delete id 17 and '5' and #9");
        assert!(!prompt.is_id("1"));
        assert!(!prompt.is_id("2"));
        assert!(prompt.is_id("17") && prompt.is_id("5") && prompt.is_id("9"));
    }

    #[test]
    fn days_and_sums_are_read_as_they_are_written_elsewhere() {
        let prompt = of("Book it 12-15 June, or 6 to 8 november, for 1.240 €, not 0.125");
        for day in [(6, 12), (6, 15), (11, 6), (11, 8)] {
            assert!(prompt.whens.iter().any(|w| w.day == Some(day)), "{day:?}");
        }
        let sum = |text: &str| prompt.numbers.contains(&Amount::parse(text).unwrap());
        assert!(sum("1240") && !sum("125"));
        let none = of("rooms 3-4 and 5 to 7 days");
        assert!(none.whens.iter().all(|w| w.day.is_none()), "{:?}", none.whens);
    }

    #[test]
    fn spaced_accounts_and_dates_are_found() {
        let prompt = of("Pay DE89 3704 0044 0532 0130 00 by May 15th, 2024 at 10 am for two hours (7.5%).");
        assert!(prompt.typed_value("b:de89370400440532013000").is_some());
        assert!(
            prompt.whens.iter().any(|w| w.key() == "2024-05-15"),
            "{:?}",
            prompt.whens
        );
        assert!(prompt.durations.contains(&120));
        assert_eq!(prompt.percents.len(), 1);
    }
}
