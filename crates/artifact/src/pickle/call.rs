//! What imports, calls and state changes mean: where the machine's steps become findings.

use super::{
    allow::{self, Check, Use},
    classes::Class,
    joblib::Dtype,
    machine::{ELEMENTS, Halt, Machine, Step, TUPLE_RING},
    value::{Kind, MANY, PAYLOAD, TUPLES, Value},
};
use crate::{
    finding::{Verdict, shown},
    rule,
};

/// Imports kept.
const IMPORTS: usize = 1 << 16;
/// Storages whose size is noted.
const STORAGES: usize = 1 << 18;
/// Numpy types kept.
const DTYPES: usize = 1 << 16;

/// An import.
#[derive(Debug)]
pub(super) struct Import {
    module: String,
    name: String,
    uses: Use,
    /// What its objects may be asked for, where it is a class.
    pub(super) class: Option<Class>,
}

impl Import {
    fn dotted(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

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
struct Arguments {
    /// How many; `None`: not known.
    count: Option<usize>,
    values: [Value; ELEMENTS],
    remembered: bool,
}

impl Arguments {
    /// All of them, if they are remembered.
    fn all(&self) -> Option<&[Value]> {
        self.values.get(..self.count.filter(|_| self.remembered)?)
    }
}

impl Machine<'_, '_, '_, '_> {
    /// The bytes of a text, if they are still there.
    pub(super) fn text_of(&self, value: Value) -> Option<&[u8]> {
        match value.kind() {
            Kind::Text(id) => self.texts.text(id),
            Kind::Recent(sequence) => self.texts.recent(sequence),
            _ => None,
        }
    }

    fn word_of(&self, value: Value) -> Option<String> {
        let text = self.text_of(value)?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn arguments(&self, value: Value) -> Arguments {
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

    /// An import whose names come from the stack.
    pub(super) fn import_values(&mut self, module: Value, name: Value) -> Step<Value> {
        let names = self.text_of(module).zip(self.text_of(name));
        let Some((module, name)) = names.map(|(module, name)| (module.to_vec(), name.to_vec())) else {
            if self.context.probing {
                return Ok(Value::TAINTED);
            }
            self.scan.find(
                &rule::COMPUTED_IMPORT,
                Verdict::Malicious,
                self.at,
                "stack global",
                "imports a name that is not a text of the file, so nobody can tell what".to_owned(),
            );
            return Ok(Value::TAINTED);
        };
        self.import(&module, &name)
    }

    /// An import of `module.name`.
    pub(super) fn import(&mut self, module: &[u8], name: &[u8]) -> Step<Value> {
        let plain = |text: &[u8]| {
            !text.is_empty()
                && text.len() <= 400
                && text
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'<' | b'>'))
        };
        if self.context.probing && !(plain(module) && plain(name)) {
            return Err(Halt::State("no names"));
        }
        let (module, name) = (shown(module, 400), shown(name, 400));
        let key = format!("{module}\n{name}");
        if let Some(at) = self.import_of.get(&key) {
            return Ok(Value::global(*at));
        }
        let mut uses = allow::referred(&module, &name);
        if self.context.storages && module == "torch" && name.ends_with("Storage") {
            uses = Use::Value;
        }
        if let Use::Unlisted(verdict) = uses {
            let dotted = format!("{module}.{name}");
            let rule = match verdict {
                Verdict::Malicious => &rule::DANGEROUS_IMPORT,
                _ => &rule::UNLISTED_IMPORT,
            };
            self.scan.find(
                rule,
                verdict,
                self.at,
                &dotted,
                format!("imports `{dotted}` when it is loaded"),
            );
        }
        if let Use::Check(
            Check::Dtype
            | Check::Wrapper
            | Check::Distribution
            | Check::Formula
            | Check::Symbolic
            | Check::Symbol
            | Check::Undefined,
        ) = uses
        {
            self.watch.start(self.containers | 3);
        }
        self.enlist(key, module, name, uses)
    }

    /// Keeps an import.
    pub(super) fn enlist(&mut self, key: String, module: String, name: String, uses: Use) -> Step<Value> {
        if let Some(at) = self.import_of.get(&key) {
            return Ok(Value::global(*at));
        }
        if self.imports.len() >= IMPORTS {
            return Err(Halt::Limit);
        }
        let at = self.imports.len() as u32;
        self.import_of.insert(key, at);
        let class = super::asked::class_of(&module, &name, uses);
        if class.is_some_and(|class| class.asks) || uses == Use::Check(Check::Compiled) {
            self.compares();
        }
        self.imports.push(Import {
            module,
            name,
            uses,
            class,
        });
        self.beside(at);
        Ok(Value::global(at))
    }

    /// EXT1, EXT2, EXT4.
    pub(super) fn extension(&mut self, number: i64) -> Step {
        self.scan.find(
            &rule::EXTENSION_REGISTRY,
            Verdict::Suspicious,
            self.at,
            &number.to_string(),
            format!("imports whatever the loading process registered as extension {number}"),
        );
        self.push(Value::TAINTED)
    }

    /// PERSID, BINPERSID.
    pub(super) fn persistent(&mut self, id: Option<Value>) -> Step {
        if !self.context.persistent {
            self.scan.find(
                &rule::PERSISTENT_ID,
                Verdict::Unknown,
                self.at,
                "persistent id",
                "asks the loader for an object by id, and this is no format in which that has a meaning"
                    .to_owned(),
            );
        }
        // torch's older loader: `('module', class, file, source)` is the class.
        let parts = id
            .filter(|_| self.context.persistent)
            .and_then(|id| self.elements(id));
        let class = parts.as_deref().and_then(|parts| match parts {
            [kind, class, ..] if class.is_global() && self.text_of(*kind) == Some(b"module") => Some(*class),
            [kind, class, key, _, count, ..] if self.text_of(*kind) == Some(b"storage") => {
                self.storage(*class, *key, *count);
                None
            }
            _ => None,
        });
        self.is_beside_anything();
        self.push(class.unwrap_or(Value::PERSISTENT))
    }

    /// Notes how many bytes the pickle says that a storage of torch's has.
    fn storage(&mut self, class: Value, key: Value, count: Value) {
        let Kind::Global(at) = class.kind() else { return };
        let width = match self.imported(at) {
            Some(("torch" | "torch.cuda", name)) => match name {
                "ByteStorage" | "CharStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage" => 1,
                "ShortStorage" | "HalfStorage" | "BFloat16Storage" => 2,
                "IntStorage" | "FloatStorage" | "QInt32Storage" => 4,
                "LongStorage" | "DoubleStorage" | "ComplexFloatStorage" => 8,
                "ComplexDoubleStorage" => 16,
                _ => return,
            },
            Some(("torch.storage", "UntypedStorage")) => 1,
            _ => return,
        };
        if let (Some(key), Kind::Int(count)) = (self.word_of(key), count.kind())
            && self.scan.storages.len() < STORAGES
        {
            self.scan.storages.push((key, u64::from(count) * width));
        }
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

    fn called_unlisted(&mut self, at: u32, given: &Arguments) -> Value {
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

    fn misused(&mut self, at: u32, given: &Arguments) {
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

    fn checked(&mut self, check: Check, at: u32, given: &Arguments, how: How) -> Step<Value> {
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
                import.class.is_none() || import.module.starts_with("torch.nn.modules.")
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

    /// Whether it is an object whose state the file wrote.
    pub(super) fn is_made(&self, value: Value) -> bool {
        matches!(value.kind(), Kind::Object(at) if self.use_at(at) == Some(Use::New))
    }

    /// Module and name of an import.
    pub(super) fn imported(&self, at: u32) -> Option<(&str, &str)> {
        self.imports
            .get(at as usize)
            .map(|import| (import.module.as_str(), import.name.as_str()))
    }

    pub(super) fn use_at(&self, at: u32) -> Option<Use> {
        self.imports.get(at as usize).map(|import| import.uses)
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
