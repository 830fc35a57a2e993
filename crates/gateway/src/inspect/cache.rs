//! What was seen in texts that were looked at before.
//!
//! Two generations: what is asked for lives on, what is not goes when the older one is dropped. Bounded, and keyed with
//! a secret of the process, so that nobody can make entries meet.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::hmac;

use super::{Mark, Source};
use crate::mcp::Owner;

/// Texts of one generation.
const TEXTS: usize = 32_768;
/// Marks of one generation, over all its texts.
const MARKS: usize = 131_072;

type Key = [u8; 16];

pub(super) struct Cache {
    key: hmac::Key,
    inner: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Arc<[Mark]>>,
    old: HashMap<Key, Arc<[Mark]>>,
    marks: usize,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &crate::clock::random::<32>()),
            inner: Mutex::default(),
        }
    }

    pub(super) fn key(&self, owner: &Owner, source: Source, text: &str) -> Key {
        let mut context = hmac::Context::with_key(&self.key);
        let owner = format!("{owner:?}");
        let length = u64::try_from(owner.len()).unwrap_or(u64::MAX);
        context.update(&length.to_be_bytes());
        context.update(owner.as_bytes());
        context.update(&[source as u8]);
        context.update(text.as_bytes());
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        out
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<[Mark]>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = inner.young.get(key) {
            return Some(Arc::clone(known));
        }
        let known = inner.old.remove(key)?;
        inner.add(*key, Arc::clone(&known));
        Some(known)
    }

    pub(super) fn put(&self, key: Key, marks: Arc<[Mark]>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.add(key, marks);
    }
}

impl Generations {
    fn add(&mut self, key: Key, marks: Arc<[Mark]>) {
        if self.young.len() >= TEXTS || self.marks + marks.len() > MARKS {
            self.old = std::mem::take(&mut self.young);
            self.marks = 0;
        }
        self.marks += marks.len();
        self.young.insert(key, marks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_lives_on_and_memory_is_bounded() {
        let cache = Cache::new();
        let none: Arc<[Mark]> = Arc::from(Vec::new());
        let key = |number: usize| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        cache.put(key(0), Arc::clone(&none));
        for number in 1..5 * TEXTS {
            cache.put(key(number), Arc::clone(&none));
            if number % 1000 == 0 {
                assert!(cache.get(&key(0)).is_some(), "after {number}");
            }
        }
        assert!(cache.get(&key(1)).is_none());
        let inner = cache.inner.lock().unwrap();
        assert!(inner.young.len() + inner.old.len() <= 2 * TEXTS + 1);
    }
}
