//! Calls of what is harmless only with what its check lets through: `getattr`, `functools.partial`, makers that call what they
//! are given.

use super::{
    allow::{self, Check, Use},
    call::{Arguments, How},
    import::Import,
    joblib::Dtype,
    machine::{ELEMENTS, Halt, Machine, Step},
    value::{Kind, PAYLOAD, Value},
};
use crate::{finding::Verdict, rule};

/// Numpy types kept.
const DTYPES: usize = 1 << 16;

impl Machine<'_, '_, '_, '_> {
    pub(super) fn checked(&mut self, check: Check, at: u32, given: &Arguments, how: How) -> Step<Value> {
        let [first, second, third, ..] = given.values;
        let count = given.count.unwrap_or(usize::MAX);
        // A class that nobody knows is as bad as it is, whichever way it is made.
        if let (Check::Reconstructor | Check::Newobj, Kind::Global(class)) = (check, first.kind())
            && matches!(self.use_at(class), Some(Use::Unlisted(_)))
        {
            return Ok(self.called_unlisted(class, given));
        }
        if check == Check::Partial
            && let Some(bound) = self.bound(given.all())?
        {
            return Ok(bound);
        }
        if let Some(name) = self.own_type(check, given) {
            return self.import(b"builtins", name.as_bytes());
        }
        let harmless = match check {
            Check::Getattr => return self.attribute(at, given),
            Check::Wrapper if how != How::Call && count == 0 => return Ok(Value::WRAPPER),
            Check::Maker | Check::Bound | Check::Wrapper => false,
            Check::Undefined => match self.undefined(at, given.all())?.filter(|_| how == How::Call) {
                Some(function) => return Ok(function),
                None => false,
            },
            Check::Ready => match self.ready(at).filter(|_| how == How::Call && count == 0) {
                Some(made) => return Ok(made),
                None => false,
            },
            Check::Encode => count == 2 && self.is_codec(second),
            Check::Partial => (1..=ELEMENTS).contains(&count) && self.may_bind(first),
            Check::Reconstructor => count == 3 && self.may_call(first) && self.is_base(second, third),
            Check::Newobj => (1..=ELEMENTS).contains(&count) && self.may_make(first, count.saturating_sub(1)),
            Check::Rebuild => {
                count == 4 && second.is_global() && self.takes(first, self.arguments(third).count)
            }
            Check::Array => (3..=4).contains(&count) && self.takes(first, self.arguments(second).count),
            Check::Numpy => count == 4 && self.makes_array(first),
            Check::Ufunc => {
                let names = self.word_of(first).zip(self.word_of(second));
                count == 2 && names.is_some_and(|(module, name)| allow::is_ufunc(&module, &name))
            }
            Check::Generator => how == How::Call && self.makes_generator(given),
            Check::Member | Check::Single | Check::Compiled => self.of_table(check, at, given.all(), how),
            Check::Kind => how == How::Call && count == 1 && self.is_constant(first),
            Check::Type => count == 1 && self.word_of(first).is_some_and(|name| is_plain_type(&name)),
            Check::Distribution | Check::Formula => how != How::Call && count == 0,
            Check::Symbolic => {
                how == How::New && given.all().is_some_and(|given| self.are_symbols(given, false, 0))
            }
            Check::Symbol => {
                how != How::Call && given.all().is_some_and(|given| self.are_symbols(given, true, 0))
            }
            Check::Dtype => return self.dtype(at, given),
            Check::Bytes => return Ok(self.unpacked(at, first, count)),
        };
        if !harmless {
            self.reaches(at);
            return Ok(Value::TAINTED);
        }
        self.packs(at, given.all());
        self.in_call(at, given.all());
        // What a reconstructor makes is an object of the class that it is given.
        Ok(Value::object(match first.kind() {
            Kind::Global(class) if matches!(check, Check::Reconstructor | Check::Newobj) => class,
            _ => at,
        }))
    }

    /// What is made of a pickle inside bytes, if that was followed.
    fn unpacked(&mut self, at: u32, bytes: Value, count: usize) -> Value {
        let followed = matches!(bytes.kind(), Kind::Bytes(number) if number < PAYLOAD && self.followed.contains(&number));
        if count == 1 && followed {
            Value::object(at)
        } else {
            self.nested_unread(at)
        }
    }

    /// A type of Python's own by the name that dill gives it, which it may call.
    fn own_type(&self, check: Check, given: &Arguments) -> Option<String> {
        let [first, ..] = given.values;
        let name = (check == Check::Type && given.count == Some(1)).then(|| self.word_of(first))??;
        let plain = matches!(allow::look_up("builtins", &name), Use::Value | Use::Call(..));
        plain.then_some(name)
    }

    fn makes_generator(&self, given: &Arguments) -> bool {
        given
            .all()
            .is_some_and(|given| given.len() <= 2 && self.are_generators(given))
    }

    /// Tells that what can reach anything reaches something that is on no list.
    fn reaches(&mut self, at: u32) {
        let dotted = self
            .imports
            .get(at as usize)
            .map_or_else(String::new, Import::dotted);
        let what = format!("calls `{dotted}` to reach something that is not on the list of harmless names");
        self.scan
            .find(&rule::RESOLVER, Verdict::Malicious, self.at, &dotted, what);
    }

    fn nested_unread(&mut self, at: u32) -> Value {
        let dotted = self
            .imports
            .get(at as usize)
            .map_or_else(String::new, Import::dotted);
        self.scan.find(
            &rule::NESTED_PICKLE,
            Verdict::Suspicious,
            self.at,
            &dotted,
            format!("calls `{dotted}` on bytes that could not be followed"),
        );
        Value::TAINTED
    }

    /// `getattr(import, 'name')` is an import of the longer name; on anything else it can't be judged.
    fn attribute(&mut self, at: u32, given: &Arguments) -> Step<Value> {
        let [object, name, ..] = given.values;
        let word = self.word_of(name);
        if let (Some(2), Kind::Global(class), Some("__new__")) = (given.count, object.kind(), word.as_deref())
            && let Some(maker) = self.maker(class)?
        {
            return Ok(maker);
        }
        if let (Some(2), Kind::Global(class), Some(name)) = (given.count, object.kind(), word.as_deref())
            && self.use_at(class) == Some(Use::Check(Check::Member))
            && is_public(name)
        {
            return Ok(Value::object(class));
        }
        let owner = match object.kind() {
            Kind::Global(at) => self.imports.get(at as usize),
            _ => None,
        };
        if given.count == Some(2)
            && let (Some(owner), Some(word)) = (owner, word)
        {
            let (module, name) = (owner.module.clone(), format!("{}.{word}", owner.name));
            return self.import(module.as_bytes(), name.as_bytes());
        }
        // Methods of distributions and of numpy's generators, which states name: what is called of this later is told.
        if let Kind::Object(class) = object.kind()
            && given.count == Some(2)
            && self
                .word_of(name)
                .is_some_and(|name| self.has_method(class, &name))
        {
            return Ok(Value::object(at));
        }
        let what = "takes an attribute of something that is not an import, or by a name that can't be read";
        self.scan.find(
            &rule::RESOLVER,
            Verdict::Malicious,
            self.at,
            "getattr",
            what.to_owned(),
        );
        Ok(Value::TAINTED)
    }

    fn is_codec(&self, value: Value) -> bool {
        let word = self.word_of(value).unwrap_or_default();
        matches!(
            word.as_str(),
            "latin1" | "latin-1" | "iso-8859-1" | "utf-8" | "utf8" | "ascii" | "raw_unicode_escape"
        )
    }

    fn use_of(&self, value: Value) -> Option<Use> {
        match value.kind() {
            Kind::Global(at) => self.imports.get(at as usize).map(|import| import.uses),
            _ => None,
        }
    }

    /// Whether a value is an import that may be called with anything.
    fn may_call(&self, value: Value) -> bool {
        matches!(self.use_of(value), Some(Use::New | Use::Call(..) | Use::Value))
    }

    /// Whether arguments may be bound to it, for whoever calls it later. Of a class of the table only how it is made bare was
    /// read, and not what its `__init__` does; layers of networks are made so by all who build them.
    fn may_bind(&self, value: Value) -> bool {
        let known = match value.kind() {
            Kind::Global(at) => self.imports.get(at as usize).is_none_or(|import| {
                let bare = import.class.is_none() || import.module.starts_with("torch.nn.modules.");
                // nltk reads what it needs for a language from a file of that name.
                bare && import.module != "nltk.tokenize"
            }),
            _ => true,
        };
        known && self.may_call(value)
    }

    /// Whether it is an import that is called with so many arguments.
    fn takes(&self, value: Value, count: Option<usize>) -> bool {
        match self.use_of(value) {
            Some(Use::Call(least, most)) => {
                count.is_some_and(|count| (usize::from(least)..=usize::from(most)).contains(&count))
            }
            _ => false,
        }
    }

    /// `None`, `...` or `NotImplemented`: Python's picklers write their classes as what `type` gives for them.
    fn is_constant(&self, value: Value) -> bool {
        match value.kind() {
            Kind::None => true,
            Kind::Global(at) => matches!(
                self.imported(at),
                Some(("builtins" | "__builtin__", "Ellipsis" | "NotImplemented"))
            ),
            _ => false,
        }
    }

    fn may_make(&self, value: Value, count: usize) -> bool {
        match self.use_of(value) {
            Some(Use::New) => count == 0,
            Some(Use::Call(_, most)) => count <= usize::from(most),
            _ => false,
        }
    }

    fn dtype(&mut self, at: u32, given: &Arguments) -> Step<Value> {
        if self.dtypes.len() >= DTYPES {
            return Err(Halt::Limit);
        }
        let [first, ..] = given.values;
        let dtype = match self.text_of(first) {
            Some(text) if given.count.is_some_and(|count| (1..=3).contains(&count)) => Dtype::of(text),
            // `dtype(numpy.float64)` and the classes of `numpy.dtypes`.
            _ if given.count.is_some_and(|count| count <= 3) => {
                let class = self.imports.get(at as usize);
                Dtype::unknown(class.is_some_and(|class| class.name == "ObjectDType"))
            }
            _ => {
                self.misused(at, given);
                Dtype::unknown(true)
            }
        };
        self.dtypes.push(dtype);
        Ok(Value::dtype(self.dtypes.len() as u32 - 1))
    }
}

/// Whether a name is one that a member of an enumeration may have.
fn is_public(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Types that dill asks for by name and that make nothing which can be called.
fn is_plain_type(name: &str) -> bool {
    matches!(name, "NoneType" | "EllipsisType" | "NotImplementedType" | "type")
        || matches!(allow::look_up("builtins", name), Use::Value | Use::Call(..))
}
