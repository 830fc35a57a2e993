//! Records of what was refused before it was a call: one by one up to a quota, then one summary a minute, so that
//! a flood of bad requests can't fill the log.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bartizan_types::{Code, Principal, Record, RecordKind, Timestamp};
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
    counted: BTreeMap<Code, u64>,
}

impl Rejections {
    /// At most `per_minute` records a minute.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            account: Mutex::new(Account::default()),
        }
    }

    /// Whether this one gets a record of its own; if not, it is counted.
    fn admit(&self, code: Code, now: Timestamp) -> bool {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.unix_seconds() / 60;
        if account.minute != minute {
            account.minute = minute;
            account.recorded = 0;
        }
        if account.recorded < self.per_minute {
            account.recorded += 1;
            return true;
        }
        *account.counted.entry(code).or_default() += 1;
        false
    }

    fn take_counted(&self) -> BTreeMap<Code, u64> {
        std::mem::take(
            &mut self
                .account
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .counted,
        )
    }
}

impl Shared {
    /// Remembers that something was refused before it was a call.
    pub(crate) fn reject(&self, code: Code, principal: Option<&Principal>) {
        let now = clock::now();
        self.meters.refused(code);
        if self.rejections.admit(code, now) {
            let record = bartizan_guard::rejection(now, code, principal.cloned());
            if let Err(fault) = self.ledger.append_deferred(&record) {
                tracing::warn!(error = %fault, %code, "a rejection could not be recorded");
            }
        }
    }

    fn summarise_rejections(&self) {
        let counted = self.rejections.take_counted();
        if counted.is_empty() {
            return;
        }
        let parts: Vec<_> = counted
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        let mut record = Record::new(RecordKind::RejectionSummary, clock::now());
        record.note = Some(format!("not recorded one by one: {}", parts.join(", ")));
        if let Err(fault) = self.ledger.append_deferred(&record) {
            tracing::warn!(error = %fault, "a summary of rejections could not be recorded");
        }
    }
}

/// Writes a summary a minute, and a last one when the gateway stops.
pub(crate) async fn summarise(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let minute = tokio::time::sleep(Duration::from_secs(60));
        tokio::select! {
            () = minute => shared.summarise_rejections(),
            _ = stop.wait_for(|stop| *stop) => return shared.summarise_rejections(),
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
        let admitted = (0..1000)
            .filter(|_| rejections.admit(Code::KeyUnknown, now))
            .count();
        assert_eq!(admitted, 3);
        assert_eq!(
            rejections.take_counted(),
            BTreeMap::from([(Code::KeyUnknown, 997)])
        );
        assert!(rejections.admit(Code::KeyUnknown, Timestamp::from_unix_seconds(660)));
        assert!(rejections.take_counted().is_empty());
    }
}
