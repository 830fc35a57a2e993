"""OAuth as a client, judged by the official runner: our way to upstream MCP servers is the client under test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from figures import note
from peers import module, node
from test_conformance import SCENARIO

CLIENT = Path(__file__).resolve().parent / "connect_client.py"


def scenarios() -> list[str]:
    command = [node(), module("@modelcontextprotocol", "conformance", "dist", "index.js"), "list", "--client"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"})
    return [name for name in SCENARIO.findall(done.stdout) if name.startswith("auth/")]


def run(scenario: str, binary: str) -> tuple[bool, str]:
    command = [
        node(), module("@modelcontextprotocol", "conformance", "dist", "index.js"), "client", "--command",
        f"{sys.executable} {CLIENT}", "--scenario", scenario, "--timeout", "60000",
    ]
    environment = {**os.environ, "NO_COLOR": "1", "BARTIZAN_BIN": binary}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)
    except subprocess.TimeoutExpired:
        return False, "the runner took longer than 90 s"
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.seconds(420)
def test_the_runners_scenarios_of_authorization(binary):
    names = scenarios()
    assert len(names) >= 22
    failed = {}
    for name in names:
        good, said = run(name, binary)
        print(f"{'ok ' if good else 'BAD'} {name}")
        if not good:
            failed[name] = said[-3000:]
    note(mcp_auth_client_scenarios=len(names), mcp_auth_client_scenarios_failed=len(failed))
    assert not failed, "\n".join(f"{name}: {said}" for name, said in failed.items())
