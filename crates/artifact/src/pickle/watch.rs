//! What dictionaries hold, once somebody will ask: joblib's stand-ins for arrays, and objects that do more with their state
//! than keep it.
//!
//! A dictionary is known whole or not at all. One that may have been given items before anybody watched, one that was given
//! more than is kept, and one that was dropped to make room are unknown, and what needs them is not followed.

use std::collections::HashMap;

use super::{
    machine::Machine,
    value::{Kind, PAYLOAD, Value},
};
use crate::{finding::Verdict, rule};

/// Dictionaries kept, twice: the older half goes when the newer is full.
const KEPT: usize = 1 << 14;
/// Items kept of a dictionary.
const ITEMS: usize = 64;

/// What a container holds: the low bits of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A dictionary's.
    Items = 0,
    /// A list's.
    Elements = 1,
    /// A set's.
    Members = 2,
}

/// See the module. `None` in a map: that dictionary holds more than is kept.
#[derive(Default)]
pub(super) struct Watch {
    on: bool,
    /// Dictionaries up to this number may hold what was not seen.
    unseen: u32,
    newer: HashMap<u32, Option<Vec<(Value, Value)>>>,
    older: HashMap<u32, Option<Vec<(Value, Value)>>>,
}

impl Watch {
    /// From now on; `made` dictionaries are there already.
    pub(super) fn start(&mut self, made: u32) {
        if !self.on {
            self.on = true;
            self.unseen = made;
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Keys and values in turn that dictionary `number` is given.
    pub(super) fn put(&mut self, number: u32, values: &[Value]) {
        if number == PAYLOAD || number <= self.unseen {
            return;
        }
        if self.newer.len() >= KEPT {
            let dropped = self.older.keys().copied().max().unwrap_or(0);
            self.unseen = self.unseen.max(dropped);
            self.older = std::mem::take(&mut self.newer);
        }
        let before = self.older.remove(&number);
        let kept = self
            .newer
            .entry(number)
            .or_insert_with(|| before.unwrap_or_else(|| Some(Vec::new())));
        let whole = kept
            .as_ref()
            .is_some_and(|items| items.len() + values.len() / 2 <= ITEMS);
        if !whole {
            *kept = None;
        }
        if let Some(items) = kept {
            items.extend(values.chunks_exact(2).filter_map(|pair| match pair {
                [key, value] => Some((*key, *value)),
                _ => None,
            }));
        }
    }

    /// All that a dictionary was given, in this order; `None`: not known.
    pub(super) fn items(&self, number: u32) -> Option<Vec<(Value, Value)>> {
        if !self.on || number == PAYLOAD || number <= self.unseen {
            return None;
        }
        match self.newer.get(&number).or_else(|| self.older.get(&number)) {
            Some(items) => items.clone(),
            None => Some(Vec::new()),
        }
    }
}

impl Machine<'_, '_, '_, '_> {
    /// No pickler gives items to a list or appends to a dictionary, and loaders differ in what they do then.
    pub(super) fn suits(&mut self, target: Value, holds: Holds) {
        let odd = match target.kind() {
            Kind::Container(number) => number != PAYLOAD && number & 3 != holds as u32,
            Kind::Object(at) => self
                .imported(at)
                .is_some_and(|(module, name)| module == "torch._utils" && name.starts_with("_rebuild")),
            _ => false,
        };
        if odd && !self.context.probing {
            let what = "changes a list, a dictionary, a set or a tensor in a way that only another can be";
            self.scan.find(
                &rule::ARITY,
                Verdict::Suspicious,
                self.at,
                "items",
                what.to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: u64) -> Vec<Value> {
        (0..2 * count).map(Value::int).collect()
    }

    #[test]
    fn a_dictionary_is_known_whole_or_not_at_all() {
        let mut watch = Watch::default();
        assert_eq!(watch.items(1), None, "nobody watched");
        watch.start(1);
        watch.put(1, &pairs(1));
        assert_eq!(watch.items(1), None, "it may have had items before");
        assert_eq!(watch.items(2), Some(Vec::new()));
        watch.put(2, &pairs(1));
        watch.put(2, &pairs(2));
        assert_eq!(watch.items(2).map(|items| items.len()), Some(3));
        watch.put(2, &pairs(ITEMS as u64));
        assert_eq!(watch.items(2), None, "more than is kept");
        watch.put(2, &pairs(1));
        assert_eq!(watch.items(2), None, "and it stays so");
        watch.put(3, &pairs(1));
        for number in 4..4 + 2 * KEPT as u32 + 2 {
            watch.put(number, &pairs(1));
        }
        assert_eq!(watch.items(3), None, "dropped");
        assert!(watch.items(4 + 2 * KEPT as u32).is_some());
    }
}
