//! What the human names without writing it out: a field of a record that she names, a link in a place that she names.
//!
//! `The same participants as 'Kick-off'` and `refund that 12.50` say whose value it is as plainly as the value would.
//! What such words cover is as narrow as they are: the *whole* field of the *only* record read that has that name, in the
//! bytes the service gave, and of a refund no other sum. A link is covered only where a member of the organisation's own
//! directory wrote it, only in a place that the human named, and only to be fetched.
//!
//! The only record that answers a search for her own words is the one she means.
//!
//! INVARIANT: a read in which no trusted writer had a hand adds nothing here, so it can't loosen; the links of a web search
//! do, for fetches alone. Nothing here vouches for
//! a value in another argument, of another record, or in part. Two records of one
//! name vouch for nothing. Who may write a record that the human names can change what the name stands for: the source
//! is kept apart ([`Source::Named`](bartizan_types::flow::Source::Named)), so that policy may rank it.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::flow::Role;
use serde_json::{Map, Value};

use crate::{
    amount::Amount,
    canon::{self, Kind},
    manifest::{Class, Manifest},
    people,
    prompt::{self, Prompt},
    roles, singled, words,
};

/// Most links, and most records, that one session keeps.
const LINKS: usize = 256;
const RECORDS: usize = 64;
/// Longest list whose records are told apart by name, and most ids that are kept of such.
const SIBLINGS: usize = 512;
const IDS: usize = 4096;
/// Most values of one field, and most bytes of one.
const VALUES: usize = 64;
const BYTES: usize = 512;
/// How deep into a result records are looked for.
const DEPTH: usize = 6;

/// Keys by which people name a record.
pub(crate) const NAMES: [&str; 8] = [
    "title",
    "name",
    "subject",
    "filename",
    "file_name",
    "summary",
    "label",
    "topic",
];
/// Keys that say from whom a record came.
const ORIGINS: [&str; 6] = ["sender", "from", "payer", "customer", "debtor", "paid_by"];
/// Words that send something back where it came from.
const BACK: [&str; 6] = ["refund", "reimburse", "repay", "pay back", "send back", "return"];

/// One record that the human names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    /// Fields she asks for, whole, as the service spells them.
    fields: BTreeSet<Vec<String>>,
    /// From whom it came, where she asks to give something back.
    origins: BTreeSet<String>,
    /// Its trusted numbers.
    numbers: BTreeSet<Amount>,
    /// What it is named by.
    names: BTreeSet<Box<str>>,
}

/// The one sum of the records that have an id.
#[derive(Debug, Clone, Copy)]
struct Sum {
    /// As it was first told: by the record whose own id it is, once there is one.
    told: Amount,
    /// A record whose own id it is told it.
    own: bool,
    /// Records with this id told several sums, or one told none.
    several: bool,
}

/// Records and links of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    records: Vec<Record>,
    links: BTreeSet<Box<str>>,
    /// Links that a search of the open web found.
    found: BTreeSet<Box<str>>,
    /// Hosts of which such a link was fetched: one each, since which of several is fetched says something.
    visited: BTreeSet<Box<str>>,
    /// Ids of records that were the only answer to the human's own words.
    lone: BTreeSet<Box<str>>,
    /// The one sum of a record, by any id that stands in it.
    sums: BTreeMap<Box<str>, Sum>,
    /// More was named than is kept: nothing is the only one.
    full: bool,
    /// Ids of records that the human names, of those that stand in a list beside one that she names, and of those that
    /// share a name of hers with another of the list.
    chosen: BTreeSet<Box<str>>,
    passed: BTreeSet<Box<str>>,
    doubled: BTreeSet<Box<str>>,
    bytes: usize,
}

impl Named {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The human names no record.
    pub(crate) const fn none(&self) -> bool {
        self.records.is_empty()
    }

    /// Names that were the only one's and are so no longer: a later ruling may be stricter.
    pub(crate) fn withdrawn(&self) -> usize {
        let doubled = |at: usize, record: &Record| {
            self.records
                .iter()
                .enumerate()
                .any(|(other, r)| other != at && !r.names.is_disjoint(&record.names))
        };
        let doubles = self.records.iter().enumerate().filter(|(at, r)| doubled(*at, r));
        doubles.count()
            + usize::from(self.full)
            + self.passed.len()
            + self.doubled.len()
            + self.sums.values().filter(|sum| sum.several).count()
            + usize::from(self.lone.len() > 1)
    }

    /// She names another record of the list that this id stands in, or several that go by the same name: which one is
    /// meant is then what somebody's text may have said.
    pub(crate) fn passed_over(&self, id: &str) -> bool {
        self.doubled.contains(id) || self.passed.contains(id) && !self.chosen.contains(id)
    }

    /// Takes in who of a list is named.
    fn siblings<'a>(
        &mut self,
        prompt: &Prompt,
        manifest: &Manifest,
        list: &'a [Value],
        path: &mut Vec<&'a str>,
    ) {
        if list.len() < 2 || list.len() > SIBLINGS || self.passed.len() + self.chosen.len() > IDS {
            return;
        }
        let (mut chosen, mut passed) = (BTreeSet::new(), BTreeSet::new());
        let mut by: BTreeMap<Box<str>, BTreeSet<Box<str>>> = BTreeMap::new();
        for record in list.iter().filter_map(Value::as_object) {
            let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
            let (mut own, mut title) = (None, None);
            for (key, inner) in record {
                path.push(key);
                let trusted = manifest.class(path) == Class::Trusted;
                path.pop();
                let words = words::split(key);
                let last = words.last().map(String::as_str).unwrap_or_default();
                match inner {
                    Value::String(text)
                        if (NAMES.contains(&last) || people::named(&words))
                            && by_name(prompt, text)
                            && !kept(prompt, text) =>
                    {
                        let name = canon::canonical(text).ok().map(|name| name.key);
                        // Its own name, and not that of whom it belongs to.
                        title = title.or_else(|| name.clone().filter(|_| words.len() == 1));
                        names.extend(name);
                    }
                    Value::String(_) | Value::Number(_) if trusted && matches!(last, "id" | "uuid") => {
                        let text = inner.as_str().map_or_else(|| inner.to_string(), str::to_owned);
                        let id = canon::canonical(&text).ok().map(|id| id.key);
                        // What it refers to is shared with others.
                        if own.is_none() || words.len() == 1 {
                            own.clone_from(&id);
                        }
                        // She may name it by its number.
                        let typed = |id: &str| {
                            prompt.typed_value(id).is_some() && !prompt.only_lists(id)
                                || id.get(2..).is_some_and(|bare| prompt.is_id(bare))
                        };
                        names.extend(id.clone().filter(|id| typed(id)));
                        ids.extend(id);
                    }
                    _ => {}
                }
            }
            if let Some(title) = title {
                by.entry(title).or_default().extend(own);
            }
            if names.is_empty() {
                &mut passed
            } else {
                &mut chosen
            }
            .append(&mut ids);
        }
        if chosen.is_empty() {
            return;
        }
        self.bytes += (chosen.len() + passed.len()) * 96;
        self.passed.extend(passed.difference(&chosen).cloned());
        self.chosen.append(&mut chosen);
        self.doubled
            .extend(by.into_values().filter(|ids| ids.len() > 1).flatten());
    }

    /// Takes in the records of a result whose manifest was reviewed.
    pub(crate) fn read(&mut self, prompt: &Prompt, manifest: &Manifest, value: &Value) {
        if manifest.reviewed && !prompt.folded.is_empty() {
            self.walk(prompt, manifest, value, &mut Vec::new());
        }
    }

    fn walk<'a>(&mut self, prompt: &Prompt, manifest: &Manifest, value: &'a Value, path: &mut Vec<&'a str>) {
        if path.len() >= DEPTH {
            return;
        }
        match value {
            Value::Object(map) => {
                self.record(prompt, manifest, map, path);
                self.sum(manifest, map, path);
                for (key, inner) in map {
                    path.push(key);
                    self.walk(prompt, manifest, inner, path);
                    path.pop();
                }
            }
            Value::Array(list) => {
                path.push("0");
                self.siblings(prompt, manifest, list, path);
                path.pop();
                for inner in list {
                    path.push("0");
                    self.walk(prompt, manifest, inner, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn record<'a>(
        &mut self,
        prompt: &Prompt,
        manifest: &Manifest,
        map: &'a Map<String, Value>,
        path: &mut Vec<&'a str>,
    ) {
        let back = BACK.iter().any(|word| prompt.holds(word));
        let mut record = Record {
            fields: BTreeSet::new(),
            origins: BTreeSet::new(),
            numbers: BTreeSet::new(),
            names: BTreeSet::new(),
        };
        let mut sums: BTreeSet<Box<str>> = BTreeSet::new();
        let mut listed = false;
        for (key, inner) in map {
            path.push(key);
            let class = manifest.class(path);
            listed |= !inner.is_null() && matches!(class, Class::Trusted | Class::Directory);
            match inner {
                Value::String(text) if NAMES.contains(&key.as_str()) && by_name(prompt, text) => {
                    record
                        .names
                        .extend(canon::canonical(text).ok().map(|name| name.key));
                }
                Value::Number(number) if class == Class::Trusted => {
                    if let Some(sum) = Amount::parse(&number.to_string()) {
                        record.numbers.insert(sum);
                        if back && prompt.numbers.contains(&sum) {
                            sums.insert(format!("n:{number}").into());
                        }
                    }
                }
                Value::String(text)
                    if back
                        && matches!(class, Class::Structured | Class::Sender)
                        && ORIGINS.contains(&key.as_str()) =>
                {
                    record.origins.extend(short(text).map(str::to_owned));
                }
                _ => {}
            }
            if asked(prompt, key)
                && let Some(values) = whole(manifest, inner, path)
            {
                record.fields.insert(values);
            }
            path.pop();
        }
        // A sum names what is given back; what is not the human's own money came from somebody.
        if record.origins.is_empty() {
            sums.clear();
        }
        record.names.append(&mut sums);
        // A record that no trusted leaf stands in is text of somebody's, and not one of the service's records.
        if listed && !record.names.is_empty() {
            self.keep(record);
        }
    }

    fn keep(&mut self, record: Record) {
        if self.records.contains(&record) {
            return;
        }
        if self.records.len() >= RECORDS {
            self.full = true;
            return;
        }
        let texts = record.fields.iter().flatten().chain(&record.origins);
        self.bytes += 256 + texts.map(|text| text.len() + 48).sum::<usize>();
        self.records.push(record);
    }

    /// The records of a name that no other record has.
    fn only(&self) -> impl Iterator<Item = &Record> {
        let alone = |record: &Record| {
            let shares = |other: &&Record| !other.names.is_disjoint(&record.names);
            self.records.iter().filter(shares).count() == 1
        };
        self.records
            .iter()
            .filter(move |record| !self.full && alone(record))
    }

    /// These are, whole, a field that the human asked for by its record's name. `owner` may be left out of it.
    pub(crate) fn field(&self, values: &BTreeSet<&str>, owner: Option<&str>) -> bool {
        let own = |text: &str| {
            owner.is_some_and(|owner| canon::canonical(text).is_ok_and(|value| *value.key == *owner))
        };
        !values.is_empty()
            && self.only().flat_map(|record| &record.fields).any(|field| {
                values.iter().all(|value| field.iter().any(|text| text == value))
                    && field
                        .iter()
                        .all(|text| values.contains(text.as_str()) || own(text))
            })
    }

    /// This is from whom the record came that the human wants given back, and these are sums of that record.
    pub(crate) fn origin(&self, value: &str, sums: &[Amount]) -> bool {
        !sums.is_empty()
            && self
                .only()
                .filter(|record| record.names.iter().any(|name| name.starts_with("n:")))
                .any(|record| {
                    record.origins.len() == 1
                        && record.origins.contains(value)
                        && sums.iter().all(|sum| record.numbers.contains(sum))
                })
    }

    /// Takes in links that a member of the directory wrote where the human said to look.
    pub(crate) fn links(&mut self, text: &str) {
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|' | '(' | ')'))
        {
            let link = prompt::trim(word);
            if self.links.len() >= LINKS || link.len() > BYTES {
                continue;
            }
            let is = canon::canonical(link).is_ok_and(|value| value.kind == Kind::Url);
            if is && !link.contains(['@', '?', '#']) && self.links.insert(link.into()) {
                self.bytes += 64 + link.len();
            }
        }
    }

    /// What the service first told of the one sum of this record.
    pub(crate) fn sum_of(&self, id: &str) -> Option<Amount> {
        self.sums.get(id).filter(|sum| sum.own).map(|sum| sum.told)
    }

    /// The one sum of the one record that this id was ever told in.
    pub(crate) fn whole_of(&self, id: &str) -> Option<Amount> {
        self.sums.get(id).filter(|sum| !sum.several).map(|sum| sum.told)
    }

    /// Keeps the one trusted sum of a record with a trusted id of its own.
    fn sum<'a>(&mut self, manifest: &Manifest, map: &'a Map<String, Value>, path: &mut Vec<&'a str>) {
        let (mut id, mut sums, mut ids) = (None, Vec::new(), BTreeSet::new());
        for (key, inner) in map {
            path.push(key);
            let trusted = manifest.class(path) == Class::Trusted;
            path.pop();
            let text = match inner {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            if trusted && matches!(key.as_str(), "id" | "id_" | "uuid") {
                id = canon::canonical(&text).ok().map(|id| id.key);
            } else if trusted && roles::by_name(key) == Some(Role::Amount) {
                sums.extend(Amount::parse(&text));
            }
            if trusted {
                ids.extend(singled::id(key, inner));
            }
        }
        let sum = match sums.as_slice() {
            [sum] => Some(*sum),
            _ => None,
        };
        ids.extend(id.clone());
        for known in ids {
            let own = Some(&known) == id.as_ref();
            self.tell(known, own, sum);
        }
    }

    /// A record with this id has this one sum, or none, or several.
    fn tell(&mut self, id: Box<str>, own: bool, sum: Option<Amount>) {
        let Some(known) = self.sums.get_mut(&id) else {
            if let (Some(told), true) = (sum, self.sums.len() < IDS) {
                self.bytes += 96;
                let several = false;
                self.sums.insert(id, Sum { told, own, several });
            }
            return;
        };
        known.several |= sum != Some(known.told);
        if let (Some(told), true, false) = (sum, own, known.own) {
            (known.told, known.own) = (told, true);
        }
    }

    /// Takes in a link that a search of the open web answered with.
    pub(crate) fn finds(&mut self, link: &str) {
        let is = link.len() <= BYTES
            && !link.contains(['@', '?', '#', '\\'])
            && canon::canonical(link).is_ok_and(|value| value.kind == Kind::Url);
        if is && self.found.len() < LINKS && self.found.insert(link.into()) {
            self.bytes += 64 + link.len();
        }
    }

    /// This is, byte for byte, a link that a search found.
    pub(crate) fn found(&self, text: &str) -> bool {
        self.found.contains(text) && prompt::host_of(text).is_some_and(|host| !self.visited.contains(host))
    }

    /// It was fetched.
    pub(crate) fn visit(&mut self, link: &str) {
        let host = prompt::host_of(link).filter(|_| self.found.contains(link) && self.visited.len() < LINKS);
        if let Some(host) = host
            && self.visited.insert(host.into())
        {
            self.bytes += 48 + host.len();
        }
    }

    /// Takes in the answer to a search for the human's own words: the one record that it tells, if it is one.
    pub(crate) fn answer(&mut self, manifest: &Manifest, value: &Value) {
        let mut path: Vec<&str> = Vec::new();
        let mut at = value;
        for _ in 0..DEPTH {
            match at {
                Value::Array(list) => {
                    let [one] = list.as_slice() else { return };
                    path.push("0");
                    at = one;
                }
                Value::Object(map) => {
                    let ids = || {
                        map.iter().filter(|(key, inner)| {
                            let words = words::split(key);
                            words.last().is_some_and(|last| last == "id" || last == "uuid")
                                && (inner.is_string() || inner.is_number())
                        })
                    };
                    // Its own, where it also refers to others.
                    let named = ids().find(|(key, _)| matches!(key.as_str(), "id" | "uuid"));
                    let only = || (ids().count() == 1).then(|| ids().next()).flatten();
                    if ids().next().is_some() {
                        let Some((key, id)) = named.or_else(only) else {
                            return;
                        };
                        path.push(key);
                        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                        let trusted = manifest.class(&path) == Class::Trusted;
                        if let (true, Ok(id)) = (trusted && self.lone.len() < 2, canon::canonical(&text))
                            && self.lone.insert(id.key)
                        {
                            self.bytes += 96;
                        }
                        return;
                    }
                    // What holds the list, and counts.
                    let mut lists = map.iter().filter(|(_, inner)| inner.is_array());
                    let (Some((key, list)), None) = (lists.next(), lists.next()) else {
                        return;
                    };
                    path.push(key);
                    at = list;
                }
                _ => return,
            }
        }
    }

    /// This record was the only answer to words of the human's own, and there is no second such.
    pub(crate) fn lone(&self, id: &str) -> bool {
        self.lone.len() == 1 && self.lone.contains(id)
    }

    /// This is, byte for byte, such a link.
    pub(crate) fn link(&self, text: &str) -> bool {
        self.links.contains(text)
    }
}

/// Does the human name a record by this? A word of a sentence is no name: it is one in quotes, or is of several words, or
/// is spelled as no plain word is.
fn by_name(prompt: &Prompt, text: &str) -> bool {
    let Some(folded) = short(text).and_then(|text| canon::fold(text).ok()) else {
        return false;
    };
    let several = folded.contains(' ') && folded.len() >= 8;
    let odd = folded.len() >= 5 && folded.contains(['.', '_', '-', '/']);
    (several || odd || prompt.is_id(&folded) || prompt.quotes(&folded)) && prompt.holds(&folded)
}

/// What is to be kept is not what she names it for.
fn kept(prompt: &Prompt, text: &str) -> bool {
    canon::fold(text).is_ok_and(|folded| prompt.spares(&folded))
}

/// Do the human's words ask for this field: `the same guests`, `the attendees of`, `whoever the participants are`?
fn asked(prompt: &Prompt, field: &str) -> bool {
    let split = words::split(field);
    let Some(noun) = split.last().map(|word| words::singular(word)) else {
        return false;
    };
    let like = words::NOUNS
        .iter()
        .filter(|kind| kind.contains(&noun) && noun.len() > 3)
        .flat_map(|kind| kind.iter().copied());
    like.chain([noun]).any(|noun| {
        [noun.to_owned(), format!("{noun}s")].iter().any(|word| {
            ["of", "from", "as"]
                .iter()
                .any(|of| prompt.holds(&format!("{word} {of}")))
                || prompt.holds(&format!("same {word}"))
        })
    })
}

/// A field's values, if they are all such that outsiders can set them, and short.
fn whole<'a>(manifest: &Manifest, value: &'a Value, path: &mut Vec<&'a str>) -> Option<Vec<String>> {
    let list = match value {
        Value::Array(list) => {
            path.push("0");
            let class = manifest.class(path);
            path.pop();
            (class == Class::Structured).then_some(list.as_slice())?
        }
        Value::String(_) => {
            (manifest.class(path) == Class::Structured).then_some(std::slice::from_ref(value))?
        }
        _ => return None,
    };
    if list.is_empty() || list.len() > VALUES {
        return None;
    }
    list.iter()
        .map(|value| value.as_str().and_then(short).map(str::to_owned))
        .collect()
}

fn short(text: &str) -> Option<&str> {
    (!text.trim().is_empty() && text.len() <= BYTES).then_some(text)
}
