"""The approval question in the agent's own client, with the official MCP SDK: over a session it is an elicitation, to a
stateless client an `input_required` result."""

import pytest

import mcp.types

from peers import mcp_client, refused, seen_calls, stdio_office, text_of

pytestmark = pytest.mark.anyio

MODES = ["legacy", "auto"]


class User:
    """Answers elicitations, and keeps what she was asked."""

    def __init__(self, action, content=None):
        self.action, self.content, self.asked = action, content, []

    async def __call__(self, context, params):
        self.asked.append(params)
        return mcp.types.ElicitResult(action=self.action, content=self.content)


YES, NO = {"allow": True}, {"allow": False}


def start(gateway, provider, tmp_path, **approvals):
    """No prompt is known, so a payment asks once something was read; the operator lets this agent's client say yes to it."""
    settings = {"danger_ask_in_client": ["local"], "ask_in_client_effects": ["send", "write", "pay"], **approvals}
    through = gateway(
        provider, servers=[stdio_office(tmp_path / "calls.jsonl", inbox="nothing new")], policy=None, approvals=settings
    )
    return through


async def pay(client, amount=12):
    return await client.call_tool("pay", {"to": "Ann", "amount": amount})


def paid(tmp_path):
    return [call["arguments"]["amount"] for call in seen_calls(tmp_path / "calls.jsonl") if call["tool"] == "pay"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_yes_in_the_client_is_good_for_one_call(gateway, provider, tmp_path, mode):
    through, user = start(gateway, provider, tmp_path), User("accept", YES)
    async with mcp_client(through.mcp(), through.key, mode, elicitation_callback=user) as client:
        await client.call_tool("read_mail", {})
        assert text_of(await pay(client)) == "paid 12 to Ann"
        assert len(user.asked) == 1 and paid(tmp_path) == [12]
        told = user.asked[0].message
        assert "pay" in told and "Ann" in told and "12" in told and "what the user asked for is not known" in told
        # The same call again is another call, and another question.
        assert text_of(await pay(client)) == "paid 12 to Ann"
        assert len(user.asked) == 2
        user.action, user.content = "decline", None
        assert "policy.ask" in await refused(pay(client, 13))
    assert paid(tmp_path) == [12, 12]
    notes = [row["record"].get("note") or "" for row in through.json("audit", "search", "--kind", "operation")["records"]]
    assert any("allowed once" in note and "the client of `local`" in note for note in notes), notes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action, content", [("decline", None), ("accept", NO), ("cancel", None), ("accept", {"allow": False})])
async def test_anything_but_a_yes_is_none(gateway, provider, tmp_path, mode, action, content):
    through, user = start(gateway, provider, tmp_path), User(action, content)
    async with mcp_client(through.mcp(), through.key, mode, elicitation_callback=user) as client:
        await client.call_tool("read_mail", {})
        assert "policy.ask" in await refused(pay(client))
    assert len(user.asked) == 1 and paid(tmp_path) == []


@pytest.mark.parametrize("mode", MODES)
async def test_clients_that_are_not_listed_are_not_asked(gateway, provider, tmp_path, mode):
    through, user = start(gateway, provider, tmp_path, danger_ask_in_client=["another"]), User("accept", YES)
    async with mcp_client(through.mcp(), through.key, mode, elicitation_callback=user) as client:
        await client.call_tool("read_mail", {})
        assert "policy.ask" in await refused(pay(client))
    assert user.asked == [] and paid(tmp_path) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("setting", [{"ask_in_client_effects": ["send"]}, {"two_person": ["pay"]}])
async def test_what_is_kept_for_the_admin_channel_is_not_asked_there(gateway, provider, tmp_path, mode, setting):
    through, user = start(gateway, provider, tmp_path, **setting), User("accept", YES)
    async with mcp_client(through.mcp(), through.key, mode, elicitation_callback=user) as client:
        await client.call_tool("read_mail", {})
        assert "policy.ask" in await refused(pay(client))
    assert user.asked == [] and paid(tmp_path) == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_without_the_capability_gets_the_refusal(gateway, provider, tmp_path, mode):
    through = start(gateway, provider, tmp_path)
    async with mcp_client(through.mcp(), through.key, mode) as client:
        await client.call_tool("read_mail", {})
        assert "policy.ask" in await refused(pay(client))
    assert paid(tmp_path) == []
