//! Spans and metrics to an OpenTelemetry collector: OTLP 1.x over HTTP with JSON bodies, attribute names of the GenAI
//! and MCP semantic conventions (status Development), ours under `bartizan.`.
//!
//! What it refuses: to make a call wait, to grow, to retry. The queue holds [`QUEUE_SPANS`]; a call that finds it full
//! is dropped from it. A batch the collector does not take within [`EXPORT_TIMEOUT`] is lost and logged. Both are counted
//! in `bartizan.spans.lost`. Spans hold names, sizes and codes; never content, arguments or resource URIs.

use std::{sync::Arc, time::Duration};

use bartizan_types::{Action, CallId, Surface, Timestamp};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{BOUNDS_MICROS, Histogram, Projection, SURFACES, ruling_word, seconds};
use crate::CallSpan;

/// Spans waiting to be sent.
pub const QUEUE_SPANS: usize = 4096;
/// Spans sent in one request.
const BATCH_SPANS: usize = 512;
/// Longest wait before a span is sent.
const BATCH_WAIT: Duration = Duration::from_secs(2);
/// How often metrics are sent.
const METRICS_EVERY: Duration = Duration::from_secs(15);
/// One request to the collector, from connection to the end of the answer.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// One finished call as a span, without content.
#[derive(Debug, Clone)]
pub struct Span {
    trace: [u8; 16],
    id: [u8; 8],
    name: String,
    started: Timestamp,
    ended: Timestamp,
    failed: Option<&'static str>,
    attributes: Vec<(&'static str, Value)>,
}

impl Span {
    /// The span of a finished call. Its ids come from the call's own id, so a span is found from a record and back.
    pub(crate) fn of(call: &CallSpan) -> Self {
        let mut attributes = vec![
            ("bartizan.call.id", json!(call.call)),
            ("bartizan.action", json!(call.action.as_str())),
            ("bartizan.surface", json!(call.surface.as_str())),
            ("bartizan.ruling", json!(ruling_word(call.ruling))),
            ("gen_ai.agent.name", json!(call.agent)),
        ];
        let name = describe(call, &mut attributes);
        let usage = [
            ("gen_ai.usage.input_tokens", call.answer.input_tokens),
            ("gen_ai.usage.output_tokens", call.answer.output_tokens),
            ("http.response.status_code", call.answer.status.map(u64::from)),
        ];
        let known = usage
            .iter()
            .filter_map(|(key, value)| value.map(|value| (*key, json!(value))));
        attributes.extend(known);
        let failed = call.code.map(bartizan_types::Code::as_str);
        attributes.extend(failed.map(|failed| ("error.type", json!(failed))));
        Self {
            trace: call.call.bits().to_be_bytes(),
            id: low_half(call.call),
            name,
            started: call.began,
            ended: call.ended,
            failed,
            attributes,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "traceId": hex(&self.trace),
            "spanId": hex(&self.id),
            "name": self.name,
            // SPAN_KIND_SERVER: the agent is the client.
            "kind": 2,
            "startTimeUnixNano": nanos(self.started),
            "endTimeUnixNano": nanos(self.ended),
            "attributes": self.attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
            "status": match self.failed {
                Some(message) => json!({ "code": 2, "message": message }),
                None => json!({}),
            },
        })
    }
}

/// Adds what the convention of the call's surface asks for, and names the span by it: `{operation} {target}`.
fn describe(call: &CallSpan, attributes: &mut Vec<(&'static str, Value)>) -> String {
    let (kind, id) = (call.resource.0, call.resource.1.as_str());
    // `server/tool`, `upstream/model`: the operator's name first, and it may not hold a slash of its own.
    let (owner, target) = id.split_once('/').unwrap_or((id, ""));
    if matches!(call.surface, Surface::Mcp | Surface::Hook) {
        let method = method(call.action);
        attributes.push(("mcp.method.name", json!(method)));
        attributes.push(("bartizan.mcp.server", json!(owner)));
        return match kind {
            "Tool" => {
                attributes.push(("gen_ai.operation.name", json!("execute_tool")));
                attributes.push(("gen_ai.tool.name", json!(target)));
                format!("{method} {target}")
            }
            "Prompt" => {
                attributes.push(("gen_ai.prompt.name", json!(target)));
                format!("{method} {target}")
            }
            _ => method.to_owned(),
        };
    }
    attributes.push(("gen_ai.provider.name", json!(provider(call.surface))));
    match kind {
        "Model" => {
            attributes.push(("gen_ai.operation.name", json!("chat")));
            attributes.push(("gen_ai.request.model", json!(target)));
            attributes.push(("bartizan.upstream", json!(owner)));
            format!("chat {target}")
        }
        "AgentTool" | "HostedTool" => {
            let tool = if target.is_empty() { id } else { target };
            attributes.push(("gen_ai.tool.name", json!(tool)));
            format!("{} {tool}", call.action.as_str())
        }
        _ => call.action.as_str().to_owned(),
    }
}

/// The provider whose API a surface is, for `gen_ai.provider.name`.
const fn provider(surface: Surface) -> &'static str {
    match surface {
        Surface::AnthropicMessages => "anthropic",
        _ => "openai",
    }
}

/// The MCP method of an action, for `mcp.method.name`.
const fn method(action: Action) -> &'static str {
    match action {
        Action::Connect => "initialize",
        Action::ListTools => "tools/list",
        Action::CallTool => "tools/call",
        Action::ListResources => "resources/list",
        Action::ReadResource => "resources/read",
        Action::SubscribeResource => "resources/subscribe",
        Action::ListPrompts => "prompts/list",
        Action::GetPrompt => "prompts/get",
        Action::Complete => "completion/complete",
        Action::SetLogLevel => "logging/setLevel",
        Action::Sample => "sampling/createMessage",
        Action::Elicit => "elicitation/create",
        Action::ListRoots => "roots/list",
        Action::Notify => "notifications",
        _ => "_OTHER",
    }
}

fn low_half(call: CallId) -> [u8; 8] {
    let [.., a, b, c, d, e, f, g, h] = call.bits().to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The trace context (W3C, version 00) of what a call sends on: the span that is exported of it.
pub(crate) fn traceparent(call: CallId) -> String {
    let (trace, span) = (call.bits().to_be_bytes(), low_half(call));
    format!("00-{}-{}-01", hex(&trace), hex(&span))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// OTLP JSON writes 64-bit integers as text (protobuf JSON mapping).
fn nanos(time: Timestamp) -> String {
    time.unix_micros().saturating_mul(1000).to_string()
}

fn attribute(key: &str, value: &Value) -> Value {
    let value = match value {
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    };
    json!({ "key": key, "value": value })
}

fn resource() -> Value {
    json!({ "attributes": [
        attribute("service.name", &json!("bartizan")),
        attribute("service.version", &json!(env!("CARGO_PKG_VERSION"))),
    ] })
}

fn scope() -> Value {
    json!({ "name": "bartizan", "version": env!("CARGO_PKG_VERSION") })
}

/// An `ExportTraceServiceRequest`.
pub(crate) fn traces(spans: &[Span]) -> Value {
    let spans: Vec<_> = spans.iter().map(Span::to_json).collect();
    json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "scope": scope(), "spans": spans }] }] })
}

/// An `ExportMetricsServiceRequest` of everything counted since `start`, cumulative.
pub(crate) fn metrics(projection: &Projection, start: Timestamp, now: Timestamp) -> Value {
    let counts = projection.counts();
    let calls = counts.calls.iter().map(|((action, ruling, surface), count)| {
        let labels = [
            ("bartizan.action", *action),
            ("bartizan.ruling", *ruling),
            ("bartizan.surface", *surface),
        ];
        point(&labels, *count, start, now)
    });
    let (mut requests, mut operations, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    for ((surface, action), durations) in &counts.durations {
        match (surface, action) {
            (Surface::Mcp | Surface::Hook, action) => {
                let label = ("mcp.method.name", method(*action));
                operations.push(histogram_point(&[label], durations, start, now));
            }
            (surface, Action::Generate) => {
                let labels = [
                    ("gen_ai.operation.name", "chat"),
                    ("gen_ai.provider.name", provider(*surface)),
                    ("bartizan.surface", surface.as_str()),
                ];
                requests.push(histogram_point(&labels, durations, start, now));
            }
            // Proposals and listings are not requests to a model.
            _ => {}
        }
    }
    for (surface, (input, output)) in SURFACES.iter().zip(counts.tokens) {
        let label = ("bartizan.surface", surface.as_str());
        for (kind, count) in [("input", input), ("output", output)] {
            if count > 0 {
                tokens.push(point(&[("gen_ai.token.type", kind), label], count, start, now));
            }
        }
    }
    let lost = projection
        .lost()
        .map(|(reason, count)| point(&[("error.type", reason)], count, start, now));
    let lost = lost.into_iter();
    let sum = |points: Vec<Value>| json!({ "dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true });
    let histogram = |points: Vec<Value>| json!({ "dataPoints": points, "aggregationTemporality": 2 });
    let metrics = json!([
        { "name": "bartizan.calls", "unit": "{call}", "sum": sum(calls.collect()) },
        { "name": "bartizan.spans.lost", "unit": "{span}", "sum": sum(lost.collect()) },
        { "name": "bartizan.tokens", "unit": "{token}", "sum": sum(tokens) },
        { "name": "gen_ai.server.request.duration", "unit": "s", "histogram": histogram(requests) },
        { "name": "mcp.server.operation.duration", "unit": "s", "histogram": histogram(operations) },
    ]);
    json!({ "resourceMetrics": [{
        "resource": resource(),
        "scopeMetrics": [{ "scope": scope(), "metrics": metrics }],
    }] })
}

fn labelled(labels: &[(&str, &str)]) -> Vec<Value> {
    labels
        .iter()
        .map(|(key, value)| attribute(key, &json!(value)))
        .collect()
}

fn point(labels: &[(&str, &str)], value: u64, start: Timestamp, now: Timestamp) -> Value {
    json!({
        "attributes": labelled(labels),
        "startTimeUnixNano": nanos(start),
        "timeUnixNano": nanos(now),
        "asInt": value.to_string(),
    })
}

fn histogram_point(labels: &[(&str, &str)], reading: &Histogram, start: Timestamp, now: Timestamp) -> Value {
    let count: u64 = reading.buckets.iter().sum();
    json!({
        "attributes": labelled(labels),
        "startTimeUnixNano": nanos(start),
        "timeUnixNano": nanos(now),
        "count": count.to_string(),
        "sum": seconds(reading.sum_micros),
        "bucketCounts": reading.buckets.iter().map(u64::to_string).collect::<Vec<_>>(),
        "explicitBounds": BOUNDS_MICROS.iter().map(|bound| seconds(*bound)).collect::<Vec<_>>(),
    })
}

/// Counts every finished call into `projection` and, where there is a collector, sends spans and metrics to it; until
/// `stop` turns true or the gate is gone, then what is queued, once.
///
/// `base` is the collector's address without `/v1/traces`. The only peer this connects to is the one the operator named.
pub async fn export(
    base: Option<Uri>,
    mut calls: mpsc::Receiver<CallSpan>,
    projection: Arc<Projection>,
    clock: fn() -> Timestamp,
    mut stop: watch::Receiver<bool>,
) {
    let start = clock();
    let collector = base.as_ref().map(Collector::new);
    let mut taken = Vec::with_capacity(BATCH_SPANS);
    let mut batch = Vec::with_capacity(BATCH_SPANS);
    let mut metrics_due = tokio::time::interval(METRICS_EVERY);
    let mut spans_due = tokio::time::interval(BATCH_WAIT);
    loop {
        let mut last = false;
        let mut due = false;
        tokio::select! {
            count = calls.recv_many(&mut taken, BATCH_SPANS) => last = count == 0,
            _ = spans_due.tick() => due = true,
            _ = metrics_due.tick() => if let Some(collector) = &collector {
                collector.send("metrics", &metrics(&projection, start, clock())).await;
            },
            () = stopped(&mut stop) => last = true,
        }
        if last {
            while let Ok(call) = calls.try_recv() {
                taken.push(call);
            }
        }
        for call in taken.drain(..) {
            projection.observe(&call);
            if collector.is_some() {
                batch.push(Span::of(&call));
            }
        }
        if let Some(collector) = &collector
            && (due || last || batch.len() >= BATCH_SPANS)
        {
            for chunk in batch.chunks(BATCH_SPANS) {
                if !collector.send("traces", &traces(chunk)).await {
                    projection.not_taken(chunk.len());
                }
            }
            batch.clear();
            if last {
                collector
                    .send("metrics", &metrics(&projection, start, clock()))
                    .await;
            }
        }
        if last {
            return;
        }
    }
}

/// Until `stop` is true; its guard is not held any longer.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops us too.
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
}

impl Collector {
    fn new(base: &Uri) -> Self {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: base.to_string().trim_end_matches('/').to_owned(),
        }
    }

    /// Whether the collector took it.
    async fn send(&self, signal: &'static str, body: &Value) -> bool {
        let request = Request::post(format!("{}/v1/{signal}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())));
        let Ok(request) = request else { return false };
        let sent = tokio::time::timeout(EXPORT_TIMEOUT, async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = answer.status();
            // Read to the end so that the connection can be used again; a collector has little to say.
            let _ = Limited::new(answer.into_body(), 64 << 10).collect().await;
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("status {status}"))
            }
        });
        match sent.await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                tracing::warn!(signal, error, "the collector did not take telemetry; it is lost");
            }
            Err(_) => tracing::warn!(signal, "the collector took too long; telemetry is lost"),
        }
        false
    }
}
