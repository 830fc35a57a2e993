//! What Python asks of an object that becomes a key or a member: its hash, and whether it equals another.
//!
//! Most classes hash and compare what they hold, each for itself, so that nothing runs but what those do. Some iterate over
//! it, measure it or turn it into text, and then the class of what they hold says what is done; the table marks them. What
//! objects hold is not followed: a pickle that names such a class may have no object of any class for a key.

use std::collections::HashSet;

use super::{
    allow::{Check, Use},
    asked::{is_kept, keep},
    machine::Machine,
    value::{Kind, TUPLES, Value},
    watch::Holds,
};
use crate::{finding::Verdict, rule};

/// See the module.
#[derive(Default)]
pub(super) struct Keyed {
    /// Lists and sets that hold objects, and tuples.
    containers: HashSet<u32>,
    tuples: HashSet<u32>,
    /// Callables that were given an object, and may have made something that holds it.
    holding: HashSet<u32>,
    /// A class that asks what it holds is named.
    asks: bool,
    /// Where an object became a key.
    keys: Option<u64>,
}

impl Machine<'_, '_, '_, '_> {
    /// Whether a value is an object of a class that was written in Python, or holds one where its hash asks for it.
    fn is_held_to_ask(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Object(at) => {
                self.wrote(value)
                    || self.use_at(at) == Some(Use::Check(Check::Compiled))
                    || self.hashed.holding.contains(&at)
            }
            Kind::Tuple(TUPLES, count) => count > 0 && !self.hashed.tuples.is_empty(),
            Kind::Tuple(sequence, _) => is_kept(&self.hashed.tuples, sequence),
            Kind::Container(number) => is_kept(&self.hashed.containers, number),
            _ => false,
        }
    }

    fn any_asks(&self, values: &[Value]) -> bool {
        values.iter().any(|value| self.is_held_to_ask(*value))
    }

    /// A tuple is made of the values from `mark` on.
    pub(super) fn in_tuple(&mut self, mark: usize, sequence: u32) {
        if self.any_asks(self.from(mark)) {
            keep(&mut self.hashed.tuples, sequence);
        }
    }

    /// The values from `mark` on go into a container; those of a set, and every other of a dictionary, become keys.
    pub(super) fn in_container(&mut self, number: Option<u32>, mark: usize, holds: Holds) {
        if !self.any_asks(self.from(mark)) {
            return;
        }
        let keys = match holds {
            Holds::Items => self
                .from(mark)
                .iter()
                .step_by(2)
                .any(|key| self.is_held_to_ask(*key)),
            Holds::Members => true,
            Holds::Elements => false,
        };
        if let Some(number) = number.filter(|_| holds != Holds::Items) {
            keep(&mut self.hashed.containers, number);
        }
        if keys {
            self.compared();
        }
    }

    /// Something was called with these: what it makes may hold them, and a set or dictionary makes keys of them.
    pub(super) fn in_call(&mut self, at: u32, given: Option<&[Value]>) {
        if !given.is_none_or(|given| self.any_asks(given)) {
            return;
        }
        self.hashed.holding.insert(at);
        let keys = match self.imported(at) {
            Some(("builtins" | "__builtin__", name)) => matches!(name, "set" | "frozenset" | "dict"),
            Some(("collections", name)) => name != "deque",
            Some((module, _)) => module == "nltk.probability",
            None => true,
        };
        if keys {
            self.compared();
        }
    }

    /// A class that reads its state itself may look for a text among the elements of one that is no dictionary, or make keys of
    /// them.
    pub(super) fn in_state(&mut self, state: Value) {
        if matches!(state.kind(), Kind::Tuple(..) | Kind::Container(_)) && self.is_held_to_ask(state) {
            self.compared();
        }
    }

    fn compared(&mut self) {
        self.hashed.keys.get_or_insert(self.at);
    }

    /// A class that asks what it holds is named.
    pub(super) fn compares(&mut self) {
        self.hashed.asks = true;
    }

    /// At the end: whether an object is a key that may be compared by what it holds, or by what that holds. In a pickle of one
    /// library, that was looked at.
    pub(super) fn settle_keys(&mut self) {
        let at = self.hashed.keys.filter(|_| self.hashed.asks);
        if let Some(at) = at.filter(|_| !self.is_alone() && !self.context.probing) {
            let what =
                "makes an object a key, and names a class that compares objects by what their classes say";
            self.scan
                .find(&rule::ARITY, Verdict::Unknown, at, "key", what.to_owned());
        }
    }
}
