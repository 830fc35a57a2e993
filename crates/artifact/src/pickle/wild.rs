//! Classes that do more than keep their state, and functions that make objects: harmless in a pickle of their library alone.
//!
//! The table marks them where all that their code can come to, by the names of what it calls, was looked at in every class of
//! the library that may be beside them. So a pickle that names one holds objects of that library, Python's and numpy's plain
//! ones, and nothing that can be called: no function, no class and no method is handed on as a value.

use std::collections::HashSet;

use super::{
    allow::{self, Check, Use},
    asked::{is_kept, keep},
    classes,
    machine::Machine,
    value::{Kind, TUPLES, Value},
};
use crate::{finding::Verdict, rule};

/// See the module.
#[derive(Default)]
pub(super) struct Wild {
    /// The first import that needs it, and where it was used.
    needs: Option<(u32, u64)>,
    /// The library, by the first part of its modules' names.
    library: Option<String>,
    /// Something may not be beside it.
    odd: bool,
    /// Tuples that hold something to call.
    tuples: HashSet<u32>,
}

/// What Python's and numpy's own picklers write, and what it makes: plain values.
fn is_plain(module: &str, name: &str, uses: Use) -> bool {
    let python = match module {
        "builtins" | "__builtin__" => !matches!(uses, Use::Check(Check::Getattr)),
        "collections" => matches!(name, "OrderedDict" | "defaultdict" | "deque" | "Counter"),
        "datetime" | "decimal" | "fractions" | "uuid" | "zoneinfo" | "array" => true,
        "_codecs" | "codecs" => true,
        "copyreg" | "copy_reg" => true,
        _ => false,
    };
    let numpy = module == "numpy" || module.starts_with("numpy.");
    let used = matches!(
        uses,
        Use::Value | Use::Call(..) | Use::Check(Check::Dtype | Check::Generator)
    );
    python || numpy && (used || name == "RandomState")
}

/// A type of which calling it makes a plain value.
fn makes_plain(module: &str, name: &str, uses: Use) -> bool {
    match module {
        "builtins" | "__builtin__" => matches!(
            name,
            "int"
                | "long"
                | "float"
                | "bool"
                | "complex"
                | "str"
                | "unicode"
                | "list"
                | "dict"
                | "tuple"
                | "set"
                | "frozenset"
                | "object"
                | "NoneType"
        ),
        // `datetime.date` and its like, numpy's numbers and its arrays, which are made by a function beside them.
        "numpy" => matches!(uses, Use::Call(..)) || name == "ndarray",
        _ => false,
    }
}

impl Machine<'_, '_, '_, '_> {
    /// Something is imported: whether it may be beside a class that does more than keep its state, or is one.
    pub(super) fn beside(&mut self, at: u32) {
        let (Some((module, name)), Some(uses)) = (self.imported(at), self.use_at(at)) else {
            return;
        };
        if is_plain(module, name, uses) || is_step(name) {
            return;
        }
        let class = classes::look_up(module, name).filter(|class| !class.apart);
        let root = module.split('.').next().unwrap_or_default().to_owned();
        let same = self.wild.library.as_ref().is_none_or(|library| *library == root);
        // Those of our own lists were read by a person.
        let wild = class.is_some_and(|class| class.wild) && !allow::is_ours(module, name);
        self.wild.odd |= class.is_none() || !same;
        self.wild.library = Some(root);
        if wild {
            self.is_wild(at);
        }
    }

    /// The loader gives an object of its own.
    pub(super) fn is_beside_anything(&mut self) {
        self.wild.odd = true;
    }

    /// Something is used as only a pickle of one library may.
    pub(super) fn is_wild(&mut self, at: u32) {
        self.wild.needs.get_or_insert((at, self.at));
    }

    /// Whether what is no pickler's doing otherwise may be done with an import in a pickle of its library alone.
    pub(super) fn may_be_wild(&mut self, at: u32, asks: fn(classes::Class) -> bool) -> bool {
        let class = self
            .imported(at)
            .and_then(|(module, name)| classes::look_up(module, name));
        let may = class.is_some_and(asks);
        if may {
            self.is_wild(at);
        }
        may
    }

    /// Whether a value can be called, or is a tuple that holds one.
    fn can_be_called(&self, value: Value) -> bool {
        match value.kind() {
            Kind::Global(at) => match (self.imported(at), self.use_at(at)) {
                (Some((module, name)), Some(uses)) => !makes_plain(module, name, uses),
                _ => true,
            },
            Kind::Tuple(TUPLES, count) => count > 0 && !self.wild.tuples.is_empty(),
            Kind::Tuple(sequence, _) => is_kept(&self.wild.tuples, sequence),
            _ => false,
        }
    }

    fn any_called(&self, values: &[Value]) -> bool {
        values.iter().any(|value| self.can_be_called(*value))
    }

    /// A tuple is made of the values from `mark` on: arguments, perhaps.
    pub(super) fn tupled(&mut self, mark: usize, sequence: u32) {
        if self.any_called(self.from(mark)) {
            keep(&mut self.wild.tuples, sequence);
        }
    }

    /// Values from `mark` on are put where code may find them.
    pub(super) fn placed(&mut self, mark: usize) {
        self.wild.odd |= self.any_called(self.from(mark));
    }

    /// An object is given a state.
    pub(super) fn put_state(&mut self, state: Value) {
        self.wild.odd |= self.can_be_called(state);
    }

    /// Arguments are given to something. What makes objects of a class is given that class, and hands it on to nobody.
    pub(super) fn put_arguments(&mut self, at: u32, arguments: Value) {
        if !self.can_be_called(arguments) {
            return;
        }
        let makes = match self.imported(at) {
            Some(("copyreg" | "copy_reg", _)) => true,
            Some((module, name)) => name == "_reconstruct" && module.starts_with("numpy"),
            None => false,
        };
        let checked = matches!(
            self.use_at(at),
            Some(Use::Check(Check::Compiled | Check::Generator | Check::Dtype))
        );
        self.wild.odd |= !makes && !checked;
    }

    /// At the end: whether a class that does more than keep its state is in a pickle of its library alone, or none is there.
    pub(super) fn tamed(&mut self) {
        let Some((at, offset)) = self.wild.needs.filter(|_| self.wild.odd && !self.context.probing) else {
            return;
        };
        let dotted = self
            .imported(at)
            .map_or_else(String::new, |(module, name)| format!("{module}.{name}"));
        let what = format!(
            "`{dotted}` does more than keep what it is given, beside what is not known to be harmless with it"
        );
        self.scan
            .find(&rule::UNLISTED_IMPORT, Verdict::Unknown, offset, &dotted, what);
    }

    /// Whether the pickle holds one library's objects and nothing that can be called.
    pub(super) fn is_alone(&self) -> bool {
        !self.wild.odd
    }
}

/// A step on the way to an object, which is no import of the file's.
fn is_step(name: &str) -> bool {
    name.ends_with(".__new__") || name.ends_with(".__new__()") || name.ends_with(".__new__(state)")
}
