"""A scripted model provider: OpenAI chat completions and responses, Anthropic messages, unary and streamed.

It needs nothing beyond the standard library and writes every byte itself, so that tests decide where a chunk ends, and
can compare bytes. It keeps every request as it arrived. It is no model: the `model` field names a scenario.

A model name is a scenario with modifiers, `scenario+modifier+…`. Scenarios:

    text            a fixed answer of several words
    obedient        obeys the latest user or tool message: each line `CALL name {json}` in it becomes a tool call; with
                    none it answers in text. That is a hijackable agent's model in five lines.
    facts           answers with a JSON text of what it was sent: images, cache_control marks, signatures
    thinking        Anthropic: a signed thinking block before the text
    status429, status500, status529    an error in the API's own shape
    redirect        307 to another path of this server
    slow            five seconds before the first byte
    huge            an answer of 40 MiB
    gzip, bomb      a gzip body; a gzip body that unpacks to 128 MiB
    dupkey, badutf8, badjson, badargs  an answer with a duplicate key, bytes that are no UTF-8, no JSON, tool
                    arguments that are no JSON
    endless         a stream that drips one event every 100 ms for 30 s (2 s with +short)
    bigevent        a stream with one event of 8 MiB
    garbage         a stream of lines that are no SSE, then bytes that are no UTF-8
    builtin+KIND    responses: one output item of that type, with an order in it, that is no function call
    cut             a stream that ends in the middle of an event, the connection closed

Modifiers: `splitN` writes a body in pieces of N bytes, each its own chunk; `crlf` ends SSE lines with CRLF; `json`
answers with JSON though a stream was asked for; `sse` the other way round.
"""

import argparse
import asyncio
import base64
import functools
import gzip
import itertools
import json
import re
import threading
import time
import zlib
from dataclasses import dataclass, field

WORDS = ["The ", "quick ", "brown ", "fox ", "— schnell wie der Wind, 速い, 🦊 — ", "jumps."]
CREATED = 1_780_000_000
CALL = re.compile(r"^\s*CALL\s+([A-Za-z0-9_.\-]+)\s+(\{.*\})\s*$", re.MULTILINE)
MAX_REQUEST = 64 << 20


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    aborted: bool = False

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self):
        return json.loads(self.body)


class Upstream:
    """Runs on a thread of its own; `with Upstream() as upstream:` gives `upstream.url`."""

    def __init__(self, port: int = 0):
        self.seen: list[Seen] = []
        self.fail_first = 0  # close that many connections without an answer
        self._port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the upstream did not start")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def clear(self):
        self.seen.clear()

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, limit=MAX_REQUEST)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._stop.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, reader, writer):
        try:
            if self.fail_first > 0:
                self.fail_first -= 1
                return
            while (seen := await read_request(reader)) is not None:
                self.seen.append(seen)
                try:
                    await answer(seen, writer)
                except ConnectionError:
                    seen.aborted = True
                    return
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def read_request(reader) -> Seen | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
    named = {key.lower(): value for key, value in headers}
    body = b""
    if named.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip().split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
    elif "content-length" in named:
        body = await reader.readexactly(int(named["content-length"]))
    return Seen(method, path, headers, body)


class Reply:
    """Writes one answer; `pieces` decides the size of the chunks."""

    def __init__(self, writer, pieces: int | None):
        self.writer, self.pieces = writer, pieces

    async def head(self, status: int, content_type: str, **headers):
        lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {content_type}", "transfer-encoding: chunked"]
        lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
        lines.append("request-id: req_scripted_1")
        lines.append("x-request-id: req_scripted_1")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self.writer.drain()

    async def body(self, data: bytes):
        step = self.pieces or max(len(data), 1)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            self.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await self.writer.drain()
            if self.pieces:
                await asyncio.sleep(0)

    async def end(self):
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def whole(self, status: int, value, content_type="application/json", **headers):
        data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        await self.head(status, content_type, **headers)
        await self.body(data)
        await self.end()


async def answer(seen: Seen, writer):
    path = seen.path.split("?")[0]
    if path == "/v1/models" and seen.method == "GET":
        models = [{"id": name, "object": "model", "created": CREATED, "owned_by": "scripted"} for name in ("text", "obedient")]
        return await Reply(writer, None).whole(200, {"object": "list", "data": models})
    api = APIS.get(path)
    if api is None or seen.method != "POST":
        return await Reply(writer, None).whole(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})
    try:
        request = json.loads(seen.body)
    except ValueError:
        return await Reply(writer, None).whole(400, {"error": {"message": "not JSON", "type": "invalid_request_error"}})
    scenario, *modifiers = request.get("model", "text").split("+")
    split = next((int(word[5:]) for word in modifiers if word.startswith("split")), None)
    reply = Reply(writer, split)
    streamed = (bool(request.get("stream")) and "json" not in modifiers) or "sse" in modifiers
    special = SPECIAL.get(scenario)
    if special is not None:
        return await special(api, request, reply, streamed, modifiers)
    text, calls = script(api, scenario, request)
    if not streamed:
        return await reply.whole(200, api.unary(request["model"], scenario, text, calls))
    await reply.head(200, "text/event-stream; charset=utf-8", cache_control="no-cache")
    ending = "\r\n" if "crlf" in modifiers else "\n"
    for event in api.events(request, scenario, text, calls):
        await reply.body(event.replace("\n", ending).encode())
    await reply.end()


def script(api, scenario: str, request: dict) -> tuple[list[str], list[tuple[str, str]]]:
    """The text pieces and the tool calls (name, arguments as text) of an answer."""
    if scenario == "obedient":
        latest = api.latest(request)
        calls = CALL.findall(latest)
        if calls:
            return [], calls
        return ["Done: ", latest.strip()[:60]], []
    if scenario == "facts":
        return [json.dumps(facts(request), sort_keys=True)], []
    if scenario == "badargs":
        return [], [("pay", '{"amount": 1')]
    return list(WORDS), []


def facts(request: dict) -> dict:
    """What of the request a provider cares for and a proxy might damage."""
    found = {"images": [], "cache_control": 0, "signatures": []}

    def walk(value):
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            found["cache_control"] += "cache_control" in value
            if value.get("type") == "image_url":
                found["images"].append(len(value["image_url"]["url"]))
            if value.get("type") == "input_image":
                found["images"].append(len(value["image_url"]))
            if value.get("type") == "image":
                found["images"].append(len(base64.b64decode(value["source"]["data"])))
            if "signature" in value:
                found["signatures"].append(value["signature"])
            for item in value.values():
                walk(item)

    walk(request)
    return found


def fragments(text: str) -> list[str]:
    """Cuts arguments into pieces that end inside words, escapes and numbers."""
    sizes = itertools.cycle([1, 3, 2, 7])
    pieces, at = [], 0
    while at < len(text):
        size = next(sizes)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def plain(content) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") if isinstance(part, dict) else str(part) for part in content or [])


class Chat:
    name = "openai_chat"

    def latest(self, request):
        message = request["messages"][-1]
        return plain(message.get("content"))

    def error(self, status, message):
        kind = "rate_limit_error" if status == 429 else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def _calls(self, calls):
        return [
            {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in enumerate(calls)
        ]

    def unary(self, model, scenario, text, calls):
        message = {"role": "assistant", "content": "".join(text) or None, "refusal": None}
        if calls:
            message["tool_calls"] = self._calls(calls)
        return {
            "id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": model,
            "choices": [{
                "index": 0, "message": message, "logprobs": None,
                "finish_reason": "tool_calls" if calls else "stop",
            }],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            "system_fingerprint": "fp_scripted",
        }

    def events(self, request, scenario, text, calls):
        model = request["model"]

        def chunk(delta, finish=None):
            value = {
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": model,
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
            }
            return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"

        yield chunk({"role": "assistant", "content": "" if text else None})
        for piece in text:
            yield chunk({"content": piece})
        for at, call in enumerate(self._calls(calls)):
            arguments = call["function"].pop("arguments")
            yield chunk({"tool_calls": [{"index": at, **call, "function": {**call["function"], "arguments": ""}}]})
            for piece in fragments(arguments):
                yield chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
        yield chunk({}, "tool_calls" if calls else "stop")
        if (request.get("stream_options") or {}).get("include_usage"):
            usage = {
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": model, "choices": [],
                "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            }
            yield f"data: {json.dumps(usage)}\n\n"
        yield "data: [DONE]\n\n"


class Responses:
    name = "openai_responses"

    def latest(self, request):
        given = request["input"]
        if isinstance(given, str):
            return given
        item = given[-1]
        if item.get("type") == "function_call_output":
            return plain(item["output"])
        return plain(item.get("content"))

    def error(self, status, message):
        return Chat().error(status, message)

    def _items(self, text, calls):
        items = []
        if text:
            items.append({
                "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "".join(text), "annotations": [], "logprobs": []}],
            })
        for at, (name, arguments) in enumerate(calls):
            items.append({
                "id": f"fc_{at}", "type": "function_call", "status": "completed", "name": name,
                "call_id": f"call_{at}", "arguments": arguments,
            })
        return items

    def unary(self, model, scenario, text, calls, status="completed"):
        done = status == "completed"
        return {
            "id": "resp_1", "object": "response", "created_at": CREATED, "status": status, "background": False,
            "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None, "model": model,
            "output": self._items(text, calls) if done else [], "parallel_tool_calls": True,
            "previous_response_id": None, "reasoning": {"effort": None, "summary": None}, "store": False,
            "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "truncation": "disabled", "user": None, "metadata": {},
            "usage": {
                "input_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 18,
            } if done else None,
        }

    def events(self, request, scenario, text, calls):
        number = itertools.count()

        def event(kind, **fields):
            value = {"type": kind, "sequence_number": next(number), **fields}
            return f"event: {kind}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"

        model = request["model"]
        started = self.unary(model, scenario, text, calls, status="in_progress")
        yield event("response.created", response=started)
        yield event("response.in_progress", response=started)
        for at, item in enumerate(self._items(text, calls)):
            where = {"item_id": item["id"], "output_index": at}
            if item["type"] == "message":
                part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
                yield event("response.output_item.added", output_index=at, item={**item, "status": "in_progress", "content": []})
                yield event("response.content_part.added", **where, content_index=0, part=part)
                for piece in text:
                    yield event("response.output_text.delta", **where, content_index=0, delta=piece, logprobs=[])
                whole = "".join(text)
                yield event("response.output_text.done", **where, content_index=0, text=whole, logprobs=[])
                yield event("response.content_part.done", **where, content_index=0, part={**part, "text": whole})
            else:
                begun = {**item, "status": "in_progress", "arguments": ""}
                yield event("response.output_item.added", output_index=at, item=begun)
                for piece in fragments(item["arguments"]):
                    yield event("response.function_call_arguments.delta", **where, delta=piece)
                yield event(
                    "response.function_call_arguments.done", **where, name=item["name"], arguments=item["arguments"]
                )
            yield event("response.output_item.done", output_index=at, item=item)
        yield event("response.completed", response=self.unary(model, scenario, text, calls))


class Messages:
    name = "anthropic_messages"

    def latest(self, request):
        content = request["messages"][-1]["content"]
        if isinstance(content, str):
            return content
        texts = []
        for block in content:
            if block.get("type") == "tool_result":
                texts.append(plain(block.get("content")))
            elif block.get("type") == "text":
                texts.append(block["text"])
        return "\n".join(texts)

    def error(self, status, message):
        kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted_1"}

    def _blocks(self, scenario, text, calls):
        blocks = []
        if scenario == "thinking":
            blocks.append({"type": "thinking", "thinking": "Let me think. 考える.", "signature": "c2lnbmVkLWJ5LXByb3ZpZGVy=="})
        if text:
            blocks.append({"type": "text", "text": "".join(text)})
        for at, (name, arguments) in enumerate(calls):
            blocks.append({"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": arguments})
        return blocks

    def unary(self, model, scenario, text, calls):
        blocks = self._blocks(scenario, text, calls)
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = Raw(block["input"])
        value = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": blocks,
            "stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 11, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 7},
        }
        return raw_dumps(value)

    def events(self, request, scenario, text, calls):
        def event(kind, **fields):
            return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n"

        usage = {"input_tokens": 11, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}
        yield event("message_start", message={
            "id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": usage,
        })
        yield event("ping")
        for at, block in enumerate(self._blocks(scenario, text, calls)):
            if block["type"] == "thinking":
                yield event("content_block_start", index=at, content_block={"type": "thinking", "thinking": "", "signature": ""})
                for piece in fragments(block["thinking"]):
                    yield event("content_block_delta", index=at, delta={"type": "thinking_delta", "thinking": piece})
                yield event("content_block_delta", index=at, delta={"type": "signature_delta", "signature": block["signature"]})
            elif block["type"] == "text":
                yield event("content_block_start", index=at, content_block={"type": "text", "text": ""})
                for piece in text:
                    yield event("content_block_delta", index=at, delta={"type": "text_delta", "text": piece})
            else:
                arguments = block["input"]
                yield event("content_block_start", index=at, content_block={**block, "input": {}})
                yield event("content_block_delta", index=at, delta={"type": "input_json_delta", "partial_json": ""})
                for piece in fragments(arguments):
                    yield event("content_block_delta", index=at, delta={"type": "input_json_delta", "partial_json": piece})
            yield event("content_block_stop", index=at)
        stop = "tool_use" if calls else "end_turn"
        yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": 7})
        yield event("message_stop")


class Raw(str):
    """Text that goes into JSON as it stands, even where it is no JSON."""


def raw_dumps(value) -> bytes:
    held: list[str] = []

    def mark(item):
        if isinstance(item, Raw):
            held.append(str(item))
            return f"\x00{len(held) - 1}\x00"
        if isinstance(item, dict):
            return {key: mark(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [mark(inner) for inner in item]
        return item

    text = json.dumps(mark(value), ensure_ascii=False)
    return re.sub(r'"\\u0000(\d+)\\u0000"', lambda found: held[int(found[1])], text).encode()


APIS = {"/v1/chat/completions": Chat(), "/v1/responses": Responses(), "/v1/messages": Messages()}


def status(code):
    async def send(api, request, reply, streamed, modifiers):
        extra = {"retry_after": "1"} if code == 429 else {}
        await reply.whole(code, api.error(code, f"scripted {code}"), **extra)

    return send


async def redirect(api, request, reply, streamed, modifiers):
    await reply.whole(307, {"moved": True}, location="/v1/elsewhere")


async def slow(api, request, reply, streamed, modifiers):
    await asyncio.sleep(5)
    await reply.whole(200, api.unary(request["model"], "text", list(WORDS), []))


async def huge(api, request, reply, streamed, modifiers):
    await reply.whole(200, api.unary(request["model"], "text", ["x" * (40 << 20)], []))


async def zipped(api, request, reply, streamed, modifiers):
    body = api.unary(request["model"], "text", list(WORDS), [])
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    await reply.whole(200, gzip.compress(body, mtime=0), content_encoding="gzip")


@functools.cache
def packed_bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    mib = b" " * (1 << 20)
    return packer.compress(b'{"a":"') + b"".join(packer.compress(mib) for _ in range(128)) + packer.compress(b'"}') + packer.flush()


async def bomb(api, request, reply, streamed, modifiers):
    await reply.whole(200, packed_bomb(), content_encoding="gzip")


async def dupkey(api, request, reply, streamed, modifiers):
    body = api.unary(request["model"], "text", list(WORDS), [])
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    await reply.whole(200, body[:-1] + b',"model":"other"}')


async def badutf8(api, request, reply, streamed, modifiers):
    body = api.unary(request["model"], "text", ["caf\u00e9"], [])
    body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    await reply.whole(200, body.replace("\u00e9".encode(), b"\xe9"))


async def badjson(api, request, reply, streamed, modifiers):
    await reply.whole(200, b"{not json")


async def endless(api, request, reply, streamed, modifiers):
    await reply.head(200, "text/event-stream")
    first, *rest = api.events(request, "text", list(WORDS), [])
    await reply.body(first.encode())
    middle = [event for event in rest if "fox" in event and "delta" in event][:1]
    for _ in range(20 if "short" in modifiers else 300):
        await reply.body(middle[0].encode())
        await asyncio.sleep(0.1)
    for event in rest:
        await reply.body(event.encode())
    await reply.end()


async def bigevent(api, request, reply, streamed, modifiers):
    await reply.head(200, "text/event-stream")
    for event in api.events(request, "text", ["x" * (8 << 20)], []):
        await reply.body(event.encode())
    await reply.end()


async def garbage(api, request, reply, streamed, modifiers):
    await reply.head(200, "text/event-stream")
    await reply.body(b"data: {not json}\n\ndata: \xff\xfe\xfd\n\nwhatever\n\n")
    await reply.end()


async def cut(api, request, reply, streamed, modifiers):
    await reply.head(200, "text/event-stream")
    events = list(api.events(request, "text", list(WORDS), []))
    await reply.body("".join(events[:3]).encode() + events[3].encode()[:20])
    reply.writer.transport.abort()


async def builtin(api, request, reply, streamed, modifiers):
    order = {"type": "exec", "command": ["pay", "Mallory", "900"]}
    item = {
        "id": "it_1", "type": modifiers[0], "call_id": "call_0", "status": "completed", "name": "pay",
        "input": "pay Mallory 900", "action": order, "operation": order,
    }
    whole = {**api.unary(request["model"], "text", [], []), "output": [item]}
    if not streamed:
        return await reply.whole(200, whole)
    await reply.head(200, "text/event-stream")
    events = [
        ("response.created", {"response": {**whole, "status": "in_progress", "output": [], "usage": None}}),
        ("response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress"}}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": whole}),
    ]
    for number, (kind, fields) in enumerate(events):
        await reply.body(f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **fields})}\n\n".encode())
    await reply.end()


SPECIAL = {
    "builtin": builtin,
    "status429": status(429), "status500": status(500), "status529": status(529), "redirect": redirect, "slow": slow,
    "huge": huge, "gzip": zipped, "bomb": bomb, "dupkey": dupkey, "badutf8": badutf8, "badjson": badjson,
    "endless": endless, "bigevent": bigevent, "garbage": garbage, "cut": cut,
}


def main():
    parser = argparse.ArgumentParser(description="a scripted model provider")
    parser.add_argument("--port", type=int, default=0)
    with Upstream(parser.parse_args().port) as upstream:
        print(json.dumps({"url": upstream.url}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
