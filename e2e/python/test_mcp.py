"""MCP with the official Python and TypeScript SDKs: what a client sees directly, it sees through the gateway."""

import asyncio
import json
import os
import subprocess

import anyio
import mcp.types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from peers import (
    PERMIT_ALL, accept, everything_command, filesystem_command, fixed_model, mcp_client, node, office_command,
    refused, script, seen_calls, stdio_office, text_of,
)

pytestmark = pytest.mark.anyio

MODES = ["legacy", "auto"]
REVISION = {"legacy": "2025-11-25", "auto": "2026-07-28"}


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    return tmp_path_factory.mktemp("office") / "calls.jsonl"


@pytest.fixture(scope="module")
def through(shared_gateway, peers, calls):
    """The same office by four transports, each a server of its own, so names carry a prefix on `/mcp`."""
    http, answers, sse = (peers.office(transport, calls, name=transport) for transport in ("http", "json", "sse"))
    return shared_gateway(servers=[
        stdio_office(calls, "pipe"),
        {"name": "http", "url": http["url"], "transport": "streamable_http"},
        {"name": "json", "url": answers["url"], "transport": "streamable_http"},
        {"name": "sse", "url": sse["url"], "transport": "sse"},
    ])


SERVERS = ["pipe", "http", "json", "sse"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", SERVERS)
async def test_listings_and_calls_are_as_they_are_directly(through, server, mode):
    direct = StdioServerParameters(command=office_command()[0], args=office_command(name=server)[1:])

    async def look(client):
        tools = await client.list_tools()
        prompts = await client.list_prompts()
        resources = await client.list_resources()
        templates = await client.list_resource_templates()
        return {
            "tools": [tool.model_dump(mode="json") for tool in tools.tools],
            "prompts": [prompt.model_dump(mode="json") for prompt in prompts.prompts],
            "resources": [resource.model_dump(mode="json") for resource in resources.resources],
            "templates": [template.model_dump(mode="json") for template in templates.resource_templates],
            "echo": without_meta(await client.call_tool("echo", {"text": "Ünï 速い 🦊", "times": 2, "mode": "loud"})),
            "fail": without_meta(await client.call_tool("fail")),
            "handbook": without_meta(await client.read_resource("office://handbook")),
            "staff": without_meta(await client.read_resource("office://staff/ann")),
            "prompt": without_meta(await client.get_prompt("summarize", {"topic": "mail"})),
            "complete": without_meta(await client.complete(
                types.PromptReference(type="ref/prompt", name="summarize"), {"name": "topic", "value": "lu"}
            )),
        }

    async with Client(direct, mode=mode, cache=None) as client:
        expected = await look(client)
    async with mcp_client(through.mcp(server), through.key, mode) as client:
        assert client.protocol_version == REVISION[mode]
        assert await look(client) == expected


def without_meta(result) -> dict:
    value = result.model_dump(mode="json")
    value.pop("meta", None)
    return value


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25"])
async def test_older_revisions_are_negotiated(through, revision, monkeypatch):
    monkeypatch.setattr("mcp.client.session.LATEST_HANDSHAKE_VERSION", revision)
    for server in SERVERS:
        async with mcp_client(through.mcp(server), through.key, "legacy") as client:
            assert client.protocol_version == revision
            assert text_of(await client.call_tool("read_mail")).startswith("From: Ann")


async def test_several_servers_behind_one_endpoint(through):
    async with mcp_client(through.mcp(), through.key) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {f"{server}__echo" for server in SERVERS} <= names and "echo" not in names
        for server in SERVERS:
            assert text_of(await client.call_tool(f"{server}__echo", {"text": server})).find(server) >= 0
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        assert {f"{server}__summarize" for server in SERVERS} <= prompts
        assert "mcp.tool_unknown" in await refused(client.call_tool("echo", {"text": "x"}))
        assert "mcp." in await refused(client.call_tool("nobody__echo", {"text": "x"}))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", ["pipe", "http"])
async def test_progress_arrives_in_order(through, server, mode):
    steps = []

    async def note(progress, total, message):
        steps.append((progress, total, message))

    async with mcp_client(through.mcp(server), through.key, mode) as client:
        assert text_of(await client.call_tool("count", {"to": 4}, progress_callback=note)) == "counted to 4"
    assert steps == [(step, 4.0, f"step {step}") for step in (1, 2, 3, 4)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", ["pipe", "http"])
async def test_elicitation_and_sampling(through, server, mode):
    asked = []

    async def user(context, params):
        asked.append(params.message)
        return await accept(context, params)

    async with mcp_client(
        through.mcp(server), through.key, mode, elicitation_callback=user, sampling_callback=fixed_model
    ) as client:
        assert text_of(await client.call_tool("confirm")) == "confirmed=True because so be it"
        assert text_of(await client.call_tool("think", {"question": "six times seven?"})) == "the model says: forty-two"
    assert asked == ["Is that right?"]


@pytest.mark.parametrize("server", ["pipe", "http"])
async def test_logging(through, server):
    lines = []

    async def note(params):
        lines.append(params.data)

    async with mcp_client(through.mcp(server), through.key, "legacy", logging_callback=note) as client:
        await client.call_tool("chatter")
        await asyncio.sleep(0.2)
    assert lines == ["a debug line", "an info line", "a warning line"]
    lines.clear()
    async with mcp_client(through.mcp(server), through.key, "auto", logging_callback=note, log_level="info") as client:
        await client.call_tool("chatter")
        await asyncio.sleep(0.2)
    assert lines == ["an info line", "a warning line"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", ["pipe", "http"])
async def test_cancellation_reaches_the_server(through, calls, server, mode):
    async with mcp_client(through.mcp(server), through.key, mode) as client:
        before = sum(call["tool"] == "sleep_cancelled" for call in seen_calls(calls))
        with anyio.move_on_after(1.0) as scope:
            await client.call_tool("sleep", {"seconds": 30})
        assert scope.cancelled_caught
        for _ in range(50):
            if sum(call["tool"] == "sleep_cancelled" for call in seen_calls(calls)) > before:
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the server never heard of the cancellation")
        assert text_of(await client.call_tool("read_mail")).startswith("From: Ann"), "the session did not survive"


async def test_many_calls_at_once_keep_their_answers(through):
    async with mcp_client(through.mcp("pipe"), through.key) as one, mcp_client(through.mcp("pipe"), through.key, "legacy") as two:

        async def ask(client, number):
            assert json.loads(text_of(await client.call_tool("echo", {"text": f"<{number}>"}))) == {"echo": f"<{number}>"}

        await asyncio.gather(*(ask((one, two)[number % 2], number) for number in range(60)))


async def test_large_results_pass(through):
    for server in SERVERS:
        async with mcp_client(through.mcp(server), through.key) as client:
            assert len(text_of(await client.call_tool("produce", {"size": 1_000_000}))) == 1_000_000


# -- reference servers of npm


@pytest.fixture(scope="module")
def reference(shared_gateway, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder").resolve()
    (folder / "note.txt").write_text("remember the milk — 速い\n", encoding="utf-8")
    through = shared_gateway(pack="observe", policy=None, servers=[
        {"name": "everything", "command": everything_command()},
        {"name": "files", "command": filesystem_command(folder), "writable": [folder]},
    ])
    through.folder = folder
    return through


@pytest.mark.parametrize("mode", MODES)
async def test_server_everything(reference, mode):
    command = everything_command()

    async def look(client):
        tools = {tool.name: tool.model_dump(mode="json") for tool in (await client.list_tools()).tools}
        results = {
            "echo": await client.call_tool("echo", {"message": "hällo"}),
            "sum": await client.call_tool("get-sum", {"a": 2, "b": 40}),
            "image": await client.call_tool("get-tiny-image"),
            "structured": await client.call_tool("get-structured-content", {"location": "New York"}),
            "annotated": await client.call_tool("get-annotated-message", {"messageType": "error", "includeImage": True}),
            "links": await client.call_tool("get-resource-links", {"count": 3}),
            "sampled": await client.call_tool("trigger-sampling-request", {"prompt": "x", "maxTokens": 5}),
        }
        prompts = [prompt.model_dump(mode="json") for prompt in (await client.list_prompts()).prompts]
        resources = [resource.model_dump(mode="json") for resource in (await client.list_resources()).resources]
        first = await client.read_resource(resources[0]["uri"])
        return {
            "tools": tools, "prompts": prompts, "resources": resources, "first": without_meta(first),
            **{name: without_meta(result) for name, result in results.items()},
        }

    steps = []

    async def note(progress, total, message):
        steps.append(progress)

    options = {"sampling_callback": fixed_model, "elicitation_callback": accept}
    async with Client(StdioServerParameters(command=command[0], args=command[1:]), mode="legacy", cache=None, **options) as client:
        expected = await look(client)
    async with mcp_client(reference.mcp("everything"), reference.key, mode, **options) as client:
        seen = await look(client)
        assert set(seen["tools"]) == set(expected["tools"])
        assert seen == expected
        await client.call_tool("trigger-long-running-operation", {"duration": 1, "steps": 4}, progress_callback=note)
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize("mode", MODES)
async def test_server_filesystem(reference, mode):
    path = str(reference.folder / "note.txt")
    async with mcp_client(reference.mcp("files"), reference.key, mode) as client:
        assert text_of(await client.call_tool("read_text_file", {"path": path})) == "remember the milk — 速い\n"
        assert "note.txt" in text_of(await client.call_tool("list_directory", {"path": str(reference.folder)}))
        outside = await client.call_tool("read_text_file", {"path": "/etc/hostname"})
        assert outside.is_error
        written = reference.folder / f"{mode}.txt"
        await client.call_tool("write_file", {"path": str(written), "content": "by the agent"})
        assert written.read_text() == "by the agent"


async def test_a_spawned_server_gets_only_the_environment_it_is_given(gateway, tmp_path):
    through = gateway(
        servers=[{**stdio_office(name="pipe"), "env": {"GIVEN": "yes"}}], environment={"NOT_GIVEN": "a-secret"}
    )
    async with mcp_client(through.mcp(), through.key) as client:
        environment = json.loads(text_of(await client.call_tool("environment")))
    assert environment["GIVEN"] == "yes" and "NOT_GIVEN" not in environment and "BARTIZAN_MASTER_KEY" not in environment


async def test_a_server_that_dies_is_started_again(gateway, tmp_path):
    calls = tmp_path / "calls.jsonl"
    through = gateway(servers=[stdio_office(calls, "pipe")])
    async with mcp_client(through.mcp(), through.key, "legacy") as client:
        await client.call_tool("read_mail")
        children = subprocess.run(["pgrep", "-P", str(through.process.pid)], capture_output=True, text=True).stdout.split()
        for child in children:
            os.kill(int(child), 9)
        failed = None
        for _ in range(40):
            try:
                if not (await client.call_tool("read_mail")).is_error:
                    break
            except Exception as fault:  # noqa: BLE001
                failed = fault
            await asyncio.sleep(0.25)
        else:
            pytest.fail(f"the server did not come back: {failed}")


# -- the other SDK, and stdio on both sides


async def test_typescript_sdk_as_client(through):
    done = await asyncio.to_thread(
        subprocess.run, [node(), script("client.mjs"), through.mcp("pipe"), through.key],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["protocol"] == "2025-11-25"
    assert "pay" in seen["tools"] and seen["echo"] == {"echo": "ÄÄ"} and seen["progress"] == [1, 2, 3]
    assert seen["elicited"] == "confirmed=true because typed".replace("true", "True")
    assert seen["sampled"] == "the model says: from typescript"
    assert seen["resource"].startswith("Be kind") and "mail" in seen["prompt"] and seen["failed"] is True


@pytest.mark.parametrize("mode", MODES)
async def test_wrap_is_a_stdio_server(binary, gateway, tmp_path, mode):
    (calls := tmp_path / "calls.jsonl").touch()
    wrapped = gateway(start=False)
    parameters = StdioServerParameters(
        command=binary,
        args=["wrap", "--config", str(wrapped.config_path), "--state", str(wrapped.state), "--writable", str(calls), "--", *office_command("stdio", calls)],
        env=wrapped.environment,
    )
    async with Client(parameters, mode=mode, cache=None, elicitation_callback=accept) as client:
        assert "pay" in {tool.name for tool in (await client.list_tools()).tools}
        assert text_of(await client.call_tool("pay", {"to": "Ann", "amount": 3})) == "paid 3 to Ann"
        assert text_of(await client.call_tool("confirm")) == "confirmed=True because so be it"
    assert [call["tool"] for call in seen_calls(calls)] == ["pay", "confirm"]
    wrapped.cli("audit", "verify")


async def test_wrap_applies_policy(binary, gateway, tmp_path):
    (calls := tmp_path / "calls.jsonl").touch()
    wrapped = gateway(start=False, policy=PERMIT_ALL + '@id("test.pay") @reason("never pay") forbid (principal, action == Bartizan::Action::"call_tool", resource) when { resource.name == "pay" };')
    parameters = StdioServerParameters(
        command=binary,
        args=["wrap", "--config", str(wrapped.config_path), "--state", str(wrapped.state), "--writable", str(calls), "--", *office_command("stdio", calls)],
        env=wrapped.environment,
    )
    async with Client(parameters, mode="legacy", cache=None) as client:
        assert "never pay" in await refused(client.call_tool("pay", {"to": "Ann", "amount": 3}))
    assert seen_calls(calls) == []


async def test_legacy_sse_upstream_is_really_sse(through):
    """The fixture's own check: the endpoint answers an SSE client directly, so the gateway's side is real."""
    url = next(server["url"] for server in through.config["server"] if server["name"] == "sse")
    async with Client(sse_client(url), mode="legacy", cache=None) as client:
        assert len((await client.list_tools()).tools) > 5
