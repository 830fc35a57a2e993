"""Hostile bytes on the listener: the corpus in `e2e/vectors`, none accepted, each with its code; and slow callers."""

import base64
import json
import socket
import time

import pytest
import raw
from peers import HERE, stdio_office

VECTORS = [
    pytest.param(vector, id=f"{path.stem}: {vector['name']}")
    for path in sorted((HERE.parent / "vectors").glob("*.json"))
    for vector in json.loads(path.read_text())
]


@pytest.fixture(scope="module")
def target(shared_gateway, provider, tmp_path_factory):
    through = shared_gateway(
        provider, servers=[stdio_office(tmp_path_factory.mktemp("calls") / "calls")],
        limits={"body_bytes": 2 << 20, "header_timeout_ms": 1500, "read_timeout_ms": 1500, "rejections_per_minute": 10000},
    )
    return through


def part(value) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if "base64" in value:
        return base64.b64decode(value["base64"])
    return value["repeat"].encode() * value["times"]


def assembled(vector, gateway) -> bytes:
    body = b"".join(map(part, vector["body"]))
    head = b"".join(map(part, vector["head"]))
    host = "%s:%d" % gateway.address
    for name, value in (("length", len(body)), ("host", host), ("key", gateway.key)):
        head = head.replace(b"{%s}" % name.encode(), str(value).encode())
    return head + body


def good(gateway) -> raw.Reply:
    return raw.post(gateway.address, "/v1/chat/completions", b'{"model":"text","messages":[{"role":"user","content":"x"}]}', key=gateway.key)


@pytest.mark.parametrize("vector", VECTORS)
def test_vector_is_refused(target, provider, vector):
    answer = raw.exchange(target.address, assembled(vector, target), seconds=15)
    assert not provider.seen, "it reached the provider"
    if answer is None:
        assert vector["close"], "closed without a word"
        return
    assert answer.status in vector["statuses"], (answer.status, answer.text[:300])
    if vector["codes"] and (answer.body or not vector["close"]):
        assert any(code in answer.text for code in vector["codes"]), answer.text[:300]
    assert len(answer.body) < 4096


def test_the_corpus_did_no_harm(target, provider):
    assert good(target).status == 200
    assert target.alive()
    target.cli("audit", "verify")
    assert "panicked" not in target.output()


def request_lines(gateway, length: int) -> bytes:
    host = "%s:%d" % gateway.address
    return raw.head("POST", "/v1/chat/completions", [("Host", host), ("Authorization", f"Bearer {gateway.key}"), ("Content-Type", "application/json"), ("Content-Length", str(length))])


def test_slow_headers_are_cut_off(target):
    data = request_lines(target, 10)
    with socket.create_connection(target.address, timeout=10) as connection:
        started = time.monotonic()
        try:
            for byte in data[:-2]:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
            answer = raw.read_reply(connection)
        except OSError:
            answer = None
    assert time.monotonic() - started < 6
    assert answer is None or answer.status == 408


def test_a_slow_body_is_cut_off(target, provider):
    with socket.create_connection(target.address, timeout=10) as connection:
        started = time.monotonic()
        connection.sendall(request_lines(target, 500))
        try:
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.05)
        except OSError:
            pass
        answer = raw.read_reply(connection)
    assert time.monotonic() - started < 8
    assert answer is None or answer.status == 408 and "limit.slow_caller" in answer.text
    assert not provider.seen


def test_slow_callers_do_not_keep_others_out(target):
    idle = [socket.create_connection(target.address, timeout=10) for _ in range(300)]
    try:
        for connection in idle:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: ")
        started = time.monotonic()
        assert good(target).status == 200
        assert time.monotonic() - started < 2
    finally:
        for connection in idle:
            connection.close()


def test_requests_cut_at_every_byte_do_no_harm(target, provider):
    body = b'{"model":"text","messages":[{"role":"user","content":"x"}]}'
    data = request_lines(target, len(body)) + body
    for cut in range(1, len(data), 7):
        with socket.create_connection(target.address, timeout=5) as connection:
            connection.sendall(data[:cut])
    assert not provider.seen
    assert good(target).status == 200


def test_pipelined_requests_are_answered_in_order(target):
    body = b'{"model":"text","messages":[{"role":"user","content":"x"}]}'
    bad = b'{"model":"text","model":"x","messages":[]}'
    data = request_lines(target, len(body)) + body + request_lines(target, len(bad)) + bad
    with socket.create_connection(target.address, timeout=10) as connection:
        connection.sendall(data)
        time.sleep(1.0)
        text = connection.recv(1 << 20).decode()
    assert text.startswith("HTTP/1.1 200")
    assert "wire.json_duplicate_key" not in text.split("\r\n\r\n")[1], "the second answer came first"


def test_saturation_sheds_with_retry_after(gateway, provider):
    through = gateway(provider, limits={"concurrent_calls": 4})
    streams = []
    body = b'{"model":"endless","messages":[{"role":"user","content":"x"}],"stream":true}'
    try:
        for _ in range(4):
            connection = socket.create_connection(through.address, timeout=10)
            connection.sendall(request_lines(through, len(body)) + body)
            connection.recv(4096)
            streams.append(connection)
        answer = good(through)
        assert answer.status == 503 and "limit.saturated" in answer.text and answer.header("retry-after")
    finally:
        for connection in streams:
            connection.close()
    for _ in range(50):
        if good(through).status == 200:
            return
        time.sleep(0.1)
    pytest.fail("the slots of the streams that left were not given back")


def test_a_flood_of_refusals_does_not_fill_the_log(gateway, provider):
    through = gateway(provider, limits={"rejections_per_minute": 20})
    for _ in range(300):
        raw.post(through.address, "/v1/chat/completions", b"{}", key="bz_nobody")
    exported = through.cli("audit", "export", "--format", "jsonl").stdout
    assert exported.count('"rejection"') <= 40
    assert good(through).status == 200
