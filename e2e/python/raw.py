"""An HTTP client that sends exactly the bytes it is given, and returns exactly those it got."""

import json
import socket
import time
from dataclasses import dataclass


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool  # the body ended as its framing says it must

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def head(method: str, path: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1"] + [f"{key}: {value}" for key, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def exchange(address, data: bytes, seconds: float = 20.0, pieces: list[tuple[float, bytes]] | None = None) -> Reply | None:
    """Sends, then reads one answer. `pieces` are sent after `data`, each after its pause. None: closed without a word."""
    with socket.create_connection(address, timeout=seconds) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.sendall(data)
            for pause, piece in pieces or []:
                time.sleep(pause)
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may have been sent before all was read
        return read_reply(connection)


def read_reply(connection: socket.socket) -> Reply | None:
    held = b""
    try:
        while b"\r\n\r\n" not in held:
            piece = connection.recv(65536)
            if not piece:
                return None
            held += piece
    except ConnectionResetError:
        return None
    top, _, rest = held.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = [(key.strip().lower(), value.strip()) for key, value in (line.split(":", 1) for line in lines[1:])]
    named = dict(headers)

    def more() -> bytes:
        try:
            return connection.recv(1 << 20)
        except ConnectionResetError:
            return b""

    if named.get("transfer-encoding", "").lower() == "chunked":
        body, whole = b"", False
        while True:
            while b"\r\n" not in rest:
                piece = more()
                if not piece:
                    return Reply(status, headers, body, False)
                rest += piece
            size_text, _, rest = rest.partition(b"\r\n")
            size = int(size_text.split(b";")[0], 16)
            while len(rest) < size + 2:
                piece = more()
                if not piece:
                    return Reply(status, headers, body + rest, False)
                rest += piece
            body, rest, whole = body + rest[:size], rest[size + 2 :], size == 0
            if whole:
                return Reply(status, headers, body, True)
    if "content-length" in named:
        length = int(named["content-length"])
        while len(rest) < length:
            piece = more()
            if not piece:
                return Reply(status, headers, rest, False)
            rest += piece
        return Reply(status, headers, rest[:length], True)
    if status in (204, 304):
        return Reply(status, headers, b"", True)
    while piece := more():
        rest += piece
    return Reply(status, headers, rest, True)


def post(address, path: str, body: bytes, headers: dict | None = None, key: str | None = None, seconds: float = 20.0) -> Reply | None:
    """A plain POST of these exact body bytes."""
    lines = [("Host", f"{address[0]}:{address[1]}"), ("Connection", "close")]
    if key is not None:
        lines.append(("Authorization", f"Bearer {key}"))
    given = {"Content-Type": "application/json", **(headers or {})}
    lines += [(name, value) for name, value in given.items() if value is not None]
    lines.append(("Content-Length", str(len(body))))
    return exchange(address, head("POST", path, lines) + body, seconds)


def get(address, path: str, headers: dict | None = None, key: str | None = None) -> Reply | None:
    lines = [("Host", f"{address[0]}:{address[1]}"), ("Connection", "close")]
    if key is not None:
        lines.append(("Authorization", f"Bearer {key}"))
    lines += list((headers or {}).items())
    return exchange(address, head("GET", path, lines))
