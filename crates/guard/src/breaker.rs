//! A circuit breaker: an upstream that fails again and again is left alone for a while, then tried by one call.

use bartizan_types::Timestamp;

/// Failures in a row that open it.
pub const FAILURES: u32 = 5;
/// How long it is open at first; each failed trial doubles that.
const FIRST_MICROS: u64 = 5_000_000;
/// How long it is open at most.
const MOST_MICROS: u64 = 120_000_000;
/// A trial that says nothing for this long gives way to the next one.
const TRIAL_MICROS: u64 = 30_000_000;

/// What is known of one upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// Open until then, where it is open.
    until: Option<Timestamp>,
    open_micros: u64,
    /// A trial is on its way since then.
    trial: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may go; else after how many seconds trying again may help.
    ///
    /// # Errors
    /// The seconds.
    pub fn admit(&mut self, now: Timestamp) -> Result<(), u32> {
        let Some(until) = self.until else {
            return Ok(());
        };
        let tried = self
            .trial
            .is_some_and(|since| now.micros_since(since) < TRIAL_MICROS);
        if now < until || tried {
            let wait = until.micros_since(now).max(1_000_000);
            return Err(u32::try_from(wait.div_ceil(1_000_000)).unwrap_or(u32::MAX));
        }
        self.trial = Some(now);
        Ok(())
    }

    /// It answered: closed again.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// It failed.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return;
        }
        self.open_micros = match (self.until, self.trial.take()) {
            (None, _) => FIRST_MICROS,
            // A call that began before it opened says nothing new.
            (Some(_), None) => return,
            (Some(_), Some(_)) => self.open_micros.saturating_mul(2).min(MOST_MICROS),
        };
        self.until = Some(now.plus_micros(self.open_micros));
    }

    /// Whether calls are refused now.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_790_000_000 + seconds)
    }

    #[test]
    fn five_failures_open_it_and_one_trial_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 1..FAILURES {
            breaker.failed(at(0));
            assert_eq!(breaker.admit(at(0)), Ok(()));
        }
        breaker.failed(at(0));
        assert_eq!(breaker.admit(at(0)), Err(5));
        assert_eq!(breaker.admit(at(4)), Err(1));
        assert_eq!(breaker.admit(at(5)), Ok(()), "the trial");
        assert_eq!(breaker.admit(at(5)), Err(1), "one at a time");
        breaker.answered();
        assert_eq!(breaker.admit(at(5)), Ok(()));
        breaker.failed(at(5));
        assert!(!breaker.is_open(at(5)), "it begins anew");
    }

    #[test]
    fn a_failed_trial_doubles_the_wait_up_to_a_bound() {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.failed(at(0));
        }
        let mut now = 5;
        for open in [10, 20, 40, 80, 120, 120] {
            assert_eq!(breaker.admit(at(now)), Ok(()));
            breaker.failed(at(now));
            assert_eq!(breaker.admit(at(now)), Err(open));
            // A straggler from before changes nothing.
            breaker.failed(at(now));
            assert_eq!(breaker.admit(at(now)), Err(open));
            now += u64::from(open);
        }
    }

    #[test]
    fn a_trial_that_is_never_heard_of_gives_way() {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.failed(at(0));
        }
        assert_eq!(breaker.admit(at(5)), Ok(()));
        assert_eq!(breaker.admit(at(34)), Err(1));
        assert_eq!(breaker.admit(at(35)), Ok(()));
    }
}
