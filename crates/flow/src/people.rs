//! Whom the human's words name: the one address that what was read has for somebody.
//!
//! `Answer Mateus`, `text everybody who booked`: she names people by name or by what they have in common, and the address
//! stands in a field of the service's records: the sender of a mail, the guest of a booking. It is whom she means where
//! - no other address of that type goes by the words of hers that it goes by (a second one may be an impostor's, or the
//!   `Reply-To` of another), or it is the only one in the answer to what she looked for herself;
//! - since outsiders' text was read, nothing was looked for that somebody may have put into the agent's mind: what is
//!   told is then hers to tell, and theirs to know; and
//! - with it go no things but those that stand in its own record.
//!
//! Or it is all of them: two thirds and more of a column of a list that she looked for, where she wants all of a kind told.
//!
//! INVARIANT: a record in which no trusted writer had a hand adds nothing; every further address and every stray read only
//! withdraws. An address spelled like one of the organisation's own that is none is nobody's.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_types::flow::Source;
use serde_json::{Map, Value};

use crate::{
    canon::{self, Kind},
    label,
    leaves::{Leaf, Leaves},
    mailbox,
    manifest::{Class, Manifest},
    singled, wording, words,
};

/// Most addresses that are kept, most columns and their longest, most ids of one record, how deep records are looked for.
const MOST: usize = 1024;
const COLUMNS: usize = 16;
const LONG: usize = 512;
const IDS: usize = 32;
const DEPTH: usize = 8;

/// Keys of names of people.
const NAMES: &[&str] = &[
    "name",
    "sender",
    "from",
    "author",
    "holder",
    "patron",
    "customer",
    "client",
    "payer",
    "contact",
    "guest",
    "display",
    "organizer",
    "nickname",
    "surname",
    "firstname",
    "lastname",
    "fullname",
    "owner",
    "claimant",
    "traveller",
    "tenant",
    "student",
    "pupil",
    "guardian",
    "member",
    "candidate",
    "by",
    "company",
    "organisation",
    "organization",
];
/// What stands before `name` in such a key.
const OF: &[&str] = &[
    "first",
    "last",
    "full",
    "real",
    "user",
    "nick",
    "given",
    "family",
    "form",
    "person",
    "people",
    "lead",
    "account",
    "patient",
    "applicant",
    "employee",
    "staff",
    "user",
    "recipient",
    "parent",
    "requester",
    "reporter",
    "holder",
    "buyer",
    "seller",
    "borrower",
    "visitor",
    "client",
    "subscriber",
    "donor",
    "reviewer",
    "beneficiary",
    "payee",
    "passenger",
    "push",
    "profile",
    "caller",
];
/// Keys of names by which a service finds whom or what it hands words to.
const HANDLES: &[&str] = &[
    "chat", "username", "handle", "login", "sender", "from", "author", "nick", "channel", "user",
];
/// Keys of telephone numbers, which are written in as many ways as there are countries.
const PHONES: &[&str] = &[
    "phone",
    "mobile",
    "tel",
    "telephone",
    "cell",
    "msisdn",
    "whatsapp",
    "sms",
];

/// And those of mail addresses.
const MAILS: &[&str] = &["email", "mail", "address", "from", "to", "cc", "sender", "reply"];

#[derive(Debug, Clone, Default)]
struct Person {
    /// Words of hers that it goes by.
    words: BTreeSet<Box<str>>,
    /// Ids that stand in its records.
    ids: BTreeSet<Box<str>>,
    /// The only one in the answer to what she looked for.
    lone: bool,
}

/// Who is known in one session, by address.
#[derive(Debug, Clone, Default)]
pub(crate) struct People {
    all: BTreeMap<Box<str>, Person>,
    columns: Vec<BTreeSet<Box<str>>>,
    strayed: bool,
    full: bool,
    bytes: usize,
}

/// What an answer is read with.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) manifest: &'a Manifest,
    /// The words of hers that single out.
    pub(crate) said: &'a BTreeSet<Box<str>>,
    pub(crate) owner: Option<&'a str>,
    pub(crate) tenants: &'a BTreeSet<Box<str>>,
    /// She looked for it.
    pub(crate) hers: bool,
}

impl Reading<'_> {
    /// An address of hers or of the organisation's.
    fn own(&self, key: &str) -> bool {
        self.owner == Some(key)
            || key.starts_with("e:")
                && key
                    .rsplit_once('@')
                    .is_some_and(|(_, host)| self.tenants.contains(host))
    }
}

/// One address of a record.
struct Entry<'a> {
    path: Vec<&'a str>,
    key: Box<str>,
    /// Words that stand with it.
    words: BTreeSet<Box<str>>,
    /// One of a list, which names beside it do not name.
    of_list: bool,
}

impl People {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All that can withdraw a name: a further address, more of its words, a stray read.
    pub(crate) fn withdrawn(&self) -> usize {
        let words: usize = self.all.values().map(|person| person.words.len()).sum();
        self.all.len() + words + usize::from(self.strayed) + usize::from(self.full)
    }

    /// Something was looked for that may be somebody's wish.
    pub(crate) const fn stray(&mut self) {
        self.strayed = true;
    }

    /// Whoever strayed once has what it found with it.
    pub(crate) const fn inherit(&mut self, earlier: &Self) {
        self.strayed |= earlier.strayed;
    }

    /// Takes in the records of an answer.
    pub(crate) fn read(&mut self, reading: Reading<'_>, value: &Value) {
        let mut entries = Vec::new();
        self.walk(reading, value, &mut Vec::new(), &mut entries);
        if reading.hers {
            let outside: BTreeSet<&str> = entries
                .iter()
                .map(|e| &*e.key)
                .filter(|key| !reading.own(key))
                .collect();
            let of_lists = |key: &str| entries.iter().all(|e| &*e.key != key || e.of_list);
            for letter in ["e:", "p:", "w:"] {
                let mut of = outside.iter().filter(|key| key.starts_with(letter));
                if let (Some(key), None) = (of.next(), of.next())
                    && !of_lists(key)
                    && let Some(person) = self.all.get_mut(*key)
                {
                    person.lone = true;
                }
            }
            self.column(reading, &entries);
        }
    }

    fn column(&mut self, reading: Reading<'_>, entries: &[Entry<'_>]) {
        let mut columns: BTreeMap<String, BTreeSet<Box<str>>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| !reading.own(&entry.key)) {
            let at: Vec<&str> = entry
                .path
                .iter()
                .map(|part| {
                    if part.bytes().all(|b| b.is_ascii_digit()) {
                        "*"
                    } else {
                        part
                    }
                })
                .collect();
            columns.entry(at.join(".")).or_default().insert(entry.key.clone());
        }
        for column in columns
            .into_values()
            .filter(|column| (2..=LONG).contains(&column.len()))
        {
            if self.columns.len() < COLUMNS && !self.columns.contains(&column) {
                self.bytes += column.iter().map(|key| key.len() + 48).sum::<usize>();
                self.columns.push(column);
            }
        }
    }

    fn walk<'a>(
        &mut self,
        reading: Reading<'_>,
        value: &'a Value,
        path: &mut Vec<&'a str>,
        entries: &mut Vec<Entry<'a>>,
    ) {
        if path.len() >= DEPTH {
            return;
        }
        match value {
            Value::Array(list) => {
                for inner in list.iter().take(4096) {
                    path.push("0");
                    self.walk(reading, inner, path, entries);
                    path.pop();
                }
            }
            Value::Object(map) if listed(reading.manifest, map, path) => {
                self.record(reading, map, path, entries)
            }
            Value::Object(map) => {
                for (key, inner) in map {
                    path.push(key);
                    self.walk(reading, inner, path, entries);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// One record that the service keeps: its addresses, each with the names beside it, and its ids.
    fn record<'a>(
        &mut self,
        reading: Reading<'_>,
        map: &'a Map<String, Value>,
        path: &mut Vec<&'a str>,
        entries: &mut Vec<Entry<'a>>,
    ) {
        let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
        let mut inner = Vec::new();
        gather(reading.manifest, map, path, &mut found, &mut ids, &mut inner);
        for (deeper, list) in &inner {
            let mut deeper = deeper.clone();
            deeper.push("0");
            for one in list.as_array().into_iter().flatten().filter_map(Value::as_object) {
                own_ids(reading.manifest, one, &mut deeper, &mut ids);
            }
        }
        for mut entry in found {
            if let Some(name) = entry.key.strip_prefix("w:") {
                wording::tokens(name, &mut entry.words);
            }
            let words: BTreeSet<Box<str>> = entry
                .words
                .iter()
                .filter(|word| reading.said.contains(*word))
                .cloned()
                .collect();
            if self.all.len() >= MOST && !self.all.contains_key(&entry.key) {
                self.full = true;
                continue;
            }
            let person = self.all.entry(entry.key.clone()).or_insert_with(|| {
                self.bytes += 160 + entry.key.len();
                Person::default()
            });
            person.words.extend(words);
            if person.ids.len() < IDS {
                self.bytes += ids.len() * 48;
                person.ids.extend(ids.iter().cloned());
            }
            if entries.len() < 4 * MOST {
                entries.push(entry);
            }
        }
        for (mut deeper, value) in inner {
            self.walk(reading, value, &mut deeper, entries);
        }
    }

    /// What was read by the id of somebody's record, and has that id, is of that record: her invoices by her number.
    pub(crate) fn chain(&mut self, manifest: &Manifest, key: &str, value: &Value) {
        let mut ids = BTreeSet::new();
        chained(manifest, key, value, &mut Vec::new(), &mut ids);
        for person in self.all.values_mut().filter(|person| person.ids.contains(key)) {
            let room = IDS.saturating_sub(person.ids.len());
            self.bytes += ids.len().min(room) * 48;
            person.ids.extend(ids.iter().take(room).cloned());
        }
    }

    /// Is this the one address of somebody whom she names? `tells`: it is told something; who is the only one that her search
    /// found needs no name for that.
    pub(crate) fn means(&self, key: &str, tenants: &BTreeSet<Box<str>>, tells: bool) -> bool {
        let Some(person) = self.all.get(key).filter(|_| !self.strayed && !self.full) else {
            return false;
        };
        if like_own(key, tenants) {
            return false;
        }
        let same = |other: &str| other.get(..2) == key.get(..2) && other != key;
        let mut others = self.all.iter().filter(|(other, _)| same(other));
        if person.words.is_empty() {
            return tells && person.lone && !others.any(|(_, other)| other.lone);
        }
        !others.any(|(_, other)| {
            let fewer = other.words.len() < person.words.len() && other.words.is_subset(&person.words);
            !other.words.is_disjoint(&person.words) && !fewer
        })
    }

    /// Is this address of somebody who goes by this word of hers, and of nobody else that was read?
    pub(crate) fn alone_goes_by(&self, key: &str, word: &str) -> bool {
        let goes = |person: &Person| person.words.contains(words::singular(word));
        let other = |other: &str| other != key && other.get(..2) == key.get(..2);
        !self.full
            && self.all.get(key).is_some_and(goes)
            && !self.all.iter().any(|(key, person)| other(key) && goes(person))
    }

    /// Does this address go by any word of hers?
    pub(crate) fn goes_by_hers(&self, key: &str) -> bool {
        self.all.get(key).is_some_and(|person| !person.words.is_empty())
    }

    /// Does this id stand in a record of that address?
    pub(crate) fn with(&self, key: &str, id: &str) -> bool {
        self.all.get(key).is_some_and(|person| person.ids.contains(id))
    }

    /// Are these of a list that she looked for, and most of it? `more` go there as well.
    pub(crate) fn everybody(
        &self,
        keys: &BTreeSet<&str>,
        more: &BTreeSet<&str>,
        tenants: &BTreeSet<Box<str>>,
    ) -> bool {
        let here = |key: &str| keys.contains(key) || more.contains(key);
        !self.strayed
            && !keys.is_empty()
            && !keys.iter().any(|key| like_own(key, tenants))
            && self.columns.iter().any(|column| {
                let of = column.iter().filter(|key| here(key)).count();
                keys.iter().all(|key| column.contains(*key)) && of >= 2 && of * 3 >= column.len() * 2
            })
    }
}

/// A record of the service's: it has a field that no outsider writes.
fn listed<'a>(manifest: &Manifest, map: &'a Map<String, Value>, path: &mut Vec<&'a str>) -> bool {
    map.iter().any(|(key, inner)| {
        path.push(key);
        let class = manifest.class(path);
        path.pop();
        (inner.is_string() || inner.is_number()) && matches!(class, Class::Trusted | Class::Directory)
    })
}

/// The trusted ids that stand in this record itself.
fn own_ids<'a>(
    manifest: &Manifest,
    map: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    ids: &mut BTreeSet<Box<str>>,
) {
    for (key, inner) in map {
        path.push(key);
        if ids.len() < IDS && inner.is_string() && manifest.class(path) == Class::Trusted {
            ids.extend(singled::id(key, inner));
        }
        path.pop();
    }
}

/// The ids of records that have this one.
fn chained<'a>(
    manifest: &Manifest,
    id: &str,
    value: &'a Value,
    path: &mut Vec<&'a str>,
    ids: &mut BTreeSet<Box<str>>,
) {
    if path.len() >= DEPTH {
        return;
    }
    match value {
        Value::Array(list) => {
            path.push("0");
            for inner in list.iter().take(4096) {
                chained(manifest, id, inner, path, ids);
            }
            path.pop();
        }
        Value::Object(map) => {
            let mut own = BTreeSet::new();
            own_ids(manifest, map, path, &mut own);
            if own.contains(id) {
                ids.append(&mut own);
            }
            for (key, inner) in map {
                path.push(key);
                chained(manifest, id, inner, path, ids);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The addresses and ids of a record. Lists of records are left for later.
fn gather<'a>(
    manifest: &Manifest,
    map: &'a Map<String, Value>,
    path: &mut Vec<&'a str>,
    found: &mut Vec<Entry<'a>>,
    ids: &mut BTreeSet<Box<str>>,
    later: &mut Vec<(Vec<&'a str>, &'a Value)>,
) {
    let mut names: BTreeSet<Box<str>> = BTreeSet::new();
    let start = found.len();
    for (key, inner) in map {
        path.push(key);
        match inner {
            Value::Object(deeper) if path.len() < DEPTH => gather(manifest, deeper, path, found, ids, later),
            Value::Array(list) if list.iter().any(Value::is_object) => later.push((path.clone(), inner)),
            Value::Array(list) => {
                let from = found.len();
                path.push("0");
                list.iter()
                    .take(LONG)
                    .filter_map(Value::as_str)
                    .for_each(|text| address(manifest, path, text, found));
                path.pop();
                found.iter_mut().skip(from).for_each(|entry| entry.of_list = true);
            }
            Value::String(text) => {
                address(manifest, path, text, found);
                let class = manifest.class(path);
                if class == Class::Trusted && ids.len() < IDS {
                    ids.extend(singled::id(key, inner));
                }
                let words = words::split(key);
                if named(&words)
                    && label::name(text)
                    && let Ok(folded) = canon::fold(text)
                {
                    wording::tokens(&folded, &mut names);
                }
            }
            _ => {}
        }
        path.pop();
    }
    // Names that stand beside it.
    let depth = path.len() + 1;
    for entry in found.iter_mut().skip(start) {
        let beside = entry.path.iter().filter(|part| **part != "0").count() <= depth;
        if beside && !entry.of_list {
            entry.words.extend(names.iter().cloned());
        }
    }
}

fn address<'a>(manifest: &Manifest, path: &[&'a str], text: &str, found: &mut Vec<Entry<'a>>) {
    // A field that is named as one of addresses is one, whoever wrote it.
    let field = || {
        let own = path
            .iter()
            .rev()
            .find(|key| !key.bytes().all(|b| b.is_ascii_digit()));
        own.is_some_and(|key| {
            words::split(key).last().is_some_and(|last| {
                PHONES.contains(&words::singular(last)) || MAILS.contains(&words::singular(last))
            })
        })
    };
    let told = match manifest.class(path) {
        Class::Member | Class::Secret => false,
        Class::FreeText => field(),
        _ => true,
    };
    if !told || text.len() > 4096 {
        return;
    }
    let mut one = |spelling: &str, name: &str| {
        let Some(key) = key(path, spelling) else { return };
        let mut words = BTreeSet::new();
        if let Some(bare) = key.strip_prefix("e:") {
            // The last label of a domain names nobody.
            wording::tokens(bare.rsplit_once('.').map_or(bare, |(front, _)| front), &mut words);
        }
        if let Ok(folded) = canon::fold(name) {
            wording::tokens(&folded, &mut words);
        }
        found.push(Entry {
            path: path.to_vec(),
            key,
            words,
            of_list: false,
        });
    };
    let mut boxes = mailbox::all(path, text).peekable();
    if boxes.peek().is_none() {
        one(text, "");
    }
    boxes.for_each(|spelling| one(spelling, text));
}

/// Does this answer of a directory name somebody whom the human names?
pub(crate) fn lists_hers(manifest: &Manifest, leaves: &Leaves<'_>, said: &BTreeSet<Box<str>>) -> bool {
    leaves.out.iter().any(|(path, leaf)| {
        let Leaf::Text(text) = leaf else { return false };
        let name = || label::name(text) && path.last().is_some_and(|key| named(&words::split(key)));
        if manifest.class(path) != Class::Directory || !name() {
            return false;
        }
        let mut words = BTreeSet::new();
        if let Ok(folded) = canon::fold(text) {
            wording::tokens(&folded, &mut words);
        }
        words.iter().any(|word| said.contains(word))
    })
}

/// Does this key tell somebody's name? `class_name` tells another's.
pub(crate) fn named(key: &[String]) -> bool {
    let named = key.last().is_some_and(|last| NAMES.contains(&last.as_str()));
    let of = key.len().checked_sub(2).and_then(|at| key.get(at));
    named && of.is_none_or(|of| NAMES.contains(&of.as_str()) || OF.contains(&of.as_str()))
}

/// An address of a person as a key.
pub(crate) fn key(path: &[&str], text: &str) -> Option<Box<str>> {
    let value = canon::canonical(text).ok()?;
    if matches!(value.kind, Kind::Email | Kind::Phone) {
        return Some(value.key);
    }
    let own = path
        .iter()
        .rev()
        .find(|key| !key.bytes().all(|b| b.is_ascii_digit()))?;
    let words = words::split(own);
    let phone = words.iter().any(|word| PHONES.contains(&words::singular(word)));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let shape = text.chars().all(|c| c.is_ascii_digit() || " -.()/".contains(c));
    if phone && shape && (7..=15).contains(&digits.len()) {
        return Some(format!("p:{digits}").into());
    }
    let handle = words.last().is_some_and(|last| HANDLES.contains(&last.as_str()));
    (handle && value.kind == Kind::Text && text.len() <= 64 && label::name(text)).then_some(value.key)
}

/// The address as the call spells it, among those that are known.
pub(crate) fn spoken(text: &str) -> Option<Box<str>> {
    canon::dialled(text)
        .map(|value| value.key)
        .or_else(|| key(&["phone"], text))
        .or_else(|| key(&["handle"], text))
}

/// Is this host spelled almost as one of the organisation's own, and another? By what eyes take for one another, and by one
/// letter more, less or other.
fn like_own(key: &str, tenants: &BTreeSet<Box<str>>) -> bool {
    let Some((_, host)) = key.strip_prefix("e:").and_then(|bare| bare.rsplit_once('@')) else {
        return false;
    };
    if tenants.contains(host) {
        return false;
    }
    let seen = |host: &str| {
        host.replace("rn", "m")
            .replace("vv", "w")
            .replace(['1', 'i', '|'], "l")
            .replace('0', "o")
            .replace('5', "s")
            .replace(['-', '_'], "")
    };
    let close = |a: &str, b: &str| {
        let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        let front = short
            .bytes()
            .zip(long.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let back = short
            .bytes()
            .rev()
            .zip(long.bytes().rev())
            .take_while(|(a, b)| a == b)
            .count();
        long.len() - short.len() <= 1 && front + back + usize::from(short.len() == long.len()) >= short.len()
    };
    let name = |host: &str| host.rsplit_once('.').map_or(host, |(name, _)| name).to_owned();
    tenants.iter().any(|own| {
        let (mine, theirs) = (seen(own), seen(host));
        mine == theirs
            || own.len() >= 8 && close(own, host)
            || name(own).len() >= 6 && host.contains(&name(own))
    })
}

/// Whether a thing that goes along may: it is hers, or stands in a record of who it goes to.
pub(crate) fn goes_along(
    people: &People,
    targets: &BTreeSet<&str>,
    source: Source,
    key: Option<&str>,
) -> bool {
    matches!(
        source,
        Source::Empty | Source::Prompt | Source::Picked | Source::Endorsed
    ) || key.is_some_and(|id| targets.iter().any(|target| people.with(target, id)))
}
