//! The addresses that a server handed out itself: whoever gives one back tells it nothing.

use std::{
    collections::HashSet,
    sync::Mutex,
};

use bartizan_types::Digest;
use serde_json::value::RawValue;

use super::{hub::lock, labels};
use crate::model::sha256;

/// Addresses known again in one conversation; past it, later ones are the agent's own choice.
const MOST: usize = 4096;

/// Digests of addresses.
#[derive(Default)]
pub(super) struct Given(Mutex<HashSet<Digest>>);

impl Given {
    /// Notes those that an answer names.
    pub(super) fn note(&self, result: &RawValue) {
        let addresses = labels::handed_out(result);
        if addresses.is_empty() {
            return;
        }
        let mut known = lock(&self.0);
        for address in addresses {
            if known.len() < MOST {
                known.insert(sha256(address.as_bytes()));
            }
        }
    }

    /// Whether this is one of them.
    pub(super) fn knows(&self, uri: &str) -> bool {
        lock(&self.0).contains(&sha256(uri.as_bytes()))
    }
}
