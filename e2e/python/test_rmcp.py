"""The official Rust SDK as a client, in both eras, through the gateway."""

import asyncio
import json
import os
import subprocess

import pytest
from peers import PERMIT_ALL, forbid, seen_calls

pytestmark = pytest.mark.anyio

NO_PAY = forbid("call_tool", 'Tool::"office/pay"', "payments need a person")


@pytest.mark.parametrize("mode, revision", [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
async def test_rmcp_does_everything_once(gateway, peers, tmp_path, mode, revision):
    if not (program := os.environ.get("BARTIZAN_RMCP")):
        pytest.skip(f"no rmcp client: {os.environ.get('BARTIZAN_RMCP_MISSING', 'run e2e/run.py, which builds it')}")
    calls = tmp_path / "calls.jsonl"
    office = peers.office("http", calls)
    through = gateway(servers=[{"name": "office", "url": office["url"]}], policy=PERMIT_ALL + NO_PAY)
    done = await asyncio.to_thread(
        subprocess.run, [program, through.mcp(), through.key, mode], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert revision in json.dumps(seen["peer"]), seen["peer"]
    assert "echo" in seen["tools"] and "pay" not in seen["tools"]
    assert seen["echo"] == {"echo": "Ä"} and seen["counted"] == "counted to 3" and seen["progress"] == [1, 2, 3]
    assert seen["confirmed"] == "confirmed=True because asked in Rust" and seen["questions"] == ["Is that right?"]
    assert seen["failed"] is True and "policy.denied" in seen["denied"] and "payments need a person" in seen["denied"]
    assert seen["resource"].startswith("Be kind") and "mail" in seen["prompt"]
    # The cancellation crossed too; the denied call did not.
    for _ in range(40):
        if "sleep_cancelled" in (names := [call["tool"] for call in seen_calls(calls)]):
            break
        await asyncio.sleep(0.1)
    assert "sleep_cancelled" in names and "pay" not in names
