"""Model APIs with the official SDKs: through the gateway everything is as it is directly, byte for byte."""

import base64
import json

import anthropic
import openai
import pytest
import raw
from conftest import PROVIDER_KEY

USER = [{"role": "user", "content": "hello"}]
TWO_CALLS = 'Please.\nCALL pay {"to":"Ann","amount":3}\nCALL send_mail {"to":"Böb","text":"5 € \\"now\\" \\u00e9"}'
TOOLS = [
    {"type": "function", "function": {"name": "pay", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "send_mail", "parameters": {"type": "object", "properties": {}}}},
]
FLAT_TOOLS = [{"type": "function", **tool["function"], "strict": False} for tool in TOOLS]
CLAUDE_TOOLS = [{"name": tool["function"]["name"], "input_schema": tool["function"]["parameters"]} for tool in TOOLS]
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()


@pytest.fixture(scope="module")
def through(shared_gateway, provider):
    return shared_gateway(provider)


def openai_client(url: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=30)


def anthropic_client(url: str, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=30)


@pytest.fixture
def openais(provider, through):
    return openai_client(f"{provider.url}/v1", PROVIDER_KEY), openai_client(through.openai, through.key)


@pytest.fixture
def claudes(provider, through):
    return anthropic_client(provider.url, PROVIDER_KEY), anthropic_client(through.anthropic, through.key)


def same(clients, ask):
    """What the SDK makes of an answer, directly and through; returns it."""
    direct, crossed = (ask(client) for client in clients)
    assert crossed == direct
    return direct


CHAT_MODELS = ["text", "text+split1", "text+split7", "text+crlf", "obedient", "obedient+split1", "obedient+split13+crlf"]


@pytest.mark.parametrize("model", ["text", "obedient"])
def test_chat_unary(openais, model):
    messages = [{"role": "user", "content": TWO_CALLS}]
    answer = same(openais, lambda client: client.chat.completions.create(model=model, messages=messages, tools=TOOLS).to_dict())
    assert ("tool_calls" in answer["choices"][0]["message"]) == (model == "obedient")


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_chat_streamed(openais, model):
    messages = [{"role": "user", "content": TWO_CALLS}]

    def ask(client):
        stream = client.chat.completions.create(
            model=model, messages=messages, tools=TOOLS, stream=True, stream_options={"include_usage": True}
        )
        return [chunk.to_dict() for chunk in stream]

    chunks = same(openais, ask)
    assert chunks[-1]["usage"]["total_tokens"] == 18


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_chat_stream_helper_assembles_tools(openais, model):
    messages = [{"role": "user", "content": TWO_CALLS}]

    def ask(client):
        with client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
            kinds = [event.type for event in stream]
            return kinds, stream.get_final_completion().to_dict()

    _, final = same(openais, ask)
    if model.startswith("obedient"):
        arguments = [json.loads(call["function"]["arguments"]) for call in final["choices"][0]["message"]["tool_calls"]]
        assert arguments == [{"to": "Ann", "amount": 3}, {"to": "Böb", "text": '5 € "now" é'}]


@pytest.mark.parametrize("model", ["text", "obedient"])
def test_responses_unary(openais, model):
    same(openais, lambda client: client.responses.create(model=model, input=TWO_CALLS, tools=FLAT_TOOLS, store=False).to_dict())


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_responses_streamed(openais, model):
    def ask(client):
        with client.responses.stream(model=model, input=TWO_CALLS, tools=FLAT_TOOLS, store=False) as stream:
            return [event.to_dict() for event in stream], stream.get_final_response().to_dict()

    same(openais, ask)


@pytest.mark.parametrize("model", ["text", "obedient", "thinking"])
def test_messages_unary(claudes, model):
    messages = [{"role": "user", "content": TWO_CALLS}]
    answer = same(
        claudes,
        lambda client: client.messages.create(model=model, max_tokens=64, messages=messages, tools=CLAUDE_TOOLS).to_dict(),
    )
    if model == "thinking":
        assert answer["content"][0]["signature"]


@pytest.mark.parametrize("model", [*CHAT_MODELS, "thinking", "thinking+split3"])
def test_messages_streamed(claudes, model):
    messages = [{"role": "user", "content": TWO_CALLS}]

    def ask(client):
        with client.messages.stream(model=model, max_tokens=64, messages=messages, tools=CLAUDE_TOOLS) as stream:
            return [event.to_dict() for event in stream], stream.get_final_message().to_dict()

    same(claudes, ask)


def test_a_whole_tool_conversation_passes(openais):
    """The second turn carries the tool's result; ids and order must survive."""

    def ask(client):
        messages = [{"role": "user", "content": 'CALL pay {"to":"Ann"}'}]
        first = client.chat.completions.create(model="obedient", messages=messages, tools=TOOLS).choices[0].message
        messages += [first.to_dict(), {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "paid"}]
        return client.chat.completions.create(model="obedient", messages=messages, tools=TOOLS).to_dict()

    assert same(openais, ask)["choices"][0]["message"]["content"] == "Done: paid"


def test_images_pass(openais, claudes):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    seen = same(
        openais,
        lambda client: client.chat.completions.create(
            model="facts", messages=[{"role": "user", "content": [{"type": "text", "text": "see"}, image]}]
        ).to_dict(),
    )
    assert json.loads(seen["choices"][0]["message"]["content"])["images"] == [len(image["image_url"]["url"])]
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    seen = same(
        claudes,
        lambda client: client.messages.create(
            model="facts", max_tokens=9, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}]
        ).to_dict(),
    )
    assert json.loads(seen["content"][0]["text"])["images"] == [264]


def test_cache_control_and_signatures_stay(claudes):
    signature = "c2lnbmVkLWJ5LXByb3ZpZGVy=="
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "one", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Let me think. 考える.", "signature": signature}, {"type": "text", "text": "two"},
        ]},
        {"role": "user", "content": "three"},
    ]
    system = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    answer = same(
        claudes,
        lambda client: client.messages.create(model="facts", max_tokens=9, system=system, messages=messages).to_dict(),
    )
    assert json.loads(answer["content"][0]["text"]) == {"cache_control": 2, "images": [], "signatures": [signature]}


def test_models_are_listed(openais):
    _, crossed = openais
    assert "text" in [model.id for model in crossed.models.list()]


BODIES = {
    # Odd spelling that a decoder would normalise: spaces, escapes, number forms, key order, unknown fields.
    "chat": ("/v1/chat/completions", b'{ "zz_unknown" : [1.0, 1e2, -0] , "model":"%s",\n\t"messages":[{"role":"user","content":"\\u0063af\xc3\xa9 \\/ CALL pay {\\"to\\":\\"A\\"}"}], "stream": %s }'),
    "responses": ("/v1/responses", b'{"input":"h\\u00ebllo\\n CALL pay {\\"to\\": \\"A\\"} ",  "model" : "%s" , "store":false,"stream":%s,"metadata":{"b":"1","a":"2"}}'),
    "messages": ("/v1/messages", b'{"max_tokens":  17,"messages":[{"content":"CALL pay {\\"to\\":\\"A\\"}","role":"user"}],"stream":%s,"model":"%s"}'),
}
BYTE_MODELS = ["text", "obedient", "text+split1", "obedient+split5", "text+crlf", "gzip", "status429", "status500"]


@pytest.mark.parametrize("model", BYTE_MODELS)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("api", BODIES)
def test_bytes_are_equal_with_no_policy_effect(provider, through, api, streamed, model):
    path, form = BODIES[api]
    flag, name = str(streamed).lower().encode(), model.encode()
    body = form % ((flag, name) if api == "messages" else (name, flag))
    host, port = provider.url.removeprefix("http://").split(":")
    direct = raw.post((host, int(port)), path, body, key=PROVIDER_KEY)
    crossed = raw.post(through.address, path, body, key=through.key)
    first, second = provider.seen[-2:]
    assert second.body == first.body == body, "the provider was not sent the agent's exact bytes"
    assert crossed.status == direct.status
    assert crossed.whole
    assert crossed.header("content-type") == direct.header("content-type")
    if crossed.header("content-encoding") == direct.header("content-encoding"):
        assert crossed.body == direct.body
    else:
        # A gateway that reads the answer may hand it on unpacked; it must then say so.
        import gzip

        assert crossed.header("content-encoding") in (None, "identity")
        assert crossed.body == gzip.decompress(direct.body)


@pytest.mark.parametrize("prefix, path", [("/openai", "/v1/chat/completions"), ("/openai", "/v1/responses"), ("/anthropic", "/v1/messages")])
def test_prefixed_paths_are_the_same(through, provider, prefix, path):
    body = {"model": "text", "max_tokens": 9, "messages": USER} if "responses" not in path else {"model": "text", "input": "x"}
    data = json.dumps(body).encode()
    plain = raw.post(through.address, path, data, key=through.key)
    prefixed = raw.post(through.address, prefix + path, data, key=through.key)
    assert (prefixed.status, prefixed.body) == (plain.status, plain.body) and plain.status == 200


def test_provider_errors_keep_their_kind(openais, claudes):
    for client in openais:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="status429", messages=USER)
        with pytest.raises(openai.InternalServerError):
            client.responses.create(model="status500", input="x")
    for client in claudes:
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model="status529", max_tokens=9, messages=USER)
        assert caught.value.status_code == 529


def test_retry_after_reaches_the_sdk(provider, through):
    answer = raw.post(through.address, "/v1/chat/completions", json.dumps({"model": "status429", "messages": USER}).encode(), key=through.key)
    assert answer.status == 429 and answer.header("retry-after") == "1"


def test_anthropic_key_header_and_bearer_both_work(through):
    anthropic.Anthropic(base_url=through.anthropic, api_key=through.key).messages.create(model="text", max_tokens=9, messages=USER)
    anthropic.Anthropic(base_url=through.anthropic, auth_token=through.key, api_key=None).messages.create(
        model="text", max_tokens=9, messages=USER
    )
