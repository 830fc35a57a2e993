//! What may end a request early: a revocation of anything that it touches, and budgets of time and bytes.
//!
//! Each request has one [`Reins`]. Whatever it enters is registered there before it is checked against the revocations in
//! force, and the reins listen to revocations since before that: so a call either sees a revocation when it is ruled on,
//! or is cut off by it, and an acknowledged revocation has no gap.

use std::{
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bartizan_guard::revoke::{self, Revocation, Revocations};
use bartizan_identity::ApiKeyRecord;
use bartizan_store::{Fault, State};
use bartizan_types::{Bar, Code, Evidence, KeyId, Principal, Resource, RevocationId, SessionId, Timestamp};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::{
    clock,
    serve::Asker,
    turns::{Place, Turn},
};

/// Where revocations are kept, one row each.
const KEPT: &str = "revocation/";

/// What was taken away and could not be written down: in force, and lost with the process.
#[derive(Debug, Clone)]
enum Owed {
    Revocation(Box<Revocation>),
    Key(KeyId, Timestamp),
}

impl Owed {
    fn write(&self, state: &State) -> Result<(), Fault> {
        match self {
            Self::Revocation(one) => state.keep(&format!("{KEPT}{}", one.id), one),
            Self::Key(prefix, at) => {
                let end = |key: &mut ApiKeyRecord| key.revoked = key.revoked.or(Some(*at));
                state.revise_key(prefix, end).map(drop)
            }
        }
    }

    fn is_revocation(&self, id: RevocationId) -> bool {
        matches!(self, Self::Revocation(one) if one.id == id)
    }
}

/// The revocations in force, and the word of each change to all that is in progress.
///
/// What is taken away is in force before it is written, and whether or not it can be: a disk that is full must not keep a
/// stolen key alive. What could not be written is owed until it is.
pub struct Revoked {
    /// Read by every call and written in place: a revocation costs the same whether it is the first or the thousandth.
    now: RwLock<Revocations>,
    version: watch::Sender<u64>,
    /// The same, to compare with on the path of every call.
    count: AtomicU64,
    /// One change of what is kept at a time, so that none is lost.
    changing: Mutex<()>,
    owed: Mutex<VecDeque<Owed>>,
}

impl Revoked {
    /// Those that were kept.
    ///
    /// # Errors
    /// The state's: a revocation that can't be read must not look like none.
    pub fn open(state: &State) -> Result<Self, Fault> {
        let all = state.kept_under::<Revocation>(KEPT)?;
        Ok(Self {
            now: RwLock::new(Revocations::new(all)),
            version: watch::Sender::new(0),
            count: AtomicU64::new(0),
            changing: Mutex::new(()),
            owed: Mutex::default(),
        })
    }

    /// Every revocation, those that have run out too.
    #[must_use]
    pub fn all(&self) -> Vec<Revocation> {
        self.read().iter().cloned().collect()
    }

    /// How many there are, those that have run out too.
    #[must_use]
    pub fn count(&self) -> usize {
        self.read().len()
    }

    /// Whether there is one of this id.
    #[must_use]
    pub fn has(&self, id: RevocationId) -> bool {
        self.read().of_id(id).is_some()
    }

    fn read(&self) -> RwLockReadGuard<'_, Revocations> {
        // INVARIANT: whoever writes can't panic half way, or what was half written bars at least as much.
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Revokes, and keeps it: [`Revoked::enforce`] and [`Revoked::keep`].
    ///
    /// # Errors
    /// The state's; it is in force all the same.
    pub fn add(&self, state: &State, one: Revocation) -> Result<(), Fault> {
        self.enforce(one.clone());
        self.keep(state, one)
    }

    /// Revokes, without waiting for anything. On return the next call is refused, and calls in progress are being cut off.
    pub fn enforce(&self, one: Revocation) {
        self.change(|now| now.insert(one));
    }

    /// Makes one that is in force durable; where that fails, it is owed from then on.
    ///
    /// It waits for the disk, so it belongs off the async threads.
    ///
    /// # Errors
    /// The state's.
    pub fn keep(&self, state: &State, one: Revocation) -> Result<(), Fault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // Lifted in this very moment, it must not come back with the next start.
        if !self.has(one.id) {
            return Ok(());
        }
        self.write(state, Owed::Revocation(Box::new(one)))
    }

    /// Writes into a key's record that it ended; where that fails, it is owed from then on. The key itself is ended by a
    /// revocation.
    ///
    /// # Errors
    /// The state's.
    pub(crate) fn end_key(&self, state: &State, prefix: KeyId, at: Timestamp) -> Result<(), Fault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(state, Owed::Key(prefix, at))
    }

    fn write(&self, state: &State, owed: Owed) -> Result<(), Fault> {
        owed.write(state).inspect_err(|_| self.owed().push_back(owed))
    }

    fn owed(&self) -> MutexGuard<'_, VecDeque<Owed>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is in force and not written: a restart loses it.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.owed().len()
    }

    /// Keys whose records don't say yet that they ended, and when they did.
    pub(crate) fn ended(&self, prefix: &KeyId) -> Option<Timestamp> {
        self.owed().iter().find_map(|owed| match owed {
            Owed::Key(key, at) if key == prefix => Some(*at),
            _ => None,
        })
    }

    /// Writes what is owed, as far as the state takes it. It waits for the disk.
    ///
    /// # Errors
    /// The state's; what was not written is still owed.
    pub fn settle(&self, state: &State) -> Result<(), Fault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settled = Ok(());
        // Each once: one that never can be written does not stand in the others' way.
        for _ in 0..self.unwritten() {
            let Some(next) = self.owed().front().cloned() else {
                break;
            };
            let written = next.write(state);
            let mut owed = self.owed();
            owed.pop_front();
            if let Err(fault) = written {
                let is_hopeless = fault.code() == Some(Code::StateUnwritable);
                owed.push_back(next);
                settled = Err(fault);
                if is_hopeless {
                    break;
                }
            }
        }
        settled
    }

    /// Lifts a revocation. Tells whether there was one.
    ///
    /// # Errors
    /// The state's; it stays in force then.
    pub fn lift(&self, state: &State, id: RevocationId) -> Result<Option<Revocation>, Fault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has(id) {
            return Ok(None);
        }
        state.drop_kept(&format!("{KEPT}{id}"))?;
        self.owed().retain(|owed| !owed.is_revocation(id));
        Ok(self.change(|now| now.remove(id)))
    }

    /// In force before it is told: who has seen the version of this change sees the change.
    fn change<T>(&self, work: impl FnOnce(&mut Revocations) -> T) -> T {
        let done = work(&mut self.now.write().unwrap_or_else(PoisonError::into_inner));
        let count = self.count.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.version.send_modify(|version| *version = count);
        done
    }

    /// What stands in a call's way.
    pub(crate) fn bar(&self, evidence: &Evidence) -> Option<Bar> {
        self.read().bar(evidence)
    }

    /// Whether a resource is revoked, whoever has to do with it.
    pub(crate) fn ends(&self, resource: &Resource) -> bool {
        self.read().of_resource(resource, clock::now()).is_some()
    }

    /// How often revocations changed.
    pub(crate) fn version(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// What came to stand in a request's way since the revocations were at this version.
    pub(crate) fn bar_since(&self, seen: u64, reins: &Reins) -> Option<Bar> {
        if self.version() == seen {
            return None;
        }
        reins.revocation(self)
    }

    /// What stands in a caller's way, whatever it does.
    pub(crate) fn of_caller(&self, principal: &Principal, session: SessionId) -> Option<Bar> {
        let now = self.read();
        now.of_caller(principal, session, clock::now()).map(revoke::bar)
    }
}

/// What one request touches, and what has ended it.
#[derive(Debug)]
pub(crate) struct Reins {
    principal: Arc<Principal>,
    touched: Mutex<Touched>,
    /// Something was added that may end it sooner.
    moved: Notify,
    most_bytes: AtomicU64,
    revoked: AtomicBool,
    spent: AtomicBool,
    heard: watch::Receiver<u64>,
    turn: Mutex<Option<Turn>>,
    /// Its place in the identity's share of calls in progress; housekeeping and pipes have none.
    place: Option<Place>,
}

#[derive(Debug, Default)]
struct Touched {
    sessions: BTreeSet<SessionId>,
    resources: BTreeSet<Resource>,
    until: Option<Instant>,
    /// The revocation that ended it, in words of ours: for records.
    by: Option<String>,
    /// Who waits for an answer, once that is known.
    asked: Option<Asker>,
}

/// Resources of one request that are remembered; a request that enters more ends with a revocation of any.
const MOST: usize = 256;

impl Reins {
    /// Of a request by this principal. Listens to revocations from now on.
    pub(crate) fn new(
        revoked: &Revoked,
        principal: &Arc<Principal>,
        session: SessionId,
        place: Option<Place>,
    ) -> Arc<Self> {
        let mut heard = revoked.version.subscribe();
        heard.mark_unchanged();
        Arc::new(Self {
            principal: Arc::clone(principal),
            touched: Mutex::new(Touched {
                sessions: BTreeSet::from([session]),
                ..Touched::default()
            }),
            moved: Notify::new(),
            most_bytes: AtomicU64::new(u64::MAX),
            revoked: AtomicBool::new(false),
            spent: AtomicBool::new(false),
            heard,
            turn: Mutex::default(),
            place,
        })
    }

    fn touched(&self) -> MutexGuard<'_, Touched> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins: from here on a revocation of what it touches ends the request.
    pub(crate) fn touch(&self, evidence: &Evidence) {
        let mut touched = self.touched();
        touched.sessions.insert(evidence.session);
        if touched.resources.len() < MOST {
            touched.resources.insert(evidence.call.resource.clone());
        }
    }

    /// Waits for its turn, once its body of so many bytes is here.
    pub(crate) async fn takes_turn(&self, bytes: usize) {
        let Some(place) = &self.place else { return };
        let turn = place.turn(bytes).await;
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// What is waited for from here on is somebody else's work: the turn is given on.
    pub(crate) fn yields(&self) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(turn);
    }

    /// Its answer may take this much and no more.
    pub(crate) fn bound(&self, millis: Option<u64>, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            self.most_bytes.fetch_min(bytes, Ordering::Relaxed);
        }
        if let Some(millis) = millis {
            let until = Instant::now() + std::time::Duration::from_millis(millis);
            let mut touched = self.touched();
            touched.until = Some(touched.until.map_or(until, |before| before.min(until)));
            drop(touched);
            self.moved.notify_one();
        }
    }

    /// The most bytes that its answer may have.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.most_bytes.load(Ordering::Relaxed)
    }

    /// A budget of bytes ended it.
    pub(crate) fn spent(&self) {
        self.spent.store(true, Ordering::Relaxed);
    }

    /// What ended it, if anything did.
    pub(crate) fn ended(&self) -> Option<Code> {
        if self.revoked.load(Ordering::Relaxed) {
            return Some(Code::Revoked);
        }
        self.spent.load(Ordering::Relaxed).then_some(Code::BudgetExceeded)
    }

    /// Which revocation ended it, if one did; for records, never for the caller.
    pub(crate) fn revoked_by(&self) -> Option<String> {
        self.touched().by.clone()
    }

    /// Whoever asked is told in these words what ends the request.
    pub(crate) fn asked_by(&self, asker: Asker) {
        self.touched().asked = Some(asker);
    }

    /// Who waits for an answer.
    pub(crate) fn asked(&self) -> Option<Asker> {
        self.touched().asked.clone()
    }

    /// This revocation ends it, in words of ours.
    pub(crate) fn ended_by(&self, what: String) {
        self.touched().by = Some(what);
    }

    /// The revocation of something that the request touches.
    fn revocation(&self, revoked: &Revoked) -> Option<Bar> {
        let (all, now) = (revoked.read(), clock::now());
        if all.is_empty() {
            return None;
        }
        let touched = self.touched();
        let mut sessions = touched.sessions.iter();
        let mut resources = touched.resources.iter();
        let found = sessions
            .find_map(|session| all.of_caller(&self.principal, *session, now))
            .or_else(|| resources.find_map(|resource| all.of_resource(resource, now)));
        let unknown = || Bar {
            code: Code::Revoked,
            what: format!("a revocation, made when the request had touched {MOST} resources"),
            retry_after_seconds: None,
            scopes: BTreeSet::new(),
        };
        found
            .map(revoke::bar)
            .or_else(|| (touched.resources.len() >= MOST).then(unknown))
    }

    /// Resolves when the request has to end.
    pub(crate) async fn cut(self: Arc<Self>, revoked: Arc<Revoked>) -> Code {
        let mut heard = self.heard.clone();
        loop {
            let until = self.touched().until;
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = heard.changed() => {
                    if changed.is_err() {
                        // Nobody revokes any more; what is bounded by time still ends.
                        self.moved.notified().await;
                    } else if let Some(bar) = self.revocation(&revoked) {
                        self.ended_by(bar.what);
                        self.revoked.store(true, Ordering::Relaxed);
                        return Code::Revoked;
                    }
                }
                () = self.moved.notified() => {}
                () = late => {
                    self.spent();
                    return Code::BudgetExceeded;
                }
            }
        }
    }
}

/// A request's end, waited for beside its answer.
pub(crate) type Ending = Pin<Box<dyn Future<Output = Code> + Send>>;
