//! Texts of dictionaries that name what is called: no opcode imports them, but who reads the objects does.
//!
//! Lightning makes a model by the function that `_instantiator` names among its settings; hydra, MMEngine and their like call
//! what other values name. A name that does harm whatever it is called for is told under any key.

use super::{machine::Machine, text, value::Kind};
use crate::{
    finding::{Verdict, shown},
    names, rule,
};

/// What Lightning itself writes.
const INSTANTIATORS: [&[u8]; 2] = [
    b"lightning.pytorch.cli.instantiate_module",
    b"pytorch_lightning.cli.instantiate_module",
];

impl Machine<'_, '_, '_, '_> {
    /// Keys and values from `mark` on go into a dictionary, or an object that is one.
    pub(super) fn named(&mut self, mark: usize) {
        if !self.texts.names || self.context.probing {
            return;
        }
        let mut found = Vec::new();
        let mut at = mark;
        while let [key, value, ..] = *self.from(at) {
            at += 2;
            let key = self.text_of(key).unwrap_or_default();
            let name = self.text_of(value);
            let makes = key == text::INSTANTIATOR && !matches!(value.kind(), Kind::None);
            if makes && name.is_none_or(|name| !INSTANTIATORS.contains(&name)) {
                found.push((true, shown(key, 100), shown(name.unwrap_or(b"..."), 200)));
            } else if let Some(name) = name.filter(|name| text::is_named(name) && *name != text::INSTANTIATOR)
            {
                let called = std::str::from_utf8(key).is_ok_and(names::is_target);
                found.push((called, shown(key, 100), shown(name, 200)));
            }
        }
        for (called, key, name) in found {
            let (severity, does) = match called {
                true => (
                    Verdict::Malicious,
                    "is called when the settings are made into objects",
                ),
                false => (Verdict::Suspicious, "a loader may call"),
            };
            let what = format!("`{key}` names `{name}`, which {does}");
            self.scan
                .find(&rule::HYDRA_TARGET, severity, self.at, &name, what);
        }
    }
}
