//! Memory as a bound. What bodies, answers and queues take is counted before it is kept, in a whole, in each
//! identity's share of it, and for MCP in each conversation's: so no server, and no agent with all the identities it
//! may have, fills the process.
//!
//! What is counted is content whose size somebody else chooses. Decoded values take more than the bytes they come
//! from, by a small factor; the bounds leave room for that.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bartizan_types::Principal;

use crate::mcp::Owner;

/// What all bodies, or all answers, may take together where the bound of one is smaller.
const WHOLE_BYTES: usize = 1 << 30;
/// Which part of the whole one identity may take; at least one of the largest size.
const SHARE: usize = 4;
/// How many of the largest messages of one MCP conversation or session have room while they wait.
const CONVERSATION: usize = 4;

/// A bound on bytes, within others.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Space>);

#[derive(Debug)]
struct Space {
    used: AtomicUsize,
    most: usize,
    within: Option<Room>,
}

impl Room {
    /// A bound of its own.
    pub(crate) fn new(most: usize) -> Self {
        Self::make(most, None)
    }

    /// A bound within this one: what is taken there is taken here, too.
    pub(crate) fn part(&self, most: usize) -> Self {
        Self::make(most, Some(self.clone()))
    }

    fn make(most: usize, within: Option<Self>) -> Self {
        let used = AtomicUsize::new(0);
        Self(Arc::new(Space { used, most, within }))
    }

    /// Nothing yet, to be made larger.
    pub(crate) fn nothing(&self) -> Taken {
        Taken {
            room: self.clone(),
            bytes: 0,
        }
    }

    /// Takes this much, until what is given is dropped.
    ///
    /// # Errors
    /// [`Full`], here or in what this is within; nothing is taken then.
    pub(crate) fn take(&self, bytes: usize) -> Result<Taken, Full> {
        let mut taken = self.nothing();
        taken.resize(bytes)?;
        Ok(taken)
    }

    fn add(&self, bytes: usize) -> Result<(), Full> {
        let Space { used, most, within } = &*self.0;
        let fits = |now: usize| now.checked_add(bytes).filter(|then| then <= most);
        used.fetch_update(Relaxed, Relaxed, fits).map_err(|_| Full)?;
        let outer = within.as_ref().map_or(Ok(()), |outer| outer.add(bytes));
        outer.inspect_err(|_| {
            used.fetch_sub(bytes, Relaxed);
        })
    }

    fn give(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Relaxed);
        if let Some(outer) = &self.0.within {
            outer.give(bytes);
        }
    }
}

/// There is no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// What was taken of a room. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Room,
    bytes: usize,
}

impl Taken {
    /// Takes more, or gives back.
    ///
    /// # Errors
    /// [`Full`]; then it has what it had.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes > self.bytes {
            self.room.add(bytes - self.bytes)?;
        } else {
            self.room.give(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Gives everything back, and may grow again.
    pub(crate) fn clear(&mut self) {
        self.room.give(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.give(self.bytes);
    }
}

/// A whole, shared between identities.
#[derive(Debug)]
pub(crate) struct Rooms {
    whole: Room,
    share: usize,
    each: Mutex<HashMap<Owner, Weak<Space>>>,
}

impl Rooms {
    /// Room for things of at most `largest` bytes.
    pub(crate) fn new(largest: usize) -> Self {
        let whole = WHOLE_BYTES.max(largest);
        Self {
            whole: Room::new(whole),
            share: (whole / SHARE).max(largest),
            each: Mutex::new(HashMap::new()),
        }
    }

    /// The share of one identity.
    pub(crate) fn of(&self, principal: &Principal) -> Room {
        let owner = Owner::of(principal);
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(space) = each.get(&owner).and_then(Weak::upgrade) {
            return Room(space);
        }
        // Those that nobody holds are empty, so forgetting them forgets nothing.
        if each.len() >= 64 && each.len().is_power_of_two() {
            each.retain(|_, space| space.strong_count() > 0);
        }
        let room = self.whole.part(self.share);
        each.insert(owner, Arc::downgrade(&room.0));
        room
    }

    /// What one conversation of an identity may have waiting.
    pub(crate) fn conversation(&self, principal: &Principal, largest: usize) -> Room {
        self.of(principal).part(largest.saturating_mul(CONVERSATION))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bartizan_types::{AgentId, AuthMethod, Issuer, KeyId};

    use super::*;

    fn principal(agent: &str) -> Principal {
        Principal {
            agent: AgentId::new(agent).unwrap(),
            user: None,
            act: Vec::new(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            issuer: Issuer::new("bartizan").unwrap(),
            credential: KeyId::new("k").unwrap(),
            rests: Default::default(),
            method: AuthMethod::ApiKey,
            root: None,
            anchor: None,
            expires: None,
        }
    }

    #[test]
    fn what_is_taken_is_given_back_in_every_bound() {
        let whole = Room::new(100);
        let part = whole.part(60);
        let inner = part.part(1000);
        let mut taken = inner.take(50).unwrap();
        assert_eq!(part.take(11).err(), Some(Full));
        assert_eq!(taken.resize(61), Err(Full));
        assert_eq!(taken.resize(60), Ok(()));
        let other = whole.take(40).unwrap();
        assert_eq!(whole.take(1).err(), Some(Full));
        drop(taken);
        assert_eq!(part.take(60).map(drop), Ok(()));
        drop(other);
        assert_eq!(whole.take(100).map(drop), Ok(()));
        assert_eq!(whole.take(usize::MAX).err(), Some(Full));
    }

    #[test]
    fn no_identity_takes_all_and_a_new_handle_is_no_new_share() {
        let rooms = Rooms::new(1 << 20);
        let mut held = Vec::new();
        for agent in ["a", "b", "c", "d"] {
            held.push(rooms.of(&principal(agent)).take(WHOLE_BYTES / SHARE).unwrap());
            assert_eq!(rooms.of(&principal(agent)).take(1).err(), Some(Full), "{agent}");
        }
        assert_eq!(rooms.of(&principal("e")).take(1).err(), Some(Full));
        held.pop();
        assert!(rooms.of(&principal("e")).take(1).is_ok());
        assert_eq!(rooms.of(&principal("a")).take(1).err(), Some(Full));
        // Who asks and goes leaves nothing behind.
        for number in 0..10_000 {
            rooms.of(&principal(&format!("n{number}")));
        }
        assert!(rooms.each.lock().unwrap().len() <= 1024);
    }

    #[test]
    fn one_of_the_largest_fits_whatever_the_share() {
        let rooms = Rooms::new(3 << 30);
        assert!(rooms.of(&principal("a")).take(3 << 30).is_ok());
        let conversation = rooms.conversation(&principal("a"), 1 << 20);
        assert!(conversation.take(CONVERSATION << 20).is_ok());
        assert_eq!(conversation.take((CONVERSATION << 20) + 1).err(), Some(Full));
    }
}
