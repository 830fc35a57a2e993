//! Names that are imported, by opcodes or by the loader that gives objects of its own.

use super::{
    allow::{self, Check, Use},
    classes::Class,
    machine::{Halt, Machine, Step},
    value::{Kind, Value},
};
use crate::{
    finding::{Verdict, shown},
    rule,
};

/// Imports kept.
const IMPORTS: usize = 1 << 16;
/// Storages whose size is noted.
const STORAGES: usize = 1 << 18;

/// An import.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) module: String,
    pub(super) name: String,
    pub(super) uses: Use,
    /// What its objects may be asked for, where it is a class.
    pub(super) class: Option<Class>,
}

impl Import {
    pub(super) fn dotted(&self) -> String {
        format!("{}.{}", self.module, self.name)
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

    pub(super) fn word_of(&self, value: Value) -> Option<String> {
        let text = self.text_of(value)?;
        String::from_utf8(text.to_vec()).ok()
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

    /// Module and name of an import.
    pub(super) fn imported(&self, at: u32) -> Option<(&str, &str)> {
        self.imports
            .get(at as usize)
            .map(|import| (import.module.as_str(), import.name.as_str()))
    }

    pub(super) fn use_at(&self, at: u32) -> Option<Use> {
        self.imports.get(at as usize).map(|import| import.uses)
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
}
