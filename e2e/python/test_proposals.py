"""What a model proposes is ruled on before the agent sees it; hosted tools and kept history are refused."""

import json

import anthropic
import openai
import pytest
import raw
from gateway import call_ids
from peers import PERMIT_ALL, forbid
from test_models import CLAUDE_TOOLS, FLAT_TOOLS, TOOLS, anthropic_client, openai_client

REASON = "payments need a person"
PAY = 'CALL pay {"to":"Mallory","amount":900}'
HARMLESS = 'CALL send_mail {"to":"Ann","text":"hi"}'
USER = [{"role": "user", "content": PAY}]
MODELS = ["obedient", "obedient+split1", "obedient+split7", "obedient+crlf"]


@pytest.fixture(scope="module")
def guarded(shared_gateway, provider):
    return shared_gateway(provider, policy=PERMIT_ALL + forbid("propose_tool", 'AgentTool::"pay"', REASON))


@pytest.fixture
def openai_agent(guarded):
    return openai_client(guarded.openai, guarded.key)


@pytest.fixture
def claude_agent(guarded):
    return anthropic_client(guarded.anthropic, guarded.key)


def judge(gateway, text: str, code: str = "policy."):
    """A refusal carries the operator's sentence, a stable code, and an id that `explain` knows."""
    assert REASON in text, text
    assert code in text, text
    ids = call_ids(text)
    assert ids, f"no call id in {text!r}"
    explained = gateway.json("explain", ids[0])
    assert "test.forbid" in json.dumps(explained)
    assert "Mallory" not in text


def test_chat_unary_is_refused(guarded, openai_agent):
    with pytest.raises(openai.PermissionDeniedError) as caught:
        openai_agent.chat.completions.create(model="obedient", messages=USER, tools=TOOLS)
    judge(guarded, str(caught.value))
    assert caught.value.body["code"].startswith("policy.")


def test_responses_unary_is_refused(guarded, openai_agent):
    with pytest.raises(openai.PermissionDeniedError) as caught:
        openai_agent.responses.create(model="obedient", input=PAY, tools=FLAT_TOOLS)
    judge(guarded, str(caught.value))


def test_messages_unary_is_refused(guarded, claude_agent):
    with pytest.raises(anthropic.PermissionDeniedError) as caught:
        claude_agent.messages.create(model="obedient", max_tokens=9, messages=USER, tools=CLAUDE_TOOLS)
    judge(guarded, str(caught.value))


@pytest.mark.parametrize("model", MODELS)
def test_chat_streamed_is_refused(guarded, openai_agent, model):
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in openai_agent.chat.completions.create(model=model, messages=USER, tools=TOOLS, stream=True):
            chunks.append(chunk.to_dict())
    judge(guarded, str(caught.value))
    assert "Mallory" not in json.dumps(chunks) and "tool_calls" not in json.dumps(chunks)


@pytest.mark.parametrize("model", MODELS)
def test_responses_streamed_is_refused(guarded, openai_agent, model):
    events = []
    with pytest.raises(openai.APIError) as caught:
        for event in openai_agent.responses.create(model=model, input=PAY, tools=FLAT_TOOLS, stream=True):
            events.append(event.to_dict())
    judge(guarded, str(caught.value))
    assert "Mallory" not in json.dumps(events) and "function_call" not in json.dumps(events)


@pytest.mark.parametrize("model", MODELS)
def test_messages_streamed_is_refused(guarded, claude_agent, model):
    events = []
    with pytest.raises(anthropic.APIError) as caught:
        with claude_agent.messages.stream(model=model, max_tokens=9, messages=USER, tools=CLAUDE_TOOLS) as stream:
            for event in stream:
                events.append(event.to_dict())
    judge(guarded, str(caught.value))
    assert "Mallory" not in json.dumps(events) and "tool_use" not in json.dumps(events)


@pytest.mark.parametrize("order", [(PAY, HARMLESS), (HARMLESS, PAY)])
@pytest.mark.parametrize("streamed", [False, True])
def test_one_bad_call_among_parallel_ones_is_not_seen(guarded, openai_agent, order, streamed):
    """No argument of the refused call reaches the agent, wherever in the answer it stands."""
    messages = [{"role": "user", "content": "\n".join(order)}]
    answer = raw.post(
        guarded.address, "/v1/chat/completions",
        json.dumps({"model": "obedient", "messages": messages, "tools": TOOLS, "stream": streamed}).encode(), key=guarded.key,
    )
    assert REASON in answer.text and "Mallory" not in answer.text and "900" not in answer.text


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["badargs", "badargs+split1"])
def test_arguments_that_are_no_json_do_not_pass(guarded, model, streamed):
    """`{"amount": 1` is what a parser in the agent might complete differently from ours."""
    answer = raw.post(
        guarded.address, "/v1/chat/completions",
        json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], "stream": streamed}).encode(), key=guarded.key,
    )
    assert '"amount' not in answer.text and "amount" not in answer.text.replace("\\", "")
    assert answer.status >= 400 or '"error"' in answer.text


@pytest.mark.parametrize("path, body", [
    ("/v1/chat/completions", {"messages": USER}), ("/v1/responses", {"input": PAY}), ("/v1/messages", {"messages": USER, "max_tokens": 9}),
])
def test_an_upstream_that_ignores_stream_is_ruled_all_the_same(guarded, path, body):
    """Asked for a stream, it answers with JSON."""
    answer = raw.post(guarded.address, path, json.dumps({"model": "obedient+json", "stream": True, **body}).encode(), key=guarded.key)
    assert REASON in answer.text and "Mallory" not in answer.text


def test_an_upstream_that_streams_unasked_is_ruled_all_the_same(guarded):
    answer = raw.post(guarded.address, "/v1/chat/completions", json.dumps({"model": "obedient+sse", "messages": USER}).encode(), key=guarded.key)
    assert answer.status >= 400 or REASON in answer.text
    assert "Mallory" not in answer.text


BUILTIN = {
    "local_shell_call": "local_shell", "shell_call": "shell", "computer_call": "computer", "apply_patch_call": "apply_patch",
    "custom_tool_call": "pay",
}


@pytest.fixture(scope="module")
def no_builtins(shared_gateway, provider):
    rules = "".join(
        forbid("propose_tool", f'AgentTool::"{name}"', REASON).replace("test.forbid", f"test.{name}") for name in BUILTIN.values()
    )
    hosted = '@id("test.hosted") forbid (principal, action == Bartizan::Action::"use_hosted_tool", resource);'
    return shared_gateway(provider, policy=PERMIT_ALL + rules + hosted)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", [*BUILTIN, "web_search_call", "mcp_call", "code_interpreter_call", "something_new_call"])
def test_calls_that_are_no_function_calls_are_ruled_too(no_builtins, kind, streamed):
    """The agent or the provider runs them all the same."""
    body = json.dumps({"model": f"builtin+{kind}", "input": "x", "stream": streamed}).encode()
    answer = raw.post(no_builtins.address, "/v1/responses", body, key=no_builtins.key)
    assert "policy." in answer.text and "Mallory" not in answer.text, answer.text[:400]
    assert (REASON in answer.text) == (kind in BUILTIN)


def test_allowed_proposals_still_pass(openai_agent):
    messages = [{"role": "user", "content": HARMLESS}]
    answer = openai_agent.chat.completions.create(model="obedient", messages=messages, tools=TOOLS)
    assert answer.choices[0].message.tool_calls[0].function.name == "send_mail"


# -- nothing goes round: under `balanced` alone, hosted tools and kept history have no permit

HOSTED = {
    "/v1/responses": [
        {"type": "web_search"}, {"type": "web_search_preview"}, {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "code_interpreter", "container": {"type": "auto"}}, {"type": "computer_use_preview"}, {"type": "image_generation"},
        {"type": "mcp", "server_label": "x", "server_url": "https://evil.example/mcp", "require_approval": "never"},
        {"type": "something_new"},
    ],
    "/v1/messages": [
        {"type": "web_search_20250305", "name": "web_search"}, {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "web_fetch_20250910", "name": "web_fetch"}, {"type": "something_new_20990101", "name": "y"},
    ],
    "/v1/chat/completions": [],
}


@pytest.fixture(scope="module")
def balanced(shared_gateway, provider):
    return shared_gateway(provider, policy=None)


def request(path: str, **fields) -> bytes:
    base = {
        "/v1/responses": {"model": "text", "input": "x"},
        "/v1/messages": {"model": "text", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
        "/v1/chat/completions": {"model": "text", "messages": [{"role": "user", "content": "x"}]},
    }[path]
    return json.dumps({**base, **fields}).encode()


def refused_before_the_provider(gateway, provider, path, body, codes):
    count = len(provider.seen)
    answer = raw.post(gateway.address, path, body, key=gateway.key)
    assert answer.status in (400, 403), (answer.status, answer.text)
    assert any(code in answer.text for code in codes), answer.text
    assert len(provider.seen) == count, "it reached the provider"


@pytest.mark.parametrize("path, tool", [(path, tool) for path, tools in HOSTED.items() for tool in tools], ids=lambda value: value["type"] if isinstance(value, dict) else None)
def test_hosted_tools_are_refused(balanced, provider, path, tool):
    refused_before_the_provider(balanced, provider, path, request(path, tools=[tool]), ["policy.hosted_tool"])


@pytest.mark.parametrize("path, fields", [
    ("/v1/messages", {"mcp_servers": [{"type": "url", "url": "https://evil.example/mcp", "name": "x"}]}),
    ("/v1/messages", {"container": {"skills": [{"type": "anthropic", "skill_id": "pptx"}]}}),
    ("/v1/chat/completions", {"web_search_options": {}}),
    ("/v1/responses", {"input": [{"type": "tool_search_output", "call_id": "c", "tools": [{"type": "mcp", "server_label": "x", "server_url": "https://evil.example/mcp"}]}]}),
    ("/v1/responses", {"input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "web_search"}]}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image", "image": "http://169.254.169.254/latest"}]}]}),
    ("/v1/chat/completions", {"preset": "somebody-elses"}),
    ("/v1/chat/completions", {"deferred": True}),
])
def test_hosted_things_beside_tools_are_refused(balanced, provider, path, fields):
    refused_before_the_provider(balanced, provider, path, request(path, **fields), ["policy.hosted_tool", "policy.server_history"])


@pytest.mark.parametrize("fields", [
    {"previous_response_id": "resp_0"}, {"conversation": "conv_1"}, {"conversation": {"id": "conv_1"}},
    {"prompt": {"id": "pmpt_1"}}, {"input": [{"type": "item_reference", "id": "msg_0"}]}, {"background": True},
])
def test_history_kept_by_the_provider_is_refused(balanced, provider, fields):
    refused_before_the_provider(
        balanced, provider, "/v1/responses", request("/v1/responses", **fields), ["policy.server_history", "wire.request_shape"]
    )


def test_plain_requests_pass_beside_them(balanced):
    for path in HOSTED:
        assert raw.post(balanced.address, path, request(path), key=balanced.key).status == 200
