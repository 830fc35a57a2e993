//! Which record of a list has the most or the least of something.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    amount::Amount,
    canon,
    manifest::{Class, Manifest},
    prompt::Prompt,
    words,
};

/// Records that hold the most and the least of each trusted number, by its field. Empty where lists disagree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extremes(BTreeMap<(Box<str>, bool), Box<str>>);

impl Extremes {
    /// Those that lists left undecided.
    pub(crate) fn withdrawn(&self) -> usize {
        self.0.values().filter(|id| id.is_empty()).count()
    }

    /// Takes in the list that an answer is, or the only one that it holds.
    pub(crate) fn read(&mut self, manifest: &Manifest, value: &Value) {
        match value {
            Value::Array(list) => self.list(manifest, &["0"], list),
            Value::Object(map) => {
                let mut lists = map
                    .iter()
                    .filter_map(|(key, inner)| Some((key, inner.as_array()?)));
                if let (Some((key, list)), None) = (lists.next(), lists.next()) {
                    self.list(manifest, &[key, "0"], list);
                }
            }
            _ => {}
        }
    }

    /// Only a list whose every record has a trusted id, and only without a tie.
    fn list(&mut self, manifest: &Manifest, at: &[&str], list: &[Value]) {
        let trusted = |key: &str| manifest.class(&[at, &[key]].concat()) == Class::Trusted;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let id = |record: &Value| {
            let map = record.as_object()?;
            let plain = map
                .iter()
                .find(|(key, _)| matches!(key.as_str(), "id" | "id_" | "uuid") && trusted(key));
            // `order_id` where it is the only one of its record.
            let ends = |key: &str| {
                words::split(key)
                    .last()
                    .is_some_and(|last| last == "id" || last == "ref")
                    && trusted(key)
            };
            let mut others = map.iter().filter(|(key, _)| ends(key));
            let only = others.next().filter(|_| others.next().is_none());
            let (_, value) = plain.or(only)?;
            canon::canonical(&text(value)).ok().map(|c| c.key)
        };
        for field in words::EXTREMES
            .iter()
            .flat_map(|(_, _, fields)| fields.iter())
            .filter(|field| trusted(field))
        {
            let values: Option<Vec<(Amount, Box<str>)>> = list
                .iter()
                .map(|record| Some((Amount::parse(&text(record.get(field)?))?, id(record)?)))
                .collect();
            let Some(mut values) = values.filter(|values| values.len() > 1) else {
                continue;
            };
            values.sort();
            let (least, most) = (values.first(), values.last());
            for (most, best, next) in [
                (false, least, values.get(1)),
                (true, most, values.get(values.len() - 2)),
            ] {
                let place = ((*field).into(), most);
                match (best, next) {
                    (Some((value, id)), Some((other, _))) if value != other => {
                        // Two lists that disagree leave nothing: which one the human meant is not known.
                        let kept = self.0.entry(place).or_insert_with(|| id.clone());
                        if kept != id {
                            *kept = "".into();
                        }
                    }
                    _ => {
                        self.0.insert(place, "".into());
                    }
                }
            }
        }
    }

    /// The human says which by the most or least of something, and lists tell which one that is.
    pub(crate) fn picks(&self, prompt: &Prompt) -> bool {
        self.any(prompt, |id| !id.is_empty())
    }

    /// The human asked for the most or least of something, and this id is the record that is.
    pub(crate) fn picked(&self, prompt: &Prompt, key: &str) -> bool {
        self.any(prompt, |id| id == key)
    }

    fn any(&self, prompt: &Prompt, is: impl Fn(&str) -> bool) -> bool {
        words::EXTREMES.iter().any(|(said, most, fields)| {
            said.iter().any(|word| prompt.holds(word))
                && fields
                    .iter()
                    .any(|field| self.0.get(&((*field).into(), *most)).is_some_and(|id| is(id)))
        })
    }
}
