//! Which secrets of the store go out with what a permit forwards, by name: what the record says before it leaves.
//!
//! INVARIANT: the record's names are taken from the very value that is forwarded, so nothing carries a secret unrecorded
//! that was built with one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bartizan_types::SecretName;

use super::{Outbound, child, line, local};
use crate::config::EnvValue;

/// Names of secrets, each once, in order.
pub(crate) type Names = Arc<[SecretName]>;

/// What a permit forwards.
pub(crate) trait Carries {
    /// The secrets of the store that go with it.
    fn secrets(&self) -> Names;
}

/// The names among these. What no secret can be called is in no store, so it goes nowhere.
pub(crate) fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> Names {
    let all: BTreeSet<SecretName> = all
        .into_iter()
        .filter_map(|name| SecretName::new(name).ok())
        .collect();
    all.into_iter().collect()
}

/// The secrets among values that the configuration gives to a server.
pub(crate) fn names_of(values: &BTreeMap<String, EnvValue>) -> Names {
    names(values.values().filter_map(|value| match value {
        EnvValue::Secret(name) => Some(name.as_str()),
        EnvValue::Plain(_) => None,
    }))
}

impl Carries for () {
    fn secrets(&self) -> Names {
        Names::default()
    }
}

impl Carries for Outbound {
    fn secrets(&self) -> Names {
        match &self.sign {
            None => Arc::clone(&self.secrets),
            Some(signer) if self.secrets.is_empty() => signer.secrets(),
            Some(signer) => {
                let own = signer.secrets();
                let all: BTreeSet<&SecretName> = self.secrets.iter().chain(&*own).collect();
                all.into_iter().cloned().collect()
            }
        }
    }
}

impl Carries for child::Spawn {
    fn secrets(&self) -> Names {
        Arc::clone(&self.secrets)
    }
}

/// What a program is told later has no secret of the store in it: those are in its environment.
impl Carries for child::Line {
    fn secrets(&self) -> Names {
        Names::default()
    }
}

/// It asks for what it gets, and shows nothing.
impl Carries for local::Socket {
    fn secrets(&self) -> Names {
        Names::default()
    }
}

/// Bytes of an agent's own, both ways.
impl Carries for line::Line {
    fn secrets(&self) -> Names {
        Names::default()
    }
}
