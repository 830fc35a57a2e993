//! What containers hold: objects whose state the file wrote. Whoever is given the container may ask them for their text, their
//! length or their number.
//!
//! Lists, dictionaries and sets are known by their numbers. Objects that are filled item by item (`OrderedDict`, `defaultdict`,
//! `deque`), and arrays of objects, are known by what made them, so that what one holds counts for all of its kind. Of
//! containers in containers it is not told which one holds what.

use std::collections::HashSet;

use super::{
    asked::{is_kept, keep},
    machine::Machine,
    value::{Kind, PAYLOAD, Value},
};

/// Tuples in tuples that are looked into.
const DEPTH: u8 = 3;

/// See the module.
#[derive(Default)]
pub(super) struct Held {
    /// Containers that hold such an object, and those that hold containers.
    written: HashSet<u32>,
    nests: HashSet<u32>,
    /// The same of objects, by what made them.
    written_of: HashSet<u32>,
    nests_of: HashSet<u32>,
}

impl Machine<'_, '_, '_, '_> {
    /// Values from `mark` on become elements, members or items of `target`.
    pub(super) fn holds(&mut self, target: Value, mark: usize) {
        let (written, nests) = self.grows_by(self.from(mark));
        self.note_held(target, written, nests);
        // Whatever else is filled so is filled by no pickler: any container may hold it.
        if written && matches!(target.kind(), Kind::Object(at) if !self.may_be_filled(at)) {
            keep(&mut self.held.written, PAYLOAD);
        }
    }

    /// An object is given these as its state. An array keeps the elements of a list; what reads a state and is listed may keep
    /// them too.
    pub(super) fn holds_state(&mut self, target: Value, parts: &[Value]) {
        if !self.wrote(target) {
            let (written, nests) = self.grows_by(parts);
            self.note_held(target, written, nests);
        }
    }

    /// Whether any of these is, or holds, an object whose state the file wrote, and whether any may be given one later.
    fn grows_by(&self, values: &[Value]) -> (bool, bool) {
        let (mut written, mut nests) = (false, false);
        for value in values {
            if self.has_written(*value, 0) {
                written = true;
            } else {
                nests = nests || self.may_grow(*value, 0);
            }
        }
        (written, nests)
    }

    fn note_held(&mut self, target: Value, written: bool, nests: bool) {
        if let Kind::Object(of) = target.kind() {
            if written {
                self.held.written_of.insert(of);
            }
            if nests {
                self.held.nests_of.insert(of);
            }
            return;
        }
        let number = target.number().unwrap_or(PAYLOAD);
        if written {
            keep(&mut self.held.written, number);
        }
        if nests {
            keep(&mut self.held.nests, number);
        }
    }

    /// Whether a value is an object whose state the file wrote, or a tuple or container that holds one. Of tuples in tuples
    /// the third is not looked into.
    pub(super) fn has_written(&self, value: Value, depth: u8) -> bool {
        match value.kind() {
            Kind::Tuple(_, 0) => false,
            Kind::Tuple(..) if depth < DEPTH => {
                let given = self.arguments(value);
                let inner = given.all();
                inner.is_none_or(|inner| inner.iter().any(|one| self.has_written(*one, depth + 1)))
            }
            Kind::Tuple(..) => true,
            _ => self.wrote(value) || self.does_hold(value),
        }
    }

    /// Whether a value may be given something after it was put where it is, or is a tuple that holds such a value.
    fn may_grow(&self, value: Value, depth: u8) -> bool {
        match value.kind() {
            Kind::Container(_) => true,
            Kind::Object(at) => self.may_be_filled(at) || self.is_array(value),
            Kind::Tuple(_, 0) => false,
            Kind::Tuple(..) if depth < DEPTH => {
                let given = self.arguments(value);
                let inner = given.all();
                inner.is_none_or(|inner| inner.iter().any(|one| self.may_grow(*one, depth + 1)))
            }
            Kind::Tuple(..) => true,
            _ => false,
        }
    }

    /// Whether objects of an import are filled item by item.
    fn may_be_filled(&self, at: u32) -> bool {
        let own = match self.imported(at) {
            Some(("collections", _)) => true,
            Some(("builtins" | "__builtin__", name)) => matches!(name, "dict" | "list" | "set"),
            _ => false,
        };
        own || self
            .imports
            .get(at as usize)
            .is_some_and(|import| import.class.is_some_and(|class| class.filled))
    }

    /// Whether a value is an array of numpy's.
    pub(super) fn is_array(&self, value: Value) -> bool {
        let Kind::Object(at) = value.kind() else {
            return false;
        };
        self.imported(at)
            .is_some_and(|(module, name)| name == "_reconstruct" && module.starts_with("numpy"))
    }

    /// Whether a container holds such an object, or a container that may: which one does is not told apart.
    pub(super) fn does_hold(&self, value: Value) -> bool {
        let held = &self.held;
        let any = !held.written.is_empty() || !held.written_of.is_empty();
        match value.kind() {
            Kind::Container(number) => is_kept(&held.written, number) || any && is_kept(&held.nests, number),
            Kind::Object(of) => held.written_of.contains(&of) || any && held.nests_of.contains(&of),
            _ => false,
        }
    }
}
