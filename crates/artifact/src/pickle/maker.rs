//! Classes that take keywords, as protocols before 4 write them: `partial(class.__new__, class, ...)()`. The partial is made
//! of `class.__new__` alone, given the rest as its state, and called with nothing.
//!
//! Followed are exactly these three steps, and the class is held to what it is held to when it is made by an opcode. A class
//! that must not be handed on is lent to the tuple of arguments in between, and a tuple that no such state takes is told.

use super::{
    allow::{Check, Use},
    machine::{Halt, Machine, Step},
    value::{Kind, PAYLOAD, Value},
    watch::Holds,
};
use crate::{finding::Verdict, rule};

/// What is between the steps.
#[derive(Default)]
pub(super) struct Makers {
    /// The class whose partial waits for its state.
    pending: Option<u32>,
    /// Tuples that hold a class which must not be handed on.
    lent: u32,
}

impl Machine<'_, '_, '_, '_> {
    /// `getattr(class, '__new__')`, for a class that may be made.
    pub(super) fn maker(&mut self, class: u32) -> Step<Option<Value>> {
        let makes = matches!(
            self.use_at(class),
            Some(Use::New | Use::Call(..) | Use::Check(Check::Symbol | Check::Symbolic))
        );
        if !makes {
            return Ok(None);
        }
        self.back(class);
        self.listed(class, "__new__", Check::Maker).map(Some)
    }

    /// An import that stands for a step on the way to an object of `class`.
    fn listed(&mut self, class: u32, step: &str, check: Check) -> Step<Value> {
        let (module, name) = self.imported(class).ok_or(Halt::Limit)?;
        let (module, name) = (module.to_owned(), format!("{name}.{step}"));
        // No import has a name that begins so.
        self.enlist(format!("\0{class} {step}"), module, name, Use::Check(check))
    }

    /// The class that a step leads to.
    fn class_of(&self, step: u32) -> Option<u32> {
        let (module, name) = self.imported(step)?;
        let (class, _) = name.rsplit_once('.')?;
        self.import_of.get(&format!("{module}\n{class}")).copied()
    }

    /// `partial(class.__new__)`, if that is what is called.
    pub(super) fn bound(&mut self, given: Option<&[Value]>) -> Step<Option<Value>> {
        let Some([maker]) = given else { return Ok(None) };
        let Kind::Global(at) = maker.kind() else {
            return Ok(None);
        };
        let class = self
            .class_of(at)
            .filter(|_| self.use_at(at) == Some(Use::Check(Check::Maker)));
        let Some(class) = class else { return Ok(None) };
        self.makers.pending = Some(class);
        self.listed(class, "__new__()", Check::Bound).map(Some)
    }

    /// Whether the values from `mark` on become the arguments of `getattr` for `__new__`, or of the partial that waits, and
    /// begin with a class that must not be handed on.
    pub(super) fn lends(&mut self, mark: usize) -> bool {
        let [first, rest @ ..] = self.from(mark) else {
            return false;
        };
        let Kind::Global(class) = first.kind() else {
            return false;
        };
        let asks = matches!(rest, [name] if self.text_of(*name) == Some(b"__new__"));
        let lends = self.is_held(class) && (asks || self.makers.pending == Some(class));
        self.makers.lent += u32::from(lends);
        lends
    }

    /// Whether a class is one that evaluates what it is made of.
    fn is_held(&self, class: u32) -> bool {
        matches!(
            self.use_at(class),
            Some(Use::Check(Check::Symbol | Check::Symbolic))
        )
    }

    /// A tuple that a class was lent to was taken as it should be.
    fn back(&mut self, class: u32) {
        if self.is_held(class) {
            self.makers.lent = self.makers.lent.saturating_sub(1);
        }
    }

    /// The partial of a class gets its state: the class again, its arguments, keywords.
    pub(super) fn arguments_bound(&mut self, bound: u32, state: Value) -> Step<Option<Value>> {
        let Some(class) = self.class_of(bound) else {
            return Ok(None);
        };
        let Some(parts) = self.elements(state) else {
            return Ok(None);
        };
        let [maker, arguments, keywords, rest] = parts.as_slice() else {
            return Ok(None);
        };
        let Kind::Global(maker) = maker.kind() else {
            return Ok(None);
        };
        let same =
            self.use_at(maker) == Some(Use::Check(Check::Maker)) && self.class_of(maker) == Some(class);
        let plain = matches!(keywords.kind(), Kind::Container(_)) && *rest == Value::NONE;
        let Some(arguments) = self.elements(*arguments).filter(|_| same && plain) else {
            return Ok(None);
        };
        let Some((first, given)) = arguments.split_first() else {
            return Ok(None);
        };
        let fits = *first == Value::global(class)
            && match self.use_at(class) {
                Some(Use::New) => given.is_empty(),
                Some(Use::Call(_, most)) => given.len() <= usize::from(most),
                Some(Use::Check(Check::Symbol)) => self.are_symbols(given, true, 0),
                Some(Use::Check(Check::Symbolic)) => self.are_symbols(given, false, 0),
                _ => false,
            };
        if !fits {
            return Ok(None);
        }
        self.makers.pending = None;
        self.back(class);
        self.listed(class, "__new__(state)", Check::Ready).map(Some)
    }

    /// What the call of a partial that has its state makes.
    pub(super) fn ready(&self, step: u32) -> Option<Value> {
        self.class_of(step).map(Value::object)
    }

    /// A function of sympy that has a name and no assumptions: what it is given is evaluated as an expression's parts are.
    pub(super) fn undefined(&mut self, maker: u32, given: Option<&[Value]>) -> Step<Option<Value>> {
        let Some([name, keywords]) = given else {
            return Ok(None);
        };
        let named = matches!(name.kind(), Kind::Text(_) | Kind::Recent(_));
        let none = match keywords.kind() {
            Kind::Container(number) if number & 3 == Holds::Items as u32 => {
                self.watch.items(number).is_some_and(|items| items.is_empty())
            }
            _ => false,
        };
        if !(named && none) {
            return Ok(None);
        }
        self.listed(maker, "undefined", Check::Symbolic).map(Some)
    }

    /// Whether it is a class that `copyreg` finds under one that was written in Python, and given what it keeps: its
    /// `__init__` is run.
    pub(super) fn is_base(&self, value: Value, state: Value) -> bool {
        let Kind::Global(at) = value.kind() else {
            return false;
        };
        let Some(("builtins" | "__builtin__", name)) = self.imported(at) else {
            return false;
        };
        let holds = matches!(state.kind(), Kind::Container(_) | Kind::Tuple(..));
        match name {
            "object" => true,
            // Its items were looked at when it was filled, those of a list of pairs were not.
            "dict" => {
                matches!(state.kind(), Kind::Container(number) if number != PAYLOAD && number & 3 == Holds::Items as u32)
            }
            "list" | "set" | "frozenset" | "tuple" => !self.is_made(state),
            "str" | "unicode" | "bytes" | "bytearray" | "int" | "long" | "float" | "complex" => {
                !holds && !self.is_made(state)
            }
            _ => false,
        }
    }

    /// At the end: classes that were lent and not given back.
    pub(super) fn settled(&mut self) {
        if self.makers.lent > 0 && !self.context.probing {
            let what = "hands on a class that evaluates what it is made of".to_owned();
            self.scan
                .find(&rule::RESOLVER, Verdict::Malicious, self.at, "partial", what);
        }
    }
}
