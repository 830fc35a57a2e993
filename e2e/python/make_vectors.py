"""Writes `e2e/vectors/*.json`, the negative corpus: raw requests, and the code each must be refused with.

The files are what the tests read, and any other implementation may read them too; this script only saves typing. A
vector's bytes are given as `parts`: text, `{"base64": …}`, or `{"repeat": text, "times": n}`; `{length}`, `{host}` and
`{key}` in a text part stand for the body's length, the listener's address and a valid key. `head` and `body` are
joined as they stand. `codes`: one of these must be in the answer; `statuses` likewise; `close`: the connection may also
be closed without a word.
"""

import base64
import gzip
import json
import zlib
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "vectors"
CHAT, RESPONSES, MESSAGES, MCP = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/mcp"
PLAIN = ["Host: {host}", "Authorization: Bearer {key}", "Content-Type: application/json", "Connection: close"]


def b64(data: bytes) -> dict:
    return {"base64": base64.b64encode(data).decode()}


def vector(name, body, codes, statuses, path=CHAT, lines=None, length=True, method="POST", close=False, version="HTTP/1.1", drop=(), why=""):
    headers = [line for line in PLAIN if line.split(":")[0] not in drop] + (lines or [])
    if path == MCP:
        headers.append("Accept: application/json, text/event-stream")
    if length:
        headers.append("Content-Length: {length}")
    head = f"{method} {path} {version}\r\n" + "\r\n".join(headers) + "\r\n\r\n"
    body = body if isinstance(body, list) else [body if isinstance(body, (str, dict)) else b64(body)]
    return {"name": name, "why": why, "head": [head], "body": body, "codes": codes, "statuses": statuses, "close": close}


def chat(**fields) -> str:
    return json.dumps({"model": "text", "messages": [{"role": "user", "content": "x"}], **fields})


def json_vectors():
    good = '{"model":"text","messages":[{"role":"user","content":"%s"}]}'
    yield vector("empty body", "", ["wire.json_syntax", "wire.request_shape"], [400])
    yield vector("not json", "hello", ["wire.json_syntax"], [400])
    yield vector("truncated", chat()[:-1], ["wire.json_syntax"], [400])
    yield vector("two values", chat() + chat(), ["wire.json_syntax"], [400])
    yield vector("trailing nul", chat() + "\x00", ["wire.json_syntax"], [400])
    yield vector("byte order mark", b"\xef\xbb\xbf" + chat().encode(), ["wire.json_syntax"], [400])
    yield vector("utf-16", chat().encode("utf-16"), ["wire.json_utf8", "wire.json_syntax"], [400])
    yield vector("single quotes", "{'model':'text'}", ["wire.json_syntax"], [400])
    yield vector("trailing comma", good % "x" + ",", ["wire.json_syntax"], [400])
    yield vector("comma before brace", '{"model":"text","messages":[],}', ["wire.json_syntax"], [400])
    yield vector("comment", '{"model":"text",/* "x" */"messages":[]}', ["wire.json_syntax"], [400])
    for literal in ("NaN", "Infinity", "-Infinity", "0x10", "01", "1.", ".5", "+1", "1e", "True", "undefined"):
        yield vector(f"number {literal}", '{"model":"text","messages":[],"n":%s}' % literal, ["wire.json_syntax", "wire.json_number"], [400])
    yield vector("number overflow", '{"model":"text","messages":[],"n":1e400}', ["wire.json_number"], [400])
    yield vector("number overflow nested", '{"model":"text","messages":[{"role":"user","content":"x","y":[[-1e999]]}]}', ["wire.json_number"], [400])
    yield vector("control character in a string", '{"model":"te\nxt","messages":[]}', ["wire.json_syntax"], [400])
    yield vector("bad escape", '{"model":"te\\xt","messages":[]}', ["wire.json_syntax"], [400])
    yield vector("half an escape", '{"model":"\\u12","messages":[]}', ["wire.json_syntax"], [400])
    for name, data in {
        "lone continuation": b"\x80", "cut sequence": b"\xe2\x82", "overlong slash": b"\xc0\xaf", "overlong nul": b"\xc0\x80",
        "surrogate in utf-8": b"\xed\xa0\x80", "past the last plane": b"\xf4\x90\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80", "0xff": b"\xff", "latin-1": b"caf\xe9",
    }.items():
        yield vector(f"bad utf-8: {name}", good.encode() % data, ["wire.json_utf8"], [400])
        yield vector(f"bad utf-8 in a key: {name}", b'{"model":"text","messages":[],"%s":1}' % data, ["wire.json_utf8"], [400])
    for name, text in {"high": "\\ud83d", "low": "\\ude00", "reversed": "\\ude00\\ud83d", "high then text": "\\ud83dx", "two highs": "\\ud83d\\ud83d"}.items():
        yield vector(f"lone surrogate: {name}", good % text, ["wire.json_surrogate"], [400])
        yield vector(f"lone surrogate in a key: {name}", '{"model":"text","messages":[],"%s":1}' % text, ["wire.json_surrogate"], [400])
    for name, text in {
        "model": '{"model":"text","model":"other","messages":[]}',
        "model escaped": '{"model":"text","mod\\u0065l":"other","messages":[]}',
        "messages": '{"model":"text","messages":[],"messages":[{"role":"user","content":"x"}]}',
        "stream": '{"model":"text","messages":[],"stream":false,"stream":true}',
        "deep": '{"model":"text","messages":[{"role":"user","content":"x","role":"system"}]}',
        "deeper": '{"model":"text","messages":[],"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{"x":{},"x":{}}}}}]}',
        "unread field": '{"model":"text","messages":[],"zzz":{"a":1,"a":2}}',
        "empty key": '{"model":"text","messages":[],"":1,"":2}',
        "surrogate pair against utf-8": '{"model":"text","messages":[],"\\ud83d\\ude00":1,"\U0001f600":2}',
        "solidus escape": '{"model":"text","messages":[],"a/b":1,"a\\/b":2}',
    }.items():
        yield vector(f"duplicate key: {name}", text.encode(), ["wire.json_duplicate_key"], [400])
    for name, opening, closing in (("arrays", "[", "]"), ("objects", '{"a":', "}")):
        inner = "1" if name == "objects" else ""
        for depth in (129, 1000, 100_000):
            body = ['{"model":"text","messages":[],"deep":', {"repeat": opening, "times": depth}, inner, {"repeat": closing, "times": depth}, "}"]
            yield vector(f"{depth} nested {name}", body, ["limit.json_depth"], [400])
            yield vector(f"{depth} unclosed {name}", body[:2], ["limit.json_depth", "wire.json_syntax"], [400])
    yield vector("brackets inside a string", '"%s"' % ("[" * 500), ["wire.request_shape"], [400])


def shape_vectors():
    for path, bodies in {
        CHAT: ["[]", "null", '"x"', "1", "{}", '{"messages":[]}', '{"model":7,"messages":[]}', '{"model":"text","messages":{}}', '{"model":"text","messages":[],"stream":"true"}', '{"model":null,"messages":[]}', '{"model":"","messages":[]}', '{"model":"te xt","messages":[]}', '{"model":"text\\u0000","messages":[]}'],
        RESPONSES: ["[]", "{}", '{"model":["text"],"input":"x"}', '{"model":"text","input":"x","stream":1}', '{"model":"text","input":"x","tools":{}}'],
        MESSAGES: ["[]", "{}", '{"model":{},"max_tokens":1,"messages":[]}', '{"model":"text","max_tokens":1,"messages":"x"}', '{"model":"text","max_tokens":1,"messages":[],"tools":"x"}'],
    }.items():
        for body in bodies:
            yield vector(f"{path} {body}", body, ["wire.request_shape", "upstream.model_unknown"], [400, 404], path=path)
    for body in ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","name":"echo","arguments":{}}}',
                 '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":"a","to":"b"}}}',
                 '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}'):
        yield vector(f"mcp duplicate {body}", body, ["wire.json_duplicate_key"], [400], path=MCP)
    yield vector("mcp bad utf-8", b'{"jsonrpc":"2.0","id":1,"method":"ping\xff"}', ["wire.json_utf8"], [400], path=MCP)
    yield vector("mcp surrogate", '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', ["wire.json_surrogate"], [400], path=MCP)
    yield vector("mcp deep", ['{"jsonrpc":"2.0","id":1,"method":"ping","params":', {"repeat": '{"a":', "times": 5000}, "1", {"repeat": "}", "times": 5001}], ["limit.json_depth"], [400], path=MCP)
    yield vector("mcp not a request", "[]", ["mcp.message"], [400], path=MCP)


def http_vectors():
    good = chat()
    yield vector("no host", good, ["wire.host"], [400, 403, 421], drop=["Host"], close=True)
    yield vector("two hosts", good, ["wire.host"], [400, 403, 421], lines=["Host: {host}"], close=True)
    yield vector("foreign host", good, ["wire.host"], [400, 403, 421], drop=["Host"], lines=["Host: evil.example"])
    yield vector("foreign origin", good, ["wire.origin"], [400, 403], lines=["Origin: https://evil.example"])
    yield vector("form content type", good, ["wire.content_type"], [400, 415], drop=["Content-Type"], lines=["Content-Type: text/plain"])
    yield vector("no content type", good, ["wire.content_type"], [400, 415], drop=["Content-Type"])
    yield vector("two content types", good, ["wire.content_type"], [400, 415], lines=["Content-Type: text/plain"])
    yield vector("form encoded", "model=text", ["wire.content_type"], [400, 415], drop=["Content-Type"], lines=["Content-Type: application/x-www-form-urlencoded"])
    for path in ("/", "/v1", "/v1/nothing", "/v1/files", "/v1/chat/completions/", "/v1/chat/completions/x", "//v1/chat/completions", "/v1/./chat/completions", "/v1/x/../chat/completions", "/%76%31/chat/completions", "/mcp/nobody", "/mcp/../v1/models", "/admin", "/metrics/../v1", "/v1/batches", "/v1/assistants"):
        yield vector(f"path {path}", good, ["wire.not_found", "mcp.server_unknown"], [404], path=path)
    for method in ("PUT", "PATCH", "TRACE", "OPTIONS", "CONNECT", "BREW"):
        yield vector(f"method {method}", good, ["wire.method", "wire.not_found", "wire.host"], [400, 404, 405], method=method, close=True)
    yield vector("get on chat", "", ["wire.method"], [405], method="GET", length=False)
    for coding in ("br", "zstd", "compress", "gzip, gzip", "x-unknown", "identity, gzip"):
        yield vector(f"content encoding {coding}", good, ["wire.content_encoding"], [400, 415], lines=[f"Content-Encoding: {coding}"])
    yield vector("gzip that is none", good, ["wire.content_encoding", "wire.json_syntax"], [400, 415], lines=["Content-Encoding: gzip"])
    yield vector("gzip cut", gzip.compress(good.encode(), mtime=0)[:-6], ["wire.content_encoding", "wire.json_syntax"], [400, 415], lines=["Content-Encoding: gzip"])
    yield vector("gzip with trailing bytes", gzip.compress(good.encode(), mtime=0) + b"more", ["wire.content_encoding", "wire.json_syntax"], [400, 415], lines=["Content-Encoding: gzip"])
    yield vector("gzip with a second member", gzip.compress(good.encode(), mtime=0) + gzip.compress(b'{"x":1}', mtime=0), ["wire.content_encoding", "wire.json_syntax"], [400, 415], lines=["Content-Encoding: gzip"])
    bomb = gzip.compress(b'{"model":"text","messages":[],"x":"' + b" " * (64 << 20) + b'"}', mtime=0)
    yield vector("gzip bomb 1:1000", bomb, ["limit.body_expansion"], [413], lines=["Content-Encoding: gzip"])
    yield vector("deflate bomb", zlib.compress(b" " * (64 << 20)), ["limit.body_expansion", "wire.content_encoding"], [400, 413, 415], lines=["Content-Encoding: deflate"])
    quine = gzip.compress(bomb, mtime=0)
    yield vector("bomb in a bomb", quine, ["wire.content_encoding", "limit.body_expansion", "wire.json"], [400, 413, 415], lines=["Content-Encoding: gzip, gzip"])
    yield vector("body over the limit, declared", "x", ["limit.body"], [413], lines=["Content-Length: 3000000"], length=False, why="limit is 2 MiB in this run; refused before it is read")
    yield vector("body over the limit, sent", ['{"model":"text","messages":[],"x":"', {"repeat": "x", "times": 2200000}, '"}'], ["limit.body"], [413])
    yield vector("body over the limit, chunked", [{"repeat": "8000\r\n" + "x" * 0x8000 + "\r\n", "times": 80}, "0\r\n\r\n"], ["limit.body"], [413], lines=["Transfer-Encoding: chunked"], length=False)
    yield vector("one header too large", good, ["limit.headers"], [400, 431], lines=["X-Big: " + "x" * 70000], close=True)
    yield vector("many headers", good, ["limit.headers"], [400, 431], lines=[f"X-{number}: 1" for number in range(300)], close=True)
    for name, lines in {
        "length and chunked": ["Content-Length: {length}", "Transfer-Encoding: chunked"],
        "two lengths": ["Content-Length: {length}", "Content-Length: 5"],
        "negative length": ["Content-Length: -1"],
        "length with plus": ["Content-Length: +{length}"],
        "length in hex": ["Content-Length: 0x10"],
        "length list": ["Content-Length: {length}, 5"],
        "chunked twice": ["Transfer-Encoding: chunked, chunked"],
        "chunked hidden": ["Transfer-Encoding: xchunked"],
        "chunked then identity": ["Transfer-Encoding: chunked, identity"],
    }.items():
        yield vector(f"smuggling: {name}", good, ["wire.", "limit."], [400, 411, 413, 415, 501], lines=lines, length=False, close=True, why="RFC 9112 section 6")
    yield vector("smuggling: space before the colon", good, [], [400], lines=["Content-Length : {length}"], length=False, close=True)
    yield vector("smuggling: folded header", good, [], [400], lines=["X-A: 1\r\n  Content-Length: 5", "Content-Length: {length}"], length=False, close=True)
    yield vector("smuggling: bare line feed in a header", good, [], [400, 401], lines=["X-A: 1\nAuthorization: Bearer other"], close=True)
    yield vector("nul in a header", good, [], [400], lines=["X-A: a\x00b"], close=True)
    yield vector("http/0.9", "", [], [400], version="", length=False, close=True)
    yield vector("http/3.0", good, [], [400, 505], version="HTTP/3.0", close=True)
    yield vector("bad chunk size", "zz\r\nhello\r\n0\r\n\r\n", ["wire.", "limit."], [400, 415], lines=["Transfer-Encoding: chunked"], length=False, close=True)
    yield vector("huge chunk size", "fffffffffffffffff\r\nhello", ["wire.", "limit."], [400, 413, 415], lines=["Transfer-Encoding: chunked"], length=False, close=True)
    yield vector("absolute form, other host", good, ["wire.host"], [400, 403, 421], path="http://evil.example/v1/chat/completions")


def main():
    OUT.mkdir(exist_ok=True)
    for name, make in (("json", json_vectors), ("shape", shape_vectors), ("http", http_vectors)):
        vectors = list(make())
        assert len({each["name"] for each in vectors}) == len(vectors), name
        (OUT / f"{name}.json").write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n")
        print(name, len(vectors))


if __name__ == "__main__":
    main()
