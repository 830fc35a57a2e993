//! The keys that sign a log's heads, one after another, and how each names the next.
//!
//! A change of key is a record of the log (kind `log_key`, the one kind whose payload is public) that holds a
//! *statement*: a C2SP signed note that both keys signed, so the old one names its successor and the new one says whose
//! it is. Heads over that record and all later ones need the new key's signature; the old one may sign beside it for
//! a while, and alone it is good for older heads only. Refuses a statement that either key did not sign, one that
//! stands elsewhere than it says, two successors of one key, and a head signed by a key that was retired before it.
//! INVARIANT: [`LogKeys`] is a chain in which each key was named by the one before it, at a later place of the log.

use std::{fmt, sync::Arc};

use bartizan_types::{Digest, Record, RecordKind, Timestamp};

use crate::{
    entry::{Entry, commit, digest},
    frame::{Payload, RecordFrame},
    note::{Checkpoint, NoteFault, SignedCheckpoint, Signer, Verifier, parts, verified},
    seal::SALT_BYTES,
};

/// First line of a statement. It has spaces, so no checkpoint's first line, an origin, is ever equal to it.
const STATEMENT: &str = "bartizan log key succession v1";
/// Most keys that one log may have had.
pub const KEYS_MAX: usize = 1024;
/// Longest body of a public record, in bytes.
pub const PUBLIC_MAX_BYTES: usize = 16 << 10;
/// Most retired keys that may sign beside the newest.
pub const RETIRING_MAX: usize = 3;

/// Why a change of a log's key, or a set of them, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The record holds no statement, or its bytes are not those committed to.
    #[error("the record of a change of key is malformed")]
    Record,
    /// The statement is malformed, or a key did not sign it.
    #[error("the statement of a change of key is wrong: {0}")]
    Statement(#[source] NoteFault),
    /// The statement says another place than it stands at: a copy of another record, or of another log's.
    #[error("a statement for record {says} stands at record {at}")]
    Place {
        /// Where it says it is.
        says: u64,
        /// Where it is.
        at: u64,
    },
    /// It does not follow from the newest key, or not at a later place.
    #[error("the change of key at record {0} does not follow from the key before it")]
    Order(u64),
    /// Two different statements about one key.
    #[error("a key has two successors or two predecessors, one of them at record {0}")]
    Conflict(u64),
    /// More than [`KEYS_MAX`] changes.
    #[error("there are more than {KEYS_MAX} changes of key")]
    TooMany,
    /// More than [`RETIRING_MAX`] retired keys would sign beside the newest.
    #[error("{RETIRING_MAX} retired keys still sign beside the newest")]
    Retiring,
}

/// One key named the next, and both signed that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    from: Verifier,
    to: Verifier,
    index: u64,
    until: Timestamp,
    note: String,
}

impl Succession {
    /// States that `new` follows `old`: with the record at `index`, after which `old` goes on signing beside it until
    /// a time.
    #[must_use]
    pub fn state(old: &Signer, new: &Signer, index: u64, until: Timestamp) -> Self {
        let (from, to) = (old.verifier().clone(), new.verifier().clone());
        let text = format!(
            "{STATEMENT}\n{}\n{}\n{}\n{index}\n{}\n",
            from.origin(),
            from.vkey(),
            to.vkey(),
            until.unix_micros()
        );
        let note = format!("{text}\n{}{}", new.line(&text), old.line(&text));
        Self {
            from,
            to,
            index,
            until,
            note,
        }
    }

    /// Reads a statement and checks both signatures by the keys that it names. Whether one of them is known is the
    /// caller's to ask.
    ///
    /// # Errors
    /// [`NoteFault`] names the first thing wrong.
    pub fn read(note: &str) -> Result<Self, NoteFault> {
        let parts = parts(note)?;
        let mut lines = parts.text.strip_suffix('\n').ok_or(NoteFault::Shape)?.split('\n');
        let mut line = || lines.next().ok_or(NoteFault::Shape);
        if line()? != STATEMENT {
            return Err(NoteFault::Shape);
        }
        let origin = line()?;
        let (from, to) = (Verifier::parse(line()?)?, Verifier::parse(line()?)?);
        let (index, until) = (number(line()?)?, number(line()?)?);
        if line().is_ok() || from == to {
            return Err(NoteFault::Shape);
        }
        if from.origin() != origin || to.origin() != origin {
            return Err(NoteFault::Origin);
        }
        for key in [&from, &to] {
            if !key.signed(&parts)? {
                return Err(NoteFault::Unsigned);
            }
        }
        Ok(Self {
            from,
            to,
            index,
            until: Timestamp::from_unix_micros(until),
            note: note.to_owned(),
        })
    }

    /// The statement that a record of the log holds, if it stands where it says.
    ///
    /// # Errors
    /// [`KeyFault`]; needs no key to read.
    pub fn of_record(frame: &RecordFrame<'_>) -> Result<Self, KeyFault> {
        let Payload::Present(blob) = frame.payload else {
            return Err(KeyFault::Record);
        };
        let body = read_public(&frame.entry, blob).ok_or(KeyFault::Record)?;
        let record: Record = serde_json::from_slice(body).map_err(|_| KeyFault::Record)?;
        if record.kind != RecordKind::LogKey || record.time != frame.entry.time {
            return Err(KeyFault::Record);
        }
        let stated = Self::read(&record.statement.ok_or(KeyFault::Record)?).map_err(KeyFault::Statement)?;
        if stated.index != frame.index {
            return Err(KeyFault::Place {
                says: stated.index,
                at: frame.index,
            });
        }
        Ok(stated)
    }

    /// The retired key.
    #[must_use]
    pub const fn from(&self) -> &Verifier {
        &self.from
    }

    /// Its successor.
    #[must_use]
    pub const fn to(&self) -> &Verifier {
        &self.to
    }

    /// Where the record is: heads over more than `index` records are the successor's.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Until when the retired key signs beside its successor.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The signed note.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether both say the same. Their notes may differ by signatures of others.
    fn says_as(&self, other: &Self) -> bool {
        (&self.from, &self.to, self.index, self.until) == (&other.from, &other.to, other.index, other.until)
    }
}

/// A decimal number in its only spelling.
fn number(text: &str) -> Result<u64, NoteFault> {
    let value: u64 = text.parse().map_err(|_| NoteFault::Shape)?;
    if value.to_string() == text {
        Ok(value)
    } else {
        Err(NoteFault::Shape)
    }
}

/// The statements among notes in a row, as a witness file has them between its heads. What reads as none is left to
/// whoever reads heads.
#[must_use]
pub fn statements(notes: &str) -> Vec<Succession> {
    let notes = crate::note::split_notes(notes).into_iter();
    notes.filter_map(|note| Succession::read(note).ok()).collect()
}

/// Appends the payload of a public record: salt and body, as they are.
pub fn put_public(out: &mut Vec<u8>, salt: &[u8; SALT_BYTES], body: &[u8]) {
    out.extend_from_slice(salt);
    out.extend_from_slice(body);
}

/// The body of a public record, if the payload is what the entry commits to, both ways.
#[must_use]
pub fn read_public<'a>(entry: &Entry, blob: &'a [u8]) -> Option<&'a [u8]> {
    let (salt, body) = blob.split_first_chunk::<SALT_BYTES>()?;
    let fits = entry.kind == RecordKind::LogKey
        && body.len() <= PUBLIC_MAX_BYTES
        && digest(blob) == entry.sealed
        && commit(salt, body) == entry.commitment;
    fits.then_some(body)
}

/// The keys of one log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeys {
    first: Verifier,
    changes: Vec<Succession>,
}

impl LogKeys {
    /// Of a log whose key never changed.
    #[must_use]
    pub const fn new(first: Verifier) -> Self {
        Self {
            first,
            changes: Vec::new(),
        }
    }

    /// The keys that a known one leads to, back and forth, by statements from anywhere. Statements about other keys are
    /// left aside.
    ///
    /// # Errors
    /// [`KeyFault::Conflict`] when statements about these keys disagree, `Order`, `TooMany`.
    pub fn gather(known: &Verifier, stated: &[Succession]) -> Result<Self, KeyFault> {
        let mut changes: Vec<Succession> = Vec::new();
        let mut first = known.clone();
        while let Some(change) = stated.iter().find(|change| change.to == first) {
            changes.push(change.clone());
            first = change.from.clone();
            if changes.len() > KEYS_MAX {
                return Err(KeyFault::TooMany);
            }
        }
        changes.reverse();
        let mut keys = Self { first, changes };
        while let Some(change) = stated.iter().find(|change| change.from == *keys.newest()) {
            keys.changes.push(change.clone());
            if keys.changes.len() > KEYS_MAX {
                return Err(KeyFault::TooMany);
            }
        }
        let mut last = None;
        for change in &keys.changes {
            if last.is_some_and(|last| change.index <= last) {
                return Err(KeyFault::Order(change.index));
            }
            last = Some(change.index);
        }
        match stated.iter().find(|change| keys.disputes(change)) {
            Some(change) => Err(KeyFault::Conflict(change.index)),
            None => Ok(keys),
        }
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.first.origin()
    }

    /// The first key.
    #[must_use]
    pub const fn first(&self) -> &Verifier {
        &self.first
    }

    /// The key that signs now.
    #[must_use]
    pub fn newest(&self) -> &Verifier {
        self.changes.last().map_or(&self.first, |change| &change.to)
    }

    /// Every change, oldest first.
    #[must_use]
    pub fn changes(&self) -> &[Succession] {
        &self.changes
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, key: &Verifier) -> bool {
        self.all().any(|mine| mine == key)
    }

    /// The key that must have signed a head over so many records.
    #[must_use]
    pub fn at(&self, size: u64) -> &Verifier {
        let before = self.changes.partition_point(|change| change.index < size);
        let last = before.checked_sub(1).and_then(|last| self.changes.get(last));
        last.map_or(&self.first, |change| &change.to)
    }

    /// The change that ended a key.
    #[must_use]
    pub fn retired(&self, key: &Verifier) -> Option<&Succession> {
        self.changes.iter().find(|change| change.from == *key)
    }

    /// The same, as a log of so many records has come to know them.
    #[must_use]
    pub fn until(mut self, size: u64) -> Self {
        self.changes.retain(|change| change.index < size);
        self
    }

    /// Whether a statement is about one of these keys and says otherwise than is known, or more.
    #[must_use]
    pub fn disputes(&self, change: &Succession) -> bool {
        let about = self.contains(&change.from) || self.contains(&change.to);
        about && !self.changes.iter().any(|known| known.says_as(change))
    }

    /// Meets a change in the log: one that is known, or one that follows from the newest key.
    ///
    /// # Errors
    /// [`KeyFault::Order`] for any other, `TooMany`.
    pub fn meet(&mut self, change: Succession) -> Result<(), KeyFault> {
        if self.changes.iter().any(|known| known.says_as(&change)) {
            return Ok(());
        }
        let later = self.changes.last().is_none_or(|last| last.index < change.index);
        if change.from != *self.newest() || !later || self.contains(&change.to) {
            return Err(KeyFault::Order(change.index));
        }
        if self.changes.len() >= KEYS_MAX {
            return Err(KeyFault::TooMany);
        }
        self.changes.push(change);
        Ok(())
    }

    /// Checks a head: the key whose turn it is at its size must have signed it, and no signature by another of these
    /// keys may be wrong. Signatures by strangers are skipped, as signed-note says.
    ///
    /// # Errors
    /// [`NoteFault`]; [`NoteFault::Retired`] where only keys signed that were retired before this head.
    pub fn verify(&self, note: &str) -> Result<SignedCheckpoint, NoteFault> {
        let parts = parts(note)?;
        let checkpoint = Checkpoint::parse(parts.text)?;
        if checkpoint.origin != self.origin() {
            return Err(NoteFault::Origin);
        }
        let due = self.at(checkpoint.size);
        let (mut signed, mut retired) = (false, false);
        for key in self.all() {
            if key.signed(&parts)? {
                signed |= key == due;
                let ended = self.retired(key);
                retired |= ended.is_some_and(|ended| ended.index < checkpoint.size);
            }
        }
        match (signed, retired) {
            (true, _) => Ok(verified(checkpoint, note)),
            (false, true) => Err(NoteFault::Retired),
            (false, false) => Err(NoteFault::Unsigned),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Verifier> {
        std::iter::once(&self.first).chain(self.changes.iter().map(|change| &change.to))
    }
}

/// What signs heads: the newest key, and for a while those retired before it.
#[derive(Clone)]
pub struct Signers {
    newest: Arc<Signer>,
    retiring: Vec<(Timestamp, Arc<Signer>)>,
    keys: LogKeys,
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers").field("keys", &self.keys).finish()
    }
}

impl Signers {
    /// From the newest key's signer, those that sign beside it, each until a time, and the chain that leads to it.
    ///
    /// # Errors
    /// [`KeyFault::Order`] when the chain leads elsewhere, [`KeyFault::Retiring`].
    pub fn new(
        newest: Arc<Signer>,
        retiring: Vec<(Timestamp, Arc<Signer>)>,
        keys: LogKeys,
    ) -> Result<Self, KeyFault> {
        let known = retiring
            .iter()
            .all(|(_, key)| keys.retired(key.verifier()).is_some());
        if keys.newest() != newest.verifier() || !known {
            return Err(KeyFault::Order(keys.changes.last().map_or(0, Succession::index)));
        }
        if retiring.len() > RETIRING_MAX {
            return Err(KeyFault::Retiring);
        }
        Ok(Self {
            newest,
            retiring,
            keys,
        })
    }

    /// With another key from the record at `index` on; the one before signs beside it until a time.
    ///
    /// # Errors
    /// [`KeyFault::Retiring`], `Order`, `TooMany`.
    pub fn succeeded_by(
        &self,
        new: Arc<Signer>,
        index: u64,
        until: Timestamp,
    ) -> Result<(Self, Succession), KeyFault> {
        let change = Succession::state(&self.newest, &new, index, until);
        let mut keys = self.keys.clone();
        keys.meet(change.clone())?;
        let mut retiring = self.retiring.clone();
        retiring.push((until, Arc::clone(&self.newest)));
        Ok((Self::new(new, retiring, keys)?, change))
    }

    /// Without the retired keys whose time is over; `None` when there are none.
    #[must_use]
    pub fn without_ended(&self, now: Timestamp) -> Option<Self> {
        let stays = |(until, _): &&(Timestamp, Arc<Signer>)| *until > now;
        let retiring: Vec<_> = self.retiring.iter().filter(stays).cloned().collect();
        (retiring.len() < self.retiring.len()).then(|| Self {
            retiring,
            ..self.clone()
        })
    }

    /// The chain.
    #[must_use]
    pub const fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// The newest key's signer.
    #[must_use]
    pub const fn newest(&self) -> &Arc<Signer> {
        &self.newest
    }

    /// Those that still sign beside it.
    #[must_use]
    pub fn retiring(&self) -> &[(Timestamp, Arc<Signer>)] {
        &self.retiring
    }

    /// Signs a head of this log, the newest key first.
    #[must_use]
    pub fn sign(&self, size: u64, root: Digest) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: self.keys.origin().to_owned(),
            size,
            root,
        };
        let text = checkpoint.text();
        let mut note = format!("{text}\n{}", self.newest.line(&text));
        for (_, retired) in &self.retiring {
            note.push_str(&retired.line(&text));
        }
        verified(checkpoint, &note)
    }
}

#[cfg(test)]
mod tests;
