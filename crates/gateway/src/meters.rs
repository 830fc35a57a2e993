//! What the gateway counts. Lock-free, fixed in size, no label a client could choose.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use bartizan_types::{Action, Code, RulingWord, Surface};

/// Upper bounds of the latency buckets, in microseconds; the last bucket has none.
pub const LATENCY_BUCKETS_US: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000,
    60_000_000,
];

const SURFACES: [Surface; 4] = [
    Surface::OpenaiChat,
    Surface::OpenaiResponses,
    Surface::AnthropicMessages,
    Surface::Mcp,
];
const RULINGS: [RulingWord; 3] = [RulingWord::Allow, RulingWord::Ask, RulingWord::Deny];
const CALL_CELLS: usize = Action::ALL.len() * RULINGS.len() * SURFACES.len();

/// All counters and gauges.
#[derive(Debug)]
pub struct Meters {
    calls: [AtomicU64; CALL_CELLS],
    refusals: Vec<AtomicU64>,
    latency: [AtomicU64; LATENCY_BUCKETS_US.len() + 1],
    latency_sum_us: AtomicU64,
    /// Open connections of agents.
    pub connections: AtomicI64,
    /// Calls in progress.
    pub in_progress: AtomicI64,
    /// Streams being released.
    pub streams: AtomicI64,
    /// Bytes released to agents.
    pub released_bytes: AtomicU64,
    /// Panics turned into refusals.
    pub panics: AtomicU64,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            calls: std::array::from_fn(|_| AtomicU64::new(0)),
            refusals: Code::all().map(|_| AtomicU64::new(0)).collect(),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
            latency_sum_us: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            in_progress: AtomicI64::new(0),
            streams: AtomicI64::new(0),
            released_bytes: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }
}

impl Meters {
    /// One ruled call.
    pub fn ruled(&self, action: Action, ruling: RulingWord, surface: Surface) {
        let cell = (action as usize * RULINGS.len() + ruling as usize) * SURFACES.len() + surface as usize;
        if let Some(counter) = self.calls.get(cell) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// One refusal of this code, ruled or before ruling.
    pub fn refused(&self, code: Code) {
        if let Some(counter) = self.refusals.get(code as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// One finished call.
    pub fn took(&self, micros: u64) {
        let bucket = LATENCY_BUCKETS_US.partition_point(|bound| *bound < micros);
        if let Some(counter) = self.latency.get(bucket) {
            counter.fetch_add(1, Relaxed);
        }
        self.latency_sum_us.fetch_add(micros, Relaxed);
    }

    /// Ruled calls that are not zero.
    pub fn calls(&self) -> Vec<(Action, RulingWord, Surface, u64)> {
        let mut rows = Vec::new();
        let mut cells = self.calls.iter();
        for action in Action::ALL {
            for ruling in RULINGS {
                for surface in SURFACES {
                    let count = cells.next().map_or(0, |cell| cell.load(Relaxed));
                    if count > 0 {
                        rows.push((action, ruling, surface, count));
                    }
                }
            }
        }
        rows
    }

    /// Refusals that are not zero.
    pub fn refusals(&self) -> Vec<(Code, u64)> {
        let counts = self.refusals.iter().map(|counter| counter.load(Relaxed));
        Code::all().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Counts per latency bucket (the last has no upper bound), and the sum in microseconds.
    pub fn latency(&self) -> (Vec<u64>, u64) {
        (
            self.latency.iter().map(|bucket| bucket.load(Relaxed)).collect(),
            self.latency_sum_us.load(Relaxed),
        )
    }
}

/// Raises a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct Gauge<P: Fn(&Meters) -> &AtomicI64> {
    meters: std::sync::Arc<Meters>,
    pick: P,
}

impl<P: Fn(&Meters) -> &AtomicI64> Gauge<P> {
    /// Raises it.
    pub(crate) fn raise(meters: std::sync::Arc<Meters>, pick: P) -> Self {
        pick(&meters).fetch_add(1, Relaxed);
        Self { meters, pick }
    }
}

impl<P: Fn(&Meters) -> &AtomicI64> Drop for Gauge<P> {
    fn drop(&mut self) {
        (self.pick)(&self.meters).fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_own_place() {
        let meters = Meters::default();
        for action in Action::ALL {
            for ruling in RULINGS {
                for surface in SURFACES {
                    meters.ruled(action, ruling, surface);
                }
            }
        }
        let rows = meters.calls();
        assert_eq!(rows.len(), CALL_CELLS);
        assert!(rows.iter().all(|row| row.3 == 1));
    }

    #[test]
    fn latency_falls_into_the_bucket_that_bounds_it() {
        let meters = Meters::default();
        meters.took(50);
        meters.took(51);
        meters.took(u64::MAX >> 1);
        let (buckets, _) = meters.latency();
        assert_eq!(
            (buckets[0], buckets[1], buckets[LATENCY_BUCKETS_US.len()]),
            (1, 1, 1)
        );
    }
}
