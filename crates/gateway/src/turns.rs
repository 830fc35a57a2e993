//! Turns: who works next. Each identity has a share of the calls in progress and a queue of its own, and what has to be
//! computed for a call is done in turns between identities (deficit round robin), so one that floods waits for itself.
//!
//! A turn lasts from the end of a request's body until its ruling is on the way to the disk: that is where the work is.
//! It is never held while somebody else is waited for. Who is refused again and again is answered late, so that a flood
//! of refusals costs the one who makes it time, and others little.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bartizan_types::Principal;
use tokio::{sync::oneshot, time::Instant};

use crate::mcp::Owner;

/// Bytes of a body that cost as much as a request itself.
const COST_BYTES: usize = 16 << 10;
/// What an identity may spend each time it is visited.
const QUANTUM: usize = 4;
/// Refusals of one identity a second that are answered at once; those after them wait.
const REFUSALS: u32 = 256;
/// How long they wait.
const LATE: Duration = Duration::from_millis(1000);

/// All turns.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
    at_once: usize,
    each: usize,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    of: HashMap<Owner, Own>,
    /// Identities with somebody waiting, in the order they are visited.
    round: VecDeque<Owner>,
    refused: HashMap<Option<Owner>, (Instant, u32)>,
}

#[derive(Debug, Default)]
struct Own {
    in_progress: usize,
    deficit: usize,
    waiting: VecDeque<(usize, oneshot::Sender<Turn>)>,
}

/// This identity has as much in progress as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// One call in progress of an identity's share. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    turns: Arc<Turns>,
    owner: Owner,
}

/// The right to compute. Given on when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Option<Arc<Turns>>,
}

impl Turns {
    /// At most `each` calls of an identity in progress, and `at_once` turns in all.
    pub(crate) fn new(each: usize, at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            at_once: at_once.max(1),
            each: each.max(1),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in an identity's share.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn place(self: &Arc<Self>, principal: &Principal) -> Result<Place, Full> {
        let owner = Owner::of(principal);
        let mut state = self.state();
        let own = state.of.entry(owner.clone()).or_default();
        if own.in_progress >= self.each {
            return Err(Full);
        }
        own.in_progress += 1;
        Ok(Place {
            turns: Arc::clone(self),
            owner,
        })
    }

    /// Waits for a place's turn, to look at a body of so many bytes.
    pub(crate) async fn turn(self: &Arc<Self>, place: &Place, bytes: usize) -> Turn {
        let given = {
            let mut state = self.state();
            if state.running < self.at_once && state.round.is_empty() {
                state.running += 1;
                return self.one();
            }
            let (sender, receiver) = oneshot::channel();
            let own = state.of.entry(place.owner.clone()).or_default();
            own.waiting.push_back((1 + bytes / COST_BYTES, sender));
            if own.waiting.len() == 1 {
                state.round.push_back(place.owner.clone());
            }
            receiver
        };
        // The sender is kept until it is used, so a turn always comes.
        given.await.unwrap_or(Turn { turns: None })
    }

    fn one(self: &Arc<Self>) -> Turn {
        Turn {
            turns: Some(Arc::clone(self)),
        }
    }

    /// Gives a turn to the next in the round.
    fn next(self: &Arc<Self>) {
        let mut state = self.state();
        loop {
            let Some(owner) = state.round.pop_front() else {
                state.running = state.running.saturating_sub(1);
                return;
            };
            let Some(own) = state.of.get_mut(&owner) else {
                continue;
            };
            let Some((cost, _)) = own.waiting.front() else {
                own.deficit = 0;
                continue;
            };
            if own.deficit < *cost {
                // Its turn to be visited is over; it comes again with more.
                own.deficit = own.deficit.saturating_add(QUANTUM);
                state.round.push_back(owner);
                continue;
            }
            let Some((cost, sender)) = own.waiting.pop_front() else {
                continue;
            };
            own.deficit -= cost;
            if own.waiting.is_empty() {
                own.deficit = 0;
            } else {
                state.round.push_front(owner);
            }
            // What is given travels with the turn: one that is never taken gives itself on.
            match sender.send(self.one()) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.turns = None,
            }
        }
    }

    /// How long a refusal of this identity (or of nobody known) waits before it is told.
    pub(crate) fn late(&self, owner: Option<&Principal>) -> Option<Duration> {
        let owner = owner.map(Owner::of);
        let now = Instant::now();
        let mut state = self.state();
        if state.refused.len() >= 4096 {
            state
                .refused
                .retain(|_, (since, _)| now.duration_since(*since) < Duration::from_secs(1));
        }
        let (since, count) = state.refused.entry(owner).or_insert((now, 0));
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        (*count > REFUSALS).then_some(LATE)
    }
}

impl Place {
    /// Waits for its turn.
    pub(crate) async fn turn(&self, bytes: usize) -> Turn {
        self.turns.turn(self, bytes).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if let Some(own) = state.of.get_mut(&self.owner) {
            own.in_progress = own.in_progress.saturating_sub(1);
            if own.in_progress == 0 && own.waiting.is_empty() {
                state.of.remove(&self.owner);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.next();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use bartizan_types::{AgentId, AuthMethod, Issuer, KeyId};

    use super::*;

    /// An agent with a key of ours.
    pub(crate) fn principal(agent: &str) -> Principal {
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
    fn a_share_is_full_and_another_identity_s_is_not() {
        let turns = Turns::new(2, 1);
        let held: Vec<Place> = (0..2).map(|_| turns.place(&principal("a")).unwrap()).collect();
        assert_eq!(turns.place(&principal("a")).err(), Some(Full));
        assert!(turns.place(&principal("b")).is_ok());
        drop(held);
        assert!(turns.place(&principal("a")).is_ok());
        assert!(
            turns.state().of.is_empty(),
            "who has nothing in progress is forgotten"
        );
    }

    #[tokio::test]
    async fn one_that_floods_waits_for_itself() {
        let turns = Turns::new(1000, 1);
        let running = turns.turn(&turns.place(&principal("z")).unwrap(), 0).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..100 {
            let agent = if number < 98 { "flood" } else { "quiet" };
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let place = turns.place(&principal(agent)).unwrap();
                let _turn = turns.turn(&place, 0).await;
                order.lock().unwrap().push(agent);
            }));
            // In this order, into the queues.
            tokio::task::yield_now().await;
        }
        drop(running);
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap();
        let last = order.iter().rposition(|agent| *agent == "quiet").unwrap();
        assert!(
            last <= 2 * QUANTUM + 2,
            "the quiet one's last turn is number {last}"
        );
        assert_eq!(turns.state().running, 0);
    }

    #[tokio::test]
    async fn who_leaves_while_waiting_is_passed_over() {
        let turns = Turns::new(10, 1);
        let place = turns.place(&principal("a")).unwrap();
        let running = turns.turn(&place, 0).await;
        {
            let mut waits = Box::pin(turns.turn(&place, 0));
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(Future::poll(waits.as_mut(), context).is_ready())
            });
            assert!(!polled.await);
        }
        drop(running);
        assert_eq!(turns.state().running, 0);
        drop(turns.turn(&place, 0).await);
        assert_eq!(turns.state().running, 0);
    }

    #[test]
    fn refusals_past_a_rate_are_told_late() {
        let turns = Turns::new(1, 1);
        for _ in 0..REFUSALS {
            assert_eq!(turns.late(Some(&principal("a"))), None);
        }
        assert_eq!(turns.late(Some(&principal("a"))), Some(LATE));
        assert_eq!(turns.late(Some(&principal("b"))), None);
        assert_eq!(turns.late(None), None);
    }
}
