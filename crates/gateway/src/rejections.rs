//! Records of what was refused before it was a call: one by one up to a quota, then one summary a minute, so that
//! a flood of bad requests can't fill the log.
//!
//! INVARIANT: the id in a refusal is that of a record. Refusals that are only counted are told the id of the summary
//! that will count them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bartizan_types::{CallId, Code, Principal, Record, RecordKind, Refusal, Timestamp};
use tokio::sync::watch;

use crate::{Shared, clock};

/// The current minute's account.
#[derive(Debug)]
pub(crate) struct Rejections {
    per_minute: u32,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    minute: u64,
    recorded: u32,
    counted: Counted,
}

/// What waits for a summary.
#[derive(Debug, Default)]
struct Counted {
    /// The summary's id, once there is anything to count.
    id: Option<CallId>,
    codes: BTreeMap<Code, u64>,
}

/// What becomes of one refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It has a record of its own, under this id.
    Recorded(CallId),
    /// The summary of this id counts it.
    Counted(CallId),
}

impl Rejections {
    /// At most `per_minute` records a minute.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            account: Mutex::new(Account::default()),
        }
    }

    /// Gives this one a record of its own while the minute's quota lasts, and counts it after that.
    fn admit(&self, code: Code, now: Timestamp) -> Kept {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.unix_seconds() / 60;
        if account.minute != minute {
            account.minute = minute;
            account.recorded = 0;
        }
        if account.recorded < self.per_minute {
            account.recorded += 1;
            return Kept::Recorded(clock::mint(now));
        }
        Kept::Counted(account.counted.add(code, now))
    }

    /// Counts one that never gets a record of its own: what is refused because there is too much of it.
    fn count(&self, code: Code, now: Timestamp) -> CallId {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.counted.add(code, now)
    }

    /// Whether a summary of this id is still to be written.
    fn owes(&self, id: CallId) -> bool {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.counted.id == Some(id)
    }

    fn take_counted(&self) -> Option<(CallId, BTreeMap<Code, u64>)> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = std::mem::take(&mut account.counted);
        counted.id.map(|id| (id, counted.codes))
    }
}

impl Counted {
    fn add(&mut self, code: Code, now: Timestamp) -> CallId {
        *self.codes.entry(code).or_default() += 1;
        *self.id.get_or_insert_with(|| clock::mint(now))
    }
}

impl Shared {
    /// Refuses something before it was a call, and remembers that. Gives what to tell whoever asked.
    pub(crate) fn reject(&self, code: Code, principal: Option<&Principal>) -> Refusal {
        let now = clock::now();
        self.meters.refused(code);
        let call = match self.rejections.admit(code, now) {
            Kept::Counted(summary) => summary,
            Kept::Recorded(call) => {
                let record = bartizan_guard::rejection(now, call, code, principal.cloned());
                if let Err(fault) = self.ledger.append_deferred(&record) {
                    tracing::warn!(error = %fault, %code, "a rejection could not be recorded");
                }
                call
            }
        };
        told(call, code)
    }

    /// Refuses something because there is too much of it, or because the gateway stops: counted, and never recorded
    /// one by one.
    pub(crate) fn shed(&self, code: Code) -> Refusal {
        self.meters.refused(code);
        told(self.rejections.count(code, clock::now()), code)
    }

    /// Writes the summary of this id now, if it is still to be written: somebody asks for it.
    pub(crate) fn summarise_if_owed(&self, id: CallId) {
        if self.rejections.owes(id) {
            self.summarise_rejections();
        }
    }

    pub(crate) fn summarise_rejections(&self) {
        let Some((id, counted)) = self.rejections.take_counted() else {
            return;
        };
        let parts: Vec<_> = counted
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        let mut record = Record::new(RecordKind::RejectionSummary, clock::now());
        record.call = Some(id);
        record.note = Some(format!("not recorded one by one: {}", parts.join(", ")));
        if let Err(fault) = self.ledger.append_deferred(&record) {
            tracing::warn!(error = %fault, "a summary of rejections could not be recorded");
        }
    }
}

/// A refusal under an id that a record has, or will have.
fn told(call: CallId, code: Code) -> Refusal {
    let mut refusal = Refusal::new(call, code);
    if matches!(code, Code::Saturated | Code::QueueFull | Code::Draining) {
        refusal.retry_after_seconds = Some(1);
    }
    refusal
}

/// Writes a summary a minute until the gateway stops. What is refused while it stops is summarised by whoever waits
/// for it to.
pub(crate) async fn summarise(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let minute = tokio::time::sleep(Duration::from_secs(60));
        tokio::select! {
            () = minute => shared.summarise_rejections(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_not_recorded() {
        let rejections = Rejections::new(3);
        let now = Timestamp::from_unix_seconds(600);
        let kept: Vec<_> = (0..1000)
            .map(|_| rejections.admit(Code::KeyUnknown, now))
            .collect();
        let recorded = kept.iter().filter(|kept| matches!(kept, Kept::Recorded(_)));
        assert_eq!(recorded.count(), 3);
        let (id, counted) = rejections.take_counted().unwrap();
        assert_eq!(counted, BTreeMap::from([(Code::KeyUnknown, 997)]));
        // Every one of them was told the id of the summary that counts it.
        assert!(kept[3..].iter().all(|kept| *kept == Kept::Counted(id)));
        let next = rejections.admit(Code::KeyUnknown, Timestamp::from_unix_seconds(660));
        assert!(matches!(next, Kept::Recorded(_)));
        assert_eq!(rejections.take_counted(), None);
        // The next summary is another one.
        let later = rejections.count(Code::Saturated, now);
        assert!(later != id && rejections.owes(later) && !rejections.owes(id));
    }
}
