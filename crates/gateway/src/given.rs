//! What the other side handed out itself, addresses and ids: whoever gives one back tells it nothing.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use bartizan_types::Digest;

use crate::model::sha256;

/// Things known again; past it, later ones are the agent's own choice.
const MOST: usize = 4096;

/// Digests of what was handed out.
#[derive(Default)]
pub(crate) struct Given(Mutex<HashSet<Digest>>);

impl Given {
    /// Notes what an answer names.
    pub(crate) fn note<'t>(&self, names: impl IntoIterator<Item = &'t str>) {
        let mut known = None;
        for name in names {
            let known = known.get_or_insert_with(|| self.0.lock().unwrap_or_else(PoisonError::into_inner));
            if known.len() >= MOST {
                return;
            }
            known.insert(sha256(name.as_bytes()));
        }
    }

    /// Whether this is one of them.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&sha256(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_out_is_known_up_to_a_bound() {
        let given = Given::default();
        let names: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
        given.note(names.iter().map(String::as_str));
        assert!(given.knows("0") && given.knows("4095"));
        assert!(!given.knows("4096") && !given.knows(""));
    }
}
