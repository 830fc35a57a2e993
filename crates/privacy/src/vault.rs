//! Values behind tokens, of one session or one tenant.
//!
//! INVARIANT: a token restores only what this vault handed it out for, and only until it expires or is erased. The key
//! and the scope go into every token, so that equal values have unrelated tokens in two vaults. What was handed out where
//! nobody could tell for which session may be claimed by one other vault, once ([`Vault::claim`]); nothing else ever leaves.
//! Memory is bounded: where there is no room, no token is made, and whoever masks must redact instead.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    fmt,
    ops::Range,
};

use aws_lc_rs::hmac;
use bartizan_types::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Kind, Shape,
    index::Index,
    token::{Look, look, name, together},
};

/// How often another stand-in is tried where one is taken already: those of few bits meet.
const TRIES: u32 = 64;
/// Longest number as people write it, in bytes.
const WRITTEN: usize = 64;

/// What a vault may hold, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most values.
    pub values: usize,
    /// Most bytes of all values together.
    pub bytes: usize,
    /// Longest value, in bytes.
    pub longest: usize,
    /// Microseconds from the last time a value was masked to its end.
    pub life: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            values: 10_000,
            bytes: 4 << 20,
            longest: 16 << 10,
            life: 24 * 60 * 60 * 1_000_000,
        }
    }
}

/// There is no room for another value, or it is too long. Whoever masks redacts instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vault has no room for this value")]
pub struct Full;

/// Why kept bytes are no vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// They do not read.
    #[error("the kept vault does not read")]
    Malformed,
    /// They are another scope's.
    #[error("the kept vault is another session's or tenant's")]
    OtherScope,
}

struct Entry {
    kind: Kind,
    shape: Shape,
    value: Secret<String>,
    /// The stand-in as it is written.
    written: String,
    /// Which try it was made by; none where another vault made it.
    attempt: Option<u32>,
    used: Timestamp,
    /// It was handed out where nobody could tell for which session, and no session has shown it since.
    unclaimed: bool,
}

/// A value that one vault gives over to another, under the token that it handed out.
pub struct Claimed {
    name: String,
    entry: Entry,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed")
            .field("kind", &self.entry.kind)
            .finish_non_exhaustive()
    }
}

/// What a token stands for.
#[derive(Clone, Copy)]
pub struct Revealed<'a> {
    /// The kind of value.
    pub kind: &'a Kind,
    /// The value. Keep the borrow short.
    pub value: &'a str,
}

impl fmt::Debug for Revealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revealed")
            .field("kind", self.kind)
            .finish_non_exhaustive()
    }
}

/// Values behind tokens, of one scope.
pub struct Vault {
    scope: String,
    key: hmac::Key,
    seed: Secret<[u8; 32]>,
    bounds: Bounds,
    /// By the token's name.
    entries: HashMap<String, Entry>,
    /// From the keyed hash of kind and value to the token's name, so that no value stands in a key.
    names: HashMap<[u8; 32], String>,
    /// Where in a text to look for which of them.
    index: Index,
    bytes: usize,
    /// When room was made last. Who masks thousands of values at once finds none a second time.
    swept: Option<Timestamp>,
    changed: bool,
    /// Whether what comes in now is nobody's yet.
    unclaimed: bool,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("values", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// An empty vault. `scope` names the session or tenant; `seed` is random and nobody else's.
    #[must_use]
    pub fn new(scope: &str, seed: Secret<[u8; 32]>, bounds: Bounds) -> Self {
        Self {
            scope: scope.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, seed.expose()),
            seed,
            bounds,
            entries: HashMap::new(),
            names: HashMap::new(),
            index: Index::default(),
            bytes: 0,
            swept: None,
            changed: false,
            unclaimed: false,
        }
    }

    /// Says whether values that come in from now on are nobody's yet: handed out where it could not be told for which
    /// session. The first session that shows such a token may claim it.
    pub fn set_unclaimed(&mut self, unclaimed: bool) {
        self.unclaimed = unclaimed;
    }

    /// Whether it holds the token of this name.
    #[must_use]
    pub fn holds(&self, name: &str, now: Timestamp) -> bool {
        self.named(name, now).is_some()
    }

    /// The same, asked by the session whose vault this is: from now on no other session may claim it.
    pub fn owns(&mut self, name: &str, now: Timestamp) -> bool {
        if !self.holds(name, now) {
            return false;
        }
        if let Some(entry) = self.entries.get_mut(name) {
            entry.unclaimed = false;
        }
        true
    }

    /// Gives over what was handed out under this name, once: if it is nobody's yet, and can't be guessed.
    pub fn claim(&mut self, name: &str, now: Timestamp) -> Option<Claimed> {
        self.named(name, now)?;
        let entry = self
            .entries
            .get_mut(name)
            .filter(|entry| entry.unclaimed && entry.shape.is_unguessable())?;
        entry.unclaimed = false;
        let entry = Entry {
            kind: entry.kind.clone(),
            shape: entry.shape,
            value: Secret::new(entry.value.expose().clone()),
            written: entry.written.clone(),
            attempt: None,
            used: entry.used,
            unclaimed: false,
        };
        Some(Claimed {
            name: name.to_owned(),
            entry,
        })
    }

    /// Takes in what was claimed of another vault. It ends when it would have ended there.
    ///
    /// # Errors
    /// [`Full`]: no room.
    pub fn adopt(&mut self, claimed: Claimed, now: Timestamp) -> Result<(), Full> {
        let Claimed { name, entry } = claimed;
        let value = entry.value.expose();
        if value.len() > self.bounds.longest {
            return Err(Full);
        }
        if self.crowded(value) {
            self.expire(now);
        }
        if self.crowded(value) || self.entries.contains_key(&name) {
            return Err(Full);
        }
        // Where the value is masked again, it is by the token that is known for it.
        let tag = self.hash("value", &entry.kind, entry.shape, value, 0);
        self.names.entry(tag).or_insert_with(|| name.clone());
        self.index.add(value, &name);
        self.bytes = self.bytes.saturating_add(value.len());
        self.entries.insert(name, entry);
        self.changed = true;
        Ok(())
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The token of a value, the same for as long as the value is held.
    ///
    /// # Errors
    /// [`Full`]: no room, or no stand-in of this shape is free.
    pub fn token(&mut self, kind: &Kind, shape: Shape, value: &str, now: Timestamp) -> Result<String, Full> {
        let tag = self.hash("value", kind, shape, value, 0);
        if let Some(entry) = self.names.get(&tag).and_then(|name| self.entries.get_mut(name)) {
            entry.used = entry.used.max(now);
            entry.unclaimed &= self.unclaimed;
            return Ok(entry.written.clone());
        }
        if value.is_empty() || value.len() > self.bounds.longest {
            return Err(Full);
        }
        if self.crowded(value) && self.swept != Some(now) {
            self.expire(now);
            self.swept = Some(now);
        }
        if self.crowded(value) {
            return Err(Full);
        }
        (0..TRIES)
            .find_map(|attempt| self.insert(kind, shape, value, now, attempt))
            .ok_or(Full)
    }

    /// Holds a value under the stand-in of one try. `None`: it is taken.
    fn insert(
        &mut self,
        kind: &Kind,
        shape: Shape,
        value: &str,
        used: Timestamp,
        attempt: u32,
    ) -> Option<String> {
        let hash = self.hash("token", kind, shape, value, attempt);
        let (name, written) = shape.write(kind.as_str(), &hash);
        // A stand-in of few bits must be nobody's, the value itself included.
        if self.entries.contains_key(&name) || written == value {
            return None;
        }
        let tag = self.hash("value", kind, shape, value, 0);
        self.bytes = self.bytes.saturating_add(value.len());
        self.names.insert(tag, name.clone());
        self.index.add(value, &name);
        self.entries.insert(
            name,
            Entry {
                kind: kind.clone(),
                shape,
                value: Secret::new(value.to_owned()),
                written: written.clone(),
                attempt: Some(attempt),
                used,
                unclaimed: self.unclaimed,
            },
        );
        self.changed = true;
        Some(written)
    }

    fn hash(&self, purpose: &str, kind: &Kind, shape: Shape, value: &str, attempt: u32) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        let shape = shape.word();
        // Each part with its length in front, so that no two lists of parts read the same.
        for part in [purpose, &self.scope, kind.as_str(), &shape, value] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(&attempt.to_be_bytes());
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        out
    }

    fn crowded(&self, value: &str) -> bool {
        self.entries.len() >= self.bounds.values || self.bytes.saturating_add(value.len()) > self.bounds.bytes
    }

    fn lives(&self, entry: &Entry, now: Timestamp) -> bool {
        now.micros_since(entry.used) <= self.bounds.life
    }

    /// What the whole of `text` stands for, whichever its shape, and written as people write such things.
    #[must_use]
    pub fn whole(&self, text: &str, now: Timestamp) -> Option<Revealed<'_>> {
        match look(text.as_bytes(), None, true) {
            Look::Token { core, whole } if whole == text.len() => self.named(&name(text.get(..core)?), now),
            _ => self.named(text, now).or_else(|| self.respelt(text, now)),
        }
    }

    /// What a card's number in groups, a phone number in any of its forms, or a UUID in capitals stands for. Other numbers
    /// are not read so: those of few digits are somebody's.
    fn respelt(&self, text: &str, now: Timestamp) -> Option<Revealed<'_>> {
        if text.len() > WRITTEN {
            return None;
        }
        let digits: String = together(text).replace(['(', ')', '.', '/'], "");
        let bare = digits.strip_prefix('+').unwrap_or(&digits);
        let phone = || self.named_of(&format!("+{bare}"), Shape::Phone, now);
        self.named_of(&digits, Shape::Card, now)
            .or_else(phone)
            .or_else(|| self.named_of(&text.to_ascii_lowercase(), Shape::Uuid, now))
    }

    fn named_of(&self, name: &str, shape: Shape, now: Timestamp) -> Option<Revealed<'_>> {
        self.entries.get(name).filter(|entry| entry.shape == shape)?;
        self.named(name, now)
    }

    pub(crate) fn named(&self, name: &str, now: Timestamp) -> Option<Revealed<'_>> {
        let entry = self.entries.get(name).filter(|entry| self.lives(entry, now))?;
        Some(Revealed {
            kind: &entry.kind,
            value: entry.value.expose(),
        })
    }

    /// Kinds of the tokens of this vault that stand in a text, or that the whole of it is.
    #[must_use]
    pub fn kinds(&self, text: &str, now: Timestamp) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        if self.is_empty() {
            return kinds;
        }
        self.restore(text, now, |kind| {
            kinds.insert(kind.clone());
            false
        });
        kinds
    }

    /// A text with the tokens of this vault restored, of the kinds that `may` allows. A stand-in that can be guessed is
    /// restored only where it is the whole text.
    pub fn restore<'t>(&self, text: &'t str, now: Timestamp, may: impl FnMut(&Kind) -> bool) -> Cow<'t, str> {
        self.restore_by(crate::Restorer::default(), text, now, may)
    }

    /// The same for what people are shown: a token that is part of an address stays one ([`crate::Restorer::for_people`]).
    pub fn restore_shown<'t>(
        &self,
        text: &'t str,
        now: Timestamp,
        may: impl FnMut(&Kind) -> bool,
    ) -> Cow<'t, str> {
        self.restore_by(crate::Restorer::for_people(), text, now, may)
    }

    fn restore_by<'t>(
        &self,
        mut restorer: crate::Restorer,
        text: &'t str,
        now: Timestamp,
        mut may: impl FnMut(&Kind) -> bool,
    ) -> Cow<'t, str> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        if let Some(found) = self.whole(text, now) {
            return if may(found.kind) {
                Cow::Owned(found.value.to_owned())
            } else {
                Cow::Borrowed(text)
            };
        }
        let mut out = String::new();
        restorer.push(self, text, now, &mut may, &mut out);
        restorer.finish(self, now, &mut may, &mut out);
        if out == text {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(out)
        }
    }

    /// Every value that is held, with its kind and shape, as something to look for. The longest first.
    #[must_use]
    pub fn known(&self, now: Timestamp) -> Vec<(&str, &Kind, Shape)> {
        let mut all: Vec<_> = self
            .entries
            .values()
            .filter(|entry| self.lives(entry, now))
            .map(|entry| (entry.value.expose().as_str(), &entry.kind, entry.shape))
            .collect();
        all.sort_by_key(|(value, ..)| (std::cmp::Reverse(value.len()), *value));
        all
    }

    /// Where values of so many bytes at least stand in a text, whoever wrote them there, and what they are.
    #[must_use]
    pub fn places(&self, text: &str, least: usize, now: Timestamp) -> Vec<(Range<usize>, &Kind, Shape)> {
        let mut out = Vec::new();
        for (range, names) in self.index.candidates(text.as_bytes(), least) {
            let here = text.as_bytes().get(range.clone());
            let held = names.iter().filter_map(|name| self.entries.get(name));
            for entry in held.filter(|entry| self.lives(entry, now)) {
                if here == Some(entry.value.expose().as_bytes()) {
                    out.push((range.clone(), &entry.kind, entry.shape));
                }
            }
        }
        out
    }

    /// Drops what has expired. Gives how many went.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let life = self.bounds.life;
        self.drop_where(|entry| now.micros_since(entry.used) > life)
    }

    /// Erases all values of a kind. Gives how many went.
    pub fn erase_kind(&mut self, kind: &Kind) -> usize {
        self.drop_where(|entry| entry.kind == *kind)
    }

    /// Erases everything. Gives how many values went.
    pub fn erase(&mut self) -> usize {
        self.drop_where(|_| true)
    }

    fn drop_where(&mut self, gone: impl Fn(&Entry) -> bool) -> usize {
        let before = self.entries.len();
        let mut bytes = 0;
        self.entries.retain(|_, entry| {
            let stays = !gone(entry);
            bytes += if stays { 0 } else { entry.value.expose().len() };
            stays
        });
        self.bytes = self.bytes.saturating_sub(bytes);
        let entries = &self.entries;
        self.names.retain(|_, name| entries.contains_key(name));
        let dropped = before - entries.len();
        if dropped > 0 {
            self.changed = true;
            self.index = Index::default();
            for (name, entry) in &self.entries {
                self.index.add(entry.value.expose(), name);
            }
        }
        dropped
    }

    /// Whether values came or went since the last time this was asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// A vault as it is kept. Only ever inside a sealed file.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    version: u32,
    scope: Cow<'a, str>,
    seed: [u8; 32],
    entries: Vec<KeptEntry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct KeptEntry<'a> {
    kind: Cow<'a, str>,
    shape: Shape,
    value: Cow<'a, str>,
    attempt: u32,
    used: Timestamp,
}

impl Vault {
    /// The vault as bytes, to be sealed by whoever keeps it.
    ///
    /// # Errors
    /// [`VaultFault::Malformed`], which no vault gives.
    pub fn keep(&self) -> Result<Secret<Vec<u8>>, VaultFault> {
        let kept = Kept {
            version: 1,
            scope: Cow::Borrowed(&self.scope),
            seed: *self.seed.expose(),
            entries: self
                .entries
                .values()
                // What another vault made can't be made again here.
                .filter_map(|entry| {
                    Some(KeptEntry {
                        kind: Cow::Borrowed(entry.kind.as_str()),
                        shape: entry.shape,
                        value: Cow::Borrowed(entry.value.expose()),
                        attempt: entry.attempt?,
                        used: entry.used,
                    })
                })
                .collect(),
        };
        let bytes = serde_json::to_vec(&kept).map_err(|_| VaultFault::Malformed)?;
        Ok(Secret::new(bytes))
    }

    /// A vault from kept bytes. Tokens come out as they were.
    ///
    /// # Errors
    /// [`VaultFault`].
    pub fn from_kept(
        scope: &str,
        kept: &Secret<Vec<u8>>,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<Self, VaultFault> {
        let kept: Kept<'_> = serde_json::from_slice(kept.expose()).map_err(|_| VaultFault::Malformed)?;
        if kept.version != 1 {
            return Err(VaultFault::Malformed);
        }
        if kept.scope != scope {
            return Err(VaultFault::OtherScope);
        }
        let mut vault = Self::new(scope, Secret::new(kept.seed), bounds);
        for entry in kept.entries.into_iter().take(bounds.values) {
            let value = Zeroizing::new(entry.value.into_owned());
            let kind = Kind::new(&entry.kind).map_err(|_| VaultFault::Malformed)?;
            if vault.bytes.saturating_add(value.len()) > bounds.bytes {
                // There is no room for it any more: its token restores nothing.
                continue;
            }
            let _token = vault.insert(&kind, entry.shape, &value, entry.used, entry.attempt);
        }
        vault.expire(now);
        vault.changed = false;
        Ok(vault)
    }
}

#[cfg(test)]
mod tests;
