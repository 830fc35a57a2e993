"""The real peers: SDK clients, reference servers, and the office server as a process."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import mcp.types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HERE = Path(__file__).resolve().parent

# Beside the pack: whatever the pack neither permits nor forbids. Its forbids still hold.
PERMIT_ALL = '@id("test.all")\npermit (principal, action, resource);\n'


def forbid(action: str, resource: str, reason: str, when: str | None = None) -> str:
    condition = f"\nwhen {{ {when} }}" if when else ""
    return (
        f'@id("test.forbid")\n@reason("{reason}")\nforbid (principal, action == Bartizan::Action::"{action}", '
        f"resource == Bartizan::{resource}){condition};\n"
    )


class Peers:
    """Processes that live as long as the tests; each is started when it is first asked for."""

    def __init__(self, directory: Path):
        self.directory, self.processes = directory, []

    def spawn(self, command: list, name: str, environment: dict | None = None) -> dict:
        """Starts a process whose first line of output is one JSON object, and returns that."""
        log = open(self.directory / f"{name}.log", "ab")
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=log, env={**os.environ, **(environment or {})}
        )
        log.close()
        self.processes.append(process)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start: {(self.directory / f'{name}.log').read_text()[-2000:]}")
        return {**json.loads(line), "process": process}

    def office(self, transport: str = "http", calls: Path | None = None, **options) -> dict:
        """The office server over HTTP or legacy SSE; `url` is its endpoint."""
        started = self.spawn(office_command(transport, calls, **options), f"office-{len(self.processes)}")
        started["url"] += "/sse" if transport == "sse" else "/mcp"
        return started

    def end(self, started: dict):
        started["process"].terminate()
        started["process"].wait(10)

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def office_command(transport: str = "stdio", calls: Path | None = None, **options) -> list[str]:
    command = [sys.executable, str(HERE / "office.py"), "--transport", transport]
    if calls is not None:
        command += ["--calls", str(calls)]
    for key, value in options.items():
        command += [f"--{key}", str(value)]
    return command


def stdio_office(calls: Path | None = None, name: str = "office", **options) -> dict:
    """The office as a program behind the gateway. Programs run confined, so the file it notes calls in is granted."""
    server = {"name": name, "command": office_command("stdio", calls, name=name, **options)}
    if calls is not None:
        calls.touch()
        server["writable"] = [calls]
    return server


def node() -> str:
    path = os.environ.get("BARTIZAN_NODE")
    if not path:
        pytest.skip(f"no npm peers: {os.environ.get('BARTIZAN_NODE_MISSING', 'run e2e/run.py, which installs them')}")
    return path


def module(*parts: str) -> str:
    node()
    return str(Path(os.environ["BARTIZAN_NODE_MODULES"]).joinpath(*parts))


def script(name: str) -> str:
    """One of our own modules, where `run.py` put it."""
    node()
    return str(Path(os.environ["BARTIZAN_NODE_MODULES"]).parent / name)


def everything_command() -> list[str]:
    return [node(), module("@modelcontextprotocol", "server-everything", "dist", "index.js"), "stdio"]


def filesystem_command(directory: Path) -> list[str]:
    return [node(), module("@modelcontextprotocol", "server-filesystem", "dist", "index.js"), str(directory)]


def seen_calls(path: Path) -> list[dict]:
    """What reached the office server."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def accept(_context, _params):
    return types.ElicitResult(action="accept", content={"confirmed": True, "reason": "so be it"})


async def fixed_model(_context, _params):
    return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text="forty-two"), model="client-model")


@contextlib.asynccontextmanager
async def mcp_client(url: str, key: str | None = None, mode: str = "auto", headers: dict | None = None, **options):
    """The official client over streamable HTTP, with a credential."""
    given = dict(headers or {})
    if key is not None:
        given["Authorization"] = f"Bearer {key}"
    timeout = httpx2.Timeout(30, read=60)
    async with httpx2.AsyncClient(headers=given, timeout=timeout, trust_env=False) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode, cache=None, **options) as client:
            yield client


def leaves(fault: BaseException) -> list[BaseException]:
    if isinstance(fault, BaseExceptionGroup):
        return [leaf for inner in fault.exceptions for leaf in leaves(inner)]
    return [fault]


async def refused(awaitable) -> str:
    """The text of a refusal, whichever way MCP carries it: a JSON-RPC error, or a result marked as an error."""
    try:
        result = await awaitable
    except Exception as fault:  # noqa: BLE001 - the text is what is judged
        return " ".join(str(leaf) for leaf in leaves(fault))
    assert getattr(result, "is_error", False), f"was not refused: {result}"
    return " ".join(getattr(block, "text", "") for block in result.content)


def text_of(result) -> str:
    assert not result.is_error, result
    return "".join(getattr(block, "text", "") for block in result.content)
