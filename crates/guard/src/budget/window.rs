//! Windows of time, and the count of one budget within them.

use std::collections::VecDeque;

use bartizan_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Over which time a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// For ever, until an operator resets it.
    Total,
    /// The hour of the clock, UTC.
    Hour,
    /// The day of the calendar, UTC.
    Day,
    /// The month of the calendar, UTC.
    Month,
    /// The last so many seconds, in sixtieths: what lies up to a sixtieth further back still counts.
    Sliding {
        /// Its length.
        seconds: u32,
    },
    /// A bucket that drains: the whole limit at once, and the limit again over so many seconds.
    Bucket {
        /// How long a full bucket takes to drain.
        seconds: u32,
    },
    /// What is in progress now.
    Now,
}

const MICROS: u64 = 1_000_000;
const HOUR: u64 = 3600 * MICROS;
const DAY: u64 = 24 * HOUR;
/// Into how many slices a sliding window is cut.
const SLICES: u64 = 60;

impl Window {
    /// The cell that counts what is taken now.
    fn cell(self, now: Timestamp) -> u64 {
        let micros = now.unix_micros();
        match self {
            Self::Total | Self::Now | Self::Bucket { .. } => 0,
            Self::Hour => micros / HOUR,
            Self::Day => micros / DAY,
            Self::Month => month(micros / DAY).0,
            Self::Sliding { .. } => micros / self.slice(),
        }
    }

    /// How many cells before the present one still count.
    const fn behind(self) -> u64 {
        match self {
            Self::Sliding { .. } => SLICES,
            _ => 0,
        }
    }

    fn slice(self) -> u64 {
        match self {
            Self::Sliding { seconds } => (u64::from(seconds.max(1)) * MICROS) / SLICES,
            _ => MICROS,
        }
    }

    /// Microseconds that a full bucket takes to drain.
    fn drain(self) -> u128 {
        match self {
            Self::Bucket { seconds } => u128::from(seconds.max(1)) * u128::from(MICROS),
            _ => 1,
        }
    }
}

/// Months since January 1970 of a day since the epoch, and the first day of the next one. Counted in whole 400-year
/// cycles that begin in March, as in Howard Hinnant's derivation of the civil calendar.
fn month(day: u64) -> (u64, u64) {
    let shifted = day.saturating_add(719_468);
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let civil = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(civil <= 2);
    let index = (year.saturating_sub(1970) * 12 + civil).saturating_sub(1);
    let starts = |march_month: u64| (153 * march_month + 2) / 5;
    // February is the last of the shifted year, so its end is where the next year begins.
    let leap = {
        let next = year_of_era + 1;
        next.is_multiple_of(4) && (!next.is_multiple_of(100) || next.is_multiple_of(400))
    };
    let length = if march_month == 11 {
        365 + u64::from(leap)
    } else {
        starts(march_month + 1)
    };
    (index, day + (length - of_year))
}

/// What is used of one budget by one of those it is kept per. Settled and reserved are one number: a settlement gives
/// back what was reserved too much, to the cell that it was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counter {
    /// Cells that hold something, oldest first.
    cells: VecDeque<(u64, u64)>,
    /// Of a bucket: units times microseconds of draining, as of `at`.
    level: u128,
    at: Timestamp,
}

impl Counter {
    /// What is used now.
    pub(super) fn used(&self, window: Window, limit: u64, now: Timestamp) -> u64 {
        if matches!(window, Window::Bucket { .. }) {
            let level = self.drained(limit, now).div_ceil(window.drain());
            return u64::try_from(level).unwrap_or(u64::MAX);
        }
        let present = self.present(window, now);
        let counts = |(cell, _): &&(u64, u64)| present.saturating_sub(*cell) <= window.behind();
        let used = self.cells.iter().filter(counts).map(|(_, used)| *used);
        used.fold(0, u64::saturating_add)
    }

    /// The present cell; never one before what was counted already, whatever the clock does.
    fn present(&self, window: Window, now: Timestamp) -> u64 {
        let newest = self.cells.back().map_or(0, |(cell, _)| *cell);
        window.cell(now).max(newest)
    }

    fn drained(&self, limit: u64, now: Timestamp) -> u128 {
        let leak = u128::from(now.micros_since(self.at)).saturating_mul(u128::from(limit));
        self.level.saturating_sub(leak)
    }

    /// Takes an amount; gives the cell to give back to.
    pub(super) fn take(&mut self, window: Window, limit: u64, now: Timestamp, amount: u64) -> u64 {
        if matches!(window, Window::Bucket { .. }) {
            let added = u128::from(amount).saturating_mul(window.drain());
            self.level = self.drained(limit, now).saturating_add(added);
            self.at = self.at.max(now);
            return 0;
        }
        let present = self.present(window, now);
        while self
            .cells
            .front()
            .is_some_and(|(cell, _)| present.saturating_sub(*cell) > window.behind())
        {
            self.cells.pop_front();
        }
        match self.cells.back_mut() {
            Some((cell, used)) if *cell == present => *used = used.saturating_add(amount),
            _ => self.cells.push_back((present, amount)),
        }
        present
    }

    /// Gives back what was taken too much at `since`.
    pub(super) fn give(
        &mut self,
        window: Window,
        limit: u64,
        (cell, since): (u64, Timestamp),
        now: Timestamp,
        amount: u64,
    ) {
        if matches!(window, Window::Bucket { .. }) {
            // What drained since may have been this very amount: giving it back again would forget what others used.
            let leak = u128::from(now.micros_since(since)).saturating_mul(u128::from(limit));
            let back = u128::from(amount)
                .saturating_mul(window.drain())
                .saturating_sub(leak);
            self.level = self.drained(limit, now).saturating_sub(back);
            self.at = self.at.max(now);
            return;
        }
        if let Some((_, used)) = self.cells.iter_mut().find(|(at, _)| *at == cell) {
            *used = used.saturating_sub(amount);
        }
    }

    /// Seconds until `amount` fits, if it ever does by waiting.
    pub(super) fn wait(&self, window: Window, limit: u64, now: Timestamp, amount: u64) -> Option<u32> {
        if amount > limit {
            return None;
        }
        let micros = now.unix_micros();
        let wait = match window {
            Window::Total => return None,
            Window::Now => MICROS,
            Window::Hour => HOUR - micros % HOUR,
            Window::Day => DAY - micros % DAY,
            Window::Month => month(micros / DAY).1.saturating_mul(DAY).saturating_sub(micros),
            Window::Bucket { .. } => {
                let room = u128::from(limit.saturating_sub(amount)).saturating_mul(window.drain());
                let above = self.drained(limit, now).saturating_sub(room);
                u64::try_from(above.div_ceil(u128::from(limit.max(1)))).unwrap_or(u64::MAX)
            }
            Window::Sliding { .. } => {
                let mut above = self
                    .used(window, limit, now)
                    .saturating_add(amount)
                    .saturating_sub(limit);
                let present = self.present(window, now);
                let mut until = 0;
                for (cell, used) in &self.cells {
                    if above == 0 {
                        break;
                    }
                    if present.saturating_sub(*cell) > SLICES {
                        continue;
                    }
                    above = above.saturating_sub(*used);
                    until = cell.saturating_add(SLICES + 1).saturating_mul(window.slice());
                }
                until.saturating_sub(micros)
            }
        };
        Some(u32::try_from(wait.div_ceil(MICROS).max(1)).unwrap_or(u32::MAX))
    }

    /// Whether nothing of it counts any more.
    pub(super) fn is_empty(&self, window: Window, limit: u64, now: Timestamp) -> bool {
        self.used(window, limit, now) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn months_are_the_calendars() {
        for (day, index, next) in [
            ("1970-01-01T00:00:00Z", 0, "1970-02-01T00:00:00Z"),
            ("1970-02-28T23:59:59Z", 1, "1970-03-01T00:00:00Z"),
            ("2024-02-29T12:00:00Z", 54 * 12 + 1, "2024-03-01T00:00:00Z"),
            ("2026-12-31T23:59:59Z", 56 * 12 + 11, "2027-01-01T00:00:00Z"),
            ("2100-02-28T00:00:00Z", 130 * 12 + 1, "2100-03-01T00:00:00Z"),
            ("2000-02-15T00:00:00Z", 30 * 12 + 1, "2000-03-01T00:00:00Z"),
        ] {
            let found = month(at(day).unix_micros() / DAY);
            assert_eq!(found, (index, at(next).unix_micros() / DAY), "{day}");
        }
    }

    #[test]
    fn a_calendar_window_ends_when_the_calendar_says() {
        let mut counter = Counter::default();
        counter.take(Window::Day, 10, at("2026-11-28T23:59:58Z"), 7);
        assert_eq!(counter.used(Window::Day, 10, at("2026-11-28T23:59:59Z")), 7);
        assert_eq!(
            counter.wait(Window::Day, 10, at("2026-11-28T23:59:59Z"), 7),
            Some(1)
        );
        assert_eq!(counter.used(Window::Day, 10, at("2026-11-29T00:00:00Z")), 0);
        // A clock that jumps back opens no window that was closed.
        counter.take(Window::Day, 10, at("2026-11-29T00:00:01Z"), 3);
        assert_eq!(counter.used(Window::Day, 10, at("2026-11-28T12:00:00Z")), 3);
    }

    #[test]
    fn a_sliding_window_lets_go_slice_by_slice() {
        let window = Window::Sliding { seconds: 60 };
        let mut counter = Counter::default();
        let begin = at("2026-11-28T12:00:00Z");
        for second in 0..10 {
            counter.take(window, 10, begin.plus_micros(second * MICROS), 1);
        }
        assert_eq!(counter.used(window, 10, begin.plus_micros(59 * MICROS)), 10);
        assert_eq!(
            counter.wait(window, 10, begin.plus_micros(10 * MICROS), 2),
            Some(52)
        );
        assert_eq!(counter.used(window, 10, begin.plus_micros(62 * MICROS)), 8);
    }

    #[test]
    fn a_bucket_drains_evenly_and_a_late_settlement_forgets_nobody() {
        let window = Window::Bucket { seconds: 10 };
        let mut counter = Counter::default();
        let begin = at("2026-11-28T12:00:00Z");
        let cell = counter.take(window, 100, begin, 100);
        assert_eq!(counter.wait(window, 100, begin, 50), Some(5));
        let later = begin.plus_micros(10 * MICROS);
        assert_eq!(counter.used(window, 100, later), 0);
        counter.take(window, 100, later, 60);
        counter.give(window, 100, (cell, begin), later, 90);
        assert_eq!(counter.used(window, 100, later), 60);
    }
}
