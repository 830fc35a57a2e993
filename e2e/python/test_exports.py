"""What leaves for other systems: OCSF events judged by the schema, OTLP decoded and judged by what is published."""

import base64
import copy
import http.server
import inspect
import json
import threading
import time

import pytest
import raw
from google.protobuf import json_format
from load import chat, tool
from ocsf_schema import Schema
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, mcp_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics, mcp_metrics
from peers import PERMIT_ALL, forbid

NO_PAY = forbid("call_tool", 'Tool::"office/pay"', "payments need a person")


def ask(gateway, request, key=None):
    path, headers, body = request
    return raw.post(gateway.address, path, body, dict(headers), key=key or gateway.key)


def exercise(gateway):
    """Calls of every outcome: allowed, denied, rejected, failed upstream, streamed; models and tools."""
    assert ask(gateway, chat(gateway, "text")).status == 200
    assert ask(gateway, chat(gateway, "text", stream=True)).whole
    assert ask(gateway, chat(gateway, "status500")).status >= 500
    assert ask(gateway, chat(gateway, "text"), key="bz_wrong").status == 401
    assert "echo" in ask(gateway, tool(gateway, "echo", {"text": "x"})).text
    assert "payments" in ask(gateway, tool(gateway, "pay", {"to": "Mallory", "amount": 3})).text
    body = json.dumps({"model": "text", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}).encode()
    assert raw.post(gateway.address, "/v1/messages", body, {"anthropic-version": "2023-06-01"}, key=gateway.key).status == 200


@pytest.fixture(scope="module")
def office_url(peers):
    return peers.office("http")["url"]


# -- OCSF


def test_every_ocsf_event_fits_the_schema(gateway, provider, office_url):
    through = gateway(provider, servers=[{"name": "office", "url": office_url}], policy=PERMIT_ALL + NO_PAY)
    through.add_agent("other", "--user", "ann", "--group", "house")
    exercise(through)
    lines = through.cli("audit", "export", "--format", "ocsf").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    schema = Schema()
    wrong = {fault for event in events for fault in schema.faults(event)}
    assert not wrong, sorted(wrong)
    # Each kind of event was judged, and not only the plain ones.
    assert {event["status_id"] for event in events} == {1, 2} and {event["activity_id"] for event in events} >= {1, 3, 99}
    assert any("ai_model" in event for event in events) and any("policy" in event for event in events)
    # The judge can say no: every change of a good event is noticed.
    good = next(event for event in events if "ai_model" in event and "policy" in event)
    for spoil in (
        lambda event: event.pop("time"), lambda event: event.update(time="now"), lambda event: event.update(surprise=1),
        lambda event: event.update(message=None), lambda event: event["actor"].clear(), lambda event: event["api"].pop("operation"),
        lambda event: event.update(severity_id=42), lambda event: event.update(activity_id=77), lambda event: event["metadata"].pop("version"),
        lambda event: event["message_context"].pop("service"), lambda event: event["ai_model"].pop("ai_provider"), lambda event: event.update(class_uid=6999),
    ):
        spoilt = copy.deepcopy(good)
        spoil(spoilt)
        assert schema.faults(spoilt), inspect.getsource(spoil)


# -- OTLP


class Collector:
    """Takes OTLP/HTTP, and keeps what it was sent."""

    def __init__(self, answer: int = 200):
        self.received, self.refused = [], []
        kept = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if kept.answer == 200:
                    kept.received.append((self.path, self.headers["Content-Type"], body))
                else:
                    kept.refused.append((self.path, body))
                self.send_response(kept.answer)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.answer = answer
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def decoded(path: str, kind: str, body: bytes):
    """The message, by the published protocol buffers: an unknown field or a wrong type fails."""
    assert kind == "application/json"
    value = json.loads(body)
    if path == "/v1/metrics":
        return json_format.ParseDict(value, ExportMetricsServiceRequest())
    assert path == "/v1/traces"

    def ids(item):
        # OTLP's JSON writes ids in hexadecimal, where protobuf's own would take base64.
        if isinstance(item, dict):
            for key, length in (("traceId", 32), ("spanId", 16)):
                if key in item:
                    assert len(item[key]) == length and item[key] == item[key].lower() and int(item[key], 16), item[key]
                    item[key] = base64.b64encode(bytes.fromhex(item[key])).decode()
            for inner in item.values():
                ids(inner)
        elif isinstance(item, list):
            for inner in item:
                ids(inner)

    ids(value)
    return json_format.ParseDict(value, ExportTraceServiceRequest())


def published(*modules) -> set[str]:
    return {value for module in modules for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


NAMES = published(gen_ai_attributes, mcp_attributes) | {"error.type", "http.response.status_code", "service.name", "service.version"}
METRICS = published(gen_ai_metrics, mcp_metrics)
VALUES = {
    "gen_ai.operation.name": {member.value for member in gen_ai_attributes.GenAiOperationNameValues},
    "gen_ai.provider.name": {member.value for member in gen_ai_attributes.GenAiProviderNameValues},
    "gen_ai.token.type": {member.value for member in gen_ai_attributes.GenAiTokenTypeValues},
    "mcp.method.name": {member.value for member in mcp_attributes.McpMethodNameValues},
}


def plain(attributes) -> dict:
    found = {}
    for attribute in attributes:
        kind = attribute.value.WhichOneof("value")
        assert attribute.key not in found and kind, attribute
        assert attribute.key in NAMES or attribute.key.startswith("bartizan."), f"{attribute.key} is not published"
        found[attribute.key] = getattr(attribute.value, kind)
        allowed = VALUES.get(attribute.key)
        assert not allowed or found[attribute.key] in allowed, attribute
    return found


def judge_spans(message) -> list[dict]:
    spans = []
    for resource in message.resource_spans:
        assert plain(resource.resource.attributes)["service.name"] == "bartizan"
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = plain(span.attributes)
                assert len(span.trace_id) == 16 and len(span.span_id) == 8 and any(span.span_id)
                assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano < time.time_ns() + 10**9
                assert span.name and span.kind == span.SPAN_KIND_SERVER
                assert (span.status.code == span.status.STATUS_CODE_ERROR) == ("error.type" in attributes)
                spans.append({"name": span.name, **attributes})
    return spans


def judge_metrics(message) -> dict[str, list]:
    found = {}
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                assert metric.name in METRICS or metric.name.startswith("bartizan."), metric.name
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                assert data.aggregation_temporality == data.DESCRIPTOR.file.enum_types_by_name["AggregationTemporality"].values_by_name["AGGREGATION_TEMPORALITY_CUMULATIVE"].number
                assert kind != "sum" or data.is_monotonic
                seen = set()
                for point in data.data_points:
                    attributes = plain(point.attributes)
                    assert point.start_time_unix_nano <= point.time_unix_nano and frozenset(attributes.items()) not in seen
                    seen.add(frozenset(attributes.items()))
                    if kind == "histogram":
                        assert metric.unit == "s" and len(point.bucket_counts) == len(point.explicit_bounds) + 1
                        assert sum(point.bucket_counts) == point.count and list(point.explicit_bounds) == sorted(point.explicit_bounds)
                    found.setdefault(metric.name, []).append((attributes, point))
    return found


def test_a_collector_understands_every_span_and_metric(gateway, provider, office_url):
    with Collector() as collector:
        through = gateway(provider, servers=[{"name": "office", "url": office_url}], policy=PERMIT_ALL + NO_PAY, telemetry={"otlp_url": collector.url})
        exercise(through)
        through.stop()
    messages = [(path, decoded(path, kind, body)) for path, kind, body in collector.received]
    spans = [span for path, message in messages if path == "/v1/traces" for span in judge_spans(message)]
    metrics = [judge_metrics(message) for path, message in messages if path == "/v1/metrics"]
    assert {span["name"] for span in spans} >= {"chat text", "tools/call echo", "tools/call pay"}
    # What the conventions require of each kind of span.
    for span in spans:
        if span["name"].startswith("chat "):
            assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} <= span.keys()
        if span["name"].startswith("tools/call "):
            assert span["gen_ai.operation.name"] == "execute_tool" and {"mcp.method.name", "gen_ai.tool.name"} <= span.keys()
    assert {span["gen_ai.provider.name"] for span in spans if "gen_ai.provider.name" in span} == {"openai", "anthropic"}
    assert "policy.denied" in {span.get("error.type") for span in spans}
    last = metrics[-1]
    for attributes, _ in last["gen_ai.server.request.duration"]:
        assert {"gen_ai.operation.name", "gen_ai.provider.name"} <= attributes.keys()
    assert "tools/call" in {attributes["mcp.method.name"] for attributes, _ in last["mcp.server.operation.duration"]}
    assert {attributes["error.type"]: point.as_int for attributes, point in last["bartizan.spans.lost"]} == {"queue_full": 0, "not_taken": 0}
    assert sum(point.as_int for _, point in last["bartizan.calls"]) == len(spans)
    everything = b"".join(body for _, _, body in collector.received)
    assert b"Mallory" not in everything and b"hello" not in everything, "a span holds content"


def test_spans_that_a_collector_does_not_take_are_counted(gateway, provider):
    with Collector(503) as collector:
        through = gateway(provider, telemetry={"otlp_url": collector.url})
        for _ in range(5):
            assert ask(through, chat(through, "text")).status == 200
        deadline = time.monotonic() + 20
        while not any(path == "/v1/traces" for path, _ in collector.refused) and time.monotonic() < deadline:
            time.sleep(0.1)
        collector.answer = 200
        assert ask(through, chat(through, "text")).status == 200
        through.stop()
    last = [judge_metrics(decoded(*taken)) for taken in collector.received if taken[0] == "/v1/metrics"][-1]
    lost = {attributes["error.type"]: point.as_int for attributes, point in last["bartizan.spans.lost"]}
    kept = [span for taken in collector.received if taken[0] == "/v1/traces" for span in judge_spans(decoded(*taken))]
    made = sum(point.as_int for _, point in last["bartizan.calls"])
    assert lost["not_taken"] > 0 and lost["not_taken"] + lost["queue_full"] + len(kept) == made
