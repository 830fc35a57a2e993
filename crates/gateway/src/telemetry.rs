//! What the gateway says of itself to collectors: metrics and spans. No content, no credential, no argument.
//!
//! `GET /metrics` renders the gate's counters ([`prometheus`]). Spans and token counts are a projection of the ledger:
//! [`Projection`] reads each record once, pairs rulings with closings, and offers a span to the OTLP exporter
//! ([`otlp`]) without waiting; a full queue drops the span and counts it. So nothing on the crossing knows of telemetry,
//! and what is exported can't say more than what was recorded. Labels are closed sets (actions, rulings, surfaces,
//! codes) or names of the operator's own choosing: no caller can grow the number of series.

pub mod otlp;
pub mod prometheus;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bartizan_types::{
    Answer, CallFacts, CallId, Code, Ending, Principal, Record, RecordKind, Resource, RulingWord, SessionId,
    Surface, Timestamp, UpstreamName,
};
use tokio::sync::mpsc;

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
/// Calls whose ruling was seen and whose closing was not. Beyond it the oldest is forgotten: its span is lost.
const OPEN_CALLS: usize = 16_384;
/// Every surface, in the order of declaration.
pub(crate) const SURFACES: [Surface; 4] = [
    Surface::OpenaiChat,
    Surface::OpenaiResponses,
    Surface::AnthropicMessages,
    Surface::Mcp,
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

/// One call, over, as its records tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished<'a> {
    pub(crate) facts: &'a CallFacts,
    pub(crate) principal: &'a Principal,
    pub(crate) session: Option<SessionId>,
    pub(crate) ruling: RulingWord,
    pub(crate) code: Option<Code>,
    pub(crate) ending: Option<Ending>,
    pub(crate) answer: Option<&'a Answer>,
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
}

/// Counts of one histogram: not cumulative, the last bucket unbounded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Histogram {
    pub(crate) buckets: [u64; BOUNDS_MICROS.len() + 1],
    pub(crate) sum_micros: u64,
}

impl Histogram {
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
    /// From ruling to closing, by surface.
    pub(crate) durations: [Histogram; 4],
    /// Input and output tokens by surface.
    pub(crate) tokens: [(u64, u64); 4],
    /// Failures of upstreams, by upstream and the code the caller was given.
    pub(crate) upstream_errors: BTreeMap<(UpstreamName, Code), u64>,
    /// Calls by action, ruling and surface.
    pub(crate) calls: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// Spans the exporter had no room for.
    pub(crate) spans_dropped: u64,
}

#[derive(Debug, Default)]
struct Open {
    calls: BTreeMap<CallId, Record>,
    order: VecDeque<CallId>,
}

/// Reads records in the order of the log; see the module.
#[derive(Debug)]
pub struct Projection {
    counts: Mutex<Counts>,
    open: Mutex<Open>,
    spans: Option<mpsc::Sender<otlp::Span>>,
}

impl Projection {
    /// A projection that offers spans to `spans`, where there is an exporter.
    #[must_use]
    pub fn new(spans: Option<mpsc::Sender<otlp::Span>>) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            open: Mutex::default(),
            spans,
        })
    }

    /// One more record of the log.
    pub fn observe(&self, record: &Record) {
        match record.kind {
            RecordKind::Ruling => self.ruled(record),
            RecordKind::Closing => self.closed(record),
            _ => {}
        }
    }

    fn ruled(&self, record: &Record) {
        let (Some(call), Some(ruling)) = (record.call, record.ruling) else {
            return;
        };
        if ruling != RulingWord::Allow {
            return self.finished(record, None);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A superseding ruling replaces the one before it.
        if open.calls.insert(call, record.clone()).is_none() {
            open.order.push_back(call);
        }
        while open.order.len() > OPEN_CALLS {
            let oldest = open.order.pop_front();
            oldest.and_then(|oldest| open.calls.remove(&oldest));
        }
    }

    fn closed(&self, record: &Record) {
        let Some(call) = record.call else { return };
        let ruling = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let ruling = open.calls.remove(&call);
            // Closed calls leave their place in line; drop those at its head so that it stays short.
            while open
                .order
                .front()
                .is_some_and(|call| !open.calls.contains_key(call))
            {
                open.order.pop_front();
            }
            ruling
        };
        if let Some(ruling) = ruling {
            self.finished(&ruling, Some(record));
        }
    }

    fn finished(&self, ruling: &Record, closing: Option<&Record>) {
        let (Some(facts), Some(principal), Some(word)) = (&ruling.facts, &ruling.principal, ruling.ruling)
        else {
            return;
        };
        let code = closing.and_then(|closing| closing.code).or(ruling.code);
        let call = Finished {
            facts,
            principal,
            session: ruling.session,
            ruling: word,
            code,
            ending: closing.and_then(|closing| closing.ending),
            answer: closing.and_then(|closing| closing.answer.as_ref()),
            started: ruling.time,
            ended: closing.map_or(ruling.time, |closing| closing.time.max(ruling.time)),
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.count(&call);
        if let Some(spans) = &self.spans
            && spans.try_send(otlp::Span::of(&call)).is_err()
        {
            counts.spans_dropped = counts.spans_dropped.saturating_add(1);
        }
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counts {
    fn count(&mut self, call: &Finished<'_>) {
        let surface = call.facts.surface;
        let key = (
            call.facts.action.as_str(),
            ruling_word(call.ruling),
            surface.as_str(),
        );
        let calls = self.calls.entry(key).or_insert(0);
        *calls = calls.saturating_add(1);
        if call.ending.is_some()
            && let Some(durations) = self.durations.get_mut(surface as usize)
        {
            durations.observe(call.ended.micros_since(call.started));
        }
        if let (Some(answer), Some(tokens)) = (call.answer, self.tokens.get_mut(surface as usize)) {
            tokens.0 = tokens.0.saturating_add(answer.input_tokens.unwrap_or(0));
            tokens.1 = tokens.1.saturating_add(answer.output_tokens.unwrap_or(0));
        }
        if let (Some(Ending::UpstreamFailed), Resource::Model { upstream, .. }) =
            (call.ending, &call.facts.resource)
        {
            let key = (upstream.clone(), call.code.unwrap_or(Code::UpstreamUnreachable));
            let errors = self.upstream_errors.entry(key).or_insert(0);
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
