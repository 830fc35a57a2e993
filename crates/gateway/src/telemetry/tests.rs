use bartizan_store::LedgerStats;
use bartizan_types::{Action, AgentId, Answer, CallId, Timestamp};

use super::*;
use crate::meters::Meters;

fn time(micros: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_700_000_000_000_000 + micros)
}

fn tool(ruling: RulingWord, code: Option<Code>) -> CallSpan {
    CallSpan {
        call: CallId::mint(time(0), 7),
        agent: AgentId::new("mailer").unwrap(),
        action: Action::CallTool,
        surface: Surface::Mcp,
        resource: ("Tool", "mail/send".to_owned()),
        ruling,
        code,
        began: time(0),
        ended: time(1_200),
        answer: Answer {
            bytes: 5,
            input_tokens: Some(3),
            ..Answer::default()
        },
    }
}

fn chat(code: Option<Code>) -> CallSpan {
    CallSpan {
        action: Action::Generate,
        surface: Surface::OpenaiChat,
        resource: ("Model", "openai/team/small".to_owned()),
        ..tool(RulingWord::Allow, code)
    }
}

#[test]
fn counts_reach_the_prometheus_text() {
    let meters = Meters::default();
    meters.ruled(Action::CallTool, RulingWord::Deny, Surface::Mcp);
    meters.refused(Code::PolicyDenied);
    meters.took(40);
    let projection = Projection::new();
    projection.observe(&chat(Some(Code::UpstreamTimeout)));
    let stats = LedgerStats {
        size: 7,
        poisoned: true,
        ..LedgerStats::default()
    };
    let text = prometheus::render(&meters, &stats, Some(&projection));
    for line in [
        "bartizan_calls_total{action=\"call_tool\",ruling=\"deny\",surface=\"mcp\"} 1",
        "bartizan_refusals_total{code=\"policy.denied\"} 1",
        "bartizan_upstream_errors_total{upstream=\"openai\",code=\"upstream.timeout\"} 1",
        "bartizan_tokens_total{direction=\"input\",surface=\"openai_chat\"} 3",
        "bartizan_call_seconds_bucket{le=\"0.00005\"} 1",
        "bartizan_call_seconds_bucket{le=\"+Inf\"} 1",
        "bartizan_surface_seconds_bucket{surface=\"openai_chat\",le=\"0.001\"} 0",
        "bartizan_surface_seconds_bucket{surface=\"openai_chat\",le=\"0.0025\"} 1",
        "bartizan_surface_seconds_count{surface=\"openai_chat\"} 1",
        "bartizan_ledger_records 7",
        "bartizan_ledger_poisoned 1",
        "bartizan_open_streams 0",
    ] {
        assert!(
            text.lines().any(|seen| seen == line),
            "no line `{line}` in:\n{text}"
        );
    }
}

#[test]
fn what_does_not_fit_or_is_not_taken_is_counted() {
    let projection = Projection::new();
    let (sender, mut queue) = mpsc::channel(2);
    let outlet = Outlet::new(sender, Arc::clone(&projection));
    for _ in 0..5 {
        outlet.offer(&chat(None));
    }
    projection.not_taken(7);
    assert_eq!(projection.lost(), [("queue_full", 3), ("not_taken", 7)]);
    assert!(queue.try_recv().is_ok());
    let text = prometheus::render(&Meters::default(), &LedgerStats::default(), Some(&projection));
    assert!(text.contains("bartizan_spans_lost_total{reason=\"queue_full\"} 3\n"));
    let body = otlp::metrics(&projection, time(0), time(10)).to_string();
    assert!(
        body.contains("bartizan.spans.lost") && body.contains("not_taken"),
        "{body}"
    );
}

#[test]
fn models_named_by_callers_make_no_series() {
    let projection = Projection::new();
    for model in ["a", "b", "c"] {
        let call = CallSpan {
            resource: ("Model", format!("openai/{model}")),
            ..chat(Some(Code::UpstreamTimeout))
        };
        projection.observe(&call);
    }
    projection.observe(&chat(Some(Code::PolicyDenied)));
    let errors: Vec<_> = projection.counts().upstream_errors.into_iter().collect();
    assert_eq!(errors, [(("openai".to_owned(), Code::UpstreamTimeout), 3)]);
}

#[test]
fn spans_follow_the_conventions_and_hold_no_content() {
    let body = otlp::traces(&[
        otlp::Span::of(&tool(RulingWord::Deny, Some(Code::PolicyDenied))),
        otlp::Span::of(&chat(None)),
    ]);
    let span = |at: usize| &body["resourceSpans"][0]["scopeSpans"][0]["spans"][at];
    let attribute = |at: usize, key: &str| {
        let all = span(at)["attributes"].as_array().unwrap();
        all.iter()
            .find(|one| one["key"] == key)
            .map(|one| one["value"]["stringValue"].clone())
    };
    assert_eq!(
        span(0)["traceId"],
        format!("{:032x}", tool(RulingWord::Deny, None).call.bits())
    );
    let (trace, id) = (span(0)["traceId"].as_str(), span(0)["spanId"].as_str());
    assert_eq!(
        otlp::traceparent(tool(RulingWord::Deny, None).call),
        format!("00-{}-{}-01", trace.unwrap(), id.unwrap())
    );
    assert_eq!(span(0)["name"], "tools/call send");
    assert_eq!(span(0)["status"]["code"], 2);
    assert_eq!(attribute(0, "mcp.method.name"), Some("tools/call".into()));
    assert_eq!(attribute(0, "gen_ai.tool.name"), Some("send".into()));
    assert_eq!(attribute(0, "error.type"), Some("policy.denied".into()));
    assert_eq!(span(1)["name"], "chat team/small");
    assert_eq!(attribute(1, "gen_ai.request.model"), Some("team/small".into()));
    assert_eq!(attribute(1, "error.type"), None);
}

#[test]
fn metrics_carry_every_histogram() {
    let projection = Projection::new();
    projection.observe(&tool(RulingWord::Allow, None));
    let body = otlp::metrics(&projection, time(0), time(10));
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        .as_array()
        .unwrap();
    let named = |name: &str| metrics.iter().find(|one| one["name"] == name).unwrap();
    let point = &named("mcp.server.operation.duration")["histogram"]["dataPoints"][0];
    assert_eq!(point["count"], "1");
    let bounds = point["explicitBounds"].as_array().unwrap().len();
    assert_eq!(point["bucketCounts"].as_array().unwrap().len(), bounds + 1);
}
