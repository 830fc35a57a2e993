//! Which record of a list has the most or the least of something.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    amount::Amount,
    canon,
    manifest::{Class, Manifest},
    prompt::Prompt,
    words,
};

/// Most records that are told to be others than the one.
const OTHERS: usize = 1024;

type Best = BTreeMap<(Box<str>, bool), Box<str>>;

/// Records that hold the most and the least of each number, by its field. Empty where lists disagree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extremes {
    /// By numbers and ids that the service told.
    best: Best,
    /// By any: what she passes over is that whoever tells it.
    loose: Best,
    /// All that were held against one another, by the field.
    all: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

/// A list, and where in an answer it stands.
#[derive(Clone, Copy)]
struct List<'a> {
    manifest: &'a Manifest,
    at: &'a [&'a str],
    list: &'a [Value],
}

impl List<'_> {
    fn trusted(&self, key: &str) -> bool {
        self.manifest.class(&[self.at, &[key]].concat()) == Class::Trusted
    }

    /// Every record's number of this field, and its id; sorted. Of more than one record, and of all.
    fn ranked(&self, field: &str, loose: bool) -> Option<Vec<(Amount, Box<str>)>> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // `price_total` is told by a word of it, where no other field is.
        let first = self.list.first()?.as_object()?;
        let mut like = first
            .keys()
            .filter(|key| words::split(key).iter().any(|word| word == field));
        let only = like.next().filter(|_| like.next().is_none());
        let own = first.get_key_value(field).map(|(key, _)| key);
        let key = own.or(only).filter(|key| loose || self.trusted(key))?;
        // `order_id` where it is the only one by which records are told apart.
        let ends = |key: &&String| {
            let last = words::split(key);
            last.last()
                .is_some_and(|last| ["id", "ref", "sku", "code", "number"].contains(&last.as_str()))
        };
        let differ = |key: &&String| {
            let values: BTreeSet<String> = self
                .list
                .iter()
                .filter_map(|record| record.get(*key))
                .map(text)
                .collect();
            values.len() == self.list.len()
        };
        let mut tells = first
            .keys()
            .filter(ends)
            .filter(|key| loose || self.trusted(key))
            .filter(differ);
        let apart = tells.next().filter(|_| tells.next().is_none());
        let id = |record: &Value| {
            let map = record.as_object()?;
            let told = |key: &str| loose || self.trusted(key);
            let plain = map
                .iter()
                .find(|(key, _)| matches!(key.as_str(), "id" | "id_" | "uuid") && told(key));
            let only = apart.and_then(|key| map.get_key_value(key));
            canon::canonical(&text(plain.or(only)?.1)).ok().map(|c| c.key)
        };
        let values: Option<Vec<(Amount, Box<str>)>> = self
            .list
            .iter()
            .map(|record| Some((Amount::parse(&text(record.get(key)?))?, id(record)?)))
            .collect();
        let mut values = values.filter(|values| values.len() > 1)?;
        values.sort();
        Some(values)
    }
}

impl Extremes {
    /// Those that lists left undecided, and all that may be passed over.
    pub(crate) fn withdrawn(&self) -> usize {
        self.best.values().filter(|id| id.is_empty()).count()
            + self.all.values().map(BTreeSet::len).sum::<usize>()
    }

    /// Takes in the list that an answer is, or the only one that it holds.
    pub(crate) fn read(&mut self, manifest: &Manifest, value: &Value) {
        match value {
            Value::Array(list) => self.list(List {
                manifest,
                at: &["0"],
                list,
            }),
            Value::Object(map) => {
                let mut lists = map
                    .iter()
                    .filter_map(|(key, inner)| Some((key, inner.as_array()?)));
                if let (Some((key, list)), None) = (lists.next(), lists.next()) {
                    self.list(List {
                        manifest,
                        at: &[key, "0"],
                        list,
                    });
                }
            }
            _ => {}
        }
    }

    /// Only a list whose every record has an id, and only without a tie.
    fn list(&mut self, list: List<'_>) {
        let fields = words::EXTREMES.iter().flat_map(|(_, _, fields)| fields.iter());
        for field in fields.copied().collect::<BTreeSet<&str>>() {
            if let Some(values) = list.ranked(field, false) {
                decide(&mut self.best, field, &values);
            }
            let Some(values) = list.ranked(field, true) else {
                continue;
            };
            decide(&mut self.loose, field, &values);
            let of = self.all.entry(field.into()).or_default();
            let room = OTHERS.saturating_sub(of.len());
            of.extend(values.into_iter().take(room).map(|(_, id)| id));
        }
    }

    /// The human says which by the most or least of something, and lists tell which one that is.
    pub(crate) fn picks(&self, prompt: &Prompt) -> bool {
        any(&self.best, prompt, |id| !id.is_empty())
    }

    /// The human asked for the most or least of something, and this id is the record that is.
    pub(crate) fn picked(&self, prompt: &Prompt, key: &str) -> bool {
        any(&self.best, prompt, |id| id == key)
    }

    /// The human asked for the most or least of something, and this is another of those that have it.
    pub(crate) fn passed_over(&self, prompt: &Prompt, key: &str) -> bool {
        let held = |field: &str| self.all.get(field).is_some_and(|ids| ids.contains(key));
        let asked = |(said, _, fields): &(&[&str], bool, &[&str])| {
            said.iter().any(|word| prompt.holds(word)) && fields.iter().any(|field| held(field))
        };
        any(&self.loose, prompt, |id| !id.is_empty())
            && !any(&self.loose, prompt, |id| id == key)
            && words::EXTREMES.iter().any(asked)
    }
}

/// Which record of a sorted list is the one, at either end.
fn decide(best: &mut Best, field: &str, values: &[(Amount, Box<str>)]) {
    let (least, most) = (values.first(), values.last());
    let before = values.len().checked_sub(2).and_then(|at| values.get(at));
    for (end, one, next) in [(false, least, values.get(1)), (true, most, before)] {
        let place = (field.into(), end);
        match (one, next) {
            (Some((value, id)), Some((other, _))) if value != other => {
                // Two lists that disagree leave nothing: which one the human meant is not known.
                let kept = best.entry(place).or_insert_with(|| id.clone());
                if kept != id {
                    *kept = "".into();
                }
            }
            _ => drop(best.insert(place, "".into())),
        }
    }
}

fn any(best: &Best, prompt: &Prompt, is: impl Fn(&str) -> bool) -> bool {
    words::EXTREMES.iter().any(|(said, most, fields)| {
        said.iter().any(|word| prompt.holds(word))
            && fields
                .iter()
                .any(|field| best.get(&((*field).into(), *most)).is_some_and(|id| is(id)))
    })
}
