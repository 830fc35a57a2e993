//! The memo: dense where a pickler numbers its entries in order, a map where a file jumps about.

use std::collections::HashMap;

use super::value::Value;

/// Entries that may lie outside the dense part.
const SPARSE: usize = 1 << 20;
/// Entries of the dense part.
const DENSE: usize = 1 << 28;
/// How far past its end the dense part may be written.
const STEP: usize = 1 << 10;

/// See the module.
#[derive(Default)]
pub(crate) struct Memo {
    dense: Vec<Value>,
    there: Vec<u64>,
    sparse: HashMap<u64, Value>,
    count: u64,
}

impl Memo {
    /// Sets an entry. `false`: there are more than can be kept.
    pub(crate) fn put(&mut self, index: u64, value: Value) -> bool {
        if let Ok(at) = usize::try_from(index)
            && at < DENSE
            && at <= self.dense.len().saturating_add(STEP)
        {
            if at >= self.dense.len() {
                self.dense.resize(at + 1, Value::DATA);
                self.there.resize(at / 64 + 1, 0);
            }
            if let (Some(slot), Some(word)) = (self.dense.get_mut(at), self.there.get_mut(at / 64)) {
                *slot = value;
                let bit = 1 << (at % 64);
                // An entry that was set while it was far away is hidden by the dense one.
                if *word & bit == 0 && (self.sparse.is_empty() || !self.sparse.contains_key(&index)) {
                    self.count += 1;
                }
                *word |= bit;
            }
            return true;
        }
        if self.sparse.insert(index, value).is_none() {
            self.count += 1;
        }
        self.sparse.len() <= SPARSE
    }

    /// The entry, if it is set.
    pub(crate) fn get(&self, index: u64) -> Option<Value> {
        let dense = usize::try_from(index).ok().and_then(|at| {
            let set = self.there.get(at / 64)? >> (at % 64) & 1 == 1;
            self.dense.get(at).filter(|_| set).copied()
        });
        dense.or_else(|| self.sparse.get(&index).copied())
    }

    /// How many entries are set: the number that MEMOIZE gives to the next one.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}
