"""MCP under rules: what is listed, pinned, checked and refused."""

import asyncio
import json
import re
import shlex

import pytest
import raw
from peers import PERMIT_ALL, mcp_client, refused, seen_calls, stdio_office, text_of

pytestmark = pytest.mark.anyio

NO_PAY = '@id("test.pay") @reason("payments need a person") forbid (principal, action == Bartizan::Action::"call_tool", resource) when { resource.name == "pay" };\n'
SMALL_PAY = '@id("test.small") @reason("at most 100") forbid (principal, action == Bartizan::Action::"call_tool", resource == Bartizan::Tool::"office/pay") unless { context.args_complete && context.numbers.hasTag("amount") && context.numbers.getTag("amount") <= 100 };\n'


@pytest.fixture
def calls(tmp_path):
    return tmp_path / "calls.jsonl"


def stdio(calls, **options) -> list[dict]:
    return [stdio_office(calls, **options)]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_denied_tool_is_not_listed_and_not_called(gateway, calls, mode):
    through = gateway(servers=stdio(calls), policy=PERMIT_ALL + NO_PAY)
    async with mcp_client(through.mcp(), through.key, mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "echo" in names and "pay" not in names
        said = await refused(client.call_tool("pay", {"to": "Mallory", "amount": 900}))
        assert "payments need a person" in said and "policy.denied" in said
    assert seen_calls(calls) == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_rule_on_an_argument(gateway, calls, mode):
    through = gateway(servers=stdio(calls), policy=PERMIT_ALL + SMALL_PAY)
    async with mcp_client(through.mcp(), through.key, mode) as client:
        assert "pay" in {tool.name for tool in (await client.list_tools()).tools}
        assert text_of(await client.call_tool("pay", {"to": "Ann", "amount": 100})) == "paid 100 to Ann"
        assert "at most 100" in await refused(client.call_tool("pay", {"to": "Ann", "amount": 101}))
    assert [call["arguments"]["amount"] for call in seen_calls(calls)] == [100]


async def test_each_agent_lists_what_it_may_call(gateway, calls):
    treasury = NO_PAY.replace("};", '} unless { principal == Bartizan::Agent::"treasurer" };')
    through = gateway(servers=stdio(calls), policy=PERMIT_ALL + treasury)
    treasurer = through.add_agent("treasurer")
    for key, may in ((treasurer, True), (through.key, False)):
        async with mcp_client(through.mcp(), key) as client:
            assert ("pay" in {tool.name for tool in (await client.list_tools()).tools}) == may


async def test_destructive_tools_ask_under_balanced(gateway, calls):
    through = gateway(servers=stdio(calls), policy=None)
    async with mcp_client(through.mcp(), through.key) as client:
        assert text_of(await client.call_tool("read_mail")).startswith("From: Ann")
        assert "policy.ask" in await refused(client.call_tool("delete_file", {"path": "/x"}))
    assert [call["tool"] for call in seen_calls(calls)] == ["read_mail"]


@pytest.mark.parametrize("arguments, word", [
    ({"to": "Ann"}, "amount"), ({"to": "Ann", "amount": "three"}, "amount"), ({"to": "Ann", "amount": 0}, "amount"),
    ({"to": "Ann", "amount": 2_000_000}, "amount"), ({"to": ["Ann"], "amount": 3}, "to"), ({}, ""),
])
async def test_arguments_that_do_not_fit_the_schema_stop_here(gateway, calls, arguments, word):
    through = gateway(servers=stdio(calls))
    async with mcp_client(through.mcp(), through.key) as client:
        await client.list_tools()
        said = await refused(client.call_tool("pay", arguments))
        assert "mcp.arguments" in said and word in said
    assert seen_calls(calls) == []


async def test_a_changed_definition_is_withheld_until_approved(gateway, calls):
    through = gateway(servers=stdio(calls))
    async with mcp_client(through.mcp(), through.key) as client:
        assert text_of(await client.call_tool("pay", {"to": "Ann", "amount": 3})) == "paid 3 to Ann"
    through.stop()
    through.write_config({**through.config, "server": stdio(calls, variant="changed")})
    through.start()
    async with mcp_client(through.mcp(), through.key) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "pay" not in names and "echo" in names
        said = await refused(client.call_tool("pay", {"to": "Ann", "amount": 4}))
        assert "mcp.tool_withheld" in said or "policy.denied" in said
    shown = through.cli("tools", "diff").stdout
    assert "pay" in shown and "full mail" in shown
    through.cli("tools", "approve", "office", "pay")
    async with mcp_client(through.mcp(), through.key) as client:
        assert "pay" in {tool.name for tool in (await client.list_tools()).tools}
        assert text_of(await client.call_tool("pay", {"to": "Ann", "amount": 5})) == "paid 5 to Ann"
    through.stop()
    through.start()
    async with mcp_client(through.mcp(), through.key) as client:
        assert "pay" in {tool.name for tool in (await client.list_tools()).tools}, "the approval did not last"


async def test_what_observe_let_through_is_found(gateway, calls):
    through = gateway(servers=stdio(calls), pack="observe", policy=None)
    assert through.json("audit", "search", "--would-deny")["records"] == []
    async with mcp_client(through.mcp(), through.key) as client:
        # Behind a mail that somebody else wrote, a payment that nobody asked for.
        assert text_of(await client.call_tool("read_mail")).startswith("From: Ann")
        assert text_of(await client.call_tool("pay", {"to": "Ann", "amount": 3})) == "paid 3 to Ann"
    found = through.json("audit", "search", "--would-deny")["records"]
    assert [one["record"]["facts"]["action"] for one in found] == ["call_tool"]
    assert "allow, would " in through.cli("audit", "search", "--would-deny").stdout
    assert "an enforcing policy would have" in through.cli("explain", str(found[0]["index"])).stdout


async def test_what_is_new_is_shown_and_every_hint_works_as_it_is_printed(gateway, calls):
    through = gateway(servers=stdio(calls), policy=None)
    async with mcp_client(through.mcp(), through.key) as client:
        assert text_of(await client.call_tool("read_mail")).startswith("From: Ann")
    assert "accept" not in through.cli("tools", "diff").stdout
    through.stop()
    through.write_config({**through.config, "server": stdio(calls, variant="grown")})
    through.start()
    async with mcp_client(through.mcp(), through.key) as client:
        # The server says that it is another version: nothing of it passes until somebody looked.
        said = await refused(client.call_tool("read_mail"))
    assert "mcp.server_changed" in said
    call = re.search(r"call (\w{26})", said).group(1)
    assert "bartizan tools diff office" in through.cli("explain", call).stdout
    assert "1 changed" in through.cli("status").stdout
    shown = through.cli("tools", "diff", "office").stdout
    assert "bartizan tools approve office identity:" in shown
    through.cli("tools", "approve", "office", "identity")
    async with mcp_client(through.mcp(), through.key) as client:
        await client.list_tools()
        assert text_of(await client.call_tool("read_oldest")).startswith("From: Ann")
        assert text_of(await client.call_tool("read_oldest")).startswith("From: Ann")
    assert "1 new" in through.cli("status").stdout
    # Each call of it says so, not the first alone.
    records = through.json("audit", "search", "--action", "call_tool", "--ruling", "allow", "--limit", "2")["records"]
    found = [{found["kind"] for found in one["record"].get("findings", [])} for one in records]
    assert len(found) == 2 and all("pin_added" in kinds for kinds in found), records
    shown = through.cli("tools", "diff").stdout
    assert "office/tool:read_oldest  new" in shown
    for line in shown.splitlines():
        if "bartizan tools" in line:
            through.cli(*shlex.split(line.partition("bartizan ")[2]))
    assert "accept" not in through.cli("tools", "diff").stdout
    assert " new" not in through.cli("status").stdout


# -- the wire itself


def message(method: str, number: int | None = 1, **params) -> bytes:
    value = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        value["id"] = number
    return json.dumps(value).encode()


def initialize(protocol: str = "2025-11-25") -> bytes:
    return message("initialize", protocolVersion=protocol, capabilities={}, clientInfo={"name": "raw", "version": "1"})


ACCEPT = {"Accept": "application/json, text/event-stream"}


def opened(gateway, key=None) -> tuple[str | None, raw.Reply]:
    answer = raw.post(gateway.address, "/mcp", initialize(), ACCEPT, key=key or gateway.key)
    assert answer.status == 200, answer.text
    session = answer.header("mcp-session-id")
    headers = {**ACCEPT, "MCP-Protocol-Version": "2025-11-25", **({"Mcp-Session-Id": session} if session else {})}
    raw.post(gateway.address, "/mcp", message("notifications/initialized", None), headers, key=key or gateway.key)
    return session, answer


@pytest.fixture(scope="module")
def wire(shared_gateway, tmp_path_factory):
    calls = tmp_path_factory.mktemp("wire") / "calls.jsonl"
    through = shared_gateway(servers=stdio(calls))
    through.calls = calls
    return through


async def test_another_identity_cannot_use_a_session(wire):
    session, _ = opened(wire)
    assert session and len(session) >= 22
    thief = wire.add_agent("thief")
    headers = {**ACCEPT, "Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    own = raw.post(wire.address, "/mcp", message("tools/list"), headers, key=wire.key)
    assert own.status == 200
    for method, send in (("POST", lambda: raw.post(wire.address, "/mcp", message("tools/list"), headers, key=thief)),
                         ("GET", lambda: raw.get(wire.address, "/mcp", {"Accept": "text/event-stream", **headers}, key=thief))):
        answer = send()
        assert answer.status == 404 and "mcp.session" in answer.text, method
    lines = [("Host", "%s:%d" % wire.address), ("Authorization", f"Bearer {thief}"), ("Mcp-Session-Id", session), ("Connection", "close")]
    assert raw.exchange(wire.address, raw.head("DELETE", "/mcp", lines)).status == 404
    assert raw.post(wire.address, "/mcp", message("tools/list"), headers, key=wire.key).status == 200, "the thief ended the session"


@pytest.mark.parametrize("session", ["guessed", "00000000000000000000000000", "' or 1=1", "\u00e9"])
async def test_invented_sessions_are_unknown(wire, session):
    answer = raw.post(wire.address, "/mcp", message("tools/list"), {**ACCEPT, "Mcp-Session-Id": session}, key=wire.key)
    assert answer.status in (400, 404)


@pytest.mark.parametrize("headers, code", [
    ({"Host": "evil.example"}, "wire.host"), ({"Host": "127.0.0.1.evil.example"}, "wire.host"), ({"Host": "localhost:1"}, "wire.host"),
    ({"Origin": "https://evil.example"}, "wire.origin"), ({"Origin": "null"}, "wire.origin"), ({"Origin": "http://localhost:1"}, "wire.origin"),
])
@pytest.mark.parametrize("path", ["/mcp", "/v1/chat/completions"])
async def test_foreign_host_and_origin(wire, headers, code, path):
    lines = {"Host": "%s:%d" % wire.address, "Authorization": f"Bearer {wire.key}", "Content-Type": "application/json", "Connection": "close", **ACCEPT, **headers}
    body = initialize()
    answer = raw.exchange(wire.address, raw.head("POST", path, [*lines.items(), ("Content-Length", str(len(body)))]) + body)
    assert 400 <= answer.status < 500 and code in answer.text


def modern(name: str = "echo", arguments: dict | None = None, version: str = "2026-07-28") -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    }
    return message("tools/call", name=name, arguments=arguments or {"text": "x"}, _meta=meta)


GOOD = {**ACCEPT, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo"}


async def test_headers_that_agree_pass(wire):
    answer = raw.post(wire.address, "/mcp", modern(), GOOD, key=wire.key)
    assert answer.status == 200 and "echo" in answer.text, answer.text


@pytest.mark.parametrize("change", [
    {"Mcp-Method": "tools/list"}, {"Mcp-Name": "read_mail"}, {"Mcp-Name": "ECHO"}, {"MCP-Protocol-Version": "2025-11-25"},
    {"Mcp-Method": None}, {"Mcp-Name": None}, {"Mcp-Name": "pay"}, {"MCP-Protocol-Version": "2031-01-01"},
])
async def test_headers_that_disagree_do_not(wire, change):
    before = len(seen_calls(wire.calls))
    answer = raw.post(wire.address, "/mcp", modern(), {**GOOD, **change}, key=wire.key)
    assert answer.status == 400, answer.text
    assert "wire.header_mismatch" in answer.text or "mcp.revision" in answer.text or "mcp." in answer.text
    assert len(seen_calls(wire.calls)) == before


async def test_a_duplicated_routing_header_is_refused(wire):
    body = modern()
    lines = [("Host", "%s:%d" % wire.address), ("Authorization", f"Bearer {wire.key}"), ("Content-Type", "application/json"), ("Connection", "close"), *GOOD.items(), ("Mcp-Name", "pay"), ("Content-Length", str(len(body)))]
    answer = raw.exchange(wire.address, raw.head("POST", "/mcp", lines) + body)
    assert answer.status == 400 and "wire.header_mismatch" in answer.text


@pytest.mark.parametrize("protocol", ["1999-01-01", "2024-11-05"])
async def test_older_and_unknown_revisions_get_one_we_speak_or_a_refusal(wire, protocol):
    answer = raw.post(wire.address, "/mcp", initialize(protocol), ACCEPT, key=wire.key)
    if answer.status == 200:
        text = answer.text[answer.text.index("{") :].split("\n")[0]
        assert json.loads(text)["result"]["protocolVersion"] in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
    else:
        assert "mcp.revision" in answer.text


@pytest.mark.parametrize("body", [
    b"[]", b"[" + message("ping") + b"]", b'{"jsonrpc":"1.0","id":1,"method":"ping"}', b'{"id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}', b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":1,"method":7}', b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":3}',
    b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}', b'{"jsonrpc":"2.0","id":1}', b"null", b'"x"',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"pay"}}',
])
async def test_messages_that_are_none(wire, body):
    session, _ = opened(wire)
    headers = {**ACCEPT, "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session or ""}
    answer = raw.post(wire.address, "/mcp", body, headers, key=wire.key)
    assert answer.status == 400, answer.text
    assert "mcp.message" in answer.text or "wire.json" in answer.text or "wire.request_shape" in answer.text, answer.text


async def test_a_tool_that_was_never_listed(wire):
    async with mcp_client(wire.mcp(), wire.key) as client:
        said = await refused(client.call_tool("nothing_like_that", {}))
        assert "mcp.tool_unknown" in said or "policy.denied" in said


async def test_what_is_called_at_once_is_ruled_one_by_one(gateway, calls):
    through = gateway(servers=stdio(calls), policy=PERMIT_ALL + SMALL_PAY)
    async with mcp_client(through.mcp(), through.key) as client:
        await client.list_tools()

        async def pay(amount):
            try:
                return not (await client.call_tool("pay", {"to": "Ann", "amount": amount})).is_error
            except Exception:  # noqa: BLE001
                return False

        amounts = [1 + number * 10 for number in range(20)]
        passed = await asyncio.gather(*map(pay, amounts))
    assert [amount for amount, ok in zip(amounts, passed, strict=True) if ok] == [amount for amount in amounts if amount <= 100]
    assert sorted(call["arguments"]["amount"] for call in seen_calls(calls)) == [amount for amount in amounts if amount <= 100]
