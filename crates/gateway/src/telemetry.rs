//! What the gateway says of itself to collectors: metrics and spans. No content, no credential, no argument.
//!
//! `GET /metrics` renders the gate's counters ([`prometheus`]). The gate offers each finished call as a [`CallSpan`] to
//! a bounded channel without waiting, and a full channel drops it and counts that; behind the channel [`Projection`] counts tokens and
//! durations and [`otlp`] exports spans. Labels are closed sets (actions, rulings, surfaces, codes) or names of the
//! operator's own choosing: no caller can grow the number of series.

pub mod otlp;
pub mod prometheus;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bartizan_types::{Action, Code, Ending, Fault, RulingWord, Surface};
use tokio::sync::mpsc;

use crate::CallSpan;

/// Upper bounds of the duration buckets, in microseconds.
pub(crate) const BOUNDS_MICROS: [u64; 12] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    100_000,
    500_000,
    2_000_000,
    10_000_000,
    30_000_000,
    120_000_000,
];
/// Every surface, in the order of declaration.
pub(crate) const SURFACES: [Surface; 7] = [
    Surface::OpenaiChat,
    Surface::OpenaiResponses,
    Surface::AnthropicMessages,
    Surface::Mcp,
    Surface::Hook,
    Surface::A2a,
    Surface::Egress,
];

/// The word of a ruling in metrics, spans and explanations.
#[must_use]
pub const fn ruling_word(ruling: RulingWord) -> &'static str {
    match ruling {
        RulingWord::Allow => "allow",
        RulingWord::Ask => "ask",
        RulingWord::Deny => "deny",
    }
}

/// The word of an ending in spans, exports and explanations.
#[must_use]
pub const fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "complete",
        Ending::UpstreamFailed => "upstream_failed",
        Ending::Withheld => "withheld",
        Ending::Abandoned => "abandoned",
        Ending::Interrupted => "interrupted",
    }
}

/// Counts of one histogram: not cumulative, the last bucket unbounded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Histogram {
    pub(crate) buckets: [u64; BOUNDS_MICROS.len() + 1],
    pub(crate) sum_micros: u64,
}

impl Histogram {
    /// Adds another's counts.
    pub(crate) fn join(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.saturating_add(more);
        }
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
    }

    fn observe(&mut self, micros: u64) {
        let at = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket = bucket.saturating_add(1);
        }
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }
}

/// What the projection counted so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// From a call's beginning to its end.
    pub(crate) durations: BTreeMap<(Surface, Action), Histogram>,
    /// Input and output tokens by surface.
    pub(crate) tokens: [(u64, u64); 4],
    /// Failures of upstreams, by upstream and the code the caller was given.
    pub(crate) upstream_errors: BTreeMap<(String, Code), u64>,
    /// Calls by action, ruling and surface.
    pub(crate) calls: BTreeMap<(&'static str, &'static str, &'static str), u64>,
}

/// Counts finished calls.
#[derive(Debug, Default)]
pub struct Projection {
    counts: Mutex<Counts>,
    queue_full: AtomicU64,
    not_taken: AtomicU64,
}

/// Where the gate offers finished calls.
#[derive(Debug, Clone)]
pub struct Outlet {
    calls: mpsc::Sender<CallSpan>,
    projection: Arc<Projection>,
}

impl Outlet {
    /// An outlet into a bounded channel; what does not fit is counted in `projection`.
    #[must_use]
    pub fn new(calls: mpsc::Sender<CallSpan>, projection: Arc<Projection>) -> Self {
        Self { calls, projection }
    }

    /// Offers a call, without waiting.
    pub(crate) fn offer(&self, call: &CallSpan) {
        if self.calls.try_send(call.clone()).is_err() {
            self.projection.queue_full.fetch_add(1, Relaxed);
        }
    }
}

impl Projection {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One more finished call.
    pub(crate) fn observe(&self, call: &CallSpan) {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(call);
    }

    /// Spans that no collector will ever have, by why: the queue was full, or the collector did not take them.
    pub(crate) fn lost(&self) -> [(&'static str, u64); 2] {
        [
            ("queue_full", self.queue_full.load(Relaxed)),
            ("not_taken", self.not_taken.load(Relaxed)),
        ]
    }

    /// That many spans were not taken.
    pub(crate) fn not_taken(&self, spans: usize) {
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.not_taken.fetch_add(spans, Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counts {
    /// Durations of a surface, whatever was asked there.
    pub(crate) fn of_surface(&self, surface: Surface) -> Histogram {
        let mut all = Histogram::default();
        for ((_, _), durations) in self.durations.iter().filter(|((on, _), _)| *on == surface) {
            all.join(durations);
        }
        all
    }

    fn count(&mut self, call: &CallSpan) {
        let key = (
            call.action.as_str(),
            ruling_word(call.ruling),
            call.surface.as_str(),
        );
        let calls = self.calls.entry(key).or_insert(0);
        *calls = calls.saturating_add(1);
        self.durations
            .entry((call.surface, call.action))
            .or_default()
            .observe(call.ended.micros_since(call.began));
        if let Some(tokens) = self.tokens.get_mut(call.surface as usize) {
            tokens.0 = tokens.0.saturating_add(call.answer.input_tokens.unwrap_or(0));
            tokens.1 = tokens.1.saturating_add(call.answer.output_tokens.unwrap_or(0));
        }
        let failed = call
            .code
            .filter(|code| matches!(code.fault(), Fault::Upstream | Fault::Peer));
        if let (Some(code), ("Model", id)) = (failed, (call.resource.0, call.resource.1.as_str())) {
            // `upstream/model`: upstreams are the operator's, models are the caller's and stay out.
            let upstream = id.split_once('/').map_or(id, |(upstream, _)| upstream);
            let errors = self
                .upstream_errors
                .entry((upstream.to_owned(), code))
                .or_insert(0);
            *errors = errors.saturating_add(1);
        }
    }
}

/// Microseconds as seconds, for a metric's value.
pub(crate) fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests;
