"""Upstreams: aliases, keys, retries, failover, and answers that no agent should be handed."""

import json
import socket
import time

import pytest
import raw
from conftest import PROVIDER_KEY
from upstream import Upstream

USER = [{"role": "user", "content": "hello"}]


def ask(gateway, model="text", path="/v1/chat/completions", key=None, seconds=20.0, **fields):
    body = {"model": model, "messages": USER, **fields}
    if path == "/v1/messages":
        body["max_tokens"] = 9
    return raw.post(gateway.address, path, json.dumps(body).encode(), key=key or gateway.key, seconds=seconds)


def closed_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


@pytest.fixture(scope="module")
def through(shared_gateway, provider):
    return shared_gateway(
        provider,
        models=[
            {"name": "house-model", "upstream": "openai", "model": "text"},
            {"name": "house-claude", "upstream": "anthropic", "model": "thinking"},
            {"name": "text", "upstream": "openai", "model": "text"},
            *({"name": name, "upstream": "openai", "model": name} for name in (
                "status429", "status500", "redirect", "huge", "bomb", "dupkey", "badutf8", "badjson", "endless", "endless+short",
                "bigevent", "garbage", "cut", "slow",
            )),
        ],
        limits={"upstream_timeout_ms": 2000, "event_bytes": 1 << 20, "answer_bytes": 8 << 20},
    )


def test_the_gateway_injects_the_provider_key(through, provider):
    assert ask(through).status == 200
    seen = provider.last
    assert seen.header("authorization") == [f"Bearer {PROVIDER_KEY}"]
    assert through.key not in json.dumps(seen.headers) and through.key.encode() not in seen.body
    assert ask(through, "house-claude", path="/v1/messages").status == 200
    seen = provider.last
    assert seen.header("x-api-key") == [PROVIDER_KEY] and seen.header("authorization") == []
    assert through.key not in json.dumps(seen.headers)


def test_headers_of_the_agent_do_not_smuggle(through, provider):
    body = json.dumps({"model": "text", "messages": USER}).encode()
    answer = raw.post(through.address, "/v1/chat/completions", body, key=through.key, headers={
        "Cookie": "session=1", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "OpenAI-Organization": "org-x",
        "Proxy-Authorization": "Basic eA==", "TE": "trailers", "Connection": "close, x-secret", "X-Secret": "1",
    })
    assert answer.status == 200
    names = {name.lower() for name, _ in provider.last.headers}
    assert not names & {"cookie", "x-forwarded-for", "forwarded", "proxy-authorization", "x-secret", "te"}


def test_alias_is_spliced_and_nothing_else_changes(through, provider):
    body = b'{ "messages":[{"role":"user","content":"house-model \\u00e9"}] ,"model" :  "house-model" , "n":1 }'
    answer = raw.post(through.address, "/v1/chat/completions", body, key=through.key)
    assert answer.status == 200
    assert provider.last.body == body.replace(b'"model" :  "house-model"', b'"model" :  "text"')


def test_unknown_model_is_refused_by_name(through, provider):
    answer = ask(through, "no-such-model")
    assert answer.status == 404 and "upstream.model_unknown" in answer.text and not provider.seen


@pytest.mark.parametrize("model, codes", [
    ("huge", ["upstream.too_large"]),
    ("bomb", ["upstream.too_large", "limit.body_expansion", "upstream.malformed"]),
    ("dupkey", ["upstream.malformed", "wire.json_duplicate_key"]),
    ("badutf8", ["upstream.malformed", "wire.json_utf8"]),
    ("badjson", ["upstream.malformed", "wire.json_syntax"]),
    ("slow", ["upstream.timeout"]),
])
def test_answers_that_are_withheld(through, provider, model, codes):
    started = time.monotonic()
    answer = ask(through, model)
    assert answer.status in (502, 504), (answer.status, answer.text[:300])
    assert any(code in answer.text for code in codes), answer.text[:300]
    assert len(answer.body) < 4096 and time.monotonic() - started < 15


def test_a_redirect_leads_nobody_round(through, provider):
    """Neither we follow it, nor is the agent told where to go instead of us."""
    answer = ask(through, "redirect")
    assert answer.header("location") is None and answer.status >= 300
    assert [seen.path for seen in provider.seen] == ["/v1/chat/completions"]


@pytest.mark.parametrize("model, codes", [
    ("garbage", ["wire.sse_malformed", "upstream.malformed", "wire.json"]),
    ("bigevent", ["limit.event"]),
    ("cut", ["upstream.", "wire.sse_malformed"]),
])
def test_streams_that_are_withheld(through, model, codes):
    """A stream that can't be read ends with our error event or a 502, never as if it were complete."""
    answer = ask(through, model, stream=True)
    assert any(code in answer.text for code in codes) or not answer.whole, answer.text[-400:]
    assert "[DONE]" not in answer.text and "x" * 5000 not in answer.text and b"\xff\xfe" not in answer.body


def test_a_stream_flows_while_it_is_checked(through):
    """The first words arrive long before the last: 20 events over 2 s."""
    body = json.dumps({"model": "endless+short", "messages": USER, "stream": True}).encode()
    lines = [("Host", "%s:%d" % through.address), ("Authorization", f"Bearer {through.key}"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    with socket.create_connection(through.address, timeout=20) as connection:
        connection.sendall(raw.head("POST", "/v1/chat/completions", lines) + body)
        started, arrivals = time.monotonic(), []
        while piece := connection.recv(65536):
            arrivals += [time.monotonic() - started] * piece.count(b"fox")
            if piece.endswith(b"0\r\n\r\n"):
                break
    assert len(arrivals) >= 20
    assert arrivals[0] < 1.0 < arrivals[-1]


def test_an_agent_that_leaves_ends_the_upstream_call(through, provider):
    body = json.dumps({"model": "endless", "messages": USER, "stream": True}).encode()
    lines = [("Host", "%s:%d" % through.address), ("Authorization", f"Bearer {through.key}"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    with socket.create_connection(through.address, timeout=20) as connection:
        connection.sendall(raw.head("POST", "/v1/chat/completions", lines) + body)
        connection.recv(4096)
    deadline = time.monotonic() + 10
    while not provider.last.aborted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert provider.last.aborted, "the upstream stream went on"


def test_failover_when_the_first_upstream_is_not_there(gateway, provider):
    through = gateway(
        upstreams=[
            {"name": "first", "api": "openai", "url": f"http://127.0.0.1:{closed_port()}", "credential": "none"},
            {"name": "second", "api": "openai", "url": provider.url, "secret": "openai"},
        ],
        secrets={"openai": PROVIDER_KEY},
        models=[
            {"name": "alias", "targets": [{"upstream": "first", "model": "text"}, {"upstream": "second", "model": "text+split7"}]},
            {"name": "alone", "upstream": "first", "model": "text"},
        ],
    )
    answer = ask(through, "alias")
    assert answer.status == 200 and provider.last.json["model"] == "text+split7"
    assert ask(through, "alias", stream=True).text.endswith("data: [DONE]\n\n")
    answer = ask(through, "alone")
    assert answer.status == 502 and "upstream.unreachable" in answer.text


def test_no_second_try_once_a_request_was_sent(gateway):
    """A connection that closes after the request was read may have done its work: the agent must decide, not we."""
    with Upstream() as dying, Upstream() as second:
        through = gateway(
            upstreams=[
                {"name": "first", "api": "openai", "url": dying.url, "credential": "none"},
                {"name": "second", "api": "openai", "url": second.url, "credential": "none"},
            ],
            models=[{"name": "alias", "targets": [{"upstream": name, "model": "cutoff"} for name in ("first", "second")]}],
        )
        import upstream as scripted

        async def cutoff(api, request, reply, streamed, modifiers):
            reply.writer.transport.abort()

        scripted.SPECIAL["cutoff"] = cutoff
        answer = ask(through, "alias")
        assert answer.status == 502 and "upstream." in answer.text
        assert len(dying.seen) == 1 and not second.seen


def test_a_missing_secret_is_named_and_nothing_is_sent(gateway, provider):
    through = gateway(upstreams=[{"name": "openai", "api": "openai", "url": provider.url, "secret": "absent"}])
    answer = ask(through)
    assert answer.status == 502 and "upstream.secret_missing" in answer.text and not provider.seen
    assert "`openai` wants `bartizan secret set absent`" in answer.text, answer.text
