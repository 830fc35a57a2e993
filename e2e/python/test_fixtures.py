"""The fixtures themselves, without a gateway: a test that compares two wrong things must fail here first."""

import json

import anthropic
import openai
import pytest
import raw
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from peers import accept, everything_command, filesystem_command, fixed_model, office_command, seen_calls, text_of
from upstream import fragments, raw_dumps, Raw

pytestmark = pytest.mark.anyio

CALLS = 'CALL pay {"to":"Ann","amount":3}\nCALL send_mail {"to":"Böb","text":"5 € \\"now\\""}'
MODELS = ["obedient", "obedient+split1", "obedient+split7+crlf"]


@pytest.mark.parametrize("model", MODELS)
async def test_the_provider_streams_tool_calls_every_sdk_assembles(provider, model):
    expected = [{"to": "Ann", "amount": 3}, {"to": "Böb", "text": '5 € "now"'}]
    messages = [{"role": "user", "content": CALLS}]
    client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="x", max_retries=0)
    with client.chat.completions.stream(model=model, messages=messages) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == expected
    with client.responses.stream(model=model, input=CALLS) as stream:
        items = stream.get_final_response().output
    assert [json.loads(item.arguments) for item in items] == expected
    claude = anthropic.Anthropic(base_url=provider.url, api_key="x", max_retries=0)
    with claude.messages.stream(model=model, max_tokens=9, messages=messages) as stream:
        blocks = stream.get_final_message().content
    assert [block.input for block in blocks] == expected


async def test_the_provider_misbehaves_as_told(provider):
    address = ("127.0.0.1", provider.port)

    def ask(model, stream=False):
        return raw.post(address, "/v1/chat/completions", json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], "stream": stream}).encode())

    assert ask("status429").status == 429 and ask("redirect").status == 307
    assert ask("dupkey").body.count(b'"model"') == 2
    with pytest.raises(UnicodeDecodeError):
        ask("badutf8").body.decode()
    assert not ask("cut", True).whole and ask("text", True).whole
    assert len(ask("bomb").body) < 4 << 20 and len(ask("huge").body) > 40 << 20
    assert b"\xff\xfe" in ask("garbage", True).body
    assert b"\r\n\r\n" in ask("text+crlf", True).body
    assert json.loads(ask("badargs").body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"amount": 1'


async def test_fragments_and_raw_json_are_exact():
    assert "".join(fragments(CALLS)) == CALLS
    assert raw_dumps({"a": Raw('{"b": 1'), "c": "x"}) == b'{"a": {"b": 1, "c": "x"}'


@pytest.mark.parametrize("mode, revision", [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
@pytest.mark.parametrize("transport", ["stdio", "http", "json", "sse"])
async def test_the_office_works_over_every_transport(peers, tmp_path, transport, mode, revision):
    if (transport, mode) == ("json", "legacy"):
        pytest.skip("plain JSON answers have no way to ask the client in the handshake revisions")
    calls = tmp_path / "calls.jsonl"
    if transport == "stdio":
        command = office_command("stdio", calls)
        target = StdioServerParameters(command=command[0], args=command[1:])
    else:
        url = peers.office(transport, calls)["url"]
        target = sse_client(url) if transport == "sse" else url
    async with Client(target, mode=mode, cache=None, elicitation_callback=accept, sampling_callback=fixed_model) as client:
        # Legacy SSE cannot carry the stateless revision; the client falls back by itself.
        assert client.protocol_version in (revision, "2025-11-25" if transport == "sse" else revision)
        assert text_of(await client.call_tool("pay", {"to": "Ann", "amount": 3})) == "paid 3 to Ann"
        assert text_of(await client.call_tool("confirm")) == "confirmed=True because so be it"
        assert text_of(await client.call_tool("think", {"question": "?"})) == "the model says: forty-two"
    assert [call["tool"] for call in seen_calls(calls)] == ["pay", "confirm", "think"]


async def test_the_reference_servers_start(tmp_path):
    for command, tool in ((everything_command(), "echo"), (filesystem_command(tmp_path), "read_text_file")):
        async with Client(StdioServerParameters(command=command[0], args=command[1:]), mode="legacy", cache=None) as client:
            assert tool in {each.name for each in (await client.list_tools()).tools}
