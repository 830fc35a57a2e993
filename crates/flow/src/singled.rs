//! Which records the human's words single out.
//!
//! What was looked for in her words alone, or before anything of outsiders' was read, is looked for by her. The only record
//! of such an answer is the one she means; of several it is the one that her words and days fit better than any other, and
//! what a singled record refers to in a field of its own is meant with it. INVARIANT: only ids that the service told count,
//! and two records of one kind that are singled out are none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    canon::{self, Kind},
    label,
    manifest::{Class, Manifest},
    named::NAMES,
    prompt::Prompt,
    when::When,
    wording, words,
};

/// Longest list whose records are told apart, most ids that are kept, and how deep into a result records are looked for.
const SIBLINGS: usize = 256;
const IDS: usize = 512;
const DEPTH: usize = 6;

/// Last words of keys under which services tell what a thing is called by.
const IDENTIFIERS: &[&str] = &[
    "id", "uuid", "ref", "uid", "sid", "number", "no", "nr", "num", "key", "slug", "code", "sku", "serial",
    "handle",
];

type Kinds = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// The human's words, and what day it is.
#[derive(Clone, Copy)]
pub(crate) struct Hers<'a> {
    /// Nothing but her words decided what was looked for; else only what she passes over is told.
    pub(crate) looked: bool,
    /// Her words decided it, within times that she may not have told.
    pub(crate) near: bool,
    /// Somebody's text may have had it looked for.
    pub(crate) strayed: bool,
    pub(crate) prompt: &'a Prompt,
    pub(crate) today: &'a BTreeSet<(u16, u8, u8)>,
}

impl Hers<'_> {
    /// Does she speak of this day?
    fn day(&self, when: &When) -> bool {
        let (Some(year), Some(day)) = (when.year, when.day) else {
            return false;
        };
        let told = |w: &When| w.day == Some(day) && w.year.is_none_or(|y| y == year);
        self.prompt.whens.iter().any(told) || {
            self.today.iter().any(|&(y, m, d)| {
                let today = When {
                    year: Some(y),
                    day: Some((m, d)),
                    minute: None,
                    zone: None,
                };
                self.prompt.relative.means(&today, when)
            })
        }
    }
}

/// Ids of singled records, by the kind of thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Singled {
    all: Kinds,
    gone: Kinds,
    /// Of a list of which one is singled out, the others.
    passed: BTreeSet<Box<str>>,
    /// The only ones of answers, of which she speaks for another reason than that they be gone.
    elsewhere: BTreeSet<Box<str>>,
    /// The only ones of answers to her words within times that she may not have told: they may be read.
    near: BTreeSet<Box<str>>,
    /// By kind, those that only a read told which somebody's text may have asked for.
    aside: Kinds,
    /// Those that other reads told.
    open: BTreeSet<Box<str>>,
    /// Those that are singled out by at least two of her words.
    fitting: BTreeSet<Box<str>>,
    /// Those of answers to what she looked for, of which no other of its list has more of her words.
    listed: BTreeSet<Box<str>>,
    bytes: usize,
}

impl Singled {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Kinds that had one and have several now: a later ruling may be stricter.
    pub(crate) fn withdrawn(&self) -> usize {
        let several = |kinds: &Kinds| {
            kinds
                .values()
                .map(|ids| ids.len().saturating_sub(1))
                .sum::<usize>()
        };
        let aside: usize = self.aside.values().map(BTreeSet::len).sum();
        several(&self.all) + several(&self.gone) + self.passed.len() + self.elsewhere.len() + aside
    }

    /// This is the one record of its kind that she means.
    pub(crate) fn means(&self, id: &str) -> bool {
        one(&self.all, id)
    }

    /// This was the only answer to words of hers.
    pub(crate) fn near(&self, id: &str) -> bool {
        self.near.contains(id)
    }

    /// She means one of this kind, and this one stands only where somebody's text may have had it looked for.
    pub(crate) fn aside(&self, id: &str) -> bool {
        let other = |kind: &str| {
            self.all
                .get(kind)
                .is_some_and(|ids| ids.len() == 1 && !ids.contains(id))
        };
        // A bare `id` at the root says of no kind that it is.
        let kinds = self.aside.iter().filter(|(kind, _)| !kind.starts_with('.'));
        !self.open.contains(id)
            && kinds
                .into_iter()
                .any(|(kind, ids)| ids.contains(id) && other(kind))
            && !self.all.values().any(|ids| ids.contains(id))
    }

    /// This is the one of its kind that she wants gone.
    pub(crate) fn gone(&self, id: &str) -> bool {
        one(&self.gone, id)
    }

    /// She speaks of this for another reason than that it be gone.
    pub(crate) fn elsewhere(&self, id: &str) -> bool {
        self.elsewhere.contains(id)
    }

    /// At least two of her words say that it is this one.
    pub(crate) fn fits(&self, id: &str) -> bool {
        self.fitting.contains(id)
    }

    /// What she looked for has this among its answers.
    pub(crate) fn listed(&self, id: &str) -> bool {
        self.listed.contains(id)
    }

    /// Her words fit another of its list better.
    pub(crate) fn passed_over(&self, id: &str) -> bool {
        self.passed.contains(id) && !self.all.values().any(|ids| ids.contains(id))
    }

    /// Takes in the answer to what she looked for.
    pub(crate) fn read(&mut self, hers: Hers<'_>, manifest: &Manifest, value: &Value) {
        let (mut path, mut name): (Vec<&str>, &str) = (Vec::new(), "");
        let mut at = value;
        for _ in 0..DEPTH {
            match at {
                Value::Array(list) => {
                    path.push("0");
                    self.list(hers, manifest, list, &mut path, name);
                    return;
                }
                Value::Object(map) => {
                    let own = map.iter().any(|(key, inner)| {
                        path.push(key);
                        let trusted = manifest.class(&path) == Class::Trusted;
                        path.pop();
                        trusted && id(key, inner).is_some()
                    });
                    if own {
                        self.lone(hers, manifest, map, &mut path, name);
                    }
                    let mut lists = map.iter().filter(|(_, inner)| {
                        inner.as_array().is_some_and(|l| l.iter().any(Value::is_object))
                    });
                    let (Some((key, list)), None) = (lists.next(), lists.next()) else {
                        return;
                    };
                    path.push(key);
                    name = key;
                    at = list;
                }
                _ => return,
            }
        }
    }

    fn list<'a>(
        &mut self,
        hers: Hers<'_>,
        manifest: &Manifest,
        list: &'a [Value],
        path: &mut Vec<&'a str>,
        name: &str,
    ) {
        let records: Vec<&Map<String, Value>> = list.iter().filter_map(Value::as_object).collect();
        if records.len() != list.len() || records.len() > SIBLINGS {
            return;
        }
        if let [only] = records.as_slice() {
            self.lone(hers, manifest, only, path, name);
            self.within(hers, manifest, only, path);
            return;
        }
        self.tell(hers, manifest, &records, path, name);
        let wording = &hers.prompt.wording;
        let fits: Vec<BTreeSet<Box<str>>> = records
            .iter()
            .map(|record| fits(hers, manifest, record, path))
            .collect();
        self.most(hers, manifest, &records, &fits, path, name);
        for (words, kinds) in [(wording.all(), &mut self.all), (wording.gone(), &mut self.gone)] {
            let of: Vec<BTreeSet<&str>> = fits
                .iter()
                .map(|fits| {
                    let said = |word: &&str| word.starts_with('\u{2}') || words.contains(*word);
                    fits.iter().map(AsRef::as_ref).filter(said).collect()
                })
                .collect();
            let best = of.iter().enumerate().max_by_key(|(_, fits)| fits.len());
            let Some((at, most)) = best else { continue };
            let alone = of
                .iter()
                .enumerate()
                .all(|(other, fits)| other == at || fits.len() < most.len() && fits.is_subset(most));
            let Some(record) = records.get(at).filter(|_| alone) else {
                continue;
            };
            let clear = of
                .iter()
                .enumerate()
                .all(|(other, fits)| other == at || fits.len() + 2 <= most.len());
            let mut one = Kinds::new();
            keep(&mut one, manifest, record, path, name);
            if hers.looked {
                self.bytes += keep(kinds, manifest, record, path, name);
                if most.len() >= 2 && self.fitting.len() < IDS {
                    self.fitting.extend(one.values().flatten().cloned());
                }
            }
            let mut others = Kinds::new();
            let passed = records
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at && clear);
            for (_, record) in passed {
                keep(&mut others, manifest, record, path, name);
            }
            let known: BTreeSet<Box<str>> = one.into_values().flatten().collect();
            self.bytes += pass_over(&mut self.passed, others, &known);
        }
    }

    /// Keeps those that no other of the list has more of her words than.
    fn most<'a>(
        &mut self,
        hers: Hers<'_>,
        manifest: &Manifest,
        records: &[&'a Map<String, Value>],
        fits: &[BTreeSet<Box<str>>],
        path: &mut Vec<&'a str>,
        name: &str,
    ) {
        let most = fits.iter().map(BTreeSet::len).max().unwrap_or_default();
        if hers.looked && most > 0 || hers.near {
            for (record, _) in records.iter().zip(fits).filter(|(_, fits)| fits.len() == most) {
                let mut ids = Kinds::new();
                self.bytes += keep(&mut ids, manifest, record, path, name);
                let room = IDS.saturating_sub(self.listed.len());
                self.listed.extend(ids.into_values().flatten().take(room));
            }
        }
    }

    /// Keeps apart what a read told that somebody's text may have asked for.
    fn tell<'a>(
        &mut self,
        hers: Hers<'_>,
        manifest: &Manifest,
        records: &[&'a Map<String, Value>],
        path: &mut Vec<&'a str>,
        name: &str,
    ) {
        for record in records {
            if hers.strayed {
                self.bytes += keep(&mut self.aside, manifest, record, path, name);
                continue;
            }
            let mut ids = Kinds::new();
            self.bytes += keep(&mut ids, manifest, record, path, name);
            let room = IDS.saturating_sub(self.open.len());
            self.open.extend(ids.into_values().flatten().take(room));
        }
    }

    /// Of what the only record holds a list of, those beside the one that has words of hers: `the double` of a hotel's rates.
    fn within<'a>(
        &mut self,
        hers: Hers<'_>,
        manifest: &Manifest,
        record: &'a Map<String, Value>,
        path: &mut Vec<&'a str>,
    ) {
        for (key, list) in record {
            let Some(list) = list
                .as_array()
                .filter(|list| (2..=SIBLINGS).contains(&list.len()))
            else {
                continue;
            };
            path.extend([key.as_str(), "0"]);
            let of: Vec<(bool, &Map<String, Value>)> = list
                .iter()
                .filter_map(Value::as_object)
                .map(|one| (says(hers, one), one))
                .collect();
            let mut told = of.iter().filter(|(fits, _)| *fits);
            if let (Some((_, one)), None) = (told.next(), told.next()) {
                let mut kept = Kinds::new();
                keep(&mut kept, manifest, one, path, key);
                let mut others = Kinds::new();
                for (_, other) in of.iter().filter(|(fits, _)| !fits) {
                    keep(&mut others, manifest, other, path, key);
                }
                let known: BTreeSet<Box<str>> = kept.into_values().flatten().collect();
                self.bytes += pass_over(&mut self.passed, others, &known);
            }
            path.truncate(path.len() - 2);
        }
    }

    /// Of what the only record holds lists of, those that have words of hers: the dog of its owner.
    fn held<'a>(
        &mut self,
        hers: Hers<'_>,
        manifest: &Manifest,
        record: &'a Map<String, Value>,
        path: &mut Vec<&'a str>,
    ) {
        for (key, list) in record {
            let Some(list) = list.as_array().filter(|list| list.len() <= SIBLINGS) else {
                continue;
            };
            path.extend([key.as_str(), "0"]);
            let mut ids = Kinds::new();
            for one in list.iter().filter_map(Value::as_object) {
                if !fits(hers, manifest, one, path).is_empty() {
                    self.bytes += keep(&mut ids, manifest, one, path, key);
                }
            }
            let room = IDS.saturating_sub(self.near.len());
            self.near.extend(ids.into_values().flatten().take(room));
            path.truncate(path.len() - 2);
        }
    }

    /// The only record of an answer. What is to be gone is it where she speaks of what she spoke of before, or says it of it.
    fn lone<'a>(
        &mut self,
        hers: Hers<'_>,
        manifest: &Manifest,
        record: &'a Map<String, Value>,
        path: &mut Vec<&'a str>,
        name: &str,
    ) {
        let wording = &hers.prompt.wording;
        if hers.near {
            let mut ids = Kinds::new();
            self.bytes += keep(&mut ids, manifest, record, path, name);
            let room = IDS.saturating_sub(self.near.len());
            self.near.extend(ids.into_values().flatten().take(room));
            self.held(hers, manifest, record, path);
        }
        self.tell(hers, manifest, std::slice::from_ref(&record), path, name);
        if !hers.looked {
            return;
        }
        self.bytes += keep(&mut self.all, manifest, record, path, name);
        // All that she says of it is said of what is to be gone; else she speaks of it for another reason.
        let said = fits(hers, manifest, record, path);
        if said.len() >= 2 {
            let mut ids = Kinds::new();
            self.bytes += keep(&mut ids, manifest, record, path, name);
            let room = IDS.saturating_sub(self.fitting.len());
            self.fitting.extend(ids.into_values().flatten().take(room));
        }
        let mut words = said.iter().filter(|word| !word.starts_with('\u{2}')).peekable();
        let gone = words.peek().is_some() && words.all(|word| wording.gone().contains(word));
        if wording.refers() || gone {
            self.bytes += keep(&mut self.gone, manifest, record, path, name);
        } else if !said.is_empty() {
            let mut ids = Kinds::new();
            self.bytes += keep(&mut ids, manifest, record, path, name);
            self.elsewhere.extend(ids.into_values().flatten().take(IDS));
        }
    }
}

fn one(kinds: &Kinds, id: &str) -> bool {
    let mut of = kinds.values().filter(|ids| ids.contains(id)).peekable();
    of.peek().is_some() && of.all(|ids| ids.len() == 1)
}

/// What looks like the id of something: a number or a short name under a key that says so, or a word with digits.
pub(crate) fn id(key: &str, value: &Value) -> Option<Box<str>> {
    let words = words::split(key);
    let says = words
        .last()
        .is_some_and(|last| IDENTIFIERS.contains(&last.as_str()));
    let text = match value {
        Value::String(text) if text.len() <= 128 && !text.contains(char::is_whitespace) => text.clone(),
        Value::Number(number) if says => number.to_string(),
        _ => return None,
    };
    let value = canon::canonical(&text).ok()?;
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let is = match value.kind {
        Kind::Text => says || digits && text.len() >= 4,
        Kind::Number => says,
        _ => false,
    };
    is.then_some(value.key)
}

/// Keeps the ids of a record and of what it refers to; inside is what that costs.
fn keep<'a>(
    kinds: &mut Kinds,
    manifest: &Manifest,
    record: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    name: &str,
) -> usize {
    let mut cost = 0;
    each(record, path, 2, &mut |path, inner| {
        let key = path.last().copied().unwrap_or_default();
        if manifest.class(path) != Class::Trusted {
            return;
        }
        let Some(id) = id(key, inner) else { return };
        let kind = if matches!(key, "id" | "uuid" | "uid") {
            format!("{name}.{key}")
        } else {
            key.to_owned()
        };
        let held: usize = kinds.values().map(BTreeSet::len).sum();
        if held < IDS && kinds.entry(kind.into()).or_default().insert(id) {
            cost += 128;
        }
    });
    cost
}

/// The words and days of hers that this record has: in its names, and in what the service says of it.
fn fits<'a>(
    hers: Hers<'_>,
    manifest: &Manifest,
    record: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
) -> BTreeSet<Box<str>> {
    let mut found = BTreeSet::new();
    each(record, path, 2, &mut |path, inner| {
        let Value::String(text) = inner else { return };
        let class = manifest.class(path);
        let words = words::split(path.last().copied().unwrap_or_default());
        let named = words.last().is_some_and(|last| NAMES.contains(&last.as_str()));
        if text.len() > 256 || class == Class::Secret || !(named || class != Class::FreeText) {
            return;
        }
        let Ok(folded) = canon::fold(text) else { return };
        if let Some(when) = crate::when::parse(&folded) {
            found.extend(wording::day(&when).filter(|_| hers.day(&when)));
        } else if label::name(text) && (named || matches!(class, Class::Trusted | Class::Directory)) {
            wording::tokens(&folded, &mut found);
        }
    });
    let said = hers.prompt.wording.all();
    found.retain(|word| word.starts_with('\u{2}') || said.contains(word) && !hers.prompt.spares(word));
    found
}

/// Keeps ids that her words pass over, but for `known` ones. Returns what they take.
fn pass_over(passed: &mut BTreeSet<Box<str>>, others: Kinds, known: &BTreeSet<Box<str>>) -> usize {
    let mut bytes = 0;
    for id in others.into_values().flatten().filter(|id| !known.contains(id)) {
        if passed.len() < IDS && passed.insert(id) {
            bytes += 96;
        }
    }
    bytes
}

/// Has this record, in whatever short text of it, a word of hers? What she passes over is that whoever says so.
fn says(hers: Hers<'_>, record: &Map<String, Value>) -> bool {
    let said = hers.prompt.wording.all();
    record.values().filter_map(Value::as_str).any(|text| {
        let mut words = BTreeSet::new();
        if text.len() <= 64
            && let Ok(folded) = canon::fold(text)
        {
            wording::tokens(&folded, &mut words);
        }
        words.iter().any(|word| said.contains(word))
    })
}

/// Leaves of a record and of what it holds, lists left out.
fn each<'a>(
    record: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    deep: usize,
    say: &mut impl FnMut(&[&'a str], &'a Value),
) {
    for (key, inner) in record {
        path.push(key);
        match inner {
            Value::Object(map) if deep > 0 => each(map, path, deep - 1, say),
            Value::String(_) | Value::Number(_) => say(path, inner),
            _ => {}
        }
        path.pop();
    }
}
