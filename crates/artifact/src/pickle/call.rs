//! What calls mean: a listed callable with the arguments that picklers give it, or a finding.

use super::{
    allow::{Check, Use},
    import::Import,
    machine::{ELEMENTS, Machine, Step, TUPLE_RING},
    value::{Kind, MANY, TUPLES, Value},
};
use crate::{
    finding::{Verdict, shown},
    rule,
};

/// How something is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// `callable(*arguments)`.
    Call,
    /// `class.__new__(class, *arguments)`.
    New,
    /// The same with keywords.
    NewWith,
    /// INST and OBJ without arguments: `class.__new__(class)`, or a call of what is no class.
    Bare,
}

/// The elements of a tuple, as far as they are remembered.
pub(super) struct Arguments {
    /// How many; `None`: not known.
    pub(super) count: Option<usize>,
    pub(super) values: [Value; ELEMENTS],
    remembered: bool,
}

impl Arguments {
    /// All of them, if they are remembered.
    pub(super) fn all(&self) -> Option<&[Value]> {
        self.values.get(..self.count.filter(|_| self.remembered)?)
    }
}

impl Machine<'_, '_, '_, '_> {
    pub(super) fn arguments(&self, value: Value) -> Arguments {
        let mut arguments = Arguments {
            count: None,
            values: [Value::DATA; ELEMENTS],
            remembered: false,
        };
        let Kind::Tuple(sequence, count) = value.kind() else {
            return arguments;
        };
        if sequence == TUPLES && count == 0 {
            arguments.count = Some(0);
            arguments.remembered = true;
        } else if let Some((there, length, values)) = self.tuples.get(sequence as usize % TUPLE_RING)
            && *there == sequence
            && sequence != TUPLES
        {
            arguments.count = Some(usize::from(*length));
            arguments.values = *values;
            arguments.remembered = true;
        } else if count < MANY {
            arguments.count = Some(count as usize);
        }
        arguments
    }

    /// A tuple's elements, when all of them are remembered.
    pub(super) fn elements(&self, value: Value) -> Option<Vec<Value>> {
        let arguments = self.arguments(value);
        let remembered = match value.kind() {
            Kind::Tuple(_, 0) => true,
            Kind::Tuple(sequence, _) => {
                sequence != TUPLES
                    && self
                        .tuples
                        .get(sequence as usize % TUPLE_RING)
                        .is_some_and(|(there, ..)| *there == sequence)
            }
            _ => false,
        };
        let count = arguments.count.filter(|count| remembered && *count <= ELEMENTS)?;
        arguments.values.get(..count).map(<[Value]>::to_vec)
    }

    /// A value goes into a container, a call or a state. What may only be called under a check may not.
    pub(super) fn handed_on(&mut self, value: Value) {
        let Kind::Global(at) = value.kind() else { return };
        let Some(import) = self.imports.get(at as usize) else {
            return;
        };
        if let Use::Check(check) = import.uses
            && !matches!(
                check,
                Check::Dtype | Check::Generator | Check::Kind | Check::Maker | Check::Member | Check::Single
            )
        {
            let dotted = import.dotted();
            let what = format!("hands `{dotted}` on, to be called where its arguments can't be seen");
            self.scan
                .find(&rule::RESOLVER, Verdict::Malicious, self.at, &dotted, what);
        }
    }

    /// REDUCE, NEWOBJ, NEWOBJ_EX, OBJ, INST.
    pub(super) fn call(&mut self, function: Value, arguments: Value, how: How) -> Step<Value> {
        let at = match function.kind() {
            Kind::Global(at) => at,
            Kind::Tainted if function != Value::MADE => return Ok(Value::TAINTED),
            _ if self.context.probing => return Ok(Value::DATA),
            _ => {
                self.scan.find(
                    &rule::CALLS_OBJECT,
                    Verdict::Suspicious,
                    self.at,
                    "call",
                    "calls a value that is not an import".to_owned(),
                );
                return Ok(Value::TAINTED);
            }
        };
        let given = self.arguments(arguments);
        let Some(import) = self.imports.get(at as usize) else {
            return Ok(Value::TAINTED);
        };
        if let Use::Check(check) = import.uses {
            self.put_arguments(at, arguments);
            return self.checked(check, at, &given, how);
        }
        let fits = match (import.uses, how) {
            (Use::Unlisted(_), _) => return Ok(self.called_unlisted(at, &given)),
            (Use::Check(_) | Use::Value, _) => false,
            (Use::New, How::New | How::NewWith | How::Bare) => given.count == Some(0),
            (Use::New, How::Call) => false,
            (Use::Call(least, most), How::Call | How::Bare) => given
                .count
                .is_some_and(|count| (usize::from(least)..=usize::from(most)).contains(&count)),
            (Use::Call(_, most), How::New | How::NewWith) => {
                given.count.is_some_and(|count| count <= usize::from(most))
            }
        };
        let wild = !fits && self.may_be_wild(at, |class| class.calls);
        self.put_arguments(at, arguments);
        if wild {
            return Ok(Value::object(at));
        }
        if fits && self.is_made_up(at, given.all()) {
            let dotted = self
                .imports
                .get(at as usize)
                .map_or_else(String::new, Import::dotted);
            let what = format!("has `{dotted}` make as much as a number in the file says");
            self.scan
                .find(&rule::ARITY, Verdict::Suspicious, self.at, &dotted, what);
        }
        let asks = fits && (self.is_asked(at, given.all()) || self.is_lied_to(at, given.all()));
        if fits {
            self.packs(at, given.all());
            self.in_call(at, given.all());
        }
        if asks {
            let dotted = self
                .imports
                .get(at as usize)
                .map_or_else(String::new, Import::dotted);
            let what = format!(
                "has `{dotted}` ask an object for its elements or its text, which runs code of its class"
            );
            self.scan
                .find(&rule::ARITY, Verdict::Suspicious, self.at, &dotted, what);
        } else if !fits {
            self.misused(at, &given);
        }
        Ok(Value::object(at))
    }

    pub(super) fn called_unlisted(&mut self, at: u32, given: &Arguments) -> Value {
        let Some(import) = self.imports.get(at as usize) else {
            return Value::TAINTED;
        };
        let Use::Unlisted(verdict) = import.uses else {
            return Value::TAINTED;
        };
        let dotted = import.dotted();
        let mut words = Vec::new();
        for value in given.values.iter().take(given.count.unwrap_or(0).min(4)) {
            words.push(match value.kind() {
                Kind::Global(other) => self
                    .imports
                    .get(other as usize)
                    .map_or_else(|| "...".to_owned(), Import::dotted),
                _ => self
                    .text_of(*value)
                    .map_or_else(|| "...".to_owned(), |text| format!("'{}'", shown(text, 120))),
            });
        }
        let rule = match verdict {
            Verdict::Malicious => &rule::DANGEROUS_IMPORT,
            _ => &rule::UNLISTED_IMPORT,
        };
        // A call says more than the import that it belongs to, and a called function is worse than a named one.
        let worse = verdict.max(Verdict::Unknown);
        let what = format!("calls `{dotted}({})` when it is loaded", words.join(", "));
        self.scan.restate(rule, worse, &dotted, what);
        Value::given_by(&dotted)
    }

    pub(super) fn misused(&mut self, at: u32, given: &Arguments) {
        let Some(import) = self.imports.get(at as usize) else {
            return;
        };
        let dotted = import.dotted();
        let count = given
            .count
            .map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
        let what = format!("calls `{dotted}` with {count} arguments, which no pickler writes");
        self.scan
            .find(&rule::ARITY, Verdict::Suspicious, self.at, &dotted, what);
    }

    /// Whether it is an object whose state the file wrote.
    pub(super) fn is_made(&self, value: Value) -> bool {
        matches!(value.kind(), Kind::Object(at) if self.use_at(at) == Some(Use::New))
    }
}
