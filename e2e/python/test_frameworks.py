"""LangGraph and the OpenAI Agents SDK, unchanged: each runs one task that needs a tool."""

import json
import os
import subprocess

import pytest
from peers import HERE, seen_calls, stdio_office

pytestmark = pytest.mark.anyio


@pytest.fixture
def office(gateway, provider, tmp_path):
    calls = tmp_path / "calls.jsonl"
    through = gateway(provider, servers=[stdio_office(calls)])
    through.calls = calls
    return through


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_openai_agents_sdk(office, api, streamed):
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, set_tracing_disabled
    from agents.mcp import MCPServerStreamableHttp
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    kind = OpenAIChatCompletionsModel if api == "chat" else OpenAIResponsesModel
    where = {"url": office.mcp(), "headers": {"Authorization": f"Bearer {office.key}"}}
    async with (
        AsyncOpenAI(base_url=office.openai, api_key=office.key) as client,
        MCPServerStreamableHttp(where, client_session_timeout_seconds=30) as server,
    ):
        agent = Agent(name="clerk", instructions="Use the tools.", model=kind("obedient", client), mcp_servers=[server])
        task = 'Pay Ann.\nCALL pay {"to":"Ann","amount":7}'
        if streamed:
            run = Runner.run_streamed(agent, task)
            async for _ in run.stream_events():
                pass
            output = run.final_output
        else:
            output = (await Runner.run(agent, task)).final_output
    assert "paid 7 to Ann" in output
    assert [call["tool"] for call in seen_calls(office.calls)] == ["pay"]


async def test_langgraph(office):
    interpreter = os.environ.get("BARTIZAN_LANGGRAPH")
    if not interpreter:
        pytest.skip(f"no LangGraph: {os.environ.get('BARTIZAN_LANGGRAPH_MISSING', 'run e2e/run.py, which installs it')}")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(office.directory / "home"), "OPENAI_BASE_URL": office.openai,
        "OPENAI_API_KEY": office.key, "MCP_URL": office.mcp(), "LANGSMITH_TRACING": "false",
    }
    done = subprocess.run(
        [interpreter, str(HERE / "langgraph_task.py")], env=environment, capture_output=True, text=True, timeout=80
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert "paid 8 to Ann" in seen["unary"] and "paid 9 to Ann" in seen["streamed"]
    assert [call["arguments"]["amount"] for call in seen_calls(office.calls)] == [8, 9]
