//! The committer's thread and the bounded queue in front of it.
//!
//! Group commit: while one batch is syncing the next one gathers. Producers only serialise; the queue refuses at
//! its bounds instead of growing. Whatever happens to the thread, every waiter hears of it: a dropped sender reads
//! as closed. INVARIANT: a waiter is told of success only after the journal's sync returned.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bartizan_types::{RecordKind, Timestamp};
use tokio::sync::{oneshot, watch};

use super::{
    heads::Heads,
    journal::{Item, Journal, RETRY_DERIVED, Shared},
    keyring::WrappingKey,
    words::{ChangeKey, KeyChanged, LedgerFault, LedgerOptions, Receipt},
};

/// How long a batch gathers, at most, until as many wait for it as waited for the one before. Callers who were told
/// together come back together, so a busy ledger syncs once for all of them; a quiet one never waits.
const GATHER: Duration = Duration::from_millis(1);
/// How long records that nobody waits for may gather company before they are written.
const DEFERRED: Duration = Duration::from_millis(5);
/// After this long without a batch the next one is written at once.
const LULL: Duration = Duration::from_millis(5);

/// How a waiter hears.
pub(super) type Done<T> = oneshot::Sender<Result<T, LedgerFault>>;

/// What the committer is asked for.
pub(super) enum Job {
    Append {
        item: Item,
        done: Option<Done<Receipt>>,
    },
    Erase {
        index: u64,
        reason: String,
        done: Done<Receipt>,
    },
    RotateKey {
        under: WrappingKey,
        done: Done<()>,
    },
    ChangeKey {
        wanted: ChangeKey,
        done: Done<KeyChanged>,
    },
    Close {
        done: Done<()>,
    },
}

impl Job {
    /// Whether somebody waits for it.
    const fn is_awaited(&self) -> bool {
        !matches!(self, Self::Append { done: None, .. })
    }
}

struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// How many of the jobs somebody waits for.
    awaited: usize,
    /// How many awaited jobs the committer would like to see before it writes.
    wanted: usize,
    closed: bool,
}

impl Waiting {
    /// Whether the committer has reason to wait for more company.
    fn is_thin(&self) -> bool {
        self.awaited < self.wanted && !self.closed
    }
}

/// The queue.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    records_max: usize,
    bytes_max: usize,
    batch_records: usize,
    batch_bytes: usize,
}

impl Queue {
    pub(super) fn new(options: &LedgerOptions, batch_bytes: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                bytes: 0,
                awaited: 0,
                wanted: 1,
                closed: false,
            }),
            arrived: Condvar::new(),
            records_max: options.queue_records,
            bytes_max: options.queue_bytes,
            batch_records: options.batch_records,
            batch_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) -> Result<(), LedgerFault> {
        let bytes = if let Job::Append { item, .. } = &job {
            item.bytes()
        } else {
            0
        };
        if bytes > self.batch_bytes {
            return Err(LedgerFault::TooLarge {
                bytes,
                limit: self.batch_bytes,
            });
        }
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(LedgerFault::Closed);
        }
        if waiting.jobs.len() >= self.records_max || waiting.bytes + bytes > self.bytes_max {
            return Err(LedgerFault::Busy);
        }
        waiting.bytes += bytes;
        let (awaited, append) = (job.is_awaited(), matches!(job, Job::Append { .. }));
        waiting.awaited += usize::from(awaited);
        waiting.jobs.push_back(job);
        // The committer sleeps on an empty queue, on one nobody waits for, and on one with less company than it
        // wants: each of these ends here, and no other push costs a wake-up.
        let wake = waiting.jobs.len() == 1 || !append || awaited && waiting.awaited == waiting.wanted;
        drop(waiting);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Waits, within bounds, for the company that the last batch had.
    fn gather<'a>(&self, mut waiting: MutexGuard<'a, Waiting>, last: &Company) -> MutexGuard<'a, Waiting> {
        let unhurried = |waiting: &mut Waiting| waiting.awaited == 0 && !waiting.closed;
        waiting.wanted = 1;
        if unhurried(&mut waiting) {
            let woken = self.arrived.wait_timeout_while(waiting, DEFERRED, unhurried);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.wanted = if last.ended.elapsed() < LULL {
            last.awaited.max(1)
        } else {
            1
        };
        if waiting.awaited > 0 && waiting.is_thin() && waiting.jobs.len() < self.batch_records {
            let woken = self
                .arrived
                .wait_timeout_while(waiting, GATHER, |waiting| waiting.is_thin());
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting
    }

    /// One batch of appends, or one other job; nothing after `idle` without one. `None` when closed and empty.
    fn take(&self, batch: &mut Vec<Job>, last: &Company, idle: Option<Duration>) -> Option<()> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            // A burst's memory goes back when it is over.
            waiting.jobs.shrink_to(1024);
            let Some(idle) = idle else {
                waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let woken = self.arrived.wait_timeout(waiting, idle);
            let (guard, time) = woken.unwrap_or_else(PoisonError::into_inner);
            if time.timed_out() && guard.jobs.is_empty() {
                return Some(());
            }
            waiting = guard;
        }
        let mut waiting = self.gather(waiting, last);
        let mut bytes = 0;
        while let Some(job) = waiting.jobs.front() {
            let Job::Append { item, .. } = job else {
                if batch.is_empty() {
                    waiting.awaited = waiting.awaited.saturating_sub(1);
                    batch.extend(waiting.jobs.pop_front());
                }
                break;
            };
            bytes += item.bytes();
            if batch.len() >= self.batch_records || bytes > self.batch_bytes {
                break;
            }
            let (taken, awaited) = (item.bytes(), usize::from(job.is_awaited()));
            waiting.bytes = waiting.bytes.saturating_sub(taken);
            waiting.awaited = waiting.awaited.saturating_sub(awaited);
            batch.extend(waiting.jobs.pop_front());
        }
        Some(())
    }
}

/// The batch before.
struct Company {
    /// How many waited for it.
    awaited: usize,
    /// When it was written.
    ended: Instant,
}

/// Closes the queue however the thread ends, so that nobody waits for the dead.
struct Last<'a>(&'a Queue, &'a Shared);
impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.1.poisoned.store(true, Ordering::Release);
        self.0.close();
        self.0.lock().jobs.clear();
    }
}

/// How the thread is scheduled: with weight, since waiting for a processor, not for the disk, is what makes an
/// acknowledgement late; but never in front of the producer that woke it. On a busy processor it then runs when the
/// producers wait for it, or at the next tick: with many records to sync at once instead of two, and without a switch
/// for each. An idle processor runs it at once either way. What isn't allowed is left as it was.
fn scheduled() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{
            NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
            thread_native_id,
        };
        // A niceness of -10 on the library's scale of 0 to 99.
        let weight = thread_priority::ThreadPriorityValue::try_from(73_u8);
        if let Ok(weight) = weight {
            let _ = set_thread_priority_and_policy(
                thread_native_id(),
                thread_priority::ThreadPriority::Crossplatform(weight),
                ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch),
            );
        }
    }
}

/// The thread's life.
pub(super) fn run(mut journal: Journal, queue: &Queue, size: &watch::Sender<u64>, heads: &Heads) {
    scheduled();
    let shared = Arc::clone(&journal.shared);
    let _last = Last(queue, &shared);
    let mut batch = Vec::new();
    let mut company = Company {
        awaited: 1,
        ended: Instant::now(),
    };
    loop {
        let idle = journal.is_behind().then_some(RETRY_DERIVED);
        if queue.take(&mut batch, &company, idle).is_none() {
            break;
        }
        if batch.is_empty() {
            journal.catch_up();
            continue;
        }
        let single = batch.len() == 1;
        let awaited = batch.iter().filter(|job| job.is_awaited()).count();
        match batch.pop() {
            Some(Job::Erase { index, reason, done }) if single => {
                let _ = done.send(journal.erase(index, &reason, now()));
            }
            Some(Job::RotateKey { under, done }) if single => {
                let _ = done.send(journal.rotate_key(under));
            }
            Some(Job::ChangeKey { wanted, done }) if single => {
                let changed = journal.change_key(&wanted);
                heads.tell(&journal.keys());
                let _ = done.send(changed);
            }
            Some(Job::Close { done }) if single => {
                queue.close();
                heads.show(&shared.head());
                heads.finish();
                let _ = done.send(journal.close());
                return;
            }
            Some(job) => {
                batch.push(job);
                append(&mut journal, &mut batch);
            }
            None => {}
        }
        batch.clear();
        company = Company {
            awaited,
            ended: Instant::now(),
        };
        let head = shared.head();
        size.send_replace(head.checkpoint().size);
        heads.show(&head);
    }
    heads.finish();
    if let Err(fault) = journal.close() {
        tracing::warn!(%fault, "closing the ledger");
    }
}

fn append(journal: &mut Journal, batch: &mut Vec<Job>) {
    let mut items = Vec::with_capacity(batch.len());
    let mut waiters = Vec::with_capacity(batch.len());
    for job in batch.drain(..) {
        if let Job::Append { item, done } = job {
            items.push(item);
            waiters.push(done);
        }
    }
    let mut result = journal.commit(&items);
    if matches!(result, Err(LedgerFault::Full)) {
        // What ends a call may still fit into the room kept for it; everything else hears that the disk is full.
        let (mut kept, mut kept_waiters) = (Vec::new(), Vec::new());
        for (item, done) in items.into_iter().zip(waiters) {
            if matches!(item.kind, RecordKind::Closing | RecordKind::Lifecycle) {
                kept.push(item);
                kept_waiters.push(done);
            } else if let Some(done) = done {
                let _ = done.send(Err(LedgerFault::Full));
            }
        }
        waiters = kept_waiters;
        if kept.is_empty() {
            return;
        }
        result = journal.commit(&kept);
    }
    match result {
        Ok((first, size)) => {
            for (done, index) in waiters.into_iter().zip(first..) {
                if let Some(done) = done {
                    let _ = done.send(Ok(Receipt { index, size }));
                }
            }
        }
        Err(fault) => {
            tracing::error!(%fault, "a batch was not written");
            let full = matches!(fault, LedgerFault::Full);
            let mut first = Some(fault);
            for done in waiters.into_iter().flatten() {
                let other = if full {
                    LedgerFault::Full
                } else {
                    LedgerFault::Poisoned
                };
                let _ = done.send(Err(first.take().unwrap_or(other)));
            }
        }
    }
}

/// The shell's clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
