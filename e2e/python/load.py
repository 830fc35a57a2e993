"""Load on a whole gateway, from threads, that notes what was acknowledged and what was cut off.

A call is acknowledged when its answer came whole: its record was durable before. It is begun when its answer's head
came: its opening record was durable before, and if the rest never comes, its end must be found as `interrupted`.
"""

import json
import socket
import threading
import time

import raw

USER = [{"role": "user", "content": "hello"}]
ACCEPT = "application/json, text/event-stream"
REVISION = "2026-07-28"


def chat(gateway, model: str, **fields) -> tuple[str, list, bytes]:
    return "/v1/chat/completions", [], json.dumps({"model": model, "messages": USER, **fields}).encode()


def tool(gateway, name: str, arguments: dict) -> tuple[str, list, bytes]:
    """A tool call of the stateless revision: no session outlives the gateway, so none has to be made again."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments, "_meta": meta}}
    headers = [("Accept", ACCEPT), ("MCP-Protocol-Version", REVISION), ("Mcp-Method", "tools/call"), ("Mcp-Name", name)]
    return "/mcp", headers, json.dumps(body).encode()


class Load:
    """Threads that call until told to stop; `acknowledged` and `begun` map call ids to kinds, `ended` to moments."""

    def __init__(self, gateway, kinds: dict):
        """`kinds` maps a name to how many threads ask for it, and what they ask."""
        self.gateway, self.stopping = gateway, threading.Event()
        self.acknowledged: dict[str, str] = {}
        self.ended: dict[str, float] = {}
        self.begun: dict[str, str] = {}
        self.refused: list[str] = []
        self.sent = {kind: 0 for kind in kinds}
        self.answered = {kind: 0 for kind in kinds}
        self.threads = [
            threading.Thread(target=self._run, args=(kind, ask), daemon=True)
            for kind, (count, ask) in kinds.items() for _ in range(count)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in self.threads), "a caller did not end with the gateway"

    def wait(self, seconds: float):
        """Until every kind has a call in flight or answered, and then that long."""
        deadline = time.monotonic() + 20
        while not all(self.sent.values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(seconds)

    def _run(self, kind: str, ask):
        while not self.stopping.is_set():
            try:
                self._one(kind, ask)
            except OSError:
                time.sleep(0.01)  # the gateway is gone, or not yet there

    def _one(self, kind: str, ask):
        path, extra, body = ask(self.gateway)
        lines = [
            ("Host", "%s:%d" % self.gateway.address), ("Authorization", f"Bearer {self.gateway.key}"), ("Connection", "close"),
            ("Content-Type", "application/json"), *extra, ("Content-Length", str(len(body))),
        ]
        with socket.create_connection(self.gateway.address, timeout=15) as connection:
            connection.sendall(raw.head("POST", path, lines) + body)
            self.sent[kind] += 1
            top = Top(connection)
            answer = raw.read_reply(top)
        if top.call is not None and top.status == 200:
            self.begun[top.call] = kind
        if answer is None or not answer.whole:
            return
        self.answered[kind] += 1
        if answer.status != 200:
            # 503 is what a gateway says that ends; anything else is not what this load is for.
            if answer.status != 503:
                self.refused.append(f"{kind}: {answer.status} {answer.text[:200]}")
            return
        if (call := answer.header("x-bartizan-call")) is not None:
            self.acknowledged[call] = kind
            self.ended[call] = time.monotonic()


class Top:
    """A connection whose head is remembered even if the body breaks off."""

    def __init__(self, connection: socket.socket):
        self.connection, self.held, self.call, self.status = connection, b"", None, None

    def recv(self, size: int) -> bytes:
        piece = self.connection.recv(size)
        if self.status is None:
            self.held += piece
            top, ended, _ = self.held.partition(b"\r\n\r\n")
            if ended:
                first, *lines = top.decode("latin-1").split("\r\n")
                self.status = int(first.split(" ")[1])
                named = {key.strip().lower(): value.strip() for key, value in (line.split(":", 1) for line in lines)}
                self.call = named.get("x-bartizan-call")
        return piece
