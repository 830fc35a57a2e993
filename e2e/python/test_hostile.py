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
    assert answer.status != 405 or answer.header("allow"), "405 without what is allowed"


@pytest.mark.parametrize("path, method, allowed", [
    ("/v1/chat/completions", "GET", "POST"),
    ("/v1/models", "DELETE", "GET"),
    ("/mcp", "PUT", "POST, DELETE"),
    ("/mcp", "GET", "POST, DELETE"),  # no session is named
    ("/.well-known/oauth-protected-resource", "POST", None),  # without an issuer there is nothing
])
def test_a_method_that_a_path_has_not_is_told_with_those_it_has(target, path, method, allowed):
    host = "%s:%d" % target.address
    answer = raw.exchange(target.address, raw.head(method, path, [("Host", host), ("Authorization", f"Bearer {target.key}"), ("Content-Length", "0")]), seconds=15)
    assert (answer.status, answer.header("allow")) == (405 if allowed else 404, allowed)


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
    began = time.time() // 60
    for _ in range(300):
        raw.post(through.address, "/v1/chat/completions", b"{}", key="bz_nobody")
    minutes = time.time() // 60 - began + 1  # a quota begins anew with the minute of the clock
    exported = through.cli("audit", "export", "--format", "jsonl").stdout
    kinds = [json.loads(line)["kind"] for line in exported.splitlines()]
    assert 20 <= kinds.count("rejection") <= 20 * minutes
    assert good(through).status == 200


UNREAD = {
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a folded header": b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"Content-Length : 3\r\n\r\nabc",
    "chunked that is not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a nul": b"X-A: b\0c\r\n\r\n",
}


@pytest.mark.parametrize("after_another", [False, True], ids=["first", "after another"])
def test_what_http_cant_be_read_in_one_way_is_told_counted_and_on_record(gateway, provider, after_another):
    through = gateway(provider)
    host = "%s:%d" % through.address
    begins = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\n".encode()
    listed = raw.head("GET", "/v1/models", [("Host", host), ("Authorization", f"Bearer {through.key}")])
    calls = set()
    for rest in UNREAD.values():
        with socket.create_connection(through.address, timeout=10) as connection:
            if after_another:
                connection.sendall(listed)
                assert raw.read_reply(connection).status == 200
            connection.sendall(begins + rest)
            answer = raw.read_reply(connection)
            assert answer.status == 400
            assert connection.recv(1) == b"", "the connection stays open"
        if not after_another:
            assert answer.json["error"]["code"] == "wire.http"
            calls.add(answer.header("x-bartizan-call"))
    large = raw.exchange(through.address, begins + b"X-A: " + b"a" * (1 << 20))
    assert large is None or large.status == 431
    assert all(seen.method == "GET" for seen in provider.seen)
    # Behind another answer the record is made when the connection has ended.
    for _ in range(50):
        exported = through.cli("audit", "export", "--format", "jsonl").stdout
        if exported.count('"wire.http"') + exported.count('"limit.headers"') > len(UNREAD):
            break
        time.sleep(0.1)
    assert exported.count('"wire.http"') == len(UNREAD)
    assert exported.count('"limit.headers"') == 1
    assert all(call in exported for call in calls)


def test_a_rebound_name_reaches_nothing(target, provider):
    """A page whose name was made to lead here: its host or its origin tells, at each of the listener's surfaces."""
    host, port = target.address
    foreign = ["evil.example", f"evil.example:{port}", f"localhost.:{port}", f"[::1]:{port}", f"[{host}]:{port}", f"{host}:{port}."]
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    for path in ("/v1/chat/completions", "/v1/models", "/mcp", "/mcp/office", "/a2a/billing", "/v1/inspect", "/v1/hook"):
        lines = [("Authorization", f"Bearer {target.key}"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        for name in foreign:
            answer = raw.exchange(target.address, raw.head("POST", path, [("Host", name), *lines]) + body)
            assert (answer.status, "wire.host" in answer.text) == (403, True), (path, name)
        whole = f"http://evil.example{path}"
        answer = raw.exchange(target.address, raw.head("POST", whole, [("Host", f"{host}:{port}"), *lines]) + body)
        assert (answer.status, "wire.host" in answer.text) == (403, True), path
        for origin in ("null", "http://evil.example", f"http://evil.example:{port}", f"https://{host}:{port}", f"http://{host}"):
            told = raw.head("POST", path, [("Host", f"{host}:{port}"), ("Origin", origin), *lines])
            answer = raw.exchange(target.address, told + body)
            assert (answer.status, "wire.origin" in answer.text) == (403, True), (path, origin)
        old = f"POST {path} HTTP/1.0\r\nAuthorization: Bearer {target.key}\r\nContent-Length: 0\r\n\r\n".encode()
        answer = raw.exchange(target.address, old)
        assert (answer.status, "wire.host" in answer.text) == (403, True), path
    assert not provider.seen


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0"])
def test_no_connection_to_agents_listener_becomes_another_protocol(target, protocol):
    host = "%s:%d" % target.address
    asks = [
        ("Host", host), ("Authorization", f"Bearer {target.key}"), ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    for path in ("/v1/models", "/v1/chat/completions", "/mcp", "/mcp/office", "/a2a/billing", "/"):
        with socket.create_connection(target.address, timeout=10) as connection:
            connection.sendall(raw.head("GET", path, asks))
            answer = raw.read_reply(connection)
            assert answer.status >= 200 and answer.header("upgrade") is None, (path, answer.status)
            # It goes on as HTTP/1.1, request by request, or ends.
            try:
                connection.sendall(b"\x81\x85\0\0\0\0hello\r\n\r\n")
                behind = raw.read_reply(connection)
            except (BrokenPipeError, ConnectionResetError):
                behind = None
            assert behind is None or behind.status == 400, path
