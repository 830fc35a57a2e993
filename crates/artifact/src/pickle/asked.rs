//! What Python asks of an object while it fills it, and whoever wrote the pickle can answer.
//!
//! `__setstate__`, `extend`, `append` and `add` are looked up on the object, so that a state that was given before may hold
//! a callable under these names; a state with slots goes through setters; items go through methods of the class. Where a
//! class is not known to do no more than assign, that is no pickler's doing, and is said.

use std::collections::HashSet;

use super::{
    allow::{self, Check, Use},
    call::How,
    classes::{self, Class, Made},
    machine::Machine,
    text::OWN,
    value::{Kind, PAYLOAD, Value},
};
use crate::{finding::Verdict, rule};

/// Dictionaries kept that may hold what an object's state should not.
const KEPT: usize = 1 << 16;
/// Of [`OWN`], those that name what is called as soon as there is anything to fill.
const AT_ONCE: u32 = 3;
/// Tuples in tuples that are followed.
const DEPTH: u32 = 3;

/// See the module.
#[derive(Default)]
pub(super) struct Asked {
    /// Dictionaries with a name that was made, not read, for something that may be called.
    odd: HashSet<u32>,
    /// Some dictionary names what adds items, and something that may be called.
    grows: bool,
}

/// What objects of an import may be asked for.
pub(super) fn class_of(module: &str, name: &str, uses: Use) -> Option<Class> {
    if uses != Use::New {
        return None;
    }
    let ours = Class {
        made: Made::New,
        filled: allow::is_filled(module, name),
        slots: true,
        reads: true,
    };
    Some(classes::look_up(module, name).map_or(ours, |class| Class {
        filled: class.filled || ours.filled,
        // Those of our own lists are taken as they were before there was a table.
        slots: class.slots || allow::is_ours(module, name),
        ..class
    }))
}

impl Machine<'_, '_, '_, '_> {
    fn asks(&mut self, subject: &str, what: &str) {
        if !self.context.probing {
            self.scan.find(
                &rule::ARITY,
                Verdict::Suspicious,
                self.at,
                subject,
                what.to_owned(),
            );
        }
    }

    /// What its objects may be asked for, if a value is one whose class was written in Python.
    fn class_at(&self, at: u32) -> Option<Class> {
        self.imports.get(at as usize)?.class
    }

    /// Whether a value may be called, or do as its class says.
    fn may_act(value: Value) -> bool {
        matches!(
            value.kind(),
            Kind::Global(_) | Kind::Object(_) | Kind::Tainted | Kind::Persistent | Kind::Wrapper
        )
    }

    /// Whether a value may be a text that was made rather than read: its letters are not known.
    fn may_name(&self, value: Value) -> bool {
        let Kind::Object(at) = value.kind() else {
            return false;
        };
        match self.use_at(at) {
            Some(Use::Check(Check::Single)) => true,
            _ => self.imported(at).is_some_and(|(module, name)| {
                matches!(
                    name,
                    "str" | "unicode" | "str_" | "unicode_" | "scalar" | "encode"
                ) && (matches!(module, "builtins" | "__builtin__" | "_codecs" | "codecs")
                    || module.starts_with("numpy"))
            }),
        }
    }

    /// Items from `mark` on go into dictionary `number`, or into an object: names that Python will look up there.
    pub(super) fn own_names(&mut self, target: Value, number: u32, mark: usize) {
        let made = matches!(target.kind(), Kind::Object(at) if self.class_at(at).is_some());
        let mut at = mark;
        while let [key, value, ..] = *self.from(at) {
            at += 2;
            if !Self::may_act(value) {
                continue;
            }
            match key.kind() {
                Kind::Text(id) if id < AT_ONCE => self.asks(
                    "state",
                    "names what an object is filled by, and hands it something that may be called",
                ),
                Kind::Text(id) if (id as usize) < OWN.len() => self.asked.grows = true,
                Kind::Object(_) if self.may_name(key) => {
                    if made {
                        self.asks(
                            "key",
                            "gives an object an item under a name that was made and can't be read",
                        );
                    } else if self.asked.odd.len() < KEPT {
                        self.asked.odd.insert(number);
                    } else {
                        self.asked.odd.insert(PAYLOAD);
                    }
                }
                _ => {}
            }
        }
    }

    /// An object is given a state.
    pub(super) fn own_state(&mut self, target: Value, state: Value) {
        let Kind::Object(at) = target.kind() else { return };
        let parts = match state.kind() {
            Kind::Tuple(_, 2) => self.elements(state).unwrap_or_else(|| vec![state; 2]),
            _ => vec![state],
        };
        let odd = parts.iter().any(
            |part| matches!(part.kind(), Kind::Container(number) if self.asked.odd.contains(&number) || number == PAYLOAD && !self.asked.odd.is_empty()),
        );
        if odd {
            self.asks("state", "sets attributes whose names were made and can't be read");
        }
        let Some(class) = self.class_at(at) else { return };
        let slotted = match parts.as_slice() {
            [_, slots] => matches!(
                slots.kind(),
                Kind::Container(_) | Kind::Object(_) | Kind::Tuple(..)
            ),
            _ => false,
        };
        if slotted && !class.slots && !class.reads {
            self.asks(
                "slots",
                "sets attributes as if they were slots, which runs what the class says of them",
            );
        }
    }

    /// Items are added to an object.
    pub(super) fn filled(&mut self, at: u32) {
        if self.class_at(at).is_some_and(|class| !class.filled) {
            let of = self.imported(at).map(|(module, name)| format!("{module}.{name}"));
            let of = of.unwrap_or_default();
            self.asks(
                &of,
                &format!("gives items to an object of `{of}`, which runs what its class says of them"),
            );
        }
    }

    /// Elements or members are added to an object by what it says itself. One that is called to be made has a state as well:
    /// `OrderedDict`, `Counter` and their like.
    pub(super) fn grown(&mut self, target: Value) {
        if self.asked.grows && matches!(target.kind(), Kind::Object(_)) {
            self.asks(
                "items",
                "gives elements to an object that may have been told itself how to add them",
            );
        }
    }

    /// Whether a state makes values up as it is asked for them.
    pub(super) fn makes_up(&self, state: Value) -> bool {
        let Kind::Object(at) = state.kind() else {
            return false;
        };
        matches!(
            self.imported(at),
            Some(("collections", "defaultdict" | "ChainMap"))
        )
    }

    /// Whether a class of the table that is not made by `__new__` alone is given what it is made of.
    pub(super) fn of_table(&self, check: Check, at: u32, given: Option<&[Value]>, how: How) -> bool {
        let Some(given) = given else { return false };
        match check {
            Check::Member => how == How::Call && given.len() == 1 && self.are_plain(given),
            Check::Single => given.len() <= 1 && self.are_plain(given),
            Check::Compiled => how == How::Call && self.fills_fields(at, given),
            _ => false,
        }
    }

    /// Whether values are numbers, texts and the like, which run nothing when they are compared.
    fn are_plain(&self, values: &[Value]) -> bool {
        self.are_plain_to(values, 0)
    }

    fn are_plain_to(&self, values: &[Value], depth: u32) -> bool {
        values.iter().all(|value| match value.kind() {
            Kind::Data
            | Kind::Int(_)
            | Kind::Text(_)
            | Kind::Recent(_)
            | Kind::Bytes(_)
            | Kind::None
            | Kind::Number
            | Kind::Template
            | Kind::Tainted => true,
            Kind::Tuple(..) if depth < DEPTH => self
                .elements(*value)
                .is_some_and(|inner| self.are_plain_to(&inner, depth + 1)),
            _ => false,
        })
    }

    /// Whether what Cython wrote is given its own class, or one that is made from it, and the fields.
    fn fills_fields(&self, at: u32, given: &[Value]) -> bool {
        let [class, _, fields] = given else { return false };
        let Kind::Global(class) = class.kind() else {
            return false;
        };
        let (Some((module, name)), Some((of, own))) = (self.imported(at), self.imported(class)) else {
            return false;
        };
        let same = of == module && classes::compiled(module, name) == Some(own);
        // The last may be a dictionary of attributes, which is walked.
        let last = match fields.kind() {
            Kind::None => Some(Value::NONE),
            Kind::Tuple(..) => self
                .elements(*fields)
                .map(|fields| fields.last().copied().unwrap_or(Value::NONE)),
            _ => None,
        };
        (same || self.use_at(class) == Some(Use::New)) && last.is_some_and(|last| !self.is_made(last))
    }
}
