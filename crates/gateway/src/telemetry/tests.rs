use bartizan_store::LedgerStats;
use bartizan_types::{
    Action, AgentId, AuthMethod, Digest, Effects, Issuer, KeyId, ModelName, PinState, ServerName, ToolName,
};

use super::*;
use crate::meters::Meters;

fn time(micros: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_700_000_000_000_000 + micros)
}

fn principal() -> Principal {
    Principal {
        agent: AgentId::new("mailer").unwrap(),
        user: None,
        act: Vec::new(),
        groups: std::collections::BTreeSet::new(),
        issuer: Issuer::new("local").unwrap(),
        credential: KeyId::new("k1").unwrap(),
        method: AuthMethod::ApiKey,
        expires: None,
    }
}

fn tool() -> CallFacts {
    CallFacts {
        id: CallId::mint(time(0), 7),
        action: Action::CallTool,
        resource: Resource::Tool {
            server: ServerName::new("mail").unwrap(),
            tool: ToolName::new("send").unwrap(),
        },
        surface: Surface::Mcp,
        streaming: false,
        bytes: 12,
        digest: Digest([0; 32]),
        pin: PinState::Same,
        effects: Effects::default(),
        arguments: None,
    }
}

fn chat() -> CallFacts {
    let upstream = UpstreamName::new("openai").unwrap();
    CallFacts {
        id: CallId::mint(time(0), 8),
        action: Action::Generate,
        resource: Resource::Model {
            model: ModelName::new("small").unwrap(),
            upstream,
        },
        surface: Surface::OpenaiChat,
        ..tool()
    }
}

fn ruling(facts: &CallFacts, word: RulingWord, code: Option<Code>) -> Record {
    let mut record = Record::new(RecordKind::Ruling, time(0));
    record.call = Some(facts.id);
    record.principal = Some(principal());
    record.facts = Some(facts.clone());
    record.ruling = Some(word);
    record.code = code;
    record
}

fn closing(facts: &CallFacts, ending: Ending, code: Option<Code>) -> Record {
    let mut record = Record::new(RecordKind::Closing, time(1_200));
    record.call = Some(facts.id);
    record.ending = Some(ending);
    record.code = code;
    record.answer = Some(Answer {
        bytes: 5,
        input_tokens: Some(3),
        ..Answer::default()
    });
    record
}

#[test]
fn counts_reach_the_prometheus_text() {
    let meters = Meters::default();
    meters.ruled(Action::CallTool, RulingWord::Deny, Surface::Mcp);
    meters.refused(Code::PolicyDenied);
    meters.took(40);
    let projection = Projection::new(None);
    projection.observe(&ruling(&chat(), RulingWord::Allow, None));
    projection.observe(&closing(
        &chat(),
        Ending::UpstreamFailed,
        Some(Code::UpstreamTimeout),
    ));
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
        "bartizan_forwarded_seconds_bucket{surface=\"openai_chat\",le=\"0.001\"} 0",
        "bartizan_forwarded_seconds_bucket{surface=\"openai_chat\",le=\"0.0025\"} 1",
        "bartizan_forwarded_seconds_count{surface=\"openai_chat\"} 1",
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
fn a_full_queue_drops_and_counts() {
    let (sender, mut receiver) = mpsc::channel(1);
    let projection = Projection::new(Some(sender));
    projection.observe(&ruling(&tool(), RulingWord::Deny, Some(Code::PolicyDenied)));
    projection.observe(&ruling(&tool(), RulingWord::Deny, Some(Code::PolicyDenied)));
    assert_eq!(projection.counts().spans_dropped, 1);
    assert!(receiver.try_recv().is_ok());
}

#[test]
fn an_allowed_call_is_a_span_only_once_it_is_closed() {
    let (sender, mut receiver) = mpsc::channel(4);
    let projection = Projection::new(Some(sender));
    projection.observe(&closing(&tool(), Ending::Complete, None));
    projection.observe(&ruling(&tool(), RulingWord::Allow, None));
    assert!(receiver.try_recv().is_err());
    projection.observe(&closing(&tool(), Ending::Complete, None));
    assert!(receiver.try_recv().is_ok());
    projection.observe(&closing(&tool(), Ending::Complete, None));
    assert!(receiver.try_recv().is_err());
}

#[test]
fn calls_never_closed_do_not_pile_up() {
    let projection = Projection::new(None);
    for number in 0..=OPEN_CALLS as u128 {
        let facts = CallFacts {
            id: CallId::mint(time(0), number),
            ..tool()
        };
        projection.observe(&ruling(&facts, RulingWord::Allow, None));
    }
    let open = projection.open.lock().unwrap();
    assert_eq!((open.calls.len(), open.order.len()), (OPEN_CALLS, OPEN_CALLS));
}

#[test]
fn spans_follow_the_conventions_and_hold_no_content() {
    let (sender, mut receiver) = mpsc::channel(4);
    let projection = Projection::new(Some(sender));
    projection.observe(&ruling(&tool(), RulingWord::Deny, Some(Code::PolicyDenied)));
    let body = otlp::traces(&[receiver.try_recv().unwrap()]);
    let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], format!("{:032x}", tool().id.bits()));
    assert_eq!(span["name"], "tools/call send");
    assert_eq!(span["status"]["code"], 2);
    let attribute = |key: &str| {
        let all = span["attributes"].as_array().unwrap();
        all.iter()
            .find(|one| one["key"] == key)
            .map(|one| one["value"]["stringValue"].clone())
    };
    assert_eq!(attribute("mcp.method.name"), Some("tools/call".into()));
    assert_eq!(attribute("gen_ai.tool.name"), Some("send".into()));
    assert_eq!(attribute("error.type"), Some("policy.denied".into()));
}

#[test]
fn metrics_carry_every_histogram() {
    let projection = Projection::new(None);
    projection.observe(&ruling(&tool(), RulingWord::Allow, None));
    projection.observe(&closing(&tool(), Ending::Complete, None));
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
