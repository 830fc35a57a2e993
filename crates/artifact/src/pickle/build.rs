//! What is given to objects that are there: a state, items, elements.

use super::{
    allow::{Check, Use},
    import::Import,
    machine::{Machine, Step},
    value::{Kind, Value},
};
use crate::{finding::Verdict, rule};

impl Machine<'_, '_, '_, '_> {
    /// BUILD.
    pub(super) fn build(&mut self, target: Value, state: Value) -> Step<Value> {
        self.handed_on(state);
        // A dictionary that is its own state: `self.__dict__ = self`.
        if (self.wrote(state) || self.makes_up(state)) && state != target && !self.context.probing {
            let what =
                "gives an object a state that is an object itself, and runs what its class says of items";
            self.scan.find(
                &rule::ARITY,
                Verdict::Suspicious,
                self.at,
                "state",
                what.to_owned(),
            );
        }
        self.own_state(target, state);
        self.put_state(state);
        match target.kind() {
            Kind::Object(at) => {
                if let Some(Use::Check(check)) = self.use_at(at)
                    && matches!(
                        check,
                        Check::Distribution | Check::Formula | Check::Symbolic | Check::Symbol
                    )
                    && !self.state_fits(check, state)
                {
                    self.evaluated(at);
                }
                Ok(target)
            }
            Kind::Tainted => Ok(target),
            Kind::Dtype(at) => {
                self.dtype_state(at, state);
                Ok(target)
            }
            Kind::Wrapper => self.wrapped_array(state),
            Kind::Global(at) if self.use_at(at) == Some(Use::Check(Check::Bound)) => {
                match self.arguments_bound(at, state)? {
                    Some(ready) => Ok(ready),
                    None => {
                        self.evaluated(at);
                        Ok(Value::TAINTED)
                    }
                }
            }
            _ if self.context.probing => Ok(target),
            _ => {
                self.changes_import(target, "sets attributes of");
                Ok(Value::TAINTED)
            }
        }
    }

    /// The state of an object whose class runs a part of it is not what the library writes.
    fn evaluated(&mut self, at: u32) {
        let dotted = self
            .imports
            .get(at as usize)
            .map_or_else(String::new, Import::dotted);
        let what = format!(
            "gives `{dotted}` a state that it runs or evaluates, and that its library does not write"
        );
        self.scan
            .find(&rule::RESOLVER, Verdict::Malicious, self.at, &dotted, what);
    }

    /// Items are added to `target`.
    pub(super) fn changes(&mut self, target: Value) -> Step {
        match target.kind() {
            Kind::Object(at) => self.filled(at),
            Kind::Container(_) | Kind::Tainted => {}
            _ if self.context.probing => {}
            _ => self.changes_import(target, "adds items to"),
        }
        Ok(())
    }

    /// An object whose class was written in Python is given items under keys that can be called: `DataFrame` calls them.
    pub(super) fn keyed(&mut self, target: Value, items: usize) {
        let calls = |key: &Value| {
            key.is_global()
                || matches!(key.kind(), Kind::Object(at)
                    if matches!(self.use_at(at), Some(Use::Check(Check::Partial | Check::Getattr))))
        };
        if self.is_made(target) && self.from(items).iter().step_by(2).any(calls) {
            let what = "gives an object an item whose key can be called, and some classes call it".to_owned();
            self.scan
                .find(&rule::ARITY, Verdict::Suspicious, self.at, "key", what);
        }
    }

    fn changes_import(&mut self, target: Value, does: &str) {
        let (severity, dotted) = match target.kind() {
            Kind::Global(at) => (
                Verdict::Malicious,
                self.imports
                    .get(at as usize)
                    .map_or_else(String::new, Import::dotted),
            ),
            _ => (Verdict::Suspicious, "a value that has none".to_owned()),
        };
        let what = format!("{does} `{dotted}`, for everyone in the loading process");
        self.scan
            .find(&rule::PATCHES_IMPORT, severity, self.at, &dotted, what);
    }
}
