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
    watch::Holds,
};
use crate::{finding::Verdict, rule};

/// Dictionaries kept that may hold what an object's state should not.
const KEPT: usize = 1 << 20;
/// Of [`OWN`], those that name what is called as soon as there is anything to fill.
const AT_ONCE: u32 = 5;
/// And those, up to this, that name what adds to an object; the rest is what functions call on what they are given.
const GROWS: u32 = 8;
/// Tuples in tuples that are followed.
const DEPTH: u32 = 3;

/// See the module.
#[derive(Default)]
pub(super) struct Asked {
    /// Dictionaries with a name that was made, not read, for something that may be called.
    odd: HashSet<u32>,
    /// Some dictionary names what adds items, and something that may be called.
    grows: bool,
    /// Dictionaries that hold a callable, or an object of a library whose own do not stay in it.
    acts: HashSet<u32>,
    /// The same of objects that are dictionaries, by what made them.
    odd_of: HashSet<u32>,
    acts_of: HashSet<u32>,
    /// Imports whose objects were given a state by the file, though they are called to be made.
    built: HashSet<u32>,
    /// Callables that made a dictionary of what they were given, which was not looked at item by item.
    packed: HashSet<u32>,
}

/// Keeps a dictionary's number, or that some are not kept.
pub(super) fn keep(numbers: &mut HashSet<u32>, number: u32) {
    numbers.insert(if numbers.len() < KEPT { number } else { PAYLOAD });
}

/// Whether a number was kept; once one was not, any may have been.
pub(super) fn is_kept(numbers: &HashSet<u32>, number: u32) -> bool {
    !numbers.is_empty() && (number == PAYLOAD || numbers.contains(&number) || numbers.contains(&PAYLOAD))
}

/// Libraries whose functions are given objects of their own, and whose objects hold nothing that can be called.
fn is_tame_module(module: &str) -> bool {
    let first = module.split('.').next().unwrap_or_default();
    matches!(
        first,
        "pandas" | "geopandas" | "pyproj" | "shapely" | "sympy" | "xarray" | "onnx"
    )
}

/// Whether a callable keeps what it is given and asks it for nothing: errors, tuples with names, what picks items.
fn keeps(module: &str, name: &str) -> bool {
    let error = name.ends_with("Error") || name.ends_with("Exception") || name.ends_with("Warning");
    match module {
        "builtins" | "__builtin__" => error || matches!(name, "slice" | "object" | "StopIteration"),
        "operator" => name == "itemgetter",
        "optuna.samplers._tpe.parzen_estimator" => true,
        "scipy.stats._stats_py" => true,
        _ => matches!(
            classes::look_up(module, name),
            Some(Class {
                made: Made::Tuple(_) | Made::Error,
                ..
            })
        ),
    }
}

/// Whether a module makes numbers, texts and places of whatever it is given, element by element.
fn makes_values(module: &str) -> bool {
    matches!(
        module,
        "numpy"
            | "array"
            | "datetime"
            | "decimal"
            | "fractions"
            | "ipaddress"
            | "pathlib"
            | "torch"
            | "torch.torch_version"
            | "uuid"
            | "zoneinfo"
    )
}

/// Whether a module of statsmodels was written in Cython: objects of its classes have fields of a kind, and no attributes.
fn is_of_fields(module: &str) -> bool {
    module.starts_with("statsmodels.tsa.statespace._")
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
        asks: true,
        wild: false,
        calls: false,
        takes: false,
        apart: true,
    };
    Some(classes::look_up(module, name).map_or(ours, |class| Class {
        filled: class.filled || ours.filled,
        // Those of our own lists are taken as they were before there was a table.
        slots: class.slots || allow::is_ours(module, name),
        asks: class.asks || class.wild,
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

    /// Whether a value is called when it is called: a function, a class, what binds one to its arguments.
    fn is_callable(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Global(_) | Kind::Tainted => true,
            Kind::Object(at) => match self.use_at(at) {
                Some(Use::Check(check)) => matches!(
                    check,
                    Check::Partial
                        | Check::Getattr
                        | Check::Maker
                        | Check::Bound
                        | Check::Ready
                        | Check::Ufunc
                ),
                _ => self.imported(at).is_some_and(|(_, name)| name == "itemgetter"),
            },
            _ => false,
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
            let callable = self.is_callable(value);
            if callable || self.is_made(value) && !self.is_tame(value) {
                match target.kind() {
                    Kind::Object(of) => _ = self.asked.acts_of.insert(of),
                    _ => keep(&mut self.asked.acts, number),
                }
            }
            match key.kind() {
                Kind::Text(id) if id < AT_ONCE => self.asks(
                    "state",
                    "names what an object is filled by, and hands it something that may be called",
                ),
                Kind::Text(id) if id < GROWS => self.asked.grows = true,
                Kind::Text(id) if (id as usize) < OWN.len() && (callable || made && self.is_made(value)) => {
                    self.asks(
                        "state",
                        "names what functions call on an object, and hands it something that may be called",
                    )
                }
                Kind::Text(id) if (id as usize) < OWN.len() && self.is_made(value) => {
                    self.odd(target, number)
                }
                Kind::Object(_) if self.may_name(key) => {
                    if made {
                        self.asks(
                            "key",
                            "gives an object an item under a name that was made and can't be read",
                        );
                    } else {
                        self.odd(target, number);
                    }
                }
                _ => {}
            }
        }
    }

    /// A dictionary holds something that may be called, under a name that should hold nothing such or can't be read.
    fn odd(&mut self, target: Value, number: u32) {
        match target.kind() {
            Kind::Object(of) => _ = self.asked.odd_of.insert(of),
            _ => keep(&mut self.asked.odd, number),
        }
    }

    /// Whether a value is of a library whose objects hold nothing that can be called.
    fn is_tame(&self, value: Value) -> bool {
        let Kind::Object(at) = value.kind() else {
            return false;
        };
        self.imported(at)
            .is_some_and(|(module, _)| is_tame_module(module))
    }

    /// Whether the file wrote what a value says when it is asked: an object with a state, or a dictionary that was made of
    /// what nobody looked at.
    pub(super) fn wrote(&self, value: Value) -> bool {
        let Kind::Object(at) = value.kind() else {
            return false;
        };
        matches!(
            self.use_at(at),
            Some(Use::New | Use::Check(Check::Distribution | Check::Formula | Check::Ready))
        ) || self.asked.built.contains(&at)
            || self.asked.packed.contains(&at)
    }

    /// Whether a callable that is harmless with numbers and texts is given what the file wrote. It may look anything up on it,
    /// and what it finds there is called.
    pub(super) fn is_lied_to(&self, at: u32, arguments: Option<&[Value]>) -> bool {
        let Some((module, name)) = self.imported(at) else {
            return true;
        };
        if keeps(module, name) {
            return false;
        }
        let Some(arguments) = arguments else { return false };
        let tame = is_tame_module(module);
        let elements = !matches!(module, "builtins" | "__builtin__" | "collections");
        // Of hooks that a tensor keeps, nothing is asked; of an array's elements, only by what makes a number or a text of it.
        let hooks = matches!(module, "torch._utils" | "torch._tensor") && name.starts_with("_rebuild");
        let values = makes_values(module);
        let fields = is_of_fields(module);
        let shows =
            |value: Value| values || !(hooks || self.is_array(value) || fields && self.has_fields(value));
        let lies = |value: Value| match value.kind() {
            Kind::Object(_) => {
                self.wrote(value) && !(tame && self.is_tame(value))
                    || elements && !tame && shows(value) && self.does_hold(value)
            }
            Kind::Container(_) => {
                self.is_odd(value)
                    || tame && self.does_act(value)
                    || elements && !tame && self.does_hold(value)
            }
            _ => false,
        };
        arguments.iter().any(|value| {
            lies(*value)
                || elements
                    && matches!(value.kind(), Kind::Tuple(..))
                    && self
                        .elements(*value)
                        .is_some_and(|inner| inner.into_iter().any(lies))
                || elements && !tame && matches!(value.kind(), Kind::Tuple(..)) && self.has_written(*value, 0)
        })
    }

    /// Whether a value is an object that has fields and no attributes, so that it is asked for nothing that a file wrote.
    fn has_fields(&self, value: Value) -> bool {
        matches!(value.kind(), Kind::Object(at)
            if self.imported(at).is_some_and(|(module, _)| is_of_fields(module)))
    }

    /// A call made something: a dictionary, perhaps, whose items went by unseen.
    pub(super) fn packs(&mut self, at: u32, given: Option<&[Value]>) {
        let table = matches!(
            self.imported(at),
            Some(("builtins" | "__builtin__", "dict"))
                | Some(("collections", "OrderedDict" | "defaultdict" | "Counter"))
                | Some(("nltk.probability", _))
        );
        // A factory, or a dictionary that was looked at when it was filled.
        let seen = given.is_some_and(|given| {
            given.iter().all(|value| match value.kind() {
                Kind::Global(_) | Kind::None => true,
                Kind::Object(of) => self.use_at(of) == Some(Use::Check(Check::Partial)),
                Kind::Container(number) => number & 3 == Holds::Items as u32 && !self.does_act(*value),
                _ => false,
            })
        });
        if table && !seen {
            self.asked.packed.insert(at);
        }
        let attributes = matches!(
            self.imported(at),
            Some(("torch._utils", "_rebuild_parameter_with_state"))
                | Some(("torch._tensor", "_rebuild_from_type" | "_rebuild_from_type_v2"))
        );
        if attributes && given.is_none_or(|given| given.iter().any(|value| self.does_act(*value))) {
            self.asked.built.insert(at);
        }
    }

    /// Whether a dictionary names what should not hold what it holds.
    fn is_odd(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Container(number) => is_kept(&self.asked.odd, number),
            Kind::Object(of) => self.asked.packed.contains(&of) || self.asked.odd_of.contains(&of),
            _ => false,
        }
    }

    /// Whether a dictionary holds what may be called.
    fn does_act(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Container(number) => is_kept(&self.asked.acts, number),
            Kind::Object(of) => self.asked.packed.contains(&of) || self.asked.acts_of.contains(&of),
            _ => false,
        }
    }

    /// An object is given a state.
    pub(super) fn own_state(&mut self, target: Value, state: Value) {
        let Kind::Object(at) = target.kind() else { return };
        let parts = match state.kind() {
            Kind::Tuple(_, 2) => self.elements(state).unwrap_or_else(|| vec![state; 2]),
            Kind::Tuple(..) => self.elements(state).unwrap_or_else(|| vec![state]),
            _ => vec![state],
        };
        self.holds_state(target, &parts);
        if parts.iter().any(|part| self.is_odd(*part)) {
            self.asks(
                "state",
                "sets attributes whose names can't be read, or that are called when an object is asked for itself",
            );
        }
        let acts = parts.iter().any(|part| self.does_act(*part));
        if acts && matches!(self.use_at(at), Some(Use::Call(..))) {
            self.asked.built.insert(at);
        }
        if acts && self.is_tame(target) {
            self.asks(
                "state",
                "gives an object of a library that keeps no functions something that may be called",
            );
        }
        let Some(class) = self.class_at(at) else { return };
        if class.reads || class.wild {
            self.in_state(state);
        }
        let slotted = match parts.as_slice() {
            [_, slots] => matches!(
                slots.kind(),
                Kind::Container(_) | Kind::Object(_) | Kind::Tuple(..)
            ),
            _ => false,
        };
        let runs = slotted && !class.slots && !class.reads;
        if runs && !self.may_be_wild(at, |class| class.takes) {
            self.asks(
                "slots",
                "sets attributes as if they were slots, which runs what the class says of them",
            );
        }
    }

    /// Items are added to an object.
    pub(super) fn filled(&mut self, at: u32) {
        if self.class_at(at).is_some_and(|class| !class.filled) && !self.may_be_wild(at, |class| class.takes)
        {
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
