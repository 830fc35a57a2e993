//! `GET /metrics`: Prometheus text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::{fmt::Write, sync::atomic::Ordering::Relaxed};

use bartizan_guard::budget::{Budget, Line};
use bartizan_store::LedgerStats;

use super::{BOUNDS_MICROS, Projection, SURFACES, ruling_word, seconds};
use crate::{
    Budgets, Revoked,
    meters::{LATENCY_BUCKETS_US, Meters},
};

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric. Labelled series that never counted are left out.
///
/// `projection` is there when telemetry is configured; without it there are no token and upstream series.
#[must_use]
pub fn render(meters: &Meters, ledger: &LedgerStats, projection: Option<&Projection>) -> String {
    let mut out = String::with_capacity(16 << 10);
    head(&mut out, "bartizan_calls_total", "counter", "Calls ruled on.");
    for (action, ruling, surface, count) in meters.calls() {
        let labels = [
            ("action", action.as_str()),
            ("ruling", ruling_word(ruling)),
            ("surface", surface.as_str()),
        ];
        line(&mut out, "bartizan_calls_total", &labels, count);
    }
    head(
        &mut out,
        "bartizan_refusals_total",
        "counter",
        "Answers given with a code, by code.",
    );
    for (code, count) in meters.refusals() {
        line(
            &mut out,
            "bartizan_refusals_total",
            &[("code", code.as_str())],
            count,
        );
    }
    let (buckets, sum) = meters.latency();
    head(
        &mut out,
        "bartizan_call_seconds",
        "histogram",
        "From a request's headers to the end of its answer.",
    );
    histogram(
        &mut out,
        "bartizan_call_seconds",
        &[],
        &LATENCY_BUCKETS_US,
        &buckets,
        sum,
    );
    let level = |gauge: i64| u64::try_from(gauge).unwrap_or(0);
    for (name, kind, help, value) in [
        (
            "bartizan_open_connections",
            "gauge",
            "Agents' connections open now.",
            level(meters.connections.load(Relaxed)),
        ),
        (
            "bartizan_calls_in_progress",
            "gauge",
            "Calls in progress now.",
            level(meters.in_progress.load(Relaxed)),
        ),
        (
            "bartizan_open_streams",
            "gauge",
            "Streamed answers open now.",
            level(meters.streams.load(Relaxed)),
        ),
        (
            "bartizan_released_bytes_total",
            "counter",
            "Bytes released to agents.",
            meters.released_bytes.load(Relaxed),
        ),
        (
            "bartizan_panics_total",
            "counter",
            "Panics turned into refusals.",
            meters.panics.load(Relaxed),
        ),
        (
            "bartizan_ledger_records",
            "gauge",
            "Records in the ledger.",
            ledger.size,
        ),
        (
            "bartizan_ledger_commits_total",
            "counter",
            "Synced writes; records over commits is the batch.",
            ledger.commits,
        ),
        (
            "bartizan_ledger_queued_records",
            "gauge",
            "Records waiting for a sync.",
            ledger.queued,
        ),
        (
            "bartizan_ledger_disk_bytes",
            "gauge",
            "Bytes of segments on disk.",
            ledger.disk_bytes,
        ),
        (
            "bartizan_ledger_full",
            "gauge",
            "1 when there is no room for new calls.",
            u64::from(ledger.full),
        ),
        (
            "bartizan_ledger_poisoned",
            "gauge",
            "1 when a sync failed and nothing may pass.",
            u64::from(ledger.poisoned),
        ),
    ] {
        head(&mut out, name, kind, help);
        line(&mut out, name, &[], value);
    }
    if let Some(projection) = projection {
        projected(&mut out, projection);
    }
    out
}

/// Metrics of budgets and revocations. Whose counter is used most is told by the number alone: names of agents and
/// sessions are for `bartizan budget show`, and would be as many series.
#[must_use]
pub fn budgets(budgets: &Budgets, revoked: &Revoked) -> String {
    let mut out = String::new();
    let (all, lines) = budgets.show(crate::clock::now());
    if !all.is_empty() {
        type Of = fn(&Budget, &[&Line]) -> u64;
        let series: [(&str, &str, Of); 3] = [
            (
                "bartizan_budget_limit",
                "The limit, in what the budget counts.",
                |budget, _| budget.limit,
            ),
            (
                "bartizan_budget_used_most",
                "Used of the counter that is used most, settled and set aside.",
                |_, own| own.iter().map(|line| line.used).max().unwrap_or(0),
            ),
            (
                "bartizan_budget_reserved",
                "Set aside for calls in progress, of all counters.",
                |_, own| own.iter().map(|line| line.reserved).sum(),
            ),
        ];
        for (name, help, of) in series {
            head(&mut out, name, "gauge", help);
            for budget in &all {
                let own: Vec<&Line> = lines.iter().filter(|line| line.budget == budget.name).collect();
                let labels = [("budget", budget.name.as_str()), ("meter", budget.meter.as_str())];
                line(&mut out, name, &labels, of(budget, &own));
            }
        }
    }
    let (refused, overruns) = budgets.counts();
    for (name, help, value) in [
        (
            "bartizan_budget_refusals_total",
            "Calls that would have crossed a budget.",
            refused,
        ),
        (
            "bartizan_budget_overruns_total",
            "Calls that came to more than was set aside.",
            overruns,
        ),
    ] {
        head(&mut out, name, "counter", help);
        line(&mut out, name, &[], value);
    }
    head(
        &mut out,
        "bartizan_revocations",
        "gauge",
        "Revocations kept, those that ran out included.",
    );
    let count = u64::try_from(revoked.count()).unwrap_or(u64::MAX);
    line(&mut out, "bartizan_revocations", &[], count);
    out
}

/// Whether the state can be written, as far as anybody tried, and how much is in force without being written.
pub(crate) fn state(writable: bool, unwritten: usize) -> String {
    let mut out = String::new();
    let unwritten = u64::try_from(unwritten).unwrap_or(u64::MAX);
    for (name, help, value) in [
        (
            "bartizan_state_writable",
            "1 where the last attempt to write the state went well.",
            u64::from(writable),
        ),
        (
            "bartizan_revocations_unwritten",
            "Revocations in force that a restart would lose.",
            unwritten,
        ),
    ] {
        head(&mut out, name, "gauge", help);
        line(&mut out, name, &[], value);
    }
    out
}

/// Bytes of content that were looked at because they were not known from before.
pub(crate) fn inspected(bytes: u64) -> String {
    let mut out = String::new();
    let name = "bartizan_inspected_bytes_total";
    head(
        &mut out,
        name,
        "counter",
        "Bytes of content looked at; what was known from before is not counted.",
    );
    line(&mut out, name, &[], bytes);
    out
}

fn projected(out: &mut String, projection: &Projection) {
    let counts = projection.counts();
    head(
        out,
        "bartizan_tokens_total",
        "counter",
        "Tokens as providers count them.",
    );
    for (surface, (input, output)) in SURFACES.iter().zip(counts.tokens) {
        for (direction, count) in [("input", input), ("output", output)] {
            if count > 0 {
                let labels = [("direction", direction), ("surface", surface.as_str())];
                line(out, "bartizan_tokens_total", &labels, count);
            }
        }
    }
    head(
        out,
        "bartizan_upstream_errors_total",
        "counter",
        "Failures of upstreams, by upstream and code.",
    );
    for ((upstream, code), count) in &counts.upstream_errors {
        let labels = [("upstream", upstream.as_str()), ("code", code.as_str())];
        line(out, "bartizan_upstream_errors_total", &labels, *count);
    }
    let name = "bartizan_spans_lost_total";
    head(
        out,
        name,
        "counter",
        "Finished calls that telemetry misses: the queue was full, or the collector did not take them.",
    );
    for (reason, count) in projection.lost() {
        line(out, name, &[("reason", reason)], count);
    }
    let name = "bartizan_surface_seconds";
    head(
        out,
        name,
        "histogram",
        "From the beginning of a call to its end, by surface.",
    );
    for surface in SURFACES {
        let durations = counts.of_surface(surface);
        if durations.buckets.iter().any(|count| *count > 0) {
            let labels = [("surface", surface.as_str())];
            histogram(
                out,
                name,
                &labels,
                &BOUNDS_MICROS,
                &durations.buckets,
                durations.sum_micros,
            );
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    out.push_str(name);
    write_labels(out, labels, None);
    let _ = writeln!(out, " {value}");
}

fn write_labels(out: &mut String, labels: &[(&str, &str)], bound: Option<&str>) {
    let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
    let mut separator = '{';
    for (key, value) in all {
        // Names hold no quote, backslash or line feed (`types::Name`), so there is nothing to escape.
        let _ = write!(out, "{separator}{key}=\"{value}\"");
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
}

fn histogram(
    out: &mut String,
    name: &str,
    labels: &[(&str, &str)],
    bounds: &[u64],
    counts: &[u64],
    sum: u64,
) {
    let mut below = 0_u64;
    for (at, count) in counts.iter().enumerate() {
        below = below.saturating_add(*count);
        let bound = bounds
            .get(at)
            .map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound).to_string());
        let _ = write!(out, "{name}_bucket");
        write_labels(out, labels, Some(&bound));
        let _ = writeln!(out, " {below}");
    }
    let _ = write!(out, "{name}_sum");
    write_labels(out, labels, None);
    let _ = writeln!(out, " {}", seconds(sum));
    let _ = write!(out, "{name}_count");
    write_labels(out, labels, None);
    let _ = writeln!(out, " {below}");
}
